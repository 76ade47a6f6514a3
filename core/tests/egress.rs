//! Who sends when: sockets that wait for a neighbour on the link, sockets that take turns, and
//! calls that leave nothing to send.
#![cfg(all(feature = "ethernet", feature = "ipv6", feature = "udp"))]

#[path = "ethernet/station.rs"]
mod station;

use std::net::{IpAddr, SocketAddr};

use hikyaku::time::Duration;
use hikyaku::wire::arp::REPLY;
use hikyaku::wire::ethernet::EtherType;
use hikyaku::wire::tcp::Flags;
use hikyaku::{
    AllocationPolicy, ConnectConfig, Full, Handle, Profile, Readiness, Small, TcpHandle, Tiny,
    UdpConfig, UdpHandle, Wake, WriteError,
};
use hikyaku_testkit::forge::Tcp;
use hikyaku_testkit::host::Kind;
use hikyaku_testkit::lone::Lone;
use hikyaku_testkit::pair::Family;
use hikyaku_testkit::seen::{Seen, in_frame};
use station::{OURS, Station, US, arp, frame, ip, neighbor};

/// Runs a test of one profile for each of the three.
macro_rules! in_each_profile {
    ($($test:ident: $generic:ident;)*) => {
        $(#[test]
        fn $test() {
            $generic::<Full>();
            $generic::<Small>();
            $generic::<Tiny>();
        })*
    };
}

in_each_profile! {
    a_socket_works_after_200_000_waits_for_a_neighbour: after_many_waits;
    an_answer_wakes_only_the_sockets_that_wait_for_it: only_those_who_wait;
    a_connection_keeps_its_turn_beside_urgent_acks: urgent_beside_bulk;
    datagrams_and_segments_take_turns: datagrams_beside_segments;
    a_writer_that_found_no_block_is_woken: writers_without_blocks;
}

/// The station whose address an ARP request in a frame asks for.
fn asked(frame: &[u8]) -> Option<IpAddr> {
    let is_request = frame[12..14] == [8, 6] && frame[21] == 1;
    is_request.then(|| IpAddr::from([frame[38], frame[39], frame[40], frame[41]]))
}

/// The frame in which neighbour `last` answers.
fn answer(last: u8) -> Vec<u8> {
    frame(OURS, neighbor(last), EtherType::ARP, &arp(REPLY, (neighbor(last), ip(last)), (OURS, US)))
}

/// All that is sent now, with every ARP request answered; without the requests.
fn sent_with_answers<P: Profile>(station: &mut Station<P>) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    loop {
        let sent = station.sent();
        if sent.is_empty() {
            return packets;
        }
        for frame in sent {
            match asked(&frame) {
                Some(IpAddr::V4(address)) => {
                    station.stack.receive(station.now, &answer(address.octets()[3]));
                }
                _ => packets.push(frame),
            }
        }
    }
}

/// An established connection to port 7 of neighbour 1, and the peer's side of it.
#[derive(Clone)]
struct Talk {
    handle: TcpHandle,
    peer: Tcp,
}

impl Talk {
    fn new<P: Profile>(station: &mut Station<P>) -> Self {
        Self::with(station, &[])
    }

    /// With these options in the peer's SYN.
    fn with<P: Profile>(station: &mut Station<P>, options: &[u8]) -> Self {
        let handle = station.connect(1);
        let sent = sent_with_answers(station);
        let [syn] = &sent[..] else { panic!("{sent:?}") };
        let syn = Seen::in_packet(syn).expect("a segment");
        let mut peer = Tcp::syn(syn.destination, syn.source, 1000);
        (peer.ack, peer.flags) = (syn.seq + 1, Flags::SYN | Flags::ACK);
        (peer.window, peer.options) = (1000, options.to_vec());
        let mut talk = Self { handle, peer };
        talk.feed(station);
        talk.peer.seq = talk.peer.seq + 1;
        talk.peer.flags = Flags::ACK;
        talk.peer.options.clear();
        sent_with_answers(station);
        talk
    }

