//! A packet out: who is next, its headers, the device, and only then the note that it has left.
//!
//! Everything is asked for, built and offered without changing anything; a device without room
//! therefore costs nothing but the attempt.

use core::net::IpAddr;

#[cfg(feature = "ethernet")]
use crate::counters::DropReason;
use crate::counters::bump;
use crate::device::{ChecksumJob, NoRoom, Packet};
use crate::flow::FlowKey;
use crate::profile::Profile;
use crate::seq::SeqNum;
use crate::socket::tcp_pool::Departure;
use crate::storage::Id;
use crate::storage::block_pool::BlockPool;
use crate::storage::queue::Queue;
use crate::tcp::bare::Bare;
#[cfg(feature = "ethernet")]
use crate::tcp::connection::PathError;
use crate::tcp::departs::{Plan, Purpose};
use crate::trace::{Event, Observer};
#[cfg(feature = "ethernet")]
use crate::wire::ethernet::EtherType;
use crate::wire::tcp_options::Options;
use crate::wire::{Protocol, checksum, icmpv4, ipv4, tcp};

use super::Stack;
use super::link::{Attempt, Sink};
#[cfg(feature = "ethernet")]
use super::neighbor::Hop;

/// Octets in front of an IP packet.
const FRAME: usize = if cfg!(feature = "ethernet") { 14 } else { 0 };
/// Room for every header that a packet of ours can have: IPv6 and TCP with all options.
const HEADERS_MAX: usize = FRAME + 40 + tcp::HEADER_MAX;

/// The headers of a packet in the making.
pub(super) struct Headers {
    octets: [u8; HEADERS_MAX],
    len: usize,
    job: Option<ChecksumJob>,
}

/// Where a payload lies.
#[derive(Clone, Copy)]
pub(super) struct Payload<'p> {
    queue: &'p Queue,
    offset: u32,
    len: u32,
}

