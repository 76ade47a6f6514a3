//! Whose turn it is to send, and who waits until a neighbour on the link is found.
//!
//! Why somebody has to wait is not known here.

#[cfg(feature = "ethernet")]
use managed::ManagedSlice;

use crate::profile::{LineOf, Profile};
#[cfg(feature = "ethernet")]
use crate::profile::{ParkingOf, Tables};
use crate::storage::list::Line;
#[cfg(not(feature = "ethernet"))]
use crate::storage::list::Linked;
#[cfg(feature = "ethernet")]
use crate::storage::parking::{Parked, Parking};
use crate::storage::slab::Slab;
use crate::storage::{Empty, Id};

/// Marks the list of records that may have something to send.
#[derive(Debug)]
pub enum Egress {}

/// A record that takes turns.
#[cfg(feature = "ethernet")]
pub trait Turn: Parked<Egress> {}
/// A record that takes turns.
#[cfg(not(feature = "ethernet"))]
pub trait Turn: Empty + Linked<Egress> {}

/// The memory that a pool needs for each place of the neighbour cache.
#[cfg(feature = "ethernet")]
pub type ParkingSlot<P> = <<P as Profile>::Tables as Tables>::Parked<Egress>;

/// Those who may have something to send, in turn, and those who have but must wait.
///
/// A record is in one line at most.
pub struct Turns<'a, P: Profile> {
    ready: LineOf<P, Egress>,
    #[cfg(feature = "ethernet")]
    parked: ParkingOf<'a, P, Egress>,
    #[cfg(not(feature = "ethernet"))]
    parked: core::marker::PhantomData<&'a ()>,
}

impl<'a, P: Profile> Turns<'a, P> {
    /// Nobody.
    #[must_use]
    #[cfg_attr(
        not(feature = "ethernet"),
        expect(clippy::new_without_default, reason = "it takes memory where there are neighbours")
    )]
    pub fn new(#[cfg(feature = "ethernet")] slots: ManagedSlice<'a, ParkingSlot<P>>) -> Self {
        Self {
            ready: Empty::EMPTY,
            #[cfg(feature = "ethernet")]
            parked: Parking::new(slots),
            #[cfg(not(feature = "ethernet"))]
            parked: core::marker::PhantomData,
        }
    }

    /// Whether nobody's turn it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// Whose turn it is.
    #[must_use]
    pub fn first(&self) -> Option<Id> {
        self.ready.first()
    }

    /// Whether a record waits. Where there are lists of links, one that was put back and has not
    /// had its turn since counts as well.
    pub fn is_parked<T: Turn>(&self, slab: &mut Slab<'_, T>, id: Id) -> bool {
        #[cfg(feature = "ethernet")]
        return self.parked.contains(slab, id);
        #[cfg(not(feature = "ethernet"))]
        {
            let _ = (slab, id);
            false
        }
    }

    /// A record takes its turn last; one that has a turn, or waits, is left where it is.
    pub fn push_back<T: Turn>(&mut self, slab: &mut Slab<'_, T>, id: Id) {
        if !self.is_parked(slab, id) {
            self.ready.push_back(slab, id);
        }
    }

    /// A record takes the next turn, even if it waits.
    pub fn push_front<T: Turn>(&mut self, slab: &mut Slab<'_, T>, id: Id) {
        self.remove(slab, id);
        self.ready.push_front(slab, id);
    }

    /// The record whose turn it is has had it.
    // Called from several places: one copy in an image is enough.
    #[inline(never)]
    pub fn pass<T: Turn>(&mut self, slab: &mut Slab<'_, T>, first: Id) {
        self.ready.pass(slab, first);
    }

    /// A record has nothing to send, or is gone.
    pub fn remove<T: Turn>(&mut self, slab: &mut Slab<'_, T>, id: Id) {
        #[cfg(feature = "ethernet")]
        self.parked.remove(&mut self.ready, slab, id);
        #[cfg(not(feature = "ethernet"))]
        self.ready.remove(slab, id);
    }

    /// A record waits until [`Turns::unpark`] for the same place of the neighbour cache.
    #[cfg(feature = "ethernet")]
    pub fn park<T: Turn>(&mut self, slab: &mut Slab<'_, T>, id: Id, place: usize) {
        self.remove(slab, id);
        self.parked.push_back(slab, id, place);
    }

    /// Records that wait for a place of the neighbour cache take turns again, behind the others.
    #[cfg(feature = "ethernet")]
    pub fn unpark<T: Turn>(&mut self, slab: &mut Slab<'_, T>, place: usize) {
        self.parked.release(&mut self.ready, slab, place);
    }
}

/// Lets a slot type take turns.
macro_rules! turn {
    ([$($generics:tt)*] $slot:ty) => {
        impl<$($generics)*> $crate::socket::turns::Turn for $slot {}

        #[cfg(feature = "ethernet")]
        impl<$($generics)*> $crate::storage::parking::Parked<$crate::socket::turns::Egress>
            for $slot
        {
            fn parked_in(&self) -> Option<$crate::storage::Id> {
                $crate::storage::parking::WaitsFor::place(&self.parked_in)
            }

            fn set_parked_in(&mut self, place: Option<$crate::storage::Id>) {
                $crate::storage::parking::WaitsFor::set_place(&mut self.parked_in, place);
            }
        }
    };
}
pub(crate) use turn;
