//! Two stacks, the link between them and the applications on them, in virtual time and one thread.
//! The same seed gives the same packets.
//!
//! ```no_run
//! # use hikyaku_testkit::{applications::Script, pair::{Family, LEFT, RIGHT, Setup}};
//! # use hikyaku::time::Duration;
//! let mut pair = Setup::new(1).build();
//! pair.serve(RIGHT, 7, Script::answer(1000));
//! pair.open(LEFT, Family::V4, 7, Script::send(5000));
//! pair.finish(Duration::from_secs(60));
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hikyaku::time::{Duration, Instant};
use hikyaku::{
    Capacity, Config, ConnectConfig, ConnectionConfig, Handle, ListenConfig, ListenerHandle,
    Readiness, TcpHandle, Usage, Wake,
};

use crate::applications::{Application, Script};
use crate::checker::Checker;
use crate::forge::too_big;
use crate::host::{Host, HostSetup, Kind, NOTHING, make};
use crate::invariants::Watch;
use crate::link::{Impairments, Link};
use crate::random::{Chance, Random};
use crate::seen::Seen;

/// One of the two hosts: by custom the one that connects.
pub const LEFT: usize = 0;
/// The other one.
pub const RIGHT: usize = 1;

/// Which IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];
}

/// The address of a side.
#[must_use]
pub const fn address(side: usize, family: Family) -> IpAddr {
    let last = side as u8 + 1;
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)),
        Family::V6 => IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last as u16)),
    }
}

/// How a pair is made.
#[derive(Clone)]
pub struct Setup {
    /// What all chances follow from.
    pub seed: u64,
    /// The link from left to right and the one back.
    pub links: [Impairments; 2],
    /// The hosts, left and right.
    pub hosts: [HostSetup; 2],
}

impl Setup {
    /// Two `Full` hosts with good links between them.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let host = |side| HostSetup {
            kind: Kind::Full,
            config: Config::new(),
            capacity: Capacity {
                connections: 64,
                time_wait: 64,
                blocks: 512,
                block_size: 2048,
                records: 1024,
                ..Capacity::new()
            },
            clock: Duration::ZERO,
            addresses: [(address(side, Family::V4), 24), (address(side, Family::V6), 64)],
        };
        Self { seed, links: [Impairments::NONE; 2], hosts: [host(LEFT), host(RIGHT)] }
    }

    /// With other profiles; the smaller ones get small pools.
    #[must_use]
    pub fn profiles(mut self, kinds: [Kind; 2]) -> Self {
        for (host, kind) in self.hosts.iter_mut().zip(kinds) {
            host.kind = kind;
            if kind != Kind::Full {
                host.capacity.connections = 16;
                host.capacity.time_wait = 16;
                host.capacity.half_open = 16;
            }
            if kind == Kind::Tiny {
                // A window is a block.
                (host.capacity.blocks, host.capacity.block_size) = (64, 16_384);
            }
        }
        self
    }

    /// With Ethernet between them: 02:00:00:00:00:01 on the left and …:02 on the right.
    #[cfg(feature = "ethernet")]
    #[must_use]
    pub fn ethernet(mut self) -> Self {
        for (host, last) in self.hosts.iter_mut().zip(1..) {
            let address = hikyaku::wire::ethernet::Address([2, 0, 0, 0, 0, last]);
            host.config.hardware_address = Some(address);
            host.config.probe_ipv6 = false;
        }
        self
    }

    /// With the same impairments both ways.
    #[must_use]
    pub fn link(mut self, impairments: Impairments) -> Self {
        self.links = [impairments; 2];
        self
    }

    /// With both hosts changed.
    #[must_use]
    pub fn hosts(mut self, change: impl Fn(&mut HostSetup)) -> Self {
        self.hosts.iter_mut().for_each(change);
        self
    }

    /// With one host changed.
    #[must_use]
    pub fn host(mut self, side: usize, change: impl FnOnce(&mut HostSetup)) -> Self {
        change(&mut self.hosts[side]);
        self
    }

    /// Makes it.
    #[must_use]
    pub fn build(&self) -> Pair {
        // An Ethernet header may stand in front.
        let mtu = |side: usize| usize::from(self.hosts[side].config.mtu) + 14;
        let link = |side: usize| {
            let seed = self.seed ^ (side as u64 + 1) << 56;
            Link::new(self.links[side], mtu(LEFT).max(mtu(RIGHT)), seed)
        };
        let host = |side: usize| make(&self.hosts[side], self.seed ^ (side as u64 + 5) << 40);
        let hosts = [host(LEFT), host(RIGHT)];
        let asks = self.hosts.iter().any(|host| host.config.connection.keepalive.is_some());
        Pair {
            seed: self.seed,
            now: Instant::from_millis(1),
            baseline: [hosts[LEFT].usage(), hosts[RIGHT].usage()],
            hosts,
            links: [link(LEFT), link(RIGHT)],
            clocks: [self.hosts[LEFT].clock, self.hosts[RIGHT].clock],
            settings: [LEFT, RIGHT].map(|side| self.hosts[side].config.connection),
            watch: Watch::new(asks),
            checker: None,
            applications: Vec::with_capacity(64),
            flush: Chance::percent(50),
            is_quiet: false,
            refused: 0,
            path_mtu: None,
            too_big: 0,
            services: Vec::with_capacity(8),
            random: Random::new(self.seed ^ 0x7061_6972),
            buffer: vec![0; mtu(LEFT).max(mtu(RIGHT))].into_boxed_slice(),
            trace: Trace::new(),
            is_over: false,
        }
    }
}

