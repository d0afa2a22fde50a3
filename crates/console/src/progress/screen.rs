//! The terminal that lines are drawn on.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::TermLike;

use crate::terminal;

/// The narrowest and lowest that a screen says it is: `indicatif` cannot reckon with less than a character's width.
const SIZE_MINIMUM: (u16, u16) = (20, 3);

/// Returns the columns and rows that lines may take.
pub(super) fn room(size: (u16, u16)) -> (u16, u16) {
    (size.0.max(SIZE_MINIMUM.0), size.1.max(SIZE_MINIMUM.1))
}

/// A terminal that is written to once per picture, and whose end is nobody's failure.
///
/// `indicatif` has one of its own; that one hides where it thinks that nobody looks, and fails with the terminal.
pub(super) struct Screen<W> {
    /// What was drawn since the last flush, and where it goes.
    canvas: Mutex<(String, W)>,
    size: fn() -> (u16, u16),
}

impl Screen<io::Stderr> {
    pub(super) fn of_stderr() -> Self {
        Self::new(io::stderr(), terminal::size)
    }
}

impl<W: Write + Send> Screen<W> {
    pub(super) fn new(out: W, size: fn() -> (u16, u16)) -> Self {
        Self { canvas: Mutex::new((String::new(), out)), size }
    }

    fn draw(&self, text: &str) {
        self.canvas.lock().unwrap_or_else(PoisonError::into_inner).0.push_str(text);
    }

    /// Draws a movement of the cursor by `n`; the codes are those of ECMA-48, which know no movement by nothing.
    fn go(&self, n: usize, direction: char) -> io::Result<()> {
        if n > 0 {
            self.draw(&format!("\x1b[{n}{direction}"));
        }
        Ok(())
    }
}

impl<W> fmt::Debug for Screen<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Screen")
    }
}

impl<W: Write + Send> TermLike for Screen<W> {
    fn width(&self) -> u16 {
        room((self.size)()).0
    }

    fn height(&self) -> u16 {
        room((self.size)()).1
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.go(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.go(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.go(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.go(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.draw(text);
        self.draw("\n");
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.draw(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.draw("\r\x1b[2K");
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let mut canvas = self.canvas.lock().unwrap_or_else(PoisonError::into_inner);
        let (drawn, out) = &mut *canvas;
        let _ = out.write_all(drawn.as_bytes()).and_then(|()| out.flush());
        drawn.clear();
        Ok(())
    }
}
