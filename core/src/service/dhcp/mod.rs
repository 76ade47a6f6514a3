//! A DHCPv4 client (RFC 2131): gets an address, gives it to the stack, and keeps it.
//!
//! [`Client`] is a state machine that owns no clock: [`Client::poll`] is told the time, and
//! [`Client::next_wake`] says when to call again. What is in a message lies in `wire::dhcp`.
//!
//! ```no_run
//! use hikyaku::service::dhcp;
//! # use hikyaku::{Device, Full, Instant, Stack};
//! # fn run(mut stack: Stack<'_, Full>, mut device: impl Device, clock: impl Fn() -> Instant) {
//! let mut client = dhcp::Client::new(dhcp::Config::new([0x02, 0, 0, 0, 0, 1]));
//! loop {
//!     let now = clock();
//!     stack.poll(now, &mut device);
//!     while let Some(event) = client.poll(&mut stack, now) {
//!         if let dhcp::Event::Configured(_lease) = event {
//!             // The stack has the address: connections can be opened.
//!         }
//!     }
//!     let (_wake, _client_wake) = (stack.next_wake(now), client.next_wake());
//!     // Sleep until the earlier of the two, or until the device has received something.
//! }
//! # }
//! ```

mod lease;

pub use lease::Lease;

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::counters::{Count, bump};
use crate::profile::Profile;
use crate::socket::UdpHandle;
use crate::socket::udp::UdpConfig;
#[cfg(feature = "ethernet")]
use crate::stack::AddressState;
use crate::stack::{ConfigError, Stack};
use crate::time::{Duration, Instant};
use crate::wire::dhcp::{CLIENT_PORT, Kind, REPLY_MAX, Reply, Request, SERVER_PORT};
use lease::{FOREVER, renewal_times, terms};

/// The first two repetitions of a search come early, each up to [`EARLY_JITTER`] later than this.
// Deviation: decision 0125. RFC 2131 §4.1 advises four seconds before the first one.
const EARLY: [Duration; 2] = [Duration::from_millis(400), Duration::from_millis(800)];
/// In powers of two: about a quarter of a second.
const EARLY_JITTER: Duration = Duration::from_micros(1 << 18);
/// RFC 2131 §4.1: the first retransmission follows after four seconds, the last delays are of 64.
const DELAY_MIN: Duration = Duration::from_secs(4);
const DOUBLINGS_MAX: u8 = 4;
/// RFC 2131 §4.1: delays are drawn from a second before to a second after: in powers of two.
const JITTER: Duration = Duration::from_micros(1 << 20);
/// RFC 2131 §3.1: so many times an address is asked for until another is looked for.
const REQUESTS_MAX: u8 = 4;
/// RFC 2131 §4.4.5: no renewal is repeated sooner.
const RENEWAL_MIN: Duration = Duration::from_secs(60);
/// RFC 2131 §3.1: after DHCPDECLINE the search does not go on sooner.
const DECLINE_DELAY: Duration = Duration::from_secs(10);
/// How long an address that was given back stays, so that the message about it gets away.
const RELEASE_DELAY: Duration = Duration::from_millis(500);
/// Room for two replies, and for a few requests.
const RECEIVE_LIMIT: u32 = 1200;
const SEND_LIMIT: u32 = 700;

/// What a client is told at its start.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Config {
    /// The hardware address of the link, by which servers know us.
    pub hardware: [u8; 6],
    /// The address that we had before: it is asked for first (RFC 2131 §3.2).
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    pub previous: Option<Ipv4Addr>,
    /// The longest wait before the first message, of which a random part is waited: so that
    /// devices that get power at the same time do not all ask at once. RFC 2131 §4.4.1 advises ten
    /// seconds.
    pub start_delay: Duration,
    /// Whether an address that was granted is probed for before it is used, and declined where
    /// somebody has it (RFC 2131 §3.1, step 5): it takes about five seconds. Where the profile or
    /// the link knows no probes, it is used at once.
    pub probe: bool,
}

