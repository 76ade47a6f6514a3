//! Ethernet: what frames are taken, what stands in front of a packet, and that packets wait until
//! the neighbour is known.
#![cfg(all(feature = "ethernet", feature = "ipv6", feature = "udp"))]

#[path = "ethernet/station.rs"]
mod station;

use std::net::SocketAddr;

use hikyaku::profile::Profile;
use hikyaku::time::Duration;
use hikyaku::wire::arp::{REPLY, REQUEST};
use hikyaku::wire::ethernet::{Address, EtherType};
use hikyaku::wire::tcp::Flags;
use hikyaku::{
    Capabilities, Capacity, CloseReason, Config, ConfigError, ConnectConfig, Device, DropReason,
    Full, Handle, Instant, ListenConfig, NoRoom, Packet, Readiness, RxMeta, Secret, Small, Stack,
    Storage, UdpConfig, Wake, storage,
};
use hikyaku_testkit::applications::Script;
use hikyaku_testkit::forge::{Tcp, ping};
use hikyaku_testkit::host::Kind;
use hikyaku_testkit::link::Impairments;
use hikyaku_testkit::pair::{Family, LEFT, RIGHT, Setup};
use hikyaku_testkit::random::Chance;
use hikyaku_testkit::seen::Seen;
use station::{OURS, Station, THEIRS, US, arp, frame, ip, neighbor};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn data_arrives_over_ethernet_between_all_profiles() {
    for kinds in [[Kind::Full; 2], [Kind::Small; 2], [Kind::Full, Kind::Small]] {
        for (loss, family) in [(0, Family::V4), (5, Family::V4), (0, Family::V6), (5, Family::V6)] {
            let link = Impairments { loss: Chance::percent(loss), ..Impairments::NONE };
            let setup = Setup::new(3).profiles(kinds).ethernet().link(link);
            let mut pair = setup.build();
            pair.serve(RIGHT, 7, Script::answer(30_000));
            pair.open(LEFT, family, 7, Script::send(20_000));
            pair.finish(Duration::from_secs(3600));
            let read: Vec<_> = pair.applications.iter().map(|one| one.outcome.read).collect();
            assert_eq!(read, [30_000, 20_000]);
            if loss == 0 {
                // Being asked tells the right one where replies go; to send it asks too.
                let requests =
                    [LEFT, RIGHT].map(|side| pair.hosts[side].counters().neighbor_requests);
                assert_eq!(requests, [1, 1]);
                assert_eq!(pair.retransmissions(), 0, "the SYN waits for the answer");
            }
        }
    }
}

#[test]
fn frames_that_are_not_for_us_are_dropped() {
    let other = Address([2, 0, 0, 0, 0, 9]);
    let ping = || ping(ip(1), ip(2), b"echo");
    let v6 = vec![0x60; 40];
    // (destination, source, type, packet, the reason)
    let table = [
        (other, THEIRS, EtherType::IPV4, ping(), DropReason::NotOurs),
        (Address::BROADCAST, THEIRS, EtherType::IPV4, ping(), DropReason::NotOurs),
        (Address([1, 0, 0x5e, 0, 0, 1]), THEIRS, EtherType::IPV4, ping(), DropReason::NotOurs),
        (Address([0x33, 0x33, 0, 0, 0, 2]), THEIRS, EtherType::IPV6, v6, DropReason::NotOurs),
        (OURS, OURS, EtherType::IPV4, ping(), DropReason::BadSource),
        (OURS, Address::BROADCAST, EtherType::IPV4, ping(), DropReason::BadSource),
        (OURS, Address::ZERO, EtherType::IPV4, ping(), DropReason::BadSource),
        (OURS, THEIRS, EtherType::IPV6, ping(), DropReason::BadVersion),
        (OURS, THEIRS, EtherType::IPV4, vec![0x60; 40], DropReason::BadVersion),
        (OURS, THEIRS, EtherType(0x8100), ping(), DropReason::UnknownEtherType),
        (OURS, THEIRS, EtherType(0x0040), ping(), DropReason::UnknownEtherType),
    ];
    for (destination, source, kind, packet, reason) in table {
        let mut station = Station::<Full>::new();
        station.meet(1);
        let frame = frame(destination, source, kind, &packet);
        assert_eq!(station.feed(&frame), Vec::<Vec<u8>>::new(), "{destination} {kind:?}");
        assert_eq!(station.drops(reason), 1, "{destination} {kind:?} {reason:?}");
    }
    let mut station = Station::<Full>::new();
    station.meet(1);
    for len in 0..14 {
        station.feed(&frame(OURS, THEIRS, EtherType::IPV4, &ping())[..len]);
        assert_eq!(station.drops(DropReason::Truncated), len + 1);
    }
    assert_eq!(station.feed(&frame(OURS, THEIRS, EtherType::IPV4, &ping())).len(), 1);
}

