//! RFC 9293 §3.9.1: OPEN and SEND, and which addresses they speak from.

use std::net::{IpAddr, SocketAddr};

use hikyaku::seq::SeqNum;
use hikyaku::time::Duration;
use hikyaku::wire::tcp::Flags;
use hikyaku::{ConnectConfig, ConnectError, ListenConfig, ListenError, State, TcpHandle};
use hikyaku_testkit::host::HostSetup;
use hikyaku_testkit::lone::{Lone, PORT, Peer};
use hikyaku_testkit::pair::Family;
use hikyaku_testkit::seen::Seen;

use super::common::*;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A connection opened from a port of choice; what was sent for it is the SYN.
fn open_from(lone: &mut Lone, port: u16, number: u16) -> Peer {
    let at = SocketAddr::new(lone.them, 6000 + number);
    let config = ConnectConfig { local_port: Some(port), ..ConnectConfig::new() };
    let handle = lone.host.connect(lone.now, at, &config).expect("a slot");
    let syn = lone.sent()[0];
    Peer { handle, at, host: syn.source, seq: SeqNum::new(77), ack: syn.seq + 1, window: 60_000 }
}

/// A listener at a port, and a peer that connects there.
fn listens(lone: &mut Lone, port: u16) {
    let listener = lone.host.listen(port, &ListenConfig::new()).expect("a free port");
    let mut syn = lone.syn(99);
    syn.destination.set_port(port);
    let answers = lone.feed(&syn);
    assert_eq!(answers.len(), 1);
    let mut done = syn.clone();
    (done.seq, done.ack, done.flags) = (syn.seq + 1, answers[0].seq + 1, Flags::ACK);
    lone.feed(&done);
    let handle = lone.host.accept(listener).expect("a connection");
    lone.host.abort(handle);
    lone.host.release(handle);
    lone.host.close_listener(listener);
    lone.sent();
}

#[test]
fn must_41_holds_a_listener_leaves_connections_as_they_are() {
    hosts(|lone| {
        let mut peer = open_from(lone, 4000, 0);
        lone.feed(&peer.segment(SYN_ACK, b""));
        peer.seq = peer.seq + 1;
        let before = lone.host.info(peer.handle);
        listens(lone, 4000);
        assert_eq!(lone.host.info(peer.handle), before);
        still_works(lone, &mut peer);
        lone.drain(&[peer]);
    });
}

#[test]
fn must_41_provoked_by_listeners_on_one_port_and_by_one_that_goes() {
    hosts(|lone| {
        // Half open, waiting to be accepted, established: all at the port of a listener.
        let half_open = lone.syn(1);
        lone.feed(&half_open);
        let mut peer = lone.passive(2);
        assert_eq!(lone.host.listen(PORT, &ListenConfig::new()), Err(ListenError::InUse));
        assert_eq!(lone.host.usage().half_open, 1);
        still_works(lone, &mut peer);
        // One for this address only is another listener, which takes nothing away.
        let ours = ListenConfig { address: Some(lone.us), ..ListenConfig::new() };
        let narrow = lone.host.listen(PORT, &ours).expect("another listener");
        assert_eq!(lone.host.usage().half_open, 1);
        still_works(lone, &mut peer);
        lone.host.close_listener(narrow);
        still_works(lone, &mut peer);
        let mut reset = half_open.clone();
        (reset.seq, reset.flags) = (half_open.seq + 1, Flags::RST);
        lone.feed(&reset);
        lone.drain(&[peer]);
    });
}

#[test]
fn must_42_holds_one_may_listen_while_an_open_from_that_port_is_on_its_way() {
    hosts(|lone| {
        let mut peer = open_from(lone, 4000, 0);
        assert_eq!(lone.host.state(peer.handle), State::SynSent);
        listens(lone, 4000);
        assert_eq!(lone.host.state(peer.handle), State::SynSent);
        lone.feed(&peer.segment(SYN_ACK, b""));
        peer.seq = peer.seq + 1;
        still_works(lone, &mut peer);
        lone.drain(&[peer]);
    });
}

