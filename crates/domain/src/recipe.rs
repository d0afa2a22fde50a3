//! The recipe of an image: everything that decides what is in it, as one digest and as labels.

mod layer_key;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::definition::ExtensionKind;
use crate::digest::{Digest, Framed};
use crate::files::FileSet;
use crate::image::ImageRef;
use crate::name::{AgentName, BaseName, ExtensionName, ImageName};
use crate::version::AgentVersion;

pub(crate) use layer_key::LayerKey;

/// The labels that carry a recipe on an image.
pub mod label {
    /// The recipe's schema, a number.
    pub const SCHEMA: &str = "dev.aicage.recipe.schema";
    /// The digest over the whole recipe.
    pub const HASH: &str = "dev.aicage.recipe.hash";
    /// The identity of the base beneath.
    pub const BASE: &str = "dev.aicage.recipe.base";
    /// What was made: a base, a final or an extended image; an image without it is a final one.
    pub const KIND: &str = "dev.aicage.recipe.kind";
    /// The digest over the files of every definition that went in.
    pub const FILES: &str = "dev.aicage.recipe.files";
    /// What an extended image has upon the one beneath, in order, each with the digest of its files.
    pub const LAYERS: &str = "dev.aicage.recipe.layers";
    /// The secrets that steps could see, each with a salted digest.
    pub const SECRETS: &str = "dev.aicage.recipe.secrets";
    /// The platform built for.
    pub const PLATFORM: &str = "dev.aicage.recipe.platform";
    /// The agent's name.
    pub const AGENT: &str = "dev.aicage.agent";
    /// The agent's version.
    pub const AGENT_VERSION: &str = "dev.aicage.agent.version";
    /// The base's name in tags.
    pub const BASE_NAME: &str = "dev.aicage.base";
    /// The extensions, in order, joined by a space; only on an extended image.
    pub const EXTENSIONS: &str = "dev.aicage.extensions";
    /// The name under which the choice of an extended image was saved.
    pub const SAVED: &str = "dev.aicage.image";
    /// The version of this program that built the image.
    pub const BUILDER_VERSION: &str = "dev.aicage.builder.version";
    /// OCI: the title.
    pub const TITLE: &str = "org.opencontainers.image.title";
    /// OCI: the version of the packaged software.
    pub const VERSION: &str = "org.opencontainers.image.version";
    /// OCI: where its source is.
    pub const SOURCE: &str = "org.opencontainers.image.source";
    /// OCI: the reference of the base.
    pub const OCI_BASE_NAME: &str = "org.opencontainers.image.base.name";
    /// OCI: the manifest digest of the base.
    pub const OCI_BASE_DIGEST: &str = "org.opencontainers.image.base.digest";
}

/// Which content a base has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum BaseIdentity {
    /// The digest of its manifest or index in a registry.
    Manifest(Digest),
    /// A base without a registry: the digest over its layers and its config, the same in every image store.
    Content(Digest),
}

impl std::fmt::Display for BaseIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Manifest(digest) => write!(f, "{digest}"),
            Self::Content(digest) => write!(f, "content:{digest}"),
        }
    }
}

impl BaseIdentity {
    /// Returns a form short enough for a sentence.
    pub fn short(&self) -> String {
        match self {
            Self::Manifest(digest) => format!("sha256:{}", digest.short()),
            Self::Content(digest) => format!("local content {}", digest.short()),
        }
    }

    /// Reads the form that [`std::fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("content:") {
            Some(digest) => digest.parse().ok().map(Self::Content),
            None => text.parse().ok().map(Self::Manifest),
        }
    }
}

impl From<BaseIdentity> for String {
    fn from(identity: BaseIdentity) -> Self {
        identity.to_string()
    }
}

impl TryFrom<String> for BaseIdentity {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("not the identity of a base: {text:?}"))
    }
}

/// What an image is in the chain of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageKind {
    /// A root image and the Dockerfile of a custom base.
    Base,
    /// A base and one agent.
    Final,
    /// A final image and extensions.
    Extended,
}

impl ImageKind {
    /// Returns the word for it in labels, records and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Final => "final",
            Self::Extended => "extended",
        }
    }

    /// Reads the word that [`ImageKind::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Base, Self::Final, Self::Extended].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One definition that goes into an image, in one or more layers of the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Which definition.
    pub kind: LayerKind,
    /// Its files, as they are sent.
    pub files: FileSet,
}

/// Which definition a layer comes from, and how it is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerKind {
    /// An agent's install script.
    Agent {
        /// The agent's name.
        name: AgentName,
        /// The version to install.
        version: AgentVersion,
    },
    /// An extension.
    Extension {
        /// Its name.
        name: ExtensionName,
        /// How it is carried out.
        kind: ExtensionKind,
    },
    /// A custom base's Dockerfile.
    Dockerfile,
}

impl LayerKind {
    /// Returns a word for the layer that is the same for every version of its definition.
    pub fn key(&self) -> String {
        match self {
            Self::Agent { name, .. } => LayerKey::Agent(name.as_str()),
            Self::Extension { name, .. } => LayerKey::Extension(name.as_str()),
            Self::Dockerfile => LayerKey::Dockerfile,
        }
        .to_string()
    }

