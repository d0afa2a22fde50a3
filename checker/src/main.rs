//! Finds the newest version of agents and says how each was found.

mod cli;
mod environment;
mod error;
mod last;
mod run;
mod secrets;
mod sources;
mod strays;
mod venue;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use console::answer;
use console::exit::Exit;
use console::failure::Failure;
use console::terminal::{Terminal, TerminalEnvironment};
use domain::version::{VersionFinding, VersionReport};

use crate::cli::{Cli, Command, Format, VersionArguments};
use crate::environment::Environment;
use crate::error::CheckError;
use crate::secrets::Secrets;

fn main() -> ExitCode {
    console::panics::exit_as_bug();
    let Cli { command: Command::Version(arguments) } = Cli::parse();
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
    let environment = Environment::of(std::env::vars_os());
    let report = run::check(&request, environment, Secrets::of(std::env::vars_os()))?;
    for finding in &report.agents {
        if let Some(cached) = &finding.cached {
            let agent = &finding.agent;
            // Nobody is left to complain to when standard error is closed.
            let _ = writeln!(
                std::io::stderr(),
                "note: no version of agent {agent} was found now; the last known: {cached}"
            );
        }
    }
    let failures: Vec<_> = report.agents.iter().filter_map(not_found).collect();
    for failure in &failures {
        failure.show(terminal);
    }
    let text = text(&report);
    match format {
        Format::Json => answer::print_json(&report),
        Format::Text if text.is_empty() => Ok(()),
        Format::Text => answer::print(&text),
    }
    .map_err(CheckError::Answer)?;
    Ok(failures.first().map_or(Exit::Done, |failure| failure.exit))
}

fn not_found(finding: &VersionFinding) -> Option<Failure> {
    if finding.version.is_some() || finding.cached.is_some() {
        return None;
    }
    let failure = Failure::of(Exit::NoVersion, format!("no version of agent {} was found", finding.agent));
    if finding.failed.is_empty() {
        let nothing =
            "there was nothing to be tried: no source is declared, and version.sh is not one that can be read";
        return Some(failure.cause(nothing));
    }
    let causes = finding.failed.iter().map(|attempt| format!("{}: {}", attempt.venue, attempt.reason));
    Some(causes.fold(failure, Failure::cause))
}

/// Writes the version alone when one agent was asked for, so that a script can take it as it is.
fn text(report: &VersionReport) -> String {
    let version = |finding: &'_ VersionFinding| {
        finding.version.clone().or_else(|| finding.cached.as_ref().map(|cached| cached.version.clone()))
    };
    let found = report.agents.iter().filter_map(|finding| Some((&finding.agent, version(finding)?)));
    let lines = found.map(|(agent, version)| match report.agents.len() {
        1 => format!("{version}\n"),
        _ => format!("{agent} {version}\n"),
    });
    lines.collect()
}
