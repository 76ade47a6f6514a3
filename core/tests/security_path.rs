//! Errors that somebody on the way, or nobody on the way, reports, and two ends that have lost
//! each other. The numbers are those of the list of security cases.
#![cfg(feature = "ipv6")]

use hikyaku::counters::DropReason;
use hikyaku::time::Duration;
use hikyaku::wire::tcp::Flags;
use hikyaku::{CloseReason, PathError, Readiness, State};
use hikyaku_testkit::forge::{self, Tcp};
use hikyaku_testkit::host::Kind;
use hikyaku_testkit::lone::{Lone, Peer};
use hikyaku_testkit::pair::Family;

const ACK: Flags = Flags::ACK;

fn hosts(act: impl Fn(&mut Lone, Family)) {
    for kind in [Kind::Full, Kind::Small] {
        for family in Family::BOTH {
            act(&mut Lone::new(kind, family), family);
        }
    }
}

/// An ICMP error from a router that quotes `quote`.
fn error(lone: &Lone, (kind, code): (u8, u8), quote: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(&quote[..quote.len().min(500)]);
    forge::icmp(lone.them, lone.us, &message)
}

/// What a host sent, as it would be quoted: with the sequence number moved on by `ahead`.
fn quote(peer: &Peer, ahead: i32) -> Vec<u8> {
    let mut segment = Tcp::syn(peer.host, peer.at, 0);
    segment.seq = peer.ack + ahead as u32;
    (segment.flags, segment.text) = (ACK, b"quoted".to_vec());
    segment.packet()
}

/// Types and codes.
type Kinds = &'static [(u8, u8)];

/// Hard errors and soft errors.
const fn kinds(family: Family) -> (Kinds, Kinds) {
    match family {
        Family::V4 => (&[(3, 2), (3, 3)], &[(3, 0), (3, 1), (3, 5), (11, 0), (11, 1), (12, 0)]),
        Family::V6 => (&[(1, 4), (1, 1)], &[(1, 0), (1, 3), (3, 0), (3, 1), (4, 0), (4, 2)]),
    }
}

fn told(lone: &mut Lone) -> bool {
    let mut told = false;
    while let Some((_, news)) = lone.host.next_event() {
        told |= news.contains(Readiness::TROUBLED);
    }
    told
}

#[test]
fn sec_24_an_error_with_a_damaged_quote_means_nothing() {
    hosts(|lone, family| {
        let peer = lone.passive(0);
        let _ = lone.host.write(peer.handle, b"in flight");
        lone.sent();
        let (hard, soft) = kinds(family);
        let whole = quote(&peer, 0);
        for kind in hard.iter().chain(soft) {
            for cut in 0..whole.len() - 12 - b"quoted".len() {
                let before = lone.host.counters().drops.of(DropReason::IcmpIgnored);
                let packet = error(lone, *kind, &whole[..cut]);
                assert!(lone.feed_packet(&packet).is_empty());
                let after = lone.host.counters().drops.of(DropReason::IcmpIgnored);
                assert_eq!(after, before + 1, "{kind:?} cut at {cut}");
            }
            // A header length of 60 octets where there are 20.
            let mut long = whole.clone();
            long[0] |= 0xf;
            lone.feed_packet(&error(lone, *kind, &long[..28]));
        }
        assert_eq!(lone.host.info(peer.handle).path_error, None);
        lone.drain(&[peer]);
    });
}

