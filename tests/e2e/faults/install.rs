//! Install scripts that fail, and some that must not.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use aicage_tests::{Engine, Ran, Story, TOOL, on_every_engine, run};

use super::state;

on_every_engine!(
    a_failing_script_is_told_with_its_true_last_lines,
    a_failing_script_changes_nothing,
    a_first_build_that_fails_leaves_nothing_but_its_log,
    a_record_that_cannot_be_written_leaves_the_old_image,
    a_process_left_behind_holds_nothing_up,
    a_script_ended_by_a_signal_has_failed,
    a_script_whose_interpreter_is_missing_says_so,
    a_script_need_not_be_tidy,
    a_step_without_the_launcher_is_told_whole,
    a_script_that_says_nothing_is_told_to_have_failed_so,
);

/// The number of lines that a failure shows.
const SHOWN: usize = 40;

/// Returns the lines of the step that a failure shows.
fn shown(ran: &Ran) -> Vec<&str> {
    ran.stderr.lines().filter_map(|line| line.strip_prefix("  | ")).collect()
}

fn a_failing_script_is_told_with_its_true_last_lines(engine: Engine) {
    let story = Story::new(engine);
    story.install(
        "head -c 5242880 /dev/zero | tr '\\0' x | fold -w 100\n\
        for at in $(seq -w 1 60); do\n\
          if [ $((10#$at % 3)) = 0 ]; then echo \"line $at\" >&2; else echo \"line $at\"; fi\n\
        done\n\
        exit 7\n",
    );
    let ran = story.build(["--agent-version", "1.2.3"]).expect(5);
    let error = "error: agent tool was not built on debian: step failed with exit code 7: install tool 1.2.3\n";
    assert!(ran.stderr.contains(error), "{}", last(&ran.stderr));
    let expected: Vec<String> = (60 - SHOWN + 1..=60).map(|at| format!("line {at}")).collect();
    assert_eq!(shown(&ran), expected);
    let log = ran.log();
    let end = format!("# the last lines of the step:\n{}\n", expected.join("\n"));
    assert!(log.ends_with(&end), "{}", last(&log));
    assert!(ran.stderr.ends_with(&format!("log: {}\n", ran.log_path().display())), "{}", last(&ran.stderr));
    assert_eq!(ran.stdout, "");

    let json = story.build(["--agent-version", "1.2.3", "--format", "json", "--progress", "quiet"]).expect(5);
    let error = &json.json()["error"];
    assert_eq!((&error["exitCode"], &error["kind"]), (&5.into(), &"stepFailed".into()));
    assert_eq!(error["details"], expected.join("\n"));
}

fn a_record_that_cannot_be_written_leaves_the_old_image(engine: Engine) {
    let story = Story::new(engine);
    story.build(["--agent-version", "1"]).expect(0);
    story.build(["--agent-version", "2"]).expect(0);
    let names = || [story.image(), story.previous()].map(|name| engine.id(&name));
    let (before, record) = (names(), story.record());
    // No more than a full disk does a file let anybody write below it.
    let folder = story.home().join("state/image");
    std::fs::rename(&folder, folder.with_extension("aside")).unwrap();
    std::fs::write(&folder, "").unwrap();
    let ran = story.build(["--agent-version", "3"]).expect(69);
    let error = "error: agent tool was not built on debian: cannot create folder ";
    assert!(ran.stderr.contains(error) && ran.stderr.contains("\nlog: "), "{}", ran.stderr);
    assert_eq!((names(), story.record()), (before, record));
    assert!(engine.image(&format!("{}-staging", story.image())).is_none());

    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(folder.with_extension("aside"), &folder).unwrap();
    story.build(["--agent-version", "3"]).expect(0);
    assert_eq!(engine.run(&story.image(), &["tool"]).trim(), "tool 3");
}

