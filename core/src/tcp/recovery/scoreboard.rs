//! Recovery by records: one for each segment in flight, from a pool that all connections share,
//! linked in sequence order and in the order of sending.
//!
//! Exhaustion costs precision, never data: neighbours share a record, and a connection that has
//! none at all falls back to two numbers, as [`super::GoBack`] does.

use super::record::{BySeq, ByTime, LOST, MERGED, RETRANSMITTED};
use super::{
    Acknowledged, Episode, Event, Outcome, Range, Records, Recovery, Resend, Sent, Step, Stopwatch,
};
use crate::seq::SeqNum;
use crate::storage::list::{Line, List};
use crate::storage::{Empty, Id};
use crate::time::Instant;

/// What one ACK took out of the records.
#[derive(Default)]
struct Released {
    /// When the latest segment in sequence was sent, of those whose time is certain.
    sent_at: Option<Instant>,
    /// Something among it was sent more than once.
    retransmitted: bool,
}

/// NewReno with a record for each segment in flight.
///
/// Either the records cover all of `[SND.UNA, SND.NXT)` without a gap, or there are none.
#[derive(Debug)]
pub struct Scoreboard {
    by_seq: List<BySeq>,
    by_time: List<ByTime>,
    /// The first lost record in sequence, the one `resend` lies in.
    current: Option<Id>,
    /// What of `current` is to be sent again; without a record, what of the whole flight is.
    resend: Resend,
    /// Octets lost and not sent again: those of `resend` and of all lost records behind `current`.
    lost: u32,
    /// SND.UNA: where a first record begins when segments before it found none.
    una: SeqNum,
    episode: Episode,
    /// Measures while records are shared and their times tell nothing.
    timed: Stopwatch,
}

impl Empty for Scoreboard {
    const EMPTY: Self = Self {
        by_seq: List::EMPTY,
        by_time: List::EMPTY,
        current: None,
        resend: Resend::EMPTY,
        lost: 0,
        una: SeqNum::ZERO,
        episode: Episode::EMPTY,
        timed: Stopwatch::EMPTY,
    };
}

/// Records that may go again in one segment.
const GATHERED_MAX: u32 = 16;

impl Recovery for Scoreboard {
    fn start(&mut self, iss_plus_one: SeqNum) {
        self.episode.start(iss_plus_one);
        self.una = iss_plus_one;
        self.resend = Resend { from: iss_plus_one, to: iss_plus_one };
    }

    fn on_sent(&mut self, records: &mut Records<'_>, sent: &Sent) {
        // Segments that found no record stand in that of the first one to find one again.
        let adjoins = !self.by_seq.is_empty() || sent.start == self.una;
        if let Some(id) = records.acquire() {
            if let Some(record) = records.get_mut(id) {
                record.start = if adjoins { sent.start } else { self.una };
                record.end = sent.end;
                record.sent_at = sent.at;
                record.set(MERGED, !adjoins);
            }
            self.by_seq.push_back(records, id);
            self.by_time.push_back(records, id);
            return;
        }
        if self.episode.is_open() {
            self.timed.start(sent);
        }
        self.extend_last(records, sent);
    }

    fn on_resent(&mut self, records: &mut Records<'_>, sent: &Sent) {
        self.timed.stop();
        if self.resend.is_empty() || !sent.start.at_or_before(self.resend.from) {
            // Nobody asked for it: no more than the first record's time has become uncertain.
            if let Some(first) = self.by_seq.first().and_then(|id| records.get_mut(id)) {
                first.set(RETRANSMITTED, true);
            }
            return;
        }
        // As a rule one turn; each ends a record, or the segment.
        while !self.resend.is_empty() && self.resend.from.before(sent.end) {
            self.consume(records, self.resend.to.earlier(sent.end), sent.at);
        }
    }

