//! Reno: slow start, congestion avoidance and the answer to loss of RFC 5681, counting octets
//! (RFC 3465).
//!
//! The window is never inflated by duplicate ACKs: what they say of the network is subtracted from
//! the flight by [`crate::tcp::recovery`].

use super::{Ack, Algorithm, CongestionControl, initial_window};
use crate::storage::Empty;
use crate::time::Instant;

/// RFC 7323 §2.3: no peer can offer a larger window, so ours need not grow beyond it.
const WINDOW_MAX: u32 = 1 << 30;

/// The state of Reno; octets throughout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Reno {
    cwnd: u32,
    ssthresh: u32,
    /// Acknowledged in congestion avoidance and not yet turned into growth.
    counted: u32,
    /// What is still to be acknowledged of the last flight that filled the window.
    validated: u32,
    /// Slow start after a timeout is more careful than at the start.
    after_timeout: bool,
}

impl Empty for Reno {
    const EMPTY: Self =
        Self { cwnd: 0, ssthresh: 0, counted: 0, validated: 0, after_timeout: false };
}

impl Reno {
    /// RFC 5681 §3.1, equation (4).
    fn reduce(&mut self, flight: u32, mss: u32) {
        self.ssthresh = (flight / 2).max(mss.saturating_mul(2));
    }

    fn forget_growth(&mut self) {
        self.counted = 0;
        self.validated = 0;
    }

    /// Whether the octets now acknowledged were sent when the window, not the application or the
    /// peer, was the limit. ACKs often come several at a time before anything can be sent: all
    /// that acknowledge one full flight count, not only the first.
    fn was_in_use(&mut self, ack: &Ack) -> bool {
        if ack.flight.saturating_add(ack.mss) >= self.cwnd {
            self.validated = ack.flight.max(ack.octets);
        }
        let in_use = self.validated > 0;
        self.validated = self.validated.saturating_sub(ack.octets);
        in_use
    }

    fn slow_start(&mut self, ack: &Ack) {
        // RFC 3465 §2.2 and §2.3: at most two segments an ACK, and one after a timeout, when an
        // ACK may cover much that had arrived long before.
        let segments = if self.after_timeout { 1 } else { 2 };
        let growth = ack.octets.min(ack.mss.saturating_mul(segments));
        self.cwnd = self.cwnd.saturating_add(growth).min(self.ssthresh);
    }

    fn avoid_congestion(&mut self, ack: &Ack) {
        // RFC 3465 §2.1: one segment for each window of octets acknowledged.
        self.counted = self.counted.saturating_add(ack.octets);
        if self.counted >= self.cwnd {
            self.counted = self.counted.saturating_sub(self.cwnd).min(self.cwnd);
            self.cwnd = self.cwnd.saturating_add(ack.mss);
        }
    }
}

impl CongestionControl for Reno {
    fn start(&mut self, _algorithm: Algorithm, mss: u32, initial_segments: u8) {
        *self = Self::EMPTY;
        self.cwnd = initial_window(mss, initial_segments);
        // RFC 5681 §3.1: arbitrarily high until the network has shown its limit.
        self.ssthresh = u32::MAX;
    }

    fn window(&self) -> u32 {
        self.cwnd
    }

    fn slow_start_threshold(&self) -> u32 {
        self.ssthresh
    }

    fn on_ack(&mut self, ack: &Ack) {
        // RFC 7661 §4.1: a window that was not used has not been tried, and does not grow.
        if !self.was_in_use(ack) {
            return;
        }
        if self.cwnd < self.ssthresh {
            self.slow_start(ack);
        } else {
            self.after_timeout = false;
            self.avoid_congestion(ack);
        }
        self.cwnd = self.cwnd.min(WINDOW_MAX);
    }

    fn on_loss(&mut self, _now: Instant, flight: u32, mss: u32) {
        self.reduce(flight, mss);
        self.cwnd = self.ssthresh;
        self.after_timeout = false;
        self.forget_growth();
    }

    fn on_timeout(&mut self, _now: Instant, flight: u32, mss: u32, first: bool) {
        // RFC 5681 §3.1: when the same data times out again, ssthresh is held.
        if first {
            self.reduce(flight, mss);
        }
        // The loss window, whatever the initial window was.
        self.cwnd = mss;
        self.after_timeout = true;
        self.forget_growth();
    }

    fn on_recovered(&mut self, _now: Instant, mss: u32) {
        // RFC 6582 §3.2, step 3: after fast recovery cwnd is ssthresh, where it has been since the
        // loss. After a timeout it goes on growing from where it is.
        self.cwnd = self.cwnd.max(mss);
        self.forget_growth();
    }

    fn on_idle(&mut self, mss: u32, initial_segments: u8) {
        self.cwnd = self.cwnd.min(initial_window(mss, initial_segments));
        self.forget_growth();
    }
}

#[cfg(test)]
mod tests {
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
}
