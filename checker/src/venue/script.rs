//! A definition's script as bash can read it.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// The largest script that is run, in bytes. Real ones have some hundred.
const SCRIPT_LIMIT_BYTES: u64 = 1024 * 1024;

/// A script that ends its lines as bash needs them.
#[derive(Debug)]
pub(super) enum Script {
    /// The definition's own file.
    Original(PathBuf),
    /// A copy without carriage returns, which goes when this does.
    Converted(NamedTempFile),
}

/// Says why a script cannot be run.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScriptError {
    #[error("there is no {}", .0.display())]
    Missing(PathBuf),
    #[error("{} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    #[error("{} is larger than {SCRIPT_LIMIT_BYTES} bytes", .0.display())]
    TooLarge(PathBuf),
    #[error("cannot read {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("cannot write a copy of {} without carriage returns", path.display())]
    Copy { path: PathBuf, source: io::Error },
}

impl Script {
    /// Makes the script at `path` ready to be run; the definition's folder itself is never written to.
    pub(super) fn prepare(path: &Path) -> Result<Self, ScriptError> {
        // An absolute path survives both the change of folder and a `cd` within the script.
        let path = std::path::absolute(path).map_err(|source| unreadable(path, source))?;
        let text = text(&path)?;
        match without_carriage_returns(&text) {
            None => Ok(Self::Original(path)),
            Some(text) => copy(&text).map(Self::Converted).map_err(|source| ScriptError::Copy { path, source }),
        }
    }

    /// Returns the file to hand to bash.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Original(path) => path,
            Self::Converted(file) => file.path(),
        }
    }
}

/// Reads the script at `path` whole.
pub(super) fn text(path: &Path) -> Result<Vec<u8>, ScriptError> {
    let failed = |source| unreadable(path, source);
    // Asked before opening, because opening a named pipe waits for its other end.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(ScriptError::NotAFile(path.to_owned()));
    }
    let mut text = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(SCRIPT_LIMIT_BYTES + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > SCRIPT_LIMIT_BYTES {
        return Err(ScriptError::TooLarge(path.to_owned()));
    }
    Ok(text)
}

fn unreadable(path: &Path, source: io::Error) -> ScriptError {
    match source.kind() {
        io::ErrorKind::NotFound => ScriptError::Missing(path.to_owned()),
        _ => ScriptError::Unreadable { path: path.to_owned(), source },
    }
}

fn copy(text: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix("aicage-").suffix("-version.sh").tempfile()?;
    file.write_all(text)?;
    Ok(file)
}

/// Removes one carriage return at the end of each line; `None` when there is none to remove.
pub(super) fn without_carriage_returns(text: &[u8]) -> Option<Vec<u8>> {
    let lines = text.split(|byte| *byte == b'\n');
    let stripped: Vec<_> = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
    let stripped = stripped.join(&b'\n');
    (stripped.len() < text.len()).then_some(stripped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ends_of_lines_lose_a_carriage_return() {
        assert_eq!(without_carriage_returns(b"a\r\nb\rc\n\r\r\nd\r").unwrap(), b"a\nb\rc\n\r\nd");
        assert_eq!(without_carriage_returns(b"a\rb\n"), None);
        assert_eq!(without_carriage_returns(b""), None);
    }
}
