//! Faults that the tests must see: each is a patch in `core/testkit/faults`, put into a copy of the
//! workspace, where the tests that it names must fail.
//!
//! Here they are read, drawn and tried one by one; `patch` puts them in, `workshop` has the copy,
//! builds and runs, `page` makes `docs/faults.md`.

mod page;
mod patch;
mod workshop;

use std::path::Path;
use std::time::{Duration, Instant};
use std::{fmt, fs, io};

pub use page::{RENEW, page_is_current, write_page};
pub use patch::{Hunk, Patch};

use crate::random::Random;
use workshop::{Outcome, Workshop};

const FOLDER: &str = "core/testkit/faults";

/// Kinds of which there are at least two faults each.
pub const KINDS: [&str; 10] = [
    "sequence comparison",
    "window edge",
    "RTO and backoff",
    "persist",
    "delayed ACK",
    "FIN and TIME-WAIT",
    "PAWS",
    "challenge ACK",
    "credits",
    "option parsing",
];

/// Tests that catch a fault, as `cargo test -p hikyaku` names them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Catcher {
    /// The file in `core/tests` without its ending; `None` for the tests of the library.
    pub target: Option<String>,
    /// A part of the names of the tests that are run; empty for all.
    pub filter: String,
}

impl Catcher {
    /// Reads `--test TARGET [FILTER]` or `--lib FILTER`.
    fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (target, filter) = match *words.as_slice() {
            ["--test", target] => (Some(target), ""),
            ["--test", target, filter] => (Some(target), filter),
            ["--lib", filter] => (None, filter),
            _ => return None,
        };
        Some(Self { target: target.map(str::to_string), filter: filter.to_string() })
    }
}

impl fmt::Display for Catcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Some(target) => write!(f, "--test {target}")?,
            None => f.write_str("--lib")?,
        }
        if self.filter.is_empty() { Ok(()) } else { write!(f, " {}", self.filter) }
    }
}

/// One fault, as its file describes it.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The name of its file without the ending: `07-name`.
    pub name: String,
    /// What it breaks.
    pub breaks: String,
    /// The section that asks for what it breaks.
    pub rule: String,
    /// One of [`KINDS`], or another.
    pub kind: String,
    /// Which of the seven faults of the security cases it brings back.
    pub reverses: Option<u32>,
    /// Who catches it, the cheapest first. Each of them must.
    pub caught_by: Vec<Catcher>,
    /// The change.
    pub patch: Patch,
}

impl Fault {
    /// Reads a file: a head of `key: value`, an empty line, a unified diff.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let (head, diff) = text.split_once("\n\n").ok_or("no empty line ends its head")?;
        let mut fault = Self {
            name: name.to_string(),
            breaks: String::new(),
            rule: String::new(),
            kind: String::new(),
            reverses: None,
            caught_by: Vec::new(),
            patch: Patch::parse(diff)?,
        };
        for line in head.lines() {
            let (key, value) = line.split_once(": ").ok_or(format!("`{line}` is no field"))?;
            match key {
                "breaks" => fault.breaks = value.to_string(),
                "rule" => fault.rule = value.to_string(),
                "kind" => fault.kind = value.to_string(),
                "reverses" => fault.reverses = Some(seventh(value)?),
                "caught-by" => fault
                    .caught_by
                    .push(Catcher::parse(value).ok_or(format!("`{value}` names no tests"))?),
                _ => return Err(format!("nobody knows the field `{key}`")),
            }
        }
        let empty = [&fault.breaks, &fault.rule, &fault.kind].iter().any(|field| field.is_empty());
        if empty || fault.caught_by.is_empty() {
            return Err("`breaks`, `rule`, `kind` or `caught-by` is missing".to_string());
        }
        Ok(fault)
    }
}

/// The number in `fault N of the seven`.
fn seventh(value: &str) -> Result<u32, String> {
    value
        .strip_prefix("fault ")
        .and_then(|rest| rest.strip_suffix(" of the seven")?.parse().ok())
        .filter(|number| (1..=7).contains(number))
        .ok_or(format!("`{value}` is none of the seven"))
}

