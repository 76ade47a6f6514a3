//! Packets that broke other stacks, as far as parsing goes: each is refused for the right reason.
//!
//! The numbers are those of the list of security cases; what a whole stack does with such packets
//! is tested with the stack.

use core::net::{IpAddr, Ipv4Addr};

use hikyaku::seq::SeqNum;
use hikyaku::wire::checksum::{Sum, pseudo_header};
use hikyaku::wire::tcp_options::Options;
use hikyaku::wire::{Malformed, Protocol, icmpv4, ipv4, tcp, udp};

const A4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const B4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
const A: IpAddr = IpAddr::V4(A4);
const B: IpAddr = IpAddr::V4(B4);

/// A packet with these options and this payload, right in all respects but theirs.
fn packet(options: &[u8], payload: &[u8]) -> Vec<u8> {
    let header = ipv4::Header {
        traffic_class: 0,
        identification: 1,
        dont_fragment: false,
        more_fragments: false,
        fragment_offset: 0,
        hop_limit: 64,
        protocol: Protocol::TCP,
        source: A4,
        destination: B4,
        options,
    };
    let mut packet = vec![0; header.header_len()];
    header.emit(payload.len(), &mut packet).unwrap();
    packet.extend_from_slice(payload);
    packet
}

/// The packet with one octet changed and its header checksum put right.
fn changed(mut packet: Vec<u8>, place: usize, octet: u8) -> Vec<u8> {
    packet[place] = octet;
    packet[10..12].fill(0);
    let header_len = (usize::from(packet[0] & 0xf) * 4).min(packet.len());
    let mut sum = Sum::ZERO;
    sum.add_bytes(&packet[..header_len]);
    packet[10..12].copy_from_slice(&sum.finish().to_be_bytes());
    packet
}

fn ipv4_fault(packet: &[u8]) -> Option<Malformed> {
    ipv4::Header::parse(packet).err()
}

/// A UDP datagram that claims `length` octets, with a right checksum over what is there.
fn datagram(length: u16, payload: &[u8], source: IpAddr, destination: IpAddr) -> Vec<u8> {
    let mut datagram = vec![0, 7, 0, 8];
    datagram.extend_from_slice(&length.to_be_bytes());
    datagram.extend_from_slice(&[0, 0]);
    datagram.extend_from_slice(payload);
    let covered = usize::from(length).clamp(8, datagram.len());
    let mut sum = pseudo_header(source, destination, Protocol::UDP, u32::from(length));
    sum.add_bytes(&datagram[..covered]);
    datagram[6..8].copy_from_slice(&udp::on_wire(sum.finish()).to_be_bytes());
    datagram
}

/// A TCP segment with this data offset in words.
fn segment(data_offset: u8, options: &[u8], text: &[u8]) -> Vec<u8> {
    let mut segment = vec![0; 20];
    segment[12] = data_offset << 4;
    segment.extend_from_slice(options);
    segment.extend_from_slice(text);
    segment
}

#[test]
fn sec_01_ipv4_lengths_and_versions_that_cannot_be() {
    let good = packet(&[], b"12345678");
    assert_eq!(ipv4_fault(&good), None);
    for ihl in 0..5 {
        let bad = changed(good.clone(), 0, 0x40 | ihl);
        assert_eq!(ipv4_fault(&bad), Some(Malformed::BadHeaderLength), "IHL {ihl}");
    }
    for ihl in 8..=15 {
        let bad = changed(good.clone(), 0, 0x40 | ihl);
        assert_eq!(ipv4_fault(&bad), Some(Malformed::BadHeaderLength), "IHL {ihl} of 28 octets");
    }
    for version in (0..16).filter(|version| *version != 4) {
        let bad = changed(good.clone(), 0, version << 4 | 5);
        assert_eq!(ipv4_fault(&bad), Some(Malformed::BadVersion), "version {version}");
    }
    for total in 0..20 {
        let bad = changed(good.clone(), 3, total);
        assert_eq!(ipv4_fault(&bad), Some(Malformed::BadLength), "total length {total}");
    }
    // The header grows past the total length, while there are octets enough.
    let bad = changed(changed(packet(&[1; 8], b""), 3, 27), 0, 0x47);
    assert_eq!(ipv4_fault(&bad), Some(Malformed::BadLength));
    for total in 29..=255 {
        let bad = changed(good.clone(), 3, total);
        assert_eq!(ipv4_fault(&bad), Some(Malformed::Truncated), "total length {total} of 28");
    }
    let bad = changed(good.clone(), 2, 0xff);
    assert_eq!(ipv4_fault(&bad), Some(Malformed::Truncated));
    for cut in 0..good.len() {
        assert_eq!(ipv4_fault(&good[..cut]), Some(Malformed::Truncated), "cut at {cut}");
    }
    for place in 0..20 {
        let mut bad = good.clone();
        bad[place] ^= 0x80;
        assert!(ipv4_fault(&bad).is_some(), "octet {place} without a new checksum");
    }
}

