//! `poll` and the device: how much one call does, what happens when there is no room, and how the
//! device's capabilities change what leaves.
#![cfg(all(feature = "ipv6", feature = "udp"))]

use std::collections::VecDeque;
use std::net::SocketAddr;

use hikyaku::wire::tcp::Flags;
use hikyaku::{
    AllocationPolicy, Capabilities, Capacity, Config, ConfigError, ConnectConfig, Device,
    DropReason, Duration, Full, Instant, ListenConfig, NoRoom, Packet, Profile, RxMeta, Secret,
    Small, Stack, Storage, TcpHandle, Tiny, UdpConfig, Wake,
};
use hikyaku_testkit::forge::{Tcp, ping};
use hikyaku_testkit::seen::Seen;

const NOW: Instant = Instant::from_millis(1);
const TEXT: [u8; 1000] = [7; 1000];

/// A device of queues, with room for so many packets.
struct Queues {
    capabilities: Capabilities,
    verified: bool,
    arriving: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
    room: usize,
}

impl Queues {
    fn new(capabilities: Capabilities) -> Self {
        let (arriving, sent) = (VecDeque::new(), Vec::new());
        Self { capabilities, verified: false, arriving, sent, room: usize::MAX }
    }

    fn take_sent(&mut self) -> Vec<Seen> {
        let sent = self.sent.drain(..);
        sent.map(|packet| Seen::in_packet(&packet).expect("a good segment")).collect()
    }
}

impl Device for Queues {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn receive<R>(&mut self, take: impl FnOnce(&[u8], RxMeta) -> R) -> Option<R> {
        let packet = self.arriving.pop_front()?;
        Some(take(&packet, RxMeta { checksum_verified: self.verified }))
    }

    fn transmit(&mut self, packet: &Packet<'_>) -> Result<(), NoRoom> {
        self.room = self.room.checked_sub(1).ok_or_else(|| {
            self.room = 0;
            NoRoom
        })?;
        let most = usize::from(self.capabilities.mtu);
        assert!(packet.len() <= most, "{} octets for a device of {most}", packet.len());
        let mut buffer = vec![0; packet.len()];
        assert_eq!(packet.copy_into(&mut buffer), Some(buffer.len()));
        self.sent.push(buffer);
        Ok(())
    }
}

fn stack() -> Stack<'static, Full> {
    stack_of(1500)
}

/// With an MTU.
fn stack_of<P: Profile>(mtu: u16) -> Stack<'static, P> {
    let capacity = Capacity {
        connections: 8,
        listeners: 4,
        half_open: 8,
        time_wait: 8,
        udp_sockets: 4,
        blocks: 256,
        block_size: 2048,
        ..Capacity::new()
    };
    // A window of full size from the SYN-ACK on: small ones are acknowledged at once.
    let policy = AllocationPolicy::Overcommit;
    let config = Config { ingress_budget: 5, egress_budget: 3, policy, mtu, ..Config::new() };
    let secret = Secret::new([3; 16]).expect("not zero");
    let mut stack = Stack::new(Storage::allocate(&capacity), &config, secret).expect("possible");
    stack.add_address([10, 0, 0, 2].into(), 24).expect("room for an address");
    stack
}

/// A peer's segment behind the handshake, number `number` of those that carry [`TEXT`].
fn text<P: Profile>(
    stack: &mut Stack<'static, P>,
    device: &mut Queues,
) -> impl Fn(u32) -> Tcp + use<P> {
    stack.listen(7, &ListenConfig::new()).expect("a free port");
    let (from, to) = (SocketAddr::from(([10, 0, 0, 1], 5000)), ([10, 0, 0, 2], 7).into());
    let syn = Tcp { options: vec![2, 4, 0x05, 0xb4], ..Tcp::syn(from, to, 100) };
    device.arriving.push_back(syn.packet());
    stack.poll(NOW, device);
    let ack = device.take_sent()[0].seq + 1;
    let flags = Flags::ACK;
    let first = Tcp { seq: syn.seq + 1, ack, flags, options: Vec::new(), ..syn };
    device.arriving.push_back(first.packet());
    stack.poll(NOW, device);
    assert!(device.take_sent().is_empty());
    move |number| Tcp { seq: first.seq + number * 1000, text: TEXT.to_vec(), ..first.clone() }
}

