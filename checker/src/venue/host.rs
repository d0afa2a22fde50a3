//! The definition's own `version.sh`, run by bash on the machine this program runs on.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use domain::definition::{Agent, VERSION_SCRIPT};
use domain::version::{AgentVersion, VersionError};
use tokio::process::Command;

use super::Means;
use super::excerpt::Excerpt;
use super::process::{self, End, STDOUT_LIMIT_BYTES};
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
    #[error("it did not end within {} s and was killed{said}", .limit.as_secs())]
    TimedOut { limit: Duration, said: Excerpt },
    #[error("it printed more than {STDOUT_LIMIT_BYTES} bytes and was killed{said}")]
    TooMuch { said: Excerpt },
    #[error("it ended with {}{said}", outcome(*status))]
    Status { status: ExitStatus, said: Excerpt },
    #[error("it ended well but printed nothing{said}")]
    Nothing { said: Excerpt },
    #[error("it ended well but printed no version: {error}{printed}")]
    NoVersion { error: VersionError, printed: Excerpt },
    #[error("it was interrupted")]
    Interrupted,
}

fn outcome(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// Runs the script in the definition's folder, with this program's own environment.
pub(super) async fn look(agent: &Agent, limit: Duration, means: &Means) -> Result<AgentVersion, HostError> {
    let bash = which::which("bash").map_err(|_| HostError::NoBash)?;
    let script = Script::prepare(&agent.folder.join(VERSION_SCRIPT))?;
    let mut command = Command::new(bash);
    command.arg(script.path()).current_dir(&agent.folder);
    let finished = process::run(command, limit, means.interrupted.clone()).await.map_err(HostError::Start)?;
    let said = Excerpt::of_errors(&finished.stderr, &means.secrets);
    match finished.end {
        End::TimedOut => Err(HostError::TimedOut { limit, said }),
        End::TooMuch => Err(HostError::TooMuch { said }),
        End::Interrupted => Err(HostError::Interrupted),
        End::Exited(status) if !status.success() => Err(HostError::Status { status, said }),
        End::Exited(_) => match AgentVersion::parse(&String::from_utf8_lossy(&finished.stdout)) {
            Ok(version) => Ok(version),
            Err(VersionError::Empty) => Err(HostError::Nothing { said }),
            Err(error) => {
                let printed = Excerpt::of_output(&finished.stdout, &means.secrets);
                Err(HostError::NoVersion { error, printed })
            }
        },
    }
}
