//! What can be asked about an agent without running anything of its definition's.

use domain::definition::{Agent, VERSION_SCRIPT};
use domain::version::AgentVersion;
use home::{LoadError, load_version_source};

use super::{Means, NATIVE_LIMIT, script};
use crate::sources::{Native, readable};

/// Returns whom to ask: what `version.yml` declares, else what `version.sh` asks if it can be read.
///
/// # Errors
/// [`LoadError`] when `version.yml` is wrong.
pub(crate) fn of(agent: &Agent) -> Result<Option<Native>, LoadError> {
    if let Some(declared) = load_version_source(agent)? {
        return Ok(Some(Native::Declared(declared)));
    }
    // What cannot be read here is told when the script is to be run.
    let text = script::text(&agent.folder.join(VERSION_SCRIPT)).ok().and_then(|text| String::from_utf8(text).ok());
    Ok(text.and_then(|text| readable::read(&text)).map(Native::Read))
}

/// Asks. The error is a reason for a person.
pub(super) async fn look(native: &Native, agent: &Agent, means: &Means) -> Result<AgentVersion, String> {
    let mut interrupted = means.interrupted.clone();
    tokio::select! {
        answer = means.sources.look(native, &agent.folder, means.limit(NATIVE_LIMIT), &means.secrets) => answer,
        _ = interrupted.wait_for(|yes| *yes) => Err("it was interrupted".to_owned()),
    }
}
