//! Timestamps (RFC 7323) and the receiver's side of selective acknowledgements (RFC 2018, 2883),
//! as a peer made by hand sees them; what connections keep secret; TIME-WAIT. Numbers are those of
//! the list of security cases.
#![cfg(all(feature = "ipv6", feature = "udp"))]

use hikyaku::seq::SeqNum;
use hikyaku::time::{Duration, Instant};
use hikyaku::wire::tcp::Flags;
use hikyaku::wire::tcp_options::{Options, SackBlock, Timestamps};
use hikyaku::{AllocationPolicy, ConnectConfig, DropReason, State};
use hikyaku_testkit::forge::{Tcp, options};
use hikyaku_testkit::host::{HostSetup, Kind, make};
use hikyaku_testkit::lone::{Lone, MSS, Peer};
use hikyaku_testkit::pair::{Family, LEFT, RIGHT, Setup, address};
use hikyaku_testkit::seen::Seen;
use std::collections::BTreeSet;
use std::net::SocketAddr;

const ACK: Flags = Flags::ACK;
const DAY: Duration = Duration::from_secs(86_400);

fn stamps(value: u32, echo: u32) -> Options {
    Options { timestamps: Some(Timestamps { value, echo }), ..Options::EMPTY }
}

/// A connection on which both options were agreed; the peer's clock stood at `value`.
struct Scene {
    lone: Lone,
    peer: Peer,
    /// What we stamped last.
    ours: u32,
}

impl Scene {
    fn new(family: Family, value: u32) -> Self {
        // A wide window from the start, so that ACKs may wait.
        let overcommit = |setup: &mut HostSetup| setup.config.policy = AllocationPolicy::Overcommit;
        let mut lone = Lone::with(Kind::Full, family, overcommit);
        let mut syn = lone.syn(1);
        let offer = Options { mss: Some(MSS), sack_permitted: true, ..stamps(value, 0) };
        syn.options = options(&offer);
        let answers = lone.feed(&syn);
        let [answer] = answers[..] else { panic!("{answers:?}") };
        let echoed = answer.stamps.expect("timestamps in the SYN-ACK");
        assert_eq!(echoed.echo, value);
        assert!(answer.sack_permitted);
        let mut ack = syn.clone();
        (ack.seq, ack.ack, ack.flags) = (syn.seq + 1, answer.seq + 1, ACK);
        ack.options = options(&stamps(value, echoed.value));
        assert!(lone.feed(&ack).is_empty());
        let handle = lone.accept().expect("a connection");
        let (at, host, seq) = (syn.source, syn.destination, ack.seq);
        let peer = Peer { handle, at, host, seq, ack: ack.ack, window: syn.window };
        Self { lone, peer, ours: echoed.value }
    }

    /// A segment `ahead` octets ahead of what we expect, stamped `value`.
    fn segment(&self, ahead: u32, len: usize, value: u32) -> Tcp {
        let mut segment = self.peer.segment(ACK, &vec![7; len]);
        segment.seq = self.peer.seq + ahead;
        segment.options = options(&stamps(value, self.ours));
        segment
    }

    fn feed(&mut self, ahead: u32, len: usize, value: u32) -> Vec<Seen> {
        let segment = self.segment(ahead, len, value);
        self.lone.feed(&segment)
    }

    fn dropped(&self, reason: DropReason) -> usize {
        self.lone.host.counters().drops.of(reason)
    }

    /// The blocks of the one ACK, relative to what we expect at first.
    fn blocks(&self, answers: &[Seen], base: SeqNum) -> Vec<(u32, u32)> {
        let [answer] = answers[..] else { panic!("{answers:?}: not one ACK") };
        let relative = |block: SackBlock| (block.left.since(base), block.right.since(base));
        answer.sack.iter().flatten().copied().map(relative).collect()
    }

    fn done(mut self) {
        self.lone.drain(&[self.peer]);
    }
}

