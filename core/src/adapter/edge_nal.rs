//! The factories and sockets of `edge-nal`: a reference to [`aio::Shared`](crate::aio::Shared) is
//! its stack.
//!
//! Multicast groups cannot be joined: those calls end in [`IoError::Unsupported`]. How long a call
//! may take is for the caller to say, for example with `edge_nal::WithTimeout`.

use core::net::SocketAddr;

use edge_nal::{Close, Readable, TcpAccept, TcpBind, TcpConnect, TcpShutdown, TcpSplit};

use crate::aio::{Connection, Listener, Reader, Shared, TaskWaker, Writer};
use crate::io::IoError;
use crate::profile::Profile;
use crate::socket::tcp::{ConnectConfig, ListenConfig};
use crate::tcp::user_calls::Half;

#[cfg(feature = "udp")]
mod udp;

impl<'a, P: Profile<Waker = TaskWaker>> TcpConnect for Shared<'a, P> {
    type Error = IoError;
    type Socket<'s>
        = Connection<'s, 'a, P>
    where
        Self: 's;

    async fn connect(&self, remote: SocketAddr) -> Result<Self::Socket<'_>, IoError> {
        Shared::connect(self, remote, &ConnectConfig::new()).await
    }
}

impl<'a, P: Profile<Waker = TaskWaker>> TcpBind for Shared<'a, P> {
    type Error = IoError;
    type Accept<'s>
        = Listener<'s, 'a, P>
    where
        Self: 's;

    async fn bind(&self, local: SocketAddr) -> Result<Self::Accept<'_>, IoError> {
        let address = (!local.ip().is_unspecified()).then(|| local.ip());
        self.listen(local.port(), &ListenConfig { address, ..ListenConfig::new() })
    }
}

impl<'l, 'a, P: Profile<Waker = TaskWaker>> TcpAccept for Listener<'l, 'a, P> {
    type Error = IoError;
    type Socket<'s>
        = Connection<'l, 'a, P>
    where
        Self: 's;

    async fn accept(&self) -> Result<(SocketAddr, Self::Socket<'_>), IoError> {
        let connection = Listener::accept(self).await?;
        let remote = connection.with(|socket| socket.remote())?;
        Ok((remote, connection))
    }
}

impl<P: Profile<Waker = TaskWaker>> Readable for Connection<'_, '_, P> {
    fn readable(&mut self) -> impl Future<Output = Result<(), IoError>> {
        Connection::readable(self)
    }
}

impl<P: Profile<Waker = TaskWaker>> Readable for Reader<'_, '_, P> {
    fn readable(&mut self) -> impl Future<Output = Result<(), IoError>> {
        Reader::readable(self)
    }
}

impl<'a, P: Profile<Waker = TaskWaker>> TcpSplit for Connection<'_, 'a, P> {
    type Read<'c>
        = Reader<'c, 'a, P>
    where
        Self: 'c;
    type Write<'c>
        = Writer<'c, 'a, P>
    where
        Self: 'c;

    fn split(&mut self) -> (Self::Read<'_>, Self::Write<'_>) {
        Connection::split(self)
    }
}

impl<P: Profile<Waker = TaskWaker>> TcpShutdown for Connection<'_, '_, P> {
    async fn close(&mut self, what: Close) -> Result<(), IoError> {
        if what != Close::Read {
            self.finish().await?;
        }
        if what != Close::Write {
            // What is still to come is read away, up to the peer's FIN.
            let mut buffer = [0; 64];
            while Connection::read(self, &mut buffer).await? > 0 {}
            self.shutdown(Half::Read)?;
        }
        Ok(())
    }

    async fn abort(&mut self) -> Result<(), IoError> {
        self.with(|socket| socket.abort())
    }
}
