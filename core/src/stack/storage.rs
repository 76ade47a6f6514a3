//! The memory of a stack: lent from statics on firmware, owned on a host.

use managed::ManagedSlice;
#[cfg(any(target_has_atomic = "8", feature = "portable-atomic"))]
use static_cell::ConstStaticCell;

use crate::profile::{Profile, Tables};
use crate::socket::tcp_slots::{
    ConnectionSlot, HalfOpenSlot, ListenerSlot, TcpStorage, TimeWaitSlot,
};
#[cfg(feature = "ethernet")]
use crate::socket::turns::ParkingSlot;
#[cfg(feature = "udp")]
use crate::socket::udp::{UdpSlot, UdpStorage};
use crate::storage::queue::Queue;
use crate::storage::slab::Slot;
use crate::storage::stream::Stream;
use crate::storage::{Empty, Id};
use crate::tcp::recovery::Record;

#[cfg(feature = "ethernet")]
use super::neighbor::Neighbor;

/// All memory that a stack works with. Made by [`storage!`](crate::storage!) or, with feature
/// `alloc`, by `Storage::allocate`.
pub struct Storage<'a, P: Profile> {
    pub(super) tcp: TcpStorage<'a, P>,
    #[cfg(feature = "udp")]
    pub(super) udp: UdpStorage<'a, P>,
    pub(super) records: ManagedSlice<'a, Slot<Record>>,
    #[cfg(feature = "ethernet")]
    pub(super) neighbors: ManagedSlice<'a, Neighbor>,
    pub(super) blocks: ManagedSlice<'a, u8>,
    pub(super) block_links: ManagedSlice<'a, Option<Id>>,
    pub(super) block_size: u32,
    pub(super) window_max: u32,
}

impl<P: Profile> Storage<'_, P> {
    /// The same memory for windows of at most so many bytes, each way, where `Config` says more. A
    /// window that is one block, as in `Tiny`, may still be the whole block. A listener or a
    /// connection with a [`ConnectionConfig`](crate::ConnectionConfig) of its own has the limits
    /// of that.
    #[must_use]
    pub fn with_window_max(self, window_max: u32) -> Self {
        Self { window_max, ..self }
    }
}

/// How many of everything a stack can have at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Capacity {
    /// Connections.
    pub connections: usize,
    /// Listeners.
    pub listeners: usize,
    /// Handshakes that peers have begun; 0 for profiles without records of them.
    pub half_open: usize,
    /// Connections in TIME-WAIT whose handle was released; 0 for profiles without records of them.
    pub time_wait: usize,
    /// UDP sockets.
    pub udp_sockets: usize,
    /// Neighbours on an Ethernet link: as many as are spoken to at a time, the gateway counted. 0
    /// for links that carry bare IP packets. They are found by a walk: up to 64.
    pub neighbors: usize,
    /// Data blocks, shared by all queues: at least 2 · `connections`, so that each connection has
    /// one to send from and one to receive into, whatever the others do with theirs. UDP sockets
    /// and echo replies are served from what is beyond that.
    pub blocks: usize,
    /// Octets of a block: a power of two, 64 to 65,536.
    pub block_size: usize,
    /// Segments in flight that are remembered one by one; 0 for go-back recovery.
    pub records: usize,
}

