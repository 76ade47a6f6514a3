//! How a connection behaves: what the user may choose, and the small form that is kept of it.

use crate::profile::Profile;
use crate::storage::Empty;
use crate::time::{Due, Duration, Instant};

use super::congestion::Algorithm;
use super::rtt::{GRANULARITY_US, RTO_MAX_US};

/// RFC 9293 §3.8.6.3, MUST-40: less than half a second.
const ACK_DELAY_MAX: u32 = 499_999;

/// The most steps that 16 bits hold.
const STEPS_MOST: u32 = u16::MAX as u32;

/// Microseconds to steps, the coarsest clock.
pub(super) const STEP_SHIFT: u32 = 20;

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
    /// Whether window scaling is offered (RFC 7323). Profiles whose streams are rings ignore it: no
    /// window in one block needs it.
    pub window_scale: bool,
    /// Whether timestamps are offered (RFC 7323): twelve octets a segment, for round trips that
    /// can be told apart and segments of old that can be recognised. Profiles without
    /// `TIMESTAMPS` ignore it.
    pub timestamps: bool,
    /// Whether selective acknowledgements are offered (RFC 2018). Profiles without `SACK` ignore
    /// it.
    pub sack: bool,
    /// The Differentiated Services code point of what is sent, 0 to 63 (RFC 2474 §3, RFC 9293
    /// §3.9.1.9); larger ones lose their upper bits.
    pub dscp: u8,
    /// The shortest retransmission timeout, brought into 1 ms to 60 s. Deviation: decision 0001,
    /// not the second of RFC 6298.
    pub rto_min: Duration,
    /// The congestion controller.
    pub congestion: Algorithm,
    /// How long the sender waits for any sign of life before it gives up (RFC 9293 §3.8.3, R2).
    /// Spans above 35 minutes are rounded up to steps of 1.05 s; 71 years and more are for ever
    /// (MUST-21).
    pub user_timeout: Duration,
    /// After how much silence the peer is asked whether it is still there (RFC 9293 §3.8.4): nine
    /// times, as far apart, but not more than 75 s. `None`, the default, for never; at most 19
    /// hours. Profiles without `KEEPALIVE` ignore it.
    pub keepalive: Option<Duration>,
    /// How long the connection may last once its handle is released, whatever the peer takes
    /// meanwhile; a reset ends it then. Rounded up to steps of 1.05 s, at most 19 hours. After
    /// a sixteenth of it the connection gives way if no slot is free. Default: ten minutes, in
    /// which a full send queue of 64 KiB leaves at 900 bit/s (decision 0115).
    pub orphan_timeout: Duration,
    /// How long an answer to our SYN is waited for (RFC 9293 §3.8.3: R2 of a SYN). Rounded as the
    /// user timeout is.
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
            timestamps: true,
            sack: true,
            dscp: 0,
            rto_min: Duration::from_millis(200),
            congestion: Algorithm::Reno,
            user_timeout: Duration::from_secs(120),
            keepalive: None,
            orphan_timeout: Duration::from_secs(600),
            connect_timeout: Duration::from_secs(180),
        }
    }
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// What the user has chosen, as listeners and the stack keep it: less than half as long.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Choices {
    pub(super) send_limit: u32,
    pub(super) receive_limit: u32,
    pub(super) mss: Option<u16>,
    pub(super) window_scale: bool,
    pub(super) timestamps: bool,
    pub(super) sack: bool,
    pub(super) settings: Settings,
}

impl Empty for Choices {
    const EMPTY: Self = Self {
        send_limit: 0,
        receive_limit: 0,
        mss: None,
        window_scale: false,
        timestamps: false,
        sack: false,
        settings: Settings::EMPTY,
    };
}

impl Choices {
    /// What a connection on this profile makes of them.
    // Here settings that are known when an image is built become constants.
    #[must_use]
    #[inline]
    pub fn new<P: Profile>(config: &ConnectionConfig) -> Self {
        Self {
            send_limit: config.send_limit,
            receive_limit: config.receive_limit,
            mss: config.mss,
            window_scale: config.window_scale,
            timestamps: config.timestamps,
            sack: config.sack,
            settings: Settings::new::<P>(config),
        }
    }

