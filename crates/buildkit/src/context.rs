//! The folder that a build sees: walked once, hashed and sent from the same list.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::dockerfile_context::DOCKERFILE_LIMIT_BYTES;
pub use crate::dockerfile_context::DockerfileContext;
use crate::ignore::{IgnoreRules, Matched, PatternError};

/// The most entries that a folder may have. BuildKit holds each in memory on both sides.
pub const ENTRY_LIMIT: usize = 200_000;

/// How deep folders may lie in each other. Each costs stack while they are walked, and nobody keeps so many.
pub const DEPTH_LIMIT: usize = 200;

/// How much of a file is read at once, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// The largest shell script whose line endings are converted, in bytes; it is held in memory whole.
const SCRIPT_LIMIT_BYTES: u64 = 16 * 1024 * 1024;

/// Which `*.sh` files get LF line endings and the executable bits on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RunnableScripts {
    /// None.
    #[default]
    None,
    /// Those directly in the folder.
    TopLevel,
    /// Those directly in this folder within it.
    Folder(String),
}

impl RunnableScripts {
    fn contain(&self, path: &str) -> bool {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let is_there = match self {
            Self::None => false,
            Self::TopLevel => folder.is_empty(),
            Self::Folder(scripts) => folder == scripts,
        };
        is_there && name.ends_with(".sh")
    }
}

/// What to do with a folder's entries on the way.
#[derive(Debug, Clone, Default)]
pub struct ContextRules {
    /// Names of entries directly in the folder that are left out.
    pub leave_out: Vec<String>,
    /// Which scripts are made runnable.
    pub runnable_scripts: RunnableScripts,
}

/// Says why a folder cannot be a build's context.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// Something could not be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The entry.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A symbolic link leads out of the folder, where its target would not be sent.
    #[error("symbolic link {path} leads out of its folder, to {target}")]
    LinkLeavesFolder {
        /// The link.
        path: PathBuf,
        /// Where it points.
        target: String,
    },
    /// A socket, a pipe or a device.
    #[error("{path} is neither a file, a folder nor a symbolic link")]
    SpecialFile {
        /// The entry.
        path: PathBuf,
    },
    /// A name that cannot be sent.
    #[error("the name of {path} is not UTF-8 text")]
    Name {
        /// The entry.
        path: PathBuf,
    },
    /// More than [`ENTRY_LIMIT`].
    #[error("{path} holds more than {ENTRY_LIMIT} entries")]
    TooMany {
        /// The folder.
        path: PathBuf,
    },
    /// Folders deeper in each other than [`DEPTH_LIMIT`].
    #[error("{root} holds folders that lie more than {DEPTH_LIMIT} deep in each other, at {top}/…")]
    TooDeep {
        /// The folder.
        root: PathBuf,
        /// The outermost of them.
        top: String,
    },
    /// There is no Dockerfile where one is needed.
    #[error("{path} is not a file")]
    NoDockerfile {
        /// Where it should be.
        path: PathBuf,
    },
    /// A Dockerfile or a `.dockerignore` that is none by its size.
    #[error("{path} is larger than {} MiB", DOCKERFILE_LIMIT_BYTES / 1024 / 1024)]
    DockerfileTooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A `.dockerignore` with a pattern that is none.
    #[error("cannot understand {path}")]
    Ignore {
        /// The file.
        path: PathBuf,
        /// The pattern.
        source: PatternError,
    },
    /// A script over the limit within which line endings are converted.
    #[error("script {path} is larger than {} MiB", SCRIPT_LIMIT_BYTES / 1024 / 1024)]
    ScriptTooLarge {
        /// The script.
        path: PathBuf,
    },
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A folder.
    Directory,
    /// A regular file.
    File {
        /// The bytes to be sent.
        size: u64,
        /// The SHA-256 of the bytes to be sent.
        digest: [u8; 32],
        /// Whether line endings are converted on the way.
        converted: bool,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points.
        target: String,
    },
}

/// One entry of a context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path within the folder, parts joined by `/`.
    pub path: String,
    /// The permission bits that are sent.
    pub mode: u32,
    /// What it is.
    pub kind: EntryKind,
}

/// A folder as it is sent: every entry, depth first, names within a folder in byte order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    root: PathBuf,
    entries: Vec<Entry>,
}

