//! Every timer of a connection, to the microsecond of virtual time: what is sent when, and when it
//! is given up.
#![cfg(all(feature = "ipv6", feature = "udp"))]

use std::net::SocketAddr;

use hikyaku::flow::FlowKey;
use hikyaku::seq::SeqNum;
use hikyaku::time::{Duration, Instant};
use hikyaku::trace::{Event, Observer};
use hikyaku::wire::tcp::Flags;
use hikyaku::{
    Capacity, CloseReason, Config, ConnectConfig, Full, Handle, Profile, Readiness, Secret, Stack,
    State, Storage, TcpHandle, Wake,
};
use hikyaku_testkit::forge::Tcp;
use hikyaku_testkit::host::{HostSetup, Kind};
use hikyaku_testkit::lone::{Lone, Peer};
use hikyaku_testkit::pair::{Family, LEFT, RIGHT, address};
use hikyaku_testkit::seen::Seen;

const A: Flags = Flags::ACK;
const SECOND: u64 = 1_000_000;
const TICK: Duration = Duration::from_micros(1);
const HOUR: Duration = Duration::from_secs(3600);
const FOREVER: Duration = Duration::from_micros(u64::MAX);
/// The first timeout after a round trip that took no time: SRTT is 1 µs, and `rto_min` counts in
/// place of the variation.
const RTO: u64 = 200_001;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A host of each profile.
fn each_with(change: impl Fn(&mut HostSetup), act: impl Fn(&mut Lone)) {
    for kind in [Kind::Full, Kind::Small] {
        act(&mut Lone::with(kind, Family::V4, &change));
    }
}

fn each(act: impl Fn(&mut Lone)) {
    each_with(|_| {}, act);
}

/// When each was sent, microseconds from `start` on.
fn times(sent: &[(Instant, Seen)], start: Instant) -> Vec<u64> {
    sent.iter().map(|(at, _)| at.since(start).micros()).collect()
}

/// The sums of timeouts that double from `first` to a minute.
fn doubling(first: u64, count: usize) -> Vec<u64> {
    let (mut wait, mut at) = (first, 0);
    let mut next = || {
        at += wait;
        wait = (2 * wait).min(60 * SECOND);
        at
    };
    (0..count).map(|_| next()).collect()
}

/// All that a connection is told now.
fn news(lone: &mut Lone, handle: TcpHandle) -> Readiness {
    let mut all = Readiness::NONE;
    while let Some((of, readiness)) = lone.host.next_event() {
        if of == Handle::Tcp(handle) {
            all |= readiness;
        }
    }
    all
}

/// Nothing has happened a microsecond before `at`; at `at` the connection is given up.
fn gives_up_at(lone: &mut Lone, peer: &Peer, at: Instant) {
    lone.pass(at.since(lone.now + TICK));
    assert_eq!(lone.host.close_reason(peer.handle), None, "too early");
    lone.pass(TICK);
    assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::TimedOut));
    assert_eq!(lone.host.counters().given_up, 1);
    assert!(lone.pass(HOUR).is_empty(), "silence follows");
}

#[test]
fn a_syn_is_repeated_for_three_minutes() {
    each(|lone| {
        let start = lone.now;
        let peer = lone.syn_sent(0);
        let sent = lone.pass(secs(179));
        assert_eq!(times(&sent, start), [1, 3, 7, 15, 31, 63, 123].map(|s| s * SECOND));
        assert!(sent.iter().all(|(_, one)| one.flags == Flags::SYN && one.seq + 1 == peer.ack));
        gives_up_at(lone, &peer, start + secs(180));
        lone.drain(&[peer]);
    });
}

#[test]
fn a_syn_ack_is_repeated_for_a_minute() {
    each(|lone| {
        let start = lone.now;
        let syn = lone.syn(0);
        assert_eq!(lone.feed(&syn).len(), 1);
        let sent = lone.pass(Duration::from_micros(63 * SECOND - 1));
        assert_eq!(times(&sent, start), [1, 3, 7, 15, 31].map(|s| s * SECOND));
        assert_eq!(lone.host.usage().half_open, 1);
        assert!(lone.pass(TICK).is_empty());
        assert_eq!(lone.host.usage().half_open, 0);
    });
}

#[test]
fn data_is_repeated_with_timeouts_up_to_a_minute() {
    let patience = secs(601);
    each_with(
        |setup| setup.config.connection.user_timeout = patience,
        |lone| {
            let peer = lone.passive(0);
            let start = lone.now;
            assert_eq!(lone.host.write(peer.handle, b"data"), Ok(4));
            let sent = lone.pass(secs(600));
            let expected = doubling(RTO, 17);
            assert_eq!(times(&sent[1..], start), expected);
            assert!(sent.iter().all(|(_, one)| (one.seq, one.text) == (peer.ack, 4)));
            assert_eq!(lone.host.counters().timeouts, 17);
            gives_up_at(lone, &peer, start + patience);
            lone.drain(&[peer]);
        },
    );
}

