//! SEGMENT ARRIVES: RFC 9293 §3.10.7.3 for SYN-SENT and §3.10.7.4 for every later state, step by
//! step and in its order.
//!
//! Each check returns `ControlFlow`: `Break` is the verdict of a segment that goes no further.
//! LISTEN and the half-open records are in `listener`, TIME-WAIT's small records in `time_wait`.

use core::ops::ControlFlow;

use crate::counters::{DropReason, count};
use crate::profile::Profile;
use crate::readiness::Readiness;
use crate::seq::SeqNum;
use crate::time::{Due, Duration, Instant};
use crate::wire::tcp::Flags;

use super::ack_budget::{LIMIT, LIMIT_BESIDE};
use super::commons::Commons;
use super::congestion::{Ack, CongestionControl};
use super::connection::{CloseReason, Connection};
use super::receive::Taken;
use super::recovery::{Acknowledged, Event as Loss, Recovery, Sent};
use super::segment::{Segment, text_len};
use super::state::{Event, State};
use super::time_wait::{Action, Numbers, judge};
use super::timers::SendTimer;
use super::timestamps::Stamps;

/// What became of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Verdict {
    /// It was processed; what is owed for it leaves through `departs`.
    Accepted,
    /// It was dropped, maybe with an acknowledgement owed.
    Dropped(DropReason),
    /// It was dropped and deserves the reset of RFC 9293 §3.5.2.
    Refused(DropReason),
    /// It ended the connection.
    Ended,
}

/// One check: go on, or this verdict.
type Check = ControlFlow<Verdict>;

fn verdict_of(flow: Check) -> Verdict {
    match flow {
        ControlFlow::Continue(()) => Verdict::Accepted,
        ControlFlow::Break(verdict) => verdict,
    }
}

const fn dropped(reason: DropReason) -> Check {
    ControlFlow::Break(Verdict::Dropped(reason))
}

impl<P: Profile> Connection<P> {
    /// A segment of this connection has arrived, its checksum verified. The timers are settled by
    /// the caller, as after all else.
    pub fn on_segment(&mut self, segment: &mut Segment<'_>, commons: &mut Commons<'_>) -> Verdict {
        let owed = self.debt.single;
        let flow = match self.state {
            State::Closed | State::Listen | State::SynSent => {
                ControlFlow::Break(Verdict::Refused(DropReason::NoSocket))
            }
            State::TimeWait => self.in_time_wait(segment, commons),
            _ => self.otherwise(segment, commons),
        };
        // More than one step may want an answer; none wants one of its own.
        self.debt.single = self.debt.single.min(owed.saturating_add(1));
        verdict_of(flow)
    }

    /// As [`Connection::on_segment`], in SYN-SENT. It is only linked into an image that names it:
    /// one that opens connections.
    pub fn on_segment_in_syn_sent(
        &mut self,
        segment: &mut Segment<'_>,
        commons: &mut Commons<'_>,
    ) -> Verdict {
        let owed = self.debt.single;
        let flow = self.syn_sent(segment, commons);
        self.debt.single = self.debt.single.min(owed.saturating_add(1));
        verdict_of(flow)
    }

