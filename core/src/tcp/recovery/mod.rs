//! What is lost, and what goes next. SND.NXT is never rewound: what has to be sent again is asked
//! for here, and so is what may still be in the network.
//!
//! No window and no clock live here; a recovery hears what was sent and acknowledged in plain
//! values. [`GoBack`] remembers two numbers, [`Scoreboard`] a record for each segment in flight;
//! when to believe that something is lost, both share. [`TimeoutOnly`] believes its timer alone.

mod go_back;
mod record;
mod scoreboard;
mod timeout_only;

pub use go_back::GoBack;
pub use record::Record;
pub use scoreboard::Scoreboard;
pub use timeout_only::TimeoutOnly;

use crate::seq::SeqNum;
use crate::storage::Empty;
use crate::storage::slab::Slab;
use crate::time::{Duration, Instant};

/// RFC 5681 §3.2: so many duplicate ACKs in a row mean a loss.
const DUPLICATES_MEANING_LOSS: u8 = 3;

/// The records of all connections.
pub type Records<'a> = Slab<'a, Record>;

/// A segment that has been sent: `[start, end)` in sequence space, FIN included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Sent {
    /// Its first sequence number.
    pub start: SeqNum,
    /// The sequence number behind it.
    pub end: SeqNum,
    /// When it was sent.
    pub at: Instant,
}

/// An acceptable acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Acknowledged {
    /// When it arrived.
    pub now: Instant,
    /// SND.UNA after it.
    pub una: SeqNum,
    /// SND.NXT.
    pub nxt: SeqNum,
    /// Octets of sequence space newly acknowledged, 0 for none.
    pub newly: u32,
    /// Whether it is a duplicate in the sense of RFC 5681 §2.
    pub duplicate: bool,
    /// The sender's maximum segment size in octets.
    pub mss: u32,
}

/// What an acknowledgement meant for the state of recovery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Event {
    /// It goes on as before.
    #[default]
    None,
    /// Fast recovery begins: reduce the window.
    Loss,
    /// Fast recovery goes on with its second or a later partial acknowledgement: the
    /// retransmission timer runs on.
    Partial,
    /// Fast recovery, or what followed a timeout, is over.
    Recovered,
}

/// The answer to an acknowledgement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Outcome {
    /// A round-trip time measured without ambiguity (Karn's rule, RFC 6298 §3).
    pub rtt: Option<Duration>,
    /// What has begun or ended.
    pub event: Event,
}

/// `[start, end)` in sequence space, never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Range {
    /// The first sequence number.
    pub start: SeqNum,
    /// The sequence number behind the last.
    pub end: SeqNum,
}

/// How a connection recovers from loss.
///
/// While [`Recovery::is_recovering`] holds, what [`Recovery::next_lost`] offers is sent whatever
/// the congestion window says: it is the one segment that RFC 5681 §3.2, step 3, and RFC 6582 §3.2
/// retransmit at once. After a timeout the window governs.
pub trait Recovery: Empty {
    /// Whether acknowledgements, too, tell of losses: duplicates, and partial ones after them.
    const FAST: bool = true;

    /// The connection is open; `iss_plus_one` is the first sequence number of data.
    fn start(&mut self, iss_plus_one: SeqNum);

