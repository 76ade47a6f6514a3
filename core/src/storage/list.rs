//! First-in-first-out lists through the records of a slab. A record has one pair of links for
//! each kind of list; the kind is a marker type, so that a record can stand in several at once.

use core::marker::PhantomData;

use super::slab::Slab;
use super::{Empty, Id};

/// The place of a record in a list of one kind.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Links {
    next: Option<Id>,
    /// The record before this one, at the front this one itself; `None` in no list.
    previous: Option<Id>,
}

impl Links {
    /// Whether the record stands in a list of this kind.
    #[must_use]
    pub const fn is_linked(&self) -> bool {
        self.previous.is_some()
    }
}

impl Empty for Links {
    const EMPTY: Self = Self { next: None, previous: None };
}

/// What a record keeps for its place in lines of one kind: [`Links`], or nothing where each line
/// knows its own.
pub trait Place: Empty {
    /// The links.
    fn links(&self) -> Links;
    /// Changes them; for the list alone.
    fn set_links(&mut self, links: Links);
}

impl Place for Links {
    fn links(&self) -> Links {
        *self
    }

    fn set_links(&mut self, links: Links) {
        *self = links;
    }
}

impl Place for () {
    fn links(&self) -> Links {
        Links::EMPTY
    }

    fn set_links(&mut self, _links: Links) {}
}

/// A record with a place in lists of the kind `L`.
pub trait Linked<L> {
    /// The place of the record.
    fn links(&self) -> Links;
    /// Changes the place of the record; for the list alone.
    fn set_links(&mut self, links: Links);
}

