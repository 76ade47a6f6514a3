//! A stack of any profile behind one face, so that what drives stacks is compiled once.
//!
//! Only the public doors are used. Handles are live where a call needs one: a stale one is the
//! test's mistake and panics; [`Host::is_stale`] asks.

use hikyaku::counters::Counters;
use hikyaku::profile::Tables;
use hikyaku::time::{Duration, Instant};
use hikyaku::{
    AcceptError, Capacity, CloseReason, Config, ConnectConfig, ConnectError, Full, Half, Handle,
    Info, ListenConfig, ListenError, ListenerHandle, Profile, ReadError, Readiness, Small, Stack,
    State, Storage, TcpHandle, Tiny, UdpConfig, UdpHandle, Usage, Wake, WriteError,
};

use std::net::{IpAddr, SocketAddr};

/// Which parts a stack is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// [`Full`].
    Full,
    /// [`Small`].
    Small,
    /// [`Tiny`].
    Tiny,
}

/// What can be done with a stack.
#[allow(missing_docs, reason = "each is the call of the same name of `Stack` or `TcpSocket`")]
pub trait Host {
    fn receive(&mut self, now: Instant, packet: &[u8]);
    fn transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<usize>;
    fn next_wake(&mut self, now: Instant) -> Wake;
    fn next_event(&mut self) -> Option<(Handle, Readiness)>;
    fn usage(&self) -> Usage;
    fn counters(&self) -> &Counters;
    fn listen(&mut self, port: u16, config: &ListenConfig) -> Result<ListenerHandle, ListenError>;
    fn accept(&mut self, listener: ListenerHandle) -> Result<TcpHandle, AcceptError>;
    fn close_listener(&mut self, listener: ListenerHandle);
    fn connect(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        config: &ConnectConfig,
    ) -> Result<TcpHandle, ConnectError>;
    fn is_stale(&mut self, handle: TcpHandle) -> bool;
    fn write(&mut self, handle: TcpHandle, data: &[u8]) -> Result<usize, WriteError>;
    fn read(&mut self, handle: TcpHandle, buffer: &mut [u8]) -> Result<usize, ReadError>;
    fn peek(&mut self, handle: TcpHandle, buffer: &mut [u8]) -> Result<usize, ReadError>;
    fn state(&mut self, handle: TcpHandle) -> State;
    fn close_reason(&mut self, handle: TcpHandle) -> Option<CloseReason>;
    fn readable(&mut self, handle: TcpHandle) -> u32;
    fn send_queue(&mut self, handle: TcpHandle) -> u32;
    fn local(&mut self, handle: TcpHandle) -> SocketAddr;
    fn remote(&mut self, handle: TcpHandle) -> SocketAddr;
    fn info(&mut self, handle: TcpHandle) -> Info;
    fn close(&mut self, handle: TcpHandle);
    fn shutdown(&mut self, handle: TcpHandle, half: Half);
    fn abort(&mut self, handle: TcpHandle);
    fn mark_urgent(&mut self, handle: TcpHandle);
    fn urgent(&mut self, handle: TcpHandle) -> u32;
    fn release(&mut self, handle: TcpHandle);
    fn set_nagle(&mut self, handle: TcpHandle, on: bool);
    fn set_dscp(&mut self, handle: TcpHandle, dscp: u8);
    fn bind_udp(&mut self, port: u16) -> UdpHandle {
        self.bind_udp_with(&UdpConfig::new(port))
    }
    fn bind_udp_with(&mut self, config: &UdpConfig) -> UdpHandle;
    fn recv_from(&mut self, handle: UdpHandle, buffer: &mut [u8]) -> Option<(usize, SocketAddr)>;
    fn close_udp(&mut self, handle: UdpHandle);
    /// Closes, aborts and releases all that is open.
    fn let_go(&mut self);
}

