//! Data arrives whole and in order, whatever the link does to it and however small the pools are.
#![cfg(all(feature = "ipv6", feature = "udp"))]

use std::net::SocketAddr;

use hikyaku::time::Duration;
use hikyaku::wire::tcp::Flags;
use hikyaku::{AllocationPolicy, ConnectConfig, TcpHandle};
use hikyaku_testkit::applications::{End, Script};
use hikyaku_testkit::forge::Tcp;
use hikyaku_testkit::host::{HostSetup, Kind};
use hikyaku_testkit::link::Impairments;
use hikyaku_testkit::pair::{Family, LEFT, Pair, RIGHT, Setup, address};
use hikyaku_testkit::random::Chance;
use hikyaku_testkit::seen::Seen;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const KINDS: [[Kind; 2]; 7] = [
    [Kind::Full, Kind::Full],
    [Kind::Small, Kind::Small],
    [Kind::Full, Kind::Small],
    [Kind::Small, Kind::Full],
    [Kind::Tiny, Kind::Tiny],
    [Kind::Full, Kind::Tiny],
    [Kind::Tiny, Kind::Full],
];

/// A connection over which both sides send so much, run to its end.
fn exchange(setup: Setup, family: Family, up: u64, down: u64) -> Pair {
    let mut pair = setup.build();
    pair.serve(RIGHT, 7, Script::answer(down));
    pair.open(LEFT, family, 7, Script::send(up));
    pair.finish(HOUR);
    let read: Vec<_> = pair.applications.iter().map(|one| one.outcome.read).collect();
    assert_eq!(read, [down, up]);
    pair
}

#[test]
fn both_ways_over_both_families_and_all_profiles() {
    for kinds in KINDS {
        for family in Family::BOTH {
            let pair = exchange(Setup::new(1).profiles(kinds), family, 200_000, 300_000);
            assert_eq!(pair.retransmissions(), 0, "a good link needs no second try");
            let new = pair.watch.sights.new_octets;
            assert_eq!(new, 500_000, "each octet travels once");
        }
    }
}

#[test]
fn loss_reordering_duplication_and_damage() {
    let bad = Impairments::NONE;
    let table = [
        Impairments { loss: Chance::percent(1), ..bad },
        Impairments { loss: Chance::percent(5), ..bad },
        Impairments { loss: Chance::percent(10), ..bad },
        Impairments { reorder: Chance::percent(10), ..bad },
        Impairments { duplicate: Chance::percent(10), ..bad },
        Impairments { corrupt: Chance::percent(3), ..bad },
        Impairments { jitter: Duration::from_millis(30), rate: Some(1_000_000), ..bad },
        Impairments { queue: 8, rate: Some(2_000_000), ..bad },
    ];
    for (seed, link) in table.into_iter().enumerate() {
        for kinds in KINDS {
            let setup = Setup::new(seed as u64).profiles(kinds).link(link);
            let pair = exchange(setup, Family::V6, 150_000, 50_000);
            let tally = pair.links[LEFT].tally;
            if tally.lost + tally.overflowed + tally.corrupted > 0 {
                assert!(pair.retransmissions() > 0, "{tally:?}");
            }
        }
    }
}

#[test]
fn tiny_pools_only_make_it_slow() {
    for policy in [AllocationPolicy::Reserved, AllocationPolicy::Overcommit] {
        for (blocks, size) in [(4, 256), (8, 64), (5, 512), (64, 128)] {
            for kinds in KINDS {
                let setup = Setup::new(3)
                    .profiles(kinds)
                    .hosts(|host| {
                        host.config.policy = policy;
                        host.capacity.blocks = blocks;
                        host.capacity.block_size = size;
                        host.capacity.connections = 2;
                        host.capacity.records = 4;
                    })
                    .link(Impairments::lossy(Chance::percent(1)));
                exchange(setup, Family::V4, 6_000, 6_000);
            }
        }
    }
}

