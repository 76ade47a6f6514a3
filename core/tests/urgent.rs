//! Urgent data (RFC 9293 §3.8.5): the mark is told and sent, the octets stay in the stream.
#![cfg(all(feature = "ipv6", feature = "udp"))]

use hikyaku::Readiness;
use hikyaku::time::Duration;
use hikyaku::wire::tcp::Flags;
use hikyaku_testkit::forge::Tcp;
use hikyaku_testkit::host::Kind;
use hikyaku_testkit::lone::{Lone, Peer};
use hikyaku_testkit::pair::Family;

const ACK: Flags = Flags::ACK;

fn scene(kind: Kind) -> (Lone, Peer) {
    let mut lone = Lone::new(kind, Family::V4);
    let peer = lone.passive(1);
    while lone.host.next_event().is_some() {}
    (lone, peer)
}

fn urgent(peer: &Peer, text: &[u8], pointer: u16) -> Tcp {
    Tcp { urgent: pointer, ..peer.segment(ACK | Flags::URG, text) }
}

fn is_told(lone: &mut Lone) -> bool {
    let mut told = false;
    while let Some((_, news)) = lone.host.next_event() {
        told |= news.contains(Readiness::URGENT);
    }
    told
}

#[test]
fn the_mark_is_told_when_it_comes_and_whenever_it_advances() {
    let (mut lone, mut peer) = scene(Kind::Full);
    let handle = peer.handle;
    // (text, pointer, told, urgent octets from the next unread one on)
    for (text, pointer, told, ahead) in [
        (&b"abc"[..], 2, true, 2),
        (b"def", 0, false, 2),
        (b"ghi", 3, true, 9),
        (b"", 100, true, 109),
        (b"jkl", 50, false, 109),
    ] {
        lone.feed(&urgent(&peer, text, pointer));
        peer.seq = peer.seq + text.len() as u32;
        assert_eq!(is_told(&mut lone), told, "{text:?} {pointer}");
        assert_eq!(lone.host.urgent(handle), ahead, "{text:?} {pointer}");
    }
    let mut buffer = [0; 8];
    assert_eq!(lone.host.read(handle, &mut buffer), Ok(8));
    assert_eq!(&buffer, b"abcdefgh", "in its place");
    assert_eq!(lone.host.urgent(handle), 101);
    assert_eq!(lone.host.read(handle, &mut buffer), Ok(4));
    // What was told already, sent again, is no news.
    let mut again = urgent(&peer, b"jkl", 50);
    again.seq = peer.seq - 3;
    lone.feed(&again);
    assert!(!is_told(&mut lone));
    lone.drain(&[peer]);
}

#[test]
fn a_mark_is_heard_through_a_closed_window() {
    let (mut lone, mut peer) = scene(Kind::Full);
    // RFC 9293 §3.8.6, MUST-66: the text finds no window, the URG bit is heard.
    for _ in 0..300 {
        let answers = lone.feed(&peer.segment(ACK, &[1; 512]));
        peer.seq = answers.last().map_or(peer.seq + 512, |answer| answer.ack);
        if answers.last().is_some_and(|answer| answer.window == 0) {
            break;
        }
    }
    assert!(!is_told(&mut lone));
    lone.feed(&urgent(&peer, b"x", 1));
    assert!(is_told(&mut lone));
    assert_eq!(lone.host.urgent(peer.handle), lone.host.readable(peer.handle) + 1);
    lone.drain(&[peer]);
}

#[test]
fn the_mark_we_send_points_behind_the_last_urgent_octet() {
    let (mut lone, mut peer) = scene(Kind::Full);
    let handle = peer.handle;
    lone.host.mark_urgent(handle);
    assert!(lone.sent().is_empty(), "there is nothing urgent");
    assert_eq!(lone.host.write(handle, &[1; 1000]), Ok(1000));
    lone.host.mark_urgent(handle);
    assert_eq!(lone.host.write(handle, &[2; 608]), Ok(608));
    let base = peer.ack;
    let sent = lone.sent();
    let marks: Vec<_> =
        sent.iter().map(|one| (one.seq.since(base), one.has(Flags::URG), one.urgent)).collect();
    assert_eq!(marks, [(0, true, 1000), (536, true, 464), (1072, false, 0)]);
    // Lost and sent again it still says so; acknowledged, the urgency is over.
    let again = lone.pass(Duration::from_secs(2));
    let (_, first) = again[0];
    assert_eq!((first.has(Flags::URG), first.urgent), (true, 1000), "{first}");
    peer.ack = base + 1608;
    lone.feed(&peer.segment(ACK, b""));
    assert_eq!(lone.host.write(handle, b"calm"), Ok(4));
    assert!(!lone.sent()[0].has(Flags::URG));
    lone.drain(&[peer]);
}

