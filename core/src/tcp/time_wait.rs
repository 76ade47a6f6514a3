//! TIME-WAIT in records that are small: stray segments are waited out, nothing else.

use crate::counters::DropReason;
use crate::flow::FlowKey;
use crate::seq::SeqNum;
use crate::storage::Empty;
use crate::time::Instant;
use crate::wire::tcp::Flags;

use super::bare::Bare;
use super::segment::Segment;
use super::timestamps::Stamps;

/// A connection in TIME-WAIT whose user has let go.
#[derive(Debug)]
pub struct TimeWait {
    flow: FlowKey,
    snd_nxt: SeqNum,
    rcv_nxt: SeqNum,
    stamps: Option<Stamps>,
    until: Instant,
}

impl Empty for TimeWait {
    const EMPTY: Self = Self {
        flow: FlowKey::EMPTY,
        snd_nxt: SeqNum::ZERO,
        rcv_nxt: SeqNum::ZERO,
        stamps: None,
        until: Instant::ZERO,
    };
}

/// What TIME-WAIT does with a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Reaction {
    /// Nothing.
    Ignore(DropReason),
    /// This answer goes out.
    Answer(Bare),
    /// So it does, and 2 MSL start anew: the peer's FIN came again.
    Restart(Bare),
    /// A new connection may take the place (RFC 9293 §3.6.1, MAY-2), with numbers of ours beyond
    /// those of this answer, which goes out where nobody listens.
    GiveWay(Bare),
}

impl TimeWait {
    /// The record of a connection whose last ACK had these numbers; `stamps` where it used them.
    #[must_use]
    pub fn new(flow: FlowKey, last: &Bare, stamps: Option<Stamps>, until: Instant) -> Self {
        Self { flow, snd_nxt: last.seq, rcv_nxt: last.ack, stamps, until }
    }

    /// Addresses and ports.
    #[must_use]
    pub fn flow(&self) -> &FlowKey {
        &self.flow
    }

    /// The end of 2 MSL.
    #[must_use]
    pub fn until(&self) -> Instant {
        self.until
    }

    /// 2 MSL start anew.
    pub fn restart(&mut self, until: Instant) {
        self.until = until;
    }

    /// RFC 9293 §3.10.7.4 in TIME-WAIT.
    #[must_use]
    pub fn on_segment(&self, segment: &Segment<'_>, now: Instant) -> Reaction {
        if segment.has(Flags::RST) {
            // RFC 1337 §2: a reset that comes late must not cut TIME-WAIT short.
            return Reaction::Ignore(DropReason::BadReset);
        }
        let stamps = self.stamps.map(|stamps| stamps.stamp(now));
        let ack = Bare { stamps, ..Bare::ack(self.snd_nxt, self.rcv_nxt, 0) };
        if segment.has(Flags::SYN) {
            let newer =
                !segment.has(Flags::ACK) && is_newer(self.stamps.as_ref(), self.rcv_nxt, segment);
            return if newer { Reaction::GiveWay(ack) } else { Reaction::Answer(ack) };
        }
        if segment.has(Flags::FIN) && segment.end() == self.rcv_nxt {
            return Reaction::Restart(ack);
        }
        // RFC 9293 §3.10.7.4, fifth: an ACK of what was never sent is answered.
        let lies = segment.has(Flags::ACK) && segment.ack.after(self.snd_nxt);
        if segment.is_empty() && segment.seq == self.rcv_nxt && !lies {
            return Reaction::Ignore(DropReason::Duplicate);
        }
        Reaction::Answer(ack)
    }
}

/// RFC 6191 §2: whether a SYN is surely of a new connection, by its timestamp if it can be compared
/// with those of the old one and by its number if not.
#[must_use]
pub fn is_newer(stamps: Option<&Stamps>, rcv_nxt: SeqNum, syn: &Segment<'_>) -> bool {
    let by_number = syn.seq.after(rcv_nxt);
    match (stamps, &syn.options.timestamps) {
        (Some(ours), Some(theirs)) => {
            ours.is_newer(theirs.value) || (ours.is_recent(theirs.value) && by_number)
        }
        _ => by_number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tcp_options::Options;

    #[test]
    fn only_a_newer_syn_ends_it_early() {
        let record =
            TimeWait { snd_nxt: SeqNum::new(900), rcv_nxt: SeqNum::new(200), ..TimeWait::EMPTY };
        let ack = Bare::ack(SeqNum::new(900), SeqNum::new(200), 0);
        for (seq, flags, expected) in [
            (201, Flags::SYN, Reaction::GiveWay(ack)),
            (200, Flags::SYN, Reaction::Answer(ack)),
            (100, Flags::SYN, Reaction::Answer(ack)),
            (201, Flags::SYN.with(Flags::ACK), Reaction::Answer(ack)),
            (200, Flags::RST, Reaction::Ignore(DropReason::BadReset)),
            (199, Flags::FIN.with(Flags::ACK), Reaction::Restart(ack)),
            (198, Flags::FIN.with(Flags::ACK), Reaction::Answer(ack)),
            (200, Flags::ACK, Reaction::Ignore(DropReason::Duplicate)),
            (150, Flags::ACK, Reaction::Answer(ack)),
        ] {
            let (seq, ack, options) = (SeqNum::new(seq), SeqNum::new(900), Options::EMPTY);
            let segment = Segment { seq, ack, wnd: 0, flags, urgent: 0, options, text: &[] };
            assert_eq!(record.on_segment(&segment, Instant::ZERO), expected, "{seq:?} {flags:?}");
        }
    }
}
