use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{InMemoryTerm, TermLike};
use proptest::prelude::*;

use super::board::Board;
use super::*;
use crate::printable::acts;

/// A clock that moves when told to, in milliseconds.
#[derive(Clone)]
struct Hand(Instant, Arc<AtomicU64>);

impl Hand {
    fn new() -> Self {
        Self(Instant::now(), Arc::default())
    }

    fn clock(&self) -> Clock {
        let hand = self.clone();
        Clock::asking(move || hand.0 + Duration::from_millis(hand.1.load(Ordering::SeqCst)))
    }

    fn pass(&self, millis: u64) {
        self.1.fetch_add(millis, Ordering::SeqCst);
    }
}

/// What was written, for all to read.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn sink(&self) -> Sink {
        let paper = self.clone();
        Box::new(move |bytes| paper.0.lock().unwrap().extend_from_slice(bytes))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Two steps side by side, one cached and one that fails.
fn story(hand: &Hand, mut show: impl FnMut(Event<'_>)) {
    show(Event::Note("waiting for another run"));
    show(Event::StepStarted { id: "a", name: "[debian] bookworm" });
    hand.pass(200);
    show(Event::StepProgress { id: "a", what: "sha256:12", current: 1_000_000, total: Some(56_000_000) });
    show(Event::StepStarted { id: "b", name: "[codex] install.sh" });
    show(Event::StepLog { id: "b", bytes: b"added 1" });
    hand.pass(1034);
    show(Event::StepLog { id: "b", bytes: b"2 packages\r\n\x1b[33mwarn\x1b[0m old\n 10%\r 99%" });
    show(Event::StepProgress { id: "a", what: "sha256:12", current: 30_000_000, total: Some(56_000_000) });
    show(Event::StepLog { id: "nobody", bytes: b"lost\n" });
}

fn end(hand: &Hand, mut show: impl FnMut(Event<'_>)) {
    hand.pass(5000);
    show(Event::StepProgress { id: "a", what: "sha256:12", current: 56_000_000, total: Some(56_000_000) });
    show(Event::StepDone { id: "a" });
    show(Event::StepStarted { id: "c", name: "definition" });
    show(Event::StepCached { id: "c" });
    show(Event::StepFailed { id: "b", message: "exit code: 1\nand more" });
}

#[test]
fn plain_says_which_step_each_line_belongs_to() {
    let (hand, paper) = (Hand::new(), Paper::default());
    let mut plain = Plain::new(hand.clock(), paper.sink());
    story(&hand, |event| plain.show(event));
    end(&hand, |event| plain.show(event));
    plain.finish();
    insta::assert_snapshot!(paper.text(), @r"
    waiting for another run
    #1 [debian] bookworm
    #1 sha256:12 1.00 MB / 56.00 MB

    #2 [codex] install.sh
    #2 1.034 added 12 packages
    #2 1.034 warn old
    #1 sha256:12 56.00 MB / 56.00 MB done
    #1 DONE 6.2s

    #3 definition
    #3 CACHED
    #2 6.034  99%
    #2 ERROR: exit code: 1\nand more
    ");
}

#[test]
fn plain_loses_no_unfinished_line() {
    let (hand, paper) = (Hand::new(), Paper::default());
    let mut plain = Plain::new(hand.clock(), paper.sink());
    story(&hand, |event| plain.show(event));
    plain.finish();
    assert!(paper.text().ends_with("#2 1.034  99%\n"), "{}", paper.text());
}

#[test]
fn a_line_that_comes_after_its_step_ended_is_shown() {
    let (hand, paper) = (Hand::new(), Paper::default());
    let mut plain = Plain::new(hand.clock(), paper.sink());
    plain.show(Event::StepStarted { id: "a", name: "a" });
    plain.show(Event::StepDone { id: "a" });
    plain.show(Event::StepLog { id: "a", bytes: b"late\n" });
    insta::assert_snapshot!(paper.text(), @"
    #1 a
    #1 DONE 0.0s
    #1 0.000 late
    ");
}

#[test]
fn bytes_that_move_are_mentioned_now_and_then() {
    let (hand, paper) = (Hand::new(), Paper::default());
    let mut plain = Plain::new(hand.clock(), paper.sink());
    plain.show(Event::StepStarted { id: "a", name: "a" });
    for current in 0..=100 {
        hand.pass(100);
        plain.show(Event::StepProgress { id: "a", what: "layer", current: current * 1000, total: Some(100_000) });
    }
    plain.show(Event::StepProgress { id: "a", what: "layer", current: 100_000, total: Some(100_000) });
    plain.show(Event::StepProgress { id: "a", what: "context", current: 2_000, total: None });
    insta::assert_snapshot!(paper.text(), @"
    #1 a
    #1 layer 0 B / 100.00 kB
    #1 layer 50.00 kB / 100.00 kB
    #1 layer 100.00 kB / 100.00 kB done
    #1 context 2.00 kB
    ");
}

fn frame(board: &Board, columns: usize, rows: usize) -> String {
    board.frame(columns, rows).join("\n")
}

#[test]
fn a_picture_has_a_line_per_running_step_and_its_last_lines() {
    let hand = Hand::new();
    let mut board = Board::new(hand.clock(), false);
    story(&hand, |event| drop(board.take(event)));
    insta::assert_snapshot!(frame(&board, 60, 20), @"
    Running  [debian] bookworm  30.00 MB / 56.00 MB  1.2s
    Running  [codex] install.sh  1.0s
          |  added 12 packages
          |  warn old
          |   99%
    ");
}

#[test]
fn a_picture_fits_the_terminal() {
    let hand = Hand::new();
    let mut board = Board::new(hand.clock(), false);
    for step in 0..9 {
        let (id, name) = (step.to_string(), format!("step {step} with a name that is rather long"));
        board.take(Event::StepStarted { id: &id, name: &name });
        board.take(Event::StepLog { id: &id, bytes: "漢字\n".repeat(20).as_bytes() });
    }
    insta::assert_snapshot!(frame(&board, 30, 4), @"
    Running  step 0 with a   0.0s
    Running  step 1 with a   0.0s
    Running  step 2 with a   0.0s
             and 6 more
    ");
}

#[test]
fn only_the_last_lines_are_kept() {
    let hand = Hand::new();
    let mut board = Board::new(hand.clock(), false);
    board.take(Event::StepStarted { id: "a", name: "a" });
    for line in 0..1000 {
        board.take(Event::StepLog { id: "a", bytes: format!("line {line}\n").as_bytes() });
    }
    insta::assert_snapshot!(frame(&board, 40, 20), @"
    Running  a  0.0s
          |  line 994
          |  line 995
          |  line 996
          |  line 997
          |  line 998
          |  line 999
    ");
}

/// Plays the story on a terminal of 60 by 12 and returns what stands on it before and after its end, and every byte.
fn on_a_terminal(end: impl FnOnce(&Hand, &Live)) -> (String, String, String) {
    let (hand, paper) = (Hand::new(), Paper::default());
    let term = InMemoryTerm::new(12, 60);
    let canvas = paper.clone();
    let open = move || -> live::Canvas { (Box::new(Screen::new(canvas, || (60, 12))), Box::new(|| (60, 12))) };
    let live = Live::new(hand.clock(), false, Box::new(open), paper.sink());
    story(&hand, |event| live.show(event));
    // A note is drawn at once, and the picture with it.
    live.show(Event::Note("by the way"));
    let picture = || {
        term.reset();
        term.write_str(&paper.text().replace('\n', "\r\n")).unwrap();
        term.contents()
    };
    let before = picture();
    end(&hand, &live);
    (before, picture(), paper.text())
}

#[test]
fn a_terminal_shows_what_runs_beneath_what_is_done() {
    let (before, after, bytes) = on_a_terminal(|hand, live| {
        end(hand, |event| live.show(event));
        live.finish();
        live.show(Event::Note("too late"));
    });
    insta::assert_snapshot!(before, @"
    waiting for another run
    by the way
     Running  [debian] bookworm  30.00 MB / 56.00 MB  1.2s
     Running  [codex] install.sh  1.0s
           |  added 12 packages
           |  warn old
           |   99%
    ");
    insta::assert_snapshot!(after, @r"
    waiting for another run
    by the way
        Done  [debian] bookworm  6.2s
      Cached  definition
      Failed  [codex] install.sh  6.0s: exit code: 1\nand more
      Failed  3 steps, 1 cached, 1 failed in 6.2s
    ");
    // In a copy of it, or in a file that a terminal is recorded in, each has a line of its own and nothing behind it.
    let behind_escapes = |line: &str| {
        let last = line.rsplit_once("\u{1b}[").map_or(line, |(_, rest)| rest);
        last.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches(['A', 'B', 'K']).to_owned()
    };
    let lines: Vec<_> = bytes.split_inclusive('\n').map(behind_escapes).collect();
    insta::assert_snapshot!(lines.concat().replace(' ', "·"), @r"
    waiting·for·another·run
    by·the·way
    ····Done··[debian]·bookworm··6.2s
    ··Cached··definition
    ··Failed··[codex]·install.sh··6.0s:·exit·code:·1\nand·more
    ··Failed··3·steps,·1·cached,·1·failed·in·6.2s
    ");
}

#[test]
fn a_run_that_was_stopped_leaves_no_picture() {
    let (_, after, _) = on_a_terminal(|_, live| live.finish());
    insta::assert_snapshot!(after, @"
    waiting for another run
    by the way
     Stopped  2 steps, 2 not done in 1.2s
    ");
    let (_, after, _) = on_a_terminal(|_, live| assert!(live.clear()));
    insta::assert_snapshot!(after, @"
    waiting for another run
    by the way
    ");
}

#[test]
fn a_run_without_steps_has_no_summary() {
    let paper = Paper::default();
    let live = Live::new(Clock::system(), false, Box::new(|| unreachable!("nothing is drawn")), paper.sink());
    live.show(Event::Note("up to date"));
    live.finish();
    assert_eq!(paper.text(), "up to date\n");
}

#[test]
fn a_terminal_that_is_gone_is_nobodys_failure() {
    struct Gone;
    impl io::Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }
    let hand = Hand::new();
    let open = || -> live::Canvas { (Box::new(Screen::new(Gone, || (1, 1))), Box::new(|| screen::room((1, 1)))) };
    let live = Live::new(hand.clock(), true, Box::new(open), Paper::default().sink());
    story(&hand, |event| live.show(event));
    end(&hand, |event| live.show(event));
    live.finish();
}

#[test]
fn quiet_shows_what_people_must_see_and_nothing_else() {
    let paper = Paper::default();
    let progress = Progress { mode: Mode::Quiet, view: View::Warnings(Mutex::new(paper.sink())) };
    progress.show(Event::Note("unheard"));
    progress.show(Event::StepStarted { id: "a", name: "step" });
    progress.show(Event::Warning("note: \u{9b}kept"));
    progress.finish();
    insta::assert_snapshot!(paper.text(), @r"note: \u{9b}kept");
}

#[test]
fn raw_json_is_one_document_per_line_and_nothing_else() {
    let paper = Paper::default();
    let progress = Progress { mode: Mode::RawJson, view: View::Raw(Mutex::new(paper.sink())) };
    progress.show(Event::Note("unheard"));
    progress.show(Event::Raw("{\n  \"a\": \"\u{9b}31m\"\n}"));
    progress.show(Event::Raw("{}"));
    progress.finish();
    insta::assert_snapshot!(paper.text(), @r#"
    {   "a": "\u009b31m" }
    {}
    "#);
}

#[test]
fn the_words_are_those_of_buildx() {
    for mode in Mode::ALL {
        assert_eq!(mode.as_str().parse(), Ok(mode));
    }
    let mistake = "fancy".parse::<Mode>().unwrap_err();
    insta::assert_snapshot!(mistake, @r#"not a kind of progress: "fancy"; there are auto, tty, plain, quiet and rawjson"#);
}

#[test]
fn auto_is_tty_only_before_a_person() {
    let person = Terminal { is_terminal: true, colour: true, live: true, width: 80 };
    let machine = Terminal { live: false, ..person.clone() };
    assert_eq!(Mode::Auto.on(&person), Mode::Tty);
    assert_eq!(Mode::Auto.on(&machine), Mode::Plain);
    assert_eq!(Mode::Auto.on(&Terminal::file()), Mode::Plain);
    assert_eq!(Mode::Tty.on(&machine), Mode::Tty);
    assert_eq!(Mode::Tty.on(&Terminal::file()), Mode::Plain);
    assert_eq!(Mode::Quiet.on(&person), Mode::Quiet);
}

proptest! {
    #[test]
    fn nothing_that_a_step_says_reaches_the_terminal_as_a_command(
        name in any::<String>(),
        pieces in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            "[\x1b\\[\\]0-9;?mKHJ\r\n\t\u{7}\u{9b}漢\u{202e}]{0,20}".prop_map(String::into_bytes),
        ], 0..8),
        columns in 0usize..50,
        rows in 0usize..10,
    ) {
        let (hand, paper) = (Hand::new(), Paper::default());
        let mut plain = Plain::new(hand.clock(), paper.sink());
        let mut board = Board::new(hand.clock(), false);
        let mut said = Vec::new();
        let mut show = |event| {
            plain.show(event);
            said.extend(board.take(event));
            said.extend(board.frame(columns, rows));
            let lines = board.frame(columns, rows);
            assert!(lines.len() <= rows);
            assert!(lines.iter().all(|line| unicode_width::UnicodeWidthStr::width(line.as_str()) <= columns.max(10)));
        };
        show(Event::StepStarted { id: "a", name: &name });
        show(Event::StepProgress { id: "a", what: &name, current: u64::MAX, total: Some(u64::MAX) });
        for piece in &pieces {
            show(Event::StepLog { id: "a", bytes: piece });
        }
        show(Event::StepFailed { id: "a", message: &name });
        show(Event::Note(&name));
        plain.finish();
        said.push(paper.text());
        for text in said {
            prop_assert!(!text.contains(|c| acts(c) && c != '\n'), "{text:?}");
        }
    }
}