#[test]
fn data_after_a_lost_handshake_is_repeated_after_three_seconds() {
    each_with(
        |setup| setup.config.connection.user_timeout = secs(250),
        |lone| {
            let syn = lone.syn(0);
            lone.feed(&syn);
            assert_eq!(lone.pass(secs(1)).len(), 1, "the SYN-ACK again");
            let peer = lone.passive_with(&syn);
            let start = lone.now;
            assert_eq!(lone.host.write(peer.handle, b"data"), Ok(4));
            // RFC 6298 §5.7.
            let sent = lone.pass(secs(240));
            assert_eq!(times(&sent[1..], start), [3, 9, 21, 45, 93, 153, 213].map(|s| s * SECOND));
            gives_up_at(lone, &peer, start + secs(250));
            lone.drain(&[peer]);
        },
    );
}

#[test]
fn an_answer_starts_the_timer_and_the_patience_anew() {
    each(|lone| {
        let mut peer = lone.passive(0);
        assert_eq!(lone.host.write(peer.handle, &[1; 1072]), Ok(1072));
        assert_eq!(lone.sent().len(), 2);
        // RFC 6298 §5.3: the rest is timed from the last progress on.
        lone.pass(Duration::from_millis(150));
        peer.ack = peer.ack + 536;
        lone.feed(&peer.segment(A, b""));
        let start = lone.now;
        let rto = lone.host.info(peer.handle).rto.micros();
        assert!(rto > RTO, "a sample of 150 ms: {rto}");
        let sent = lone.pass(secs(119));
        let expected = doubling(rto, 9);
        assert_eq!(times(&sent, start), expected[..sent.len()]);
        assert!(sent.len() >= 8, "{}", sent.len());
        gives_up_at(lone, &peer, start + secs(120));
        lone.drain(&[peer]);
    });
}

#[test]
fn probes_back_off_to_a_minute_and_never_end_while_they_are_answered() {
    each(|lone| {
        let mut peer = lone.passive(0);
        peer.window = 0;
        let closed = peer.segment(A, b"");
        lone.feed(&closed);
        let start = lone.now;
        assert_eq!(lone.host.write(peer.handle, &[1; 3000]), Ok(3000));
        let mut sent = lone.pass(Duration::ZERO);
        while lone.now < start + HOUR {
            let at = lone.next_wake().expect("a probe");
            sent.extend(lone.pass(at.since(lone.now)));
            lone.feed(&closed);
        }
        assert_eq!(times(&sent, start), doubling(RTO, sent.len()));
        assert!(sent.iter().all(|(_, one)| (one.seq, one.text) == (peer.ack, 1)));
        let counters = lone.host.counters();
        assert_eq!((counters.window_probes, counters.timeouts), (sent.len(), 0));
        assert_eq!(counters.unanswered, 0, "each was answered");
        // The patience runs from the last answer.
        let last = lone.now;
        gives_up_at(lone, &peer, last + secs(120));
        lone.drain(&[peer]);
    });
}

#[test]
fn a_timeout_that_meets_a_closed_window_goes_on_as_a_probe() {
    each(|lone| {
        let mut peer = lone.passive(0);
        let start = lone.now;
        assert_eq!(lone.host.write(peer.handle, &[1; 1000]), Ok(1000));
        let sent = lone.pass(Duration::from_micros(RTO));
        assert_eq!(times(&sent, start), [0, RTO], "one timeout");
        let mut closed = peer.segment(A, b"");
        closed.window = 0;
        lone.feed(&closed);
        let start = lone.now;
        let mut sent = Vec::new();
        for _ in 0..6 {
            let at = lone.next_wake().expect("a timer");
            sent.extend(lone.pass(at.since(lone.now)));
            lone.feed(&closed);
        }
        assert_eq!(times(&sent, start), doubling(2 * RTO, 6));
        assert!(sent.iter().all(|(_, one)| (one.seq, one.text) == (peer.ack, 1)));
        // It opens: the rest is sent again at once, and the timeout is that of the path.
        peer.window = 65_535;
        let again = lone.feed(&peer.segment(A, b""));
        assert_eq!(again.first().map(|one| one.seq), Some(peer.ack));
        let open = lone.now;
        let sent = lone.pass(Duration::from_micros(RTO));
        assert_eq!(times(&sent, open).last(), Some(&RTO));
        lone.drain(&[peer]);
    });
}

#[test]
fn r1_is_told_once_after_three_retransmissions_in_vain() {
    // (whether it is a SYN, when the fourth timeout is due)
    for (is_syn, at) in [(true, 15 * SECOND), (false, 15 * RTO)] {
        each(|lone| {
            let peer = if is_syn { lone.syn_sent(0) } else { lone.passive(0) };
            if !is_syn {
                assert_eq!(lone.host.write(peer.handle, b"data"), Ok(4));
            }
            news(lone, peer.handle);
            lone.pass(Duration::from_micros(at - 1));
            assert_eq!(lone.host.counters().retransmissions, 3);
            assert_eq!(news(lone, peer.handle), Readiness::NONE);
            assert_eq!(lone.host.counters().unanswered, 0);
            lone.pass(TICK);
            assert_eq!(news(lone, peer.handle), Readiness::TROUBLED);
            assert_eq!(lone.host.counters().unanswered, 1);
            // RFC 9293 §3.8.3, SHLD-9: R2 is far away, and trouble is told once.
            lone.pass(secs(60));
            assert_eq!(news(lone, peer.handle), Readiness::NONE);
            assert_eq!(lone.host.close_reason(peer.handle), None);
            lone.drain(&[peer]);
        });
    }
}

