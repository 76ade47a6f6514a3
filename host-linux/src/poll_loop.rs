//! The loop around a stack: sleep in ppoll until a packet, a timer, a file or a signal is due.
//!
//! No timer of its own ticks here: a host without traffic sleeps.

use std::io::Read;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use anyhow::Context;
use hikyaku::service::dhcp;
use hikyaku::{
    AddressState, AllocationPolicy, Capacity, Config, ConnectionConfig, Duration, Handle, Instant,
    Readiness, Stack, Storage, Wake,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use crate::addresses::Watch;
use crate::cli::LinkArgs;
use crate::clock::Clock;
use crate::dhcp::Dhcp;
use crate::entropy;
use crate::link::Link;
use crate::report::{self, FAILED, OK, SIGNAL, TIMEOUT, note};
use crate::tun::{self, PREFIX_4, PREFIX_6};

/// A signal that apps care for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Someone wants us to end: SIGINT, SIGTERM or SIGHUP.
    End(i32),
    /// A child has changed its state.
    Child,
}

/// An app on a stack. All calls return at once; the loop sleeps for them.
pub(crate) trait App {
    /// Something happened on a socket.
    fn on_event(
        &mut self,
        net: &mut Net,
        handle: Handle,
        readiness: Readiness,
    ) -> anyhow::Result<()>;

    /// Adds the files to wait for, beside the link.
    fn watch<'f>(&'f self, _net: &mut Net, _files: &mut Vec<PollFd<'f>>) {}

    /// What [`watch`](Self::watch) asked for, in its order, with what was found.
    fn on_files(&mut self, _net: &mut Net, _found: &[PollFlags]) -> anyhow::Result<()> {
        Ok(())
    }

    /// A signal has come.
    fn on_signal(&mut self, net: &mut Net, signal: Signal) -> anyhow::Result<()>;

    /// When to call [`on_deadline`](Self::on_deadline) at the latest.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// The deadline has passed.
    fn on_deadline(&mut self, _net: &mut Net) -> anyhow::Result<()> {
        Ok(())
    }

    /// The exit code, once there is nothing more to do.
    fn outcome(&self) -> Option<u8>;
}

/// A stack, its link and its clock.
pub(crate) struct Net {
    /// The stack.
    pub(crate) stack: Stack<'static>,
    /// What carries its packets.
    pub(crate) link: Link,
    dhcp: Option<Dhcp>,
    /// Our addresses from the command line, IPv4 first; DHCP takes the place of that.
    ours: [IpAddr; 2],
    watch: Watch,
    clock: Clock,
}

/// Octets that a connection may queue in either direction.
pub(crate) const QUEUE_LIMIT: u32 = 256 * 1024;

/// Services beside a command: each has a listener and a UDP socket.
pub(crate) const SERVICES_MAX: usize = 16;

/// How a host treats its connections.
fn connection_config() -> ConnectionConfig {
    ConnectionConfig {
        send_limit: QUEUE_LIMIT,
        receive_limit: QUEUE_LIMIT,
        ..ConnectionConfig::new()
    }
}

impl Net {
    /// A stack of host size with our addresses on it.
    pub(crate) fn new(link: Link, args: &LinkArgs) -> anyhow::Result<Self> {
        Self::tuned(link, args, |_| {})
    }

