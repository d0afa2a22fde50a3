//! A person or a program that stops a build.

use std::process::Command;
use std::time::{Duration, Instant};

use aicage_tests::running::{LIMIT, Running, runs, wait_for};
use aicage_tests::{Engine, Story, TOOL, on_every_engine};

use super::state;

on_every_engine!(
    ctrl_c_ends_the_step_and_changes_nothing,
    a_polite_end_is_an_interruption_too,
    the_loss_of_the_terminal_is_an_interruption_too,
    a_loss_of_the_terminal_that_is_ignored_is_none,
    an_interrupted_first_build_leaves_nothing_but_its_log,
    a_builder_that_is_killed_takes_its_step_along,
    an_interruption_at_the_end_comes_before_or_after_the_switch,
    an_interruption_ends_the_look_for_a_version_too,
    who_waits_for_another_builder_can_be_interrupted,
);

/// Returns the script of a step that sleeps, and the sleep's command line, which no other process has.
fn sleeping(story: &Story) -> (String, String) {
    let digits: String = story.repository.bytes().map(|byte| (byte % 10).to_string()).collect();
    let command = format!("sleep 98765.{digits}");
    (format!("echo sleeping\n{command}\n"), command)
}

fn interrupt(story: &Story, signal: &str) {
    let (script, sleep) = sleeping(story);
    story.install(&script);
    let builder = Running::start(&mut story.command("build"));
    wait_for("the step", || runs(&sleep).then_some(()));
    builder.signal(signal);
    let began = Instant::now();
    let ran = builder.end().expect(130);
    let ended = began.elapsed();
    wait_for("the end of the step", || (!runs(&sleep)).then_some(()));
    println!("{:?}: ended after {ended:?}, its step after {:?}", story.engine, began.elapsed());
    assert!(ended < LIMIT / 4, "{ended:?}");
    assert!(ran.stderr.contains("error: interrupted\n"), "{}", ran.stderr);
    assert!(ran.log().ends_with("\n# interrupted\n"), "{}", ran.log());
    assert_eq!(ran.stdout, "");
}

fn ctrl_c_ends_the_step_and_changes_nothing(engine: Engine) {
    let story = Story::new(engine);
    story.build(["--agent-version", "1"]).expect(0);
    let before = state(&story);
    interrupt(&story, "INT");
    assert_eq!(state(&story), before);
    story.install(TOOL);
    story.build(["--agent-version", "2"]).expect(0);
    assert_eq!(engine.run(&story.image(), &["tool"]).trim(), "tool 2");
    assert_eq!(engine.run(&story.previous(), &["tool"]).trim(), "tool 1");
}

fn a_polite_end_is_an_interruption_too(engine: Engine) {
    let story = Story::new(engine);
    story.build::<&str>([]).expect(0);
    let before = state(&story);
    interrupt(&story, "TERM");
    assert_eq!(state(&story), before);
    story.plan(["--exit-code"]).expect(4);
}

fn the_loss_of_the_terminal_is_an_interruption_too(engine: Engine) {
    let story = Story::new(engine);
    story.build::<&str>([]).expect(0);
    let before = state(&story);
    interrupt(&story, "HUP");
    assert_eq!(state(&story), before);
}

fn a_loss_of_the_terminal_that_is_ignored_is_none(engine: Engine) {
    let story = Story::new(engine);
    let gate = story.folder().join("gate");
    let wait = format!("until [ -e '{}' ]; do sleep 0.05; done", gate.display());
    story
        .write("version.sh", format!("#!/usr/bin/env bash\necho > '{}.reached'\n{wait}\necho 1.0.0\n", gate.display()));
    let plan = story.command("plan");
    // As nohup does, which would also write a file.
    let mut ignoring = Command::new("sh");
    ignoring.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(plan.get_program()).args(plan.get_args());
    for (name, value) in plan.get_envs() {
        match value {
            Some(value) => ignoring.env(name, value),
            None => ignoring.env_remove(name),
        };
    }
    let planner = Running::start(&mut ignoring);
    wait_for("the script", || gate.with_extension("reached").exists().then_some(()));
    planner.signal("HUP");
    std::fs::write(gate, "").unwrap();
    planner.end().expect(0);
}

fn an_interrupted_first_build_leaves_nothing_but_its_log(engine: Engine) {
    let story = Story::new(engine);
    interrupt(&story, "INT");
    let now = state(&story);
    assert!(now.image.is_none() && now.staging.is_none() && now.records.is_empty(), "{now:?}");
    assert_eq!(story.logs().len(), 1);
    story.install(TOOL);
    story.build::<&str>([]).expect(0);
}

fn a_builder_that_is_killed_takes_its_step_along(engine: Engine) {
    let story = Story::new(engine);
    let (script, sleep) = sleeping(&story);
    story.install(&script);
    let mut builder = Running::start(&mut story.command("build"));
    wait_for("the step", || runs(&sleep).then_some(()));
    builder.kill();
    wait_for("the end of the step", || (!runs(&sleep)).then_some(()));
}

fn an_interruption_at_the_end_comes_before_or_after_the_switch(engine: Engine) {
    let story = Story::new(engine);
    story.build(["--agent-version", "0"]).expect(0);
    story.build(["--agent-version", "1"]).expect(0);
    let mut current = 1;
    for moment in 0..12 {
        let before = state(&story);
        let next = (current + 1).to_string();
        let builder = Running::start(story.command("build").args(["--agent-version", &next]));
        builder.says("exporting to image");
        std::thread::sleep(Duration::from_millis(4) * moment);
        builder.signal("INT");
        let ran = builder.end();
        let now = state(&story);
        let what = format!("{engine:?}, moment {moment}: {ran:?}");
        match ran.code {
            Some(130) => {
                // The engine may have been about to store the new image.
                let before = super::State { staging: now.staging.clone(), ..before };
                assert_eq!(now, before, "{what}");
            }
            Some(0) => {
                current += 1;
                let record = story.record().unwrap();
                assert_eq!(record["record"]["imageId"], engine.id(&story.image()), "{what}");
                assert_eq!(record["record"]["version"], next, "{what}");
                assert!(now.staging.is_none(), "{what}");
            }
            _ => panic!("{what}"),
        }
    }
}

fn an_interruption_ends_the_look_for_a_version_too(engine: Engine) {
    let story = Story::new(engine);
    let (script, sleep) = sleeping(&story);
    story.write("version.sh", format!("#!/usr/bin/env bash\n{script}"));
    for signal in ["INT", "TERM"] {
        let builder = Running::start(&mut story.command("build"));
        wait_for("the script", || runs(&sleep).then_some(()));
        builder.signal(signal);
        builder.end().expect(130);
        wait_for("the end of the script", || (!runs(&sleep)).then_some(()));
    }
}

fn who_waits_for_another_builder_can_be_interrupted(engine: Engine) {
    let story = Story::new(engine);
    story.install(&format!("{TOOL}sleep 2\n"));
    let first = Running::start(&mut story.command("build"));
    assert!(first.says("install tool"));
    let second = Running::start(&mut story.command("build"));
    assert!(second.says("waiting for it"));
    second.signal("INT");
    second.end().expect(130);
    first.end().expect(0);
    assert_eq!(story.logs().len(), 1);
}
