//! The block pool beside a set of what is taken and a row of what is promised.

use std::collections::BTreeSet;
use std::vec;
use std::vec::Vec;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Promise { credit: usize, blocks: u32 },
    Withdraw { credit: usize, blocks: u32 },
    Take { credit: usize },
    GiveBack { index: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3_usize, 0..6_u32).prop_map(|(credit, blocks)| Step::Promise { credit, blocks }),
        (0..3_usize, 0..6_u32).prop_map(|(credit, blocks)| Step::Withdraw { credit, blocks }),
        (0..3_usize).prop_map(|credit| Step::Take { credit }),
        // Also of blocks that are free, fresh, or not there at all.
        (0..14_usize).prop_map(|index| Step::GiveBack { index }),
    ]
}

proptest! {
    #[test]
    fn blocks_are_never_shared_and_promises_always_kept(
        blocks in 1..12_usize,
        size_shift in 6..9_u32,
        spare in 0..64_usize,
        steps in vec_of(step(), 0..120),
    ) {
        let size = 1_u32 << size_shift;
        let mut bytes = vec![0xee; blocks * size as usize + spare];
        let mut links = vec![None; blocks + spare % 3];
        let mut pool =
            BlockPool::new((&mut bytes[..]).into(), (&mut links[..]).into(), size).unwrap();
        let capacity = pool.capacity();
        prop_assert_eq!(capacity as usize, blocks);
        let mut credits = [Credit::EMPTY, Credit::EMPTY, Credit::EMPTY];
        let mut promised = [0_u32; 3];
        let mut taken = BTreeSet::new();
        for step in steps {
            let available = capacity - taken.len() as u32 - promised.iter().sum::<u32>();
            match step {
                Step::Promise { credit, blocks } => {
                    let granted = pool.promise(&mut credits[credit], blocks);
                    prop_assert_eq!(granted, blocks.min(available));
                    promised[credit] += granted;
                }
                Step::Withdraw { credit, blocks } => {
                    pool.withdraw(&mut credits[credit], blocks);
                    promised[credit] -= blocks.min(promised[credit]);
                }
                Step::Take { credit } => {
                    let id = pool.take(&mut credits[credit]);
                    prop_assert_eq!(id.is_some(), promised[credit] > 0 || available > 0);
                    promised[credit] = promised[credit].saturating_sub(1);
                    if let Some(id) = id {
                        prop_assert!(taken.insert(id), "{:?} is shared", id);
                        pool.block_mut(id).fill(id.index() as u8);
                    }
                }
                Step::GiveBack { index } => {
                    let id = Id::from_index(index).unwrap();
                    pool.give_back(id);
                    taken.remove(&id);
                }
            }
            prop_assert_eq!(pool.used(), taken.len() as u32);
            prop_assert_eq!(pool.promised(), promised.iter().sum::<u32>());
            prop_assert_eq!(pool.available(), capacity - pool.used() - pool.promised());
            prop_assert_eq!(credits.each_ref().map(Credit::blocks), promised);
            for id in &taken {
                let block = pool.block(*id);
                prop_assert_eq!(block.len(), size as usize);
                prop_assert!(block.iter().all(|octet| *octet == id.index() as u8));
            }
        }
    }
}

#[test]
fn only_sizes_in_range_make_a_pool() {
    let cases: [(usize, usize, u32, Option<u32>); 8] = [
        (4096, 100, 64, Some(64)),
        (4096, 10, 64, Some(10)),
        (65_536, 10, 65_536, Some(1)),
        (4096, 100, 32, None),
        (4096, 100, 96, None),
        (262_144, 100, 131_072, None),
        (63, 100, 64, None),
        (4096, 0, 64, None),
    ];
    for (octets, entries, size, capacity) in cases {
        let mut bytes = vec![0; octets];
        let mut links: Vec<Option<Id>> = vec![None; entries];
        let pool = BlockPool::new((&mut bytes[..]).into(), (&mut links[..]).into(), size);
        assert_eq!(pool.map(|pool| pool.capacity()), capacity, "{octets} {entries} {size}");
    }
}

#[test]
fn there_is_nothing_in_a_block_beyond_the_pool() {
    let (mut bytes, mut links) = ([0; 192], [None; 2]);
    let mut pool = BlockPool::new((&mut bytes[..]).into(), (&mut links[..]).into(), 64).unwrap();
    for index in [2, 3, Id::COUNT_MAX - 1] {
        let id = Id::from_index(index).unwrap();
        assert!(pool.block(id).is_empty() && pool.block_mut(id).is_empty());
    }
}
