//! RFC 9293 §3.8.6: windows that shrink, close and open, silly ones, and delayed ACKs.

use hikyaku::time::{Duration, Instant};
use hikyaku::wire::tcp::Flags;
use hikyaku::{CloseReason, State};
use hikyaku_testkit::lone::{Lone, MSS, Peer};
use hikyaku_testkit::seen::Seen;

use super::common::*;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// What the host sends in a span, times aside.
fn pass(lone: &mut Lone, span: Duration) -> Vec<Seen> {
    lone.pass(span).into_iter().map(|(_, seen)| seen).collect()
}

/// The peer takes what comes, in order, until nothing is left; how much that was.
fn take_all(lone: &mut Lone, peer: &mut Peer, mut sent: Vec<Seen>) -> u32 {
    let start = peer.ack;
    for _ in 0..200 {
        for one in &sent {
            if one.seq.at_or_before(peer.ack) && one.end().after(peer.ack) {
                peer.ack = one.end();
            }
        }
        sent = lone.feed(&peer.segment(Flags::ACK, b""));
        sent.extend(pass(lone, SECOND));
        if sent.is_empty() && lone.host.send_queue(peer.handle) == 0 {
            break;
        }
    }
    peer.ack.since(start)
}

#[test]
fn must_34_holds_a_smaller_window_ends_the_sending_and_nothing_else() {
    each(|lone, peer| {
        let sent = write(lone, peer, 8 * 536);
        assert_eq!(sent.len(), 8);
        // Less than what is in flight: the usable window is negative.
        let more = window(lone, peer, 1000);
        assert!(more.is_empty(), "{more:?}");
        assert!(write(lone, peer, 5000).is_empty(), "no new data");
        let more = window(lone, peer, 30_000);
        assert!(!more.is_empty(), "it opens, and sending goes on");
        let all = sent.into_iter().chain(more).collect();
        assert_eq!(take_all(lone, peer, all), 8 * 536 + 5000);
    });
}

#[test]
fn must_34_provoked_what_still_lies_inside_is_sent_again() {
    each(|lone, peer| {
        let start = peer.ack;
        assert_eq!(write(lone, peer, 8 * 536).len(), 8);
        window(lone, peer, 1072);
        // Nothing arrives: what lies inside goes again, nothing beyond it ever does.
        let again = pass(lone, Duration::from_secs(20));
        assert!(again.len() >= 2, "{again:?}");
        for one in &again {
            assert!(one.end().since(start) <= 1072, "{one}: beyond the window");
        }
        // An ACK of the first lets two more out, but the edge stays where it is.
        peer.ack = peer.ack + 536;
        let mut again = window(lone, peer, 536);
        again.extend(pass(lone, Duration::from_secs(20)));
        assert!(!again.is_empty());
        for one in &again {
            assert!(one.end().since(start) <= 1072, "{one}: beyond the window");
        }
        for told in [536, 100, 1, 2000, 3, 65_535] {
            window(lone, peer, told);
            pass(lone, Duration::from_millis(300));
            assert_eq!(lone.host.state(peer.handle), State::Established);
        }
        let sent = pass(lone, HOUR.min(Duration::from_secs(60)));
        assert_eq!(take_all(lone, peer, sent), 7 * 536);
    });
}

#[test]
fn must_35_holds_a_window_that_shrank_to_nothing_is_probed() {
    each(|lone, peer| {
        let sent = write(lone, peer, 4 * 536);
        assert_eq!(sent.len(), 4);
        assert!(window(lone, peer, 0).is_empty());
        let probes = pass(lone, Duration::from_secs(30));
        assert!(probes.len() >= 3, "{probes:?}");
        for probe in &probes {
            assert!(probe.text == 1 && probe.seq == peer.ack, "{probe}: the first octet");
        }
        peer.window = 10_000;
        assert_eq!(take_all(lone, peer, Vec::new()), 4 * 536);
    });
}

#[test]
fn must_35_provoked_by_a_window_that_closes_with_a_timeout_running() {
    each(|lone, peer| {
        write(lone, peer, 4 * 536);
        // Lost, sent again, lost again: then the window closes on what is in flight.
        pass(lone, Duration::from_secs(4));
        let timeouts = lone.host.counters().timeouts;
        assert!(timeouts >= 1);
        window(lone, peer, 0);
        for _ in 0..20 {
            let sent = pass(lone, Duration::from_secs(60));
            assert!(!sent.is_empty(), "probes never end");
            assert!(sent.iter().all(|one| one.text <= 1), "{sent:?}");
            window(lone, peer, 0);
        }
        assert_eq!(lone.host.state(peer.handle), State::Established);
        peer.window = 10_000;
        assert_eq!(take_all(lone, peer, Vec::new()), 4 * 536);
    });
}

