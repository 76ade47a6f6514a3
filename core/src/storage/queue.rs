//! A byte stream in stream-aligned blocks of a pool: octets are written at any place ahead,
//! committed once nothing is missing before them, read where they lie and consumed from the front.
//! Which octets have arrived behind a hole is not known here: that is the assembler's.
//!
//! Block k holds the octets `[k·B, (k+1)·B)` of the stream, B being the block size. Positions wrap
//! at 2³², and so does k, at 2³²/B. The directory from k to a block is a ring, entry k modulo its
//! length: a few entries in the queue itself, or, for a longer stretch, a block full of them.
//! All lengths are powers of two, so that the ring and the wrapping of k agree.

use byteorder::{ByteOrder, NativeEndian};

use super::block_pool::{BlockPool, Credit};
use super::stream::{Layout, Pieces, Stream};
use super::{Empty, Id, RawId, copy_prefix, count};

/// Directory entries in the queue itself: 16 octets of them.
const INLINE: u32 = 16 / ID_BYTES;
/// Octets of an entry in a directory block.
const ID_BYTES: u32 = size_of::<RawId>() as u32;

/// A stream of octets, at most [`Queue::window_max`] of them at a time.
///
/// Every operation is O(1) plus the octets and blocks that it moves. A queue is bound to the pool
/// that it was first used with. It is emptied by [`Queue::clear`] before it is forgotten: its
/// blocks stay taken otherwise.
///
/// `[start, start + len)` is committed, `[start, start + extent)` has been written, with holes.
/// Each block held has a part in the latter: an empty queue holds none.
#[derive(Debug)]
pub struct Queue {
    start: u32,
    len: u32,
    extent: u32,
    /// Data blocks held, without the directory block.
    held: RawId,
    credit: Credit,
    directory: Directory,
}

impl Empty for Queue {
    const EMPTY: Self = Self {
        start: 0,
        len: 0,
        extent: 0,
        held: 0,
        credit: Credit::EMPTY,
        directory: Directory::EMPTY,
    };
}

impl Queue {
    /// How many octets from the start find room with what is held and `credit` more blocks.
    fn covered(&self, pool: &BlockPool<'_>, mut credit: u32) -> u32 {
        let (base, shift) = (self.base(pool), pool.block_shift());
        let first = self.first_block(pool);
        let mut blocks = blocks_touched(base, self.len, shift);
        // Up to the last octet written the blocks that are missing are looked for one by one.
        let written = blocks_touched(base, self.extent, shift);
        while blocks < written {
            if self.directory.entry(pool, first.wrapping_add(blocks)).is_none() {
                match credit.checked_sub(1) {
                    Some(left) => credit = left,
                    None => break,
                }
            }
            blocks = blocks.wrapping_add(1);
        }
        blocks = blocks.saturating_add(credit);
        if self.directory.block.is_none() && blocks > INLINE {
            blocks = blocks.saturating_sub(1).max(INLINE);
        }
        blocks.saturating_mul(pool.block_size()).saturating_sub(base)
    }

    /// Gives back what was just taken to write at `offset`, when nothing was written after all: no
    /// block is held without an octet in it. `before` is what was held and promised then.
    fn untake(&mut self, pool: &mut BlockPool<'_>, offset: u32, before: (u32, u32)) {
        let place = self.base(pool).saturating_add(offset);
        self.free_block(pool, place.wrapping_shr(pool.block_shift()));
        if self.blocks_held() > before.0 {
            self.directory.shrink(pool, self.first_block(pool));
        }
        let redeemed = before.1.saturating_sub(self.credit.blocks());
        pool.promise(&mut self.credit, redeemed);
    }

    fn free_all(&mut self, pool: &mut BlockPool<'_>) {
        for distance in 0..blocks_touched(self.base(pool), self.extent, pool.block_shift()) {
            self.free_block(pool, distance);
        }
        self.free_directory(pool);
        self.len = 0;
        self.extent = 0;
    }

    fn free_directory(&mut self, pool: &mut BlockPool<'_>) {
        if let Some(block) = self.directory.block.take() {
            pool.give_back(block);
        }
    }

