//! How a packet finds its socket: by the whole flow, else by the local endpoint.

use core::net::IpAddr;

use crate::flow::FlowKey;
use crate::profile::{IndexOf, Profile, Tables};
use crate::secret::Secret;
use crate::storage::Empty;
use crate::storage::Id;
use crate::storage::hash_table::{Chained, Hash32, Index};
use crate::storage::slab::Slab;
use crate::tcp::isn::hash64;

/// The local end that a listener or a UDP socket is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Bound {
    port: u16,
    /// Whether `address` is meant; else every address of ours is.
    exact: bool,
    address: IpAddr,
}

impl Bound {
    /// Bound to nothing: all zero.
    pub const EMPTY: Self =
        Self { port: 0, exact: false, address: IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED) };

    /// Bound to a port on one address, or on all.
    #[must_use]
    pub fn new(address: Option<IpAddr>, port: u16) -> Self {
        match address {
            Some(address) => Self { port, exact: true, address },
            None => Self { port, ..Self::EMPTY },
        }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address, unless it is all of them.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.exact.then_some(self.address)
    }
}

/// The two keys of a profile's look-up tables, where they have any: they tell nothing of the
/// secret.
#[must_use]
pub fn table_keys<P: Profile>(secret: &Secret) -> [u64; 2] {
    if <P::Tables as Tables>::Hash::KEYED {
        let key = |which| hash64(secret.octets(), &[b"table", &[which]]);
        [key(0), key(1)]
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

/// The socket bound to an endpoint: one bound to this very address comes before one bound to all.
pub fn find_bound<P: Profile, T>(
    table: &mut IndexOf<'_, P>,
    slab: &Slab<'_, T>,
    keys: [u64; 2],
    (address, port): (IpAddr, u16),
) -> Option<Id>
where
    T: Empty + Chained<Key = Bound>,
{
    let hash = port_hash::<P>(keys, port);
    table
        .find(slab, hash, &Bound::new(Some(address), port))
        .or_else(|| table.find(slab, hash, &Bound::new(None, port)))
}
