//! SYN cookies (RFC 4987 §3.6): a handshake that is remembered by nobody but the peer.
//!
//! Our initial sequence number carries a keyed hash of all that must not be forged, with the MSS
//! in three bits; where the peer stamps its segments our timestamp carries the other options.
//! When cookies are given out and believed is decided in `socket`.

use crate::flow::FlowKey;
use crate::secret::Secret;
use crate::seq::SeqNum;
use crate::time::Instant;
use crate::wire::tcp_options::{Options, Timestamps};

use super::bare::Bare;
use super::listener::HalfOpen;
use super::options::{MSS_FLOOR, Terms, mss_default};
use super::segment::Segment;
use super::user_calls::Handshake;
use super::window::SHIFT_MAX;

/// What three bits can tell of the peer's MSS: the largest that is not above it.
const MSS: [u16; 8] = [MSS_FLOOR, 256, 536, 1220, 1360, 1400, 1440, 1460];

/// A cookie, from its top: one bit of the period, three of the MSS, the rest a hash.
const HASH_BITS: u32 = 28;

/// Microseconds to periods of 67 s. A cookie lives for one to two of them.
const PERIOD_SHIFT: u32 = 26;

/// The low bits of a timestamp: four for the window shift, one for SACK.
const STAMP_BITS: u32 = 5;
const NO_SHIFT: u8 = 15;

/// The period of a point in time, which wraps after 9,000 years; never zero, which stands for none.
#[must_use]
pub fn period(now: Instant) -> u32 {
    ((now.micros() >> PERIOD_SHIFT) as u32).max(1)
}

/// Whether a period was this one or one of the two before.
#[must_use]
pub fn is_recent(period: u32, now: Instant) -> bool {
    period != 0 && self::period(now).wrapping_sub(period) <= 2
}

/// Gives out cookies to one peer, and takes them back.
#[derive(Debug, Clone, Copy)]
pub struct Jar<'s> {
    /// What nobody else knows.
    pub secret: &'s Secret,
    /// The peer.
    pub flow: &'s FlowKey,
    /// The time.
    pub now: Instant,
}

impl Jar<'_> {
    /// The SYN-ACK that stands for a half-open record. `terms` are those of a handshake that we
    /// would remember, `told` the window.
    #[must_use]
    pub fn syn_ack(&self, syn: &Segment<'_>, terms: &Terms, told: u16) -> Bare {
        let terms = Terms { iss: self.give(syn.seq, syn.options.mss), ..*terms };
        let mut syn = syn.clone();
        if syn.options.timestamps.is_none() || !terms.offer.timestamps {
            // Nothing but the cookie itself comes back.
            syn.options = Options { mss: syn.options.mss, ..Options::EMPTY };
        }
        let (theirs, record) = (&syn.options, HalfOpen::new(*self.flow, &syn, &terms, told));
        let mut answer = record.syn_ack(self.now);
        answer.stamps = answer.stamps.map(|stamps| with_options(stamps, theirs));
        answer
    }

    /// The handshake that an ACK completes, if what it acknowledges is a cookie of ours that is
    /// not old. `terms` and `told` are as they were for the SYN-ACK.
    #[must_use]
    pub fn redeem(&self, ack: &Segment<'_>, terms: &Terms, told: u16) -> Option<Handshake> {
        let (iss, irs) = (ack.ack - 1, ack.seq - 1);
        let mss = self.check(irs, iss)?;
        let stamps = ack.options.timestamps.filter(|_| terms.offer.timestamps);
        let options = remembered(mss, stamps);
        let syn = Segment { seq: irs, options, ..ack.clone() };
        let record = HalfOpen::new(*self.flow, &syn, &Terms { iss, ..*terms }, told);
        Some(record.handshake(ack, self.now))
    }

    fn give(&self, irs: SeqNum, mss: Option<u16>) -> SeqNum {
        let told = mss.unwrap_or(mss_default(self.flow.is_ipv4()));
        let index = MSS.iter().rposition(|mss| *mss <= told).unwrap_or(0) as u32;
        let period = (self.now.micros() >> PERIOD_SHIFT) as u32;
        self.cookie(irs, period, index)
    }

    fn check(&self, irs: SeqNum, given: SeqNum) -> Option<u16> {
        let top = given.raw() >> HASH_BITS;
        let current = (self.now.micros() >> PERIOD_SHIFT) as u32;
        // Of this period and the one before, the one whose parity it has.
        let age = (current ^ (top >> 3)) & 1;
        let period = current.checked_sub(age)?;
        let index = top & 7;
        let valid = self.cookie(irs, period, index) == given;
        valid.then(|| MSS.get(index as usize).copied()).flatten()
    }

    fn cookie(&self, irs: SeqNum, period: u32, index: u32) -> SeqNum {
        let top = (period & 1) << 3 | index;
        // Three bits of the period's place hold the MSS: 2²⁹ periods are a thousand years.
        let what = period << 3 | index;
        let [hash, ..] = self.secret.hash(b"cook", [irs.raw(), what, 0], self.flow);
        SeqNum::new(top << HASH_BITS | hash >> (u32::BITS - HASH_BITS))
    }
}

