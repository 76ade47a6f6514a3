//! What leaves: [`Connection::plan`] says what would be sent now and changes nothing,
//! [`Connection::on_sent`] takes note once it has really left.

use crate::counters::{Tally, count};
use crate::flow::FlowKey;
use crate::profile::Profile;
use crate::seq::SeqNum;
use crate::time::{Due, Ticks};
use crate::wire::tcp::{Flags, Header};
use crate::wire::tcp_options::Options;

use super::commons::Commons;
use super::congestion::CongestionControl;
use super::connection::Connection;
use super::options::{mss_of_mtu, stamp_room};
use super::recovery::{Range, Records, Recovery, Sent};
use super::state::State;
use super::timers::SendTimer;
use super::window::Sendable;

/// Why a segment leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Purpose {
    /// To reset.
    Reset,
    /// To acknowledge one segment that asked for an ACK of its own.
    SingleAck,
    /// To acknowledge, or to tell a window.
    Ack,
    /// To carry something for the first time.
    New,
    /// To carry something again.
    Again,
    /// To ask a silent peer whether it is still there.
    KeepAlive,
    /// To probe a closed window with an octet that is not counted as sent.
    Probe,
}

/// How soon something wants to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Urgency {
    /// Nothing does.
    None,
    /// When it is the connection's turn.
    InTurn,
    /// Before its next arrival.
    First,
}

/// One segment that could leave now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Plan {
    /// Why.
    pub purpose: Purpose,
    /// SEG.SEQ.
    pub seq: SeqNum,
    /// SEG.ACK; zero without the ACK bit.
    pub ack: SeqNum,
    /// The control bits.
    pub flags: Flags,
    /// The window field.
    pub window: u16,
    /// The urgent pointer, with the URG bit.
    pub urgent: u16,
    /// Where the text begins in the send queue.
    pub offset: u32,
    /// Octets of text.
    pub len: u32,
    /// The right edge that `window` tells.
    edge: SeqNum,
}

impl Plan {
    /// Its header, but for the options.
    #[must_use]
    pub const fn header(&self, flow: &FlowKey) -> Header<'static> {
        let (source_port, destination_port) = flow.ports();
        Header {
            source_port,
            destination_port,
            seq: self.seq,
            ack: self.ack,
            flags: self.flags,
            window: self.window,
            urgent: self.urgent,
            options: &[],
        }
    }

    /// Whether it only acknowledges.
    #[must_use]
    pub const fn is_bare_ack(&self) -> bool {
        matches!(self.purpose, Purpose::SingleAck | Purpose::Ack)
    }

    /// Whether the options of a SYN go with it.
    #[must_use]
    pub const fn is_syn(&self) -> bool {
        self.flags.intersects(Flags::SYN)
    }

    /// The sequence number behind the segment.
    #[must_use]
    pub fn end(&self) -> SeqNum {
        let controls = u32::from(self.flags.intersects(Flags::SYN))
            .wrapping_add(u32::from(self.flags.intersects(Flags::FIN)));
        self.seq + self.len.wrapping_add(controls)
    }
}

impl<P: Profile> Connection<P> {
    /// The segment that would leave first now, if any. Changes nothing.
    #[must_use]
    pub fn plan(&self, commons: &Commons<'_>) -> Option<Plan> {
        let (purpose, range) = self.next_departure(&commons.records, self.mss_now(commons))?;
        Some(self.carry(purpose, range))
    }

    /// The most data that a segment carries now, bytes: no more than was agreed, and no more than
    /// fits the link as it is at this moment. Never 0: each plan takes up something.
    fn mss_now(&self, commons: &Commons<'_>) -> u32 {
        self.mss().min(self.fitting(commons)).max(1)
    }

    /// The room that the link has now beside the headers and the timestamps of a segment, bytes.
    fn fitting(&self, commons: &Commons<'_>) -> u32 {
        let room = mss_of_mtu(commons.mtu, self.flow.is_ipv4());
        u32::from(room.saturating_sub(stamp_room(P::TIMESTAMPS && self.agreed.timestamps)))
    }

    /// Why something would leave first now, and the numbers that it takes up.
    fn next_departure(&self, records: &Records<'_>, mss: u32) -> Option<(Purpose, Range)> {
        // No control segment ever carries a number older than SND.NXT.
        let bare = Range { start: self.snd.nxt, end: self.snd.nxt };
        if self.reset_due {
            return Some((Purpose::Reset, bare));
        }
        if self.state == State::Closed {
            return None;
        }
        if self.debt.single > 0 {
            return Some((Purpose::SingleAck, bare));
        }
        if let Some(range) = self.plan_again(records, mss) {
            return Some((Purpose::Again, range));
        }
        if self.snd.has_unsent()
            && let departure @ Some(_) = self.plan_new(mss)
        {
            return departure;
        }
        if self.debt.together {
            return Some((Purpose::Ack, bare));
        }
        let asks = P::KEEPALIVE && self.keepalive_due;
        asks.then(|| (Purpose::KeepAlive, self.plan_keepalive()))
    }

