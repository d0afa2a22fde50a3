//! The credentials that the engine is given for what it fetches by itself, and why there were none.

use std::sync::{Arc, OnceLock};

use console::exit::Exit;
use console::failure::Failure;
use domain::credential::Credential;
use registry::{CredentialError, Registry};

/// The configured credentials, for one build or pull.
///
/// What keeps them may be missing, as after Docker Desktop was removed: all that is public can be fetched without.
pub(crate) struct Logins {
    registry: Arc<Registry>,
    unfound: OnceLock<CredentialError>,
}

impl Logins {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self { registry, unfound: OnceLock::new() }
    }

    /// Returns the credentials of a registry's host, or none where they cannot be had, which is remembered.
    pub(crate) async fn of(&self, host: &str) -> Option<Credential> {
        match self.registry.credentials(host).await {
            Ok(credential) => credential,
            Err(error) => {
                tracing::debug!(%error, "the engine is given no credentials");
                // The first is as good as any: each says what to mend.
                let _ = self.unfound.set(error);
                None
            }
        }
    }

    /// Adds to a failure for want of credentials why there were none.
    pub(crate) fn explain(&self, failure: Failure) -> Failure {
        match self.unfound.get() {
            Some(why) if failure.exit == Exit::Authentication => {
                let mut failure = failure.cause(why.to_string());
                if let Some(advice) = why.advice() {
                    failure.hints = vec![advice];
                }
                failure
            }
            _ => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use registry::RegistryOptions;

    use super::*;

    #[tokio::test]
    async fn a_refusal_tells_why_there_were_no_credentials() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), r#"{"credsStore":"not-there"}"#).unwrap();
        let options = RegistryOptions { docker_config: Some(folder.path().to_owned()), ..RegistryOptions::default() };
        let logins = Logins::new(Arc::new(Registry::new(options)));
        let refused = || Failure::of(Exit::Authentication, "refused").hint("log in");
        assert_eq!(logins.explain(refused()), refused());
        assert_eq!(logins.of("ghcr.io").await, None);
        let told = logins.explain(refused());
        insta::assert_snapshot!([told.causes, told.hints].concat().join("\n"), @r"
        the credentials for ghcr.io are kept by docker-credential-not-there, which is not installed
        install docker-credential-not-there, or take it out of credsStore and credHelpers in the docker config.json and log in again
        ");
        let other = Failure::of(Exit::StepFailed, "x");
        assert_eq!(logins.explain(other.clone()), other);
    }
}
