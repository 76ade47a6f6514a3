//! The user's calls: OPEN, SEND, RECEIVE, CLOSE, ABORT and STATUS of RFC 9293 §3.10.1 to 3.10.6.
//!
//! They change what is queued and wished for; nothing is sent here.

use core::fmt;

use crate::flow::FlowKey;
use crate::profile::Profile;
use crate::readiness::Readiness;
use crate::seq::SeqNum;
use crate::storage::block_pool::BlockPool;
use crate::storage::policy::AllocationPolicy;
use crate::time::{Due, Duration, Instant};

use super::commons::Commons;
use super::congestion::CongestionControl;
use super::connection::{CloseReason, Connection, PathError};
use super::expires::EMBRYO_PATIENCE;
use super::options::{Agreed, Terms};
use super::recovery::Recovery;
use super::segment::Segment;
use super::settings::Choices;
use super::state::{Event, State};
use super::timestamps::Stamps;

/// One half of a connection, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Half {
    /// Nothing more will be read; what still arrives is acknowledged and thrown away.
    Read,
    /// Nothing more will be written: a FIN follows what is queued.
    Write,
    /// Both of it.
    Both,
}

/// Why a write took nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum WriteError {
    /// The queue or the pool is full; `WRITABLE` tells when to try.
    WouldBlock,
    /// The sending half was closed by us.
    Closed,
    /// The connection is over.
    Ended(CloseReason),
}

/// Why a read brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ReadError {
    /// Nothing is there yet; `READABLE` tells when to try.
    WouldBlock,
    /// The connection was broken off before the end of the stream.
    Ended(CloseReason),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldBlock => f.write_str("the send queue is full"),
            Self::Closed => f.write_str("the sending half is closed"),
            Self::Ended(reason) => reason.fmt(f),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldBlock => f.write_str("nothing to read yet"),
            Self::Ended(reason) => reason.fmt(f),
        }
    }
}

impl core::error::Error for WriteError {}
impl core::error::Error for ReadError {}

/// What STATUS tells (RFC 9293 §3.10.6), for people and tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Info {
    /// The state.
    pub state: State,
    /// What an ICMP error told of the path since the peer acknowledged something.
    pub path_error: Option<PathError>,
    /// The smoothed round-trip time, once there was a sample.
    pub srtt: Option<Duration>,
    /// Its mean deviation.
    pub rttvar: Option<Duration>,
    /// The retransmission timeout now.
    pub rto: Duration,
    /// How often it was doubled.
    pub backoff: u8,
    /// The congestion window, octets.
    pub cwnd: u32,
    /// The slow start threshold, octets.
    pub ssthresh: u32,
    /// Sequence numbers sent and not acknowledged.
    pub unacknowledged: u32,
    /// Octets queued and not sent.
    pub unsent: u32,
    /// The peer's window, octets.
    pub snd_wnd: u32,
    /// Our window, octets.
    pub rcv_wnd: u32,
    /// The largest payload of a segment that we send, bytes: what was negotiated, or less where a
    /// router has said that the path takes less.
    pub snd_mss: u16,
    /// The largest text we announced, octets.
    pub rcv_mss: u16,
    /// Shift of the peer's windows.
    pub snd_shift: u8,
    /// Shift of ours.
    pub rcv_shift: u8,
}

impl<P: Profile> Connection<P> {
    /// OPEN, active: the SYN leaves as soon as there is room. `None` where the pools cannot give
    /// what a connection needs at least.
    #[must_use]
    pub fn open(
        &mut self,
        flow: FlowKey,
        terms: &Terms,
        choices: &Choices,
        commons: &mut Commons<'_>,
    ) -> Option<()> {
        // The block without which nothing could be sent comes before any window.
        self.snd.start(terms.iss, choices.send_limit, &mut commons.blocks)?;
        self.set_up(flow, choices, commons)?;
        self.agreed = terms.offer.assumed();
        self.stamps = Stamps::starting_at(terms.stamp_offset);
        self.recovery.start(terms.iss);
        self.state = self.state.on(Event::Connect);
        Some(())
    }

