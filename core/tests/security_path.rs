//! Errors that somebody on the way, or nobody on the way, reports, acknowledgements that lie, and
//! two ends that have lost each other. The numbers are those of the list of security cases.
#![cfg(all(feature = "ipv6", feature = "udp"))]

use hikyaku::counters::DropReason;
use hikyaku::time::{Duration, Instant};
use hikyaku::wire::Protocol;
use hikyaku::wire::tcp::Flags;
use hikyaku::wire::tcp_options::Options;
use hikyaku::{CloseReason, ConnectConfig, Info, ListenConfig, ListenerHandle, PathError};
use hikyaku::{Readiness, State, TcpHandle};
use hikyaku_testkit::forge::{self, Tcp};
use hikyaku_testkit::host::{Host, Kind, make};
use hikyaku_testkit::lone::{Lone, Peer};
use hikyaku_testkit::pair::{Family, LEFT, RIGHT, Setup, address};
use hikyaku_testkit::seen::Seen;
use std::net::SocketAddr;

const ACK: Flags = Flags::ACK;

fn hosts(act: impl Fn(&mut Lone, Family)) {
    for kind in [Kind::Full, Kind::Small] {
        for family in Family::BOTH {
            act(&mut Lone::new(kind, family), family);
        }
    }
}

/// An ICMP error from a router that quotes `quote`.
fn error(lone: &Lone, (kind, code): (u8, u8), quote: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(&quote[..quote.len().min(500)]);
    forge::icmp(lone.them, lone.us, &message)
}

/// What a host sent, as it would be quoted: with the sequence number moved on by `ahead`.
fn quote(peer: &Peer, ahead: i32) -> Vec<u8> {
    let mut segment = Tcp::syn(peer.host, peer.at, 0);
    segment.seq = peer.ack + ahead as u32;
    (segment.flags, segment.text) = (ACK, b"quoted".to_vec());
    segment.packet()
}

/// Types and codes.
type Kinds = &'static [(u8, u8)];

/// Hard errors and soft errors.
const fn kinds(family: Family) -> (Kinds, Kinds) {
    match family {
        Family::V4 => (&[(3, 2), (3, 3)], &[(3, 0), (3, 1), (3, 5), (11, 0), (11, 1), (12, 0)]),
        Family::V6 => (&[(1, 4), (1, 1)], &[(1, 0), (1, 3), (3, 0), (3, 1), (4, 0), (4, 2)]),
    }
}

fn told(lone: &mut Lone) -> bool {
    let mut told = false;
    while let Some((_, news)) = lone.host.next_event() {
        told |= news.contains(Readiness::TROUBLED);
    }
    told
}

#[test]
fn sec_23_no_error_answers_an_error_a_crowd_or_a_later_fragment() {
    hosts(|lone, family| {
        let from = SocketAddr::new(lone.them, 9);
        let nobody = forge::udp(from, SocketAddr::new(lone.us, 9999), 12, b"data");
        let odd = forge::ip(lone.them, lone.us, Protocol(200), b"data");
        for packet in [&nobody, &odd] {
            assert_eq!(lone.feed_packet(packet).len(), 1, "what would be answered");
        }
        // RFC 1122 §3.2.2, RFC 4443 §2.4 (e): whatever the error, known or not.
        let errors: &[u8] = match family {
            Family::V4 => &[3, 4, 5, 11, 12, 40],
            Family::V6 => &[1, 2, 3, 4, 100, 127],
        };
        for kind in errors {
            for code in [0, 1, 2, 3, 200] {
                for quote in [&nobody[..], &odd, &odd[..7], b""] {
                    let packet = error(lone, (*kind, code), quote);
                    let answers = lone.feed_packet(&packet);
                    assert!(answers.is_empty(), "{kind} {code}: {answers:02x?}");
                }
            }
        }
        // To or from more than one host.
        let crowds: &[&str] = match family {
            Family::V4 => &["224.0.0.1", "239.1.2.3", "255.255.255.255", "10.0.0.255"],
            Family::V6 => &["ff02::1", "ff0e::1", "ff02::1:ff00:2"],
        };
        for crowd in crowds.iter().map(|text| text.parse().expect("an address")) {
            for (from, to) in [(lone.them, crowd), (crowd, lone.us)] {
                let (source, destination) = (SocketAddr::new(from, 9), SocketAddr::new(to, 9999));
                let datagram = forge::udp(source, destination, 12, b"data");
                assert!(lone.feed_packet(&datagram).is_empty(), "{from} to {to}");
                let odd = forge::ip(from, to, Protocol(200), b"data");
                assert!(lone.feed_packet(&odd).is_empty(), "{from} to {to}");
            }
        }
        // Every fragment but the first.
        for packet in [nobody, odd] {
            assert!(lone.feed_packet(&later_fragment(lone, packet)).is_empty());
        }
    });
}