/// All faults, in the order of their numbers.
///
/// # Errors
/// A file cannot be read, or one is not what it should be.
pub fn faults(root: &Path) -> io::Result<Vec<Fault>> {
    let mut files: Vec<_> = fs::read_dir(root.join(FOLDER))?.collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    let mut faults = Vec::new();
    for file in files {
        let path = file.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let fault = Fault::parse(&name, &fs::read_to_string(&path)?)
            .map_err(|error| io::Error::other(format!("{name}: {error}")))?;
        faults.push(fault);
    }
    Ok(faults)
}

/// Draws `count` of `from` numbers, the same ones for the same seed, in rising order.
#[must_use]
pub fn draw(seed: u64, count: usize, from: usize) -> Vec<usize> {
    let mut random = Random::new(seed);
    let mut left: Vec<usize> = (0..from).collect();
    let mut drawn = Vec::new();
    while drawn.len() < count && !left.is_empty() {
        drawn.push(left.swap_remove(random.below(left.len() as u64) as usize));
    }
    drawn.sort_unstable();
    drawn
}

/// What became of one fault.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Its name.
    pub name: String,
    /// The tests that failed with it; or why it was not caught.
    pub result: Result<Vec<String>, String>,
    /// How long that took.
    pub took: Duration,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, seconds) = (&self.name, self.took.as_secs_f32());
        match &self.result {
            Ok(tests) => write!(f, "caught {name} in {seconds:.1} s: {}", tests.join(", ")),
            Err(why) => write!(f, "NOT CAUGHT {name} in {seconds:.1} s: {why}"),
        }
    }
}

/// What became of all that were tried.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How many faults were tried.
    pub tried: usize,
    /// How many of them made every test that they name fail.
    pub caught: usize,
}

/// Tries faults on a copy of the workspace at `root`: all of them; or of those whose name has a
/// part of `only` (split at commas) so many as `sample` says, drawn by the commit. Tells of each as
/// soon as it is known.
///
/// # Errors
/// The copy could not be made, or the tests do not pass without any fault.
pub fn run(
    root: &Path,
    sample: Option<usize>,
    only: &str,
    tell: &mut dyn FnMut(&Finding),
) -> io::Result<Report> {
    let mut faults = faults(root)?;
    faults.retain(|fault| only.split(',').any(|part| fault.name.contains(part)));
    if let Some(count) = sample {
        let drawn = draw(workshop::commit_number(root)?, count, faults.len());
        faults = drawn.iter().map(|at| faults[*at].clone()).collect();
    }
    let workshop = Workshop::set_up(root)?;
    let mut catchers: Vec<_> = faults.iter().flat_map(|fault| fault.caught_by.clone()).collect();
    catchers.sort();
    catchers.dedup();
    workshop.control(&catchers).map_err(io::Error::other)?;
    let mut report = Report::default();
    for fault in &faults {
        let start = Instant::now();
        let result = try_one(&workshop, fault);
        report.tried += 1;
        report.caught += usize::from(result.is_ok());
        tell(&Finding { name: fault.name.clone(), result, took: start.elapsed() });
    }
    Ok(report)
}

/// Puts one fault in, has its tests run and takes it out again.
fn try_one(workshop: &Workshop, fault: &Fault) -> Result<Vec<String>, String> {
    let path = workshop.tree().join(&fault.patch.file);
    let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let broken = fault.patch.apply(&text)?;
    fs::write(&path, broken).map_err(|error| error.to_string())?;
    let result = catch(workshop, &fault.caught_by);
    fs::write(&path, text).map_err(|error| error.to_string())?;
    result
}

/// The tests that fail, if each of the catchers has one.
fn catch(workshop: &Workshop, catchers: &[Catcher]) -> Result<Vec<String>, String> {
    let (mut caught, mut blind) = (Vec::new(), Vec::new());
    for catcher in catchers {
        match workshop.test(catcher) {
            Outcome::Failed(tests) => caught.extend(tests),
            Outcome::Passed { .. } => blind.push(format!("`{catcher}`")),
            Outcome::NotBuilt(error) => return Err(format!("does not compile:\n{error}")),
        }
    }
    if blind.is_empty() {
        return Ok(caught);
    }
    Err(format!("{} passes; failed: {}", blind.join(", "), caught.join(", ")))
}