#[test]
fn must_42_provoked_by_an_open_in_syn_received_whose_ack_meets_a_listener() {
    hosts(|lone| {
        let mut peer = open_from(lone, 4000, 0);
        lone.feed(&peer.segment(Flags::SYN, b""));
        peer.seq = peer.seq + 1;
        assert_eq!(lone.host.state(peer.handle), State::SynReceived);
        let listener = lone.host.listen(4000, &ListenConfig::new()).expect("a free port");
        // The ACK is for the block that waits for it, not for the listener, which would reset.
        assert!(lone.feed(&peer.segment(Flags::ACK, b"")).is_empty());
        still_works(lone, &mut peer);
        assert!(lone.host.accept(listener).is_err());
        lone.host.close_listener(listener);
        lone.drain(&[peer]);
    });
}

/// A second address in each family: the host's own are 10.0.0.2/24 and fd00::2/64.
fn near_and_far(family: Family) -> impl Fn(&mut HostSetup) {
    move |setup| {
        let other = match family {
            Family::V4 => ("10.0.0.2", "192.168.7.2", 24),
            Family::V6 => ("fd00::2", "fd07::2", 64),
        };
        setup.addresses = [(ip(other.0), other.2), (ip(other.1), other.2)];
    }
}

/// Each profile and family, with two addresses of the family.
fn two_addresses(act: impl Fn(&mut Lone, IpAddr, IpAddr)) {
    for kind in KINDS {
        for family in Family::BOTH {
            let mut lone = Lone::with(kind, family, near_and_far(family));
            let (second, beside) = match family {
                Family::V4 => (ip("192.168.7.2"), ip("192.168.7.9")),
                Family::V6 => (ip("fd07::2"), ip("fd07::9")),
            };
            act(&mut lone, second, beside);
        }
    }
}

fn connect(lone: &mut Lone, to: IpAddr, from: Option<IpAddr>) -> Result<TcpHandle, ConnectError> {
    let config = ConnectConfig { local_address: from, ..ConnectConfig::new() };
    lone.host.connect(lone.now, SocketAddr::new(to, 9), &config)
}

fn forget(lone: &mut Lone, handle: TcpHandle) {
    lone.host.abort(handle);
    lone.host.release(handle);
    lone.sent();
}

#[test]
fn must_43_holds_a_local_address_may_be_named() {
    two_addresses(|lone, second, _| {
        // Passive: only what comes to that address is heard.
        let config = ListenConfig { address: Some(second), ..ListenConfig::new() };
        let listener = lone.host.listen(70, &config).expect("a free port");
        let mut syn = lone.syn(0);
        syn.destination = SocketAddr::new(second, 70);
        let answers = lone.feed(&syn);
        assert_eq!((answers[0].flags, answers[0].source), (SYN_ACK, syn.destination));
        (syn.seq, syn.flags) = (syn.seq + 1, Flags::RST);
        lone.feed(&syn);
        lone.host.close_listener(listener);
        // Active: from that address.
        let handle = connect(lone, lone.them, Some(second)).expect("a slot");
        assert_eq!(lone.sent()[0].source.ip(), second);
        forget(lone, handle);
        lone.drain(&[]);
    });
}

#[test]
fn must_43_provoked_by_the_other_address_and_by_one_that_is_not_ours() {
    two_addresses(|lone, second, beside| {
        let config = ListenConfig { address: Some(second), ..ListenConfig::new() };
        let listener = lone.host.listen(70, &config).expect("a free port");
        let mut syn = lone.syn(0);
        syn.destination = SocketAddr::new(lone.us, 70);
        let answers = lone.feed(&syn);
        assert!(answers[0].has(Flags::RST), "nobody listens there: {answers:?}");
        lone.host.close_listener(listener);
        let none = Err(ConnectError::NoAddress);
        assert_eq!(connect(lone, lone.them, Some(beside)), none);
        let other = if lone.us.is_ipv4() { ip("fd00::2") } else { ip("10.0.0.2") };
        assert_eq!(connect(lone, lone.them, Some(other)), none);
        assert!(lone.sent().is_empty());
        lone.drain(&[]);
    });
}

