//! Handshakes that peers begin: half-open records and cookies, or slots of connections, until a
//! connection is established.
//!
//! What a record or a cookie says is decided in `tcp`; here records are found, kept and let go.

use crate::counters::{DropReason, count};
use crate::flow::FlowKey;
use crate::profile::{Profile, Tables};
use crate::seq::SeqNum;
use crate::storage::Id;
use crate::storage::deadlines::Deadlines;
use crate::storage::hash_table::Index;
use crate::storage::linear::ROW_MAX;
use crate::storage::list::Line;
use crate::tcp::bare::Bare;
use crate::tcp::cookie::{self, Jar};
use crate::tcp::listener::{self, HalfOpen, Knock, Reaction};
use crate::tcp::options::Terms;
use crate::tcp::segment::Segment;
use crate::tcp::user_calls::Handshake;
use crate::time::Due;
use crate::wire::tcp::Flags;

use super::Commons;
use super::demux::{find_bound, flow_hash};
use super::tcp_pool::TcpPool;

impl<'a, P: Profile> TcpPool<'a, P> {
    pub(super) fn half_open_segment(
        &mut self,
        id: Id,
        segment: &mut Segment<'_>,
        commons: &mut Commons<'a>,
    ) -> Option<Bare> {
        match self.half_open.get_mut(id)?.record.on_segment(segment, commons.now) {
            Reaction::Ignore(reason) => commons.counters.drop(reason),
            Reaction::Repeat => {
                commons.counters.drop(DropReason::Duplicate);
                self.half_open_egress.push_back(&mut self.half_open, id);
            }
            Reaction::Answer(answer, reason) => {
                commons.counters.drop(reason);
                return Some(answer);
            }
            Reaction::Forget => {
                count!(commons.counters, resets_in);
                self.forget_half_open(id, commons);
            }
            Reaction::Complete => return self.complete(id, segment, commons),
        }
        None
    }

    /// A segment for which there is no record: maybe somebody listens.
    pub(super) fn knock(
        &mut self,
        flow: &FlowKey,
        segment: &mut Segment<'_>,
        commons: &mut Commons<'a>,
    ) -> Option<Bare> {
        let Some(listener) = self.listener_of(flow, commons) else {
            commons.counters.drop(DropReason::NoSocket);
            return Bare::reset(segment);
        };
        match listener::on_knock(segment) {
            Knock::Begin => self.begin(flow, segment, listener, None, commons),
            Knock::Ignore(reason) => {
                commons.counters.drop(reason);
                None
            }
            Knock::Refuse => {
                let Some(handshake) = self.redeem(flow, segment, listener, commons) else {
                    commons.counters.drop(DropReason::NoSocket);
                    return Bare::reset(segment);
                };
                // Where there is no room now the cookie is good once more when the peer tries
                // again.
                let connection = self.welcome(&handshake, listener, commons)?;
                self.connection_segment(connection, segment, commons)
            }
        }
    }

    /// A handshake begins; its SYN-ACK leaves as soon as there is room. Where no record is left it
    /// is answered with a cookie, if the profile has them.
    pub(super) fn begin(
        &mut self,
        flow: &FlowKey,
        syn: &Segment<'_>,
        listener: Id,
        beyond: Option<SeqNum>,
        commons: &mut Commons<'a>,
    ) -> Option<Bare> {
        let listening = &mut self.listeners.get_mut(listener)?.listening;
        let mut terms = commons.terms::<P>(flow, &listening.choices);
        terms.iss = beyond.map_or(terms.iss, |beyond| terms.iss.later(beyond));
        if !P::RECORDS {
            return self.begin_in_slot(flow, syn, listener, &terms, commons);
        }
        let told = commons.first_window::<P>(&listening.choices);
        let Some(id) = self.half_open.acquire() else {
            if P::COOKIES {
                count!(commons.counters, cookies_out);
                listening.cookies = cookie::period(commons.now);
                let jar = Jar { secret: &commons.secret, flow, now: commons.now };
                let told = commons.cookie_window::<P>(&listening.choices);
                return Some(jar.syn_ack(syn, &terms, told));
            }
            commons.counters.drop(DropReason::NoMemory);
            return None;
        };
        if let Some(slot) = self.half_open.get_mut(id) {
            slot.record = HalfOpen::new(*flow, syn, &terms, told);
            slot.listener = self.listeners.key(listener);
        }
        let hash = flow_hash::<P>(commons.table_keys, flow);
        self.half_open_by_flow.insert(&mut self.half_open, hash, id);
        self.half_open_egress.push_back(&mut self.half_open, id);
        None
    }

    /// A handshake begins in the slot of a connection. Where none is free the SYN comes again.
    fn begin_in_slot(
        &mut self,
        flow: &FlowKey,
        syn: &Segment<'_>,
        listener: Id,
        terms: &Terms,
        commons: &mut Commons<'a>,
    ) -> Option<Bare> {
        let begun = self.insert(flow, commons, |connection, listeners, commons| {
            let choices = &listeners.get(listener)?.listening.choices;
            connection.receive_syn(*flow, syn, terms, choices, commons)
        });
        let Some(id) = begun else {
            commons.counters.drop(DropReason::NoMemory);
            return None;
        };
        let listener = self.listeners.key(listener);
        self.connections.get_mut(id)?.listener = listener;
        None
    }

