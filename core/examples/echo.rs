//! An echo server with the memory of a small controller, and a client that talks to it.
//!
//! The application is what stands between the two lines of dashes; the README shows it. The rest
//! is what a board brings along: a driver, a clock, a source of entropy. Here the driver is a wire
//! in memory, and at its other end a second stack plays the client.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

// ------------------------------------------------------------------------------------------------
use hikyaku::*;

storage!(static NET: Small {
    connections: 4, listeners: 1, half_open: 0, time_wait: 0, udp_sockets: 0,
    records: 0, window: 4096,
});

/// A stack that listens on TCP port 7. `None`: this is the second one, or the secret is all zero.
fn start(secret: [u8; 16]) -> Option<Stack<'static, Small>> {
    let mut stack = Stack::new(NET.take()?, &Config::new(), Secret::new(secret)?).ok()?;
    stack.add_address([192, 168, 69, 2].into(), 24).ok()?;
    stack.listen(7, &ListenConfig::new()).ok().map(|_| stack)
}

/// One turn of the loop. Says when to take the next.
fn turn(stack: &mut Stack<'static, Small>, device: &mut impl Device, now: Instant) -> Wake {
    let mut wake = stack.poll(now, device);
    while let Some((handle, _)) = stack.next_event() {
        wake = Wake::Now; // What is written here leaves in the next turn.
        match handle {
            Handle::Listener(listener) => while stack.accept(listener).is_ok() {},
            Handle::Tcp(connection) => _ = stack.tcp(connection).map(echo),
            Handle::Udp(_) => {}
        }
    }
    wake
}

/// Writes what can be read. What finds no room stays unread; a later event brings us back.
fn echo(mut socket: TcpSocket<'_, '_, Small>) {
    let mut buffer = [0; 256];
    while let Ok(count @ 1..) = socket.peek(&mut buffer) {
        let Ok(written) = socket.write(&buffer[..count]) else { return };
        let _ = socket.read(&mut buffer[..written]);
    }
    if socket.peek(&mut buffer) != Err(ReadError::WouldBlock) {
        socket.release(); // The stream or the connection has ended; ours ends by itself.
    }
}
// ------------------------------------------------------------------------------------------------

/// A driver: one end of a wire in memory.
struct End {
    incoming: Rc<RefCell<VecDeque<Vec<u8>>>>,
    outgoing: Rc<RefCell<VecDeque<Vec<u8>>>>,
}

impl Device for End {
    fn capabilities(&self) -> Capabilities {
        Capabilities::ip(1500)
    }

    fn receive<R>(&mut self, take: impl FnOnce(&[u8], RxMeta) -> R) -> Option<R> {
        let packet = self.incoming.borrow_mut().pop_front()?;
        Some(take(&packet, RxMeta::default()))
    }

    fn transmit(&mut self, packet: &Packet<'_>) -> Result<(), NoRoom> {
        let mut octets = vec![0; packet.len()];
        packet.copy_into(&mut octets).ok_or(NoRoom)?;
        self.outgoing.borrow_mut().push_back(octets);
        Ok(())
    }
}

storage!(static CLIENT: Small {
    connections: 1, listeners: 0, half_open: 0, time_wait: 0, udp_sockets: 0,
    records: 0, window: 4096,
});

fn main() {
    let (here, there) = (Rc::default(), Rc::default());
    let mut wire = End { incoming: Rc::clone(&here), outgoing: Rc::clone(&there) };
    let mut far_end = End { incoming: there, outgoing: here };
    let started = std::time::Instant::now();
    let now = || Instant::from_micros(started.elapsed().as_micros() as u64);

    // A board asks its random number generator for sixteen octets, anew at every start.
    let mut server = start([0x5a; 16]).expect("started once");
    let secret = Secret::new([0xa5; 16]).expect("not all zero");
    let memory = CLIENT.take().expect("taken once");
    let mut client = Stack::new(memory, &Config::new(), secret).expect("a possible configuration");
    client.add_address([192, 168, 69, 1].into(), 24).expect("a host's address");
    let server_address = "192.168.69.2:7".parse().expect("an address");
    let connection =
        client.connect(now(), server_address, &ConnectConfig::new()).expect("a free connection");

    let message: Vec<u8> = (0..20_000_u32).map(|at| (at % 251) as u8).collect();
    let (mut sent, mut echoed) = (0, Vec::new());
    let mut buffer = [0; 512];
    // A board would sleep as `turn` says; here the other end always has something to do.
    loop {
        turn(&mut server, &mut wire, now());
        client.poll(now(), &mut far_end);
        let mut socket = client.tcp(connection).expect("not released");
        sent += socket.write(&message[sent..]).unwrap_or(0);
        if sent == message.len() {
            socket.close();
        }
        match socket.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => echoed.extend_from_slice(&buffer[..count]),
            Err(ReadError::WouldBlock) => {}
            Err(ReadError::Ended(reason)) => panic!("{reason}"),
        }
    }
    assert!(echoed == message, "what came back is not what was sent");
    println!("{} octets went out and came back in {} us", echoed.len(), now().micros());
}
