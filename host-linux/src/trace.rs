//! A line a packet on stderr, as tcpdump prints it with `-n`. Nothing here changes a packet.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use hikyaku::wire::ethernet::{self, EtherType};
use hikyaku::wire::{Malformed, Protocol, arp, icmpv4, icmpv6, ipv4, ipv6, tcp, udp};

use crate::tun::Layer;

/// Flows remembered for relative numbers; beyond that all are forgotten, and numbers are absolute.
const FLOWS_MAX: usize = 4096;

/// Prints packets; remembers where each direction of a flow began.
#[derive(Debug)]
pub(crate) struct Trace {
    layer: Layer,
    starts: HashMap<(SocketAddr, SocketAddr), u32>,
}

impl Trace {
    /// Nothing seen yet.
    pub(crate) fn new(layer: Layer) -> Self {
        Self { layer, starts: HashMap::new() }
    }

    /// Prints one packet, or what is in one frame.
    pub(crate) fn packet(&mut self, packet: &[u8], lost: bool) {
        let line = self.line(packet);
        let lost = if lost { " (lost on purpose)" } else { "" };
        let _ = writeln!(std::io::stderr().lock(), "{} {line}{lost}", time_of_day());
    }

    /// The packet in tcpdump's words, without the time.
    fn line(&mut self, packet: &[u8]) -> String {
        match self.layer {
            Layer::Packets => self.ip(packet),
            Layer::Frames => self.frame(packet),
        }
    }

    fn frame(&mut self, frame: &[u8]) -> String {
        let Ok((header, packet)) = ethernet::Header::parse(frame) else {
            return format!("frame malformed (truncated), length {}", frame.len());
        };
        match header.kind {
            EtherType::IPV4 | EtherType::IPV6 => self.ip(packet),
            EtherType::ARP => match arp::Packet::parse(packet) {
                Ok(packet) => arp(&packet),
                Err(malformed) => format!("ARP malformed ({})", malformed.reason().text()),
            },
            EtherType(kind) => format!("ethertype 0x{kind:04x}, length {}", packet.len()),
        }
    }

    fn ip(&mut self, packet: &[u8]) -> String {
        let described = match packet.first().map(|octet| octet >> 4) {
            Some(4) => self.ipv4(packet),
            Some(6) => self.ipv6(packet),
            _ => Err(Malformed::BadVersion),
        };
        described.unwrap_or_else(|malformed| {
            format!("IP malformed ({}), length {}", malformed.reason().text(), packet.len())
        })
    }

    fn ipv4(&mut self, packet: &[u8]) -> Result<String, Malformed> {
        let (header, payload) = ipv4::Header::parse(packet)?;
        let (source, destination) = (header.source.into(), header.destination.into());
        if header.is_fragment() {
            let (id, offset) = (header.identification, header.fragment_offset);
            let length = payload.len();
            return Ok(format!("IP {source} > {destination}: frag ({id}:{length}@{offset})"));
        }
        Ok(match header.protocol {
            Protocol::ICMP => format!("IP {source} > {destination}: ICMP {}", icmp_4(payload)),
            protocol => self.upper("IP", protocol, source, destination, payload),
        })
    }

    fn ipv6(&mut self, packet: &[u8]) -> Result<String, Malformed> {
        let (header, payload) = ipv6::Header::parse(packet)?;
        let (from, to) = (header.source, header.destination);
        let upper = ipv6::upper_layer(&header, payload, to.is_multicast())
            .map_err(ipv6::Refusal::malformed)?;
        if upper.fragment.is_some_and(|fragment| !fragment.is_atomic()) {
            return Ok(format!("IP6 {from} > {to}: frag, length {}", upper.payload.len()));
        }
        Ok(match upper.protocol {
            Protocol::ICMPV6 => {
                let text = match icmpv6::Message::parse(upper.payload, from, to) {
                    Ok(message) => icmp_6(&message),
                    Err(malformed) => malformed.reason().text().to_owned(),
                };
                format!("IP6 {from} > {to}: ICMP6, {text}, length {}", upper.payload.len())
            }
            protocol => self.upper("IP6", protocol, from.into(), to.into(), upper.payload),
        })
    }

    fn upper(
        &mut self,
        name: &str,
        protocol: Protocol,
        source: IpAddr,
        destination: IpAddr,
        payload: &[u8],
    ) -> String {
        let described = match protocol {
            Protocol::TCP => self.tcp(source, destination, payload),
            Protocol::UDP => {
                udp::parse(payload, source, destination, true).map(|(header, data)| {
                    let from = dotted(source, header.source_port);
                    let to = dotted(destination, header.destination_port);
                    format!("{from} > {to}: UDP, length {}", data.len())
                })
            }
            Protocol(other) => {
                let length = payload.len();
                Ok(format!("{source} > {destination}: ip-proto-{other}, length {length}"))
            }
        };
        match described {
            Ok(text) => format!("{name} {text}"),
            Err(malformed) => {
                format!("{name} {source} > {destination}: {}", malformed.reason().text())
            }
        }
    }

