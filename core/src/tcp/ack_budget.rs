//! The rate limit on ACKs that answer unacceptable segments (RFC 5961 §7).
//!
//! Each connection, half-open record and TIME-WAIT record has a budget of its own, so that a peer
//! learns nothing about another connection from the answers that it gets (RFC 5961 §10). Two ends
//! that expect different numbers answer each other until one of these budgets is spent.

use crate::time::Instant;

use super::settings::STEP_SHIFT;

/// ACKs of a kind in a step of 1.05 s, while both ends agree that the connection is open.
pub(super) const LIMIT: u8 = 8;
/// The same limit in SYN-RECEIVED and TIME-WAIT. A SYN-ACK that is repeated may start another
/// exchange between two ends that expect different numbers, six times a minute.
pub(super) const LIMIT_BESIDE: u8 = 4;

/// The ACKs that have answered unacceptable segments in the current step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct AckBudget {
    /// The step of 1.05 s, modulo 2⁸.
    step: u8,
    /// For segments at RCV.NXT − 1. An honest peer sends such a segment if it has missed an ACK of
    /// ours, or if it asks for one: the last SYN or FIN again, a keep-alive, an empty probe of a
    /// closed window. A forger must know RCV.NXT.
    expected: u8,
    /// For all other segments.
    other: u8,
}

impl AckBudget {
    pub(super) const EMPTY: Self = Self { step: 0, expected: 0, other: 0 };

    /// Whether one more segment, at RCV.NXT − 1 or elsewhere, may be answered now. The answer is
    /// counted.
    pub(super) fn admits(&mut self, is_expected: bool, limit: u8, now: Instant) -> bool {
        let step = (now.micros() >> STEP_SHIFT) as u8;
        if step != self.step {
            *self = Self { step, ..Self::EMPTY };
        }
        let spent = if is_expected { &mut self.expected } else { &mut self.other };
        let admitted = *spent < limit;
        *spent = spent.wrapping_add(u8::from(admitted));
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expected_segments_have_a_budget_of_their_own_in_each_step() {
        let mut budget = AckBudget::EMPTY;
        let mut admitted = |is_expected, at| {
            let at = Instant::from_micros(at);
            (0..300).filter(|_| budget.admits(is_expected, LIMIT, at)).count()
        };
        assert_eq!(admitted(false, 0), 8);
        assert_eq!(admitted(true, 0), 8);
        assert_eq!(admitted(false, (1 << STEP_SHIFT) - 1), 0);
        assert_eq!(admitted(false, 1 << STEP_SHIFT), 8);
    }
}