    /// The peer has answered our SYN-ACK: its record becomes a connection, if one can be had. If
    /// not it stays half-open, and the peer hears the SYN-ACK again.
    fn complete(
        &mut self,
        id: Id,
        segment: &mut Segment<'_>,
        commons: &mut Commons<'a>,
    ) -> Option<Bare> {
        let half_open = self.half_open.get(id)?;
        let handshake = half_open.record.handshake(segment, commons.now);
        let Some(listener) = half_open.listener.and_then(|key| self.listeners.resolve(key)) else {
            self.forget_half_open(id, commons);
            commons.counters.drop(DropReason::NoSocket);
            return Bare::reset(segment);
        };
        let connection = self.welcome(&handshake, listener, commons)?;
        self.forget_half_open(id, commons);
        self.connection_segment(connection, segment, commons)
    }

    /// An ACK that answers nothing that we remember: maybe it brings back a cookie. `None` where
    /// it does not.
    fn redeem(
        &mut self,
        flow: &FlowKey,
        ack: &Segment<'_>,
        listener: Id,
        commons: &mut Commons<'a>,
    ) -> Option<Handshake> {
        let listening = &self.listeners.get(listener)?.listening;
        let plain = !ack.has(Flags::SYN.with(Flags::RST)) && ack.has(Flags::ACK);
        if !P::COOKIES || !plain || !cookie::is_recent(listening.cookies, commons.now) {
            return None;
        }
        let terms = commons.terms::<P>(flow, &listening.choices);
        let told = commons.cookie_window::<P>(&listening.choices);
        let jar = Jar { secret: &commons.secret, flow, now: commons.now };
        jar.redeem(ack, &terms, told)
    }

    /// A handshake is complete: the connection waits to be accepted. `None` where there is no room
    /// for it.
    fn welcome(
        &mut self,
        handshake: &Handshake,
        listener: Id,
        commons: &mut Commons<'a>,
    ) -> Option<Id> {
        if self.listeners.get(listener)?.listening.is_full() {
            commons.counters.drop(DropReason::QueueFull);
            return None;
        }
        let opened = self.insert(&handshake.flow, commons, |connection, listeners, commons| {
            let choices = &listeners.get(listener)?.listening.choices;
            connection.accept(handshake, choices, commons)
        });
        let Some(connection) = opened else {
            commons.counters.drop(DropReason::NoMemory);
            return None;
        };
        count!(commons.counters, passive_opens);
        self.offer(connection, listener);
        Some(connection)
    }

    /// Who listens at the local end of a flow.
    pub(super) fn listener_of(&mut self, flow: &FlowKey, commons: &Commons<'a>) -> Option<Id> {
        find_bound::<P, _>(&mut self.by_port, &self.listeners, commons.table_keys, flow)
    }

    pub(super) fn repeat_or_forget(&mut self, id: Id, commons: &mut Commons<'a>) {
        let Some(slot) = self.half_open.get(id) else { return };
        if slot.record.is_exhausted() {
            self.forget_half_open(id, commons);
        } else {
            count!(commons.counters, timeouts);
            count!(commons.counters, retransmissions);
            self.half_open_egress.push_back(&mut self.half_open, id);
        }
    }

    pub(super) fn forget_half_open(&mut self, id: Id, commons: &Commons<'a>) {
        let Some(slot) = self.half_open.get(id) else { return };
        let hash = flow_hash::<P>(commons.table_keys, slot.record.flow());
        self.half_open_by_flow.remove(&mut self.half_open, hash, id);
        self.half_open_deadlines.set(id, Due::NEVER);
        self.half_open_egress.remove(&mut self.half_open, id);
        self.half_open.release(id);
    }

    /// Whether a segment may complete a handshake for a listener whose queue is full. The peer
    /// hears the SYN-ACK again.
    pub(super) fn finds_no_place(&self, id: Id, segment: &Segment<'_>) -> bool {
        let completes = segment.has(Flags::ACK) && !segment.has(Flags::RST);
        let listener = self.connections.get(id).and_then(|slot| slot.listener);
        let listener = listener.and_then(|key| self.listeners.resolve(key));
        let slot = listener.and_then(|id| self.listeners.get(id));
        completes && slot.is_some_and(|slot| slot.listening.is_full())
    }

    /// A connection that a peer has begun may be established now: it waits to be accepted.
    pub(super) fn hatch(&mut self, id: Id, commons: &mut Commons<'a>) {
        let Some(slot) = self.connections.get_mut(id) else { return };
        if slot.connection.is_embryo() {
            return;
        }
        let Some(key) = slot.listener.take() else { return };
        match self.listeners.resolve(key) {
            Some(listener) => self.offer(id, listener),
            None => {
                self.with(id, commons, |connection, commons| {
                    connection.abort(commons);
                    connection.release(commons);
                });
            }
        }
    }

    /// A connection waits to be accepted.
    pub(super) fn offer(&mut self, id: Id, listener: Id) {
        if let Some(slot) = self.connections.get_mut(id) {
            slot.waits = true;
        }
        if let Some(slot) = self.listeners.get_mut(listener) {
            slot.listening.waiting.push_back(&mut self.connections, id);
        }
        self.listener_news.push_back(&mut self.listeners, listener);
    }

    /// Frees the slot of a connection that may give way, if there is any: of the one that would end
    /// first.
    pub(super) fn make_room(&mut self, commons: &mut Commons<'a>) -> Option<Id> {
        let now = commons.now;
        let mut first = (Due::NEVER, None);
        if P::RECORDS && P::Tables::SLOTS_MAX > ROW_MAX {
            // Only orphans give way here, and the list has them in the order of their ages. A row
            // of bits has no such order, but few slots to look at.
            let id = self.orphans.first()?;
            first = (self.connection(id)?.gives_way_until(now), Some(id));
            first.0.instant()?;
        } else {
            for (id, slot) in self.connections.iter() {
                let end = slot.connection.gives_way_until(now);
                if end.before(first.0) {
                    first = (end, Some(id));
                }
            }
        }
        self.free(first.1?, commons);
        self.connections.acquire()
    }
}