struct Service {
    side: usize,
    listener: ListenerHandle,
    script: Script,
}

/// The last segments, to be printed where a test fails.
struct Trace {
    lines: Vec<(Instant, usize, bool, Seen)>,
    next: usize,
}

/// How many segments are shown when a test fails; `HIKYAKU_TRACE=n` asks for another number.
const TRACE_LINES: usize = 40;

impl Trace {
    fn new() -> Self {
        let asked = std::env::var("HIKYAKU_TRACE").ok().and_then(|text| text.parse().ok());
        Self { lines: Vec::with_capacity(asked.unwrap_or(TRACE_LINES).max(1)), next: 0 }
    }

    fn note(&mut self, now: Instant, side: usize, arrived: bool, segment: Seen) {
        let line = (now, side, arrived, segment);
        if self.lines.len() < self.lines.capacity() {
            self.lines.push(line);
        } else {
            self.lines[self.next] = line;
            self.next = (self.next + 1) % self.lines.len();
        }
    }

    fn print(&self) {
        let (later, earlier) = self.lines.split_at(self.next);
        for (at, side, arrived, segment) in earlier.iter().chain(later) {
            let side = if *side == LEFT { "left" } else { "right" };
            let what = if *arrived { "<-" } else { "->" };
            eprintln!("{:>12} {side:>5} {what} {segment}", at.micros());
        }
    }
}

/// Two hosts and the link between them.
pub struct Pair {
    /// The seed.
    pub seed: u64,
    /// The time.
    pub now: Instant,
    /// The hosts.
    pub hosts: [Box<dyn Host>; 2],
    /// The link from left to right and the one back.
    pub links: [Link; 2],
    /// What was seen on them.
    pub watch: Watch,
    /// Who checks it against the RFCs as well; it allocates, so it is asked for.
    pub checker: Option<Box<Checker>>,
    /// The applications, in the order in which they began.
    pub applications: Vec<Application>,
    /// Whether nothing is printed where it fails.
    pub is_quiet: bool,
    /// How often a host gets to send between two arrivals of the same moment.
    pub flush: Chance,
    /// Connections that could not be accepted or opened for want of memory.
    pub refused: u64,
    /// The MTU of a link in the middle, if there is one: the router before it drops a packet that
    /// is longer and tells the sender.
    pub path_mtu: Option<u16>,
    /// Packets that were too long for it.
    pub too_big: u64,
    baseline: [Usage; 2],
    clocks: [Duration; 2],
    settings: [ConnectionConfig; 2],
    services: Vec<Service>,
    random: Random,
    buffer: Box<[u8]>,
    trace: Trace,
    /// The test is over: what leaves now is no longer judged.
    is_over: bool,
}

