//! Neighbour discovery, addresses that are probed for, and what of neighbours is not believed.
#![cfg(all(feature = "ethernet", feature = "ipv6", feature = "udp"))]

#[path = "ethernet/station.rs"]
mod station;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use hikyaku::time::Duration;
use hikyaku::wire::arp::{REPLY, REQUEST};
use hikyaku::wire::ethernet::{Address, EtherType};
use hikyaku::wire::ndp::{Message, OVERRIDE, SOLICITED, link_local, solicited_node};
use hikyaku::{
    AddressState, ConfigError, ConnectConfig, ConnectError, DropReason, Full, Instant, Profile,
    Small, Tiny, Wake,
};
use hikyaku_testkit::forge::ping;
use hikyaku_testkit::seen::{Seen, in_frame};
use station::{
    ALL_NODES, NOBODY, OURS, Station, THEIRS, US, US6, advertisement, arp, discovery, frame, ip,
    ip6, neighbor, packet6, solicitation,
};

/// A stack that has its IPv6 address too.
fn station6<P: Profile>() -> Station<P> {
    let mut station = Station::new();
    station.stack.add_address(US6.into(), 64).expect("room");
    station
}

/// A stack that probes for IPv6 addresses.
fn careful<P: Profile>() -> Station<P> {
    Station::with(|config, _| config.probe_ipv6 = true)
}

/// All that is sent until then, and when, in milliseconds from now.
fn pass<P: Profile>(station: &mut Station<P>, span: Duration) -> Vec<(u64, Vec<u8>)> {
    let (start, end) = (station.now, station.now + span);
    let mut sent = Vec::new();
    loop {
        let at = station.now.since(start).millis();
        sent.extend(station.sent().into_iter().map(|frame| (at, frame)));
        match station.stack.next_wake(station.now) {
            Wake::At(at) if at <= end => {
                assert!(at > station.now, "a deadline in the past");
                station.now = at;
            }
            Wake::At(_) | Wake::OnIngress => break,
            other => panic!("{other:?}, though all was sent"),
        }
    }
    station.now = end;
    sent
}

/// The message of neighbour discovery in a frame, and from where to where it goes.
fn read(frame: &[u8]) -> (Ipv6Addr, Ipv6Addr, Message) {
    let packet = in_frame(frame);
    assert_eq!(packet[7], 255, "the hop limit");
    let (source, destination, _, payload) =
        hikyaku_testkit::seen::payload(packet).expect("a good packet");
    let (IpAddr::V6(source), IpAddr::V6(destination)) = (source, destination) else {
        panic!("IPv6")
    };
    let message = hikyaku::wire::icmpv6::Message::parse(payload, source, destination);
    let Ok(hikyaku::wire::icmpv6::Message::Other { kind, code, body }) = message else {
        panic!("{message:?}")
    };
    let message = Message::parse(kind, code, body).expect("a good message");
    (source, destination, message)
}

#[test]
fn a_solicitation_is_answered_and_its_sender_known() {
    // (from, to, option, the answer goes to, its flags)
    let group = solicited_node(US6);
    let (asked, told) = (SOLICITED | OVERRIDE, OVERRIDE);
    let table = [
        (ip6(1), group, Some(THEIRS), ip6(1), THEIRS, asked),
        (ip6(1), US6, Some(THEIRS), ip6(1), THEIRS, asked),
        (ip6(1), US6, None, ip6(1), neighbor(9), asked),
        (NOBODY, group, None, ALL_NODES, Address([0x33, 0x33, 0, 0, 0, 1]), told),
    ];
    for (source, destination, hardware, to, at, flags) in table {
        let mut station = station6::<Small>();
        let ask = solicitation(US6, hardware);
        let sent = station.feed(&discovery(neighbor(9), (source, destination), &ask));
        let [answer] = &sent[..] else { panic!("{sent:?}") };
        assert_eq!(answer[..12], [at.0, OURS.0].concat());
        assert_eq!(read(answer), (US6, to, advertisement(US6, flags, Some(OURS))));
        assert_eq!(station.stack.neighbor(source.into()), hardware);
        assert_eq!(station.stack.counters().neighbor_replies, 1);
    }
}

