//! Packets that broke other stacks, fed to whole stacks: nothing panics, at most one answer goes
//! out, the right counter moves, pools are as they were and an open connection does not notice.
//!
//! The numbers are those of the list of security cases. What parsing alone makes of such packets is
//! in `wire_security.rs`.
#![cfg(all(feature = "ipv6", feature = "udp"))]

use std::net::{IpAddr, SocketAddr};

use hikyaku::counters::DropReason;
use hikyaku::time::Duration;
use hikyaku::wire::Protocol;
use hikyaku::wire::tcp::Flags;
use hikyaku::{ListenConfig, ListenerHandle, State, TcpHandle};
use hikyaku_testkit::forge::{self, Tcp};
use hikyaku_testkit::host::Kind;
use hikyaku_testkit::pair::{Family, LEFT, Pair, RIGHT, Setup, address};
use hikyaku_testkit::seen::{Seen, payload};

const TICK: Duration = Duration::from_millis(200);
const PORT: u16 = 8;

/// A host under attack, with a connection that works.
struct Target {
    pair: Pair,
    open: (TcpHandle, TcpHandle),
    listener: ListenerHandle,
    us: IpAddr,
    stranger: IpAddr,
}

/// A connection that only a stranger knows of, all by hand.
struct Forged {
    segment: Tcp,
    handle: TcpHandle,
    answer: Seen,
}

impl Target {
    fn new(kind: Kind, family: Family) -> Self {
        let mut pair = Setup::new(99).profiles([kind; 2]).build();
        let open = pair.handshake(family, 7);
        let listener = pair.hosts[RIGHT].listen(PORT, &ListenConfig::new()).expect("a free port");
        let stranger = match family {
            Family::V4 => IpAddr::from([10, 0, 0, 77]),
            Family::V6 => IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 0x77]),
        };
        Self { pair, open, listener, us: address(RIGHT, family), stranger }
    }

    /// One for each profile.
    fn each(family: Family, mut act: impl FnMut(&mut Self)) {
        for kind in [Kind::Full, Kind::Small] {
            let mut target = Self::new(kind, family);
            act(&mut target);
            target.still_works();
        }
    }

    fn dropped(&self, reason: DropReason) -> usize {
        self.pair.hosts[RIGHT].counters().drops.of(reason)
    }

    fn drops(&self) -> usize {
        self.pair.hosts[RIGHT].counters().drops.total()
    }

    /// The open connection carries data both ways.
    fn still_works(&mut self) {
        let (left, right) = self.open;
        let mut buffer = [0; 64];
        let hosts = &mut self.pair.hosts;
        assert_eq!(hosts[LEFT].write(left, b"are you there?"), Ok(14));
        assert_eq!(hosts[RIGHT].write(right, b"I am"), Ok(4));
        self.pair.run_for(TICK);
        let hosts = &mut self.pair.hosts;
        assert_eq!(hosts[RIGHT].read(right, &mut buffer), Ok(14));
        assert_eq!(&buffer[..14], b"are you there?");
        assert_eq!(hosts[LEFT].read(left, &mut buffer), Ok(4));
        assert_eq!(&buffer[..4], b"I am");
    }

    /// Feeds a packet that must be dropped for this reason, and returns the answers, at most one.
    fn feed(&mut self, packet: &[u8], reason: DropReason) -> Vec<Vec<u8>> {
        let (usage, count, total) =
            (self.pair.hosts[RIGHT].usage(), self.dropped(reason), self.drops());
        let answers = self.pair.inject(RIGHT, packet);
        assert!(answers.len() <= 1, "{} answers to {packet:02x?}", answers.len());
        let drops = (self.dropped(reason) - count, self.drops() - total);
        let all: Vec<_> = self.pair.hosts[RIGHT].counters().iter().collect();
        assert_eq!(drops, (1, 1), "{reason:?} of {all:?} for {packet:02x?}");
        assert_eq!(self.pair.hosts[RIGHT].usage(), usage, "for {packet:02x?}");
        answers
    }

    /// Likewise, and nothing is answered.
    fn silent(&mut self, packet: &[u8], reason: DropReason) {
        let answers = self.feed(packet, reason);
        assert!(answers.is_empty(), "{answers:02x?} to {packet:02x?}");
    }

    fn from(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.stranger, port)
    }

    fn to(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.us, port)
    }

    fn ping(&self, data: &[u8]) -> Vec<u8> {
        forge::ping(self.stranger, self.us, data)
    }

    /// The host is alive enough to answer an echo request.
    fn answers_ping(&mut self) {
        let ping = self.ping(b"knock knock");
        let answers = self.pair.inject(RIGHT, &ping);
        assert_eq!(answers.len(), 1, "an echo request is answered");
        assert_eq!(answers[0].len(), ping.len());
    }

    /// A handshake with SYN options of choice.
    fn forged(&mut self, port: u16, options: &[u8]) -> Forged {
        let mut segment = Tcp::syn(self.from(port), self.to(PORT), 1000);
        segment.options = options.to_vec();
        let answers = self.pair.inject(RIGHT, &segment.packet());
        let answer = Seen::in_packet(answers.first().expect("a SYN-ACK")).expect("TCP");
        assert!(answer.flags.contains(Flags::SYN | Flags::ACK), "{answer}");
        segment.seq = segment.seq + 1;
        segment.ack = answer.seq + 1;
        segment.flags = Flags::ACK;
        segment.options.clear();
        let answers = self.pair.inject(RIGHT, &segment.packet());
        assert!(answers.is_empty(), "{answers:?}");
        let handle = self.pair.hosts[RIGHT].accept(self.listener).expect("a connection");
        Forged { segment, handle, answer }
    }

    /// Ends a forged connection.
    fn forget(&mut self, forged: &Forged) {
        self.pair.hosts[RIGHT].abort(forged.handle);
        self.pair.hosts[RIGHT].release(forged.handle);
        // The reset goes to nobody.
        self.pair.inject(RIGHT, &[]);
    }
}

