//! Reno: slow start, congestion avoidance and the answer to loss of RFC 5681, counting octets
//! (RFC 3465).
//!
//! The window is never inflated by duplicate ACKs: what they say of the network is subtracted from
//! the flight by [`crate::tcp::recovery`].
//!
//! No sum here leaves 32 bits: the window ends at 2³⁰ octets, a flight is less than 2³¹, and a
//! segment less than 2¹⁶.

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
        self.ssthresh = (flight / 2).max(mss.wrapping_mul(2));
    }

    fn forget_growth(&mut self) {
        self.counted = 0;
        self.validated = 0;
    }

    /// Whether the octets now acknowledged were sent when the window, not the application or the
    /// peer, was the limit. ACKs often come several at a time before anything can be sent: all
    /// that acknowledge one full flight count, not only the first.
    fn was_in_use(&mut self, ack: &Ack) -> bool {
        if ack.flight.wrapping_add(ack.mss) >= self.cwnd {
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
        let growth = ack.octets.min(ack.mss.wrapping_mul(segments));
        self.cwnd = self.cwnd.wrapping_add(growth).min(self.ssthresh);
    }

    fn avoid_congestion(&mut self, ack: &Ack) {
        // RFC 3465 §2.1: one segment for each window of octets acknowledged.
        self.counted = self.counted.wrapping_add(ack.octets);
        if self.counted >= self.cwnd {
            self.counted = self.counted.wrapping_sub(self.cwnd).min(self.cwnd);
            self.cwnd = self.cwnd.wrapping_add(ack.mss);
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
mod tests;