#[test]
fn a_connection_asks_in_the_neighbours_group_and_waits() {
    let mut station = station6::<Full>();
    let remote = SocketAddr::new(ip6(1).into(), 7);
    station.stack.connect(station.now, remote, &ConnectConfig::new()).expect("a slot");
    let sent = station.sent();
    let [ask] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(ask[..6], [0x33, 0x33, 0xff, 0, 0, 1]);
    assert_eq!(read(ask), (US6, solicited_node(ip6(1)), solicitation(ip6(1), Some(OURS))));
    let tell = advertisement(ip6(1), SOLICITED | OVERRIDE, Some(THEIRS));
    let sent = station.feed(&discovery(THEIRS, (ip6(1), US6), &tell));
    let [syn] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(syn[..6], THEIRS.0);
    assert_eq!(Seen::in_packet(syn).expect("a segment").destination, remote);
    // A minute later it is asked alone.
    station.now = station.now + Duration::from_secs(61);
    station.stack.connect(station.now, remote, &ConnectConfig::new()).expect("a slot");
    let sent = station.sent();
    let (asks, others): (Vec<_>, Vec<_>) = sent.iter().partition(|frame| frame[20] == 58);
    assert!(asks.len() == 1 && !others.is_empty(), "packets go on");
    assert_eq!(asks[0][..6], THEIRS.0);
    assert_eq!(read(asks[0]), (US6, ip6(1), solicitation(ip6(1), Some(OURS))));
    // It need not say again where it is.
    let tell = advertisement(ip6(1), SOLICITED, None);
    station.feed(&discovery(THEIRS, (ip6(1), US6), &tell));
    let asked = station.stack.counters().neighbor_requests;
    pass(&mut station, Duration::from_secs(3));
    assert_eq!(station.stack.counters().neighbor_requests, asked);
}

#[test]
fn link_local_neighbours_are_on_the_link_and_spoken_to_from_there() {
    let mut station = station6::<Full>();
    let local = station.stack.add_link_local().expect("room");
    assert_eq!(local, link_local(OURS));
    assert_eq!(local, "fe80::ff:fe00:ee".parse::<Ipv6Addr>().expect("an address"));
    let them = link_local(THEIRS);
    for (remote, source) in [(them, local), (ip6(1), US6)] {
        let remote = SocketAddr::new(remote.into(), 7);
        station.stack.connect(station.now, remote, &ConnectConfig::new()).expect("a slot");
        let sent = station.sent();
        assert_eq!(read(&sent[0]).0, source);
    }
    // Beyond the link it is of no use.
    let mut station = Station::<Full>::new();
    station.stack.add_link_local().expect("room");
    let far = "[2001:db8::1]:7".parse().expect("an address");
    let refused = station.stack.connect(station.now, far, &ConnectConfig::new());
    assert_eq!(refused.err(), Some(ConnectError::NoAddress));
}

#[test]
fn an_address_is_probed_for_and_then_used() {
    let mut station = careful::<Full>();
    let local = station.stack.add_link_local().expect("room");
    assert_eq!(station.stack.address_state(local.into()), Some(AddressState::Tentative));
    let asked = pass(&mut station, Duration::from_millis(600));
    let [(at, ask)] = &asked[..] else { panic!("{asked:?}") };
    assert!(*at <= 525, "within half a second");
    assert_eq!(read(ask), (NOBODY, solicited_node(local), solicitation(local, None)));
    // Neither sent from nor answered for.
    let remote = SocketAddr::new(link_local(THEIRS).into(), 7);
    let refused = station.stack.connect(station.now, remote, &ConnectConfig::new());
    assert_eq!(refused.err(), Some(ConnectError::NoAddress));
    let ask = solicitation(local, Some(THEIRS));
    let ask = discovery(THEIRS, (link_local(THEIRS), solicited_node(local)), &ask);
    assert_eq!(station.feed(&ask), Vec::<Vec<u8>>::new());
    assert_eq!(station.stack.address_state(local.into()), Some(AddressState::Tentative));
    assert_eq!(pass(&mut station, Duration::from_millis(1000)), []);
    assert_eq!(station.stack.address_state(local.into()), Some(AddressState::Usable));
    assert_eq!(station.feed(&ask).len(), 1);
}

#[test]
fn an_address_that_somebody_has_or_wants_is_not_used() {
    let local = link_local(OURS);
    let claims = [
        discovery(THEIRS, (NOBODY, solicited_node(local)), &solicitation(local, None)),
        discovery(THEIRS, (local, ALL_NODES), &advertisement(local, OVERRIDE, Some(THEIRS))),
    ];
    for claim in claims {
        let mut station = careful::<Full>();
        station.stack.add_link_local().expect("room");
        pass(&mut station, Duration::from_millis(600));
        assert_eq!(station.feed(&claim), Vec::<Vec<u8>>::new());
        pass(&mut station, Duration::from_secs(10));
        assert_eq!(station.stack.address_state(local.into()), Some(AddressState::Duplicate));
        assert_eq!(station.stack.counters().address_conflicts, 1);
        assert_eq!(station.stack.next_wake(station.now), Wake::OnIngress);
        assert!(station.stack.remove_address(local.into()));
        assert_eq!(station.stack.address_state(local.into()), None);
    }
}

