//! Versions of agents, and how each came to be known.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest version, in bytes.
pub const VERSION_LIMIT_BYTES: usize = 128;

/// A version of an agent: one printable line without blanks at its ends. Only equality has a meaning.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentVersion(String);

/// Says why a text is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Nothing but white space.
    #[error("version is empty")]
    Empty,
    /// Over [`VERSION_LIMIT_BYTES`].
    #[error("version is longer than {VERSION_LIMIT_BYTES} bytes")]
    TooLong,
    /// More than one line.
    #[error("version has more than one line")]
    Lines,
    /// A control character or another one that does not print.
    #[error("version holds a character that does not print")]
    Unprintable,
}

impl AgentVersion {
    /// Checks a version; white space around it is removed first.
    ///
    /// # Errors
    /// [`VersionError`] when what is left is empty, longer than 128 bytes, of several lines or unprintable.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(VersionError::Empty);
        }
        if text.contains(['\n', '\r']) {
            return Err(VersionError::Lines);
        }
        if text.len() > VERSION_LIMIT_BYTES {
            return Err(VersionError::TooLong);
        }
        let unprintable = |c: char| {
            c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffd}')
        };
        if text.chars().any(unprintable) {
            return Err(VersionError::Unprintable);
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the version's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgentVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AgentVersion {
    type Error = VersionError;
    fn try_from(text: String) -> Result<Self, VersionError> {
        Self::parse(&text)
    }
}

impl From<AgentVersion> for String {
    fn from(version: AgentVersion) -> Self {
        version.0
    }
}

/// A place where a version can be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Venue {
    /// The definition's own `version.sh`, run by bash on the machine this program runs on.
    Host,
}

impl fmt::Display for Venue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "version.sh on the host",
        })
    }
}

/// One look for a version that did not give one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedAttempt {
    /// Where it was looked for.
    pub venue: Venue,
    /// Why it failed, as one or more lines for a person.
    pub reason: String,
    /// How long the look took, in milliseconds.
    pub took_millis: u64,
}

/// The answer about one agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionFinding {
    /// The agent that was asked about.
    pub agent: String,
    /// The version, if one was found.
    pub version: Option<AgentVersion>,
    /// Where it was found.
    pub found_by: Option<Venue>,
    /// When the answer was known, RFC 3339.
    pub checked_at: String,
    /// How long the whole look took, in milliseconds.
    pub took_millis: u64,
    /// Every attempt that failed, in the order made.
    pub failed: Vec<FailedAttempt>,
}

/// What `aicage-checker version --format json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionReport {
    /// The shape of this document; [`VersionReport::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// One finding per agent, in the order asked.
    pub agents: Vec<VersionFinding>,
}

impl VersionReport {
    /// The shape that this program writes.
    pub const SCHEMA_VERSION: u32 = 1;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_version_is_one_printable_line() {
        assert_eq!(AgentVersion::parse(" 1.10 \n").unwrap().as_str(), "1.10");
        assert_eq!(AgentVersion::parse(" \n"), Err(VersionError::Empty));
        assert_eq!(AgentVersion::parse("1\n2"), Err(VersionError::Lines));
        assert_eq!(AgentVersion::parse("1\u{1b}[31m"), Err(VersionError::Unprintable));
        assert_eq!(AgentVersion::parse(&"1".repeat(129)), Err(VersionError::TooLong));
    }

    proptest! {
        #[test]
        fn a_version_that_was_taken_is_taken_again(text in "\\PC{0,20}") {
            if let Ok(version) = AgentVersion::parse(&text) {
                prop_assert_eq!(AgentVersion::parse(version.as_str()), Ok(version));
            }
        }
    }
}
