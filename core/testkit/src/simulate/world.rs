//! A world: everything that a seed stands for, drawn before anything happens in it.

use hikyaku::time::Duration;
use hikyaku::{AllocationPolicy, Capacity};

use crate::applications::{End, Script};
use crate::host::{HostSetup, Kind};
use crate::link::Impairments;
use crate::pair::{Family, LEFT, RIGHT, Setup};
use crate::random::{Chance, Random};

/// Which sort of life is led.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Climate {
    /// Some connections, some trouble.
    Mild,
    /// Much data in large segments.
    Bulk,
    /// Pools of the smallest sizes.
    Tight,
    /// Peers are given up for dead and asked whether they are.
    Impatient,
    /// Applications that stop for hours and days.
    Patient,
}

/// Which number is about to wrap when the first connection begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrap {
    /// None in particular.
    None,
    /// The sequence numbers of both sides, after so many octets.
    Sequence(u32),
    /// The timestamps of both sides, after so many ticks.
    Timestamp(u32),
}

/// A connection: who opens it and what both ends do.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// When.
    pub at: Duration,
    /// Who opens it.
    pub side: usize,
    /// Over what.
    pub family: Family,
    /// To which port; no two calls have the same.
    pub port: u16,
    /// How much later the other side opens it as well, where it does not listen.
    pub crossing: Option<Duration>,
    /// What the opener does, and the other one.
    pub scripts: [Script; 2],
}

/// A time in which nothing gets through.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// From when.
    pub at: Duration,
    /// For how long.
    pub span: Duration,
    /// Which directions: from the left, from the right.
    pub sides: [bool; 2],
}

/// All of it.
#[derive(Debug, Clone)]
pub struct World {
    /// What it was drawn from.
    pub seed: u64,
    /// What sort it is.
    pub climate: Climate,
    /// Hosts and links.
    pub hosts: [HostSetup; 2],
    /// From the left, from the right.
    pub links: [Impairments; 2],
    /// When the links become good ones, if ever.
    pub heals_at: Option<Duration>,
    /// Partitions.
    pub cuts: Vec<Cut>,
    /// Connections.
    pub calls: Vec<Call>,
    /// How often a host gets to send between two arrivals of the same moment.
    pub flush: Chance,
    /// What wraps.
    pub wrap: Wrap,
}

/// The local port of the first call, so that its numbers can be told in advance.
pub(super) const FIRST_PORT: u16 = 40_000;
/// The longest that a connection may be without a sign of life: an hour and ten minutes.
const NEVER: Duration = Duration::from_secs(4_200);
const DAY: u64 = 86_400;

/// How much is drawn: the brief form is for `cargo test`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Bulk of tens of MiB.
    Whole,
    /// Bulk of a few.
    Brief,
}

impl World {
    /// The world of a seed.
    #[must_use]
    pub fn new(seed: u64, scale: Scale) -> Self {
        let mut random = Random::new(seed ^ 0x776f_726c_6400);
        let climate = match random.below(100) {
            0..=3 => Climate::Bulk,
            4..=17 => Climate::Tight,
            18..=27 => Climate::Impatient,
            28..=29 => Climate::Patient,
            _ => Climate::Mild,
        };
        let setup = Setup::new(seed);
        let mut world = Self {
            seed,
            climate,
            hosts: setup.hosts,
            links: [(); 2].map(|()| link(&mut random, climate)),
            heals_at: None,
            cuts: Vec::new(),
            calls: Vec::new(),
            flush: random.one_of(&[Chance::NEVER, Chance::percent(50), Chance::percent(100)]),
            wrap: Wrap::None,
        };
        for host in &mut world.hosts {
            self::host(&mut random, host, climate);
        }
        world.draw_calls(&mut random, scale);
        world.draw_weather(&mut random);
        world.draw_wrap(&mut random);
        world
    }

