//! Sequence numbers and their wrapping order: the only place where they are compared.
//!
//! RFC 9293 §3.4: arithmetic is modulo 2³². Of two numbers the earlier is the one from which the
//! other is less than 2³¹ ahead.

use core::ops::{Add, Sub};

/// A 32-bit sequence number of RFC 9293 §3.4.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SeqNum(u32);

impl SeqNum {
    /// Sequence number zero.
    pub const ZERO: Self = Self(0);

    /// The sequence number with this value on the wire.
    #[must_use]
    pub const fn new(raw: u32) -> Self {
        Self(raw)
    }

    /// The value on the wire.
    #[must_use]
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// How many octets this lies ahead of `earlier`, modulo 2³².
    #[must_use]
    pub const fn since(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// Whether this comes before `other`.
    #[must_use]
    pub const fn before(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }

    /// Whether this comes after `other`.
    #[must_use]
    pub const fn after(self, other: Self) -> bool {
        other.before(self)
    }

    /// Whether this is `other` or comes before it.
    #[must_use]
    pub const fn at_or_before(self, other: Self) -> bool {
        !other.before(self)
    }

    /// Whether this is `other` or comes after it.
    #[must_use]
    pub const fn at_or_after(self, other: Self) -> bool {
        !self.before(other)
    }

    /// Whether this lies in `[start, start + len)`.
    #[must_use]
    pub const fn within(self, start: Self, len: u32) -> bool {
        self.since(start) < len
    }

    /// The later of two numbers.
    #[must_use]
    pub const fn later(self, other: Self) -> Self {
        if self.before(other) { other } else { self }
    }

    /// The earlier of two numbers.
    #[must_use]
    pub const fn earlier(self, other: Self) -> Self {
        if other.before(self) { other } else { self }
    }
}

impl Add<u32> for SeqNum {
    type Output = Self;

    fn add(self, octets: u32) -> Self {
        Self(self.0.wrapping_add(octets))
    }
}

impl Sub<u32> for SeqNum {
    type Output = Self;

    fn sub(self, octets: u32) -> Self {
        Self(self.0.wrapping_sub(octets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_wraps_at_every_edge() {
        // (a, b, a before b)
        let table = [
            (0, 1, true),
            (1, 0, false),
            (5, 5, false),
            (u32::MAX, 0, true),
            (0, u32::MAX, false),
            (0x7fff_ffff, 0x8000_0000, true),
            (0, 0x7fff_ffff, true),
            (0xffff_ff00, 0xff, true),
        ];
        for (a, b, expected) in table {
            let (a, b) = (SeqNum::new(a), SeqNum::new(b));
            assert_eq!(a.before(b), expected, "{a:?} before {b:?}");
            assert_eq!(b.after(a), expected);
            assert_eq!(b.at_or_before(a), !expected);
            assert_eq!(a.at_or_after(b), !expected);
        }
    }

    #[test]
    fn a_range_across_the_wrap_contains_its_ends() {
        let start = SeqNum::new(u32::MAX - 1);
        assert!(start.within(start, 4));
        assert!((start + 3).within(start, 4));
        assert!(!(start + 4).within(start, 4));
        assert!(!(start - 1).within(start, 4));
        assert!(!start.within(start, 0));
        assert_eq!((start + 4).since(start), 4);
        assert_eq!(start.later(start + 4), start + 4);
        assert_eq!(start.earlier(start + 4), start);
    }
}
