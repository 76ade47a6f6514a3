//! A packet out: who is next, its headers, the device, and only then the note that it has left.
//!
//! Everything is asked for, built and offered without changing anything; a device without room
//! therefore costs nothing but the attempt.

use core::net::IpAddr;

#[cfg(feature = "ethernet")]
use crate::counters::DropReason;
use crate::counters::bump;
use crate::device::NoRoom;
use crate::flow::FlowKey;
use crate::profile::Profile;
use crate::socket::tcp_pool::Departure;
use crate::storage::Id;
use crate::tcp::bare::Bare;
#[cfg(feature = "ethernet")]
use crate::tcp::connection::PathError;
use crate::tcp::departs::{Plan, Purpose};
use crate::trace::{Event, Observer};
use crate::wire::{Protocol, icmpv4, tcp};

use super::Stack;
use super::headers::Payload;
use super::link::{Attempt, Sink};
#[cfg(feature = "ethernet")]
use super::neighbor::Hop;

impl<P: Profile> Stack<'_, P> {
    /// Whether there is ever a message of ICMP to be sent.
    const ICMP: bool = P::ICMP_ECHO || P::ICMP_ERRORS;

    /// Sends one packet: replies first, then sockets in turn.
    pub(super) fn send_one(&mut self, sink: Sink<'_>) -> Attempt {
        if self.link.is_foreign {
            self.link.is_full = true;
            return Attempt::Full;
        }
        #[cfg(feature = "ethernet")]
        match self.send_neighbor_message(sink) {
            Ok(false) => {}
            sent => return self.attempt(sent.map(drop)),
        }
        let sent = if self.link.replies.first_segment().is_some() {
            self.send_reply(sink)
        } else if Self::ICMP && self.link.replies.first_message().is_some() {
            self.send_message(sink)
        } else {
            match self.next_socket() {
                Next::Tcp(Departure::Segment(id, plan)) => self.send_segment(id, &plan, sink),
                Next::Tcp(Departure::SynAck(id)) => self.send_syn_ack(id, sink),
                #[cfg(feature = "udp")]
                Next::Udp(id, flow, len) => self.send_datagram((id, flow, len), sink),
                Next::Nobody => return Attempt::Nothing,
            }
        };
        self.attempt(sent)
    }

    fn attempt(&mut self, sent: Result<(), NoRoom>) -> Attempt {
        self.link.is_full = sent.is_err();
        match sent {
            Ok(()) => Attempt::Done,
            Err(NoRoom) => Attempt::Full,
        }
    }

    /// TCP and UDP take turns where both have something to send.
    #[cfg(feature = "udp")]
    fn next_socket(&mut self) -> Next {
        let udp = self.udp.next_departure(&self.commons.blocks);
        let udp = udp.map(|(id, flow, len)| Next::Udp(id, flow, len));
        let turn = self.udp_turn;
        self.udp_turn = !turn;
        match udp {
            Some(udp) if turn => udp,
            udp => self
                .tcp
                .next_departure(&self.commons)
                .map_or(udp.unwrap_or(Next::Nobody), Next::Tcp),
        }
    }

    #[cfg(not(feature = "udp"))]
    fn next_socket(&mut self) -> Next {
        self.tcp.next_departure(&self.commons).map_or(Next::Nobody, Next::Tcp)
    }

    fn send_reply(&mut self, sink: Sink<'_>) -> Result<(), NoRoom> {
        let Some((flow, bare)) = self.link.replies.first_segment() else { return Ok(()) };
        let (flow, bare) = (*flow, *bare);
        // Who is to be answered has asked for us as a rule, and so is known. Others ask again.
        if self.reach(flow.remote_address(), false) == Reach::Ready {
            self.send_bare(&flow, &bare, sink)?;
            bump(&mut self.commons.counters.segments_out);
            if bare.flags.intersects(tcp::Flags::RST) {
                bump(&mut self.commons.counters.resets_out);
            }
        }
        self.link.replies.pop_segment();
        Ok(())
    }

    fn send_bare(&mut self, flow: &FlowKey, bare: &Bare, sink: Sink<'_>) -> Result<(), NoRoom> {
        let header = bare.header(flow);
        self.link.tcp_headers(flow, &header, &bare.options(), (0, bare.dscp));
        self.link.headers.send(None, &self.commons.blocks, sink)?;
        bump(&mut self.commons.counters.packets_out);
        Ok(())
    }

    fn send_message(&mut self, sink: Sink<'_>) -> Result<(), NoRoom> {
        let Some(message) = self.link.replies.first_message() else { return Ok(()) };
        let (flow, header, len) = (message.flow, message.header, message.payload.len());
        if self.reach(flow.remote_address(), false) == Reach::Ready {
            let is_ipv4 = flow.is_ipv4();
            let protocol = if is_ipv4 { Protocol::ICMP } else { Protocol::ICMPV6 };
            let total = len.saturating_add(icmpv4::HEADER_LEN as u32);
            let headers = self.link.ip_headers(&flow, protocol, total, 0);
            headers.push(|buffer| header.emit(buffer));
            // RFC 792: ICMPv4 sums nothing of the IP header; RFC 4443 §2.3: ICMPv6 does.
            headers.checksum_at(2, is_ipv4);
            let queue = self.link.replies.first_message().map(|message| &message.payload);
            let payload = queue.map(|queue| Payload { queue, offset: 0, len });
            self.link.headers.send(payload, &self.commons.blocks, sink)?;
            bump(&mut self.commons.counters.packets_out);
        }
        self.link.replies.pop_message(&mut self.commons);
        Ok(())
    }

    fn send_syn_ack(&mut self, id: Id, sink: Sink<'_>) -> Result<(), NoRoom> {
        let Some(record) = self.tcp.half_open(id) else { return Ok(()) };
        let (flow, bare) = (*record.flow(), record.syn_ack(self.commons.now));
        // What cannot be sent counts as lost on the way: it is repeated.
        if self.reach(flow.remote_address(), false) == Reach::Ready {
            self.send_bare(&flow, &bare, sink)?;
        }
        self.tcp.on_syn_ack_departed(id, &mut self.commons);
        Ok(())
    }

    fn send_segment(&mut self, id: Id, plan: &Plan, sink: Sink<'_>) -> Result<(), NoRoom> {
        let Some(connection) = self.tcp.connection(id) else { return Ok(()) };
        let flow = *connection.flow();
        let reach = self.reach(flow.remote_address(), true);
        #[cfg(feature = "ethernet")]
        if reach == Reach::Wait {
            self.tcp.park(id);
            return Ok(());
        }
        // What cannot be sent counts as lost on the way: timers decide how it goes on.
        if reach == Reach::Ready {
            self.put_segment(id, plan, sink)?;
        }
        self.tcp.on_departed(id, plan, &mut self.commons);
        #[cfg(feature = "ethernet")]
        if reach == Reach::Never {
            let quoted = (&flow, plan.seq);
            self.tcp.on_path_error(PathError::Unreachable, quoted, &mut self.commons);
        }
        Ok(())
    }

    fn put_segment(&mut self, id: Id, plan: &Plan, sink: Sink<'_>) -> Result<(), NoRoom> {
        let Some(connection) = self.tcp.connection(id) else { return Ok(()) };
        let flow = connection.flow();
        let options = connection.options(plan, self.commons.now);
        let extent = (plan.len, connection.dscp());
        self.link.tcp_headers(flow, &plan.header(flow), &options, extent);
        let queue = connection.send_space();
        let payload = Payload { queue, offset: plan.offset, len: plan.len };
        self.link.headers.send(Some(payload), &self.commons.blocks, sink)?;
        bump(&mut self.commons.counters.packets_out);
        let again = plan.purpose == Purpose::Again;
        let event = Event::Sent { flow: *flow, seq: plan.seq, octets: plan.len, again };
        self.observer.on_event(self.commons.now, &event);
        Ok(())
    }

    /// Counts what does not wait any longer.
    #[cfg(feature = "udp")]
    fn give_up(&mut self, reach: Reach) {
        let _ = reach;
        #[cfg(feature = "ethernet")]
        if reach == Reach::Wait {
            self.commons.counters.drop(DropReason::Unreachable);
        }
    }

    /// Finds where packets to `remote` go, for the header in front of the next one. `wanted` is
    /// true where a socket of ours sends it.
    fn reach(&mut self, remote: IpAddr, wanted: bool) -> Reach {
        #[cfg(feature = "ethernet")]
        {
            let hop = self.link.hop(remote, wanted, self.commons.now);
            self.release_parked();
            match hop {
                Hop::Send(hardware) => self.link.frames.next_hop = hardware,
                Hop::Wait if wanted => return Reach::Wait,
                Hop::Wait | Hop::Unreachable => {
                    self.commons.counters.drop(DropReason::Unreachable);
                    return Reach::Never;
                }
            }
        }
        let _ = (remote, wanted);
        Reach::Ready
    }

    /// Those who wait for a neighbour take their turns again, where one was found or given up.
    #[cfg(feature = "ethernet")]
    pub(super) fn release_parked(&mut self) {
        if self.link.frames.neighbors.take_released() {
            self.tcp.unpark();
            #[cfg(feature = "udp")]
            self.udp.unpark();
        }
    }

    #[cfg(feature = "udp")]
    fn send_datagram(
        &mut self,
        (id, flow, len): (Id, FlowKey, u32),
        sink: Sink<'_>,
    ) -> Result<(), NoRoom> {
        use crate::wire::udp;

        match self.reach(flow.remote_address(), true) {
            Reach::Ready => {}
            #[cfg(feature = "ethernet")]
            Reach::Wait if self.udp.park(id, &self.commons.blocks) => return Ok(()),
            reach => {
                self.give_up(reach);
                self.udp.on_departed(id, &mut self.commons);
                return Ok(());
            }
        }
        let Some((queue, offset)) = self.udp.departing(id) else { return Ok(()) };
        let total = len.saturating_add(udp::HEADER_LEN as u32);
        let headers = self.link.ip_headers(&flow, Protocol::UDP, total, 0);
        let (source_port, destination_port) = flow.ports();
        let header = udp::Header { source_port, destination_port };
        headers.push(|buffer| header.emit(len as usize, buffer));
        headers.checksum_at(udp::CHECKSUM_OFFSET as u16, false);
        headers.zero_is_none();
        let payload = Payload { queue, offset, len };
        self.link.headers.send(Some(payload), &self.commons.blocks, sink)?;
        bump(&mut self.commons.counters.packets_out);
        bump(&mut self.commons.counters.datagrams_out);
        self.udp.on_departed(id, &mut self.commons);
        Ok(())
    }
}

/// Who sends next.
enum Next {
    Tcp(Departure),
    #[cfg(feature = "udp")]
    Udp(Id, FlowKey, u32),
    Nobody,
}

/// Whether a packet can go where it is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The next hop is known.
    Ready,
    /// It was asked for.
    #[cfg_attr(not(feature = "ethernet"), expect(dead_code, reason = "there are no neighbours"))]
    Wait,
    /// It is not there.
    #[cfg_attr(not(feature = "ethernet"), expect(dead_code, reason = "there are no neighbours"))]
    Never,
}
