//! Seven faults that were measured in a widely used peer: each must be impossible here.
//!
//! The peers are made by hand, so that they can lie. The list is that of the security cases.
#![cfg(all(feature = "ipv6", feature = "udp"))]

use hikyaku::State;
use hikyaku::time::Duration;
use hikyaku::wire::tcp::Flags;
use hikyaku_testkit::host::Kind;
use hikyaku_testkit::lone::{Lone, Peer};
use hikyaku_testkit::pair::Family;
use hikyaku_testkit::seen::Seen;

const ALL_IN_FLIGHT: Duration = Duration::from_millis(1);

/// An established connection, on each profile and with each family.
fn each(act: impl Fn(&mut Lone, Peer)) {
    for kind in [Kind::Full, Kind::Small] {
        for family in Family::BOTH {
            let mut lone = Lone::new(kind, family);
            let peer = lone.passive(0);
            act(&mut lone, peer.clone());
            lone.drain(&[peer]);
        }
    }
}

/// The host hands so much to TCP; what leaves at once comes back.
fn write(lone: &mut Lone, peer: &Peer, octets: usize) -> Vec<Seen> {
    assert_eq!(lone.host.write(peer.handle, &vec![7; octets]), Ok(octets));
    lone.sent()
}

/// A bare ACK that names what the host expects from us and what it sent last.
fn is_challenge(answers: &[Seen], peer: &Peer) -> bool {
    let [answer] = answers else { return false };
    (answer.flags, answer.seq, answer.ack, answer.text) == (Flags::ACK, peer.ack, peer.seq, 0)
}

#[test]
fn fault_1_an_inexact_reset_in_the_window_does_not_close() {
    each(|lone, peer| {
        let window = lone.host.info(peer.handle).rcv_wnd;
        for ahead in [1, 2, 1000, window / 2, window - 1] {
            // Challenges are rationed by the second.
            lone.pass(Duration::from_secs(2));
            for flags in [Flags::RST, Flags::RST | Flags::ACK] {
                let mut reset = peer.segment(flags, b"");
                reset.seq = peer.seq + ahead;
                assert!(is_challenge(&lone.feed(&reset), &peer), "RCV.NXT + {ahead}");
                assert_eq!(lone.host.state(peer.handle), State::Established);
            }
        }
        // A peer that meant it knows the number now.
        assert!(lone.feed(&peer.segment(Flags::RST, b"")).is_empty());
        assert_eq!(lone.host.state(peer.handle), State::Closed);
    });
}

#[test]
fn fault_2_an_ack_of_data_never_sent_takes_nothing_off_the_queue() {
    each(|lone, peer| {
        // Of these four segments the peer's window admits two.
        let mut narrow = peer.segment(Flags::ACK, b"");
        narrow.window = 1072;
        lone.feed(&narrow);
        let sent = write(lone, &peer, 4 * 536);
        assert_eq!(sent.iter().map(|one| one.text).sum::<u32>(), 1072);
        let before = lone.host.info(peer.handle);
        for ahead in [1073, 1500, 2144, 2145, 70_000, 1 << 31] {
            let mut lie = peer.segment(Flags::ACK, b"");
            lie.ack = peer.ack + ahead;
            let expected = Peer { ack: peer.ack + 1072, ..peer.clone() };
            assert!(is_challenge(&lone.feed(&lie), &expected), "SND.UNA + {ahead}");
            assert_eq!(lone.host.send_queue(peer.handle), 4 * 536);
            assert_eq!(lone.host.info(peer.handle), before);
        }
        let mut honest = peer.segment(Flags::ACK, b"");
        honest.ack = peer.ack + 1072;
        let rest = lone.feed(&honest);
        assert_eq!(rest.iter().map(|one| one.text).sum::<u32>(), 1072);
        assert_eq!(lone.host.send_queue(peer.handle), 1072);
    });
}

#[test]
fn fault_3_a_timeout_into_a_closed_window_leaves_a_timer() {
    each(|lone, mut peer| {
        write(lone, &peer, 1000);
        // The peer closes its window without having taken what is in flight.
        let mut closed = peer.segment(Flags::ACK, b"");
        closed.window = 0;
        lone.feed(&closed);
        let mut probes = 0;
        let end = lone.now + Duration::from_secs(600);
        while lone.now < end {
            assert!(lone.next_wake().is_some(), "something is outstanding, so a timer runs");
            let sent = lone.pass(Duration::from_secs(30));
            assert!(sent.iter().all(|(_, one)| one.text <= 1), "no more than a probe");
            probes += sent.len();
            lone.feed(&closed);
            assert_eq!(lone.host.state(peer.handle), State::Established);
        }
        assert!(probes >= 10, "{probes} probes");
        // It opens, the probes having been lost: all of it arrives.
        let mut heard = peer.ack;
        for _ in 0..3 {
            let mut open = peer.segment(Flags::ACK, b"x");
            open.ack = heard;
            peer.seq = peer.seq + 1;
            let mut sent = lone.feed(&open);
            sent.extend(lone.pass(Duration::from_secs(2)).into_iter().map(|(_, one)| one));
            for one in sent {
                heard = if one.seq == heard { one.end() } else { heard };
            }
        }
        assert_eq!(heard.since(peer.ack), 1000);
    });
}

