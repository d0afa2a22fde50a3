//! What can go wrong between this program and a registry.

use std::time::Duration;

use crate::credential::CredentialError;

/// A question to a registry that got no answer of use.
///
/// Every text is whole in itself and holds no credentials, not even those in an address.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The registry knows no such image.
    #[error("the registry {host} has no image {image}")]
    Absent {
        /// The registry.
        host: String,
        /// The image.
        image: String,
    },
    /// The registry does not let this user see the image. Some say so, too, of an image that does not exist.
    #[error("the registry {host} denies access to {repository}{}", if *.presented { " with the configured credentials" } else { "; no credentials are configured for it" })]
    Denied {
        /// The registry, or its token service.
        host: String,
        /// The repository within it.
        repository: String,
        /// Whether there were credentials to present.
        presented: bool,
    },
    /// The configured credentials could not be had.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// The connection or the answer took too long.
    #[error("the registry {host} did not answer within {} s", limit.as_secs())]
    NoAnswer {
        /// The registry, or its token service.
        host: String,
        /// How long was waited.
        limit: Duration,
    },
    /// There is no connection to the registry.
    #[error("the registry {host} cannot be reached: {reason}")]
    Unreachable {
        /// The registry, or its token service.
        host: String,
        /// What happened.
        reason: String,
        /// Whether something answers there and takes no connections: at that port nobody listens.
        is_refused: bool,
    },
    /// The connection ended before the answer did.
    #[error("the connection to the registry {host} broke: {reason}")]
    Broken {
        /// The registry, or its token service.
        host: String,
        /// What happened.
        reason: String,
    },
    /// No secure connection, because of a certificate.
    #[error("the registry {host} is not trusted: {reason}")]
    Untrusted {
        /// The registry, or its token service.
        host: String,
        /// What is wrong with its certificate, or with those that are trusted here.
        reason: String,
    },
    /// It speaks no TLS, without which it is not asked unless the caller wants that.
    #[error("the registry {host} does not speak TLS")]
    Cleartext {
        /// The registry, or its token service.
        host: String,
    },
    /// The registry could not or would not say.
    #[error("the registry {host} answered with status {status}")]
    Status {
        /// The registry, or its token service.
        host: String,
        /// The HTTP status, with its name.
        status: String,
        /// Whether it says that it is overloaded or broken.
        temporary: bool,
    },
    /// The answer is not what the distribution protocol says it should be.
    #[error("the registry {host} gave an answer that makes no sense: {reason}")]
    Answer {
        /// The registry, or its token service.
        host: String,
        /// What is wrong with the answer.
        reason: String,
    },
}

impl RegistryError {
    /// Says whether the same question may well be answered later without anybody changing anything.
    ///
    /// Silence, a broken connection, overload (429) and the registry's own failures (5xx) are temporary. A refused
    /// connection and a name that cannot be resolved are not: they mean an absent network or a wrong name.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::Broken { .. } => true,
            Self::Status { temporary, .. } => *temporary,
            Self::Absent { .. }
            | Self::Denied { .. }
            | Self::Credentials(_)
            | Self::Unreachable { .. }
            | Self::Untrusted { .. }
            | Self::Cleartext { .. }
            | Self::Answer { .. } => false,
        }
    }

    /// Returns what a person can do about it, where there is something.
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::Denied { host, presented: false, .. } => Some(format!(
                "log in (docker login {host}), and check the name: some registries deny what they do not have"
            )),
            Self::Denied { .. } => {
                Some("check the name and who may pull it; some registries deny what they do not have".to_owned())
            }
            Self::Credentials(error) => error.advice(),
            Self::Untrusted { .. } => Some(
                "if an authority of your own signs certificates, give its certificate with --ca-cert or SSL_CERT_FILE"
                    .to_owned(),
            ),
            Self::Cleartext { host } => Some(format!(
                "give it TLS, or let the engine do without: insecure-registries with {host} in its daemon.json"
            )),
            Self::Unreachable { .. } => Some("check the network, the name, and HTTPS_PROXY and NO_PROXY".to_owned()),
            Self::Absent { .. }
            | Self::NoAnswer { .. }
            | Self::Broken { .. }
            | Self::Status { .. }
            | Self::Answer { .. } => None,
        }
    }
}
