//! Any frames at any times, and any calls between them, into a whole stack.
//!
//! The first octet chooses profile, family and policy; then come steps, each begun by an octet that
//! says what it is (see [`RAW`] and those after it). The stack has a listener, a UDP socket, a
//! connection that is open and one that closes, each with a peer that numbers its segments from
//! what it has seen.

use std::net::{IpAddr, SocketAddr};

use hikyaku::counters::DropReason;
use hikyaku::seq::SeqNum;
use hikyaku::storage::policy::AllocationPolicy;
use hikyaku::time::{Duration, Instant};
use hikyaku::wire::tcp::Flags;
use hikyaku::wire::tcp_options::{Options, Timestamps};
use hikyaku::{
    Capacity, Config, ConnectConfig, Half, ListenConfig, ListenerHandle, TcpHandle, UdpConfig,
    UdpHandle, Usage, Wake,
};

use super::stack_checks::{blocks_are_true, error_about};

use crate::forge::{self, Tcp};
use crate::host::{Host, HostSetup, Kind, make};
use crate::pair::{Family, LEFT, RIGHT, address};
use crate::seen::Seen;

/// An octet that chooses `Small`.
pub const SMALL: u8 = 1;
/// An octet that chooses IPv6.
pub const V6: u8 = 2;
/// An octet that chooses `Overcommit`.
pub const OVERCOMMIT: u8 = 4;

/// An octet that lets connections end by themselves at last, rather than breaking them off.
pub const ORPHANS: u8 = 8;
/// An octet by which peers offer timestamps, selective acknowledgements and window scaling in
/// their SYNs, and stamp their segments.
pub const OPTIONS: u8 = 16;
/// An octet by which the half-open records are taken by a flood: who connects is given a cookie.
pub const FLOODED: u8 = 32;
/// An octet that chooses `Tiny`, whatever [`SMALL`] says.
pub const TINY: u8 = 64;

/// A packet as it is: two octets of length, then the packet.
pub const RAW: u8 = 0;
/// A segment: peer, flags, SEG.SEQ and SEG.ACK as indices into [`OFFSETS`], window, octets of text.
pub const SEGMENT: u8 = 1;
/// Time passes: the logarithm of a span in microseconds.
pub const PASS: u8 = 2;
/// Time passes until the stack wants to be called.
pub const WAKE: u8 = 3;
/// A call: the socket, what is called (`WRITE` and those after it) and how much.
pub const CALL: u8 = 4;
/// A peer stamps differently from now on: the peer, and how as an index into [`STAMPS`].
pub const STAMP: u8 = 5;
/// A peer's urgent pointer from now on: the peer, two octets. It is meant where URG is set.
pub const URGENT: u8 = 6;
/// An ICMP error about a segment of ours: the peer it went to, an index into the kinds of
/// `stack_checks`, and how far its number lies from SND.NXT as an index into [`OFFSETS`].
pub const ERROR: u8 = 7;
const STEPS: u8 = 8;

/// Calls of the user.
#[allow(missing_docs, reason = "each is the call of its name")]
pub mod call {
    pub const WRITE: u8 = 0;
    pub const READ: u8 = 1;
    pub const CLOSE: u8 = 2;
    pub const SHUTDOWN: u8 = 3;
    pub const ABORT: u8 = 4;
    pub const RELEASE: u8 = 5;
    pub const CONNECT: u8 = 6;
    pub const ACCEPT: u8 = 7;
    pub const RECV_FROM: u8 = 8;
    pub const MARK_URGENT: u8 = 9;
    pub const URGENT: u8 = 10;
    pub(super) const ALL: u8 = 11;
}

/// The peer of the connection that is open.
pub const OPEN: u8 = 0;
/// The peer of the connection that closes.
pub const CLOSING: u8 = 1;
/// One that has not connected yet.
pub const NEW: u8 = 2;
/// One to which the stack may connect.
pub const SERVER: u8 = 3;

/// How far SEG.SEQ may lie from what the stack expects, and SEG.ACK from what it has sent.
pub const OFFSETS: [u32; 16] = [
    0,
    1,
    u32::MAX,
    10,
    100,
    600,
    2047,
    2048,
    u32::MAX - 9,
    u32::MAX - 99,
    u32::MAX - 599,
    65_535,
    1 << 30,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
];

/// How far a peer's stamp lies from its clock; `None`: it stamps nothing.
pub const STAMPS: [Option<u32>; 8] = [
    Some(0),
    None,
    Some(u32::MAX),
    Some(1),
    Some(u32::MAX - 4999),
    Some(5000),
    Some(0x7fff_ffff),
    Some(0x8000_0000),
];

