//! `mutants [--sample N] [--only PART,…] [--write] [--json]`: puts faults into a copy of the
//! workspace and looks whether the tests see them; `--write` makes the page of them anew instead.

use hikyaku_testkit::ledger::root;
use hikyaku_testkit::mutants;
use lexopt::{Arg, Parser, ValueExt};

pub(crate) fn run(mut arguments: Parser) -> Result<bool, lexopt::Error> {
    let (mut sample, mut only, mut write, mut json) = (None, String::new(), false, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("sample") => sample = Some(arguments.value()?.parse()?),
            Arg::Long("only") => only = arguments.value()?.string()?,
            Arg::Long("write") => write = true,
            Arg::Long("json") => json = true,
            other => return Err(other.unexpected()),
        }
    }
    if write {
        let written = mutants::write_page(&root());
        return Ok(written.inspect_err(|error| eprintln!("{error}")).is_ok());
    }
    let mut tell = |finding: &mutants::Finding| {
        if !json {
            println!("{finding}");
        } else if finding.result.is_err() {
            eprintln!("{finding}");
        }
    };
    let report = mutants::run(&root(), sample, &only, &mut tell).unwrap_or_else(|error| {
        eprintln!("{error}");
        mutants::Report::default()
    });
    println!("{{\"tried\":{},\"caught\":{}}}", report.tried, report.caught);
    Ok(report.tried > 0 && report.caught == report.tried)
}
