//! RFC 9293 §3.8.4: keep-alives. `Small` has none, whatever is asked.

use hikyaku::time::{Duration, Instant};
use hikyaku::wire::tcp::Flags;
use hikyaku::{CloseReason, Config, ConnectConfig, ConnectionConfig, State};
use hikyaku_testkit::host::Kind;
use hikyaku_testkit::lone::{Lone, Peer};
use hikyaku_testkit::pair::Family;
use hikyaku_testkit::seen::Seen;

use super::common::*;

const ASKS_AFTER: Duration = Duration::from_secs(100);
const DAY: Duration = Duration::from_secs(86_400);

/// A host whose connections ask after silence, with one of them.
fn asking(family: Family, after: Option<Duration>) -> (Lone, Peer) {
    let mut lone =
        Lone::with(Kind::Full, family, |setup| setup.config.connection.keepalive = after);
    let peer = lone.passive(0);
    (lone, peer)
}

/// Spans since `start`, in seconds.
fn seconds(start: Instant, sent: &[(Instant, Seen)]) -> Vec<u64> {
    sent.iter().map(|(at, _)| at.since(start).millis() / 1000).collect()
}

#[test]
fn must_24_holds_each_connection_has_its_own_switch() {
    for family in Family::BOTH {
        let mut lone = Lone::new(Kind::Full, family);
        let quiet = lone.passive(0);
        let connection =
            ConnectionConfig { keepalive: Some(ASKS_AFTER), ..ConnectionConfig::new() };
        let config = ConnectConfig { connection: Some(connection), ..ConnectConfig::new() };
        let at = std::net::SocketAddr::new(lone.them, 6000);
        let handle = lone.host.connect(lone.now, at, &config).expect("a slot");
        let syn = lone.sent()[0];
        let (seq, ack) = (hikyaku::seq::SeqNum::new(1000), syn.seq + 1);
        let asks = Peer { handle, at, host: syn.source, seq, ack, window: 65_535 };
        lone.feed(&asks.segment(SYN_ACK, b""));
        let sent = lone.pass(ASKS_AFTER + ASKS_AFTER);
        assert!(!sent.is_empty());
        assert!(sent.iter().all(|(_, one)| one.destination == asks.at));
        lone.drain(&[quiet, asks]);
    }
}

#[test]
fn must_24_provoked_by_a_stack_that_asks_and_a_connection_that_shall_not() {
    for family in Family::BOTH {
        let (mut lone, asks) = asking(family, Some(ASKS_AFTER));
        let config =
            ConnectConfig { connection: Some(ConnectionConfig::new()), ..ConnectConfig::new() };
        let at = std::net::SocketAddr::new(lone.them, 6000);
        let handle = lone.host.connect(lone.now, at, &config).expect("a slot");
        let syn = lone.sent()[0];
        let (seq, ack) = (hikyaku::seq::SeqNum::new(1000), syn.seq + 1);
        let quiet = Peer { handle, at, host: syn.source, seq, ack, window: 65_535 };
        lone.feed(&quiet.segment(SYN_ACK, b""));
        let sent = lone.pass(DAY);
        assert!(sent.iter().all(|(_, one)| one.destination == asks.at));
        assert_eq!(lone.host.close_reason(asks.handle), Some(CloseReason::TimedOut));
        assert_eq!(lone.host.state(quiet.handle), State::Established);
        lone.drain(&[quiet, asks]);
    }
}

#[test]
fn must_25_holds_nobody_asks_unless_told_to() {
    each(|lone, peer| {
        assert!(lone.pass(DAY + DAY).is_empty());
        assert_eq!(lone.next_wake(), None, "not even a timer runs");
        still_works(lone, peer);
    });
}

#[test]
fn must_25_provoked_by_halves_that_are_closed_and_text_that_nobody_reads() {
    hosts(|lone| {
        let (mut ours, mut theirs, mut unread) =
            (lone.passive(0), lone.passive(1), lone.passive(2));
        lone.host.close(ours.handle);
        lone.sent();
        ack(lone, &mut ours, 1);
        lone.feed(&theirs.segment(FIN_ACK, b""));
        theirs.seq = theirs.seq + 1;
        tell(lone, &mut unread, b"text");
        lone.pass(Duration::from_secs(1));
        assert!(lone.pass(DAY + DAY).is_empty());
        assert_eq!(lone.host.state(ours.handle), State::FinWait2);
        assert_eq!(lone.host.state(theirs.handle), State::CloseWait);
        lone.drain(&[ours, theirs, unread]);
    });
}

