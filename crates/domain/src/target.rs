//! The images that a request means, with all their names.

use crate::definition::{Agent, Base, Extension, ExtensionKind, Origin};
use crate::image::{ImageRef, ReferenceError, Repository};
use crate::name::{AgentName, BaseName, ImageName, NameError};
use crate::recipe::ImageKind;
use crate::request::{BaseChoice, BuildRequest, ExtensionChoice, Repositories, Wanted};
use crate::version::AgentVersion;

/// The tag's ending under which the image that was replaced stays.
const PREVIOUS_SUFFIX: &str = "-previous";

/// The tag's ending under which the image before the replaced one waits until it can go.
const OUTGOING_SUFFIX: &str = "-outgoing";

/// The tag's ending under which a new image waits until it takes its name.
const STAGING_SUFFIX: &str = "-staging";

/// Says whether an image's name ends like those that an image has beside or before its own.
pub fn is_of_passage(image: &ImageRef) -> bool {
    let tag = image.tag().unwrap_or_default();
    let unnumbered = tag.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_between = unnumbered != tag && unnumbered.strip_suffix('-').is_some_and(|tag| tag.ends_with(STAGING_SUFFIX));
    is_between || [PREVIOUS_SUFFIX, OUTGOING_SUFFIX, STAGING_SUFFIX].iter().any(|suffix| tag.ends_with(suffix))
}

/// The definitions that a request speaks of, as they were loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Definitions {
    /// The agent.
    pub agent: Option<Agent>,
    /// The base, if one is defined under the name that was asked for.
    pub base: Option<Base>,
    /// The extensions, in the request's order.
    pub extensions: Vec<Extension>,
}

/// A chain of images to make current, each upon the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The images, those beneath first; never empty.
    pub images: Vec<TargetImage>,
    /// The base's definition, whose rules hold for the whole chain.
    pub base: Option<Base>,
    /// The version that the user chose.
    pub chosen_version: Option<AgentVersion>,
    /// Build even when nothing changed.
    pub force: bool,
    /// Run every step again.
    pub no_cache: bool,
}

/// One image of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetImage {
    /// What it is.
    pub kind: ImageKind,
    /// The agent in it.
    pub agent: Option<AgentName>,
    /// The name of the base beneath in tags and records.
    pub base_name: BaseName,
    /// The name under which this choice was saved.
    pub saved: Option<ImageName>,
    /// Its name.
    pub image: ImageRef,
    /// Further names of it.
    pub aliases: Vec<ImageRef>,
    /// How it comes to be.
    pub making: Making,
}

/// How an image comes to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Making {
    /// Somebody publishes it; it is pulled and never built.
    Published,
    /// It is built here.
    Built {
        /// What it stands on.
        foundation: Foundation,
        /// What is put upon that, those beneath first.
        layers: Vec<Ingredient>,
    },
}

/// What an image that is built stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Foundation {
    /// Any image, as the user or a definition names it.
    Image(ImageRef),
    /// The image before it in the chain.
    Below,
}

/// A definition that goes into an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ingredient {
    /// A custom base's Dockerfile.
    Base(Base),
    /// An agent's install script.
    Agent(Agent),
    /// An extension.
    Extension(Extension),
}

impl TargetImage {
    /// Returns the definitions that go into it.
    pub fn layers(&self) -> &[Ingredient] {
        match &self.making {
            Making::Published => &[],
            Making::Built { layers, .. } => layers,
        }
    }

    /// Returns the agent that is installed in it, rather than beneath it.
    pub fn installs(&self) -> Option<&Agent> {
        self.layers().iter().find_map(|layer| match layer {
            Ingredient::Agent(agent) => Some(agent),
            Ingredient::Base(_) | Ingredient::Extension(_) => None,
        })
    }

    /// Returns the names of the extensions that go into it, in order.
    pub(crate) fn extensions(&self) -> Vec<&str> {
        let names = self.layers().iter().filter_map(|layer| match layer {
            Ingredient::Extension(extension) => Some(extension.name.as_str()),
            Ingredient::Base(_) | Ingredient::Agent(_) => None,
        });
        names.collect()
    }

    /// Returns what it is, in a few words.
    pub fn told(&self) -> String {
        told(self.agent.as_ref().map(AgentName::as_str), self.base_name.as_str(), &self.extensions())
    }

