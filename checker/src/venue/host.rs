//! The definition's own `version.sh`, run by bash on the machine this program runs on.

use std::io;
use std::time::Duration;

use domain::definition::{Agent, VERSION_SCRIPT};
use domain::version::AgentVersion;
use tokio::process::Command;

use super::Means;
use super::outcome::OutcomeError;
use super::process;
use super::script::{Script, ScriptError};

/// Says why running the script gave no version.
#[derive(Debug, thiserror::Error)]
pub(super) enum HostError {
    #[error("bash was not found on PATH")]
    NoBash,
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error("bash could not be started")]
    Start(#[source] io::Error),
    #[error(transparent)]
    Outcome(#[from] OutcomeError),
}

/// Runs the script in the definition's folder, with this program's own environment.
pub(super) async fn look(agent: &Agent, limit: Duration, means: &Means) -> Result<AgentVersion, HostError> {
    let bash = which::which("bash").map_err(|_| HostError::NoBash)?;
    let script = Script::prepare(&agent.folder.join(VERSION_SCRIPT))?;
    let mut command = Command::new(bash);
    command.arg(script.path()).current_dir(&agent.folder);
    let outcome = process::run(command, limit, means.interrupted.clone()).await.map_err(HostError::Start)?;
    Ok(outcome.version(limit, &means.secrets)?)
}
