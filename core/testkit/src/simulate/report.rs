//! What came of many seeds, counted: how much happened, in how many seeds each thing did.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::life::Life;
use super::world::Scale;
use crate::random::mix;

/// What must happen in one of a hundred seeds at least: what never happens is not tested.
pub const KINDS: [&str; 48] = [
    "fault.loss",
    "fault.burst_loss",
    "fault.queue_full",
    "fault.duplicate",
    "fault.corrupt",
    "fault.reorder",
    "fault.jitter",
    "fault.partition",
    "fault.partition_one_way",
    "state.LISTEN",
    "state.SYN-SENT",
    "state.SYN-RECEIVED",
    "state.ESTABLISHED",
    "state.FIN-WAIT-1",
    "state.FIN-WAIT-2",
    "state.CLOSE-WAIT",
    "state.CLOSING",
    "state.LAST-ACK",
    "state.TIME-WAIT",
    "state.CLOSED",
    "close.opener_first",
    "close.answerer_first",
    "close.crossing",
    "close.half",
    "close.opener_resets",
    "close.answerer_resets",
    "open.simultaneous",
    "event.rto",
    "event.fast_retransmit",
    "event.window_probe",
    "event.keepalive",
    "event.given_up",
    "event.out_of_order",
    "event.sack",
    "event.sequence_wrap",
    "event.timestamp_wrap",
    "event.pool_exhausted",
    "with.full_full",
    "with.full_small",
    "with.small_small",
    "with.full_tiny",
    "with.small_tiny",
    "with.tiny_tiny",
    "with.reserved",
    "with.overcommit",
    "with.abort",
    "with.release",
    "with.bulk",
];

/// Below so many seeds nothing is asked of the whole.
const ENOUGH: u64 = 1_000;
const MIB: u64 = 1 << 20;

/// A seed that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What was wrong.
    pub what: String,
    /// The smallest world in which it was, and what was wrong there.
    pub smallest: String,
}

/// What came of all seeds.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How many there were.
    pub seeds: u64,
    /// Those that failed.
    pub failures: Vec<Failure>,
    /// Segments sent.
    pub segments: u64,
    /// Octets read by applications.
    pub octets: u64,
    /// Virtual time, microseconds, of each seed.
    pub spans: Vec<u64>,
    /// In how many seeds something happened.
    pub seeds_with: BTreeMap<&'static str, u64>,
    /// How often it did in all.
    pub times: BTreeMap<&'static str, u64>,
    /// Of all packets and their times, in whatever order the seeds were run.
    pub trace_hash: u64,
}

impl Report {
    pub(super) fn add(&mut self, seed: u64, life: &Life) {
        self.seeds += 1;
        self.segments += life.segments;
        self.octets += life.octets;
        self.spans.push(life.span.micros());
        self.trace_hash ^= mix(life.hash ^ mix(seed));
        for (name, count) in life.sights.iter().filter(|(_, count)| **count > 0) {
            *self.seeds_with.entry(name).or_default() += 1;
            *self.times.entry(name).or_default() += count;
        }
    }

    pub(super) fn add_failure(&mut self, failure: Failure) {
        self.seeds += 1;
        self.failures.push(failure);
        self.failures.sort_by_key(|failure| failure.seed);
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.segments += other.segments;
        self.octets += other.octets;
        self.spans.extend(other.spans);
        self.trace_hash ^= other.trace_hash;
        for (name, count) in other.seeds_with {
            *self.seeds_with.entry(name).or_default() += count;
        }
        for (name, count) in other.times {
            *self.times.entry(name).or_default() += count;
        }
        other.failures.into_iter().for_each(|failure| self.failures.push(failure));
        self.failures.sort_by_key(|failure| failure.seed);
    }

    /// Seconds of virtual time.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.spans.iter().sum::<u64>() / 1_000_000
    }

    /// The length of the middle one, seconds.
    #[must_use]
    pub fn median_s(&self) -> u64 {
        let mut spans = self.spans.clone();
        spans.sort_unstable();
        spans.get(spans.len() / 2).map_or(0, |span| span / 1_000_000)
    }

    /// What there was too little of, in words. Few seeds owe nothing.
    #[must_use]
    pub fn missing(&self, scale: Scale) -> Vec<String> {
        if self.seeds < ENOUGH {
            return Vec::new();
        }
        let mut missing = Vec::new();
        let share = if scale == Scale::Whole { 1 } else { 10 };
        let mut ask = |name: &str, count: u64, least: u64| {
            if count < least {
                missing.push(format!("{name}: {count}, not {least}"));
            }
        };
        // Ten GiB and ten million segments over ten thousand seeds, half as long as a TIME-WAIT.
        ask("octets", self.octets, self.seeds * MIB * 1_024 / 1_000 / share);
        ask("segments", self.segments, self.seeds * 1_000);
        ask("median length in seconds", self.median_s(), 60);
        for name in KINDS {
            ask(name, self.seeds_with.get(name).copied().unwrap_or(0), self.seeds / 100);
        }
        missing
    }

    /// In how many seeds each thing of a group happened, as a JSON object.
    fn group(&self, group: &str) -> String {
        let names = KINDS.into_iter().chain(self.seeds_with.keys().copied());
        let names: std::collections::BTreeSet<_> = names.collect();
        let fields = names.into_iter().filter_map(|name| {
            let short = name.strip_prefix(group)?.strip_prefix('.')?;
            let count = self.seeds_with.get(name).copied().unwrap_or(0);
            Some(format!("\"{short}\":{count}"))
        });
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    }

    /// All of it in one line.
    #[must_use]
    pub fn json(&self) -> String {
        let mut text = String::from("{");
        for (name, value) in [
            ("seeds", self.seeds),
            ("failed", self.failures.len() as u64),
            ("segments", self.segments),
            ("bytes", self.octets),
            ("virtual_s", self.seconds()),
            ("median_s", self.median_s()),
        ] {
            let _ = write!(text, "\"{name}\":{value},");
        }
        let groups = ["fault", "state", "close", "open", "event", "with"];
        for (group, name) in
            groups.iter().zip(["faults", "states", "closes", "opens", "events", "worlds"])
        {
            let _ = write!(text, "\"{name}\":{},", self.group(group));
        }
        let _ = write!(text, "\"trace_hash\":\"{:016x}\"}}", self.trace_hash);
        text
    }
}
