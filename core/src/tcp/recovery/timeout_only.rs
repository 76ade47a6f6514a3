//! Recovery by the retransmission timer alone: duplicate ACKs say nothing. For windows of a few
//! segments, which three duplicate ACKs seldom come out of.

use super::{Acknowledged, Outcome, Range, Records, Recovery, Resend, Sent, Stopwatch};
use crate::seq::SeqNum;
use crate::storage::Empty;

/// After a timeout everything goes again in order, save what is acknowledged meanwhile.
///
/// Deviation: decision 0047. RFC 5681 §3.2 wants fast retransmit, but does not demand it.
#[derive(Debug, Clone, Copy)]
pub struct TimeoutOnly {
    resend: Resend,
    timed: Stopwatch,
}

impl Empty for TimeoutOnly {
    const EMPTY: Self = Self { resend: Resend::EMPTY, timed: Stopwatch::EMPTY };
}

impl Recovery for TimeoutOnly {
    const FAST: bool = false;

    fn start(&mut self, iss_plus_one: SeqNum) {
        self.resend = Resend { from: iss_plus_one, to: iss_plus_one };
        self.timed.stop();
    }

    fn on_sent(&mut self, _records: &mut Records<'_>, sent: &Sent) {
        // Behind what goes again an ACK comes late for reasons other than the path.
        if self.resend.is_empty() {
            self.timed.start(sent);
        }
    }

    fn on_resent(&mut self, _records: &mut Records<'_>, sent: &Sent) {
        self.timed.stop();
        self.resend.on_resent(sent);
    }

    fn on_ack(&mut self, _records: &mut Records<'_>, ack: &Acknowledged) -> Outcome {
        let mut outcome = Outcome::default();
        if ack.newly > 0 {
            outcome.rtt = self.timed.on_ack(ack);
            self.resend.skip_to(ack.una);
        }
        outcome
    }

    fn on_timeout(&mut self, una: SeqNum, nxt: SeqNum) {
        self.timed.stop();
        self.resend = Resend { from: una, to: nxt };
    }

    fn next_lost(&self, _records: &Records<'_>) -> Option<Range> {
        self.resend.next()
    }

    fn flight(&self, una: SeqNum, nxt: SeqNum, _mss: u32) -> u32 {
        nxt.since(una).saturating_sub(self.resend.len())
    }

    fn is_recovering(&self) -> bool {
        false
    }

    /// There are no records.
    fn clear(&mut self, _records: &mut Records<'_>) {}
}
