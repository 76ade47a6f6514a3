//! The receive sequence space and the queue behind it: RCV.* of RFC 9293 §3.3.1.
//!
//! A window, once told, is never taken back: RCV.NXT + RCV.WND (`edge`) only moves forward, and
//! with `AllocationPolicy::Reserved` the memory behind it is promised before it is told.

use crate::seq::SeqNum;
use crate::storage::assembler::Reassembly;
use crate::storage::block_pool::BlockPool;
use crate::storage::policy::AllocationPolicy;
use crate::storage::stream::Stream;
use crate::wire::tcp_options::{SACK_BLOCKS_MAX, SackBlock};

use heapless::Vec;

use super::options::{Agreed, MSS_FLOOR};
use super::segment::text_len;
use super::window;

/// RCV.*, with what has arrived and was not read.
#[derive(Debug)]
pub struct ReceiveSpace<R, Q> {
    /// IRS, the peer's initial sequence number.
    pub irs: SeqNum,
    /// RCV.NXT, the next number expected.
    pub nxt: SeqNum,
    /// RCV.NXT + RCV.WND as far as it was ever told.
    pub edge: SeqNum,
    /// The most that is queued, octets.
    pub limit: u32,
    /// Octets from the start of the queue on that may be told.
    granted: u32,
    queue: Q,
    holes: R,
    /// The first run of bytes that the most recent segment brought a second time, and its length.
    /// It is reported once (RFC 2883 §4).
    duplicate: SeqNum,
    duplicate_len: u16,
    /// The payload size that the peer's segments have at present; 0 before the first.
    segment_size: u16,
    /// Octets from the next unread one up to the urgent mark: RCV.UP.
    urgent: u32,
    /// The number of a FIN that came before the text in front of it, counted from IRS; 0: none.
    fin: u32,
}

/// RFC 2018 §3: octets of a SACK option before its blocks (padded), and of each block.
const SACK_HEADER: u32 = 4;
const SACK_BLOCK: u32 = 8;

/// What became of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Taken {
    /// The stream grew by so many octets; `filled` where a hole was closed by it.
    InOrder {
        /// Octets by which RCV.NXT moved.
        octets: u32,
        /// Whether data that had come too early is in order now.
        filled: bool,
    },
    /// Kept for later.
    Early,
    /// It found no place.
    Nowhere,
}

impl<R: Reassembly, Q: Stream> ReceiveSpace<R, Q> {
    /// Nothing received.
    pub const EMPTY: Self = Self {
        irs: SeqNum::ZERO,
        nxt: SeqNum::ZERO,
        edge: SeqNum::ZERO,
        limit: 0,
        granted: 0,
        queue: Q::EMPTY,
        holes: R::EMPTY,
        duplicate: SeqNum::ZERO,
        duplicate_len: 0,
        segment_size: 0,
        urgent: 0,
        fin: 0,
    };

    /// Prepares the queue and its first grant. `None` where not even one block can be promised.
    #[must_use]
    pub fn prepare(
        &mut self,
        limit: u32,
        policy: AllocationPolicy,
        blocks: &mut BlockPool<'_>,
    ) -> Option<()> {
        self.limit = limit.min(Q::window_max(blocks.block_size()));
        if !self.queue.keep_promise(blocks) {
            return None;
        }
        self.grant(policy, blocks);
        Some(())
    }

    /// The peer's SYN is here; `told` octets of window were told in ours.
    pub fn start(&mut self, irs: SeqNum, told: u32) {
        self.irs = irs;
        self.nxt = irs + 1;
        self.edge = self.nxt + told;
    }

    /// RCV.WND, octets.
    #[must_use]
    pub fn wnd(&self) -> u32 {
        if self.edge.after(self.nxt) { self.edge.since(self.nxt) } else { 0 }
    }

    /// The window that a SYN of ours tells: never scaled (RFC 7323 §2.2).
    #[must_use]
    pub fn syn_window(&self) -> u16 {
        self.granted.min(u32::from(u16::MAX)) as u16
    }

