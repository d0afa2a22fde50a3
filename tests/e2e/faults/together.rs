//! Builders at the same time.

use aicage_tests::running::Running;
use aicage_tests::{Engine, Ran, Story, TOOL, on_every_engine};

on_every_engine!(
    of_two_builders_of_one_image_one_builds_and_one_waits,
    whoever_waited_decides_again,
    ten_builders_of_different_images_all_build,
);

fn of_two_builders_of_one_image_one_builds_and_one_waits(engine: Engine) {
    let story = Story::new(engine);
    // Long enough for the slower one of two programs started at once to come in time.
    story.install(&format!("{TOOL}sleep 5\n"));
    let builders: Vec<_> = (0..2).map(|_| Running::start(&mut story.command("build"))).collect();
    let ran: Vec<Ran> = builders.into_iter().map(|builder| builder.end().expect(0)).collect();
    let (built, waited): (Vec<_>, Vec<_>) = ran.iter().partition(|ran| ran.stdout.contains("was built"));
    let ([built], [waited]) = (built.as_slice(), waited.as_slice()) else { panic!("not one built: {ran:?}") };
    assert!(built.installed());
    assert!(waited.stderr.contains(&format!("another build of {} is running (process ", story.image())), "{waited:?}");
    assert!(waited.stderr.contains("; waiting for it\n"), "{waited:?}");
    assert!(waited.stdout.contains("definition files unchanged"), "{waited:?}");
    assert_eq!(story.logs(), [built.log_path()]);
    assert!(engine.image(&story.previous()).is_none());
}

fn whoever_waited_decides_again(engine: Engine) {
    let story = Story::new(engine);
    story.install(&format!("{TOOL}sleep 1\n"));
    let first = Running::start(story.command("build").args(["--agent-version", "1"]));
    assert!(first.says("install tool 1"));
    let second = Running::start(story.command("build").args(["--agent-version", "2"]));
    assert!(second.says("waiting for it"));
    first.end().expect(0);
    let second = second.end().expect(0);
    assert!(second.stdout.contains("because: agent version 1 -> 2 (chosen)\n"), "{second:?}");
    assert_eq!(engine.run(&story.previous(), &["tool"]).trim(), "tool 1");
}

fn ten_builders_of_different_images_all_build(engine: Engine) {
    let story = Story::new(engine);
    let start = |at: usize| {
        let mut command = story.bare("build");
        command.args(["--base", &format!("b{at}"), "--base-image", &story.base_image]);
        Running::start(command.args(["--agent-version", &at.to_string()]))
    };
    let builders: Vec<_> = (0..10).map(start).collect();
    let ran: Vec<Ran> = builders.into_iter().map(|builder| builder.end().expect(0)).collect();
    let mut logs: Vec<_> = ran.iter().map(Ran::log_path).collect();
    logs.sort();
    logs.dedup();
    assert_eq!(logs.len(), 10);
    for (at, ran) in ran.iter().enumerate() {
        let image = format!("{}:tool-b{at}", story.repository);
        assert_eq!(engine.run(&image, &["tool"]).trim(), format!("tool {at}"));
        let log = ran.log();
        assert!(log.starts_with(&format!("# {image} by aicage-builder ")), "{log}");
    }
}
