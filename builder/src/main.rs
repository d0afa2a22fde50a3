//! `aicage-builder`: makes an agent's image exist and be current, and says why.

mod certificates;
mod cli;
mod execute;
mod failures;
mod lower;
mod observe;
mod report;
mod run;
mod versions;

use std::process::ExitCode;

use console::failure::Failure;

fn main() -> ExitCode {
    console::panics::exit_as_bug();
    let command_line = match cli::read() {
        Ok(command_line) => command_line,
        Err(exit) => return exit.into(),
    };
    let terminal = command_line.terminal.clone();
    let json = command_line.output == cli::OutputFormat::Json;
    let shown = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(console::exit::Exit::Bug, &error))
        .and_then(|runtime| {
            let result = runtime.block_on(run::run(command_line));
            // A thread that still reads a file or waits for a helper must not hold up the end.
            runtime.shutdown_background();
            result
        });
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
