//! `next_wake` is never late and never idle: random lives of two hosts, called at their deadlines
//! and never else, called also when nobody asked for it, and called a microsecond too early.
#![cfg(all(feature = "ipv6", feature = "udp"))]

use std::collections::BTreeMap;

use hikyaku::time::{Duration, Instant};
use hikyaku::{
    AllocationPolicy, ConnectConfig, Half, Handle, ListenConfig, ListenerHandle, TcpHandle, Usage,
    Wake,
};
use hikyaku_testkit::forge::ping;
use hikyaku_testkit::host::{Host, Kind, make};
use hikyaku_testkit::pair::{Family, LEFT, RIGHT, Setup, address};
use hikyaku_testkit::random::{Chance, Random};

const TICK: Duration = Duration::from_micros(1);
/// How often a host may ask to be called again at one moment.
const POLLS: usize = 2;

/// What was sent: when, by whom, what.
type Sent = (u64, usize, Vec<u8>);

/// What one can see of a host from outside.
#[derive(Debug, PartialEq, Eq)]
struct Sight {
    usage: Usage,
    counters: Vec<(&'static str, usize)>,
}

/// When a host is called besides its deadlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Calls {
    /// Never.
    Deadlines,
    /// A microsecond before each, where nothing may happen.
    Early,
    /// At a few moments between any two events.
    Between,
}

struct World {
    seed: u64,
    hosts: [Box<dyn Host>; 2],
    listeners: [ListenerHandle; 2],
    handles: Vec<(usize, TcpHandle)>,
    now: Instant,
    /// Packets on their way, by when they arrive and in which order they left.
    wire: BTreeMap<(Instant, usize), (usize, Vec<u8>)>,
    delay: Duration,
    loss: Chance,
    /// Chances of the link and of the user; not those of `calls`.
    random: Random,
    calls: Calls,
    moments: Random,
    /// Whether silent peers are asked whether they are there.
    asks: bool,
    sent: Vec<Sent>,
    /// Deadlines that came.
    deadlines: usize,
}

impl World {
    fn new(kinds: [Kind; 2], seed: u64, calls: Calls) -> Self {
        let mut random = Random::new(seed);
        let mut setup = Setup::new(seed).profiles(kinds).hosts(|host| {
            host.config.connection.user_timeout = Duration::from_secs(30);
            host.config.connection.connect_timeout = Duration::from_secs(40);
            host.config.time_wait = Duration::from_secs(20);
            host.config.connection.receive_limit = 8192;
            host.capacity.connections = 12;
            host.capacity.blocks = 96;
            if seed % 2 == 1 {
                host.config.policy = AllocationPolicy::Overcommit;
                host.capacity.blocks = 2 * host.capacity.connections;
            }
            host.capacity.time_wait = 3;
        });
        let asks = random.happens(Chance::percent(50));
        if asks {
            setup = setup.hosts(|host| {
                host.config.connection.keepalive = Some(Duration::from_secs(7));
            });
        }
        let mut hosts = [LEFT, RIGHT].map(|side| make(&setup.hosts[side], seed + side as u64));
        let config = |side: usize| ListenConfig {
            connection: Some(setup.hosts[side].config.connection),
            ..ListenConfig::new()
        };
        let listeners =
            [LEFT, RIGHT].map(|side| hosts[side].listen(7, &config(side)).expect("a free port"));
        Self {
            seed,
            hosts,
            listeners,
            handles: Vec::new(),
            now: Instant::from_millis(1),
            wire: BTreeMap::new(),
            delay: Duration::from_micros(random.below(40_000)),
            loss: Chance::percent([0, 0, 5, 30][random.below(4) as usize]),
            random,
            calls,
            moments: Random::new(!seed),
            asks,
            sent: Vec::new(),
            deadlines: 0,
        }
    }

    fn fail(&self, side: usize, what: &str) -> ! {
        panic!("seed {} {:?} side {side} at {}: {what}", self.seed, self.calls, self.now.micros())
    }

    fn sight(&self, side: usize) -> Sight {
        let host = &self.hosts[side];
        Sight { usage: host.usage(), counters: host.counters().iter().collect() }
    }

