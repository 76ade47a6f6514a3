//! The driver of `embassy-time` as the [`Timer`] of [`aio::Shared`](crate::aio::Shared).

use core::task::Waker;

use crate::aio::Timer;
use crate::time::Instant;

/// Ticks a second.
const HERTZ: u64 = embassy_time_driver::TICK_HZ;

/// The time driver that the program links.
#[derive(Debug, Clone, Copy, Default)]
pub struct EmbassyTime;

impl Timer for EmbassyTime {
    fn now(&self) -> Instant {
        Instant::from_micros(scaled(embassy_time_driver::now(), 1_000_000, HERTZ))
    }

    fn wake_at(&self, at: Instant, waker: &Waker) {
        // Rounded up: a task that is woken too early would only have to sleep again.
        let ticks = scaled(at.micros(), HERTZ, 1_000_000).saturating_add(1);
        embassy_time_driver::schedule_wake(ticks, waker);
    }
}

/// `value × times / parts`, without the overflow of the product where the result fits.
const fn scaled(value: u64, times: u64, parts: u64) -> u64 {
    match (value.checked_div(parts), value.checked_rem(parts)) {
        (Some(whole), Some(rest)) => {
            let rest = match rest.saturating_mul(times).checked_div(parts) {
                Some(rest) => rest,
                None => 0,
            };
            whole.saturating_mul(times).saturating_add(rest)
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::scaled;

    #[test]
    fn ticks_are_scaled_without_overflow() {
        assert_eq!(scaled(7, 1_000_000, 1_000_000), 7);
        assert_eq!(scaled(32_768, 1_000_000, 32_768), 1_000_000);
        assert_eq!(scaled(1_000_000, 32_768, 1_000_000), 32_768);
        assert_eq!(scaled(3_000, 1_000, 1_000_000), 3);
        assert_eq!(scaled(3, 1_000_000, 1_000), 3_000);
        let century = 100 * 365 * 86_400 * 32_768_u64;
        assert_eq!(scaled(century, 1_000_000, 32_768), century / 32_768 * 1_000_000);
    }
}
