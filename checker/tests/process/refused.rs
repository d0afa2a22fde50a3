//! Requests that cannot be carried out.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use crate::fixture::Fixture;

#[test]
fn an_unknown_agent_is_answered_with_those_there_are() {
    let fixture = Fixture::new();
    fixture.agent("codex", "echo 1");
    insta::assert_snapshot!(fixture.check(&["codx"]).everything(), @"
    error: agent codx is not defined in [FOLDER]/home/.aicage-custom/agents, [FOLDER]/home/.aicage/custom/agents, [FOLDER]/home/.aicage/custom/agent, [FOLDER]/definitions/agents, [FOLDER]/definitions/agent-build/agents
    hint: did you mean codex?
    exit 3
    ");
}

#[test]
fn a_program_gets_the_failure_as_a_document_too() {
    let shown = Fixture::with("").check(&["b", "--format", "json"]);
    let document: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!((shown.code, &document["error"]["exitCode"]), (Some(3), &serde_json::json!(3)));
}

#[test]
fn a_wrong_definition_is_shown_with_its_place_before_anything_runs() {
    let fixture = Fixture::with("touch ran; echo 1");
    fixture.agent("b", "echo 2");
    fs::write(fixture.agent_folder("b").join("agent.yml"), "agent_full_name: x\ncolour: red\n").unwrap();
    insta::assert_snapshot!(fixture.check(&["a", "b"]).everything(), @"
    error: [FOLDER]/definitions/agents/b/agent.yml:2:1: unknown field `colour`, expected one of agent_full_name, agent_homepage, agent_path, build_local, base_exclude, base_distro_exclude
    exit 3
    ");
    assert!(!fixture.agent_folder("a").join("ran").exists());
}

#[test]
fn a_wrong_command_line_is_the_callers_mistake() {
    let fixture = Fixture::with("echo 1");
    for arguments in [&["../a"][..], &[], &["a", "--timeout", "0"], &["a", "--format", "xml"], &["a", "--colour"]] {
        let shown = fixture.check(arguments);
        assert_eq!((shown.code, shown.stdout.as_str()), (Some(2), ""), "{arguments:?}");
    }
}

#[test]
fn without_a_home_it_says_what_to_set() {
    let fixture = Fixture::with("echo 1");
    let mut command = fixture.command();
    let shown = fixture.run(command.args(["version", "a"]).env("HOME", ""));
    insta::assert_snapshot!(shown.everything(), @"
    error: the home folder is not known: set HOME, or give both --home and --custom
    exit 2
    ");
}

#[test]
fn a_variable_that_decides_where_a_look_goes_must_be_text() {
    let fixture = Fixture::with("echo 1");
    let mut command = fixture.command();
    command.args(["version", "a"]).env("OTHER", OsStr::from_bytes(b"\xff"));
    assert_eq!(fixture.run(&mut command).code, Some(0));
    insta::assert_snapshot!(fixture.run(command.env("HTTPS_PROXY", OsStr::from_bytes(b"\xff"))).everything(), @"
    error: the variable HTTPS_PROXY is not UTF-8 text
    exit 2
    ");
}
