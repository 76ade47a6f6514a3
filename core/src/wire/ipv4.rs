//! IPv4 headers (RFC 791).
//!
//! Fragments are reported, never put together here; options are checked, never acted upon.

use core::net::Ipv4Addr;

use byteorder::{ByteOrder, NetworkEndian};

use super::{Malformed, NoRoom, Protocol, checksum, emit_options, padded};

/// Octets of a header without options.
pub const HEADER_MIN: usize = 20;
/// Octets of a header whose length field is at its end.
const HEADER_MAX: usize = 60;

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET_MASK: u16 = 0x1fff;

/// An IPv4 header. Its lengths are those of the slices around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Header<'a> {
    /// The octet of DSCP (upper six bits, RFC 2474) and ECN (lower two, RFC 3168).
    pub traffic_class: u8,
    /// Tells the fragments of one packet from those of another.
    pub identification: u16,
    /// Routers must not fragment this packet.
    pub dont_fragment: bool,
    /// This is a fragment, and not the last.
    pub more_fragments: bool,
    /// Where in the payload this fragment begins, in octets: a multiple of 8, at most 65,528.
    pub fragment_offset: u16,
    /// The time to live, in hops.
    pub hop_limit: u8,
    /// What the payload is.
    pub protocol: Protocol,
    /// Who sent it.
    pub source: Ipv4Addr,
    /// For whom it is.
    pub destination: Ipv4Addr,
    /// The options as they lie in the packet: at most 40 octets.
    pub options: &'a [u8],
}

impl<'a> Header<'a> {
    /// Reads a whole packet: its header and its payload, less whatever lies behind the packet's
    /// end.
    ///
    /// # Errors
    ///
    /// The version, either length, the checksum or an option is wrong, or there is a source route.
    pub fn parse(packet: &'a [u8]) -> Result<(Self, &'a [u8]), Malformed> {
        let (header, behind, payload_len) = Self::parse_fields(packet)?;
        let head = packet.first_chunk().ok_or(Malformed::Truncated)?;
        let payload = behind.get(..payload_len).ok_or(Malformed::Truncated)?;
        // RFC 1122 §3.2.1.2: every host verifies the header checksum and discards silently.
        if checksum::of_header(head, header.options) != 0 {
            return Err(Malformed::BadChecksum);
        }
        if !header.options.is_empty() {
            check_options(header.options)?;
        }
        Ok((header, payload))
    }

    /// Reads the beginning of a packet as ICMP errors quote it: the payload may be cut short, and
    /// routers on the way have changed fields under the checksum.
    ///
    /// # Errors
    ///
    /// The version or a length is wrong, or the header itself is cut short.
    pub fn parse_quoted(packet: &'a [u8]) -> Result<(Self, &'a [u8]), Malformed> {
        let (header, behind, payload_len) = Self::parse_fields(packet)?;
        Ok((header, behind.get(..payload_len).unwrap_or(behind)))
    }

    /// The header, all that lies behind it, and how much of that belongs to the packet by its own
    /// account.
    #[inline]
    fn parse_fields(packet: &'a [u8]) -> Result<(Self, &'a [u8], usize), Malformed> {
        let (head, rest) = packet.split_first_chunk::<HEADER_MIN>().ok_or(Malformed::Truncated)?;
        if head[0] >> 4 != 4 {
            return Err(Malformed::BadVersion);
        }
        let header_len = usize::from(head[0] & 0xf).wrapping_mul(4);
        let options_len = header_len.checked_sub(HEADER_MIN).ok_or(Malformed::BadHeaderLength)?;
        let (options, behind) =
            rest.split_at_checked(options_len).ok_or(Malformed::BadHeaderLength)?;
        let total_length = usize::from(NetworkEndian::read_u16(&head[2..4]));
        let payload_len = total_length.checked_sub(header_len).ok_or(Malformed::BadLength)?;
        let fragment = NetworkEndian::read_u16(&head[6..8]);
        let header = Self {
            traffic_class: head[1],
            identification: NetworkEndian::read_u16(&head[4..6]),
            dont_fragment: fragment & DONT_FRAGMENT != 0,
            more_fragments: fragment & MORE_FRAGMENTS != 0,
            fragment_offset: (fragment & OFFSET_MASK) << 3,
            hop_limit: head[8],
            protocol: Protocol(head[9]),
            source: Ipv4Addr::from_bits(NetworkEndian::read_u32(&head[12..16])),
            destination: Ipv4Addr::from_bits(NetworkEndian::read_u32(&head[16..20])),
            options,
        };
        Ok((header, behind, payload_len))
    }

