//! Any driver that was written for `embassy-net` as a [`Device`].
//!
//! Such a driver has no name for a refusal: it gives a token where there is room. It wakes whoever
//! asked last, which is what [`Notify`](crate::aio::Notify) needs (feature `async`); without it
//! the device is polled.

use core::task::{Context, Waker};

use embassy_net_driver::{Driver, LinkState, RxToken, TxToken};

use crate::device::{Capabilities, Device, NoRoom, Packet, RxMeta};

/// A driver for `embassy-net`, whose frames are IP packets.
#[derive(Debug)]
pub struct Embassy<D> {
    driver: D,
    waker: Waker,
}

impl<D: Driver> Embassy<D> {
    /// Wraps a driver.
    pub fn new(driver: D) -> Self {
        Self { driver, waker: Waker::noop().clone() }
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
        Capabilities::ip(u16::try_from(frame).unwrap_or(u16::MAX))
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