    /// RFC 9293 §3.10.7.3.
    fn syn_sent(&mut self, segment: &mut Segment<'_>, commons: &mut Commons<'_>) -> Check {
        let acks = segment.has(Flags::ACK);
        let acceptable = segment.ack.after(self.snd.una) && segment.ack.at_or_before(self.snd.nxt);
        if acks && !acceptable {
            return ControlFlow::Break(Verdict::Refused(DropReason::BadAck));
        }
        if segment.has(Flags::RST) {
            if !acks {
                return dropped(DropReason::BadReset);
            }
            count!(commons.counters, resets_in);
            self.end(self.state.on(Event::Reset), CloseReason::Refused, commons);
            return ControlFlow::Break(Verdict::Ended);
        }
        if !segment.has(Flags::SYN) {
            return dropped(DropReason::NoAck);
        }
        self.agreed = self.agreed.offer().agree::<P>(&segment.options, self.flow.is_ipv4());
        if let Some(stamps) = &segment.options.timestamps {
            self.stamps.start(stamps.value);
        }
        let told = u32::from(self.rcv.syn_window());
        self.rcv.start(segment.seq, told);
        // RFC 7323 §2.2: the window of a SYN is never scaled.
        self.snd.set_window(u32::from(segment.wnd), segment.seq, segment.ack);
        if !acks {
            self.state = self.state.on(Event::SynArrived);
            // Our SYN goes out again, now with an acknowledgement. Deviation: decision 0006, text
            // that came with theirs is left to be sent again.
            self.recovery.on_timeout(self.snd.una, self.snd.nxt);
            return ControlFlow::Continue(());
        }
        let lost = self.rtt.backoff() > 0;
        self.advance(segment, commons);
        self.state = self.state.on(Event::SynAcked);
        self.on_established(lost, commons.now);
        // The one ACK of the handshake is also that of what else the segment carries, as far as we
        // told a window for it.
        self.debt.together = true;
        segment.trim(self.rcv.nxt, self.rcv.edge);
        self.check_urg(segment);
        self.take_text(segment, commons)?;
        self.take_fin(segment, commons)
    }

    /// RFC 9293 §3.10.7.4: the seven steps, first to last.
    fn otherwise(&mut self, segment: &mut Segment<'_>, commons: &mut Commons<'_>) -> Check {
        let is_syn = segment.has(Flags::SYN) && !segment.has(Flags::RST);
        if self.state == State::SynReceived && is_syn && segment.seq == self.rcv.irs {
            // RFC 9293 §3.5, figure 8: in a simultaneous open the SYN that is known already comes
            // again with the ACK that completes the handshake.
            if self.is_embryo() && !segment.has(Flags::ACK) {
                // Our SYN-ACK was lost, or takes too long: it goes out again.
                if self.snd.outstanding() > 0 && self.may_answer(segment, commons.now) {
                    self.rtt.on_timeout();
                    self.recovery.on_timeout(self.snd.una, self.snd.nxt);
                }
                return dropped(DropReason::Duplicate);
            }
            segment.trim(self.rcv.nxt, self.rcv.edge);
            segment.wnd = self.agreed.field_of::<P>(segment.wnd);
        }
        if P::SACK {
            // RFC 2883 §4: a D-SACK block is about the most recent packet only.
            self.rcv.forget_duplicate();
        }
        self.check_stamps(segment, commons)?;
        let moves_edge = segment.seq.at_or_before(self.rcv.nxt - self.debt.octets);
        let outdated = Stamps::are_outdated(self.timers.heard_at.until(commons.now));
        self.check_sequence(segment, commons)?;
        self.check_rst(segment, commons)?;
        self.check_syn(segment, commons)?;
        self.check_ack(segment, commons)?;
        self.on_heard(commons.now);
        if moves_edge || outdated {
            self.take_stamps(segment, outdated);
        }
        self.check_urg(segment);
        self.take_text(segment, commons)?;
        self.take_fin(segment, commons)
    }

    /// RFC 9293 §3.10.7.4 in TIME-WAIT, as a record does it.
    fn in_time_wait(&mut self, segment: &Segment<'_>, commons: &mut Commons<'_>) -> Check {
        self.note_duplicate(segment);
        let stamps = (P::TIMESTAMPS && self.agreed.timestamps).then_some(&self.stamps);
        let (snd_nxt, rcv_nxt, rcv_wnd) = (self.snd.nxt, self.rcv.nxt, self.rcv.wnd());
        let (reason, action) = judge(&Numbers { snd_nxt, rcv_nxt, rcv_wnd }, stamps, segment);
        if action == Action::Restart {
            self.linger(commons);
        }
        if action != Action::Ignore {
            self.challenge(segment, commons);
        }
        dropped(reason)
    }

    /// Before all else, RFC 7323 §5.3: is it a segment of old? (PAWS)
    fn check_stamps(&mut self, segment: &Segment<'_>, commons: &mut Commons<'_>) -> Check {
        // A reset is heard whatever it is stamped with.
        if !P::TIMESTAMPS || !self.agreed.timestamps || segment.has(Flags::RST) {
            return ControlFlow::Continue(());
        }
        let Some(stamps) = &segment.options.timestamps else {
            return dropped(DropReason::NoTimestamp);
        };
        let silence = self.timers.heard_at.until(commons.now);
        if self.stamps.is_older(stamps.value) && !Stamps::are_outdated(silence) {
            self.owe_for_stray(segment, commons);
            return dropped(DropReason::OldTimestamp);
        }
        ControlFlow::Continue(())
    }

