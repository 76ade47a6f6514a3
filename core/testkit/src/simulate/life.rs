//! One world from beginning to end. Whatever is wrong panics with what it was.

use std::collections::BTreeMap;

use hikyaku::time::{Duration, Instant};
use hikyaku::{ConnectConfig, ListenConfig, State};

use super::world::{Call, Climate, FIRST_PORT, World, Wrap};
use crate::applications::{Application, End};
use crate::checker::Checker;
use crate::host::Kind;
use crate::link::{Impairments, Tally};
use crate::pair::{LEFT, Pair, RIGHT, Setup, address};

/// What came of a world.
#[derive(Debug, Clone, Default)]
pub struct Life {
    /// Segments sent.
    pub segments: u64,
    /// Octets read by applications.
    pub octets: u64,
    /// How long it took.
    pub span: Duration,
    /// A hash of all packets and their times.
    pub hash: u64,
    /// What happened, by name, and how often.
    pub sights: BTreeMap<&'static str, u64>,
}

/// Something that the world does by itself.
#[derive(Debug, Clone, Copy)]
enum Act {
    Open(usize),
    Answer(usize),
    Cut(usize),
    Mend(usize),
    Heal,
}

const STATES: [(State, &str); 11] = [
    (State::Listen, "state.LISTEN"),
    (State::SynSent, "state.SYN-SENT"),
    (State::SynReceived, "state.SYN-RECEIVED"),
    (State::Established, "state.ESTABLISHED"),
    (State::FinWait1, "state.FIN-WAIT-1"),
    (State::FinWait2, "state.FIN-WAIT-2"),
    (State::CloseWait, "state.CLOSE-WAIT"),
    (State::Closing, "state.CLOSING"),
    (State::LastAck, "state.LAST-ACK"),
    (State::TimeWait, "state.TIME-WAIT"),
    (State::Closed, "state.CLOSED"),
];

/// Lives a world.
///
/// # Panics
///
/// Something is wrong; the message says what.
#[must_use]
pub fn live(world: &World, is_quiet: bool) -> Life {
    let aimed = aim(world);
    let mut pair = begin(&aimed, is_quiet);
    let mut states = [0_u64; 11];
    for (at, act) in timeline(&aimed) {
        let at = Instant::from_millis(1) + at;
        pair.run_until(at.since(pair.now), |pair| {
            note_states(pair, &mut states);
            false
        });
        perform(&aimed, &mut pair, act);
    }
    let all = |pair: &mut Pair| {
        note_states(pair, &mut states);
        pair.applications.iter().all(Application::is_done)
    };
    let mut rescued = 0;
    if !pair.run_until(aimed.bound(), all) {
        // Where peers are given up, nobody tells those who only listen.
        rescued = if aimed.is_forbearing() { pair.rescue() } else { pair.abort_all() } as u64;
    }
    pair.finish(Duration::from_secs(3600));
    check_fates(&aimed, &pair);
    let mut life = sum(&pair, &states);
    life.sights.insert("event.rescued", rescued);
    life
}

fn setup(world: &World) -> Setup {
    Setup { seed: world.seed, links: world.links, hosts: world.hosts.clone() }
}

/// The hosts, the listeners and the checker.
fn begin(world: &World, is_quiet: bool) -> Pair {
    let mut pair = setup(world).build();
    pair.is_quiet = is_quiet;
    pair.flush = world.flush;
    let asks = world.hosts.iter().any(|host| host.config.connection.keepalive.is_some());
    pair.checker = Some(Box::new(Checker::new(asks)));
    for call in world.calls.iter().filter(|call| call.crossing.is_none()) {
        let side = 1 - call.side;
        let config = ListenConfig { backlog: 8, ..pair.listening(side) };
        pair.serve_with(side, call.port, call.scripts[1], &config);
    }
    pair
}

fn timeline(world: &World) -> Vec<(Duration, Act)> {
    let mut acts = Vec::new();
    for (at, call) in world.calls.iter().enumerate() {
        acts.push((call.at, Act::Open(at)));
        acts.extend(call.crossing.map(|more| (call.at + more, Act::Answer(at))));
    }
    for (at, cut) in world.cuts.iter().enumerate() {
        acts.push((cut.at, Act::Cut(at)));
        acts.push((cut.at + cut.span, Act::Mend(at)));
    }
    acts.extend(world.heals_at.map(|at| (at, Act::Heal)));
    acts.sort_by_key(|(at, _)| *at);
    acts
}