/// Counts what R1 tells.
#[derive(Debug, Default)]
struct Troubles(Vec<(Instant, FlowKey)>);

impl Observer for Troubles {
    fn on_event(&mut self, now: Instant, event: &Event) {
        if let Event::Unanswered { flow } = event {
            self.0.push((now, *flow));
        }
    }
}

struct Observed;

impl Profile for Observed {
    type Recovery = <Full as Profile>::Recovery;
    type Congestion = <Full as Profile>::Congestion;
    type Reassembly = <Full as Profile>::Reassembly;
    type Stream = <Full as Profile>::Stream;
    type Tables = <Full as Profile>::Tables;
    type Observer = Troubles;
    type Waker = ();
    const ICMP_ECHO: bool = true;
    const KEEPALIVE: bool = true;
    const TIMESTAMPS: bool = true;
    const SACK: bool = true;
    const URGENT: bool = true;
    const COOKIES: bool = true;
}

#[test]
fn r1_is_told_to_the_observer() {
    let storage = Storage::<'static, Observed>::allocate(&Capacity::new());
    let secret = Secret::new([7; 16]).expect("not all zero");
    let mut stack = Stack::new(storage, &Config::new(), secret).expect("a good config");
    let us = address(LEFT, Family::V6);
    stack.add_address(us, 64).expect("room for an address");
    let start = Instant::from_millis(5);
    let remote = SocketAddr::new(address(RIGHT, Family::V6), 7);
    let handle = stack.connect(start, remote, &ConnectConfig::new()).expect("a slot");
    let local = stack.tcp(handle).expect("a live handle").local();
    let mut now = start;
    while let Wake::At(at) = {
        while stack.transmit(now, &mut [0; 1500]).is_some() {}
        stack.next_wake(now)
    } {
        now = at;
    }
    let flow = FlowKey::new(local, remote).expect("of one family");
    assert_eq!(stack.observer().0, [(start + secs(15), flow)]);
    assert_eq!(now, start + secs(180), "and then it is given up");
}

#[test]
fn r1_counts_anew_after_an_answer() {
    each(|lone| {
        let mut peer = lone.passive(0);
        for round in 1..4 {
            assert_eq!(lone.host.write(peer.handle, b"data"), Ok(4));
            lone.sent();
            news(lone, peer.handle);
            // The timeout stays backed off until something is measured (RFC 6298 §5.7, Karn), but
            // what is in vain is counted for what is outstanding now.
            let rto = lone.host.info(peer.handle).rto;
            let until = |times: u64| Duration::from_micros(rto.micros() * times - 1);
            lone.pass(until(7));
            assert_eq!(news(lone, peer.handle), Readiness::NONE, "round {round}");
            if round == 2 {
                lone.pass(Duration::from_micros(8 * rto.micros()));
                assert!(news(lone, peer.handle).is_none());
                lone.pass(TICK);
                assert_eq!(news(lone, peer.handle), Readiness::TROUBLED);
            }
            peer.ack = peer.ack + 4;
            lone.feed(&peer.segment(A, b""));
            assert_eq!(lone.host.counters().unanswered, usize::from(round >= 2));
        }
        lone.drain(&[peer]);
    });
}

/// Spans of 2³¹ µs and more are counted in steps of 2²⁰ µs, rounded up.
fn rounded(span: Duration) -> Duration {
    let micros = span.micros();
    if micros < 1 << 31 { span } else { Duration::from_micros(micros.div_ceil(1 << 20) << 20) }
}

#[test]
fn timeouts_of_hours_and_weeks_end() {
    for span in [Duration::from_micros((1 << 31) - 1), secs(4295), secs(7200), secs(30 * 86_400)] {
        for kind in [Kind::Full, Kind::Small, Kind::Tiny] {
            let chosen = |setup: &mut HostSetup| {
                setup.config.connection.user_timeout = span;
                setup.config.connection.connect_timeout = span;
            };
            let mut lone = Lone::with(kind, Family::V4, chosen);
            let client = lone.syn_sent(0);
            let end = lone.now + rounded(span);
            gives_up_at(&mut lone, &client, end);
            lone.drain(&[client]);
            let mut lone = Lone::with(kind, Family::V4, chosen);
            let peer = lone.passive(1);
            assert_eq!(lone.host.write(peer.handle, b"data"), Ok(4));
            let end = lone.now + rounded(span);
            gives_up_at(&mut lone, &peer, end);
            lone.drain(&[peer]);
        }
    }
}