    /// First: is any of it new and inside the window? What is not is cut off.
    // Apart, so that the steps behind it have its registers.
    #[inline(never)]
    fn check_sequence(&mut self, segment: &mut Segment<'_>, commons: &mut Commons<'_>) -> Check {
        let (nxt, wnd) = (self.rcv.nxt, self.rcv.wnd());
        let len = segment.len();
        let acceptable = if len == 0 && !segment.has(Flags::RST) {
            // Deviation: decision 0009. A peer that has filled our window goes on from its edge.
            // RFC 9293 §3.10.7.4 would not hear its ACKs, so that two such peers, each having lost
            // something, answer each other for ever.
            segment.seq.within(nxt, wnd.wrapping_add(1))
        } else if len == 0 {
            segment.seq == nxt || segment.seq.within(nxt, wnd)
        } else {
            let last = segment.end() - 1;
            wnd > 0 && (segment.seq.within(nxt, wnd) || last.within(nxt, wnd))
        };
        // RFC 9293 §3.10.7.4, MUST-66: with a closed window ACK, URG and RST are still heard.
        let only_heard = wnd == 0 && segment.seq == nxt;
        if !acceptable && !only_heard {
            if !segment.has(Flags::RST) {
                self.note_duplicate(segment);
                self.owe_for_stray(segment, commons);
                if segment.is_empty() && segment.seq + 1 == nxt {
                    // Where each has taken the octet with which the other probed, neither's ACKs
                    // are at the other's RCV.NXT, until one is heard.
                    self.take_probe(segment.ack, commons);
                }
            }
            return dropped(DropReason::OutsideWindow);
        }
        if only_heard && len > 0 {
            self.owe_single_ack();
        }
        if !segment.has(Flags::RST) && !segment.has(Flags::SYN) {
            self.note_duplicate(segment);
            segment.trim(nxt, self.rcv.data_end());
        }
        ControlFlow::Continue(())
    }

    /// RFC 7323 §4.3: what is echoed is the stamp of a segment that moved, or repeated, the edge
    /// of our last ACK, so that a delayed ACK is counted into the round trip. It waits for the
    /// check of the ACK: a stamp from the future in a forged segment would end all that follows.
    /// §5.5: where TS.Recent was outdated, whatever is accepted takes its place.
    fn take_stamps(&mut self, segment: &Segment<'_>, outdated: bool) {
        if P::TIMESTAMPS
            && self.agreed.timestamps
            && let Some(stamps) = &segment.options.timestamps
        {
            if outdated {
                self.stamps.start(stamps.value);
            } else {
                self.stamps.advance(stamps.value);
            }
        }
    }

    /// Notes the payload below RCV.NXT for a D-SACK block (RFC 2883 §4).
    fn note_duplicate(&mut self, segment: &Segment<'_>) {
        let end = (segment.seq + text_len(segment.text)).earlier(self.rcv.nxt);
        if P::SACK && self.agreed.sack && segment.seq.before(end) {
            self.rcv.note_duplicate(segment.seq, end);
        }
    }

    /// Second: the RST bit. Only the exact number resets (RFC 9293 §3.10.7.4, RFC 5961 §3.2).
    fn check_rst(&mut self, segment: &Segment<'_>, commons: &mut Commons<'_>) -> Check {
        if !segment.has(Flags::RST) {
            return ControlFlow::Continue(());
        }
        if segment.seq != self.rcv.nxt {
            self.challenge(segment, commons);
            return dropped(DropReason::BadReset);
        }
        count!(commons.counters, resets_in);
        let reason = match self.state {
            State::SynReceived => CloseReason::Refused,
            // RFC 9293 §3.10.7.4: the user is not told of a reset here, unless data is lost by it.
            State::Closing | State::LastAck if self.snd.queued() == 0 => CloseReason::Graceful,
            _ => CloseReason::Reset,
        };
        self.end(self.state.on(Event::Reset), reason, commons);
        ControlFlow::Break(Verdict::Ended)
    }

