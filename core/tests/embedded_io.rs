//! Streams that block, through the traits of `embedded-io`: one thread, no executor. The peer at
//! the other end of the wire runs whenever the board sleeps.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use embedded_io::{Error, ErrorKind, Read, ReadReady, Write, WriteReady};
use hikyaku::adapter::embedded_io::Blocking;
use hikyaku::io::IoError;
use hikyaku::*;

type Lane = Rc<RefCell<VecDeque<Vec<u8>>>>;

struct End {
    incoming: Lane,
    outgoing: Lane,
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

fn stack(side: u8) -> Stack<'static, Small> {
    let capacity = Capacity {
        connections: 4,
        listeners: 2,
        half_open: 4,
        time_wait: 4,
        udp_sockets: 0,
        neighbors: 0,
        records: 0,
        blocks: 64,
        block_size: 256,
    };
    let mut config = Config::new();
    (config.connection.receive_limit, config.connection.send_limit) = (1024, 1024);
    let secret = Secret::new([side; 16]).expect("not all zero");
    let stack = Stack::new(Storage::allocate(&capacity), &config, secret);
    let mut stack = stack.expect("a possible configuration");
    stack.add_address([10, 0, 0, side].into(), 24).expect("a host's address");
    stack
}

/// What the peer does with a connection whenever it has a turn.
type Act = fn(&mut TcpSocket<'_, 'static, Small>);

/// A board and its peer.
struct Bench {
    board: Stack<'static, Small>,
    device: End,
    peer: Peer,
    now: Rc<Cell<Instant>>,
}

struct Peer {
    stack: Stack<'static, Small>,
    device: End,
    listener: ListenerHandle,
    held: Vec<TcpHandle>,
    act: Act,
}

impl Peer {
    fn turn(&mut self, now: Instant) -> Wake {
        self.stack.poll(now, &mut self.device);
        while let Ok(handle) = self.stack.accept(self.listener) {
            self.held.push(handle);
        }
        self.held.retain(|&handle| {
            self.stack.tcp(handle).map(|mut socket| (self.act)(&mut socket)).is_ok()
        });
        self.stack.poll(now, &mut self.device)
    }
}

/// A clock that jumps to whatever happens next, on either side.
fn sleeper<'p>(peer: &'p mut Peer, now: &'p Cell<Instant>) -> impl FnMut(Wake) -> Instant + 'p {
    let mut idle = 0;
    move |wake| {
        let other = peer.turn(now.get());
        let due = [wake, other].map(|wake| match wake {
            Wake::At(at) | Wake::OnRoom { or_at: Some(at) } => Some(at),
            _ => None,
        });
        let arrives = !peer.device.outgoing.borrow().is_empty();
        if wake != Wake::Now && !arrives {
            let next = due.into_iter().flatten().min();
            idle = if next.is_some() { 0 } else { idle + 1 };
            assert!(idle < 100, "the board waits for something that never comes");
            now.set(next.map_or(now.get(), |at| at.max(now.get())));
        }
        now.get()
    }
}

fn bench(act: Act) -> Bench {
    let (here, there) = (Lane::default(), Lane::default());
    let mut peer = stack(2);
    let listener = peer.listen(7, &ListenConfig::new()).expect("a free port");
    Bench {
        board: stack(1),
        device: End { incoming: Rc::clone(&here), outgoing: Rc::clone(&there) },
        peer: Peer {
            stack: peer,
            device: End { incoming: there, outgoing: here },
            listener,
            held: Vec::new(),
            act,
        },
        now: Rc::new(Cell::new(Instant::from_millis(1))),
    }
}

fn echo(socket: &mut TcpSocket<'_, 'static, Small>) {
    let mut buffer = [0; 100];
    while let Ok(count @ 1..) = socket.peek(&mut buffer) {
        let Ok(written) = socket.write(&buffer[..count]) else { return };
        let _ = socket.read(&mut buffer[..written]);
    }
    if socket.peek(&mut buffer) == Ok(0) {
        socket.close();
    }
}

fn server() -> std::net::SocketAddr {
    "10.0.0.2:7".parse().expect("an address")
}

