//! etherparse as second opinion: both write the same octets and read each other's.

use core::net::{IpAddr, Ipv4Addr};

use etherparse::{
    IcmpEchoHeader, Icmpv4Header, Icmpv4Type, IpDscp, IpEcn, IpFragOffset, IpNumber, Ipv4Header,
    Ipv4Options, TcpHeader, TcpOptionElement, UdpHeader,
};
use hikyaku::seq::SeqNum;
use hikyaku::wire::checksum::pseudo_header;
use hikyaku::wire::tcp::Flags;
use hikyaku::wire::tcp_options::{Options, SackBlock, Timestamps};
use hikyaku::wire::{Protocol, icmpv4, ipv4, tcp, udp};
use proptest::collection::vec;
use proptest::prelude::*;

type Elements = Vec<TcpOptionElement>;

/// Options for both, with room for all of them.
fn options() -> impl Strategy<Value = (Options, Elements)> {
    use TcpOptionElement as Element;
    (0..16_u8, any::<(u16, u8, u32, u32)>(), vec(any::<(u32, u32)>(), 1..=2)).prop_map(
        |(which, (mss, shift, value, echo), blocks)| {
            let (mut ours, mut theirs) = (Options::EMPTY, Vec::new());
            if which & 1 != 0 {
                ours.mss = Some(mss.max(1));
                theirs.push(Element::MaximumSegmentSize(mss.max(1)));
            }
            if which & 2 != 0 {
                ours.window_scale = Some(shift);
                theirs.push(Element::WindowScale(shift));
            }
            if which & 4 != 0 {
                ours.timestamps = Some(Timestamps { value, echo });
                theirs.push(Element::Timestamp(value, echo));
            }
            if which & 8 != 0 && blocks.len() == 1 {
                ours.sack_permitted = true;
                theirs.push(Element::SelectiveAcknowledgementPermitted);
            } else if which & 8 != 0 {
                let block = |(left, right)| SackBlock {
                    left: SeqNum::new(left),
                    right: SeqNum::new(right),
                };
                ours.sack = blocks.iter().copied().map(block).collect();
                let more = [Some(blocks[1]), None, None];
                theirs.push(Element::SelectiveAcknowledgement(blocks[0], more));
            }
            (ours, theirs)
        },
    )
}

fn tcp_header<'a>(theirs: &TcpHeader, options: &'a [u8]) -> tcp::Header<'a> {
    let bits = [
        theirs.fin, theirs.syn, theirs.rst, theirs.psh, theirs.ack, theirs.urg, theirs.ece,
        theirs.cwr, theirs.ns,
    ];
    let bits = bits.iter().rev().fold(0, |bits, bit| bits << 1 | u16::from(*bit));
    tcp::Header {
        source_port: theirs.source_port,
        destination_port: theirs.destination_port,
        seq: SeqNum::new(theirs.sequence_number),
        ack: SeqNum::new(theirs.acknowledgment_number),
        flags: Flags::from_bits(bits),
        window: theirs.window_size,
        urgent: theirs.urgent_pointer,
        options,
    }
}

/// A header of theirs without options, and its flags drawn at random.
fn their_tcp() -> impl Strategy<Value = TcpHeader> {
    any::<((u16, u16, u16, u16), u32, u32, u16)>().prop_map(|(ports, seq, ack, bits)| {
        let (source, destination, window, urgent) = ports;
        let mut header = TcpHeader::new(source, destination, seq, window);
        header.acknowledgment_number = ack;
        header.urgent_pointer = urgent;
        let flags = [
            &mut header.fin,
            &mut header.syn,
            &mut header.rst,
            &mut header.psh,
            &mut header.ack,
            &mut header.urg,
            &mut header.ece,
            &mut header.cwr,
            &mut header.ns,
        ];
        for (index, flag) in flags.into_iter().enumerate() {
            *flag = bits >> index & 1 != 0;
        }
        header
    })
}

