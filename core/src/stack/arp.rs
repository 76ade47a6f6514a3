//! ARP (RFC 826, RFC 1122 §2.3.2): what of it is believed, who is answered, and who is asked.
//!
//! What is remembered of neighbours, and when they are asked again, is in `neighbor`.

use core::net::{IpAddr, Ipv4Addr};

use crate::counters::{DropReason, count};
use crate::device::NoRoom;
use crate::flow::{Ip, of_v4, widen};
use crate::profile::Profile;
use crate::time::{Due, Duration};
use crate::trace::{Event, Observer};
use crate::wire::address::may_be_source_v4;
use crate::wire::arp::{self, Packet};
use crate::wire::ethernet::Address;
use crate::wire::{Malformed, ethernet};

use super::Stack;
use super::addresses::Standing;
use super::frames::Answer;
use super::headers::Sink;
use super::ingress::Check;
use super::neighbor::Claim;

impl<P: Profile> Stack<'_, P> {
    /// An ARP packet has arrived.
    // Apart, so that what other packets pass through has its registers for itself.
    #[inline(never)]
    pub(super) fn take_arp(&mut self, packet: &[u8]) -> Check<()> {
        let packet = Packet::parse(packet).map_err(Malformed::reason)?;
        let (sender, target) = (of_v4(packet.sender), of_v4(packet.target));
        let hardware = packet.sender_hardware;
        if !hardware.is_unicast() || Some(hardware) == self.link.frames.hardware {
            return Err(DropReason::NeighborIgnored);
        }
        // RFC 5227 §2.1.1: somebody has the address that we probe for, or probes for it too.
        let is_probe = packet.sender.is_unspecified();
        let wants = P::ADDRESS_CONFLICTS
            && (self.link.addresses.on_duplicate(sender)
                || (is_probe && self.link.addresses.on_duplicate(target)));
        let standing = self.link.addresses.standing(sender);
        if wants || standing == Standing::Ours {
            return self.conflict(if wants && is_probe { target } else { sender });
        }
        let to_us = self.link.owns(target);
        let asks_us = to_us && packet.operation == arp::REQUEST;
        let claim = if !to_us {
            Claim::Unasked
        } else if asks_us {
            Claim::Asks
        } else {
            Claim::Answer
        };
        // RFC 5227 §2.1.1: who probes for an address has none yet, and is told that it is taken.
        let is_neighbor = may_be_source_v4(packet.sender) && standing == Standing::Near;
        let mut known = false;
        if is_neighbor {
            let neighbors = &mut self.link.frames.neighbors;
            known = neighbors.on_claim(sender, hardware, claim, self.commons.now);
            self.release_parked();
        }
        if asks_us && (is_neighbor || is_probe) {
            return self.answer(Answer::new(target, sender, hardware));
        }
        if known { Ok(()) } else { Err(DropReason::NeighborIgnored) }
    }

    pub(super) fn answer(&mut self, answer: Answer) -> Check<()> {
        if self.link.frames.push_answer(answer) { Ok(()) } else { Err(DropReason::ReplyLimited) }
    }

    /// Somebody else has an address of ours, or one that we want.
    pub(super) fn conflict(&mut self, address: Ip) -> Check<()> {
        count!(self.commons.counters, address_conflicts);
        let now = self.commons.now;
        self.observer.on_event(now, &Event::AddressConflict { address: widen(address) });
        // RFC 5227 §2.4 (c): defended, and kept.
        if P::ADDRESS_CONFLICTS && widen(address).is_ipv4() && self.link.owns(address) {
            self.link.addresses.defend(address, now);
        }
        Err(DropReason::NeighborIgnored)
    }

    /// When there is a request, or a message about an address of ours, to be sent.
    pub(super) fn next_neighbor_message(&self) -> Due {
        let request = self.link.frames.neighbors.next_due();
        if Self::PROBES { request.earlier(self.link.addresses.next_due()) } else { request }
    }

    /// Whether there may be one, now or later.
    pub(super) fn may_have_neighbor_message(&self) -> bool {
        Self::PROBES || self.link.frames.neighbors.is_asking()
    }

    /// Whether addresses may have to be probed for.
    pub(super) const PROBES: bool = P::ADDRESS_CONFLICTS || cfg!(feature = "ipv6");

    /// Sends an answer, or else a request or a notice that is due. Returns whether there was one.
    pub(super) fn send_neighbor_message(&mut self, sink: Sink<'_>) -> Result<bool, NoRoom> {
        if let Some(answer) = self.link.frames.first_answer() {
            self.send_answer(&answer, sink)?;
            count!(self.commons.counters, neighbor_replies);
            self.link.frames.pop_answer();
            return Ok(true);
        }
        let now = self.commons.now;
        let mut request = None;
        if self.link.frames.neighbors.is_asking() {
            request = self.link.frames.neighbors.next_request(now);
            self.release_parked();
        }
        if let Some(request) = request {
            let (address, to) = (request.address, request.hardware);
            if let Some(ours) = self.link.addresses.source_for(address) {
                self.send_request((ours, address), to, sink)?;
                count!(self.commons.counters, neighbor_requests);
            }
            self.link.frames.neighbors.on_requested(&request, now);
            return Ok(true);
        }
        if Self::PROBES && self.link.addresses.next_due().has_come(now) {
            return self.send_notice(sink);
        }
        Ok(false)
    }

    fn send_answer(&mut self, answer: &Answer, sink: Sink<'_>) -> Result<(), NoRoom> {
        match (widen(answer.ours()), widen(answer.theirs())) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                self.send_arp(arp::REPLY, (ours, theirs), answer.hardware, sink)
            }
            #[cfg(feature = "ipv6")]
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                self.send_advertisement((ours, theirs), answer.hardware, sink)
            }
            _ => Ok(()),
        }
    }

    /// Asks for a neighbour.
    fn send_request(
        &mut self,
        (ours, theirs): (Ip, Ip),
        to: Option<Address>,
        sink: Sink<'_>,
    ) -> Result<(), NoRoom> {
        match (widen(ours), widen(theirs)) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let to = to.unwrap_or(Address::ZERO);
                self.send_arp(arp::REQUEST, (ours, theirs), to, sink)
            }
            #[cfg(feature = "ipv6")]
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                self.send_solicitation((ours, theirs), to, sink)
            }
            _ => Ok(()),
        }
    }

    /// Asks whether somebody has an address that we want, or tells that it is ours.
    fn send_notice(&mut self, sink: Sink<'_>) -> Result<bool, NoRoom> {
        let now = self.commons.now;
        let Some(notice) = self.link.addresses.next_notice(now) else { return Ok(false) };
        // RFC 5227 §2.1.1, §2.3: a probe comes from nobody, an announcement asks for oneself.
        let nobody = match widen(notice.address) {
            IpAddr::V4(_) => of_v4(Ipv4Addr::UNSPECIFIED),
            #[cfg(feature = "ipv6")]
            IpAddr::V6(_) => IpAddr::V6(core::net::Ipv6Addr::UNSPECIFIED),
            #[cfg(not(feature = "ipv6"))]
            IpAddr::V6(_) => return Ok(false),
        };
        let from = if notice.is_probe { nobody } else { notice.address };
        self.send_request((from, notice.address), None, sink)?;
        let jitter = self.jitter();
        self.link.addresses.on_notice(&notice, now, jitter);
        Ok(true)
    }

    /// Up to half a second that nobody else draws: stations that start together do not ask
    /// together (RFC 5227 §2.1.1, RFC 4862 §5.4.2).
    pub(super) fn jitter(&self) -> Duration {
        let draw = self.draw(b"prob", 0);
        Duration::from_micros(draw & 0x7_ffff)
    }

    /// Sends a packet, to everybody if `to` is zero.
    fn send_arp(
        &mut self,
        operation: u16,
        (sender, target): (Ipv4Addr, Ipv4Addr),
        to: Address,
        sink: Sink<'_>,
    ) -> Result<(), NoRoom> {
        let is_known = to != Address::ZERO;
        self.link.frames.head_for(if is_known { to } else { Address::BROADCAST });
        let Some(header) = self.link.frames.header(ethernet::EtherType::ARP) else {
            return Ok(());
        };
        let (sender_hardware, target_hardware) = (header.source, to);
        let packet = Packet { operation, sender_hardware, sender, target_hardware, target };
        let headers = &mut self.link.headers;
        headers.clear();
        headers.push(|buffer| header.emit(buffer));
        headers.push(|buffer| packet.emit(buffer));
        headers.send(None, sink)
    }
}
