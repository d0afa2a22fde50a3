//! Custom bases: a root image and the user's own Dockerfile.

mod changes;
mod config;
mod roots;

use std::fs;
use std::process::Command;

use aicage_tests::running::Running;
use aicage_tests::{Engine, Ran, Story, on_every_engine, run};
use serde_json::Value;

use crate::registry::Published;

on_every_engine!(
    a_base_is_made_of_its_folder_and_has_two_names,
    an_agent_is_built_with_its_base_in_one_run,
    two_agents_at_once_have_their_base_built_once,
    what_was_finished_before_an_interruption_stays,
    a_base_that_fails_says_where_and_loses_nothing,
    the_users_own_base_wins_over_a_packaged_one,
);

/// A root image that every engine has.
const ROOT: &str = "aicage-test-base:minbase";

/// Returns `aicage-builder COMMAND --base NAME`, without an agent.
fn alone(story: &Story, command: &str, base: &str) -> Command {
    let mut program = story.unchosen(command);
    program.args(["--base", base]);
    program
}

/// Returns `aicage-builder COMMAND AGENT --base NAME` with an answer in JSON.
fn on(story: &Story, command: &str, base: &str) -> Command {
    let mut program = story.bare(command);
    program.args(["--base", base, "--format", "json"]);
    program
}

/// Returns a custom base's name among the story's images.
fn image(story: &Story, base: &str) -> String {
    format!("{}/custom-base:{base}", story.repository)
}

/// Returns for each image of an answer in JSON its kind, what became of it, and why.
fn told(ran: &Ran) -> Vec<String> {
    let document = ran.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let images = document["images"].as_array().unwrap().iter().map(|image| {
        let reasons = image["reasons"].as_array().unwrap().iter().map(|reason| text(&reason["text"]));
        let told =
            format!("{} {}: {}", text(&image["kind"]), text(&image["outcome"]), reasons.collect::<Vec<_>>().join("; "));
        told.trim_end_matches(": ").to_owned()
    });
    images.collect()
}

fn a_base_is_made_of_its_folder_and_has_two_names(engine: Engine) {
    let story = Story::new(engine);
    let lines = "COPY . /context\nARG FROM_IMAGE\nRUN (echo $FROM_IMAGE; ls -A /context) > /opt/said\n";
    story.define_base("mine", ROOT, lines);
    story.write_custom("base-images/mine/.dockerignore", "secret\n*.tmp\n");
    for file in ["greeting", "secret", "a.tmp"] {
        story.write_custom(&format!("base-images/mine/{file}"), "hello\n");
    }
    // The other layout, and the older key.
    let folder = story.home().join("custom/image-base/old");
    fs::create_dir_all(&folder).unwrap();
    let metadata = fs::read_to_string(story.custom("base-images/mine/base.yml")).unwrap();
    fs::write(folder.join("base.yaml"), metadata.replace("from_image", "root_image")).unwrap();
    fs::copy(story.custom("base-images/mine/Dockerfile"), folder.join("Dockerfile")).unwrap();

    for (base, files) in [("mine", ".dockerignore Dockerfile greeting"), ("old", "Dockerfile")] {
        let built = run(alone(&story, "build", base).args(["--format", "json"])).expect(0);
        assert_eq!(told(&built), ["base built: image is missing"]);
        let (image, alias) = (image(&story, base), format!("{}/base:{base}", story.repository));
        let said = engine.run(&image, &["cat", "/opt/said"]);
        assert_eq!(said.split_whitespace().collect::<Vec<_>>().join(" "), format!("{ROOT} {files}"));
        assert_eq!(engine.id(&alias), engine.id(&image));
        // A name that is lost comes back, for which nothing is built.
        engine.remove(&alias);
        assert_eq!(told(&run(alone(&story, "build", base).args(["--format", "json"])).expect(0)).len(), 1);
        assert_eq!(engine.id(&alias), engine.id(&image));
        run(alone(&story, "plan", base).arg("--exit-code")).expect(0);
    }
    let names = engine.names().into_iter().filter(|name| name.contains(&story.repository)).count();
    assert_eq!(names, 4);
}

