//! hikyaku on Linux: the stack on a TUN or TAP interface, to be talked to with nc.
//!
//! Parse, run, exit code; all else has a file of its own.

mod addresses;
mod apps;
mod cli;
mod clock;
mod dhcp;
mod entropy;
mod hardware;
mod impair;
mod link;
mod namespace;
mod poll_loop;
mod port;
mod report;
mod stdout;
mod trace;
mod tun;
mod wire;

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::Parser;

use crate::apps::{
    Service, board, connect, demo, kernel_dhcp, kernel_nc, listen, run, serve, soak,
};
use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let started = Instant::now();
    let code = match Cli::try_parse() {
        Ok(cli) => dispatch(&cli, started),
        Err(error) => explain(&error),
    };
    let code = code.unwrap_or_else(|error| {
        report::note!("{error:#}");
        report::exit_code(&error)
    });
    ExitCode::from(code)
}

/// Prints the help, the version or a usage error, and returns the exit code.
fn explain(error: &clap::Error) -> anyhow::Result<u8> {
    if !error.use_stderr() {
        stdout::require()?;
    }
    error.print().and_then(|()| std::io::stdout().flush()).context("stdout")?;
    Ok(error.exit_code() as u8)
}

fn dispatch(cli: &Cli, started: Instant) -> anyhow::Result<u8> {
    let (link, verbose) = (&cli.link, cli.verbose);
    // All that can be wrong with the command line is found before any device is made.
    link.check()?;
    cli.command.check()?;
    if cli.command.needs_stdout() {
        stdout::require()?;
    }
    match &cli.command {
        Command::Demo { json } => demo::demo(link, *json, verbose, started),
        Command::Run { services, command } => run::run(link, services, command, verbose),
        Command::Shell { services } => run::shell(link, services, verbose),
        Command::Echo { port } => serve(link, Service::Echo, *port, verbose),
        Command::Discard { port } => serve(link, Service::Discard, *port, verbose),
        Command::Chargen { port } => serve(link, Service::Chargen, *port, verbose),
        Command::Listen { bridge, keep, port } => {
            listen::listen(link, bridge, *keep, *port, verbose)
        }
        Command::Connect { bridge, host, port } => {
            connect::connect(link, bridge, SocketAddr::new(*host, *port), verbose)
        }
        Command::KernelNc(args) => kernel_nc::run(args, verbose),
        Command::KernelDhcp(args) => kernel_dhcp::run(args),
        Command::Board(args) => board::run(link, args),
        Command::SoakPeer(args) if args.kernel => soak::kernel::peer(args),
        Command::SoakPeer(args) => soak::ours::peer(link, args, verbose),
    }
}
