//! Which tasks are to be woken by what has happened to their sockets. `aio` wakes them.

use core::task::Waker;

use crate::profile::Profile;
use crate::readiness::Readiness;
use crate::socket::{Handle, ListenerHandle, TcpHandle};
use crate::waker::{ACCEPTORS, ConnectionWaiters, WakerSlot};

use super::Stack;

/// The tasks that one event wakes.
pub(crate) type Woken = [Option<Waker>; ACCEPTORS];

impl<P: Profile> Stack<'_, P> {
    /// Takes the next event, and with it the wakers of those who waited for it.
    pub(crate) fn take_woken(&mut self) -> Option<Woken> {
        let (handle, readiness) = self.next_event()?;
        Some(match handle {
            Handle::Listener(listener) => self.take_acceptors(listener),
            Handle::Tcp(connection) => self.take_connection_waiters(connection, readiness),
            Handle::Udp(_socket) => {
                #[cfg(feature = "udp")]
                let woken = self.take_datagram_waiters(_socket, readiness);
                #[cfg(not(feature = "udp"))]
                let woken = Woken::default();
                woken
            }
        })
    }

    fn take_connection_waiters(&mut self, handle: TcpHandle, readiness: Readiness) -> Woken {
        let Some((waiters, flushed)) = self.tcp.waiters(handle) else { return Woken::default() };
        let ended = readiness.contains(Readiness::CLOSED);
        let opened = readiness.contains(Readiness::CONNECTED);
        let readable = readiness.contains(Readiness::READABLE);
        let writable = readiness.contains(Readiness::WRITABLE);
        [
            take_if(&mut waiters.reader, ended || opened || readable),
            take_if(&mut waiters.writer, ended || opened || writable),
            take_if(&mut waiters.flusher, ended || flushed),
            None,
        ]
    }

    #[cfg(feature = "udp")]
    fn take_datagram_waiters(
        &mut self,
        handle: crate::socket::UdpHandle,
        readiness: Readiness,
    ) -> Woken {
        let Some(waiters) = self.udp.waiters(handle) else { return Woken::default() };
        [
            take_if(&mut waiters.reader, readiness.contains(Readiness::READABLE)),
            take_if(&mut waiters.writer, readiness.contains(Readiness::WRITABLE)),
            None,
            None,
        ]
    }

    /// Where the tasks of a connection wait.
    pub(crate) fn tcp_waiters(
        &mut self,
        handle: TcpHandle,
    ) -> Option<&mut ConnectionWaiters<P::Waker>> {
        self.tcp.waiters(handle).map(|(waiters, _)| waiters)
    }

    /// Where the tasks of a UDP socket wait.
    #[cfg(feature = "udp")]
    pub(crate) fn udp_waiters(
        &mut self,
        handle: crate::socket::UdpHandle,
    ) -> Option<&mut crate::waker::DatagramWaiters<P::Waker>> {
        self.udp.waiters(handle)
    }

    /// Notes a task that waits for a connection; returns the one whose place it took.
    pub(crate) fn wait_to_accept(
        &mut self,
        listener: ListenerHandle,
        waker: &Waker,
    ) -> Option<Waker> {
        let acceptors = self.tcp.acceptors(listener)?;
        // All places are emptied at once, so that behind a free one nobody waits.
        let may_take = |place: &P::Waker| !place.is_waiting() || place.will_wake(waker);
        let at = acceptors.iter().position(may_take);
        let place = match at {
            Some(at) => acceptors.get_mut(at),
            None => acceptors.last_mut(),
        };
        place.and_then(|place| place.register(waker))
    }

    /// Takes the wakers of all who wait for a listener's connections.
    pub(crate) fn take_acceptors(&mut self, listener: ListenerHandle) -> Woken {
        let Some(acceptors) = self.tcp.acceptors(listener) else { return Woken::default() };
        acceptors.each_mut().map(WakerSlot::take)
    }
}

fn take_if<W: WakerSlot>(slot: &mut W, wanted: bool) -> Option<Waker> {
    if wanted { slot.take() } else { None }
}
