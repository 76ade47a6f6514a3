//! The assembler beside a row of flags, one for each octet.

use std::vec;
use std::vec::Vec;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;

use super::*;

const REACH: u32 = 48;

#[derive(Debug, Clone)]
enum Step {
    Add(u32, u32),
    Advance(u32),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (0..REACH, 0..10_u32).prop_map(|(start, len)| Step::Add(start, start + len)),
        2 => (0..REACH).prop_map(Step::Advance),
        1 => Just(Step::Clear),
    ]
}

fn runs(flags: &[bool]) -> Vec<Range> {
    let mut runs: Vec<Range> = Vec::new();
    for (at, _) in flags.iter().enumerate().filter(|(_, held)| **held) {
        let at = at as u32;
        match runs.last_mut() {
            Some(run) if run.end == at => run.end += 1,
            _ => runs.push(Range { start: at, end: at + 1 }),
        }
    }
    runs
}

fn advance(flags: &mut Vec<bool>, by: u32) -> u32 {
    let following = flags.iter().skip(by as usize).take_while(|held| **held).count();
    let len = flags.len();
    flags.drain(..(by as usize + following).min(len));
    flags.resize(len, false);
    following as u32
}

fn check<const N: usize>(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut assembler = Assembler::<N>::EMPTY;
    let mut flags = vec![false; 64];
    for step in steps {
        match step {
            Step::Add(start, end) => {
                let mut after = flags.clone();
                after[start as usize..end as usize].fill(true);
                let fits = runs(&after).len() <= N;
                prop_assert_eq!(assembler.has_room_for(start, end), fits);
                prop_assert_eq!(assembler.add(start, end).is_ok(), fits);
                if fits {
                    flags = after;
                    if let Some(newest) = assembler.ranges().next().filter(|_| start < end) {
                        prop_assert!(newest.start <= start && end <= newest.end, "newest first");
                    }
                }
            }
            Step::Advance(by) => {
                let following = advance(&mut flags, by);
                prop_assert_eq!(assembler.advance(by), following);
            }
            Step::Clear => {
                assembler.clear();
                flags.fill(false);
            }
        }
        let expected = runs(&flags);
        let mut ranges = assembler.ranges().collect::<Vec<_>>();
        ranges.sort_by_key(|range| range.start);
        prop_assert_eq!(ranges, expected.clone());
        prop_assert_eq!(assembler.is_empty(), expected.is_empty());
        prop_assert_eq!(assembler.end(), expected.last().map_or(0, |range| range.end));
        for (start, end) in [(0, 1), (3, 9), (10, 20), (7, 7)] {
            let held = flags[start as usize..end as usize].iter().all(|held| *held);
            prop_assert_eq!(assembler.holds(start, end), held);
            let overlap = assembler.overlap(start, end);
            let any = flags[start as usize..end as usize].iter().any(|held| *held);
            prop_assert_eq!(overlap.is_some(), any);
            if let Some(overlap) = overlap {
                prop_assert!(start <= overlap.start && overlap.end <= end);
                prop_assert!(assembler.holds(overlap.start, overlap.end));
                let first = (start..end).find(|at| flags[*at as usize]);
                prop_assert_eq!(Some(overlap.start), first, "the first in sequence");
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn one_range(steps in vec_of(step(), 0..60)) {
        check::<1>(steps)?;
    }

    #[test]
    fn four_ranges(steps in vec_of(step(), 0..60)) {
        check::<4>(steps)?;
    }

    #[test]
    fn more_ranges_than_ever_needed(steps in vec_of(step(), 0..60)) {
        check::<32>(steps)?;
    }
}

#[test]
fn the_largest_offsets_neither_wrap_nor_merge_wrongly() {
    let mut assembler = Assembler::<2>::EMPTY;
    assert_eq!(assembler.add(u32::MAX - 1, u32::MAX), Ok(()));
    assert_eq!(assembler.add(0, 1), Ok(()));
    assert_eq!(assembler.add(5, 6), Err(TooManyHoles));
    assert_eq!(assembler.add(9, 8), Ok(()), "an empty range takes no record");
    assert_eq!(assembler.advance(u32::MAX - 1), 1);
    assert!(assembler.is_empty());
}

#[test]
fn what_touches_the_new_edge_is_handed_over() {
    let mut assembler = Assembler::<2>::EMPTY;
    assert_eq!(assembler.add(10, 20), Ok(()));
    assert_eq!(assembler.add(30, 40), Ok(()));
    assert_eq!(assembler.advance(10), 10);
    assert!(assembler.ranges().eq([Range { start: 10, end: 20 }]));
}
