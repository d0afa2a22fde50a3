//! What is printed when all is well, and when some is.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::fixture::Fixture;

#[test]
fn one_agent_is_answered_with_its_version_alone() {
    let shown = Fixture::with("echo ' 1.10 '\necho chatter >&2").check(&["a"]);
    insta::assert_snapshot!(shown.everything(), @"
    1.10
    exit 0
    ");
}

#[test]
fn several_are_answered_each_once_and_reported_in_the_order_asked() {
    let fixture = Fixture::new();
    for agent in ["a", "b", "c"] {
        fixture.agent(agent, &format!("echo {agent}-1"));
    }
    insta::assert_snapshot!(fixture.check(&["c", "a", "b", "a"]).sorted().everything(), @"
    a a-1
    b b-1
    c c-1
    exit 0
    ");
    insta::assert_snapshot!(fixture.check(&["c", "c"]).everything(), @"
    c-1
    exit 0
    ");
    let report = fixture.check(&["c", "a", "b", "a", "--format", "json"]).report();
    let names: Vec<_> = report.agents.iter().map(|finding| finding.agent.as_str()).collect();
    assert_eq!(names, ["c", "a", "b"]);
}

#[test]
fn an_answer_is_printed_as_soon_as_it_is_there() {
    let fixture = Fixture::with("cat ../pipe");
    fixture.agent("b", "echo 2");
    fixture.agent("c", "echo no network >&2; exit 3");
    let pipe = fixture.pipe("definitions/agents/pipe");
    let mut command = fixture.command();
    let piped = command.args(["version", "a", "b", "c"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
    assert_eq!(answers.next().unwrap().unwrap(), "b 2");
    assert_eq!(errors.next().unwrap().unwrap(), "error: no version of agent c was found");
    // Nobody but this test ends the script of the first agent.
    fs::write(pipe, "1\n").unwrap();
    assert_eq!(answers.next().unwrap().unwrap(), "a 1");
    assert!(answers.next().is_none());
    assert_eq!(child.wait().unwrap().code(), Some(6));
}

#[test]
fn those_that_were_found_are_printed_beside_those_that_were_not() {
    let fixture = Fixture::with("echo 1");
    fixture.agent("b", "echo 'no network' >&2; exit 7");
    fixture.agent("c", "echo 3");
    insta::assert_snapshot!(fixture.check(&["a", "b", "c"]).sorted().everything(), @"
    a 1
    c 3
    error: no version of agent b was found
      caused by: version.sh on the host: it ended with exit code 7; it said:
        no network
    exit 6
    ");
}

#[test]
fn the_report_names_every_attempt() {
    let fixture = Fixture::with("echo 1.10");
    fixture.agent("b", "exit 3");
    let shown = fixture.check(&["a", "b", "--format", "json"]);
    assert_eq!(shown.code, Some(6));
    let mut report = shown.report();
    for finding in &mut report.agents {
        assert!(finding.checked_at.ends_with('Z'), "{finding:?}");
        finding.checked_at.clear();
        finding.took_millis = 0;
        finding.failed.iter_mut().for_each(|attempt| attempt.took_millis = 0);
    }
    insta::assert_json_snapshot!(report, @r#"
    {
      "schemaVersion": 1,
      "agents": [
        {
          "agent": "a",
          "version": "1.10",
          "foundBy": "host",
          "checkedAt": "",
          "tookMillis": 0,
          "failed": []
        },
        {
          "agent": "b",
          "version": null,
          "foundBy": null,
          "checkedAt": "",
          "tookMillis": 0,
          "failed": [
            {
              "venue": "host",
              "reason": "it ended with exit code 3",
              "tookMillis": 0
            }
          ]
        }
      ]
    }
    "#);
}

#[test]
fn the_script_runs_in_its_folder_with_the_callers_environment_and_no_input() {
    let fixture = Fixture::with("read -r line; echo \"$(cat number)-$MINE-$line-$(basename \"$0\")\"");
    fs::write(fixture.agent_folder("a").join("number"), "5").unwrap();
    let mut command = fixture.command();
    command.args(["version", "a"]).env("MINE", "mine").stdin(Stdio::piped());
    insta::assert_snapshot!(fixture.run(&mut command).everything(), @"
    5-mine--version.sh
    exit 0
    ");
}

#[test]
fn definitions_may_be_named_from_the_current_folder() {
    let fixture = Fixture::with("cd / && echo \"$(basename \"$(dirname \"$0\")\")-1\"");
    let mut command = fixture.command();
    command.args(["version", "a", "--definitions", "definitions"]).current_dir(fixture.path(""));
    insta::assert_snapshot!(fixture.run(&mut command).everything(), @"
    a-1
    exit 0
    ");
}

#[test]
fn carriage_returns_harm_nobody_and_stay_in_the_file() {
    let script = "if true; then\r\n  cat number\r\nfi\r\n";
    let fixture = Fixture::with(script);
    let folder = fixture.agent_folder("a");
    fs::write(folder.join("number"), "6.0\r\n").unwrap();
    let temporary = fixture.path("tmp");
    fs::create_dir(&temporary).unwrap();
    let mut command = fixture.command();
    command.args(["version", "a"]).env("TMPDIR", &temporary);
    insta::assert_snapshot!(fixture.run(&mut command).everything(), @"
    6.0
    exit 0
    ");
    assert_eq!(fs::read_to_string(folder.join("version.sh")).unwrap(), script);
    assert_eq!(fs::read_dir(folder).unwrap().count(), 4);
    assert_eq!(fs::read_dir(temporary).unwrap().count(), 0);
}

#[test]
fn the_users_own_definition_wins() {
    let fixture = Fixture::with("echo packaged");
    let own = fixture.path("home/.aicage-custom/agents");
    fs::create_dir_all(&own).unwrap();
    fs::rename(fixture.agent_folder("a"), own.join("a")).unwrap();
    fs::write(own.join("a/version.sh"), "echo own").unwrap();
    fixture.agent("a", "echo packaged");
    insta::assert_snapshot!(fixture.check(&["a"]).everything(), @"
    own
    exit 0
    ");
}

#[test]
fn agents_are_looked_at_together() {
    let fixture = Fixture::with("cat ../pipe");
    fixture.pipe("definitions/agents/pipe");
    fixture.agent("b", "echo 1 > ../pipe; echo 2");
    insta::assert_snapshot!(fixture.check(&["a", "b"]).sorted().everything(), @"
    a 1
    b 2
    exit 0
    ");
}

#[test]
fn a_slow_agent_holds_up_no_other() {
    let fixture = Fixture::with("sleep 60");
    let names: Vec<_> = (0..30).map(|number| format!("b{number}")).collect();
    for name in &names {
        fixture.agent(name, "echo 1");
    }
    let all: Vec<_> = ["a"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let shown = fixture.check(&[&all[..], &["--timeout", "5"]].concat());
    assert_eq!((shown.code, shown.stdout.lines().count()), (Some(6), 30), "{}", shown.stderr);
    assert!(shown.took.as_secs() < 40, "{:?}", shown.took);
}

#[test]
fn a_reader_who_has_gone_is_no_failure() {
    let fixture = Fixture::with("echo 1");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = fixture.command().args(["version", "a"]).stdout(writer).status().unwrap();
    assert_eq!(status.code(), Some(0));
}
