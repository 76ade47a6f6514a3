//! What a server grants: the address, what belongs to it, and for how long.

use core::net::{IpAddr, Ipv4Addr};

use crate::time::Instant;
use crate::wire::address::{Cidr, may_be_source};
use crate::wire::dhcp::{DNS_MAX, Reply};

/// Leases that are shorter, in seconds, are no use to anybody: they are not taken.
const LEASE_MIN: u32 = 10;
/// A lease that does not end (RFC 2131 §3.3).
pub(super) const FOREVER: u32 = u32::MAX;

/// An address, and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Lease {
    /// Our address.
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    pub address: Ipv4Addr,
    /// Bits of it that name the link: 1 to 32.
    pub prefix: u8,
    /// The way to everybody else.
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    pub router: Option<Ipv4Addr>,
    /// Whom to ask for names, best first.
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    pub dns: heapless::Vec<Ipv4Addr, DNS_MAX>,
    /// The MTU that the server tells; not applied.
    pub mtu: Option<u16>,
    /// Who granted it.
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    pub server: Ipv4Addr,
    /// When it ends; `None` for never.
    pub expires_at: Option<Instant>,
}

impl Lease {
    /// Whether all is as before but the time.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (self.address, self.prefix, self.router, self.mtu, &self.dns)
            == (other.address, other.prefix, other.router, other.mtu, &other.dns)
    }
}

/// What a server offers or grants, and for how many seconds; `None` where it is of no use.
pub(super) fn terms(reply: &Reply) -> Option<(Lease, u32)> {
    let is_host = |address: &Ipv4Addr| may_be_source(IpAddr::V4(*address));
    let address = reply.address;
    let server = reply.server.filter(is_host)?;
    let seconds = reply.lease.filter(|seconds| *seconds >= LEASE_MIN)?;
    // RFC 950 §2.1: without a mask that of the address's class.
    let prefix = reply.prefix.unwrap_or(match address.octets() {
        [0..128, ..] => 8,
        [128..192, ..] => 16,
        _ => 24,
    });
    let cidr = Cidr::new(IpAddr::V4(address), prefix)?;
    // RFC 1122 §3.2.1.3: the address of a host, not of a network or a group.
    if cidr.host_fault().is_some() {
        return None;
    }
    let mut dns = heapless::Vec::new();
    for server in reply.dns.iter().filter(|server| is_host(server)) {
        // As many as there were have room.
        let _ = dns.push(*server);
    }
    let router = reply.router.filter(is_host).filter(|router| *router != address);
    let lease = Lease { address, prefix, router, dns, mtu: reply.mtu, server, expires_at: None };
    Some((lease, seconds))
}

/// T1 and T2 in seconds: those of the server where they are in order, else a half and seven
/// eighths of the lease, T1 up to a 32nd earlier (RFC 2131 §4.4.5).
pub(super) fn renewal_times(reply: &Reply, lease: u32, random: u64) -> (u32, u32) {
    if lease == FOREVER {
        return (FOREVER, FOREVER);
    }
    let t2 = reply.rebinding.unwrap_or(lease.saturating_sub(lease >> 3));
    let t1 = reply.renewal.unwrap_or(lease >> 1);
    if (reply.renewal.is_some() || reply.rebinding.is_some()) && 0 < t1 && t1 < t2 && t2 < lease {
        return (t1, t2);
    }
    let early = u64::from(lease >> 6).wrapping_mul(random >> 48) >> 16;
    ((lease >> 1).saturating_sub(early as u32), lease.saturating_sub(lease >> 3))
}
