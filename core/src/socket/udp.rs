//! UDP sockets: datagrams queued whole, each behind the flow it belongs to.
//!
//! A queue is the same byte queue as TCP's. In it a datagram is a frame: the flow's octets, the
//! length of the payload (two octets, big-endian), the payload.

use core::marker::PhantomData;
use core::net::{IpAddr, SocketAddr};

use managed::ManagedSlice;

use crate::counters::{DropReason, count};
use crate::flow::{FLOW_BYTES, FlowKey};
use crate::profile::{IndexOf, LineOf, Profile};
use crate::readiness::Readiness;
use crate::storage::block_pool::{BlockPool, Credit};
use crate::storage::hash_table::{Index, chained};
use crate::storage::list::{Line, Links, linked};
use crate::storage::policy::AllocationPolicy;
use crate::storage::queue::Queue;
use crate::storage::slab::{Slab, Slot};
use crate::storage::stream::Stream;
use crate::storage::{Empty, Id};
use crate::waker::{DatagramWaiters, WakerSlot};

use super::demux::{Bound, EPHEMERAL_COUNT, EPHEMERAL_FIRST, find_bound, port_hash};
use super::tcp_slots::News;
#[cfg(feature = "ethernet")]
use super::turns::ParkingSlot;
use super::turns::{Egress, Turns, turn};
use super::{Commons, Handle, Route, StaleHandle, UdpHandle};

/// Octets of a frame before its payload.
const FRAME_HEADER: usize = FLOW_BYTES + 2;

/// How a socket is bound.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct UdpConfig {
    /// Only this address of ours; `None` for all.
    pub address: Option<IpAddr>,
    /// The port; 0 for an ephemeral one.
    pub port: u16,
    /// The most that waits to be read, octets, with 38 (IPv4 only: 14) more for each datagram.
    pub receive_limit: u32,
    /// The most that waits to be sent, counted likewise.
    pub send_limit: u32,
}

impl UdpConfig {
    /// Bound to a port on all addresses, with 8 KiB each way.
    #[must_use]
    pub const fn new(port: u16) -> Self {
        Self { address: None, port, receive_limit: 8192, send_limit: 8192 }
    }
}

error_enum! {
    /// Why a socket could not be bound.
    BindError {
        /// Another socket has the port on this address, or none is free.
        InUse => "the port is taken by another socket",
        /// The socket pool is exhausted, or the block pool cannot promise what the socket is sure
        /// to have: both limits with reserved memory, else a datagram to send.
        NoMemory => "no UDP slot or block is free",
    }
}

error_enum! {
    /// Why nothing was received.
    RecvError {
        /// No datagram is waiting.
        WouldBlock => "no datagram is waiting",
    }
}

error_enum! {
    /// Why a datagram was not queued.
    SendError {
        /// The queue or the pool is full.
        WouldBlock => "the send queue is full",
        /// It does not fit an unfragmented packet, or never fits the queue.
        TooLong => "the datagram is longer than the link or the queue takes",
        /// There is no local address to send it from, that of the socket was removed, or the
        /// datagram has no port to go to.
        Unaddressable => "no local address to send from, or no port to send to",
    }
}

/// What was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Datagram {
    /// Octets put into the buffer.
    pub len: usize,
    /// Octets that the datagram had; more than `len` where the buffer was too short.
    pub full_len: usize,
    /// Who sent it.
    pub source: SocketAddr,
    /// Which address of ours it was sent to.
    pub destination: IpAddr,
}

/// A queue of frames.
///
/// Blocks for `reserved` bytes are promised to the queue at all times, with the bytes that wait in
/// it counted. A reservation is stated for a queue that begins with a block: an empty queue, which
/// holds none, is moved there.
#[derive(Debug)]
struct FrameQueue {
    queue: Queue,
    limit: u32,
    reserved: u32,
}

impl FrameQueue {
    const EMPTY: Self = Self { queue: Queue::EMPTY, limit: 0, reserved: 0 };

    /// Begins with room for `limit` bytes, of which `reserved` are promised at once.
    fn start(&mut self, limit: u32, reserved: u32, blocks: &mut BlockPool<'_>) -> Option<()> {
        self.limit = limit.min(Queue::window_max(blocks.block_size()));
        self.reserved = reserved.min(self.limit);
        (self.queue.cover(blocks, self.reserved) == self.reserved).then_some(())
    }

    fn fits(&self, payload: usize) -> bool {
        payload.saturating_add(FRAME_HEADER) <= self.limit as usize
    }