/// How often a host may say that there is something to do while there is not.
const IDLE_ROUNDS: u32 = 4;
/// How many rounds one moment may take.
const ROUNDS: u32 = 100_000;

impl Pair {
    /// The time as a host sees it.
    #[must_use]
    pub fn time_of(&self, side: usize) -> Instant {
        self.now + self.clocks[side]
    }

    /// How a host listens: with the settings that it connects with.
    #[must_use]
    pub fn listening(&self, side: usize) -> ListenConfig {
        ListenConfig { connection: Some(self.settings[side]), ..ListenConfig::new() }
    }

    /// Listens on a port and runs `script` on every connection that comes.
    pub fn serve(&mut self, side: usize, port: u16, script: Script) -> ListenerHandle {
        self.serve_with(side, port, script, &self.listening(side))
    }

    /// Likewise, with a configuration.
    pub fn serve_with(
        &mut self,
        side: usize,
        port: u16,
        script: Script,
        config: &ListenConfig,
    ) -> ListenerHandle {
        let listener = self.hosts[side].listen(port, config).expect("a free port");
        self.services.push(Service { side, listener, script });
        self.baseline[side] = self.hosts[side].usage();
        listener
    }

    /// Connects to a port of the other side and runs `script` on the connection.
    pub fn open(&mut self, side: usize, family: Family, port: u16, script: Script) -> usize {
        self.open_with(side, family, port, script, &ConnectConfig::new())
            .expect("a connection can be opened")
    }

    /// Likewise, with a configuration. `None` where the stack refuses.
    pub fn open_with(
        &mut self,
        side: usize,
        family: Family,
        port: u16,
        script: Script,
        config: &ConnectConfig,
    ) -> Option<usize> {
        let handle = self.connect(side, family, port, config)?;
        self.adopt(side, handle, script);
        Some(self.applications.len() - 1)
    }

    /// Connects without an application. `None` where the stack refuses.
    pub fn connect(
        &mut self,
        side: usize,
        family: Family,
        port: u16,
        config: &ConnectConfig,
    ) -> Option<TcpHandle> {
        let remote = SocketAddr::new(address(1 - side, family), port);
        let now = self.time_of(side);
        let handle = self.hosts[side].connect(now, remote, config).ok();
        self.refused += u64::from(handle.is_none());
        handle
    }

    /// Runs `script` on a connection that is there already.
    pub fn adopt(&mut self, side: usize, handle: TcpHandle, script: Script) {
        let host = &mut *self.hosts[side];
        let application = Application::new((side, host), handle, script, self.seed, self.now);
        self.applications.push(application);
    }

    /// A connection without applications: its handles on the left and on the right, where
    /// nothing may be served on the port.
    pub fn handshake(&mut self, family: Family, port: u16) -> (TcpHandle, TcpHandle) {
        self.handshake_with(family, port, &ConnectConfig::new())
    }

    /// Likewise, with a configuration.
    pub fn handshake_with(
        &mut self,
        family: Family,
        port: u16,
        config: &ConnectConfig,
    ) -> (TcpHandle, TcpHandle) {
        let listening = self.listening(RIGHT);
        let listener = self.hosts[RIGHT].listen(port, &listening).expect("a free port");
        self.baseline[RIGHT] = self.hosts[RIGHT].usage();
        let left = self.connect(LEFT, family, port, config).expect("a slot");
        let mut right = None;
        self.run_until(Duration::from_secs(60), |pair| {
            right = right.or_else(|| pair.hosts[RIGHT].accept(listener).ok());
            right.is_some()
        });
        self.run_for(Duration::from_millis(100));
        (left, right.expect("the handshake completes"))
    }

