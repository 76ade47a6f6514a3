//! `hikyaku soak-peer`: one end of many connections that follow random scripts, for tests.
//!
//! Both ends draw the scripts and the octets from the same seeds, so that each knows what the
//! other sends and whether it may break off. What carries the octets is in `soak/`: `kernel` has
//! plain sockets, `ours` an app on our stack.

pub(crate) mod kernel;
pub(crate) mod ours;

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::path::PathBuf;

use crate::cli::SoakArgs;
use crate::impair::SplitMix;
use crate::report::note;

/// Weathers: what listens on `FIRST_PORT + weather` is met by the losses of that weather.
pub(crate) const WEATHERS: u16 = 4;
pub(crate) const FIRST_PORT: u16 = 5000;
/// Who opens a connection does it from a port that names it.
const FIRST_CLIENT: u16 = 20_000;
const CLIENTS: u64 = 20_000;
/// Connections that each end has opened and not yet ended: with the other end's, fifty.
pub(crate) const AT_ONCE: usize = 25;

const LONGEST: u64 = 64 * 1024;
const SECOND: u64 = 1_000_000;
/// An end that waits for a peer who may have broken off goes after so much silence: a reset that
/// was lost is not sent again unless someone asks.
const DESERTED: u64 = 10 * SECOND;
/// Silence that is a failure. Backoff explains most of what is shorter: a first segment behind a
/// SYN that was lost is sent again after 3 s (RFC 6298 §5, 5.7), 9, 21, 45 and 93, any other one
/// for the ninth time after 102 s. At 10 % one in 10^6 of them is lost so often.
const SILENCE: u64 = 100 * SECOND;
/// What is left at the end is waited for so long: longer than an orphan waits for its peer's FIN.
pub(crate) const LINGER: u64 = 90 * SECOND;

/// Whose end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Ours = 0,
    Kernel = 1,
}

/// What is done next with one direction.
#[derive(Debug, Clone, Copy)]
enum Step {
    Move(usize),
    /// Microseconds.
    Pause(u64),
}

/// How an end breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    /// With a reset.
    Abort,
    /// By letting go of the socket, whatever is unread.
    Leave,
}

/// When an end breaks off.
#[derive(Debug, Clone, Copy)]
enum When {
    /// Instead of the FIN behind all that it writes.
    Written,
    /// Once it has read so much.
    Read(u64),
    /// After so many microseconds.
    At(u64),
}

/// What one end does in the life of a connection.
#[derive(Debug)]
pub(crate) struct Part {
    octets: Vec<u8>,
    writing: VecDeque<Step>,
    reading: VecDeque<Step>,
    breaks: Option<(Break, When)>,
    pub(crate) nagle: bool,
    /// The most that is received and not read, if not what the end likes best.
    pub(crate) window: Option<usize>,
}

/// What both ends know of a connection beforehand.
#[derive(Debug)]
pub(crate) struct Plan {
    seed: u64,
    /// Who opens it.
    pub(crate) opener: Side,
    pub(crate) six: bool,
    pub(crate) weather: u16,
    parts: [Part; 2],
}

fn within(dice: &mut SplitMix, range: Range<u64>) -> u64 {
    range.start + dice.next() % (range.end - range.start)
}

/// Moves that add up to `total`, and at most eight pauses between them.
fn steps(dice: &mut SplitMix, total: u64) -> VecDeque<Step> {
    let (mut steps, mut left, mut pauses) = (VecDeque::new(), total, within(dice, 0..9));
    while left > 0 || pauses > 0 {
        if pauses > 0 && within(dice, 0..3) == 0 {
            pauses -= 1;
            let longest = if within(dice, 0..12) == 0 { SECOND } else { 50_000 };
            steps.push_back(Step::Pause(within(dice, 0..longest)));
        }
        let longest = [100, 3_000, 3_000, 20_000, LONGEST][within(dice, 0..5) as usize];
        let count = within(dice, 0..longest).min(left);
        left -= count;
        if count > 0 {
            steps.push_back(Step::Move(count as usize));
        }
    }
    steps
}

