//! RFC 9293 §3.4: sequence numbers, initial ones above all, and what a closed window still hears.

use std::collections::BTreeSet;

use hikyaku::time::{Duration, Instant};
use hikyaku::wire::tcp::Flags;
use hikyaku::{CloseReason, State};
use hikyaku_testkit::host::make;
use hikyaku_testkit::lone::{Lone, PORT};
use hikyaku_testkit::pair::{Family, LEFT, RIGHT, Setup, address};
use hikyaku_testkit::seen::Seen;

use super::common::*;

/// The initial sequence number that the host would use now for a peer, which takes its SYN back.
fn isn(lone: &mut Lone, number: u16) -> u32 {
    let syn = lone.syn(number);
    let answers = lone.feed(&syn);
    let mut reset = syn;
    (reset.seq, reset.flags) = (reset.seq + 1, Flags::RST);
    lone.feed(&reset);
    answers[0].seq.raw()
}

#[test]
fn must_8_holds_the_clock_of_four_microseconds_is_in_the_number() {
    hosts(|lone| {
        let first = isn(lone, 1);
        for span in [4, 8, 4000, 1_000_000, 3_600_000_000] {
            lone.now = lone.now + Duration::from_micros(span);
            let passed = (lone.now.micros() - 1000) / 4;
            assert_eq!(isn(lone, 1).wrapping_sub(first), passed as u32, "{span} µs");
        }
    });
}

#[test]
fn must_8_provoked_by_a_clock_at_its_wrap() {
    hosts(|lone| {
        // 2³² steps of four microseconds.
        for wraps in [1_u64, 2, 1000] {
            lone.now = Instant::from_micros((wraps << 34) - 4);
            let before = isn(lone, 1);
            lone.now = lone.now + Duration::from_micros(8);
            assert_eq!(isn(lone, 1).wrapping_sub(before), 2);
        }
        // Our own SYNs follow the same clock.
        let number = |lone: &mut Lone| {
            let config =
                hikyaku::ConnectConfig { local_port: Some(4000), ..hikyaku::ConnectConfig::new() };
            let remote = std::net::SocketAddr::new(lone.them, 9);
            let handle = lone.host.connect(lone.now, remote, &config).expect("a slot");
            let iss = lone.sent()[0].seq.raw();
            lone.host.abort(handle);
            lone.host.release(handle);
            iss
        };
        let before = number(lone);
        lone.now = lone.now + Duration::from_secs(1);
        assert_eq!(number(lone).wrapping_sub(before), 250_000);
    });
}

#[test]
fn must_9_holds_the_secret_decides_the_number() {
    for kind in KINDS {
        for family in Family::BOTH {
            let setup = Setup::new(1).profiles([kind; 2]).hosts[RIGHT].clone();
            let numbers: BTreeSet<u32> = (1..=32)
                .map(|secret| {
                    let mut host = make(&setup, secret);
                    host.listen(PORT, &hikyaku::ListenConfig::new()).expect("a free port");
                    let from = std::net::SocketAddr::new(address(LEFT, family), 5000);
                    let to = std::net::SocketAddr::new(address(RIGHT, family), PORT);
                    let now = Instant::from_millis(1);
                    host.receive(now, &hikyaku_testkit::forge::Tcp::syn(from, to, 1).packet());
                    let mut buffer = [0; 1500];
                    let len = host.transmit(now, &mut buffer).expect("a SYN-ACK");
                    Seen::in_packet(&buffer[..len]).expect("a SYN-ACK").seq.raw()
                })
                .collect();
            assert_eq!(numbers.len(), 32, "each secret has its own");
        }
    }
}

#[test]
fn must_9_provoked_by_an_observer_who_opens_many_connections() {
    hosts(|lone| {
        // The clock stands still: who saw these numbers must not know the next ones.
        let numbers: Vec<u32> = (0..64).map(|number| isn(lone, number)).collect();
        let steps: BTreeSet<u32> =
            numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
        assert_eq!(steps.len(), 63, "no step is like another");
        let high: BTreeSet<u32> = numbers.iter().map(|number| number >> 28).collect();
        assert!(high.len() >= 12, "they lie everywhere: {high:?}");
        // The step from one port to the next is not that of another peer.
        let near = |lone: &mut Lone| isn(lone, 1).wrapping_sub(isn(lone, 0));
        let here = near(lone);
        lone.them = if lone.them.is_ipv4() { "10.0.0.9" } else { "fd00::9" }.parse().expect("one");
        assert_ne!(near(lone), here);
    });
}

/// Text until the window of the host is closed.
fn close_window(lone: &mut Lone, peer: &mut hikyaku_testkit::lone::Peer) {
    for _ in 0..1000 {
        let room = lone.host.info(peer.handle).rcv_wnd;
        if room == 0 {
            return;
        }
        tell(lone, peer, &vec![1; room.min(1000) as usize]);
        lone.pass(Duration::from_millis(600));
    }
    panic!("the window never closes");
}

#[test]
fn must_66_holds_a_reset_is_heard_through_a_closed_window() {
    each(|lone, peer| {
        close_window(lone, peer);
        lone.feed(&peer.segment(Flags::RST, b""));
        assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::Reset));
    });
}

#[test]
fn must_66_provoked_by_acks_resets_and_urgent_pointers_at_a_closed_window() {
    each(|lone, peer| {
        close_window(lone, peer);
        write(lone, peer, 100);
        // Text that has no room brings an ACK all the same, and so does an urgent pointer.
        let mut urgent = peer.segment(Flags::ACK | Flags::URG, b"x");
        (urgent.ack, urgent.urgent) = (peer.ack + 100, 1);
        lone.feed(&urgent);
        assert_eq!(lone.host.send_queue(peer.handle), 0, "its ACK was heard");
        peer.ack = peer.ack + 100;
        // One beside the number is no reset.
        let mut wrong = peer.segment(Flags::RST, b"");
        wrong.seq = peer.seq + 1;
        lone.feed(&wrong);
        assert_eq!(lone.host.state(peer.handle), State::Established);
        lone.feed(&peer.segment(Flags::RST | Flags::ACK, b"x"));
        assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::Reset));
    });
}
