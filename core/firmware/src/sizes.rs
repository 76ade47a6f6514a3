//! What memory costs: octets for one of everything that `storage!` counts, for this target, and
//! what fits into memories of a few sizes.
//!
//! Nothing here is linked into an image that is run. `bin/slots.rs` holds these figures for a
//! Cortex-M3, and a test of the core has them compared with what `storage!` makes on a host.

use hikyaku::socket::tcp_slots::ConnectionSlot;
use hikyaku::stack::{Arrays, StaticStorage};
use hikyaku::{Capacity, Full, Profile, Small, Stack, Tiny};

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
    /// The `window` of `storage!`, bytes: all connections may have it at once.
    pub window: u32,
    /// `ConnectionConfig::mss`, where two segments of 1460 bytes are more than the window.
    pub mss: Option<u16>,
    /// The capacities of `storage!`.
    pub capacity: Capacity,
}

/// The largest segment over IPv4 on Ethernet, bytes.
const MSS_OF_ETHERNET: u32 = 1460;

const fn choice(memory_kib: usize, kind: Kind, connections: usize, window: u32) -> Choice {
    let is_full = matches!(kind, Kind::Full);
    let is_little = memory_kib < 64;
    let mss = if window < 2 * MSS_OF_ETHERNET { Some((window / 2) as u16) } else { None };
    let segments = window.div_ceil(MSS_OF_ETHERNET) as usize;
    let capacity = Capacity {
        connections,
        listeners: if is_little { 1 } else { 2 },
        // `Small` and `Tiny` keep both in the slots of connections.
        half_open: if is_full { 8 } else { 0 },
        time_wait: if is_full { 8 } else { 0 },
        // In the large blocks of `Tiny` datagrams are dear.
        udp_sockets: if is_little || matches!(kind, Kind::Tiny) { 0 } else { 1 },
        neighbors: 4,
        records: if is_full { connections * segments } else { 0 },
        ..Capacity::small()
    };
    let capacity = match kind {
        Kind::Full => capacity.with_window::<Full>(window),
        Kind::Small => capacity.with_window::<Small>(window),
        Kind::Tiny => capacity.with_window::<Tiny>(window),
    };
    Choice { memory_kib, kind, window, mss, capacity }
}

/// The recommendations of docs/embedding.md.
pub const CHOICES: [Choice; 14] = [
    choice(16, Kind::Tiny, 1, 4096),
    choice(16, Kind::Tiny, 2, 2048),
    choice(16, Kind::Tiny, 4, 1024),
    choice(16, Kind::Small, 1, 2920),
    choice(16, Kind::Small, 3, 1024),
    choice(64, Kind::Tiny, 6, 4096),
    choice(64, Kind::Small, 4, 4096),
    choice(64, Kind::Small, 6, 2920),
    choice(64, Kind::Small, 16, 1024),
    choice(64, Kind::Full, 4, 4096),
    choice(256, Kind::Small, 24, 2920),
    choice(256, Kind::Full, 8, 8192),
    choice(256, Kind::Full, 16, 4096),
    choice(256, Kind::Full, 24, 2920),
];
