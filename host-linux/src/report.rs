//! What is told to people and to shells: notes on stderr, failures and their exit codes.

use hikyaku::{Counters, Usage};

/// All went well.
pub(crate) const OK: u8 = 0;
/// A transfer failed.
pub(crate) const FAILED: u8 = 1;
/// The command line makes no sense.
pub(crate) const USAGE: u8 = 2;
/// A permission or a tool is missing.
pub(crate) const NOT_PERMITTED: u8 = 3;
/// Nothing happened for too long.
pub(crate) const TIMEOUT: u8 = 4;
/// Ended by a signal: 128 and its number, as shells have it.
pub(crate) const SIGNAL: u8 = 128;

/// A failure that has an exit code of its own; all others end with [`FAILED`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Options that do not go together.
    #[error("{0}")]
    Usage(String),
    /// Cause and remedy.
    #[error("{0}")]
    NotPermitted(String),
}

/// The exit code for an error.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<Failure>() {
        Some(Failure::Usage(_)) => USAGE,
        Some(Failure::NotPermitted(_)) => NOT_PERMITTED,
        None => FAILED,
    }
}

/// Prints a line to stderr. A reader that has gone is no reason to stop.
pub(crate) fn line(text: std::fmt::Arguments<'_>) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr().lock(), "hikyaku: {text}");
}

/// Prints a line to stderr, as `println!` does.
macro_rules! note {
    ($($arg:tt)*) => { $crate::report::line(format_args!($($arg)*)) };
}
pub(crate) use note;

/// Prints every counter that is not zero, a line each.
pub(crate) fn counters(counters: &Counters) {
    for (name, count) in counters.iter() {
        note!("{name}: {count}");
    }
}

/// Prints what connections still hold of the pools, a line each, where it is not zero.
pub(crate) fn usage(usage: &Usage) {
    let held = [
        ("connections_held", usage.connections),
        ("half_open_held", usage.half_open),
        ("time_wait_held", usage.time_wait),
        ("blocks_held", usage.blocks_used as usize),
        ("records_held", usage.records),
    ];
    for (name, count) in held.into_iter().filter(|(_, count)| *count != 0) {
        note!("{name}: {count}");
    }
}
