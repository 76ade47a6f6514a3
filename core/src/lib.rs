//! hikyaku: a TCP/IP stack for firmware.
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod counters;
pub mod device;
pub mod flow;
pub mod profile;
pub mod readiness;
pub mod seq;
pub mod socket;
pub mod stack;
pub mod storage;
pub mod tcp;
pub mod time;
pub mod trace;
pub mod wire;

pub use counters::{Counters, DropReason};
pub use device::{Capabilities, Device, Medium, NoRoom, Packet, RxMeta};
pub use profile::{Full, Profile, Small};
pub use readiness::Readiness;
pub use socket::tcp::{
    AcceptError, ConnectConfig, ConnectError, ListenConfig, ListenError, TcpSocket,
};
#[cfg(feature = "udp")]
pub use socket::udp::{BindError, Datagram, RecvError, SendError, UdpConfig, UdpSocket};
pub use socket::{Handle, ListenerHandle, Secret, StaleHandle, TcpHandle, UdpHandle};
pub use stack::{Capacity, Config, ConfigError, Stack, Storage, Usage, Wake};
pub use storage::policy::AllocationPolicy;
pub use tcp::connection::{CloseReason, ConnectionConfig};
pub use tcp::state::State;
pub use tcp::user_calls::{Half, Info, ReadError, WriteError};
pub use time::{Duration, Instant};
