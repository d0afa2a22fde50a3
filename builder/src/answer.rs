//! The answer of a command, in the form that was asked for.

use console::exit::Exit;
use console::failure::Failure;
use serde_json::Value;

use crate::cli::OutputFormat;

/// Prints `text` to people, or `document` to programs; only the one that is wanted is made.
///
/// # Errors
/// [`Exit::TryAgain`] when standard output cannot be written to.
pub(crate) fn print(
    output: OutputFormat,
    text: impl FnOnce() -> String,
    document: impl FnOnce() -> Value,
) -> Result<(), Failure> {
    let written = match output {
        OutputFormat::Text => console::answer::print(&text()),
        OutputFormat::Json => console::answer::print_json(&document()),
    };
    written.map_err(|error| Failure::new(Exit::TryAgain, &error))
}
