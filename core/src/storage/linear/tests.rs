//! A walk beside a map, a row beside a list.

use std::collections::BTreeSet;
use std::vec::Vec;

use proptest::prelude::*;

use super::super::list::{Links, linked};
use super::super::slab::Slot;
use super::*;

/// Marks the one list here.
#[derive(Debug)]
enum Kind {}

#[derive(Debug)]
struct Record {
    key: u8,
    chain: Option<Id>,
    links: Links,
}

impl Empty for Record {
    const EMPTY: Self = Self { key: 0, chain: None, links: Links::EMPTY };
}

impl Chained for Record {
    type Key = u8;

    fn key(&self) -> &u8 {
        &self.key
    }

    fn chain(&self) -> Option<Id> {
        self.chain
    }

    fn set_chain(&mut self, chain: Option<Id>) {
        self.chain = chain;
    }
}

linked!([] Record, links: Kind);

fn slab(records: usize) -> Slab<'static, Record> {
    let slots: Vec<Slot<Record>> = (0..records).map(|_| Slot::EMPTY).collect();
    let mut slab = Slab::new(slots.into());
    for key in 0..records {
        let id = slab.acquire().unwrap();
        slab.get_mut(id).unwrap().key = key as u8;
    }
    slab
}

proptest! {
    #[test]
    fn a_walk_finds_what_was_inserted_and_nothing_else(
        steps in prop::collection::vec((any::<bool>(), 0..8_u8), 0..60),
    ) {
        let mut slab = slab(8);
        let mut index = Linear::new(Vec::new().into());
        let mut model = BTreeSet::new();
        for (insert, key) in steps {
            let id = Id::from_index(key.into()).unwrap();
            if insert {
                prop_assert_eq!(index.insert(&mut slab, 0, id), model.insert(key));
            } else {
                prop_assert_eq!(index.remove(&mut slab, 0, id), model.remove(&key));
            }
            for key in 0..8_u8 {
                let found = index.find(&slab, 0, &key).map(Id::index);
                prop_assert_eq!(found, model.get(&key).map(|key| usize::from(*key)));
                let last = index.last(&slab, &key).map(Id::index);
                prop_assert!(last.is_none() || last == found);
            }
        }
    }

    #[test]
    fn a_row_holds_who_was_put_in_and_serves_all_in_turn(
        steps in prop::collection::vec((0..4_u8, 0..ROW_MAX), 0..80),
    ) {
        let mut slab = slab(ROW_MAX);
        let (mut row, mut other) = (Row::<Kind>::EMPTY, Row::<Kind>::EMPTY);
        let (mut model, mut front) = (BTreeSet::new(), BTreeSet::new());
        for (step, index) in steps {
            let id = Id::from_index(index).unwrap();
            match step {
                0 => prop_assert_eq!(row.push_back(&mut slab, id), model.insert(index)),
                1 => {
                    prop_assert_eq!(row.push_front(&mut slab, id), model.insert(index));
                    front.insert(index);
                }
                2 => {
                    prop_assert_eq!(row.remove(&mut slab, id), model.remove(&index));
                    front.remove(&index);
                }
                _ => {
                    other.push_back(&mut slab, id);
                    model.insert(index);
                    row.append(&mut slab, &mut other);
                    prop_assert!(other.is_empty());
                }
            }
            prop_assert_eq!(row.len() as usize, model.len());
            prop_assert_eq!(row.is_empty(), model.is_empty());
            let first = row.first().map(Id::index);
            prop_assert!(front.is_empty() || first.is_some_and(|first| front.contains(&first)));
        }
        // The records at the front come first, and that is not their turn.
        for _ in 0..front.len() {
            let id = row.pop_front(&mut slab).unwrap();
            prop_assert!(front.contains(&id.index()));
            row.push_back(&mut slab, id);
        }
        // A record that comes back at once still comes up after all the others.
        let mut served = BTreeSet::new();
        for _ in 0..model.len() {
            let id = row.pop_front(&mut slab).unwrap();
            served.insert(id.index());
            row.push_back(&mut slab, id);
        }
        prop_assert_eq!(served, model);
    }
}

#[test]
fn a_record_at_the_front_leaves_the_turn_of_the_others_alone() {
    let mut slab = slab(8);
    let mut row = Row::<Kind>::EMPTY;
    let id = |index| Id::from_index(index).unwrap();
    let mut served = Vec::new();
    for _ in 0..6 {
        for index in [1, 3, 5] {
            row.push_back(&mut slab, id(index));
        }
        // Records 4 and 3 come up first in each round, and have nothing more to send.
        row.push_front(&mut slab, id(4));
        row.push_front(&mut slab, id(3));
        for _ in 0..3 {
            served.push(row.pop_front(&mut slab).unwrap().index());
        }
    }
    assert!(served.chunks(3).all(|round| round.contains(&3) && round.contains(&4)));
    let in_turn: Vec<_> = served.chunks(3).map(|round| round[2]).collect();
    assert_eq!(in_turn, [1, 5, 1, 5, 1, 5]);
}