#[test]
fn with_and_without_window_scaling() {
    for (left, right) in [(true, true), (true, false), (false, true), (false, false)] {
        let setup = Setup::new(4)
            .hosts(|host| {
                host.capacity.blocks = 2048;
                host.config.connection.receive_limit = 400_000;
                host.config.connection.send_limit = 400_000;
            })
            .host(LEFT, |host| host.config.connection.window_scale = left)
            .host(RIGHT, |host| host.config.connection.window_scale = right);
        let mut pair = setup.build();
        let (handle, other) = pair.handshake(Family::V4, 7);
        let shifts = [pair.hosts[LEFT].info(handle), pair.hosts[RIGHT].info(other)]
            .map(|info| (info.snd_shift, info.rcv_shift));
        let agreed = left && right;
        let expected = if agreed { (3, 3) } else { (0, 0) };
        assert_eq!(shifts, [expected; 2]);
        pair.adopt(LEFT, handle, Script::send(1 << 20));
        pair.adopt(RIGHT, other, Script::answer(1000));
        let mut largest = 0;
        pair.run_until(MINUTE, |pair| {
            if !pair.applications[0].is_done() {
                largest = largest.max(pair.hosts[LEFT].info(handle).snd_wnd);
            }
            pair.applications[0].is_done()
        });
        assert_eq!(largest > 65_535, agreed, "the largest window was {largest}");
        pair.finish(MINUTE);
    }
}

#[test]
fn the_mss_is_kept() {
    for mss in [48, 100, 536, 1220] {
        let setup = Setup::new(5).host(RIGHT, |host| host.config.connection.mss = Some(mss));
        let pair = exchange(setup, Family::V4, 20_000, 20_000);
        // The watch has checked each segment; here: they are not smaller than need be.
        let needed = 20_000 / u64::from(mss) * 2;
        assert!(pair.watch.sights.segments < 4 * needed + 40, "{:?}", pair.watch.sights);
    }
    let setup = Setup::new(5).host(LEFT, |host| host.config.mtu = 1280);
    exchange(setup, Family::V6, 50_000, 50_000);
}

/// How many segments with text it takes to send 100 octets one by one.
fn segments_for_single_octets(nagle: bool) -> u64 {
    let mut pair = Setup::new(6).hosts(|host| host.config.connection.nagle = nagle).build();
    let (left, right) = pair.handshake(Family::V4, 7);
    let before = pair.watch.sights.segments;
    for _ in 0..100 {
        assert_eq!(pair.hosts[LEFT].write(left, &[1]), Ok(1));
        pair.run_for(Duration::from_micros(100));
    }
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.hosts[RIGHT].readable(right), 100);
    pair.watch.sights.segments - before
}

#[test]
fn nagle_gathers_small_writes_and_can_be_switched_off() {
    let (with, without) = (segments_for_single_octets(true), segments_for_single_octets(false));
    assert!(with <= 10, "{with} segments");
    assert!(without >= 100, "{without} segments");
}

/// A connection over which something has gone from left to right: the whole window is known there.
fn warm(setup: &Setup) -> (Pair, TcpHandle, TcpHandle) {
    let mut pair = setup.build();
    let (left, right) = pair.handshake(Family::V4, 7);
    assert_eq!(pair.hosts[LEFT].write(left, b"warm up"), Ok(7));
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.hosts[RIGHT].read(right, &mut [0; 10]), Ok(7));
    pair.run_for(Duration::from_secs(1));
    (pair, left, right)
}

#[test]
fn acknowledgements_are_delayed_and_not_for_ever() {
    let delay = Duration::from_millis(123);
    let setup = Setup::new(7).hosts(|host| host.config.connection.ack_delay = delay);
    let (mut pair, left, _) = warm(&setup);
    assert_eq!(pair.hosts[LEFT].write(left, b"alone"), Ok(5));
    let start = pair.now;
    assert!(pair.run_until(MINUTE, |pair| pair.hosts[LEFT].send_queue(left) == 0));
    // Out, wait, back.
    assert_eq!(pair.now.since(start).millis(), 5 + 123 + 5);
    // Two full segments are acknowledged at once.
    let mss = usize::from(pair.hosts[LEFT].info(left).snd_mss);
    assert_eq!(pair.hosts[LEFT].write(left, &vec![7; 2 * mss]), Ok(2 * mss));
    let start = pair.now;
    assert!(pair.run_until(MINUTE, |pair| pair.hosts[LEFT].send_queue(left) == 0));
    assert_eq!(pair.now.since(start).millis(), 10);
}

