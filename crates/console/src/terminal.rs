//! What standard error is: whether people read it as it is written, how wide it is, and whether colour is welcome.

use std::ffi::OsStr;
use std::io::IsTerminal as _;

/// The width where none is known, in columns; that of the terminals that all others imitate.
const DEFAULT_WIDTH: u16 = 80;

/// The height where none is known, in lines.
const DEFAULT_HEIGHT: u16 = 24;

/// The narrowest terminal on which lines are drawn over each other.
const LIVE_WIDTH_MINIMUM: u16 = 20;

/// The variables of the environment that say something about the terminal, as their values.
#[derive(Debug, Clone, Copy, Default)]
pub struct TerminalEnvironment<'a> {
    /// `NO_COLOR`: no colour where it is set and not empty (no-color.org).
    pub no_color: Option<&'a OsStr>,
    /// `CI`: a machine reads along where it is set, not empty and not `false`.
    pub ci: Option<&'a OsStr>,
    /// `TERM`: `dumb` has neither colour nor a cursor that moves; of a terminal without a name neither is known.
    pub term: Option<&'a OsStr>,
}

/// What is known of standard error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// Whether it is a terminal at all.
    pub is_terminal: bool,
    /// Whether colour may be used.
    pub colour: bool,
    /// Whether lines that change are welcome: a terminal with a cursor that moves, and a person before it.
    pub live: bool,
    /// Its width in columns when it was looked at; 80 where it has none.
    pub width: u16,
}

impl Terminal {
    /// Looks at standard error.
    pub fn of_stderr(environment: TerminalEnvironment<'_>) -> Self {
        Self::judge(environment, std::io::stderr().is_terminal().then(size))
    }

    /// Returns what stands for a file or a pipe: no colour, nothing that moves.
    pub fn file() -> Self {
        Self { is_terminal: false, colour: false, live: false, width: DEFAULT_WIDTH }
    }

    fn judge(environment: TerminalEnvironment<'_>, size: Option<(u16, u16)>) -> Self {
        let Some((width, _)) = size else {
            return Self::file();
        };
        let is_set = |value: Option<&OsStr>| value.is_some_and(|value| !value.is_empty());
        let dumb = environment.term.is_none_or(|term| term.is_empty() || term == "dumb");
        let ci = is_set(environment.ci) && environment.ci.is_some_and(|ci| ci != "false");
        Self {
            is_terminal: true,
            colour: !dumb && !is_set(environment.no_color),
            live: !dumb && !ci && width >= LIVE_WIDTH_MINIMUM,
            width,
        }
    }
}

/// Returns the width and height of the terminal on standard error now.
pub(crate) fn size() -> (u16, u16) {
    match rustix::termios::tcgetwinsize(std::io::stderr()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
        _ => (DEFAULT_WIDTH, DEFAULT_HEIGHT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(term: &str, ci: &str, no_color: &str) -> (bool, bool) {
        let environment = TerminalEnvironment {
            term: Some(OsStr::new(term)),
            ci: Some(OsStr::new(ci)),
            no_color: Some(OsStr::new(no_color)),
        };
        let terminal = Terminal::judge(environment, Some((100, 30)));
        assert!(terminal.is_terminal);
        (terminal.colour, terminal.live)
    }

    #[test]
    fn the_environment_takes_colour_and_movement_away() {
        assert_eq!(judged("xterm", "", ""), (true, true));
        assert_eq!(judged("dumb", "", ""), (false, false));
        assert_eq!(judged("", "", ""), (false, false));
        assert_eq!(judged("xterm", "true", ""), (true, false));
        assert_eq!(judged("xterm", "false", ""), (true, true));
        assert_eq!(judged("xterm", "", "1"), (false, true));
    }

    #[test]
    fn a_file_has_neither() {
        assert_eq!(Terminal::judge(TerminalEnvironment::default(), None), Terminal::file());
    }

    #[test]
    fn a_terminal_without_room_is_not_drawn_on() {
        let environment = TerminalEnvironment { term: Some(OsStr::new("xterm")), ..TerminalEnvironment::default() };
        assert!(!Terminal::judge(environment, Some((19, 30))).live);
        assert!(Terminal::judge(environment, Some((20, 30))).live);
    }
}
