//! What kind of address an address is, as far as one can tell without knowing our own.
//!
//! No address is owned, resolved or routed here.

use core::net::{IpAddr, Ipv4Addr};

use crate::flow::{Ip, narrow, widen};

/// Whether this may be the address of one host: neither multicast, nor the limited broadcast, nor
/// unspecified. Directed broadcasts need a [`Cidr`] to be told.
#[must_use]
pub const fn is_unicast(address: IpAddr) -> bool {
    let broadcast = match address {
        IpAddr::V4(address) => address.is_broadcast(),
        IpAddr::V6(_) => false,
    };
    !(address.is_multicast() || broadcast || address.is_unspecified())
}

/// Whether a packet from a network may come from this address, to which one could answer.
///
/// Refused are multicast, broadcast, unspecified and loopback addresses, IPv4's 0/8 and 240/4, and
/// IPv4 addresses in IPv6 clothes.
#[must_use]
pub const fn may_be_source(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => may_be_source_v4(address),
        IpAddr::V6(address) => {
            // RFC 4291 §2.5.2, §2.5.3, §2.7; RFC 4942 §2.2: a mapped address would get past
            // filters as the IPv4 address that it stands for.
            !(address.is_multicast()
                || address.is_unspecified()
                || address.is_loopback()
                || address.to_ipv4_mapped().is_some())
        }
    }
}

/// Whether a packet from a network may come from this IPv4 address: see [`may_be_source`].
#[must_use]
pub const fn may_be_source_v4(address: Ipv4Addr) -> bool {
    // RFC 1122 §3.2.1.3: 0/8 is for hosts that do not know their address yet, 127/8 never leaves a
    // host; RFC 1112 §4: 224/4 are groups and 240/4 is reserved.
    let [first, ..] = address.octets();
    !matches!(first, 0 | 127 | 224..)
}

/// The reason why an address cannot be the address of one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum NotAHost {
    /// 127.0.0.0/8 or ::1, which never leave a host (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3).
    Loopback,
    /// An address of a group.
    Multicast,
    /// All host bits are zero: the address names the network.
    Network,
    /// All host bits are one: the address names every host of the network.
    Broadcast,
    /// Unspecified, in 0.0.0.0/8 or 240.0.0.0/4, an IPv4 address mapped into IPv6, or any address
    /// of IPv6 in a build without it.
    Reserved,
}

impl core::fmt::Display for NotAHost {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Loopback => "a loopback address",
            Self::Multicast => "a multicast address",
            Self::Network => "the address of the network itself",
            Self::Broadcast => "the broadcast address of the network",
            Self::Reserved => "a reserved address",
        })
    }
}

/// An address and the length of the prefix that its link shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Cidr {
    /// The address, host part included.
    pub address: IpAddr,
    /// Bits of it that name the link: 0 to 32, or to 128 for IPv6.
    pub prefix: u8,
}

impl Cidr {
    /// `address` with a prefix of `prefix` bits; `None` if an address has fewer bits.
    #[must_use]
    pub const fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let bits = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        if prefix > bits { None } else { Some(Self { address, prefix }) }
    }

    /// The reason why a host cannot have this address; `None` for the address of a host. A prefix
    /// of 31 or 32 bits has neither a network address nor a broadcast address (RFC 3021).
    #[must_use]
    #[inline]
    pub fn host_fault(&self) -> Option<NotAHost> {
        match self.address {
            IpAddr::V4(address) => {
                let (bits, host) = (address.to_bits(), host_bits(self.prefix));
                match address.octets() {
                    [127, ..] => Some(NotAHost::Loopback),
                    [224..=239, ..] => Some(NotAHost::Multicast),
                    [0 | 240.., ..] if !address.is_broadcast() => Some(NotAHost::Reserved),
                    _ if address.is_broadcast() => Some(NotAHost::Broadcast),
                    _ if self.prefix < 31 && bits & host == 0 => Some(NotAHost::Network),
                    _ if self.prefix < 31 && bits & host == host => Some(NotAHost::Broadcast),
                    _ => None,
                }
            }
            #[cfg(feature = "ipv6")]
            IpAddr::V6(address) if address.is_loopback() => Some(NotAHost::Loopback),
            #[cfg(feature = "ipv6")]
            IpAddr::V6(address) if address.is_multicast() => Some(NotAHost::Multicast),
            #[cfg(feature = "ipv6")]
            IpAddr::V6(_) if may_be_source(self.address) => None,
            // A build without IPv6 has no such host either.
            IpAddr::V6(_) => Some(NotAHost::Reserved),
        }
    }

    /// Whether `other` lies behind the same prefix.
    #[must_use]
    pub fn contains(&self, other: IpAddr) -> bool {
        let net = Net::new(*self).zip(narrow(other));
        net.is_some_and(|(net, other)| net.contains(other))
    }

    /// Whether `other` names all hosts of this link: the limited broadcast, or the directed one
    /// (RFC 1122 §3.2.1.3). A prefix of 31 or 32 bits leaves no room for the latter (RFC 3021).
    #[must_use]
    pub fn is_broadcast(&self, other: IpAddr) -> bool {
        let net = Net::new(*self).zip(narrow(other));
        net.is_some_and(|(net, other)| net.is_broadcast(other))
    }
}

