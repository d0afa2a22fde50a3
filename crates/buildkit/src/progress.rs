//! Progress of a solve as data.

use std::collections::{HashMap, HashSet, VecDeque};

use bollard_buildkit_proto::google::protobuf::Timestamp;
use bollard_buildkit_proto::moby::buildkit::v1::{StatusResponse, Vertex};

use crate::rawjson;

/// Something that happened while a solve ran.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A vertex began.
    Started {
        /// Its digest.
        vertex: String,
        /// Its name.
        name: String,
    },
    /// A vertex was not run: its result is known.
    Cached {
        /// Its digest.
        vertex: String,
    },
    /// A vertex ended.
    Completed {
        /// Its digest.
        vertex: String,
        /// Why it failed, if it did.
        error: Option<String>,
    },
    /// A vertex's process wrote something.
    Log {
        /// Its digest.
        vertex: String,
        /// Which of its outputs.
        stream: Stream,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A part of a vertex's work, such as one layer, went on.
    Part {
        /// Its digest.
        vertex: String,
        /// The part's id.
        id: String,
        /// How much is done, usually in bytes.
        current: u64,
        /// How much there is to do, 0 if unknown.
        total: u64,
        /// Whether the part is done.
        done: bool,
    },
    /// A Dockerfile has something in it that is not wrong, but hardly meant; told once.
    Warning {
        /// What, in one line.
        message: String,
    },
    /// The whole message in BuildKit's own JSON, when it was asked for.
    Raw(serde_json::Value),
}

/// An output of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// How much of what each vertex writes is kept for a failure, in bytes.
const TAIL_BYTES: usize = 256 * 1024;

/// The end of what was written.
#[derive(Debug, Default)]
struct Tail(VecDeque<u8>);

impl Tail {
    fn take(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
        self.0.drain(..self.0.len().saturating_sub(TAIL_BYTES));
    }
}

/// How long a vertex runs at least when it does something, in nanoseconds.
///
/// Engines tell of a vertex as begun and completed when they only look whether its result is known, some 30 µs apart,
/// and tell of it once more when it runs.
const LOOK_LIMIT_NANOSECONDS: i64 = 1_000_000;

/// What was learnt from all messages of one solve.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    raw: bool,
    names: HashMap<String, String>,
    started: HashSet<String>,
    /// When each vertex ended that has, in nanoseconds since 1970.
    ended: HashMap<String, i64>,
    /// Vertices that ended so soon that the next message may say that they only begin.
    held: Vec<String>,
    ran: HashSet<String>,
    cached: HashSet<String>,
    /// The end of what each vertex wrote to its standard error, and of all that it wrote.
    warnings: HashSet<String>,
    tails: HashMap<String, (Tail, Tail)>,
    /// The digest and the error of the first vertex that failed.
    failed: Option<(String, String)>,
}

/// The vertex that made a solve fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FailedVertex {
    pub(crate) name: String,
    pub(crate) error: String,
    pub(crate) errors: Vec<u8>,
    pub(crate) output: Vec<u8>,
}

impl Observer {
    pub(crate) fn new(raw: bool) -> Self {
        Self { raw, ..Self::default() }
    }

    /// Turns one message of the status stream into events.
    pub(crate) fn take(&mut self, message: StatusResponse, mut emit: impl FnMut(Event)) {
        if self.raw {
            emit(Event::Raw(rawjson::document(&message)));
        }
        let held = std::mem::take(&mut self.held);
        let begins = |digest: &String| {
            message.vertexes.iter().any(|vertex| vertex.digest == *digest && self.begins_again(vertex))
        };
        let (begun, done): (Vec<_>, Vec<_>) = held.into_iter().partition(begins);
        self.held = begun;
        for vertex in done {
            emit(Event::Completed { vertex, error: None });
        }
        for vertex in message.vertexes {
            self.take_vertex(vertex, &mut emit);
        }
        for status in message.statuses {
            let count = |number: i64| u64::try_from(number).unwrap_or(0);
            emit(Event::Part {
                vertex: status.vertex,
                id: status.id,
                current: count(status.current),
                total: count(status.total),
                done: status.completed.is_some(),
            });
        }
        for warning in message.warnings {
            let message = String::from_utf8_lossy(&warning.short).trim().to_owned();
            // It is told anew each time the Dockerfile is read.
            if self.warnings.insert(message.clone()) {
                emit(Event::Warning { message });
            }
        }
        for log in message.logs {
            let stream = if log.stream == 2 { Stream::Error } else { Stream::Output };
            let (errors, all) = self.tails.entry(log.vertex.clone()).or_default();
            all.take(&log.msg);
            if stream == Stream::Error {
                errors.take(&log.msg);
            }
            emit(Event::Log { vertex: log.vertex, stream, bytes: log.msg });
        }
    }

