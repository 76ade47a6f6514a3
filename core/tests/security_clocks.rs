//! Time: clocks that wrap, jump, stand still and step back; round trips of nothing and of ages;
//! peers that fall silent; loss that ends. The numbers are those of the list of security cases.
#![cfg(all(feature = "ipv6", feature = "udp"))]

use hikyaku::counters::DropReason;
use hikyaku::time::{Duration, Instant};
use hikyaku::wire::tcp::Flags;
use hikyaku::wire::tcp_options::{Options, Timestamps};
use hikyaku::{AllocationPolicy, CloseReason, Handle, State};
use hikyaku_testkit::applications::Script;
use hikyaku_testkit::forge::{self, Tcp};
use hikyaku_testkit::host::{HostSetup, Kind};
use hikyaku_testkit::link::Impairments;
use hikyaku_testkit::lone::{Lone, Peer};
use hikyaku_testkit::pair::{Family, LEFT, Pair, RIGHT, Setup};
use hikyaku_testkit::random::{Chance, Random};
use hikyaku_testkit::seen::Seen;

const A: Flags = Flags::ACK;
const F: Flags = Flags::FIN;
const DAY: u64 = 86_400;

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

/// The peer closes its half.
fn fin(lone: &mut Lone, peer: &mut Peer) -> Vec<Seen> {
    let answers = lone.feed(&peer.segment(A | F, b""));
    peer.seq = peer.seq + 1;
    answers
}

/// The host closes its half and the peer has heard of it.
fn close(lone: &mut Lone, peer: &mut Peer) {
    lone.host.close(peer.handle);
    assert_eq!(lone.sent().len(), 1, "a FIN");
    peer.ack = peer.ack + 1;
}

// ---- SEC-57: a peer that vanishes while the connection closes ----

#[test]
fn sec_57_a_peer_that_vanishes_while_the_connection_closes() {
    type Lead = fn(&mut Lone, &mut Peer);
    let ways: [(State, Lead); 4] = [
        (State::FinWait1, |lone, peer| close(lone, peer)),
        (State::FinWait2, |lone, peer| {
            close(lone, peer);
            lone.feed(&peer.segment(A, b""));
        }),
        (State::Closing, |lone, peer| {
            close(lone, peer);
            peer.ack = peer.ack - 1;
            fin(lone, peer);
        }),
        (State::LastAck, |lone, peer| {
            fin(lone, peer);
            close(lone, peer);
        }),
    ];
    for (state, lead) in ways {
        for released in [false, true] {
            hosts(|lone| {
                let before = lone.host.usage();
                let mut peer = lone.passive(0);
                lead(lone, &mut peer);
                assert_eq!(lone.host.state(peer.handle), state);
                if released {
                    lone.host.release(peer.handle);
                }
                lone.pass(Duration::from_secs(300));
                let ended = lone.host.usage() == before;
                // RFC 9293 §3.3.2: FIN-WAIT-2 lasts for as long as somebody holds the connection.
                assert_eq!(ended, released, "{state:?}");
                if !released {
                    let open = lone.host.state(peer.handle) == State::FinWait2;
                    assert_eq!(open, state == State::FinWait2, "{state:?}");
                    lone.host.release(peer.handle);
                    lone.pass(Duration::from_secs(120));
                    assert_eq!(lone.host.usage(), before, "{state:?}");
                }
            });
        }
    }
}

// ---- SEC-59: a peer that falls silent ----

/// When the host gives up on a peer that is silent from now on, and what it says then.
fn gives_up(lone: &mut Lone, peer: &Peer) -> (Duration, Option<CloseReason>) {
    let start = lone.now;
    for _ in 0..100 {
        if let Some(reason) = lone.host.close_reason(peer.handle) {
            return (lone.now.since(start), Some(reason));
        }
        let Some(at) = lone.next_wake() else { break };
        lone.now = at;
        lone.sent();
    }
    (lone.now.since(start), None)
}