    /// Whether one ACK is owed for several arrivals, or for a window that has opened.
    #[must_use]
    pub fn owes_update(&self) -> bool {
        self.debt.together
    }

    /// How soon something wants to leave, as far as that is known without a plan.
    #[must_use]
    pub fn urgency(&self, commons: &Commons<'_>) -> Urgency {
        if self.owes_now(commons.ack_per_burst) {
            Urgency::First
        } else if self.may_have_to_send(&commons.records) {
            Urgency::InTurn
        } else {
            Urgency::None
        }
    }

    /// Whether an ACK is owed that must not wait for other arrivals.
    #[must_use]
    pub fn owes_now(&self, per_burst: bool) -> bool {
        self.debt.single > 0 || (self.debt.together && !per_burst)
    }

    /// What is lost and may go again; nothing but the SYN as long as that is outstanding.
    fn plan_again(&self, records: &Records<'_>, mss: u32) -> Option<Range> {
        let (una, nxt) = (self.snd.una, self.snd.nxt);
        let mut range = self.recovery.next_lost(records)?;
        if self.snd.syn_outstanding() {
            return Some(range);
        }
        let flight = self.recovery.flight(una, nxt, mss);
        let room = self.congestion.window().saturating_sub(flight);
        // RFC 6582 §3.2, steps 2 and 5: what fast recovery found lost goes at once; after a
        // timeout the congestion window governs.
        let governed = !self.recovery.is_recovering();
        if governed && room < mss.min(range.end.since(range.start)) {
            return None;
        }
        // What lies beyond a window that shrank waits, but for the one octet that probes it.
        let edge = una + self.snd.wnd.max(1);
        if !range.start.before(edge) {
            return None;
        }
        let len = range.end.since(range.start).min(mss).min(edge.since(range.start));
        range.end = range.start + len;
        Some(range)
    }

    /// What goes for the first time, or probes.
    fn plan_new(&self, mss: u32) -> Option<(Purpose, Range)> {
        let start = self.snd.nxt;
        if self.snd.syn_outstanding() {
            let range = Range { start, end: start + 1 };
            return (start == self.snd.una).then_some((Purpose::New, range));
        }
        let unsent = self.snd.unsent();
        if unsent == 0 {
            // What is left is the FIN.
            return Some((Purpose::New, Range { start, end: start + 1 }));
        }
        let mut len = self.next_len(unsent, mss);
        if len.is_none() && self.probe_due {
            // RFC 9293 §3.8.6.2.1, the override: what the window takes, however little.
            len = Some(unsent.min(self.snd.usable()).min(mss));
        }
        if len == Some(0) {
            // RFC 9293 §3.8.6.1: an octet that the window does not take. SND.NXT stays, so that no
            // ACK of ours ever lies beyond the peer's window; if the octet is taken, it moves then.
            return Some((Purpose::Probe, Range { start, end: start + 1 }));
        }
        let end = start + len?;
        // The FIN goes with the last of the text.
        let end = if self.snd.fin_at(end) { end + 1 } else { end };
        Some((Purpose::New, Range { start, end }))
    }

    /// RFC 9293 §3.8.4: a number below the window, which every peer answers. It is the one control
    /// segment that does not carry SND.NXT.
    fn plan_keepalive(&self) -> Range {
        let old = self.snd.nxt - 1;
        Range { start: old, end: old }
    }

    /// How much of what was never sent goes into the next segment, if any.
    // Called from two places: one copy in an image is enough.
    #[inline(never)]
    fn next_len(&self, unsent: u32, mss: u32) -> Option<u32> {
        let flight = self.recovery.flight(self.snd.una, self.snd.nxt, mss);
        let sendable = Sendable {
            queued: unsent,
            usable: self.snd.usable(),
            allowed: self.congestion.window().saturating_sub(flight),
            idle: self.snd.outstanding() == 0,
            mss,
            max_wnd: self.snd.max_wnd,
            nagle: self.settings.nagle,
            closing: self.snd.is_finished(),
        };
        sendable.next_len()
    }

    /// Whether something is queued that only the peer's window keeps back.
    pub(super) fn waits_for_window(&self) -> bool {
        let unsent = self.snd.unsent();
        unsent > 0
            && self.state.is_synchronized()
            && self.snd.outstanding() == 0
            && self.next_len(unsent, self.mss()).is_none()
    }

