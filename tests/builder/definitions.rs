//! Wrong definitions and command lines: the place, what to do about it, the right exit code, and nothing written.

use std::os::unix::fs::symlink;

use aicage_tests::{Engine, Ran, Story, run};

/// Returns what is said about a mistake, with the story's own folder named by a word.
fn said(story: &Story, ran: Ran, code: i32) -> String {
    let ran = ran.expect(code);
    assert_eq!(ran.stdout, "");
    assert!(story.home_files().is_empty(), "{:?}", story.home_files());
    ran.stderr.replace(&story.definitions().display().to_string(), "DEFINITIONS")
}

fn said_of(change: impl FnOnce(&Story)) -> String {
    let story = Story::new(Engine::Docker20);
    change(&story);
    let ran = story.plan::<&str>([]);
    said(&story, ran, 3)
}

#[test]
fn a_mistake_in_a_definition_has_file_line_and_column() {
    insta::assert_snapshot!(said_of(|story| story.write("agent.yml", "agent_full_name: Tool\nagent_homepage: x\ncolour: red\n")), @"error: DEFINITIONS/agents/tool/agent.yml:3:1: unknown field `colour`, expected one of agent_full_name, agent_homepage, agent_path, build_local, base_exclude, base_distro_exclude");
    insta::assert_snapshot!(said_of(|story| story.write("agent.yml", "agent_full_name: ''\nagent_homepage: x\n")), @"error: DEFINITIONS/agents/tool/agent.yml:1:18: the string is empty; write some text or remove the key");
    insta::assert_snapshot!(said_of(|story| story.write("agent.yml", "agent_full_name: a\nagent_full_name: b\nagent_homepage: x\n")), @"error: DEFINITIONS/agents/tool/agent.yml:2:1: duplicate mapping key: agent_full_name");
}

#[test]
fn a_definition_that_lacks_its_script_is_named() {
    insta::assert_snapshot!(said_of(|story| std::fs::remove_file(story.definition("install.sh")).unwrap()), @"error: agent tool has no install.sh in DEFINITIONS/agents/tool");
}

#[test]
fn a_link_out_of_the_definition_is_named() {
    insta::assert_snapshot!(said_of(|story| symlink("../../../secret", story.definition("link")).unwrap()), @"
    error: the definition of tool cannot be used
      caused by: symbolic link DEFINITIONS/agents/tool/link leads out of its folder, to ../../../secret
    ");
}

#[test]
fn an_excluded_base_is_named_with_its_rule() {
    insta::assert_snapshot!(said_of(|story| {
        story.write("agent.yml", "agent_full_name: Tool\nagent_homepage: x\nbase_exclude: [Debian]\n");
    }), @"
    error: agent tool does not run on base debian: base_exclude in DEFINITIONS/agents/tool/agent.yml names it
    hint: choose another --base
    ");
}

#[test]
fn an_agent_that_is_not_there_is_said_with_those_that_are() {
    let mut story = Story::new(Engine::Docker20);
    story.agent = "toll".to_owned();
    let text = run(&mut story.command("plan")).expect(3).stderr;
    assert!(text.contains("toll") && text.contains("tool"), "{text}");
}

#[test]
fn a_wrong_command_line_ends_with_2_and_help_with_0() {
    let story = Story::new(Engine::Docker20);
    for arguments in [
        vec!["--nonsense"],
        vec!["--base-image", "UPPER"],
        vec!["--progress", "loud"],
        vec!["--agent-version", "a\nb"],
        vec!["--ca-cert", "/no/such/file"],
    ] {
        let ran = run(story.bare("plan").args(["--base", "x"]).args(&arguments)).expect(2);
        assert!(!ran.stderr.is_empty() && ran.stdout.is_empty(), "{arguments:?}");
    }
    run(&mut story.bare("plan")).expect(2);
    let help = run(story.bare("build").arg("--help")).expect(0);
    assert!(help.stdout.contains("--base-image") && help.stderr.is_empty());
}

#[test]
fn a_failure_is_a_document_too() {
    let story = Story::new(Engine::Docker20);
    story.write("agent.yml", "x: y\n");
    let document = story.plan(["--format", "json"]).expect(3).json();
    assert_eq!(document["schemaVersion"], 1);
    assert_eq!(document["error"]["exitCode"], 3);
}

#[test]
fn saving_says_where_it_saved_and_how_to_build_it() {
    let story = Story::new(Engine::Docker20);
    let save = |format: &str| {
        let mut program = std::process::Command::new(aicage_tests::program("aicage-builder"));
        program.args(["save", "daily", "tool", "--base", "debian", "--extension", "act", "--format", format]);
        run(program.arg("--home").arg(story.home()).arg("--custom").arg(story.custom(""))).expect(0)
    };
    let file = story.custom("image-extended/daily/image-extended.yml");
    let text = save("text").stdout.replace(file.to_str().unwrap(), "FILE");
    insta::assert_snapshot!(text, @"
    daily is saved in FILE
      to build it: aicage-builder build --image daily
    ");
    let document = save("json").json();
    assert_eq!(document["file"], file.to_str().unwrap());
    assert_eq!((&document["schemaVersion"], &document["name"]), (&1.into(), &"daily".into()));
    assert_eq!(document["buildCommand"], "aicage-builder build --image daily");
}
