//! The wakers of tasks that wait for a socket: by handle.

use crate::profile::Profile;
use crate::waker::{ACCEPTORS, ConnectionWaiters};

use super::tcp_pool::TcpPool;
use super::{ListenerHandle, TcpHandle};

impl<P: Profile> TcpPool<'_, P> {
    /// The tasks that wait for a connection, and whether its peer has acknowledged everything.
    pub(crate) fn waiters(
        &mut self,
        handle: TcpHandle,
    ) -> Option<(&mut ConnectionWaiters<P::Waker>, bool)> {
        let id = self.connections.resolve(handle.0)?;
        let slot = self.connections.get_mut(id)?;
        Some((&mut slot.waiters, slot.connection.is_flushed()))
    }

    /// The tasks that wait for a listener's connections.
    pub(crate) fn acceptors(
        &mut self,
        handle: ListenerHandle,
    ) -> Option<&mut [P::Waker; ACCEPTORS]> {
        let id = self.listeners.resolve(handle.0)?;
        Some(&mut self.listeners.get_mut(id)?.acceptors)
    }
}

#[cfg(feature = "udp")]
impl<P: Profile> super::udp::UdpPool<'_, P> {
    /// The tasks that wait for a socket.
    pub(crate) fn waiters(
        &mut self,
        handle: super::UdpHandle,
    ) -> Option<&mut crate::waker::DatagramWaiters<P::Waker>> {
        let id = self.sockets.resolve(handle.0)?;
        Some(&mut self.sockets.get_mut(id)?.waiters)
    }
}