#[test]
fn an_ipv4_address_is_probed_for_three_times_and_announced_twice() {
    let mut station = Station::<Full>::new();
    station.stack.probe_address(ip(3), 24).expect("room");
    let sent = pass(&mut station, Duration::from_secs(20));
    let ask = arp(REQUEST, (OURS, "0.0.0.0".parse().expect("ip")), (Address::ZERO, ip(3)));
    let tell = arp(REQUEST, (OURS, ip(3)), (Address::ZERO, ip(3)));
    let [ask, tell] =
        [ask, tell].map(|packet| frame(Address::BROADCAST, OURS, EtherType::ARP, &packet));
    let frames: Vec<_> = sent.iter().map(|sent| sent.1.clone()).collect();
    assert_eq!(frames, [ask.clone(), ask.clone(), ask, tell.clone(), tell]);
    let times: Vec<_> = sent.iter().map(|sent| sent.0).collect();
    let gaps: Vec<_> = times.windows(2).map(|two| two[1] - two[0]).collect();
    // RFC 5227 §1.1: PROBE_MIN to PROBE_MAX, ANNOUNCE_WAIT, ANNOUNCE_INTERVAL.
    assert!(gaps[..2].iter().all(|gap| (1000..=2000).contains(gap)), "{gaps:?}");
    assert!(gaps[2..].iter().all(|gap| (2000..=2001).contains(gap)), "{gaps:?}");
    assert_eq!(station.stack.address_state(ip(3)), Some(AddressState::Usable));
    let mut small = Station::<Small>::new();
    assert_eq!(small.stack.probe_address(ip(3), 24), Err(ConfigError::CannotProbe));
}

#[test]
fn an_ipv4_address_that_somebody_has_or_wants_is_not_used() {
    let nobody = "0.0.0.0".parse().expect("an address");
    let claims = [
        arp(REPLY, (THEIRS, ip(3)), (OURS, nobody)),
        arp(REQUEST, (THEIRS, ip(3)), (Address::ZERO, ip(9))),
        arp(REQUEST, (THEIRS, nobody), (Address::ZERO, ip(3))),
    ];
    for claim in claims {
        let mut station = Station::<Full>::new();
        station.stack.probe_address(ip(3), 24).expect("room");
        pass(&mut station, Duration::from_secs(1));
        station.feed(&frame(Address::BROADCAST, THEIRS, EtherType::ARP, &claim));
        assert_eq!(pass(&mut station, Duration::from_secs(20)), []);
        assert_eq!(station.stack.address_state(ip(3)), Some(AddressState::Duplicate));
        assert_eq!(station.stack.counters().address_conflicts, 1);
    }
}

#[test]
fn an_address_in_use_is_defended_once_in_ten_seconds() {
    let claim = arp(REPLY, (THEIRS, US), (OURS, US));
    let claim = frame(OURS, THEIRS, EtherType::ARP, &claim);
    let tell = arp(REQUEST, (OURS, US), (Address::ZERO, US));
    let tell = frame(Address::BROADCAST, OURS, EtherType::ARP, &tell);
    let mut station = Station::<Full>::new();
    for round in 0..3 {
        assert_eq!(station.feed(&claim), std::slice::from_ref(&tell), "round {round}");
        for _ in 0..9 {
            station.now = station.now + Duration::from_secs(1);
            assert_eq!(station.feed(&claim), Vec::<Vec<u8>>::new());
        }
        station.now = station.now + Duration::from_secs(1);
    }
    assert_eq!(station.stack.counters().address_conflicts, 30);
    assert_eq!(station.stack.neighbor(US), None);
    let mut small = Station::<Small>::new();
    assert_eq!(small.feed(&claim), Vec::<Vec<u8>>::new());
    assert_eq!(small.stack.counters().address_conflicts, 1);
}

