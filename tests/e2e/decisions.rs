//! What is built when, and the reasons that are told of it.

use std::os::unix::fs::PermissionsExt as _;

use aicage_tests::{Engine, Ran, Story, on_every_engine};
use serde_json::Value;

on_every_engine!(
    the_first_build_builds_and_the_second_does_nothing,
    another_version_is_a_reason_and_installs_it,
    another_base_under_the_same_name_is_a_reason,
    every_change_of_a_file_is_a_reason_that_names_it,
    metadata_rebuilds_only_where_it_means_something_and_never_installs_again,
    force_builds_from_the_cache_and_no_cache_installs_again,
);

fn texts(answer: &Value, key: &str) -> Vec<String> {
    let items = answer[key].as_array().unwrap_or_else(|| panic!("{answer}"));
    items.iter().map(|item| item["text"].as_str().unwrap().to_owned()).collect()
}

/// Checks that there is nothing to do.
#[track_caller]
fn expect_nothing(story: &Story, more: &[&str]) {
    let plan = story.plan(["--exit-code", "--format", "json"].iter().chain(more)).expect(0).json();
    assert_eq!(texts(&plan, "reasons"), Vec::<String>::new());
    let id = story.engine.id(&story.image());
    let logs = story.logs().len();
    let build = story.build(["--format", "json"].iter().chain(more)).expect(0).json();
    assert_eq!(texts(&build, "reasons"), Vec::<String>::new());
    assert_eq!(build["log"], Value::Null);
    assert_eq!(story.engine.id(&story.image()), id);
    assert_eq!(story.logs().len(), logs);
}

/// Checks that plan and build tell exactly these reasons, the build as text, and that nothing is left to do.
#[track_caller]
fn expect_build(story: &Story, more: &[&str], reasons: &[String]) -> Ran {
    let plan = story.plan(["--exit-code", "--format", "json"].iter().chain(more)).expect(4).json();
    assert_eq!(texts(&plan, "reasons"), reasons);
    assert_eq!((plan["schemaVersion"].as_u64(), &plan["outcome"]), (Some(1), &"wouldBuild".into()));
    let built = story.build(more).expect(0);
    let told: Vec<_> = built.stdout.lines().filter_map(|line| line.trim().strip_prefix("because: ")).collect();
    assert_eq!(told, reasons);
    let log = built.log();
    let logged: Vec<_> = log.lines().filter_map(|line| line.strip_prefix("# because: ")).collect();
    assert_eq!(logged, reasons);
    let lasting: Vec<&str> = more.iter().copied().filter(|word| !["--force", "--no-cache"].contains(word)).collect();
    expect_nothing(story, &lasting);
    built
}

#[track_caller]
fn expect_install(story: &Story, more: &[&str], reason: &str) {
    assert!(expect_build(story, more, &[reason.to_owned()]).installed(), "the step did not run again");
}

fn the_first_build_builds_and_the_second_does_nothing(engine: Engine) {
    let story = Story::new(engine);
    expect_install(&story, &[], "image is missing");
    assert_eq!(engine.run(&story.image(), &["tool"]).trim(), "tool 1.0.0");
    assert!(engine.image(&format!("{}-staging", story.image())).is_none());
    assert!(engine.image(&story.previous()).is_none());
    let again = story.build::<&str>([]).expect(0);
    let version = "\n  version 1.0.0 is the newest (version.sh on the host)\n";
    assert!(again.stdout.contains(version), "why it is known to be current: {}", again.stdout);
    assert!(again.stdout.contains("\n  2 definition files unchanged\n"), "{}", again.stdout);
}

fn another_version_is_a_reason_and_installs_it(engine: Engine) {
    let story = Story::new(engine);
    expect_install(&story, &["--agent-version", "1.4.0"], "image is missing");
    expect_install(&story, &["--agent-version", "1.5.0"], "agent version 1.4.0 -> 1.5.0 (chosen)");
    assert_eq!(engine.run(&story.image(), &["tool"]).trim(), "tool 1.5.0");
    // What was installed before is still in the engine's cache.
    let back = expect_build(&story, &["--agent-version", "1.4.0"], &["agent version 1.5.0 -> 1.4.0 (chosen)".into()]);
    assert!(!back.installed());
    assert_eq!(engine.run(&story.image(), &["tool"]).trim(), "tool 1.4.0");

    // The script is not part of what is installed, what it says is.
    story.write("version.sh", "#!/usr/bin/env bash\necho 2.0.0\n");
    let reasons =
        ["agent version 1.4.0 -> 2.0.0 (version.sh on the host)".to_owned(), "file version.sh changed".to_owned()];
    assert!(expect_build(&story, &[], &reasons).installed());
    assert_eq!(engine.run(&story.image(), &["tool"]).trim(), "tool 2.0.0");
}

