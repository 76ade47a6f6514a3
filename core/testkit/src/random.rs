//! A small generator of pseudo-random numbers: the same seed gives the same numbers for ever.

/// Chance in parts per million.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Chance(pub u32);

impl Chance {
    /// Never.
    pub const NEVER: Self = Self(0);

    /// So many in a hundred.
    #[must_use]
    pub const fn percent(percent: u32) -> Self {
        Self(percent * 10_000)
    }

    /// So many in a thousand.
    #[must_use]
    pub const fn permille(permille: u32) -> Self {
        Self(permille * 1_000)
    }
}

/// One step of SplitMix64: a good 64-bit hash of its input.
#[must_use]
pub const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// SplitMix64.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The generator of a seed. Seeds that differ by little give unrelated numbers.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        let bits = mix(self.0);
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        bits
    }

    /// A number in `0..bound`; 0 where `bound` is.
    pub const fn below(&mut self, bound: u64) -> u64 {
        ((self.bits() as u128 * bound as u128) >> 64) as u64
    }

    /// A number in `low..=high`.
    pub const fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True as often as `chance` says. Draws a number even where the answer is clear, so that a
    /// link with one more impairment still treats the others alike.
    pub const fn happens(&mut self, chance: Chance) -> bool {
        self.below(1_000_000) < chance.0 as u64
    }

    /// One of several.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_in_range_and_are_repeatable() {
        let (mut a, mut b) = (Random::new(7), Random::new(7));
        let mut seen = [0_u32; 10];
        for _ in 0..10_000 {
            let number = a.below(10);
            assert_eq!(number, b.below(10));
            seen[number as usize] += 1;
        }
        assert!(seen.iter().all(|count| (800..1200).contains(count)), "{seen:?}");
        assert_eq!(a.below(0), 0);
        assert!((0..1000).all(|_| (3..=5).contains(&a.between(3, 5))));
        let lost = (0..100_000).filter(|_| a.happens(Chance::percent(5))).count();
        assert!((4_500..5_500).contains(&lost), "{lost}");
        assert!(!(0..1000).any(|_| a.happens(Chance::NEVER)));
    }
}
