//! `aicage-builder`: makes an agent's image exist and be current, and says why.

mod again;
mod answer;
mod certificates;
mod cli;
mod execute;
mod failures;
mod folders;
mod list;
mod logins;
mod lower;
mod observe;
mod once;
mod pull;
mod raw;
mod records;
mod remotes;
mod report;
mod run;
mod secrets;
mod select;
mod show;
mod switch;
mod versions;

use std::process::ExitCode;

use console::exit::Exit;
use console::failure::Failure;

use crate::cli::Command;

fn main() -> ExitCode {
    console::panics::exit_as_bug();
    let command = match cli::read() {
        Ok(command) => command,
        Err(exit) => return exit.into(),
    };
    let (terminal, output, shown) = match command {
        Command::Save(saving) => (saving.terminal.clone(), saving.output, run::save(&saving)),
        Command::Image(command_line) => {
            (command_line.terminal.clone(), command_line.output, run_on_engine(run::run(&command_line)))
        }
        Command::ListImages(listing) => (listing.terminal.clone(), listing.output, run_on_engine(list::list(&listing))),
    };
    let json = output == cli::OutputFormat::Json;
    match shown {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.show(&terminal);
            if json {
                // Nothing better can be done about a closed standard output than to keep the exit code.
                let _ = console::answer::print_json(&failure.to_json());
            }
            failure.exit.into()
        }
    }
}

fn run_on_engine(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Bug, &error))?;
    let result = runtime.block_on(work);
    // A thread that still reads a file or waits for a helper must not hold up the end.
    runtime.shutdown_background();
    result
}
