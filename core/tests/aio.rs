//! Sockets that tasks wait for: streams and datagrams through the traits of `edge-nal`, wake-ups
//! that come and none that do not, futures that are dropped, and what dropping lets go of.

#[path = "aio/world.rs"]
mod world;

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use edge_nal::io::{Read, Write};
use edge_nal::{
    Close, MulticastV4, Readable, TcpAccept, TcpBind, TcpConnect, TcpShutdown, TcpSplit, UdpBind,
    UdpConnect, UdpReceive, UdpSend,
};
use hikyaku::aio::{self, Async, Connection, TaskWaker};
use hikyaku::io::IoError;
use hikyaku::*;
use proptest::prelude::*;
use world::{SERVER, World};

fn server() -> std::net::SocketAddr {
    SERVER.parse().expect("an address")
}

/// Echoes for whoever comes, on any stack that speaks `edge-nal`.
async fn echo<N: TcpBind>(net: &N) {
    let acceptor = net.bind(server()).await.expect("a free port");
    loop {
        let (_, mut socket) = acceptor.accept().await.expect("a connection");
        let mut buffer = [0; 100];
        loop {
            match socket.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(count) => socket.write_all(&buffer[..count]).await.expect("an open half"),
            }
        }
        socket.close(Close::Both).await.expect("a peer that closes");
    }
}

/// Sends so many octets and reads them back.
async fn talk<N: TcpConnect>(net: &N, len: usize, chunk: usize) {
    let message: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
    let mut socket = net.connect(server()).await.expect("a server");
    let mut echoed = Vec::new();
    {
        let (mut reader, mut writer) = socket.split();
        let sends = async {
            for part in message.chunks(chunk) {
                writer.write_all(part).await.expect("an open half");
            }
            writer.flush().await.expect("a peer that listens");
        };
        let receives = async {
            let mut buffer = [0; 64];
            while echoed.len() < len {
                let count = reader.read(&mut buffer).await.expect("an open connection");
                assert!(count > 0, "the end came early");
                echoed.extend_from_slice(&buffer[..count]);
            }
        };
        join(sends, receives).await;
    }
    socket.close(Close::Both).await.expect("a peer that closes");
    assert!(echoed == message, "what came back is not what was sent");
}

