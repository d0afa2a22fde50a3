//! What a person and a program are told when a run fails.

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::lines::Lines;
use crate::printable::escape_lines;
use crate::stderr;
use crate::terminal::Terminal;

/// How deep a chain of causes is followed; a chain that is longer runs in a circle.
const CAUSES_LIMIT: usize = 32;

/// The shape of the document that [`Failure::to_json`] returns.
const SCHEMA_VERSION: u32 = 1;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();
const QUIET: Style = Style::new().bold();

/// Why a run failed: what, on what, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// What failed, on what.
    pub message: String,
    /// Why, the nearest cause first; none says again what stands above it.
    pub causes: Vec<String>,
    /// What to do about it.
    pub hints: Vec<String>,
    /// Lines of foreign text that show it, such as the last ones of a step.
    pub details: Option<String>,
    /// Where everything is written down.
    pub log: Option<PathBuf>,
}

impl Failure {
    /// Takes the message and the chain of causes from `error`.
    ///
    /// A cause that only repeats the end of what stands above it is left out.
    pub fn new(exit: Exit, error: &(dyn Error + '_)) -> Self {
        let chain =
            std::iter::successors(error.source(), |error: &&dyn Error| Error::source(*error)).take(CAUSES_LIMIT);
        chain.fold(Self::of(exit, error.to_string()), |failure, cause| failure.cause(cause.to_string()))
    }

    /// Makes a failure that no error value stands for.
    pub fn of(exit: Exit, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { exit, message, causes: Vec::new(), hints: Vec::new(), details: None, log: None }
    }

    /// Adds a cause beneath those that are there, unless it says nothing new.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        let cause = cause.into();
        let above = self.causes.last().unwrap_or(&self.message);
        if !repeats_end(above, &cause) {
            self.causes.push(cause);
        }
        self
    }

    /// Adds what can be done about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Sets the lines of foreign text that show the failure.
    #[must_use]
    pub fn details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }

    /// Sets where everything is written down.
    #[must_use]
    pub fn log(mut self, path: impl Into<PathBuf>) -> Self {
        self.log = Some(path.into());
        self
    }

    /// Returns the text for a person, ending with a line end.
    ///
    /// Whatever the texts hold, a terminal only shows it.
    pub fn render(&self, colour: bool) -> String {
        let painted = |style: Style, word: &str| {
            if colour { format!("{style}{word}{style:#}") } else { word.to_owned() }
        };
        let mut text = String::new();
        let mut put = |indent: &str, head: String, body: &str| {
            let body = escape_lines(body.trim_end());
            let body = body.replace('\n', &format!("\n{indent}  "));
            writeln!(text, "{indent}{head} {body}").expect("writing to a String cannot fail");
        };
        put("", painted(ERROR, "error:"), &self.message);
        for cause in &self.causes {
            put("  ", painted(QUIET, "caused by:"), cause);
        }
        for line in self.details.iter().flat_map(|details| shown_lines(details)) {
            put("  ", "|".to_owned(), &line);
        }
        for hint in &self.hints {
            put("", painted(HINT, "hint:"), hint);
        }
        if let Some(log) = &self.log {
            put("", painted(QUIET, "log:"), &log.display().to_string());
        }
        text
    }

    /// Writes the text for a person to standard error; that it cannot be written changes nothing.
    pub fn show(&self, terminal: &Terminal) {
        stderr::write(self.render(terminal.colour).as_bytes());
    }

    /// Returns the document for a program.
    pub fn to_json(&self) -> Value {
        json!({
            "schemaVersion": SCHEMA_VERSION,
            "error": {
                "exitCode": self.exit.code(),
                "kind": self.exit.name(),
                "message": self.message,
                "causes": self.causes,
                "hints": self.hints,
                "details": self.details.as_deref().map(|details| shown_lines(details).join("\n")),
                "log": self.log.as_ref().map(|log| log.display().to_string()),
            }
        })
    }
}

/// Says whether `text` ends in the words of `cause`.
fn repeats_end(text: &str, cause: &str) -> bool {
    text.strip_suffix(cause).is_some_and(|before| !before.ends_with(char::is_alphanumeric))
}

/// Returns the lines of what a step printed, as a terminal without colour and cursor would show them.
fn shown_lines(output: &str) -> Vec<String> {
    let mut lines = Lines::default();
    let mut all = Vec::new();
    lines.push(output.as_bytes(), |line| all.push(line));
    all.extend(lines.finish());
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::printable::acts;

    #[derive(Debug, thiserror::Error)]
    #[error("the server did not answer within 4 s")]
    struct Silence;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read it: {0}")]
    struct Reading(#[source] Silence);

    #[derive(Debug, thiserror::Error)]
    #[error("thing is not available: acme/thing")]
    struct Unavailable(#[source] Silence);

    fn everything() -> Failure {
        Failure::new(Exit::Absent, &Unavailable(Silence))
            .details("one\n\u{1b}[31mtwo\u{1b}[0m\nthree")
            .hint("there is no copy to fall back to;\nrun once with a network")
            .log("/home/u/logs/x.log")
    }

    #[test]
    fn a_failure_says_what_why_and_what_to_do() {
        insta::assert_snapshot!(everything().render(false), @"
        error: thing is not available: acme/thing
          caused by: the server did not answer within 4 s
          | one
          | two
          | three
        hint: there is no copy to fall back to;
          run once with a network
        log: /home/u/logs/x.log
        ");
    }

    #[test]
    fn a_program_gets_the_same() {
        insta::assert_json_snapshot!(everything().to_json(), @r#"
        {
          "error": {
            "causes": [
              "the server did not answer within 4 s"
            ],
            "details": "one\ntwo\nthree",
            "exitCode": 69,
            "hints": [
              "there is no copy to fall back to;\nrun once with a network"
            ],
            "kind": "absent",
            "log": "/home/u/logs/x.log",
            "message": "thing is not available: acme/thing"
          },
          "schemaVersion": 1
        }
        "#);
    }

    #[test]
    fn a_source_that_is_quoted_already_is_not_said_again() {
        insta::assert_snapshot!(Failure::new(Exit::Absent, &Reading(Silence)).render(false), @"error: cannot read it: the server did not answer within 4 s");
    }

    #[test]
    fn colour_is_on_the_first_words_only() {
        let text = Failure::of(Exit::Usage, "no").hint("yes").render(true);
        insta::assert_snapshot!(text.replace('\u{1b}', "ESC"), @"
        ESC[1mESC[31merror:ESC[0m no
        ESC[1mESC[36mhint:ESC[0m yes
        ");
    }

    #[test]
    fn foreign_text_cannot_take_the_terminal_over() {
        let text = Failure::of(Exit::Bug, "bad \u{1b}]0;x\u{7} name\r\u{1b}[2K").render(false);
        insta::assert_snapshot!(text, @r"error: bad \u{1b}]0;x\u{7} name\r\u{1b}[2K");
    }

    proptest! {
        #[test]
        fn no_text_leaves_anything_that_acts(message in any::<String>(), cause in any::<String>(), details in any::<String>()) {
            let failure = Failure::of(Exit::Bug, message).cause(cause.clone()).hint(cause.clone()).details(details).log(cause);
            prop_assert!(!failure.render(false).contains(|c| acts(c) && c != '\n'));
        }
    }
}
