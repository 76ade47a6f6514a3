//! Runs a script against a host alone, in virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use hikyaku::time::{Duration, Instant};
use hikyaku::wire::tcp::Flags;
use hikyaku::{Config, ListenerHandle, Readiness, TcpHandle, Usage, Wake};

use super::segment::{Got, Number, Opt, Origin, Pattern};
use super::{Act, Line, Script, When};
use crate::forge::{self, Tcp};
use crate::host::{Host, HostSetup, Kind, make};
use crate::lone::PORT;
use crate::pair::{Family, LEFT, RIGHT, address};

/// When scripts begin, microseconds: coarse clocks of 2¹⁰ and 2²⁰ µs begin a period there.
const START: u64 = 1 << 30;
/// The most packets that a host may send at one moment.
const BURST: usize = 1000;
/// All that is left ends in this time: 2 MSL, orphans, and a handshake that nobody answers.
const DRAIN: Duration = Duration::from_secs(1200);

/// Why a line failed.
#[derive(Debug)]
pub(super) struct Failed(String);

impl From<String> for Failed {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Failed {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One peer and what is known of its connection.
#[derive(Default)]
pub(super) struct Flow {
    pub(super) handle: Option<TcpHandle>,
    pub(super) peer_port: u16,
    pub(super) host_port: u16,
    pub(super) written: u64,
    pub(super) read: u64,
    pub(super) events: Readiness,
    origin: Origin,
    /// The peer's window, octets.
    window: u32,
    peer_scale: Option<u8>,
    host_scale: Option<u8>,
}

/// A host, its peers and the time.
pub(super) struct Runner<'s> {
    pub(super) script: &'s Script,
    pub(super) host: Box<dyn Host>,
    pub(super) now: Instant,
    pub(super) them: IpAddr,
    pub(super) listener: Option<ListenerHandle>,
    pub(super) flows: BTreeMap<u16, Flow>,
    pub(super) acceptable: bool,
    us: IpAddr,
    peer: u16,
    pending: VecDeque<Vec<u8>>,
    baseline: Usage,
    buffer: Vec<u8>,
}

/// Runs a script.
///
/// # Errors
///
/// The line that did not go as written, with what was expected and what was seen.
pub fn run(script: &Script, kind: Kind, family: Family) -> Result<(), String> {
    let outcome = std::panic::catch_unwind(|| {
        let mut runner = Runner::new(script, kind, family);
        runner.play().and_then(|()| runner.drain())
    });
    let wrong = match outcome {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(wrong)) => wrong,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            format!("panicked: {}", text.unwrap_or_default())
        }
    };
    Err(format!(
        "{}:{wrong}\n  script \"{}\", {kind:?}, {family:?}",
        script.file.display(),
        script.name
    ))
}

impl<'s> Runner<'s> {
    pub(super) fn new(script: &'s Script, kind: Kind, family: Family) -> Self {
        let scene = &script.scene;
        let config = Config {
            mtu: scene.mtu,
            policy: scene.policy,
            time_wait: scene.time_wait,
            connection: scene.config,
            ..Config::new()
        };
        // Without IPv6 the MTU may be smaller than that allows.
        let ours = |family| (address(RIGHT, family), if family == Family::V4 { 24 } else { 64 });
        let second = if scene.mtu < 1280 {
            ("10.0.1.2".parse().expect("an address"), 24)
        } else {
            ours(Family::V6)
        };
        let setup = HostSetup {
            kind,
            config,
            capacity: scene.capacity,
            clock: Duration::ZERO,
            addresses: [ours(Family::V4), second],
        };
        let host = make(&setup, 1);
        Self {
            script,
            baseline: host.usage(),
            host,
            now: Instant::from_micros(START),
            them: address(LEFT, family),
            us: address(RIGHT, family),
            listener: None,
            flows: BTreeMap::from([(1, Flow::new(1, scene.isn))]),
            acceptable: false,
            peer: 1,
            pending: VecDeque::new(),
            buffer: vec![0; usize::from(scene.mtu)],
        }
    }

    pub(super) fn play(&mut self) -> Result<(), String> {
        for line in &self.script.lines {
            let done = self.line(line);
            done.map_err(|wrong| format!("{}: {}\n  {wrong}", line.number, line.text))?;
        }
        let last = self.script.lines.last().map_or(0, |line| line.number);
        self.no_more().map_err(|wrong| format!("{last}: behind it\n  {wrong}"))
    }

