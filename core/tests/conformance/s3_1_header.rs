//! RFC 9293 §3.1 and §3.2: header, checksum, options.

use hikyaku::counters::DropReason;
use hikyaku::wire::tcp::Flags;
use hikyaku::{CloseReason, State};
use hikyaku_testkit::forge::{Tcp, put_checksum};
use hikyaku_testkit::lone::{Lone, MSS, Peer};
use hikyaku_testkit::pair::Family;
use hikyaku_testkit::seen::{Seen, payload};

use super::common::*;

/// The options of a SYN with a window scale.
const SCALE: [u8; 8] = [2, 4, 2, 24, 1, 3, 3, 14];

#[test]
fn must_1_holds_large_windows_are_windows() {
    each(|lone, peer| {
        for told in [1000, 32_767, 32_768, 40_000, 65_535] {
            window(lone, peer, told);
            assert_eq!(lone.host.info(peer.handle).snd_wnd, u32::from(told));
            // A window that looked negative would take nothing.
            assert_eq!(text(&write(lone, peer, 500)), 500);
            ack(lone, peer, 500);
        }
    });
}

#[test]
fn must_1_provoked_by_windows_with_the_top_bit_and_the_largest_scale() {
    hosts(|lone| {
        let mut peer = lone.passive_with(&syn_with(lone, 0, &SCALE));
        for told in [0x8000, 0x8001, 0xc000, 0xffff] {
            window(lone, &mut peer, told);
            assert_eq!(lone.host.info(peer.handle).snd_wnd, u32::from(told) << 14);
            assert_eq!(text(&write(lone, &peer, 500)), 500);
            ack(lone, &mut peer, 500);
        }
        lone.drain(&[peer]);
    });
}

#[test]
fn must_2_holds_whatever_leaves_has_a_good_checksum() {
    hosts(|lone| {
        for packet in packets_of_a_life(lone, &SCALE) {
            assert!(has_good_checksum(&packet), "{:?}", Seen::in_packet(&packet));
        }
    });
}

#[test]
fn must_2_provoked_by_odd_lengths_and_sums_at_both_zeros() {
    let act = |lone: &mut Lone, peer: &mut Peer| {
        // All zeros, all ones, and text in which swapped octets are seen, since it lies in several
        // blocks that begin at odd places of a segment.
        for pattern in 0..3 {
            for len in [1, 2, 3, 99, 535, 536, 1072, 1609, 2047, 2049] {
                let text: Vec<u8> =
                    (0..len).map(|at| [0, 0xff, (at * 7 % 251) as u8][pattern]).collect();
                assert_eq!(lone.host.write(peer.handle, &text), Ok(len));
                let packets = lone.packets();
                assert!(!packets.is_empty());
                assert!(packets.iter().all(|one| has_good_checksum(one)), "{len}, {pattern}");
                ack(lone, peer, len as u32);
            }
        }
    };
    each_with(|setup| setup.config.connection.nagle = false, act);
}

#[test]
fn must_3_holds_what_is_whole_is_delivered_and_what_is_not_is_counted() {
    each(|lone, peer| {
        let whole = peer.segment(Flags::ACK, b"text").packet();
        let mut broken = whole.clone();
        *broken.last_mut().expect("text") ^= 1;
        assert!(lone.feed_packet(&broken).is_empty());
        assert_eq!(lone.host.readable(peer.handle), 0);
        assert_eq!(lone.host.counters().drops.of(DropReason::BadChecksum), 1);
        lone.feed_packet(&whole);
        assert_eq!(read(lone, peer), b"text");
        peer.seq = peer.seq + 4;
    });
}

#[test]
fn must_3_provoked_by_every_flipped_bit_and_by_another_address() {
    each(|lone, peer| {
        let whole = peer.segment(Flags::ACK, b"text").packet();
        let start = whole.len() - 24;
        for bit in 0..24 * 8 {
            let mut broken = whole.clone();
            broken[start + bit / 8] ^= 1 << (bit % 8);
            assert!(lone.feed_packet(&broken).is_empty(), "bit {bit}");
            assert_eq!(lone.host.readable(peer.handle), 0, "bit {bit}");
        }
        // The sum covers who sent it: with a sum made for another sender it is nobody's.
        let mut astray = payload(&whole).expect("a packet").3.to_vec();
        let other = if peer.at.is_ipv4() { "10.0.0.77" } else { "fd00::77" };
        let (other, us) = (other.parse().expect("an address"), peer.host.ip());
        put_checksum(&mut astray, other, us, hikyaku::wire::Protocol::TCP, 16);
        let mut packet = whole.clone();
        packet[start..].copy_from_slice(&astray);
        assert!(lone.feed_packet(&packet).is_empty());
        assert_eq!(lone.host.readable(peer.handle), 0);
        lone.feed_packet(&whole);
        assert_eq!(read(lone, peer), b"text");
        peer.seq = peer.seq + 4;
    });
}

