//! Which ranges behind a hole have arrived, in a few bounded records. The octets themselves lie
//! elsewhere; which of the ranges is news to whom is not known here.

use heapless::Vec;

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

    /// The first `by` octets are in order now, so that offsets count from behind them. Returns
    /// how many octets follow there without a hole, and forgets those: the caller commits
    /// `by` and what is returned, and offsets count from behind both from then on.
    fn advance(&mut self, by: u32) -> u32;

    /// Whether nothing lies behind a hole.
    fn is_empty(&self) -> bool {
        self.ranges().is_empty()
    }

    /// The end of the last range, 0 where there is none.
    fn end(&self) -> u32 {
        self.ranges().iter().map(|range| range.end).max().unwrap_or(0)
    }

    /// The part of `[start, end)` that is held, of the first range that holds any of it.
    fn overlap(&self, start: u32, end: u32) -> Option<Range> {
        self.ranges().iter().find_map(|range| {
            let (start, end) = (range.start.max(start), range.end.min(end));
            (start < end).then_some(Range { start, end })
        })
    }

    /// Forgets all octets from `at` on.
    fn truncate(&mut self, at: u32);

    /// Forgets all.
    fn clear(&mut self);

    /// What is held, the range that grew last first; between any two ranges there is a hole.
    fn ranges(&self) -> &[Range];

    /// Whether all of `[start, end)` is held; an empty range always is.
    fn holds(&self, start: u32, end: u32) -> bool {
        start >= end || self.ranges().iter().any(|range| range.start <= start && end <= range.end)
    }
}

/// Up to `N` ranges in place. Every operation is O(N).
#[derive(Debug)]
pub struct Assembler<const N: usize> {
    ranges: Vec<Range, N, u8>,
}

impl<const N: usize> Empty for Assembler<N> {
    const EMPTY: Self = Self { ranges: Vec::new() };
}

impl<const N: usize> Assembler<N> {
    /// Leaves those of which `keep` says so. The vector's own `retain` has paths that can panic.
    fn retain(&mut self, mut keep: impl FnMut(&mut Range) -> bool) {
        let mut kept = Vec::new();
        for range in &mut self.ranges {
            if keep(range) {
                // There is room: these are no more than there were.
                let _ = kept.push(*range);
            }
        }
        self.ranges = kept;
    }
}

impl<const N: usize> Reassembly for Assembler<N> {
    fn add(&mut self, start: u32, end: u32) -> Result<(), TooManyHoles> {
        if start >= end {
            return Ok(());
        }
        let mut merged = Range { start, end };
        self.retain(|range| {
            let apart = range.end < merged.start || merged.end < range.start;
            if !apart {
                merged.start = merged.start.min(range.start);
                merged.end = merged.end.max(range.end);
            }
            apart
        });
        if self.ranges.is_full() {
            return Err(TooManyHoles);
        }
        // The newest goes to the front: each range moves up by one, the last is carried out.
        let mut carried = merged;
        for range in &mut self.ranges {
            core::mem::swap(range, &mut carried);
        }
        self.ranges.push(carried).map_err(|_| TooManyHoles)
    }

    fn advance(&mut self, by: u32) -> u32 {
        let mut following = 0;
        self.retain(|range| {
            if range.end <= by {
                return false;
            }
            if range.start <= by {
                following = range.end.wrapping_sub(by);
                return false;
            }
            true
        });
        let passed = by.wrapping_add(following);
        for range in &mut self.ranges {
            range.start = range.start.saturating_sub(passed);
            range.end = range.end.saturating_sub(passed);
        }
        following
    }

    fn truncate(&mut self, at: u32) {
        self.retain(|range| {
            range.end = range.end.min(at);
            range.start < range.end
        });
    }

    fn clear(&mut self) {
        self.ranges.clear();
    }

    fn ranges(&self) -> &[Range] {
        &self.ranges
    }
}

#[cfg(test)]
mod tests;
