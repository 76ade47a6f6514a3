//! The slots of TCP's pools: a record of `tcp` with its places in tables and lists.

use managed::ManagedSlice;

use crate::flow::FlowKey;
#[cfg(feature = "ethernet")]
use crate::profile::WaitsForOf;
use crate::profile::{LineOf, PlaceOf, Profile, Tables};
use crate::storage::hash_table::chained;
use crate::storage::list::{Line, Links, linked};
use crate::storage::slab::{Key, Slot};
use crate::storage::{Empty, Id};
use crate::tcp::connection::Connection;
use crate::tcp::listener::HalfOpen;
use crate::tcp::settings::Choices;
use crate::tcp::time_wait::TimeWait;
use crate::waker::{ACCEPTORS, ConnectionWaiters, WakerSlot};

use super::demux::Bound;
#[cfg(feature = "ethernet")]
use super::turns::ParkingSlot;
use super::turns::{Egress, turn};

/// Marks the list of sockets with news for the user.
#[derive(Debug)]
pub enum News {}
/// Marks the list of connections that hold text behind a hole, the oldest hole first.
#[derive(Debug)]
pub enum Early {}
/// Marks a listener's queue of connections to be accepted, and the list of orphans, the oldest
/// first. No connection is in both: only an accepted one can be released.
#[derive(Debug)]
pub enum Backlog {}
/// Marks the list of TIME-WAIT records, the next to expire first.
#[derive(Debug)]
pub enum Expiry {}

/// A connection and its places.
// The connection lies at the front, for the sake of what it has there itself.
#[repr(C)]
pub struct ConnectionSlot<P: Profile> {
    pub(super) connection: Connection<P>,
    /// Tasks that wait for it.
    pub waiters: ConnectionWaiters<P::Waker>,
    /// Whom it is for once it is established.
    pub(super) listener: Option<Key>,
    egress: PlaceOf<P>,
    news: PlaceOf<P>,
    backlog: PlaceOf<P>,
    early: PlaceOf<P>,
    chain: Option<Id>,
    #[cfg(feature = "ethernet")]
    parked_in: WaitsForOf<P>,
    /// Still in its listener's queue.
    pub(super) waits: bool,
}

impl<P: Profile> Empty for ConnectionSlot<P> {
    const EMPTY: Self = Self {
        connection: Connection::EMPTY,
        chain: None,
        listener: None,
        waits: false,
        egress: Empty::EMPTY,
        #[cfg(feature = "ethernet")]
        parked_in: Empty::EMPTY,
        news: Empty::EMPTY,
        backlog: Empty::EMPTY,
        early: Empty::EMPTY,
        waiters: ConnectionWaiters::EMPTY,
    };
}

chained!([P: Profile] ConnectionSlot<P>, connection.flow(): FlowKey);
linked!([P: Profile] ConnectionSlot<P>, egress: Egress);
turn!([P: Profile] ConnectionSlot<P>);
linked!([P: Profile] ConnectionSlot<P>, news: News);
linked!([P: Profile] ConnectionSlot<P>, backlog: Backlog);
linked!([P: Profile] ConnectionSlot<P>, early: Early);

/// A half-open record, whose listener it is for, and its places.
#[derive(Debug)]
pub struct HalfOpenSlot {
    pub(super) record: HalfOpen,
    pub(super) listener: Option<Key>,
    chain: Option<Id>,
    egress: Links,
}

impl Empty for HalfOpenSlot {
    const EMPTY: Self =
        Self { record: HalfOpen::EMPTY, listener: None, chain: None, egress: Links::EMPTY };
}

chained!([] HalfOpenSlot, record.flow(): FlowKey);
linked!([] HalfOpenSlot, egress: Egress);

/// A TIME-WAIT record and its place in the order of expiry.
#[derive(Debug)]
pub struct TimeWaitSlot {
    pub(super) record: TimeWait,
    chain: Option<Id>,
    expiry: Links,
}

impl Empty for TimeWaitSlot {
    const EMPTY: Self = Self { record: TimeWait::EMPTY, chain: None, expiry: Links::EMPTY };
}

chained!([] TimeWaitSlot, record.flow(): FlowKey);
linked!([] TimeWaitSlot, expiry: Expiry);