    /// Fourth: the SYN bit (the third step is about security labels, which nobody sends).
    fn check_syn(&mut self, segment: &Segment<'_>, commons: &mut Commons<'_>) -> Check {
        if !segment.has(Flags::SYN) {
            return ControlFlow::Continue(());
        }
        // RFC 9293 §3.10.7.4, RFC 5961 §4.2: a peer that has really restarted answers with a RST.
        self.challenge(segment, commons);
        dropped(DropReason::UnexpectedSyn)
    }

    /// Fifth: the ACK field.
    fn check_ack(&mut self, segment: &Segment<'_>, commons: &mut Commons<'_>) -> Check {
        if !segment.has(Flags::ACK) {
            return dropped(DropReason::NoAck);
        }
        let opens = self.state == State::SynReceived;
        let lost = self.rtt.backoff() > 0;
        if opens {
            if !segment.ack.after(self.snd.una) || segment.ack.after(self.snd.nxt) {
                return ControlFlow::Break(Verdict::Refused(DropReason::BadAck));
            }
            self.state = self.state.on(Event::SynAcked);
            if self.is_embryo() {
                self.embryo = false;
                // Nobody is told what became of segments before.
                self.news = Readiness::NONE;
                count!(commons.counters, passive_opens);
            }
            if self.snd.is_finished() {
                self.state = self.state.on(Event::Close);
            }
            let wnd = self.agreed.window_of::<P>(segment.wnd);
            self.snd.set_window(wnd, segment.seq, segment.ack);
        }
        self.take_probe(segment.ack, commons);
        // RFC 9293 §3.10.7.4, RFC 5961 §5.2: neither of what was never sent nor long gone.
        let oldest = self.snd.una - self.snd.max_wnd;
        if segment.ack.after(self.snd.nxt) || segment.ack.before(oldest) {
            self.challenge(segment, commons);
            return dropped(DropReason::BadAck);
        }
        self.on_ack(segment, commons);
        if opens {
            // RFC 5681 §3.1: the ACK of our SYN opens no congestion window, so this begins behind.
            self.on_established(lost, commons.now);
        }
        if !self.snd.fin_acked() {
            return ControlFlow::Continue(());
        }
        match (self.state, self.state.on(Event::FinAcked)) {
            (State::LastAck, _) => {
                self.end(self.state.on(Event::FinAcked), CloseReason::Graceful, commons);
                return ControlFlow::Break(Verdict::Ended);
            }
            (State::Closing, next) => {
                self.state = next;
                self.linger(commons);
            }
            (_, next) => self.state = next,
        }
        ControlFlow::Continue(())
    }

    /// The peer has taken the octet that probed its window: it counts as sent from now on.
    fn take_probe(&mut self, ack: SeqNum, commons: &mut Commons<'_>) {
        if self.probed && ack == self.snd.nxt + 1 {
            let sent = Sent { start: self.snd.nxt, end: ack, at: commons.now };
            self.recovery.on_sent(&mut commons.records, &sent);
            // Karn's rule: nobody knows which of the probes this answers.
            self.recovery.on_resent(&mut commons.records, &sent);
            self.snd.nxt = ack;
            self.probed = false;
        }
    }

    /// An acceptable acknowledgement: what it frees, what it tells of the window and of losses.
    fn on_ack(&mut self, segment: &Segment<'_>, commons: &mut Commons<'_>) {
        let (una, old_wnd) = (self.snd.una, self.snd.wnd);
        let wnd = self.agreed.window_of::<P>(segment.wnd);
        let current = segment.ack.at_or_after(una);
        if current && self.snd.update_window(wnd, segment.seq, segment.ack) {
            self.on_window(old_wnd, commons);
        }
        if segment.ack.after(una) {
            self.advance(segment, commons);
        } else if P::Recovery::FAST && current {
            // RFC 5681 §2: a duplicate carries nothing new, while something is outstanding.
            // RFC 6675 §2: one that tells what has arrived behind a hole may change the window;
            // Linux raises it with each of them.
            let same = wnd == old_wnd || self.is_told_of_a_hole(segment);
            if self.snd.outstanding() > 0 && segment.is_empty() && same && wnd > 0 {
                self.ask_recovery(0, None, commons);
            }
        }
    }

