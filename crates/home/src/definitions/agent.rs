//! Agents.

use std::fs;

use domain::definition::{AGENT_FILES, Agent, AgentMetadata, INSTALL_SCRIPT, Origin, VERSION_FILES};
use domain::name::AgentName;
use domain::source::VersionSource;

use super::Roots;
use super::error::{Kind, LoadError};
use super::find::{find, list, not_found, read_metadata};

/// Loads the definition of one agent from the first root that has a folder of its name.
///
/// The whole definition comes from there, also when a later root has one of the same name. The folder may be a link.
///
/// # Errors
/// [`LoadError`] when no root has it, a needed file is missing, or the metadata is wrong.
pub fn load_agent(roots: &Roots, agent: &AgentName) -> Result<Agent, LoadError> {
    let Some(found) = find(roots, Kind::Agent, agent.as_str())? else {
        return Err(not_found(roots, Kind::Agent, agent.as_str()));
    };
    let mut spellings = AGENT_FILES;
    // The host tool prefers the longer spelling in packaged definitions, and the shorter one in the user's own.
    if found.origin == Origin::Packaged {
        spellings.reverse();
    }
    let metadata_file = found.metadata_file(spellings, AGENT_FILES[0])?;
    let (bytes, file) = read_metadata(&found.folder, metadata_file)?;
    let metadata = AgentMetadata::parse(&bytes, &file)?;
    if !found.has_file(INSTALL_SCRIPT)? {
        return Err(found.missing(INSTALL_SCRIPT));
    }
    Ok(Agent {
        name: agent.clone(),
        origin: found.origin,
        folder: found.folder,
        metadata_file: metadata_file.to_owned(),
        metadata,
    })
}

/// Returns every agent that has a folder, by name, with the root that wins. None of them is read.
///
/// A folder whose name cannot be an agent's, such as a hidden one, is none.
///
/// # Errors
/// [`LoadError::Unreadable`] when a root exists and cannot be read.
pub fn list_agents(roots: &Roots) -> Result<Vec<(AgentName, Origin)>, LoadError> {
    let all = list(roots, Kind::Agent)?.into_iter();
    Ok(all.filter_map(|(name, origin)| Some((AgentName::parse(&name).ok()?, origin))).collect())
}

/// Reads what the definition of `agent` says about where its versions are published; `None` when it says nothing.
///
/// # Errors
/// [`LoadError`] when the file is wrong or cannot be read.
pub fn load_version_source(agent: &Agent) -> Result<Option<VersionSource>, LoadError> {
    let is_there = |name: &&str| fs::symlink_metadata(agent.folder.join(name)).is_ok();
    let Some(name) = VERSION_FILES.into_iter().find(is_there) else { return Ok(None) };
    let (bytes, file) = read_metadata(&agent.folder, name)?;
    Ok(Some(VersionSource::parse(&bytes, &file)?))
}

#[cfg(test)]
mod tests;