#[test]
fn r2_is_the_users_to_choose() {
    for patience in [secs(1), secs(10), secs(100), secs(1000), secs(2000)] {
        each_with(
            |setup| {
                setup.config.connection.user_timeout = patience;
                setup.config.connection.connect_timeout = patience;
            },
            |lone| {
                let client = lone.syn_sent(0);
                gives_up_at(lone, &client, lone.now + patience);
                lone.drain(&[client]);
            },
        );
        each_with(
            |setup| setup.config.connection.user_timeout = patience,
            |lone| {
                let peer = lone.passive(1);
                assert_eq!(lone.host.write(peer.handle, b"data"), Ok(4));
                gives_up_at(lone, &peer, lone.now + patience);
                lone.drain(&[peer]);
            },
        );
    }
    // RFC 9293 §3.8.3, MUST-21: up to infinity. MUST-23, SHLD-11: what it is unless chosen.
    each_with(
        |setup| setup.config.connection.user_timeout = FOREVER,
        |lone| {
            let peer = lone.passive(0);
            assert_eq!(lone.host.write(peer.handle, b"data"), Ok(4));
            let sent = lone.pass(Duration::from_secs(24 * 3600));
            assert!(sent.len() > 1440, "{} in a day", sent.len());
            assert_eq!(lone.host.counters().unanswered, 1, "R1 is told, once, all the same");
            assert_eq!(lone.host.state(peer.handle), State::Established);
            lone.drain(&[peer]);
        },
    );
    let default = hikyaku::ConnectionConfig::new();
    assert!(default.user_timeout >= secs(100) && default.connect_timeout >= secs(180));
    assert_eq!(default.keepalive, None, "RFC 9293 §3.8.4, MUST-25");
}

#[test]
fn keepalives_are_asked_nine_times() {
    // Silence is measured in steps of 2²⁰ µs, and never found too early: 100 s are 96 of them.
    let silence = 96 << 20;
    let ask = |setup: &mut HostSetup| setup.config.connection.keepalive = Some(secs(100));
    let mut lone = Lone::with(Kind::Full, Family::V4, ask);
    let mut peer = lone.passive(0);
    let start = lone.now;
    let sent = lone.pass(secs(750));
    let expected: Vec<_> = (0..9).map(|nth| silence + nth * 75 * SECOND).collect();
    assert_eq!(times(&sent, start), expected);
    let asks = |one: &Seen| (one.seq + 1, one.text, one.flags) == (peer.ack, 0, A);
    assert!(sent.iter().all(|(_, one)| asks(one)));
    gives_up_at(&mut lone, &peer, start + Duration::from_micros(silence + 9 * 75 * SECOND));
    lone.drain(&[peer]);
    // An answer begins it anew, a tick of 1,024 µs more or less.
    peer = lone.passive(1);
    for round in 0..20 {
        let sent = lone.pass(Duration::from_micros(silence - 2048));
        assert!(sent.is_empty(), "round {round}: {sent:?}");
        assert_eq!(lone.pass(Duration::from_micros(2 * 2048)).len(), 1, "round {round}");
        lone.feed(&peer.segment(A, b""));
    }
    // RFC 9293 §3.8.4, MUST-26: not while something is outstanding.
    assert_eq!(lone.host.write(peer.handle, b"data"), Ok(4));
    let sent = lone.pass(secs(119));
    assert!(sent.iter().all(|(_, one)| one.text == 4), "{sent:?}");
    lone.drain(&[peer]);
    // `Small` leaves them out.
    let mut lone = Lone::with(Kind::Small, Family::V4, ask);
    let peer = lone.passive(0);
    assert!(lone.pass(HOUR).is_empty());
    lone.drain(&[peer]);
}

#[test]
fn only_an_orphan_ends_in_fin_wait_2() {
    each(|lone| {
        for is_orphan in [true, false] {
            let mut peer = lone.passive(u16::from(is_orphan));
            if is_orphan {
                lone.host.release(peer.handle);
            } else {
                lone.host.close(peer.handle);
            }
            assert!(lone.sent()[0].has(Flags::FIN));
            lone.pass(Duration::from_millis(50));
            peer.ack = peer.ack + 1;
            lone.feed(&peer.segment(A, b""));
            if is_orphan {
                assert_eq!(lone.next_wake(), Some(lone.now + secs(60)));
                lone.pass(Duration::from_micros(60 * SECOND - 1));
                assert_eq!(lone.host.usage().connections, 1);
                lone.pass(TICK);
                assert_eq!(lone.host.usage().connections, 0);
            } else {
                assert_eq!(lone.next_wake(), None);
                lone.pass(HOUR);
                assert_eq!(lone.host.state(peer.handle), State::FinWait2);
                lone.drain(&[peer]);
            }
        }
    });
}

/// Time passes, and whatever is sent gets this answer.
fn answer(lone: &mut Lone, with: &Tcp, end: Instant) {
    while let Some(at) = lone.next_wake().filter(|at| *at <= end) {
        if !lone.pass(at.since(lone.now)).is_empty() {
            lone.feed(with);
        }
    }
    lone.pass(end.since(lone.now));
}

#[test]
fn an_orphan_is_not_held_by_a_closed_window() {
    each(|lone| {
        let mut peer = lone.passive(0);
        assert_eq!(lone.host.write(peer.handle, &[1; 2000]), Ok(2000));
        lone.sent();
        peer.window = 0;
        let closed = peer.segment(A, b"");
        lone.feed(&closed);
        // Ten minutes of answered probes end nothing, while somebody holds the handle.
        let end = lone.now + secs(600);
        answer(lone, &closed, end);
        lone.feed(&closed);
        assert_eq!(lone.host.state(peer.handle), State::Established);
        lone.host.release(peer.handle);
        assert!(lone.sent().is_empty());
        let start = lone.now;
        answer(lone, &closed, start + secs(119));
        assert_eq!(lone.host.usage().connections, 1);
        answer(lone, &closed, start + secs(120));
        assert_eq!(lone.host.usage().connections, 0);
    });
}

