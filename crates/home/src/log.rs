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
    /// What is written when nobody has said that the log is at its end.
    cut_short: Option<String>,
    /// Whether the last line has no end yet.
    is_open: bool,
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
                    return result
                        .map(|file| Self { file, path: path.clone(), cut_short: None, is_open: false })
                        .map_err(failed("create", &path));
                }
            }
        }
        Err(failed("create", &first)(io::ErrorKind::AlreadyExists.into()))
    }

    /// Has the log end with this line when it is dropped in the middle, as an interrupt does, and not by
    /// [`BuildLog::end`].
    pub fn cut_short_with(&mut self, line: impl Into<String>) {
        self.cut_short = Some(line.into());
    }

    /// Ends the log: all is written.
    pub fn end(mut self) {
        self.cut_short = None;
    }

    /// Returns where the log is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn open_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).mode(FILE_MODE).open(path)
}

impl Drop for BuildLog {
    fn drop(&mut self) {
        if let Some(line) = self.cut_short.take() {
            // A log that cannot be written to is nobody's failure at this moment.
            let end = if self.is_open { "\n" } else { "" };
            let _ = writeln!(self.file, "{end}{line}");
        }
    }
}

impl Write for BuildLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.is_open = bytes[..written].last().map_or(self.is_open, |last| *last != b'\n');
        Ok(written)
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
    fn a_log_that_is_cut_short_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path().to_owned(), folder.path().join("custom"));
        let (agent, base) = (AgentName::parse("codex").unwrap(), BaseName::parse("a").unwrap());
        let begin = || {
            let mut log = BuildLog::begin(&home, LogSubject::Final(&agent, &base), Timestamp::UNIX_EPOCH).unwrap();
            log.cut_short_with("# interrupted");
            writeln!(log, "a step").unwrap();
            (log.path().to_owned(), log)
        };
        let (path, log) = begin();
        log.end();
        assert_eq!(fs::read_to_string(path).unwrap(), "a step\n");
        let (path, mut log) = begin();
        write!(log, "a line that").unwrap();
        drop(log);
        assert_eq!(fs::read_to_string(path).unwrap(), "a step\na line that\n# interrupted\n");
    }

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
