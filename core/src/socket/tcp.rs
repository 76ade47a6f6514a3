//! The user's side of TCP: listeners, connections, and what can be done with a handle.

use core::net::{IpAddr, SocketAddr};

use crate::counters::count;
use crate::flow::FlowKey;
use crate::profile::Profile;
use crate::storage::Id;
use crate::storage::hash_table::Index;
use crate::storage::list::Line;
use crate::tcp::connection::{CloseReason, Connection};
use crate::tcp::settings::ConnectionConfig;
use crate::tcp::state::State;
use crate::tcp::user_calls::{Half, Info, ReadError, WriteError};

use super::demux::{Bound, EPHEMERAL_COUNT, EPHEMERAL_FIRST, port_hash};
use super::tcp_pool::{TcpPool, User};
use super::{Commons, ListenerHandle, StaleHandle, TcpHandle};

/// Ports tried before a connect gives up: with the hash as a start, collisions are rare.
const PORT_TRIES: u16 = 64;

/// How a listener listens.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ListenConfig {
    /// Only on this address of ours; `None` for all.
    pub address: Option<IpAddr>,
    /// The most connections that wait to be accepted.
    pub backlog: u16,
    /// How accepted connections behave; `None` for the stack's own settings.
    pub connection: Option<ConnectionConfig>,
}

impl ListenConfig {
    /// On all addresses, sixteen waiting.
    #[must_use]
    pub const fn new() -> Self {
        Self { address: None, backlog: 16, connection: None }
    }
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// How a connection is opened.
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ConnectConfig {
    /// From this address of ours; `None` for the one that suits the peer.
    pub local_address: Option<IpAddr>,
    /// From this port; `None` for an ephemeral one.
    pub local_port: Option<u16>,
    /// How it behaves; `None` for the stack's own settings.
    pub connection: Option<ConnectionConfig>,
}

impl ConnectConfig {
    /// From whatever address and port suit.
    #[must_use]
    pub const fn new() -> Self {
        Self { local_address: None, local_port: None, connection: None }
    }
}

error_enum! {
    /// Why a listener could not be had.
    ListenError {
        /// Port 0 cannot be listened to.
        InvalidPort => "port 0 cannot be listened to",
        /// Another listener has the port on this address.
        InUse => "the port is taken by another listener",
        /// The listener pool is exhausted.
        NoMemory => "no listener slot is free",
    }
}

error_enum! {
    /// Why no connection could be accepted.
    AcceptError {
        /// None is waiting.
        WouldBlock => "no connection is waiting",
        /// The listener is gone.
        Stale => "the listener was closed",
    }
}

error_enum! {
    /// Why a connection could not be opened.
    ConnectError {
        /// The peer's address or port cannot be connected to.
        InvalidRemote => "not an address and port to connect to",
        /// We have no address to speak from to this peer.
        NoAddress => "no local address of the peer's family",
        /// The flow is in use, or no free port was found.
        InUse => "the local port is in use",
        /// The connection or block pool is exhausted.
        NoMemory => "no connection slot or block is free",
    }
}

impl<'a, P: Profile> TcpPool<'a, P> {
    pub(crate) fn listen(
        &mut self,
        port: u16,
        config: &ListenConfig,
        commons: &Commons<'a>,
    ) -> Result<ListenerHandle, ListenError> {
        if port == 0 {
            return Err(ListenError::InvalidPort);
        }
        let bound = Bound::new(config.address, port);
        let hash = port_hash::<P>(commons.table_keys, port);
        if self.by_port.find(&self.listeners, hash, &bound).is_some() {
            return Err(ListenError::InUse);
        }
        let id = self.listeners.acquire().ok_or(ListenError::NoMemory)?;
        if let Some(slot) = self.listeners.get_mut(id) {
            slot.listening.bound = bound;
            slot.listening.choices = commons.choices_of::<P>(config.connection.as_ref());
            slot.listening.limit = config.backlog;
        }
        self.by_port.insert(&mut self.listeners, hash, id);
        self.listeners.key(id).map(ListenerHandle).ok_or(ListenError::NoMemory)
    }

    pub(crate) fn accept(&mut self, listener: ListenerHandle) -> Result<TcpHandle, AcceptError> {
        let id = self.listeners.resolve(listener.0).ok_or(AcceptError::Stale)?;
        let key = self.pop_waiting(id).ok_or(AcceptError::WouldBlock)?;
        Ok(TcpHandle(key))
    }

    /// Connections that wait to be accepted are reset: nobody will ever take them.
    pub(crate) fn close_listener(
        &mut self,
        listener: ListenerHandle,
        commons: &mut Commons<'a>,
    ) -> Result<(), StaleHandle> {
        let id = self.listeners.resolve(listener.0).ok_or(StaleHandle)?;
        while let Some(key) = self.pop_waiting(id) {
            if let Some(connection) = self.connections.resolve(key) {
                self.with(connection, commons, |connection, commons| {
                    connection.abort(commons);
                    connection.release(commons);
                });
            }
        }
        let slot = self.listeners.get(id).ok_or(StaleHandle)?;
        let hash = port_hash::<P>(commons.table_keys, slot.listening.bound.port());
        self.by_port.remove(&mut self.listeners, hash, id);
        self.listener_news.remove(&mut self.listeners, id);
        self.listeners.release(id);
        Ok(())
    }