#[test]
fn a_padded_frame_is_as_good_as_a_short_one() {
    let mut station = Station::<Small>::new();
    station.meet(1);
    let mut short = frame(OURS, THEIRS, EtherType::IPV4, &ping(ip(1), ip(2), b"x"));
    short.resize(60, 0xee);
    let answers = station.feed(&short);
    let [answer] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(answer.len(), 14 + 20 + 8 + 1, "and the answer has no padding of ours");
}

#[test]
fn a_connection_waits_for_its_neighbour_and_nothing_spins() {
    let mut station = Station::<Full>::new();
    station.connect(1);
    let request = arp(REQUEST, (OURS, US), (Address::ZERO, ip(1)));
    let asked = frame(Address::BROADCAST, OURS, EtherType::ARP, &request);
    assert_eq!(station.sent(), [asked]);
    // RFC 1122 §2.3.2.1: once a second. The ticks of the cache are of 1024 µs.
    let Wake::At(at) = station.stack.next_wake(station.now) else { panic!("a timer") };
    assert!(at > station.now + SECOND - Duration::from_millis(2) && at <= station.now + SECOND);
    station.now = station.now + Duration::from_millis(500);
    assert_eq!(station.sent(), Vec::<Vec<u8>>::new());
    let reply = arp(REPLY, (THEIRS, ip(1)), (OURS, US));
    let sent = station.feed(&frame(OURS, THEIRS, EtherType::ARP, &reply));
    let [syn] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(syn[..14], frame(THEIRS, OURS, EtherType::IPV4, &[]));
    assert_eq!(Seen::in_packet(syn).expect("a good segment").flags, Flags::SYN);
}

#[test]
fn many_connections_wait_with_one_request_and_leave_in_turn() {
    let mut station = Station::<Full>::new();
    let handles: Vec<_> = (0..6).map(|_| station.connect(1)).collect();
    assert_eq!(station.sent().len(), 1, "one request for all");
    // One that is gone meanwhile, and one that has something more urgent to say.
    for handle in &handles[..2] {
        station.stack.tcp(*handle).expect("live").abort();
    }
    station.stack.tcp(handles[0]).expect("live").release();
    station.connect(3);
    assert_eq!(station.sent().len(), 1, "and one for another neighbour");
    let reply = arp(REPLY, (THEIRS, ip(1)), (OURS, US));
    let sent = station.feed(&frame(OURS, THEIRS, EtherType::ARP, &reply));
    let syns = sent.iter().filter_map(|frame| Seen::in_packet(frame));
    let syns: Vec<_> = syns.map(|seen| (seen.flags, seen.destination.ip())).collect();
    assert_eq!(syns, [(Flags::SYN, ip(1)); 4], "who waits for somebody else still waits");
}