fn perform(world: &World, pair: &mut Pair, act: Act) {
    match act {
        Act::Open(at) => open(world, pair, at, false),
        Act::Answer(at) => open(world, pair, at, true),
        Act::Cut(at) | Act::Mend(at) => {
            let is_cut = matches!(act, Act::Cut(_));
            for (link, _) in pair.links.iter_mut().zip(world.cuts[at].sides).filter(|(_, cut)| *cut)
            {
                link.is_cut = is_cut;
            }
        }
        Act::Heal => {
            for link in &mut pair.links {
                let Impairments { rate, delay, queue, .. } = link.impairments;
                link.impairments = Impairments { rate, delay, queue, ..Impairments::NONE };
            }
        }
    }
}

/// The ports of a call that both sides open: of the one who is first and of the other.
fn ports(call: &Call, number: usize) -> [u16; 2] {
    [FIRST_PORT + number as u16, call.port]
}

fn open(world: &World, pair: &mut Pair, number: usize, is_answer: bool) {
    let call = &world.calls[number];
    let [mine, theirs] = ports(call, number);
    let (side, script, local, remote) = match is_answer {
        false => (call.side, call.scripts[0], mine, theirs),
        true => (1 - call.side, call.scripts[1], theirs, mine),
    };
    let is_fixed = number == 0 || call.crossing.is_some();
    let config = ConnectConfig { local_port: is_fixed.then_some(local), ..ConnectConfig::new() };
    pair.open_with(side, call.family, remote, script, &config);
}

/// The world with its clocks set so that what shall wrap does: a first try tells the numbers with
/// which the first connection begins.
fn aim(world: &World) -> World {
    let mut aimed = world.clone();
    if world.wrap == Wrap::None {
        return aimed;
    }
    let Some(call) = world.calls.first() else { return aimed };
    let mut pair = begin(&World { calls: vec![*call], ..world.clone() }, true);
    open(world, &mut pair, 0, false);
    if call.crossing.is_some() {
        open(world, &mut pair, 0, true);
    }
    pair.run_for(Duration::from_millis(700));
    let openings = pair.checker.as_ref().and_then(|checker| checker.openings(FIRST_PORT));
    // By the order of the addresses, left comes first.
    debug_assert!(address(LEFT, call.family) < address(RIGHT, call.family));
    for (host, opening) in aimed.hosts.iter_mut().zip(openings.unwrap_or_default()) {
        let Some((isn, stamp)) = opening else { continue };
        let micros = match (world.wrap, stamp) {
            (Wrap::Sequence(octets), _) => {
                u64::from(0_u32.wrapping_sub(octets + 1).wrapping_sub(isn)) * 4
            }
            (Wrap::Timestamp(ticks), Some(stamp)) => {
                u64::from(0_u32.wrapping_sub(ticks).wrapping_sub(stamp)) << 10
            }
            _ => 0,
        };
        host.clock = host.clock + Duration::from_micros(micros);
    }
    aimed
}

fn note_states(pair: &mut Pair, states: &mut [u64; 11]) {
    let mut see = |state: State| {
        if let Some(at) = STATES.iter().position(|(one, _)| *one == state) {
            states[at] += 1;
        }
    };
    for application in &pair.applications {
        if let Some(handle) = application.handle {
            see(pair.hosts[application.side].state(handle));
        }
    }
    for host in &pair.hosts {
        let usage = host.usage();
        for (count, state) in [
            (usage.listeners, State::Listen),
            (usage.half_open, State::SynReceived),
            (usage.time_wait, State::TimeWait),
        ] {
            if count > 0 {
                see(state);
            }
        }
    }
}

