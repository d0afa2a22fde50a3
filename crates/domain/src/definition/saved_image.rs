//! Extended images that were saved under a name: what `image-extended.yml` says.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_saphyr::DoubleQuoted;

use super::{DefinitionError, WrittenRef, parse_host_yaml};
use crate::name::{AgentName, BaseName, ExtensionName, ImageName};

/// What makes an extended image: the content of an `image-extended.yml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageChoice {
    /// The agent.
    pub agent: AgentName,
    /// The base.
    pub base: BaseName,
    /// The extensions in the order in which they are installed, at least one.
    #[serde(deserialize_with = "at_least_one")]
    pub extensions: Vec<ExtensionName>,
    /// The image's name, if it is not the one that follows from the rest. The host tool always writes it.
    #[serde(default)]
    pub image_ref: Option<WrittenRef>,
    /// Whether the extensions are installed beneath the agent. The host tool does not know the key.
    #[serde(default)]
    pub extensions_first: bool,
}

fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ExtensionName>, D::Error> {
    let extensions = Vec::deserialize(deserializer)?;
    if extensions.is_empty() {
        return Err(de::Error::custom("the list is empty; an extended image has at least one extension"));
    }
    Ok(extensions)
}

/// The keys as they are written. Every text is quoted: the host tool reads YAML 1.1, where a bare `1.10` is a number.
#[derive(Serialize)]
struct Written<'a> {
    agent: DoubleQuoted<&'a str>,
    base: DoubleQuoted<&'a str>,
    extensions: Vec<DoubleQuoted<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_ref: Option<DoubleQuoted<&'a str>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    extensions_first: bool,
}

impl ImageChoice {
    /// Reads the bytes of an `image-extended.yml`; `file` is how mistakes name it. Scalars are read as in an
    /// `agent.yml`.
    ///
    /// # Errors
    /// [`DefinitionError`] at the first unknown or duplicate key, wrong type, wrong name or reference, or syntax error.
    pub fn parse(bytes: &[u8], file: &str) -> Result<Self, DefinitionError> {
        parse_host_yaml(bytes, file)
    }

    /// Writes the content of an `image-extended.yml`; keys that say what goes without saying are left out.
    pub fn to_yaml(&self) -> String {
        let written = Written {
            agent: DoubleQuoted(self.agent.as_str()),
            base: DoubleQuoted(self.base.as_str()),
            extensions: self.extensions.iter().map(|extension| DoubleQuoted(extension.as_str())).collect(),
            image_ref: self.image_ref.as_ref().map(|image| DoubleQuoted(image.as_str())),
            extensions_first: self.extensions_first,
        };
        serde_saphyr::to_string(&written).expect("texts, a list of them and a boolean are always YAML")
    }
}

/// An extended image that was saved under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedImage {
    /// The folder's name.
    pub name: ImageName,
    /// The file that says what it is made of.
    pub file: PathBuf,
    /// What that file says.
    pub choice: ImageChoice,
}

/// The names of the file that describes a saved image, the winning spelling first.
pub const IMAGE_FILES: [&str; 2] = ["image-extended.yml", "image-extended.yaml"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "agent: codex\nbase: debian\nextensions: [act, gh]\n";

    fn read(text: &str) -> ImageChoice {
        ImageChoice::parse(text.as_bytes(), "image-extended.yml").unwrap()
    }

    fn mistake(text: &str) -> String {
        ImageChoice::parse(text.as_bytes(), "image-extended.yml").unwrap_err().to_string()
    }

    #[test]
    fn what_the_host_tool_writes_is_read() {
        let choice = read(
            "agent: codex\nbase: debian\nextensions:\n- gh\n- act\nimage_ref: aicage-extended:codex-debian-act-gh\n",
        );
        assert_eq!(choice.extensions.iter().map(ExtensionName::as_str).collect::<Vec<_>>(), ["gh", "act"]);
        assert_eq!(choice.image_ref.unwrap().as_str(), "aicage-extended:codex-debian-act-gh");
        assert!(!choice.extensions_first);
    }

    #[test]
    fn every_text_is_written_in_quotes() {
        insta::assert_snapshot!(read(GOOD).to_yaml(), @r#"
        agent: "codex"
        base: "debian"
        extensions:
        - "act"
        - "gh"
        "#);
        let full = format!("{GOOD}image_ref: mine:1.10\nextensions_first: true\n");
        insta::assert_snapshot!(read(&full).to_yaml(), @r#"
        agent: "codex"
        base: "debian"
        extensions:
        - "act"
        - "gh"
        image_ref: "mine:1.10"
        extensions_first: true
        "#);
    }

    #[test]
    fn every_mistake_has_a_place() {
        insta::assert_snapshot!(mistake(&format!("{GOOD}colour: red\n")), @"image-extended.yml:4:1: unknown field `colour`, expected one of agent, base, extensions, image_ref, extensions_first");
        insta::assert_snapshot!(mistake(&format!("{GOOD}base: debian\n")), @"image-extended.yml:4:1: duplicate mapping key: base");
        insta::assert_snapshot!(mistake(&GOOD.replace("codex", "../codex")), @r#"image-extended.yml:1:8: agent name "../codex" may hold only letters, digits, '_', '.' and '-', and must start with a letter, a digit or '_'"#);
        insta::assert_snapshot!(mistake(&GOOD.replace("[act, gh]", "[]")), @"image-extended.yml:3:13: the list is empty; an extended image has at least one extension");
        insta::assert_snapshot!(mistake(&GOOD.replace("gh", "a/b")), @r#"image-extended.yml:3:19: extension name "a/b" may hold only letters, digits, '_', '.' and '-', and must start with a letter, a digit or '_'"#);
        insta::assert_snapshot!(mistake(&format!("{GOOD}image_ref: 'a:b:c:'\n")), @r#"image-extended.yml:4:12: image reference "a:b:c:": a tag has 1 to 128 letters, digits, '_', '.', '-', and does not start with '.' or '-'"#);
        insta::assert_snapshot!(mistake("agent: codex\nbase: debian\n"), @"image-extended.yml:2:1: missing field `extensions`");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            names in prop::collection::vec("[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,9}", 3..8),
            tag in prop::option::of("[0-9._]{0,3}x[0-9.]{0,3}"),
            extensions_first in any::<bool>(),
        ) {
            let choice = ImageChoice {
                agent: AgentName::parse(&names[0]).unwrap(),
                base: BaseName::parse(&names[1]).unwrap(),
                extensions: names[2..].iter().map(|name| ExtensionName::parse(name).unwrap()).collect(),
                image_ref: tag.and_then(|tag| format!("a:{tag}").parse().ok()).map(|image: crate::image::ImageRef| image.into()),
                extensions_first,
            };
            prop_assert_eq!(read(&choice.to_yaml()), choice);
        }
    }
}
