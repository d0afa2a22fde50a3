//! Why a solve failed, read from what the engine says of it.

use std::error::Error;

use tonic::{Code, Status};

use crate::config::ConfigError;
use crate::progress::Observer;
use crate::rewrite::DamagedGraph;
use crate::serve::{Lowered, ServeError};

/// Says why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum SolveError {
    /// A process ended with an exit code other than 0.
    #[error("step failed with exit code {exit_code}: {step}")]
    Step {
        /// The step's name.
        step: String,
        /// The exit code.
        exit_code: i32,
        /// The end of what it wrote to standard error.
        errors: Vec<u8>,
        /// The end of all that it wrote, as far as the engine passed it on.
        output: Vec<u8>,
    },
    /// The engine could not do something else that was needed.
    #[error("the engine failed ({doing}): {message}")]
    Engine {
        /// What it was doing.
        doing: String,
        /// What it said.
        message: String,
        /// What of it a caller can act on.
        trouble: Trouble,
    },
    /// The engine gave up work that it did for two solves at once, because the other's client went away.
    ///
    /// Seen on every engine when a solve begins while an equal one is being cancelled.
    #[error("the engine gave the work up together with another client's: {0}")]
    Abandoned(String),
    /// The engine's cache says that a layer is there which is not.
    ///
    /// Seen with the containerd store (28.5) when a client went away while its image was stored. It stays so until the
    /// steps run again.
    #[error("the engine's cache is damaged: {0}")]
    CacheDamaged(String),
    /// A file changed between its hashing and its sending.
    #[error("{0}")]
    ContextChanged(String),
    /// The connection to the engine broke.
    #[error("the connection to the engine was lost: {0}")]
    Lost(String),
    /// A Dockerfile says something that cannot be done: it cannot be read, or names what is not there.
    #[error("{name}: {message}")]
    Dockerfile {
        /// The Dockerfile's name, or that of its instruction.
        name: String,
        /// What BuildKit says of it; it names the line of what cannot be read.
        message: String,
    },
    /// The last stage of a Dockerfile is not made on the image that it must be made on.
    #[error("{name}: the last stage of its Dockerfile is not made from {image}")]
    Elsewhere {
        /// The Dockerfile's name.
        name: String,
        /// That image.
        image: String,
    },
    /// A process needs a secret that the session does not have.
    #[error("{step} needs the secret {id}, which was not given")]
    NoSecret {
        /// The step's name.
        step: String,
        /// The secret's id.
        id: String,
    },
    /// The config of an image to start from is damaged.
    #[error("the image to start from is not usable")]
    Config(#[from] ConfigError),
    /// The engine made a graph that is none.
    #[error(transparent)]
    Graph(#[from] DamagedGraph),
}

/// What a registry had to do with the engine's failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It said that credentials are missing or wrong.
    Denied,
    /// It has no such image.
    Absent,
    /// It said that it is overloaded or broken, or that too much was pulled.
    Temporary,
    /// Its certificate is not one that the engine trusts.
    Untrusted,
    /// It speaks no TLS, which the engine wants of it.
    Cleartext,
    /// It did not answer.
    Unreachable,
    /// Nothing that is known.
    Other,
}

impl ServeError {
    /// Says it as the failure of a solve.
    pub(crate) fn into_failure(self, observer: &Observer, lowered: &[Lowered]) -> SolveError {
        match self {
            Self::Config(error) => SolveError::Config(error),
            Self::Graph(error) => SolveError::Graph(error),
            Self::Elsewhere(name, image) => SolveError::Elsewhere { name, image },
            Self::Look(doing, status) => failure(observer, lowered, Some(doing), status),
            Self::Build(status) => failure(observer, lowered, None, status),
            Self::Frontend(name, status) => match failure(observer, lowered, None, status) {
                // Before there is a graph, only loading and looking up have vertices that can fail. With none of them
                // to blame, what is left is what the file says.
                SolveError::Engine { message, trouble: Trouble::Other | Trouble::Absent, .. }
                    if observer.failed().is_none() =>
                {
                    SolveError::Dockerfile { name, message: message.trim().to_owned() }
                }
                error => error,
            },
        }
    }
}