    /// Returns the name of the image that it replaced.
    pub fn previous(&self) -> ImageRef {
        self.beside(PREVIOUS_SUFFIX)
    }

    /// Returns the name that the image before the previous one has until the new one is in its place.
    pub fn outgoing(&self) -> ImageRef {
        self.beside(OUTGOING_SUFFIX)
    }

    /// Returns the name it has while it is not yet the current one.
    pub fn staging(&self) -> ImageRef {
        self.beside(STAGING_SUFFIX)
    }

    /// Returns names for what must be an image for a moment on engines that cannot build a Dockerfile on anything else,
    /// as many as it may need.
    pub fn between(&self) -> Vec<ImageRef> {
        self.suffixes_between().iter().map(|suffix| self.beside(suffix)).collect()
    }

    fn suffixes_between(&self) -> Vec<String> {
        let is_dockerfile = |layer: &&Ingredient| match layer {
            Ingredient::Extension(extension) => extension.kind == ExtensionKind::Dockerfile,
            Ingredient::Base(_) | Ingredient::Agent(_) => false,
        };
        let count = self.layers().iter().filter(is_dockerfile).count();
        (1..=count).map(|number| format!("{STAGING_SUFFIX}-{number}")).collect()
    }

    fn beside(&self, suffix: &str) -> ImageRef {
        self.image.with_tag_suffix(suffix).expect("selecting the target made sure of the room")
    }
}

/// Says in a few words what an image is that has `agent` on `base` with `extensions`; a base has no agent.
pub(crate) fn told(agent: Option<&str>, base: &str, extensions: &[&str]) -> String {
    let mut text = agent.map(|agent| format!("agent {agent} on ")).unwrap_or_default();
    text += &format!("base {base}");
    if !extensions.is_empty() {
        text += &format!(" with {}", extensions.join(", "));
    }
    text
}

