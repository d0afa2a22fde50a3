//! The files of the project.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold what was made from the project, not the project.
const MADE: [&str; 2] = ["target", ".git"];

/// Returns the project's folder.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in a folder of the project")
}

/// One text file of the project.
pub(crate) struct File {
    /// Its path from the project's folder, parts joined by `/`.
    pub(crate) path: String,
    /// What it says.
    pub(crate) text: String,
}

/// Returns the text files beneath `folder`, a path from the project's folder, in the order of their paths.
pub(crate) fn files(folder: &str) -> Vec<File> {
    let mut paths = Vec::new();
    collect(&root().join(folder), &mut paths);
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root()).expect("it was found beneath the project's folder");
        // What is not text, such as a picture, has nothing to be read.
        let text = String::from_utf8(fs::read(&path).expect("a file of the project can be read")).ok()?;
        Some(File { path: name.to_str().expect("our names are text").to_owned(), text })
    };
    paths.into_iter().filter_map(read).collect()
}

/// Returns the Rust files beneath `folder`.
pub(crate) fn rust_files(folder: &str) -> Vec<File> {
    files(folder).into_iter().filter(|file| file.path.ends_with(".rs")).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let entry = entry.expect("a folder of the project can be read");
        let kind = entry.file_type().expect("what lies in it has a kind");
        if kind.is_dir() && !MADE.iter().any(|made| entry.file_name() == *made) {
            collect(&entry.path(), paths);
        } else if kind.is_file() {
            paths.push(entry.path());
        }
    }
}

/// Fails with every line of `broken`, if there is one.
#[track_caller]
pub(crate) fn assert_none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}
