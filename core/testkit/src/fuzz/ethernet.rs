//! Any bytes as frames for a host on an Ethernet link: headers, ARP and neighbour discovery, with
//! time that passes and connections that are opened in between.
//!
//! An input is a choice of profile and a row of steps, each of one octet and what it takes.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use hikyaku::wire::arp;
use hikyaku::wire::checksum::pseudo_header;
use hikyaku::wire::ethernet::{Address, EtherType, Header};
use hikyaku::wire::{Protocol, ndp};
use hikyaku::{Capacity, Config, ConnectConfig, Duration, Instant, TcpHandle, Wake};

use crate::forge;
use crate::host::{Host, HostSetup, Kind, make};
use crate::pair::{Family, RIGHT, address};

/// The host's hardware address.
pub(super) const OURS: Address = Address([2, 0, 0, 0, 0, 2]);

/// A first octet that chooses `Small`; one of 2 has IPv6 addresses probed for.
pub(super) const SMALL: u8 = 1;
/// A first octet that chooses `Tiny`, whatever [`SMALL`] says.
pub(super) const TINY: u8 = 4;

/// A frame of raw octets: a length, and as many.
pub(super) const FRAME: u8 = 0;
/// An ARP packet to all: its operation and 20 octets of addresses.
pub(super) const ARP: u8 = 1;
/// A message of neighbour discovery with a right checksum: the hop limit, the addresses, a length,
/// and as many octets.
pub(super) const DISCOVERY: u8 = 2;
/// Time passes: so many steps of 64 ms.
pub(super) const TIME: u8 = 3;
/// A connection is opened to a neighbour with this number.
pub(super) const CONNECT: u8 = 4;
/// An echo request comes from a neighbour with this number.
pub(super) const ECHO: u8 = 5;

const CAPACITY: Capacity = Capacity {
    connections: 4,
    half_open: 2,
    time_wait: 2,
    listeners: 1,
    udp_sockets: 1,
    neighbors: 3,
    blocks: 16,
    block_size: 128,
    records: 8,
};

/// For rings: two blocks for each connection, each a window.
const RINGS: Capacity = Capacity { blocks: 10, block_size: 1024, records: 0, ..CAPACITY };

/// The most frames that a host sends at one moment: each connection a segment or two, each
/// neighbour a request, each arrival an answer.
const BURST: usize = 32;

struct Rig {
    host: Box<dyn Host>,
    now: Instant,
    connections: Vec<TcpHandle>,
    requests: usize,
}

/// Drives a host with `data`.
pub fn ethernet(data: &[u8]) {
    let Some((choices, mut rest)) = data.split_first() else { return };
    let mut rig = Rig::new(*choices);
    while let Some((step, behind)) = rest.split_first() {
        rest = rig.step(*step, behind).unwrap_or(&[]);
        rig.settle();
    }
    rig.end();
}

fn take<'d>(data: &'d [u8], octets: &mut [u8]) -> Option<&'d [u8]> {
    let (taken, rest) = data.split_at_checked(octets.len())?;
    octets.copy_from_slice(taken);
    Some(rest)
}

impl Rig {
    fn new(choices: u8) -> Self {
        let (kind, capacity) = match choices & (SMALL | TINY) {
            0 => (Kind::Full, CAPACITY),
            SMALL => (Kind::Small, CAPACITY),
            _ => (Kind::Tiny, RINGS),
        };
        let probe_ipv6 = choices & 2 != 0;
        let config = Config { hardware_address: Some(OURS), probe_ipv6, ..Config::new() };
        let addresses = [(address(RIGHT, Family::V4), 24), (address(RIGHT, Family::V6), 64)];
        let clock = Duration::ZERO;
        let setup = HostSetup { kind, config, capacity, clock, addresses };
        let host = make(&setup, 1);
        Self { host, now: Instant::from_millis(1), connections: Vec::new(), requests: 0 }
    }

