//! The transmission control block: what one connection remembers.
//!
//! It composes the rooms before it and decides nothing by itself. Its doors are `arrives` for
//! segments, `user_calls` for the user, `departs` for what leaves, and here the timers.

use crate::counters::{Counters, bump};
use crate::flow::FlowKey;
use crate::profile::Profile;
use crate::readiness::Readiness;
use crate::seq::SeqNum;
use crate::storage::Empty;
use crate::storage::block_pool::BlockPool;
use crate::storage::policy::AllocationPolicy;
use crate::time::{Duration, Instant};

use super::congestion::{Algorithm, CongestionControl};
use super::options::Agreed;
use super::receive::ReceiveSpace;
use super::recovery::{Records, Recovery};
use super::rtt::RttEstimator;
use super::send::SendSpace;
use super::state::{Event, State};
use super::time_wait::TimeWait;
use super::timers::{Due, SendTimer, Timers};

/// RFC 9293 §3.8.6.3, MUST-40: less than half a second.
const ACK_DELAY_MAX: u32 = 499_999;

/// Microseconds to ticks, without a division.
const TICK_SHIFT: u32 = 10;

/// How long an orphan waits for the peer's FIN.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(60);

/// How a connection behaves; every value may be changed per connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ConnectionConfig {
    /// The most that is queued to be sent, octets. Bounded by what a queue over the pool's blocks
    /// can hold.
    pub send_limit: u32,
    /// The most that is received and not read, octets: the largest window. Bounded likewise.
    pub receive_limit: u32,
    /// The largest segment that we announce and send, octets; `None` for what fits the MTU.
    pub mss: Option<u16>,
    /// The initial congestion window, segments (RFC 6928: at most 10).
    pub initial_window: u8,
    /// How long an acknowledgement may wait for another one (RFC 9293 §3.8.6.3: below 500 ms).
    pub ack_delay: Duration,
    /// Whether small segments wait for acknowledgements (RFC 9293 §3.7.4).
    pub nagle: bool,
    /// Whether window scaling is offered (RFC 7323).
    pub window_scale: bool,
    /// The shortest retransmission timeout. Deviation: decision 0001, not the second of RFC 6298.
    pub rto_min: Duration,
    /// The congestion controller.
    pub congestion: Algorithm,
    /// How long the sender waits for any sign of life before it gives up (RFC 9293 §3.8.3, R2); at
    /// most 71 minutes.
    pub user_timeout: Duration,
    /// How long an answer to our SYN is waited for (RFC 9293 §3.8.3: R2 of a SYN); at most 71
    /// minutes.
    pub connect_timeout: Duration,
}

impl ConnectionConfig {
    /// What suits most: 64 KiB each way, Nagle, 200 ms, two minutes of patience.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            send_limit: 65_536,
            receive_limit: 65_536,
            mss: None,
            initial_window: 10,
            ack_delay: Duration::from_millis(40),
            nagle: true,
            window_scale: true,
            rto_min: Duration::from_millis(200),
            congestion: Algorithm::Reno,
            user_timeout: Duration::from_secs(120),
            connect_timeout: Duration::from_secs(180),
        }
    }
}

impl Empty for ConnectionConfig {
    const EMPTY: Self = Self {
        send_limit: 0,
        receive_limit: 0,
        mss: None,
        initial_window: 0,
        ack_delay: Duration::ZERO,
        nagle: false,
        window_scale: false,
        rto_min: Duration::ZERO,
        congestion: Algorithm::Reno,
        user_timeout: Duration::ZERO,
        connect_timeout: Duration::ZERO,
    };
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// Why a connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum CloseReason {
    /// Both sides closed and all data arrived.
    Graceful = 1,
    /// The peer reset it.
    Reset,
    /// The peer refused our request.
    Refused,
    /// The peer did not answer in time.
    TimedOut,
    /// No way leads to the peer.
    Unreachable,
    /// We aborted it.
    Aborted,
}

impl core::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Graceful => "closed by both sides",
            Self::Reset => "connection reset by peer",
            Self::Refused => "connection refused",
            Self::TimedOut => "connection timed out",
            Self::Unreachable => "peer unreachable",
            Self::Aborted => "connection aborted",
        })
    }
}

impl core::error::Error for CloseReason {}