fn an_agent_is_built_with_its_base_in_one_run(engine: Engine) {
    let published = Published::start(engine, None);
    let story = &published.story;
    story.define_base("mine", &story.base_image, "COPY greeting /etc/greeting\nRUN cat /etc/greeting > /etc/base\n");
    story.write_custom("base-images/mine/greeting", "one\n");
    story.install(&format!("{}\ncp /etc/base /etc/seen\n", aicage_tests::TOOL));
    let (base, tool) = (image(story, "mine"), format!("{}:tool-mine", story.repository));
    let seen = || engine.run(&tool, &["cat", "/etc/seen"]).trim().to_owned();

    let built = run(&mut on(story, "build", "mine")).expect(0);
    assert_eq!(told(&built), ["base built: image is missing", "final built: image is missing"]);
    assert_eq!(built.steps_that_ran(), ["base", "install tool 1.0.0"]);
    assert_eq!(seen(), "one");
    assert_eq!(told(&run(&mut on(story, "build", "mine")).expect(0)), ["base upToDate", "final upToDate"]);

    story.write_custom("base-images/mine/greeting", "two\n");
    let beneath = format!("{base} beneath it is built first");
    let planned = run(on(story, "plan", "mine").arg("--exit-code")).expect(4);
    assert_eq!(
        told(&planned),
        ["base wouldBuild: file greeting changed".to_owned(), format!("final wouldBuild: {beneath}")]
    );
    let built = run(&mut on(story, "build", "mine")).expect(0);
    assert_eq!(told(&built), ["base built: file greeting changed".to_owned(), format!("final built: {beneath}")]);
    assert_eq!(built.steps_that_ran(), ["base", "install tool 1.0.0"]);
    assert_eq!(seen(), "two");

    // Nothing that the step sees is another: all comes from the engine's cache, and all is current then.
    let dockerfile = story.custom("base-images/mine/Dockerfile");
    fs::write(&dockerfile, fs::read_to_string(&dockerfile).unwrap() + "# a remark\n").unwrap();
    let built = run(&mut on(story, "build", "mine")).expect(0);
    assert_eq!(told(&built), ["base built: file Dockerfile changed".to_owned(), format!("final built: {beneath}")]);
    assert_eq!(built.steps_that_ran(), [""; 0], "{}", built.stdout);
    assert_eq!(told(&run(&mut on(story, "plan", "mine")).expect(0)), ["base upToDate", "final upToDate"]);

    let built = run(on(story, "build", "mine").args(["--agent-version", "2.0.0"])).expect(0);
    assert_eq!(told(&built), ["base upToDate", "final built: agent version 1.0.0 -> 2.0.0 (chosen)"]);
    assert_eq!(seen(), "two");

    // Who built the base anew does not matter to those who stand on it.
    story.write_custom("base-images/mine/greeting", "three\n");
    run(&mut alone(story, "build", "mine")).expect(0);
    let planned = told(&run(on(story, "plan", "mine").args(["--agent-version", "2.0.0"])).expect(0));
    assert_eq!(planned[0], "base upToDate");
    assert!(planned[1].starts_with("final wouldBuild: base local content "), "{planned:?}");
}

fn two_agents_at_once_have_their_base_built_once(engine: Engine) {
    let mut story = Story::new(engine);
    story.define_base("mine", ROOT, "RUN echo base > /etc/base\n");
    story.agent = "other".to_owned();
    for file in ["agent.yml", "install.sh", "version.sh"] {
        let bytes = fs::read(story.definitions().join("agents/tool").join(file)).unwrap();
        story.write(file, bytes);
    }
    let other = Running::start(story.bare("build").args(["--base", "mine"]));
    story.agent = "tool".to_owned();
    run(story.bare("build").args(["--base", "mine"])).expect(0);
    other.end().expect(0);
    for agent in ["tool", "other"] {
        let image = format!("{}:{agent}-mine", story.repository);
        assert_eq!(engine.run(&image, &["sh", "-c", "cat /etc/base; tool"]), "base\ntool 1.0.0\n");
    }
    let logs = fs::read_dir(story.home().join("logs/base-image/build")).unwrap().count();
    assert_eq!(logs, 1);
}