/// Says why a request means no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The agent's definition excludes the base.
    #[error("agent {agent} does not run on base {base}: base_exclude in {file} names it")]
    Excluded {
        /// The agent.
        agent: String,
        /// The base.
        base: String,
        /// The file with the rule.
        file: String,
    },
    /// The agent's definition excludes the base's distribution.
    #[error(
        "agent {agent} does not run on base {base}: base_distro_exclude in {file} names {distro}, and {base_file} says that the base is one"
    )]
    DistroExcluded {
        /// The agent.
        agent: String,
        /// The base.
        base: String,
        /// The distribution.
        distro: String,
        /// The file with the rule.
        file: String,
        /// The file that names the distribution.
        base_file: String,
    },
    /// The root image of a custom base is what the base itself is called.
    #[error(
        "base {base} would stand on itself: {file} names {image} as the root image, which is what the base becomes"
    )]
    OnItself {
        /// The base.
        base: String,
        /// The file that names the root image.
        file: String,
        /// The image.
        image: String,
    },
    /// A base alone is asked for that is not built here.
    #[error("base {0} is not built here: there is no definition with a Dockerfile of that name")]
    NotBuiltHere(String),
    /// A version is asked for of an agent that is not installed here.
    #[error("version {version} of agent {agent} cannot be chosen: the image is pulled as it is published")]
    PublishedVersion {
        /// The agent.
        agent: String,
        /// The version.
        version: AgentVersion,
    },
    /// The same extension is asked for twice.
    #[error("extension {0} is asked for twice")]
    Twice(String),
    /// The base's image has no tag from which its name could be taken.
    #[error("the base image {0} has no tag to name it by")]
    Unnamed(String),
    /// The base's name cannot stand in a tag.
    #[error("the base has no usable name")]
    Name(#[from] NameError),
    /// The image's name would be no valid reference.
    #[error("the image cannot be named")]
    Image(#[from] ReferenceError),
    /// The name that an extended image has by its extensions, or was saved under, would be no valid reference.
    #[error("the extended image cannot be named")]
    ExtendedImage(#[source] ReferenceError),
}

impl Target {
    /// Chooses the images that `request` means, with what is defined for it.
    ///
    /// # Errors
    /// [`TargetError`] when a rule excludes the choice or no valid name can be formed.
    ///
    /// # Panics
    /// When an agent is asked for and `definitions` have none.
    pub fn select(request: &BuildRequest, definitions: Definitions) -> Result<Self, TargetError> {
        let Definitions { agent, base, extensions } = definitions;
        let mut images = Vec::new();
        let custom = base.clone().filter(|base| base.origin == Origin::User);
        if let Some(custom) = &custom {
            images.push(custom_base(custom, &request.repositories)?);
        }
        match &request.wanted {
            Wanted::Base(name) if images.is_empty() => return Err(TargetError::NotBuiltHere(name.to_string())),
            Wanted::Base(_) => {}
            Wanted::Agent(wanted) => {
                let (choice, chosen) = (&wanted.base, &wanted.extensions);
                let agent = agent.expect("the agent that is asked for was loaded");
                let (base_name, base_image) = base_of(choice, &request.repositories)?;
                check_exclusions(&agent, &base_name, base.as_ref())?;
                let foundation = if custom.is_some() { Foundation::Below } else { Foundation::Image(base_image) };
                let is_published = may_be_published(&agent, &foundation, choice);
                let chain = Chain { agent, base_name, foundation, is_published };
                images.extend(chain.images(extensions, chosen, &request.repositories)?);
                if let Some(version) = request.version.clone()
                    && images.iter().any(|image| image.making == Making::Published)
                {
                    return Err(TargetError::PublishedVersion { agent: wanted.agent.to_string(), version });
                }
            }
        }
        // Every name that will be needed is made once, so that none can fail later.
        for image in &images {
            let between = image.suffixes_between();
            let suffixes = [PREVIOUS_SUFFIX, OUTGOING_SUFFIX, STAGING_SUFFIX].into_iter();
            for suffix in suffixes.chain(between.iter().map(String::as_str)) {
                image.image.with_tag_suffix(suffix).map_err(|error| match image.kind {
                    ImageKind::Extended => TargetError::ExtendedImage(error),
                    ImageKind::Base | ImageKind::Final => TargetError::Image(error),
                })?;
            }
        }
        let version = request.version.clone();
        Ok(Self { images, base, chosen_version: version, force: request.force, no_cache: request.no_cache })
    }

    /// Returns the image that was asked for.
    pub fn top(&self) -> &TargetImage {
        self.images.last().expect("a target has an image")
    }

    /// Returns the agent that is installed in one of the images.
    pub fn installs(&self) -> Option<&Agent> {
        self.images.iter().find_map(TargetImage::installs)
    }
}

fn custom_base(base: &Base, repositories: &Repositories) -> Result<TargetImage, TargetError> {
    let name = base.name.as_str();
    let (image, alias) = (repositories.custom_base.with_tag(name)?, repositories.custom_base_alias.with_tag(name)?);
    let root = base.metadata.from_image.image();
    // Every build would make what it stands on another one, and so the next build necessary.
    if *root == image || *root == alias {
        let file = base.folder.join(&base.metadata_file).display().to_string();
        return Err(TargetError::OnItself { base: name.to_owned(), file, image: root.familiar() });
    }
    Ok(TargetImage {
        kind: ImageKind::Base,
        agent: None,
        base_name: base.name.clone(),
        saved: None,
        image,
        aliases: vec![alias],
        making: Making::Built {
            foundation: Foundation::Image(root.clone()),
            layers: vec![Ingredient::Base(base.clone())],
        },
    })
}

fn base_of(choice: &BaseChoice, repositories: &Repositories) -> Result<(BaseName, ImageRef), TargetError> {
    Ok(match choice {
        BaseChoice::Named(name) => (name.clone(), repositories.base.with_tag(name.as_str())?),
        BaseChoice::NamedImage(name, image) => (name.clone(), image.clone()),
        BaseChoice::Image(image) => (derived_name(image, repositories)?, image.clone()),
    })
}

fn check_exclusions(agent: &Agent, base_name: &BaseName, base: Option<&Base>) -> Result<(), TargetError> {
    let file = || agent.folder.join(&agent.metadata_file).display().to_string();
    let excluded = |rules: &[crate::definition::Text], word: &str| {
        rules.iter().any(|rule| rule.as_str().trim().eq_ignore_ascii_case(word.trim()))
    };
    if excluded(&agent.metadata.base_exclude, base_name.as_str()) {
        let (agent, base) = (agent.name.to_string(), base_name.to_string());
        return Err(TargetError::Excluded { agent, base, file: file() });
    }
    if let Some(base) = base
        && excluded(&agent.metadata.base_distro_exclude, base.metadata.base_image_distro.as_str())
    {
        return Err(TargetError::DistroExcluded {
            agent: agent.name.to_string(),
            base: base_name.to_string(),
            distro: base.metadata.base_image_distro.to_string(),
            file: file(),
            base_file: base.folder.join(&base.metadata_file).display().to_string(),
        });
    }
    Ok(())
}

/// An agent on a base, from which the images above the base follow.
struct Chain {
    agent: Agent,
    base_name: BaseName,
    foundation: Foundation,
    is_published: bool,
}

/// Says whether the image of an agent on a base is one that somebody publishes.
///
/// An agent that the user defines is never one: the published image would not have what the user wrote.
fn may_be_published(agent: &Agent, foundation: &Foundation, choice: &BaseChoice) -> bool {
    !agent.metadata.build_local
        && agent.origin == Origin::Packaged
        && *foundation != Foundation::Below
        && matches!(choice, BaseChoice::Named(_))
}

impl Chain {
    fn images(
        self,
        extensions: Vec<Extension>,
        chosen: &ExtensionChoice,
        repositories: &Repositories,
    ) -> Result<Vec<TargetImage>, TargetError> {
        let tag = final_tag(self.agent.name.as_str(), &self.base_name);
        let image = |kind, image, making| TargetImage {
            kind,
            agent: Some(self.agent.name.clone()),
            base_name: self.base_name.clone(),
            saved: (kind == ImageKind::Extended).then(|| chosen.saved.clone()).flatten(),
            image,
            aliases: Vec::new(),
            making,
        };
        let install = || Ingredient::Agent(self.agent.clone());
        let mut images = Vec::new();
        if extensions.is_empty() || !chosen.first {
            images.push(if self.is_published {
                image(ImageKind::Final, repositories.published.with_tag(&tag)?, Making::Published)
            } else {
                let making = Making::Built { foundation: self.foundation.clone(), layers: vec![install()] };
                image(ImageKind::Final, repositories.local.with_tag(&tag)?, making)
            });
        }
        if extensions.is_empty() {
            return Ok(images);
        }
        for (at, extension) in extensions.iter().enumerate() {
            if extensions[..at].iter().any(|earlier| earlier.name == extension.name) {
                return Err(TargetError::Twice(extension.name.to_string()));
            }
        }
        let name = match chosen.own_name(repositories) {
            Some(name) => name.map_err(TargetError::ExtendedImage)?,
            None => {
                let names: Vec<_> = extensions.iter().map(|extension| extension.name.as_str()).collect();
                let tag = format!("{tag}-{}", names.join("-")).to_lowercase();
                repositories.extended.with_tag(&tag).map_err(TargetError::ExtendedImage)?
            }
        };
        let mut layers: Vec<_> = extensions.into_iter().map(Ingredient::Extension).collect();
        let foundation = if chosen.first {
            layers.push(install());
            self.foundation.clone()
        } else {
            Foundation::Below
        };
        images.push(image(ImageKind::Extended, name, Making::Built { foundation, layers }));
        Ok(images)
    }
}

/// Names a final image by the host tool's rule: agent and base joined by `-`, in lower case.
fn final_tag(agent: &str, base: &BaseName) -> String {
    format!("{agent}-{base}").to_lowercase()
}

/// Names a base after its image: the tag within a repository of bases, else the repository's last part and the tag.
///
/// `ghcr.io/aicage/aicage-image-base:debian` is `debian`, `node:22` is `node-22`, `alpine` is
/// `alpine-latest`.
fn derived_name(image: &ImageRef, repositories: &Repositories) -> Result<BaseName, TargetError> {
    let tag = image.tag().ok_or_else(|| TargetError::Unnamed(image.familiar()))?;
    let last_part = |repository: &Repository| repository.path().rsplit('/').next().unwrap_or_default().to_owned();
    let last = last_part(image.repository());
    let is_repository_of_bases = last == last_part(&repositories.base) || last.starts_with("aicage-image-base");
    let name = match tag {
        _ if is_repository_of_bases => tag.to_owned(),
        _ => format!("{last}-{tag}"),
    };
    Ok(BaseName::parse(&name)?)
}

#[cfg(test)]
mod tests;
