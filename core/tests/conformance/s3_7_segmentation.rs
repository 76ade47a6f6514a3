//! RFC 9293 §3.7: the maximum segment size, and Nagle's algorithm.

use std::net::IpAddr;

use hikyaku::time::{Duration, Instant};
use hikyaku::wire::tcp::Flags;
use hikyaku::{Capacity, Config, ListenConfig, Profile, Stack, Storage};
use hikyaku_testkit::forge::Tcp;
use hikyaku_testkit::host::HostSetup;
use hikyaku_testkit::lone::{Lone, PORT};
use hikyaku_testkit::pair::{Family, LEFT, RIGHT, address};
use hikyaku_testkit::seen::{Seen, payload};

use super::common::*;

/// What IP and TCP put before the text of a segment without options.
fn headers(us: IpAddr) -> u16 {
    if us.is_ipv4() { 40 } else { 60 }
}

/// A peer that told this MSS, or none; and what the host told it.
fn with_mss(lone: &mut Lone, number: u16, mss: Option<u16>) -> (hikyaku_testkit::lone::Peer, u16) {
    let mut syn = lone.syn(number);
    syn.options.clear();
    if let Some([high, low]) = mss.map(u16::to_be_bytes) {
        syn.options = vec![2, 4, high, low];
    }
    let answers = lone.feed(&syn);
    let told = answers[0].mss.expect("an MSS");
    (lone.passive_with(&syn), told)
}

/// Text and options of the longest segment that leaves when there is much to send.
fn longest(lone: &mut Lone, peer: &hikyaku_testkit::lone::Peer) -> usize {
    assert_eq!(lone.host.write(peer.handle, &[7; 8000]), Ok(8000));
    let packets = lone.packets();
    let lens = packets.iter().map(|packet| payload(packet).expect("a packet").3.len() - 20);
    lens.max().expect("a segment")
}

#[test]
fn must_14_holds_both_syns_carry_the_mss_and_both_keep_to_it() {
    hosts(|lone| {
        let (peer, told) = with_mss(lone, 0, Some(700));
        assert_eq!(told, 1500 - headers(lone.us), "that of our SYN-ACK");
        assert_eq!(longest(lone, &peer), 700);
        let remote = std::net::SocketAddr::new(lone.them, 9);
        let active = lone.host.connect(lone.now, remote, &hikyaku::ConnectConfig::new());
        let active = active.expect("a slot");
        let syn = lone.sent();
        assert_eq!(syn.last().and_then(|syn| syn.mss), Some(told), "that of our SYN");
        lone.host.abort(active);
        lone.host.release(active);
        lone.drain(&[peer]);
    });
}

#[test]
fn must_14_provoked_by_an_mss_in_the_answer_and_by_silly_ones() {
    hosts(|lone| {
        // In a SYN-ACK it counts as well.
        let mut peer = lone.syn_sent(0);
        let answer = Tcp { options: vec![2, 4, 1, 244], ..peer.segment(SYN_ACK, b"") };
        lone.feed(&answer);
        peer.seq = peer.seq + 1;
        assert_eq!(longest(lone, &peer), 500);
        lone.drain(&[peer]);
        let most = 1500 - headers(lone.us);
        for (number, told, expected) in
            [(1, 1, 48), (2, 64, 64), (3, 1000, 1000), (4, 9000, most), (5, 65_535, most)]
        {
            let (peer, _) = with_mss(lone, number, Some(told));
            assert_eq!(longest(lone, &peer), usize::from(expected), "{told}");
            lone.drain(&[peer]);
        }
    });
}

#[test]
fn must_15_holds_who_tells_no_mss_gets_536_or_1220() {
    hosts(|lone| {
        let (peer, _) = with_mss(lone, 0, None);
        assert_eq!(longest(lone, &peer), if lone.us.is_ipv4() { 536 } else { 1220 });
        lone.drain(&[peer]);
    });
}

