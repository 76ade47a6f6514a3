//! How much may be in the network: the congestion window, by a controller of one's choice.
//!
//! Controllers get plain values and hold no way back to the connection; they count octets, in
//! integers. What is lost and what goes next is not theirs but [`crate::tcp::recovery`]'s.

mod additive;
mod chosen;
mod reno;

pub use additive::Additive;
pub use chosen::Chosen;
pub use reno::Reno;

use crate::storage::Empty;
use crate::time::Instant;

/// Which controller a connection uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Algorithm {
    /// RFC 5681 with appropriate byte counting (RFC 3465).
    #[default]
    Reno,
}

/// An acknowledgement of new data, as a controller sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ack {
    /// When it arrived.
    pub now: Instant,
    /// Octets newly acknowledged.
    pub octets: u32,
    /// Octets in the network before it arrived.
    pub flight: u32,
    /// The sender's maximum segment size in octets, without options.
    pub mss: u32,
}

/// A congestion controller. All windows are in octets.
pub trait CongestionControl: Empty {
    /// Whether the window may grow beyond that with which a connection begins, so that an idle one
    /// has to be cut back.
    const RESTARTS: bool = true;

    /// The connection is open: the initial window of `initial_segments` segments (RFC 6928 caps
    /// it). Controllers that stand alone take no notice of `algorithm`.
    fn start(&mut self, algorithm: Algorithm, mss: u32, initial_segments: u8);

    /// The congestion window (`cwnd`).
    fn window(&self) -> u32;

    /// Where slow start ends (`ssthresh`); `u32::MAX` before the first loss.
    fn slow_start_threshold(&self) -> u32;

    /// New data was acknowledged. Not called during fast recovery.
    fn on_ack(&mut self, ack: &Ack);

    /// Fast recovery begins. `flight`: octets sent and not acknowledged (FlightSize).
    fn on_loss(&mut self, now: Instant, flight: u32, mss: u32);

    /// The retransmission timer went off; `first` for the first time on this data.
    /// `flight`: octets sent and not acknowledged (FlightSize).
    fn on_timeout(&mut self, now: Instant, flight: u32, mss: u32, first: bool);

    /// Fast recovery, or what followed a timeout, has come to its end.
    fn on_recovered(&mut self, now: Instant, mss: u32);

    /// Nothing was sent for longer than a retransmission timeout: the restart window of RFC 5681
    /// §4.1. Not called without [`RESTARTS`](Self::RESTARTS).
    fn on_idle(&mut self, mss: u32, initial_segments: u8);
}

/// The initial window for `segments` wished: min(`segments`·MSS, max(2·MSS, 14600)) octets
/// (RFC 6928 §2), and never less than one segment.
#[must_use]
pub fn initial_window(mss: u32, segments: u8) -> u32 {
    let wished = mss.wrapping_mul(u32::from(segments.max(1)));
    wished.min(mss.wrapping_mul(2).max(14_600))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_initial_window_follows_rfc_6928() {
        // (MSS, segments wished, octets)
        let table = [
            (1460, 10, 14_600),
            (536, 10, 5_360),
            (1460, 2, 2_920),
            (1460, 0, 1_460),
            (1460, 200, 14_600),
            (8960, 10, 17_920),
            (8960, 1, 8_960),
        ];
        for (mss, segments, octets) in table {
            assert_eq!(initial_window(mss, segments), octets, "{segments} x {mss}");
            let mut chosen = Chosen::EMPTY;
            chosen.start(Algorithm::Reno, mss, segments);
            assert_eq!(chosen.window(), octets);
            assert_eq!(chosen.slow_start_threshold(), u32::MAX);
        }
    }
}
