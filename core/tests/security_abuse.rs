//! Peers that lie, stop, guess and flood, against one host: it keeps its streams, its pools and
//! its clock. The numbers are those of the list of security cases.
#![cfg(all(feature = "ipv6", feature = "udp"))]

use std::net::{IpAddr, SocketAddr};

use hikyaku::counters::DropReason;
use hikyaku::seq::SeqNum;
use hikyaku::time::{Duration, Instant};
use hikyaku::wire::tcp::Flags;
use hikyaku::{CloseReason, ReadError, State, WriteError};
use hikyaku_testkit::forge::{self, Tcp};
use hikyaku_testkit::host::{HostSetup, Kind};
use hikyaku_testkit::lone::{Lone, PORT, Peer};
use hikyaku_testkit::pair::Family;
use hikyaku_testkit::seen::Seen;

const A: Flags = Flags::ACK;
const S: Flags = Flags::SYN;
const R: Flags = Flags::RST;
const F: Flags = Flags::FIN;
const ESTABLISHED: State = State::Established;

/// A host of each profile and family, with settings of the test's choice.
fn hosts_with(change: impl Fn(&mut HostSetup), act: impl Fn(&mut Lone)) {
    for kind in [Kind::Full, Kind::Small] {
        for family in Family::BOTH {
            act(&mut Lone::with(kind, family, &change));
        }
    }
}

/// A host of each profile and family.
fn hosts(act: impl Fn(&mut Lone)) {
    hosts_with(|_| {}, act);
}

/// Likewise, with two connections, of which only the first is under attack.
fn attacked(act: impl Fn(&mut Lone, &mut Peer)) {
    hosts(|lone| {
        let mut peer = lone.passive(0);
        let mut other = lone.passive(1);
        // The whole window is told once there is a connection.
        still_works(lone, &mut peer);
        act(lone, &mut peer);
        still_works(lone, &mut other);
        lone.drain(&[peer, other]);
    });
}

/// Data goes both ways.
fn still_works(lone: &mut Lone, peer: &mut Peer) {
    let mut buffer = [0; 8];
    lone.feed(&peer.segment(A, b"ping"));
    peer.seq = peer.seq + 4;
    assert_eq!(lone.host.read(peer.handle, &mut buffer), Ok(4));
    assert_eq!(lone.host.write(peer.handle, b"pong"), Ok(4));
    let sent = lone.sent();
    assert_eq!(sent.last().map(|one| (one.text, one.ack)), Some((4, peer.seq)));
    peer.ack = peer.ack + 4;
    lone.feed(&peer.segment(A, b""));
}

fn dropped(lone: &Lone, reason: DropReason) -> usize {
    lone.host.counters().drops.of(reason)
}

/// A packet that is dropped for this reason, without an answer and without a trace.
fn silent(lone: &mut Lone, packet: &[u8], reason: DropReason) {
    let (usage, before) = (lone.host.usage(), dropped(lone, reason));
    let answers = lone.feed_packet(packet);
    assert!(answers.is_empty(), "{answers:02x?} to {packet:02x?}");
    assert_eq!(dropped(lone, reason), before + 1, "{reason:?} for {packet:02x?}");
    assert_eq!(lone.host.usage(), usage);
}

/// `<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>`
fn is_challenge(answers: &[Seen], peer: &Peer) -> bool {
    let [answer] = answers else { return false };
    (answer.flags, answer.seq, answer.ack, answer.text) == (A, peer.ack, peer.seq, 0)
}

/// The stream that a peer hears, whose octets are numbered from `peer.ack` on.
fn octets(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 251) as u8).collect()
}