#[test]
fn after_a_pause_the_window_starts_over() {
    let (mut pair, left, right) = warm(&Setup::new(14));
    let mut buffer = [0; 4096];
    for _ in 0..100 {
        let _ = pair.hosts[LEFT].write(left, &[7; 16_384]);
        pair.run_for(Duration::from_millis(12));
        while pair.hosts[RIGHT].read(right, &mut buffer).is_ok_and(|octets| octets > 0) {}
    }
    pair.run_for(Duration::from_millis(100));
    let grown = pair.hosts[LEFT].info(left).cwnd;
    let initial = 10 * u32::from(pair.hosts[LEFT].info(left).snd_mss);
    assert!(grown > initial, "{grown}");
    // Within an RTO nothing is forgotten, behind it the initial window holds (RFC 5681 §4.1).
    for (pause, expected) in [(Duration::from_millis(1), grown), (MINUTE, initial)] {
        pair.run_for(pause);
        assert_eq!(pair.hosts[LEFT].write(left, b"again"), Ok(5));
        assert_eq!(pair.hosts[LEFT].info(left).cwnd, expected, "after {pause:?}");
        pair.run_for(Duration::from_millis(100));
    }
}

#[test]
fn a_window_closes_and_opens_again() {
    for kinds in KINDS {
        let mut pair = Setup::new(8).profiles(kinds).build();
        let deaf_for = Duration::from_secs(30);
        pair.serve(RIGHT, 7, Script { deaf_for, ..Script::answer(10) });
        pair.open(LEFT, Family::V4, 7, Script::send(300_000));
        pair.run_for(Duration::from_secs(29));
        let sights = pair.watch.sights;
        assert!(sights.probes >= 3, "a closed window is probed: {sights:?}");
        assert!(sights.probes <= 20, "and ever more rarely: {sights:?}");
        assert!(
            sights.new_octets <= 65_536 + 1 + 10,
            "nothing but probes goes into a closed window"
        );
        pair.finish(MINUTE + MINUTE);
    }
}

#[test]
fn a_lost_window_update_is_found_by_a_probe() {
    let mut pair = Setup::new(9).build();
    pair.serve(RIGHT, 7, Script { deaf_for: Duration::from_secs(5), ..Script::answer(10) });
    pair.open(LEFT, Family::V4, 7, Script::send(200_000));
    pair.run_for(Duration::from_millis(4900));
    pair.links[RIGHT].is_cut = true;
    pair.run_for(Duration::from_secs(1));
    pair.links[RIGHT].is_cut = false;
    pair.finish(MINUTE);
}

#[test]
fn two_full_windows_do_not_deafen_their_owners() {
    for kinds in KINDS {
        let setup = Setup::new(15).profiles(kinds).hosts(|host| {
            host.config.connection.receive_limit = 8192;
            host.config.connection.nagle = false;
        });
        let (mut pair, left, right) = warm(&setup);
        // All of both windows is lost: each side goes on from the other's edge.
        pair.links.iter_mut().for_each(|link| link.is_cut = true);
        let wnd = [(LEFT, left), (RIGHT, right)].map(|(side, handle)| {
            let wnd = pair.hosts[side].info(handle).snd_wnd as usize;
            assert_eq!(pair.hosts[side].write(handle, &vec![3; wnd]), Ok(wnd));
            wnd as u32
        });
        pair.run_for(Duration::from_millis(1));
        pair.links.iter_mut().for_each(|link| link.is_cut = false);
        let before = pair.watch.sights.segments;
        pair.run_for(Duration::from_secs(20));
        let segments = pair.watch.sights.segments - before;
        assert!(segments < 60, "{segments} segments, {kinds:?}");
        let readable = [pair.hosts[LEFT].readable(left), pair.hosts[RIGHT].readable(right)];
        assert_eq!(readable, [wnd[RIGHT], wnd[LEFT]], "{kinds:?}");
    }
}

