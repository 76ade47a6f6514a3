//! What is emitted is parsed back as it was; what is arbitrary never panics.

use core::net::{IpAddr, Ipv4Addr};

use hikyaku::seq::SeqNum;
use hikyaku::wire::tcp::Flags;
use hikyaku::wire::tcp_options::{Options, SackBlock, Timestamps};
use hikyaku::wire::{NoRoom, Protocol, icmpv4, ipv4, tcp, udp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const A: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const B: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2));

fn v4() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from_bits)
}

/// Well-formed IPv4 options, a multiple of four octets.
fn ipv4_options() -> impl Strategy<Value = Vec<u8>> {
    // Router alert, an unknown option that needs padding, no-operations.
    let option = prop_oneof![
        Just(vec![148, 4, 0, 0]),
        any::<[u8; 5]>().prop_map(|data| [&[0x1e, 7][..], &data, &[1]].concat()),
        Just(vec![1; 4]),
    ];
    vec(option, 0..5).prop_map(|options| options.concat())
}

fn tcp_options() -> impl Strategy<Value = Options> {
    let block = any::<[u32; 2]>()
        .prop_map(|[left, right]| SackBlock { left: SeqNum::new(left), right: SeqNum::new(right) });
    let timestamps = any::<[u32; 2]>().prop_map(|[value, echo]| Timestamps { value, echo });
    (
        option::of(1..=u16::MAX),
        option::of(any::<u8>()),
        any::<bool>(),
        vec(block, 0..=4),
        option::of(timestamps),
    )
        .prop_map(|(mss, window_scale, sack_permitted, sack, timestamps)| Options {
            mss,
            window_scale,
            sack_permitted,
            sack: sack.into_iter().collect(),
            timestamps,
        })
}

fn icmpv4_message(data: &[u8]) -> impl Strategy<Value = icmpv4::Message<'_>> {
    use icmpv4::Message::*;
    (0..6, any::<u32>(), any::<[u8; 2]>()).prop_map(move |(which, word, [kind, code])| {
        let (identifier, sequence) = ((word >> 16) as u16, word as u16);
        match which {
            0 => EchoRequest { identifier, sequence, data },
            1 => EchoReply { identifier, sequence, data },
            2 => DestinationUnreachable { code, parameter: word, quote: data },
            3 => TimeExceeded { code, quote: data },
            4 => ParameterProblem { code, parameter: word, quote: data },
            // Types that have no name here.
            _ => Other { kind: 13 + kind % 200, code, body: data },
        }
    })
}

const TEXT: &[u8] = b"an odd number of octets, to be quoted, echoed or carried, 67 in all";