#[test]
fn sec_07_packets_that_claim_to_come_from_ourselves_or_nowhere() {
    hosts(|lone| {
        let sources: &[&str] = if lone.us.is_ipv4() {
            &[
                "10.0.0.2",
                "127.0.0.1",
                "127.9.9.9",
                "224.0.0.1",
                "239.1.2.3",
                "255.255.255.255",
                "10.0.0.255",
                "0.1.2.3",
                "240.0.0.1",
            ]
        } else {
            &["fd00::2", "::1", "ff02::1", "ff0e::9"]
        };
        for source in sources.iter().map(|text| text.parse::<IpAddr>().expect("an address")) {
            for port in [PORT, 5000] {
                let mut land = lone.syn(0);
                land.source = SocketAddr::new(source, port);
                silent(lone, &land.packet(), DropReason::BadSource);
                land.flags = A;
                silent(lone, &land.packet(), DropReason::BadSource);
            }
            silent(lone, &forge::ping(source, lone.us, b"?"), DropReason::BadSource);
            let (from, to) = (SocketAddr::new(source, 9), SocketAddr::new(lone.us, 9));
            silent(lone, &forge::udp(from, to, 12, b"data"), DropReason::BadSource);
        }
        let mut peer = lone.passive(0);
        still_works(lone, &mut peer);
        lone.drain(&[peer]);
    });
}

#[test]
fn sec_08_a_syn_from_the_unspecified_address() {
    hosts(|lone| {
        let nobody: IpAddr =
            if lone.us.is_ipv4() { [0, 0, 0, 0].into() } else { [0_u16; 8].into() };
        let mut syn = lone.syn(0);
        syn.source.set_ip(nobody);
        silent(lone, &syn.packet(), DropReason::BadSource);
        syn.destination.set_port(9999);
        silent(lone, &syn.packet(), DropReason::BadSource);
        lone.drain(&[]);
    });
}

#[test]
fn sec_09_a_syn_to_broadcast_or_multicast() {
    hosts(|lone| {
        let everybody: &[&str] = if lone.us.is_ipv4() {
            &["255.255.255.255", "10.0.0.255", "224.0.0.1", "239.255.255.250"]
        } else {
            &["ff02::1", "ff02::1:ff00:2", "ff0e::1"]
        };
        for address in everybody.iter().map(|text| text.parse().expect("an address")) {
            // RFC 9293 §3.9.2.3, MUST-57.
            for (flags, port) in [(S, PORT), (S, 9999), (A, PORT), (R, PORT), (F, 9999)] {
                let mut segment = lone.syn(0);
                segment.destination = SocketAddr::new(address, port);
                segment.flags = flags;
                silent(lone, &segment.packet(), DropReason::NotOurs);
            }
        }
        lone.drain(&[]);
    });
}

#[test]
fn sec_22_echo_requests_that_are_damaged_broadcast_or_huge() {
    hosts(|lone| {
        let good = forge::ping(lone.them, lone.us, b"some data");
        let start = if lone.us.is_ipv4() { 20 } else { 40 };
        for at in start..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            silent(lone, &bad, DropReason::BadChecksum);
        }
        let everybody: &[&str] = if lone.us.is_ipv4() {
            &["255.255.255.255", "10.0.0.255", "224.0.0.1"]
        } else {
            &["ff02::1"]
        };
        for address in everybody.iter().map(|text| text.parse().expect("an address")) {
            silent(lone, &forge::ping(lone.them, address, b"?"), DropReason::NotOurs);
        }
        for octets in [0, 1, 7, 1000, 1500 - start - 8, 1500, 9000, 60_000] {
            let request = forge::ping(lone.them, lone.us, &vec![0x5a; octets]);
            let answers = lone.feed_packet(&request);
            assert!(answers.len() <= 1);
            // What is behind the header of the request, and nothing else.
            for answer in &answers {
                assert_eq!(answer.len(), request.len());
                assert_eq!(answer[start + 8..], request[start + 8..]);
            }
            assert_eq!(answers.len(), usize::from(request.len() <= 1500), "{octets} octets");
        }
        lone.drain(&[]);
    });
}

#[test]
fn sec_40_a_reset_counts_at_the_exact_number_only() {
    attacked(|lone, peer| {
        let wnd = lone.host.info(peer.handle).rcv_wnd;
        let at = |seq: SeqNum| {
            let mut reset = peer.segment(R, b"");
            reset.seq = seq;
            reset
        };
        let challenges = lone.host.counters().challenge_acks;
        for (seq, challenged) in [
            (peer.seq - 1, false),
            (peer.seq + 1, true),
            (peer.seq + (wnd - 1), true),
            (peer.seq + wnd, false),
            (peer.seq + (1 << 31), false),
        ] {
            let answers = lone.feed(&at(seq));
            assert_eq!(is_challenge(&answers, peer), challenged, "{seq:?}: {answers:?}");
            assert!(challenged || answers.is_empty(), "{seq:?}: {answers:?}");
            assert_eq!(lone.host.state(peer.handle), ESTABLISHED);
        }
        assert_eq!(lone.host.counters().challenge_acks, challenges + 2);
        assert!(lone.feed(&at(peer.seq)).is_empty());
        assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::Reset));
    });
}

