//! The ways in which a version can be looked for, and the order in which they are tried.

mod container;
mod excerpt;
mod host;
mod image;
mod native;
mod outcome;
mod process;
mod script;

use std::time::{Duration, Instant};

use clap::ValueEnum;
use domain::definition::Agent;
use domain::version::{AgentVersion, FailedAttempt, Venue};
use tokio::sync::watch;

use crate::environment::Environment;
use crate::sources::{Native, Sources};
use console::masking::Hidden;

pub(crate) use self::image::{CheckerImage, PullChoice};
pub(crate) use self::native::of as native_of;

/// One way of looking for a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// Ask the place that version.yml declares, or that version.sh asks in a way that can be read.
    Native,
    /// Run version.sh in a container that can harm nothing.
    Container,
    /// Run version.sh on this machine.
    Host,
}

/// The ways in the order in which they are tried.
pub(crate) const ORDER: [Way; 3] = [Way::Native, Way::Container, Way::Host];

/// How long a source has to answer when nobody says otherwise.
const NATIVE_LIMIT: Duration = Duration::from_secs(10);

/// How long a script may run in a container when nobody says otherwise; what the host tool gives it.
const CONTAINER_LIMIT: Duration = Duration::from_secs(20);

/// How long a script may run here when nobody says otherwise; what the host tool gives it.
const HOST_LIMIT: Duration = Duration::from_secs(15);

/// Set by the builder image, so that a program knows when it runs in it.
const BUILDER_IMAGE_VARIABLE: &str = "AICAGE_BUILDER_IMAGE";

/// What every attempt may use and must respect.
#[derive(Debug)]
pub(crate) struct Means {
    /// How long one attempt may take, when the user says so.
    pub(crate) time_limit: Option<Duration>,
    /// What may not be shown.
    pub(crate) secrets: Hidden,
    /// Whom to ask natively.
    pub(crate) sources: Sources,
    /// The environment that this program was called with.
    pub(crate) environment: Environment,
    /// The image that scripts run in.
    pub(crate) image: CheckerImage,
    /// The certificates that scripts in containers trust instead of their image's, as PEM.
    pub(crate) certificates: Option<Vec<u8>>,
    /// Turns true when the run must end.
    pub(crate) interrupted: watch::Receiver<bool>,
}

impl Means {
    /// Says whether this program runs in a container of the builder image.
    fn is_in_builder_image(&self) -> bool {
        self.environment.get(BUILDER_IMAGE_VARIABLE).is_some()
    }

    fn limit(&self, usual: Duration) -> Duration {
        self.time_limit.unwrap_or(usual)
    }
}

/// An agent and what can be asked about it without running anything.
#[derive(Debug)]
pub(crate) struct Subject {
    /// The agent.
    pub(crate) agent: Agent,
    /// Whom to ask natively; `None` when nobody is known.
    pub(crate) native: Option<Native>,
}

/// Looks for the version of an agent in one way. `None` when there is nothing to be tried in that way.
pub(crate) async fn attempt(
    way: Way,
    subject: &Subject,
    means: &Means,
) -> Option<Result<(AgentVersion, Venue), FailedAttempt>> {
    let start = Instant::now();
    let (venue, result) = match way {
        Way::Native => {
            let native = subject.native.as_ref()?;
            (Venue::Native(native.kind()), native::look(native, &subject.agent, means).await)
        }
        // The builder image without an engine's socket is a container already.
        Way::Container if means.is_in_builder_image() && !container::has_engine(means) => {
            let looked = host::look(&subject.agent, means.limit(CONTAINER_LIMIT), means).await;
            (Venue::Container, looked.map_err(|error| reason(&error)))
        }
        // What is around this container is the business of whoever started it.
        Way::Host if means.is_in_builder_image() => return None,
        Way::Container => {
            let limit = means.limit(CONTAINER_LIMIT);
            let looked = container::look(&subject.agent, limit, means).await;
            (Venue::Container, looked.map_err(|error| reason(&error)))
        }
        Way::Host => {
            let limit = means.limit(HOST_LIMIT);
            (Venue::Host, host::look(&subject.agent, limit, means).await.map_err(|error| reason(&error)))
        }
    };
    // Whoever echoes a token must not have it printed and kept as a version.
    let result = result.and_then(|version| match means.secrets.mask(version.as_str()) == version.as_str() {
        true => Ok(version),
        false => Err("the answer holds a secret of this environment".to_owned()),
    });
    Some(result.map(|version| (version, venue)).map_err(|reason| FailedAttempt {
        venue: venue.into(),
        reason,
        took_millis: millis(start.elapsed()),
    }))
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
