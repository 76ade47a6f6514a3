//! Look-up of records in a slab by a key: chains through the slots, heads over caller-lent
//! memory, and the hash that makes the chains short even for keys of an enemy's choice.

use managed::ManagedSlice;
use siphasher::sip::SipHasher13;

use super::slab::Slab;
use super::{Empty, Id};

/// A record that can stand in a [`HashTable`].
pub trait Chained {
    /// What the record is found by.
    type Key: PartialEq;
    /// The key of the record. It must not change while the record is in a table.
    fn key(&self) -> &Self::Key;
    /// The next record of the chain.
    fn chain(&self) -> Option<Id>;
    /// Makes `next` the next record of the chain; for the table alone to call.
    fn set_chain(&mut self, next: Option<Id>);
}

/// Turns the octets of a key into the hash that chooses its chain.
pub trait Hash32 {
    /// Whether the secret counts.
    const KEYED: bool;

    /// The hash of `bytes` under a secret.
    fn hash(secret: [u64; 2], bytes: &[u8]) -> u32;
}

/// SipHash-1-3: who does not know the secret cannot aim at one chain.
#[derive(Debug)]
pub struct Keyed;

impl Hash32 for Keyed {
    const KEYED: bool = true;

    fn hash(secret: [u64; 2], bytes: &[u8]) -> u32 {
        let [first, second] = secret;
        SipHasher13::new_with_keys(first, second).hash(bytes) as u32
    }
}

/// How records of a slab are found by their keys.
pub trait Index<'a> {
    /// An index over heads that are all `None`.
    fn new(heads: ManagedSlice<'a, Option<Id>>) -> Self;

    /// The record that was found last, if it has this key: found without a hash.
    fn last<T: Empty + Chained>(&self, slab: &Slab<'_, T>, key: &T::Key) -> Option<Id>;

    /// The record with this key, which was inserted under this hash.
    fn find<T: Empty + Chained>(
        &mut self,
        slab: &Slab<'_, T>,
        hash: u32,
        key: &T::Key,
    ) -> Option<Id>;

    /// Inserts a record under the hash of its key. Returns false, and changes nothing, where it is
    /// there already, is no record, or there are no heads.
    fn insert<T: Empty + Chained>(&mut self, slab: &mut Slab<'_, T>, hash: u32, id: Id) -> bool;

    /// Removes a record that was inserted under this hash. Returns whether it was there.
    fn remove<T: Empty + Chained>(&mut self, slab: &mut Slab<'_, T>, hash: u32, id: Id) -> bool;
}

/// Chains of records by the hash of their keys, with the record found last in front.
///
/// Every operation costs the length of one chain. A record is in at most one table by its
/// chain, under the hash that it was inserted with, and is removed before its slot is released.
#[derive(Debug)]
pub struct HashTable<'a> {
    heads: ManagedSlice<'a, Option<Id>>,
    mask: u32,
    last_hit: Option<Id>,
}

impl<'a> Index<'a> for HashTable<'a> {
    // As many are used as the largest power of two among them.
    fn new(heads: ManagedSlice<'a, Option<Id>>) -> Self {
        let bits = heads.len().checked_ilog2().unwrap_or(0).min(31);
        let mask = 1_u32.wrapping_shl(bits).wrapping_sub(1);
        Self { heads, mask, last_hit: None }
    }

    fn last<T: Empty + Chained>(&self, slab: &Slab<'_, T>, key: &T::Key) -> Option<Id> {
        self.last_hit.filter(|id| slab.listed(*id).is_some_and(|record| record.key() == key))
    }

    fn find<T: Empty + Chained>(
        &mut self,
        slab: &Slab<'_, T>,
        hash: u32,
        key: &T::Key,
    ) -> Option<Id> {
        if let Some(id) = self.last(slab, key) {
            return Some(id);
        }
        let mut next = self.head(hash);
        while let Some(id) = next {
            let record = slab.listed(id)?;
            if record.key() == key {
                self.last_hit = Some(id);
                return Some(id);
            }
            next = record.chain();
        }
        None
    }

    fn insert<T: Empty + Chained>(&mut self, slab: &mut Slab<'_, T>, hash: u32, id: Id) -> bool {
        let head = self.head(hash);
        // A record met twice would close its chain to a circle.
        let mut next = head;
        while let Some(met) = next {
            if met == id {
                return false;
            }
            next = slab.listed(met).and_then(Chained::chain);
        }
        let index = self.index(hash);
        match (self.heads.get_mut(index), slab.get_mut(id)) {
            (Some(first), Some(record)) => {
                record.set_chain(head);
                *first = Some(id);
                true
            }
            _ => false,
        }
    }

    fn remove<T: Empty + Chained>(&mut self, slab: &mut Slab<'_, T>, hash: u32, id: Id) -> bool {
        let mut previous = None;
        let mut next = self.head(hash);
        while let Some(met) = next {
            next = slab.listed(met).and_then(Chained::chain);
            if met == id {
                self.unchain(slab, hash, previous, next);
                if let Some(record) = slab.listed_mut(id) {
                    record.set_chain(None);
                }
                if self.last_hit == Some(id) {
                    self.last_hit = None;
                }
                return true;
            }
            previous = Some(met);
        }
        false
    }
}

impl HashTable<'_> {
    /// Lets what comes before a record that leaves point to what comes behind it.
    fn unchain<T: Empty + Chained>(
        &mut self,
        slab: &mut Slab<'_, T>,
        hash: u32,
        previous: Option<Id>,
        next: Option<Id>,
    ) {
        let index = self.index(hash);
        match previous {
            None => {
                if let Some(head) = self.heads.get_mut(index) {
                    *head = next;
                }
            }
            Some(previous) => {
                if let Some(record) = slab.listed_mut(previous) {
                    record.set_chain(next);
                }
            }
        }
    }

    fn index(&self, hash: u32) -> usize {
        (hash & self.mask) as usize
    }

    fn head(&self, hash: u32) -> Option<Id> {
        self.heads.get(self.index(hash)).copied().flatten()
    }
}

/// Chains a slot type into a look-up table by the key of its record.
macro_rules! chained {
    ([$($generics:tt)*] $slot:ty, $record:ident.$key:ident(): $key_type:ty) => {
        impl<$($generics)*> $crate::storage::hash_table::Chained for $slot {
            type Key = $key_type;

            fn key(&self) -> &$key_type {
                self.$record.$key()
            }

            fn chain(&self) -> Option<$crate::storage::Id> {
                self.chain
            }

            fn set_chain(&mut self, chain: Option<$crate::storage::Id>) {
                self.chain = chain;
            }
        }
    };
}
pub(crate) use chained;

#[cfg(test)]
mod tests;
