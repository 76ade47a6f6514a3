//! The transmission control block: what one connection remembers.
//!
//! It composes the rooms before it and decides nothing by itself. Its doors are `arrives` for
//! segments, `user_calls` for the user, `expires` for time and `departs` for what leaves.

use crate::counters::count;
use crate::flow::FlowKey;
use crate::profile::Profile;
use crate::readiness::Readiness;
use crate::seq::SeqNum;
use crate::storage::Empty;
use crate::time::{Due, Instant, Ticks};
use crate::wire::tcp::Flags;

use super::ack_budget::AckBudget;
use super::bare::Bare;
use super::commons::Commons;
use super::congestion::CongestionControl;
use super::options::Agreed;
use super::path_mtu::{PathMtu, believable};
use super::receive::ReceiveSpace;
use super::recovery::{Records, Recovery};
use super::rtt::RttEstimator;
use super::segment::Segment;
use super::send::SendSpace;
use super::settings::{Choices, Settings, after_steps};
use super::state::{Event, State};
use super::time_wait::{TimeWait, is_newer};
use super::timers::{SendTimer, Timers};
use super::timestamps::Stamps;

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
    /// Our address was removed from the link.
    AddressRemoved,
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
            Self::AddressRemoved => "local address removed",
        })
    }
}

impl core::error::Error for CloseReason {}

/// What an ICMP error told of the path (RFC 9293 §3.9.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum PathError {
    /// Nobody takes TCP, this port or us there: a hard error.
    Refused = 1,
    /// No way leads there just now.
    Unreachable,
    /// The packet was on its way for too long.
    TimeExceeded,
    /// The packet was not understood.
    ParameterProblem,
}

/// A message of a router or host on the path about a segment of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum PathReport {
    /// It did not arrive.
    Error(PathError),
    /// It was too big for a link that takes so many bytes (RFC 1191, RFC 8201).
    TooBig(u32),
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

/// A connection. All zero when it is none.
// In this order what is small lies at the front, where instructions of 16 bits reach it, and then
// what each segment looks at.
#[repr(C)]
pub struct Connection<P: Profile> {
    pub(super) state: State,
    pub(super) reason: Option<CloseReason>,
    /// The last error heard of the path since the peer acknowledged something.
    pub(super) path_error: Option<PathError>,
    /// What the user was not told yet.
    pub(super) news: Readiness,
    /// A reset ends the connection as soon as there is room to send it.
    pub(super) reset_due: bool,
    /// A probe of a closed window is due.
    pub(super) probe_due: bool,
    /// A keep-alive is due.
    pub(super) keepalive_due: bool,
    /// The octet at SND.NXT went out as a probe: the peer may acknowledge it.
    pub(super) probed: bool,
    /// A write was refused or cut short.
    pub(super) writer_waits: bool,
    /// The user does not want to read any more.
    pub(super) deaf: bool,
    /// The user has let go of the handle.
    pub(super) released: bool,
    /// A peer has begun it, and it is not established yet: nobody has a handle.
    pub(super) embryo: bool,
    pub(super) ack_budget: AckBudget,
    pub(super) debt: Debt,
    pub(super) agreed: Agreed,
    /// Timeouts in a row without any progress.
    pub(super) vain: u8,
    /// Keep-alives sent since the peer was heard last.
    pub(super) keepalives: u8,
    /// When data was sent last.
    pub(super) sent_at: Ticks,
    pub(super) snd: SendSpace<P::Stream>,
    pub(super) rcv: ReceiveSpace<P::Reassembly, P::Stream>,
    pub(super) rtt: RttEstimator,
    pub(super) flow: FlowKey,
    pub(super) settings: Settings,
    pub(super) stamps: Stamps,
    pub(super) congestion: P::Congestion,
    pub(super) timers: Timers,
    pub(super) recovery: P::Recovery,
    pub(super) path_mtu: PathMtu,
}

