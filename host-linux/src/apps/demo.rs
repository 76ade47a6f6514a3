//! `hikyaku demo`: 1 MiB to our echo server and back, over IPv4 and over IPv6.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration as Span;

use anyhow::{Context, bail};
use hikyaku::{ConnectConfig, Handle, Instant, ReadError, Readiness, TcpHandle, Wake, WriteError};
use rustix::event::{PollFd, PollFlags};

use super::services::{Service, Services};
use crate::cli::{LinkArgs, LinkKind};
use crate::impair::SplitMix;
use crate::link::{Link, Need, open_device, spell};
use crate::poll_loop::{App, Net, Signal, Signals, run};
use crate::report::{FAILED, Failure, OK, SIGNAL, TIMEOUT, note};
use crate::{tun, wire};

const PORT: u16 = 7;
const SIZE: usize = 1 << 20;
/// The demo fails when it takes longer.
const LIMIT_SECS: u64 = 20;

/// What came of one address family.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    up: u64,
    down: u64,
    equal: bool,
}

/// Who talked to us over what.
struct Story {
    link: &'static str,
    peer: &'static str,
    tallies: [Tally; 2],
}

/// Runs the demo and tells of it.
pub(crate) fn demo(
    args: &LinkArgs,
    json: bool,
    verbose: bool,
    started: std::time::Instant,
) -> anyhow::Result<u8> {
    if args.dhcp {
        let text = "the demo is nobody's client: without --dhcp it has an address at once";
        return Err(Failure::Usage(text.to_owned()).into());
    }
    let on_wire = || over_wire(args, verbose);
    let told = match args.link {
        LinkKind::Wire => on_wire(),
        LinkKind::Tun | LinkKind::Tap => over_device(args, verbose),
        LinkKind::Auto => match over_device(args, verbose) {
            // A device asked for by name that can't be had is never replaced by another link.
            Err(error) if error.is::<Failure>() && args.tun.is_none() && args.tap.is_none() => {
                note!("{error:#}");
                note!("so it is an in-memory wire between two stacks of ours");
                on_wire()
            }
            other => other,
        },
    };
    let story = match told {
        Ok(story) => story,
        Err(error) if error.is::<Interrupted>() => return Ok(SIGNAL + signal_number(&error)),
        Err(error) if error.is::<TooLate>() => {
            note!("{error:#}");
            return Ok(TIMEOUT);
        }
        Err(error) => return Err(error),
    };
    let ms = started.elapsed().as_millis() as u64;
    tell(&story, ms, json)
}

/// Someone pressed Ctrl-C.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
struct Interrupted(u8);

/// The limit has passed.
#[derive(Debug, thiserror::Error)]
#[error("the demo took more than {LIMIT_SECS} s")]
struct TooLate;

fn signal_number(error: &anyhow::Error) -> u8 {
    error.downcast_ref::<Interrupted>().map_or(0, |interrupted| interrupted.0)
}

fn tell(story: &Story, ms: u64, json: bool) -> anyhow::Result<u8> {
    for (name, tally) in ["IPv4", "IPv6"].iter().zip(&story.tallies) {
        let verdict = if tally.equal { "equal" } else { "NOT EQUAL" };
        note!("{name}: {} octets to us, {} octets back: {verdict}", tally.up, tally.down);
    }
    let all_equal = story.tallies.iter().all(|tally| tally.equal);
    note!("{} in {ms} ms", if all_equal { "all is well" } else { "failed" });
    if json {
        let [four, six] = story.tallies.map(|tally| {
            let Tally { up, down, equal } = tally;
            format!(r#"{{"up":{up},"down":{down},"equal":{equal}}}"#)
        });
        let Story { link, peer, .. } = story;
        let line =
            format!(r#"{{"link":"{link}","peer":"{peer}","ipv4":{four},"ipv6":{six},"ms":{ms}}}"#);
        writeln!(std::io::stdout(), "{line}").context("stdout")?;
    }
    Ok(if all_equal { OK } else { FAILED })
}

/// The octets for one family: the same in every demo, different for each family.
fn sample(family: usize) -> Vec<u8> {
    SplitMix(family as u64).octets(SIZE)
}

// --- over a TUN or a TAP: real nc, or a kernel socket in its place ---

/// What talks to us from the kernel's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    Nc,
    KernelSocket,
}

impl Peer {
    /// OpenBSD's nc if it is here: others have no `-N`, and would not end.
    fn choose() -> Self {
        let help = Command::new("nc").arg("-h").stdin(Stdio::null()).output();
        let is_openbsd = help.is_ok_and(|output| {
            let text = String::from_utf8_lossy(&output.stderr).into_owned()
                + &String::from_utf8_lossy(&output.stdout);
            text.contains("OpenBSD") || text.contains("usage: nc [-46CDdFhklN")
        });
        if is_openbsd { Self::Nc } else { Self::KernelSocket }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Nc => "nc",
            Self::KernelSocket => "kernel-socket",
        }
    }

    fn command(self) -> std::io::Result<Command> {
        Ok(match self {
            Self::Nc => Command::new("nc"),
            Self::KernelSocket => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("kernel-nc");
                command
            }
        })
    }
}

