//! CPU time of the calling thread: what the machine's other work takes from it is not counted.
//! It never reads the time of day.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of CPU this thread has used so far, in the kernel and out of it.
pub(crate) fn thread_cpu_ns() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// Nanoseconds of this thread's CPU that `work` took, beside what it returned.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let before = thread_cpu_ns();
    let result = work();
    (thread_cpu_ns() - before, result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn sleep_costs_no_cpu_and_work_does() {
        let (asleep, ()) = timed(|| std::thread::sleep(Duration::from_millis(50)));
        assert!(asleep < 25e6, "{asleep} ns");
        let (busy, _) =
            timed(|| (0..1_000_000_u64).fold(0, |sum, n| std::hint::black_box(sum ^ n)));
        assert!(busy > 1e4, "{busy} ns");
    }
}
