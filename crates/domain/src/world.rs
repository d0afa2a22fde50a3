//! What was observed: the whole input of a decision besides the target.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::files::FileSet;
use crate::recipe::ImageRecipe;
use crate::record::Record;
use crate::version::{AgentVersion, CachedVersion, FailedAttempt, Venue};

/// What a registry said about the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remote {
    /// The digest of its index or manifest.
    Known(Digest),
    /// It was not asked, because the engine's copy came from no registry.
    NotAsked,
    /// It answered that it has no such image.
    Absent,
    /// It refused the credentials.
    Denied(String),
    /// It did not answer, or not with sense.
    Unreachable {
        /// What happened, for a person.
        reason: String,
        /// Whether asking again later is likely to help.
        temporary: bool,
    },
}

/// The engine's own copy of the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalBase {
    /// A digest over its layers and its config.
    pub content: Digest,
    /// The digest under which the engine got it from the registry in its name, if it did.
    pub pulled_as: Option<Digest>,
}

/// What was seen of the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseFacts {
    /// At the registry.
    pub remote: Remote,
    /// In the engine.
    pub local: Option<LocalBase>,
}

/// The image that has a wanted name now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFacts {
    /// The engine's id of it.
    pub id: String,
    /// What its labels say it was made by.
    pub recipe: ImageRecipe,
    /// A digest over its layers and its config, for what stands upon it.
    pub content: Digest,
    /// Whether it has every further name that it is to have.
    pub has_aliases: bool,
}

/// What is known of the agent's newest version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionFact {
    /// No agent is to be installed.
    NotAsked,
    /// The user chose one.
    Chosen(AgentVersion),
    /// It was looked up.
    Found(AgentVersion, Venue),
    /// It could not be found.
    Unknown {
        /// Every attempt.
        attempts: Vec<FailedAttempt>,
        /// What an earlier look found. Nothing is decided by it.
        last_known: Option<CachedVersion>,
    },
}

/// What was found on disk about the last build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordFact {
    /// No record.
    Missing,
    /// A file that cannot be read as a record, and why.
    Damaged(String),
    /// A record.
    Found(Box<Record>),
}

/// What was observed about one image of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageWorld {
    /// The image under the wanted name, if there is one.
    pub image: Option<ImageFacts>,
    /// What it stands on, unless that is an image of the target too; of a published image, that image itself.
    pub beneath: BaseFacts,
    /// The files of each definition that goes into it.
    pub layers: Vec<FileSet>,
    /// Our record of its last build.
    pub record: RecordFact,
    /// Whether the host tool's own record already fits the image.
    pub host_record_fits: bool,
}

/// Everything that was observed about a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    /// Its images, in the target's order.
    pub images: Vec<ImageWorld>,
    /// The agent's version.
    pub version: VersionFact,
    /// The secrets that the steps can see, by id, each as a salted digest.
    pub secrets: BTreeMap<String, Digest>,
    /// The engine's platform, as `os/architecture`.
    pub platform: String,
}
