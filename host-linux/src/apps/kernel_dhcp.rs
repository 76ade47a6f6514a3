//! A stand-in for dnsmasq over one of the kernel's own sockets: as much of a DHCP server as our
//! tests need where no other is installed. Our stack has no part in it.

use std::collections::{HashMap, HashSet};
use std::ffi::c_void;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use anyhow::{Context, bail};

use crate::cli::KernelDhcpArgs;

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
const LEASE_SECS: u32 = 120;
const COOKIE: [u8; 4] = [99, 130, 83, 99];

const KINDS: [&str; 7] = ["DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE"];
const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const DECLINE: u8 = 4;
const ACK: u8 = 5;
const NAK: u8 = 6;
const RELEASE: u8 = 7;

type Hardware = [u8; 6];

/// What a client wants.
struct Request {
    kind: u8,
    hardware: Hardware,
    /// The address that it has.
    has: Ipv4Addr,
    /// The address that it would like to have.
    likes: Option<Ipv4Addr>,
}

struct Server<'a> {
    args: &'a KernelDhcpArgs,
    leases: HashMap<Hardware, Ipv4Addr>,
    spoilt: HashSet<Ipv4Addr>,
}

/// Serves until it is ended by a signal.
pub(crate) fn run(args: &KernelDhcpArgs) -> anyhow::Result<u8> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, SERVER_PORT)).context("port 67")?;
    socket.set_broadcast(true)?;
    bind_to_device(&socket, &args.device).context(args.device.clone())?;
    let mut server = Server { args, leases: HashMap::new(), spoilt: HashSet::new() };
    eprintln!("serving on {}", args.device);
    let mut message = [0; 1500];
    loop {
        let len = socket.recv(&mut message)?;
        let Some(request) = message.get(..len).and_then(read) else { continue };
        server.log(request.kind, &request);
        let Some((kind, address)) = server.answer(&request) else { continue };
        server.log(kind, &Request { has: address, likes: None, ..request });
        let reply = server.reply(&message[..len.min(300)], kind, address);
        let to = if kind == NAK || request.has.is_unspecified() {
            Ipv4Addr::BROADCAST
        } else {
            request.has
        };
        socket.send_to(&reply, SocketAddr::new(to.into(), CLIENT_PORT))?;
    }
}

/// Only what comes by this device, and out by it what has no other way.
fn bind_to_device(socket: &UdpSocket, device: &str) -> io::Result<()> {
    let (fd, name) = (socket.as_raw_fd(), device.as_bytes());
    // SAFETY: the name lives through the call, and its length goes with it.
    let result = unsafe {
        libc::setsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_BINDTODEVICE,
            name.as_ptr().cast::<c_void>(),
            name.len() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn read(message: &[u8]) -> Option<Request> {
    let four = |octets: &[u8]| <[u8; 4]>::try_from(octets).ok().map(Ipv4Addr::from);
    let (head, mut options) = message.split_at_checked(240)?;
    if head[0] != 1 || head[236..] != COOKIE {
        return None;
    }
    let hardware = head[28..34].try_into().ok()?;
    let mut request = Request { kind: 0, hardware, has: four(&head[12..16])?, likes: None };
    while let [code @ 1..=254, len, rest @ ..] = options {
        let (value, rest) = rest.split_at_checked(usize::from(*len))?;
        match code {
            50 => request.likes = four(value),
            53 => request.kind = *value.first()?,
            _ => {}
        }
        options = rest;
    }
    (1..=7).contains(&request.kind).then_some(request)
}

impl Server<'_> {
    /// One line a message, as dnsmasq has it.
    fn log(&self, kind: u8, request: &Request) {
        let address = request.likes.unwrap_or(request.has);
        let device = &self.args.device;
        eprintln!("DHCP{}({device}) {address}", KINDS[usize::from(kind) - 1]);
    }

    fn answer(&mut self, request: &Request) -> Option<(u8, Ipv4Addr)> {
        let hardware = request.hardware;
        let leased = self.leases.get(&hardware).copied();
        match request.kind {
            DISCOVER => self.choose(hardware).ok().map(|address| (OFFER, address)),
            REQUEST => {
                let wanted = request.likes.unwrap_or(request.has);
                Some(if leased == Some(wanted) { (ACK, wanted) } else { (NAK, wanted) })
            }
            DECLINE => {
                self.spoilt.extend(request.likes);
                self.leases.remove(&hardware);
                None
            }
            RELEASE => {
                self.leases.remove(&hardware);
                None
            }
            _ => None,
        }
    }

    fn choose(&mut self, hardware: Hardware) -> anyhow::Result<Ipv4Addr> {
        let first = self.args.first.to_bits();
        let mut addresses = (first..first + 10).map(Ipv4Addr::from_bits);
        let taken = |address: &Ipv4Addr| {
            let others =
                self.leases.iter().any(|(other, theirs)| theirs == address && *other != hardware);
            others || self.spoilt.contains(address)
        };
        let Some(address) = addresses.find(|address| !taken(address)) else { bail!("none left") };
        self.leases.insert(hardware, address);
        Ok(address)
    }

    fn reply(&self, request: &[u8], kind: u8, address: Ipv4Addr) -> Vec<u8> {
        let mut reply = request[..236].to_vec();
        reply[0] = 2;
        reply[12..28].fill(0);
        let server = self.args.server.octets();
        reply.extend(COOKIE);
        let mut option = |code: u8, value: &[u8]| {
            reply.extend([code, value.len() as u8]);
            reply.extend(value);
        };
        option(53, &[kind]);
        option(54, &server);
        if kind != NAK {
            option(51, &LEASE_SECS.to_be_bytes());
            option(58, &self.args.renewal.to_be_bytes());
            option(1, &[255, 255, 255, 0]);
            option(3, &server);
            reply[16..20].copy_from_slice(&address.octets());
        }
        reply.push(255);
        reply.resize(reply.len().max(300), 0);
        reply
    }
}
