//! A packet in: its frame, IP, then what it carries, then the socket it is for.
//!
//! Whatever is wrong with a packet ends in a counter; what may be answered waits in the replies.

use core::net::IpAddr;

use crate::counters::{DropReason, count};
use crate::device::RxMeta;
use crate::flow::{FlowKey, Ip, of_v4, widen};
use crate::profile::Profile;
use crate::tcp::connection::{PathError, PathReport};
use crate::tcp::segment::Segment;
use crate::trace::{Event, Observer};
use crate::wire::address::{is_unicast, may_be_source};
#[cfg(feature = "ethernet")]
use crate::wire::ethernet::{self, EtherType};
#[cfg(all(feature = "ethernet", feature = "ipv6"))]
use crate::wire::ndp;
use crate::wire::{self, Malformed, Protocol, icmpv4, ipv4};
#[cfg(feature = "ipv6")]
use crate::wire::{icmpv6, ipv6};

use super::Stack;
use super::addresses::Standing;

/// RFC 792 and RFC 1812 §4.3.2.3: octets of an IPv4 packet that are quoted beyond its header.
const QUOTE_IPV4: usize = 8;
/// RFC 4443 §3.1: an ICMPv6 error stays within the minimum MTU.
#[cfg(feature = "ipv6")]
const QUOTE_IPV6: usize = 1280 - ipv6::HEADER_LEN - icmpv6::HEADER_LEN;

/// A packet whose network header was read.
pub(super) struct Arrival<'p> {
    source: Ip,
    destination: Ip,
    protocol: Protocol,
    payload: &'p [u8],
    /// What an error about it would quote.
    quote: &'p [u8],
    /// Where the field lies that names `protocol`: the pointer of an ICMPv6 error.
    #[cfg(feature = "ipv6")]
    protocol_at: u32,
    verified: bool,
}

impl Arrival<'_> {
    /// Whether the checksum of the segment that it carries is right, or known to be.
    #[inline(always)]
    fn sums_up(&self) -> bool {
        let (source, destination) = (widen(self.source), widen(self.destination));
        self.verified || wire::tcp::verify(self.payload, source, destination)
    }
}

/// What became of a packet on its way in.
pub(super) type Check<T> = Result<T, DropReason>;