/// Some records of one slab in an order, first in, first out, as a rule. Every operation is O(1).
pub trait Line<L>: Empty {
    /// Whether a record is in this line, or, where lines do not know their own, in some line of
    /// the kind.
    fn contains<T: Empty + Linked<L>>(&self, slab: &Slab<'_, T>, id: Id) -> bool;

    /// How many records there are.
    fn len(&self) -> u32;

    /// Whether there is none.
    fn is_empty(&self) -> bool;

    /// The record at the front.
    fn first(&self) -> Option<Id>;

    /// Puts a record at the back. Returns false where it is in a line of this kind already, or is
    /// no record.
    fn push_back<T: Empty + Linked<L>>(&mut self, slab: &mut Slab<'_, T>, id: Id) -> bool;

    /// Puts a record at the front, likewise.
    fn push_front<T: Empty + Linked<L>>(&mut self, slab: &mut Slab<'_, T>, id: Id) -> bool;

    /// Takes the record at the front out.
    fn pop_front<T: Empty + Linked<L>>(&mut self, slab: &mut Slab<'_, T>) -> Option<Id>;

    /// Takes the record at the front out, which is `first`.
    fn pass<T: Empty + Linked<L>>(&mut self, slab: &mut Slab<'_, T>, first: Id) {
        debug_assert_eq!(self.first(), Some(first), "somebody else is first");
        self.pop_front(slab);
    }

    /// Takes a record out. Returns whether it was in a line of this kind.
    fn remove<T: Empty + Linked<L>>(&mut self, slab: &mut Slab<'_, T>, id: Id) -> bool;

    /// Puts all of another line behind this one, and leaves that empty.
    fn append<T: Empty + Linked<L>>(&mut self, slab: &mut Slab<'_, T>, other: &mut Self);
}

/// A list of the kind `L` through records of one slab. Every operation is O(1).
///
/// Where several lists share a kind and a slab, the caller knows which of them a record is in:
/// the operations that take an id must be called on that list.
#[derive(Debug)]
pub struct List<L> {
    head: Option<Id>,
    tail: Option<Id>,
    len: u32,
    kind: PhantomData<fn() -> L>,
}

impl<L> Empty for List<L> {
    const EMPTY: Self = Self { head: None, tail: None, len: 0, kind: PhantomData };
}

impl<L> List<L> {
    /// The record at the back.
    #[must_use]
    pub const fn last(&self) -> Option<Id> {
        self.tail
    }

    /// Whether a record is the first or the last one of this list.
    #[cfg(feature = "ethernet")]
    #[must_use]
    pub fn has_at_an_end(&self, id: Id) -> bool {
        [self.head, self.tail].contains(&Some(id))
    }

    /// The record behind `id`; `None` at the back, or where `id` is in no list of this kind.
    #[must_use]
    pub fn next<T: Empty + Linked<L>>(&self, slab: &Slab<'_, T>, id: Id) -> Option<Id> {
        slab.listed(id)?.links().next
    }

    /// The record before `id`; `None` at the front, or where `id` is in no list of this kind.
    #[must_use]
    pub fn previous<T: Empty + Linked<L>>(&self, slab: &Slab<'_, T>, id: Id) -> Option<Id> {
        slab.listed(id)?.links().previous.filter(|previous| *previous != id)
    }

    /// Puts a record right behind `after`, which is in this list. Returns false, and changes
    /// nothing, where `id` is in a list of this kind already, or `after` is in none.
    pub fn insert_after<T: Empty + Linked<L>>(
        &mut self,
        slab: &mut Slab<'_, T>,
        after: Id,
        id: Id,
    ) -> bool {
        match slab.listed(after).map(Linked::<L>::links) {
            Some(links) if links.is_linked() => self.insert(slab, Some(after), links.next, id),
            _ => false,
        }
    }

    fn insert<T: Empty + Linked<L>>(
        &mut self,
        slab: &mut Slab<'_, T>,
        previous: Option<Id>,
        next: Option<Id>,
        id: Id,
    ) -> bool {
        let Some(record) = slab.listed_mut(id) else { return false };
        if record.links().is_linked() {
            return false;
        }
        record.set_links(Links { next, previous: previous.or(Some(id)) });
        self.set_next(slab, previous, Some(id));
        self.set_previous(slab, next, Some(id));
        self.len = self.len.saturating_add(1);
        true
    }

    /// What follows `id`, or, where that is none, what the list begins with, is `next` now.
    fn set_next<T: Empty + Linked<L>>(
        &mut self,
        slab: &mut Slab<'_, T>,
        id: Option<Id>,
        next: Option<Id>,
    ) {
        match id {
            None => self.head = next,
            Some(id) => {
                if let Some(record) = slab.listed_mut(id) {
                    record.set_links(Links { next, ..record.links() });
                }
            }
        }
    }

    /// What precedes `id`, or, where that is none, what the list ends with, is `previous` now.
    fn set_previous<T: Empty + Linked<L>>(
        &mut self,
        slab: &mut Slab<'_, T>,
        id: Option<Id>,
        previous: Option<Id>,
    ) {
        match id {
            None => self.tail = previous,
            Some(id) => {
                if let Some(record) = slab.listed_mut(id) {
                    record.set_links(Links { previous: previous.or(Some(id)), ..record.links() });
                }
            }
        }
    }
}

impl<L> Line<L> for List<L> {
    fn contains<T: Empty + Linked<L>>(&self, slab: &Slab<'_, T>, id: Id) -> bool {
        slab.listed(id).is_some_and(|record| record.links().is_linked())
    }

    fn len(&self) -> u32 {
        self.len
    }

    fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    fn first(&self) -> Option<Id> {
        self.head
    }

    fn push_back<T: Empty + Linked<L>>(&mut self, slab: &mut Slab<'_, T>, id: Id) -> bool {
        self.insert(slab, self.tail, None, id)
    }

    fn push_front<T: Empty + Linked<L>>(&mut self, slab: &mut Slab<'_, T>, id: Id) -> bool {
        self.insert(slab, None, self.head, id)
    }

    fn append<T: Empty + Linked<L>>(&mut self, slab: &mut Slab<'_, T>, other: &mut Self) {
        let Some(first) = other.head else { return };
        if self.tail.is_some() {
            self.set_next(slab, self.tail, Some(first));
            self.set_previous(slab, Some(first), self.tail);
        } else {
            self.head = Some(first);
        }
        self.tail = other.tail;
        self.len = self.len.saturating_add(other.len);
        *other = Self::EMPTY;
    }

    fn pop_front<T: Empty + Linked<L>>(&mut self, slab: &mut Slab<'_, T>) -> Option<Id> {
        let id = self.head?;
        self.remove(slab, id).then_some(id)
    }

    fn remove<T: Empty + Linked<L>>(&mut self, slab: &mut Slab<'_, T>, id: Id) -> bool {
        let Some(record) = slab.listed_mut(id) else { return false };
        let links = record.links();
        if !links.is_linked() {
            return false;
        }
        record.set_links(Links::EMPTY);
        let (previous, next) = (links.previous.filter(|previous| *previous != id), links.next);
        self.set_next(slab, previous, next);
        self.set_previous(slab, next, previous);
        self.len = self.len.saturating_sub(1);
        true
    }
}

/// Threads a list through a slot type.
macro_rules! linked {
    ([$($generics:tt)*] $slot:ty, $field:ident: $marker:ty) => {
        impl<$($generics)*> $crate::storage::list::Linked<$marker> for $slot {
            fn links(&self) -> $crate::storage::list::Links {
                $crate::storage::list::Place::links(&self.$field)
            }

            fn set_links(&mut self, links: $crate::storage::list::Links) {
                $crate::storage::list::Place::set_links(&mut self.$field, links);
            }
        }
    };
}
pub(crate) use linked;

#[cfg(test)]
mod tests;
