//! Standard error, shared by everybody in the process who writes to it.

use std::io::Write as _;
use std::sync::Mutex;

use indicatif::ProgressBar;

/// The lines that are being drawn now; whoever writes beside them must have them taken away meanwhile.
static LIVE: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Says that `bar` draws on standard error from now on, or that nobody does.
pub(crate) fn set_live(bar: Option<ProgressBar>) {
    *LIVE.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = bar;
}

/// Writes `bytes`. A closed or full standard error is nobody's failure: there is no place left to complain.
pub(crate) fn write(bytes: &[u8]) {
    let live = LIVE.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    match live {
        Some(bar) => bar.suspend(|| write_as_it_is(bytes)),
        None => write_as_it_is(bytes),
    }
}

/// Writes `bytes` for whoever draws, and has taken the drawn lines away.
pub(crate) fn write_as_it_is(bytes: &[u8]) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(bytes).and_then(|()| stderr.flush());
}