/// What is in use on a host on which nothing is open: nothing.
pub const NOTHING: Usage = Usage {
    connections: 0,
    half_open: 0,
    time_wait: 0,
    listeners: 0,
    udp_sockets: 0,
    blocks_used: 0,
    blocks_promised: 0,
    records: 0,
};

/// How many handles of a kind are remembered. Set aside at the start: nothing here allocates while
/// allocations are counted.
const HANDLES: usize = 1024;

/// A stack and all that was opened on it and may be open still.
struct Kept<P: Profile> {
    stack: Stack<'static, P>,
    connections: Vec<TcpHandle>,
    listeners: Vec<ListenerHandle>,
    udp_sockets: Vec<UdpHandle>,
}

impl<P: Profile> Kept<P> {
    fn keep(&mut self, handle: TcpHandle) -> TcpHandle {
        if self.connections.len() == HANDLES {
            let stack = &mut self.stack;
            self.connections.retain(|handle| stack.tcp(*handle).is_ok());
        }
        self.connections.push(handle);
        handle
    }
}

macro_rules! socket {
    ($kept:expr, $handle:expr) => {
        $kept.stack.tcp($handle).expect("the handle is live")
    };
}

impl<P: Profile> Host for Kept<P> {
    fn receive(&mut self, now: Instant, packet: &[u8]) {
        self.stack.receive(now, packet);
    }

    fn transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<usize> {
        self.stack.transmit(now, buffer)
    }

    fn next_wake(&mut self, now: Instant) -> Wake {
        self.stack.next_wake(now)
    }

    fn next_event(&mut self) -> Option<(Handle, Readiness)> {
        self.stack.next_event()
    }

    fn usage(&self) -> Usage {
        self.stack.usage()
    }

    fn counters(&self) -> &Counters {
        self.stack.counters()
    }

    fn listen(&mut self, port: u16, config: &ListenConfig) -> Result<ListenerHandle, ListenError> {
        let listener = self.stack.listen(port, config)?;
        self.listeners.push(listener);
        Ok(listener)
    }

    fn accept(&mut self, listener: ListenerHandle) -> Result<TcpHandle, AcceptError> {
        self.stack.accept(listener).map(|handle| self.keep(handle))
    }

    fn close_listener(&mut self, listener: ListenerHandle) {
        self.stack.close_listener(listener).expect("the handle is live");
    }

    fn connect(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        config: &ConnectConfig,
    ) -> Result<TcpHandle, ConnectError> {
        self.stack.connect(now, remote, config).map(|handle| self.keep(handle))
    }

    fn is_stale(&mut self, handle: TcpHandle) -> bool {
        self.stack.tcp(handle).is_err()
    }

    fn write(&mut self, handle: TcpHandle, data: &[u8]) -> Result<usize, WriteError> {
        socket!(self, handle).write(data)
    }

    fn read(&mut self, handle: TcpHandle, buffer: &mut [u8]) -> Result<usize, ReadError> {
        socket!(self, handle).read(buffer)
    }

    fn peek(&mut self, handle: TcpHandle, buffer: &mut [u8]) -> Result<usize, ReadError> {
        socket!(self, handle).peek(buffer)
    }

    fn state(&mut self, handle: TcpHandle) -> State {
        socket!(self, handle).state()
    }

    fn close_reason(&mut self, handle: TcpHandle) -> Option<CloseReason> {
        socket!(self, handle).close_reason()
    }

    fn readable(&mut self, handle: TcpHandle) -> u32 {
        socket!(self, handle).readable()
    }

    fn send_queue(&mut self, handle: TcpHandle) -> u32 {
        socket!(self, handle).send_queue()
    }

    fn local(&mut self, handle: TcpHandle) -> SocketAddr {
        socket!(self, handle).local()
    }

    fn remote(&mut self, handle: TcpHandle) -> SocketAddr {
        socket!(self, handle).remote()
    }

    fn info(&mut self, handle: TcpHandle) -> Info {
        socket!(self, handle).info().expect("the handle is live")
    }