    /// Says whether anything is run for it. Shares alone are for whoever starts the image.
    pub fn is_step(&self) -> bool {
        !matches!(self, Self::Extension { kind: ExtensionKind::SharesOnly, .. })
    }
}

/// What a build puts upon the image beneath it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingredients {
    /// What is made.
    pub kind: ImageKind,
    /// The agent in it, also when an image beneath has it.
    pub agent: Option<AgentName>,
    /// The base's name in tags.
    pub base_name: BaseName,
    /// The name shown to people; `None` leaves that of the image beneath.
    pub title: Option<String>,
    /// The home page; `None` leaves that of the image beneath.
    pub source: Option<String>,
    /// The definitions, those beneath first.
    pub layers: Vec<Layer>,
    /// The secrets that the steps can see, by id, each as a salted digest.
    pub secrets: BTreeMap<String, Digest>,
    /// The name under which this choice was saved.
    pub saved: Option<ImageName>,
    /// The platform, as `os/architecture`.
    pub platform: String,
}

impl Ingredients {
    /// Returns the version of the agent that is installed here.
    pub fn version(&self) -> Option<&AgentVersion> {
        self.layers.iter().find_map(|layer| match &layer.kind {
            LayerKind::Agent { version, .. } => Some(version),
            LayerKind::Extension { .. } | LayerKind::Dockerfile => None,
        })
    }

    /// Returns the extensions, in order.
    pub fn extensions(&self) -> Vec<ExtensionName> {
        let name = |layer: &Layer| match &layer.kind {
            LayerKind::Extension { name, .. } => Some(name.clone()),
            LayerKind::Agent { .. } | LayerKind::Dockerfile => None,
        };
        self.layers.iter().filter_map(name).collect()
    }

    /// Returns one digest over the files of all layers; of a single layer, that of its files.
    pub fn files(&self) -> Digest {
        match self.layers.as_slice() {
            [layer] => layer.files.digest(),
            layers => layers
                .iter()
                .fold(Framed::new("layers"), |framed, layer| {
                    framed.field(layer.kind.key()).field(layer.files.digest().to_string())
                })
                .finish(),
        }
    }

    /// Returns how many files there are in all.
    pub(crate) fn file_count(&self) -> usize {
        self.layers.iter().map(|layer| layer.files.0.len()).sum()
    }
}

/// Everything that decides what is in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// What is put upon the image beneath.
    pub ingredients: Ingredients,
    /// The reference of the image beneath, for people; its content decides.
    pub base_image: ImageRef,
    /// The content of the image beneath.
    pub base: BaseIdentity,
}

impl Recipe {
    /// The shape of what is hashed. It goes up when the same definition would be built differently.
    pub const SCHEMA: u32 = 1;

    /// Returns the digest over everything that decides what is in the image.
    ///
    /// The reference of what is beneath is not in it, as two names of one content make one image; a custom base's
    /// Dockerfile can read the name of its root image, so there it is. Secrets are not: who does not give one this time
    /// is not told that it changed.
    pub fn hash(&self) -> Digest {
        let ingredients = &self.ingredients;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let framed = Framed::new("recipe").field(Self::SCHEMA.to_string()).field(ingredients.kind.as_str());
        let framed = match (ingredients.kind, &ingredients.agent) {
            (ImageKind::Final, Some(agent)) => {
                let version = ingredients.version().map(AgentVersion::as_str).unwrap_or_default();
                framed.field(agent.as_str()).field(version)
            }
            (ImageKind::Base | ImageKind::Extended | ImageKind::Final, _) => {
                ingredients.layers.iter().fold(framed, |framed, layer| match &layer.kind {
                    LayerKind::Agent { version, .. } => framed.field(layer.kind.key()).field(version.as_str()),
                    LayerKind::Extension { kind, .. } => framed.field(layer.kind.key()).field(match kind {
                        ExtensionKind::Scripts => "scripts",
                        ExtensionKind::Dockerfile => "dockerfile",
                        ExtensionKind::SharesOnly => "shares",
                    }),
                    LayerKind::Dockerfile => framed.field(layer.kind.key()).field(self.base_image.to_string()),
                })
            }
        };
        framed
            .field(text(&ingredients.title))
            .field(text(&ingredients.source))
            .field(self.base.to_string())
            .field(ingredients.files().to_string())
            .field(&ingredients.platform)
            .finish()
    }