    /// Hands a packet to a host as if it came over the link, and returns what it answers at once.
    /// The answers go nowhere.
    pub fn inject(&mut self, side: usize, packet: &[u8]) -> Vec<Vec<u8>> {
        let now = self.time_of(side);
        self.hosts[side].receive(now, packet);
        let mut answers = Vec::new();
        while let Some(len) = self.hosts[side].transmit(now, &mut self.buffer) {
            answers.push(self.buffer[..len].to_vec());
            assert!(answers.len() < 1000, "answers without end");
        }
        answers
    }

    /// Does all that is to be done now.
    fn settle(&mut self) {
        for round in 0.. {
            if round > ROUNDS {
                self.fail("this moment does not end");
            }
            let mut acted = false;
            for side in [LEFT, RIGHT] {
                acted |= self.arrivals(side);
                acted |= self.events(side);
                acted |= self.departures(side);
            }
            acted |= self.applications();
            if !acted {
                return;
            }
        }
    }

    fn arrivals(&mut self, side: usize) -> bool {
        let (now, time) = (self.now, self.time_of(side));
        let mut acted = false;
        loop {
            let Self { hosts, links, watch, checker, trace, .. } = self;
            let passes = |packet: &[u8]| Seen::in_packet(packet).is_some();
            let taken = links[1 - side].deliver_judged(now, passes, |packet| {
                // A damaged packet may still be a good one: the hop limit is under no checksum.
                if let Some(segment) = Seen::in_packet(packet) {
                    watch.on_delivered(&segment);
                    trace.note(now, side, true, segment);
                    if let Some(checker) = checker {
                        checker.on_delivered(packet);
                    }
                }
                hosts[side].receive(time, packet);
            });
            if taken.is_none() {
                return acted;
            }
            acted = true;
            if self.random.happens(self.flush) {
                self.departures(side);
            }
        }
    }

    fn departures(&mut self, side: usize) -> bool {
        let (now, time) = (self.now, self.time_of(side));
        let mut sent = 0_u32;
        loop {
            let Self { hosts, links, watch, checker, trace, buffer, .. } = self;
            let Some(len) = hosts[side].transmit(time, buffer) else { return sent > 0 };
            let Some(packet) = buffer.get(..len) else {
                self.fail("a packet longer than its buffer")
            };
            let verdict = Seen::in_packet(packet).map_or(Ok(()), |segment| {
                trace.note(now, side, false, segment);
                watch.on_sent(&segment)
            });
            let objection = checker.as_mut().and_then(|one| one.on_sent(now, side, packet).err());
            match self.path_mtu.filter(|mtu| packet.len() > usize::from(*mtu)) {
                Some(mtu) => {
                    self.too_big += 1;
                    links[1 - side].send(now, &too_big(packet, mtu.into()));
                }
                None => links[side].send(now, packet),
            }
            sent += 1;
            if let Err(broken) = verdict
                && !self.is_over
            {
                self.fail(&broken);
            }
            if let Some(rule) = objection {
                self.fail(&format!("forbidden: {rule}"));
            }
            if sent > ROUNDS {
                self.fail("a host does not stop sending");
            }
        }
    }

    fn events(&mut self, side: usize) -> bool {
        let mut acted = false;
        let mut count = 0;
        while let Some((handle, readiness)) = self.hosts[side].next_event() {
            acted = true;
            count += 1;
            if count > ROUNDS {
                self.fail("events without end");
            }
            match handle {
                Handle::Tcp(handle) => self.tell(side, handle, readiness),
                Handle::Listener(listener) => self.accept(side, listener),
                Handle::Udp(_) => {}
            }
        }
        acted
    }