/// The packet as if it were what follows the first eight octets of another.
fn later_fragment(lone: &Lone, mut packet: Vec<u8>) -> Vec<u8> {
    if lone.us.is_ipv4() {
        packet[6..8].copy_from_slice(&[0, 1]);
        return forge::with_ipv4_checksum(packet);
    }
    let mut payload = vec![packet[6], 0, 0, 8, 0, 0, 0, 1];
    payload.extend_from_slice(&packet[40..]);
    forge::ip(lone.them, lone.us, Protocol::FRAGMENT, &payload)
}

#[test]
fn sec_24_an_error_with_a_damaged_quote_means_nothing() {
    hosts(|lone, family| {
        let peer = lone.passive(0);
        let _ = lone.host.write(peer.handle, b"in flight");
        lone.sent();
        let (hard, soft) = kinds(family);
        let whole = quote(&peer, 0);
        for kind in hard.iter().chain(soft) {
            for cut in 0..whole.len() - 12 - b"quoted".len() {
                let before = lone.host.counters().drops.of(DropReason::IcmpIgnored);
                let packet = error(lone, *kind, &whole[..cut]);
                assert!(lone.feed_packet(&packet).is_empty());
                let after = lone.host.counters().drops.of(DropReason::IcmpIgnored);
                assert_eq!(after, before + 1, "{kind:?} cut at {cut}");
            }
            // A header length of 60 octets where there are 20.
            let mut long = whole.clone();
            long[0] |= 0xf;
            lone.feed_packet(&error(lone, *kind, &long[..28]));
        }
        assert_eq!(lone.host.info(peer.handle).path_error, None);
        lone.drain(&[peer]);
    });
}

#[test]
fn sec_25_an_error_counts_only_for_what_is_in_flight_and_never_ends_a_connection() {
    hosts(|lone, family| {
        let mut peer = lone.passive(0);
        let _ = lone.host.write(peer.handle, b"in flight");
        lone.sent();
        told(lone);
        let (hard, soft) = kinds(family);
        for kind in hard.iter().chain(soft) {
            for ahead in [-1, -1_000_000, 9, 1_000_000] {
                lone.feed_packet(&error(lone, *kind, &quote(&peer, ahead)));
                assert!(!told(lone), "{kind:?} {ahead}");
                assert_eq!(lone.host.info(peer.handle).path_error, None, "{kind:?} {ahead}");
            }
        }
        for kind in hard.iter().chain(soft) {
            for ahead in [0, 8] {
                lone.feed_packet(&error(lone, *kind, &quote(&peer, ahead)));
                assert!(told(lone), "{kind:?} {ahead}");
                assert!(lone.host.info(peer.handle).path_error.is_some(), "{kind:?} {ahead}");
                assert_eq!(lone.host.state(peer.handle), State::Established, "{kind:?}");
            }
        }
        // Progress wipes it out.
        peer.ack = peer.ack + 9;
        lone.feed(&peer.segment(ACK, b""));
        assert_eq!(lone.host.info(peer.handle).path_error, None);
        // Where none comes it is the reason in the end.
        let _ = lone.host.write(peer.handle, b"again");
        lone.sent();
        lone.feed_packet(&error(lone, soft[0], &quote(&peer, 0)));
        lone.pass(Duration::from_secs(200));
        assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::Unreachable));
        lone.drain(&[peer]);
    });
}

