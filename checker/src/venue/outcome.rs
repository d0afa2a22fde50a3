//! How a script ended, wherever it ran, and whether what it printed is a version.

use std::time::Duration;

use domain::version::{AgentVersion, VersionError};

use super::excerpt::Excerpt;
use console::masking::Hidden;

/// The most that a script may print, in bytes; a version has at most 128.
pub(super) const OUTPUT_LIMIT_BYTES: usize = 64 * 1024;

/// How much of the end of its messages is kept, in bytes.
const ERRORS_KEPT_BYTES: usize = 8 * 1024;

/// How a script ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By itself, with this exit code.
    Code(i64),
    /// By a signal that nobody here sent.
    Signal(i32),
    /// Killed when its time was up.
    TimedOut,
    /// Killed because it printed more than [`OUTPUT_LIMIT_BYTES`].
    TooMuch,
    /// Killed because this program must end.
    Interrupted,
}

/// A script that has ended.
#[derive(Debug)]
pub(super) struct Outcome {
    /// How.
    pub(super) end: End,
    /// What it printed, up to [`OUTPUT_LIMIT_BYTES`].
    pub(super) output: Vec<u8>,
    /// The end of what it wrote to standard error.
    pub(super) errors: Tail,
}

/// Says why a script that has ended gave no version.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutcomeError {
    #[error("it did not end within {} s and was killed{said}", .limit.as_secs())]
    TimedOut { limit: Duration, said: Excerpt },
    #[error("it printed more than {OUTPUT_LIMIT_BYTES} bytes and was killed{said}")]
    TooMuch { said: Excerpt },
    #[error("it ended with exit code {code}{said}")]
    Code { code: i64, said: Excerpt },
    #[error("it ended with signal {signal}{said}")]
    Signal { signal: i32, said: Excerpt },
    #[error("it ended well but printed nothing{said}")]
    Nothing { said: Excerpt },
    #[error("it ended well but printed no version: {error}{printed}")]
    NoVersion { error: VersionError, printed: Excerpt },
    #[error("it was interrupted")]
    Interrupted,
}

impl Outcome {
    /// Returns the version that the script printed, if it had `limit` to do so and did.
    pub(super) fn version(&self, limit: Duration, secrets: &Hidden) -> Result<AgentVersion, OutcomeError> {
        let said = Excerpt::of_errors(&self.errors, secrets);
        match self.end {
            End::TimedOut => Err(OutcomeError::TimedOut { limit, said }),
            End::TooMuch => Err(OutcomeError::TooMuch { said }),
            End::Interrupted => Err(OutcomeError::Interrupted),
            End::Signal(signal) => Err(OutcomeError::Signal { signal, said }),
            End::Code(0) => match AgentVersion::parse(&String::from_utf8_lossy(&self.output)) {
                Ok(version) => Ok(version),
                Err(VersionError::Empty) => Err(OutcomeError::Nothing { said }),
                Err(error) => {
                    let printed = Excerpt::of_output(&self.output, secrets);
                    Err(OutcomeError::NoVersion { error, printed })
                }
            },
            End::Code(code) => Err(OutcomeError::Code { code, said }),
        }
    }
}

/// The end of a long output.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl Tail {
    /// Takes the end of an output, of which something in front may be missing already.
    pub(super) fn of(bytes: &[u8], is_cut: bool) -> Self {
        let mut tail = Self { bytes: Vec::new(), is_cut };
        tail.push(bytes);
        tail
    }

    /// Adds to the end.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let surplus = self.bytes.len().saturating_sub(ERRORS_KEPT_BYTES);
        self.is_cut |= surplus > 0;
        self.bytes.drain(..surplus);
    }

    /// Says whether something was dropped at the beginning.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Returns what was kept, without the rest of a line whose beginning was dropped: it may begin within a secret.
    pub(super) fn whole_lines(&self) -> &[u8] {
        let is_end = |byte: &u8| *byte == b'\n';
        let whole = self.bytes.iter().position(is_end).map_or(self.bytes.len(), |at| at + 1);
        if self.is_cut { &self.bytes[whole..] } else { &self.bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(end: End, output: &str) -> String {
        let outcome = Outcome { end, output: output.into(), errors: Tail::of(b"no network\n", false) };
        outcome.version(Duration::from_secs(15), &Hidden::default()).unwrap_err().to_string()
    }

    #[test]
    fn only_a_good_end_with_a_version_is_a_version() {
        let good = Outcome { end: End::Code(0), output: b" 1.10 \n".to_vec(), errors: Tail::default() };
        assert_eq!(good.version(Duration::ZERO, &Hidden::default()).unwrap().as_str(), "1.10");
        insta::assert_snapshot!(reason(End::Code(0), " \n"), @r"
        it ended well but printed nothing; it said:
        no network
        ");
        insta::assert_snapshot!(reason(End::Code(0), "1\n2"), @r#"it ended well but printed no version: version has more than one line; it printed "1\n2""#);
        insta::assert_snapshot!(reason(End::Code(3), "1.10"), @r"
        it ended with exit code 3; it said:
        no network
        ");
        insta::assert_snapshot!(reason(End::TimedOut, "1.10"), @r"
        it did not end within 15 s and was killed; it said:
        no network
        ");
        insta::assert_snapshot!(reason(End::Interrupted, "1.10"), @"it was interrupted");
    }

    #[test]
    fn a_tail_keeps_the_end() {
        let mut tail = Tail::default();
        tail.push(b"one\ntwo\n");
        assert_eq!((tail.whole_lines(), tail.is_cut()), (&b"one\ntwo\n"[..], false));
        tail.push(&[b'x'; ERRORS_KEPT_BYTES - 3]);
        tail.push(b"\nend");
        assert_eq!((tail.whole_lines(), tail.is_cut()), (&b"end"[..], true));
        assert_eq!(tail.bytes.len(), ERRORS_KEPT_BYTES);
    }

    #[test]
    fn of_a_line_without_a_beginning_nothing_is_shown() {
        assert_eq!(Tail::of(b"cret of a long line", true).whole_lines(), b"");
        assert_eq!(Tail::of(b"cret\nend", true).whole_lines(), b"end");
    }
}