#[test]
fn must_15_provoked_by_mss_options_that_say_nothing_and_by_an_answer_without_one() {
    hosts(|lone| {
        let default = if lone.us.is_ipv4() { 536 } else { 1220 };
        for (number, options) in
            [&[2, 4, 0, 0][..], &[2, 3, 9, 0], &[2, 6, 9, 9, 9, 9], &[1, 1, 1, 1]]
                .iter()
                .enumerate()
        {
            let peer = lone.passive_with(&syn_with(lone, number as u16, options));
            assert_eq!(longest(lone, &peer), default, "{options:?}");
            lone.drain(&[peer]);
        }
        let peer = lone.active(9);
        assert_eq!(longest(lone, &peer), default, "a SYN-ACK without options");
        lone.drain(&[peer]);
    });
}

#[test]
fn must_16_holds_the_smaller_of_what_the_peer_and_the_link_take() {
    for mtu in [1280, 1400, 1500] {
        hosts_with(
            |setup| setup.config.mtu = mtu,
            |lone| {
                let fits = mtu - headers(lone.us);
                for (number, told) in [(0, 600), (1, fits - 1), (2, fits), (3, fits + 1)] {
                    let (peer, _) = with_mss(lone, number, Some(told));
                    assert_eq!(longest(lone, &peer), usize::from(told.min(fits)));
                    lone.drain(&[peer]);
                }
            },
        );
    }
}

#[test]
fn must_16_provoked_by_peers_that_take_more_than_the_link_and_by_options_on_every_segment() {
    // Window scale, SACK and timestamps are offered: what is agreed must come off the text.
    let offer = [2, 4, 255, 255, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7];
    hosts(|lone| {
        let peer = passive_offering(lone, 0, &offer);
        assert_eq!(longest(lone, &peer), usize::from(1500 - headers(lone.us)));
        lone.drain(&[peer]);
        let mut narrow = offer;
        narrow[2..4].copy_from_slice(&600_u16.to_be_bytes());
        let peer = passive_offering(lone, 1, &narrow);
        assert_eq!(longest(lone, &peer), 600);
        lone.drain(&[peer]);
    });
}

/// Ten writes of an octet each, none of them acknowledged: what leaves.
fn ten_octets(lone: &mut Lone, number: u16) -> usize {
    let peer = lone.passive(number);
    let sent: usize = (0..10).map(|_| write(lone, &peer, 1).len()).sum();
    lone.drain(&[peer]);
    sent
}

#[test]
fn must_17_holds_nagle_is_chosen_by_connection() {
    hosts(|lone| assert_eq!(ten_octets(lone, 0), 1));
    hosts_with(
        |setup| setup.config.connection.nagle = false,
        |lone| assert_eq!(ten_octets(lone, 0), 10),
    );
}

/// Off and on again while the connection is in use.
fn switched<P: Profile>() {
    let capacity = Capacity { connections: 4, blocks: 64, block_size: 1024, ..Capacity::small() };
    let storage = Storage::<'static, P>::allocate(&capacity);
    let secret = hikyaku::Secret::new([3; 16]).expect("not all zero");
    let mut stack: Stack<'static, P> =
        Stack::new(storage, &Config::new(), secret).expect("a good config");
    let (us, them) = (address(RIGHT, Family::V4), address(LEFT, Family::V4));
    stack.add_address(us, 24).expect("room");
    let listener = stack.listen(PORT, &ListenConfig::new()).expect("a free port");
    let now = Instant::from_millis(1);
    let mut buffer = [0; 1500];
    let mut sent = |stack: &mut Stack<'static, P>| {
        let mut all = Vec::new();
        while let Some(len) = stack.transmit(now, &mut buffer) {
            all.push(Seen::in_packet(&buffer[..len]).expect("a segment"));
        }
        all
    };
    let (from, to) = ((them, 5000).into(), (us, PORT).into());
    let mut segment = Tcp::syn(from, to, 1000);
    stack.receive(now, &segment.packet());
    let answer = sent(&mut stack)[0];
    (segment.seq, segment.ack, segment.flags) = (segment.seq + 1, answer.seq + 1, Flags::ACK);
    stack.receive(now, &segment.packet());
    let handle = stack.accept(listener).expect("a connection");
    let mut write = |stack: &mut Stack<'static, P>, nagle: bool| {
        let mut socket = stack.tcp(handle).expect("live");
        socket.set_nagle(nagle);
        socket.write(b"x").expect("room");
        sent(stack).len()
    };
    assert_eq!(write(&mut stack, true), 1, "nothing is outstanding");
    assert_eq!(write(&mut stack, true), 0);
    assert_eq!(write(&mut stack, false), 1, "both octets that wait");
    assert_eq!(write(&mut stack, false), 1);
    assert_eq!(write(&mut stack, true), 0, "and on again");
}

