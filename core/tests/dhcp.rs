//! The DHCP client against a server of the tests' own, on virtual time (RFC 2131).
#![cfg(all(feature = "ipv6", feature = "dhcp"))]

#[path = "dhcp/world.rs"]
mod world;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hikyaku::seq::SeqNum;
use hikyaku::service::dhcp::{Config, Event, Loss, State};
use hikyaku::wire::Protocol;
use hikyaku::wire::tcp::Flags;
use hikyaku::{
    CloseReason, ConnectionConfig, DropReason, Duration, Instant, ListenConfig, UdpConfig,
};
use hikyaku_testkit::forge::{self, Tcp};
use hikyaku_testkit::seen::Seen;
use proptest::prelude::*;
use world::*;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn lost(world: &mut World) -> Loss {
    let Some((_, Event::Lost(OURS, loss))) = world.events.pop_front() else {
        panic!("nothing lost: {:?}", world.events)
    };
    loss
}

/// A socket that leaves blocks to others.
fn limited(port: u16) -> UdpConfig {
    UdpConfig { receive_limit: 512, send_limit: 256, ..UdpConfig::new(port) }
}

// ---- the way to an address ----

#[test]
fn an_address_is_acquired_in_four_messages() {
    let mut world = World::new();
    world.pass(secs(1), honest);
    let [discover, request] = &world.asked[..] else { panic!("{:?}", world.asked) };
    for ask in [discover, request] {
        // RFC 2131 §4.1: from nobody, to everybody, and the answer is to be broadcast.
        assert_eq!((ask.source, ask.destination, ask.ciaddr), (NOBODY, ALL, NOBODY));
        assert!(ask.wants_broadcast);
    }
    assert_eq!((discover.kind, discover.requested, discover.server), (DISCOVER, None, None));
    assert_eq!(request.kind, REQUEST);
    assert_eq!((request.requested, request.server), (Some(OURS), Some(SERVER)));
    assert_eq!(request.xid, discover.xid);
    assert_eq!(request.secs, discover.secs);
    let Some((_, Event::Configured(lease))) = world.events.pop_front() else { panic!("no lease") };
    assert_eq!((lease.address, lease.prefix, lease.router), (OURS, 24, Some(SERVER)));
    assert_eq!(lease.dns[..], [Ipv4Addr::new(10, 0, 0, 53), Ipv4Addr::new(10, 0, 0, 54)]);
    assert_eq!((lease.server, lease.expires_at), (SERVER, Some(Instant::ZERO + secs(3600))));
    assert_eq!(world.client.state(), State::Bound);
    assert_eq!(world.client.lease(), Some(&lease));
    assert!(world.owns(OURS));
    assert_eq!(world.stack.usage().udp_sockets, 0, "nothing is held while nothing is asked");
    assert_eq!((world.client.counters().sent, world.client.counters().taken), (2, 2));
}

#[test]
fn requests_are_repeated_later_and_later() {
    let mut world = World::new();
    world.pass(secs(400), silent);
    let at: Vec<_> = world.asked.iter().map(|ask| ask.at).collect();
    let delays: Vec<_> = at.windows(2).map(|pair| pair[1].since(pair[0]).micros()).collect();
    // Decision 0125: the first two repetitions come early.
    let early = [400_000..=400_000 + 262_143, 800_000..=800_000 + 262_143];
    for (delay, around) in delays.iter().zip(early) {
        assert!(around.contains(delay), "{delay} where {around:?} is due");
    }
    for (delay, expected) in delays[2..].iter().zip([4, 8, 16, 32, 64, 64, 64, 64]) {
        let around = (expected - 1) * 1_000_000 - 50_000..(expected + 1) * 1_000_000 + 50_000;
        assert!(around.contains(delay), "{delay} where {expected} s are due");
    }
    assert!(delays.len() >= 9);
    let mut xids: Vec<_> = world.asked.iter().map(|ask| ask.xid).collect();
    xids.sort_unstable();
    xids.dedup();
    assert_eq!(xids.len(), at.len(), "each has an xid of its own");
    assert!(world.asked.windows(2).all(|pair| pair[0].secs <= pair[1].secs));
    assert!(world.asked[2..].windows(2).all(|pair| pair[0].secs < pair[1].secs));
    let other = World::with(Config::new(HARDWARE), 8);
    let mut other = other;
    other.pass(secs(400), silent);
    assert_ne!(at[1..], other.asked.iter().map(|ask| ask.at).collect::<Vec<_>>()[1..]);
}

/// A bridge port that has just come up drops packets for up to a second. The loss costs less than
/// two seconds in a first search and in a search for a known address (decision 0125).
#[test]
fn a_link_that_is_silent_for_its_first_second_costs_less_than_two() {
    for previous in [None, Some(OURS)] {
        for secret in 1..40 {
            let config = Config { previous, ..Config::new(HARDWARE) };
            let mut world = World::with(config, secret);
            let up_at = Instant::ZERO + secs(1);
            world.pass(secs(2), |ask| if ask.at < up_at { Vec::new() } else { honest(ask) });
            let configured = world.events.pop_front();
            let Some((at, Event::Configured(_))) = configured else {
                panic!("no lease for the secret {secret}: {:?}", world.asked)
            };
            assert!(at < Instant::ZERO + secs(2), "{at:?}");
        }
    }
}