#[test]
fn a_half_open_record_tells_scaled_windows() {
    for kind in [Kind::Full, Kind::Small] {
        let mut pair = Setup::new(16)
            .profiles([kind; 2])
            .hosts(|host| host.config.connection.receive_limit = 400_000)
            .build();
        let listening = pair.listening(RIGHT);
        pair.hosts[RIGHT].listen(7, &listening).expect("a free port");
        let from = SocketAddr::from(([10, 0, 0, 77], 4000));
        let to = SocketAddr::new(address(RIGHT, Family::V4), 7);
        let syn = Tcp { options: vec![1, 3, 3, 7], ..Tcp::syn(from, to, 1000) };
        let answers = pair.inject(RIGHT, &syn.packet());
        let syn_ack = Seen::in_packet(&answers[0]).expect("TCP");
        let far = Tcp { seq: syn.seq + 1_000_000, ack: syn_ack.seq + 1, flags: Flags::ACK, ..syn };
        let answers = pair.inject(RIGHT, &far.packet());
        let ack = Seen::in_packet(&answers[0]).expect("TCP");
        let (told, shift) = (syn_ack.window, syn_ack.scale.expect("scaling"));
        // What is not kept in a record has a window of its own, which a SYN cannot tell wholly.
        let windows = if kind == Kind::Full { (told, told >> 3) } else { (65_535, 50_000) };
        assert_eq!((shift, (told, ack.window)), (3, windows));
    }
}

/// Loses the first of six segments, and runs on for so long: how many octets have arrived, and how
/// often the sender resent for duplicate ACKs and for a timeout.
fn lose_the_first(kinds: [Kind; 2], span: Duration) -> (u32, usize, usize) {
    let (mut pair, left, right) = warm(&Setup::new(10).profiles(kinds));
    pair.links[LEFT].is_cut = true;
    assert_eq!(pair.hosts[LEFT].write(left, &[1; 1460]), Ok(1460));
    pair.run_for(Duration::from_millis(1));
    pair.links[LEFT].is_cut = false;
    assert_eq!(pair.hosts[LEFT].write(left, &[2; 5 * 1460]), Ok(5 * 1460));
    pair.run_for(span);
    let arrived = pair.hosts[RIGHT].readable(right);
    let counters = pair.hosts[LEFT].counters();
    (arrived, counters.fast_retransmits, counters.timeouts)
}

#[test]
fn one_lost_segment_is_mended_by_fast_retransmit() {
    for kinds in KINDS.into_iter().filter(|kinds| kinds[LEFT] != Kind::Tiny) {
        let outcome = lose_the_first(kinds, Duration::from_millis(60));
        assert_eq!(outcome, (6 * 1460, 1, 0), "{kinds:?}");
    }
}

#[test]
fn tiny_mends_a_lost_segment_by_one_timeout() {
    for kinds in KINDS.into_iter().filter(|kinds| kinds[LEFT] == Kind::Tiny) {
        let outcome = lose_the_first(kinds, Duration::from_millis(60));
        assert_eq!(outcome, (0, 0, 0), "{kinds:?}");
        let outcome = lose_the_first(kinds, Duration::from_millis(300));
        assert_eq!(outcome, (6 * 1460, 0, 1), "{kinds:?}");
    }
}

#[test]
fn timeouts_double() {
    let mut pair = Setup::new(11).build();
    let (left, _) = pair.handshake(Family::V4, 7);
    pair.links[LEFT].is_cut = true;
    assert_eq!(pair.hosts[LEFT].write(left, b"into the void"), Ok(13));
    let (mut sent, mut times) = (pair.links[LEFT].tally.sent, Vec::new());
    pair.run_until(Duration::from_secs(30), |pair| {
        if pair.links[LEFT].tally.sent > sent {
            sent = pair.links[LEFT].tally.sent;
            times.push(pair.now);
        }
        false
    });
    let waits: Vec<_> = times.windows(2).map(|two| two[1].since(two[0]).micros()).collect();
    assert!(waits.len() >= 5, "{waits:?}");
    assert!(waits[0] >= 200_000, "not below the smallest timeout: {waits:?}");
    for two in waits.windows(2) {
        assert_eq!(two[1], 2 * two[0], "{waits:?}");
    }
    assert_eq!(pair.hosts[LEFT].counters().timeouts, times.len() - 1);
}

