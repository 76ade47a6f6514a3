//! The registers of the board (lm3s6965evb, a Cortex-M3), and the only unsafe code of the images.
//!
//! Nothing here knows what a register means: it only goes there and back.

use core::ptr::{read_volatile, write_volatile};

/// A 32-bit register. Only this module makes them, and only of addresses that are registers.
#[derive(Clone, Copy)]
pub struct Register(usize);

impl Register {
    /// What the register holds.
    #[must_use]
    #[inline(always)]
    pub fn read(self) -> u32 {
        // SAFETY: the address is that of a register of this board: aligned, always readable, and
        // never memory that Rust knows of.
        unsafe { read_volatile(self.0 as *const u32) }
    }

    /// Writes to the register.
    #[inline(always)]
    pub fn write(self, value: u32) {
        // SAFETY: as in `read`; no register here makes the processor or a device write to memory.
        unsafe { write_volatile(self.0 as *mut u32, value) };
    }
}

/// System control: the clock, and which devices have one.
pub mod system {
    use super::Register;

    /// Run-mode clock configuration.
    pub const RCC: Register = Register(0x400f_e060);
    /// Run-mode clock gating, third group.
    pub const RCGC2: Register = Register(0x400f_e108);
}

/// The Stellaris Ethernet controller.
pub mod ethernet {
    use super::Register;

    /// Interrupts that have happened; written to acknowledge them.
    pub const RIS: Register = Register(0x4004_8000);
    /// Interrupts that are passed on.
    pub const IM: Register = Register(0x4004_8004);
    /// Receive control.
    pub const RCTL: Register = Register(0x4004_8008);
    /// Transmit control.
    pub const TCTL: Register = Register(0x4004_800c);
    /// Both queues: frames received are read, frames to be sent are written.
    pub const DATA: Register = Register(0x4004_8010);
    /// Our address, first four octets.
    pub const IA0: Register = Register(0x4004_8014);
    /// Our address, last two octets.
    pub const IA1: Register = Register(0x4004_8018);
    /// How many frames wait to be read.
    pub const NP: Register = Register(0x4004_8034);
    /// Starts sending; reads as 1 until the frame is gone.
    pub const TR: Register = Register(0x4004_8038);
}

/// The timer of the processor. (The crate `cortex-m` has it, too, as a peripheral that is taken by
/// whoever comes first.)
pub mod systick {
    use super::Register;

    /// Control and status.
    pub const CSR: Register = Register(0xe000_e010);
    /// What it begins with again after 0.
    pub const RVR: Register = Register(0xe000_e014);
    /// Where it is; counts down.
    pub const CVR: Register = Register(0xe000_e018);
}

/// Interrupts of the processor.
pub mod interrupts {
    use super::Register;

    /// Enables interrupts 32 to 63.
    pub const ISER1: Register = Register(0xe000_e104);
    /// Forgets that interrupts 32 to 63 are pending.
    pub const ICPR1: Register = Register(0xe000_e284);
    /// Interrupt control and state, for SysTick.
    pub const ICSR: Register = Register(0xe000_ed04);
}

/// Some of the memory that neither an image nor start-up touches, from the top of what the images
/// are linked for: on a chip that was just switched on it holds noise.
pub fn untouched_memory() -> impl Iterator<Item = u32> {
    (0x2000_c000..0x2000_c100).step_by(4).map(|address| {
        // SAFETY: RAM of this board, aligned, where no image has a static and no stack reaches; a
        // volatile read of it has a value, if not a predictable one.
        unsafe { read_volatile(address as *const u32) }
    })
}

/// What the vector table has behind the exceptions: no interrupt has a handler, those that are
/// enabled only end a `wfi` while interrupts are masked.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
pub static __INTERRUPTS: [usize; 1] = [0];
