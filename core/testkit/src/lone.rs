//! One host alone: its peers are made by hand, segment by segment, and may lie.
//!
//! What a test feeds goes in through the public doors, and all that the host sends comes back to
//! the test.

use std::net::{IpAddr, SocketAddr};

use hikyaku::seq::SeqNum;
use hikyaku::time::{Duration, Instant};
use hikyaku::wire::tcp::Flags;
use hikyaku::{Config, ConnectConfig, ListenConfig, ListenerHandle, TcpHandle, Usage, Wake};

use crate::forge::Tcp;
use crate::host::{Host, HostSetup, Kind, NOTHING, make};
use crate::pair::{Family, LEFT, RIGHT, Setup, address};
use crate::seen::Seen;

/// The port on which [`Lone::passive`] listens.
pub const PORT: u16 = 8;

/// The MSS of the peers.
pub const MSS: u16 = 536;

/// The most packets that a host may send at one moment.
const BURST: usize = 1000;

/// A host and nothing else.
pub struct Lone {
    /// The host.
    pub host: Box<dyn Host>,
    /// Its profile.
    pub kind: Kind,
    /// The time.
    pub now: Instant,
    /// Its address.
    pub us: IpAddr,
    /// The address of a peer.
    pub them: IpAddr,
    listener: ListenerHandle,
    baseline: Usage,
    config: Config,
    buffer: Box<[u8]>,
}

/// A peer of a [`Lone`] host, with the numbers that an honest one would use next.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The connection, once there is one.
    pub handle: TcpHandle,
    /// Where the peer is.
    pub at: SocketAddr,
    /// Where the host is.
    pub host: SocketAddr,
    /// The peer's SND.NXT.
    pub seq: SeqNum,
    /// The peer's RCV.NXT.
    pub ack: SeqNum,
    /// The window that the peer tells, not scaled.
    pub window: u16,
}

impl Peer {
    /// What the peer would send: with its numbers and these flags and text.
    #[must_use]
    pub fn segment(&self, flags: Flags, text: &[u8]) -> Tcp {
        let mut segment = Tcp::syn(self.at, self.host, 0);
        (segment.seq, segment.ack) = (self.seq, self.ack);
        (segment.flags, segment.window) = (flags, self.window);
        segment.text = text.to_vec();
        segment
    }
}

impl Lone {
    /// A host with the settings and pools of a [`Setup`].
    #[must_use]
    pub fn new(kind: Kind, family: Family) -> Self {
        Self::with(kind, family, |_| {})
    }

    /// Likewise, changed.
    #[must_use]
    pub fn with(kind: Kind, family: Family, change: impl FnOnce(&mut HostSetup)) -> Self {
        let mut setup = Setup::new(1).profiles([kind; 2]).hosts[RIGHT].clone();
        change(&mut setup);
        let mut host = make(&setup, 1);
        let connection = Some(setup.config.connection);
        let config = ListenConfig { connection, ..ListenConfig::new() };
        let listener = host.listen(PORT, &config).expect("a free port");
        Self {
            baseline: host.usage(),
            host,
            kind,
            now: Instant::from_millis(1),
            us: address(RIGHT, family),
            them: address(LEFT, family),
            listener,
            buffer: vec![0; usize::from(setup.config.mtu) + 14].into_boxed_slice(),
            config: setup.config,
        }
    }

    /// Hands a packet to the host and returns what it sends at once.
    pub fn feed_packet(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        self.host.receive(self.now, packet);
        self.packets()
    }

    /// Hands a segment to the host and returns what it sends at once.
    pub fn feed(&mut self, segment: &Tcp) -> Vec<Seen> {
        self.host.receive(self.now, &segment.packet());
        self.sent()
    }

