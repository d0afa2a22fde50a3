//! Without an engine there is no answer, and that is said.

use aicage_tests::{Engine, Story, run};

/// Returns what `build` says with this engine, which is none.
fn said(host: &str, code: i32) -> String {
    let story = Story::new(Engine::Docker20);
    let ran = run(story.command("build").args(["--agent-version", "1"]).env("DOCKER_HOST", host)).expect(code);
    assert_eq!((ran.stdout.as_str(), story.home_files()), ("", Vec::new()), "{}", ran.stderr);
    ran.stderr
}

#[test]
fn an_engine_that_is_not_there_is_named_with_exit_code_69() {
    insta::assert_snapshot!(said("unix:///no/such/socket", 69), @"
    error: no Docker engine at unix:///no/such/socket: there is no socket
    hint: start the engine (for example: systemctl start docker), or set DOCKER_HOST to its socket
    ");
    insta::assert_snapshot!(said("unix:///dev/null", 69), @"
    error: no Docker engine at unix:///dev/null: that is no socket
    hint: set DOCKER_HOST to the engine's socket, or unset it to use the usual one
    ");
}

#[test]
fn a_socket_that_cannot_be_named_is_a_mistake_of_who_named_it() {
    let said = said(&format!("unix:///{}", "x".repeat(200)), 2);
    insta::assert_snapshot!(said.replace(&"x".repeat(200), "…"), @"
    error: DOCKER_HOST=unix:///… cannot be used: its path has 201 bytes, and a socket's has at most 107
    hint: make a symbolic link to the socket, and set DOCKER_HOST to unix://LINK
    ");
}