/// Reads what made a solve fail from its vertices and from its own answer.
pub(crate) fn failure(observer: &Observer, lowered: &[Lowered], doing: Option<String>, status: Status) -> SolveError {
    if let Some(failed) = observer.failed() {
        if let Some(exit_code) = exit_code(&failed.error).or_else(|| exit_code(status.message())) {
            return SolveError::Step { step: failed.name, exit_code, errors: failed.errors, output: failed.output };
        }
        if let Some(error) = of_the_engines_own(&failed.error) {
            return error;
        }
        if failed.error.contains("changed while the build ran") {
            return SolveError::ContextChanged(failed.error);
        }
        if let Some(id) = missing_secret(&failed.error) {
            return SolveError::NoSecret { step: failed.name, id };
        }
        let is_copy = lowered.iter().any(|part| part.copies.contains(&failed.name));
        if is_copy && names_nothing(&failed.error) {
            return SolveError::Dockerfile { name: failed.name, message: failed.error };
        }
        let (doing, trouble) = (doing.unwrap_or(failed.name), trouble(&failed.error));
        return SolveError::Engine { doing, message: failed.error, trouble };
    }
    if let Some(error) = of_the_engines_own(status.message()) {
        return error;
    }
    if is_lost(&status) {
        return SolveError::Lost(innermost(&status));
    }
    let is_denied = status.code() == Code::Unauthenticated;
    let trouble = if is_denied { Trouble::Denied } else { trouble(status.message()) };
    let doing = doing.unwrap_or_else(|| "build".to_owned());
    SolveError::Engine { doing, message: status.message().to_owned(), trouble }
}

/// Reads the id of a required secret that the session does not have: `secret ID: not found`, or on 20.10
/// `secret ID not found: not found`.
fn missing_secret(message: &str) -> Option<String> {
    let message = message.trim().strip_suffix(": not found")?;
    let (_, id) = message.strip_suffix(" not found").unwrap_or(message).rsplit_once("secret ")?;
    (!id.contains(' ')).then(|| id.to_owned())
}

/// Says whether a copy failed because its source is not there.
fn names_nothing(message: &str) -> bool {
    ["not found", "no such file or directory", "no source files"].iter().any(|words| message.contains(words))
}

/// Reads the exit code from the text that every version of BuildKit puts at the end of a failed exec's error.
fn exit_code(message: &str) -> Option<i32> {
    let (_, code) = message.rsplit_once("exit code: ")?;
    code.trim().parse().ok()
}

/// Recognises the failures that have nothing to do with what was asked for, by the words of every version of BuildKit.
fn of_the_engines_own(message: &str) -> Option<SolveError> {
    if message.contains("failed to stat active key during commit") {
        return Some(SolveError::CacheDamaged(message.to_owned()));
    }
    // "only one connection allowed": 20.10 asks the client that went away.
    let abandoned = ["no active session", "only one connection allowed"].iter().any(|words| message.contains(words))
        || message.trim_end().ends_with("context canceled");
    abandoned.then(|| SolveError::Abandoned(message.to_owned()))
}

/// Tells what a registry had to do with a failure, by the words that the engine's registry client uses.
fn trouble(message: &str) -> Trouble {
    const DENIED: [&str; 6] = [
        "401 Unauthorized",
        "403 Forbidden",
        "authorization failed",
        "no basic auth credentials",
        "authentication required",
        "insufficient_scope",
    ];
    const TEMPORARY: [&str; 6] = [
        "429 Too Many Requests",
        "toomanyrequests: ",
        "500 Internal Server Error",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "504 Gateway Timeout",
    ];
    const CLEARTEXT: [&str; 2] =
        ["server gave HTTP response to HTTPS client", "first record does not look like a TLS handshake"];
    const UNREACHABLE: [&str; 3] = ["failed to do request: ", "dial tcp ", "TLS handshake timeout"];
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    match message {
        _ if says(&DENIED) => Trouble::Denied,
        _ if says(&TEMPORARY) => Trouble::Temporary,
        _ if says(&["x509: "]) => Trouble::Untrusted,
        _ if says(&CLEARTEXT) => Trouble::Cleartext,
        _ if says(&UNREACHABLE) => Trouble::Unreachable,
        _ if is_absent(message) => Trouble::Absent,
        _ => Trouble::Other,
    }
}

/// Returns the cause that says what happened; tonic and hyper write the layers above it for programmers.
fn innermost(status: &Status) -> String {
    let causes = std::iter::successors(status.source(), |cause: &&dyn Error| Error::source(*cause));
    causes.last().map_or_else(|| status.message().to_owned(), ToString::to_string)
}

/// Says whether a message ends with `HOST/REPOSITORY…: not found`, as that of an image does; a file's begins with `/`.
fn is_absent(message: &str) -> bool {
    let name = message.trim_end().strip_suffix(": not found").and_then(|rest| rest.split_whitespace().next_back());
    name.and_then(|name| name.split_once('/')).is_some_and(|(host, _)| {
        !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c))
    })
}