#[test]
fn an_offer_that_nobody_stands_by_is_given_up_after_four_requests() {
    let mut world = World::new();
    world.pass(secs(70), |ask| if ask.kind == DISCOVER { honest(ask) } else { Vec::new() });
    let kinds: Vec<_> = world.asked.iter().map(|ask| ask.kind).collect();
    assert_eq!(kinds[..6], [DISCOVER, REQUEST, REQUEST, REQUEST, REQUEST, DISCOVER]);
    let again = world.asked[5].at.since(world.asked[1].at).micros();
    assert!((56_000_000..64_500_000).contains(&again), "{again}");
    assert!(world.events.is_empty());
}

#[test]
fn each_message_may_be_lost() {
    for nth in 0..4 {
        let mut world = World::new();
        let mut count = 0;
        // Message 0 and 2 are requests, 1 and 3 the replies: for us it is all the same.
        world.pass(secs(60), |ask| {
            count += 1;
            if count == nth { Vec::new() } else { honest(ask) }
        });
        assert_eq!(world.client.state(), State::Bound, "message {nth}");
    }
    let mut world = World::new();
    let mut count = 0_u32;
    world.pass(secs(600), |ask| {
        count += 1;
        if count.is_multiple_of(3) { honest(ask) } else { Vec::new() }
    });
    assert_eq!(world.client.state(), State::Bound);
}

#[test]
fn a_known_address_is_asked_for_first() {
    let config = Config { previous: Some(OURS), ..Config::new(HARDWARE) };
    let mut world = World::with(config, 7);
    world.pass(secs(1), honest);
    let [request] = &world.asked[..] else { panic!("{:?}", world.asked) };
    // RFC 2131 §4.3.2: INIT-REBOOT names the address, and no server.
    assert_eq!((request.kind, request.requested, request.server), (REQUEST, Some(OURS), None));
    assert_eq!((request.source, request.ciaddr, request.destination), (NOBODY, NOBODY, ALL));
    assert_eq!(world.client.state(), State::Bound);

    let mut world = World::with(config, 7);
    let mut refuse = true;
    world.pass(secs(5), |ask| {
        if core::mem::take(&mut refuse) { vec![Answer::to(ask, NAK)] } else { honest(ask) }
    });
    let kinds: Vec<_> = world.asked.iter().map(|ask| ask.kind).collect();
    assert_eq!(kinds, [REQUEST, DISCOVER, REQUEST]);

    // Decision 0125: two early repetitions before the four requests of RFC 2131 §3.1.
    let mut world = World::with(config, 7);
    world.pass(secs(80), |ask| if ask.requested.is_some() { vec![] } else { honest(ask) });
    let kinds: Vec<_> = world.asked.iter().map(|ask| ask.kind).collect();
    assert_eq!(kinds[..8], [[REQUEST; 6].as_slice(), &[DISCOVER, REQUEST]].concat());
}

#[test]
fn a_start_may_be_delayed() {
    let config = Config { start_delay: secs(10), ..Config::new(HARDWARE) };
    let mut starts = Vec::new();
    for secret in 1..9 {
        let mut world = World::with(config, secret);
        world.pass(secs(11), honest);
        starts.push(world.asked[0].at.micros());
    }
    assert!(starts.iter().all(|at| *at < 10_000_000));
    starts.sort_unstable();
    assert!(starts[7] - starts[0] > 1_000_000, "{starts:?}");
}

// ---- keeping it ----

#[test]
fn a_lease_is_renewed_by_its_server_half_way() {
    let mut world = World::new();
    world.bind(honest);
    world.pass(secs(1801), honest);
    let [request] = &world.asked[..] else { panic!("{:?}", world.asked) };
    // RFC 2131 §4.3.2: RENEWING names the address as its own, and asks the server alone.
    assert_eq!((request.kind, request.ciaddr, request.source), (REQUEST, OURS, OURS));
    assert_eq!((request.destination, request.requested, request.server), (SERVER, None, None));
    assert!(!request.wants_broadcast);
    let at = request.at.micros() / 1_000_000;
    assert!((1740..=1800).contains(&at), "T1 at {at}");
    let Some((_, Event::Renewed(lease))) = world.events.pop_front() else { panic!("no renewal") };
    assert_eq!(lease.expires_at, Some(request.at + secs(3600)));
    assert_eq!(world.stack.usage().udp_sockets, 0);
    assert!(world.owns(OURS));
}

#[test]
fn the_times_of_the_server_are_kept() {
    let mut world = World::new();
    let server = |ask: &Ask| {
        honest(ask).into_iter().map(|answer| answer.lease(120).times(5, 20)).collect::<Vec<_>>()
    };
    world.bind(server);
    world.pass(secs(16), server);
    assert_eq!(world.seconds(), [5, 10, 15]);
    let renewed = |(_, event): &(_, _)| matches!(event, Event::Renewed(_));
    assert_eq!((world.events.len(), world.events.iter().all(renewed)), (3, true));
}

#[test]
fn without_its_server_any_other_is_asked_and_becomes_the_server() {
    let mut world = World::new();
    world.bind(honest);
    world.pass(secs(3100), silent);
    assert!(world.asked.len() >= 3, "repeated: {:?}", world.seconds());
    for pair in world.asked.windows(2) {
        assert!(pair[1].at.since(pair[0].at) >= secs(60), "{:?}", world.seconds());
    }
    assert_eq!(world.client.state(), State::Renewing);
    world.asked.clear();
    world.pass(secs(49), silent);
    world.asked.clear();
    // T2 is at 3150 s.
    let other = Ipv4Addr::new(10, 0, 0, 2);
    world.pass(secs(2), |ask| vec![Answer::to(ask, ACK).server(other)]);
    let [request] = &world.asked[..] else { panic!("{:?}", world.asked) };
    assert_eq!((request.ciaddr, request.source, request.destination), (OURS, OURS, ALL));
    assert_eq!((request.requested, request.server), (None, None));
    assert_eq!(world.client.state(), State::Bound);
    assert_eq!(world.client.lease().map(|lease| lease.server), Some(other));
    assert!(matches!(world.events.pop_front(), Some((_, Event::Renewed(_)))));
}

