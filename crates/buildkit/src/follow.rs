//! Which entries of a folder the engine asks for when it wants only some paths.

use std::collections::{BTreeSet, HashMap};

use crate::context::{Entry, EntryKind};

/// How many links are followed for one path, as Linux does.
const LINK_LIMIT: usize = 40;

/// Returns the numbers of the entries at and below `paths`, with all folders above them and all links on the way.
///
/// A path with a pattern in it may mean anything, so it selects everything; the engine takes more than it asked for.
pub(crate) fn select(entries: &[Entry], paths: &[String]) -> Vec<u32> {
    let everything = || (0..u32::try_from(entries.len()).unwrap_or(u32::MAX)).collect();
    if paths.is_empty() || paths.iter().any(|path| path.contains(['*', '?', '[', '\\'])) {
        return everything();
    }
    let numbers: HashMap<&str, usize> =
        entries.iter().enumerate().map(|(number, entry)| (entry.path.as_str(), number)).collect();
    let mut selected = BTreeSet::new();
    for path in paths {
        let mut done: Vec<&str> = Vec::new();
        let mut rest: Vec<&str> = path.split('/').rev().collect();
        let mut links = 0;
        let mut last = None;
        while let Some(part) = rest.pop() {
            match part {
                "" | "." => continue,
                ".." => {
                    done.pop();
                    last = numbers.get(done.join("/").as_str()).copied();
                    continue;
                }
                part => done.push(part),
            }
            last = numbers.get(done.join("/").as_str()).copied();
            let Some(number) = last else { break };
            selected.insert(number);
            if let EntryKind::Symlink { target } = &entries[number].kind {
                links += 1;
                if links > LINK_LIMIT {
                    break;
                }
                done.pop();
                rest.extend(target.split('/').rev());
            }
        }
        if done.is_empty() {
            return everything();
        }
        if let Some(number) = last {
            // Depth first, so what is below a folder follows it.
            let below = format!("{}/", entries[number].path);
            selected.extend((number + 1..entries.len()).take_while(|next| entries[*next].path.starts_with(&below)));
        }
    }
    selected.into_iter().filter_map(|number| u32::try_from(number).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        let entry = |path: &str, kind| Entry { path: path.to_owned(), mode: 0o755, kind };
        let file = || EntryKind::File { size: 0, digest: [0; 32], converted: false };
        let link = |target: &str| EntryKind::Symlink { target: target.to_owned() };
        vec![
            entry("a", EntryKind::Directory),
            entry("a/b", EntryKind::Directory),
            entry("a/b/c", file()),
            entry("a/link", link("../d")),
            entry("a/up", link("..")),
            entry("a-x", file()),
            entry("d", EntryKind::Directory),
            entry("d/e", file()),
            entry("d/f", EntryKind::Directory),
            entry("d/f/up", link("..")),
            entry("loop", link("loop")),
        ]
    }

    fn selected(paths: &[&str]) -> Vec<String> {
        let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
        let entries = entries();
        select(&entries, &paths).into_iter().map(|number| entries[number as usize].path.clone()).collect()
    }

    #[test]
    fn what_is_asked_for_comes_with_its_folders_its_links_and_what_is_in_it() {
        assert_eq!(selected(&["a/b"]), ["a", "a/b", "a/b/c"]);
        assert_eq!(selected(&["/a-x", "nothing"]), ["a-x"]);
        assert_eq!(selected(&["a/link/e"]), ["a", "a/link", "d", "d/e"]);
        assert_eq!(selected(&["a/link"]), ["a", "a/link", "d", "d/e", "d/f", "d/f/up"]);
        assert_eq!(selected(&["d/f/up"]), ["d", "d/e", "d/f", "d/f/up"]);
        assert_eq!(selected(&["a/b/.."]), ["a", "a/b", "a/b/c", "a/link", "a/up"]);
        assert_eq!(selected(&["loop"]), ["loop"]);
        assert!(selected(&["nothing"]).is_empty());
    }

    #[test]
    fn everything_is_sent_where_it_cannot_be_told() {
        for paths in [&[][..], &["a/*"], &["."], &["/"], &["a/.."], &["a/up"]] {
            assert_eq!(selected(paths).len(), entries().len(), "{paths:?}");
        }
    }
}
