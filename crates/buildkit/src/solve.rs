//! One solve: an image made of a base and some processes, put into the engine's store under a name.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard_buildkit_proto::moby::buildkit::v1::{SolveRequest, StatusRequest, StatusResponse};
use tokio_stream::StreamExt as _;
use tonic::{Code, Response, Status, Streaming};

use crate::config::{ConfigChanges, ConfigError, ImageConfig};
use crate::connect::BuildKit;
use crate::gateway::Gateway;
use crate::llb::{Exec, Graph, Mount, Platform, Proxies};
use crate::progress::{Event, Observer};
use crate::session::Session;

/// How long the status stream may stay silent after a solve ends before it is cut.
///
/// A failed build's last log lines arrive after the error does.
const STATUS_QUIET_LIMIT: Duration = Duration::from_secs(5);

/// The same where nothing was told before the solve ended: engines from 26 on leave such a stream open for ever.
const STATUS_QUIET_LIMIT_EARLY: Duration = Duration::from_millis(200);

/// How long a failed solve waits for the frontend's part to end too; it is a matter of a few messages.
const LAST_WORD_LIMIT: Duration = Duration::from_millis(200);

/// The image that a solve starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseImage {
    /// The normalised reference, with a tag or a digest.
    pub reference: String,
    /// Whether the engine must take it from its own store, without asking a registry.
    pub local_only: bool,
    /// How progress names it.
    pub name: String,
}

/// One process that makes a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// How progress and errors name it.
    pub name: String,
    /// The program and its arguments.
    pub arguments: Vec<String>,
    /// Variables set over those of the base image.
    pub environment: BTreeMap<String, String>,
    /// What is mounted.
    pub mounts: Vec<Mount>,
    /// The proxies.
    pub proxies: Proxies,
    /// Run it even when its result is known.
    pub ignore_cache: bool,
}

/// A description of an image to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Solve {
    /// What it starts from.
    pub base: BaseImage,
    /// What it is for.
    pub platform: Platform,
    /// The processes, in order.
    pub steps: Vec<Step>,
    /// What its config has beyond the base's.
    pub changes: ConfigChanges,
    /// The normalised reference under which the engine's store gets it.
    pub image: String,
}