#[test]
fn sec_25_a_connection_that_is_being_opened_ends_by_a_hard_error_alone() {
    hosts(|lone, family| {
        let (hard, soft) = kinds(family);
        for (number, kind) in hard.iter().enumerate() {
            let mut peer = lone.syn_sent(number as u16);
            for other in soft {
                peer.ack = peer.ack - 1;
                lone.feed_packet(&error(lone, *other, &quote(&peer, 0)));
                peer.ack = peer.ack + 1;
                assert_eq!(lone.host.state(peer.handle), State::SynSent, "{other:?}");
            }
            let info = lone.host.info(peer.handle);
            assert_ne!(info.path_error, None);
            assert_ne!(info.path_error, Some(PathError::Refused));
            lone.feed_packet(&error(lone, *kind, &quote(&peer, -1)));
            assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::Unreachable));
            lone.drain(&[peer]);
        }
    });
}

#[test]
fn sec_27_source_quench_is_dropped_in_silence() {
    for kind in [Kind::Full, Kind::Small] {
        let mut lone = Lone::new(kind, Family::V4);
        let peer = lone.passive(0);
        let _ = lone.host.write(peer.handle, b"in flight");
        lone.sent();
        let before = lone.host.info(peer.handle);
        let packet = error(&lone, (4, 0), &quote(&peer, 0));
        assert!(lone.feed_packet(&packet).is_empty());
        assert_eq!(lone.host.info(peer.handle), before);
        assert_eq!(lone.host.counters().drops.of(DropReason::IcmpIgnored), 1);
        lone.drain(&[peer]);
    }
}

/// A peer that takes segments as large as the link does: 1460 bytes of data, or 1440 over IPv6.
fn with_large_segments(lone: &mut Lone, family: Family) -> (Peer, u32) {
    let mss: u16 = if family == Family::V4 { 1460 } else { 1440 };
    let mut syn = lone.syn(0);
    syn.options = [&[2, 4][..], &mss.to_be_bytes()].concat();
    (lone.passive_with(&syn), mss.into())
}

/// The host sends so many segments; the first packet comes back.
fn segments(lone: &mut Lone, peer: &Peer, count: usize, mss: u32) -> Vec<u8> {
    let octets = count * mss as usize;
    assert_eq!(lone.host.write(peer.handle, &vec![1; octets]), Ok(octets));
    let packets = lone.packets();
    assert_eq!(packets.len(), count);
    packets[0].clone()
}

fn lens(packets: &[Vec<u8>]) -> Vec<u32> {
    packets.iter().filter_map(|packet| Seen::in_packet(packet)).map(|one| one.text).collect()
}

fn ignored(lone: &Lone) -> usize {
    lone.host.counters().drops.of(DropReason::IcmpIgnored)
}

/// Messages that a packet was too big with these sizes change nothing and are counted.
fn are_ignored(lone: &mut Lone, peer: &Peer, packet: &[u8], sizes: &[u32]) {
    let before = lone.host.info(peer.handle);
    for size in sizes {
        let count = ignored(lone);
        let answers = lone.feed_packet(&forge::too_big(packet, *size));
        assert_eq!(lens(&answers), [], "{size}");
        assert_eq!(ignored(lone), count + 1, "{size}");
        assert_eq!(lone.host.info(peer.handle), before, "{size}");
    }
}