#[test]
fn sec_59_a_silent_peer_is_given_up_neither_early_nor_never() {
    hosts(|lone| {
        let before = lone.host.usage();
        // RFC 9293 §3.8.3, MUST-23: a SYN is repeated for three minutes at least.
        let peer = lone.syn_sent(0);
        let (patience, reason) = gives_up(lone, &peer);
        assert_eq!(reason, Some(CloseReason::TimedOut));
        let range = Duration::from_secs(180)..=Duration::from_secs(240);
        assert!(range.contains(&patience), "{patience:?}");
        lone.host.release(peer.handle);
        assert_eq!(lone.host.usage(), before);
        // SHLD-11: R2 of data is 100 s at least.
        let peer = lone.passive(1);
        assert_eq!(lone.host.write(peer.handle, &[1; 5000]), Ok(5000));
        let sent = lone.sent().len();
        assert!(sent > 1);
        let (patience, reason) = gives_up(lone, &peer);
        assert_eq!(reason, Some(CloseReason::TimedOut));
        let range = Duration::from_secs(100)..=Duration::from_secs(200);
        assert!(range.contains(&patience), "{patience:?}");
        lone.host.release(peer.handle);
        assert_eq!(lone.host.usage(), before);
    });
}

#[test]
fn sec_59_an_idle_connection_costs_nothing_unless_it_was_asked_to_look() {
    hosts(|lone| {
        let peer = lone.passive(0);
        let idle = lone.host.usage();
        // RFC 9293 §3.8.4, MUST-25: off unless somebody wants it.
        assert!(lone.pass(Duration::from_secs(60 * DAY)).is_empty());
        assert_eq!(lone.host.usage(), idle);
        assert_eq!(lone.host.state(peer.handle), State::Established);
        lone.drain(&[peer]);
    });
    let asks = |setup: &mut HostSetup| {
        setup.config.connection.keepalive = Some(Duration::from_secs(7200));
    };
    hosts_with(asks, |lone| {
        let peer = lone.passive(0);
        let asked = lone.pass(Duration::from_secs(DAY));
        let ended = lone.host.close_reason(peer.handle) == Some(CloseReason::TimedOut);
        // Small does not ask (decision of its profile) and keeps what the user keeps.
        assert_eq!(asked.is_empty(), !ended);
        assert!(asked.iter().all(|(_, one)| one.text == 0));
        lone.drain(&[peer]);
    });
}

// ---- SEC-72: clocks near their wraps or that stand or step back ----

