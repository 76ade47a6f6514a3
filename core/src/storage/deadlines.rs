//! Which record is due first: one deadline for each id of a slab, in a heap or, for a handful, in
//! a plain row. The clock is not known here, nor what a deadline is for.

use managed::ManagedSlice;

use super::{Empty, Id};
use crate::time::Due;

/// At most one deadline for each id.
pub trait Deadlines<'a> {
    /// What is kept for one id.
    type Slot: Empty;

    /// Deadlines for ids up to the number of `slots`, all of which are [`Empty::EMPTY`].
    fn new(slots: ManagedSlice<'a, Self::Slot>) -> Self;

    /// Whether it pays to file a deadline that moved towards later only when it comes up.
    const LAZY: bool;

    /// Sets the deadline of `id`, in place of the one it had; never takes it away. Ids beyond the
    /// slots have none.
    fn set(&mut self, id: Id, at: Due);

    /// The deadline of `id`.
    fn of(&self, id: Id) -> Due;

    /// The earliest deadline and whose it is; of several at the same time, any.
    fn first(&self) -> Option<(Due, Id)>;

    /// The earliest deadline.
    fn earliest(&self) -> Due;

    /// Sets a deadline that may have moved. Where that is lazy, one that has moved towards later
    /// stays filed as it was, to be looked at when it comes up.
    fn refile(&mut self, id: Id, at: Due) {
        if !Self::LAZY || at == Due::NEVER || at.before(self.of(id)) {
            self.set(id, at);
        }
    }
}

/// Slot `i` of a [`Heap`] keeps two unrelated things: what stands at place `i` of the heap, and
/// at which place the id with index `i` stands.
#[derive(Debug)]
pub struct HeapSlot {
    at: Due,
    id: Option<Id>,
    /// The place, written as the id of that index; `None` where the id has no deadline.
    place: Option<Id>,
}

impl Empty for HeapSlot {
    const EMPTY: Self = Self { at: Due::NEVER, id: None, place: None };
}

/// A binary heap that knows where each id stands: `first` is O(1), `set` and `clear` O(log n).
#[derive(Debug)]
pub struct Heap<'a> {
    slots: ManagedSlice<'a, HeapSlot>,
    len: usize,
}

impl<'a> Deadlines<'a> for Heap<'a> {
    type Slot = HeapSlot;

    fn new(slots: ManagedSlice<'a, HeapSlot>) -> Self {
        Self { slots, len: 0 }
    }

    const LAZY: bool = true;

    fn set(&mut self, id: Id, at: Due) {
        if at == Due::NEVER {
            return self.clear(id);
        }
        if id.index() >= self.slots.len() {
            return;
        }
        let place = match self.place(id) {
            Some(place) => place,
            None => {
                let last = self.len;
                self.len = last.wrapping_add(1);
                last
            }
        };
        self.settle(place, at, id);
    }

    fn of(&self, id: Id) -> Due {
        let entry = self.place(id).and_then(|place| self.entry(place));
        entry.map_or(Due::NEVER, |(at, _)| at)
    }

    fn earliest(&self) -> Due {
        self.first().map_or(Due::NEVER, |(at, _)| at)
    }

    fn first(&self) -> Option<(Due, Id)> {
        self.entry(0)
    }
}

impl Heap<'_> {
    fn clear(&mut self, id: Id) {
        let Some(place) = self.place(id) else { return };
        if let Some(slot) = self.slots.get_mut(id.index()) {
            slot.place = None;
        }
        self.len = self.len.saturating_sub(1);
        // The last entry leaves its place and fills the one that came free.
        let last = self.len;
        let Some((at, moved)) = self.entry(last) else { return };
        if let Some(slot) = self.slots.get_mut(last) {
            slot.id = None;
        }
        if moved != id {
            self.settle(place, at, moved);
        }
    }

    fn place(&self, id: Id) -> Option<usize> {
        self.slots.get(id.index())?.place.map(Id::index)
    }

    fn entry(&self, place: usize) -> Option<(Due, Id)> {
        let slot = self.slots.get(place)?;
        Some((slot.at, slot.id?))
    }

    fn put(&mut self, place: usize, at: Due, id: Id) {
        if let Some(slot) = self.slots.get_mut(place) {
            slot.at = at;
            slot.id = Some(id);
        }
        if let Some(slot) = self.slots.get_mut(id.index()) {
            slot.place = Id::from_index(place);
        }
    }

    /// Puts an entry where it belongs on the way up or down from `place`, which is vacant.
    fn settle(&mut self, place: usize, at: Due, id: Id) {
        let mut vacant = place;
        while vacant > 0 {
            let parent = vacant.wrapping_sub(1) / 2;
            match self.entry(parent) {
                Some((above, mover)) if at.before(above) => self.put(vacant, above, mover),
                _ => break,
            }
            vacant = parent;
        }
        while let Some((child, below, mover)) = self.earlier_child(vacant) {
            if !below.before(at) {
                break;
            }
            self.put(vacant, below, mover);
            vacant = child;
        }
        self.put(vacant, at, id);
    }

    fn earlier_child(&self, place: usize) -> Option<(usize, Due, Id)> {
        let left = place.wrapping_mul(2).wrapping_add(1);
        let right = left.wrapping_add(1);
        if left >= self.len {
            return None;
        }
        let (at, id) = self.entry(left)?;
        match self.entry(right) {
            Some((right_at, right_id)) if right < self.len && right_at.before(at) => {
                Some((right, right_at, right_id))
            }
            _ => Some((left, at, id)),
        }
    }
}

/// What a [`Scan`] keeps for one id.
#[derive(Debug)]
pub struct ScanSlot(Due);

impl Empty for ScanSlot {
    const EMPTY: Self = Self(Due::NEVER);
}

/// Deadlines in a row: `first` looks at all, and so does `set` where the earliest moves towards
/// later. For up to 32.
#[derive(Debug)]
pub struct Scan<'a> {
    slots: ManagedSlice<'a, ScanSlot>,
    earliest: Due,
}

impl Scan<'_> {
    fn look_again(&mut self) {
        self.earliest = self.first().map_or(Due::NEVER, |(at, _)| at);
    }
}

impl<'a> Deadlines<'a> for Scan<'a> {
    type Slot = ScanSlot;

    const LAZY: bool = false;

    fn new(slots: ManagedSlice<'a, ScanSlot>) -> Self {
        Self { slots, earliest: Due::NEVER }
    }

    fn set(&mut self, id: Id, at: Due) {
        let Some(slot) = self.slots.get_mut(id.index()) else { return };
        let was = core::mem::replace(&mut slot.0, at);
        if at.before(self.earliest) {
            self.earliest = at;
        } else if was == self.earliest && at != was {
            self.look_again();
        }
    }

    fn of(&self, id: Id) -> Due {
        self.slots.get(id.index()).map_or(Due::NEVER, |slot| slot.0)
    }

    fn earliest(&self) -> Due {
        self.earliest
    }

    // Seldom called, and from several places: one copy in an image is enough.
    #[inline(never)]
    fn first(&self) -> Option<(Due, Id)> {
        let mut first = Due::NEVER;
        let mut place = 0;
        for (index, slot) in self.slots.iter().enumerate() {
            if slot.0.before(first) {
                (first, place) = (slot.0, index);
            }
        }
        let id = Id::from_index(place).filter(|_| first != Due::NEVER)?;
        Some((first, id))
    }
}

#[cfg(test)]
mod tests;
