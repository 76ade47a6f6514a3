//! A Linux TUN or TAP device: made or found, its kernel side given addresses, packets or frames
//! read and written.

use std::ffi::{CString, c_char, c_int, c_ulong};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use ::tun::AbstractDevice;
use hikyaku::wire::ethernet;

use crate::port::{PacketFile, Port, Tally};

/// Where TUN and TAP devices come from.
pub(crate) const DOOR: &str = "/dev/net/tun";
/// The network around IPv4 addresses, in bits.
pub(crate) const PREFIX_4: u8 = 24;
/// The network around IPv6 addresses, in bits.
pub(crate) const PREFIX_6: u8 = 64;

/// What a device carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// Bare IP packets: a TUN.
    Packets,
    /// Ethernet frames around them: a TAP.
    Frames,
}

impl Layer {
    /// What people call such a device.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Packets => "TUN",
            Self::Frames => "TAP",
        }
    }

    /// The same as `ip tuntap` and our own options spell it.
    pub(crate) fn mode(self) -> &'static str {
        match self {
            Self::Packets => "tun",
            Self::Frames => "tap",
        }
    }

    /// Octets before the IP packet.
    pub(crate) fn header_len(self) -> usize {
        match self {
            Self::Packets => 0,
            Self::Frames => ethernet::HEADER_LEN,
        }
    }

    /// The largest MTU that the kernel gives such a device: 65,535 with the header.
    pub(crate) fn mtu_max(self) -> u16 {
        u16::MAX - self.header_len() as u16
    }

    fn to_configure(self) -> ::tun::Layer {
        match self {
            Self::Packets => ::tun::Layer::L3,
            Self::Frames => ::tun::Layer::L2,
        }
    }
}

/// An open TUN or TAP device that never blocks.
pub(crate) struct Tun {
    port: Port,
    name: String,
    layer: Layer,
    mtu: u16,
}

impl Tun {
    /// Makes a device with a name of the kernel's choice, up, with these addresses on its side.
    pub(crate) fn create(
        layer: Layer,
        addr: Ipv4Addr,
        addr6: Ipv6Addr,
        mtu: u16,
    ) -> io::Result<Self> {
        let mut config = ::tun::configure();
        config.tun_name("hikyaku%d").layer(layer.to_configure());
        config.address(addr).netmask((255, 255, 255, 0)).mtu(mtu).up();
        let device = ::tun::create(&config).map_err(io_error)?;
        let name = device.tun_name().map_err(io_error)?;
        if layer == Layer::Frames {
            // The kernel would look for others with its address, and wait for two seconds: there
            // is nobody here but us. Where it may not be told so, it is waited for.
            let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/accept_dad"), "0");
        }
        add_address_6(&name, addr6)?;
        wait_until_settled(addr6);
        Self::open(device, name, layer)
    }

    /// Joins a device made beforehand, and leaves it configured as it is.
    pub(crate) fn join(name: &str, layer: Layer) -> io::Result<Self> {
        if !exists(name) {
            return Err(io::Error::new(ErrorKind::NotFound, "no such device"));
        }
        let mut config = ::tun::configure();
        config.tun_name(name).layer(layer.to_configure()).platform_config(|platform| {
            platform.ensure_root_privileges(false);
        });
        let device = ::tun::create(&config).map_err(io_error)?;
        Self::open(device, name.to_owned(), layer)
    }

    fn open(device: ::tun::Device, name: String, layer: Layer) -> io::Result<Self> {
        device.set_nonblock()?;
        let mtu = device.mtu().map_err(io_error)?;
        Ok(Self::over(Box::new(device), name, layer, mtu))
    }

    /// A device behind any file.
    pub(crate) fn over(file: Box<dyn PacketFile>, name: String, layer: Layer, mtu: u16) -> Self {
        Self { port: Port::new(file, layer.header_len(), mtu), name, layer, mtu }
    }

