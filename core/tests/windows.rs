//! Windows: what is worth sending into one and worth telling of one, probes, windows that shrink
//! under flight, and which segment is believed.
#![cfg(all(feature = "ipv6", feature = "udp"))]

use hikyaku::seq::SeqNum;
use hikyaku::time::{Duration, Instant};
use hikyaku::wire::tcp::Flags;
use hikyaku::{AllocationPolicy, State};
use hikyaku_testkit::host::{HostSetup, Kind};
use hikyaku_testkit::lone::{Lone, Peer};
use hikyaku_testkit::pair::Family;
use hikyaku_testkit::seen::Seen;

const A: Flags = Flags::ACK;
const MSS: u32 = 536;
const TICK: Duration = Duration::from_micros(1);
/// The first timeout after a round trip that took no time.
const RTO: Duration = Duration::from_micros(200_001);

/// No segment leaves.
const NOTHING: [u32; 0] = [];

fn each_with(change: impl Fn(&mut HostSetup), act: impl Fn(&mut Lone)) {
    for kind in [Kind::Full, Kind::Small] {
        for family in Family::BOTH {
            act(&mut Lone::with(kind, family, &change));
        }
    }
}

fn each(act: impl Fn(&mut Lone)) {
    each_with(|_| {}, act);
}

/// A peer whose SYN tells this window.
fn peer_of(lone: &mut Lone, window: u16) -> Peer {
    let mut syn = lone.syn(0);
    syn.window = window;
    lone.passive_with(&syn)
}

fn lens(sent: &[Seen]) -> Vec<u32> {
    sent.iter().map(|one| one.text).collect()
}

fn write(lone: &mut Lone, peer: &Peer, octets: usize) -> Vec<u32> {
    assert_eq!(lone.host.write(peer.handle, &vec![7; octets]), Ok(octets));
    lens(&lone.sent())
}

/// The peer tells a window and acknowledges so much more.
fn tell(lone: &mut Lone, peer: &mut Peer, acked: u32, window: u16) -> Vec<u32> {
    peer.ack = peer.ack + acked;
    peer.window = window;
    lens(&lone.feed(&peer.segment(A, b"")))
}

#[test]
fn nagle_holds_small_segments_back_until_all_is_acknowledged() {
    each(|lone| {
        let mut peer = lone.passive(0);
        assert_eq!(write(lone, &peer, 10), [10], "RFC 9293 §3.7.4: nothing is outstanding");
        assert_eq!(write(lone, &peer, 20), NOTHING);
        assert_eq!(write(lone, &peer, 505), NOTHING);
        assert_eq!(write(lone, &peer, 12), [MSS], "a full one goes");
        assert_eq!(tell(lone, &mut peer, 10, 65_535), NOTHING, "one is outstanding still");
        assert_eq!(tell(lone, &mut peer, MSS, 65_535), [1]);
        // MUST-17: it can be switched off, and on again.
        lone.host.set_nagle(peer.handle, false);
        assert_eq!(write(lone, &peer, 3), [3]);
        assert_eq!(write(lone, &peer, 4), [4]);
        lone.host.set_nagle(peer.handle, true);
        assert_eq!(write(lone, &peer, 5), NOTHING);
        lone.host.set_nagle(peer.handle, false);
        assert_eq!(lens(&lone.sent()), [5], "what was held back leaves when it is switched off");
        lone.host.set_nagle(peer.handle, true);
        assert_eq!(write(lone, &peer, 6), NOTHING);
        // What ends the stream does not wait.
        lone.host.close(peer.handle);
        assert_eq!(lens(&lone.sent()), [6]);
        lone.drain(&[peer]);
    });
}