/// A [`Cidr`] that this build can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Net {
    pub(crate) address: Ip,
    prefix: u8,
}

impl Net {
    /// `None` for an address that this build cannot hold.
    pub(crate) const fn new(cidr: Cidr) -> Option<Self> {
        match narrow(cidr.address) {
            Some(address) => Some(Self { address, prefix: cidr.prefix }),
            None => None,
        }
    }

    /// [`Cidr::contains`].
    pub(crate) fn contains(&self, other: Ip) -> bool {
        match (widen(self.address), widen(other)) {
            (IpAddr::V4(ours), IpAddr::V4(other)) => {
                (ours.to_bits() ^ other.to_bits()) & !host_bits(self.prefix) == 0
            }
            #[cfg(feature = "ipv6")]
            (IpAddr::V6(ours), IpAddr::V6(other)) => {
                same_prefix(&ours.octets(), &other.octets(), self.prefix)
            }
            _ => false,
        }
    }

    /// [`Cidr::is_broadcast`].
    pub(crate) fn is_broadcast(&self, other: Ip) -> bool {
        let (IpAddr::V4(ours), IpAddr::V4(other)) = (widen(self.address), widen(other)) else {
            return false;
        };
        let directed = ours.to_bits() | host_bits(self.prefix);
        other.is_broadcast() || (self.prefix < 31 && other.to_bits() == directed)
    }
}

/// The bits of an IPv4 address behind a prefix.
fn host_bits(prefix: u8) -> u32 {
    u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0)
}

