//! The stack: one link, its sockets, and the doors through which packets and time come in.
//!
//! [`Stack::poll`] drives a [`Device`]. The finer doors [`Stack::receive`], [`Stack::transmit`],
//! [`Stack::next_wake`] and [`Stack::next_event`] need none: they suit simulators and other event
//! loops.

mod addresses;
#[cfg(feature = "ethernet")]
mod arp;
mod egress;
#[cfg(feature = "ethernet")]
mod frames;
mod headers;
mod ingress;
mod link;
#[cfg(all(feature = "ethernet", feature = "ipv6"))]
mod ndp;
#[cfg(feature = "ethernet")]
mod neighbor;
mod reply;
mod setup;
mod storage;
#[cfg(feature = "async")]
mod waiters;
mod warnings;

use core::net::{IpAddr, SocketAddr};

use crate::counters::Counters;
use crate::device::{Device, NoRoom, RxMeta};
#[cfg(any(feature = "dhcp", feature = "ethernet"))]
use crate::flow::FlowKey;
use crate::flow::{narrow, widen};
use crate::profile::{Full, Profile};
use crate::readiness::Readiness;
use crate::socket::tcp::{
    AcceptError, ConnectConfig, ConnectError, ListenConfig, ListenError, TcpSocket,
};
use crate::socket::tcp_pool::TcpPool;
#[cfg(feature = "udp")]
use crate::socket::udp::{BindError, UdpConfig, UdpPool, UdpSocket};
use crate::socket::{Commons, Handle, ListenerHandle, StaleHandle, TcpHandle};
use crate::storage::policy::AllocationPolicy;
use crate::tcp::settings::ConnectionConfig;
use crate::time::{Duration, Instant};
use crate::wire::address::{Cidr, NotAHost, is_unicast};
#[cfg(feature = "ethernet")]
use crate::wire::ethernet;

use headers::Sink;
use link::{Attempt, Link};

pub use addresses::AddressState;
#[cfg(any(target_has_atomic = "8", feature = "portable-atomic"))]
pub use storage::StaticStorage;
pub use storage::{Arrays, Capacity, Lend, Storage};
pub use warnings::ConfigWarning;

/// The smallest MTU of IPv4 (RFC 791 §3.2).
const MTU_MIN_IPV4: u16 = 68;
/// The smallest MTU of IPv6 (RFC 8200 §5).
const MTU_MIN_IPV6: u16 = 1280;

/// How a stack behaves.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Config {
    /// Our address on an Ethernet link; `None` where the device carries bare IP packets. Of 48 bits
    /// the first two say that it is one station's (0) and whether it was given out by the IEEE (0)
    /// or is local (1): `02:xx:xx:xx:xx:xx` is free for one's own use.
    #[cfg(feature = "ethernet")]
    pub hardware_address: Option<ethernet::Address>,
    /// Whether IPv6 addresses are probed for before they are used on an Ethernet link (RFC 4862
    /// §5.4 wants it); false where the link is known to have no second one.
    #[cfg(all(feature = "ethernet", feature = "ipv6"))]
    pub probe_ipv6: bool,
    /// The largest IP packet, bytes: 68 at least, with IPv6 1280. While a device takes less, each
    /// packet is cut to that, and a packet that cannot be cut is dropped and counted; while it
    /// takes less than 1280, no IPv6 packet leaves.
    pub mtu: u16,
    /// How windows are backed by memory.
    pub policy: AllocationPolicy,
    /// How long TIME-WAIT lasts, 2 MSL (RFC 9293 §3.6.1).
    pub time_wait: Duration,
    /// How connections behave unless told otherwise.
    pub connection: ConnectionConfig,
    /// The most packets that one [`Stack::poll`] takes from the device.
    pub ingress_budget: u16,
    /// The most packets that one [`Stack::poll`] sends, and the most deadlines that it acts on.
    pub egress_budget: u16,
    /// TTL and hop limit of what is sent.
    pub hop_limit: u8,
    /// Resets for segments that belong to no connection: how many one peer is sent in 1.05 s, on
    /// average; 0 for no limit. Peers share eight such rations. `Tiny` answers each such segment.
    pub resets: u16,
    /// ICMP errors (RFC 4443 §2.4 (f), RFC 1812 §4.3.2.8): likewise, on their own. Echo replies are
    /// not limited.
    pub icmp_errors: u16,
}

