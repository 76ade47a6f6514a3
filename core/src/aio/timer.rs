//! What a driving task needs from its surroundings: the time, and somebody who wakes it.

use core::task::Waker;

use crate::device::Device;
use crate::time::Instant;

/// A clock that can wake a task. `embassy-time`'s driver is one (feature `embassy-time`).
pub trait Timer {
    /// The time now; never goes backwards.
    fn now(&self) -> Instant;

    /// Wakes `waker` at `at`, or soon after it. Only one task uses a timer: a later call may
    /// replace an earlier one. Waking earlier, or once more, does no harm.
    fn wake_at(&self, at: Instant, waker: &Waker);
}

impl<T: Timer + ?Sized> Timer for &T {
    fn now(&self) -> Instant {
        (**self).now()
    }

    fn wake_at(&self, at: Instant, waker: &Waker) {
        (**self).wake_at(at, waker);
    }
}

/// A device that tells when it is worth asking again.
pub trait Notify: Device {
    /// From now on, wake `waker` when a packet can be received, and when there is room again after
    /// a packet found none; a later call replaces an earlier one. Called before each time that
    /// the device is asked, so that nothing is missed in between.
    fn notify(&mut self, waker: &Waker);
}
