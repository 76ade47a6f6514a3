//! What one side of a connection has shown of itself on the link.

use std::collections::VecDeque;
use std::net::SocketAddr;

use hikyaku::time::Instant;

use super::packet::{ACK, FIN, SYN, Segment};

/// Whether `a` lies before `b` on the circle of 2³².
pub(super) fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

pub(super) fn later(a: u32, b: u32) -> u32 {
    if before(a, b) { b } else { a }
}

/// The last few of something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Last {
    values: [Option<u32>; 64],
    next: usize,
}

impl Default for Last {
    fn default() -> Self {
        Self { values: [None; 64], next: 0 }
    }
}

impl Last {
    pub(super) fn note(&mut self, value: u32) {
        if !self.has(value) {
            self.values[self.next] = Some(value);
            self.next = (self.next + 1) % self.values.len();
        }
    }

    pub(super) fn has(&self, value: u32) -> bool {
        self.values.contains(&Some(value))
    }
}

/// What a SYN said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) isn: u32,
    pub(super) mss: Option<u16>,
    pub(super) scale: Option<u8>,
    pub(super) may_sack: bool,
    pub(super) stamp: Option<u32>,
}

/// One side.
#[derive(Debug)]
pub(super) struct Half {
    pub(super) address: SocketAddr,
    pub(super) opening: Option<Opening>,
    /// Initial sequence numbers of SYN-ACKs that another one replaced: of those, cookies for
    /// instance, the peer takes which it likes.
    pub(super) former: Last,
    /// Whether it sent a SYN without ACK.
    pub(super) is_opener: bool,
    /// Behind the last sequence number that it sent.
    pub(super) nxt: u32,
    /// The octet that it may have probed a closed window with: it may count as sent or not.
    pub(super) probe: Option<u32>,
    /// Behind its FIN.
    pub(super) fin: Option<u32>,
    /// The last acknowledgement that it sent, and the furthest right edge that it told.
    pub(super) ack: Option<u32>,
    pub(super) told: Option<u32>,
    /// The furthest right edge that it can have heard of, and the last acknowledgements.
    pub(super) heard: Option<u32>,
    pub(super) heard_acks: Last,
    /// Behind the last segments without ACK that came to it: a reset may name them.
    pub(super) heard_ends: Last,
    /// The furthest sequence number of its peer that came to it.
    pub(super) arrived: u32,
    pub(super) heard_fin: bool,
    /// Its last TSval, and when it was sent.
    pub(super) stamp: Option<u32>,
    pub(super) stamped_at: Instant,
    /// Whether its timestamps once went half around unseen.
    pub(super) was_silent: bool,
    /// Whether it broke the connection off.
    pub(super) has_reset: bool,
    /// Whether it may come about once more all the same.
    pub(super) may_return: bool,
    /// What it sent from `text_at` on and is not known to be acknowledged.
    text: VecDeque<u8>,
    text_at: u32,
}

impl Half {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            opening: None,
            former: Last::default(),
            is_opener: false,
            nxt: 0,
            probe: None,
            fin: None,
            ack: None,
            told: None,
            heard: None,
            heard_acks: Last::default(),
            heard_ends: Last::default(),
            arrived: 0,
            heard_fin: false,
            stamp: None,
            stamped_at: Instant::ZERO,
            was_silent: false,
            has_reset: false,
            may_return: false,
            text: VecDeque::new(),
            text_at: 0,
        }
    }

    /// The peer begins anew: nothing that was acknowledged counts.
    pub(super) fn forget_peer(&mut self) {
        (self.ack, self.told, self.heard) = (None, None, None);
        self.heard_fin = false;
    }

    /// The text and FIN of this sequence number on are still to come.
    pub(super) fn start_at(&mut self, isn: u32) {
        self.nxt = isn.wrapping_add(1);
        self.text_at = self.nxt;
        self.text.clear();
        (self.probe, self.fin) = (None, None);
    }

    /// Whether a segment says what its sender said before wherever it says it again, and takes
    /// note of the rest.
    pub(super) fn say(&mut self, segment: &Segment<'_>) -> bool {
        let skip = segment.seq.wrapping_sub(self.text_at) as i32;
        // What is acknowledged is not known any more.
        let (text, at) = if skip >= 0 {
            (segment.text, skip as usize)
        } else {
            let gone = (skip.unsigned_abs() as usize).min(segment.text.len());
            (&segment.text[gone..], 0)
        };
        let known = self.text.len();
        if at > known {
            return text.is_empty();
        }
        let (again, new) = text.split_at((known - at).min(text.len()));
        let is_same = self.text.range(at..at + again.len()).eq(again);
        self.text.extend(new);
        is_same
    }

    /// The peer has acknowledged all before `ack`.
    pub(super) fn settle(&mut self, ack: u32) {
        let octets = ack.wrapping_sub(self.text_at) as usize;
        if octets <= self.text.len() {
            self.text.drain(..octets);
            self.text_at = ack;
        } else if before(self.text_at, ack) && !before(self.nxt, ack) {
            // The FIN.
            self.text_at = self.text_at.wrapping_add(self.text.len() as u32);
            self.text.clear();
        }
    }

    /// The link brings it a segment of its peer.
    pub(super) fn hear(&mut self, segment: &Segment<'_>, shift: u32, known: bool) {
        if segment.has(ACK) {
            self.heard_acks.note(segment.ack);
            let edge = segment.ack.wrapping_add(u32::from(segment.window) << shift);
            self.heard = Some(self.heard.map_or(edge, |heard| later(heard, edge)));
            self.settle(segment.ack);
        } else {
            self.heard_ends.note(segment.end());
        }
        if segment.has(SYN) && !known {
            self.arrived = segment.end();
        }
        self.arrived = later(self.arrived, segment.end());
        self.heard_fin |= segment.has(FIN);
    }
}