/// A listener and its places.
pub struct ListenerSlot<P: Profile> {
    pub(super) listening: Listening<P>,
    chain: Option<Id>,
    news: PlaceOf<P>,
    /// Tasks that wait for a connection.
    pub acceptors: [P::Waker; ACCEPTORS],
}

impl<P: Profile> Empty for ListenerSlot<P> {
    const EMPTY: Self = Self {
        listening: Listening::EMPTY,
        chain: None,
        news: Empty::EMPTY,
        acceptors: [const { P::Waker::EMPTY }; ACCEPTORS],
    };
}

chained!([P: Profile] ListenerSlot<P>, listening.bound(): Bound);
linked!([P: Profile] ListenerSlot<P>, news: News);

/// What a listener listens to and how.
pub(super) struct Listening<P: Profile> {
    pub(super) bound: Bound,
    pub(super) choices: Choices,
    pub(super) limit: u16,
    /// The period in which a cookie was given out last, 0 for never.
    pub(super) cookies: u32,
    pub(super) waiting: LineOf<P, Backlog>,
}

impl<P: Profile> Empty for Listening<P> {
    const EMPTY: Self = Self {
        bound: Bound::EMPTY,
        choices: Choices::EMPTY,
        limit: 0,
        cookies: 0,
        waiting: Empty::EMPTY,
    };
}

impl<P: Profile> Listening<P> {
    fn bound(&self) -> &Bound {
        &self.bound
    }

    /// Whether nobody else may wait to be accepted.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= u32::from(self.limit)
    }
}

type DeadlineSlot<P> = <<P as Profile>::Tables as Tables>::DeadlineSlot;

/// The memory of a [`TcpPool`](super::tcp_pool::TcpPool).
pub struct TcpStorage<'a, P: Profile> {
    /// One for each connection.
    pub connections: ManagedSlice<'a, Slot<ConnectionSlot<P>>>,
    /// As many heads as connections, or one for linear tables.
    pub connection_heads: ManagedSlice<'a, Option<Id>>,
    /// As many as connections.
    pub connection_deadlines: ManagedSlice<'a, DeadlineSlot<P>>,
    /// One for each handshake that peers may have begun at a time.
    pub half_open: ManagedSlice<'a, Slot<HalfOpenSlot>>,
    /// As many heads as half-open records, or one for linear tables.
    pub half_open_heads: ManagedSlice<'a, Option<Id>>,
    /// As many as half-open records.
    pub half_open_deadlines: ManagedSlice<'a, DeadlineSlot<P>>,
    /// One for each connection that waits out its stray segments.
    pub time_wait: ManagedSlice<'a, Slot<TimeWaitSlot>>,
    /// As many heads as TIME-WAIT records, or one for linear tables.
    pub time_wait_heads: ManagedSlice<'a, Option<Id>>,
    /// One for each listener.
    pub listeners: ManagedSlice<'a, Slot<ListenerSlot<P>>>,
    /// As many heads as listeners, or one for linear tables.
    pub listener_heads: ManagedSlice<'a, Option<Id>>,
    /// Lists of connections that wait for a neighbour: as many as neighbours.
    #[cfg(feature = "ethernet")]
    pub parked: ManagedSlice<'a, ParkingSlot<P>>,
}

impl TimeWaitSlot {
    /// A slot's content that is in no list yet.
    #[must_use]
    pub fn new(record: TimeWait) -> Self {
        Self { record, ..Self::EMPTY }
    }
}

impl<P: Profile> ConnectionSlot<P> {
    /// Whether it is still in its listener's queue.
    #[must_use]
    pub fn waits_to_be_accepted(&self) -> bool {
        self.waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Full, Small, Tiny};

    #[test]
    fn slots_are_no_larger_than_promised() {
        // Without a pool's own bookkeeping and without any buffer.
        let sizes = [
            (size_of::<ConnectionSlot<Full>>(), 544),
            (size_of::<ConnectionSlot<Small>>(), 440),
            (size_of::<ConnectionSlot<Tiny>>(), 368),
            (size_of::<HalfOpenSlot>(), 104),
        ];
        for (size, most) in sizes {
            assert!(size <= most, "{size}, and not {most}");
        }
    }
}
