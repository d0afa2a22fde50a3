//! What a person asked for, already in this program's words.

use crate::image::{ImageRef, ReferenceError, Repository};
use crate::name::{AgentName, BaseName, ExtensionName, ImageName};
use crate::version::AgentVersion;

/// The repositories that images are named by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repositories {
    /// Where final images that are built here get their names.
    pub local: Repository,
    /// Where published bases are.
    pub base: Repository,
    /// Where final images are published.
    pub published: Repository,
    /// Where extended images get their names.
    pub extended: Repository,
    /// Where custom bases get their names.
    pub custom_base: Repository,
    /// Where custom bases get a second name, by which the host tool knows them.
    pub custom_base_alias: Repository,
}

impl Repositories {
    /// The local repository when nothing else is configured; the host tool's.
    pub const DEFAULT_LOCAL: &'static str = "aicage";
    /// The repository of published bases when nothing else is configured.
    pub const DEFAULT_BASE: &'static str = "ghcr.io/aicage/aicage-image-base";
    /// The repository of published final images when nothing else is configured.
    pub const DEFAULT_PUBLISHED: &'static str = "ghcr.io/aicage/aicage";
    /// The repository of extended images when nothing else is configured; the host tool's.
    pub const DEFAULT_EXTENDED: &'static str = "aicage-extended";
    /// The repository of custom bases when nothing else is configured.
    pub const DEFAULT_CUSTOM_BASE: &'static str = "aicage-image-base-custom";
    /// The second repository of custom bases when nothing else is configured; the host tool's.
    pub const DEFAULT_CUSTOM_BASE_ALIAS: &'static str = "aicage-image-base";
}

impl Default for Repositories {
    fn default() -> Self {
        let known = |text: &str| text.parse().expect("the defaults are repositories, as a test says");
        Self {
            local: known(Self::DEFAULT_LOCAL),
            base: known(Self::DEFAULT_BASE),
            published: known(Self::DEFAULT_PUBLISHED),
            extended: known(Self::DEFAULT_EXTENDED),
            custom_base: known(Self::DEFAULT_CUSTOM_BASE),
            custom_base_alias: known(Self::DEFAULT_CUSTOM_BASE_ALIAS),
        }
    }
}

/// Which base an image stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseChoice {
    /// A custom or a published base by its name.
    Named(BaseName),
    /// Any image; its name in tags is derived from the reference.
    Image(ImageRef),
    /// Any image under a name of the user's choice.
    NamedImage(BaseName, ImageRef),
}

/// What a user puts upon an agent's image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtensionChoice {
    /// The extensions, in the user's order.
    pub names: Vec<ExtensionName>,
    /// Whether they go beneath the agent, so that an update of the agent does not run them again.
    pub first: bool,
    /// The image's name, when it is not made of those of its parts.
    pub image: Option<ImageRef>,
    /// The name under which this choice was saved.
    pub saved: Option<ImageName>,
}

impl ExtensionChoice {
    /// Returns the name of the image where it is not made of those of its parts.
    ///
    /// # Errors
    /// [`ReferenceError`] when the saved name cannot be a tag.
    pub fn own_name(&self, repositories: &Repositories) -> Option<Result<ImageRef, ReferenceError>> {
        let saved = |saved: &ImageName| repositories.extended.with_tag(&saved.as_str().to_lowercase());
        self.image.clone().map(Ok).or_else(|| self.saved.as_ref().map(saved))
    }
}

/// An agent's image, with extensions or without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedAgent {
    /// The agent.
    pub agent: AgentName,
    /// The base beneath it.
    pub base: BaseChoice,
    /// What is put upon it.
    pub extensions: ExtensionChoice,
}

/// Which image is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A custom base alone.
    Base(BaseName),
    /// An agent's image.
    Agent(Box<WantedAgent>),
}

/// One request to make an image exist and be current.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRequest {
    /// Which image.
    pub wanted: Wanted,
    /// How images are named.
    pub repositories: Repositories,
    /// The version to install, when the user chose it.
    pub version: Option<AgentVersion>,
    /// Build even when nothing changed.
    pub force: bool,
    /// Run every step again instead of taking it from the engine's cache.
    pub no_cache: bool,
}

impl BuildRequest {
    /// Returns the base that is asked for by name, for which there may be a definition.
    pub fn base_name(&self) -> Option<&BaseName> {
        match &self.wanted {
            Wanted::Base(name) => Some(name),
            Wanted::Agent(wanted) => match &wanted.base {
                BaseChoice::Named(name) => Some(name),
                BaseChoice::Image(_) | BaseChoice::NamedImage(..) => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_repositories_are_repositories() {
        let repositories = Repositories::default();
        assert_eq!(repositories.extended.familiar(), Repositories::DEFAULT_EXTENDED);
    }
}