impl<P: Profile> Empty for Connection<P> {
    const EMPTY: Self = Self {
        flow: FlowKey::EMPTY,
        state: State::Closed,
        snd: SendSpace::EMPTY,
        rcv: ReceiveSpace::EMPTY,
        agreed: Agreed::EMPTY,
        stamps: Stamps::EMPTY,
        rtt: RttEstimator::EMPTY,
        recovery: P::Recovery::EMPTY,
        congestion: P::Congestion::EMPTY,
        timers: Timers::EMPTY,
        path_mtu: PathMtu::EMPTY,
        debt: Debt::EMPTY,
        settings: Settings::EMPTY,
        reason: None,
        path_error: None,
        sent_at: Ticks::ZERO,
        ack_budget: AckBudget::EMPTY,
        keepalives: 0,
        vain: 0,
        keepalive_due: false,
        probe_due: false,
        probed: false,
        reset_due: false,
        writer_waits: false,
        deaf: false,
        released: false,
        embryo: false,
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
        !self.news.is_none() && !self.released && !self.embryo
    }

    /// Whether a peer has begun it and has not yet proved that it exists.
    #[must_use]
    pub fn is_embryo(&self) -> bool {
        !P::RECORDS && self.embryo
    }

    /// Whether only TIME-WAIT is left of it, and nobody holds it.
    #[must_use]
    // Seldom called, and from several places: one copy in an image is enough.
    #[inline(never)]
    pub fn only_waits(&self) -> bool {
        self.state == State::TimeWait && self.released && self.debt == Debt::EMPTY
    }

    /// What was used last in a connection in whose place `syn` may open another (RFC 9293 §3.6.1,
    /// MAY-2): its numbers begin beyond. `None` where it must not.
    #[must_use]
    pub fn gives_way(&self, syn: &Segment<'_>) -> Option<SeqNum> {
        let is_syn = syn.has(Flags::SYN) && !syn.has(Flags::ACK.with(Flags::RST));
        let stamps = (P::TIMESTAMPS && self.agreed.timestamps).then_some(&self.stamps);
        let newer = is_syn && self.only_waits() && is_newer(stamps, self.rcv.nxt, syn);
        newer.then_some(self.snd.nxt)
    }

    /// When it would end by itself if it is one that gives way where no slot is free; else never.
    /// A peer that does not answer our SYN-ACK for a second has no claim to more, nor has the peer
    /// of an orphan that did not take all of the data in time.
    #[must_use]
    pub fn gives_way_until(&self, now: Instant) -> Due {
        if self.is_embryo() && self.vain > 0 {
            self.timers.give_up
        } else if self.only_waits() {
            self.timers.send_at()
        } else if self.released && self.is_old_orphan(now) {
            self.timers.check
        } else {
            Due::NEVER
        }
    }

    /// Whether a sixteenth of an orphan's time is over. Before that the last data may be in flight,
    /// and a SYN that asks for the slot may be forged.
    fn is_old_orphan(&self, now: Instant) -> bool {
        let whole = u32::from(self.settings.orphan_timeout);
        !after_steps(now, whole.wrapping_sub(whole >> 4)).before(self.timers.check)
    }

    /// Whether it has come so far that [`Connection::is_done`] and
    /// [`Connection::to_time_wait`] are worth asking.
    #[must_use]
    pub fn may_end(&self) -> bool {
        matches!(self.state, State::Closed | State::TimeWait)
    }

    /// Whether protocol and user are both done with it.
    #[must_use]
    pub fn is_done(&self) -> bool {
        (self.released || self.embryo) && self.leaves_flow()
    }

    /// Whether something may be ready to leave; `plan` knows for sure.
    #[must_use]
    pub fn may_have_to_send(&self, records: &Records<'_>) -> bool {
        if self.state == State::Closed {
            return self.reset_due;
        }
        self.debt.single > 0
            || self.debt.together
            || (P::KEEPALIVE && self.keepalive_due)
            || self.snd.has_unsent()
            || self.recovery.next_lost(records).is_some()
    }

