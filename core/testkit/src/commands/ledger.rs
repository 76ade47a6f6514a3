//! `ledger [--write] [--json]`: checks the tables of requirements against the sources, and the page
//! that is made of them; `--write` makes it anew.

use hikyaku_testkit::ledger::{Ledger, RENEW, Tree, root};
use lexopt::{Arg, Parser};

pub(crate) fn run(mut arguments: Parser) -> Result<bool, lexopt::Error> {
    let (mut write, mut json) = (false, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("write") => write = true,
            Arg::Long("json") => json = true,
            other => return Err(other.unexpected()),
        }
    }
    let faults = check(write).unwrap_or_else(|error| vec![error.to_string()]);
    for fault in faults.iter().filter(|_| !json) {
        println!("{fault}");
    }
    match Ledger::read(&root()) {
        Ok(ledger) => println!("{}", line(&ledger)),
        Err(_) => println!("{{\"requirements\":0}}"),
    }
    Ok(faults.is_empty())
}

/// All that is wrong, the page included.
fn check(write: bool) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let root = root();
    let ledger = Ledger::read(&root)?;
    let mut faults = ledger.faults(&Tree::read(&root)?);
    if write {
        ledger.write_page(&root)?;
    } else if !ledger.page_is_current(&root) {
        faults.push(format!("docs/conformance.md is not what the tables say: {RENEW}"));
    }
    Ok(faults)
}

fn line(ledger: &Ledger) -> String {
    let counts = ledger.counts();
    let fields = [
        ("requirements", counts.requirements),
        ("implemented", counts.implemented),
        ("not_applicable", counts.not_applicable),
        ("deviation", counts.deviation),
        ("planned", counts.planned),
        ("musts_applicable", counts.musts_applicable),
        ("musts_both", counts.musts_both),
    ];
    let fields = fields.map(|(name, count)| format!("\"{name}\":{count}"));
    format!("{{{}}}", fields.join(","))
}