    /// New data has been sent, in order: `sent.start` is the old SND.NXT.
    fn on_sent(&mut self, records: &mut Records<'_>, sent: &Sent);

    /// Something was sent again. It begins where [`Recovery::next_lost`] said and may be shorter
    /// than what that offered. Retransmissions that were not asked for (probes) may be told too.
    fn on_resent(&mut self, records: &mut Records<'_>, sent: &Sent);

    /// An acceptable ACK has arrived. O(1) but for the records that it acknowledges.
    fn on_ack(&mut self, records: &mut Records<'_>, ack: &Acknowledged) -> Outcome;

    /// The retransmission timer went off: all of `[una, nxt)` is lost. O(1): no record is visited.
    fn on_timeout(&mut self, una: SeqNum, nxt: SeqNum);

    /// What to send again first; `None` when new data may go. The caller cuts it down to segment
    /// size and window, and reports what it sent. O(1).
    fn next_lost(&self, records: &Records<'_>) -> Option<Range>;

    /// Octets thought to be in the network, at most `nxt` − `una`: what is lost and not sent again
    /// does not count, and each duplicate ACK takes one segment off. O(1).
    fn flight(&self, una: SeqNum, nxt: SeqNum, mss: u32) -> u32;

    /// Whether this is fast recovery, in which the window does not grow.
    fn is_recovering(&self) -> bool;

    /// Gives all records back. Nothing else is asked before it is started anew.
    fn clear(&mut self, records: &mut Records<'_>);
}

/// What a connection is doing about loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    FastRecovery,
    /// Fast recovery in which a partial acknowledgement has come.
    PartialAck,
    Timeout,
}

/// What an acknowledgement asks of whoever marks losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Nothing,
    /// Fast recovery begins; the first segment is lost.
    Loss,
    /// A hole is filled, and the segment behind it is lost too. Its event is for the timer.
    Partial(Event),
    Recovered,
}

/// When something is lost: NewReno (RFC 6582) by duplicate and partial ACKs.
#[derive(Debug, Clone, Copy)]
struct Episode {
    /// SND.NXT when the present phase began; no fast recovery begins at or before it.
    recover: SeqNum,
    /// Octets that have left the network by the word of duplicate ACKs.
    departed: u32,
    duplicates: u8,
    /// How many more duplicate ACKs are believed: as many as there were segments in flight when
    /// the peer last proved that it takes something in. Forged ones would send out the whole queue.
    believed: u16,
    phase: Phase,
}

impl Episode {
    const EMPTY: Self =
        Self { recover: SeqNum::ZERO, departed: 0, duplicates: 0, believed: 0, phase: Phase::Open };

    fn start(&mut self, iss_plus_one: SeqNum) {
        *self = Self::EMPTY;
        // RFC 6582 §3.2, step 1: the SYN itself is what lies behind us.
        self.recover = iss_plus_one - 1;
    }

    fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    fn is_recovering(&self) -> bool {
        matches!(self.phase, Phase::FastRecovery | Phase::PartialAck)
    }

    fn on_ack(&mut self, ack: &Acknowledged) -> Step {
        if ack.newly > 0 {
            self.on_progress(ack)
        } else if ack.duplicate {
            self.on_duplicate(ack)
        } else {
            Step::Nothing
        }
    }

    fn on_progress(&mut self, ack: &Acknowledged) -> Step {
        if self.phase == Phase::Open {
            self.open();
            // Dragged along, so that it never seems to lie ahead after 2³¹ octets without loss.
            if ack.una.after(self.recover) {
                self.recover = ack.una - 1;
            }
            return Step::Nothing;
        }
        // RFC 6582 §3.2, step 3: a full acknowledgement covers all that was sent before the loss.
        if ack.una.at_or_after(self.recover) {
            self.open();
            return Step::Recovered;
        }
        if self.phase == Phase::Timeout {
            return Step::Nothing;
        }
        // One segment of it filled the hole; the rest is what the duplicate ACKs were about.
        let reported = ack.newly.saturating_sub(ack.mss);
        self.departed = self.departed.saturating_sub(reported);
        self.believed = segments_in_flight(ack);
        // RFC 6582 §4, the impatient variant: only the first partial acknowledgement restarts the
        // timer. One hole is repaired in a round trip, so that with many a timeout is faster.
        let is_first = self.phase == Phase::FastRecovery;
        self.phase = Phase::PartialAck;
        Step::Partial(if is_first { Event::None } else { Event::Partial })
    }

    fn on_duplicate(&mut self, ack: &Acknowledged) -> Step {
        // After a timeout, what comes back may tell of segments that are counted as lost already.
        if self.phase == Phase::Timeout {
            return Step::Nothing;
        }
        if self.duplicates == 0 {
            self.believed = segments_in_flight(ack);
        }
        // RFC 5681 §3.2: no more segments have left the network than were in it.
        if self.believed > 0 {
            self.believed = self.believed.wrapping_sub(1);
            let departed = self.departed.wrapping_add(ack.mss);
            self.departed = departed.min(ack.nxt.since(ack.una));
        }
        self.duplicates = self.duplicates.saturating_add(1);
        // RFC 6582 §3.2, step 2: duplicates at or before `recover` may be echoes of our own
        // retransmissions and begin nothing.
        let begins = self.is_open()
            && self.duplicates == DUPLICATES_MEANING_LOSS
            && ack.una.after(self.recover);
        if !begins {
            return Step::Nothing;
        }
        self.phase = Phase::FastRecovery;
        self.recover = ack.nxt;
        Step::Loss
    }

    fn on_timeout(&mut self, nxt: SeqNum) {
        self.open();
        self.phase = Phase::Timeout;
        // RFC 6582 §3.2, step 4: the highest sequence number sent.
        self.recover = nxt;
    }

    fn open(&mut self) {
        self.phase = Phase::Open;
        self.duplicates = 0;
        self.departed = 0;
    }
}

// Seldom called, and from several places: one copy in an image is enough.
#[inline(never)]
fn segments_in_flight(ack: &Acknowledged) -> u16 {
    let (octets, mss) = (ack.nxt.since(ack.una), ack.mss.max(1));
    // Rounded up; the library's own way to do so can panic.
    let rounded = octets.wrapping_add(mss.wrapping_sub(1));
    let segments = rounded.checked_div(mss).unwrap_or(0);
    segments.min(u32::from(u16::MAX)) as u16
}

/// What is to be sent again next: `[from, to)`. Everything before `from` has been acknowledged or
/// sent again in this episode.
#[derive(Debug, Clone, Copy)]
struct Resend {
    from: SeqNum,
    to: SeqNum,
}

impl Resend {
    const EMPTY: Self = Self { from: SeqNum::ZERO, to: SeqNum::ZERO };

    fn is_empty(&self) -> bool {
        self.from == self.to
    }

    fn len(&self) -> u32 {
        self.to.since(self.from)
    }

    /// Everything before `una` needs no more sending. Returns how many octets that spared.
    fn skip_to(&mut self, una: SeqNum) -> u32 {
        let before = self.len();
        self.from = self.from.later(una);
        self.to = self.to.later(self.from);
        before.saturating_sub(self.len())
    }

    fn on_resent(&mut self, sent: &Sent) {
        if !self.is_empty() && sent.start.at_or_before(self.from) {
            self.skip_to(sent.end);
        }
    }

    /// It never lies below SND.UNA, to which every ACK of something new skips, nor beyond SND.NXT.
    fn next(&self) -> Option<Range> {
        (!self.is_empty()).then_some(Range { start: self.from, end: self.to })
    }
}

/// One round-trip time at a time: for those who keep no time for each segment.
#[derive(Debug, Clone, Copy)]
struct Stopwatch {
    at: Instant,
    end: SeqNum,
    running: bool,
}

impl Stopwatch {
    const EMPTY: Self = Self { at: Instant::ZERO, end: SeqNum::ZERO, running: false };

    fn start(&mut self, sent: &Sent) {
        if !self.running {
            *self = Self { at: sent.at, end: sent.end, running: true };
        }
    }

    /// RFC 6298 §3: whatever was sent twice is not measured, nor what waits behind it.
    fn stop(&mut self) {
        self.running = false;
    }

    fn on_ack(&mut self, ack: &Acknowledged) -> Option<Duration> {
        let arrived = self.running && ack.una.at_or_after(self.end);
        if arrived {
            self.running = false;
        }
        arrived.then(|| ack.now.since(self.at))
    }
}

#[cfg(test)]
mod tests;