#[test]
fn sec_01_stack_drops_impossible_ipv4_headers() {
    Target::each(Family::V4, |target| {
        let good = target.ping(b"12345678");
        for ihl in 0..5 {
            let mut bad = good.clone();
            bad[0] = 0x40 | ihl;
            target.silent(&forge::with_ipv4_checksum(bad), DropReason::BadHeaderLength);
        }
        for version in [0, 1, 2, 3, 5, 7, 15] {
            let mut bad = good.clone();
            bad[0] = version << 4 | 5;
            target.silent(&forge::with_ipv4_checksum(bad), DropReason::BadVersion);
        }
        for (total, reason) in [
            (0, DropReason::BadLength),
            (19, DropReason::BadLength),
            (good.len() as u16 + 1, DropReason::Truncated),
            (65_535, DropReason::Truncated),
        ] {
            let mut bad = good.clone();
            bad[2..4].copy_from_slice(&total.to_be_bytes());
            target.silent(&forge::with_ipv4_checksum(bad), reason);
        }
        for cut in 0..good.len() {
            target.silent(&good[..cut], DropReason::Truncated);
        }
        target.answers_ping();
    });
}

#[test]
fn sec_02_stack_never_delivers_or_echoes_the_surplus() {
    for family in Family::BOTH {
        Target::each(family, |target| {
            let ping = target.ping(b"mine");
            let mut longer = ping.clone();
            longer.extend_from_slice(b"not mine");
            let answers = target.pair.inject(RIGHT, &longer);
            assert_eq!(answers.len(), 1);
            assert_eq!(answers[0].len(), ping.len());
            assert!(answers[0].ends_with(b"mine") && !answers[0].ends_with(b"not mine"));

            let mut forged = target.forged(5000, &[]);
            forged.segment.text = b"text".to_vec();
            let mut longer = forged.segment.packet();
            longer.extend_from_slice(b" and surplus");
            target.pair.inject(RIGHT, &longer);
            let mut buffer = [0; 64];
            assert_eq!(target.pair.hosts[RIGHT].read(forged.handle, &mut buffer), Ok(4));
            assert_eq!(&buffer[..4], b"text");
            target.forget(&forged);

            let udp = target.pair.hosts[RIGHT].bind_udp(53);
            let mut longer = forge::udp(target.from(9), target.to(53), 12, b"data");
            longer.extend_from_slice(b" and surplus");
            assert!(target.pair.inject(RIGHT, &longer).is_empty());
            let got = target.pair.hosts[RIGHT].recv_from(udp, &mut buffer);
            assert_eq!(got, Some((4, target.from(9))));
            target.pair.hosts[RIGHT].close_udp(udp);
        });
    }
}

