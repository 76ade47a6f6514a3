//! `poll` and the device: how much one call does, what happens when there is no room, and how the
//! device's capabilities change what leaves.
#![cfg(all(feature = "ipv6", feature = "udp"))]

use std::collections::VecDeque;
use std::net::SocketAddr;

use hikyaku::wire::tcp::Flags;
use hikyaku::{
    AllocationPolicy, Capabilities, Capacity, Config, ConfigError, ConnectConfig, Device, Duration,
    Full, Instant, ListenConfig, NoRoom, Packet, Profile, RxMeta, Secret, Small, Stack, Storage,
    Tiny, Wake,
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
        let mut buffer = vec![0; packet.len()];
        assert_eq!(packet.copy_into(&mut buffer), Some(buffer.len()));
        self.sent.push(buffer);
        Ok(())
    }
}

fn stack() -> Stack<'static, Full> {
    let capacity = Capacity { connections: 8, blocks: 256, block_size: 2048, ..Capacity::new() };
    // A window of full size from the SYN-ACK on: small ones are acknowledged at once.
    let policy = AllocationPolicy::Overcommit;
    let config = Config { ingress_budget: 5, egress_budget: 3, policy, ..Config::new() };
    let secret = Secret::new([3; 16]).expect("not zero");
    let mut stack = Stack::new(Storage::allocate(&capacity), &config, secret).expect("possible");
    stack.add_address([10, 0, 0, 2].into(), 24).expect("room for an address");
    stack
}

/// A peer's segment behind the handshake, number `number` of those that carry [`TEXT`].
fn text(stack: &mut Stack<'static, Full>, device: &mut Queues) -> impl Fn(u32) -> Tcp + use<> {
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
        // Three segments of 1000 octets are worth two of 1460, six are twice that.
        device.arriving.extend((0..3).map(|number| text(number).packet()));
        stack.poll(NOW, &mut device);
        device.arriving.extend((3..6).map(|number| text(number).packet()));
        assert_eq!(device.take_sent().len(), 1, "per burst: {ack_per_burst}");
        stack.poll(NOW, &mut device);
        assert_eq!(device.take_sent().len(), 1, "per burst: {ack_per_burst}");
        // Five at once: an ACK among them, or one behind all.
        device.arriving.extend((6..11).map(|number| text(number).packet()));
        stack.poll(NOW, &mut device);
        stack.poll(NOW + Duration::from_millis(100), &mut device);
        let sent = device.take_sent();
        assert_eq!(sent.len(), acks, "per burst: {ack_per_burst}");
        assert_eq!(sent[acks - 1].ack, text(11).seq);
        // What came too early is never put off: an ACK for each, at once.
        device.arriving.extend([12, 14].map(|number| text(number).packet()));
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
