//! Credentials, as the docker command's config has them.

use std::path::Path;
use std::time::Duration;

use domain::credential::Credential;

use crate::config::{CONFIG_FILE, Config, server};
use crate::keychain;

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

/// Looks up the credentials of `registry` in the config in `folder`, as the docker command does.
///
/// A program named for the registry in `credHelpers` is asked, else the one in `credsStore`; what stands in the config
/// itself counts where there is no program, or it fails. A program may take as long as `limit`. No config is no
/// credentials.
pub(crate) async fn look_up(
    folder: &Path,
    registry: &str,
    limit: Duration,
) -> Result<Option<Credential>, CredentialError> {
    let (config, server) = (Config::read(folder)?, server(registry));
    let Some(program) = config.program(server) else {
        return config.credential(server);
    };
    match keychain::get(program, server, limit).await {
        Err(error) => config.credential(server).ok().flatten().map(Some).ok_or(error),
        found => found,
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
        assert_eq!(found("", "ghcr.io").await, Ok(None));
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
    async fn what_stands_in_the_config_counts_where_its_program_fails() {
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