#[test]
fn a_sender_waits_for_a_segment_or_half_of_the_largest_window() {
    // RFC 9293 §3.8.6.2.1, MUST-38: (largest window, window now, what leaves of plenty)
    let table: [(u16, u16, &[u32]); 12] = [
        (65_535, 535, &[]),
        (65_535, 536, &[536]),
        (65_535, 537, &[536]),
        (65_535, 1071, &[536]),
        (65_535, 1072, &[536, 536]),
        (400, 199, &[]),
        (400, 200, &[200]),
        (400, 399, &[399]),
        (400, 400, &[400]),
        (1000, 499, &[]),
        (1000, 500, &[500]),
        (1000, 600, &[536]),
    ];
    for (largest, window, expected) in table {
        each(|lone| {
            let mut peer = peer_of(lone, largest);
            tell(lone, &mut peer, 0, window);
            assert_eq!(write(lone, &peer, 3000), expected, "{window} of {largest}");
            lone.drain(&[peer]);
        });
    }
}

#[test]
fn the_override_sends_what_a_little_window_takes_after_a_timeout() {
    each(|lone| {
        let mut peer = lone.passive(0);
        tell(lone, &mut peer, 0, 100);
        assert_eq!(write(lone, &peer, 300), NOTHING);
        let start = lone.now;
        assert!(lone.pass(Duration::from_micros(RTO.micros() - 1)).is_empty());
        let sent = lone.pass(TICK);
        assert_eq!(
            sent.iter().map(|(at, one)| (*at, one.text)).collect::<Vec<_>>(),
            [(start + RTO, 100)]
        );
        // The next one waits as long, from when nothing is outstanding any more; the timeout was
        // that of a window, not of the path.
        assert_eq!(tell(lone, &mut peer, 100, 100), NOTHING);
        let sent = lone.pass(Duration::from_secs(1));
        assert_eq!(sent.first().map(|(_, one)| one.text), Some(100));
        assert_eq!(tell(lone, &mut peer, 100, 100), [100], "all that is left");
        lone.drain(&[peer]);
    });
}

#[test]
fn a_probe_does_not_count_as_sent() {
    each(|lone| {
        let mut peer = lone.passive(0);
        tell(lone, &mut peer, 0, 0);
        assert_eq!(write(lone, &peer, 300), NOTHING);
        // What comes early is acknowledged at once: our number must lie in the peer's window.
        let acks_from = |lone: &mut Lone, peer: &Peer| {
            let mut early = peer.segment(A, b"early");
            early.seq = peer.seq + 100;
            lone.feed(&early).iter().map(|one| (one.seq, one.text)).collect::<Vec<_>>()
        };
        let sent = lone.pass(RTO);
        assert_eq!(sent.iter().map(|(_, one)| one.text).collect::<Vec<_>>(), [1]);
        assert_eq!(acks_from(lone, &peer), [(peer.ack, 0)]);
        // It was taken after all: now it counts.
        tell(lone, &mut peer, 1, 0);
        assert_eq!(acks_from(lone, &peer), [(peer.ack, 0)]);
        assert_eq!(lone.host.send_queue(peer.handle), 299);
        lone.drain(&[peer]);
    });
}

#[test]
fn a_window_of_less_than_a_segment_is_told_at_once() {
    let wide = |setup: &mut HostSetup| {
        setup.config.policy = AllocationPolicy::Overcommit;
        setup.config.connection.receive_limit = 2048;
    };
    for kind in [Kind::Full, Kind::Small, Kind::Tiny] {
        let mut lone = Lone::with(kind, Family::V4, wide);
        let mut peer = lone.passive(0);
        let window = |lone: &mut Lone| lone.host.info(peer.handle).rcv_wnd;
        assert_eq!(window(&mut lone), 2048);
        // Small segments share ACKs as long as a full one fits. A peer that waits for that much of
        // a window must not wait for a delayed ACK, too.
        for (octets, acks) in [(500, 0), (500, 0), (500, 0), (12, 0), (1, 1)] {
            let segment = peer.segment(A | Flags::PSH, &vec![7; octets]);
            assert_eq!(lone.feed(&segment).len(), acks, "{kind:?} {}", window(&mut lone));
            peer.seq = peer.seq + octets as u32;
            lone.pass(Duration::from_millis(100));
        }
        assert_eq!(lone.host.info(peer.handle).rcv_wnd, MSS - 1);
        lone.drain(&[peer]);
    }
}

