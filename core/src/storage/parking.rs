//! Records that wait until a neighbour on the link is found, beside the line of those that are
//! ready. Why they wait is not known here.

use core::marker::PhantomData;

use managed::ManagedSlice;

use super::linear::Row;
use super::list::{Line, Linked, List};
use super::slab::Slab;
use super::{Empty, Id};

/// What a record keeps of the list that it waits in: the place of the neighbour cache, or nothing
/// where one row holds all waiting records.
pub trait WaitsFor: Empty {
    /// The place for which the record waited last.
    fn place(&self) -> Option<Id>;
    /// Changes it; for [`Parking`] alone.
    fn set_place(&mut self, place: Option<Id>);
}

impl WaitsFor for Option<Id> {
    fn place(&self) -> Option<Id> {
        *self
    }

    fn set_place(&mut self, place: Option<Id>) {
        *self = place;
    }
}

impl WaitsFor for () {
    fn place(&self) -> Option<Id> {
        None
    }

    fn set_place(&mut self, _place: Option<Id>) {}
}

/// A record that may have to wait.
pub trait Parked<L>: Empty + Linked<L> {
    /// The place for which the record waited last.
    fn parked_in(&self) -> Option<Id>;

    /// Changes it; for [`Parking`] alone.
    fn set_parked_in(&mut self, place: Option<Id>);
}