#[test]
fn must_26_holds_a_silent_peer_is_asked_without_data() {
    for family in Family::BOTH {
        let (mut lone, peer) = asking(family, Some(ASKS_AFTER));
        let start = lone.now;
        let sent = lone.pass(ASKS_AFTER + Duration::from_secs(5));
        let [(at, asked)] = sent[..] else { panic!("{sent:?}") };
        assert!(at.since(start).millis().abs_diff(ASKS_AFTER.millis()) < 2_000);
        assert_eq!((asked.flags, asked.text), (Flags::ACK, 0));
        // A number that every peer has seen already, and therefore answers.
        assert_eq!((asked.seq + 1, asked.ack), (peer.ack, peer.seq));
        lone.drain(&[peer]);
    }
}

#[test]
fn must_26_provoked_by_a_peer_that_speaks_in_time_and_by_text_in_flight() {
    for family in Family::BOTH {
        let (mut lone, mut peer) = asking(family, Some(ASKS_AFTER));
        for _ in 0..20 {
            let sent = lone.pass(Duration::from_secs(90));
            assert!(sent.is_empty(), "{sent:?}");
            let bare = peer.segment(Flags::ACK, b"");
            lone.feed(&bare);
        }
        for _ in 0..20 {
            let sent = lone.pass(Duration::from_secs(90));
            assert!(sent.iter().all(|(_, one)| one.ack == peer.seq), "only late ACKs");
            tell(&mut lone, &mut peer, b"x");
        }
        lone.pass(Duration::from_secs(1));
        // Something is outstanding: the retransmission timer asks, nobody else.
        write(&mut lone, &peer, 10);
        let sent = lone.pass(Duration::from_secs(115));
        assert!(sent.iter().all(|(_, one)| one.text == 10), "{sent:?}");
        lone.drain(&[peer]);
    }
}

#[test]
fn must_27_holds_the_interval_is_the_one_that_was_set() {
    for interval in [10, 60, 600, 7_200] {
        let (mut lone, peer) = asking(Family::V4, Some(Duration::from_secs(interval)));
        let start = lone.now;
        let sent = lone.pass(Duration::from_secs(interval + interval / 5));
        let first = seconds(start, &sent)[0];
        assert!(first.abs_diff(interval) <= 2, "{first} s, not {interval}");
        lone.drain(&[peer]);
    }
}

#[test]
fn must_27_provoked_by_the_shortest_and_the_longest_interval() {
    let (mut lone, peer) = asking(Family::V4, Some(Duration::from_micros(1)));
    let start = lone.now;
    let sent = lone.pass(Duration::from_secs(2));
    assert!(seconds(start, &sent)[0] >= 1, "never in a loop");
    lone.drain(&[peer]);
    let (mut lone, peer) = asking(Family::V4, Some(DAY));
    let start = lone.now;
    assert!(lone.pass(Duration::from_secs(18 * 3600)).is_empty());
    let sent = lone.pass(Duration::from_secs(2 * 3600));
    assert!(seconds(start, &sent)[0] >= 19 * 3600 - 200, "19 hours are the most");
    lone.drain(&[peer]);
}

#[test]
fn must_28_holds_there_is_no_default_below_two_hours() {
    assert_eq!(ConnectionConfig::new().keepalive, None);
    assert_eq!(Config::new().connection.keepalive, None);
    let mut lone = Lone::new(Kind::Full, Family::V4);
    let peer = lone.passive(0);
    assert!(lone.pass(Duration::from_secs(7_200)).is_empty());
    lone.drain(&[peer]);
}

#[test]
fn must_28_provoked_by_two_hours_asked_for() {
    let (mut lone, peer) = asking(Family::V6, Some(Duration::from_secs(7_200)));
    assert!(lone.pass(Duration::from_secs(7_199)).is_empty(), "not one second before");
    assert_eq!(lone.pass(Duration::from_secs(3)).len(), 1);
    lone.drain(&[peer]);
}

#[test]
fn must_29_holds_one_question_without_an_answer_proves_nothing() {
    for family in Family::BOTH {
        let (mut lone, mut peer) = asking(family, Some(ASKS_AFTER));
        assert_eq!(lone.pass(ASKS_AFTER + Duration::from_secs(5)).len(), 1);
        assert_eq!(lone.host.state(peer.handle), State::Established);
        still_works(&mut lone, &mut peer);
        lone.drain(&[peer]);
    }
}

#[test]
fn must_29_provoked_by_eight_questions_in_vain() {
    for family in Family::BOTH {
        let (mut lone, peer) = asking(family, Some(ASKS_AFTER));
        // Eight are lost, the answer to one more arrives; and all that once more.
        for _ in 0..2 {
            let span = ASKS_AFTER + Duration::from_secs(7 * 75 + 10);
            assert_eq!(lone.pass(span).len(), 8);
            assert_eq!(lone.host.state(peer.handle), State::Established);
            lone.feed(&peer.segment(Flags::ACK, b""));
        }
        // Nine in vain are too many.
        assert_eq!(lone.pass(ASKS_AFTER + Duration::from_secs(9 * 75 + 10)).len(), 9);
        assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::TimedOut));
        lone.drain(&[peer]);
    }
}