#[test]
fn sec_03_stack_drops_transport_headers_that_are_cut() {
    for family in Family::BOTH {
        Target::each(family, |target| {
            let segment = Tcp::syn(target.from(5000), target.to(PORT), 1).segment();
            for cut in 0..20 {
                let (from, to) = (target.stranger, target.us);
                let mut short = segment[..cut].to_vec();
                if cut >= 18 {
                    forge::put_checksum(&mut short, from, to, Protocol::TCP, 16);
                }
                let packet = forge::ip(from, to, Protocol::TCP, &short);
                let before = target.drops();
                assert!(target.pair.inject(RIGHT, &packet).is_empty(), "TCP cut at {cut}");
                assert_eq!(target.drops(), before + 1);
            }
            for cut in 0..8 {
                let (from, to) = (target.stranger, target.us);
                let whole = forge::udp(target.from(9), target.to(53), 8, b"");
                let (.., datagram) = payload(&whole).expect("a packet");
                let packet = forge::ip(from, to, Protocol::UDP, &datagram[..cut]);
                let before = target.drops();
                assert!(target.pair.inject(RIGHT, &packet).is_empty(), "UDP cut at {cut}");
                assert_eq!(target.drops(), before + 1);
            }
            for cut in 0..8 {
                let reply = if target.us.is_ipv4() { 0 } else { 129 };
                let message = [reply, 0, 0, 0, 1, 2, 3, 4];
                let packet = forge::icmp(target.stranger, target.us, &message[..cut]);
                let before = target.drops();
                assert!(target.pair.inject(RIGHT, &packet).is_empty(), "ICMP cut at {cut}");
                assert_eq!(target.drops(), before + 1);
            }
        });
    }
}

#[test]
fn sec_04_stack_believes_no_udp_length_but_a_possible_one() {
    for family in Family::BOTH {
        Target::each(family, |target| {
            let udp = target.pair.hosts[RIGHT].bind_udp(53);
            let (from, to) = (target.from(9), target.to(53));
            for length in [0, 1, 7, 17, 255, 65_535] {
                target.silent(&forge::udp(from, to, length, b"12345678"), DropReason::BadLength);
            }
            let mut buffer = [0; 64];
            assert!(target.pair.inject(RIGHT, &forge::udp(from, to, 11, b"12345678")).is_empty());
            let got = target.pair.hosts[RIGHT].recv_from(udp, &mut buffer);
            assert_eq!(got, Some((3, from)), "what is behind the datagram is cut off");
            assert_eq!(target.pair.hosts[RIGHT].recv_from(udp, &mut buffer), None);
            target.pair.hosts[RIGHT].close_udp(udp);
        });
    }
}

#[test]
fn sec_05_stack_survives_ip_options() {
    Target::each(Family::V4, |target| {
        let ping = target.ping(b"options");
        for options in [[7, 0, 0, 0], [7, 1, 0, 0], [7, 5, 0, 0], [0x44, 255, 5, 0], [1, 1, 1, 7]] {
            let bad = forge::with_ipv4_options(&ping, &options);
            let before = target.drops();
            let answers = target.pair.inject(RIGHT, &bad);
            assert!(answers.len() <= 1 && target.drops() >= before, "{options:?}");
            assert!(answers.iter().all(|answer| answer[0] == 0x45), "options are not copied");
        }
        for route in [0x83, 0x89] {
            let options = [route, 7, 4, 10, 0, 0, 9, route, 7, 4, 10, 0, 0, 8, 0, 0];
            let bad = forge::with_ipv4_options(&ping, &options);
            target.feed(&bad, DropReason::SourceRoute);
        }
        // An error about a packet with options has none of its own.
        let (from, to) = (target.from(9), target.to(9));
        let closed = forge::udp(from, to, 12, b"data");
        let closed = forge::with_ipv4_options(&closed, &[1; 8]);
        let answers = target.feed(&closed, DropReason::NoSocket);
        assert_eq!(answers.len(), 1, "port unreachable");
        assert_eq!(answers[0][0], 0x45);
        assert_eq!(answers[0][20..22], [3, 3]);
    });
}

