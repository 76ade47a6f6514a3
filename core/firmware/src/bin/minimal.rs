//! The smallest useful image: a TCP echo on port 7 of 192.168.69.2, one connection at a time with
//! 2 × 2048 octets of buffers, over Ethernet, ARP and IPv4, on the profile `Tiny`.
//!
//! `core/firmware/check size` weighs it and watches it run.
#![no_std]
#![no_main]

use core::panic::PanicInfo;

use cortex_m_rt::entry;
use hikyaku::{Instant, ListenConfig, ReadError, Secret, Stack, TcpHandle, Tiny, storage};
use hikyaku_firmware::board::{Board, IPV4, IPV4_PREFIX, config};
use hikyaku_firmware::stellaris::Buffer;
use static_cell::StaticCell;

storage!(static NET: Tiny {
    connections: 1,
    listeners: 1,
    half_open: 0,
    time_wait: 0,
    udp_sockets: 0,
    neighbors: 2,
    records: 0,
    blocks: 2 x 2048
});

/// In a static rather than on the stack, so that what is on the stack is only what calls need.
static STACK: StaticCell<Stack<'static, Tiny>> = StaticCell::new();

#[entry]
fn main() -> ! {
    static mut FRAME: Buffer = Buffer::EMPTY;
    let (mut board, secret) = Board::start(FRAME);
    if let Some(stack) = secret.and_then(start) {
        serve(stack, &mut board);
    }
    loop {}
}

#[inline(never)]
fn start(secret: Secret) -> Option<&'static mut Stack<'static, Tiny>> {
    let storage = NET.take()?;
    let mut config = config();
    // Two segments fit into a block.
    config.connection.mss = Some(1024);
    let stack = Stack::new_in(STACK.try_uninit()?, storage, &config, secret).ok()?;
    stack.add_address(IPV4.into(), IPV4_PREFIX).ok()?;
    Some(stack)
}

/// Apart from `main`, so that what starts the stack and what runs it do not add up.
#[inline(never)]
fn serve(stack: &mut Stack<'_, Tiny>, board: &mut Board<'_>) {
    let Ok(listener) = stack.listen(7, &ListenConfig::new()) else { return };
    let mut connection: Option<TcpHandle> = None;
    loop {
        let now = Instant::from_micros(board.clock.micros());
        stack.poll(now, &mut board.device);
        match connection {
            Some(handle) if echo(stack, handle) => {}
            _ => connection = stack.accept(listener).ok(),
        }
    }
}

/// Sends back what has come in, as far as there is room. Whether there may be more.
#[inline(never)]
fn echo(stack: &mut Stack<'_, Tiny>, handle: TcpHandle) -> bool {
    let mut buffer = [0; 64];
    let Ok(mut socket) = stack.tcp(handle) else { return false };
    let ended = loop {
        // A ring has room for as much as it says.
        if socket.writable() < buffer.len() as u32 {
            break socket.close_reason().is_some();
        }
        match socket.read(&mut buffer) {
            Ok(length) if length > 0 => {
                let _ = socket.write(buffer.get(..length).unwrap_or(&[]));
            }
            Err(ReadError::WouldBlock) => break false,
            _ => break true,
        }
    };
    if ended {
        socket.release();
    }
    !ended
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
