//! Time passes: what a connection does when a timer comes, and how its timers are kept.
//!
//! [`Connection::settle_timers`] follows every event, [`Connection::on_time`] acts.

use crate::counters::count;
use crate::profile::Profile;
use crate::readiness::Readiness;
use crate::time::{Due, Duration, Instant, Ticks};

use super::commons::Commons;
use super::congestion::CongestionControl;
use super::connection::{CloseReason, Connection};
use super::recovery::Recovery;
use super::settings::{STEP_SHIFT, Timeout, after_steps};
use super::state::{Event, State};
use super::timers::{SendTimer, Timers};

/// How long an answer to a keep-alive is waited for at most, and how many are sent in vain.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(75);
const KEEPALIVE_TRIES: u8 = 9;

/// R1: so many retransmissions in vain, and the user is told (RFC 9293 §3.8.3, SHLD-10).
const R1: u8 = 3;

/// How long a SYN-ACK is repeated for whoever may have begun a connection: 1, 2, 4, … 32 s.
pub(super) const EMBRYO_PATIENCE: Timeout = Timeout::from_micros(63_000_000);

/// How long an orphan waits for the peer's FIN.
const ORPHAN_PATIENCE_US: u32 = 60_000_000;

impl<P: Profile> Connection<P> {
    /// Makes the sender's timer fit what is outstanding. Called after every event, by whoever has
    /// brought it, and where a turn to send has led to nothing, so that nothing outstanding is ever
    /// without a timer, nor what a closed window keeps back.
    // Apart, so that its caller does not run out of registers.
    #[inline(never)]
    pub fn settle_timers(&mut self, now: Instant) {
        if self.state == State::Closed {
            self.timers = Timers::EMPTY;
            return;
        }
        if self.released && self.timers.check == Due::NEVER && self.state != State::TimeWait {
            self.timers.check = after_steps(now, u32::from(self.settings.orphan_timeout));
            self.timers.give_up = self.timers.give_up.earlier(self.timers.check);
        }
        let outstanding = self.snd.outstanding() > 0;
        if !outstanding && !self.waits_for_window() {
            self.probe_due = false;
            if self.timers.sending() != SendTimer::Linger {
                self.timers.stop_send();
                if self.released && self.state == State::FinWait2 {
                    self.timers.start_send(SendTimer::Linger, Due::after(now, ORPHAN_PATIENCE_US));
                }
            }
        } else if self.timers.sending() == SendTimer::Idle {
            let closed = self.snd.wnd == 0 && self.state.is_synchronized();
            let persists = !outstanding || closed;
            let kind = if persists { SendTimer::Persist } else { SendTimer::Retransmit };
            self.start_send_timer(kind, now);
        }
    }

    /// Acts on every timer that has come. Whether what was sent has now gone unanswered for so
    /// long that everybody should know.
    // Apart, so that its caller does not run out of registers.
    #[inline(never)]
    pub fn on_time(&mut self, commons: &mut Commons<'_>) -> bool {
        let mut unanswered = false;
        let now = commons.now;
        if P::KEEPALIVE && !self.released && self.timers.check.has_come(now) {
            self.on_silence(commons);
        }
        if self.timers.ack.has_come(now) {
            self.timers.ack = Due::NEVER;
            self.debt.together = true;
        }
        if self.timers.give_up.has_come(now) {
            count!(commons.counters, given_up);
            let reason = match self.path_error {
                Some(_) => CloseReason::Unreachable,
                None => CloseReason::TimedOut,
            };
            // The peer of an orphan may be there, and take the data too slowly.
            self.reset_due = self.released;
            self.end(self.state.on(Event::Reset), reason, commons);
        } else if let Some(kind) = self.timers.take_expired_send(now) {
            if kind == SendTimer::Linger {
                self.end(self.state.on(Event::Expired), CloseReason::Graceful, commons);
                return false;
            }
            self.on_send_timeout(kind, commons);
            unanswered = self.vain == R1.wrapping_add(1) && !self.is_embryo();
        }
        if unanswered {
            // RFC 9293 §3.8.3, SHLD-9: trouble is told long before R2 ends it.
            count!(commons.counters, unanswered);
            self.news |= Readiness::TROUBLED;
        }
        unanswered
    }

