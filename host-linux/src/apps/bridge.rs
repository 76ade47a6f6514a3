//! One TCP connection at a time joined to stdin and stdout, as nc does it.

use std::cell::Cell;
use std::io::IsTerminal;

use hikyaku::{
    CloseReason, Duration, Full, Handle, Instant, ListenerHandle, Readiness, State, TcpHandle,
    TcpSocket,
};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::stdio::{stdin, stdout};

use super::farewell::{Farewell, LOOK, Parting, STALL_LIMIT};
use crate::cli::BridgeArgs;
use crate::poll_loop::{App, Net, Signal};
use crate::report::{FAILED, OK, SIGNAL, TIMEOUT, note};

/// What a pipe that is ready for writing takes without blocking (PIPE_BUF).
const PIPE_CHUNK: usize = 4096;
/// What other files are given at once.
const CHUNK: usize = 64 * 1024;

/// stdin and stdout on one side, a connection on the other.
pub(crate) struct Bridge {
    listener: Option<ListenerHandle>,
    keep: bool,
    shut_on_eof: bool,
    connection: Option<Connection>,
    stdin_open: bool,
    stdout_chunk: usize,
    scratch: Vec<u8>,
    idle_limit: Option<Duration>,
    last_activity: Instant,
    ending: Option<Ending>,
    outcome: Option<u8>,
    interest: Cell<Interest>,
}

/// The end by a signal: our FIN is on its way.
struct Ending {
    code: u8,
    farewell: Farewell,
    next_look: Instant,
}

/// Which files the loop was asked to wait for.
#[derive(Debug, Clone, Copy, Default)]
struct Interest {
    stdin: bool,
    stdout: bool,
}

#[derive(Debug)]
struct Connection {
    handle: TcpHandle,
    open: bool,
    /// Taken from stdin, without room in the connection so far.
    outgoing: Vec<u8>,
    /// Taken from the peer, not yet written to stdout.
    pending: Vec<u8>,
    peer_done: bool,
    closed: bool,
}

/// Where a connection came to.
enum Fate {
    Lives,
    Ended(u8),
}

impl Bridge {
    /// Serves the connections of a listener, all of them where `keep` is set, else the first.
    pub(crate) fn listening(
        net: &Net,
        listener: ListenerHandle,
        keep: bool,
        args: &BridgeArgs,
    ) -> Self {
        Self { listener: Some(listener), keep, ..Self::new(net, args) }
    }

    /// Serves a connection that is being opened.
    pub(crate) fn connecting(net: &Net, handle: TcpHandle, args: &BridgeArgs) -> Self {
        Self { connection: Some(Connection::new(handle)), ..Self::new(net, args) }
    }