impl Config {
    /// Asks for any address, at once, and probes for it.
    // Deviation: decision 0042. RFC 2131 §4.4.1 advises a delay.
    #[must_use]
    pub const fn new(hardware: [u8; 6]) -> Self {
        Self { hardware, previous: None, start_delay: Duration::ZERO, probe: true }
    }
}

/// Where a client is (RFC 2131 §4.4, figure 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum State {
    /// INIT: about to look for servers, after a delay if need be.
    Init,
    /// REBOOTING: asks for the address that we had before.
    Rebooting,
    /// SELECTING: looks for servers.
    Selecting,
    /// REQUESTING: asks for the address that a server has offered.
    Requesting,
    /// BOUND: has an address.
    Bound,
    /// RENEWING: has an address, and asks its server to extend the lease.
    Renewing,
    /// REBINDING: has an address, and asks any server to extend the lease.
    Rebinding,
    /// Has given its address back and is silent.
    Stopped,
}

/// Why an address was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Loss {
    /// Nobody extended the lease.
    Expired,
    /// A server said that it is not ours.
    Refused,
    /// Somebody else uses it.
    Conflict,
    /// By our own wish: [`Client::release`] or [`Client::restart`].
    Stopped,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Event {
    /// The stack has a new address, or something that belongs to it has changed.
    Configured(Lease),
    /// The lease was extended, and nothing has changed but its end.
    Renewed(Lease),
    /// The stack has this address no more. Unless it was given back, another is looked for.
    Lost(Ipv4Addr, Loss),
    /// The stack has no UDP slot, no blocks or no place for an address left, or port 68 is taken.
    /// It is tried again later.
    NoRoom,
}

/// What a client has counted since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Counters {
    /// Requests of all kinds that were sent.
    pub sent: Count,
    /// Replies that were acted upon.
    pub taken: Count,
    /// Replies that are malformed.
    pub malformed: Count,
    /// Replies to others or to nothing that we asked, and offers that cannot be used.
    pub ignored: Count,
}

/// An address that a server has offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Offer {
    address: Ipv4Addr,
    /// Unspecified where any server may answer.
    server: Ipv4Addr,
}

const NO_OFFER: Offer = Offer { address: Ipv4Addr::UNSPECIFIED, server: Ipv4Addr::UNSPECIFIED };

/// What the stack was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Applied {
    address: Ipv4Addr,
    prefix: u8,
}

/// A DHCP client for one stack. It owns UDP port 68, except while it has an address and nothing to
/// ask: then it holds neither socket nor blocks. With reserved memory its socket takes 1.9 kB of
/// blocks.
#[derive(Debug)]
pub struct Client {
    config: Config,
    state: State,
    counters: Counters,
    socket: Option<UdpHandle>,
    /// How many random numbers were drawn.
    draws: u32,
    xid: u32,
    secs: u16,
    /// Requests that were sent in this state.
    attempts: u8,
    /// Addresses lost to refusals and conflicts, one after the other.
    failures: u8,
    is_started: bool,
    /// Since when an address is looked for.
    since: Instant,
    /// When this exchange began: a lease counts from there.
    asked_at: Instant,
    /// When something is to be done; `None` for never.
    due: Option<Instant>,
    offer: Offer,
    lease: Option<Lease>,
    /// T2; T1 is the `due` of BOUND.
    rebind_at: Option<Instant>,
    applied: Option<Applied>,
    /// The gateway that the stack was given.
    router: Option<Ipv4Addr>,
    /// The lease was granted, which nobody was told yet: and whether only its end is new.
    news: Option<bool>,
    loss: Loss,
    is_conflict: bool,
}

impl Client {
    /// A client that will begin with the first [`Client::poll`].
    #[must_use]
    pub const fn new(config: Config) -> Self {
        Self {
            config,
            state: State::Init,
            counters: Counters { sent: 0, taken: 0, malformed: 0, ignored: 0 },
            socket: None,
            draws: 0,
            xid: 0,
            secs: 0,
            attempts: 0,
            failures: 0,
            is_started: false,
            since: Instant::ZERO,
            asked_at: Instant::ZERO,
            due: Some(Instant::ZERO),
            offer: NO_OFFER,
            lease: None,
            rebind_at: None,
            applied: None,
            router: None,
            news: None,
            loss: Loss::Expired,
            is_conflict: false,
        }
    }