impl Config {
    /// For a link of 1500 octets: reserved memory, a minute of TIME-WAIT, 64 packets each way.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            #[cfg(feature = "ethernet")]
            hardware_address: None,
            #[cfg(all(feature = "ethernet", feature = "ipv6"))]
            probe_ipv6: true,
            mtu: 1500,
            policy: AllocationPolicy::Reserved,
            time_wait: Duration::from_secs(60),
            connection: ConnectionConfig::new(),
            ingress_budget: 64,
            egress_budget: 64,
            hop_limit: 64,
            resets: 5_000,
            icmp_errors: 1_000,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

crate::socket::error_enum! {
    /// What is wrong with a configuration.
    ConfigError {
        /// The MTU is below the minimum of the IP version.
        MtuTooSmall => "the MTU is below 68, or below 1280 with an IPv6 address",
        /// The block memory is smaller than one block, or the block size no power of two between
        /// 64 and 65,536.
        BadBlocks => "the block size is no power of two in 64..=65536, or there is no block",
        /// There are fewer than two blocks for each connection slot.
        TooFewBlocks => "fewer than two blocks for each connection",
        /// There are more slots of a kind than the tables of the profile have places for: 32 with
        /// those of `Small`.
        TooManySlots => "more slots of a kind than the profile's tables have places for",
        /// Reserved or unspecified, of a family that this build lacks, or with a prefix that is too
        /// long.
        InvalidAddress => "not an address that a host can have, with a prefix of its family",
        /// 127.0.0.0/8 or ::1.
        LoopbackAddress => "a loopback address never leaves a host",
        /// The address of a group.
        MulticastAddress => "a multicast address belongs to no single host",
        /// All host bits are zero, and the prefix is shorter than 31 bits.
        NetworkAddress => "the address names the network itself",
        /// All host bits are one, and the prefix is shorter than 31 bits.
        BroadcastAddress => "the address is the broadcast address of its network",
        /// All zero, or that of a group.
        InvalidHardwareAddress => "not the hardware address of one station",
        /// An Ethernet link needs a place for one neighbour at least.
        NoNeighbors => "no place for a neighbour",
        /// There is no Ethernet to ask, or the profile asks for no IPv4 address.
        CannotProbe => "addresses cannot be probed for here",
        /// A gateway that is not on the link.
        InvalidGateway => "the gateway is not a neighbour of ours",
        /// The link has all the addresses that it can hold.
        TooManyAddresses => "the link holds no more addresses",
    }
}

/// When to call again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Wake {
    /// At once: there is work left.
    Now,
    /// At this time, or when a packet arrives.
    At(Instant),
    /// When a packet arrives.
    OnIngress,
    /// When the device has room to send, when a packet arrives, or at this time.
    OnRoom {
        /// The next deadline, if any.
        or_at: Option<Instant>,
    },
}

/// How much of the pools is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Usage {
    /// Connections.
    pub connections: usize,
    /// Handshakes that peers have begun.
    pub half_open: usize,
    /// Connections that nobody holds and of which only TIME-WAIT is left.
    pub time_wait: usize,
    /// Listeners.
    pub listeners: usize,
    /// UDP sockets.
    pub udp_sockets: usize,
    /// Data blocks that hold something.
    pub blocks_used: u32,
    /// Data blocks that are promised.
    pub blocks_promised: u32,
    /// Records of segments in flight.
    pub records: usize,
}

/// A TCP/IP stack on one link.
pub struct Stack<'a, P: Profile = Full> {
    commons: Commons<'a>,
    link: Link<'a>,
    tcp: TcpPool<'a, P>,
    #[cfg(feature = "udp")]
    udp: UdpPool<'a, P>,
    #[cfg(feature = "udp")]
    udp_turn: bool,
    observer: P::Observer,
    ingress_budget: u16,
    egress_budget: u16,
    #[cfg(all(feature = "ethernet", feature = "ipv6"))]
    probe_ipv6: bool,
}