    /// Frees the block `distance` blocks behind the first, if it is held.
    fn free_block(&mut self, pool: &mut BlockPool<'_>, distance: u32) {
        let number = self.first_block(pool).wrapping_add(distance);
        if distance < self.directory.entries(pool)
            && let Some(id) = self.directory.entry(pool, number)
        {
            self.directory.set_entry(pool, number, None);
            self.held = self.held.saturating_sub(1);
            pool.give_back(id);
        }
    }

    /// The rest of the block from `offset` behind the start on, taken from the pool if need be;
    /// empty where there is none to be had.
    fn span_mut<'p>(&mut self, pool: &'p mut BlockPool<'_>, offset: u32) -> &'p mut [u8] {
        let place = self.base(pool).checked_add(offset);
        match place.and_then(|place| Some((place, self.place_block(pool, place)?))) {
            Some((place, id)) => {
                let within = place & block_mask(pool);
                pool.block_mut(id).get_mut(within as usize..).unwrap_or_default()
            }
            None => &mut [],
        }
    }

    /// The block for the octet `place` octets behind the beginning of the first block.
    fn place_block(&mut self, pool: &mut BlockPool<'_>, place: u32) -> Option<Id> {
        let distance = place.wrapping_shr(pool.block_shift());
        let first = self.first_block(pool);
        let number = first.wrapping_add(distance);
        if distance < self.directory.entries(pool) {
            if let Some(id) = self.directory.entry(pool, number) {
                return Some(id);
            }
        } else {
            // A directory without a block to enter would be a waste of the last one.
            let obtainable = self.credit.blocks().saturating_add(pool.spare());
            let in_reach = distance < directory_entries(pool.block_size());
            if self.directory.block.is_some() || !in_reach || obtainable < 2 {
                return None;
            }
            self.directory.grow(pool, &mut self.credit, first)?;
        }
        let id = pool.take(&mut self.credit)?;
        self.directory.set_entry(pool, number, Some(id));
        self.held = self.held.wrapping_add(1);
        Some(id)
    }

    /// How far into its block the start is.
    fn base(&self, pool: &BlockPool<'_>) -> u32 {
        self.start & block_mask(pool)
    }

    /// The number of the block that the start is in.
    fn first_block(&self, pool: &BlockPool<'_>) -> u32 {
        self.start.wrapping_shr(pool.block_shift())
    }
}

impl Pieces for Queue {
    fn piece<'p>(&self, pool: &'p BlockPool<'_>, position: u32) -> &'p [u8] {
        let number = position.wrapping_shr(pool.block_shift());
        let within = position & block_mask(pool);
        self.directory.entry(pool, number).map_or(&[][..], |id| pool.rest(id, within))
    }
}

/// Every operation is O(1) plus the octets and blocks that it moves, but that [`Stream::cover`]
/// looks, where the pool runs short, at the directory entries between the committed octets and the
/// last one written. An empty queue holds no block.
impl Stream for Queue {
    const SLIDES: bool = false;

    fn starting_at(position: u32) -> Self {
        Self {
            start: position,
            len: 0,
            extent: 0,
            held: 0,
            credit: Credit::EMPTY,
            directory: Directory::EMPTY,
        }
    }

    fn start(&self) -> u32 {
        self.start
    }

    fn len(&self) -> u32 {
        self.len
    }

    fn blocks_held(&self) -> u32 {
        let directory = u32::from(self.directory.block.is_some());
        count(self.held).saturating_add(directory)
    }

    fn credit_mut(&mut self) -> &mut Credit {
        &mut self.credit
    }

    fn window_max(block_size: u32) -> u32 {
        let entries = directory_entries(block_size);
        entries.saturating_sub(1).saturating_mul(block_size)
    }

    const LAYOUT: Layout = Layout::ManyBlocks { unlisted_max: INLINE };