/// The port that the stack listens on.
pub const PORT: u16 = 8;
/// The port of its UDP socket.
pub const UDP_PORT: u16 = 53;
/// The first sequence number of every peer: the stream wraps soon.
const IRS: u32 = 0xffff_ff00;
/// Every peer's clock of stamps: it wraps soon, too.
const CLOCK: u32 = 0xffff_ffc0;
/// The shift of the peers' windows, where they scale.
const SHIFT: u8 = 2;

const CAPACITY: Capacity = Capacity {
    connections: 4,
    half_open: 2,
    time_wait: 2,
    listeners: 1,
    udp_sockets: 1,
    neighbors: 0,
    blocks: 32,
    block_size: 128,
    records: 12,
};

/// The largest window of the stack: it needs no scale.
const WINDOW: u32 = 1024;

/// For rings: blocks of the window, two for each connection and some for datagrams.
const RINGS: Capacity =
    Capacity { blocks: 12, block_size: WINDOW as usize, records: 0, ..CAPACITY };
/// More packets than this at one moment are too many: the pools hold fewer segments.
const BURST: usize = 256;
/// More steps than this are not looked at.
const STEPS_MAX: usize = 32;

/// What a peer knows of the stack, and the connection that it is the peer of.
#[derive(Clone, Copy)]
struct Peer {
    at: SocketAddr,
    host: SocketAddr,
    /// What the stack expects next.
    seq: SeqNum,
    /// What the stack would send next.
    ack: SeqNum,
    handle: Option<TcpHandle>,
    /// Octets read from the connection; `None` where a packet made by nobody may have mixed in.
    read: Option<u32>,
    /// How it stamps: an entry of [`STAMPS`].
    stamp: Option<u32>,
    /// The stack's latest stamp.
    echo: u32,
    /// Its urgent pointer.
    urgent: u16,
    /// The furthest edge of a window that the stack has told it.
    edge: SeqNum,
}

struct Rig {
    options: bool,
    capacity: Capacity,
    /// Whether handshakes and TIME-WAIT are in records, rather than in slots of connections.
    has_records: bool,
    host: Box<dyn Host>,
    now: Instant,
    peers: [Peer; 4],
    /// The FINs that peers have sent, and their numbers. They take no room: one at the edge of the
    /// window is kept, and told in a block (decision 0030).
    fins: Vec<(SocketAddr, SeqNum)>,
    listener: ListenerHandle,
    udp: UdpHandle,
    buffer: [u8; 2048],
    baseline: Usage,
    sent: usize,
    resets: usize,
}

/// Reads `data` as steps and does them.
pub fn stack(data: &[u8]) {
    let mut input = Input(data);
    let choices = input.octet().unwrap_or(0);
    let mut rig = Rig::new(choices);
    for _ in 0..STEPS_MAX {
        let Some(kind) = input.octet() else { break };
        if rig.step(kind % STEPS, &mut input).is_none() {
            break;
        }
        rig.settle();
    }
    rig.tear_down(choices & ORPHANS != 0);
}

struct Input<'d>(&'d [u8]);

impl<'d> Input<'d> {
    fn octet(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn pair(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.octet()?, self.octet()?]))
    }

    fn take(&mut self, octets: usize) -> &'d [u8] {
        let (taken, rest) = self.0.split_at(octets.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// Octets after which the peers' streams repeat.
const PERIOD: usize = 4096;

/// The streams of all peers, with room for a slice to begin anywhere in the first period.
static STREAM: [u8; 2 * PERIOD] = {
    let mut octets = [0; 2 * PERIOD];
    let mut at = 0;
    while at < octets.len() {
        octets[at] = (at ^ ((at % PERIOD) >> 8)) as u8;
        at += 1;
    }
    octets
};

/// The octets of every peer's stream from this sequence number on.
fn stream_at(seq: SeqNum, octets: usize) -> &'static [u8] {
    &STREAM[seq.raw() as usize % PERIOD..][..octets]
}

/// The stack that an octet chooses, but for the family that is spoken with it.
fn setup(choices: u8) -> HostSetup {
    let (kind, capacity) = match choices & (SMALL | TINY) {
        0 => (Kind::Full, CAPACITY),
        SMALL => (Kind::Small, CAPACITY),
        _ => (Kind::Tiny, RINGS),
    };
    let mut config = Config::new();
    if choices & OVERCOMMIT != 0 {
        config.policy = AllocationPolicy::Overcommit;
    }
    config.connection.receive_limit = WINDOW;
    config.connection.send_limit = 1024;
    config.connection.user_timeout = Duration::from_secs(10);
    config.connection.connect_timeout = Duration::from_secs(10);
    let (v4, v6) = (address(RIGHT, Family::V4), address(RIGHT, Family::V6));
    let addresses = [(v4, 24), (v6, 64)];
    HostSetup { kind, config, capacity, clock: Duration::ZERO, addresses }
}

