//! IPv6 headers and the chain of extension headers behind them (RFC 8200).
//!
//! Fragments are reported, never put together here; no route and no option is acted upon.

use core::net::Ipv6Addr;

use byteorder::{ByteOrder, NetworkEndian};

use super::{Malformed, NoRoom, Protocol};

/// Octets of a header.
pub const HEADER_LEN: usize = 40;
/// Where in the header the field lies that names what follows.
const NEXT_HEADER_OFFSET: usize = 6;
/// Extension headers that are looked at. RFC 8200 §4.1 knows of no reason for more than seven.
const EXTENSIONS_MAX: usize = 8;

/// An IPv6 header. The payload length is that of the slice behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Header {
    /// DSCP (upper six bits, RFC 2474) and ECN (lower two, RFC 3168).
    pub traffic_class: u8,
    /// Tells packets of one flow from others: 20 bits.
    pub flow_label: u32,
    /// What the payload begins with.
    pub next_header: Protocol,
    /// Hops left.
    pub hop_limit: u8,
    /// Who sent it.
    pub source: Ipv6Addr,
    /// For whom it is.
    pub destination: Ipv6Addr,
}

impl Header {
    /// Reads a whole packet: its header and its payload, less whatever lies behind the packet's
    /// end.
    ///
    /// # Errors
    ///
    /// The version is another, the payload is longer than what is there, or there is none: jumbo
    /// payloads (RFC 2675), which say so too, are refused.
    pub fn parse(packet: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let (header, length, rest) = Self::parse_fields(packet)?;
        let payload = rest.get(..length).ok_or(Malformed::Truncated)?;
        Ok((header, payload))
    }

    /// Reads the beginning of a packet as ICMPv6 errors quote it: the payload may be cut short.
    ///
    /// # Errors
    ///
    /// The version is another, the header itself is cut short, or there was no payload.
    pub fn parse_quoted(packet: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let (header, length, rest) = Self::parse_fields(packet)?;
        Ok((header, rest.get(..length).unwrap_or(rest)))
    }

    #[inline]
    fn parse_fields(packet: &[u8]) -> Result<(Self, usize, &[u8]), Malformed> {
        let (head, rest) = packet.split_first_chunk::<HEADER_LEN>().ok_or(Malformed::Truncated)?;
        let word = NetworkEndian::read_u32(&head[0..4]);
        if word >> 28 != 6 {
            return Err(Malformed::BadVersion);
        }
        let length = usize::from(NetworkEndian::read_u16(&head[4..6]));
        if length == 0 {
            return Err(Malformed::BadLength);
        }
        let header = Self {
            traffic_class: (word >> 20) as u8,
            flow_label: word & 0xf_ffff,
            next_header: Protocol(head[6]),
            hop_limit: head[7],
            source: address(&head[8..24]),
            destination: address(&head[24..40]),
        };
        Ok((header, length, rest))
    }

    /// Writes the header in front of a payload of `payload_len` octets. Returns its length, always
    /// [`HEADER_LEN`].
    ///
    /// # Errors
    ///
    /// The buffer is shorter than the header, or the payload exceeds 65,535 octets.
    pub fn emit(&self, payload_len: usize, buffer: &mut [u8]) -> Result<usize, NoRoom> {
        let length = u16::try_from(payload_len).map_err(|_| NoRoom)?;
        let head = buffer.first_chunk_mut::<HEADER_LEN>().ok_or(NoRoom)?;
        let word = 6 << 28 | u32::from(self.traffic_class) << 20 | self.flow_label & 0xf_ffff;
        NetworkEndian::write_u32(&mut head[0..4], word);
        NetworkEndian::write_u16(&mut head[4..6], length);
        head[6] = self.next_header.0;
        head[7] = self.hop_limit;
        head[8..24].copy_from_slice(&self.source.octets());
        head[24..40].copy_from_slice(&self.destination.octets());
        Ok(HEADER_LEN)
    }
}

#[inline]
fn address(octets: &[u8]) -> Ipv6Addr {
    Ipv6Addr::from_bits(NetworkEndian::read_u128(octets))
}

/// A fragment header (RFC 8200 §4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Fragment {
    /// Where this fragment begins, in octets: a multiple of 8, at most 65,528.
    pub offset: u16,
    /// This is not the last fragment.
    pub more: bool,
    /// Tells the fragments of one packet from those of another.
    pub identification: u32,
}

