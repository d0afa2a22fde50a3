//! The host tool, in the release whose records we write, finds nothing to do after us.

mod built;
mod user_layers;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use aicage_tests::{Engine, Story, on_every_engine, run};
use serde_json::Value;

on_every_engine!(the_host_tool_finds_nothing_to_do_after_our_build, the_host_tool_finds_nothing_to_do_after_our_repair,);

/// The release.
const HOST_TOOL: &str = "aicage==1.6.0";

/// Returns a Python in whose environment the host tool is installed; made once and kept.
fn python() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(HOST_TOOL.replace("==", "-"));
    let (python, made) = (folder.join("bin/python"), folder.join("made"));
    fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    if !made.exists() {
        let must = |command: &mut Command| {
            let ran = run(command);
            assert_eq!(ran.code, Some(0), "{command:?} (Debian: python3-venv)\n{}{}", ran.stdout, ran.stderr);
        };
        must(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        must(Command::new(&python).args(["-m", "pip", "install", "--quiet", HOST_TOOL]));
        File::create(&made).unwrap();
    }
    python
}

/// Asks the host tool what it thinks of the story's image.
fn ask(story: &Story, agent_version: &str) -> Value {
    let home = story.folder().join("user");
    let records = home.join(".aicage");
    if !records.exists() {
        fs::create_dir_all(&home).unwrap();
        std::os::unix::fs::symlink(story.home(), &records).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/host_tool.py");
    let mut command = Command::new(python());
    command.arg(script).args([&story.image(), &story.base_image, "tool", "debian", agent_version]);
    let ran = run(command.env("HOME", &home).env("DOCKER_HOST", story.engine.host())).expect(0);
    let answer = ran.json();
    assert_eq!(answer["image_id"], story.engine.id(&story.image()), "{answer}");
    answer
}

fn the_host_tool_finds_nothing_to_do_after_our_build(engine: Engine) {
    let story = Story::new(engine);
    // A version that a careless writer of YAML turns into the number 1.1.
    story.build(["--agent-version", "1.10"]).expect(0);
    let answer = ask(&story, "1.10");
    assert_eq!(answer["rebuild"], false, "{answer}");
    let record = &answer["record"];
    for (key, value) in [
        ("agent", "tool"),
        ("agent_version", "1.10"),
        ("base", "debian"),
        ("base_image", &story.base_image),
        ("image_id", &engine.id(&story.image())),
        ("image_ref", &story.image()),
    ] {
        assert_eq!(record[key], value, "{record}");
    }
    assert!(record["built_at"].as_str().unwrap().ends_with("+00:00"), "{record}");
    // It would build where it should, so that the answer above means something.
    assert_eq!(ask(&story, "1.11")["rebuild"], true);
    story.build(["--agent-version", "1.11"]).expect(0);
    assert_eq!(ask(&story, "1.11")["rebuild"], false);
    assert_eq!(ask(&story, "1.10")["rebuild"], true);
    let file = story.home().join("state/image/build/tool-debian.yml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("image_id: \"sha256:", "image_id: \"sha256:0")).unwrap();
    assert_eq!(ask(&story, "1.11")["rebuild"], true);
}

fn the_host_tool_finds_nothing_to_do_after_our_repair(engine: Engine) {
    let story = Story::new(engine);
    story.build::<&str>([]).expect(0);
    let file = story.home().join("state/image/build/tool-debian.yml");
    for damage in [None, Some(""), Some("agent: [torn"), Some("agent: tool\nagent_version: 1.0.0\n")] {
        match damage {
            Some(text) => fs::write(&file, text).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let ran = story.build::<&str>([]).expect(0);
        assert!(!ran.stdout.contains("was built"), "{damage:?}: {}", ran.stdout);
        assert_eq!(ask(&story, "1.0.0")["rebuild"], false, "{damage:?}");
    }
}
