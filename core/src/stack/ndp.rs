//! Neighbour discovery for IPv6 (RFC 4861 §7), and whether an address is free (RFC 4862 §5.4).
//!
//! What is remembered of neighbours is in `neighbor`, as for ARP; routers are not discovered.

use core::net::{IpAddr, Ipv6Addr};

use crate::counters::{DropReason, count};
use crate::device::NoRoom;
use crate::flow::FlowKey;
use crate::profile::Profile;
use crate::wire::address::may_be_source;
use crate::wire::ethernet::Address;
use crate::wire::ndp::{self, Message, solicited_node};
use crate::wire::{Malformed, Protocol, icmpv6, ipv6};

use super::frames::{Answer, group};
use super::headers::Sink;
use super::ingress::Check;
use super::neighbor::Claim;
use super::{MTU_MIN_IPV6, Stack};

/// All nodes of the link (RFC 4291 §2.7.1).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

impl<P: Profile> Stack<'_, P> {
    /// Whether frames to a group are for us: that of all, or one in which we are solicited.
    pub(super) fn listens_to(&self, hardware: Address) -> bool {
        let hears = |address| match address {
            IpAddr::V6(ours) => group(solicited_node(ours).into()) == Some(hardware),
            IpAddr::V4(_) => false,
        };
        group(ALL_NODES.into()) == Some(hardware) || self.link.addresses.all().any(hears)
    }

    /// A message of neighbour discovery has arrived, from the station `from`.
    pub(super) fn take_ndp(
        &mut self,
        header: &ipv6::Header,
        payload: &[u8],
        from: Address,
    ) -> Check<()> {
        let (source, destination) = (header.source, header.destination);
        let message = icmpv6::Message::parse(payload, source, destination);
        let icmpv6::Message::Other { kind, code, body } = message.map_err(Malformed::reason)?
        else {
            return Err(DropReason::IcmpIgnored);
        };
        // RFC 4861 §7.1: nobody beyond a router can have sent it.
        if header.hop_limit != ndp::HOP_LIMIT {
            return Err(DropReason::BadNdp);
        }
        let is_known = matches!(kind, ndp::NEIGHBOR_SOLICITATION | ndp::NEIGHBOR_ADVERTISEMENT);
        if !is_known {
            return Err(DropReason::IcmpIgnored);
        }
        let message = Message::parse(kind, code, body).map_err(Malformed::reason)?;
        let ours = self.link.frames.hardware;
        let is_neighbor = |hardware: Address| hardware.is_unicast() && Some(hardware) != ours;
        if message.hardware.is_some_and(|hardware| !is_neighbor(hardware)) {
            return Err(DropReason::NeighborIgnored);
        }
        if kind == ndp::NEIGHBOR_SOLICITATION {
            self.take_solicitation(&message, (source, destination), from)
        } else {
            self.take_advertisement(&message, destination)
        }
    }

    fn take_solicitation(
        &mut self,
        message: &Message,
        (source, destination): (Ipv6Addr, Ipv6Addr),
        from: Address,
    ) -> Check<()> {
        let target = IpAddr::V6(message.target);
        let in_group = destination == solicited_node(message.target);
        if source.is_unspecified() {
            // RFC 4861 §7.1.1: who has no address yet asks in the group, and does not say where
            // it is.
            if !in_group || message.hardware.is_some() {
                return Err(DropReason::BadNdp);
            }
            if self.link.addresses.on_duplicate(target) {
                return self.conflict(target);
            }
        } else if !may_be_source(source.into()) || self.link.owns(source.into()) {
            return Err(DropReason::BadSource);
        }
        if !self.link.owns(target) || !(in_group || destination == message.target) {
            return Err(DropReason::NeighborIgnored);
        }
        if let Some(hardware) = message.hardware
            && self.link.is_near(source.into())
        {
            let now = self.commons.now;
            self.link.frames.neighbors.on_claim(source.into(), hardware, Claim::Asks, now);
            self.release_parked();
        }
        let hardware = message.hardware.unwrap_or(from);
        self.answer(Answer::new(target, source.into(), hardware))
    }

    fn take_advertisement(&mut self, message: &Message, destination: Ipv6Addr) -> Check<()> {
        // RFC 4861 §7.1.2: what was solicited is not for a group.
        if destination.is_multicast() && message.flags & ndp::SOLICITED != 0 {
            return Err(DropReason::BadNdp);
        }
        let target = IpAddr::V6(message.target);
        if self.link.addresses.on_duplicate(target) || self.link.owns(target) {
            return self.conflict(target);
        }
        if !(destination == ALL_NODES || self.link.owns(destination.into())) {
            return Err(DropReason::NotOurs);
        }
        let neighbors = &mut self.link.frames.neighbors;
        // RFC 4861 §4.4: who was asked alone need not say again where it is.
        let hardware = message.hardware.or_else(|| neighbors.hardware_of(target));
        // Deviation: decision 0041. RFC 4861 §7.2.5: only a solicited one says that packets arrive.
        let answers = message.flags & ndp::SOLICITED != 0;
        let claim = if answers { Claim::Answer } else { Claim::Unasked };
        let now = self.commons.now;
        let known =
            hardware.is_some_and(|hardware| neighbors.on_claim(target, hardware, claim, now));
        self.release_parked();
        if known { Ok(()) } else { Err(DropReason::NeighborIgnored) }
    }

    /// Sends an advertisement: what of ours was asked for, by whom.
    pub(super) fn send_advertisement(
        &mut self,
        (ours, theirs): (Ipv6Addr, Ipv6Addr),
        to: Address,
        sink: Sink<'_>,
    ) -> Result<(), NoRoom> {
        // RFC 4861 §7.2.4: who has no address is answered in the group of all.
        let (flags, destination) = if theirs.is_unspecified() {
            (ndp::OVERRIDE, ALL_NODES)
        } else {
            (ndp::OVERRIDE | ndp::SOLICITED, theirs)
        };
        let hardware = self.link.frames.hardware;
        let kind = ndp::NEIGHBOR_ADVERTISEMENT;
        let message = Message { kind, flags, target: ours, hardware };
        self.send_ndp((ours, destination), Some(to), &message, sink)
    }

    /// Asks for a neighbour: it alone if `to` is given, else its group.
    pub(super) fn send_solicitation(
        &mut self,
        (ours, target): (Ipv6Addr, Ipv6Addr),
        to: Option<Address>,
        sink: Sink<'_>,
    ) -> Result<(), NoRoom> {
        let destination = if to.is_some() { target } else { solicited_node(target) };
        // RFC 4861 §4.3: who has no address does not say where it is.
        let hardware = self.link.frames.hardware.filter(|_| !ours.is_unspecified());
        let message = Message { kind: ndp::NEIGHBOR_SOLICITATION, flags: 0, target, hardware };
        self.send_ndp((ours, destination), to, &message, sink)
    }

    fn send_ndp(
        &mut self,
        (source, destination): (Ipv6Addr, Ipv6Addr),
        to: Option<Address>,
        message: &Message,
        sink: Sink<'_>,
    ) -> Result<(), NoRoom> {
        if self.commons.mtu < MTU_MIN_IPV6 {
            self.commons.counters.drop(DropReason::TooLong);
            return Ok(());
        }
        let to = group(destination.into()).or(to).unwrap_or(Address::BROADCAST);
        self.link.frames.head_for(to);
        let ends = ((source.into(), 0), (destination.into(), 0));
        let Some(flow) = FlowKey::between(ends.0, ends.1) else { return Ok(()) };
        let len = message.emitted_len() as u32;
        let headers = self.link.ip_headers(&flow, Protocol::ICMPV6, len, 0);
        headers.set_ipv6_hop_limit(ndp::HOP_LIMIT);
        headers.push(|buffer| message.emit(buffer));
        headers.checksum_at(2, false);
        headers.send(None, sink)?;
        count!(self.commons.counters, packets_out);
        Ok(())
    }
}
