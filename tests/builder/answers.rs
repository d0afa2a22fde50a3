//! An answer that does not get out: what was done is said all the same.

use std::fs::OpenOptions;
use std::process::Command;

use aicage_tests::{Engine, Story, program, run};

/// Returns what is said when standard output is a full disk.
fn said(command: &mut Command, code: i32) -> String {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    run(command.stdout(full)).expect(code).stderr
}

#[test]
fn a_build_whose_answer_is_lost_says_that_the_image_is_current() {
    let story = Story::new(Engine::Docker28);
    let text = said(story.command("build").args(["--progress", "quiet"]), 75);
    insta::assert_snapshot!(text.replace(&story.image(), "IMAGE"), @"
    error: the answer cannot be written to standard output
      caused by: No space left on device (os error 28)
    hint: IMAGE is current all the same
    ");
    assert_eq!(story.engine.run(&story.image(), &["tool"]).trim(), "tool 1.0.0");
    insta::assert_snapshot!(said(&mut story.command("plan"), 75), @"
    error: the answer cannot be written to standard output
      caused by: No space left on device (os error 28)
    ");
}

#[test]
fn help_that_cannot_be_written_is_a_failure() {
    for name in ["aicage-builder", "aicage-checker"] {
        let text = said(Command::new(program(name)).arg("--help"), 75);
        assert!(text.starts_with("error: the answer cannot be written to standard output\n"), "{name}: {text}");
    }
}