/// The MSS that a host believes after a SYN with these options.
fn believed(options: &[u8]) -> Vec<u16> {
    let mut found = Vec::new();
    for kind in KINDS {
        for family in Family::BOTH {
            let mut lone = Lone::new(kind, family);
            let syn = syn_with(&lone, 0, options);
            let peer = lone.passive_with(&syn);
            found.push(lone.host.info(peer.handle).snd_mss);
            lone.drain(&[peer]);
        }
    }
    found
}

const NONE_TOLD: [u16; 4] = [536, 1220, 536, 1220];

#[test]
fn must_4_holds_end_no_operation_and_mss_are_understood() {
    assert_eq!(believed(&[2, 4, 1, 0]), [256; 4]);
    assert_eq!(believed(&[1, 1, 2, 4, 1, 0, 0, 0]), [256; 4]);
}

#[test]
fn must_4_provoked_by_an_end_that_comes_first_and_by_nothing_but_no_operations() {
    assert_eq!(believed(&[0, 0, 0, 0, 2, 4, 1, 0]), NONE_TOLD);
    assert_eq!(believed(&[1; 40]), NONE_TOLD);
    let mut last = [1; 40];
    last[36..].copy_from_slice(&[2, 4, 1, 0]);
    assert_eq!(believed(&last), [256; 4]);
}

#[test]
fn must_5_holds_options_on_text_and_acks() {
    each(|lone, peer| {
        for options in [vec![1; 4], vec![2, 4, 2, 24], vec![1, 3, 3, 2], vec![4, 2, 0, 0]] {
            let mut segment = peer.segment(Flags::ACK, b"text");
            segment.options = options;
            lone.feed(&segment);
            assert_eq!(read(lone, peer), b"text");
            peer.seq = peer.seq + 4;
        }
        assert_eq!(lone.host.info(peer.handle).snd_mss, MSS, "that of the SYN stays");
    });
}

#[test]
fn must_5_provoked_by_forty_octets_of_options_on_every_kind_of_segment() {
    let mut full = vec![1; 30];
    full.extend_from_slice(&[8, 10, 0, 0, 0, 9, 0, 0, 0, 9]);
    hosts(|lone| {
        let mut peer =
            lone.passive_with(&syn_with(lone, 0, &[&[1; 36][..], &[2, 4, 2, 24]].concat()));
        write(lone, &peer, 100);
        peer.ack = peer.ack + 100;
        let with = |segment: Tcp| Tcp { options: full.clone(), ..segment };
        lone.feed(&with(peer.segment(Flags::ACK, b"")));
        assert_eq!(lone.host.send_queue(peer.handle), 0, "an ACK");
        lone.feed(&with(peer.segment(Flags::ACK, b"t")));
        assert_eq!(lone.host.readable(peer.handle), 1, "text");
        peer.seq = peer.seq + 1;
        lone.feed(&with(peer.segment(FIN_ACK, b"")));
        assert_eq!(lone.host.state(peer.handle), State::CloseWait, "a FIN");
        peer.seq = peer.seq + 1;
        lone.feed(&with(peer.segment(Flags::RST, b"")));
        assert_eq!(lone.host.close_reason(peer.handle), Some(CloseReason::Reset), "a RST");
        lone.drain(&[peer]);
    });
}

#[test]
fn must_6_holds_an_unknown_option_is_stepped_over() {
    assert_eq!(believed(&[200, 4, 9, 9, 2, 4, 1, 0]), [256; 4]);
}

#[test]
fn must_6_provoked_by_unknown_options_of_every_length() {
    for kind in [6, 30, 34, 69, 253, 254, 255] {
        for len in [2_usize, 3, 7, 35, 36] {
            let mut options = vec![0xff; len];
            (options[0], options[1]) = (kind, len as u8);
            options.extend_from_slice(&[2, 4, 1, 0]);
            assert_eq!(believed(&options), [256; 4], "kind {kind}, {len} octets");
        }
    }
    each(|lone, peer| {
        let mut segment = peer.segment(Flags::ACK, b"text");
        segment.options = vec![254, 8, 9, 9, 9, 9, 9, 9];
        lone.feed(&segment);
        assert_eq!(read(lone, peer), b"text");
        peer.seq = peer.seq + 4;
    });
}

