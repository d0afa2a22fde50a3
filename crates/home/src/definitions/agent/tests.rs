use std::os::unix::fs::symlink;

use super::super::settled::Settled;
use super::*;

const GOOD: &str = "agent_full_name: Codex\nagent_homepage: https://example.org\n";

/// A home with one packaged agent, `codex`, and nothing else.
fn settled() -> Settled {
    let home = super::super::settled::settled();
    home.define("packaged/agents/codex", "agent.yml", GOOD);
    home
}

impl Settled {
    fn define(&self, folder: &str, metadata_file: &str, text: &str) {
        self.write(&format!("{folder}/{metadata_file}"), text);
        self.write(&format!("{folder}/{INSTALL_SCRIPT}"), "");
    }

    fn load(&self, agent: &str) -> Result<Agent, LoadError> {
        load_agent(&self.roots, &AgentName::parse(agent).unwrap())
    }

    fn mistake(&self, agent: &str) -> String {
        self.told(&self.load(agent).unwrap_err())
    }

    fn list(&self) -> String {
        let agents = list_agents(&self.roots).unwrap();
        agents.iter().map(|(name, origin)| format!("{name} {origin:?}")).collect::<Vec<_>>().join("\n")
    }
}

fn named(name: &str) -> String {
    GOOD.replace("Codex", name)
}

#[test]
fn a_packaged_agent_is_found() {
    let agent = settled().load("codex").unwrap();
    assert_eq!((agent.origin, agent.metadata_file.as_str()), (Origin::Packaged, "agent.yml"));
    assert!(agent.folder.ends_with("packaged/agents/codex"));
}

#[test]
fn a_packaged_agent_is_found_in_the_host_tools_own_layout() {
    let home = settled();
    home.define("packaged/agent-build/agents/tool", "agent.yml", GOOD);
    home.define("packaged/agent-build/agents/codex", "agent.yml", GOOD);
    assert!(home.load("tool").unwrap().folder.ends_with("packaged/agent-build/agents/tool"));
    assert!(home.load("codex").unwrap().folder.ends_with("packaged/agents/codex"));
}

#[test]
fn the_users_own_wins_whole_and_the_newest_folder_first() {
    let home = settled();
    for (folder, name) in [
        ("root/custom/agent/codex", "Oldest"),
        ("root/custom/agents/codex", "Older"),
        ("custom/agents/codex", "Newest"),
    ] {
        home.define(folder, "agent.yml", &named(name));
        let agent = home.load("codex").unwrap();
        assert_eq!((agent.origin, agent.metadata.agent_full_name.as_str()), (Origin::User, name));
    }
}

#[test]
fn a_users_own_that_is_broken_does_not_uncover_the_packaged_one() {
    let home = settled();
    fs::create_dir_all(home.path("custom/agents/codex")).unwrap();
    insta::assert_snapshot!(home.mistake("codex"), @"agent codex has no agent.yml in [HOME]/custom/agents/codex");
    fs::remove_dir(home.path("custom/agents/codex")).unwrap();
    symlink("nowhere", home.path("custom/agents/codex")).unwrap();
    insta::assert_snapshot!(home.mistake("codex"), @"cannot read [HOME]/custom/agents/codex");
}

#[test]
fn each_kind_prefers_its_own_spelling_of_the_metadata_file() {
    let home = settled();
    home.define("packaged/agents/codex", "agent.yaml", GOOD);
    assert_eq!(home.load("codex").unwrap().metadata_file, "agent.yaml");
    home.define("custom/agents/codex", "agent.yaml", GOOD);
    assert_eq!(home.load("codex").unwrap().metadata_file, "agent.yaml");
    home.define("custom/agents/codex", "agent.yml", GOOD);
    assert_eq!(home.load("codex").unwrap().metadata_file, "agent.yml");
}