#[test]
fn sec_41_a_syn_on_a_synchronised_connection_is_challenged() {
    attacked(|lone, peer| {
        let before = lone.host.info(peer.handle);
        for offset in [0, 1, 1000, 65_000, 1 << 20, 0x7fff_ffff, 1 << 31, u32::MAX, u32::MAX - 1] {
            // Challenges are rationed by the second.
            lone.pass(Duration::from_secs(2));
            for (flags, text) in [(S, &b""[..]), (S | A, b""), (S | F, b""), (S | A, b"text")] {
                let mut syn = peer.segment(flags, text);
                syn.seq = peer.seq + offset;
                assert!(is_challenge(&lone.feed(&syn), peer), "RCV.NXT + {offset}, {flags:?}");
                assert_eq!(lone.host.info(peer.handle), before);
            }
        }
        assert_eq!(lone.host.readable(peer.handle), 0);
        still_works(lone, peer);
    });
}

#[test]
fn sec_42_text_with_an_impossible_acknowledgement_is_not_delivered() {
    attacked(|lone, peer| {
        assert_eq!(lone.host.write(peer.handle, &[7; 500]), Ok(500));
        assert_eq!(lone.sent().len(), 1);
        let expected = Peer { ack: peer.ack + 500, ..peer.clone() };
        let largest = 65_535;
        let lies = [peer.ack + 501, peer.ack + (1 << 31), peer.ack - (largest + 1)];
        for ack in lies {
            let mut lie = peer.segment(A, b"injected");
            lie.ack = ack;
            assert!(is_challenge(&lone.feed(&lie), &expected), "{ack:?}");
            assert_eq!(lone.host.readable(peer.handle), 0);
            assert_eq!(lone.host.send_queue(peer.handle), 500);
        }
        // The oldest that an honest peer might repeat is taken, and the newest.
        for (ack, text) in [(peer.ack - largest, b"old"), (peer.ack + 500, b"new")] {
            let mut honest = peer.segment(A, text);
            honest.ack = ack;
            lone.feed(&honest);
            peer.seq = peer.seq + 3;
        }
        assert_eq!(lone.host.readable(peer.handle), 6);
        assert_eq!(lone.host.send_queue(peer.handle), 0);
    });
}

/// RFC 5961 §5.2: MAX.SND.WND is the largest window so far, not the present one and not the first.
#[test]
fn the_oldest_acknowledgement_is_as_old_as_the_largest_window() {
    hosts(|lone| {
        let mut syn = lone.syn(0);
        syn.window = 3000;
        let mut peer = lone.passive_with(&syn);
        for (window, largest) in [(3000, 3000), (9000, 9000), (500, 9000), (4000, 9000)] {
            peer.window = window;
            lone.feed(&peer.segment(A, b""));
            for (age, counts) in [(largest, true), (largest + 1, false)] {
                let mut old = peer.segment(A, b"old");
                old.ack = peer.ack - age;
                let answers = lone.feed(&old);
                let mut buffer = [0; 8];
                let read = lone.host.read(peer.handle, &mut buffer).unwrap_or(0);
                assert_eq!(read, if counts { 3 } else { 0 }, "{age} bytes ago, {largest} at most");
                assert_eq!(is_challenge(&answers, &peer), !counts, "{answers:?}");
                peer.seq = peer.seq + read as u32;
            }
            lone.pass(Duration::from_secs(2));
        }
        lone.drain(&[peer]);
    });
}

