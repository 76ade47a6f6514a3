//! RFC 9293 §3.9.2.2: errors that ICMP tells of, and what the user hears of them.

use hikyaku::time::Duration;
use hikyaku::wire::tcp::Flags;
use hikyaku::{CloseReason, Handle, PathError, Readiness, State, TcpHandle};
use hikyaku_testkit::forge::icmp;
use hikyaku_testkit::lone::{Lone, Peer};

use super::common::*;

/// Type and code of the soft errors of each family.
const SOFT_V4: [(u8, u8); 6] = [(3, 0), (3, 1), (3, 5), (11, 0), (11, 1), (12, 0)];
const SOFT_V6: [(u8, u8); 7] = [(1, 0), (1, 3), (3, 0), (3, 1), (4, 0), (4, 1), (4, 2)];
/// And of the hard ones.
const HARD_V4: [(u8, u8); 2] = [(3, 2), (3, 3)];
const HARD_V6: [(u8, u8); 2] = [(1, 1), (1, 4)];

fn soft(lone: &Lone) -> &'static [(u8, u8)] {
    if lone.us.is_ipv4() { &SOFT_V4 } else { &SOFT_V6 }
}

fn hard(lone: &Lone) -> &'static [(u8, u8)] {
    if lone.us.is_ipv4() { &HARD_V4 } else { &HARD_V6 }
}

/// An error about a packet of the host's, of which headers and eight octets are quoted.
fn error(lone: &Lone, (kind, code): (u8, u8), packet: &[u8]) -> Vec<u8> {
    let header = if lone.us.is_ipv4() { 20 } else { 40 };
    let mut message = vec![kind, code, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(&packet[..header + 8]);
    icmp(lone.them, lone.us, &message)
}

/// The host writes, and the packets that it sends are on their way.
fn in_flight(lone: &mut Lone, peer: &Peer, octets: usize) -> Vec<Vec<u8>> {
    assert_eq!(lone.host.write(peer.handle, &vec![7; octets]), Ok(octets));
    lone.packets()
}

/// Which connections are reported to be in trouble.
fn troubled(lone: &mut Lone) -> Vec<TcpHandle> {
    let mut found = Vec::new();
    while let Some((handle, news)) = lone.host.next_event() {
        if let (Handle::Tcp(handle), true) = (handle, news.contains(Readiness::TROUBLED)) {
            found.push(handle);
        }
    }
    found
}

fn trouble(lone: &mut Lone, peer: &Peer) -> Option<PathError> {
    lone.host.info(peer.handle).path_error
}

#[test]
fn must_47_holds_soft_errors_are_told() {
    each(|lone, peer| {
        for kind in soft(lone) {
            let packets = in_flight(lone, peer, 100);
            troubled(lone);
            lone.feed_packet(&error(lone, *kind, &packets[0]));
            assert_eq!(troubled(lone), [peer.handle], "{kind:?}");
            assert!(trouble(lone, peer).is_some());
            ack(lone, peer, 100);
            assert_eq!(trouble(lone, peer), None, "over, once something arrives");
        }
    });
}

#[test]
fn must_47_provoked_by_errors_of_every_kind_in_a_row_and_by_a_path_that_stays_broken() {
    each(|lone, peer| {
        let packets = in_flight(lone, peer, 100);
        let mut heard = Vec::new();
        for kind in soft(lone) {
            lone.feed_packet(&error(lone, *kind, &packets[0]));
            heard.push(trouble(lone, peer).expect("the last of them"));
        }
        heard.dedup();
        use PathError::{ParameterProblem, TimeExceeded, Unreachable};
        assert_eq!(heard, [Unreachable, TimeExceeded, ParameterProblem]);
        // Nothing ever arrives: the user is told why.
        lone.pass(Duration::from_secs(130));
        assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::Unreachable));
    });
}

#[test]
fn must_54_holds_an_error_finds_the_connection_that_it_is_about() {
    hosts(|lone| {
        let (one, other) = (lone.passive(1), lone.passive(2));
        let packets = in_flight(lone, &one, 100);
        in_flight(lone, &other, 100);
        troubled(lone);
        let kind = soft(lone)[0];
        lone.feed_packet(&error(lone, kind, &packets[0]));
        assert_eq!(troubled(lone), [one.handle]);
        assert_eq!(trouble(lone, &other), None);
        // One that is being opened is ended by a hard one, no other is.
        let opening = lone.host.connect(
            lone.now,
            std::net::SocketAddr::new(lone.them, 9),
            &hikyaku::ConnectConfig::new(),
        );
        let opening = opening.expect("a slot");
        let syn = lone.packets();
        lone.feed_packet(&error(lone, hard(lone)[1], &syn[0]));
        assert_eq!(lone.host.close_reason(opening), Some(CloseReason::Unreachable));
        assert_eq!(lone.host.state(other.handle), State::Established);
        lone.host.release(opening);
        lone.drain(&[one, other]);
    });
}