    fn tell(&mut self, side: usize, handle: TcpHandle, readiness: Readiness) {
        let of = |one: &&mut Application| one.side == side && one.handle == Some(handle);
        if let Some(application) = self.applications.iter_mut().find(of) {
            application.on_event(readiness);
        }
    }

    fn accept(&mut self, side: usize, listener: ListenerHandle) {
        let of = |service: &&Service| service.side == side && service.listener == listener;
        let Some(script) = self.services.iter().find(of).map(|service| service.script) else {
            return;
        };
        while let Ok(handle) = self.hosts[side].accept(listener) {
            self.adopt(side, handle, script);
        }
    }

    fn applications(&mut self) -> bool {
        let mut acted = false;
        for at in 0..self.applications.len() {
            let application = &mut self.applications[at];
            let host = &mut *self.hosts[application.side];
            match application.poll(self.now, host) {
                Ok(did) => acted |= did,
                Err(wrong) => self.fail(&wrong),
            }
        }
        acted
    }

    /// When a host wants to be called again, in the time of the pair.
    fn wake(&mut self, side: usize) -> Option<Instant> {
        let time = self.time_of(side);
        for _ in 0..IDLE_ROUNDS {
            let at = match self.hosts[side].next_wake(time) {
                Wake::Now => time,
                Wake::At(at) => at,
                Wake::OnIngress => return None,
                Wake::OnRoom { or_at } => or_at?,
            };
            if at > time {
                return Some(at - self.clocks[side]);
            }
            // SEC-73: never in the past, unless there is work.
            self.departures(side);
            self.settle();
        }
        self.fail("next_wake asks for work that there is not")
    }

    /// When there is something to be done next; `None` when there never will be.
    fn next(&mut self) -> Option<Instant> {
        let wakes = [self.wake(LEFT), self.wake(RIGHT)];
        let arrivals = self.links.iter().filter_map(Link::next_arrival);
        let pauses = self.applications.iter().filter_map(Application::next_due);
        let next = wakes.into_iter().flatten().chain(arrivals).chain(pauses).min()?;
        if next < self.now {
            self.fail("time runs backwards");
        }
        Some(next)
    }

    /// Does what is to be done now, then lets time pass until there is more. False when there
    /// never will be.
    pub fn step(&mut self) -> bool {
        self.settle();
        let next = self.next();
        self.now = next.unwrap_or(self.now);
        next.is_some()
    }

    /// Lets time pass up to `limit` or until `condition` holds. Returns whether it did.
    pub fn run_until(
        &mut self,
        limit: Duration,
        mut condition: impl FnMut(&mut Self) -> bool,
    ) -> bool {
        let end = self.now + limit;
        loop {
            self.settle();
            if condition(self) {
                return true;
            }
            if self.now == end {
                return false;
            }
            self.now = self.next().map_or(end, |next| next.min(end));
        }
    }

    /// Lets so much time pass.
    pub fn run_for(&mut self, span: Duration) {
        self.run_until(span, |_| false);
    }

    /// Runs until every application is done and checks what came of it: all that was written was
    /// read, to the end, wherever nothing was aborted.
    pub fn finish(&mut self, limit: Duration) {
        let all = |pair: &mut Self| pair.applications.iter().all(Application::is_done);
        if !self.run_until(limit, all) {
            for application in self.applications.iter().filter(|_| !self.is_quiet) {
                eprintln!(
                    "{} > {}: {:?}",
                    application.local, application.remote, application.outcome
                );
            }
            self.fail("the applications do not come to an end");
        }
        self.check_outcomes();
        self.drain();
    }

    /// Aborts applications that wait for a peer which was broken off and could not tell: a lost
    /// reset, or a side that gave up. Returns how many.
    pub fn rescue(&mut self) -> usize {
        let mut rescued = 0;
        for at in 0..self.applications.len() {
            let here = &self.applications[at];
            let waits = !here.is_done();
            let peer = self.peer_of(here).map(|peer| peer.outcome);
            if !waits || peer.is_some_and(|peer| peer.broken.is_none() && !peer.aborted) {
                continue;
            }
            let here = &mut self.applications[at];
            here.abort(&mut *self.hosts[here.side]);
            rescued += 1;
        }
        rescued
    }