#[test]
fn a_lease_that_nobody_extends_ends() {
    let mut world = World::new();
    world.bind(honest);
    world.pass(secs(3599), silent);
    assert!(world.owns(OURS));
    assert_eq!(world.client.state(), State::Rebinding);
    world.asked.clear();
    world.pass(secs(1), silent);
    assert_eq!(lost(&mut world), Loss::Expired);
    assert!(!world.owns(OURS));
    assert_eq!(world.client.lease(), None);
    assert_eq!(world.asked.last().map(|ask| (ask.kind, ask.source)), Some((DISCOVER, NOBODY)));
    world.pass(secs(70), honest);
    assert!(matches!(world.events.pop_front(), Some((_, Event::Configured(_)))));
    assert!(world.owns(OURS));
}

#[test]
fn a_clock_that_jumps_ends_the_lease_and_nothing_else() {
    let mut world = World::new();
    world.bind(honest);
    world.now = world.now + secs(1_000_000);
    world.pass(secs(1), honest);
    assert_eq!(lost(&mut world), Loss::Expired);
    assert!(matches!(world.events.pop_front(), Some((_, Event::Configured(_)))));
}

#[test]
fn a_lease_counts_from_the_request_and_not_from_the_answer() {
    let mut world = World::new();
    let mut count = 0;
    // The first two requests for the address stay unanswered.
    world.pass(secs(60), |ask| {
        count += usize::from(ask.kind == REQUEST);
        if ask.kind == REQUEST && count < 3 { Vec::new() } else { honest(ask) }
    });
    let first = world.asked.iter().find(|ask| ask.kind == REQUEST).expect("a request").at;
    let expires_at = world.client.lease().and_then(|lease| lease.expires_at);
    assert_eq!(expires_at, Some(first + secs(3600)));
}

#[test]
fn a_lease_without_end_is_never_renewed() {
    let mut world = World::new();
    let server = |ask: &Ask| {
        honest(ask).into_iter().map(|answer| answer.lease(u32::MAX).times(5, 9)).collect()
    };
    assert_eq!(world.bind(server).expires_at, None);
    assert_eq!(world.client.next_wake(), None);
    world.pass(secs(5_000_000_000), silent);
    assert!(world.asked.is_empty());
    assert!(world.owns(OURS));
}

#[test]
fn what_changes_with_a_renewal_is_told_and_applied() {
    let mut world = World::new();
    world.bind(honest);
    world.pass(secs(1801), |ask| vec![Answer::to(ask, ACK).with(1, [255, 0, 0, 0])]);
    let Some((_, Event::Configured(lease))) = world.events.pop_front() else { panic!("no news") };
    assert_eq!((lease.address, lease.prefix), (OURS, 8));
    assert!(world.owns(OURS));
    world.pass(secs(1801), |ask| {
        vec![Answer::to(ask, ACK).with(1, [255, 0, 0, 0]).with(6, [10, 0, 0, 55])]
    });
    let Some((_, Event::Configured(lease))) = world.events.pop_front() else { panic!("no news") };
    assert_eq!(lease.dns[..], [Ipv4Addr::new(10, 0, 0, 55)]);
}

// ---- losing it ----

#[test]
fn a_refusal_takes_the_address_at_once() {
    for (span, state) in [(1801, State::Renewing), (3151, State::Rebinding)] {
        let mut world = World::new();
        world.bind(honest);
        world.pass(secs(span - 2), silent);
        world.asked.clear();
        world.pass(secs(700), |ask| match ask.kind {
            REQUEST if ask.ciaddr == OURS => vec![Answer::to(ask, NAK)],
            _ => honest(ask),
        });
        assert_eq!(lost(&mut world), Loss::Refused, "{state:?}");
        assert!(matches!(world.events.pop_front(), Some((_, Event::Configured(_)))), "{state:?}");
        assert!(world.owns(OURS));
    }
}

#[test]
fn a_server_that_refuses_what_it_offers_is_not_asked_in_a_loop() {
    let mut world = World::new();
    world.pass(secs(600), |ask| match ask.kind {
        DISCOVER => honest(ask),
        _ => vec![Answer::to(ask, NAK)],
    });
    assert!(world.asked.len() < 40, "{:?}", world.seconds());
    assert!(world.asked.len() > 15, "{:?}", world.seconds());
    assert!(world.events.is_empty());
    world.pass(secs(70), honest);
    assert_eq!(world.client.state(), State::Bound);
}

#[test]
fn an_address_in_use_is_declined() {
    let mut world = World::new();
    world.bind(honest);
    let at = world.now;
    world.client.on_conflict();
    assert!(world.client.next_wake() <= Some(at));
    world.pass(secs(9), honest);
    assert_eq!(lost(&mut world), Loss::Conflict);
    assert!(!world.owns(OURS));
    let [decline] = &world.asked[..] else { panic!("{:?}", world.asked) };
    // RFC 2131 §4.4.1, table 5.
    assert_eq!(
        (decline.kind, decline.requested, decline.server),
        (DECLINE, Some(OURS), Some(SERVER))
    );
    assert_eq!((decline.source, decline.ciaddr, decline.destination), (NOBODY, NOBODY, ALL));
    world.asked.clear();
    // RFC 2131 §3.1: ten seconds at least.
    world.pass(secs(3), honest);
    assert_eq!(world.asked.first().map(|ask| (ask.kind, ask.at)), Some((DISCOVER, at + secs(10))));
    assert!(matches!(world.events.pop_front(), Some((_, Event::Configured(_)))));
    // Without a lease nothing can be in conflict.
    let mut world = World::new();
    world.client.on_conflict();
    world.pass(Duration::from_millis(300), silent);
    assert_eq!(world.asked.iter().map(|ask| ask.kind).collect::<Vec<_>>(), [DISCOVER]);
}

