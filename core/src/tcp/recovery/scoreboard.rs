//! Recovery by records: one for each segment in flight, from a pool that all connections share,
//! linked in sequence order and in the order of sending.
//!
//! Lost data is one range of sequence numbers, so that a timeout marks everything in flight at
//! once. When records run out, neighbouring segments share one: their time is then uncertain, and
//! no data is lost. A connection without any record keeps the range alone, as [`super::GoBack`].

use super::record::{BySeq, ByTime, MERGED, RETRANSMITTED};
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
    /// The record that `resend` begins in; `None` for the first one.
    current: Option<Id>,
    /// What is lost and not sent again.
    resend: Resend,
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
        una: SeqNum::ZERO,
        episode: Episode::EMPTY,
        timed: Stopwatch::EMPTY,
    };
}

impl Recovery for Scoreboard {
    fn start(&mut self, iss_plus_one: SeqNum) {
        self.episode.start(iss_plus_one);
        self.una = iss_plus_one;
        self.resend = Resend { from: iss_plus_one, to: iss_plus_one };
    }

    fn on_sent(&mut self, records: &mut Records<'_>, sent: &Sent) {
        // Segments that found no record stand in that of the first one to find one again.
        let adjoins = !self.by_seq.is_empty() || sent.start == self.una;
        if let Some(id) = self.acquire(records) {
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
        let start = self.resend.from;
        let asked = !self.resend.is_empty() && sent.start.at_or_before(start);
        if !asked || !start.before(sent.end) {
            // Nobody asked for it: no more than the first record's time has become uncertain.
            if let Some(first) = self.by_seq.first().and_then(|id| records.get_mut(id)) {
                first.set(RETRANSMITTED, true);
            }
            return;
        }
        let end = self.resend.to.earlier(sent.end);
        self.resend.skip_to(end);
        let Some(id) = self.current.take().or(self.by_seq.first()) else { return };
        let id = self.split(records, id, start);
        self.absorb(records, id, end);
        let behind = self.split(records, id, end);
        if let Some(record) = records.get_mut(id) {
            record.set(RETRANSMITTED, true);
            record.sent_at = sent.at;
        }
        self.by_time.remove(records, id);
        self.by_time.push_back(records, id);
        self.current = Some(behind);
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
                if self.resend.is_empty() {
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

    fn on_timeout(&mut self, una: SeqNum, nxt: SeqNum) {
        self.timed.stop();
        if una.before(nxt) {
            self.episode.on_timeout(nxt);
            self.current = None;
            self.resend = Resend { from: una, to: nxt };
        }
    }

    fn next_lost(&self, _records: &Records<'_>) -> Option<Range> {
        self.resend.next()
    }

    fn flight(&self, una: SeqNum, nxt: SeqNum, _mss: u32) -> u32 {
        let gone = self.resend.len().saturating_add(self.episode.departed);
        nxt.since(una).saturating_sub(gone)
    }

    fn is_recovering(&self) -> bool {
        self.episode.is_recovering()
    }

    fn clear(&mut self, records: &mut Records<'_>) {
        while let Some(id) = self.by_seq.first() {
            self.release(records, id);
        }
        *self = Self::EMPTY;
    }
}

impl Scoreboard {
    /// A record for one more segment, unless this connection holds more of them than are free:
    /// alone it gets half of the pool, and `n` connections get a share of 1 / (`n` + 1) each.
    /// See decision 0121.
    fn acquire(&self, records: &mut Records<'_>) -> Option<Id> {
        let free = records.capacity().saturating_sub(records.len());
        if (self.by_seq.len() as usize) < free { records.acquire() } else { None }
    }

    /// There is no record: the last one takes new data in; without one, nothing is noted.
    fn extend_last(&mut self, records: &mut Records<'_>, sent: &Sent) {
        let Some(id) = self.by_seq.last() else { return };
        let Some(record) = records.get_mut(id) else { return };
        record.end = sent.end;
        record.sent_at = sent.at;
        record.set(MERGED, true);
        self.by_time.remove(records, id);
        self.by_time.push_back(records, id);
    }

    /// Makes a record end at `end` or behind it: what one segment carries becomes one record.
    /// Each record that it takes in was made by a segment of its own.
    fn absorb(&mut self, records: &mut Records<'_>, id: Id, end: SeqNum) {
        while records.get(id).is_some_and(|record| record.end.before(end)) {
            let Some(next) = self.by_seq.next(records, id) else { return };
            let Some(record) = records.get_mut(next) else { return };
            let whole = record.end.at_or_before(end);
            let taken = record.end.earlier(end);
            if whole {
                self.release(records, next);
            } else {
                record.start = taken;
            }
            if let Some(record) = records.get_mut(id) {
                record.end = taken;
            }
        }
    }

    /// The record that begins at `at`. Cuts `id` in two for that; where the record ends there it is
    /// the next one, and where no record is free it remains `id`.
    fn split(&mut self, records: &mut Records<'_>, id: Id, at: SeqNum) -> Id {
        let Some(record) = records.get(id) else { return id };
        let (end, sent_at, flags) = (record.end, record.sent_at, record.flags);
        if !record.start.before(at) {
            return id;
        }
        if end.at_or_before(at) {
            return self.by_seq.next(records, id).unwrap_or(id);
        }
        let Some(rest) = self.acquire(records) else { return id };
        if let Some(record) = records.get_mut(id) {
            record.end = at;
        }
        if let Some(record) = records.get_mut(rest) {
            (record.start, record.end) = (at, end);
            (record.sent_at, record.flags) = (sent_at, flags);
        }
        self.by_seq.insert_after(records, id, rest);
        self.by_time.insert_after(records, id, rest);
        rest
    }

    /// The first segment is lost, unless it has been sent again in this episode or will be.
    fn mark_first(&mut self, records: &Records<'_>, ack: &Acknowledged) {
        if !self.resend.is_empty() || ack.una.before(self.resend.from) {
            return;
        }
        // No more than one segment: a shared record may hold much that has arrived.
        let mut to = (ack.una + ack.mss).earlier(ack.nxt);
        if let Some(first) = self.by_seq.first().and_then(|id| records.get(id)) {
            to = to.earlier(first.end);
        }
        self.current = None;
        self.resend = Resend { from: ack.una, to };
    }

    /// Gives back all records before `una`, and trims the one it lies in.
    fn release_acknowledged(&mut self, records: &mut Records<'_>, una: SeqNum) -> Released {
        self.una = una;
        self.resend.skip_to(una);
        let mut released = Released::default();
        while let Some(id) = self.by_seq.first() {
            let Some(record) = records.get_mut(id) else { break };
            let again = record.has(RETRANSMITTED);
            if record.end.after(una) {
                if record.start.before(una) {
                    record.start = una;
                    released.retransmitted |= again;
                }
                break;
            }
            released.retransmitted |= again;
            if !again && !record.has(MERGED) {
                released.sent_at = Some(record.sent_at);
            }
            if self.current == Some(id) {
                self.current = None;
            }
            self.release(records, id);
        }
        released
    }

    fn release(&mut self, records: &mut Records<'_>, id: Id) {
        self.by_seq.remove(records, id);
        self.by_time.remove(records, id);
        records.release(id);
    }
}

#[cfg(test)]
mod tests;