/// The host has written two segments to a peer and let go of the handle; the peer tells a closed
/// window.
fn orphan(lone: &mut Lone, number: u16) -> Peer {
    let mut peer = lone.passive(number);
    assert_eq!(lone.host.write(peer.handle, &[1; 1000]), Ok(1000));
    lone.sent();
    lone.host.release(peer.handle);
    lone.sent();
    peer.window = 0;
    peer
}

/// The peer takes so many more bytes, a hundred seconds later or at `end`.
fn takes(lone: &mut Lone, peer: &mut Peer, octets: u32, end: Instant) {
    let later = (lone.now + secs(100)).min(end);
    answer(lone, &peer.segment(A, b""), later);
    peer.ack = peer.ack + octets;
    lone.feed(&peer.segment(A, b""));
}

#[test]
fn an_orphan_whose_peer_takes_a_byte_now_and_then_ends_at_its_deadline() {
    // (the setting, the deadline in steps of 2²⁰ µs)
    for (timeout, steps) in [(None, 573), (Some(secs(250)), 239), (Some(secs(100 * 3600)), 65_535)]
    {
        for kind in [Kind::Full, Kind::Small, Kind::Tiny] {
            let mut lone = Lone::with(kind, Family::V4, |setup| {
                let default = &mut setup.config.connection.orphan_timeout;
                *default = timeout.unwrap_or(*default);
            });
            let mut peer = orphan(&mut lone, 0);
            let end = lone.now + Duration::from_micros(steps << 20);
            while lone.now + TICK < end {
                assert_eq!(lone.host.usage().connections, 1, "{kind:?}");
                takes(&mut lone, &mut peer, 1, end - TICK);
            }
            let last = lone.pass(TICK);
            let reset = last.last().map(|(_, one)| (one.flags.intersects(Flags::RST), one.text));
            assert_eq!(reset, Some((true, 0)), "{kind:?}: the peer is told");
            assert_eq!(lone.host.usage().connections, 0, "{kind:?}");
            assert_eq!(lone.host.counters().given_up, 1, "{kind:?}");
            assert!(lone.pass(HOUR).is_empty(), "{kind:?}");
        }
    }
}

#[test]
fn an_orphan_whose_peer_is_silent_ends_with_a_reset_after_the_user_timeout() {
    for kind in [Kind::Full, Kind::Small, Kind::Tiny] {
        let mut lone = Lone::new(kind, Family::V4);
        orphan(&mut lone, 0);
        let sent = lone.pass(secs(119));
        let is_reset = |one: &Seen| one.flags.intersects(Flags::RST);
        assert!(!sent.iter().any(|(_, one)| is_reset(one)), "{kind:?}: {sent:?}");
        let sent = lone.pass(secs(2));
        assert!(sent.last().is_some_and(|(_, one)| is_reset(one)), "{kind:?}: {sent:?}");
        assert_eq!(lone.host.usage().connections, 0, "{kind:?}");
    }
}

/// A user call does not know the time: what it starts begins with the poll behind it.
#[test]
fn the_deadlines_of_an_orphan_begin_with_the_poll_behind_the_release() {
    for kind in [Kind::Full, Kind::Small, Kind::Tiny] {
        for writes in [true, false] {
            let mut lone = Lone::new(kind, Family::V4);
            let mut peer = lone.passive(0);
            if !writes {
                lone.host.close(peer.handle);
                lone.sent();
                peer.ack = peer.ack + 1;
                lone.feed(&peer.segment(A, b""));
            }
            // Nothing happens for two hours, then the user comes, and then a poll.
            lone.pass(HOUR + HOUR);
            if writes {
                assert_eq!(lone.host.write(peer.handle, b"last words"), Ok(10));
            }
            lone.host.release(peer.handle);
            let sent = lone.sent();
            let resets = |one: &Seen| one.flags.intersects(Flags::RST);
            assert!(!sent.iter().any(resets), "{kind:?}: {sent:?}");
            assert_eq!(lone.host.usage().connections, 1, "{kind:?}");
            if writes {
                assert_eq!(sent.iter().map(|one| one.text).sum::<u32>(), 10, "{kind:?}");
            } else {
                // FIN-WAIT-2 lasts for a minute.
                lone.pass(Duration::from_micros(60 * SECOND - 1));
                assert_eq!(lone.host.usage().connections, 1, "{kind:?}");
                lone.pass(TICK);
                assert_eq!(lone.host.usage().connections, 0, "{kind:?}");
            }
        }
    }
}