    fn on_ack(&mut self, records: &mut Records<'_>, ack: &Acknowledged) -> Outcome {
        let step = self.episode.on_ack(ack);
        let mut outcome = Outcome::default();
        if ack.newly > 0 {
            let released = self.release_acknowledged(records, ack.una);
            let timed = self.timed.on_ack(ack);
            // RFC 6298 §3: an ACK that covers anything sent twice, or filled a hole, tells nothing.
            if !released.retransmitted {
                outcome.rtt = released.sent_at.map(|at| ack.now.since(at)).or(timed);
            }
        }
        match step {
            Step::Nothing => {}
            Step::Loss => {
                self.timed.stop();
                if self.lost == 0 {
                    self.resend = Resend { from: ack.una, to: ack.una };
                }
                self.mark_first(records, ack);
                outcome.event = Event::Loss;
            }
            Step::Partial(event) => {
                self.mark_first(records, ack);
                outcome.event = event;
            }
            Step::Recovered => outcome.event = Event::Recovered,
        }
        outcome
    }

    fn on_timeout(&mut self, records: &mut Records<'_>, una: SeqNum, nxt: SeqNum) {
        self.timed.stop();
        if !una.before(nxt) {
            return;
        }
        self.episode.on_timeout(nxt);
        self.lost = nxt.since(una);
        self.current = None;
        self.resend = Resend { from: una, to: nxt };
        let mut next = self.by_seq.first();
        while let Some(id) = next {
            if let Some(record) = records.get_mut(id) {
                record.set(LOST, true);
            }
            next = self.by_seq.next(records, id);
        }
        if !self.by_seq.is_empty() {
            self.seek(records);
        }
    }

    fn next_lost(&self, records: &Records<'_>) -> Option<Range> {
        let mut range = self.resend.next()?;
        // RFC 9293 §3.8.6.2.1 wants no silly segments, and crumbs in their old cut would be just
        // that: a burst of them, as large as the window, into a path that has lost some already.
        let mut next = self.current.and_then(|id| self.by_seq.next(records, id));
        for _ in 0..GATHERED_MAX {
            let Some(id) = next else { break };
            let Some(record) = records.get(id) else { break };
            if !record.has(LOST) || record.start != range.end {
                break;
            }
            range.end = record.end;
            next = self.by_seq.next(records, id);
        }
        Some(range)
    }

    fn flight(&self, una: SeqNum, nxt: SeqNum, _mss: u32) -> u32 {
        let gone = self.lost.saturating_add(self.episode.departed);
        nxt.since(una).saturating_sub(gone)
    }

    fn is_recovering(&self) -> bool {
        self.episode.phase == super::Phase::FastRecovery
    }

    fn clear(&mut self, records: &mut Records<'_>) {
        while let Some(id) = self.by_seq.first() {
            self.release(records, id);
        }
        *self = Self::EMPTY;
    }
}

impl Scoreboard {
    /// The pool is exhausted: the last record takes new data in; without one, nothing is noted.
    fn extend_last(&mut self, records: &mut Records<'_>, sent: &Sent) {
        let Some(id) = self.by_seq.last() else { return };
        let Some(record) = records.get_mut(id) else { return };
        record.end = sent.end;
        record.sent_at = sent.at;
        record.set(MERGED, true);
        // Lost records are lost whole, but for the current one: new data shares that fate.
        if record.has(LOST) && self.current != Some(id) {
            self.lost = self.lost.saturating_add(sent.end.since(sent.start));
        }
        self.move_to_latest(records, id);
    }

    /// `[resend.from, to)` has been sent again.
    fn consume(&mut self, records: &mut Records<'_>, to: SeqNum, at: Instant) {
        self.lost = self.lost.saturating_sub(self.resend.skip_to(to));
        if let Some(id) = self.current {
            let rest = self.split(records, id, to);
            let whole = rest == Some(id);
            if let Some(record) = records.get_mut(id) {
                record.set(RETRANSMITTED, true);
                record.set(LOST, whole && !self.resend.is_empty());
                record.sent_at = at;
            }
            self.move_to_latest(records, id);
            if let (Some(rest), false) = (rest, self.resend.is_empty()) {
                self.current = Some(rest);
            }
        }
        if self.resend.is_empty() {
            self.seek(records);
        }
    }