    /// Whether this packet is but a part of one.
    #[must_use]
    pub const fn is_fragment(&self) -> bool {
        self.more_fragments || self.fragment_offset != 0
    }

    /// Octets of the header on the wire.
    #[must_use]
    pub const fn header_len(&self) -> usize {
        padded(self.options.len()).saturating_add(HEADER_MIN)
    }

    /// Writes the header, checksum included, in front of a payload of `payload_len` octets.
    /// Options are filled up with zeros to a multiple of four octets. Returns the header's length.
    ///
    /// # Errors
    ///
    /// The buffer is shorter than the header, the options exceed 40 octets, or the packet exceeds
    /// 65,535.
    pub fn emit(&self, payload_len: usize, buffer: &mut [u8]) -> Result<usize, NoRoom> {
        let header_len = self.header_len();
        let total_length = header_len.saturating_add(payload_len);
        let total_length = u16::try_from(total_length).map_err(|_| NoRoom)?;
        if header_len > HEADER_MAX {
            return Err(NoRoom);
        }
        let buffer = buffer.get_mut(..header_len).ok_or(NoRoom)?;
        let (head, rest) = buffer.split_first_chunk_mut::<20>().ok_or(NoRoom)?;
        emit_options(rest, self.options)?;
        let mut fragment = self.fragment_offset >> 3;
        if self.dont_fragment {
            fragment |= DONT_FRAGMENT;
        }
        if self.more_fragments {
            fragment |= MORE_FRAGMENTS;
        }
        head[0] = 0x40 | (header_len >> 2) as u8;
        head[1] = self.traffic_class;
        NetworkEndian::write_u16(&mut head[2..4], total_length);
        NetworkEndian::write_u16(&mut head[4..6], self.identification);
        NetworkEndian::write_u16(&mut head[6..8], fragment);
        head[8] = self.hop_limit;
        head[9] = self.protocol.0;
        NetworkEndian::write_u16(&mut head[10..12], 0);
        NetworkEndian::write_u32(&mut head[12..16], self.source.to_bits());
        NetworkEndian::write_u32(&mut head[16..20], self.destination.to_bits());
        let checksum = checksum::of_header(head, rest);
        NetworkEndian::write_u16(&mut head[10..12], checksum);
        Ok(header_len)
    }
}

/// Walks the options. Each step takes at least one of at most 40 octets.
// Apart, so that the usual way needs no registers to be saved.
#[inline(never)]
fn check_options(mut options: &[u8]) -> Result<(), Malformed> {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const LOOSE_SOURCE_ROUTE: u8 = 131;
    const STRICT_SOURCE_ROUTE: u8 = 137;
    while let [kind, rest @ ..] = options {
        options = match *kind {
            END => return Ok(()),
            NO_OPERATION => rest,
            // RFC 7126 §4.3.5, §4.4.5: no host needs source routes, and attackers do.
            LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE => return Err(Malformed::SourceRoute),
            _ => {
                let length = rest.first().map_or(0, |length| usize::from(*length));
                // RFC 1122 §3.2.1.8: the length counts the kind and itself.
                if length < 2 {
                    return Err(Malformed::BadOption);
                }
                options.get(length..).ok_or(Malformed::BadOption)?
            }
        };
    }
    Ok(())
}