#[test]
fn sec_49_resets_and_acks_that_hit_a_listener() {
    hosts(|lone| {
        let syn = lone.syn(0);
        let usage = lone.host.usage();
        let with = |flags, seq, ack| Tcp { flags, seq, ack, ..syn.clone() };
        let (zero, some) = (SeqNum::ZERO, SeqNum::new(77));
        assert!(lone.feed(&with(R, some, zero)).is_empty());
        assert!(lone.feed(&with(R | A, some, some)).is_empty());
        for flags in [A, A | F, A | S, A | Flags::PSH] {
            let answers = lone.feed(&with(flags, some, some));
            let [reset] = answers[..] else { panic!("{answers:?}") };
            assert_eq!((reset.flags, reset.seq), (R, some));
        }
        assert_eq!(lone.host.usage(), usage);
        // A reset in SYN-RECEIVED: only the exact one leads back to LISTEN.
        assert_eq!(lone.feed(&syn).len(), 1);
        let opening = lone.host.usage();
        assert!(lone.feed(&with(R, syn.seq, zero)).is_empty());
        assert_eq!(lone.feed(&with(R, syn.seq + 2, zero)).len(), 1, "a challenge");
        assert_eq!(lone.host.usage(), opening);
        assert!(lone.feed(&with(R, syn.seq + 1, zero)).is_empty());
        assert_eq!(lone.host.usage(), usage);
        // It still listens.
        let mut peer = lone.passive(0);
        still_works(lone, &mut peer);
        lone.drain(&[peer]);
    });
}

#[test]
fn sec_55_a_window_that_stays_closed_for_ever() {
    attacked(|lone, peer| {
        let mut closed = peer.segment(A, b"");
        closed.window = 0;
        lone.feed(&closed);
        assert_eq!(lone.host.write(peer.handle, &octets(3000)), Ok(3000));
        assert!(lone.sent().is_empty());
        // RFC 9293 §3.8.6.1, MUST-37: open for as long as probes are answered, an hour here.
        let end = lone.now + Duration::from_secs(3600);
        let mut probes: Vec<Instant> = Vec::new();
        while lone.now < end {
            let at = lone.next_wake().expect("a probe will be due");
            let sent = lone.pass(at.since(lone.now));
            assert!(sent.iter().all(|(_, one)| one.text <= 1), "{sent:?}");
            probes.extend(sent.iter().map(|(at, _)| *at));
            lone.feed(&closed);
        }
        assert_eq!(lone.host.state(peer.handle), ESTABLISHED);
        let gaps: Vec<_> = probes.windows(2).map(|two| two[1].since(two[0])).collect();
        assert!(gaps.is_sorted(), "probes back off: {gaps:?}");
        let last = *gaps.last().expect("many probes");
        assert!((Duration::from_secs(30)..=Duration::from_secs(120)).contains(&last), "{last:?}");
        // A peer that answers no more is given up after the user timeout.
        lone.pass(Duration::from_secs(121));
        assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::TimedOut));
    });
}

/// Tells the host a window and returns what it sends before any timer. The peer takes it.
fn tell(lone: &mut Lone, peer: &mut Peer, window: u16) -> Vec<Seen> {
    peer.window = window;
    let mut sent = lone.feed(&peer.segment(A, b""));
    sent.extend(lone.pass(Duration::from_millis(1)).into_iter().map(|(_, one)| one));
    for one in &sent {
        peer.ack = if one.seq == peer.ack { one.end() } else { peer.ack };
    }
    sent
}

#[test]
fn sec_56_no_silly_segments_into_windows_of_one_octet() {
    attacked(|lone, peer| {
        tell(lone, peer, 0);
        assert_eq!(lone.host.write(peer.handle, &octets(6000)), Ok(6000));
        // RFC 9293 §3.8.6.2.1, MUST-38: little windows are waited out until the override.
        for window in [1, 2, 5, 100, 200, 535] {
            let sent = tell(lone, peer, window);
            assert!(sent.is_empty(), "{window}: {sent:?}");
        }
        let sent = tell(lone, peer, 536);
        assert_eq!(sent.iter().map(|one| one.text).collect::<Vec<_>>(), [536]);
        let sent = tell(lone, peer, 1500);
        assert_eq!(sent.iter().map(|one| one.text).collect::<Vec<_>>(), [536, 536]);
    });
}

