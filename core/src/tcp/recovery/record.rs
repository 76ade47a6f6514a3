//! One segment in flight, as the pool of records holds it. What a mark means is decided elsewhere.

use crate::seq::SeqNum;
use crate::storage::Empty;
use crate::storage::list::{Links, linked};
use crate::time::Instant;

/// Sent more than once, all of it or a part.
pub(super) const RETRANSMITTED: u8 = 1;
/// Several sendings in one record: its time is that of the last.
pub(super) const MERGED: u8 = 2;

/// The kind of list in sequence order.
#[derive(Debug)]
pub(super) enum BySeq {}
/// The kind of list in the order of sending.
#[derive(Debug)]
pub(super) enum ByTime {}

/// A segment in flight.
#[derive(Debug)]
pub struct Record {
    pub(super) sent_at: Instant,
    pub(super) start: SeqNum,
    pub(super) end: SeqNum,
    by_seq: Links,
    by_time: Links,
    pub(super) flags: u8,
}

impl Record {
    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn set(&mut self, flag: u8, on: bool) {
        self.flags = if on { self.flags | flag } else { self.flags & !flag };
    }
}

impl Empty for Record {
    const EMPTY: Self = Self {
        sent_at: Instant::ZERO,
        start: SeqNum::ZERO,
        end: SeqNum::ZERO,
        by_seq: Links::EMPTY,
        by_time: Links::EMPTY,
        flags: 0,
    };
}

linked!([] Record, by_seq: BySeq);
linked!([] Record, by_time: ByTime);
