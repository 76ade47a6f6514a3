//! Programs at the ends of connections: they write and read pseudo-random octets at random sizes
//! and paces, and check what they read.
//!
//! They go by events alone: one that sleeps while there is something to do has not been told, and
//! the test that waits for it fails.

use std::net::SocketAddr;

use hikyaku::time::{Duration, Instant};
use hikyaku::{CloseReason, ReadError, Readiness, State, TcpHandle, WriteError};

use crate::host::Host;
use crate::random::{Chance, Random, mix};
use crate::stream;

/// What an application does once it has written all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Closes its half, reads to the end of the stream, releases.
    Close,
    /// Reads to the end of the stream, then closes its half and releases.
    CloseAfterPeer,
    /// Aborts.
    Abort,
    /// Releases at once, whatever there is still to be read.
    Release,
    /// Goes on reading.
    Stay,
}

/// What an application is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Script {
    /// Octets to be written.
    pub write: u64,
    /// Octets at most in one write or read.
    pub chunk: u64,
    /// How often it pauses after a write.
    pub write_pauses: Chance,
    /// How often it pauses after a read.
    pub read_pauses: Chance,
    /// How long at most.
    pub pause: Duration,
    /// How long it reads nothing at first.
    pub deaf_for: Duration,
    /// Octets after which it waits until it has read that many more than it wrote: a conversation.
    pub turn: Option<u64>,
    /// Octets read after which it reads no more for [`stop_for`](Self::stop_for).
    pub stop_at: Option<u64>,
    /// How long that is.
    pub stop_for: Duration,
    /// Octets written and read after which it aborts, whatever else it was to do.
    pub quit_at: Option<u64>,
    /// Whether it keeps its handle until the connection is CLOSED.
    pub lingers: bool,
    /// What then.
    pub end: End,
}

impl Script {
    /// Writes so many octets at full speed, then closes.
    #[must_use]
    pub const fn send(write: u64) -> Self {
        Self {
            write,
            chunk: 4096,
            write_pauses: Chance::NEVER,
            read_pauses: Chance::NEVER,
            pause: Duration::from_millis(50),
            deaf_for: Duration::ZERO,
            turn: None,
            stop_at: None,
            stop_for: Duration::ZERO,
            quit_at: None,
            lingers: false,
            end: End::Close,
        }
    }

    /// Writes so many octets, and closes only after the peer has.
    #[must_use]
    pub const fn answer(write: u64) -> Self {
        Self { end: End::CloseAfterPeer, ..Self::send(write) }
    }

    /// With another end.
    #[must_use]
    pub const fn then(self, end: End) -> Self {
        Self { end, ..self }
    }

    /// With pauses after some writes and reads.
    #[must_use]
    pub const fn pausing(self, chance: Chance, pause: Duration) -> Self {
        Self { write_pauses: chance, read_pauses: chance, pause, ..self }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Octets that the stack took.
    pub written: u64,
    /// Octets read, every one of them right.
    pub read: u64,
    /// Whether the end of the stream was read.
    pub at_end: bool,
    /// Whether the connection came about.
    pub connected: bool,
    /// Why it ended before both streams did.
    pub broken: Option<CloseReason>,
    /// Whether this side closed, aborted or released early.
    pub aborted: bool,
}

/// A program at one end of a connection.
#[derive(Debug)]
pub struct Application {
    /// Which host it runs on.
    pub side: usize,
    /// Its connection, as long as it holds it.
    pub handle: Option<TcpHandle>,
    /// Its own end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// What came of it so far.
    pub outcome: Outcome,
    script: Script,
    random: Random,
    keys: [u64; 2],
    wants: [bool; 2],
    asleep_until: [Option<Instant>; 2],
    closed: bool,
    stopped: bool,
    buffer: Box<[u8]>,
}

const WRITE: usize = 0;
const READ: usize = 1;

impl Application {
    /// An application on a connection of `host`.
    pub fn new(
        (side, host): (usize, &mut dyn Host),
        handle: TcpHandle,
        script: Script,
        seed: u64,
        now: Instant,
    ) -> Self {
        let (local, remote) = (host.local(handle), host.remote(handle));
        let key = |from: SocketAddr, to: SocketAddr| {
            mix(seed ^ u64::from(from.port()) << 16 ^ u64::from(to.port()) << 40)
        };
        let wakes = (script.deaf_for > Duration::ZERO).then(|| now + script.deaf_for);
        Self {
            side,
            handle: Some(handle),
            local,
            remote,
            outcome: Outcome {
                connected: host.state(handle).is_synchronized(),
                ..Outcome::default()
            },
            script,
            random: Random::new(key(local, remote) ^ 1),
            keys: [key(local, remote), key(remote, local)],
            wants: [true; 2],
            asleep_until: [None, wakes],
            closed: false,
            stopped: false,
            buffer: vec![0; script.chunk as usize].into_boxed_slice(),
        }
    }

    /// Whether it has let go of its connection.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.handle.is_none()
    }

    /// The stack has told something.
    pub fn on_event(&mut self, readiness: Readiness) {
        self.outcome.connected |= readiness.contains(Readiness::CONNECTED);
        let closed = readiness.contains(Readiness::CLOSED);
        self.wants[WRITE] |= closed || readiness.contains(Readiness::WRITABLE);
        self.wants[READ] |= closed || readiness.contains(Readiness::READABLE);
    }

