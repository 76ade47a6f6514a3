//! The board as the images see it: its addresses, its clock and its Ethernet controller.

use core::net::{Ipv4Addr, Ipv6Addr};

#[cfg(feature = "ethernet")]
use hikyaku::wire::ethernet::Address;
use hikyaku::{Config, Secret};

use crate::clock::{Clock, seed};
use crate::registers::interrupts;
use crate::stellaris::{Buffer, Stellaris};

/// Locally administered: free for one's own use.
pub const HARDWARE_ADDRESS: [u8; 6] = [0x02, 0, 0, 0, 0, 2];
/// In a network of 24 bits.
pub const IPV4: Ipv4Addr = Ipv4Addr::new(192, 168, 69, 2);
/// In a network of 24 bits.
pub const IPV4_PREFIX: u8 = 24;
/// Who passes on what is for other networks.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 69, 1);
/// In a network of 64 bits.
pub const IPV6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x69, 0, 0, 0, 0, 0, 2);
/// The address on the link that follows from [`HARDWARE_ADDRESS`].
pub const IPV6_LINK: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x00ff, 0xfe00, 2);
/// In a network of 64 bits.
pub const IPV6_PREFIX: u8 = 64;

/// What the images run on.
pub struct Board<'b> {
    /// Time since start-up.
    pub clock: Clock,
    /// The network.
    pub device: Stellaris<'b>,
}

impl<'b> Board<'b> {
    /// Starts the clock and the controller, and waits for a first frame, for a second at most: the
    /// moment at which it comes is what differs from start to start (see [`seed`]).
    #[inline(always)]
    pub fn start(buffer: &'b mut Buffer) -> (Self, Option<Secret>) {
        let mut clock = Clock::start();
        let mut device = Stellaris::new(buffer, HARDWARE_ADDRESS);
        while device.next_frame().is_none() && clock.micros() < 1_000_000 {}
        (Self { clock, device }, Secret::new(seed()))
    }

    /// Sleeps until a frame has come, for 10 ms at most.
    pub fn sleep(&self) {
        const ETHERNET: u32 = 1 << (42 - 32);
        const PENDSTCLR: u32 = 1 << 25;
        // Interrupts are masked: what is pending ends the sleep, and nothing is called.
        cortex_m::interrupt::disable();
        self.clock.enable_exception();
        self.device.enable_interrupt();
        interrupts::ISER1.write(ETHERNET);
        cortex_m::asm::wfi();
        self.device.acknowledge();
        interrupts::ICPR1.write(ETHERNET);
        interrupts::ICSR.write(PENDSTCLR);
    }
}

/// The board's link, and connections as the defaults have them.
#[must_use]
pub const fn config() -> Config {
    let mut config = Config::new();
    #[cfg(feature = "ethernet")]
    (config.hardware_address = Some(Address(HARDWARE_ADDRESS)));
    config
}
