//! The grid: one row of `grid.csv` is one segment in one state, and what RFC 9293 §3.10.7 makes of
//! it. The file is written by hand; nothing here knows a rule of TCP, only what its words mean.
//!
//! - `segment`: flags and, behind `+`, octets of text.
//! - `seq`: `left` (RCV.NXT − 100), `last` (− 1), `overlap` (− 50), `overlast` (its text and FIN
//!   end at RCV.NXT), `at` (RCV.NXT), `inside` (+ 100), `edge` (the window's last octet),
//!   `beyond` (the one behind it), `far` (1,000 further); `somewhere` where there is no RCV.NXT.
//! - `ack`: `below` (SND.UNA − 50 in handshakes), `iss`, `ancient` (before SND.UNA −
//!   MAX.SND.WND), `old` (SND.UNA − 50), `dup` (SND.UNA), `part` (+ 50), `new` (SND.NXT), `ahead`
//!   (SND.NXT + 1).
//! - `answer`: at once, or `later`: when the ACK timer comes after 40 ms.
//! - `taken`, `acked`: octets that can be read now, and that left the flight.

use std::path::Path;

use hikyaku::time::Duration;
use hikyaku::wire::tcp::Flags;

use super::call::reason;
use super::check::{STATES, drop_reason};
use super::grid_scene::{Scene, scene_of};
use super::run::{Failed, Runner};
use super::segment::{Number, Pattern, Window};
use super::words::{Wrong, flag};
use super::{Report, Script, parse};
use crate::host::Kind;
use crate::pair::Family;

const COLUMNS: [&str; 13] = [
    "state", "window", "segment", "seq", "ack", "next", "answer", "taken", "acked", "fate",
    "dropped", "step", "why_not",
];
/// TIME-WAIT whose user has let go.
const RELEASED: &str = "TIME-WAIT released";
/// The largest window that the peers of the scenes tell.
const MAX_SND_WND: u32 = 10_000;
/// How long an ACK may be delayed, and how long the host is watched.
const DELAY: Duration = Duration::from_millis(40);
const WATCH: Duration = Duration::from_millis(45);

/// A row.
#[derive(Debug, Clone)]
pub struct Row {
    fields: [String; 13],
}

/// Reads the rows of a grid.
///
/// # Errors
///
/// The first line that is no row, or comes twice.
pub fn rows(text: &str) -> Result<Vec<Row>, Wrong> {
    let mut lines = text.lines();
    if lines.next() != Some(COLUMNS.join(",").as_str()) {
        return Err("1: other columns are expected".into());
    }
    let mut rows: Vec<Row> = Vec::new();
    for (line, number) in lines.zip(2..) {
        let fields: Vec<_> = line.split(',').map(str::to_string).collect();
        let fields: [String; 13] = fields.try_into().map_err(|_| format!("{number}: 13 fields"))?;
        let row = Row { fields };
        let said = row.fields[..12].iter().all(|field| !field.is_empty() && field != "any");
        if !said {
            return Err(format!("{number}: a field says nothing"));
        }
        if row.exists() != (row.field("answer") != "-") {
            return Err(format!("{number}: a cell has an answer, or a reason why it cannot be"));
        }
        if rows.iter().any(|other| other.fields[..5] == row.fields[..5]) {
            return Err(format!("{number}: this cell is there already"));
        }
        rows.push(row);
    }
    Ok(rows)
}

/// Runs every cell in both profiles and both families.
///
/// # Errors
///
/// The file cannot be read or understood.
pub fn run_file(path: &Path, report: &mut Report) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let rows = rows(&text).map_err(|wrong| format!("{}:{wrong}", path.display()))?;
    for row in rows.iter().filter(|row| row.exists()) {
        report.cells += 1;
        for kind in [Kind::Full, Kind::Small] {
            for family in Family::BOTH {
                report.runs += 1;
                report.failures.extend(row.run(kind, family).err());
            }
        }
    }
    Ok(())
}

/// What can be seen of a connection.
#[derive(Debug, Clone, Copy)]
struct Look {
    readable: u32,
    flight: u32,
}