    fn draw_calls(&mut self, random: &mut Random, scale: Scale) {
        let most = match self.climate {
            Climate::Bulk => 2,
            Climate::Tight => 6,
            _ => random.one_of(&[1, 3, 8, 16]),
        };
        let is_rude = random.below(3) == 0;
        let mut at = 0;
        for number in 0..random.between(1, most) {
            let scripts = scripts(random, (self.climate, scale), is_rude);
            let crossing =
                (random.below(12) == 0).then(|| Duration::from_micros(random.below(40_000)));
            self.calls.push(Call {
                at: Duration::from_micros(at),
                side: random.one_of(&[LEFT, LEFT, RIGHT]),
                family: random.one_of(&Family::BOTH),
                port: 1 + number as u16,
                crossing,
                scripts,
            });
            let most = random.one_of(&[1, 10_000, 2_000_000]);
            at += random.below(most);
        }
    }

    fn draw_weather(&mut self, random: &mut Random) {
        if random.below(2) == 0 {
            self.heals_at = Some(Duration::from_secs(random.between(10, 300)));
        }
        let cuts = match (self.climate, random.below(4)) {
            (Climate::Bulk, _) => 0,
            (Climate::Impatient, _) => 1,
            (_, 0) => random.between(1, 2),
            _ => 0,
        };
        for _ in 0..cuts {
            let span = random.one_of(&[500, 5_000, 30_000, 300_000]);
            let latest = random.one_of(&[1_000, 20_000]);
            let sides = random.one_of(&[[true; 2], [true; 2], [true, false], [false, true]]);
            self.cuts.push(Cut {
                at: Duration::from_millis(random.below(latest)),
                span: Duration::from_millis(random.between(1, span)),
                sides,
            });
        }
    }

    fn draw_wrap(&mut self, random: &mut Random) {
        let octets = self.calls[0].scripts.iter().map(|script| script.write).min().unwrap_or(0);
        self.wrap = match random.below(8) {
            0 => Wrap::Sequence(random.below(octets.clamp(1, 100_000)) as u32),
            1 | 2 => Wrap::Timestamp(random.below(4_000) as u32),
            _ => Wrap::None,
        };
    }

    /// Whether nothing but an application, or a peer that never was, may end a connection early.
    #[must_use]
    pub fn is_forbearing(&self) -> bool {
        self.climate != Climate::Impatient
    }

    /// After how long all must be over: what the applications sleep by their own will, and time
    /// for timeouts at their cap.
    #[must_use]
    pub fn bound(&self) -> Duration {
        let stops = self.calls.iter().flat_map(|call| call.scripts);
        let stops = stops.map(|script| script.stop_for.micros()).sum::<u64>();
        Duration::from_micros(stops) + Duration::from_secs(4 * 3600)
    }
}

/// Often none at all, else up to so many in a thousand.
fn chance(random: &mut Random, most: u64) -> Chance {
    let permille = random.between(0, most) * random.below(2);
    Chance::permille(permille as u32)
}

fn link(random: &mut Random, climate: Climate) -> Impairments {
    if climate == Climate::Bulk {
        return Impairments {
            rate: random.one_of(&[None, Some(10_000_000), Some(100_000_000)]),
            delay: Duration::from_micros(random.one_of(&[0, 100, 1_000, 10_000])),
            loss: Chance(random.one_of(&[0, 0, 100, 1_000])),
            reorder: Chance(random.one_of(&[0, 0, 1_000])),
            queue: 256,
            ..Impairments::NONE
        };
    }
    let rates = [None, None, Some(30_000), Some(100_000), Some(1_000_000), Some(10_000_000)];
    let bursts = [Chance::NEVER, Chance::NEVER, Chance::permille(2), Chance::permille(10)];
    Impairments {
        rate: random.one_of(&rates),
        delay: Duration::from_micros(random.one_of(&[0, 100, 1_000, 5_000, 20_000, 150_000])),
        jitter: Duration::from_micros(random.one_of(&[0, 0, 500, 10_000, 100_000])),
        loss: chance(random, 100),
        reorder: chance(random, 100),
        reorder_by: Duration::from_micros(random.one_of(&[300, 8_000, 100_000, 1_000_000])),
        duplicate: chance(random, 50),
        corrupt: chance(random, 30),
        shatter: Chance::percent(30),
        burst: random.one_of(&bursts),
        burst_end: Chance::permille(random.between(50, 500) as u32),
        queue: random.one_of(&[8, 32, 256]),
        queue_bytes: None,
    }
}

