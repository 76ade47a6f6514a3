//! The send sequence space and the queue behind it: SND.* of RFC 9293 §3.3.1.
//!
//! SND.NXT only ever moves forward. What is sent again is asked of `recovery`.

use crate::seq::SeqNum;
use crate::storage::block_pool::BlockPool;
use crate::storage::stream::Stream;

/// SND.*, with what is queued from SND.UNA on.
#[derive(Debug)]
pub struct SendSpace<Q> {
    /// SND.UNA, the oldest number not acknowledged: ISS as long as that is our SYN's.
    pub una: SeqNum,
    /// SND.NXT, the next number to be sent for the first time.
    pub nxt: SeqNum,
    /// SND.WND in octets, scaled.
    pub wnd: u32,
    /// The largest SND.WND so far.
    pub max_wnd: u32,
    /// SND.WL1: SEG.SEQ of the last window update.
    pub wl1: SeqNum,
    /// SND.WL2: SEG.ACK of the last window update.
    pub wl2: SeqNum,
    /// The most that is queued, octets.
    pub limit: u32,
    /// The sequence number of the first octet in the queue.
    first: SeqNum,
    /// Octets at the front of the queue that are urgent: SND.UP counted from the first.
    urgent: u32,
    /// Whether a FIN follows what is queued.
    fin: bool,
    queue: Q,
}

impl<Q: Stream> SendSpace<Q> {
    /// Nothing sent, nothing queued.
    pub const EMPTY: Self = Self {
        una: SeqNum::ZERO,
        nxt: SeqNum::ZERO,
        wnd: 0,
        max_wnd: 0,
        wl1: SeqNum::ZERO,
        wl2: SeqNum::ZERO,
        limit: 0,
        first: SeqNum::ZERO,
        urgent: 0,
        fin: false,
        queue: Q::EMPTY,
    };

    /// Starts at an initial sequence number; our SYN is still to be sent. `None` where the pool
    /// cannot promise the one block without which nothing could ever be sent.
    #[must_use]
    pub fn start(&mut self, iss: SeqNum, limit: u32, blocks: &mut BlockPool<'_>) -> Option<()> {
        self.una = iss;
        self.nxt = iss;
        self.first = iss + 1;
        self.limit = limit.min(Q::window_max(blocks.block_size()));
        self.queue.keep_promise(blocks).then_some(())
    }

    /// Our SYN was acknowledged in a handshake kept elsewhere.
    pub fn skip_syn(&mut self) {
        self.una = self.una + 1;
        self.nxt = self.una;
    }

    /// Octets queued, sent or not.
    #[must_use]
    pub fn queued(&self) -> u32 {
        self.queue.len()
    }

    /// Octets that may still be queued before the limit.
    #[must_use]
    pub fn room(&self) -> u32 {
        self.limit.saturating_sub(self.queue.len())
    }

    /// The sequence number behind the last queued octet: the FIN's, if there is one.
    #[must_use]
    pub fn data_end(&self) -> SeqNum {
        self.first + self.queue.len()
    }

    /// Octets of data in flight and beyond, not yet sent for the first time.
    #[must_use]
    pub fn unsent(&self) -> u32 {
        let end = self.data_end();
        if self.nxt.before(end) { end.since(self.nxt.later(self.first)) } else { 0 }
    }