impl<P: Profile> Stack<'_, P> {
    /// Sends one packet: replies first, then sockets in turn.
    pub(super) fn send_one(&mut self, sink: Sink<'_>) -> Attempt {
        if self.link.is_foreign {
            self.link.is_full = true;
            return Attempt::Full;
        }
        #[cfg(feature = "ethernet")]
        match self.send_neighbor_message(sink) {
            Ok(false) => {}
            sent => return self.attempt(sent.map(drop)),
        }
        let sent = if let Some((flow, bare)) = self.link.replies.first_segment().copied() {
            self.send_bare(&flow, &bare, sink)
        } else if self.link.replies.first_message().is_some() {
            self.send_message(sink)
        } else {
            match self.next_socket() {
                Next::Tcp(departure) => self.send_departure(&departure, sink),
                #[cfg(feature = "udp")]
                Next::Udp(id, flow, len) => self.send_datagram((id, flow, len), sink),
                Next::Nobody => return Attempt::Nothing,
            }
        };
        self.attempt(sent)
    }

    fn attempt(&mut self, sent: Result<(), NoRoom>) -> Attempt {
        self.link.is_full = sent.is_err();
        match sent {
            Ok(()) => Attempt::Done,
            Err(NoRoom) => Attempt::Full,
        }
    }

    /// TCP and UDP take turns where both have something to send.
    #[cfg(feature = "udp")]
    fn next_socket(&mut self) -> Next {
        let udp = self.udp.next_departure(&self.commons.blocks);
        let udp = udp.map(|(id, flow, len)| Next::Udp(id, flow, len));
        let turn = self.udp_turn;
        self.udp_turn = !turn;
        match udp {
            Some(udp) if turn => udp,
            udp => self
                .tcp
                .next_departure(&self.commons)
                .map_or(udp.unwrap_or(Next::Nobody), Next::Tcp),
        }
    }

    #[cfg(not(feature = "udp"))]
    fn next_socket(&mut self) -> Next {
        self.tcp.next_departure(&self.commons).map_or(Next::Nobody, Next::Tcp)
    }

    fn send_bare(&mut self, flow: &FlowKey, bare: &Bare, sink: Sink<'_>) -> Result<(), NoRoom> {
        if self.reach(flow.remote().ip(), false) != Reach::Ready {
            // Who is to be answered has asked for us as a rule, and so is known. Others ask again.
            self.link.replies.pop_segment();
            return Ok(());
        }
        let headers = self.tcp_headers(flow, bare, &bare.options(), 0);
        send(&headers, None, &self.commons.blocks, sink)?;
        bump(&mut self.commons.counters.packets_out);
        bump(&mut self.commons.counters.segments_out);
        if bare.flags.intersects(tcp::Flags::RST) {
            bump(&mut self.commons.counters.resets_out);
        }
        self.link.replies.pop_segment();
        Ok(())
    }

    fn send_message(&mut self, sink: Sink<'_>) -> Result<(), NoRoom> {
        let Some(message) = self.link.replies.first_message() else { return Ok(()) };
        if self.reach(message.destination, false) != Reach::Ready {
            self.link.replies.pop_message(&mut self.commons);
            return Ok(());
        }
        let Some(message) = self.link.replies.first_message() else { return Ok(()) };
        let len = message.payload.len();
        let mut headers = self.ip_headers(
            (message.source, message.destination),
            if message.source.is_ipv4() { Protocol::ICMP } else { Protocol::ICMPV6 },
            len.saturating_add(icmpv4::HEADER_LEN as u32),
            0,
        );
        headers.push(|buffer| message.header.emit(buffer));
        // RFC 792: ICMPv4 sums nothing of the IP header; RFC 4443 §2.3: ICMPv6 does.
        headers.checksum_at(2, message.source.is_ipv4());
        let payload = Payload { queue: &message.payload, offset: 0, len };
        send(&headers, Some(payload), &self.commons.blocks, sink)?;
        bump(&mut self.commons.counters.packets_out);
        self.link.replies.pop_message(&mut self.commons);
        Ok(())
    }

    fn send_departure(&mut self, departure: &Departure, sink: Sink<'_>) -> Result<(), NoRoom> {
        let flow = match departure {
            Departure::SynAck(_, flow, _) => *flow,
            Departure::Segment(id, _) => {
                let Some(connection) = self.tcp.connection(*id) else { return Ok(()) };
                *connection.flow()
            }
        };
        let wanted = matches!(departure, Departure::Segment(..));
        let reach = self.reach(flow.remote().ip(), wanted);
        match departure {
            #[cfg(feature = "ethernet")]
            Departure::Segment(id, _) if reach == Reach::Wait => {
                self.tcp.park(*id);
                return Ok(());
            }
            // What cannot be sent counts as lost on the way: timers decide how it goes on.
            _ if reach != Reach::Ready => {}
            Departure::SynAck(_, _, bare) => {
                let headers = self.tcp_headers(&flow, bare, &bare.options(), 0);
                send(&headers, None, &self.commons.blocks, sink)?;
                bump(&mut self.commons.counters.packets_out);
            }
            Departure::Segment(id, plan) => self.send_segment(*id, plan, sink)?,
        }
        self.tcp.on_departed(departure, &mut self.commons);
        #[cfg(feature = "ethernet")]
        if let Departure::Segment(_, plan) = departure
            && reach == Reach::Never
        {
            let quoted = (&flow, plan.seq);
            self.tcp.on_path_error(PathError::Unreachable, quoted, &mut self.commons);
        }
        Ok(())
    }

    fn send_segment(&mut self, id: Id, plan: &Plan, sink: Sink<'_>) -> Result<(), NoRoom> {
        let Some(connection) = self.tcp.connection(id) else { return Ok(()) };
        let flow = *connection.flow();
        let options = connection.options(plan, self.commons.now);
        let bare = Bare {
            seq: plan.seq,
            ack: plan.ack,
            flags: plan.flags,
            wnd: plan.window,
            urgent: plan.urgent,
            dscp: connection.dscp(),
            ..Bare::EMPTY
        };
        let headers = self.tcp_headers(&flow, &bare, &options, plan.len);
        let queue = connection.send_space();
        let payload = Payload { queue, offset: plan.offset, len: plan.len };
        send(&headers, Some(payload), &self.commons.blocks, sink)?;
        bump(&mut self.commons.counters.packets_out);
        let again = plan.purpose == Purpose::Again;
        let event = Event::Sent { flow, seq: plan.seq, octets: plan.len, again };
        self.observer.on_event(self.commons.now, &event);
        Ok(())
    }

    /// Counts what does not wait any longer.
    #[cfg(feature = "udp")]
    fn give_up(&mut self, reach: Reach) {
        let _ = reach;
        #[cfg(feature = "ethernet")]
        if reach == Reach::Wait {
            self.commons.counters.drop(DropReason::Unreachable);
        }
    }

    /// Finds where packets to `remote` go, for the header in front of the next one. `wanted` is
    /// true where a socket of ours sends it.
    fn reach(&mut self, remote: IpAddr, wanted: bool) -> Reach {
        #[cfg(feature = "ethernet")]
        {
            let hop = self.link.hop(remote, wanted, self.commons.now);
            self.release_parked();
            match hop {
                Hop::Send(hardware) => self.link.frames.next_hop = hardware,
                Hop::Wait if wanted => return Reach::Wait,
                Hop::Wait | Hop::Unreachable => {
                    self.commons.counters.drop(DropReason::Unreachable);
                    return Reach::Never;
                }
            }
        }
        let _ = (remote, wanted);
        Reach::Ready
    }

    /// Those who wait for a neighbour take their turns again, where one was found or given up.
    #[cfg(feature = "ethernet")]
    pub(super) fn release_parked(&mut self) {
        if self.link.frames.neighbors.take_released() {
            self.tcp.unpark();
            #[cfg(feature = "udp")]
            self.udp.unpark();
        }
    }

    #[cfg(feature = "udp")]
    fn send_datagram(
        &mut self,
        (id, flow, len): (Id, FlowKey, u32),
        sink: Sink<'_>,
    ) -> Result<(), NoRoom> {
        use crate::wire::udp;

        let (local, remote) = (flow.local(), flow.remote());
        match self.reach(remote.ip(), true) {
            Reach::Ready => {}
            #[cfg(feature = "ethernet")]
            Reach::Wait if self.udp.park(id, &self.commons.blocks) => return Ok(()),
            reach => {
                self.give_up(reach);
                self.udp.on_departed(id, &mut self.commons);
                return Ok(());
            }
        }
        let Some((queue, offset)) = self.udp.departing(id) else { return Ok(()) };
        let total = len.saturating_add(udp::HEADER_LEN as u32);
        let mut headers = self.ip_headers((local.ip(), remote.ip()), Protocol::UDP, total, 0);
        let header = udp::Header { source_port: local.port(), destination_port: remote.port() };
        headers.push(|buffer| header.emit(len as usize, buffer));
        headers.checksum_at(udp::CHECKSUM_OFFSET as u16, false);
        headers.zero_is_none();
        let payload = Payload { queue, offset, len };
        send(&headers, Some(payload), &self.commons.blocks, sink)?;
        bump(&mut self.commons.counters.packets_out);
        bump(&mut self.commons.counters.datagrams_out);
        self.udp.on_departed(id, &mut self.commons);
        Ok(())
    }

    fn tcp_headers(&self, flow: &FlowKey, bare: &Bare, options: &Options, text: u32) -> Headers {
        let (local, remote) = (flow.local(), flow.remote());
        let mut raw = [0; crate::wire::tcp_options::LEN_MAX];
        let len = options.emit(&mut raw).unwrap_or(0);
        let header = tcp::Header {
            source_port: local.port(),
            destination_port: remote.port(),
            seq: bare.seq,
            ack: if bare.flags.intersects(tcp::Flags::ACK) { bare.ack } else { SeqNum::ZERO },
            flags: bare.flags,
            window: bare.wnd,
            urgent: bare.urgent,
            options: raw.get(..len).unwrap_or(&[]),
        };
        let total = text.saturating_add(header.header_len() as u32);
        let ends = (local.ip(), remote.ip());
        let mut headers = self.ip_headers(ends, Protocol::TCP, total, bare.dscp);
        headers.push(|buffer| header.emit(buffer));
        headers.checksum_at(tcp::CHECKSUM_OFFSET as u16, false);
        headers
    }

    /// The IP header before `payload` octets, and the pseudo-header's part of their checksum.
    pub(super) fn ip_headers(
        &self,
        ends: (IpAddr, IpAddr),
        protocol: Protocol,
        payload: u32,
        dscp: u8,
    ) -> Headers {
        // RFC 9293 §3.9.1.9, MUST-48, SHLD-22: the code point is the user's; the two bits behind
        // it are those of ECN (RFC 3168 §5).
        let traffic_class = dscp.wrapping_shl(2);
        let mut headers = Headers::EMPTY;
        #[cfg(feature = "ethernet")]
        {
            let kind = if ends.0.is_ipv4() { EtherType::IPV4 } else { EtherType::IPV6 };
            if let Some(header) = self.link.frames.header(kind) {
                headers.push(|buffer| header.emit(buffer));
            }
        }
        let hop_limit = self.hop_limit;
        match ends {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let header = ipv4::Header {
                    traffic_class,
                    // RFC 6864 §4.1: what is never fragmented needs no identification.
                    identification: 0,
                    dont_fragment: true,
                    more_fragments: false,
                    fragment_offset: 0,
                    hop_limit,
                    protocol,
                    source,
                    destination,
                    options: &[],
                };
                headers.push(|buffer| header.emit(payload as usize, buffer));
            }
            #[cfg(feature = "ipv6")]
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let header = crate::wire::ipv6::Header {
                    traffic_class,
                    flow_label: 0,
                    next_header: protocol,
                    hop_limit,
                    source,
                    destination,
                };
                headers.push(|buffer| header.emit(payload as usize, buffer));
            }
            _ => {}
        }
        let partial = checksum::pseudo_header(ends.0, ends.1, protocol, payload).partial();
        let start = headers.len as u16;
        headers.job = Some(ChecksumJob { start, offset: 0, partial, zero_is_none: false });
        headers
    }
}