#[test]
fn must_17_provoked_by_a_switch_in_the_middle_of_a_connection() {
    switched::<hikyaku::Full>();
    switched::<hikyaku::Small>();
}

#[test]
fn must_65_holds_only_syns_tell_the_mss() {
    hosts(|lone| {
        for packet in packets_of_a_life(lone, &[2, 4, 2, 24, 1, 3, 3, 2]) {
            let seen = Seen::in_packet(&packet).expect("a segment");
            assert_eq!(seen.mss.is_some(), seen.has(Flags::SYN), "{seen}");
        }
    });
}

#[test]
fn must_65_provoked_by_mss_options_on_text_and_by_probes_and_repetitions() {
    each(|lone, peer| {
        let check = |sent: &[Seen]| {
            for seen in sent {
                assert_eq!(seen.mss, None, "{seen}");
            }
            sent.len()
        };
        let mut odd = peer.segment(Flags::ACK, b"text");
        odd.options = vec![2, 4, 1, 0];
        check(&lone.feed(&odd));
        peer.seq = peer.seq + 4;
        check(&write(lone, peer, 2000));
        let late: Vec<Seen> =
            lone.pass(Duration::from_secs(20)).into_iter().map(|(_, seen)| seen).collect();
        assert!(check(&late) >= 3, "repetitions");
        check(&window(lone, peer, 0));
        let probes: Vec<Seen> =
            lone.pass(Duration::from_secs(60)).into_iter().map(|(_, seen)| seen).collect();
        assert!(check(&probes) >= 1, "probes");
        check(&lone.feed(&peer.segment(Flags::SYN, b"")));
    });
}

/// A host that has no IPv6, which has a lower bound for MTUs.
fn only_ipv4(setup: &mut HostSetup, mtu: u16) {
    setup.config.mtu = mtu;
    setup.addresses[1] = ("10.0.0.77".parse().expect("an address"), 24);
}

#[test]
fn must_67_holds_the_mss_that_we_tell_fits_the_link() {
    for mtu in [1280, 1400, 1500] {
        hosts_with(
            |setup| setup.config.mtu = mtu,
            |lone| {
                let (peer, told) = with_mss(lone, 0, None);
                assert_eq!(told, mtu - headers(lone.us));
                lone.drain(&[peer]);
            },
        );
    }
}

#[test]
fn must_67_provoked_by_tiny_links_and_by_a_user_who_asks_for_more() {
    for mtu in [88, 100, 576] {
        for kind in KINDS {
            for wish in [None, Some(65_535), Some(mtu - 40)] {
                let mut lone = Lone::with(kind, Family::V4, |setup| {
                    only_ipv4(setup, mtu);
                    setup.config.connection.mss = wish;
                });
                let (peer, told) = with_mss(&mut lone, 0, None);
                assert_eq!(told, mtu - 40, "{wish:?}");
                lone.drain(&[peer]);
            }
        }
    }
}
