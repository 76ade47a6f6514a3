//! Neighbour discovery, addresses that are probed for, and what of neighbours is not believed.
#![cfg(all(feature = "ethernet", feature = "ipv6", feature = "udp"))]

#[path = "ethernet/station.rs"]
mod station;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use hikyaku::time::Duration;
use hikyaku::wire::arp::{REPLY, REQUEST};
use hikyaku::wire::ethernet::{Address, EtherType};
use hikyaku::wire::ndp::{Message, OVERRIDE, SOLICITED, link_local, solicited_node};
use hikyaku::wire::tcp::Flags;
use hikyaku::{
    AcceptError, AddressState, CloseReason, ConfigError, ConnectConfig, ConnectError, DropReason,
    Full, Handle, Instant, ListenConfig, Profile, Readiness, SendError, Small, State, Tiny,
    UdpConfig, Wake, WriteError,
};
use hikyaku_testkit::forge::{Tcp, ping};
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

impl<P: Profile> Station<P> {
    fn add_link_local(&mut self) {
        self.stack.add_link_local().expect("room");
    }

    fn probe_link_local(&mut self) {
        self.stack.probe_address(link_local(OURS).into(), 64).expect("room");
    }
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
    station.know(1);
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
        assert!(station.stack.counters().neighbor_requests <= 1 + 3, "once a second");
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
    assert_eq!(station.stack.counters().neighbor_requests, 1, "the one of its connection");
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

/// An address that is added again is one entry, and no duplicate comes into use by it.
fn added_again<P: Profile>() {
    let local = link_local(OURS);
    let claim = discovery(THEIRS, (NOBODY, solicited_node(local)), &solicitation(local, None));
    for how in [Station::<P>::add_link_local, Station::<P>::probe_link_local] {
        let mut station = careful::<P>();
        for _ in 0..10 {
            how(&mut station);
            let tentative = Some(AddressState::Tentative);
            assert_eq!(station.stack.address_state(local.into()), tentative);
            pass(&mut station, Duration::from_millis(600));
            assert_eq!(station.feed(&claim), Vec::<Vec<u8>>::new());
            pass(&mut station, Duration::from_secs(10));
            let duplicate = Some(AddressState::Duplicate);
            assert_eq!(station.stack.address_state(local.into()), duplicate);
            let ask = solicitation(local, Some(THEIRS));
            let ask = discovery(THEIRS, (link_local(THEIRS), solicited_node(local)), &ask);
            assert_eq!(station.feed(&ask), Vec::<Vec<u8>>::new(), "nobody answers for it");
        }
        // Two of four places are taken, and one of these comes free.
        how(&mut station);
        pass(&mut station, Duration::from_secs(3));
        assert_eq!(station.stack.address_state(local.into()), Some(AddressState::Usable));
        for last in [3, 4] {
            station.stack.add_address(ip(last), 24).expect("a place");
        }
        let full = station.stack.add_address(ip(5), 24);
        assert_eq!(full, Err(ConfigError::TooManyAddresses));
        assert!(station.stack.remove_address(local.into()));
        assert_eq!(station.stack.address_state(local.into()), None);
        station.stack.add_address(ip(5), 24).expect("a place");
    }
    // One in use stays as it is.
    let mut station = Station::<P>::new();
    let gateway = "10.0.9.1".parse().expect("an address");
    for prefix in [16, 24, 16, 24, 16] {
        station.stack.add_address(US, prefix).expect("it is there");
        assert_eq!(station.stack.address_state(US), Some(AddressState::Usable));
        assert_eq!(station.stack.set_gateway(gateway), Err(ConfigError::InvalidGateway));
    }
    assert!(station.stack.remove_address(US) && !station.stack.remove_address(US));
}

#[test]
fn an_address_that_is_added_again_is_one_entry() {
    added_again::<Full>();
    added_again::<Small>();
    added_again::<Tiny>();
}

#[test]
fn an_ipv4_address_that_somebody_has_is_not_used_when_it_is_added_again() {
    let claim = arp(REPLY, (THEIRS, ip(3)), (OURS, "0.0.0.0".parse().expect("an address")));
    let claim = frame(Address::BROADCAST, THEIRS, EtherType::ARP, &claim);
    let mut station = Station::<Full>::new();
    station.stack.probe_address(ip(3), 24).expect("room");
    for round in 0..6 {
        pass(&mut station, Duration::from_secs(1));
        station.feed(&claim);
        assert_eq!(station.stack.address_state(ip(3)), Some(AddressState::Duplicate));
        if round % 2 == 0 {
            station.stack.add_address(ip(3), 24).expect("it is there");
        } else {
            station.stack.probe_address(ip(3), 24).expect("it is there");
        }
        assert_eq!(station.stack.address_state(ip(3)), Some(AddressState::Tentative));
    }
    let probes = pass(&mut station, Duration::from_secs(20)).len();
    assert_eq!(probes, 3 + 2, "three probes, two announcements");
    assert_eq!(station.stack.address_state(ip(3)), Some(AddressState::Usable));
}

/// A removed address ends its connections, and nothing leaves from it.
fn removed<P: Profile>() {
    let mut station = station6::<P>();
    let listener = station.stack.listen(7, &ListenConfig::new()).expect("a free port");
    let bound = UdpConfig { address: Some(US), ..UdpConfig::new(9) };
    let bound = station.stack.bind_udp(&bound).expect("a free port");
    let any = station.stack.bind_udp(&UdpConfig::new(10)).expect("a free port");
    station.know(1);
    let handle = station.connect(1);
    let sent = station.sent();
    let syn = Seen::in_packet(&sent[0]).expect("a SYN");
    let mut answer = Tcp::syn(syn.destination, syn.source, 1000);
    (answer.flags, answer.ack) = (Flags::SYN | Flags::ACK, syn.seq + 1);
    station.feed(&frame(OURS, THEIRS, EtherType::IPV4, &answer.packet()));
    let state = station.stack.tcp(handle).expect("held").state();
    assert_eq!(state, State::Established);
    // A handshake, data, a datagram that waits, and all that is to be answered.
    let syn = Tcp::syn(SocketAddr::new(ip(1), 5), SocketAddr::new(US, 7), 7);
    assert_eq!(station.feed(&frame(OURS, THEIRS, EtherType::IPV4, &syn.packet())).len(), 1);
    assert_eq!(station.stack.usage().half_open, 1);
    let mut socket = station.stack.udp(any).expect("live");
    socket.send_to(b"x", SocketAddr::new(ip(5), 9)).expect("room");
    assert_eq!(station.sent().len(), 1, "a request");
    station.stack.tcp(handle).expect("held").write(b"data").expect("room");
    let stray = Tcp::syn(SocketAddr::new(ip(1), 5), SocketAddr::new(US, 99), 7);
    station.stack.receive(station.now, &frame(OURS, THEIRS, EtherType::IPV4, &stray.packet()));
    station.stack.receive(station.now, &pings(THEIRS, ip(1)));
    station.stack.receive(station.now, &asks(false, THEIRS, 1));
    while station.stack.next_event().is_some() {}
    assert!(station.stack.remove_address(US));
    assert_eq!(station.sent(), Vec::<Vec<u8>>::new());
    let event = station.stack.next_event();
    let closed = Readiness::CLOSED;
    assert!(matches!(event, Some((Handle::Tcp(_), news)) if news.contains(closed)), "{event:?}");
    let mut socket = station.stack.tcp(handle).expect("held");
    assert_eq!(socket.close_reason(), Some(CloseReason::AddressRemoved));
    let ended = WriteError::Ended(CloseReason::AddressRemoved);
    assert_eq!(socket.write(b"data"), Err(ended));
    assert_eq!((station.stack.usage().half_open, station.stack.usage().time_wait), (0, 0));
    let peer = SocketAddr::new(ip(1), 9);
    for udp in [bound, any] {
        let refused = station.stack.udp(udp).expect("live").send_to(b"x", peer);
        assert_eq!(refused, Err(SendError::Unaddressable));
    }
    // The datagram that waited is dropped, whether its neighbour answers or not.
    station.feed(&tells(false, neighbor(5), 5, true));
    let sent = pass(&mut station, Duration::from_secs(100));
    assert_eq!(sent, []);
    assert_eq!(station.drops(DropReason::BadSource), 1);
    station.stack.tcp(handle).expect("held").release();
    assert_eq!(station.stack.usage().connections, 0);
    assert_eq!(station.stack.accept(listener).err(), Some(AcceptError::WouldBlock));
    // With the address all of it is of use again.
    station.stack.add_address(US, 24).expect("room");
    station.stack.udp(bound).expect("live").send_to(b"x", peer).expect("an address");
    assert!(!station.sent().is_empty());
    let other = ConnectConfig { local_address: Some(US), ..ConnectConfig::new() };
    assert!(station.stack.connect(station.now, peer, &other).is_ok());
}

#[test]
fn nothing_leaves_from_an_address_that_was_removed() {
    removed::<Full>();
    removed::<Small>();
    removed::<Tiny>();
}

/// The address of a neighbour.
fn at(v6: bool, last: u8) -> IpAddr {
    if v6 { ip6(last.into()).into() } else { ip(last) }
}

/// The station `hardware` asks for us, and gives the address of neighbour `last` as its own.
fn asks(v6: bool, hardware: Address, last: u8) -> Vec<u8> {
    if v6 {
        let ends = (ip6(last.into()), solicited_node(US6));
        return discovery(hardware, ends, &solicitation(US6, Some(hardware)));
    }
    let packet = arp(REQUEST, (hardware, ip(last)), (Address::ZERO, US));
    frame(Address::BROADCAST, hardware, EtherType::ARP, &packet)
}

/// The station `hardware` says that it is neighbour `last`: in answer to a request, or not.
fn tells(v6: bool, hardware: Address, last: u8, answers: bool) -> Vec<u8> {
    if v6 {
        let flags = if answers { SOLICITED | OVERRIDE } else { OVERRIDE };
        let tell = advertisement(ip6(last.into()), flags, Some(hardware));
        return discovery(hardware, (ip6(last.into()), US6), &tell);
    }
    let (operation, to) = if answers { (REPLY, US) } else { (REQUEST, ip(last)) };
    let packet = arp(operation, (hardware, ip(last)), (OURS, to));
    frame(OURS, hardware, EtherType::ARP, &packet)
}

/// The echo request of the station `hardware`, which says that it is `source`.
fn pings(hardware: Address, source: IpAddr) -> Vec<u8> {
    let (us, kind) =
        if source.is_ipv6() { (US6.into(), EtherType::IPV6) } else { (US, EtherType::IPV4) };
    frame(OURS, hardware, kind, &ping(source, us, b"x"))
}

/// The stations to which a datagram for `remote` goes, and those that are asked.
fn sends<P: Profile>(
    station: &mut Station<P>,
    udp: hikyaku::UdpHandle,
    remote: IpAddr,
) -> (Vec<Address>, usize) {
    let mut socket = station.stack.udp(udp).expect("live");
    socket.send_to(b"x", SocketAddr::new(remote, 9)).expect("room");
    let before = station.stack.counters().neighbor_requests;
    let to = datagrams(&station.sent());
    (to, station.stack.counters().neighbor_requests - before)
}

/// The stations to which datagrams go.
fn datagrams(sent: &[Vec<u8>]) -> Vec<Address> {
    let is_udp = |frame: &&Vec<u8>| match frame[12..14] {
        [8, 0] => frame[23] == 17,
        [0x86, 0xdd] => frame[20] == 17,
        _ => false,
    };
    sent.iter().filter(is_udp).map(|frame| Address(*frame.first_chunk().expect("it"))).collect()
}

/// A silent gateway keeps its place and its hardware address.
fn gateway_and_claims<P: Profile>(v6: bool) {
    const GATEWAY: Address = neighbor(254);
    let evil = neighbor(66);
    let mut station = station6::<P>();
    let gateway = at(v6, 254);
    let far = if v6 { "2001:db8::1" } else { "192.0.2.1" }.parse().expect("an address");
    station.stack.set_gateway(gateway).expect("a neighbour");
    let udp = station.stack.bind_udp(&UdpConfig::new(9)).expect("a free port");
    // Nothing is known of it, and answers that nobody asked for teach nothing.
    for claim in [tells(v6, evil, 254, false), tells(v6, evil, 254, true)] {
        station.feed(&claim);
        assert_eq!(station.stack.neighbor(gateway), None);
    }
    // A station that asks with its address gets replies to that address, and no other packet.
    station.feed(&asks(v6, evil, 254));
    let replies = station.feed(&pings(evil, gateway));
    assert_eq!(replies.len(), usize::from(P::ICMP_ECHO));
    assert!(replies.iter().all(|reply| reply[..6] == evil.0));
    assert_eq!(sends(&mut station, udp, far), (vec![], 1));
    for claim in [asks(v6, evil, 254), tells(v6, evil, 254, false)] {
        assert_eq!(datagrams(&station.feed(&claim)), [], "it is asked, and has not answered");
    }
    assert_eq!(datagrams(&station.feed(&tells(v6, GATEWAY, 254, true))), [GATEWAY]);
    for silence in [1, 10, 100] {
        station.now = station.now + Duration::from_secs(silence);
        for stranger in 100..120 {
            assert_eq!(station.feed(&asks(v6, neighbor(stranger), stranger)).len(), 1, "answered");
        }
        assert_eq!(station.stack.neighbor(gateway), Some(GATEWAY), "{silence} s");
        for claim in [asks(v6, evil, 254), tells(v6, evil, 254, false), tells(v6, evil, 254, true)]
        {
            station.feed(&claim);
            assert_eq!(station.stack.neighbor(gateway), Some(GATEWAY), "{silence} s");
        }
        // A reply to the far network goes there too.
        station.feed(&pings(evil, far));
        assert_eq!(sends(&mut station, udp, far).0, [GATEWAY], "{silence} s");
        station.feed(&tells(v6, GATEWAY, 254, true));
    }
}

#[test]
fn sec_28_claims_neither_drive_out_a_silent_gateway_nor_take_its_place() {
    for v6 in [false, true] {
        gateway_and_claims::<Full>(v6);
        gateway_and_claims::<Small>(v6);
        gateway_and_claims::<Tiny>(v6);
    }
}

/// A neighbour that lost its place has to be asked for: no claim tells our sockets where it is.
fn flow_and_claims<P: Profile>(v6: bool) {
    let evil = neighbor(66);
    let mut station = station6::<P>();
    let udp = station.stack.bind_udp(&UdpConfig::new(9)).expect("a free port");
    let other = station.stack.bind_udp(&UdpConfig::new(10)).expect("a free port");
    let peer = at(v6, 1);
    assert_eq!(sends(&mut station, udp, peer), (vec![], 1));
    assert_eq!(datagrams(&station.feed(&tells(v6, THEIRS, 1, true))), [THEIRS]);
    for stranger in 100..120 {
        station.now = station.now + Duration::from_secs(10);
        station.feed(&asks(v6, neighbor(stranger), stranger));
        assert_eq!(station.stack.neighbor(peer), Some(THEIRS));
    }
    // As many other neighbours of our sockets as there are places, later.
    for last in 10..18 {
        station.now = station.now + Duration::from_secs(3);
        sends(&mut station, other, at(v6, last));
        station.feed(&tells(v6, neighbor(last), last, true));
    }
    assert_eq!(station.stack.neighbor(peer), None);
    station.now = station.now + Duration::from_secs(10);
    // Others fail to answer, and the other station asks first, and has us send replies.
    for last in 20..28 {
        sends(&mut station, other, at(v6, last));
    }
    pass(&mut station, Duration::from_secs(10));
    station.feed(&asks(v6, evil, 1));
    station.feed(&pings(evil, peer));
    assert_eq!(sends(&mut station, udp, peer).0, []);
    for claim in [asks(v6, evil, 1), tells(v6, evil, 1, false), pings(evil, peer)] {
        assert_eq!(datagrams(&station.feed(&claim)), []);
    }
    assert_eq!(datagrams(&station.feed(&tells(v6, THEIRS, 1, true))), [THEIRS]);
}

#[test]
fn sec_28_claims_tell_no_socket_where_its_peer_is() {
    for v6 in [false, true] {
        flow_and_claims::<Full>(v6);
        flow_and_claims::<Small>(v6);
        flow_and_claims::<Tiny>(v6);
    }
}

/// A neighbour that asks for us is answered, and our sockets ask for it before they send.
fn heard_neighbour<P: Profile>(v6: bool) {
    let evil = neighbor(66);
    let mut station = station6::<P>();
    let udp = station.stack.bind_udp(&UdpConfig::new(9)).expect("a free port");
    assert_eq!(station.feed(&asks(v6, evil, 1)).len(), 1);
    assert_eq!(station.stack.neighbor(at(v6, 1)), Some(evil));
    // A reply does not take a socket along.
    station.feed(&pings(evil, at(v6, 1)));
    assert_eq!(sends(&mut station, udp, at(v6, 1)), (vec![], 1));
    assert_eq!(datagrams(&station.feed(&tells(v6, THEIRS, 1, true))), [THEIRS]);
    // What is not solicited confirms nothing: the neighbour is asked three times, and forgotten.
    station.now = station.now + Duration::from_secs(61);
    assert_eq!(sends(&mut station, udp, at(v6, 1)), (vec![THEIRS], 1));
    for _ in 0..4 {
        station.feed(&tells(v6, THEIRS, 1, false));
        station.now = station.now + Duration::from_secs(1);
        station.sent();
    }
    assert_eq!(station.stack.neighbor(at(v6, 1)), None);
}

#[test]
fn a_neighbour_that_has_asked_is_asked_before_a_socket_sends_to_it() {
    for v6 in [false, true] {
        heard_neighbour::<Full>(v6);
        heard_neighbour::<Small>(v6);
        heard_neighbour::<Tiny>(v6);
    }
}

/// Pauses after which times of 31 or 32 bits, in ticks of 1,024 µs, would look like others.
fn pauses() -> impl Iterator<Item = Duration> {
    let wrap = Duration::from_micros(1 << 42);
    let days = [26, 51, 75, 100].map(|days| Duration::from_secs(days * 86_400));
    days.into_iter().chain([wrap, wrap + Duration::from_millis(100)])
}

/// A datagram goes to neighbour 1; what is sent then.
fn send_to_1<P: Profile>(station: &mut Station<P>, udp: hikyaku::UdpHandle) -> Vec<Vec<u8>> {
    let mut socket = station.stack.udp(udp).expect("live");
    socket.send_to(b"x", SocketAddr::new(ip(1), 9)).expect("room");
    station.sent()
}

fn a_neighbour_after_a_pause<P: Profile>() {
    let request = |to, hardware| {
        frame(to, OURS, EtherType::ARP, &arp(REQUEST, (OURS, US), (hardware, ip(1))))
    };
    let reply = frame(OURS, THEIRS, EtherType::ARP, &arp(REPLY, (THEIRS, ip(1)), (OURS, US)));
    for pause in pauses() {
        // One that did not answer is asked for again.
        let mut station = Station::<P>::new();
        let udp = station.stack.bind_udp(&UdpConfig::new(9)).expect("a free port");
        let asks = request(Address::BROADCAST, Address::ZERO);
        assert_eq!(send_to_1(&mut station, udp), std::slice::from_ref(&asks));
        pass(&mut station, Duration::from_secs(6));
        station.now = station.now + pause;
        assert_eq!(send_to_1(&mut station, udp), [asks], "{pause:?}");
        // One that answered is asked whether it is still there.
        let sent = station.feed(&reply);
        assert_eq!(sent.len(), 1, "the datagram");
        station.now = station.now + pause;
        let sent = send_to_1(&mut station, udp);
        let [one, other] = &sent[..] else { panic!("{sent:?} after {pause:?}") };
        assert!([one, other].contains(&&request(THEIRS, THEIRS)), "{sent:?} after {pause:?}");
        // One that is silent then is forgotten.
        pass(&mut station, Duration::from_secs(6));
        let sent = send_to_1(&mut station, udp);
        assert_eq!(sent, [request(Address::BROADCAST, Address::ZERO)], "{pause:?}");
    }
}

#[test]
fn no_pause_is_too_long_for_what_is_known_of_neighbours() {
    a_neighbour_after_a_pause::<Full>();
    a_neighbour_after_a_pause::<Small>();
    a_neighbour_after_a_pause::<Tiny>();
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
