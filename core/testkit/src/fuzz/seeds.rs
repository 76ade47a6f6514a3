//! The seeds that are written here rather than captured: good packets, and one or more for each
//! security case of the wire.
//!
//! `core/tests/fuzz_corpora.rs` keeps the files in `fuzz/corpus` equal to these. Files there that
//! have no entry here are captures or findings, and stay.

#[cfg(feature = "ipv6")]
use core::net::Ipv6Addr;
use core::net::{IpAddr, Ipv4Addr};
use hikyaku::seq::SeqNum;
use hikyaku::wire::checksum::{Sum, pseudo_header};
use hikyaku::wire::tcp::{self, Flags};
use hikyaku::wire::tcp_options::{Options, SackBlock, Timestamps};
use hikyaku::wire::{Protocol, icmpv4, ipv4, udp};
#[cfg(feature = "ipv6")]
use hikyaku::wire::{icmpv6, ipv6};

/// One file of a corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// The target, which names the folder.
    pub target: &'static str,
    /// The name of the file.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

const KERNEL: Ipv4Addr = Ipv4Addr::new(192, 168, 69, 1);
const OURS: Ipv4Addr = Ipv4Addr::new(192, 168, 69, 2);
#[cfg(feature = "ipv6")]
const KERNEL6: Ipv6Addr = Ipv6Addr::new(0xfd69, 0, 0, 0, 0, 0, 0, 1);
#[cfg(feature = "ipv6")]
const OURS6: Ipv6Addr = Ipv6Addr::new(0xfd69, 0, 0, 0, 0, 0, 0, 2);

/// Every seed of this build.
#[must_use]
pub fn all() -> Vec<Seed> {
    let mut seeds = Seeds::default();
    seeds.ipv4_good();
    seeds.ipv4_cases();
    #[cfg(feature = "ipv6")]
    {
        seeds.ipv6_good();
        seeds.ipv6_cases();
    }
    seeds.icmp();
    #[cfg(all(feature = "ipv6", feature = "dhcp"))]
    seeds.dhcp();
    seeds.tcp_header();
    seeds.tcp_options();
    #[cfg(all(feature = "ipv6", feature = "udp"))]
    seeds.0.extend(super::stack_seeds::all());
    #[cfg(all(feature = "ethernet", feature = "ipv6", feature = "udp"))]
    seeds.0.extend(super::ethernet_seeds::all());
    seeds.0
}

#[derive(Default)]
struct Seeds(Vec<Seed>);

impl Seeds {
    fn add(&mut self, target: &'static str, name: &str, bytes: impl Into<Vec<u8>>) {
        self.0.push(Seed { target, name: name.to_string(), bytes: bytes.into() });
    }

    /// Replies as servers send them, and as they must not.
    #[cfg(all(feature = "ipv6", feature = "dhcp"))]
    fn dhcp(&mut self) {
        let mut head = vec![0; 236];
        head[..3].copy_from_slice(&[2, 1, 6]);
        head[16..20].copy_from_slice(&OURS.octets());
        head.extend([99, 130, 83, 99]);
        let [a, b, c, d] = KERNEL.octets();
        let lease = [51, 4, 0, 0, 0, 120];
        let full: &[&[u8]] = &[
            &[53, 1, 2, 54, 4, a, b, c, d],
            &lease,
            &[58, 4, 0, 0, 0, 60, 59, 4, 0, 0, 0, 105],
            &[1, 4, 255, 255, 255, 0, 3, 4, a, b, c, d],
            &[6, 8, 9, 9, 9, 9, 8, 8, 8, 8, 26, 2, 5, 220, 255],
        ];
        self.add("dhcp", "offer-and-ack", [&head[..], &full.concat()].concat());
        let nak = [53, 1, 6, 54, 4, a, b, c, d, 56, 2, b'n', b'o', 255];
        self.add("dhcp", "nak", [&head[..], &nak].concat());
        let forever = [53, 1, 2, 54, 4, a, b, c, d, 51, 4, 255, 255, 255, 255, 255];
        self.add("dhcp", "lease-without-end", [&head[..], &forever].concat());
        let mut spread = head.clone();
        spread[108..115].copy_from_slice(&[&lease[..], &[255]].concat());
        spread[44..51].copy_from_slice(&[54, 4, a, b, c, d, 255]);
        spread.extend([53, 1, 2, 52, 1, 3, 255]);
        self.add("dhcp", "overload", spread);
        let over: &[&[u8]] = &[&[53, 1, 2, 54, 4, a, b, c, d], &lease, &[12, 200, b'x']];
        self.add("dhcp", "option-over-the-end", [&head[..], &over.concat()].concat());
    }

