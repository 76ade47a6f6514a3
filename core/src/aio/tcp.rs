//! Connections and listeners that tasks can wait for.
//!
//! Futures are made of a function that is polled, not of `async` blocks: these remember whether
//! they are done and panic where they are polled once more, which costs flash in each of them.

use core::future::{Future, poll_fn};
use core::net::SocketAddr;
use core::task::{Context, Poll};

use crate::io::{IoError, Outcome};
use crate::profile::Profile;
use crate::socket::tcp::{ConnectConfig, ListenConfig, TcpSocket};
use crate::socket::{ListenerHandle, TcpHandle};
use crate::stack::Stack;
use crate::tcp::connection::CloseReason;
use crate::tcp::state::State;
use crate::tcp::user_calls::Half;
use crate::waker::{ConnectionWaiters, WakerSlot};

use super::profile::TaskWaker;
use super::shared::{Shared, Step};

/// Which task of a connection waits.
type Place = fn(&mut ConnectionWaiters<TaskWaker>) -> &mut TaskWaker;

impl<'a, P: Profile<Waker = TaskWaker>> Shared<'a, P> {
    /// Opens a connection and waits until it is established. A future that is dropped before lets
    /// go of the attempt.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or it came to an end before it was established.
    pub fn connect(
        &self,
        remote: SocketAddr,
        config: &ConnectConfig,
    ) -> impl Future<Output = Result<Connection<'_, 'a, P>, IoError>> {
        let mut opened = None;
        poll_fn(move |context| {
            let attempt = opened.get_or_insert_with(|| self.open(remote, config));
            match attempt.as_ref().map_err(|error| *error)?.poll_opened(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(error)) => {
                    opened = Some(Err(error));
                    Poll::Ready(Err(error))
                }
                Poll::Ready(Ok(())) => {
                    Poll::Ready(opened.replace(Err(IoError::Stale)).unwrap_or(Err(IoError::Stale)))
                }
            }
        })
    }

    /// Begins to open a connection.
    fn open(
        &self,
        remote: SocketAddr,
        config: &ConnectConfig,
    ) -> Result<Connection<'_, 'a, P>, IoError> {
        let now = self.now();
        let handle = self.with(|stack| stack.connect(now, remote, config))??;
        Ok(Connection { shared: self, handle })
    }

    /// Starts to listen on a TCP port.
    ///
    /// # Errors
    ///
    /// The port is 0 or taken, or no listener slot is free.
    pub fn listen(&self, port: u16, config: &ListenConfig) -> Result<Listener<'_, 'a, P>, IoError> {
        let handle = self.with(|stack| stack.listen(port, config))??;
        Ok(Listener { shared: self, handle })
    }

    /// Lets go of a connection. Its wakers are dropped while nothing is borrowed.
    fn release(&self, handle: TcpHandle) {
        let waiters = self.with(|stack| {
            let waiters = stack.tcp_waiters(handle);
            let waiters =
                waiters.map(|waiters| core::mem::replace(waiters, ConnectionWaiters::EMPTY));
            if let Ok(socket) = stack.tcp(handle) {
                socket.release();
            }
            waiters
        });
        drop(waiters);
    }
}

/// A connection. Dropping it releases it: what was written is still delivered and a FIN follows;
/// what was not read is answered with a reset.
pub struct Connection<'s, 'a, P: Profile<Waker = TaskWaker>> {
    shared: &'s Shared<'a, P>,
    handle: TcpHandle,
}

impl<P: Profile<Waker = TaskWaker>> Drop for Connection<'_, '_, P> {
    fn drop(&mut self) {
        self.shared.release(self.handle);
    }
}

