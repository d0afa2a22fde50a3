//! What a program says and returns when it has a mistake in it.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::terminal::Terminal;

/// Makes every panic of this process end it with [`Exit::Bug`], saying where it happened.
///
/// Without it, a panic ends a program that aborts on panics by a signal, with a code that belongs to signals.
pub fn exit_as_bug() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("something impossible happened");
        let place = panic.location().map(|place| format!("at {}:{}", place.file(), place.line())).unwrap_or_default();
        Failure::of(Exit::Bug, format!("internal error: {message}"))
            .cause(place)
            .hint("this is a mistake in the program; please report it with these lines")
            .show(&Terminal::file());
        std::process::exit(Exit::Bug.code().into());
    }));
}