    /// The window field of the next segment, and the edge that it tells.
    // Called from several places: one copy in an image is enough.
    #[must_use]
    #[inline(never)]
    pub fn next_window(&self, shift: u8, mss: u32) -> (u16, SeqNum) {
        let reach = self.reach();
        let edge = if self.has_news(mss) { self.nxt + reach } else { self.edge };
        let open = if edge.after(self.nxt) { edge.since(self.nxt) } else { 0 };
        // RFC 7323 §2.4: rounding down may make the window look a little smaller than it is; what
        // was told before is still accepted, as the edge stays. So is what the field has no digits
        // for: where that is all there is, the window looks closed, and only a probe gets on.
        let shift = u32::from(shift);
        let whole = open.wrapping_shr(shift);
        let field = whole.min(u32::from(u16::MAX));
        let told = if whole > field { field.wrapping_shl(shift) } else { open };
        (field as u16, self.edge.later(self.nxt + told))
    }

    /// Whether the peer should hear of a new edge at once. While half of the buffer is open to it
    /// the next ACK for data is soon enough.
    #[must_use]
    pub fn owes_update(&self, mss: u32) -> bool {
        self.wnd() < self.buffer() / 2 && self.has_news(mss)
    }

    /// Whether the edge can move so far that it may be told (RFC 9293 §3.8.6.2.2).
    fn has_news(&self, mss: u32) -> bool {
        let edge = self.nxt + self.reach();
        let gain = edge.since(self.edge);
        edge.after(self.edge) && window::worth_telling(gain, self.buffer(), mss)
    }

    /// RCV.BUFF: what the pool has promised may be far less than the limit.
    fn buffer(&self) -> u32 {
        self.limit.min(self.granted)
    }

    /// Octets in order and not read.
    #[must_use]
    pub fn readable(&self) -> u32 {
        self.queue.len()
    }

    /// Whether nothing waits behind a hole.
    #[must_use]
    pub fn is_in_order(&self) -> bool {
        self.holes.is_empty()
    }

    /// Returns the payload size that the peer's segments have, after one of `len` bytes. Before the
    /// first segment the size is the smaller MSS of both sides. A larger segment raises it. A
    /// segment without PSH sets it: the peer filled that segment, because more data follows.
    pub fn segment_size(&mut self, len: u32, pushed: bool, agreed: &Agreed) -> u32 {
        if self.segment_size == 0 {
            self.segment_size = agreed.snd_mss;
        }
        if !pushed || len > u32::from(self.segment_size) {
            let len = len.min(u32::from(agreed.rcv_mss)) as u16;
            self.segment_size = len.max(MSS_FLOOR);
        }
        u32::from(self.segment_size)
    }

    /// Stores a text that was trimmed to the window.
    pub fn take(&mut self, seq: SeqNum, text: &[u8], blocks: &mut BlockPool<'_>) -> Taken {
        if seq == self.nxt {
            self.take_next(text, blocks)
        } else {
            self.take_early(seq, text, blocks)
        }
    }

    /// Notes the first part of a payload, trimmed to the window, that waits behind a hole already.
    /// The part that was cut off below RCV.NXT comes before that in sequence and stays noted.
    /// Returns whether the segment brought a duplicate of either kind.
    pub fn note_overlap(&mut self, seq: SeqNum, text: &[u8]) -> bool {
        let gap = seq.since(self.nxt);
        if self.duplicate_len == 0
            && let Some(held) = self.holes.overlap(gap, gap.wrapping_add(text_len(text)))
        {
            self.note_duplicate(self.nxt + held.start, self.nxt + held.end);
        }
        self.duplicate_len > 0
    }