/// Nothing ends early but for a reason.
fn check_fates(world: &World, pair: &Pair) {
    for application in pair.applications.iter().filter(|_| world.is_forbearing()) {
        let outcome = application.outcome;
        let peer = pair.peer_of(application).map(|peer| peer.outcome);
        // The peer never was, was broken off, or had all and has even forgotten it: after 2 MSL a
        // last ACK that was lost is asked for in vain.
        let has_cause = outcome.aborted
            || peer.is_none_or(|peer| {
                let had_all = peer.broken.is_none() && peer.at_end && peer.read == outcome.written;
                peer.aborted || !peer.connected || had_all
            });
        if outcome.broken.is_some() && !has_cause {
            pair.fail(&format!("broken off for no reason: {outcome:?}, its peer {peer:?}"));
        }
    }
}

fn sum(pair: &Pair, states: &[u64; 11]) -> Life {
    let mut sights = BTreeMap::new();
    let mut add = |name, count| *sights.entry(name).or_insert(0) += count;
    for ((_, name), count) in STATES.iter().zip(states) {
        add(*name, *count);
    }
    let checker = pair.checker.as_ref().expect("it was put there");
    checker.sights().for_each(|(name, count)| add(name, count));
    let cuts = pair.links.iter().map(|link| link.tally.cut);
    for link in &pair.links {
        faults(&link.tally).into_iter().for_each(|(name, count)| add(name, count));
    }
    add("fault.partition_one_way", u64::from(cuts.clone().filter(|cut| *cut > 0).count() == 1));
    add("fault.partition", u64::from(cuts.filter(|cut| *cut > 0).count() == 2));
    for host in &pair.hosts {
        let counters = host.counters();
        let exhausted = counters.drops.of(hikyaku::DropReason::NoMemory);
        for (name, count) in [
            ("event.rto", counters.timeouts),
            ("event.fast_retransmit", counters.fast_retransmits),
            ("event.window_probe", counters.window_probes),
            ("event.given_up", counters.given_up),
            ("event.challenge_ack", counters.challenge_acks),
            ("event.pool_exhausted", exhausted),
            ("event.out_of_order", counters.out_of_order),
            ("event.cookie", counters.cookies_out),
        ] {
            add(name, count as u64);
        }
    }
    add("event.pool_exhausted", pair.refused);
    Life {
        segments: checker.segments(),
        octets: pair.applications.iter().map(|one| one.outcome.read).sum(),
        span: pair.now.since(Instant::ZERO),
        hash: checker.hash(),
        sights,
    }
}

fn faults(tally: &Tally) -> [(&'static str, u64); 8] {
    [
        ("fault.loss", tally.lost.saturating_sub(tally.lost_in_bursts + tally.cut)),
        ("fault.burst_loss", tally.lost_in_bursts),
        ("fault.queue_full", tally.overflowed),
        ("fault.duplicate", tally.duplicated),
        ("fault.corrupt", tally.corrupted),
        ("fault.reorder", tally.reordered),
        ("fault.jitter", tally.jittered),
        ("fault.corrupt_unseen", tally.unseen),
    ]
}

/// What a world is made of, as sights: which profiles met, under which policies.
pub(super) fn describe(world: &World) -> Vec<&'static str> {
    let [left, right] = world.hosts.each_ref().map(|host| host.kind);
    let mut names = vec![match (left, right) {
        (Kind::Full, Kind::Full) => "with.full_full",
        (Kind::Full, Kind::Small) | (Kind::Small, Kind::Full) => "with.full_small",
        (Kind::Full, Kind::Tiny) | (Kind::Tiny, Kind::Full) => "with.full_tiny",
        (Kind::Small, Kind::Small) => "with.small_small",
        (Kind::Tiny, Kind::Tiny) => "with.tiny_tiny",
        (Kind::Small, Kind::Tiny) | (Kind::Tiny, Kind::Small) => "with.small_tiny",
    }];
    for host in &world.hosts {
        names.push(match host.config.policy {
            hikyaku::AllocationPolicy::Reserved => "with.reserved",
            hikyaku::AllocationPolicy::Overcommit => "with.overcommit",
        });
    }
    if world.climate == Climate::Bulk {
        names.push("with.bulk");
    }
    let ends = world.calls.iter().flat_map(|call| call.scripts).map(|script| script.end);
    names.extend(ends.map(|end| match end {
        End::Abort => "with.abort",
        End::Release => "with.release",
        _ => "with.close",
    }));
    names
}