fn host(random: &mut Random, host: &mut HostSetup, climate: Climate) {
    host.kind = random.one_of(&[Kind::Full, Kind::Full, Kind::Small, Kind::Tiny]);
    host.config.policy = match climate {
        // Who overcommits and keeps data unread for days has no room for anybody else's.
        Climate::Patient => AllocationPolicy::Reserved,
        _ => random.one_of(&[AllocationPolicy::Reserved, AllocationPolicy::Overcommit]),
    };
    host.clock = clock(random);
    let time_waits = [1, 60, 60, 60, 120];
    host.config.time_wait = Duration::from_secs(random.one_of(&time_waits));
    connection(random, host, climate);
    host.config.mtu = match climate {
        Climate::Bulk => random.one_of(&[9_000, 16_000, 65_535]),
        _ => random.one_of(&[1280, 1500, 1500, 9000]),
    };
    pools(random, host, climate);
}

fn connection(random: &mut Random, host: &mut HostSetup, climate: Climate) {
    let connection = &mut host.config.connection;
    connection.user_timeout = NEVER;
    connection.connect_timeout = NEVER;
    // Nobody may give way: that would be a break without a cause.
    connection.orphan_timeout = Duration::from_secs(20 * 3600);
    connection.timestamps = random.below(4) != 0;
    connection.sack = random.below(4) != 0;
    connection.ack_delay = Duration::from_millis(random.one_of(&[0, 40, 200, 499]));
    connection.nagle = random.below(2) == 0;
    connection.initial_window = random.one_of(&[1, 3, 10]);
    if climate == Climate::Bulk {
        connection.send_limit = random.one_of(&[300_000, 2_000_000]);
        connection.receive_limit = random.one_of(&[300_000, 2_000_000]);
        return;
    }
    connection.send_limit = random.one_of(&[1_000, 8_192, 65_536, 200_000]);
    connection.receive_limit = random.one_of(&[2_000, 8_192, 65_535, 65_536, 200_000]);
    connection.mss = random.one_of(&[None, None, Some(100), Some(536)]);
    connection.window_scale = random.below(4) != 0;
    if climate == Climate::Impatient {
        connection.user_timeout = Duration::from_secs(random.between(5, 120));
        connection.connect_timeout = Duration::from_secs(random.between(5, 120));
        connection.keepalive = Some(Duration::from_secs(random.between(5, 100)));
    }
}

/// A clock at a place of its own, often just before one of the wraps: of microseconds in 32 bits,
/// of the clock of sequence numbers, of ticks.
fn clock(random: &mut Random) -> Duration {
    let wrap = random.one_of(&[0, 0, 1 << 32, 1 << 34, 1 << 42, 1 << 50]);
    let ahead = random.below(30_000_000);
    match wrap {
        0 => Duration::from_micros(random.below(1 << 35)),
        wrap => Duration::from_micros(wrap - ahead),
    }
}