#[test]
fn options_are_offered_and_only_answered_where_the_peer_offers_them() {
    let mut lone = Lone::new(Kind::Full, Family::V4);
    let answers = lone.feed(&lone.syn(1));
    assert!(answers[0].stamps.is_none() && !answers[0].sack_permitted, "{}", answers[0]);
    let peer = lone.syn_sent(1);
    let mut answer = peer.segment(Flags::SYN | ACK, b"");
    answer.options = options(&stamps(77, 0));
    let answers = lone.feed(&answer);
    let echoed = answers[0].stamps.expect("agreed");
    assert_eq!((echoed.echo, answers[0].sack_permitted), (77, false));
    lone.drain(&[peer]);

    let mut small = Lone::new(Kind::Small, Family::V4);
    let mut syn = small.syn(1);
    syn.options = options(&Options { sack_permitted: true, ..stamps(1, 0) });
    let answers = small.feed(&syn);
    assert!(answers[0].stamps.is_none() && !answers[0].sack_permitted, "{}", answers[0]);
}

#[test]
fn every_segment_is_stamped_and_text_makes_room_for_it() {
    let mut scene = Scene::new(Family::V4, 500);
    let handle = scene.peer.handle;
    scene.lone.now = scene.lone.now + Duration::from_micros(1 << 20);
    let _ = scene.lone.host.write(handle, &[1; 3 * MSS as usize]);
    let sent = scene.lone.sent();
    assert!(sent.iter().all(|one| one.text == u32::from(MSS) - 12), "{sent:?}");
    for one in &sent {
        let stamped = one.stamps.expect("timestamps");
        assert_eq!((stamped.value, stamped.echo), (scene.ours.wrapping_add(1024), 500), "{one}");
    }
    scene.lone.host.abort(handle);
    let sent = scene.lone.sent();
    assert!(sent[0].has(Flags::RST) && sent[0].stamps.is_some(), "{}", sent[0]);
    scene.done();
}

#[test]
fn another_connection_has_another_clock() {
    let [first, second] = [1, 2].map(|number| {
        let mut lone = Lone::new(Kind::Full, Family::V4);
        let mut syn = lone.syn(number);
        syn.options = options(&stamps(1, 0));
        lone.feed(&syn)[0].stamps.expect("agreed").value
    });
    assert_ne!(first, second);
}

#[test]
fn sec_47_what_is_older_is_acknowledged_and_dropped() {
    for family in [Family::V4, Family::V6] {
        let start = u32::MAX - 1;
        let mut scene = Scene::new(family, start);
        assert!(scene.feed(0, 10, start.wrapping_add(5)).is_empty(), "delayed");
        scene.peer.seq = scene.peer.seq + 10;
        for old in [2, start, start.wrapping_sub(1000), 3_u32.wrapping_add(u32::MAX / 2 + 1)] {
            let before = scene.dropped(DropReason::OldTimestamp);
            let answers = scene.feed(0, 10, old);
            assert_eq!(answers.len(), 1, "{old}");
            assert_eq!(answers[0].ack, scene.peer.seq, "{old}");
            assert_eq!(scene.dropped(DropReason::OldTimestamp), before + 1, "{old}");
        }
        assert_eq!(scene.lone.host.readable(scene.peer.handle), 10);
        // A reset is heard whatever it is stamped with.
        let mut reset = scene.peer.segment(Flags::RST, b"");
        reset.options = options(&stamps(0, 0));
        scene.lone.feed(&reset);
        assert!(scene.lone.host.close_reason(scene.peer.handle).is_some());
        scene.done();
    }
}

#[test]
fn a_segment_without_the_agreed_stamp_is_dropped_in_silence() {
    let mut scene = Scene::new(Family::V4, 9);
    let segment = scene.peer.segment(ACK, b"abc");
    assert!(scene.lone.feed(&segment).is_empty());
    assert_eq!(scene.dropped(DropReason::NoTimestamp), 1);
    assert!(scene.lone.host.state(scene.peer.handle).is_synchronized(), "and nothing else");
    scene.done();
}