#[test]
fn sec_56_a_slow_reader_tells_no_silly_windows() {
    let small = |setup: &mut HostSetup| setup.config.connection.receive_limit = 4096;
    hosts_with(small, |lone| {
        let mut peer = lone.passive(0);
        still_works(lone, &mut peer);
        let mss = u32::from(lone.host.info(peer.handle).rcv_mss);
        let room = lone.host.info(peer.handle).rcv_wnd as usize;
        for text in octets(room).chunks(536) {
            lone.feed(&peer.segment(A, text));
            peer.seq = peer.seq + text.len() as u32;
        }
        let mut edge = peer.seq + u32::from(lone.feed(&peer.segment(A, b"?"))[0].window);
        // RFC 9293 §3.8.6.2.2, MUST-39: read octet by octet; the edge moves in strides.
        let (mut strides, mut buffer) = (Vec::new(), [0]);
        for _ in 0..room {
            assert_eq!(lone.host.read(peer.handle, &mut buffer), Ok(1));
            for one in lone.sent() {
                let told = one.ack + u32::from(one.window);
                if told != edge {
                    strides.push(told.since(edge));
                    edge = told;
                }
            }
        }
        let least = mss.min(4096 / 2);
        assert!(!strides.is_empty() && strides.iter().all(|s| *s >= least), "{strides:?}");
        lone.drain(&[peer]);
    });
}

#[test]
fn sec_62_a_window_that_shrinks_under_flight_to_nothing_and_reopens() {
    attacked(|lone, peer| {
        let data = octets(6000);
        assert_eq!(lone.host.write(peer.handle, &data), Ok(6000));
        let in_flight = lone.sent().len();
        assert!(in_flight > 3, "{in_flight}");
        // The second half of what is in flight is outside the window now; then all of it.
        for (window, seconds) in [(1000, 5), (1, 5), (0, 30)] {
            let mut shrunk = peer.segment(A, b"");
            (shrunk.ack, shrunk.window) = (peer.ack + 536, window);
            lone.feed(&shrunk);
            let sent = lone.pass(Duration::from_secs(seconds));
            let edge = peer.ack + 536 + u32::from(1.max(window));
            for (_, one) in &sent {
                assert!(!(one.seq + one.text).after(edge), "{window}: {one}");
            }
            assert!(!sent.is_empty(), "{window}: it probes");
        }
        assert_eq!(lone.host.state(peer.handle), ESTABLISHED);
        peer.ack = peer.ack + 536;
        peer.window = 65_535;
        let mut heard = 536;
        for _ in 0..40 {
            let mut sent = lone.feed(&peer.segment(A, b""));
            sent.extend(lone.pass(Duration::from_millis(500)).into_iter().map(|(_, one)| one));
            for one in sent {
                if one.seq == peer.ack {
                    peer.ack = one.end();
                    heard += one.text;
                }
            }
        }
        assert_eq!(heard, 6000, "no stall");
    });
}

#[test]
fn sec_63_data_past_the_window_or_across_its_edges_is_trimmed() {
    let small = |setup: &mut HostSetup| setup.config.connection.receive_limit = 2048;
    hosts_with(small, |lone| {
        let mut peer = lone.passive(0);
        still_works(lone, &mut peer);
        let wnd = lone.host.info(peer.handle).rcv_wnd;
        let data = octets(wnd as usize + 100);
        let at = |from: usize, to: usize| {
            let mut segment = peer.segment(A, &data[from..to]);
            segment.seq = peer.seq + from as u32;
            segment
        };
        // Wholly beyond: dropped, with an ACK.
        let (len, edge) = (data.len(), wnd as usize);
        assert!(is_challenge(&lone.feed(&at(edge, len)), &peer));
        // Across the right edge, behind a hole: kept up to the edge.
        assert_eq!(lone.feed(&at(edge - 50, len)).len(), 1);
        lone.feed(&at(0, 700));
        // Across the left edge: only what is new counts.
        lone.feed(&at(300, 900));
        let mut stale = at(0, 900);
        stale.text.fill(0xee);
        assert_eq!(lone.feed(&stale).last().map(|one| one.ack), Some(peer.seq + 900));
        for from in (900..edge).step_by(500) {
            lone.feed(&at(from, (from + 500).min(len)));
        }
        // A FIN behind the edge went with the text before it.
        let mut fin = at(edge, len);
        fin.flags = A | F;
        lone.feed(&fin);
        assert_eq!(lone.host.state(peer.handle), ESTABLISHED);
        let mut buffer = vec![0; len + 1];
        assert_eq!(lone.host.read(peer.handle, &mut buffer), Ok(edge));
        assert_eq!(buffer[..edge], data[..edge]);
        lone.drain(&[peer]);
    });
}

