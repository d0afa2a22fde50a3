//! Variables that hold a mistake: it is named as that of the variable, with exit code 2, and nothing is written.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use aicage_tests::{Engine, Story, run};

/// Returns what `plan` says when a variable has this value.
fn said(name: &str, value: &[u8]) -> String {
    let story = Story::new(Engine::Docker20);
    let mut command = story.program();
    command.args(["plan", "tool", "--base", "debian"]).env("HOME", story.folder()).env(name, OsStr::from_bytes(value));
    let ran = run(&mut command).expect(2);
    assert_eq!(ran.stdout, "");
    assert!(!story.folder().join(".aicage").exists());
    ran.stderr
}

#[test]
fn a_mistake_in_a_variable_is_blamed_on_it() {
    insta::assert_snapshot!(said("BUILDKIT_PROGRESS", b"loud"), @r#"
    error: invalid value 'loud' for 'BUILDKIT_PROGRESS (as --progress <MODE>)': not a kind of progress: "loud"; there are auto, tty, plain, quiet and rawjson

    For more information, try '--help'.
    "#);
    insta::assert_snapshot!(said("SOURCE_DATE_EPOCH", b"99999999999999999"), @r#"error: SOURCE_DATE_EPOCH is no time in seconds since 1970: "99999999999999999""#);
    insta::assert_snapshot!(said("AICAGE_LOG", b"loud"), @r#"error: AICAGE_LOG is not a log filter: "loud"; write a level (error, warn, info, debug, trace, off), or MODULE=LEVEL, joined by commas"#);
}

#[test]
fn a_variable_that_is_no_text_is_not_taken_for_none() {
    insta::assert_snapshot!(said("DOCKER_HOST", b"unix:///\xff"), @"error: the variable DOCKER_HOST is not UTF-8 text");
    insta::assert_snapshot!(said("AICAGE_CA_CERT", b"\xff"), @"
    error: not UTF-8 text: AICAGE_CA_CERT

    Usage: aicage-builder plan [OPTIONS] [AGENT[@VERSION]]

    For more information, try '--help'.
    ");
}

#[test]
fn a_folder_that_is_given_as_nothing_is_a_mistake() {
    let story = Story::new(Engine::Docker20);
    let mut command = story.program();
    command.args(["plan", "tool", "--base", "debian", "--home", ""]).env("HOME", story.folder());
    insta::assert_snapshot!(run(&mut command).expect(2).stderr, @"
    error: a value is required for '--home <DIR>' but none was supplied

    For more information, try '--help'.
    ");
    assert!(!story.folder().join(".aicage").exists());
    // A variable may be: that is how `docker run --env` unsets one.
    let ran = run(story.command("plan").env("AICAGE_HOME", "").env("AICAGE_CA_CERT", "").env("HOME", Path::new("/h")));
    ran.expect(0);
}
