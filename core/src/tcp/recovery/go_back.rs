//! Recovery by going back: no records, only a pointer to what goes again next and one timed
//! segment. For builds where flash and memory count for more than throughput on lossy paths.

use super::{
    Acknowledged, Episode, Event, Outcome, Range, Records, Recovery, Resend, Sent, Step, Stopwatch,
};
use crate::seq::SeqNum;
use crate::storage::Empty;

/// NewReno without records: after a timeout everything goes again in order, save what is
/// acknowledged meanwhile; in fast recovery one segment for each hole.
#[derive(Debug, Clone, Copy)]
pub struct GoBack {
    episode: Episode,
    resend: Resend,
    timed: Stopwatch,
}

impl Empty for GoBack {
    const EMPTY: Self =
        Self { episode: Episode::EMPTY, resend: Resend::EMPTY, timed: Stopwatch::EMPTY };
}

impl GoBack {
    /// The segment at SND.UNA is lost, unless it has been sent again already or will be.
    fn mark_first(&mut self, ack: &Acknowledged) {
        if self.resend.is_empty() && ack.una.at_or_after(self.resend.from) {
            self.resend = Resend { from: ack.una, to: (ack.una + ack.mss).earlier(ack.nxt) };
        }
    }
}

impl Recovery for GoBack {
    fn start(&mut self, iss_plus_one: SeqNum) {
        *self = Self::EMPTY;
        self.episode.start(iss_plus_one);
        self.resend = Resend { from: iss_plus_one, to: iss_plus_one };
    }

    fn on_sent(&mut self, _records: &mut Records<'_>, sent: &Sent) {
        // While holes are being filled, an ACK comes late for reasons other than the path.
        if self.episode.is_open() {
            self.timed.start(sent);
        }
    }

    // Called from several places: one copy in an image is enough.
    #[inline(never)]
    fn on_resent(&mut self, _records: &mut Records<'_>, sent: &Sent) {
        self.timed.stop();
        self.resend.on_resent(sent);
    }

    fn on_ack(&mut self, _records: &mut Records<'_>, ack: &Acknowledged) -> Outcome {
        let step = self.episode.on_ack(ack);
        let mut outcome = Outcome::default();
        if ack.newly > 0 {
            outcome.rtt = self.timed.on_ack(ack);
            self.resend.skip_to(ack.una);
        }
        match step {
            Step::Nothing => {}
            Step::Loss => {
                self.timed.stop();
                self.resend = Resend { from: ack.una, to: ack.una };
                self.mark_first(ack);
                outcome.event = Event::Loss;
            }
            Step::Partial(event) => {
                self.mark_first(ack);
                outcome.event = event;
            }
            Step::Recovered => outcome.event = Event::Recovered,
        }
        outcome
    }

    // Seldom called, and from several places: one copy in an image is enough.
    #[inline(never)]
    fn on_timeout(&mut self, una: SeqNum, nxt: SeqNum) {
        self.timed.stop();
        if una.before(nxt) {
            self.episode.on_timeout(nxt);
            self.resend = Resend { from: una, to: nxt };
        }
    }

    fn next_lost(&self, _records: &Records<'_>) -> Option<Range> {
        self.resend.next()
    }

    fn flight(&self, una: SeqNum, nxt: SeqNum, _mss: u32) -> u32 {
        // Neither is more than what is outstanding, less than 2³¹ octets.
        let gone = self.resend.len().wrapping_add(self.episode.departed);
        nxt.since(una).saturating_sub(gone)
    }

    fn is_recovering(&self) -> bool {
        self.episode.is_recovering()
    }

    fn clear(&mut self, _records: &mut Records<'_>) {
        *self = Self::EMPTY;
    }
}
