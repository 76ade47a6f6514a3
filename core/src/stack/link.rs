//! The one link of a stack and all that belongs to it: addresses, replies that wait, and where
//! packets go.

use core::net::{IpAddr, Ipv4Addr};

use crate::device::{Medium, NoRoom, Packet};
use crate::socket::Route;
#[cfg(feature = "ethernet")]
use crate::time::Instant;
use crate::wire::address::Cidr;
#[cfg(feature = "ethernet")]
use crate::wire::ethernet::Address;

#[cfg(feature = "ethernet")]
use super::frames::{Frames, group};
#[cfg(feature = "ethernet")]
use super::neighbor::Hop;
use super::reply::Replies;

/// Where packets go.
pub(super) type Sink<'s> = &'s mut dyn FnMut(&Packet<'_>) -> Result<(), NoRoom>;

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

/// The most addresses of a link.
const ADDRESSES_MAX: usize = 4;

/// A link.
#[derive(Debug)]
pub(super) struct Link<'a> {
    addresses: heapless::Vec<Cidr, ADDRESSES_MAX>,
    /// Who takes what is for other links, IPv4 and IPv6.
    #[cfg(feature = "ethernet")]
    gateways: [Option<IpAddr>; 2],
    #[cfg(feature = "ethernet")]
    pub(super) frames: Frames<'a>,
    #[cfg(not(feature = "ethernet"))]
    frames: core::marker::PhantomData<&'a ()>,
    pub(super) replies: Replies,
    /// The device had no room for what was offered last.
    pub(super) is_full: bool,
    /// The device carries something else than this link.
    pub(super) is_foreign: bool,
}

impl<'a> Link<'a> {
    pub(super) fn new(replies: Replies, #[cfg(feature = "ethernet")] frames: Frames<'a>) -> Self {
        Self {
            addresses: heapless::Vec::new(),
            #[cfg(feature = "ethernet")]
            gateways: [None; 2],
            #[cfg(feature = "ethernet")]
            frames,
            #[cfg(not(feature = "ethernet"))]
            frames: core::marker::PhantomData,
            replies,
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

    /// Adds an address; gives it back where there is no room for it.
    pub(super) fn add(&mut self, address: Cidr) -> Result<(), Cidr> {
        self.addresses.push(address)
    }

    /// Takes an address away; returns whether it was there.
    pub(super) fn remove(&mut self, address: IpAddr) -> bool {
        let mut kept = heapless::Vec::new();
        for ours in self.addresses.iter().filter(|ours| ours.address != address) {
            // There is room for all of them, and for this one not less.
            let _ = kept.push(*ours);
        }
        let is_gone = kept.len() < self.addresses.len();
        self.addresses = kept;
        #[cfg(feature = "ethernet")]
        for gateway in self.gateways.into_iter().flatten() {
            if !self.is_near(gateway) {
                self.set_gateway(gateway.is_ipv4(), None);
            }
        }
        is_gone
    }

    /// Whether an address is ours.
    pub(super) fn owns(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|ours| ours.address == address)
    }

    /// Whether everybody on the link is meant by an address.
    pub(super) fn is_broadcast(&self, address: IpAddr) -> bool {
        address == IpAddr::V4(Ipv4Addr::BROADCAST)
            || self.addresses.iter().any(|ours| ours.is_broadcast(address))
    }
}

#[cfg(feature = "ethernet")]
impl Link<'_> {
    /// Our address on the network that another one is on.
    pub(super) fn address_near(&self, other: IpAddr) -> Option<IpAddr> {
        let near = self.addresses.iter().find(|ours| ours.contains(other));
        near.map(|ours| ours.address)
    }

    /// Whether an address is one of a neighbour's.
    pub(super) fn is_near(&self, other: IpAddr) -> bool {
        self.address_near(other).is_some()
    }

    /// Sends what is for other links to a neighbour.
    pub(super) fn set_gateway(&mut self, ipv4: bool, gateway: Option<IpAddr>) {
        let [v4, v6] = &mut self.gateways;
        *(if ipv4 { v4 } else { v6 }) = gateway;
    }

    /// Where a frame for `destination` goes. `wanted` is true where a socket of ours sends it.
    pub(super) fn hop(&mut self, destination: IpAddr, wanted: bool, now: Instant) -> Hop {
        if self.frames.hardware.is_none() {
            return Hop::Send(Address::ZERO);
        }
        if self.is_broadcast(destination) {
            return Hop::Send(Address::BROADCAST);
        }
        if let Some(group) = group(destination) {
            return Hop::Send(group);
        }
        let next = if self.is_near(destination) {
            Some(destination)
        } else {
            let [v4, v6] = self.gateways;
            if destination.is_ipv4() { v4 } else { v6 }
        };
        match next {
            Some(next) => self.frames.neighbors.resolve(next, wanted, now),
            None => Hop::Unreachable,
        }
    }
}

impl Route for Link<'_> {
    fn source_for(&self, remote: IpAddr) -> Option<IpAddr> {
        let family = |ours: &&Cidr| ours.address.is_ipv4() == remote.is_ipv4();
        let near = self.addresses.iter().find(|ours| ours.contains(remote));
        near.or_else(|| self.addresses.iter().find(family)).map(|ours| ours.address)
    }
}
