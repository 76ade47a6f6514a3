//! Peers that fall silent, and answers that are rationed.
#![cfg(all(feature = "ipv6", feature = "udp"))]

use hikyaku::time::Duration;
use hikyaku::{CloseReason, State};
use hikyaku_testkit::host::Kind;
use hikyaku_testkit::pair::{Family, LEFT, RIGHT, Setup};

const HOUR: Duration = Duration::from_secs(3600);

/// Both links are cut, and nobody has anything to say.
fn cut_off(keepalive: Option<Duration>) -> (hikyaku_testkit::pair::Pair, hikyaku::TcpHandle) {
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