impl Row {
    /// What a column says.
    ///
    /// # Panics
    ///
    /// There is no such column.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        let at = COLUMNS.iter().position(|column| *column == name);
        &self.fields[at.expect("a column")]
    }

    /// Whether there can be such a cell.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.fields[12].is_empty()
    }

    /// This row, with another field.
    ///
    /// # Panics
    ///
    /// There is no such column.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut row = self.clone();
        let at = COLUMNS.iter().position(|column| *column == name);
        row.fields[at.expect("a column")] = value.into();
        row
    }

    /// Brings a host into the state, feeds it the segment, and compares.
    ///
    /// # Errors
    ///
    /// What differs.
    pub fn run(&self, kind: Kind, family: Family) -> Result<(), String> {
        let told = |wrong: &dyn std::fmt::Display| {
            format!("grid.csv: {}\n  {wrong}\n  {kind:?}, {family:?}", self.fields.join(","))
        };
        let (state, window) = (self.field("state"), self.field("window"));
        let scene = scene_of(state, window).ok_or_else(|| told(&"no way leads there"))?;
        let script = script_of(&scene).map_err(|wrong| told(&wrong))?;
        let mut runner = Runner::new(&script, kind, family);
        runner.play().map_err(|wrong| told(&wrong))?;
        self.compare(&scene, &mut runner).map_err(|wrong| told(&wrong))
    }

    fn compare(&self, scene: &Scene, runner: &mut Runner<'_>) -> Result<(), Failed> {
        let segment = self.segment(scene)?;
        let before = look(runner);
        let drops = runner.host.counters().drops;
        runner.send(&segment)?;
        runner.collect()?;
        self.check_answer(scene, &segment, runner)?;
        let wanted = self.field("dropped");
        let after = runner.host.counters().drops;
        if after.total() - drops.total() != usize::from(wanted != "-") {
            return Err(format!("dropped for: {:?}", dropped(&drops, &after)).into());
        }
        if wanted != "-" {
            let reason = drop_reason(wanted)?;
            if after.of(reason) == drops.of(reason) {
                return Err(format!("dropped for: {:?}", dropped(&drops, &after)).into());
            }
        }
        self.check_state(runner)?;
        self.check_look(before, look(runner))
    }

    /// The segment in the numbers of the scene.
    fn segment(&self, scene: &Scene) -> Result<Pattern, Failed> {
        let (flags, text) = match self.field("segment").split_once('+') {
            Some((flags, text)) => (flags, text.parse().map_err(|_| "no number of octets")?),
            None => (self.field("segment"), 0),
        };
        let mut pattern = bare(flags_of(flags)?, Number::Any);
        pattern.len = text;
        let nxt = scene.rcv_nxt;
        let seq = match self.field("seq") {
            "somewhere" => 777,
            "left" => nxt.wrapping_sub(100),
            "last" => nxt.wrapping_sub(1),
            "overlap" => nxt.wrapping_sub(50),
            "overlast" => nxt.wrapping_sub(text + 1),
            "at" => nxt,
            "inside" => nxt + 100,
            "edge" => nxt + scene.rcv_wnd - 1,
            "beyond" => nxt + scene.rcv_wnd,
            "far" => nxt + scene.rcv_wnd + 1000,
            other => return Err(format!("where is {other}?").into()),
        };
        pattern.seq = Number::Relative(seq);
        let (una, nxt) = (scene.snd_una, scene.snd_nxt);
        let ack = match self.field("ack") {
            "none" => return Ok(pattern),
            "somewhere" => 4242,
            "iss" => 0,
            "below" | "old" => una.wrapping_sub(50),
            "ancient" => una.wrapping_sub(MAX_SND_WND + 1),
            "dup" => una,
            "part" => una + 50,
            "new" => nxt,
            "ahead" => nxt + 1,
            other => return Err(format!("where is {other}?").into()),
        };
        pattern.ack = Some(Number::Relative(ack));
        Ok(pattern)
    }

    /// `SEQ=… ACK=… CTL=…`, as the RFC writes it.
    fn answer(&self, text: &str, scene: &Scene, segment: &Pattern) -> Result<Pattern, Failed> {
        let Number::Relative(seg_seq) = segment.seq else { return Err("no number".into()) };
        let number = |text: &str| -> Result<Number, Failed> {
            let (name, more) = text.split_once('+').unwrap_or((text, "0"));
            let more: u32 = more.parse().map_err(|_| "what is added is no number")?;
            Ok(match name {
                "0" => Number::Raw(0),
                "ISS" => Number::Relative(0),
                "SND.NXT" => Number::Relative(scene.snd_nxt + more),
                "RCV.NXT" => Number::Relative(scene.rcv_nxt + more),
                "SEG.SEQ" => Number::Relative(seg_seq + more),
                "SEG.ACK" => segment.ack.ok_or("there is no SEG.ACK")?,
                other => return Err(format!("what is {other}?").into()),
            })
        };
        let (numbers, control) = text.split_once(" CTL=").ok_or("no CTL")?;
        let mut answer = bare(flags_of(control)?, Number::Any);
        for part in numbers.split(' ') {
            match part.split_once('=') {
                Some(("SEQ", value)) => answer.seq = number(value)?,
                Some(("ACK", value)) => answer.ack = Some(number(value)?),
                _ => return Err(format!("what is {part}?").into()),
            }
        }
        answer.more = answer.flags.intersects(Flags::SYN);
        // The edge stays where it is, whatever arrives.
        let edge = scene.rcv_nxt + scene.rcv_wnd;
        answer.window = match answer.ack {
            _ if answer.flags.intersects(Flags::RST) => Window::Octets(0),
            _ if answer.flags.intersects(Flags::SYN) => Window::Octets(10_000),
            // The window of the SYN counts from the number behind the peer's.
            Some(Number::Relative(ack)) if self.field("state") == "SYN-SENT" => {
                Window::Octets(10_000_u32.wrapping_sub(ack.wrapping_sub(seg_seq + 1)))
            }
            Some(Number::Relative(ack)) => Window::Octets(edge.saturating_sub(ack)),
            _ => Window::Any,
        };
        Ok(answer)
    }

    fn check_answer(
        &self,
        scene: &Scene,
        segment: &Pattern,
        runner: &mut Runner<'_>,
    ) -> Result<(), Failed> {
        let text = self.field("answer");
        let end = runner.now + WATCH;
        if text != "nothing" {
            let (later, text) =
                text.strip_prefix("later ").map_or((false, text), |rest| (true, rest));
            let answer = self.answer(text, scene, segment)?;
            if self.field("state") == RELEASED && answer.more {
                // A new connection has a new ISS.
                runner.forget_iss();
            }
            let at = if later { runner.now + DELAY } else { runner.now };
            runner.expect_at(at, Duration::ZERO, &answer)?;
        }
        // A connection that ended may be gone with all its timers.
        runner.pass_in_silence(end)
    }

    fn check_state(&self, runner: &mut Runner<'_>) -> Result<(), Failed> {
        let (next, fate) = (self.field("next"), self.field("fate"));
        let wanted = STATES.iter().find(|(name, _)| *name == next).ok_or("no such state")?.1;
        let passive = self.field("state") == "SYN-RECEIVED passive";
        if passive && runner.host.usage().connections > 0 {
            let listener = runner.listener.ok_or("nobody listens")?;
            runner.flow().handle = runner.host.accept(listener).ok();
        }
        let handle = runner.flow().handle;
        let Some(handle) = handle.filter(|handle| !runner.host.is_stale(*handle)) else {
            let usage = runner.host.usage();
            let got = match (usage.half_open, usage.time_wait, usage.listeners) {
                (1, ..) => "SYN-RECEIVED",
                (_, 1, _) => "TIME-WAIT",
                (.., 1) => "LISTEN",
                _ => "CLOSED",
            };
            return if got == next && fate == "-" { Ok(()) } else { Err(got.into()) };
        };
        let got = runner.host.state(handle);
        if got != wanted {
            return Err(format!("the state is {got:?}").into());
        }
        let got = runner.host.close_reason(handle);
        let wanted = if fate == "open" { None } else { Some(reason(fate)?) };
        if got == wanted { Ok(()) } else { Err(format!("the fate is {got:?}").into()) }
    }

    fn check_look(&self, before: Option<Look>, after: Option<Look>) -> Result<(), Failed> {
        let number = |name: &str| match self.field(name) {
            "-" => Ok(None),
            digits => digits.parse::<u32>().map(Some).map_err(|_| format!("{name} is no number")),
        };
        let (taken, acked) = (number("taken")?, number("acked")?);
        let zero = Look { readable: 0, flight: 0 };
        let (old, new) = (before.unwrap_or(zero), after.unwrap_or(zero));
        if taken.is_some_and(|taken| taken != new.readable - old.readable) {
            return Err(format!("taken: {} octets", new.readable - old.readable).into());
        }
        let gone = old.flight.saturating_sub(new.flight);
        if acked.is_some_and(|acked| acked != gone) {
            return Err(format!("acknowledged: {gone} octets").into());
        }
        Ok(())
    }
}

