//! What a link needs beyond addresses where it carries Ethernet frames: our hardware address, the
//! neighbours, and answers to those who asked for us.
//!
//! The messages themselves are in `arp` and `ndp`.

#[cfg(any(feature = "ipv6", feature = "udp"))]
use core::net::IpAddr;

use heapless::Vec;

#[cfg(any(feature = "ipv6", feature = "udp"))]
use crate::flow::widen;
use crate::flow::{Ip, Octets, address, octets};
use crate::time::Instant;
use crate::wire::ethernet::{Address, EtherType, Header};

use super::neighbor::{Neighbors, after};

/// Answers that wait for the device to have room: it is asked before the next frame is looked at.
/// (A row of one is shorter in flash than an `Option`, whose value would move when it is taken.)
const ANSWERS: usize = 1;

/// An answer to a neighbour that has asked for an address of ours.
#[derive(Debug, Clone, Copy)]
// Copied as words.
#[repr(align(4))]
pub(super) struct Answer {
    pub(super) hardware: Address,
    theirs: Octets,
    ours: Octets,
}

impl Answer {
    /// `ours` is at our hardware address: to be told to `theirs`.
    pub(super) fn new(ours: Ip, theirs: Ip, hardware: Address) -> Self {
        Self { hardware, theirs: octets(theirs), ours: octets(ours) }
    }

    pub(super) fn ours(&self) -> Ip {
        address(self.ours)
    }

    pub(super) fn theirs(&self) -> Ip {
        address(self.theirs)
    }
}

/// For how long a way is taken as it was found, half a second: neighbours are used more often than
/// they are asked for.
const WAY_US: u64 = 500_000;

/// The Ethernet side of a link.
#[derive(Debug)]
pub(super) struct Frames<'a> {
    /// Our address; `None` where the link carries bare IP packets.
    pub(super) hardware: Option<Address>,
    pub(super) neighbors: Neighbors<'a>,
    /// Where the packet in the making goes.
    next_hop: Address,
    /// The destination that it was found to lead to, and until when that holds.
    way: Option<(Ip, Instant)>,
    answers: Vec<Answer, ANSWERS>,
    /// Who has sent the frame that is looked at.
    #[cfg(feature = "ipv6")]
    pub(super) from: Address,
    /// Whether that frame was sent to a group.
    #[cfg(feature = "ipv6")]
    pub(super) to_group: bool,
}

impl<'a> Frames<'a> {
    pub(super) fn new(hardware: Option<Address>, neighbors: Neighbors<'a>) -> Self {
        Self {
            hardware,
            neighbors,
            next_hop: Address::ZERO,
            way: None,
            answers: Vec::new(),
            #[cfg(feature = "ipv6")]
            from: Address::ZERO,
            #[cfg(feature = "ipv6")]
            to_group: false,
        }
    }

    /// The packet in the making goes to this station.
    pub(super) fn head_for(&mut self, hardware: Address) {
        (self.next_hop, self.way) = (hardware, None);
    }

    /// Likewise, and that is found to be the way to `destination`.
    pub(super) fn take_way(&mut self, destination: Ip, hardware: Address, now: Instant) {
        (self.next_hop, self.way) = (hardware, Some((destination, after(now, WAY_US))));
    }

    /// Whether the packet in the making goes to who leads to `destination`, found not long ago:
    /// most packets go where the last one went.
    pub(super) fn is_on_the_way(&self, destination: Ip, now: Instant) -> bool {
        self.way.is_some_and(|(known, until)| known == destination && now < until)
    }

    /// Neighbours, addresses or gateways have changed: who leads where has to be found anew.
    pub(super) fn forget_way(&mut self) {
        self.way = None;
    }

    /// The header of a frame to the next hop.
    pub(super) fn header(&self, kind: EtherType) -> Option<Header> {
        let source = self.hardware?;
        Some(Header { destination: self.next_hop, source, kind })
    }

    /// Queues an answer; false where there is no place for it.
    pub(super) fn push_answer(&mut self, answer: Answer) -> bool {
        self.answers.push(answer).is_ok()
    }

    pub(super) fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    pub(super) fn first_answer(&self) -> Option<Answer> {
        self.answers.first().copied()
    }

    /// An address is not ours any more: an answer about it does not leave.
    pub(super) fn forget_answer(&mut self, address: Ip) {
        if self.first_answer().is_some_and(|answer| answer.ours() == address) {
            self.pop_answer();
        }
    }

    pub(super) fn pop_answer(&mut self) {
        self.answers.pop();
    }
}

/// The group address of a multicast or broadcast address (RFC 1112 §6.4, RFC 2464 §7); `None` for
/// that of one host.
#[cfg(any(feature = "ipv6", feature = "udp"))]
pub(super) fn group(destination: Ip) -> Option<Address> {
    match widen(destination) {
        IpAddr::V4(group) if group.is_multicast() => {
            let [_, a, b, c] = group.octets();
            Some(Address([0x01, 0x00, 0x5e, a & 0x7f, b, c]))
        }
        #[cfg(feature = "ipv6")]
        IpAddr::V6(group) if group.is_multicast() => {
            let [.., a, b, c, d] = group.octets();
            Some(Address([0x33, 0x33, a, b, c, d]))
        }
        _ => None,
    }
}
