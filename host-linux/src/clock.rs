//! The one place where time is read.

use hikyaku::Instant;

/// A monotonic clock that starts at zero when it is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(std::time::Instant);

impl Clock {
    /// A clock that starts now.
    pub(crate) fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// The time since the start, as the stack counts it.
    pub(crate) fn now(&self) -> Instant {
        // 2^64 µs are half a million years.
        Instant::from_micros(self.0.elapsed().as_micros() as u64)
    }
}