impl Rig {
    fn new(choices: u8) -> Self {
        let family = if choices & V6 == 0 { Family::V4 } else { Family::V6 };
        let setup = setup(choices);
        let mut host = make(&setup, 1);
        let baseline = host.usage();
        let listener = host.listen(PORT, &ListenConfig::new()).expect("a listener");
        let limited = UdpConfig { receive_limit: 512, send_limit: 256, ..UdpConfig::new(UDP_PORT) };
        let udp = host.bind_udp_with(&limited);
        let (us, them): (IpAddr, IpAddr) = (address(RIGHT, family), address(LEFT, family));
        let peer = |port| Peer {
            at: SocketAddr::new(them, port),
            host: SocketAddr::new(us, PORT),
            seq: SeqNum::new(IRS),
            ack: SeqNum::ZERO,
            handle: None,
            read: Some(0),
            stamp: Some(0),
            echo: 0,
            urgent: 0,
            edge: SeqNum::ZERO,
        };
        let peers = [peer(5000), peer(5001), peer(5002), peer(80)];
        let now = Instant::from_millis(1);
        let buffer = [0; 2048];
        let options = choices & OPTIONS != 0;
        let mut rig = Self {
            options,
            capacity: setup.capacity,
            has_records: setup.kind == Kind::Full,
            host,
            now,
            peers,
            fins: Vec::new(),
            listener,
            udp,
            buffer,
            baseline,
            sent: 0,
            resets: 0,
        };
        for which in [OPEN, CLOSING] {
            rig.handshake(usize::from(which));
        }
        if let Some(handle) = rig.peers[usize::from(CLOSING)].handle {
            rig.host.close(handle);
        }
        if choices & FLOODED != 0 {
            rig.flood(them);
        }
        rig.settle();
        rig
    }

    /// Peers that do not exist take every half-open record.
    fn flood(&mut self, them: IpAddr) {
        for port in 9000..9000 + CAPACITY.half_open as u16 {
            let syn = Tcp::syn(SocketAddr::new(them, port), self.peers[0].host, 0);
            self.receive(&syn.packet(), false);
        }
    }

    fn handshake(&mut self, which: usize) {
        for flags in [Flags::SYN, Flags::ACK] {
            self.segment(which, flags, [0, 0], 65_535, 0);
        }
        self.peers[which].handle = self.host.accept(self.listener).ok();
        assert!(self.peers[which].handle.is_some(), "a stack that nobody attacks accepts");
    }

    /// `None` where the input is at its end.
    fn step(&mut self, kind: u8, input: &mut Input<'_>) -> Option<()> {
        match kind {
            RAW => {
                let len = usize::from(input.pair()?);
                self.packet(input.take(len));
            }
            SEGMENT => {
                let (which, flags) = (input.octet()?, input.octet()?);
                let offsets = [input.octet()?, input.octet()?];
                let (window, text) = (input.pair()?, input.octet()?);
                let offsets = offsets.map(|index| OFFSETS[usize::from(index) % OFFSETS.len()]);
                let flags = Flags::from_bits(flags.into());
                self.segment(usize::from(which) % 4, flags, offsets, window, text);
            }
            PASS => self.now = self.now + Duration::from_micros(1 << (input.octet()? % 36)),
            WAKE => match self.host.next_wake(self.now) {
                Wake::At(at) => self.now = at,
                Wake::OnIngress => {}
                other => panic!("{other:?}, though all was sent"),
            },
            CALL => self.call(input.octet()?, input.octet()?, input.octet()?),
            STAMP => {
                let (which, how) = (input.octet()?, input.octet()?);
                self.peers[usize::from(which) % 4].stamp = STAMPS[usize::from(how) % STAMPS.len()];
            }
            URGENT => {
                let which = input.octet()?;
                self.peers[usize::from(which) % 4].urgent = input.pair()?;
            }
            _ => {
                let (which, kind, offset) = (input.octet()?, input.octet()?, input.octet()?);
                self.error(usize::from(which) % 4, kind, offset);
            }
        }
        Some(())
    }