    fn cover(&mut self, pool: &mut BlockPool<'_>, window: u32) -> u32 {
        let shift = pool.block_shift();
        let base = self.base(pool);
        let reach = window.min(Self::window_max(pool.block_size())).max(self.extent);
        let touched = blocks_touched(base, reach, shift);
        let held = count(self.held);
        let grows = self.directory.block.is_none();
        let needed =
            touched.saturating_sub(held).saturating_add(u32::from(grows && touched > INLINE));
        let promised = self.credit.blocks();
        if promised > needed {
            pool.withdraw(&mut self.credit, promised.saturating_sub(needed));
        } else {
            let missing = needed.saturating_sub(promised);
            let spare = missing.min(pool.spare());
            if pool.promise(&mut self.credit, spare) < missing {
                return self.covered(pool, self.credit.blocks()).min(window);
            }
        }
        reach.min(window)
    }

    fn within_reach(&self, pool: &BlockPool<'_>, window: u32) -> u32 {
        let obtainable = self.credit.blocks().saturating_add(pool.obtainable());
        if obtainable >= Self::blocks_for(window, pool.block_size()) {
            return window;
        }
        self.covered(pool, obtainable).min(window)
    }

    fn write_at(&mut self, pool: &mut BlockPool<'_>, offset: u32, data: &[u8]) -> usize {
        let mut stored = 0;
        while let Some(rest) = data.get(stored..)
            && !rest.is_empty()
        {
            let Some(at) = offset.checked_add(stored as u32) else { break };
            let octets = copy_prefix(self.span_mut(pool, at), rest);
            if octets == 0 {
                break;
            }
            stored = stored.wrapping_add(octets);
            self.extent = self.extent.max(at.saturating_add(octets as u32));
        }
        stored
    }

    fn commit(&mut self, octets: u32) {
        self.len = self.len.saturating_add(octets).min(self.extent);
    }

    fn append_with(
        &mut self,
        pool: &mut BlockPool<'_>,
        limit: usize,
        write: &mut dyn FnMut(&mut [u8]) -> usize,
    ) -> usize {
        if limit == 0 {
            return 0;
        }
        let before = (self.blocks_held(), self.credit.blocks());
        let at = self.len;
        let span = self.span_mut(pool, at);
        let room = span.len().min(limit);
        let written = match span.get_mut(..room) {
            Some(span) if room > 0 => write(span).min(room),
            _ => return 0,
        };
        if written > 0 {
            self.extent = self.extent.max(at.saturating_add(written as u32));
            self.commit(written as u32);
        } else if self.blocks_held() > before.0 {
            self.untake(pool, at, before);
        }
        written
    }

    fn consume_and_keep(&mut self, pool: &mut BlockPool<'_>, octets: u32) {
        let before = self.blocks_held();
        self.consume(pool, octets);
        let freed = before.saturating_sub(self.blocks_held());
        pool.promise(&mut self.credit, freed);
    }

    fn consume(&mut self, pool: &mut BlockPool<'_>, octets: u32) {
        let octets = octets.min(self.len);
        let passed = self.base(pool).wrapping_add(octets).wrapping_shr(pool.block_shift());
        // The block in which all ends goes, too: an empty queue holds none.
        let gone = passed.wrapping_add(u32::from(octets == self.extent));
        for distance in 0..gone {
            self.free_block(pool, distance);
        }
        self.start = self.start.wrapping_add(octets);
        self.len = self.len.wrapping_sub(octets);
        self.extent = self.extent.wrapping_sub(octets);
        if self.extent == 0 {
            self.free_directory(pool);
        }
    }

    fn discard_from(&mut self, pool: &mut BlockPool<'_>, offset: u32) {
        let offset = offset.max(self.len);
        if offset >= self.extent {
            return;
        }
        let (base, shift) = (self.base(pool), pool.block_shift());
        let kept = blocks_touched(base, offset, shift);
        for distance in kept..blocks_touched(base, self.extent, shift) {
            self.free_block(pool, distance);
        }
        self.extent = offset;
        if offset == 0 {
            self.free_all(pool);
        }
    }

    fn clear(&mut self, pool: &mut BlockPool<'_>) {
        self.free_all(pool);
        pool.withdraw(&mut self.credit, u32::MAX);
    }
}