#[test]
fn sec_47_after_24_days_of_silence_an_old_stamp_says_nothing() {
    for (silence, taken) in
        [(23, false), (25, true), (26, true), (51, true), (60, true), (75, true), (100, true)]
    {
        let mut scene = Scene::new(Family::V4, 1_000_000);
        scene.lone.pass(Duration::from_micros(silence * DAY.micros()));
        scene.feed(0, 10, 999);
        assert_eq!(scene.lone.host.readable(scene.peer.handle) == 10, taken, "{silence} days");
        scene.done();
    }
    // And it is forgotten, whatever comes first: what follows is compared with the new one.
    for (ahead, len) in [(0, 10), (0, 0), (10, 0), (10, 10)] {
        let mut scene = Scene::new(Family::V4, 1_000_000);
        scene.lone.pass(Duration::from_micros(25 * DAY.micros()));
        scene.feed(ahead, len, 999);
        scene.feed(0, 10, 1_000);
        assert!(scene.lone.host.readable(scene.peer.handle) >= 10, "{ahead} {len}");
        assert_eq!(scene.dropped(DropReason::OldTimestamp), 0, "{ahead} {len}");
        scene.feed(0, 10, 998);
        assert_eq!(scene.dropped(DropReason::OldTimestamp), 1, "{ahead} {len}");
        scene.done();
    }
}

#[test]
fn the_echo_is_that_of_the_segment_which_the_last_ack_waited_for() {
    let mut scene = Scene::new(Family::V4, 100);
    let len = usize::from(MSS);
    // RFC 7323 §4.3: of two segments under one ACK it is the earlier, so that the delay counts.
    assert!(scene.feed(0, 10, 110).is_empty());
    assert!(scene.feed(10, 10, 120).is_empty());
    let passed = scene.lone.pass(Duration::from_millis(500));
    assert_eq!(passed[0].1.stamps.unwrap().echo, 110);
    // Of what comes behind a hole none, until the hole is filled.
    let early = scene.feed(20 + len as u32, len, 130);
    assert_eq!(early[0].stamps.unwrap().echo, 110);
    let filled = scene.feed(20, len, 125);
    assert_eq!(filled[0].stamps.unwrap().echo, 125);
    scene.done();
}

#[test]
fn an_echo_measures_even_what_was_sent_twice() {
    let mut scene = Scene::new(Family::V4, 100);
    let handle = scene.peer.handle;
    let _ = scene.lone.host.write(handle, b"lost");
    let sent = scene.lone.pass(Duration::from_secs(2));
    assert!(sent.len() >= 2, "sent again: {sent:?}");
    let backoff = scene.lone.host.info(handle).backoff;
    assert!(backoff > 0);
    let (at, last) = sent[sent.len() - 1];
    scene.ours = last.stamps.unwrap().value;
    scene.peer.ack = last.end();
    scene.lone.now = scene.lone.now + Duration::from_millis(50);
    let expected = scene.lone.now.since(at);
    scene.feed(0, 0, 101);
    let info = scene.lone.host.info(handle);
    assert_eq!(info.backoff, 0, "Karn's rule is not needed");
    let srtt = info.srtt.unwrap();
    assert!(srtt < expected + Duration::from_millis(2), "{srtt:?} of {expected:?}");
    scene.done();
}