impl<'a, P: Profile> Stack<'a, P> {
    /// Gives the link an address, up to four, or two without the feature `ipv6`. It is used at
    /// once, but for IPv6 on Ethernet: there it is probed for if [`Config::probe_ipv6`] says so.
    ///
    /// An address that the link has already is not added again. Where it is in use it stays as it
    /// is, its prefix too. Where it is being probed for, or somebody else has it, probing begins
    /// anew: remove it first where it is to be used in any case.
    ///
    /// # Errors
    ///
    /// It is not a host's address, IPv6 does not fit the MTU, or there is no room for it.
    pub fn add_address(&mut self, address: IpAddr, prefix: u8) -> Result<(), ConfigError> {
        let cidr = self.cidr(address, prefix)?;
        #[cfg(feature = "ethernet")]
        if self.is_probed_for(address) {
            return self.probe(cidr);
        }
        #[cfg(feature = "ethernet")]
        self.link.frames.forget_way();
        if self.link.addresses.add(cidr) { Ok(()) } else { Err(ConfigError::TooManyAddresses) }
    }

    /// Whether an address that is to be added has to be probed for.
    #[cfg(feature = "ethernet")]
    fn is_probed_for(&self, address: IpAddr) -> bool {
        if !Self::PROBES {
            return false;
        }
        match self.address_state(address) {
            Some(state) => state != AddressState::Usable,
            #[cfg(feature = "ipv6")]
            None => self.probe_ipv6 && address.is_ipv6(),
            #[cfg(not(feature = "ipv6"))]
            None => false,
        }
    }

    fn cidr(&self, address: IpAddr, prefix: u8) -> Result<Cidr, ConfigError> {
        let cidr = Cidr::new(address, prefix).ok_or(ConfigError::InvalidAddress)?;
        match cidr.host_fault() {
            None => {}
            Some(NotAHost::Reserved) => return Err(ConfigError::InvalidAddress),
            Some(NotAHost::Loopback) => return Err(ConfigError::LoopbackAddress),
            Some(NotAHost::Multicast) => return Err(ConfigError::MulticastAddress),
            Some(NotAHost::Network) => return Err(ConfigError::NetworkAddress),
            Some(NotAHost::Broadcast) => return Err(ConfigError::BroadcastAddress),
        }
        if address.is_ipv6() && self.commons.mtu < MTU_MIN_IPV6 {
            return Err(ConfigError::MtuTooSmall);
        }
        Ok(cidr)
    }

    /// Likewise, but asks the link first whether somebody has it: for IPv4 three times in about
    /// five seconds (RFC 5227 §2.1), for IPv6 once in about one (RFC 4862 §5.4). Until then it is
    /// neither sent from nor answered for; [`Stack::address_state`] tells. For an address that the
    /// link has already this begins anew, whatever has become of it.
    ///
    /// # Errors
    ///
    /// As of [`Stack::add_address`], or the profile has no probes for IPv4, or the link is no
    /// Ethernet.
    #[cfg(feature = "ethernet")]
    pub fn probe_address(&mut self, address: IpAddr, prefix: u8) -> Result<(), ConfigError> {
        let cidr = self.cidr(address, prefix)?;
        if self.link.frames.hardware.is_none() || !(P::ADDRESS_CONFLICTS || address.is_ipv6()) {
            return Err(ConfigError::CannotProbe);
        }
        self.probe(cidr)
    }

    #[cfg(feature = "ethernet")]
    fn probe(&mut self, cidr: Cidr) -> Result<(), ConfigError> {
        let first = self.commons.now + self.jitter();
        let added = self.link.addresses.probe(cidr, first);
        if added { Ok(()) } else { Err(ConfigError::TooManyAddresses) }
    }

    /// Gives the link the link-local address that follows from the hardware address (RFC 4291,
    /// Appendix A), and returns it.
    ///
    /// # Errors
    ///
    /// As of [`Stack::add_address`], or the link is no Ethernet.
    #[cfg(all(feature = "ethernet", feature = "ipv6"))]
    pub fn add_link_local(&mut self) -> Result<core::net::Ipv6Addr, ConfigError> {
        let hardware = self.link.frames.hardware.ok_or(ConfigError::InvalidHardwareAddress)?;
        let address = crate::wire::ndp::link_local(hardware);
        self.add_address(address.into(), 64)?;
        Ok(address)
    }