#[cfg(feature = "ipv6")]
fn same_prefix(ours: &[u8], other: &[u8], prefix: u8) -> bool {
    let mut bits = prefix;
    for (ours, other) in ours.iter().zip(other) {
        let differing = 0xff_u8.checked_shr(u32::from(bits)).map_or(0xff, |mask| !mask);
        if (ours ^ other) & differing != 0 {
            return false;
        }
        bits = bits.saturating_sub(8);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_are_told_apart() {
        // (address, is unicast, may be a source)
        let table = [
            ("192.0.2.1", true, true),
            ("10.255.255.255", true, true),
            ("223.255.255.255", true, true),
            ("0.0.0.0", false, false),
            ("0.1.2.3", true, false),
            ("127.0.0.1", true, false),
            ("127.255.255.255", true, false),
            ("128.0.0.1", true, true),
            ("224.0.0.1", false, false),
            ("239.255.255.255", false, false),
            ("240.0.0.1", true, false),
            ("255.255.255.255", false, false),
            ("::", false, false),
            ("::1", true, false),
            ("::2", true, true),
            ("::ffff:192.0.2.1", true, false),
            ("fe80::1", true, true),
            ("2001:db8::1", true, true),
            ("ff02::1", false, false),
        ];
        for (address, unicast, source) in table {
            assert_eq!(is_unicast(ip(address)), unicast, "{address} is unicast");
            assert_eq!(may_be_source(ip(address)), source, "{address} may be a source");
        }
    }

    #[test]
    fn an_address_of_no_host_is_told_with_its_reason() {
        use NotAHost::*;
        let table = [
            ("192.0.2.1", 24, None),
            ("169.254.7.7", 16, None),
            ("127.0.0.1", 8, Some(Loopback)),
            ("127.255.255.254", 32, Some(Loopback)),
            ("224.0.0.1", 24, Some(Multicast)),
            ("239.255.255.255", 32, Some(Multicast)),
            ("192.0.2.0", 24, Some(Network)),
            ("192.0.2.255", 24, Some(Broadcast)),
            ("192.0.2.255", 23, None),
            ("192.0.2.128", 25, Some(Network)),
            ("192.0.2.4", 30, Some(Network)),
            ("192.0.2.7", 30, Some(Broadcast)),
            ("192.0.2.0", 31, None),
            ("192.0.2.255", 31, None),
            ("192.0.2.0", 32, None),
            ("255.255.255.255", 32, Some(Broadcast)),
            ("0.0.0.0", 32, Some(Reserved)),
            ("0.1.2.3", 8, Some(Reserved)),
            ("240.0.0.1", 24, Some(Reserved)),
            ("10.255.255.255", 0, None),
            #[cfg(feature = "ipv6")]
            ("2001:db8::1", 64, None),
            #[cfg(feature = "ipv6")]
            ("2001:db8::", 64, None),
            #[cfg(feature = "ipv6")]
            ("fe80::1", 64, None),
            #[cfg(feature = "ipv6")]
            ("::1", 128, Some(Loopback)),
            ("::", 64, Some(Reserved)),
            #[cfg(feature = "ipv6")]
            ("ff02::1", 64, Some(Multicast)),
            ("::ffff:192.0.2.1", 96, Some(Reserved)),
        ];
        for (address, prefix, fault) in table {
            let cidr = Cidr::new(ip(address), prefix).unwrap();
            assert_eq!(cidr.host_fault(), fault, "{address}/{prefix}");
        }
    }

    #[test]
    fn a_prefix_contains_its_link_and_nothing_else() {
        // (address, prefix, other, contains, is broadcast)
        let table = [
            ("192.0.2.1", 24, "192.0.2.254", true, false),
            ("192.0.2.1", 24, "192.0.2.255", true, true),
            ("192.0.2.1", 24, "192.0.3.255", false, false),
            ("192.0.2.1", 24, "255.255.255.255", false, true),
            ("192.0.2.1", 23, "192.0.3.255", true, true),
            ("192.0.2.1", 30, "192.0.2.3", true, true),
            ("192.0.2.0", 31, "192.0.2.1", true, false),
            ("192.0.2.1", 32, "192.0.2.1", true, false),
            ("192.0.2.1", 32, "192.0.2.0", false, false),
            ("192.0.2.1", 0, "8.8.8.8", true, false),
            ("192.0.2.1", 0, "2001:db8::1", false, false),
            #[cfg(feature = "ipv6")]
            ("2001:db8::1", 64, "2001:db8::ffff:1", true, false),
            ("2001:db8::1", 64, "2001:db8:0:1::1", false, false),
            #[cfg(feature = "ipv6")]
            ("2001:db8::1", 63, "2001:db8:0:1::1", true, false),
            #[cfg(feature = "ipv6")]
            ("2001:db8::1", 128, "2001:db8::1", true, false),
            ("2001:db8::1", 128, "2001:db8::", false, false),
            #[cfg(feature = "ipv6")]
            ("2001:db8::1", 0, "::", true, false),
        ];
        for (address, prefix, other, contains, broadcast) in table {
            let cidr = Cidr::new(ip(address), prefix).unwrap();
            assert_eq!(cidr.contains(ip(other)), contains, "{other} in {address}/{prefix}");
            assert_eq!(cidr.is_broadcast(ip(other)), broadcast, "{other} for {address}/{prefix}");
        }
        assert_eq!(Cidr::new(ip("192.0.2.1"), 33), None);
        assert_eq!(Cidr::new(ip("::1"), 129), None);
    }
}
