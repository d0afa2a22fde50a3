//! What a script printed, cut down and made harmless enough to show.

use std::fmt;

use console::printable::{escape, escape_lines};

use super::outcome::Tail;
use console::masking::Hidden;

/// How many of the last lines of a script's messages are shown.
const LINES_SHOWN: usize = 20;

/// How many characters of an output that is no version are shown.
const CHARACTERS_SHOWN: usize = 200;

/// A piece of a script's output behind the words that introduce it; empty when there is none.
#[derive(Debug)]
pub(super) struct Excerpt(String);

impl Excerpt {
    /// Shows the last lines of what a script wrote to standard error.
    pub(super) fn of_errors(stderr: &Tail, secrets: &Hidden) -> Self {
        let text = secrets.mask(&String::from_utf8_lossy(stderr.whole_lines()));
        let lines: Vec<_> = text.trim().lines().collect();
        if lines.is_empty() {
            return Self(String::new());
        }
        let shown = &lines[lines.len().saturating_sub(LINES_SHOWN)..];
        let introduction = if shown.len() < lines.len() || stderr.is_cut() { "its last words" } else { "it said" };
        Self(format!("; {introduction}:\n{}", escape_lines(&shown.join("\n"))))
    }

    /// Shows the beginning of what a script wrote to standard output.
    pub(super) fn of_output(stdout: &[u8], secrets: &Hidden) -> Self {
        let text = secrets.mask(String::from_utf8_lossy(stdout).trim());
        let shown: String = text.chars().take(CHARACTERS_SHOWN).collect();
        let more = if shown.len() < text.len() { "…" } else { "" };
        Self(format!("; it printed \"{}{more}\"", escape(&shown)))
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> String {
        let mut tail = Tail::default();
        tail.push(text.as_bytes());
        Excerpt::of_errors(&tail, &Hidden::default()).to_string()
    }

    #[test]
    fn messages_are_shown_from_their_end() {
        assert_eq!(errors(" \n"), "");
        assert_eq!(errors("no\u{1b}[31m\n"), "; it said:\nno\\u{1b}[31m");
        let many: String = (0..30).map(|number| format!("line {number}\n")).collect();
        assert!(errors(&many).starts_with("; its last words:\nline 10\n"));
    }

    #[test]
    fn the_first_shown_line_is_whole() {
        let text = format!("{}\nend\n", "x".repeat(20_000));
        assert_eq!(errors(&text), "; its last words:\nend");
    }

    #[test]
    fn an_output_is_shown_on_one_line() {
        let output = Excerpt::of_output("1\n2\u{7}".as_bytes(), &Hidden::default());
        insta::assert_snapshot!(output, @r#"; it printed "1\n2\u{7}""#);
        let long = Excerpt::of_output("é".repeat(300).as_bytes(), &Hidden::default()).to_string();
        assert!(long.ends_with("é…\""), "{long}");
    }
}