    /// Whether the segment names octets in flight that have arrived (RFC 2018 §3).
    fn is_told_of_a_hole(&self, segment: &Segment<'_>) -> bool {
        let in_flight = |end: SeqNum| end.after(self.snd.una) && !end.after(self.snd.nxt);
        let agreed = P::SACK && self.agreed.sack;
        agreed && segment.options.sack.iter().any(|block| in_flight(block.right))
    }

    /// The peer told a window: a closed one that opens makes the sender start over.
    fn on_window(&mut self, old: u32, commons: &mut Commons<'_>) {
        let now = commons.now;
        if self.snd.wnd == 0 {
            // RFC 9293 §3.8.6.1, MUST-37: who still answers probes is not given up, within what the
            // system can spare: with nobody left to abort it, it would hold a slot for ever.
            if !self.released && self.timers.sending() != SendTimer::Linger {
                self.renew_patience(now);
            }
            if old > 0 && self.timers.sending() == SendTimer::Retransmit {
                self.start_send_timer(SendTimer::Persist, now);
            }
        } else if old == 0 && self.timers.sending() == SendTimer::Persist {
            self.probe_due = false;
            self.timers.stop_send();
            self.rtt.on_window_opened();
            if self.snd.outstanding() > 0 {
                // What ran into the closed window was thrown away there.
                self.recovery.on_timeout(self.snd.una, self.snd.nxt);
            }
        }
    }

    /// SND.UNA moves: UNA < SEG.ACK ≤ NXT.
    fn advance(&mut self, segment: &Segment<'_>, commons: &mut Commons<'_>) {
        let ack = segment.ack;
        let echoed = self.echoed(segment, commons.now);
        let newly = ack.since(self.snd.una);
        let mss = self.mss();
        let flight = self.recovery.flight(self.snd.una, self.snd.nxt, mss);
        let was_recovering = self.recovery.is_recovering();
        self.path_error = None;
        if P::ICMP_ERRORS {
            self.path_mtu.on_acked(newly, mss);
        }
        self.snd.on_acked(ack, &mut commons.blocks);
        let event = self.ask_recovery(newly, echoed, commons);
        if !was_recovering && self.state.is_synchronized() {
            self.congestion.on_ack(&Ack { now: commons.now, octets: newly, flight, mss });
        }
        // RFC 6582 §4: the timer runs on, but the peer has made progress.
        if P::Recovery::FAST && event == Loss::Partial {
            self.renew_patience(commons.now);
            return self.wake_writer();
        }
        // RFC 6298 §5.2, §5.3: the timer runs from the last progress on, or not at all.
        self.timers.stop_send();
        if self.snd.outstanding() > 0 {
            let closed = self.snd.wnd == 0;
            let kind = if closed { SendTimer::Persist } else { SendTimer::Retransmit };
            self.start_send_timer(kind, commons.now);
        }
        self.wake_writer();
    }

    /// RFC 7323 §4.1: the round trip by the echo of an ACK that moves SND.UNA. It is right even
    /// where something was sent twice, but not where that also arrived twice (RFC 2883 §4): the
    /// ACK that would have moved SND.UNA was lost, and the echo is as old as that.
    fn echoed(&self, segment: &Segment<'_>, now: Instant) -> Option<Duration> {
        let stamps = segment.options.timestamps.as_ref()?;
        let twice =
            segment.options.sack.first().is_some_and(|block| block.left.before(segment.ack));
        let measures = P::TIMESTAMPS && self.agreed.timestamps && !twice;
        if measures { self.stamps.round_trip(stamps.echo, now) } else { None }
    }