    /// The record that takes this connection's place once only TIME-WAIT is left of it.
    #[must_use]
    pub fn to_time_wait(&self, until: Instant) -> Option<TimeWait> {
        let left = P::RECORDS && self.only_waits();
        let stamps = (P::TIMESTAMPS && self.agreed.timestamps).then_some(self.stamps);
        left.then(|| {
            let mss = u32::from(self.agreed.rcv_mss);
            let (window, _) = self.rcv.next_window(self.agreed.our_shift::<P>(), mss);
            let last = Bare::ack(self.snd.nxt, self.rcv.nxt, window);
            let last = Bare { dscp: self.settings.dscp, ..last };
            TimeWait::new(self.flow, &last, self.rcv.wnd(), stamps, until)
        })
    }

    /// Whether its flow is free for another connection, though the user still holds the handle.
    #[must_use]
    pub fn leaves_flow(&self) -> bool {
        self.state == State::Closed && !self.reset_due
    }

    /// Whether it holds text behind a hole.
    #[must_use]
    pub fn holds_early(&self) -> bool {
        !self.rcv.is_in_order()
    }

    /// Cuts what was taken already off a segment's text; whether something is left.
    #[must_use]
    pub fn cut_taken(&self, segment: &mut Segment<'_>) -> bool {
        let taken = self.rcv.nxt.since(segment.seq);
        segment.text = segment.text.get(taken as usize..).unwrap_or(&[]);
        segment.seq = self.rcv.nxt;
        !segment.text.is_empty() && !segment.has(Flags::SYN)
    }

    /// Forgets what it holds behind a hole: the peer still has all of it.
    pub fn drop_early(&mut self, commons: &mut Commons<'_>) {
        count!(commons.counters, pruned);
        self.rcv.drop_early(&mut commons.blocks);
    }

    /// When time alone will change something.
    #[must_use]
    pub fn next_due(&self) -> Due {
        let next = self.timers.next();
        // Only keep-alives and orphans set the last timer.
        if P::KEEPALIVE && !self.released { next.earlier(self.timers.check) } else { next }
    }

    /// Sets up what active and passive opens have in common.
    pub(super) fn set_up(
        &mut self,
        flow: FlowKey,
        choices: &Choices,
        commons: &mut Commons<'_>,
    ) -> Option<()> {
        self.flow = flow;
        self.settings = choices.settings;
        self.rcv.prepare(choices.receive_limit, commons.policy, &mut commons.blocks)
    }

    /// The handshake is over: congestion control can begin, the user can be told. `lost`: a SYN of
    /// ours had to be sent again.
    #[inline]
    pub(super) fn on_established(&mut self, lost: bool, now: Instant) {
        self.on_heard(now);
        self.settings.patience = self.settings.user_timeout;
        if P::KEEPALIVE && self.settings.keepalive > 0 && !self.released {
            self.timers.check = after_steps(now, u32::from(self.settings.keepalive));
        }
        let mss = self.mss();
        // RFC 5681 §3.1: where a SYN was lost the path is not trusted with more than one segment.
        let segments = if lost { 1 } else { self.settings.initial_window };
        self.congestion.start(self.settings.algorithm, mss, segments);
        if lost {
            self.rtt.on_handshake_retransmitted();
        }
        self.news |= Readiness::CONNECTED | Readiness::WRITABLE;
    }

    /// Ends the connection, whose `next` state is CLOSED, and gives back what it holds; what was
    /// received can still be read unless the peer or the user has broken it off.
    pub(super) fn end(&mut self, next: State, reason: CloseReason, commons: &mut Commons<'_>) {
        self.state = next;
        if self.reason.is_none() {
            self.reason = Some(reason);
        }
        self.snd.clear(&mut commons.blocks);
        self.recovery.clear(&mut commons.records);
        if reason != CloseReason::Graceful || self.released {
            self.rcv.clear(&mut commons.blocks);
        }
        self.timers = Timers::EMPTY;
        self.debt = Debt::EMPTY;
        self.probe_due = false;
        self.news |= Readiness::CLOSED | Readiness::READABLE;
    }

