//! A lock that ends with its holder, however the holder ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::error::{DiskError, failed};
use crate::replace::FILE_MODE;

/// More than any process id needs, in bytes.
const HOLDER_LIMIT_BYTES: u64 = 32;

/// An exclusive lock on a file, held until it is dropped or the process ends.
///
/// The file stays when the lock is released: removing it would let one process lock the removed file and another a
/// new one of the same name, both at once.
#[derive(Debug)]
pub struct Lock {
    file: File,
    was_abandoned: bool,
}

impl Lock {
    /// Takes the lock if nobody holds it; `None` when somebody does. Makes the file where needed.
    ///
    /// # Errors
    /// [`DiskError`] when the file cannot be made or the file system has no locks.
    pub fn try_acquire(path: &Path) -> Result<Option<Self>, DiskError> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => Self::held(file, path).map(Some),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed("lock", path)(error)),
        }
    }

    fn held(mut file: File, path: &Path) -> Result<Self, DiskError> {
        let note = format!("{}\n", std::process::id());
        let was_abandoned = file.metadata().map_err(failed("read", path))?.len() > 0;
        file.set_len(0).and_then(|()| file.write_all(note.as_bytes())).map_err(failed("write", path))?;
        Ok(Self { file, was_abandoned })
    }

    /// Says whether the holder before ended without letting go, as one that was killed.
    pub fn was_abandoned(&self) -> bool {
        self.was_abandoned
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Only so that nobody is told of a holder who is gone; the lock itself goes with the file handle.
        let _ = self.file.set_len(0);
    }
}

/// Returns the process id that the holder of the lock at `path` wrote down, for telling a person whom one waits for.
///
/// It means something only while the lock is held, and only among processes that share their ids: a holder in a
/// container has another id there.
pub fn holder(path: &Path) -> Option<u32> {
    let mut text = String::new();
    File::open(path).ok()?.take(HOLDER_LIMIT_BYTES).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn open(path: &Path) -> Result<File, DiskError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed("create folder", folder))?;
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .open(path)
        .map_err(failed("open", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_and_the_others_know_who() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock/x.lock");
        assert_eq!(holder(&path), None);
        let first = Lock::try_acquire(&path).unwrap().unwrap();
        assert!(Lock::try_acquire(&path).unwrap().is_none());
        assert_eq!(holder(&path), Some(std::process::id()));
        drop(first);
        assert_eq!(holder(&path), None);
        assert!(path.exists());
        assert!(!Lock::try_acquire(&path).unwrap().unwrap().was_abandoned());
    }

    #[test]
    fn who_was_killed_leaves_word_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        // What the kernel does to a killed holder: the lock goes, what it wrote stays.
        fs::write(&path, "4711\n").unwrap();
        assert!(Lock::try_acquire(&path).unwrap().unwrap().was_abandoned());
        assert!(!Lock::try_acquire(&path).unwrap().unwrap().was_abandoned());
    }

    #[test]
    fn a_note_longer_than_the_next_one_is_not_mixed_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        fs::write(&path, "123456789012345\n").unwrap();
        let _lock = Lock::try_acquire(&path).unwrap().unwrap();
        assert_eq!(holder(&path), Some(std::process::id()));
    }
}
