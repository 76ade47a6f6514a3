//! Packets made by hand, right in all respects but those that a test wants to be wrong.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hikyaku::seq::SeqNum;
use hikyaku::wire::checksum::{Sum, pseudo_header};
use hikyaku::wire::tcp::{CHECKSUM_OFFSET, Flags};
use hikyaku::wire::tcp_options::Options;
use hikyaku::wire::{Protocol, ipv4, ipv6, udp};

/// An IP packet around a payload.
#[must_use]
pub fn ip(source: IpAddr, destination: IpAddr, protocol: Protocol, payload: &[u8]) -> Vec<u8> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let header = ipv4::Header {
                traffic_class: 0,
                identification: 1,
                dont_fragment: true,
                more_fragments: false,
                fragment_offset: 0,
                hop_limit: 64,
                protocol,
                source,
                destination,
                options: &[],
            };
            let mut packet = vec![0; header.header_len()];
            header.emit(payload.len(), &mut packet).expect("room for the header");
            packet.extend_from_slice(payload);
            packet
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let header = ipv6::Header {
                traffic_class: 0,
                flow_label: 0,
                next_header: protocol,
                hop_limit: 64,
                source,
                destination,
            };
            let mut packet = vec![0; ipv6::HEADER_LEN];
            header.emit(payload.len(), &mut packet).expect("room for the header");
            packet.extend_from_slice(payload);
            packet
        }
        _ => panic!("{source} and {destination} are of different families"),
    }
}

/// Puts options between the header of an IPv4 packet and its payload, as they are.
#[must_use]
pub fn with_ipv4_options(packet: &[u8], options: &[u8]) -> Vec<u8> {
    assert!(options.len().is_multiple_of(4) && options.len() <= 40 && packet[0] == 0x45);
    let mut longer = packet[..20].to_vec();
    longer.extend_from_slice(options);
    longer.extend_from_slice(&packet[20..]);
    longer[0] = 0x45 + (options.len() / 4) as u8;
    let total = longer.len() as u16;
    longer[2..4].copy_from_slice(&total.to_be_bytes());
    with_ipv4_checksum(longer)
}

/// Makes the header checksum of an IPv4 packet right again.
#[must_use]
pub fn with_ipv4_checksum(mut packet: Vec<u8>) -> Vec<u8> {
    packet[10..12].fill(0);
    let len = (usize::from(packet[0] & 0xf) * 4).min(packet.len());
    let mut sum = Sum::ZERO;
    sum.add_bytes(&packet[..len]);
    packet[10..12].copy_from_slice(&sum.finish().to_be_bytes());
    packet
}

/// A TCP segment to be.
#[derive(Debug, Clone)]
pub struct Tcp {
    /// The sender.
    pub source: SocketAddr,
    /// The receiver.
    pub destination: SocketAddr,
    /// SEG.SEQ.
    pub seq: SeqNum,
    /// SEG.ACK.
    pub ack: SeqNum,
    /// The control bits.
    pub flags: Flags,
    /// SEG.WND.
    pub window: u16,
    /// The urgent pointer.
    pub urgent: u16,
    /// Options, octet by octet; filled up with zeros to a multiple of four.
    pub options: Vec<u8>,
    /// Another data offset than the right one.
    pub data_offset: Option<u8>,
    /// The text.
    pub text: Vec<u8>,
}

/// The octets of a segment's options.
#[must_use]
pub fn options(options: &Options) -> Vec<u8> {
    let mut octets = vec![0; options.emitted_len()];
    options.emit(&mut octets).expect("room for the options");
    octets
}

impl Tcp {
    /// A SYN.
    #[must_use]
    pub fn syn(source: SocketAddr, destination: SocketAddr, seq: u32) -> Self {
        Self {
            source,
            destination,
            seq: SeqNum::new(seq),
            ack: SeqNum::ZERO,
            flags: Flags::SYN,
            window: 65_535,
            urgent: 0,
            options: Vec::new(),
            data_offset: None,
            text: Vec::new(),
        }
    }