impl Fragment {
    /// Octets of a fragment header.
    pub const HEADER_LEN: usize = 8;

    /// Whether this is a whole packet after all (RFC 6946).
    #[must_use]
    pub const fn is_atomic(&self) -> bool {
        self.offset == 0 && !self.more
    }

    /// Writes a fragment header that is followed by `next_header`. Returns its length, always 8.
    ///
    /// # Errors
    ///
    /// The buffer is shorter than the header.
    pub fn emit(&self, next_header: Protocol, buffer: &mut [u8]) -> Result<usize, NoRoom> {
        let head = buffer.first_chunk_mut::<{ Self::HEADER_LEN }>().ok_or(NoRoom)?;
        head[0] = next_header.0;
        head[1] = 0;
        NetworkEndian::write_u16(&mut head[2..4], self.offset & !7 | u16::from(self.more));
        NetworkEndian::write_u32(&mut head[4..8], self.identification);
        Ok(Self::HEADER_LEN)
    }
}

/// What lies behind the extension headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Upper<'a> {
    /// What the payload is. Of a fragment that is no whole packet, what its fragment header names.
    pub protocol: Protocol,
    /// The offset of the field that says so, from the start of the IPv6 header: the pointer of a
    /// parameter problem with code 1, if nobody knows the protocol.
    pub protocol_offset: usize,
    /// All behind the last header looked at.
    pub payload: &'a [u8],
    /// The fragment header, if there was one.
    pub fragment: Option<Fragment>,
}

/// Why a packet's extension headers forbid to take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Refusal {
    /// Say nothing.
    Drop(Malformed),
    /// Answer with an ICMPv6 parameter problem.
    ParameterProblem {
        /// 0 a wrong field, 1 an unknown next header, 2 an unknown option.
        code: u8,
        /// The offset of the fault from the start of the IPv6 header, in octets.
        pointer: u32,
    },
}

impl Refusal {
    /// The fault, as counters know it.
    #[must_use]
    pub const fn malformed(self) -> Malformed {
        match self {
            Self::Drop(malformed) => malformed,
            Self::ParameterProblem { code: 0, .. } => Malformed::SourceRoute,
            Self::ParameterProblem { .. } => Malformed::BadOption,
        }
    }
}

/// Where the walk along the extension headers stands.
struct Walk<'a> {
    /// The header to look at next.
    protocol: Protocol,
    /// Where that is said.
    protocol_offset: usize,
    /// Where it begins, from the start of the IPv6 header.
    offset: usize,
    /// It and all behind it.
    rest: &'a [u8],
    multicast: bool,
}

/// Walks along the extension headers to what they carry. At most eight are looked at.
///
/// The walk ends at a fragment header, unless it is of a whole packet: what follows can be read
/// when the fragments are together, by a further call with the protocol that it names.
///
/// # Errors
///
/// A header that is cut short, out of place or one too many; a route with segments left; an option
/// that is unknown and not to be skipped.
pub fn upper_layer<'a>(
    header: &Header,
    payload: &'a [u8],
    destination_is_multicast: bool,
) -> Result<Upper<'a>, Refusal> {
    let mut walk = Walk {
        protocol: header.next_header,
        protocol_offset: NEXT_HEADER_OFFSET,
        offset: HEADER_LEN,
        rest: payload,
        multicast: destination_is_multicast,
    };
    let mut fragment = None;
    for _ in 0..EXTENSIONS_MAX {
        match walk.protocol {
            Protocol::HOP_BY_HOP => walk.hop_by_hop()?,
            Protocol::ROUTING => walk.routing()?,
            Protocol::DESTINATION_OPTIONS => walk.options()?,
            Protocol::FRAGMENT => {
                // RFC 8200 §4.5: there is one at most, and within one there can be none.
                if fragment.is_some() {
                    return Err(Refusal::Drop(Malformed::TooManyHeaders));
                }
                let found = walk.fragment()?;
                fragment = Some(found);
                if !found.is_atomic() {
                    return Ok(walk.end(fragment));
                }
            }
            _ => return Ok(walk.end(fragment)),
        }
    }
    match walk.protocol {
        Protocol::HOP_BY_HOP
        | Protocol::ROUTING
        | Protocol::DESTINATION_OPTIONS
        | Protocol::FRAGMENT => Err(Refusal::Drop(Malformed::TooManyHeaders)),
        _ => Ok(walk.end(fragment)),
    }
}

