//! The retransmission timeout of RFC 6298: what is measured and what follows from it.
//!
//! Which segments may be measured (Karn's rule) is the business of [`crate::tcp::recovery`]; when
//! the timer runs is that of the connection. No clock is read here.

use crate::time::Duration;

/// RFC 6298 §2, (2.5): the largest timeout we ever wait.
pub(super) const RTO_MAX_US: u32 = 60_000_000;
/// RFC 6298 §2, (2.1): the timeout before anything has been measured.
const RTO_INITIAL_US: u32 = 1_000_000;
/// RFC 6298 §5, (5.7): the timeout for the first data after a SYN had to be sent again.
const RTO_AFTER_LOST_HANDSHAKE_US: u32 = 3_000_000;
/// RFC 6298 §2: `G`, how fine callers are believed to run their timers.
pub(super) const GRANULARITY_US: u32 = 1_000;

/// A retransmission timeout, never outside its bounds: from the caller's minimum to 60 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Rto(u32);

impl Rto {
    /// `micros` microseconds, 60 s at most.
    #[must_use]
    pub fn capped(micros: u32) -> Self {
        Self(micros.min(RTO_MAX_US))
    }

    /// The timeout in microseconds.
    #[must_use]
    pub const fn micros(self) -> u32 {
        self.0
    }

    /// The timeout as a span of time.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_micros(u64::from(self.0))
    }
}

/// SRTT, RTTVAR and the exponential back-off of one connection (RFC 6298).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RttEstimator {
    /// SRTT in eighths of a microsecond; 0: nothing measured yet.
    srtt_eighths: u32,
    /// RTTVAR in quarters of a microsecond.
    rttvar_quarters: u32,
    /// How often the timeout has been doubled.
    backoff: u8,
    /// A SYN had to be sent again before this connection was open.
    handshake_lost: bool,
}

impl RttEstimator {
    /// Nothing measured yet; all zero.
    pub const EMPTY: Self =
        Self { srtt_eighths: 0, rttvar_quarters: 0, backoff: 0, handshake_lost: false };

    /// A round-trip time has been measured, on a segment that was sent once (RFC 6298 §3). Ends the
    /// back-off. Samples above 60 s count as 60 s.
    pub fn on_sample(&mut self, rtt: Duration) {
        // Nothing is instant: zero would read as "never measured".
        let sample = clamped_micros(rtt).max(1);
        self.backoff = 0;
        if self.srtt_eighths == 0 {
            // RFC 6298 §2, (2.2): SRTT = R, RTTVAR = R/2; 2R quarters are R/2.
            self.srtt_eighths = sample.wrapping_mul(8);
            self.rttvar_quarters = sample.wrapping_mul(2);
            return;
        }
        // RFC 6298 §2, (2.3): RTTVAR comes first, it is taken against the old SRTT. Scaled by the
        // inverse of their gains, both updates are one subtraction and one addition. No sample is
        // above 60 s, and so neither mean ever is: nothing of this wraps.
        let deviation = (self.srtt_eighths / 8).abs_diff(sample);
        self.rttvar_quarters =
            self.rttvar_quarters.wrapping_sub(self.rttvar_quarters / 4).wrapping_add(deviation);
        self.srtt_eighths =
            self.srtt_eighths.wrapping_sub(self.srtt_eighths / 8).wrapping_add(sample).max(8);
    }

    /// The timeout to arm now: 1 s before the first sample (3 s after a lost handshake), then
    /// SRTT + max(G, 4·RTTVAR, `rto_min`), doubled once for each timeout since the last sample.
    /// `rto_min` is in microseconds, a millisecond to a minute, and no timeout is shorter.
    #[must_use]
    pub fn rto(&self, rto_min: u32) -> Rto {
        let base = if self.srtt_eighths != 0 {
            // 4·RTTVAR is the value in quarters itself; neither term is more than four minutes.
            (self.srtt_eighths / 8).wrapping_add(self.rttvar_quarters.max(rto_min))
        } else if self.handshake_lost {
            RTO_AFTER_LOST_HANDSHAKE_US.max(rto_min)
        } else {
            RTO_INITIAL_US.max(rto_min)
        };
        if self.backoff == 0 {
            return Rto::capped(base);
        }
        let shift = u32::from(self.backoff).min(31);
        if base > RTO_MAX_US >> shift { Rto(RTO_MAX_US) } else { Rto(base.wrapping_shl(shift)) }
    }

    /// The timer went off: the next timeout is twice as long (RFC 6298 §5, (5.5)).
    pub fn on_timeout(&mut self) {
        self.backoff = self.backoff.saturating_add(1);
    }

    /// A closed window has opened: the back-off of its probes says nothing about the path.
    pub fn on_window_opened(&mut self) {
        self.backoff = 0;
    }