    fn new(net: &Net, args: &BridgeArgs) -> Self {
        let is_pipe = rustix::fs::fstat(stdout())
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo);
        Self {
            listener: None,
            keep: false,
            shut_on_eof: args.shut_on_eof,
            connection: None,
            stdin_open: true,
            stdout_chunk: if is_pipe { PIPE_CHUNK } else { CHUNK },
            scratch: vec![0; CHUNK],
            idle_limit: args.wait.map(Duration::from_secs),
            last_activity: net.now(),
            ending: None,
            outcome: None,
            interest: Cell::default(),
        }
    }

    fn accept(&mut self, net: &mut Net) {
        let Some(listener) = self.listener else { return };
        if self.connection.is_some() || self.ending.is_some() {
            return;
        }
        let Ok(handle) = net.stack.accept(listener) else { return };
        if !self.keep {
            let _ = net.stack.close_listener(listener);
            self.listener = None;
        }
        self.last_activity = net.now();
        self.connection = Some(Connection::new(handle));
    }

    /// Does all that needs no waiting for files, and notices the end.
    fn settle(&mut self, net: &mut Net) {
        let now = net.now();
        let Some(connection) = &mut self.connection else { return };
        let fate = match net.stack.tcp(connection.handle) {
            Ok(mut socket) => {
                if connection.refill(&mut socket, self.stdout_chunk) {
                    self.last_activity = now;
                }
                connection.push(&mut socket);
                let stdin_done = !self.stdin_open && connection.outgoing.is_empty();
                if stdin_done && self.shut_on_eof && connection.open {
                    connection.close(&mut socket);
                }
                connection.settle(&mut socket, stdin_done, self.ending.is_some())
            }
            Err(_) => Fate::Ended(OK),
        };
        let Fate::Ended(code) = fate else { return };
        if let Some(connection) = self.connection.take()
            && let Ok(mut socket) = net.stack.tcp(connection.handle)
        {
            // Data that stdout did not take is lost, and the peer is told so (RFC 9293 §3.6.1).
            if !connection.pending.is_empty() {
                socket.abort();
            }
            socket.release();
        }
        match &self.ending {
            Some(ending) => self.outcome = Some(ending.code),
            None if self.keep => self.accept(net),
            None => self.outcome = Some(code),
        }
    }

    /// Aborts the connection whose peer acknowledges nothing, after a signal.
    fn check_farewell(&mut self, net: &mut Net) {
        let now = net.now();
        let (Some(ending), Some(connection)) = (&mut self.ending, &self.connection) else { return };
        ending.next_look = now + LOOK;
        let Ok(mut socket) = net.stack.tcp(connection.handle) else { return };
        if let Parting::Stalled { queued } = ending.farewell.look(&socket, now) {
            note!(
                "{} has acknowledged nothing for {} s, with {queued} bytes and our FIN to go; \
                 aborted with RST",
                socket.remote(),
                STALL_LIMIT.micros() / 1_000_000
            );
            socket.abort();
            self.outcome = Some(ending.code);
        }
    }

    /// Moves what stdin has, as far as the connection has room.
    fn pump_in(&mut self, net: &mut Net) -> anyhow::Result<()> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let Ok(mut socket) = net.stack.tcp(connection.handle) else { return Ok(()) };
        let room = self.scratch.len().min(socket.writable() as usize);
        if room == 0 {
            return Ok(());
        }
        match rustix::io::read(stdin(), &mut self.scratch[..room]) {
            Ok(0) => {
                self.stdin_open = false;
            }
            Ok(taken) => {
                connection.outgoing.extend_from_slice(&self.scratch[..taken]);
                connection.push(&mut socket);
                self.last_activity = net.now();
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            // EIO: the terminal belongs to someone else by now.
            Err(_) => self.stdin_open = false,
        }
        Ok(())
    }

    /// Writes what has arrived to stdout, which is ready for it.
    fn pump_out(&mut self, net: &mut Net) {
        let Some(connection) = &mut self.connection else { return };
        match rustix::io::write(stdout(), &connection.pending) {
            Ok(written) => {
                connection.pending.drain(..written);
                self.last_activity = net.now();
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => {
                note!("stdout: {error}");
                if let Ok(mut socket) = net.stack.tcp(connection.handle) {
                    socket.abort();
                }
                self.outcome = Some(FAILED);
            }
        }
    }
}

impl Connection {
    fn new(handle: TcpHandle) -> Self {
        Self {
            handle,
            open: false,
            outgoing: Vec::new(),
            pending: Vec::new(),
            peer_done: false,
            closed: false,
        }
    }

    fn close(&mut self, socket: &mut TcpSocket<'_, '_, Full>) {
        if !self.closed {
            self.closed = true;
            socket.close();
        }
    }

    /// Queues what came from stdin, as far as there is room.
    fn push(&mut self, socket: &mut TcpSocket<'_, '_, Full>) {
        if !self.outgoing.is_empty() {
            // A connection that has died in between is noticed by whoever settles it.
            let written = socket.write(&self.outgoing).unwrap_or(0);
            self.outgoing.drain(..written);
        }
    }

    /// Takes the next octets for stdout once those before them are written. True if there were any.
    fn refill(&mut self, socket: &mut TcpSocket<'_, '_, Full>, chunk: usize) -> bool {
        if !self.pending.is_empty() || self.peer_done {
            return false;
        }
        self.pending.resize(chunk, 0);
        let taken = match socket.read(&mut self.pending) {
            Ok(0) => {
                self.peer_done = true;
                0
            }
            Ok(taken) => taken,
            Err(_) => 0,
        };
        self.pending.truncate(taken);
        taken != 0
    }

    /// Closes what is to be closed and says whether all is over.
    fn settle(
        &mut self,
        socket: &mut TcpSocket<'_, '_, Full>,
        stdin_done: bool,
        ending: bool,
    ) -> Fate {
        let state = socket.state();
        if !self.open && !matches!(state, State::SynSent | State::SynReceived) {
            self.open = state != State::Closed;
            if self.open {
                note!("connected to {}", socket.remote());
            }
        }
        if !self.pending.is_empty() && !ending {
            return Fate::Lives;
        }
        // A person at a terminal has nothing to say to a peer that is gone; a file is sent to
        // its end.
        if self.peer_done && (stdin_done || std::io::stdin().is_terminal()) {
            self.close(socket);
        }
        if let Some(reason) = socket.close_reason() {
            return Fate::Ended(verdict(reason, socket, ending));
        }
        let acknowledged = if ending { socket.is_flushed() } else { state == State::TimeWait };
        if self.closed && acknowledged { Fate::Ended(OK) } else { Fate::Lives }
    }
}