#[test]
fn every_second_segment_of_any_size_is_acknowledged() {
    // (the peer's MSS, what it sends); the host announces 1,460 bytes.
    for (mss, size) in [(256, 256), (1000, 1000), (1460, 1000), (1460, 1348), (1460, 1460)] {
        for kind in [Kind::Full, Kind::Small, Kind::Tiny] {
            // With reserved memory the SYN-ACK tells one block, and more is told after the first read.
            let overcommit =
                |setup: &mut HostSetup| setup.config.policy = AllocationPolicy::Overcommit;
            let mut lone = Lone::with(kind, Family::V4, overcommit);
            let mut syn = lone.syn(0);
            let [high, low] = u16::to_be_bytes(mss);
            syn.options = vec![2, 4, high, low];
            let mut peer = lone.passive_with(&syn);
            for number in 1..=20 {
                let acks = lone.feed(&peer.segment(A, &vec![7; size])).len();
                peer.seq = peer.seq + size as u32;
                assert_eq!(acks, usize::from(number % 2 == 0), "{kind:?} {size}: {number}");
                while lone.host.read(peer.handle, &mut [0; 2048]).is_ok() {}
                let updates = lone.sent();
                assert!(updates.is_empty(), "{kind:?} {size}: {updates:?}");
            }
            lone.drain(&[peer]);
        }
    }
}

#[test]
fn a_reader_tells_windows_by_the_half_buffer() {
    let limit = |setup: &mut HostSetup| setup.config.connection.receive_limit = 4096;
    each_with(limit, |lone| {
        let mut peer = lone.passive(0);
        let start = peer.seq;
        let mut open = lone.host.info(peer.handle).rcv_wnd;
        while open > 0 {
            lone.feed(&peer.segment(A, &vec![1; open.min(MSS) as usize]));
            peer.seq = peer.seq + open.min(MSS);
            lone.pass(Duration::from_millis(100));
            open = lone.host.info(peer.handle).rcv_wnd;
        }
        let room = peer.seq.since(start);
        assert_eq!(room, lone.host.readable(peer.handle), "full");
        // RFC 9293 §3.8.6.2.2, MUST-39: not before it is worth half of the buffer.
        let mut told = Vec::new();
        for octet in 1..=room {
            assert_eq!(lone.host.read(peer.handle, &mut [0]), Ok(1));
            let sent = lone.sent();
            assert!(sent.iter().all(|one| one.ack == peer.seq && one.text == 0), "{sent:?}");
            told.extend(sent.iter().map(|one| (octet, u32::from(one.window))));
        }
        assert_eq!(told, [(2048, 2048)], "the rest is told with the next ACK");
        let mut last = lone.feed(&peer.segment(A, &[1; 2]));
        last.extend(lone.pass(Duration::from_secs(1)).into_iter().map(|(_, one)| one));
        peer.seq = peer.seq + 2;
        let [last] = last[..] else { panic!("{last:?}") };
        assert_eq!((last.ack, u32::from(last.window)), (peer.seq, room - 2));
        lone.drain(&[peer]);
    });
}

/// A peer that takes what is next in order, up to the right edge that it told.
struct Taker {
    peer: Peer,
    edge: SeqNum,
    heard: u32,
}

impl Taker {
    /// What arrives, and the answer to it.
    fn take(&mut self, lone: &mut Lone, sent: &[Seen]) -> Vec<Seen> {
        let mut answers = Vec::new();
        for one in sent {
            let end = (one.seq + one.text).earlier(self.edge);
            if one.seq.at_or_before(self.peer.ack) && end.after(self.peer.ack) {
                self.heard += end.since(self.peer.ack);
                self.peer.ack = end;
            }
            self.peer.window = self.edge.since(self.peer.ack) as u16;
            answers.extend(lone.feed(&self.peer.segment(A, b"")));
        }
        answers
    }

