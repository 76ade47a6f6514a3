//! `docs/conformance.md`, made of the tables.

use std::fmt::Write;

use super::{Counts, Ledger, RENEW, Row, Stance};

/// Octets of a cell that would break a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Functions without the path that all of them share.
fn code(row: &Row) -> String {
    let short = row.code.iter().map(|place| {
        let place = place.strip_prefix("core/src/").unwrap_or(place);
        format!("`{}`", place.replace(':', " "))
    });
    short.collect::<Vec<_>>().join("<br>")
}

fn tests(row: &Row) -> String {
    row.tests.iter().map(|test| format!("`{test}`")).collect::<Vec<_>>().join("<br>")
}

fn counted(rows: &[Row]) -> String {
    let of = |stance: Stance| {
        let count = rows.iter().filter(|row| row.stance == stance).count();
        format!("{count} {stance}")
    };
    Stance::ALL.map(of).join(", ")
}

fn table(page: &mut String, rows: &[&Row]) {
    page.push_str("| Id | What is asked | Stance | Code | Tests | Reason |\n");
    page.push_str("|-|-|-|-|-|-|\n");
    for row in rows {
        let (id, what) = (&row.id, cell(&row.statement));
        let (code, tests, reason) = (code(row), tests(row), cell(&row.reason));
        let _ = writeln!(page, "| {id} | {what} | {} | {code} | {tests} | {reason} |", row.stance);
    }
}

/// Rows by section, sections in the order in which they are first met when sorted.
fn by_section(page: &mut String, rows: &[Row]) {
    let mut sections: Vec<&str> = rows.iter().map(|row| row.section.as_str()).collect();
    sections.sort_by_key(|section| key(section));
    sections.dedup();
    for section in sections {
        let mark = if section.starts_with("RFC") { "" } else { "§" };
        let _ = write!(page, "\n### {mark}{section}\n\n");
        let rows: Vec<&Row> = rows.iter().filter(|row| row.section == section).collect();
        table(page, &rows);
    }
}

/// Sections sort by their numbers: 3.10 comes after 3.9.
fn key(section: &str) -> (Vec<u32>, String) {
    let parts = section.split(|c: char| !c.is_ascii_digit());
    (parts.filter_map(|part| part.parse().ok()).collect(), section.to_string())
}

pub(super) fn page(ledger: &Ledger) -> String {
    let counts = Counts::of(&ledger.own);
    let mut page = format!(
        "# Conformance\n\n\
         Made of `docs/requirements/rfc9293.csv` and `companions.csv`; do not edit. After a\n\
         change there: `{RENEW}`.\n\n\
         The statements are ours, shortened; the RFCs have the words that count. `cargo test`\n\
         fails where a function or a test that is named here does not exist. A requirement that\n\
         is *not applicable* asks nothing of us, or leaves a choice that is not taken up.\n\n\
         ## RFC 9293\n\n\
         {} requirements: {}.\n\
         Of {} MUSTs that apply, {} have a test that shows them kept and one that tempts us\n\
         to break them.\n",
        counts.requirements,
        counted(&ledger.own),
        counts.musts_applicable,
        counts.musts_both,
    );
    by_section(&mut page, &ledger.own);
    let _ = write!(
        page,
        "\n## Companions\n\n{} requirements of other documents: {}.\n",
        ledger.companions.len(),
        counted(&ledger.companions),
    );
    by_section(&mut page, &ledger.companions);
    page
}