    /// When it goes on by itself.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.asleep_until.into_iter().flatten().min().filter(|_| !self.is_done())
    }

    /// Does what can be done now. Returns whether it was anything.
    pub fn poll(&mut self, now: Instant, host: &mut dyn Host) -> Result<bool, String> {
        let Some(handle) = self.handle else { return Ok(false) };
        for job in [WRITE, READ] {
            if self.asleep_until[job].is_some_and(|at| at <= now) {
                self.asleep_until[job] = None;
                self.wants[job] = true;
            }
        }
        let mut acted = false;
        if self.wants[WRITE] && self.asleep_until[WRITE].is_none() {
            acted |= self.write(now, host, handle)?;
        }
        if self.handle.is_some() && self.wants[READ] && self.asleep_until[READ].is_none() {
            acted |= self.read(now, host, handle)?;
        }
        self.end(host, handle);
        Ok(acted)
    }

    fn pause(&mut self, job: usize, chance: Chance, now: Instant) -> bool {
        if !self.random.happens(chance) {
            return false;
        }
        let micros = self.random.between(1, self.script.pause.micros().max(1));
        self.asleep_until[job] = Some(now + Duration::from_micros(micros));
        true
    }

    /// Whether it stops reading here, once.
    fn stop(&mut self, now: Instant) -> bool {
        let is_time = self.script.stop_at.is_some_and(|at| self.outcome.read >= at);
        if !is_time || self.stopped || self.outcome.at_end {
            return false;
        }
        self.stopped = true;
        self.asleep_until[READ] = Some(now + self.script.stop_for);
        true
    }

    /// Whether a conversation waits for the other side.
    fn waits_for_turn(&self) -> bool {
        let Outcome { written, read, at_end, .. } = self.outcome;
        self.script.turn.is_some_and(|turn| written >= read + turn && !at_end)
    }

    fn write(
        &mut self,
        now: Instant,
        host: &mut dyn Host,
        handle: TcpHandle,
    ) -> Result<bool, String> {
        let mut acted = false;
        while self.outcome.written < self.script.write && !self.waits_for_turn() {
            let left = self.script.write - self.outcome.written;
            let len = self.random.between(1, self.script.chunk).min(left) as usize;
            let chunk = &mut self.buffer[..len];
            stream::fill(self.keys[WRITE], self.outcome.written, chunk);
            match host.write(handle, chunk) {
                Ok(taken) if taken == 0 || taken > len => {
                    return Err(format!("a write of {len} octets took {taken}"));
                }
                Ok(taken) => self.outcome.written += taken as u64,
                Err(WriteError::WouldBlock) => break,
                Err(WriteError::Ended(reason)) => return Ok(self.broken(reason, host, handle)),
                Err(error) => return Err(format!("a write failed: {error}")),
            }
            acted = true;
            if self.pause(WRITE, self.script.write_pauses, now) {
                break;
            }
        }
        self.wants[WRITE] = false;
        Ok(acted)
    }

    fn read(
        &mut self,
        now: Instant,
        host: &mut dyn Host,
        handle: TcpHandle,
    ) -> Result<bool, String> {
        let mut acted = false;
        while !self.outcome.at_end {
            let len = self.random.between(1, self.script.chunk) as usize;
            match host.read(handle, &mut self.buffer[..len]) {
                Ok(0) => self.outcome.at_end = true,
                Ok(octets) => self.check(octets)?,
                Err(ReadError::WouldBlock) => break,
                Err(ReadError::Ended(reason)) => return Ok(self.broken(reason, host, handle)),
            }
            acted = true;
            self.wants[WRITE] |= self.script.turn.is_some();
            if self.stop(now) || self.pause(READ, self.script.read_pauses, now) {
                break;
            }
        }
        self.wants[READ] = false;
        Ok(acted)
    }

    fn check(&mut self, octets: usize) -> Result<(), String> {
        let read = self.outcome.read;
        if let Some(place) = stream::first_difference(self.keys[READ], read, &self.buffer[..octets])
        {
            return Err(format!("octet {place} of the stream to {} is wrong", self.local));
        }
        self.outcome.read += octets as u64;
        Ok(())
    }

    fn broken(&mut self, reason: CloseReason, host: &mut dyn Host, handle: TcpHandle) -> bool {
        self.outcome.broken = Some(reason);
        host.release(handle);
        self.handle = None;
        true
    }

    /// Closes, aborts or releases where it is time to.
    fn end(&mut self, host: &mut dyn Host, handle: TcpHandle) {
        let Outcome { written, read, connected, .. } = self.outcome;
        if self.script.quit_at.is_some_and(|at| written + read >= at) {
            self.abort(host);
        }
        if self.handle.is_none() || !connected || written < self.script.write {
            return;
        }
        let at_end = self.outcome.at_end;
        match self.script.end {
            End::Close | End::CloseAfterPeer if at_end && self.asleep_until[READ].is_none() => {
                if !self.closed {
                    self.closed = true;
                    host.close(handle);
                }
                if !self.script.lingers || host.state(handle) == State::Closed {
                    self.let_go(host, handle);
                }
            }
            End::Close if !self.closed => {
                self.closed = true;
                host.close(handle);
            }
            End::Abort => self.abort(host),
            End::Release => {
                self.outcome.aborted = true;
                self.let_go(host, handle);
            }
            _ => {}
        }
    }

    /// Aborts whatever it does.
    pub fn abort(&mut self, host: &mut dyn Host) {
        if let Some(handle) = self.handle {
            self.outcome.aborted = true;
            host.abort(handle);
            self.let_go(host, handle);
        }
    }

    /// Releases the connection.
    fn let_go(&mut self, host: &mut dyn Host, handle: TcpHandle) {
        host.release(handle);
        self.handle = None;
    }
}
