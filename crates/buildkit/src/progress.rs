//! Progress of a solve as data.

use std::collections::{HashMap, HashSet, VecDeque};

use bollard_buildkit_proto::moby::buildkit::v1::StatusResponse;

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
    /// The whole message in BuildKit's own JSON, when it was asked for.
    Raw(serde_json::Value),
}

/// An output of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// How much of the standard error of each vertex is kept for a failure, in bytes.
const ERROR_TAIL_BYTES: usize = 256 * 1024;

/// What was learnt from all messages of one solve.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    raw: bool,
    names: HashMap<String, String>,
    started: HashSet<String>,
    completed: HashSet<String>,
    ran: HashSet<String>,
    cached: HashSet<String>,
    tails: HashMap<String, VecDeque<u8>>,
    /// The digest and the error of the first vertex that failed.
    failed: Option<(String, String)>,
}

/// The vertex that made a solve fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FailedVertex {
    pub(crate) name: String,
    pub(crate) error: String,
    pub(crate) tail: Vec<u8>,
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
        for vertex in message.vertexes {
            self.names.insert(vertex.digest.clone(), vertex.name.clone());
            if (vertex.started.is_some() || vertex.cached) && self.started.insert(vertex.digest.clone()) {
                emit(Event::Started { vertex: vertex.digest.clone(), name: vertex.name });
            }
            // A cached vertex is told several times; a failed one may be told again as another solve's input.
            if vertex.completed.is_some() && self.completed.insert(vertex.digest.clone()) {
                if vertex.cached {
                    self.cached.insert(vertex.digest.clone());
                    emit(Event::Cached { vertex: vertex.digest });
                } else {
                    self.ran.insert(vertex.digest.clone());
                    let error = Some(vertex.error).filter(|error| !error.is_empty());
                    if let Some(error) = &error
                        && self.failed.is_none()
                    {
                        self.failed = Some((vertex.digest.clone(), error.clone()));
                    }
                    emit(Event::Completed { vertex: vertex.digest, error });
                }
            }
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
        for log in message.logs {
            let stream = if log.stream == 2 { Stream::Error } else { Stream::Output };
            if stream == Stream::Error {
                let tail = self.tails.entry(log.vertex.clone()).or_default();
                tail.extend(&log.msg);
                let surplus = tail.len().saturating_sub(ERROR_TAIL_BYTES);
                tail.drain(..surplus);
            }
            emit(Event::Log { vertex: log.vertex, stream, bytes: log.msg });
        }
    }

    /// Returns the first vertex that failed, with the end of what it wrote to standard error.
    pub(crate) fn failed(&self) -> Option<FailedVertex> {
        let (digest, error) = self.failed.as_ref()?;
        let name = self.names.get(digest).cloned().unwrap_or_default();
        let tail = self.tails.get(digest).map(|tail| tail.iter().copied().collect()).unwrap_or_default();
        Some(FailedVertex { name, error: error.clone(), tail })
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
