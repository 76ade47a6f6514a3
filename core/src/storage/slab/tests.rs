//! The slab beside a row of every key that was ever handed out.

use std::vec::Vec;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Value(u32);

impl Empty for Value {
    const EMPTY: Self = Self(0);
}

#[derive(Debug, Clone)]
enum Step {
    Acquire(Value),
    Release(usize),
    ReleaseAt(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..u32::MAX).prop_map(|value| Step::Acquire(Value(value))),
        2 => any::<usize>().prop_map(Step::Release),
        1 => (0..12_usize).prop_map(Step::ReleaseAt),
    ]
}

struct Entry {
    key: Key,
    id: Id,
    value: Value,
    alive: bool,
}

proptest! {
    #[test]
    fn a_stale_key_never_resolves(
        capacity in 0..10_usize,
        steps in vec_of(step(), 0..100),
    ) {
        let mut slots: Vec<Slot<Value>> = (0..capacity).map(|_| Slot::EMPTY).collect();
        let mut slab = Slab::new((&mut slots[..]).into());
        let mut entries: Vec<Entry> = Vec::new();
        for step in steps {
            let living = entries.iter().filter(|entry| entry.alive).count();
            match step {
                Step::Acquire(value) => {
                    let id = slab.acquire();
                    prop_assert_eq!(id.is_some(), living < capacity);
                    if let Some(id) = id {
                        let place = slab.get_mut(id).unwrap();
                        prop_assert_eq!(*place, Value::EMPTY, "left over from the one before");
                        *place = value;
                        let key = slab.key(id).unwrap();
                        entries.push(Entry { key, id, value, alive: true });
                    }
                }
                Step::Release(_) if entries.is_empty() => {}
                Step::Release(nth) => {
                    let nth = nth % entries.len();
                    let entry = &mut entries[nth];
                    if let Some(id) = slab.resolve(entry.key) {
                        prop_assert!(entry.alive && slab.release(id));
                        entry.alive = false;
                    }
                }
                Step::ReleaseAt(index) => {
                    let id = Id::from_index(index).unwrap();
                    let entry = entries.iter_mut().find(|entry| entry.alive && entry.id == id);
                    prop_assert_eq!(slab.release(id), entry.is_some());
                    if let Some(entry) = entry {
                        entry.alive = false;
                    }
                }
            }
            for entry in &entries {
                prop_assert_eq!(slab.resolve(entry.key), entry.alive.then_some(entry.id));
                if entry.alive {
                    prop_assert_eq!(slab.get(entry.id), Some(&entry.value));
                    prop_assert_eq!(slab.key(entry.id), Some(entry.key));
                }
            }
            let mut walked: Vec<_> = slab.iter().map(|(id, value)| (id, *value)).collect();
            let mut living: Vec<_> = entries
                .iter()
                .filter(|entry| entry.alive)
                .map(|entry| (entry.id, entry.value))
                .collect();
            walked.sort();
            living.sort();
            prop_assert_eq!(slab.len(), living.len());
            prop_assert_eq!(slab.is_empty(), living.is_empty());
            prop_assert_eq!(slab.is_full(), living.len() == capacity);
            prop_assert_eq!(walked, living);
        }
        prop_assert_eq!(slab.capacity(), capacity);
    }
}

#[test]
fn an_empty_slot_has_no_record_and_no_key() {
    let mut slots = [Slot::<Value>::EMPTY];
    let mut slab = Slab::new((&mut slots[..]).into());
    let id = Id::from_index(0).unwrap();
    assert_eq!((slab.get(id), slab.key(id)), (None, None));
    assert_eq!(slab.acquire(), Some(id));
    assert!(slab.release(id) && !slab.release(id));
    assert_eq!((slab.get(id), slab.key(id)), (None, None));
    assert_eq!(slab.get_mut(id), None);
}

#[test]
fn a_disowned_record_lives_on_without_its_keys() {
    let mut slots = [Slot::<Value>::EMPTY];
    let mut slab = Slab::new((&mut slots[..]).into());
    let id = slab.acquire().unwrap();
    *slab.get_mut(id).unwrap() = Value(7);
    let key = slab.key(id).unwrap();
    slab.disown(id);
    assert_eq!(slab.resolve(key), None);
    assert_eq!((slab.get(id), slab.len()), (Some(&Value(7)), 1));
    assert_eq!(slab.key(id).and_then(|key| slab.resolve(key)), Some(id), "of its own it has one");
    assert!(slab.release(id));
    slab.disown(id);
    assert_eq!((slab.get(id), slab.key(id), slab.resolve(key)), (None, None, None));
}