async fn join(one: impl Future<Output = ()>, two: impl Future<Output = ()>) {
    let (mut one, mut two) = (pin!(one), pin!(two));
    let (mut one_done, mut two_done) = (false, false);
    poll_fn(|context| {
        one_done = one_done || one.as_mut().poll(context).is_ready();
        two_done = two_done || two.as_mut().poll(context).is_ready();
        if one_done && two_done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

type Port = aio::Listener<'static, 'static, Async<Full>>;

/// One of several tasks at the same listener.
async fn echo_one(listener: Rc<Port>) {
    let (_, mut socket) = TcpAccept::accept(&*listener).await.expect("a connection");
    let mut buffer = [0; 100];
    while let Ok(count @ 1..) = socket.read(&mut buffer).await {
        socket.write_all(&buffer[..count]).await.expect("an open half");
    }
    socket.close(Close::Both).await.expect("a peer that closes");
}

fn world<'t>() -> World<'t> {
    World::new(1, 8)
}

fn all_is_free<P: Profile<Waker = TaskWaker>>(world: &World<'_, P>, listeners: usize) {
    for usage in world.usage() {
        assert_eq!((usage.connections, usage.half_open, usage.time_wait), (0, 0, 0), "{usage:?}");
        assert_eq!((usage.udp_sockets, usage.blocks_used), (0, 0), "{usage:?}");
        assert!(usage.listeners <= listeners);
    }
}

#[test]
fn a_stream_is_echoed() {
    let mut world = world();
    let [client, server] = world.nets;
    world.serve(echo(server));
    world.spawn(talk(client, 20_000, 700));
    world.finish();
    all_is_free(&world, 1);
}

#[test]
fn a_stream_is_echoed_by_the_small_profile() {
    let mut world: World<'_, Async<Small>> = World::new(2, 8);
    let [client, server] = world.nets;
    world.serve(echo(server));
    world.spawn(talk(client, 20_000, 700));
    world.finish();
    all_is_free(&world, 1);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        max_shrink_iters: 50,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// No wake-up is lost: whatever the order in which tasks come to run, and however little the
    /// wire holds, all octets arrive without any timer's help. Two seconds are less than the
    /// timers that would paper over it: RTO, delayed and probing ones would show.
    #[test]
    fn no_wake_up_is_lost(
        seed: u64, room in 1..9_usize, len in 1..6_000_usize, chunk in 1..3_000_usize,
        clients in 1..4_usize,
    ) {
        let mut world: World<'_> = World::new(seed, room);
        let [client, server] = world.nets;
        let listener = server.listen(7, &ListenConfig::new()).expect("a free port");
        let listener = Rc::new(listener);
        for _ in 0..clients {
            world.spawn(echo_one(Rc::clone(&listener)));
        }
        drop(listener);
        for _ in 0..clients {
            world.spawn(talk(client, len, chunk));
        }
        world.run();
        prop_assert!(world.time() < Instant::from_millis(2_000), "{:?}", world.time());
        prop_assert!(world.polls < 20_000, "{} polls", world.polls);
        world.finish();
        all_is_free(&world, 0);
    }
}

type Stream = Connection<'static, 'static, Async<Full>>;
type Held = Rc<RefCell<Option<Stream>>>;

/// An established connection, as both ends hold it.
fn pair(world: &mut World<'_>) -> [Stream; 2] {
    let [client, server_net] = world.nets;
    let held: [Held; 2] = Default::default();
    let [mine, theirs] = held.clone();
    world.spawn(async move {
        let listener = server_net.listen(7, &ListenConfig::new()).expect("a free port");
        *theirs.borrow_mut() = listener.accept().await.ok();
    });
    world.spawn(async move {
        *mine.borrow_mut() = client.connect(server(), &ConnectConfig::new()).await.ok();
    });
    world.run();
    held.map(|held| held.take().expect("a connection"))
}

/// Polls once, by a waker that tells nothing.
fn once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_reader_is_woken_by_what_it_waits_for_and_by_nothing_else() {
    let mut world = world();
    let [mut mine, mut theirs] = pair(&mut world);
    let [client, _] = world.nets;
    let got = Rc::new(Cell::new(0));
    let count = Rc::clone(&got);
    let bell = world.serve(async move {
        let mut buffer = [0; 10];
        while let Ok(octets @ 1..) = theirs.read(&mut buffer).await {
            count.set(count.get() + octets);
        }
        count.set(count.get() + 1000);
        std::future::pending::<()>().await;
    });
    world.settle();
    let rung = |expected: u32, what: &str| {
        assert_eq!(bell.times.load(Ordering::Relaxed), expected, "{what}");
    };
    rung(1, "it was started");
    let mut other = client.bind_udp(&UdpConfig::new(9), None).expect("a socket");
    assert_eq!(once(other.send_to(b"x", "10.0.0.2:9".parse().unwrap())), Poll::Ready(Ok(())));
    world.settle();
    rung(1, "a datagram is none of its business");
    assert_eq!(once(mine.write(b"hello")), Poll::Ready(Ok(5)));
    world.settle();
    rung(2, "five octets came");
    assert_eq!(got.get(), 5);
    while world.sleep() {
        world.settle();
    }
    rung(2, "acknowledgements and timers are none of its business");
    drop(mine);
    world.settle();
    rung(3, "the end of the stream");
    assert_eq!(got.get(), 1005);
}

#[test]
fn a_writer_waits_for_room_and_a_flusher_for_everything() {
    let mut world = world();
    let [mut mine, mut theirs] = pair(&mut world);
    assert_eq!(once(mine.write(&[7; 5000])), Poll::Ready(Ok(1024)), "all that fits");
    assert_eq!(mine.write_ready(), Ok(false));
    let flushed = Rc::new(Cell::new(false));
    let done = Rc::clone(&flushed);
    let writer = world.spawn(async move {
        // The peer's window has 1024 octets as well: of these it can take none.
        mine.write_all(&[8; 1024]).await.expect("room in the end");
        mine.flush().await.expect("a peer that reads");
        done.set(true);
    });
    world.settle();
    assert!(!flushed.get() && writer.times.load(Ordering::Relaxed) <= 3);
    let mut buffer = [0; 2048];
    world.spawn(async move {
        let mut count = 0;
        while count < 2048 {
            count += theirs.read(&mut buffer).await.expect("an open connection");
        }
    });
    world.run();
    assert!(flushed.get());
    // Started, room, all acknowledged; and once more for what the peer took in between.
    assert!(writer.times.load(Ordering::Relaxed) <= 6, "{:?}", writer.times);
}

#[test]
fn whoever_waits_for_the_last_acknowledgement_is_woken_by_it() {
    let mut world = world();
    let [mut mine, theirs] = pair(&mut world);
    let stages = Rc::new(Cell::new(0));
    let stage = Rc::clone(&stages);
    let bell = world.serve(async move {
        assert_eq!(mine.write(b"a little").await, Ok(8));
        mine.flush().await.expect("a peer that is there");
        stage.set(1);
        mine.finish().await.expect("a peer that is there");
        stage.set(2);
        std::future::pending::<()>().await;
    });
    // The first segments of a connection are acknowledged at once.
    world.settle();
    assert_eq!((stages.get(), bell.times.load(Ordering::Relaxed)), (2, 3));
    drop(theirs);
}

#[test]
fn of_two_halves_the_one_is_woken_that_waits_for_it() {
    let mut world = world();
    let [mine, mut theirs] = pair(&mut world);
    let (mut reader, mut writer) = Box::leak(Box::new(mine)).split();
    let reads = world.serve(async move {
        let _ = reader.read(&mut [0; 9]).await;
    });
    let writes = world.serve(async move {
        for _ in 0..3 {
            writer.write_all(&[1; 1024]).await.expect("an open half");
        }
    });
    world.settle();
    let times = |bell: &world::Bell| bell.times.load(Ordering::Relaxed);
    assert_eq!(times(&reads), 1);
    let before = times(&writes);
    assert_eq!(once(theirs.read(&mut [0; 1024])), Poll::Ready(Ok(1024)));
    world.settle();
    assert_eq!((times(&reads), times(&writes)), (1, before + 1), "there is room, and no text");
    drop(theirs);
    world.settle();
    assert_eq!(times(&reads), 2, "the end");
}

#[test]
fn all_who_wait_at_a_listener_are_served() {
    let mut world = world();
    let [client, server_net] = world.nets;
    let listener = Rc::new(server_net.listen(7, &ListenConfig::new()).expect("a free port"));
    let mut bells = Vec::new();
    for _ in 0..hikyaku::waker::ACCEPTORS {
        let listener = Rc::clone(&listener);
        bells.push(world.spawn(async move {
            listener.accept().await.expect("a connection");
        }));
    }
    drop(listener);
    world.settle();
    assert!(bells.iter().all(|bell| bell.times.load(Ordering::Relaxed) == 1), "they only wait");
    for _ in 0..hikyaku::waker::ACCEPTORS {
        world.spawn(async move {
            client.connect(server(), &ConnectConfig::new()).await.expect("a server");
        });
    }
    world.run();
}

#[test]
fn a_reader_does_not_wake_who_drives_the_stack() {
    let mut world = world();
    let [mut mine, mut theirs] = pair(&mut world);
    assert_eq!(once(mine.write(&[1; 300])), Poll::Ready(Ok(300)));
    world.settle();
    let polls = world.polls;
    assert_eq!(once(theirs.read(&mut [0; 100])), Poll::Ready(Ok(100)));
    assert!(once(mine.read(&mut [0; 100])).is_pending());
    world.settle();
    assert_eq!(world.polls, polls, "neither has anything to send");
}

#[test]
fn a_future_that_is_dropped_has_taken_nothing() {
    let mut world = world();
    let [mut mine, mut theirs] = pair(&mut world);
    let mut buffer = [0; 16];
    assert!(once(theirs.read(&mut buffer)).is_pending());
    assert!(once(theirs.readable()).is_pending());
    assert_eq!(once(mine.write(b"abc")), Poll::Ready(Ok(3)));
    world.settle();
    assert_eq!(theirs.read_ready(), Ok(true));
    assert_eq!(once(theirs.readable()), Poll::Ready(Ok(())));
    assert_eq!(once(theirs.read(&mut buffer)), Poll::Ready(Ok(3)));
    assert_eq!(&buffer[..3], b"abc");
    assert_eq!(theirs.read_ready(), Ok(false));
    let listener = world.nets[1].listen(8, &ListenConfig::new()).expect("a free port");
    assert!(once(listener.accept()).is_pending());
    let [client, _] = world.nets;
    let remote = "10.0.0.2:8".parse().expect("an address");
    let config = ConnectConfig::new();
    let mut connecting = Box::pin(client.connect(remote, &config));
    let mut context = Context::from_waker(Waker::noop());
    assert!(connecting.as_mut().poll(&mut context).is_pending());
    world.settle();
    assert!(matches!(once(listener.accept()), Poll::Ready(Ok(_))), "it waited for the next accept");
    drop(connecting);
    drop((mine, theirs, listener));
    world.finish();
    all_is_free(&world, 0);
}

#[test]
fn an_attempt_that_is_dropped_lets_go_of_its_slot() {
    let mut world = world();
    let [client, _] = world.nets;
    let (config, remote) = (ConnectConfig::new(), "10.0.0.9:7".parse().expect("an address"));
    assert!(once(client.connect(remote, &config)).is_pending());
    assert_eq!(world.usage()[0].connections, 0);
    let mut refused = Box::pin(client.connect("10.0.0.2:99".parse().expect("one"), &config));
    let mut context = Context::from_waker(Waker::noop());
    assert!(refused.as_mut().poll(&mut context).is_pending());
    world.settle();
    let Poll::Ready(Err(error)) = refused.as_mut().poll(&mut context) else {
        panic!("nobody listens there");
    };
    assert_eq!(error, IoError::Ended(CloseReason::Refused));
    all_is_free(&world, 0);
}

#[test]
fn dropping_is_letting_go() {
    let mut world = world();
    let [mut mine, mut theirs] = pair(&mut world);
    assert_eq!(once(mine.write(b"last words")), Poll::Ready(Ok(10)));
    drop(mine);
    world.settle();
    let mut buffer = [0; 16];
    assert_eq!(once(theirs.read(&mut buffer)), Poll::Ready(Ok(10)), "they are delivered");
    assert_eq!(once(theirs.read(&mut buffer)), Poll::Ready(Ok(0)), "and so is the end");
    drop(theirs);
    world.finish();
    all_is_free(&world, 0);

    let [mut mine, theirs] = pair(&mut world);
    assert_eq!(once(mine.write(b"unread")), Poll::Ready(Ok(6)));
    world.settle();
    drop(theirs);
    world.settle();
    let ended = Poll::Ready(Err(IoError::Ended(CloseReason::Reset)));
    assert_eq!(once(mine.read(&mut buffer)), ended, "data was lost");
    assert_eq!(once(mine.flush()).map_ok(|()| 0), ended);

    let listener = world.nets[1].listen(7, &ListenConfig::new()).expect("it is free again");
    assert!(matches!(
        world.nets[1].listen(7, &ListenConfig::new()),
        Err(IoError::Listen(ListenError::InUse))
    ));
    drop((listener, mine));
    world.finish();
    all_is_free(&world, 0);
}

#[test]
fn an_abort_wakes_the_peer() {
    let mut world = world();
    let [mut mine, mut theirs] = pair(&mut world);
    let end = Rc::new(Cell::new(None));
    let far = Rc::clone(&end);
    world.spawn(async move { far.set(Some(theirs.read(&mut [0; 4]).await)) });
    world.settle();
    assert_eq!(end.get(), None);
    assert_eq!(once(TcpShutdown::abort(&mut mine)), Poll::Ready(Ok(())));
    world.settle();
    assert_eq!(end.get(), Some(Err(IoError::Ended(CloseReason::Reset))));
    let aborted = Poll::Ready(Err(IoError::Ended(CloseReason::Aborted)));
    assert_eq!(once(mine.read(&mut [0; 4])), aborted);
    assert_eq!(mine.write_ready().map(|_| 0), Err(IoError::Ended(CloseReason::Aborted)));
}

#[test]
fn a_call_from_inside_a_call_is_refused() {
    let world = world();
    let [net, _] = world.nets;
    let inner = net.with(|_| net.with(|_| ()));
    assert_eq!(inner, Ok(Err(IoError::Reentered)));
    let opened = net.with(|_| once(net.connect(server(), &ConnectConfig::new())).map_ok(|_| ()));
    assert_eq!(opened, Ok(Poll::Ready(Err(IoError::Reentered))));
}

#[test]
fn datagrams_go_both_ways_through_the_traits() {
    let mut world = world();
    let [client, server_net] = world.nets;
    world.serve(async move {
        let mut socket = UdpBind::bind(server_net, server()).await.expect("a free port");
        let mut buffer = [0; 600];
        loop {
            Readable::readable(&mut socket).await.expect("a socket");
            let (len, from) = socket.receive(&mut buffer).await.expect("a socket");
            let (_, mut sender) = socket.split();
            sender.send(from, &buffer[..len]).await.expect("room in the end");
        }
    });
    world.spawn(async move {
        let local = "0.0.0.0:5000".parse().expect("an address");
        let socket = UdpConnect::connect(client, local, server()).await;
        let mut socket = socket.expect("a free port");
        let refused = socket.join_v4([224, 0, 0, 1].into(), [0, 0, 0, 0].into()).await;
        assert_eq!(refused, Err(IoError::Unsupported));
        let mut buffer = [0; 600];
        for len in 1..200_usize {
            // Whom it says does not matter: the socket has a peer.
            socket.send(local, &vec![len as u8; len]).await.expect("a peer");
            let (full, from) = socket.receive(&mut buffer).await.expect("an answer");
            assert_eq!((full, from), (len, server()));
            assert!(buffer[..len].iter().all(|octet| *octet == len as u8));
        }
        // Without waiting for answers, more than queue and wire hold.
        for _ in 0..100 {
            socket.send(local, &[1; 500]).await.expect("room in the end");
        }
        socket.flush().await.expect("a socket");
        let too_long = socket.send(local, &[0; 9000]).await;
        assert_eq!(too_long, Err(IoError::Send(SendError::TooLong)));
    });
    world.run();
}

#[test]
fn a_socket_with_a_peer_is_deaf_to_others() {
    let mut world = world();
    let [client, server_net] = world.nets;
    let peer = "10.0.0.2:9".parse().expect("an address");
    let mut socket = client.bind_udp(&UdpConfig::new(5000), Some(peer)).expect("a free port");
    let to = "10.0.0.1:5000".parse().expect("an address");
    let [mut stranger, mut friend] =
        [8, 9].map(|port| server_net.bind_udp(&UdpConfig::new(port), None).expect("a free port"));
    let mut buffer = [0; 16];
    assert_eq!(once(stranger.send_to(b"psst", to)), Poll::Ready(Ok(())));
    world.settle();
    assert!(once(socket.readable()).is_pending());
    assert!(once(socket.recv_from(&mut buffer)).is_pending());
    assert_eq!(once(stranger.send_to(b"psst", to)), Poll::Ready(Ok(())));
    assert_eq!(once(friend.send_to(b"hello", to)), Poll::Ready(Ok(())));
    assert_eq!(once(friend.flush()), Poll::Pending);
    world.settle();
    assert_eq!(once(friend.flush()), Poll::Ready(Ok(())));
    let got = once(socket.recv_from(&mut buffer)).map_ok(|datagram| datagram.source);
    assert_eq!(got, Poll::Ready(Ok(peer)));
    drop((socket, stranger, friend));
    all_is_free(&world, 0);
}

storage!(static NET: Async<Full> {
    connections: 16, listeners: 2, half_open: 16, time_wait: 16, udp_sockets: 4,
    records: 64, blocks: 256 x 1024,
});

/// Wakers that are not there are zeros: what holds them takes no flash. Pages of `.bss` belong to
/// no file, those of `.data` do.
#[test]
fn storage_with_wakers_lies_in_bss() {
    let middle = std::ptr::from_ref(&NET).addr() + size_of_val(&NET) / 2;
    let maps = std::fs::read_to_string("/proc/self/maps").expect("the list of mappings");
    let mapping = maps.lines().find(|line| {
        let ends = line.split(' ').next().and_then(|range| range.split_once('-'));
        let ends = ends.map(|(from, to)| [from, to].map(|end| usize::from_str_radix(end, 16)));
        matches!(ends, Some([Ok(from), Ok(to)]) if (from..to).contains(&middle))
    });
    let mapping = mapping.expect("memory is mapped");
    assert!(!mapping.contains('/'), "not in .bss: {mapping}");
    assert!(NET.take().is_some() && NET.take().is_none());
}