#[test]
fn sec_28_neighbour_discovery_from_beyond_the_link_or_malformed() {
    let group = solicited_node(US6);
    let ask = |hardware| {
        let mut octets = vec![0; 32];
        let len = solicitation(US6, hardware).emit(&mut octets).expect("room");
        octets.truncate(len);
        octets
    };
    let with = |at: usize, value: u8| {
        let mut octets = ask(Some(THEIRS));
        octets[at] = value;
        octets
    };
    let tell = |flags, hardware| {
        let mut octets = vec![0; 32];
        advertisement(ip6(1), flags, hardware).emit(&mut octets).expect("room");
        octets
    };
    let multicast = Some(Address::BROADCAST);
    let (bad, option, cut) = (DropReason::BadNdp, DropReason::BadOption, DropReason::Truncated);
    let ignored = DropReason::NeighborIgnored;
    // (from, to, message, hop limit, why it is dropped)
    let table = [
        (ip6(1), group, ask(Some(THEIRS)), 254, bad),
        (ip6(1), group, ask(Some(THEIRS)), 64, bad),
        (ip6(1), group, ask(Some(THEIRS)), 0, bad),
        (ip6(1), group, with(1, 1), 255, bad),
        (ip6(1), group, with(8, 0xff), 255, bad),
        (ip6(1), group, with(25, 0), 255, option),
        (ip6(1), group, with(25, 2), 255, option),
        (ip6(1), group, ask(Some(THEIRS))[..23].to_vec(), 255, cut),
        (ip6(1), group, ask(Some(THEIRS))[..28].to_vec(), 255, option),
        (NOBODY, group, ask(Some(THEIRS)), 255, bad),
        (NOBODY, US6, ask(None), 255, bad),
        (ip6(1), group, ask(multicast), 255, ignored),
        (ip6(1), group, ask(Some(OURS)), 255, ignored),
        (ALL_NODES, group, ask(Some(THEIRS)), 255, DropReason::BadSource),
        (US6, group, ask(Some(THEIRS)), 255, DropReason::BadSource),
        (ip6(1), ALL_NODES, tell(SOLICITED, Some(THEIRS)), 255, bad),
        (ip6(1), US6, tell(SOLICITED, multicast), 255, ignored),
        (ip6(1), US6, tell(SOLICITED, Some(THEIRS)), 255, ignored),
    ];
    for (source, destination, message, hop_limit, reason) in table {
        let mut station = station6::<Full>();
        let frame = packet6(THEIRS, (source, destination), &message, hop_limit);
        let sent = station.feed(&frame);
        assert_eq!(sent, Vec::<Vec<u8>>::new(), "{source} {destination} {message:x?}");
        let drops = station.drops(reason);
        assert_eq!(drops, 1, "{source} {destination} {hop_limit} {message:x?}: {reason:?}");
        assert_eq!(station.stack.neighbor(ip6(1).into()), None);
    }
    // A wrong checksum, and what is not to us at all.
    let mut station = station6::<Full>();
    let mut damaged = packet6(THEIRS, (ip6(1), US6), &ask(Some(THEIRS)), 255);
    damaged[14 + 40 + 20] ^= 1;
    station.feed(&damaged);
    assert_eq!(station.drops(DropReason::BadChecksum), 1);
}

#[test]
fn sec_28_ten_thousand_router_advertisements_leave_no_trace() {
    let mut station = station6::<Small>();
    let before = station.stack.usage();
    for number in 0..10_000_u32 {
        // A prefix of 64 or of 129 and more bits, with the flags that ask for an address.
        let mut message = vec![134, 0, 0, 0, 64, 0, 7, 8];
        message.resize(16, 0);
        message.extend([3, 4, if number % 2 == 0 { 64 } else { 129 }, 0xc0]);
        message.extend([0xff; 8]);
        message.extend([0; 4]);
        message.extend([0x20, 0x01, 0x0d, 0xb8]);
        message.extend(number.to_be_bytes());
        message.extend([0; 8]);
        let router = link_local(neighbor(9));
        let frame = packet6(neighbor(9), (router, ALL_NODES), &message, 255);
        assert_eq!(station.feed(&frame), Vec::<Vec<u8>>::new());
    }
    assert_eq!(station.drops(DropReason::IcmpIgnored), 10_000);
    assert_eq!(station.stack.usage(), before);
    assert_eq!(station.stack.next_wake(station.now), Wake::OnIngress);
    let far = "[2001:db8::1]:7".parse().expect("an address");
    station.stack.connect(station.now, far, &ConnectConfig::new()).expect("a slot");
    assert_eq!(station.sent(), Vec::<Vec<u8>>::new(), "there is no router");
}

