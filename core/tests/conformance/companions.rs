//! Requirements of the documents beside RFC 9293 that no other test shows.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use hikyaku::time::Duration;
use hikyaku::wire::tcp::Flags;
use hikyaku::{
    AllocationPolicy, Capacity, Config, ConnectConfig, Full, Profile, Secret, Small, Stack, State,
    Storage, Tiny, UdpConfig,
};
use hikyaku_testkit::forge::{icmp, udp, with_ipv4_checksum};
use hikyaku_testkit::host::make;
use hikyaku_testkit::lone::{Lone, MSS};
use hikyaku_testkit::pair::{Family, LEFT, RIGHT, Setup, address};
use hikyaku_testkit::seen::Seen;

use super::common::*;

#[test]
fn rfc_5681_after_a_lost_syn_one_segment_goes_first() {
    hosts(|lone| {
        for lost in [false, true] {
            let mut peer = lone.syn_sent(u16::from(lost));
            if lost {
                assert_eq!(lone.pass(Duration::from_millis(1500)).len(), 1);
            }
            let mut answer = peer.segment(SYN_ACK, b"");
            answer.options = vec![2, 4, 2, 24];
            lone.feed(&answer);
            peer.seq = peer.seq + 1;
            let sent = write(lone, &peer, 12 * usize::from(MSS));
            assert_eq!(sent.len(), if lost { 1 } else { 10 });
            lone.drain(&[peer]);
        }
        // The same where our SYN-ACK was lost.
        let syn = lone.syn(7);
        let answers = lone.feed(&syn);
        assert_eq!(lone.pass(Duration::from_millis(1500)).len(), 1);
        let mut third = syn;
        (third.seq, third.ack, third.flags) = (third.seq + 1, answers[0].seq + 1, Flags::ACK);
        third.options.clear();
        lone.feed(&third);
        let handle = lone.accept().expect("a connection");
        assert_eq!(lone.host.write(handle, &[1; 5000]), Ok(5000));
        assert_eq!(lone.sent().len(), 1);
        lone.host.abort(handle);
        lone.host.release(handle);
        lone.drain(&[]);
    });
}

/// The ports that a stack with this secret gives to UDP sockets, all at one point in time.
fn udp_ports<P: Profile>(secret: u8, count: usize) -> Vec<u16> {
    let capacity = Capacity { udp_sockets: 8, ..Capacity::small() };
    let policy = AllocationPolicy::Overcommit;
    let config = Config { policy, ..Config::new() };
    let secret = Secret::new([secret; 16]).expect("not zero");
    let mut stack =
        Stack::<P>::new(Storage::allocate(&capacity), &config, secret).expect("possible");
    let mut ports = Vec::new();
    for number in 0..count {
        let handle = stack.bind_udp(&UdpConfig::new(0)).expect("a free port");
        let socket = stack.udp(handle).expect("live");
        ports.push(socket.local_port());
        // Some stay open.
        if number % 64 != 0 {
            socket.close();
        }
    }
    ports
}

fn udp_ports_are_drawn<P: Profile>() {
    let ports = udp_ports::<P>(1, 256);
    assert!(ports.iter().all(|port| *port >= 49_152), "{ports:?}");
    let different: BTreeSet<u16> = ports.iter().copied().collect();
    assert!(different.len() > 245, "{} of 256", different.len());
    let steps: BTreeSet<u16> = ports.windows(2).map(|two| two[1].wrapping_sub(two[0])).collect();
    assert!(steps.len() > 240, "no step tells the next: {}", steps.len());
    // Of 16,384 ports each quarter has about as many.
    for quarter in 0..4 {
        let range = 49_152 + quarter * 4_096..=49_152 + quarter * 4_096 + 4_095;
        let count = ports.iter().filter(|port| range.contains(*port)).count();
        assert!((40..=90).contains(&count), "{count} in {range:?}");
    }
    // Another secret tells nothing of them, in whatever place.
    let firsts: BTreeSet<u16> = (1..=64).map(|secret| udp_ports::<P>(secret, 1)[0]).collect();
    assert!(firsts.len() > 60, "{}", firsts.len());
    let other = udp_ports::<P>(2, 256);
    assert!(ports.iter().zip(&other).filter(|(one, other)| one == other).count() < 4);
}

#[test]
fn rfc_6056_ports_of_udp_sockets_cannot_be_foreseen() {
    udp_ports_are_drawn::<Full>();
    udp_ports_are_drawn::<Small>();
    udp_ports_are_drawn::<Tiny>();
}

