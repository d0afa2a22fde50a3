//! What this program writes down about a build, beside what the image itself says.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::files::FileSet;
use crate::image::ImageRef;
use crate::name::{AgentName, BaseName};
use crate::recipe::{BaseIdentity, ImageKind};
use crate::version::{AgentVersion, Venue};

/// How the version in a record came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "by")]
pub enum VersionOrigin {
    /// The user gave it.
    Chosen,
    /// A look-up found it.
    Found(Venue),
}

/// What is kept of one definition that went into an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedLayer {
    /// Which definition, as the image's labels name it.
    pub key: String,
    /// Its files.
    pub files: FileSet,
}

/// The record of one image.
///
/// The image's labels decide; the record only names what changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// What the image is.
    pub kind: ImageKind,
    /// The agent in it.
    pub agent: Option<AgentName>,
    /// The base's name in tags.
    pub base_name: BaseName,
    /// The image's name.
    pub image: ImageRef,
    /// The image's id in the engine that built it.
    pub image_id: String,
    /// The recipe's digest.
    pub recipe_hash: Digest,
    /// The version of the agent that was installed in it.
    pub version: Option<AgentVersion>,
    /// How the version came to be known.
    pub version_origin: Option<VersionOrigin>,
    /// The reference of what it stands on.
    pub base_image: ImageRef,
    /// The content of that.
    pub base: BaseIdentity,
    /// The definitions that went in, in order.
    pub layers: Vec<RecordedLayer>,
    /// When the build was done, RFC 3339 in UTC with microseconds.
    pub built_at: String,
    /// The log of the build, relative to the home folder.
    pub log: Option<String>,
    /// The version of this program.
    pub builder_version: String,
}