    fn take_vertex(&mut self, vertex: Vertex, mut emit: impl FnMut(Event)) {
        let digest = vertex.digest.clone();
        if self.begins_again(&vertex) {
            self.ended.remove(&digest);
            self.ran.remove(&digest);
            let was_held = self.held.contains(&digest);
            self.held.retain(|held| *held != digest);
            if !was_held {
                self.started.remove(&digest);
            }
        }
        self.names.insert(digest.clone(), vertex.name.clone());
        if (vertex.started.is_some() || vertex.cached) && self.started.insert(digest.clone()) {
            emit(Event::Started { vertex: digest.clone(), name: vertex.name });
        }
        // A cached vertex is told several times; a failed one may be told again as another solve's input.
        let Some(ended) = vertex.completed.as_ref().map(nanoseconds) else { return };
        if self.ended.insert(digest.clone(), ended).is_some() {
            return;
        }
        if vertex.cached {
            self.cached.insert(digest.clone());
            emit(Event::Cached { vertex: digest });
            return;
        }
        self.ran.insert(digest.clone());
        let error = Some(vertex.error).filter(|error| !error.is_empty());
        if let Some(error) = &error
            && self.failed.is_none()
        {
            self.failed = Some((digest.clone(), error.clone()));
        }
        let took = ended - vertex.started.as_ref().map_or(ended, nanoseconds);
        if error.is_none() && took < LOOK_LIMIT_NANOSECONDS {
            self.held.push(digest);
        } else {
            emit(Event::Completed { vertex: digest, error });
        }
    }

    /// Says whether a vertex that has ended is told to have begun since.
    fn begins_again(&self, vertex: &Vertex) -> bool {
        let Some(ended) = self.ended.get(&vertex.digest) else { return false };
        let started = vertex.started.as_ref().is_some_and(|started| nanoseconds(started) > *ended);
        started && !self.cached.contains(&vertex.digest)
    }

    /// Tells what was held back, when no more messages come.
    pub(crate) fn finish(&mut self, mut emit: impl FnMut(Event)) {
        for vertex in self.held.drain(..) {
            emit(Event::Completed { vertex, error: None });
        }
    }

    /// Returns the first vertex that failed, with the end of what it wrote.
    pub(crate) fn failed(&self) -> Option<FailedVertex> {
        let (digest, error) = self.failed.as_ref()?;
        let name = self.names.get(digest).cloned().unwrap_or_default();
        let (errors, output) = match self.tails.get(digest) {
            Some((errors, all)) => (errors.0.iter().copied().collect(), all.0.iter().copied().collect()),
            None => Default::default(),
        };
        Some(FailedVertex { name, error: error.clone(), errors, output })
    }

    /// Says whether anything at all was told.
    pub(crate) fn saw_anything(&self) -> bool {
        !self.names.is_empty()
    }

    /// Returns the names of the vertices whose results were known.
    pub(crate) fn cached(&self) -> Vec<String> {
        self.names_of(&self.cached)
    }

    /// Returns the names of the vertices that really ran.
    pub(crate) fn ran(&self) -> Vec<String> {
        self.names_of(&self.ran)
    }

    fn names_of(&self, digests: &HashSet<String>) -> Vec<String> {
        digests.iter().filter_map(|digest| self.names.get(digest).cloned()).collect()
    }
}

fn nanoseconds(time: &Timestamp) -> i64 {
    time.seconds * 1_000_000_000 + i64::from(time.nanos)
}

#[cfg(test)]
mod tests {
    use bollard_buildkit_proto::moby::buildkit::v1::VertexWarning;