    /// Whether anything is still to be sent for the first time: the SYN, data or the FIN.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.nxt != self.data_end() + u32::from(self.fin)
    }

    /// Whether a FIN ends the stream at or behind `end`, counting from what is queued.
    #[must_use]
    pub fn fin_at(&self, end: SeqNum) -> bool {
        self.fin && end == self.data_end()
    }

    /// Whether our FIN has been sent and acknowledged.
    #[must_use]
    pub fn fin_acked(&self) -> bool {
        self.fin && self.una.after(self.data_end())
    }

    /// Whether our SYN is not acknowledged yet.
    #[must_use]
    pub fn syn_outstanding(&self) -> bool {
        self.una + 1 == self.first
    }

    /// Whether a FIN follows what is queued.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.fin
    }

    /// Sequence numbers sent and not acknowledged.
    #[must_use]
    pub fn outstanding(&self) -> u32 {
        self.nxt.since(self.una)
    }

    /// What the peer's window takes beyond SND.NXT, octets.
    #[must_use]
    pub fn usable(&self) -> u32 {
        let edge = self.una + self.wnd;
        if edge.after(self.nxt) { edge.since(self.nxt) } else { 0 }
    }

    /// Where in the queue a sequence number lies.
    #[must_use]
    pub fn offset_of(&self, seq: SeqNum) -> u32 {
        if seq.before(self.first) { 0 } else { seq.since(self.first) }
    }

    /// The queue, to gather a segment's text from.
    #[must_use]
    pub fn queue(&self) -> &Q {
        &self.queue
    }

    /// Queues as much of `data` as the limit and the pool allow; returns how much.
    pub fn push(&mut self, data: &[u8], blocks: &mut BlockPool<'_>) -> usize {
        let room = (self.room() as usize).min(data.len());
        self.queue.append(blocks, data.get(..room).unwrap_or(&[]))
    }

    /// Lets `fill` write into the queue in place; returns how many octets it wrote.
    pub fn push_with(
        &mut self,
        fill: &mut dyn FnMut(&mut [u8]) -> usize,
        blocks: &mut BlockPool<'_>,
    ) -> usize {
        let room = self.room() as usize;
        self.queue.append_with(blocks, room, fill)
    }

    /// All that is queued now is urgent (RFC 9293 §3.8.5).
    pub fn mark_urgent(&mut self) {
        self.urgent = self.queue.len();
    }

    /// The urgent pointer of a segment that begins at `seq`, where urgent data lies ahead of it.
    #[must_use]
    pub fn urgent_pointer(&self, seq: SeqNum) -> Option<u16> {
        // RFC 9293 §3.8.5, MUST-62: the octet behind the last urgent one.
        let mark = self.first + self.urgent;
        let ahead = self.urgent > 0 && mark.after(seq);
        // What lies further ahead than the field can tell is told step by step (MUST-31).
        ahead.then(|| mark.since(seq).min(u32::from(u16::MAX)) as u16)
    }

    /// A FIN follows what is queued now; nothing can be queued any more.
    pub fn finish(&mut self) {
        self.fin = true;
    }

    /// Everything below `una` has arrived. The caller has checked UNA < `una` ≤ NXT.
    pub fn on_acked(&mut self, una: SeqNum, blocks: &mut BlockPool<'_>) {
        self.una = una;
        if una.after(self.first) {
            let octets = una.since(self.first).min(self.queue.len());
            self.queue.consume(blocks, octets);
            self.first = self.first + octets;
            self.urgent = self.urgent.saturating_sub(octets);
        }
        if !Q::SLIDES {
            self.queue.keep_promise(blocks);
        }
    }

    /// Takes over a window that the peer told, unless the segment is older than the one that told
    /// the last (RFC 9293 §3.10.7.4: WL1 and WL2).
    pub fn update_window(&mut self, wnd: u32, seq: SeqNum, ack: SeqNum) -> bool {
        // Deviation: decision 0011. What acknowledges more than anything before was sent after all
        // of it, even where it carries older text again: UNA must not move under another window.
        let newer = ack.after(self.una)
            || self.wl1.before(seq)
            || (self.wl1 == seq && self.wl2.at_or_before(ack));
        if newer {
            self.set_window(wnd, seq, ack);
        }
        newer
    }

    /// Sets the window without asking how old it is: for the SYN that tells the first one.
    pub fn set_window(&mut self, wnd: u32, seq: SeqNum, ack: SeqNum) {
        self.wnd = wnd;
        self.max_wnd = self.max_wnd.max(wnd);
        self.wl1 = seq;
        self.wl2 = ack;
    }

    /// Gives everything back.
    pub fn clear(&mut self, blocks: &mut BlockPool<'_>) {
        self.queue.clear(blocks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::queue::Queue;
    use std::vec;

    fn pool() -> BlockPool<'static> {
        BlockPool::new(vec![0; 8 * 64].into(), vec![None; 8].into(), 64).unwrap()
    }

    #[test]
    fn syn_data_and_fin_take_up_sequence_space_in_turn() {
        let mut blocks = pool();
        let mut snd = SendSpace::<Queue>::EMPTY;
        let iss = SeqNum::new(u32::MAX - 3);
        snd.start(iss, 300, &mut blocks).unwrap();
        assert!(snd.syn_outstanding() && snd.unsent() == 0);
        assert_eq!(snd.push(&[1; 400], &mut blocks), 300, "the limit holds");
        assert_eq!((snd.room(), snd.unsent()), (0, 300));
        snd.nxt = iss + 1;
        snd.on_acked(iss + 1, &mut blocks);
        assert!(!snd.syn_outstanding());
        snd.finish();
        assert!(snd.fin_at(snd.data_end()));
        snd.nxt = snd.data_end() + 1;
        assert_eq!((snd.unsent(), snd.has_unsent(), snd.outstanding()), (0, false, 301));
        snd.on_acked(iss + 101, &mut blocks);
        assert_eq!((snd.queued(), snd.offset_of(iss + 111)), (200, 10));
        snd.on_acked(snd.nxt, &mut blocks);
        assert!(snd.fin_acked() && snd.queued() == 0);
        snd.clear(&mut blocks);
        assert_eq!((blocks.used(), blocks.promised()), (0, 0));
    }

    #[test]
    fn an_old_segment_tells_no_window() {
        let seq = SeqNum::new;
        let mut snd = SendSpace { una: seq(20), ..SendSpace::<Queue>::EMPTY };
        snd.set_window(500, seq(100), seq(10));
        // (seq, ack, taken)
        for (at, ack, taken) in
            [(99, 20, false), (100, 9, false), (100, 10, true), (101, 5, true), (90, 21, true)]
        {
            assert_eq!(snd.update_window(7, seq(at), seq(ack)), taken, "{at} {ack}");
        }
        assert_eq!((snd.wnd, snd.max_wnd), (7, 500));
    }

    #[test]
    fn a_window_that_shrinks_leaves_nothing_usable() {
        let mut snd = SendSpace { nxt: SeqNum::new(80), wnd: 100, ..SendSpace::<Queue>::EMPTY };
        assert_eq!(snd.usable(), 20);
        snd.wnd = 50;
        assert_eq!(snd.usable(), 0);
    }
}