#[test]
fn sec_02_the_surplus_behind_a_packet_is_cut_off() {
    let mut long = packet(&[1; 4], b"mine");
    long.extend_from_slice(b"somebody else's secret");
    assert_eq!(ipv4::Header::parse(&long).unwrap().1, b"mine");
    assert_eq!(ipv4::Header::parse_quoted(&long).unwrap().1, b"mine");
    let mut empty = packet(&[], b"");
    empty.push(7);
    assert_eq!(ipv4::Header::parse(&empty).unwrap().1, b"");
}

#[test]
fn sec_03_transport_headers_cut_at_every_length() {
    let tcp = segment(5, &[], b"");
    let udp = datagram(8, b"", A, B);
    let mut icmp = [0; 8];
    let reply = icmpv4::Message::EchoReply { identifier: 1, sequence: 2, data: b"" };
    reply.emit(&mut icmp).unwrap();
    assert_eq!(icmpv4::Message::parse(&icmp), Ok(reply));
    for cut in 0..20 {
        assert_eq!(tcp::Header::parse(&tcp[..cut]), Err(Malformed::Truncated), "TCP, {cut}");
    }
    for cut in 0..8 {
        let parsed = udp::parse(&udp[..cut], A, B, true);
        assert_eq!(parsed, Err(Malformed::Truncated), "UDP, {cut}");
        // A checksum that would be right does not help.
        let mut short = icmp[..cut].to_vec();
        if let Some(field) = short.get_mut(2..4) {
            field.fill(0);
            let mut sum = Sum::ZERO;
            sum.add_bytes(&short);
            short[2..4].copy_from_slice(&sum.finish().to_be_bytes());
        }
        assert_eq!(icmpv4::Message::parse(&short), Err(Malformed::Truncated), "ICMP, {cut}");
    }
}

#[test]
fn sec_04_udp_lengths_that_contradict_the_packet() {
    for length in 0..8 {
        let bad = datagram(length, b"12345678", A, B);
        for verify in [true, false] {
            assert_eq!(udp::parse(&bad, A, B, verify), Err(Malformed::BadLength), "{length}");
        }
    }
    for length in [17, 18, 255, 65_535] {
        let bad = datagram(length, b"12345678", A, B);
        assert_eq!(udp::parse(&bad, A, B, true), Err(Malformed::BadLength), "{length}");
    }
    for length in 8..=16 {
        let trimmed = datagram(length, b"12345678", A, B);
        let (_, payload) = udp::parse(&trimmed, A, B, true).unwrap();
        assert_eq!(payload, &b"12345678"[..usize::from(length) - 8]);
    }
}