#[test]
fn one_poll_does_no_more_than_its_budgets() {
    let (mut stack, mut device) = (stack(), Queues::new(Capabilities::ip(1500)));
    let (here, there) = ([10, 0, 0, 2].into(), [10, 0, 0, 1].into());
    device.arriving.extend((0..12).map(|_| ping(there, here, b"echo")));
    for (left, wake) in [(7, Wake::Now), (2, Wake::Now), (0, Wake::OnIngress)] {
        assert_eq!(stack.poll(NOW, &mut device), wake);
        assert_eq!(device.arriving.len(), left);
        assert_eq!(device.sent.len(), 12 - left, "each reply leaves before the next arrival");
    }
    // Seven SYNs wait to leave: three a poll.
    for port in 1..=7 {
        let remote = SocketAddr::new(there, port);
        stack.connect(NOW, remote, &ConnectConfig::new()).expect("a free slot");
    }
    for sent in [3, 6, 7] {
        stack.poll(NOW, &mut device);
        assert_eq!(device.sent.len(), 12 + sent);
    }
    assert_eq!(stack.next_wake(NOW), Wake::At(NOW + Duration::from_secs(1)));
}

#[test]
fn a_device_without_room_changes_nothing_but_the_wake() {
    let (mut stack, mut device) = (stack(), Queues::new(Capabilities::ip(1500)));
    device.room = 0;
    let remote = ([10, 0, 0, 1], 7).into();
    let handle = stack.connect(NOW, remote, &ConnectConfig::new()).expect("a free slot");
    let before = (*stack.counters(), stack.tcp(handle).expect("live").info());
    for _ in 0..3 {
        assert_eq!(stack.poll(NOW, &mut device), Wake::OnRoom { or_at: None });
        assert_eq!((*stack.counters(), stack.tcp(handle).expect("live").info()), before);
    }
    device.room = 1;
    assert!(matches!(stack.poll(NOW, &mut device), Wake::At(_)));
    assert_eq!(device.take_sent()[0].flags, Flags::SYN);
}

#[test]
fn in_order_text_is_acknowledged_by_the_pair_or_by_the_burst() {
    for (ack_per_burst, acks) in [(false, 2), (true, 1)] {
        let capabilities = Capabilities { ack_per_burst, ..Capabilities::ip(1500) };
        let (mut stack, mut device) = (stack(), Queues::new(capabilities));
        let text = text(&mut stack, &mut device);
        // The peer announced 1,460 bytes and sends 1,000 a segment: two of those make an ACK.
        device.arriving.extend((0..2).map(|number| text(number).packet()));
        stack.poll(NOW, &mut device);
        device.arriving.extend((2..4).map(|number| text(number).packet()));
        assert_eq!(device.take_sent().len(), 1, "per burst: {ack_per_burst}");
        stack.poll(NOW, &mut device);
        assert_eq!(device.take_sent().len(), 1, "per burst: {ack_per_burst}");
        // Four at once: an ACK among them and one behind, or one behind all.
        device.arriving.extend((4..8).map(|number| text(number).packet()));
        stack.poll(NOW, &mut device);
        let sent = device.take_sent();
        assert_eq!(sent.len(), acks, "per burst: {ack_per_burst}");
        assert_eq!(sent[acks - 1].ack, text(8).seq);
        // What came too early is never put off: an ACK for each, at once.
        device.arriving.extend([9, 11].map(|number| text(number).packet()));
        stack.poll(NOW + Duration::from_millis(200), &mut device);
        assert_eq!(device.take_sent().len(), 2, "per burst: {ack_per_burst}");
    }
}

