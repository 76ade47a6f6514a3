//! Years of bad network: seeds, each a world of its own, lived one after the other.
//!
//! A seed is one thread and virtual time; all that happens in it follows from it. [`run`] is the
//! same for `cargo test` and for `hikyaku-testkit simulate`.

mod life;
mod report;
mod shrink;
mod world;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};

pub use life::{Life, live};
pub use report::{Failure, KINDS, Report};
pub use world::{Call, Climate, Cut, Scale, World, Wrap};

/// Threads; each seed is one.
const WORKERS: usize = 2;
/// More failures than that are not shrunk and not told one by one.
const FAILURES_TOLD: usize = 5;

/// Lives so many seeds, from `first` on, as `hikyaku-testkit simulate` does.
#[must_use]
pub fn run(seeds: u64, first: u64) -> Report {
    run_scaled(seeds, first, Scale::Whole)
}

/// Likewise, with another scale.
#[must_use]
pub fn run_scaled(seeds: u64, first: u64, scale: Scale) -> Report {
    let next = AtomicU64::new(first);
    let failures = Mutex::new(0_usize);
    let all = Mutex::new(Report::default());
    let work = || {
        let mut report = Report::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + seeds {
                break;
            }
            let world = World::new(seed, scale);
            match attempt(&world) {
                Ok(life) => report.add(seed, &life),
                Err(what) => {
                    let number = failures.lock().map_or(0, |mut count| {
                        *count += 1;
                        *count
                    });
                    report.add_failure(examine(world, what, number <= FAILURES_TOLD));
                }
            }
        }
        if let Ok(mut all) = all.lock() {
            all.merge(report);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(work);
        }
    });
    all.into_inner().unwrap_or_default()
}

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Panics of worlds are reports, told by whoever catches them.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !IS_QUIET.get() {
                loud(info);
            }
        }));
    });
}

/// Lives a world.
///
/// # Errors
///
/// What was wrong in it.
pub fn attempt(world: &World) -> Result<Life, String> {
    hush();
    IS_QUIET.set(true);
    let result = catch_unwind(AssertUnwindSafe(|| {
        let mut life = live(world, true);
        life::describe(world).into_iter().for_each(|name| {
            life.sights.insert(name, 1);
        });
        life
    }));
    IS_QUIET.set(false);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a panic without words".to_owned())
    })
}

/// A failing seed: printed with all that is needed to repeat it, in the smallest world found.
fn examine(world: World, what: String, in_full: bool) -> Failure {
    let seed = world.seed;
    eprintln!("seed {seed} failed: {what}");
    if !in_full {
        return Failure { seed, what, smallest: String::new() };
    }
    let (smallest, still) = match shrink::is_slow(&world) {
        true => (world, what.clone()),
        false => shrink::shrink(world, what.clone(), attempt),
    };
    let told = format!("{still}\n{}", shrink::describe(&smallest));
    eprintln!("--- seed {seed}, the smallest world that fails alike: {told}");
    // Once more and aloud: the last segments, the pools, the counters, the commit.
    let _ = catch_unwind(AssertUnwindSafe(|| live(&smallest, false)));
    eprintln!("--- repeat with: hikyaku-testkit simulate --seeds 1 --first {seed}");
    Failure { seed, what, smallest: told }
}
