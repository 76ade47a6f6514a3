//! RFC 9293 §3.5: opens, simultaneous ones too.

use std::net::SocketAddr;

use hikyaku::time::Duration;
use hikyaku::wire::tcp::Flags;
use hikyaku::{CloseReason, ConnectConfig, State};
use hikyaku_testkit::lone::{Lone, PORT, Peer};
use hikyaku_testkit::pair::{Family, LEFT, RIGHT, Setup, address};

use super::common::*;

#[test]
fn must_10_holds_two_opens_that_cross_are_one_connection() {
    for kinds in [[KINDS[0]; 2], [KINDS[1]; 2], KINDS] {
        for family in Family::BOTH {
            let mut pair = Setup::new(10).profiles(kinds).build();
            let handles = [LEFT, RIGHT].map(|side| {
                let config = ConnectConfig { local_port: Some(4000), ..ConnectConfig::new() };
                let remote = SocketAddr::new(address(1 - side, family), 4000);
                let now = pair.time_of(side);
                pair.hosts[side].connect(now, remote, &config).expect("a slot")
            });
            pair.run_for(Duration::from_secs(2));
            for side in [LEFT, RIGHT] {
                assert_eq!(pair.hosts[side].state(handles[side]), State::Established);
                assert_eq!(pair.hosts[side].write(handles[side], b"hello"), Ok(5));
            }
            pair.run_for(Duration::from_secs(1));
            for side in [LEFT, RIGHT] {
                assert_eq!(pair.hosts[side].read(handles[side], &mut [0; 9]), Ok(5));
                pair.hosts[side].abort(handles[side]);
                pair.hosts[side].release(handles[side]);
            }
            pair.drain();
        }
    }
}

/// The host's SYN crosses ours.
fn crossed(lone: &mut Lone) -> Peer {
    let mut peer = lone.syn_sent(0);
    let answers = lone.feed(&peer.segment(Flags::SYN, b""));
    assert_eq!(lone.host.state(peer.handle), State::SynReceived);
    let [answer] = answers[..] else { panic!("{answers:?}") };
    assert_eq!((answer.flags, answer.seq + 1, answer.ack), (SYN_ACK, peer.ack, peer.seq + 1));
    peer.seq = peer.seq + 1;
    peer
}

#[test]
fn must_10_provoked_by_syn_acks_that_are_lost_or_come_as_bare_acks() {
    hosts(|lone| {
        // The peer's SYN-ACK has the number of its SYN.
        let mut peer = crossed(lone);
        let mut again = peer.segment(SYN_ACK, b"");
        again.seq = peer.seq + u32::MAX;
        lone.feed(&again);
        still_works(lone, &mut peer);
        lone.drain(&[peer]);
        // Ours is lost: it comes again, and a bare ACK completes the handshake.
        let mut peer = crossed(lone);
        let sent = lone.pass(Duration::from_secs(4));
        assert!(!sent.is_empty(), "the SYN-ACK comes again");
        for (_, one) in sent {
            assert_eq!((one.flags, one.seq + 1, one.ack), (SYN_ACK, peer.ack, peer.seq));
        }
        lone.feed(&peer.segment(Flags::ACK, b""));
        still_works(lone, &mut peer);
        lone.drain(&[peer]);
    });
}

#[test]
fn must_11_holds_a_refused_open_is_told_and_a_refused_listener_listens_on() {
    hosts(|lone| {
        // Passive: back to LISTEN, and nobody is told.
        let syn = lone.syn(0);
        assert_eq!(lone.feed(&syn).len(), 1);
        assert_eq!(lone.host.usage().half_open, 1);
        let mut reset = syn.clone();
        (reset.seq, reset.flags) = (syn.seq + 1, Flags::RST);
        assert!(lone.feed(&reset).is_empty());
        assert_eq!(lone.host.usage().half_open, 0);
        assert_eq!(lone.accept(), None);
        assert!(lone.host.next_event().is_none());
        let peer = lone.passive(0);
        lone.drain(&[peer]);
        // Active: the user hears of it.
        let peer = crossed(lone);
        lone.feed(&peer.segment(Flags::RST, b""));
        assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::Refused));
        lone.drain(&[peer]);
    });
}

#[test]
fn must_11_provoked_by_an_active_open_from_the_port_of_a_listener() {
    hosts(|lone| {
        let remote = SocketAddr::new(lone.them, 5000);
        let config = ConnectConfig { local_port: Some(PORT), ..ConnectConfig::new() };
        let handle = lone.host.connect(lone.now, remote, &config).expect("a slot");
        let sent = lone.sent();
        // The very SYN that the listener would answer belongs to the active open.
        let mut syn = lone.syn(0);
        assert_eq!(lone.feed(&syn).len(), 1);
        assert_eq!(lone.host.state(handle), State::SynReceived);
        assert_eq!(lone.host.usage().half_open, 0);
        (syn.seq, syn.ack, syn.flags) = (syn.seq + 1, sent[0].seq + 1, Flags::RST | Flags::ACK);
        lone.feed(&syn);
        assert_eq!(lone.host.close_reason(handle), Some(CloseReason::Refused));
        lone.host.release(handle);
        // The listener has noticed nothing.
        let mut peer = lone.passive(0);
        still_works(lone, &mut peer);
        lone.drain(&[peer]);
    });
}

#[test]
fn shld_2_a_reset_with_text_resets() {
    each(|lone, peer| {
        assert!(lone.feed(&peer.segment(Flags::RST, b"because I say so")).is_empty());
        assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::Reset));
    });
}
