//! A listener that is flooded with SYNs (RFC 4987): its table stays as it is, and who means it
//! gets in by a cookie.
#![cfg(feature = "ipv6")]

use hikyaku::counters::DropReason;
use hikyaku::seq::SeqNum;
use hikyaku::time::Duration;
use hikyaku::wire::tcp::Flags;
use hikyaku::wire::tcp_options::{Options, Timestamps};
use hikyaku_testkit::forge::{Tcp, options};
use hikyaku_testkit::host::{HostSetup, Kind};
use hikyaku_testkit::lone::{Lone, Peer};
use hikyaku_testkit::pair::Family;
use hikyaku_testkit::random::Random;

const ACK: Flags = Flags::ACK;
const SYN_ACK: Flags = Flags::SYN.with(Flags::ACK);
const PERIOD: Duration = Duration::from_secs(67);

fn few(setup: &mut HostSetup) {
    setup.capacity.half_open = 4;
}

fn flooded(kind: Kind, family: Family) -> Lone {
    let mut lone = Lone::with(kind, family, few);
    for number in 100..104 {
        assert_eq!(lone.feed(&lone.syn(number)).len(), 1);
    }
    assert_eq!(lone.host.usage().half_open, 4);
    lone
}

/// The ACK of a SYN-ACK, with the peer's stamp where it had one.
fn ack_of(syn: &Tcp, answer: &hikyaku_testkit::seen::Seen) -> Tcp {
    let mut ack = Tcp { seq: syn.seq + 1, ack: answer.seq + 1, flags: ACK, ..syn.clone() };
    let echo = |ours: Timestamps| Timestamps { value: ours.echo + 1, echo: ours.value };
    ack.options = options(&Options { timestamps: answer.stamps.map(echo), ..Options::EMPTY });
    ack
}

#[test]
fn a_cookie_opens_the_door_with_all_that_was_agreed() {
    let offers = [
        Options { mss: Some(1400), ..Options::EMPTY },
        Options { mss: Some(1400), window_scale: Some(3), sack_permitted: true, ..Options::EMPTY },
        Options {
            mss: Some(1400),
            window_scale: Some(3),
            sack_permitted: true,
            timestamps: Some(Timestamps { value: 77, echo: 0 }),
            ..Options::EMPTY
        },
        Options { timestamps: Some(Timestamps { value: 77, echo: 0 }), ..Options::EMPTY },
    ];
    for family in Family::BOTH {
        for offer in &offers {
            let mut lone = flooded(Kind::Full, family);
            let mut syn = lone.syn(1);
            (syn.options, syn.window) = (options(offer), 1000);
            let answer = lone.feed(&syn)[0];
            assert_eq!(answer.flags, SYN_ACK);
            let stamped = offer.timestamps.is_some();
            // Without a stamp to carry them the other options cannot be remembered.
            assert_eq!(answer.stamps.is_some(), stamped);
            assert_eq!(answer.sack_permitted, stamped && offer.sack_permitted);
            assert_eq!(answer.scale.is_some(), stamped && offer.window_scale.is_some());
            assert_eq!(lone.host.usage().connections, 0, "nothing is remembered");
            lone.now = lone.now + Duration::from_millis(80);
            let ack = ack_of(&syn, &answer);
            assert!(lone.feed(&ack).is_empty());
            let handle = lone.accept().expect("a connection");
            let info = lone.host.info(handle);
            let mss = offer.mss.unwrap_or(48) - if stamped { 12 } else { 0 };
            assert_eq!(info.snd_mss, mss, "{offer:?}");
            let shift = if stamped { offer.window_scale.unwrap_or(0) } else { 0 };
            assert_eq!((info.snd_shift, info.snd_wnd), (shift, 1000 << shift), "{offer:?}");
            assert_eq!(info.srtt.is_some(), stamped, "the echo measures the handshake");
            // Data goes both ways.
            let text = Tcp { text: b"hello".to_vec(), ..ack.clone() };
            lone.feed(&text);
            let mut buffer = [0; 8];
            assert_eq!(lone.host.read(handle, &mut buffer), Ok(5));
            assert_eq!(lone.host.write(handle, b"world"), Ok(5));
            assert_eq!(lone.sent().last().map(|one| one.text), Some(5));
            let (at, host) = (syn.source, syn.destination);
            let peer = Peer { handle, at, host, seq: ack.seq + 5, ack: ack.ack, window: 1000 };
            lone.drain(&[peer]);
        }
    }
}