#[test]
fn an_address_is_given_back_on_request() {
    let mut world = World::new();
    world.bind(honest);
    world.pass(secs(100), honest);
    world.client.release(&mut world.stack, world.now);
    world.client.on_conflict();
    world.pass(secs(1), silent);
    let [release] = &world.asked[..] else { panic!("{:?}", world.asked) };
    assert_eq!((release.kind, release.ciaddr, release.source), (RELEASE, OURS, OURS));
    assert_eq!(
        (release.destination, release.server, release.requested),
        (SERVER, Some(SERVER), None)
    );
    assert_eq!(lost(&mut world), Loss::Stopped);
    assert!(!world.owns(OURS));
    assert_eq!((world.client.state(), world.client.next_wake()), (State::Stopped, None));
    world.pass(secs(10_000), honest);
    assert_eq!((world.asked.len(), world.stack.usage().udp_sockets), (1, 0));
    assert_eq!(world.stack.usage().blocks_used, 0);
    world.client.restart(world.now);
    world.pass(secs(1), honest);
    assert!(matches!(world.events.pop_front(), Some((_, Event::Configured(_)))));
}

#[test]
fn a_restart_asks_for_the_same_address() {
    let mut world = World::new();
    world.bind(honest);
    world.pass(secs(100), honest);
    world.client.restart(world.now);
    world.pass(secs(1), honest);
    assert_eq!(lost(&mut world), Loss::Stopped);
    let [request] = &world.asked[..] else { panic!("{:?}", world.asked) };
    assert_eq!((request.kind, request.requested, request.server), (REQUEST, Some(OURS), None));
    assert!(world.owns(OURS));
}

#[test]
fn a_stack_without_room_is_told_of_and_tried_again() {
    let mut world = World::new();
    let taken = world.stack.bind_udp(&limited(5)).expect("the only slot");
    world.pass(secs(2), honest);
    assert_eq!(world.events.pop_front().map(|(_, event)| event), Some(Event::NoRoom));
    world.stack.udp(taken).expect("it is open").close();
    world.pass(secs(10), honest);
    assert_eq!(world.client.state(), State::Bound);

    let mut world = World::new();
    for last in 101..105 {
        world.stack.add_address(IpAddr::V4(Ipv4Addr::new(10, 0, 1, last)), 24).expect("room");
    }
    world.pass(secs(2), honest);
    assert_eq!(world.events.pop_front().map(|(_, event)| event), Some(Event::NoRoom));
    assert_eq!(world.client.lease(), None);
    assert!(world.stack.remove_address(IpAddr::V4(Ipv4Addr::new(10, 0, 1, 101))));
    world.pass(secs(70), honest);
    assert_eq!(world.client.state(), State::Bound);
}

// ---- answers that mean no good ----

/// What a bad server makes of good answers.
type Spoil = fn(Answer) -> Answer;

#[test]
fn answers_that_are_not_for_us_or_of_no_use_are_not_taken() {
    let table: &[(&str, Spoil)] = &[
        ("another xid", |a| Answer { xid: a.xid ^ 1, ..a }),
        ("another client", |a| Answer { hardware: [2, 0, 0, 0, 0, 8], ..a }),
        ("another port", |a| Answer { source_port: 68, ..a }),
        ("no server", |a| a.without(54)),
        ("a server that is a group", |a| a.server(Ipv4Addr::new(224, 0, 0, 1))),
        ("a server that is nobody", |a| a.server(NOBODY)),
        ("no lease", |a| a.without(51)),
        ("a lease of nothing", |a| a.lease(0)),
        ("a lease of a moment", |a| a.lease(9)),
        ("no address", |a| Answer { yiaddr: NOBODY, ..a }),
        ("a group", |a| Answer { yiaddr: Ipv4Addr::new(224, 0, 0, 251), ..a }),
        ("everybody", |a| Answer { yiaddr: ALL, ..a }),
        ("everybody here", |a| Answer { yiaddr: Ipv4Addr::new(10, 0, 0, 255), ..a }),
        ("the link", |a| Answer { yiaddr: Ipv4Addr::new(10, 0, 0, 0), ..a }),
        ("ourselves", |a| Answer { yiaddr: Ipv4Addr::LOCALHOST, ..a }),
        ("a reserved address", |a| Answer { yiaddr: Ipv4Addr::new(240, 0, 0, 1), ..a }),
        ("a mask with a hole", |a| a.with(1, [255, 0, 255, 0])),
        ("no mask at all", |a| a.with(1, [0, 0, 0, 0])),
        ("a long address", |a| a.with(54, [10, 0, 0, 1, 1])),
        ("an endless option", |mut a| {
            a.options.push((12, vec![0; 9]));
            a.tail = Vec::new();
            a.options.insert(0, (61, vec![1; 3]));
            a.with(6, [1, 2, 3])
        }),
        ("more than we take", |a| Answer { tail: vec![0; 300], ..a }),
        ("a request", |a| Answer { kind: REQUEST, ..a }),
        ("an unknown kind", |a| Answer { kind: 13, ..a }),
    ];
    for (what, spoil) in table {
        for kind in [DISCOVER, REQUEST] {
            let mut world = World::new();
            // Shorter than the first early repetition.
            world.pass(Duration::from_millis(300), |ask| {
                let answers = honest(ask).into_iter();
                answers.map(|a| if ask.kind == kind { spoil(a) } else { a }).collect()
            });
            let state = if kind == DISCOVER { State::Selecting } else { State::Requesting };
            assert_eq!(world.client.state(), state, "{what} answers {kind}");
            assert!(world.events.is_empty());
            let counters = world.client.counters();
            assert_eq!(counters.malformed + counters.ignored, 1, "{what}: {counters:?}");
            // It did no harm: the next answers are taken.
            world.pass(secs(80), honest);
            assert_eq!(world.client.state(), State::Bound, "{what} answers {kind}");
        }
    }
}