impl Plan {
    /// The plan of one connection. The lowest bits say who opens it, over what, in which weather.
    pub(crate) fn draw(seed: u64) -> Self {
        let mut dice = SplitMix(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let mut length = || {
            let longest = [1, 100, 5_000, 5_000][within(&mut dice, 0..8).min(3) as usize];
            let longest = if within(&mut dice, 0..2) == 0 { longest } else { LONGEST };
            within(&mut dice, 0..longest + 1)
        };
        let lengths = [length(), length()];
        let part = |side: Side| {
            let mut dice = SplitMix(seed.wrapping_mul(0x9fb2_1c65_1e98_df25) ^ side as u64);
            let (own, other) = (lengths[side as usize], lengths[1 - side as usize]);
            let how = [Break::Abort, Break::Leave][within(&mut dice, 0..2) as usize];
            let when = match within(&mut dice, 0..3) {
                0 => When::Written,
                1 => When::Read(within(&mut dice, 0..other + 1)),
                _ => When::At(within(&mut dice, 0..SECOND)),
            };
            Part {
                writing: steps(&mut dice, own),
                reading: steps(&mut dice, other),
                breaks: (within(&mut dice, 0..6) == 0).then_some((how, when)),
                nagle: within(&mut dice, 0..2) == 0,
                window: [None, None, Some(16_384), Some(4_096)][within(&mut dice, 0..4) as usize],
                octets: dice.octets(own as usize),
            }
        };
        Self {
            seed,
            opener: if seed & 1 == 0 { Side::Ours } else { Side::Kernel },
            six: seed & 2 != 0,
            weather: (seed >> 2) as u16 % WEATHERS,
            parts: [part(Side::Ours), part(Side::Kernel)],
        }
    }

    pub(crate) fn part(&self, side: Side) -> &Part {
        &self.parts[side as usize]
    }

    /// Nobody breaks off, so every octet must arrive.
    fn is_clean(&self) -> bool {
        self.parts.iter().all(|part| part.breaks.is_none())
    }

    /// The port that the connection is opened to.
    pub(crate) fn port(&self) -> u16 {
        FIRST_PORT + self.weather
    }
}

/// What came of a call.
pub(crate) enum Moved {
    Octets(usize),
    NotNow,
    /// The end of the stream.
    End,
    Broken,
}

/// An open connection, whoever's TCP it is. No call waits.
pub(crate) trait End {
    fn write(&mut self, octets: &[u8]) -> Moved;
    fn read(&mut self, into: &mut [u8]) -> Moved;
    /// Sends a FIN behind all that was written.
    fn shut(&mut self);
}

/// How a connection ends at one end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// Both directions are at their ends.
    Closed,
    /// It is this end's turn to break off.
    Breaks(Break),
    /// The peer, or TCP, has broken it off.
    Lost,
    /// A peer that may have broken off was not heard of for too long.
    Deserted,
    Failed(String),
}

/// One end in the life of a connection. Times are microseconds of the side's own clock.
pub(crate) struct Life {
    plan: Plan,
    side: Side,
    /// When it was established.
    born: Option<u64>,
    moved_at: u64,
    /// The longest time in which nothing moved.
    silence: u64,
    sent: usize,
    received: usize,
    /// Until when each direction pauses.
    rest: [u64; 2],
    has_shut: bool,
    at_end: bool,
}

/// The next in a direction.
enum Turn {
    Rests,
    Moves(usize),
    Over,
}

fn turn(steps: &mut VecDeque<Step>, rest: &mut u64, now: u64) -> Turn {
    loop {
        if *rest > now {
            return Turn::Rests;
        }
        *rest = 0;
        match steps.front() {
            Some(Step::Move(count)) => return Turn::Moves(*count),
            Some(Step::Pause(span)) => *rest = now + span,
            None => return Turn::Over,
        }
        steps.pop_front();
    }
}

fn advance(steps: &mut VecDeque<Step>, by: usize) {
    match steps.front_mut() {
        Some(Step::Move(count)) if *count > by => *count -= by,
        Some(Step::Move(_)) => drop(steps.pop_front()),
        _ => {}
    }
}

impl Life {
    pub(crate) fn new(plan: Plan, side: Side, now: u64) -> Self {
        Self {
            plan,
            side,
            born: None,
            moved_at: now,
            silence: 0,
            sent: 0,
            received: 0,
            rest: [0; 2],
            has_shut: false,
            at_end: false,
        }
    }