    /// OPEN, passive, once a handshake kept in a half-open record is complete.
    #[must_use]
    pub fn accept(
        &mut self,
        handshake: &Handshake,
        choices: &Choices,
        commons: &mut Commons<'_>,
    ) -> Option<()> {
        self.snd.start(handshake.iss, choices.send_limit, &mut commons.blocks)?;
        self.snd.skip_syn();
        self.set_up(handshake.flow, choices, commons)?;
        // With `Reserved` the SYN-ACK advertises one block at most, and that block is promised now.
        let reserved = commons.policy == AllocationPolicy::Reserved;
        debug_assert!(!reserved || self.rcv.syn_window() >= handshake.told, "no memory behind it");
        self.agreed = handshake.agreed;
        self.stamps = handshake.stamps;
        self.rcv.start(handshake.irs, u32::from(handshake.told));
        let told = u32::from(handshake.wnd);
        self.snd.set_window(told, handshake.irs, self.snd.una);
        self.recovery.start(self.snd.una);
        self.state = self.state.on(Event::Listen).on(Event::SynArrived).on(Event::SynAcked);
        if let Some(sample) = handshake.rtt {
            self.rtt.on_sample(sample);
        }
        self.on_established(handshake.repeated, commons.now);
        Some(())
    }

    /// A SYN has arrived where somebody listens, and no record is kept of it: SYN-RECEIVED.
    /// `None` where the pools cannot give what a connection needs at least. Deviation: decision
    /// 0006, text in a SYN is left to be sent again.
    #[must_use]
    pub fn receive_syn(
        &mut self,
        flow: FlowKey,
        syn: &Segment<'_>,
        terms: &Terms,
        choices: &Choices,
        commons: &mut Commons<'_>,
    ) -> Option<()> {
        self.snd.start(terms.iss, choices.send_limit, &mut commons.blocks)?;
        self.set_up(flow, choices, commons)?;
        self.agreed = terms.offer.agree::<P>(&syn.options, flow.is_ipv4());
        self.stamps = Stamps::starting_at(terms.stamp_offset);
        if let Some(stamps) = &syn.options.timestamps {
            self.stamps.start(stamps.value);
        }
        self.rcv.start(syn.seq, u32::from(self.rcv.syn_window()));
        // RFC 7323 §2.2: the window of a SYN is never scaled.
        self.snd.set_window(u32::from(syn.wnd), syn.seq, self.snd.una);
        self.recovery.start(terms.iss);
        self.state = self.state.on(Event::Listen).on(Event::SynArrived);
        self.embryo = true;
        // Deviation: decision 0022.
        self.settings.patience = EMBRYO_PATIENCE;
        Some(())
    }

    /// SEND: queues what fits; returns how many octets.
    ///
    /// # Errors
    ///
    /// Nothing fits, or nothing may be sent any more.
    pub fn write(&mut self, data: &[u8], commons: &mut Commons<'_>) -> Result<usize, WriteError> {
        self.may_write()?;
        self.restart_if_idle(commons.now);
        let written = self.snd.push(data, &mut commons.blocks);
        self.after_write(written, written < data.len())
    }

    /// SEND in place: `fill` gets a part of the queue and returns how many octets it wrote.
    ///
    /// # Errors
    ///
    /// As for [`Connection::write`].
    pub fn write_with(
        &mut self,
        fill: &mut dyn FnMut(&mut [u8]) -> usize,
        commons: &mut Commons<'_>,
    ) -> Result<usize, WriteError> {
        self.may_write()?;
        self.restart_if_idle(commons.now);
        let mut offered = false;
        let written = self.snd.push_with(
            &mut |buffer| {
                offered = !buffer.is_empty();
                fill(buffer)
            },
            &mut commons.blocks,
        );
        if offered { Ok(written) } else { self.after_write(written, true) }
    }

    /// RFC 5681 §4.1: what was learned of the path is forgotten when nothing was sent for an RTO.
    fn restart_if_idle(&mut self, now: Instant) {
        if !P::Congestion::RESTARTS {
            return;
        }
        let idle = self.snd.queued() == 0 && self.snd.outstanding() == 0;
        if idle && self.state.is_synchronized() && self.is_stale(now) {
            let mss = self.mss();
            self.congestion.on_idle(mss, self.settings.initial_window);
        }
    }

    fn may_write(&self) -> Result<(), WriteError> {
        match self.reason {
            Some(reason) => Err(WriteError::Ended(reason)),
            None if !self.state.may_send() || self.snd.is_finished() => Err(WriteError::Closed),
            None => Ok(()),
        }
    }

