//! Pools of blocks that run dry: nobody waits for ever, nothing that was told is taken back, and
//! what waits behind a hole gives way to what comes next.
#![cfg(all(feature = "ipv6", feature = "udp"))]

use std::net::SocketAddr;

use hikyaku::AllocationPolicy::{self, Overcommit, Reserved};
use hikyaku::counters::DropReason;
use hikyaku::seq::SeqNum;
use hikyaku::time::Duration;
use hikyaku::wire::tcp::Flags;
use hikyaku::{
    Capacity, Config, ConfigError, Full, Profile, Secret, Small, Stack, Storage, TcpHandle,
};
use hikyaku_testkit::applications::Script;
use hikyaku_testkit::forge::Tcp;
use hikyaku_testkit::host::Kind;
use hikyaku_testkit::lone::{Lone, Peer};
use hikyaku_testkit::pair::{Family, LEFT, Pair, RIGHT, Setup, address};
use hikyaku_testkit::seen::Seen;

const KINDS: [Kind; 3] = [Kind::Full, Kind::Small, Kind::Tiny];
/// Those whose windows are of many blocks, each with an owner of its own.
const BY_BLOCKS: [Kind; 2] = [Kind::Full, Kind::Small];
const POLICIES: [AllocationPolicy; 2] = [Reserved, Overcommit];
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const ROUND_TRIP_MS: u64 = 10;

/// What the connection sends each way that is to go on.
const MUCH: u64 = 65_536;

/// Four connections over the fewest blocks that a stack accepts for them.
fn smallest(kind: Kind, policy: AllocationPolicy, block_size: usize) -> Setup {
    Setup::new(11).profiles([kind; 2]).hosts(|host| {
        host.config.policy = policy;
        host.capacity.connections = 4;
        host.capacity.blocks = 8;
        host.capacity.block_size = block_size;
    })
}

/// Two applications send [`MUCH`] to each other. Returns how long that takes, at most an hour.
fn time_of_transfer(pair: &mut Pair, port: u16) -> Duration {
    let start = pair.now;
    pair.open(LEFT, Family::V4, port, Script::send(MUCH));
    let first = pair.applications.len() - 1;
    pair.run_until(HOUR, |pair| {
        let [here, there @ ..] = &pair.applications[first..] else { return false };
        let there = there.iter().find(|one| one.local == here.remote);
        here.outcome.read == MUCH && there.is_some_and(|one| one.outcome.read == MUCH)
    });
    pair.now.since(start)
}

fn accepts<P: Profile>(policy: AllocationPolicy, connections: usize, blocks: usize) -> bool {
    let capacity = Capacity {
        connections,
        blocks,
        block_size: 64,
        listeners: 1,
        half_open: 1,
        time_wait: 1,
        records: 1,
        ..Capacity::small()
    };
    let config = Config { policy, ..Config::new() };
    let secret = Secret::new([1; 16]).expect("not all zero");
    match Stack::<P>::new(Storage::allocate(&capacity), &config, secret).map(drop) {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error, ConfigError::TooFewBlocks);
            false
        }
    }
}

#[test]
fn the_smallest_legal_pool_has_two_blocks_for_each_connection() {
    for policy in POLICIES {
        for connections in [1, 4, 16] {
            for accepts in [accepts::<Full>, accepts::<Small>] {
                assert!(accepts(policy, connections, 2 * connections));
                assert!(!accepts(policy, connections, 2 * connections - 1));
            }
        }
    }
}

#[test]
fn three_whose_readers_do_not_read_leave_the_fourth_its_way() {
    for kind in KINDS {
        for policy in POLICIES {
            for block_size in [256, 512, 1024, 2048, 4096] {
                for (seed, first) in [(11, true), (12, false), (13, true), (14, false)] {
                    three_stalled(seed, kind, policy, block_size, first);
                }
            }
        }
    }
}