    /// Takes what a host sends now; returns how much.
    fn take_sent(&mut self, side: usize) -> usize {
        let (mut buffer, mut count) = ([0; 1500], 0);
        while let Some(len) = self.hosts[side].transmit(self.now, &mut buffer) {
            let packet = buffer[..len].to_vec();
            let order = self.sent.len();
            self.sent.push((self.now.micros(), side, packet.clone()));
            let extra = Duration::from_micros(self.random.below(3_000));
            if !self.random.happens(self.loss) {
                self.wire.insert((self.now + self.delay + extra, order), (1 - side, packet));
            }
            count += 1;
            if count > 2000 {
                self.fail(side, "packets without end");
            }
        }
        count
    }

    /// Takes events, and connections that wait. Returns whether there were any.
    fn take_events(&mut self, side: usize) -> bool {
        let mut any = false;
        while let Some((handle, _)) = self.hosts[side].next_event() {
            any = true;
            if let Handle::Listener(_) = handle {
                while let Ok(handle) = self.hosts[side].accept(self.listeners[side]) {
                    self.handles.push((side, handle));
                }
            }
        }
        any
    }

    /// All that a host wants to do now. Asks when to call it again: never now, once it was called.
    fn settle(&mut self, side: usize) -> Option<Instant> {
        for _ in 0..=POLLS {
            self.take_sent(side);
            self.take_events(side);
            match self.hosts[side].next_wake(self.now) {
                Wake::Now => {}
                Wake::At(at) if at > self.now => return Some(at),
                Wake::OnIngress => return None,
                other => self.fail(side, &format!("{other:?}")),
            }
        }
        self.fail(side, "there is always something left")
    }

    /// Nothing happens at a moment at which nobody wanted to be called.
    fn call_in_vain(&mut self, side: usize, at: Instant, deadline: Option<Instant>) {
        let before = self.sight(side);
        self.now = at;
        if self.take_sent(side) > 0 {
            self.fail(side, "it sends before its deadline");
        }
        if self.take_events(side) {
            self.fail(side, "it tells something before its deadline");
        }
        if self.sight(side) != before {
            self.fail(side, &format!("{:?} before its deadline: {before:?}", self.sight(side)));
        }
        let wake = self.hosts[side].next_wake(at);
        if wake != deadline.map_or(Wake::OnIngress, Wake::At) {
            self.fail(side, &format!("{wake:?} is not {deadline:?}"));
        }
    }

    /// The deadline of a host has come: something happens.
    fn meet_deadline(&mut self, side: usize) {
        self.deadlines += 1;
        let before = self.sight(side);
        let sent = self.take_sent(side);
        let told = self.take_events(side);
        // A keep-alive's deadline is a look at how long the silence was.
        if sent == 0 && !told && self.sight(side) == before {
            let next = self.hosts[side].next_wake(self.now);
            let later = matches!(next, Wake::At(at) if at > self.now) || next == Wake::OnIngress;
            if !later || !self.asks {
                self.fail(side, &format!("nothing happens at the deadline, then {next:?}"));
            }
        }
    }

    /// Lets time pass up to `end`.
    fn pass(&mut self, end: Instant) {
        loop {
            let deadlines = [self.settle(LEFT), self.settle(RIGHT)];
            let arrival = self.wire.keys().next().map(|(at, _)| *at);
            let events = deadlines.into_iter().flatten().chain(arrival);
            let next = events.min().filter(|at| *at <= end).unwrap_or(end);
            self.wait(next, deadlines);
            self.now = next;
            if let Some((side, packet)) = self.first_arrival() {
                self.hosts[side].receive(next, &packet);
                continue;
            }
            let due = (0..2).find(|side| deadlines[*side] == Some(next));
            match due {
                Some(side) => self.meet_deadline(side),
                None => return,
            }
        }
    }

    fn first_arrival(&mut self) -> Option<(usize, Vec<u8>)> {
        let first = self.wire.first_entry()?;
        (first.key().0 <= self.now).then(|| first.remove())
    }

    /// Calls the hosts between two events, as `calls` wants it.
    fn wait(&mut self, next: Instant, deadlines: [Option<Instant>; 2]) {
        let span = next.since(self.now).micros();
        if span < 2 {
            return;
        }
        let mut moments = match self.calls {
            Calls::Deadlines => Vec::new(),
            Calls::Early => vec![next - TICK],
            Calls::Between => {
                let moment = |_| self.now + Duration::from_micros(1 + self.moments.below(span - 1));
                (0..3).map(moment).collect()
            }
        };
        moments.sort_unstable();
        for at in moments {
            for side in [LEFT, RIGHT] {
                self.call_in_vain(side, at, deadlines[side]);
            }
        }
    }

