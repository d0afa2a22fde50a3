//! Documents lead to each other, and to files that exist.

use crate::tree::{File, assert_none, files, root};

/// Returns the targets of the links in a Markdown text that lead to files.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let targets = targets.map(|target| target.split(['#', ' ']).next().unwrap_or_default());
    targets.filter(|target| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
}

fn documents() -> Vec<File> {
    let is_ours = |path: &str| path.ends_with(".md") && (!path.contains('/') || path.starts_with("docs/"));
    files("").into_iter().filter(|file| is_ours(&file.path)).collect()
}

#[test]
fn every_link_leads_to_a_file() {
    let mut broken = Vec::new();
    for document in documents() {
        let folder = root().join(&document.path);
        let folder = folder.parent().expect("a file lies in a folder");
        let dead = links(&document.text).filter(|target| !folder.join(target).exists());
        broken.extend(dead.map(|target| format!("{}: {target}", document.path)));
    }
    assert_none("links that lead nowhere", &broken);
}

#[test]
fn the_readme_leads_to_every_document() {
    let documents = documents();
    let readme = documents.iter().find(|file| file.path == "README.md").expect("the project has a README.md");
    let linked: Vec<_> = links(&readme.text).collect();
    let unlinked = documents.iter().map(|file| file.path.as_str()).filter(|path| *path != "README.md");
    let unlinked = unlinked.filter(|path| !linked.contains(path)).map(str::to_owned).collect::<Vec<_>>();
    assert_none("documents that README.md does not lead to", &unlinked);
}

#[test]
fn links_are_found_where_they_stand() {
    let text = "[a](docs/a.md) and ![b](b.png \"title\"), [c](https://example.org/c.md), [d](#d) [e](docs/e.md#part)";
    assert_eq!(links(text).collect::<Vec<_>>(), ["docs/a.md", "b.png", "docs/e.md"]);
}
