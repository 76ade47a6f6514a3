//! The image `minimal` with parts that one can choose: `core/firmware/check parts` names some in
//! `HIKYAKU_PARTS`, builds it, and looks how much larger it has become. It is weighed, not run.
#![no_std]
#![no_main]

use core::panic::PanicInfo;

use cortex_m_rt::entry;
use hikyaku::{Instant, ListenConfig, Profile, ReadError, Secret, Stack, TcpHandle, storage};
use hikyaku_firmware::board::{Board, IPV4, IPV4_PREFIX, config};
use hikyaku_firmware::stellaris::Buffer;
use static_cell::StaticCell;

/// `Tiny`, but for what is chosen.
struct Chosen;

impl Profile for Chosen {
    #[cfg(part = "scoreboard")]
    type Recovery = <hikyaku::Full as Profile>::Recovery;
    #[cfg(part = "go_back")]
    type Recovery = <hikyaku::Small as Profile>::Recovery;
    #[cfg(not(any(part = "scoreboard", part = "go_back")))]
    type Recovery = <hikyaku::Tiny as Profile>::Recovery;
    #[cfg(part = "chosen")]
    type Congestion = <hikyaku::Full as Profile>::Congestion;
    #[cfg(part = "reno")]
    type Congestion = <hikyaku::Small as Profile>::Congestion;
    #[cfg(not(any(part = "chosen", part = "reno")))]
    type Congestion = <hikyaku::Tiny as Profile>::Congestion;
    #[cfg(part = "assembler")]
    type Reassembly = <hikyaku::Full as Profile>::Reassembly;
    #[cfg(not(part = "assembler"))]
    type Reassembly = <hikyaku::Tiny as Profile>::Reassembly;
    #[cfg(part = "queue")]
    type Stream = <hikyaku::Full as Profile>::Stream;
    #[cfg(not(part = "queue"))]
    type Stream = <hikyaku::Tiny as Profile>::Stream;
    #[cfg(part = "keyed")]
    type Tables = <hikyaku::Full as Profile>::Tables;
    #[cfg(not(part = "keyed"))]
    type Tables = <hikyaku::Tiny as Profile>::Tables;
    type Observer = ();
    type Waker = ();
    const ICMP_ECHO: bool = cfg!(part = "icmp_echo");
    const ICMP_ERRORS: bool = cfg!(part = "icmp_errors");
    const RESET_LIMITS: bool = cfg!(part = "reset_limits");
    const KEEPALIVE: bool = cfg!(part = "keepalive");
    const TIMESTAMPS: bool = cfg!(part = "timestamps");
    const SACK: bool = cfg!(part = "sack");
    const URGENT: bool = cfg!(part = "urgent");
    const COOKIES: bool = cfg!(part = "cookies");
    const PRUNING: bool = cfg!(part = "pruning");
    const RECORDS: bool = cfg!(part = "records");
    const ADDRESS_CONFLICTS: bool = cfg!(part = "address_conflicts");
}

storage!(static NET: Chosen {
    connections: 1,
    listeners: 1,
    half_open: cfg!(part = "records") as usize,
    time_wait: cfg!(part = "records") as usize,
    udp_sockets: cfg!(feature = "udp") as usize,
    neighbors: 2,
    records: if cfg!(part = "scoreboard") { 2 } else { 0 },
    blocks: 2 x 2048
});

static STACK: StaticCell<Stack<'static, Chosen>> = StaticCell::new();

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
fn start(secret: Secret) -> Option<&'static mut Stack<'static, Chosen>> {
    let storage = NET.take()?;
    let mut config = config();
    // Two segments fit into a block.
    config.connection.mss = Some(1024);
    #[cfg(part = "keepalive")]
    (config.connection.keepalive = Some(hikyaku::Duration::from_secs(7200)));
    #[cfg(part = "pruning")]
    (config.policy = hikyaku::AllocationPolicy::Overcommit);
    let stack = Stack::new_in(STACK.try_uninit()?, storage, &config, secret).ok()?;
    #[cfg(not(part = "address_conflicts"))]
    stack.add_address(IPV4.into(), IPV4_PREFIX).ok()?;
    #[cfg(part = "address_conflicts")]
    stack.probe_address(IPV4.into(), IPV4_PREFIX).ok()?;
    #[cfg(feature = "ipv6")]
    {
        use hikyaku_firmware::board::{IPV6, IPV6_PREFIX};
        stack.add_address(IPV6.into(), IPV6_PREFIX).ok()?;
        stack.add_link_local().ok()?;
    }
    #[cfg(part = "gateway")]
    stack.set_gateway(hikyaku_firmware::board::GATEWAY.into()).ok()?;
    Some(stack)
}

#[inline(never)]
fn serve(stack: &mut Stack<'_, Chosen>, board: &mut Board<'_>) {
    let Ok(listener) = stack.listen(7, &ListenConfig::new()) else { return };
    let mut connection: Option<TcpHandle> = None;
    #[cfg(part = "udp")]
    let datagrams = stack.bind_udp(&hikyaku::UdpConfig {
        receive_limit: 512,
        send_limit: 512,
        ..hikyaku::UdpConfig::new(7)
    });
    #[cfg(part = "dhcp")]
    let mut client = {
        use hikyaku::service::dhcp::{Client, Config};
        Client::new(Config::new(hikyaku_firmware::board::HARDWARE_ADDRESS))
    };
    loop {
        let now = Instant::from_micros(board.clock.micros());
        stack.poll(now, &mut board.device);
        #[cfg(part = "dhcp")]
        while client.poll(stack, now).is_some() {}
        #[cfg(part = "udp")]
        let _ = datagrams.map(|socket| return_datagrams(stack, socket));
        #[cfg(part = "events")]
        while stack.next_event().is_some() {}
        #[cfg(part = "connect")]
        if connection.is_none() {
            let remote = core::net::SocketAddr::new([192, 168, 69, 1].into(), 7);
            connection = stack.connect(now, remote, &hikyaku::ConnectConfig::new()).ok();
        }
        match connection {
            Some(handle) if echo(stack, handle) => {}
            _ => connection = stack.accept(listener).ok(),
        }
    }
}

#[cfg(part = "udp")]
fn return_datagrams(stack: &mut Stack<'_, Chosen>, socket: hikyaku::UdpHandle) {
    let mut buffer = [0; 64];
    let Ok(mut socket) = stack.udp(socket) else { return };
    while let Ok(datagram) = socket.recv_from(&mut buffer) {
        let _ = socket.send_to(buffer.get(..datagram.len).unwrap_or(&[]), datagram.source);
    }
}

/// Sends back what has come in, as far as there is room. Whether there may be more.
#[inline(never)]
fn echo(stack: &mut Stack<'_, Chosen>, handle: TcpHandle) -> bool {
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
