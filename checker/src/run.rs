//! The straight line: request, definitions, attempts, findings, report.

use std::path::PathBuf;
use std::pin::pin;
use std::time::{Duration, Instant};

use console::signals::EndingSignals;
use domain::name::AgentName;
use domain::version::{FailedAttempt, Place, VersionFinding, VersionReport};
use futures_util::StreamExt as _;
use futures_util::stream;
use home::{Home, LoadError, Roots, list_agents, load_agent};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::environment::Environment;
use crate::error::CheckError;
use crate::last;
use crate::sources::Sources;
use crate::strays::Strays;
use crate::venue::{self, CheckerImage, Means, PullChoice, Subject, Way};
use console::masking::Hidden;

/// How many agents are looked at together. Most of a look is waiting for a network.
const TOGETHER: usize = 16;

/// Which agents are asked about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// These, each once.
    Named(Vec<AgentName>),
    /// All that are defined.
    All,
}

/// What was asked for.
#[derive(Debug)]
pub(crate) struct CheckRequest {
    /// Which agents.
    pub(crate) agents: Which,
    /// Where their definitions may be.
    pub(crate) roots: Roots,
    /// The folder of state.
    pub(crate) home: Home,
    /// The ways to try, in the order of [`venue::ORDER`].
    pub(crate) ways: Vec<Way>,
    /// How long one look may take, when the user says so.
    pub(crate) time_limit: Option<Duration>,
    /// How old an earlier answer may be to be taken for a new one.
    pub(crate) max_age: Duration,
    /// Whether the last known version is told when none is found.
    pub(crate) allow_cached: bool,
    /// Whether what is found is kept for later runs.
    pub(crate) is_recording: bool,
    /// Certificates to trust besides the system's: files or folders.
    pub(crate) certificates: Vec<PathBuf>,
    /// Whether scripts in containers get the certificates that are trusted here.
    pub(crate) hands_on_certificates: bool,
    /// The image that scripts run in.
    pub(crate) image: String,
    /// Whether that image is pulled.
    pub(crate) pull: PullChoice,
}

/// Looks for the version of every agent of `request`, and tells each answer as soon as it is there, with whether it is
/// the only one. The report has them in the order asked.
///
/// # Errors
/// [`CheckError`] when a definition is wrong or missing, before anything was looked at, or when a signal ended the run.
pub(crate) fn check(
    request: &CheckRequest,
    environment: Environment,
    secrets: Hidden,
    mut tell: impl FnMut(&VersionFinding, bool),
) -> Result<VersionReport, CheckError> {
    let subjects = subjects(request)?;
    let is_only = subjects.len() == 1;
    let memory = (request.home.answers(), request.is_recording);
    let sources = Sources::new(environment.clone(), &request.certificates, Some(memory))?;
    let strays = Strays::adopt();
    let result =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CheckError::Start)?.block_on(
            until_a_signal(&subjects, request, sources, environment, secrets, |finding| tell(finding, is_only)),
        );
    strays.kill();
    result
}

/// Loads every definition. Of those that nobody named, a broken one harms no other: it becomes a finding.
fn subjects(request: &CheckRequest) -> Result<Vec<Result<Subject, Broken>>, CheckError> {
    let load = |name: &AgentName| {
        let agent = load_agent(&request.roots, name)?;
        let native = venue::native_of(&agent)?;
        Ok::<_, LoadError>(Subject { agent, native })
    };
    match &request.agents {
        Which::Named(names) => names.iter().map(|name| Ok(Ok(load(name)?))).collect(),
        Which::All => {
            let agents = list_agents(&request.roots)?.into_iter();
            Ok(agents
                .map(|(name, _)| load(&name).map_err(|error| Broken { name, reason: error.to_string() }))
                .collect())
        }
    }
}

/// An agent whose definition cannot be used.
struct Broken {
    name: AgentName,
    reason: String,
}

async fn until_a_signal(
    subjects: &[Result<Subject, Broken>],
    request: &CheckRequest,
    sources: Sources,
    environment: Environment,
    secrets: Hidden,
    tell: impl FnMut(&VersionFinding),
) -> Result<VersionReport, CheckError> {
    let mut signals = EndingSignals::listen().map_err(CheckError::Start)?;
    let (interrupt, interrupted) = watch::channel(false);
    let certificates = request.hands_on_certificates.then(|| sources.trusted());
    let means = Means {
        time_limit: request.time_limit,
        secrets,
        sources,
        environment,
        image: CheckerImage::new(request.image.clone(), request.pull),
        certificates,
        interrupted,
    };
    let mut looks = pin!(look_at_all(subjects, request, &means, tell));
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

async fn look_at_all(
    subjects: &[Result<Subject, Broken>],
    request: &CheckRequest,
    means: &Means,
    mut tell: impl FnMut(&VersionFinding),
) -> VersionReport {
    let looks = subjects.iter().enumerate().map(|(place, subject)| async move {
        let finding = match subject {
            Ok(subject) => last::recent_or(subject, request, means, look_at).await,
            Err(broken) => unusable(broken),
        };
        (place, finding)
    });
    let mut looks = pin!(stream::iter(looks).buffer_unordered(TOGETHER));
    let mut findings = Vec::new();
    while let Some((place, finding)) = looks.next().await {
        // That a look was interrupted is no answer about its agent.
        if !*means.interrupted.borrow() {
            tell(&finding);
        }
        findings.push((place, finding));
    }
    findings.sort_by_key(|(place, _)| *place);
    let agents = findings.into_iter().map(|(_, finding)| finding).collect();
    VersionReport { schema_version: VersionReport::SCHEMA_VERSION, agents }
}

/// Tries the ways in their order until one gives the version.
async fn look_at(subject: &Subject, request: &CheckRequest, means: &Means) -> VersionFinding {
    let start = Instant::now();
    let mut failed = Vec::new();
    let mut found = None;
    for way in &request.ways {
        match venue::attempt(*way, subject, means).await {
            Some(Ok(version_and_venue)) => {
                found = Some(version_and_venue);
                break;
            }
            Some(Err(attempt)) => failed.push(attempt),
            None => {}
        }
    }
    let (version, found_by) = found.unzip();
    VersionFinding {
        agent: subject.agent.name.to_string(),
        version,
        found_by,
        cached: None,
        checked_at: Timestamp::now().to_string(),
        took_millis: venue::millis(start.elapsed()),
        failed,
    }
}

fn unusable(broken: &Broken) -> VersionFinding {
    let attempt = FailedAttempt { venue: Place::Definition, reason: broken.reason.clone(), took_millis: 0 };
    VersionFinding {
        agent: broken.name.to_string(),
        version: None,
        found_by: None,
        cached: None,
        checked_at: Timestamp::now().to_string(),
        took_millis: 0,
        failed: vec![attempt],
    }
}
