//! How a stack is put together: first everything that can fail, then all in its place.

use core::mem::MaybeUninit;

use crate::counters::Tally;
use crate::profile::{Profile, Tables};
use crate::secret::Secret;
use crate::socket::Commons;
use crate::socket::demux::table_keys;
use crate::socket::tcp_pool::TcpPool;
#[cfg(feature = "udp")]
use crate::socket::udp::UdpPool;
use crate::storage::block_pool::BlockPool;
use crate::storage::slab::Slab;
use crate::storage::stream::Stream;
use crate::tcp::recovery::Records;
use crate::tcp::settings::Choices;
use crate::time::Instant;
#[cfg(feature = "ethernet")]
use crate::wire::ethernet;

#[cfg(feature = "ethernet")]
use super::frames::Frames;
use super::headers::Headers;
use super::link::Link;
#[cfg(feature = "ethernet")]
use super::neighbor::{Neighbor, Neighbors};
use super::reply::Replies;
use super::storage::Storage;
use super::{Config, ConfigError, MTU_MIN_IPV4, Stack};

impl<'a, P: Profile> Stack<'a, P> {
    /// A stack over this memory. It has no address yet: see [`Stack::add_address`].
    ///
    /// # Errors
    ///
    /// The MTU or the blocks are not of a possible size, there are fewer blocks than twice as many
    /// as connection slots, or more slots than the profile can find.
    pub fn new(
        storage: Storage<'a, P>,
        config: &Config,
        secret: Secret,
    ) -> Result<Self, ConfigError> {
        Ok(Parts::new(storage, config)?.assemble(config, secret))
    }

    /// Likewise, made where it is to be and never dropped: for a stack in a static, of which
    /// [`Stack::new`] would first make a kilobyte or more on the caller's stack.
    ///
    /// # Errors
    ///
    /// As of [`Stack::new`].
    pub fn new_in<'s>(
        place: &'s mut MaybeUninit<Self>,
        storage: Storage<'a, P>,
        config: &Config,
        secret: Secret,
    ) -> Result<&'s mut Self, ConfigError> {
        let parts = Parts::new(storage, config)?;
        Ok(place.write(parts.assemble(config, secret)))
    }
}

/// What a stack is put together of, once it is known that it can be.
struct Parts<'a, P: Profile> {
    blocks: BlockPool<'a>,
    records: Records<'a>,
    #[cfg(feature = "ethernet")]
    neighbors: Neighbors<'a>,
    tcp: TcpPool<'a, P>,
    #[cfg(feature = "udp")]
    udp: UdpPool<'a, P>,
    window_max: u32,
}

impl<'a, P: Profile> Parts<'a, P> {
    fn new(storage: Storage<'a, P>, config: &Config) -> Result<Self, ConfigError> {
        if config.mtu < MTU_MIN_IPV4 {
            return Err(ConfigError::MtuTooSmall);
        }
        #[cfg(feature = "ethernet")]
        let neighbors = neighbors(storage.neighbors, config.hardware_address)?;
        let mut blocks = BlockPool::new(storage.blocks, storage.block_links, storage.block_size)
            .ok_or(ConfigError::BadBlocks)?;
        let tcp = TcpPool::<P>::new(storage.tcp);
        #[cfg(feature = "udp")]
        let udp = UdpPool::new(storage.udp);
        let slots = tcp.slots_max();
        #[cfg(feature = "udp")]
        let slots = slots.max(udp.capacity());
        if slots > P::Tables::SLOTS_MAX {
            return Err(ConfigError::TooManySlots);
        }
        if tcp.keep_back(&mut blocks) > blocks.capacity() {
            return Err(ConfigError::TooFewBlocks);
        }
        Ok(Self {
            blocks,
            records: Slab::new(storage.records),
            #[cfg(feature = "ethernet")]
            neighbors,
            tcp,
            #[cfg(feature = "udp")]
            udp,
            window_max: P::Stream::LAYOUT.limit(storage.window_max),
        })
    }

    fn assemble(self, config: &Config, secret: Secret) -> Stack<'a, P> {
        Stack {
            commons: Commons {
                now: Instant::ZERO,
                secret,
                table_keys: table_keys::<P>(&secret),
                blocks: self.blocks,
                records: self.records,
                counters: Tally::EMPTY,
                policy: config.policy,
                time_wait: config.time_wait,
                mtu: config.mtu,
                mtu_most: config.mtu,
                choices: Choices::new::<P>(&config.connection).within(self.window_max),
                ack_per_burst: false,
            },
            link: Link::new(
                Replies::new(
                    if P::RESET_LIMITS { config.resets } else { 0 },
                    if P::ICMP_ERRORS { config.icmp_errors } else { 0 },
                ),
                Headers::new(config.hop_limit),
                #[cfg(feature = "ethernet")]
                Frames::new(config.hardware_address, self.neighbors),
            ),
            tcp: self.tcp,
            #[cfg(feature = "udp")]
            udp: self.udp,
            #[cfg(feature = "udp")]
            udp_turn: false,
            observer: P::Observer::default(),
            ingress_budget: config.ingress_budget.max(1),
            egress_budget: config.egress_budget.max(1),
            #[cfg(all(feature = "ethernet", feature = "ipv6"))]
            probe_ipv6: config.probe_ipv6 && config.hardware_address.is_some(),
        }
    }
}

/// The neighbours of a link, if it can have any.
#[cfg(feature = "ethernet")]
fn neighbors<'a>(
    slots: managed::ManagedSlice<'a, Neighbor>,
    hardware: Option<ethernet::Address>,
) -> Result<Neighbors<'a>, ConfigError> {
    if hardware.is_some_and(|address| !address.is_unicast()) {
        return Err(ConfigError::InvalidHardwareAddress);
    }
    let neighbors = Neighbors::new(slots);
    if hardware.is_some() && neighbors.capacity() == 0 {
        return Err(ConfigError::NoNeighbors);
    }
    Ok(neighbors)
}
