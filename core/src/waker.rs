//! Where the waker of a waiting task is kept: in the slot of the socket that it waits for.
//!
//! Who is woken and when is decided by those who make tasks wait (`aio`, feature `async`). A
//! profile whose `Waker` is `()` keeps nothing, and its slots are none the larger for it.

use core::task::Waker;

/// A place for the waker of one task.
pub trait WakerSlot: 'static {
    /// Nobody waits. All its bytes are zero.
    const EMPTY: Self;

    /// Whether a task waits.
    fn is_waiting(&self) -> bool;

    /// Whether the task that waits is the one that `waker` wakes.
    fn will_wake(&self, waker: &Waker) -> bool;

    /// Keeps the waker of a task that waits from now on; returns the one whose place it takes,
    /// which has to be woken (or dropped, where it wakes the same task).
    #[must_use]
    fn register(&mut self, waker: &Waker) -> Option<Waker>;

    /// Takes the waker of the task that waits.
    #[must_use]
    fn take(&mut self) -> Option<Waker>;
}

/// Nobody ever waits.
impl WakerSlot for () {
    const EMPTY: Self = ();

    fn is_waiting(&self) -> bool {
        false
    }

    fn will_wake(&self, _waker: &Waker) -> bool {
        false
    }

    fn register(&mut self, _waker: &Waker) -> Option<Waker> {
        None
    }

    fn take(&mut self) -> Option<Waker> {
        None
    }
}

/// How many tasks may wait for the connections of one listener. One more works too, but then two
/// of them keep waking each other.
pub const ACCEPTORS: usize = 4;

/// The tasks that wait for a connection.
#[derive(Debug)]
pub struct ConnectionWaiters<W> {
    /// For something to read, or for the connection to be established.
    pub reader: W,
    /// For room to write.
    pub writer: W,
    /// For the peer's acknowledgement of everything.
    pub flusher: W,
}

impl<W: WakerSlot> ConnectionWaiters<W> {
    /// Nobody waits.
    pub const EMPTY: Self = Self { reader: W::EMPTY, writer: W::EMPTY, flusher: W::EMPTY };
}

/// The tasks that wait for a UDP socket.
#[derive(Debug)]
pub struct DatagramWaiters<W> {
    /// For a datagram.
    pub reader: W,
    /// For room to send one, or for all of them to have left.
    pub writer: W,
}

impl<W: WakerSlot> DatagramWaiters<W> {
    /// Nobody waits.
    pub const EMPTY: Self = Self { reader: W::EMPTY, writer: W::EMPTY };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_without_tasks_pays_nothing() {
        assert_eq!(size_of::<ConnectionWaiters<()>>(), 0);
        assert_eq!(size_of::<DatagramWaiters<()>>(), 0);
        assert_eq!(size_of::<[(); ACCEPTORS]>(), 0);
        assert!(().register(Waker::noop()).is_none());
        assert!(!().is_waiting() && ().take().is_none());
    }
}
