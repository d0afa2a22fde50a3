//! Names that people give to agents and bases, checked once.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest name of a definition, in bytes: with two of them an image tag (128 bytes at most) is nearly full.
pub const NAME_LIMIT_BYTES: usize = 100;

/// Says why a text cannot be the name of a definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("{what} name is empty")]
    Empty {
        /// What was to be named.
        what: &'static str,
    },
    /// More than [`NAME_LIMIT_BYTES`].
    #[error("{what} name is longer than {NAME_LIMIT_BYTES} bytes: {name:?}…")]
    TooLong {
        /// What was to be named.
        what: &'static str,
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

fn checked(what: &'static str, name: &str) -> Result<String, NameError> {
    if name.is_empty() {
        return Err(NameError::Empty { what });
    }
    if name.len() > NAME_LIMIT_BYTES {
        return Err(NameError::TooLong { what, name: name.chars().take(40).collect() });
    }
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let fits = |byte: u8| word(byte) || byte == b'.' || byte == b'-';
    if !word(name.as_bytes()[0]) || !name.bytes().all(fits) {
        return Err(NameError::Character { what, name: name.to_owned() });
    }
    Ok(name.to_owned())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
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
                checked($what, name).map(Self)
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
    "agent"
);
name!(
    /// The name of a base, as it stands in image tags.
    BaseName,
    "base"
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
    }
}
