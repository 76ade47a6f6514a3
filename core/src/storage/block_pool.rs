//! Fixed-size blocks over caller-lent memory: a chain of free ones, and credits, which are
//! promises of blocks yet to be taken. What a block holds is never looked at here.

use managed::ManagedSlice;

use super::{Empty, Id, RawId, count};

/// Blocks promised to one holder and not yet taken.
///
/// A plain count: the pool keeps only the sum. A credit that is dropped without
/// [`BlockPool::withdraw`] keeps its blocks promised for ever, so it is neither `Copy` nor `Clone`.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Credit(RawId);

impl Credit {
    /// How many blocks are promised.
    #[must_use]
    pub const fn blocks(&self) -> u32 {
        count(self.0)
    }
}

impl Empty for Credit {
    const EMPTY: Self = Self(0);
}

/// A pool of blocks of one size. Every operation is O(1).
///
/// Always `used + promised <= capacity`: a promise can be redeemed whatever the others do.
#[derive(Debug)]
pub struct BlockPool<'a> {
    bytes: ManagedSlice<'a, u8>,
    /// Of a free block the next free one, `None` for the block behind it; of a taken block itself:
    /// a second [`BlockPool::give_back`] is seen and ignored.
    links: ManagedSlice<'a, Option<Id>>,
    /// The free block to be taken next; behind the last one where none is free.
    free: Id,
    block_size: u32,
    capacity: u32,
    used: u32,
    promised: u32,
    kept_back: u32,
    reclaimable: u32,
}

/// The smallest block size in octets.
pub const BLOCK_SIZE_MIN: u32 = 64;
/// The largest block size in octets.
pub const BLOCK_SIZE_MAX: u32 = 65_536;

impl<'a> BlockPool<'a> {
    /// A pool of as many blocks of `block_size` octets as `bytes` holds and `links` has entries
    /// for, all of them `None`; at most [`Id::COUNT_MAX`] - 1.
    ///
    /// `None` where the size is not a power of two in [`BLOCK_SIZE_MIN`]`..=`[`BLOCK_SIZE_MAX`] or
    /// the memory does not suffice for one block.
    #[must_use]
    pub fn new(
        bytes: ManagedSlice<'a, u8>,
        links: ManagedSlice<'a, Option<Id>>,
        block_size: u32,
    ) -> Option<Self> {
        if !block_size.is_power_of_two() || !(BLOCK_SIZE_MIN..=BLOCK_SIZE_MAX).contains(&block_size)
        {
            return None;
        }
        let block_shift = block_size.trailing_zeros();
        let blocks = bytes.len().wrapping_shr(block_shift).min(links.len()).min(Id::COUNT_MAX - 1);
        if blocks == 0 {
            return None;
        }
        Some(Self {
            // There is nothing behind the last block.
            bytes: cut(bytes, blocks.wrapping_shl(block_shift)),
            links: cut(links, blocks),
            free: Id::FIRST,
            block_size,
            capacity: blocks as u32,
            used: 0,
            promised: 0,
            kept_back: 0,
            reclaimable: 0,
        })
    }

    /// The size of a block in octets.
    #[must_use]
    pub fn block_size(&self) -> u32 {
        self.block_size
    }

    /// The binary logarithm of the size of a block.
    pub(super) fn block_shift(&self) -> u32 {
        self.block_size.trailing_zeros()
    }

    /// How many blocks there are.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// How many blocks are taken.
    #[must_use]
    pub fn used(&self) -> u32 {
        self.used
    }

    /// How many blocks are promised and not yet taken.
    #[must_use]
    pub fn promised(&self) -> u32 {
        self.promised
    }

