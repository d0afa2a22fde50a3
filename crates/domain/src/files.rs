//! The files of a definition as a build sees them, and how two sets of them differ.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Framed};

/// What one entry of a definition folder is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum FileKind {
    /// A folder.
    Directory,
    /// A regular file, with the digest of the bytes that are sent.
    File {
        /// The digest of the bytes as they are sent, line endings already converted.
        digest: Digest,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points, as stored in the link.
        target: String,
    },
}

/// One entry of a definition folder as it is sent to the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// The path within the folder, parts joined by `/`.
    pub path: String,
    /// The permission bits that are sent.
    pub mode: u32,
    /// What it is.
    #[serde(flatten)]
    pub kind: FileKind,
}

/// Every entry of a definition folder, in the order in which it is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileSet(pub Vec<FileEntry>);

/// How one file differs between two sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileChange {
    /// Only the newer set has it.
    Added,
    /// Only the older set has it.
    Removed,
    /// The bytes, the link's target or the kind differ.
    Content,
    /// Only the permission bits differ.
    Mode,
}

impl FileSet {
    /// Returns one digest over paths, kinds, modes and contents.
    pub fn digest(&self) -> Digest {
        self.0
            .iter()
            .fold(Framed::new("files"), |framed, entry| {
                let framed = framed.field(&entry.path).field(entry.mode.to_le_bytes());
                match &entry.kind {
                    FileKind::Directory => framed.field("directory"),
                    FileKind::File { digest } => framed.field("file").field(digest.to_string()),
                    FileKind::Symlink { target } => framed.field("symlink").field(target),
                }
            })
            .finish()
    }

    /// Returns the entries that differ from `older`, ordered by path.
    pub(crate) fn changes_since(&self, older: &Self) -> Vec<(String, FileChange)> {
        let by_path = |set: &Self| -> BTreeMap<String, FileEntry> {
            set.0.iter().map(|entry| (entry.path.clone(), entry.clone())).collect()
        };
        let (new, old) = (by_path(self), by_path(older));
        let mut changes: Vec<_> = new
            .values()
            .filter_map(|entry| {
                let change = match old.get(&entry.path) {
                    None => FileChange::Added,
                    Some(before) if before.kind != entry.kind => FileChange::Content,
                    Some(before) if before.mode != entry.mode => FileChange::Mode,
                    Some(_) => return None,
                };
                Some((entry.path.clone(), change))
            })
            .collect();
        let removed = old.keys().filter(|path| !new.contains_key(*path));
        changes.extend(removed.map(|path| (path.clone(), FileChange::Removed)));
        changes.sort_by(|a, b| a.0.cmp(&b.0));
        changes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(path: &str, mode: u32, kind: FileKind) -> FileEntry {
        FileEntry { path: path.to_owned(), mode, kind }
    }

    fn file(path: &str, mode: u32, content: &str) -> FileEntry {
        entry(path, mode, FileKind::File { digest: Digest::of(content.as_bytes()) })
    }

    fn link(path: &str, target: &str) -> FileEntry {
        entry(path, 0o777, FileKind::Symlink { target: target.to_owned() })
    }

    #[test]
    fn each_kind_of_change_is_told() {
        let old = FileSet(vec![
            file("bytes", 0o755, "old"),
            file("gone", 0o755, ""),
            file("kind", 0o755, ""),
            link("link", "here"),
            file("mode", 0o755, ""),
            file("same", 0o755, ""),
        ]);
        let new = FileSet(vec![
            file("bytes", 0o755, "new"),
            entry("kind", 0o755, FileKind::Directory),
            link("link", "there"),
            file("mode", 0o644, ""),
            file("new", 0o755, ""),
            file("same", 0o755, ""),
        ]);
        let told: String =
            new.changes_since(&old).iter().map(|(path, change)| format!("{path}: {change:?}\n")).collect();
        insta::assert_snapshot!(told, @"
        bytes: Content
        gone: Removed
        kind: Content
        link: Content
        mode: Mode
        new: Added
        ");
    }

    #[test]
    fn changed_bytes_hide_a_changed_mode() {
        let (old, new) = (FileSet(vec![file("a", 0o755, "old")]), FileSet(vec![file("a", 0o644, "new")]));
        assert_eq!(new.changes_since(&old), [("a".to_owned(), FileChange::Content)]);
    }

    #[test]
    fn kinds_of_the_same_text_differ() {
        let text = Digest::of(b"x").to_string();
        let kinds =
            [FileKind::Directory, FileKind::File { digest: Digest::of(b"x") }, FileKind::Symlink { target: text }];
        let digests = kinds.map(|kind| FileSet(vec![entry("a", 0o755, kind)]).digest());
        assert!(digests[0] != digests[1] && digests[1] != digests[2] && digests[0] != digests[2]);
    }

    #[test]
    fn a_record_holds_one_flat_entry_per_file() {
        let files = FileSet(vec![link("a", "b"), file("b", 0o755, "")]);
        let text = serde_json::to_string(&files).unwrap();
        insta::assert_snapshot!(text, @r#"[{"path":"a","mode":511,"kind":"symlink","target":"b"},{"path":"b","mode":493,"kind":"file","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}]"#);
        assert_eq!(serde_json::from_str::<FileSet>(&text).unwrap(), files);
    }

    fn any_files() -> impl Strategy<Value = FileSet> {
        let kind = prop_oneof![
            Just(FileKind::Directory),
            "[ab]".prop_map(|text| FileKind::File { digest: Digest::of(text.as_bytes()) }),
            "[ab]".prop_map(|target| FileKind::Symlink { target }),
        ];
        let entries = prop::collection::btree_map("[ab]{1,2}", (prop_oneof![Just(0o644u32), Just(0o755)], kind), 0..4);
        entries.prop_map(|entries| {
            FileSet(entries.into_iter().map(|(path, (mode, kind))| FileEntry { path, mode, kind }).collect())
        })
    }

    proptest! {
        #[test]
        fn sets_have_one_digest_exactly_when_nothing_changed(one in any_files(), two in any_files()) {
            prop_assert_eq!(one.digest() == two.digest(), one.changes_since(&two).is_empty());
            prop_assert_eq!(one == two, one.digest() == two.digest());
            prop_assert_eq!(one.changes_since(&two).len(), two.changes_since(&one).len());
        }
    }
}
