//! What `minimal` does, with smoltcp instead: to be weighed by the same means.
#![no_std]
#![no_main]

use core::panic::PanicInfo;

use cortex_m_rt::entry;
use hikyaku_firmware::board::{HARDWARE_ADDRESS, IPV4, IPV4_PREFIX};
use hikyaku_firmware::clock::Clock;
use hikyaku_firmware::stellaris::{Buffer, FRAME_MAX, Stellaris};
use smoltcp::iface::{Config, Interface, SocketSet, SocketStorage};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

/// The driver as a device of smoltcp, which fills a frame in place: it needs a buffer for it.
struct Port<'b> {
    driver: Stellaris<'b>,
    frame: &'b mut Buffer,
}

struct Received<'p>(&'p [u8]);

struct Room<'p>(&'p mut Buffer);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(self.0)
    }
}

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let Some(frame) = self.0.frame_mut().get_mut(..len) else { return fill(&mut []) };
        let result = fill(frame);
        self.0.send(len);
        result
    }
}

impl Device for Port<'_> {
    type RxToken<'p>
        = Received<'p>
    where
        Self: 'p;
    type TxToken<'p>
        = Room<'p>
    where
        Self: 'p;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Room<'_>)> {
        if !self.driver.has_room() {
            return None;
        }
        let received = self.driver.next_frame()?;
        Some((Received(received), Room(self.frame)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Room<'_>> {
        self.driver.has_room().then_some(Room(self.frame))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_MAX;
        capabilities
    }
}

#[entry]
fn main() -> ! {
    static mut RECEIVED: Buffer = Buffer::EMPTY;
    static mut FRAME: Buffer = Buffer::EMPTY;
    static mut RECEIVE: [u8; 2048] = [0; 2048];
    static mut SEND: [u8; 2048] = [0; 2048];
    let mut clock = Clock::start();
    let mut port = Port { driver: Stellaris::new(RECEIVED, HARDWARE_ADDRESS), frame: FRAME };
    let mut storage = [SocketStorage::EMPTY];
    let mut sockets = SocketSet::new(&mut storage[..]);
    let socket = tcp::Socket::new(
        tcp::SocketBuffer::new(&mut RECEIVE[..]),
        tcp::SocketBuffer::new(&mut SEND[..]),
    );
    let handle = sockets.add(socket);
    let config = Config::new(EthernetAddress(HARDWARE_ADDRESS).into());
    let mut interface = Interface::new(config, &mut port, Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        let _ = addresses.push(IpCidr::new(IpAddress::Ipv4(IPV4), IPV4_PREFIX));
    });
    loop {
        let now = Instant::from_micros(clock.micros() as i64);
        interface.poll(now, &mut port, &mut sockets);
        echo(sockets.get_mut::<tcp::Socket>(handle));
    }
}

/// Sends back what has come in.
fn echo(socket: &mut tcp::Socket<'_>) {
    if !socket.is_open() {
        let _ = socket.listen(7);
    }
    let mut buffer = [0; 64];
    while socket.can_recv() && socket.send_capacity() - socket.send_queue() >= buffer.len() {
        let length = socket.recv_slice(&mut buffer).unwrap_or(0);
        let _ = socket.send_slice(buffer.get(..length).unwrap_or(&[]));
    }
    if !socket.may_recv() && socket.may_send() {
        socket.close();
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
