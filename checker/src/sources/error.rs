//! Why a source gave no version.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use domain::version::VersionError;

/// Says why a source gave no version. Addresses stand in it without their queries and credentials.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum SourceError {
    #[error("{host} could not be reached: {reason}")]
    Unreachable { host: String, reason: String },
    #[error("{host} is not trusted: {reason}")]
    Untrusted { host: String, reason: String },
    #[error("{host} did not answer within {} s", .limit.as_secs())]
    NoAnswer { host: String, limit: Duration },
    #[error("{address} does not exist")]
    Absent { address: String },
    #[error("{host} refused the credentials, or wants some ({status})")]
    Denied { host: String, status: u16 },
    #[error("{host} wants to be asked again later ({status}){}", after(*wait))]
    Busy { host: String, status: u16, wait: Option<Duration> },
    #[error("{host} answered with status {status}")]
    Status { host: String, status: u16 },
    #[error("the answer of {host} is longer than {limit_bytes} bytes")]
    TooLong { host: String, limit_bytes: usize },
    #[error("the answer of {address} makes no sense: {reason}")]
    Answer { address: String, reason: String },
    #[error("{address} holds no version that fits: {reason}")]
    Nothing { address: String, reason: String },
    #[error("the text {text:?} is no version: {error}")]
    NoVersion { text: String, error: VersionError },
    #[error("cannot read {}: {reason}", path.display())]
    Configuration { path: PathBuf, reason: String },
    #[error("the user's configuration cannot be honoured here: {0}")]
    Unsupported(String),
}

fn after(wait: Option<Duration>) -> String {
    wait.map(|wait| format!(", in {} s", wait.as_secs())).unwrap_or_default()
}

impl SourceError {
    /// Says whether the same question may well be answered a moment later.
    pub(super) fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Busy { .. } => true,
            Self::Status { status, .. } => *status >= 500,
            _ => false,
        }
    }

    /// Translates a failure to read a configuration file.
    pub(super) fn configuration(path: PathBuf) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Configuration { path, reason: error.to_string() }
    }
}