#[test]
fn sequence_numbers_wrap_on_either_side() {
    // The clock part of an initial sequence number goes up by one every 4 us, so that a host whose
    // clock is ahead by as much as is missing begins just before the wrap.
    let base = Setup::new(12);
    let mut probe = base.build();
    let config = ConnectConfig { local_port: Some(4000), ..ConnectConfig::new() };
    probe.handshake_with(Family::V4, 7, &config);
    let isns = probe.watch.first_isns().expect("two SYNs");
    for side in [LEFT, RIGHT] {
        for before in [1, 1000, 50_000] {
            let missing = isns[side].wrapping_neg().wrapping_sub(before);
            let clock = Duration::from_micros(u64::from(missing) * 4);
            let mut pair = base.clone().host(side, |host| host.clock = clock).build();
            let (left, right) = pair.handshake_with(Family::V4, 7, &config);
            let isn = pair.watch.first_isns().expect("two SYNs")[side];
            assert_eq!(isn, before.wrapping_neg(), "the trick with the clock works");
            pair.links[LEFT].impairments.loss = Chance::percent(2);
            pair.links[RIGHT].impairments.reorder = Chance::percent(5);
            pair.adopt(LEFT, left, Script::send(100_000));
            pair.adopt(RIGHT, right, Script::answer(100_000));
            pair.finish(HOUR);
        }
    }
}

#[test]
fn twenty_connections_at_once() {
    for kinds in [[Kind::Full; 2], [Kind::Small; 2]] {
        let count = if kinds[0] == Kind::Small { 12 } else { 20 };
        let mut pair = Setup::new(13)
            .profiles(kinds)
            .hosts(|host| host.capacity.blocks = 2048)
            .link(Impairments::lossy(Chance::percent(1)))
            .build();
        let listen = hikyaku::ListenConfig { backlog: 32, ..pair.listening(RIGHT) };
        pair.serve_with(RIGHT, 7, Script::answer(20_000), &listen);
        for number in 0..count {
            let family = Family::BOTH[number % 2];
            pair.open(LEFT, family, 7, Script::send(10_000).then(End::Close));
        }
        pair.finish(HOUR);
        assert_eq!(pair.applications.len(), 2 * count);
        assert!(pair.applications.iter().all(|one| one.outcome.broken.is_none()));
    }
}

#[test]
fn a_connection_may_have_limits_of_its_own() {
    let mut pair = Setup::new(14).build();
    pair.serve(RIGHT, 7, Script::answer(0));
    let mut connection = hikyaku::ConnectionConfig::new();
    connection.send_limit = 3000;
    let config = ConnectConfig { connection: Some(connection), ..ConnectConfig::new() };
    let handle = pair.connect(LEFT, Family::V4, 7, &config).expect("a slot");
    pair.run_for(Duration::from_millis(100));
    assert_eq!(pair.hosts[LEFT].write(handle, &[0; 5000]), Ok(3000));
}

/// 100 Mbit/s, 40 ms of round trip, and a queue of one bandwidth-delay product: slow start ends by
/// overflowing that queue, and hundreds of segments are missing at once.
#[test]
fn half_of_a_long_path_is_used_though_slow_start_overflows_its_queue() {
    const RATE: u64 = 12_500_000;
    const SECONDS: u64 = 20;
    let link = Impairments {
        rate: Some(RATE),
        delay: Duration::from_millis(20),
        queue: 4096,
        queue_bytes: Some(RATE / 25),
        ..Impairments::NONE
    };
    let setup = Setup::new(1).link(link).hosts(|host| {
        host.config.policy = AllocationPolicy::Overcommit;
        host.config.connection.send_limit = 2 << 20;
        host.config.connection.receive_limit = 2 << 20;
        (host.capacity.blocks, host.capacity.block_size) = (160, 65_536);
        host.capacity.records = 4096;
    });
    let mut pair = setup.build();
    let chunk = 1 << 16;
    pair.serve(RIGHT, 7, Script { chunk, ..Script::answer(0) });
    pair.open(LEFT, Family::V4, 7, Script { chunk, ..Script::send(u64::MAX) });
    pair.run_for(Duration::from_secs(SECONDS));
    let read = pair.applications[1].outcome.read;
    let overflowed = pair.links[LEFT].tally.overflowed;
    assert!(overflowed > 300, "the queue overflows: {overflowed}");
    assert!(read >= RATE * SECONDS / 2, "{read} bytes in {SECONDS} s");
}