#[test]
fn a_neighbour_that_does_not_answer_is_asked_thrice_and_the_connection_told() {
    let mut station = Station::<Full>::new();
    let handle = station.connect(1);
    let mut requests = Vec::new();
    let end = station.now + Duration::from_secs(6);
    while station.now < end {
        for sent in station.sent() {
            assert_eq!(sent[12..14], [8, 6], "nothing but requests");
            requests.push(station.now);
        }
        station.sleep();
    }
    let gaps: Vec<_> = requests.windows(2).map(|two| two[1].since(two[0]).millis()).collect();
    assert!(gaps[..2].iter().all(|gap| (998..=1001).contains(gap)), "{gaps:?}");
    let troubled = Readiness::TROUBLED;
    let event = station.stack.next_event();
    assert!(matches!(event, Some((Handle::Tcp(_), readiness)) if readiness.contains(troubled)));
    assert!(station.drops(DropReason::Unreachable) >= 1);
    // Its own timers go on, and in the end it gives up.
    let end = station.now + Duration::from_secs(600);
    let reason = loop {
        let sent = station.sent();
        assert!(sent.iter().all(|frame| frame[12..14] == [8, 6]));
        let reason = station.stack.tcp(handle).expect("live").close_reason();
        if reason.is_some() || station.now > end {
            break reason;
        }
        station.sleep();
    };
    assert_eq!(reason, Some(CloseReason::Unreachable));
    let requests = station.stack.counters().neighbor_requests;
    assert!(requests < 60, "{requests} requests in three minutes");
}

#[test]
fn what_is_beyond_the_link_goes_to_the_gateway() {
    let mut station = Station::<Full>::new();
    let far = "192.0.2.7:7".parse().expect("an address");
    let bad = ["10.0.0.2", "10.0.0.255", "224.0.0.1", "192.0.2.1", "0.0.0.0", "fd00::1"];
    for bad in bad {
        let gateway = bad.parse().expect("an address");
        assert_eq!(station.stack.set_gateway(gateway), Err(ConfigError::InvalidGateway), "{bad}");
    }
    // Without one there is no way.
    station.stack.connect(station.now, far, &ConnectConfig::new()).expect("a slot");
    assert_eq!(station.sent(), Vec::<Vec<u8>>::new());
    assert_eq!(station.drops(DropReason::Unreachable), 1);
    station.stack.set_gateway(ip(254)).expect("a neighbour");
    station.stack.connect(station.now, far, &ConnectConfig::new()).expect("a slot");
    let request = arp(REQUEST, (OURS, US), (Address::ZERO, ip(254)));
    assert_eq!(station.sent(), [frame(Address::BROADCAST, OURS, EtherType::ARP, &request)]);
    let reply = arp(REPLY, (neighbor(254), ip(254)), (OURS, US));
    let sent = station.feed(&frame(OURS, neighbor(254), EtherType::ARP, &reply));
    let [syn] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(syn[..6], neighbor(254).0);
    assert_eq!(Seen::in_packet(syn).expect("a segment").destination, far);
}

#[test]
fn an_answer_to_somebody_unknown_is_dropped_but_asked_for() {
    let mut station = Station::<Full>::new();
    let stray = Tcp::syn(SocketAddr::new(ip(1), 9), SocketAddr::new(US, 99), 7);
    let request = arp(REQUEST, (OURS, US), (Address::ZERO, ip(1)));
    let asked = frame(Address::BROADCAST, OURS, EtherType::ARP, &request);
    let sent = station.feed(&frame(OURS, THEIRS, EtherType::IPV4, &stray.packet()));
    assert_eq!(sent, [asked], "no reset yet");
    assert_eq!(station.drops(DropReason::Unreachable), 1);
    station.feed(&frame(OURS, THEIRS, EtherType::ARP, &arp(REPLY, (THEIRS, ip(1)), (OURS, US))));
    let sent = station.feed(&frame(OURS, THEIRS, EtherType::IPV4, &stray.packet()));
    assert!(Seen::in_packet(&sent[0]).expect("a segment").flags.contains(Flags::RST));
}

