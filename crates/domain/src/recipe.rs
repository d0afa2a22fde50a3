//! The recipe of an image: everything that decides what is in it, as one digest and as labels.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Framed};
use crate::files::FileSet;
use crate::image::ImageRef;
use crate::name::{AgentName, BaseName};
use crate::version::AgentVersion;

/// The labels that carry a recipe on an image.
pub mod label {
    /// The recipe's schema, a number.
    pub const SCHEMA: &str = "dev.aicage.recipe.schema";
    /// The digest over the whole recipe.
    pub const HASH: &str = "dev.aicage.recipe.hash";
    /// The identity of the base beneath.
    pub const BASE: &str = "dev.aicage.recipe.base";
    /// The digest over the definition's files.
    pub const FILES: &str = "dev.aicage.recipe.files";
    /// The platform built for.
    pub const PLATFORM: &str = "dev.aicage.recipe.platform";
    /// The agent's name.
    pub const AGENT: &str = "dev.aicage.agent";
    /// The agent's version.
    pub const AGENT_VERSION: &str = "dev.aicage.agent.version";
    /// The base's name in tags.
    pub const BASE_NAME: &str = "dev.aicage.base";
    /// The extensions, in order, joined by a space; absent on a final image.
    pub const EXTENSIONS: &str = "dev.aicage.extensions";
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

/// Everything that decides what is in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// The agent's name.
    pub agent: AgentName,
    /// The agent's version.
    pub version: AgentVersion,
    /// The name shown to people.
    pub title: String,
    /// The agent's home page.
    pub source: String,
    /// The base's name in tags.
    pub base_name: BaseName,
    /// The base's reference, for people; its content decides.
    pub base_image: ImageRef,
    /// The base's content.
    pub base: BaseIdentity,
    /// The definition's files, as they are sent.
    pub files: FileSet,
    /// The platform, as `os/architecture`.
    pub platform: String,
}

impl Recipe {
    /// The shape of what is hashed. It goes up when the same definition would be built differently.
    pub const SCHEMA: u32 = 1;

    /// Returns the digest over everything that decides what is in the image.
    ///
    /// The base's reference is not in it: two names of one content make one image.
    pub fn hash(&self) -> Digest {
        Framed::new("recipe")
            .field(Self::SCHEMA.to_string())
            .field("final")
            .field(self.agent.as_str())
            .field(self.version.as_str())
            .field(&self.title)
            .field(&self.source)
            .field(self.base.to_string())
            .field(self.files.digest().to_string())
            .field(&self.platform)
            .finish()
    }

    /// Returns the labels for an image of this recipe built by `builder_version`.
    pub fn labels(&self, builder_version: &str) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::from(
            [
                (label::SCHEMA, Self::SCHEMA.to_string()),
                (label::HASH, self.hash().to_string()),
                (label::BASE, self.base.to_string()),
                (label::FILES, self.files.digest().to_string()),
                (label::PLATFORM, self.platform.clone()),
                (label::AGENT, self.agent.to_string()),
                (label::AGENT_VERSION, self.version.to_string()),
                (label::BASE_NAME, self.base_name.to_string()),
                (label::BUILDER_VERSION, builder_version.to_owned()),
                (label::TITLE, self.title.clone()),
                (label::VERSION, self.version.to_string()),
                (label::SOURCE, self.source.clone()),
                (label::OCI_BASE_NAME, self.base_image.to_string()),
            ]
            .map(|(key, value)| (key.to_owned(), value)),
        );
        if let BaseIdentity::Manifest(digest) = self.base {
            labels.insert(label::OCI_BASE_DIGEST.to_owned(), digest.to_string());
        }
        labels
    }
}

/// Labels that a base may carry and that would be wrong on an image made from it.
pub const NOT_INHERITED: [&str; 2] = [label::OCI_BASE_DIGEST, label::EXTENSIONS];

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
    /// The digest over the whole recipe.
    pub hash: String,
    /// The agent's name.
    pub agent: String,
    /// The base's name in tags.
    pub base_name: String,
    /// The agent's version.
    pub version: String,
    /// The base's content; `None` when the label is damaged.
    pub base: Option<BaseIdentity>,
    /// The digest over the definition's files.
    pub files: String,
    /// The platform.
    pub platform: String,
    /// The title.
    pub title: String,
    /// The source.
    pub source: String,
}