#[test]
fn sec_26_a_packet_too_big_message_with_an_absurd_size() {
    hosts(|lone, family| {
        let (mut peer, mss) = with_large_segments(lone, family);
        let packet = segments(lone, &peer, 3, mss);
        are_ignored(lone, &peer, &packet, &[1, 39, 48, 67, 1500, 1501, 65_535, u32::MAX]);
        if family == Family::V6 {
            // RFC 8201 §4: no IPv6 link takes less than 1280.
            are_ignored(lone, &peer, &packet, &[0, 68, 500, 1279]);
        }
        // The smallest that is believed does not make for segments without end.
        let smallest = if family == Family::V4 { 68 } else { 1280 };
        let floor = if family == Family::V4 { 296 - 40 } else { 1280 - 60 };
        let again = lone.feed_packet(&forge::too_big(&packet, smallest));
        assert_eq!(lens(&again)[..2], [floor; 2]);
        assert_eq!(lone.host.info(peer.handle).snd_mss, floor as u16);
        are_ignored(lone, &peer, &packet, &[smallest, 600.max(smallest), 1499, 1500]);
        peer.ack = peer.ack + 3 * mss;
        lone.feed(&peer.segment(ACK, b""));
        assert_eq!(lone.host.send_queue(peer.handle), 0);
        lone.drain(&[peer]);
    });
}

/// RFC 5927 §4.1 and RFC 1191 §4: only a message about data in flight counts; a router that names
/// no MTU means no more than 576.
#[test]
fn a_packet_that_was_too_big_goes_again_at_once_in_smaller_segments() {
    hosts(|lone, family| {
        let (mut peer, mss) = with_large_segments(lone, family);
        let headers = 1500 - mss;
        let packet = segments(lone, &peer, 3, mss);
        let place = if family == Family::V4 { 24 } else { 44 };
        for ahead in [-1_i32, 3 * mss as i32, i32::MIN] {
            let mut forged = packet.clone();
            let seq = peer.ack + ahead as u32;
            forged[place..place + 4].copy_from_slice(&seq.raw().to_be_bytes());
            are_ignored(lone, &peer, &forged, &[1400, 1280]);
        }
        let cwnd = lone.host.info(peer.handle).cwnd;
        let again = lens(&lone.feed_packet(&forge::too_big(&packet, 1400)));
        let smaller = 1400 - headers;
        assert_eq!(again, [smaller, smaller, smaller, 3 * mss - 3 * smaller]);
        let info = lone.host.info(peer.handle);
        assert_eq!(u32::from(info.snd_mss), smaller);
        assert!(info.cwnd <= cwnd && info.ssthresh == u32::MAX, "no sign of congestion");
        // The next segments are cut in the same way, and the message does not count twice.
        are_ignored(lone, &peer, &packet, &[1400, 1400]);
        peer.ack = peer.ack + 3 * mss;
        lone.feed(&peer.segment(ACK, b""));
        segments(lone, &peer, 2, smaller);
        peer.ack = peer.ack + 2 * smaller;
        lone.feed(&peer.segment(ACK, b""));
        assert_eq!(lone.host.send_queue(peer.handle), 0);
        lone.drain(&[peer]);
    });
    let mut lone = Lone::new(Kind::Full, Family::V4);
    let (peer, mss) = with_large_segments(&mut lone, Family::V4);
    let packet = segments(&mut lone, &peer, 2, mss);
    let again = lens(&lone.feed_packet(&forge::too_big(&packet, 0)));
    assert_eq!(again[..5], [536; 5]);
}

/// RFC 5927 §7.2: a size that has got through before is believed to be too big only once a
/// retransmission timeout has passed without progress.
#[test]
fn a_message_about_a_size_that_has_got_through_waits_for_a_timeout() {
    hosts(|lone, family| {
        let (mut peer, mss) = with_large_segments(lone, family);
        let headers = 1500 - mss;
        segments(lone, &peer, 2, mss);
        peer.ack = peer.ack + 2 * mss;
        lone.feed(&peer.segment(ACK, b""));
        // Forged: the data arrives.
        let packet = segments(lone, &peer, 2, mss);
        assert_eq!(lens(&lone.feed_packet(&forge::too_big(&packet, 1300))), []);
        lone.pass(Duration::from_millis(20));
        peer.ack = peer.ack + 2 * mss;
        lone.feed(&peer.segment(ACK, b""));
        let packet = segments(lone, &peer, 2, mss);
        let again = lone.pass(Duration::from_millis(300));
        assert_eq!(again[0].1.text, mss, "that message is forgotten");
        // True: it does not.
        assert_eq!(lens(&lone.feed_packet(&forge::too_big(&packet, 1300))), []);
        let again = lone.pass(Duration::from_secs(1));
        assert_eq!(again[0].1.text, 1300 - headers);
        assert_eq!(u32::from(lone.host.info(peer.handle).snd_mss), 1300 - headers);
        lone.drain(&[peer]);
    });
}

