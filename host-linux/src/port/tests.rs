use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use clap::Parser;
use hikyaku::{ConnectConfig, TcpHandle};

use super::*;
use crate::apps::services::{Service, Services};
use crate::cli::{Cli, LinkArgs};
use crate::link::Link;
use crate::poll_loop::{App, Net};
use crate::tun::{Layer, Tun};

/// What a read or a write comes to.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    Error(i32),
    /// So many octets, of a packet that says it has so many.
    Octets(usize, u16),
}

/// A file that does as it is told, once each.
struct Scripted(VecDeque<Outcome>);

impl Scripted {
    fn next(&mut self) -> io::Result<(usize, u16)> {
        match self.0.pop_front().expect("a line of the script") {
            Outcome::Error(number) => Err(io::Error::from_raw_os_error(number)),
            Outcome::Octets(len, declared) => Ok((len, declared)),
        }
    }
}

impl Read for Scripted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (len, declared) = self.next()?;
        buffer[..len].fill(0);
        let header = [&[0x45, 0], &declared.to_be_bytes()[..]].concat();
        let known = len.min(header.len());
        buffer[..known].copy_from_slice(&header[..known]);
        Ok(len)
    }
}

impl Write for Scripted {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        self.next().map(|(len, _)| len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsRawFd for Scripted {
    fn as_raw_fd(&self) -> RawFd {
        unreachable!("nobody waits for a script")
    }
}

fn scripted(script: &[Outcome]) -> Port {
    Port::new(Box::new(Scripted(script.iter().copied().collect())), 0, 1500)
}

/// Counters and what they stand at.
type Counts<'a> = &'a [(&'a str, u64)];

fn counts(port: &Port) -> Vec<(&'static str, u64)> {
    port.tally().iter().collect()
}

#[test]
fn sec_79_what_a_read_comes_to_is_counted_by_reason() {
    use Outcome::{Error, Octets};
    let table: [(Outcome, Option<usize>, Counts<'_>); 12] = [
        (Octets(84, 84), Some(84), &[]),
        (Octets(1500, 1500), Some(1500), &[]),
        (Octets(0, 0), None, &[("link_rx_short", 1)]),
        (Octets(1, 84), Some(1), &[("link_rx_short", 1)]),
        (Octets(83, 84), Some(83), &[("link_rx_short", 1)]),
        (Octets(1501, 1501), Some(1501), &[("link_rx_oversize", 1)]),
        (Octets(1501, 9000), Some(1501), &[("link_rx_short", 1), ("link_rx_oversize", 1)]),
        (Error(libc::EAGAIN), None, &[("link_rx_nothing", 1)]),
        (Error(libc::EIO), None, &[("link_rx_device_down", 1)]),
        (Error(libc::ENOBUFS), None, &[("link_rx_no_buffers", 1)]),
        (Error(libc::ENOMEM), None, &[("link_rx_no_buffers", 1)]),
        (Error(libc::EBADFD), None, &[("link_rx_other_error", 1)]),
    ];
    for (outcome, received, counted) in table {
        // An interrupted call is made again and counts for nothing.
        let mut port = scripted(&[Error(libc::EINTR), outcome]);
        assert_eq!(port.receive(&mut [0xff; 9000]), received, "{outcome:?}");
        assert_eq!(counts(&port), counted, "{outcome:?}");
    }
}

#[test]
fn sec_79_what_a_write_comes_to_is_counted_by_reason() {
    use Outcome::{Error, Octets};
    let lost = Err(SendError::Lost);
    let table: [(Outcome, Result<(), SendError>, Counts<'_>); 10] = [
        (Octets(100, 0), Ok(()), &[]),
        (Octets(99, 0), lost, &[("link_tx_short", 1)]),
        (Octets(0, 0), Err(SendError::Lost), &[("link_tx_short", 1)]),
        (Error(libc::EAGAIN), Err(SendError::WouldBlock), &[("link_tx_no_room", 1)]),
        (Error(libc::EIO), Err(SendError::Lost), &[("link_tx_device_down", 1)]),
        (Error(libc::ENOBUFS), Err(SendError::Lost), &[("link_tx_no_buffers", 1)]),
        (Error(libc::ENOMEM), Err(SendError::Lost), &[("link_tx_no_buffers", 1)]),
        (Error(libc::EINVAL), Err(SendError::Lost), &[("link_tx_refused", 1)]),
        (Error(libc::EMSGSIZE), Err(SendError::Lost), &[("link_tx_refused", 1)]),
        (Error(libc::EBADFD), Err(SendError::Lost), &[("link_tx_other_error", 1)]),
    ];
    for (outcome, sent, counted) in table {
        let mut port = scripted(&[Error(libc::EINTR), outcome]);
        assert_eq!(port.send(&[0; 100]), sent, "{outcome:?}");
        assert_eq!(counts(&port), counted, "{outcome:?}");
        let is_lost = sent == Err(SendError::Lost);
        assert_eq!(port.tally().lost(), u64::from(is_lost), "{outcome:?}");
    }
}

/// One end of a pair of sockets that fails at every so manieth packet, in turn in each way that
/// there is.
struct Failing {
    socket: UnixDatagram,
    reads: usize,
    writes: usize,
}

/// Packets from one failure to the next.
const EVERY: usize = 37;

fn fails(packets: &mut usize, faults: usize) -> Option<usize> {
    *packets += 1;
    packets.is_multiple_of(EVERY).then(|| *packets / EVERY % faults)
}

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        const ERRORS: [i32; 5] =
            [libc::EINTR, libc::EAGAIN, libc::EIO, libc::ENOBUFS, libc::EBADFD];
        let len = self.socket.recv(buffer)?;
        let Some(fault) = fails(&mut self.reads, ERRORS.len() + 4) else {
            return Ok(len);
        };
        // The packet is lost with the error.
        if let Some(error) = ERRORS.get(fault) {
            return Err(io::Error::from_raw_os_error(*error));
        }
        match fault - ERRORS.len() {
            // Cut short: to nothing, within a header, behind it.
            0 => Ok(0),
            1 => Ok(len.min(9)),
            2 => Ok(len - 1),
            // Longer than the MTU, with more behind the packet than the packet.
            _ => {
                buffer[len..2000].fill(0xa5);
                Ok(2000)
            }
        }
    }
}

impl Write for Failing {
    fn write(&mut self, packet: &[u8]) -> io::Result<usize> {
        const ERRORS: [i32; 6] =
            [libc::EINTR, libc::EAGAIN, libc::EIO, libc::ENOBUFS, libc::EINVAL, libc::EBADFD];
        match fails(&mut self.writes, ERRORS.len() + 1) {
            None => self.socket.send(packet),
            Some(fault) => match ERRORS.get(fault) {
                Some(error) => Err(io::Error::from_raw_os_error(*error)),
                None => self.socket.send(&packet[..packet.len() / 2]),
            },
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsRawFd for Failing {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn host(socket: UnixDatagram, args: &LinkArgs) -> Net {
    socket.set_nonblocking(true).unwrap();
    let file = Box::new(Failing { socket, reads: 0, writes: 0 });
    let tun = Tun::over(file, "failing0".to_owned(), Layer::Packets, 1500);
    Net::new(Link::on_device(tun, args.mtu, args).unwrap(), args).unwrap()
}

fn link_args(addr: &str) -> LinkArgs {
    let line = ["hikyaku", "echo", "--addr", addr];
    Cli::try_parse_from(line).unwrap().link
}

/// What a client has still to send, and has got.
struct Client<'a> {
    handle: TcpHandle,
    to_send: &'a [u8],
    back: Vec<u8>,
    is_over: bool,
}

impl Client<'_> {
    fn attend(&mut self, net: &mut Net) {
        let mut socket = net.stack.tcp(self.handle).unwrap();
        if let Ok(sent) = socket.write(self.to_send) {
            self.to_send = &self.to_send[sent..];
        }
        if self.to_send.is_empty() {
            socket.close();
        }
        let mut buffer = [0; 4096];
        while let Ok(taken) = socket.read(&mut buffer) {
            self.back.extend_from_slice(&buffer[..taken]);
            self.is_over |= taken == 0;
            if taken == 0 {
                break;
            }
        }
    }
}

#[test]
fn sec_79_a_transfer_outlives_a_device_that_fails_in_every_way() {
    let (near, far) = UnixDatagram::pair().unwrap();
    let mut server = host(near, &link_args("192.168.69.2"));
    let mut client = host(far, &link_args("192.168.69.1"));
    let mut services = Services::default();
    services.start(&mut server, Service::Echo, 7).unwrap();
    let sample: Vec<u8> =
        (0..1_000_000u32).map(|n| (n.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
    let now = client.now();
    let handle =
        client.stack.connect(now, "192.168.69.2:7".parse().unwrap(), &ConnectConfig::new());
    let mut state =
        Client { handle: handle.unwrap(), to_send: &sample, back: Vec::new(), is_over: false };
    let limit = Instant::now() + Duration::from_secs(50);
    while !state.is_over {
        assert!(Instant::now() < limit, "{} octets are back", state.back.len());
        server.poll();
        client.poll();
        let mut acted = false;
        while let Some((handle, readiness)) = server.stack.next_event() {
            services.on_event(&mut server, handle, readiness).unwrap();
            acted = true;
        }
        while client.stack.next_event().is_some() {
            state.attend(&mut client);
            acted = true;
        }
        if !acted {
            std::thread::sleep(Duration::from_micros(100));
        }
    }
    assert!(state.back == sample, "{} octets came back, but others", state.back.len());
    for net in [&mut server, &mut client] {
        let tally = net.link.tally().expect("a TUN");
        for (trouble, name) in Trouble::ALL {
            assert!(tally.of(*trouble) > 0, "{name} never happened: {tally:?}");
        }
    }
}
