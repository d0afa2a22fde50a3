//! What is shown of a build: the answer on standard output, all else on standard error, in each mode.

use std::process::Command;

use aicage_tests::{Engine, Ran, Story, TOOL, on_every_engine, run};
use serde_json::Value;

on_every_engine!(
    plain_shows_every_line_with_its_step,
    quiet_shows_the_answer_alone,
    rawjson_is_the_engines_own_events,
    a_terminal_gets_a_summary,
);

fn story(engine: Engine) -> Story {
    let story = Story::new(engine);
    story.install(&format!(
        "echo one line\necho another >&2\nprintf '\\033]0;title\\007no line end'\nsleep 0.3\n{TOOL}"
    ));
    story
}

/// Checks that standard output is the answer and nothing else.
fn expect_answer(story: &Story, ran: &Ran) {
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{}", ran.stdout);
    assert_eq!(lines[0], format!("{} was built", story.image()));
    assert_eq!(lines[1], "  because: image is missing");
    assert!(lines[2].starts_with("  step: install tool 1.0.0 (ran, "), "{}", ran.stdout);
    assert!(lines[3].starts_with("  log: ") && ran.stdout.ends_with('\n'), "{}", ran.stdout);
}

fn plain_shows_every_line_with_its_step(engine: Engine) {
    let story = story(engine);
    let ran = story.build(["--progress", "plain"]).expect(0);
    expect_answer(&story, &ran);
    let step = ran.stderr.lines().find(|line| line.ends_with(" install tool 1.0.0")).unwrap();
    let number = step.split(' ').next().unwrap();
    for words in ["one line", "another", "no line end"] {
        let shown = ran.stderr.lines().any(|line| line.starts_with(&format!("{number} ")) && line.ends_with(words));
        assert!(shown, "{words}: {}", ran.stderr);
    }
    assert!(ran.stderr.contains(&format!("\n{number} DONE ")), "{}", ran.stderr);
    assert!(!ran.stderr.contains('\u{1b}') && !ran.stderr.contains('\u{7}'), "{}", ran.stderr);
    // The log has what the script wrote, as it wrote it.
    assert!(ran.log().contains("\nanother\n\u{1b}]0;title\u{7}no line end"), "{}", ran.log());
    // Where nobody watches, this is the mode that is chosen; the environment may choose another.
    let same = story.build(["--force", "--no-cache"]).expect(0);
    assert!(same.stderr.contains(&format!("\n{number} DONE ")), "{}", same.stderr);
    let quiet = run(story.command("build").arg("--force").env("BUILDKIT_PROGRESS", "quiet")).expect(0);
    assert_eq!(without_notes(&quiet), "");
}

/// Returns what is shown besides what could not be checked, such as a base of which only this engine knows.
fn without_notes(ran: &Ran) -> String {
    ran.stderr.lines().filter(|line| !line.starts_with("note: base ")).collect::<Vec<_>>().join("\n")
}

