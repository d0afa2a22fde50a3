//! Definitions as people write them: YAML read strictly, with the place of every mistake.

mod agent;
mod base;
mod extension;
mod saved_image;

use std::fmt;

use serde::{Deserialize, Deserializer, de};

pub use agent::{
    AGENT_FILES, Agent, AgentMetadata, AgentPath, INSTALL_SCRIPT, METADATA_FILES, VERSION_FILES, VERSION_SCRIPT,
};
pub use base::{Architecture, Architectures, BASE_FILES, Base, BaseMetadata};
pub use extension::{EXTENSION_FILES, Extension, ExtensionKind, ExtensionMetadata, SCRIPT_SUFFIX, SCRIPTS_FOLDER};
pub use saved_image::{IMAGE_FILES, ImageChoice, SavedImage};

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

/// The largest definition file that is read, in bytes. Real ones have some hundred.
pub const DEFINITION_LIMIT_BYTES: u64 = 256 * 1024;

pub(crate) fn parse_yaml<T: de::DeserializeOwned>(bytes: &[u8], file: &str) -> Result<T, DefinitionError> {
    let at = |line, column, message: String| DefinitionError { file: file.to_owned(), line, column, message };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
        let line = before.matches('\n').count() as u64 + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() as u64 + 1;
        at(line, column, "the file is not UTF-8 text".to_owned())
    })?;
    let says_something = |line: &str| !matches!(line.trim(), "" | "---" | "...") && !line.trim_start().starts_with('#');
    if !text.trim_start_matches('\u{feff}').lines().any(says_something) {
        return Err(at(1, 1, "the file says nothing; write its keys, or remove it".to_owned()));
    }
    let options = serde_saphyr::options! { no_schema: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = error.location();
        let (line, column) = place.map_or((1, 1), |place| (place.line(), place.column()));
        let message = error.without_snippet().to_string();
        // The library ends its message with the place, which stands in front of ours.
        let message = message.split(" at line ").next().unwrap_or(&message);
        // It also names an option of its own, which a person who writes YAML does not have.
        let message = message.strip_suffix(", set DuplicateKeyPolicy in Options if acceptable").unwrap_or(message);
        at(line, column, message.to_owned())
    })
}

/// Where a definition came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The folder given by `--definitions`.
    Packaged,
    /// The user's own folder, which wins.
    User,
}
