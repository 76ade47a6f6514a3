//! hikyaku as a [`Pair`]: two stacks of profile `Full` over the IP medium, checksums on, their
//! defaults otherwise. Idle connections come out of the same pool as the busy one.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use hikyaku::{
    AllocationPolicy, Capabilities, Capacity, Config, ConnectConfig, Device, Duration, Instant,
    ListenConfig, ListenerHandle, NoRoom, Packet, RxMeta, Secret, Stack, State, Storage, TcpHandle,
    Wake,
};

use crate::link::{self, MTU, Port};
use crate::pair::{
    BUSY_LOCAL_PORT, BUSY_PORT, Failure, IDLE_LOCAL_PORT, IDLE_PORT, Pair, Place, Progress, Setup,
};
use crate::stream::{Random, Stream};

/// Name of this stack in the report.
pub(crate) const NAME: &str = "hikyaku";

/// Handshakes begun before they are waited for: fewer than the accept queue holds.
const BATCH: u16 = 64;
/// Accept queue and half-open records.
const BACKLOG: u16 = 128;
/// Data blocks beside the two that every connection is promised: what the windows of the busy
/// one may take up.
const BUSY_BLOCKS: usize = 64;
/// Segments in flight that are remembered: more than a window holds.
const RECORDS: usize = 256;
/// Rounds of polls in which a batch of handshakes must have ended.
const HANDSHAKE_ROUNDS: u32 = 100;

const SENDER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const RECEIVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

struct End {
    stack: Stack<'static>,
    port: Port,
    connections: Vec<TcpHandle>,
    busy: Option<TcpHandle>,
}

impl End {
    fn new(address: IpAddr, port: Port, idle: u16, secret: [u8; 16]) -> Result<Self, Failure> {
        let mut capacity = Capacity::new();
        capacity.connections = usize::from(idle) + 1;
        capacity.half_open = usize::from(BACKLOG);
        capacity.blocks = 2 * capacity.connections + BUSY_BLOCKS;
        capacity.records = RECORDS;
        // Ten thousand windows are promised, and one is used.
        let config = Config { policy: AllocationPolicy::Overcommit, ..Config::new() };
        let secret = Secret::new(secret).ok_or_else(|| failed("secret", "all zero"))?;
        let storage = Storage::allocate(&capacity);
        let mut stack =
            Stack::new(storage, &config, secret).map_err(|error| failed("set-up", error))?;
        stack.add_address(address, 24).map_err(|error| failed("address", error))?;
        Ok(Self { stack, port, connections: Vec::new(), busy: None })
    }

    /// Polls until the stack has nothing left to do: one poll does bounded work.
    fn poll(&mut self, now: Instant) {
        while self.stack.poll(now, &mut self.port) == Wake::Now {}
        while self.stack.next_event().is_some() {}
    }

    fn established(&mut self) -> usize {
        let Self { stack, connections, .. } = self;
        let states = connections.iter().map(|handle| stack.tcp(*handle).map(|tcp| tcp.state()));
        states.filter(|state| matches!(state, Ok(State::Established))).count()
    }
}

struct Ends {
    sender: End,
    receiver: End,
    now: Instant,
    stream: Stream,
}

/// Builds the pair, with every connection established.
pub(crate) fn pair(setup: Setup) -> Result<Box<dyn Pair>, Failure> {
    let mut random = Random::new(setup.seed);
    let (sender, receiver) = link::cable();
    let mut ends = Ends {
        sender: End::new(SENDER, sender, setup.idle, random.octets())?,
        receiver: End::new(RECEIVER, receiver, setup.idle, random.octets())?,
        now: Instant::from_micros(1_000_000),
        stream: Stream::new(setup.seed),
    };
    if setup.place == Place::First {
        ends.open_busy()?;
    }
    let listener = ends.listen(IDLE_PORT)?;
    let mut opened = 0;
    while opened < setup.idle {
        let batch = BATCH.min(setup.idle - opened);
        ends.open(listener, IDLE_PORT, IDLE_LOCAL_PORT + opened, batch)?;
        opened += batch;
    }
    if setup.place == Place::Last {
        ends.open_busy()?;
    }
    Ok(Box::new(ends))
}

fn failed(what: &str, why: impl core::fmt::Debug) -> Failure {
    Failure::new(format!("{NAME}: {what}: {why:?}"))
}