fn is_lost(status: &Status) -> bool {
    let text = status.message();
    matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal)
        && ["transport error", "h2 protocol error", "connection", "broken pipe", "stream closed"]
            .iter()
            .any(|words| text.contains(words))
        && !text.contains("dial tcp")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_stands_at_the_end() {
        assert_eq!(exit_code("process \"/bin/sh -c x\" did not complete successfully: exit code: 42"), Some(42));
        assert_eq!(exit_code("executor failed running [/bin/sh]: exit code: 1"), Some(1));
        assert_eq!(exit_code("exit code: none"), None);
    }

    #[test]
    fn what_another_clients_end_did_is_not_taken_for_a_failed_step() {
        let of = of_the_engines_own;
        let killed = "process \"/bin/sh -c x\" did not complete successfully: exit code: 137: context canceled: context canceled";
        assert!(matches!(of(killed), Some(SolveError::Abandoned(_))) && exit_code(killed).is_none());
        assert!(matches!(of("no active sessions"), Some(SolveError::Abandoned(_))));
        let asked = r#"rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing only one connection allowed""#;
        assert!(matches!(of(asked), Some(SolveError::Abandoned(_))));
        let missing = "failed to commit a to b during finalize: failed to stat active key during commit: snapshot a does not exist: not found";
        assert!(matches!(of(missing), Some(SolveError::CacheDamaged(_))));
        assert!(of("process \"/bin/sh -c x\" did not complete successfully: exit code: 137").is_none());
    }

    #[test]
    fn a_missing_secret_is_recognised_by_the_words_of_every_engine() {
        for message in ["secret token not found: not found", "failed to solve: secret token: not found"] {
            assert_eq!(missing_secret(message).as_deref(), Some("token"), "{message}");
        }
        assert!(missing_secret("no secret is here: not found").is_none());
        assert!(missing_secret("docker.io/library/secret: not found").is_none());
    }

    #[test]
    fn a_lost_connection_is_told_by_what_broke_it() {
        #[derive(Debug, thiserror::Error)]
        #[error("transport error")]
        struct Transport(#[source] std::io::Error);
        let broken = Transport(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        let lost = |status| failure(&Observer::new(false), &[], None, status).to_string();
        insta::assert_snapshot!(lost(Status::from_error(Box::new(broken))), @"the connection to the engine was lost: broken pipe");
        insta::assert_snapshot!(lost(Status::unavailable("connection closed")), @"the connection to the engine was lost: connection closed");
    }

    #[test]
    fn a_refused_registry_is_not_a_lost_engine() {
        assert!(is_lost(&Status::unknown("transport error")));
        assert!(!is_lost(&Status::unknown("dial tcp 127.0.0.1:1: connect: connection refused")));
        assert_eq!(trouble("pull access denied: 401 Unauthorized"), Trouble::Denied);
        let refused = r#"failed to do request: Head "http://127.0.0.1:1/v2/a/manifests/b": dial tcp 127.0.0.1:1: connect: connection refused"#;
        assert_eq!(trouble(refused), Trouble::Unreachable);
    }

    #[test]
    fn what_a_registry_does_to_the_engines_fetch_is_told_apart() {
        let pinned = "127.0.0.1:5000/x/base@sha256:2222: not found";
        let of_base = format!("failed to resolve source metadata for 127.0.0.1:5000/x/base@sha256:2222: {pinned}");
        let absent = [pinned, &of_base, "docker.io/library/nothing:x: not found", "[::1]:5000/x: not found"];
        assert!(absent.iter().all(|message| trouble(message) == Trouble::Absent));
        let file = r#"failed to calculate checksum of ref a::b: "/x/y": not found"#;
        let others = [file, "/x/y: not found", "snapshot a does not exist: not found", "secret a/b"];
        assert!(others.iter().all(|message| trouble(message) == Trouble::Other));
        // 26.1 and 28.5, then 20.10.
        let limited =
            "unexpected status from HEAD request to https://box/v2/x/manifests/sha256:22: 429 Too Many Requests";
        let broken = "pulling from host box failed with status code [manifests sha256:22]: 503 Service Unavailable";
        assert_eq!([trouble(limited), trouble(broken)], [Trouble::Temporary; 2]);
        let hub = "httpReadSeeker: failed open: toomanyrequests: You have reached your unauthenticated pull rate limit";
        assert_eq!(trouble(hub), Trouble::Temporary);
        let head = |why: &str| {
            trouble(&format!(r#"failed to do request: Head "https://box/v2/x/manifests/sha256:22": {why}"#))
        };
        for why in ["x509: certificate signed by unknown authority", "tls: failed to verify certificate: x509: x"] {
            assert_eq!(head(why), Trouble::Untrusted, "{why}");
        }
        assert_eq!(head("http: server gave HTTP response to HTTPS client"), Trouble::Cleartext);
        assert_eq!(head("EOF"), Trouble::Unreachable);
    }
}
