//! A listener that is flooded with SYNs (RFC 4987): its table stays as it is, and who means it
//! gets in by a cookie. What nobody can guess, and queues that nobody empties. The numbers are those
//! of the list of security cases.
#![cfg(all(feature = "ipv6", feature = "udp"))]

use hikyaku::counters::DropReason;
use hikyaku::flow::FlowKey;
use hikyaku::seq::SeqNum;
use hikyaku::time::{Duration, Instant};
use hikyaku::wire::tcp::Flags;
use hikyaku::wire::tcp_options::{Options, Timestamps};
use hikyaku::{ListenConfig, Secret};
use hikyaku_testkit::chaskey;
use hikyaku_testkit::forge::{Tcp, options};
use hikyaku_testkit::host::{HostSetup, Kind};
use hikyaku_testkit::lone::{Lone, Peer};
use hikyaku_testkit::pair::Family;
use hikyaku_testkit::random::Random;
use std::collections::BTreeSet;

const ACK: Flags = Flags::ACK;
const SYN_ACK: Flags = Flags::SYN.with(Flags::ACK);
const PERIOD: Duration = Duration::from_secs(67);

fn few(setup: &mut HostSetup) {
    setup.capacity.half_open = 4;
}

/// Four handshakes beside so many connections, with records and without.
fn few_beside(connections: usize) -> impl Fn(&mut HostSetup) {
    move |setup| (setup.capacity.half_open, setup.capacity.connections) = (4, 4 + connections)
}

