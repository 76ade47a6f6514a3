//! One TCP connection of a service, as the service sees it.

/// What a service remembers of a connection.
#[derive(Debug, Default)]
pub(crate) struct Client {
    /// Octets taken from the peer.
    pub(crate) taken: u64,
    /// Octets given to the peer's queue, where the service cares.
    pub(crate) given: u64,
    /// Octets on their way back that found no room.
    pub(crate) rest: Vec<u8>,
}

/// Whether a connection is still of interest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It waits for events.
    Waits,
    /// All was said; what is queued goes out by itself.
    Done,
    /// It ended before its time.
    Broken,
}