/// Tells how a connection ended, and the exit code that this means.
fn verdict(reason: CloseReason, socket: &TcpSocket<'_, '_, Full>, ending: bool) -> u8 {
    let (text, code) = match reason {
        CloseReason::Graceful => return OK,
        CloseReason::Aborted if ending => return OK,
        CloseReason::Refused => ("connection refused", FAILED),
        CloseReason::Reset => ("connection reset by the peer", FAILED),
        CloseReason::TimedOut => ("the peer does not answer", TIMEOUT),
        CloseReason::Unreachable => ("unreachable", FAILED),
        CloseReason::Aborted => ("connection aborted", FAILED),
        CloseReason::AddressRemoved => ("our address was removed", FAILED),
    };
    note!("{}: {text}", socket.remote());
    code
}

impl App for Bridge {
    fn on_event(&mut self, net: &mut Net, handle: Handle, _: Readiness) -> anyhow::Result<()> {
        if matches!(handle, Handle::Listener(_)) {
            self.accept(net);
        }
        self.settle(net);
        Ok(())
    }

    fn watch<'f>(&'f self, net: &mut Net, files: &mut Vec<PollFd<'f>>) {
        let mut interest = Interest::default();
        if let Some(connection) = &self.connection
            && let Ok(socket) = net.stack.tcp(connection.handle)
        {
            let may_send = connection.open && !connection.closed;
            let room = connection.outgoing.is_empty() && socket.writable() != 0;
            interest.stdin = self.stdin_open && may_send && room;
            interest.stdout = !connection.pending.is_empty();
        }
        if interest.stdin {
            files.push(PollFd::from_borrowed_fd(stdin(), PollFlags::IN));
        }
        if interest.stdout {
            files.push(PollFd::from_borrowed_fd(stdout(), PollFlags::OUT));
        }
        self.interest.set(interest);
    }

    fn on_files(&mut self, net: &mut Net, found: &[PollFlags]) -> anyhow::Result<()> {
        let interest = self.interest.get();
        let mut found = found.iter();
        if interest.stdin && found.next().is_some_and(|flags| !flags.is_empty()) {
            self.pump_in(net)?;
        }
        if interest.stdout && found.next().is_some_and(|flags| !flags.is_empty()) {
            self.pump_out(net);
        }
        self.settle(net);
        Ok(())
    }

    fn on_signal(&mut self, net: &mut Net, signal: Signal) -> anyhow::Result<()> {
        let Signal::End(number) = signal else { return Ok(()) };
        let code = SIGNAL + number as u8;
        if let Some(listener) = self.listener.take() {
            let _ = net.stack.close_listener(listener);
        }
        let Some(connection) = &mut self.connection else {
            self.outcome.get_or_insert(code);
            return Ok(());
        };
        let now = net.now();
        let Ok(mut socket) = net.stack.tcp(connection.handle) else { return Ok(()) };
        let is_first = self.ending.is_none();
        if is_first && connection.open {
            connection.close(&mut socket);
        } else {
            // In SYN-SENT there is nothing to close, and a second signal closes no longer. In
            // FIN-WAIT-2 too the peer hears of it: nothing is settled between two signals.
            socket.abort();
        }
        let farewell = Farewell::new(&socket, now);
        let ending = self.ending.get_or_insert(Ending { code, farewell, next_look: now + LOOK });
        if !(is_first && connection.open) {
            self.outcome = Some(ending.code);
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.ending {
            Some(ending) => Some(ending.next_look),
            // A listener that waits for its next client is not idle but at rest.
            None if self.keep && self.connection.is_none() => None,
            None => self.idle_limit.map(|limit| self.last_activity + limit),
        }
    }

    fn on_deadline(&mut self, net: &mut Net) -> anyhow::Result<()> {
        if self.ending.is_some() {
            self.settle(net);
            self.check_farewell(net);
            return Ok(());
        }
        let seconds = self.idle_limit.map_or(0, |limit| limit.micros() / 1_000_000);
        note!("nothing was opened, sent or received for {seconds} s (-w {seconds})");
        if let Some(connection) = self.connection.take()
            && let Ok(mut socket) = net.stack.tcp(connection.handle)
        {
            socket.abort();
        }
        if self.keep {
            self.accept(net);
        } else {
            self.outcome = Some(TIMEOUT);
        }
        Ok(())
    }

    fn outcome(&self) -> Option<u8> {
        self.outcome
    }
}
