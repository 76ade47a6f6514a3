//! Any driver that was written for `embassy-net` as a [`Device`].
//!
//! Such a driver has no name for a refusal: it gives a token where there is room. It wakes whoever
//! asked last, which is what [`Notify`](crate::aio::Notify) needs (feature `async`); without it
//! the device is polled.

use core::task::{Context, Waker};

use embassy_net_driver::{Driver, HardwareAddress, LinkState, RxToken, TxToken};

use crate::device::{Capabilities, Device, Medium, NoRoom, Packet, RxMeta};
#[cfg(feature = "ethernet")]
use crate::wire::ethernet;

/// Octets of an Ethernet header, which such a driver counts as part of its frames.
const HEADER: usize = 14;

/// A driver for `embassy-net`, of Ethernet frames or of IP packets.
#[derive(Debug)]
pub struct Embassy<D> {
    driver: D,
    medium: Medium,
    waker: Waker,
}

impl<D: Driver> Embassy<D> {
    /// Wraps a driver. `None` where its frames are of another kind: IEEE 802.15.4, or Ethernet in a
    /// build without that feature.
    pub fn new(driver: D) -> Option<Self> {
        let medium = match driver.hardware_address() {
            HardwareAddress::Ip => Medium::Ip,
            HardwareAddress::Ethernet(_) if cfg!(feature = "ethernet") => Medium::Ethernet,
            _ => return None,
        };
        Some(Self { driver, medium, waker: Waker::noop().clone() })
    }

    /// The driver's address, for [`Config`](crate::Config); `None` where frames are IP packets.
    #[cfg(feature = "ethernet")]
    pub fn hardware_address(&self) -> Option<ethernet::Address> {
        match self.driver.hardware_address() {
            HardwareAddress::Ethernet(octets) => Some(ethernet::Address(octets)),
            _ => None,
        }
    }

    /// The driver.
    pub fn driver(&mut self) -> &mut D {
        &mut self.driver
    }

    /// Whether the link is up, as the driver sees it.
    pub fn is_up(&mut self) -> bool {
        self.driver.link_state(&mut Context::from_waker(&self.waker)) == LinkState::Up
    }
}

impl<D: Driver> Device for Embassy<D> {
    fn capabilities(&self) -> Capabilities {
        let capabilities = self.driver.capabilities();
        let frame = capabilities.max_transmission_unit;
        let header = if self.medium == Medium::Ethernet { HEADER } else { 0 };
        let mtu = u16::try_from(frame.saturating_sub(header)).unwrap_or(u16::MAX);
        Capabilities { medium: self.medium, ..Capabilities::ip(mtu) }
    }

    fn receive<R>(&mut self, take: impl FnOnce(&[u8], RxMeta) -> R) -> Option<R> {
        let (received, _) = self.driver.receive(&mut Context::from_waker(&self.waker))?;
        Some(received.consume(|frame| take(frame, RxMeta::default())))
    }

    fn transmit(&mut self, packet: &Packet<'_>) -> Result<(), NoRoom> {
        let token = self.driver.transmit(&mut Context::from_waker(&self.waker)).ok_or(NoRoom)?;
        token.consume(packet.len(), |frame| {
            let _ = packet.copy_into(frame);
        });
        Ok(())
    }
}

#[cfg(feature = "async")]
impl<D: Driver> crate::aio::Notify for Embassy<D> {
    fn notify(&mut self, waker: &Waker) {
        if !self.waker.will_wake(waker) {
            self.waker = waker.clone();
        }
        // A change of the link wakes as well.
        let _ = self.is_up();
    }
}
