//! Sockets: pools of them, how a packet finds its own, and what the user holds in hand.
//!
//! Protocol rules are below, in `tcp`; packets and links are above, in `stack`.

use core::fmt;
use core::net::IpAddr;

/// A small error enum with its texts.
macro_rules! error_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$item_doc:meta])* $item:ident => $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub enum $name { $($(#[$item_doc])* $item,)* }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(match self { $(Self::$item => $text,)* })
            }
        }

        impl core::error::Error for $name {}
    };
}
pub(crate) use error_enum;

pub mod demux;
pub mod tcp;
mod tcp_handshakes;
pub mod tcp_pool;
pub mod tcp_slots;
#[cfg(feature = "udp")]
pub mod udp;
#[cfg(feature = "async")]
mod waiters;

use crate::counters::Counters;
use crate::flow::FlowKey;
use crate::profile::Profile;
use crate::storage::block_pool::BlockPool;
use crate::storage::policy::AllocationPolicy;
use crate::storage::queue::Queue;
use crate::storage::slab::Key;
use crate::tcp::isn::{hash64, isn, stamp_offset};
use crate::tcp::options::{self, Offer, Terms};
use crate::tcp::settings::ConnectionConfig;
use crate::tcp::window::shift_for;
use crate::time::{Duration, Instant};

/// Names a connection. Stays an error once the connection is released, never another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TcpHandle(Key);

/// Names a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ListenerHandle(Key);

/// Names a UDP socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct UdpHandle(Key);

/// Names a socket of any kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Handle {
    /// A connection.
    Tcp(TcpHandle),
    /// A listener.
    Listener(ListenerHandle),
    /// A UDP socket.
    Udp(UdpHandle),
}

/// The socket that this handle named is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StaleHandle;

impl fmt::Display for StaleHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the socket of this handle was released")
    }
}

impl core::error::Error for StaleHandle {}

/// Sixteen octets that nobody else knows, from a source of real entropy, new at every start.
/// Initial sequence numbers (RFC 6528), ports and hash tables are keyed by it.
#[derive(Clone, Copy)]
pub struct Secret([u8; 16]);

impl Secret {
    /// A secret. `None` for all zeros, which is what a forgotten one looks like.
    #[must_use]
    pub fn new(octets: [u8; 16]) -> Option<Self> {
        (octets != [0; 16]).then_some(Self(octets))
    }

    /// The octets.
    #[must_use]
    pub(crate) const fn octets(&self) -> &[u8; 16] {
        &self.0
    }

    /// The two keys of the look-up tables: they tell nothing of the secret.
    #[must_use]
    pub(crate) fn table_keys(&self) -> [u64; 2] {
        [hash64(&self.0, &[b"table", &[0]]), hash64(&self.0, &[b"table", &[1]])]
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Secret {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Secret(…)");
    }
}

/// Which of our addresses speaks to whom.
pub trait Route {
    /// The address to speak from to `remote`; `None` where there is none of its family.
    fn source_for(&self, remote: IpAddr) -> Option<IpAddr>;
}

/// What all sockets of a stack have in common.
#[derive(Debug)]
pub struct Commons<'a> {
    /// The latest point in time that the caller has told.
    pub now: Instant,
    /// What identifiers are keyed by.
    pub secret: Secret,
    /// What look-up tables are keyed by.
    pub table_keys: [u64; 2],
    /// Data blocks.
    pub blocks: BlockPool<'a>,
    /// What happened.
    pub counters: Counters,
    /// How windows are backed.
    pub policy: AllocationPolicy,
    /// 2 MSL.
    pub time_wait: Duration,
    /// The largest IP packet, octets.
    pub mtu: u16,
    /// How connections behave unless told otherwise.
    pub connection: ConnectionConfig,
    /// Whether in-order data is acknowledged once a burst.
    pub ack_per_burst: bool,
}

impl Commons<'_> {
    /// What we bring into a handshake.
    pub(crate) fn terms<P: Profile>(&self, flow: &FlowKey, config: &ConnectionConfig) -> Terms {
        let secret = self.secret.octets();
        let timestamps = P::TIMESTAMPS && config.timestamps;
        // A shift larger than any window needs would only round the windows down.
        let largest = config.receive_limit.min(Queue::window_max(self.blocks.block_size()));
        let offer = Offer {
            mss: self.mss(flow, config),
            window_shift: config.window_scale.then(|| shift_for(largest)),
            timestamps,
            sack: P::SACK && config.sack,
        };
        let stamp_offset = if timestamps { stamp_offset(secret, flow) } else { 0 };
        Terms { iss: isn(secret, flow, self.now), offer, stamp_offset, dscp: config.dscp }
    }

    /// The MSS that we announce.
    fn mss(&self, flow: &FlowKey, config: &ConnectionConfig) -> u16 {
        let fits = options::mss_of_mtu(self.mtu, flow.is_ipv4());
        let mss =
            config.mss.unwrap_or(fits).clamp(options::MSS_FLOOR, fits.max(options::MSS_FLOOR));
        // A segment lies in a bounded number of blocks, the first of which may be entered late.
        let pieces = (crate::device::PIECES_MAX as u32).saturating_sub(1);
        let gathered = pieces.saturating_mul(self.blocks.block_size());
        u32::from(mss).min(gathered) as u16
    }

    /// The window that a SYN-ACK tells: no more than what a connection is sure to get.
    pub(crate) fn first_window(&self, config: &ConnectionConfig) -> u16 {
        let more = match self.policy {
            AllocationPolicy::Reserved => 0,
            AllocationPolicy::Overcommit => self.blocks.obtainable(),
        };
        self.window_of(more, config)
    }

    /// The window that a SYN-ACK tells of which nothing is remembered: it is worked out once more
    /// when the answer comes, and must not depend on the pool.
    pub(crate) fn cookie_window(&self, config: &ConnectionConfig) -> u16 {
        self.window_of(0, config)
    }

    /// A window of one block and so many more.
    fn window_of(&self, more: u32, config: &ConnectionConfig) -> u16 {
        let blocks = more.saturating_add(1);
        let sure = blocks.saturating_mul(self.blocks.block_size());
        let largest = Queue::window_max(self.blocks.block_size());
        config.receive_limit.min(largest).min(sure).min(u32::from(u16::MAX)) as u16
    }
}
