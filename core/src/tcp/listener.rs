//! LISTEN and SYN-RECEIVED: handshakes with peers that may not exist, in records that are small.
//!
//! A [`HalfOpen`] record becomes a connection only when the handshake is complete; look-up and
//! the accept queue are in `socket`.

use crate::counters::DropReason;
use crate::flow::FlowKey;
use crate::seq::SeqNum;
use crate::storage::Empty;
use crate::time::{Duration, Instant};
use crate::wire::tcp::Flags;
use crate::wire::tcp_options::All;

use super::ack_budget::{AckBudget, LIMIT_BESIDE};
use super::bare::Bare;
use super::options::{Agreed, Terms};
use super::segment::Segment;
use super::timestamps::Stamps;
use super::user_calls::Handshake;

/// The first wait for the ACK of a SYN-ACK (RFC 6298 §2.1).
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// SYN-ACKs sent before a handshake is given up: about a minute. Deviation: decision 0022, a SYN of
/// ours is repeated for three.
const TRIES_MAX: u8 = 6;

/// What LISTEN does with a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Knock {
    /// A handshake begins.
    Begin,
    /// Nothing happens.
    Ignore(DropReason),
    /// The reset of RFC 9293 §3.5.2.
    Refuse,
}

/// RFC 9293 §3.10.7.2: a segment arrives in LISTEN.
#[must_use]
pub fn on_knock(segment: &Segment<'_>) -> Knock {
    if segment.has(Flags::RST) {
        Knock::Ignore(DropReason::BadReset)
    } else if segment.has(Flags::ACK) {
        Knock::Refuse
    } else if segment.has(Flags::SYN) {
        Knock::Begin
    } else {
        Knock::Ignore(DropReason::NoAck)
    }
}

/// A handshake in SYN-RECEIVED, begun by a peer.
#[derive(Debug)]
pub struct HalfOpen {
    flow: FlowKey,
    iss: SeqNum,
    irs: SeqNum,
    agreed: Agreed,
    wnd: u16,
    told: u16,
    stamps: Stamps,
    /// When the SYN-ACK left.
    sent_at: Instant,
    tries: u8,
    dscp: u8,
    budget: AckBudget,
}

impl Empty for HalfOpen {
    const EMPTY: Self = Self {
        flow: FlowKey::EMPTY,
        iss: SeqNum::ZERO,
        irs: SeqNum::ZERO,
        agreed: Agreed::EMPTY,
        wnd: 0,
        told: 0,
        stamps: Stamps::EMPTY,
        sent_at: Instant::ZERO,
        tries: 0,
        dscp: 0,
        budget: AckBudget::EMPTY,
    };
}

/// What a half-open record does with a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Reaction {
    /// Nothing.
    Ignore(DropReason),
    /// The SYN-ACK goes out again.
    Repeat,
    /// This answer goes out, the record stays.
    Answer(Bare, DropReason),
    /// The record goes.
    Forget,
    /// The peer exists: the segment goes on to the connection.
    Complete,
}

impl HalfOpen {
    /// The record of a SYN. Deviation: decision 0006, text in a SYN is left to be sent again: a
    /// record has no room for it.
    #[must_use]
    pub fn new(flow: FlowKey, syn: &Segment<'_>, terms: &Terms, told: u16) -> Self {
        let agreed = terms.offer.agree::<All>(&syn.options, flow.is_ipv4());
        let mut stamps = Stamps::starting_at(terms.stamp_offset);
        stamps.start(syn.options.timestamps.map_or(0, |stamps| stamps.value));
        let (iss, irs, dscp) = (terms.iss, syn.seq, terms.dscp);
        Self { flow, iss, irs, agreed, wnd: syn.wnd, told, stamps, dscp, ..Self::EMPTY }
    }

    /// Addresses and ports.
    #[must_use]
    pub fn flow(&self) -> &FlowKey {
        &self.flow
    }

