//! After set-up nothing is allocated, on any path: shown by an allocator that counts.
//!
//! A `Box::new` put anywhere into the core (with `extern crate alloc`) makes these tests fail.
#![cfg(all(feature = "ipv6", feature = "udp"))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use hikyaku::time::Duration;
use hikyaku::{CloseReason, ConnectConfig, ListenConfig, State, TcpHandle};
use hikyaku_testkit::applications::Script;
use hikyaku_testkit::host::Kind;
use hikyaku_testkit::link::Impairments;
use hikyaku_testkit::pair::{Family, LEFT, Pair, RIGHT, Setup};
use hikyaku_testkit::random::Chance;

struct Counting;

thread_local! {
    /// Allocations of this thread: other tests run beside it.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn note() {
    // A thread that ends may allocate when its counter is gone.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note();
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Runs `act` and returns how often it allocated.
fn allocations(act: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    act();
    ALLOCATIONS.get() - before
}

const MINUTE: Duration = Duration::from_secs(60);
const MIB: u64 = 1 << 20;

#[test]
fn the_allocator_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1_u8)))), 1);
    assert_eq!(allocations(|| ()), 0);
}

fn transfer(kind: Kind) {
    let bad = Impairments {
        loss: Chance::permille(5),
        reorder: Chance::permille(10),
        duplicate: Chance::permille(5),
        delay: Duration::from_millis(1),
        reorder_by: Duration::from_millis(2),
        ..Impairments::NONE
    };
    let mut pair = Setup::new(16).profiles([kind; 2]).link(bad).build();
    let (left, right) = pair.handshake(Family::V4, 7);
    pair.adopt(LEFT, left, Script::send(12 * MIB));
    pair.adopt(RIGHT, right, Script::send(4 * MIB));
    let count = allocations(|| pair.finish(Duration::from_secs(3600)));
    let octets: u64 = pair.applications.iter().map(|one| one.outcome.read).sum();
    assert!(octets >= 16 * MIB, "{octets}");
    assert!(pair.links[LEFT].tally.lost > 0 && pair.links[LEFT].tally.reordered > 0);
    assert!(pair.retransmissions() > 0);
    assert_eq!(count, 0, "{kind:?} allocated while it transferred");
}

#[test]
fn transfer_with_loss_and_reordering_full() {
    transfer(Kind::Full);
}

#[test]
fn transfer_with_loss_and_reordering_small() {
    transfer(Kind::Small);
}

/// Both sides close; the one that does so first keeps a TIME-WAIT record.
fn open_and_close(pair: &mut Pair, listener: hikyaku::ListenerHandle, round: u32) {
    let family = if round.is_multiple_of(2) { Family::V4 } else { Family::V6 };
    let left = pair.connect(LEFT, family, 7, &ConnectConfig::new()).expect("a slot");
    let mut right = None;
    assert!(pair.run_until(MINUTE, |pair| {
        right = right.or_else(|| pair.hosts[RIGHT].accept(listener).ok());
        right.is_some() && pair.hosts[LEFT].state(left) == State::Established
    }));
    let ends = [(LEFT, left), (RIGHT, right.expect("accepted"))];
    for turn in 0..2 {
        let (side, handle) = ends[(turn + round as usize) % 2];
        pair.hosts[side].close(handle);
        pair.run_for(Duration::from_millis(20));
    }
    for (side, handle) in ends {
        pair.hosts[side].release(handle);
    }
}

#[test]
fn two_hundred_opens_and_closes() {
    for kind in [Kind::Full, Kind::Small] {
        let mut pair = Setup::new(200).profiles([kind; 2]).build();
        let listener = pair.hosts[RIGHT].listen(7, &ListenConfig::new()).expect("a free port");
        let count = allocations(|| {
            for round in 0..200 {
                open_and_close(&mut pair, listener, round);
                if round % 10 == 9 {
                    pair.run_for(MINUTE + MINUTE);
                }
            }
        });
        assert_eq!(pair.hosts[LEFT].counters().active_opens, 200);
        assert_eq!(pair.hosts[RIGHT].usage().connections, 0);
        assert_eq!(pair.hosts[RIGHT].usage().time_wait, 0);
        assert_eq!(count, 0, "{kind:?} allocated while it opened and closed");
    }
}

/// Writes until nothing more is taken.
fn stuff(pair: &mut Pair, handle: TcpHandle) -> usize {
    let mut taken = 0;
    while let Ok(octets) = pair.hosts[LEFT].write(handle, &[0x55; 500]) {
        taken += octets;
    }
    taken
}

#[test]
fn exhausted_pools() {
    for kind in [Kind::Full, Kind::Small] {
        let mut pair = Setup::new(3)
            .profiles([kind; 2])
            .hosts(|host| {
                host.capacity.connections = 4;
                host.capacity.half_open = 2;
                host.capacity.blocks = 16;
                host.capacity.block_size = 256;
                host.config.connection.receive_limit = 512;
            })
            .build();
        let listener = pair.hosts[RIGHT].listen(7, &ListenConfig::new()).expect("a free port");
        let mut handles = [None; 10];
        let mut stuffed = 0;
        let count = allocations(|| {
            for handle in &mut handles {
                *handle = pair.connect(LEFT, Family::V4, 7, &ConnectConfig::new());
                pair.run_for(Duration::from_millis(50));
            }
            for handle in handles.into_iter().flatten() {
                stuffed += stuff(&mut pair, handle);
            }
            pair.run_for(MINUTE);
            for handle in handles.into_iter().flatten() {
                pair.hosts[LEFT].abort(handle);
                pair.hosts[LEFT].release(handle);
            }
            pair.run_for(Duration::from_secs(1));
            while let Ok(handle) = pair.hosts[RIGHT].accept(listener) {
                assert_eq!(pair.hosts[RIGHT].close_reason(handle), Some(CloseReason::Reset));
                pair.hosts[RIGHT].release(handle);
            }
        });
        let opened = handles.iter().flatten().count();
        assert!(opened <= 4 && pair.refused >= 6, "{opened} of 10 connections");
        assert!(stuffed > 0 && stuffed <= 16 * 256, "{stuffed} octets in 16 blocks");
        assert_eq!(count, 0, "{kind:?} allocated when its pools were exhausted");
    }
}