/// The records that wait for a place of the neighbour cache. A record is in here, or in the line of
/// those that are ready, or in neither. Every operation is O(1).
pub trait Parking<'a, L> {
    /// The line of the records that are ready.
    type Ready: Line<L>;
    /// What is lent for each place of the neighbour cache.
    type Slot: Empty + 'static;
    /// Whether records that wait for different places are released apart; else all are.
    const BY_PLACE: bool;

    /// Nobody waits; with the memory for each place of the neighbour cache.
    fn new(slots: ManagedSlice<'a, Self::Slot>) -> Self;

    /// Whether a record waits; or whether it waits or is ready, where only the record could tell.
    fn contains<T: Parked<L>>(&self, slab: &mut Slab<'_, T>, id: Id) -> bool;

    /// Takes a record out of here, or out of the line of those that are ready.
    fn remove<T: Parked<L>>(&mut self, ready: &mut Self::Ready, slab: &mut Slab<'_, T>, id: Id);

    /// A record that is in no line waits for a place.
    fn push_back<T: Parked<L>>(&mut self, slab: &mut Slab<'_, T>, id: Id, place: usize);

    /// Puts those who wait for a place behind those that are ready.
    fn release<T: Parked<L>>(
        &mut self,
        ready: &mut Self::Ready,
        slab: &mut Slab<'_, T>,
        place: usize,
    );
}

/// A list for each place of the neighbour cache: thousands may wait, and an answer concerns exactly
/// those that wait for it.
///
/// [`Parking::release`] moves a whole list without a word to its records. So the list that a record
/// names is the one that it is in, or the record is ready.
#[derive(Debug)]
pub struct ByPlace<'a, L>(ManagedSlice<'a, List<L>>);

impl<'a, L: 'static> Parking<'a, L> for ByPlace<'a, L> {
    type Ready = List<L>;
    type Slot = List<L>;
    const BY_PLACE: bool = true;

    fn new(slots: ManagedSlice<'a, List<L>>) -> Self {
        Self(slots)
    }

    fn contains<T: Parked<L>>(&self, slab: &mut Slab<'_, T>, id: Id) -> bool {
        slab.listed_mut(id)
            .is_some_and(|record| record.parked_in().is_some() && record.links().is_linked())
    }

    fn remove<T: Parked<L>>(&mut self, ready: &mut List<L>, slab: &mut Slab<'_, T>, id: Id) {
        let record = slab.listed_mut(id);
        let place = record.and_then(|record| {
            let place = record.parked_in();
            record.set_parked_in(None);
            place
        });
        let list = place.and_then(|place| self.0.get_mut(place.index()));
        // Only a record at an end of a list concerns more than its two neighbours in it.
        match list {
            Some(list) if list.has_at_an_end(id) => list.remove(slab, id),
            _ => ready.remove(slab, id),
        };
    }

    fn push_back<T: Parked<L>>(&mut self, slab: &mut Slab<'_, T>, id: Id, place: usize) {
        let list = self.0.get_mut(place);
        debug_assert!(list.is_some(), "there is a list for each place of the cache");
        if let Some(list) = list
            && let Some(record) = slab.listed_mut(id)
        {
            record.set_parked_in(Id::from_index(place));
            list.push_back(slab, id);
        }
    }

    fn release<T: Parked<L>>(&mut self, ready: &mut List<L>, slab: &mut Slab<'_, T>, place: usize) {
        if let Some(list) = self.0.get_mut(place) {
            ready.append(slab, list);
        }
    }
}

/// One row for all who wait. They are 32 at most, and whoever must wait still is put back when his
/// turn has come.
#[derive(Debug)]
pub struct Together<'a, L> {
    row: Row<L>,
    lifetime: PhantomData<&'a ()>,
}

impl<'a, L> Parking<'a, L> for Together<'a, L> {
    type Ready = Row<L>;
    type Slot = ();
    const BY_PLACE: bool = false;

    fn new(_slots: ManagedSlice<'a, ()>) -> Self {
        Self { row: Row::EMPTY, lifetime: PhantomData }
    }

    fn contains<T: Parked<L>>(&self, slab: &mut Slab<'_, T>, id: Id) -> bool {
        self.row.contains(slab, id)
    }

    fn remove<T: Parked<L>>(&mut self, ready: &mut Row<L>, slab: &mut Slab<'_, T>, id: Id) {
        // It is in one of them at most.
        self.row.remove(slab, id);
        ready.remove(slab, id);
    }

    fn push_back<T: Parked<L>>(&mut self, slab: &mut Slab<'_, T>, id: Id, _place: usize) {
        self.row.push_back(slab, id);
    }

    fn release<T: Parked<L>>(&mut self, ready: &mut Row<L>, slab: &mut Slab<'_, T>, _place: usize) {
        ready.append(slab, &mut self.row);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::vec::Vec;

    use proptest::collection::vec as vec_of;
    use proptest::prelude::*;

    use super::super::list::{Links, linked};
    use super::super::slab::Slot;
    use super::*;

    struct Kind;

    struct Record {
        links: Links,
        parked_in: Option<Id>,
    }

    impl Empty for Record {
        const EMPTY: Self = Self { links: Links::EMPTY, parked_in: None };
    }

    linked!([] Record, links: Kind);

    impl Parked<Kind> for Record {
        fn parked_in(&self) -> Option<Id> {
            self.parked_in
        }

        fn set_parked_in(&mut self, place: Option<Id>) {
            self.parked_in = place;
        }
    }

    type Model = VecDeque<usize>;

    fn ids<L>(list: &List<L>, slab: &Slab<'_, Record>) -> (Model, Model)
    where
        Record: Linked<L>,
    {
        let forward = core::iter::successors(list.first(), |id| list.next(slab, *id));
        let backward = core::iter::successors(list.last(), |id| list.previous(slab, *id));
        let mut backward: Model = backward.map(Id::index).collect();
        backward.make_contiguous().reverse();
        (forward.map(Id::index).collect(), backward)
    }

    proptest! {
        #[test]
        fn each_list_holds_those_who_wait_for_its_place(
            steps in vec_of((0..5_u8, 0..8_usize, 0..3_usize), 0..200),
        ) {
            let mut slots: Vec<Slot<Record>> = (0..8).map(|_| Slot::EMPTY).collect();
            let mut slab = Slab::new((&mut slots[..]).into());
            while slab.acquire().is_some() {}
            let mut lists = [List::EMPTY, List::EMPTY, List::EMPTY];
            let (mut ready, mut parking) = (List::EMPTY, ByPlace::new((&mut lists[..]).into()));
            let (mut ready_model, mut models) = (Model::new(), [const { Model::new() }; 3]);
            for (step, index, place) in steps {
                let id = Id::from_index(index).unwrap();
                let waits = models.iter().any(|model| model.contains(&index));
                match step {
                    0 if !waits && !ready_model.contains(&index) => {
                        prop_assert!(!parking.contains(&mut slab, id));
                        ready.push_back(&mut slab, id);
                        ready_model.push_back(index);
                    }
                    1 if !ready_model.is_empty() => {
                        ready.pop_front(&mut slab);
                        ready_model.pop_front();
                    }
                    2 => {
                        parking.release(&mut ready, &mut slab, place);
                        ready_model.append(&mut models[place]);
                    }
                    _ => {
                        parking.remove(&mut ready, &mut slab, id);
                        ready_model.retain(|kept| *kept != index);
                        models.iter_mut().for_each(|model| model.retain(|kept| *kept != index));
                        if step == 3 {
                            parking.push_back(&mut slab, id, place);
                            models[place].push_back(index);
                            prop_assert!(parking.contains(&mut slab, id));
                        }
                    }
                }
                let lists = [&ready].into_iter().chain(parking.0.iter());
                for (list, model) in lists.zip([&ready_model].into_iter().chain(&models)) {
                    let (forward, backward) = ids(list, &slab);
                    prop_assert_eq!(&forward, model);
                    prop_assert_eq!(&backward, model);
                }
            }
        }
    }
}
