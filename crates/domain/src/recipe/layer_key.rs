//! A word for each layer of an image that is the same for every version of its definition.

use std::fmt;

/// What stands before an agent's name.
const AGENT: &str = "agent";

/// What stands before an extension's name.
const EXTENSION: &str = "extension";

/// A layer, as labels and records name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LayerKey<'a> {
    /// An agent's, by its name.
    Agent(&'a str),
    /// An extension's, by its name.
    Extension(&'a str),
    /// A custom base's.
    Dockerfile,
}

impl<'a> LayerKey<'a> {
    /// Reads what [`fmt::Display`] writes of an agent or an extension; names are not checked.
    pub(crate) fn of_named(text: &'a str) -> Option<Self> {
        match text.split_once(':')? {
            (AGENT, name) => Some(Self::Agent(name)),
            (EXTENSION, name) => Some(Self::Extension(name)),
            _ => None,
        }
    }
}

impl fmt::Display for LayerKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(name) => write!(f, "{AGENT}:{name}"),
            Self::Extension(name) => write!(f, "{EXTENSION}:{name}"),
            Self::Dockerfile => f.write_str("dockerfile"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_with_a_name_reads_back_as_written() {
        for key in [LayerKey::Agent("codex"), LayerKey::Extension("gh")] {
            assert_eq!(LayerKey::of_named(&key.to_string()), Some(key));
        }
        for other in [&LayerKey::Dockerfile.to_string(), "extension", "extension-gh", ""] {
            assert_eq!(LayerKey::of_named(other), None, "{other}");
        }
    }
}