#[test]
fn sec_25_an_error_counts_only_for_what_is_in_flight_and_never_ends_a_connection() {
    hosts(|lone, family| {
        let mut peer = lone.passive(0);
        let _ = lone.host.write(peer.handle, b"in flight");
        lone.sent();
        told(lone);
        let (hard, soft) = kinds(family);
        for kind in hard.iter().chain(soft) {
            for ahead in [-1, -1_000_000, 9, 1_000_000] {
                lone.feed_packet(&error(lone, *kind, &quote(&peer, ahead)));
                assert!(!told(lone), "{kind:?} {ahead}");
                assert_eq!(lone.host.info(peer.handle).path_error, None, "{kind:?} {ahead}");
            }
        }
        for kind in hard.iter().chain(soft) {
            for ahead in [0, 8] {
                lone.feed_packet(&error(lone, *kind, &quote(&peer, ahead)));
                assert!(told(lone), "{kind:?} {ahead}");
                assert!(lone.host.info(peer.handle).path_error.is_some(), "{kind:?} {ahead}");
                assert_eq!(lone.host.state(peer.handle), State::Established, "{kind:?}");
            }
        }
        // Progress wipes it out.
        peer.ack = peer.ack + 9;
        lone.feed(&peer.segment(ACK, b""));
        assert_eq!(lone.host.info(peer.handle).path_error, None);
        // Where none comes it is the reason in the end.
        let _ = lone.host.write(peer.handle, b"again");
        lone.sent();
        lone.feed_packet(&error(lone, soft[0], &quote(&peer, 0)));
        lone.pass(Duration::from_secs(200));
        assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::Unreachable));
        lone.drain(&[peer]);
    });
}

#[test]
fn sec_25_a_connection_that_is_being_opened_ends_by_a_hard_error_alone() {
    hosts(|lone, family| {
        let (hard, soft) = kinds(family);
        for (number, kind) in hard.iter().enumerate() {
            let mut peer = lone.syn_sent(number as u16);
            for other in soft {
                peer.ack = peer.ack - 1;
                lone.feed_packet(&error(lone, *other, &quote(&peer, 0)));
                peer.ack = peer.ack + 1;
                assert_eq!(lone.host.state(peer.handle), State::SynSent, "{other:?}");
            }
            let info = lone.host.info(peer.handle);
            assert_ne!(info.path_error, None);
            assert_ne!(info.path_error, Some(PathError::Refused));
            lone.feed_packet(&error(lone, *kind, &quote(&peer, -1)));
            assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::Unreachable));
            lone.drain(&[peer]);
        }
    });
}

#[test]
fn sec_27_source_quench_is_dropped_in_silence() {
    for kind in [Kind::Full, Kind::Small] {
        let mut lone = Lone::new(kind, Family::V4);
        let peer = lone.passive(0);
        let _ = lone.host.write(peer.handle, b"in flight");
        lone.sent();
        let before = lone.host.info(peer.handle);
        let packet = error(&lone, (4, 0), &quote(&peer, 0));
        assert!(lone.feed_packet(&packet).is_empty());
        assert_eq!(lone.host.info(peer.handle), before);
        assert_eq!(lone.host.counters().drops.of(DropReason::IcmpIgnored), 1);
        lone.drain(&[peer]);
    }
}

#[test]
fn sec_44_two_ends_that_have_lost_each_other_fall_silent() {
    hosts(|lone, _| {
        let mut peer = lone.passive(0);
        let mut lost = peer.clone();
        // Each answer of ours is answered by an empty segment that lies elsewhere again.
        (lost.seq, lost.ack) = (peer.seq + 1_000_000, peer.ack - 1_000_000);
        let answers = (0..1000).filter(|_| !lone.feed(&lost.segment(ACK, b"")).is_empty()).count();
        assert!((1..=10).contains(&answers), "{answers}");
        // Text is always answered: only so a peer learns that it has arrived.
        lost.seq = peer.seq - 10;
        for _ in 0..100 {
            assert_eq!(lone.feed(&lost.segment(ACK, &[0; 10])).len(), 1);
        }
        lone.feed(&peer.segment(ACK | Flags::PSH, b"ok"));
        peer.seq = peer.seq + 2;
        let mut buffer = [0; 4];
        assert_eq!(lone.host.read(peer.handle, &mut buffer), Ok(2));
        lone.drain(&[peer]);
    });
}
