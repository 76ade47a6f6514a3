//! A stand-in for OpenBSD's nc over the kernel's own sockets: the few flags that our demo and our
//! tests use, and one of our own. Our stack has no part in it.

use std::io::{self, Read, Write};
use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket,
};
use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::Context;

use super::kernel_scan;
use crate::cli::KernelNcArgs;
use crate::report::{FAILED, OK};

/// What is waited for a connection where nothing is said.
const WAIT: Duration = Duration::from_secs(60);
/// What is waited for the answer to a probe.
const PROBE_WAIT: Duration = Duration::from_millis(200);

/// Runs it to its end.
pub(crate) fn run(args: &KernelNcArgs, verbose: bool) -> anyhow::Result<u8> {
    let wait = args.wait.map_or(WAIT, Duration::from_secs);
    let (first, last) = ports(&args.ports)?;
    if let Some(flags) = args.probe {
        return kernel_scan::scan(args.host, first..=last, flags, PROBE_WAIT);
    }
    if args.scan {
        return Ok(scan(args, first..=last, wait, verbose));
    }
    let address = SocketAddr::new(args.host, first);
    if args.udp {
        return ask(address, wait);
    }
    if let Some(times) = args.repeat {
        return repeat(address, times, wait);
    }
    let stream = if args.listen {
        TcpListener::bind(address)?.accept()?.0
    } else {
        TcpStream::connect_timeout(&address, wait).with_context(|| address.to_string())?
    };
    join(stream, args.shut_on_eof)?;
    Ok(OK)
}

fn ports(text: &str) -> anyhow::Result<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Ok((first.parse().context("port")?, last.parse().context("port")?))
}

fn scan(args: &KernelNcArgs, ports: RangeInclusive<u16>, wait: Duration, verbose: bool) -> u8 {
    let mut code = FAILED;
    for port in ports {
        let host = args.host;
        match TcpStream::connect_timeout(&SocketAddr::new(host, port), wait) {
            Ok(_) => {
                code = OK;
                say(verbose, &format!("Connection to {host} {port} port [tcp/*] succeeded!"));
            }
            Err(error) => {
                say(verbose, &format!("nc: connect to {host} port {port} (tcp) failed: {error}"));
            }
        }
    }
    code
}

/// One datagram there, one back.
fn ask(address: SocketAddr, wait: Duration) -> anyhow::Result<u8> {
    let local: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((local, 0))?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(wait))?;
    let mut data = Vec::new();
    io::stdin().read_to_end(&mut data)?;
    socket.send(&data)?;
    data.resize(usize::from(u16::MAX), 0);
    let length = socket.recv(&mut data)?;
    io::stdout().write_all(&data[..length])?;
    Ok(OK)
}

/// Connections to an echo server, one after the other, each other octets.
fn repeat(address: SocketAddr, times: u32, wait: Duration) -> anyhow::Result<u8> {
    for number in 0..times {
        let mut stream = TcpStream::connect_timeout(&address, wait)
            .with_context(|| format!("connection {number} to {address}"))?;
        stream.set_read_timeout(Some(wait))?;
        let words = format!("connection {number}\n");
        stream.write_all(words.as_bytes())?;
        stream.shutdown(Shutdown::Write)?;
        let mut back = String::new();
        stream.read_to_string(&mut back).with_context(|| format!("connection {number}"))?;
        anyhow::ensure!(back == words, "connection {number} brought {back:?}");
    }
    Ok(OK)
}

fn say(verbose: bool, text: &str) {
    if verbose {
        let _ = writeln!(io::stderr(), "{text}");
    }
}

/// Copies both ways until the peer has closed, and all is written.
fn join(stream: TcpStream, shut_on_eof: bool) -> io::Result<()> {
    let mut to_peer = stream.try_clone()?;
    // Not joined: a stdin that stays open must not outlive the connection.
    std::thread::spawn(move || -> io::Result<()> {
        copy(&mut io::stdin().lock(), &mut to_peer)?;
        if shut_on_eof {
            to_peer.shutdown(Shutdown::Write)?;
        }
        Ok(())
    });
    copy(&mut &stream, &mut io::stdout().lock())
}

fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer)? {
            0 => return to.flush(),
            length => to.write_all(&buffer[..length])?,
        }
    }
}