    /// The segment, its checksum right.
    #[must_use]
    pub fn segment(&self) -> Vec<u8> {
        let mut options = self.options.clone();
        options.resize(options.len().next_multiple_of(4), 0);
        let offset = self.data_offset.unwrap_or(5 + (options.len() / 4) as u8);
        let mut segment = Vec::new();
        segment.extend_from_slice(&self.source.port().to_be_bytes());
        segment.extend_from_slice(&self.destination.port().to_be_bytes());
        segment.extend_from_slice(&self.seq.raw().to_be_bytes());
        segment.extend_from_slice(&self.ack.raw().to_be_bytes());
        segment.extend_from_slice(&(u16::from(offset) << 12 | self.flags.bits()).to_be_bytes());
        segment.extend_from_slice(&self.window.to_be_bytes());
        segment.extend_from_slice(&[0, 0]);
        segment.extend_from_slice(&self.urgent.to_be_bytes());
        segment.extend_from_slice(&options);
        segment.extend_from_slice(&self.text);
        let (source, destination) = (self.source.ip(), self.destination.ip());
        put_checksum(&mut segment, source, destination, Protocol::TCP, CHECKSUM_OFFSET);
        segment
    }

    /// The segment in an IP packet.
    #[must_use]
    pub fn packet(&self) -> Vec<u8> {
        ip(self.source.ip(), self.destination.ip(), Protocol::TCP, &self.segment())
    }
}

/// A UDP datagram in an IP packet, with this length field and a checksum over what it covers.
#[must_use]
pub fn udp(source: SocketAddr, destination: SocketAddr, length: u16, text: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    datagram.extend_from_slice(&source.port().to_be_bytes());
    datagram.extend_from_slice(&destination.port().to_be_bytes());
    datagram.extend_from_slice(&length.to_be_bytes());
    datagram.extend_from_slice(&[0, 0]);
    datagram.extend_from_slice(text);
    let covered = usize::from(length).clamp(8, datagram.len());
    let (from, to) = (source.ip(), destination.ip());
    let mut sum = pseudo_header(from, to, Protocol::UDP, u32::from(length));
    sum.add_bytes(&datagram[..covered]);
    datagram[6..8].copy_from_slice(&udp::on_wire(sum.finish()).to_be_bytes());
    ip(from, to, Protocol::UDP, &datagram)
}

/// An ICMP or ICMPv6 message in an IP packet, its checksum right.
#[must_use]
pub fn icmp(source: IpAddr, destination: IpAddr, message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    let protocol = if source.is_ipv4() { Protocol::ICMP } else { Protocol::ICMPV6 };
    if let Some(field) = message.get_mut(2..4) {
        field.fill(0);
        if source.is_ipv4() {
            let mut sum = Sum::ZERO;
            sum.add_bytes(&message);
            message[2..4].copy_from_slice(&sum.finish().to_be_bytes());
        } else {
            put_checksum(&mut message, source, destination, protocol, 2);
        }
    }
    ip(source, destination, protocol, &message)
}

/// The message of a router before a link that takes `mtu` bytes: `packet` is longer and must not be
/// fragmented (RFC 1191 §4, RFC 4443 §3.2). The MTU field holds what `claimed` says.
#[must_use]
pub fn too_big(packet: &[u8], claimed: u32) -> Vec<u8> {
    let (source, _, _, _) = crate::seen::payload(packet).expect("an IP packet");
    let (router, kind, code, quoted) = match source {
        IpAddr::V4(_) => (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 254)), 3, 4, 28),
        IpAddr::V6(_) => {
            (IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0xfe)), 2, 0, 1280 - 48)
        }
    };
    let mut message = vec![kind, code, 0, 0];
    message.extend_from_slice(&claimed.to_be_bytes());
    message.extend_from_slice(&packet[..packet.len().min(quoted)]);
    icmp(router, source, &message)
}

/// An echo request.
#[must_use]
pub fn ping(source: IpAddr, destination: IpAddr, data: &[u8]) -> Vec<u8> {
    let kind = if source.is_ipv4() { 8 } else { 128 };
    let mut message = vec![kind, 0, 0, 0, 0x12, 0x34, 0, 1];
    message.extend_from_slice(data);
    icmp(source, destination, &message)
}

/// Writes the checksum over a pseudo header and `bytes` at `place`.
pub fn put_checksum(
    bytes: &mut [u8],
    source: IpAddr,
    destination: IpAddr,
    protocol: Protocol,
    place: usize,
) {
    bytes[place..place + 2].fill(0);
    let mut sum = pseudo_header(source, destination, protocol, bytes.len() as u32);
    sum.add_bytes(bytes);
    bytes[place..place + 2].copy_from_slice(&sum.finish().to_be_bytes());
}