#[test]
fn urgency_does_not_wait_for_a_closed_window_and_reaches_beyond_the_field() {
    let (mut lone, mut peer) = scene(Kind::Full);
    peer.window = 0;
    lone.feed(&peer.segment(ACK, b""));
    assert_eq!(lone.host.write(peer.handle, b"stop"), Ok(4));
    assert!(lone.sent().is_empty());
    lone.host.mark_urgent(peer.handle);
    let sent = lone.sent();
    assert_eq!((sent[0].text, sent[0].has(Flags::URG), sent[0].urgent), (0, true, 4));
    lone.drain(&[peer]);

    let mut lone = Lone::with(Kind::Full, Family::V4, |setup| {
        setup.config.connection.send_limit = 80_000;
        setup.capacity.blocks = 400;
    });
    let peer = lone.passive(1);
    let written = lone.host.write(peer.handle, &[1; 70_000]).expect("room") as u32;
    assert_eq!(written, 70_000);
    lone.host.mark_urgent(peer.handle);
    for one in lone.sent() {
        let left = 70_000 - one.seq.since(peer.ack);
        assert_eq!(u32::from(one.urgent), left.min(65_535), "{one}");
    }
    lone.drain(&[peer]);
}

#[test]
fn small_leaves_the_mark_out_and_the_data_in() {
    let (mut lone, peer) = scene(Kind::Small);
    lone.feed(&urgent(&peer, b"abc", 2));
    assert!(!is_told(&mut lone));
    assert_eq!(lone.host.urgent(peer.handle), 0);
    let mut buffer = [0; 8];
    assert_eq!(lone.host.read(peer.handle, &mut buffer), Ok(3));
    assert_eq!(lone.host.write(peer.handle, b"def"), Ok(3));
    lone.host.mark_urgent(peer.handle);
    assert!(!lone.sent()[0].has(Flags::URG));
    lone.drain(&[peer]);
}

#[test]
fn sec_35_urgent_pointers_that_lead_nowhere() {
    for kind in [Kind::Full, Kind::Small] {
        for family in Family::BOTH {
            let mut lone = Lone::with(kind, family, |setup| {
                setup.config.connection.receive_limit = 4096;
            });
            let mut peer = lone.passive(1);
            let (mut sent, mut read) = (Vec::new(), Vec::new());
            let mut buffer = [0; 4096];
            // Read past the mark there is nothing urgent.
            for text in [&b"a"[..], b"bcd", b"efghijk"] {
                lone.feed(&urgent(&peer, text, 1));
                peer.seq = peer.seq + text.len() as u32;
                assert_eq!(lone.host.urgent(peer.handle), u32::from(kind == Kind::Full));
                assert_eq!(lone.host.read(peer.handle, &mut buffer), Ok(text.len()));
                assert_eq!(buffer[..text.len()], *text);
                assert_eq!(lone.host.urgent(peer.handle), 0);
            }
            // Nothing is read before the window is closed; the pointers go on regardless.
            for round in 0..60_u16 {
                for pointer in [0, 1, 100, 101, 32_768, 65_535] {
                    let text = if pointer == 1 { vec![round as u8; 100] } else { Vec::new() };
                    let mut segment = urgent(&peer, &text, pointer);
                    // Just before what is expected, and at the end of the window.
                    for seq in [peer.seq - 1, peer.seq - 65_535, peer.seq + 4095, peer.seq] {
                        segment.seq = seq;
                        if seq == peer.seq || text.is_empty() {
                            lone.feed(&segment);
                        }
                    }
                    let taken = lone.host.readable(peer.handle) as usize + read.len() - sent.len();
                    peer.seq = peer.seq + taken as u32;
                    sent.extend_from_slice(&text[..taken]);
                    let ahead = lone.host.urgent(peer.handle);
                    assert!(ahead <= 4096 + 65_535, "{ahead}");
                    assert!(kind == Kind::Full || ahead == 0);
                }
                if round >= 45 {
                    let octets = lone.host.read(peer.handle, &mut buffer).unwrap_or(0);
                    read.extend_from_slice(&buffer[..octets]);
                    lone.sent();
                }
            }
            assert!(read.len() > 4096, "the window closed and opened: {}", read.len());
            assert_eq!(read, sent, "{kind:?}: the stream is what it was");
            lone.drain(&[peer]);
        }
    }
}