impl ImageRecipe {
    /// Reads the labels of an image.
    ///
    /// Labels that do not even say which recipe it is, of which agent on which base, are no recipe.
    pub fn from_labels(labels: &BTreeMap<String, String>) -> Self {
        let Some(schema) = labels.get(label::SCHEMA) else {
            return Self::None;
        };
        if *schema != Recipe::SCHEMA.to_string() {
            return Self::OtherSchema(schema.clone());
        }
        let get = |key: &str| labels.get(key).cloned().unwrap_or_default();
        let (hash, agent, base_name) = (get(label::HASH), get(label::AGENT), get(label::BASE_NAME));
        if hash.is_empty() || agent.is_empty() || base_name.is_empty() {
            return Self::None;
        }
        Self::Known(Box::new(KnownRecipe {
            hash,
            agent,
            base_name,
            version: get(label::AGENT_VERSION),
            base: labels.get(label::BASE).and_then(|text| BaseIdentity::parse(text)),
            files: get(label::FILES),
            platform: get(label::PLATFORM),
            title: get(label::TITLE),
            source: get(label::SOURCE),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{FileEntry, FileKind};

    fn recipe() -> Recipe {
        Recipe {
            agent: AgentName::parse("codex").unwrap(),
            version: AgentVersion::parse("1.4.0").unwrap(),
            title: "Codex".to_owned(),
            source: "https://example.org".to_owned(),
            base_name: BaseName::parse("debian").unwrap(),
            base_image: "ghcr.io/acme/base:debian".parse().unwrap(),
            base: BaseIdentity::Manifest(Digest::of(b"base")),
            files: FileSet::default(),
            platform: "linux/amd64".to_owned(),
        }
    }

    #[test]
    fn the_name_of_the_base_does_not_decide() {
        let elsewhere = Recipe { base_image: "localhost:5000/mirror:x".parse().unwrap(), ..recipe() };
        assert_eq!(elsewhere.hash(), recipe().hash());
    }

    #[test]
    fn everything_that_is_in_the_image_decides() {
        let entry = FileEntry { path: "install.sh".to_owned(), mode: 0o755, kind: FileKind::Directory };
        let others = [
            Recipe { agent: AgentName::parse("other").unwrap(), ..recipe() },
            Recipe { version: AgentVersion::parse("1.4.1").unwrap(), ..recipe() },
            Recipe { title: "Other".to_owned(), ..recipe() },
            Recipe { source: "https://example.com".to_owned(), ..recipe() },
            Recipe { base: BaseIdentity::Manifest(Digest::of(b"other")), ..recipe() },
            Recipe { base: BaseIdentity::Content(Digest::of(b"base")), ..recipe() },
            Recipe { files: FileSet(vec![entry]), ..recipe() },
            Recipe { platform: "linux/arm64".to_owned(), ..recipe() },
        ];
        let mut hashes: Vec<_> = others.iter().chain([&recipe()]).map(Recipe::hash).collect();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), others.len() + 1);
    }

    #[test]
    fn the_hash_stays_what_it_was() {
        // An image built by an older program must not look changed; raise `Recipe::SCHEMA` when this has to move.
        insta::assert_snapshot!(recipe().hash(), @"sha256:b6e7e749c8633b3b3222e2b41578a4403506444ec2d37cd27bc51f6b4c7fce91");
    }

    #[test]
    fn labels_say_what_the_image_was_made_of() {
        let text: String = recipe().labels("0.1.0").iter().map(|(key, value)| format!("{key}={value}\n")).collect();
        insta::assert_snapshot!(text, @"
        dev.aicage.agent=codex
        dev.aicage.agent.version=1.4.0
        dev.aicage.base=debian
        dev.aicage.builder.version=0.1.0
        dev.aicage.recipe.base=sha256:cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2
        dev.aicage.recipe.files=sha256:536d5665e8a7d195b6e0f6e5d4da9210be43abdafbdc90d3dfb52e408ec3e400
        dev.aicage.recipe.hash=sha256:b6e7e749c8633b3b3222e2b41578a4403506444ec2d37cd27bc51f6b4c7fce91
        dev.aicage.recipe.platform=linux/amd64
        dev.aicage.recipe.schema=1
        org.opencontainers.image.base.digest=sha256:cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2
        org.opencontainers.image.base.name=ghcr.io/acme/base:debian
        org.opencontainers.image.source=https://example.org
        org.opencontainers.image.title=Codex
        org.opencontainers.image.version=1.4.0
        ");
    }

    #[test]
    fn a_base_without_a_registry_has_no_manifest_to_name() {
        let labels = Recipe { base: BaseIdentity::Content(Digest::of(b"base")), ..recipe() }.labels("0.1.0");
        assert!(!labels.contains_key(label::OCI_BASE_DIGEST));
        assert!(labels[label::BASE].starts_with("content:sha256:"));
    }

    #[test]
    fn a_recipe_reads_back_from_its_labels() {
        let recipe = recipe();
        let ImageRecipe::Known(known) = ImageRecipe::from_labels(&recipe.labels("0.1.0")) else { panic!("no recipe") };
        assert_eq!(known.hash, recipe.hash().to_string());
        assert_eq!((known.agent.as_str(), known.base_name.as_str()), ("codex", "debian"));
        assert_eq!((known.version.as_str(), known.platform.as_str()), ("1.4.0", "linux/amd64"));
        assert_eq!((known.title.as_str(), known.source.as_str()), ("Codex", "https://example.org"));
        assert_eq!((known.base, known.files), (Some(recipe.base), recipe.files.digest().to_string()));
    }

    #[test]
    fn labels_of_another_schema_are_not_read() {
        let mut labels = recipe().labels("0.1.0");
        labels.insert(label::SCHEMA.to_owned(), "2".to_owned());
        assert_eq!(ImageRecipe::from_labels(&labels), ImageRecipe::OtherSchema("2".to_owned()));
        labels.remove(label::SCHEMA);
        assert_eq!(ImageRecipe::from_labels(&labels), ImageRecipe::None);
    }

    #[test]
    fn a_damaged_base_label_is_an_unknown_base() {
        let mut labels = recipe().labels("0.1.0");
        labels.insert(label::BASE.to_owned(), "sha256:12".to_owned());
        let ImageRecipe::Known(known) = ImageRecipe::from_labels(&labels) else { panic!("no recipe") };
        assert_eq!(known.base, None);
    }

    #[test]
    fn an_identity_reads_back_as_written() {
        for identity in [BaseIdentity::Manifest(Digest::of(b"x")), BaseIdentity::Content(Digest::of(b"x"))] {
            assert_eq!(BaseIdentity::parse(&identity.to_string()), Some(identity));
            let json = serde_json::to_string(&identity).unwrap();
            assert_eq!(serde_json::from_str::<BaseIdentity>(&json).unwrap(), identity);
        }
        assert_eq!(BaseIdentity::parse("content:x"), None);
        assert!(serde_json::from_str::<BaseIdentity>("\"x\"").is_err());
    }
}
