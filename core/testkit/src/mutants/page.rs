//! `docs/faults.md`: the table of faults with what catches each.

use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

use super::{Fault, faults};

const PAGE: &str = "docs/faults.md";

/// How the page is written anew.
pub const RENEW: &str = "cargo run -q --release -p hikyaku-testkit -- mutants --write";

const HEAD: &str = "\
# Faults that the tests see

Made by `cargo run -q --release -p hikyaku-testkit -- mutants --write` of the patches in
`core/testkit/faults`. `mutants` puts them one at a time into a copy of the workspace, where every
test named here must fail; without any fault all of them must pass. A patch that no longer applies,
one that does not compile and one that a test survives fail the check. The seven faults are those of
the security cases.

";

/// Whether the page is what the faults say.
///
/// # Errors
/// The faults cannot be read.
pub fn page_is_current(root: &Path) -> io::Result<bool> {
    let text = page(&faults(root)?);
    Ok(fs::read_to_string(root.join(PAGE)).is_ok_and(|there| there == text))
}

/// Writes the page anew.
///
/// # Errors
/// The faults cannot be read or the page not be written.
pub fn write_page(root: &Path) -> io::Result<()> {
    fs::write(root.join(PAGE), page(&faults(root)?))
}

fn page(faults: &[Fault]) -> String {
    let mut text = HEAD.to_string();
    text.push_str("|Fault|Kind|What it breaks|Rule|Caught by|\n|-|-|-|-|-|\n");
    for fault in faults {
        let Fault { name, kind, breaks, rule, .. } = fault;
        let seven = fault.reverses.map_or(String::new(), |number| format!(", {number} of seven"));
        let catchers: Vec<_> = fault.caught_by.iter().map(|one| format!("`{one}`")).collect();
        let catchers = catchers.join(", ");
        let _ = writeln!(text, "|{name}|{kind}{seven}|{breaks}|{rule}|{catchers}|");
    }
    text
}