    /// What does recovery make of an acknowledgement of `newly` octets? One of none is a duplicate.
    // Apart, so that its caller does not run out of registers.
    #[inline(never)]
    fn ask_recovery(
        &mut self,
        newly: u32,
        echoed: Option<Duration>,
        commons: &mut Commons<'_>,
    ) -> Loss {
        let mss = self.mss();
        let now = commons.now;
        let flight = self.snd.outstanding();
        let (una, nxt) = (self.snd.una, self.snd.nxt);
        let ack = Acknowledged { now, una, nxt, newly, duplicate: newly == 0, mss };
        let outcome = self.recovery.on_ack(&mut commons.records, &ack);
        // What was sent once is measured to the microsecond, the rest to the tick.
        if let Some(sample) = outcome.rtt.or(echoed) {
            self.rtt.on_sample(sample);
        }
        match outcome.event {
            Loss::None | Loss::Partial => {}
            Loss::Loss => {
                count!(commons.counters, fast_retransmits);
                self.congestion.on_loss(now, flight, mss);
            }
            Loss::Recovered => self.congestion.on_recovered(now, mss),
        }
        outcome.event
    }

    /// Tells a writer that was turned away once a quarter of the queue is free again.
    fn wake_writer(&mut self) {
        if self.writer_waits && self.snd.room() >= self.snd.limit / 4 && self.state.may_send() {
            self.writer_waits = false;
            self.news |= Readiness::WRITABLE;
        }
    }

    /// Sixth: the URG bit. The mark is told, the text stays where it is in the stream.
    fn check_urg(&mut self, segment: &Segment<'_>) {
        if P::URGENT
            && segment.has(Flags::URG)
            && self.state.may_receive()
            && self.rcv.note_urgent(segment.seq, segment.urgent)
        {
            // RFC 9293 §3.8.5, MUST-32: at once, and again whenever the mark advances.
            self.news |= Readiness::URGENT;
        }
    }

    /// Seventh: the text.
    // Apart, so that its caller does not run out of registers.
    #[inline(never)]
    fn take_text(&mut self, segment: &Segment<'_>, commons: &mut Commons<'_>) -> Check {
        if segment.text.is_empty() {
            return ControlFlow::Continue(());
        }
        if !self.state.may_receive() {
            return dropped(DropReason::Duplicate);
        }
        if self.released {
            // RFC 9293 §3.6.1, SHLD-3: nobody will ever read it, and the peer should know.
            self.break_off(commons);
            return ControlFlow::Break(Verdict::Dropped(DropReason::ReaderGone));
        }
        if P::SACK && self.agreed.sack && self.rcv.note_overlap(segment.seq, segment.text) {
            // RFC 2883 §4: the ACK of this segment reports the duplicate. A later one must not.
            self.owe_single_ack();
        }
        let held_early = self.holds_early();
        match self.rcv.take(segment.seq, segment.text, &mut commons.blocks) {
            Taken::InOrder { octets, filled } => {
                if P::PRUNING && held_early && !filled {
                    // What came too early gave way.
                    count!(commons.counters, pruned);
                }
                count!(commons.counters, octets_in, octets as usize);
                self.owe_for_text(segment, octets, filled, commons);
                if self.deaf {
                    self.on_read(octets, commons);
                } else {
                    self.news |= Readiness::READABLE;
                }
                if octets < text_len(segment.text) {
                    // The rest found no block, and with it the FIN is not in order. The peer
                    // should know at once: what it sent behind this has found none either.
                    self.owe_single_ack();
                    return dropped(DropReason::NoMemory);
                }
            }
            Taken::Early => {
                count!(commons.counters, out_of_order);
                self.owe_single_ack();
            }
            Taken::Nowhere => {
                self.owe_single_ack();
                return dropped(DropReason::NoMemory);
            }
        }
        ControlFlow::Continue(())
    }

