//! The name of a connection: both addresses and both ports as one opaque, copyable value.
//!
//! TCP and the tables see no more of an address than this. With feature `ipv6` IPv4 addresses are
//! held in their mapped form, so that one comparison serves both; without it a key has 12 bytes.

#[cfg(not(feature = "ipv6"))]
use core::net::Ipv4Addr;
use core::net::{IpAddr, SocketAddr};

/// An address as it is compared.
#[cfg(feature = "ipv6")]
pub(crate) type Octets = [u8; 16];
/// An address as it is compared.
#[cfg(not(feature = "ipv6"))]
pub(crate) type Octets = [u8; 4];

/// Length of [`FlowKey::to_bytes`].
pub const FLOW_BYTES: usize = 2 * size_of::<Octets>() + 4;

/// Local and remote address and port of one flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
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
        Self::between((local.ip(), local.port()), (remote.ip(), remote.port()))
    }

    /// Likewise, without the fields of an endpoint that no flow has.
    #[inline]
    pub(crate) fn between(local: (IpAddr, u16), remote: (IpAddr, u16)) -> Option<Self> {
        if local.0.is_ipv4() != remote.0.is_ipv4() {
            return None;
        }
        Some(Self {
            local: octets(local.0)?,
            remote: octets(remote.0)?,
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
        address(self.local)
    }

    /// The peer's address.
    #[must_use]
    pub fn remote_address(&self) -> IpAddr {
        address(self.remote)
    }

    /// Our own port and the peer's.
    #[must_use]
    pub const fn ports(&self) -> (u16, u16) {
        (self.local_port, self.remote_port)
    }

    /// Whether the flow runs over IPv4.
    #[must_use]
    pub fn is_ipv4(&self) -> bool {
        address(self.local).is_ipv4()
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
}

#[cfg(feature = "ipv6")]
pub(crate) fn octets(address: IpAddr) -> Option<Octets> {
    Some(match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    })
}

#[cfg(not(feature = "ipv6"))]
pub(crate) fn octets(address: IpAddr) -> Option<Octets> {
    match address {
        IpAddr::V4(v4) => Some(v4.octets()),
        IpAddr::V6(_) => None,
    }
}

#[cfg(feature = "ipv6")]
pub(crate) fn address(octets: Octets) -> IpAddr {
    let v6 = core::net::Ipv6Addr::from(octets);
    match v6.to_ipv4_mapped() {
        Some(v4) => IpAddr::V4(v4),
        None => IpAddr::V6(v6),
    }
}

#[cfg(not(feature = "ipv6"))]
pub(crate) fn address(octets: Octets) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(octets))
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