#[test]
fn only_the_server_that_was_chosen_grants_and_refuses() {
    let other = Ipv4Addr::new(10, 0, 0, 66);
    for kind in [ACK, NAK] {
        let mut world = World::new();
        world.pass(secs(3), |ask| match ask.kind {
            REQUEST => vec![Answer::to(ask, kind).server(other)],
            _ => honest(ask),
        });
        assert_eq!(world.client.state(), State::Requesting, "{kind}");
        let mut world = World::new();
        world.bind(honest);
        world.pass(secs(1801), |ask| vec![Answer::to(ask, kind).server(other)]);
        assert_eq!(world.client.state(), State::Renewing, "{kind}");
        assert!(world.owns(OURS) && world.events.is_empty());
    }
    // And what it grants is what it has offered.
    let mut world = World::new();
    world.pass(secs(3), |ask| match ask.kind {
        REQUEST => vec![Answer { yiaddr: Ipv4Addr::new(10, 0, 0, 10), ..Answer::to(ask, ACK) }],
        _ => honest(ask),
    });
    assert_eq!(world.client.state(), State::Requesting);
}

#[test]
fn of_many_offers_the_first_is_taken() {
    let mut world = World::new();
    let other = Ipv4Addr::new(10, 0, 0, 66);
    world.pass(secs(3), |ask| match ask.kind {
        DISCOVER => {
            let late = Answer { yiaddr: other, ..Answer::to(ask, OFFER).server(other) };
            vec![Answer::to(ask, OFFER), late]
        }
        _ => honest(ask),
    });
    assert_eq!(world.client.lease().map(|lease| lease.address), Some(OURS));
}

#[test]
fn answers_that_nobody_asked_for_change_nothing() {
    let mut world = World::new();
    world.bind(honest);
    let ask = world_ask();
    for kind in [OFFER, ACK, NAK] {
        for xid in 0..50 {
            let answer = Answer { xid, ..Answer::to(&ask, kind) };
            world.stack.receive(world.now, &answer.packet());
        }
        world.pass(secs(1), silent);
    }
    assert!(world.asked.is_empty() && world.events.is_empty());
    assert!(world.owns(OURS));
    // Nobody listens then, and to what was sent to all nobody says so.
    assert!(world.stack.counters().drops.of(DropReason::NoSocket) >= 150);
}

fn world_ask() -> Ask {
    let mut world = World::new();
    world.pass(Duration::ZERO, silent);
    world.asked[0].clone()
}

#[test]
fn times_out_of_order_are_replaced() {
    // (lease, T1, T2, the earliest and the latest second of the first renewal)
    let table = [
        (3600, 2000, 1000, 1740, 1800),
        (3600, 0, 0, 1740, 1800),
        (3600, 0, 3000, 1740, 1800),
        (3600, 4000, 5000, 1740, 1800),
        (3600, 1000, 3600, 1740, 1800),
        (3600, u32::MAX, u32::MAX, 1740, 1800),
        (3600, 1000, 1000, 1740, 1800),
        (3600, 1000, 1001, 1000, 1000),
        (10, 100, 200, 5, 5),
        (u32::MAX - 1, 10, 20, 10, 10),
    ];
    for (lease, t1, t2, earliest, latest) in table {
        let mut world = World::new();
        world.bind(|ask: &Ask| {
            honest(ask).into_iter().map(|answer| answer.lease(lease).times(t1, t2)).collect()
        });
        world.pass(secs(latest), silent);
        let at = world.seconds();
        assert!(!at.is_empty(), "{lease} {t1} {t2}");
        assert!((earliest..=latest).contains(&at[0]), "{lease} {t1} {t2}: {at:?}");
    }
}

#[test]
fn without_a_mask_the_class_of_the_address_tells() {
    for (address, prefix) in [([10, 0, 0, 9], 8), ([172, 16, 0, 9], 16), ([192, 168, 1, 9], 24)] {
        let mut world = World::new();
        world.pass(secs(1), |ask| {
            let answers = honest(ask).into_iter().map(|answer| answer.without(1));
            answers.map(|answer| Answer { yiaddr: address.into(), ..answer }).collect()
        });
        assert_eq!(world.client.lease().map(|lease| lease.prefix), Some(prefix));
    }
}

