//! The soak on the kernel's sockets, none of which blocks.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::{Break, End, FIRST_PORT, LINGER, Life, Moved, Parting, Plan, Side, Soak, WEATHERS};
use crate::cli::SoakArgs;
use crate::report::{FAILED, OK, note};

/// The longest sleep, for what no descriptor tells.
const NAP: u64 = 20_000;

struct Wire {
    stream: TcpStream,
    life: Life,
    is_open: bool,
}

impl End for &TcpStream {
    fn write(&mut self, octets: &[u8]) -> Moved {
        moved(Write::write(self, octets))
    }

    fn read(&mut self, into: &mut [u8]) -> Moved {
        match moved(Read::read(self, into)) {
            Moved::Octets(0) => Moved::End,
            other => other,
        }
    }

    fn shut(&mut self) {
        // One that is reset already has its next call fail.
        let _ = self.shutdown(Shutdown::Write);
    }
}

fn moved(result: io::Result<usize>) -> Moved {
    match result {
        Ok(count) => Moved::Octets(count),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Moved::NotNow
        }
        Err(_) => Moved::Broken,
    }
}

fn socket(six: bool) -> io::Result<OwnedFd> {
    let family = if six { AddressFamily::INET6 } else { AddressFamily::INET };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    Ok(rustix::net::socket_with(family, SocketType::STREAM, flags, None)?)
}

/// Any address of the family.
fn any(six: bool, port: u16) -> SocketAddr {
    if six { ([0_u16; 8], port).into() } else { ([0_u8; 4], port).into() }
}

fn listen(six: bool, weather: u16) -> io::Result<TcpListener> {
    let socket = socket(six)?;
    sockopt::set_ipv6_v6only(&socket, true)
        .or_else(|error| if six { Err(error) } else { Ok(()) })?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    // What is accepted has the buffer of its listener.
    if weather == 2 {
        sockopt::set_socket_recv_buffer_size(&socket, 4_096)?;
    }
    rustix::net::bind(&socket, &any(six, FIRST_PORT + weather))?;
    rustix::net::listen(&socket, 128)?;
    Ok(socket.into())
}

fn connect(plan: &Plan, port: u16, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket(plan.six)?;
    if let Some(window) = plan.part(Side::Kernel).window {
        sockopt::set_socket_recv_buffer_size(&socket, window)?;
    }
    rustix::net::bind(&socket, &any(plan.six, port))?;
    match rustix::net::connect(&socket, &to) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(socket.into()),
        Err(error) => Err(error.into()),
    }
}

struct Peer {
    soak: Soak,
    remotes: [SocketAddr; 2],
    listeners: Vec<TcpListener>,
    wires: Vec<Wire>,
    started: Instant,
}

impl Peer {
    fn now(&self) -> u64 {
        self.started.elapsed().as_micros() as u64
    }

    fn open(&mut self) -> anyhow::Result<()> {
        while let Some((plan, port)) = self.soak.next() {
            let mut remote = self.remotes[usize::from(plan.six)];
            remote.set_port(plan.port());
            let stream = connect(&plan, port, remote).context("connect")?;
            self.take_in(stream, plan, false)?;
        }
        Ok(())
    }

    fn accept(&mut self) -> anyhow::Result<()> {
        let mut arrived = Vec::new();
        for listener in &self.listeners {
            while let Ok(pair) = listener.accept() {
                arrived.push(pair);
            }
        }
        for (stream, remote) in arrived {
            stream.set_nonblocking(true)?;
            let plan = self.soak.accepted(remote.port());
            self.take_in(stream, plan, true)?;
        }
        Ok(())
    }

    fn take_in(&mut self, stream: TcpStream, plan: Plan, is_open: bool) -> anyhow::Result<()> {
        stream.set_nodelay(!plan.part(Side::Kernel).nagle)?;
        let life = Life::new(plan, Side::Kernel, self.now());
        self.wires.push(Wire { stream, life, is_open });
        Ok(())
    }

    /// Attends to all that have something to do, and drops those that are over.
    fn attend(&mut self, ready: &[bool]) -> anyhow::Result<()> {
        let now = self.now();
        let mut kept = Vec::with_capacity(self.wires.len());
        for (index, mut wire) in std::mem::take(&mut self.wires).into_iter().enumerate() {
            let is_ready = ready.get(index).copied().unwrap_or(true);
            let parting = if is_ready || wire.life.due() <= now { wire.step(now) } else { None };
            match parting {
                None => kept.push(wire),
                Some(parting) => {
                    wire.part(&parting)?;
                    if let Parting::Failed(_) = parting {
                        note!("the kernel holds: {}", left().join("; "));
                    }
                    self.soak.ended(&wire.life, parting);
                }
            }
        }
        self.wires = kept;
        Ok(())
    }

