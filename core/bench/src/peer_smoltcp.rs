//! smoltcp 0.14 as a [`Pair`]: two interfaces over the IP medium with a socket set each,
//! checksums on, its defaults otherwise. Idle sockets get the smallest buffers that still work.

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

use crate::link::{self, Frame, MTU, Port};
use crate::pair::{
    BUSY_LOCAL_PORT, BUSY_PORT, Failure, IDLE_LOCAL_PORT, IDLE_PORT, Pair, Place, Progress, Setup,
    WINDOW,
};
use crate::stream::Stream;

/// Name of this stack in the report.
pub(crate) const NAME: &str = "smoltcp";

/// Octets of each buffer of an idle socket.
const IDLE_BUFFER: usize = 64;

const SENDER: IpAddress = IpAddress::v4(10, 0, 0, 1);
const RECEIVER: IpAddress = IpAddress::v4(10, 0, 0, 2);

struct End {
    interface: Interface,
    port: Port,
    sockets: SocketSet<'static>,
    busy: Option<SocketHandle>,
}

impl End {
    fn new(address: IpAddress, mut port: Port, seed: u64) -> Self {
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut port, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            addresses.push(IpCidr::new(address, 24)).expect("there is room for one address");
        });
        Self { interface, port, sockets: SocketSet::new(Vec::new()), busy: None }
    }

    fn poll(&mut self, now: Instant) {
        self.interface.poll(now, &mut self.port, &mut self.sockets);
    }

    fn busy(&mut self) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(self.busy.expect("the busy connection is made at set-up"))
    }

    fn established(&self) -> usize {
        let sockets = self.sockets.iter().map(|(_, socket)| match socket {
            smoltcp::socket::Socket::Tcp(socket) => socket.state(),
        });
        sockets.filter(|state| *state == tcp::State::Established).count()
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
    let (sender, receiver) = link::cable();
    let mut ends = Ends {
        sender: End::new(SENDER, sender, setup.seed),
        receiver: End::new(RECEIVER, receiver, !setup.seed),
        now: Instant::ZERO,
        stream: Stream::new(setup.seed),
    };
    if setup.place == Place::First {
        ends.open_busy();
    }
    for nth in 0..setup.idle {
        ends.open(IDLE_PORT, IDLE_LOCAL_PORT + nth, IDLE_BUFFER);
    }
    if setup.place == Place::Last {
        ends.open_busy();
    }
    ends.settle();
    match (ends.established(), 2 * (usize::from(setup.idle) + 1)) {
        (there, wanted) if there == wanted => Ok(Box::new(ends)),
        (there, wanted) => {
            Err(Failure::new(format!("{NAME}: {there} of {wanted} ends established")))
        }
    }
}

fn socket(buffer: usize) -> tcp::Socket<'static> {
    let buffer = || tcp::SocketBuffer::new(vec![0; buffer]);
    tcp::Socket::new(buffer(), buffer())
}

impl Ends {
    fn open_busy(&mut self) {
        let (sender, receiver) = self.open(BUSY_PORT, BUSY_LOCAL_PORT, WINDOW);
        self.sender.busy = Some(sender);
        self.receiver.busy = Some(receiver);
    }

    fn open(&mut self, port: u16, local_port: u16, buffer: usize) -> (SocketHandle, SocketHandle) {
        let receiver = self.receiver.sockets.add(socket(buffer));
        let listening = self.receiver.sockets.get_mut::<tcp::Socket<'_>>(receiver).listen(port);
        listening.expect("the port is not 0 and the socket is new");
        let sender = self.sender.sockets.add(socket(buffer));
        let socket = self.sender.sockets.get_mut::<tcp::Socket<'_>>(sender);
        let connecting =
            socket.connect(self.sender.interface.context(), (RECEIVER, port), local_port);
        connecting.expect("the addresses are complete and the socket is new");
        (sender, receiver)
    }

    /// Lets all handshakes end: every SYN leaves in the first poll.
    fn settle(&mut self) {
        loop {
            self.sender.poll(self.now);
            self.receiver.poll(self.now);
            if self.sender.port.is_empty() && self.receiver.port.is_empty() {
                return;
            }
        }
    }

    fn round(&mut self) {
        while let Ok(count) = self.sender.busy().send_slice(self.stream.next()) {
            if count == 0 {
                break;
            }
            self.stream.on_written(count);
        }
        self.sender.poll(self.now);
        self.receiver.poll(self.now);
        while let Ok(count) = self.receiver.busy().recv_slice(self.stream.buffer()) {
            if count == 0 {
                break;
            }
            self.stream.on_read(count);
        }
        self.receiver.poll(self.now);
    }
}

impl Pair for Ends {
    fn transfer(&mut self, octets: u64, verify: bool) -> Result<(), Failure> {
        self.stream.set_verify(verify);
        let end = self.stream.read() + octets;
        let mut progress = Progress::default();
        while self.stream.read() < end {
            self.round();
            let passed = progress.on_round(NAME, self.stream.read())?;
            self.now += smoltcp::time::Duration::from_micros(passed);
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
        self.sender.poll(self.now);
        let wake = self.sender.interface.poll_at(self.now, &self.sender.sockets);
        std::hint::black_box(wake);
    }

    fn established(&mut self) -> usize {
        self.sender.established() + self.receiver.established()
    }
}

/// A packet being read; its storage goes round.
pub(crate) struct RxToken<'p> {
    port: &'p Port,
    frame: Frame,
}

impl phy::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        let result = f(self.frame.as_slice());
        self.port.recycle(self.frame);
        result
    }
}

/// A packet to be written.
pub(crate) struct TxToken<'p> {
    port: &'p Port,
}

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = self.port.blank();
        let result = f(frame.resize(len));
        self.port.send(frame);
        result
    }
}

impl Device for Port {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(RxToken<'_>, TxToken<'_>)> {
        let port = &*self;
        port.take().map(|frame| (RxToken { port, frame }, TxToken { port }))
    }

    fn transmit(&mut self, _now: Instant) -> Option<TxToken<'_>> {
        Some(TxToken { port: self })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        capabilities
    }
}
