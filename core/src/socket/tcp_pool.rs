//! All of TCP's records: connections, listeners, half-open and TIME-WAIT, with the lists and
//! deadlines that find the next one to act without a walk over the rest.
//!
//! Segments and time come in from `stack`, calls of the user through `socket::tcp`; handshakes that
//! peers begin are in `tcp_handshakes`. Whatever has touched a connection ends in
//! [`TcpPool::settle`], which files it where it belongs now; what the user reads and writes only
//! makes it take its turn.

use crate::counters::{DropReason, count};
use crate::flow::{FlowKey, Ip};
use crate::profile::{DeadlinesOf, IndexOf, LineOf, Profile};
use crate::readiness::Readiness;
use crate::seq::SeqNum;
use crate::storage::block_pool::BlockPool;
use crate::storage::deadlines::Deadlines;
use crate::storage::hash_table::Index;
use crate::storage::list::{Line, List};
use crate::storage::policy::AllocationPolicy;
use crate::storage::slab::{Key, Slab};
use crate::storage::stream::Stream;
use crate::storage::{Empty, Id};
use crate::tcp::arrives::Verdict;
use crate::tcp::bare::Bare;
use crate::tcp::connection::{Connection, PathReport};
use crate::tcp::departs::{Plan, Urgency};
use crate::tcp::listener::HalfOpen;
use crate::tcp::segment::{Segment, text_len};
use crate::tcp::state::State;
use crate::tcp::time_wait;
use crate::time::Due;
use crate::trace::{Event, Observer};
use crate::waker::WakerSlot;
use crate::wire::tcp::Flags;

use super::demux::flow_hash;
use super::tcp_slots::{
    Backlog, ConnectionSlot, Early, Expiry, HalfOpenSlot, ListenerSlot, News, TcpStorage,
    TimeWaitSlot,
};
use super::turns::{Egress, Turns};
use super::{Commons, Handle, ListenerHandle, TcpHandle};

/// Who listens.
pub(super) type Listeners<'a, P> = Slab<'a, ListenerSlot<P>>;

/// All of TCP's records.
pub struct TcpPool<'a, P: Profile> {
    pub(super) connections: Slab<'a, ConnectionSlot<P>>,
    by_flow: IndexOf<'a, P>,
    deadlines: DeadlinesOf<'a, P>,
    pub(super) half_open: Slab<'a, HalfOpenSlot>,
    pub(super) half_open_by_flow: IndexOf<'a, P>,
    pub(super) half_open_deadlines: DeadlinesOf<'a, P>,
    time_wait: Slab<'a, TimeWaitSlot>,
    time_wait_by_flow: IndexOf<'a, P>,
    expiry: List<Expiry>,
    pub(super) listeners: Listeners<'a, P>,
    pub(super) by_port: IndexOf<'a, P>,
    egress: Turns<'a, P>,
    pub(super) half_open_egress: LineOf<P, Egress>,
    news: LineOf<P, News>,
    early: LineOf<P, Early>,
    /// Connections whose handle is released; used where there are records.
    pub(super) orphans: LineOf<P, Backlog>,
    pub(super) listener_news: LineOf<P, News>,
    /// What a connection of ours does before its SYN is answered: there once one was opened, so
    /// that an image which never opens any does without.
    pub(super) in_syn_sent: Option<InSynSent<P>>,
}

/// [`Connection::on_segment_in_syn_sent`].
type InSynSent<P> = fn(&mut Connection<P>, &mut Segment<'_>, &mut Commons<'_>) -> Verdict;

/// How far behind an old connection's numbers those of the one that takes its place begin.
const REUSE_GAP: u32 = 0x1_0000;

/// What may have changed in a connection.
#[derive(Debug, Clone, Copy)]
struct Changed {
    /// What the timers of the sender wait for.
    timers: bool,
    /// What its user should look at, or what it holds behind a hole.
    news: bool,
}

/// What the user of a connection does with its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum User {
    Reads,
    Writes,
}

/// How many records of each kind are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TcpUsage {
    /// Connections.
    pub connections: usize,
    /// Handshakes that peers have begun.
    pub half_open: usize,
    /// Connections that nobody holds and of which only TIME-WAIT is left.
    pub time_wait: usize,
    /// Listeners.
    pub listeners: usize,
}