    /// Sleeps until something may be done, and says for which wires.
    fn sleep(&self) -> anyhow::Result<Vec<bool>> {
        let now = self.now();
        let mut files = Vec::new();
        let mut at = Vec::new();
        for (index, wire) in self.wires.iter().enumerate() {
            let interest = wire.interest(now);
            if !interest.is_empty() {
                files.push(PollFd::new(&wire.stream, interest));
                at.push(index);
            }
        }
        files.extend(self.listeners.iter().map(|file| PollFd::new(file, PollFlags::IN)));
        let due = self.wires.iter().map(|wire| wire.life.due()).min().unwrap_or(u64::MAX);
        let nap = due.saturating_sub(now).min(NAP);
        poll(&mut files, Some(&Timespec { tv_sec: 0, tv_nsec: nap as i64 * 1_000 }))?;
        let mut ready = vec![false; self.wires.len()];
        for (index, file) in at.into_iter().zip(&files) {
            ready[index] = !file.revents().is_empty();
        }
        Ok(ready)
    }

    fn run(&mut self, limit: Duration) -> anyhow::Result<()> {
        while !self.soak.was_told("open") && self.started.elapsed() < limit {
            std::thread::sleep(Duration::from_micros(NAP));
        }
        loop {
            self.open()?;
            let ready = self.sleep()?;
            self.attend(&ready)?;
            self.accept()?;
            let all = self.soak.has_opened_all() && self.soak.is_complete();
            if all && self.wires.is_empty() && self.soak.was_told("done") {
                return Ok(());
            }
            if self.started.elapsed() > limit {
                for wire in std::mem::take(&mut self.wires) {
                    self.soak.ended(&wire.life, Parting::Failed("not done in time".into()));
                }
                return Ok(());
            }
        }
    }
}

impl Wire {
    fn interest(&self, now: u64) -> PollFlags {
        if !self.is_open {
            return PollFlags::OUT;
        }
        let (reads, writes) = self.life.wants(now);
        let mut interest = PollFlags::empty();
        interest.set(PollFlags::IN, reads);
        interest.set(PollFlags::OUT, writes);
        interest
    }

    fn step(&mut self, now: u64) -> Option<Parting> {
        if !self.is_open {
            if let Ok(Some(error)) = self.stream.take_error() {
                return Some(self.life.lost(&format!("no connection: {error}")));
            }
            if self.stream.peer_addr().is_err() {
                return self.life.silence(now);
            }
            self.is_open = true;
        }
        self.life.step(&mut &self.stream, now)
    }

    fn part(&self, parting: &Parting) -> io::Result<()> {
        if !matches!(parting, Parting::Closed | Parting::Breaks(Break::Leave)) {
            // Closed without lingering: with a reset.
            sockopt::set_socket_linger(self.stream.as_fd(), Some(Duration::ZERO))?;
        }
        Ok(())
    }
}

/// What the kernel holds of TCP in this network, but for TIME-WAIT.
fn left() -> Vec<String> {
    let files = ["/proc/net/tcp", "/proc/net/tcp6"].map(std::fs::read_to_string);
    let lines = files.iter().flatten().flat_map(|text| text.lines().skip(1));
    lines
        .filter(|line| line.split_whitespace().nth(3) != Some("06"))
        .map(|line| line.chars().take(90).collect())
        .collect()
}

/// A number of /proc/net/snmp's TCP lines.
fn count(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/net/snmp").ok()?;
    let mut lines = text.lines().filter(|line| line.starts_with("Tcp:"));
    let at = lines.next()?.split_whitespace().position(|word| word == name)?;
    lines.next()?.split_whitespace().nth(at)?.parse().ok()
}

/// Runs the kernel's side to its end.
pub(crate) fn peer(args: &SoakArgs) -> anyhow::Result<u8> {
    let mut peer = Peer {
        soak: Soak::new(args, Side::Kernel),
        remotes: [SocketAddr::new(args.peer.into(), 0), SocketAddr::new(args.peer6.into(), 0)],
        listeners: Vec::new(),
        wires: Vec::new(),
        started: Instant::now(),
    };
    for weather in 0..WEATHERS {
        for six in [false, true] {
            peer.listeners.push(listen(six, weather).context("listen")?);
        }
    }
    peer.run(Duration::from_secs(args.limit))?;
    peer.listeners.clear();
    let over = Instant::now();
    while !left().is_empty() && over.elapsed() < Duration::from_micros(LINGER) {
        std::thread::sleep(Duration::from_micros(NAP));
    }
    for line in left() {
        peer.soak.fail(&format!("left in the kernel: {line}"));
    }
    let (again, resets) = (count("RetransSegs"), count("OutRsts"));
    println!(
        "Kernel: {} retransmissions, {} resets sent; over after {:.2} s, clean {:.2} s later",
        again.unwrap_or(0),
        resets.unwrap_or(0),
        (over - peer.started).as_secs_f64(),
        over.elapsed().as_secs_f64()
    );
    Ok(if peer.soak.close() { OK } else { FAILED })
}