    fn tcp(
        &mut self,
        source: IpAddr,
        destination: IpAddr,
        segment: &[u8],
    ) -> Result<String, Malformed> {
        let (header, data) = tcp::Header::parse(segment)?;
        let from = SocketAddr::new(source, header.source_port);
        let to = SocketAddr::new(destination, header.destination_port);
        let syn = header.flags.contains(tcp::Flags::SYN);
        if syn {
            self.note_start((from, to), header.seq.raw(), !header.flags.contains(tcp::Flags::ACK));
        }
        // With a SYN numbers are as they are, later as distances from it.
        let start = |way| if syn { 0 } else { self.starts.get(&way).copied().unwrap_or(0) };
        let seq = header.seq.raw().wrapping_sub(start((from, to)));
        let mut line = format!(
            "{} > {}: Flags [{}]",
            dotted(source, header.source_port),
            dotted(destination, header.destination_port),
            flags(header.flags)
        );
        let marks = tcp::Flags::SYN.with(tcp::Flags::FIN).with(tcp::Flags::RST);
        if !data.is_empty() {
            let end = seq.wrapping_add(data.len() as u32);
            let _ = write!(line, ", seq {seq}:{end}");
        } else if header.flags.intersects(marks) {
            let _ = write!(line, ", seq {seq}");
        }
        if header.flags.contains(tcp::Flags::ACK) {
            let ack = header.ack.raw().wrapping_sub(start((to, from)));
            let _ = write!(line, ", ack {ack}");
        }
        let _ = write!(line, ", win {}", header.window);
        if header.flags.contains(tcp::Flags::URG) {
            let _ = write!(line, ", urg {}", header.urgent);
        }
        if !header.options.is_empty() {
            let _ = write!(line, ", options [{}]", options(header.options, start((to, from))));
        }
        let _ = write!(line, ", length {}", data.len());
        if !tcp::verify(segment, source, destination) {
            line.push_str(" (bad checksum)");
        }
        Ok(line)
    }

    fn note_start(&mut self, way: (SocketAddr, SocketAddr), seq: u32, first: bool) {
        if self.starts.len() >= FLOWS_MAX {
            self.starts.clear();
        }
        if first {
            self.starts.remove(&(way.1, way.0));
        }
        self.starts.insert(way, seq);
    }
}

fn arp(packet: &arp::Packet) -> String {
    let arp::Packet { sender, target, sender_hardware, .. } = packet;
    let text = if packet.operation == arp::REQUEST {
        format!("Request who-has {target} tell {sender}")
    } else {
        format!("Reply {sender} is-at {sender_hardware}")
    };
    format!("ARP, {text}, length {}", arp::PACKET_LEN)
}

/// Address and port with tcpdump's dot between them.
fn dotted(address: IpAddr, port: u16) -> String {
    format!("{address}.{port}")
}

fn flags(flags: tcp::Flags) -> String {
    let letters = [
        (tcp::Flags::FIN, 'F'),
        (tcp::Flags::SYN, 'S'),
        (tcp::Flags::RST, 'R'),
        (tcp::Flags::PSH, 'P'),
        (tcp::Flags::ACK, '.'),
        (tcp::Flags::URG, 'U'),
        (tcp::Flags::ECE, 'E'),
        (tcp::Flags::CWR, 'W'),
        (tcp::Flags::AE, 'e'),
    ];
    let text: String = letters
        .iter()
        .filter(|(flag, _)| flags.contains(*flag))
        .map(|(_, letter)| letter)
        .collect();
    if text.is_empty() { "none".to_owned() } else { text }
}

/// The options in the order in which they stand; `start` is what SACK blocks are counted from.
fn options(mut rest: &[u8], start: u32) -> String {
    let mut words = Vec::new();
    while let Some((&kind, behind)) = rest.split_first() {
        let (word, next) = match kind {
            0 => ("eol".to_owned(), &[][..]),
            1 => ("nop".to_owned(), behind),
            _ => {
                let length = behind.first().map_or(0, |length| usize::from(*length));
                let Some(body) = rest.get(2..length) else {
                    words.push("bad opt".to_owned());
                    break;
                };
                (option(kind, body, start), rest.get(length..).unwrap_or(&[]))
            }
        };
        words.push(word);
        rest = next;
    }
    words.join(",")
}

