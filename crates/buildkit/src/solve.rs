//! One solve: an image made of a start and some parts, put into the engine's store under one or more names.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard_buildkit_proto::moby::buildkit::v1::{SolveRequest, StatusRequest, StatusResponse};
use tokio_stream::StreamExt as _;
use tonic::{Response, Streaming};

use crate::config::ConfigChanges;
use crate::connect::BuildKit;
use crate::dockerfile::Dockerfile;
use crate::failure::failure;
pub use crate::failure::{SolveError, Trouble};
use crate::gateway::Gateway;
use crate::llb::{Platform, Proxies};
use crate::mount::Mount;
use crate::progress::{Event, Observer};
use crate::serve::{Ledger, serve};
use crate::session::Session;

/// How long the status stream may stay silent after a solve ends before it is cut.
///
/// A failed build's last log lines arrive after the error does.
const STATUS_QUIET_LIMIT: Duration = Duration::from_secs(5);

/// The same where nothing was told before the solve ended: engines from 26 on leave such a stream open for ever.
const STATUS_QUIET_LIMIT_EARLY: Duration = Duration::from_millis(200);

/// How long a failed solve waits for the frontend's part to end too; it is a matter of a few messages.
const LAST_WORD_LIMIT: Duration = Duration::from_millis(200);

/// An image that a solve starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartImage {
    /// The normalised reference, with a tag or a digest.
    pub reference: String,
    /// Whether the engine must take it from its own store, without asking a registry.
    pub local_only: bool,
    /// How progress names it.
    pub name: String,
}

/// What a solve starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// An image.
    Image(StartImage),
    /// What a Dockerfile makes of the images that it names itself, perhaps through build arguments.
    Dockerfile(Box<Dockerfile>),
}

/// One process that makes a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// How progress and errors name it.
    pub name: String,
    /// The program and its arguments.
    pub arguments: Vec<String>,
    /// Variables set over those of the image below.
    pub environment: BTreeMap<String, String>,
    /// What is mounted.
    pub mounts: Vec<Mount>,
    /// The proxies.
    pub proxies: Proxies,
    /// What the image's history says of the layer.
    pub history: String,
    /// Run it even when its result is known.
    pub ignore_cache: bool,
}

/// One thing done to what the start and the parts in front of it made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A process is run.
    Step(Step),
    /// A Dockerfile is built on it. Only for engines of which [`BuildKit::chains_dockerfiles`] says so.
    Dockerfile {
        /// The Dockerfile.
        dockerfile: Dockerfile,
        /// The image reference under which its `FROM` finds what was made so far; no image of that name is needed.
        from: String,
    },
}

/// A description of an image to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Solve {
    /// What it starts from.
    pub start: Start,
    /// What it is for.
    pub platform: Platform,
    /// What is done to it, in order.
    pub parts: Vec<Part>,
    /// What its config has beyond all that.
    pub changes: ConfigChanges,
    /// The normalised references under which the engine's store gets it; at least one.
    pub images: Vec<String>,
}

impl Solve {
    /// Has everything run again, also what has a known result.
    pub fn ignore_cache(&mut self) {
        if let Start::Dockerfile(dockerfile) = &mut self.start {
            dockerfile.ignore_cache = true;
        }
        for part in &mut self.parts {
            match part {
                Part::Step(step) => step.ignore_cache = true,
                Part::Dockerfile { dockerfile, .. } => dockerfile.ignore_cache = true,
            }
        }
    }
}

/// What came of the start or of a part. Its vertices are told apart by their names, so no two parts should have one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartSolved {
    /// How many entries it added to the history in the image's config; of the start, those that it has itself beyond
    /// the image that it stands on.
    pub history: usize,
    /// The names of its vertices that ran, in the order of the graph; what is only fetched is none of them.
    pub ran: Vec<String>,
    /// The names of its vertices whose results were known.
    pub cached: Vec<String>,
}

/// What came of a solve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Solved {
    /// What came of the start. An image as the start adds no history.
    pub start: PartSolved,
    /// What came of each part.
    pub parts: Vec<PartSolved>,
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
            exporter_attrs_deprecated: [("name".to_owned(), solve.images.join(","))].into(),
            // Keeps the solve out of the engine's build history, which holds the output of every step for weeks and
            // costs some 50 ms to write. Engines before BuildKit 0.11 have no history.
            internal: true,
            ..SolveRequest::default()
        };
        let mut control = self.control();
        let solving = control.solve(request);
        let ledger = Ledger::new();
        let serving = serve(Gateway::new(self.gateway(), id), solve, session.id(), &ledger);
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
        observer.finish(&mut on_event);
        if outcome.is_err() && served.is_none() {
            // Our part may know why, and only be waiting for the answer to having said so.
            served = tokio::time::timeout(LAST_WORD_LIMIT, &mut serving).await.ok();
        }
        let lowered = ledger.get().map_or(&[][..], Vec::as_slice);
        match (outcome, served) {
            (Ok(_), _) => {
                let (ran, cached) = (observer.ran(), observer.cached());
                let mut parts = lowered.iter().map(|part| PartSolved {
                    history: part.history,
                    ran: part.vertices.iter().filter(|name| ran.contains(name)).cloned().collect(),
                    cached: part.vertices.iter().filter(|name| cached.contains(name)).cloned().collect(),
                });
                Ok(Solved { start: parts.next().unwrap_or_default(), parts: parts.collect() })
            }
            // What went wrong in our own part is told more exactly than what the solve made of it.
            (Err(_), Some(Err(error))) => Err(error.into_failure(&observer, lowered)),
            (Err(status), _) => Err(failure(&observer, lowered, None, status)),
        }
    }
}