/// Nobody waits for a neighbour on behalf of who has but sent a SYN, in a record or not.
fn syn_ack_to_somebody_unknown<P: Profile>() {
    let mut station = Station::<P>::new();
    station.stack.listen(7, &ListenConfig::new()).expect("a free port");
    let syn = Tcp::syn(SocketAddr::new(ip(1), 9), SocketAddr::new(US, 7), 7);
    let sent = station.feed(&frame(OURS, THEIRS, EtherType::IPV4, &syn.packet()));
    assert_eq!(sent.len(), 1, "a request");
    let answer = arp(REPLY, (THEIRS, ip(1)), (OURS, US));
    let sent = station.feed(&frame(OURS, THEIRS, EtherType::ARP, &answer));
    assert!(sent.is_empty(), "nothing has waited for it");
    let mut sent = Vec::new();
    while sent.is_empty() {
        station.sleep();
        sent = station.sent();
    }
    let answer = Seen::in_packet(&sent[0]).expect("a segment");
    assert_eq!(answer.flags, Flags::SYN | Flags::ACK);
}

#[test]
fn a_syn_ack_to_somebody_unknown_is_repeated() {
    syn_ack_to_somebody_unknown::<Full>();
    syn_ack_to_somebody_unknown::<Small>();
}

#[test]
fn datagrams_wait_for_their_neighbour_and_give_way_to_others() {
    let mut station = Station::<Full>::new();
    station.know(3);
    let udp = station.stack.bind_udp(&UdpConfig::new(9)).expect("a free port");
    let send = |station: &mut Station<Full>, last: u8, octet: u8| {
        let remote = SocketAddr::new(ip(last), 9);
        let mut socket = station.stack.udp(udp).expect("live");
        socket.send_to(&[octet], remote).expect("room");
        let sent = station.sent();
        sent.iter().map(|frame| (frame[13], *frame.last().expect("octets"))).collect::<Vec<_>>()
    };
    // (type, last octet) of what leaves: 6 is ARP, its last octet that of the address asked for.
    assert_eq!(send(&mut station, 1, 0xa0), [(6, 1)]);
    assert_eq!(send(&mut station, 1, 0xa1), [], "both wait");
    let reply = frame(OURS, THEIRS, EtherType::ARP, &arp(REPLY, (THEIRS, ip(1)), (OURS, US)));
    let sent = station.feed(&reply);
    let ends: Vec<_> = sent.iter().map(|frame| *frame.last().expect("octets")).collect();
    assert_eq!(ends, [0xa0, 0xa1], "both leave, in their order");
    assert_eq!(station.drops(DropReason::Unreachable), 0);
    // A silent neighbour holds nobody up.
    assert_eq!(send(&mut station, 5, 0xb0), [(6, 5)]);
    assert_eq!(send(&mut station, 3, 0xb1), [(0, 0xb1)]);
    assert_eq!(station.drops(DropReason::Unreachable), 1);
    assert_eq!(send(&mut station, 3, 0xb2), [(0, 0xb2)]);
    // The last one for somebody unknown waits, whatever was dropped before it.
    assert_eq!(send(&mut station, 5, 0xb3), []);
    assert_eq!(send(&mut station, 6, 0xb4), [(6, 6)]);
    assert_eq!(station.drops(DropReason::Unreachable), 2);
    let reply = arp(REPLY, (neighbor(6), ip(6)), (OURS, US));
    let sent = station.feed(&frame(OURS, neighbor(6), EtherType::ARP, &reply));
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].last(), Some(&0xb4));
    assert_eq!(station.stack.counters().datagrams_out, 5);
}

