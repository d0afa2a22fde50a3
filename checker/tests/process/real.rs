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

/// Scripts of one command over real packages, some with a scope, a tag, or many files.
const READABLE: [&str; 8] = [
    "npm view @openai/codex version",
    "npm view @google/gemini-cli version",
    "npm view typescript@latest version",
    "npm view react@latest version",
    "npm view semver version",
    r"python3 -m pip index versions --ignore-requires-python aider-chat | sed -n '1s/.*(\(.*\))$/\1/p'",
    "python3 -m pip index versions black | head -n1 | awk '{print $2}' | tr -d '()'",
    "python3 -m pip index versions requests 2>/dev/null | head -n1 | cut -d'(' -f2 | cut -d')' -f1",
];

#[test]
fn what_is_read_is_what_the_script_prints() {
    for program in ["npm", "python3"] {
        if Command::new(program).arg("--version").output().is_err() {
            eprintln!("SKIPPED what_is_read_is_what_the_script_prints: {program} is not installed");
            return;
        }
    }
    for command in READABLE {
        // pip fails when `head` no longer listens.
        let strictness = if command.contains("| head") { "set -eu" } else { "set -euo pipefail" };
        let fixture = Fixture::with(&format!("#!/usr/bin/env bash\n{strictness}\n\n{command}\n"));
        let answer = |way: &str| {
            let mut check = fixture.command();
            check.args(["version", "a", "--timeout", "120", "--via", way, "--home"]).arg(fixture.path("home"));
            check.envs(std::env::vars_os()).env("AICAGE_DEFINITIONS", fixture.path("definitions"));
            check.env_remove("PIP_FIND_LINKS");
            fixture.run(&mut check)
        };
        let (native, script) = (answer("native"), answer("host"));
        assert_eq!((native.code, script.code), (Some(0), Some(0)), "{command}: {}{}", native.stderr, script.stderr);
        assert_eq!(native.stdout, script.stdout, "{command}");
    }
}