    fn take_next(&mut self, text: &[u8], blocks: &mut BlockPool<'_>) -> Taken {
        let at = self.queue.len();
        let mut stored = self.queue.write_at(blocks, at, text);
        if !Q::SLIDES && stored < text.len() && !self.holes.is_empty() {
            // What came too early may hold the last block: it can be sent again, this must go on.
            self.drop_early(blocks);
            stored = self.queue.write_at(blocks, at, text);
        }
        let stored = stored.min(text.len()) as u32;
        if stored == 0 {
            return Taken::Nowhere;
        }
        let filled = !self.holes.is_empty();
        let beyond = if filled { self.holes.advance(stored) } else { 0 };
        let octets = stored.wrapping_add(beyond);
        self.queue.commit(octets);
        self.nxt = self.nxt + octets;
        Taken::InOrder { octets, filled }
    }

    fn take_early(&mut self, seq: SeqNum, text: &[u8], blocks: &mut BlockPool<'_>) -> Taken {
        let gap = seq.since(self.nxt);
        // A stream of several blocks would keep the one that is written for a range without a
        // record.
        if !Q::SLIDES && !self.holes.has_room_for(gap, gap.wrapping_add(text_len(text))) {
            return Taken::Nowhere;
        }
        let stored = self.queue.write_at(blocks, self.queue.len().wrapping_add(gap), text);
        let stored = stored.min(text.len()) as u32;
        if stored == 0 {
            return Taken::Nowhere;
        }
        if self.holes.add(gap, gap.wrapping_add(stored)).is_err() {
            if !Q::SLIDES {
                // The pool ran dry before the range reached the one that it was to join.
                self.drop_early(blocks);
            }
            return Taken::Nowhere;
        }
        Taken::Early
    }

    /// Forgets what came too early and gives its blocks back.
    pub fn drop_early(&mut self, blocks: &mut BlockPool<'_>) {
        self.holes.clear();
        self.queue.discard_from(blocks, self.queue.len());
        if !Q::SLIDES {
            self.queue.keep_promise(blocks);
        }
    }

    /// Notes that `[start, end)` came a second time; more than one IP packet holds never does.
    pub fn note_duplicate(&mut self, start: SeqNum, end: SeqNum) {
        self.duplicate = start;
        self.duplicate_len = end.since(start).min(u32::from(u16::MAX)) as u16;
    }

    /// The duplicate was reported, or another segment has arrived.
    pub fn forget_duplicate(&mut self) {
        self.duplicate_len = 0;
    }

    /// The blocks of a SACK option (RFC 2018 §4) for which there are `room` octets: what came a
    /// second time if this is the segment that tells it (RFC 2883 §4), then the ranges behind
    /// holes, the one that grew last first.
    pub fn report(&self, once: bool, room: u32, blocks: &mut Vec<SackBlock, SACK_BLOCKS_MAX>) {
        let fitting = room.saturating_sub(SACK_HEADER) / SACK_BLOCK;
        let len = u32::from(self.duplicate_len);
        let again = SackBlock { left: self.duplicate, right: self.duplicate + len };
        let again = (once && len > 0).then_some(again);
        let early = self.holes.ranges().map(|range| {
            let (left, right) = (self.nxt + range.start, self.nxt + range.end);
            // Maybe the FIN behind the last text is here, too.
            let fin = self.fin != 0 && right == self.irs + self.fin;
            SackBlock { left, right: right + u32::from(fin) }
        });
        for block in again.into_iter().chain(early).take(fitting as usize) {
            if blocks.push(block).is_err() {
                break;
            }
        }
    }

    /// The peer tells that all before SEG.SEQ + `pointer` is urgent. Whether that is news.
    pub fn note_urgent(&mut self, seq: SeqNum, pointer: u16) -> bool {
        let unread = (seq + u32::from(pointer)).since(self.nxt - self.queue.len());
        let is_news = pointer > 0 && unread > self.urgent;
        if is_news {
            self.urgent = unread;
        }
        is_news
    }

    /// Octets from the next unread one up to the urgent mark; 0 where nothing is urgent.
    #[must_use]
    pub fn urgent(&self) -> u32 {
        self.urgent
    }

    /// A FIN with number `seq` is here, and the text before it is not.
    pub fn keep_fin(&mut self, seq: SeqNum) {
        self.fin = seq.since(self.irs);
    }