    fn on_send_timeout(&mut self, kind: SendTimer, commons: &mut Commons<'_>) {
        let outstanding = self.snd.outstanding();
        let first = self.rtt.backoff() == 0;
        if kind == SendTimer::Retransmit {
            count!(commons.counters, timeouts);
            if self.state.is_synchronized() {
                if P::ICMP_ERRORS {
                    self.path_mtu.on_timeout();
                }
                let mss = self.mss();
                self.congestion.on_timeout(commons.now, outstanding, mss, first);
            }
        } else {
            count!(commons.counters, window_probes);
        }
        self.rtt.on_timeout();
        self.vain = self.vain.saturating_add(1);
        if outstanding > 0 {
            self.recovery.on_timeout(self.snd.una, self.snd.nxt);
        } else {
            self.probe_due = true;
        }
        // RFC 6298 §5.5, §5.6: backed off and started again. With nothing lost on the way, what
        // goes out now is answered before it fires.
        self.start_send_timer(kind, commons.now);
    }

    /// The current retransmission timeout.
    pub(super) fn rto(&self) -> Duration {
        self.rtt.rto(self.settings.rto_min).duration()
    }

    /// The peer has shown a sign of life.
    pub(super) fn on_heard(&mut self, now: Instant) {
        if P::KEEPALIVE || P::TIMESTAMPS {
            self.timers.heard_at = Ticks::of(now);
        }
        if P::KEEPALIVE {
            (self.keepalives, self.keepalive_due) = (0, false);
        }
    }

    fn patience_with_silence(&self) -> Duration {
        Duration::from_micros(u64::from(self.settings.keepalive) << STEP_SHIFT)
    }

    /// The keep-alive timer has come. It is not set anew with every segment: it looks how long
    /// the silence really was.
    fn on_silence(&mut self, commons: &mut Commons<'_>) {
        let silence = self.timers.heard_at.until(commons.now);
        let patience = self.patience_with_silence();
        let left = Duration::from_micros(patience.micros().saturating_sub(silence.micros()));
        // RFC 9293 §3.8.4, MUST-26: only while nothing of ours is outstanding, else the
        // retransmission timer finds out.
        let wait = if self.keepalives == 0 && left > Ticks::TICK {
            left
        } else if self.snd.outstanding() > 0 {
            patience.min(KEEPALIVE_INTERVAL)
        } else if self.keepalives >= KEEPALIVE_TRIES {
            count!(commons.counters, given_up);
            return self.end(self.state.on(Event::Reset), CloseReason::TimedOut, commons);
        } else {
            self.keepalives = self.keepalives.saturating_add(1);
            self.keepalive_due = true;
            patience.min(KEEPALIVE_INTERVAL)
        };
        self.timers.check = Due::at(commons.now + wait);
    }

    /// Whether nothing was sent for longer than the retransmission timeout.
    pub(super) fn is_stale(&self, now: Instant) -> bool {
        self.sent_at.until(now) > self.rto()
    }

    /// Starts the sender's timer and, where it was not waiting already, its patience.
    pub(super) fn start_send_timer(&mut self, kind: SendTimer, now: Instant) {
        let rto = self.rtt.rto(self.settings.rto_min);
        self.timers.start_send(kind, Due::after(now, rto.micros()));
        if self.timers.give_up == Due::NEVER {
            self.renew_patience(now);
        }
    }

    /// The peer has shown that it lives.
    // Called from several places: one copy in an image is enough.
    #[inline(never)]
    pub(super) fn renew_patience(&mut self, now: Instant) {
        self.vain = 0;
        self.timers.give_up = self.settings.patience.after(now);
        if self.released {
            self.timers.give_up = self.timers.give_up.earlier(self.timers.check);
        }
    }
}
