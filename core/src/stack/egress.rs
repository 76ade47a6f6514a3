//! A packet out: who is next, its headers, the device, and only then the note that it has left.
//!
//! Everything is asked for, built and offered without changing anything; a device without room
//! therefore costs nothing but the attempt.

use core::net::IpAddr;

use crate::counters::{DropReason, count};
use crate::device::NoRoom;
use crate::flow::{FlowKey, Ip, widen};
#[cfg(feature = "ethernet")]
use crate::profile::ParkingOf;
use crate::profile::Profile;
#[cfg(feature = "ethernet")]
use crate::socket::turns::Egress;
use crate::storage::Id;
#[cfg(feature = "ethernet")]
use crate::storage::parking::Parking;
use crate::storage::stream::Stream;
use crate::tcp::bare::Bare;
#[cfg(feature = "ethernet")]
use crate::tcp::connection::{PathError, PathReport};
use crate::tcp::departs::{Plan, Purpose};
use crate::trace::{Event, Observer};
#[cfg(feature = "ethernet")]
use crate::wire::ethernet::EtherType;
use crate::wire::tcp_options::Options;
use crate::wire::{Protocol, checksum, icmpv4, ipv4, tcp};

#[cfg(feature = "ipv6")]
use super::MTU_MIN_IPV6;
use super::headers::{Headers, Sink};
use super::link::{Attempt, Link};
#[cfg(feature = "ethernet")]
use super::neighbor::Hop;
use super::{MTU_MIN_IPV4, Stack};