/// An IPv6 packet with an extension header in front of an echo request.
fn extended(target: &Target, kind: Protocol, header: &[u8]) -> Vec<u8> {
    let ping = target.ping(b"extended");
    let mut payload = header.to_vec();
    payload[0] = Protocol::ICMPV6.0;
    payload.extend_from_slice(&ping[40..]);
    forge::ip(target.stranger, target.us, kind, &payload)
}

/// The type, code and pointer of an ICMPv6 error.
fn problem(answers: &[Vec<u8>]) -> Option<(u8, u8, u32)> {
    let answer = answers.first()?;
    let (.., protocol, message) = payload(answer)?;
    assert_eq!(protocol, Protocol::ICMPV6);
    let pointer = u32::from_be_bytes(message[4..8].try_into().expect("four octets"));
    Some((message[0], message[1], pointer))
}

#[test]
fn sec_06_stack_refuses_source_routes() {
    Target::each(Family::V4, |target| {
        for route in [0x83, 0x89] {
            let options = [route, 7, 4, 10, 0, 0, 9, 0];
            let bad = forge::with_ipv4_options(&target.ping(b"round about"), &options);
            target.feed(&bad, DropReason::SourceRoute);
        }
    });
    Target::each(Family::V6, |target| {
        let mut header = [0; 24];
        header[1] = 2;
        header[3] = 1;
        let bad = extended(target, Protocol::ROUTING, &header);
        let answers = target.feed(&bad, DropReason::SourceRoute);
        assert_eq!(problem(&answers), Some((4, 0, 42)), "it points to the routing type");
        // With no segments left it is none of our business and is passed over.
        header[3] = 0;
        let idle = extended(target, Protocol::ROUTING, &header);
        assert_eq!(target.pair.inject(RIGHT, &idle).len(), 1, "the echo request is answered");
    });
}

#[test]
fn sec_10_stack_never_looks_into_a_packet_in_a_packet() {
    for family in Family::BOTH {
        Target::each(family, |target| {
            let mut packet = target.ping(b"inner");
            for depth in 0..20 {
                let kind = if depth % 2 == 0 { Protocol::IPV4 } else { Protocol::IPV6 };
                packet = forge::ip(target.stranger, target.us, kind, &packet);
                let answers = target.feed(&packet, DropReason::UnknownProtocol);
                let echo = |answer: &Vec<u8>| {
                    let (.., message) = payload(answer).expect("a packet");
                    matches!(message[0], 0 | 129)
                };
                assert!(!answers.iter().any(echo), "the inner request is not answered");
            }
        });
    }
}

#[test]
fn sec_11_stack_checks_what_looks_local_like_all_else() {
    for family in Family::BOTH {
        Target::each(family, |target| {
            for source in [target.us, target.stranger] {
                let mut bad = Tcp::syn(SocketAddr::new(source, 1), target.to(PORT), 7).packet();
                let last = bad.len() - 1;
                bad[last] ^= 1;
                let before = target.drops();
                assert!(target.pair.inject(RIGHT, &bad).is_empty(), "a bad checksum");
                bad.truncate(last);
                assert!(target.pair.inject(RIGHT, &bad).is_empty(), "a bad length");
                assert_eq!(target.drops(), before + 2);
            }
            // With all else right, a packet from our own address is not answered either.
            let own = forge::ping(target.us, target.us, b"hello, me");
            target.silent(&own, DropReason::BadSource);
        });
    }
}

#[test]
fn sec_12_stack_walks_few_extension_headers() {
    Target::each(Family::V6, |target| {
        // An option of length zero, in a header whose length would wrap an octet.
        for header in [[0, 0, 5, 0, 0, 0, 0, 0], [0, 0, 1, 0, 1, 0, 1, 0]] {
            let packet = extended(target, Protocol::DESTINATION_OPTIONS, &header);
            let answers = target.pair.inject(RIGHT, &packet);
            assert!(answers.len() <= 1);
        }
        for length in [255, 254, 100] {
            let packet =
                extended(target, Protocol::DESTINATION_OPTIONS, &[0, length, 1, 4, 0, 0, 0, 0]);
            target.silent(&packet, DropReason::Truncated);
        }
        // (headers, whether the echo request behind them is found)
        for (count, found) in [(1, true), (4, true), (20, false), (100, false)] {
            let mut headers = Vec::new();
            for number in 0..count {
                let next = if number + 1 < count { 60 } else { 58 };
                headers.extend_from_slice(&[next, 0, 1, 4, 0, 0, 0, 0]);
            }
            headers.extend_from_slice(&target.ping(b"far behind")[40..]);
            let kind = Protocol::DESTINATION_OPTIONS;
            let packet = forge::ip(target.stranger, target.us, kind, &headers);
            if found {
                assert_eq!(target.pair.inject(RIGHT, &packet).len(), 1, "{count} headers");
            } else {
                target.feed(&packet, DropReason::TooManyHeaders);
            }
        }
    });
}

