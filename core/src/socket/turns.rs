//! Whose turn it is to send, and who waits until a neighbour on the link is found.
//!
//! Why somebody has to wait is not known here.

use crate::storage::list::{Line, Linked};
use crate::storage::slab::Slab;
use crate::storage::{Empty, Id};

/// Marks the list of records that may have something to send.
#[derive(Debug)]
pub enum Egress {}

/// A record that takes turns.
pub trait Turn: Empty + Linked<Egress> {
    /// The round in which it was parked last; for [`Turns`] alone to change.
    #[cfg(feature = "ethernet")]
    fn parked(&mut self) -> &mut u16;
}

/// Those who may have something to send, in turn, and those who have but must wait.
///
/// A record is in one list at most. All who wait go back at once, and in one step: the round that
/// is noted in a record says whether it went with them.
#[derive(Debug)]
pub struct Turns<Q> {
    ready: Q,
    #[cfg(feature = "ethernet")]
    parked: Q,
    #[cfg(feature = "ethernet")]
    round: u16,
}

impl<Q: Line<Egress>> Turns<Q> {
    /// Nobody.
    pub const EMPTY: Self = Self {
        ready: Q::EMPTY,
        #[cfg(feature = "ethernet")]
        parked: Q::EMPTY,
        #[cfg(feature = "ethernet")]
        round: 0,
    };

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

    /// Whether a record waits.
    pub fn is_parked<T: Turn>(&self, slab: &mut Slab<'_, T>, id: Id) -> bool {
        #[cfg(feature = "ethernet")]
        if Q::KNOWS_ITS_OWN {
            return self.parked.contains(slab, id);
        }
        #[cfg(feature = "ethernet")]
        return slab.listed_mut(id).is_some_and(|slot| *slot.parked() == self.mark());
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

    /// A record takes the next turn, unless it waits.
    pub fn push_front<T: Turn>(&mut self, slab: &mut Slab<'_, T>, id: Id) {
        if !self.is_parked(slab, id) {
            self.ready.remove(slab, id);
            self.ready.push_front(slab, id);
        }
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
        {
            let waits = self.is_parked(slab, id);
            self.note_round(slab, id, 0);
            if waits {
                self.parked.remove(slab, id);
                return;
            }
        }
        self.ready.remove(slab, id);
    }

    /// A record waits until [`Turns::unpark`].
    #[cfg(feature = "ethernet")]
    pub fn park<T: Turn>(&mut self, slab: &mut Slab<'_, T>, id: Id) {
        self.remove(slab, id);
        self.note_round(slab, id, self.mark());
        self.parked.push_back(slab, id);
    }

    /// What is noted in a record that is parked in this round; never 0, which is no round.
    #[cfg(feature = "ethernet")]
    const fn mark(&self) -> u16 {
        !self.round
    }

    /// Notes the round in which a record was parked last.
    #[cfg(feature = "ethernet")]
    fn note_round<T: Turn>(&self, slab: &mut Slab<'_, T>, id: Id, round: u16) {
        if !Q::KNOWS_ITS_OWN
            && let Some(slot) = slab.listed_mut(id)
        {
            *slot.parked() = round;
        }
    }

    /// All who wait take their turns again, behind the others.
    #[cfg(feature = "ethernet")]
    pub fn unpark<T: Turn>(&mut self, slab: &mut Slab<'_, T>) {
        self.ready.append(slab, &mut self.parked);
        if !Q::KNOWS_ITS_OWN {
            self.round = self.round.wrapping_add(1) % u16::MAX;
        }
    }
}

/// Lets a slot type take turns.
macro_rules! turn {
    ([$($generics:tt)*] $slot:ty) => {
        impl<$($generics)*> $crate::socket::turns::Turn for $slot {
            #[cfg(feature = "ethernet")]
            fn parked(&mut self) -> &mut u16 {
                &mut self.parked
            }
        }
    };
}
pub(crate) use turn;
