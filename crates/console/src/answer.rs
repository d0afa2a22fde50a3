//! The answer, on standard output.

use std::io::{self, ErrorKind, Write as _};

use serde::Serialize;

use unicode_width::UnicodeWidthStr as _;

use crate::printable::{escape, escape_lines};

/// Says that standard output cannot be written to, for instance because the disk is full.
#[derive(Debug, thiserror::Error)]
#[error("the answer cannot be written to standard output")]
pub struct AnswerError(#[from] io::Error);

/// Writes `text` and a line end, if it has none.
///
/// A reader that has heard enough and closed the pipe is no failure. Characters that a terminal would act on are
/// written as `\u{…}`.
///
/// # Errors
/// [`AnswerError`] when standard output cannot be written to for any other reason.
pub fn print(text: &str) -> Result<(), AnswerError> {
    let text = escape_lines(text);
    let end = if text.ends_with('\n') { "" } else { "\n" };
    write(format!("{text}{end}").as_bytes())
}

/// Returns a number of bytes as people read it, in powers of 1000 as the engines count.
pub fn bytes(count: u64) -> String {
    indicatif::DecimalBytes(count).to_string()
}

/// Returns rows as the lines of a table: cells in columns, each as wide as its widest cell, two blanks apart.
pub fn table<const COLUMNS: usize>(rows: impl IntoIterator<Item = [String; COLUMNS]>) -> String {
    let rows: Vec<_> = rows.into_iter().map(|row| row.map(|cell| escape(&cell).into_owned())).collect();
    let widest = |column: usize| rows.iter().map(|row| row[column].width()).max().unwrap_or_default();
    let widths: [usize; COLUMNS] = std::array::from_fn(widest);
    let line = |row: &[String; COLUMNS]| {
        let cell = |(cell, width): (&String, usize)| format!("{cell}{}", " ".repeat(width - cell.width()));
        let cells: Vec<_> = row.iter().zip(widths).map(cell).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// Writes `document` as JSON for people and programs to read: indented, one document, one line end.
///
/// # Errors
/// As [`print`]; and when `document` cannot be JSON, such as a map whose keys are not strings.
pub fn print_json<T: Serialize>(document: &T) -> Result<(), AnswerError> {
    let text = serde_json::to_string_pretty(document).map_err(io::Error::from)?;
    write(format!("{}\n", escape_json(&text)).as_bytes())
}

/// Returns JSON with those characters as JSON escapes that JSON allows raw but a terminal acts on.
pub(crate) fn escape_json(text: &str) -> String {
    let acts = |c: char| c != '\n' && crate::printable::acts(c);
    let mut escaped = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(acts) {
        let (before, behind) = rest.split_at(at);
        escaped.push_str(before);
        let c = behind.chars().next().expect("find gave the place of a character");
        // Outside of strings, where no escape may stand, JSON has no such character but white space.
        match c {
            '\t' | '\r' => escaped.push(' '),
            // All of these lie in the basic plane, so that one escape is enough.
            _ => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
        rest = &behind[c.len_utf8()..];
    }
    escaped + rest
}

fn write(bytes: &[u8]) -> Result<(), AnswerError> {
    let mut stdout = io::stdout().lock();
    judged(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

/// Says whether the answer did not get out. A reader that has heard enough and closed the pipe is no failure.
pub(crate) fn judged(written: io::Result<()>) -> Result<(), AnswerError> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn json_hides_nothing_from_a_terminal_but_means_the_same() {
        let value = serde_json::json!({"a\u{9b}": "b\u{7f}\u{202e}\u{1b}"});
        let text = escape_json(&value.to_string());
        insta::assert_snapshot!(text, @r#"{"a\u009b":"b\u007f\u202e\u001b"}"#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn a_table_is_aligned_by_what_is_seen() {
        let rows = [["NAME", "SIZE", "NOTE"], ["漢字", "1 MB", "a\nb"], ["longer", "", ""]];
        insta::assert_snapshot!(table(rows.map(|row| row.map(str::to_owned))), @r"
        NAME    SIZE  NOTE
        漢字    1 MB  a\nb
        longer
        ");
    }

    proptest! {
        #[test]
        fn any_json_survives(text in any::<String>()) {
            let escaped = escape_json(&serde_json::to_string(&text).unwrap());
            prop_assert!(!escaped.contains(crate::printable::acts));
            prop_assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), text);
        }
    }
}
