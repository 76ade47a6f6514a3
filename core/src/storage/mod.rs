//! Fixed memory, lent by the caller, and the shapes it takes: blocks, byte queues, slots, lists,
//! tables and deadlines. Knows no protocol, never allocates, never panics.
//!
//! What lives in lent memory is [`Empty`]: its first state is all-zero bytes, so that statics of
//! it take no room in flash. Whatever links to a neighbour does so by an [`Id`].

pub mod assembler;
pub mod block_pool;
pub mod deadlines;
pub mod hash_table;
pub mod list;
pub mod policy;
pub mod queue;
pub mod slab;

use core::num::NonZero;

/// The integer an [`Id`] is made of: 16 bits on 16- and 32-bit targets, 32 bits on 64-bit ones.
#[cfg(not(target_pointer_width = "64"))]
pub type RawId = u16;
/// The integer an [`Id`] is made of: 16 bits on 16- and 32-bit targets, 32 bits on 64-bit ones.
#[cfg(target_pointer_width = "64")]
pub type RawId = u32;

/// How many ids a counter of them stands for, as wide as the public counts are.
#[allow(clippy::unnecessary_cast, reason = "RawId is narrower on 32-bit targets")]
const fn count(raw: RawId) -> u32 {
    raw as u32
}

/// The number of a slot or block: its index plus one, so that `Option<Id>` is no larger and
/// `None` is all-zero bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Id(NonZero<RawId>);

impl Id {
    /// How many different ids there are: no table is larger.
    pub const COUNT_MAX: usize = RawId::MAX as usize;

    /// The id of the element at `index`; `None` from [`Id::COUNT_MAX`] on.
    #[must_use]
    pub const fn from_index(index: usize) -> Option<Self> {
        if index >= Self::COUNT_MAX {
            return None;
        }
        Self::from_raw((index as RawId).wrapping_add(1))
    }

    /// The index of the element in its table.
    #[must_use]
    pub const fn index(self) -> usize {
        (self.0.get() as usize).wrapping_sub(1)
    }

    /// The id with this stored value; zero is no id.
    const fn from_raw(raw: RawId) -> Option<Self> {
        match NonZero::new(raw) {
            Some(raw) => Some(Self(raw)),
            None => None,
        }
    }

    /// The value that [`Id::from_raw`] reads.
    const fn raw(self) -> RawId {
        self.0.get()
    }
}

/// What has an empty state of all-zero bytes, and so may lie in `.bss`.
///
/// That the bytes are zero is a contract which safe code cannot check; the section in which a
/// firmware image keeps its storage shows whether it holds. To keep it: links are `Option<Id>`,
/// the empty variant of an enum comes first, and nothing has a default other than zero.
pub trait Empty {
    /// The empty state.
    const EMPTY: Self;
}

/// Copies as much of `source` to the front of `destination` as fits; returns how many octets.
pub fn copy_prefix(destination: &mut [u8], source: &[u8]) -> usize {
    let octets = destination.len().min(source.len());
    if let (Some(to), Some(from)) = (destination.get_mut(..octets), source.get(..octets)) {
        to.copy_from_slice(from);
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_index_and_no_larger_inside_an_option() {
        for index in [0, 1, 7, Id::COUNT_MAX - 1] {
            assert_eq!(Id::from_index(index).unwrap().index(), index);
        }
        assert_eq!(Id::from_index(Id::COUNT_MAX), None);
        assert_eq!(Id::from_index(usize::MAX), None);
        assert_eq!(size_of::<Option<Id>>(), size_of::<RawId>());
    }

    #[test]
    fn copy_prefix_stops_at_the_shorter_side() {
        let mut to = [0; 4];
        assert_eq!(copy_prefix(&mut to, &[1, 2]), 2);
        assert_eq!(to, [1, 2, 0, 0]);
        assert_eq!(copy_prefix(&mut to, &[3, 4, 5, 6, 7]), 4);
        assert_eq!(to, [3, 4, 5, 6]);
        assert_eq!(copy_prefix(&mut [], &[1]), 0);
    }
}
