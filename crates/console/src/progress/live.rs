//! Progress on a terminal: what runs is drawn over and over, what ended stays above it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike};

use super::board::Board;
use super::clock::Clock;
use super::{Event, Sink};
use crate::stderr;

/// How often the picture is drawn anew while nothing happens, for the seconds to run.
const TICK: Duration = Duration::from_millis(100);

/// The most pictures in one second, however much happens.
const PICTURES_PER_SECOND: u8 = 20;

/// What is drawn on, and how many columns and rows it has now.
pub(super) type Canvas = (Box<dyn TermLike>, Box<dyn Fn() -> (u16, u16) + Send>);

/// Draws a [`Board`] with `indicatif`, whose only bar is the whole picture.
pub(super) struct Live {
    board: Arc<Mutex<Board>>,
    show: Mutex<Show>,
}

/// What is needed to draw. Its lock is taken before the board's, and the board's is never held while drawing: the
/// picture is made under `indicatif`'s lock, and asks the board.
struct Show {
    canvas: Option<Box<dyn FnOnce() -> Canvas + Send>>,
    bar: Option<ProgressBar>,
    sink: Sink,
    finished: bool,
}

impl Live {
    /// Prepares to draw on what `canvas` returns, which is asked for once, at the first step; what is said before and
    /// after the picture goes to `sink`.
    pub(super) fn new(clock: Clock, colour: bool, canvas: Box<dyn FnOnce() -> Canvas + Send>, sink: Sink) -> Self {
        Self {
            board: Arc::new(Mutex::new(Board::new(clock, colour))),
            show: Mutex::new(Show { canvas: Some(canvas), bar: None, sink, finished: false }),
        }
    }

    pub(super) fn show(&self, event: Event<'_>) {
        let mut show = locked(&self.show);
        if show.finished {
            return;
        }
        let said = locked(&self.board).take(event);
        if matches!(event, Event::StepStarted { .. })
            && let Some(canvas) = show.canvas.take()
        {
            let bar = bar(self.board.clone(), canvas());
            stderr::set_live(Some(bar.clone()));
            show.bar = Some(bar);
        }
        let Some(line) = said.map(|said| said + "\n") else { return };
        let Show { bar, sink, .. } = &mut *show;
        match bar {
            // The library's own way of printing fills the line with blanks and writes no line end.
            Some(bar) => bar.suspend(|| sink(line.as_bytes())),
            None => sink(line.as_bytes()),
        }
    }

    /// Takes the picture away and says what became of the steps; only once.
    pub(super) fn finish(&self) {
        if self.clear()
            && let Some(summary) = locked(&self.board).summary()
        {
            (locked(&self.show).sink)(format!("{summary}\n").as_bytes());
        }
    }

    /// Takes the picture away for good; says whether there was one.
    pub(super) fn clear(&self) -> bool {
        let mut show = locked(&self.show);
        show.finished = true;
        let Some(bar) = show.bar.take() else {
            return false;
        };
        bar.finish_and_clear();
        stderr::set_live(None);
        true
    }
}

fn bar(board: Arc<Mutex<Board>>, (screen, size): Canvas) -> ProgressBar {
    let size = Arc::new(Mutex::new(size));
    let picture = move |_: &ProgressState, out: &mut dyn fmt::Write| {
        let (columns, rows) = locked(&size)();
        // The line below the picture is the cursor's.
        let frame = locked(&board).frame(columns.into(), usize::from(rows).saturating_sub(1));
        let _ = out.write_str(&frame.join("\n"));
    };
    let style = ProgressStyle::with_template("{picture}").expect("the template has one placeholder");
    let target = ProgressDrawTarget::term_like_with_hz(screen, PICTURES_PER_SECOND);
    let bar = ProgressBar::with_draw_target(None, target).with_style(style.with_key("picture", picture));
    bar.enable_steady_tick(TICK);
    bar
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