/// Writes `checksum` where `offset` says.
fn patch(bytes: &mut [u8], offset: usize, checksum: u16) {
    bytes[offset..offset + 2].copy_from_slice(&checksum.to_be_bytes());
}

/// Our checksum of a segment or datagram whose own is zero.
fn checksum(bytes: &[u8], source: IpAddr, destination: IpAddr, protocol: Protocol) -> u16 {
    let mut sum = pseudo_header(source, destination, protocol, bytes.len() as u32);
    sum.add_bytes(bytes);
    sum.finish()
}

proptest! {
    #[test]
    fn ipv4_is_read_and_written_alike(
        (identification, hop_limit, protocol, class) in any::<(u16, u8, u8, u8)>(),
        (dont_fragment, more_fragments, offset) in (any::<bool>(), any::<bool>(), 0..=0x1fff_u16),
        (source, destination) in any::<([u8; 4], [u8; 4])>(),
        alerts in 0..=10_usize,
        payload in vec(any::<u8>(), 0..50),
    ) {
        let options = [148, 4, 0, 0].repeat(alerts);
        let mut theirs = Ipv4Header {
            dscp: IpDscp::try_new(class >> 2).unwrap(),
            ecn: IpEcn::try_new(class & 3).unwrap(),
            total_len: (20 + options.len() + payload.len()) as u16,
            identification,
            dont_fragment,
            more_fragments,
            fragment_offset: IpFragOffset::try_new(offset).unwrap(),
            time_to_live: hop_limit,
            protocol: IpNumber(protocol),
            header_checksum: 0,
            source,
            destination,
            options: Ipv4Options::try_from(&options[..]).unwrap(),
        };
        theirs.header_checksum = theirs.calc_header_checksum();
        let ours = ipv4::Header {
            traffic_class: class,
            identification,
            dont_fragment,
            more_fragments,
            fragment_offset: offset * 8,
            hop_limit,
            protocol: Protocol(protocol),
            source: source.into(),
            destination: destination.into(),
            options: &options,
        };
        let mut packet = [0x55; 120];
        let length = ours.emit(payload.len(), &mut packet).unwrap();
        packet[length..][..payload.len()].copy_from_slice(&payload);
        let packet = &packet[..length + payload.len()];
        prop_assert_eq!(&packet[..length], &theirs.to_bytes()[..]);
        prop_assert_eq!(Ipv4Header::from_slice(packet).unwrap(), (theirs.clone(), &payload[..]));
        let their_packet = [&theirs.to_bytes()[..], &payload].concat();
        prop_assert_eq!(ipv4::Header::parse(&their_packet), Ok((ours, &payload[..])));
    }

    #[test]
    fn tcp_is_read_and_written_alike(
        theirs in their_tcp(),
        (options, elements) in options(),
        (source, destination) in any::<([u8; 4], [u8; 4])>(),
        text in vec(any::<u8>(), 0..50),
    ) {
        let (from, to) = (IpAddr::from(source), IpAddr::from(destination));
        // Ours, read by them.
        let mut raw = [0; 40];
        let length = options.emit(&mut raw).unwrap();
        let ours = tcp_header(&theirs, &raw[..length]);
        let mut segment = [0x55; 120];
        let length = ours.emit(&mut segment).unwrap();
        segment[length..][..text.len()].copy_from_slice(&text);
        let segment = &mut segment[..length + text.len()];
        patch(segment, tcp::CHECKSUM_OFFSET, checksum(segment, from, to, Protocol::TCP));
        let (read, rest) = TcpHeader::from_slice(segment).unwrap();
        prop_assert_eq!(rest, &text[..]);
        let their_sum = read.calc_checksum_ipv4_raw(source, destination, &text).unwrap();
        prop_assert_eq!(read.checksum, their_sum);
        prop_assert_eq!(tcp_header(&read, read.options.as_slice()), ours);
        let mut found: Elements = read.options_iterator().map(Result::unwrap).collect();
        found.retain(|element| *element != TcpOptionElement::Noop);
        prop_assert_eq!(found.len(), elements.len());
        prop_assert!(elements.iter().all(|element| found.contains(element)));
        // Theirs, read by us.
        let mut theirs = theirs;
        theirs.set_options(&elements).unwrap();
        theirs.checksum = theirs.calc_checksum_ipv4_raw(source, destination, &text).unwrap();
        let segment = [&theirs.to_bytes()[..], &text].concat();
        prop_assert!(tcp::verify(&segment, from, to));
        let (read, rest) = tcp::Header::parse(&segment).unwrap();
        prop_assert_eq!(rest, &text[..]);
        prop_assert_eq!(read, tcp_header(&theirs, theirs.options.as_slice()));
        prop_assert_eq!(Options::parse(read.options), options);
    }

    #[test]
    fn udp_is_read_and_written_alike(
        (source_port, destination_port) in any::<(u16, u16)>(),
        (source, destination) in any::<([u8; 4], [u8; 4])>(),
        payload in vec(any::<u8>(), 0..50),
    ) {
        let (from, to) = (IpAddr::from(source), IpAddr::from(destination));
        let mut theirs =
            UdpHeader::without_ipv4_checksum(source_port, destination_port, payload.len()).unwrap();
        theirs.checksum = theirs.calc_checksum_ipv4_raw(source, destination, &payload).unwrap();
        let their_datagram = [&theirs.to_bytes()[..], &payload].concat();
        let ours = udp::Header { source_port, destination_port };
        let mut datagram = vec![0x55; 8 + payload.len()];
        ours.emit(payload.len(), &mut datagram).unwrap();
        datagram[8..].copy_from_slice(&payload);
        let sum = udp::on_wire(checksum(&datagram, from, to, Protocol::UDP));
        patch(&mut datagram, udp::CHECKSUM_OFFSET, sum);
        prop_assert_eq!(&datagram, &their_datagram);
        prop_assert_eq!(udp::parse(&their_datagram, from, to, true), Ok((ours, &payload[..])));
    }

    #[test]
    fn icmp_echo_is_read_and_written_alike(
        request in any::<bool>(),
        (id, seq) in any::<(u16, u16)>(),
        data in vec(any::<u8>(), 0..50),
    ) {
        let echo = IcmpEchoHeader { id, seq };
        let (kind, ours) = if request {
            let ours = icmpv4::Message::EchoRequest { identifier: id, sequence: seq, data: &data };
            (Icmpv4Type::EchoRequest(echo), ours)
        } else {
            let ours = icmpv4::Message::EchoReply { identifier: id, sequence: seq, data: &data };
            (Icmpv4Type::EchoReply(echo), ours)
        };
        let theirs = Icmpv4Header::with_checksum(kind, &data);
        let their_message = [&theirs.to_bytes()[..], &data].concat();
        let mut message = vec![0x55; their_message.len()];
        prop_assert_eq!(ours.emit(&mut message), Ok(their_message.len()));
        prop_assert_eq!(&message, &their_message);
        prop_assert_eq!(icmpv4::Message::parse(&their_message), Ok(ours));
    }
}