    /// Time passes, and all is answered at once.
    fn pass(&mut self, lone: &mut Lone, span: Duration) -> Vec<(Instant, Seen)> {
        let end = lone.now + span;
        let mut seen = Vec::new();
        while let Some(at) = lone.next_wake().filter(|at| *at <= end) {
            let mut sent: Vec<_> =
                lone.pass(at.since(lone.now)).into_iter().map(|(_, s)| s).collect();
            while !sent.is_empty() {
                seen.extend(sent.iter().map(|one| (at, *one)));
                sent = self.take(lone, &sent);
            }
        }
        lone.pass(end.since(lone.now));
        seen
    }
}

#[test]
fn a_right_edge_taken_back_under_flight_is_kept_to_and_survived() {
    // How much of five segments in flight the window takes after all.
    for left in [0_u32, 1, 2, 535, 536, 537, 1071, 1072, 1500, 2144, 2679, 2680, 2681, 3000] {
        each(|lone| {
            let peer = lone.passive(0);
            let una = peer.ack;
            assert_eq!(write(lone, &peer, 5 * MSS as usize), [MSS; 5]);
            let edge = una + left;
            let mut taker = Taker { peer, edge, heard: 0 };
            taker.peer.window = left as u16;
            // Not a word of what was in flight: the peer has thrown it away.
            assert!(lone.feed(&taker.peer.segment(A, b"")).is_empty());
            // SHLD-15: nothing new.
            let new = write(lone, &taker.peer, 3 * MSS as usize);
            let usable = edge.since(una).saturating_sub(5 * MSS);
            assert!(new.iter().sum::<u32>() <= usable, "{left}: {new:?}");
            // SHLD-16: what is old goes again inside of the window; SHLD-17: an hour beyond it
            // ends nothing, as the peer answers.
            let sent = taker.pass(lone, Duration::from_secs(3600));
            for (_, one) in &sent {
                let probe = one.text == 1 && one.seq == edge;
                assert!((one.seq + one.text).at_or_before(edge) || probe, "{left}: {one}");
            }
            assert_eq!(taker.heard, left, "{left}");
            let probes = sent.iter().filter(|(_, one)| one.seq == edge).count();
            assert!((60..80).contains(&probes), "{left}: {probes} probes in an hour");
            assert_eq!(lone.host.state(taker.peer.handle), State::Established);
            // MUST-34: it opens again, and all of it arrives.
            taker.edge = una + 60_000;
            taker.peer.window = 60_000 - left as u16;
            let sent = lone.feed(&taker.peer.segment(A, b""));
            assert!(!sent.is_empty(), "{left}: at once");
            let mut more = sent;
            while !more.is_empty() {
                more = taker.take(lone, &more);
            }
            taker.pass(lone, Duration::from_secs(10));
            assert_eq!(taker.heard, 8 * MSS, "{left}");
            lone.drain(&[taker.peer]);
        });
    }
}

/// A host whose initial sequence number lies `ahead` of the wrap of zero.
fn before_the_wrap(kind: Kind, ahead: u32) -> Lone {
    let iss = |lone: &mut Lone| {
        let syn = lone.syn(0);
        lone.feed(&syn)[0].seq
    };
    let first = iss(&mut Lone::new(kind, Family::V4));
    let mut lone = Lone::new(kind, Family::V4);
    // The clock of initial numbers ticks every 4 µs (RFC 9293 §3.4.1).
    let ticks = SeqNum::new(0_u32.wrapping_sub(ahead)).since(first);
    lone.now = lone.now + Duration::from_micros(4 * u64::from(ticks));
    lone
}

