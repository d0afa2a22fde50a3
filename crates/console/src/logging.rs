//! The program's own log, for whoever looks for a mistake in it.

use std::io::{self, Write};

use tracing_subscriber::filter::{LevelFilter, ParseError, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::printable::escape_lines;
use crate::stderr;

/// Says that a text does not choose what is logged.
#[derive(Debug, thiserror::Error)]
#[error(
    "not a log filter: {filter:?}; write a level (error, warn, info, debug, trace, off), or MODULE=LEVEL, joined by commas"
)]
pub struct FilterError {
    /// The text.
    pub filter: String,
    #[source]
    source: Option<ParseError>,
}

/// Sends the log to standard error from now on, one short line per event; only warnings and errors without a filter.
///
/// A second call in one process changes nothing.
///
/// # Errors
/// [`FilterError`] when `filter` cannot be understood.
pub fn init(filter: Option<&str>) -> Result<(), FilterError> {
    let lines = tracing_subscriber::fmt::layer().compact().without_time().with_ansi(false).with_writer(Log);
    // What is installed already stays.
    let _ = tracing_subscriber::registry().with(targets(filter)?).with(lines).try_init();
    Ok(())
}

fn targets(filter: Option<&str>) -> Result<Targets, FilterError> {
    match filter.map(str::trim) {
        None | Some("") => Ok(Targets::new().with_default(LevelFilter::WARN)),
        Some(filter) => {
            let mistaken = |source| FilterError { filter: filter.chars().take(100).collect(), source };
            // The library takes a word that is no level for a module of which everything is logged.
            let is_clear = |part: &str| part.contains('=') || part.trim().parse::<LevelFilter>().is_ok();
            if !filter.split(',').all(is_clear) {
                return Err(mistaken(None));
            }
            filter.parse().map_err(|source| mistaken(Some(source)))
        }
    }
}

struct Log;

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

/// Takes one whole event per call, as `tracing-subscriber` writes them.
impl Write for Log {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        stderr::write(escape_lines(&String::from_utf8_lossy(event)).as_bytes());
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_level_or_names_modules() {
        for filter in [None, Some(""), Some("debug"), Some("console=trace,info"), Some("off")] {
            assert!(targets(filter).is_ok(), "{filter:?}");
        }
        assert!(targets(Some("loud")).is_err() && targets(Some("info,loud")).is_err());
        let mistake = targets(Some("console=loud")).unwrap_err();
        insta::assert_snapshot!(mistake, @r#"not a log filter: "console=loud"; write a level (error, warn, info, debug, trace, off), or MODULE=LEVEL, joined by commas"#);
    }

    #[test]
    fn only_warnings_are_logged_by_default() {
        use tracing::Level;
        let targets = targets(None).unwrap();
        assert!(targets.would_enable("anything", &Level::WARN));
        assert!(!targets.would_enable("anything", &Level::INFO));
    }
}