/// What came of a solve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Solved {
    /// The names of the vertices that ran rather than being taken from the cache.
    pub ran: Vec<String>,
    /// What the exporter says of the image.
    pub exported: BTreeMap<String, String>,
}

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
        tail: Vec<u8>,
    },
    /// The engine could not do something else that was needed.
    #[error("the engine failed ({doing}): {message}")]
    Engine {
        /// What it was doing.
        doing: String,
        /// What it said.
        message: String,
        /// Whether it said that credentials are missing or wrong.
        unauthorized: bool,
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
    #[error("the connection to the engine was lost")]
    Lost(#[source] Status),
    /// The base image's config is damaged.
    #[error("the base image is not usable")]
    Config(#[from] ConfigError),
}

impl BuildKit {
    /// Carries out `solve`, with `session` answering the engine's questions, and tells each event to `on_event`.
    ///
    /// Dropping the returned future cancels the solve; the engine kills its processes within some 100 ms. `raw` adds
    /// [`Event::Raw`] to the events.
    ///
    /// # Errors
    /// [`SolveError`]; the engine's store is then as it was.
    pub async fn solve(
        &self,
        solve: &Solve,
        session: &Session,
        id: &str,
        raw: bool,
        mut on_event: impl FnMut(Event),
    ) -> Result<Solved, SolveError> {
        let exporter = self.endpoint().image_exporter();
        // The fields that newer engines call deprecated are the ones that every engine reads.
        let request = SolveRequest {
            r#ref: id.to_owned(),
            session: session.id().to_owned(),
            exporter_deprecated: exporter.to_owned(),
            exporter_attrs_deprecated: [("name".to_owned(), solve.image.clone())].into(),
            // Keeps the solve out of the engine's build history, which holds the output of every step for weeks and
            // costs some 50 ms to write. Engines before BuildKit 0.11 have no history.
            internal: true,
            ..SolveRequest::default()
        };
        let mut control = self.control();
        let solving = control.solve(request);
        let serving = serve(Gateway::new(self.gateway(), id), solve, session.id());
        let mut control = self.control();
        let watching = control.status(StatusRequest { r#ref: id.to_owned() });
        tokio::pin!(solving, serving, watching);

        let mut observer = Observer::new(raw);
        let mut status: Option<Streaming<StatusResponse>> = None;
        let mut status_ended = false;
        let mut served = None;
        let outcome = loop {
            tokio::select! {
                biased;
                outcome = &mut solving => break outcome,
                answer = &mut serving, if served.is_none() => served = Some(answer),
                answer = &mut watching, if status.is_none() && !status_ended => match answer {
                    Ok(stream) => status = Some(stream.into_inner()),
                    Err(_) => status_ended = true,
                },
                message = async { status.as_mut().expect("guarded below").next().await }, if status.is_some() => match message {
                    Some(Ok(message)) => observer.take(message, &mut on_event),
                    Some(Err(_)) | None => {
                        status = None;
                        status_ended = true;
                    }
                },
            }
        };
        let limit =
            if outcome.is_ok() || observer.saw_anything() { STATUS_QUIET_LIMIT } else { STATUS_QUIET_LIMIT_EARLY };
        if status.is_none() && !status_ended {
            // A short solve can end before the engine has opened the stream that tells of it.
            status =
                tokio::time::timeout(limit, &mut watching).await.ok().and_then(Result::ok).map(Response::into_inner);
        }
        if let Some(mut status) = status {
            while let Ok(Some(Ok(message))) = tokio::time::timeout(limit, status.next()).await {
                observer.take(message, &mut on_event);
            }
        }
        if outcome.is_err() && served.is_none() {
            // Our part may know why, and only be waiting for the answer to having said so.
            served = tokio::time::timeout(LAST_WORD_LIMIT, &mut serving).await.ok();
        }
        match (outcome, served) {
            (Ok(answer), _) => {
                let exported = answer.into_inner().exporter_response.into_iter().collect();
                Ok(Solved { ran: observer.ran(), exported })
            }
            // What went wrong in our own part is told more exactly than what the solve made of it.
            (Err(_), Some(Err(ServeError::Config(error)))) => Err(SolveError::Config(error)),
            (Err(_), Some(Err(ServeError::Look(doing, status)))) => Err(failure(&observer, Some(doing), status)),
            (Err(_), Some(Err(ServeError::Build(status)))) => Err(failure(&observer, None, status)),
            (Err(status), _) => Err(failure(&observer, None, status)),
        }
    }
}

enum ServeError {
    /// The base image could not be looked at; the text says which.
    Look(String, Status),
    Build(Status),
    Config(ConfigError),
}

/// Plays the frontend: looks at the base image, hands in the graph, returns the result with its config.
async fn serve(mut gateway: Gateway, solve: &Solve, session: &str) -> Result<(), ServeError> {
    let result = try_serve(&mut gateway, solve, session).await;
    match &result {
        Ok(()) => {}
        Err(ServeError::Look(_, status) | ServeError::Build(status)) => gateway.fail(status).await,
        Err(ServeError::Config(error)) => gateway.fail(&Status::invalid_argument(error.to_string())).await,
    }
    result
}

async fn try_serve(gateway: &mut Gateway, solve: &Solve, session: &str) -> Result<(), ServeError> {
    let base = &solve.base;
    let config = gateway
        .config(&base.reference, base.local_only, &solve.platform, &format!("look up {}", base.name))
        .await
        .map_err(|status| ServeError::Look(format!("look at {}", base.reference), status))?;
    let mut config = ImageConfig::parse(&config).map_err(ServeError::Config)?;

    let mut graph = Graph::new(&solve.platform, session);
    let mut root = graph.image(&base.reference, base.local_only, &base.name);
    for step in &solve.steps {
        let exec = Exec {
            name: step.name.clone(),
            arguments: step.arguments.clone(),
            environment: config.environment_with(&step.environment),
            working_folder: config.working_folder(),
            mounts: step.mounts.clone(),
            proxies: step.proxies.clone(),
            ignore_cache: step.ignore_cache,
        };
        root = graph.exec(&root, &exec);
    }
    let result = gateway.solve(graph.definition(&root)).await.map_err(ServeError::Build)?;
    config.change(&solve.changes);
    gateway.finish(result, config.to_bytes()).await.map_err(ServeError::Build)
}

fn failure(observer: &Observer, doing: Option<String>, status: Status) -> SolveError {
    if let Some(failed) = observer.failed() {
        if let Some(exit_code) = exit_code(&failed.error).or_else(|| exit_code(status.message())) {
            return SolveError::Step { step: failed.name, exit_code, tail: failed.tail };
        }
        if let Some(error) = of_the_engines_own(&failed.error) {
            return error;
        }
        if failed.error.contains("changed while the build ran") {
            return SolveError::ContextChanged(failed.error);
        }
        let unauthorized = is_unauthorized(&failed.error);
        let doing = doing.unwrap_or(failed.name);
        return SolveError::Engine { doing, message: failed.error, unauthorized };
    }
    if let Some(error) = of_the_engines_own(status.message()) {
        return error;
    }
    if is_lost(&status) {
        return SolveError::Lost(status);
    }
    let unauthorized = status.code() == Code::Unauthenticated || is_unauthorized(status.message());
    let doing = doing.unwrap_or_else(|| "build".to_owned());
    SolveError::Engine { doing, message: status.message().to_owned(), unauthorized }
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

/// Says whether a registry refused the credentials, by the words that the engine's registry client uses.
fn is_unauthorized(message: &str) -> bool {
    [
        "401 Unauthorized",
        "403 Forbidden",
        "authorization failed",
        "no basic auth credentials",
        "authentication required",
        "insufficient_scope",
    ]
    .iter()
    .any(|words| message.contains(words))
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
    fn a_refused_registry_is_not_a_lost_engine() {
        assert!(is_lost(&Status::unknown("transport error")));
        assert!(!is_lost(&Status::unknown("dial tcp 127.0.0.1:1: connect: connection refused")));
        assert!(is_unauthorized("pull access denied: 401 Unauthorized"));
    }
}
