//! What a segment costs in `hikyaku`, in instructions: see `hikyaku_firmware::bench`.
#![no_std]
#![no_main]

use core::net::{IpAddr, Ipv4Addr};
use core::panic::PanicInfo;

use cortex_m_rt::entry;
use hikyaku::device::{Capabilities, Device, NoRoom, Packet, RxMeta};
use hikyaku::wire::ethernet::Address;
use hikyaku::{
    Config, ConnectionConfig, Duration, Instant, ListenConfig, ListenerHandle, Secret, Stack,
    TcpHandle, Tiny, storage,
};
use hikyaku_firmware::bench::{self, IP_OURS, MAC_OURS, PORT, PREFIX, Subject, Wire};

storage!(static NET: Tiny {
    connections: 1,
    listeners: 1,
    half_open: 1,
    time_wait: 1,
    udp_sockets: 0,
    neighbors: 2,
    records: 0,
    blocks: 2 x 2048
});

const MTU: u16 = 1500;

/// The wire as a device of `hikyaku`.
struct Port<'w>(&'w mut Wire);

impl Device for Port<'_> {
    fn capabilities(&self) -> Capabilities {
        Capabilities::ethernet(MTU)
    }

    fn receive<R>(&mut self, take: impl FnOnce(&[u8], RxMeta) -> R) -> Option<R> {
        self.0.take().map(|frame| take(frame, RxMeta { checksum_verified: false }))
    }

    fn transmit(&mut self, packet: &Packet<'_>) -> Result<(), NoRoom> {
        self.0.room().send(|frame| {
            let len = packet.copy_into(frame);
            (len, len.map(|_| ()).ok_or(NoRoom))
        })
    }
}

struct Hikyaku {
    stack: Stack<'static, Tiny>,
    listener: ListenerHandle,
    connection: Option<TcpHandle>,
}

impl Hikyaku {
    fn new() -> Option<Self> {
        let mut connection = ConnectionConfig::new();
        connection.receive_limit = 2048;
        connection.send_limit = 2048;
        // An ACK for every segment, as the other stack is told to.
        connection.ack_delay = Duration::ZERO;
        let hardware_address = Some(Address(MAC_OURS));
        let config = Config { hardware_address, connection, ..Config::new() };
        let secret = Secret::new(*b"0123456789abcdef")?;
        let mut stack = Stack::new(NET.take()?, &config, secret).ok()?;
        stack.add_address(IpAddr::V4(Ipv4Addr::from(IP_OURS)), PREFIX).ok()?;
        let listener = stack.listen(PORT, &ListenConfig::new()).ok()?;
        Some(Self { stack, listener, connection: None })
    }
}

impl Subject for Hikyaku {
    fn poll(&mut self, now_ms: u64, wire: &mut Wire) {
        self.stack.poll(Instant::from_millis(now_ms), &mut Port(wire));
    }

    fn on_established(&mut self) {
        self.connection = self.stack.accept(self.listener).ok();
    }

    fn read(&mut self, buffer: &mut [u8]) -> usize {
        let Some(handle) = self.connection else { return 0 };
        self.stack.tcp(handle).map_or(0, |mut socket| socket.read(buffer).unwrap_or(0))
    }

    fn write(&mut self, octets: &[u8]) -> usize {
        let Some(handle) = self.connection else { return 0 };
        self.stack.tcp(handle).map_or(0, |mut socket| socket.write(octets).unwrap_or(0))
    }
}

#[entry]
fn main() -> ! {
    match Hikyaku::new() {
        Some(subject) => bench::run(subject, true),
        None => bench::fail("there is no stack"),
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    bench::fail("a panic")
}