#[test]
fn must_44_holds_the_address_is_the_one_that_is_near_the_peer() {
    two_addresses(|lone, second, beside| {
        for (to, from) in [(lone.them, lone.us), (beside, second)] {
            let handle = connect(lone, to, None).expect("a slot");
            assert_eq!(lone.host.local(handle).ip(), from, "before the first SYN");
            assert_eq!(lone.sent()[0].source.ip(), from);
            forget(lone, handle);
        }
        lone.drain(&[]);
    });
}

#[test]
fn must_44_provoked_by_peers_beyond_the_link_and_of_the_other_family() {
    two_addresses(|lone, second, _| {
        let v4 = lone.us.is_ipv4();
        let (far, foreign) = if v4 { ("8.8.8.8", "fd00::1") } else { ("2001:db8::1", "10.0.0.1") };
        let handle = connect(lone, ip(far), None).expect("a slot");
        let source = lone.sent()[0].source.ip();
        assert!(source == lone.us || source == second, "{source}");
        forget(lone, handle);
        assert_eq!(connect(lone, ip(foreign), None), Err(ConnectError::NoAddress));
        assert!(lone.sent().is_empty());
        lone.drain(&[]);
    });
}

#[test]
fn must_45_holds_the_address_stays_for_the_whole_life() {
    two_addresses(|lone, second, _| {
        let handle = connect(lone, lone.them, Some(second)).expect("a slot");
        let mut sent = lone.sent();
        let syn = sent[0];
        let (at, host) = (syn.destination, syn.source);
        let (seq, next) = (SeqNum::new(5), syn.seq + 1);
        let mut peer = Peer { handle, at, host, seq, ack: next, window: 60_000 };
        sent.extend(lone.feed(&peer.segment(SYN_ACK, b"")));
        peer.seq = peer.seq + 1;
        sent.extend(write(lone, &peer, 100));
        sent.extend(lone.pass(Duration::from_secs(5)).into_iter().map(|(_, one)| one));
        sent.extend(ack(lone, &mut peer, 100));
        sent.extend(tell(lone, &mut peer, b"text"));
        lone.host.abort(handle);
        sent.extend(lone.sent());
        assert!(sent.len() >= 6);
        assert!(sent.iter().all(|one| one.source == host && host.ip() == second));
        lone.drain(&[peer]);
    });
}

#[test]
fn must_45_provoked_by_segments_to_another_address_of_ours() {
    two_addresses(|lone, second, _| {
        let mut peer = lone.passive(0);
        let mut astray = peer.segment(Flags::ACK, b"text");
        astray.destination.set_ip(second);
        let answers = lone.feed(&astray);
        assert!(answers.iter().all(|one| one.has(Flags::RST) && one.source.ip() == second));
        assert_eq!(lone.host.readable(peer.handle), 0);
        let sent = write(lone, &peer, 10);
        assert_eq!(sent[0].source, peer.host);
        ack(lone, &mut peer, 10);
        still_works(lone, &mut peer);
        lone.drain(&[peer]);
    });
}

#[test]
fn must_46_holds_who_is_not_one_host_cannot_be_called() {
    hosts(|lone| {
        let remotes = if lone.us.is_ipv4() {
            ["255.255.255.255", "224.0.0.1"]
        } else {
            ["ff02::1", "ff0e::1:2"]
        };
        for remote in remotes {
            assert_eq!(connect(lone, ip(remote), None), Err(ConnectError::InvalidRemote));
        }
        assert!(lone.sent().is_empty());
        lone.drain(&[]);
    });
}

