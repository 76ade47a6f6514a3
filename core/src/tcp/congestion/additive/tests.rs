//! The additive window, drawn ACK by ACK and held against Reno.

use super::super::Reno;
use super::*;
use proptest::prelude::*;

const MSS: u32 = 1_460;
const NOW: Instant = Instant::ZERO;

fn started<C: CongestionControl>(segments: u8) -> C {
    let mut controller = C::EMPTY;
    controller.start(Algorithm::Reno, MSS, segments);
    controller
}

fn ack(octets: u32, flight: u32) -> Ack {
    Ack { now: NOW, octets, flight, mss: MSS }
}

#[test]
fn a_window_of_acknowledgements_makes_room_for_one_segment_more() {
    let mut additive = started::<Additive>(2);
    let mut before = additive.window();
    for trip in 3..10 {
        let mut left = before;
        while left > 0 {
            let octets = left.min(MSS);
            additive.on_ack(&ack(octets, before));
            left -= octets;
        }
        let grown = additive.window() - before;
        assert!((MSS * 3 / 4..=MSS).contains(&grown), "{grown} octets in round trip {trip}");
        before = additive.window();
    }
}

#[test]
fn it_grows_no_further_than_a_connection_may_begin_with() {
    let mut additive = started::<Additive>(10);
    for _ in 0..1_000 {
        additive.on_ack(&ack(2 * MSS, 10 * MSS));
        additive.on_idle(MSS, 10);
        assert_eq!(additive.window(), 10 * MSS);
    }
    additive.on_loss(NOW, 10 * MSS, MSS);
    additive.on_recovered(NOW, MSS);
    assert_eq!((additive.window(), additive.slow_start_threshold()), (2 * MSS, 2 * MSS));
    for _ in 0..1_000 {
        additive.on_ack(&ack(MSS, 10 * MSS));
        assert!(additive.window() < 11 * MSS);
    }
    assert!(additive.window() >= 10 * MSS);
}

#[test]
fn after_a_timeout_it_begins_with_one_segment() {
    let mut additive = started::<Additive>(10);
    for first in [true, false] {
        additive.on_timeout(NOW, 10 * MSS, MSS, first);
        assert_eq!(additive.window(), MSS);
    }
    // An ACK of much that had arrived long before is worth no more than one of a segment.
    for (octets, growth) in [(300, 300), (8 * MSS, MSS * MSS / (MSS + 300)), (0, 0)] {
        let before = additive.window();
        additive.on_ack(&ack(octets, MSS));
        assert_eq!(additive.window() - before, growth);
    }
}

#[test]
fn nothing_wraps_however_large_segments_are() {
    let mss = u32::from(u16::MAX);
    let mut additive = started::<Additive>(10);
    additive.on_timeout(NOW, mss, mss, true);
    for _ in 0..1_000 {
        let before = additive.window();
        additive.on_ack(&Ack { now: NOW, octets: mss, flight: mss, mss });
        assert!(additive.window() >= before && additive.window() < 11 * mss);
    }
}

#[derive(Debug, Clone)]
enum Op {
    Ack(u32),
    Loss,
    Timeout(bool),
}

fn ops() -> impl Strategy<Value = std::vec::Vec<Op>> {
    let op = prop_oneof![
        20 => (1..=2 * MSS).prop_map(Op::Ack),
        1 => Just(Op::Loss),
        1 => any::<bool>().prop_map(Op::Timeout),
    ];
    prop::collection::vec(op, 1..200)
}

fn act(controller: &mut impl CongestionControl, op: &Op, flight: u32) {
    match *op {
        Op::Ack(octets) => return controller.on_ack(&ack(octets, flight)),
        Op::Loss => controller.on_loss(NOW, flight, MSS),
        Op::Timeout(first) => controller.on_timeout(NOW, flight, MSS, first),
    }
    controller.on_recovered(NOW, MSS);
}

proptest! {
    #[test]
    fn it_is_never_two_segments_ahead_of_a_window_of_reno_that_is_in_use(
        syn_lost: bool,
        ops in ops(),
    ) {
        let first = if syn_lost { 1 } else { 10 };
        let (mut additive, mut reno) = (started::<Additive>(first), started::<Reno>(first));
        for op in &ops {
            let flight = reno.window();
            act(&mut additive, op, flight);
            act(&mut reno, op, flight);
            let (ours, its) = (additive.window(), reno.window());
            prop_assert!(ours >= MSS && ours < its + 2 * MSS, "{:?}: {} beside {}", op, ours, its);
        }
    }
}
