//! Peers that fall silent, and answers that are rationed.
#![cfg(all(feature = "ipv6", feature = "udp"))]

use hikyaku::time::Duration;
use hikyaku::wire::tcp::Flags;
use hikyaku::{CloseReason, State, TcpHandle};
use hikyaku_testkit::applications::Script;
use hikyaku_testkit::forge::Tcp;
use hikyaku_testkit::host::Kind;
use hikyaku_testkit::pair::{Family, LEFT, Pair, RIGHT, Setup, address};
use hikyaku_testkit::seen::Seen;
use std::net::SocketAddr;

const HOUR: Duration = Duration::from_secs(3600);

/// Both links are cut, and nobody has anything to say.
fn cut_off(keepalive: Option<Duration>) -> (Pair, TcpHandle) {
    let setup = Setup::new(1).hosts(|host| host.config.connection.keepalive = keepalive);
    let mut pair = setup.build();
    let (left, _) = pair.handshake(Family::V4, 7);
    pair.run_for(Duration::from_secs(1));
    for link in &mut pair.links {
        link.is_cut = true;
    }
    (pair, left)
}

#[test]
fn silence_is_no_end_unless_it_is_asked_about() {
    let (mut pair, left) = cut_off(None);
    for _ in 0..24 {
        pair.run_for(HOUR);
    }
    assert_eq!(pair.hosts[LEFT].state(left), State::Established);
}

#[test]
fn a_peer_that_is_gone_is_found_out() {
    let (mut pair, left) = cut_off(Some(Duration::from_secs(200)));
    // Asked after about 200 s, nine times, 75 s apart.
    pair.run_for(Duration::from_secs(200 + 9 * 75 - 5));
    assert_eq!(pair.hosts[LEFT].close_reason(left), None);
    pair.run_for(Duration::from_secs(10));
    assert_eq!(pair.hosts[LEFT].close_reason(left), Some(CloseReason::TimedOut));
    assert_eq!(pair.hosts[LEFT].counters().given_up, 1);
    assert_eq!(pair.watch.sights.keepalives, 18, "nine from either side");
}

#[test]
fn a_peer_that_only_listens_is_left_alone() {
    // Small leaves keep-alives out: it answers them, and asks for none.
    let keepalive = Some(Duration::from_secs(20));
    let setup = Setup::new(2)
        .profiles([Kind::Full, Kind::Small])
        .hosts(|host| host.config.connection.keepalive = keepalive);
    let mut pair = setup.build();
    let (left, right) = pair.handshake(Family::V6, 7);
    pair.run_for(HOUR);
    assert_eq!(pair.hosts[LEFT].state(left), State::Established);
    assert_eq!(pair.hosts[RIGHT].state(right), State::Established);
    let asked = pair.watch.sights.keepalives;
    assert!((180..=190).contains(&asked), "asked {asked} times in an hour");
    assert_eq!(pair.hosts[LEFT].counters().segments_in, asked as usize + 1, "each is answered");
}

#[test]
fn challenges_are_rationed_by_connection_and_second() {
    for kind in [Kind::Full, Kind::Small] {
        let mut pair = Setup::new(3).profiles([kind, kind]).build();
        pair.serve(RIGHT, 7, Script::answer(0));
        let open = |pair: &mut Pair, port| {
            let from = SocketAddr::from(([10, 0, 0, 77], port));
            let to = SocketAddr::new(address(RIGHT, Family::V4), 7);
            let syn = Tcp::syn(from, to, 1000);
            let answer = pair.inject(RIGHT, &syn.packet());
            let answer = Seen::in_packet(&answer[0]).expect("a SYN-ACK");
            let flags = Flags::ACK;
            let ack = Tcp { seq: syn.seq + 1, ack: answer.seq + 1, flags, ..syn };
            pair.inject(RIGHT, &ack.packet());
            // Inside the window, but not the number that resets (RFC 5961 §3.2).
            Tcp { seq: ack.seq + 1, flags: Flags::RST, ..ack }
        };
        let (one, other) = (open(&mut pair, 40_001), open(&mut pair, 40_002));
        let challenged = |pair: &mut Pair, reset: &Tcp, times: usize| -> usize {
            (0..times).map(|_| pair.inject(RIGHT, &reset.packet()).len()).sum()
        };
        assert_eq!(challenged(&mut pair, &one, 100), 8);
        assert_eq!(
            challenged(&mut pair, &other, 100),
            8,
            "what one has used up is not the other's"
        );
        pair.run_for(Duration::from_secs(2));
        assert_eq!(challenged(&mut pair, &one, 3), 3);
    }
}