    /// How far an address has come; `None` where it is not one of ours.
    #[cfg(feature = "ethernet")]
    #[must_use]
    pub fn address_state(&self, address: IpAddr) -> Option<AddressState> {
        self.link.addresses.state(narrow(address)?)
    }

    /// Takes an address from the link; returns whether the link had it. Nothing that is sent to it
    /// arrives any more, nothing leaves from it, and a gateway on its network alone is forgotten.
    /// Connections on it end at once and silently, with [`CloseReason::AddressRemoved`]; sockets
    /// and listeners that are bound to it stay, and are of use again once the address is back.
    ///
    /// The call looks at each slot for a connection.
    ///
    /// [`CloseReason::AddressRemoved`]: crate::CloseReason::AddressRemoved
    pub fn remove_address(&mut self, address: IpAddr) -> bool {
        let address = narrow(address).filter(|address| self.link.remove(*address));
        if let Some(address) = address {
            self.tcp.on_address_removed(address, &mut self.commons);
            self.link.replies.forget(address, &mut self.commons);
        }
        address.is_some()
    }

    /// Whether the link has an address, or is to have it once nobody has objected.
    #[cfg(feature = "dhcp")]
    pub(crate) fn holds_address(&self, address: IpAddr) -> bool {
        narrow(address).is_some_and(|address| self.link.addresses.holds(address))
    }

    /// Changes the prefix of an address that the link has.
    ///
    /// # Errors
    ///
    /// As of [`Stack::add_address`].
    #[cfg(feature = "dhcp")]
    pub(crate) fn set_prefix(&mut self, address: IpAddr, prefix: u8) -> Result<(), ConfigError> {
        let cidr = self.cidr(address, prefix)?;
        self.link.addresses.set_prefix(cidr);
        #[cfg(feature = "ethernet")]
        self.link.forget_far_gateways();
        Ok(())
    }

    /// Sends nothing through a gateway any more, if it is one.
    #[cfg(all(feature = "dhcp", feature = "ethernet"))]
    pub(crate) fn forget_gateway(&mut self, gateway: IpAddr) {
        if let Some(gateway) = narrow(gateway) {
            self.link.forget_gateway(gateway);
        }
    }

    /// Sixty-four bits that nobody can foresee: others for each purpose, each number and each
    /// point in time.
    #[cfg(any(feature = "dhcp", feature = "ethernet"))]
    pub(crate) fn draw(&self, purpose: &[u8; 4], number: u32) -> u64 {
        let now = self.commons.now.micros();
        let numbers = [number, now as u32, (now >> 32) as u32];
        let [low, high, ..] = self.commons.secret.hash(purpose, numbers, &FlowKey::EMPTY);
        u64::from(high) << 32 | u64::from(low)
    }

    /// Sends what is for other links to this neighbour, which must be on the network of one of our
    /// addresses. One for IPv4 and one for IPv6; the later one counts. Only Ethernet links have
    /// neighbours.
    ///
    /// # Errors
    ///
    /// It is not a host's address, our own, or not on the link.
    #[cfg(feature = "ethernet")]
    pub fn set_gateway(&mut self, gateway: IpAddr) -> Result<(), ConfigError> {
        let gateway = narrow(gateway).ok_or(ConfigError::InvalidGateway)?;
        let is_ours = self.link.owns(gateway) || self.link.is_broadcast(gateway);
        if !is_unicast(widen(gateway)) || is_ours || !self.link.addresses.covers(gateway) {
            return Err(ConfigError::InvalidGateway);
        }
        self.link.set_gateway(widen(gateway).is_ipv4(), Some(gateway));
        Ok(())
    }

    /// The hardware address of a neighbour, if it has told us.
    #[cfg(feature = "ethernet")]
    #[must_use]
    pub fn neighbor(&self, address: IpAddr) -> Option<ethernet::Address> {
        self.link.frames.neighbors.hardware_of(narrow(address)?)
    }