    /// Cuts a record in two at `at`. Returns the record in which `at` is now: the new one, the old
    /// one where the pool is exhausted, none where the record ends there.
    fn split(&mut self, records: &mut Records<'_>, id: Id, at: SeqNum) -> Option<Id> {
        let record = records.get(id)?;
        if !at.before(record.end) {
            return None;
        }
        let (end, sent_at, flags) = (record.end, record.sent_at, record.flags);
        let Some(rest) = records.acquire() else { return Some(id) };
        if let Some(record) = records.get_mut(id) {
            record.end = at;
        }
        if let Some(record) = records.get_mut(rest) {
            record.start = at;
            record.end = end;
            record.sent_at = sent_at;
            record.flags = flags;
            record.set(LOST, !self.resend.is_empty());
        }
        self.by_seq.insert_after(records, id, rest);
        self.by_time.insert_after(records, id, rest);
        Some(rest)
    }

    /// `resend` becomes the next lost record in sequence, from the current one on.
    fn seek(&mut self, records: &Records<'_>) {
        let mut next = match self.current.take() {
            _ if self.lost == 0 => return,
            Some(id) => self.by_seq.next(records, id),
            None => self.by_seq.first(),
        };
        while let Some(id) = next {
            match records.get(id) {
                Some(record) if record.has(LOST) => {
                    self.current = Some(id);
                    self.resend = Resend { from: record.start, to: record.end };
                    return;
                }
                _ => next = self.by_seq.next(records, id),
            }
        }
        self.lost = 0;
    }

    /// The first segment is lost, unless it has been sent again in this episode or will be.
    fn mark_first(&mut self, records: &mut Records<'_>, ack: &Acknowledged) {
        if self.lost != 0 || ack.una.before(self.resend.from) {
            return;
        }
        // No more than one segment: a shared record may hold much that has arrived.
        let mut to = (ack.una + ack.mss).earlier(ack.nxt);
        self.current = self.by_seq.first();
        if let Some(record) = self.current.and_then(|id| records.get_mut(id)) {
            record.set(LOST, true);
            to = to.earlier(record.end);
        }
        self.resend = Resend { from: ack.una, to };
        self.lost = self.resend.len();
    }

    /// Gives back all records before `una`, and trims the one it lies in.
    fn release_acknowledged(&mut self, records: &mut Records<'_>, una: SeqNum) -> Released {
        self.una = una;
        let mut released = Released::default();
        while let Some(id) = self.by_seq.first() {
            let Some(record) = records.get(id) else { break };
            if record.end.after(una) {
                break;
            }
            if record.has(RETRANSMITTED) {
                released.retransmitted = true;
            } else if !record.has(MERGED) {
                released.sent_at = Some(record.sent_at);
            }
            if self.current == Some(id) {
                self.current = None;
                self.lost = self.lost.saturating_sub(self.resend.skip_to(record.end));
            } else if record.has(LOST) {
                self.lost = self.lost.saturating_sub(record.len());
            }
            self.release(records, id);
        }
        self.trim_first(records, una, &mut released);
        released
    }

    fn trim_first(&mut self, records: &mut Records<'_>, una: SeqNum, released: &mut Released) {
        if self.resend.is_empty() && self.lost > 0 {
            self.seek(records);
        }
        let spared = self.resend.skip_to(una);
        self.lost = self.lost.saturating_sub(spared);
        let Some(id) = self.by_seq.first() else { return };
        if let Some(first) = records.get_mut(id) {
            if first.start.before(una) {
                first.start = una;
                released.retransmitted |= first.has(RETRANSMITTED);
            }
            if spared > 0 && self.resend.is_empty() {
                // Nothing of it is left to be sent again, though it goes on behind that.
                first.set(LOST, false);
                self.seek(records);
            }
        }
    }

    fn move_to_latest(&mut self, records: &mut Records<'_>, id: Id) {
        self.by_time.remove(records, id);
        self.by_time.push_back(records, id);
    }

    fn release(&mut self, records: &mut Records<'_>, id: Id) {
        self.by_seq.remove(records, id);
        self.by_time.remove(records, id);
        records.release(id);
    }
}

#[cfg(test)]
mod tests;
