//! Progress as a text that only grows, in buildx's spirit: every line says which step it belongs to.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use indicatif::DecimalBytes;

use super::clock::Clock;
use super::{Event, Sink, seconds};
use crate::lines::Lines;
use crate::printable::{escape, escape_lines};

/// How long nothing is said about bytes that are still moving; buildx's `minTimeDelta`.
const TRANSFER_QUIET: Duration = Duration::from_secs(5);

/// How many things that a step moves are told apart; the largest that are known have 127.
const TRANSFERS_LIMIT: usize = 256;

/// Writes events as lines.
pub(super) struct Plain {
    clock: Clock,
    sink: Sink,
    steps: HashMap<String, Step>,
    finished: bool,
}

struct Step {
    number: usize,
    started: Instant,
    running: bool,
    lines: Lines,
    transfers: HashMap<String, Said>,
}

/// When something was said of bytes that move, and whether it was the last word.
struct Said {
    at: Instant,
    done: bool,
}

impl Plain {
    pub(super) fn new(clock: Clock, sink: Sink) -> Self {
        Self { clock, sink, steps: HashMap::new(), finished: false }
    }

    pub(super) fn show(&mut self, event: Event<'_>) {
        if self.finished {
            return;
        }
        let now = self.clock.now();
        let text = match event {
            Event::StepStarted { id, name } => self.start(now, id, name),
            Event::StepLog { id, bytes } => self.step(id, |step| step.log(now, bytes)),
            Event::StepProgress { id, what, current, total } => {
                self.step(id, |step| step.transfer(now, what, current, total))
            }
            Event::StepCached { id } => self.step(id, |step| step.end(now, "CACHED")),
            Event::StepDone { id } => self.step(id, |step| {
                let took = seconds(now.duration_since(step.started));
                step.end(now, &format!("DONE {took}"))
            }),
            Event::StepFailed { id, message } => {
                self.step(id, |step| step.end(now, &format!("ERROR: {}", escape(message))))
            }
            Event::Note(text) | Event::Warning(text) => sentence(text),
            Event::Raw(_) => String::new(),
        };
        self.write(&text);
    }

    pub(super) fn finish(&mut self) {
        let now = self.clock.now();
        let mut steps: Vec<_> = self.steps.values_mut().collect();
        steps.sort_by_key(|step| step.number);
        let rest: String = steps.into_iter().map(|step| step.last_line(now)).collect();
        self.write(&rest);
        self.finished = true;
    }

    fn start(&mut self, now: Instant, id: &str, name: &str) -> String {
        let number = self.steps.len() + 1;
        let step = self.steps.entry(id.to_owned()).or_insert_with(|| Step {
            number,
            started: now,
            running: false,
            lines: Lines::default(),
            transfers: HashMap::new(),
        });
        if step.running {
            return String::new();
        }
        step.running = true;
        step.started = now;
        let gap = if step.number == 1 { "" } else { "\n" };
        format!("{gap}#{} {}\n", step.number, escape(name))
    }

    fn step(&mut self, id: &str, text: impl FnOnce(&mut Step) -> String) -> String {
        self.steps.get_mut(id).map(text).unwrap_or_default()
    }

    fn write(&mut self, text: &str) {
        if !text.is_empty() {
            (self.sink)(text.as_bytes());
        }
    }
}

/// Returns a sentence as a line of its own.
pub(super) fn sentence(text: &str) -> String {
    format!("{}\n", escape_lines(text.trim_end()))
}

impl Step {
    fn log(&mut self, now: Instant, bytes: &[u8]) -> String {
        let stamp = self.stamp(now);
        let mut text = String::new();
        self.lines.push(bytes, |line| {
            writeln!(text, "{stamp}{line}").expect("writing to a String cannot fail");
        });
        text
    }

    fn last_line(&mut self, now: Instant) -> String {
        let stamp = self.stamp(now);
        self.lines.finish().map(|line| format!("{stamp}{line}\n")).unwrap_or_default()
    }

    fn stamp(&self, now: Instant) -> String {
        format!("#{} {:.3} ", self.number, now.duration_since(self.started).as_secs_f64())
    }

    fn transfer(&mut self, now: Instant, what: &str, current: u64, total: Option<u64>) -> String {
        let done = total.is_some_and(|total| current >= total);
        let is_news = match self.transfers.get(what) {
            Some(said) => !said.done && (done || now.duration_since(said.at) >= TRANSFER_QUIET),
            None => self.transfers.len() < TRANSFERS_LIMIT,
        };
        if !is_news || !self.running {
            return String::new();
        }
        self.transfers.insert(what.to_owned(), Said { at: now, done });
        let of = total.map(|total| format!(" / {}", DecimalBytes(total))).unwrap_or_default();
        let end = if done { " done" } else { "" };
        format!("#{} {} {}{of}{end}\n", self.number, escape(what), DecimalBytes(current))
    }

    fn end(&mut self, now: Instant, how: &str) -> String {
        if !std::mem::replace(&mut self.running, false) {
            return String::new();
        }
        self.transfers = HashMap::new();
        format!("{}#{} {how}\n", self.last_line(now), self.number)
    }
}