    fn ipv4_good(&mut self) {
        for (name, segment) in segments(KERNEL.into(), OURS.into()) {
            self.add("ipv4", name, v4(Protocol::TCP, &segment));
        }
        let ping = v4(Protocol::ICMP, &echo(icmpv4::ECHO_REQUEST));
        self.add("ipv4", "udp", v4(Protocol::UDP, &datagram(KERNEL.into(), OURS.into())));
        self.add("ipv4", "router-alert", v4_with(&[148, 4, 0, 0], Protocol::ICMP, b"", 0));
        self.add("ipv4", "fragment-first", v4_with(&[], Protocol::UDP, &[7; 24], 0x2000));
        self.add("ipv4", "fragment-last", v4_with(&[], Protocol::UDP, &[7; 9], 3));
        self.add("ipv4", "echo-request", ping);
    }

    fn ipv4_cases(&mut self) {
        let good = v4(Protocol::TCP, &segments(KERNEL.into(), OURS.into())[0].1);
        let with = |at: usize, octet: u8| {
            let mut packet = good.clone();
            packet[at] = octet;
            seal_v4(packet)
        };
        self.add("ipv4", "SEC-01-header-length-4", with(0, 0x44));
        self.add("ipv4", "SEC-01-header-beyond-packet", with(0, 0x4f)[..40].to_vec());
        self.add("ipv4", "SEC-01-version-5", with(0, 0x55));
        self.add("ipv4", "SEC-01-total-below-header", with(3, 19));
        self.add("ipv4", "SEC-01-total-beyond-received", with(2, 1));
        let surplus = [&v4(Protocol::ICMP, &echo(icmpv4::ECHO_REQUEST))[..], b"secret"].concat();
        self.add("ipv4", "SEC-02-surplus", surplus);
        let syn = &good[20..];
        self.add("ipv4", "SEC-03-tcp-cut", v4(Protocol::TCP, &syn[..19]));
        self.add("ipv4", "SEC-03-udp-cut", v4(Protocol::UDP, &syn[..7]));
        self.add("ipv4", "SEC-03-icmp-cut", v4(Protocol::ICMP, &[0; 7]));
        for (name, length) in [("7", 7), ("beyond-payload", 13), ("below-payload", 10)] {
            let mut datagram = datagram(KERNEL.into(), OURS.into());
            datagram[5] = length;
            let packet = v4(Protocol::UDP, &datagram);
            self.add("ipv4", &format!("SEC-04-udp-length-{name}"), packet);
        }
        let options: [(&str, &[u8]); 5] = [
            ("05-option-length-0", &[7, 0, 0, 0]),
            ("05-option-length-1", &[7, 1, 0, 0]),
            ("05-option-overrun", &[7, 39, 4, 0]),
            ("05-source-routes", &[131, 3, 4, 137, 3, 4, 131, 3, 4, 1, 1, 0]),
            ("06-loose-source-route", &[131, 7, 4, 10, 0, 0, 1, 0]),
        ];
        for (name, options) in options {
            self.add("ipv4", &format!("SEC-{name}"), v4_with(options, Protocol::TCP, syn, 0));
        }
        let nested = v4(Protocol::IPV4, &v4(Protocol::IPV4, &good));
        self.add("ipv4", "SEC-10-ip-in-ip", nested);
        let mut local = v4(Protocol::UDP, &datagram(KERNEL.into(), OURS.into()));
        local[12..20].copy_from_slice(&[127, 0, 0, 1, 127, 0, 0, 1]);
        self.add("ipv4", "SEC-11-looks-local-bad-checksum", local);
    }

    #[cfg(feature = "ipv6")]
    fn ipv6_good(&mut self) {
        for (name, segment) in segments(KERNEL6.into(), OURS6.into()) {
            self.add("ipv6", name, v6(Protocol::TCP, &segment));
        }
        let datagram = datagram(KERNEL6.into(), OURS6.into());
        self.add("ipv6", "udp", v6(Protocol::UDP, &datagram));
        let echo = icmpv6::Message::EchoRequest { identifier: 1, sequence: 2, data: b"hikyaku" };
        let mut message = [0; 15];
        echo.emit(&mut message, KERNEL6, OURS6).expect("room");
        self.add("ipv6", "echo-request", v6(Protocol::ICMPV6, &message));
        let chain = [
            &extension(Protocol::DESTINATION_OPTIONS, &[5, 2, 0, 0, 1, 0])[..],
            &extension(Protocol::ROUTING, &[1, 4, 0, 0, 0, 0]),
            &extension(Protocol::UDP, &[0, 0, 0, 0, 0, 0]),
            &datagram,
        ]
        .concat();
        self.add("ipv6", "extension-headers", v6(Protocol::HOP_BY_HOP, &chain));
        let fragment = [&[17, 0, 0, 1, 0, 0, 0, 9][..], &[7; 16]].concat();
        self.add("ipv6", "fragment-first", v6(Protocol::FRAGMENT, &fragment));
        let atomic = [&[17, 0, 0, 0, 0, 0, 0, 9][..], &datagram].concat();
        self.add("ipv6", "fragment-atomic", v6(Protocol::FRAGMENT, &atomic));
    }

