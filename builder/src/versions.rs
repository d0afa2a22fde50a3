//! Asking `aicage-checker`, which stands beside this program, for an agent's version.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use domain::name::AgentName;
use domain::version::{FailedAttempt, Place, VersionReport};
use domain::world::VersionFact;
use rustix::process::{Pid, Signal, kill_process};

/// The checker's name, beside this program's own.
const CHECKER: &str = "aicage-checker";

/// How long the checker may take in all. Its own limits are far shorter but for one: it may have to pull an image first.
const CHECK_LIMIT: Duration = Duration::from_secs(15 * 60);

/// How to call the checker.
#[derive(Debug, Clone)]
pub(crate) struct Checker {
    /// The folder of packaged definitions.
    pub(crate) definitions: Option<PathBuf>,
    /// The folder of records and logs.
    pub(crate) home: PathBuf,
    /// The folder of the user's own definitions.
    pub(crate) custom_home: PathBuf,
    /// The certificates to trust, as the user named them.
    pub(crate) certificates: Option<String>,
    /// Whether it may keep what it finds for later runs.
    pub(crate) is_recording: bool,
}

impl Checker {
    /// Returns what the checker says about `agent`; that it cannot be asked is an answer too.
    pub(crate) async fn newest(&self, agent: &AgentName) -> VersionFact {
        let began = Instant::now();
        match self.ask(agent).await {
            Ok(fact) => fact,
            Err(reason) => {
                let took_millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                let attempts = vec![FailedAttempt { venue: Place::Checker, reason, took_millis }];
                VersionFact::Unknown { attempts, last_known: None }
            }
        }
    }

    async fn ask(&self, agent: &AgentName) -> Result<VersionFact, String> {
        let own = std::env::current_exe().map_err(|error| format!("cannot tell where this program is: {error}"))?;
        let program = own.with_file_name(CHECKER);
        let mut command = tokio::process::Command::new(&program);
        command.args(["version", agent.as_str(), "--format", "json", "--allow-cached"]);
        command.arg("--home").arg(&self.home).arg("--custom").arg(&self.custom_home);
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
        let report: VersionReport = serde_json::from_slice(&output.stdout).map_err(|_| {
            let said = String::from_utf8_lossy(&output.stderr);
            format!("{CHECKER} gave no report ({}): {}", output.status, said.trim())
        })?;
        let finding = report.agents.into_iter().find(|finding| finding.agent == agent.as_str());
        let finding = finding.ok_or_else(|| format!("{CHECKER} said nothing about {agent}"))?;
        Ok(match (finding.version, finding.found_by) {
            (Some(version), Some(venue)) => VersionFact::Found(version, venue),
            _ => VersionFact::Unknown { attempts: finding.failed, last_known: finding.cached },
        })
    }
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
