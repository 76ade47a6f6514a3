//! What every stack under test shows to a bench: two ends in one thread, one busy connection,
//! and others that are established and silent. No bench here, and no stack.

use std::fmt;

/// The port that the busy connection is made to.
pub(crate) const BUSY_PORT: u16 = 7000;
/// The port that the idle connections are made to.
pub(crate) const IDLE_PORT: u16 = 7001;
/// The busy connection's receive window and send queue, in octets: the most without scaling.
pub(crate) const WINDOW: usize = 65_535;
/// The first local port of the idle connections.
pub(crate) const IDLE_LOCAL_PORT: u16 = 10_000;
/// The local port of the busy connection.
pub(crate) const BUSY_LOCAL_PORT: u16 = 9_000;

/// Virtual time between two rounds of a transfer, in microseconds.
pub(crate) const ROUND_US: u64 = 50;
/// Virtual time between two rounds when nothing moves, in microseconds.
pub(crate) const STALLED_US: u64 = 1_000;
/// Rounds without an octet after which a transfer has failed: ten virtual seconds.
pub(crate) const STALLED_ROUNDS: u32 = 10_000;

/// Where the busy connection lies among the idle ones: made before or after them, at both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Made before all idle ones.
    First,
    /// Made after all idle ones.
    Last,
}

/// What a pair is built with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    /// Idle connections, at most 50,000.
    pub(crate) idle: u16,
    /// When the busy one is made.
    pub(crate) place: Place,
    /// Seeds bytes and secrets.
    pub(crate) seed: u64,
}

/// Two stacks of one kind, joined by a [cable](crate::link::cable).
pub(crate) trait Pair {
    /// Moves at least `octets` over the busy connection, from one application's buffer to the
    /// other's. With `verify` they are compared, which costs.
    fn transfer(&mut self, octets: u64, verify: bool) -> Result<(), Failure>;

    /// Octets that have arrived at the application so far.
    fn octets(&self) -> u64;

    /// Data segments sent over the busy connection so far.
    fn data_segments(&self) -> u64;

    /// At the sending end: a poll that has nothing to do, and the question for the next deadline.
    fn idle_poll(&mut self);

    /// Connections in state ESTABLISHED, those of both ends counted.
    fn established(&mut self) -> usize;
}

/// Why a bench could not be run.
#[derive(Clone, Debug)]
pub(crate) struct Failure(String);

impl Failure {
    /// A failure in words.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Counts the rounds in which nothing moved and tells how far virtual time goes on.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    read: u64,
    stalled: u32,
}

impl Progress {
    /// Microseconds until the next round, given the octets read up to this one.
    pub(crate) fn on_round(&mut self, stack: &str, read: u64) -> Result<u64, Failure> {
        if read != self.read {
            *self = Self { read, stalled: 0 };
            return Ok(ROUND_US);
        }
        self.stalled += 1;
        match self.stalled < STALLED_ROUNDS {
            true => Ok(STALLED_US),
            false => Err(Failure::new(format!("{stack}: nothing moves after octet {read}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{peer_hikyaku, peer_smoltcp};

    /// Either stack beside a few idle connections: everything arrives in whole segments, and
    /// the idle ones are there before and after.
    #[test]
    fn both_stacks_carry_the_stream_beside_established_idle_connections() {
        for build in [peer_smoltcp::pair, peer_hikyaku::pair] {
            for place in [Place::First, Place::Last] {
                let mut pair = build(Setup { idle: 20, place, seed: 3 }).unwrap();
                assert_eq!(pair.established(), 42);
                pair.transfer(1 << 20, true).unwrap();
                let octets_per_segment = pair.octets() / pair.data_segments();
                assert!((1400..=1460).contains(&octets_per_segment), "{octets_per_segment}");
                pair.idle_poll();
                assert_eq!(pair.established(), 42);
            }
        }
    }
}