/// `first`: the fourth connection was there before the three; if not it comes to full pools.
fn three_stalled(seed: u64, kind: Kind, policy: AllocationPolicy, block_size: usize, first: bool) {
    let what = format!("seed {seed}, {kind:?} {policy:?} {block_size} {first}");
    let mut pair = Setup { seed, ..smallest(kind, policy, block_size) }.build();
    let deaf = Script { deaf_for: Duration::from_secs(500), ..Script::send(20_000) };
    pair.serve(RIGHT, 7, Script { deaf_for: deaf.deaf_for, ..Script::answer(20_000) });
    pair.serve(RIGHT, 8, Script { deaf_for: SECOND, ..Script::answer(MUCH) });
    if first {
        pair.open(LEFT, Family::V4, 8, Script { deaf_for: SECOND, ..Script::send(MUCH) });
    }
    for _ in 0..3 {
        pair.open(LEFT, Family::V4, 7, deaf);
    }
    pair.run_for(SECOND);
    // Three writers and three readers a side are stuck for minutes.
    assert!(pair.hosts[RIGHT].usage().blocks_used >= 6, "{what}");
    let start = pair.now;
    if !first {
        pair.open(LEFT, Family::V4, 8, Script::send(MUCH));
    }
    let through = pair.run_until(HOUR, |pair| {
        pair.applications.iter().filter(|one| one.outcome.read == MUCH).count() == 2
    });
    let took = pair.now.since(start);
    println!("{what}: {} ms", took.millis());
    // A block at most is on its way at a time, and no more than a segment of it.
    let round_trips = MUCH / (block_size as u64).min(1024) + 120;
    let bound = Duration::from_millis(2 * ROUND_TRIP_MS * round_trips);
    assert!(through && took < bound, "{what}: {} ms", took.millis());
    // Who was stalled for longer than the user timeout is still there, and gets all.
    pair.finish(HOUR);
    for host in &pair.hosts {
        assert_eq!(host.counters().given_up, 0, "{what}");
        assert!(host.counters().window_probes > 10, "{what}: the writers were blocked");
    }
}

/// A peer of `RIGHT` made by hand: its handshake is done, then comes text behind a hole that
/// nobody will ever fill.
fn hold_early(pair: &mut Pair, number: u16) -> TcpHandle {
    let source = SocketAddr::new(address(LEFT, Family::V4), 5000 + number);
    let destination = SocketAddr::new(address(RIGHT, Family::V4), 9);
    let mut segment = Tcp::syn(source, destination, 1000);
    let answers = pair.inject(RIGHT, &segment.packet());
    let answer = Seen::in_packet(&answers[0]).expect("a SYN-ACK");
    (segment.seq, segment.ack, segment.flags) = (SeqNum::new(1001), answer.seq + 1, Flags::ACK);
    pair.inject(RIGHT, &segment.packet());
    segment.seq = segment.seq + 700;
    segment.text = vec![7; 1000];
    let answers = pair.inject(RIGHT, &segment.packet());
    let answer = Seen::in_packet(&answers[0]).expect("a duplicate ACK");
    assert_eq!(answer.ack, SeqNum::new(1001));
    let accepted = pair.hosts[RIGHT].next_event().and_then(|(event, _)| match event {
        hikyaku::Handle::Listener(listener) => pair.hosts[RIGHT].accept(listener).ok(),
        _ => None,
    });
    accepted.expect("a connection")
}

#[test]
fn three_that_wait_behind_a_hole_leave_the_fourth_its_way() {
    for kind in BY_BLOCKS {
        let mut pair = Setup::new(5)
            .profiles([kind; 2])
            .host(RIGHT, |host| {
                host.config.policy = Overcommit;
                host.capacity.connections = 4;
                host.capacity.blocks = 14;
                host.capacity.block_size = 512;
            })
            .build();
        let listening = pair.listening(RIGHT);
        pair.hosts[RIGHT].listen(9, &listening).expect("a free port");
        pair.serve(RIGHT, 8, Script::answer(MUCH));
        let held = [1, 2, 3].map(|number| hold_early(&mut pair, number));
        assert!(pair.hosts[RIGHT].usage().blocks_used > 3, "{kind:?}: more than was promised");
        let took = time_of_transfer(&mut pair, 8);
        println!("{kind:?}: {} ms", took.millis());
        // A window of at least a block: 128 round trips, with delayed ACKs.
        assert!(took < Duration::from_secs(5), "{kind:?}: {} ms", took.millis());
        let pruned = pair.hosts[RIGHT].counters().pruned;
        assert_eq!(pruned > 0, kind == Kind::Full, "{kind:?}: {pruned}");
        for handle in held {
            pair.hosts[RIGHT].abort(handle);
            pair.hosts[RIGHT].release(handle);
        }
        pair.finish(HOUR);
    }
}

