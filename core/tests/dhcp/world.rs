//! A stack, its DHCP client and a server that is as good or bad as a test wants, on virtual time.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hikyaku::service::dhcp::{Client, Config, Event, Lease};
use hikyaku::wire::udp;
use hikyaku::{Capacity, Duration, Full, Instant, Secret, Stack, Storage, Wake};
use hikyaku_testkit::forge;

pub(crate) const HARDWARE: [u8; 6] = [0x02, 0, 0, 0, 0, 7];
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const OURS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
pub(crate) const ALL: Ipv4Addr = Ipv4Addr::BROADCAST;
pub(crate) const NOBODY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

pub(crate) const DISCOVER: u8 = 1;
pub(crate) const OFFER: u8 = 2;
pub(crate) const REQUEST: u8 = 3;
pub(crate) const DECLINE: u8 = 4;
pub(crate) const ACK: u8 = 5;
pub(crate) const NAK: u8 = 6;
pub(crate) const RELEASE: u8 = 7;

/// A request as it came over the wire.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) at: Instant,
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    pub(crate) kind: u8,
    pub(crate) xid: u32,
    pub(crate) secs: u16,
    pub(crate) wants_broadcast: bool,
    pub(crate) ciaddr: Ipv4Addr,
    pub(crate) hardware: [u8; 6],
    pub(crate) requested: Option<Ipv4Addr>,
    pub(crate) server: Option<Ipv4Addr>,
}

fn four(octets: &[u8]) -> Ipv4Addr {
    Ipv4Addr::from(<[u8; 4]>::try_from(octets).expect("four octets"))
}

impl Ask {
    pub(crate) fn read(at: Instant, packet: &[u8]) -> Self {
        assert_eq!(packet[..1], [0x45], "IPv4 without options");
        assert_eq!(packet[9], 17, "UDP");
        let (source, destination) = (four(&packet[12..16]), four(&packet[16..20]));
        let (header, message) =
            udp::parse(&packet[20..], source.into(), destination.into(), true).expect("a datagram");
        assert_eq!((header.source_port, header.destination_port), (68, 67));
        assert!(message.len() >= 300, "relays drop shorter ones");
        assert_eq!(message[..4], [1, 1, 6, 0]);
        assert_eq!(message[236..240], [99, 130, 83, 99]);
        let mut ask = Self {
            at,
            source,
            destination,
            kind: 0,
            xid: u32::from_be_bytes(message[4..8].try_into().unwrap()),
            secs: u16::from_be_bytes([message[8], message[9]]),
            wants_broadcast: message[10] & 0x80 != 0,
            ciaddr: four(&message[12..16]),
            hardware: message[28..34].try_into().unwrap(),
            requested: None,
            server: None,
        };
        let mut options = &message[240..];
        while let [code @ 1..=254, len, rest @ ..] = options {
            let (value, rest) = rest.split_at(usize::from(*len));
            match code {
                50 => ask.requested = Some(four(value)),
                53 => ask.kind = value[0],
                54 => ask.server = Some(four(value)),
                _ => {}
            }
            options = rest;
        }
        assert_eq!(options.first(), Some(&255), "an end");
        ask
    }
}

/// A reply in the making.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) kind: u8,
    pub(crate) xid: u32,
    pub(crate) hardware: [u8; 6],
    pub(crate) yiaddr: Ipv4Addr,
    pub(crate) source: Ipv4Addr,
    pub(crate) source_port: u16,
    pub(crate) destination: Ipv4Addr,
    /// Code and value.
    pub(crate) options: Vec<(u8, Vec<u8>)>,
    /// What follows the options.
    pub(crate) tail: Vec<u8>,
}

