//! Bench `idle`: CPU per data segment of one busy connection beside 0, 100 and 10,000 idle ones.
//!
//! All pairs are built first, then measured in rounds, each pair once a round in a shuffled
//! order. A ratio is taken within a round, between samples some milliseconds apart, and the
//! median over the rounds is what counts: so other load on the machine falls on both sides.

use crate::Options;
use crate::clock::timed;
use crate::pair::{Failure, Pair, Place, Setup};
use crate::report::{Line, Report, median};
use crate::stream::Random;
use crate::{peer_hikyaku, peer_smoltcp};

/// The most that a segment may cost beside idle connections, as a multiple of one without.
const GOAL: f64 = 2.0;
/// Samples of each pair, and with `--full`.
const ROUNDS: (usize, usize) = (31, 310);
/// Octets of stream that make a whole segment at MTU 1500.
const SEGMENT: u64 = 1460;
/// Octets that a data segment must have carried on average: a stack that sends scraps is cheap
/// by the segment.
const SEGMENT_LEAST: u64 = 1400;
/// Segments that go unmeasured before each sample, while caches turn from the pair before: two
/// windows.
const WARM_SEGMENTS: u64 = 90;
/// CPU time a sample should take, in nanoseconds, and its bounds in segments.
const SAMPLE_NS: f64 = 2e6;
const SAMPLE_SEGMENTS: (f64, f64) = (180.0, 4000.0);
/// Empty polls in a sample, at least two.
const POLLS: u32 = 16;

/// Which idle connections lie beside the busy one. The first is what the others are divided by.
const CASES: [(u16, Place, &str); 5] = [
    (0, Place::First, "0 idle"),
    (100, Place::First, "100 idle, active first"),
    (100, Place::Last, "100 idle, active last"),
    (10_000, Place::First, "10000 idle, active first"),
    (10_000, Place::Last, "10000 idle, active last"),
];

type Build = fn(Setup) -> Result<Box<dyn Pair>, Failure>;

/// Who is measured, and against which goal.
const STACKS: &[(&str, Build, Option<f64>)] = &[
    (peer_hikyaku::NAME, peer_hikyaku::pair, Some(GOAL)),
    (peer_smoltcp::NAME, peer_smoltcp::pair, None),
];

/// One stack in one case, and what was measured of it, a value a round.
struct Subject {
    stack: usize,
    case: usize,
    pair: Box<dyn Pair>,
    sample_segments: u64,
    octets: u64,
    segments: u64,
    segment_ns: Vec<f64>,
    poll_ns: Vec<f64>,
}

impl Subject {
    fn new(stack: usize, case: usize, seed: u64) -> Result<Self, Failure> {
        let (idle, place, _) = CASES[case];
        let mut pair = (STACKS[stack].1)(Setup { idle, place, seed })?;
        // Once with every octet compared, and once more to see how long a sample should be.
        pair.transfer(WARM_SEGMENTS * SEGMENT, true)?;
        let (ns, moved) = timed(|| pair.transfer(WARM_SEGMENTS * SEGMENT, false));
        moved?;
        let (least, most) = SAMPLE_SEGMENTS;
        let segments = (SAMPLE_NS / (ns / WARM_SEGMENTS as f64)).clamp(least, most);
        Ok(Self {
            stack,
            case,
            pair,
            sample_segments: segments as u64,
            octets: 0,
            segments: 0,
            segment_ns: Vec::new(),
            poll_ns: Vec::new(),
        })
    }

    fn sample(&mut self) -> Result<(), Failure> {
        let Self { pair, sample_segments, .. } = self;
        pair.transfer(WARM_SEGMENTS * SEGMENT, false)?;
        let (octets, segments) = (pair.octets(), pair.data_segments());
        let (ns, moved) = timed(|| pair.transfer(*sample_segments * SEGMENT, false));
        moved?;
        let segments = pair.data_segments() - segments;
        self.octets += pair.octets() - octets;
        self.segments += segments;
        self.segment_ns.push(ns / segments as f64);
        pair.idle_poll();
        let (ns, ()) = timed(|| (0..POLLS).for_each(|_| pair.idle_poll()));
        self.poll_ns.push(ns / f64::from(POLLS));
        Ok(())
    }

    /// The figures were of what they say: whole segments, and idle connections still there.
    fn verify(&mut self) -> Result<(), Failure> {
        let (idle, _, case) = CASES[self.case];
        let name = STACKS[self.stack].0;
        let (there, wanted) = (self.pair.established(), 2 * (usize::from(idle) + 1));
        if there != wanted {
            let what = format!("{name}, {case}: {there} of {wanted} ends are still established");
            return Err(Failure::new(what));
        }
        let Self { octets, segments, .. } = *self;
        if octets / segments.max(1) < SEGMENT_LEAST {
            let what = format!("{name}, {case}: {octets} octets in {segments} segments");
            return Err(Failure::new(what));
        }
        self.pair.transfer(WARM_SEGMENTS * SEGMENT, true)
    }
}

/// Measures and reports.
pub(crate) fn run(options: &Options, report: &mut Report) -> Result<(), Failure> {
    let mut subjects = Vec::new();
    for case in 0..CASES.len() {
        for stack in 0..STACKS.len() {
            subjects.push(Subject::new(stack, case, options.seed)?);
        }
    }
    let mut random = Random::new(options.seed);
    let mut order: Vec<usize> = (0..subjects.len()).collect();
    for _ in 0..if options.full { ROUNDS.1 } else { ROUNDS.0 } {
        random.shuffle(&mut order);
        order.iter().try_for_each(|nth| subjects[*nth].sample())?;
    }
    subjects.iter_mut().try_for_each(Subject::verify)?;
    for stack in 0..STACKS.len() {
        let of_stack: Vec<_> = subjects.iter().filter(|s| s.stack == stack).collect();
        print(report, &of_stack);
    }
    Ok(())
}

/// One stack's lines; its first subject is the one without idle connections.
fn print(report: &mut Report, subjects: &[&Subject]) {
    for subject in subjects {
        let (stack, _, goal) = STACKS[subject.stack];
        let case = CASES[subject.case].2;
        let mut add = |value, unit, goal| {
            report.add(&Line { bench: "idle", stack, case, value, unit, goal });
        };
        add(median(&subject.segment_ns), "ns/segment", None);
        add(median(&subject.poll_ns), "ns/idle poll and deadline", None);
        if subject.case != 0 {
            let ratios = subject.segment_ns.iter().zip(&subjects[0].segment_ns);
            let ratios: Vec<f64> = ratios.map(|(beside, alone)| beside / alone).collect();
            add(median(&ratios), "x own 0 idle", goal);
        }
    }
}