#[test]
fn the_mtu_of_the_device_counts_too() {
    let (mut stack, mut device) = (stack(), Queues::new(Capabilities::ip(600)));
    stack.poll(NOW, &mut device);
    let remote = ([10, 0, 0, 1], 7).into();
    stack.connect(NOW, remote, &ConnectConfig::new()).expect("a free slot");
    stack.poll(NOW, &mut device);
    assert_eq!(device.take_sent()[0].mss, Some(560));
}

#[test]
fn what_the_device_has_verified_is_not_summed_again() {
    for verified in [false, true] {
        let (mut stack, mut device) = (stack(), Queues::new(Capabilities::ip(1500)));
        let text = text(&mut stack, &mut device);
        let mut packet = text(0).packet();
        let last = packet.len() - 1;
        packet[last] ^= 1;
        device.verified = verified;
        device.arriving.push_back(packet);
        stack.poll(NOW, &mut device);
        let taken = if verified { TEXT.len() } else { 0 };
        assert_eq!(stack.counters().octets_in, taken);
    }
}

/// `Stack::add_address` accepts the address of a host and names the reason why it refuses another.
fn refuses_addresses_of_no_host<P: Profile>() {
    use ConfigError::*;
    let secret = Secret::new([1; 16]).expect("not all zero");
    let storage = Storage::<P>::allocate(&Capacity { connections: 1, ..Capacity::small() });
    let mut stack = Stack::new(storage, &Config::new(), secret).expect("a stack");
    for (address, prefix, expected) in [
        ("127.0.0.1", 8, LoopbackAddress),
        ("::1", 128, LoopbackAddress),
        ("224.0.0.1", 24, MulticastAddress),
        ("ff02::1", 64, MulticastAddress),
        ("192.0.2.0", 24, NetworkAddress),
        ("192.0.2.4", 30, NetworkAddress),
        ("192.0.2.255", 24, BroadcastAddress),
        ("255.255.255.255", 32, BroadcastAddress),
        ("0.0.0.0", 24, InvalidAddress),
        ("240.0.0.1", 24, InvalidAddress),
        ("::", 64, InvalidAddress),
        ("::ffff:192.0.2.1", 96, InvalidAddress),
        ("192.0.2.1", 33, InvalidAddress),
    ] {
        let address = address.parse().expect("an address");
        assert_eq!(stack.add_address(address, prefix), Err(expected), "{address}/{prefix}");
    }
    // RFC 3021: both addresses of a /31 are hosts, and so is the one of a /32.
    for (address, prefix) in
        [("192.0.2.0", 31), ("192.0.2.255", 32), ("fe80::1", 64), ("2001:db8::", 64)]
    {
        let address = address.parse().expect("an address");
        assert_eq!(stack.add_address(address, prefix), Ok(()), "{address}/{prefix}");
    }
}

#[test]
fn an_address_that_no_host_can_have_is_refused_with_the_reason() {
    refuses_addresses_of_no_host::<Full>();
    refuses_addresses_of_no_host::<Small>();
    refuses_addresses_of_no_host::<Tiny>();
}

/// Runs a test of one profile for each of the three.
macro_rules! in_each_profile {
    ($($test:ident: $generic:ident;)*) => {
        $(#[test]
        fn $test() {
            $generic::<Full>();
            $generic::<Small>();
            $generic::<Tiny>();
        })*
    };
}

in_each_profile! {
    every_packet_fits_a_small_mtu: small_mtu;
    a_connection_opened_before_the_first_poll_fits_the_device: before_the_first_poll;
    a_device_that_changes_its_mtu_is_followed: changing_mtu;
    datagrams_and_replies_longer_than_the_device_takes_are_dropped: too_long_for_ever;
    no_ipv6_packet_leaves_on_a_link_of_less_than_1280: ipv6_needs_1280;
    an_urgent_ack_leaves_before_datagrams_and_syn_acks: urgent_ack_first;
}

/// A stack, its device, and a connection on it.
struct End<P: Profile> {
    stack: Stack<'static, P>,
    device: Queues,
    handle: Option<TcpHandle>,
    to_write: usize,
    read: usize,
    /// The first packet that it sent.
    first: Option<Vec<u8>>,
}