/// The app: an echo server, and a thread that talks to it through children.
struct Demo {
    services: Services,
    /// Readable when the thread has come to its end.
    ended: UnixStream,
    is_over: bool,
    limit: Instant,
    is_late: bool,
    signal: Option<u8>,
}

impl App for Demo {
    fn on_event(
        &mut self,
        net: &mut Net,
        handle: Handle,
        readiness: Readiness,
    ) -> anyhow::Result<()> {
        self.services.on_event(net, handle, readiness)
    }

    fn watch<'f>(&'f self, _: &mut Net, files: &mut Vec<PollFd<'f>>) {
        files.push(PollFd::new(&self.ended, PollFlags::IN));
    }

    fn on_files(&mut self, _: &mut Net, found: &[PollFlags]) -> anyhow::Result<()> {
        self.is_over |= found.iter().any(|flags| !flags.is_empty());
        Ok(())
    }

    fn on_signal(&mut self, _: &mut Net, signal: Signal) -> anyhow::Result<()> {
        if let Signal::End(number) = signal {
            self.signal = Some(number as u8);
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.limit)
    }

    fn on_deadline(&mut self, _: &mut Net) -> anyhow::Result<()> {
        self.is_late = true;
        Ok(())
    }

    fn outcome(&self) -> Option<u8> {
        (self.is_over || self.is_late || self.signal.is_some()).then_some(OK)
    }
}

fn over_device(args: &LinkArgs, verbose: bool) -> anyhow::Result<Story> {
    let (link, rung) = open_device(args, Need::Own)?;
    let mut net = Net::new(link, args)?;
    let mut signals = Signals::take()?;
    let mut services = Services::default();
    services.start(&mut net, Service::Echo, PORT)?;
    note!("our echo server: {} and {}", spell(args.addr, PORT), spell(args.addr6, PORT));
    let peer = Peer::choose();
    match peer {
        Peer::Nc => note!("nc sends 1 MiB to each and reads it back"),
        Peer::KernelSocket => {
            note!(
                "OpenBSD's nc is not here, so a kernel socket plays its part \
                 (try: apt install netcat-openbsd)"
            );
        }
    }
    let (ended, end) = UnixStream::pair()?;
    let thread = talk(peer, [args.addr.into(), args.addr6.into()], end);
    let limit = net.now() + hikyaku::Duration::from_secs(LIMIT_SECS);
    let mut app = Demo { services, ended, is_over: false, limit, is_late: false, signal: None };
    let ended = run(&mut net, &mut app, &mut signals);
    net.close(verbose);
    ended?;
    if let Some(number) = app.signal {
        return Err(Interrupted(number).into());
    }
    if !app.is_over {
        return Err(TooLate.into());
    }
    let Ok(returned) = thread.join() else { bail!("the thread that ran {} broke", peer.name()) };
    let mut tallies = [Tally::default(); 2];
    for (family, back) in returned?.into_iter().enumerate() {
        tallies[family] = Tally {
            up: app.services.taken[family],
            down: back.len() as u64,
            equal: app.services.taken[family] == SIZE as u64 && back == sample(family),
        };
    }
    Ok(Story { link: rung.name(args.layer()), peer: peer.name(), tallies })
}

/// Talks to the echo server from a thread of its own; what came back is its result.
fn talk(
    peer: Peer,
    addresses: [IpAddr; 2],
    end: UnixStream,
) -> JoinHandle<anyhow::Result<Vec<Vec<u8>>>> {
    std::thread::spawn(move || {
        // Dropped at the end, whatever that is, and so seen by the loop.
        let _end = end;
        let talk = |(family, address)| exchange(peer, address, &sample(family));
        addresses.into_iter().enumerate().map(talk).collect()
    })
}

