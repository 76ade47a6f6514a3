//! The services that every host had once, over IPv4 and IPv6: echo on port 7, discard on port 9 and
//! a generator of characters on port 19 (RFC 862, 863, 864), each by TCP and by UDP, and answers to
//! pings. Eight connections at once, in windows of a kilobyte.
//!
//! With the feature `dhcp` the IPv4 address comes from a server.
#![no_std]
#![no_main]

use core::panic::PanicInfo;

use cortex_m_rt::entry;
#[cfg(feature = "dhcp")]
use hikyaku::service::dhcp;
use hikyaku::{
    ConfigError, Instant, ListenConfig, ListenerHandle, Small, Stack, TcpHandle, TcpSocket,
    UdpConfig, UdpHandle, Wake, storage,
};
#[cfg(feature = "dhcp")]
use hikyaku_firmware::board::HARDWARE_ADDRESS;
use hikyaku_firmware::board::{Board, IPV6, IPV6_LINK, IPV6_PREFIX, config};
#[cfg(not(feature = "dhcp"))]
use hikyaku_firmware::board::{GATEWAY, IPV4, IPV4_PREFIX};
use hikyaku_firmware::stellaris::Buffer;

const CONNECTIONS: usize = 8;

storage!(static NET: Small {
    connections: CONNECTIONS,
    listeners: 3,
    half_open: 4,
    time_wait: 4,
    udp_sockets: 4,
    neighbors: 8,
    records: 0,
    window: 1024
});

#[derive(Clone, Copy, PartialEq, Eq)]
enum Service {
    Echo,
    Discard,
    Generator,
}

const SERVICES: [(u16, Service); 3] =
    [(7, Service::Echo), (9, Service::Discard), (19, Service::Generator)];

/// A connection and what it is served with.
#[derive(Clone, Copy)]
struct Served {
    handle: TcpHandle,
    service: Service,
    /// Characters that the generator has sent.
    sent: u32,
}

#[entry]
fn main() -> ! {
    static mut FRAME: Buffer = Buffer::EMPTY;
    static mut DATAGRAM: [u8; 1024] = [0; 1024];
    let (mut board, secret) = Board::start(FRAME);
    let mut config = config();
    // Two segments fit into a window.
    config.connection.mss = Some(512);
    if let Some(secret) = secret
        && let Some(storage) = NET.take()
        && let Ok(mut stack) = Stack::<Small>::new(storage, &config, secret)
        && configure(&mut stack).is_ok()
    {
        serve(&mut stack, &mut board, DATAGRAM);
    }
    loop {}
}

fn configure(stack: &mut Stack<'_, Small>) -> Result<(), ConfigError> {
    #[cfg(not(feature = "dhcp"))]
    {
        stack.add_address(IPV4.into(), IPV4_PREFIX)?;
        stack.set_gateway(GATEWAY.into())?;
    }
    stack.add_address(IPV6.into(), IPV6_PREFIX)?;
    stack.add_address(IPV6_LINK.into(), IPV6_PREFIX)
}

fn serve(stack: &mut Stack<'_, Small>, board: &mut Board<'_>, datagram: &mut [u8]) {
    let listeners = SERVICES.map(|(port, _)| stack.listen(port, &ListenConfig::new()).ok());
    let sockets = SERVICES.map(|(port, _)| {
        let config = UdpConfig { receive_limit: 512, send_limit: 512, ..UdpConfig::new(port) };
        stack.bind_udp(&config).ok()
    });
    #[cfg(feature = "dhcp")]
    let mut client = dhcp::Client::new(dhcp::Config::new(HARDWARE_ADDRESS));
    let mut connections: [Option<Served>; CONNECTIONS] = [None; CONNECTIONS];
    loop {
        let now = Instant::from_micros(board.clock.micros());
        let wake = stack.poll(now, &mut board.device);
        // What it has done is seen at the address; it is asked at least every 10 ms.
        #[cfg(feature = "dhcp")]
        while client.poll(stack, now).is_some() {}
        accept(stack, &listeners, &mut connections);
        for connection in &mut connections {
            if let Some(served) = connection
                && !serve_connection(stack, served)
            {
                *connection = None;
            }
        }
        for (socket, (_, service)) in sockets.iter().zip(SERVICES) {
            if let Some(socket) = socket {
                answer(stack, *socket, service, datagram);
            }
        }
        // What was just written is work, too: only who has nothing at all to do may sleep.
        if wake != Wake::Now && stack.next_wake(now) != Wake::Now {
            board.sleep();
        }
    }
}