    /// Does a step, and returns what is behind it.
    fn step<'d>(&mut self, step: u8, data: &'d [u8]) -> Option<&'d [u8]> {
        match step {
            FRAME => {
                let (len, data) = data.split_first()?;
                let (frame, data) = data.split_at_checked(usize::from(*len))?;
                self.receive(frame);
                Some(data)
            }
            ARP => {
                let mut octets = [0; 21];
                let data = take(data, &mut octets)?;
                let mut packet = vec![0, 1, 8, 0, 6, 4, 0];
                packet.extend(octets);
                check_arp(&packet);
                let source = Address([2, 0, 0, 0, 0, 9]);
                self.frame(Address::BROADCAST, source, EtherType::ARP, &packet);
                Some(data)
            }
            DISCOVERY => {
                let mut head = [0; 4];
                let data = take(data, &mut head)?;
                let [hop_limit, from, to, len] = head;
                let (message, data) = data.split_at_checked(usize::from(len))?;
                self.discovery(hop_limit, (from, to), message);
                Some(data)
            }
            TIME => {
                let (steps, data) = data.split_first()?;
                self.now = self.now + Duration::from_millis(64 * u64::from(*steps));
                Some(data)
            }
            CONNECT => {
                let (number, data) = data.split_first()?;
                let remote = SocketAddr::new(neighbor(*number), 7);
                let opened = self.host.connect(self.now, remote, &ConnectConfig::new());
                self.connections.extend(opened);
                Some(data)
            }
            ECHO => {
                let (number, data) = data.split_first()?;
                let from = neighbor(*number);
                let family = if from.is_ipv4() { Family::V4 } else { Family::V6 };
                let packet = forge::ping(from, address(RIGHT, family), b"echo");
                let kind = if from.is_ipv4() { EtherType::IPV4 } else { EtherType::IPV6 };
                self.frame(OURS, Address([2, 0, 0, 0, 0, 9]), kind, &packet);
                Some(data)
            }
            _ => None,
        }
    }

    /// From one of four addresses, to one of four: neighbours, groups, ourselves, nobody.
    fn discovery(&mut self, hop_limit: u8, (from, to): (u8, u8), message: &[u8]) {
        let IpAddr::V6(ours) = address(RIGHT, Family::V6) else { return };
        let IpAddr::V6(other) = neighbor(from | 0x80) else { return };
        let source =
            [other, Ipv6Addr::UNSPECIFIED, ndp::link_local(OURS), ours][usize::from(from >> 6)];
        let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        let destination = [ours, ndp::solicited_node(ours), all_nodes, other][usize::from(to >> 6)];
        let mut message = message.to_vec();
        if let Some(field) = message.get_mut(2..4) {
            field.fill(0);
            let (from, to, len) = (source.into(), destination.into(), message.len() as u32);
            let mut sum = pseudo_header(from, to, Protocol::ICMPV6, len);
            sum.add_bytes(&message);
            message[2..4].copy_from_slice(&sum.finish().to_be_bytes());
            check_ndp(&message);
        }
        let mut packet = forge::ip(source.into(), destination.into(), Protocol::ICMPV6, &message);
        packet[7] = hop_limit;
        let [.., a, b, c, d] = destination.octets();
        let group = Address([0x33, 0x33, a, b, c, d]);
        let hardware = if destination.is_multicast() { group } else { OURS };
        self.frame(hardware, Address([2, 0, 0, 0, 0, 9]), EtherType::IPV6, &packet);
    }

    fn frame(&mut self, destination: Address, source: Address, kind: EtherType, packet: &[u8]) {
        let mut frame = vec![0; 14];
        Header { destination, source, kind }.emit(&mut frame).expect("room");
        frame.extend(packet);
        self.receive(&frame);
    }

    fn receive(&mut self, frame: &[u8]) {
        let before = *self.host.counters();
        self.host.receive(self.now, frame);
        let after = *self.host.counters();
        let dropped = after.drops.total().wrapping_sub(before.drops.total());
        assert!(dropped <= 1, "a frame is dropped once");
    }

    /// All that is due leaves, and then there is nothing to do until later.
    fn settle(&mut self) {
        let mut buffer = [0; 1514];
        let mut sent = 0;
        while let Some(len) = self.host.transmit(self.now, &mut buffer) {
            check_sent(&buffer[..len]);
            sent += 1;
            assert!(sent <= BURST, "frames without end");
        }
        match self.host.next_wake(self.now) {
            Wake::At(at) => assert!(at > self.now, "a deadline in the past"),
            Wake::OnIngress => {}
            other => panic!("{other:?}, though all was sent"),
        }
        while self.host.next_event().is_some() {}
    }

    /// Nobody answers any more: what is open ends, and nothing is left.
    fn end(mut self) {
        for handle in core::mem::take(&mut self.connections) {
            self.host.abort(handle);
            self.host.release(handle);
        }
        let asked = self.host.counters().neighbor_requests;
        self.requests = asked;
        for _ in 0..200 {
            self.settle();
            let Wake::At(at) = self.host.next_wake(self.now) else { break };
            self.now = at;
        }
        self.settle();
        assert_eq!(self.host.next_wake(self.now), Wake::OnIngress, "timers without end");
        let more = self.host.counters().neighbor_requests - self.requests;
        assert!(more <= 3 * CAPACITY.neighbors + 3, "{more} requests for nobody");
        assert_eq!(self.host.usage().connections, 0);
    }
}

/// Neighbours 0 to 127 are known by IPv4 addresses, the others by IPv6.
fn neighbor(number: u8) -> IpAddr {
    if number < 128 {
        IpAddr::from([10, 0, 0, number])
    } else {
        Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, u16::from(number & 0x3f)).into()
    }
}

/// What a host sends is a frame of its own, to a station or a group.
fn check_sent(frame: &[u8]) {
    let (header, packet) = Header::parse(frame).expect("a header");
    assert_eq!(header.source, OURS);
    assert!(header.destination != Address::ZERO && header.destination != OURS);
    match header.kind {
        EtherType::ARP => {
            let packet = arp::Packet::parse(packet).expect("an ARP packet");
            assert_eq!(packet.sender_hardware, OURS);
        }
        EtherType::IPV4 => assert_eq!(packet[0] >> 4, 4),
        kind => assert!(kind == EtherType::IPV6 && packet[0] >> 4 == 6),
    }
}

fn check_arp(octets: &[u8]) {
    if let Ok(packet) = arp::Packet::parse(octets) {
        let mut again = [0; arp::PACKET_LEN];
        assert_eq!(packet.emit(&mut again), Ok(arp::PACKET_LEN));
        assert_eq!(again, octets[..arp::PACKET_LEN]);
    }
}

fn check_ndp(octets: &[u8]) {
    if let Ok(message) = ndp::Message::parse(octets[0], octets[1], &octets[4..]) {
        let mut again = [0; ndp::MESSAGE_MAX];
        let len = message.emit(&mut again).expect("room");
        let read = ndp::Message::parse(again[0], again[1], &again[4..len]);
        assert_eq!(read, Ok(message));
    }
}
