//! `scripts [--json]`: runs every segment script and every cell of the grid, in both profiles and
//! both versions of IP.

use hikyaku_testkit::script::{Report, folder, run_all};
use lexopt::{Arg, Parser};

pub(crate) fn run(mut arguments: Parser) -> Result<bool, lexopt::Error> {
    let mut json = false;
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("json") => json = true,
            other => return Err(other.unexpected()),
        }
    }
    let report = run_all(&folder())
        .unwrap_or_else(|wrong| Report { failures: vec![wrong], ..Report::default() });
    if !json {
        report.failures.iter().for_each(|failure| println!("{failure}\n"));
        println!("{} scripts and {} cells in {} runs", report.scripts, report.cells, report.runs);
    }
    println!("{}", report.to_json());
    Ok(report.failures.is_empty())
}