    /// The peer's segment arrives.
    fn feed<P: Profile>(&self, station: &mut Station<P>) {
        let packet = frame(OURS, neighbor(1), EtherType::IPV4, &self.peer.packet());
        station.stack.receive(station.now, &packet);
    }

    fn write<P: Profile>(&self, station: &mut Station<P>) {
        let written = station.stack.tcp(self.handle).expect("live").write(b"x");
        assert_eq!(written, Ok(1));
    }

    /// Whether the next data of the stream is among the frames; the peer acknowledges it.
    fn takes<P: Profile>(&mut self, station: &mut Station<P>, sent: &[Vec<u8>]) -> bool {
        let mut segments = sent.iter().filter_map(|frame| Seen::in_packet(frame));
        let ours = (self.peer.destination, self.peer.ack);
        let next = segments.find(|seen| (seen.source, seen.seq) == ours && seen.text > 0);
        if let Some(seen) = next {
            self.peer.ack = self.peer.ack + seen.text;
            self.feed(station);
        }
        next.is_some()
    }
}

/// With a place for one neighbour, the sockets that speak to two of them wait in each round. A
/// socket that waited once and then has something to send in every round gets its turn each time.
fn after_many_waits<P: Profile>() {
    let mut station = Station::<P>::with(|_, capacity| {
        (capacity.neighbors, capacity.blocks) = (1, 256);
    });
    // Both of these wait in the beginning, and never again.
    let mut once = Talk::new(&mut station);
    station.now = station.now + Duration::from_millis(2_100);
    let still = station.stack.bind_udp(&UdpConfig::new(69)).expect("a slot");
    send(&mut station, still, 3);
    assert_eq!(sent_with_answers(&mut station).len(), 1, "a datagram");
    station.now = station.now + Duration::from_millis(2_100);
    let mut busy = Talk::new(&mut station);
    let socket = station.stack.bind_udp(&UdpConfig::new(68)).expect("a slot");
    for round in 0..100_000 {
        // Those in use for less than two seconds keep their places.
        station.now = station.now + Duration::from_millis(2_100);
        busy.write(&mut station);
        let sent = sent_with_answers(&mut station);
        assert!(busy.takes(&mut station, &sent), "round {round}: {sent:?}");
        once.write(&mut station);
        let sent = sent_with_answers(&mut station);
        assert!(once.takes(&mut station, &sent), "round {round}: {sent:?}");
        send(&mut station, still, 1);
        assert_eq!(sent_with_answers(&mut station).len(), 1, "round {round}: a datagram");
        station.now = station.now + Duration::from_millis(2_100);
        send(&mut station, socket, 3);
        assert_eq!(sent_with_answers(&mut station).len(), 1, "round {round}: a datagram");
        while station.stack.next_event().is_some() {}
    }
}

fn send<P: Profile>(station: &mut Station<P>, socket: UdpHandle, last: u8) {
    let remote = SocketAddr::new(ip(last), 53);
    station.stack.udp(socket).expect("live").send_to(b"datagram", remote).expect("room");
}

/// How many calls of [`hikyaku::Stack::transmit`] there are until nothing is to be done.
fn calls<P: Profile>(station: &mut Station<P>) -> (usize, Vec<Vec<u8>>) {
    let (mut calls, mut sent, mut buffer) = (0, Vec::new(), [0; 1514]);
    while station.stack.next_wake(station.now) == Wake::Now {
        calls += 1;
        if let Some(len) = station.stack.transmit(station.now, &mut buffer) {
            sent.push(buffer[..len].to_vec());
        }
    }
    (calls, sent)
}

