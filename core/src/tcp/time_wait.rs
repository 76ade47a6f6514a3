//! TIME-WAIT in records that are small: stray segments are waited out, nothing else.

use crate::counters::DropReason;
use crate::flow::FlowKey;
use crate::seq::SeqNum;
use crate::storage::Empty;
use crate::time::Instant;
use crate::wire::tcp::Flags;

use super::ack_budget::{AckBudget, LIMIT_BESIDE};
use super::bare::Bare;
use super::segment::Segment;
use super::timestamps::Stamps;

/// The numbers of a connection in TIME-WAIT.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Numbers {
    pub(super) snd_nxt: SeqNum,
    pub(super) rcv_nxt: SeqNum,
    /// RCV.WND, bytes.
    pub(super) rcv_wnd: u32,
}

/// A connection in TIME-WAIT whose user has let go.
#[derive(Debug)]
pub struct TimeWait {
    flow: FlowKey,
    numbers: Numbers,
    /// The window field of our ACKs.
    window: u16,
    dscp: u8,
    budget: AckBudget,
    stamps: Option<Stamps>,
    until: Instant,
}

impl Empty for TimeWait {
    const EMPTY: Self = Self {
        flow: FlowKey::EMPTY,
        numbers: Numbers { snd_nxt: SeqNum::ZERO, rcv_nxt: SeqNum::ZERO, rcv_wnd: 0 },
        window: 0,
        dscp: 0,
        budget: AckBudget::EMPTY,
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
    Answer(Bare, DropReason),
    /// The peer has sent its FIN again: 2 MSL start anew. The answer goes out if the budget allows
    /// one.
    Restart(Option<Bare>),
    /// A new connection may take the place (RFC 9293 §3.6.1, MAY-2). The numbers of ours begin
    /// beyond this one. The answer goes out if there is no listener.
    GiveWay(SeqNum, Option<Bare>),
}

impl TimeWait {
    /// The record of a connection with this window, whose last ACK was this one; `stamps` if the
    /// connection used them.
    #[must_use]
    pub fn new(
        flow: FlowKey,
        last: &Bare,
        rcv_wnd: u32,
        stamps: Option<Stamps>,
        until: Instant,
    ) -> Self {
        let numbers = Numbers { snd_nxt: last.seq, rcv_nxt: last.ack, rcv_wnd };
        Self { flow, numbers, window: last.wnd, dscp: last.dscp, stamps, until, ..Self::EMPTY }
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
    pub fn on_segment(&mut self, segment: &Segment<'_>, now: Instant) -> Reaction {
        let stamps = self.stamps.as_ref();
        let is_syn = segment.has(Flags::SYN) && !segment.has(Flags::ACK.with(Flags::RST));
        let newer = is_syn && is_newer(stamps, self.numbers.rcv_nxt, segment);
        let (reason, action) = judge(&self.numbers, stamps, segment);
        let answer = if action == Action::Ignore { None } else { self.answer(segment, now) };
        match answer {
            _ if newer => Reaction::GiveWay(self.numbers.snd_nxt, answer),
            _ if action == Action::Restart => Reaction::Restart(answer),
            Some(answer) => Reaction::Answer(answer, reason),
            None => Reaction::Ignore(reason),
        }
    }

    /// The ACK that says which numbers are expected, within the budget.
    fn answer(&mut self, segment: &Segment<'_>, now: Instant) -> Option<Bare> {
        let Numbers { snd_nxt, rcv_nxt, .. } = self.numbers;
        let admitted = self.budget.admits(segment.seq + 1 == rcv_nxt, LIMIT_BESIDE, now);
        let (stamps, dscp) = (self.stamps.map(|stamps| stamps.stamp(now)), self.dscp);
        let ack = Bare::ack(snd_nxt, rcv_nxt, self.window);
        admitted.then_some(Bare { stamps, dscp, ..ack })
    }
}

/// What a segment leads to in TIME-WAIT, where none is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing.
    Ignore,
    /// An ACK.
    Answer,
    /// An ACK, and 2 MSL start anew.
    Restart,
}

/// RFC 9293 §3.10.7.4 in TIME-WAIT, for a connection and for a record of one.
pub(super) fn judge(
    numbers: &Numbers,
    stamps: Option<&Stamps>,
    segment: &Segment<'_>,
) -> (DropReason, Action) {
    if segment.has(Flags::RST) {
        // RFC 1337 §2: a reset that comes late must not cut TIME-WAIT short.
        return (DropReason::BadReset, Action::Ignore);
    }
    if let Some(stamps) = stamps {
        match &segment.options.timestamps {
            None => return (DropReason::NoTimestamp, Action::Ignore),
            Some(theirs) if stamps.is_older(theirs.value) => {
                return (DropReason::OldTimestamp, Action::Answer);
            }
            Some(_) => {}
        }
    }
    if segment.has(Flags::SYN) {
        return (DropReason::UnexpectedSyn, Action::Answer);
    }
    // RFC 5961 §5.2 allows a fixed MAX.SND.WND: here it is the largest.
    if segment.has(Flags::ACK) && segment.ack.after(numbers.snd_nxt) {
        return (DropReason::BadAck, Action::Answer);
    }
    // Their FIN again, because our last ACK was lost, or a FIN in the window.
    let to_edge = numbers.rcv_wnd.wrapping_add(1);
    if segment.has(Flags::FIN) && segment.end().within(numbers.rcv_nxt, to_edge) {
        return (DropReason::Duplicate, Action::Restart);
    }
    // The peer has sent its FIN: nothing else is acceptable but ACKs at RCV.NXT.
    if segment.seq == numbers.rcv_nxt && segment.is_empty() {
        return (DropReason::Duplicate, Action::Ignore);
    }
    (DropReason::OutsideWindow, Action::Answer)
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
        let ack = Bare { dscp: 9, ..Bare::ack(SeqNum::new(900), SeqNum::new(200), 77) };
        let none = Reaction::Ignore;
        let answer = |reason| Reaction::Answer(ack, reason);
        let (give_way, restart) =
            (Reaction::GiveWay(ack.seq, Some(ack)), Reaction::Restart(Some(ack)));
        let (fin, syn) = (Flags::FIN.with(Flags::ACK), Flags::SYN);
        for (seq, flags, expected) in [
            (201, syn, give_way),
            (200, syn, answer(DropReason::UnexpectedSyn)),
            (100, syn, answer(DropReason::UnexpectedSyn)),
            (201, syn.with(Flags::ACK), answer(DropReason::UnexpectedSyn)),
            (200, Flags::RST, none(DropReason::BadReset)),
            (201, Flags::RST.with(syn), none(DropReason::BadReset)),
            (199, fin, restart),
            (200, fin, restart),
            (198, fin, answer(DropReason::OutsideWindow)),
            (299, fin, restart),
            (300, fin, answer(DropReason::OutsideWindow)),
            (200, Flags::ACK, none(DropReason::Duplicate)),
            (201, Flags::ACK, answer(DropReason::OutsideWindow)),
            (150, Flags::ACK, answer(DropReason::OutsideWindow)),
            (200, Flags::NONE, none(DropReason::Duplicate)),
            (201, Flags::NONE, answer(DropReason::OutsideWindow)),
        ] {
            let mut record = TimeWait::new(FlowKey::EMPTY, &ack, 100, None, Instant::ZERO);
            let (seq, ack, options) = (SeqNum::new(seq), SeqNum::new(900), Options::EMPTY);
            let segment = Segment { seq, ack, wnd: 0, flags, urgent: 0, options, text: &[] };
            assert_eq!(record.on_segment(&segment, Instant::ZERO), expected, "{seq:?} {flags:?}");
        }
    }
}
