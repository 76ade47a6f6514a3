//! hikyaku (飛脚): a TCP/IP stack without allocator, clock, thread or unsafe code of its own.
//!
//! # The picture
//!
//! A [`Stack`] is a value. It owns one link with up to four addresses, IPv4 and IPv6 at once, and
//! the sockets on it. Its memory is lent by the caller when it is made and never grows: a `static`
//! declared by [`storage!`] on firmware, `Storage::allocate` on a host (feature `alloc`). The
//! packets, the time, the randomness and the order of calls all come from outside:
//!
//! - [`Stack::poll`] takes what a [`Device`] has received, acts on timers that are due, sends what
//!   the device has room for, and returns a [`Wake`]: when to call again.
//! - [`Stack::next_event`] tells on which socket something may have become possible. It is a hint:
//!   the calls that follow may still answer `WouldBlock`.
//! - [`Stack::listen`], [`Stack::accept`] and [`Stack::connect`] give handles. [`Stack::tcp`] turns
//!   one into a [`TcpSocket`] for as long as it is borrowed; a handle whose socket was released is
//!   an error from then on, never another socket.
//! - [`Stack::receive`], [`Stack::transmit`] and [`Stack::next_wake`] do what `poll` does, packet
//!   by packet and without a device: for tests, simulators and event loops of one's own.
//!
//! Nothing blocks. What a packet costs does not depend on how many sockets there are (in
//! [`Small`], whose tables are rows of up to 16, it does). Nothing that a peer sends is an error of
//! a call: it ends in a counter ([`Stack::counters`]).
//!
//! Inside, the modules are floors, and each names only those below it: `time`, `seq`, `flow` and
//! `counters` are plain facts; [`wire`] turns octets into headers and back; [`mod@storage`] is
//! memory that knows no protocol; [`tcp`] is the protocol, with no device, clock or socket;
//! [`socket`] is pools of connections and what the user holds; [`stack`] joins them to the link;
//! `service` holds clients that use a stack as anybody could. A [`Profile`] says which mechanisms a
//! build contains: [`Full`], the default, or [`Small`].
//!
//! # An example
//!
//! Two stacks, and a loop that carries packets between them. `examples/echo.rs` shows the other
//! way, `poll` with a driver.
//!
//! ```
//! use hikyaku::*;
//!
//! storage!(static HERE: Small {
//!     connections: 2, listeners: 1, half_open: 2, time_wait: 2, udp_sockets: 0,
//!     records: 0, blocks: 32 x 256,
//! });
//! storage!(static THERE: Small {
//!     connections: 2, listeners: 1, half_open: 2, time_wait: 2, udp_sockets: 0,
//!     records: 0, blocks: 32 x 256,
//! });
//!
//! # fn main() { example().unwrap(); }
//! # fn example() -> Option<()> {
//! // Windows must fit the blocks: 2 KiB each way, not the 64 KiB of the defaults.
//! let mut connection = ConnectionConfig::new();
//! connection.receive_limit = 2048;
//! connection.send_limit = 2048;
//! let config = Config { connection, ..Config::new() };
//!
//! // A secret comes from real entropy, anew at every start.
//! let mut here = Stack::new(HERE.take()?, &config, Secret::new([1; 16])?).ok()?;
//! let mut there = Stack::new(THERE.take()?, &config, Secret::new([2; 16])?).ok()?;
//! here.add_address([10, 0, 0, 1].into(), 24).ok()?;
//! there.add_address([10, 0, 0, 2].into(), 24).ok()?;
//!
//! let listener = there.listen(7, &ListenConfig::new()).ok()?;
//! let mut now = Instant::ZERO;
//! let remote = "10.0.0.2:7".parse().ok()?;
//! let client = here.connect(now, remote, &ConnectConfig::new()).ok()?;
//!
//! // What either has to send, the other receives: SYN, SYN-ACK, ACK.
//! let mut packet = [0; 1500];
//! let mut carry = |here: &mut Stack<'_, Small>, there: &mut Stack<'_, Small>, now| loop {
//!     if let Some(len) = here.transmit(now, &mut packet) {
//!         there.receive(now, &packet[..len]);
//!     } else if let Some(len) = there.transmit(now, &mut packet) {
//!         here.receive(now, &packet[..len]);
//!     } else {
//!         break;
//!     }
//! };
//! carry(&mut here, &mut there, now);
//!
//! let server = there.accept(listener).ok()?;
//! assert_eq!(there.tcp(server).ok()?.state(), State::Established);
//! here.tcp(client).ok()?.write(b"hello").ok()?;
//! now = now + Duration::from_millis(1);
//! carry(&mut here, &mut there, now);
//!
//! let mut buffer = [0; 16];
//! assert_eq!(there.tcp(server).ok()?.read(&mut buffer), Ok(5));
//! assert_eq!(&buffer[..5], b"hello");
//!
//! // All of it is acknowledged: without another packet there is nothing to do, ever.
//! assert_eq!(here.next_wake(now), Wake::OnIngress);
//! # Some(())
//! # }
//! ```
//!
//! # Features
//!
//! `dhcp`, `ethernet`, `ipv6` and `udp` (on by default) gate the code for them; `alloc` adds
//! `Storage::allocate`; `defmt` derives `defmt::Format` for public types and events. Sizes are
//! never features.
//!
//! What other crates expect has a feature each: `async` (sockets that tasks wait for, with any
//! executor: `aio`), `embedded-io` (streams that block), `embedded-io-async` and `edge-nal` (their
//! traits on `aio`), `embassy-time` (its clock drives `aio`), `embassy-net-driver` (its drivers are
//! devices). Errors are `core::error::Error`, addresses those of `core::net`.
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

pub mod adapter;
#[cfg(feature = "async")]
pub mod aio;
pub mod counters;
pub mod device;
pub mod flow;
#[cfg(any(feature = "async", feature = "embedded-io"))]
pub mod io;
pub mod profile;
pub mod readiness;
pub mod secret;
pub mod seq;
#[cfg(feature = "dhcp")]
pub mod service;
pub mod socket;
pub mod stack;
pub mod storage;
pub mod tcp;
pub mod time;
pub mod trace;
pub mod waker;
pub mod wire;

pub use counters::{Counters, DropReason};
pub use device::{Capabilities, Device, Medium, NoRoom, Packet, RxMeta};
pub use profile::{Full, Profile, Small, Tiny};
pub use readiness::Readiness;
pub use secret::Secret;
pub use socket::tcp::{
    AcceptError, ConnectConfig, ConnectError, ListenConfig, ListenError, TcpSocket,
};
#[cfg(feature = "udp")]
pub use socket::udp::{BindError, Datagram, RecvError, SendError, UdpConfig, UdpSocket};
pub use socket::{Handle, ListenerHandle, StaleHandle, TcpHandle, UdpHandle};
pub use stack::{AddressState, Capacity, Config, ConfigError, Stack, Storage, Usage, Wake};
pub use storage::policy::AllocationPolicy;
pub use tcp::connection::{CloseReason, PathError};
pub use tcp::settings::ConnectionConfig;
pub use tcp::state::State;
pub use tcp::user_calls::{Half, Info, ReadError, WriteError};
pub use time::{Duration, Instant};