impl<'a, P: Profile<Waker = TaskWaker>> Connection<'_, 'a, P> {
    /// Waits for something to read and moves it into `buffer`; returns how many octets. `Ok(0)` is
    /// the end of the stream, or an empty buffer.
    ///
    /// # Errors
    ///
    /// The connection was broken off.
    pub fn read(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<usize, IoError>> {
        poll_fn(|context| self.poll_read(context, buffer))
    }

    /// Waits until [`Connection::read`] will not have to.
    ///
    /// # Errors
    ///
    /// As for [`Connection::read`].
    pub fn readable(&mut self) -> impl Future<Output = Result<(), IoError>> {
        poll_fn(|context| self.poll_readable(context))
    }

    /// Waits for room and queues as much of `data` as there is room for; returns how many octets.
    ///
    /// # Errors
    ///
    /// Nothing may be sent any more.
    pub fn write(&mut self, data: &[u8]) -> impl Future<Output = Result<usize, IoError>> {
        poll_fn(|context| self.poll_write(context, data))
    }

    /// Queues all of `data`, waiting for room as often as it takes. How much was queued by a
    /// future that is dropped before it is done cannot be told.
    ///
    /// # Errors
    ///
    /// Nothing may be sent any more.
    pub fn write_all(&mut self, data: &[u8]) -> impl Future<Output = Result<(), IoError>> {
        let mut rest = data;
        poll_fn(move |context| {
            while !rest.is_empty() {
                match self.poll_write(context, rest)? {
                    Poll::Ready(written) => rest = rest.get(written..).unwrap_or(&[]),
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Waits until the peer has acknowledged all that was written, and our FIN if there is one.
    ///
    /// # Errors
    ///
    /// The connection came to an end before that.
    pub fn flush(&mut self) -> impl Future<Output = Result<(), IoError>> {
        poll_fn(|context| self.poll_flush(context))
    }

    /// Sends a FIN behind what is queued and waits for the peer to acknowledge both. Reading
    /// goes on.
    ///
    /// # Errors
    ///
    /// The connection came to an end before that.
    pub fn finish(&mut self) -> impl Future<Output = Result<(), IoError>> {
        poll_fn(|context| {
            self.shutdown(Half::Write)?;
            self.poll_flush(context)
        })
    }

    /// Closes one half or both, and does not wait.
    ///
    /// # Errors
    ///
    /// Only [`IoError::Reentered`].
    pub fn shutdown(&mut self, half: Half) -> Result<(), IoError> {
        self.with(|socket| socket.shutdown(half))
    }

    /// Lets `act` use all that a [`TcpSocket`] can do: abort, look at its state, switch Nagle.
    ///
    /// # Errors
    ///
    /// Only [`IoError::Reentered`].
    pub fn with<R>(&self, act: impl FnOnce(&mut TcpSocket<'_, 'a, P>) -> R) -> Result<R, IoError> {
        self.shared.with(|stack| Ok(act(&mut stack.tcp(self.handle)?)))?
    }

    /// Two halves that two tasks can hold.
    pub fn split(&mut self) -> (Reader<'_, 'a, P>, Writer<'_, 'a, P>) {
        (Reader(self), Writer(self))
    }

    /// Octets that can be read at once, and whether a read would not wait.
    fn is_readable(socket: &mut TcpSocket<'_, 'a, P>) -> Option<Result<usize, IoError>> {
        socket.peek(&mut [0]).outcome()
    }

    fn poll_opened(&self, context: &Context<'_>) -> Poll<Result<(), IoError>> {
        let place: Place = |waiters| &mut waiters.reader;
        self.step(context, place, |socket| match (socket.close_reason(), socket.state()) {
            (Some(reason), _) => Some(Err(IoError::Ended(reason))),
            (None, State::SynSent | State::SynReceived) => None,
            (None, _) => Some(Ok(())),
        })
    }

    fn poll_read(&self, context: &Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, IoError>> {
        let place: Place = |waiters| &mut waiters.reader;
        self.step(context, place, |socket| socket.read(buffer).outcome())
    }

    fn poll_readable(&self, context: &Context<'_>) -> Poll<Result<(), IoError>> {
        let place: Place = |waiters| &mut waiters.reader;
        self.step(context, place, |socket| {
            Self::is_readable(socket).map(|result| result.map(|_| ()))
        })
    }

    fn poll_write(&self, context: &Context<'_>, data: &[u8]) -> Poll<Result<usize, IoError>> {
        let place: Place = |waiters| &mut waiters.writer;
        self.step(context, place, |socket| socket.write(data).outcome())
    }

    fn poll_flush(&self, context: &Context<'_>) -> Poll<Result<(), IoError>> {
        let place: Place = |waiters| &mut waiters.flusher;
        self.step(context, place, |socket| match socket.close_reason() {
            Some(CloseReason::Graceful) => Some(Ok(())),
            Some(reason) => Some(Err(IoError::Ended(reason))),
            None => socket.is_flushed().then_some(Ok(())),
        })
    }

    /// One step of a future: `act` says what came of it, or that it has to wait.
    fn step<R>(
        &self,
        context: &Context<'_>,
        place: Place,
        act: impl FnOnce(&mut TcpSocket<'_, 'a, P>) -> Option<Result<R, IoError>>,
    ) -> Poll<Result<R, IoError>> {
        self.shared.poll_with(|stack: &mut Stack<'a, P>| {
            let outcome = match stack.tcp(self.handle) {
                Ok(mut socket) => act(&mut socket),
                Err(stale) => Some(Err(stale.into())),
            };
            match outcome {
                Some(result) => Step::ready(result),
                None => {
                    let waiters = stack.tcp_waiters(self.handle);
                    Step::waits(waiters.and_then(|all| place(all).register(context.waker())))
                }
            }
        })
    }
}

/// The half of a connection that is read from.
pub struct Reader<'c, 'a, P: Profile<Waker = TaskWaker>>(&'c Connection<'c, 'a, P>);

impl<P: Profile<Waker = TaskWaker>> Reader<'_, '_, P> {
    /// As [`Connection::read`].
    ///
    /// # Errors
    ///
    /// The connection was broken off.
    pub fn read(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<usize, IoError>> {
        poll_fn(|context| self.0.poll_read(context, buffer))
    }

    /// As [`Connection::readable`].
    ///
    /// # Errors
    ///
    /// The connection was broken off.
    pub fn readable(&mut self) -> impl Future<Output = Result<(), IoError>> {
        poll_fn(|context| self.0.poll_readable(context))
    }

    /// Whether a read would not wait.
    ///
    /// # Errors
    ///
    /// The connection was broken off.
    pub fn read_ready(&mut self) -> Result<bool, IoError> {
        self.0.read_ready()
    }
}

/// The half of a connection that is written to.
pub struct Writer<'c, 'a, P: Profile<Waker = TaskWaker>>(&'c Connection<'c, 'a, P>);

impl<P: Profile<Waker = TaskWaker>> Writer<'_, '_, P> {
    /// As [`Connection::write`].
    ///
    /// # Errors
    ///
    /// Nothing may be sent any more.
    pub fn write(&mut self, data: &[u8]) -> impl Future<Output = Result<usize, IoError>> {
        poll_fn(|context| self.0.poll_write(context, data))
    }

    /// As [`Connection::flush`].
    ///
    /// # Errors
    ///
    /// The connection came to an end before that.
    pub fn flush(&mut self) -> impl Future<Output = Result<(), IoError>> {
        poll_fn(|context| self.0.poll_flush(context))
    }

    /// Sends a FIN behind what is queued, and does not wait.
    ///
    /// # Errors
    ///
    /// Only [`IoError::Reentered`].
    pub fn finish(&mut self) -> Result<(), IoError> {
        self.0.with(|socket| socket.close())
    }

    /// Whether a write would not wait.
    ///
    /// # Errors
    ///
    /// Nothing may be sent any more.
    pub fn write_ready(&mut self) -> Result<bool, IoError> {
        self.0.write_ready()
    }
}

impl<P: Profile<Waker = TaskWaker>> Connection<'_, '_, P> {
    /// Whether a read would not wait.
    ///
    /// # Errors
    ///
    /// The connection was broken off.
    pub fn read_ready(&self) -> Result<bool, IoError> {
        self.with(|socket| Self::is_readable(socket).transpose())?.map(|octets| octets.is_some())
    }

    /// Whether a write would not wait.
    ///
    /// # Errors
    ///
    /// The connection is over.
    pub fn write_ready(&self) -> Result<bool, IoError> {
        self.with(|socket| match socket.close_reason() {
            Some(reason) => Err(IoError::Ended(reason)),
            None => Ok(socket.writable() > 0),
        })?
    }
}

/// A listener. Dropping it closes it: connections that nobody has accepted are reset.
pub struct Listener<'s, 'a, P: Profile<Waker = TaskWaker>> {
    shared: &'s Shared<'a, P>,
    handle: ListenerHandle,
}

impl<'s, 'a, P: Profile<Waker = TaskWaker>> Listener<'s, 'a, P> {
    /// Waits for a connection. Several tasks may do so: each connection goes to one of them.
    ///
    /// # Errors
    ///
    /// Only [`IoError::Reentered`].
    pub fn accept(&self) -> impl Future<Output = Result<Connection<'s, 'a, P>, IoError>> {
        poll_fn(|context| {
            let accepted =
                self.shared.poll_with(|stack| match stack.accept(self.handle).outcome() {
                    Some(result) => Step::ready(result),
                    None => Step::waits(stack.wait_to_accept(self.handle, context.waker())),
                });
            accepted.map_ok(|handle| Connection { shared: self.shared, handle })
        })
    }
}

impl<P: Profile<Waker = TaskWaker>> Drop for Listener<'_, '_, P> {
    fn drop(&mut self) {
        let waiting = self.shared.with(|stack| {
            let waiting = stack.take_acceptors(self.handle);
            let _ = stack.close_listener(self.handle);
            waiting
        });
        drop(waiting);
    }
}