impl Capacity {
    /// For a host: a thousand connections over 64 MiB of blocks.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            connections: 1024,
            listeners: 64,
            half_open: 256,
            time_wait: 1024,
            udp_sockets: 64,
            neighbors: 64,
            blocks: 16_384,
            block_size: 4096,
            records: 65_536,
        }
    }

    /// For the tables of `Small`, on a heap: sixteen connections over 64 KiB of blocks, and no
    /// records of segments in flight.
    #[must_use]
    pub const fn small() -> Self {
        Self {
            connections: 16,
            listeners: 4,
            half_open: 0,
            time_wait: 0,
            udp_sockets: 4,
            neighbors: 16,
            blocks: 128,
            block_size: 512,
            records: 0,
        }
    }

    /// The same with blocks for windows of so many bytes: one to receive and one to send for every
    /// connection and every UDP socket, all at the same time, and two blocks for echo replies where
    /// the profile sends any.
    ///
    /// [`Storage::with_window_max`] or the limits of [`ConnectionConfig`] then keep each connection
    /// to its share.
    ///
    /// [`ConnectionConfig`]: crate::ConnectionConfig
    #[must_use]
    pub const fn with_window<P: Profile>(self, window: u32) -> Self {
        let layout = <P::Stream as Stream>::LAYOUT;
        let block_size = layout.block_size(window);
        let of_connection = at_least_one(layout.blocks_for(window, block_size));
        let of_socket = at_least_one(Queue::LAYOUT.blocks_for(window, block_size));
        let pairs = of_connection
            .saturating_mul(self.connections)
            .saturating_add(of_socket.saturating_mul(self.udp_sockets));
        let replies = if P::ICMP_ECHO { 2 } else { 0 };
        let blocks = pairs.saturating_mul(2).saturating_add(replies);
        Self { blocks, block_size: block_size as usize, ..self }
    }
}

const fn at_least_one(blocks: u32) -> usize {
    if blocks == 0 { 1 } else { blocks as usize }
}

impl Default for Capacity {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "alloc")]
impl<P: Profile> Storage<'static, P> {
    /// Memory from the heap, all of it at once.
    #[must_use]
    pub fn allocate(capacity: &Capacity) -> Self {
        let heads = |records| <P::Tables as Tables>::heads(records);
        let Capacity { connections, half_open, time_wait, listeners, .. } = *capacity;
        Self {
            tcp: TcpStorage {
                connections: empty(connections),
                connection_heads: none(heads(connections)),
                connection_deadlines: empty(connections),
                half_open: empty(half_open),
                half_open_heads: none(heads(half_open)),
                half_open_deadlines: empty(half_open),
                time_wait: empty(time_wait),
                time_wait_heads: none(heads(time_wait)),
                listeners: empty(listeners),
                listener_heads: none(heads(listeners)),
                #[cfg(feature = "ethernet")]
                parked: empty(capacity.neighbors),
            },
            records: empty(capacity.records),
            #[cfg(feature = "udp")]
            udp: UdpStorage {
                sockets: empty(capacity.udp_sockets),
                heads: none(heads(capacity.udp_sockets)),
                #[cfg(feature = "ethernet")]
                parked: empty(capacity.neighbors),
            },
            #[cfg(feature = "ethernet")]
            neighbors: empty(capacity.neighbors),
            blocks: alloc::vec![0; capacity.blocks.saturating_mul(capacity.block_size)].into(),
            block_links: none(capacity.blocks),
            block_size: u32::try_from(capacity.block_size).unwrap_or(0),
            window_max: u32::MAX,
        }
    }
}

#[cfg(feature = "alloc")]
fn empty<T: Empty>(count: usize) -> ManagedSlice<'static, T> {
    (0..count).map(|_| T::EMPTY).collect::<alloc::vec::Vec<T>>().into()
}

#[cfg(feature = "alloc")]
fn none(count: usize) -> ManagedSlice<'static, Option<Id>> {
    alloc::vec![None; count].into()
}

type DeadlineSlot<P> = <<P as Profile>::Tables as Tables>::DeadlineSlot;

/// The arrays behind a [`Storage`], as one value that is all zero until it is lent. Named by
/// [`storage!`](crate::storage!), which also counts what follows from the capacities.
pub struct Arrays<
    P: Profile,
    const CONNECTIONS: usize,
    const HALF_OPEN: usize,
    const TIME_WAIT: usize,
    const LISTENERS: usize,
    const UDP: usize,
    const NEIGHBORS: usize,
    const RECORDS: usize,
    const BLOCKS: usize,
    const BLOCK_SIZE: usize,
    const WINDOW_MAX: u32 = { u32::MAX },