    /// The same with something of the stack's configuration changed.
    pub(crate) fn tuned(
        link: Link,
        args: &LinkArgs,
        tune: impl FnOnce(&mut Config),
    ) -> anyhow::Result<Self> {
        let mut config = Config::new();
        config.hardware_address = link.hardware();
        // On a device of our own there is nobody but the kernel, whose address we know.
        let probes = args.tap.is_some() && !args.no_probe;
        config.probe_ipv6 = probes;
        config.mtu = link.mtu();
        config.policy = AllocationPolicy::Overcommit;
        config.connection = connection_config();
        tune(&mut config);
        let capacity = Capacity {
            connections: 1024,
            listeners: SERVICES_MAX,
            // One for the DHCP client.
            udp_sockets: SERVICES_MAX + 1,
            blocks: 16 * 1024,
            block_size: 4096,
            ..Capacity::new()
        };
        let mut stack = Stack::new(Storage::allocate(&capacity), &config, entropy::secret()?)
            .context("the stack refuses its configuration")?;
        let ours = [IpAddr::V4(args.addr), args.addr6.into()];
        let given = ours.get(usize::from(args.dhcp)..).unwrap_or_default();
        for address in given {
            let prefix = if address.is_ipv4() { PREFIX_4 } else { PREFIX_6 };
            let added = if probes && address.is_ipv4() {
                // RFC 5227 §2.1: the link may have a host with this address.
                stack.probe_address(*address, prefix)
            } else {
                stack.add_address(*address, prefix)
            };
            added.with_context(|| format!("the stack refuses the address {address}"))?;
        }
        let watch = Watch::new(link.name().to_owned(), given.to_vec(), &stack);
        if link.hardware().is_some() {
            // What is for other networks goes by the kernel's side, or whoever has its address.
            let gateways =
                [tun::kernel_side_4(args.addr).into(), tun::kernel_side_6(args.addr6).into()];
            for gateway in gateways.into_iter().skip(usize::from(args.dhcp)) {
                let gateway: IpAddr = gateway;
                stack
                    .set_gateway(gateway)
                    .with_context(|| format!("the stack refuses the gateway {gateway}"))?;
            }
        }
        let hardware = link.hardware().filter(|_| args.dhcp);
        let dhcp = hardware.map(|address| {
            let config = dhcp::Config::new(address.0);
            Dhcp::new(dhcp::Client::new(dhcp::Config { probe: !args.no_probe, ..config }))
        });
        Ok(Self { stack, link, dhcp, ours, watch, clock: Clock::start() })
    }

    /// The time.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Lets the stack work once, and who looks after its address.
    pub(crate) fn poll(&mut self) -> Wake {
        let now = self.clock.now();
        let wake = self.stack.poll(now, &mut self.link);
        self.watch.observe(&self.stack, now);
        let Some(dhcp) = &mut self.dhcp else { return wake };
        dhcp.poll(&mut self.stack, now);
        if wake == Wake::Now {
            return wake;
        }
        match (self.stack.next_wake(now), dhcp.client().next_wake()) {
            (Wake::At(at), Some(other)) => Wake::At(at.min(other)),
            (Wake::OnIngress, Some(at)) => Wake::At(at),
            (Wake::OnRoom { or_at }, other) => Wake::OnRoom { or_at: or_at.or(other).min(other) },
            (wake, _) => wake,
        }
    }

    /// The state of the address from which we speak to `remote`; `None` where there is none yet.
    fn state_of_ours(&self, remote: IpAddr) -> Option<AddressState> {
        let [four, six] = self.ours;
        let ours = match &self.dhcp {
            _ if remote.is_ipv6() => six,
            Some(dhcp) => dhcp.client().lease()?.address.into(),
            None => four,
        };
        self.stack.address_state(ours)
    }