    /// Takes what the device has received, acts on what is due, sends what it has room for, and
    /// says when to call again. Bounded by the budgets of [`Config`]: at most `ingress_budget`
    /// packets in, `egress_budget` deadlines and packets out, and for each packet in the ACKs that
    /// must not wait.
    pub fn poll<D: Device>(&mut self, now: Instant, device: &mut D) -> Wake {
        let capabilities = device.capabilities();
        self.advance(now);
        self.link.is_foreign = capabilities.medium != self.link.medium();
        self.commons.ack_per_burst = capabilities.ack_per_burst;
        self.commons.mtu = self.commons.mtu_most.min(capabilities.mtu);
        let mut drained = false;
        for _ in 0..self.ingress_budget {
            if device.receive(|packet, meta| self.ingress(packet, meta)).is_none() {
                drained = true;
                break;
            }
            self.flush(&mut |packet| device.transmit(packet));
        }
        self.tcp.on_time(self.egress_budget, &mut self.commons, &mut self.observer);
        let mut budget = self.egress_budget;
        while budget > 0 && self.may_send() {
            if self.send_one(false, &mut |packet| device.transmit(packet)) != Attempt::Done {
                break;
            }
            budget = budget.wrapping_sub(1);
        }
        if drained { self.wake() } else { Wake::Now }
    }

    /// Sends what must leave before the next arrival.
    fn flush(&mut self, sink: Sink<'_>) {
        let mut budget = self.egress_budget;
        while budget > 0 && self.is_urgent() {
            if self.send_one(true, sink) != Attempt::Done {
                return;
            }
            budget = budget.wrapping_sub(1);
        }
    }

    fn is_urgent(&self) -> bool {
        #[cfg(feature = "ethernet")]
        if self.link.frames.has_answers() {
            return true;
        }
        !self.link.replies.is_empty() || self.tcp.is_urgent(&self.commons)
    }

    /// One IP packet, or the Ethernet frame around it, has arrived. Whatever is wrong with it ends
    /// in a counter.
    pub fn receive(&mut self, now: Instant, packet: &[u8]) {
        self.advance(now);
        self.ingress(packet, RxMeta::default());
    }

    /// Acts on what is due, then puts the next packet, or the Ethernet frame around it, into
    /// `buffer` and returns its length; `None` when there is nothing to send. A buffer shorter than
    /// the MTU (with Ethernet 14 octets more) may be too short for it: the packet then waits for a
    /// longer one.
    pub fn transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<usize> {
        self.advance(now);
        self.tcp.on_time(self.egress_budget, &mut self.commons, &mut self.observer);
        let mut len = None;
        // What waits for a neighbour takes a turn, but leaves nothing in the buffer.
        for _ in 0..self.egress_budget {
            let attempt = self.send_one(false, &mut |packet| {
                len = packet.copy_into(buffer);
                len.map(|_| ()).ok_or(NoRoom)
            });
            if attempt != Attempt::Done || len.is_some() {
                break;
            }
        }
        // The next call brings its own buffer.
        self.link.is_full = false;
        len
    }

    /// When to call again, exactly.
    pub fn next_wake(&mut self, now: Instant) -> Wake {
        self.advance(now);
        self.wake()
    }

    fn wake(&mut self) -> Wake {
        let now = self.commons.now;
        let due = self.tcp.next_due();
        if due.has_come(now) {
            return Wake::Now;
        }
        #[cfg(feature = "ethernet")]
        let request = self.next_neighbor_message();
        #[cfg(not(feature = "ethernet"))]
        let request = crate::time::Due::NEVER;
        if self.has_departures() || request.has_come(now) {
            let or_at = due.instant();
            return if self.link.is_full { Wake::OnRoom { or_at } } else { Wake::Now };
        }
        due.earlier(request).instant().map_or(Wake::OnIngress, Wake::At)
    }

    /// Whether [`Stack::send_one`] may find something.
    fn may_send(&self) -> bool {
        #[cfg(feature = "ethernet")]
        if self.may_have_neighbor_message() {
            return true;
        }
        self.has_departures()
    }

    fn has_departures(&self) -> bool {
        #[cfg(feature = "ethernet")]
        if self.link.frames.has_answers() {
            return true;
        }
        #[cfg(feature = "udp")]
        if self.udp.has_departures() {
            return true;
        }
        !self.link.replies.is_empty() || self.tcp.has_departures()
    }

    pub(crate) fn advance(&mut self, now: Instant) {
        if self.commons.now < now {
            self.commons.now = now;
        }
    }

    /// The next socket on which something may have become possible, and what. Events of one socket
    /// are merged.
    pub fn next_event(&mut self) -> Option<(Handle, Readiness)> {
        let event = self.tcp.next_event();
        #[cfg(feature = "udp")]
        let event = event.or_else(|| self.udp.next_event());
        event
    }

