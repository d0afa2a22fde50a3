//! The programs that keep credentials for the docker command: `docker-credential-…`.
//!
//! Their protocol is that of the docker-credential-helpers project: `get`, the registry on stdin, JSON on stdout.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use domain::credential::Credential;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::credential::CredentialError;

/// What programs print for "I have none for this registry" (docker-credential-helpers, `errCredentialsNotFoundMessage`).
const NOT_FOUND: &str = "credentials not found in native keychain";

/// The user name that says that the secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// How much of a program's complaint is shown.
const COMPLAINT_LIMIT: usize = 200;

/// Asks the program called `docker-credential-<name>` for the credentials of `server`. After `limit` it is killed.
pub(crate) async fn get(name: &str, server: &str, limit: Duration) -> Result<Option<Credential>, CredentialError> {
    let program = format!("docker-credential-{name}");
    let failed =
        |reason: String| CredentialError::Program { program: program.clone(), server: server.to_owned(), reason };
    let asked = tokio::time::timeout(limit, ask(&program, server)).await;
    let output = match asked {
        Ok(Ok(output)) => output,
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
            return Err(CredentialError::NoProgram { program, server: server.to_owned() });
        }
        Ok(Err(error)) => return Err(failed(error.to_string())),
        Err(_) => {
            return Err(failed(format!("it did not answer within {} s", limit.as_secs())));
        }
    };
    let stdout = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        if stdout.contains(NOT_FOUND) {
            return Ok(None);
        }
        let complaint = complaint(&stdout, &String::from_utf8_lossy(&output.stderr));
        return Err(failed(complaint.unwrap_or_else(|| format!("it ended with {}", output.status))));
    }
    read(&stdout).ok_or_else(|| failed("its answer has no Username and Secret".to_owned()))
}

async fn ask(program: &str, server: &str) -> io::Result<std::process::Output> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that knows its answer without reading the question closes the pipe.
        match stdin.write_all(server.as_bytes()).await {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
            _ => {}
        }
    }
    child.wait_with_output().await
}

/// Reads a program's answer; `Some(None)` is an answer that says there is nothing.
fn read(stdout: &str) -> Option<Option<Credential>> {
    let answer: Value = serde_json::from_str(stdout).ok()?;
    let (username, secret) = (answer["Username"].as_str()?, answer["Secret"].as_str()?);
    Some(match (username, secret) {
        (_, "") => None,
        (TOKEN_USER, token) => Some(Credential::IdentityToken(token.to_owned())),
        (username, password) => {
            Some(Credential::Password { username: username.to_owned(), password: password.to_owned() })
        }
    })
}

/// Returns the first line of what a failed program said, unless it looks like an answer, which would hold a secret.
fn complaint(stdout: &str, stderr: &str) -> Option<String> {
    let said = [stderr, stdout].into_iter().map(str::trim).find(|text| !text.is_empty())?;
    if said.contains("Secret") || said.contains('{') {
        return None;
    }
    Some(said.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(COMPLAINT_LIMIT).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_password_a_token_or_nothing() {
        assert!(matches!(
            read(r#"{"ServerURL":"x","Username":"me","Secret":"s"}"#),
            Some(Some(Credential::Password { .. }))
        ));
        assert!(matches!(read(r#"{"Username":"<token>","Secret":"s"}"#), Some(Some(Credential::IdentityToken(_)))));
        assert_eq!(read(r#"{"Username":"","Secret":""}"#), Some(None));
        assert_eq!(read("null"), None);
        assert_eq!(read("Password:"), None);
    }

    #[test]
    fn a_complaint_never_holds_a_secret() {
        assert_eq!(complaint("", "no store\nat line 3").as_deref(), Some("no store"));
        assert_eq!(complaint("pass not initialized", "").as_deref(), Some("pass not initialized"));
        assert_eq!(complaint(r#"{"Username":"me","Secret":"s3cret"}"#, ""), None);
        assert_eq!(complaint(" ", "\n"), None);
    }
}