    /// Queues a whole datagram or nothing.
    fn push(&mut self, flow: &FlowKey, payload: &[u8], blocks: &mut BlockPool<'_>) -> bool {
        let total = payload.len().saturating_add(FRAME_HEADER);
        let (Ok(len), used) = (u16::try_from(payload.len()), self.queue.len()) else {
            return false;
        };
        if total > self.limit.saturating_sub(used) as usize {
            return false;
        }
        let parts: [&[u8]; 3] = [&flow.to_bytes(), &len.to_be_bytes(), payload];
        let mut at = used;
        for part in parts {
            if self.queue.write_at(blocks, at, part) < part.len() {
                self.queue.discard_from(blocks, used);
                // The blocks that were taken against the promise are free again.
                self.queue.cover(blocks, self.reserved);
                return false;
            }
            at = at.wrapping_add(part.len() as u32);
        }
        self.queue.commit(total as u32);
        true
    }

    /// The flow and the payload's length of the first frame.
    fn first(&self, blocks: &BlockPool<'_>) -> Option<(FlowKey, u32)> {
        let mut flow = [0; FLOW_BYTES];
        let mut len = [0; 2];
        let got = self.queue.read_at(blocks, 0, &mut flow);
        let more = self.queue.read_at(blocks, FLOW_BYTES as u32, &mut len);
        (got == FLOW_BYTES && more == len.len())
            .then(|| (FlowKey::from_bytes(&flow), u32::from(u16::from_be_bytes(len))))
    }

    fn pop(&mut self, blocks: &mut BlockPool<'_>) {
        let Some((_, len)) = self.first(blocks) else { return };
        self.queue.consume_and_keep(blocks, len.saturating_add(FRAME_HEADER as u32));
        if self.queue.is_empty() {
            let credit = core::mem::replace(self.queue.credit_mut(), Credit::EMPTY);
            self.queue = Queue::EMPTY;
            *self.queue.credit_mut() = credit;
        }
        self.queue.cover(blocks, self.reserved);
    }
}

/// What a UDP socket remembers.
#[derive(Debug)]
struct Socket {
    bound: Bound,
    received: FrameQueue,
    to_send: FrameQueue,
    writer_waits: bool,
    /// What waits for a neighbour on the link gives way to what is behind it.
    #[cfg(feature = "ethernet")]
    hurries: bool,
    readiness: Readiness,
}

impl Socket {
    const EMPTY: Self = Self {
        bound: Bound::EMPTY,
        received: FrameQueue::EMPTY,
        to_send: FrameQueue::EMPTY,
        writer_waits: false,
        #[cfg(feature = "ethernet")]
        hurries: false,
        readiness: Readiness::NONE,
    };

    fn bound(&self) -> &Bound {
        &self.bound
    }
}

/// A UDP socket and its places.
#[derive(Debug)]
pub struct UdpSlot<W> {
    socket: Socket,
    chain: Option<Id>,
    egress: Links,
    #[cfg(feature = "ethernet")]
    parked_in: Option<Id>,
    news: Links,
    /// Tasks that wait for it.
    pub waiters: DatagramWaiters<W>,
}

impl<W: WakerSlot> Empty for UdpSlot<W> {
    const EMPTY: Self = Self {
        socket: Socket::EMPTY,
        chain: None,
        egress: Links::EMPTY,
        #[cfg(feature = "ethernet")]
        parked_in: None,
        news: Links::EMPTY,
        waiters: DatagramWaiters::EMPTY,
    };
}

chained!([W: WakerSlot] UdpSlot<W>, socket.bound(): Bound);
linked!([W: WakerSlot] UdpSlot<W>, egress: Egress);
turn!([W: WakerSlot] UdpSlot<W>);
linked!([W: WakerSlot] UdpSlot<W>, news: News);

/// The memory of a [`UdpPool`].
pub struct UdpStorage<'a, P: Profile> {
    /// One for each socket.
    pub sockets: ManagedSlice<'a, Slot<UdpSlot<P::Waker>>>,
    /// As many heads as sockets, or one for linear tables.
    pub heads: ManagedSlice<'a, Option<Id>>,
    /// Lists of sockets that wait for a neighbour: as many as neighbours.
    #[cfg(feature = "ethernet")]
    pub parked: ManagedSlice<'a, ParkingSlot<P>>,
}