#[test]
fn must_36_holds_a_closed_window_is_probed_after_one_rto_and_ever_more_rarely() {
    each(|lone, peer| {
        window(lone, peer, 0);
        let rto = lone.host.info(peer.handle).rto;
        assert!(write(lone, peer, 2000).is_empty());
        let (start, mut last, mut waits) = (lone.now, lone.now, Vec::new());
        while waits.len() < 12 {
            for (at, probe) in lone.pass(SECOND) {
                assert_eq!((probe.seq, probe.text), (peer.ack, 1), "{probe}");
                waits.push(at.since(last).micros());
                last = at;
                lone.feed(&peer.segment(Flags::ACK, b""));
            }
        }
        assert_eq!(waits[0], rto.micros(), "{start:?}");
        for pair in waits.windows(2) {
            assert_eq!(pair[1], (pair[0] * 2).min(60_000_000), "{waits:?}");
        }
        peer.window = 10_000;
        assert_eq!(take_all(lone, peer, Vec::new()), 2000);
    });
}

#[test]
fn must_36_provoked_by_a_window_update_that_is_lost() {
    each(|lone, peer| {
        window(lone, peer, 0);
        write(lone, peer, 2000);
        pass(lone, Duration::from_millis(100));
        // The peer has room, its update is lost: the answer to a probe tells it, and the octet
        // of the probe is part of the stream or is not, as the peer decides.
        peer.window = 10_000;
        let probe = pass(lone, Duration::from_secs(3));
        assert!(!probe.is_empty());
        assert_eq!(take_all(lone, peer, probe), 2000);
    });
}

#[test]
fn must_37_holds_an_hour_of_answered_probes() {
    each(|lone, peer| {
        window(lone, peer, 0);
        write(lone, peer, 2000);
        let end = lone.now + HOUR;
        while lone.now < end {
            if !pass(lone, SECOND).is_empty() {
                lone.feed(&peer.segment(Flags::ACK, b""));
            }
        }
        assert_eq!(lone.host.state(peer.handle), State::Established);
        peer.window = 10_000;
        assert_eq!(take_all(lone, peer, Vec::new()), 2000);
    });
}

#[test]
fn must_37_provoked_by_a_short_patience_and_data_in_flight() {
    each_with(
        |setup| setup.config.connection.user_timeout = Duration::from_secs(100),
        |lone, peer| {
            write(lone, peer, 2000);
            window(lone, peer, 0);
            let end = lone.now + HOUR;
            while lone.now < end {
                if !pass(lone, SECOND).is_empty() {
                    lone.feed(&peer.segment(Flags::ACK, b""));
                }
            }
            assert_eq!(lone.host.state(peer.handle), State::Established);
            // One that answers no more is given up.
            pass(lone, Duration::from_secs(200));
            assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::TimedOut));
        },
    );
}

#[test]
fn must_38_holds_small_openings_are_left_alone() {
    each(|lone, peer| {
        window(lone, peer, 0);
        write(lone, peer, 10_000);
        let edge = peer.ack;
        // Less than a segment, and less than half the largest window that was seen.
        for told in [1, 10, 100, 535] {
            let sent = window(lone, peer, told);
            assert!(sent.is_empty(), "{told}: {sent:?}");
        }
        let sent = window(lone, peer, 536);
        assert_eq!(sent.len(), 1);
        assert_eq!((sent[0].seq, sent[0].text), (edge, 536));
    });
}

#[test]
fn must_38_provoked_by_a_window_that_opens_crumb_by_crumb() {
    each(|lone, peer| {
        window(lone, peer, 0);
        assert!(write(lone, peer, 10 * 536).is_empty());
        let (mut sent, mut edge) = (Vec::<Seen>::new(), peer.ack);
        // Each 20 ms a little more, a segment's worth before the override of 200 ms: every
        // segment that leaves is a full one.
        for _ in 0..200 {
            edge = edge + 60;
            peer.window = edge.since(peer.ack) as u16;
            let mut now = lone.feed(&peer.segment(Flags::ACK, b""));
            now.extend(pass(lone, Duration::from_millis(20)));
            for one in &now {
                peer.ack = peer.ack.later(one.end());
                assert!(!peer.ack.after(edge), "{one}: beyond the window");
                assert_eq!(one.text, u32::from(MSS), "{one}: a silly one");
            }
            sent.extend(now);
        }
        assert_eq!(sent.len(), 10);
    });
}