    /// A user's call happens at the time that its stack was told last.
    fn tell_time(&mut self) {
        for host in &mut self.hosts {
            host.next_wake(self.now);
        }
    }

    /// Something that a user may do.
    fn act(&mut self) {
        self.tell_time();
        let side = self.random.below(2) as usize;
        let choice = self.random.below(20);
        if self.handles.is_empty() || choice < 2 {
            let family = Family::BOTH[self.random.below(2) as usize];
            // Now and then to where nobody listens, or where nobody is.
            let port = [7, 7, 7, 9][self.random.below(4) as usize];
            let remote = std::net::SocketAddr::new(address(1 - side, family), port);
            let connected = self.hosts[side].connect(self.now, remote, &ConnectConfig::new());
            self.handles.extend(connected.ok().map(|handle| (side, handle)));
            return;
        }
        let at = self.random.below(self.handles.len() as u64) as usize;
        let (side, handle) = self.handles[at];
        let octets = self.random.below(6000) as usize;
        let host = &mut self.hosts[side];
        match choice {
            2..=8 => drop(host.write(handle, &vec![9; octets])),
            9..=13 => drop(host.read(handle, &mut vec![0; octets + 1])),
            14 => host.close(handle),
            15 => host.shutdown(handle, [Half::Read, Half::Write][octets % 2]),
            16 => host.abort(handle),
            17 => {
                host.release(handle);
                self.handles.swap_remove(at);
            }
            18 => self.loss = Chance::percent([0, 5, 40, 100][octets % 4]),
            _ => {
                let echo = ping(address(1 - side, Family::V4), address(side, Family::V4), b"?");
                host.receive(self.now, &echo);
            }
        }
    }

    /// A life of so many acts, to the end of all timers.
    fn live(mut self, acts: usize) -> (Vec<Sent>, usize) {
        for _ in 0..acts {
            self.act();
            let span =
                [0, 3_000, 60_000, 1_000_000, 9_000_000, 70_000_000][self.random.below(6) as usize];
            let pause = Duration::from_micros(self.random.below(span + 1));
            self.pass(self.now + pause);
        }
        self.tell_time();
        for (side, handle) in std::mem::take(&mut self.handles) {
            self.hosts[side].release(handle);
        }
        self.pass(self.now + Duration::from_secs(600));
        for side in [LEFT, RIGHT] {
            let usage = self.hosts[side].usage();
            if (usage.time_wait, usage.half_open) != (0, 0) {
                self.fail(side, &format!("not at an end: {usage:?}"));
            }
        }
        (self.sent, self.deadlines)
    }
}

/// How many lives; `HIKYAKU_SEEDS=n` asks for another number.
fn seeds() -> u64 {
    let asked = std::env::var("HIKYAKU_SEEDS").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(60)
}

#[test]
fn deadlines_are_exact_and_calls_between_them_change_nothing() {
    let mixtures =
        [[Kind::Full, Kind::Full], [Kind::Small, Kind::Small], [Kind::Full, Kind::Small]];
    let (mut deadlines, mut packets) = (0, 0);
    for seed in 0..seeds() {
        for kinds in mixtures {
            let life = |calls| World::new(kinds, seed, calls).live(120);
            let (sent, met) = life(Calls::Deadlines);
            for calls in [Calls::Early, Calls::Between] {
                let (other, _) = life(calls);
                let differs = sent.iter().zip(&other).position(|(one, other)| one != other);
                assert!(
                    differs.is_none() && sent.len() == other.len(),
                    "seed {seed} {kinds:?}: {calls:?} gave {} packets, not {}; first {differs:?}",
                    other.len(),
                    sent.len()
                );
            }
            deadlines += met;
            packets += sent.len();
        }
    }
    // What met no deadline and sent nothing would prove nothing.
    let lives = 3 * seeds() as usize;
    assert!(deadlines > 20 * lives, "{deadlines} deadlines in {lives} lives");
    assert!(packets > 80 * lives, "{packets} packets in {lives} lives");
}