    /// Gives the address back, and waits until the message about it is out, for a moment.
    fn give_back(&mut self) {
        let now = self.clock.now();
        let Some(dhcp) = &mut self.dhcp else { return };
        dhcp.release(&mut self.stack, now);
        while self.dhcp.as_ref().is_some_and(|dhcp| dhcp.client().lease().is_some()) {
            self.poll();
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// Ends what is the link's business, and prints what link and stack did, where someone wants
    /// to know.
    pub(crate) fn close(&mut self, verbose: bool) {
        self.give_back();
        if verbose {
            report::counters(self.stack.counters());
            report::usage(&self.stack.usage());
        }
        self.link.report(verbose);
    }

    /// Lets the stack work until there is nothing more to send or take at this moment; bounded.
    pub(crate) fn flush(&mut self) {
        const TURNS: usize = 64;
        for _ in 0..TURNS {
            if self.poll() != Wake::Now {
                break;
            }
        }
    }
}

/// How long a command waits for an address of ours.
const ADDRESS_LIMIT: Duration = Duration::from_secs(30);

/// Waits for an address of ours.
struct AwaitAddress {
    remote: IpAddr,
    until: Instant,
    next_look: Instant,
    outcome: Option<u8>,
}

impl AwaitAddress {
    /// Tells why there is no address.
    fn tell_failure(net: &Net) {
        let seconds = ADDRESS_LIMIT.micros() / 1_000_000;
        match &net.dhcp {
            Some(dhcp) if dhcp.client().counters().taken == 0 => note!(
                "no DHCP server has answered in {seconds} s; is one on the link? \
                 --addr IP does without"
            ),
            Some(_) => note!("no address by DHCP in {seconds} s; --addr IP does without"),
            None => note!("no usable address in {seconds} s"),
        }
    }
}

impl App for AwaitAddress {
    fn on_event(&mut self, _: &mut Net, _: Handle, _: Readiness) -> anyhow::Result<()> {
        Ok(())
    }

    fn on_signal(&mut self, _: &mut Net, signal: Signal) -> anyhow::Result<()> {
        if let Signal::End(number) = signal {
            self.outcome = Some(SIGNAL + number as u8);
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.next_look)
    }

    fn on_deadline(&mut self, net: &mut Net) -> anyhow::Result<()> {
        self.next_look = net.now() + Duration::from_millis(10);
        match net.state_of_ours(self.remote) {
            Some(AddressState::Usable) => self.outcome = Some(OK),
            // It was told already. A DHCP client looks for another address.
            Some(AddressState::Duplicate) if net.dhcp.is_none() || self.remote.is_ipv6() => {
                self.outcome = Some(FAILED);
            }
            _ if net.now() >= self.until => {
                Self::tell_failure(net);
                self.outcome = Some(TIMEOUT);
            }
            _ => {}
        }
        Ok(())
    }

    fn outcome(&self) -> Option<u8> {
        self.outcome
    }
}

/// Waits until we have an address from which to speak to `remote`, for half a minute at most. The
/// exit code where that is all.
///
/// # Errors
/// Those of the loop.
pub(crate) fn await_address(
    net: &mut Net,
    remote: IpAddr,
    signals: &mut Signals,
) -> anyhow::Result<Option<u8>> {
    if net.state_of_ours(remote) == Some(AddressState::Usable) {
        return Ok(None);
    }
    let now = net.now();
    let mut app =
        AwaitAddress { remote, until: now + ADDRESS_LIMIT, next_look: now, outcome: None };
    let code = run(net, &mut app, signals)?;
    Ok(Some(code).filter(|code| *code != OK))
}

/// Where signals become bytes on a socket that can be waited for.
pub(crate) struct Signals {
    end: [(i32, UnixStream); 3],
    child: UnixStream,
}

impl Signals {
    /// Takes the signals over from their default actions.
    pub(crate) fn take() -> anyhow::Result<Self> {
        let catch = |signal| -> anyhow::Result<UnixStream> {
            let (reader, writer) = UnixStream::pair()?;
            reader.set_nonblocking(true)?;
            pipe::register(signal, writer)?;
            Ok(reader)
        };
        let end = |signal| anyhow::Ok((signal, catch(signal)?));
        Ok(Self { end: [end(SIGINT)?, end(SIGTERM)?, end(SIGHUP)?], child: catch(SIGCHLD)? })
    }

    fn files(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.end.iter().map(|(_, file)| file.as_fd()).chain([self.child.as_fd()])
    }

    /// The signals that have come since the last call.
    fn collect(&mut self) -> Vec<Signal> {
        let mut found = Vec::new();
        for (signal, file) in &mut self.end {
            (0..drain(file)).for_each(|_| found.push(Signal::End(*signal)));
        }
        if drain(&mut self.child) != 0 {
            found.push(Signal::Child);
        }
        found
    }
}

/// Empties a signal's socket and says how many bytes it held.
fn drain(file: &mut UnixStream) -> usize {
    let mut bytes = [0; 16];
    let mut total = 0;
    while let Ok(count @ 1..) = file.read(&mut bytes) {
        total += count;
    }
    total
}

/// Runs an app to its end and returns the exit code.
pub(crate) fn run(net: &mut Net, app: &mut dyn App, signals: &mut Signals) -> anyhow::Result<u8> {
    loop {
        let wake = net.poll();
        let mut acted = false;
        while let Some((handle, readiness)) = net.stack.next_event() {
            let is_dhcp = |dhcp: &Dhcp| dhcp.client().socket().map(Handle::Udp) == Some(handle);
            if !net.dhcp.as_ref().is_some_and(is_dhcp) {
                app.on_event(net, handle, readiness)?;
            }
            acted = true;
        }
        if let Some(code) = app.outcome() {
            net.flush();
            return Ok(code);
        }
        let found = wait(net, app, signals, wake, acted)?;
        let arrived = if found.signals { signals.collect() } else { Vec::new() };
        for signal in arrived {
            app.on_signal(net, signal)?;
        }
        app.on_files(net, &found.files)?;
        if app.deadline().is_some_and(|deadline| deadline <= net.now()) {
            app.on_deadline(net)?;
        }
    }
}

/// What ended a sleep.
struct Found {
    signals: bool,
    files: Vec<PollFlags>,
}

fn wait(
    net: &mut Net,
    app: &dyn App,
    signals: &Signals,
    wake: Wake,
    acted: bool,
) -> anyhow::Result<Found> {
    let mut app_files = Vec::new();
    app.watch(net, &mut app_files);
    let now = net.now();
    let (mut until, mut interest) = (app.deadline(), PollFlags::IN);
    match wake {
        Wake::Now => until = Some(now),
        Wake::At(at) => until = earlier(until, at),
        Wake::OnIngress => {}
        Wake::OnRoom { or_at } => {
            interest |= PollFlags::OUT;
            until = or_at.map_or(until, |at| earlier(until, at));
        }
    }
    if acted || net.link.has_waiting() {
        until = Some(now);
    }
    let timeout = until.map(|until| timespec(until.since(now)));
    let mut files: Vec<PollFd<'_>> =
        signals.files().map(|file| PollFd::from_borrowed_fd(file, PollFlags::IN)).collect();
    let own = files.len();
    files.extend(app_files);
    let others = files.len();
    files.extend(net.link.fd().map(|file| PollFd::from_borrowed_fd(file, interest)));
    match poll(&mut files, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error).context("ppoll"),
    }
    let found = |range: &[PollFd<'_>]| range.iter().map(PollFd::revents).collect::<Vec<_>>();
    if found(&files[others..]).iter().any(|link| link.intersects(GONE)) {
        anyhow::bail!("the {} device is gone; was it deleted?", net.link.layer().name());
    }
    Ok(Found {
        signals: found(&files[..own]).iter().any(|signal| !signal.is_empty()),
        files: found(&files[own..others]),
    })
}

/// What a device says that will never carry a packet again.
const GONE: PollFlags = PollFlags::ERR.union(PollFlags::NVAL);

fn earlier(one: Option<Instant>, other: Instant) -> Option<Instant> {
    Some(one.map_or(other, |one| one.min(other)))
}

fn timespec(span: Duration) -> Timespec {
    let micros = span.micros();
    Timespec { tv_sec: (micros / 1_000_000) as i64, tv_nsec: ((micros % 1_000_000) * 1_000) as i64 }
}
