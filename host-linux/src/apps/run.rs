//! `hikyaku run` and `hikyaku shell`: a command beside our stack, in a network of its own.

use std::ffi::OsString;
use std::io::{ErrorKind, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};

use hikyaku::{Handle, Readiness};
use rustix::process::{Pid, Signal as KernelSignal, kill_process};
use signal_hook::consts::SIGINT;

use super::services::{Service, Services, hint};
use crate::cli::{LinkArgs, ServiceArgs};
use crate::link::{Need, Rung, first_address, open_device};
use crate::namespace;
use crate::poll_loop::{App, Net, Signal, Signals};
use crate::report::{FAILED, SIGNAL, note};

/// What shells say of a command that they do not find, or cannot start.
const NOT_FOUND: u8 = 127;
const NOT_STARTED: u8 = 126;

struct Run {
    services: Services,
    child: Child,
    outcome: Option<u8>,
}

impl App for Run {
    fn on_event(
        &mut self,
        net: &mut Net,
        handle: Handle,
        readiness: Readiness,
    ) -> anyhow::Result<()> {
        self.services.on_event(net, handle, readiness)
    }

    fn on_signal(&mut self, _: &mut Net, signal: Signal) -> anyhow::Result<()> {
        match signal {
            Signal::Child => self.outcome = self.child.try_wait()?.map(exit_code),
            // At a terminal Ctrl-C has reached the child already: it is in the same group.
            Signal::End(SIGINT) if std::io::stdin().is_terminal() => {}
            Signal::End(number) => {
                let pid = Pid::from_child(&self.child);
                if let Some(signal) = KernelSignal::from_named_raw(number) {
                    let _ = kill_process(pid, signal);
                }
            }
        }
        Ok(())
    }

    fn outcome(&self) -> Option<u8> {
        self.outcome
    }
}

/// The child's own exit code, or 128 and the signal that ended it.
fn exit_code(status: ExitStatus) -> u8 {
    match (status.code(), status.signal()) {
        (Some(code), _) => code as u8,
        (None, Some(signal)) => SIGNAL.wrapping_add(signal as u8),
        (None, None) => FAILED,
    }
}

/// Runs a command to its end and returns its exit code.
pub(crate) fn run(
    args: &LinkArgs,
    services: &ServiceArgs,
    command: &[OsString],
    verbose: bool,
) -> anyhow::Result<u8> {
    beside(args, services, command, verbose, |_, _| {})
}

/// Runs the user's shell to its end and returns its exit code.
pub(crate) fn shell(args: &LinkArgs, services: &ServiceArgs, verbose: bool) -> anyhow::Result<u8> {
    let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    beside(args, services, &[shell], verbose, |rung, served| {
        for (service, port) in served {
            let text = match service {
                Service::Echo => "sends back what it gets",
                Service::Discard => "drops what it gets",
                Service::Chargen => "sends characters without end",
            };
            note!("try: nc {} {port}    ({text})", first_address(args));
        }
        note!("try: nc {} {}", args.addr6, served.first().map_or(7, |(_, port)| *port));
        note!("from another terminal:");
        hint(rung, "sh");
        note!("`exit` ends it all");
    })
}

fn beside(
    args: &LinkArgs,
    wanted: &ServiceArgs,
    command: &[OsString],
    verbose: bool,
    announce: impl FnOnce(Rung, &[(Service, u16)]),
) -> anyhow::Result<u8> {
    let (link, rung) = open_device(args, Need::Own)?;
    if rung == Rung::UserNamespace && namespace::breaks_tcpdump() {
        let device = link.name();
        note!("tcpdump cannot change its user id here; to capture: tshark -i {device}");
    }
    let mut net = Net::new(link, args)?;
    let mut signals = Signals::take()?;
    let mut services = Services::default();
    let served = services.start_all(&mut net, wanted)?;
    announce(rung, &served);
    let (program, arguments) = command.split_first().expect("the command line asks for one");
    let mut command = Command::new(program);
    command.args(arguments).env("HIKYAKU_ADDR6", args.addr6.to_string());
    if !args.dhcp {
        command.env("HIKYAKU_ADDR", args.addr.to_string());
    }
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            note!("{}: {error}", program.display());
            let found = error.kind() != ErrorKind::NotFound;
            return Ok(if found { NOT_STARTED } else { NOT_FOUND });
        }
    };
    let mut app = Run { services, child, outcome: None };
    let code = crate::poll_loop::run(&mut net, &mut app, &mut signals);
    net.close(verbose);
    code
}