    /// RFC 9293 §3.10.7.4 in SYN-RECEIVED after a passive open.
    #[must_use]
    pub fn on_segment(&mut self, segment: &Segment<'_>, now: Instant) -> Reaction {
        let nxt = self.irs + 1;
        if segment.has(Flags::RST) {
            return self.on_reset(segment, now);
        }
        if self.agreed.timestamps {
            match &segment.options.timestamps {
                None => return Reaction::Ignore(DropReason::NoTimestamp),
                Some(stamps) if self.stamps.is_older(stamps.value) => {
                    return self.challenge(DropReason::OldTimestamp, now);
                }
                Some(_) => {}
            }
        }
        if segment.has(Flags::SYN) && segment.seq == self.irs {
            return self.repeat(now);
        }
        let window = u32::from(self.told).max(1);
        if !segment.seq.within(nxt, window) {
            return self.challenge(DropReason::OutsideWindow, now);
        }
        if segment.has(Flags::SYN) {
            // Deviation: decision 0010. An ACK lets a peer that has restarted show itself.
            return self.challenge(DropReason::UnexpectedSyn, now);
        }
        if !segment.has(Flags::ACK) {
            return Reaction::Ignore(DropReason::NoAck);
        }
        if segment.ack == self.iss + 1 {
            return Reaction::Complete;
        }
        match Bare::reset(segment) {
            Some(reset) => {
                let stamps = self.agreed.timestamps.then(|| self.stamps.stamp(now));
                Reaction::Answer(Bare { stamps, ..reset }, DropReason::BadAck)
            }
            None => Reaction::Ignore(DropReason::BadAck),
        }
    }

    /// RFC 9293 §3.10.7.4: back to LISTEN on the exact number, challenged inside the window.
    fn on_reset(&mut self, segment: &Segment<'_>, now: Instant) -> Reaction {
        let nxt = self.irs + 1;
        if segment.seq == nxt {
            Reaction::Forget
        } else if segment.seq.within(nxt, u32::from(self.told)) {
            self.challenge(DropReason::BadReset, now)
        } else {
            Reaction::Ignore(DropReason::OutsideWindow)
        }
    }

    /// The SYN that began the handshake has come again: the SYN-ACK goes out again, within the
    /// budget.
    fn repeat(&mut self, now: Instant) -> Reaction {
        if self.budget.admits(true, LIMIT_BESIDE, now) {
            Reaction::Repeat
        } else {
            Reaction::Ignore(DropReason::Duplicate)
        }
    }

    /// An ACK says which numbers are expected, within the budget.
    fn challenge(&mut self, reason: DropReason, now: Instant) -> Reaction {
        if !self.budget.admits(false, LIMIT_BESIDE, now) {
            return Reaction::Ignore(reason);
        }
        Reaction::Answer(self.ack(now), reason)
    }

    fn ack(&self, now: Instant) -> Bare {
        // RFC 7323 §2.2: all but the SYNs tell a scaled window; unscaled it would promise more.
        let wnd = self.told >> self.agreed.rcv_shift.min(15);
        Bare { seq: self.iss + 1, flags: Flags::ACK, wnd, ..self.syn_ack(now) }
    }

    /// Our SYN-ACK.
    #[must_use]
    pub fn syn_ack(&self, now: Instant) -> Bare {
        let (seq, ack) = (self.iss, self.irs + 1);
        let flags = Flags::SYN.with(Flags::ACK);
        let stamps = self.agreed.timestamps.then(|| self.stamps.stamp(now));
        let (wnd, dscp, agreed) = (self.told, self.dscp, self.agreed);
        Bare { seq, ack, flags, wnd, dscp, stamps, agreed }
    }

    /// The SYN-ACK has left: when it is to be repeated.
    pub fn on_sent(&mut self, now: Instant) -> Instant {
        // A SYN that comes again brings another SYN-ACK, but no wait longer than the last one.
        let wait = FIRST_WAIT.doubled(u32::from(self.tries.min(TRIES_MAX.wrapping_sub(1))));
        self.tries = self.tries.saturating_add(1);
        self.sent_at = now;
        now + wait
    }