#[test]
fn must_54_provoked_by_errors_about_what_was_never_sent() {
    each(|lone, peer| {
        let packets = in_flight(lone, peer, 100);
        troubled(lone);
        let ports = if lone.us.is_ipv4() { 20 } else { 40 };
        // Places in the quoted segment: both ports, the number; then the protocol of IP.
        let protocol = if lone.us.is_ipv4() { 9 } else { 6 };
        for place in [ports, ports + 3, ports + 4, ports + 6, protocol] {
            let mut forged = packets[0].clone();
            forged[place] ^= 0x10;
            for kind in soft(lone).iter().chain(hard(lone)) {
                assert!(lone.feed_packet(&error(lone, *kind, &forged)).is_empty());
            }
            assert_eq!(troubled(lone), [], "octet {place}");
            assert_eq!(trouble(lone, peer), None);
        }
        // What was acknowledged is in flight no more.
        ack(lone, peer, 100);
        troubled(lone);
        lone.feed_packet(&error(lone, soft(lone)[0], &packets[0]));
        assert_eq!((troubled(lone), trouble(lone, peer)), (vec![], None));
        still_works(lone, peer);
    });
}

#[test]
fn must_56_holds_soft_errors_do_not_end_a_connection() {
    each(|lone, peer| {
        for kind in soft(lone) {
            let packets = in_flight(lone, peer, 100);
            lone.feed_packet(&error(lone, *kind, &packets[0]));
            assert_eq!(lone.host.state(peer.handle), State::Established, "{kind:?}");
            ack(lone, peer, 100);
        }
        still_works(lone, peer);
    });
}

#[test]
fn must_56_provoked_while_a_connection_is_opened_and_closed_and_by_hundreds() {
    hosts(|lone| {
        let remote = std::net::SocketAddr::new(lone.them, 6000);
        let config = hikyaku::ConnectConfig::new();
        let handle = lone.host.connect(lone.now, remote, &config).expect("a slot");
        let syn = lone.packets();
        let number = hikyaku_testkit::seen::Seen::in_packet(&syn[0]).expect("a SYN");
        for _ in 0..100 {
            for kind in soft(lone) {
                lone.feed_packet(&error(lone, *kind, &syn[0]));
                assert_eq!(lone.host.state(handle), State::SynSent, "{kind:?}");
            }
        }
        // It is answered after all.
        let (at, host) = (number.destination, number.source);
        let (seq, next) = (hikyaku::seq::SeqNum::new(5), number.seq + 1);
        let mut peer = Peer { handle, at, host, seq, ack: next, window: 60_000 };
        lone.feed(&peer.segment(SYN_ACK, b""));
        peer.seq = peer.seq + 1;
        still_works(lone, &mut peer);
        lone.host.close(handle);
        let fin = lone.packets();
        for kind in soft(lone) {
            lone.feed_packet(&error(lone, *kind, &fin[0]));
            assert_eq!(lone.host.state(handle), State::FinWait1);
        }
        ack(lone, &mut peer, 1);
        lone.feed(&peer.segment(FIN_ACK, b""));
        assert_eq!(lone.host.state(handle), State::TimeWait);
        lone.drain(&[peer]);
    });
}

#[test]
fn shld_26_hard_errors_end_only_what_is_being_opened() {
    hosts(|lone| {
        for (number, kind) in hard(lone).iter().enumerate() {
            let mut peer = lone.passive(number as u16);
            let packets = in_flight(lone, &peer, 100);
            lone.feed_packet(&error(lone, *kind, &packets[0]));
            assert_eq!(lone.host.state(peer.handle), State::Established, "decision 0021");
            assert_eq!(trouble(lone, &peer), Some(PathError::Refused));
            ack(lone, &mut peer, 100);
            still_works(lone, &mut peer);
            lone.feed(&peer.segment(Flags::RST, b""));
            lone.drain(&[peer]);
        }
    });
}
