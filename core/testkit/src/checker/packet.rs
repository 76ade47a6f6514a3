//! A packet as the checker reads it, by a parser of its own: what the stack emits is not judged by
//! what the stack parses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

pub(super) const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
pub(super) const ACK: u8 = 0x10;

const TCP: u8 = 6;
/// Four blocks fill all the room that there is for options.
const BLOCKS_MAX: usize = 4;

/// The options of a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) mss: Option<u16>,
    pub(super) scale: Option<u8>,
    pub(super) may_sack: bool,
    /// TSval and TSecr.
    pub(super) stamps: Option<(u32, u32)>,
    /// Left and right edges.
    pub(super) sack: [Option<(u32, u32)>; BLOCKS_MAX],
    /// Octets of all of them, padding included.
    pub(super) len: u32,
}

/// A segment and what it carries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment<'p> {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
    pub(super) window: u16,
    pub(super) options: Options,
    pub(super) text: &'p [u8],
}

impl Segment<'_> {
    pub(super) fn has(&self, flags: u8) -> bool {
        self.flags & flags != 0
    }

    pub(super) fn len(&self) -> u32 {
        self.text.len() as u32
    }

    /// The sequence number behind text, SYN and FIN.
    pub(super) fn end(&self) -> u32 {
        let controls = u32::from(self.has(SYN)) + u32::from(self.has(FIN));
        self.seq.wrapping_add(self.len() + controls)
    }
}

fn be16(octets: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([octets[at], octets[at + 1]])
}

fn be32(octets: &[u8], at: usize) -> u32 {
    u32::from(be16(octets, at)) << 16 | u32::from(be16(octets, at + 2))
}

/// The sum of RFC 1071 over `octets`, not folded.
fn sum(octets: &[u8]) -> u64 {
    let (words, rest) = octets.as_chunks::<4>();
    let whole: u64 = words.iter().map(|word| u64::from(u32::from_be_bytes(*word))).sum();
    let last = rest.iter().enumerate().map(|(at, octet)| u64::from(*octet) << (24 - 8 * at));
    whole + last.sum::<u64>()
}

fn is_right(mut sum: u64) -> bool {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum == 0xffff
}

/// Reads what a host has sent. `Ok(None)` where it is no TCP.
///
/// # Errors
///
/// The packet is malformed, or a checksum is wrong; which it is.
pub(super) fn read(packet: &[u8]) -> Result<Option<Segment<'_>>, &'static str> {
    let packet = crate::seen::in_frame(packet);
    let (source, destination, protocol, payload) = match packet.first().map(|first| first >> 4) {
        Some(4) => read_v4(packet)?,
        Some(6) => read_v6(packet)?,
        _ => return Err("no IP version"),
    };
    if protocol != TCP {
        return Ok(None);
    }
    let addresses = |address: IpAddr| match address {
        IpAddr::V4(address) => sum(&address.octets()),
        IpAddr::V6(address) => sum(&address.octets()),
    };
    let pseudo = addresses(source) + addresses(destination) + u64::from(TCP) + payload.len() as u64;
    if !is_right(pseudo + sum(payload)) {
        return Err("the checksum of TCP is wrong");
    }
    read_tcp(source, destination, payload).map(Some)
}

type Payload<'p> = (IpAddr, IpAddr, u8, &'p [u8]);

fn read_v4(packet: &[u8]) -> Result<Payload<'_>, &'static str> {
    let header = usize::from(packet[0] & 15) * 4;
    if packet.len() < 20 || header < 20 || usize::from(be16(packet, 2)) != packet.len() {
        return Err("a length of IPv4 is wrong");
    }
    if !is_right(sum(&packet[..header])) {
        return Err("the checksum of IPv4 is wrong");
    }
    // RFC 791: no fragments, and the flag that is reserved is zero.
    if be16(packet, 6) & 0xbfff != 0 || packet[8] == 0 {
        return Err("a fragment, or no time to live");
    }
    let address = |at| IpAddr::V4(Ipv4Addr::from(be32(packet, at)));
    Ok((address(12), address(16), packet[9], &packet[header..]))
}

fn read_v6(packet: &[u8]) -> Result<Payload<'_>, &'static str> {
    if packet.len() < 40 || usize::from(be16(packet, 4)) != packet.len() - 40 {
        return Err("a length of IPv6 is wrong");
    }
    let address = |at: usize| {
        let octets: [u8; 16] = std::array::from_fn(|n| packet[at + n]);
        IpAddr::V6(Ipv6Addr::from(octets))
    };
    Ok((address(8), address(24), packet[6], &packet[40..]))
}

fn read_tcp(
    source: IpAddr,
    destination: IpAddr,
    segment: &[u8],
) -> Result<Segment<'_>, &'static str> {
    if segment.len() < 20 {
        return Err("a segment shorter than its header");
    }
    let header = usize::from(segment[12] >> 4) * 4;
    if header < 20 || header > segment.len() {
        return Err("a data offset that cannot be");
    }
    // RFC 9293 §3.1: what is reserved is zero; nobody here has agreed upon ECN.
    if segment[12] & 15 != 0 || segment[13] & 0xc0 != 0 {
        return Err("control bits that were not agreed upon");
    }
    Ok(Segment {
        source: SocketAddr::new(source, be16(segment, 0)),
        destination: SocketAddr::new(destination, be16(segment, 2)),
        seq: be32(segment, 4),
        ack: be32(segment, 8),
        flags: segment[13],
        window: be16(segment, 14),
        options: read_options(&segment[20..header])?,
        text: &segment[header..],
    })
}

fn read_options(mut octets: &[u8]) -> Result<Options, &'static str> {
    let mut options = Options { len: octets.len() as u32, ..Options::default() };
    while let [kind, rest @ ..] = octets {
        if *kind == 0 {
            // RFC 9293 §3.1: behind the end of the list there are zeros.
            return if rest.iter().all(|pad| *pad == 0) { Ok(options) } else { Err("a padding") };
        }
        if *kind == 1 {
            octets = rest;
            continue;
        }
        let len = rest.first().map_or(0, |len| usize::from(*len));
        if len < 2 || len > octets.len() {
            return Err("the length of an option is wrong");
        }
        let (option, after) = octets.split_at(len);
        octets = after;
        match (kind, len) {
            (2, 4) => options.mss = Some(be16(option, 2)),
            (3, 3) => options.scale = Some(option[2]),
            (4, 2) => options.may_sack = true,
            (5, 10 | 18 | 26 | 34) => {
                for (at, block) in options.sack.iter_mut().enumerate().take((len - 2) / 8) {
                    *block = Some((be32(option, 2 + 8 * at), be32(option, 6 + 8 * at)));
                }
            }
            (8, 10) => options.stamps = Some((be32(option, 2), be32(option, 6))),
            _ => return Err("an option that is unknown or of a wrong length"),
        }
    }
    Ok(options)
}
