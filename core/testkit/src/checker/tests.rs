//! Each rule is broken once by hand, in packets that are made here.

use hikyaku::time::Instant;

use super::packet::{ACK, FIN, RST, SYN};
use super::{Checker, Verdict};

const URG: u8 = 0x20;

/// A segment, before it is put into a packet.
#[derive(Clone)]
struct Plan {
    /// Which side sends it: 1 or 2.
    from: u8,
    seq: u32,
    ack: u32,
    flags: u8,
    window: u16,
    options: Vec<u8>,
    text: Vec<u8>,
}

fn plan(from: u8, seq: u32, ack: u32, flags: u8, text: &[u8]) -> Plan {
    Plan { from, seq, ack, flags, window: 100, options: stamps(7, 7), text: text.to_vec() }
}

fn with(plan: Plan, options: &[u8]) -> Plan {
    Plan { options: options.to_vec(), ..plan }
}

fn stamps(value: u32, echo: u32) -> Vec<u8> {
    [&[1, 1, 8, 10], &value.to_be_bytes()[..], &echo.to_be_bytes()[..]].concat()
}

fn sack(left: u32, right: u32) -> Vec<u8> {
    let block = [left.to_be_bytes(), right.to_be_bytes()].concat();
    [stamps(7, 7), vec![1, 1, 5, 10], block].concat()
}

/// MSS 100, window scale 1, SACK permitted, timestamps.
fn syn_options() -> Vec<u8> {
    [&[2, 4, 0, 100, 1, 3, 3, 1, 4, 2, 8, 10], &7_u32.to_be_bytes()[..], &[0; 4]].concat()
}