    /// Whether this end reads and writes now, as far as the script goes.
    pub(crate) fn wants(&self, now: u64) -> (bool, bool) {
        let [writes, reads] = self.rest.map(|rest| rest <= now);
        (reads && !self.at_end, writes && !self.has_shut)
    }

    /// When to call [`Life::step`] at the latest.
    pub(crate) fn due(&self) -> u64 {
        let breaks = match (self.own().breaks, self.born) {
            (Some((_, When::At(span))), Some(born)) => born + span,
            _ => u64::MAX,
        };
        let rests = self.rest.iter().copied().filter(|rest| *rest != 0);
        rests.fold(breaks.min(self.moved_at + self.patience()), u64::min)
    }

    fn moves(&mut self, now: u64) {
        self.silence = self.silence.max(now - self.moved_at);
        self.moved_at = now;
    }

    fn patience(&self) -> u64 {
        let may_be_alone = self.born.is_some() && self.peer().breaks.is_some();
        if may_be_alone { DESERTED } else { SILENCE }
    }

    fn own(&self) -> &Part {
        self.plan.part(self.side)
    }

    fn peer(&self) -> &Part {
        &self.plan.parts[1 - self.side as usize]
    }

    /// Does all that can be done now.
    pub(crate) fn step(&mut self, end: &mut dyn End, now: u64) -> Option<Parting> {
        if self.born.is_none() {
            self.born = Some(now);
            self.moves(now);
        }
        self.breaks(now)
            .or_else(|| self.read(end, now))
            .or_else(|| self.breaks(now))
            .or_else(|| self.write(end, now))
            .or_else(|| (self.at_end && self.has_shut).then_some(Parting::Closed))
            .or_else(|| self.silence(now))
    }

    fn breaks(&self, now: u64) -> Option<Parting> {
        let (how, when) = self.own().breaks?;
        let is_due = match when {
            When::Written => false,
            When::Read(count) => self.received as u64 >= count,
            When::At(span) => self.born.is_some_and(|born| now >= born + span),
        };
        is_due.then_some(Parting::Breaks(how))
    }

    fn read(&mut self, end: &mut dyn End, now: u64) -> Option<Parting> {
        let mut buffer = [0; 16 * 1024];
        while !self.at_end {
            let steps = &mut self.plan.parts[self.side as usize].reading;
            let count = match turn(steps, &mut self.rest[1], now) {
                Turn::Rests => return None,
                Turn::Moves(count) => count.min(buffer.len()),
                Turn::Over => buffer.len(),
            };
            let count = match end.read(&mut buffer[..count]) {
                Moved::Octets(count) => count,
                Moved::NotNow => return None,
                Moved::Broken => return Some(self.lost("broken off")),
                Moved::End => {
                    self.at_end = true;
                    self.moves(now);
                    return self.judge_end();
                }
            };
            advance(&mut self.plan.parts[self.side as usize].reading, count);
            let expected = self.peer().octets.get(self.received..self.received + count);
            if expected != Some(&buffer[..count]) {
                return Some(Parting::Failed(format!("octets {}.. differ", self.received)));
            }
            self.received += count;
            self.moves(now);
        }
        None
    }

    /// A FIN promises that all that was written has arrived; only who leaves has written less.
    fn judge_end(&self) -> Option<Parting> {
        let may_be_short = matches!(self.peer().breaks, Some((Break::Leave, _)));
        let length = self.peer().octets.len();
        (self.received < length && !may_be_short)
            .then(|| Parting::Failed(format!("the end after {} of {length}", self.received)))
    }

    fn write(&mut self, end: &mut dyn End, now: u64) -> Option<Parting> {
        while !self.has_shut {
            let Part { writing, octets, breaks, .. } = &mut self.plan.parts[self.side as usize];
            let count = match turn(writing, &mut self.rest[0], now) {
                Turn::Rests => return None,
                Turn::Moves(count) => count,
                Turn::Over => {
                    if let Some((how, When::Written)) = breaks {
                        return Some(Parting::Breaks(*how));
                    }
                    end.shut();
                    self.has_shut = true;
                    return None;
                }
            };
            let count = match end.write(&octets[self.sent..self.sent + count]) {
                Moved::Octets(count) => count,
                Moved::NotNow => return None,
                Moved::End | Moved::Broken => return Some(self.lost("no more to be written")),
            };
            advance(writing, count);
            self.sent += count;
            self.moves(now);
        }
        None
    }

