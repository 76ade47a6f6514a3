//! The one link of a stack and all that belongs to it: addresses, replies that wait, and where
//! packets go.

use core::net::{IpAddr, Ipv4Addr};

use crate::device::{NoRoom, Packet};
use crate::socket::Route;
use crate::wire::address::Cidr;

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
pub(super) struct Link {
    addresses: heapless::Vec<Cidr, ADDRESSES_MAX>,
    pub(super) replies: Replies,
    /// The device had no room for what was offered last.
    pub(super) is_full: bool,
}

impl Link {
    pub(super) const fn new(replies: Replies) -> Self {
        Self { addresses: heapless::Vec::new(), replies, is_full: false }
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

impl Route for Link {
    fn source_for(&self, remote: IpAddr) -> Option<IpAddr> {
        let family = |ours: &&Cidr| ours.address.is_ipv4() == remote.is_ipv4();
        let near = self.addresses.iter().find(|ours| ours.contains(remote));
        near.or_else(|| self.addresses.iter().find(family)).map(|ours| ours.address)
    }
}
