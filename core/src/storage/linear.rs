//! Tables and lists for a handful of records: rows that are walked, sets in one word. What look-up
//! by hash and linked lists are for thousands, at a fraction of the code.

use core::marker::PhantomData;

use managed::ManagedSlice;

use super::hash_table::{Chained, Hash32, Index};
use super::list::{Line, Linked};
use super::slab::Slab;
use super::{Empty, Id, count};

/// A look-up that walks over the records, the one found last before all others. No hash.
#[derive(Debug)]
pub struct Linear {
    last_hit: Option<Id>,
}

impl Hash32 for Linear {
    const KEYED: bool = false;

    fn hash(_secret: [u64; 2], _bytes: &[u8]) -> u32 {
        0
    }
}

/// A record that can be found is its own successor in the chain.
// Called from several places: one copy in an image is enough.
#[inline(never)]
fn is_there<T: Chained>(record: &T, key: &T::Key) -> bool {
    record.chain().is_some() && record.key() == key
}

impl<'a> Index<'a> for Linear {
    fn new(_heads: ManagedSlice<'a, Option<Id>>) -> Self {
        Self { last_hit: None }
    }

    fn last<T: Empty + Chained>(&self, slab: &Slab<'_, T>, key: &T::Key) -> Option<Id> {
        self.last_hit.filter(|id| slab.hinted(*id).is_some_and(|record| is_there(record, key)))
    }

    fn find<T: Empty + Chained>(
        &mut self,
        slab: &Slab<'_, T>,
        _hash: u32,
        key: &T::Key,
    ) -> Option<Id> {
        let found = slab.iter().find(|(_, record)| is_there(*record, key));
        let id = found.map(|(id, _)| id);
        self.last_hit = id.or(self.last_hit);
        id
    }

    fn insert<T: Empty + Chained>(&mut self, slab: &mut Slab<'_, T>, _hash: u32, id: Id) -> bool {
        let Some(record) = slab.get_mut(id) else { return false };
        let is_new = record.chain().is_none();
        record.set_chain(Some(id));
        is_new
    }

    fn remove<T: Empty + Chained>(&mut self, slab: &mut Slab<'_, T>, _hash: u32, id: Id) -> bool {
        let Some(record) = slab.get_mut(id) else { return false };
        let was_there = record.chain().is_some();
        record.set_chain(None);
        was_there
    }
}

/// The most records that a [`Row`] has places for.
pub const ROW_MAX: usize = u32::BITS as usize;

/// Some of at most [`ROW_MAX`] records, a bit for each. They come up in turn, by their number:
/// whoever was first last time comes up last. Records that were put at the front come up before all
/// others, and leave the turn where it is.
#[derive(Debug)]
pub struct Row<L> {
    members: u32,
    /// The members at the front.
    front: u32,
    /// The number of the one who was first last time; 0 for nobody.
    turn: u32,
    kind: PhantomData<fn() -> L>,
}

impl<L> Empty for Row<L> {
    const EMPTY: Self = Self { members: 0, front: 0, turn: 0, kind: PhantomData };
}

impl<L> Row<L> {
    /// Adds a record; false where it was there already.
    fn add(&mut self, id: Id) -> bool {
        let before = self.members;
        self.members |= bit(id);
        self.members != before
    }

    /// Takes a record out; false where it was not there.
    fn take(&mut self, id: Id) -> bool {
        let before = self.members;
        self.members &= !bit(id);
        self.front &= !bit(id);
        self.members != before
    }
}

/// The place of a record: the first has the highest bit. There are no more than [`ROW_MAX`] of
/// them, or no stack is made.
fn bit(id: Id) -> u32 {
    1_u32.rotate_right(count(id.raw()))
}

impl<L> Line<L> for Row<L> {
    fn contains<T: Empty + Linked<L>>(&self, _slab: &Slab<'_, T>, id: Id) -> bool {
        self.members & bit(id) != 0
    }

    fn len(&self) -> u32 {
        // Where processors cannot count bits this is less code than `count_ones`.
        let (mut left, mut count) = (self.members, 0_u32);
        while left != 0 {
            left &= left.wrapping_sub(1);
            count = count.wrapping_add(1);
        }
        count
    }

    fn is_empty(&self) -> bool {
        self.members == 0
    }

    fn first(&self) -> Option<Id> {
        let next = if self.front == 0 { self.members } else { self.front };
        let behind = next.rotate_left(self.turn).leading_zeros();
        let place = behind.wrapping_add(self.turn) % u32::BITS;
        if self.members == 0 { None } else { Id::from_index(place as usize) }
    }

    // Called from several places: one copy in an image is enough.
    #[inline(never)]
    fn push_back<T: Empty + Linked<L>>(&mut self, _slab: &mut Slab<'_, T>, id: Id) -> bool {
        self.add(id)
    }

    fn push_front<T: Empty + Linked<L>>(&mut self, _slab: &mut Slab<'_, T>, id: Id) -> bool {
        self.front |= bit(id);
        self.add(id)
    }

    fn pop_front<T: Empty + Linked<L>>(&mut self, slab: &mut Slab<'_, T>) -> Option<Id> {
        let id = self.first()?;
        self.pass(slab, id);
        Some(id)
    }

    fn pass<T: Empty + Linked<L>>(&mut self, _slab: &mut Slab<'_, T>, first: Id) {
        if self.front & bit(first) == 0 {
            self.turn = count(first.raw());
        }
        self.take(first);
    }

    fn remove<T: Empty + Linked<L>>(&mut self, _slab: &mut Slab<'_, T>, id: Id) -> bool {
        self.take(id)
    }

    fn append<T: Empty + Linked<L>>(&mut self, _slab: &mut Slab<'_, T>, other: &mut Self) {
        self.members |= core::mem::take(&mut other.members);
        debug_assert_eq!(other.front, 0, "nobody is put at the front of a row that is appended");
    }
}

#[cfg(test)]
mod tests;