proptest! {
    #[test]
    fn ipv4_headers_come_back(
        (traffic_class, identification, hop_limit, protocol) in any::<(u8, u16, u8, u8)>(),
        (dont_fragment, more_fragments, offset) in (any::<bool>(), any::<bool>(), 0..=0x1fff_u16),
        (source, destination) in (v4(), v4()),
        options in ipv4_options(),
        payload in vec(any::<u8>(), 0..100),
        surplus in 0..10_usize,
    ) {
        let header = ipv4::Header {
            traffic_class,
            identification,
            dont_fragment,
            more_fragments,
            fragment_offset: offset * 8,
            hop_limit,
            protocol: Protocol(protocol),
            source,
            destination,
            options: &options,
        };
        let mut packet = [0x55; 200];
        let length = header.emit(payload.len(), &mut packet).unwrap();
        prop_assert_eq!(length, header.header_len());
        packet[length..][..payload.len()].copy_from_slice(&payload);
        let packet = &packet[..length + payload.len() + surplus];
        prop_assert_eq!(ipv4::Header::parse(packet), Ok((header, &payload[..])));
        prop_assert_eq!(ipv4::Header::parse_quoted(packet), Ok((header, &payload[..])));
        let cut = &packet[..length + payload.len() / 2];
        let quoted = ipv4::Header::parse_quoted(cut);
        prop_assert_eq!(quoted, Ok((header, &payload[..payload.len() / 2])));
        for room in 0..length {
            prop_assert_eq!(header.emit(payload.len(), &mut [0; 60][..room]), Err(NoRoom));
        }
    }

    #[test]
    fn icmpv4_messages_come_back(message in icmpv4_message(TEXT)) {
        let mut buffer = [0x55; 100];
        let length = message.emit(&mut buffer).unwrap();
        prop_assert_eq!(icmpv4::Message::parse(&buffer[..length]), Ok(message));
        let (header, body) = message.parts();
        prop_assert_eq!(length, icmpv4::HEADER_LEN + body.len());
        let mut alone = [0x55; 8];
        prop_assert_eq!(header.emit(&mut alone), Ok(8));
        prop_assert_eq!(&alone[4..], &buffer[4..8]);
        prop_assert_eq!(&alone[2..4], &[0, 0]);
        for room in 0..length {
            prop_assert_eq!(message.emit(&mut [0; 100][..room]), Err(NoRoom));
        }
    }

    #[test]
    fn udp_headers_come_back(
        (source_port, destination_port) in any::<(u16, u16)>(),
        payload in vec(any::<u8>(), 0..100),
    ) {
        let header = udp::Header { source_port, destination_port };
        let mut datagram = [0x55; 200];
        prop_assert_eq!(header.emit(payload.len(), &mut datagram), Ok(udp::HEADER_LEN));
        let length = udp::HEADER_LEN + payload.len();
        datagram[udp::HEADER_LEN..length].copy_from_slice(&payload);
        // Without a checksum first, as in IPv4 it may be.
        let parsed = udp::parse(&datagram, A, B, true);
        prop_assert_eq!(parsed, Ok((header, &payload[..])));
        let mut sum = hikyaku::wire::checksum::pseudo_header(A, B, Protocol::UDP, length as u32);
        sum.add_bytes(&datagram[..length]);
        let checksum = udp::on_wire(sum.finish());
        datagram[udp::CHECKSUM_OFFSET..][..2].copy_from_slice(&checksum.to_be_bytes());
        let parsed = udp::parse(&datagram[..length], A, B, true);
        prop_assert_eq!(parsed, Ok((header, &payload[..])));
    }

    #[test]
    fn tcp_headers_come_back(
        (source_port, destination_port, window, urgent) in any::<(u16, u16, u16, u16)>(),
        (seq, ack, bits) in any::<(u32, u32, u16)>(),
        options in vec(any::<[u8; 4]>(), 0..=10),
        text in vec(any::<u8>(), 0..100),
    ) {
        let options = options.concat();
        let header = tcp::Header {
            source_port,
            destination_port,
            seq: SeqNum::new(seq),
            ack: SeqNum::new(ack),
            flags: Flags::from_bits(bits),
            window,
            urgent,
            options: &options,
        };
        let mut segment = [0x55; 200];
        let length = header.emit(&mut segment).unwrap();
        prop_assert_eq!(length, header.header_len());
        segment[length..][..text.len()].copy_from_slice(&text);
        let segment = &mut segment[..length + text.len()];
        prop_assert_eq!(tcp::Header::parse(segment), Ok((header, &text[..])));
        segment[12] |= 0x0e; // Reserved bits are ignored.
        prop_assert_eq!(tcp::Header::parse(segment), Ok((header, &text[..])));
        for room in 0..length {
            prop_assert_eq!(header.emit(&mut [0; 60][..room]), Err(NoRoom));
        }
    }

    #[test]
    fn tcp_options_come_back(mut options in tcp_options()) {
        let length = options.emitted_len();
        let mut buffer = [0x55; 40];
        prop_assert_eq!(options.emit(&mut buffer), Ok(length));
        prop_assert!(length <= 40 && length % 4 == 0);
        for room in 0..length {
            prop_assert_eq!(options.emit(&mut [0; 40][..room]), Err(NoRoom));
        }
        // Of the blocks as many come back as there was room for.
        let parsed = Options::parse(&buffer[..length]);
        let others = Options { sack: Default::default(), ..options.clone() }.emitted_len();
        let fitting = options.sack.len().min((40 - 4 - others) / 8);
        options.sack.truncate(fitting);
        prop_assert_eq!(parsed, options);
    }

    #[test]
    fn arbitrary_octets_never_panic(
        mut octets in vec(any::<u8>(), 0..160),
        first in prop_oneof![Just(0x45_u8), Just(0x46), Just(0x4f), Just(0x60), any::<u8>()],
        total in prop_oneof![Just(0_u16), 0..200_u16, any::<u16>()],
    ) {
        octets.iter_mut().take(1).for_each(|octet| *octet = first);
        if let Some(field) = octets.get_mut(2..4) {
            field.copy_from_slice(&total.to_be_bytes());
        }
        let _ = ipv4::Header::parse(&octets);
        let _ = ipv4::Header::parse_quoted(&octets);
        let _ = icmpv4::Message::parse(&octets);
        let _ = udp::parse(&octets, A, B, true);
        let _ = tcp::verify(&octets, A, B);
        let _ = Options::parse(&octets);
        if let Ok((header, text)) = tcp::Header::parse(&octets) {
            prop_assert_eq!(header.header_len() + text.len(), octets.len());
            let _ = Options::parse(header.options);
        }
        #[cfg(feature = "ipv6")]
        v6::arbitrary(&octets);
    }
}