    pub(crate) fn connect(
        &mut self,
        local: IpAddr,
        remote: SocketAddr,
        config: &ConnectConfig,
        commons: &mut Commons<'a>,
    ) -> Result<TcpHandle, ConnectError> {
        let choices = commons.choices_of::<P>(config.connection.as_ref());
        let flow = match config.local_port {
            Some(port) => self.free_flow(SocketAddr::new(local, port), remote, commons),
            None => self.ephemeral_flow(local, remote, commons),
        };
        let flow = flow.ok_or(ConnectError::InUse)?;
        let terms = commons.terms::<P>(&flow, &choices);
        self.in_syn_sent = Some(Connection::on_segment_in_syn_sent);
        let id = self
            .insert(&flow, commons, |connection, _, commons| {
                connection.open(flow, &terms, &choices, commons)
            })
            .ok_or(ConnectError::NoMemory)?;
        count!(commons.counters, active_opens);
        self.connections.key(id).map(TcpHandle).ok_or(ConnectError::NoMemory)
    }

    /// RFC 6056 §3.3.3: a keyed hash of the peer says where the search begins, so that one peer's
    /// ports tell nothing of another's.
    fn ephemeral_flow(
        &mut self,
        local: IpAddr,
        remote: SocketAddr,
        commons: &Commons<'a>,
    ) -> Option<FlowKey> {
        let peer = FlowKey::new(SocketAddr::new(local, 0), remote)?;
        let now = commons.now.micros();
        let [start, ..] = commons.secret.hash(b"port", [now as u32, (now >> 32) as u32, 0], &peer);
        let start = start as u16;
        (0..PORT_TRIES).find_map(|step| {
            let port = start.wrapping_add(step) % EPHEMERAL_COUNT;
            let local = SocketAddr::new(local, EPHEMERAL_FIRST.saturating_add(port));
            self.free_flow(local, remote, commons)
        })
    }

    fn free_flow(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        commons: &Commons<'a>,
    ) -> Option<FlowKey> {
        let flow = FlowKey::new(local, remote)?;
        let free = local.port() != 0 && !self.knows(&flow, commons.table_keys);
        free.then_some(flow)
    }

    pub(crate) fn socket<'s>(
        &'s mut self,
        handle: TcpHandle,
        commons: &'s mut Commons<'a>,
    ) -> Result<TcpSocket<'s, 'a, P>, StaleHandle> {
        let id = self.connections.resolve(handle.0).ok_or(StaleHandle)?;
        Ok(TcpSocket { pool: self, commons, id })
    }
}

/// A connection in hand, borrowed from its stack.
///
/// What is written is sent when the stack is polled; what is read makes room in the window.
pub struct TcpSocket<'s, 'a, P: Profile> {
    pool: &'s mut TcpPool<'a, P>,
    commons: &'s mut Commons<'a>,
    id: Id,
}

