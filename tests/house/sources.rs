//! How source files are named, how long they are, and what none may do.

use crate::tree::{assert_none, rust_files};

/// The folders with source files.
const FOLDERS: [&str; 4] = ["builder", "checker", "crates", "tests"];

/// Names that say nothing of what lives in a file.
const NAMES_THAT_SAY_NOTHING: [&str; 11] =
    ["util", "utils", "common", "helper", "helpers", "manager", "managers", "handler", "handlers", "misc", "shared"];

/// The length from which a file is usually two subjects, in lines.
const LENGTH_LIMIT_LINES: usize = 600;

/// Attributes that hide what should be seen, cut in two so that this file has none.
const HIDING: [(&str, &str); 3] = [("#[ig", "nore"), ("#[al", "low("), ("#![al", "low(")];

#[test]
fn no_file_has_a_name_that_says_nothing() {
    let mut broken = Vec::new();
    for file in FOLDERS.iter().flat_map(|folder| rust_files(folder)) {
        let parts = file.path.trim_end_matches(".rs").split('/');
        let empty = parts.flat_map(|part| part.split('_')).any(|word| NAMES_THAT_SAY_NOTHING.contains(&word));
        broken.extend(empty.then_some(file.path));
    }
    assert_none("names that say nothing", &broken);
}

#[test]
fn no_module_has_a_name_that_says_nothing() {
    let mut broken = Vec::new();
    for file in FOLDERS.iter().flat_map(|folder| rust_files(folder)) {
        for line in file.text.lines() {
            let name = line.trim_start_matches("pub ").trim_start_matches("pub(crate) ").strip_prefix("mod ");
            let name = name.map(|rest| rest.trim_end_matches([';', '{', ' ']));
            let empty = name.filter(|name| name.split('_').any(|word| NAMES_THAT_SAY_NOTHING.contains(&word)));
            broken.extend(empty.map(|name| format!("{}: {name}", file.path)));
        }
    }
    assert_none("names that say nothing", &broken);
}

#[test]
fn no_file_is_long() {
    let files = FOLDERS.iter().flat_map(|folder| rust_files(folder));
    let long =
        files.map(|file| (file.text.lines().count(), file.path)).filter(|(lines, _)| *lines > LENGTH_LIMIT_LINES);
    assert_none(
        "files of more than one subject",
        &long.map(|(lines, path)| format!("{path}: {lines} lines")).collect::<Vec<_>>(),
    );
}

#[test]
fn nothing_is_hidden_from_tests_and_lints() {
    let mut broken = Vec::new();
    for file in FOLDERS.iter().flat_map(|folder| rust_files(folder)) {
        for (at, line) in file.text.lines().enumerate() {
            let hiding = HIDING.iter().map(|(head, tail)| format!("{head}{tail}")).find(|text| line.contains(text));
            broken.extend(hiding.map(|text| format!("{}:{}: {text}", file.path, at + 1)));
        }
    }
    assert_none("tests that are not run, or lints that are not obeyed", &broken);
}
