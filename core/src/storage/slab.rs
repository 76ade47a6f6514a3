//! Slots for records of one type over caller-lent memory, and keys that outlive their record
//! without ever meaning another one.

use managed::ManagedSlice;

use super::{Empty, Id};

/// The place of one record, with what the slab keeps beside it.
#[derive(Debug)]
pub struct Slot<T> {
    value: T,
    /// Odd while there is a record.
    generation: u32,
    /// The free slot to be taken after this one; `None` for the slot behind it, as it is with all
    /// that were never in use.
    next_free: Option<Id>,
}

impl<T: Empty> Empty for Slot<T> {
    const EMPTY: Self = Self { value: T::EMPTY, generation: 0, next_free: None };
}

/// A record by slot and generation: it resolves as long as that very record lives and was not
/// [disowned](Slab::disown). A slot must be reused 2³¹ times before an old key could mean a new
/// record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Key {
    id: Id,
    generation: u32,
}

/// Records in slots. Every operation but [`Slab::iter`] is O(1), set-up included.
#[derive(Debug)]
pub struct Slab<'a, T: Empty> {
    slots: ManagedSlice<'a, Slot<T>>,
    /// The free slot to be taken next; behind the last one where none is free.
    free: Id,
    len: usize,
}

/// The most slots of a slab: there is an id behind the last one.
const SLOTS_MAX: usize = Id::COUNT_MAX - 1;

impl<T> Slot<T> {
    fn is_occupied(&self) -> bool {
        self.generation & 1 != 0
    }
}

impl Key {
    /// The slot of the record, while it lives.
    #[must_use]
    pub const fn id(self) -> Id {
        self.id
    }
}

impl<'a, T: Empty> Slab<'a, T> {
    /// A slab over slots that are all [`Slot::EMPTY`]. Slots from [`Id::COUNT_MAX`] - 1 on stay
    /// unused.
    #[must_use]
    pub fn new(slots: ManagedSlice<'a, Slot<T>>) -> Self {
        Self { slots, free: Id::FIRST, len: 0 }
    }

    /// Occupies a slot; its record is [`Empty::EMPTY`] and keys of earlier ones stay stale.
    ///
    /// `None` where all slots are occupied.
    #[must_use]
    pub fn acquire(&mut self) -> Option<Id> {
        let id = self.free;
        let slot = self.slots.get_mut(id.index())?;
        self.free = slot.next_free.or_else(|| id.next())?;
        slot.generation = slot.generation.wrapping_add(1);
        self.len = self.len.wrapping_add(1);
        Some(id)
    }

    /// Empties a slot; keys of its record are stale from then on. The record must be in no list
    /// or table any more. Returns whether the slot was occupied.
    pub fn release(&mut self, id: Id) -> bool {
        match self.slots.get_mut(id.index()) {
            Some(slot) if slot.is_occupied() => {
                slot.value = T::EMPTY;
                slot.generation = slot.generation.wrapping_add(1);
                slot.next_free = Some(self.free);
                self.free = id;
                self.len = self.len.wrapping_sub(1);
                true
            }
            _ => false,
        }
    }

    /// Makes all keys of a record stale, while it lives on.
    pub fn disown(&mut self, id: Id) {
        if let Some(slot) = self.slots.get_mut(id.index())
            && slot.is_occupied()
        {
            slot.generation = slot.generation.wrapping_add(2);
        }
    }

    /// The record in a slot; `None` where it is not occupied.
    #[must_use]
    // Where it counts ids come from lists and tables; elsewhere one copy in an image is enough.
    #[inline(never)]
    pub fn get(&self, id: Id) -> Option<&T> {
        match self.slots.get(id.index()) {
            Some(slot) if slot.is_occupied() => Some(&slot.value),
            _ => None,
        }
    }

    /// The record in a slot, to be changed; `None` where it is not occupied.
    #[must_use]
    #[inline(never)]
    pub fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        match self.slots.get_mut(id.index()) {
            Some(slot) if slot.is_occupied() => Some(&mut slot.value),
            _ => None,
        }
    }

    /// As [`Slab::get`], for an id from a list or a table: those have only records in them that
    /// are there.
    #[must_use]
    pub fn listed(&self, id: Id) -> Option<&T> {
        let slot = self.slots.get(id.index())?;
        debug_assert!(slot.is_occupied(), "a list or a table has kept what was released");
        Some(&slot.value)
    }

    /// As [`Slab::get`], for an id whose record may have been released: that reads as
    /// [`Empty::EMPTY`].
    #[must_use]
    pub fn hinted(&self, id: Id) -> Option<&T> {
        self.slots.get(id.index()).map(|slot| &slot.value)
    }

    /// As [`Slab::get_mut`], for an id from a list or a table.
    #[must_use]
    pub fn listed_mut(&mut self, id: Id) -> Option<&mut T> {
        let slot = self.slots.get_mut(id.index())?;
        debug_assert!(slot.is_occupied(), "a list or a table has kept what was released");
        Some(&mut slot.value)
    }

    /// The key of the record in a slot; `None` where it is not occupied.
    #[must_use]
    // Seldom called, and from several places: one copy in an image is enough.
    #[inline(never)]
    pub fn key(&self, id: Id) -> Option<Key> {
        match self.slots.get(id.index()) {
            Some(slot) if slot.is_occupied() => Some(Key { id, generation: slot.generation }),
            _ => None,
        }
    }

    /// The slot of the record with this key; `None` once that record has been released.
    #[must_use]
    pub fn resolve(&self, key: Key) -> Option<Id> {
        match self.slots.get(key.id.index()) {
            Some(slot) if slot.generation == key.generation => Some(key.id),
            _ => None,
        }
    }

    /// How many slots are occupied.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no slot is occupied.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many slots there are.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.slots.len().min(SLOTS_MAX)
    }

    /// Whether all slots are occupied.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len >= self.capacity()
    }

    /// All records, by a walk over all slots.
    pub fn iter(&self) -> impl Iterator<Item = (Id, &T)> {
        let ids = core::iter::successors(Some(Id::FIRST), |id| id.next());
        let slots = ids.zip(self.slots.iter());
        slots.filter_map(|(id, slot)| slot.is_occupied().then_some((id, &slot.value)))
    }
}

#[cfg(test)]
mod tests;
