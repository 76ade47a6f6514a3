//! Benchmarks of hikyaku beside its peers: one bench a file, one JSON object a line.
//!
//! This file knows the names of the benches and the exit codes, and measures nothing itself.
//! Exit codes: 0, 1 (a bench could not run, or `--check` and a goal was missed), 2 (usage).

mod clock;
mod idle;
mod link;
mod pair;
mod peer_hikyaku;
mod peer_smoltcp;
mod report;
mod stream;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use crate::pair::Failure;
use crate::report::Report;

/// Measures hikyaku and its peers side by side in one run, as JSON lines.
#[derive(Debug, Parser)]
#[command(name = "hikyaku-bench", version)]
pub(crate) struct Options {
    /// Which bench to run.
    #[arg(value_enum, value_name = "NAME")]
    bench: Bench,
    /// Exit with 1 if a goal is missed.
    #[arg(long)]
    check: bool,
    /// Seeds the bytes sent, the stacks' secrets and the order of the samples.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Take ten times the samples; without it no bench takes over a minute.
    #[arg(long)]
    full: bool,
}

/// The benches by name: a new one is a line here and a file beside this one.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Bench {
    /// CPU per data segment beside 0, 100 and 10,000 idle connections.
    Idle,
}

impl Bench {
    fn run(self, options: &Options, report: &mut Report) -> Result<(), Failure> {
        match self {
            Self::Idle => idle::run(options, report),
        }
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let mut report = Report::new(std::io::stdout());
    match options.bench.run(&options, &mut report) {
        Err(failure) => {
            eprintln!("hikyaku-bench: {failure}");
            ExitCode::FAILURE
        }
        Ok(()) if options.check && !report.all_ok() => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
    }
}
