//! What the fuzz targets do with any bytes: parse them, emit what was parsed, and compare; or
//! drive a whole stack with them.
//!
//! The targets in `fuzz/` are doors to these functions, and `core/tests/fuzz_corpora.rs` replays
//! their corpora through the same ones. A broken promise panics; nothing else may.

#[cfg(all(feature = "ipv6", feature = "dhcp"))]
mod dhcp;
#[cfg(all(feature = "ethernet", feature = "ipv6", feature = "udp"))]
mod ethernet;
#[cfg(all(feature = "ethernet", feature = "ipv6", feature = "udp"))]
mod ethernet_seeds;
mod icmp;
mod ipv4;
#[cfg(feature = "ipv6")]
mod ipv6;
pub mod seeds;
#[cfg(all(feature = "ipv6", feature = "udp"))]
pub mod stack;
#[cfg(all(feature = "ipv6", feature = "udp"))]
mod stack_checks;
#[cfg(all(feature = "ipv6", feature = "udp"))]
mod stack_seeds;
mod tcp;
mod transport;

#[cfg(all(feature = "ipv6", feature = "dhcp"))]
pub use dhcp::dhcp;
#[cfg(all(feature = "ethernet", feature = "ipv6", feature = "udp"))]
pub use ethernet::ethernet;
pub use icmp::icmp;
pub use ipv4::ipv4;
#[cfg(feature = "ipv6")]
pub use ipv6::ipv6;
#[cfg(all(feature = "ipv6", feature = "udp"))]
pub use stack::stack;
pub use tcp::{tcp_header, tcp_options};

/// A fuzz target: its name is that of its file and of its corpus.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name of the target.
    pub name: &'static str,
    /// What it does with an input.
    pub run: fn(&[u8]),
}

/// Every target of this build.
pub const TARGETS: &[Target] = &[
    Target { name: "ipv4", run: ipv4 },
    #[cfg(feature = "ipv6")]
    Target { name: "ipv6", run: ipv6 },
    Target { name: "icmp", run: icmp },
    #[cfg(all(feature = "ipv6", feature = "dhcp"))]
    Target { name: "dhcp", run: dhcp },
    Target { name: "tcp_header", run: tcp_header },
    Target { name: "tcp_options", run: tcp_options },
    #[cfg(all(feature = "ipv6", feature = "udp"))]
    Target { name: "stack", run: stack },
    #[cfg(all(feature = "ethernet", feature = "ipv6", feature = "udp"))]
    Target { name: "ethernet", run: ethernet },
];

/// Longest input that is looked at in octets: more is payload, and payload is not parsed.
const INPUT_MAX: usize = 2048;

fn clipped(data: &[u8]) -> &[u8] {
    data.get(..INPUT_MAX).unwrap_or(data)
}