/// One nc: feeds it `sent` and returns what it prints.
fn exchange(peer: Peer, address: IpAddr, sent: &[u8]) -> anyhow::Result<Vec<u8>> {
    let limit = LIMIT_SECS.to_string();
    let mut child = peer
        .command()?
        .args(["-N", "-w", &limit, &address.to_string(), &PORT.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| peer.name())?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (Some(mut stdin), Some(mut stdout)) = (stdin, stdout) else { bail!("no pipes") };
    let mut back = Vec::with_capacity(sent.len());
    std::thread::scope(|scope| {
        // A peer that ends early breaks the pipe; the comparison tells.
        scope.spawn(move || stdin.write_all(sent));
        stdout.read_to_end(&mut back)
    })?;
    child.wait()?;
    Ok(back)
}

// --- over a wire: a second stack of ours ---

/// The client's side of the wire.
struct Client {
    handle: TcpHandle,
    sent: usize,
    back: Vec<u8>,
    is_over: bool,
}

impl Client {
    fn open(net: &mut Net, remote: SocketAddr) -> anyhow::Result<Self> {
        let now = net.now();
        let handle = net.stack.connect(now, remote, &ConnectConfig::new())?;
        Ok(Self { handle, sent: 0, back: Vec::new(), is_over: false })
    }

    fn attend(&mut self, net: &mut Net, sample: &[u8], scratch: &mut [u8]) -> anyhow::Result<()> {
        let mut socket = net.stack.tcp(self.handle)?;
        while self.sent < sample.len() {
            match socket.write(&sample[self.sent..]) {
                Ok(written) => self.sent += written,
                Err(WriteError::WouldBlock) => break,
                Err(error) => return Err(error.into()),
            }
            if self.sent == sample.len() {
                socket.close();
            }
        }
        loop {
            match socket.read(scratch) {
                Ok(0) => {
                    self.is_over = true;
                    return Ok(());
                }
                Ok(taken) => self.back.extend_from_slice(&scratch[..taken]),
                Err(ReadError::WouldBlock) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn over_wire(args: &LinkArgs, verbose: bool) -> anyhow::Result<Story> {
    let (near, far) = wire::pair();
    let mut server = Net::new(Link::on_wire(near, args)?, args)?;
    // Losses and the trace belong to our side.
    let far_args = LinkArgs {
        addr: tun::kernel_side_4(args.addr),
        addr6: tun::kernel_side_6(args.addr6),
        loss: Vec::new(),
        trace: false,
        ..args.clone()
    };
    let mut client = Net::new(Link::on_wire(far, &far_args)?, &far_args)?;
    let mut services = Services::default();
    services.start(&mut server, Service::Echo, PORT)?;
    note!("our echo server: {} and {}", spell(args.addr, PORT), spell(args.addr6, PORT));
    note!("a second stack of ours sends 1 MiB to each and reads it back");
    let mut tallies = [Tally::default(); 2];
    for (family, address) in [IpAddr::from(args.addr), args.addr6.into()].into_iter().enumerate() {
        let remote = SocketAddr::new(address, PORT);
        let sample = sample(family);
        let back = converse(&mut server, &mut services, &mut client, remote, &sample)?;
        let up = services.taken[family];
        let equal = up == SIZE as u64 && back == sample;
        tallies[family] = Tally { up, down: back.len() as u64, equal };
    }
    server.close(verbose);
    Ok(Story { link: "wire", peer: "hikyaku", tallies })
}

/// Runs both stacks until the client has read the end of its stream.
fn converse(
    server: &mut Net,
    services: &mut Services,
    far: &mut Net,
    remote: SocketAddr,
    sample: &[u8],
) -> anyhow::Result<Vec<u8>> {
    let limit = std::time::Instant::now() + Span::from_secs(LIMIT_SECS);
    let mut client = Client::open(far, remote)?;
    let mut scratch = vec![0; 64 * 1024];
    while !client.is_over {
        let wakes = [server.poll(), far.poll()];
        let mut acted = false;
        while let Some((handle, readiness)) = server.stack.next_event() {
            services.on_event(server, handle, readiness)?;
            acted = true;
        }
        while far.stack.next_event().is_some() {
            client.attend(far, sample, &mut scratch)?;
            acted = true;
        }
        if std::time::Instant::now() > limit {
            return Err(TooLate.into());
        }
        if !acted && !server.link.has_waiting() && !far.link.has_waiting() {
            let times = [server.now(), far.now()];
            let Some(nap) = wakes.iter().zip(times).filter_map(|(wake, now)| nap(*wake, now)).min()
            else {
                bail!("the wire fell silent");
            };
            std::thread::sleep(nap);
        }
    }
    far.flush();
    Ok(client.back)
}

/// How long a stack wants to be left alone, if not until something happens.
fn nap(wake: Wake, now: Instant) -> Option<Span> {
    match wake {
        Wake::Now => Some(Span::ZERO),
        Wake::At(at) | Wake::OnRoom { or_at: Some(at) } => {
            Some(Span::from_micros(at.since(now).micros()))
        }
        Wake::OnIngress | Wake::OnRoom { or_at: None } => None,
    }
}
