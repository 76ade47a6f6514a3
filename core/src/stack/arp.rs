//! ARP (RFC 826, RFC 1122 §2.3.2): what of it is believed, who is answered, and who is asked.
//!
//! What is remembered of neighbours, and when they are asked again, is in `neighbor`.

use core::net::IpAddr;

use crate::counters::{DropReason, bump};
use crate::device::NoRoom;
use crate::profile::Profile;
use crate::wire::address::may_be_source;
use crate::wire::arp::{self, Packet};
use crate::wire::ethernet::Address;
use crate::wire::{Malformed, ethernet};

use super::Stack;
use super::egress::{Headers, send};
use super::frames::Answer;
use super::ingress::Check;
use super::link::Sink;

impl<P: Profile> Stack<'_, P> {
    /// An ARP packet has arrived.
    pub(super) fn take_arp(&mut self, packet: &[u8]) -> Check<()> {
        let packet = Packet::parse(packet).map_err(Malformed::reason)?;
        let (sender, target) = (IpAddr::V4(packet.sender), IpAddr::V4(packet.target));
        let hardware = packet.sender_hardware;
        if !hardware.is_unicast() || Some(hardware) == self.link.frames.hardware {
            return Err(DropReason::NeighborIgnored);
        }
        if self.link.owns(sender) {
            bump(&mut self.commons.counters.address_conflicts);
            return Err(DropReason::NeighborIgnored);
        }
        let asks_us = packet.operation == arp::REQUEST && self.link.owns(target);
        // RFC 5227 §2.1.1: who probes for an address has none yet, and is told that it is taken.
        let is_probe = packet.sender.is_unspecified();
        let is_neighbor =
            may_be_source(sender) && self.link.is_near(sender) && !self.link.is_broadcast(sender);
        let neighbors = &mut self.link.frames.neighbors;
        let known = is_neighbor && neighbors.on_claim(sender, hardware, asks_us, self.commons.now);
        self.release_parked();
        if asks_us && (is_neighbor || is_probe) {
            return self.answer(Answer::new(target, sender, hardware));
        }
        if known { Ok(()) } else { Err(DropReason::NeighborIgnored) }
    }

    fn answer(&mut self, answer: Option<Answer>) -> Check<()> {
        if self.link.frames.push_answer(answer) { Ok(()) } else { Err(DropReason::ReplyLimited) }
    }

    /// Whether there is an answer or a request to be sent to a neighbour.
    pub(super) fn has_neighbor_message(&self) -> bool {
        let frames = &self.link.frames;
        frames.first_answer().is_some() || frames.neighbors.next_request(self.commons.now).is_some()
    }

    /// Sends an answer, or else a request.
    pub(super) fn send_neighbor_message(&mut self, sink: Sink<'_>) -> Result<(), NoRoom> {
        if let Some(answer) = self.link.frames.first_answer() {
            let (ours, theirs) = (answer.ours(), answer.theirs());
            self.send_arp(arp::REPLY, (ours, theirs), (answer.hardware, answer.hardware), sink)?;
            bump(&mut self.commons.counters.neighbor_replies);
            self.link.frames.pop_answer();
            return Ok(());
        }
        let now = self.commons.now;
        let Some(request) = self.link.frames.neighbors.next_request(now) else { return Ok(()) };
        let to = request.hardware.unwrap_or(Address::BROADCAST);
        let target = request.hardware.unwrap_or(Address::ZERO);
        if let Some(ours) = self.link.address_near(request.address) {
            self.send_arp(arp::REQUEST, (ours, request.address), (to, target), sink)?;
            bump(&mut self.commons.counters.neighbor_requests);
        }
        self.link.frames.neighbors.on_requested(&request, now);
        Ok(())
    }

    fn send_arp(
        &mut self,
        operation: u16,
        (ours, theirs): (IpAddr, IpAddr),
        (to, target_hardware): (Address, Address),
        sink: Sink<'_>,
    ) -> Result<(), NoRoom> {
        let (IpAddr::V4(sender), IpAddr::V4(target)) = (ours, theirs) else { return Ok(()) };
        self.link.frames.next_hop = to;
        let Some(header) = self.link.frames.header(ethernet::EtherType::ARP) else {
            return Ok(());
        };
        let sender_hardware = header.source;
        let packet = Packet { operation, sender_hardware, sender, target_hardware, target };
        let mut headers = Headers::EMPTY;
        headers.push(|buffer| header.emit(buffer));
        headers.push(|buffer| packet.emit(buffer));
        send(&headers, None, &self.commons.blocks, sink)
    }
}
