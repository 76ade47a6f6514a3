//! How a packet finds its socket: by the whole flow, else by the local endpoint.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::flow::{FlowKey, Ip, narrow, of_v4, widen};
use crate::profile::{IndexOf, Profile, Tables};
use crate::secret::Secret;
use crate::storage::Empty;
use crate::storage::Id;
use crate::storage::hash_table::{Chained, Hash32, Index};
use crate::storage::slab::Slab;

/// The ephemeral ports of RFC 6335 §6.
pub const EPHEMERAL_FIRST: u16 = 49_152;
/// How many there are.
pub const EPHEMERAL_COUNT: u16 = 16_384;

/// The local end that a listener or a UDP socket is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Bound {
    port: u16,
    scope: Scope,
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    address: Ip,
}

/// What an end is bound to beside its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Scope {
    /// Every address of ours.
    All,
    /// One address.
    One,
    /// An address that this build cannot hold: nothing is ever for it.
    Nobody,
}

impl Bound {
    /// Bound to nothing: all zero.
    pub const EMPTY: Self =
        Self { port: 0, scope: Scope::All, address: of_v4(Ipv4Addr::UNSPECIFIED) };

    /// Bound to a port on one address, or on all.
    #[must_use]
    pub fn new(address: Option<IpAddr>, port: u16) -> Self {
        match address.map(narrow) {
            Some(Some(address)) => Self::to(address, port),
            Some(None) => Self { port, scope: Scope::Nobody, ..Self::EMPTY },
            None => Self { port, ..Self::EMPTY },
        }
    }

    const fn to(address: Ip, port: u16) -> Self {
        Self { port, scope: Scope::One, address }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address, unless it is all of them.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self.scope {
            Scope::All => None,
            Scope::One => Some(widen(self.address)),
            Scope::Nobody => Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        }
    }
}

/// The two keys of a profile's look-up tables, where they have any: they tell nothing of the
/// secret.
#[must_use]
pub fn table_keys<P: Profile>(secret: &Secret) -> [u64; 2] {
    if <P::Tables as Tables>::Hash::KEYED {
        let [a, b, c, d] = secret.hash(b"tabl", [0; 3], &FlowKey::EMPTY).map(u64::from);
        [a << 32 | b, c << 32 | d]
    } else {
        [0; 2]
    }
}

/// The hash of a flow under a profile's tables.
#[must_use]
pub fn flow_hash<P: Profile>(keys: [u64; 2], flow: &FlowKey) -> u32 {
    <P::Tables as Tables>::Hash::hash(keys, &flow.to_bytes())
}

/// The hash of a local port: all sockets of a port are in one chain.
#[must_use]
pub fn port_hash<P: Profile>(keys: [u64; 2], port: u16) -> u32 {
    <P::Tables as Tables>::Hash::hash(keys, &port.to_be_bytes())
}

/// The socket bound to the local end of a flow: one bound to this very address comes before one
/// bound to all.
pub fn find_bound<P: Profile, T>(
    table: &mut IndexOf<'_, P>,
    slab: &Slab<'_, T>,
    keys: [u64; 2],
    flow: &FlowKey,
) -> Option<Id>
where
    T: Empty + Chained<Key = Bound>,
{
    let (address, port) = (flow.ends().0, flow.ports().0);
    let hash = port_hash::<P>(keys, port);
    table
        .find(slab, hash, &Bound::to(address, port))
        .or_else(|| table.find(slab, hash, &Bound::new(None, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_that_is_left_out_is_bound_to_nobody() {
        let all = Bound::new(None, 80);
        let v4 = Bound::new(Some(Ipv4Addr::new(192, 0, 2, 1).into()), 80);
        let v6 = Bound::new(Some(Ipv6Addr::LOCALHOST.into()), 80);
        assert_eq!(all.address(), None);
        assert_eq!(v4.address(), Some(Ipv4Addr::new(192, 0, 2, 1).into()));
        // Where it cannot be held it is still no address to send from in IPv4.
        assert!(v6.address().is_some_and(|address| address.is_ipv6()));
        let unspecified = Bound::new(Some(Ipv4Addr::UNSPECIFIED.into()), 80);
        assert!(v6 != all && v6 != unspecified && all != unspecified);
    }
}