    /// TCP has ended it before its time, where `what` was noticed.
    pub(crate) fn lost(&self, what: &str) -> Parting {
        if self.plan.is_clean() { Parting::Failed(what.to_owned()) } else { Parting::Lost }
    }

    fn silence(&self, now: u64) -> Option<Parting> {
        if now < self.moved_at + self.patience() {
            return None;
        }
        if self.patience() == DESERTED {
            return Some(Parting::Deserted);
        }
        Some(self.lost(&format!("nothing moved for {} s", SILENCE / SECOND)))
    }
}

/// All connections of one side.
pub(crate) struct Soak {
    side: Side,
    first: u64,
    seeds: Range<u64>,
    folder: PathBuf,
    /// Opened by this side and not ended.
    pub(crate) open: usize,
    waiting: BTreeSet<u64>,
    octets: [u64; 2],
    closed: u64,
    broken: u64,
    lost: u64,
    deserted: u64,
    failures: u64,
    /// The longest silence that ended well, and whose it was.
    silence: (u64, u64),
    /// The longest time from the first octet to the last, likewise.
    life: (u64, u64),
}

impl Soak {
    pub(crate) fn new(args: &SoakArgs, side: Side) -> Self {
        let seeds = args.seed..args.seed + args.count;
        let waiting = seeds.clone().filter(|seed| Plan::draw(*seed).is_clean()).collect();
        Self {
            side,
            first: args.seed,
            seeds,
            folder: args.folder.clone(),
            open: 0,
            waiting,
            octets: [0; 2],
            closed: 0,
            broken: 0,
            lost: 0,
            deserted: 0,
            failures: 0,
            silence: (0, 0),
            life: (0, 0),
        }
    }

    /// The next connection that this side opens now, and from which port.
    pub(crate) fn next(&mut self) -> Option<(Plan, u16)> {
        if self.open >= AT_ONCE {
            return None;
        }
        let side = self.side;
        let plan = self.seeds.by_ref().map(Plan::draw).find(|plan| plan.opener == side)?;
        self.open += 1;
        let port = FIRST_CLIENT + ((plan.seed - self.first) % CLIENTS) as u16;
        Some((plan, port))
    }

    /// The plan of a connection that came from this port.
    pub(crate) fn accepted(&self, port: u16) -> Plan {
        Plan::draw(self.first + u64::from(port.saturating_sub(FIRST_CLIENT)))
    }

    /// Whether all that this side opens has ended.
    pub(crate) fn has_opened_all(&self) -> bool {
        self.open == 0 && self.seeds.is_empty()
    }

