//! Datagram sockets that tasks can wait for.

use core::future::{Future, poll_fn};
use core::net::SocketAddr;
use core::task::{Context, Poll};

use crate::io::IoError;
use crate::profile::Profile;
use crate::socket::UdpHandle;
use crate::socket::udp::{Datagram, RecvError, SendError, UdpConfig, UdpSocket};
use crate::waker::{DatagramWaiters, WakerSlot};

use super::profile::TaskWaker;
use super::shared::{Shared, Step};

/// Which task of a socket waits.
type Place = fn(&mut DatagramWaiters<TaskWaker>) -> &mut TaskWaker;

impl<'a, P: Profile<Waker = TaskWaker>> Shared<'a, P> {
    /// Binds a UDP socket. With a `peer` it takes only what that one sends, and sends to nobody
    /// else.
    ///
    /// # Errors
    ///
    /// The port is taken, or a pool is exhausted.
    pub fn bind_udp(
        &self,
        config: &UdpConfig,
        peer: Option<SocketAddr>,
    ) -> Result<Datagrams<'_, 'a, P>, IoError> {
        let handle = self.with(|stack| stack.bind_udp(config))??;
        Ok(Datagrams { shared: self, handle, peer })
    }
}

/// A UDP socket. Dropping it closes it, and what is still queued is lost: see
/// [`Datagrams::flush`].
pub struct Datagrams<'s, 'a, P: Profile<Waker = TaskWaker>> {
    shared: &'s Shared<'a, P>,
    handle: UdpHandle,
    peer: Option<SocketAddr>,
}

impl<P: Profile<Waker = TaskWaker>> Drop for Datagrams<'_, '_, P> {
    fn drop(&mut self) {
        let waiters = self.shared.with(|stack| {
            let waiters = stack.udp_waiters(self.handle);
            let waiters =
                waiters.map(|waiters| core::mem::replace(waiters, DatagramWaiters::EMPTY));
            if let Ok(socket) = stack.udp(self.handle) {
                socket.close();
            }
            waiters
        });
        drop(waiters);
    }
}

