//! A folder with a Dockerfile: what is sent of it, and what is not.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::context::{Context, ContextError, ContextRules, Entry, EntryKind, digest_of_file};
use crate::ignore::IgnoreRules;

/// The largest Dockerfile or `.dockerignore`, in bytes. BuildKit carries both in messages of at most 4 MiB.
pub(crate) const DOCKERFILE_LIMIT_BYTES: u64 = 1024 * 1024;

/// What a folder's Dockerfile is called.
const DOCKERFILE: &str = "Dockerfile";

/// The files that say what is not part of a Dockerfile's context; the first that is there counts alone.
const IGNORE_FILES: [&str; 2] = ["Dockerfile.dockerignore", ".dockerignore"];

/// A folder with a Dockerfile, as a build of it sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerfileContext {
    /// All that its `.dockerignore` leaves.
    pub context: Context,
    /// The Dockerfile and the ignore files, also where these ignore themselves.
    pub dockerfile: Context,
}

impl DockerfileContext {
    /// Walks and hashes a folder, `leave_out` being names directly in it that are not sent.
    ///
    /// The patterns are applied here, not left to the engine, so that what is hashed is what a build can see.
    ///
    /// # Errors
    /// [`ContextError`] when there is no Dockerfile, when an ignore file cannot be understood, and at the first entry
    /// that is not ignored and cannot be read or sent.
    pub fn walk(root: &Path, leave_out: &[String]) -> Result<Self, ContextError> {
        let path = root.join(DOCKERFILE);
        let mut files = vec![small_file(root, DOCKERFILE)?.ok_or(ContextError::NoDockerfile { path })?];
        let mut ignore = None;
        for name in IGNORE_FILES {
            let Some(entry) = small_file(root, name)? else { continue };
            files.push(entry);
            if ignore.is_none() {
                let path = root.join(name);
                let text = match fs::read(&path) {
                    Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                    Err(source) => return Err(ContextError::Unreadable { path, source }),
                };
                ignore = Some(IgnoreRules::parse(&text).map_err(|source| ContextError::Ignore { path, source })?);
            }
        }
        let rules = ContextRules { leave_out: leave_out.to_vec(), ..ContextRules::default() };
        let context = Context::walk_without(root, &rules, &ignore.unwrap_or_default())?;
        Ok(Self { context, dockerfile: Context::of(root, files) })
    }
}

/// Returns a file directly in `root`, a link within it being what it leads to; nothing if there is none of that name.
fn small_file(root: &Path, name: &str) -> Result<Option<Entry>, ContextError> {
    let path = root.join(name);
    let unreadable = |source| ContextError::Unreadable { path: path.clone(), source };
    let real = match path.canonicalize() {
        Ok(real) => real,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    if !real.starts_with(root.canonicalize().map_err(unreadable)?) {
        return Err(ContextError::LinkLeavesFolder { path, target: real.display().to_string() });
    }
    let metadata = fs::metadata(&real).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(ContextError::NoDockerfile { path });
    }
    if metadata.len() > DOCKERFILE_LIMIT_BYTES {
        return Err(ContextError::DockerfileTooLarge { path });
    }
    let (size, digest) = digest_of_file(&real).map_err(unreadable)?;
    let mode = metadata.permissions().mode() & 0o7777;
    Ok(Some(Entry { path: name.to_owned(), mode, kind: EntryKind::File { size, digest, converted: false } }))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn paths(context: &Context) -> Vec<&str> {
        context.entries().iter().map(|entry| entry.path.as_str()).collect()
    }

    #[test]
    fn what_is_ignored_is_not_sent_and_folders_come_with_what_is_left_in_them() {
        let folder = folder(&[
            ("Dockerfile", "FROM scratch"),
            (".dockerignore", "*\n!a/b/keep\n!c\nc/d"),
            ("a/b/keep", ""),
            ("a/b/drop", ""),
            ("a/x", ""),
            ("c/d/e", ""),
            ("c/f.sh", "a\r\n"),
            ("empty/y", ""),
        ]);
        symlink("/etc/passwd", folder.path().join("a/link")).unwrap();
        let walked = DockerfileContext::walk(folder.path(), &[]).unwrap();
        assert_eq!(paths(&walked.context), ["a", "a/b", "a/b/keep", "c", "c/f.sh"]);
        assert!(
            matches!(walked.context.entries()[4].kind, EntryKind::File { size: 3, .. }),
            "scripts stay as they are"
        );
        assert_eq!(paths(&walked.dockerfile), [".dockerignore", "Dockerfile"]);
    }

    #[test]
    fn the_ignore_file_of_the_dockerfile_counts_alone_and_names_can_be_left_out() {
        let folder = folder(&[
            ("Dockerfile", "FROM scratch"),
            (".dockerignore", "a"),
            ("Dockerfile.dockerignore", "b"),
            ("a", ""),
            ("b", ""),
            ("c.yml", ""),
        ]);
        let walked = DockerfileContext::walk(folder.path(), &["c.yml".to_owned()]).unwrap();
        assert_eq!(paths(&walked.context), [".dockerignore", "Dockerfile", "Dockerfile.dockerignore", "a"]);
    }

    #[test]
    fn a_dockerfile_may_be_a_link_within_the_folder_but_not_out_of_it() {
        let inside = folder(&[("real", "FROM scratch")]);
        symlink("real", inside.path().join("Dockerfile")).unwrap();
        let walked = DockerfileContext::walk(inside.path(), &[]).unwrap();
        assert!(matches!(walked.dockerfile.entries()[0].kind, EntryKind::File { size: 12, .. }));

        let outside = folder(&[]);
        symlink(inside.path().join("real"), outside.path().join("Dockerfile")).unwrap();
        let error = DockerfileContext::walk(outside.path(), &[]).unwrap_err();
        assert!(matches!(error, ContextError::LinkLeavesFolder { .. }), "{error}");
    }

    #[test]
    fn what_cannot_be_a_dockerfile_is_refused_by_name() {
        let refused = |folder: &tempfile::TempDir| DockerfileContext::walk(folder.path(), &[]).unwrap_err();
        assert!(matches!(refused(&folder(&[])), ContextError::NoDockerfile { .. }));
        assert!(matches!(refused(&folder(&[("Dockerfile/x", "")])), ContextError::NoDockerfile { .. }));
        let ignore = folder(&[("Dockerfile", ""), (".dockerignore", "a\n[")]);
        assert!(matches!(refused(&ignore), ContextError::Ignore { source, .. } if source.0 == "["));
        let large = folder(&[("Dockerfile", "")]);
        fs::File::create(large.path().join("Dockerfile")).unwrap().set_len(DOCKERFILE_LIMIT_BYTES + 1).unwrap();
        assert!(matches!(refused(&large), ContextError::DockerfileTooLarge { .. }));
    }
}