    /// What it carries.
    pub(crate) fn layer(&self) -> Layer {
        self.layer
    }

    /// The kernel's name of the device.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The largest packet that the kernel's side sent when the device was opened. A later change
    /// is none of our business: the device takes packets of any size, and so do we.
    pub(crate) fn mtu(&self) -> u16 {
        self.mtu
    }

    /// Where its packets go in and out.
    pub(crate) fn port(&mut self) -> &mut Port {
        &mut self.port
    }

    /// What went wrong there.
    pub(crate) fn tally(&self) -> &Tally {
        self.port.tally()
    }

    /// The descriptor, to wait for.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.port.fd()
    }
}

/// Whether an interface has this name.
pub(crate) fn exists(name: &str) -> bool {
    Path::new("/sys/class/net").join(name).exists() || index(name).is_ok()
}

/// Sets an interface up.
pub(crate) fn bring_up(name: &str) -> io::Result<()> {
    let control = control_socket(libc::AF_INET)?;
    let mut request = request(name)?;
    ioctl(&control, libc::SIOCGIFFLAGS, &raw mut request)?;
    // SAFETY: the kernel has just filled this arm of the union.
    unsafe { request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short };
    ioctl(&control, libc::SIOCSIFFLAGS, &raw mut request)
}

/// The network that already has this address's neighbourhood, if there is one.
pub(crate) fn taken(address: IpAddr) -> Option<String> {
    match address {
        IpAddr::V4(address) => {
            let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
            routes.lines().skip(1).find_map(|line| route_overlaps(line, address))
        }
        IpAddr::V6(address) => {
            let addresses = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
            addresses.lines().find_map(|line| neighbour_of(line, address))
        }
    }
}

/// The device of a line of /proc/net/route whose network meets the /24 around `address`.
fn route_overlaps(line: &str, address: Ipv4Addr) -> Option<String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let number = |index: usize| -> Option<u32> {
        // The kernel prints its big-endian words as numbers of the machine.
        u32::from_str_radix(fields.get(index)?, 16).ok().map(u32::from_be)
    };
    let (network, mask) = (number(1)?, number(7)?);
    let common = mask & (u32::MAX << (32 - u32::from(PREFIX_4)));
    let meets = mask != 0 && (network ^ address.to_bits()) & common == 0;
    meets.then(|| fields.first().map_or_else(String::new, |name| (*name).to_owned()))
}

/// The device of a line of /proc/net/if_inet6 whose address shares the /64 of `address`.
fn neighbour_of(line: &str, address: Ipv6Addr) -> Option<String> {
    let mut fields = line.split_whitespace();
    let bits = u128::from_str_radix(fields.next()?, 16).ok()?;
    let near = (bits ^ address.to_bits()) >> (128 - u32::from(PREFIX_6)) == 0;
    near.then(|| fields.next_back().unwrap_or_default().to_owned())
}

/// The first other address of the /24 around `ours`.
pub(crate) fn kernel_side_4(ours: Ipv4Addr) -> Ipv4Addr {
    let first = Ipv4Addr::from_bits(ours.to_bits() & 0xffff_ff00 | 1);
    if first == ours { Ipv4Addr::from_bits(first.to_bits() + 1) } else { first }
}

/// The first other address of the /64 around `ours`.
pub(crate) fn kernel_side_6(ours: Ipv6Addr) -> Ipv6Addr {
    let first = Ipv6Addr::from_bits(ours.to_bits() >> 64 << 64 | 1);
    if first == ours { Ipv6Addr::from_bits(first.to_bits() + 1) } else { first }
}

fn add_address_6(name: &str, address: Ipv6Addr) -> io::Result<()> {
    let control = control_socket(libc::AF_INET6)?;
    let mut request = libc::in6_ifreq {
        ifr6_addr: libc::in6_addr { s6_addr: address.octets() },
        ifr6_prefixlen: u32::from(PREFIX_6),
        ifr6_ifindex: index(name)? as c_int,
    };
    ioctl(&control, libc::SIOCSIFADDR, &raw mut request)
}