#[test]
fn sec_13_stack_treats_unknown_headers_and_options_by_their_bits() {
    Target::each(Family::V6, |target| {
        let packet = forge::ip(target.stranger, target.us, Protocol(253), b"who knows");
        let answers = target.feed(&packet, DropReason::UnknownProtocol);
        assert_eq!(problem(&answers), Some((4, 1, 6)), "it points to the next header field");
        let option = |bits: u8| [0, 0, bits << 6 | 0x1e, 4, 0, 0, 0, 0];
        let kind = Protocol::DESTINATION_OPTIONS;
        let skipped = extended(target, kind, &option(0b00));
        assert_eq!(target.pair.inject(RIGHT, &skipped).len(), 1, "00: passed over");
        let packet = extended(target, kind, &option(0b01));
        target.silent(&packet, DropReason::BadOption);
        for bits in [0b10, 0b11] {
            target.pair.run_for(Duration::from_secs(2));
            let packet = extended(target, kind, &option(bits));
            let answers = target.feed(&packet, DropReason::BadOption);
            assert_eq!(problem(&answers), Some((4, 2, 42)), "it points to the option");
        }
    });
}

#[test]
fn sec_14_stack_drops_ipv6_payload_lengths_that_cannot_be() {
    Target::each(Family::V6, |target| {
        let good = target.ping(b"12345678");
        let len = good.len() as u16 - 40;
        for (length, reason) in [(len + 1, DropReason::Truncated), (65_535, DropReason::Truncated)]
        {
            let mut bad = good.clone();
            bad[4..6].copy_from_slice(&length.to_be_bytes());
            target.silent(&bad, reason);
        }
        let mut bad = good.clone();
        bad[4..6].fill(0);
        let before = target.drops();
        assert!(target.pair.inject(RIGHT, &bad).is_empty(), "a length of zero");
        assert_eq!(target.drops(), before + 1);
        for cut in 0..good.len() {
            target.silent(&good[..cut], DropReason::Truncated);
        }
        target.answers_ping();
    });
}

#[test]
fn sec_30_stack_drops_impossible_data_offsets() {
    for family in Family::BOTH {
        Target::each(family, |target| {
            for offset in [0, 1, 4, 6, 15] {
                let mut syn = Tcp::syn(target.from(5000), target.to(PORT), 1);
                syn.data_offset = Some(offset);
                target.silent(&syn.packet(), DropReason::BadHeaderLength);
            }
        });
    }
}

#[test]
fn sec_31_stack_keeps_a_connection_whose_peer_sends_odd_options() {
    for family in Family::BOTH {
        Target::each(family, |target| {
            let mut forged = target.forged(5000, &[]);
            let odd: [&[u8]; 9] = [
                &[0xff, 0, 0, 0],
                &[0xff, 1, 0, 0],
                &[2, 1, 0, 0],
                &[8, 200, 0, 0],
                &[5, 3, 1, 1],
                &[1; 40],
                &[1, 1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0],
                &[0xfd; 40],
                &[0; 40],
            ];
            for options in odd {
                forged.segment.options = options.to_vec();
                forged.segment.text = b"x".to_vec();
                let answers = target.pair.inject(RIGHT, &forged.segment.packet());
                forged.segment.seq = forged.segment.seq + 1;
                let reset = |answer: &Vec<u8>| {
                    Seen::in_packet(answer).is_some_and(|segment| segment.has(Flags::RST))
                };
                assert!(answers.len() <= 1 && !answers.iter().any(reset), "{options:02x?}");
                let state = target.pair.hosts[RIGHT].state(forged.handle);
                assert_eq!(state, State::Established, "{options:02x?}");
            }
            let mut buffer = [0; 64];
            let read = target.pair.hosts[RIGHT].read(forged.handle, &mut buffer);
            assert_eq!(read, Ok(odd.len()), "its data is taken");
            target.forget(&forged);
        });
    }
}