#[test]
fn must_7_holds_a_handshake_with_an_impossible_length_completes() {
    assert_eq!(believed(&[2, 0, 1, 0]), NONE_TOLD);
    assert_eq!(believed(&[2, 4, 1, 0, 8, 0, 0, 0]), [256; 4], "what came before it counts");
}

#[test]
fn must_7_provoked_by_lengths_of_nothing_one_and_too_much() {
    each(|lone, peer| {
        for kind in [2, 3, 4, 5, 8, 30, 254] {
            for length in [0, 1, 5, 40, 255] {
                let mut segment = peer.segment(Flags::ACK, b"text");
                segment.options = vec![kind, length, 0, 0];
                let answers = lone.feed(&segment);
                assert!(answers.iter().all(|one| !one.has(Flags::RST)), "{answers:?}");
                assert_eq!(read(lone, peer), b"text", "kind {kind}, length {length}");
                peer.seq = peer.seq + 4;
            }
        }
        still_works(lone, peer);
    });
}

#[test]
fn must_64_holds_options_lie_at_any_octet() {
    for before in 0..4 {
        let mut options = vec![1; before];
        options.extend_from_slice(&[2, 4, 1, 0]);
        assert_eq!(believed(&options), [256; 4], "{before} octets before");
    }
}

#[test]
fn must_64_provoked_by_options_of_odd_length_before_and_between() {
    hosts(|lone| {
        // MSS at 3, window scale at 8, an odd unknown one before and between.
        let options = [77, 3, 0, 2, 4, 1, 0, 1, 3, 3, 2, 78, 5, 0, 0, 0];
        let peer = lone.passive_with(&syn_with(lone, 0, &options));
        let info = lone.host.info(peer.handle);
        assert_eq!((info.snd_mss, info.snd_shift), (256, 2));
        lone.drain(&[peer]);
    });
}

/// Goes through options as a peer would that knows none of them but 0 and 1.
fn walk(options: &[u8]) {
    let mut rest = options;
    while let [kind, behind @ ..] = rest {
        rest = match kind {
            0 => {
                assert!(behind.iter().all(|octet| *octet == 0), "{options:?}: behind the end");
                return;
            }
            1 => behind,
            _ => {
                let length = usize::from(*behind.first().expect("a length"));
                assert!((2..=rest.len()).contains(&length), "{options:?}: {length}");
                &rest[length..]
            }
        };
    }
}

/// What peers may offer: nothing, all, and some of it.
const OFFERS: [&[u8]; 5] = [
    &[],
    &[2, 4, 2, 24],
    &SCALE,
    &[2, 4, 2, 24, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0],
    &[2, 4, 2, 24, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7],
];

#[test]
fn must_68_holds_each_option_that_we_send_has_its_length() {
    hosts(|lone| {
        let packets = packets_of_a_life(lone, OFFERS[4]);
        assert!(packets.iter().any(|packet| !raw_options(packet).is_empty()));
        for packet in packets {
            walk(&raw_options(&packet));
        }
    });
}

#[test]
fn must_68_provoked_by_offers_of_every_kind_and_by_options_never_heard_of() {
    hosts(|lone| {
        for offer in OFFERS {
            for packet in packets_of_a_life(lone, offer) {
                walk(&raw_options(&packet));
            }
        }
    });
    // Whatever its kind, the octet behind it is a length.
    for kind in (6..=255).step_by(7).filter(|kind| *kind != 8) {
        assert_eq!(believed(&[kind, 6, 2, 4, 0, 99, 2, 4, 1, 0]), [256; 4], "{kind}");
    }
}

#[test]
fn must_69_holds_headers_are_whole_words_and_end_in_zeros() {
    hosts(|lone| {
        for offer in OFFERS {
            for packet in packets_of_a_life(lone, offer) {
                let options = raw_options(&packet);
                assert!(options.len().is_multiple_of(4));
                let end = options.iter().position(|octet| *octet == 0);
                // A zero may be data of an option: only a real end counts, which `walk` finds.
                if end.is_some() {
                    walk(&options);
                }
            }
        }
    });
}

#[test]
fn must_69_provoked_by_options_behind_the_end() {
    assert_eq!(believed(&[0, 2, 4, 1, 0]), NONE_TOLD);
    assert_eq!(believed(&[2, 4, 1, 0, 0, 0, 0, 0, 2, 4, 0, 99]), [256; 4]);
    hosts(|lone| {
        let peer = lone.passive_with(&syn_with(lone, 0, &[2, 4, 1, 0, 0, 3, 3, 7]));
        let info = lone.host.info(peer.handle);
        assert_eq!((info.snd_shift, info.rcv_shift), (0, 0), "no scale was told");
        lone.drain(&[peer]);
    });
}