impl Ends {
    fn open_busy(&mut self) -> Result<(), Failure> {
        let listener = self.listen(BUSY_PORT)?;
        self.open(listener, BUSY_PORT, BUSY_LOCAL_PORT, 1)?;
        self.sender.busy = self.sender.connections.last().copied();
        self.receiver.busy = self.receiver.connections.last().copied();
        Ok(())
    }

    fn listen(&mut self, port: u16) -> Result<ListenerHandle, Failure> {
        let config = ListenConfig { backlog: BACKLOG, ..ListenConfig::new() };
        self.receiver.stack.listen(port, &config).map_err(|error| failed("listen", error))
    }

    /// Establishes `count` connections from ports that begin with `local_port`.
    fn open(
        &mut self,
        listener: ListenerHandle,
        port: u16,
        local_port: u16,
        count: u16,
    ) -> Result<(), Failure> {
        let remote = SocketAddr::new(RECEIVER, port);
        for nth in 0..count {
            let local_port = Some(local_port + nth);
            let config = ConnectConfig { local_port, ..ConnectConfig::new() };
            let handle = self.sender.stack.connect(self.now, remote, &config);
            self.sender.connections.push(handle.map_err(|error| failed("connect", error))?);
        }
        for _ in 0..HANDSHAKE_ROUNDS {
            self.sender.poll(self.now);
            self.receiver.poll(self.now);
            while let Ok(handle) = self.receiver.stack.accept(listener) {
                self.receiver.connections.push(handle);
            }
            let accepted = self.receiver.connections.len() == self.sender.connections.len();
            if accepted && self.sender.port.is_empty() && self.receiver.port.is_empty() {
                return Ok(());
            }
            self.now = self.now + Duration::from_micros(1_000);
        }
        let (there, wanted) = (self.receiver.connections.len(), self.sender.connections.len());
        Err(Failure::new(format!("{NAME}: {there} of {wanted} handshakes ended")))
    }

    fn round(&mut self) -> Result<(), Failure> {
        let Self { sender, receiver, now, stream } = self;
        let (Some(from), Some(to)) = (sender.busy, receiver.busy) else {
            return Err(failed("transfer", "no busy connection"));
        };
        let mut socket = sender.stack.tcp(from).map_err(|error| failed("sender", error))?;
        while let Ok(count) = socket.write(stream.next()) {
            stream.on_written(count);
        }
        sender.poll(*now);
        receiver.poll(*now);
        let mut socket = receiver.stack.tcp(to).map_err(|error| failed("receiver", error))?;
        while let Ok(count) = socket.read(stream.buffer()) {
            if count == 0 {
                return Err(failed("receiver", "the stream has ended"));
            }
            stream.on_read(count);
        }
        receiver.poll(*now);
        Ok(())
    }
}

impl Pair for Ends {
    fn transfer(&mut self, octets: u64, verify: bool) -> Result<(), Failure> {
        self.stream.set_verify(verify);
        let end = self.stream.read() + octets;
        let mut progress = Progress::default();
        while self.stream.read() < end {
            self.round()?;
            let passed = progress.on_round(NAME, self.stream.read())?;
            self.now = self.now + Duration::from_micros(passed);
        }
        Ok(())
    }

    fn octets(&self) -> u64 {
        self.stream.read()
    }

    fn data_segments(&self) -> u64 {
        self.sender.port.data_frames()
    }

    fn idle_poll(&mut self) {
        let End { stack, port, .. } = &mut self.sender;
        stack.poll(self.now, port);
        std::hint::black_box(stack.next_wake(self.now));
    }

    fn established(&mut self) -> usize {
        self.sender.established() + self.receiver.established()
    }
}

impl Device for Port {
    fn capabilities(&self) -> Capabilities {
        Capabilities::ip(MTU as u16)
    }

    fn receive<R>(&mut self, f: impl FnOnce(&[u8], RxMeta) -> R) -> Option<R> {
        let frame = self.take()?;
        let result = f(frame.as_slice(), RxMeta { checksum_verified: false });
        self.recycle(frame);
        Some(result)
    }

    fn transmit(&mut self, packet: &Packet<'_>) -> Result<(), NoRoom> {
        let mut frame = self.blank();
        match packet.copy_into(frame.resize(packet.len())) {
            Some(_) => self.send(frame),
            None => unreachable!("the frame is as long as the packet"),
        }
        Ok(())
    }
}