    /// Somebody on the way reports an error about what the stack has sent to a peer.
    fn error(&mut self, which: usize, kind: u8, offset: u8) {
        let Peer { at, host, ack, handle, .. } = self.peers[which];
        let mut quoted = Tcp::syn(host, at, 0);
        quoted.seq = ack + OFFSETS[usize::from(offset) % OFFSETS.len()];
        quoted.flags = Flags::ACK;
        let state = handle.map(|handle| self.host.state(handle));
        let sent = self.sent;
        self.receive(&error_about(&quoted, kind), false);
        assert_eq!(self.sent, sent, "an error is answered");
        let after = handle.map(|handle| self.host.state(handle));
        let may_end = state.is_some_and(|state| !state.is_synchronized());
        assert!(state == after || may_end, "an error ends {state:?}");
    }

    /// A packet made by nobody. What it is, the stack decides; if it is a good segment to a port
    /// of ours, streams may hold what no peer has sent.
    fn packet(&mut self, packet: &[u8]) {
        let seen = Seen::in_packet(packet);
        if seen.is_some() {
            self.peers.iter_mut().for_each(|peer| peer.read = None);
        }
        self.receive(packet, seen.is_some_and(|seen| seen.has(Flags::RST)));
    }

    fn segment(&mut self, which: usize, flags: Flags, offsets: [u32; 2], window: u16, text: u8) {
        let peer = &self.peers[which];
        let mut segment = Tcp::syn(peer.at, peer.host, 0);
        (segment.seq, segment.ack) = (peer.seq + offsets[0], peer.ack + offsets[1]);
        (segment.flags, segment.window) = (flags, window);
        let first = segment.seq + u32::from(flags.intersects(Flags::SYN));
        segment.text = stream_at(first, usize::from(text) * 4).to_vec();
        segment.urgent = peer.urgent;
        if self.options {
            let value = CLOCK.wrapping_add((self.now.micros() >> 10) as u32);
            let of = |off| Timestamps { value: value.wrapping_add(off), echo: peer.echo };
            let timestamps = peer.stamp.map(of);
            let syn = flags.intersects(Flags::SYN);
            let window_scale = syn.then_some(SHIFT);
            let offer = Options { timestamps, window_scale, sack_permitted: syn, ..Options::EMPTY };
            segment.options = forge::options(&offer);
        }
        self.receive(&segment.packet(), flags.intersects(Flags::RST));
    }

    fn receive(&mut self, packet: &[u8], is_reset: bool) {
        if let Some(seen) = Seen::in_packet(packet).filter(|seen| seen.has(Flags::FIN)) {
            self.fins.push((seen.source, seen.end() - 1));
        }
        let (drops, resets) = (self.host.counters().drops, self.resets);
        self.host.receive(self.now, packet);
        let more = self.host.counters().drops;
        let replies = more.of(DropReason::ReplyLimited) - drops.of(DropReason::ReplyLimited);
        let dropped = more.total() - drops.total();
        assert!(dropped <= 1 + replies && replies <= 1, "one packet is dropped once");
        let nobody = more.of(DropReason::NoSocket) > drops.of(DropReason::NoSocket);
        self.transmit();
        assert!(!is_reset || self.resets == resets, "a reset is not answered by a reset");
        assert!(!nobody || self.resets <= resets + 1, "one reset for nobody's segment");
    }

    fn call(&mut self, which: u8, call: u8, amount: u8) {
        let which = usize::from(which) % 4;
        match (call % call::ALL, self.peers[which].handle) {
            (call::ACCEPT, None) => {
                if let Ok(handle) = self.host.accept(self.listener) {
                    let (remote, read) = (self.host.remote(handle), None);
                    let of = |peer: &&mut Peer| peer.at == remote && peer.handle.is_none();
                    match self.peers.iter_mut().find(of) {
                        Some(peer) => (peer.handle, peer.read) = (Some(handle), read),
                        None => self.host.release(handle),
                    }
                }
            }
            (call::CONNECT, None) => {
                let peer = &mut self.peers[usize::from(SERVER)];
                if peer.handle.is_none() {
                    let connected = self.host.connect(self.now, peer.at, &ConnectConfig::new());
                    peer.handle = connected.ok();
                    if let Some(handle) = peer.handle {
                        (peer.host, peer.read) = (self.host.local(handle), None);
                    }
                }
            }
            (call::RECV_FROM, _) => drop(self.host.recv_from(self.udp, &mut self.buffer)),
            (call, Some(handle)) => self.call_connection(which, handle, call, amount),
            _ => {}
        }
    }