fn another_base_under_the_same_name_is_a_reason(engine: Engine) {
    let mut story = Story::new(engine);
    let bases = format!("{}/base", story.repository);
    engine.make(&story.base_image, "echo one > /etc/base", &[], &bases, "one");
    engine.make(&story.base_image, "echo two > /etc/base", &[], &bases, "two");
    engine.make(&format!("{bases}:two"), "true", &["ENV SAID=two"], &bases, "said");
    story.base_image = format!("{bases}:used");
    engine.tag(&format!("{bases}:one"), &bases, "used");
    expect_install(&story, &[], "image is missing");
    assert_eq!(engine.run(&story.image(), &["cat", "/etc/base"]).trim(), "one");
    // The same image under another name is the same base.
    story.base_image = format!("{bases}:one");
    expect_nothing(&story, &[]);
    story.base_image = format!("{bases}:used");

    for (tag, content, variable) in [("two", "two", ""), ("said", "two", "two"), ("one", "one", "")] {
        engine.tag(&format!("{bases}:{tag}"), &bases, "used");
        let plan = story.plan(["--format", "json", "--exit-code"]).expect(4).json();
        let reasons = texts(&plan, "reasons");
        assert!(reasons[0].starts_with("base local content ") && reasons.len() == 1, "{reasons:?}");
        let told = &plan["reasons"][0];
        assert_eq!((&told["kind"], told["from"] == told["to"]), (&"base_changed".into(), false), "{told}");
        expect_build(&story, &[], &reasons);
        assert_eq!(engine.run(&story.image(), &["cat", "/etc/base"]).trim(), content);
        assert_eq!(engine.run(&story.image(), &["sh", "-c", "echo \"$SAID\""]).trim(), variable);
    }
}

fn every_change_of_a_file_is_a_reason_that_names_it(engine: Engine) {
    let story = Story::new(engine);
    story.write("helper.sh.in", "echo help\n");
    story.write("data/words", "one\n");
    story.install(&format!("{}cat /dev/aicage/definition/data/words > /opt/words\n", aicage_tests::TOOL));
    expect_install(&story, &[], "image is missing");

    let script = std::fs::read_to_string(story.definition("install.sh")).unwrap();
    story.write("install.sh", script + "\n");
    expect_install(&story, &[], "file install.sh changed");
    let mode = |path: &str, mode| {
        std::fs::set_permissions(story.definition(path), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("helper.sh.in", 0o755);
    expect_install(&story, &[], "file helper.sh.in changed its mode");
    story.write("data/words", "two\n");
    expect_install(&story, &[], "file data/words changed");
    assert_eq!(engine.run(&story.image(), &["cat", "/opt/words"]).trim(), "two");
    story.write("data/more", "");
    expect_install(&story, &[], "file data/more added");
    std::fs::remove_file(story.definition("helper.sh.in")).unwrap();
    expect_install(&story, &[], "file helper.sh.in removed");
    std::fs::remove_file(story.definition("data/words")).unwrap();
    std::os::unix::fs::symlink("more", story.definition("data/words")).unwrap();
    expect_install(&story, &[], "file data/words changed");

    // What the engine is given is the same: scripts come executable and with line feeds, whenever they were written.
    mode("install.sh", 0o600);
    let script = std::fs::read_to_string(story.definition("install.sh")).unwrap();
    mode("install.sh", 0o755);
    story.write("install.sh", script.replace('\n', "\r\n"));
    expect_nothing(&story, &[]);
}

fn metadata_rebuilds_only_where_it_means_something_and_never_installs_again(engine: Engine) {
    let story = Story::new(engine);
    expect_install(&story, &[], "image is missing");
    let layers = engine.layers(&story.image());

    let text = std::fs::read_to_string(story.definition("agent.yml")).unwrap();
    story.write("agent.yml", format!("# a comment\n{text}base_exclude: [alpine]\nagent_path:\n  files: [~/.tool]\n"));
    expect_nothing(&story, &[]);

    story.write("agent.yml", text.replace("agent_full_name: Tool", "agent_full_name: 'The Tool'"));
    let built = expect_build(&story, &[], &["agent_full_name \"Tool\" -> \"The Tool\"".to_owned()]);
    assert!(!built.installed());
    assert_eq!(engine.layers(&story.image()), layers);
    let label = &engine.image(&story.image()).unwrap()["Config"]["Labels"]["org.opencontainers.image.title"];
    assert_eq!(label, "The Tool");
}

fn force_builds_from_the_cache_and_no_cache_installs_again(engine: Engine) {
    let story = Story::new(engine);
    expect_install(&story, &[], "image is missing");
    let layers = engine.layers(&story.image());
    let reason = "asked for with --force".to_owned();
    assert!(!expect_build(&story, &["--force"], std::slice::from_ref(&reason)).installed());
    assert_eq!(engine.layers(&story.image()), layers);
    assert!(expect_build(&story, &["--force", "--no-cache"], &[reason]).installed());
    // Not a reason of its own: it says how to build, not whether.
    expect_nothing(&story, &["--no-cache"]);
}
