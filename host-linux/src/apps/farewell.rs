//! The end of a connection after a signal: whether its peer has acknowledged our FIN, and whether
//! it still acknowledges anything.

use hikyaku::{Duration, Full, Instant, TcpSocket};

/// A connection of which SND.UNA has not moved for this long is aborted.
pub(crate) const STALL_LIMIT: Duration = Duration::from_secs(2);
/// How often SND.UNA is looked at: an acknowledgement alone raises no event.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// A closed connection of which the FIN, and perhaps data before it, are to be acknowledged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Farewell {
    /// Bytes that the peer has not acknowledged.
    queued: u32,
    /// When fewer of them were left for the last time.
    moved_at: Instant,
}

/// The result of a look at the connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// The peer has acknowledged the FIN, or the connection is over.
    Done,
    /// The peer has not acknowledged all of it yet.
    Waits,
    /// The peer has acknowledged nothing for [`STALL_LIMIT`].
    Stalled {
        /// Bytes before the FIN.
        queued: u32,
    },
}

impl Farewell {
    /// Begins to watch a connection that was closed just now.
    pub(crate) fn new(socket: &TcpSocket<'_, '_, Full>, now: Instant) -> Self {
        Self { queued: socket.send_queue(), moved_at: now }
    }

    /// Looks at the connection.
    pub(crate) fn look(&mut self, socket: &TcpSocket<'_, '_, Full>, now: Instant) -> Parting {
        let queued = socket.send_queue();
        if socket.close_reason().is_some() || socket.is_flushed() {
            return Parting::Done;
        }
        // Nothing is written after the FIN, so that fewer bytes mean that SND.UNA has moved.
        if queued < self.queued {
            *self = Self { queued, moved_at: now };
        }
        if now.since(self.moved_at) < STALL_LIMIT {
            return Parting::Waits;
        }
        Parting::Stalled { queued }
    }
}
