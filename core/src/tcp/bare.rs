//! Segments without text that leave without a connection: answers, and the SYN-ACKs of handshakes.
//!
//! Which of them is due is decided by who judges the segment that they answer.

use crate::flow::FlowKey;
use crate::seq::SeqNum;
use crate::wire::tcp::{Flags, Header};
use crate::wire::tcp_options::{Options, Timestamps};

use super::options::Agreed;
use super::segment::Segment;

/// A segment without text that answers another one and needs no connection behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Bare {
    /// SEG.SEQ.
    pub seq: SeqNum,
    /// SEG.ACK; zero without the ACK bit.
    pub ack: SeqNum,
    /// The control bits.
    pub flags: Flags,
    /// SEG.WND.
    pub wnd: u16,
    /// The Differentiated Services code point, 0 to 63.
    pub dscp: u8,
    /// The timestamps, where they were agreed (RFC 7323 §3.2: on resets too).
    pub stamps: Option<Timestamps>,
    /// What a SYN tells in its options.
    pub agreed: Agreed,
}

impl Bare {
    /// Nothing but zeros.
    pub const EMPTY: Self = Self {
        seq: SeqNum::ZERO,
        ack: SeqNum::ZERO,
        flags: Flags::NONE,
        wnd: 0,
        dscp: 0,
        stamps: None,
        agreed: Agreed::EMPTY,
    };

    /// The reset that answers a segment for which there is no connection, or whose
    /// acknowledgement names what was never sent (RFC 9293 §3.5.2, §3.10.7.1). Never answers a
    /// reset.
    #[must_use]
    pub fn reset(segment: &Segment<'_>) -> Option<Self> {
        if segment.has(Flags::RST) {
            return None;
        }
        Some(if segment.has(Flags::ACK) {
            Self { seq: segment.ack, flags: Flags::RST, ..Self::EMPTY }
        } else {
            Self { ack: segment.end(), flags: Flags::RST.with(Flags::ACK), ..Self::EMPTY }
        })
    }

    /// An acknowledgement.
    #[must_use]
    pub const fn ack(seq: SeqNum, ack: SeqNum, wnd: u16) -> Self {
        Self { seq, ack, flags: Flags::ACK, wnd, ..Self::EMPTY }
    }

    /// Its header, but for the options.
    #[must_use]
    pub const fn header(&self, flow: &FlowKey) -> Header<'static> {
        let (source_port, destination_port) = flow.ports();
        Header {
            source_port,
            destination_port,
            seq: self.seq,
            ack: self.ack,
            flags: self.flags,
            window: self.wnd,
            urgent: 0,
            options: &[],
        }
    }

    /// Its options.
    #[must_use]
    pub fn options(&self) -> Options {
        let syn = self.flags.intersects(Flags::SYN);
        let options = if syn { self.agreed.to_options() } else { Options::none() };
        Options { timestamps: self.stamps, ..options }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(seq: u32, flags: Flags, text: &[u8]) -> Segment<'_> {
        let (seq, ack) = (SeqNum::new(seq), SeqNum::ZERO);
        Segment { seq, ack, wnd: 0, flags, urgent: 0, options: Options::EMPTY, text }
    }

    #[test]
    fn resets_name_what_the_peer_expects_and_never_answer_a_reset() {
        let syn = segment(7, Flags::SYN, b"abc");
        let ack = Segment { ack: SeqNum::new(99), ..segment(7, Flags::ACK, b"abc") };
        let reset = Bare::reset(&syn).unwrap();
        assert_eq!((reset.seq.raw(), reset.ack.raw()), (0, 11));
        assert_eq!(reset.flags, Flags::RST.with(Flags::ACK));
        let reset = Bare::reset(&ack).unwrap();
        assert_eq!((reset.seq.raw(), reset.flags), (99, Flags::RST));
        assert_eq!(Bare::reset(&segment(7, Flags::RST, b"")), None);
    }
}