    /// The packets that the host sends now.
    pub fn packets(&mut self) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        while let Some(len) = self.host.transmit(self.now, &mut self.buffer) {
            packets.push(self.buffer[..len].to_vec());
            assert!(packets.len() <= BURST, "packets without end");
        }
        packets
    }

    /// The segments that the host sends now.
    pub fn sent(&mut self) -> Vec<Seen> {
        let packets = self.packets();
        packets.iter().map(|packet| Seen::in_packet(packet).expect("a good segment")).collect()
    }

    /// When the host wants to be called again. It must not be a time that has passed, or now with
    /// nothing to do (SEC-73).
    pub fn next_wake(&mut self) -> Option<Instant> {
        match self.host.next_wake(self.now) {
            Wake::At(at) => {
                assert!(at > self.now, "a deadline in the past");
                Some(at)
            }
            Wake::OnIngress => None,
            other => panic!("{other:?}, though all was sent"),
        }
    }

    /// Lets time pass, and returns what the host sends and when. The host is called when it wants
    /// to be, and never else.
    pub fn pass(&mut self, span: Duration) -> Vec<(Instant, Seen)> {
        let end = self.now + span;
        let mut seen: Vec<_> = self.sent().into_iter().map(|one| (self.now, one)).collect();
        while let Some(at) = self.next_wake().filter(|at| *at <= end) {
            self.now = at;
            let sent = self.sent();
            seen.extend(sent.into_iter().map(|one| (at, one)));
            assert!(seen.len() <= 100 * BURST, "segments without end");
        }
        self.now = end;
        seen
    }

    /// The SYN of peer number `number` to [`PORT`], with [`MSS`].
    #[must_use]
    pub fn syn(&self, number: u16) -> Tcp {
        let from = SocketAddr::new(self.them, 5000 + number);
        let mut syn = Tcp::syn(from, SocketAddr::new(self.us, PORT), 1000);
        let [high, low] = MSS.to_be_bytes();
        syn.options = vec![2, 4, high, low];
        syn
    }

    /// Takes the oldest connection that waits at [`PORT`].
    pub fn accept(&mut self) -> Option<TcpHandle> {
        self.host.accept(self.listener).ok()
    }

    /// Peer number `number` connects; the handshake is done, the connection accepted.
    pub fn passive(&mut self, number: u16) -> Peer {
        self.passive_with(&self.syn(number))
    }

    /// Likewise, with a SYN of choice.
    pub fn passive_with(&mut self, syn: &Tcp) -> Peer {
        let answers = self.feed(syn);
        let [answer] = answers[..] else { panic!("{answers:?}: no SYN-ACK") };
        assert!(answer.flags == Flags::SYN | Flags::ACK, "{answer}");
        let mut ack = syn.clone();
        (ack.seq, ack.ack, ack.flags) = (syn.seq + 1, answer.seq + 1, Flags::ACK);
        ack.options.clear();
        let answers = self.feed(&ack);
        assert!(answers.is_empty(), "{answers:?}");
        let handle = self.host.accept(self.listener).expect("a connection");
        let (at, host) = (syn.source, syn.destination);
        Peer { handle, at, host, seq: ack.seq, ack: ack.ack, window: syn.window }
    }

    /// The host connects to a peer that has not answered yet: its numbers are those of the
    /// answer, the SYN not counted.
    pub fn syn_sent(&mut self, number: u16) -> Peer {
        let at = SocketAddr::new(self.them, 6000 + number);
        let connection = Some(self.config.connection);
        let config = ConnectConfig { connection, ..ConnectConfig::new() };
        let handle = self.host.connect(self.now, at, &config).expect("a slot");
        let sent = self.sent();
        let [syn] = sent[..] else { panic!("{sent:?}: no SYN") };
        assert!(syn.flags == Flags::SYN, "{syn}");
        let (seq, ack) = (SeqNum::new(1000), syn.seq + 1);
        Peer { handle, at, host: syn.source, seq, ack, window: 65_535 }
    }

    /// The host connects to a peer that answers.
    pub fn active(&mut self, number: u16) -> Peer {
        let mut peer = self.syn_sent(number);
        let answers = self.feed(&peer.segment(Flags::SYN | Flags::ACK, b""));
        assert_eq!(answers.len(), 1, "the handshake completes");
        peer.seq = peer.seq + 1;
        peer
    }

    /// Every connection ends, the listener stays: all that was lent comes back.
    pub fn drain(&mut self, peers: &[Peer]) {
        for peer in peers {
            if !self.host.is_stale(peer.handle) {
                self.host.abort(peer.handle);
                self.host.release(peer.handle);
            }
        }
        while self.host.next_event().is_some() {}
        self.pass(Duration::from_secs(600));
        assert_eq!(self.host.usage(), self.baseline, "pools come back to where they were");
    }
}

/// Every test ends here: all that is still open is aborted, nobody answers any more, and when no
/// timer is left, nothing may be in use.
impl Drop for Lone {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.host.let_go();
        let limit = self.now + Duration::from_secs(3600);
        self.packets();
        while let Some(at) = self.next_wake() {
            assert!(at < limit, "timers without end, though nothing is open");
            self.now = at;
            self.packets();
        }
        assert_eq!(self.host.usage(), NOTHING, "nothing is open any more");
    }
}