    fn line(&mut self, line: &Line) -> Result<(), Failed> {
        if let Act::Expect(pattern) = &line.act {
            return self.expect(line.at, pattern);
        }
        // A look changes nothing, so that it may come before what was sent is named.
        if line.at.is_some() || !matches!(line.act, Act::Check(_)) {
            self.no_more()?;
        }
        if let Some(when) = line.at {
            self.pass_in_silence(self.time(when))?;
        }
        match &line.act {
            Act::Send(pattern) => self.send(pattern)?,
            Act::Unreachable(seq, hard) => self.unreachable(*seq, *hard)?,
            Act::Expect(_) | Act::Nothing => {}
            Act::Call(call) => self.call(*call)?,
            Act::Check(check) => return self.check(check),
            Act::Peer(peer, isn) => {
                self.peer = *peer;
                let irs = isn.unwrap_or(self.script.scene.isn);
                if isn.is_some() || !self.flows.contains_key(peer) {
                    self.flows.insert(*peer, Flow::new(*peer, irs));
                }
            }
        }
        if line.joined { Ok(()) } else { self.collect() }
    }

    pub(super) fn flow(&mut self) -> &mut Flow {
        self.flows.get_mut(&self.peer).expect("there is always a peer")
    }

    pub(super) fn with_handle<R>(
        &mut self,
        act: impl FnOnce(&mut dyn Host, TcpHandle) -> R,
    ) -> Result<R, Failed> {
        let handle = self.flow().handle.ok_or("there is no handle yet")?;
        if self.host.is_stale(handle) {
            return Err("the handle names nothing any more".into());
        }
        Ok(act(&mut *self.host, handle))
    }

    fn time(&self, when: When) -> Instant {
        let start = if when.relative { self.now } else { Instant::from_micros(START) };
        start + Duration::from_micros(when.micros)
    }

    fn ago(&self, at: Instant) -> String {
        format!("{} us", at.micros() as i64 - START as i64)
    }

    /// Takes what the host sends now.
    pub(super) fn collect(&mut self) -> Result<(), Failed> {
        while let Some(len) = self.host.transmit(self.now, &mut self.buffer) {
            self.pending.push_back(self.buffer[..len].to_vec());
            if self.pending.len() > BURST {
                return Err("packets without end".into());
            }
        }
        Ok(())
    }

    /// Lets the host sleep until it sends something, but not beyond `until`.
    fn sleep(&mut self, until: Instant) -> Result<(), Failed> {
        while self.pending.is_empty() {
            match self.host.next_wake(self.now) {
                Wake::At(at) if at <= self.now => return Err("a deadline in the past".into()),
                Wake::At(at) if at <= until => self.now = at,
                Wake::At(_) | Wake::OnIngress => {
                    self.now = until;
                    return Ok(());
                }
                other => return Err(format!("{other:?}, though all was sent").into()),
            }
            self.collect()?;
        }
        Ok(())
    }

    pub(super) fn pass_in_silence(&mut self, until: Instant) -> Result<(), Failed> {
        if until < self.now {
            return Err(format!("that was before {}", self.ago(self.now)).into());
        }
        self.sleep(until)?;
        // User calls carry no time: a stack knows that of the last poll.
        self.collect()?;
        self.no_more()
    }

    fn no_more(&mut self) -> Result<(), Failed> {
        match self.pending.pop_front() {
            None => Ok(()),
            Some(packet) => {
                let at = self.ago(self.now);
                let seen = self.see(&packet)?;
                Err(format!("not expected, at {at}: < {seen}").into())
            }
        }
    }

    fn see(&mut self, packet: &[u8]) -> Result<Got, Failed> {
        let (us, them) = (self.us, self.them);
        let flow = self.flow();
        let got = flow.origin.see(packet)?;
        let header = &got.header;
        let ends: [SocketAddr; 2] = [(us, flow.host_port).into(), (them, flow.peer_port).into()];
        if [header.source, header.destination] != ends {
            return Err(format!("{got}, from {} to {}", header.source, header.destination).into());
        }
        if header.flags.intersects(Flags::SYN) {
            flow.host_scale = scale(&got.options);
            flow.agree();
        }
        Ok(got)
    }

    fn expect(&mut self, when: Option<When>, pattern: &Pattern) -> Result<(), Failed> {
        let exact = When { micros: 0, relative: true, tolerance: 0 };
        let when = when.unwrap_or(exact);
        self.expect_at(self.time(when), Duration::from_micros(when.tolerance), pattern)
    }