#[test]
fn an_unknown_agent_is_answered_with_the_places_and_the_names_there_are() {
    let home = settled();
    insta::assert_snapshot!(home.mistake("codx"), @"
    agent codx is not defined in [HOME]/custom/agents, [HOME]/root/custom/agents, [HOME]/root/custom/agent, [HOME]/packaged/agents, [HOME]/packaged/agent-build/agents
    hint: did you mean codex?
    ");
    insta::assert_snapshot!(home.mistake("zzz"), @"
    agent zzz is not defined in [HOME]/custom/agents, [HOME]/root/custom/agents, [HOME]/root/custom/agent, [HOME]/packaged/agents, [HOME]/packaged/agent-build/agents
    hint: there are: codex
    ");
    fs::remove_dir_all(home.path("packaged")).unwrap();
    insta::assert_snapshot!(home.mistake("codex"), @"
    agent codex is not defined in [HOME]/custom/agents, [HOME]/root/custom/agents, [HOME]/root/custom/agent, [HOME]/packaged/agents, [HOME]/packaged/agent-build/agents
    hint: there are no agents in these folders; name the packaged ones with --definitions
    ");
}

#[test]
fn a_mistake_in_the_metadata_has_file_line_and_column() {
    let home = settled();
    home.define("packaged/agents/codex", "agent.yml", &format!("{GOOD}colour: red\n"));
    insta::assert_snapshot!(home.mistake("codex"), @"[HOME]/packaged/agents/codex/agent.yml:3:1: unknown field `colour`, expected one of agent_full_name, agent_homepage, agent_path, build_local, base_exclude, base_distro_exclude");
}

#[test]
fn the_install_script_must_be_a_file_and_may_be_a_link_to_one() {
    let home = settled();
    let script = home.path("packaged/agents/codex/install.sh");
    fs::remove_file(&script).unwrap();
    insta::assert_snapshot!(home.mistake("codex"), @"agent codex has no install.sh in [HOME]/packaged/agents/codex");
    fs::create_dir(&script).unwrap();
    insta::assert_snapshot!(home.mistake("codex"), @"[HOME]/packaged/agents/codex/install.sh is not a regular file");
    fs::remove_dir(&script).unwrap();
    symlink("agent.yml", &script).unwrap();
    assert!(home.load("codex").is_ok());
}

#[test]
fn a_metadata_file_must_be_a_small_regular_file() {
    let home = settled();
    let path = home.path("packaged/agents/codex/agent.yml");
    fs::write(&path, "#".repeat(300_000)).unwrap();
    insta::assert_snapshot!(home.mistake("codex"), @"[HOME]/packaged/agents/codex/agent.yml is larger than 262144 bytes");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    insta::assert_snapshot!(home.mistake("codex"), @"[HOME]/packaged/agents/codex/agent.yml is not a regular file");
}

#[test]
fn a_named_pipe_in_place_of_the_metadata_does_not_hang() {
    let home = settled();
    let path = home.path("packaged/agents/codex/agent.yml");
    fs::remove_file(&path).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    insta::assert_snapshot!(home.mistake("codex"), @"[HOME]/packaged/agents/codex/agent.yml is not a regular file");
}

#[test]
fn a_definition_may_be_a_link_to_a_folder() {
    let home = settled();
    home.define("elsewhere", "agent.yml", GOOD);
    symlink("../../elsewhere", home.path("packaged/agents/linked")).unwrap();
    assert!(home.load("linked").is_ok());
}

#[test]
fn a_broken_neighbour_harms_nobody() {
    let home = settled();
    home.define("packaged/agents/broken", "agent.yml", "[");
    fs::create_dir_all(home.path("packaged/agents/.idea")).unwrap();
    fs::create_dir_all(home.path("packaged/agents/empty")).unwrap();
    fs::write(home.path("packaged/agents/README"), "").unwrap();
    symlink("nowhere", home.path("packaged/agents/gone")).unwrap();
    home.define("custom/agents/codex", "agent.yml", GOOD);
    home.define("custom/agents/mine", "agent.yml", GOOD);
    assert!(home.load("codex").is_ok());
    insta::assert_snapshot!(home.list(), @"
    broken Packaged
    codex User
    empty Packaged
    gone Packaged
    mine User
    ");
}
