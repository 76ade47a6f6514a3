//! RFC 9293 §3.6: what the user is told of an end, and TIME-WAIT.

use hikyaku::time::Duration;
use hikyaku::wire::tcp::Flags;
use hikyaku::{CloseReason, ReadError, State};
use hikyaku_testkit::lone::{Lone, Peer};

use super::common::*;

#[test]
fn must_12_holds_a_fin_is_an_end_and_a_reset_is_none() {
    hosts(|lone| {
        let (peer, mut other) = (lone.passive(0), lone.passive(1));
        tell(lone, &mut other, b"all of it");
        lone.feed(&other.segment(FIN_ACK, b""));
        assert_eq!(read(lone, &other), b"all of it");
        assert_eq!(lone.host.read(other.handle, &mut [0; 9]), Ok(0), "the end of the stream");
        lone.feed(&peer.segment(Flags::RST, b""));
        let reset = CloseReason::Reset;
        assert_eq!(lone.host.read(peer.handle, &mut [0; 9]), Err(ReadError::Ended(reset)));
        assert_eq!(lone.host.close_reason(peer.handle), Some(reset));
        assert_eq!(lone.host.close_reason(other.handle), None, "we may still write");
        lone.drain(&[peer, other]);
    });
}

#[test]
fn must_12_provoked_by_a_reset_in_the_place_of_a_fin_and_by_a_fin_behind_a_hole() {
    hosts(|lone| {
        // What was sent before the reset is not a stream that ended.
        let mut peer = lone.passive(0);
        tell(lone, &mut peer, b"not all of it");
        lone.feed(&peer.segment(Flags::RST | Flags::ACK, b""));
        let ended = Err(ReadError::Ended(CloseReason::Reset));
        while let Ok(octets) = lone.host.read(peer.handle, &mut [0; 4]) {
            assert!(octets > 0, "never an end");
        }
        assert_eq!(lone.host.read(peer.handle, &mut [0; 4]), ended);
        lone.drain(&[peer]);
        // Text is missing before the FIN: no end yet.
        let mut peer = lone.passive(1);
        let mut fin = peer.segment(FIN_ACK, b"end");
        fin.seq = peer.seq + 5;
        lone.feed(&fin);
        let waits = Err(ReadError::WouldBlock);
        assert_eq!(lone.host.read(peer.handle, &mut [0; 9]), waits);
        assert_eq!(lone.host.state(peer.handle), State::Established);
        tell(lone, &mut peer, b"until");
        lone.feed(&fin);
        assert_eq!(read(lone, &peer), b"untilend");
        assert_eq!(lone.host.read(peer.handle, &mut [0; 9]), Ok(0));
        assert_eq!(lone.host.state(peer.handle), State::CloseWait);
        peer.seq = peer.seq + 4;
        // A reset after the FIN: our half is broken off, which is no orderly end.
        write(lone, &peer, 10);
        lone.feed(&peer.segment(Flags::RST, b""));
        assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::Reset));
        lone.drain(&[peer]);
    });
}

/// We close first, the peer then: TIME-WAIT.
fn to_time_wait(lone: &mut Lone, peer: &mut Peer) {
    lone.host.close(peer.handle);
    let sent = lone.sent();
    assert!(sent.len() == 1 && sent[0].has(Flags::FIN), "{sent:?}");
    ack(lone, peer, 1);
    lone.feed(&peer.segment(FIN_ACK, b""));
    peer.seq = peer.seq + 1;
    assert_eq!(lone.host.state(peer.handle), State::TimeWait);
}

const TWO_MSL: Duration = Duration::from_secs(60);

#[test]
fn must_13_holds_who_closes_first_waits_two_msl() {
    for span in [TWO_MSL, Duration::from_secs(240)] {
        each_with(
            |setup| setup.config.time_wait = span,
            |lone, peer| {
                to_time_wait(lone, peer);
                lone.pass(Duration::from_micros(span.micros() - 1));
                assert_eq!(lone.host.state(peer.handle), State::TimeWait);
                lone.pass(Duration::from_micros(1));
                assert_eq!(lone.host.state(peer.handle), State::Closed);
                assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::Graceful));
                // The same where only a record is left.
                let mut other = lone.passive(1);
                to_time_wait(lone, &mut other);
                lone.host.release(other.handle);
                assert_eq!(lone.host.usage().time_wait, 1);
                lone.pass(Duration::from_micros(span.micros() - 1));
                assert_eq!(lone.host.usage().time_wait, 1);
                lone.pass(Duration::from_micros(1));
                assert_eq!(lone.host.usage().time_wait, 0);
            },
        );
    }
}

#[test]
fn must_13_provoked_by_resets_old_segments_and_fins_that_come_again() {
    for released in [false, true] {
        hosts(|lone| {
            let mut peer = lone.passive(0);
            to_time_wait(lone, &mut peer);
            let waits = |lone: &mut Lone| {
                if released {
                    lone.host.usage().time_wait == 1
                } else {
                    lone.host.state(peer.handle) == State::TimeWait
                }
            };
            if released {
                lone.host.release(peer.handle);
            }
            for flags in [Flags::RST, Flags::RST | Flags::ACK, Flags::ACK, Flags::FIN] {
                for back in [0, 1, 5] {
                    let mut late = peer.segment(flags, b"");
                    late.seq = peer.seq - back;
                    lone.feed(&late);
                    assert!(waits(lone), "{flags:?}");
                }
            }
            // 2 MSL begin anew with the FIN that comes again, which is acknowledged.
            lone.pass(Duration::from_secs(50));
            let mut fin = peer.segment(FIN_ACK, b"");
            fin.seq = peer.seq - 1;
            assert!(is_ack(&lone.feed(&fin), &peer));
            lone.pass(Duration::from_secs(59));
            assert!(waits(lone));
            lone.pass(Duration::from_secs(2));
            assert_eq!(lone.host.usage().time_wait, 0);
            let handle = peer.handle;
            assert!(released || lone.host.state(handle) == State::Closed);
            lone.drain(&[peer.clone()]);
        });
    }
}