#[test]
fn sec_64_acknowledgements_in_a_handshake_that_are_off_by_one() {
    hosts(|lone| {
        let mut client = lone.syn_sent(0);
        for (ack, flags) in [(client.ack - 1, S | A), (client.ack + 1, S | A), (client.ack - 1, A)]
        {
            let mut lie = client.segment(flags, b"");
            lie.ack = ack;
            let answers = lone.feed(&lie);
            let [reset] = answers[..] else { panic!("{answers:?}") };
            assert_eq!((reset.flags, reset.seq), (R, ack));
            assert_eq!(lone.host.state(client.handle), State::SynSent);
        }
        let mut lie = client.segment(R | A, b"");
        lie.ack = client.ack - 1;
        assert!(lone.feed(&lie).is_empty());
        assert_eq!(lone.host.state(client.handle), State::SynSent);
        assert_eq!(lone.feed(&client.segment(S | A, b"")).len(), 1);
        client.seq = client.seq + 1;
        still_works(lone, &mut client);

        let syn = lone.syn(1);
        let syn_ack = lone.feed(&syn)[0];
        for ack in [syn_ack.seq, syn_ack.seq + 2, syn_ack.seq - 1] {
            let lie = Tcp { seq: syn.seq + 1, ack, flags: A, ..syn.clone() };
            let answers = lone.feed(&lie);
            let [reset] = answers[..] else { panic!("{answers:?}") };
            assert_eq!((reset.flags, reset.seq), (R, ack));
            assert!(lone.accept().is_none());
        }
        let honest = Tcp { seq: syn.seq + 1, ack: syn_ack.seq + 1, flags: A, ..syn.clone() };
        assert!(lone.feed(&honest).is_empty());
        let handle = lone.accept().expect("the handshake completes after all");
        let server = Peer { handle, ..client.clone() };
        lone.drain(&[client, server]);
    });
}

#[test]
fn sec_65_a_syn_with_data_or_with_a_fin() {
    hosts(|lone| {
        for (number, flags) in (0..).zip([S, S | F, S | Flags::PSH, S | Flags::URG]) {
            let mut syn = lone.syn(number);
            syn.flags = flags;
            syn.text = b"early".to_vec();
            let answers = lone.feed(&syn);
            let [syn_ack] = answers[..] else { panic!("{answers:?}") };
            assert_eq!((syn_ack.flags, syn_ack.ack), (S | A, syn.seq + 1), "{flags:?}");
            assert!(lone.accept().is_none(), "nothing before the handshake is done");
            let ack = syn_ack.seq + 1;
            lone.feed(&Tcp { seq: syn.seq + 1, ack, flags: A, text: vec![], ..syn.clone() });
            let handle = lone.accept().expect("a connection");
            // Decision 0006: the text comes again, and with it the FIN.
            assert_eq!(lone.host.state(handle), ESTABLISHED);
            assert_eq!(lone.host.read(handle, &mut [0; 9]), Err(ReadError::WouldBlock));
            let flags = flags.without(S) | A;
            let answers = lone.feed(&Tcp { seq: syn.seq + 1, ack, flags, ..syn.clone() });
            assert_eq!(lone.host.readable(handle), 5);
            let closes = flags.intersects(F);
            assert_eq!(closes, lone.host.state(handle) == State::CloseWait, "{answers:?}");
            lone.host.abort(handle);
            lone.host.release(handle);
            lone.sent();
        }
        lone.drain(&[]);
    });
}

