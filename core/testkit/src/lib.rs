//! What hikyaku's tests, fuzz targets and benchmarks stand on: two stacks on a bad link in virtual
//! time, applications that use them, and what must hold whatever happens. None of it is part of the
//! product.

pub mod chaskey;
#[cfg(feature = "defmt")]
pub mod decoder;
pub mod fuzz;
pub mod ledger;
pub mod link;
pub mod mutants;
pub mod random;
pub mod stream;

// Pairs of hosts speak both families.
#[cfg(all(feature = "ipv6", feature = "udp"))]
pub mod applications;
#[cfg(all(feature = "ipv6", feature = "udp"))]
pub mod checker;
#[cfg(all(feature = "ipv6", feature = "udp"))]
pub mod forge;
#[cfg(all(feature = "ipv6", feature = "udp"))]
pub mod host;
#[cfg(all(feature = "ipv6", feature = "udp"))]
pub mod invariants;
#[cfg(all(feature = "ipv6", feature = "udp"))]
pub mod lone;
#[cfg(all(feature = "ipv6", feature = "udp"))]
pub mod pair;
#[cfg(all(feature = "ipv6", feature = "udp"))]
pub mod script;
#[cfg(all(feature = "ipv6", feature = "udp"))]
pub mod seen;
#[cfg(all(feature = "ipv6", feature = "udp"))]
pub mod simulate;