    #[cfg(feature = "ipv6")]
    fn ipv6_cases(&mut self) {
        let datagram = datagram(KERNEL6.into(), OURS6.into());
        let options = |data: &[u8]| {
            let chain = [&extension(Protocol::UDP, data)[..], &datagram].concat();
            v6(Protocol::DESTINATION_OPTIONS, &chain)
        };
        let route = [&extension(Protocol::UDP, &[0, 1, 0, 0, 0, 0])[..], &datagram].concat();
        self.add("ipv6", "SEC-06-routing-type-0", v6(Protocol::ROUTING, &route));
        self.add("ipv6", "SEC-10-ip-in-ip", v6(Protocol::IPV6, &v6(Protocol::UDP, &datagram)));
        self.add("ipv6", "SEC-12-option-length-0", options(&[0x1e, 0, 0x1e, 0, 1, 0]));
        self.add("ipv6", "SEC-12-option-length-255", options(&[1, 255, 0, 0, 0, 0]));
        let mut long = options(&[0; 6]);
        long[41] = 255;
        self.add("ipv6", "SEC-12-header-length-255", long);
        let hundred = extension(Protocol::DESTINATION_OPTIONS, &[1, 4, 0, 0, 0, 0]).repeat(100);
        self.add("ipv6", "SEC-12-100-headers", v6(Protocol::DESTINATION_OPTIONS, &hundred));
        self.add("ipv6", "SEC-13-unknown-next-header", v6(Protocol(253), &[0; 8]));
        for (name, kind) in [("00", 0x1e), ("01", 0x5e), ("10", 0x9e), ("11", 0xde)] {
            let name = format!("SEC-13-option-action-{name}");
            self.add("ipv6", &name, options(&[kind, 4, 0, 0, 0, 0]));
        }
        let mut packet = v6(Protocol::UDP, &datagram);
        packet[5] += 1;
        self.add("ipv6", "SEC-14-payload-beyond-received", packet.clone());
        packet[5] = 0;
        self.add("ipv6", "SEC-14-payload-length-0", packet);
        let mut unsummed = datagram.clone();
        unsummed[6..8].fill(0);
        self.add("ipv6", "SEC-37-udp-checksum-0", v6(Protocol::UDP, &unsummed));
    }

    fn icmp(&mut self) {
        let quote = &v4(Protocol::TCP, &[0; 8])[..];
        let code = 3;
        let messages = [
            (
                "echo-request",
                message(&icmpv4::Message::EchoRequest {
                    identifier: 1,
                    sequence: 2,
                    data: b"hikyaku",
                }),
            ),
            ("echo-reply", echo(icmpv4::ECHO_REPLY)),
            (
                "port-unreachable",
                message(&icmpv4::Message::DestinationUnreachable { code, parameter: 0, quote }),
            ),
            (
                "too-big",
                message(&icmpv4::Message::DestinationUnreachable {
                    code: 4,
                    parameter: 1280,
                    quote,
                }),
            ),
            ("time-exceeded", message(&icmpv4::Message::TimeExceeded { code: 0, quote })),
            (
                "parameter-problem",
                message(&icmpv4::Message::ParameterProblem { code: 0, parameter: 20 << 24, quote }),
            ),
            (
                "timestamp-request",
                message(&icmpv4::Message::Other { kind: 13, code: 0, body: &[0; 16] }),
            ),
        ];
        for (name, bytes) in messages {
            self.add("icmp", name, bytes);
        }
        self.add("icmp", "SEC-03-echo-reply-cut", echo(icmpv4::ECHO_REPLY)[..7].to_vec());
    }

