//! Packets are written by hand here, so that the lines do not depend on our own `emit` alone.

use hikyaku::seq::SeqNum;

use super::*;

const NEAR: [u8; 4] = [192, 168, 69, 1];
const OURS: [u8; 4] = [192, 168, 69, 2];

fn packet(protocol: u8, from: [u8; 4], to: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let header = ipv4::Header {
        traffic_class: 0,
        identification: 0,
        dont_fragment: true,
        more_fragments: false,
        fragment_offset: 0,
        hop_limit: 64,
        protocol: Protocol(protocol),
        source: from.into(),
        destination: to.into(),
        options: &[],
    };
    let mut packet = vec![0; 20];
    header.emit(payload.len(), &mut packet).unwrap();
    packet.extend_from_slice(payload);
    packet
}

struct Seg<'a> {
    seq: u32,
    ack: u32,
    flags: tcp::Flags,
    options: &'a [u8],
    data: &'a [u8],
}

/// The trace's line for a segment between 192.168.69.1:40000 and 192.168.69.2:7.
fn line(trace: &mut Trace, out: bool, seg: &Seg<'_>) -> String {
    let (from, to, source_port, destination_port) =
        if out { (OURS, NEAR, 7, 40_000) } else { (NEAR, OURS, 40_000, 7) };
    let header = tcp::Header {
        source_port,
        destination_port,
        seq: SeqNum::new(seg.seq),
        ack: SeqNum::new(seg.ack),
        flags: seg.flags,
        window: 502,
        urgent: 0,
        options: seg.options,
    };
    let mut segment = vec![0; header.header_len()];
    header.emit(&mut segment).unwrap();
    segment.extend_from_slice(seg.data);
    let text = trace.line(&packet(6, from, to, &segment));
    // The checksum is left zero here, and said to be bad.
    text.strip_suffix(" (bad checksum)").unwrap().to_owned()
}

#[test]
fn a_conversation_reads_as_in_tcpdump() {
    use tcp::Flags as F;
    let mut trace = Trace::new(Layer::Packets);
    let syn_options = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7];
    let sack = [1, 1, 5, 10, 0, 0, 3, 233, 0, 0, 3, 238];
    for (out, seq, ack, flags, options, data, expected) in [
        (
            false,
            1000,
            0,
            F::SYN,
            &syn_options[..],
            &b""[..],
            "IP 192.168.69.1.40000 > 192.168.69.2.7: Flags [S], seq 1000, win 502, options \
             [mss 1460,sackOK,TS val 9 ecr 0,nop,wscale 7], length 0",
        ),
        (
            true,
            5000,
            1001,
            F::SYN.with(F::ACK),
            &[],
            b"",
            "IP 192.168.69.2.7 > 192.168.69.1.40000: Flags [S.], seq 5000, ack 1001, win 502, \
             length 0",
        ),
        (
            false,
            1001,
            5001,
            F::PSH.with(F::ACK),
            &[],
            b"hello",
            "IP 192.168.69.1.40000 > 192.168.69.2.7: Flags [P.], seq 1:6, ack 1, win 502, length 5",
        ),
        (
            true,
            5001,
            1001,
            F::ACK,
            &sack,
            b"",
            "IP 192.168.69.2.7 > 192.168.69.1.40000: Flags [.], ack 1, win 502, options \
             [nop,nop,sack 1 {1:6}], length 0",
        ),
        (
            true,
            5001,
            1006,
            F::FIN.with(F::ACK),
            &[],
            b"",
            "IP 192.168.69.2.7 > 192.168.69.1.40000: Flags [F.], seq 1, ack 6, win 502, length 0",
        ),
    ] {
        let seg = Seg { seq, ack, flags, options, data };
        assert_eq!(line(&mut trace, out, &seg), expected);
    }
}

#[test]
fn a_reset_of_a_closed_port_has_its_own_numbers() {
    use tcp::Flags as F;
    let mut trace = Trace::new(Layer::Packets);
    let syn = Seg { seq: 1000, ack: 0, flags: F::SYN, options: &[], data: &[] };
    line(&mut trace, false, &syn);
    let rst = Seg { seq: 0, ack: 1001, flags: F::RST.with(F::ACK), options: &[], data: &[] };
    assert_eq!(
        line(&mut trace, true, &rst),
        "IP 192.168.69.2.7 > 192.168.69.1.40000: Flags [R.], seq 0, ack 1, win 502, length 0"
    );
}

#[test]
fn datagrams_messages_and_rubbish_have_a_line_too() {
    let mut trace = Trace::new(Layer::Packets);
    let datagram = [0x9c, 0x40, 0, 7, 0, 11, 0, 0, b'a', b'b', b'c'];
    let echo = [8, 0, 0xf7, 0xfc, 0, 1, 0, 2];
    for (packet, expected) in [
        (
            packet(17, NEAR, OURS, &datagram),
            "IP 192.168.69.1.40000 > 192.168.69.2.7: UDP, length 3",
        ),
        (
            packet(1, NEAR, OURS, &echo),
            "IP 192.168.69.1 > 192.168.69.2: ICMP echo request, id 1, seq 2, length 8",
        ),
        (packet(6, NEAR, OURS, &[1, 2, 3]), "IP 192.168.69.1 > 192.168.69.2: truncated"),
        (vec![0x55], "IP malformed (unknown IP version), length 1"),
        (Vec::new(), "IP malformed (unknown IP version), length 0"),
    ] {
        assert_eq!(trace.line(&packet), expected);
    }
}

#[test]
fn frames_are_opened() {
    let mut trace = Trace::new(Layer::Frames);
    let head = |kind: [u8; 2]| [&[0xff; 6][..], &[2, 0, 0, 0, 0, 1], &kind].concat();
    let ask =
        [&head([8, 6])[..], &[0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1], &NEAR, &[0; 6], &OURS];
    assert_eq!(
        trace.line(&ask.concat()),
        "ARP, Request who-has 192.168.69.2 tell 192.168.69.1, length 28"
    );
    let reply =
        [&head([8, 6])[..], &[0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0, 0, 0, 9], &OURS, &[0; 6], &NEAR];
    assert_eq!(
        trace.line(&reply.concat()),
        "ARP, Reply 192.168.69.2 is-at 02:00:00:00:00:09, length 28"
    );
    let mut packet = [head([8, 0]), packet(200, NEAR, OURS, b"four")].concat();
    packet.resize(60, 0);
    assert_eq!(trace.line(&packet), "IP 192.168.69.1 > 192.168.69.2: ip-proto-200, length 4");
    assert_eq!(trace.line(&head([0x88, 0xcc])), "ethertype 0x88cc, length 0");
    assert_eq!(trace.line(&[0; 13]), "frame malformed (truncated), length 13");
    assert_eq!(trace.line(&ask.concat()[..41]), "ARP malformed (truncated)");
}
