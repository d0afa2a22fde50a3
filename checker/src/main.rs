//! Finds the newest version of agents and says how each was found.

mod cli;
mod environment;
mod error;
mod last;
mod run;
mod secrets;
mod sources;
mod strays;
mod tell;
mod venue;

use std::path::PathBuf;
use std::process::ExitCode;

use console::answer;
use console::exit::Exit;
use console::terminal::{Terminal, TerminalEnvironment};

use crate::cli::{Cli, Command, Format, VersionArguments};
use crate::environment::Environment;
use crate::error::CheckError;
use crate::tell::Teller;

fn main() -> ExitCode {
    console::panics::exit_as_bug();
    let Cli { command: Command::Version(arguments) } = match cli::read() {
        Ok(read) => read,
        Err(exit) => return exit.into(),
    };
    let variable = |name| std::env::var_os(name);
    let (no_color, ci, term) = (variable("NO_COLOR"), variable("CI"), variable("TERM"));
    let terminal = Terminal::of_stderr(TerminalEnvironment {
        no_color: no_color.as_deref(),
        ci: ci.as_deref(),
        term: term.as_deref(),
    });
    let format = arguments.format;
    let exit = version(arguments, &terminal).unwrap_or_else(|error| {
        let failure = error.failure();
        failure.show(&terminal);
        if format == Format::Json {
            // Nothing is left to say when even this cannot be written.
            let _ = answer::print_json(&failure.to_json());
        }
        failure.exit
    });
    exit.into()
}

fn version(arguments: VersionArguments, terminal: &Terminal) -> Result<Exit, CheckError> {
    let format = arguments.format;
    let request = arguments.request(std::env::var_os("HOME").map(PathBuf::from))?;
    let environment = Environment::of(std::env::vars_os())?;
    let mut teller = Teller::new(format, terminal);
    let report = run::check(&request, environment, secrets::hidden(std::env::vars_os()), |finding, is_only| {
        teller.tell(finding, is_only);
    })?;
    match (teller.error, format) {
        (Some(error), _) => return Err(error.into()),
        (None, Format::Json) => answer::print_json(&report)?,
        (None, Format::Text) => {}
    }
    Ok(teller.exit)
}