/// Waits until the kernel uses a new address of its own as a source, at most three seconds.
///
/// A TUN has no ARP flag and with it no duplicate address detection, but the kernel finds that out
/// in a worker thread. A connection that is opened before is bound to ::1 for ever.
fn wait_until_settled(address: Ipv6Addr) {
    for _ in 0..3000 {
        let lines = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
        if !lines.lines().any(|line| is_tentative(line, address)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether a line of /proc/net/if_inet6 calls this address tentative.
fn is_tentative(line: &str, address: Ipv6Addr) -> bool {
    const TENTATIVE: u128 = 0x40;
    let fields: Vec<&str> = line.split_whitespace().collect();
    let number =
        |index: usize| -> Option<u128> { u128::from_str_radix(fields.get(index)?, 16).ok() };
    number(0) == Some(address.to_bits()) && number(4).is_some_and(|flags| flags & TENTATIVE != 0)
}

fn index(name: &str) -> io::Result<u32> {
    let name = CString::new(name)?;
    // SAFETY: a terminated string that lives through the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

fn control_socket(family: c_int) -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed, and a descriptor that is not negative is ours to own.
    unsafe {
        match libc::socket(family, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) {
            fd if fd < 0 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

fn request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: ifreq is plain old data, for which zeroes are a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "device name too long"));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as c_char;
    }
    Ok(request)
}

fn ioctl<T>(control: &OwnedFd, number: c_ulong, argument: *mut T) -> io::Result<()> {
    // SAFETY: the callers pair each number with the struct that it takes, alive for the call.
    match unsafe { libc::ioctl(control.as_raw_fd(), number as _, argument) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn io_error(error: ::tun::Error) -> io::Error {
    match error {
        ::tun::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_side_is_the_first_other_address() {
        let four = |text: &str| kernel_side_4(text.parse().unwrap()).to_string();
        assert_eq!(four("192.168.69.2"), "192.168.69.1");
        assert_eq!(four("10.1.2.1"), "10.1.2.2");
        let six = |text: &str| kernel_side_6(text.parse().unwrap()).to_string();
        assert_eq!(six("fd69::2"), "fd69::1");
        assert_eq!(six("fd69:0:0:7::1"), "fd69:0:0:7::2");
    }

    #[test]
    fn a_network_in_use_is_noticed() {
        let line = "eth0\t0045A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0";
        assert_eq!(route_overlaps(line, Ipv4Addr::new(192, 168, 69, 2)).as_deref(), Some("eth0"));
        assert_eq!(route_overlaps(line, Ipv4Addr::new(192, 168, 70, 2)), None);
        let wide = "eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0";
        assert_eq!(route_overlaps(wide, Ipv4Addr::new(192, 168, 69, 2)).as_deref(), Some("eth0"));
        let default = "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0";
        assert_eq!(route_overlaps(default, Ipv4Addr::new(192, 168, 69, 2)), None);
        let six = "fd690000000000000000000000000001 02 40 00 80 hikyaku0";
        assert_eq!(neighbour_of(six, "fd69::2".parse().unwrap()).as_deref(), Some("hikyaku0"));
        assert_eq!(neighbour_of(six, "fd70::2".parse().unwrap()), None);
    }

    #[test]
    fn an_address_is_tentative_by_its_flag_alone() {
        let line = |flags| format!("fd690000000000000000000000000001 02 40 00 {flags} hikyaku0");
        let is = |flags, address: &str| is_tentative(&line(flags), address.parse().unwrap());
        assert!(is("c0", "fd69::1"));
        assert!(is("40", "fd69::1"));
        assert!(!is("80", "fd69::1"));
        assert!(!is("c0", "fd69::2"));
    }
}