fn accept(
    stack: &mut Stack<'_, Small>,
    listeners: &[Option<ListenerHandle>; 3],
    connections: &mut [Option<Served>; CONNECTIONS],
) {
    for (listener, (_, service)) in listeners.iter().zip(SERVICES) {
        for free in connections.iter_mut().filter(|connection| connection.is_none()) {
            let handle = listener.and_then(|listener| stack.accept(listener).ok());
            let Some(handle) = handle else { break };
            *free = Some(Served { handle, service, sent: 0 });
        }
    }
}

/// Whether there may be more to do for the connection.
fn serve_connection(stack: &mut Stack<'_, Small>, served: &mut Served) -> bool {
    let Ok(mut socket) = stack.tcp(served.handle) else { return false };
    let goes_on = match served.service {
        Service::Echo => echo(&mut socket),
        Service::Discard => discard(&mut socket),
        Service::Generator => generate(&mut socket, &mut served.sent),
    };
    if !goes_on {
        socket.release();
    }
    goes_on
}

fn echo(socket: &mut TcpSocket<'_, '_, Small>) -> bool {
    let mut buffer = [0; 64];
    loop {
        match socket.peek(&mut buffer) {
            Ok(length) if length > 0 => {
                // What finds no room waits where it is.
                let Ok(written) = socket.write(buffer.get(..length).unwrap_or(&[])) else {
                    return true;
                };
                let _ = socket.read(buffer.get_mut(..written).unwrap_or(&mut []));
            }
            Err(_) => return socket.close_reason().is_none(),
            Ok(_) => return false,
        }
    }
}

fn discard(socket: &mut TcpSocket<'_, '_, Small>) -> bool {
    loop {
        match socket.read_with(|octets| octets.len()) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(_) => return socket.close_reason().is_none(),
        }
    }
}

/// Lines of 72 characters, each beginning with the character after that of the line before.
fn generate(socket: &mut TcpSocket<'_, '_, Small>, sent: &mut u32) -> bool {
    while let Ok(written) = socket.write_with(|room| {
        for octet in room.iter_mut() {
            *octet = character(*sent);
            *sent = sent.wrapping_add(1);
        }
        room.len()
    }) && written > 0
    {}
    // What the peer says is thrown away, and all that counts is that it says no more.
    discard(socket)
}

fn character(at: u32) -> u8 {
    const LINE: u32 = 72;
    const PRINTABLE: u32 = 95;
    match (at / (LINE + 2), at % (LINE + 2)) {
        (_, LINE) => b'\r',
        (line, column) if column < LINE => b' ' + ((line + column) % PRINTABLE) as u8,
        _ => b'\n',
    }
}

fn answer(stack: &mut Stack<'_, Small>, socket: UdpHandle, service: Service, buffer: &mut [u8]) {
    let Ok(mut socket) = stack.udp(socket) else { return };
    while let Ok(datagram) = socket.recv_from(buffer) {
        let payload = match service {
            Service::Echo => buffer.get(..datagram.len).unwrap_or(&[]),
            Service::Discard => continue,
            Service::Generator => {
                for (at, octet) in buffer.iter_mut().enumerate() {
                    *octet = character(at as u32);
                }
                buffer.get(..74).unwrap_or(&[])
            }
        };
        let _ = socket.send_to(payload, datagram.source);
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
