//! A driver that was written for `embassy-net`, under a stack of ours: in memory, with as little
//! room as real ones have.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Wake as Wakes, Waker};

use embassy_net_driver::{Driver, HardwareAddress, LinkState, RxToken, TxToken};
use hikyaku::adapter::embassy::Embassy;
use hikyaku::aio::Notify;
use hikyaku::*;

#[derive(Default)]
struct Lane {
    frames: VecDeque<Vec<u8>>,
    receiver: Option<Waker>,
    sender: Option<Waker>,
}

type SharedLane = Rc<RefCell<Lane>>;

/// A network interface in the manner of `embassy-net`, with room for one frame each way.
struct Wire {
    address: HardwareAddress,
    incoming: SharedLane,
    outgoing: SharedLane,
}

struct Received(SharedLane);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, take: F) -> R {
        let mut frame = self.0.borrow_mut().frames.pop_front().expect("a frame was promised");
        if let Some(sender) = self.0.borrow_mut().sender.take() {
            sender.wake();
        }
        take(&mut frame)
    }
}

struct Free(SharedLane);

impl TxToken for Free {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let mut frame = vec![0xee; len];
        let result = fill(&mut frame);
        let mut lane = self.0.borrow_mut();
        assert!(lane.frames.is_empty(), "there was room for one");
        lane.frames.push_back(frame);
        if let Some(receiver) = lane.receiver.take() {
            receiver.wake();
        }
        result
    }
}

impl Driver for Wire {
    type RxToken<'t> = Received;
    type TxToken<'t> = Free;

    fn receive(&mut self, context: &mut Context<'_>) -> Option<(Received, Free)> {
        let mut lane = self.incoming.borrow_mut();
        if lane.frames.is_empty() {
            lane.receiver = Some(context.waker().clone());
            return None;
        }
        // The second token is for an answer at once; ours never takes it.
        Some((Received(Rc::clone(&self.incoming)), Free(Rc::clone(&self.outgoing))))
    }

    fn transmit(&mut self, context: &mut Context<'_>) -> Option<Free> {
        let mut lane = self.outgoing.borrow_mut();
        if !lane.frames.is_empty() {
            lane.sender = Some(context.waker().clone());
            return None;
        }
        Some(Free(Rc::clone(&self.outgoing)))
    }

    fn link_state(&mut self, _context: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> embassy_net_driver::Capabilities {
        let mut capabilities = embassy_net_driver::Capabilities::default();
        capabilities.max_transmission_unit = 900;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        self.address
    }
}

fn wires(addresses: [HardwareAddress; 2]) -> [Embassy<Wire>; 2] {
    let lanes: [SharedLane; 2] = Default::default();
    [0, 1].map(|side: usize| {
        let (incoming, outgoing) = (Rc::clone(&lanes[1 - side]), Rc::clone(&lanes[side]));
        Embassy::new(Wire { address: addresses[side], incoming, outgoing }).expect("a known medium")
    })
}

/// Two stations of an Ethernet.
const STATIONS: [HardwareAddress; 2] =
    [HardwareAddress::Ethernet([2, 0, 0, 0, 0, 1]), HardwareAddress::Ethernet([2, 0, 0, 0, 0, 2])];

fn host(side: u8, device: &Embassy<Wire>) -> Stack<'static, Small> {
    let capacity = Capacity {
        connections: 2,
        listeners: 1,
        half_open: 2,
        time_wait: 2,
        udp_sockets: 0,
        neighbors: 2,
        records: 0,
        blocks: 64,
        block_size: 256,
    };
    let mut config = Config::new();
    (config.connection.receive_limit, config.connection.send_limit) = (4096, 4096);
    config.hardware_address = device.hardware_address();
    let secret = Secret::new([side; 16]).expect("not all zero");
    let stack = Stack::new(Storage::allocate(&capacity), &config, secret);
    let mut stack = stack.expect("a possible configuration");
    stack.add_address([10, 0, 0, side].into(), 24).expect("a host's address");
    stack
}

#[test]
fn a_stream_crosses_two_drivers_of_ip_packets() {
    let [near, far] = wires([HardwareAddress::Ip; 2]);
    assert_eq!(near.capabilities(), Capabilities::ip(900));
    a_stream_crosses(near, far, 860);
}

#[test]
fn a_stream_crosses_two_drivers_of_ethernet() {
    let [near, far] = wires(STATIONS);
    assert_eq!(near.capabilities(), Capabilities::ethernet(886));
    a_stream_crosses(near, far, 846);
}

#[test]
fn a_driver_of_another_medium_is_refused() {
    let (incoming, outgoing) = Default::default();
    let address = HardwareAddress::Ieee802154([1; 8]);
    assert!(Embassy::new(Wire { address, incoming, outgoing }).is_none());
}

fn a_stream_crosses(mut near: Embassy<Wire>, mut far: Embassy<Wire>, mss: u16) {
    let (mut client, mut server) = (host(1, &near), host(2, &far));
    assert!(near.is_up());
    let listener = server.listen(7, &ListenConfig::new()).expect("a free port");
    let mut now = Instant::from_millis(1);
    let remote = "10.0.0.2:7".parse().expect("an address");
    let sender = client.connect(now, remote, &ConnectConfig::new()).expect("a free port");
    let message: Vec<u8> = (0..20_000_u32).map(|at| (at % 251) as u8).collect();
    let (mut sent, mut got, mut receiver) = (0, Vec::new(), None);
    let mut buffer = [0; 512];
    for _ in 0..10_000 {
        client.poll(now, &mut near);
        server.poll(now, &mut far);
        receiver = receiver.or_else(|| server.accept(listener).ok());
        let mut socket = client.tcp(sender).expect("held");
        sent += socket.write(&message[sent..]).unwrap_or(0);
        if let Some(receiver) = receiver {
            let mut socket = server.tcp(receiver).expect("held");
            let count = socket.read(&mut buffer).unwrap_or(0);
            got.extend_from_slice(&buffer[..count]);
        }
        now = now + Duration::from_micros(100);
        if got.len() == message.len() {
            break;
        }
    }
    assert!(got == message, "{} of {} octets came", got.len(), message.len());
    let info = client.tcp(sender).expect("held").info().expect("a connection");
    assert_eq!(info.snd_mss, mss, "what fits the driver's frames");
}

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicU32);

impl Wakes for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn the_driver_wakes_whoever_was_named_last() {
    let [mut near, mut far] = wires([HardwareAddress::Ip; 2]);
    let (mut client, mut server) = (host(1, &near), host(2, &far));
    let (stale, bell) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
    let now = Instant::from_millis(1);
    far.notify(&Waker::from(Arc::clone(&stale)));
    far.notify(&Waker::from(Arc::clone(&bell)));
    server.poll(now, &mut far);
    let remote = "10.0.0.2:7".parse().expect("an address");
    client.connect(now, remote, &ConnectConfig::new()).expect("a free port");
    let rung = || (stale.0.load(Ordering::Relaxed), bell.0.load(Ordering::Relaxed));
    assert_eq!(rung(), (0, 0));
    client.poll(now, &mut near);
    assert_eq!(rung(), (0, 1), "a frame came");
    server.poll(now, &mut far);
    assert_eq!(far.driver().outgoing.borrow().frames.len(), 1, "a reset: nobody listens");
    // The wire is full now: whoever has more to send hears when there is room.
    client.poll(now, &mut near);
    assert_eq!(client.usage().connections, 1);
}