#[test]
fn routers_and_name_servers_that_are_no_hosts_are_left_out() {
    let mut world = World::new();
    let lease = world.bind(|ask: &Ask| {
        let bad = |answer: Answer| {
            answer.with(3, [224, 0, 0, 1]).with(6, [127, 0, 0, 1, 10, 0, 0, 53, 0, 0, 0, 0])
        };
        honest(ask).into_iter().map(bad).collect()
    });
    assert_eq!(lease.router, None);
    assert_eq!(lease.dns[..], [Ipv4Addr::new(10, 0, 0, 53)]);
    let to_us = |ask: &Ask| {
        honest(ask).into_iter().map(|answer| answer.with(3, OURS.octets())).collect::<Vec<_>>()
    };
    assert_eq!(World::new().bind(to_us).router, None);
}

// ---- the stack below ----

#[test]
fn what_is_sent_to_all_reaches_udp_and_is_not_answered_otherwise() {
    let mut world = World::new();
    let socket = world.stack.bind_udp(&limited(9)).expect("a slot");
    world.stack.add_address(OURS.into(), 24).expect("room");
    let from = SocketAddr::new(SERVER.into(), 9);
    for (to, taken) in [
        (ALL, true),
        (Ipv4Addr::new(10, 0, 0, 255), true),
        (Ipv4Addr::new(10, 0, 1, 255), false),
        (Ipv4Addr::new(224, 0, 0, 1), false),
        (NOBODY, false),
    ] {
        let to = IpAddr::V4(to);
        world.stack.receive(world.now, &forge::udp(from, SocketAddr::new(to, 9), 9, b"!"));
        let got = world.stack.udp(socket).expect("it is open").recv_from(&mut [0; 9]);
        assert_eq!(got.is_ok(), taken, "{to}");
        assert!(got.is_ok_and(|got| got.destination == to) == taken);
        // Neither a closed port nor another protocol is complained about.
        world.stack.receive(world.now, &forge::udp(from, SocketAddr::new(to, 10), 9, b"!"));
        world.stack.receive(world.now, &forge::ip(SERVER.into(), to, Protocol(200), b"!"));
        let ping = [8, 0, 0, 0, 0, 1, 0, 1];
        world.stack.receive(world.now, &forge::icmp(SERVER.into(), to, &ping));
        assert_eq!(world.stack.transmit(world.now, &mut [0; 1500]), None, "{to}");
    }
}

// ---- what an address leaves behind ----

/// The segment of a peer at 10.0.0.77 to port 80.
fn segment(flags: Flags, seq: u32, ack: u32) -> Vec<u8> {
    let from = SocketAddr::new(Ipv4Addr::new(10, 0, 0, 77).into(), 5000);
    let mut segment = Tcp::syn(from, SocketAddr::new(OURS.into(), 80), seq);
    (segment.flags, segment.ack) = (flags, SeqNum::new(ack));
    segment.packet()
}

#[test]
fn connections_end_with_the_lease_of_their_address() {
    let mut world = World::new();
    world.bind(honest);
    let connection = ConnectionConfig { receive_limit: 256, ..ConnectionConfig::new() };
    let config = ListenConfig { connection: Some(connection), ..ListenConfig::new() };
    let listener = world.stack.listen(80, &config).expect("a free port");
    world.stack.receive(world.now, &segment(Flags::SYN, 99, 0));
    let mut buffer = [0; 1500];
    let len = world.stack.transmit(world.now, &mut buffer).expect("a SYN-ACK");
    let ack = Seen::in_packet(&buffer[..len]).expect("a SYN-ACK").seq + 1;
    world.stack.receive(world.now, &segment(Flags::ACK, 100, ack.raw()));
    let handle = world.stack.accept(listener).expect("a connection");
    // Nobody extends the lease: `pass` sees that nothing but requests is sent.
    world.pass(secs(3599), silent);
    assert_eq!(world.stack.tcp(handle).expect("held").state(), hikyaku::State::Established);
    world.pass(secs(20), silent);
    assert_eq!(lost(&mut world), Loss::Expired);
    let mut socket = world.stack.tcp(handle).expect("held");
    assert_eq!(socket.state(), hikyaku::State::Closed);
    assert_eq!(socket.close_reason(), Some(CloseReason::AddressRemoved));
    let ended = hikyaku::WriteError::Ended(CloseReason::AddressRemoved);
    assert_eq!(socket.write(b"data"), Err(ended));
    world.stack.tcp(handle).expect("held").release();
    assert_eq!(world.stack.usage().connections, 0);
    // What comes late finds nobody, and no reset answers it.
    world.stack.receive(world.now, &segment(Flags::ACK, 100, ack.raw()));
    world.pass(secs(60), silent);
}

#[test]
fn an_address_that_the_stack_has_is_no_servers_to_give_or_take() {
    let mut world = World::new();
    world.stack.add_address(OURS.into(), 24).expect("room");
    let config = Config { previous: Some(OURS), ..Config::new(HARDWARE) };
    for client in [Config::new(HARDWARE), config] {
        world.client = hikyaku::service::dhcp::Client::new(client);
        world.pass(secs(10), |ask| honest(ask).into_iter().map(|one| one.lease(20)).collect());
        assert!(world.events.is_empty(), "{:?}", world.events);
        assert_eq!(world.client.lease(), None);
        assert!(world.client.counters().ignored > 0);
        world.client.release(&mut world.stack, world.now);
        world.pass(secs(4000), honest);
        assert!(world.owns(OURS));
    }
    // Any other is taken.
    world.client.restart(world.now);
    let other = Ipv4Addr::new(10, 0, 0, 10);
    let answer = |one: Answer| Answer { yiaddr: other, ..one };
    world.events.clear();
    world.pass(secs(10), |ask| honest(ask).into_iter().map(answer).collect());
    assert!(world.owns(other) && world.owns(OURS));
}

