//! One segment as TCP sees it: numbers, flags and text, trimmed to a window.
//!
//! No state and no bytes of a header: those are read in `wire` and judged in `arrives`.

use crate::seq::SeqNum;
use crate::wire::tcp::{Flags, Header};
use crate::wire::tcp_options::{Known, Options};

/// A segment that arrived: the SEG.* variables of RFC 9293 §3.3.1 and its text.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment<'p> {
    /// SEG.SEQ.
    pub seq: SeqNum,
    /// SEG.ACK, meaningless without the ACK bit.
    pub ack: SeqNum,
    /// SEG.WND as on the wire, not yet scaled.
    pub wnd: u16,
    /// The control bits.
    pub flags: Flags,
    /// SEG.UP − SEG.SEQ, meaningless without the URG bit.
    pub urgent: u16,
    /// The options that were understood.
    pub options: Options,
    /// The payload.
    pub text: &'p [u8],
}

impl<'p> Segment<'p> {
    /// The segment behind a parsed header, of whose options nothing has been read.
    #[must_use]
    pub fn new(header: &Header<'_>, text: &'p [u8]) -> Self {
        Self {
            seq: header.seq,
            ack: header.ack,
            wnd: header.window,
            flags: header.flags,
            urgent: header.urgent,
            options: Options::none(),
            text,
        }
    }

    /// Reads those of the header's options that `K` names.
    pub fn read_options<K: Known>(&mut self, header: &Header<'_>) {
        // Most segments have none.
        if !header.options.is_empty() {
            self.options.read::<K>(header.options);
        }
    }

    /// SEG.LEN: octets of text, with one more each for SYN and FIN (RFC 9293 §3.4).
    #[must_use]
    pub fn len(&self) -> u32 {
        let controls =
            u32::from(self.has(Flags::SYN)).wrapping_add(u32::from(self.has(Flags::FIN)));
        text_len(self.text).wrapping_add(controls)
    }

    /// Whether it takes up no sequence space.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sequence number behind the last octet.
    #[must_use]
    pub fn end(&self) -> SeqNum {
        self.seq + self.len()
    }

    /// Whether any of these flags is set.
    #[must_use]
    pub fn has(&self, flags: Flags) -> bool {
        self.flags.intersects(flags)
    }

    /// Cuts off what lies before `nxt` or at and behind `edge` (RFC 9293 §3.10.7.4: only what is
    /// new and inside the window is processed). A FIN beyond the edge goes with the text before it.
    pub fn trim(&mut self, nxt: SeqNum, edge: SeqNum) {
        if self.seq.before(nxt) {
            let mut old = nxt.since(self.seq);
            if self.has(Flags::SYN) {
                self.flags = self.flags.without(Flags::SYN);
                old = old.wrapping_sub(1);
            }
            let cut = self.text.len().min(old as usize);
            self.text = self.text.get(cut..).unwrap_or(&[]);
            // A FIN that lies before `nxt` has been taken already.
            if old as usize > cut {
                self.flags = self.flags.without(Flags::FIN);
            }
            self.urgent = u32::from(self.urgent).saturating_sub(nxt.since(self.seq)) as u16;
            self.seq = nxt;
        }
        let room = if edge.after(self.seq) { edge.since(self.seq) } else { 0 };
        if text_len(self.text) > room {
            self.text = self.text.get(..room as usize).unwrap_or(&[]);
            self.flags = self.flags.without(Flags::FIN);
        }
    }
}

/// The length of a text as a sequence quantity: IP packets are shorter than 2¹⁶ octets.
#[must_use]
pub fn text_len(text: &[u8]) -> u32 {
    text.len() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(seq: u32, flags: Flags, text: &[u8]) -> Segment<'_> {
        let (seq, ack) = (SeqNum::new(seq), SeqNum::ZERO);
        Segment { seq, ack, wnd: 0, flags, urgent: 0, options: Options::EMPTY, text }
    }

    #[test]
    fn trimming_leaves_what_is_new_and_inside() {
        let text = b"0123456789";
        // (seq, flags, nxt, edge) -> (seq, text, FIN left)
        type Row = (u32, Flags, u32, u32, u32, &'static [u8], bool);
        let table: &[Row] = &[
            (100, Flags::ACK, 100, 200, 100, text, false),
            (100, Flags::FIN, 100, 200, 100, text, true),
            (100, Flags::FIN, 104, 200, 104, b"456789", true),
            (100, Flags::FIN, 110, 200, 110, b"", true),
            (100, Flags::FIN, 111, 200, 111, b"", false),
            (100, Flags::FIN, 100, 105, 100, b"01234", false),
            (100, Flags::FIN, 100, 110, 100, text, true),
            (100, Flags::FIN, 103, 106, 103, b"345", false),
            (u32::MAX - 4, Flags::ACK, 1, 4, 1, b"678", false),
            (99, Flags::SYN, 100, 200, 100, text, false),
            (99, Flags::SYN, 102, 200, 102, b"23456789", false),
        ];
        for (seq, flags, nxt, edge, new_seq, left, fin) in table {
            let mut segment = segment(*seq, *flags, text);
            segment.trim(SeqNum::new(*nxt), SeqNum::new(*edge));
            assert_eq!(segment.seq.raw(), *new_seq, "{seq} {flags:?} {nxt}..{edge}");
            assert_eq!(segment.text, *left, "{seq} {flags:?} {nxt}..{edge}");
            assert_eq!(segment.has(Flags::FIN), *fin, "{seq} {flags:?} {nxt}..{edge}");
        }
    }

    #[test]
    fn controls_take_up_sequence_space() {
        assert_eq!(segment(5, Flags::SYN.with(Flags::FIN), b"ab").len(), 4);
        assert_eq!(segment(5, Flags::ACK, b"").end().raw(), 5);
        assert!(segment(5, Flags::ACK, b"").is_empty());
    }
}