impl<P: Profile> Stack<'_, P> {
    /// One frame has arrived. Never fails: what is wrong with it is counted.
    pub(super) fn ingress(&mut self, frame: &[u8], meta: RxMeta) {
        count!(self.commons.counters, packets_in);
        if let Err(reason) = self.frame(frame, meta) {
            self.commons.counters.drop(reason);
            self.observer.on_event(self.commons.now, &Event::Dropped(reason));
        }
    }

    #[cfg(feature = "ethernet")]
    fn frame(&mut self, frame: &[u8], meta: RxMeta) -> Check<()> {
        if self.link.is_foreign {
            return Err(DropReason::WrongMedium);
        }
        let Some(ours) = self.link.frames.hardware else { return self.packet(frame, meta) };
        let (header, packet) = ethernet::Header::parse(frame).map_err(Malformed::reason)?;
        if !header.source.is_unicast() || header.source == ours {
            return Err(DropReason::BadSource);
        }
        let to_us = header.destination == ours;
        #[cfg(feature = "ipv6")]
        {
            (self.link.frames.from, self.link.frames.to_group) = (header.source, !to_us);
        }
        let to_all = header.destination == ethernet::Address::BROADCAST;
        let version = match header.kind {
            EtherType::ARP if to_us || to_all => return self.take_arp(packet),
            EtherType::IPV4 => 4,
            EtherType::IPV6 if cfg!(feature = "ipv6") => 6,
            _ => 0,
        };
        let is_ip = version != 0 && packet.first().is_some_and(|octet| octet >> 4 == version);
        #[cfg(feature = "ipv6")]
        let to_us = to_us || (is_ip && version == 6 && self.listens_to(header.destination));
        #[cfg(feature = "udp")]
        let to_us = to_us || (is_ip && version == 4 && to_all && self.is_for_all(packet));
        // RFC 1122 §3.3.6: what is for one host is not sent to all of the link.
        if !to_us {
            return Err(DropReason::NotOurs);
        }
        match version {
            0 => Err(DropReason::UnknownEtherType),
            _ if is_ip => self.packet(packet, meta),
            _ => Err(DropReason::BadVersion),
        }
    }

    /// Whether an IPv4 packet is for everybody here.
    #[cfg(all(feature = "ethernet", feature = "udp"))]
    fn is_for_all(&self, packet: &[u8]) -> bool {
        let destination = packet.get(16..).and_then(<[u8]>::first_chunk::<4>);
        destination
            .is_some_and(|octets| self.link.is_broadcast(of_v4(core::net::Ipv4Addr::from(*octets))))
    }

    #[cfg(not(feature = "ethernet"))]
    fn frame(&mut self, frame: &[u8], meta: RxMeta) -> Check<()> {
        if self.link.is_foreign {
            return Err(DropReason::WrongMedium);
        }
        self.packet(frame, meta)
    }

    fn packet(&mut self, packet: &[u8], meta: RxMeta) -> Check<()> {
        match packet.first().map(|octet| octet >> 4) {
            Some(4) => self.ipv4(packet, meta),
            #[cfg(feature = "ipv6")]
            Some(6) => self.ipv6(packet, meta),
            Some(_) => Err(DropReason::BadVersion),
            None => Err(DropReason::Truncated),
        }
    }

    fn ipv4(&mut self, packet: &[u8], meta: RxMeta) -> Check<()> {
        let (header, payload) = ipv4::Header::parse(packet).map_err(Malformed::reason)?;
        let (source, destination) = (of_v4(header.source), of_v4(header.destination));
        self.check_addresses(source, destination, header.protocol)?;
        if header.is_fragment() {
            return Err(DropReason::Fragment);
        }
        let quoted = if P::ICMP_ERRORS {
            header.header_len().saturating_add(payload.len().min(QUOTE_IPV4))
        } else {
            0
        };
        self.deliver(&Arrival {
            source,
            destination,
            protocol: header.protocol,
            payload,
            quote: packet.get(..quoted).unwrap_or(packet),
            #[cfg(feature = "ipv6")]
            protocol_at: 0,
            verified: meta.checksum_verified,
        })
    }

    #[cfg(feature = "ipv6")]
    fn ipv6(&mut self, packet: &[u8], meta: RxMeta) -> Check<()> {
        let (header, payload) = ipv6::Header::parse(packet).map_err(Malformed::reason)?;
        let (source, destination) = (header.source.into(), header.destination.into());
        #[cfg(feature = "ethernet")]
        if self.link.frames.hardware.is_some() {
            let frames = &self.link.frames;
            let kind = payload.first().filter(|_| header.next_header == Protocol::ICMPV6);
            if kind.is_some_and(|kind| ndp::TYPES.contains(kind)) {
                return self.take_ndp(&header, payload, frames.from);
            }
            // RFC 4861 is all that is spoken in groups.
            if frames.to_group {
                return Err(DropReason::NotOurs);
            }
        }
        self.check_addresses(source, destination, header.next_header)?;
        let end = packet.len().min(ipv6::HEADER_LEN.saturating_add(payload.len()));
        let quote = packet.get(..end.min(QUOTE_IPV6)).unwrap_or(packet);
        let upper = match ipv6::upper_layer(&header, payload, false) {
            Ok(upper) => upper,
            Err(ipv6::Refusal::Drop(malformed)) => return Err(malformed.reason()),
            Err(refusal @ ipv6::Refusal::ParameterProblem { code, pointer }) => {
                self.parameter_problem((destination, source), code, pointer, quote);
                return Err(refusal.malformed().reason());
            }
        };
        if upper.fragment.is_some_and(|fragment| !fragment.is_atomic()) {
            return Err(DropReason::Fragment);
        }
        self.deliver(&Arrival {
            source,
            destination,
            protocol: upper.protocol,
            payload: upper.payload,
            quote,
            protocol_at: upper.protocol_offset as u32,
            verified: meta.checksum_verified,
        })
    }

    /// RFC 9293 §3.9.2.3, MUST-63: only hosts speak, and only to us; or with UDP to all
    /// (RFC 1122 §3.3.6), even where we have no address yet (RFC 2131 §4.1).
    fn check_addresses(&mut self, source: Ip, destination: Ip, protocol: Protocol) -> Check<()> {
        // Most packets come from where the last one came from.
        if self.link.addresses.has_met(source, destination) {
            return Ok(());
        }
        let to_us = self.link.owns(destination);
        let to_all = cfg!(feature = "udp")
            && protocol == Protocol::UDP
            && self.link.is_broadcast(destination);
        let standing = self.link.addresses.standing(source);
        if !(to_us || to_all) {
            return Err(DropReason::NotOurs);
        }
        if !may_be_source(widen(source)) || standing >= Standing::All {
            return Err(DropReason::BadSource);
        }
        if to_us {
            self.link.addresses.meet(source, destination);
        }
        Ok(())
    }

    fn deliver(&mut self, arrival: &Arrival<'_>) -> Check<()> {
        match (arrival.protocol, widen(arrival.source)) {
            (Protocol::TCP, _) => self.take_tcp(arrival),
            #[cfg(feature = "udp")]
            (Protocol::UDP, _) => self.take_udp(arrival),
            (Protocol::ICMP | Protocol::ICMPV6, _) if !(P::ICMP_ECHO || P::ICMP_ERRORS) => {
                Err(DropReason::IcmpIgnored)
            }
            (Protocol::ICMP, IpAddr::V4(_)) => self.take_icmpv4(arrival),
            #[cfg(feature = "ipv6")]
            (Protocol::ICMPV6, IpAddr::V6(_)) => self.take_icmpv6(arrival),
            // RFC 8200 §4.7: nothing follows, and nothing is wrong with that.
            #[cfg(feature = "ipv6")]
            (Protocol::NO_NEXT_HEADER, IpAddr::V6(_)) => Err(DropReason::UnknownProtocol),
            _ => {
                self.unknown_protocol(arrival);
                Err(DropReason::UnknownProtocol)
            }
        }
    }

    fn take_tcp(&mut self, arrival: &Arrival<'_>) -> Check<()> {
        let (source, destination) = (arrival.source, arrival.destination);
        let (header, text) = match wire::tcp::Header::parse(arrival.payload) {
            Ok(parsed) => parsed,
            Err(malformed) => return Err(malformed.reason()),
        };
        // RFC 9293 §3.1, MUST-3: nothing of a segment is believed before its checksum is.
        if !arrival.sums_up() {
            return Err(DropReason::BadChecksum);
        }
        let local = (destination, header.destination_port);
        let remote = (source, header.source_port);
        let flow = FlowKey::between(local, remote).ok_or(DropReason::BadSource)?;
        let mut segment = Segment::new(&header, text);
        segment.read_options::<P>(&header);
        if let Some(answer) = self.tcp.on_segment(&flow, &mut segment, &mut self.commons) {
            self.link.replies.push_segment::<P>(flow, answer, &mut self.commons);
        }
        Ok(())
    }

    #[cfg(feature = "udp")]
    fn take_udp(&mut self, arrival: &Arrival<'_>) -> Check<()> {
        let (source, destination) = (arrival.source, arrival.destination);
        let (wide, verify) = ((widen(source), widen(destination)), !arrival.verified);
        let (header, payload) =
            wire::udp::parse(arrival.payload, wide.0, wide.1, verify).map_err(Malformed::reason)?;
        let local = (destination, header.destination_port);
        let remote = (source, header.source_port);
        let flow = FlowKey::between(local, remote).ok_or(DropReason::BadSource)?;
        if self.udp.on_datagram(&flow, payload, &mut self.commons) {
            return Ok(());
        }
        // RFC 1122 §3.2.2: what was sent to all is nobody's to complain about.
        if self.link.is_broadcast(destination) {
            return Err(DropReason::NoSocket);
        }
        // RFC 1122 §4.1.3.1, RFC 4443 §3.1: port unreachable.
        let (kind, code) = match widen(source) {
            IpAddr::V4(_) => (icmpv4::DESTINATION_UNREACHABLE, 3),
            IpAddr::V6(_) => (1, 4),
        };
        self.send_error(arrival, icmpv4::Header { kind, code, word: 0 });
        Err(DropReason::NoSocket)
    }

    fn take_icmpv4(&mut self, arrival: &Arrival<'_>) -> Check<()> {
        match icmpv4::Message::parse(arrival.payload).map_err(Malformed::reason)? {
            icmpv4::Message::EchoRequest { identifier, sequence, data } if P::ICMP_ECHO => {
                let reply = icmpv4::Message::EchoReply { identifier, sequence, data };
                self.echo(arrival, reply.parts());
                Ok(())
            }
            // RFC 1191 §4: the lower half of the parameter is the MTU.
            icmpv4::Message::DestinationUnreachable { code: 4, parameter, quote } => {
                self.quoted_v4(PathReport::TooBig(parameter & 0xffff), quote)
            }
            // RFC 9293 §3.9.2.2.
            icmpv4::Message::DestinationUnreachable { code: 2..=3, quote, .. } => {
                self.quoted_v4(PathReport::Error(PathError::Refused), quote)
            }
            icmpv4::Message::DestinationUnreachable { code: 0..=1 | 5..=15, quote, .. } => {
                self.quoted_v4(PathReport::Error(PathError::Unreachable), quote)
            }
            icmpv4::Message::TimeExceeded { quote, .. } => {
                self.quoted_v4(PathReport::Error(PathError::TimeExceeded), quote)
            }
            icmpv4::Message::ParameterProblem { quote, .. } => {
                self.quoted_v4(PathReport::Error(PathError::ParameterProblem), quote)
            }
            _ => Err(DropReason::IcmpIgnored),
        }
    }

    fn quoted_v4(&mut self, report: PathReport, quote: &[u8]) -> Check<()> {
        let (header, rest) =
            ipv4::Header::parse_quoted(quote).map_err(|_| DropReason::IcmpIgnored)?;
        let ends = (of_v4(header.source), of_v4(header.destination));
        self.quoted_segment(report, ends, header.protocol, rest)
    }

    #[cfg(feature = "ipv6")]
    fn take_icmpv6(&mut self, arrival: &Arrival<'_>) -> Check<()> {
        let (IpAddr::V6(source), IpAddr::V6(destination)) = (arrival.source, arrival.destination)
        else {
            return Err(DropReason::UnknownProtocol);
        };
        let message = icmpv6::Message::parse(arrival.payload, source, destination);
        match message.map_err(Malformed::reason)? {
            icmpv6::Message::EchoRequest { identifier, sequence, data } if P::ICMP_ECHO => {
                let reply = icmpv6::Message::EchoReply { identifier, sequence, data };
                self.echo(arrival, reply.parts());
                Ok(())
            }
            icmpv6::Message::PacketTooBig { mtu, quote } => {
                self.quoted_v6(PathReport::TooBig(mtu), quote)
            }
            icmpv6::Message::DestinationUnreachable { code: 1 | 4, quote, .. } => {
                self.quoted_v6(PathReport::Error(PathError::Refused), quote)
            }
            icmpv6::Message::DestinationUnreachable { quote, .. } => {
                self.quoted_v6(PathReport::Error(PathError::Unreachable), quote)
            }
            icmpv6::Message::TimeExceeded { quote, .. } => {
                self.quoted_v6(PathReport::Error(PathError::TimeExceeded), quote)
            }
            icmpv6::Message::ParameterProblem { quote, .. } => {
                self.quoted_v6(PathReport::Error(PathError::ParameterProblem), quote)
            }
            _ => Err(DropReason::IcmpIgnored),
        }
    }

    #[cfg(feature = "ipv6")]
    fn quoted_v6(&mut self, report: PathReport, quote: &[u8]) -> Check<()> {
        let (header, rest) =
            ipv6::Header::parse_quoted(quote).map_err(|_| DropReason::IcmpIgnored)?;
        let ends = (header.source.into(), header.destination.into());
        self.quoted_segment(report, ends, header.next_header, rest)
    }

    /// RFC 1122 §3.2.2.6, RFC 4443 §4.2: the request's octets, and only those, go back.
    fn echo(&mut self, arrival: &Arrival<'_>, (header, data): (icmpv4::Header, &[u8])) {
        count!(self.commons.counters, echo_replies);
        let ends = (arrival.destination, arrival.source);
        self.link.replies.push_message(ends, header, data, &mut self.commons);
    }

    /// A message quotes a segment of ours: `rest` begins with its ports and sequence number.
    fn quoted_segment(
        &mut self,
        report: PathReport,
        (local, remote): (Ip, Ip),
        protocol: Protocol,
        rest: &[u8],
    ) -> Check<()> {
        if !P::ICMP_ERRORS {
            return Err(DropReason::IcmpIgnored);
        }
        let ([a, b, c, d, seq @ ..], Protocol::TCP) =
            (rest.first_chunk::<8>().ok_or(DropReason::IcmpIgnored)?, protocol)
        else {
            return Err(DropReason::IcmpIgnored);
        };
        let local = (local, u16::from_be_bytes([*a, *b]));
        let remote = (remote, u16::from_be_bytes([*c, *d]));
        let flow = FlowKey::between(local, remote).ok_or(DropReason::IcmpIgnored)?;
        let seq = crate::seq::SeqNum::new(u32::from_be_bytes(*seq));
        self.tcp.on_path_report(report, (&flow, seq), &mut self.commons);
        Ok(())
    }

    fn unknown_protocol(&mut self, arrival: &Arrival<'_>) {
        match widen(arrival.source) {
            // RFC 1122 §3.2.2.1: protocol unreachable.
            IpAddr::V4(_) => {
                let kind = icmpv4::DESTINATION_UNREACHABLE;
                self.send_error(arrival, icmpv4::Header { kind, code: 2, word: 0 });
            }
            // RFC 8200 §4: an unrecognized next header is a parameter problem.
            #[cfg(feature = "ipv6")]
            IpAddr::V6(_) => {
                let ends = (arrival.destination, arrival.source);
                self.parameter_problem(ends, 1, arrival.protocol_at, arrival.quote);
            }
            #[cfg(not(feature = "ipv6"))]
            IpAddr::V6(_) => {}
        }
    }

    /// RFC 1122 §3.2.2: no error about a packet that was not sent to one host by one host; all
    /// others were dropped before.
    fn send_error(&mut self, arrival: &Arrival<'_>, header: icmpv4::Header) {
        if P::ICMP_ERRORS && is_unicast(widen(arrival.source)) {
            let ends = (arrival.destination, arrival.source);
            self.link.replies.push_error(ends, header, arrival.quote, &mut self.commons);
        }
    }

    #[cfg(feature = "ipv6")]
    fn parameter_problem(&mut self, ends: (Ip, Ip), code: u8, pointer: u32, quote: &[u8]) {
        if P::ICMP_ERRORS {
            let header = icmpv6::Header { kind: icmpv6::PARAMETER_PROBLEM, code, word: pointer };
            self.link.replies.push_error(ends, header, quote, &mut self.commons);
        }
    }
}
