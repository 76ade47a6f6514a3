//! RFC 9293 §3.8.1 to §3.8.3: retransmission timeouts, congestion, and when to give up.

use hikyaku::time::Duration;
use hikyaku::wire::tcp::Flags;
use hikyaku::{CloseReason, ConnectConfig, ConnectionConfig, Handle, Readiness, State, TcpHandle};
use hikyaku_testkit::lone::{Lone, MSS, Peer};

use super::common::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// The host sends so much, which the peer acknowledges after a while.
fn round_trip(lone: &mut Lone, peer: &mut Peer, octets: usize, millis: u64) {
    assert_eq!(text(&write(lone, peer, octets)) as usize, octets);
    assert!(lone.pass(Duration::from_millis(millis)).is_empty(), "nothing goes twice");
    ack(lone, peer, octets as u32);
}

#[test]
fn must_18_holds_the_timeout_follows_the_measured_round_trips() {
    hosts(|lone| {
        let mut peer = lone.syn_sent(0);
        // RFC 6298 §2: a second at first; then SRTT = R, RTTVAR = R/2.
        assert_eq!(lone.host.info(peer.handle).rto, SECOND);
        lone.pass(Duration::from_millis(400));
        lone.feed(&peer.segment(SYN_ACK, b""));
        peer.seq = peer.seq + 1;
        // Microseconds, worked out with fractions.
        let (mut srtt, mut rttvar) = (400_000.0_f64, 200_000.0_f64);
        for millis in [400, 100, 300, 300, 10, 500] {
            let info = lone.host.info(peer.handle);
            let near = |found: Duration, wanted: f64| (found.micros() as f64 - wanted).abs() < 20.0;
            assert!(near(info.srtt.expect("a sample"), srtt), "{info:?} {srtt}");
            assert!(near(info.rttvar.expect("a sample"), rttvar), "{info:?} {rttvar}");
            let wanted = srtt + (4.0 * rttvar).max(200_000.0);
            assert!((info.rto.micros() as f64 - wanted).abs() < 100.0, "{info:?} {wanted}");
            round_trip(lone, &mut peer, 100, millis);
            let sample = millis as f64 * 1000.0;
            rttvar = 0.75 * rttvar + 0.25 * (srtt - sample).abs();
            srtt = 0.875 * srtt + 0.125 * sample;
        }
        lone.drain(&[peer]);
    });
}

#[test]
fn must_18_provoked_by_acks_of_what_was_sent_twice() {
    each(|lone, peer| {
        round_trip(lone, peer, 100, 50);
        let before = lone.host.info(peer.handle);
        for _ in 0..3 {
            assert_eq!(write(lone, peer, 100).len(), 1);
            let rto = lone.host.info(peer.handle).rto;
            let again = lone.pass(rto);
            assert_eq!(again.len(), 1, "it goes again after one timeout");
            // RFC 6298 §3: nobody knows which of the two this answers.
            lone.pass(Duration::from_millis(1));
            ack(lone, peer, 100);
            let info = lone.host.info(peer.handle);
            assert_eq!((info.srtt, info.rttvar), (before.srtt, before.rttvar));
            assert!(info.backoff > 0, "and the timeout stays as long as it has become");
        }
        round_trip(lone, peer, 100, 50);
        assert_eq!(lone.host.info(peer.handle).backoff, 0, "until there is a sample");
    });
}

#[test]
fn must_19_holds_slow_start_avoidance_and_back_off() {
    each(|lone, peer| {
        let (mss, handle) = (u32::from(MSS), peer.handle);
        let cwnd = |lone: &mut Lone| lone.host.info(handle).cwnd;
        // RFC 5681 §3.1: a segment more for each ACK of one.
        let start = cwnd(lone);
        assert_eq!(start, 10 * mss);
        let sent = write(lone, peer, 10 * 536);
        assert_eq!(sent.len(), 10);
        lone.pass(Duration::from_millis(10));
        for acked in 1..=10 {
            ack(lone, peer, mss);
            assert_eq!(cwnd(lone), start + acked * mss);
        }
        // A timeout: one segment, and half of what was in flight as the threshold.
        write(lone, peer, 8 * 536);
        let rto = lone.host.info(peer.handle).rto;
        let again = lone.pass(rto);
        assert_eq!(again.len(), 1);
        let info = lone.host.info(peer.handle);
        assert_eq!((info.cwnd, info.ssthresh), (mss, 4 * mss));
        // Avoidance: above the threshold a window of ACKs is worth about a segment.
        lone.pass(Duration::from_millis(10));
        ack(lone, peer, 8 * mss);
        while cwnd(lone) < 5 * mss {
            let sent = text(&write(lone, peer, 4 * 536));
            lone.pass(Duration::from_millis(10));
            for _ in 0..sent / mss {
                ack(lone, peer, mss);
            }
            let left = 4 * mss - sent;
            ack(lone, peer, left);
        }
        let before = cwnd(lone);
        let segments = (before / mss) as usize;
        write(lone, peer, segments * 536);
        lone.pass(Duration::from_millis(10));
        for _ in 0..segments {
            ack(lone, peer, mss);
        }
        let grown = cwnd(lone) - before;
        assert!((mss / 2..=mss + mss / 2).contains(&grown), "{grown} in a round trip");
    });
}

