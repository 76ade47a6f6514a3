//! Instructions, counted by SysTick on QEMU's virtual time: under `-icount shift=3` an instruction
//! takes 8 ns, and a tick of the core clock without a divider 5 ns.

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;

use crate::registers::system::RCC;

const RELOAD: u32 = 0xff_ffff;
/// The system clock divider of RCC and the bit that switches it on.
const DIVIDER: u32 = 0xf << 23;

/// A counter of instructions.
pub struct Counter {
    /// What it costs to count nothing.
    overhead: u32,
}

impl Counter {
    /// The counter, once.
    #[must_use]
    pub fn new() -> Option<Self> {
        let mut systick = cortex_m::Peripherals::take()?.SYST;
        RCC.write(RCC.read() & !DIVIDER);
        systick.set_clock_source(SystClkSource::Core);
        systick.set_reload(RELOAD);
        systick.clear_current();
        systick.enable_counter();
        let mut counter = Self { overhead: 0 };
        counter.overhead = counter.count(|| ()).0;
        Some(counter)
    }

    /// How many instructions `act` takes: 10 million at most.
    pub fn count<R>(&self, act: impl FnOnce() -> R) -> (u32, R) {
        let before = SYST::get_current();
        let result = act();
        let ticks = before.wrapping_sub(SYST::get_current()) & RELOAD;
        ((ticks * 5 / 8).saturating_sub(self.overhead), result)
    }
}
