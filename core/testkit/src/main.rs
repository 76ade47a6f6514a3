//! The one door to what this crate can check: `hikyaku-testkit SUBCOMMAND …`.
//!
//! Each subcommand is a module of `commands`. Its last line is one JSON object; `--json` leaves out
//! all lines before it. The exit code is 0 where all held, 1 where something failed, and 2 where
//! the arguments were not understood.

mod commands;

use std::process::ExitCode;

fn main() -> ExitCode {
    match commands::run(lexopt::Parser::from_env()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("hikyaku-testkit: {error}");
            ExitCode::from(2)
        }
    }
}