/// A link of 1400 bytes between two of 1500: its router says which packets are too big.
#[test]
fn a_narrow_link_in_the_middle_is_found_and_data_gets_through() {
    for kinds in [[Kind::Full, Kind::Full], [Kind::Small, Kind::Small], [Kind::Full, Kind::Small]] {
        for family in Family::BOTH {
            let mut pair = Setup::new(6).profiles(kinds).build();
            pair.path_mtu = Some(1400);
            pair.serve(RIGHT, 7, Script::answer(100_000));
            pair.open(LEFT, family, 7, Script::send(100_000));
            // Each side loses its first window and sends it again at once.
            pair.finish(Duration::from_secs(5));
            let read: Vec<_> = pair.applications.iter().map(|one| one.outcome.read).collect();
            assert_eq!(read, [100_000; 2], "{kinds:?} {family:?}");
            assert!((2..=20).contains(&pair.too_big), "{kinds:?} {family:?}: {}", pair.too_big);
        }
    }
}

/// Decision 0122: `Tiny` hears of no ICMP error, so that its user says what the path takes.
#[test]
fn over_a_narrow_link_tiny_sends_what_its_configuration_says() {
    for family in Family::BOTH {
        let small = |host: &mut HostSetup| host.config.connection.mss = Some(1340);
        let mut pair = Setup::new(6).profiles([Kind::Tiny; 2]).hosts(small).build();
        pair.path_mtu = Some(1400);
        pair.serve(RIGHT, 7, Script::answer(30_000));
        pair.open(LEFT, family, 7, Script::send(30_000));
        pair.finish(MINUTE);
        assert_eq!(pair.too_big, 0);
    }
}

/// How long 200 KB take from a sender whose MTU is 296 bytes, in the median of 21 seeds.
fn time_of_small_segments(kinds: [Kind; 2], mtu: u16, loss: u32) -> Duration {
    let mut times: Vec<_> = (0..21)
        .map(|seed| {
            let mut pair = Setup::new(seed)
                .profiles(kinds)
                .link(Impairments::lossy(Chance::percent(loss)))
                // IPv6 asks for a larger MTU.
                .hosts(|host| host.addresses[1] = ([10, 0, 1, 1].into(), 24))
                .host(LEFT, |host| host.config.mtu = 296)
                .host(RIGHT, |host| host.config.mtu = mtu)
                .build();
            pair.serve(RIGHT, 7, Script::answer(0));
            let start = pair.now;
            pair.open(LEFT, Family::V4, 7, Script::send(200_000));
            let all =
                |pair: &mut Pair| pair.applications.iter().any(|one| one.outcome.read == 200_000);
            assert!(pair.run_until(HOUR, all), "seed {seed}, {kinds:?}, MTU {mtu}");
            pair.now.since(start)
        })
        .collect();
    times.sort_by_key(|time| time.micros());
    times[10]
}

#[test]
fn a_sender_of_small_segments_is_no_slower_into_a_large_mtu() {
    for kinds in KINDS {
        for loss in [0, 3] {
            let small = time_of_small_segments(kinds, 296, loss);
            for mtu in [1500, 9000] {
                let large = time_of_small_segments(kinds, mtu, loss);
                println!(
                    "{kinds:?}, {loss} %: {} ms, MTU {mtu}: {} ms",
                    small.millis(),
                    large.millis()
                );
                let bound = small.micros() + small.micros() / 2;
                assert!(large.micros() <= bound, "{kinds:?}, {loss} %: {large:?} of {small:?}");
            }
        }
    }
}