/// A connection to neighbour 1 is open, and its entry in use.
fn in_use<P: Profile>() -> Station<P> {
    let mut station = station6::<P>();
    station.meet(1);
    station.connect(1);
    assert_eq!(station.sent().len(), 1);
    station
}

/// Where an echo reply to neighbour 1 goes.
fn reply_goes_to<P: Profile>(station: &mut Station<P>) -> Address {
    let sent = station.feed(&frame(OURS, THEIRS, EtherType::IPV4, &ping(ip(1), US, b"x")));
    let echo = sent.iter().find(|frame| frame[12..14] == [8, 0]).expect("a reply");
    Address(*echo.first_chunk().expect("an address"))
}

#[test]
fn sec_28_nobody_takes_over_a_neighbours_address_by_arp() {
    let evil = neighbor(66);
    let claims = [
        // An answer that nobody asked for, to us and to all; a request for us, and for itself.
        (OURS, arp(REPLY, (evil, ip(1)), (OURS, US))),
        (Address::BROADCAST, arp(REPLY, (evil, ip(1)), (Address::BROADCAST, ip(1)))),
        (Address::BROADCAST, arp(REQUEST, (evil, ip(1)), (Address::ZERO, US))),
        (Address::BROADCAST, arp(REQUEST, (evil, ip(1)), (Address::ZERO, ip(1)))),
    ];
    for (to, claim) in claims {
        let mut station = in_use::<Small>();
        let claim = frame(to, evil, EtherType::ARP, &claim);
        for _ in 0..100 {
            station.now = station.now + Duration::from_millis(20);
            for sent in station.feed(&claim) {
                // The one that is there is asked, and nobody else; who asked is answered.
                assert!(sent[..6] == THEIRS.0 || sent[..6] == evil.0);
                if sent[..6] == THEIRS.0 && sent[12..14] == [8, 6] {
                    let answer = arp(REPLY, (THEIRS, ip(1)), (OURS, US));
                    station.feed(&frame(OURS, THEIRS, EtherType::ARP, &answer));
                }
            }
            assert_eq!(reply_goes_to(&mut station), THEIRS);
        }
        assert!(station.stack.counters().neighbor_requests <= 3, "once a second");
    }
}

#[test]
fn sec_28_nobody_takes_over_a_neighbours_address_by_advertisements() {
    let mut station = station6::<Full>();
    let ask = solicitation(US6, Some(THEIRS));
    station.feed(&discovery(THEIRS, (ip6(1), US6), &ask));
    let evil = neighbor(66);
    for flags in [0, OVERRIDE, OVERRIDE | SOLICITED] {
        let tell = advertisement(ip6(1), flags, Some(evil));
        station.feed(&discovery(evil, (ip6(1), US6), &tell));
        assert_eq!(station.stack.neighbor(ip6(1).into()), Some(THEIRS), "{flags:x}");
    }
    let ask = solicitation(US6, Some(evil));
    station.feed(&discovery(evil, (ip6(1), US6), &ask));
    assert_eq!(station.stack.neighbor(ip6(1).into()), Some(THEIRS));
}

#[test]
fn sec_28_a_flood_of_strangers_drives_out_nobody_who_is_in_use() {
    let mut station = in_use::<Small>();
    for number in 0..2_000_u16 {
        let [high, low] = number.to_be_bytes();
        let stranger = Address([2, 1, 0, 0, high, low]);
        let address = IpAddr::from([10, 0, 0, 100 + (low % 100)]);
        let ask = arp(REQUEST, (stranger, address), (Address::ZERO, US));
        station.feed(&frame(Address::BROADCAST, stranger, EtherType::ARP, &ask));
        let source = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 1, number);
        let ask = solicitation(US6, Some(stranger));
        station.feed(&discovery(stranger, (source, solicited_node(US6)), &ask));
        assert_eq!(station.stack.neighbor(ip(1)), Some(THEIRS));
    }
    assert_eq!(station.stack.counters().neighbor_requests, 0);
}

#[test]
fn sec_28_forged_sources_cause_no_storm_of_requests() {
    let mut station = station6::<Small>();
    let mut requests = 0;
    for number in 0..3_000_u64 {
        station.now = Instant::from_millis(100 + number);
        let source = ip(100 + (number % 120) as u8);
        station.feed(&frame(OURS, THEIRS, EtherType::IPV4, &ping(source, US, b"x")));
        requests = station.stack.counters().neighbor_requests;
    }
    assert!(requests <= 8 * 4, "{requests} requests in three seconds for 3,000 packets");
    assert!(station.drops(DropReason::Unreachable) > 2_900);
    // A connection of ours is served all the same.
    let before = requests;
    station.connect(9);
    station.sent();
    assert_eq!(station.stack.counters().neighbor_requests, before + 1);
}