    fn call_connection(&mut self, which: usize, handle: TcpHandle, call: u8, amount: u8) {
        match call {
            call::WRITE => {
                let _ = self.host.write(handle, &[0x5a; 1020][..usize::from(amount) * 4]);
            }
            call::READ => self.read(which, handle, usize::from(amount) * 4),
            call::CLOSE => self.host.close(handle),
            call::SHUTDOWN => {
                let half = [Half::Read, Half::Write, Half::Both][usize::from(amount) % 3];
                if half != Half::Write {
                    self.peers[which].read = None;
                }
                self.host.shutdown(handle, half);
            }
            call::ABORT => self.host.abort(handle),
            call::MARK_URGENT => self.host.mark_urgent(handle),
            call::URGENT => {
                let unread = self.host.urgent(handle);
                assert!(unread <= WINDOW + u32::from(u16::MAX), "urgent: {unread}");
            }
            call::RELEASE => {
                self.host.release(handle);
                self.peers[which].handle = None;
            }
            _ => {}
        }
    }

    /// What is read is what the peer has sent, octet by octet.
    fn read(&mut self, which: usize, handle: TcpHandle, amount: usize) {
        let read = self.host.read(handle, &mut self.buffer[..amount]);
        let (Ok(octets), Some(before)) = (read, self.peers[which].read) else { return };
        let first = SeqNum::new(IRS) + 1 + before;
        assert_eq!(self.buffer[..octets], *stream_at(first, octets), "behind {before}");
        self.peers[which].read = Some(before + octets as u32);
    }

    /// Sends what there is to send.
    fn transmit(&mut self) {
        let mut count = 0;
        while let Some(len) = self.host.transmit(self.now, &mut self.buffer) {
            count += 1;
            assert!(count <= BURST, "packets without end");
            assert!(len <= 1500, "a packet longer than the MTU");
            self.sent += 1;
            let Some(seen) = Seen::in_packet(&self.buffer[..len]) else { continue };
            self.resets += usize::from(seen.has(Flags::RST));
            let of = |peer: &&mut Peer| peer.at == seen.destination;
            let Some(peer) = self.peers.iter_mut().find(of) else { continue };
            if seen.has(Flags::SYN) {
                peer.edge = seen.ack;
            }
            if seen.has(Flags::ACK) && !seen.has(Flags::RST) {
                peer.seq = seen.ack;
                peer.edge = peer.edge.later(seen.ack + u32::from(seen.window));
                let last = peer.edge + u32::from(self.fins.contains(&(peer.at, peer.edge)));
                assert!(blocks_are_true(&seen, last), "{seen}, edge {:?}", peer.edge);
            }
            peer.echo = seen.stamps.map_or(peer.echo, |stamps| stamps.value);
            assert!(!seen.has(Flags::URG) || seen.urgent > 0, "{seen}");
            if !seen.has(Flags::RST) && (seen.has(Flags::SYN) || seen.end().after(peer.ack)) {
                peer.ack = seen.end();
            }
        }
    }

    /// What holds after every step. Returns when the stack wants to be called.
    fn settle(&mut self) -> Option<Instant> {
        self.transmit();
        for count in 0.. {
            assert!(count <= BURST, "events without end");
            if self.host.next_event().is_none() {
                break;
            }
        }
        let next = match self.host.next_wake(self.now) {
            Wake::At(at) => Some(at),
            Wake::OnIngress => None,
            other => panic!("{other:?}, though all was sent"),
        };
        assert!(next.is_none_or(|at| at > self.now), "a deadline in the past");
        let usage = self.host.usage();
        let lent = usage.blocks_used + usage.blocks_promised;
        assert!(lent as usize <= self.capacity.blocks, "{usage:?}");
        if self.has_records {
            assert!(usage.connections <= self.capacity.connections, "{usage:?}");
            assert!(usage.half_open <= self.capacity.half_open, "{usage:?}");
            assert!(usage.time_wait <= self.capacity.time_wait, "{usage:?}");
        } else {
            let slots = usage.connections + usage.half_open + usage.time_wait;
            assert!(slots <= self.capacity.connections, "{usage:?}");
        }
        assert!(usage.records <= self.capacity.records, "{usage:?}");
        next
    }

    /// The user lets go of everything; with time, all that was lent comes back.
    fn tear_down(mut self, orphans: bool) {
        for which in 0..4 {
            let Some(handle) = self.peers[which].handle.take() else { continue };
            if !orphans {
                self.host.abort(handle);
            }
            self.host.release(handle);
        }
        self.host.close_listener(self.listener);
        self.host.close_udp(self.udp);
        for _ in 0..1000 {
            let Some(at) = self.settle() else { break };
            self.now = at;
        }
        assert_eq!(self.host.usage(), self.baseline, "the pools are as they were at first");
    }
}
