//! RFC 9293 §3.8.5: the urgent pointer. `Small` leaves the mark out and the data in the stream
//! (decision 0020).

use hikyaku::Readiness;
use hikyaku::time::Duration;
use hikyaku::wire::tcp::Flags;
use hikyaku_testkit::forge::Tcp;
use hikyaku_testkit::host::Kind;
use hikyaku_testkit::lone::{Lone, Peer};
use hikyaku_testkit::pair::Family;

use super::common::*;

/// `Full`, with a connection.
fn full(act: impl Fn(&mut Lone, &mut Peer)) {
    for family in Family::BOTH {
        let mut lone = Lone::new(Kind::Full, family);
        let mut peer = lone.passive(0);
        is_told(&mut lone);
        act(&mut lone, &mut peer);
        lone.drain(&[peer]);
    }
}

/// The user's events are taken: was urgency among them?
fn is_told(lone: &mut Lone) -> bool {
    let mut told = false;
    while let Some((_, news)) = lone.host.next_event() {
        told |= news.contains(Readiness::URGENT);
    }
    told
}

/// The peer sends text with an urgent pointer.
fn press(lone: &mut Lone, peer: &mut Peer, text: &[u8], pointer: u16) {
    let plain = peer.segment(Flags::ACK | Flags::URG, text);
    lone.feed(&Tcp { urgent: pointer, ..plain });
    peer.seq = peer.seq + text.len() as u32;
}

#[test]
fn must_30_holds_urgency_is_sent_and_told() {
    full(|lone, peer| {
        press(lone, peer, b"now!", 4);
        assert!(is_told(lone));
        assert_eq!(read(lone, peer), b"now!", "in its place in the stream");
        lone.pass(Duration::from_secs(1));
        assert_eq!(lone.host.write(peer.handle, b"hurry"), Ok(5));
        lone.host.mark_urgent(peer.handle);
        let sent = lone.sent();
        assert_eq!((sent[0].has(Flags::URG), sent[0].urgent, sent[0].text), (true, 5, 5));
        ack(lone, peer, 5);
        assert!(!write(lone, peer, 5)[0].has(Flags::URG), "what follows is in no hurry");
        ack(lone, peer, 5);
    });
}

#[test]
fn must_30_provoked_by_pointers_without_the_bit_and_without_text() {
    each(|lone, peer| {
        is_told(lone);
        // The field alone means nothing.
        let plain = peer.segment(Flags::ACK, b"calm");
        lone.feed(&Tcp { urgent: 4, ..plain });
        peer.seq = peer.seq + 4;
        assert!(!is_told(lone));
        assert_eq!(lone.host.urgent(peer.handle), 0);
        assert_eq!(read(lone, peer), b"calm");
        // The bit on an ACK without text, the largest pointer, the smallest: nothing is lost.
        for (text, pointer) in [(&b""[..], 1), (b"", 65_535), (b"a", 0), (b"b", 65_535)] {
            press(lone, peer, text, pointer);
            assert_eq!(read(lone, peer), text);
        }
        let text = vec![5; 65_600];
        for part in text.chunks(1000) {
            tell(lone, peer, part);
            assert_eq!(read(lone, peer), part);
        }
        assert_eq!(lone.host.urgent(peer.handle), 0, "all of it was read");
        still_works(lone, peer);
    });
}

#[test]
fn must_31_holds_urgent_data_of_many_segments() {
    full(|lone, peer| {
        // 5,000 octets are urgent: each segment points at the same end.
        assert_eq!(lone.host.write(peer.handle, &[1; 5000]), Ok(5000));
        lone.host.mark_urgent(peer.handle);
        let (end, sent) = (peer.ack + 5000, lone.sent());
        assert!(sent.len() >= 9);
        for one in &sent {
            assert!(one.has(Flags::URG) && one.seq + u32::from(one.urgent) == end, "{one}");
        }
        // And so it is told when it arrives.
        press(lone, peer, &[1; 500], 5000);
        for _ in 1..10 {
            let urgent = lone.host.urgent(peer.handle);
            assert_eq!(urgent, 5000);
            tell(lone, peer, &[1; 500]);
        }
        assert_eq!(read(lone, peer).len(), 5000);
        assert_eq!(lone.host.urgent(peer.handle), 0);
    });
}

#[test]
fn must_31_provoked_by_more_than_a_pointer_can_reach() {
    full(|lone, peer| {
        let mut left = 65_536 + 10_000;
        // Marks follow on each other, each further: 75,536 octets without one that is calm.
        let (mut told, mut seen) = (0, 0);
        while left > 0 {
            let octets = left.min(1000);
            press(lone, peer, &vec![1; octets], 65_535);
            told += u32::from(is_told(lone));
            assert!(lone.host.urgent(peer.handle) >= 64_000);
            seen += read(lone, peer).len();
            left -= octets;
        }
        assert_eq!((seen, told), (75_536, 76));
        // All that is queued at once, beyond 65,535 octets or not.
        let written = lone.host.write(peer.handle, &[1; 65_536]).expect("room");
        lone.host.mark_urgent(peer.handle);
        let (end, mut pointed) = (peer.ack + written as u32, 0);
        let mut sent = lone.sent();
        while !sent.is_empty() {
            for one in &sent {
                assert!(one.has(Flags::URG), "{one}");
                let left = end.since(one.seq);
                assert_eq!(u32::from(one.urgent), left.min(65_535), "{one}");
                peer.ack = peer.ack.later(one.end());
                pointed += 1;
            }
            sent = lone.feed(&peer.segment(Flags::ACK, b""));
        }
        assert!(pointed > 100 && peer.ack == end);
    });
}