#[test]
fn must_39_holds_a_window_is_told_when_it_is_worth_it() {
    each_with(
        |setup| setup.config.connection.receive_limit = 8192,
        |lone, peer| {
            for _ in 0..20 {
                let room = lone.host.info(peer.handle).rcv_wnd;
                if room == 0 {
                    break;
                }
                tell(lone, peer, &vec![1; room.min(500) as usize]);
                pass(lone, SECOND);
            }
            assert_eq!(lone.host.info(peer.handle).rcv_wnd, 0);
            // Half of the buffer or two segments: not before.
            let mut buffer = [0; 1];
            let mut taken = 0;
            let update = loop {
                assert_eq!(lone.host.read(peer.handle, &mut buffer), Ok(1));
                taken += 1;
                if let [update] = lone.sent()[..] {
                    break update;
                }
                assert!(taken < 8192, "never told");
            };
            let least = 2 * 1440;
            assert!(taken >= least, "told after {taken}");
            assert!(u32::from(update.window) >= least as u32, "{update}");
        },
    );
}

#[test]
fn must_39_provoked_by_acks_that_could_tell_crumbs() {
    each_with(
        |setup| setup.config.connection.receive_limit = 8192,
        |lone, peer| {
            // The reader takes ten octets at a time; the peer sends all that it may.
            let mut edge = peer.seq + lone.host.info(peer.handle).rcv_wnd;
            let (mut moves, mut octets) = (Vec::new(), 0);
            for _ in 0..3000 {
                let room = edge.since(peer.seq).min(1000) as usize;
                let mut answers = if room > 0 {
                    tell(lone, peer, &vec![1; room])
                } else {
                    pass(lone, Duration::from_millis(1))
                };
                octets += lone.host.read(peer.handle, &mut [0; 10]).unwrap_or(0);
                answers.extend(lone.sent());
                for answer in answers {
                    let told = answer.ack + u32::from(answer.window);
                    assert!(!told.before(edge), "{answer}: the edge moved back");
                    if told.after(edge) {
                        moves.push(told.since(edge));
                        edge = told;
                    }
                }
            }
            assert!(octets > 10_000 && moves.len() >= 3, "{octets} {moves:?}");
            assert!(moves[1..].iter().all(|gain| *gain >= 1000), "{moves:?}");
        },
    );
}

/// How long the ACK of one small segment is waited for.
fn delay(lone: &mut Lone, peer: &mut Peer) -> Duration {
    // At first the window is so small that everything is acknowledged at once.
    tell(lone, peer, b"text");
    lone.pass(SECOND);
    let start = lone.now;
    let at_once = tell(lone, peer, b"text");
    assert!(at_once.is_empty(), "delayed at all");
    let late: Vec<(Instant, Seen)> = lone.pass(SECOND);
    assert!(is_ack(&late.iter().map(|(_, one)| *one).collect::<Vec<_>>(), peer));
    late[0].0.since(start)
}

#[test]
fn must_40_holds_an_ack_is_delayed_by_less_than_half_a_second() {
    each(|lone, peer| {
        for _ in 0..5 {
            assert_eq!(delay(lone, peer).millis(), 40);
        }
    });
}

#[test]
fn must_40_provoked_by_a_user_who_asks_for_five_seconds() {
    each_with(
        |setup| setup.config.connection.ack_delay = Duration::from_secs(5),
        |lone, peer| {
            let wait = delay(lone, peer);
            assert!(wait < Duration::from_millis(500), "{wait:?}");
            // More that comes does not put it off again.
            let start = lone.now;
            tell(lone, peer, b"a");
            let mut late = Vec::new();
            for _ in 0..9 {
                late.extend(lone.pass(Duration::from_millis(100)));
                tell(lone, peer, b"b");
            }
            let first = late[0].0.since(start);
            assert!(first < Duration::from_millis(500), "{first:?}");
        },
    );
}