#[test]
fn must_46_provoked_by_directed_broadcasts_nobody_and_ourselves() {
    hosts(|lone| {
        let remotes = if lone.us.is_ipv4() {
            ["10.0.0.255", "0.0.0.0", "239.255.255.250", "10.0.0.2"]
        } else {
            ["::", "ff01::1", "ff05::2", "fd00::2"]
        };
        for remote in remotes {
            assert_eq!(connect(lone, ip(remote), None), Err(ConnectError::InvalidRemote));
            let from = ConnectConfig { local_address: Some(lone.us), ..ConnectConfig::new() };
            let to = SocketAddr::new(ip(remote), 9);
            assert_eq!(lone.host.connect(lone.now, to, &from), Err(ConnectError::InvalidRemote));
        }
        let nobody = SocketAddr::new(lone.them, 0);
        let refused = lone.host.connect(lone.now, nobody, &ConnectConfig::new());
        assert_eq!(refused, Err(ConnectError::InvalidRemote));
        assert!(lone.sent().is_empty());
        lone.drain(&[]);
    });
}

#[test]
fn must_60_holds_what_is_written_leaves_without_being_pushed() {
    each(|lone, peer| {
        for octets in [1, 2, 535, 536] {
            assert_eq!(text(&write(lone, peer, octets)) as usize, octets, "nothing is outstanding");
            ack(lone, peer, octets as u32);
        }
    });
}

#[test]
fn must_60_provoked_by_crumbs_behind_nagle_and_a_small_window() {
    each(|lone, peer| {
        window(lone, peer, 700);
        let (start, mut written) = (peer.ack, 0);
        for octets in [1, 3, 600, 5, 1, 1, 40, 700, 2] {
            assert_eq!(lone.host.write(peer.handle, &vec![1; octets]), Ok(octets));
            written += octets as u32;
            // The peer answers late, and only what it got.
            for one in lone.sent() {
                peer.ack = peer.ack.later(one.end());
            }
        }
        for _ in 0..50 {
            let mut sent = lone.feed(&peer.segment(Flags::ACK, b""));
            sent.extend(lone.pass(Duration::from_secs(1)).into_iter().map(|(_, one)| one));
            for one in sent {
                peer.ack = peer.ack.later(one.end());
            }
        }
        assert_eq!((peer.ack.since(start), lone.host.send_queue(peer.handle)), (written, 0));
    });
}

/// Which segments bear PSH.
fn pushes(sent: &[Seen]) -> Vec<bool> {
    sent.iter().map(|one| one.has(Flags::PSH)).collect()
}

#[test]
fn must_61_holds_the_last_segment_of_what_is_queued_is_pushed() {
    each(|lone, peer| {
        assert_eq!(pushes(&write(lone, peer, 10)), [true]);
        ack(lone, peer, 10);
        let sent = write(lone, peer, 3 * 536);
        assert_eq!(pushes(&sent), [false, false, true]);
        ack(lone, peer, 3 * 536);
    });
}

#[test]
fn must_61_provoked_many_writes_share_one_push() {
    each(|lone, peer| {
        write(lone, peer, 1);
        for _ in 0..50 {
            assert!(write(lone, peer, 9).is_empty(), "gathered behind the first octet");
        }
        let sent = ack(lone, peer, 1);
        assert_eq!((text(&sent), pushes(&sent)), (450, vec![true]));
        // It is lost, and pushed again.
        let again = lone.pass(Duration::from_secs(2));
        assert!(again.iter().all(|(_, one)| one.has(Flags::PSH) && one.text == 450));
        assert!(!again.is_empty());
        // Of more than a segment only the last is pushed.
        for _ in 0..100 {
            assert_eq!(lone.host.write(peer.handle, &[1; 9]), Ok(9));
        }
        let sent = ack(lone, peer, 450);
        assert_eq!((text(&sent[..1]), pushes(&sent)[0]), (536, false), "{sent:?}");
        let rest = ack(lone, peer, text(&sent));
        let all = [sent, rest].concat();
        assert_eq!((text(&all), pushes(&all)), (900, vec![false, true]));
        ack(lone, peer, 900 - 536);
    });
}
