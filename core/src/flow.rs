//! The name of a connection: both addresses and both ports as one opaque, copyable value.
//!
//! TCP and the tables see no more of an address than this. With feature `ipv6` IPv4 addresses are
//! held in their mapped form, so that one comparison serves both; without it a key has 12 bytes.

use core::net::{IpAddr, SocketAddr};

#[cfg(feature = "ipv6")]
mod held {
    use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    /// An address as it is passed on within the stack: no wider than what this build can hold.
    pub(crate) type Ip = IpAddr;
    /// An address as it is kept and compared.
    pub(crate) type Octets = [u8; 16];

    /// An address of the user's; `None` where this build cannot hold it.
    pub(crate) const fn narrow(address: IpAddr) -> Option<Ip> {
        Some(address)
    }

    /// An address as users know it, and as one asks of which family it is.
    pub(crate) const fn widen(address: Ip) -> IpAddr {
        address
    }

    pub(crate) const fn of_v4(address: Ipv4Addr) -> Ip {
        IpAddr::V4(address)
    }

    pub(crate) fn octets(address: Ip) -> Octets {
        match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        }
    }

    /// Who counts as one peer: an IPv4 address, or the 64 bits of an IPv6 address that name a
    /// network, as a single host of it has all the addresses that it likes.
    pub(crate) fn site(peer: Ip) -> [u32; 2] {
        match peer {
            IpAddr::V4(v4) => [v4.to_bits(), 0],
            IpAddr::V6(v6) => {
                let network = v6.to_bits() >> 64;
                [(network >> 32) as u32, network as u32]
            }
        }
    }

    /// A flow behind four words, in blocks of four, for the keyed hash.
    pub(crate) type Message = [[u32; 4]; 4];

    pub(super) fn message(first: [u32; 4], a: Octets, b: Octets, ports: u32) -> Message {
        let words = |octets: Octets| {
            let bits = u128::from_le_bytes(octets);
            [bits as u32, (bits >> 32) as u32, (bits >> 64) as u32, (bits >> 96) as u32]
        };
        [first, words(a), words(b), [ports, 0, 0, 0]]
    }

    pub(crate) fn address(octets: Octets) -> Ip {
        let v6 = Ipv6Addr::from(octets);
        match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(v6),
        }
    }
}

#[cfg(not(feature = "ipv6"))]
mod held {
    use core::net::{IpAddr, Ipv4Addr};

    /// An address as it is passed on within the stack: no wider than what this build can hold.
    pub(crate) type Ip = Ipv4Addr;
    /// An address as it is kept and compared.
    pub(crate) type Octets = [u8; 4];

    /// An address of the user's; `None` where this build cannot hold it.
    pub(crate) const fn narrow(address: IpAddr) -> Option<Ip> {
        match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        }
    }

    /// An address as users know it, and as one asks of which family it is.
    pub(crate) const fn widen(address: Ip) -> IpAddr {
        IpAddr::V4(address)
    }

    pub(crate) const fn of_v4(address: Ipv4Addr) -> Ip {
        address
    }

    pub(crate) fn octets(address: Ip) -> Octets {
        address.octets()
    }

    /// Who counts as one peer.
    pub(crate) const fn site(peer: Ip) -> [u32; 2] {
        [peer.to_bits(), 0]
    }

    /// A flow behind four words, in blocks of four, for the keyed hash.
    pub(crate) type Message = [[u32; 4]; 2];

    pub(super) const fn message(first: [u32; 4], a: Octets, b: Octets, ports: u32) -> Message {
        [first, [u32::from_le_bytes(a), u32::from_le_bytes(b), ports, 0]]
    }

    pub(crate) fn address(octets: Octets) -> Ip {
        Ip::from(octets)
    }
}

pub(crate) use held::{Ip, Message, Octets, address, narrow, octets, of_v4, site, widen};

/// Length of [`FlowKey::to_bytes`].
pub const FLOW_BYTES: usize = 2 * size_of::<Octets>() + 4;

/// Local and remote address and port of one flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
// Copied and compared as words.
#[repr(align(4))]
pub struct FlowKey {
    local: Octets,
    remote: Octets,
    local_port: u16,
    remote_port: u16,
}

impl FlowKey {
    /// No flow: all zero.
    pub const EMPTY: Self = Self {
        local: [0; size_of::<Octets>()],
        remote: [0; size_of::<Octets>()],
        local_port: 0,
        remote_port: 0,
    };