    fn tcp_header(&mut self) {
        let (source, destination) = (KERNEL.into(), OURS.into());
        let segments = segments(source, destination);
        let data = segments[2].1.clone();
        for (name, segment) in segments {
            self.add("tcp_header", name, segment);
        }
        let with = |at: usize, octet: u8| {
            let mut segment = data.clone();
            segment[at] = octet;
            sealed(segment, source, destination)
        };
        let all = segment(&Shape { flags: Flags::from_bits(0x1ff), ..DATA }, source, destination);
        self.add("tcp_header", "all-flags", all);
        self.add("tcp_header", "SEC-03-cut", data[..19].to_vec());
        self.add("tcp_header", "SEC-30-data-offset-4", with(12, 0x40));
        self.add("tcp_header", "SEC-30-data-offset-beyond", with(12, 0xf0)[..24].to_vec());
        for (name, options) in [("mss", &[2, 4, 2, 24][..]), ("window-scale", &[3, 3, 7, 0])] {
            let bytes = segment(&Shape { options, ..DATA }, source, destination);
            self.add("tcp_header", &format!("SEC-33-{name}-without-syn"), bytes);
        }
        let mut odd = segment(&Shape { text: b"odd", ..DATA }, source, destination);
        odd[16] ^= 1;
        self.add("tcp_header", "SEC-37-bad-checksum-odd-length", odd);
    }

    fn tcp_options(&mut self) {
        let nops = [1; 40];
        let mut sack = vec![1, 1, 5, 34];
        sack.extend((1..=32).collect::<Vec<u8>>());
        let cases: [(&str, &[u8]); 19] = [
            ("none", &[]),
            ("end", &[0, 2, 4, 5]),
            ("linux-syn", &LINUX_SYN),
            ("timestamps", &[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]),
            ("four-sack-blocks", &sack),
            ("unknown", &[254, 6, 0xf9, 0x89, 1, 2, 2, 4, 5, 180]),
            ("SEC-31-ff-00-00-00", &[0xff, 0, 0, 0]),
            ("SEC-31-length-1", &[2, 1, 5, 180]),
            ("SEC-31-overrun", &[1, 1, 8, 10, 0, 0]),
            ("SEC-31-40-nops", &nops),
            ("SEC-31-unaligned", &[1, 2, 4, 5, 180, 3, 3, 7]),
            ("SEC-32-mss-0", &[2, 4, 0, 0]),
            ("SEC-32-mss-1", &[2, 4, 0, 1]),
            ("SEC-32-mss-8", &[2, 4, 0, 8]),
            ("SEC-32-mss-40", &[2, 4, 0, 40]),
            ("SEC-32-mss-47", &[2, 4, 0, 47]),
            ("SEC-32-mss-65535", &[2, 4, 255, 255]),
            ("SEC-33-shift-15", &[1, 3, 3, 15]),
            ("SEC-33-shift-255", &[1, 3, 3, 255]),
        ];
        for (name, bytes) in cases {
            self.add("tcp_options", name, bytes);
        }
    }
}

/// What Linux puts into a SYN: MSS 1460, SACK permitted, timestamps, window scale 7.
const LINUX_SYN: [u8; 20] = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];

struct Shape<'a> {
    seq: u32,
    ack: u32,
    flags: Flags,
    options: &'a [u8],
    text: &'a [u8],
}

const DATA: Shape<'_> = Shape {
    seq: 0x1000_0001,
    ack: 0x2000_0001,
    flags: Flags::ACK.with(Flags::PSH),
    options: &[],
    text: b"GET / HTTP/1.0\r\n",
};

/// One connection, from its first segment to its last.
fn segments(source: IpAddr, destination: IpAddr) -> Vec<(&'static str, Vec<u8>)> {
    let timestamps = Some(Timestamps { value: 7, echo: 5 });
    let block = |left, right| SackBlock { left: SeqNum::new(left), right: SeqNum::new(right) };
    let mut options = Options { timestamps, ..Options::EMPTY };
    options.sack.extend([block(0x1000_0601, 0x1000_0c01), block(0x1000_1201, 0x1000_1801)]);
    let mut sack = [0; 40];
    let length = options.emit(&mut sack).expect("room for two blocks");
    let sack = &sack[..length];
    let pure = Shape { flags: Flags::ACK, text: b"", ..DATA };
    let shapes = [
        ("syn", Shape { ack: 0, flags: Flags::SYN, options: &LINUX_SYN, text: b"", ..DATA }),
        ("syn-ack", Shape { flags: Flags::SYN | Flags::ACK, options: &LINUX_SYN, ..pure }),
        ("data", Shape { options: &[1, 1, 8, 10, 0, 0, 0, 3, 0, 0, 0, 4], ..DATA }),
        ("ack-with-sack", Shape { options: sack, ..pure }),
        ("fin", Shape { flags: Flags::FIN | Flags::ACK, ..pure }),
        ("rst", Shape { ack: 0, flags: Flags::RST, ..pure }),
    ];
    shapes.map(|(name, shape)| (name, segment(&shape, source, destination))).into()
}