#[test]
fn an_orphan_whose_peer_takes_all_in_time_ends_gracefully() {
    for kind in [Kind::Full, Kind::Small, Kind::Tiny] {
        let mut lone = Lone::with(kind, Family::V4, |setup| setup.config.time_wait = secs(120));
        let mut peer = orphan(&mut lone, 0);
        let end = peer.ack + 1001;
        for _ in 0..5 {
            assert_eq!(lone.host.usage().connections, 1, "{kind:?}");
            let later = lone.now + secs(100);
            takes(&mut lone, &mut peer, 200, later);
        }
        peer.ack = end;
        peer.window = 1000;
        lone.feed(&peer.segment(A, b""));
        assert_eq!(lone.feed(&peer.segment(A | Flags::FIN, b"")).len(), 1, "{kind:?}");
        // TIME-WAIT lasts for 2·MSL, beyond the deadline of the orphan.
        lone.pass(Duration::from_micros(120 * SECOND - 1));
        assert_eq!(lone.host.usage().time_wait, 1, "{kind:?}");
        lone.pass(TICK);
        assert_eq!(lone.host.usage().time_wait, 0, "{kind:?}");
        assert_eq!(lone.host.counters().given_up, 0, "{kind:?}");
    }
}

/// Whether the host knows the connection: it resets segments of others.
fn knows(lone: &mut Lone, peer: &Peer) -> bool {
    !lone.feed(&peer.segment(A, b"")).iter().any(|one| one.flags.intersects(Flags::RST))
}

#[test]
fn the_oldest_orphan_gives_way_where_no_slot_is_free() {
    for kind in [Kind::Full, Kind::Small, Kind::Tiny] {
        let mut lone = Lone::with(kind, Family::V4, |setup| setup.capacity.connections = 4);
        let mut peers = Vec::new();
        // The order of release is neither that of the slots nor that of the handshakes.
        let opened: Vec<_> = (0..4).map(|number| lone.passive(number)).collect();
        for at in [2, 0, 3, 1] {
            lone.host.write(opened[at].handle, &[1; 1000]).expect("room");
            lone.host.release(opened[at].handle);
            lone.sent();
            peers.push(opened[at].clone());
            lone.pass(secs(1));
        }
        // The oldest is an orphan for four seconds: its data may be in flight. A sixteenth of the
        // 573 steps of 2²⁰ µs is 35.
        let remote = SocketAddr::new(lone.them, 80);
        let config = ConnectConfig::new();
        assert!(lone.host.connect(lone.now, remote, &config).is_err(), "{kind:?}");
        lone.pass(Duration::from_micros((35 << 20) - 4 * SECOND - 1));
        assert!(lone.host.connect(lone.now, remote, &config).is_err(), "{kind:?}");
        lone.pass(TICK);
        let client = lone.syn_sent(0);
        assert!(!knows(&mut lone, &peers[0]), "{kind:?}: the oldest is gone");
        assert!(peers[1..].iter().all(|peer| knows(&mut lone, peer)), "{kind:?}");
        // The next orphan gives way to a peer that connects, as soon as it is old enough.
        lone.pass(Duration::from_micros(SECOND - 1));
        let syn = lone.syn(8);
        lone.feed(&syn);
        assert!(peers[1..].iter().all(|peer| knows(&mut lone, peer)), "{kind:?}");
        lone.pass(secs(1));
        let server = lone.passive(9);
        assert_eq!(lone.host.state(server.handle), State::Established, "{kind:?}");
        assert!(!knows(&mut lone, &peers[1]), "{kind:?}: the next one is gone");
        assert!(peers[2..].iter().all(|peer| knows(&mut lone, peer)), "{kind:?}");
        lone.drain(&[client, server]);
    }
}

/// A connection that we have closed first, its handle released: TIME-WAIT in a record. The peer
/// goes on from behind its FIN.
fn ended(lone: &mut Lone, mut peer: Peer) -> Peer {
    lone.host.close(peer.handle);
    assert!(lone.sent()[0].has(Flags::FIN));
    peer.ack = peer.ack + 1;
    assert_eq!(lone.feed(&peer.segment(A | Flags::FIN, b"")).len(), 1);
    peer.seq = peer.seq + 1;
    assert_eq!(lone.host.state(peer.handle), State::TimeWait);
    lone.host.release(peer.handle);
    peer
}

fn in_time_wait(lone: &mut Lone, number: u16) -> Peer {
    let peer = lone.passive(number);
    ended(lone, peer)
}

/// Whether a peer's record is still there: what is out of the window is answered by an ACK then,
/// and by a reset else.
fn is_remembered(lone: &mut Lone, peer: &Peer) -> bool {
    let mut old = peer.segment(A, b"old");
    old.seq = peer.seq - 10;
    let answers = lone.feed(&old);
    assert_eq!(answers.len(), 1);
    answers[0].flags == A
}

#[test]
fn time_wait_ends_in_the_order_of_its_beginnings() {
    each(|lone| {
        let start = lone.now;
        let mut peers = Vec::new();
        for number in 0..4 {
            peers.push(in_time_wait(lone, number));
            lone.pass(secs(10));
        }
        // The first peer's FIN comes again: 2 MSL begin anew, behind all others.
        let mut fin = peers[0].segment(A | Flags::FIN, b"");
        fin.seq = fin.seq - 1;
        assert_eq!(lone.feed(&fin).len(), 1);
        for (left, end) in [(3, 70), (2, 80), (1, 90), (0, 100)] {
            let end = start + secs(end);
            assert_eq!(lone.next_wake(), Some(end));
            lone.pass(end.since(lone.now + TICK));
            assert_eq!(lone.host.usage().time_wait, left + 1);
            lone.pass(TICK);
            assert_eq!(lone.host.usage().time_wait, left);
        }
        assert_eq!(lone.next_wake(), None);
    });
}