#[test]
fn what_a_field_cannot_say_has_no_room() {
    let mut buffer = [0; 200];
    let header = ipv4::Header {
        traffic_class: 0,
        identification: 0,
        dont_fragment: true,
        more_fragments: false,
        fragment_offset: 0,
        hop_limit: 64,
        protocol: Protocol::TCP,
        source: Ipv4Addr::LOCALHOST,
        destination: Ipv4Addr::LOCALHOST,
        options: &[],
    };
    assert_eq!(header.emit(65_515, &mut buffer), Ok(20));
    assert_eq!(header.emit(65_516, &mut buffer), Err(NoRoom));
    assert_eq!(header.emit(usize::MAX, &mut buffer), Err(NoRoom));
    let header = ipv4::Header { options: &[1; 41], ..header };
    assert_eq!(header.emit(0, &mut buffer), Err(NoRoom));
    let udp = udp::Header { source_port: 1, destination_port: 2 };
    assert_eq!(udp.emit(65_527, &mut buffer), Ok(8));
    assert_eq!(udp.emit(65_528, &mut buffer), Err(NoRoom));
    let tcp = tcp::Header {
        source_port: 1,
        destination_port: 2,
        seq: SeqNum::ZERO,
        ack: SeqNum::ZERO,
        flags: Flags::NONE,
        window: 0,
        urgent: 0,
        options: &[1; 41],
    };
    assert_eq!(tcp.emit(&mut buffer), Err(NoRoom));
    // Options of an odd length are filled up, not cut.
    let tcp = tcp::Header { options: &[1, 3, 3, 7, 1], ..tcp };
    assert_eq!(tcp.emit(&mut buffer), Ok(28));
    assert_eq!(buffer[20..28], [1, 3, 3, 7, 1, 0, 0, 0]);
}

#[test]
fn flags_read_as_they_are_written_in_texts() {
    assert_eq!(format!("{:?}", Flags::SYN | Flags::ACK), "SYN|ACK");
    assert_eq!(format!("{:?}", Flags::from_bits(0xffff)), "FIN|SYN|RST|PSH|ACK|URG|ECE|CWR|AE");
    assert_eq!(format!("{:?}", Flags::NONE), "NONE");
    let both = Flags::SYN.with(Flags::FIN);
    assert!(both.contains(Flags::SYN) && both.contains(both) && !Flags::SYN.contains(both));
    assert!(Flags::SYN.intersects(both) && !Flags::ACK.intersects(both));
    assert_eq!(both.without(Flags::SYN), Flags::FIN);
}

#[cfg(feature = "ipv6")]
mod v6 {
    use core::net::Ipv6Addr;

    use hikyaku::wire::ipv6::{Fragment, Upper, upper_layer};
    use hikyaku::wire::{icmpv6, ipv6};

    use super::*;