#[test]
fn the_oldest_hole_gives_way_first_and_no_more_than_is_needed() {
    let mut lone = Lone::with(Kind::Full, Family::V4, |host| {
        host.config.policy = Overcommit;
        host.capacity.connections = 4;
        host.capacity.blocks = 12;
        host.capacity.block_size = 256;
    });
    let mut peers = [0, 1, 2, 3].map(|number| lone.passive(number));
    // Two blocks for each: the promised one, and one of four that are to spare.
    for peer in &mut peers[..3] {
        peer.seq = peer.seq + 300;
        lone.feed(&peer.segment(Flags::ACK, &[1; 256]));
    }
    assert_eq!(lone.host.usage().blocks_used, 6);
    // Four blocks are needed: there are the promised one, the last to spare, and two holes.
    let all = lone.feed(&peers[3].segment(Flags::ACK, &[2; 536]));
    assert_eq!(all.last().map(|ack| ack.ack), Some(peers[3].seq + 536));
    assert_eq!(lone.host.counters().pruned, 2);
    assert_eq!(lone.host.read(peers[3].handle, &mut [0; 600]), Ok(536));
    // Who was pruned has the promise of a block again; who was not has its text still.
    for (number, peer) in peers[..3].iter_mut().enumerate() {
        peer.seq = peer.seq - 300;
        lone.feed(&peer.segment(Flags::ACK, &[3; 300]));
        let expected = if number == 2 { 556 } else { 300 };
        assert_eq!(lone.host.readable(peer.handle), expected, "{number}");
        let mut buffer = [0; 600];
        assert_eq!(lone.host.read(peer.handle, &mut buffer), Ok(expected as usize));
        assert!(
            buffer[..300] == [3; 300] && buffer[300..expected as usize].iter().all(|o| *o == 1)
        );
    }
    lone.drain(&peers);
}

#[test]
fn in_order_text_takes_the_place_of_its_own_early_text_first() {
    for kind in BY_BLOCKS {
        let mut lone = Lone::with(kind, Family::V4, |host| {
            host.config.policy = Overcommit;
            host.capacity.connections = 2;
            host.capacity.blocks = 6;
            host.capacity.block_size = 256;
        });
        let mut peers = [lone.passive(0), lone.passive(1)];
        for peer in &mut peers {
            peer.seq = peer.seq + 300;
            lone.feed(&peer.segment(Flags::ACK, &[1; 256]));
        }
        peers[1].seq = peers[1].seq - 300;
        let acks = lone.feed(&peers[1].segment(Flags::ACK, &[2; 279]));
        assert_eq!(acks.last().map(|ack| ack.ack), Some(peers[1].seq + 279), "{kind:?}");
        let counted = usize::from(kind == Kind::Full);
        assert_eq!(lone.host.counters().pruned, counted, "{kind:?}: its own");
        peers[0].seq = peers[0].seq - 300;
        lone.host.read(peers[1].handle, &mut [0; 600]).expect("text");
        let acks = lone.feed(&peers[0].segment(Flags::ACK, &[3; 300]));
        assert_eq!(acks.last().map(|ack| ack.ack), Some(peers[0].seq + 556), "{kind:?}");
        lone.drain(&peers);
    }
}

