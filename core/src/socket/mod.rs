//! Sockets: pools of them, how a packet finds its own, and what the user holds in hand.
//!
//! Protocol rules are below, in `tcp`; packets and links are above, in `stack`.

use core::fmt;
use core::net::IpAddr;

/// A small error enum with its texts.
macro_rules! error_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$item_doc:meta])* $item:ident => $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub enum $name { $($(#[$item_doc])* $item,)* }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(match self { $(Self::$item => $text,)* })
            }
        }

        impl core::error::Error for $name {}
    };
}
pub(crate) use error_enum;

pub mod demux;
pub mod tcp;
mod tcp_handshakes;
pub mod tcp_pool;
pub mod tcp_slots;
pub mod turns;
#[cfg(feature = "udp")]
pub mod udp;
#[cfg(feature = "async")]
mod waiters;

use crate::storage::slab::Key;

pub use crate::tcp::commons::Commons;

/// Names a connection. Stays an error once the connection is released, never another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TcpHandle(Key);

/// Names a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ListenerHandle(Key);

/// Names a UDP socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct UdpHandle(Key);

/// Names a socket of any kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Handle {
    /// A connection.
    Tcp(TcpHandle),
    /// A listener.
    Listener(ListenerHandle),
    /// A UDP socket.
    Udp(UdpHandle),
}

/// The socket that this handle named is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StaleHandle;

impl fmt::Display for StaleHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the socket of this handle was released")
    }
}

impl core::error::Error for StaleHandle {}

/// Which of our addresses speaks to whom.
pub trait Route {
    /// The address to speak from to `remote`; `None` where there is none of its family.
    fn source_for(&self, remote: IpAddr) -> Option<IpAddr>;
    /// Whether an address is ours.
    fn owns(&self, address: IpAddr) -> bool;
}
