//! The places where a version can be looked for, and the order in which they are tried.

mod excerpt;
mod host;
mod process;
mod script;

use std::time::{Duration, Instant};

use domain::definition::Agent;
use domain::version::{AgentVersion, FailedAttempt, Venue};
use tokio::sync::watch;

use crate::secrets::Secrets;

/// One way of looking for a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By running the definition's script on this machine.
    Host,
}

/// The ways in the order in which they are tried.
pub(crate) const ORDER: [Way; 1] = [Way::Host];

/// What every attempt may use and must respect.
#[derive(Debug)]
pub(crate) struct Means {
    /// How long one attempt may take.
    pub(crate) time_limit: Duration,
    /// What may not be shown.
    pub(crate) secrets: Secrets,
    /// Turns true when the run must end.
    pub(crate) interrupted: watch::Receiver<bool>,
}

/// Looks for the version of `agent` in one way.
pub(crate) async fn attempt(way: Way, agent: &Agent, means: &Means) -> Result<(AgentVersion, Venue), FailedAttempt> {
    let start = Instant::now();
    let (venue, result) = match way {
        Way::Host => (Venue::Host, host::look(agent, means).await.map_err(|error| reason(&error))),
    };
    result.map(|version| (version, venue)).map_err(|reason| FailedAttempt {
        venue,
        reason,
        took_millis: millis(start.elapsed()),
    })
}

/// Returns a duration as reports have it.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Writes an error with its sources as one reason.
fn reason(error: &dyn std::error::Error) -> String {
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        reason = format!("{reason}: {error}");
        source = error.source();
    }
    reason
}