/// What DHCP is on a link of frames.
#[cfg(feature = "ethernet")]
mod on_ethernet {
    use super::*;

    const EVERYBODY: [u8; 6] = [0xff; 6];
    const THEIRS: [u8; 6] = [2, 0, 0, 0, 0, 1];

    /// The server's frames reach us: up to the grant of [`OURS`].
    fn grant(world: &mut World) {
        let mut buffer = [0; 1600];
        for kind in [OFFER, ACK] {
            assert_eq!(world.client.poll(&mut world.stack, world.now), None);
            let len = world.stack.transmit(world.now, &mut buffer).expect("a request");
            let (head, packet) = buffer[..len].split_at(14);
            assert_eq!(*head, [&EVERYBODY[..], &HARDWARE, &[8, 0]].concat());
            let answer = Answer::to(&Ask::read(world.now, packet), kind).packet();
            // To another station, to everybody a packet for one host, and as it should be.
            let mut strange = answer.clone();
            strange[16..20].copy_from_slice(&OURS.octets());
            for (to, packet) in [(THEIRS, &answer), (EVERYBODY, &strange), (EVERYBODY, &answer)] {
                assert_eq!(world.client.counters().taken, usize::from(kind == ACK));
                let frame = [&to[..], &THEIRS, &[8, 0], packet].concat();
                world.stack.receive(world.now, &frame);
            }
        }
    }

    /// Time passes until there is news of the client's, and `answer` hears what is sent.
    fn next_event(world: &mut World, mut answer: impl FnMut(&[u8]) -> Option<Vec<u8>>) -> Event {
        let end = world.now + secs(20);
        let mut buffer = [0; 1600];
        while world.now < end {
            while let Some(len) = world.stack.transmit(world.now, &mut buffer) {
                if let Some(frame) = answer(&buffer[..len]) {
                    world.stack.receive(world.now, &frame);
                }
            }
            if let Some(event) = world.client.poll(&mut world.stack, world.now) {
                return event;
            }
            world.now = world.now + Duration::from_millis(10);
        }
        panic!("nothing happened: {:?}", world.client);
    }

    /// The target of an ARP request, and whether it is a probe.
    fn asked_for(frame: &[u8]) -> Option<(Ipv4Addr, bool)> {
        let is_arp = frame[12..14] == [8, 6];
        let four = |at: usize| Ipv4Addr::from(<[u8; 4]>::try_from(&frame[at..at + 4]).unwrap());
        is_arp.then(|| (four(38), four(28) == NOBODY))
    }

