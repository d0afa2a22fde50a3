//! What this program writes down about a build, beside what the image itself says.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::files::FileSet;
use crate::image::ImageRef;
use crate::name::{AgentName, BaseName};
use crate::recipe::BaseIdentity;
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

/// The record of one final image.
///
/// The image's labels decide; the record only names what changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The agent.
    pub agent: AgentName,
    /// The base's name in tags.
    pub base_name: BaseName,
    /// The image's name.
    pub image: ImageRef,
    /// The image's id in the engine that built it.
    pub image_id: String,
    /// The recipe's digest.
    pub recipe_hash: Digest,
    /// The agent's version.
    pub version: AgentVersion,
    /// How the version came to be known.
    pub version_origin: VersionOrigin,
    /// The base's reference.
    pub base_image: ImageRef,
    /// The base's content.
    pub base: BaseIdentity,
    /// The definition's files.
    pub files: FileSet,
    /// When the build was done, RFC 3339 in UTC with microseconds.
    pub built_at: String,
    /// The log of the build, relative to the home folder.
    pub log: Option<String>,
    /// The version of this program.
    pub builder_version: String,
}
