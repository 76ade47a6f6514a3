//! What the conformance tests have in common: hosts of each profile and family, and what their
//! packets look like to somebody who computes everything by hand.

use std::net::IpAddr;

use hikyaku::State;
use hikyaku::time::Duration;
use hikyaku::wire::tcp::Flags;
use hikyaku_testkit::forge::Tcp;
use hikyaku_testkit::host::{HostSetup, Kind};
use hikyaku_testkit::lone::{Lone, Peer};
use hikyaku_testkit::pair::Family;
use hikyaku_testkit::seen::{Seen, payload};

pub(crate) const KINDS: [Kind; 2] = [Kind::Full, Kind::Small];

pub(crate) const FIN_ACK: Flags = Flags::FIN.with(Flags::ACK);
pub(crate) const SYN_ACK: Flags = Flags::SYN.with(Flags::ACK);

/// Each profile with each family.
pub(crate) fn hosts(act: impl Fn(&mut Lone)) {
    hosts_with(|_| {}, act);
}

/// Likewise, with a setup of choice.
pub(crate) fn hosts_with(change: impl Fn(&mut HostSetup), act: impl Fn(&mut Lone)) {
    for kind in KINDS {
        for family in Family::BOTH {
            act(&mut Lone::with(kind, family, &change));
        }
    }
}

/// An accepted connection on each of them; at the end all that was lent is back.
pub(crate) fn each(act: impl Fn(&mut Lone, &mut Peer)) {
    each_with(|_| {}, act);
}

/// Likewise, with a setup of choice.
pub(crate) fn each_with(change: impl Fn(&mut HostSetup), act: impl Fn(&mut Lone, &mut Peer)) {
    hosts_with(change, |lone| {
        let mut peer = lone.passive(0);
        act(lone, &mut peer);
        lone.drain(&[peer]);
    });
}

/// The host hands so much to TCP; what leaves at once comes back.
pub(crate) fn write(lone: &mut Lone, peer: &Peer, octets: usize) -> Vec<Seen> {
    assert_eq!(lone.host.write(peer.handle, &vec![7; octets]), Ok(octets));
    lone.sent()
}

/// All that can be read now.
pub(crate) fn read(lone: &mut Lone, peer: &Peer) -> Vec<u8> {
    let mut buffer = vec![0; 70_000];
    let octets = lone.host.read(peer.handle, &mut buffer).unwrap_or(0);
    buffer.truncate(octets);
    buffer
}

/// The peer sends text, which the host takes.
pub(crate) fn tell(lone: &mut Lone, peer: &mut Peer, text: &[u8]) -> Vec<Seen> {
    let answers = lone.feed(&peer.segment(Flags::ACK, text));
    peer.seq = peer.seq + text.len() as u32;
    answers
}

/// The peer acknowledges so many octets more.
pub(crate) fn ack(lone: &mut Lone, peer: &mut Peer, octets: u32) -> Vec<Seen> {
    peer.ack = peer.ack + octets;
    lone.feed(&peer.segment(Flags::ACK, b""))
}

/// The peer acknowledges with a window of choice.
pub(crate) fn window(lone: &mut Lone, peer: &mut Peer, window: u16) -> Vec<Seen> {
    peer.window = window;
    lone.feed(&peer.segment(Flags::ACK, b""))
}

/// Octets of text in segments.
pub(crate) fn text(seen: &[Seen]) -> u32 {
    seen.iter().map(|one| one.text).sum()
}

/// A bare ACK that names what the host expects from us and what it sent last.
pub(crate) fn is_ack(answers: &[Seen], peer: &Peer) -> bool {
    let [answer] = answers else { return false };
    (answer.flags, answer.seq, answer.ack, answer.text) == (Flags::ACK, peer.ack, peer.seq, 0)
}

/// The connection still carries text both ways.
pub(crate) fn still_works(lone: &mut Lone, peer: &mut Peer) {
    assert_eq!(lone.host.state(peer.handle), State::Established);
    read(lone, peer);
    tell(lone, peer, b"still here");
    assert_eq!(read(lone, peer), b"still here");
    lone.pass(Duration::from_millis(600));
    let sent = write(lone, peer, 5);
    assert_eq!(text(&sent), 5);
    assert!(ack(lone, peer, 5).is_empty());
    assert_eq!(lone.host.send_queue(peer.handle), 0);
}