fn script_of(scene: &Scene) -> Result<Script, Wrong> {
    // A script has to expect something; this is true of every host.
    let text = format!("script \"scene\"\n{}expect counter datagrams_in 0\n", scene.script);
    let mut scripts = parse(Path::new("scene"), &text).map_err(|error| error.to_string())?;
    scripts.pop().ok_or_else(|| "no scene".into())
}

fn look(runner: &mut Runner<'_>) -> Option<Look> {
    let handle = runner.flow().handle?;
    if runner.host.is_stale(handle) {
        return None;
    }
    let flight = runner.host.info(handle).unacknowledged;
    Some(Look { readable: runner.host.readable(handle), flight })
}

fn dropped(
    before: &hikyaku::counters::Drops,
    after: &hikyaku::counters::Drops,
) -> Vec<&'static str> {
    let all = hikyaku::counters::DropReason::ALL.iter();
    let more = all.filter(|reason| after.of(**reason) != before.of(**reason));
    more.map(|reason| reason.text()).collect()
}

fn flags_of(names: &str) -> Result<Flags, Failed> {
    let mut flags = Flags::NONE;
    for name in names.split(' ').filter(|name| *name != "none") {
        flags = flags | flag(name).ok_or_else(|| format!("there is no flag {name}"))?;
    }
    Ok(flags)
}

fn bare(flags: Flags, seq: Number) -> Pattern {
    Pattern {
        flags,
        seq,
        len: 0,
        ack: None,
        window: Window::Same,
        urgent: 0,
        options: Vec::new(),
        more: false,
        damaged: false,
        offset: None,
    }
}