    fn close(&mut self, handle: TcpHandle) {
        socket!(self, handle).close();
    }

    fn shutdown(&mut self, handle: TcpHandle, half: Half) {
        socket!(self, handle).shutdown(half);
    }

    fn mark_urgent(&mut self, handle: TcpHandle) {
        socket!(self, handle).mark_urgent();
    }

    fn urgent(&mut self, handle: TcpHandle) -> u32 {
        socket!(self, handle).urgent()
    }

    fn abort(&mut self, handle: TcpHandle) {
        socket!(self, handle).abort();
    }

    fn release(&mut self, handle: TcpHandle) {
        socket!(self, handle).release();
    }

    fn set_nagle(&mut self, handle: TcpHandle, on: bool) {
        socket!(self, handle).set_nagle(on);
    }

    fn set_dscp(&mut self, handle: TcpHandle, dscp: u8) {
        socket!(self, handle).set_dscp(dscp);
    }

    fn bind_udp_with(&mut self, config: &UdpConfig) -> UdpHandle {
        let handle = self.stack.bind_udp(config).expect("a free port");
        self.udp_sockets.push(handle);
        handle
    }

    fn recv_from(&mut self, handle: UdpHandle, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        let datagram =
            self.stack.udp(handle).expect("the handle is live").recv_from(buffer).ok()?;
        Some((datagram.len, datagram.source))
    }

    fn close_udp(&mut self, handle: UdpHandle) {
        self.stack.udp(handle).expect("the handle is live").close();
    }

    fn let_go(&mut self) {
        for handle in self.listeners.drain(..) {
            // Some are closed already.
            let _ = self.stack.close_listener(handle);
        }
        for handle in self.connections.drain(..) {
            if let Ok(mut socket) = self.stack.tcp(handle) {
                socket.abort();
                socket.release();
            }
        }
        for handle in self.udp_sockets.drain(..) {
            if let Ok(socket) = self.stack.udp(handle) {
                socket.close();
            }
        }
    }
}

/// How one host is made.
#[derive(Debug, Clone)]
pub struct HostSetup {
    /// Its profile.
    pub kind: Kind,
    /// Its configuration.
    pub config: Config,
    /// Its pools, as far as the tables of the profile have places.
    pub capacity: Capacity,
    /// How far its clock is ahead.
    pub clock: Duration,
    /// Its addresses, with their prefixes.
    pub addresses: [(IpAddr, u8); 2],
}

fn made<P: Profile>(setup: &HostSetup, secret: u64) -> Box<dyn Host> {
    let most = P::Tables::SLOTS_MAX;
    let mut capacity = setup.capacity;
    let kinds = [&mut capacity.connections, &mut capacity.half_open, &mut capacity.listeners];
    for slots in kinds.into_iter().chain([&mut capacity.udp_sockets]) {
        *slots = (*slots).min(most);
    }
    let storage = Storage::<'static, P>::allocate(&capacity);
    let mut octets = [0x5a; 16];
    octets[..8].copy_from_slice(&secret.to_be_bytes());
    let secret = hikyaku::Secret::new(octets).expect("not all zero");
    let mut stack = Stack::new(storage, &setup.config, secret).expect("a good config");
    for (address, prefix) in setup.addresses {
        stack.add_address(address, prefix).expect("room for two addresses");
    }
    Box::new(Kept {
        stack,
        connections: Vec::with_capacity(HANDLES),
        listeners: Vec::with_capacity(64),
        udp_sockets: Vec::with_capacity(64),
    })
}

/// A stack as `setup` wants it.
#[must_use]
pub fn make(setup: &HostSetup, secret: u64) -> Box<dyn Host> {
    match setup.kind {
        Kind::Full => made::<Full>(setup, secret),
        Kind::Small => made::<Small>(setup, secret),
        Kind::Tiny => made::<Tiny>(setup, secret),
    }
}
