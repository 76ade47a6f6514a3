//! The registers of the board (lm3s6965evb, a Cortex-M3), and the only unsafe code of the images.
//!
//! Nothing here knows what a register means: it only goes there and back.

use core::ptr::{read_volatile, write_volatile};

/// Run-mode clock configuration.
pub const RCC: Register = Register(0x400f_e060);

/// A 32-bit register. Only this module makes them, and only of addresses that are registers.
#[derive(Clone, Copy)]
pub struct Register(usize);

impl Register {
    /// What the register holds.
    #[must_use]
    pub fn read(self) -> u32 {
        // SAFETY: the address is that of a register of this board: aligned, always readable, and
        // never memory that Rust knows of.
        unsafe { read_volatile(self.0 as *const u32) }
    }

    /// Writes to the register.
    pub fn write(self, value: u32) {
        // SAFETY: as in `read`; no register here makes the processor or a device write to memory.
        unsafe { write_volatile(self.0 as *mut u32, value) };
    }
}