    /// The same for windows of at most so many bytes.
    #[must_use]
    pub fn within(self, window_max: u32) -> Self {
        Self {
            send_limit: self.send_limit.min(window_max),
            receive_limit: self.receive_limit.min(window_max),
            ..self
        }
    }
}

/// The settings that are needed after the handshake, small: spans in microseconds.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Settings {
    pub(super) ack_delay: u32,
    pub(super) rto_min: u32,
    pub(super) user_timeout: Timeout,
    /// How long the sender waits before it gives up: the connect timeout until established, the
    /// user timeout from then on.
    pub(super) patience: Timeout,
    /// In steps of 1.05 s; 0 for never.
    pub(super) keepalive: u16,
    /// In steps of 1.05 s.
    pub(super) orphan_timeout: u16,
    pub(super) nagle: bool,
    pub(super) dscp: u8,
    pub(super) initial_window: u8,
    pub(super) algorithm: Algorithm,
}

impl Settings {
    pub(super) const EMPTY: Self = Self {
        ack_delay: 0,
        rto_min: 0,
        user_timeout: Timeout::EMPTY,
        patience: Timeout::EMPTY,
        keepalive: 0,
        orphan_timeout: 0,
        nagle: false,
        dscp: 0,
        initial_window: 0,
        algorithm: Algorithm::Reno,
    };

    fn new<P: Profile>(config: &ConnectionConfig) -> Self {
        Self {
            ack_delay: micros(config.ack_delay).min(ACK_DELAY_MAX),
            rto_min: micros(config.rto_min).clamp(GRANULARITY_US, RTO_MAX_US),
            user_timeout: Timeout::new(config.user_timeout),
            patience: Timeout::new(config.connect_timeout),
            keepalive: match config.keepalive {
                Some(span) if P::KEEPALIVE => steps(span, STEPS_MOST) as u16,
                _ => 0,
            },
            orphan_timeout: steps(config.orphan_timeout, STEPS_MOST) as u16,
            nagle: config.nagle,
            dscp: config.dscp,
            initial_window: config.initial_window,
            algorithm: config.congestion,
        }
    }
}

/// A span of up to 71 years in 32 bits, or for ever.
///
/// Below 2³¹ it counts microseconds. Otherwise the other 31 bits count steps of 1.05 s, and all
/// ones are for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Timeout(u32);

/// Set in a [`Timeout`] that counts steps.
const IN_STEPS: u32 = 1 << 31;

impl Timeout {
    pub(super) const EMPTY: Self = Self(0);

    /// A span below 35 minutes.
    pub(super) const fn from_micros(micros: u32) -> Self {
        Self(micros)
    }

    /// A span, rounded up if it counts steps.
    const fn new(span: Duration) -> Self {
        if span.micros() < IN_STEPS as u64 {
            Self(span.micros() as u32)
        } else {
            Self(IN_STEPS | steps(span, IN_STEPS - 1))
        }
    }

    /// When the span ends that begins `now`.
    pub(super) fn after(self, now: Instant) -> Due {
        match self.0 {
            // RFC 9293 §3.8.3, MUST-21: R2 may be infinite.
            u32::MAX => Due::LAST,
            micros if micros < IN_STEPS => Due::after(now, micros),
            coded => after_steps(now, coded & !IN_STEPS),
        }
    }
}

/// When so many steps of 1.05 s end that begin `now`.
pub(super) fn after_steps(now: Instant, steps: u32) -> Due {
    let micros = u64::from(steps) << STEP_SHIFT;
    Due::at(Instant::from_micros(now.micros().wrapping_add(micros)))
}

/// A span in 32 bits, for settings that are bounded far below 71 minutes.
fn micros(span: Duration) -> u32 {
    span.micros().min(u64::from(u32::MAX)) as u32
}

/// A span in steps of 1.05 s, at most `most`. It is rounded up, and never none: a span of two hours
/// gets no less.
const fn steps(span: Duration, most: u32) -> u32 {
    let up = span.micros().saturating_add((1 << STEP_SHIFT) - 1) >> STEP_SHIFT;
    if up > most as u64 {
        most
    } else if up == 0 {
        1
    } else {
        up as u32
    }
}
