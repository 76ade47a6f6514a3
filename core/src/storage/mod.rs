//! Fixed memory, lent by the caller, and the shapes it takes: blocks, byte queues, slots, lists,
//! tables and deadlines. Knows no protocol, never allocates, never panics.
//!
//! What lives in lent memory is [`Empty`]: its first state is all-zero bytes, so that statics of
//! it take no room in flash. Whatever links to a neighbour does so by an [`Id`].

pub mod assembler;
pub mod block_pool;
pub mod deadlines;
pub mod hash_table;
pub mod linear;
pub mod list;
#[cfg(feature = "ethernet")]
pub mod parking;
pub mod policy;
pub mod queue;
pub mod ring;
pub mod slab;
pub mod stream;

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

    /// The id of the first element.
    const FIRST: Self = Self(NonZero::<RawId>::MIN);

    /// The id of the element at `index`; `None` from [`Id::COUNT_MAX`] on.
    #[must_use]
    pub const fn from_index(index: usize) -> Option<Self> {
        if index >= Self::COUNT_MAX {
            return None;
        }
        Self::from_raw((index as RawId).wrapping_add(1))
    }

    /// The id of the element behind this one; `None` where this is the last there can be.
    #[must_use]
    const fn next(self) -> Option<Self> {
        Self::from_raw(self.0.get().wrapping_add(1))
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

impl Empty for () {
    const EMPTY: Self = ();
}

impl Empty for Option<Id> {
    const EMPTY: Self = None;
}

/// Whether octets are copied by words from and to anywhere, as processors from ARMv7 on do in one
/// instruction. The `memcpy` that a compiler for ARM brings along aligns both ends before, at nine
/// instructions for each word; the blocks of a stream see to it that they seldom are.
///
/// Processors before ARMv7 have, but for a few, no compare-and-swap: by that they are known here.
const BY_WORDS: bool = cfg!(all(target_arch = "arm", target_os = "none", target_has_atomic = "32"));

/// Copies as much of `source` to the front of `destination` as fits; returns how many octets.
pub fn copy_prefix(destination: &mut [u8], source: &[u8]) -> usize {
    let octets = destination.len().min(source.len());
    if let (Some(to), Some(from)) = (destination.get_mut(..octets), source.get(..octets)) {
        if BY_WORDS { copy_words(to, from) } else { to.copy_from_slice(from) }
    }
    octets
}

/// Copies as much as fits, eight words at a time, the last four first: they may overlap with those
/// before. As long as they are spelt out, no compiler sees `memcpy` in them.
fn copy_words(to: &mut [u8], from: &[u8]) {
    if !to.len().is_multiple_of(16) {
        let ((_, [.., to_last]), (_, [.., from_last])) = (to.as_rchunks_mut(), from.as_rchunks())
        else {
            return to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        };
        copy_four(to_last, from_last);
    }
    let (to, to_rest) = to.as_chunks_mut::<32>();
    let (from, from_rest) = from.as_chunks::<32>();
    for (to, from) in to.iter_mut().zip(from) {
        let ([to, to_end], _) = to.as_chunks_mut() else { continue };
        let ([from, from_end], _) = from.as_chunks() else { continue };
        copy_four(to, from);
        copy_four(to_end, from_end);
    }
    if let (([to], _), ([from], _)) = (to_rest.as_chunks_mut(), from_rest.as_chunks()) {
        copy_four(to, from);
    }
}

#[inline(always)]
fn copy_four(to: &mut [u8; 16], from: &[u8; 16]) {
    let ([to_a, to_b, to_c, to_d], _) = to.as_chunks_mut() else { return };
    let ([a, b, c, d], _) = from.as_chunks() else { return };
    copy_word(to_a, a);
    copy_word(to_b, b);
    copy_word(to_c, c);
    copy_word(to_d, d);
}

#[inline(always)]
const fn copy_word(to: &mut [u8; 4], from: &[u8; 4]) {
    *to = u32::from_ne_bytes(*from).to_ne_bytes();
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

    #[test]
    fn words_are_copied_from_and_to_anywhere_and_nothing_beside_them() {
        let source: [u8; 80] = core::array::from_fn(|i| i as u8 + 1);
        for (from, to) in [(0, 0), (1, 0), (0, 1), (2, 3), (3, 2)] {
            for octets in 0..=70 {
                let mut target = [0; 80];
                copy_words(&mut target[to..to + octets], &source[from..from + octets]);
                assert_eq!(target[to..to + octets], source[from..from + octets]);
                assert!(target[..to].iter().chain(&target[to + octets..]).all(|octet| *octet == 0));
            }
        }
    }
}