#[test]
fn must_19_provoked_by_silence_and_by_acks_in_slices() {
    each(|lone, peer| {
        // Silence: each wait is twice the one before, up to a minute.
        round_trip(lone, peer, 100, 100);
        write(lone, peer, 536);
        let rto = lone.host.info(peer.handle).rto;
        let (start, mut waits, mut last) = (lone.now, Vec::new(), lone.now);
        for (at, _) in lone.pass(Duration::from_secs(100)) {
            waits.push(at.since(last).micros());
            last = at;
        }
        assert_eq!(waits.first(), Some(&rto.micros()), "{start:?}");
        assert!(waits.len() >= 7);
        for pair in waits.windows(2) {
            assert_eq!(pair[1], (pair[0] * 2).min(60_000_000));
        }
        assert_eq!(lone.host.info(peer.handle).cwnd, u32::from(MSS));
        ack(lone, peer, 536);
        // RFC 5681 §3.1: acknowledged in slices, a segment is still one segment.
        lone.pass(Duration::from_millis(10));
        let before = lone.host.info(peer.handle).cwnd;
        write(lone, peer, before as usize);
        for _ in 0..before / 8 {
            ack(lone, peer, 8);
        }
        assert!(lone.host.info(peer.handle).cwnd <= 2 * before, "not one segment a slice");
        let rest = before % 8;
        ack(lone, peer, rest);
    });
}

/// Whether the user is told that a connection is in trouble, and that it is over.
fn news(lone: &mut Lone, of: TcpHandle) -> (bool, bool) {
    let (mut troubled, mut closed) = (false, false);
    while let Some((handle, news)) = lone.host.next_event() {
        if handle == Handle::Tcp(of) {
            troubled |= news.contains(Readiness::TROUBLED);
            closed |= news.contains(Readiness::CLOSED);
        }
    }
    (troubled, closed)
}

/// Time passes until so many segments were sent.
fn pass_until(lone: &mut Lone, segments: usize) {
    let mut sent = 0;
    while sent < segments {
        lone.now = lone.next_wake().expect("a timer runs");
        sent += lone.sent().len();
    }
}

#[test]
fn must_20_holds_trouble_is_told_at_r1_and_the_end_comes_at_r2() {
    each(|lone, peer| {
        write(lone, peer, 100);
        news(lone, peer.handle);
        let start = lone.now;
        pass_until(lone, 3);
        assert_eq!(news(lone, peer.handle), (false, false), "R1: not after less than three");
        pass_until(lone, 1);
        assert_eq!(news(lone, peer.handle), (true, false));
        assert_eq!(lone.host.counters().unanswered, 1);
        let left = Duration::from_secs(120).micros() - lone.now.since(start).micros();
        lone.pass(Duration::from_micros(left - 1));
        assert_eq!(news(lone, peer.handle), (false, false), "told once");
        lone.pass(Duration::from_micros(1));
        assert_eq!(news(lone, peer.handle), (false, true), "R2");
        assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::TimedOut));
    });
}

#[test]
fn must_20_provoked_by_answers_that_come_in_time_and_segments_that_are_none() {
    each(|lone, peer| {
        news(lone, peer.handle);
        // Each segment needs three repetitions: that is not excess.
        for _ in 0..5 {
            write(lone, peer, 100);
            pass_until(lone, 3);
            ack(lone, peer, 100);
            assert_eq!(news(lone, peer.handle), (false, false));
            // A sample ends the back-off.
            round_trip(lone, peer, 100, 10);
        }
        // Old ACKs and resets from nowhere are no answer.
        write(lone, peer, 100);
        for _ in 0..4 {
            pass_until(lone, 1);
            let mut stray = peer.segment(Flags::RST, b"");
            stray.seq = peer.seq - 100;
            lone.feed(&stray);
        }
        assert_eq!(news(lone, peer.handle), (true, false));
        lone.pass(Duration::from_secs(130));
        assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::TimedOut));
    });
}

#[test]
fn must_22_holds_a_syn_without_an_answer_is_trouble_and_then_an_end() {
    hosts(|lone| {
        let peer = lone.syn_sent(0);
        pass_until(lone, 3);
        assert_eq!(news(lone, peer.handle), (false, false));
        pass_until(lone, 1);
        assert_eq!(news(lone, peer.handle), (true, false));
        lone.pass(Duration::from_secs(200));
        assert_eq!(news(lone, peer.handle), (false, true));
        assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::TimedOut));
        lone.drain(&[peer]);
    });
}