    /// Eighth: the FIN bit, once everything before it is here.
    fn take_fin(&mut self, segment: &Segment<'_>, commons: &mut Commons<'_>) -> Check {
        let fin = segment.seq + text_len(segment.text);
        let may_come = self.state.may_receive();
        if may_come && segment.has(Flags::FIN) && fin.after(self.rcv.nxt) {
            self.rcv.keep_fin(fin);
            if segment.text.is_empty() {
                // RFC 5681 §4.2: what comes early is acknowledged at once.
                self.owe_single_ack();
            }
        }
        // Deviation: decision 0030. It takes a number but no room, and is taken at the very edge.
        let comes = segment.has(Flags::FIN) && fin == self.rcv.nxt;
        let came = may_come && self.rcv.fin_is_next();
        if !comes && !came {
            return ControlFlow::Continue(());
        }
        // RFC 9293 §3.10.7.4, eighth: where one was here before, the state remains, and the FIN is
        // acknowledged. There is no second one, so RCV.NXT stays behind the first.
        if may_come {
            self.rcv.nxt = self.rcv.nxt + 1;
            self.debt.octets = self.debt.octets.wrapping_add(1);
            self.rcv.edge = self.rcv.edge.later(self.rcv.nxt);
            self.rcv.drop_early(&mut commons.blocks);
            self.state = self.state.on(Event::FinArrived);
            self.news |= Readiness::PEER_CLOSED | Readiness::READABLE;
        }
        self.owe_single_ack();
        if self.state == State::TimeWait {
            self.linger(commons);
        }
        ControlFlow::Continue(())
    }

    /// TIME-WAIT begins or begins anew: nothing is left to send, and nothing else ends it.
    // Seldom called, and from several places: one copy in an image is enough.
    #[inline(never)]
    fn linger(&mut self, commons: &Commons<'_>) {
        let end = Due::at(commons.now + commons.time_wait);
        self.timers.start_send(SendTimer::Linger, end);
        self.timers.check = Due::NEVER;
    }

    /// Owes an ACK of its own.
    // Called from several places: one copy in an image is enough.
    #[inline(never)]
    pub(super) fn owe_single_ack(&mut self) {
        self.debt.single = self.debt.single.saturating_add(1);
    }

    /// Answers a segment outside of the window. Data there may be sent again only because our ACK
    /// was lost. Segments without data are answered within the budget, or two sides that expect
    /// different numbers would answer each other for ever.
    fn owe_for_stray(&mut self, segment: &Segment<'_>, commons: &mut Commons<'_>) {
        if !segment.text.is_empty() && self.state.is_synchronized() {
            self.owe_single_ack();
        } else {
            self.challenge(segment, commons);
        }
    }

    /// RFC 5961 §7: the answer to what may be a blind attack, within the connection's budget.
    // Seldom called, and from several places: one copy in an image is enough.
    #[inline(never)]
    fn challenge(&mut self, segment: &Segment<'_>, commons: &mut Commons<'_>) {
        if self.may_answer(segment, commons.now) {
            count!(commons.counters, challenge_acks);
            self.owe_single_ack();
        }
    }

    /// Whether one more segment that is not accepted may be answered now.
    fn may_answer(&mut self, segment: &Segment<'_>, now: Instant) -> bool {
        let is_expected = segment.seq + 1 == self.rcv.nxt;
        let beside = matches!(self.state, State::SynReceived | State::TimeWait);
        self.ack_budget.admits(is_expected, if beside { LIMIT_BESIDE } else { LIMIT }, now)
    }

    /// Schedules the ACK of data taken in order: one for every two segments of the size that the
    /// peer sends, and none waits longer than the delay (RFC 9293 §3.8.6.3, SHLD-19, MUST-40).
    fn owe_for_text(
        &mut self,
        segment: &Segment<'_>,
        octets: u32,
        filled: bool,
        commons: &mut Commons<'_>,
    ) {
        let (len, pushed) = (text_len(segment.text), segment.has(Flags::PSH));
        let size = self.rcv.segment_size(len, pushed, &self.agreed);
        self.debt.octets = self.debt.octets.wrapping_add(octets);
        // RFC 5681 §4.2: what fills a hole, wholly or in part, is acknowledged at once.
        if filled {
            self.owe_single_ack();
            return;
        }
        // A peer whose next full segment does not fit may wait for this ACK.
        let full = size.max(u32::from(self.agreed.snd_mss));
        let is_full = self.debt.octets >= size.wrapping_mul(2) || self.rcv.wnd() < full;
        if is_full || self.settings.ack_delay == 0 {
            self.debt.together = true;
        } else if self.timers.ack == Due::NEVER {
            self.timers.ack = Due::after(commons.now, self.settings.ack_delay);
        }
    }
}
