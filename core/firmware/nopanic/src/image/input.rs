//! What operations work on. Nothing here is ever made: the optimiser knows its shape, no value.

use core::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
#[cfg(feature = "ipv6")]
use core::net::{Ipv6Addr, SocketAddrV6};

use hikyaku::device::{Capabilities, Device, NoRoom, Packet, RxMeta};
use hikyaku::{
    Config, ConnectConfig, Half, Instant, ListenConfig, ListenerHandle, Stack, Storage, TcpHandle,
    UdpConfig, UdpHandle,
};

use crate::Chosen;

pub(super) type TheStack = Stack<'static, Chosen>;

/// The arguments of calls.
pub(super) struct Input {
    pub(super) now: Instant,
    pub(super) buffer: &'static mut [u8],
    pub(super) count: usize,
    pub(super) port: u16,
    pub(super) prefix: u8,
    pub(super) switch: bool,
    pub(super) half: Half,
    pub(super) ipv4: Ipv4Addr,
    pub(super) remote_ipv4: SocketAddrV4,
    #[cfg(feature = "ipv6")]
    pub(super) ipv6: Ipv6Addr,
    #[cfg(feature = "ipv6")]
    pub(super) remote_ipv6: SocketAddrV6,
    pub(super) secret: [u8; 16],
    pub(super) storage: Option<Storage<'static, Chosen>>,
    pub(super) config: Config,
    pub(super) listen: ListenConfig,
    pub(super) connect: ConnectConfig,
    pub(super) bind: UdpConfig,
    pub(super) listener: ListenerHandle,
    pub(super) tcp: TcpHandle,
    pub(super) udp: UdpHandle,
    pub(super) device: Port,
}

impl Input {
    pub(super) fn address_v4(&self) -> IpAddr {
        IpAddr::V4(self.ipv4)
    }

    pub(super) fn remote_v4(&self) -> SocketAddr {
        SocketAddr::V4(self.remote_ipv4)
    }

    #[cfg(feature = "ipv6")]
    pub(super) fn address_v6(&self) -> IpAddr {
        IpAddr::V6(self.ipv6)
    }

    #[cfg(feature = "ipv6")]
    pub(super) fn remote_v6(&self) -> SocketAddr {
        SocketAddr::V6(self.remote_ipv6)
    }
}

/// A device that may do anything that a device may do.
pub(super) struct Port {
    capabilities: Capabilities,
    received: Option<&'static [u8]>,
    verified: bool,
    room: &'static mut [u8],
}

impl Device for Port {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn receive<R>(&mut self, take: impl FnOnce(&[u8], RxMeta) -> R) -> Option<R> {
        let packet = core::hint::black_box(&mut self.received).take()?;
        Some(take(packet, RxMeta { checksum_verified: self.verified }))
    }

    fn transmit(&mut self, packet: &Packet<'_>) -> Result<(), NoRoom> {
        packet.copy_into(core::hint::black_box(self.room)).map(drop).ok_or(NoRoom)
    }
}
