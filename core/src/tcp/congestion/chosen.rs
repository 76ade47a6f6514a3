//! A controller chosen per connection. It decides nothing itself.

use super::reno::Reno;
use super::{Ack, Algorithm, CongestionControl};
use crate::storage::Empty;
use crate::time::Instant;

/// A controller chosen per connection.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Chosen {
    /// See [`Reno`].
    Reno(Reno),
}

impl Empty for Chosen {
    const EMPTY: Self = Self::Reno(Reno::EMPTY);
}

impl CongestionControl for Chosen {
    fn start(&mut self, algorithm: Algorithm, mss: u32, initial_segments: u8) {
        *self = match algorithm {
            Algorithm::Reno => Self::Reno(Reno::EMPTY),
        };
        match self {
            Self::Reno(reno) => reno.start(algorithm, mss, initial_segments),
        }
    }

    fn window(&self) -> u32 {
        match self {
            Self::Reno(reno) => reno.window(),
        }
    }

    fn slow_start_threshold(&self) -> u32 {
        match self {
            Self::Reno(reno) => reno.slow_start_threshold(),
        }
    }

    fn on_ack(&mut self, ack: &Ack) {
        match self {
            Self::Reno(reno) => reno.on_ack(ack),
        }
    }

    fn on_loss(&mut self, now: Instant, flight: u32, mss: u32) {
        match self {
            Self::Reno(reno) => reno.on_loss(now, flight, mss),
        }
    }

    fn on_timeout(&mut self, now: Instant, flight: u32, mss: u32, first: bool) {
        match self {
            Self::Reno(reno) => reno.on_timeout(now, flight, mss, first),
        }
    }

    fn on_recovered(&mut self, now: Instant, mss: u32) {
        match self {
            Self::Reno(reno) => reno.on_recovered(now, mss),
        }
    }

    fn on_idle(&mut self, mss: u32, initial_segments: u8) {
        match self {
            Self::Reno(reno) => reno.on_idle(mss, initial_segments),
        }
    }
}