/// RFC 5927 §4.1: SND.UNA is in flight only if something is.
#[test]
fn an_error_about_snd_una_with_nothing_in_flight_is_ignored() {
    hosts(|lone, family| {
        let (mut peer, mss) = with_large_segments(lone, family);
        for round in 0..2 {
            let next = quote(&peer, 0);
            told(lone);
            are_ignored(lone, &peer, &next, &[1400, 1280]);
            let (hard, soft) = kinds(family);
            for kind in hard.iter().chain(soft) {
                let count = ignored(lone);
                let message = error(lone, *kind, &next);
                assert!(lone.feed_packet(&message).is_empty());
                assert!(!told(lone) && ignored(lone) == count + 1, "{kind:?}, round {round}");
                assert_eq!(lone.host.info(peer.handle).path_error, None);
            }
            segments(lone, &peer, 1, mss);
            peer.ack = peer.ack + mss;
            lone.feed(&peer.segment(ACK, b""));
        }
        lone.drain(&[peer]);
    });
}

/// What a connection, a half-open record, a listener and a port that nobody has say to a stranger.
fn betrayed(lone: &mut Lone, peer: &Peer, half_open: &Tcp) -> Vec<Seen> {
    let mut answers = Vec::new();
    for round in 0..20 {
        for flags in [Flags::SYN, Flags::RST, ACK] {
            let mut probe = peer.segment(flags, b"");
            (probe.seq, probe.ack) = (peer.seq + 10, peer.ack + 1000);
            answers.extend(lone.feed(&probe));
            probe.source = half_open.source;
            (probe.seq, probe.ack) = (half_open.seq + 10, half_open.ack);
            answers.extend(lone.feed(&probe));
        }
        if round % 5 == 0 {
            lone.now = lone.now + Duration::from_millis(500);
        }
    }
    answers
}

#[test]
fn sec_43_a_limit_that_one_exhausts_is_not_seen_by_another() {
    hosts(|_, family| {
        for kind in [Kind::Full, Kind::Small] {
            // The same host twice; one of them is under attack.
            let [attacked, calm] = [true, false].map(|attack| {
                let mut lone = Lone::new(kind, family);
                let (first, second) = (lone.passive(0), lone.passive(1));
                let half_open = lone.syn(2);
                assert_eq!(lone.feed(&half_open).len(), 1);
                for at in 0..if attack { 1000 } else { 0 } {
                    for flags in [Flags::SYN, Flags::RST, ACK] {
                        let mut probe = first.segment(flags, b"");
                        (probe.seq, probe.ack) = (first.seq + 1 + at, first.ack + 1000);
                        lone.feed(&probe);
                    }
                }
                let limited = lone.feed(&first.segment(Flags::SYN, b"")).is_empty();
                assert_eq!(limited, attack, "its own limit is exhausted");
                let answers = betrayed(&mut lone, &second, &half_open);
                lone.drain(&[first, second]);
                answers
            });
            assert!(!calm.is_empty());
            assert_eq!(attacked, calm, "{kind:?}");
        }
    });
}

#[test]
fn sec_44_two_ends_that_have_lost_each_other_fall_silent() {
    hosts(|lone, _| {
        let mut peer = lone.passive(0);
        let mut lost = peer.clone();
        // Each answer of ours is answered by an empty segment that lies elsewhere again.
        (lost.seq, lost.ack) = (peer.seq + 1_000_000, peer.ack - 1_000_000);
        let answers = (0..1000).filter(|_| !lone.feed(&lost.segment(ACK, b"")).is_empty()).count();
        assert!((1..=10).contains(&answers), "{answers}");
        // Text is always answered: only so a peer learns that it has arrived.
        lost.seq = peer.seq - 10;
        for _ in 0..100 {
            assert_eq!(lone.feed(&lost.segment(ACK, &[0; 10])).len(), 1);
        }
        lone.feed(&peer.segment(ACK | Flags::PSH, b"ok"));
        peer.seq = peer.seq + 2;
        let mut buffer = [0; 4];
        assert_eq!(lone.host.read(peer.handle, &mut buffer), Ok(2));
        lone.drain(&[peer]);
    });
}

