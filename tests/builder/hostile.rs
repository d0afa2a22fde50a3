//! Definitions that somebody means ill with, or that went wrong badly: a clear error, exit code 3, nothing written.
//!
//! No engine is in reach here, so that one that is built after all would end with another code.

mod folders;
mod names;
mod texts;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use aicage_tests::{Engine, Ran, Story, run};

/// More address space than any refusal needs, in KiB; a definition that grows when it is read would not fit.
const MEMORY_LIMIT_KIB: u32 = 1024 * 1024;

/// Starts a story with an agent `tool`, a base `mine` and an extension `good`, nothing of it wrong.
fn sound() -> Story {
    let story = Story::new(Engine::Docker20);
    story.define_base("mine", "aicage-test-base:minbase", "RUN true\n");
    story.define_extension("good", "true\n");
    story
}

/// Returns `aicage-builder ARGUMENTS…` with the story's folders, no engine and little memory.
fn confined(story: &Story, arguments: &[&str]) -> Command {
    let mut program = story.unchosen(arguments[0]);
    program.args(&arguments[1..]);
    let mut confined = Command::new("sh");
    confined.arg("-c").arg(format!("ulimit -v {MEMORY_LIMIT_KIB}; exec \"$@\"")).arg("sh");
    confined.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => confined.env(name, value),
            None => confined.env_remove(name),
        };
    }
    confined.env("DOCKER_HOST", "unix:///no/such/socket");
    confined
}

/// Returns every path in a folder, without following links.
fn paths(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
            found.insert(entry.path());
        }
    }
    found
}

/// Carries out a command line that must be refused and returns what is said, the story's folder named by a word.
fn refused_with(story: &Story, arguments: &[&str], code: i32) -> String {
    let before = paths(story.folder());
    let Ran { stdout, stderr, .. } = run(&mut confined(story, arguments)).expect(code);
    assert_eq!(stdout, "");
    assert_eq!(paths(story.folder()), before, "{stderr}");
    stderr.replace(&story.folder().display().to_string(), "STORY")
}

/// Changes what is sound and returns what is said to whoever builds it.
fn refused(change: impl FnOnce(&Story)) -> String {
    let story = sound();
    change(&story);
    refused_with(&story, &["build", "tool", "--base", "mine", "--extension", "good"], 3)
}

/// What somebody does, how a sound story becomes unsound by it, and the words that must be said about it.
type Mistake<'a> = (&'a str, &'a dyn Fn(&Story), &'a [&'a str]);

/// Makes each mistake in a story of its own.
fn all_refused(mistakes: &[Mistake<'_>]) {
    for (what, change, words) in mistakes {
        let said = refused(change);
        for word in *words {
            assert!(said.contains(word), "{what}: {word:?} is not said:\n{said}");
        }
        assert!(said.starts_with("error: "), "{what}: {said}");
    }
}

#[test]
fn what_the_others_change_is_sound_without_their_changes() {
    let story = sound();
    let ran = run(&mut confined(&story, &["build", "tool", "--base", "mine", "--extension", "good"])).expect(69);
    assert!(ran.stderr.contains("/no/such/socket"), "{}", ran.stderr);
    assert_eq!(story.home_files(), []);
}
