//! The timestamps of one connection (RFC 7323): what we stamp, what we echo, what is too old.
//!
//! No clock is read here, and whether timestamps were agreed is known to `options`.

use crate::time::{Duration, Instant};
use crate::wire::tcp_options::Timestamps;

/// Microseconds to ticks of 1,024 µs, without a division (RFC 7323 §5.4: 1 ms to 1 s).
const TICK_SHIFT: u32 = 10;

/// RFC 7323 §5.5: TS.Recent is invalid once the peer was silent for longer.
const OUTDATED: Duration = Duration::from_secs(24 * 24 * 3600);

/// TS.Recent, and how far our clock is off for this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Stamps {
    recent: u32,
    offset: u32,
}

impl Stamps {
    /// None heard; all zero.
    pub const EMPTY: Self = Self { recent: 0, offset: 0 };

    /// Stamps of a connection whose clock is `offset` ticks ahead (RFC 7323 §7.1: nobody shall
    /// learn from one connection how long we have been up, or what others stamp).
    #[must_use]
    pub const fn starting_at(offset: u32) -> Self {
        Self { recent: 0, offset }
    }

    /// What a segment that leaves `now` carries. Before the peer was heard the echo is zero.
    #[must_use]
    pub fn stamp(&self, now: Instant) -> Timestamps {
        Timestamps { value: self.clock(now), echo: self.recent }
    }

    /// The peer's SYN carried this value.
    pub fn start(&mut self, value: u32) {
        self.recent = value;
    }

    /// RFC 7323 §4.3: a segment that is not newer than our last ACK carried this value.
    pub fn advance(&mut self, value: u32) {
        if !self.is_older(value) {
            self.recent = value;
        }
    }

    /// RFC 7323 §5.3, R1: whether a value is older than TS.Recent.
    #[must_use]
    pub fn is_older(&self, value: u32) -> bool {
        // Half of the circle lies behind, half ahead.
        value.wrapping_sub(self.recent) > u32::MAX / 2
    }

    /// Whether a value is TS.Recent itself.
    #[must_use]
    pub fn is_recent(&self, value: u32) -> bool {
        value == self.recent
    }

    /// Whether a value is newer than TS.Recent.
    #[must_use]
    pub fn is_newer(&self, value: u32) -> bool {
        !self.is_recent(value) && !self.is_older(value)
    }

    /// Whether TS.Recent is invalid after so much silence.
    #[must_use]
    pub fn are_outdated(silence: Duration) -> bool {
        silence > OUTDATED
    }

    /// RFC 7323 §4.1: the time since we stamped what the peer echoes now, to the tick. `None`
    /// where we cannot have stamped that.
    #[must_use]
    pub fn round_trip(&self, echo: u32, now: Instant) -> Option<Duration> {
        let ticks = self.clock(now).wrapping_sub(echo);
        let past = ticks <= u32::MAX / 2;
        past.then(|| Duration::from_micros(u64::from(ticks) << TICK_SHIFT))
    }

    fn clock(&self, now: Instant) -> u32 {
        tick(now).wrapping_add(self.offset)
    }
}

/// A coarse clock: ticks of 1,024 µs, modulo 2³².
fn tick(now: Instant) -> u32 {
    (now.micros() >> TICK_SHIFT) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_are_told_apart_across_the_wrap() {
        let mut stamps = Stamps { recent: u32::MAX - 1, offset: 0 };
        for (value, older, newer) in [
            (u32::MAX - 2, true, false),
            (u32::MAX - 1, false, false),
            (3, false, true),
            (u32::MAX / 2 - 2, false, true),
            (u32::MAX / 2 + 1, true, false),
        ] {
            assert_eq!((stamps.is_older(value), stamps.is_newer(value)), (older, newer), "{value}");
        }
        stamps.advance(7);
        stamps.advance(u32::MAX);
        assert_eq!(stamps.recent, 7, "never back");
    }

    #[test]
    fn an_echo_measures_the_way_there_and_back_unless_it_is_from_the_future() {
        let stamps = Stamps::starting_at(u32::MAX - 5);
        let sent = Instant::from_millis(3_000);
        let echo = stamps.stamp(sent).value;
        let later = sent + Duration::from_millis(512);
        assert_eq!(stamps.round_trip(echo, later), Some(Duration::from_micros(500 << 10)));
        assert_eq!(stamps.round_trip(echo, sent), Some(Duration::ZERO));
        assert_eq!(stamps.round_trip(echo.wrapping_add(1), sent), None);
        for (days, outdated) in [(23, false), (25, true), (51, true), (75, true), (100, true)] {
            let silence = Duration::from_secs(days * 86_400);
            assert_eq!(Stamps::are_outdated(silence), outdated, "{days} days");
        }
    }
}