#[test]
fn rfc_1858_fragments_never_reach_tcp() {
    for kind in KINDS {
        let mut lone = Lone::new(kind, Family::V4);
        let mut peer = lone.passive(0);
        let whole = peer.segment(Flags::ACK, b"text").packet();
        // The first part, with all of TCP's header; later ones, one that overlays the flags.
        for field in [0x2000_u16, 0x2001, 0x0001, 0x0002, 0x00ff] {
            let mut part = whole.clone();
            part[6..8].copy_from_slice(&field.to_be_bytes());
            assert!(lone.feed_packet(&with_ipv4_checksum(part)).is_empty(), "{field:#x}");
            assert_eq!(lone.host.readable(peer.handle), 0, "{field:#x}");
        }
        let mut syn = lone.syn(1).packet();
        syn[6..8].copy_from_slice(&[0x20, 0]);
        assert!(lone.feed_packet(&with_ipv4_checksum(syn)).is_empty());
        assert_eq!(lone.host.usage().half_open, 0);
        still_works(&mut lone, &mut peer);
        lone.drain(&[peer]);
    }
}

#[test]
fn rfc_6864_packets_are_atomic() {
    for kind in KINDS {
        let mut lone = Lone::new(kind, Family::V4);
        for packet in packets_of_a_life(&mut lone, &[2, 4, 2, 24]) {
            assert_eq!(packet[4..8], [0, 0, 0x40, 0], "DF, and neither MF nor an offset");
        }
    }
}

#[test]
fn rfc_4443_errors_quote_as_much_as_the_smallest_mtu_takes() {
    for kind in KINDS {
        let mut lone = Lone::new(kind, Family::V6);
        for (text, quoted) in [(10, 58), (1184, 1232), (1185, 1232), (1400, 1232)] {
            let (from, to) = (SocketAddr::new(lone.them, 5), SocketAddr::new(lone.us, 6));
            let packet = udp(from, to, text + 8, &vec![3; usize::from(text)]);
            let answers = lone.feed_packet(&packet);
            assert_eq!(answers[0].len(), 40 + 8 + quoted, "{text} octets");
            assert_eq!((answers[0][40], answers[0][41]), (1, 4), "port unreachable");
            assert_eq!(answers[0][48..], packet[..quoted]);
        }
    }
}

#[test]
fn rfc_4443_errors_are_not_answered_by_errors() {
    hosts(|lone| {
        let (from, to) = (SocketAddr::new(lone.us, 6), SocketAddr::new(lone.them, 5));
        let ours = udp(from, to, 12, b"text");
        let kinds: &[u8] =
            if lone.us.is_ipv4() { &[3, 5, 11, 12] } else { &[1, 2, 3, 4, 100, 137] };
        for kind in kinds {
            for code in 0..6 {
                let message = [&[*kind, code, 0, 0, 0, 0, 0, 0][..], &ours].concat();
                let packet = icmp(lone.them, lone.us, &message);
                assert!(lone.feed_packet(&packet).is_empty(), "{kind} {code}");
            }
        }
        assert!(lone.pass(Duration::from_secs(5)).is_empty());
    });
}

/// The local ports of opens to one remote port after the other, a microsecond apart.
fn ports(lone: &mut Lone, count: u16, same: bool) -> Vec<u16> {
    let open = |number: u16, lone: &mut Lone| {
        let remote = SocketAddr::new(lone.them, 2000 + if same { 0 } else { number });
        let handle = lone.host.connect(lone.now, remote, &ConnectConfig::new()).expect("a slot");
        assert_eq!(lone.host.state(handle), State::SynSent);
        let port = lone.host.local(handle).port();
        lone.sent();
        lone.host.abort(handle);
        lone.host.release(handle);
        lone.now = lone.now + Duration::from_micros(1);
        port
    };
    (0..count).map(|number| open(number, lone)).collect()
}

#[test]
fn rfc_6056_ports_of_one_peer_tell_nothing_of_another() {
    hosts(|lone| {
        for same in [false, true] {
            let found = ports(lone, 200, same);
            assert!(found.iter().all(|port| *port >= 49_152), "{found:?}");
            let steps: BTreeSet<u16> =
                found.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
            assert!(steps.len() > 190, "no step tells the next: {}", steps.len());
        }
    });
    // Another secret, another port for the same peer at the same time.
    let setup = Setup::new(1).hosts[RIGHT].clone();
    let remote = SocketAddr::new(address(LEFT, Family::V4), 9);
    let found: BTreeSet<u16> = (1..=64)
        .map(|secret| {
            let mut host = make(&setup, secret);
            let now = hikyaku::time::Instant::from_millis(1);
            host.connect(now, remote, &ConnectConfig::new()).expect("a slot");
            let mut buffer = [0; 1500];
            let len = host.transmit(now, &mut buffer).expect("a SYN");
            Seen::in_packet(&buffer[..len]).expect("a SYN").source.port()
        })
        .collect();
    assert!(found.len() > 60, "{}", found.len());
}