    /// The segment that takes up these numbers: of the SYN, or of the stream, the last one the FIN
    /// where it lies behind the data.
    fn carry(&self, purpose: Purpose, Range { start, end }: Range) -> Plan {
        if matches!(purpose, Purpose::New | Purpose::Again) && self.snd.syn_outstanding() {
            return self.syn(purpose);
        }
        let data_end = self.snd.data_end();
        let mut flags = Flags::ACK;
        let mut len = end.since(start);
        if len > 0 && end.after(data_end) {
            flags = flags.with(Flags::FIN);
            len = len.wrapping_sub(1);
        }
        // RFC 9293 §3.9.1.2, MUST-61: PSH on the last segment of what is queued.
        if len > 0 && start + len == data_end {
            flags = flags.with(Flags::PSH);
        }
        let mss = u32::from(self.agreed.rcv_mss);
        let (mut window, edge) = self.rcv.next_window(self.agreed.our_shift::<P>(), mss);
        let mut urgent = 0;
        if purpose == Purpose::Reset {
            (flags, window) = (Flags::RST.with(Flags::ACK), 0);
        } else if P::URGENT
            && let Some(pointer) = self.snd.urgent_pointer(start)
        {
            (flags, urgent) = (flags.with(Flags::URG), pointer);
        }
        let (ack, offset) = (self.rcv.nxt, self.snd.offset_of(start));
        Plan { purpose, seq: start, ack, flags, window, urgent, offset, len, edge }
    }

    fn syn(&self, purpose: Purpose) -> Plan {
        let acks = self.state == State::SynReceived;
        Plan {
            purpose,
            seq: self.snd.una,
            ack: if acks { self.rcv.nxt } else { SeqNum::ZERO },
            flags: if acks { Flags::SYN.with(Flags::ACK) } else { Flags::SYN },
            window: self.rcv.syn_window(),
            urgent: 0,
            offset: 0,
            len: 0,
            edge: self.rcv.edge,
        }
    }

    /// The queue that the text of a planned segment lies in.
    #[must_use]
    pub fn send_space(&self) -> &P::Stream {
        self.snd.queue()
    }

    /// The options of a planned segment that leaves now. All of them fit the link.
    #[must_use]
    pub fn options(&self, plan: &Plan, commons: &Commons<'_>) -> Options {
        let mut options = Options::none();
        if plan.is_syn() {
            options = self.agreed.to_options();
            // RFC 9293 §3.7.1, MUST-67: the MTU may have changed since the connection was opened.
            let fits = mss_of_mtu(commons.mtu, self.flow.is_ipv4());
            options.mss = options.mss.map(|mss| mss.min(fits));
        }
        if P::TIMESTAMPS && self.agreed.timestamps {
            // RFC 7323 §3.2: on every segment, resets too, once both SYNs have carried them.
            options.timestamps = Some(self.stamps.stamp(commons.now));
        }
        let reports = plan.flags.intersects(Flags::ACK) && !plan.flags.intersects(Flags::RST);
        if P::SACK && self.agreed.sack && reports && !plan.is_syn() {
            let once = plan.purpose == Purpose::SingleAck;
            // RFC 6691 §2: beside text there is room only for what it leaves of a segment.
            let beside = self.mss_now(commons).saturating_sub(plan.len);
            let room = if plan.len > 0 { beside } else { self.fitting(commons) };
            self.rcv.report(once, room, &mut options.sack);
        }
        options
    }

    /// A planned segment has left. The timers are settled by the caller (RFC 6298 §5.1: whatever
    /// is outstanding has one running).
    pub fn on_sent(&mut self, plan: &Plan, commons: &mut Commons<'_>) {
        let now = commons.now;
        tell(plan, &mut commons.counters);
        if plan.purpose == Purpose::Reset {
            self.reset_due = false;
            return;
        }
        self.pay(plan);
        self.rcv.edge = self.rcv.edge.later(plan.edge);
        let sent = Sent { start: plan.seq, end: plan.end(), at: now };
        match plan.purpose {
            Purpose::New => {
                self.snd.nxt = sent.end;
                self.recovery.on_sent(&mut commons.records, &sent);
                (self.probe_due, self.probed) = (false, false);
            }
            Purpose::Probe => (self.probe_due, self.probed) = (false, true),
            Purpose::KeepAlive => {
                self.keepalive_due = false;
                return;
            }
            Purpose::Again => self.recovery.on_resent(&mut commons.records, &sent),
            _ => return,
        }
        if P::Congestion::RESTARTS {
            self.sent_at = Ticks::of(now);
        }
        // What was forced out into a window that is open after all is lost or arrives.
        if self.timers.sending() == SendTimer::Persist && self.snd.wnd > 0 {
            self.start_send_timer(SendTimer::Retransmit, now);
        }
    }

    /// Every segment acknowledges; those without text one arrival at a time.
    fn pay(&mut self, plan: &Plan) {
        if plan.purpose == Purpose::SingleAck {
            self.debt.single = self.debt.single.wrapping_sub(1);
            if P::SACK {
                self.rcv.forget_duplicate();
            }
        }
        if plan.flags.intersects(Flags::ACK) {
            self.debt.octets = 0;
            self.debt.together = false;
            self.timers.ack = Due::NEVER;
        }
    }
}

fn tell(plan: &Plan, counters: &mut Tally) {
    count!(counters, segments_out);
    count!(counters, octets_out, plan.len as usize);
    match plan.purpose {
        Purpose::Again => count!(counters, retransmissions),
        Purpose::Reset => count!(counters, resets_out),
        _ => {}
    }
}
