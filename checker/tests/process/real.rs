//! Real agents and packages against their real registries.
//!
//! The tools that answer beside this program are installed by `scripts/setup test`; without them these tests fail.

use std::process::Command;

use crate::fixture::{Fixture, Shown};

/// Runs a command line in bash and returns what it printed, without blanks at its ends.
fn printed(line: &str) -> String {
    let output = Command::new("bash").args(["-o", "pipefail", "-c", line]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{line} ended with {} (`scripts/setup test` installs the tools): {said}",
        output.status
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Asks with the caller's own environment, whose configuration decides which registries are asked.
fn ask(fixture: &Fixture, way: &str) -> Shown {
    let mut check = fixture.command();
    check.args(["version", "a", "--timeout", "120", "--via", way, "--home"]).arg(fixture.path("home"));
    check.envs(std::env::vars_os()).env("AICAGE_DEFINITIONS", fixture.path("definitions"));
    check.env_remove("PIP_FIND_LINKS").env_remove("AICAGE_VERSION_VIA");
    fixture.run(&mut check)
}

#[test]
fn a_real_agents_newest_version_is_found() {
    let query = "npm view @openai/codex version";
    let fixture = Fixture::with(&format!("#!/usr/bin/env bash\nset -euo pipefail\n{query}\n"));
    let shown = ask(&fixture, "host");
    assert_eq!(shown.everything(), format!("{}\nexit 0", printed(query)));
    assert!(shown.stdout.starts_with(|first: char| first.is_ascii_digit()), "{}", shown.stdout);
}

/// Real packages as version.yml declares them, and what their own tools say of them.
const DECLARED: [(&str, &str); 5] = [
    ("source: npm\npackage: '@openai/codex'\n", "npm view @openai/codex version"),
    ("source: npm\npackage: typescript\ntag: latest\n", "npm view typescript@latest version"),
    (
        "source: pypi\npackage: aider-chat\n",
        "python3 -m pip index versions --ignore-requires-python aider-chat | sed -n '1s/.*(\\(.*\\))$/\\1/p'",
    ),
    (
        "source: pypi\npackage: black\ninclude_prereleases: true\n",
        "python3 -m pip index versions --pre black | sed -n '1s/.*(\\(.*\\))$/\\1/p'",
    ),
    ("source: crates\npackage: ripgrep\n", "cd / && cargo info ripgrep | sed -n 's/^version: \\([^ ]*\\).*/\\1/p'"),
];

#[test]
fn what_is_declared_is_what_the_packages_own_tool_says() {
    for (yaml, line) in DECLARED {
        let fixture = Fixture::declaring(yaml);
        assert_eq!(ask(&fixture, "native").everything(), format!("{}\nexit 0", printed(line)), "{yaml}");
    }
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
    for command in READABLE {
        // pip fails when `head` no longer listens.
        let strictness = if command.contains("| head") { "set -eu" } else { "set -euo pipefail" };
        let fixture = Fixture::with(&format!("#!/usr/bin/env bash\n{strictness}\n\n{command}\n"));
        let (native, script) = (ask(&fixture, "native"), ask(&fixture, "host"));
        assert_eq!((native.code, script.code), (Some(0), Some(0)), "{command}: {}{}", native.stderr, script.stderr);
        assert_eq!(native.stdout, script.stdout, "{command}");
    }
}