#[test]
fn must_32_holds_the_user_is_told_when_urgency_comes_and_when_it_grows() {
    full(|lone, peer| {
        press(lone, peer, b"abc", 3);
        assert!(is_told(lone));
        press(lone, peer, b"def", 3);
        assert!(is_told(lone), "it reaches further");
        tell(lone, peer, b"ghi");
        assert!(!is_told(lone));
        press(lone, peer, b"jkl", 300);
        assert!(is_told(lone), "before its data is here");
    });
}

#[test]
fn must_32_provoked_by_marks_that_come_twice_early_and_through_a_closed_window() {
    full(|lone, peer| {
        press(lone, peer, b"abc", 100);
        assert!(is_told(lone));
        // The same mark again is no news.
        let again = Tcp { urgent: 97, ..peer.segment(Flags::ACK | Flags::URG, b"") };
        lone.feed(&again);
        assert!(!is_told(lone));
        read(lone, peer);
        while lone.host.info(peer.handle).rcv_wnd > 0 {
            let room = lone.host.info(peer.handle).rcv_wnd.min(1000);
            tell(lone, peer, &vec![1; room as usize]);
            lone.pass(Duration::from_millis(600));
        }
        is_told(lone);
        let far = Tcp { urgent: 7, ..peer.segment(Flags::ACK | Flags::URG, b"") };
        lone.feed(&far);
        assert!(is_told(lone), "through a closed window");
        assert_eq!(lone.host.urgent(peer.handle), lone.host.readable(peer.handle) + 7);
    });
}

#[test]
fn must_33_holds_the_user_can_ask_how_much_is_urgent() {
    full(|lone, peer| {
        assert_eq!(lone.host.urgent(peer.handle), 0);
        press(lone, peer, b"abcdef", 4);
        assert_eq!(lone.host.urgent(peer.handle), 4);
        assert_eq!(lone.host.read(peer.handle, &mut [0; 3]), Ok(3));
        assert_eq!(lone.host.urgent(peer.handle), 1);
        assert_eq!(lone.host.read(peer.handle, &mut [0; 1]), Ok(1));
        assert_eq!(lone.host.urgent(peer.handle), 0, "what is left is not urgent");
    });
}

#[test]
fn must_33_provoked_by_old_marks_and_by_reading_past_the_end() {
    full(|lone, peer| {
        press(lone, peer, b"abcdef", 4);
        assert_eq!(read(lone, peer), b"abcdef");
        assert_eq!(lone.host.urgent(peer.handle), 0);
        // A mark that lies in what was read already.
        let mut old = Tcp { urgent: 5, ..peer.segment(Flags::ACK | Flags::URG, b"abcdef") };
        old.seq = peer.seq - 6;
        is_told(lone);
        lone.feed(&old);
        assert_eq!(lone.host.urgent(peer.handle), 0);
        assert!(!is_told(lone));
        // Far along the stream nothing of it comes back.
        for _ in 0..100 {
            tell(lone, peer, &[1; 1000]);
            read(lone, peer);
            assert_eq!(lone.host.urgent(peer.handle), 0);
        }
    });
}

#[test]
fn must_62_holds_the_pointer_is_the_octet_behind_the_last_urgent_one() {
    full(|lone, peer| {
        assert_eq!(lone.host.write(peer.handle, b"!"), Ok(1));
        lone.host.mark_urgent(peer.handle);
        let sent = lone.sent();
        assert_eq!((sent[0].text, sent[0].urgent), (1, 1), "not the octet itself");
        ack(lone, peer, 1);
        press(lone, peer, b"!calm", 1);
        assert_eq!(lone.host.urgent(peer.handle), 1);
    });
}

#[test]
fn must_62_provoked_by_text_written_behind_the_mark_and_by_repetitions() {
    full(|lone, peer| {
        let base = peer.ack;
        assert_eq!(lone.host.write(peer.handle, &[1; 1000]), Ok(1000));
        lone.host.mark_urgent(peer.handle);
        assert_eq!(lone.host.write(peer.handle, &[2; 608]), Ok(608));
        let check = |sent: Vec<hikyaku_testkit::seen::Seen>| {
            for one in sent {
                let before = one.seq.before(base + 1000);
                assert_eq!(one.has(Flags::URG), before, "{one}");
                if before {
                    assert_eq!(one.seq + u32::from(one.urgent), base + 1000, "{one}");
                }
            }
        };
        check(lone.sent());
        // All of it is lost, and some of it comes again.
        check(lone.pass(Duration::from_secs(3)).into_iter().map(|(_, one)| one).collect());
        check(ack(lone, peer, 536));
        check(lone.pass(Duration::from_secs(3)).into_iter().map(|(_, one)| one).collect());
        check(ack(lone, peer, 1072));
    });
}