#[test]
fn a_full_time_wait_forgets_the_oldest() {
    each_with(
        // Without records it is the slots of connections that are full.
        |setup| (setup.capacity.time_wait, setup.capacity.connections) = (2, 2),
        |lone| {
            let peers: Vec<_> = (0..4)
                .map(|number| {
                    lone.pass(secs(1));
                    in_time_wait(lone, number)
                })
                .collect();
            assert_eq!(lone.host.usage().time_wait, 2);
            let kept: Vec<_> = peers.iter().map(|peer| is_remembered(lone, peer)).collect();
            assert_eq!(kept, [false, false, true, true]);
            lone.pass(secs(60));
            assert_eq!(lone.host.usage().time_wait, 0);
        },
    );
}

#[test]
fn a_reset_does_not_cut_time_wait_short() {
    // RFC 1337 §2, with the handle released and without.
    for is_released in [true, false] {
        each(|lone| {
            let start = lone.now;
            let mut peer = lone.passive(0);
            if is_released {
                peer = ended(lone, peer);
            } else {
                lone.host.close(peer.handle);
                lone.sent();
                peer.ack = peer.ack + 1;
                lone.feed(&peer.segment(A | Flags::FIN, b""));
                peer.seq = peer.seq + 1;
            }
            for flags in [Flags::RST, Flags::RST | A] {
                for seq in [peer.seq, peer.seq + 1, peer.seq - 1] {
                    let mut reset = peer.segment(flags, b"");
                    reset.seq = seq;
                    assert!(lone.feed(&reset).is_empty());
                }
            }
            assert_eq!(lone.next_wake(), Some(start + secs(60)));
            assert!(is_remembered(lone, &peer));
            lone.pass(secs(60));
            if is_released {
                assert_eq!(lone.host.usage().time_wait, 0);
            } else {
                assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::Graceful));
                lone.drain(&[peer]);
            }
        });
    }
}

#[test]
fn who_waits_for_the_end_has_nothing_to_give_up() {
    // The user's timeout is shorter than the wait, and is about what is outstanding.
    let impatient = |setup: &mut HostSetup| setup.config.connection.user_timeout = secs(10);
    each_with(impatient, |lone| {
        for is_orphan in [false, true] {
            let mut peer = lone.passive(u16::from(is_orphan));
            if is_orphan {
                lone.host.release(peer.handle);
            } else {
                lone.host.close(peer.handle);
            }
            lone.sent();
            peer.ack = peer.ack + 1;
            let flags = if is_orphan { A } else { A | Flags::FIN };
            lone.feed(&peer.segment(flags, b""));
            peer.seq = peer.seq + u32::from(!is_orphan);
            let end = lone.now + secs(60);
            for window in [0, 1000, 0] {
                peer.window = window;
                lone.feed(&peer.segment(A, b""));
                assert_eq!(lone.next_wake(), Some(end));
            }
            lone.pass(secs(60));
            if is_orphan {
                assert_eq!(lone.host.usage().connections, 0);
            } else {
                assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::Graceful));
                lone.drain(&[peer]);
            }
            assert_eq!(lone.host.counters().given_up, 0);
        }
    });
}

#[test]
fn a_newer_syn_takes_the_place_of_time_wait() {
    each(|lone| {
        let mut peer = lone.passive(0);
        // More than the clock of initial numbers moves meanwhile: 250 octets a millisecond.
        for _ in 0..20 {
            assert_eq!(lone.host.write(peer.handle, &[1; 5000]), Ok(5000));
            while let Some(last) = lone.sent().last() {
                peer.ack = last.end();
                lone.host.receive(lone.now, &peer.segment(A, b"").packet());
            }
        }
        let peer = ended(lone, peer);
        // RFC 6191 §2 without timestamps: only a number beyond the last one is newer.
        for back in [0, 1, 1000, (1 << 31) - 1] {
            let mut syn = lone.syn(0);
            syn.seq = peer.seq - back;
            let answers = lone.feed(&syn);
            assert_eq!((answers[0].flags, answers[0].seq), (A, peer.ack), "{back}");
            assert_eq!((lone.host.usage().time_wait, lone.host.usage().half_open), (1, 0));
        }
        let mut syn = lone.syn(0);
        syn.seq = peer.seq + 1;
        let again = lone.passive_with(&syn);
        assert_eq!(lone.host.usage().time_wait, 0);
        // RFC 9293 §3.6.1, MAY-2 (1): ours are beyond those of the old connection as well.
        let iss: SeqNum = again.ack - 1;
        assert!(iss.after(peer.ack), "{iss:?} after {:?}", peer.ack);
        lone.drain(&[again]);
    });
}

