//! The smallest useful image: a TCP echo on port 7 of 192.168.69.2, one connection at a time with
//! 2 × 2048 octets of buffers, over Ethernet, ARP and IPv4, on the profile `Small` without ICMP.
//!
//! `core/firmware/check size` weighs it and watches it run.
#![no_std]
#![no_main]

use core::panic::PanicInfo;

use cortex_m_rt::entry;
use hikyaku::{
    ConfigError, Instant, ListenConfig, Profile, Secret, Small, Stack, TcpHandle, storage,
};
use hikyaku_firmware::board::{Board, IPV4, IPV4_PREFIX, config};
use hikyaku_firmware::stellaris::Buffer;
use static_cell::StaticCell;

/// `Small`, without answers by ICMP.
struct Silent;

impl Profile for Silent {
    type Recovery = <Small as Profile>::Recovery;
    type Congestion = <Small as Profile>::Congestion;
    type Reassembly = <Small as Profile>::Reassembly;
    type Stream = <Small as Profile>::Stream;
    type Tables = <Small as Profile>::Tables;
    type Observer = <Small as Profile>::Observer;
    type Waker = <Small as Profile>::Waker;
    const ICMP_ECHO: bool = false;
    const ICMP_ERRORS: bool = false;
    const KEEPALIVE: bool = Small::KEEPALIVE;
    const TIMESTAMPS: bool = Small::TIMESTAMPS;
    const SACK: bool = Small::SACK;
    const URGENT: bool = Small::URGENT;
    const COOKIES: bool = Small::COOKIES;
    const PRUNING: bool = Small::PRUNING;
    const RECORDS: bool = Small::RECORDS;
    const ADDRESS_CONFLICTS: bool = Small::ADDRESS_CONFLICTS;
}

storage!(static NET: Silent {
    connections: 1,
    listeners: 1,
    half_open: 0,
    time_wait: 0,
    udp_sockets: 0,
    neighbors: 2,
    records: 0,
    blocks: 2 x 2048
});

/// In a static rather than on the stack, so that what is on the stack is only what calls need; and
/// with the error that making it can end in, so that it is made in place.
static STACK: StaticCell<Result<Stack<'static, Silent>, ConfigError>> = StaticCell::new();

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
fn start(secret: Secret) -> Option<&'static mut Stack<'static, Silent>> {
    let storage = NET.take()?;
    let stack = STACK.init_with(|| Stack::new(storage, &config(), secret)).as_mut().ok()?;
    stack.add_address(IPV4.into(), IPV4_PREFIX).ok()?;
    Some(stack)
}

fn serve(stack: &mut Stack<'_, Silent>, board: &mut Board<'_>) {
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

/// Sends back what has come in. Whether there may be more.
fn echo(stack: &mut Stack<'_, Silent>, handle: TcpHandle) -> bool {
    let mut buffer = [0; 64];
    let Ok(mut socket) = stack.tcp(handle) else { return false };
    loop {
        match socket.peek(&mut buffer) {
            Ok(length) if length > 0 => {
                // What finds no room waits where it is.
                match socket.write(buffer.get(..length).unwrap_or(&[])) {
                    Ok(written) => {
                        let _ = socket.read(buffer.get_mut(..written).unwrap_or(&mut []));
                    }
                    Err(_) => return true,
                }
            }
            Err(_) if socket.close_reason().is_none() => return true,
            _ => {
                socket.release();
                return false;
            }
        }
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
