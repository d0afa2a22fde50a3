//! What is seen of a build while it runs: in its log, and on standard error.

use std::collections::BTreeMap;
use std::io::Write as _;

use buildkit::progress::{Event, Stream};
use console::masking::{Hidden, Masker};
use console::progress::{Event as Shown, Mode, Progress};
use home::BuildLog;

use crate::again::Repeats;
use crate::raw::RawMasker;

/// A rule of the engine's by which every extension's Dockerfile is at fault: `FROM ${BASE_IMAGE}` has no default, for the
/// value is always given. An argument that has no value ends the build anyway.
const WRONG_HERE: &str = "InvalidDefaultArgInFrom:";

/// Sees every event of a build, hides secrets, and tells of it.
pub(crate) struct Witness<'a> {
    progress: &'a Progress,
    log: &'a mut BuildLog,
    masker: Masker<(String, Stream)>,
    repeats: Repeats,
    raw: RawMasker,
    names: BTreeMap<String, String>,
    /// Whether the log ends within a line that a step wrote.
    is_within_line: bool,
}

impl<'a> Witness<'a> {
    pub(crate) fn new(progress: &'a Progress, log: &'a mut BuildLog, hidden: &Hidden) -> Self {
        Self {
            progress,
            log,
            masker: Masker::new(hidden.clone()),
            repeats: Repeats::default(),
            raw: RawMasker::new(hidden.clone()),
            names: BTreeMap::new(),
            is_within_line: false,
        }
    }

    /// Says whether BuildKit's own documents are to be shown.
    pub(crate) fn wants_raw(&self) -> bool {
        self.progress.mode() == Mode::RawJson
    }

    /// Tells something in the log and to people.
    pub(crate) fn note(&mut self, what: &str) {
        let _ = writeln!(self.log, "# {what}");
        self.progress.show(Shown::Note(&format!("note: {what}")));
    }

    /// Returns `text` without the secrets in it.
    pub(crate) fn masked(&self, text: &str) -> String {
        self.masker.hidden().mask(text)
    }

    /// Sees one event.
    pub(crate) fn see(&mut self, event: &Event) {
        match event {
            Event::Log { vertex, stream: Stream::Output, bytes } => self.take(vertex, Stream::Output, bytes),
            Event::Log { vertex, stream: Stream::Error, bytes } => {
                let new = self.repeats.take(vertex, bytes);
                self.take(vertex, Stream::Error, &new);
            }
            Event::Completed { vertex, .. } => {
                let new = self.repeats.end(vertex);
                self.take(vertex, Stream::Error, &new);
                for stream in [Stream::Output, Stream::Error] {
                    self.end_stream((vertex.clone(), stream));
                }
                self.tell(event);
            }
            Event::Started { .. } | Event::Cached { .. } | Event::Part { .. } => self.tell(event),
            Event::Warning { message } if message.starts_with(WRONG_HERE) => {}
            Event::Warning { message } => self.tell(&Event::Warning { message: self.masked(message) }),
            Event::Raw(document) => {
                if let Some(document) = self.raw.take(document) {
                    self.progress.show(Shown::Raw(&document.to_string()));
                }
            }
        }
    }

    /// Shows what was kept back, as there will be no more events.
    pub(crate) fn end(&mut self) {
        for stream in self.masker.streams() {
            self.end_stream(stream);
        }
        if let Some(document) = self.raw.end() {
            self.progress.show(Shown::Raw(&document.to_string()));
        }
    }

    fn take(&mut self, vertex: &str, stream: Stream, bytes: &[u8]) {
        let bytes = self.masker.take(&(vertex.to_owned(), stream), bytes);
        self.tell_log(vertex, stream, bytes);
    }

    fn end_stream(&mut self, key: (String, Stream)) {
        let bytes = self.masker.end(&key);
        self.tell_log(&key.0, key.1, bytes);
    }

    fn tell_log(&mut self, vertex: &str, stream: Stream, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.tell(&Event::Log { vertex: vertex.to_owned(), stream, bytes });
        }
    }

    fn tell(&mut self, event: &Event) {
        // A log that cannot be written to must not end a build that goes well.
        let _ = self.write(event);
        if !self.wants_raw() {
            self.show(event);
        }
    }

    fn write(&mut self, event: &Event) -> std::io::Result<()> {
        let name = |names: &BTreeMap<String, String>, vertex: &str| names.get(vertex).cloned().unwrap_or_default();
        if let Event::Log { bytes, .. } = event {
            self.is_within_line = bytes.last().is_some_and(|last| *last != b'\n');
        } else if !matches!(event, Event::Part { .. }) && std::mem::take(&mut self.is_within_line) {
            writeln!(self.log)?;
        }
        match event {
            Event::Started { vertex, name } => {
                self.names.insert(vertex.clone(), name.clone());
                writeln!(self.log, "# {name}")
            }
            Event::Cached { vertex } => writeln!(self.log, "# {}: cached", name(&self.names, vertex)),
            Event::Completed { vertex, error: None } => writeln!(self.log, "# {}: done", name(&self.names, vertex)),
            Event::Completed { vertex, error: Some(_) } => {
                writeln!(self.log, "# {}: failed", name(&self.names, vertex))
            }
            Event::Log { bytes, .. } => self.log.write_all(bytes),
            Event::Warning { message } => writeln!(self.log, "# warning: {message}"),
            Event::Part { .. } | Event::Raw(_) => Ok(()),
        }
    }

    fn show(&self, event: &Event) {
        let progress = self.progress;
        match event {
            Event::Started { vertex, name } => progress.show(Shown::StepStarted { id: vertex, name }),
            Event::Cached { vertex } => progress.show(Shown::StepCached { id: vertex }),
            Event::Completed { vertex, error: None } => progress.show(Shown::StepDone { id: vertex }),
            Event::Completed { vertex, error: Some(error) } => {
                // The engine repeats the whole command line in its error; the exit code behind it is what tells.
                let message = error.rfind("exit code: ").map_or(error.as_str(), |at| &error[at..]);
                let message = self.masked(message.lines().next().unwrap_or_default());
                progress.show(Shown::StepFailed { id: vertex, message: &message });
            }
            Event::Log { vertex, bytes, .. } => progress.show(Shown::StepLog { id: vertex, bytes }),
            Event::Warning { message } => progress.show(Shown::Note(&format!("note: {message}"))),
            Event::Raw(_) => {}
            // Some parts have no amount: they are over at once.
            Event::Part { current: 0, total: 0, .. } => {}
            Event::Part { vertex, id, current, total, .. } => {
                let total = (*total > 0).then_some(*total);
                progress.show(Shown::StepProgress { id: vertex, what: id, current: *current, total });
            }
        }
    }
}