impl Context {
    /// Walks and hashes a folder.
    ///
    /// # Errors
    /// [`ContextError`] at the first entry that cannot be read or sent.
    pub fn walk(root: &Path, rules: &ContextRules) -> Result<Self, ContextError> {
        Self::walk_without(root, rules, &IgnoreRules::default())
    }

    /// Walks and hashes what `ignore` leaves of a folder.
    pub(crate) fn walk_without(root: &Path, rules: &ContextRules, ignore: &IgnoreRules) -> Result<Self, ContextError> {
        let mut context = Self { root: root.to_owned(), entries: Vec::new() };
        let walk = Walk { rules, ignore };
        context.walk_folder("", &walk, &Matched::new(), &mut Vec::new())?;
        Ok(context)
    }

    /// Makes a context of some entries of a folder.
    pub(crate) fn of(root: &Path, mut entries: Vec<Entry>) -> Self {
        entries.sort_unstable_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
        Self { root: root.to_owned(), entries }
    }

    /// Returns the entries in the order in which they are sent.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Reads what is to be sent of a file, in pieces, and gives each to `take`; ends early when `take` says `false`.
    ///
    /// Returns whether the bytes were those that [`Context::walk`] saw.
    pub(crate) fn read(&self, entry: &Entry, mut take: impl FnMut(Vec<u8>) -> bool) -> io::Result<bool> {
        let EntryKind::File { digest, converted, .. } = entry.kind else {
            return Err(io::Error::other("not a file"));
        };
        let mut file = fs::File::open(self.root.join(&entry.path))?;
        let mut hash = Sha256::new();
        if converted {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let bytes = with_line_feeds(&bytes);
            hash.update(&bytes);
            for piece in bytes.chunks(CHUNK_BYTES) {
                if !take(piece.to_vec()) {
                    return Ok(true);
                }
            }
        } else {
            loop {
                let mut piece = vec![0; CHUNK_BYTES];
                let length = file.read(&mut piece)?;
                if length == 0 {
                    break;
                }
                piece.truncate(length);
                hash.update(&piece);
                if !take(piece) {
                    return Ok(true);
                }
            }
        }
        Ok(<[u8; 32]>::from(hash.finalize()) == digest)
    }

    /// Adds what is in `folder`. `held` are the ignored folders above, which come in with the first entry that does.
    fn walk_folder(
        &mut self,
        folder: &str,
        walk: &Walk<'_>,
        matched: &Matched,
        held: &mut Vec<Entry>,
    ) -> Result<(), ContextError> {
        if folder.split('/').count() > DEPTH_LIMIT {
            let top = folder.split('/').next().unwrap_or_default().to_owned();
            return Err(ContextError::TooDeep { root: self.root.clone(), top });
        }
        let path = self.root.join(folder);
        let unreadable = |source| ContextError::Unreadable { path: path.clone(), source };
        let mut names = Vec::new();
        for entry in fs::read_dir(&path).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            let name = name.into_string().map_err(|name| ContextError::Name { path: path.join(name) })?;
            names.push(name);
        }
        // The receiver takes an unsorted listing for a broken one and ends the build.
        names.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        for name in names {
            if folder.is_empty() && walk.rules.leave_out.contains(&name) {
                continue;
            }
            let inner = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            let (ignored, matched) = walk.ignore.ignore(&inner, matched);
            if ignored && !(walk.ignore.have_exceptions() && self.is_folder(&inner)?) {
                continue;
            }
            let entry = self.entry(inner, walk.rules)?;
            let below = (entry.kind == EntryKind::Directory).then(|| entry.path.clone());
            let outside = held.len();
            held.push(entry);
            if !ignored {
                self.entries.append(held);
                if self.entries.len() > ENTRY_LIMIT {
                    return Err(ContextError::TooMany { path: self.root.clone() });
                }
            }
            if let Some(below) = below {
                self.walk_folder(&below, walk, &matched, held)?;
            }
            held.truncate(outside);
        }
        Ok(())
    }

    fn is_folder(&self, inner: &str) -> Result<bool, ContextError> {
        let path = self.root.join(inner);
        match fs::symlink_metadata(&path) {
            Ok(metadata) => Ok(metadata.is_dir()),
            Err(source) => Err(ContextError::Unreadable { path, source }),
        }
    }

    fn entry(&self, inner: String, rules: &ContextRules) -> Result<Entry, ContextError> {
        let path = self.root.join(&inner);
        let unreadable = |source| ContextError::Unreadable { path: path.clone(), source };
        let metadata = fs::symlink_metadata(&path).map_err(unreadable)?;
        let mut mode = metadata.permissions().mode() & 0o7777;
        let kind = if metadata.is_dir() {
            EntryKind::Directory
        } else if metadata.is_file() {
            let converted = rules.runnable_scripts.contain(&inner);
            if converted {
                mode |= 0o111;
            }
            let (size, digest) = if converted {
                if metadata.len() > SCRIPT_LIMIT_BYTES {
                    return Err(ContextError::ScriptTooLarge { path });
                }
                let bytes = with_line_feeds(&fs::read(&path).map_err(unreadable)?);
                (bytes.len() as u64, Sha256::digest(&bytes).into())
            } else {
                digest_of_file(&path).map_err(unreadable)?
            };
            EntryKind::File { size, digest, converted }
        } else if metadata.is_symlink() {
            let target = fs::read_link(&path).map_err(unreadable)?;
            let target =
                target.into_os_string().into_string().map_err(|_| ContextError::Name { path: path.clone() })?;
            if leaves_folder(&inner, &target) {
                return Err(ContextError::LinkLeavesFolder { path, target });
            }
            // The permission bits of a link mean nothing and differ between systems.
            mode = 0o777;
            EntryKind::Symlink { target }
        } else {
            return Err(ContextError::SpecialFile { path });
        };
        Ok(Entry { path: inner, mode, kind })
    }
}