/// RFC 6675 §2. Linux tells a wider window with every duplicate that carries blocks.
#[test]
fn duplicates_that_tell_of_a_hole_count_whatever_their_window() {
    for (with_blocks, resent) in [(true, 1), (false, 0)] {
        let mut scene = Scene::new(Family::V4, 1);
        let _ = scene.lone.host.write(scene.peer.handle, &[1; 4 * MSS as usize]);
        let first = scene.lone.sent()[0];
        for number in 1..=3 {
            let mut duplicate = scene.segment(0, 0, 1);
            duplicate.window -= 3 - number;
            let mut told = stamps(1, scene.ours);
            if with_blocks {
                let left = first.seq + first.text;
                let right = left + first.text * u32::from(number);
                told.sack.push(SackBlock { left, right }).expect("room for one");
            }
            duplicate.options = options(&told);
            let answers = scene.lone.feed(&duplicate);
            let again = answers.iter().filter(|one| one.seq == first.seq && one.text > 0).count();
            assert_eq!(again, if number == 3 { resent } else { 0 }, "{number}: {answers:?}");
        }
        assert_eq!(scene.lone.host.counters().fast_retransmits, resent);
        scene.done();
    }
}

#[test]
fn a_lost_syn_costs_the_window_but_not_the_echo() {
    for passive in [false, true] {
        let mut lone = Lone::new(Kind::Full, Family::V4);
        let round_trip = Duration::from_micros(50 << 10);
        let handle = if passive {
            let mut syn = lone.syn(1);
            syn.options = options(&Options { mss: Some(MSS), ..stamps(5, 0) });
            lone.feed(&syn);
            let again = lone.pass(Duration::from_millis(1500))[0].1;
            lone.now = lone.now + round_trip;
            let mut ack = syn.clone();
            (ack.seq, ack.ack, ack.flags) = (syn.seq + 1, again.seq + 1, ACK);
            ack.options = options(&stamps(6, again.stamps.unwrap().value));
            lone.feed(&ack);
            lone.accept().expect("a connection")
        } else {
            let peer = lone.syn_sent(1);
            let again = lone.pass(Duration::from_millis(1500))[0].1;
            lone.now = lone.now + round_trip;
            let mut answer = peer.segment(Flags::SYN | ACK, b"");
            let echo = stamps(6, again.stamps.unwrap().value);
            answer.options = options(&Options { mss: Some(MSS), ..echo });
            lone.feed(&answer);
            peer.handle
        };
        // The retransmission left after a second, half a second before this test went on.
        let info = lone.host.info(handle);
        let srtt = info.srtt.expect("measured by the echo").millis();
        assert!((548..=552).contains(&srtt), "{srtt} ms, passive: {passive}");
        assert!(info.rto < Duration::from_secs(3), "RFC 6298 §5.7 is for those without a sample");
        // RFC 5681 §3.1: one segment, no more.
        assert_eq!(info.cwnd, u32::from(info.snd_mss), "passive: {passive}");
    }
}

#[test]
fn an_echo_measures_nothing_where_the_segment_arrived_twice() {
    for twice in [false, true] {
        let mut scene = Scene::new(Family::V4, 100);
        let handle = scene.peer.handle;
        let _ = scene.lone.host.write(handle, b"lost");
        let before = scene.lone.host.info(handle).srtt;
        let sent = scene.lone.pass(Duration::from_secs(4));
        assert!(sent.len() >= 3, "{sent:?}");
        // The first retransmission arrived and its ACK was lost; this answers the second.
        scene.ours = sent[1].1.stamps.unwrap().value;
        let first = sent[0].1;
        scene.peer.ack = first.end();
        let mut ack = scene.segment(0, 0, 101);
        if twice {
            let block = SackBlock { left: first.seq, right: first.end() };
            let mut told = stamps(101, scene.ours);
            told.sack.push(block).expect("room");
            ack.options = options(&told);
        }
        scene.lone.feed(&ack);
        let info = scene.lone.host.info(handle);
        assert_eq!(info.srtt == before, twice, "{:?} {before:?}", info.srtt);
        assert_eq!(info.backoff > 0, twice, "Karn's rule holds where nothing was measured");
        scene.done();
    }
}