    /// The end of the numbers that data may have: the window's right edge, or a FIN that waits for
    /// the data before it. A peer that sends data behind its FIN contradicts itself.
    #[must_use]
    pub fn data_end(&self) -> SeqNum {
        // A FIN that was taken lies almost 2³² ahead.
        let ahead = (self.irs + self.fin).since(self.nxt);
        if self.fin != 0 && ahead < self.edge.since(self.nxt) {
            self.nxt + ahead
        } else {
            self.edge
        }
    }

    /// Whether the peer's FIN is known and all before it is here.
    #[must_use]
    pub fn fin_is_next(&self) -> bool {
        self.fin != 0 && self.irs + self.fin == self.nxt
    }

    /// Copies octets that lie `offset` behind the next unread one; returns how many.
    pub fn peek(&self, offset: u32, buffer: &mut [u8], blocks: &BlockPool<'_>) -> usize {
        self.queue.read_at(blocks, offset, buffer)
    }

    /// The first unread octets that lie in one piece.
    #[must_use]
    pub fn first_slice<'p>(&self, blocks: &'p BlockPool<'_>) -> &'p [u8] {
        self.queue.first_slice(blocks)
    }

    /// The urgent mark comes nearer by so many octets that the user has read.
    pub fn approach_urgent(&mut self, octets: u32) {
        self.urgent = self.urgent.saturating_sub(octets);
    }

    /// The user has read so many octets.
    #[inline]
    pub fn on_read(&mut self, octets: u32, policy: AllocationPolicy, blocks: &mut BlockPool<'_>) {
        if Q::SLIDES {
            return self.queue.consume(blocks, octets);
        }
        let octets = octets.min(self.queue.len());
        match policy {
            AllocationPolicy::Reserved => self.queue.consume_and_keep(blocks, octets),
            AllocationPolicy::Overcommit => self.queue.consume(blocks, octets),
        }
        self.granted = self.granted.saturating_sub(octets);
        self.grant(policy, blocks);
    }

    /// Gives everything back.
    // Seldom called, and from several places: one copy in an image is enough.
    #[inline(never)]
    pub fn clear(&mut self, blocks: &mut BlockPool<'_>) {
        self.holes.clear();
        self.queue.clear(blocks);
    }

    /// Octets beyond RCV.NXT that may be told.
    fn reach(&self) -> u32 {
        self.granted.saturating_sub(self.queue.len())
    }

    /// Extends the grant as far as the limit and the policy let it.
    fn grant(&mut self, policy: AllocationPolicy, blocks: &mut BlockPool<'_>) {
        let covered = match policy {
            // The promise of the one block has been asked for.
            _ if Q::SLIDES => self.limit,
            AllocationPolicy::Reserved => self.queue.cover(blocks, self.limit),
            AllocationPolicy::Overcommit => {
                self.queue.keep_promise(blocks);
                self.queue.within_reach(blocks, self.limit)
            }
        };
        self.granted = self.granted.max(covered);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Empty;
    use crate::storage::assembler::Assembler;
    use crate::storage::queue::Queue;
    use std::vec;

    type Space = ReceiveSpace<Assembler<4>, Queue>;

    fn space(limit: u32, policy: AllocationPolicy, blocks: &mut BlockPool<'_>) -> Space {
        let mut space = Space::EMPTY;
        space.prepare(limit, policy, blocks).unwrap();
        let told = u32::from(space.syn_window());
        space.start(SeqNum::new(u32::MAX - 9), told);
        space
    }

    fn pool(count: usize) -> BlockPool<'static> {
        BlockPool::new(vec![0; count * 64].into(), vec![None; count].into(), 64).unwrap()
    }

