//! `simulate --seeds N [--first S] [--brief] [--json]` lives worlds of bad network, and
//! `soak --years N [--json]` goes on until so many virtual years have passed.

use hikyaku_testkit::simulate::{Report, Scale, run_scaled};
use lexopt::{Arg, Parser, ValueExt};

/// Seeds between two lines of a soak.
const BATCH: u64 = 500;
const YEAR_S: u64 = 31_557_600;

pub(crate) fn run(mut arguments: Parser) -> Result<bool, lexopt::Error> {
    let (mut seeds, mut first, mut scale, mut json) = (1_000, 0, Scale::Whole, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("seeds") => seeds = arguments.value()?.parse()?,
            Arg::Long("first") => first = arguments.value()?.parse()?,
            Arg::Long("brief") => scale = Scale::Brief,
            Arg::Long("json") => json = true,
            other => return Err(other.unexpected()),
        }
    }
    Ok(tell(&run_scaled(seeds, first, scale), scale, json))
}

pub(crate) fn soak(mut arguments: Parser) -> Result<bool, lexopt::Error> {
    let (mut years, mut json) = (1, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("years") => years = arguments.value()?.parse()?,
            Arg::Long("json") => json = true,
            other => return Err(other.unexpected()),
        }
    }
    let mut report = Report::default();
    while report.seconds() < years * YEAR_S && report.failures.is_empty() {
        report.merge(run_scaled(BATCH, report.seeds, Scale::Whole));
        if !json {
            println!("{} seeds, {} days", report.seeds, report.seconds() / 86_400);
        }
    }
    Ok(tell(&report, Scale::Whole, json))
}

fn tell(report: &Report, scale: Scale, json: bool) -> bool {
    let missing = report.missing(scale);
    if !json {
        for (name, seeds) in &report.seeds_with {
            let times = report.times.get(name).copied().unwrap_or(0);
            println!("{name:24} in {seeds:6} seeds, {times:10} times");
        }
        missing.iter().for_each(|missing| println!("too little of {missing}"));
        for failure in &report.failures {
            println!("seed {} failed: {}", failure.seed, failure.what);
        }
    }
    println!("{}", report.json());
    missing.is_empty() && report.failures.is_empty()
}
