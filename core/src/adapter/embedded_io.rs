//! `embedded-io`: streams that block, for boards with nothing else to do.
//!
//! A [`TcpSocket`](crate::TcpSocket) never waits, but the traits' `read` and `write` do until they
//! have moved an octet, and waiting means that somebody drives the stack. [`Blocking`] does: it
//! holds the stack, its device, and a closure that sleeps. While a call waits everything else in
//! the stack goes on, but events of other sockets are left for
//! [`Stack::next_event`](crate::Stack::next_event).
//!
//! ```
//! use embedded_io::{Read, Write};
//! use hikyaku::adapter::embedded_io::Blocking;
//! use hikyaku::io::IoError;
//! use hikyaku::{Device, Instant, ListenerHandle, Small, Wake};
//!
//! fn serve(
//!     net: &mut Blocking<'_, '_, Small, impl Device, impl FnMut(Wake) -> Instant>,
//!     listener: ListenerHandle,
//! ) -> Result<(), IoError> {
//!     let connection = net.accept(listener)?;
//!     let mut stream = net.stream(connection);
//!     let mut buffer = [0; 64];
//!     while let Ok(count @ 1..) = stream.read(&mut buffer) {
//!         stream.write_all(&buffer[..count])?;
//!     }
//!     stream.flush()
//! }
//! ```

use core::net::SocketAddr;

use embedded_io::{Error, ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};

use crate::device::Device;
use crate::io::{IoError, Outcome};
use crate::profile::Profile;
use crate::socket::tcp::{ConnectConfig, ConnectError, TcpSocket};
use crate::socket::{ListenerHandle, TcpHandle};
use crate::stack::{Stack, Wake};
use crate::tcp::connection::CloseReason;
use crate::tcp::state::State;
use crate::time::Instant;

impl Error for IoError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Connect(ConnectError::NoAddress) => ErrorKind::AddrNotAvailable,
            Self::Connect(ConnectError::InUse) => ErrorKind::AddrInUse,
            Self::Connect(ConnectError::InvalidRemote) => ErrorKind::InvalidInput,
            Self::Connect(ConnectError::NoMemory) => ErrorKind::OutOfMemory,
            Self::Listen(error) => listen_kind(*error),
            #[cfg(feature = "udp")]
            Self::Bind(error) => bind_kind(*error),
            #[cfg(feature = "udp")]
            Self::Send(error) => send_kind(*error),
            Self::Ended(reason) => end_kind(*reason),
            Self::Closed => ErrorKind::BrokenPipe,
            Self::Stale => ErrorKind::NotConnected,
            Self::Unsupported => ErrorKind::Unsupported,
            Self::Reentered => ErrorKind::Other,
        }
    }
}

fn end_kind(reason: CloseReason) -> ErrorKind {
    match reason {
        CloseReason::Graceful => ErrorKind::NotConnected,
        CloseReason::Reset => ErrorKind::ConnectionReset,
        CloseReason::Refused => ErrorKind::ConnectionRefused,
        CloseReason::TimedOut => ErrorKind::TimedOut,
        CloseReason::Unreachable => ErrorKind::NotConnected,
        CloseReason::Aborted | CloseReason::AddressRemoved => ErrorKind::ConnectionAborted,
    }
}

fn listen_kind(error: crate::socket::tcp::ListenError) -> ErrorKind {
    use crate::socket::tcp::ListenError;
    match error {
        ListenError::InvalidPort => ErrorKind::InvalidInput,
        ListenError::InUse => ErrorKind::AddrInUse,
        ListenError::NoMemory => ErrorKind::OutOfMemory,
    }
}

#[cfg(feature = "udp")]
fn bind_kind(error: crate::socket::udp::BindError) -> ErrorKind {
    use crate::socket::udp::BindError;
    match error {
        BindError::InUse => ErrorKind::AddrInUse,
        BindError::NoMemory => ErrorKind::OutOfMemory,
    }
}

#[cfg(feature = "udp")]
fn send_kind(error: crate::socket::udp::SendError) -> ErrorKind {
    use crate::socket::udp::SendError;
    match error {
        SendError::WouldBlock => ErrorKind::Other,
        SendError::TooLong => ErrorKind::InvalidInput,
        SendError::Unaddressable => ErrorKind::AddrNotAvailable,
    }
}

/// A stack in the hands of a program that waits.
///
/// `sleep` is called with what [`Stack::poll`] said. It sleeps no longer than that (or not at
/// all), and returns the time.
pub struct Blocking<'b, 'a, P: Profile, D, F> {
    stack: &'b mut Stack<'a, P>,
    device: &'b mut D,
    sleep: F,
}

