//! Asynchronous sockets over one stack, with no executor, no allocation and no clock of their own.
//!
//! A [`Shared`] wraps a [`Stack`](crate::Stack). One task drives it with a device
//! ([`Shared::run`]), any number of others hold [`Connection`]s, [`Listener`]s and `Datagrams`.
//! Wakers lie in the slots of the sockets, which is why the profile has to be an [`Async`] one.
//! The stack is borrowed for the length of a call, never across an `await`: a future that is
//! dropped has taken nothing that it did not return.
//!
//! What is dropped is let go of: a connection is released (what was written is still delivered),
//! a listener is closed, a datagram socket as well.
//!
//! ```
//! use hikyaku::aio::{Shared, Timer};
//! use hikyaku::io::IoError;
//!
//! async fn echo(net: &Shared<'_>) -> Result<(), IoError> {
//!     let listener = net.listen(7, &hikyaku::ListenConfig::new())?;
//!     loop {
//!         let mut connection = listener.accept().await?;
//!         let mut buffer = [0; 256];
//!         while let Ok(count @ 1..) = connection.read(&mut buffer).await {
//!             connection.write_all(&buffer[..count]).await?;
//!         }
//!     }
//! }
//! ```

mod profile;
mod shared;
mod tcp;
mod timer;
#[cfg(feature = "udp")]
mod udp;

pub use profile::{Async, TaskWaker};
pub use shared::Shared;
pub use tcp::{Connection, Listener, Reader, Writer};
pub use timer::{Notify, Timer};
#[cfg(feature = "udp")]
pub use udp::{Datagrams, Receiver, Sender};