    /// Aborts all applications that are left. Returns how many.
    pub fn abort_all(&mut self) -> usize {
        let left = self.applications.iter_mut().filter(|one| !one.is_done());
        left.map(|one| one.abort(&mut *self.hosts[one.side])).count()
    }

    /// The application at the other end.
    #[must_use]
    pub fn peer_of(&self, here: &Application) -> Option<&Application> {
        self.applications.iter().find(|peer| {
            (peer.local, peer.remote) == (here.remote, here.local) && peer.side != here.side
        })
    }

    /// What one side read is a prefix of what the other wrote, and all of it unless one of them
    /// was broken off.
    pub fn check_outcomes(&self) {
        for application in &self.applications {
            let there = self.peer_of(application).map(|peer| peer.outcome);
            let here = application.outcome;
            let written = there.map_or(0, |there| there.written);
            let whole = here.broken.is_none()
                && !here.aborted
                && there.is_some_and(|there| there.broken.is_none() && !there.aborted);
            if here.read > written || (whole && (here.read != written || !here.at_end)) {
                self.fail(&format!("{} got {here:?} of {there:?}", application.local));
            }
        }
    }

    /// Runs until nothing is on its way and no timer is left, then checks that all that was lent
    /// has been given back. Applications must be done.
    pub fn drain(&mut self) {
        let limit = self.now + Duration::from_secs(3600);
        while self.step() {
            if self.now > limit {
                self.fail("timers without end");
            }
        }
        for side in [LEFT, RIGHT] {
            let (usage, baseline) = (self.hosts[side].usage(), self.baseline[side]);
            if usage != baseline {
                self.fail(&format!("pools of side {side}: {usage:?}, at first {baseline:?}"));
            }
        }
    }

    /// What is lent at first, and whenever nothing is open.
    #[must_use]
    pub fn baseline(&self, side: usize) -> Usage {
        self.baseline[side]
    }

    /// Fails the test with all that is needed to repeat it.
    pub fn fail(&self, what: &str) -> ! {
        panic!("seed {}, {} us: {what}", self.seed, self.now.micros());
    }

    /// Sums over both sides.
    #[must_use]
    pub fn retransmissions(&self) -> usize {
        self.hosts.iter().fold(0, |sum, host| sum + host.counters().retransmissions)
    }
}

/// Every test ends here: all that is still open is aborted, and when nothing is on its way and no
/// timer is left, nothing may be in use.
impl Drop for Pair {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.let_go();
        }
        if std::thread::panicking() {
            self.report();
        }
    }
}

impl Pair {
    fn let_go(&mut self) {
        self.is_over = true;
        self.applications.clear();
        self.services.clear();
        self.hosts.iter_mut().for_each(|host| host.let_go());
        let limit = self.now + Duration::from_secs(3600);
        while self.step() {
            if self.now > limit {
                self.report();
                self.fail("timers without end, though nothing is open");
            }
        }
        for (side, host) in self.hosts.iter().enumerate() {
            if host.usage() != NOTHING {
                self.report();
                self.fail(&format!("side {side} holds {:?}, though nothing is open", host.usage()));
            }
        }
    }

    /// What is needed to find out what went wrong.
    fn report(&self) {
        if self.is_quiet {
            return;
        }
        self.trace.print();
        let commit = std::process::Command::new("git").args(["rev-parse", "HEAD"]).output();
        let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        eprintln!("seed {}, commit {}", self.seed, commit.unwrap_or_default().trim());
        for (side, host) in self.hosts.iter().enumerate() {
            eprintln!("side {side}: {:?}", host.usage());
            let counters: Vec<_> = host.counters().iter().collect();
            eprintln!("side {side}: {counters:?}, link {:?}", self.links[side].tally);
        }
    }
}
