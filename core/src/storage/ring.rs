//! A byte stream in one block of a pool, used as a ring: position p of the stream lies at p modulo
//! the size of the block. The window is the block, then, and the pool has blocks of that size.
//!
//! Which octets have arrived behind a hole is not known here: that is the assembler's.

use super::block_pool::{BlockPool, Credit};
use super::stream::{Layout, Pieces, Stream};
use super::{Empty, Id, copy_prefix};

/// A stream of octets, as many at a time as a block has room for.
///
/// It holds no block before the first octet, and gives its block back when it is cleared: who has
/// had one needs it again. Every operation is O(1) plus the octets that it moves.
#[derive(Debug)]
pub struct Ring {
    start: u32,
    len: u32,
    extent: u32,
    block: Option<Id>,
    credit: Credit,
}

impl Empty for Ring {
    const EMPTY: Self = Self { start: 0, len: 0, extent: 0, block: None, credit: Credit::EMPTY };
}

impl Ring {
    /// The block, taken from the pool if need be.
    fn take_block(&mut self, pool: &mut BlockPool<'_>) -> Option<Id> {
        if self.block.is_none() {
            self.block = pool.take(&mut self.credit);
        }
        self.block
    }

    /// Whether there is the promise of a block, as there is once one can be had.
    fn has_promise(&mut self, pool: &mut BlockPool<'_>) -> bool {
        self.credit.blocks() > 0 || pool.promise(&mut self.credit, 1) == 1
    }

    /// The octets of the block from `offset` behind the start on, as many as are free of what
    /// lies at the start: in one piece, and no further than the end of the block.
    fn span_mut<'p>(&mut self, pool: &'p mut BlockPool<'_>, offset: u32) -> &'p mut [u8] {
        let Some(id) = self.take_block(pool) else { return &mut [] };
        let room = pool.block_size().saturating_sub(offset) as usize;
        let place = within(pool, self.start.wrapping_add(offset));
        let span = pool.rest_mut(id, place);
        let octets = span.len().min(room);
        span.get_mut(..octets).unwrap_or_default()
    }
}

/// Where in its block a position lies.
fn within(pool: &BlockPool<'_>, position: u32) -> u32 {
    position & pool.block_size().wrapping_sub(1)
}

impl Pieces for Ring {
    fn piece<'p>(&self, pool: &'p BlockPool<'_>, position: u32) -> &'p [u8] {
        self.block.map_or(&[][..], |id| pool.rest(id, within(pool, position)))
    }
}

impl Stream for Ring {
    const SLIDES: bool = true;

    fn starting_at(position: u32) -> Self {
        Self { start: position, ..Self::EMPTY }
    }

    fn start(&self) -> u32 {
        self.start
    }

    fn len(&self) -> u32 {
        self.len
    }

    fn blocks_held(&self) -> u32 {
        u32::from(self.block.is_some())
    }

    fn credit_mut(&mut self) -> &mut Credit {
        &mut self.credit
    }

    fn keep_promise(&mut self, pool: &mut BlockPool<'_>) -> bool {
        self.block.is_some() || self.has_promise(pool)
    }

    fn window_max(block_size: u32) -> u32 {
        block_size
    }

    const LAYOUT: Layout = Layout::OneBlock;

    fn cover(&mut self, pool: &mut BlockPool<'_>, window: u32) -> u32 {
        if self.blocks_held() > 0 || self.credit.blocks() > 0 || pool.spare() > 0 {
            self.keep_promise(pool);
            window.min(pool.block_size())
        } else {
            0
        }
    }

    fn within_reach(&self, pool: &BlockPool<'_>, window: u32) -> u32 {
        if self.blocks_held() > 0 || self.credit.blocks() > 0 || pool.obtainable() > 0 {
            window.min(pool.block_size())
        } else {
            0
        }
    }

    fn write_at(&mut self, pool: &mut BlockPool<'_>, offset: u32, data: &[u8]) -> usize {
        let octets = data.len().min(pool.block_size().saturating_sub(offset) as usize);
        let Some(data) = data.get(..octets).filter(|data| !data.is_empty()) else { return 0 };
        let Some(id) = self.take_block(pool) else { return 0 };
        let place = within(pool, self.start.wrapping_add(offset));
        let Some((front, back)) = pool.split_mut(id, place) else { return 0 };
        let written = copy_prefix(back, data);
        if let Some(wrapped @ [_, ..]) = data.get(written..) {
            copy_prefix(front, wrapped);
        }
        self.extent = self.extent.max(offset.wrapping_add(octets as u32));
        octets
    }

    fn commit(&mut self, octets: u32) {
        self.len = self.len.wrapping_add(octets).min(self.extent);
    }

    fn append_with(
        &mut self,
        pool: &mut BlockPool<'_>,
        limit: usize,
        write: &mut dyn FnMut(&mut [u8]) -> usize,
    ) -> usize {
        let at = self.len;
        let span = self.span_mut(pool, at);
        let room = span.len().min(limit);
        let written = match span.get_mut(..room) {
            Some(span) if room > 0 => write(span).min(room),
            _ => 0,
        };
        self.extent = self.extent.max(at.wrapping_add(written as u32));
        self.commit(written as u32);
        written
    }

    fn read_at(&self, pool: &BlockPool<'_>, offset: u32, buffer: &mut [u8]) -> usize {
        let octets = buffer.len().min(self.len.saturating_sub(offset) as usize);
        let place = within(pool, self.start.wrapping_add(offset));
        let Some(buffer) = buffer.get_mut(..octets) else { return 0 };
        let Some(id) = self.block else { return 0 };
        let Some((front, back)) = pool.split(id, place) else { return 0 };
        let read = copy_prefix(buffer, back);
        if let Some(wrapped @ [_, ..]) = buffer.get_mut(read..) {
            copy_prefix(wrapped, front);
        }
        octets
    }

    fn consume(&mut self, _pool: &mut BlockPool<'_>, octets: u32) {
        let octets = octets.min(self.len);
        self.start = self.start.wrapping_add(octets);
        self.len = self.len.wrapping_sub(octets);
        self.extent = self.extent.wrapping_sub(octets);
    }

    fn consume_and_keep(&mut self, pool: &mut BlockPool<'_>, octets: u32) {
        self.consume(pool, octets);
    }

    fn discard_from(&mut self, _pool: &mut BlockPool<'_>, offset: u32) {
        self.extent = self.extent.min(offset.max(self.len));
    }

    fn clear(&mut self, pool: &mut BlockPool<'_>) {
        if let Some(id) = self.block.take() {
            pool.give_back(id);
        }
        pool.withdraw(&mut self.credit, u32::MAX);
        (self.len, self.extent) = (0, 0);
    }
}

#[cfg(test)]
mod tests;
