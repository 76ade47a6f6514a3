//! A stand-in for nmap over raw sockets: one segment to each port, and what its answer means.
//! Our stack has no part in it.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, recv, sendto,
    socket_with,
};

use crate::report::OK;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// Our side of every probe.
const SOURCE_PORT: u16 = 40_125;
/// TCP's number as a protocol.
const TCP: u8 = 6;
/// Octets of a TCP header.
const HEADER: usize = 20;

/// The flags that letters name: `S`, `F`, `P` and `U`.
pub(crate) fn flags(letters: &str) -> Result<u8, String> {
    letters.chars().try_fold(0, |flags, letter| {
        Ok(flags
            | match letter {
                'F' => FIN,
                'S' => SYN,
                'P' => 8,
                'U' => 32,
                other => return Err(format!("no flag is called {other}")),
            })
    })
}

/// Probes each port once, and prints what nmap would with `--reason`.
pub(crate) fn scan(
    host: IpAddr,
    ports: impl Iterator<Item = u16>,
    flags: u8,
    wait: Duration,
) -> anyhow::Result<u8> {
    let route = UdpSocket::bind(if host.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
    route.connect((host, SOURCE_PORT))?;
    let source = route.local_addr()?.ip();
    let family = if host.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let raw = socket_with(family, SocketType::RAW, SocketFlags::NONBLOCK, Some(ipproto::TCP))
        .context("a raw socket; it needs CAP_NET_RAW")?;
    for port in ports {
        let probe = probe(source, host, port, flags);
        sendto(&raw, &probe, SendFlags::empty(), &SocketAddr::new(host, 0))?;
        let (state, reason) = match (answer(&raw, host, port, wait)?, flags & SYN != 0) {
            (Some(flags), _) if flags & RST != 0 => ("closed", "reset"),
            (Some(flags), true) if flags & (SYN | ACK) == SYN | ACK => ("open", "syn-ack"),
            (Some(_), _) => ("unfiltered", "something"),
            (None, true) => ("filtered", "no-response"),
            (None, false) => ("open|filtered", "no-response"),
        };
        writeln!(io::stdout(), "{port}/tcp {state} unknown {reason}")?;
    }
    Ok(OK)
}

fn probe(source: IpAddr, host: IpAddr, port: u16, flags: u8) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..2].copy_from_slice(&SOURCE_PORT.to_be_bytes());
    header[2..4].copy_from_slice(&port.to_be_bytes());
    header[4..8].copy_from_slice(&0x1234_5678_u32.to_be_bytes());
    header[12] = (HEADER as u8 / 4) << 4;
    header[13] = flags;
    header[14..16].copy_from_slice(&1024_u16.to_be_bytes());
    let sum = checksum(source, host, &header);
    header[16..18].copy_from_slice(&sum.to_be_bytes());
    header
}

/// The TCP checksum over the pseudo-header of either family, whose sums are alike.
fn checksum(source: IpAddr, destination: IpAddr, segment: &[u8]) -> u16 {
    let octets = |address| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let pseudo = [0, TCP, 0, segment.len() as u8];
    let all = [&octets(source)[..], &octets(destination), &pseudo, segment].concat();
    let words = all.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

/// The flags of what comes back from the port.
fn answer(raw: &OwnedFd, host: IpAddr, port: u16, wait: Duration) -> anyhow::Result<Option<u8>> {
    let end = Instant::now() + wait;
    let mut buffer = [0; 2048];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let timeout =
            Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        if poll(&mut [PollFd::new(raw, PollFlags::IN)], Some(&timeout))? == 0 {
            return Ok(None);
        }
        let Ok((len, _)) = recv(raw, &mut buffer, RecvFlags::empty()) else { continue };
        // Of IPv4 the kernel hands up the IP header too.
        let skip = if host.is_ipv4() { usize::from(buffer[0] & 15) * 4 } else { 0 };
        let Some(header) = buffer[..len].get(skip..skip + HEADER) else { continue };
        if header[..2] == port.to_be_bytes() && header[2..4] == SOURCE_PORT.to_be_bytes() {
            return Ok(Some(header[13]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_flags() {
        assert_eq!(flags(""), Ok(0));
        assert_eq!(flags("S"), Ok(SYN));
        assert_eq!(flags("FPU"), Ok(0x29));
        assert!(flags("x").is_err());
    }

    #[test]
    fn a_probe_sums_up_to_all_ones() {
        for (source, host) in [("192.168.69.1", "192.168.69.2"), ("fd69::1", "fd69::2")] {
            let (source, host) = (source.parse().unwrap(), host.parse().unwrap());
            assert_eq!(checksum(source, host, &probe(source, host, 7, 0x29)), 0);
        }
    }
}
