//! Points in time and spans of it, in microseconds.
//!
//! The core never reads a clock: every [`Instant`] comes from the caller and must not go backwards
//! between calls by more than the caller is ready to see timers late.

use core::ops::{Add, Sub};

/// A point in time: microseconds since a moment of the caller's choice (start-up is a good one).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Instant(u64);

/// A span of time in microseconds, never negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Duration(u64);

impl Instant {
    /// The earliest point in time.
    pub const ZERO: Self = Self(0);

    /// The point `micros` microseconds after [`Instant::ZERO`].
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// The point `millis` milliseconds after [`Instant::ZERO`].
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Microseconds since [`Instant::ZERO`].
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero where it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// `micros` microseconds.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// `millis` milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// `secs` seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// The span in microseconds.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// The span in whole milliseconds, rounded down.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0 / 1_000
    }

    /// The span doubled `times` times, saturating.
    #[must_use]
    pub const fn doubled(self, times: u32) -> Self {
        let factor = if times < 63 { 1 << times } else { u64::MAX };
        Self(self.0.saturating_mul(factor))
    }
}

/// A point in time, or never: eight octets, all zero for never.
///
/// They hold the complement of the microseconds: the sooner, the larger, so that never comes last
/// by the plain order of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Due(u64);

impl Due {
    /// No point in time.
    pub const NEVER: Self = Self(0);

    /// Set, and as good as never: in half a million years.
    pub const LAST: Self = Self(1);

    /// Due at a point in time; the very last microsecond never comes.
    #[must_use]
    pub const fn at(instant: Instant) -> Self {
        Self(!instant.0)
    }

    /// Due so many microseconds after `now`, which is no time at which clocks end.
    #[must_use]
    pub const fn after(now: Instant, micros: u32) -> Self {
        Self(!now.0.wrapping_add(micros as u64))
    }

    /// When it is due.
    #[must_use]
    pub const fn instant(self) -> Option<Instant> {
        if self.0 == 0 { None } else { Some(Instant(!self.0)) }
    }

    /// Whether it has come.
    #[must_use]
    pub const fn has_come(self, now: Instant) -> bool {
        self.0 != 0 && self.0 >= !now.0
    }

    /// Whether it comes before another; never comes last.
    #[must_use]
    pub const fn before(self, other: Self) -> bool {
        self.0 > other.0
    }

    /// The earlier of two.
    #[must_use]
    pub const fn earlier(self, other: Self) -> Self {
        if other.before(self) { other } else { self }
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Add for Duration {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_comes_after_everything() {
        let (soon, late) = (Due::at(Instant::ZERO), Due::at(Instant::from_micros(u64::MAX - 1)));
        assert!(soon.before(late) && late.before(Due::NEVER) && !Due::NEVER.before(Due::NEVER));
        assert_eq!((soon.earlier(Due::NEVER), Due::NEVER.earlier(late)), (soon, late));
        assert!(soon.has_come(Instant::ZERO) && !late.has_come(Instant::from_micros(1)));
        assert!(!Due::NEVER.has_come(Instant::from_micros(u64::MAX)));
        assert_eq!((soon.instant(), Due::NEVER.instant()), (Some(Instant::ZERO), None));
    }

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let late = Instant::from_micros(u64::MAX - 1);
        assert_eq!((late + Duration::from_secs(1)).micros(), u64::MAX);
        assert_eq!(Instant::ZERO - Duration::from_secs(1), Instant::ZERO);
        assert_eq!(Instant::ZERO.since(late), Duration::ZERO);
        assert_eq!(Duration::from_secs(1).doubled(64).micros(), u64::MAX);
        assert_eq!(Duration::from_millis(3).doubled(2), Duration::from_millis(12));
    }
}