fn a_step_without_the_launcher_is_told_whole(engine: Engine) {
    let story = Story::new(engine);
    let install = |code: i32| {
        let script = r#"print STDERR qq(err $_\\n) for 1..60; print qq(out\\n); exit "#;
        story.define_dockerfile_extension("exact", &format!(r#"RUN ["perl", "-e", "{script}{code}"]"#));
        run(&mut story.with("build", &["exact"]))
    };
    let told = install(0).expect(0).stderr;
    assert!(told.contains(" out\n") && (1..=60).all(|at| told.contains(&format!(" err {at}\n"))), "{told}");

    let failed = install(7).expect(5);
    assert_eq!(shown(&failed).len(), SHOWN, "{}", failed.stderr);
    assert!(shown(&failed).contains(&"err 60"), "{}", failed.stderr);
    // However the engine words it, what is told is how the step ended.
    assert!(failed.stderr.contains("ERROR: exit code: 7\n"), "{}", failed.stderr);
}

fn a_script_that_says_nothing_is_told_to_have_failed_so(engine: Engine) {
    let story = Story::new(engine);
    story.install("exit 3\n");
    let ran = story.build::<&str>([]).expect(5);
    assert_eq!(shown(&ran), ["(the step wrote nothing)"]);
    assert!(ran.stderr.contains("ERROR: exit code: 3\n"), "{}", ran.stderr);
}

fn last(text: &str) -> &str {
    let at = text.char_indices().rev().nth(4000).map_or(0, |(at, _)| at);
    &text[at..]
}

fn a_failing_script_changes_nothing(engine: Engine) {
    let story = Story::new(engine);
    story.build(["--agent-version", "1"]).expect(0);
    story.build(["--agent-version", "2"]).expect(0);
    let before = state(&story);
    assert!(before.image.is_some() && before.previous.is_some() && before.records.len() == 2, "{before:?}");
    story.install("printf 'out of luck'; exit 1\n");
    let ran = story.build(["--agent-version", "3"]).expect(5);
    assert!(ran.log().contains("\nout of luck\n# install tool 3: failed\n"), "{}", ran.log());
    assert_eq!(shown(&ran), ["out of luck"]);
    assert_eq!(state(&story), before);
    assert_eq!(engine.run(&story.image(), &["tool"]).trim(), "tool 2");
    story.install(TOOL);
    story.build(["--agent-version", "3"]).expect(0);
    assert_eq!(engine.run(&story.image(), &["tool"]).trim(), "tool 3");
    assert_eq!(engine.run(&story.previous(), &["tool"]).trim(), "tool 2");
}

fn a_first_build_that_fails_leaves_nothing_but_its_log(engine: Engine) {
    let story = Story::new(engine);
    story.install("exit 1\n");
    let ran = story.build::<&str>([]).expect(5);
    let now = state(&story);
    assert!(now.image.is_none() && now.staging.is_none() && now.records.is_empty(), "{now:?}");
    assert_eq!(story.logs(), [ran.log_path()]);
    // A step that fails is not remembered as done.
    story.build::<&str>([]).expect(5);
    assert_eq!(story.logs().len(), 2);
}

fn a_process_left_behind_holds_nothing_up(engine: Engine) {
    let story = Story::new(engine);
    story.install(&format!("sleep 300 &\n{TOOL}echo done\n"));
    let began = Instant::now();
    story.build::<&str>([]).expect(0);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    assert_eq!(engine.run(&story.image(), &["tool"]).trim(), "tool 1.0.0");

    story.install("sleep 300 &\necho the last word\nexit 3\n");
    let began = Instant::now();
    let ran = story.build::<&str>([]).expect(5);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    assert!(ran.stderr.contains("exit code 3"), "{}", ran.stderr);
    assert_eq!(shown(&ran), ["the last word"]);
}

fn a_script_ended_by_a_signal_has_failed(engine: Engine) {
    let story = Story::new(engine);
    story.install("echo before\nkill -KILL $$\n");
    let ran = story.build::<&str>([]).expect(5);
    assert!(ran.stderr.contains("exit code 137: install tool"), "{}", ran.stderr);
    assert!(shown(&ran).contains(&"before"), "{}", ran.stderr);
}

fn a_script_whose_interpreter_is_missing_says_so(engine: Engine) {
    let story = Story::new(engine);
    story.write("install.sh", "#!/nope/bash\necho hello\n");
    let ran = story.build::<&str>([]).expect(5);
    assert!(ran.stderr.contains("exit code 127: install tool"), "{}", ran.stderr);
    let shown = shown(&ran).join("\n");
    assert!(shown.contains("install.sh") && shown.contains("not found"), "{}", ran.stderr);
}

fn a_script_need_not_be_tidy(engine: Engine) {
    let story = Story::new(engine);
    let plain = format!("# {}\necho fine > /opt/made\n", story.repository);
    let scripts = [
        ("no shebang", plain.clone()),
        ("carriage returns", format!("#!/bin/bash\n{plain}if true\nthen\n  true\nfi\n").replace('\n', "\r\n")),
        ("no last line end", format!("#!/bin/sh\n{}", plain.trim_end())),
    ];
    for (what, script) in scripts {
        story.write("install.sh", script);
        std::fs::set_permissions(story.definition("install.sh"), std::fs::Permissions::from_mode(0o600)).unwrap();
        let ran = story.build::<&str>([]);
        assert_eq!(ran.code, Some(0), "{what}: {}", ran.stderr);
        assert_eq!(engine.run(&story.image(), &["cat", "/opt/made"]).trim(), "fine", "{what}");
    }
}
