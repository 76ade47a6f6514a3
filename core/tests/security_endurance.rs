//! A stream that is longer than the sequence space, under the largest window scale, with loss.
//!
//! In a debug build it is as long as a test may last and begins close to the wrap; in a release
//! build it goes round three times. `HIKYAKU_ENDURANCE=n` asks for n MiB.
#![cfg(all(feature = "ipv6", feature = "udp"))]

use std::time::Instant as Clock;

use hikyaku::time::Duration;
use hikyaku::{AllocationPolicy, ConnectConfig};
use hikyaku_testkit::applications::Script;
use hikyaku_testkit::host::{HostSetup, Kind};
use hikyaku_testkit::link::Impairments;
use hikyaku_testkit::pair::{Family, LEFT, Pair, RIGHT, Setup};
use hikyaku_testkit::random::Chance;

const MIB: u64 = 1 << 20;

/// More than half a gigabyte of window: the smallest that takes a shift of 14.
const LIMIT: u32 = (65_536 << 13) + 1;

fn octets() -> u64 {
    let asked = std::env::var("HIKYAKU_ENDURANCE").ok().and_then(|text| text.parse().ok());
    let usual = if cfg!(debug_assertions) { 256 } else { 12 * 1024 + 256 };
    asked.unwrap_or(usual) * MIB
}

/// 15 packets a millisecond of which one in a thousand is lost, and a stream from left to right.
/// The clock of the left host is ahead.
fn pair(ahead: Duration, octets: u64) -> Pair {
    let link = Impairments {
        rate: Some(1_000_000_000),
        delay: Duration::from_micros(500),
        loss: Chance::permille(1),
        queue: 512,
        ..Impairments::NONE
    };
    let wide = |host: &mut HostSetup| {
        host.config.mtu = u16::MAX;
        // The whole window is told, though few blocks are there for what is in flight.
        host.config.policy = AllocationPolicy::Overcommit;
        host.config.connection.receive_limit = LIMIT;
        host.config.connection.send_limit = 8 << 20;
        (host.capacity.blocks, host.capacity.block_size) = (320, 65_536);
        (host.capacity.connections, host.capacity.half_open) = (1, 1);
    };
    let setup = Setup::new(71).profiles([Kind::Full; 2]).link(link).hosts(wide);
    let mut pair = setup.host(LEFT, |host| host.clock = ahead).build();
    pair.serve(RIGHT, 7, Script { chunk: 1 << 18, ..Script::answer(0) });
    let script = Script { chunk: 1 << 18, ..Script::send(octets) };
    let config = ConnectConfig { local_port: Some(50_000), ..ConnectConfig::new() };
    pair.open_with(LEFT, Family::V4, 7, script, &config).expect("a slot");
    pair
}

/// The initial sequence number rises with the clock: how far ahead it must be for a stream that
/// begins 64 MiB before the wrap.
fn close_to_the_wrap() -> Duration {
    let mut pair = pair(Duration::ZERO, 1);
    pair.run_for(Duration::from_millis(1));
    let [iss, _] = pair.watch.first_isns().expect("a handshake");
    let missing = 0_u32.wrapping_sub(64 << 20).wrapping_sub(iss);
    Duration::from_micros(u64::from(missing) << 2)
}

#[test]
fn sec_71_a_stream_longer_than_the_sequence_space() {
    let octets = octets();
    let mut pair = pair(close_to_the_wrap(), octets);
    let began = Clock::now();
    pair.run_for(Duration::from_millis(5));
    let handle = pair.applications[0].handle.expect("a live connection");
    let info = pair.hosts[LEFT].info(handle);
    assert_eq!((info.snd_shift, info.rcv_shift), (14, 14));
    // Each octet that is read is compared with the one at its place in a stream that never
    // repeats: that is more than an equal hash.
    pair.finish(Duration::from_secs(1800));
    let [iss, _] = pair.watch.first_isns().expect("a handshake");
    let wraps = (u64::from(iss) + octets) >> 32;
    assert!(wraps > 0, "{iss} and {octets} octets");
    let (here, there) = (pair.applications[0].outcome, pair.applications[1].outcome);
    assert_eq!((here.written, there.read, there.at_end), (octets, octets, true));
    let lost = pair.links[LEFT].tally.lost;
    println!(
        "{} MiB, {wraps} wraps, {} segments, {lost} lost, {} s of virtual time, {} s",
        octets / MIB,
        pair.watch.sights.segments,
        pair.now.micros() / 1_000_000,
        began.elapsed().as_secs(),
    );
    assert!(lost > 0 && pair.retransmissions() > 0, "{lost} lost");
}