    fn after_write(&mut self, written: usize, cut_short: bool) -> Result<usize, WriteError> {
        self.writer_waits |= cut_short;
        if written == 0 && cut_short { Err(WriteError::WouldBlock) } else { Ok(written) }
    }

    /// RECEIVE: moves what is there into `buffer`. `Ok(0)` is the end of the stream, or an empty
    /// buffer.
    ///
    /// # Errors
    ///
    /// Nothing is there yet, or the connection was broken off.
    pub fn read(
        &mut self,
        buffer: &mut [u8],
        commons: &mut Commons<'_>,
    ) -> Result<usize, ReadError> {
        let octets = self.peek(buffer, &commons.blocks)?;
        self.consume(octets, commons);
        Ok(octets)
    }

    /// RECEIVE in place: `take` gets unread octets and returns how many of them it is done with.
    /// An empty slice is the end of the stream.
    ///
    /// # Errors
    ///
    /// As for [`Connection::read`].
    pub fn read_with(
        &mut self,
        take: &mut dyn FnMut(&[u8]) -> usize,
        commons: &mut Commons<'_>,
    ) -> Result<usize, ReadError> {
        self.may_read()?;
        let slice = self.rcv.first_slice(&commons.blocks);
        let octets = take(slice).min(slice.len());
        self.consume(octets, commons);
        Ok(octets)
    }

    /// Copies what is there and leaves it unread.
    ///
    /// # Errors
    ///
    /// As for [`Connection::read`].
    pub fn peek(&self, buffer: &mut [u8], blocks: &BlockPool<'_>) -> Result<usize, ReadError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.may_read()?;
        Ok(self.rcv.peek(0, buffer, blocks))
    }

    fn may_read(&self) -> Result<(), ReadError> {
        match self.reason {
            _ if self.rcv.readable() > 0 || self.deaf => Ok(()),
            Some(reason) if reason != CloseReason::Graceful => Err(ReadError::Ended(reason)),
            None if self.peer_may_send() => Err(ReadError::WouldBlock),
            _ => Ok(()),
        }
    }

    fn peer_may_send(&self) -> bool {
        matches!(self.state, State::SynSent | State::SynReceived) || self.state.may_receive()
    }

    /// So many octets leave the queue.
    pub(super) fn on_read(&mut self, octets: u32, commons: &mut Commons<'_>) {
        if P::URGENT {
            self.rcv.approach_urgent(octets);
        }
        self.rcv.on_read(octets, commons.policy, &mut commons.blocks);
    }

    /// Octets left the queue: the window may open, and the peer may have to hear of it.
    // Called from several places: one copy in an image is enough.
    #[inline(never)]
    fn consume(&mut self, octets: usize, commons: &mut Commons<'_>) {
        if octets == 0 {
            return;
        }
        self.on_read(octets as u32, commons);
        if self.rcv.owes_update(u32::from(self.agreed.rcv_mss)) && self.state.may_receive() {
            self.debt.together = true;
        }
    }

    /// CLOSE: a FIN follows what is queued. Reading goes on.
    pub fn close(&mut self, commons: &mut Commons<'_>) {
        if self.state == State::SynSent {
            self.end(self.state.on(Event::Close), CloseReason::Aborted, commons);
        } else if self.state.may_send() && !self.snd.is_finished() {
            self.snd.finish();
            // RFC 9293 §3.10.4: in SYN-RECEIVED the FIN waits until the handshake is complete.
            if self.state != State::SynReceived {
                self.state = self.state.on(Event::Close);
            }
        }
    }

    /// Closes one half or both.
    pub fn shutdown(&mut self, half: Half, commons: &mut Commons<'_>) {
        if half != Half::Read {
            self.close(commons);
        }
        if half != Half::Write {
            self.deaf = true;
            self.consume(self.rcv.readable() as usize, commons);
        }
    }

    /// ABORT: a reset, if there is anybody to be told (RFC 9293 §3.10.5).
    #[inline]
    pub fn abort(&mut self, commons: &mut Commons<'_>) {
        if matches!(self.state, State::Closed) {
            return;
        }
        self.reset_due = match self.state {
            State::SynSent | State::TimeWait => false,
            // The RFC enters these states when the FIN is sent, and both sides have closed then.
            State::Closing | State::LastAck => self.snd.has_unsent(),
            _ => true,
        };
        self.end(self.state.on(Event::Reset), CloseReason::Aborted, commons);
    }

