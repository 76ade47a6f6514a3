//! Time since start-up, from SysTick, and a seed for secrets.
//!
//! SysTick counts the core clock down from 10 ms to 0, over and over. Its exception never runs: it
//! only ends a sleep, so that the clock is read at least that often.

use crate::registers::{systick, untouched_memory};

/// The core clock after reset, per millisecond.
const TICKS_PER_MS: u32 = 12_500;
/// Ticks of one round of SysTick.
const ROUND: u32 = 10 * TICKS_PER_MS;

/// Bits of SysTick's control register.
const CORE_CLOCK: u32 = 4;
const EXCEPTION: u32 = 2;
const ENABLE: u32 = 1;

/// A clock that has to be read at least every 10 ms; what is missed then is lost.
pub struct Clock {
    micros: u64,
    last: u32,
    /// Halves of ticks that are not a microsecond yet: there are 25 in one.
    halves: u32,
}

impl Clock {
    /// Starts SysTick.
    #[must_use]
    pub fn start() -> Self {
        systick::RVR.write(ROUND - 1);
        systick::CVR.write(0);
        systick::CSR.write(CORE_CLOCK | ENABLE);
        Self { micros: 0, last: ROUND - 1, halves: 0 }
    }

    /// Microseconds since the start.
    // Wanted in several places: one copy in an image is enough.
    #[inline(never)]
    pub fn micros(&mut self) -> u64 {
        let current = systick::CVR.read();
        let passed = self.last.wrapping_sub(current);
        // SysTick has begun anew.
        let passed = if passed >= ROUND { passed.wrapping_add(ROUND) } else { passed };
        self.last = current;
        let halves = self.halves.wrapping_add(passed.wrapping_mul(2));
        let micros = halves / 25;
        self.halves = halves.wrapping_sub(micros.wrapping_mul(25));
        self.micros = self.micros.wrapping_add(u64::from(micros));
        self.micros
    }

    /// Lets the end of a round end a `wfi` while interrupts are masked.
    pub fn enable_exception(&self) {
        systick::CSR.write(CORE_CLOCK | EXCEPTION | ENABLE);
    }
}

/// Sixteen octets that are different at every start, never all zero.
///
/// This board has no source of randomness. What it has is the noise in memory that was just
/// switched on, and the moment at which something happens outside: the caller waits for it, a first
/// frame for example. A product uses the random numbers of its chip, or a seed that the factory
/// has put into flash and that changes at every start. In QEMU memory begins as zero, so that only
/// the moment counts: enough for tests, not against anybody who guesses.
#[must_use]
pub fn seed() -> [u8; 16] {
    let mut state = systick::CVR.read() | 1 << 31;
    let mut octets = [0; 16];
    let (words, _) = octets.as_chunks_mut::<4>();
    for (at, noise) in untouched_memory().enumerate() {
        // Each step of xorshift is reversible: nothing that was put in is lost.
        state ^= noise;
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        if let Some(word) = words.get_mut(at & 3) {
            *word = (u32::from_le_bytes(*word) ^ state).to_le_bytes();
        }
    }
    octets
}
