//! Finding and loading the definitions of agents.
//!
//! Only what was asked for is read: a broken neighbour harms nobody.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use domain::definition::{
    AGENT_FILES, Agent, AgentMetadata, DEFINITION_LIMIT_BYTES, DefinitionError, INSTALL_SCRIPT, Origin, VERSION_FILES,
};
use domain::name::AgentName;
use domain::source::VersionSource;

use crate::layout::Home;

/// How alike two names must be for one to be suggested for the other; clap suggests commands by the same measure.
const CLOSE_NAME: f64 = 0.7;

/// The folders that may hold agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRoots {
    /// In order of precedence.
    folders: Vec<(PathBuf, Origin)>,
}

impl AgentRoots {
    /// Takes the user's own folders, which win, and the packaged definitions in `definitions`.
    pub fn new(home: &Home, definitions: Option<&Path>) -> Self {
        let own = home.agent_folders().into_iter().map(|folder| (folder, Origin::User));
        let packaged = definitions.map(|folder| (folder.join("agents"), Origin::Packaged));
        Self { folders: own.chain(packaged).collect() }
    }
}

/// Says why an agent's definition cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No root has a folder of that name.
    #[error("agent {agent} is not defined in {}", looked_in(looked))]
    NotFound {
        /// The agent.
        agent: AgentName,
        /// Every root that was looked at.
        looked: Vec<PathBuf>,
        /// The agents that there are, by name; at first those that are spelled alike.
        available: Vec<AgentName>,
        /// How many at the front of `available` are spelled alike.
        alike: usize,
    },
    /// The definition has no metadata file.
    #[error("agent {agent} has no {} in {}", AGENT_FILES[0], folder.display())]
    MetadataMissing {
        /// The agent.
        agent: AgentName,
        /// The definition's folder.
        folder: PathBuf,
    },
    /// The definition has no `install.sh`.
    #[error("agent {agent} has no {INSTALL_SCRIPT} in {}", folder.display())]
    InstallScriptMissing {
        /// The agent.
        agent: AgentName,
        /// The definition's folder.
        folder: PathBuf,
    },
    /// Something else is where a file must be.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// Where.
        path: PathBuf,
    },
    /// The metadata file is larger than [`DEFINITION_LIMIT_BYTES`].
    #[error("{} is larger than {DEFINITION_LIMIT_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The metadata file says something that it may not.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// A file or folder could not be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

fn looked_in(looked: &[PathBuf]) -> String {
    looked.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl LoadError {
    /// Returns what the person could do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        let list = |names: &[AgentName]| names.iter().map(AgentName::as_str).collect::<Vec<_>>().join(", ");
        match self {
            Self::NotFound { available, alike, .. } if *alike > 0 => {
                Some(format!("did you mean {}?", list(&available[..*alike])))
            }
            Self::NotFound { available, .. } if !available.is_empty() => {
                Some(format!("there are: {}", list(available)))
            }
            Self::NotFound { .. } => {
                Some("there are no agents in these folders; name the packaged ones with --definitions".to_owned())
            }
            Self::MetadataMissing { .. }
            | Self::InstallScriptMissing { .. }
            | Self::NotAFile { .. }
            | Self::TooLarge { .. }
            | Self::Definition(_)
            | Self::Unreadable { .. } => None,
        }
    }
}

/// Loads the definition of one agent from the first root that has a folder of its name.
///
/// The whole definition comes from there, also when a later root has one of the same name. The folder may be a link.
///
/// # Errors
/// [`LoadError`] when no root has it, a needed file is missing, or the metadata is wrong.
pub fn load_agent(roots: &AgentRoots, agent: &AgentName) -> Result<Agent, LoadError> {
    for (root, origin) in &roots.folders {
        let folder = root.join(agent.as_str());
        if is_folder(&folder)? {
            return load_from(folder, *origin, agent);
        }
    }
    let mut available: Vec<_> = list_agents(roots).unwrap_or_default().into_iter().map(|(name, _)| name).collect();
    let likeness = |name: &AgentName| strsim::jaro(&name.as_str().to_lowercase(), &agent.as_str().to_lowercase());
    available.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
    let alike = available.iter().take_while(|name| likeness(name) > CLOSE_NAME).count();
    available[alike..].sort();
    let looked = roots.folders.iter().map(|(root, _)| root.clone()).collect();
    Err(LoadError::NotFound { agent: agent.clone(), looked, available, alike })
}

