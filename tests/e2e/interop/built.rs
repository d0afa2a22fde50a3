//! The host tool finds nothing to do after real builds of a base, an agent and extensions.

use std::fs;
use std::path::Path;
use std::process::Command;

use aicage_tests::{Engine, Story, on_every_engine, run};
use serde_json::{Value, json};

on_every_engine!(the_host_tool_finds_nothing_to_do_after_a_chain_was_built);

/// The extensions in the order in which they are installed, which the host tool would not choose.
const EXTENSIONS: [&str; 3] = ["gh", "act", "1.10"];

/// A root image with a digest, as the host tool asks no registry about it.
fn define(story: &Story) -> String {
    let root = story.base_image.clone();
    story.define_base("mine", &root, "RUN echo mine > /etc/mine\n");
    story.define_dockerfile_extension("gh", "RUN tool > /opt/gh\n");
    // The host tool refuses to load any extension while there is one with neither scripts nor shares.
    story.write_custom("extensions/gh/scripts/unused.sh", "exit 1\n");
    story.define_extension("act", "tool > /opt/act\n");
    story.define_extension("1.10", "tool > /opt/1.10\n");
    let metadata = "name: '1.10'\ndescription: Größe\n";
    story.write_custom("extensions/1.10/extension.yml", metadata);
    root
}

fn build(story: &Story, version: &str) {
    let mut command = story.bare("build");
    command.args(["--base", "mine", "--agent-version", version]);
    for extension in EXTENSIONS {
        command.args(["--extension", extension]);
    }
    run(&mut command).expect(0);
}

/// Asks the host tool what it thinks of the story's three images.
fn ask(story: &Story, root: &str, version: &str) -> Value {
    let home = story.folder().join("user");
    if !home.exists() {
        fs::create_dir_all(&home).unwrap();
        std::os::unix::fs::symlink(story.home(), home.join(".aicage")).unwrap();
        std::os::unix::fs::symlink(story.custom(""), home.join(".aicage-custom")).unwrap();
    }
    let base = format!("{}/base:mine", story.repository);
    let (image, extended) = names(story);
    let asked = json!({
        "base": { "name": "mine", "from_image": root, "image": base },
        "extended": { "image": extended, "final_image": image, "extensions": EXTENSIONS },
    });
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e");
    let python = |script: &str, words: &[&str]| {
        let mut command = Command::new(super::python());
        command.arg(scripts.join(script)).args(words).env("HOME", &home).env("DOCKER_HOST", story.engine.host());
        run(&mut command).expect(0).json()
    };
    let mut answer = python("host_tool_layers.py", &[&asked.to_string()]);
    answer["final"] = python("host_tool.py", &[&image, &base, "tool", "mine", version]);
    answer
}

fn names(story: &Story) -> (String, String) {
    let repository = &story.repository;
    (format!("{repository}:tool-mine"), format!("{repository}/extended:tool-mine-{}", EXTENSIONS.join("-")))
}

fn rebuilds(answer: &Value) -> [bool; 3] {
    ["base", "final", "extended"].map(|image| answer[image]["rebuild"].as_bool().unwrap())
}

fn the_host_tool_finds_nothing_to_do_after_a_chain_was_built(engine: Engine) {
    let story = Story::new(engine);
    let root = define(&story);
    build(&story, "1.10");
    let answer = ask(&story, &root, "1.10");
    assert_eq!(rebuilds(&answer), [false, false, false], "{answer}");
    assert_eq!(answer["extended"]["record"]["extensions"], json!(EXTENSIONS));
    assert_eq!(answer["final"]["image_id"], engine.id(&names(&story).0));

    // It would build where it should, and what it would build is what we build.
    assert_eq!(rebuilds(&ask(&story, &root, "1.11")), [false, true, false]);
    build(&story, "1.11");
    let answer = ask(&story, &root, "1.11");
    assert_eq!(rebuilds(&answer), [false, false, false], "{answer}");
    for (path, text) in [
        ("extensions/act/scripts/10-act.sh", "echo edited > /opt/act\n"),
        // What is told of an extension changes nothing in the image; the host tool would build all the same.
        ("extensions/act/extension.yml", "name: act\ndescription: Other words\n"),
    ] {
        story.write_custom(path, text);
        assert_eq!(rebuilds(&ask(&story, &root, "1.11")), [false, false, true], "{path}");
        let id = engine.id(&names(&story).1);
        build(&story, "1.11");
        let answer = ask(&story, &root, "1.11");
        assert_eq!(rebuilds(&answer), [false, false, false], "{path}: {answer}");
        assert_eq!(engine.id(&names(&story).1) == id, path.ends_with("yml"), "{path}");
    }
}