#[test]
fn a_udp_checksum_of_zero_goes_out_as_ones_in_both() {
    // A payload whose sum makes the checksum come out as zero.
    let (source, destination) = ([0; 4], [0; 4]);
    let fixed = 17 + 10 + 10; // Protocol and both lengths.
    let payload = (0xffff_u16 - fixed).to_be_bytes();
    let theirs = UdpHeader::with_ipv4_checksum(
        0,
        0,
        &Ipv4Header { source, destination, ..Default::default() },
        &payload,
    );
    assert_eq!(theirs.unwrap().checksum, 0xffff);
    let mut datagram = [0; 10];
    udp::Header { source_port: 0, destination_port: 0 }.emit(2, &mut datagram).unwrap();
    datagram[8..].copy_from_slice(&payload);
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let sum = checksum(&datagram, any, any, Protocol::UDP);
    assert_eq!((sum, udp::on_wire(sum), udp::on_wire(7)), (0, 0xffff, 7));
    patch(&mut datagram, udp::CHECKSUM_OFFSET, udp::on_wire(sum));
    assert!(udp::parse(&datagram, any, any, true).is_ok());
}

#[cfg(feature = "ipv6")]
mod v6 {
    use core::net::Ipv6Addr;

    use etherparse::{Icmpv6Header, Icmpv6Type, Ipv6FlowLabel, Ipv6FragmentHeader, Ipv6Header};
    use hikyaku::wire::{icmpv6, ipv6};