/// Two hosts of which each has been made to believe that the other sent ten octets more: every ACK
/// of one is unacceptable to the other, who answers it. How many packets that makes in a minute.
fn war(kinds: [Kind; 2], family: Family) -> usize {
    let setup = Setup::new(44).profiles(kinds);
    let mut hosts = [LEFT, RIGHT].map(|side| make(&setup.hosts[side], side as u64 + 1));
    let mut now = Instant::from_millis(1);
    hosts[RIGHT].listen(7, &ListenConfig::new()).expect("a port");
    let to = SocketAddr::new(address(RIGHT, family), 7);
    hosts[LEFT].connect(now, to, &ConnectConfig::new()).expect("a slot");
    let mut buffer = [0; 1500];
    let (mut packets, mut last) = (0, [None; 2]);
    for millis in 0..60_000 {
        now = now + Duration::from_millis(1);
        for side in [LEFT, RIGHT] {
            while let Some(len) = hosts[side].transmit(now, &mut buffer) {
                packets += usize::from(millis > 1000);
                last[side] = Seen::in_packet(&buffer[..len]);
                hosts[1 - side].receive(now, &buffer[..len]);
            }
        }
        if millis == 1000 {
            for (side, seen) in last.iter().enumerate() {
                let seen: Seen = seen.expect("a handshake");
                let mut lie = Tcp::syn(seen.source, seen.destination, 0);
                (lie.seq, lie.ack, lie.flags) = (seen.end(), seen.ack, ACK);
                if side == LEFT {
                    lie.ack = last[RIGHT].expect("a handshake").end();
                }
                lie.options =
                    forge::options(&Options { timestamps: seen.stamps, ..Options::EMPTY });
                lie.text = vec![0; 10];
                hosts[1 - side].receive(now, &lie.packet());
            }
        }
    }
    packets
}

#[test]
fn sec_44_a_war_of_acks_burns_out() {
    for kinds in [[Kind::Full; 2], [Kind::Small; 2], [Kind::Small, Kind::Full]] {
        for family in Family::BOTH {
            let packets = war(kinds, family);
            // Two lies make two ACKs; each of them at most what a budget lets pass, once.
            assert!((2..=40).contains(&packets), "{kinds:?}: {packets} packets");
        }
    }
}

/// Two hosts, 1 ms apart.
struct Link {
    hosts: [Box<dyn Host>; 2],
    listeners: [ListenerHandle; 2],
    family: Family,
    now: Instant,
    segments: usize,
}

/// The port on which both hosts of a [`Link`] listen.
const SERVICE: u16 = 7;
/// The port from which a connection of a [`Link`] is opened.
const CLIENT: u16 = 40_000;

impl Link {
    fn new(kinds: [Kind; 2], family: Family) -> Self {
        let setup = Setup::new(45).profiles(kinds);
        let mut hosts = [LEFT, RIGHT].map(|side| make(&setup.hosts[side], side as u64 + 1));
        let mut listen = |side: usize| hosts[side].listen(SERVICE, &ListenConfig::new());
        let listeners = [LEFT, RIGHT].map(&mut listen).map(|listener| listener.expect("a port"));
        Self { hosts, listeners, family, now: Instant::from_millis(1), segments: 0 }
    }

    /// Connects from one port of that side to another one of the other side.
    fn connect(&mut self, side: usize, (from, to): (u16, u16)) -> TcpHandle {
        let remote = SocketAddr::new(address(1 - side, self.family), to);
        let config = ConnectConfig { local_port: Some(from), ..ConnectConfig::new() };
        self.hosts[side].connect(self.now, remote, &config).expect("a slot")
    }

