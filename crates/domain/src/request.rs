//! What a person asked for, already in this program's words.

use crate::image::{ImageRef, Repository};
use crate::name::{AgentName, BaseName};
use crate::version::AgentVersion;

/// The repositories that images are named by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repositories {
    /// Where images that are built here get their names.
    pub local: Repository,
    /// Where published bases are.
    pub base: Repository,
}

impl Repositories {
    /// The local repository when nothing else is configured; the host tool's.
    pub const DEFAULT_LOCAL: &'static str = "aicage";
    /// The repository of published bases when nothing else is configured.
    pub const DEFAULT_BASE: &'static str = "ghcr.io/aicage/aicage-image-base";
}

/// Which base an image stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseChoice {
    /// A published base by its name.
    Named(BaseName),
    /// Any image; its name in tags is derived from the reference.
    Image(ImageRef),
    /// Any image under a name of the user's choice.
    NamedImage(BaseName, ImageRef),
}

/// One request to make an image exist and be current.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRequest {
    /// The agent.
    pub agent: AgentName,
    /// The base beneath it.
    pub base: BaseChoice,
    /// How images are named.
    pub repositories: Repositories,
    /// The version to install, when the user chose it.
    pub version: Option<AgentVersion>,
    /// Build even when nothing changed.
    pub force: bool,
    /// Run every step again instead of taking it from the engine's cache.
    pub no_cache: bool,
}
