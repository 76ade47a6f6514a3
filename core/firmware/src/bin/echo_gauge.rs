//! The smallest useful image, to be weighed and never run: a TCP echo on the profile `Small`, over
//! IPv4, on a link that carries IP packets.
//!
//! The driver and the clock are registers that do not exist, so that nothing can be worked out at
//! compile time; a real driver is not weighed here.
#![no_std]
#![no_main]

use core::net::{IpAddr, Ipv4Addr};
use core::panic::PanicInfo;
use core::ptr::{read_volatile, write_volatile};

use cortex_m_rt::entry;
use hikyaku::device::{Capabilities, Device, NoRoom, Packet, RxMeta};
use hikyaku::{Config, Instant, ListenConfig, Secret, Small, Stack, TcpHandle, storage};

storage!(static NET: Small {
    connections: 4,
    listeners: 1,
    half_open: 4,
    time_wait: 4,
    udp_sockets: 0,
    records: 0,
    blocks: 16 x 256
});

// The vector table.
use hikyaku_firmware as _;

const MTU: usize = 1500;
const CLOCK: *const u32 = 0x4003_0048 as *const u32;
const LENGTH: *mut u32 = 0x4004_8034 as *mut u32;
const DATA: *mut u32 = 0x4004_8010 as *mut u32;

/// A made-up controller: a length, and a port for words.
struct Port {
    frame: [u8; MTU],
}

impl Device for Port {
    fn capabilities(&self) -> Capabilities {
        Capabilities::ip(MTU as u16)
    }

    fn receive<R>(&mut self, take: impl FnOnce(&[u8], RxMeta) -> R) -> Option<R> {
        // SAFETY: the image is weighed, never run; the addresses are those of device registers.
        let length = unsafe { read_volatile(LENGTH) } as usize;
        let packet = self.frame.get_mut(..length).filter(|packet| !packet.is_empty())?;
        for word in packet.chunks_mut(4) {
            // SAFETY: as above.
            let octets = unsafe { read_volatile(DATA) }.to_le_bytes();
            for (to, from) in word.iter_mut().zip(octets) {
                *to = from;
            }
        }
        Some(take(packet, RxMeta { checksum_verified: false }))
    }

    fn transmit(&mut self, packet: &Packet<'_>) -> Result<(), NoRoom> {
        let length = packet.copy_into(&mut self.frame).ok_or(NoRoom)?;
        for octet in self.frame.iter().take(length) {
            // SAFETY: as above.
            unsafe { write_volatile(DATA, u32::from(*octet)) };
        }
        Ok(())
    }
}

#[entry]
fn main() -> ! {
    if let Some(secret) = Secret::new(*b"0123456789abcdef")
        && let Some(storage) = NET.take()
        && let Ok(mut stack) = Stack::<Small>::new(storage, &Config::new(), secret)
    {
        let _ = stack.add_address(IpAddr::V4(Ipv4Addr::new(192, 168, 69, 2)), 24);
        serve(&mut stack);
    }
    loop {}
}

fn serve(stack: &mut Stack<'_, Small>) {
    let Ok(listener) = stack.listen(7, &ListenConfig::new()) else { return };
    let mut port = Port { frame: [0; MTU] };
    let mut connection: Option<TcpHandle> = None;
    loop {
        // SAFETY: as above.
        let now = Instant::from_micros(u64::from(unsafe { read_volatile(CLOCK) }));
        stack.poll(now, &mut port);
        while stack.next_event().is_some() {}
        match connection {
            Some(handle) if echo(stack, handle) => {}
            _ => connection = stack.accept(listener).ok(),
        }
    }
}

/// Sends back what has come in, in place. Whether there may be more.
fn echo(stack: &mut Stack<'_, Small>, handle: TcpHandle) -> bool {
    let mut buffer = [0; 64];
    let Ok(mut socket) = stack.tcp(handle) else { return false };
    while socket.writable() as usize >= buffer.len() {
        match socket.read(&mut buffer) {
            Ok(0) => {
                socket.release();
                return false;
            }
            Ok(length) => {
                let _ = socket.write(buffer.get(..length).unwrap_or(&[]));
            }
            Err(_) => return socket.close_reason().is_none(),
        }
    }
    true
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