    pub(super) fn expect_at(
        &mut self,
        wanted: Instant,
        tolerance: Duration,
        pattern: &Pattern,
    ) -> Result<(), Failed> {
        if self.pending.is_empty() {
            self.sleep(wanted + tolerance)?;
        }
        let at = self.now;
        let told = format!("expected at {}: < {pattern}", self.ago(wanted));
        let Some(packet) = self.pending.pop_front() else {
            let wake = self.host.next_wake(at);
            return Err(format!("{told}\n  seen nothing; next is {wake:?}").into());
        };
        let got = self.see(&packet)?;
        let mut differs = pattern.differs(&got);
        if at.since(wanted) > tolerance || wanted.since(at) > tolerance {
            differs.push("time");
        }
        if differs.is_empty() {
            return Ok(());
        }
        let (differs, at) = (differs.join(", "), self.ago(at));
        Err(format!("{told}\n  seen     at {at}: < {got}\n  differs in: {differs}").into())
    }

    /// The next SYN of the host begins a new connection.
    pub(super) fn forget_iss(&mut self) {
        self.flow().origin.iss = None;
    }

    pub(super) fn send(&mut self, pattern: &Pattern) -> Result<(), Failed> {
        let (us, them) = (self.us, self.them);
        let flow = self.flow();
        if pattern.flags.intersects(Flags::SYN) {
            flow.peer_scale = scale(&pattern.options);
        }
        let from = (them, flow.peer_port).into();
        let mut segment = Tcp::syn(from, (us, flow.host_port).into(), 0);
        pattern.fill(&flow.origin, &mut flow.window, &mut segment)?;
        flow.agree();
        let mut packet = segment.packet();
        if pattern.damaged {
            let last = packet.len() - 1;
            packet[last] ^= 1;
        }
        self.host.receive(self.now, &packet);
        Ok(())
    }

    /// The message quotes the head of a segment that the host has sent.
    fn unreachable(&mut self, seq: Number, hard: bool) -> Result<(), Failed> {
        let (us, them) = (self.us, self.them);
        let flow = self.flow();
        let iss = flow.origin.iss.ok_or("the host has sent no SYN")?;
        let Number::Relative(seq) = seq else { return Err("relative".into()) };
        let from = (us, flow.host_port).into();
        let quoted = Tcp::syn(from, (them, flow.peer_port).into(), iss.wrapping_add(seq));
        // The port, or the host (of an IPv6 address it is said that it is unreachable).
        let (kind, code) = match (us.is_ipv4(), hard) {
            (true, hard) => (3, if hard { 3 } else { 1 }),
            (false, hard) => (1, if hard { 4 } else { 3 }),
        };
        let message = [&[kind, code, 0, 0, 0, 0, 0, 0], &quoted.packet()[..]].concat();
        self.host.receive(self.now, &forge::icmp(them, us, &message));
        Ok(())
    }

    /// Everything ends, and all that was lent comes back.
    fn drain(&mut self) -> Result<(), String> {
        for flow in self.flows.values() {
            if let Some(handle) = flow.handle.filter(|handle| !self.host.is_stale(*handle)) {
                self.host.abort(handle);
                self.host.release(handle);
            }
        }
        if let Some(listener) = self.listener.take() {
            self.host.close_listener(listener);
        }
        while self.host.next_event().is_some() {}
        let end = self.now + DRAIN;
        while self.now < end {
            let step = self.collect().and_then(|()| {
                self.pending.clear();
                self.sleep(end)
            });
            step.map_err(|wrong| format!(" in the end: {wrong}"))?;
        }
        let usage = self.host.usage();
        if usage == self.baseline {
            return Ok(());
        }
        Err(format!(" pools do not come back: {usage:?}"))
    }
}

impl Flow {
    fn new(number: u16, irs: u32) -> Self {
        let origin = Origin { irs, ..Origin::default() };
        let (peer_port, host_port) = (5000 + number, PORT);
        Self { peer_port, host_port, origin, window: 10_000, ..Self::default() }
    }

    /// RFC 7323 §2.2: windows are scaled where both SYNs say so.
    fn agree(&mut self) {
        if let (Some(host), Some(peer)) = (self.host_scale, self.peer_scale) {
            (self.origin.host_shift, self.origin.peer_shift) = (host.min(14), peer.min(14));
        }
    }
}

fn scale(options: &[Opt]) -> Option<u8> {
    options.iter().find_map(|one| if let Opt::Scale(shift) = one { Some(*shift) } else { None })
}
