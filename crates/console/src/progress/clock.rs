//! The time, which a test can hold in its hand.

use std::sync::Arc;
use std::time::Instant;

/// Tells the time.
#[derive(Clone)]
pub(super) struct Clock(Arc<dyn Fn() -> Instant + Send + Sync>);

impl Clock {
    /// Returns the machine's own.
    pub(super) fn system() -> Self {
        Self(Arc::new(Instant::now))
    }

    /// Returns one that asks `now`.
    #[cfg(test)]
    pub(super) fn asking(now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Returns the time.
    pub(super) fn now(&self) -> Instant {
        (self.0)()
    }
}
