//! The hash table beside a `BTreeMap`, with few heads so that chains are long.

use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;

use super::super::linear::Linear;
use super::super::slab::Slot;
use super::*;

struct Record {
    key: u8,
    chain: Option<Id>,
}

impl Empty for Record {
    const EMPTY: Self = Self { key: 0, chain: None };
}

impl Chained for Record {
    type Key = u8;
    fn key(&self) -> &u8 {
        &self.key
    }
    fn chain(&self) -> Option<Id> {
        self.chain
    }
    fn set_chain(&mut self, next: Option<Id>) {
        self.chain = next;
    }
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u8),
    InsertTwice(u8),
    Remove(u8),
    Find(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..20_u8).prop_map(Step::Insert),
        (0..20_u8).prop_map(Step::InsertTwice),
        (0..20_u8).prop_map(Step::Remove),
        (0..20_u8).prop_map(Step::Find),
    ]
}

fn check<H: Hash32>(heads: usize, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let hash = |key: u8| H::hash([1, 2], &[key]);
    let mut heads = vec![None; heads];
    let mut slots: Vec<Slot<Record>> = (0..12).map(|_| Slot::EMPTY).collect();
    let mut slab = Slab::new((&mut slots[..]).into());
    let mut table = HashTable::new((&mut heads[..]).into());
    let mut model = BTreeMap::new();
    for step in steps {
        match step {
            Step::Insert(key) => {
                if !model.contains_key(&key)
                    && let Some(id) = slab.acquire()
                {
                    slab.get_mut(id).unwrap().key = key;
                    prop_assert!(table.insert(&mut slab, hash(key), id));
                    model.insert(key, id);
                }
            }
            Step::InsertTwice(key) => {
                if let Some(id) = model.get(&key) {
                    prop_assert!(!table.insert(&mut slab, hash(key), *id));
                }
            }
            Step::Remove(key) => {
                if let Some(id) = model.remove(&key) {
                    let _ = table.find(&slab, hash(key), &key);
                    prop_assert!(table.remove(&mut slab, hash(key), id));
                    // The record is still there, but no longer in the table.
                    prop_assert_eq!(table.find(&slab, hash(key), &key), None);
                    prop_assert!(!table.remove(&mut slab, hash(key), id));
                    slab.release(id);
                }
            }
            Step::Find(key) => {
                let found = table.find(&slab, hash(key), &key);
                prop_assert_eq!(found, model.get(&key).copied());
            }
        }
    }
    for key in 0..20 {
        prop_assert_eq!(table.find(&slab, hash(key), &key), model.get(&key).copied());
    }
    Ok(())
}

proptest! {
    #[test]
    fn keyed_tables_find_what_is_there(
        heads in 1..9_usize,
        steps in vec_of(step(), 0..120),
    ) {
        check::<Keyed>(heads, steps)?;
    }

    #[test]
    fn linear_tables_find_what_is_there(steps in vec_of(step(), 0..120)) {
        check::<Linear>(1, steps)?;
    }
}

#[test]
fn a_table_without_heads_takes_nothing_in() {
    let mut slots = [Slot::<Record>::EMPTY];
    let mut slab = Slab::new((&mut slots[..]).into());
    let mut table = HashTable::new((&mut [][..]).into());
    let id = slab.acquire().unwrap();
    assert!(!table.insert(&mut slab, 7, id));
    assert_eq!(table.find(&slab, 7, &0), None);
    assert!(!table.remove(&mut slab, 7, id));
}

#[test]
fn a_slot_that_is_not_occupied_is_not_inserted() {
    let (mut slots, mut heads) = ([Slot::<Record>::EMPTY], [None]);
    let mut slab = Slab::new((&mut slots[..]).into());
    let mut table = HashTable::new((&mut heads[..]).into());
    assert!(!table.insert(&mut slab, 0, Id::from_index(0).unwrap()));
    assert_eq!(table.find(&slab, 0, &0), None);
}

#[test]
fn the_keyed_hash_is_siphash_1_3_and_depends_on_its_secret() {
    // The low half of the SipHash-1-3 of no octets under the key 00 01 … 0f, from the vectors
    // of the Rust standard library's own tests.
    let secret = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
    assert_eq!(Keyed::hash(secret, &[]).to_le_bytes(), [0xdc, 0xc4, 0x0f, 0x05]);
    assert_ne!(Keyed::hash([0, 1], b"tuple"), Keyed::hash([0, 2], b"tuple"));
}
