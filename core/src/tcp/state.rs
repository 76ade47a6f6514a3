//! The eleven states and the only table of transitions between them (RFC 9293 §3.3.2).
//!
//! What a segment or a call means is decided elsewhere; here its outcome moves the state.

/// The state of a connection (RFC 9293 §3.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum State {
    /// No connection.
    Closed,
    /// Waiting for a request from any peer.
    Listen,
    /// Our request is on its way.
    SynSent,
    /// A request was received and answered.
    SynReceived,
    /// Data flows both ways.
    Established,
    /// We have closed; our FIN is not acknowledged yet.
    FinWait1,
    /// Our FIN is acknowledged; the peer may go on sending.
    FinWait2,
    /// The peer has closed; we may go on sending.
    CloseWait,
    /// Both have closed, ours unacknowledged.
    Closing,
    /// The peer closed first, then we did.
    LastAck,
    /// Both sides are done; stray segments are waited out.
    TimeWait,
}

/// What can move a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Event {
    /// OPEN, active.
    Connect,
    /// OPEN, passive.
    Listen,
    /// A SYN without an acknowledgement of ours.
    SynArrived,
    /// Our SYN is acknowledged (and the peer's SYN is here).
    SynAcked,
    /// CLOSE, or a shutdown of the sending half.
    Close,
    /// Our FIN is acknowledged.
    FinAcked,
    /// The peer's FIN, with all that came before it.
    FinArrived,
    /// 2 MSL have passed, or nobody needs the rest.
    Expired,
    /// A reset either way, or the end of patience.
    Reset,
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 9] = [
        Self::Listen,
        Self::Connect,
        Self::SynArrived,
        Self::SynAcked,
        Self::Close,
        Self::FinAcked,
        Self::FinArrived,
        Self::Expired,
        Self::Reset,
    ];

    /// What happens, as a diagram says it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "active OPEN",
            Self::Listen => "passive OPEN",
            Self::SynArrived => "SYN arrives",
            Self::SynAcked => "our SYN is acknowledged",
            Self::Close => "CLOSE",
            Self::FinAcked => "our FIN is acknowledged",
            Self::FinArrived => "FIN arrives",
            Self::Expired => "time-out",
            Self::Reset => "reset",
        }
    }
}

impl State {
    /// Every state, in the order in which RFC 9293 lists them.
    pub const ALL: [Self; 11] = [
        Self::Listen,
        Self::SynSent,
        Self::SynReceived,
        Self::Established,
        Self::FinWait1,
        Self::FinWait2,
        Self::CloseWait,
        Self::Closing,
        Self::LastAck,
        Self::TimeWait,
        Self::Closed,
    ];

    /// The state after an event; the same one where the event means nothing in it.
    #[must_use]
    pub const fn on(self, event: Event) -> Self {
        use State::*;
        match (self, event) {
            (Closed, Event::Connect) => SynSent,
            (Closed, Event::Listen) => Listen,
            (Listen | SynSent, Event::SynArrived) => SynReceived,
            (SynSent | SynReceived, Event::SynAcked) => Established,
            (Listen | SynSent, Event::Close) => Closed,
            (SynReceived | Established, Event::Close) => FinWait1,
            (CloseWait, Event::Close) => LastAck,
            (SynReceived | Established, Event::FinArrived) => CloseWait,
            (FinWait1, Event::FinArrived) => Closing,
            (FinWait2, Event::FinArrived) => TimeWait,
            (FinWait1, Event::FinAcked) => FinWait2,
            (Closing, Event::FinAcked) => TimeWait,
            (LastAck, Event::FinAcked) => Closed,
            (FinWait2 | TimeWait, Event::Expired) => Closed,
            (_, Event::Reset) => Closed,
            (unmoved, _) => unmoved,
        }
    }

    /// Whether both sides know each other's initial sequence number.
    #[must_use]
    pub const fn is_synchronized(self) -> bool {
        !matches!(self, Self::Closed | Self::Listen | Self::SynSent | Self::SynReceived)
    }

    /// Whether the user may still hand over data to be sent.
    #[must_use]
    pub const fn may_send(self) -> bool {
        matches!(self, Self::SynSent | Self::SynReceived | Self::Established | Self::CloseWait)
    }

    /// Whether the peer may still send data.
    #[must_use]
    pub const fn may_receive(self) -> bool {
        matches!(self, Self::Established | Self::FinWait1 | Self::FinWait2)
    }

    /// The name of RFC 9293, as `ss` and `netstat` print it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECEIVED",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::CloseWait => "CLOSE-WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST-ACK",
            Self::TimeWait => "TIME-WAIT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use State::*;

    #[test]
    fn every_closing_order_ends_in_closed() {
        let (close, fin, acked) = (Event::Close, Event::FinArrived, Event::FinAcked);
        // From ESTABLISHED, the states that each order passes through.
        let table: &[(&[Event], &[State])] = &[
            (&[close, acked, fin, Event::Expired], &[FinWait1, FinWait2, TimeWait, Closed]),
            (&[close, fin, acked, Event::Expired], &[FinWait1, Closing, TimeWait, Closed]),
            (&[fin, close, acked], &[CloseWait, LastAck, Closed]),
        ];
        for (events, states) in table {
            let mut state = Established;
            for (event, expected) in events.iter().zip(*states) {
                state = state.on(*event);
                assert_eq!(state, *expected, "{events:?}");
            }
        }
    }

    #[test]
    fn a_reset_ends_every_state_and_nothing_leaves_closed_but_an_open() {
        for state in State::ALL {
            assert_eq!(state.on(Event::Reset), Closed);
        }
        for event in [Event::SynArrived, Event::SynAcked, Event::Close, Event::FinAcked] {
            assert_eq!(Closed.on(event), Closed);
        }
        assert_eq!((Closed.on(Event::Connect), Closed.on(Event::Listen)), (SynSent, Listen));
    }
}
