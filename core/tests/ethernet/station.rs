//! A stack on an Ethernet link, and frames made by hand.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hikyaku::wire::arp::{self, REPLY, REQUEST};
use hikyaku::wire::ethernet::{Address, EtherType, Header};
use hikyaku::wire::ndp::{self, Message};
use hikyaku::{
    Capacity, Config, ConnectConfig, DropReason, Instant, Profile, Secret, Stack, Storage,
    TcpHandle, Wake,
};
use hikyaku_testkit::forge::icmp;

/// Our hardware address.
pub(crate) const OURS: Address = Address([2, 0, 0, 0, 0, 0xee]);
/// That of neighbour 1.
pub(crate) const THEIRS: Address = neighbor(1);
/// Our address, 10.0.0.2/24.
pub(crate) const US: IpAddr = ip(2);

/// The hardware address of a neighbour.
pub(crate) const fn neighbor(last: u8) -> Address {
    Address([2, 0, 0, 0, 0, last])
}

/// The address of a neighbour.
pub(crate) const fn ip(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
}

/// A frame.
pub(crate) fn frame(
    destination: Address,
    source: Address,
    kind: EtherType,
    packet: &[u8],
) -> Vec<u8> {
    let mut octets = vec![0; 14];
    Header { destination, source, kind }.emit(&mut octets).expect("room");
    octets.extend(packet);
    octets
}

/// An ARP packet.
pub(crate) fn arp(operation: u16, sender: (Address, IpAddr), target: (Address, IpAddr)) -> Vec<u8> {
    let (IpAddr::V4(from), IpAddr::V4(to)) = (sender.1, target.1) else { panic!("IPv4") };
    let packet = arp::Packet {
        operation,
        sender_hardware: sender.0,
        sender: from,
        target_hardware: target.0,
        target: to,
    };
    let mut octets = vec![0; arp::PACKET_LEN];
    packet.emit(&mut octets).expect("room");
    octets
}

/// A stack at [`OURS`] and [`US`].
pub(crate) struct Station<P: Profile> {
    pub(crate) stack: Stack<'static, P>,
    pub(crate) now: Instant,
}

impl<P: Profile> Station<P> {
    /// With eight neighbours at most.
    pub(crate) fn new() -> Self {
        Self::with(|_, _| {})
    }

    /// Likewise, changed.
    pub(crate) fn with(change: impl FnOnce(&mut Config, &mut Capacity)) -> Self {
        let mut capacity = Capacity {
            connections: 8,
            blocks: 64,
            block_size: 2048,
            neighbors: 8,
            half_open: 16,
            time_wait: 16,
            ..Capacity::small()
        };
        let hardware_address = Some(OURS);
        let mut config = Config { hardware_address, probe_ipv6: false, ..Config::new() };
        change(&mut config, &mut capacity);
        let secret = Secret::new([3; 16]).expect("not zero");
        let storage = Storage::<P>::allocate(&capacity);
        let mut stack = Stack::new(storage, &config, secret).expect("possible");
        stack.add_address(US, 24).expect("room for an address");
        Self { stack, now: Instant::from_millis(7) }
    }

    /// All that is sent now.
    pub(crate) fn sent(&mut self) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        let mut buffer = [0; 1514];
        while let Some(len) = self.stack.transmit(self.now, &mut buffer) {
            sent.push(buffer[..len].to_vec());
            assert!(sent.len() < 1000, "frames without end");
        }
        sent
    }

    /// Takes a frame in, and what is sent at once.
    pub(crate) fn feed(&mut self, frame: &[u8]) -> Vec<Vec<u8>> {
        self.stack.receive(self.now, frame);
        self.sent()
    }

    /// Time passes until the stack wants to be called. It must want to be, and later.
    pub(crate) fn sleep(&mut self) {
        match self.stack.next_wake(self.now) {
            Wake::At(at) => {
                assert!(at > self.now, "a deadline in the past");
                self.now = at;
            }
            other => panic!("{other:?}, though all was sent"),
        }
    }

    /// Neighbour number `last` asks for us, and is known from then on.
    pub(crate) fn meet(&mut self, last: u8) {
        let request = arp(REQUEST, (neighbor(last), ip(last)), (Address::ZERO, US));
        let broadcast = frame(Address::BROADCAST, neighbor(last), EtherType::ARP, &request);
        assert_eq!(self.feed(&broadcast).len(), 1, "an answer");
        assert_eq!(self.stack.neighbor(ip(last)), Some(neighbor(last)));
    }

    /// A socket has asked for neighbour number `last`, and it has answered.
    pub(crate) fn know(&mut self, last: u8) {
        let handle = self.connect(last);
        assert_eq!(self.sent().len(), 1, "a request");
        let reply = arp(REPLY, (neighbor(last), ip(last)), (OURS, US));
        let sent = self.feed(&frame(OURS, neighbor(last), EtherType::ARP, &reply));
        assert_eq!(sent.len(), 1, "a SYN");
        let mut socket = self.stack.tcp(handle).expect("live");
        socket.abort();
        self.stack.tcp(handle).expect("live").release();
        assert_eq!(self.sent(), Vec::<Vec<u8>>::new());
    }

    /// Opens a connection to a neighbour.
    pub(crate) fn connect(&mut self, last: u8) -> TcpHandle {
        let remote = SocketAddr::new(ip(last), 7);
        self.stack.connect(self.now, remote, &ConnectConfig::new()).expect("a free slot")
    }

    /// How often this was a reason to drop something.
    pub(crate) fn drops(&self, reason: DropReason) -> usize {
        self.stack.counters().drops.of(reason)
    }
}

/// The IPv6 address of a neighbour.
pub(crate) const fn ip6(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last)
}

/// Our IPv6 address.
pub(crate) const US6: Ipv6Addr = ip6(2);
/// Nobody's.
pub(crate) const NOBODY: Ipv6Addr = Ipv6Addr::UNSPECIFIED;
/// All nodes of the link.
pub(crate) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// A message of neighbour discovery in a packet, in a frame from `from`: to a group where the
/// packet is.
pub(crate) fn discovery(from: Address, ends: (Ipv6Addr, Ipv6Addr), message: &Message) -> Vec<u8> {
    let mut octets = vec![0; message.emitted_len()];
    message.emit(&mut octets).expect("room");
    packet6(from, ends, &octets, 255)
}

/// An ICMPv6 message in a frame, with a hop limit.
pub(crate) fn packet6(
    from: Address,
    (source, destination): (Ipv6Addr, Ipv6Addr),
    message: &[u8],
    hop_limit: u8,
) -> Vec<u8> {
    let mut packet = icmp(source.into(), destination.into(), message);
    packet[7] = hop_limit;
    let [.., a, b, c, d] = destination.octets();
    let group = Address([0x33, 0x33, a, b, c, d]);
    let to = if destination.is_multicast() { group } else { OURS };
    frame(to, from, EtherType::IPV6, &packet)
}

/// Asks for `target`.
pub(crate) const fn solicitation(target: Ipv6Addr, hardware: Option<Address>) -> Message {
    Message { kind: ndp::NEIGHBOR_SOLICITATION, flags: 0, target, hardware }
}

/// Answers for `target`.
pub(crate) const fn advertisement(
    target: Ipv6Addr,
    flags: u32,
    hardware: Option<Address>,
) -> Message {
    Message { kind: ndp::NEIGHBOR_ADVERTISEMENT, flags, target, hardware }
}
