//! What can go wrong between this program and an engine.

use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::time::Duration;

use bollard::errors::Error as BollardError;

use crate::pull::PullFailure;

/// The HTTP status of whoever cannot serve now, but hopes to later (RFC 9110, section 15.6.4).
const UNAVAILABLE: u16 = 503;

/// Why nobody could be reached at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// The socket's file does not exist.
    NoSocket,
    /// The socket exists, and this user may not use it.
    Forbidden,
    /// This user may not enter a folder on the way to the socket.
    OutOfReach,
    /// A folder has the socket's name.
    Folder,
    /// Something that is neither a socket nor a folder has its name.
    NotSocket,
    /// The socket exists, and nobody listens on it.
    Refused,
}

impl Absence {
    /// Looks at what is at the path of a socket. Of a socket it cannot tell whether it may be used, nor whether somebody
    /// listens.
    pub(crate) fn of(socket: &Path) -> Option<Self> {
        match fs::metadata(socket) {
            Ok(found) if found.file_type().is_socket() => None,
            Ok(found) if found.is_dir() => Some(Self::Folder),
            Ok(_) => Some(Self::NotSocket),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Some(Self::OutOfReach),
            Err(_) => Some(Self::NoSocket),
        }
    }
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSocket => "there is no socket",
            Self::Forbidden => "this user may not use the socket",
            Self::OutOfReach => "this user may not enter the folder of the socket",
            Self::Folder => "that is a folder and no socket",
            Self::NotSocket => "that is no socket",
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
    /// `DOCKER_HOST` names a socket whose path the system does not take.
    #[error("DOCKER_HOST={host} cannot be used: its path has {length} bytes, and a socket's has at most {limit}")]
    TooLong {
        /// The value.
        host: String,
        /// The path's length in bytes.
        length: usize,
        /// The longest that there may be.
        limit: usize,
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
    /// What answered is no Docker engine.
    #[error("what listens at {endpoint} does not answer as a Docker engine does ({call}): {answer}")]
    Foreign {
        /// Where an engine was looked for.
        endpoint: String,
        /// What was asked.
        call: String,
        /// The HTTP status.
        status: u16,
        /// What came, in a few words.
        answer: String,
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
            Self::TooLong { .. } => Some("make a symbolic link to the socket, and set DOCKER_HOST to unix://LINK"),
            Self::Absent { absence: Absence::Forbidden, .. } => Some(
                "add this user to the socket's group (usually: docker) and log in again, or run as a user who may use it",
            ),
            Self::Absent { absence: Absence::OutOfReach, .. } => {
                Some("the socket is another user's; set DOCKER_HOST to one that this user may use, or unset it")
            }
            Self::Absent { absence: Absence::Folder, .. } => Some(
                "docker makes such a folder where a missing socket is mounted into a container; start the engine first, or set DOCKER_HOST to its socket",
            ),
            Self::Absent { absence: Absence::NotSocket, .. } => {
                Some("set DOCKER_HOST to the engine's socket, or unset it to use the usual one")
            }
            Self::Foreign { .. } | Self::Answer { .. } => Some(
                "see whether an engine listens there (docker info); DOCKER_HOST names another, unset it means the usual one",
            ),
            Self::NoAnswer { .. } | Self::Broken { .. } => {
                Some("see whether the engine is well (docker info), then try again")
            }
            Self::NotPulled { failure: PullFailure::Denied, .. } => {
                Some("log in to the registry (docker login), then try again")
            }
            Self::NotPulled { failure: PullFailure::Untrusted, .. } => Some(
                "the engine pulls with its own certificates: put the authority's as ca.crt into /etc/docker/certs.d/HOST:PORT where it runs",
            ),
            Self::Refused { status: UNAVAILABLE, .. } => {
                Some("see whether the engine is well (docker info), then try again")
            }
            Self::Refused { .. } | Self::NoImage { .. } | Self::NotPulled { .. } | Self::NoTag { .. } => None,
        }
    }

    /// Says whether the same call may well succeed later without anybody changing anything.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::Broken { .. } => true,
            Self::Refused { status, .. } | Self::Foreign { status, .. } => *status == UNAVAILABLE,
            Self::NotPulled { failure, .. } => *failure == PullFailure::Unreachable,
            Self::Unsupported { .. }
            | Self::TooLong { .. }
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
                let (status, message) = (status_code, message.trim().to_owned());
                match foreign(status, &message) {
                    Some(answer) => Self::Foreign { endpoint: endpoint.to_owned(), call, status, answer },
                    None => Self::Refused { call, status, message },
                }
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

/// Says what a refusal consists of that no engine can have written: an engine always gives a reason, as JSON.
fn foreign(status: u16, message: &str) -> Option<String> {
    match message {
        "" => Some(format!("status {status} and nothing else")),
        // Go's own server, where nobody serves the path.
        "404 page not found" => Some(message.to_owned()),
        _ if message.starts_with('<') => Some(format!("status {status} and a page of HTML")),
        _ => None,
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