#[test]
fn sec_05_ipv4_options_that_never_end() {
    let bad: [&[u8]; 8] = [
        &[7, 0, 0, 0],
        &[7, 1, 0, 0],
        &[7, 5, 0, 0],
        &[7, 255, 0, 0],
        &[1, 1, 1, 7],
        &[1, 148, 4, 0],
        &[148, 4, 0, 0, 7, 0, 0, 0],
        &[68, 1, 1, 1],
    ];
    for options in bad {
        let packet = packet(options, b"");
        assert_eq!(ipv4_fault(&packet), Some(Malformed::BadOption), "{options:?}");
    }
    // Repeated source routes are refused at the first.
    let routes = [131, 3, 4, 137, 3, 4, 131, 3, 4, 0, 0, 0];
    assert_eq!(ipv4_fault(&packet(&routes, b"")), Some(Malformed::SourceRoute));
    let good: [&[u8]; 5] = [
        &[1; 40],
        &[0; 40],
        &[148, 4, 0, 0],
        &[1, 1, 7, 2],
        &[0, 7, 0, 0], // What lies behind the end of the list does not count.
    ];
    for options in good {
        assert_eq!(ipv4_fault(&packet(options, b"")), None, "{options:?}");
    }
    // A quote in an error keeps them out of the payload, whatever they are.
    let quoted = packet(&[7, 0, 0, 0], b"1234");
    assert_eq!(ipv4::Header::parse_quoted(&quoted).unwrap().1, b"1234");
}

#[test]
fn sec_06_ipv4_source_routes() {
    for kind in [131, 137] {
        for length in [0, 1, 3, 7, 11, 39, 40, 255] {
            let mut options = [0; 40];
            options[..3].copy_from_slice(&[kind, length, 4]);
            let routed = packet(&options, b"");
            assert_eq!(ipv4_fault(&routed), Some(Malformed::SourceRoute), "{kind}, {length}");
            options.rotate_right(1);
            options[0] = 1;
            let routed = packet(&options, b"");
            assert_eq!(ipv4_fault(&routed), Some(Malformed::SourceRoute), "{kind} behind another");
        }
    }
}

#[test]
fn sec_30_tcp_data_offset_outside_the_segment() {
    for offset in 0..5 {
        let bad = segment(offset, &[], b"some text that makes it longer, sixty octets at least");
        assert_eq!(tcp::Header::parse(&bad), Err(Malformed::BadHeaderLength), "offset {offset}");
    }
    for offset in 6..=15 {
        let needed = usize::from(offset) * 4 - 20;
        let short = segment(offset, &vec![0; needed - 1], b"");
        assert_eq!(tcp::Header::parse(&short), Err(Malformed::BadHeaderLength), "{offset}");
        let exact = segment(offset, &vec![0; needed], b"");
        let (header, text) = tcp::Header::parse(&exact).unwrap();
        assert_eq!((header.options.len(), text.len()), (needed, 0));
    }
}

