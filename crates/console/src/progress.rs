//! What a person or a program sees of a build while it runs, on standard error.
//!
//! Steps arrive as events; how they look is the mode's business. Nothing here decides, fails or waits: standard error
//! may be closed and the build goes on.

mod board;
mod clock;
mod live;
mod plain;
mod screen;

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use crate::answer::escape_json;
use crate::stderr;
use crate::terminal::Terminal;
use clock::Clock;
use live::Live;
use plain::Plain;
use screen::Screen;

/// How progress is shown; the words are those of buildx.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// [`Mode::Tty`] where a person watches a terminal, [`Mode::Plain`] elsewhere.
    #[default]
    Auto,
    /// One line per running step, drawn over and over, and one for each that ended.
    Tty,
    /// Every line that a step prints, with the step's number in front.
    Plain,
    /// Nothing.
    Quiet,
    /// The engine's own events, one JSON document per line.
    RawJson,
}

/// Says that a text names no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a kind of progress: {0:?}; there are auto, tty, plain, quiet and rawjson")]
pub struct ModeError(String);

impl Mode {
    /// Every mode, in the order in which help names them.
    pub const ALL: [Self; 5] = [Self::Auto, Self::Tty, Self::Plain, Self::Quiet, Self::RawJson];

    /// Returns the word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Tty => "tty",
            Self::Plain => "plain",
            Self::Quiet => "quiet",
            Self::RawJson => "rawjson",
        }
    }

    fn on(self, terminal: &Terminal) -> Self {
        match self {
            Self::Auto if terminal.live => Self::Tty,
            Self::Auto => Self::Plain,
            // There is no line to draw over in a file.
            Self::Tty if !terminal.is_terminal => Self::Plain,
            mode => mode,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, ModeError> {
        let found = Self::ALL.into_iter().find(|mode| mode.as_str() == text);
        found.ok_or_else(|| ModeError(text.chars().take(40).collect()))
    }
}

/// Something that happened to a step, or is worth knowing.
///
/// `id` is the caller's; an event of a step that was never started is left out.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A step runs.
    StepStarted {
        /// The step.
        id: &'a str,
        /// What people call it.
        name: &'a str,
    },
    /// A step printed something; lines may be cut anywhere.
    StepLog {
        /// The step.
        id: &'a str,
        /// The bytes as they came.
        bytes: &'a [u8],
    },
    /// A step moved some bytes.
    StepProgress {
        /// The step.
        id: &'a str,
        /// Which of the things that it moves.
        what: &'a str,
        /// How many bytes are done.
        current: u64,
        /// How many there are, if that is known.
        total: Option<u64>,
    },
    /// A step need not run: its result was there.
    StepCached {
        /// The step.
        id: &'a str,
    },
    /// A step is done.
    StepDone {
        /// The step.
        id: &'a str,
    },
    /// A step failed.
    StepFailed {
        /// The step.
        id: &'a str,
        /// Why, in one line.
        message: &'a str,
    },
    /// A sentence for people.
    Note(&'a str),
    /// A sentence that people must see, in [`Mode::Quiet`] too.
    Warning(&'a str),
    /// A JSON document for [`Mode::RawJson`], which shows nothing else.
    Raw(&'a str),
}

/// Shows the events of one run.
pub struct Progress {
    mode: Mode,
    view: View,
}

enum View {
    Warnings(Mutex<Sink>),
    Plain(Mutex<Plain>),
    Live(Live),
    Raw(Mutex<Sink>),
}

/// Where finished text goes; it never fails.
type Sink = Box<dyn FnMut(&[u8]) + Send>;

impl Progress {
    /// Prepares to show progress; costs nothing until the first event.
    pub fn new(mode: Mode, terminal: &Terminal) -> Self {
        let mode = mode.on(terminal);
        let view = match mode {
            Mode::Quiet => View::Warnings(Mutex::new(Box::new(stderr::write))),
            Mode::RawJson => View::Raw(Mutex::new(Box::new(stderr::write))),
            Mode::Tty => View::Live(Live::new(
                Clock::system(),
                terminal.colour,
                Box::new(|| (Box::new(Screen::of_stderr()), Box::new(|| screen::room(crate::terminal::size())))),
                Box::new(stderr::write_as_it_is),
            )),
            Mode::Plain | Mode::Auto => View::Plain(Mutex::new(Plain::new(Clock::system(), Box::new(stderr::write)))),
        };
        Self { mode, view }
    }

    /// Returns how it is shown; never [`Mode::Auto`].
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Shows one event.
    pub fn show(&self, event: Event<'_>) {
        match (&self.view, event) {
            (View::Warnings(sink), Event::Warning(text)) => {
                sink.lock().unwrap_or_else(PoisonError::into_inner)(plain::sentence(text).as_bytes());
            }
            (View::Warnings(_), _) => {}
            (View::Plain(plain), event) => plain.lock().unwrap_or_else(PoisonError::into_inner).show(event),
            (View::Live(live), event) => live.show(event),
            (View::Raw(sink), Event::Raw(document)) => {
                // Raw line ends in JSON are white space; the lines of this stream are its documents.
                let line = escape_json(document).replace('\n', " ") + "\n";
                sink.lock().unwrap_or_else(PoisonError::into_inner)(line.as_bytes());
            }
            (View::Raw(_), _) => {}
        }
    }

    /// Ends the show: what was drawn goes, what a step printed last without a line end is shown, and a person on a
    /// terminal gets a summary. Events that come later are shown no more.
    pub fn finish(&self) {
        match &self.view {
            View::Plain(plain) => plain.lock().unwrap_or_else(PoisonError::into_inner).finish(),
            View::Live(live) => live.finish(),
            View::Warnings(_) | View::Raw(_) => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let View::Live(live) = &self.view {
            live.clear();
        }
    }
}

/// Returns a duration as buildx writes it.
fn seconds(duration: std::time::Duration) -> String {
    format!("{:.1}s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests;