impl<'b, 'a, P, D, F> Blocking<'b, 'a, P, D, F>
where
    P: Profile,
    D: Device,
    F: FnMut(Wake) -> Instant,
{
    /// Takes stack and device for as long as it is there.
    pub fn new(stack: &'b mut Stack<'a, P>, device: &'b mut D, sleep: F) -> Self {
        Self { stack, device, sleep }
    }

    /// The stack, for what does not wait.
    pub fn stack(&mut self) -> &mut Stack<'a, P> {
        self.stack
    }

    /// Opens a connection and waits until it is established.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or it came to an end before it was established. Then its handle is
    /// released already.
    pub fn connect(
        &mut self,
        remote: SocketAddr,
        config: &ConnectConfig,
    ) -> Result<TcpHandle, IoError> {
        let now = (self.sleep)(Wake::Now);
        let handle = self.stack.connect(now, remote, config)?;
        let opened = self.socket(handle, |socket| match (socket.close_reason(), socket.state()) {
            (Some(reason), _) => Some(Err(IoError::Ended(reason))),
            (None, State::SynSent | State::SynReceived) => None,
            (None, _) => Some(Ok(())),
        });
        if opened.is_err()
            && let Ok(socket) = self.stack.tcp(handle)
        {
            socket.release();
        }
        opened.map(|()| handle)
    }

    /// Waits for a connection.
    ///
    /// # Errors
    ///
    /// The listener is gone.
    pub fn accept(&mut self, listener: ListenerHandle) -> Result<TcpHandle, IoError> {
        self.wait(|stack| stack.accept(listener).outcome())
    }

    /// The stream of a connection. It ends with the stream's borrow, not with the stream: the
    /// handle is still to be released.
    pub fn stream(&mut self, handle: TcpHandle) -> Stream<'_, 'b, 'a, P, D, F> {
        Stream { net: self, handle }
    }

    /// Drives the stack until `act` has an outcome.
    fn wait<R>(
        &mut self,
        mut act: impl FnMut(&mut Stack<'a, P>) -> Option<Result<R, IoError>>,
    ) -> Result<R, IoError> {
        let mut wake = Wake::Now;
        loop {
            if let Some(result) = act(self.stack) {
                // What it left to be sent should not wait for the next call.
                let now = (self.sleep)(Wake::Now);
                self.stack.poll(now, self.device);
                return result;
            }
            let now = (self.sleep)(wake);
            wake = self.stack.poll(now, self.device);
        }
    }

    fn socket<R>(
        &mut self,
        handle: TcpHandle,
        mut act: impl FnMut(&mut TcpSocket<'_, 'a, P>) -> Option<Result<R, IoError>>,
    ) -> Result<R, IoError> {
        self.wait(|stack| match stack.tcp(handle) {
            Ok(mut socket) => act(&mut socket),
            Err(stale) => Some(Err(stale.into())),
        })
    }
}

/// A connection whose calls wait.
pub struct Stream<'n, 'b, 'a, P: Profile, D, F> {
    net: &'n mut Blocking<'b, 'a, P, D, F>,
    handle: TcpHandle,
}

impl<P: Profile, D, F> ErrorType for Stream<'_, '_, '_, P, D, F> {
    type Error = IoError;
}

impl<P: Profile, D: Device, F: FnMut(Wake) -> Instant> Read for Stream<'_, '_, '_, P, D, F> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, IoError> {
        self.net.socket(self.handle, |socket| socket.read(buffer).outcome())
    }
}

impl<P: Profile, D: Device, F: FnMut(Wake) -> Instant> Write for Stream<'_, '_, '_, P, D, F> {
    fn write(&mut self, data: &[u8]) -> Result<usize, IoError> {
        self.net.socket(self.handle, |socket| socket.write(data).outcome())
    }

    /// Waits until the peer has acknowledged everything.
    fn flush(&mut self) -> Result<(), IoError> {
        self.net.socket(self.handle, |socket| match socket.close_reason() {
            Some(CloseReason::Graceful) => Some(Ok(())),
            Some(reason) => Some(Err(IoError::Ended(reason))),
            None => socket.is_flushed().then_some(Ok(())),
        })
    }
}

impl<P: Profile, D: Device, F: FnMut(Wake) -> Instant> ReadReady for Stream<'_, '_, '_, P, D, F> {
    fn read_ready(&mut self) -> Result<bool, IoError> {
        let mut socket = self.net.stack.tcp(self.handle)?;
        socket.peek(&mut [0]).outcome().transpose().map(|octets| octets.is_some())
    }
}

impl<P: Profile, D: Device, F: FnMut(Wake) -> Instant> WriteReady for Stream<'_, '_, '_, P, D, F> {
    fn write_ready(&mut self) -> Result<bool, IoError> {
        let socket = self.net.stack.tcp(self.handle)?;
        match socket.close_reason() {
            Some(reason) => Err(IoError::Ended(reason)),
            None => Ok(socket.writable() > 0),
        }
    }
}