#[test]
fn the_last_word_about_a_window_counts_across_the_wrap() {
    for kind in [Kind::Full, Kind::Small] {
        for back in [0, 1, 2, 3, 5, 50, 99, 100, 101, 200, 1000] {
            let mut lone = before_the_wrap(kind, back + 1);
            let mut syn = lone.syn(0);
            syn.seq = SeqNum::new(0_u32.wrapping_sub(back + 1));
            let mut peer = lone.passive_with(&syn);
            assert_eq!((peer.seq, peer.ack), (SeqNum::ZERO - back, SeqNum::ZERO - back));
            let wnd = |lone: &mut Lone| lone.host.info(peer.handle).snd_wnd;
            // SND.WL1: what was sent later is in the right, in whatever order it arrives.
            let mut parts = Vec::new();
            for (at, window) in [(0, 5000), (60, 6000), (120, 7000)] {
                let mut part = peer.segment(A, &[1; 60]);
                (part.seq, part.window) = (peer.seq + at, window);
                parts.push(part);
            }
            lone.feed(&parts[1]);
            assert_eq!(wnd(&mut lone), 6000);
            lone.feed(&parts[0]);
            assert_eq!(wnd(&mut lone), 6000, "sent earlier");
            lone.feed(&parts[2]);
            assert_eq!(wnd(&mut lone), 7000, "sent later");
            lone.feed(&parts[1]);
            assert_eq!(wnd(&mut lone), 7000, "long ago");
            // SND.WL2: at one sequence number the later acknowledgement is.
            peer.seq = peer.seq + 180;
            lone.host.set_nagle(peer.handle, false);
            assert_eq!(write(&mut lone, &peer, 60), [60]);
            assert_eq!(write(&mut lone, &peer, 60), [60]);
            let acked = |acked: u32, window: u16| {
                let mut ack = peer.segment(A, b"");
                (ack.ack, ack.window) = (peer.ack + acked, window);
                ack
            };
            lone.feed(&acked(60, 3000));
            assert_eq!(lone.host.info(peer.handle).snd_wnd, 3000);
            lone.feed(&acked(120, 4000));
            assert_eq!(lone.host.info(peer.handle).snd_wnd, 4000);
            for (of, window) in [(60, 9000), (0, 9000), (60, 0), (0, 0)] {
                lone.feed(&acked(of, window));
                assert_eq!(lone.host.info(peer.handle).snd_wnd, 4000, "{of} is older");
            }
            lone.feed(&acked(120, 1234));
            assert_eq!(lone.host.info(peer.handle).snd_wnd, 1234, "the same numbers, sent last");
            lone.drain(&[peer]);
        }
    }
}

#[test]
fn crumbs_are_sent_again_in_whole_segments() {
    let no_delay = |host: &mut HostSetup| host.config.connection.nagle = false;
    for kind in [Kind::Full, Kind::Small, Kind::Tiny] {
        let mut lone = Lone::with(kind, Family::V4, no_delay);
        let mut peer = peer_of(&mut lone, 60_000);
        for _ in 0..60 {
            assert_eq!(write(&mut lone, &peer, 10), [10], "{kind:?}");
        }
        let again = lone.pass(RTO);
        let lens: Vec<_> = again.iter().map(|(_, one)| one.text).collect();
        assert_eq!(lens, [MSS], "{kind:?}: one segment of the loss window");
        assert_eq!(tell(&mut lone, &mut peer, MSS, 60_000), [600 - MSS], "{kind:?}");
        assert_eq!(tell(&mut lone, &mut peer, 600 - MSS, 60_000), NOTHING);
        lone.drain(&[peer]);
    }
}

/// Decision 0009: the peer has filled our window, and what filled it was lost. Its ACKs carry the
/// number at the right edge, and the data that they acknowledge leaves the queue.
#[test]
fn an_ack_at_the_right_edge_of_a_full_window_is_heard() {
    for kind in [Kind::Full, Kind::Small, Kind::Tiny] {
        for (beyond, unacknowledged) in [(0, 0), (1, 100)] {
            let mut lone = Lone::new(kind, Family::V4);
            let mut peer = lone.passive(0);
            assert_eq!(write(&mut lone, &peer, 100), [100], "{kind:?}");
            peer.seq = peer.seq + lone.host.info(peer.handle).rcv_wnd + beyond;
            tell(&mut lone, &mut peer, 100, 1000);
            let left = lone.host.info(peer.handle).unacknowledged;
            assert_eq!(left, unacknowledged, "{kind:?}, {beyond} beyond the edge");
        }
    }
}
