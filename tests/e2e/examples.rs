//! The examples of the documents, built from what is published.

use std::path::{Path, PathBuf};
use std::process::Command;

use aicage_tests::{Engine, Story, on_every_engine, run};

on_every_engine!(the_examples_of_the_documents_are_built);

const EXTENSIONS: [&str; 4] = ["ripgrep", "git-defaults", "prettier", "private-npm"];

fn take(story: &Story, folder: &Path, to: &str) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let inner = format!("{to}/{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            take(story, &path, &inner);
        } else {
            story.write_custom(&inner, std::fs::read(&path).unwrap());
        }
    }
}

/// Returns a story with the extensions and the base, which stands on an image that is here and installs one package.
fn settled(engine: Engine) -> Story {
    let story = Story::new(engine);
    let examples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples");
    for folder in ["base-images", "extensions"] {
        take(&story, &examples.join(folder), folder);
    }
    let described = std::fs::read_to_string(examples.join("base-images/debian-dev/base.yml")).unwrap();
    let published = "ghcr.io/aicage/aicage-image-base:debian";
    assert!(described.contains(published));
    story.write_custom("base-images/debian-dev/base.yml", described.replace(published, "aicage-test-base:node"));
    story.write_custom("base-images/debian-dev/packages.txt", format!("# {}\nless\n", story.repository));
    story
}

fn build(story: &Story, command: &str, npmrc: &Path) -> Command {
    let mut program = story.unchosen(command);
    program.args([&story.agent, "--base", "debian-dev", "--ca-cert", "system"]);
    for extension in EXTENSIONS {
        program.args(["--extension", extension]);
    }
    program.arg("--secret").arg(format!("id=npmrc,src={}", npmrc.display()));
    program
}

fn the_examples_of_the_documents_are_built(engine: Engine) {
    let story = settled(engine);
    let registry = run(Command::new("npm").args(["config", "get", "registry"])).expect(0).stdout;
    let npmrc = story.folder().join("npmrc");
    std::fs::write(&npmrc, format!("registry={registry}")).unwrap();

    run(&mut build(&story, "build", &npmrc)).expect(0);
    run(build(&story, "plan", &npmrc).arg("--exit-code")).expect(0);

    let tag = format!("{}-debian-dev-{}", story.agent, EXTENSIONS.join("-"));
    let image = format!("{}/extended:{tag}", story.repository);
    let said = engine.run(
        &image,
        &["sh", "-c", "rg --version; less --version; prettier --version; cat /etc/gitconfig; npm ls --global"],
    );
    for found in ["ripgrep ", "less ", "3.3.3", "defaultBranch = main", "useConfigOnly = true", "left-pad@1.3.0"] {
        assert!(said.contains(found), "{found}: {said}");
    }
    let left = engine.run(&image, &["sh", "-c", "ls -A /var/lib/apt/lists /var/cache/apt/archives /root"]);
    assert!(!left.contains("Packages") && !left.contains(".deb") && !left.contains(".npm"), "{left}");
}