/// All UDP sockets.
pub struct UdpPool<'a, P: Profile> {
    pub(super) sockets: Slab<'a, UdpSlot<P::Waker>>,
    by_port: IndexOf<'a, P>,
    egress: Turns<'a, P>,
    news: LineOf<P, News>,
    /// How many ephemeral ports were drawn.
    draws: u32,
    profile: PhantomData<fn() -> P>,
}

impl<'a, P: Profile> UdpPool<'a, P> {
    /// A pool over storage that is all [`Empty`].
    #[must_use]
    pub fn new(storage: UdpStorage<'a, P>) -> Self {
        Self {
            sockets: Slab::new(storage.sockets),
            by_port: Index::new(storage.heads),
            egress: Turns::new(
                #[cfg(feature = "ethernet")]
                storage.parked,
            ),
            news: Empty::EMPTY,
            draws: 0,
            profile: PhantomData,
        }
    }

    /// How many sockets there can be.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.sockets.capacity()
    }

    /// Sockets in use.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Whether no socket is in use.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    pub(crate) fn bind(
        &mut self,
        config: &UdpConfig,
        commons: &mut Commons<'a>,
    ) -> Result<UdpHandle, BindError> {
        let bound = self.free_bound(config, commons).ok_or(BindError::InUse)?;
        let id = self.sockets.acquire().ok_or(BindError::NoMemory)?;
        let slot = self.sockets.get_mut(id).ok_or(BindError::NoMemory)?;
        slot.socket.bound = bound;
        // With reserved memory all that may wait is promised at once. Without, the longest datagram
        // that fits the link is: a writer that finds no block has some datagram in its queue, and
        // hears when that has left. Decision 0102.
        let (receives, sends) = match commons.policy {
            AllocationPolicy::Reserved => (u32::MAX, u32::MAX),
            AllocationPolicy::Overcommit => {
                (0, u32::from(commons.mtu_most).saturating_add(FRAME_HEADER as u32))
            }
        };
        let blocks = &mut commons.blocks;
        let started = slot
            .socket
            .received
            .start(config.receive_limit, receives, blocks)
            .and_then(|()| slot.socket.to_send.start(config.send_limit, sends, blocks));
        let hash = port_hash::<P>(commons.table_keys, bound.port());
        self.by_port.insert(&mut self.sockets, hash, id);
        if started.is_none() {
            self.free(id, commons);
            return Err(BindError::NoMemory);
        }
        self.sockets.key(id).map(UdpHandle).ok_or(BindError::NoMemory)
    }

    fn free_bound(&mut self, config: &UdpConfig, commons: &Commons<'a>) -> Option<Bound> {
        let start = if config.port == 0 { self.draw_port(commons) } else { 0 };
        let mut is_free = |port| {
            let bound = Bound::new(config.address, port);
            let hash = port_hash::<P>(commons.table_keys, port);
            self.by_port.find(&self.sockets, hash, &bound).is_none().then_some(bound)
        };
        match config.port {
            0 => (0..EPHEMERAL_COUNT).find_map(|step| {
                is_free(EPHEMERAL_FIRST.saturating_add(start.wrapping_add(step) % EPHEMERAL_COUNT))
            }),
            port => is_free(port),
        }
    }

    /// RFC 6056 §3.3.1: where the search for a free port begins. Each draw is a keyed hash of its
    /// number and the time, so that neither earlier ports nor the time tell it.
    fn draw_port(&mut self, commons: &Commons<'a>) -> u16 {
        self.draws = self.draws.wrapping_add(1);
        let now = commons.now.micros();
        let numbers = [now as u32, (now >> 32) as u32, self.draws];
        let [start, ..] = commons.secret.hash(b"udpp", numbers, &FlowKey::EMPTY);
        start as u16
    }

    fn free(&mut self, id: Id, commons: &mut Commons<'a>) {
        let Some(slot) = self.sockets.get_mut(id) else { return };
        slot.socket.received.queue.clear(&mut commons.blocks);
        slot.socket.to_send.queue.clear(&mut commons.blocks);
        let hash = port_hash::<P>(commons.table_keys, slot.socket.bound.port());
        self.by_port.remove(&mut self.sockets, hash, id);
        self.egress.remove(&mut self.sockets, id);
        self.news.remove(&mut self.sockets, id);
        self.sockets.release(id);
    }

    /// A datagram has arrived, its checksum verified. Returns whether anybody is bound to it.
    pub fn on_datagram(
        &mut self,
        flow: &FlowKey,
        payload: &[u8],
        commons: &mut Commons<'a>,
    ) -> bool {
        let keys = commons.table_keys;
        let Some(id) = find_bound::<P, _>(&mut self.by_port, &self.sockets, keys, flow) else {
            return false;
        };
        let Some(slot) = self.sockets.get_mut(id) else { return false };
        if slot.socket.received.push(flow, payload, &mut commons.blocks) {
            count!(commons.counters, datagrams_in);
            slot.socket.readiness |= Readiness::READABLE;
            self.news.push_back(&mut self.sockets, id);
        } else {
            commons.counters.drop(DropReason::QueueFull);
        }
        true
    }

    /// The first datagram to leave: its flow, and where its payload lies.
    #[must_use]
    pub fn next_departure(&self, blocks: &BlockPool<'a>) -> Option<(Id, FlowKey, u32)> {
        let id = self.egress.first()?;
        let (flow, len) = self.sockets.get(id)?.socket.to_send.first(blocks)?;
        Some((id, flow, len))
    }

    /// The queue of a departure, and the offset of the payload in it.
    #[must_use]
    pub fn departing(&self, id: Id) -> Option<(&Queue, u32)> {
        self.sockets.get(id).map(|slot| (&slot.socket.to_send.queue, FRAME_HEADER as u32))
    }

    /// The first datagram of a socket waits for a neighbour on the link. Returns false where it is
    /// not to wait: others behind it are for somebody else.
    #[cfg(feature = "ethernet")]
    pub fn park(&mut self, id: Id, place: usize, blocks: &BlockPool<'a>) -> bool {
        let Some(slot) = self.sockets.get_mut(id) else { return true };
        let to_send = &slot.socket.to_send;
        let len = to_send.first(blocks).map_or(0, |(_, len)| len);
        let is_last = to_send.queue.len() <= len.saturating_add(FRAME_HEADER as u32);
        if slot.socket.hurries && !is_last {
            return false;
        }
        slot.socket.hurries = false;
        self.egress.park(&mut self.sockets, id, place);
        true
    }

    /// Those who wait for a neighbour take their turns again.
    #[cfg(feature = "ethernet")]
    pub fn unpark(&mut self, place: usize) {
        self.egress.unpark(&mut self.sockets, place);
    }

    /// A datagram for `remote` was queued. Where others wait for a neighbour that this one has no
    /// need of, they are tried a last time and give way: no peer holds up the rest by being
    /// silent. RFC 1122 §2.3.2.2: at least the latest is kept.
    #[cfg(feature = "ethernet")]
    fn hurry(&mut self, id: Id, remote: IpAddr, blocks: &BlockPool<'a>) {
        if !self.egress.is_parked(&mut self.sockets, id) {
            return;
        }
        let Some(slot) = self.sockets.get_mut(id) else { return };
        let first = slot.socket.to_send.first(blocks);
        if first.is_some_and(|(flow, _)| flow.remote().ip() != remote) {
            slot.socket.hurries = true;
            self.egress.remove(&mut self.sockets, id);
        }
    }

    /// The first datagram of a socket has left, or is dropped.
    pub fn on_departed(&mut self, id: Id, commons: &mut Commons<'a>) {
        self.egress.pass(&mut self.sockets, id);
        let Some(slot) = self.sockets.get_mut(id) else { return };
        slot.socket.to_send.pop(&mut commons.blocks);
        let more = !slot.socket.to_send.queue.is_empty();
        #[cfg(feature = "ethernet")]
        {
            slot.socket.hurries &= more;
        }
        let woken = core::mem::take(&mut slot.socket.writer_waits);
        if woken {
            slot.socket.readiness |= Readiness::WRITABLE;
            self.news.push_back(&mut self.sockets, id);
        }
        if more {
            self.egress.push_back(&mut self.sockets, id);
        }
    }

    /// Whether anything waits to leave.
    #[must_use]
    pub fn has_departures(&self) -> bool {
        !self.egress.is_empty()
    }

    /// The next socket with news.
    pub fn next_event(&mut self) -> Option<(Handle, Readiness)> {
        let id = self.news.pop_front(&mut self.sockets)?;
        let handle = UdpHandle(self.sockets.key(id)?);
        let slot = self.sockets.get_mut(id)?;
        Some((Handle::Udp(handle), core::mem::take(&mut slot.socket.readiness)))
    }

    pub(crate) fn socket<'s>(
        &'s mut self,
        handle: UdpHandle,
        route: &'s dyn Route,
        commons: &'s mut Commons<'a>,
    ) -> Result<UdpSocket<'s, 'a, P>, StaleHandle> {
        let id = self.sockets.resolve(handle.0).ok_or(StaleHandle)?;
        Ok(UdpSocket { pool: self, route, commons, id })
    }
}