/// What a connection needs and does not own.
#[derive(Debug)]
pub struct Resources<'r, 'a> {
    /// The time of this call.
    pub now: Instant,
    /// Data blocks.
    pub blocks: &'r mut BlockPool<'a>,
    /// Records of segments in flight.
    pub records: &'r mut Records<'a>,
    /// Where to count.
    pub counters: &'r mut Counters,
    /// How windows are backed.
    pub policy: AllocationPolicy,
    /// 2 MSL.
    pub time_wait: Duration,
}

/// Acknowledgements owed: counted, not flagged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Debt {
    /// ACKs owed one by one: for what came too early, twice, or closed a hole.
    pub(super) single: u8,
    /// Octets taken in order since the last ACK.
    pub(super) octets: u32,
    /// One ACK is owed for all of them, now.
    pub(super) together: bool,
}

impl Debt {
    pub(super) const EMPTY: Self = Self { single: 0, octets: 0, together: false };
}

/// The settings that are needed after the handshake, small: spans in microseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) ack_delay: u32,
    pub(super) rto_min: u32,
    pub(super) user_timeout: u32,
    pub(super) connect_timeout: u32,
    pub(super) nagle: bool,
    pub(super) initial_window: u8,
    pub(super) algorithm: Algorithm,
}

impl Settings {
    const EMPTY: Self = Self {
        ack_delay: 0,
        rto_min: 0,
        user_timeout: 0,
        connect_timeout: 0,
        nagle: false,
        initial_window: 0,
        algorithm: Algorithm::Reno,
    };

    fn new(config: &ConnectionConfig) -> Self {
        Self {
            ack_delay: micros(config.ack_delay).min(ACK_DELAY_MAX),
            rto_min: micros(config.rto_min),
            user_timeout: micros(config.user_timeout),
            connect_timeout: micros(config.connect_timeout),
            nagle: config.nagle,
            initial_window: config.initial_window,
            algorithm: config.congestion,
        }
    }
}

/// A span in 32 bits: more than an hour counts as an hour and eleven minutes.
fn micros(span: Duration) -> u32 {
    span.micros().min(u64::from(u32::MAX)) as u32
}

/// A coarse clock: ticks of 1,024 µs, modulo 2³².
pub(super) fn tick(now: Instant) -> u32 {
    (now.micros() >> TICK_SHIFT) as u32
}

/// A connection. All zero when it is none.
pub struct Connection<P: Profile> {
    pub(super) flow: FlowKey,
    pub(super) state: State,
    pub(super) snd: SendSpace,
    pub(super) rcv: ReceiveSpace<P::Reassembly>,
    pub(super) agreed: Agreed,
    pub(super) rtt: RttEstimator,
    pub(super) recovery: P::Recovery,
    pub(super) congestion: P::Congestion,
    pub(super) timers: Timers,
    pub(super) debt: Debt,
    pub(super) settings: Settings,
    pub(super) reason: Option<CloseReason>,
    /// When data was sent last, in ticks of 1,024 µs, modulo 2³².
    pub(super) sent_tick: u32,
    /// A probe of a closed window is due.
    pub(super) probe_due: bool,
    /// The octet at SND.NXT went out as a probe: the peer may acknowledge it.
    pub(super) probed: bool,
    /// A reset ends the connection as soon as there is room to send it.
    pub(super) reset_due: bool,
    /// A write was refused or cut short.
    pub(super) writer_waits: bool,
    /// The user does not want to read any more.
    pub(super) deaf: bool,
    /// The user has let go of the handle.
    pub(super) released: bool,
    /// What the user was not told yet.
    pub(super) news: Readiness,
}

impl<P: Profile> Empty for Connection<P> {
    const EMPTY: Self = Self {
        flow: FlowKey::EMPTY,
        state: State::Closed,
        snd: SendSpace::EMPTY,
        rcv: ReceiveSpace::EMPTY,
        agreed: Agreed::EMPTY,
        rtt: RttEstimator::EMPTY,
        recovery: P::Recovery::EMPTY,
        congestion: P::Congestion::EMPTY,
        timers: Timers::EMPTY,
        debt: Debt::EMPTY,
        settings: Settings::EMPTY,
        reason: None,
        sent_tick: 0,
        probe_due: false,
        probed: false,
        reset_due: false,
        writer_waits: false,
        deaf: false,
        released: false,
        news: Readiness::NONE,
    };
}

