//! Heap and scan side by side, both beside a `BTreeMap`.

use std::collections::BTreeMap;
use std::vec::Vec;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;

use super::*;
use crate::time::Instant;

#[derive(Debug, Clone)]
enum Step {
    Set(usize, u64),
    Clear(usize),
    PopFirst,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..18_usize, 1..40_u64).prop_map(|(index, at)| Step::Set(index, at)),
        2 => (0..18_usize).prop_map(Step::Clear),
        1 => Just(Step::PopFirst),
    ]
}

fn due(at: u64) -> Due {
    Due::at(Instant::from_micros(at))
}

fn check<'a, D: Deadlines<'a>>(
    slots: &'a mut [D::Slot],
    steps: &[Step],
) -> Result<(), TestCaseError> {
    let capacity = slots.len();
    let mut deadlines = D::new(slots.into());
    let mut model: BTreeMap<Id, u64> = BTreeMap::new();
    for step in steps {
        match *step {
            Step::Set(index, at) => {
                let id = Id::from_index(index).unwrap();
                deadlines.set(id, due(at));
                if index < capacity {
                    model.insert(id, at);
                }
            }
            Step::Clear(index) => {
                let id = Id::from_index(index).unwrap();
                deadlines.set(id, Due::NEVER);
                model.remove(&id);
            }
            Step::PopFirst => {
                if let Some((_, id)) = deadlines.first() {
                    deadlines.set(id, Due::NEVER);
                    model.remove(&id);
                }
            }
        }
        let earliest = model.values().min().copied();
        let first = deadlines.first();
        prop_assert_eq!(deadlines.earliest(), earliest.map_or(Due::NEVER, due));
        prop_assert_eq!(first.map(|(at, _)| at), earliest.map(due));
        prop_assert!(first.is_none_or(|(at, id)| model.get(&id).copied().map(due) == Some(at)));
        for index in 0..18 {
            let id = Id::from_index(index).unwrap();
            let at = model.get(&id).copied().map_or(Due::NEVER, due);
            prop_assert_eq!(deadlines.of(id), at);
        }
    }
    // Drained from the front, they come in order.
    let mut left: Vec<_> = model.into_values().collect();
    left.sort();
    for at in left {
        let (first, id) = deadlines.first().unwrap();
        prop_assert_eq!(first, due(at));
        deadlines.set(id, Due::NEVER);
    }
    prop_assert_eq!(deadlines.first(), None);
    Ok(())
}

proptest! {
    #[test]
    fn heap_and_scan_agree_with_a_sorted_map(
        capacity in 0..17_usize,
        steps in vec_of(step(), 0..120),
    ) {
        let mut heap: Vec<HeapSlot> = (0..capacity).map(|_| HeapSlot::EMPTY).collect();
        check::<Heap<'_>>(&mut heap, &steps)?;
        let mut scan: Vec<ScanSlot> = (0..capacity).map(|_| ScanSlot::EMPTY).collect();
        check::<Scan<'_>>(&mut scan, &steps)?;
    }
}
