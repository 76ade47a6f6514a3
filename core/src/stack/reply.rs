//! Answers that need no socket: resets, echo replies, ICMP errors. They wait in a few slots per
//! class until the device has room; what finds none is dropped and counted.

use core::net::IpAddr;

use heapless::Vec;

use crate::counters::DropReason;
use crate::flow::FlowKey;
use crate::socket::Commons;
use crate::storage::Empty;
use crate::storage::queue::Queue;
use crate::tcp::bare::Bare;
use crate::wire::icmpv4::{self, Header};
use crate::wire::ipv4;

/// Octets of an IPv6 header; `wire::ipv6` is not there without its feature.
const IPV6_HEADER_LEN: usize = 40;

/// Slots of the class of bare TCP segments.
const SEGMENTS_MAX: usize = 8;
/// Slots of the class of ICMP messages.
const MESSAGES_MAX: usize = 4;

/// An ICMP message whose payload lies in blocks of the pool.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) header: Header,
    pub(super) payload: Queue,
}

/// Answers that wait, oldest first. Rows this short are moved up: a ring would bring index
/// arithmetic that can panic.
#[derive(Debug)]
pub(super) struct Replies {
    segments: Vec<(FlowKey, Bare), SEGMENTS_MAX>,
    messages: Vec<Message, MESSAGES_MAX>,
}

impl Replies {
    pub(super) const fn new() -> Self {
        Self { segments: Vec::new(), messages: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.messages.is_empty()
    }

    /// Queues a bare segment.
    pub(super) fn push_segment(&mut self, flow: FlowKey, bare: Bare, commons: &mut Commons<'_>) {
        if self.segments.push((flow, bare)).is_err() {
            commons.counters.drop(DropReason::ReplyLimited);
        }
    }

    /// Queues an ICMP message; its payload is copied, whole or not at all.
    pub(super) fn push_message(
        &mut self,
        (source, destination): (IpAddr, IpAddr),
        header: Header,
        payload: &[u8],
        commons: &mut Commons<'_>,
    ) {
        let mut queue = Queue::EMPTY;
        // What the link cannot carry would wait for ever, and all others behind it.
        let room = !self.messages.is_full() && fits(source, payload, commons.mtu);
        if room && queue.append(&mut commons.blocks, payload) == payload.len() {
            let message = Message { source, destination, header, payload: queue };
            // There is room: it was asked for above.
            let _ = self.messages.push(message);
        } else {
            queue.clear(&mut commons.blocks);
            commons.counters.drop(DropReason::ReplyLimited);
        }
    }

    pub(super) fn first_segment(&self) -> Option<&(FlowKey, Bare)> {
        self.segments.first()
    }

    pub(super) fn first_message(&self) -> Option<&Message> {
        self.messages.first()
    }

    pub(super) fn pop_segment(&mut self) {
        if !self.segments.is_empty() {
            self.segments.remove(0);
        }
    }

    pub(super) fn pop_message(&mut self, commons: &mut Commons<'_>) {
        if !self.messages.is_empty() {
            self.messages.remove(0).payload.clear(&mut commons.blocks);
        }
    }
}

/// Whether a message from `source` with this payload is no longer than the MTU. We do not fragment.
fn fits(source: IpAddr, payload: &[u8], mtu: u16) -> bool {
    let ip = if source.is_ipv4() { ipv4::HEADER_MIN } else { IPV6_HEADER_LEN };
    let headers = ip.saturating_add(icmpv4::HEADER_LEN);
    payload.len().saturating_add(headers) <= usize::from(mtu)
}
