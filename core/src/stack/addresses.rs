//! The addresses of a link, and how one comes into use: at once, or once nobody has objected.
//!
//! The messages that ask and tell about an address are written in `arp` and `ndp`.

use core::net::IpAddr;

use heapless::Vec;

use crate::flow::{Ip, widen};
#[cfg(feature = "ethernet")]
use crate::time::{Due, Duration, Instant};
use crate::wire::address::{Cidr, Net};

/// The most addresses of a link.
const ADDRESSES_MAX: usize = if cfg!(feature = "ipv6") { 4 } else { 2 };

/// RFC 5227 §1.1: PROBE_NUM and ANNOUNCE_NUM; RFC 4862 §5.1: DupAddrDetectTransmits.
#[cfg(feature = "ethernet")]
const PROBES_IPV4: u8 = 3;
#[cfg(feature = "ethernet")]
const PROBES_IPV6: u8 = 1;
#[cfg(feature = "ethernet")]
const ANNOUNCEMENTS: u8 = 2;
/// RFC 5227 §1.1: ANNOUNCE_WAIT and ANNOUNCE_INTERVAL.
#[cfg(feature = "ethernet")]
const ANNOUNCE: Duration = Duration::from_secs(2);
/// RFC 5227 §1.1: PROBE_MIN; RFC 4861 §10: RETRANS_TIMER.
#[cfg(feature = "ethernet")]
const PROBE: Duration = Duration::from_secs(1);
/// RFC 5227 §1.1: DEFEND_INTERVAL.
#[cfg(feature = "ethernet")]
const DEFEND: Duration = Duration::from_secs(10);

/// How far an address has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum AddressState {
    /// It is ours.
    Usable,
    /// The link is being asked whether somebody has it. Nothing is sent from it, or taken for it.
    Tentative,
    /// Somebody has it: it is not used.
    Duplicate,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    net: Net,
    state: AddressState,
    /// Probes or announcements that are still to be sent.
    #[cfg(feature = "ethernet")]
    left: u8,
    /// When the next one is, or the state ends.
    #[cfg(feature = "ethernet")]
    due: Instant,
    /// It may be defended from then on.
    #[cfg(feature = "ethernet")]
    defend: Instant,
}

/// A message about an address of ours that is due.
#[cfg(feature = "ethernet")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) address: Ip,
    /// Whether it asks, or else tells.
    pub(super) is_probe: bool,
    index: usize,
}

/// What an address is to us: the last of these that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Of a host, or group, elsewhere.
    Far,
    /// On the network of one of ours.
    Near,
    /// Of all hosts of such a network, or of the link.
    All,
    Ours,
}

/// The addresses of a link.
#[derive(Debug)]
pub(super) struct Addresses {
    held: Vec<Held, ADDRESSES_MAX>,
    /// Between whom a packet was seen last that is from one host and for us; nobody where our
    /// addresses have changed since.
    met: Option<(Ip, Ip)>,
}

impl Addresses {
    pub(super) fn new() -> Self {
        Self { held: Vec::new(), met: None }
    }

    /// Adds an address that is usable, unless it is ours already; false where there is no place for
    /// it.
    pub(super) fn add(&mut self, cidr: Cidr) -> bool {
        let Some(net) = Net::new(cidr) else { return false };
        self.met = None;
        if self.owns(net.address) {
            return true;
        }
        let held = Held {
            net,
            state: AddressState::Usable,
            #[cfg(feature = "ethernet")]
            left: 0,
            #[cfg(feature = "ethernet")]
            due: Instant::ZERO,
            #[cfg(feature = "ethernet")]
            defend: Instant::ZERO,
        };
        self.held.push(held).is_ok()
    }

    /// Whether another address is on the network of one that we have, or are about to have.
    #[cfg(feature = "ethernet")]
    pub(super) fn covers(&self, other: Ip) -> bool {
        is_link_local(other) || self.held.iter().any(|held| held.net.contains(other))
    }

    /// Whether an address is one of ours, or is to become one.
    #[cfg(any(feature = "dhcp", feature = "ethernet"))]
    pub(super) fn holds(&self, address: Ip) -> bool {
        self.held.iter().any(|held| held.net.address == address)
    }

    /// Changes the prefix of an address that we have.
    #[cfg(feature = "dhcp")]
    pub(super) fn set_prefix(&mut self, cidr: Cidr) {
        self.met = None;
        let Some(net) = Net::new(cidr) else { return };
        for held in self.held.iter_mut().filter(|held| held.net.address == net.address) {
            held.net = net;
        }
    }

