//! The log of one build or pull, a file that grows.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::error::{DiskError, failed};
use crate::layout::{Home, LogSubject};
use crate::replace::FILE_MODE;

/// How many builds or pulls of one image that start in the same second get a log each.
const SAME_SECOND_LIMIT: u32 = 1000;

/// The log of one build or pull. Every write goes straight to the file, so that what was written outlives a kill.
#[derive(Debug)]
pub struct BuildLog {
    file: File,
    path: PathBuf,
}

impl BuildLog {
    /// Makes the log of `subject` that starts at `at`.
    ///
    /// The file is this build's alone: a second start in the same second gets `…-2.log`.
    ///
    /// # Errors
    /// [`DiskError`] when the folder or the file cannot be made.
    pub fn begin(home: &Home, subject: LogSubject<'_>, at: Timestamp) -> Result<Self, DiskError> {
        let first = home.log(subject, at);
        let folder = first.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(failed("create folder", folder))?;
        let stem = first.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut path = first.clone();
        for count in 2..=SAME_SECOND_LIMIT {
            match open_new(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    path = first.with_file_name(format!("{stem}-{count}.log"));
                }
                result => {
                    return result.map(|file| Self { file, path: path.clone() }).map_err(failed("create", &path));
                }
            }
        }
        Err(failed("create", &first)(io::ErrorKind::AlreadyExists.into()))
    }

    /// Returns where the log is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn open_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).mode(FILE_MODE).open(path)
}

impl Write for BuildLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use domain::name::{AgentName, BaseName};

    use super::*;

    #[test]
    fn two_starts_in_one_second_do_not_share_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path().to_owned(), folder.path().join("custom"));
        let (agent, base) = (AgentName::parse("codex").unwrap(), BaseName::parse("a.b").unwrap());
        let at = "2026-11-21T07:00:00.5Z".parse().unwrap();
        let mut logs = [(); 3].map(|()| BuildLog::begin(&home, LogSubject::Final(&agent, &base), at).unwrap());
        for (number, log) in logs.iter_mut().enumerate() {
            writeln!(log, "{number}").unwrap();
            assert_eq!(fs::read_to_string(log.path()).unwrap(), format!("{number}\n"));
        }
        let names = logs.map(|log| home.relative(log.path()).display().to_string());
        insta::assert_snapshot!(names.join("\n"), @"
        logs/image/build/codex-a.b-20261121T070000Z.log
        logs/image/build/codex-a.b-20261121T070000Z-2.log
        logs/image/build/codex-a.b-20261121T070000Z-3.log
        ");
    }
}
