//! Answers that need no socket: resets, echo replies, ICMP errors. One of a class waits until the
//! device has room, which it is asked for before the next packet is looked at; what finds no place
//! is dropped and counted. Resets and ICMP errors are rationed too.

use heapless::Vec;

use crate::counters::DropReason;
use crate::flow::{FlowKey, Ip, site, widen};
use crate::profile::Profile;
use crate::socket::Commons;
use crate::storage::Empty;
use crate::storage::queue::Queue;
use crate::storage::stream::Stream;
use crate::tcp::bare::Bare;
use crate::wire::icmpv4::{self, Header};
use crate::wire::ipv4;
use crate::wire::tcp::Flags;

/// Octets of an IPv6 header; `wire::ipv6` is not there without its feature.
const IPV6_HEADER_LEN: usize = 40;

/// Slots of the class of bare TCP segments: a row of one, as in `frames`.
const SEGMENTS_MAX: usize = 1;
/// Slots of the class of ICMP messages.
const MESSAGES_MAX: usize = 1;

/// Peers are spread over so many rations of a class.
const RATIONS: usize = 8;
/// Microseconds to the spans in which rations hold: 1.05 s.
const SPAN_SHIFT: u32 = 20;

/// How many answers of a class a peer gets in a span of 1.05 s.
///
/// RFC 4443 §2.4 (f), RFC 1812 §4.3.2.8: errors are limited in rate. A limit for all would let one
/// peer see, by what is left of it, what another one was answered; the peer may be forged, and the
/// answer tell of its connections. Each peer has its own, therefore, as far as memory goes: who
/// shares one is drawn anew in each span, and so is how much it holds, which nobody can foresee.
#[derive(Debug)]
// In this order what is made as zeros lies together, and is filled in one go.
#[repr(C)]
struct Ration {
    /// Answers a span on average; 0 for no limit.
    limit: u16,
    /// The span that `spent` is about.
    span: u32,
    spent: [u16; RATIONS],
}

impl Ration {
    const fn new(limit: u16) -> Self {
        Self { limit, span: 0, spent: [0; RATIONS] }
    }

    /// Whether `peer` may be answered now. Counts it if so. The `class` sets rations apart.
    fn admits(&mut self, class: &[u8; 4], peer: Ip, commons: &Commons<'_>) -> bool {
        if self.limit == 0 {
            return true;
        }
        let span = (commons.now.micros() >> SPAN_SHIFT) as u32;
        if span != self.span {
            (self.span, self.spent) = (span, [0; RATIONS]);
        }
        let [network, rest] = site(peer);
        let [place, draw, ..] = commons.secret.hash(class, [span, network, rest], &FlowKey::EMPTY);
        // From three quarters of the limit up to five.
        let limit = u32::from(self.limit);
        let quarter = (limit / 4).wrapping_mul(draw >> 16) >> 15;
        let drawn = limit.wrapping_sub(limit / 4).wrapping_add(quarter);
        let Some(spent) = self.spent.get_mut(place as usize % RATIONS) else { return true };
        let admitted = u32::from(*spent) < drawn;
        if admitted {
            *spent = spent.saturating_add(1);
        }
        admitted
    }
}

/// An ICMP message whose payload lies in blocks of the pool.
#[derive(Debug)]
pub(super) struct Message {
    /// From us to whom it is for; messages have no ports.
    pub(super) flow: FlowKey,
    pub(super) header: Header,
    pub(super) payload: Queue,
}

/// Answers that wait.
#[derive(Debug)]
pub(super) struct Replies {
    segments: Vec<(FlowKey, Bare), SEGMENTS_MAX>,
    messages: Vec<Message, MESSAGES_MAX>,
    resets: Ration,
    errors: Ration,
}

impl Replies {
    /// Nothing waits; so many resets and ICMP errors a span, 0 for no limit.
    pub(super) const fn new(resets: u16, errors: u16) -> Self {
        Self {
            segments: Vec::new(),
            messages: Vec::new(),
            resets: Ration::new(resets),
            errors: Ration::new(errors),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.messages.is_empty()
    }

    /// Queues a bare segment.
    pub(super) fn push_segment<P: Profile>(
        &mut self,
        flow: FlowKey,
        bare: Bare,
        commons: &mut Commons<'_>,
    ) {
        let rationed = P::RESET_LIMITS && bare.flags.intersects(Flags::RST);
        let admitted = !rationed || self.resets.admits(b"rst ", flow.ends().1, commons);
        if !admitted || self.segments.push((flow, bare)).is_err() {
            commons.counters.drop(DropReason::ReplyLimited);
        }
    }

    /// Queues an ICMP error, which quotes what it is about.
    pub(super) fn push_error(
        &mut self,
        ends: (Ip, Ip),
        header: Header,
        quote: &[u8],
        commons: &mut Commons<'_>,
    ) {
        if self.errors.admits(b"icmp", ends.1, commons) {
            self.push_message(ends, header, quote, commons);
        } else {
            commons.counters.drop(DropReason::ReplyLimited);
        }
    }

    /// Queues an ICMP message; its payload is copied, whole or not at all.
    pub(super) fn push_message(
        &mut self,
        (source, destination): (Ip, Ip),
        header: Header,
        payload: &[u8],
        commons: &mut Commons<'_>,
    ) {
        let mut queue = Queue::EMPTY;
        // What the link cannot carry would wait for ever, and all others behind it.
        let room = !self.messages.is_full() && fits(source, payload, commons.mtu);
        if let Some(flow) = FlowKey::between((source, 0), (destination, 0)).filter(|_| room)
            && queue.append(&mut commons.blocks, payload) == payload.len()
        {
            let message = Message { flow, header, payload: queue };
            // There is room: it was asked for above.
            let _ = self.messages.push(message);
        } else {
            queue.clear(&mut commons.blocks);
            commons.counters.drop(DropReason::ReplyLimited);
        }
    }

    /// An address is not ours any more: no answer leaves from it.
    pub(super) fn forget(&mut self, address: Ip, commons: &mut Commons<'_>) {
        if self.first_segment().is_some_and(|(flow, _)| flow.ends().0 == address) {
            self.pop_segment();
        }
        if self.first_message().is_some_and(|message| message.flow.ends().0 == address) {
            self.pop_message(commons);
        }
    }

    pub(super) fn first_segment(&self) -> Option<&(FlowKey, Bare)> {
        self.segments.first()
    }

    pub(super) fn first_message(&self) -> Option<&Message> {
        self.messages.first()
    }

    pub(super) fn pop_segment(&mut self) {
        self.segments.pop();
    }

    pub(super) fn pop_message(&mut self, commons: &mut Commons<'_>) {
        if let Some(mut message) = self.messages.pop() {
            message.payload.clear(&mut commons.blocks);
        }
    }
}

/// Whether a message from `source` with this payload is no longer than the MTU. We do not fragment.
fn fits(source: Ip, payload: &[u8], mtu: u16) -> bool {
    let ip = if widen(source).is_ipv4() { ipv4::HEADER_MIN } else { IPV6_HEADER_LEN };
    let headers = ip.saturating_add(icmpv4::HEADER_LEN);
    payload.len().saturating_add(headers) <= usize::from(mtu)
}
