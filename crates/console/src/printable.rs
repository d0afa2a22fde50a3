//! Text from outside, made harmless for a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar as _;

/// Distance of tab stops, in columns.
const TAB_STOP: usize = 8;

/// How many characters may share one column before the rest is cut: marks that combine take no column of their own.
const CHARACTERS_PER_COLUMN: usize = 4;

/// Says whether a terminal acts on `c` instead of showing it, or shows other characters in another place because of it.
pub(crate) fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Returns `text` as one line, with every character that a terminal would act on written as `\u{…}`.
pub fn escape(text: &str) -> Cow<'_, str> {
    escape_but(text, |_| false)
}

/// Returns `text` with every character that a terminal would act on written as `\u{…}`, except line ends; tabs become
/// blanks, carriage returns before line ends go.
pub fn escape_lines(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let text = text.replace("\r\n", "\n").replace('\t', "    ");
    Cow::Owned(escape_but(&text, |c| c == '\n').into_owned())
}

fn escape_but(text: &str, kept: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(|c| acts(c) && !kept(c)) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            _ if kept(c) || !acts(c) => escaped.push(c),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            _ => write!(escaped, "{}", c.escape_unicode()).expect("writing to a String cannot fail"),
        }
    }
    Cow::Owned(escaped)
}

/// Returns one line of foreign output without the characters that a terminal would act on, and with blanks for tabs.
pub(crate) fn plain_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut column = 0;
    for c in text.chars() {
        if c == '\t' {
            let blanks = TAB_STOP - column % TAB_STOP;
            line.extend(std::iter::repeat_n(' ', blanks));
            column += blanks;
        } else if !acts(c) {
            line.push(c);
            column += c.width().unwrap_or_default();
        }
    }
    line
}

/// Returns the beginning of `text` that fits into `columns`.
pub(crate) fn clip(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (count, (at, c)) in text.char_indices().enumerate() {
        used += c.width().unwrap_or_default();
        if used > columns || count >= columns * CHARACTERS_PER_COLUMN {
            return &text[..at];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_shown() {
        insta::assert_snapshot!(escape("a\u{1b}[31mb\nc\td\u{202e}e\u{9b}f"), @r"a\u{1b}[31mb\nc\td\u{202e}e\u{9b}f");
        insta::assert_snapshot!(escape_lines("a\tb\r\nc\u{7}\rd"), @r"
        a    b
        c\u{7}\rd
        ");
    }

    #[test]
    fn harmless_text_is_not_copied() {
        assert!(matches!(escape("naïve 漢字 🦀"), Cow::Borrowed(_)));
        assert!(matches!(escape_lines("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_tab_reaches_the_next_stop() {
        assert_eq!(plain_line("a\tb"), "a       b");
        assert_eq!(plain_line("漢字\tb"), "漢字    b");
    }

    #[test]
    fn a_wide_character_is_never_halved() {
        assert_eq!(clip("漢字", 3), "漢");
        assert_eq!(clip("abc", 3), "abc");
        assert_eq!(clip(&"\u{300}".repeat(1000), 2).chars().count(), 8);
    }

    proptest! {
        #[test]
        fn nothing_that_acts_is_left(text in any::<String>()) {
            prop_assert!(!escape(&text).contains(acts));
            prop_assert!(!escape_lines(&text).contains(|c| acts(c) && c != '\n'));
            prop_assert!(!plain_line(&text).contains(acts));
        }

        #[test]
        fn a_clipped_line_fits(text in "\\PC{0,60}", columns in 0usize..40) {
            let width: usize = clip(&text, columns).chars().map(|c| c.width().unwrap_or_default()).sum();
            prop_assert!(width <= columns);
        }
    }
}