    /// Takes the replies that have arrived, asks what is due, and keeps the stack's address as the
    /// lease wants it. Call it until it returns `None`, after each [`Stack::poll`] and when
    /// [`Client::next_wake`] says so; always with the same stack.
    pub fn poll<P: Profile>(&mut self, stack: &mut Stack<'_, P>, now: Instant) -> Option<Event> {
        loop {
            if let Some(event) = self.settle(stack, now) {
                return Some(event);
            }
            let is_due = self.due.is_some_and(|due| due <= now);
            if !is_due && !self.is_conflict && self.socket.is_none() {
                return None;
            }
            let random = self.draw(stack);
            let mut buffer = [0; REPLY_MAX];
            let request = if self.is_conflict {
                Some(self.decline(now, random))
            } else if let Some((len, port)) = self.next_reply(stack, &mut buffer) {
                let reply = buffer.get(..len).filter(|_| port == SERVER_PORT);
                let reply = reply.and_then(|message| Reply::parse(message).ok());
                // An address that the stack has already is no server's to give or to take.
                let applied = self.applied.map(|applied| applied.address);
                let is_taken = reply.as_ref().is_some_and(|reply| {
                    applied != Some(reply.address) && stack.holds_address(reply.address.into())
                });
                self.on_reply(reply.as_ref(), is_taken, (now, random));
                None
            } else if is_due {
                self.on_time(now, random)
            } else {
                return None;
            };
            if request.is_some_and(|request| !self.send(stack, request, &mut buffer)) {
                return Some(Event::NoRoom);
            }
        }
    }

    /// When to call [`Client::poll`] again at the latest; `None` for only when packets arrive.
    #[must_use]
    pub const fn next_wake(&self) -> Option<Instant> {
        if self.is_conflict { Some(Instant::ZERO) } else { self.due }
    }

    /// Where the client is.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// The address that the stack may use, and what belongs to it.
    #[must_use]
    pub const fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// The address that a server has offered, and that server, while the client asks for it.
    #[must_use]
    pub const fn offered(&self) -> Option<(Ipv4Addr, Ipv4Addr)> {
        match self.state {
            State::Requesting => Some((self.offer.address, self.offer.server)),
            _ => None,
        }
    }

    /// What happened since the client was made.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The client's own socket, while it has one: its events are not the user's.
    #[must_use]
    pub const fn socket(&self) -> Option<UdpHandle> {
        self.socket
    }

    /// Somebody else uses our address: the next [`Client::poll`] takes it from the stack, tells the
    /// server, and looks for another after ten seconds or more (RFC 2131 §3.1, step 5).
    pub const fn on_conflict(&mut self) {
        self.is_conflict = self.lease.is_some() && !matches!(self.state, State::Stopped);
    }

    /// Gives the address back and stops. The address stays for half a second, in which the message
    /// gets away: go on with [`Client::poll`] until it returns [`Event::Lost`].
    pub fn release<P: Profile>(&mut self, stack: &mut Stack<'_, P>, now: Instant) {
        self.xid = self.draw(stack) as u32;
        self.secs = 0;
        self.is_conflict = false;
        self.enter(State::Stopped);
        self.due = Some(now + RELEASE_DELAY);
        if let Some(lease) = &self.lease {
            let request = Request {
                address: lease.address,
                server: Some(lease.server),
                ..self.request(Kind::Release)
            };
            // Whether it gets away or not: the lease ends some day.
            self.send(stack, request, &mut [0; REPLY_MAX]);
        }
    }

    /// Begins again: after [`Client::release`], or where the link may lead elsewhere now. The
    /// address that the stack has is taken from it, and asked for first (RFC 2131 §3.7).
    pub fn restart(&mut self, now: Instant) {
        let had = self.lease.as_ref().map(|lease| lease.address);
        self.config.previous = had.or(self.config.previous);
        self.failures = 0;
        self.is_conflict = false;
        self.lose(Loss::Stopped);
        self.begin(now);
    }