fn fold(octets: &[u8]) -> u16 {
    let words = octets
        .chunks(2)
        .map(|two| u32::from(two[0]) << 8 | two.get(1).map_or(0, |low| u32::from(*low)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

/// An IPv6 packet of it, from fd00::1 port 1 to fd00::2 port 2 or the way back.
fn packet(plan: &Plan) -> Vec<u8> {
    let (from, to) = (plan.from, 3 - plan.from);
    let address = |last: u8| {
        let mut octets = [0; 16];
        (octets[0], octets[15]) = (0xfd, last);
        octets
    };
    let mut segment = vec![0, from, 0, to];
    segment.extend(plan.seq.to_be_bytes());
    segment.extend(plan.ack.to_be_bytes());
    let header = 20 + plan.options.len();
    segment.extend([(header as u8 / 4) << 4, plan.flags]);
    segment.extend(plan.window.to_be_bytes());
    segment.extend([0; 4]);
    segment.extend(&plan.options);
    segment.extend(&plan.text);
    let len = (segment.len() as u16).to_be_bytes();
    let pseudo = [&address(from)[..], &address(to), &len, &[0, 6], &segment].concat();
    let checksum = fold(&pseudo);
    segment[16..18].copy_from_slice(&checksum.to_be_bytes());
    let mut packet = vec![0x60, 0, 0, 0, len[0], len[1], 6, 64];
    packet.extend([address(from), address(to)].concat());
    packet.extend(segment);
    packet
}

fn send(checker: &mut Checker, plan: &Plan) -> Verdict {
    let packet = packet(plan);
    let now = Instant::from_millis(checker.segments());
    let verdict = checker.on_sent(now, usize::from(plan.from - 1), &packet);
    checker.on_delivered(&packet);
    verdict
}

/// A checker that has seen a handshake: 1 begins at 1000, 2 at 5000, windows of 200.
fn open() -> Checker {
    let mut checker = Checker::new(false);
    for segment in [
        with(plan(1, 999, 0, SYN, b""), &syn_options()),
        with(plan(2, 4999, 1000, SYN | ACK, b""), &syn_options()),
        plan(1, 1000, 5000, ACK, b""),
        plan(2, 5000, 1000, ACK, b""),
    ] {
        assert_eq!(send(&mut checker, &segment), Ok(()));
    }
    checker
}

fn judge(before: &[Plan], last: &Plan) -> Verdict {
    let mut checker = open();
    for segment in before {
        assert_eq!(send(&mut checker, segment), Ok(()));
    }
    send(&mut checker, last)
}

#[test]
fn what_is_allowed_is_let_pass() {
    let text = plan(1, 1000, 5000, ACK, &[9; 50]);
    for (before, last) in [
        (vec![], text.clone()),
        (vec![text.clone()], text.clone()),
        (vec![text.clone()], plan(2, 5000, 1050, ACK, b"")),
        (vec![text.clone()], with(plan(2, 5000, 1000, ACK, b""), &sack(1010, 1050))),
        (vec![plan(1, 1000, 5000, ACK | FIN, b"")], plan(2, 5000, 1001, ACK | FIN, b"x")),
        (vec![], plan(1, 1000, 5000, RST | ACK, b"")),
        (vec![], plan(1, 1000, 5000, ACK | URG, b"x")),
    ] {
        assert_eq!(judge(&before, &last), Ok(()), "{:?}", last.text);
    }
}

#[test]
fn each_broken_rule_is_told() {
    let text = plan(1, 1000, 5000, ACK, &[9; 50]);
    let fin = plan(1, 1000, 5000, ACK | FIN, b"");
    let ack = plan(1, 1000, 5000, ACK, b"");
    let table: [(&[Plan], Plan, &str); 24] = [
        (&[], plan(1, 1000, 5000, ACK, &[9; 89]), "MSS"),
        (&[], plan(1, 1001, 5000, ACK, b"x"), "gap"),
        (&[], plan(1, 999, 5000, ACK, b"x"), "before the first"),
        (std::slice::from_ref(&text), plan(1, 1000, 5000, ACK, b""), "SND.NXT"),
        (&[], plan(1, 1000, 5001, ACK, b""), "never sent"),
        (&[text.clone(), plan(2, 5000, 1050, ACK, b"")], plan(2, 5000, 1040, ACK, b""), "back"),
        (&[], Plan { window: 90, ..ack.clone() }, "window taken back"),
        (&[], plan(1, 1000, 5000, 0, b"x"), "without ACK"),
        (&[], plan(1, 1000, 5000, ACK | SYN | FIN, b""), "two of"),
        (&[], plan(1, 1000, 5000, RST, b"x"), "reset with text"),
        (std::slice::from_ref(&text), plan(1, 1000, 5000, ACK, &[8; 50]), "other text"),
        (std::slice::from_ref(&fin), plan(1, 1001, 5000, ACK, b"x"), "after the FIN"),
        (&[], with(ack.clone(), &[]), "missing"),
        (&[], with(ack.clone(), &stamps(6, 7)), "goes backwards"),
        (&[], with(ack.clone(), &stamps(7, 8)), "echo"),
        (&[], with(ack.clone(), &[2, 4, 0, 100]), "MSS without SYN"),
        (&[], with(ack.clone(), &[1, 3, 3, 1]), "scale without SYN"),
        (&[], with(ack.clone(), &[1, 1, 4, 2]), "SACK permitted without SYN"),
        (&[], with(ack.clone(), &sack(5001, 5002)), "never sent"),
        (&[], with(ack.clone(), &sack(5000, 5000)), "empty SACK"),
        (&[], plan(1, 900, 0, RST, b""), "nobody expects"),
        (&[plan(1, 1000, 5000, RST | ACK, b"")], text.clone(), "after its own reset"),
        (&[], with(plan(1, 999, 0, SYN, b"x"), &syn_options()), "text with a SYN"),
        (&[], with(ack, &[254, 4, 0, 0]), "an option"),
    ];
    for (before, last, rule) in table {
        let verdict = judge(before, &last);
        assert!(verdict.is_err_and(|told| told.contains(rule)), "{rule}: {verdict:?}");
    }
}

#[test]
fn text_beyond_the_window_is_told_but_for_a_probe() {
    let filled = [plan(1, 1000, 5000, ACK, &[1; 88]), plan(1, 1088, 5000, ACK, &[2; 88])];
    let rest = plan(1, 1176, 5000, ACK, &[3; 24]);
    let full = [&filled[..], &[rest]].concat();
    assert_eq!(judge(&full, &plan(1, 1200, 5000, ACK, b"p")), Ok(()));
    assert!(judge(&full, &plan(1, 1200, 5000, ACK, b"no")).is_err());
    assert!(judge(&filled, &plan(1, 1176, 5000, ACK, &[3; 25])).is_err());
    assert!(judge(&full, &plan(1, 1200, 5000, ACK | FIN, b"p")).is_err());
}

#[test]
fn checksums_and_lengths_are_looked_at() {
    let good = packet(&plan(1, 1000, 5000, ACK, b"text"));
    assert_eq!(open().on_sent(Instant::ZERO, 0, &good), Ok(()));
    for at in [5, 41, 60, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(open().on_sent(Instant::ZERO, 0, &bad).is_err(), "octet {at}");
    }
    assert!(open().on_sent(Instant::ZERO, 0, &good[..good.len() - 1]).is_err());
}

#[test]
fn the_hash_knows_packets_times_and_sides() {
    let one = packet(&plan(1, 1000, 5000, ACK, b"text"));
    let mut other = one.clone();
    let last = other.len() - 1;
    other[last] ^= 1;
    let hash = |at, side, packet: &[u8]| {
        let mut checker = Checker::new(false);
        let _ = checker.on_sent(Instant::from_micros(at), side, packet);
        checker.hash()
    };
    assert_eq!(hash(1, 0, &one), hash(1, 0, &one));
    let hashes = [hash(1, 0, &one), hash(2, 0, &one), hash(1, 1, &one), hash(1, 0, &other)];
    let distinct: std::collections::BTreeSet<_> = hashes.into_iter().collect();
    assert_eq!(distinct.len(), 4);
}

#[test]
fn numbers_of_a_handshake_can_be_asked_for() {
    let checker = open();
    let told = [Some((999, Some(7))), Some((4999, Some(7)))];
    assert_eq!(checker.openings(1), Some(told));
    assert_eq!(checker.openings(9), None);
}
