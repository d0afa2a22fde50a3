//! Documents that are made from the programs, or for them, say what the programs do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod examples;
mod schema;

use std::path::Path;
use std::process::Command;

use aicage_tests::program;

/// Returns the folder of the whole project.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn the_command_lines_are_documented_as_they_are() {
    let root = root();
    let (builder, checker) = (program("aicage-builder"), program("aicage-checker"));
    let folder = builder.parent().unwrap();
    assert_eq!(Some(folder), checker.parent());

    let output = Command::new(root.join("scripts/cli-docs")).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made = String::from_utf8(output.stdout).unwrap();
    let documented = std::fs::read_to_string(root.join("docs/cli.md")).unwrap();

    let differs = made.lines().zip(documented.lines()).position(|(made, documented)| made != documented);
    let line = differs.unwrap_or_else(|| made.lines().count().min(documented.lines().count())) + 1;
    assert!(made == documented, "docs/cli.md is out of date from line {line} on: run scripts/cli-docs");
}