impl<P: Profile> End<P> {
    fn new(mtu: u16, device_mtu: u16) -> Self {
        let device = Queues::new(Capabilities::ip(device_mtu));
        Self { stack: stack_of(mtu), device, handle: None, to_write: 5000, read: 0, first: None }
    }

    /// Writes and reads what is possible.
    fn act(&mut self) {
        let Some(mut socket) = self.handle.and_then(|handle| self.stack.tcp(handle).ok()) else {
            return;
        };
        let mut buffer = [7; 5000];
        self.to_write -= socket.write(&buffer[..self.to_write]).unwrap_or(0);
        self.read += socket.read(&mut buffer).unwrap_or(0);
    }
}

/// Two ends exchange 5000 bytes each way; every ninth packet is lost. `step` is called before
/// each step of ten milliseconds.
fn exchange<P: Profile>(
    mut ends: [End<P>; 2],
    mut step: impl FnMut(u32, &mut [End<P>; 2]),
) -> [End<P>; 2] {
    let there = [10, 0, 0, 3].into();
    assert!(ends[1].stack.remove_address([10, 0, 0, 2].into()));
    ends[1].stack.add_address(there, 24).expect("room for an address");
    let listener = ends[1].stack.listen(7, &ListenConfig::new()).expect("a free port");
    let handle = ends[0].stack.connect(NOW, (there, 7).into(), &ConnectConfig::new());
    ends[0].handle = Some(handle.expect("a free slot"));
    ends[0].act();
    let (mut now, mut packets) = (NOW, 0);
    for number in 0..60_000 {
        step(number, &mut ends);
        for side in 0..2 {
            let end = &mut ends[side];
            end.stack.poll(now, &mut end.device);
            if side == 1 && end.handle.is_none() {
                end.handle = end.stack.accept(listener).ok();
            }
            end.act();
            for packet in std::mem::take(&mut end.device.sent) {
                let end = &mut ends[side];
                end.first.get_or_insert_with(|| packet.clone());
                packets += 1;
                if packets % 9 != 0 {
                    ends[1 - side].device.arriving.push_back(packet);
                }
            }
        }
        if ends.iter().all(|end| end.read == 5000) {
            return ends;
        }
        now = now + Duration::from_millis(10);
    }
    panic!("{:?} octets were read", ends.map(|end| end.read));
}

fn small_mtu<P: Profile>() {
    for mtu in [68, 72, 79, 80, 87, 88, 100, 296] {
        // The device is asked for what it takes, or the configuration says so.
        exchange::<P>([End::new(mtu, 1500), End::new(mtu, 1500)], |_, ends| {
            for end in ends {
                end.device.capabilities.mtu = mtu;
            }
        });
    }
}

fn before_the_first_poll<P: Profile>() {
    let mut told = None;
    let ends = exchange::<P>([End::new(1500, 600), End::new(1500, 1500)], |number, ends| {
        if number == 1 {
            told = ends[0].first.as_deref().and_then(Seen::in_packet).expect("the SYN").mss;
        }
        // What the other end sends arrives on the smaller link.
        let long = ends[0].device.arriving.iter().find(|packet| packet.len() > 600);
        assert!(long.is_none(), "the peer was told of {told:?}");
    });
    assert_eq!(told, Some(560));
    for end in &ends {
        assert_eq!(end.stack.counters().drops.of(DropReason::TooLong), 0);
    }
}

fn changing_mtu<P: Profile>() {
    exchange::<P>([End::new(1500, 1500), End::new(1500, 1500)], |number, ends| {
        for end in ends {
            end.device.capabilities.mtu = [1500, 296, 9000, 68, 576][number as usize / 3 % 5];
        }
    });
}

