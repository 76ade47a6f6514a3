//! What all connections and sockets of a stack share: the time, the blocks, the secret, the
//! counters.

use crate::counters::Tally;
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
use super::settings::{Choices, ConnectionConfig};
use super::window::shift_for;

/// What all sockets of a stack have in common.
#[derive(Debug)]
#[repr(C)]
pub struct Commons<'a> {
    /// How connections behave unless told otherwise.
    pub choices: Choices,
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
    /// The largest IP packet that the link takes now, bytes.
    pub mtu: u16,
    /// The largest that it ever takes.
    pub mtu_most: u16,
    /// What happened.
    pub counters: Tally,
}

impl Commons<'_> {
    /// What is chosen for a connection: this, or what the stack was made with.
    pub(crate) fn choices_of<P: Profile>(&self, own: Option<&ConnectionConfig>) -> Choices {
        own.map_or(self.choices, Choices::new::<P>)
    }

    /// What we bring into a handshake.
    pub(crate) fn terms<P: Profile>(&self, flow: &FlowKey, choices: &Choices) -> Terms {
        let secret = &self.secret;
        let timestamps = P::TIMESTAMPS && choices.timestamps;
        // A shift larger than any window needs would only round the windows down.
        let largest = choices.receive_limit.min(P::Stream::window_max(self.blocks.block_size()));
        let scales = <P as Known>::WINDOW_SCALE && choices.window_scale;
        let offer = Offer {
            mss: self.mss(flow.is_ipv4(), choices),
            window_shift: scales.then(|| shift_for(largest)),
            timestamps,
            sack: P::SACK && choices.sack,
        };
        let stamp_offset = if timestamps { stamp_offset(secret, flow) } else { 0 };
        Terms { iss: isn(secret, flow, self.now), offer, stamp_offset, dscp: choices.settings.dscp }
    }

    /// The windows of connections for which nothing else is chosen, in bytes, to receive and to
    /// send, and their largest segment.
    pub(crate) fn windows(&self) -> (u32, u32, u16) {
        let Choices { receive_limit, send_limit, .. } = self.choices;
        (receive_limit, send_limit, self.mss(true, &self.choices))
    }

    /// The MSS that we announce.
    fn mss(&self, is_ipv4: bool, choices: &Choices) -> u16 {
        let fits = options::mss_of_mtu(self.mtu, is_ipv4);
        choices.mss.unwrap_or(fits).max(options::MSS_FLOOR).min(fits)
    }

    /// The window that a SYN-ACK tells: no more than what a connection is sure to get.
    pub(crate) fn first_window<P: Profile>(&self, choices: &Choices) -> u16 {
        let more = match self.policy {
            AllocationPolicy::Reserved => 0,
            AllocationPolicy::Overcommit => self.blocks.obtainable(),
        };
        self.window_of::<P>(more, choices)
    }

    /// The window that a SYN-ACK tells of which nothing is remembered: it is worked out once more
    /// when the answer comes, and must not depend on the pool.
    pub(crate) fn cookie_window<P: Profile>(&self, choices: &Choices) -> u16 {
        self.window_of::<P>(0, choices)
    }

    /// A window of one block and so many more.
    fn window_of<P: Profile>(&self, more: u32, choices: &Choices) -> u16 {
        let blocks = more.saturating_add(1);
        let sure = blocks.saturating_mul(self.blocks.block_size());
        let largest = P::Stream::window_max(self.blocks.block_size());
        choices.receive_limit.min(largest).min(sure).min(u32::from(u16::MAX)) as u16
    }
}