    // ---- the stack ----

    /// Makes the stack's address that of the lease, and tells what changed.
    fn settle<P: Profile>(&mut self, stack: &mut Stack<'_, P>, now: Instant) -> Option<Event> {
        let wanted = self
            .lease
            .as_ref()
            .map(|lease| Applied { address: lease.address, prefix: lease.prefix });
        let address = wanted.map(|wanted| wanted.address);
        if let Some(had) = self.applied.filter(|had| Some(had.address) != address) {
            // RFC 2131 §4.4.5: the use of an address ends with its lease.
            stack.remove_address(had.address.into());
            self.applied = None;
            self.route(stack, None);
            if wanted.is_none() {
                return Some(Event::Lost(had.address, self.loss));
            }
        }
        // Nothing is asked until the next deadline: the blocks are others' so long.
        if self.state == State::Bound || (self.state == State::Stopped && self.due.is_none()) {
            self.close(stack);
        }
        let (is_longer, lease) = (self.news?, self.lease.clone()?);
        if self.applied != wanted {
            if self.give(stack, &lease).is_err() {
                self.lose(Loss::Refused);
                self.begin(now);
                self.due = Some(now + DELAY_MIN.doubled(DOUBLINGS_MAX.into()));
                return Some(Event::NoRoom);
            }
            self.applied = wanted;
        }
        if !self.is_usable(stack, lease.address) {
            return None;
        }
        self.news = None;
        if is_longer {
            return Some(Event::Renewed(lease));
        }
        self.route(stack, lease.router);
        Some(Event::Configured(lease))
    }

    /// Sends what is for other links to this router. The one of before is forgotten, unless the
    /// user has named another one.
    fn route<P: Profile>(&mut self, stack: &mut Stack<'_, P>, router: Option<Ipv4Addr>) {
        let had = core::mem::replace(&mut self.router, router);
        #[cfg(feature = "ethernet")]
        {
            if let Some(had) = had.filter(|_| had != router) {
                stack.forget_gateway(IpAddr::V4(had));
            }
            if let Some(router) = router {
                // A router that is not on the link leads nowhere; the user may have set another.
                let _ = stack.set_gateway(IpAddr::V4(router));
            }
        }
        #[cfg(not(feature = "ethernet"))]
        let _ = (stack, had);
    }

    /// Gives the stack the address, to be probed for where that can be done; or another prefix
    /// where it has the address.
    fn give<P: Profile>(&self, stack: &mut Stack<'_, P>, lease: &Lease) -> Result<(), ConfigError> {
        let address = IpAddr::V4(lease.address);
        if self.applied.is_some() {
            return stack.set_prefix(address, lease.prefix);
        }
        #[cfg(feature = "ethernet")]
        if self.config.probe {
            let probed = stack.probe_address(address, lease.prefix);
            if probed != Err(ConfigError::CannotProbe) {
                return probed;
            }
        }
        stack.add_address(address, lease.prefix)
    }

    /// Whether nobody has objected to our address. Where somebody has, it is a conflict.
    #[cfg(feature = "ethernet")]
    fn is_usable<P: Profile>(&mut self, stack: &Stack<'_, P>, address: Ipv4Addr) -> bool {
        let state = stack.address_state(IpAddr::V4(address));
        if state == Some(AddressState::Duplicate) {
            self.on_conflict();
        }
        state == Some(AddressState::Usable)
    }

    #[cfg(not(feature = "ethernet"))]
    fn is_usable<P: Profile>(&mut self, _: &Stack<'_, P>, _: Ipv4Addr) -> bool {
        true
    }

    fn draw<P: Profile>(&mut self, stack: &Stack<'_, P>) -> u64 {
        self.draws = self.draws.wrapping_add(1);
        stack.draw(b"dhcp", self.draws)
    }