fn too_long_for_ever<P: Profile>() {
    let (mut stack, mut device) = (stack_of::<P>(1500), Queues::new(Capabilities::ip(1500)));
    let (here, there) = ([10, 0, 0, 2].into(), [10, 0, 0, 1].into());
    let socket = stack.bind_udp(&UdpConfig::new(68)).expect("a slot");
    device.room = 0;
    device.arriving.push_back(ping(there, here, &[7; 1000]));
    for len in [1000, 10] {
        let sent = stack.udp(socket).expect("live").send_to(&TEXT[..len], (there, 53).into());
        assert_eq!(sent, Ok(()));
    }
    assert!(matches!(stack.poll(NOW, &mut device), Wake::OnRoom { .. }));
    device.capabilities.mtu = 600;
    device.room = usize::MAX;
    assert_eq!(stack.poll(NOW, &mut device), Wake::OnIngress);
    let lens: Vec<_> = device.sent.iter().map(Vec::len).collect();
    assert_eq!(lens, [38], "the short datagram alone");
    let too_long = if P::ICMP_ECHO { 2 } else { 1 };
    assert_eq!(stack.counters().drops.of(DropReason::TooLong), too_long);
    assert_eq!(stack.counters().packets_out, 1);
    // The stack goes on, and takes the longer ones when the device does.
    let long = |stack: &mut Stack<'static, P>| {
        stack.udp(socket).expect("live").send_to(&TEXT, (there, 53).into())
    };
    assert!(long(&mut stack).is_err());
    device.capabilities.mtu = 1500;
    stack.poll(NOW, &mut device);
    assert_eq!(long(&mut stack), Ok(()));
    stack.poll(NOW, &mut device);
    assert_eq!(device.sent.last().map(Vec::len), Some(1028));
}

fn ipv6_needs_1280<P: Profile>() {
    let (mut stack, mut device) = (stack_of::<P>(1500), Queues::new(Capabilities::ip(1279)));
    stack.add_address("fd00::2".parse().expect("an address"), 64).expect("room");
    let remote = SocketAddr::new("fd00::1".parse().expect("an address"), 7);
    let handle = stack.connect(NOW, remote, &ConnectConfig::new()).expect("a slot");
    let socket = stack.bind_udp(&UdpConfig::new(68)).expect("a slot");
    stack.udp(socket).expect("live").send_to(b"short", remote).expect("room");
    assert!(matches!(stack.poll(NOW, &mut device), Wake::At(_)), "the SYN counts as lost");
    assert_eq!(device.sent, Vec::<Vec<u8>>::new());
    assert_eq!(stack.counters().drops.of(DropReason::TooLong), 2);
    // IPv4 goes on.
    let near = SocketAddr::from(([10, 0, 0, 1], 53));
    stack.udp(socket).expect("live").send_to(b"short", near).expect("room");
    stack.poll(NOW, &mut device);
    assert_eq!(device.sent.len(), 1);
    device.sent.clear();
    // The link takes 1280 again: so does IPv6.
    device.capabilities.mtu = 1280;
    stack.poll(NOW + Duration::from_secs(1), &mut device);
    assert_eq!(device.take_sent()[0].mss, Some(1220));
    stack.tcp(handle).expect("live").abort();
}

/// With room for one packet, an ACK that must leave before the next arrival takes it, whatever
/// else waits to leave.
fn urgent_ack_first<P: Profile>() {
    let (mut stack, mut device) = (stack_of::<P>(1500), Queues::new(Capabilities::ip(1500)));
    let text = text(&mut stack, &mut device);
    let socket = stack.bind_udp(&UdpConfig::new(68)).expect("a slot");
    let remote = SocketAddr::from(([10, 0, 0, 1], 53));
    for round in 0..4 {
        for _ in 0..2 {
            stack.udp(socket).expect("live").send_to(b"datagram", remote).expect("room");
        }
        let from = SocketAddr::from(([10, 0, 0, 1], 6000 + round));
        device.arriving.push_back(Tcp::syn(from, ([10, 0, 0, 2], 7).into(), 100).packet());
        device.arriving.push_back(text(2).packet());
        device.room = 1;
        stack.poll(NOW, &mut device);
        let first = device.sent.first().and_then(|packet| Seen::in_packet(packet));
        let ack = first.expect("a segment and no datagram");
        assert!(ack.flags == Flags::ACK && ack.destination.port() == 5000, "{ack}");
        device.room = usize::MAX;
        stack.poll(NOW, &mut device);
        device.sent.clear();
    }
}
