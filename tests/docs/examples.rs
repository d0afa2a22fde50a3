//! What the documents print of the examples is what lies there, and the programs take it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use domain::name::{AgentName, BaseName, ExtensionName, ImageName};
use home::{Home, Roots};

use crate::root;

/// The documents that print whole files.
const DOCUMENTS: [&str; 3] = ["extensions.md", "custom-agents.md", "custom-base-images.md"];

/// The folders of which every file is printed, apart from what is said about a file of its own.
const PRINTED: [&str; 4] = ["agents/codex", "base-images", "extensions", "image-extended"];

/// Returns the files that a document prints, each as its path in the project and its text.
///
/// A printed file is a line with a link to it, an empty line, and a block of code.
fn printed(document: &str) -> Vec<(String, String)> {
    let blocks = document.split("\n[examples/").skip(1);
    let file = |block: &str| {
        let (path, rest) = block.split_once("](../examples/")?;
        let (target, rest) = rest.split_once(")\n\n```")?;
        assert_eq!(path, target);
        let (_, code) = rest.split_once('\n')?;
        Some((format!("examples/{path}"), code.split_once("```\n")?.0.to_owned()))
    };
    blocks.filter_map(file).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn printed_examples_are_the_files_that_lie_there() {
    let mut all = BTreeSet::new();
    for name in DOCUMENTS {
        let document = std::fs::read_to_string(root().join("docs").join(name)).unwrap();
        for (path, text) in printed(&document) {
            assert_eq!(std::fs::read_to_string(root().join(&path)).unwrap(), text, "{path} in docs/{name}");
            all.insert(path);
        }
    }
    let there = PRINTED.iter().flat_map(|folder| files(&root().join("examples").join(folder)));
    let there = there.map(|path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
    let unprinted: Vec<_> = there.filter(|path| !path.ends_with(".md") && !all.contains(path)).collect();
    assert!(unprinted.is_empty(), "{unprinted:?}");
}

#[test]
fn every_example_can_be_loaded() {
    let examples = root().join("examples");
    let home = Home::new(examples.join("no-home"), examples.clone());
    let roots = Roots::new(&home, None);
    let names = |folder: &str| {
        let entries = std::fs::read_dir(examples.join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    for name in names("agents") {
        home::load_agent(&roots, &AgentName::parse(&name).unwrap()).unwrap();
    }
    for name in names("base-images") {
        assert!(home::load_base(&roots, &BaseName::parse(&name).unwrap()).unwrap().is_some());
    }
    for name in names("extensions") {
        home::load_extension(&roots, &ExtensionName::parse(&name).unwrap()).unwrap();
    }
    for name in names("image-extended") {
        let choice = home::load_saved_image(&roots, &ImageName::parse(&name).unwrap()).unwrap().choice;
        home::load_agent(&roots, &choice.agent).unwrap();
        assert!(home::load_base(&roots, &choice.base).unwrap().is_some());
        for extension in &choice.extensions {
            home::load_extension(&roots, extension).unwrap();
        }
    }
}