impl<'a, P: Profile> TcpPool<'a, P> {
    /// A pool over storage that is all [`Empty`].
    #[must_use]
    pub fn new(storage: TcpStorage<'a, P>) -> Self {
        Self {
            connections: Slab::new(storage.connections),
            by_flow: Index::new(storage.connection_heads),
            deadlines: Deadlines::new(storage.connection_deadlines),
            half_open: Slab::new(storage.half_open),
            half_open_by_flow: Index::new(storage.half_open_heads),
            half_open_deadlines: Deadlines::new(storage.half_open_deadlines),
            time_wait: Slab::new(storage.time_wait),
            time_wait_by_flow: Index::new(storage.time_wait_heads),
            expiry: Empty::EMPTY,
            listeners: Slab::new(storage.listeners),
            by_port: Index::new(storage.listener_heads),
            egress: Turns::new(
                #[cfg(feature = "ethernet")]
                storage.parked,
            ),
            half_open_egress: Empty::EMPTY,
            news: Empty::EMPTY,
            early: Empty::EMPTY,
            orphans: Empty::EMPTY,
            listener_news: Empty::EMPTY,
            in_syn_sent: None,
        }
    }

    /// How many records of each kind are in use. Where handshakes and TIME-WAIT take the slots of
    /// connections it walks over these.
    #[must_use]
    pub fn usage(&self) -> TcpUsage {
        let (mut half_open, mut time_wait) = (self.half_open.len(), self.time_wait.len());
        let mut connections = self.connections.len();
        if !P::RECORDS {
            for (_, slot) in self.connections.iter() {
                half_open = half_open.wrapping_add(usize::from(slot.connection.is_embryo()));
                time_wait = time_wait.wrapping_add(usize::from(slot.connection.only_waits()));
            }
            connections = connections.saturating_sub(half_open).saturating_sub(time_wait);
        }
        TcpUsage { connections, half_open, time_wait, listeners: self.listeners.len() }
    }

    /// How many slots there are of the kind that has the most, of those that stand in lines.
    #[must_use]
    pub fn slots_max(&self) -> usize {
        let connections = self.connections.capacity();
        connections.max(self.half_open.capacity()).max(self.listeners.capacity())
    }

    /// The most connections that there can be.
    #[must_use]
    pub fn connections_max(&self) -> usize {
        self.connections.capacity()
    }

    /// The connection in a slot.
    #[must_use]
    pub fn connection(&self, id: Id) -> Option<&Connection<P>> {
        self.connections.get(id).map(|slot| &slot.connection)
    }

    /// The record of a handshake that a peer has begun.
    #[must_use]
    pub fn half_open(&self, id: Id) -> Option<&HalfOpen> {
        self.half_open.get(id).map(|slot| &slot.record)
    }