fn segment(shape: &Shape<'_>, source: IpAddr, destination: IpAddr) -> Vec<u8> {
    let header = tcp::Header {
        source_port: 40_000,
        destination_port: 7,
        seq: SeqNum::new(shape.seq),
        ack: SeqNum::new(shape.ack),
        flags: shape.flags,
        window: 64_240,
        urgent: 0,
        options: shape.options,
    };
    let mut bytes = vec![0; header.header_len()];
    header.emit(&mut bytes).expect("room for the header");
    bytes.extend_from_slice(shape.text);
    sealed(bytes, source, destination)
}

/// The segment with a right checksum.
fn sealed(mut segment: Vec<u8>, source: IpAddr, destination: IpAddr) -> Vec<u8> {
    segment[16..18].fill(0);
    let mut sum = pseudo_header(source, destination, Protocol::TCP, segment.len() as u32);
    sum.add_bytes(&segment);
    segment[16..18].copy_from_slice(&sum.finish().to_be_bytes());
    segment
}

fn datagram(source: IpAddr, destination: IpAddr) -> Vec<u8> {
    let text = b"four";
    let header = udp::Header { source_port: 40_000, destination_port: 7 };
    let mut bytes = vec![0; udp::HEADER_LEN];
    header.emit(text.len(), &mut bytes).expect("room for the header");
    bytes.extend_from_slice(text);
    let mut sum = pseudo_header(source, destination, Protocol::UDP, bytes.len() as u32);
    sum.add_bytes(&bytes);
    bytes[6..8].copy_from_slice(&udp::on_wire(sum.finish()).to_be_bytes());
    bytes
}

fn echo(kind: u8) -> Vec<u8> {
    let (identifier, sequence, data) = (1, 2, &b"hikyaku"[..]);
    message(&match kind {
        icmpv4::ECHO_REPLY => icmpv4::Message::EchoReply { identifier, sequence, data },
        _ => icmpv4::Message::EchoRequest { identifier, sequence, data },
    })
}

fn message(message: &icmpv4::Message<'_>) -> Vec<u8> {
    let mut bytes = vec![0; icmpv4::HEADER_LEN + message.parts().1.len()];
    message.emit(&mut bytes).expect("room for the message");
    bytes
}

fn v4(protocol: Protocol, payload: &[u8]) -> Vec<u8> {
    v4_with(&[], protocol, payload, 0x4000)
}

fn v4_with(options: &[u8], protocol: Protocol, payload: &[u8], fragment: u16) -> Vec<u8> {
    let header = ipv4::Header {
        traffic_class: 0,
        identification: 0x1234,
        dont_fragment: fragment & 0x4000 != 0,
        more_fragments: fragment & 0x2000 != 0,
        fragment_offset: fragment << 3,
        hop_limit: 64,
        protocol,
        source: KERNEL,
        destination: OURS,
        options,
    };
    let mut bytes = vec![0; header.header_len()];
    header.emit(payload.len(), &mut bytes).expect("room for the header");
    bytes.extend_from_slice(payload);
    bytes
}

/// The packet with a right header checksum, over as many octets as its header says it has.
fn seal_v4(mut packet: Vec<u8>) -> Vec<u8> {
    let length = (usize::from(packet[0] & 0xf) * 4).min(packet.len());
    packet[10..12].fill(0);
    let mut sum = Sum::ZERO;
    sum.add_bytes(&packet[..length]);
    packet[10..12].copy_from_slice(&sum.finish().to_be_bytes());
    packet
}

#[cfg(feature = "ipv6")]
fn v6(next_header: Protocol, payload: &[u8]) -> Vec<u8> {
    let header = ipv6::Header {
        traffic_class: 0,
        flow_label: 0x12345,
        next_header,
        hop_limit: 64,
        source: KERNEL6,
        destination: OURS6,
    };
    let mut bytes = vec![0; ipv6::HEADER_LEN];
    header.emit(payload.len(), &mut bytes).expect("room for the header");
    bytes.extend_from_slice(payload);
    bytes
}

/// An extension header of eight octets.
#[cfg(feature = "ipv6")]
fn extension(next_header: Protocol, body: &[u8]) -> Vec<u8> {
    [&[next_header.0, 0], body].concat()
}