/// What is seen of a host whose clock begins here: each thing that it does, and when from then.
fn life(kind: Kind, family: Family, start: Instant) -> Vec<(u64, String)> {
    let asks = |setup: &mut HostSetup| {
        setup.config.connection.keepalive = Some(Duration::from_secs(600));
        setup.config.connection.user_timeout = Duration::from_secs(20);
        setup.config.connection.connect_timeout = Duration::from_secs(10);
        setup.config.time_wait = Duration::from_secs(4);
        // A wide window from the start, so that ACKs may wait.
        setup.config.policy = AllocationPolicy::Overcommit;
    };
    let mut lone = Lone::with(kind, family, asks);
    lone.now = start;
    let mut seen = Vec::new();
    let note = |seen: &mut Vec<(u64, String)>, lone: &mut Lone, peer: &Peer, seconds: u64| {
        let happened = lone.pass(Duration::from_secs(seconds));
        let here = lone.now.since(start).micros();
        seen.extend(happened.into_iter().map(|(at, one)| {
            let (seq, ack) = (one.seq.since(peer.ack), one.ack.since(peer.seq));
            let ack = if one.has(A) { ack } else { 0 };
            let stamped = one.stamps.is_some();
            let what = format!("{:?} {seq} {ack} {} {stamped}", one.flags, one.text);
            (at.since(start).micros(), what)
        }));
        let usage = lone.host.usage();
        seen.push((here, format!("{} and {}", usage.connections, usage.time_wait)));
        while let Some((handle, news)) = lone.host.next_event() {
            if matches!(handle, Handle::Tcp(_)) {
                seen.push((here, format!("{news:?}")));
            }
        }
    };
    let other = lone.passive(9);
    // A handshake whose round trip spans what may be a wrap.
    lone.now = lone.now + Duration::from_millis(900);
    let slow = lone.syn(8);
    let answer = lone.feed(&slow)[0];
    lone.now = lone.now + Duration::from_millis(300);
    lone.feed(&Tcp { seq: slow.seq + 1, ack: answer.seq + 1, flags: A, ..slow });
    let handle = lone.accept().expect("a connection");
    seen.push((0, format!("{:?}", lone.host.info(handle).srtt)));
    lone.host.abort(handle);
    lone.host.release(handle);
    lone.sent();
    // A SYN-ACK that is lost twice, with a stamp.
    let mut syn = lone.syn(1);
    let stamps = Timestamps { value: 5, echo: 0 };
    let offer = Options { timestamps: Some(stamps), sack_permitted: true, ..Options::EMPTY };
    syn.options = forge::options(&offer);
    let answer = lone.feed(&syn)[0];
    let answered = lone.now;
    let mut peer = Peer {
        handle: other.handle,
        at: syn.source,
        host: syn.destination,
        seq: syn.seq + 1,
        ack: answer.seq + 1,
        window: 65_535,
    };
    note(&mut seen, &mut lone, &peer, 4);
    let stamped = |lone: &Lone, peer: &Peer, flags, text: &[u8]| {
        let mut segment = peer.segment(flags, text);
        let ticks = (lone.now.since(answered).micros() >> 10) as u32;
        let echo = answer.stamps.map_or(0, |ours| ours.value).wrapping_add(ticks - 20);
        let value = 6 + ticks;
        segment.options = forge::options(&Options {
            timestamps: answer.stamps.map(|_| Timestamps { value, echo }),
            ..Options::EMPTY
        });
        segment
    };
    lone.feed(&stamped(&lone, &peer, A, b""));
    peer.handle = lone.accept().expect("a connection");
    // A delayed ACK, a retransmission, a probe, a challenge budget, a keep-alive.
    lone.feed(&stamped(&lone, &peer, A, b"one"));
    peer.seq = peer.seq + 3;
    note(&mut seen, &mut lone, &peer, 1);
    let _ = lone.host.write(peer.handle, b"data");
    note(&mut seen, &mut lone, &peer, 5);
    let mut closed = stamped(&lone, &peer, A, b"");
    (closed.ack, closed.window) = (peer.ack + 4, 0);
    lone.feed(&closed);
    peer.ack = peer.ack + 4;
    let _ = lone.host.write(peer.handle, b"more");
    note(&mut seen, &mut lone, &peer, 15);
    lone.feed(&stamped(&lone, &peer, A, b""));
    note(&mut seen, &mut lone, &peer, 1);
    peer.ack = peer.ack + 4;
    lone.feed(&stamped(&lone, &peer, A, b""));
    let mut reset = peer.segment(Flags::RST, b"");
    reset.seq = peer.seq + 1;
    let mut challenges = 0;
    for _ in 0..20 {
        challenges += lone.feed(&reset).len();
        lone.now = lone.now + Duration::from_millis(100);
    }
    seen.push((0, format!("{challenges} challenges")));
    note(&mut seen, &mut lone, &peer, 700);
    lone.feed(&stamped(&lone, &peer, A, b""));
    close(&mut lone, &mut peer);
    lone.feed(&stamped(&lone, &peer, A | F, b""));
    lone.host.release(peer.handle);
    peer.seq = peer.seq + 1;
    note(&mut seen, &mut lone, &peer, 3);
    lone.feed(&stamped(&lone, &peer, A | F, b""));
    note(&mut seen, &mut lone, &peer, 100);
    let usage = lone.host.usage();
    seen.push((lone.now.since(start).micros(), format!("{usage:?}")));
    seen
}