#[test]
fn nobody_listening_a_newer_syn_leaves_time_wait_alone() {
    each(|lone| {
        let peer = lone.active(0);
        let end = lone.now + secs(60);
        let peer = ended(lone, peer);
        let mut syn = peer.segment(Flags::SYN, b"");
        syn.seq = peer.seq + 1000;
        let answers = lone.feed(&syn);
        assert_eq!((answers[0].flags, answers[0].seq), (A, peer.ack));
        assert_eq!(lone.next_wake(), Some(end));
        lone.pass(secs(60));
    });
}

#[test]
fn no_room_for_a_handshake_leaves_time_wait_alone() {
    let mut lone = Lone::with(Kind::Full, Family::V4, |setup| setup.capacity.half_open = 1);
    let end = lone.now + secs(60);
    let peer = in_time_wait(&mut lone, 0);
    let other = lone.syn(1);
    assert_eq!(lone.feed(&other).len(), 1, "its handshake takes the one record");
    let mut syn = lone.syn(0);
    syn.seq = peer.seq + 1;
    // Not even a cookie: its numbers could be those of the old connection.
    assert!(lone.feed(&syn).is_empty());
    assert_eq!(lone.host.usage().time_wait, 1);
    lone.pass(secs(40));
    assert!(is_remembered(&mut lone, &peer));
    lone.pass(end.since(lone.now));
    assert_eq!(lone.host.usage().time_wait, 0);
}

#[test]
fn in_the_slot_of_time_wait_there_is_always_room_for_its_newer_syn() {
    let mut lone = Lone::with(Kind::Small, Family::V4, |setup| setup.capacity.connections = 2);
    let peer = in_time_wait(&mut lone, 0);
    assert_eq!(lone.feed(&lone.syn(1)).len(), 1, "the other slot");
    let mut syn = lone.syn(0);
    syn.seq = peer.seq + 1;
    let answers = lone.feed(&syn);
    assert_eq!(answers[0].flags, A | Flags::SYN);
    assert!(answers[0].seq.after(peer.ack), "beyond the numbers of the old connection");
    let usage = lone.host.usage();
    assert_eq!((usage.connections, usage.half_open, usage.time_wait), (0, 2, 0));
}

#[test]
fn time_wait_keeps_its_slot_while_another_is_free() {
    let mut lone = Lone::with(Kind::Small, Family::V4, |setup| setup.capacity.connections = 3);
    let slots = |lone: &Lone| {
        let usage = lone.host.usage();
        (usage.connections, usage.half_open, usage.time_wait)
    };
    let old: Vec<_> = (0..2)
        .map(|number| {
            lone.pass(secs(1));
            in_time_wait(&mut lone, number)
        })
        .collect();
    lone.feed(&lone.syn(2));
    assert_eq!(slots(&lone), (0, 1, 2), "a third slot was free");
    // The oldest goes, and what was asked for by a connection of ours counts alike.
    let ours = lone.active(3);
    assert_eq!(slots(&lone), (1, 1, 1));
    assert!(is_remembered(&mut lone, &old[1]) && !is_remembered(&mut lone, &old[0]));
    lone.feed(&lone.syn(4));
    assert_eq!(slots(&lone), (1, 2, 0));
    // Nothing is left that gives way.
    assert!(lone.feed(&lone.syn(5)).is_empty());
    lone.drain(&[ours]);
}

/// RFC 6298 §3: what was sent again in part tells nothing of the round trip, wherever an
/// acknowledgement cuts it.
#[test]
fn a_segment_of_which_a_part_was_sent_again_is_not_measured() {
    for records in [1, 2, 64] {
        each_with(
            |host| host.capacity.records = records,
            |lone| {
                let peer = lone.passive(0);
                let srtt = |lone: &mut Lone, peer: &Peer| lone.host.info(peer.handle).srtt;
                let first = srtt(lone, &peer);
                let send = |lone: &mut Lone, octets: usize| {
                    assert_eq!(lone.host.write(peer.handle, &vec![7; octets]), Ok(octets));
                    lone.sent().iter().map(|one| one.text).collect::<Vec<_>>()
                };
                assert_eq!(send(lone, 5 * 536), [536; 5]);
                lone.pass(Duration::from_millis(100));
                // The window shrinks, so that no more than a part of the first segment goes again.
                let mut ack = peer.segment(A, b"");
                ack.window = 100;
                let again: Vec<_> = (0..4).flat_map(|_| lone.feed(&ack)).collect();
                assert_eq!(again.iter().map(|one| one.text).collect::<Vec<_>>(), [100]);
                ack.window = 60_000;
                for octets in [50, 50, 436, 3 * 536, 536] {
                    lone.pass(Duration::from_millis(10));
                    ack.ack = ack.ack + octets;
                    lone.feed(&ack);
                    assert_eq!(srtt(lone, &peer), first, "{records} records, {octets} bytes");
                }
                assert_eq!(lone.host.send_queue(peer.handle), 0);
                assert_eq!(send(lone, 536), [536]);
                lone.pass(Duration::from_millis(30));
                ack.ack = ack.ack + 536;
                lone.feed(&ack);
                assert!(srtt(lone, &peer) > first, "what is sent once is measured");
            },
        );
    }
}