#[test]
fn a_stream_is_written_read_and_flushed() {
    let Bench { mut board, mut device, mut peer, now } = bench(echo);
    let mut net = Blocking::new(&mut board, &mut device, sleeper(&mut peer, &now));
    let handle = net.connect(server(), &ConnectConfig::new()).expect("a server");
    let mut stream = net.stream(handle);
    assert_eq!((stream.read_ready(), stream.write_ready()), (Ok(false), Ok(true)));
    let (mut sent, mut got) = (Vec::new(), Vec::new());
    for round in 0..40_u8 {
        let part = [round; 500];
        stream.write_all(&part).expect("an open half");
        sent.extend_from_slice(&part);
        // One read takes what is there and waits only for the first octet.
        let mut buffer = [0; 700];
        let count = stream.read(&mut buffer).expect("an open connection");
        assert!(count > 0);
        got.extend_from_slice(&buffer[..count]);
    }
    stream.flush().expect("a peer that reads");
    let mut rest = vec![0; sent.len() - got.len()];
    stream.read_exact(&mut rest).expect("all of it");
    got.extend_from_slice(&rest);
    assert!(got == sent, "what came back is not what was sent");
    assert_eq!(net.stack().tcp(handle).map(|socket| socket.send_queue()), Ok(0));

    net.stack().tcp(handle).expect("held").close();
    let mut stream = net.stream(handle);
    assert_eq!(stream.write(b"x"), Err(IoError::Closed));
    assert_eq!(stream.read(&mut [0; 4]), Ok(0), "the end of the stream");
    stream.flush().expect("the FIN is acknowledged");
    assert!(net.stack().tcp(handle).is_ok_and(|socket| socket.state() == State::TimeWait));
}

#[test]
fn a_connection_is_accepted() {
    let Bench { mut board, mut device, mut peer, now } = bench(|socket| {
        // The peer writes once and waits for the answer.
        if socket.info().is_some_and(|info| info.unsent + info.unacknowledged == 0) {
            let _ = socket.write(b"who is there?");
        }
    });
    let listener = board.listen(80, &ListenConfig::new()).expect("a free port");
    let to = "10.0.0.1:80".parse().expect("an address");
    let handle = peer.stack.connect(now.get(), to, &ConnectConfig::new()).expect("a free port");
    peer.held.push(handle);
    let mut net = Blocking::new(&mut board, &mut device, sleeper(&mut peer, &now));
    let accepted = net.accept(listener).expect("a connection");
    let mut buffer = [0; 13];
    net.stream(accepted).read_exact(&mut buffer).expect("octets");
    assert_eq!(&buffer, b"who is there?");
    net.stack().close_listener(listener).expect("it was open");
    assert_eq!(net.accept(listener), Err(IoError::Stale));
}

#[test]
fn errors_say_what_kind_they_are_of() {
    let Bench { mut board, mut device, mut peer, now } = bench(|socket| socket.abort());
    let mut net = Blocking::new(&mut board, &mut device, sleeper(&mut peer, &now));
    let nobody = "10.0.0.2:99".parse().expect("an address");
    let refused = net.connect(nobody, &ConnectConfig::new()).expect_err("nobody listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(net.stack().usage().connections, 0, "nothing is left of it");
    let ours = "10.0.0.1:7".parse().expect("an address");
    let invalid = net.connect(ours, &ConnectConfig::new()).expect_err("our own address");
    assert_eq!(invalid.kind(), ErrorKind::InvalidInput);
    let v6 = "[fe80::1]:7".parse().expect("an address");
    let homeless = net.connect(v6, &ConnectConfig::new()).expect_err("no address to speak from");
    assert_eq!(homeless.kind(), ErrorKind::AddrNotAvailable);

    let handle = net.connect(server(), &ConnectConfig::new()).expect("a server");
    let mut stream = net.stream(handle);
    let reset = stream.read(&mut [0; 4]).expect_err("the peer aborts");
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    assert_eq!(stream.write_ready().expect_err("it is over").kind(), ErrorKind::ConnectionReset);
    net.stack().tcp(handle).expect("held").release();
    let stale = net.stream(handle).flush().expect_err("it was released");
    assert_eq!((stale, stale.kind()), (IoError::Stale, ErrorKind::NotConnected));

    let kinds = [
        (IoError::Ended(CloseReason::TimedOut), ErrorKind::TimedOut),
        (IoError::Ended(CloseReason::Aborted), ErrorKind::ConnectionAborted),
        (IoError::Listen(ListenError::InUse), ErrorKind::AddrInUse),
        (IoError::Connect(ConnectError::NoMemory), ErrorKind::OutOfMemory),
        (IoError::Closed, ErrorKind::BrokenPipe),
        (IoError::Unsupported, ErrorKind::Unsupported),
    ];
    for (error, kind) in kinds {
        assert_eq!(error.kind(), kind, "{error}");
    }
}
