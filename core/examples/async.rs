//! An echo server and its client as tasks of embassy's executor, through the traits of `edge-nal`.
//!
//! Both stacks live in `.bss`; the executor and the timer are those of a host, on a board they are
//! the board's. `cargo run -p hikyaku --features edge-nal,embassy-time --example async`

use std::cell::RefCell;
use std::collections::VecDeque;
use std::task::Waker;

use edge_nal::io::{Read, Write};
use edge_nal::{Close, TcpAccept, TcpBind, TcpConnect, TcpShutdown};
use embassy_executor::{Executor, Spawner};
use hikyaku::adapter::embassy_time::EmbassyTime;
use hikyaku::aio::{Async, Notify, Shared};
use hikyaku::*;
use static_cell::StaticCell;

type Net = Shared<'static, Async<Small>>;

storage!(static SERVER: Async<Small> {
    connections: 4, listeners: 1, half_open: 0, time_wait: 0, udp_sockets: 0,
    records: 0, window: 4096,
});
storage!(static CLIENT: Async<Small> {
    connections: 1, listeners: 0, half_open: 0, time_wait: 0, udp_sockets: 0,
    records: 0, window: 4096,
});

/// Drives a stack.
#[embassy_executor::task(pool_size = 2)]
async fn drive(net: &'static Net, mut device: End) {
    net.run(&mut device).await
}

/// Echoes for whoever comes.
#[embassy_executor::task]
async fn serve(net: &'static Net) {
    let local = "0.0.0.0:7".parse().expect("an address");
    let acceptor = net.bind(local).await.expect("a free port");
    loop {
        let (remote, mut socket) = TcpAccept::accept(&acceptor).await.expect("a connection");
        println!("{remote} came");
        let mut buffer = [0; 256];
        while let Ok(count @ 1..) = Read::read(&mut socket, &mut buffer).await {
            if Write::write_all(&mut socket, &buffer[..count]).await.is_err() {
                break;
            }
        }
        if let Err(error) = socket.close(Close::Both).await {
            println!("{remote}: {error}");
        }
    }
}

/// Sends and reads back, then ends the program.
#[embassy_executor::task]
async fn talk(net: &'static Net) {
    let server = "192.168.69.2:7".parse().expect("an address");
    let mut socket = TcpConnect::connect(net, server).await.expect("a server");
    let message = [b'x'; 1000];
    let mut echoed = 0;
    for _ in 0..20 {
        Write::write_all(&mut socket, &message).await.expect("an open half");
        let mut buffer = [0; 1000];
        Read::read_exact(&mut socket, &mut buffer).await.expect("all of it");
        assert_eq!(buffer, message);
        echoed += buffer.len();
    }
    socket.close(Close::Both).await.expect("a peer that closes");
    println!("{echoed} octets went out and came back");
    std::process::exit(0);
}

fn host(storage: Option<Storage<'static, Async<Small>>>, last: u8) -> Net {
    // A board takes sixteen octets from its random number generator, anew at every start.
    let secret = Secret::new([last; 16]).expect("not all zero");
    let mut host =
        Stack::new(storage.expect("taken once"), &Config::new(), secret).expect("enough blocks");
    host.add_address([192, 168, 69, last].into(), 24).expect("a host's address");
    Shared::new(host, &EmbassyTime)
}

fn start(spawner: Spawner) {
    static NETS: [StaticCell<Net>; 2] = [const { StaticCell::new() }; 2];
    let server: &'static Net = NETS[0].init(host(SERVER.take(), 2));
    let client: &'static Net = NETS[1].init(host(CLIENT.take(), 1));
    spawner.spawn(drive(server, End { side: 0 }).expect("a free task"));
    spawner.spawn(drive(client, End { side: 1 }).expect("a free task"));
    spawner.spawn(serve(server).expect("a free task"));
    spawner.spawn(talk(client).expect("a free task"));
}

fn main() -> ! {
    static EXECUTOR: StaticCell<Executor> = StaticCell::new();
    EXECUTOR.init(Executor::new()).run(start)
}

// ---- a wire in memory, whose ends wake whoever drives them ----

#[derive(Default)]
struct Lane {
    packets: VecDeque<Vec<u8>>,
    receiver: Option<Waker>,
}

thread_local! {
    /// What each side has to receive. The executor has one thread.
    static LANES: [RefCell<Lane>; 2] = Default::default();
}

struct End {
    side: usize,
}

impl Device for End {
    fn capabilities(&self) -> Capabilities {
        Capabilities::ip(1500)
    }

    fn receive<R>(&mut self, take: impl FnOnce(&[u8], RxMeta) -> R) -> Option<R> {
        let packet = LANES.with(|lanes| lanes[self.side].borrow_mut().packets.pop_front())?;
        Some(take(&packet, RxMeta::default()))
    }

    fn transmit(&mut self, packet: &Packet<'_>) -> Result<(), NoRoom> {
        let mut octets = vec![0; packet.len()];
        packet.copy_into(&mut octets).ok_or(NoRoom)?;
        let receiver = LANES.with(|lanes| {
            let mut lane = lanes[1 - self.side].borrow_mut();
            lane.packets.push_back(octets);
            lane.receiver.take()
        });
        if let Some(receiver) = receiver {
            receiver.wake();
        }
        Ok(())
    }
}

impl Notify for End {
    fn notify(&mut self, waker: &Waker) {
        LANES.with(|lanes| lanes[self.side].borrow_mut().receiver = Some(waker.clone()));
    }
}