    /// The handshake is complete, but a SYN (or SYN-ACK) had to be sent more than once: without a
    /// sample the first timeout for data is 3 s, whatever the back-off had come to.
    pub fn on_handshake_retransmitted(&mut self) {
        self.handshake_lost = true;
        self.backoff = 0;
    }

    /// The smoothed round-trip time; `None` before the first sample.
    #[must_use]
    pub fn srtt(&self) -> Option<Duration> {
        self.measured(self.srtt_eighths / 8)
    }

    /// The variation of the round-trip time; `None` before the first sample.
    #[must_use]
    pub fn rttvar(&self) -> Option<Duration> {
        self.measured(self.rttvar_quarters / 4)
    }

    /// How many times the timeout is doubled at present.
    #[must_use]
    pub fn backoff(&self) -> u8 {
        self.backoff
    }

    fn measured(&self, micros: u32) -> Option<Duration> {
        (self.srtt_eighths != 0).then(|| Duration::from_micros(u64::from(micros)))
    }
}

/// A span in microseconds, cut at 60 s so that the fixed-point sums below stay within 32 bits.
fn clamped_micros(span: Duration) -> u32 {
    u32::try_from(span.micros()).unwrap_or(RTO_MAX_US).min(RTO_MAX_US)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIN: u32 = 200_000;

    fn millis(estimator: &RttEstimator) -> u64 {
        estimator.rto(MIN).duration().millis()
    }

    #[test]
    fn the_first_sample_sets_srtt_and_half_of_it_as_variation() {
        let mut rtt = RttEstimator::EMPTY;
        assert_eq!((rtt.srtt(), rtt.rttvar(), millis(&rtt)), (None, None, 1_000));
        rtt.on_sample(Duration::from_millis(100));
        assert_eq!(rtt.srtt(), Some(Duration::from_millis(100)));
        assert_eq!(rtt.rttvar(), Some(Duration::from_millis(50)));
        assert_eq!(millis(&rtt), 300, "100 + max(200, 4 * 50)");
    }

    #[test]
    fn later_samples_are_weighed_by_an_eighth_and_a_quarter() {
        // (samples in ms, SRTT in µs, RTTVAR in µs): RTTVAR is taken against the SRTT before.
        let table: [(&[u64], u64, u64); 4] = [
            (&[100, 100], 100_000, 37_500),
            (&[100, 180], 110_000, 57_500),
            (&[100, 20], 90_000, 57_500),
            (&[100, 180, 110], 110_000, 43_125),
        ];
        for (samples, srtt, rttvar) in table {
            let mut rtt = RttEstimator::EMPTY;
            samples.iter().for_each(|&ms| rtt.on_sample(Duration::from_millis(ms)));
            assert_eq!(rtt.srtt().unwrap().micros(), srtt, "{samples:?}");
            assert_eq!(rtt.rttvar().unwrap().micros(), rttvar, "{samples:?}");
        }
    }

    #[test]
    fn timeouts_double_up_to_a_minute_and_only_a_sample_ends_it() {
        let mut rtt = RttEstimator::EMPTY;
        for expected in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
            assert_eq!(millis(&rtt), expected);
            rtt.on_timeout();
        }
        assert_eq!((rtt.backoff(), millis(&rtt)), (8, 60_000));
        rtt.on_sample(Duration::from_millis(1));
        assert_eq!((rtt.backoff(), millis(&rtt)), (0, 201));
        (0..300).for_each(|_| rtt.on_timeout());
        assert_eq!((rtt.backoff(), millis(&rtt)), (255, 60_000));
    }

    #[test]
    fn a_lost_handshake_starts_data_at_three_seconds_until_a_sample() {
        let mut rtt = RttEstimator::EMPTY;
        rtt.on_timeout();
        rtt.on_timeout();
        rtt.on_handshake_retransmitted();
        assert_eq!(millis(&rtt), 3_000);
        rtt.on_timeout();
        assert_eq!(millis(&rtt), 6_000);
        rtt.on_sample(Duration::from_millis(100));
        assert_eq!(millis(&rtt), 300);
    }

    proptest! {
        #[test]
        fn the_timeout_keeps_its_bounds(
            samples in prop::collection::vec(0u64..200_000_000, 0..40),
            timeouts in 0u8..40,
            min in 0u32..100_000_000,
        ) {
            let mut rtt = RttEstimator::EMPTY;
            samples.iter().for_each(|&us| rtt.on_sample(Duration::from_micros(us)));
            (0..timeouts).for_each(|_| rtt.on_timeout());
            let rto = rtt.rto(min).duration().micros();
            prop_assert!(rto >= u64::from(min.min(60_000_000)) && rto <= 60_000_000);
            if let (Some(srtt), Some(&least), Some(&most)) =
                (rtt.srtt(), samples.iter().min(), samples.iter().max())
            {
                prop_assert!(srtt.micros() + 1 >= least.min(60_000_000));
                prop_assert!(srtt.micros() <= most.max(1));
            }
        }
    }
}