impl<'a, P: Profile<Waker = TaskWaker>> Datagrams<'_, 'a, P> {
    /// Waits for a datagram and takes it. What does not fit into `buffer` is lost; `full_len`
    /// tells.
    ///
    /// # Errors
    ///
    /// Only [`IoError::Reentered`].
    pub fn recv_from(
        &mut self,
        buffer: &mut [u8],
    ) -> impl Future<Output = Result<Datagram, IoError>> {
        poll_fn(|context| self.poll_receive(context, buffer))
    }

    /// Waits until [`Datagrams::recv_from`] will not have to.
    ///
    /// # Errors
    ///
    /// Only [`IoError::Reentered`].
    pub fn readable(&mut self) -> impl Future<Output = Result<(), IoError>> {
        poll_fn(|context| self.poll_readable(context))
    }

    /// Waits for room and queues a datagram, whole. A socket with a peer sends to that one,
    /// whatever `remote` says.
    ///
    /// # Errors
    ///
    /// It can never be sent.
    pub fn send_to(
        &mut self,
        payload: &[u8],
        remote: SocketAddr,
    ) -> impl Future<Output = Result<(), IoError>> {
        poll_fn(move |context| self.poll_send(context, payload, remote))
    }

    /// Waits until all that was queued has left.
    ///
    /// # Errors
    ///
    /// Only [`IoError::Reentered`].
    pub fn flush(&mut self) -> impl Future<Output = Result<(), IoError>> {
        poll_fn(|context| self.poll_flush(context))
    }

    /// Lets `act` use all that a [`UdpSocket`] can do.
    ///
    /// # Errors
    ///
    /// Only [`IoError::Reentered`].
    pub fn with<R>(&self, act: impl FnOnce(&mut UdpSocket<'_, 'a, P>) -> R) -> Result<R, IoError> {
        self.shared.with(|stack| Ok(act(&mut stack.udp(self.handle)?)))?
    }

    /// Two halves that two tasks can hold.
    pub fn split(&mut self) -> (Receiver<'_, 'a, P>, Sender<'_, 'a, P>) {
        (Receiver(self), Sender(self))
    }

    fn poll_receive(
        &self,
        context: &Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<Datagram, IoError>> {
        let place: Place = |waiters| &mut waiters.reader;
        self.step(context, place, |socket| {
            self.discard_strangers(socket);
            match socket.recv_from(buffer) {
                Ok(datagram) => Some(Ok(datagram)),
                Err(RecvError::WouldBlock) => None,
            }
        })
    }

    fn poll_readable(&self, context: &Context<'_>) -> Poll<Result<(), IoError>> {
        let place: Place = |waiters| &mut waiters.reader;
        self.step(context, place, |socket| {
            self.discard_strangers(socket);
            socket.source().map(|_| Ok(()))
        })
    }

    fn poll_send(
        &self,
        context: &Context<'_>,
        payload: &[u8],
        remote: SocketAddr,
    ) -> Poll<Result<(), IoError>> {
        let remote = self.peer.unwrap_or(remote);
        let place: Place = |waiters| &mut waiters.writer;
        self.step(context, place, |socket| match socket.send_to(payload, remote) {
            Ok(()) => Some(Ok(())),
            Err(SendError::WouldBlock) => None,
            Err(error) => Some(Err(IoError::Send(error))),
        })
    }

    fn poll_flush(&self, context: &Context<'_>) -> Poll<Result<(), IoError>> {
        let place: Place = |waiters| &mut waiters.writer;
        self.step(context, place, |socket| socket.is_flushed().then_some(Ok(())))
    }

    /// A socket with a peer is deaf to all others. Each turn takes a datagram off the queue.
    fn discard_strangers(&self, socket: &mut UdpSocket<'_, 'a, P>) {
        let Some(peer) = self.peer else { return };
        while socket.source().is_some_and(|source| source != peer) {
            let _ = socket.recv_from(&mut []);
        }
    }

    /// One step of a future: `act` says what came of it, or that it has to wait.
    fn step<R>(
        &self,
        context: &Context<'_>,
        place: Place,
        act: impl FnOnce(&mut UdpSocket<'_, 'a, P>) -> Option<Result<R, IoError>>,
    ) -> Poll<Result<R, IoError>> {
        self.shared.poll_with(|stack| {
            let outcome = match stack.udp(self.handle) {
                Ok(mut socket) => act(&mut socket),
                Err(stale) => Some(Err(stale.into())),
            };
            match outcome {
                Some(result) => Step::ready(result),
                None => {
                    let waiters = stack.udp_waiters(self.handle);
                    Step::waits(waiters.and_then(|all| place(all).register(context.waker())))
                }
            }
        })
    }
}

/// The half of a UDP socket that datagrams are received from.
pub struct Receiver<'c, 'a, P: Profile<Waker = TaskWaker>>(&'c Datagrams<'c, 'a, P>);

impl<P: Profile<Waker = TaskWaker>> Receiver<'_, '_, P> {
    /// As [`Datagrams::recv_from`].
    ///
    /// # Errors
    ///
    /// Only [`IoError::Reentered`].
    pub fn recv_from(
        &mut self,
        buffer: &mut [u8],
    ) -> impl Future<Output = Result<Datagram, IoError>> {
        poll_fn(|context| self.0.poll_receive(context, buffer))
    }

    /// As [`Datagrams::readable`].
    ///
    /// # Errors
    ///
    /// Only [`IoError::Reentered`].
    pub fn readable(&mut self) -> impl Future<Output = Result<(), IoError>> {
        poll_fn(|context| self.0.poll_readable(context))
    }
}

/// The half of a UDP socket that datagrams are sent with.
pub struct Sender<'c, 'a, P: Profile<Waker = TaskWaker>>(&'c Datagrams<'c, 'a, P>);

impl<P: Profile<Waker = TaskWaker>> Sender<'_, '_, P> {
    /// As [`Datagrams::send_to`].
    ///
    /// # Errors
    ///
    /// It can never be sent.
    pub fn send_to(
        &mut self,
        payload: &[u8],
        remote: SocketAddr,
    ) -> impl Future<Output = Result<(), IoError>> {
        poll_fn(move |context| self.0.poll_send(context, payload, remote))
    }

    /// As [`Datagrams::flush`].
    ///
    /// # Errors
    ///
    /// Only [`IoError::Reentered`].
    pub fn flush(&mut self) -> impl Future<Output = Result<(), IoError>> {
        poll_fn(|context| self.0.poll_flush(context))
    }
}
