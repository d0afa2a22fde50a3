//! Telling people what was found, each agent's answer as soon as it is there.

use std::io::{self, Write as _};

use console::answer::{self, AnswerError};
use console::exit::Exit;
use console::failure::Failure;
use console::terminal::Terminal;
use domain::version::VersionFinding;

use crate::cli::Format;

/// Writes answers, and remembers how the run must end for them.
pub(crate) struct Teller<'a> {
    format: Format,
    terminal: &'a Terminal,
    /// The exit code that what was told so far asks for.
    pub(crate) exit: Exit,
    /// Why an answer could not be written.
    pub(crate) error: Option<AnswerError>,
}

impl<'a> Teller<'a> {
    /// Writes answers to standard output unless a document comes at the end; what people must know to standard error.
    pub(crate) fn new(format: Format, terminal: &'a Terminal) -> Self {
        Self { format, terminal, exit: Exit::Done, error: None }
    }

    /// Tells one answer; `is_only` when no other agent was asked about.
    ///
    /// The version of the only agent stands alone, so that a script can take it as it is.
    pub(crate) fn tell(&mut self, finding: &VersionFinding, is_only: bool) {
        let agent = &finding.agent;
        if let Some(cached) = &finding.cached {
            // Nobody is left to complain to when standard error is closed.
            let _ = writeln!(io::stderr(), "note: no version of agent {agent} was found now; the last known: {cached}");
        }
        let Some(version) = finding.version.as_ref().or(finding.cached.as_ref().map(|cached| &cached.version)) else {
            let failure = not_found(finding);
            failure.show(self.terminal);
            self.exit = failure.exit;
            return;
        };
        let written = match self.format {
            Format::Json => Ok(()),
            Format::Text if is_only => answer::print(version.as_str()),
            Format::Text => answer::print(&format!("{agent} {version}")),
        };
        self.error = self.error.take().or(written.err());
    }
}

fn not_found(finding: &VersionFinding) -> Failure {
    let failure = Failure::of(Exit::NoVersion, format!("no version of agent {} was found", finding.agent));
    if finding.failed.is_empty() {
        let nothing =
            "there was nothing to be tried: no source is declared, and version.sh is not one that can be read";
        return failure.cause(nothing);
    }
    let causes = finding.failed.iter().map(|attempt| format!("{}: {}", attempt.venue, attempt.reason));
    causes.fold(failure, Failure::cause)
}
