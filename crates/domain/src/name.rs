//! Names that people give to definitions and to the images they save, checked once.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::image::TAG_LIMIT_BYTES;

/// The longest name of a definition, in bytes: with two of them an image tag (128 bytes at most) is nearly full.
const NAME_LIMIT_BYTES: usize = 100;

/// Says why a text cannot be the name of a definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("{what} name is empty")]
    Empty {
        /// What was to be named.
        what: &'static str,
    },
    /// More bytes than such a name may have.
    #[error("{what} name is longer than {limit_bytes} bytes: {name:?}…")]
    TooLong {
        /// What was to be named.
        what: &'static str,
        /// How many it may have.
        limit_bytes: usize,
        /// The first characters given.
        name: String,
    },
    /// A character that a folder name and an image tag cannot both hold, or a first character that is not a letter,
    /// a digit or `_`.
    #[error(
        "{what} name {name:?} may hold only letters, digits, '_', '.' and '-', and must start with a letter, a digit or '_'"
    )]
    Character {
        /// What was to be named.
        what: &'static str,
        /// The name as given.
        name: String,
    },
}

fn checked(what: &'static str, limit_bytes: usize, name: &str) -> Result<String, NameError> {
    if name.is_empty() {
        return Err(NameError::Empty { what });
    }
    if name.len() > limit_bytes {
        return Err(NameError::TooLong { what, limit_bytes, name: name.chars().take(40).collect() });
    }
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let fits = |byte: u8| word(byte) || byte == b'.' || byte == b'-';
    if !word(name.as_bytes()[0]) || !name.bytes().all(fits) {
        return Err(NameError::Character { what, name: name.to_owned() });
    }
    Ok(name.to_owned())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $limit_bytes:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// Checks a name.
            ///
            /// # Errors
            /// [`NameError`] when the text is empty, too long, or could not be both a folder name and part of a tag.
            pub fn parse(name: &str) -> Result<Self, NameError> {
                checked($what, $limit_bytes, name).map(Self)
            }

            /// Returns the name as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                Self::parse(&name)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }
    };
}

name!(
    /// The name of an agent: its folder, and the command that its image starts.
    AgentName,
    "agent",
    NAME_LIMIT_BYTES
);
name!(
    /// The name of a base, as it stands in image tags.
    BaseName,
    "base",
    NAME_LIMIT_BYTES
);
name!(
    /// The name of an extension: its folder.
    ExtensionName,
    "extension",
    NAME_LIMIT_BYTES
);
name!(
    /// The name of an extended image that was saved: its folder.
    ///
    /// As long as a tag may be, because the host tool names what it saves by the image's tag.
    ImageName,
    "image",
    TAG_LIMIT_BYTES
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_their_folder_are_refused() {
        for name in ["", ".", "..", "../x", "a/b", "-x", ".hidden", "a b", "ä", "a\n", "a:b"] {
            assert!(AgentName::parse(name).is_err(), "{name:?}");
        }
        for name in ["codex", "kiro-cli", "A1", "_x", "a.b"] {
            assert!(AgentName::parse(name).is_ok(), "{name:?}");
        }
        assert!(BaseName::parse(&"x".repeat(101)).is_err());
        assert!(ImageName::parse(&"x".repeat(128)).is_ok() && ImageName::parse(&"x".repeat(129)).is_err());
    }
}
