//! Asking `aicage-checker`, which stands beside this program, for an agent's version.

use std::path::PathBuf;
use std::pin::pin;
use std::process::Stdio;
use std::time::{Duration, Instant};

use console::progress::{Event, Progress};
use domain::name::AgentName;
use domain::version::{FailedAttempt, Place, VersionReport};
use domain::world::VersionFact;
use home::Home;
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::OnceCell;

/// The checker's name, beside this program's own.
const CHECKER: &str = "aicage-checker";

/// How long the checker may take in all. Its own limits are far shorter but for one: it may have to pull an image first.
const CHECK_LIMIT: Duration = Duration::from_secs(15 * 60);

/// How to call the checker.
#[derive(Debug, Clone)]
pub(crate) struct Checker {
    /// The folder of packaged definitions.
    pub(crate) definitions: Option<PathBuf>,
    /// The folders of records and of the user's own definitions.
    pub(crate) home: Home,
    /// The certificates to trust, as the user named them.
    pub(crate) certificates: Option<String>,
    /// When this run began.
    pub(crate) began: Instant,
    /// Whether it may keep what it finds for later runs.
    pub(crate) is_recording: bool,
}

/// How long a look for a version goes on before people are told of it; most take a tenth of a second.
const QUIET_LIMIT: Duration = Duration::from_secs(1);

/// What a look for a version is called where steps are told apart.
const LOOK: &str = "version";

/// Waits for a look for an agent's version, and tells of it as of a step when it takes a while.
pub(crate) async fn told<T>(agent: &AgentName, look: impl Future<Output = T>, progress: &Progress) -> T {
    let mut look = pin!(look);
    if let Ok(found) = tokio::time::timeout(QUIET_LIMIT, &mut look).await {
        return found;
    }
    progress.show(Event::StepStarted { id: LOOK, name: &format!("look for the version of {agent}") });
    let found = look.await;
    progress.show(Event::StepDone { id: LOOK });
    found
}

/// The versions of some agents, asked for in one call when the first is wanted.
pub(crate) struct Versions {
    checker: Checker,
    agents: Vec<AgentName>,
    found: OnceCell<Vec<VersionFact>>,
}

impl Versions {
    pub(crate) fn new(checker: Checker, agents: Vec<AgentName>) -> Self {
        Self { checker, agents, found: OnceCell::new() }
    }

    /// Returns what is known of an agent's newest version. One that was not named at first is not asked for.
    pub(crate) async fn of(&self, agent: &AgentName) -> VersionFact {
        let found = self.found.get_or_init(|| self.checker.newest(&self.agents)).await;
        let at = self.agents.iter().position(|name| name == agent);
        at.and_then(|at| found.get(at)).cloned().unwrap_or(VersionFact::NotAsked)
    }
}

impl Checker {
    /// Returns what the checker says about each of `agents`, in their order, asked in one call. That it cannot be asked
    /// is an answer too.
    ///
    /// What was found since this run began is not looked for again, whoever found it.
    async fn newest(&self, agents: &[AgentName]) -> Vec<VersionFact> {
        if agents.is_empty() {
            return Vec::new();
        }
        let began = Instant::now();
        let asked = self.ask(agents).await;
        let took_millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let unknown = |reason: String| {
            let attempts = vec![FailedAttempt { venue: Place::Checker, reason, took_millis }];
            VersionFact::Unknown { attempts, last_known: None }
        };
        match asked {
            Ok(report) => agents.iter().map(|agent| fact(&report, agent).unwrap_or_else(unknown)).collect(),
            Err(reason) => agents.iter().map(|_| unknown(reason.clone())).collect(),
        }
    }

    async fn ask(&self, agents: &[AgentName]) -> Result<VersionReport, String> {
        let own = std::env::current_exe().map_err(|error| format!("cannot tell where this program is: {error}"))?;
        let program = own.with_file_name(CHECKER);
        let mut command = tokio::process::Command::new(&program);
        command.arg("version").args(agents.iter().map(AgentName::as_str)).args(["--format", "json", "--allow-cached"]);
        command.arg("--max-age").arg(self.began.elapsed().as_secs().to_string());
        command.arg("--home").arg(self.home.root()).arg("--custom").arg(self.home.custom());
        if let Some(definitions) = &self.definitions {
            command.arg("--definitions").arg(definitions);
        }
        if let Some(certificates) = &self.certificates {
            command.arg("--ca-cert").arg(certificates);
        }
        if !self.is_recording {
            command.arg("--no-record");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let cannot_run = |error: std::io::Error| format!("cannot run {}: {error}", program.display());
        let child = command.spawn().map_err(cannot_run)?;
        let mut asked = Asked(child.id());
        let output = tokio::time::timeout(CHECK_LIMIT, child.wait_with_output())
            .await
            .map_err(|_| format!("{CHECKER} did not end within {} s", CHECK_LIMIT.as_secs()))?
            .map_err(cannot_run)?;
        asked.0 = None;
        serde_json::from_slice(&output.stdout).map_err(|_| {
            let said = String::from_utf8_lossy(&output.stderr);
            format!("{CHECKER} gave no report ({}): {}", output.status, said.trim())
        })
    }
}

/// Reads what a report says about an agent; the error is why it says nothing.
fn fact(report: &VersionReport, agent: &AgentName) -> Result<VersionFact, String> {
    let finding = report.agents.iter().find(|finding| finding.agent == agent.as_str());
    let finding = finding.ok_or_else(|| format!("{CHECKER} said nothing about {agent}"))?;
    Ok(match (&finding.version, finding.found_by) {
        (Some(version), Some(venue)) => VersionFact::Found(version.clone(), venue),
        _ => VersionFact::Unknown { attempts: finding.failed.clone(), last_known: finding.cached.clone() },
    })
}

/// A running checker, which is told to end when nobody waits for its answer any more.
///
/// Told, not killed: it has to end the scripts and containers that it started.
struct Asked(Option<u32>);

impl Drop for Asked {
    fn drop(&mut self) {
        let id = self.0.and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(id) = id {
            // It may have ended just now; its id stays its own until somebody has asked how it ended.
            let _ = kill_process(id, Signal::TERM);
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::version::{AgentVersion, SourceKind, Venue};

    use super::*;

    #[test]
    fn each_agent_has_its_own_answer_in_a_report() {
        let report: VersionReport = serde_json::from_str(
            r#"{"schemaVersion": 1, "agents": [
                {"agent": "b", "version": null, "foundBy": null, "checkedAt": "", "tookMillis": 0,
                 "failed": [{"venue": "definition", "reason": "broken", "tookMillis": 0}]},
                {"agent": "a", "version": "1.4.0", "foundBy": "native:npm", "checkedAt": "", "tookMillis": 0,
                 "failed": []}]}"#,
        )
        .unwrap();
        let fact = |name| fact(&report, &AgentName::parse(name).unwrap());
        let found = VersionFact::Found(AgentVersion::parse("1.4.0").unwrap(), Venue::Native(SourceKind::Npm));
        assert_eq!(fact("a"), Ok(found));
        let failed = FailedAttempt { venue: Place::Definition, reason: "broken".to_owned(), took_millis: 0 };
        assert_eq!(fact("b"), Ok(VersionFact::Unknown { attempts: vec![failed], last_known: None }));
        assert_eq!(fact("c").unwrap_err(), "aicage-checker said nothing about c");
    }
}