    use super::*;

    proptest! {
        #[test]
        fn ipv6_is_read_and_written_alike(
            (traffic_class, next_header, hop_limit) in any::<(u8, u8, u8)>(),
            flow_label in 0..1_u32 << 20,
            (source, destination) in any::<([u8; 16], [u8; 16])>(),
            payload in vec(any::<u8>(), 1..50),
        ) {
            let theirs = Ipv6Header {
                traffic_class,
                flow_label: Ipv6FlowLabel::try_new(flow_label).unwrap(),
                payload_length: payload.len() as u16,
                next_header: IpNumber(next_header),
                hop_limit,
                source,
                destination,
            };
            let ours = ipv6::Header {
                traffic_class,
                flow_label,
                next_header: Protocol(next_header),
                hop_limit,
                source: source.into(),
                destination: destination.into(),
            };
            let their_packet = [&theirs.to_bytes()[..], &payload].concat();
            let mut head = [0x55; 40];
            ours.emit(payload.len(), &mut head).unwrap();
            prop_assert_eq!(&head[..], &their_packet[..40]);
            prop_assert_eq!(ipv6::Header::parse(&their_packet), Ok((ours, &payload[..])));
        }

        #[test]
        fn fragment_headers_are_written_alike(
            offset in 0..=0x1fff_u16,
            more in any::<bool>(),
            identification in any::<u32>(),
        ) {
            let place = IpFragOffset::try_new(offset).unwrap();
            let theirs = Ipv6FragmentHeader::new(IpNumber::TCP, place, more, identification);
            let mut head = [0x55; 8];
            let ours = ipv6::Fragment { offset: offset * 8, more, identification };
            ours.emit(Protocol::TCP, &mut head).unwrap();
            prop_assert_eq!(head, theirs.to_bytes());
        }

        #[test]
        fn checksums_over_ipv6_are_equal(
            theirs in their_tcp(),
            (source, destination) in any::<([u8; 16], [u8; 16])>(),
            text in vec(any::<u8>(), 0..50),
        ) {
            let (from, to) = (Ipv6Addr::from(source), Ipv6Addr::from(destination));
            let mut tcp = theirs;
            tcp.checksum = tcp.calc_checksum_ipv6_raw(source, destination, &text).unwrap();
            let segment = [&tcp.to_bytes()[..], &text].concat();
            prop_assert!(tcp::verify(&segment, from.into(), to.into()));

            let mut udp = UdpHeader::without_ipv4_checksum(7, 8, text.len()).unwrap();
            udp.checksum = udp.calc_checksum_ipv6_raw(source, destination, &text).unwrap();
            let datagram = [&udp.to_bytes()[..], &text].concat();
            prop_assert!(udp::parse(&datagram, from.into(), to.into(), true).is_ok());

            let echo = IcmpEchoHeader { id: tcp.source_port, seq: tcp.window_size };
            let kind = Icmpv6Type::EchoRequest(echo);
            let icmp = Icmpv6Header::with_checksum(kind, source, destination, &text).unwrap();
            let ours = icmpv6::Message::EchoRequest {
                identifier: echo.id,
                sequence: echo.seq,
                data: &text,
            };
            let their_message = [&icmp.to_bytes()[..], &text].concat();
            let mut message = vec![0x55; their_message.len()];
            prop_assert_eq!(ours.emit(&mut message, from, to), Ok(message.len()));
            prop_assert_eq!(&message, &their_message);
            prop_assert_eq!(icmpv6::Message::parse(&their_message, from, to), Ok(ours));
        }
    }
}
