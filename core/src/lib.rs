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
//! Nothing blocks. What a packet costs does not depend on how many sockets there are (in [`Small`]
//! and [`Tiny`], whose tables are rows of up to 32, it does). Nothing that a peer sends is an error
//! of a call: it ends in a counter ([`Stack::counters`]; feature `counters`, on by default).
//!
//! Inside, the modules are floors, and each names only those below it: `time`, `seq`, `flow` and
//! `counters` are plain facts; [`wire`] turns octets into headers and back; [`mod@storage`] is
//! memory that knows no protocol; [`tcp`] is the protocol, with no device, clock or socket;
//! [`socket`] is pools of connections and what the user holds; [`stack`] joins them to the link;
//! `service` holds clients that use a stack as anybody could. A [`Profile`] says which mechanisms a
//! build contains: [`Full`], the default, [`Small`] or [`Tiny`].
//!
//! # An echo server
//!
//! All of a program but its driver, its clock and its source of entropy; `docs/embedding.md` in the
//! repository goes on from here. (Here the driver is a wire to a second stack.)
//!
//! ```
//! use hikyaku::*;
//!
//! storage!(static NET: Tiny {
//!     connections: 4, listeners: 1, half_open: 0, time_wait: 0, udp_sockets: 0,
//!     records: 0, window: 4096,
//! });
//!
//! fn echo(net: &mut impl Device, key: Secret, sleep: impl Fn(Wake) -> Instant) -> Option<()> {
//!     let mut stack = Stack::new(NET.take()?, &Config::new(), key).ok()?;
//!     stack.add_address([192, 168, 69, 2].into(), 24).ok()?;
//!     let listener = stack.listen(7, &ListenConfig::new()).ok()?;
//!     let (mut wake, mut buffer) = (Wake::Now, [0; 256]);
//!     loop {
//!         wake = stack.poll(sleep(wake), net);
//!         while stack.accept(listener).is_ok() {}
//!         'events: while let Some((handle, _)) = stack.next_event() {
//!             wake = Wake::Now; // What is written here leaves with the next poll.
//!             let Handle::Tcp(handle) = handle else { continue };
//!             let Ok(mut socket) = stack.tcp(handle) else { continue };
//!             while let Ok(count @ 1..) = socket.peek(&mut buffer) {
//!                 // What finds no room stays unread; a later event brings us back.
//!                 let Ok(written) = socket.write(&buffer[..count]) else { continue 'events };
//!                 let _ = socket.read(&mut buffer[..written]);
//!             }
//!             // The stream or the connection has ended; our side ends by itself.
//!             if socket.peek(&mut buffer) != Err(ReadError::WouldBlock) { socket.release(); }
//!         }
//!     }
//! }
//! #
//! # use std::sync::mpsc::{Receiver, Sender, channel};
//! # struct Wire(Receiver<Vec<u8>>, Sender<Vec<u8>>);
//! # impl Device for Wire {
//! #     fn capabilities(&self) -> Capabilities {
//! #         Capabilities::ip(1500)
//! #     }
//! #     fn receive<R>(&mut self, take: impl FnOnce(&[u8], RxMeta) -> R) -> Option<R> {
//! #         Some(take(&self.0.try_recv().ok()?, RxMeta::default()))
//! #     }
//! #     fn transmit(&mut self, packet: &Packet<'_>) -> Result<(), NoRoom> {
//! #         let mut octets = vec![0; packet.len()];
//! #         packet.copy_into(&mut octets).ok_or(NoRoom)?;
//! #         self.1.send(octets).map_err(|_| NoRoom)
//! #     }
//! # }
//! # storage!(static THERE: Small {
//! #     connections: 4, listeners: 0, half_open: 0, time_wait: 0, udp_sockets: 0,
//! #     records: 0, window: 4096,
//! # });
//! # fn main() { client().unwrap(); }
//! # fn client() -> Option<()> {
//! #     let ((to_server, from_client), (to_client, from_server)) = (channel(), channel());
//! #     let start = std::time::Instant::now();
//! #     let sleep = move |wake| {
//! #         if wake != Wake::Now { std::thread::sleep(std::time::Duration::from_millis(1)); }
//! #         Instant::from_micros(start.elapsed().as_micros() as u64)
//! #     };
//! #     let mut board = Wire(from_client, to_client);
//! #     let key = Secret::new([1; 16])?;
//! #     std::thread::spawn(move || echo(&mut board, key, sleep));
//! #     let mut net = Wire(from_server, to_server);
//! #     let mut stack = Stack::new(THERE.take()?, &Config::new(), Secret::new([2; 16])?).ok()?;
//! #     stack.add_address([192, 168, 69, 1].into(), 24).ok()?;
//! #     let text: Vec<u8> = (0..20_000_u32).map(|at| (at % 251) as u8).collect();
//! #     let clients = [(); 4].map(|()| {
//! #         let remote = "192.168.69.2:7".parse().unwrap();
//! #         stack.connect(sleep(Wake::Now), remote, &ConnectConfig::new()).unwrap()
//! #     });
//! #     let mut lives = clients.map(|handle| (handle, 0, Vec::new()));
//! #     let mut wake = Wake::Now;
//! #     while lives.iter().any(|(_, _, echoed)| echoed.len() < text.len()) {
//! #         assert!(start.elapsed() < std::time::Duration::from_secs(60), "no echo");
//! #         wake = stack.poll(sleep(wake), &mut net);
//! #         for (handle, sent, echoed) in &mut lives {
//! #             let mut socket = stack.tcp(*handle).ok()?;
//! #             *sent += socket.write(&text[*sent..]).unwrap_or(0);
//! #             let mut buffer = [0; 512];
//! #             while let Ok(count @ 1..) = socket.read(&mut buffer) {
//! #                 echoed.extend_from_slice(&buffer[..count]);
//! #             }
//! #         }
//! #     }
//! #     assert!(lives.iter().all(|(_, _, echoed)| *echoed == text));
//! #     for (handle, ..) in lives {
//! #         stack.tcp(handle).ok()?.close();
//! #     }
//! #     while clients.iter().any(|handle| {
//! #         !stack.tcp(*handle).is_ok_and(|socket| socket.state() == State::TimeWait)
//! #     }) {
//! #         assert!(start.elapsed() < std::time::Duration::from_secs(60), "not released");
//! #         stack.poll(sleep(Wake::OnIngress), &mut net);
//! #     }
//! #     Some(())
//! # }
//! ```
//!
//! # Another example
//!
//! Two stacks, and a loop that carries packets between them. It uses the
//! other way to drive a stack: packet by packet, without a driver.
//!
//! ```
//! use hikyaku::*;
//!
//! storage!(static HERE: Small {
//!     connections: 2, listeners: 1, half_open: 0, time_wait: 0, udp_sockets: 0,
//!     records: 0, window: 4096,
//! });
//! storage!(static THERE: Small {
//!     connections: 2, listeners: 1, half_open: 0, time_wait: 0, udp_sockets: 0,
//!     records: 0, window: 4096,
//! });
//!
//! # fn main() { example().unwrap(); }
//! # fn example() -> Option<()> {
//! // A secret comes from real entropy, anew at every start.
//! let config = Config::new();
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
//! // The ACK waits up to 40 ms for data that it can travel with. After it there is nothing to do
//! // until the next packet comes.
//! now = now + Duration::from_millis(40);
//! carry(&mut here, &mut there, now);
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

// The page's programs are compiled with the other examples.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
mod embedding {}

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
pub use stack::{
    AddressState, Capacity, Config, ConfigError, ConfigWarning, Stack, Storage, Usage, Wake,
};
pub use storage::policy::AllocationPolicy;
pub use tcp::connection::{CloseReason, PathError};
pub use tcp::settings::ConnectionConfig;
pub use tcp::state::State;
pub use tcp::user_calls::{Half, Info, ReadError, WriteError};
pub use time::{Duration, Instant};
