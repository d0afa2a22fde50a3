//! A real agent's script against its real registry.

use std::process::Command;

use crate::fixture::Fixture;

#[test]
fn a_real_agents_newest_version_is_found() {
    let query = "npm view @openai/codex version";
    let Ok(direct) = Command::new("bash").args(["-c", query]).output() else { panic!("bash is needed") };
    if direct.status.code() == Some(127) {
        eprintln!("SKIPPED a_real_agents_newest_version_is_found: npm is not installed");
        return;
    }
    let fixture = Fixture::with(&format!("#!/usr/bin/env bash\nset -euo pipefail\n{query}\n"));
    // npm's own configuration decides which registry is asked, so this run keeps the caller's environment.
    let mut command = fixture.command();
    command.args(["version", "a", "--timeout", "60", "--home"]).arg(fixture.path("home")).envs(std::env::vars_os());
    command.env("AICAGE_DEFINITIONS", fixture.path("definitions"));
    let shown = fixture.run(&mut command);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert_eq!(shown.stdout, String::from_utf8(direct.stdout).unwrap());
    assert!(shown.stdout.starts_with(|first: char| first.is_ascii_digit()), "{}", shown.stdout);
}
