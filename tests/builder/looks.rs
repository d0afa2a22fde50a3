//! Looking that takes long is told, and only to people.

use aicage_tests::running::Running;
use aicage_tests::{Engine, Story};

/// Makes the definition's version script wait for a file, which is returned.
fn slow(story: &Story) -> std::path::PathBuf {
    let gate = story.folder().join("gate");
    let script = format!("until [ -e '{}' ]; do sleep 0.02; done\necho 1.0.0\n", gate.display());
    story.write("version.sh", format!("#!/usr/bin/env bash\n{script}"));
    gate
}

#[test]
fn a_look_for_a_version_that_takes_long_is_a_step() {
    let story = Story::new(Engine::Docker26);
    let gate = slow(&story);
    let planner = Running::start(&mut story.command("plan"));
    assert!(planner.says("#1 look for the version of tool"));
    std::fs::write(gate, "").unwrap();
    let ran = planner.end().expect(0);
    assert!(ran.stderr.contains("\n#1 DONE "), "{}", ran.stderr);
    assert!(!ran.stdout.contains("look for"), "{}", ran.stdout);
}

#[test]
fn a_look_that_is_short_is_not_told() {
    let story = Story::new(Engine::Docker26);
    std::fs::write(slow(&story), "").unwrap();
    assert_eq!(story.plan::<&str>([]).expect(0).stderr, "");
}