/// Both streams of a connection whose numbers begin here, with loss and reordering.
fn streams_from(lone: &mut Lone, number: u16, irs: u32) {
    let mut syn = lone.syn(number);
    syn.seq = SeqNum::new(irs);
    let mut peer = lone.passive_with(&syn);
    let data = octets(5000);
    assert_eq!(lone.host.write(peer.handle, &data), Ok(5000));
    let (mut got, mut heard) = (Vec::new(), 0_u32);
    let (first, answer) = (peer.seq, peer.ack);
    let mut lost = 0;
    let mut sent = lone.sent();
    for round in 0..200 {
        // Ours: backwards, and every third time two of five segments are lost.
        for at in (0..5).rev() {
            let from = got.len() + at * 100;
            if from < data.len() && (round % 3 > 0 || at % 2 > 0) {
                let mut segment = peer.segment(A, &data[from..(from + 100).min(data.len())]);
                (segment.seq, segment.ack) = (first + from as u32, answer + heard);
                sent.extend(lone.feed(&segment));
            }
        }
        let mut buffer = [0; 600];
        if let Ok(octets) = lone.host.read(peer.handle, &mut buffer) {
            got.extend_from_slice(&buffer[..octets]);
        }
        let mut ack = peer.segment(A, b"");
        (ack.seq, ack.ack) = (first + got.len() as u32, answer + heard);
        sent.extend(lone.feed(&ack));
        sent.extend(lone.pass(Duration::from_millis(250)).into_iter().map(|(_, one)| one));
        for one in sent.drain(..).filter(|one| one.text > 0) {
            lost += 1;
            if lost % 4 > 0 && one.seq == answer + heard {
                heard += one.text;
            }
        }
    }
    assert!(got == data, "identical octets from {irs}");
    assert_eq!(heard, 5000, "from {irs}");
    (peer.seq, peer.ack) = (first + 5000, answer + 5000);
    lone.feed(&peer.segment(A, b""));
    still_works(lone, &mut peer);
    lone.drain(&[peer]);
}

#[test]
fn sec_70_sequence_numbers_at_every_wrap() {
    hosts(|lone| {
        let wraps = [
            0,
            (1 << 31) - 1,
            1 << 31,
            u32::MAX,
            u32::MAX - 1,
            u32::MAX - 700,
            u32::MAX - 2500,
            (1 << 31) - 2500,
        ];
        for (number, irs) in (0..).zip(wraps) {
            streams_from(lone, number, irs);
        }
    });
}

#[test]
fn sec_73_the_next_deadline_is_exact() {
    hosts(|lone| {
        assert_eq!(lone.next_wake(), None, "nothing is timed");
        // In each case something happens at the deadline, and nothing one microsecond before.
        let check = |lone: &mut Lone, what: &str| {
            let at = lone.next_wake().unwrap_or_else(|| panic!("{what}: no deadline"));
            lone.now = at - Duration::from_micros(1);
            let before = lone.host.usage();
            assert!(lone.packets().is_empty(), "{what}: early");
            assert_eq!(lone.next_wake(), Some(at), "{what}: it stays");
            lone.now = at;
            let sent = lone.packets();
            assert!(!sent.is_empty() || lone.host.usage() != before, "{what}: nothing happens");
            assert!(lone.next_wake().is_none_or(|next| next > at), "{what}: in the past");
        };
        let client = lone.syn_sent(0);
        check(lone, "SYN");
        lone.host.abort(client.handle);
        lone.host.release(client.handle);
        let syn = lone.syn(0);
        lone.feed(&syn);
        for _ in 0..6 {
            check(lone, "SYN-ACK");
        }
        assert_eq!(lone.host.usage().half_open, 0, "given up");
        let mut peer = lone.passive(1);
        still_works(lone, &mut peer);
        lone.feed(&peer.segment(A, b"one"));
        peer.seq = peer.seq + 3;
        check(lone, "a delayed ACK");
        assert_eq!(lone.host.write(peer.handle, b"data"), Ok(4));
        assert_eq!(lone.sent().len(), 1);
        for _ in 0..4 {
            check(lone, "a retransmission");
        }
        peer.ack = peer.ack + 4;
        peer.window = 0;
        lone.feed(&peer.segment(A, b""));
        assert_eq!(lone.next_wake(), None, "nothing is outstanding");
        assert_eq!(lone.host.write(peer.handle, b"data"), Ok(4));
        assert!(lone.sent().is_empty());
        for _ in 0..4 {
            check(lone, "a probe");
        }
        lone.drain(&[peer]);
    });
}

