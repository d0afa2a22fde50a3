//! Replacing a file so that whoever reads it, at any moment, sees the old one whole or the new one whole.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{DiskError, failed};

/// The mode of a new file before the user's umask takes bits away.
pub(crate) const FILE_MODE: u32 = 0o644;

const TEMPORARY_SUFFIX: &str = ".tmp";

/// How much of a file's name its temporary files carry, in bytes: a name of 255 bytes leaves no room for more.
const PREFIX_LIMIT_BYTES: usize = 200;

/// How often a write is begun anew when its temporary file was taken for a leftover between creation and lock.
const ATTEMPTS: usize = 5;

/// Puts `bytes` in the place of the file at `path`, making its folder where needed.
///
/// A temporary file that a killed writer left behind for the same `path` is removed. Writers hold a lock on theirs,
/// which ends with their process, so the ones without a lock are the leftovers.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    let (folder, prefix) = place(path)?;
    remove_leftovers(folder, &prefix);
    attempt(|| {
        write(folder, &prefix, bytes, FILE_MODE)?.persist(path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    })
    .map_err(failed("write", path))
}

/// A file that is whole on the disk, beside the one whose place it is to take.
///
/// Taking the place needs no space any more, so whoever prepares before a change that cannot be undone knows that what is
/// to be written about it can be.
#[derive(Debug)]
pub struct Prepared {
    file: NamedTempFile,
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Prepared {
    /// Writes `bytes` beside the file at `path`, making its folder where needed.
    pub(crate) fn new(path: &Path, bytes: Vec<u8>) -> Result<Self, DiskError> {
        let (folder, prefix) = place(path)?;
        remove_leftovers(folder, &prefix);
        let file = attempt(|| write(folder, &prefix, &bytes, FILE_MODE)).map_err(failed("write", path))?;
        Ok(Self { file, path: path.to_owned(), bytes })
    }

    /// Puts the file in its place and returns its path.
    ///
    /// # Errors
    /// [`DiskError`] when it cannot; the file before is then still there.
    pub fn put(self) -> Result<PathBuf, DiskError> {
        let Self { file, path, bytes } = self;
        match file.persist(&path) {
            Ok(_) => {
                let folder = path.parent().unwrap_or(Path::new("."));
                File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("write", &path))?;
            }
            // Somebody took it for a leftover before it was locked.
            Err(error) if error.error.kind() == io::ErrorKind::NotFound => replace_file(&path, &bytes)?,
            Err(error) => return Err(failed("write", &path)(error.error)),
        }
        Ok(path)
    }
}

/// Makes the folder of `path`, and says how the names of its temporary files begin.
fn place(path: &Path) -> Result<(&Path, String), DiskError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed("create folder", folder))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let length = (0..=name.len().min(PREFIX_LIMIT_BYTES)).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
    Ok((folder, format!(".{}.", &name[..length])))
}

/// Puts `bytes` at `path`, making its folder where needed, if nothing is there; says whether nothing was.
pub(crate) fn create_file(path: &Path, bytes: &[u8]) -> Result<bool, DiskError> {
    create_file_with(path, bytes, FILE_MODE)
}

/// The same with a mode other than the usual one.
pub(crate) fn create_file_with(path: &Path, bytes: &[u8], mode: u32) -> Result<bool, DiskError> {
    let (folder, prefix) = place(path)?;
    remove_leftovers(folder, &prefix);
    attempt(|| match write(folder, &prefix, bytes, mode)?.persist_noclobber(path) {
        Ok(_) => File::open(folder)?.sync_all().map(|()| true),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error),
    })
    .map_err(failed("write", path))
}

/// Begins a write anew that fails because somebody took its temporary file for a leftover.
fn attempt<T>(write: impl Fn() -> io::Result<T>) -> io::Result<T> {
    for _ in 1..ATTEMPTS {
        match write() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => return result,
        }
    }
    write()
}

fn write(folder: &Path, prefix: &str, bytes: &[u8], mode: u32) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(prefix)
        .suffix(TEMPORARY_SUFFIX)
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder)?;
    // A file system without locks only loses the clearing of leftovers.
    let _ = file.as_file().try_lock();
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn remove_leftovers(folder: &Path, prefix: &str) {
    let is_temporary = |name: &OsStr| {
        let name = name.to_string_lossy();
        name.starts_with(prefix) && name.ends_with(TEMPORARY_SUFFIX)
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| is_temporary(&entry.file_name())) {
        let Ok(file) = File::open(entry.path()) else {
            continue;
        };
        match file.try_lock() {
            Ok(()) => drop(fs::remove_file(entry.path())),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/record.json");
        replace_file(&path, b"one").unwrap();
        replace_file(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o700, 0o600);
    }

    #[test]
    fn what_a_killed_writer_left_is_removed_and_what_a_living_one_writes_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.json");
        let [dead, living, other] =
            [".r.json.dead00.tmp", ".r.json.living.tmp", ".r.jsonx.other0.tmp"].map(|name| folder.path().join(name));
        for path in [&dead, &living, &other] {
            fs::write(path, "half").unwrap();
        }
        let writer = File::open(&living).unwrap();
        writer.lock().unwrap();
        replace_file(&path, b"whole").unwrap();
        assert!(!dead.exists() && living.exists() && other.exists());
    }

    #[test]
    fn what_is_prepared_takes_its_place_when_it_is_put_there_and_else_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/r");
        replace_file(&path, b"old").unwrap();
        let prepared = Prepared::new(&path, b"new".to_vec()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        drop(prepared);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        let prepared = Prepared::new(&path, b"new".to_vec()).unwrap();
        assert_eq!(prepared.put().unwrap(), path);
        assert_eq!(fs::read(&path).unwrap(), b"new");
        // It is there even if its file was taken for a leftover.
        let prepared = Prepared::new(&path, b"newer".to_vec()).unwrap();
        fs::remove_file(prepared.file.path()).unwrap();
        prepared.put().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"newer");
    }

    #[test]
    fn readers_see_one_whole_file_or_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r");
        let (long, short) = (vec![b'a'; 100_000], vec![b'b'; 10]);
        replace_file(&path, &long).unwrap();
        std::thread::scope(|scope| {
            for bytes in [&long, &short] {
                let path = &path;
                scope.spawn(move || (0..50).for_each(|_| replace_file(path, bytes).unwrap()));
            }
            for _ in 0..500 {
                let seen = fs::read(&path).unwrap();
                assert!(seen == long || seen == short);
            }
        });
    }

    #[test]
    fn the_longest_name_can_be_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ä".repeat(127));
        replace_file(&path, b"one").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
    }

    #[test]
    fn what_is_there_is_not_created() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        assert!(create_file(&path, b"one").unwrap());
        assert!(!create_file(&path, b"two").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_failure_names_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let in_the_way = folder.path().join("file");
        fs::write(&in_the_way, "").unwrap();
        let error = replace_file(&in_the_way.join("x/y"), b"").unwrap_err();
        assert_eq!(error.to_string(), format!("cannot create folder {}", in_the_way.join("x").display()));
    }
}