#[test]
fn fault_4_an_old_segment_does_not_overwrite_the_window() {
    each(|lone, mut peer| {
        let old = peer.segment(Flags::ACK, b"old");
        peer.window = 5000;
        let new = peer.segment(Flags::ACK, b"newer");
        lone.feed(&new);
        assert_eq!(lone.host.info(peer.handle).snd_wnd, 5000);
        // RFC 9293 §3.10.7.4: SND.WL1 and SND.WL2 keep what came earlier from being believed.
        for window in [0, 1, 65_535] {
            let mut late = old.clone();
            late.window = window;
            lone.feed(&late);
            assert_eq!(lone.host.info(peer.handle).snd_wnd, 5000, "text of long ago");
        }
        peer.seq = peer.seq + 5;
        // Two in the window that have overtaken each other: the later one was sent last.
        let mut later = peer.segment(Flags::ACK, b"later");
        (later.seq, later.window) = (peer.seq + 7, 6000);
        lone.feed(&later);
        assert_eq!(lone.host.info(peer.handle).snd_wnd, 6000);
        for window in [0, 1, 65_535] {
            let mut late = peer.segment(Flags::ACK, b"earlier");
            late.window = window;
            lone.feed(&late);
            assert_eq!(lone.host.info(peer.handle).snd_wnd, 6000, "overtaken");
        }
        peer.seq = peer.seq + 12;
        write(lone, &peer, 100);
        let mut first = peer.segment(Flags::ACK, b"");
        (first.ack, first.window) = (peer.ack + 100, 4000);
        lone.feed(&first);
        assert_eq!(lone.host.info(peer.handle).snd_wnd, 4000);
        let mut late = peer.segment(Flags::ACK, b"");
        late.window = 9000;
        lone.feed(&late);
        assert_eq!(lone.host.info(peer.handle).snd_wnd, 4000, "an older acknowledgement");
    });
}

#[test]
fn fault_5_a_syn_in_the_window_is_challenged() {
    each(|lone, peer| {
        for ahead in [0, 1, 1000] {
            for flags in [Flags::SYN, Flags::SYN | Flags::ACK] {
                let mut syn = peer.segment(flags, b"");
                syn.seq = peer.seq + ahead;
                assert!(is_challenge(&lone.feed(&syn), &peer), "RCV.NXT + {ahead}");
                assert_eq!(lone.host.state(peer.handle), State::Established);
            }
        }
    });
}

#[test]
fn fault_6_a_partial_ack_sends_the_next_hole_again() {
    each(|lone, peer| {
        let sent = write(lone, &peer, 8 * 536);
        assert_eq!(sent.len(), 8, "all of it is in flight");
        lone.pass(ALL_IN_FLIGHT);
        // The first and the third are lost: three duplicates, then an ACK of the first two.
        let duplicate = peer.segment(Flags::ACK, b"");
        let mut again = Vec::new();
        for _ in 0..3 {
            again.extend(lone.feed(&duplicate));
        }
        assert_eq!(again.iter().map(|one| one.seq).collect::<Vec<_>>(), [sent[0].seq]);
        let mut partial = duplicate.clone();
        partial.ack = sent[2].seq;
        let again = lone.feed(&partial);
        assert_eq!(again.iter().map(|one| one.seq).collect::<Vec<_>>(), [sent[2].seq]);
        assert_eq!(lone.host.counters().timeouts, 0, "no timer was needed");
        // The same after a timeout: what is acknowledged in part goes on at once.
        let timeout = lone.pass(Duration::from_secs(2));
        assert_eq!(timeout.first().map(|(_, one)| one.seq), Some(sent[2].seq));
        partial.ack = sent[3].seq;
        let again = lone.feed(&partial);
        assert_eq!(again.first().map(|one| one.seq), Some(sent[3].seq));
    });
}

#[test]
fn fault_7_acks_carry_snd_nxt_after_a_timeout() {
    each(|lone, mut peer| {
        let sent = write(lone, &peer, 4 * 536);
        let nxt = sent.last().expect("segments").end();
        let again = lone.pass(Duration::from_secs(5));
        assert!(!again.is_empty() && again[0].1.seq == peer.ack, "the timer has fired");
        // Text that comes in now is acknowledged at once where it lies behind a hole.
        let mut early = peer.segment(Flags::ACK, b"early");
        early.seq = peer.seq + 100;
        let answers = lone.feed(&early);
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!((answers[0].seq, answers[0].ack, answers[0].text), (nxt, peer.seq, 0));
        let late = peer.segment(Flags::ACK, &[1; 100]);
        let answers = lone.feed(&late);
        peer.seq = peer.seq + 105;
        assert!(answers.iter().all(|one| one.text > 0 || one.seq == nxt), "{answers:?}");
        assert_eq!(answers.last().map(|one| one.ack), Some(peer.seq));
    });
}