fn flooded(kind: Kind, family: Family) -> Lone {
    let mut lone = Lone::with(kind, family, few_beside(0));
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
        Options::EMPTY,
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
            // RFC 9293 §3.7.1, MUST-15.
            let default = if family == Family::V4 { 536 } else { 1220 };
            let mss = offer.mss.unwrap_or(default) - if stamped { 12 } else { 0 };
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
fn sec_51_a_cookie_is_believed_only_after_an_overflow_and_not_for_long() {
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

/// A cookie is looked for in the periods after an overflow alone: three periods later one that is
/// right and fresh, as another host with the same secret gives it out, is refused.
#[test]
fn sec_51_cookies_are_not_looked_for_long_after_an_overflow() {
    for (periods, believed) in [(2, true), (3, false), (4, false), (1000, false)] {
        // A period is 2²⁶ µs.
        let flood_at = |now| {
            let mut lone = Lone::with(Kind::Full, Family::V4, few_beside(0));
            lone.now = now;
            for number in 100..104 {
                lone.feed(&lone.syn(number));
            }
            lone
        };
        let mut lone = flood_at(Instant::from_micros(10 << 26));
        let syn = lone.syn(1);
        assert_eq!(lone.feed(&syn).len(), 1, "a cookie");
        lone.pass(Duration::from_micros(periods << 26));
        let mut other = flood_at(lone.now);
        let answer = other.feed(&syn)[0];
        let answers = lone.feed(&ack_of(&syn, &answer));
        assert_eq!(answers.is_empty(), believed, "after {periods} periods");
        assert_eq!(lone.accept().is_some(), believed, "after {periods} periods");
    }
}

#[test]
fn sec_50_a_flood_of_syns_keeps_nobody_out() {
    let floods = if cfg!(debug_assertions) { 20_000 } else { 1_000_000 };
    println!("{floods} SYNs");
    for kind in [Kind::Full, Kind::Small] {
        let mut lone = Lone::with(kind, Family::V4, few_beside(1));
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

/// Without records and cookies the slots of connections are what a flood fills. It keeps them for a
/// second and no longer, so that who asks again gets in, and never takes one that is established.
#[test]
fn sec_50_a_flood_that_does_not_end_keeps_nobody_out_for_ever() {
    for family in Family::BOTH {
        let mut lone = Lone::with(Kind::Small, family, few_beside(1));
        let mut old = lone.passive(1);
        let mut random = Random::new(50);
        // All is taken when a client comes, who asks again every three seconds, for a minute.
        let mut next = lone.now + Duration::from_secs(10);
        let end = next + Duration::from_secs(60);
        let mut taken = None;
        while taken.is_none() {
            assert!(lone.now < end, "the client has given up");
            // Twenty a second, and four slots.
            lone.pass(Duration::from_micros(random.below(100_000)));
            let mut syn = lone.syn(random.below(40_000) as u16);
            syn.seq = SeqNum::new(random.bits() as u32);
            lone.feed(&syn);
            let usage = lone.host.usage();
            assert_eq!((usage.connections, usage.half_open <= 4), (1, true));
            if next <= lone.now {
                next = next + Duration::from_secs(3);
                lone.pass(Duration::from_micros(random.below(100_000)));
                let mut syn = lone.syn(2);
                syn.source.set_port(65_535);
                if let [answer] = lone.feed(&syn)[..] {
                    // Its round trip is short of a second: what it was given it keeps.
                    lone.pass(Duration::from_millis(900));
                    lone.feed(&ack_of(&syn, &answer));
                    taken = lone.accept();
                }
            }
        }
        // A connection of ours finds a slot as soon as somebody has not answered.
        lone.pass(Duration::from_secs(1));
        let ours = lone.active(0);
        lone.feed(&old.segment(ACK, b"old"));
        old.seq = old.seq + 3;
        assert_eq!(lone.host.read(old.handle, &mut [0; 8]), Ok(3), "old flows go on");
        let taken = Peer { handle: taken.expect("it got in"), ..ours.clone() };
        lone.drain(&[ours, old, taken]);
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

/// RFC 6528 §3 in our form, made anew: a clock of 4 µs and Chaskey-12 of the connection's name.
fn expected_isn(lone: &Lone, syn: &Tcp) -> (u32, u32) {
    let flow = FlowKey::new(syn.destination, syn.source).expect("one family");
    // The secret of the test's hosts.
    let mut secret = [0x5a; 16];
    secret[..8].copy_from_slice(&1_u64.to_be_bytes());
    let mut message = [&b"isn "[..], &[0; 12], &flow.to_bytes()].concat();
    // The ports stand there as the halves of one number.
    let ports = message.len() - 4;
    message[ports..].reverse();
    message.resize(message.len().next_multiple_of(16), 0);
    let tag = chaskey::tag(&secret, &message, 12);
    ((lone.now.micros() >> 2) as u32, u32::from_le_bytes([tag[0], tag[1], tag[2], tag[3]]))
}

#[test]
fn sec_45_sequence_numbers_follow_from_the_secret_alone() {
    assert!(Secret::new([0; 16]).is_none(), "nothing starts without a secret");
    for (kind, family) in [(Kind::Full, Family::V4), (Kind::Small, Family::V6)] {
        let (mut lone, mut offsets) = (Lone::new(kind, family), Vec::new());
        for number in 0..50_000_u16 {
            let mut syn = lone.syn(0);
            syn.source.set_port(1 + number);
            lone.now = lone.now + Duration::from_micros(u64::from(number % 97));
            let answer = lone.feed(&syn)[0];
            let (clock, hash) = expected_isn(&lone, &syn);
            assert_eq!(answer.seq.raw(), clock.wrapping_add(hash), "{answer}");
            offsets.push(answer.seq.raw().wrapping_sub(clock));
            lone.feed(&Tcp { seq: syn.seq + 1, flags: Flags::RST, ..syn });
        }
        // No bit of one, nor of the step to the next, is more likely than not.
        let steps = offsets.windows(2).map(|two| two[1].wrapping_sub(two[0]));
        for numbers in [offsets.clone(), steps.collect()] {
            for bit in 0..32 {
                let set = numbers.iter().filter(|one| **one >> bit & 1 == 1).count();
                assert!((24_000..26_000).contains(&set), "bit {bit}: {set}");
            }
            let distinct = numbers.iter().collect::<BTreeSet<_>>().len();
            assert!(distinct + 10 > numbers.len(), "{distinct}");
        }
        lone.drain(&[]);
    }
}

const BUSY: u16 = 9;

#[test]
fn sec_52_an_accept_queue_that_nobody_empties() {
    for kind in [Kind::Full, Kind::Small] {
        for family in Family::BOTH {
            let mut lone = Lone::new(kind, family);
            let config = ListenConfig { backlog: 2, ..ListenConfig::new() };
            let listener = lone.host.listen(BUSY, &config).expect("a port");
            let mut acks = Vec::new();
            for number in 0..6 {
                let mut syn = lone.syn(number);
                syn.destination.set_port(BUSY);
                let answer = lone.feed(&syn)[0];
                let ack = ack_of(&syn, &answer);
                assert!(lone.feed(&ack).is_empty(), "no reset, no answer");
                acks.push(ack);
            }
            assert_eq!(lone.host.usage().connections, 2);
            assert_eq!(lone.host.usage().half_open, 4);
            assert_eq!(lone.host.counters().drops.of(DropReason::QueueFull), 4);
            // Each time that somebody is taken in, one more who asks again finds a place.
            let mut handles = Vec::new();
            for round in 0..6 {
                handles.push(lone.host.accept(listener).expect("one waits"));
                if round >= 2 {
                    // It was half-open when it was accepted: the SYN-ACK was repeated meanwhile.
                    assert_eq!(lone.host.read(handles[round], &mut [0; 9]), Ok(5));
                }
                if let Some(next) = acks.get(round + 2) {
                    let text = Tcp { text: b"hello".to_vec(), ..next.clone() };
                    lone.feed(&text);
                }
                assert_eq!(lone.host.usage().half_open, 3_usize.saturating_sub(round));
            }
            lone.host.close_listener(listener);
            for handle in handles {
                lone.host.abort(handle);
                lone.host.release(handle);
            }
            lone.sent();
            assert_eq!(lone.host.usage().connections, 0);
        }
    }
}

#[test]
fn sec_52_a_cookie_that_finds_the_accept_queue_full_is_good_later() {
    for family in Family::BOTH {
        let mut lone = flooded(Kind::Full, family);
        let config = ListenConfig { backlog: 1, ..ListenConfig::new() };
        let listener = lone.host.listen(BUSY, &config).expect("a port");
        let acks = [1, 2].map(|number| {
            let mut syn = lone.syn(number);
            syn.destination.set_port(BUSY);
            let answer = lone.feed(&syn)[0];
            ack_of(&syn, &answer)
        });
        let drops = |lone: &Lone| lone.host.counters().drops.total();
        assert!(lone.feed(&acks[0]).is_empty());
        let before = drops(&lone);
        assert!(lone.feed(&acks[1]).is_empty(), "no reset: it may come again");
        assert_eq!(drops(&lone), before + 1, "dropped once");
        let first = lone.host.accept(listener).expect("the first one");
        let text = Tcp { text: b"hello".to_vec(), ..acks[1].clone() };
        lone.feed(&text);
        let second = lone.host.accept(listener).expect("the second one");
        assert_eq!(lone.host.read(second, &mut [0; 9]), Ok(5));
        for handle in [first, second] {
            lone.host.abort(handle);
            lone.host.release(handle);
        }
        lone.host.close_listener(listener);
    }
}