    const A6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    const B6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);

    pub(super) fn arbitrary(octets: &[u8]) {
        let _ = ipv6::Header::parse(octets);
        let _ = icmpv6::Message::parse(octets, A6, B6);
        let _ = udp::parse(octets, A6.into(), B6.into(), true);
        let _ = tcp::verify(octets, A6.into(), B6.into());
        if let Ok((header, payload)) = ipv6::Header::parse_quoted(octets) {
            let _ = upper_layer(&header, payload, false);
        }
        let header = ipv6::Header {
            traffic_class: 0,
            flow_label: 0,
            next_header: Protocol([0, 43, 44, 60][octets.len() % 4]),
            hop_limit: 1,
            source: A6,
            destination: B6,
        };
        if let Ok(upper) = upper_layer(&header, octets, octets.len() % 8 < 4) {
            assert!(octets.ends_with(upper.payload));
            assert!(upper.protocol_offset < 40 + octets.len());
        }
    }

    fn message(data: &[u8]) -> impl Strategy<Value = icmpv6::Message<'_>> {
        use icmpv6::Message::*;
        (0..7, any::<u32>(), any::<[u8; 2]>()).prop_map(move |(which, word, [kind, code])| {
            let (identifier, sequence) = ((word >> 16) as u16, word as u16);
            match which {
                0 => EchoRequest { identifier, sequence, data },
                1 => EchoReply { identifier, sequence, data },
                2 => DestinationUnreachable { code, parameter: word, quote: data },
                3 => PacketTooBig { mtu: word, quote: data },
                4 => TimeExceeded { code, quote: data },
                5 => ParameterProblem { code, pointer: word, quote: data },
                _ => Other { kind: 5 + kind % 100, code, body: data },
            }
        })
    }

    proptest! {
        #[test]
        fn ipv6_headers_come_back(
            (traffic_class, next_header, hop_limit) in any::<(u8, u8, u8)>(),
            flow_label in 0..1_u32 << 20,
            (source, destination) in any::<(u128, u128)>(),
            payload in vec(any::<u8>(), 1..100),
            surplus in 0..10_usize,
        ) {
            let header = ipv6::Header {
                traffic_class,
                flow_label,
                next_header: Protocol(next_header),
                hop_limit,
                source: Ipv6Addr::from_bits(source),
                destination: Ipv6Addr::from_bits(destination),
            };
            let mut packet = [0x55; 200];
            prop_assert_eq!(header.emit(payload.len(), &mut packet), Ok(ipv6::HEADER_LEN));
            packet[40..][..payload.len()].copy_from_slice(&payload);
            let packet = &packet[..40 + payload.len() + surplus];
            prop_assert_eq!(ipv6::Header::parse(packet), Ok((header, &payload[..])));
            let half = payload.len() / 2;
            let quoted = ipv6::Header::parse_quoted(&packet[..40 + half]);
            prop_assert_eq!(quoted, Ok((header, &payload[..half])));
            prop_assert_eq!(header.emit(65_536, &mut [0; 40]), Err(NoRoom));
            prop_assert_eq!(header.emit(1, &mut [0; 39]), Err(NoRoom));
        }

        #[test]
        fn fragment_headers_come_back(
            offset in 0..=0x1fff_u16,
            more in any::<bool>(),
            identification in any::<u32>(),
        ) {
            let fragment = Fragment { offset: offset * 8, more, identification };
            let mut payload = [0x55; 20];
            prop_assert_eq!(fragment.emit(Protocol::TCP, &mut payload), Ok(8));
            let header = ipv6::Header {
                traffic_class: 0,
                flow_label: 0,
                next_header: Protocol::FRAGMENT,
                hop_limit: 64,
                source: A6,
                destination: B6,
            };
            let upper = Upper {
                protocol: Protocol::TCP,
                protocol_offset: 40,
                payload: &payload[8..],
                fragment: Some(fragment),
            };
            prop_assert_eq!(upper_layer(&header, &payload, false), Ok(upper));
            prop_assert_eq!(fragment.is_atomic(), offset == 0 && !more);
        }

        #[test]
        fn icmpv6_messages_come_back(message in message(TEXT)) {
            let mut buffer = [0x55; 100];
            let length = message.emit(&mut buffer, A6, B6).unwrap();
            prop_assert_eq!(icmpv6::Message::parse(&buffer[..length], A6, B6), Ok(message));
            for room in 0..length {
                prop_assert_eq!(message.emit(&mut [0; 100][..room], A6, B6), Err(NoRoom));
            }
        }
    }
}