    /// Lets `act` work on a connection, then files it anew.
    pub fn with<R>(
        &mut self,
        id: Id,
        commons: &mut Commons<'a>,
        act: impl FnOnce(&mut Connection<P>, &mut Commons<'a>) -> R,
    ) -> Option<R> {
        let slot = self.connections.listed_mut(id)?;
        let result = act(&mut slot.connection, commons);
        self.settle(id, commons);
        Some(result)
    }

    /// Lets `act` read from a connection or write to it; it returns how many bytes. That changes
    /// nothing but the data that the connection has to send: it takes its turn if bytes were queued
    /// or a window update is pending, and its timers are settled when that turn has come.
    pub(super) fn with_user<E>(
        &mut self,
        id: Id,
        commons: &mut Commons<'a>,
        user: User,
        act: impl FnOnce(&mut Connection<P>, &mut Commons<'a>) -> Result<usize, E>,
    ) -> Option<Result<usize, E>> {
        let slot = self.connections.listed_mut(id)?;
        let result = act(&mut slot.connection, commons);
        let has_queued = user == User::Writes && result.as_ref().is_ok_and(|bytes| *bytes > 0);
        if has_queued || slot.connection.owes_update() {
            let urgency = slot.connection.urgency(commons);
            self.take_turn(id, urgency);
        }
        Some(result)
    }

    /// The user lets go of a connection. If that does not end it, it takes a turn, in which its
    /// timers are settled: a user call does not know the time.
    pub(super) fn release(&mut self, id: Id, commons: &mut Commons<'a>) {
        let Some(slot) = self.connections.listed_mut(id) else { return };
        slot.connection.release(commons);
        if slot.connection.may_end() {
            return self.settle(id, commons);
        }
        if P::RECORDS {
            self.orphans.push_back(&mut self.connections, id);
        }
        self.take_turn(id, Urgency::InTurn);
    }

    /// Files a connection where it belongs now: its deadline, the lists, its end.
    // Called from several places: one copy in an image is enough.
    #[inline(never)]
    pub fn settle(&mut self, id: Id, commons: &mut Commons<'a>) {
        self.settle_some(id, Changed { timers: true, news: true }, commons);
    }

    /// As [`TcpPool::settle`], as far as there is need.
    fn settle_some(&mut self, id: Id, changed: Changed, commons: &mut Commons<'a>) {
        let Some(slot) = self.connections.listed_mut(id) else { return };
        if changed.timers {
            slot.connection.settle_timers(commons.now);
        }
        if slot.connection.may_end() && self.retire(id, commons) {
            return;
        }
        let Some(slot) = self.connections.listed(id) else { return };
        let connection = &slot.connection;
        let urgency = connection.urgency(commons);
        self.deadlines.refile(id, connection.next_due());
        if changed.news {
            self.file_news(id, commons);
        }
        self.take_turn(id, urgency);
    }

    /// Files a connection among those that its user should look at, and those that hold text
    /// behind a hole.
    fn file_news(&mut self, id: Id, commons: &mut Commons<'a>) {
        let Some(slot) = self.connections.listed(id) else { return };
        let connection = &slot.connection;
        // One that waits for the peer to have everything is told when it has.
        let flushed = slot.waiters.flusher.is_waiting() && connection.is_flushed();
        let has_news = connection.has_news() || flushed;
        let holds_early = connection.holds_early();
        if has_news {
            self.news.push_back(&mut self.connections, id);
        }
        self.file_early(id, holds_early, commons);
    }

    /// A connection takes its turn to send.
    // Called from several places: one copy in an image is enough.
    #[inline(never)]
    fn take_turn(&mut self, id: Id, urgency: Urgency) {
        match urgency {
            Urgency::None => {}
            Urgency::InTurn => self.egress.push_back(&mut self.connections, id),
            // These must leave before the connection's next arrival.
            Urgency::First => self.egress.push_front(&mut self.connections, id),
        }
    }

    /// The protocol is done with a connection, or only waits. Whether its slot came free.
    #[cold]
    #[inline(never)]
    fn retire(&mut self, id: Id, commons: &mut Commons<'a>) -> bool {
        let Some(slot) = self.connections.get(id) else { return true };
        let connection = &slot.connection;
        if connection.is_done() {
            self.free(id, commons);
            return true;
        }
        if let Some(record) = connection.to_time_wait(commons.now + commons.time_wait) {
            let entry = TimeWaitSlot::new(record);
            self.free(id, commons);
            self.enter_time_wait(entry, commons);
            return true;
        }
        if connection.leaves_flow() {
            let hash = flow_hash::<P>(commons.table_keys, connection.flow());
            self.by_flow.remove(&mut self.connections, hash, id);
        }
        false
    }

    /// Files a connection among those that hold text behind a hole, or takes it out.
    fn file_early(&mut self, id: Id, holds_early: bool, commons: &mut Commons<'a>) {
        if !P::PRUNING {
            return;
        }
        if holds_early {
            self.early.push_back(&mut self.connections, id);
        } else {
            self.early.remove(&mut self.connections, id);
        }
        // Each of them has a block of it at least, as a rule.
        commons.blocks.set_reclaimable(self.early.len());
    }

    /// Takes a connection out of every table and list and frees its slot.
    pub(super) fn free(&mut self, id: Id, commons: &mut Commons<'a>) {
        let Some(slot) = self.connections.get_mut(id) else { return };
        slot.connection.dismantle(commons);
        let hash = flow_hash::<P>(commons.table_keys, slot.connection.flow());
        self.by_flow.remove(&mut self.connections, hash, id);
        self.deadlines.set(id, Due::NEVER);
        self.egress.remove(&mut self.connections, id);
        self.news.remove(&mut self.connections, id);
        self.file_early(id, false, commons);
        if P::RECORDS {
            self.orphans.remove(&mut self.connections, id);
        }
        self.connections.release(id);
        self.keep_back(&mut commons.blocks);
    }

    /// The first connections leave the later ones a block each way. Returns how many blocks these
    /// will want.
    pub fn keep_back(&self, pool: &mut BlockPool<'_>) -> u32 {
        let free = self.connections.capacity().wrapping_sub(self.connections.len());
        // Where a `usize` has 32 bits there are fewer than 2¹⁶ slots.
        let blocks = free.wrapping_mul(2).min(u32::MAX as usize) as u32;
        pool.keep_back(blocks);
        blocks
    }

    /// Keeps a TIME-WAIT record; where there is no room the oldest goes (RFC 9293 §3.6.1 wants
    /// 2 MSL: a pool that is large enough keeps to it).
    fn enter_time_wait(&mut self, entry: TimeWaitSlot, commons: &mut Commons<'a>) {
        if self.time_wait.is_full()
            && let Some(oldest) = self.expiry.first()
        {
            self.leave_time_wait(oldest, commons);
        }
        let hash = flow_hash::<P>(commons.table_keys, entry.record.flow());
        let Some(id) = self.time_wait.acquire() else { return };
        if let Some(slot) = self.time_wait.get_mut(id) {
            *slot = entry;
        }
        self.time_wait_by_flow.insert(&mut self.time_wait, hash, id);
        self.expiry.push_back(&mut self.time_wait, id);
    }

    fn leave_time_wait(&mut self, id: Id, commons: &Commons<'a>) {
        let Some(slot) = self.time_wait.get(id) else { return };
        let hash = flow_hash::<P>(commons.table_keys, slot.record.flow());
        self.time_wait_by_flow.remove(&mut self.time_wait, hash, id);
        self.expiry.remove(&mut self.time_wait, id);
        self.time_wait.release(id);
    }

    /// A segment has arrived, its checksum verified. Returns the answer that needs no connection,
    /// if one is due.
    pub fn on_segment(
        &mut self,
        flow: &FlowKey,
        segment: &mut Segment<'_>,
        commons: &mut Commons<'a>,
    ) -> Option<Bare> {
        count!(commons.counters, segments_in);
        let last = self.by_flow.last(&self.connections, flow);
        let hash = if last.is_some() { 0 } else { flow_hash::<P>(commons.table_keys, flow) };
        if let Some(id) = last.or_else(|| self.by_flow.find(&self.connections, hash, flow)) {
            if !P::RECORDS
                && segment.has(Flags::SYN)
                && let Some(beyond) = self.connections.listed(id)?.connection.gives_way(segment)
                && let Some(listener) = self.listener_of(flow, commons)
            {
                self.free(id, commons);
                return self.begin(flow, segment, listener, Some(beyond + REUSE_GAP), commons);
            }
            return self.connection_segment(id, segment, commons);
        }
        if P::RECORDS
            && let Some(id) = self.half_open_by_flow.find(&self.half_open, hash, flow)
        {
            return self.half_open_segment(id, segment, commons);
        }
        if P::RECORDS
            && let Some(id) = self.time_wait_by_flow.find(&self.time_wait, hash, flow)
        {
            return self.time_wait_segment(id, segment, commons);
        }
        self.knock(flow, segment, commons)
    }

    pub(super) fn connection_segment(
        &mut self,
        id: Id,
        segment: &mut Segment<'_>,
        commons: &mut Commons<'a>,
    ) -> Option<Bare> {
        let may_hatch = self.connections.listed(id)?.connection.is_embryo();
        if may_hatch && self.finds_no_place(id, segment) {
            commons.counters.drop(DropReason::QueueFull);
            return None;
        }
        let mut verdict = self.judge(id, segment, commons)?;
        if may_hatch {
            self.hatch(id, commons);
        }
        // What follows `seq` of a segment that found no room is all there still.
        if P::PRUNING
            && verdict == Verdict::Dropped(DropReason::NoMemory)
            && self.may_prune(segment, commons)
            && self.connections.get(id)?.connection.cut_taken(segment)
        {
            self.prune(text_len(segment.text), commons);
            verdict = self.judge(id, segment, commons)?;
        }
        match verdict {
            Verdict::Accepted | Verdict::Ended => None,
            Verdict::Dropped(reason) => {
                commons.counters.drop(reason);
                None
            }
            Verdict::Refused(reason) => {
                commons.counters.drop(reason);
                Bare::reset(segment)
            }
        }
    }

    fn judge(
        &mut self,
        id: Id,
        segment: &mut Segment<'_>,
        commons: &mut Commons<'a>,
    ) -> Option<Verdict> {
        let in_syn_sent = self.in_syn_sent;
        self.with(id, commons, |connection, commons| match in_syn_sent {
            Some(act) if connection.state() == State::SynSent => act(connection, segment, commons),
            _ => connection.on_segment(segment, commons),
        })
    }

    /// Whether there may be too little room for a segment's text, and something that can give way.
    fn may_prune(&self, segment: &Segment<'_>, commons: &Commons<'a>) -> bool {
        P::PRUNING
            && commons.policy == AllocationPolicy::Overcommit
            && !self.early.is_empty()
            && commons.blocks.spare() < room_for::<P>(text_len(segment.text), commons)
    }

    /// So many octets in order have found no room: what waits behind the oldest holes gives way,
    /// until there is enough. The peers of those connections have all of it still.
    fn prune(&mut self, octets: u32, commons: &mut Commons<'a>) {
        let wanted = room_for::<P>(octets, commons);
        while commons.blocks.spare() < wanted
            && let Some(id) = self.early.pop_front(&mut self.connections)
        {
            self.with(id, commons, |connection, commons| connection.drop_early(commons));
        }
    }

    /// Takes a free slot and lets `open` fill it, who may look at listeners; gives it back where
    /// that fails.
    pub(super) fn insert(
        &mut self,
        flow: &FlowKey,
        commons: &mut Commons<'a>,
        open: impl FnOnce(&mut Connection<P>, &Listeners<'a, P>, &mut Commons<'a>) -> Option<()>,
    ) -> Option<Id> {
        let id = match self.connections.acquire() {
            Some(id) => id,
            None => self.make_room(commons)?,
        };
        self.keep_back(&mut commons.blocks);
        let slot = self.connections.get_mut(id)?;
        if open(&mut slot.connection, &self.listeners, commons).is_none() {
            slot.connection.dismantle(commons);
            self.connections.release(id);
            self.keep_back(&mut commons.blocks);
            return None;
        }
        let hash = flow_hash::<P>(commons.table_keys, flow);
        self.by_flow.insert(&mut self.connections, hash, id);
        self.settle(id, commons);
        Some(id)
    }

    fn time_wait_segment(
        &mut self,
        id: Id,
        segment: &Segment<'_>,
        commons: &mut Commons<'a>,
    ) -> Option<Bare> {
        let slot = self.time_wait.get_mut(id)?;
        match slot.record.on_segment(segment, commons.now) {
            time_wait::Reaction::Ignore(reason) => {
                commons.counters.drop(reason);
                None
            }
            time_wait::Reaction::Answer(answer, reason) => {
                commons.counters.drop(reason);
                Some(answer)
            }
            time_wait::Reaction::Restart(answer) => {
                commons.counters.drop(DropReason::Duplicate);
                slot.record.restart(commons.now + commons.time_wait);
                self.expiry.remove(&mut self.time_wait, id);
                self.expiry.push_back(&mut self.time_wait, id);
                answer
            }
            time_wait::Reaction::GiveWay(last, answer) => {
                let flow = *slot.record.flow();
                let Some(listener) = self.listener_of(&flow, commons) else {
                    commons.counters.drop(DropReason::UnexpectedSyn);
                    return answer;
                };
                // RFC 9293 §3.6.1, MAY-2 (1): beyond all that was sent before, which a fast
                // connection may have carried past the clock of initial numbers.
                let beyond = Some(last + REUSE_GAP);
                if self.half_open.is_full() {
                    // A cookie cannot say where its numbers begin. The SYN comes again.
                    commons.counters.drop(DropReason::NoMemory);
                    return None;
                }
                self.leave_time_wait(id, commons);
                self.begin(&flow, segment, listener, beyond, commons)
            }
        }
    }

    /// Whether any record has this flow.
    pub(super) fn knows(&mut self, flow: &FlowKey, keys: [u64; 2]) -> bool {
        let hash = flow_hash::<P>(keys, flow);
        self.by_flow.find(&self.connections, hash, flow).is_some()
            || (P::RECORDS
                && (self.half_open_by_flow.find(&self.half_open, hash, flow).is_some()
                    || self.time_wait_by_flow.find(&self.time_wait, hash, flow).is_some()))
    }

    /// An ICMP message quotes the segment with number `seq` of a flow.
    pub fn on_path_report(
        &mut self,
        report: PathReport,
        (flow, seq): (&FlowKey, SeqNum),
        commons: &mut Commons<'a>,
    ) {
        let hash = flow_hash::<P>(commons.table_keys, flow);
        let acted = self.by_flow.find(&self.connections, hash, flow).and_then(|id| {
            self.with(id, commons, |connection, commons| {
                connection.on_path_report(report, seq, commons)
            })
        });
        if acted != Some(true) {
            commons.counters.drop(DropReason::IcmpIgnored);
        }
    }

    /// An address is not ours any more: connections on it end, and handshakes are forgotten. Those
    /// in TIME-WAIT send nothing unless they are sent something. Looks at each slot.
    pub fn on_address_removed(&mut self, address: Ip, commons: &mut Commons<'a>) {
        for id in (0..self.connections.capacity()).filter_map(Id::from_index) {
            if self.connection(id).is_some_and(|connection| connection.flow().ends().0 == address) {
                self.with(id, commons, Connection::on_address_removed);
            }
        }
        for id in (0..self.half_open.capacity()).filter_map(Id::from_index) {
            if self.half_open(id).is_some_and(|record| record.flow().ends().0 == address) {
                self.forget_half_open(id, commons);
            }
        }
    }

    /// The half-open record whose SYN-ACK would leave first.
    #[must_use]
    pub fn next_syn_ack(&self) -> Option<Id> {
        if P::RECORDS { self.half_open_egress.first() } else { None }
    }

    /// The segment that would leave first, and the connection whose turn it is. Those that turn out
    /// to have nothing to send leave the list, and wait for what lets them.
    pub fn next_segment(&mut self, commons: &mut Commons<'a>) -> Option<(Id, Plan)> {
        while let Some(id) = self.egress.first() {
            let slot = self.connections.listed_mut(id)?;
            if let Some(plan) = slot.connection.plan(commons) {
                return Some((id, plan));
            }
            slot.connection.settle_timers(commons.now);
            self.deadlines.refile(id, slot.connection.next_due());
            self.egress.pass(&mut self.connections, id);
        }
        None
    }

    /// The connection that [`TcpPool::next_segment`] has told.
    #[must_use]
    pub fn departing(&self, id: Id) -> Option<&Connection<P>> {
        self.connections.listed(id).map(|slot| &slot.connection)
    }

    /// The connection whose turn it is waits for a neighbour on the link.
    #[cfg(feature = "ethernet")]
    pub fn park(&mut self, id: Id, place: usize) {
        self.egress.park(&mut self.connections, id, place);
    }

    /// Those who wait for a neighbour take their turns again.
    #[cfg(feature = "ethernet")]
    pub fn unpark(&mut self, place: usize) {
        self.egress.unpark(&mut self.connections, place);
    }

    /// The SYN-ACK of a half-open record has left.
    pub fn on_syn_ack_departed(&mut self, id: Id, commons: &mut Commons<'a>) {
        count!(commons.counters, segments_out);
        self.half_open_egress.remove(&mut self.half_open, id);
        if let Some(slot) = self.half_open.get_mut(id) {
            let again = slot.record.on_sent(commons.now);
            self.half_open_deadlines.set(id, Due::at(again));
        }
    }

    /// What was planned for a connection has left.
    pub fn on_departed(&mut self, id: Id, plan: &Plan, commons: &mut Commons<'a>) {
        // In turn: who has sent goes to the end, where `settle` finds more to send.
        self.egress.pass(&mut self.connections, id);
        let Some(slot) = self.connections.listed_mut(id) else { return };
        slot.connection.on_sent(plan, commons);
        // Who has sent something has no news by that, and the timers of the sender have nothing
        // to do with a bare ACK.
        let changed = Changed { timers: !plan.is_bare_ack(), news: false };
        self.settle_some(id, changed, commons);
    }

    /// Whether the connection at the front owes what must leave before its next arrival.
    #[must_use]
    pub fn is_urgent(&self, commons: &Commons<'a>) -> bool {
        let first = self.egress.first().and_then(|id| self.connections.listed(id));
        first.is_some_and(|slot| slot.connection.owes_now(commons.ack_per_burst))
    }

    /// Whether anything waits to leave.
    #[must_use]
    pub fn has_departures(&self) -> bool {
        !self.egress.is_empty() || (P::RECORDS && !self.half_open_egress.is_empty())
    }

    /// Acts on up to `budget` deadlines that have come.
    pub fn on_time(&mut self, budget: u16, commons: &mut Commons<'a>, observer: &mut P::Observer) {
        let now = commons.now;
        for _ in 0..budget {
            if self.deadlines.earliest().has_come(now)
                && let Some((_, id)) = self.deadlines.first()
            {
                self.deadlines.set(id, Due::NEVER);
                self.with(id, commons, |connection, commons| {
                    if connection.on_time(commons) {
                        let event = Event::Unanswered { flow: *connection.flow() };
                        observer.on_event(now, &event);
                    }
                });
            } else if !P::RECORDS {
                return;
            } else if self.half_open_deadlines.earliest().has_come(now)
                && let Some((_, id)) = self.half_open_deadlines.first()
            {
                self.half_open_deadlines.set(id, Due::NEVER);
                self.repeat_or_forget(id, commons);
            } else if let Some(id) = self.expiry.first()
                && self.time_wait.get(id).is_some_and(|slot| slot.record.until() <= now)
            {
                self.leave_time_wait(id, commons);
            } else {
                return;
            }
        }
    }

    /// When time alone will change something. Deadlines that have moved towards later are settled
    /// first, so that the answer is exact.
    pub fn next_due(&mut self) -> Due {
        while DeadlinesOf::<'a, P>::LAZY
            && let Some((filed, id)) = self.deadlines.first()
        {
            let due =
                self.connections.get(id).map_or(Due::NEVER, |slot| slot.connection.next_due());
            if !filed.before(due) {
                break;
            }
            self.deadlines.set(id, due);
        }
        let mut first = self.deadlines.earliest();
        if !P::RECORDS {
            return first;
        }
        first = first.earlier(self.half_open_deadlines.earliest());
        if let Some(slot) = self.expiry.first().and_then(|id| self.time_wait.get(id)) {
            first = first.earlier(Due::at(slot.record.until()));
        }
        first
    }

    /// The next socket with news.
    pub fn next_event(&mut self) -> Option<(Handle, Readiness)> {
        if let Some(id) = self.listener_news.pop_front(&mut self.listeners) {
            let handle = ListenerHandle(self.listeners.key(id)?);
            return Some((Handle::Listener(handle), Readiness::ACCEPTABLE));
        }
        // One that waits to be accepted keeps its news until it is somebody's.
        while let Some(id) = self.news.pop_front(&mut self.connections) {
            let handle = TcpHandle(self.connections.key(id)?);
            let slot = self.connections.get_mut(id)?;
            if !slot.waits_to_be_accepted() {
                return Some((Handle::Tcp(handle), slot.connection.take_news()));
            }
        }
        None
    }

    /// The oldest connection of a listener's queue.
    pub(super) fn pop_waiting(&mut self, listener: Id) -> Option<Key> {
        let slot = self.listeners.get_mut(listener)?;
        let id = slot.listening.waiting.pop_front(&mut self.connections)?;
        let slot = self.connections.get_mut(id)?;
        slot.waits = false;
        if slot.connection.has_news() {
            self.news.push_back(&mut self.connections, id);
        }
        self.connections.key(id)
    }
}

/// How many blocks so much text takes at most.
fn room_for<P: Profile>(octets: u32, commons: &Commons<'_>) -> u32 {
    P::Stream::blocks_for(octets, commons.blocks.block_size())
}
