//! The timers of one connection. Those of the sender exclude each other and are one enum.
//!
//! Nothing here reads a clock or acts: a timer is a point in time and what it is for.

use crate::time::{Due, Instant, Ticks};

/// What the sender waits for. Only one of these at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SendTimer {
    /// Nothing is outstanding.
    Idle,
    /// An acknowledgement (RFC 6298).
    Retransmit,
    /// A window (RFC 9293 §3.8.6.1).
    Persist,
    /// The end of TIME-WAIT, or of an orphan's FIN-WAIT-2: nothing is left to send.
    Linger,
}

/// All timers of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Timers {
    send: SendTimer,
    send_at: Due,
    /// When a coalesced ACK must leave (RFC 9293 §3.8.6.3).
    pub ack: Due,
    /// When the sender gives up, set while it waits in vain (RFC 9293 §3.8.3).
    pub give_up: Due,
    /// While a user holds the handle: when silence is looked into (RFC 9293 §3.8.4). After that:
    /// when the orphan ends. TIME-WAIT needs neither.
    pub check: Due,
    /// When the peer was heard last, where keep-alives or timestamps ask for it.
    pub(super) heard_at: Ticks,
}

impl Timers {
    /// None set.
    pub const EMPTY: Self = Self {
        send: SendTimer::Idle,
        send_at: Due::NEVER,
        ack: Due::NEVER,
        give_up: Due::NEVER,
        check: Due::NEVER,
        heard_at: Ticks::ZERO,
    };

    /// Starts or restarts the sender's timer.
    pub fn start_send(&mut self, kind: SendTimer, at: Due) {
        self.send = kind;
        self.send_at = at;
    }

    /// Stops the sender's timer and its patience.
    pub fn stop_send(&mut self) {
        self.send = SendTimer::Idle;
        self.send_at = Due::NEVER;
        self.give_up = Due::NEVER;
    }

    /// When the sender's timer comes.
    #[must_use]
    pub fn send_at(&self) -> Due {
        self.send_at
    }

    /// What the sender waits for.
    #[must_use]
    pub fn sending(&self) -> SendTimer {
        self.send
    }

    /// The sender's timer, once, when it has come.
    pub fn take_expired_send(&mut self, now: Instant) -> Option<SendTimer> {
        if !self.send_at.has_come(now) {
            return None;
        }
        self.send_at = Due::NEVER;
        Some(self.send)
    }

    /// The earliest of all but `check`.
    #[must_use]
    pub fn next(&self) -> Due {
        self.send_at.earlier(self.ack).earlier(self.give_up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_timer_is_the_next() {
        let at = Instant::from_millis;
        let mut timers = Timers::EMPTY;
        assert_eq!(timers.next(), Due::NEVER);
        timers.start_send(SendTimer::Retransmit, Due::at(at(300)));
        timers.ack = Due::at(at(40));
        assert_eq!(timers.next(), Due::at(at(40)));
        timers.ack = Due::NEVER;
        assert_eq!(timers.next(), Due::at(at(300)));
        assert_eq!(timers.take_expired_send(at(299)), None);
        assert_eq!(timers.take_expired_send(at(300)), Some(SendTimer::Retransmit));
        assert_eq!(timers.take_expired_send(at(301)), None, "a timer fires once");
        timers.give_up = Due::at(at(900));
        assert_eq!(timers.next(), Due::at(at(900)));
        timers.stop_send();
        assert_eq!(timers.next(), Due::NEVER);
    }
}