fn pools(random: &mut Random, host: &mut HostSetup, climate: Climate) {
    let is_small = host.kind != Kind::Full;
    let capacity = &mut host.capacity;
    *capacity = Capacity { connections: 32, time_wait: 32, half_open: 32, ..*capacity };
    match climate {
        Climate::Bulk => {
            (capacity.blocks, capacity.block_size) = random.one_of(&[(512, 16_384), (4096, 4096)]);
            capacity.records = 2_048;
        }
        Climate::Tight => {
            capacity.connections = random.between(1, 4) as usize;
            capacity.half_open = random.between(1, 3) as usize;
            capacity.time_wait = random.between(1, 2) as usize;
            capacity.block_size = random.one_of(&[64, 128, 512]);
            // Two blocks a connection, one each way, are the least that it can do with.
            let least = 2 * capacity.connections;
            capacity.blocks = least + random.one_of(&[0, 1, 2, 8, 32]);
            capacity.records = random.one_of(&[0, 1, 4, 16]);
        }
        _ => {
            capacity.blocks = random.one_of(&[128, 256, 512]);
            capacity.block_size = random.one_of(&[512, 2048]);
            capacity.records = random.one_of(&[8, 64, 512]);
        }
    }
    if is_small {
        capacity.connections = capacity.connections.min(16);
        capacity.time_wait = capacity.time_wait.min(16);
        capacity.half_open = capacity.half_open.min(16);
        capacity.records = 0;
    }
    capacity.listeners = 16;
}

/// How both ends go on until both are done.
fn endings(random: &mut Random, is_rude: bool) -> [End; 2] {
    if is_rude && random.below(2) == 0 {
        let rude = [End::Abort, End::Release, End::Close];
        return [random.one_of(&rude), random.one_of(&rude)];
    }
    random.one_of(&[
        [End::Close, End::Close],
        [End::Close, End::CloseAfterPeer],
        [End::CloseAfterPeer, End::Close],
    ])
}

fn scripts(random: &mut Random, (climate, scale): (Climate, Scale), is_rude: bool) -> [Script; 2] {
    let ends = endings(random, is_rude);
    // A conversation, where nobody waits for the end of the other one's stream.
    let turn = (ends == [End::Close; 2] && random.below(4) == 0).then(|| random.between(1, 5_000));
    let mut scripts = ends.map(|end| Script { turn, ..script(random, climate, is_rude).then(end) });
    match climate {
        Climate::Bulk => {
            let most = if scale == Scale::Whole { 48 } else { 5 } << 20;
            scripts[random.below(2) as usize].write = random.between(most / 4, most);
        }
        Climate::Patient => {
            let most = if scale == Scale::Whole { 30 * DAY } else { DAY };
            // Who has let go of a connection whose window stays closed is not served for days.
            scripts.iter_mut().for_each(|script| script.lingers = true);
            let stop = &mut scripts[random.below(2) as usize];
            stop.stop_at = Some(random.below(2_000));
            stop.stop_for = Duration::from_secs(random.between(3_600, most));
        }
        _ => {}
    }
    scripts
}

fn script(random: &mut Random, climate: Climate, is_rude: bool) -> Script {
    if climate == Climate::Bulk {
        let lingers = random.below(2) == 0;
        return Script { chunk: 65_536, lingers, ..Script::send(random.below(100_000)) };
    }
    let pauses = chance(random, 200);
    let chunk = random.one_of(&[1, 100, 1_460, 10_000]);
    // Who reads octet by octet must not doze off between them, or it takes hours.
    let pauses_ms = if chunk == 1 { [1, 2, 20] } else { [1, 50, 2_000] };
    let pause = Duration::from_millis(random.one_of(&pauses_ms));
    let most = match climate {
        Climate::Tight => 4_000,
        _ if chunk == 1 => 4_000,
        _ => random.one_of(&[1_000, 40_000, 120_000]),
    };
    let stops = random.below(6) == 0;
    Script {
        chunk,
        deaf_for: Duration::from_millis(random.one_of(&[0, 0, 0, 3_000, 20_000])),
        stop_at: stops.then(|| random.below(most)),
        stop_for: Duration::from_millis(if stops { random.between(1, 90_000) } else { 0 }),
        quit_at: (is_rude && random.below(6) == 0).then(|| random.below(most)),
        lingers: random.below(2) == 0,
        ..Script::send(random.between(0, most)).pausing(pauses, pause)
    }
}
