//! Sixty seeds of bad network: profiles, pools, links and applications drawn at random, invariants
//! checked at every event, all that was lent given back at the end.
#![cfg(all(feature = "ipv6", feature = "udp"))]

use hikyaku::time::Duration;
use hikyaku::{AllocationPolicy, ListenConfig};
use hikyaku_testkit::applications::{Application, End, Script};
use hikyaku_testkit::host::{HostSetup, Kind};
use hikyaku_testkit::invariants::Sights;
use hikyaku_testkit::link::Impairments;
use hikyaku_testkit::pair::{Family, LEFT, Pair, RIGHT, Setup};
use hikyaku_testkit::random::{Chance, Random};

const HOUR: Duration = Duration::from_secs(3600);
/// `HIKYAKU_SEEDS=N` asks for more, `HIKYAKU_FIRST=S` for others.
const SEEDS: u64 = 60;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Often none at all, else up to so many in a thousand.
fn chance(random: &mut Random, most: u64) -> Chance {
    let permille = random.between(0, most) * random.below(2);
    Chance::permille(permille as u32)
}

fn link(random: &mut Random) -> Impairments {
    let rates = [None, None, Some(100_000), Some(1_000_000), Some(10_000_000)];
    Impairments {
        rate: random.one_of(&rates),
        delay: Duration::from_micros(random.one_of(&[0, 100, 1_000, 5_000, 20_000, 150_000])),
        jitter: Duration::from_micros(random.one_of(&[0, 0, 500, 10_000])),
        loss: chance(random, 100),
        reorder: chance(random, 100),
        reorder_by: Duration::from_micros(random.one_of(&[300, 8_000, 100_000])),
        duplicate: chance(random, 50),
        corrupt: chance(random, 30),
        queue: random.one_of(&[8, 32, 256]),
    }
}

fn host(random: &mut Random, host: &mut HostSetup) {
    let connection = &mut host.config.connection;
    connection.send_limit = random.one_of(&[1_000, 8_192, 65_536, 200_000]);
    connection.receive_limit = random.one_of(&[2_000, 8_192, 65_535, 65_536, 200_000]);
    connection.mss = random.one_of(&[None, None, Some(100), Some(536)]);
    connection.initial_window = random.one_of(&[1, 3, 10]);
    connection.ack_delay = Duration::from_millis(random.one_of(&[0, 40, 200]));
    connection.nagle = random.below(2) == 0;
    // With the timeout at its cap of a minute, two are too little to tell a bad link from none.
    connection.user_timeout = Duration::from_secs(1_200);
    connection.window_scale = random.below(4) != 0;
    host.config.mtu = random.one_of(&[1280, 1500, 1500, 9000]);
    // What is overcommitted creeps where a segment never finds room whole: hosts have more.
    let (policy, blocks, sizes) = match random.below(2) {
        0 => (AllocationPolicy::Reserved, [24, 64, 512], [128, 512, 2048]),
        _ => (AllocationPolicy::Overcommit, [128, 256, 512], [512, 512, 2048]),
    };
    host.config.policy = policy;
    host.capacity.blocks = random.one_of(&blocks);
    host.capacity.block_size = random.one_of(&sizes);
    host.capacity.connections = host.capacity.connections.min(host.capacity.blocks / 2);
    host.capacity.records = random.one_of(&[8, 64, 512]);
    host.clock = Duration::from_micros(random.below(1 << 35));
}

fn script(random: &mut Random, ends: &[End]) -> Script {
    let pauses = chance(random, 200);
    let chunk = random.one_of(&[1, 100, 1_460, 10_000]);
    // Who reads octet by octet must not doze off between them, or it takes hours.
    let pauses_ms = if chunk == 1 { [1, 2, 20] } else { [1, 50, 2_000] };
    let pause = Duration::from_millis(random.one_of(&pauses_ms));
    Script {
        chunk,
        deaf_for: Duration::from_millis(random.one_of(&[0, 0, 0, 3_000])),
        ..Script::send(random.between(0, 40_000)).pausing(pauses, pause)
    }
    .then(random.one_of(ends))
}