fn option(kind: u8, body: &[u8], start: u32) -> String {
    match (kind, body) {
        (2, [high, low]) => format!("mss {}", u16::from_be_bytes([*high, *low])),
        (3, [shift]) => format!("wscale {shift}"),
        (4, []) => "sackOK".to_owned(),
        (5, blocks) if blocks.len() % 8 == 0 => {
            let edge = |octets: &[u8]| word(octets).wrapping_sub(start);
            let blocks: Vec<String> = blocks
                .chunks_exact(8)
                .map(|block| format!("{{{}:{}}}", edge(&block[..4]), edge(&block[4..])))
                .collect();
            format!("sack {} {}", blocks.len(), blocks.concat())
        }
        (8, body) if body.len() == 8 => {
            format!("TS val {} ecr {}", word(&body[..4]), word(&body[4..]))
        }
        _ => {
            let hex: String = body.iter().map(|octet| format!("{octet:02x}")).collect();
            format!("unknown-{kind} 0x{hex}")
        }
    }
}

fn word(octets: &[u8]) -> u32 {
    octets.iter().fold(0, |word, octet| word << 8 | u32::from(*octet))
}

fn icmp_4(payload: &[u8]) -> String {
    use icmpv4::Message as M;
    let text = match icmpv4::Message::parse(payload) {
        Ok(M::EchoRequest { identifier, sequence, .. }) => {
            format!("echo request, id {identifier}, seq {sequence}")
        }
        Ok(M::EchoReply { identifier, sequence, .. }) => {
            format!("echo reply, id {identifier}, seq {sequence}")
        }
        Ok(M::DestinationUnreachable { code: 3, quote, .. }) => match quoted_target(quote) {
            Some((to, port)) => format!("{to} udp port {port} unreachable"),
            None => "port unreachable".to_owned(),
        },
        Ok(M::DestinationUnreachable { code: 4, parameter, .. }) => {
            format!("unreachable - need to frag (mtu {})", parameter & 0xffff)
        }
        Ok(M::DestinationUnreachable { code, .. }) => format!("unreachable - #{code}"),
        Ok(M::TimeExceeded { .. }) => "time exceeded in-transit".to_owned(),
        Ok(M::ParameterProblem { .. }) => "parameter problem".to_owned(),
        Ok(M::Other { kind, code, .. }) => format!("type-#{kind}, code {code}"),
        Err(malformed) => malformed.reason().text().to_owned(),
    };
    format!("{text}, length {}", payload.len())
}

/// Whom a quoted UDP packet was meant for.
fn quoted_target(quote: &[u8]) -> Option<(IpAddr, u16)> {
    let (header, payload) = ipv4::Header::parse_quoted(quote).ok()?;
    let port = payload.get(2..4)?;
    Some((header.destination.into(), word(port) as u16))
}

fn icmp_6(message: &icmpv6::Message<'_>) -> String {
    use icmpv6::Message as M;
    match *message {
        M::EchoRequest { identifier, sequence, .. } => {
            format!("echo request, id {identifier}, seq {sequence}")
        }
        M::EchoReply { identifier, sequence, .. } => {
            format!("echo reply, id {identifier}, seq {sequence}")
        }
        M::DestinationUnreachable { code: 4, .. } => "destination unreachable, port".to_owned(),
        M::DestinationUnreachable { code, .. } => format!("destination unreachable, code {code}"),
        M::PacketTooBig { mtu, .. } => format!("packet too big, mtu {mtu}"),
        M::TimeExceeded { .. } => "time exceeded in-transit".to_owned(),
        M::ParameterProblem { pointer, .. } => format!("parameter problem, octet {pointer}"),
        M::Other { kind: 133, .. } => "router solicitation".to_owned(),
        M::Other { kind: 134, .. } => "router advertisement".to_owned(),
        M::Other { kind: 135, .. } => "neighbor solicitation".to_owned(),
        M::Other { kind: 136, .. } => "neighbor advertisement".to_owned(),
        M::Other { kind: 143, .. } => "multicast listener report v2".to_owned(),
        M::Other { kind, .. } => format!("type-#{kind}"),
    }
}

/// The local time of day with microseconds.
fn time_of_day() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs() as libc::time_t;
    // SAFETY: zeroes are a value of the plain struct, and both pointers live through the call.
    let time = unsafe {
        let mut time: libc::tm = std::mem::zeroed();
        libc::localtime_r(&raw const seconds, &raw mut time);
        time
    };
    let micros = since.subsec_micros();
    format!("{:02}:{:02}:{:02}.{micros:06}", time.tm_hour, time.tm_min, time.tm_sec)
}

#[cfg(test)]
mod tests;