    /// Lets time pass, with every segment 1 ms on its way, or lost.
    fn run(&mut self, millis: u64, is_lost: bool) {
        let mut buffer = [0; 1500];
        for _ in 0..millis {
            self.now = self.now + Duration::from_millis(1);
            let mut sent = Vec::new();
            for side in [LEFT, RIGHT] {
                while let Some(len) = self.hosts[side].transmit(self.now, &mut buffer) {
                    sent.push((1 - side, buffer[..len].to_vec()));
                }
            }
            self.segments += sent.len();
            for (side, packet) in sent.iter().filter(|_| !is_lost) {
                self.hosts[*side].receive(self.now, packet);
            }
        }
    }

    /// A SYN that seems to come from the other side reaches this one.
    fn forge_syn(&mut self, side: usize, (from, to): (u16, u16)) {
        let from = SocketAddr::new(address(1 - side, self.family), from);
        let to = SocketAddr::new(address(side, self.family), to);
        self.hosts[side].receive(self.now, &Tcp::syn(from, to, 77_000_000).packet());
    }

    /// The segments of the minute after `act`.
    fn minute_after(mut self, act: impl FnOnce(&mut Self)) -> usize {
        act(&mut self);
        self.segments = 0;
        self.run(60_000, false);
        self.segments
    }

    /// The left side is in TIME-WAIT, the right side has forgotten the connection.
    fn close(&mut self, is_held: bool) {
        let left = self.connect(LEFT, (CLIENT, SERVICE));
        self.run(10, false);
        let right = self.hosts[RIGHT].accept(self.listeners[RIGHT]).expect("a connection");
        self.hosts[LEFT].close(left);
        self.run(10, false);
        self.hosts[RIGHT].release(right);
        self.run(10, false);
        assert_eq!(self.hosts[LEFT].state(left), State::TimeWait);
        if !is_held {
            self.hosts[LEFT].release(left);
        }
    }
}

/// Each pair of profiles over each family.
fn each_link(what: &str, act: impl Fn(&mut Link)) {
    let kinds = [Kind::Full, Kind::Small, Kind::Tiny];
    for family in Family::BOTH {
        for (left, right) in kinds.iter().flat_map(|left| kinds.map(|right| (*left, right))) {
            let link = Link::new([left, right], family);
            let segments = link.minute_after(|link| act(link));
            assert!((2..100).contains(&segments), "{what}, {left:?}, {right:?}: {segments}");
        }
    }
}

#[test]
fn sec_44_two_half_open_ends_do_not_answer_each_other_without_end() {
    each_link("half-open", |link| {
        link.forge_syn(LEFT, (SERVICE, SERVICE));
        link.forge_syn(RIGHT, (SERVICE, SERVICE));
    });
}

#[test]
fn sec_44_time_wait_and_a_half_open_end_do_not_answer_each_other_without_end() {
    for is_held in [true, false] {
        each_link("TIME-WAIT", |link| {
            link.close(is_held);
            link.forge_syn(RIGHT, (CLIENT, SERVICE));
        });
    }
}

#[test]
fn sec_44_two_ends_of_a_simultaneous_open_do_not_answer_each_other_without_end() {
    each_link("simultaneous open", |link| {
        link.connect(LEFT, (CLIENT, CLIENT));
        link.connect(RIGHT, (CLIENT, CLIENT));
        // The SYNs of both are lost; forged ones with other numbers take their place.
        link.run(1, true);
        link.forge_syn(LEFT, (CLIENT, CLIENT));
        link.forge_syn(RIGHT, (CLIENT, CLIENT));
    });
}

#[test]
fn sec_44_a_connection_and_a_half_open_end_do_not_answer_each_other_without_end() {
    each_link("established", |link| {
        link.connect(LEFT, (CLIENT, SERVICE));
        link.run(10, false);
        // The right side restarts and forgets the connection without a word.
        let setup = Setup::new(45).profiles([Kind::Full; 2]);
        link.hosts[RIGHT] = make(&setup.hosts[RIGHT], 3);
        link.hosts[RIGHT].listen(SERVICE, &ListenConfig::new()).expect("a port");
        link.forge_syn(RIGHT, (CLIENT, SERVICE));
    });
}