fn what_was_finished_before_an_interruption_stays(engine: Engine) {
    let story = Story::new(engine);
    story.define_base("mine", ROOT, "RUN echo base > /etc/base\n");
    story.install("echo under way\nsleep 600\n");
    let build = Running::start(story.bare("build").args(["--base", "mine"]));
    assert!(build.says("under way"));
    build.signal("INT");
    assert!(build.end().expect(130).stderr.contains("error: interrupted"));
    let planned = told(&run(&mut on(&story, "plan", "mine")).expect(0));
    assert!(planned[0] == "base upToDate" || planned[0] == "base kept", "{planned:?}");
    assert_eq!(planned[1..], ["final wouldBuild: image is missing"]);
}

fn a_base_that_fails_says_where_and_loses_nothing(engine: Engine) {
    let story = Story::new(engine);
    story.define_base("mine", ROOT, "RUN echo whole > /etc/base\n");
    run(&mut on(&story, "build", "mine")).expect(0);
    let before = (engine.id(&image(&story, "mine")), engine.id(&format!("{}:tool-mine", story.repository)));
    let names = |engine: Engine| {
        let names = engine.names().into_iter().filter(|name| name.contains(&story.repository));
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let names_before = names(engine);

    story.define_base("mine", ROOT, "RUN echo broken > /etc/base\nRUN echo the last words; exit 7\n");
    for json in [false, true] {
        let mut command = story.bare("build");
        command.args(["--base", "mine"]).args(json.then_some("--format=json"));
        let ran = run(&mut command).expect(5);
        assert!(ran.stderr.contains("error: base mine was not built: "), "{}", ran.stderr);
        assert!(ran.stderr.contains("exit code 7") && ran.stderr.contains("echo the last words"), "{}", ran.stderr);
        assert!(ran.stderr.contains("the last words\n"), "{}", ran.stderr);
        assert!(ran.log().contains("exit code 7"), "{}", ran.log());
        if json {
            assert_eq!(ran.json()["error"]["exitCode"], 5);
        }
    }
    assert_eq!((engine.id(&image(&story, "mine")), engine.id(&format!("{}:tool-mine", story.repository))), before);
    assert_eq!(names(engine), names_before);

    // A mistake in the Dockerfile itself is a mistake in a definition.
    let dockerfile = "ARG FROM_IMAGE\nFROM ${FROM_IMAGE}\nRUNN true\n";
    story.write_custom("base-images/mine/Dockerfile", dockerfile);
    let ran = run(&mut alone(&story, "build", "mine")).expect(3);
    assert!(ran.stderr.contains("base mine was not built") && ran.stderr.contains("RUNN"), "{}", ran.stderr);
    assert_eq!(engine.id(&image(&story, "mine")), before.0);

    story.define_base("mine", ROOT, "RUN echo mended > /etc/base\n");
    run(&mut on(&story, "build", "mine")).expect(0);
    let tool = format!("{}:tool-mine", story.repository);
    assert_eq!(engine.run(&tool, &["cat", "/etc/base"]).trim(), "mended");
}

fn the_users_own_base_wins_over_a_packaged_one(engine: Engine) {
    let story = Story::new(engine);
    let published = format!("{}/published-base:debian", story.repository);
    engine.tag(ROOT, published.rsplit_once(':').unwrap().0, "debian");
    let folder = story.definitions().join("bases/debian");
    fs::create_dir_all(&folder).unwrap();
    let metadata = "from_image: debian:bookworm\nbase_image_distro: Debian\nbase_image_description: Packaged\n";
    fs::write(folder.join("base.yml"), metadata).unwrap();
    let build = |command: &str| {
        let mut program = on(&story, command, "debian");
        program.arg("--base-repository").arg(format!("{}/published-base", story.repository));
        run(&mut program).expect(0)
    };
    assert_eq!(told(&build("build")), ["final built: image is missing"]);

    story.define_base("debian", ROOT, "RUN echo mine > /etc/base\n");
    let built = build("build");
    assert_eq!(told(&built)[0], "base built: image is missing");
    assert_eq!(engine.run(&story.image(), &["cat", "/etc/base"]).trim(), "mine");
    // What is the user's own is another base, whatever a rebuild of the image was told to be for.
    fs::remove_dir_all(story.custom("base-images/debian")).unwrap();
    assert_eq!(told(&build("build")).len(), 1);
    assert!(engine.run(&story.image(), &["cat", "/etc/base"]).contains("No such file"));
}