#[test]
fn must_22_provoked_by_an_open_that_crossed_ours_and_by_stray_resets() {
    hosts(|lone| {
        // In SYN-RECEIVED, too, the SYN (now with an ACK) has its R1 and its R2.
        let crossed = lone.syn_sent(0);
        lone.feed(&crossed.segment(Flags::SYN, b""));
        assert_eq!(lone.host.state(crossed.handle), State::SynReceived);
        let plain = lone.syn_sent(1);
        for _ in 0..9 {
            lone.pass(Duration::from_secs(5));
            lone.feed(&plain.segment(Flags::RST, b""));
            let mut far = crossed.segment(Flags::ACK, b"");
            far.seq = crossed.seq - 1000;
            lone.feed(&far);
        }
        let mut told = Vec::new();
        while let Some((Handle::Tcp(handle), news)) = lone.host.next_event() {
            told.extend(news.contains(Readiness::TROUBLED).then_some(handle));
        }
        assert!(told.contains(&plain.handle) && told.contains(&crossed.handle), "{told:?}");
        lone.pass(Duration::from_secs(150));
        for peer in [&plain, &crossed] {
            assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::TimedOut));
        }
        lone.drain(&[plain, crossed]);
    });
}

/// A connection whose R2 is this, in a host whose others wait two minutes.
fn with_r2(lone: &mut Lone, number: u16, user_timeout: Duration) -> Peer {
    let connection = ConnectionConfig { user_timeout, ..ConnectionConfig::new() };
    let config = ConnectConfig { connection: Some(connection), ..ConnectConfig::new() };
    let at = std::net::SocketAddr::new(lone.them, 6000 + number);
    let handle = lone.host.connect(lone.now, at, &config).expect("a slot");
    let syn = lone.sent()[0];
    let (seq, ack) = (hikyaku::seq::SeqNum::new(1000), syn.seq + 1);
    let mut peer = Peer { handle, at, host: syn.source, seq, ack, window: 65_535 };
    lone.feed(&peer.segment(SYN_ACK, b""));
    peer.seq = peer.seq + 1;
    peer
}

#[test]
fn must_21_holds_r2_is_chosen_by_connection() {
    hosts(|lone| {
        let short = with_r2(lone, 0, Duration::from_secs(5));
        let usual = lone.passive(1);
        write(lone, &short, 10);
        write(lone, &usual, 10);
        lone.pass(Duration::from_millis(4_999));
        assert_eq!(lone.host.state(short.handle), State::Established);
        lone.pass(Duration::from_millis(1));
        assert_eq!(lone.host.close_reason(short.handle), Some(CloseReason::TimedOut));
        lone.pass(Duration::from_secs(110));
        assert_eq!(lone.host.state(usual.handle), State::Established);
        lone.pass(Duration::from_secs(10));
        assert_eq!(lone.host.close_reason(usual.handle), Some(CloseReason::TimedOut));
        lone.drain(&[short, usual]);
    });
}

#[test]
fn must_21_provoked_by_an_hour_of_patience_and_by_patience_without_end() {
    hosts(|lone| {
        let mut peer = with_r2(lone, 0, Duration::from_secs(3600));
        write(lone, &peer, 10);
        let sent = lone.pass(Duration::from_secs(3590));
        assert!(sent.len() > 50, "it never stops trying: {}", sent.len());
        assert_eq!(lone.host.state(peer.handle), State::Established);
        ack(lone, &mut peer, 10);
        still_works(lone, &mut peer);
        // For ever: a day on, it still tries.
        let other = with_r2(lone, 1, Duration::from_micros(u64::MAX));
        write(lone, &other, 10);
        lone.pass(Duration::from_secs(86_400));
        assert_eq!(lone.host.state(other.handle), State::Established);
        assert!(!lone.pass(MINUTE + MINUTE).is_empty());
        lone.drain(&[peer, other]);
    });
}

#[test]
fn must_23_holds_a_syn_is_repeated_for_three_minutes() {
    hosts(|lone| {
        let peer = lone.syn_sent(0);
        let start = lone.now;
        let sent = lone.pass(Duration::from_secs(179));
        assert_eq!(lone.host.state(peer.handle), State::SynSent);
        let at: Vec<u64> = sent.iter().map(|(at, _)| at.since(start).millis()).collect();
        assert_eq!(at, [1_000, 3_000, 7_000, 15_000, 31_000, 63_000, 123_000]);
        assert!(sent.iter().all(|(_, syn)| syn.flags == Flags::SYN && syn.seq + 1 == peer.ack));
        lone.pass(SECOND + SECOND);
        assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::TimedOut));
        lone.drain(&[peer]);
    });
}

#[test]
fn must_23_provoked_by_a_short_r2_for_data_and_by_text_that_waits() {
    hosts_with(
        |setup| setup.config.connection.user_timeout = Duration::from_secs(5),
        |lone| {
            let mut peer = lone.syn_sent(0);
            assert_eq!(lone.host.write(peer.handle, b"first words"), Ok(11));
            lone.pass(MINUTE + MINUTE + Duration::from_secs(55));
            assert_eq!(lone.host.state(peer.handle), State::SynSent);
            // It answers after all.
            let answers = lone.feed(&peer.segment(SYN_ACK, b""));
            peer.seq = peer.seq + 1;
            assert_eq!(text(&answers), 11);
            ack(lone, &mut peer, 11);
            still_works(lone, &mut peer);
            lone.drain(&[peer]);
        },
    );
}
