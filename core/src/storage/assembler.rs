//! Which ranges behind a hole have arrived, in a few bounded records. The octets themselves lie
//! elsewhere; which of the ranges is news to whom is not known here.

use super::Empty;

/// A run of octets `[start, end)`, counted from the next octet expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Range {
    /// The first octet of the run.
    pub start: u32,
    /// The octet behind the last one of the run.
    pub end: u32,
}

/// A range could not be recorded: it would stand alone, and every record is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TooManyHoles;

impl core::fmt::Display for TooManyHoles {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("no record left for another range behind a hole")
    }
}

impl core::error::Error for TooManyHoles {}

/// The record of what lies behind a hole. All offsets count octets from the next one expected.
pub trait Reassembly: Empty {
    /// Records that `[start, end)` has arrived; an empty range changes nothing.
    ///
    /// # Errors
    /// [`TooManyHoles`] where the range touches none that is held and no record is left. Nothing
    /// has changed then.
    fn add(&mut self, start: u32, end: u32) -> Result<(), TooManyHoles>;

    /// Whether [`Reassembly::add`] finds a record for `[start, end)`.
    fn has_room_for(&self, start: u32, end: u32) -> bool;

    /// The first `by` octets are in order now, so that offsets count from behind them. Returns
    /// how many octets follow there without a hole, and forgets those: the caller commits
    /// `by` and what is returned, and offsets count from behind both from then on.
    fn advance(&mut self, by: u32) -> u32;

    /// Whether nothing lies behind a hole.
    fn is_empty(&self) -> bool {
        self.end() == 0
    }

    /// The end of the last range, 0 where there is none.
    fn end(&self) -> u32;

    /// The first run of `[start, end)`, by offset, that is held.
    fn overlap(&self, start: u32, end: u32) -> Option<Range> {
        let parts = self.ranges().filter_map(|range| {
            let (start, end) = (range.start.max(start), range.end.min(end));
            (start < end).then_some(Range { start, end })
        });
        parts.min_by_key(|part| part.start)
    }

    /// Forgets all.
    fn clear(&mut self);

    /// What is held, the range that grew last first; between any two ranges there is a hole.
    fn ranges(&self) -> impl Iterator<Item = Range>;

    /// Whether all of `[start, end)` is held; an empty range always is.
    fn holds(&self, start: u32, end: u32) -> bool {
        start >= end || self.ranges().any(|range| range.start <= start && end <= range.end)
    }
}

/// Up to `N` ranges in place. Every operation is O(N).
///
/// A record that is in use ends behind zero; one that is not is where all others are apart from.
#[derive(Debug)]
pub struct Assembler<const N: usize> {
    ranges: [Range; N],
    /// The end of the last one.
    end: u32,
}

/// A record that is not in use.
const NONE: Range = Range { start: 0, end: 0 };

impl<const N: usize> Empty for Assembler<N> {
    const EMPTY: Self = Self { ranges: [NONE; N], end: 0 };
}

impl<const N: usize> Reassembly for Assembler<N> {
    fn add(&mut self, start: u32, end: u32) -> Result<(), TooManyHoles> {
        if start >= end {
            return Ok(());
        }
        let (mut merged, mut room) = (Range { start, end }, false);
        for range in &mut self.ranges {
            if merged.start <= range.end && range.start <= merged.end {
                merged.start = merged.start.min(range.start);
                merged.end = merged.end.max(range.end);
                *range = NONE;
            }
            room |= *range == NONE;
        }
        if !room {
            return Err(TooManyHoles);
        }
        // The newest goes to the front: each range moves up by one, into the first free record.
        for range in &mut self.ranges {
            core::mem::swap(range, &mut merged);
            if merged == NONE {
                break;
            }
        }
        self.end = self.end.max(end);
        Ok(())
    }

    fn has_room_for(&self, start: u32, end: u32) -> bool {
        let touches = |range: &Range| start <= range.end && range.start <= end;
        start >= end || self.ranges.iter().any(|range| *range == NONE || touches(range))
    }

    fn advance(&mut self, by: u32) -> u32 {
        let mut passed = by;
        for range in &mut self.ranges {
            if range.start <= by {
                passed = passed.max(range.end);
            }
        }
        for range in &mut self.ranges {
            range.end = range.end.saturating_sub(passed);
            range.start = range.start.saturating_sub(passed);
        }
        self.end = self.end.saturating_sub(passed);
        passed.wrapping_sub(by)
    }

    fn clear(&mut self) {
        *self = Self::EMPTY;
    }

    fn end(&self) -> u32 {
        self.end
    }

    fn ranges(&self) -> impl Iterator<Item = Range> {
        self.ranges.iter().copied().filter(|range| range.end > 0)
    }
}

#[cfg(test)]
mod tests;