#[test]
fn sec_32_stack_does_not_cut_data_into_crumbs() {
    for family in Family::BOTH {
        Target::each(family, |target| {
            let (none, most) = if target.us.is_ipv4() { (536, 1460) } else { (1220, 1440) };
            // (told, text in a segment)
            let table =
                [(0, none), (1, 48), (8, 48), (40, 48), (47, 48), (536, 536), (65_535, most)];
            for (number, (told, expected)) in (5000..).zip(table) {
                let told: u16 = told;
                let [high, low] = told.to_be_bytes();
                let forged = target.forged(number, &[2, 4, high, low]);
                let host = &mut target.pair.hosts[RIGHT];
                assert_eq!(host.write(forged.handle, &[9; 4000]), Ok(4000));
                let sent = target.pair.inject(RIGHT, &[]);
                assert!((1..=10).contains(&sent.len()), "{} segments for MSS {told}", sent.len());
                let texts: Vec<_> = sent.iter().filter_map(|p| Seen::in_packet(p)).collect();
                assert!(texts.iter().all(|s| s.text > 0 && s.text <= expected), "MSS {told}");
                assert_eq!(texts[0].text, expected, "MSS {told}");
                target.forget(&forged);
            }
        });
    }
}

#[test]
fn sec_33_stack_ignores_options_of_a_syn_elsewhere() {
    Target::each(Family::V4, |target| {
        let mut forged = target.forged(5000, &[2, 4, 4, 0, 1, 3, 3, 2]);
        assert_eq!(forged.answer.scale.map(|scale| scale <= 14), Some(true));
        let before = target.pair.hosts[RIGHT].info(forged.handle);
        assert_eq!((before.snd_mss, before.snd_shift), (1024, 2));
        forged.segment.options = vec![2, 4, 0, 99, 1, 3, 3, 9];
        forged.segment.text = b"x".to_vec();
        target.pair.inject(RIGHT, &forged.segment.packet());
        let after = target.pair.hosts[RIGHT].info(forged.handle);
        assert_eq!((after.snd_mss, after.snd_shift), (1024, 2));
        target.forget(&forged);
        for shift in [14, 15, 255] {
            let forged = target.forged(5001 + u16::from(shift), &[1, 3, 3, shift]);
            let info = target.pair.hosts[RIGHT].info(forged.handle);
            assert_eq!(info.snd_shift, 14, "a shift of {shift}");
            target.forget(&forged);
        }
    });
}

#[test]
fn sec_37_stack_drops_bad_checksums() {
    for family in Family::BOTH {
        Target::each(family, |target| {
            let udp = target.pair.hosts[RIGHT].bind_udp(53);
            let mut syn = Tcp::syn(target.from(5000), target.to(PORT), 1);
            syn.text = b"odd".to_vec();
            let (from, to) = (target.from(9), target.to(53));
            let good = [syn.packet(), forge::udp(from, to, 11, b"odd"), target.ping(b"odd")];
            for packet in good {
                let start = if target.us.is_ipv4() { 20 } else { 40 };
                for place in [start, start + 4, packet.len() - 1] {
                    let mut bad = packet.clone();
                    bad[place] ^= 0x40;
                    let before = target.dropped(DropReason::BadChecksum);
                    assert!(target.pair.inject(RIGHT, &bad).is_empty());
                    let length_of_udp = packet[start + 1] == 9 && place == start + 4;
                    let moved = target.dropped(DropReason::BadChecksum) - before;
                    assert!(moved == 1 || length_of_udp, "octet {place} of {packet:02x?}");
                }
            }
            let mut zero = forge::udp(from, to, 11, b"odd");
            let start = zero.len() - 11;
            zero[start + 6..start + 8].fill(0);
            let before = target.dropped(DropReason::BadChecksum);
            assert!(target.pair.inject(RIGHT, &zero).is_empty());
            let got = target.pair.hosts[RIGHT].recv_from(udp, &mut [0; 64]);
            let moved = target.dropped(DropReason::BadChecksum) - before;
            // RFC 768: none for IPv4. RFC 8200 §8.1: never none for IPv6.
            assert_eq!(
                (moved, got.is_some()),
                if target.us.is_ipv4() { (0, true) } else { (1, false) }
            );
            target.pair.hosts[RIGHT].close_udp(udp);
        });
    }
}
