//! A stack with the memory of a board on a TUN, beside a command: any profile, any sizes. The tests
//! measure with it how fast the sizes are that the documentation shows.
//!
//! Port 9 discards, port 19 sends a MiB and closes, port 7 sends back what it gets.

use std::process::{Child, Command};

use anyhow::Context;
use hikyaku::{
    Capabilities, Capacity, Config, Device, Full, Handle, ListenConfig, NoRoom, Packet, Profile,
    ReadError, RxMeta, Small, Stack, Storage, TcpHandle, TcpSocket, Tiny, Wake,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::cli::{BoardArgs, BoardProfile, LinkArgs};
use crate::clock::Clock;
use crate::entropy;
use crate::link::{Link, Need, open_device};
use crate::report::{FAILED, OK, note};
use crate::tun::{PREFIX_4, PREFIX_6};

/// The bytes that port 19 sends.
const TO_SEND: usize = 1 << 20;
/// The longest sleep: the command may have ended.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// A link that acknowledges as boards do, not once a burst.
struct Port(Link);

impl Device for Port {
    fn capabilities(&self) -> Capabilities {
        Capabilities { ack_per_burst: false, ..self.0.capabilities() }
    }

    fn receive<R>(&mut self, take: impl FnOnce(&[u8], RxMeta) -> R) -> Option<R> {
        self.0.receive(take)
    }

    fn transmit(&mut self, packet: &Packet<'_>) -> Result<(), NoRoom> {
        self.0.transmit(packet)
    }
}

/// Runs a command beside a board's stack and returns 0, or 1 if the command failed.
pub(crate) fn run(link: &LinkArgs, args: &BoardArgs) -> anyhow::Result<u8> {
    match args.profile {
        BoardProfile::Full => on::<Full>(link, args),
        BoardProfile::Small => on::<Small>(link, args),
        BoardProfile::Tiny => on::<Tiny>(link, args),
    }
}

fn capacity<P: Profile>(args: &BoardArgs) -> Capacity {
    let capacity = Capacity {
        connections: args.connections,
        listeners: 3,
        half_open: args.half_open,
        time_wait: args.time_wait,
        udp_sockets: args.udp_sockets,
        records: args.records,
        ..Capacity::small()
    };
    match args.window {
        Some(window) => capacity.with_window::<P>(window),
        None => Capacity { blocks: args.blocks, block_size: args.block_size, ..capacity },
    }
}

fn on<P: Profile>(link: &LinkArgs, args: &BoardArgs) -> anyhow::Result<u8> {
    let (device, _) = open_device(link, Need::Own)?;
    let mut port = Port(device);
    let mut config = Config::new();
    config.mtu = port.0.mtu();
    let connection = &mut config.connection;
    connection.receive_limit = args.limit.unwrap_or(connection.receive_limit);
    connection.send_limit = args.limit.unwrap_or(connection.send_limit);
    connection.mss = args.mss;
    let storage = Storage::<P>::allocate(&capacity::<P>(args));
    let storage = storage.with_window_max(args.window.unwrap_or(u32::MAX));
    let mut stack = Stack::new(storage, &config, entropy::secret()?)
        .context("the stack refuses its configuration")?;
    stack.add_address(link.addr.into(), PREFIX_4)?;
    stack.add_address(link.addr6.into(), PREFIX_6)?;
    for port in [7, 9, 19] {
        stack.listen(port, &ListenConfig::new())?;
    }
    for warning in stack.warnings() {
        note!("warning: {warning}");
    }
    let (program, arguments) = args.command.split_first().context("a command")?;
    let mut command = Command::new(program);
    command.args(arguments).env("HIKYAKU_ADDR", link.addr.to_string());
    command.env("HIKYAKU_ADDR6", link.addr6.to_string());
    let child = command.spawn().with_context(|| format!("{}", program.display()))?;
    drive(&mut stack, &mut port, child)
}

fn drive<P: Profile>(
    stack: &mut Stack<'_, P>,
    port: &mut Port,
    mut child: Child,
) -> anyhow::Result<u8> {
    let clock = Clock::start();
    let mut sent = Vec::new();
    loop {
        let wake = stack.poll(clock.now(), port);
        let mut has_acted = false;
        while let Some((handle, _)) = stack.next_event() {
            has_acted = true;
            match handle {
                Handle::Listener(listener) => while stack.accept(listener).is_ok() {},
                Handle::Tcp(connection) => serve(stack, connection, &mut sent),
                Handle::Udp(_) => {}
            }
        }
        if wake == Wake::Now || has_acted {
            continue;
        }
        if let Some(status) = child.try_wait()? {
            return Ok(if status.success() { OK } else { FAILED });
        }
        let interest = match wake {
            Wake::OnRoom { .. } => PollFlags::IN | PollFlags::OUT,
            _ => PollFlags::IN,
        };
        let mut files: Vec<PollFd<'_>> =
            port.0.fd().map(|file| PollFd::from_borrowed_fd(file, interest)).into_iter().collect();
        match poll(&mut files, Some(&LOOK)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("ppoll"),
        }
    }
}

/// Serves a connection as far as it can be served now.
fn serve<P: Profile>(
    stack: &mut Stack<'_, P>,
    connection: TcpHandle,
    sent: &mut Vec<(TcpHandle, usize)>,
) {
    let Ok(socket) = stack.tcp(connection) else { return };
    match socket.local().port() {
        9 => discard(socket),
        19 => {
            let known = sent.iter().position(|(handle, _)| *handle == connection);
            let at = known.unwrap_or_else(|| {
                sent.push((connection, 0));
                sent.len() - 1
            });
            generate(socket, &mut sent[at].1);
        }
        _ => echo(socket),
    }
}

fn discard<P: Profile>(mut socket: TcpSocket<'_, '_, P>) {
    let mut buffer = [0; 512];
    while let Ok(1..) = socket.read(&mut buffer) {}
    if socket.peek(&mut buffer) != Err(ReadError::WouldBlock) {
        socket.release();
    }
}

fn generate<P: Profile>(mut socket: TcpSocket<'_, '_, P>, sent: &mut usize) {
    let data = [b'x'; 512];
    while *sent < TO_SEND {
        let rest = (TO_SEND - *sent).min(data.len());
        match socket.write(&data[..rest]) {
            Ok(written) => *sent += written,
            Err(_) => break,
        }
    }
    if *sent == TO_SEND || socket.close_reason().is_some() {
        socket.release();
    }
}

fn echo<P: Profile>(mut socket: TcpSocket<'_, '_, P>) {
    let mut buffer = [0; 256];
    while let Ok(count @ 1..) = socket.peek(&mut buffer) {
        let Ok(written) = socket.write(&buffer[..count]) else { return };
        let _ = socket.read(&mut buffer[..written]);
    }
    if socket.peek(&mut buffer) != Err(ReadError::WouldBlock) {
        socket.release();
    }
}