    fn next_reply<P: Profile>(
        &mut self,
        stack: &mut Stack<'_, P>,
        buffer: &mut [u8],
    ) -> Option<(usize, u16)> {
        let datagram = stack.udp(self.socket?).ok()?.recv_from(buffer).ok()?;
        // A longer one than we said to take is cut, and then of no use.
        let len = if datagram.full_len > datagram.len { 0 } else { datagram.len };
        Some((len, datagram.source.port()))
    }

    /// Sends a request to the server that has granted the lease, or to all. `false` where the stack
    /// has no room for the socket or for the datagram: for us it is lost.
    fn send<P: Profile>(
        &mut self,
        stack: &mut Stack<'_, P>,
        request: Request,
        buffer: &mut [u8; REPLY_MAX],
    ) -> bool {
        let Ok(len) = request.emit(buffer) else { return false };
        if self.socket.is_none() {
            let limits = UdpConfig::new(CLIENT_PORT);
            let limits =
                UdpConfig { receive_limit: RECEIVE_LIMIT, send_limit: SEND_LIMIT, ..limits };
            self.socket = stack.bind_udp(&limits).ok();
        }
        let direct = request.kind == Kind::Release || self.state == State::Renewing;
        let to = match &self.lease {
            Some(lease) if direct => lease.server,
            _ => Ipv4Addr::BROADCAST,
        };
        let to = SocketAddr::new(IpAddr::V4(to), SERVER_PORT);
        let Some(Ok(mut socket)) = self.socket.map(|socket| stack.udp(socket)) else {
            self.socket = None;
            return false;
        };
        // RFC 2131 §4.1: who has no address yet sends from none.
        let message = buffer.get(..len).unwrap_or(&[]);
        let sent = socket.send_from(message, IpAddr::V4(request.address), to).is_ok();
        if sent {
            bump(&mut self.counters.sent);
        }
        sent
    }

    fn close<P: Profile>(&mut self, stack: &mut Stack<'_, P>) {
        if let Some(Ok(socket)) = self.socket.take().map(|socket| stack.udp(socket)) {
            socket.close();
        }
    }

    // ---- time ----

    /// Something is due: perhaps a request.
    fn on_time(&mut self, now: Instant, random: u64) -> Option<Request> {
        match self.state {
            State::Init => self.start(now, random),
            State::Selecting => Some(self.discover(now, random)),
            State::Rebooting | State::Requesting if self.late_attempts() < REQUESTS_MAX => {
                Some(self.ask(now, random))
            }
            State::Rebooting | State::Requesting => {
                // RFC 2131 §3.1: nobody answers; all begins anew.
                self.begin(now);
                None
            }
            State::Bound | State::Renewing | State::Rebinding => self.extend(now, random),
            State::Stopped => {
                self.lose(Loss::Stopped);
                self.due = None;
                None
            }
        }
    }

    /// RFC 2131 §4.4.1, §4.4.2: the first message, after a random delay the first time.
    fn start(&mut self, now: Instant, random: u64) -> Option<Request> {
        if !core::mem::replace(&mut self.is_started, true) {
            self.since = now;
            if self.config.start_delay > Duration::ZERO {
                let steps = self.config.start_delay.micros() >> 16;
                self.due = Some(now + Duration::from_micros(steps.saturating_mul(random >> 48)));
                return None;
            }
        }
        Some(match self.config.previous.take() {
            Some(address) => self.reboot(address, now, random),
            None => self.discover(now, random),
        })
    }

    /// RFC 2131 §4.4.1: DHCPDISCOVER, each time with another xid.
    fn discover(&mut self, now: Instant, random: u64) -> Request {
        if self.state != State::Selecting {
            self.enter(State::Selecting);
        }
        self.xid = random as u32;
        // A second is not quite 2^20 microseconds, and nobody minds.
        let waited = now.since(self.since).micros() >> 20;
        self.secs = u16::try_from(waited).unwrap_or(u16::MAX);
        self.retry_later(now, random);
        self.request(Kind::Discover)
    }

