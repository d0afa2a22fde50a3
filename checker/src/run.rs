//! The straight line: request, definitions, attempts, findings, report.

use std::io;
use std::pin::pin;
use std::time::{Duration, Instant};

use domain::definition::Agent;
use domain::name::AgentName;
use domain::version::{VersionFinding, VersionReport};
use futures_util::StreamExt as _;
use futures_util::future::select_all;
use futures_util::stream;
use home::{AgentRoots, load_agent};
use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::error::CheckError;
use crate::secrets::Secrets;
use crate::strays::Strays;
use crate::venue::{self, Means};

/// How many agents are looked at together. Most of a look is waiting for a network.
const TOGETHER: usize = 8;

/// What was asked for.
#[derive(Debug)]
pub(crate) struct CheckRequest {
    /// Which agents, each once.
    pub(crate) agents: Vec<AgentName>,
    /// Where their definitions may be.
    pub(crate) roots: AgentRoots,
    /// How long one look may take.
    pub(crate) time_limit: Duration,
}

/// Looks for the version of every agent of `request`.
///
/// # Errors
/// [`CheckError`] when a definition is wrong or missing, before anything was looked at, or when a signal ended the run.
pub(crate) fn check(request: CheckRequest, secrets: Secrets) -> Result<VersionReport, CheckError> {
    let load = |name| load_agent(&request.roots, name);
    let agents = request.agents.iter().map(load).collect::<Result<Vec<_>, _>>()?;
    let strays = Strays::adopt();
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CheckError::Start)?
        .block_on(until_a_signal(&agents, request.time_limit, secrets));
    strays.kill();
    result
}

async fn until_a_signal(agents: &[Agent], time_limit: Duration, secrets: Secrets) -> Result<VersionReport, CheckError> {
    let mut signals = EndingSignals::listen().map_err(CheckError::Start)?;
    let (interrupt, interrupted) = watch::channel(false);
    let means = Means { time_limit, secrets, interrupted };
    let mut looks = pin!(look_at_all(agents, &means));
    tokio::select! {
        report = &mut looks => return Ok(report),
        () = signals.next() => {}
    }
    // Every look still ends its processes; a second signal does not wait for their last words.
    interrupt.send_replace(true);
    tokio::select! {
        _ = &mut looks => {}
        () = signals.next() => {}
    }
    Err(CheckError::Interrupted)
}

/// The signals that end a run early, listened to from when this is made.
struct EndingSignals([Signal; 3]);

impl EndingSignals {
    fn listen() -> io::Result<Self> {
        Ok(Self([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?]))
    }

    async fn next(&mut self) {
        select_all(self.0.iter_mut().map(|signal| Box::pin(signal.recv()))).await;
    }
}

async fn look_at_all(agents: &[Agent], means: &Means) -> VersionReport {
    let looks = agents.iter().enumerate().map(|(place, agent)| async move { (place, look_at(agent, means).await) });
    let mut findings: Vec<_> = stream::iter(looks).buffer_unordered(TOGETHER).collect().await;
    findings.sort_by_key(|(place, _)| *place);
    let agents = findings.into_iter().map(|(_, finding)| finding).collect();
    VersionReport { schema_version: VersionReport::SCHEMA_VERSION, agents }
}

/// Tries the venues in their order until one knows the version.
async fn look_at(agent: &Agent, means: &Means) -> VersionFinding {
    let start = Instant::now();
    let mut failed = Vec::new();
    let mut found = None;
    for way in venue::ORDER {
        match venue::attempt(way, agent, means).await {
            Ok(version_and_venue) => {
                found = Some(version_and_venue);
                break;
            }
            Err(attempt) => failed.push(attempt),
        }
    }
    let (version, found_by) = found.unzip();
    VersionFinding {
        agent: agent.name.to_string(),
        version,
        found_by,
        cached: None,
        checked_at: Timestamp::now().to_string(),
        took_millis: venue::millis(start.elapsed()),
        failed,
    }
}