#[test]
fn small_has_no_cookies() {
    let mut lone = flooded(Kind::Small, Family::V4);
    assert!(lone.feed(&lone.syn(1)).is_empty());
    assert_eq!(lone.host.counters().drops.of(DropReason::NoMemory), 1);
}

#[test]
fn a_cookie_is_believed_only_after_an_overflow_and_not_for_long() {
    for (wait, believed) in [
        (Duration::from_secs(1), true),
        (PERIOD, true),
        (PERIOD + PERIOD + Duration::from_secs(1), false),
        (Duration::from_secs(1000), false),
    ] {
        let mut lone = flooded(Kind::Full, Family::V4);
        let syn = lone.syn(1);
        let answer = lone.feed(&syn)[0];
        lone.pass(wait);
        let answers = lone.feed(&ack_of(&syn, &answer));
        assert_eq!(answers.is_empty(), believed, "after {wait:?}");
        assert!(believed || answers[0].has(Flags::RST), "after {wait:?}");
        assert_eq!(lone.accept().is_some(), believed);
    }
    // A number that would be right is none where nobody gave it out.
    let mut generous = flooded(Kind::Full, Family::V4);
    let syn = generous.syn(1);
    let answer = generous.feed(&syn)[0];
    let mut quiet = Lone::with(Kind::Full, Family::V4, few);
    let answers = quiet.feed(&ack_of(&syn, &answer));
    assert!(answers[0].has(Flags::RST), "{}", answers[0]);
}

#[test]
fn sec_50_a_flood_of_syns_keeps_nobody_out() {
    let floods = if cfg!(debug_assertions) { 20_000 } else { 1_000_000 };
    println!("{floods} SYNs");
    for kind in [Kind::Full, Kind::Small] {
        let mut lone = Lone::with(kind, Family::V4, few);
        let mut old = lone.passive(1);
        let mut random = Random::new(50);
        for _ in 0..floods {
            let mut syn = lone.syn(random.below(60_000) as u16);
            syn.seq = SeqNum::new(random.bits() as u32);
            lone.feed(&syn);
            assert!(lone.host.usage().half_open <= 4);
        }
        // Old flows go on.
        lone.feed(&old.segment(ACK, b"old"));
        old.seq = old.seq + 3;
        let mut buffer = [0; 8];
        assert_eq!(lone.host.read(old.handle, &mut buffer), Ok(3));
        // A good client gets in, by a cookie or as soon as the records have run out.
        if kind == Kind::Small {
            lone.pass(Duration::from_secs(120));
        }
        let mut syn = lone.syn(2);
        syn.source.set_port(65_535);
        let answer = lone.feed(&syn)[0];
        lone.feed(&ack_of(&syn, &answer));
        assert!(lone.accept().is_some(), "{kind:?}");
    }
}

#[test]
fn sec_51_forged_cookies_open_nothing() {
    let forgeries = if cfg!(debug_assertions) { 50_000 } else { 1_000_000 };
    println!("{forgeries} forged ACKs");
    let mut lone = flooded(Kind::Full, Family::V4);
    let syn = lone.syn(1);
    let answer = lone.feed(&syn)[0];
    let mut random = Random::new(51);
    for _ in 0..forgeries {
        let mut forged = ack_of(&syn, &answer);
        forged.ack = SeqNum::new(random.bits() as u32);
        forged.source.set_port(random.below(65_536) as u16);
        lone.feed(&forged);
        lone.now = lone.now + Duration::from_micros(10);
    }
    // One in 2²⁸ is right.
    assert!(lone.accept().is_none());
}