/// Many connections wait for a silent neighbour, and a socket for another one. What an answer
/// makes the stack do does not depend on those that wait for somebody else.
fn only_those_who_wait<P: Profile>() {
    let most = <P::Tables as hikyaku::profile::Tables>::SLOTS_MAX.min(1_000);
    let work = [10, most].map(|waiting| {
        let mut station = Station::<P>::with(|_, capacity| {
            (capacity.connections, capacity.blocks) = (waiting, 2 * waiting + 64);
        });
        let socket = station.stack.bind_udp(&UdpConfig::new(68)).expect("a slot");
        for number in 0..waiting {
            let local_port = Some(20_000 + number as u16);
            let config = ConnectConfig { local_port, ..ConnectConfig::new() };
            let remote = (ip(9), 7).into();
            station.stack.connect(station.now, remote, &config).expect("a slot");
        }
        let (_, sent) = calls(&mut station);
        assert!(sent.len() == 1 && asked(&sent[0]) == Some(ip(9)), "{sent:?}");
        // A stranger sends what wants an answer: it is asked for, it answers.
        let stray = Tcp { flags: Flags::ACK, ..Tcp::syn((ip(5), 1).into(), (US, 1).into(), 1) };
        let asks = station.feed(&frame(OURS, neighbor(5), EtherType::IPV4, &stray.packet()));
        assert_eq!(asks.iter().filter_map(|frame| asked(frame)).collect::<Vec<_>>(), [ip(5)]);
        station.stack.receive(station.now, &answer(5));
        let of_the_stranger = calls(&mut station);
        // A neighbour that a socket of ours waits for answers.
        send(&mut station, socket, 3);
        station.sent();
        station.stack.receive(station.now, &answer(3));
        let of_the_other = calls(&mut station);
        assert_eq!(of_the_other.1.len(), 1, "the datagram");
        // The one that all wait for answers: each sends its SYN, in the order in which they waited.
        station.stack.receive(station.now, &answer(9));
        let (_, syns) = calls(&mut station);
        assert_eq!(syns.len(), waiting);
        assert!(syns.iter().all(|syn| syn[..6] == neighbor(9).0 && in_frame(syn)[33] == 2));
        (of_the_stranger.0, of_the_other.0)
    });
    assert_eq!(work[0], work[1], "whoever waits for somebody else is not tried");
    // Decision 0100: a row of 32 has all of them tried once.
    let tries = usize::from(most < 1_000);
    assert!(work[0].0 <= tries && work[0].1 <= 1 + tries, "{work:?}");
}

/// A segment that does not continue the stream asks for an ACK at once.
fn out_of_order(talk: &Talk, round: u32) -> Vec<u8> {
    let mut segment = talk.peer.clone();
    (segment.seq, segment.text) = (segment.seq + 10 + round % 8, vec![1; 10]);
    frame(OURS, neighbor(1), EtherType::IPV4, &segment.packet())
}

/// Two connections have data for ever, a third one owes an urgent ACK in each round, in which the
/// device takes two packets. A connection that never got a turn would starve.
fn urgent_beside_bulk<P: Profile>() {
    let mut station = Station::<P>::new();
    let mut bulk = [Talk::new(&mut station)].to_vec();
    let urgent = Talk::new(&mut station);
    bulk.push(Talk::new(&mut station));
    let mut turns = [0; 2];
    let mut buffer = [0; 1514];
    for round in 0..100 {
        for talk in &bulk {
            talk.write(&mut station);
        }
        station.stack.receive(station.now, &out_of_order(&urgent, round));
        for number in 0..2 {
            let len = station.stack.transmit(station.now, &mut buffer).expect("a packet");
            let sent = [buffer[..len].to_vec()];
            if number == 0 {
                let ack = Seen::in_packet(&sent[0]).expect("a segment");
                assert_eq!(ack.destination, urgent.peer.source, "the urgent ACK goes first");
                assert_eq!(ack.source, urgent.peer.destination, "the urgent ACK goes first");
            }
            for (talk, turns) in bulk.iter_mut().zip(&mut turns) {
                *turns += u32::from(talk.takes(&mut station, &sent));
            }
        }
        while station.stack.next_event().is_some() {}
    }
    assert!(turns.iter().all(|turns| *turns >= 30), "{turns:?} of 100 turns");
}