impl<P: Profile> Connection<P> {
    /// The addresses and ports.
    #[must_use]
    pub fn flow(&self) -> &FlowKey {
        &self.flow
    }

    /// The state of RFC 9293 §3.3.2.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Takes what the user was not told yet.
    pub fn take_news(&mut self) -> Readiness {
        core::mem::replace(&mut self.news, Readiness::NONE)
    }

    /// Whether there is something that the user was not told yet.
    #[must_use]
    pub fn has_news(&self) -> bool {
        !self.news.is_none() && !self.released
    }

    /// Whether the user has let go of it.
    #[must_use]
    pub fn is_released(&self) -> bool {
        self.released
    }

    /// Whether protocol and user are both done with it.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.released && self.leaves_flow()
    }

    /// Whether something may be ready to leave; `plan` knows for sure.
    #[must_use]
    pub fn may_have_to_send(&self, records: &Records<'_>) -> bool {
        if self.state == State::Closed {
            return self.reset_due;
        }
        let (una, nxt) = (self.snd.una, self.snd.nxt);
        self.debt.single > 0
            || self.debt.together
            || (self.snd.syn_outstanding() && una == nxt)
            || self.snd.unsent() > 0
            || self.snd.fin_unsent()
            || self.recovery.next_lost(records, una, nxt).is_some()
    }

    /// The record that takes this connection's place once only TIME-WAIT is left of it.
    #[must_use]
    pub fn to_time_wait(&self, until: Instant) -> Option<TimeWait> {
        let left = self.state == State::TimeWait && self.released && self.debt == Debt::EMPTY;
        left.then(|| TimeWait::new(self.flow, self.snd.nxt, self.rcv.nxt, until))
    }

    /// Whether its flow is free for another connection, though the user still holds the handle.
    #[must_use]
    pub fn leaves_flow(&self) -> bool {
        self.state == State::Closed && !self.reset_due
    }

    /// When time alone will change something.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Sets up what active and passive opens have in common.
    pub(super) fn set_up(
        &mut self,
        flow: FlowKey,
        config: &ConnectionConfig,
        resources: &mut Resources<'_, '_>,
    ) -> Option<()> {
        self.flow = flow;
        self.settings = Settings::new(config);
        self.rcv.prepare(config.receive_limit, resources.policy, resources.blocks)
    }

    /// The handshake is over: congestion control can begin, the user can be told.
    pub(super) fn on_established(&mut self) {
        let mss = u32::from(self.agreed.snd_mss);
        // RFC 5681 §3.1: where a SYN was lost the path is not trusted with more than one segment.
        let lost = self.rtt.backoff() > 0;
        let segments = if lost { 1 } else { self.settings.initial_window };
        self.congestion.start(self.settings.algorithm, mss, segments);
        if lost {
            self.rtt.on_handshake_retransmitted();
        }
        self.news |= Readiness::CONNECTED | Readiness::WRITABLE;
    }

    /// The current retransmission timeout.
    pub(super) fn rto(&self) -> Duration {
        self.rtt.rto(Duration::from_micros(u64::from(self.settings.rto_min))).duration()
    }

    /// Whether nothing was sent for longer than the retransmission timeout.
    pub(super) fn is_stale(&self, now: Instant) -> bool {
        u64::from(tick(now).wrapping_sub(self.sent_tick)) > self.rto().micros() >> TICK_SHIFT
    }

    /// Starts the sender's timer and, where it was not waiting already, its patience.
    pub(super) fn start_send_timer(&mut self, kind: SendTimer, now: Instant) {
        self.timers.start_send(kind, now + self.rto());
        if self.timers.give_up == Due::NEVER {
            self.renew_patience(now);
        }
    }

    /// The peer has shown that it lives.
    pub(super) fn renew_patience(&mut self, now: Instant) {
        let patience = match self.state {
            State::SynSent | State::SynReceived => self.settings.connect_timeout,
            _ => self.settings.user_timeout,
        };
        let patience = Duration::from_micros(u64::from(patience));
        self.timers.give_up = Due::at(now + patience);
    }

    /// Makes the sender's timer fit what is outstanding. Called after everything that may have
    /// changed it, so that nothing outstanding is ever without a timer.
    pub fn settle_timers(&mut self, now: Instant) {
        if self.state == State::Closed {
            self.timers = Timers::EMPTY;
            return;
        }
        let kind = if self.snd.wnd == 0 && self.state.is_synchronized() {
            SendTimer::Persist
        } else {
            SendTimer::Retransmit
        };
        if self.snd.outstanding() > 0 {
            if self.timers.sending() == SendTimer::Idle {
                self.start_send_timer(kind, now);
            }
        } else if self.waits_for_window() {
            if self.timers.sending() == SendTimer::Idle {
                self.start_send_timer(SendTimer::Persist, now);
            }
        } else {
            self.timers.stop_send();
            self.probe_due = false;
        }
        if self.released && self.state == State::FinWait2 && self.timers.linger == Due::NEVER {
            self.timers.linger = Due::at(now + ORPHAN_PATIENCE);
        }
    }

    /// Acts on every timer that has come.
    pub fn on_time(&mut self, resources: &mut Resources<'_, '_>) {
        let now = resources.now;
        if self.timers.ack.has_come(now) {
            self.timers.ack = Due::NEVER;
            self.debt.together = true;
        }
        if self.timers.linger.has_come(now) {
            self.timers.linger = Due::NEVER;
            self.end(Event::Expired, CloseReason::Graceful, resources);
        } else if self.timers.give_up.has_come(now) {
            bump(&mut resources.counters.given_up);
            self.end(Event::Reset, CloseReason::TimedOut, resources);
        } else if let Some(kind) = self.timers.take_expired_send(now) {
            self.on_send_timeout(kind, resources);
        }
    }

    fn on_send_timeout(&mut self, kind: SendTimer, resources: &mut Resources<'_, '_>) {
        let outstanding = self.snd.outstanding();
        let first = self.rtt.backoff() == 0;
        if kind == SendTimer::Retransmit {
            bump(&mut resources.counters.timeouts);
            if self.state.is_synchronized() {
                let mss = u32::from(self.agreed.snd_mss);
                self.congestion.on_timeout(resources.now, outstanding, mss, first);
            }
        } else {
            bump(&mut resources.counters.window_probes);
        }
        self.rtt.on_timeout();
        if outstanding > 0 {
            self.recovery.on_timeout(resources.records, self.snd.una, self.snd.nxt);
        } else {
            self.probe_due = true;
        }
        // RFC 6298 §5.5, §5.6: backed off and started again. With nothing lost on the way, what
        // goes out now is answered before it fires.
        self.start_send_timer(kind, resources.now);
    }

    /// Ends the connection and gives back what it holds; what was received can still be read
    /// unless the peer or the user has broken it off.
    pub(super) fn end(
        &mut self,
        event: Event,
        reason: CloseReason,
        resources: &mut Resources<'_, '_>,
    ) {
        self.state = self.state.on(event);
        if self.reason.is_none() {
            self.reason = Some(reason);
        }
        self.snd.clear(resources.blocks);
        self.recovery.clear(resources.records);
        if reason != CloseReason::Graceful || self.released {
            self.rcv.clear(resources.blocks);
        }
        self.timers = Timers::EMPTY;
        self.debt = Debt::EMPTY;
        self.probe_due = false;
        self.news |= Readiness::CLOSED | Readiness::READABLE;
    }

    /// An ICMP error about a segment with number `seq`: it ends only a connection that is still
    /// being opened (RFC 5927 §5.2). Returns whether it did.
    pub fn on_unreachable(&mut self, seq: SeqNum, resources: &mut Resources<'_, '_>) -> bool {
        let ours = seq.within(self.snd.una, self.snd.outstanding());
        let opening = matches!(self.state, State::SynSent | State::SynReceived);
        if ours && opening {
            self.end(Event::Reset, CloseReason::Unreachable, resources);
        }
        ours && opening
    }

    /// Gives back everything; the slot can be used again.
    pub fn dismantle(&mut self, resources: &mut Resources<'_, '_>) {
        self.snd.clear(resources.blocks);
        self.rcv.clear(resources.blocks);
        self.recovery.clear(resources.records);
    }
}
