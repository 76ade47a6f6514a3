//! How a connection behaves: what the user may choose, and the small form that is kept of it.

use crate::profile::Profile;
use crate::storage::Empty;
use crate::time::Duration;

use super::congestion::Algorithm;
use super::rtt::{GRANULARITY_US, RTO_MAX_US};

/// RFC 9293 §3.8.6.3, MUST-40: less than half a second.
const ACK_DELAY_MAX: u32 = 499_999;

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
    /// 71 minutes and more are for ever (MUST-21).
    pub user_timeout: Duration,
    /// After how much silence the peer is asked whether it is still there (RFC 9293 §3.8.4): nine
    /// times, as far apart, but not more than 75 s. `None`, the default, for never; at most 19
    /// hours. Profiles without `KEEPALIVE` ignore it.
    pub keepalive: Option<Duration>,
    /// How long an answer to our SYN is waited for (RFC 9293 §3.8.3: R2 of a SYN). 71 minutes and
    /// more are for ever.
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
    #[must_use]
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
}

/// The settings that are needed after the handshake, small: spans in microseconds.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Settings {
    pub(super) ack_delay: u32,
    pub(super) rto_min: u32,
    pub(super) user_timeout: u32,
    /// How long the sender waits before it gives up: the connect timeout until established, the
    /// user timeout from then on.
    pub(super) patience: u32,
    /// In steps of 1.05 s; 0 for never.
    pub(super) keepalive: u16,
    pub(super) nagle: bool,
    pub(super) dscp: u8,
    pub(super) initial_window: u8,
    pub(super) algorithm: Algorithm,
}

impl Settings {
    pub(super) const EMPTY: Self = Self {
        ack_delay: 0,
        rto_min: 0,
        user_timeout: 0,
        patience: 0,
        keepalive: 0,
        nagle: false,
        dscp: 0,
        initial_window: 0,
        algorithm: Algorithm::Reno,
    };

    fn new<P: Profile>(config: &ConnectionConfig) -> Self {
        Self {
            ack_delay: micros(config.ack_delay).min(ACK_DELAY_MAX),
            rto_min: micros(config.rto_min).clamp(GRANULARITY_US, RTO_MAX_US),
            user_timeout: micros(config.user_timeout),
            patience: micros(config.connect_timeout),
            keepalive: if P::KEEPALIVE { config.keepalive.map_or(0, steps) } else { 0 },
            nagle: config.nagle,
            dscp: config.dscp,
            initial_window: config.initial_window,
            algorithm: config.congestion,
        }
    }
}

/// A span in 32 bits: more than an hour counts as an hour and eleven minutes. `u32::MAX`, as a
/// patience, is for ever.
fn micros(span: Duration) -> u32 {
    span.micros().min(u64::from(u32::MAX)) as u32
}

/// A span in steps of 1.05 s, rounded up: who asks for two hours of silence gets no less.
fn steps(span: Duration) -> u16 {
    let up = span.micros().saturating_add((1 << STEP_SHIFT) - 1);
    (up >> STEP_SHIFT).clamp(1, u64::from(u16::MAX)) as u16
}
