//! The subcommands, one a module. `Ok(false)` means that something failed, an error that the
//! arguments were not understood.

mod ledger;
mod mutants;
mod scripts;
mod simulate;

use lexopt::{Arg, Parser};

/// What a subcommand is: its name and how it runs.
type Command = (&'static str, fn(Parser) -> Result<bool, lexopt::Error>);

const COMMANDS: [Command; 5] = [
    ("ledger", ledger::run),
    ("scripts", scripts::run),
    ("simulate", simulate::run),
    ("soak", simulate::soak),
    ("mutants", mutants::run),
];

/// Runs the subcommand that the arguments name.
pub(crate) fn run(mut arguments: Parser) -> Result<bool, lexopt::Error> {
    let names = COMMANDS.map(|(name, _)| name).join(", ");
    let wanted = match arguments.next()? {
        Some(Arg::Value(name)) => name.to_string_lossy().into_owned(),
        Some(other) => return Err(other.unexpected()),
        None => return Err(format!("name a subcommand: {names}").into()),
    };
    match COMMANDS.iter().find(|(name, _)| *name == wanted) {
        Some((_, run)) => run(arguments),
        None => Err(format!("there is no subcommand `{wanted}`, only: {names}").into()),
    }
}