impl<P: Profile> Stack<'_, P> {
    /// Whether there is ever a message of ICMP to be sent.
    const ICMP: bool = P::ICMP_ECHO || P::ICMP_ERRORS;

    /// Sends one packet: replies first, then sockets in turn. Before the next arrival, `is_urgent`,
    /// only replies and the connection at the front, which owes an ACK, send anything.
    pub(super) fn send_one(&mut self, is_urgent: bool, sink: Sink<'_>) -> Attempt {
        if self.link.is_foreign || self.commons.mtu < MTU_MIN_IPV4 {
            self.link.is_full = true;
            return Attempt::Full;
        }
        #[cfg(feature = "ethernet")]
        match self.send_neighbor_message(sink) {
            Ok(false) => {}
            sent => return self.attempt(sent.map(drop)),
        }
        let sent = if self.link.replies.first_segment().is_some() {
            self.send_reply(sink)
        } else if Self::ICMP && self.link.replies.first_message().is_some() {
            self.send_message(sink)
        } else {
            let sent = if is_urgent { self.send_for_tcp(sink) } else { self.send_for_socket(sink) };
            match sent {
                Some(sent) => sent,
                None => return Attempt::Nothing,
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

    /// Sends what a socket has to say: SYN-ACKs, then connections in turn. TCP and UDP take turns
    /// where both have something to send.
    fn send_for_socket(&mut self, sink: Sink<'_>) -> Option<Result<(), NoRoom>> {
        #[cfg(feature = "udp")]
        {
            self.udp_turn = !self.udp_turn;
            if !self.udp_turn
                && let Some(departure) = self.udp.next_departure(&self.commons.blocks)
            {
                return Some(self.send_datagram(departure, sink));
            }
        }
        if let Some(id) = self.tcp.next_syn_ack() {
            return Some(self.send_syn_ack(id, sink));
        }
        let sent = self.send_for_tcp(sink);
        #[cfg(feature = "udp")]
        if sent.is_none()
            && let Some(departure) = self.udp.next_departure(&self.commons.blocks)
        {
            return Some(self.send_datagram(departure, sink));
        }
        sent
    }

    /// Sends a segment of the connection whose turn it is.
    fn send_for_tcp(&mut self, sink: Sink<'_>) -> Option<Result<(), NoRoom>> {
        let (id, plan) = self.tcp.next_segment(&mut self.commons)?;
        Some(self.send_segment(id, &plan, sink))
    }

    fn send_reply(&mut self, sink: Sink<'_>) -> Result<(), NoRoom> {
        let Some((flow, bare)) = self.link.replies.first_segment() else { return Ok(()) };
        let (flow, bare) = (*flow, *bare);
        // Who is to be answered has asked for us as a rule, and so is known. Others ask again.
        if self.reach(flow.ends().1, 0, false) == Reach::Ready {
            self.send_bare(&flow, &bare, sink)?;
            count!(self.commons.counters, segments_out);
            if bare.flags.intersects(tcp::Flags::RST) {
                count!(self.commons.counters, resets_out);
            }
        }
        self.link.replies.pop_segment();
        Ok(())
    }

    fn send_bare(&mut self, flow: &FlowKey, bare: &Bare, sink: Sink<'_>) -> Result<(), NoRoom> {
        let header = bare.header(flow);
        // Without records of handshakes no SYN is bare, and nothing else of it has options.
        let options = if P::RECORDS { bare.options() } else { Options::none() };
        self.link.tcp_headers::<P>(flow, &header, &options, (0, bare.dscp));
        self.link.headers.send(None, sink)?;
        count!(self.commons.counters, packets_out);
        Ok(())
    }

    fn send_message(&mut self, sink: Sink<'_>) -> Result<(), NoRoom> {
        let Some(message) = self.link.replies.first_message() else { return Ok(()) };
        let (flow, header, len) = (message.flow, message.header, message.payload.len());
        let total = len.saturating_add(icmpv4::HEADER_LEN as u32);
        if self.reach(flow.ends().1, total, false) == Reach::Ready {
            let is_ipv4 = flow.is_ipv4();
            let protocol = if is_ipv4 { Protocol::ICMP } else { Protocol::ICMPV6 };
            let headers = self.link.ip_headers(&flow, protocol, total, 0);
            headers.push(|buffer| header.emit(buffer));
            // RFC 792: ICMPv4 sums nothing of the IP header; RFC 4443 §2.3: ICMPv6 does.
            headers.checksum_at(2, is_ipv4);
            let payload = self.link.replies.first_message().map(|message| &message.payload);
            let payload = payload.map(|payload| payload.slices(&self.commons.blocks, 0, len));
            self.link.headers.send(payload, sink)?;
            count!(self.commons.counters, packets_out);
        }
        self.link.replies.pop_message(&mut self.commons);
        Ok(())
    }

    fn send_syn_ack(&mut self, id: Id, sink: Sink<'_>) -> Result<(), NoRoom> {
        let Some(record) = self.tcp.half_open(id) else { return Ok(()) };
        let (flow, bare) = (*record.flow(), record.syn_ack(self.commons.now));
        // What cannot be sent counts as lost on the way: it is repeated.
        if self.reach(flow.ends().1, 0, false) == Reach::Ready {
            self.send_bare(&flow, &bare, sink)?;
        }
        self.tcp.on_syn_ack_departed(id, &mut self.commons);
        Ok(())
    }

    fn send_segment(&mut self, id: Id, plan: &Plan, sink: Sink<'_>) -> Result<(), NoRoom> {
        let Some(connection) = self.tcp.departing(id) else { return Ok(()) };
        let flow = *connection.flow();
        // Who has but sent a SYN, from wherever, takes no neighbour's place and is not waited for.
        let wanted = !connection.is_embryo();
        let reach = self.reach(flow.ends().1, 0, wanted);
        #[cfg(feature = "ethernet")]
        if reach == Reach::Wait
            && let Some(place) = self.place_to_wait_for(flow.ends().1)
        {
            self.tcp.park(id, place);
            return Ok(());
        }
        // What cannot be sent counts as lost on the way: timers decide how it goes on.
        if reach == Reach::Ready {
            self.put_segment(id, plan, sink)?;
        }
        self.tcp.on_departed(id, plan, &mut self.commons);
        #[cfg(feature = "ethernet")]
        // Deviation: decision 0045, where a profile hears of no errors.
        if P::ICMP_ERRORS && reach == Reach::Never {
            let quoted = (&flow, plan.seq);
            let report = PathReport::Error(PathError::Unreachable);
            self.tcp.on_path_report(report, quoted, &mut self.commons);
        }
        Ok(())
    }

    fn put_segment(&mut self, id: Id, plan: &Plan, sink: Sink<'_>) -> Result<(), NoRoom> {
        let Some(connection) = self.tcp.departing(id) else { return Ok(()) };
        let flow = connection.flow();
        let options = connection.options(plan, &self.commons);
        let extent = (plan.len, connection.dscp());
        self.link.tcp_headers::<P>(flow, &plan.header(flow), &options, extent);
        let stream = connection.send_space();
        let slices = || stream.slices(&self.commons.blocks, plan.offset, plan.len);
        self.link.headers.send((plan.len > 0).then(slices), sink)?;
        count!(self.commons.counters, packets_out);
        let again = plan.purpose == Purpose::Again;
        let event = Event::Sent { flow: *flow, seq: plan.seq, octets: plan.len, again };
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

    /// Finds where a packet with `len` bytes behind its IP header goes to reach `remote`, for the
    /// header in front of it. Segments are cut to the link when they are planned, and say 0.
    /// `wanted` is true where a socket of ours sends it.
    fn reach(&mut self, remote: Ip, len: u32, wanted: bool) -> Reach {
        if !self.fits_link(remote, len) {
            self.commons.counters.drop(DropReason::TooLong);
            return Reach::Never;
        }
        #[cfg(feature = "ethernet")]
        if !self.link.frames.is_on_the_way(remote, self.commons.now) {
            return self.find_way(remote, wanted);
        }
        let _ = (remote, wanted);
        Reach::Ready
    }

    /// Whether the link takes a packet to `remote` with so many bytes behind its IP header.
    fn fits_link(&self, remote: Ip, len: u32) -> bool {
        let mtu = u32::from(self.commons.mtu);
        match widen(remote) {
            IpAddr::V4(_) => len <= mtu.saturating_sub(ipv4::HEADER_MIN as u32),
            // RFC 8200 §5: a link that takes less carries no IPv6.
            #[cfg(feature = "ipv6")]
            IpAddr::V6(_) => {
                self.commons.mtu >= MTU_MIN_IPV6
                    && len <= mtu.saturating_sub(crate::wire::ipv6::HEADER_LEN as u32)
            }
            #[cfg(not(feature = "ipv6"))]
            IpAddr::V6(_) => false,
        }
    }

    /// Likewise, where the last packet went elsewhere.
    #[cfg(feature = "ethernet")]
    fn find_way(&mut self, remote: Ip, wanted: bool) -> Reach {
        let now = self.commons.now;
        let hop = self.link.hop(remote, wanted, now);
        self.release_parked();
        match hop {
            Hop::Send(hardware) => {
                if wanted {
                    self.link.frames.take_way(remote, hardware, now);
                } else {
                    // A reply may go where no socket of ours would send.
                    self.link.frames.head_for(hardware);
                }
                Reach::Ready
            }
            Hop::Wait if wanted => Reach::Wait,
            Hop::Wait | Hop::Unreachable => {
                self.commons.counters.drop(DropReason::Unreachable);
                Reach::Never
            }
        }
    }

    /// Sockets that wait for a neighbour that was found or given up take their turns again.
    #[cfg(feature = "ethernet")]
    // Seldom called, and from several places: one copy in an image is enough.
    #[inline(never)]
    pub(super) fn release_parked(&mut self) {
        while let Some(place) = self.next_released() {
            self.link.frames.forget_way();
            self.tcp.unpark(place);
            #[cfg(feature = "udp")]
            self.udp.unpark(place);
        }
    }

    /// Whether those who wait for different neighbours wait apart.
    #[cfg(feature = "ethernet")]
    const BY_PLACE: bool = <ParkingOf<'static, P, Egress> as Parking<'static, Egress>>::BY_PLACE;

    /// A place in the neighbour cache for which nobody need wait any longer.
    #[cfg(feature = "ethernet")]
    fn next_released(&mut self) -> Option<usize> {
        let neighbors = &mut self.link.frames.neighbors;
        if Self::BY_PLACE {
            neighbors.next_released()
        } else {
            neighbors.take_released().then_some(0)
        }
    }

    /// The place in the neighbour cache that a socket waits for, to send to `remote`.
    #[cfg(feature = "ethernet")]
    fn place_to_wait_for(&self, remote: Ip) -> Option<usize> {
        if Self::BY_PLACE { self.link.place_on_the_way(remote) } else { Some(0) }
    }

    /// The first datagram of a socket waits for the neighbour that leads to `remote`. Returns false
    /// where it is not to wait.
    #[cfg(all(feature = "ethernet", feature = "udp"))]
    fn park_datagram(&mut self, id: Id, remote: Ip) -> bool {
        let place = self.place_to_wait_for(remote);
        place.is_some_and(|place| self.udp.park(id, place, &self.commons.blocks))
    }

    #[cfg(feature = "udp")]
    fn send_datagram(
        &mut self,
        (id, flow, len): (Id, FlowKey, u32),
        sink: Sink<'_>,
    ) -> Result<(), NoRoom> {
        use crate::wire::udp;

        let total = len.saturating_add(udp::HEADER_LEN as u32);
        let source = flow.ends().0;
        // A client of DHCP has no address yet.
        if !(self.link.owns(source) || widen(source).is_unspecified()) {
            // The address was removed after the datagram was queued.
            self.commons.counters.drop(DropReason::BadSource);
            self.udp.on_departed(id, &mut self.commons);
            return Ok(());
        }
        match self.reach(flow.ends().1, total, true) {
            Reach::Ready => {}
            #[cfg(feature = "ethernet")]
            Reach::Wait if self.park_datagram(id, flow.ends().1) => return Ok(()),
            reach => {
                self.give_up(reach);
                self.udp.on_departed(id, &mut self.commons);
                return Ok(());
            }
        }
        let Some((queue, offset)) = self.udp.departing(id) else { return Ok(()) };
        let headers = self.link.ip_headers(&flow, Protocol::UDP, total, 0);
        let (source_port, destination_port) = flow.ports();
        let header = udp::Header { source_port, destination_port };
        headers.push(|buffer| header.emit(len as usize, buffer));
        headers.checksum_at(udp::CHECKSUM_OFFSET as u16, false);
        headers.zero_is_none();
        let payload = queue.slices(&self.commons.blocks, offset, len);
        self.link.headers.send(Some(payload), sink)?;
        count!(self.commons.counters, packets_out);
        count!(self.commons.counters, datagrams_out);
        self.udp.on_departed(id, &mut self.commons);
        Ok(())
    }
}

impl Link<'_> {
    /// Writes all headers of a segment with so many octets of text and this code point. Options
    /// are taken from `options`.
    pub(super) fn tcp_headers<P: Profile>(
        &mut self,
        flow: &FlowKey,
        header: &tcp::Header<'_>,
        options: &Options,
        (text, dscp): (u32, u8),
    ) {
        let len = options.known_len::<P>().wrapping_add(tcp::HEADER_MIN);
        let headers = self.ip_headers(flow, Protocol::TCP, text.wrapping_add(len as u32), dscp);
        headers.push(|buffer| header.emit_with::<P>(options, buffer));
        headers.checksum_at(tcp::CHECKSUM_OFFSET as u16, false);
    }

    /// Begins with the headers in front of `payload` octets from one end of a flow to the other,
    /// and the pseudo-header's part of their checksum.
    pub(super) fn ip_headers(
        &mut self,
        flow: &FlowKey,
        protocol: Protocol,
        payload: u32,
        dscp: u8,
    ) -> &mut Headers {
        // RFC 9293 §3.9.1.9, MUST-48, SHLD-22: the code point is the user's; the two bits behind
        // it are those of ECN (RFC 3168 §5).
        let traffic_class = dscp.wrapping_shl(2);
        let headers = &mut self.headers;
        headers.clear();
        let ends = (flow.local_address(), flow.remote_address());
        #[cfg(feature = "ethernet")]
        {
            let kind = if ends.0.is_ipv4() { EtherType::IPV4 } else { EtherType::IPV6 };
            if let Some(header) = self.frames.header(kind) {
                headers.push(|buffer| header.emit(buffer));
            }
        }
        let hop_limit = headers.hop_limit;
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
        let sum = checksum::pseudo_header(ends.0, ends.1, protocol, payload);
        headers.checksum_from_here(sum.partial());
        headers
    }
}

/// Whether a packet can go where it is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The next hop is known.
    Ready,
    /// It was asked for.
    #[cfg_attr(not(feature = "ethernet"), expect(dead_code, reason = "there are no neighbours"))]
    Wait,
    /// It is not there, or the link does not take the packet.
    Never,
}
