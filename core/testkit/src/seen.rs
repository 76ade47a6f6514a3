//! A TCP segment as somebody sees it who stands at the link and belongs to neither side.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use hikyaku::seq::SeqNum;
use hikyaku::wire::tcp::{Flags, Header, verify};
use hikyaku::wire::tcp_options::{Options, SACK_BLOCKS_MAX, SackBlock, Timestamps};
use hikyaku::wire::{Protocol, ipv4, ipv6};

/// A segment and where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Who sent it.
    pub source: SocketAddr,
    /// Who is to get it.
    pub destination: SocketAddr,
    /// SEG.SEQ.
    pub seq: SeqNum,
    /// SEG.ACK.
    pub ack: SeqNum,
    /// The control bits.
    pub flags: Flags,
    /// SEG.WND, not scaled.
    pub window: u16,
    /// Octets of text.
    pub text: u32,
    /// The MSS option.
    pub mss: Option<u16>,
    /// The window scale option.
    pub scale: Option<u8>,
    /// The timestamps option.
    pub stamps: Option<Timestamps>,
    /// Whether SACK is permitted.
    pub sack_permitted: bool,
    /// The blocks of the SACK option.
    pub sack: [Option<SackBlock>; SACK_BLOCKS_MAX],
    /// The urgent pointer, meant or not.
    pub urgent: u16,
}

/// The IP packet in an Ethernet frame, or the packet itself.
///
/// Test hosts have hardware addresses that begin with 0x02, groups with 0x01, 0x33 or 0xff: none
/// looks like an IP version.
#[must_use]
pub fn in_frame(frame: &[u8]) -> &[u8] {
    match frame.first().map(|octet| octet >> 4) {
        Some(4 | 6) | None => frame,
        Some(_) => frame.get(14..).unwrap_or(&[]),
    }
}

/// What an IP packet carries, in an Ethernet frame or not: addresses, protocol and payload, if it
/// is one at all.
#[must_use]
pub fn payload(packet: &[u8]) -> Option<(IpAddr, IpAddr, Protocol, &[u8])> {
    let packet = in_frame(packet);
    if packet.first()? >> 4 == 4 {
        let (header, payload) = ipv4::Header::parse(packet).ok()?;
        return Some((header.source.into(), header.destination.into(), header.protocol, payload));
    }
    let (header, payload) = ipv6::Header::parse(packet).ok()?;
    Some((header.source.into(), header.destination.into(), header.next_header, payload))
}

impl Seen {
    /// The segment in an IP packet; `None` if it is anything else, or damaged.
    #[must_use]
    pub fn in_packet(packet: &[u8]) -> Option<Self> {
        let (source, destination, protocol, segment) = payload(packet)?;
        if protocol != Protocol::TCP || !verify(segment, source, destination) {
            return None;
        }
        let (header, text) = Header::parse(segment).ok()?;
        let options = Options::parse(header.options);
        Some(Self {
            source: SocketAddr::new(source, header.source_port),
            destination: SocketAddr::new(destination, header.destination_port),
            seq: header.seq,
            ack: header.ack,
            flags: header.flags,
            window: header.window,
            text: text.len() as u32,
            mss: options.mss,
            scale: options.window_scale,
            stamps: options.timestamps,
            sack_permitted: options.sack_permitted,
            sack: std::array::from_fn(|at| options.sack.get(at).copied()),
            urgent: header.urgent,
        })
    }

    /// Whether any of these flags is set.
    #[must_use]
    pub fn has(&self, flags: Flags) -> bool {
        self.flags.intersects(flags)
    }

    /// The sequence number behind text, SYN and FIN.
    #[must_use]
    pub fn end(&self) -> SeqNum {
        let controls = u32::from(self.has(Flags::SYN)) + u32::from(self.has(Flags::FIN));
        self.seq + (self.text + controls)
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {} {:?}", self.source, self.destination, self.flags)?;
        write!(f, " seq {} len {}", self.seq.raw(), self.text)?;
        if self.has(Flags::ACK) {
            write!(f, " ack {}", self.ack.raw())?;
        }
        write!(f, " win {}", self.window)?;
        if let Some(mss) = self.mss {
            write!(f, " mss {mss}")?;
        }
        if let Some(scale) = self.scale {
            write!(f, " wscale {scale}")?;
        }
        if self.sack_permitted {
            write!(f, " sackok")?;
        }
        if let Some(Timestamps { value, echo }) = self.stamps {
            write!(f, " ts {value} {echo}")?;
        }
        for SackBlock { left, right } in self.sack.iter().flatten() {
            write!(f, " sack {}:{}", left.raw(), right.raw())?;
        }
        if self.has(Flags::URG) { write!(f, " urg {}", self.urgent) } else { Ok(()) }
    }
}
