//! What a byte stream over the blocks of a pool can do, whatever way it lies in them: see
//! [`Queue`](super::queue::Queue) and [`Ring`](super::ring::Ring).

use super::block_pool::{BLOCK_SIZE_MAX, BLOCK_SIZE_MIN, BlockPool, Credit};
use super::{Empty, copy_prefix};

/// The octets of one direction of a stream: written at any place ahead, committed once nothing is
/// missing before them, read where they lie and consumed from the front.
///
/// `[0, len)` from the start on is committed, `[0, extent)` has been written, with holes. A stream
/// is bound to the pool that it was first used with. It is emptied by [`Stream::clear`] before it
/// is forgotten: its blocks stay taken otherwise.
pub trait Stream: Empty + Pieces + 'static {
    /// Whether what was covered once slides along as octets are consumed: such a stream keeps its
    /// block, or the promise of it, until it is cleared, and can have neither more nor less.
    const SLIDES: bool;

    /// An empty stream whose first octet will be the one at `position`, modulo 2³².
    #[must_use]
    fn starting_at(position: u32) -> Self;

    /// The position of the first octet that has not been consumed, modulo 2³².
    #[must_use]
    fn start(&self) -> u32;

    /// How many octets are committed and not yet consumed.
    #[must_use]
    fn len(&self) -> u32;

    /// Whether no octet is committed; there may be some behind a hole.
    #[must_use]
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many blocks of the pool the stream holds.
    #[must_use]
    fn blocks_held(&self) -> u32;

    /// The blocks promised to the stream, from which it takes before all else.
    #[must_use]
    fn credit_mut(&mut self) -> &mut Credit;

    /// Sees to it that a stream which holds no block has the promise of one, so that its user gets
    /// on some day whatever the others do. Once it was promised it always can be again: called
    /// after what gives blocks back, it finds those. Returns whether there is a block or a promise.
    fn keep_promise(&mut self, pool: &mut BlockPool<'_>) -> bool {
        let has = self.blocks_held() > 0 || self.credit_mut().blocks() > 0;
        has || pool.promise(self.credit_mut(), 1) == 1
    }

    /// The largest window in octets that a stream over blocks of this size (a power of two) can
    /// hold wherever it starts.
    #[must_use]
    fn window_max(block_size: u32) -> u32;

    /// How a window lies in blocks.
    const LAYOUT: Layout;

    /// [`Layout::blocks_for`] of this stream.
    #[must_use]
    fn blocks_for(window: u32, block_size: u32) -> u32 {
        Self::LAYOUT.blocks_for(window, block_size)
    }

    /// Settles the credit so that, with the blocks held, it is just enough to write the first
    /// `window` octets from the start of the stream on, as far as the pool has blocks to spare.
    ///
    /// Returns how many octets from the start are sure to find room now, at most `window`. Called
    /// with the edge that was promised to the peer before and once more after each
    /// [`Stream::consume_and_keep`], it never returns less than that edge: what that frees is
    /// enough. Blocks promised beyond what `window` needs are given back.
    fn cover(&mut self, pool: &mut BlockPool<'_>, window: u32) -> u32;

    /// How many octets from the start would find room if nobody else took any block, and those
    /// that are reclaimable came back; at most `window`. Promises nothing.
    #[must_use]
    fn within_reach(&self, pool: &BlockPool<'_>, window: u32) -> u32;

    /// Stores `data` from `offset` octets behind the start on; what was there is overwritten.
    ///
    /// Returns how many octets were stored: fewer than given where there is no block to be had, or
    /// where that is too far ahead.
    fn write_at(&mut self, pool: &mut BlockPool<'_>, offset: u32, data: &[u8]) -> usize;

    /// Commits the octets right behind those committed so far, all of which have been written.
    fn commit(&mut self, octets: u32);

    /// Stores `data` right behind the committed octets and commits it. Returns how many octets
    /// were stored, as [`Stream::write_at`] does.
    fn append(&mut self, pool: &mut BlockPool<'_>, data: &[u8]) -> usize {
        let stored = self.write_at(pool, self.len(), data);
        self.commit(stored as u32);
        stored
    }

    /// Lets `write` fill the octets right behind the committed ones in place and commits as many
    /// as it says to have written. It sees as much as there is in one piece, at most `limit`, and
    /// is not called where that is nothing. Returns how many octets were committed.
    fn append_with(
        &mut self,
        pool: &mut BlockPool<'_>,
        limit: usize,
        write: &mut dyn FnMut(&mut [u8]) -> usize,
    ) -> usize;

    /// Copies committed octets from `offset` behind the start on into `buffer`; returns how many.
    #[must_use]
    fn read_at(&self, pool: &BlockPool<'_>, offset: u32, buffer: &mut [u8]) -> usize
    where
        Self: Sized,
    {
        let wanted = buffer.len().min(self.len() as usize) as u32;
        let mut read = 0_usize;
        for slice in self.slices(pool, offset, wanted) {
            let Some(rest) = buffer.get_mut(read..) else { break };
            read = read.wrapping_add(copy_prefix(rest, slice));
        }
        read
    }

    /// The committed octets `[offset, offset + len)` from the start on, as far as there are so
    /// many, one slice for each piece they lie in.
    #[must_use]
    fn slices<'p>(&'p self, pool: &'p BlockPool<'p>, offset: u32, len: u32) -> Slices<'p>
    where
        Self: Sized,
    {
        let offset = offset.min(self.len());
        Slices {
            pool,
            stream: self,
            position: self.start().wrapping_add(offset),
            remaining: self.len().wrapping_sub(offset).min(len),
        }
    }

    /// The committed octets at the front, as many as lie in one piece; none where there are none.
    #[must_use]
    fn first_slice<'p>(&self, pool: &'p BlockPool<'_>) -> &'p [u8] {
        let piece = self.piece(pool, self.start());
        piece.get(..self.len() as usize).unwrap_or(piece)
    }

    /// Drops committed octets from the front, as far as there are so many, and gives the blocks
    /// back that nothing is left in.
    fn consume(&mut self, pool: &mut BlockPool<'_>, octets: u32);

    /// As [`Stream::consume`], and turns the blocks that this frees into promises to this stream.
    fn consume_and_keep(&mut self, pool: &mut BlockPool<'_>, octets: u32);

    /// Forgets what was written at `offset` from the start and behind it, and frees the blocks
    /// that nothing is left in. Committed octets stay, whatever `offset` is.
    fn discard_from(&mut self, pool: &mut BlockPool<'_>, offset: u32);

    /// Drops everything: frees all blocks and gives all credit back. The start stays.
    fn clear(&mut self, pool: &mut BlockPool<'_>);
}

/// How the window of a [`Stream`] lies in blocks. The compiler can compute the size of a pool from
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Layout {
    /// A window is one block.
    OneBlock,
    /// A window begins anywhere in its first block and extends over as many blocks as it needs.
    ManyBlocks {
        /// A window of more blocks than this takes one block more, which lists the others.
        unlisted_max: u32,
    },
}

impl Layout {
    /// The size that blocks should have for a window of so many bytes: the whole window, rounded up
    /// to a power of two, or a quarter of the window, rounded down.
    #[must_use]
    pub const fn block_size(self, window: u32) -> u32 {
        let exponent = match self {
            Self::OneBlock => match window.checked_sub(1) {
                Some(below @ 1..) => below.ilog2().saturating_add(1),
                _ => 0,
            },
            Self::ManyBlocks { .. } => match window.checked_ilog2() {
                Some(exponent) => exponent.saturating_sub(2),
                None => 0,
            },
        };
        let (min, max) = (BLOCK_SIZE_MIN.ilog2(), BLOCK_SIZE_MAX.ilog2());
        1_u32.wrapping_shl(if exponent < min {
            min
        } else if exponent > max {
            max
        } else {
            exponent
        })
    }

    /// The number of blocks of this size (a power of two) that a window of so many bytes may need,
    /// wherever it begins.
    #[must_use]
    pub const fn blocks_for(self, window: u32, block_size: u32) -> u32 {
        match self {
            Self::OneBlock => (window > 0) as u32,
            Self::ManyBlocks { .. } if window == 0 => 0,
            Self::ManyBlocks { unlisted_max } => {
                // In the worst case the window begins with the last byte of a block.
                let shift = block_size.trailing_zeros();
                let data = window
                    .saturating_sub(1)
                    .saturating_add(block_size.saturating_sub(1))
                    .wrapping_shr(shift)
                    .saturating_add(1);
                data.saturating_add((data > unlisted_max) as u32)
            }
        }
    }

    /// The limit that keeps a window to its share of a pool with blocks for windows of so many
    /// bytes. A window that is one block can have no other block, and needs no limit.
    #[must_use]
    pub const fn limit(self, window: u32) -> u32 {
        match self {
            Self::OneBlock => u32::MAX,
            Self::ManyBlocks { .. } => window,
        }
    }

    /// The largest window in bytes that so many blocks of this size hold, wherever it begins: the
    /// inverse of [`Layout::blocks_for`].
    #[must_use]
    pub const fn window_of(self, blocks: u32, block_size: u32) -> u32 {
        match self {
            _ if blocks == 0 => 0,
            Self::OneBlock => block_size,
            Self::ManyBlocks { unlisted_max } => {
                let data = blocks.saturating_sub((blocks > unlisted_max) as u32);
                data.saturating_sub(1).saturating_mul(block_size).saturating_add(1)
            }
        }
    }
}

/// Where the octets of a stream lie.
pub trait Pieces {
    /// The octets from `position` on, which is in the committed part, up to the end of the piece
    /// of memory that it is in. What is behind the committed part has no meaning.
    fn piece<'p>(&self, pool: &'p BlockPool<'_>, position: u32) -> &'p [u8];
}

/// Committed octets of a [`Stream`], piece by piece.
#[derive(Clone)]
pub struct Slices<'p> {
    pool: &'p BlockPool<'p>,
    stream: &'p dyn Pieces,
    position: u32,
    remaining: u32,
}

impl core::fmt::Debug for Slices<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl Slices<'_> {
    /// How many octets are still to come.
    #[must_use]
    pub const fn octets(&self) -> u32 {
        self.remaining
    }
}

impl<'p> Iterator for Slices<'p> {
    type Item = &'p [u8];

    fn next(&mut self) -> Option<&'p [u8]> {
        if self.remaining == 0 {
            return None;
        }
        let rest = self.stream.piece(self.pool, self.position);
        let octets = rest.len().min(self.remaining as usize);
        if octets == 0 {
            return None;
        }
        self.position = self.position.wrapping_add(octets as u32);
        self.remaining = self.remaining.wrapping_sub(octets as u32);
        rest.get(..octets)
    }
}