/// A UDP socket in hand, borrowed from its stack.
pub struct UdpSocket<'s, 'a, P: Profile> {
    pool: &'s mut UdpPool<'a, P>,
    route: &'s dyn Route,
    commons: &'s mut Commons<'a>,
    id: Id,
}

impl<'a, P: Profile> UdpSocket<'_, 'a, P> {
    /// Takes the oldest datagram. What does not fit into `buffer` is lost; `full_len` tells.
    ///
    /// # Errors
    ///
    /// None is waiting.
    pub fn recv_from(&mut self, buffer: &mut [u8]) -> Result<Datagram, RecvError> {
        let slot = self.pool.sockets.get_mut(self.id).ok_or(RecvError::WouldBlock)?;
        let blocks = &mut self.commons.blocks;
        let received = &mut slot.socket.received;
        let (flow, full_len) = received.first(blocks).ok_or(RecvError::WouldBlock)?;
        let full_len = full_len as usize;
        let len = full_len.min(buffer.len());
        let wanted = buffer.get_mut(..len).unwrap_or(&mut []);
        let len = received.queue.read_at(blocks, FRAME_HEADER as u32, wanted);
        received.pop(blocks);
        let (source, destination) = (flow.remote(), flow.local().ip());
        Ok(Datagram { len, full_len, source, destination })
    }

    /// Who sent the oldest datagram; `None` where none is waiting.
    #[must_use]
    pub fn source(&self) -> Option<SocketAddr> {
        let slot = self.pool.sockets.get(self.id)?;
        slot.socket.received.first(&self.commons.blocks).map(|(flow, _)| flow.remote())
    }

    /// Queues a datagram, whole.
    ///
    /// # Errors
    ///
    /// There is no room now, or there never will be, or nobody can be reached at this address.
    pub fn send_to(&mut self, payload: &[u8], remote: SocketAddr) -> Result<(), SendError> {
        let slot = self.pool.sockets.get(self.id).ok_or(SendError::Unaddressable)?;
        let source = match slot.socket.bound.address() {
            Some(bound) => Some(bound).filter(|bound| self.route.owns(*bound)),
            None => self.route.source_for(remote.ip()),
        };
        let source = source.ok_or(SendError::Unaddressable)?;
        self.send_from(payload, source, remote)
    }

    /// Queues a datagram that gives `source` as its sender, whoever that may be.
    pub(crate) fn send_from(
        &mut self,
        payload: &[u8],
        source: IpAddr,
        remote: SocketAddr,
    ) -> Result<(), SendError> {
        let slot = self.pool.sockets.get_mut(self.id).ok_or(SendError::Unaddressable)?;
        let local = SocketAddr::new(source, slot.socket.bound.port());
        let flow = FlowKey::new(local, remote).ok_or(SendError::Unaddressable)?;
        if remote.port() == 0 {
            return Err(SendError::Unaddressable);
        }
        let headers = if remote.is_ipv4() { 28usize } else { 48 };
        let fits_link = payload.len().saturating_add(headers) <= usize::from(self.commons.mtu);
        let to_send = &mut slot.socket.to_send;
        if !fits_link || !to_send.fits(payload.len()) {
            return Err(SendError::TooLong);
        }
        if !to_send.push(&flow, payload, &mut self.commons.blocks) {
            slot.socket.writer_waits = true;
            return Err(SendError::WouldBlock);
        }
        #[cfg(feature = "ethernet")]
        self.pool.hurry(self.id, remote.ip(), &self.commons.blocks);
        self.pool.egress.push_back(&mut self.pool.sockets, self.id);
        Ok(())
    }

    /// Whether all that was queued has left. Where it has not, `WRITABLE` tells when to ask again.
    pub fn is_flushed(&mut self) -> bool {
        let Some(slot) = self.pool.sockets.get_mut(self.id) else { return true };
        let flushed = slot.socket.to_send.queue.is_empty();
        slot.socket.writer_waits |= !flushed;
        flushed
    }

    /// The port it is bound to.
    #[must_use]
    pub fn local_port(&self) -> u16 {
        self.pool.sockets.get(self.id).map_or(0, |slot| slot.socket.bound.port())
    }

    /// Closes the socket; what is still queued is lost.
    pub fn close(self) {
        self.pool.free(self.id, self.commons);
    }
}