/// A stamp that tells its reader what the peer's SYN offered. It is never ahead of the clock: what
/// is stamped later must not look older.
fn with_options(stamp: Timestamps, theirs: &Options) -> Timestamps {
    let shift = theirs.window_scale.map_or(NO_SHIFT, |shift| shift.min(SHIFT_MAX));
    let bits = u32::from(shift) | u32::from(theirs.sack_permitted) << 4;
    let low = (1_u32 << STAMP_BITS).wrapping_sub(1);
    let back = (stamp.value & low).wrapping_sub(bits) & low;
    Timestamps { value: stamp.value.wrapping_sub(back), ..stamp }
}

/// What the peer's SYN offered, as its ACK brings it back.
fn remembered(mss: u16, stamps: Option<Timestamps>) -> Options {
    let Some(stamps) = stamps else {
        return Options { mss: Some(mss), ..Options::EMPTY };
    };
    let shift = (stamps.echo & 0xf) as u8;
    Options {
        mss: Some(mss),
        window_scale: (shift != NO_SHIFT).then_some(shift),
        sack_permitted: stamps.echo & 0x10 != 0,
        timestamps: Some(stamps),
        ..Options::EMPTY
    }
}

#[cfg(test)]
mod tests {
    use super::super::timestamps::Stamps;
    use super::*;
    use crate::flow::FLOW_BYTES;
    use crate::time::Duration;

    fn secret(octet: u8) -> &'static Secret {
        std::boxed::Box::leak(std::boxed::Box::new(Secret::new([octet; 16]).unwrap()))
    }

    /// The jar for a peer of that number.
    fn jar(secret: &Secret, number: u8, now: Instant) -> Jar<'_> {
        let flow = FlowKey::from_bytes(&[number; FLOW_BYTES]);
        Jar { secret, flow: std::boxed::Box::leak(std::boxed::Box::new(flow)), now }
    }

    #[test]
    fn a_cookie_comes_back_with_the_mss_and_lives_for_one_to_two_periods() {
        let irs = SeqNum::new(0xffff_fff0);
        let period = Duration::from_micros(1 << PERIOD_SHIFT);
        for (told, kept) in [(Some(40), 48), (Some(48), 48), (Some(535), 256), (Some(1459), 1440)] {
            for start in [0, 5, (1 << PERIOD_SHIFT) - 1, 77 << PERIOD_SHIFT] {
                let now = Instant::from_micros(start);
                let given = jar(secret(7), 9, now).give(irs, told);
                for later in [Duration::ZERO, period] {
                    let found = jar(secret(7), 9, now + later).check(irs, given);
                    assert_eq!(found, Some(kept), "{told:?}");
                }
                for stale in [2, 3, 4] {
                    let at = now + Duration::from_micros(stale << PERIOD_SHIFT);
                    assert_eq!(jar(secret(7), 9, at).check(irs, given), None, "{stale}");
                }
                assert_eq!(jar(secret(7), 8, now).check(irs, given), None, "another flow");
                assert_eq!(jar(secret(7), 9, now).check(irs + 1, given), None, "another SYN");
                assert_eq!(jar(secret(8), 9, now).check(irs, given), None, "another secret");
            }
        }
    }

    #[test]
    fn a_forged_cookie_is_believed_at_the_design_probability_only() {
        let now = Instant::from_millis(1_000);
        let (jar, mut seed) = (jar(secret(7), 9, now), 1_u32);
        let believed = (0..300_000)
            .filter(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                jar.check(SeqNum::new(5), SeqNum::new(seed)).is_some()
            })
            .count();
        // Of 2³² numbers 16 are right for a flow and a SYN: one try in 2²⁸.
        assert_eq!(believed, 0);
    }

    #[test]
    fn options_ride_in_a_stamp_that_is_never_ahead() {
        for offset in [0, 1, 31, 32, u32::MAX - 3] {
            let stamps = Stamps::starting_at(offset);
            for millis in 0..200 {
                let now = Instant::from_millis(millis);
                for window_scale in [None, Some(0), Some(7), Some(14), Some(255)] {
                    for sack_permitted in [false, true] {
                        let theirs = Options { window_scale, sack_permitted, ..Options::EMPTY };
                        let stamped = with_options(stamps.stamp(now), &theirs);
                        let behind = stamps.stamp(now).value.wrapping_sub(stamped.value);
                        assert!(behind < 32, "{behind}");
                        let back = Timestamps { value: 5, echo: stamped.value };
                        let known = remembered(1460, Some(back));
                        assert_eq!(known.window_scale, window_scale.map(|shift| shift.min(14)));
                        assert_eq!(known.sack_permitted, sack_permitted);
                    }
                }
            }
        }
    }
}