impl<'a> Walk<'a> {
    fn end(self, fragment: Option<Fragment>) -> Upper<'a> {
        Upper {
            protocol: self.protocol,
            protocol_offset: self.protocol_offset,
            payload: self.rest,
            fragment,
        }
    }

    /// Steps over a header of `length` octets and returns it.
    fn step(&mut self, length: usize) -> Result<&'a [u8], Refusal> {
        let (header, rest) =
            self.rest.split_at_checked(length).ok_or(Refusal::Drop(Malformed::Truncated))?;
        self.protocol = Protocol(header.first().copied().unwrap_or(0));
        self.protocol_offset = self.offset;
        self.offset = self.offset.wrapping_add(length);
        self.rest = rest;
        Ok(header)
    }

    /// Steps over a header that says itself how long it is.
    fn step_over(&mut self) -> Result<&'a [u8], Refusal> {
        // RFC 8200 §4.3: the field counts units of eight octets, less the first.
        let length = self.rest.get(1).map_or(0, |length| usize::from(*length));
        self.step(length.wrapping_add(1).wrapping_mul(8))
    }

    fn fragment(&mut self) -> Result<Fragment, Refusal> {
        let header = self.step(Fragment::HEADER_LEN)?;
        let header = header.first_chunk::<8>().ok_or(Refusal::Drop(Malformed::Truncated))?;
        let word = NetworkEndian::read_u16(&header[2..4]);
        Ok(Fragment {
            offset: word & !7,
            more: word & 1 != 0,
            identification: NetworkEndian::read_u32(&header[4..8]),
        })
    }

    fn hop_by_hop(&mut self) -> Result<(), Refusal> {
        // RFC 8200 §4: anywhere but in front, a zero is a next header that nobody knows.
        if self.protocol_offset != NEXT_HEADER_OFFSET {
            return Err(self.problem(1, self.protocol_offset, Malformed::BadOption));
        }
        self.options()
    }

    fn routing(&mut self) -> Result<(), Refusal> {
        let start = self.offset;
        let header = self.step_over()?;
        match header.get(3) {
            Some(0) => Ok(()),
            // RFC 8200 §4.4, RFC 5095 §3: whoever has no use for a type says so, if the packet is
            // to go further. We have use for none.
            _ => Err(self.problem(0, start.wrapping_add(2), Malformed::SourceRoute)),
        }
    }

    fn options(&mut self) -> Result<(), Refusal> {
        const PAD1: u8 = 0;
        const PADN: u8 = 1;
        const ROUTER_ALERT: u8 = 5;
        let behind = self.offset;
        let header = self.step_over()?;
        let end = behind.wrapping_add(header.len());
        let mut options = header.get(2..).unwrap_or(&[]);
        while let [kind, rest @ ..] = options {
            let offset = end.wrapping_sub(options.len());
            options = match *kind {
                PAD1 => rest,
                kind => {
                    let data = rest
                        .split_first()
                        .and_then(|(length, data)| data.get(usize::from(*length)..));
                    let data = data.ok_or(Refusal::Drop(Malformed::BadOption))?;
                    if !matches!(kind, PADN | ROUTER_ALERT) {
                        self.unknown_option(kind, offset)?;
                    }
                    data
                }
            };
        }
        Ok(())
    }

    /// RFC 8200 §4.2: the upper two bits of an option's kind say what to do if it is unknown.
    fn unknown_option(&self, kind: u8, offset: usize) -> Result<(), Refusal> {
        match (kind >> 6, self.multicast) {
            (0, _) => Ok(()),
            (2, _) | (3, false) => {
                Err(Refusal::ParameterProblem { code: 2, pointer: offset as u32 })
            }
            _ => Err(Refusal::Drop(Malformed::BadOption)),
        }
    }

    /// A parameter problem, unless the packet went to many.
    fn problem(&self, code: u8, pointer: usize, fault: Malformed) -> Refusal {
        // RFC 4443 §2.4 (e.3): only code 2 may answer a multicast.
        if self.multicast {
            Refusal::Drop(fault)
        } else {
            Refusal::ParameterProblem { code, pointer: pointer as u32 }
        }
    }
}