    /// The user lets go: what is queued is still delivered, the connection ends by itself. A user
    /// call does not know the time: deadlines begin when timers are settled next.
    pub fn release(&mut self, commons: &mut Commons<'_>) {
        let unread = self.rcv.readable() > 0 && !self.deaf;
        self.released = true;
        self.timers.check = Due::NEVER;
        self.news = Readiness::NONE;
        if unread && self.state != State::Closed {
            // RFC 9293 §3.6.1, SHLD-3: data was lost on the way to the user; the peer must know,
            // unless it has closed too and all of ours is with it.
            let tells = self.state != State::TimeWait;
            self.break_off(commons);
            self.reset_due = tells;
        } else {
            self.close(commons);
        }
        if self.state == State::Closed {
            self.rcv.clear(&mut commons.blocks);
        }
    }

    /// SEND with the urgent flag: all that is queued now is urgent. The peer hears of it at once,
    /// even where its window is closed.
    pub fn mark_urgent(&mut self) {
        if P::URGENT && self.snd.queued() > 0 {
            self.snd.mark_urgent();
            self.debt.together = self.state.is_synchronized();
        }
    }

    /// Octets from the next unread one up to the peer's urgent mark; 0 where nothing is urgent.
    #[must_use]
    pub fn urgent(&self) -> u32 {
        if P::URGENT { self.rcv.urgent() } else { 0 }
    }

    /// Switches Nagle's algorithm (RFC 9293 §3.7.4, MUST-17).
    pub fn set_nagle(&mut self, on: bool) {
        self.settings.nagle = on;
    }

    /// Changes the Differentiated Services code point of what is sent from now on.
    pub fn set_dscp(&mut self, dscp: u8) {
        self.settings.dscp = dscp;
    }

    /// The Differentiated Services code point of what is sent.
    #[must_use]
    pub fn dscp(&self) -> u8 {
        self.settings.dscp
    }

    /// Why the connection is over, once it is.
    #[must_use]
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.reason
    }

    /// Octets that can be read at once.
    #[must_use]
    pub fn readable(&self) -> u32 {
        self.rcv.readable()
    }

    /// Octets that the send limit still admits; the pool may have fewer.
    #[must_use]
    pub fn writable(&self) -> u32 {
        if self.state.may_send() { self.snd.room() } else { 0 }
    }

    /// Octets handed over and not acknowledged, sent or not.
    #[must_use]
    pub fn send_queue(&self) -> u32 {
        self.snd.queued()
    }

    /// Whether the peer has acknowledged all that was handed over, and our FIN if there is one.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        use State::{Closing, FinWait1, LastAck, SynReceived, SynSent};
        let waits = matches!(self.state, SynSent | SynReceived | FinWait1 | Closing | LastAck);
        !waits && self.snd.queued() == 0
    }

    /// STATUS.
    #[must_use]
    pub fn info(&self) -> Info {
        Info {
            state: self.state,
            path_error: self.path_error,
            srtt: self.rtt.srtt(),
            rttvar: self.rtt.rttvar(),
            rto: self.rto(),
            backoff: self.rtt.backoff(),
            cwnd: self.congestion.window(),
            ssthresh: self.congestion.slow_start_threshold(),
            unacknowledged: self.snd.outstanding(),
            unsent: self.snd.unsent(),
            snd_wnd: self.snd.wnd,
            rcv_wnd: self.rcv.wnd(),
            snd_mss: self.mss() as u16,
            rcv_mss: self.agreed.rcv_mss,
            snd_shift: self.agreed.snd_shift,
            rcv_shift: self.agreed.rcv_shift,
        }
    }
}

/// What a completed handshake hands over to the connection that it becomes.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Handshake {
    /// Addresses and ports.
    pub flow: FlowKey,
    /// Our initial sequence number.
    pub iss: SeqNum,
    /// The peer's.
    pub irs: SeqNum,
    /// What the SYNs settled.
    pub agreed: Agreed,
    /// The window in the peer's SYN, octets.
    pub wnd: u16,
    /// The window in our SYN-ACK, octets.
    pub told: u16,
    /// The peer's timestamp and our clock's offset.
    pub stamps: Stamps,
    /// The round trip of the handshake, where it could be measured.
    pub rtt: Option<Duration>,
    /// Whether our SYN-ACK went out more than once.
    pub repeated: bool,
}