/// Returns every agent that has a folder, by name, with the root that wins. None of them is read.
///
/// A folder whose name cannot be an agent's, such as a hidden one, is none.
///
/// # Errors
/// [`LoadError::Unreadable`] when a root exists and cannot be read.
pub fn list_agents(roots: &AgentRoots) -> Result<Vec<(AgentName, Origin)>, LoadError> {
    let mut agents = BTreeMap::new();
    for (root, origin) in &roots.folders {
        let entries = match fs::read_dir(root) {
            Ok(entries) => entries,
            Err(error) if is_absence(&error) => continue,
            Err(error) => return Err(unreadable(root)(error)),
        };
        for entry in entries {
            let entry = entry.map_err(unreadable(root))?;
            let name = entry.file_name();
            // One that cannot be looked at is there all the same; loading it says what is wrong.
            if let Some(name) = name.to_str().and_then(|name| AgentName::parse(name).ok())
                && is_folder(&entry.path()).unwrap_or(true)
            {
                agents.entry(name).or_insert(*origin);
            }
        }
    }
    Ok(agents.into_iter().collect())
}

fn load_from(folder: PathBuf, origin: Origin, agent: &AgentName) -> Result<Agent, LoadError> {
    let mut names = AGENT_FILES;
    // The host tool prefers the longer spelling in packaged definitions, and the shorter one in the user's own.
    if origin == Origin::Packaged {
        names.reverse();
    }
    let metadata_file = names.into_iter().find(|name| fs::symlink_metadata(folder.join(name)).is_ok());
    let Some(metadata_file) = metadata_file else {
        return Err(LoadError::MetadataMissing { agent: agent.clone(), folder });
    };
    let path = folder.join(metadata_file);
    let metadata = AgentMetadata::parse(&read_limited(&path)?, &path.display().to_string())?;
    let script = folder.join(INSTALL_SCRIPT);
    match fs::metadata(&script) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Err(LoadError::NotAFile { path: script }),
        Err(error) if is_absence(&error) => {
            return Err(LoadError::InstallScriptMissing { agent: agent.clone(), folder });
        }
        Err(error) => return Err(unreadable(&script)(error)),
    }
    Ok(Agent { name: agent.clone(), origin, folder, metadata_file: metadata_file.to_owned(), metadata })
}

/// Reads what the definition of `agent` says about where its versions are published; `None` when it says nothing.
///
/// # Errors
/// [`LoadError`] when the file is wrong or cannot be read.
pub fn load_version_source(agent: &Agent) -> Result<Option<VersionSource>, LoadError> {
    let path = VERSION_FILES.map(|name| agent.folder.join(name));
    let Some(path) = path.into_iter().find(|path| fs::symlink_metadata(path).is_ok()) else { return Ok(None) };
    Ok(Some(VersionSource::parse(&read_limited(&path)?, &path.display().to_string())?))
}

fn read_limited(path: &Path) -> Result<Vec<u8>, LoadError> {
    // Asked before opening, because opening a named pipe waits for its other end.
    if !fs::metadata(path).map_err(unreadable(path))?.is_file() {
        return Err(LoadError::NotAFile { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(DEFINITION_LIMIT_BYTES + 1).read_to_end(&mut bytes))
        .map_err(unreadable(path))?;
    if bytes.len() as u64 > DEFINITION_LIMIT_BYTES {
        return Err(LoadError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

/// Says whether `path` is a folder or a link to one. A link that leads nowhere is an error, not an absence: falling
/// back to another definition of the same name would hide it.
fn is_folder(path: &Path) -> Result<bool, LoadError> {
    match fs::metadata(path) {
        Ok(found) => Ok(found.is_dir()),
        Err(error) if is_absence(&error) && fs::symlink_metadata(path).is_err() => Ok(false),
        Err(error) => Err(unreadable(path)(error)),
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> LoadError {
    let path = path.to_owned();
    move |source| LoadError::Unreadable { path, source }
}

#[cfg(test)]
mod tests;