    /// Whether it is time to give up rather than to repeat the SYN-ACK.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.tries >= TRIES_MAX
    }

    /// What the connection that `ack` makes of this needs to know.
    #[must_use]
    pub fn handshake(&self, ack: &Segment<'_>, now: Instant) -> Handshake {
        // Karn's rule: an answer to a repeated SYN-ACK measures nothing, unless it is stamped.
        let once = (self.tries == 1).then(|| now.since(self.sent_at));
        let echo = ack.options.timestamps.as_ref().filter(|_| self.agreed.timestamps);
        let echoed = || echo.and_then(|stamps| self.stamps.round_trip(stamps.echo, now));
        Handshake {
            flow: self.flow,
            iss: self.iss,
            irs: self.irs,
            agreed: self.agreed,
            wnd: self.wnd,
            told: self.told,
            stamps: self.stamps,
            rtt: once.or_else(echoed),
            repeated: self.tries > 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::Offer;
    use super::*;
    use crate::wire::tcp_options::Options;

    fn segment(seq: u32, ack: u32, flags: Flags) -> Segment<'static> {
        let options = Options::EMPTY;
        let (seq, ack) = (SeqNum::new(seq), SeqNum::new(ack));
        Segment { seq, ack, wnd: 1000, flags, urgent: 0, options, text: &[] }
    }

    fn record() -> HalfOpen {
        let offer = Offer { mss: 1460, window_shift: Some(0), timestamps: true, sack: true };
        let terms = Terms { iss: SeqNum::new(500), offer, stamp_offset: 0, dscp: 0 };
        HalfOpen::new(FlowKey::EMPTY, &segment(100, 0, Flags::SYN), &terms, 1000)
    }

    #[test]
    fn listen_answers_as_the_rfc_says() {
        for (flags, expected) in [
            (Flags::RST, Knock::Ignore(DropReason::BadReset)),
            (Flags::RST.with(Flags::SYN), Knock::Ignore(DropReason::BadReset)),
            (Flags::ACK, Knock::Refuse),
            (Flags::SYN.with(Flags::ACK), Knock::Refuse),
            (Flags::SYN, Knock::Begin),
            (Flags::FIN, Knock::Ignore(DropReason::NoAck)),
            (Flags::NONE, Knock::Ignore(DropReason::NoAck)),
        ] {
            assert_eq!(on_knock(&segment(1, 2, flags)), expected, "{flags:?}");
        }
    }

    #[test]
    fn a_half_open_record_believes_only_the_exact_numbers() {
        let (seq, ack, agreed) = (SeqNum::new(501), SeqNum::new(101), record().agreed);
        let ack = Bare { agreed, ..Bare::ack(seq, ack, 1000) };
        let reset = |seq| Bare { seq, flags: Flags::RST, ..Bare::EMPTY };
        for (seq, ackn, flags, expected) in [
            (101, 501, Flags::ACK, Reaction::Complete),
            (101, 501, Flags::ACK.with(Flags::FIN), Reaction::Complete),
            (100, 0, Flags::SYN, Reaction::Repeat),
            (101, 0, Flags::SYN, Reaction::Answer(ack, DropReason::UnexpectedSyn)),
            (101, 0, Flags::RST, Reaction::Forget),
            (102, 0, Flags::RST, Reaction::Answer(ack, DropReason::BadReset)),
            (1101, 0, Flags::RST, Reaction::Ignore(DropReason::OutsideWindow)),
            (100, 501, Flags::ACK, Reaction::Answer(ack, DropReason::OutsideWindow)),
            (1101, 501, Flags::ACK, Reaction::Answer(ack, DropReason::OutsideWindow)),
            (101, 500, Flags::ACK, Reaction::Answer(reset(SeqNum::new(500)), DropReason::BadAck)),
            (101, 502, Flags::ACK, Reaction::Answer(reset(SeqNum::new(502)), DropReason::BadAck)),
            (101, 501, Flags::NONE, Reaction::Ignore(DropReason::NoAck)),
        ] {
            let got = record().on_segment(&segment(seq, ackn, flags), Instant::ZERO);
            assert_eq!(got, expected, "{seq} {ackn} {flags:?}");
        }
    }

    #[test]
    fn syn_acks_back_off_and_end() {
        let mut record = record();
        let mut at = Instant::ZERO;
        let mut waits = std::vec::Vec::new();
        while !record.is_exhausted() {
            let next = record.on_sent(at);
            waits.push(next.since(at).millis());
            at = next;
        }
        assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000]);
        let ack = segment(101, 501, Flags::ACK);
        assert_eq!(record.handshake(&ack, at).rtt, None, "a repeated SYN-ACK measures nothing");
    }

    #[test]
    fn a_record_is_small() {
        // Room is left for links and the listener's handle in 120 bytes.
        assert!(size_of::<HalfOpen>() <= 80, "{}", size_of::<HalfOpen>());
    }
}
