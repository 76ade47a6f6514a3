//! Segment scripts: what a peer sends, what the user calls, and what the host must answer to the
//! microsecond, in plain text. The words are our own; the shape is packetdrill's.
//!
//! ```text
//! script "an octet each way"
//! listen
//! at 0      > SYN seq 0 win 10000 mss 1000        # the peer sends: `>` is to the host
//! at 0      < SYN ACK seq 0 ack 1 win 10000 mss 1000
//! at +10ms  > ACK seq 1 ack 1
//! accept
//! write 1
//!           < ACK PSH seq 1:2 ack 1 win 10000     # `<` is from the host, now
//! at +5ms   > ACK PSH seq 1:2 ack 2
//! at +40ms  < ACK seq 2 ack 2 win 9999            # the delayed ACK
//! read 1
//! nothing until +10s
//! expect state ESTABLISHED
//! ```
//!
//! - **Time** is virtual. `at 10ms` counts from the start, `at +10ms` from the line before;
//!   without `at` it is now. What the host sends must come at that microsecond; `at +40ms ~1ms`
//!   admits a difference. Whatever it sends that is not asked for fails the script, at the next
//!   line.
//! - **Segments** are flags (or `none`), then `seq N` or `seq N:M` with text, `ack N`, `win N` in
//!   octets (`rawwin N`: the field), `urg N`, options `mss N`, `wscale N`, `sackok`, `ts V E`,
//!   `sack A:B …`, `opt KIND HEX`, `nop`, `eol`. Numbers count from the sender's SYN; `raw N` is
//!   one of the header. Of the host's segments every field is said; `*` and, for options, `...`
//!   are the only ways not to care. Texts are slices of two fixed streams and are compared octet
//!   by octet. The peer may send `badsum` and `offset N`.
//! - **Calls** of the user: `listen`, `connect`, `accept`, `write N`, `read N`, `close`,
//!   `shutdown read|write|both`, `abort`, `release`, `nagle on|off`, `urgent`, `unlisten`.
//!   `write` and `read` may be followed by what comes of it: `takes N`, `would-block`, `closed`,
//!   `end`, `ended REASON`.
//! - `&` behind a call or a segment of the peer: the next line comes before the host can send.
//! - `unreachable N` and `unreachable port N`: an ICMP error that quotes the segment with this
//!   number.
//! - **Expectations**: see [`Check`]. `nothing until T` lets time pass in silence.
//! - **Headers** come before all that: `profile`, `ip`, `mtu`, `policy`, `blocks N x SIZE`, `pool
//!   NAME N`, `config NAME VALUE`, `peer-isn N`. `passive` and `active` stand for a handshake of
//!   100 ms.
//! - `peer N` goes on with another peer; `peer N isn M` begins a new connection of it.

mod call;
mod check;
pub mod grid;
mod grid_scene;
mod mutate;
mod parse;
mod run;
mod segment;
#[cfg(test)]
mod tests;
mod words;

use std::path::{Path, PathBuf};

use crate::host::Kind;
use crate::pair::Family;

pub use call::{Call, Outcome};
pub use check::Check;
pub use mutate::mutants;
pub use parse::{ParseError, parse};
pub use run::run;
pub use segment::{Number, Opt, Pattern, Window};

use hikyaku::AllocationPolicy;
use hikyaku::time::Duration;
use hikyaku::{Capacity, ConnectionConfig};

/// When something happens, microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct When {
    /// From the start of the script, or from the line before.
    pub micros: u64,
    /// Whether it counts from the line before.
    pub relative: bool,
    /// How much it may differ.
    pub tolerance: u64,
}

/// What a line does.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// The peer sends.
    Send(Pattern),
    /// The peer's ICMP says that the segment with this number cannot be delivered; whether that
    /// is a hard error: the port, not the way there.
    Unreachable(Number, bool),
    /// The host sends.
    Expect(Pattern),
    /// Time passes and the host is silent.
    Nothing,
    /// The user calls.
    Call(Call),
    /// Something holds.
    Check(Check),
    /// The lines behind are about another peer, maybe of a new connection.
    Peer(u16, Option<u32>),
}

/// A line of a script.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its number in the file.
    pub number: usize,
    /// What is written there.
    pub text: String,
    /// When it happens; `None` for now.
    pub at: Option<When>,
    /// What happens.
    pub act: Act,
    /// Whether the next line happens before the host can send.
    pub joined: bool,
}

/// The headers of a script.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The profiles that it is run with.
    pub kinds: Vec<Kind>,
    /// The versions of IP.
    pub families: Vec<Family>,
    /// Octets.
    pub mtu: u16,
    /// How windows are backed.
    pub policy: AllocationPolicy,
    /// The pools.
    pub capacity: Capacity,
    /// How connections behave.
    pub config: ConnectionConfig,
    /// 2 MSL.
    pub time_wait: Duration,
    /// The peer's initial sequence number.
    pub isn: u32,
}

/// A script.
#[derive(Debug, Clone)]
pub struct Script {
    /// What it is called.
    pub name: String,
    /// The file that it lies in.
    pub file: PathBuf,
    /// Its headers.
    pub scene: Scene,
    /// What happens.
    pub lines: Vec<Line>,
}

/// What came of all scripts and cells.
#[derive(Debug, Default)]
pub struct Report {
    /// Scripts, each counted once.
    pub scripts: usize,
    /// Cells of the grid that can exist.
    pub cells: usize,
    /// How often one of them was run.
    pub runs: usize,
    /// What failed and how.
    pub failures: Vec<String>,
}

impl Report {
    /// One object of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let (scripts, cells, failed) = (self.scripts, self.cells, self.failures.len());
        format!("{{\"scripts\":{scripts},\"cells\":{cells},\"failed\":{failed}}}")
    }
}

/// Where the scripts lie.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/scripts")
}

/// All scripts below a folder, in the order of their names.
///
/// # Errors
///
/// A file cannot be read, or says what no script can say.
pub fn read_all(folder: &Path) -> Result<Vec<Script>, String> {
    let mut files = Vec::new();
    let list = |path: &Path| -> Result<Vec<PathBuf>, String> {
        let bad = |error| format!("{}: {error}", path.display());
        let entries = std::fs::read_dir(path).map_err(bad)?;
        entries.map(|entry| entry.map(|entry| entry.path()).map_err(bad)).collect()
    };
    for path in list(folder)? {
        files.extend(if path.is_dir() { list(&path)? } else { vec![path] });
    }
    files.retain(|path| path.extension().is_some_and(|extension| extension == "hkt"));
    files.sort();
    let mut scripts = Vec::new();
    for file in files {
        let text =
            std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let shown = file.strip_prefix(folder).unwrap_or(&file);
        scripts.extend(parse(shown, &text).map_err(|error| error.to_string())?);
    }
    Ok(scripts)
}

/// Runs every script and the grid in every way that they ask for.
///
/// # Errors
///
/// A file cannot be read or understood.
pub fn run_all(folder: &Path) -> Result<Report, String> {
    let mut report = Report::default();
    for script in read_all(folder)? {
        report.scripts += 1;
        for kind in &script.scene.kinds {
            for family in &script.scene.families {
                report.runs += 1;
                report.failures.extend(run(&script, *kind, *family).err());
            }
        }
    }
    grid::run_file(&folder.join("grid.csv"), &mut report)?;
    Ok(report)
}
