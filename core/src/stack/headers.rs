//! The headers of a packet in the making. They are written where they are sent from, in a place
//! that every packet uses again.
//!
//! What is in them is decided in `egress`, `arp` and `ndp`.

use core::net::IpAddr;

use crate::device::{ChecksumJob, NoRoom, Packet};
use crate::flow::FlowKey;
use crate::storage::block_pool::BlockPool;
use crate::storage::queue::Queue;
#[cfg(feature = "ethernet")]
use crate::wire::ethernet::EtherType;
use crate::wire::tcp_options::Options;
use crate::wire::{Protocol, checksum, ipv4, tcp};

use super::link::{Link, Sink};

/// Octets in front of an IP packet.
const FRAME: usize = if cfg!(feature = "ethernet") { 14 } else { 0 };
/// Room for every header that a packet of ours can have: IPv6 and TCP with all options.
const HEADERS_MAX: usize = FRAME + 40 + tcp::HEADER_MAX;

/// The headers of a packet in the making.
#[derive(Debug)]
pub(super) struct Headers {
    octets: [u8; HEADERS_MAX],
    len: usize,
    job: Option<ChecksumJob>,
    /// TTL and hop limit of what is sent.
    hop_limit: u8,
}

/// Where a payload lies.
#[derive(Clone, Copy)]
pub(super) struct Payload<'p> {
    pub(super) queue: &'p Queue,
    pub(super) offset: u32,
    pub(super) len: u32,
}

impl Headers {
    pub(super) const fn new(hop_limit: u8) -> Self {
        Self { octets: [0; HEADERS_MAX], len: 0, job: None, hop_limit }
    }

    /// Begins anew.
    pub(super) fn clear(&mut self) {
        (self.len, self.job) = (0, None);
    }

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
    pub(super) fn zero_is_none(&mut self) {
        if let Some(job) = &mut self.job {
            job.zero_is_none = true;
        }
    }

    /// Gathers headers and payload into a packet and offers it.
    pub(super) fn send(
        &self,
        payload: Option<Payload<'_>>,
        blocks: &BlockPool<'_>,
        sink: Sink<'_>,
    ) -> Result<(), NoRoom> {
        let payload = payload
            .filter(|payload| payload.len > 0)
            .map(|payload| payload.queue.slices(blocks, payload.offset, payload.len));
        let header = self.octets.get(..self.len).unwrap_or(&[]);
        sink(&Packet::new(header, payload, self.job))
    }
}

impl Link<'_> {
    /// Writes all headers of a segment with so many octets of text and this code point. Options
    /// are taken from `options`.
    pub(super) fn tcp_headers(
        &mut self,
        flow: &FlowKey,
        header: &tcp::Header<'_>,
        options: &Options,
        (text, dscp): (u32, u8),
    ) {
        let len = options.emitted_len().wrapping_add(tcp::HEADER_MIN);
        let headers = self.ip_headers(flow, Protocol::TCP, text.saturating_add(len as u32), dscp);
        headers.push(|buffer| header.emit_with(options, buffer));
        headers.checksum_at(tcp::CHECKSUM_OFFSET as u16, false);
    }

    /// Begins with the headers in front of `payload` octets from one end of a flow to the other,
    /// and the pseudo-header's part of their checksum.
    #[inline(never)]
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
        let partial = checksum::pseudo_header(ends.0, ends.1, protocol, payload).partial();
        let start = headers.len as u16;
        headers.job = Some(ChecksumJob { start, offset: 0, partial, zero_is_none: false });
        headers
    }
}
