//! Reno's windows, drawn ACK by ACK.

use super::*;
use proptest::prelude::*;

const MSS: u32 = 1_000;
const NOW: Instant = Instant::ZERO;

fn started(segments: u8) -> Reno {
    let mut reno = Reno::EMPTY;
    reno.start(Algorithm::Reno, MSS, segments);
    reno
}

fn ack(octets: u32, flight: u32) -> Ack {
    Ack { now: NOW, octets, flight, mss: MSS }
}

#[test]
fn slow_start_doubles_a_full_window_even_when_its_acks_come_together() {
    let mut reno = started(10);
    for left in [10, 8, 6, 4, 2] {
        reno.on_ack(&ack(2 * MSS, left * MSS));
    }
    assert_eq!(reno.window(), 20 * MSS);
}

#[test]
fn slow_start_takes_at_most_two_segments_an_ack_and_one_after_a_timeout() {
    let mut reno = started(10);
    reno.on_ack(&ack(8 * MSS, 10 * MSS));
    assert_eq!(reno.window(), 12 * MSS);
    reno.on_timeout(NOW, 20 * MSS, MSS, true);
    assert_eq!((reno.window(), reno.slow_start_threshold()), (MSS, 10 * MSS));
    reno.on_ack(&ack(8 * MSS, MSS));
    assert_eq!(reno.window(), 2 * MSS);
}

#[test]
fn a_window_that_is_not_used_does_not_grow() {
    let mut reno = started(10);
    for _ in 0..20 {
        reno.on_ack(&ack(2 * MSS, 2 * MSS));
    }
    assert_eq!(reno.window(), 10 * MSS);
}

#[test]
fn avoidance_grows_by_one_segment_a_window() {
    let mut reno = started(10);
    reno.on_loss(NOW, 20 * MSS, MSS);
    reno.on_recovered(NOW, MSS);
    assert_eq!((reno.window(), reno.slow_start_threshold()), (10 * MSS, 10 * MSS));
    for expected in [10, 10, 10, 10, 11, 11, 11, 11, 11, 11] {
        reno.on_ack(&ack(2 * MSS, 11 * MSS));
        assert_eq!(reno.window(), expected * MSS);
    }
    reno.on_ack(&ack(2 * MSS, 11 * MSS));
    assert_eq!(reno.window(), 12 * MSS);
}

#[test]
fn losses_halve_the_flight_and_timeouts_restart_from_one_segment() {
    // (flight, ssthresh)
    for (flight, ssthresh) in [(20, 10), (5, 2), (4, 2), (1, 2), (0, 2)] {
        let mut reno = started(10);
        reno.on_loss(NOW, flight * MSS, MSS);
        let floor = if flight == 5 { 2_500 } else { ssthresh * MSS };
        assert_eq!((reno.window(), reno.slow_start_threshold()), (floor, floor));
    }
    let mut reno = started(10);
    reno.on_timeout(NOW, 20 * MSS, MSS, true);
    reno.on_timeout(NOW, 4 * MSS, MSS, false);
    assert_eq!((reno.window(), reno.slow_start_threshold()), (MSS, 10 * MSS));
    reno.on_recovered(NOW, MSS);
    assert_eq!(reno.window(), MSS, "a timeout is not made good by recovering from it");
}

#[test]
fn slow_start_ends_at_the_threshold_and_idleness_at_the_initial_window() {
    let mut reno = started(10);
    reno.on_timeout(NOW, 6 * MSS, MSS, true);
    for expected in [2, 3, 3, 3, 4] {
        reno.on_ack(&ack(MSS, reno.window()));
        assert_eq!(reno.window(), expected * MSS);
    }
    reno.on_idle(MSS, 10);
    assert_eq!(reno.window(), 4 * MSS, "never more than before");
    reno.on_idle(MSS, 2);
    assert_eq!((reno.window(), reno.slow_start_threshold()), (2 * MSS, 3 * MSS));
}

proptest! {
    #[test]
    fn the_window_keeps_its_bounds_whatever_comes(
        steps in prop::collection::vec((0u8..5, any::<u32>(), any::<u32>()), 0..60),
        mss in 1u32..65_536,
    ) {
        let mut reno = Reno::EMPTY;
        reno.start(Algorithm::Reno, mss, 10);
        for (kind, octets, flight) in steps {
            let before = reno.window();
            match kind {
                0 => {
                    reno.on_ack(&Ack { now: NOW, octets, flight, mss });
                    prop_assert!(reno.window() - before <= 2 * mss);
                }
                1 => reno.on_loss(NOW, flight % WINDOW_MAX, mss),
                2 => reno.on_timeout(NOW, flight % WINDOW_MAX, mss, octets % 2 == 0),
                3 => reno.on_recovered(NOW, mss),
                _ => reno.on_idle(mss, 10),
            }
            prop_assert!(reno.window() >= mss && reno.window() <= WINDOW_MAX);
            prop_assert!(reno.slow_start_threshold() >= 2 * mss);
        }
    }
}
