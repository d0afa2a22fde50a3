//! What can go wrong between this program and an engine.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use bollard::errors::Error as BollardError;

use crate::pull::PullFailure;

/// Why nobody could be reached at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// The socket's file does not exist.
    NoSocket,
    /// The socket exists, and this user may not use it.
    Forbidden,
    /// The socket exists, and nobody listens on it.
    Refused,
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSocket => "there is no socket",
            Self::Forbidden => "this user may not use the socket",
            Self::Refused => "nobody listens on the socket",
        })
    }
}

/// A failure of a call to an engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// `DOCKER_HOST` names an engine in a way that is not known here.
    #[error("DOCKER_HOST={host} cannot be used ({scheme}): only unix:///path is supported")]
    Unsupported {
        /// The value, without any password.
        host: String,
        /// What about it is not supported.
        scheme: String,
    },
    /// Nobody could be reached.
    #[error("no Docker engine at {endpoint}: {absence}")]
    Absent {
        /// Where an engine was looked for.
        endpoint: String,
        /// Why there is none.
        absence: Absence,
    },
    /// The engine took the call and did not finish its answer in time.
    #[error("the Docker engine did not answer within {} s ({call})", limit.as_secs())]
    NoAnswer {
        /// What was asked.
        call: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The connection failed before the answer was whole.
    #[error("the connection to the Docker engine broke ({call})")]
    Broken {
        /// What was asked.
        call: String,
        /// How it broke.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The answer is not what the Engine API says it should be.
    #[error("the Docker engine gave an answer that makes no sense ({call}): {reason}")]
    Answer {
        /// What was asked.
        call: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The engine said no.
    #[error("the Docker engine refused ({call}): {message} (status {status})")]
    Refused {
        /// What was asked.
        call: String,
        /// The HTTP status.
        status: u16,
        /// The engine's own words.
        message: String,
    },
    /// The image that a call was about does not exist.
    #[error("the Docker engine has no image {image}")]
    NoImage {
        /// The image as it was named.
        image: String,
    },
    /// An image could not be pulled.
    #[error("cannot pull {image}: {message}")]
    NotPulled {
        /// The image.
        image: String,
        /// What that means.
        failure: PullFailure,
        /// The engine's own words.
        message: String,
    },
    /// A reference without a tag was given as the new name of an image.
    #[error("{image} has no tag and cannot name an image")]
    NoTag {
        /// The reference.
        image: String,
    },
}

impl EngineError {
    /// Returns what a person can do about it, where there is something.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Unsupported { .. } => {
                Some("set DOCKER_HOST to unix:///path/of/the/socket, or unset it to use the usual socket")
            }
            Self::Absent { absence: Absence::NoSocket | Absence::Refused, .. } => {
                Some("start the engine (for example: systemctl start docker), or set DOCKER_HOST to its socket")
            }
            Self::Absent { absence: Absence::Forbidden, .. } => Some(
                "add this user to the socket's group (usually: docker) and log in again, or run as a user who may use it",
            ),
            Self::NoAnswer { .. } | Self::Broken { .. } => {
                Some("see whether the engine is well (docker info), then try again")
            }
            Self::NotPulled { failure: PullFailure::Denied, .. } => {
                Some("log in to the registry (docker login), then try again")
            }
            Self::Answer { .. }
            | Self::Refused { .. }
            | Self::NoImage { .. }
            | Self::NotPulled { .. }
            | Self::NoTag { .. } => None,
        }
    }

    /// Says whether the same call may well succeed later without anybody changing anything.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::Broken { .. } => true,
            Self::Refused { status, .. } => *status == 503,
            Self::NotPulled { failure, .. } => *failure == PullFailure::Unreachable,
            Self::Unsupported { .. }
            | Self::Absent { .. }
            | Self::Answer { .. }
            | Self::NoImage { .. }
            | Self::NoTag { .. } => false,
        }
    }

    /// Translates a failure of `call` at `endpoint`.
    pub(crate) fn of(error: BollardError, call: &str, endpoint: &str) -> Self {
        let call = call.to_owned();
        let answer = |call, reason: String| Self::Answer { call, reason };
        match error {
            BollardError::DockerResponseServerError { status_code, message } => {
                Self::Refused { call, status: status_code, message: message.trim().to_owned() }
            }
            BollardError::SocketNotFoundError(_) => {
                Self::Absent { endpoint: endpoint.to_owned(), absence: Absence::NoSocket }
            }
            BollardError::JsonDataError { message, .. } => answer(call, message),
            BollardError::JsonSerdeError { err } => answer(call, err.to_string()),
            error => match absence(&error) {
                Some(absence) => Self::Absent { endpoint: endpoint.to_owned(), absence },
                None => Self::Broken { call, source: innermost(error) },
            },
        }
    }
}

/// Looks in the chain of causes for a failed attempt to connect.
fn absence(error: &BollardError) -> Option<Absence> {
    let BollardError::HyperLegacyError { err } = error else {
        return None;
    };
    if !err.is_connect() {
        return None;
    }
    let mut cause: Option<&(dyn Error + 'static)> = Some(err);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return match io.kind() {
                io::ErrorKind::NotFound => Some(Absence::NoSocket),
                io::ErrorKind::PermissionDenied => Some(Absence::Forbidden),
                io::ErrorKind::ConnectionRefused => Some(Absence::Refused),
                _ => None,
            };
        }
        cause = error.source();
    }
    None
}

/// Returns the cause that says what happened; bollard and hyper repeat each other's words above it.
fn innermost(error: BollardError) -> Box<dyn Error + Send + Sync> {
    let mut last: &dyn Error = &error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string().into()
}