/// The ones' complement sum over big-endian words.
fn sum(bytes: &[u8]) -> u32 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    bytes.chunks(2).map(word).fold(0, |sum, word| {
        let sum = sum + word;
        (sum & 0xffff) + (sum >> 16)
    })
}

/// Whether the checksum of the segment in a packet is right, computed here.
pub(crate) fn has_good_checksum(packet: &[u8]) -> bool {
    let (source, destination, _, segment) = payload(packet).expect("an IP packet");
    let mut covered = Vec::new();
    for address in [source, destination] {
        match address {
            IpAddr::V4(address) => covered.extend_from_slice(&address.octets()),
            IpAddr::V6(address) => covered.extend_from_slice(&address.octets()),
        }
    }
    covered.extend_from_slice(&(segment.len() as u32).to_be_bytes());
    covered.extend_from_slice(&[0, 0, 0, 6]);
    covered.extend_from_slice(segment);
    sum(&covered) == 0xffff
}

/// The options of the segment in a packet, as they are.
pub(crate) fn raw_options(packet: &[u8]) -> Vec<u8> {
    let (_, _, _, segment) = payload(packet).expect("an IP packet");
    segment[20..usize::from(segment[12] >> 4) * 4].to_vec()
}

/// A SYN with options of choice.
pub(crate) fn syn_with(lone: &Lone, number: u16, options: &[u8]) -> Tcp {
    Tcp { options: options.to_vec(), ..lone.syn(number) }
}

/// The timestamps that a peer sends: none where none were agreed on.
fn stamps(answer: &Seen) -> Vec<u8> {
    let Some(theirs) = answer.stamps else { return Vec::new() };
    let echo = theirs.value.to_be_bytes();
    [&[1, 1, 8, 10, 0, 0, 0, 10][..], &echo].concat()
}

/// Goes on from a SYN-ACK: the segment that completes the handshake.
fn third(syn: &Tcp, syn_ack: &Seen) -> Tcp {
    let (seq, ack) = (syn.seq + 1, syn_ack.seq + 1);
    Tcp { seq, ack, flags: Flags::ACK, options: stamps(syn_ack), ..syn.clone() }
}

/// A peer that offers what it likes, timestamps too, and says what was agreed on.
pub(crate) fn passive_offering(lone: &mut Lone, number: u16, options: &[u8]) -> Peer {
    let syn = syn_with(lone, number, options);
    let answers = lone.feed(&syn);
    let third = third(&syn, &answers[0]);
    lone.feed(&third);
    let handle = lone.accept().expect("a connection");
    let (at, host) = (syn.source, syn.destination);
    Peer { handle, at, host, seq: third.seq, ack: third.ack, window: syn.window }
}

/// All packets of a short life: opened by us, text both ways, one sent again, closed, and a
/// segment to nobody.
pub(crate) fn packets_of_a_life(lone: &mut Lone, options: &[u8]) -> Vec<Vec<u8>> {
    let syn = syn_with(lone, 7, options);
    let mut packets = lone.feed_packet(&syn.packet());
    let syn_ack = Seen::in_packet(&packets[0]).expect("a SYN-ACK");
    // It is lost, and comes again.
    let again = lone.next_wake().expect("a deadline");
    lone.now = again;
    packets.extend(lone.packets());
    let mut segment = third(&syn, &syn_ack);
    packets.extend(lone.feed_packet(&segment.packet()));
    let handle = lone.accept().expect("a connection");
    segment.text = b"text".to_vec();
    packets.extend(lone.feed_packet(&segment.packet()));
    segment.seq = segment.seq + 4;
    lone.host.write(handle, &[3; 333]).expect("room");
    packets.extend(lone.packets());
    // It is lost.
    lone.now = lone.next_wake().expect("a deadline");
    packets.extend(lone.packets());
    lone.host.close(handle);
    packets.extend(lone.packets());
    let mut stray = lone.syn(8);
    stray.destination.set_port(1);
    packets.extend(lone.feed_packet(&stray.packet()));
    lone.host.abort(handle);
    lone.host.release(handle);
    packets.extend(lone.packets());
    assert!(packets.len() >= 7, "{}", packets.len());
    packets
}
