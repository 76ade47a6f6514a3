//! The UDP half of `edge-nal`.

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use edge_nal::{
    MulticastV4, MulticastV6, Readable, UdpBind, UdpConnect, UdpReceive, UdpSend, UdpSplit,
    UdpSplitMulticast,
};
use embedded_io::ErrorType;

use crate::aio::{Datagrams, Receiver, Sender, Shared, TaskWaker};
use crate::io::IoError;
use crate::profile::Profile;
use crate::socket::udp::UdpConfig;

fn config(local: SocketAddr) -> UdpConfig {
    let address = (!local.ip().is_unspecified()).then(|| local.ip());
    UdpConfig { address, ..UdpConfig::new(local.port()) }
}

impl<'a, P: Profile<Waker = TaskWaker>> UdpBind for Shared<'a, P> {
    type Error = IoError;
    type Socket<'s>
        = Datagrams<'s, 'a, P>
    where
        Self: 's;

    async fn bind(&self, local: SocketAddr) -> Result<Self::Socket<'_>, IoError> {
        self.bind_udp(&config(local), None)
    }
}

impl<'a, P: Profile<Waker = TaskWaker>> UdpConnect for Shared<'a, P> {
    type Error = IoError;
    type Socket<'s>
        = Datagrams<'s, 'a, P>
    where
        Self: 's;

    async fn connect(
        &self,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Result<Self::Socket<'_>, IoError> {
        self.bind_udp(&config(local), Some(remote))
    }
}

impl<'a, P: Profile<Waker = TaskWaker>> UdpSplit for Datagrams<'_, 'a, P> {
    type Receive<'c>
        = Receiver<'c, 'a, P>
    where
        Self: 'c;
    type Send<'c>
        = Sender<'c, 'a, P>
    where
        Self: 'c;

    fn split(&mut self) -> (Self::Receive<'_>, Self::Send<'_>) {
        Datagrams::split(self)
    }
}

/// Membership of multicast groups: there is none.
#[derive(Debug, Clone, Copy)]
pub struct NoMulticast;

impl<P: Profile<Waker = TaskWaker>> UdpSplitMulticast for Datagrams<'_, '_, P> {
    type MulticastV4<'c>
        = NoMulticast
    where
        Self: 'c;
    type MulticastV6<'c>
        = NoMulticast
    where
        Self: 'c;

    fn split_multicast(&mut self) -> (Self::Receive<'_>, Self::Send<'_>, NoMulticast, NoMulticast) {
        let (receive, send) = Datagrams::split(self);
        (receive, send, NoMulticast, NoMulticast)
    }
}

macro_rules! receives {
    ($socket:ident) => {
        impl<P: Profile<Waker = TaskWaker>> UdpReceive for $socket<'_, '_, P> {
            async fn receive(&mut self, buffer: &mut [u8]) -> Result<(usize, SocketAddr), IoError> {
                let datagram = self.recv_from(buffer).await?;
                Ok((datagram.full_len, datagram.source))
            }
        }

        impl<P: Profile<Waker = TaskWaker>> Readable for $socket<'_, '_, P> {
            fn readable(&mut self) -> impl Future<Output = Result<(), IoError>> {
                $socket::readable(self)
            }
        }
    };
}

macro_rules! sends {
    ($socket:ident) => {
        impl<P: Profile<Waker = TaskWaker>> UdpSend for $socket<'_, '_, P> {
            fn send(
                &mut self,
                remote: SocketAddr,
                data: &[u8],
            ) -> impl Future<Output = Result<(), IoError>> {
                self.send_to(data, remote)
            }
        }
    };
}

macro_rules! fails {
    ([$($generics:tt)*] $socket:ty) => {
        impl<$($generics)*> ErrorType for $socket {
            type Error = IoError;
        }
    };
}

macro_rules! has_no_multicast {
    ([$($generics:tt)*] $socket:ty) => {
        impl<$($generics)*> MulticastV4 for $socket {
            async fn join_v4(&mut self, _: Ipv4Addr, _: Ipv4Addr) -> Result<(), IoError> {
                Err(IoError::Unsupported)
            }

            async fn leave_v4(&mut self, _: Ipv4Addr, _: Ipv4Addr) -> Result<(), IoError> {
                Err(IoError::Unsupported)
            }
        }

        impl<$($generics)*> MulticastV6 for $socket {
            async fn join_v6(&mut self, _: Ipv6Addr, _: u32) -> Result<(), IoError> {
                Err(IoError::Unsupported)
            }

            async fn leave_v6(&mut self, _: Ipv6Addr, _: u32) -> Result<(), IoError> {
                Err(IoError::Unsupported)
            }
        }
    };
}

fails!([P: Profile<Waker = TaskWaker>] Datagrams<'_, '_, P>);
fails!([P: Profile<Waker = TaskWaker>] Receiver<'_, '_, P>);
fails!([P: Profile<Waker = TaskWaker>] Sender<'_, '_, P>);
fails!([] NoMulticast);
receives!(Datagrams);
receives!(Receiver);
sends!(Datagrams);
sends!(Sender);
has_no_multicast!([P: Profile<Waker = TaskWaker>] Datagrams<'_, '_, P>);
has_no_multicast!([] NoMulticast);