> {
    connections: [Slot<ConnectionSlot<P>>; CONNECTIONS],
    connection_heads: [Option<Id>; CONNECTIONS],
    connection_deadlines: [DeadlineSlot<P>; CONNECTIONS],
    half_open: [Slot<HalfOpenSlot>; HALF_OPEN],
    half_open_heads: [Option<Id>; HALF_OPEN],
    half_open_deadlines: [DeadlineSlot<P>; HALF_OPEN],
    time_wait: [Slot<TimeWaitSlot>; TIME_WAIT],
    time_wait_heads: [Option<Id>; TIME_WAIT],
    listeners: [Slot<ListenerSlot<P>>; LISTENERS],
    listener_heads: [Option<Id>; LISTENERS],
    records: [Slot<Record>; RECORDS],
    #[cfg(feature = "udp")]
    sockets: [Slot<UdpSlot<P::Waker>>; UDP],
    #[cfg(feature = "udp")]
    socket_heads: [Option<Id>; UDP],
    #[cfg(feature = "ethernet")]
    neighbors: [Neighbor; NEIGHBORS],
    #[cfg(feature = "ethernet")]
    parked: [ParkingSlot<P>; NEIGHBORS],
    #[cfg(all(feature = "ethernet", feature = "udp"))]
    parked_sockets: [ParkingSlot<P>; NEIGHBORS],
    block_links: [Option<Id>; BLOCKS],
    blocks: [[u8; BLOCK_SIZE]; BLOCKS],
}

/// What a [`StaticStorage`] is made of: arrays that are lent as the memory of a stack.
pub trait Lend {
    /// The arrays before they are lent: all zero.
    const EMPTY: Self;

    /// The profile of the stack.
    type Profile: Profile;

    /// Lends the arrays.
    fn lend(&mut self) -> Storage<'_, Self::Profile>;
}

impl<
    P: Profile,
    const CONNECTIONS: usize,
    const HALF_OPEN: usize,
    const TIME_WAIT: usize,
    const LISTENERS: usize,
    const UDP: usize,
    const NEIGHBORS: usize,
    const RECORDS: usize,
    const BLOCKS: usize,
    const BLOCK_SIZE: usize,
    const WINDOW_MAX: u32,
> Lend
    for Arrays<
        P,
        CONNECTIONS,
        HALF_OPEN,
        TIME_WAIT,
        LISTENERS,
        UDP,
        NEIGHBORS,
        RECORDS,
        BLOCKS,
        BLOCK_SIZE,
        WINDOW_MAX,
    >
{
    const EMPTY: Self = Self {
        connections: [const { Slot::EMPTY }; CONNECTIONS],
        connection_heads: [None; CONNECTIONS],
        connection_deadlines: [const { Empty::EMPTY }; CONNECTIONS],
        half_open: [const { Slot::EMPTY }; HALF_OPEN],
        half_open_heads: [None; HALF_OPEN],
        half_open_deadlines: [const { Empty::EMPTY }; HALF_OPEN],
        time_wait: [const { Slot::EMPTY }; TIME_WAIT],
        time_wait_heads: [None; TIME_WAIT],
        listeners: [const { Slot::EMPTY }; LISTENERS],
        listener_heads: [None; LISTENERS],
        records: [const { Slot::EMPTY }; RECORDS],
        #[cfg(feature = "udp")]
        sockets: [const { Slot::EMPTY }; UDP],
        #[cfg(feature = "udp")]
        socket_heads: [None; UDP],
        #[cfg(feature = "ethernet")]
        neighbors: [const { Empty::EMPTY }; NEIGHBORS],
        #[cfg(feature = "ethernet")]
        parked: [const { Empty::EMPTY }; NEIGHBORS],
        #[cfg(all(feature = "ethernet", feature = "udp"))]
        parked_sockets: [const { Empty::EMPTY }; NEIGHBORS],
        block_links: [None; BLOCKS],
        blocks: [[0; BLOCK_SIZE]; BLOCKS],
    };

    type Profile = P;

    fn lend(&mut self) -> Storage<'_, P> {
        Storage {
            tcp: TcpStorage {
                connections: (&mut self.connections[..]).into(),
                connection_heads: (&mut self.connection_heads[..]).into(),
                connection_deadlines: (&mut self.connection_deadlines[..]).into(),
                half_open: (&mut self.half_open[..]).into(),
                half_open_heads: (&mut self.half_open_heads[..]).into(),
                half_open_deadlines: (&mut self.half_open_deadlines[..]).into(),
                time_wait: (&mut self.time_wait[..]).into(),
                time_wait_heads: (&mut self.time_wait_heads[..]).into(),
                listeners: (&mut self.listeners[..]).into(),
                listener_heads: (&mut self.listener_heads[..]).into(),
                #[cfg(feature = "ethernet")]
                parked: (&mut self.parked[..]).into(),
            },
            records: (&mut self.records[..]).into(),
            #[cfg(feature = "udp")]
            udp: UdpStorage {
                sockets: (&mut self.sockets[..]).into(),
                heads: (&mut self.socket_heads[..]).into(),
                #[cfg(feature = "ethernet")]
                parked: (&mut self.parked_sockets[..]).into(),
            },
            #[cfg(feature = "ethernet")]
            neighbors: (&mut self.neighbors[..]).into(),
            blocks: self.blocks.as_flattened_mut().into(),
            block_links: (&mut self.block_links[..]).into(),
            block_size: u32::try_from(BLOCK_SIZE).unwrap_or(0),
            window_max: WINDOW_MAX,
        }
    }
}

