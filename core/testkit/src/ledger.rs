//! The ledger of requirements: what the RFCs ask, what we do about it, where, and what shows it.
//!
//! Two tables in `docs/requirements` are read, compared with the sources, and turned into
//! `docs/conformance.md`. Security cases have a table and rules of their own (`house`).

mod page;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

pub use sources::Sources;

/// The requirements of RFC 9293, by level: each is numbered from one on.
const LEVELS: [(&str, u32); 4] = [("MUST", 69), ("SHLD", 31), ("MAY", 18), ("REC", 1)];

/// How the page is written anew.
pub const RENEW: &str = "cargo run -q --release -p hikyaku-testkit -- ledger --write";

const PAGE: &str = "docs/conformance.md";
const DECISIONS: &str = "docs/decisions";
const COLUMNS: [&str; 8] =
    ["id", "section", "level", "statement", "stance", "code", "tests", "reason"];

/// What we do about a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stance {
    /// We keep it.
    Implemented,
    /// It asks nothing of us, or leaves us a choice that we do not take.
    NotApplicable,
    /// We do otherwise, on purpose: a decision says why.
    Deviation,
    /// We will keep it.
    Planned,
}

impl Stance {
    const ALL: [Self; 4] = [Self::Implemented, Self::NotApplicable, Self::Deviation, Self::Planned];

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stance| stance.to_string() == text)
    }
}

impl fmt::Display for Stance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Implemented => "implemented",
            Self::NotApplicable => "not applicable",
            Self::Deviation => "deviation",
            Self::Planned => "planned",
        })
    }
}

/// One requirement.
#[derive(Debug, Clone)]
pub struct Row {
    /// `MUST-10`, or `RFC7323-5.3-2` where a document has no numbers of its own.
    pub id: String,
    /// Where its document has it.
    pub section: String,
    /// How strongly it is asked.
    pub level: String,
    /// What is asked, in our words.
    pub statement: String,
    /// What we do about it.
    pub stance: Stance,
    /// Files and the functions in them that keep it: `path:function`.
    pub code: Vec<String>,
    /// The tests that show it.
    pub tests: Vec<String>,
    /// Why, where the stance does not say it all.
    pub reason: String,
}

impl Row {
    /// The number of a MUST of RFC 9293.
    fn must(&self) -> Option<&str> {
        self.id.strip_prefix("MUST-")
    }

    /// The tests of a kind, `holds` or `provoked`, that a MUST names.
    fn has_test(&self, number: &str, kind: &str) -> bool {
        let prefix = format!("must_{number}_{kind}_");
        self.tests.iter().any(|test| test.starts_with(&prefix))
    }
}

/// How many requirements of RFC 9293 there are of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub requirements: usize,
    /// Those that are kept.
    pub implemented: usize,
    /// Those that ask nothing of us.
    pub not_applicable: usize,
    /// Those that we do not keep on purpose.
    pub deviation: usize,
    /// Those that are still to come.
    pub planned: usize,
    /// MUSTs that we keep or will keep.
    pub musts_applicable: usize,
    /// Those of them that have both tests.
    pub musts_both: usize,
}

impl Counts {
    fn of(rows: &[Row]) -> Self {
        let count = |stance| rows.iter().filter(|row| row.stance == stance).count();
        let applies = |row: &&Row| matches!(row.stance, Stance::Implemented | Stance::Planned);
        let musts: Vec<_> = rows
            .iter()
            .filter(applies)
            .filter_map(|row| row.must().map(|number| (row, number)))
            .collect();
        let both = |(row, number): &&(&Row, &str)| {
            ["holds", "provoked"].iter().all(|kind| row.has_test(number, kind))
        };
        Self {
            requirements: rows.len(),
            implemented: count(Stance::Implemented),
            not_applicable: count(Stance::NotApplicable),
            deviation: count(Stance::Deviation),
            planned: count(Stance::Planned),
            musts_applicable: musts.len(),
            musts_both: musts.iter().filter(both).count(),
        }
    }
}

/// Both tables.
#[derive(Debug)]
pub struct Ledger {
    /// RFC 9293.
    pub own: Vec<Row>,
    /// The documents beside it.
    pub companions: Vec<Row>,
}

/// What checking needs to know of the tree.
#[derive(Debug)]
pub struct Tree {
    /// Its functions and tests.
    pub sources: Sources,
    /// The numbers of the decisions: `0012`.
    pub decisions: BTreeSet<String>,
}

/// The root of the workspace that this was built from.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl Tree {
    /// The tree at `root`.
    ///
    /// # Errors
    ///
    /// A file could not be read.
    pub fn read(root: &Path) -> Result<Self, Box<dyn Error>> {
        let mut decisions = BTreeSet::new();
        for entry in fs::read_dir(root.join(DECISIONS))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            decisions.extend(name.split_once('-').map(|(number, _)| number.to_string()));
        }
        Ok(Self { sources: Sources::read(root)?, decisions })
    }
}

/// Reads a table.
///
/// # Errors
///
/// It has other columns, or a row has an unknown stance.
pub fn parse(text: &str) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    if *reader.headers()? != COLUMNS[..] {
        return Err(format!("the columns are {}", COLUMNS.join(",")).into());
    }
    let list = |text: &str| -> Vec<String> {
        text.split(';').filter(|one| !one.is_empty()).map(str::to_string).collect()
    };
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record?;
        let at = |column: usize| record.get(column).unwrap_or("").to_string();
        let stance =
            Stance::parse(&at(4)).ok_or_else(|| format!("{}: `{}` is no stance", at(0), at(4)))?;
        rows.push(Row {
            id: at(0),
            section: at(1),
            level: at(2),
            statement: at(3),
            stance,
            code: list(&at(5)),
            tests: list(&at(6)),
            reason: at(7),
        });
    }
    Ok(rows)
}