fn quiet_shows_the_answer_alone(engine: Engine) {
    let story = story(engine);
    let ran = story.build(["--progress", "quiet"]).expect(0);
    expect_answer(&story, &ran);
    assert_eq!(without_notes(&ran), "");
    story.install("echo the reason\nexit 1\n");
    let ran = story.build(["--progress", "quiet"]).expect(5);
    assert!(without_notes(&ran).starts_with("error: agent tool was not built on debian: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("\n  | the reason\n"), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
}

fn rawjson_is_the_engines_own_events(engine: Engine) {
    let story = story(engine);
    let ran = story.build(["--progress", "rawjson", "--format", "json"]).expect(0);
    assert_eq!(ran.json()["outcome"], "built");
    let events: Vec<Value> = ran.stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(!events.is_empty());
    for event in &events {
        let keys: Vec<_> = event.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(keys.iter().all(|key| ["vertexes", "statuses", "logs", "warnings"].contains(key)), "{event}");
    }
    let all =
        |key: &'static str| events.iter().flat_map(move |event| event[key].as_array().cloned().unwrap_or_default());
    let step = all("vertexes").find(|vertex| vertex["name"] == "install tool 1.0.0").unwrap();
    assert!(step["digest"].as_str().unwrap().starts_with("sha256:"), "{step}");
    assert!(all("vertexes").any(|vertex| vertex["digest"] == step["digest"] && !vertex["completed"].is_null()));
    let logs: Vec<_> = all("logs").filter(|log| log["vertex"] == step["digest"]).collect();
    let text: String = logs.iter().map(|log| decoded(log["data"].as_str().unwrap())).collect();
    assert!(text.contains("one line\n") && text.contains("another\n"), "{text}");
    assert!(logs.iter().all(|log| log["stream"].is_u64() && log["timestamp"].is_string()), "{logs:?}");
    // The engine's name for a step is ours: its command line is nobody's business.
    assert!(!ran.stderr.contains("mkfifo"), "{}", ran.stderr);
}

#[test]
fn what_a_dockerfile_hardly_means_is_a_note() {
    // Older engines hold Dockerfiles against fewer rules.
    let story = Story::new(Engine::Docker28);
    story.define_base("mine", "aicage-test-base:minbase", "CMD echo hi\n");
    let build = |mode| run(story.unchosen("build").args(["--base", "mine", "--force", "--progress", mode])).expect(0);
    let plain = build("plain");
    assert_eq!(plain.stderr.matches("\nnote: JSONArgsRecommended: ").count(), 1, "{}", plain.stderr);
    assert!(plain.log().contains("\n# warning: JSONArgsRecommended: "), "{}", plain.log());
    assert_eq!(without_notes(&build("quiet")), "");
}

fn decoded(base64: &str) -> String {
    let script = "printf %s \"$1\" | base64 --decode";
    let output = Command::new("sh").args(["-c", script, "sh", base64]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command with standard error, or both, on a terminal; returns what the terminal got, and the answer.
fn on_a_terminal(story: &Story, more: &[&str], variables: &[(&str, &str)]) -> Ran {
    let command = story.command("build");
    let quoted = |text: &std::ffi::OsStr| format!("'{}'", text.to_str().unwrap());
    let mut line = quoted(command.get_program());
    for argument in command.get_args() {
        line += &format!(" {}", quoted(argument));
    }
    let answer = story.folder().join("answer");
    line += &format!(" {} >'{}'", more.join(" "), answer.display());
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    script.env_remove("NO_COLOR").env_remove("CI").env("TERM", "xterm-256color");
    script.envs(variables.iter().copied()).stdin(std::process::Stdio::null());
    let ran = run(&mut script);
    Ran { stderr: ran.stdout, stdout: std::fs::read_to_string(answer).unwrap(), code: ran.code }
}

fn a_terminal_gets_a_summary(engine: Engine) {
    let story = story(engine);
    let ran = on_a_terminal(&story, &["--progress", "tty"], &[]).expect(0);
    expect_answer(&story, &ran);
    let plain = without_escapes(&ran.stderr);
    assert!(plain.contains("Running  install tool 1.0.0") && plain.contains("Done  install tool 1.0.0"), "{plain}");
    assert!(plain.contains("Finished") && plain.contains(" steps"), "{plain}");
    assert!(ran.stderr.contains("\u{1b}["), "nothing was drawn: {plain}");
    assert!(!ran.stderr.contains("\u{1b}]0;"), "the script set the terminal's title: {:?}", ran.stderr);
    let colour = |text: &str| {
        let codes = text.split("\u{1b}[").skip(1);
        codes
            .filter_map(|code| code.split_once(|c: char| c.is_ascii_alphabetic()).map(|(head, _)| (head, code)))
            .any(|(head, code)| code[head.len()..].starts_with('m') && head != "0" && !head.is_empty())
    };
    let again = ["--force", "--no-cache", "--progress", "tty"];
    let coloured = on_a_terminal(&story, &again, &[]).expect(0);
    assert!(colour(&coloured.stderr), "{:?}", coloured.stderr);
    let bare = on_a_terminal(&story, &again, &[("NO_COLOR", "1")]).expect(0);
    assert!(!colour(&bare.stderr), "{:?}", bare.stderr);
    // A terminal that cannot be drawn on, or whose lines are collected, gets plain lines.
    for variables in [[("TERM", "dumb")], [("CI", "true")]] {
        let ran = on_a_terminal(&story, &["--force", "--no-cache"], &variables).expect(0);
        assert!(without_escapes(&ran.stderr).contains("DONE"), "{variables:?}: {:?}", ran.stderr);
    }
    story.install("echo the reason\nexit 1\n");
    let failed = on_a_terminal(&story, &["--progress", "tty"], &[]).expect(5);
    assert!(colour(&failed.stderr), "{:?}", failed.stderr);
    let failed = on_a_terminal(&story, &["--progress", "tty"], &[("NO_COLOR", "1")]).expect(5);
    assert!(
        !colour(&failed.stderr) && failed.stderr.contains("error: agent tool was not built"),
        "{:?}",
        failed.stderr
    );
}

/// Returns a text without the terminal's control sequences.
fn without_escapes(text: &str) -> String {
    let mut pieces = text.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    let rest = pieces.map(|piece| piece.split_once(|c: char| c.is_ascii_alphabetic()).map_or("", |(_, rest)| rest));
    first + &rest.collect::<String>()
}
