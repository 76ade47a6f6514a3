//! The headers of a packet in the making. They are written where they are sent from, in a place
//! that every packet uses again.
//!
//! What is in them is decided in `egress`, `arp` and `ndp`.

use crate::device::{ChecksumJob, NoRoom, Packet};
use crate::storage::stream::Slices;
use crate::wire::tcp;

/// Where packets go.
pub(super) type Sink<'s> = &'s mut dyn FnMut(&Packet<'_>) -> Result<(), NoRoom>;

/// Octets in front of an IP packet.
const FRAME: usize = if cfg!(feature = "ethernet") { 14 } else { 0 };
/// Room for every header that a packet of ours can have: IP and TCP with all options.
const HEADERS_MAX: usize = FRAME + NETWORK + tcp::HEADER_MAX;
/// Octets of the longer IP header: ours has no options.
const NETWORK: usize = if cfg!(feature = "ipv6") { 40 } else { 20 };

/// The headers of a packet in the making.
#[derive(Debug)]
// In this order what is made as zeros lies together, and is filled in one go.
#[repr(C)]
pub(super) struct Headers {
    /// TTL and hop limit of what is sent.
    pub(super) hop_limit: u8,
    job: Option<ChecksumJob>,
    len: usize,
    octets: [u8; HEADERS_MAX],
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
            self.len = self.len.wrapping_add(len);
        }
    }

    /// What follows has a checksum, which covers it to the end and this sum of a pseudo-header.
    pub(super) fn checksum_from_here(&mut self, partial: u16) {
        let start = self.len as u16;
        self.job = Some(ChecksumJob { start, offset: 0, partial, zero_is_none: false });
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
    pub(super) fn send(&self, payload: Option<Slices<'_>>, sink: Sink<'_>) -> Result<(), NoRoom> {
        let header = self.octets.get(..self.len).unwrap_or(&[]);
        sink(&Packet::new(header, payload, self.job.as_ref()))
    }
}