    /// How many blocks are neither taken nor promised.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.capacity.wrapping_sub(self.used).wrapping_sub(self.promised)
    }

    /// Keeps back so many of the available blocks for who is promised his first ones: nobody else
    /// is given any of them.
    pub fn keep_back(&mut self, blocks: u32) {
        self.kept_back = blocks;
    }

    /// How many blocks are available to who has some already.
    #[must_use]
    pub fn spare(&self) -> u32 {
        self.available().saturating_sub(self.kept_back)
    }

    /// So many of the blocks that are taken would be given back if they were asked for.
    pub fn set_reclaimable(&mut self, blocks: u32) {
        self.reclaimable = blocks;
    }

    /// How many blocks who has some already may hope for: those to spare and the reclaimable.
    #[must_use]
    pub fn obtainable(&self) -> u32 {
        self.spare().saturating_add(self.reclaimable)
    }

    /// Promises `blocks` more to `credit`, or as many as are available; returns how many. Blocks
    /// that are kept back are there for this call.
    pub fn promise(&mut self, credit: &mut Credit, blocks: u32) -> u32 {
        let blocks = blocks.min(self.available());
        // The sum of all credits fits: it is at most the capacity, itself at most `RawId::MAX`.
        credit.0 = credit.0.wrapping_add(blocks as RawId);
        self.promised = self.promised.wrapping_add(blocks);
        blocks
    }

    /// Takes back `blocks` of what was promised to `credit`, or all where that is less.
    pub fn withdraw(&mut self, credit: &mut Credit, blocks: u32) {
        let blocks = blocks.min(credit.blocks());
        credit.0 = credit.0.wrapping_sub(blocks as RawId);
        self.promised = self.promised.wrapping_sub(blocks);
    }

    /// Takes a block against a promise of `credit`, or, where it holds none, one that is to spare.
    /// The block contains what its last user left in it.
    ///
    /// `None` where there is neither.
    #[must_use]
    pub fn take(&mut self, credit: &mut Credit) -> Option<Id> {
        if credit.0 == 0 && self.spare() == 0 {
            return None;
        }
        let id = self.free;
        let link = self.links.get_mut(id.index())?;
        self.free = link.or_else(|| id.next())?;
        *link = Some(id);
        self.used = self.used.wrapping_add(1);
        self.withdraw(credit, 1);
        Some(id)
    }

    /// Frees a block. Does nothing where it is not taken.
    pub fn give_back(&mut self, id: Id) {
        if let Some(link) = self.links.get_mut(id.index())
            && *link == Some(id)
        {
            *link = Some(self.free);
            self.free = id;
            self.used = self.used.wrapping_sub(1);
        }
    }

    /// The octets of a block; none where there is no such block.
    #[must_use]
    pub fn block(&self, id: Id) -> &[u8] {
        self.rest(id, 0)
    }

    /// The octets of a block from the one at `within` on.
    #[must_use]
    pub fn rest(&self, id: Id, within: u32) -> &[u8] {
        self.bytes.get(self.place(id, within)).unwrap_or_default()
    }

    /// The octets of a block, to be changed; none where there is no such block.
    #[must_use]
    pub fn block_mut(&mut self, id: Id) -> &mut [u8] {
        self.rest_mut(id, 0)
    }

    /// The octets of a block from the one at `within` on, to be changed.
    #[must_use]
    pub fn rest_mut(&mut self, id: Id, within: u32) -> &mut [u8] {
        let place = self.place(id, within);
        self.bytes.get_mut(place).unwrap_or_default()
    }

    /// The octets of a block before and from `within` on.
    #[must_use]
    pub fn split(&self, id: Id, within: u32) -> Option<(&[u8], &[u8])> {
        self.bytes.get(self.place(id, 0))?.split_at_checked(within as usize)
    }

    /// Likewise, to be changed.
    #[must_use]
    pub fn split_mut(&mut self, id: Id, within: u32) -> Option<(&mut [u8], &mut [u8])> {
        let place = self.place(id, 0);
        self.bytes.get_mut(place)?.split_at_mut_checked(within as usize)
    }

    fn place(&self, id: Id, within: u32) -> core::ops::Range<usize> {
        let start = id.index().wrapping_mul(self.block_size as usize);
        let end = start.wrapping_add(self.block_size as usize);
        start.wrapping_add(within as usize)..end
    }
}

/// The first octets of some memory.
fn cut<T>(memory: ManagedSlice<'_, T>, count: usize) -> ManagedSlice<'_, T> {
    match memory {
        ManagedSlice::Borrowed(memory) => memory.get_mut(..count).unwrap_or_default().into(),
        #[cfg(feature = "alloc")]
        ManagedSlice::Owned(mut memory) => {
            memory.truncate(count);
            memory.into()
        }
    }
}

#[cfg(test)]
mod tests;