impl Answer {
    /// What an honest server says: an hour for [`OURS`].
    pub(crate) fn to(ask: &Ask, kind: u8) -> Self {
        let options = vec![
            (54, SERVER.octets().to_vec()),
            (51, 3600_u32.to_be_bytes().to_vec()),
            (1, vec![255, 255, 255, 0]),
            (3, SERVER.octets().to_vec()),
            (6, [10, 0, 0, 53, 10, 0, 0, 54].to_vec()),
        ];
        let refuses = kind == NAK;
        Self {
            kind,
            xid: ask.xid,
            hardware: ask.hardware,
            yiaddr: if refuses { NOBODY } else { OURS },
            source: SERVER,
            source_port: 67,
            // RFC 2131 §4.1: a refusal is always broadcast, and so is all to who has no address.
            destination: if refuses || ask.ciaddr == NOBODY { ALL } else { ask.ciaddr },
            options: if refuses { options[..1].to_vec() } else { options },
            tail: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, code: u8, value: impl AsRef<[u8]>) -> Self {
        self = self.without(code);
        self.options.push((code, value.as_ref().to_vec()));
        self
    }

    pub(crate) fn without(mut self, code: u8) -> Self {
        self.options.retain(|(other, _)| *other != code);
        self
    }

    pub(crate) fn lease(self, seconds: u32) -> Self {
        self.with(51, seconds.to_be_bytes())
    }

    pub(crate) fn times(self, t1: u32, t2: u32) -> Self {
        self.with(58, t1.to_be_bytes()).with(59, t2.to_be_bytes())
    }

    pub(crate) fn server(self, server: Ipv4Addr) -> Self {
        self.with(54, server.octets())
    }

    pub(crate) fn packet(&self) -> Vec<u8> {
        let mut message = vec![0; 236];
        message[..3].copy_from_slice(&[2, 1, 6]);
        message[4..8].copy_from_slice(&self.xid.to_be_bytes());
        message[16..20].copy_from_slice(&self.yiaddr.octets());
        message[28..34].copy_from_slice(&self.hardware);
        message.extend([99, 130, 83, 99, 53, 1, self.kind]);
        for (code, value) in &self.options {
            message.extend([*code, value.len() as u8]);
            message.extend(value);
        }
        message.push(255);
        message.extend(&self.tail);
        let source = SocketAddr::new(self.source.into(), self.source_port);
        let destination = SocketAddr::new(self.destination.into(), 68);
        forge::udp(source, destination, message.len() as u16 + 8, &message)
    }
}

/// An honest server: offers, then grants.
pub(crate) fn honest(ask: &Ask) -> Vec<Answer> {
    match ask.kind {
        DISCOVER => vec![Answer::to(ask, OFFER)],
        REQUEST => vec![Answer::to(ask, ACK)],
        _ => Vec::new(),
    }
}

/// Nobody.
pub(crate) fn silent(_: &Ask) -> Vec<Answer> {
    Vec::new()
}

pub(crate) struct World {
    pub(crate) stack: Stack<'static, Full>,
    pub(crate) client: Client,
    pub(crate) now: Instant,
    pub(crate) asked: Vec<Ask>,
    pub(crate) events: VecDeque<(Instant, Event)>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Config::new(HARDWARE), 7)
    }

    pub(crate) fn with(config: Config, secret: u8) -> Self {
        Self::on(hikyaku::Config::new(), config, secret)
    }

    /// On a link that carries frames.
    #[cfg(feature = "ethernet")]
    pub(crate) fn on_ethernet() -> Self {
        let hardware_address = Some(hikyaku::wire::ethernet::Address(HARDWARE));
        let stack = hikyaku::Config { hardware_address, ..hikyaku::Config::new() };
        Self::on(stack, Config::new(HARDWARE), 7)
    }

    fn on(stack: hikyaku::Config, config: Config, secret: u8) -> Self {
        let capacity = Capacity {
            connections: 1,
            listeners: 1,
            half_open: 1,
            time_wait: 1,
            udp_sockets: 1,
            neighbors: 4,
            blocks: 12,
            block_size: 256,
            records: 4,
        };
        let secret = Secret::new([secret; 16]).expect("not all zero");
        let storage = Storage::allocate(&capacity);
        let stack = Stack::new(storage, &stack, secret).expect("a stack");
        let (asked, events) = (Vec::new(), VecDeque::new());
        Self { stack, client: Client::new(config), now: Instant::ZERO, asked, events }
    }

    /// Time passes, and `server` answers what it is asked.
    pub(crate) fn pass(&mut self, span: Duration, mut server: impl FnMut(&Ask) -> Vec<Answer>) {
        let end = self.now + span;
        loop {
            self.exchange(&mut server);
            let wake = match self.stack.next_wake(self.now) {
                Wake::At(at) => Some(at),
                Wake::OnIngress => None,
                wake => panic!("{wake:?} after all was sent"),
            };
            let next = [wake, self.client.next_wake()].into_iter().flatten().min();
            let next = next.filter(|next| *next <= end);
            let Some(next) = next else { break };
            assert!(next > self.now, "nothing is due that was not done: {next:?}");
            self.now = next;
        }
        self.now = end;
    }

    /// All that happens at this point in time.
    pub(crate) fn exchange(&mut self, server: &mut impl FnMut(&Ask) -> Vec<Answer>) {
        let mut buffer = [0; 1500];
        let mut rounds = 0;
        loop {
            while let Some(event) = self.client.poll(&mut self.stack, self.now) {
                self.events.push_back((self.now, event));
            }
            let Some(len) = self.stack.transmit(self.now, &mut buffer) else { return };
            let ask = Ask::read(self.now, &buffer[..len]);
            assert_eq!(ask.hardware, HARDWARE);
            for answer in server(&ask) {
                self.stack.receive(self.now, &answer.packet());
            }
            self.asked.push(ask);
            rounds += 1;
            assert!(rounds < 20, "a storm: {:?}", self.asked);
        }
    }

    /// Acquires [`OURS`] from `server`.
    pub(crate) fn bind(&mut self, server: impl FnMut(&Ask) -> Vec<Answer>) -> Lease {
        self.pass(Duration::ZERO, server);
        let Some((_, Event::Configured(lease))) = self.events.pop_front() else {
            panic!("no lease: {:?}", self.asked)
        };
        self.asked.clear();
        lease
    }

    /// The seconds at which each request was sent.
    pub(crate) fn seconds(&self) -> Vec<u64> {
        self.asked.iter().map(|ask| ask.at.micros() / 1_000_000).collect()
    }

    /// Whether the stack uses an address: what is sent to it is no stranger's.
    pub(crate) fn owns(&mut self, address: Ipv4Addr) -> bool {
        let before = self.stack.counters().drops.of(hikyaku::DropReason::NotOurs);
        let from = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 77)), 9);
        let to = SocketAddr::new(address.into(), 9);
        self.stack.receive(self.now, &forge::udp(from, to, 9, b"?"));
        while self.stack.transmit(self.now, &mut [0; 1500]).is_some() {}
        self.stack.counters().drops.of(hikyaku::DropReason::NotOurs) == before
    }
}