    /// The effective MSS: the payload of the largest segment that is sent, bytes.
    pub(super) fn mss(&self) -> u32 {
        let negotiated = self.agreed.snd_mss;
        u32::from(if P::ICMP_ERRORS { self.path_mtu.mss(negotiated) } else { negotiated })
    }

    /// Ends the connection with a reset.
    // Seldom called, and from several places: one copy in an image is enough.
    #[inline(never)]
    pub(super) fn break_off(&mut self, commons: &mut Commons<'_>) {
        self.reset_due = true;
        self.end(self.state.on(Event::Reset), CloseReason::Aborted, commons);
    }

    /// An ICMP message about a segment with number `seq`. Returns whether it is believed.
    pub fn on_path_report(
        &mut self,
        report: PathReport,
        seq: SeqNum,
        commons: &mut Commons<'_>,
    ) -> bool {
        // RFC 5927 §4.1: nobody off the path can know which numbers are in flight.
        if !seq.within(self.snd.una, self.snd.outstanding()) {
            return false;
        }
        match report {
            PathReport::Error(error) => self.on_path_error(error, commons),
            PathReport::TooBig(claimed) => return self.on_too_big(claimed, commons),
        }
        true
    }

    fn on_path_error(&mut self, error: PathError, commons: &mut Commons<'_>) {
        let opening = matches!(self.state, State::SynSent | State::SynReceived);
        if opening && error == PathError::Refused {
            self.end(self.state.on(Event::Reset), CloseReason::Unreachable, commons);
        } else {
            // RFC 9293 §3.9.2.2, MUST-56, SHLD-25: heard, told and outlived. Deviation: decision
            // 0021, hard errors too, once the connection is synchronised.
            self.path_error = Some(error);
            self.news |= Readiness::TROUBLED;
        }
    }

    /// A segment in flight was too big for a link that takes `claimed` bytes: decision 0122.
    fn on_too_big(&mut self, claimed: u32, commons: &mut Commons<'_>) -> bool {
        let ipv4 = self.flow.is_ipv4();
        let Some(mtu) = believable(claimed, ipv4) else { return false };
        let mss = self.agreed.mss_of_mtu(mtu, ipv4);
        // RFC 1191 §3, RFC 8201 §4: no message raises the MTU. A SYN is smaller than any.
        if u32::from(mss) >= self.mss() || !self.state.is_synchronized() {
            return false;
        }
        if self.path_mtu.on_claim(mss) {
            // RFC 8201 §5.4: what was too big goes again at once. That is no sign of congestion,
            // but begins with slow start.
            let mss = self.mss();
            self.recovery.on_timeout(self.snd.una, self.snd.nxt);
            self.congestion.on_idle(mss, self.settings.initial_window);
            if self.timers.sending() == SendTimer::Retransmit {
                self.start_send_timer(SendTimer::Retransmit, commons.now);
            }
        }
        true
    }

    /// Our address is not ours any more. RFC 2131 §4.4.5: nothing leaves from it, a reset neither.
    pub fn on_address_removed(&mut self, commons: &mut Commons<'_>) {
        if self.state != State::Closed {
            self.end(self.state.on(Event::Reset), CloseReason::AddressRemoved, commons);
        }
        self.reset_due = false;
    }

    /// Gives back everything; the slot can be used again.
    // Seldom called, and from several places: one copy in an image is enough.
    #[inline(never)]
    pub fn dismantle(&mut self, commons: &mut Commons<'_>) {
        self.snd.clear(&mut commons.blocks);
        self.rcv.clear(&mut commons.blocks);
        self.recovery.clear(&mut commons.records);
    }
}
