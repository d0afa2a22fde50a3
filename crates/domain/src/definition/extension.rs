//! Extensions: what `extension.yml` says, and how each is installed.

use std::path::PathBuf;

use serde::Deserialize;

use super::{DefinitionError, Text, parse_host_yaml};
use crate::name::ExtensionName;

/// What `extension.yml` says about an extension.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtensionMetadata {
    /// The name shown to people.
    pub name: Text,
    /// One sentence for people.
    pub description: Text,
    /// Paths that the host tool mounts for it, as `HOST` or `HOST:ro`. Images do not depend on them.
    #[serde(default)]
    pub shares: Vec<Text>,
}

impl ExtensionMetadata {
    /// Reads the bytes of an `extension.yml`; `file` is how mistakes name it. Scalars are read as in an `agent.yml`.
    ///
    /// # Errors
    /// [`DefinitionError`] at the first unknown or duplicate key, wrong type, empty string, or syntax error.
    pub fn parse(bytes: &[u8], file: &str) -> Result<Self, DefinitionError> {
        parse_host_yaml(bytes, file)
    }
}

/// How an extension gets into an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtensionKind {
    /// The scripts of its [`SCRIPTS_FOLDER`] are run.
    Scripts,
    /// Its [`super::DOCKERFILE`] is built; its scripts, if it has any, are for that.
    Dockerfile,
    /// Not at all: it only has shares.
    SharesOnly,
}

/// An extension's definition. There are only the user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The folder's name.
    pub name: ExtensionName,
    /// The definition's folder.
    pub folder: PathBuf,
    /// The name of the metadata file within the folder: `extension.yaml` or `extension.yml`.
    pub metadata_file: String,
    /// What that file says.
    pub metadata: ExtensionMetadata,
    /// How it gets into an image.
    pub kind: ExtensionKind,
}

/// The names of the file that describes an extension, the winning spelling first.
pub const EXTENSION_FILES: [&str; 2] = ["extension.yaml", "extension.yml"];

/// The folder with an extension's scripts.
pub const SCRIPTS_FOLDER: &str = "scripts";

/// How the names of the files in [`SCRIPTS_FOLDER`] end that are run.
pub const SCRIPT_SUFFIX: &str = ".sh";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::DEFINITION_LIMIT_BYTES;

    const GOOD: &str = "name: act\ndescription: Runs workflows\n";

    fn mistake(text: &str) -> String {
        ExtensionMetadata::parse(text.as_bytes(), "extension.yml").unwrap_err().to_string()
    }

    #[test]
    fn shares_may_be_named() {
        let metadata = ExtensionMetadata::parse(GOOD.as_bytes(), "extension.yml").unwrap();
        assert_eq!((metadata.name.as_str(), metadata.shares.len()), ("act", 0));
        let text = format!("{GOOD}shares: [~/.act, '/opt/act:ro']\n");
        let metadata = ExtensionMetadata::parse(text.as_bytes(), "extension.yml").unwrap();
        assert_eq!(metadata.shares.iter().map(Text::as_str).collect::<Vec<_>>(), ["~/.act", "/opt/act:ro"]);
    }

    #[test]
    fn every_mistake_has_a_place() {
        insta::assert_snapshot!(mistake(&format!("{GOOD}version: 1\n")), @"extension.yml:3:1: unknown field `version`, expected one of name, description, shares");
        insta::assert_snapshot!(mistake(&format!("{GOOD}name: act\n")), @"extension.yml:3:1: duplicate mapping key: name");
        insta::assert_snapshot!(mistake(&format!("{GOOD}shares: ['']\n")), @"extension.yml:3:10: the string is empty; write some text or remove the key");
        insta::assert_snapshot!(mistake(&format!("{GOOD}shares: ~/.act\n")), @"extension.yml:3:9: a list is expected here");
        insta::assert_snapshot!(mistake("name: 1.0\ndescription: x\n"), @"extension.yml:1:7: The string value [1.0] must be quoted");
        insta::assert_snapshot!(mistake("name: act\n"), @"extension.yml:1:1: missing field `description`");
        insta::assert_snapshot!(mistake("- name: act\n"), @"extension.yml:1:1: keys with values are expected here");
    }

    #[test]
    fn a_long_text_repeated_by_aliases_is_an_error() {
        let text = "x".repeat(DEFINITION_LIMIT_BYTES as usize / 2);
        let aliases = "*a,".repeat((DEFINITION_LIMIT_BYTES as usize - text.len() - 100) / 3);
        let bomb = format!("{GOOD}shares: [&a {text},{aliases}]\n");
        assert!(bomb.len() as u64 <= DEFINITION_LIMIT_BYTES);
        assert!(mistake(&bomb).contains("budget breached: ScalarBytes"));
    }

    #[test]
    fn aliases_of_aliases_are_an_error() {
        let mut bomb = "shares:\n- &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let list = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb += &format!("- &a{level} [{list}]\n");
        }
        assert_eq!(mistake(&(GOOD.to_owned() + &bomb)), "extension.yml:4:7: text is expected here");
    }
}
