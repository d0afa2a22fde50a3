//! Definitions as people write them: YAML read strictly, with the place of every mistake.

mod agent;
mod base;
mod extension;
mod saved_image;
mod yaml;

use std::fmt;

use serde::{Deserialize, Deserializer, de};

pub use agent::{
    AGENT_FILES, Agent, AgentMetadata, AgentPath, INSTALL_SCRIPT, METADATA_FILES, VERSION_FILES, VERSION_SCRIPT,
};
pub use base::{Architecture, Architectures, BASE_FILES, Base, BaseMetadata};
pub use extension::{EXTENSION_FILES, Extension, ExtensionKind, ExtensionMetadata, SCRIPT_SUFFIX, SCRIPTS_FOLDER};
pub use saved_image::{IMAGE_FILES, ImageChoice, SavedImage};
pub use yaml::DEFINITION_LIMIT_BYTES;
pub(crate) use yaml::{parse_host_yaml, parse_yaml};

use crate::image::ImageRef;

/// The file that says how a base or an extension is built, where it has one.
pub const DOCKERFILE: &str = "Dockerfile";

/// A mistake in a definition file, with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct DefinitionError {
    /// The file, as the person knows it.
    pub file: String,
    /// The line, counted from 1.
    pub line: u64,
    /// The column in characters, counted from 1.
    pub column: u64,
    /// What is wrong there.
    pub message: String,
}

/// A string that holds more than white space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    /// Returns the text as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.trim().is_empty() {
            return Err(de::Error::custom("the string is empty; write some text or remove the key"));
        }
        Ok(Self(text))
    }
}

/// A reference to an image as somebody wrote it, with what it means.
///
/// The host tool compares references as texts, this program by what they mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenRef {
    text: String,
    image: ImageRef,
}

impl WrittenRef {
    /// Returns the text as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns what it refers to.
    pub fn image(&self) -> &ImageRef {
        &self.image
    }
}

/// Writes a reference as people do.
impl From<ImageRef> for WrittenRef {
    fn from(image: ImageRef) -> Self {
        Self { text: image.familiar(), image }
    }
}

impl<'de> Deserialize<'de> for WrittenRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let image = text.parse().map_err(de::Error::custom)?;
        Ok(Self { text, image })
    }
}

/// Where a definition came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The folder given by `--definitions`.
    Packaged,
    /// The user's own folder, which wins.
    User,
}