    #[test]
    fn all_is_broadcast_probed_for_and_the_router_becomes_the_gateway() {
        let mut world = World::on_ethernet();
        grant(&mut world);
        let granted_at = world.now;
        let mut probes = 0;
        let event = next_event(&mut world, |frame| {
            probes += usize::from(asked_for(frame) == Some((OURS, true)));
            None
        });
        let Event::Configured(lease) = event else { panic!("{event:?}") };
        assert_eq!((lease.address, lease.router, probes), (OURS, Some(SERVER), 3));
        let waited = world.now.since(granted_at);
        assert!(secs(4) <= waited && waited <= secs(8), "{waited:?}");
        assert!(world.stack.counters().datagrams_out == 2);

        let far = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 7);
        let connect = hikyaku::ConnectConfig::new();
        let connection = world.stack.connect(world.now, far, &connect).expect("a way to it");
        let (mut buffer, mut asked) = ([0; 1600], Vec::new());
        while let Some(len) = world.stack.transmit(world.now, &mut buffer) {
            asked.extend(asked_for(&buffer[..len]));
        }
        assert!(asked.contains(&(SERVER, false)), "{asked:?}");
        // With the address goes the way to others. The client wants its blocks back for that.
        let mut connection = world.stack.tcp(connection).expect("it is held");
        connection.abort();
        connection.release();
        world.client.on_conflict();
        let lost = world.client.poll(&mut world.stack, world.now);
        assert_eq!(lost, Some(Event::Lost(OURS, Loss::Conflict)));
        let gateway = IpAddr::V4(SERVER);
        assert!(world.stack.set_gateway(gateway).is_err(), "it is no neighbour any more");
    }

    #[test]
    fn an_address_that_somebody_claims_is_declined() {
        let mut world = World::on_ethernet();
        grant(&mut world);
        let mut declined = None;
        let now = world.now;
        let event = next_event(&mut world, |frame| {
            if frame[12..14] == [8, 0] {
                declined = Some(Ask::read(now, &frame[14..]));
            }
            // Somebody has it, and says so.
            asked_for(frame).filter(|asked| *asked == (OURS, true))?;
            let head = [&HARDWARE[..], &THEIRS, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2], &THEIRS];
            let ends = [&OURS.octets()[..], &HARDWARE, &[0; 4]];
            Some([head.concat(), ends.concat()].concat())
        });
        assert_eq!(event, Event::Lost(OURS, Loss::Conflict));
        let mut buffer = [0; 1600];
        while let Some(len) = world.stack.transmit(world.now, &mut buffer) {
            declined = Some(Ask::read(now, &buffer[14..len]));
        }
        let declined = declined.expect("a message to the server");
        assert_eq!((declined.kind, declined.requested), (DECLINE, Some(OURS)));
        assert_eq!(declined.source, NOBODY);
        assert_eq!((world.client.state(), world.client.lease()), (State::Init, None));
        assert_eq!(world.stack.address_state(IpAddr::V4(OURS)), None);
    }

    /// A connection that leaves blocks to the client.
    fn modest() -> hikyaku::ConnectConfig {
        let connection = ConnectionConfig { receive_limit: 256, ..ConnectionConfig::new() };
        hikyaku::ConnectConfig { connection: Some(connection), ..hikyaku::ConnectConfig::new() }
    }

    /// The server's answers, changed, and the hardware address of each neighbour.
    fn serve(frame: &[u8], change: impl Fn(Answer) -> Answer) -> Option<Vec<u8>> {
        if let Some((target, is_probe)) = asked_for(frame) {
            assert!(!is_probe, "{target} is probed for");
            let head = [&HARDWARE[..], &THEIRS, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2], &THEIRS];
            let ends = [&target.octets()[..], &HARDWARE, &OURS.octets()];
            return Some([head.concat(), ends.concat()].concat());
        }
        if frame[23] != 17 {
            return None;
        }
        let answer = change(Answer::to(&Ask::read(Instant::ZERO, &frame[14..]), ACK));
        Some([&HARDWARE[..], &THEIRS, &[8, 0], &answer.packet()].concat())
    }

    /// Which neighbour is asked for on the way to another link.
    fn asked_on_the_way(world: &mut World) -> Vec<Ipv4Addr> {
        let far = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 7);
        let connect = modest();
        let handle = world.stack.connect(world.now, far, &connect).expect("a slot");
        let (mut buffer, mut asked) = ([0; 1600], Vec::new());
        while let Some(len) = world.stack.transmit(world.now, &mut buffer) {
            asked.extend(asked_for(&buffer[..len]).map(|(target, _)| target));
        }
        let mut socket = world.stack.tcp(handle).expect("held");
        socket.abort();
        socket.release();
        asked
    }

    #[test]
    fn a_renewal_changes_what_is_new_and_nothing_else() {
        let mut world = World::on_ethernet();
        grant(&mut world);
        let event = next_event(&mut world, |_| None);
        assert!(matches!(event, Event::Configured(_)), "{event:?}");
        let router = Ipv4Addr::new(10, 0, 0, 2);
        let other = |answer: Answer| answer.with(3, router.octets());
        let wider = |answer: Answer| answer.with(3, router.octets()).with(1, [255, 255, 0, 0]);
        let none = |answer: Answer| answer.with(1, [255, 255, 0, 0]).without(3);
        type Change<'a> = (&'a dyn Fn(Answer) -> Answer, u8, Option<Ipv4Addr>, &'a [Ipv4Addr]);
        // (change, prefix, router, the neighbour on the way)
        let changes: [Change<'_>; 3] = [
            (&other, 24, Some(router), &[router]),
            (&wider, 16, Some(router), &[]),
            (&none, 16, None, &[]),
        ];
        for (change, prefix, router, asked) in changes {
            world.now = world.now + secs(1800);
            let before = world.now;
            let near = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 3)), 7);
            let connect = modest();
            let handle = world.stack.connect(world.now, near, &connect).expect("a slot");
            let event = next_event(&mut world, |frame| serve(frame, change));
            let Event::Configured(lease) = event else { panic!("{event:?}") };
            assert_eq!((lease.prefix, lease.router), (prefix, router));
            assert!(world.now.since(before) < secs(1), "not deaf for a moment");
            let state = world.stack.address_state(IpAddr::V4(OURS));
            assert_eq!(state, Some(hikyaku::AddressState::Usable));
            let mut socket = world.stack.tcp(handle).expect("held");
            assert_eq!(socket.close_reason(), None);
            socket.abort();
            socket.release();
            let mut buffer = [0; 1600];
            while world.stack.transmit(world.now, &mut buffer).is_some() {}
            world.now = world.now + secs(10);
            assert_eq!(asked_on_the_way(&mut world), asked, "{lease:?}");
        }
    }

    #[test]
    fn who_wants_no_probe_has_the_address_at_once() {
        let config = Config { probe: false, ..Config::new(HARDWARE) };
        let mut world = World::on_ethernet();
        world.client = hikyaku::service::dhcp::Client::new(config);
        grant(&mut world);
        let event = world.client.poll(&mut world.stack, world.now);
        assert!(matches!(event, Some(Event::Configured(_))), "{event:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever octets come, in whatever state: no panic, no storm, and an honest server gets
    /// through in the end.
    #[test]
    fn nothing_that_is_sent_to_a_client_breaks_it(
        rows in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..7)), 0..6),
        kind in 0_u8..9,
        yiaddr in prop::sample::select(vec![OURS, NOBODY, ALL, SERVER, Ipv4Addr::new(10, 0, 0, 255)]),
        lease in prop::sample::select(vec![0, 1, 10, 11, 60, 3600, u32::MAX - 1, u32::MAX]),
        t1: u32,
        t2: u32,
        passes in 1_u64..100_000,
    ) {
        let mut world = World::new();
        world.pass(secs(passes), |ask| {
            let mut odd = Answer { yiaddr, ..Answer::to(ask, kind) }.lease(lease).times(t1, t2);
            odd.options.extend(rows.iter().cloned());
            let mut answers = vec![odd];
            answers.extend(honest(ask));
            answers
        });
        let per_hour = 4 + world.asked.len() as u64 * 2 / (passes / 10 + 1);
        prop_assert!(per_hour < 24, "{} requests in {passes} s", world.asked.len());
        world.events.clear();
        world.pass(secs(8000), honest);
        let (state, now) = (world.client.state(), world.now);
        let endless = world.client.lease().is_some_and(|lease| {
            lease.expires_at.is_none_or(|at| at > now + secs(100))
        });
        prop_assert!(state == State::Bound || endless, "{state:?}");
    }
}