#[test]
fn sec_72_a_clock_that_wraps_inside_changes_nothing() {
    // Each quantity that is derived from the clock wraps somewhere here: microseconds in 32 bits,
    // the clock of sequence numbers, the coarse steps, the ticks, half of each.
    let wraps = [31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 50, 52, 63];
    for kind in [Kind::Full, Kind::Small] {
        for family in Family::BOTH {
            let expected = life(kind, family, Instant::from_micros(1 << 20));
            assert!(expected.len() > 10, "{expected:?}");
            for wrap in wraps {
                // Whole steps of the coarsest clock, so that it ticks at the same moments.
                for steps in [1, 3, 8, 26, 27, 700] {
                    let start = (1_u64 << wrap) - (steps << 20);
                    let got = life(kind, family, Instant::from_micros(start));
                    let differs = expected.iter().zip(&got).find(|(one, other)| one != other);
                    assert_eq!(differs, None, "{kind:?}, {steps} steps before 2^{wrap}");
                    assert_eq!(got.len(), expected.len(), "{kind:?}, 2^{wrap}");
                }
            }
        }
    }
}

#[test]
fn sec_72_each_timer_fires_once_whatever_the_clock_does() {
    let wide = |setup: &mut HostSetup| setup.config.policy = AllocationPolicy::Overcommit;
    hosts_with(wide, |lone| {
        let peer = lone.passive(0);
        lone.feed(&peer.segment(A, b"one"));
        let due = lone.next_wake().expect("a delayed ACK");
        lone.now = due;
        assert_eq!(lone.sent().len(), 1);
        // The same time once more, and a millisecond less.
        for now in [due, due - Duration::from_millis(1), due, Instant::ZERO] {
            lone.now = now;
            assert!(lone.sent().is_empty(), "{now:?}");
        }
        lone.now = due;
        assert_eq!(lone.next_wake(), None);
        let _ = lone.host.write(peer.handle, b"data");
        assert_eq!(lone.sent().len(), 1);
        let due = lone.next_wake().expect("a retransmission");
        for now in [due - Duration::from_micros(1), due - Duration::from_millis(1)] {
            lone.now = now;
            assert!(lone.sent().is_empty(), "early");
        }
        lone.now = due;
        assert_eq!(lone.sent().len(), 1);
        for now in [due, due - Duration::from_millis(1), due] {
            lone.now = now;
            assert!(lone.sent().is_empty(), "once");
        }
        let acked = Peer { ack: peer.ack + 4, seq: peer.seq + 3, ..peer.clone() };
        lone.feed(&acked.segment(A, b""));
        assert_eq!(lone.next_wake(), None);
        // Fifty days at once: what was due in between is due once.
        lone.feed(&acked.segment(A, b"two"));
        lone.now = lone.now + Duration::from_secs(50 * DAY);
        assert_eq!(lone.sent().len(), 1, "one ACK");
        let _ = lone.host.write(peer.handle, b"more");
        assert_eq!(lone.sent().len(), 1);
        lone.now = lone.now + Duration::from_secs(50 * DAY);
        // It was not called for so long that its patience is over, too.
        assert!(lone.sent().len() <= 1);
        assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::TimedOut));
        lone.drain(&[peer]);
    });
}

/// 2³² ticks of 1,024 µs: 50.9 days, after which a time of 32 bits would come again.
const TICKS_WRAP: Duration = Duration::from_micros(1 << 42);

/// The peer acknowledges all that the host sends, until nothing is sent any more.
fn acknowledge_all(lone: &mut Lone, peer: &mut Peer) {
    let mut sent = lone.sent();
    while let Some(last) = sent.last() {
        peer.ack = last.end();
        sent = lone.feed(&peer.segment(A, b""));
    }
}