#[test]
fn broadcasts_and_groups_need_no_neighbour() {
    let mut station = Station::<Full>::new();
    station.stack.add_address("fd00::2".parse().expect("an address"), 64).expect("room");
    let udp = station.stack.bind_udp(&UdpConfig::new(9)).expect("a free port");
    let table = [
        ("10.0.0.255:9", Address::BROADCAST),
        ("255.255.255.255:9", Address::BROADCAST),
        ("224.0.0.251:9", Address([1, 0, 0x5e, 0, 0, 0xfb])),
        ("239.129.2.3:9", Address([1, 0, 0x5e, 1, 2, 3])),
        ("[ff02::1:ff00:1234]:9", Address([0x33, 0x33, 0xff, 0, 0x12, 0x34])),
    ];
    for (remote, hardware) in table {
        let remote = remote.parse().expect("an address");
        station.stack.udp(udp).expect("live").send_to(b"x", remote).expect("room");
        let sent = station.sent();
        assert_eq!(sent.len(), 1, "{remote}");
        assert_eq!(sent[0][..6], hardware.0, "{remote}");
    }
}

#[test]
fn what_cannot_work_is_refused_at_the_start() {
    let secret = Secret::new([3; 16]).expect("not zero");
    let none = Capacity { neighbors: 0, connections: 4, blocks: 16, ..Capacity::new() };
    let some = Capacity { neighbors: 1, ..none };
    // (hardware address, capacity, what is said)
    let table = [
        (Some(Address::ZERO), some, Some(ConfigError::InvalidHardwareAddress)),
        (Some(Address::BROADCAST), some, Some(ConfigError::InvalidHardwareAddress)),
        (Some(Address([1, 0, 0, 0, 0, 1])), some, Some(ConfigError::InvalidHardwareAddress)),
        (Some(OURS), none, Some(ConfigError::NoNeighbors)),
        (Some(OURS), some, None),
        (None, none, None),
    ];
    for (hardware_address, capacity, error) in table {
        let config = Config { hardware_address, ..Config::new() };
        let made = Stack::<Full>::new(Storage::allocate(&capacity), &config, secret);
        assert_eq!(made.err(), error, "{hardware_address:?}");
    }
}

/// A device whose frames are noted.
struct Noted(Capabilities, Vec<Vec<u8>>, Vec<(usize, Option<u16>)>);

impl Device for Noted {
    fn capabilities(&self) -> Capabilities {
        self.0
    }

    fn receive<R>(&mut self, take: impl FnOnce(&[u8], RxMeta) -> R) -> Option<R> {
        Some(take(&self.1.pop()?, RxMeta::default()))
    }

    fn transmit(&mut self, packet: &Packet<'_>) -> Result<(), NoRoom> {
        self.2.push((packet.len(), packet.checksum().map(|job| job.start)));
        Ok(())
    }
}

storage!(static NET: Small {
    connections: 2, listeners: 1, half_open: 1, time_wait: 1, udp_sockets: 1, neighbors: 4,
    records: 0, blocks: 8 x 256,
});

#[test]
fn a_device_gets_whole_frames_and_only_one_of_the_right_kind() {
    let now = Instant::from_millis(1);
    let config = Config { hardware_address: Some(OURS), ..Config::new() };
    let secret = Secret::new([3; 16]).expect("not zero");
    let storage = NET.take().expect("taken once");
    let mut stack = Stack::new(storage, &config, secret).expect("possible");
    stack.add_address(US, 24).expect("room");
    let ask = arp(REQUEST, (THEIRS, ip(1)), (Address::ZERO, US));
    let ask = frame(Address::BROADCAST, THEIRS, EtherType::ARP, &ask);
    let echo = frame(OURS, THEIRS, EtherType::IPV4, &ping(ip(1), US, b"12"));
    let mut wrong = Noted(Capabilities::ip(1500), vec![ask.clone()], Vec::new());
    let wake = stack.poll(now, &mut wrong);
    assert!(wrong.2.is_empty() && wake != Wake::Now);
    assert_eq!(stack.counters().drops.of(DropReason::WrongMedium), 1);
    let mut device = Noted(Capabilities::ethernet(1500), vec![echo, ask], Vec::new());
    stack.poll(now, &mut device);
    assert_eq!(device.2, [(42, None), (14 + 20 + 8 + 2, Some(34))]);
}