/// Segments and datagrams leave in turn while there are both.
fn datagrams_beside_segments<P: Profile>() {
    let mut station = Station::<P>::with(|_, capacity| capacity.blocks = 256);
    let talk = Talk::with(&mut station, &[2, 4, 0, 100]);
    let socket = station.stack.bind_udp(&UdpConfig::new(68)).expect("a slot");
    let written = station.stack.tcp(talk.handle).expect("live").write(&[7; 600]);
    assert_eq!(written, Ok(600));
    for _ in 0..3 {
        send(&mut station, socket, 1);
    }
    let sent = station.sent();
    let is_datagram: Vec<_> = sent.iter().map(|frame| in_frame(frame)[9] == 17).collect();
    assert_eq!(is_datagram.iter().filter(|is_datagram| **is_datagram).count(), 3);
    let first = is_datagram.iter().position(|is_datagram| *is_datagram).expect("three of them");
    let last = is_datagram.iter().rposition(|is_datagram| *is_datagram).expect("three of them");
    assert!((first, last) == (0, 4) || (first, last) == (1, 5), "in turn: {is_datagram:?}");
}

/// A writer that found no block is told when to try again, though its own queue is empty.
fn writers_without_blocks<P: Profile>() {
    for block_size in [256, 2048] {
        let mut station = Station::<P>::with(|config, capacity| {
            config.policy = AllocationPolicy::Overcommit;
            capacity.connections = 1;
            (capacity.blocks, capacity.block_size) = (64 * 1024 / block_size, block_size);
        });
        station.know(1);
        let config = UdpConfig { send_limit: 100_000, ..UdpConfig::new(68) };
        let hog = station.stack.bind_udp(&config).expect("a slot");
        let poor = station.stack.bind_udp(&UdpConfig::new(69)).expect("a slot");
        for _ in 0..3 {
            // All of these wait for neighbour 9.
            let silent = (ip(9), 53).into();
            while station.stack.udp(hog).expect("live").send_to(&[1; 100], silent).is_ok() {}
            station.sent();
            for _ in 0..3 {
                let remote = (ip(1), 53).into();
                let sent = station.stack.udp(poor).expect("live").send_to(&[2; 1400], remote);
                if sent.is_err() {
                    while station.stack.next_event().is_some() {}
                    station.feed(&answer(9));
                    let mut events = std::iter::from_fn(|| station.stack.next_event());
                    let told = events.any(|(handle, readiness)| {
                        handle == Handle::Udp(poor) && readiness.contains(Readiness::WRITABLE)
                    });
                    assert!(told, "blocks of {block_size}: nobody wakes the writer");
                } else {
                    assert!(station.sent().iter().any(|frame| frame.len() == 1442));
                }
            }
        }
        for socket in [hog, poor] {
            station.stack.udp(socket).expect("live").close();
        }
        let usage = station.stack.usage();
        assert_eq!((usage.blocks_used, usage.blocks_promised), (0, 0), "blocks of {block_size}");
    }
}

/// A write that queues nothing gives the stack nothing to do.
#[test]
fn a_refused_write_does_not_ask_for_a_poll() {
    for kind in [Kind::Full, Kind::Small, Kind::Tiny] {
        let mut lone = Lone::new(kind, Family::V4);
        let peer = lone.passive(0);
        while lone.host.write(peer.handle, &[7; 1000]).is_ok() {}
        lone.sent();
        let before = lone.host.next_wake(lone.now);
        assert!(matches!(before, Wake::At(_)), "{kind:?}: {before:?}");
        for _ in 0..3 {
            let refused = lone.host.write(peer.handle, &[7; 1000]);
            assert_eq!(refused, Err(WriteError::WouldBlock), "{kind:?}");
            assert_eq!(lone.host.next_wake(lone.now), before, "{kind:?}");
        }
        lone.host.close(peer.handle);
        lone.sent();
        let before = lone.host.next_wake(lone.now);
        assert_eq!(lone.host.write(peer.handle, b"x"), Err(WriteError::Closed), "{kind:?}");
        assert_eq!(lone.host.next_wake(lone.now), before, "{kind:?}");
    }
}