#[test]
fn sec_72_a_pause_of_any_length_restarts_the_congestion_window() {
    let pauses = [Duration::from_secs(5), TICKS_WRAP, TICKS_WRAP + Duration::from_millis(50)];
    let pauses =
        pauses.into_iter().chain([26, 51, 75, 100].map(|days| Duration::from_secs(days * DAY)));
    for pause in pauses {
        // The window of `Tiny`, of one block, is too small to grow.
        for kind in [Kind::Full, Kind::Small] {
            let mut lone = Lone::new(kind, Family::V4);
            let mut peer = lone.passive(0);
            let first = lone.host.info(peer.handle).cwnd;
            for _ in 0..40 {
                assert!(lone.host.write(peer.handle, &[1; 20_000]).is_ok());
                acknowledge_all(&mut lone, &mut peer);
            }
            let grown = lone.host.info(peer.handle).cwnd;
            assert!(grown > first, "{kind:?}: {grown} of {first}");
            lone.pass(pause);
            // A call of the user happens at the time that was told last.
            assert_eq!(lone.next_wake(), None);
            assert!(lone.host.write(peer.handle, &[1; 4000]).is_ok());
            let restarted = lone.host.info(peer.handle).cwnd;
            assert!(restarted <= first, "{kind:?}: {restarted} after {pause:?}");
            acknowledge_all(&mut lone, &mut peer);
            lone.drain(&[peer]);
        }
    }
}

#[test]
fn sec_72_silence_of_any_length_is_noticed_by_the_keep_alive_timer() {
    let asks = |setup: &mut HostSetup| {
        setup.config.connection.keepalive = Some(Duration::from_secs(7200));
    };
    for days in [1, 26, 51, 75, 100] {
        let mut lone = Lone::with(Kind::Full, Family::V4, asks);
        let peer = lone.passive(0);
        // The host was not called for so long.
        lone.now = lone.now + Duration::from_secs(days * DAY);
        assert_eq!(lone.sent().len(), 1, "after {days} days");
        lone.drain(&[peer]);
    }
    let mut lone = Lone::with(Kind::Full, Family::V4, asks);
    let peer = lone.passive(0);
    lone.now = lone.now + TICKS_WRAP + Duration::from_secs(1);
    assert_eq!(lone.sent().len(), 1, "after 2³² ticks");
    lone.drain(&[peer]);
}

#[test]
fn sec_72_a_handshake_that_was_answered_after_hours_is_no_short_round_trip() {
    for kind in [Kind::Full, Kind::Small, Kind::Tiny] {
        // 2³² µs are 71.6 minutes.
        let mut lone = Lone::new(kind, Family::V4);
        let syn = lone.syn(0);
        let answer = lone.feed(&syn)[0];
        lone.now = lone.now + Duration::from_micros((1 << 32) + 1_000);
        let ack =
            Tcp { seq: syn.seq + 1, ack: answer.seq + 1, flags: A, options: Vec::new(), ..syn };
        lone.host.receive(lone.now, &ack.packet());
        let Some(handle) = lone.accept() else { panic!("{kind:?}: no connection") };
        let srtt = lone.host.info(handle).srtt;
        assert!(srtt.is_none_or(|srtt| srtt > Duration::from_secs(1)), "{kind:?}: {srtt:?}");
        lone.host.abort(handle);
        lone.host.release(handle);
        lone.sent();
    }
}

// ---- SEC-74: round trips of nothing and of ages ----

const RTO_MIN: Duration = Duration::from_millis(200);
const RTO_MAX: Duration = Duration::from_secs(60);

#[test]
fn sec_74_no_round_trip_makes_a_timeout_unreasonable() {
    let patient = |setup: &mut HostSetup| {
        setup.config.connection.user_timeout = Duration::from_secs(4200);
    };
    hosts_with(patient, |lone| {
        let mut peer = lone.passive(0);
        let spans = [0, 0, 0, 1, 1, 1_000, 190_000, 50_000_000, 0, 10, 59_000_000, 0, 0];
        for micros in spans.into_iter().map(Duration::from_micros) {
            let _ = lone.host.write(peer.handle, b"x");
            assert_eq!(lone.sent().len(), 1, "{micros:?}");
            // What is sent again meanwhile may be anything; the answer comes after the span.
            lone.pass(micros);
            peer.ack = peer.ack + 1;
            lone.feed(&peer.segment(A, b""));
            let info = lone.host.info(peer.handle);
            assert!((RTO_MIN..=RTO_MAX).contains(&info.rto), "{:?} after {micros:?}", info.rto);
            assert_eq!(info.unacknowledged, 0);
        }
        // Backed off again and again it doubles up to its cap and stays there.
        let _ = lone.host.write(peer.handle, b"x");
        let sent = lone.pass(Duration::from_secs(4000));
        let gaps: Vec<_> = sent.windows(2).map(|two| two[1].0.since(two[0].0)).collect();
        assert!(gaps.len() > 60 && gaps.is_sorted(), "{gaps:?}");
        for two in gaps.windows(2) {
            assert!(two[1] == RTO_MAX || two[1] == two[0] + two[0], "{gaps:?}");
        }
        assert_eq!(gaps.last(), Some(&RTO_MAX));
        lone.drain(&[peer]);
    });
}

