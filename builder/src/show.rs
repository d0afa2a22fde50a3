//! What is seen of a build while it runs: in its log, and on standard error.

use std::collections::BTreeMap;
use std::io::Write as _;

use buildkit::progress::{Event, Stream};
use console::progress::{Event as Shown, Mode, Progress};
use home::BuildLog;

use crate::raw::RawMasker;
use crate::secrets::{Masker, Secrets};

/// Sees every event of a build, hides secrets, and tells of it.
pub(crate) struct Witness<'a> {
    progress: &'a Progress,
    log: &'a mut BuildLog,
    masker: Masker,
    raw: RawMasker,
    names: BTreeMap<String, String>,
}

impl<'a> Witness<'a> {
    pub(crate) fn new(progress: &'a Progress, log: &'a mut BuildLog, secrets: &Secrets) -> Self {
        Self { progress, log, masker: Masker::new(secrets), raw: RawMasker::new(secrets), names: BTreeMap::new() }
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
        self.masker.masked_text(text)
    }

    /// Sees one event.
    pub(crate) fn see(&mut self, event: &Event) {
        match event {
            Event::Log { vertex, stream: Stream::Output, bytes } => {
                let bytes = self.masker.take(vertex, bytes);
                self.tell(&Event::Log { vertex: vertex.clone(), stream: Stream::Output, bytes });
            }
            Event::Completed { vertex, .. } => {
                let rest = self.masker.end(vertex);
                if !rest.is_empty() {
                    self.tell(&Event::Log { vertex: vertex.clone(), stream: Stream::Output, bytes: rest });
                }
                self.tell(event);
            }
            Event::Started { .. } | Event::Cached { .. } | Event::Log { .. } | Event::Part { .. } => self.tell(event),
            Event::Raw(document) => {
                if let Some(document) = self.raw.take(document) {
                    self.progress.show(Shown::Raw(&document.to_string()));
                }
            }
        }
    }

    /// Shows what was kept back, as there will be no more events.
    pub(crate) fn end(&mut self) {
        for vertex in self.masker.streams() {
            let bytes = self.masker.end(&vertex);
            self.tell(&Event::Log { vertex, stream: Stream::Output, bytes });
        }
        if let Some(document) = self.raw.end() {
            self.progress.show(Shown::Raw(&document.to_string()));
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
            // The other stream only says again what this one said.
            Event::Log { stream: Stream::Output, bytes, .. } => self.log.write_all(bytes),
            Event::Log { .. } | Event::Part { .. } | Event::Raw(_) => Ok(()),
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
                let message =
                    error.rsplit_once("did not complete successfully: ").map_or(error.as_str(), |(_, end)| end);
                let message = self.masker.masked_text(message.lines().next().unwrap_or_default());
                progress.show(Shown::StepFailed { id: vertex, message: &message });
            }
            Event::Log { vertex, stream: Stream::Output, bytes } => progress.show(Shown::StepLog { id: vertex, bytes }),
            Event::Log { .. } | Event::Raw(_) => {}
            // Some parts have no amount: they are over at once.
            Event::Part { current: 0, total: 0, .. } => {}
            Event::Part { vertex, id, current, total, .. } => {
                let total = (*total > 0).then_some(*total);
                progress.show(Shown::StepProgress { id: vertex, what: id, current: *current, total });
            }
        }
    }
}
