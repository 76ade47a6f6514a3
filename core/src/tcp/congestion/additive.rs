//! A window that grows by a segment a round trip and keeps no threshold: after a loss it begins
//! anew with two segments, and after a timeout with one.
//!
//! RFC 5681 §3.1 lets a window double in each round trip up to a threshold, which is half of what
//! was in flight at the last loss but no less than two segments, and grow by a segment a round trip
//! from there on. Who always begins with the least needs no threshold, and is never two segments
//! ahead of a Reno that counts in whole windows. In a send buffer of a few segments it is no
//! smaller, either.

use super::{Ack, Algorithm, CongestionControl, initial_window};
use crate::storage::Empty;
use crate::time::Instant;

/// It grows up to so many segments: what a connection may begin with (RFC 6928 §2), so that an idle
/// one has nothing to take back (RFC 5681 §4.1).
const SEGMENTS_MOST: u32 = 10;

/// The congestion window, octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Additive(u32);

impl Empty for Additive {
    const EMPTY: Self = Self(0);
}

impl CongestionControl for Additive {
    const RESTARTS: bool = false;

    fn start(&mut self, _algorithm: Algorithm, mss: u32, initial_segments: u8) {
        self.0 = initial_window(mss, initial_segments);
    }

    fn window(&self) -> u32 {
        self.0
    }

    fn slow_start_threshold(&self) -> u32 {
        self.0
    }

    fn on_ack(&mut self, ack: &Ack) {
        // RFC 5681 §3.1, equation (3), by octets, one segment an ACK at most. Below two segments
        // slow start would grow faster. A product of two segments has 32 bits.
        if self.0 < ack.mss.wrapping_mul(SEGMENTS_MOST) {
            let octets = ack.octets.min(ack.mss);
            let growth = ack.mss.wrapping_mul(octets).checked_div(self.0).unwrap_or(0);
            self.0 = self.0.wrapping_add(growth);
        }
    }

    fn on_loss(&mut self, _now: Instant, _flight: u32, mss: u32) {
        self.0 = mss.wrapping_mul(2);
    }

    fn on_timeout(&mut self, _now: Instant, _flight: u32, mss: u32, _first: bool) {
        self.0 = mss;
    }

    fn on_recovered(&mut self, _now: Instant, _mss: u32) {}

    fn on_idle(&mut self, _mss: u32, _initial_segments: u8) {}
}

#[cfg(test)]
mod tests;