    /// Returns the labels for an image of this recipe built by `builder_version`.
    pub fn labels(&self, builder_version: &str) -> BTreeMap<String, String> {
        let ingredients = &self.ingredients;
        let mut labels = BTreeMap::new();
        let mut set = |key: &str, value: String| drop(labels.insert(key.to_owned(), value));
        set(label::SCHEMA, Self::SCHEMA.to_string());
        set(label::KIND, ingredients.kind.as_str().to_owned());
        set(label::HASH, self.hash().to_string());
        set(label::BASE, self.base.to_string());
        set(label::FILES, ingredients.files().to_string());
        set(label::PLATFORM, ingredients.platform.clone());
        set(label::BASE_NAME, ingredients.base_name.to_string());
        set(label::BUILDER_VERSION, builder_version.to_owned());
        set(label::OCI_BASE_NAME, self.base_image.to_string());
        if let BaseIdentity::Manifest(digest) = self.base {
            set(label::OCI_BASE_DIGEST, digest.to_string());
        }
        if let Some(agent) = &ingredients.agent {
            set(label::AGENT, agent.to_string());
        }
        if let Some(version) = ingredients.version() {
            set(label::AGENT_VERSION, version.to_string());
            set(label::VERSION, version.to_string());
        }
        if let Some(title) = &ingredients.title {
            set(label::TITLE, title.clone());
        }
        if let Some(source) = &ingredients.source {
            set(label::SOURCE, source.clone());
        }
        if ingredients.kind == ImageKind::Extended {
            let layer = |layer: &Layer| format!("{}={}", layer.kind.key(), layer.files.digest());
            set(label::LAYERS, joined(ingredients.layers.iter().map(layer)));
            set(label::EXTENSIONS, joined(ingredients.extensions().iter().map(ToString::to_string)));
        }
        if !ingredients.secrets.is_empty() {
            set(label::SECRETS, joined(ingredients.secrets.iter().map(|(id, digest)| format!("{id}={digest}"))));
        }
        if let Some(name) = &ingredients.saved {
            set(label::SAVED, name.to_string());
        }
        labels
    }
}

fn joined(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(" ")
}

/// Labels that the image beneath may carry and that would be wrong on an image made from it.
pub const NOT_INHERITED: [&str; 6] =
    [label::OCI_BASE_DIGEST, label::EXTENSIONS, label::KIND, label::LAYERS, label::SECRETS, label::SAVED];

/// The recipe that an existing image says it was made by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageRecipe {
    /// No labels of ours, or not enough of them.
    None,
    /// A schema that this program does not read.
    OtherSchema(String),
    /// One that can be compared.
    Known(Box<KnownRecipe>),
}

/// The parts of a recipe that an image's labels name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRecipe {
    /// What the image is.
    pub kind: ImageKind,
    /// The digest over the whole recipe.
    pub hash: String,
    /// The agent's name; empty on a base.
    pub agent: String,
    /// The base's name in tags.
    pub base_name: String,
    /// The agent's version; empty where none is known.
    pub version: String,
    /// The content of the image beneath; `None` when the label is damaged.
    pub base: Option<BaseIdentity>,
    /// The reference of the image beneath.
    pub base_image: String,
    /// The digest over the files of all layers.
    pub files: String,
    /// The key of each layer of an extended image with the digest of its files.
    pub layers: Vec<(String, String)>,
    /// The salted digest of each secret, by id.
    pub secrets: BTreeMap<String, String>,
    /// The name under which the choice was saved.
    pub saved: Option<String>,
    /// The platform.
    pub platform: String,
    /// The title.
    pub title: String,
    /// The source.
    pub source: String,
}

impl KnownRecipe {
    /// Returns the extensions, in order.
    pub fn extensions(&self) -> Vec<&str> {
        let name = |key| match LayerKey::of_named(key)? {
            LayerKey::Extension(name) => Some(name),
            LayerKey::Agent(_) | LayerKey::Dockerfile => None,
        };
        self.layers.iter().filter_map(|(key, _)| name(key)).collect()
    }
}

impl ImageRecipe {
    /// Reads the labels of an image.
    ///
    /// Labels that do not even say which recipe it is, of what on which base, are no recipe.
    pub fn from_labels(labels: &BTreeMap<String, String>) -> Self {
        let Some(schema) = labels.get(label::SCHEMA) else {
            return Self::None;
        };
        if *schema != Recipe::SCHEMA.to_string() {
            return Self::OtherSchema(schema.clone());
        }
        let get = |key: &str| labels.get(key).cloned().unwrap_or_default();
        let (hash, agent, base_name) = (get(label::HASH), get(label::AGENT), get(label::BASE_NAME));
        let kind = labels.get(label::KIND).map_or(Some(ImageKind::Final), |kind| ImageKind::parse(kind));
        let Some(kind) = kind else {
            return Self::None;
        };
        if hash.is_empty() || base_name.is_empty() || (agent.is_empty() && kind != ImageKind::Base) {
            return Self::None;
        }
        let pairs = |key: &str| -> Vec<(String, String)> {
            let pair = |word: &str| word.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
            get(key).split(' ').filter_map(pair).collect()
        };
        Self::Known(Box::new(KnownRecipe {
            kind,
            hash,
            agent,
            base_name,
            version: get(label::AGENT_VERSION),
            base: labels.get(label::BASE).and_then(|text| BaseIdentity::parse(text)),
            base_image: get(label::OCI_BASE_NAME),
            files: get(label::FILES),
            layers: pairs(label::LAYERS),
            secrets: pairs(label::SECRETS).into_iter().collect(),
            saved: labels.get(label::SAVED).cloned(),
            platform: get(label::PLATFORM),
            title: get(label::TITLE),
            source: get(label::SOURCE),
        }))
    }
}

#[cfg(test)]
mod tests;