impl Ledger {
    /// The tables of the tree at `root`.
    ///
    /// # Errors
    ///
    /// A table could not be read.
    pub fn read(root: &Path) -> Result<Self, Box<dyn Error>> {
        let table = |name: &str| -> Result<Vec<Row>, Box<dyn Error>> {
            let path = root.join("docs/requirements").join(name);
            let text = fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
            parse(&text).map_err(|error| format!("{name}: {error}").into())
        };
        Ok(Self { own: table("rfc9293.csv")?, companions: table("companions.csv")? })
    }

    /// How many there are of each kind.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts::of(&self.own)
    }

    /// All that is wrong with the tables.
    #[must_use]
    pub fn faults(&self, tree: &Tree) -> Vec<String> {
        let mut faults = id_faults(&self.own);
        faults.extend(companion_id_faults(&self.companions));
        for row in self.own.iter().chain(&self.companions) {
            faults.extend(row_faults(row, tree));
        }
        faults.extend(unlisted_tests(&self.own, &tree.sources));
        faults
    }

    /// The page that shows the tables.
    #[must_use]
    pub fn page(&self) -> String {
        page::page(self)
    }

    /// Whether the page in the tree is the one of these tables.
    #[must_use]
    pub fn page_is_current(&self, root: &Path) -> bool {
        fs::read_to_string(root.join(PAGE)).is_ok_and(|text| text == self.page())
    }

    /// Writes the page into the tree.
    ///
    /// # Errors
    ///
    /// It could not be written.
    pub fn write_page(&self, root: &Path) -> std::io::Result<()> {
        fs::write(root.join(PAGE), self.page())
    }
}

/// Every number of RFC 9293 once, and no other.
fn id_faults(rows: &[Row]) -> Vec<String> {
    let known: BTreeSet<String> = LEVELS
        .iter()
        .flat_map(|(level, last)| (1..=*last).map(move |number| format!("{level}-{number}")))
        .collect();
    let mut seen = BTreeMap::new();
    for row in rows {
        *seen.entry(row.id.clone()).or_insert(0) += 1;
    }
    let mut faults: Vec<String> = Vec::new();
    for (id, times) in &seen {
        if !known.contains(id) {
            faults.push(format!("{id}: RFC 9293 has no such requirement"));
        } else if *times > 1 {
            faults.push(format!("{id}: more than once"));
        }
    }
    let missing = known.iter().filter(|id| !seen.contains_key(*id));
    faults.extend(missing.map(|id| format!("{id}: missing")));
    faults
}

/// `RFC7323-5.3-2`: the document, its section, and a number within that.
fn companion_id_faults(rows: &[Row]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut faults = Vec::new();
    for row in rows {
        let section = row.section.rsplit_once(' ');
        let stem = section.map(|(rfc, section)| format!("{}-{section}-", rfc.replace(' ', "")));
        let number = stem.and_then(|stem| row.id.strip_prefix(&stem)?.parse::<u32>().ok());
        if number.is_none() {
            faults.push(format!("{}: not of the shape RFC7323-5.3-2 for {}", row.id, row.section));
        }
        if !seen.insert(&row.id) {
            faults.push(format!("{}: more than once", row.id));
        }
    }
    faults
}

/// What a row claims and the tree does not show.
fn row_faults(row: &Row, tree: &Tree) -> Vec<String> {
    let id = &row.id;
    let mut faults = Vec::new();
    if row.statement.is_empty() {
        faults.push(format!("{id}: says nothing"));
    }
    let gone = row.code.iter().filter(|place| !tree.sources.has_function(place));
    faults.extend(gone.map(|place| format!("{id}: there is no function {place}")));
    let gone = row.tests.iter().filter(|test| !tree.sources.has_test(test));
    faults.extend(gone.map(|test| format!("{id}: there is no test {test}")));
    let decision = row.reason.split("decision ").nth(1).and_then(|rest| rest.get(..4));
    if decision.is_some_and(|number| !tree.decisions.contains(number)) {
        faults.push(format!("{id}: there is no such decision: {}", row.reason));
    }
    match row.stance {
        Stance::Implemented if row.code.is_empty() || row.tests.is_empty() => {
            faults.push(format!("{id}: implemented, but without code or without a test"));
        }
        Stance::Deviation if decision.is_none() => {
            faults.push(format!("{id}: a deviation without a decision"));
        }
        Stance::NotApplicable | Stance::Planned if row.reason.is_empty() => {
            faults.push(format!("{id}: {} without a reason", row.stance));
        }
        _ => {}
    }
    if let (Some(number), Stance::Implemented) = (row.must(), row.stance) {
        for kind in ["holds", "provoked"] {
            if !row.has_test(number, kind) {
                faults.push(format!("{id}: no test must_{number}_{kind}_…"));
            }
        }
    }
    faults
}

/// A test that bears the number of a MUST stands in the row of that MUST.
fn unlisted_tests(rows: &[Row], sources: &Sources) -> Vec<String> {
    let listed: BTreeMap<&str, &[String]> =
        rows.iter().filter_map(|row| Some((row.must()?, &row.tests[..]))).collect();
    sources
        .tests()
        .filter_map(|test| {
            let (number, _) = test.strip_prefix("must_")?.split_once('_')?;
            let known = listed.get(number).is_some_and(|tests| tests.contains(test));
            (!known).then(|| format!("{test} is not in the row of MUST-{number}"))
        })
        .collect()
}