impl<'a, P: Profile> TcpSocket<'_, 'a, P> {
    fn with<R>(
        &mut self,
        act: impl FnOnce(&mut Connection<P>, &mut Commons<'a>) -> R,
    ) -> Option<R> {
        self.pool.with(self.id, self.commons, act)
    }

    fn look<R>(&self, otherwise: R, look: impl FnOnce(&Connection<P>) -> R) -> R {
        self.pool.connection(self.id).map_or(otherwise, look)
    }

    /// Queues as much of `data` as there is room for; returns how many octets.
    ///
    /// # Errors
    ///
    /// There is no room now, or nothing may be sent any more. Copies what it queues.
    pub fn write(&mut self, data: &[u8]) -> Result<usize, WriteError> {
        self.pool
            .with_user(self.id, self.commons, User::Writes, |connection, commons| {
                connection.write(data, commons)
            })
            .unwrap_or(Err(WriteError::Closed))
    }

    /// Lets `fill` write into the queue in place. It gets at most the rest of a block and returns
    /// how many octets it wrote.
    ///
    /// # Errors
    ///
    /// As for [`TcpSocket::write`]; `fill` is not called then.
    pub fn write_with(
        &mut self,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<usize, WriteError> {
        let mut fill = Some(fill);
        self.pool
            .with_user(self.id, self.commons, User::Writes, |connection, commons| {
                let mut once = |buffer: &mut [u8]| fill.take().map_or(0, |fill| fill(buffer));
                connection.write_with(&mut once, commons)
            })
            .unwrap_or(Err(WriteError::Closed))
    }

    /// Moves what has arrived into `buffer`; returns how many octets. `Ok(0)` is the end of the
    /// stream (or an empty buffer).
    ///
    /// # Errors
    ///
    /// Nothing is there yet, or the connection was broken off.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        self.pool
            .with_user(self.id, self.commons, User::Reads, |connection, commons| {
                connection.read(buffer, commons)
            })
            .unwrap_or(Err(ReadError::WouldBlock))
    }

    /// Lets `take` look at what has arrived, in place, and returns how many octets it was done
    /// with. An empty slice is the end of the stream.
    ///
    /// # Errors
    ///
    /// As for [`TcpSocket::read`]; `take` is not called then.
    pub fn read_with(&mut self, take: impl FnOnce(&[u8]) -> usize) -> Result<usize, ReadError> {
        let mut take = Some(take);
        self.pool
            .with_user(self.id, self.commons, User::Reads, |connection, commons| {
                let mut once = |octets: &[u8]| take.take().map_or(0, |take| take(octets));
                connection.read_with(&mut once, commons)
            })
            .unwrap_or(Err(ReadError::WouldBlock))
    }

    /// Copies what has arrived and leaves it unread.
    ///
    /// # Errors
    ///
    /// As for [`TcpSocket::read`].
    pub fn peek(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let blocks = &self.commons.blocks;
        match self.pool.connection(self.id) {
            Some(connection) => connection.peek(buffer, blocks),
            None => Err(ReadError::WouldBlock),
        }
    }

    /// A FIN follows what is queued. The handle stays, and reading goes on.
    pub fn close(&mut self) {
        self.with(|connection, commons| connection.close(commons));
    }

    /// Closes one half or both. What arrives for a closed reading half is thrown away.
    pub fn shutdown(&mut self, half: Half) {
        self.with(|connection, commons| connection.shutdown(half, commons));
    }

    /// Breaks the connection off with a reset; what is queued is lost.
    pub fn abort(&mut self) {
        self.with(|connection, commons| connection.abort(commons));
    }

    /// Lets go of the handle: what is queued is still delivered, and the connection ends by
    /// itself. Unread data is answered with a reset (RFC 9293 §3.6.1).
    pub fn release(self) {
        // An orphan lives on by itself, but its handle does not.
        self.pool.connections.disown(self.id);
        self.pool.release(self.id, self.commons);
    }

    /// Marks all that was written and not yet acknowledged as urgent (RFC 9293 §3.8.5): the peer's
    /// user is told that something in the stream is in a hurry, and how far it reaches. The octets
    /// stay where they are. New protocols should not use it (SHLD-13); profiles without `URGENT`
    /// ignore it.
    pub fn mark_urgent(&mut self) {
        self.with(|connection, _| connection.mark_urgent());
    }

    /// How many octets, from the next one to be read on, are urgent; 0 where none is.
    /// [`Readiness::URGENT`](crate::Readiness::URGENT) tells when this grows.
    #[must_use]
    pub fn urgent(&self) -> u32 {
        self.look(0, Connection::urgent)
    }

    /// Changes the Differentiated Services code point of what is sent from now on, 0 to 63 (RFC
    /// 9293 §3.9.1.9, SHLD-21). Segments with different ones may overtake each other: it is best
    /// left alone once data flows (SHLD-23).
    pub fn set_dscp(&mut self, dscp: u8) {
        self.with(|connection, _| connection.set_dscp(dscp));
    }

    /// Switches Nagle's algorithm on or off (RFC 9293 §3.7.4).
    pub fn set_nagle(&mut self, on: bool) {
        self.with(|connection, _| connection.set_nagle(on));
    }

    /// The state of RFC 9293 §3.3.2.
    #[must_use]
    pub fn state(&self) -> State {
        self.look(State::Closed, Connection::state)
    }

    /// Why the connection is over, once it is.
    #[must_use]
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.look(None, Connection::close_reason)
    }

    /// Octets that can be read at once.
    #[must_use]
    pub fn readable(&self) -> u32 {
        self.look(0, Connection::readable)
    }

    /// Octets that the send limit still admits; an exhausted pool may take fewer.
    #[must_use]
    pub fn writable(&self) -> u32 {
        self.look(0, Connection::writable)
    }

    /// Octets written and not acknowledged by the peer.
    #[must_use]
    pub fn send_queue(&self) -> u32 {
        self.look(0, Connection::send_queue)
    }

    /// Whether the peer has acknowledged all that was written, and our FIN if there is one.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.look(true, Connection::is_flushed)
    }

    /// Our endpoint.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.look(FlowKey::EMPTY, |connection| *connection.flow()).local()
    }

    /// The peer's endpoint.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        self.look(FlowKey::EMPTY, |connection| *connection.flow()).remote()
    }

    /// What the connection knows about its path, for people and tools.
    #[must_use]
    pub fn info(&self) -> Option<Info> {
        self.pool.connection(self.id).map(Connection::info)
    }
}
