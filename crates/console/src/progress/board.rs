//! Which steps run, what they printed last, and how all that looks as a few lines of text.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use anstyle::{AnsiColor, Style};
use indicatif::DecimalBytes;
use unicode_width::UnicodeWidthStr as _;

use super::clock::Clock;
use super::{Event, seconds};
use crate::lines::Lines;
use crate::printable::{clip, escape, escape_lines};

/// How many of the lines that a step printed last are shown beneath it.
const TAIL_LINES: usize = 6;

/// How much of each of these lines is kept, in characters: more than a terminal is wide.
const TAIL_LIMIT_CHARACTERS: usize = 1024;

/// How much of a step's name is shown, in columns.
const NAME_LIMIT_COLUMNS: usize = 200;

/// How many things that a step moves are told apart; the largest that are known have 127.
const TRANSFERS_LIMIT: usize = 256;

/// The columns in front of a step's name, where its state stands.
const STATE_COLUMNS: usize = 8;

const RUNNING: Style = Style::new().bold();
const DONE: Style = AnsiColor::Green.on_default().bold();
const CACHED: Style = AnsiColor::Cyan.on_default().bold();
const FAILED: Style = AnsiColor::Red.on_default().bold();
const OUTPUT: Style = Style::new().dimmed();

/// The state of a run.
pub(super) struct Board {
    clock: Clock,
    colour: bool,
    began: Option<Instant>,
    running: Vec<Step>,
    outcomes: HashMap<String, Outcome>,
}

struct Step {
    id: String,
    name: String,
    started: Instant,
    lines: Lines,
    tail: VecDeque<String>,
    transfers: HashMap<String, (u64, u64)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Unknown,
    Done,
    Cached,
    Failed,
}

impl Board {
    pub(super) fn new(clock: Clock, colour: bool) -> Self {
        Self { clock, colour, began: None, running: Vec::new(), outcomes: HashMap::new() }
    }

    /// Takes an event in and returns what is to be said for good because of it, without a line end.
    pub(super) fn take(&mut self, event: Event<'_>) -> Option<String> {
        match event {
            Event::StepStarted { id, name } => {
                self.start(id, name);
                None
            }
            Event::StepLog { id, bytes } => {
                let step = self.running.iter_mut().find(|step| step.id == id)?;
                step.log(bytes);
                None
            }
            Event::StepProgress { id, what, current, total } => {
                let step = self.running.iter_mut().find(|step| step.id == id)?;
                step.transfer(what, current, total);
                None
            }
            Event::StepCached { id } => {
                let step = self.end(id, Outcome::Cached)?;
                Some(format!("{}{}", self.state(CACHED, "Cached"), step.name))
            }
            Event::StepDone { id } => {
                let step = self.end(id, Outcome::Done)?;
                Some(format!("{}{}  {}", self.state(DONE, "Done"), step.name, self.since(step.started)))
            }
            Event::StepFailed { id, message } => {
                let step = self.end(id, Outcome::Failed)?;
                let took = self.since(step.started);
                Some(format!("{}{}  {took}: {}", self.state(FAILED, "Failed"), step.name, escape(message)))
            }
            Event::Note(text) | Event::Warning(text) => Some(escape_lines(text.trim_end()).into_owned()),
            Event::Raw(_) => None,
        }
    }

    /// Returns the lines about what runs now; none is wider, and there are no more of them, than asked for.
    pub(super) fn frame(&self, columns: usize, rows: usize) -> Vec<String> {
        let hidden = if self.running.len() > rows { self.running.len() + 1 - rows.max(1) } else { 0 };
        let shown = &self.running[..self.running.len() - hidden];
        let speaking = shown.iter().filter(|step| !step.output(1).is_empty()).count();
        let spare = rows.saturating_sub(self.running.len());
        let tail = TAIL_LINES.min(spare.checked_div(speaking).unwrap_or_default());
        let mut lines = Vec::new();
        for step in shown {
            lines.push(self.headline(step, columns));
            for line in step.output(tail) {
                let line = format!("{:>STATE_COLUMNS$}  {line}", "|");
                lines.push(self.painted(OUTPUT, clip(&line, columns)));
            }
        }
        if hidden > 0 && rows > 0 {
            let line = format!("{:>STATE_COLUMNS$}  and {hidden} more", "");
            lines.push(clip(&line, columns).to_owned());
        }
        lines
    }