#[test]
fn sec_60_an_acknowledgement_of_what_was_never_sent_changes_nothing() {
    hosts(|lone, _| {
        let mut peer = lone.passive(0);
        for octets in [0, 3 * 536] {
            if octets > 0 {
                assert_eq!(lone.host.write(peer.handle, &vec![3; octets]), Ok(octets));
                assert_eq!(lone.sent().len(), 3);
            }
            let nxt = peer.ack + octets as u32;
            let before = lone.host.info(peer.handle);
            for ahead in [1, 2, 536, 65_535, 1 << 20, (1 << 31) - 1] {
                let mut lie = peer.segment(ACK, b"");
                (lie.ack, lie.window) = (nxt + ahead, 9);
                let dropped = lone.host.counters().drops.of(DropReason::BadAck);
                let answers = lone.feed(&lie);
                assert!(answers.iter().all(|one| one.text == 0 && one.ack == peer.seq));
                assert_eq!(lone.host.counters().drops.of(DropReason::BadAck), dropped + 1);
                let after = lone.host.info(peer.handle);
                assert_eq!(Info { rcv_wnd: before.rcv_wnd, ..after }, before, "{ahead} ahead");
            }
        }
        peer.ack = peer.ack + 3 * 536;
        lone.feed(&peer.segment(ACK, b""));
        assert_eq!(lone.host.info(peer.handle).unacknowledged, 0);
        lone.drain(&[peer]);
    });
}

/// A peer that takes whole Ethernet segments.
fn wide(lone: &mut Lone) -> Peer {
    let mut syn = lone.syn(0);
    let [high, low] = 1440_u16.to_be_bytes();
    syn.options = vec![2, 4, high, low];
    lone.passive_with(&syn)
}

#[test]
fn sec_61_one_segment_acknowledged_octet_by_octet() {
    hosts(|lone, _| {
        let mut peer = wide(lone);
        let before = lone.host.info(peer.handle).cwnd;
        let octets = before as usize;
        assert_eq!(lone.host.write(peer.handle, &vec![1; octets]), Ok(octets));
        lone.sent();
        assert_eq!(lone.host.info(peer.handle).unacknowledged, before);
        for _ in 0..1440 {
            peer.ack = peer.ack + 1;
            lone.feed(&peer.segment(ACK, b""));
        }
        let after = lone.host.info(peer.handle).cwnd;
        assert!((before..=before + 1440).contains(&after), "from {before} to {after}");
        lone.drain(&[peer]);
    });
}

#[test]
fn sec_61_forged_duplicates_release_no_more_than_was_in_flight() {
    hosts(|lone, _| {
        let mut peer = wide(lone);
        assert_eq!(lone.host.write(peer.handle, &[1; 60_000]), Ok(60_000));
        lone.sent();
        let before = lone.host.info(peer.handle);
        let flight = before.unacknowledged;
        assert!(flight > 0 && flight < 40_000, "{flight}");
        let mut sent = 0;
        for _ in 0..2000 {
            let out = lone.feed(&peer.segment(ACK, b""));
            sent += out.iter().map(|one| one.text).sum::<u32>();
            let info = lone.host.info(peer.handle);
            assert!(info.cwnd <= before.cwnd, "{} > {}", info.cwnd, before.cwnd);
            assert!(info.unacknowledged <= 2 * flight, "{}", info.unacknowledged);
        }
        assert!(sent <= flight + 1440, "{sent} octets for {flight}");
        // What is really acknowledged then does not burst out either.
        peer.ack = peer.ack + flight;
        let burst: u32 = lone.feed(&peer.segment(ACK, b"")).iter().map(|one| one.text).sum();
        assert!(burst <= flight, "{burst} octets at once");
        lone.drain(&[peer]);
    });
}