#[test]
fn sec_31_tcp_options_that_lie_about_their_length() {
    let mss_first = |rest: &[u8]| [&[2, 4, 5, 0xb4][..], rest].concat();
    let only_mss = Options { mss: Some(1460), ..Options::EMPTY };
    // What was read before the nonsense counts, what follows it does not.
    let stops: [&[u8]; 7] = [
        &[0xff, 0, 0, 0, 3, 3, 7],
        &[0xff, 1, 3, 3, 7],
        &[0xff, 200, 3, 3, 7],
        &[8, 10, 0, 0, 0, 0],
        &[3],
        &[2, 0, 3, 3, 7],
        &[0, 3, 3, 7],
    ];
    for rest in stops {
        assert_eq!(Options::parse(&mss_first(rest)), only_mss, "{rest:?}");
    }
    // Unknown kinds and known kinds of a wrong length are stepped over.
    let with_scale = Options { window_scale: Some(7), ..only_mss.clone() };
    let skipped: [&[u8]; 10] = [
        &[0xfd, 2, 3, 3, 7],
        &[0xfd, 6, 1, 2, 3, 4, 3, 3, 7],
        &[2, 3, 9, 3, 3, 7],
        &[2, 5, 9, 9, 9, 3, 3, 7],
        &[3, 2, 3, 3, 7],
        &[3, 4, 9, 9, 3, 3, 7],
        &[4, 3, 9, 3, 3, 7],
        &[8, 9, 1, 2, 3, 4, 5, 6, 7, 3, 3, 7],
        &[5, 2, 3, 3, 7],
        &[5, 9, 1, 2, 3, 4, 5, 6, 7, 3, 3, 7],
    ];
    for rest in skipped {
        assert_eq!(Options::parse(&mss_first(rest)), with_scale, "{rest:?}");
    }
    // Alignment is not asked for.
    let unaligned = [1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 3, 3, 7];
    let parsed = Options::parse(&unaligned);
    assert_eq!(parsed.timestamps.map(|stamps| (stamps.value, stamps.echo)), Some((1, 2)));
    assert_eq!(parsed.window_scale, Some(7));
    // Forty octets, and no more: a step for each.
    assert_eq!(Options::parse(&[1; 40]), Options::EMPTY);
    let far = [&[1; 37][..], &[3, 3, 7]].concat();
    assert_eq!(Options::parse(&far).window_scale, Some(7));
    let too_far = [&[1; 40][..], &[3, 3, 7]].concat();
    assert_eq!(Options::parse(&too_far), Options::EMPTY);
    assert_eq!(Options::parse(&vec![1; 1 << 20]), Options::EMPTY);
    // SACK in all lengths: blocks come whole, four at most.
    for length in 2..=40_u8 {
        let option = [&[5, length][..], &vec![0; usize::from(length) - 2]].concat();
        let expected = if length % 8 == 2 { usize::from(length) / 8 } else { 0 };
        assert_eq!(Options::parse(&option).sack.len(), expected, "SACK of {length} octets");
    }
    // Of two the last counts.
    assert_eq!(Options::parse(&[3, 3, 7, 3, 3, 8]).window_scale, Some(8));
}

#[test]
fn sec_32_an_mss_of_zero_is_none() {
    for (sent, expected) in [
        (0, None),
        (1, Some(1)),
        (8, Some(8)),
        (40, Some(40)),
        (47, Some(47)),
        (65535, Some(65535)),
    ] {
        let [high, low] = u16::to_be_bytes(sent);
        assert_eq!(Options::parse(&[2, 4, high, low]).mss, expected, "MSS {sent}");
    }
    // A zero does not undo a value either.
    assert_eq!(Options::parse(&[2, 4, 5, 0xb4, 2, 4, 0, 0]).mss, Some(1460));
}

#[test]
fn sec_33_shift_counts_are_reported_as_sent() {
    for shift in 0..=255 {
        assert_eq!(Options::parse(&[1, 3, 3, shift]).window_scale, Some(shift));
    }
    // Options do not depend on the flags of the segment that carries them.
    let mut ack = segment(7, &[2, 4, 5, 0xb4, 1, 3, 3, 255], b"text");
    ack[13] = 0x10;
    let (header, text) = tcp::Header::parse(&ack).unwrap();
    assert_eq!((header.seq, text), (SeqNum::ZERO, &b"text"[..]));
    assert_eq!(Options::parse(header.options).window_scale, Some(255));
}

#[test]
fn sec_37_checksums_of_every_length() {
    let text = b"text whose length is odd and even in turn, as it is cut";
    for length in 0..text.len() {
        let text = &text[..length];
        let mut segment = segment(5, &[], text);
        let mut sum = pseudo_header(A, B, Protocol::TCP, segment.len() as u32);
        sum.add_bytes(&segment);
        segment[16..18].copy_from_slice(&sum.finish().to_be_bytes());
        assert!(tcp::verify(&segment, A, B), "{length} octets");
        let datagram = datagram(8 + length as u16, text, A, B);
        assert!(udp::parse(&datagram, A, B, true).is_ok(), "{length} octets");
        let elsewhere = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 3));
        assert!(!tcp::verify(&segment, A, elsewhere), "the pseudo header counts");
        for place in 0..segment.len() {
            let mut bad = segment.clone();
            bad[place] ^= 1;
            assert!(!tcp::verify(&bad, A, B), "octet {place} of {length}");
        }
        for place in (0..datagram.len()).filter(|place| !(4..8).contains(place)) {
            let mut bad = datagram.clone();
            bad[place] ^= 1;
            assert_eq!(udp::parse(&bad, A, B, true), Err(Malformed::BadChecksum));
            assert!(udp::parse(&bad, A, B, false).is_ok(), "the device has verified it");
        }
    }
    // In IPv4 zero says that there is none.
    let mut unsummed = datagram(12, b"text", A, B);
    unsummed[6..8].fill(0);
    assert!(udp::parse(&unsummed, A, B, true).is_ok());
    // All zeros are no segment, though their sum is.
    assert!(!tcp::verify(&[0; 20], A, B));
}