#[test]
fn sec_75_capacities_of_nothing_and_of_one() {
    for connections in [0, 1, 2] {
        let few = |setup: &mut HostSetup| {
            let capacity = &mut setup.capacity;
            (capacity.connections, capacity.half_open) = (connections, 1);
            (capacity.time_wait, capacity.records) = (connections.min(1), connections);
            (capacity.blocks, capacity.block_size) = (4 * connections.max(1), 256);
            setup.config.connection.receive_limit = 512;
            setup.config.connection.send_limit = 512;
        };
        hosts_with(few, |lone| {
            let mut peers: Vec<_> =
                (0..connections as u16).map(|number| lone.passive(number)).collect();
            // One more is not taken, and costs nobody anything.
            let syn = lone.syn(9);
            let dropped = lone.host.counters().drops.of(DropReason::NoMemory);
            if let [syn_ack] = lone.feed(&syn)[..] {
                let third = Tcp { seq: syn.seq + 1, ack: syn_ack.seq + 1, flags: A, ..syn.clone() };
                lone.feed(&third);
            } else {
                // Without records there is nothing but the slots of connections.
                assert_eq!((lone.host.usage().half_open, lone.kind), (0, Kind::Small));
            }
            assert_eq!(lone.host.counters().drops.of(DropReason::NoMemory), dropped + 1);
            assert!(lone.accept().is_none());
            // With one half-open record the next SYN is dropped, or answered with a cookie.
            let answers = lone.feed(&lone.syn(10));
            assert!(answers.iter().all(|answer| answer.flags == S.with(A)), "{answers:?}");
            assert!(lone.host.usage().half_open <= 1);
            assert_eq!(lone.host.usage().connections, connections);
            // Queues wrap many times, with what comes backwards.
            for (round, peer) in (0..40).flat_map(|round| (0..connections).map(move |n| (round, n)))
            {
                let peer = &mut peers[peer];
                let data: Vec<u8> = (0..200).map(|at| (at ^ round) as u8).collect();
                for (from, to) in [(150, 200), (100, 150), (0, 60), (60, 100)] {
                    let mut segment = peer.segment(A, &data[from..to]);
                    segment.seq = peer.seq + from as u32;
                    lone.feed(&segment);
                }
                lone.feed(&peer.segment(A, &data));
                peer.seq = peer.seq + 200;
                let mut buffer = [0; 512];
                assert_eq!(lone.host.read(peer.handle, &mut buffer), Ok(200), "round {round}");
                assert_eq!(buffer[..200], data);
            }
            lone.drain(&peers);
        });
    }
}

#[test]
fn sec_76_stale_handles_and_calls_out_of_order() {
    hosts(|lone| {
        let mut peer = lone.passive(0);
        let handle = peer.handle;
        lone.host.close(handle);
        lone.host.close(handle);
        assert_eq!(lone.sent().len(), 1, "one FIN, however often it is closed");
        assert_eq!(lone.host.write(handle, b"late"), Err(WriteError::Closed));
        assert_eq!(lone.host.state(handle), State::FinWait1);
        peer.ack = peer.ack + 1;
        lone.feed(&peer.segment(A | F, b"bye"));
        let mut buffer = [0; 8];
        assert_eq!(lone.host.read(handle, &mut buffer), Ok(3));
        assert_eq!(lone.host.read(handle, &mut buffer), Ok(0));
        lone.host.close(handle);
        lone.host.release(handle);
        assert!(lone.host.is_stale(handle));
        // Another connection in the same slot is not reached by the old handle.
        let mut other = lone.passive(1);
        assert!(lone.host.is_stale(handle) && other.handle != handle);
        still_works(lone, &mut other);
        lone.host.abort(other.handle);
        assert_eq!(lone.sent().len(), 1, "a reset");
        lone.host.abort(other.handle);
        lone.host.close(other.handle);
        assert!(lone.sent().is_empty());
        let ended = CloseReason::Aborted;
        assert_eq!(lone.host.write(other.handle, b"x"), Err(WriteError::Ended(ended)));
        assert_eq!(lone.host.read(other.handle, &mut buffer), Err(ReadError::Ended(ended)));
        lone.drain(&[other]);
    });
}
