//! What all connections and sockets of a stack share: the time, the blocks, the secret, the
//! counters.

use crate::counters::Counters;
use crate::flow::FlowKey;
use crate::profile::Profile;
use crate::secret::Secret;
use crate::storage::block_pool::BlockPool;
use crate::storage::policy::AllocationPolicy;
use crate::storage::stream::Stream;
use crate::time::{Duration, Instant};
use crate::wire::tcp_options::Known;

use super::isn::{isn, stamp_offset};
use super::options::{self, Offer, Terms};
use super::recovery::Records;
use super::settings::ConnectionConfig;
use super::window::shift_for;

/// What all sockets of a stack have in common.
#[derive(Debug)]
#[repr(C)]
pub struct Commons<'a> {
    /// How connections behave unless told otherwise.
    pub connection: ConnectionConfig,
    /// The latest point in time that the caller has told.
    pub now: Instant,
    /// 2 MSL.
    pub time_wait: Duration,
    /// What look-up tables are keyed by.
    pub table_keys: [u64; 2],
    /// What identifiers are keyed by.
    pub secret: Secret,
    /// Data blocks.
    pub blocks: BlockPool<'a>,
    /// Records of segments in flight.
    pub records: Records<'a>,
    /// How windows are backed.
    pub policy: AllocationPolicy,
    /// Whether in-order data is acknowledged once a burst.
    pub ack_per_burst: bool,
    /// The largest IP packet, octets.
    pub mtu: u16,
    /// What happened.
    pub counters: Counters,
}

impl Commons<'_> {
    /// What we bring into a handshake.
    pub(crate) fn terms<P: Profile>(&self, flow: &FlowKey, config: &ConnectionConfig) -> Terms {
        let secret = self.secret.octets();
        let timestamps = P::TIMESTAMPS && config.timestamps;
        // A shift larger than any window needs would only round the windows down.
        let largest = config.receive_limit.min(P::Stream::window_max(self.blocks.block_size()));
        let scales = <P as Known>::WINDOW_SCALE && config.window_scale;
        let offer = Offer {
            mss: self.mss(flow, config),
            window_shift: scales.then(|| shift_for(largest)),
            timestamps,
            sack: P::SACK && config.sack,
        };
        let stamp_offset = if timestamps { stamp_offset(secret, flow) } else { 0 };
        Terms { iss: isn(secret, flow, self.now), offer, stamp_offset, dscp: config.dscp }
    }

    /// The MSS that we announce.
    fn mss(&self, flow: &FlowKey, config: &ConnectionConfig) -> u16 {
        let fits = options::mss_of_mtu(self.mtu, flow.is_ipv4());
        config.mss.unwrap_or(fits).clamp(options::MSS_FLOOR, fits.max(options::MSS_FLOOR))
    }

    /// The window that a SYN-ACK tells: no more than what a connection is sure to get.
    pub(crate) fn first_window<P: Profile>(&self, config: &ConnectionConfig) -> u16 {
        let more = match self.policy {
            AllocationPolicy::Reserved => 0,
            AllocationPolicy::Overcommit => self.blocks.obtainable(),
        };
        self.window_of::<P>(more, config)
    }

    /// The window that a SYN-ACK tells of which nothing is remembered: it is worked out once more
    /// when the answer comes, and must not depend on the pool.
    pub(crate) fn cookie_window<P: Profile>(&self, config: &ConnectionConfig) -> u16 {
        self.window_of::<P>(0, config)
    }

    /// A window of one block and so many more.
    fn window_of<P: Profile>(&self, more: u32, config: &ConnectionConfig) -> u16 {
        let blocks = more.saturating_add(1);
        let sure = blocks.saturating_mul(self.blocks.block_size());
        let largest = P::Stream::window_max(self.blocks.block_size());
        config.receive_limit.min(largest).min(sure).min(u32::from(u16::MAX)) as u16
    }
}
