//! What a segment costs in smoltcp, in instructions: see `hikyaku_firmware::bench`.
#![no_std]
#![no_main]

use core::panic::PanicInfo;

use cortex_m_rt::entry;
use hikyaku_firmware::bench::{self, IP_OURS, MAC_OURS, PORT, PREFIX, Room, Subject, Wire};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet, SocketStorage};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

const FRAME_MAX: usize = 1514;

/// The wire as a device of smoltcp.
struct Port<'w>(&'w mut Wire);

struct Received<'w>(&'w [u8]);

struct Sending<'w>(Room<'w>);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(self.0)
    }
}

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        self.0.send(|frame| (Some(len), fill(&mut frame[..len])))
    }
}

impl Device for Port<'_> {
    type RxToken<'a>
        = Received<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Sending<'a>
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Sending<'_>)> {
        let (frame, room) = self.0.take_with_room()?;
        Some((Received(frame), Sending(room)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_>> {
        Some(Sending(self.0.room()))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_MAX;
        capabilities
    }
}

struct Smoltcp<'s> {
    interface: Interface,
    sockets: SocketSet<'s>,
    handle: SocketHandle,
}

impl Subject for Smoltcp<'_> {
    fn poll(&mut self, now_ms: u64, wire: &mut Wire) {
        let now = Instant::from_millis(now_ms as i64);
        self.interface.poll(now, &mut Port(wire), &mut self.sockets);
    }

    fn on_established(&mut self) {}

    fn read(&mut self, buffer: &mut [u8]) -> usize {
        self.sockets.get_mut::<tcp::Socket>(self.handle).recv_slice(buffer).unwrap_or(0)
    }

    fn write(&mut self, octets: &[u8]) -> usize {
        self.sockets.get_mut::<tcp::Socket>(self.handle).send_slice(octets).unwrap_or(0)
    }
}

#[entry]
fn main() -> ! {
    let mut receive = [0; 2048];
    let mut send = [0; 2048];
    let mut storage = [SocketStorage::EMPTY];
    let mut sockets = SocketSet::new(&mut storage[..]);
    let mut socket = tcp::Socket::new(
        tcp::SocketBuffer::new(&mut receive[..]),
        tcp::SocketBuffer::new(&mut send[..]),
    );
    // An ACK for every segment, as the other stack is told to.
    socket.set_ack_delay(None);
    if socket.listen(PORT).is_err() {
        bench::fail("it does not listen");
    }
    let handle = sockets.add(socket);
    let mut wire = Wire::EMPTY;
    let config = Config::new(EthernetAddress(MAC_OURS).into());
    let mut interface = Interface::new(config, &mut Port(&mut wire), Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        let [a, b, c, d] = IP_OURS;
        let _ = addresses.push(IpCidr::new(IpAddress::v4(a, b, c, d), PREFIX));
    });
    // The arrays live as long as the image runs: `run` never returns.
    bench::run(Smoltcp { interface, sockets, handle }, true)
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    bench::fail("a panic")
}