    /// The flow between two endpoints. `None` where they are not of one family, or of one that
    /// this build leaves out.
    #[must_use]
    pub fn new(local: SocketAddr, remote: SocketAddr) -> Option<Self> {
        let addresses = (narrow(local.ip())?, narrow(remote.ip())?);
        Self::between((addresses.0, local.port()), (addresses.1, remote.port()))
    }

    /// Likewise, without the fields of an endpoint that no flow has.
    #[inline]
    pub(crate) fn between(local: (Ip, u16), remote: (Ip, u16)) -> Option<Self> {
        if widen(local.0).is_ipv4() != widen(remote.0).is_ipv4() {
            return None;
        }
        Some(Self {
            local: octets(local.0),
            remote: octets(remote.0),
            local_port: local.1,
            remote_port: remote.1,
        })
    }

    /// Our own endpoint.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        SocketAddr::new(self.local_address(), self.local_port)
    }

    /// The peer's endpoint.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        SocketAddr::new(self.remote_address(), self.remote_port)
    }

    /// Our own address.
    #[must_use]
    pub fn local_address(&self) -> IpAddr {
        widen(self.ends().0)
    }

    /// The peer's address.
    #[must_use]
    pub fn remote_address(&self) -> IpAddr {
        widen(self.ends().1)
    }

    /// Our own address and the peer's.
    pub(crate) fn ends(&self) -> (Ip, Ip) {
        (address(self.local), address(self.remote))
    }

    /// Our own port and the peer's.
    #[must_use]
    pub const fn ports(&self) -> (u16, u16) {
        (self.local_port, self.remote_port)
    }

    /// Whether the flow runs over IPv4.
    #[must_use]
    pub fn is_ipv4(&self) -> bool {
        self.local_address().is_ipv4()
    }

    /// The key with these bytes: the reverse of [`FlowKey::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8; FLOW_BYTES]) -> Self {
        let Some((local, rest)) = bytes.split_first_chunk() else { return Self::EMPTY };
        let Some((remote, rest)) = rest.split_first_chunk() else { return Self::EMPTY };
        let Some(&[a, b, c, d]) = rest.first_chunk() else { return Self::EMPTY };
        let (local_port, remote_port) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        Self { local: *local, remote: *remote, local_port, remote_port }
    }

    /// The key as bytes, for keyed hashes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; FLOW_BYTES] {
        let mut bytes = [0; FLOW_BYTES];
        if let Some((local, rest)) = bytes.split_first_chunk_mut()
            && let Some((remote, rest)) = rest.split_first_chunk_mut()
            && let Some(ports) = rest.first_chunk_mut()
        {
            let ([a, b], [c, d]) = (self.local_port.to_be_bytes(), self.remote_port.to_be_bytes());
            (*local, *remote, *ports) = (self.local, self.remote, [a, b, c, d]);
        }
        bytes
    }

    /// A message for the keyed hash: these words, and the key.
    pub(crate) fn message(&self, first: [u32; 4]) -> Message {
        let ports = u32::from(self.local_port) << 16 | u32::from(self.remote_port);
        held::message(first, self.local, self.remote, ports)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_come_back_as_they_went_in() {
        let pairs = [
            ("192.0.2.1:80", "198.51.100.7:40000"),
            #[cfg(feature = "ipv6")]
            ("[2001:db8::1]:80", "[2001:db8::2]:40000"),
        ];
        for (local, remote) in pairs {
            let (local, remote) = (local.parse().unwrap(), remote.parse().unwrap());
            let key = FlowKey::new(local, remote).unwrap();
            assert_eq!((key.local(), key.remote()), (local, remote));
            assert_eq!(key.is_ipv4(), local.is_ipv4());
            assert_eq!(FlowKey::from_bytes(&key.to_bytes()), key);
        }
    }

    #[test]
    fn families_do_not_mix() {
        let (v4, v6) = ("192.0.2.1:80".parse().unwrap(), "[2001:db8::1]:80".parse().unwrap());
        assert_eq!(FlowKey::new(v4, v6), None);
        assert_eq!(FlowKey::new(v6, v4), None);
    }

    #[test]
    fn the_bytes_tell_every_field_apart() {
        let base = FlowKey::new("192.0.2.1:80".parse().unwrap(), "192.0.2.2:81".parse().unwrap());
        for other in [("192.0.2.3:80", "192.0.2.2:81"), ("192.0.2.1:80", "192.0.2.2:82")] {
            let other = FlowKey::new(other.0.parse().unwrap(), other.1.parse().unwrap());
            assert_ne!(base.unwrap().to_bytes(), other.unwrap().to_bytes());
        }
    }
}