/// Windows were told while there was plenty, then others fill the pool and do not read.
#[test]
fn a_pool_that_runs_dry_under_large_windows_is_only_slow() {
    for kind in KINDS {
        for block_size in [2048, 4096] {
            let mut pair = smallest(kind, Overcommit, block_size)
                .hosts(|host| {
                    host.capacity.blocks = 80_000 / block_size;
                    host.config.connection.user_timeout = HOUR;
                })
                .build();
            let deaf_for = Duration::from_secs(1800);
            let deaf = Script { deaf_for, ..Script::send(40_000) };
            pair.serve(RIGHT, 7, Script { deaf_for, ..Script::answer(40_000) });
            pair.serve(RIGHT, 8, Script::answer(10 * MUCH));
            pair.open(LEFT, Family::V4, 8, Script::send(10 * MUCH));
            pair.run_for(Duration::from_millis(3 * ROUND_TRIP_MS));
            for _ in 0..3 {
                pair.open(LEFT, Family::V4, 7, deaf);
            }
            let start = pair.now;
            let through = pair.run_until(Duration::from_secs(1200), |pair| {
                pair.applications.iter().filter(|one| one.outcome.read == 10 * MUCH).count() == 2
            });
            let took = pair.now.since(start);
            println!("{kind:?} {block_size}: {} ms", took.millis());
            assert!(through, "{kind:?} {block_size}");
            pair.finish(HOUR + HOUR);
        }
    }
}

#[test]
fn a_peer_that_wants_tiny_segments_leaves_records_for_others() {
    let mut lone = Lone::with(Kind::Full, Family::V4, |host| {
        host.capacity.records = 64;
        host.config.connection.nagle = false;
    });
    let (greedy, modest) = (lone.passive(0), lone.passive(1));
    let write = |lone: &mut Lone, peer: &Peer, times: usize| {
        for _ in 0..times {
            assert_eq!(lone.host.write(peer.handle, b"x"), Ok(1));
            assert_eq!(lone.sent().len(), 1);
        }
        lone.host.usage().records
    };
    assert_eq!(write(&mut lone, &greedy, 100), 32, "half of the pool, decision 0121");
    assert_eq!(write(&mut lone, &modest, 10), 42, "a record for each segment");
    // What shares a record is sent again whole, and the records come back.
    let again = lone.pass(Duration::from_millis(300));
    let text = |port| -> u32 {
        let mine = again.iter().filter(|(_, one)| one.destination.port() == port);
        mine.map(|(_, one)| one.text).sum()
    };
    assert_eq!((text(greedy.at.port()), text(modest.at.port())), (100, 10));
    for (peer, octets) in [(&greedy, 100), (&modest, 10)] {
        let mut ack = peer.segment(Flags::ACK, b"");
        ack.ack = ack.ack + octets;
        lone.feed(&ack);
        assert_eq!(lone.host.send_queue(peer.handle), 0);
    }
    assert_eq!(lone.host.usage().records, 0);
}

/// As many ranges of ten bytes behind holes, each three blocks behind the one before.
fn ranges(lone: &mut Lone, peer: &Peer, count: u32) {
    for range in 0..count {
        let mut early = peer.segment(Flags::ACK, &[7; 10]);
        early.seq = peer.seq + BLOCK * (3 * range + 2);
        assert_eq!(lone.feed(&early).len(), 1);
    }
    assert_eq!(lone.host.counters().out_of_order, count as usize);
}

/// The size of their blocks.
const BLOCK: u32 = 128;

/// Profiles whose windows are of many blocks, and how many ranges behind holes they have records
/// for.
const RECORDS: [(Kind, u32); 2] = [(Kind::Full, 8), (Kind::Small, 4)];

#[test]
fn a_range_without_a_record_takes_no_block() {
    for (kind, count) in RECORDS {
        let mut lone = Lone::with(kind, Family::V4, |host| {
            host.config.policy = Overcommit;
            host.capacity.connections = 1;
            (host.capacity.blocks, host.capacity.block_size) = (64, BLOCK as usize);
            host.config.connection.receive_limit = BLOCK * 28;
        });
        let peer = lone.passive(0);
        ranges(&mut lone, &peer, count);
        let used = lone.host.usage().blocks_used;
        let mut far = peer.segment(Flags::ACK, &[7; 10]);
        far.seq = peer.seq + BLOCK * (3 * count + 2);
        assert_eq!(lone.feed(&far).len(), 1, "an ACK");
        assert_eq!(lone.host.usage().blocks_used, used, "{kind:?}");
        assert_eq!(lone.host.counters().out_of_order, count as usize, "{kind:?}");
        assert_eq!(lone.host.counters().drops.of(DropReason::NoMemory), 1, "{kind:?}");
        // One that joins a range needs no record of its own.
        far.seq = peer.seq + BLOCK * 2 + 10;
        assert_eq!(lone.feed(&far).len(), 1, "an ACK");
        assert_eq!(lone.host.counters().out_of_order, count as usize + 1, "{kind:?}");
        assert_eq!(lone.host.usage().blocks_used, used, "{kind:?}: in the same block");
        lone.drain(&[peer]);
    }
}