/// Who sends next.
enum Next {
    Tcp(Departure),
    #[cfg(feature = "udp")]
    Udp(Id, FlowKey, u32),
    Nobody,
}

/// Whether a packet can go where it is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The next hop is known.
    Ready,
    /// It was asked for.
    #[cfg_attr(not(feature = "ethernet"), expect(dead_code, reason = "there are no neighbours"))]
    Wait,
    /// It is not there.
    #[cfg_attr(not(feature = "ethernet"), expect(dead_code, reason = "there are no neighbours"))]
    Never,
}

impl Headers {
    pub(super) const EMPTY: Self = Self { octets: [0; HEADERS_MAX], len: 0, job: None };

    /// Appends a header. All of them fit: the room is that of the largest.
    pub(super) fn push<E>(&mut self, emit: impl FnOnce(&mut [u8]) -> Result<usize, E>) {
        if let Some(Ok(len)) = self.octets.get_mut(self.len..).map(emit) {
            self.len = self.len.saturating_add(len);
        }
    }

    /// Where in the transport header its checksum goes, and whether that covers nothing else.
    pub(super) fn checksum_at(&mut self, offset: u16, alone: bool) {
        if let Some(job) = &mut self.job {
            job.offset = offset;
            if alone {
                job.partial = 0;
            }
        }
    }

    /// Sets the hop limit of the IPv6 header behind the frame's.
    #[cfg(all(feature = "ethernet", feature = "ipv6"))]
    pub(super) fn set_ipv6_hop_limit(&mut self, hop_limit: u8) {
        if let Some(field) = self.octets.get_mut(FRAME + 7) {
            *field = hop_limit;
        }
    }

    /// A sum of zero is written as its other form (RFC 768).
    #[cfg(feature = "udp")]
    fn zero_is_none(&mut self) {
        if let Some(job) = &mut self.job {
            job.zero_is_none = true;
        }
    }
}

/// Gathers headers and payload into a packet and offers it.
pub(super) fn send(
    headers: &Headers,
    payload: Option<Payload<'_>>,
    blocks: &BlockPool<'_>,
    sink: Sink<'_>,
) -> Result<(), NoRoom> {
    let payload = payload.map(|payload| payload.queue.slices(blocks, payload.offset, payload.len));
    let header = headers.octets.get(..headers.len).unwrap_or(&[]);
    sink(&Packet::new(header, payload, headers.job))
}