    /// Takes an address away; false where it was not there.
    pub(super) fn remove(&mut self, address: Ip) -> bool {
        let mut kept = Vec::new();
        for held in self.held.iter().filter(|held| held.net.address != address) {
            // There is room for all of them, and for this one not less.
            let _ = kept.push(*held);
        }
        let is_gone = kept.len() < self.held.len();
        (self.held, self.met) = (kept, None);
        is_gone
    }

    /// Those that are ours.
    pub(super) fn usable(&self) -> impl Iterator<Item = &Net> {
        let usable = self.held.iter().filter(|held| held.state == AddressState::Usable);
        usable.map(|held| &held.net)
    }

    /// What an address is to us.
    // Called from several places: one copy in an image is enough.
    #[inline(never)]
    pub(super) fn standing(&self, address: Ip) -> Standing {
        let mut standing = Standing::Far;
        for ours in self.usable() {
            if ours.address == address {
                return Standing::Ours;
            }
            if ours.is_broadcast(address) {
                standing = Standing::All;
            } else if ours.contains(address) {
                standing = standing.max(Standing::Near);
            }
        }
        standing
    }

    /// Whether an address is ours.
    pub(super) fn owns(&self, address: Ip) -> bool {
        self.standing(address) == Standing::Ours
    }

    /// Whether everybody on the link is meant by an address.
    pub(super) fn is_broadcast(&self, address: Ip) -> bool {
        self.usable().any(|ours| ours.is_broadcast(address))
    }

    /// Whether a packet between these two is as the last one that was found to be from one host
    /// and for us.
    pub(super) fn has_met(&self, source: Ip, destination: Ip) -> bool {
        self.met == Some((source, destination))
    }

    /// One was found to be.
    pub(super) fn meet(&mut self, source: Ip, destination: Ip) {
        self.met = Some((source, destination));
    }

    /// Our address to speak from to another one.
    pub(super) fn source_for(&self, remote: Ip) -> Option<Ip> {
        let serves = |ours: &&Net| {
            // RFC 4007 §6: a link-local address is of no use beyond the link.
            let family = widen(ours.address).is_ipv4() == widen(remote).is_ipv4();
            family && (is_link_local(remote) || !is_link_local(ours.address))
        };
        let near = self.usable().find(|ours| ours.contains(remote));
        near.or_else(|| self.usable().find(serves)).map(|ours| ours.address)
    }
}

/// Whether an address is valid on its link only, in IPv6.
pub(super) fn is_link_local(address: Ip) -> bool {
    match widen(address) {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => cfg!(feature = "ipv6") && address.is_unicast_link_local(),
    }
}

#[cfg(feature = "ethernet")]
impl Addresses {
    /// Adds an address that is tentative until nobody has objected, or begins anew with one that is
    /// there; false where there is no place for it. The first probe is due at `first`.
    pub(super) fn probe(&mut self, cidr: Cidr, first: Instant) -> bool {
        let left = if cidr.address.is_ipv4() { PROBES_IPV4 } else { PROBES_IPV6 };
        let Some(net) = Net::new(cidr) else { return false };
        if !(self.holds(net.address) || self.add(cidr)) {
            return false;
        }
        self.met = None;
        for held in self.held.iter_mut().filter(|held| held.net.address == net.address) {
            held.net = net;
            (held.state, held.left, held.due) = (AddressState::Tentative, left, first);
        }
        true
    }

    /// How far an address has come; `None` where it is not one of ours.
    pub(super) fn state(&self, address: Ip) -> Option<AddressState> {
        self.held.iter().find(|held| held.net.address == address).map(|held| held.state)
    }

    /// All that we have or want.
    #[cfg(feature = "ipv6")]
    pub(super) fn all(&self) -> impl Iterator<Item = Ip> {
        self.held.iter().map(|held| held.net.address)
    }

    /// Somebody has an address, or wants it, that is tentative. Returns whether there is one.
    pub(super) fn on_duplicate(&mut self, address: Ip) -> bool {
        let is_it =
            |held: &&mut Held| held.net.address == address && held.state == AddressState::Tentative;
        let held = self.held.iter_mut().find(is_it);
        held.map(|held| (held.state, held.left) = (AddressState::Duplicate, 0)).is_some()
    }

    /// Somebody claims an address of ours: it is announced once more, once in ten seconds.
    pub(super) fn defend(&mut self, address: Ip, now: Instant) {
        for held in self.held.iter_mut() {
            if held.net.address == address && held.defend <= now {
                held.defend = now + DEFEND;
                (held.left, held.due) = (held.left.max(1), now);
            }
        }
    }