#[test]
fn sec_74_an_echo_of_ages_ago_or_of_the_future_is_no_round_trip() {
    for family in Family::BOTH {
        let mut lone = Lone::new(Kind::Full, family);
        let mut syn = lone.syn(0);
        let with = |value, echo| {
            let timestamps = Some(Timestamps { value, echo });
            forge::options(&Options { timestamps, ..Options::EMPTY })
        };
        syn.options = with(1, 0);
        let answer = lone.feed(&syn)[0];
        let ours = answer.stamps.expect("agreed").value;
        let mut ack = syn.clone();
        (ack.seq, ack.ack, ack.flags) = (syn.seq + 1, answer.seq + 1, A);
        ack.options = with(1, ours);
        lone.feed(&ack);
        let handle = lone.accept().expect("a connection");
        for echo in [0, 1, ours.wrapping_add(1000), ours ^ 1 << 31, ours.wrapping_sub(1 << 30)] {
            let _ = lone.host.write(handle, b"x");
            // Twice, so that the echo is all that there is to go by.
            lone.pass(Duration::from_secs(2));
            (ack.ack, ack.options) = (ack.ack + 1, with(1, echo));
            lone.feed(&ack);
            let rto = lone.host.info(handle).rto;
            assert!((RTO_MIN..=RTO_MAX).contains(&rto), "{rto:?} after the echo {echo}");
        }
        assert_eq!(lone.host.counters().drops.of(DropReason::OldTimestamp), 0);
        let (at, host) = (syn.source, syn.destination);
        let peer = Peer { handle, at, host, seq: ack.seq, ack: ack.ack, window: 65_535 };
        lone.drain(&[peer]);
    }
}

// ---- SEC-77: finite loss of any pattern ----

/// A link that loses as this seed will have it, for `span`, and nothing afterwards.
fn storm(pair: &mut Pair, random: &mut Random, span: Duration) {
    let end = pair.now + span;
    while pair.now < end {
        for side in [LEFT, RIGHT] {
            let link = &mut pair.links[side];
            link.is_cut = random.happens(Chance::percent(15));
            link.impairments.loss = Chance::percent(random.below(100) as u32);
        }
        pair.run_for(Duration::from_millis(random.between(1, 1500)));
    }
    for link in &mut pair.links {
        link.is_cut = false;
        link.impairments.loss = Chance::NEVER;
    }
}

#[test]
fn sec_77_once_the_loss_ends_both_streams_end() {
    let seeds = if cfg!(debug_assertions) { 60 } else { 1000 };
    println!("{seeds} seeds");
    for seed in 0..seeds {
        let mut random = Random::new(seed);
        let kinds =
            [random.one_of(&[Kind::Full, Kind::Small]), random.one_of(&[Kind::Full, Kind::Small])];
        let family = random.one_of(&Family::BOTH);
        let mut pair = Setup::new(seed).profiles(kinds).link(Impairments::NONE).build();
        pair.serve(RIGHT, 7, Script::answer(random.between(0, 60_000)));
        pair.open(LEFT, family, 7, Script::send(random.between(0, 200_000)));
        let span = Duration::from_millis(random.between(10, 40_000));
        storm(&mut pair, &mut random, span);
        // A timeout that has backed off during the storm, and one more after it.
        pair.finish(Duration::from_secs(180));
        assert!(pair.applications.iter().all(|one| one.outcome.at_end), "seed {seed}");
    }
}