#[test]
fn sec_37_udp_over_ipv6_has_a_checksum() {
    let (a, b) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
    let mut datagram = datagram(12, b"text", a, b);
    assert!(udp::parse(&datagram, a, b, true).is_ok());
    datagram[6..8].fill(0);
    for verify in [true, false] {
        assert_eq!(udp::parse(&datagram, a, b, verify), Err(Malformed::BadChecksum));
    }
}

#[cfg(feature = "ipv6")]
mod v6 {
    use core::net::Ipv6Addr;

    use hikyaku::wire::icmpv6;
    use hikyaku::wire::ipv6::{Fragment, Header, Refusal, Upper, upper_layer};

    use super::*;

    const HEADER: Header = Header {
        traffic_class: 0,
        flow_label: 0,
        next_header: Protocol::TCP,
        hop_limit: 64,
        source: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
        destination: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2),
    };

    fn walk(first: Protocol, payload: &[u8]) -> Result<Upper<'_>, Refusal> {
        upper_layer(&Header { next_header: first, ..HEADER }, payload, false)
    }

    fn walk_multicast(first: Protocol, payload: &[u8]) -> Result<Upper<'_>, Refusal> {
        upper_layer(&Header { next_header: first, ..HEADER }, payload, true)
    }

    /// An empty destination options header.
    const fn padding(next: Protocol) -> [u8; 8] {
        [next.0, 0, 1, 4, 0, 0, 0, 0]
    }

    const PROBLEM: fn(u8, u32) -> Result<Upper<'static>, Refusal> =
        |code, pointer| Err(Refusal::ParameterProblem { code, pointer });
    const DROP: fn(Malformed) -> Result<Upper<'static>, Refusal> =
        |malformed| Err(Refusal::Drop(malformed));

    #[test]
    fn sec_03_icmpv6_cut_at_every_length() {
        let Header { source, destination, .. } = HEADER;
        let message = icmpv6::Message::EchoReply { identifier: 1, sequence: 2, data: b"" };
        let mut bytes = [0; 8];
        message.emit(&mut bytes, source, destination).unwrap();
        for cut in 0..8 {
            let parsed = icmpv6::Message::parse(&bytes[..cut], source, destination);
            assert_eq!(parsed, Err(Malformed::Truncated), "{cut}");
        }
        bytes[7] ^= 1;
        let parsed = icmpv6::Message::parse(&bytes, source, destination);
        assert_eq!(parsed, Err(Malformed::BadChecksum));
    }

    #[test]
    fn sec_06_ipv6_routing_header_with_segments_left() {
        for kind in [0, 1, 2, 3, 4, 5, 253, 255] {
            for left in [1, 2, 127, 255] {
                let route = [6, 0, kind, left, 0, 0, 0, 0, 1, 2, 3];
                let first = walk(Protocol::ROUTING, &route);
                assert_eq!(first, PROBLEM(0, 42), "type {kind}, {left} left");
                let many = walk_multicast(Protocol::ROUTING, &route);
                assert_eq!(many, DROP(Malformed::SourceRoute));
                let second = [&padding(Protocol::ROUTING)[..], &route].concat();
                assert_eq!(walk(Protocol::DESTINATION_OPTIONS, &second), PROBLEM(0, 50));
            }
            // With none left it has done its work, and is stepped over.
            let done =
                [6, 2, kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
            let upper = walk(Protocol::ROUTING, &done).unwrap();
            assert_eq!((upper.protocol, upper.payload), (Protocol::TCP, &[9][..]));
        }
    }

    #[test]
    fn sec_12_extension_headers_without_end() {
        let chain = |count: usize| {
            let mut chain = padding(Protocol::DESTINATION_OPTIONS).repeat(count);
            chain[count * 8 - 8] = Protocol::TCP.0;
            chain.extend_from_slice(b"text");
            chain
        };
        let eight = chain(8);
        let upper = walk(Protocol::DESTINATION_OPTIONS, &eight).unwrap();
        let expected = Upper {
            protocol: Protocol::TCP,
            protocol_offset: 40 + 7 * 8,
            payload: b"text",
            fragment: None,
        };
        assert_eq!(upper, expected);
        for count in [9, 10, 100] {
            let refused = walk(Protocol::DESTINATION_OPTIONS, &chain(count)).unwrap_err();
            assert_eq!(refused, Refusal::Drop(Malformed::TooManyHeaders), "{count} headers");
        }
        // An option of no data is legal and moves on; lengths count in full, never modulo 256.
        let empty = [6, 0, 1, 0, 1, 0, 1, 0, b'!'];
        assert_eq!(walk(Protocol::DESTINATION_OPTIONS, &empty).unwrap().payload, b"!");
        let overrun = [6, 0, 1, 255, 0, 0, 0, 0, b'!'];
        assert_eq!(walk(Protocol::DESTINATION_OPTIONS, &overrun), DROP(Malformed::BadOption));
        let half = [6, 0, 1, 3, 0, 0, 0, 1, b'!'];
        assert_eq!(walk(Protocol::HOP_BY_HOP, &half), DROP(Malformed::BadOption));
        // A header of 255 units takes 2048 octets, or is cut short.
        let mut long = vec![0; 2048 + 1];
        long[..2].copy_from_slice(&[6, 255]);
        for first in [Protocol::HOP_BY_HOP, Protocol::DESTINATION_OPTIONS, Protocol::ROUTING] {
            assert_eq!(walk(first, &long).unwrap().payload, &[0]);
            assert_eq!(walk(first, &long[..2047]), DROP(Malformed::Truncated));
        }
        for first in [0, 43, 44, 60].map(Protocol) {
            for cut in 0..8 {
                let cut = &padding(Protocol::TCP)[..cut];
                assert_eq!(walk(first, cut), DROP(Malformed::Truncated), "{first:?}");
            }
        }
    }

    #[test]
    fn sec_12_fragment_headers_do_not_nest() {
        let header = |next: Protocol, offset, more| {
            let mut header = [0; 8];
            Fragment { offset, more, identification: 7 }.emit(next, &mut header).unwrap();
            header
        };
        // Behind an atomic fragment the walk goes on, and meets no further one.
        let atomic = header(Protocol::FRAGMENT, 0, false);
        for (offset, more) in [(0, false), (0, true), (8, false)] {
            let nested = [atomic, header(Protocol::TCP, offset, more)].concat();
            assert_eq!(walk(Protocol::FRAGMENT, &nested), DROP(Malformed::TooManyHeaders));
        }
        let options = [header(Protocol::DESTINATION_OPTIONS, 0, false), padding(Protocol::TCP)];
        let options = options.concat();
        let upper = walk(Protocol::FRAGMENT, &options).unwrap();
        assert_eq!((upper.protocol, upper.protocol_offset), (Protocol::TCP, 48));
        assert!(upper.fragment.unwrap().is_atomic());
        // Behind another it stops: what follows need not be a header.
        let part = [header(Protocol::DESTINATION_OPTIONS, 8, true), [0xff; 8]].concat();
        let upper = walk(Protocol::FRAGMENT, &part).unwrap();
        assert_eq!(upper.protocol, Protocol::DESTINATION_OPTIONS);
        assert_eq!(upper.fragment, Some(Fragment { offset: 8, more: true, identification: 7 }));
        assert_eq!(upper.payload, [0xff; 8]);
    }

    #[test]
    fn sec_13_unknown_next_headers_are_left_to_the_caller() {
        let extensions = [0, 43, 44, 60];
        for protocol in (0..=255).filter(|protocol| !extensions.contains(protocol)) {
            let protocol = Protocol(protocol);
            let direct = Upper { protocol, protocol_offset: 6, payload: &[1, 2], fragment: None };
            assert_eq!(walk(protocol, &[1, 2]), Ok(direct));
            let behind = [&padding(protocol)[..], &[1, 2]].concat();
            let upper = walk(Protocol::HOP_BY_HOP, &behind);
            assert_eq!(upper, Ok(Upper { protocol_offset: 40, ..direct }));
        }
        // Hop-by-hop options anywhere but in front are a next header that nobody knows.
        let late = [padding(Protocol::HOP_BY_HOP), padding(Protocol::TCP)].concat();
        assert_eq!(walk(Protocol::DESTINATION_OPTIONS, &late), PROBLEM(1, 40));
        assert_eq!(walk(Protocol::HOP_BY_HOP, &late), PROBLEM(1, 40));
        assert_eq!(
            walk_multicast(Protocol::DESTINATION_OPTIONS, &late),
            DROP(Malformed::BadOption)
        );
    }

    #[test]
    fn sec_13_option_action_bits() {
        for first in [Protocol::HOP_BY_HOP, Protocol::DESTINATION_OPTIONS] {
            for kind in (0..=255_u8).filter(|kind| ![0, 1, 5].contains(kind)) {
                let packet = [6, 0, 0, kind, 1, 9, 1, 0, b'!'];
                let upper = Ok(Upper {
                    protocol: Protocol::TCP,
                    protocol_offset: 40,
                    payload: &b"!"[..],
                    fragment: None,
                });
                let (one, many) = match kind >> 6 {
                    0 => (upper, upper),
                    1 => (DROP(Malformed::BadOption), DROP(Malformed::BadOption)),
                    2 => (PROBLEM(2, 43), PROBLEM(2, 43)),
                    _ => (PROBLEM(2, 43), DROP(Malformed::BadOption)),
                };
                assert_eq!(walk(first, &packet), one, "option {kind:#x}");
                assert_eq!(walk_multicast(first, &packet), many, "option {kind:#x}, multicast");
            }
        }
        // The pointer counts every header in front.
        let second = [&padding(Protocol::DESTINATION_OPTIONS)[..], &[6, 0, 1, 0, 0x80, 2, 0, 0]];
        assert_eq!(walk(Protocol::DESTINATION_OPTIONS, &second.concat()), PROBLEM(2, 52));
    }

    #[test]
    fn sec_14_ipv6_payload_length_zero_or_too_long() {
        let mut packet = [0x55; 50];
        HEADER.emit(10, &mut packet).unwrap();
        assert_eq!(Header::parse(&packet).unwrap().1.len(), 10);
        for cut in 0..50 {
            assert_eq!(Header::parse(&packet[..cut]), Err(Malformed::Truncated), "cut at {cut}");
        }
        for length in 11..=255 {
            packet[5] = length;
            assert_eq!(Header::parse(&packet), Err(Malformed::Truncated), "length {length}");
        }
        packet[4..6].fill(0xff);
        assert_eq!(Header::parse(&packet), Err(Malformed::Truncated));
        packet[4..6].fill(0);
        assert_eq!(Header::parse(&packet), Err(Malformed::BadLength));
        assert_eq!(Header::parse_quoted(&packet), Err(Malformed::BadLength));
        for version in (0..16).filter(|version| *version != 6) {
            packet[0] = version << 4;
            assert_eq!(Header::parse(&packet), Err(Malformed::BadVersion), "{version}");
        }
    }
}