#[test]
fn the_block_that_grew_last_comes_first() {
    let mut scene = Scene::new(Family::V4, 1);
    let base = scene.peer.seq;
    // (ahead, octets, blocks in order)
    type Row = (u32, usize, &'static [(u32, u32)]);
    let table: &[Row] = &[
        (100, 50, &[(100, 150)]),
        (300, 50, &[(300, 350), (100, 150)]),
        (150, 50, &[(100, 200), (300, 350)]),
        (500, 50, &[(500, 550), (100, 200), (300, 350)]),
        (700, 50, &[(700, 750), (500, 550), (100, 200)]),
        (350, 50, &[(300, 400), (700, 750), (500, 550)]),
        (400, 100, &[(300, 550), (700, 750), (100, 200)]),
    ];
    for (ahead, octets, expected) in table {
        let answers = scene.feed(*ahead, *octets, 1);
        assert_eq!(scene.blocks(&answers, base), *expected, "{ahead}");
        assert_eq!(answers[0].ack, base);
    }
    let answers = scene.feed(0, 100, 1);
    assert_eq!(answers[0].ack, base + 200);
    assert_eq!(scene.blocks(&answers, base), [(300, 550), (700, 750)]);
    scene.done();
}

#[test]
fn what_comes_twice_is_told_once() {
    let mut scene = Scene::new(Family::V4, 1);
    let base = scene.peer.seq;
    scene.feed(0, 100, 1);
    scene.lone.pass(Duration::from_millis(500));
    // Below the acknowledgement, wholly and in part (RFC 2883 §4.1).
    let answers = scene.feed(20, 50, 1);
    assert_eq!(scene.blocks(&answers, base), [(20, 70)]);
    // Above it: the block that it is part of follows (§4.2).
    scene.feed(200, 100, 1);
    let answers = scene.feed(220, 50, 1);
    assert_eq!(scene.blocks(&answers, base), [(220, 270), (200, 300)]);
    let answers = scene.feed(400, 10, 1);
    assert_eq!(scene.blocks(&answers, base), [(400, 410), (200, 300)], "only once");
    let answers = scene.feed(80, 40, 1);
    assert_eq!(answers[0].ack, base + 120);
    assert_eq!(scene.blocks(&answers, base), [(80, 100), (400, 410), (200, 300)]);
    scene.done();
}

#[test]
fn a_duplicate_is_reported_at_once_and_the_first_run_of_it() {
    let mut scene = Scene::new(Family::V4, 1);
    let base = scene.peer.seq;
    scene.feed(0, 100, 1);
    scene.lone.pass(Duration::from_millis(500));
    // RFC 2883 §4: in order, old in part, and nothing behind a hole: its ACK does not wait.
    let answers = scene.feed(50, 100, 1);
    assert_eq!(answers.len(), 1);
    assert_eq!((answers[0].ack, scene.blocks(&answers, base)), (base + 150, vec![(50, 100)]));
    // Of several duplicate runs the first in sequence, whichever range grew last.
    for from in [400, 300, 500] {
        assert_eq!(scene.feed(from, 50, 1).len(), 1, "{from}");
    }
    let answers = scene.feed(280, 300, 1);
    assert_eq!(scene.blocks(&answers, base), [(300, 350), (280, 580)]);
    let answers = scene.feed(140, 200, 1);
    assert_eq!((answers[0].ack, scene.blocks(&answers, base)), (base + 580, vec![(140, 150)]));
    scene.done();
}

#[test]
fn a_fin_that_comes_early_is_kept() {
    for (with_text, block) in [(true, (100, 151)), (false, (100, 150))] {
        let mut scene = Scene::new(Family::V6, 1);
        let base = scene.peer.seq;
        let mut fin = scene.segment(100, 50, 1);
        if with_text {
            fin.flags = ACK | Flags::FIN;
            let answers = scene.lone.feed(&fin);
            assert_eq!(scene.blocks(&answers, base), [block]);
        } else {
            assert_eq!(scene.lone.feed(&fin).len(), 1);
            let mut fin = scene.segment(150, 0, 1);
            fin.flags = ACK | Flags::FIN;
            let answers = scene.lone.feed(&fin);
            assert_eq!(scene.blocks(&answers, base), [(100, 151)]);
        }
        let answers = scene.feed(0, 100, 1);
        assert_eq!(answers[0].ack, base + 151, "all of it and the FIN");
        let mut buffer = [0; 200];
        assert_eq!(scene.lone.host.read(scene.peer.handle, &mut buffer), Ok(150));
        assert_eq!(scene.lone.host.read(scene.peer.handle, &mut buffer), Ok(0), "the end");
        scene.done();
    }
}

#[test]
fn beside_text_there_are_as_many_blocks_as_fit() {
    let mut scene = Scene::new(Family::V4, 1);
    let handle = scene.peer.handle;
    for ahead in [100, 300, 500, 700] {
        scene.feed(ahead, 50, 1);
    }
    let room = u32::from(MSS) - 12;
    for (octets, blocks) in [(10, 3), (room - 28, 3), (room - 27, 2), (room, 0)] {
        let _ = scene.lone.host.write(handle, &vec![1; octets as usize]);
        let sent = scene.lone.sent();
        assert_eq!(sent[0].text, octets, "{}", sent[0]);
        assert_eq!(sent[0].sack.iter().flatten().count(), blocks, "{}", sent[0]);
        scene.peer.ack = sent[0].end();
        scene.ours = sent[0].stamps.unwrap().value;
        scene.feed(0, 0, 1);
    }
    scene.done();
}

#[test]
fn a_new_connection_takes_over_from_time_wait_by_its_stamp() {
    // (stamp of the SYN, its number beyond the last, whether it is a new connection)
    for (stamp, ahead, new) in
        [(51, -1000_i64, true), (50, 10, true), (50, -10, false), (49, 1000, false)]
    {
        let mut scene = Scene::new(Family::V4, 50);
        let handle = scene.peer.handle;
        scene.lone.host.close(handle);
        let fin = scene.lone.sent()[0];
        scene.peer.ack = fin.end();
        let mut segment = scene.segment(0, 0, 50);
        segment.flags = ACK | Flags::FIN;
        assert_eq!(scene.lone.feed(&segment).len(), 1);
        scene.lone.host.release(handle);
        scene.lone.pass(Duration::from_millis(1));
        assert_eq!(scene.lone.host.usage().time_wait, 1);
        let last = scene.peer.seq + 1;
        let mut syn = scene.lone.syn(1);
        syn.seq = last + (ahead as u32);
        syn.options = options(&Options { mss: Some(MSS), ..stamps(stamp, 0) });
        let answers = scene.lone.feed(&syn);
        assert_eq!(answers[0].has(Flags::SYN), new, "{stamp} {ahead}: {}", answers[0]);
        assert!(answers[0].has(ACK), "{}", answers[0]);
        assert_eq!(scene.lone.host.usage().time_wait, usize::from(!new), "{stamp} {ahead}");
    }
}

#[test]
fn sec_47_what_is_rejected_leaves_no_stamp_behind() {
    type Change = fn(&mut Tcp);
    let changes: [(&str, Change); 8] = [
        ("beyond the window", |one| one.seq = one.seq + 1_000_000),
        ("at its edge", |one| one.seq = one.seq + 65_535),
        ("long acknowledged", |one| one.seq = one.seq - 500),
        ("of what was never sent", |one| one.ack = one.ack + 1000),
        ("acknowledges long ago", |one| one.ack = one.ack - 1_000_000),
        ("a SYN", |one| one.flags = Flags::SYN),
        ("nothing set", |one| one.flags = Flags::NONE),
        ("a reset that is not exact", |one| {
            (one.flags, one.seq) = (Flags::RST, one.seq + 1);
        }),
    ];
    for family in Family::BOTH {
        for (what, change) in changes {
            for len in [0, 10, 499] {
                let mut scene = Scene::new(family, 100);
                assert!(scene.feed(0, 10, 101).is_empty());
                scene.lone.pass(Duration::from_millis(500));
                scene.peer.seq = scene.peer.seq + 10;
                let mut lie = scene.segment(0, len, 100_000);
                change(&mut lie);
                scene.lone.feed(&lie);
                // The peer's own stamps are not old all of a sudden.
                let old = scene.dropped(DropReason::OldTimestamp);
                assert_eq!(scene.feed(0, 1200, 102).last().map(|one| one.ack), None);
                let told = scene.lone.pass(Duration::from_millis(500));
                let echo = told[0].1.stamps.map(|stamps| stamps.echo);
                assert_eq!(echo, Some(102), "{what}, {len} octets");
                assert_eq!(scene.dropped(DropReason::OldTimestamp), old, "{what}");
                assert_eq!(scene.lone.host.readable(scene.peer.handle), 1210, "{what}");
                scene.done();
            }
        }
    }
}

/// How often each bit is set, in thousandths.
fn shares(numbers: &[u32], bits: u32) -> Vec<usize> {
    let of = |bit| numbers.iter().filter(|number| **number >> bit & 1 == 1).count();
    (0..bits).map(|bit| of(bit) * 1000 / numbers.len()).collect()
}

/// Ports and stamps of connections that a host with this secret opens, one after the other.
fn opened(kind: Kind, family: Family, secret: u64, count: u32) -> (Vec<u32>, Vec<u32>) {
    let setup = Setup::new(1).profiles([kind; 2]);
    let mut host = make(&setup.hosts[LEFT], secret);
    let mut now = Instant::from_millis(1);
    let (mut ports, mut offsets) = (Vec::new(), Vec::new());
    let mut buffer = [0; 1500];
    for number in 0..count {
        now = now + Duration::from_micros(1000);
        let to = SocketAddr::new(address(RIGHT, family), 1 + (number % 100) as u16);
        let handle = host.connect(now, to, &ConnectConfig::new()).expect("a slot");
        let len = host.transmit(now, &mut buffer).expect("a SYN");
        let syn = Seen::in_packet(&buffer[..len]).expect("a segment");
        ports.push(u32::from(syn.source.port()));
        let ticks = (now.micros() >> 10) as u32;
        offsets.extend(syn.stamps.map(|stamps| stamps.value.wrapping_sub(ticks)));
        host.abort(handle);
        host.release(handle);
    }
    (ports, offsets)
}

#[test]
fn sec_46_ports_and_clocks_tell_nothing_of_each_other() {
    const COUNT: u32 = 4000;
    for kind in [Kind::Full, Kind::Small] {
        for family in Family::BOTH {
            let (ports, offsets) = opened(kind, family, 1, COUNT);
            // RFC 6056 §3.2: the whole range of RFC 6335, each bit as likely as not.
            assert!(ports.iter().all(|port| (49_152..=65_535).contains(port)));
            let even = |share: &usize| (450..=550).contains(share);
            assert!(shares(&ports, 14).iter().all(even), "{:?}", shares(&ports, 14));
            let steps: Vec<_> = ports.windows(2).map(|two| two[1].wrapping_sub(two[0])).collect();
            assert!(shares(&steps, 14).iter().all(even), "steps {:?}", shares(&steps, 14));
            // Keyed: another secret takes other ports.
            let (others, other_offsets) = opened(kind, family, 2, COUNT);
            let same = ports.iter().zip(&others).filter(|(one, other)| one == other).count();
            assert!(same < 10, "{same} of {COUNT} ports are the same");
            // RFC 7323 §7.1: every connection has a clock of its own.
            assert_eq!(offsets.len(), if kind == Kind::Full { COUNT as usize } else { 0 });
            assert!(kind == Kind::Small || shares(&offsets, 32).iter().all(even));
            let distinct = offsets.iter().chain(&other_offsets).collect::<BTreeSet<_>>().len();
            assert!(distinct + 20 > offsets.len() * 2, "{distinct}");
        }
    }
    // The same connection opened again has the same one: what is old looks old.
    let offset = |at| {
        let mut host = make(&Setup::new(1).hosts[LEFT], 1);
        let to = SocketAddr::new(address(RIGHT, Family::V4), 7);
        let config = ConnectConfig { local_port: Some(50_000), ..ConnectConfig::new() };
        host.connect(at, to, &config).expect("a slot");
        let mut buffer = [0; 1500];
        let len = host.transmit(at, &mut buffer).expect("a SYN");
        let syn = Seen::in_packet(&buffer[..len]).expect("a segment");
        syn.stamps.expect("offered").value.wrapping_sub((at.micros() >> 10) as u32)
    };
    assert_eq!(offset(Instant::from_millis(1)), offset(Instant::from_millis(86_400_000)));
}

#[test]
fn sec_48_segments_that_hit_time_wait() {
    for (kind, family, released) in [Kind::Full, Kind::Small]
        .into_iter()
        .flat_map(|kind| Family::BOTH.map(|family| (kind, family)))
        .flat_map(|(kind, family)| [(kind, family, false), (kind, family, true)])
    {
        let scene = || {
            let mut lone = Lone::new(kind, family);
            let mut peer = lone.passive(1);
            lone.host.close(peer.handle);
            peer.ack = lone.sent()[0].end();
            assert_eq!(lone.feed(&peer.segment(ACK | Flags::FIN, b"")).len(), 1);
            peer.seq = peer.seq + 1;
            if released {
                lone.host.release(peer.handle);
                assert_eq!(lone.host.usage().time_wait, 1);
            }
            (lone, peer)
        };
        let lasts = |lone: &mut Lone, peer: &Peer| match released {
            true => lone.host.usage().time_wait == 1,
            false => lone.host.state(peer.handle) == State::TimeWait,
        };
        // RFC 1337: no reset whatever its number, and 2 MSL are neither shorter nor longer.
        let (mut lone, peer) = scene();
        lone.pass(Duration::from_secs(59));
        for ahead in [0, 1, 100, u32::MAX] {
            let mut reset = peer.segment(Flags::RST, b"");
            reset.seq = peer.seq + ahead;
            assert!(lone.feed(&reset).is_empty(), "{kind:?} {released} {ahead}");
            assert!(lasts(&mut lone, &peer), "{kind:?} {released} {ahead}");
        }
        lone.pass(Duration::from_secs(2));
        assert!(released || lone.host.state(peer.handle) == State::Closed);
        assert_eq!(lone.host.usage().time_wait, 0);
        // Old data and an old SYN are acknowledged, and nothing is delivered.
        let (mut lone, peer) = scene();
        for (flags, back, text) in
            [(ACK, 20, &b"old"[..]), (ACK, 1, b"x"), (Flags::SYN, 1000, b""), (Flags::SYN, 1, b"")]
        {
            let mut old = peer.segment(flags, text);
            old.seq = peer.seq - back;
            let answers = lone.feed(&old);
            let [answer] = answers[..] else { panic!("{answers:?} to {flags:?}") };
            assert_eq!((answer.flags, answer.seq), (ACK, peer.ack), "{answer}");
            assert_eq!(answer.ack, peer.seq, "{answer}");
            assert!(lasts(&mut lone, &peer), "{kind:?} {released} {flags:?}");
        }
        // A newer SYN reopens, or is acknowledged where the user still holds what was.
        let mut new = lone.syn(1);
        new.seq = peer.seq + 1;
        let answers = lone.feed(&new);
        let [answer] = answers[..] else { panic!("{answers:?}") };
        assert_eq!(answer.has(Flags::SYN), released, "{answer}");
        assert_eq!(answer.ack, if released { new.seq + 1 } else { peer.seq }, "{answer}");
        assert!(released || lasts(&mut lone, &peer));
        lone.drain(if released { &[] } else { std::slice::from_ref(&peer) });
    }
}