    use super::*;

    /// A vertex that began and ended at these microseconds.
    fn vertex(started: i32, completed: Option<i32>, cached: bool, error: &str) -> Vertex {
        let at = |microseconds: i32| Timestamp { seconds: 1_700_000_000, nanos: microseconds * 1000 };
        Vertex {
            digest: "sha256:1".to_owned(),
            name: "RUN x".to_owned(),
            started: Some(at(started)),
            completed: completed.map(at),
            cached,
            error: error.to_owned(),
            ..Vertex::default()
        }
    }

    fn told(messages: Vec<Vec<Vertex>>) -> (Vec<String>, Observer) {
        let mut observer = Observer::new(false);
        let mut events = Vec::new();
        let mut note = |event: Event| {
            events.push(match event {
                Event::Started { .. } => "started".to_owned(),
                Event::Cached { .. } => "cached".to_owned(),
                Event::Completed { error, .. } => format!("completed {}", error.unwrap_or_default()),
                other => panic!("{other:?}"),
            });
        };
        for vertexes in messages {
            observer.take(StatusResponse { vertexes, ..StatusResponse::default() }, &mut note);
            note(Event::Completed { vertex: String::new(), error: Some("(message)".to_owned()) });
        }
        observer.finish(&mut note);
        (events, observer)
    }

    #[test]
    fn a_warning_is_told_once() {
        let warning = |short: &str| VertexWarning { short: short.into(), ..VertexWarning::default() };
        let mut observer = Observer::new(false);
        let mut told = Vec::new();
        for warnings in [vec![warning("one\n"), warning("two")], vec![warning("one")]] {
            observer.take(StatusResponse { warnings, ..StatusResponse::default() }, |event| told.push(event));
        }
        let expected = ["one", "two"].map(|message| Event::Warning { message: message.to_owned() });
        assert_eq!(told, expected);
    }

    #[test]
    fn a_look_at_the_cache_is_not_taken_for_a_run() {
        let look = || vertex(0, Some(20), false, "");
        let end = |error| vertex(90, Some(500_000), false, error);
        let expected =
            ["started", "completed (message)", "completed (message)", "completed broken", "completed (message)"];
        let (events, observer) = told(vec![vec![look()], vec![vertex(90, None, false, "")], vec![end("broken")]]);
        assert_eq!(events, expected);
        assert_eq!(observer.failed().unwrap().error, "broken");
        assert_eq!(observer.ran(), ["RUN x"]);

        let (events, _) = told(vec![vec![look(), vertex(90, None, false, "")], vec![end("broken")]]);
        assert_eq!(events, ["started", "completed (message)", "completed broken", "completed (message)"]);
    }

    #[test]
    fn a_result_that_a_look_finds_is_cached_and_did_not_run() {
        let (events, observer) = told(vec![vec![vertex(0, Some(20), false, "")], vec![vertex(90, Some(91), true, "")]]);
        assert_eq!(events, ["started", "completed (message)", "cached", "completed (message)"]);
        assert!(observer.ran().is_empty());
        assert_eq!(observer.cached(), ["RUN x"]);
    }

    #[test]
    fn what_ends_soon_and_does_not_begin_again_is_told_with_the_next_message() {
        let short = || vertex(0, Some(20), false, "");
        let (events, _) = told(vec![vec![short()], vec![]]);
        assert_eq!(events, ["started", "completed (message)", "completed ", "completed (message)"]);
        let (events, _) = told(vec![vec![short()]]);
        assert_eq!(events, ["started", "completed (message)", "completed "]);
        let (events, _) = told(vec![vec![vertex(0, Some(2000), false, "")], vec![vertex(3000, Some(9000), false, "")]]);
        assert_eq!(
            events,
            ["started", "completed ", "completed (message)", "started", "completed ", "completed (message)"]
        );
    }

    #[test]
    fn what_is_told_again_is_not_told_on() {
        let cached = || vertex(0, Some(20), true, "");
        let (events, _) = told(vec![vec![cached(), cached()], vec![vertex(90, Some(91), true, "")]]);
        assert_eq!(events, ["started", "cached", "completed (message)", "completed (message)"]);
    }
}
