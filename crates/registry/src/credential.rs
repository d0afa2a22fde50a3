//! Credentials, as the docker command's config has them.

use std::io;
use std::path::Path;
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use domain::credential::Credential;
use serde_json::Value;

use crate::keychain;

/// The file within the config folder.
const CONFIG_FILE: &str = "config.json";

/// The key that stands for Docker Hub in the config (docker/cli, `IndexServer`).
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// Says why configured credentials could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// The config cannot be read.
    #[error("the docker config {file} cannot be used: {reason}")]
    Config {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The config names a program that is not there.
    #[error("the credentials for {server} are kept by {program}, which is not installed")]
    NoProgram {
        /// The program.
        program: String,
        /// The registry, as the config calls it.
        server: String,
    },
    /// The program that keeps the credentials did not give them.
    #[error("{program} did not give the credentials for {server}: {reason}")]
    Program {
        /// The program.
        program: String,
        /// The registry, as the config calls it.
        server: String,
        /// What it said, or what happened to it.
        reason: String,
    },
}

impl CredentialError {
    /// Returns what a person can do about it, where there is something.
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::Config { .. } => None,
            Self::NoProgram { program, .. } => Some(format!(
                "install {program}, or take it out of credsStore and credHelpers in the docker {CONFIG_FILE} and log in again"
            )),
            Self::Program { program, server, .. } => Some(format!("try it: echo {server} | {program} get")),
        }
    }
}

/// Looks up the credentials of `registry` in the config in `folder`.
///
/// A program named for the registry in `credHelpers` goes first, then what stands in the config itself, then the
/// program in `credsStore`. A program may take as long as `limit`. No config is no credentials.
pub(crate) async fn look_up(
    folder: &Path,
    registry: &str,
    limit: Duration,
) -> Result<Option<Credential>, CredentialError> {
    let file = folder.join(CONFIG_FILE);
    let wrong = |reason: String| CredentialError::Config { file: file.display().to_string(), reason };
    let bytes = match std::fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(wrong(error.to_string())),
    };
    let mut config: Value = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    let server = config_key(registry);
    let take = |config: &mut Value, key: &str| config.as_object_mut().and_then(|keys| keys.remove(key));
    let programs = take(&mut config, "credHelpers").unwrap_or_default();
    let store = take(&mut config, "credsStore").unwrap_or_default();
    if let Some(program) = programs[server].as_str().filter(|name| !name.is_empty()) {
        return keychain::get(program, server, limit).await;
    }
    match get_credential_from_reader(config.to_string().as_bytes(), server) {
        Ok(DockerCredential::UsernamePassword(username, password)) => {
            Ok(Some(Credential::Password { username, password }))
        }
        Ok(DockerCredential::IdentityToken(token)) => Ok(Some(Credential::IdentityToken(token))),
        Err(CredentialRetrievalError::NoCredentialConfigured) => match store.as_str().filter(|name| !name.is_empty()) {
            Some(program) => keychain::get(program, server, limit).await,
            None => Ok(None),
        },
        Err(CredentialRetrievalError::ConfigReadError) => {
            Err(wrong("it does not have the shape of a docker config".to_owned()))
        }
        Err(CredentialRetrievalError::CredentialMismatchError) => {
            Err(wrong(format!("for {server}, auth says other than username and password")))
        }
        Err(_) => Err(wrong(format!("the auth of {server} is not the base64 of user:password"))),
    }
}

/// Returns the key under which the config has the credentials of a registry.
fn config_key(registry: &str) -> &str {
    match registry {
        "docker.io" | "index.docker.io" | "registry-1.docker.io" => HUB_KEY,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn found(config: &str, registry: &str) -> Result<Option<Credential>, CredentialError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(CONFIG_FILE), config).unwrap();
        look_up(folder.path(), registry, Duration::from_secs(10)).await.map_err(|error| match error {
            CredentialError::Config { reason, .. } => {
                CredentialError::Config { file: "config.json".to_owned(), reason }
            }
            other => other,
        })
    }

    fn password(username: &str, password: &str) -> Option<Credential> {
        Some(Credential::Password { username: username.to_owned(), password: password.to_owned() })
    }

    #[tokio::test]
    async fn no_config_is_no_credentials() {
        assert_eq!(look_up(Path::new("/nowhere"), "ghcr.io", Duration::ZERO).await, Ok(None));
        assert_eq!(look_up(Path::new("/dev/null"), "ghcr.io", Duration::ZERO).await, Ok(None));
        assert_eq!(found("{}", "ghcr.io").await, Ok(None));
        assert_eq!(found(r#"{"auths":{"ghcr.io":{}}}"#, "ghcr.io").await, Ok(None));
    }

    #[tokio::test]
    async fn a_registry_is_found_by_each_of_its_names() {
        // printf 'me:s3:cret' | base64
        let hub = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"bWU6czM6Y3JldA=="}}}"#;
        for name in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
            assert_eq!(found(hub, name).await, Ok(password("me", "s3:cret")));
        }
        assert_eq!(found(hub, "ghcr.io").await, Ok(None));
        let port = r#"{"auths":{"https://box.acme.org:5000/v2/":{"auth":"bWU6czM6Y3JldA=="}}}"#;
        assert_eq!(found(port, "box.acme.org:5000").await, Ok(password("me", "s3:cret")));
        assert_eq!(found(port, "box.acme.org").await, Ok(None));
    }

    #[tokio::test]
    async fn an_identity_token_is_one() {
        let config = r#"{"auths":{"acme.azurecr.io":{"auth":"MDAwOg==","identitytoken":"eyJ"}}}"#;
        assert_eq!(found(config, "acme.azurecr.io").await, Ok(Some(Credential::IdentityToken("eyJ".to_owned()))));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let config = r#"{"auths":{"ghcr.io":{}},"credsStore":"not-there"}"#;
        let error = found(config, "ghcr.io").await.unwrap_err();
        insta::assert_snapshot!(error, @"the credentials for ghcr.io are kept by docker-credential-not-there, which is not installed");
        insta::assert_snapshot!(error.advice().unwrap(), @"install docker-credential-not-there, or take it out of credsStore and credHelpers in the docker config.json and log in again");
        let config = r#"{"credHelpers":{"ghcr.io":"not-there"},"credsStore":"neither"}"#;
        assert_eq!(found(config, "ghcr.io").await.unwrap_err(), error);
    }

    #[tokio::test]
    async fn what_stands_in_the_config_needs_no_program() {
        let config = r#"{"auths":{"ghcr.io":{"username":"me","password":"x"}},"credsStore":"not-there","credHelpers":{"quay.io":"not-there"}}"#;
        assert_eq!(found(config, "ghcr.io").await, Ok(password("me", "x")));
    }

    #[tokio::test]
    async fn a_config_that_cannot_be_used_says_why_and_no_secret() {
        let error = async |config: &str| found(config, "ghcr.io").await.unwrap_err().to_string();
        insta::assert_snapshot!(error("{").await, @"the docker config config.json cannot be used: EOF while parsing an object at line 1 column 1");
        insta::assert_snapshot!(error(r#"{"auths":[]}"#).await, @"the docker config config.json cannot be used: it does not have the shape of a docker config");
        insta::assert_snapshot!(error(r#"{"auths":{"ghcr.io":{"auth":"czNjcmV0"}}}"#).await, @"the docker config config.json cannot be used: the auth of ghcr.io is not the base64 of user:password");
    }
}
