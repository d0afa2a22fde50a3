//! Scripts that fail, and scripts that mean harm. None of them may hang the program, flood it or outlive it.

use std::fs;
use std::process::Command;

use crate::fixture::{Fixture, Shown, survivors};

fn check(script: &str) -> Shown {
    Fixture::with(script).check(&["a"])
}

#[test]
fn a_failing_script_is_shown_with_its_last_words() {
    insta::assert_snapshot!(check("echo 1; echo 'no\tnetwork' >&2; exit 3").everything(), @"
    error: no version of agent a was found
      caused by: version.sh on the host: it ended with exit code 3; it said:
        no    network
    exit 6
    ");
    insta::assert_snapshot!(check("kill -9 $$").everything(), @"
    error: no version of agent a was found
      caused by: version.sh on the host: it ended with signal 9
    exit 6
    ");
    insta::assert_snapshot!(check("if").everything(), @"
    error: no version of agent a was found
      caused by: version.sh on the host: it ended with exit code 2; it said:
        [FOLDER]/definitions/agents/a/version.sh: line 2: syntax error: unexpected end of file
    exit 6
    ");
    let many = check("for i in {1..3000}; do echo \"line $i\" >&2; done; exit 1").everything();
    assert!(many.contains("line 3000\n") && many.contains("line 2981\n") && !many.contains("line 2980\n"), "{many}");
}

#[test]
fn an_end_without_a_version_is_a_failure() {
    insta::assert_snapshot!(check("").everything(), @"
    error: no version of agent a was found
      caused by: version.sh on the host: it ended well but printed nothing
    exit 6
    ");
    insta::assert_snapshot!(check("echo; echo nothing there >&2").everything(), @"
    error: no version of agent a was found
      caused by: version.sh on the host: it ended well but printed nothing; it said:
        nothing there
    exit 6
    ");
    insta::assert_snapshot!(check("echo 1; echo 2").everything(), @r#"
    error: no version of agent a was found
      caused by: version.sh on the host: it ended well but printed no version: version has more than one line; it printed "1\n2"
    exit 6
    "#);
    insta::assert_snapshot!(check("printf '\\x00\\xff\\x1b[2J'").everything(), @r#"
    error: no version of agent a was found
      caused by: version.sh on the host: it ended well but printed no version: version holds a character that does not print; it printed "\u{0}�\u{1b}[2J"
    exit 6
    "#);
    insta::assert_snapshot!(check("head -c 129 /dev/zero | tr '\\0' 9").everything(), @r#"
    error: no version of agent a was found
      caused by: version.sh on the host: it ended well but printed no version: version is longer than 128 bytes; it printed "999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999"
    exit 6
    "#);
}

#[test]
fn a_missing_or_unusable_script_is_a_failed_attempt() {
    let fixture = Fixture::new();
    fixture.agent_without_script("a");
    insta::assert_snapshot!(fixture.check(&["a"]).everything(), @"
    error: no version of agent a was found
      caused by: version.sh on the host: there is no [FOLDER]/definitions/agents/a/version.sh
    exit 6
    ");
    let script = fixture.agent_folder("a").join("version.sh");
    fs::create_dir(&script).unwrap();
    insta::assert_snapshot!(fixture.check(&["a"]).everything(), @"
    error: no version of agent a was found
      caused by: version.sh on the host: [FOLDER]/definitions/agents/a/version.sh is not a regular file
    exit 6
    ");
    fs::remove_dir(&script).unwrap();
    fixture.pipe("definitions/agents/a/version.sh");
    insta::assert_snapshot!(fixture.check(&["a"]).everything(), @"
    error: no version of agent a was found
      caused by: version.sh on the host: [FOLDER]/definitions/agents/a/version.sh is not a regular file
    exit 6
    ");
}

#[test]
fn a_script_needs_neither_the_right_to_be_executed_nor_a_known_interpreter() {
    let fixture = Fixture::with("#!/no/such/interpreter\necho 1");
    let script = fixture.agent_folder("a").join("version.sh");
    assert!(Command::new("chmod").arg("444").arg(script).status().unwrap().success());
    assert_eq!(fixture.check(&["a"]).stdout, "1\n");
}

#[test]
fn without_bash_it_says_so() {
    let fixture = Fixture::with("echo 1");
    let shown = fixture.run(fixture.command().args(["version", "a"]).env("PATH", fixture.path("nothing")));
    insta::assert_snapshot!(shown.everything(), @"
    error: no version of agent a was found
      caused by: version.sh on the host: bash was not found on PATH
    exit 6
    ");
}

#[test]
fn a_script_that_hangs_is_killed_with_all_it_started() {
    let fixture = Fixture::with("echo $$ > pids; echo waiting >&2\n(echo $BASHPID >> pids; sleep 600) &\nsleep 600");
    let shown = fixture.check(&["a", "--timeout", "1"]);
    insta::assert_snapshot!(shown.everything(), @"
    error: no version of agent a was found
      caused by: version.sh on the host: it did not end within 1 s and was killed; it said:
        waiting
    exit 6
    ");
    assert!(shown.took.as_secs() < 10, "{:?}", shown.took);
    assert_eq!(survivors(&fixture.agent_folder("a").join("pids"), 2), [""; 0]);
}

#[test]
fn a_script_that_will_not_be_asked_to_end_is_killed() {
    let fixture = Fixture::with("trap '' TERM INT HUP; echo $$ > pids; while :; do sleep 600; done");
    let shown = fixture.check(&["a", "--timeout", "1"]);
    insta::assert_snapshot!(shown.everything(), @"
    error: no version of agent a was found
      caused by: version.sh on the host: it did not end within 1 s and was killed
    exit 6
    ");
    assert!(shown.took.as_secs() < 10, "{:?}", shown.took);
    assert_eq!(survivors(&fixture.agent_folder("a").join("pids"), 1), [""; 0]);
}

#[test]
fn a_script_may_clean_up_when_its_time_is_over() {
    let fixture = Fixture::with("trap 'touch cleaned; exit 0' TERM; sleep 600 & wait");
    assert_eq!(fixture.check(&["a", "--timeout", "1"]).code, Some(6));
    assert!(fixture.agent_folder("a").join("cleaned").exists());
}

#[test]
fn a_child_that_holds_the_output_open_hangs_nobody_and_is_killed() {
    let fixture = Fixture::with("sleep 600 & echo $! > pids; echo 1.0");
    let shown = fixture.check(&["a"]);
    insta::assert_snapshot!(shown.everything(), @"
    1.0
    exit 0
    ");
    assert!(shown.took.as_secs() < 10, "{:?}", shown.took);
    assert_eq!(survivors(&fixture.agent_folder("a").join("pids"), 1), [""; 0]);
}

#[test]
fn a_child_that_passes_on_the_last_output_is_waited_for() {
    assert_eq!(check("exec > >(sleep 0.1; cat); echo 1.0").stdout, "1.0\n");
}

#[test]
fn a_daemon_does_not_get_away() {
    for ending in ["", "sleep 600"] {
        let script = format!(
            "setsid bash -c 'echo $$ >> pids; setsid bash -c \"echo \\$\\$ >> pids; sleep 600\" & sleep 600' >/dev/null 2>&1 &\nuntil [ \"$(wc -l < pids)\" = 2 ]; do :; done 2>/dev/null\necho 1.0\n{ending}"
        );
        let fixture = Fixture::with(&script);
        let shown = fixture.check(&["a", "--timeout", "3"]);
        assert_eq!(shown.code, Some(if ending.is_empty() { 0 } else { 6 }), "{}", shown.stderr);
        assert_eq!(survivors(&fixture.agent_folder("a").join("pids"), 2), [""; 0]);
    }
}

#[test]
fn a_neighbour_from_before_the_program_is_left_alone() {
    let fixture = Fixture::with("echo 1");
    let program = env!("CARGO_BIN_EXE_aicage-checker");
    let script = format!("sleep 600 >/dev/null 2>&1 & echo $! > pid; exec {program} version a");
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(fixture.path("")).env("AICAGE_DEFINITIONS", fixture.path("definitions"));
    assert_eq!(fixture.run(&mut command).code, Some(0));
    let left = survivors(&fixture.path("pid"), 1);
    assert_eq!(left.len(), 1);
    assert!(Command::new("kill").args(&left).status().unwrap().success());
}

#[test]
fn a_flood_is_cut_off() {
    insta::assert_snapshot!(check("yes").everything(), @"
    error: no version of agent a was found
      caused by: version.sh on the host: it printed more than 65536 bytes and was killed
    exit 6
    ");
    insta::assert_snapshot!(check("head -c 65537 /dev/zero; sleep 600").everything(), @"
    error: no version of agent a was found
      caused by: version.sh on the host: it printed more than 65536 bytes and was killed
    exit 6
    ");
    let errors = check("(while :; do echo flood; done) >&2 & sleep 0.2; echo end >&2; exit 1");
    assert!(errors.stderr.len() < 4000, "{}", errors.stderr);
}

#[test]
fn secrets_of_the_environment_are_not_shown() {
    let fixture = Fixture::with("set -x; : curl -H \"Authorization: $GITHUB_TOKEN\"; echo \"$GITHUB_TOKEN\"; echo 2");
    for format in ["text", "json"] {
        let mut command = fixture.command();
        command.args(["version", "a", "--format", format]).env("GITHUB_TOKEN", "ghp_0123456789");
        let shown = fixture.run(&mut command).everything();
        assert!(shown.contains("***") && !shown.contains("ghp_0"), "{shown}");
    }
}
