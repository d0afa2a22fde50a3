//! Agents: what `agent.yml` says, and which files a definition has.

use std::path::PathBuf;

use serde::Deserialize;

use super::{DefinitionError, Origin, Text, parse_host_yaml};
use crate::name::AgentName;

/// The folders and files of the user's home that an agent wants to see; the host tool mounts them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentPath {
    /// Paths of files.
    #[serde(default)]
    pub files: Vec<Text>,
    /// Paths of folders.
    #[serde(default)]
    pub directories: Vec<Text>,
}

/// What `agent.yml` says about an agent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentMetadata {
    /// The name shown to people; becomes the image's title.
    pub agent_full_name: Text,
    /// The agent's home page; becomes the image's source.
    pub agent_homepage: Text,
    /// What the host tool mounts for it.
    #[serde(default)]
    pub agent_path: AgentPath,
    /// Whether the image is built here rather than pulled.
    #[serde(default = "yes")]
    pub build_local: bool,
    /// Bases that it does not run on, by name, in any case.
    #[serde(default)]
    pub base_exclude: Vec<Text>,
    /// Distributions that it does not run on, in any case.
    #[serde(default)]
    pub base_distro_exclude: Vec<Text>,
}

fn yes() -> bool {
    true
}

impl AgentMetadata {
    /// Reads the bytes of an `agent.yml`; `file` is how mistakes name it.
    ///
    /// Booleans may be written as YAML 1.1 has them (`yes`, `off`), because the host tool reads them so; a plain
    /// scalar that YAML 1.1 takes for a number or a boolean is not a string, for the same reason.
    ///
    /// # Errors
    /// [`DefinitionError`] at the first unknown or duplicate key, wrong type, empty string, or syntax error.
    pub fn parse(bytes: &[u8], file: &str) -> Result<Self, DefinitionError> {
        parse_host_yaml(bytes, file)
    }
}

/// An agent's definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// The folder's name.
    pub name: AgentName,
    /// Which root it was found in.
    pub origin: Origin,
    /// The definition's folder.
    pub folder: PathBuf,
    /// The name of the metadata file within the folder: `agent.yml` or `agent.yaml`.
    pub metadata_file: String,
    /// What that file says.
    pub metadata: AgentMetadata,
}

/// The script that installs an agent or is looked for in its definition.
pub const INSTALL_SCRIPT: &str = "install.sh";

/// The script that prints an agent's newest version.
pub const VERSION_SCRIPT: &str = "version.sh";

/// The names of the file that describes an agent, the user's spelling first.
pub const AGENT_FILES: [&str; 2] = ["agent.yml", "agent.yaml"];

/// The names of the file that says where an agent's versions are published, the first one first.
pub const VERSION_FILES: [&str; 2] = ["version.yml", "version.yaml"];

/// Files of an agent's definition that describe it to tools and are no input of its installation: they are neither
/// sent to the engine nor part of what is compared, so that a comment in them rebuilds nothing.
pub const METADATA_FILES: [&str; 4] = [AGENT_FILES[0], AGENT_FILES[1], VERSION_FILES[0], VERSION_FILES[1]];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mistake(text: &str) -> String {
        AgentMetadata::parse(text.as_bytes(), "agent.yml").unwrap_err().to_string()
    }

    const GOOD: &str = "agent_full_name: Codex\nagent_homepage: https://example.org\n";

    #[test]
    fn the_smallest_definition_has_defaults() {
        let metadata = AgentMetadata::parse(GOOD.as_bytes(), "agent.yml").unwrap();
        assert!(metadata.build_local);
        assert!(metadata.base_exclude.is_empty());
    }

    #[test]
    fn yaml_1_1_booleans_are_booleans() {
        let metadata = AgentMetadata::parse(format!("{GOOD}build_local: off\n").as_bytes(), "agent.yml").unwrap();
        assert!(!metadata.build_local);
    }

    #[test]
    fn every_mistake_has_a_place() {
        insta::assert_snapshot!(mistake(&format!("{GOOD}colour: red\n")), @"agent.yml:3:1: unknown field `colour`, expected one of agent_full_name, agent_homepage, agent_path, build_local, base_exclude, base_distro_exclude");
        insta::assert_snapshot!(mistake(&format!("{GOOD}agent_homepage: x\n")), @"agent.yml:3:1: duplicate mapping key: agent_homepage");
        insta::assert_snapshot!(mistake(&format!("{GOOD}build_local: perhaps\n")), @"agent.yml:3:14: true or false is expected here");
        insta::assert_snapshot!(mistake(&format!("{GOOD}base_exclude: [alpine, 3]\n")), @"agent.yml:3:24: The string value [3] must be quoted");
        insta::assert_snapshot!(mistake("agent_full_name: '  '\nagent_homepage: x\n"), @"agent.yml:1:18: the string is empty; write some text or remove the key");
        insta::assert_snapshot!(mistake("agent_full_name: on\nagent_homepage: x\n"), @"agent.yml:1:18: The string value [on] must be quoted");
        insta::assert_snapshot!(mistake("agent_full_name: x\n"), @"agent.yml:1:1: missing field `agent_homepage`");
        insta::assert_snapshot!(mistake("agent_full_name: [x\n"), @"agent.yml:1:18: text is expected here");
        for nothing in ["", "\n\n", "# a remark\n", "---\n", "\u{feff}"] {
            assert_eq!(mistake(nothing), "agent.yml:1:1: the file says nothing; write its keys, or remove it");
        }
        insta::assert_snapshot!(AgentMetadata::parse(b"a: b\nx: \xff", "agent.yml").unwrap_err(), @"agent.yml:2:4: the file is not UTF-8 text");
    }

    #[test]
    fn a_bomb_of_aliases_is_an_error() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let list = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb += &format!("a{level}: &a{level} [{list}]\n");
        }
        bomb += "base_exclude: *a11\n";
        assert!(AgentMetadata::parse((GOOD.to_owned() + &bomb).as_bytes(), "agent.yml").is_err());
        let nested = format!("{GOOD}base_exclude: {}", "[".repeat(100_000));
        assert!(AgentMetadata::parse(nested.as_bytes(), "agent.yml").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = AgentMetadata::parse(&bytes, "agent.yml");
        }

        #[test]
        fn no_near_miss_makes_it_panic(lines in prop::collection::vec(
            prop_oneof!["agent_full_name: .{0,6}", "agent_path:", "  files: .{0,8}", "  - .{0,4}", "base_exclude: [.{0,6}]", "[:\\-\\[\\]{}&*!|>'\"%@ a\t]{0,8}"], 0..8)) {
            let _ = AgentMetadata::parse(lines.join("\n").as_bytes(), "agent.yml");
        }

        #[test]
        fn any_quoted_text_survives(name in "[^\\p{C}\\\\\"]{1,30}") {
            prop_assume!(!name.trim().is_empty());
            let text = format!("agent_full_name: \"{name}\"\nagent_homepage: x\n");
            let metadata = AgentMetadata::parse(text.as_bytes(), "agent.yml").unwrap();
            prop_assert_eq!(metadata.agent_full_name.as_str(), name);
        }
    }
}