    /// When [`Addresses::next_notice`] has something to do.
    pub(super) fn next_due(&self) -> Due {
        let waits = |held: &&Held| held.left > 0 || held.state == AddressState::Tentative;
        let dues = self.held.iter().filter(waits).map(|held| Due::at(held.due));
        dues.fold(Due::NEVER, Due::earlier)
    }

    /// What is to be asked or told now. Addresses to which nobody has objected become usable.
    pub(super) fn next_notice(&mut self, now: Instant) -> Option<Notice> {
        let mut next = 0usize;
        for held in &mut self.held {
            let index = next;
            next = index.wrapping_add(1);
            let is_tentative = held.state == AddressState::Tentative;
            if held.due > now || (held.left == 0 && !is_tentative) {
                continue;
            }
            let address = held.net.address;
            if held.left == 0 {
                held.state = AddressState::Usable;
                self.met = None;
                if widen(address).is_ipv6() {
                    continue;
                }
                held.left = ANNOUNCEMENTS;
            }
            let is_probe = held.state == AddressState::Tentative;
            return Some(Notice { address, is_probe, index });
        }
        None
    }

    /// It has left. `jitter` is up to half a second.
    pub(super) fn on_notice(&mut self, notice: &Notice, now: Instant, jitter: Duration) {
        let Some(held) = self.held.get_mut(notice.index) else { return };
        held.left = held.left.saturating_sub(1);
        held.due = match (notice.is_probe, held.left, widen(notice.address)) {
            (true, 1.., _) => now + PROBE + jitter,
            // RFC 4862 §5.4: RETRANS_TIMER after the last one.
            (true, 0, IpAddr::V6(_)) => now + PROBE,
            _ => now + ANNOUNCE,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::of_v4;

    fn ip(last: [u8; 4]) -> Ip {
        of_v4(last.into())
    }

    fn cidr(octets: [u8; 4], prefix: u8) -> Cidr {
        Cidr::new(IpAddr::from(octets), prefix).unwrap()
    }

    #[test]
    fn what_an_address_is_to_us_is_the_most_that_it_is_to_any_of_ours() {
        let mut addresses = Addresses::new();
        assert_eq!(addresses.standing(ip([192, 0, 2, 1])), Standing::Far);
        assert!(addresses.add(cidr([192, 0, 2, 1], 24)));
        assert!(addresses.add(cidr([192, 0, 3, 1], 23)));
        for (octets, standing) in [
            ([192, 0, 2, 1], Standing::Ours),
            ([192, 0, 3, 1], Standing::Ours),
            ([192, 0, 2, 255], Standing::All),
            ([192, 0, 3, 255], Standing::All),
            ([255; 4], Standing::All),
            ([192, 0, 2, 7], Standing::Near),
            ([192, 0, 3, 7], Standing::Near),
            ([192, 0, 4, 7], Standing::Far),
        ] {
            assert_eq!(addresses.standing(ip(octets)), standing, "{octets:?}");
        }
    }

    #[test]
    fn whom_we_have_met_is_forgotten_where_our_addresses_change() {
        let mut addresses = Addresses::new();
        let (peer, ours) = (ip([192, 0, 2, 9]), ip([192, 0, 2, 1]));
        assert!(!addresses.has_met(peer, ours));
        for change in 0..2 {
            assert!(addresses.add(cidr([192, 0, 2, 1], 24)));
            addresses.meet(peer, ours);
            assert!(addresses.has_met(peer, ours));
            assert!(!addresses.has_met(ours, peer));
            if change == 0 {
                assert!(addresses.remove(ours));
            } else {
                assert!(addresses.add(cidr([192, 0, 2, 9], 24)), "it is ours now");
            }
            assert!(!addresses.has_met(peer, ours), "change {change}");
        }
    }

    #[cfg(feature = "ethernet")]
    #[test]
    fn whom_we_have_met_is_forgotten_where_an_address_comes_into_use() {
        let mut addresses = Addresses::new();
        let (peer, ours) = (ip([192, 0, 2, 9]), ip([192, 0, 2, 1]));
        assert!(addresses.add(cidr([192, 0, 2, 1], 24)));
        assert!(addresses.probe(cidr([192, 0, 2, 9], 24), Instant::ZERO));
        addresses.meet(peer, ours);
        let mut now = Instant::ZERO;
        while let Some(notice) = addresses.next_notice(now).filter(|notice| notice.is_probe) {
            assert!(addresses.has_met(peer, ours));
            addresses.on_notice(&notice, now, Duration::ZERO);
            now = addresses.next_due().instant().unwrap();
        }
        assert_eq!(addresses.state(peer), Some(AddressState::Usable));
        assert!(!addresses.has_met(peer, ours));
    }
}