/// One seed from beginning to end.
fn live(seed: u64) -> (Pair, u64) {
    let mut random = Random::new(seed ^ 0x5eed);
    let kinds = [(); 2].map(|()| random.one_of(&[Kind::Full, Kind::Small]));
    let mut setup = Setup::new(seed).profiles(kinds);
    setup.links = [(); 2].map(|()| link(&mut random));
    setup.hosts.iter_mut().for_each(|one| host(&mut random, one));
    let mut pair = setup.build();
    pair.flush = random.one_of(&[Chance::NEVER, Chance::percent(50), Chance::percent(100)]);
    let config = ListenConfig { backlog: 8, ..pair.listening(RIGHT) };
    let calm = [End::CloseAfterPeer, End::Close];
    let rude = [End::CloseAfterPeer, End::Close, End::Close, End::Abort, End::Release];
    let (calls, answers) =
        if seed.is_multiple_of(3) { (&rude[1..], &rude[..]) } else { (&calm[1..], &calm[..]) };
    for port in 1..=2 {
        let script = script(&mut random, answers);
        pair.serve_with(RIGHT, port, script, &config);
    }
    for _ in 0..random.between(1, 6) {
        let script = script(&mut random, calls);
        let (family, port) = (random.one_of(&Family::BOTH), random.between(1, 2) as u16);
        pair.open_with(LEFT, family, port, script, &hikyaku::ConnectConfig::new());
        pair.run_for(Duration::from_millis(random.below(200)));
    }
    if random.below(4) == 0 {
        let side = random.below(2) as usize;
        pair.links[side].is_cut = true;
        pair.run_for(Duration::from_millis(random.below(20_000)));
        pair.links[side].is_cut = false;
    }
    let all = |pair: &mut Pair| pair.applications.iter().all(Application::is_done);
    let mut rescued = 0;
    if !pair.run_until(HOUR, all) {
        rescued = pair.rescue() as u64;
    }
    pair.finish(HOUR);
    (pair, rescued)
}

#[test]
fn sixty_seeds_live_and_end_well() {
    let (mut all, mut octets, mut seconds) = (Sights::default(), 0, 0);
    let (mut timeouts, mut fast, mut rescued, mut exhausted) = (0, 0, 0, 0);
    let first = number("HIKYAKU_FIRST").unwrap_or(0);
    for seed in first..first + number("HIKYAKU_SEEDS").unwrap_or(SEEDS) {
        let (pair, alone) = live(seed);
        let sights = pair.watch.sights;
        all.segments += sights.segments;
        all.repeated += sights.repeated;
        all.probes += sights.probes;
        all.resets += sights.resets;
        octets += pair.applications.iter().map(|one| one.outcome.read).sum::<u64>();
        seconds += pair.now.micros() / 1_000_000;
        rescued += alone;
        for host in &pair.hosts {
            let counters = host.counters();
            timeouts += counters.timeouts;
            fast += counters.fast_retransmits;
            exhausted += counters.drops.of(hikyaku::counters::DropReason::NoMemory);
        }
    }
    println!("{octets} octets, {seconds} s, {all:?}, {rescued} rescued");
    println!("{timeouts} timeouts, {fast} fast retransmits, {exhausted} times no memory");
    // What never happens is not tested.
    assert!(octets > 1_000_000 && seconds > 3_600);
    assert!(all.repeated > 100 && all.probes > 10 && all.resets > 5, "{all:?}");
    assert!(timeouts > 50 && fast > 20 && exhausted > 5);
}

#[test]
fn the_same_seed_is_the_same_life() {
    for seed in [3, 4] {
        let hashes = [live(seed), live(seed)].map(|(pair, _)| pair.watch.sights);
        assert_eq!(hashes[0], hashes[1]);
        assert_ne!(hashes[0].hash, live(seed + 2).0.watch.sights.hash);
    }
}
