//! What memory costs: octets for one of everything that `storage!` counts, for this target, and
//! what fits into memories of a few sizes.
//!
//! Nothing here is linked into an image that is run. `bin/slots.rs` holds these figures for a
//! Cortex-M3, and a test of the core has them compared with what `storage!` makes on a host.

use hikyaku::socket::tcp_slots::ConnectionSlot;
use hikyaku::stack::{Arrays, StaticStorage};
use hikyaku::storage::Id;
use hikyaku::{Capacity, Profile, Stack};

/// Octets for one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Units {
    /// The slot of a connection, alone: what is promised to stay small.
    pub connection_slot: usize,
    /// A connection: its slot, what the pool keeps beside it, its deadline, its head of a table.
    pub connection: usize,
    /// A handshake that a peer has begun, with the same beside it.
    pub half_open: usize,
    /// A connection in TIME-WAIT whose handle was released.
    pub time_wait: usize,
    /// A listener.
    pub listener: usize,
    /// A UDP socket.
    pub udp_socket: usize,
    /// A neighbour on an Ethernet link.
    pub neighbor: usize,
    /// A record of a segment in flight.
    pub record: usize,
    /// A block, beside the octets in it.
    pub block: usize,
    /// What is there in any case; and the sum of all else is rounded up to a multiple of it.
    pub base: usize,
    /// The `Stack` itself, which is not part of the storage.
    pub stack: usize,
}

/// The difference that so many more of something make is not blurred by rounding.
const MANY: usize = 64;

type Memory<
    P,
    const CONNECTIONS: usize,
    const HALF_OPEN: usize,
    const TIME_WAIT: usize,
    const LISTENERS: usize,
    const UDP: usize,
    const NEIGHBORS: usize,
    const RECORDS: usize,
    const BLOCKS: usize,
> = StaticStorage<
    Arrays<P, CONNECTIONS, HALF_OPEN, TIME_WAIT, LISTENERS, UDP, NEIGHBORS, RECORDS, BLOCKS, 64>,
>;

const fn one(with_many: usize, with_none: usize) -> usize {
    (with_many - with_none) / MANY
}

impl Units {
    /// Those of a profile.
    #[must_use]
    pub const fn of<P: Profile>() -> Self {
        let base = size_of::<Memory<P, 0, 0, 0, 0, 0, 0, 0, 0>>();
        Self {
            connection_slot: size_of::<ConnectionSlot<P>>(),
            connection: one(size_of::<Memory<P, MANY, 0, 0, 0, 0, 0, 0, 0>>(), base),
            half_open: one(size_of::<Memory<P, 0, MANY, 0, 0, 0, 0, 0, 0>>(), base),
            time_wait: one(size_of::<Memory<P, 0, 0, MANY, 0, 0, 0, 0, 0>>(), base),
            listener: one(size_of::<Memory<P, 0, 0, 0, MANY, 0, 0, 0, 0>>(), base),
            udp_socket: one(size_of::<Memory<P, 0, 0, 0, 0, MANY, 0, 0, 0>>(), base),
            neighbor: one(size_of::<Memory<P, 0, 0, 0, 0, 0, MANY, 0, 0>>(), base),
            record: one(size_of::<Memory<P, 0, 0, 0, 0, 0, 0, MANY, 0>>(), base),
            block: one(size_of::<Memory<P, 0, 0, 0, 0, 0, 0, 0, MANY>>(), base) - 64,
            base,
            stack: size_of::<Stack<'static, P>>(),
        }
    }

    /// What `storage!` takes with these capacities, octets: exactly.
    #[must_use]
    pub const fn storage(&self, capacity: &Capacity) -> usize {
        let sum = capacity.connections * self.connection
            + capacity.half_open * self.half_open
            + capacity.time_wait * self.time_wait
            + capacity.listeners * self.listener
            + capacity.udp_sockets * self.udp_socket
            + capacity.neighbors * self.neighbor
            + capacity.records * self.record
            + capacity.blocks * (self.block + capacity.block_size);
        sum.next_multiple_of(self.base) + self.base
    }
}

/// How many blocks a window may need, as a `Queue` lies in them: in a row, with a block that lists
/// them where they are more than the queue itself has places for.
#[must_use]
pub const fn blocks_of_a_queue(window: usize, block_size: usize) -> usize {
    let octets = (window + block_size - 2) / block_size + 1;
    let places = 16 / size_of::<Option<Id>>();
    if octets > places { octets + 1 } else { octets }
}

/// The profiles that there are to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `hikyaku::Full`.
    Full,
    /// `hikyaku::Small`.
    Small,
    /// `hikyaku::Tiny`.
    Tiny,
}

impl Kind {
    /// Its name, as the code has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "Full",
            Self::Small => "Small",
            Self::Tiny => "Tiny",
        }
    }
}

/// A choice for a memory of a certain size.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// All memory of the controller, KiB.
    pub memory_kib: usize,
    /// The profile that it is for.
    pub kind: Kind,
    /// `receive_limit` and `send_limit`, octets: all connections may have it at once.
    pub window: usize,
    /// What `storage!` is told.
    pub capacity: Capacity,
}

const fn choice(memory_kib: usize, kind: Kind, connections: usize, window: usize) -> Choice {
    let is_full = matches!(kind, Kind::Full);
    // A ring is one block; a queue in blocks of a quarter of the window takes five.
    let is_ring = matches!(kind, Kind::Tiny);
    let block_size = if is_ring { window } else { window / 4 };
    let a_window = if is_ring { 1 } else { blocks_of_a_queue(window, block_size) };
    let is_little = memory_kib < 64;
    Choice {
        memory_kib,
        kind,
        window,
        capacity: Capacity {
            connections,
            listeners: if is_little { 1 } else { 2 },
            // `Small` and `Tiny` keep both in the slots of connections.
            half_open: if is_full { 8 } else { 0 },
            time_wait: if is_full { 8 } else { 0 },
            udp_sockets: if is_little { 1 } else { 4 },
            neighbors: 4,
            // Some for datagrams and answers to pings.
            blocks: 2 * connections * a_window + if is_little { 2 } else { 4 },
            block_size,
            records: if is_full { connections * window.div_ceil(1460) } else { 0 },
        },
    }
}

/// What docs/embedding.md recommends.
pub const CHOICES: [Choice; 13] = [
    choice(16, Kind::Tiny, 1, 2048),
    choice(16, Kind::Tiny, 3, 1024),
    choice(16, Kind::Tiny, 6, 512),
    choice(16, Kind::Small, 3, 1024),
    choice(64, Kind::Tiny, 8, 2048),
    choice(64, Kind::Small, 4, 4096),
    choice(64, Kind::Small, 8, 2048),
    choice(64, Kind::Small, 16, 1024),
    choice(64, Kind::Full, 4, 4096),
    choice(256, Kind::Small, 32, 2048),
    choice(256, Kind::Full, 8, 8192),
    choice(256, Kind::Full, 16, 4096),
    choice(256, Kind::Full, 32, 2048),
];