    /// Whether every connection that nobody breaks off has come to its end here.
    pub(crate) fn is_complete(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A connection has ended.
    pub(crate) fn ended(&mut self, life: &Life, parting: Parting) {
        let Life { plan, sent, received, silence, .. } = life;
        self.open -= usize::from(plan.opener == self.side);
        self.octets[0] += *sent as u64;
        self.octets[1] += *received as u64;
        self.waiting.remove(&plan.seed);
        self.silence = self.silence.max((*silence, plan.seed));
        self.life = self.life.max((life.moved_at - life.born.unwrap_or(life.moved_at), plan.seed));
        match parting {
            Parting::Closed => self.closed += 1,
            Parting::Breaks(_) => self.broken += 1,
            Parting::Lost => self.lost += 1,
            Parting::Deserted => self.deserted += 1,
            Parting::Failed(text) => {
                let Plan { seed, opener, six, weather, .. } = plan;
                let lengths = [&plan.parts[0], &plan.parts[1]].map(|part| part.octets.len());
                self.fail(&format!(
                    "HIKYAKU_SOAK=1 HIKYAKU_SOAK_SEED={seed}: {text}; opened by {opener:?}, \
                     IPv6 {six}, weather {weather}, lengths {lengths:?}, sent {sent}, \
                     received {received}"
                ));
            }
        }
    }

    /// Tells of a failure.
    pub(crate) fn fail(&mut self, text: &str) {
        self.failures += 1;
        note!("{:?}: {text}", self.side);
    }

    /// Tells the other side something, by a file.
    pub(crate) fn tell(&self, word: &str) -> std::io::Result<()> {
        std::fs::write(self.folder.join(word), "")
    }

    /// Whether the other side has told this.
    pub(crate) fn was_told(&self, word: &str) -> bool {
        self.folder.join(word).exists()
    }

    /// Tells what came of it all, and whether it was good.
    pub(crate) fn close(mut self) -> bool {
        for seed in std::mem::take(&mut self.waiting) {
            self.fail(&format!("HIKYAKU_SOAK=1 HIKYAKU_SOAK_SEED={seed}: never completed"));
        }
        let seconds = |(span, seed)| format!("{:.2} s in {seed}", span as f64 / SECOND as f64);
        let [silence, life] = [self.silence, self.life].map(seconds);
        let Self { side, octets: [sent, received], closed, broken, lost, deserted, .. } = self;
        println!(
            "{side:?}: {closed} closed, {broken} broken off, {lost} lost, {deserted} deserted, \
             {} failed; {sent} octets sent, {received} received; \
             longest silence {silence}, longest life {life}",
            self.failures
        );
        self.failures == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A peer who sends this and then its FIN, and takes all.
    struct Said(Vec<u8>);

    impl End for Said {
        fn write(&mut self, octets: &[u8]) -> Moved {
            Moved::Octets(octets.len())
        }

        fn read(&mut self, into: &mut [u8]) -> Moved {
            let count = self.0.len().min(into.len());
            into[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            if count == 0 { Moved::End } else { Moved::Octets(count) }
        }

        fn shut(&mut self) {}
    }

    /// What becomes of a connection whose peer sends what `change` makes of its octets.
    fn fate(seed: u64, change: impl FnOnce(&mut Vec<u8>)) -> Parting {
        let mut life = Life::new(Plan::draw(seed), Side::Ours, 0);
        let mut said = life.peer().octets.clone();
        change(&mut said);
        let mut end = Said(said);
        let mut times = (0..).map(|time| time * 1_000);
        times.find_map(|now| life.step(&mut end, now)).expect("an end")
    }

    #[test]
    fn only_what_was_written_is_taken_for_good() {
        let talks = |plan: &Plan| plan.is_clean() && plan.part(Side::Kernel).octets.len() > 1;
        let seeds: Vec<u64> = (0..200).filter(|seed| talks(&Plan::draw(*seed))).collect();
        assert!(seeds.len() > 50);
        for seed in seeds {
            assert_eq!(fate(seed, |_| {}), Parting::Closed);
            let failed = |parting| matches!(parting, Parting::Failed(_));
            assert!(failed(fate(seed, |said| said[1] ^= 1)), "{seed}: another octet");
            assert!(failed(fate(seed, |said| said.truncate(said.len() - 1))), "{seed}: too short");
            assert!(failed(fate(seed, |said| said.push(0))), "{seed}: too long");
        }
    }

    #[test]
    fn plans_are_of_every_kind_and_within_bounds() {
        let plans: Vec<Plan> = (0..1_000).map(Plan::draw).collect();
        let moves = |steps: &VecDeque<Step>| -> usize {
            let counts = steps.iter().map(|step| match step {
                Step::Move(count) => *count,
                Step::Pause(_) => 0,
            });
            counts.sum()
        };
        for plan in &plans {
            let [ours, kernel] = &plan.parts;
            for (own, other) in [(ours, kernel), (kernel, ours)] {
                assert!(own.octets.len() as u64 <= LONGEST);
                assert_eq!(moves(&own.writing), own.octets.len());
                assert_eq!(moves(&own.reading), other.octets.len());
            }
        }
        let kinds: BTreeSet<_> =
            plans.iter().map(|plan| (plan.opener == Side::Ours, plan.six, plan.weather)).collect();
        assert_eq!(kinds.len(), 16);
        let clean = plans.iter().filter(|plan| plan.is_clean()).count();
        assert!((600..800).contains(&clean), "{clean} are clean");
        let how = |how| {
            plans
                .iter()
                .flat_map(|plan| &plan.parts)
                .filter(move |part| part.breaks.is_some_and(|(found, _)| found == how))
        };
        assert!(how(Break::Abort).count() > 100 && how(Break::Leave).count() > 100);
    }
}