    /// Returns the last line of a run: what became of its steps. `None` when there was none.
    pub(super) fn summary(&self) -> Option<String> {
        let took = self.since(self.began?);
        let count = |outcome| self.outcomes.values().filter(|one| **one == outcome).count();
        let steps = match self.outcomes.len() {
            1 => "1 step".to_owned(),
            steps => format!("{steps} steps"),
        };
        let parts: Vec<_> = [(Outcome::Cached, "cached"), (Outcome::Failed, "failed"), (Outcome::Unknown, "not done")]
            .into_iter()
            .filter(|(outcome, _)| count(*outcome) > 0)
            .map(|(outcome, word)| format!(", {} {word}", count(outcome)))
            .collect();
        let state = if count(Outcome::Failed) > 0 {
            self.state(FAILED, "Failed")
        } else if count(Outcome::Unknown) > 0 {
            self.state(FAILED, "Stopped")
        } else {
            self.state(DONE, "Finished")
        };
        Some(format!("{state}{steps}{} in {took}", parts.concat()))
    }

    fn start(&mut self, id: &str, name: &str) {
        let now = self.clock.now();
        self.began.get_or_insert(now);
        if self.running.iter().any(|step| step.id == id) {
            return;
        }
        self.outcomes.insert(id.to_owned(), Outcome::Unknown);
        self.running.push(Step {
            id: id.to_owned(),
            name: clip(&escape(name), NAME_LIMIT_COLUMNS).to_owned(),
            started: now,
            lines: Lines::default(),
            tail: VecDeque::new(),
            transfers: HashMap::new(),
        });
    }

    fn end(&mut self, id: &str, outcome: Outcome) -> Option<Step> {
        let at = self.running.iter().position(|step| step.id == id)?;
        self.outcomes.insert(id.to_owned(), outcome);
        Some(self.running.remove(at))
    }

    fn headline(&self, step: &Step, columns: usize) -> String {
        let end = format!("{}  {}", step.transferred(), self.since(step.started));
        let room = columns.saturating_sub(STATE_COLUMNS + 2);
        let name = clip(&step.name, room.saturating_sub(end.width()));
        let line = format!("{name}{end}");
        self.state(RUNNING, "Running") + clip(&line, room)
    }

    fn since(&self, start: Instant) -> String {
        seconds(self.clock.now().duration_since(start))
    }

    fn state(&self, style: Style, word: &str) -> String {
        self.painted(style, &format!("{word:>STATE_COLUMNS$}")) + "  "
    }

    fn painted(&self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

impl Step {
    fn log(&mut self, bytes: &[u8]) {
        let tail = &mut self.tail;
        self.lines.push(bytes, |line| {
            if line.trim().is_empty() {
                return;
            }
            if tail.len() == TAIL_LINES {
                tail.pop_front();
            }
            tail.push_back(line.chars().take(TAIL_LIMIT_CHARACTERS).collect());
        });
    }

    fn output(&self, limit: usize) -> Vec<String> {
        let all: Vec<_> = self.tail.iter().cloned().chain(self.lines.unfinished()).collect();
        all[all.len().saturating_sub(limit)..].to_vec()
    }

    fn transfer(&mut self, what: &str, current: u64, total: Option<u64>) {
        let amount = (current, total.unwrap_or_default());
        if self.transfers.contains_key(what) || self.transfers.len() < TRANSFERS_LIMIT {
            self.transfers.insert(what.to_owned(), amount);
        }
    }

    /// Returns how much was moved, with two blanks in front; nothing when nothing was.
    fn transferred(&self) -> String {
        let sum = |part: fn(&(u64, u64)) -> u64| self.transfers.values().map(part).fold(0, u64::saturating_add);
        match (sum(|amount| amount.0), sum(|amount| amount.1)) {
            (0, 0) => String::new(),
            (current, 0) => format!("  {}", DecimalBytes(current)),
            (current, total) => format!("  {} / {}", DecimalBytes(current), DecimalBytes(total)),
        }
    }
}