/// Memory in a `static`, in `.bss`, lent once. Declared by [`storage!`](crate::storage!).
///
/// The target needs compare-and-swap for it, or the feature `critical-section` or
/// `portable-atomic`: see decision 0130.
#[cfg(any(target_has_atomic = "8", feature = "portable-atomic"))]
pub struct StaticStorage<A>(ConstStaticCell<A>);

#[cfg(any(target_has_atomic = "8", feature = "portable-atomic"))]
impl<A: Lend> StaticStorage<A> {
    /// Memory that nobody has taken yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "only a static can be lent")]
    pub const fn new() -> Self {
        Self(ConstStaticCell::new(A::EMPTY))
    }

    /// Lends the memory, the first time; `None` after that.
    pub fn take(&'static self) -> Option<Storage<'static, A::Profile>> {
        self.0.try_take().map(A::lend)
    }
}

/// Declares the memory of a stack as a `static` that lies in `.bss`:
///
/// ```
/// use hikyaku::{Small, storage};
///
/// storage!(static NET: Small {
///     connections: 4, listeners: 1, half_open: 0, time_wait: 0, udp_sockets: 1,
///     records: 0, window: 4096,
/// });
///
/// let storage = NET.take().expect("taken once");
/// # let _ = storage;
/// ```
///
/// [`StaticStorage::take`] lends it, once. The documentation of [`Capacity`] explains each
/// capacity. On an Ethernet link `neighbors: 8,` stands between `udp_sockets` and `records`; the
/// default is 0.
///
/// `window` is the number of bytes that every connection can receive and send in one round trip,
/// all connections at the same time. The number and the size of the blocks follow from it
/// ([`Capacity::with_window`]), and `Config` is limited to it, so that no connection takes more
/// than its share. A window of less than two segments (2920 bytes on Ethernet) makes each round
/// trip wait for a delayed ACK: [`Stack::warnings`](crate::Stack::warnings) reports it.
///
/// `blocks: 16 x 256` in place of `window` sets the number and the size of the blocks by hand. The
/// limits of [`ConnectionConfig`](crate::ConnectionConfig) then have to fit them.
///
/// # Without a `static`
///
/// `type` in place of `static` declares the type of the memory only. The runtime of a controller
/// may have a place for it, such as the `static mut` variables in the `#[entry]` function of
/// cortex-m-rt. That needs no atomic instructions:
///
/// ```
/// use hikyaku::stack::Lend;
/// use hikyaku::{Tiny, storage};
///
/// storage!(type Memory: Tiny {
///     connections: 1, listeners: 1, half_open: 0, time_wait: 0, udp_sockets: 0,
///     records: 0, window: 4096,
/// });
///
/// let mut memory = Memory::EMPTY;
/// let storage = memory.lend();
/// # let _ = storage;
/// ```
#[macro_export]
macro_rules! storage {
    ($(#[$attribute:meta])* $visibility:vis static $name:ident: $profile:ty {
        $($capacities:tt)*
    }) => {
        $crate::__static_storage!(
            $(#[$attribute])* $visibility $name: $crate::__arrays!($profile { $($capacities)* })
        );
    };
    ($(#[$attribute:meta])* $visibility:vis type $name:ident: $profile:ty {
        $($capacities:tt)*
    }) => {
        $(#[$attribute])*
        $visibility type $name = $crate::__arrays!($profile { $($capacities)* });
    };
}

/// The `static` of [`storage!`](crate::storage!).
#[cfg(any(target_has_atomic = "8", feature = "portable-atomic"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __static_storage {
    ($(#[$attribute:meta])* $visibility:vis $name:ident: $arrays:ty) => {
        $(#[$attribute])*
        $visibility static $name: $crate::stack::StaticStorage<$arrays> =
            $crate::stack::StaticStorage::new();
    };
}

/// The `static` of [`storage!`](crate::storage!), where the target cannot have it.
#[cfg(not(any(target_has_atomic = "8", feature = "portable-atomic")))]
#[doc(hidden)]
#[macro_export]
macro_rules! __static_storage {
    ($($static:tt)*) => {
        compile_error!(
            "a `static` of `storage!` is lent once, which takes compare-and-swap, and this target \
             has none: enable the feature `critical-section` of hikyaku, or `portable-atomic` if \
             another crate has chosen how to make up for it, or declare a `type` instead of the \
             `static` (docs/embedding.md, \"Processors without compare-and-swap\")"
        );
    };
}

/// The arrays of [`storage!`](crate::storage!).
#[doc(hidden)]
#[macro_export]
macro_rules! __arrays {
    ($profile:ty {
        connections: $connections:expr,
        listeners: $listeners:expr,
        half_open: $half_open:expr,
        time_wait: $time_wait:expr,
        udp_sockets: $udp_sockets:expr,
        $(neighbors: $neighbors:expr,)?
        records: $records:expr,
        blocks: $blocks:literal x $block_size:literal $(,)?
    }) => {
        $crate::stack::Arrays<
            $profile,
            { $connections },
            { $half_open },
            { $time_wait },
            { $listeners },
            { $udp_sockets },
            { 0 $(+ $neighbors)? },
            { $records },
            { $blocks },
            { $block_size },
        >
    };
    ($profile:ty {
        connections: $connections:expr,
        listeners: $listeners:expr,
        half_open: $half_open:expr,
        time_wait: $time_wait:expr,
        udp_sockets: $udp_sockets:expr,
        $(neighbors: $neighbors:expr,)?
        records: $records:expr,
        window: $window:expr $(,)?
    }) => {
        $crate::stack::Arrays<
            $profile,
            { $connections },
            { $half_open },
            { $time_wait },
            { $listeners },
            { $udp_sockets },
            { 0 $(+ $neighbors)? },
            { $records },
            { $crate::__capacity!($profile, $connections, $udp_sockets, $window).blocks },
            { $crate::__capacity!($profile, $connections, $udp_sockets, $window).block_size },
            { $window },
        >
    };
}

/// A capacity of so many connections and UDP sockets with windows of so many bytes.
#[doc(hidden)]
#[macro_export]
macro_rules! __capacity {
    ($profile:ty, $connections:expr, $udp_sockets:expr, $window:expr) => {
        $crate::Capacity {
            connections: $connections,
            udp_sockets: $udp_sockets,
            ..$crate::Capacity::small()
        }
        .with_window::<$profile>($window)
    };
}
