//! `aicage-builder`: makes an agent's image exist and be current, and says why.

mod certificates;
mod cli;
mod execute;
mod failures;
mod lower;
mod observe;
mod pull;
mod records;
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
    let (terminal, json, shown) = match command {
        Command::Save(saving) => (saving.terminal.clone(), false, run::save(&saving)),
        Command::Image(command_line) => {
            let json = command_line.output == cli::OutputFormat::Json;
            (command_line.terminal.clone(), json, run_on_engine(&command_line))
        }
    };
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

fn run_on_engine(command_line: &cli::CommandLine) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Bug, &error))?;
    let result = runtime.block_on(run::run(command_line));
    // A thread that still reads a file or waits for a helper must not hold up the end.
    runtime.shutdown_background();
    result
}
