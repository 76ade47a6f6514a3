//! The one error of those doors that know only one kind: blocking and asynchronous streams.
//!
//! The calls of the stack itself have an error for each call; here they come together, because the
//! traits of `embedded-io` and `edge-nal` want it so. Nothing else lives here.

use core::fmt;

#[cfg(feature = "udp")]
use crate::socket::udp::{BindError, SendError};
use crate::socket::{
    StaleHandle,
    tcp::{AcceptError, ConnectError, ListenError},
};
use crate::tcp::connection::CloseReason;

/// Why a call of a stream, listener or datagram socket failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum IoError {
    /// A connection could not be opened.
    Connect(ConnectError),
    /// A listener could not be had.
    Listen(ListenError),
    /// A UDP socket could not be bound.
    #[cfg(feature = "udp")]
    Bind(BindError),
    /// A datagram can never be sent.
    #[cfg(feature = "udp")]
    Send(SendError),
    /// The connection is over.
    Ended(CloseReason),
    /// The sending half was closed by us.
    Closed,
    /// The socket was released.
    Stale,
    /// The stack cannot do this.
    Unsupported,
    /// The call was made from inside another call of the same stack.
    Reentered,
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => error.fmt(f),
            Self::Listen(error) => error.fmt(f),
            #[cfg(feature = "udp")]
            Self::Bind(error) => error.fmt(f),
            #[cfg(feature = "udp")]
            Self::Send(error) => error.fmt(f),
            Self::Ended(reason) => reason.fmt(f),
            Self::Closed => f.write_str("the sending half is closed"),
            Self::Stale => StaleHandle.fmt(f),
            Self::Unsupported => f.write_str("the stack cannot do this"),
            Self::Reentered => f.write_str("called from inside another call of the stack"),
        }
    }
}

impl core::error::Error for IoError {}

impl From<StaleHandle> for IoError {
    fn from(_: StaleHandle) -> Self {
        Self::Stale
    }
}

impl From<ConnectError> for IoError {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl From<ListenError> for IoError {
    fn from(error: ListenError) -> Self {
        Self::Listen(error)
    }
}

#[cfg(feature = "udp")]
impl From<BindError> for IoError {
    fn from(error: BindError) -> Self {
        Self::Bind(error)
    }
}

/// What a call that may have to wait came to: `None` where it has to.
pub(crate) trait Outcome<T> {
    /// The result, once there is one.
    fn outcome(self) -> Option<Result<T, IoError>>;
}

impl Outcome<usize> for Result<usize, crate::tcp::user_calls::ReadError> {
    fn outcome(self) -> Option<Result<usize, IoError>> {
        use crate::tcp::user_calls::ReadError;
        match self {
            Ok(octets) => Some(Ok(octets)),
            Err(ReadError::WouldBlock) => None,
            Err(ReadError::Ended(reason)) => Some(Err(IoError::Ended(reason))),
        }
    }
}

impl Outcome<usize> for Result<usize, crate::tcp::user_calls::WriteError> {
    fn outcome(self) -> Option<Result<usize, IoError>> {
        use crate::tcp::user_calls::WriteError;
        match self {
            Ok(octets) => Some(Ok(octets)),
            Err(WriteError::WouldBlock) => None,
            Err(WriteError::Closed) => Some(Err(IoError::Closed)),
            Err(WriteError::Ended(reason)) => Some(Err(IoError::Ended(reason))),
        }
    }
}

impl<T> Outcome<T> for Result<T, AcceptError> {
    fn outcome(self) -> Option<Result<T, IoError>> {
        match self {
            Ok(accepted) => Some(Ok(accepted)),
            Err(AcceptError::WouldBlock) => None,
            Err(AcceptError::Stale) => Some(Err(IoError::Stale)),
        }
    }
}