#[test]
fn sec_28_arp_that_says_what_cannot_be_is_ignored() {
    let evil = neighbor(66);
    // (sender's hardware address, sender)
    let table: [(Address, &str); 10] = [
        (Address::BROADCAST, "10.0.0.9"),
        (Address([1, 0, 0x5e, 0, 0, 1]), "10.0.0.9"),
        (Address::ZERO, "10.0.0.9"),
        (OURS, "10.0.0.9"),
        (evil, "10.0.0.2"),
        (evil, "10.0.0.255"),
        (evil, "255.255.255.255"),
        (evil, "224.0.0.1"),
        (evil, "192.0.2.1"),
        (evil, "127.0.0.1"),
    ];
    for (hardware, sender) in table {
        let mut station = Station::<Full>::new();
        let sender = sender.parse().expect("an address");
        let ask = arp(REQUEST, (hardware, sender), (Address::ZERO, US));
        let sent = station.feed(&frame(Address::BROADCAST, evil, EtherType::ARP, &ask));
        let replies = sent.iter().filter(|frame| frame[21] == 2).count();
        assert_eq!(replies, 0, "{hardware} {sender}");
        assert_eq!(station.stack.neighbor(sender), None, "{hardware} {sender}");
        assert_eq!(station.drops(DropReason::NeighborIgnored), 1, "{hardware} {sender}");
    }
    // Neither is what is of another kind.
    let mut station = Station::<Full>::new();
    let good = arp(REQUEST, (evil, ip(9)), (Address::ZERO, US));
    for (at, value) in [(1, 6), (3, 1), (4, 8), (5, 16), (7, 3), (7, 8)] {
        let mut bad = good.clone();
        bad[at] = value;
        let sent = station.feed(&frame(Address::BROADCAST, evil, EtherType::ARP, &bad));
        assert_eq!(sent, Vec::<Vec<u8>>::new());
    }
    assert_eq!(station.drops(DropReason::BadArp), 6);
    assert_eq!(station.feed(&frame(Address::BROADCAST, evil, EtherType::ARP, &good)).len(), 1);
}

#[test]
fn groups_that_we_are_not_in_are_not_heard() {
    let mut station = station6::<Full>();
    let ask = discovery(THEIRS, (ip6(1), solicited_node(US6)), &solicitation(US6, Some(THEIRS)));
    let mut other = ask.clone();
    other[5] ^= 1;
    assert_eq!(station.feed(&other), Vec::<Vec<u8>>::new());
    assert_eq!(station.drops(DropReason::NotOurs), 1);
    // An echo request to one of ours is not answered either, nor one for us that came in a group.
    let echo = ping(ip6(1).into(), ALL_NODES.into(), b"x");
    let echo = frame(Address([0x33, 0x33, 0, 0, 0, 1]), THEIRS, EtherType::IPV6, &echo);
    assert_eq!(station.feed(&echo), Vec::<Vec<u8>>::new());
    let echo = ping(ip6(1).into(), US6.into(), b"x");
    let echo = frame(Address([0x33, 0x33, 0, 0, 0, 1]), THEIRS, EtherType::IPV6, &echo);
    assert_eq!(station.feed(&echo), Vec::<Vec<u8>>::new());
    assert_eq!(station.drops(DropReason::NotOurs), 3);
    assert_eq!(station.feed(&ask).len(), 1);
}

#[test]
fn tiny_discovers_neighbours_and_answers_no_ping() {
    let mut station = station6::<Tiny>();
    let ask = discovery(THEIRS, (ip6(1), solicited_node(US6)), &solicitation(US6, Some(THEIRS)));
    let sent = station.feed(&ask);
    let [answer] = &sent[..] else { panic!("{sent:?}") };
    let told = advertisement(US6, SOLICITED | OVERRIDE, Some(OURS));
    assert_eq!(read(answer), (US6, ip6(1), told));
    for (kind, echo) in [
        (EtherType::IPV6, ping(ip6(1).into(), US6.into(), b"x")),
        (EtherType::IPV4, ping(ip(1), US, b"x")),
    ] {
        assert_eq!(station.feed(&frame(OURS, THEIRS, kind, &echo)), Vec::<Vec<u8>>::new());
    }
    assert_eq!(station.drops(DropReason::IcmpIgnored), 2);
}
