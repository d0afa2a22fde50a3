//! Bytes that a step prints, taken apart into lines that may be shown.

use anstyle_parse::{DefaultCharAccumulator, Parser, Perform};

use crate::printable::plain_line;

/// The longest line that is put together, in bytes; what is longer comes as several lines.
pub(crate) const LINE_LIMIT_BYTES: usize = 8 * 1024;

/// Puts lines together from bytes that arrive in pieces.
///
/// Escape sequences and other characters that a terminal would act on are left out. A carriage return starts the line
/// anew, as on a terminal. It never holds more than one line of [`LINE_LIMIT_BYTES`].
#[derive(Default)]
pub(crate) struct Lines {
    line: Line,
    returned: bool,
    escapes: Parser<DefaultCharAccumulator>,
}

/// The part of a line that has come, without escape sequences.
#[derive(Default)]
struct Line(String);

impl Perform for Line {
    fn print(&mut self, c: char) {
        self.0.push(c);
    }

    fn execute(&mut self, byte: u8) {
        if byte == b'\t' {
            self.0.push('\t');
        }
    }
}

impl Line {
    fn take(&mut self) -> String {
        plain_line(&std::mem::take(&mut self.0))
    }
}

impl Lines {
    /// Takes `bytes` and hands every line that ends in them to `each`.
    pub(crate) fn push(&mut self, bytes: &[u8], mut each: impl FnMut(String)) {
        for byte in bytes {
            match byte {
                b'\n' => {
                    each(self.line.take());
                    // No escape sequence goes on behind a line end; one that never closed must not swallow the rest.
                    *self = Self::default();
                }
                b'\r' => self.returned = true,
                byte => {
                    if self.returned {
                        *self = Self::default();
                    }
                    self.escapes.advance(&mut self.line, *byte);
                    if self.line.0.len() >= LINE_LIMIT_BYTES {
                        each(self.line.take());
                    }
                }
            }
        }
    }

    /// Returns the line that has not ended yet, if it holds anything to be seen.
    pub(crate) fn unfinished(&self) -> Option<String> {
        let line = plain_line(&self.line.0);
        (!line.trim().is_empty()).then_some(line)
    }

    /// Ends the last line, whether or not a line end came.
    pub(crate) fn finish(&mut self) -> Option<String> {
        let line = std::mem::take(self).line.take();
        (!line.is_empty()).then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::printable::acts;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut all = Vec::new();
        for piece in pieces {
            lines.push(piece, |line| all.push(line));
        }
        all.extend(lines.finish());
        all
    }

    #[test]
    fn pieces_become_lines() {
        assert_eq!(lines(&[b"on", b"e\ntw", b"o\n\nfour"]), ["one", "two", "", "four"]);
    }

    #[test]
    fn a_carriage_return_starts_the_line_anew() {
        assert_eq!(lines(&[b" 1%\r 50%\r", b"100%\r", b"\nnext\r\n"]), ["100%", "next"]);
    }

    #[test]
    fn escape_sequences_go_even_when_cut() {
        assert_eq!(lines(&[b"\x1b[3", b"1mred\x1b[0", b"m\x1b]0;title\x07 x\n"]), ["red x"]);
    }

    #[test]
    fn an_open_escape_sequence_ends_with_its_line() {
        assert_eq!(lines(&[b"a\x1b]0;never closed\nb\n"]), ["a", "b"]);
    }

    #[test]
    fn a_character_cut_in_two_is_whole() {
        assert_eq!(lines(&["漢".as_bytes(), &"字".as_bytes()[..1], &"字".as_bytes()[1..]]), ["漢字"]);
    }

    #[test]
    fn what_is_no_text_becomes_a_mark() {
        assert_eq!(lines(&[b"caf\xe9 x\n"]), ["caf\u{fffd}x"]);
    }

    #[test]
    fn an_endless_line_comes_in_parts() {
        let long = vec![b'x'; 3 * LINE_LIMIT_BYTES + 1];
        assert_eq!(
            lines(&[&long]).iter().map(String::len).collect::<Vec<_>>(),
            [LINE_LIMIT_BYTES, LINE_LIMIT_BYTES, LINE_LIMIT_BYTES, 1]
        );
    }

    proptest! {
        #[test]
        fn no_bytes_leave_anything_that_acts(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6)) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            for line in lines(&pieces) {
                prop_assert!(!line.contains(acts), "{line:?}");
            }
        }

        #[test]
        fn how_the_bytes_are_cut_makes_no_difference(text in "[ab\r\n\t\x1b\\[m;31漢\u{9b}]{0,40}", cut in 0usize..100) {
            let bytes = text.as_bytes();
            let cut = cut.min(bytes.len());
            prop_assert_eq!(lines(&[bytes]), lines(&[&bytes[..cut], &bytes[cut..]]));
        }
    }
}
