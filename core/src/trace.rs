//! What a stack tells an observer: events out, never log strings.
//!
//! The observer is part of the [`Profile`](crate::Profile); the one that does nothing, `()`, costs
//! nothing.

use core::net::IpAddr;

use crate::counters::DropReason;
use crate::flow::FlowKey;
use crate::seq::SeqNum;
use crate::time::Instant;

/// Something that happened inside a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Event {
    /// A packet was dropped before it came to a socket.
    Dropped(DropReason),
    /// A segment of a connection left.
    Sent {
        /// The connection.
        flow: FlowKey,
        /// Its sequence number.
        seq: SeqNum,
        /// Octets of text.
        octets: u32,
        /// Whether it, or a part of it, was sent before.
        again: bool,
    },
    /// Somebody else on the link claims an address that is ours, or that we probe for (RFC 5227,
    /// RFC 4862 §5.4).
    AddressConflict {
        /// The address.
        #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
        address: IpAddr,
    },
    /// Three retransmissions or probes of a connection stayed unanswered: the way to its peer may
    /// be broken (RFC 9293 §3.8.3, MUST-20: what R1 tells those who choose the way).
    Unanswered {
        /// The connection.
        flow: FlowKey,
    },
}

/// Takes note of events. Must not block: it runs inside `poll`.
pub trait Observer: Default {
    /// Something has happened at `now`.
    fn on_event(&mut self, now: Instant, event: &Event);
}

impl Observer for () {
    fn on_event(&mut self, _now: Instant, _event: &Event) {}
}
