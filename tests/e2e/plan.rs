//! `plan` looks and changes nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aicage_tests::{Engine, Story, on_every_engine, run};

on_every_engine!(
    plan_leaves_no_trace,
    plan_changes_nothing_that_is_there,
    a_plan_with_a_secret_makes_no_salt_and_trusts_no_digest_without_it,
);

/// Returns every path beneath a folder with its time of change.
pub(crate) fn everything(folder: &Path) -> BTreeSet<(PathBuf, std::time::SystemTime)> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        found.insert((path, metadata.modified().unwrap()));
    }
    found
}

fn plan_leaves_no_trace(engine: Engine) {
    let story = Story::new(engine);
    let before = everything(story.folder());
    let planned = story.plan::<&str>([]).expect(0);
    assert!(planned.stdout.contains("would be built\n  because: image is missing\n"), "{}", planned.stdout);
    assert!(
        planned.stdout.contains("\n  step: install tool 1.0.0 on aicage-test-base:minbase\n"),
        "{}",
        planned.stdout
    );
    let document = story.plan(["--format", "json", "--exit-code"]).expect(4).json();
    assert_eq!(document["schemaVersion"], 1);
    assert_eq!(document["reasons"][0]["kind"], "image_missing");
    story.plan(["--agent-version", "3"]).expect(0);
    run(story.bare("plan").args(["--base-image", "no/such:base"]));
    assert_eq!(everything(story.folder()), before);
    assert!(!story.home().exists());
    assert!(engine.image(&story.image()).is_none());
}

fn plan_changes_nothing_that_is_there(engine: Engine) {
    let story = Story::new(engine);
    story.build::<&str>([]).expect(0);
    let (id, before) = (engine.id(&story.image()), everything(story.folder()));
    story.plan(["--exit-code"]).expect(0);
    story.plan(["--exit-code", "--agent-version", "2.0.0"]).expect(4);
    story.plan(["--exit-code", "--force", "--no-cache"]).expect(4);
    story.plan(["--agent-version", "2.0.0", "--format", "json"]).expect(0);
    assert_eq!(everything(story.folder()), before);
    assert_eq!(engine.id(&story.image()), id);

    // Nor does it repair what a build would.
    std::fs::remove_dir_all(story.home()).unwrap();
    let before = everything(story.folder());
    let planned = story.plan(["--exit-code"]).expect(0);
    assert!(planned.stderr.contains("there was no record of this image"), "{}", planned.stderr);
    assert_eq!(everything(story.folder()), before);
    story.build::<&str>([]).expect(0);
    assert_eq!(story.record().unwrap()["record"]["imageId"], id.as_str());
}

fn a_plan_with_a_secret_makes_no_salt_and_trusts_no_digest_without_it(engine: Engine) {
    let story = Story::new(engine);
    story.define_extension("act", "true\n");
    let with_secret = |command: &str, arguments: &[&str]| {
        let mut program = story.with(command, &["act"]);
        run(program.args(["--secret", "id=token,env=TOKEN"]).args(arguments).env("TOKEN", "s3cret"))
    };
    let before = everything(story.folder());
    with_secret("plan", &["--exit-code"]).expect(4);
    assert_eq!(everything(story.folder()), before);
    with_secret("build", &[]).expect(0);
    with_secret("plan", &["--exit-code"]).expect(0);

    std::fs::remove_file(story.home().join("state/builder/salt")).unwrap();
    let before = everything(story.folder());
    let planned = with_secret("plan", &["--exit-code"]).expect(4);
    assert!(planned.stdout.contains("\n  because: secret token changed\n"), "{}", planned.stdout);
    assert_eq!(everything(story.folder()), before);
}