/// The way from the number of a block to the block: entry k modulo the length of the ring.
#[derive(Debug, Clone, Copy)]
struct Directory {
    inline: [Option<Id>; INLINE as usize],
    /// Where the entries are once the inline ones do not suffice.
    block: Option<Id>,
}

impl Directory {
    const EMPTY: Self = Self { inline: [None; INLINE as usize], block: None };

    fn entries(&self, pool: &BlockPool<'_>) -> u32 {
        match self.block {
            Some(_) => directory_entries(pool.block_size()),
            None => INLINE,
        }
    }

    fn entry(&self, pool: &BlockPool<'_>, number: u32) -> Option<Id> {
        match self.block {
            Some(block) => {
                let bytes = pool.block(block).get(entry_offset(pool, number)..)?;
                Id::from_raw(read_raw(bytes.first_chunk()?))
            }
            None => self.inline.get(inline_index(number)).copied().flatten(),
        }
    }

    fn set_entry(&mut self, pool: &mut BlockPool<'_>, number: u32, id: Option<Id>) {
        match self.block {
            Some(block) => {
                let offset = entry_offset(pool, number);
                let bytes = pool.block_mut(block).get_mut(offset..);
                if let Some(bytes) = bytes.and_then(<[u8]>::first_chunk_mut) {
                    write_raw(bytes, id.map_or(0, Id::raw));
                }
            }
            None => {
                if let Some(entry) = self.inline.get_mut(inline_index(number)) {
                    *entry = id;
                }
            }
        }
    }

    /// Moves the entries, the first of which is for block `first`, into a block of their own.
    fn grow(&mut self, pool: &mut BlockPool<'_>, credit: &mut Credit, first: u32) -> Option<()> {
        let block = pool.take(credit)?;
        pool.block_mut(block).fill(0);
        let grown = Self { block: Some(block), ..Self::EMPTY };
        self.move_to(pool, grown, first);
        Some(())
    }

    /// Moves the entries, the first of which is for block `first` and all of which are for the
    /// [`INLINE`] blocks from there on, back from the block they are in, which is freed.
    fn shrink(&mut self, pool: &mut BlockPool<'_>, first: u32) {
        if let Some(block) = self.block {
            self.move_to(pool, Self::EMPTY, first);
            pool.give_back(block);
        }
    }

    fn move_to(&mut self, pool: &mut BlockPool<'_>, mut other: Self, first: u32) {
        for distance in 0..INLINE {
            let number = first.wrapping_add(distance);
            let id = self.entry(pool, number);
            other.set_entry(pool, number, id);
        }
        *self = other;
    }
}

/// How many entries a directory block of this size has.
const fn directory_entries(block_size: u32) -> u32 {
    block_size / ID_BYTES
}

fn inline_index(number: u32) -> usize {
    (number & INLINE.wrapping_sub(1)) as usize
}

fn entry_offset(pool: &BlockPool<'_>, number: u32) -> usize {
    (number.wrapping_mul(ID_BYTES) & block_mask(pool)) as usize
}

fn block_mask(pool: &BlockPool<'_>) -> u32 {
    pool.block_size().wrapping_sub(1)
}

/// How many blocks `octets` octets lie in that begin `base` octets into the first.
fn blocks_touched(base: u32, octets: u32, shift: u32) -> u32 {
    if octets == 0 {
        return 0;
    }
    let last = base.saturating_add(octets.wrapping_sub(1));
    last.wrapping_shr(shift).wrapping_add(1)
}

#[cfg(not(target_pointer_width = "64"))]
fn read_raw(bytes: &[u8; 2]) -> RawId {
    NativeEndian::read_u16(bytes)
}

#[cfg(not(target_pointer_width = "64"))]
fn write_raw(bytes: &mut [u8; 2], raw: RawId) {
    NativeEndian::write_u16(bytes, raw);
}

#[cfg(target_pointer_width = "64")]
fn read_raw(bytes: &[u8; 4]) -> RawId {
    NativeEndian::read_u32(bytes)
}

#[cfg(target_pointer_width = "64")]
fn write_raw(bytes: &mut [u8; 4], raw: RawId) {
    NativeEndian::write_u32(bytes, raw);
}

#[cfg(test)]
mod tests;