/// What holds for every folder of a walk.
struct Walk<'a> {
    rules: &'a ContextRules,
    ignore: &'a IgnoreRules,
}

/// Returns the size and the SHA-256 of a file.
pub(crate) fn digest_of_file(path: &Path) -> io::Result<(u64, [u8; 32])> {
    let mut file = fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; CHUNK_BYTES];
    let mut size = 0;
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            return Ok((size, hash.finalize().into()));
        }
        hash.update(&piece[..length]);
        size += length as u64;
    }
}

/// Takes the carriage return from the end of every line.
fn with_line_feeds(bytes: &[u8]) -> Vec<u8> {
    let mut converted = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        let ends_line = byte == b'\r' && rest.peek().is_none_or(|next| *next == b'\n');
        if !ends_line {
            converted.push(byte);
        }
    }
    converted
}

/// Says whether a link at `path` points outside the folder, by the text of both alone.
fn leaves_folder(path: &str, target: &str) -> bool {
    if target.starts_with('/') {
        return true;
    }
    let mut depth = path.matches('/').count();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;

    use super::*;

    fn rules() -> ContextRules {
        ContextRules { leave_out: vec!["agent.yml".to_owned()], runnable_scripts: RunnableScripts::TopLevel }
    }

    fn listing(context: &Context) -> String {
        let line = |entry: &Entry| match &entry.kind {
            EntryKind::Directory => format!("{:o} {}/\n", entry.mode, entry.path),
            EntryKind::File { size, .. } => format!("{:o} {} {size}\n", entry.mode, entry.path),
            EntryKind::Symlink { target } => {
                format!("{:o} {} -> {target}\n", entry.mode, entry.path)
            }
        };
        context.entries.iter().map(line).collect()
    }

    fn write(folder: &Path, path: &str, bytes: &str, mode: u32) {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn folders_that_lie_too_deep_are_refused_with_the_outermost() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &format!("{}file", "d/".repeat(DEPTH_LIMIT - 1)), "", 0o644);
        assert_eq!(Context::walk(folder.path(), &rules()).unwrap().entries().len(), DEPTH_LIMIT);
        write(folder.path(), &format!("{}file", "d/".repeat(1500)), "", 0o644);
        let error = Context::walk(folder.path(), &rules()).unwrap_err();
        assert!(matches!(error, ContextError::TooDeep { ref top, .. } if top == "d"), "{error}");
    }

    #[test]
    fn entries_come_depth_first_in_byte_order_with_runnable_scripts() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write(folder, "install.sh", "a\r\nb\r\n", 0o644);
        write(folder, "agent.yml", "x", 0o644);
        write(folder, "a/z.sh", "a\r\n", 0o600);
        write(folder, "a.txt", "x\r\n", 0o640);
        write(folder, "a-b", "", 0o755);
        write(folder, "ä", "", 0o644);
        symlink("a/z.sh", folder.join("link")).unwrap();
        fs::set_permissions(folder.join("a"), fs::Permissions::from_mode(0o755)).unwrap();
        let context = Context::walk(folder, &rules()).unwrap();
        insta::assert_snapshot!(listing(&context), @"
        755 a/
        600 a/z.sh 3
        755 a-b 0
        640 a.txt 3
        755 install.sh 4
        777 link -> a/z.sh
        644 ä 0
        ");
    }

    #[test]
    fn scripts_of_a_folder_within_are_made_runnable_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for path in ["top.sh", "scripts/a.sh", "scripts/lib/b.sh"] {
            write(folder, path, "a\r\n", 0o644);
        }
        let runnable_scripts = RunnableScripts::Folder("scripts".to_owned());
        let context = Context::walk(folder, &ContextRules { runnable_scripts, ..ContextRules::default() }).unwrap();
        let converted = |entry: &&Entry| matches!(entry.kind, EntryKind::File { converted: true, .. });
        let found: Vec<_> = context.entries.iter().filter(converted).map(|entry| (&*entry.path, entry.mode)).collect();
        assert_eq!(found, [("scripts/a.sh", 0o755)]);
    }

    #[test]
    fn a_link_out_of_the_folder_is_refused_by_name() {
        for (path, target) in [("l", "../x"), ("l", "/etc/passwd"), ("d/l", "../../x"), ("l", "d/../../x")] {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("d")).unwrap();
            symlink(target, folder.path().join(path)).unwrap();
            let error = Context::walk(folder.path(), &rules()).unwrap_err();
            assert!(
                matches!(&error, ContextError::LinkLeavesFolder { target: found, .. } if found == target),
                "{error}"
            );
        }
        assert!(!leaves_folder("d/l", "../x"));
    }

    #[test]
    fn a_name_that_is_no_text_is_refused_by_name() {
        use std::os::unix::ffi::OsStrExt as _;
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(std::ffi::OsStr::from_bytes(b"a\xff")), "").unwrap();
        let error = Context::walk(folder.path(), &rules()).unwrap_err();
        assert!(matches!(&error, ContextError::Name { path } if path.starts_with(folder.path())), "{error}");
    }

    #[test]
    fn a_pipe_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        assert!(matches!(Context::walk(folder.path(), &rules()), Err(ContextError::SpecialFile { .. })));
    }

    #[test]
    fn what_is_read_later_is_held_against_what_was_walked() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "file", "one", 0o644);
        let context = Context::walk(folder.path(), &rules()).unwrap();
        assert!(context.read(&context.entries[0], |_| true).unwrap());
        write(folder.path(), "file", "two", 0o644);
        assert!(!context.read(&context.entries[0], |_| true).unwrap());
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_path_parts(names in prop::collection::btree_set("[a-c.!/~-]{1,6}", 1..12)) {
            let folder = tempfile::tempdir().unwrap();
            for name in &names {
                let clean = name.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect::<Vec<_>>().join("/");
                let path = folder.path().join(&clean);
                let parent = path.parent().unwrap_or(folder.path());
                if !clean.is_empty() && fs::create_dir_all(parent).is_ok() && !path.exists() {
                    let _ = fs::write(path, "");
                }
            }
            let context = Context::walk(folder.path(), &rules()).unwrap();
            let parts: Vec<Vec<&str>> = context.entries.iter().map(|entry| entry.path.split('/').collect()).collect();
            prop_assert!(parts.is_sorted());
        }

        #[test]
        fn only_the_carriage_returns_before_line_ends_go(bytes in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'a')], 0..40)) {
            let text = String::from_utf8(bytes.clone()).unwrap();
            let lines: Vec<&str> = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
            prop_assert_eq!(with_line_feeds(&bytes), lines.join("\n").into_bytes());
        }
    }
}
