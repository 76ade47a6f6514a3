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

/// A point in time in six bytes: ticks of 1,024 µs, which wrap after 9,000 years. All zero is
/// [`Instant::ZERO`].
///
/// It is for records that have no space for an [`Instant`]. A time of 32 bits would wrap after 50
/// days, and an idle connection may be older.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Ticks([u16; 3]);

impl Ticks {
    /// Microseconds to ticks, without a division.
    const SHIFT: u32 = 10;

    /// Ticks are counted in so many bits.
    const MASK: u64 = (1 << 48) - 1;

    /// The length of a tick.
    pub(crate) const TICK: Duration = Duration(1 << Self::SHIFT);

    /// [`Instant::ZERO`].
    pub(crate) const ZERO: Self = Self([0; 3]);

    /// The tick in which a point in time lies.
    pub(crate) const fn of(instant: Instant) -> Self {
        let ticks = instant.0 >> Self::SHIFT;
        Self([ticks as u16, (ticks >> 16) as u16, (ticks >> 32) as u16])
    }

    /// The time from this tick to that of `now`, which is not earlier.
    pub(crate) const fn until(self, now: Instant) -> Duration {
        let [low, middle, high] = self.0;
        let ticks = low as u64 | (middle as u64) << 16 | (high as u64) << 32;
        let since = (now.0 >> Self::SHIFT).wrapping_sub(ticks) & Self::MASK;
        Duration(since << Self::SHIFT)
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
    fn ticks_measure_pauses_of_any_length() {
        for start in
            [0, 1, 1_023, 1_024, (1 << 42) - 1, 1 << 42, 1 << 57, (1 << 58) - 1, (1 << 63) - 7]
        {
            let start = Instant::from_micros(start);
            let ticks = Ticks::of(start);
            for pause in [0, 1, 1_024, 1 << 31, 1 << 32, 1 << 42, (1 << 42) + 5_000, 1 << 53] {
                let now = start + Duration::from_micros(pause);
                let error = ticks.until(now).micros().abs_diff(pause);
                assert!(error < 1_024, "{error} of {pause} after {start:?}");
            }
        }
        assert_eq!(Ticks::of(Instant::ZERO), Ticks::ZERO);
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