    /// RFC 2131 §4.4.2: DHCPREQUEST for an address that we had.
    fn reboot(&mut self, address: Ipv4Addr, now: Instant, random: u64) -> Request {
        self.offer = Offer { address, ..NO_OFFER };
        self.xid = random as u32;
        self.enter(State::Rebooting);
        self.ask(now, random)
    }

    /// RFC 2131 §4.3.2: DHCPREQUEST for the address that was offered, or that we had.
    fn ask(&mut self, now: Instant, random: u64) -> Request {
        if self.attempts == 0 {
            // RFC 2131 §4.4.1: a lease counts from the request. Which of several was answered
            // cannot be known.
            self.asked_at = now;
        }
        self.retry_later(now, random);
        Request {
            requested: Some(self.offer.address),
            server: Some(self.offer.server).filter(|server| !server.is_unspecified()),
            ..self.request(Kind::Request)
        }
    }

    /// RFC 2131 §4.4.5: T1, T2, the end of the lease, or a repetition between them.
    fn extend(&mut self, now: Instant, random: u64) -> Option<Request> {
        let expires_at = self.lease.as_ref()?.expires_at?;
        if now >= expires_at {
            self.lose(Loss::Expired);
            self.begin(now);
            return None;
        }
        let rebind_at = self.rebind_at.filter(|at| now < *at);
        if rebind_at.is_none() {
            self.state = State::Rebinding;
        } else if self.state == State::Bound {
            self.state = State::Renewing;
        }
        let until = rebind_at.unwrap_or(expires_at);
        let half = Duration::from_micros(until.since(now).micros() >> 1);
        self.due = Some(until.min(now + half.max(RENEWAL_MIN)));
        self.asked_at = now;
        self.xid = random as u32;
        Some(self.request(Kind::Request))
    }

    /// RFC 2131 §4.4.4: DHCPDECLINE, and a wait.
    fn decline(&mut self, now: Instant, random: u64) -> Request {
        self.is_conflict = false;
        let ends = self.lease.as_ref().map(|lease| (lease.address, lease.server));
        self.lose(Loss::Conflict);
        self.back_off(now);
        self.due = self.due.max(Some(now + DECLINE_DELAY));
        self.xid = random as u32;
        self.secs = 0;
        let (requested, server) = ends.unzip();
        Request { requested, server, ..self.request(Kind::Decline) }
    }

    /// Sets the time of the next repetition: early at first where a search begins, because a link
    /// that has just come up may drop the first messages. RFC 2131 §4.1: later delays double from
    /// four seconds to 64, give or take a second.
    fn retry_later(&mut self, now: Instant, random: u64) {
        // Bits that the xid does not show.
        let drawn = random >> 32;
        let early = EARLY.get(usize::from(self.attempts)).filter(|_| self.searches());
        self.due = Some(match early {
            Some(early) => {
                let jitter = drawn & EARLY_JITTER.micros().wrapping_sub(1);
                now + *early + Duration::from_micros(jitter)
            }
            None => {
                let delay = DELAY_MIN.doubled(self.late_attempts().min(DOUBLINGS_MAX).into());
                let jitter = drawn & JITTER.micros().wrapping_mul(2).wrapping_sub(1);
                (now + delay + Duration::from_micros(jitter)) - JITTER
            }
        });
        self.attempts = self.attempts.saturating_add(1);
    }

    /// Whether no server has answered in this exchange yet.
    const fn searches(&self) -> bool {
        matches!(self.state, State::Selecting | State::Rebooting)
    }

    /// The requests of this state without the early repetitions.
    const fn late_attempts(&self) -> u8 {
        let early = if self.searches() { EARLY.len() as u8 } else { 0 };
        self.attempts.saturating_sub(early)
    }

    // ---- replies ----