#[test]
fn a_range_that_the_pool_cuts_short_before_it_joins_another_keeps_no_block() {
    for (kind, count) in RECORDS {
        let blocks: u32 = 36;
        let mut lone = Lone::with(kind, Family::V4, |host| {
            host.config.policy = Overcommit;
            host.capacity.connections = 2;
            (host.capacity.blocks, host.capacity.block_size) = (blocks as usize, BLOCK as usize);
            host.config.connection.receive_limit = BLOCK * 28;
        });
        let (mut peer, mut other) = (lone.passive(0), lone.passive(1));
        ranges(&mut lone, &peer, count);
        // Another connection takes all but one of the blocks that are left.
        loop {
            let usage = lone.host.usage();
            if usage.blocks_used + usage.blocks_promised + 1 == blocks {
                break;
            }
            lone.feed(&other.segment(Flags::ACK, &[7; BLOCK as usize]));
            other.seq = other.seq + BLOCK;
            assert!(lone.host.usage().blocks_used > usage.blocks_used, "{kind:?}: {usage:?}");
        }
        // From behind the first range into the second, over two blocks that are missing.
        let used = lone.host.usage().blocks_used;
        let mut bridge = peer.segment(Flags::ACK, &[7; 2 * BLOCK as usize - 15]);
        bridge.seq = peer.seq + BLOCK * 3 + 20;
        assert_eq!(lone.feed(&bridge).len(), 1, "an ACK");
        assert!(lone.host.usage().blocks_used < used, "{kind:?}: all that was early is dropped");
        // The data in order comes again and is taken.
        lone.feed(&peer.segment(Flags::ACK, &[7; BLOCK as usize]));
        peer.seq = peer.seq + BLOCK;
        assert_eq!(lone.host.readable(peer.handle), BLOCK, "{kind:?}");
        lone.drain(&[peer, other]);
    }
}

/// Decision 0007: the window of a SYN-ACK is one block at most, so that a connection which is
/// accepted can keep it however full the pool is.
#[test]
fn the_window_of_a_syn_ack_is_backed_by_reserved_memory() {
    for kind in KINDS {
        let block_size = if kind == Kind::Tiny { 1024 } else { 64 };
        let mut lone = Lone::with(kind, Family::V4, |host| {
            host.config.policy = Reserved;
            host.capacity.connections = 4;
            (host.capacity.blocks, host.capacity.block_size) = (8, block_size);
        });
        // Four handshakes begin while the pool is empty, and the connections share it in the end.
        let syns: Vec<_> = (0..4).map(|number| lone.syn(number)).collect();
        let answers: Vec<_> = syns.iter().map(|syn| lone.feed(syn)[0]).collect();
        let mut peers = Vec::new();
        for (syn, answer) in syns.iter().zip(&answers) {
            let mut ack = Tcp { seq: syn.seq + 1, ack: answer.seq + 1, ..syn.clone() };
            (ack.flags, ack.options) = (Flags::ACK, Vec::new());
            assert!(lone.feed(&ack).is_empty(), "{kind:?}: accepted");
            let handle = lone.accept().expect("a connection");
            let (at, host) = (syn.source, syn.destination);
            peers.push(Peer { handle, at, host, seq: ack.seq, ack: ack.ack, window: syn.window });
        }
        // Every window that was told is filled, and nobody reads.
        for (peer, answer) in peers.iter().zip(&answers) {
            assert!(answer.window > 0, "{kind:?}");
            let acks = lone.feed(&peer.segment(Flags::ACK, &vec![7; answer.window.into()]));
            let taken = acks.last().map(|one| one.ack.since(peer.seq));
            assert_eq!(taken, Some(answer.window.into()), "{kind:?}: all of it");
        }
        lone.drain(&peers);
    }
}