    /// Starts to listen on a TCP port.
    ///
    /// # Errors
    ///
    /// The port is 0 or taken, or no listener slot is free.
    pub fn listen(
        &mut self,
        port: u16,
        config: &ListenConfig,
    ) -> Result<ListenerHandle, ListenError> {
        self.tcp.listen(port, config, &self.commons)
    }

    /// Takes the oldest connection that waits at a listener.
    ///
    /// # Errors
    ///
    /// None is waiting, or the listener is gone.
    pub fn accept(&mut self, listener: ListenerHandle) -> Result<TcpHandle, AcceptError> {
        self.tcp.accept(listener)
    }

    /// Stops listening. Connections that nobody has accepted are reset.
    ///
    /// # Errors
    ///
    /// The listener is gone already.
    pub fn close_listener(&mut self, listener: ListenerHandle) -> Result<(), StaleHandle> {
        self.tcp.close_listener(listener, &mut self.commons)
    }

    /// Begins to open a connection; `CONNECTED` or `CLOSED` tells how it went.
    ///
    /// # Errors
    ///
    /// The peer cannot be addressed (our own addresses among them: nothing is looped), the port
    /// is in use, or a pool is exhausted.
    pub fn connect(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        config: &ConnectConfig,
    ) -> Result<TcpHandle, ConnectError> {
        self.advance(now);
        let address = narrow(remote.ip()).ok_or(ConnectError::NoAddress)?;
        let ours = self.link.owns(address) || self.link.is_broadcast(address);
        if !is_unicast(widen(address)) || ours || remote.port() == 0 {
            return Err(ConnectError::InvalidRemote);
        }
        let local = match config.local_address {
            Some(local) => narrow(local).filter(|local| self.link.owns(*local)),
            None => self.link.addresses.source_for(address),
        };
        let local = local.map(widen).filter(|local| local.is_ipv4() == remote.is_ipv4());
        let local = local.ok_or(ConnectError::NoAddress)?;
        self.tcp.connect(local, remote, config, &mut self.commons)
    }

    /// The connection of a handle. Its calls happen at the time that the stack was told last:
    /// after a long sleep tell it the time first, by [`Stack::poll`] or [`Stack::next_wake`].
    ///
    /// # Errors
    ///
    /// It was released.
    pub fn tcp(&mut self, handle: TcpHandle) -> Result<TcpSocket<'_, 'a, P>, StaleHandle> {
        self.tcp.socket(handle, &mut self.commons)
    }

    /// Binds a UDP socket.
    ///
    /// # Errors
    ///
    /// The port is taken, or a pool is exhausted.
    #[cfg(feature = "udp")]
    pub fn bind_udp(&mut self, config: &UdpConfig) -> Result<crate::socket::UdpHandle, BindError> {
        self.udp.bind(config, &mut self.commons)
    }

    /// The UDP socket of a handle.
    ///
    /// # Errors
    ///
    /// It was closed.
    #[cfg(feature = "udp")]
    pub fn udp(
        &mut self,
        handle: crate::socket::UdpHandle,
    ) -> Result<UdpSocket<'_, 'a, P>, StaleHandle> {
        self.udp.socket(handle, &self.link, &mut self.commons)
    }

    /// What happened since the stack was made; all zero without the feature `counters`.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        #[cfg(feature = "counters")]
        return &self.commons.counters;
        #[cfg(not(feature = "counters"))]
        &Counters::EMPTY
    }

    /// The observer of the profile.
    pub fn observer(&mut self) -> &mut P::Observer {
        &mut self.observer
    }

    /// How much of the pools is in use.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let tcp = self.tcp.usage();
        #[cfg(feature = "udp")]
        let udp_sockets = self.udp.len();
        #[cfg(not(feature = "udp"))]
        let udp_sockets = 0;
        Usage {
            connections: tcp.connections,
            half_open: tcp.half_open,
            time_wait: tcp.time_wait,
            listeners: tcp.listeners,
            udp_sockets,
            blocks_used: self.commons.blocks.used(),
            blocks_promised: self.commons.blocks.promised(),
            records: self.commons.records.len(),
        }
    }
}