    /// A reply has arrived, or `None` for a malformed one. `is_taken`: it is about an address that
    /// the stack has from elsewhere.
    fn on_reply(&mut self, reply: Option<&Reply>, is_taken: bool, (now, random): (Instant, u64)) {
        let Some(reply) = reply else {
            bump(&mut self.counters.malformed);
            return;
        };
        let ours = !is_taken && reply.xid == self.xid && reply.hardware == self.config.hardware;
        let taken = ours
            && match reply.kind {
                Kind::Offer => self.on_offer(reply, now),
                Kind::Ack => self.on_ack(reply, random),
                _ => self.on_nak(reply, now),
            };
        bump(if taken { &mut self.counters.taken } else { &mut self.counters.ignored });
    }

    /// The first offer that can be used is taken. The request for it follows at once.
    fn on_offer(&mut self, reply: &Reply, now: Instant) -> bool {
        let (State::Selecting, Some((lease, _))) = (self.state, terms(reply)) else {
            return false;
        };
        self.offer = Offer { address: lease.address, server: lease.server };
        self.enter(State::Requesting);
        self.due = Some(now);
        true
    }

    fn on_ack(&mut self, reply: &Reply, random: u64) -> bool {
        let Some((mut lease, seconds)) = terms(reply) else { return false };
        let (address, server) = match (self.state, &self.lease) {
            (State::Requesting | State::Rebooting, _) => (self.offer.address, self.offer.server),
            (State::Renewing, Some(had)) => (had.address, had.server),
            // RFC 2131 §4.4.5: whoever answers is the server from now on.
            (State::Rebinding, Some(had)) => (had.address, Ipv4Addr::UNSPECIFIED),
            _ => return false,
        };
        if lease.address != address || !(server.is_unspecified() || lease.server == server) {
            return false;
        }
        let at = |seconds: u32| {
            (seconds != FOREVER).then(|| self.asked_at + Duration::from_secs(seconds.into()))
        };
        let (renewal, rebinding) = renewal_times(reply, seconds, random);
        lease.expires_at = at(seconds);
        self.due = at(renewal);
        self.rebind_at = at(rebinding);
        // What nobody was told of yet is new all the same.
        let is_known = self.news != Some(false);
        self.news = Some(is_known && self.lease.as_ref().is_some_and(|had| had.is_like(&lease)));
        self.lease = Some(lease);
        self.failures = 0;
        self.secs = 0;
        self.state = State::Bound;
        true
    }

    /// RFC 2131 §3.1, §4.4: the address is not ours, and all begins anew.
    fn on_nak(&mut self, reply: &Reply, now: Instant) -> bool {
        let server = match (self.state, &self.lease) {
            (State::Requesting | State::Rebooting, _) => self.offer.server,
            (State::Renewing, Some(lease)) => lease.server,
            (State::Rebinding, Some(_)) => Ipv4Addr::UNSPECIFIED,
            _ => return false,
        };
        if reply.server.is_none() || !(server.is_unspecified() || reply.server == Some(server)) {
            return false;
        }
        self.lose(Loss::Refused);
        self.back_off(now);
        true
    }

    // ---- steps ----

    fn request(&self, kind: Kind) -> Request {
        let has_address = matches!(self.state, State::Renewing | State::Rebinding);
        let address = self.lease.as_ref().filter(|_| has_address);
        Request {
            kind,
            xid: self.xid,
            secs: self.secs,
            hardware: self.config.hardware,
            address: address.map_or(Ipv4Addr::UNSPECIFIED, |lease| lease.address),
            requested: None,
            server: None,
        }
    }

    const fn enter(&mut self, state: State) {
        self.state = state;
        self.attempts = 0;
    }

    fn lose(&mut self, loss: Loss) {
        self.lease = None;
        self.rebind_at = None;
        self.news = None;
        self.loss = loss;
    }

    /// INIT, at once.
    const fn begin(&mut self, now: Instant) {
        self.enter(State::Init);
        self.since = now;
        self.due = Some(now);
    }

    /// INIT, at once the first time, and later the later it gets: a server that refuses what it
    /// has offered is not asked in a loop.
    fn back_off(&mut self, now: Instant) {
        self.begin(now);
        if self.failures > 0 {
            self.due = Some(now + Duration::from_secs(1).doubled(self.failures.min(6).into()));
        }
        self.failures = self.failures.saturating_add(1);
    }
}
