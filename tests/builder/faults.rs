//! Engines that break in the middle: the image, its record and its name stay as they were, and the next run works.

use std::fs;

use aicage_tests::running::{Running, wait_for};
use aicage_tests::{Engine, Ran, Story, run};

use crate::proxy::{Fault, Proxy};

/// Builds once, changes the version, and builds again over a wire that breaks at `word`.
fn second_build_over(engine: Engine, word: &str, fault: Fault) -> (Story, Ran) {
    let story = Story::new(engine);
    story.build::<&str>([]).expect(0);
    let id = engine.id(&story.image());
    let records: Vec<_> =
        story.home_files().into_iter().filter(|(path, _)| path.starts_with(story.home().join("state"))).collect();
    let proxy = Proxy::new(engine.socket(), word, fault);
    let ran = run(story.command("build").args(["--agent-version", "2.0.0"]).env("DOCKER_HOST", proxy.host()));
    assert_eq!(engine.id(&story.image()), id, "{engine:?}: the image moved: {}", ran.stderr);
    for (path, bytes) in records {
        assert_eq!(fs::read(&path).unwrap(), bytes, "{} changed", path.display());
    }
    (story, ran)
}

/// What stands in the request that gives the new image the wanted name, and in no other.
const NAMING: &str = "tag=tool-debian HTTP";

fn works_again(story: &Story) {
    story.build(["--agent-version", "2.0.0"]).expect(0);
    assert_eq!(story.engine.run(&story.image(), &["tool"]).trim(), "tool 2.0.0");
    assert!(story.engine.image(&format!("{}-staging", story.image())).is_none());
}

#[test]
fn an_engine_that_goes_away_while_a_step_runs_is_worth_another_try() {
    for engine in Engine::ALL {
        let (story, ran) = second_build_over(engine, "install tool 2.0.0", Fault::Cut);
        let ran = ran.expect(75);
        assert!(ran.stderr.contains("the connection to the engine was lost: "), "{engine:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("source:") && !ran.stderr.contains("caused by:"), "{engine:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("log: "), "{}", ran.stderr);
        works_again(&story);
    }
}

#[test]
fn an_engine_that_goes_away_before_the_name_moves_leaves_the_old_image() {
    for engine in Engine::ALL {
        let (story, ran) = second_build_over(engine, NAMING, Fault::Cut);
        assert!(matches!(ran.code, Some(69 | 75)), "{engine:?}: {ran:?}");
        works_again(&story);
    }
}

#[test]
fn an_engine_that_freezes_at_the_switch_is_given_up_on() {
    let (story, ran) = second_build_over(Engine::Docker26, NAMING, Fault::Freeze);
    ran.expect(75);
    works_again(&story);
}

#[test]
fn who_interrupts_a_frozen_switch_is_told_that_once_more_ends_it() {
    let story = Story::new(Engine::Docker26);
    story.build::<&str>([]).expect(0);
    let proxy = Proxy::new(Engine::Docker26.socket(), NAMING, Fault::Freeze);
    let mut build = story.command("build");
    let builder = Running::start(build.args(["--agent-version", "2.0.0"]).env("DOCKER_HOST", proxy.host()));
    wait_for("the switch", || proxy.has_broken().then_some(()));
    builder.signal("INT");
    assert!(builder.says("note: the image is getting its name; interrupt again to stop without waiting for that"));
    builder.signal("INT");
    let ran = builder.end().expect(130);
    assert!(
        ran.stderr.contains("error: interrupted while the image got its name\nhint: run it again"),
        "{}",
        ran.stderr
    );
    works_again(&story);
}

#[test]
fn an_engine_that_never_answers_is_given_up_on() {
    let story = Story::new(Engine::Docker20);
    let proxy = Proxy::new(Engine::Docker20.socket(), "GET /", Fault::Freeze);
    let ran = run(story.command("plan").args(["--agent-version", "1"]).env("DOCKER_HOST", proxy.host())).expect(75);
    assert!(ran.stderr.contains("did not answer"), "{}", ran.stderr);
}
