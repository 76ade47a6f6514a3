//! The one link of a stack and all that belongs to it: addresses, replies that wait, and where
//! packets go.

use core::net::{IpAddr, Ipv4Addr};

use crate::device::Medium;
use crate::flow::{Ip, narrow, widen};
use crate::socket::Route;
#[cfg(feature = "ethernet")]
use crate::time::Instant;
#[cfg(feature = "ethernet")]
use crate::wire::ethernet::Address;

use super::addresses::Addresses;
#[cfg(feature = "ethernet")]
use super::addresses::{Standing, is_link_local};
#[cfg(feature = "ethernet")]
use super::frames::Frames;
#[cfg(all(feature = "ethernet", feature = "udp"))]
use super::frames::group;
use super::headers::Headers;
#[cfg(feature = "ethernet")]
use super::neighbor::Hop;
use super::reply::Replies;

/// How many versions of IP there are here.
#[cfg(feature = "ethernet")]
const FAMILIES: usize = if cfg!(feature = "ipv6") { 2 } else { 1 };

/// What became of an attempt to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// A packet left, or one that never could was dropped.
    Done,
    /// There is nothing to send.
    Nothing,
    /// The device has no room.
    Full,
}

/// A link.
#[derive(Debug)]
pub(super) struct Link<'a> {
    pub(super) addresses: Addresses,
    /// Who takes what is for other links, IPv4 and IPv6.
    #[cfg(feature = "ethernet")]
    gateways: [Option<Ip>; FAMILIES],
    #[cfg(feature = "ethernet")]
    pub(super) frames: Frames<'a>,
    #[cfg(not(feature = "ethernet"))]
    frames: core::marker::PhantomData<&'a ()>,
    pub(super) replies: Replies,
    pub(super) headers: Headers,
    /// The device had no room for what was offered last.
    pub(super) is_full: bool,
    /// The device carries something else than this link.
    pub(super) is_foreign: bool,
}

impl<'a> Link<'a> {
    pub(super) fn new(
        replies: Replies,
        headers: Headers,
        #[cfg(feature = "ethernet")] frames: Frames<'a>,
    ) -> Self {
        Self {
            addresses: Addresses::new(),
            #[cfg(feature = "ethernet")]
            gateways: [None; FAMILIES],
            #[cfg(feature = "ethernet")]
            frames,
            #[cfg(not(feature = "ethernet"))]
            frames: core::marker::PhantomData,
            replies,
            headers,
            is_full: false,
            is_foreign: false,
        }
    }

    /// What the frames of the link are.
    pub(super) fn medium(&self) -> Medium {
        #[cfg(feature = "ethernet")]
        if self.frames.hardware.is_some() {
            return Medium::Ethernet;
        }
        Medium::Ip
    }

    /// Takes an address away; returns whether it was there.
    pub(super) fn remove(&mut self, address: Ip) -> bool {
        let is_gone = self.addresses.remove(address);
        #[cfg(feature = "ethernet")]
        self.forget_far_gateways();
        #[cfg(feature = "ethernet")]
        self.frames.forget_answer(address);
        is_gone
    }

    /// Whether an address is ours.
    pub(super) fn owns(&self, address: Ip) -> bool {
        self.addresses.owns(address)
    }

    /// Whether everybody on the link is meant by an address.
    pub(super) fn is_broadcast(&self, address: Ip) -> bool {
        widen(address) == IpAddr::V4(Ipv4Addr::BROADCAST) || self.addresses.is_broadcast(address)
    }
}

#[cfg(feature = "ethernet")]
impl Link<'_> {
    /// Whether an address is one of a neighbour's.
    pub(super) fn is_near(&self, other: Ip) -> bool {
        is_link_local(other) || self.addresses.standing(other) != Standing::Far
    }

    /// Who takes what is for other links, in IPv4 or IPv6.
    fn gateway(&self, ipv4: bool) -> Option<Ip> {
        self.gateways.get(usize::from(!ipv4)).copied().flatten()
    }

    /// Whether an address is that of a gateway.
    fn is_gateway(&self, address: Ip) -> bool {
        self.gateways.contains(&Some(address))
    }

    /// Our networks have changed: a gateway that is on none of them is forgotten.
    pub(super) fn forget_far_gateways(&mut self) {
        self.frames.forget_way();
        for gateway in self.gateways.into_iter().flatten() {
            if !self.addresses.covers(gateway) {
                self.forget_gateway(gateway);
            }
        }
    }

    /// Forgets a gateway, if it is one.
    pub(super) fn forget_gateway(&mut self, gateway: Ip) {
        if self.is_gateway(gateway) {
            self.set_gateway(widen(gateway).is_ipv4(), None);
        }
    }

    /// Sends what is for other links to a neighbour.
    pub(super) fn set_gateway(&mut self, ipv4: bool, gateway: Option<Ip>) {
        if let Some(kept) = self.gateways.get_mut(usize::from(!ipv4)) {
            *kept = gateway;
        }
        self.frames.forget_way();
    }

    /// Where a frame for `destination` goes. `wanted` is true where a socket of ours sends it.
    pub(super) fn hop(&mut self, destination: Ip, wanted: bool, now: Instant) -> Hop {
        if self.frames.hardware.is_none() {
            return Hop::Send(Address::ZERO);
        }
        // TCP speaks to one host, and so do replies.
        #[cfg(feature = "udp")]
        if self.is_broadcast(destination) {
            return Hop::Send(Address::BROADCAST);
        }
        #[cfg(feature = "udp")]
        if let Some(group) = group(destination) {
            return Hop::Send(group);
        }
        let is_near = self.is_near(destination);
        match self.next_hop(destination) {
            // Packets for other links, replies too, go to a gateway that has answered us.
            Some(next) => self.frames.neighbors.resolve(next, wanted || !is_near, now),
            None => Hop::Unreachable,
        }
    }

    /// The neighbour that leads to `destination`: itself, or the gateway.
    fn next_hop(&self, destination: Ip) -> Option<Ip> {
        if self.is_near(destination) {
            return Some(destination);
        }
        self.gateway(widen(destination).is_ipv4())
    }

    /// The place in the cache of the neighbour that leads to `destination` and is asked for.
    pub(super) fn place_on_the_way(&self, destination: Ip) -> Option<usize> {
        self.frames.neighbors.place_of(self.next_hop(destination)?)
    }
}

impl Route for Link<'_> {
    fn source_for(&self, remote: IpAddr) -> Option<IpAddr> {
        self.addresses.source_for(narrow(remote)?).map(widen)
    }

    fn owns(&self, address: IpAddr) -> bool {
        narrow(address).is_some_and(|address| self.addresses.owns(address))
    }
}