    #[test]
    fn a_reserved_window_is_as_large_as_the_promises_and_never_moves_back() {
        let mut blocks = pool(3);
        let mut space = space(1000, AllocationPolicy::Reserved, &mut blocks);
        assert_eq!(space.wnd(), 192, "three blocks");
        assert_eq!(blocks.available(), 0);
        let first = space.nxt;
        let mut edge = space.edge;
        for round in 0..40u32 {
            let text = [round as u8; 48];
            let taken = space.take(space.nxt, &text, &mut blocks);
            assert_eq!(taken, Taken::InOrder { octets: 48, filled: false }, "round {round}");
            let (_, told) = space.next_window(0, 100);
            assert!(told.at_or_after(edge), "round {round}");
            let mut buffer = [0; 48];
            assert_eq!(space.peek(0, &mut buffer, &blocks), 48);
            assert_eq!(buffer, text);
            space.on_read(48, AllocationPolicy::Reserved, &mut blocks);
            let (field, told) = space.next_window(0, 100);
            assert_eq!(told.since(space.nxt), u32::from(field));
            edge = told;
            space.edge = told;
        }
        assert_eq!(space.nxt.since(first), 40 * 48);
        space.clear(&mut blocks);
        assert_eq!((blocks.used(), blocks.promised()), (0, 0));
    }

    #[test]
    fn what_comes_early_waits_and_gives_way_to_what_is_next() {
        let mut blocks = pool(2);
        let mut space = space(128, AllocationPolicy::Overcommit, &mut blocks);
        let nxt = space.nxt;
        assert_eq!(space.take(nxt + 70, &[7; 40], &mut blocks), Taken::Early);
        // Somebody else takes the last block: what is next finds room only in place of the early.
        let mut other = crate::storage::block_pool::Credit::EMPTY;
        while blocks.take(&mut other).is_some() {}
        let taken = space.take(nxt, &[1; 30], &mut blocks);
        assert_eq!(taken, Taken::InOrder { octets: 30, filled: false });
        assert!(space.is_in_order(), "the early text was dropped, to be sent again");
        assert_eq!(space.nxt, nxt + 30);
    }

    #[test]
    fn a_filled_hole_brings_what_waited_behind_it() {
        let mut blocks = pool(8);
        let mut space = space(300, AllocationPolicy::Reserved, &mut blocks);
        let nxt = space.nxt;
        assert_eq!(space.take(nxt + 10, b"klmno", &mut blocks), Taken::Early);
        assert_eq!(space.take(nxt + 15, b"pq", &mut blocks), Taken::Early);
        let taken = space.take(nxt, b"abcdefghij", &mut blocks);
        assert_eq!(taken, Taken::InOrder { octets: 17, filled: true });
        assert_eq!(space.first_slice(&blocks), b"abcdefghijklmnopq");
    }

    #[test]
    fn what_rounds_down_to_a_closed_window_is_taken_all_the_same() {
        let mut blocks = pool(1);
        // One octet is left in the block, and a shift of 1 has no digit for it.
        let mut space = Space { queue: Queue::starting_at(63), ..Space::EMPTY };
        space.prepare(1 << 20, AllocationPolicy::Reserved, &mut blocks).unwrap();
        space.start(SeqNum::new(62), 0);
        let (field, told) = space.next_window(1, 100);
        assert_eq!((field, told.since(space.nxt)), (0, 1));
        let (field, told) = ReceiveSpace { granted: 90_000, ..space }.next_window(0, 100);
        assert_eq!((field, told.since(SeqNum::new(63))), (u16::MAX, 65_535));
    }

    #[test]
    fn the_window_field_is_rounded_down_and_the_edge_stays() {
        let mut blocks = pool(64);
        let mut space = space(2048, AllocationPolicy::Reserved, &mut blocks);
        assert_eq!(
            space.take(space.nxt, &[0; 5], &mut blocks),
            Taken::InOrder { octets: 5, filled: false }
        );
        let (field, told) = space.next_window(4, 1460);
        // A directory block of 64 octets has room for 15 blocks beside the one that is begun.
        let limit = Queue::window_max(64);
        assert_eq!(u32::from(field), (limit - 5) >> 4);
        assert_eq!(told, space.edge, "what was told before is still accepted");
    }
}
