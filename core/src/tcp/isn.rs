//! Initial sequence numbers that nobody off the path can guess (RFC 6528), and the keyed hash
//! behind them.
//!
//! The secret comes from the caller; nothing random is made here.

use siphasher::sip::SipHasher24;

use crate::flow::{FLOW_BYTES, FlowKey};
use crate::seq::SeqNum;
use crate::storage::copy_prefix;
use crate::time::Instant;

/// Sets this use of the secret apart from every other.
const PURPOSE: &[u8] = b"isn";

/// The initial sequence number of a connection opened at `now` (RFC 6528 §3): a clock of 4 µs plus
/// a keyed hash of the four-tuple. One tuple thus sees numbers that rise with time, so that an old
/// incarnation's segments fall outside of the new one's window; other tuples tell nothing of it.
#[must_use]
pub fn isn(secret: &[u8; 16], flow: &FlowKey, now: Instant) -> SeqNum {
    // RFC 9293 §3.4.1, MUST-8: the clock. Only its low 32 bits count.
    let clock = (now.micros() >> 2) as u32;
    // RFC 9293 §3.4.1, SHLD-1: the hash.
    let offset = hash64(secret, &[PURPOSE, &flow.to_bytes()]) as u32;
    SeqNum::new(clock) + offset
}

/// How far a connection's timestamp clock is off, ticks: RFC 7323 §7.1, a keyed hash of the
/// four-tuple, so that a clock tells neither how long we have been up nor what others are told.
#[must_use]
pub fn stamp_offset(secret: &[u8; 16], flow: &FlowKey) -> u32 {
    hash64(secret, &[b"stamp", &flow.to_bytes()]) as u32
}

/// The most octets that are hashed at once: a purpose, a flow and a time.
const MESSAGE_MAX: usize = 16 + FLOW_BYTES;

/// SipHash-2-4 under `secret` of all `parts`, one after the other; together they are a purpose of
/// up to eight octets, a flow and a time at most. Where the secret serves several purposes, the
/// first part names this one; parts of variable length need a length of their own.
#[must_use]
pub fn hash64(secret: &[u8; 16], parts: &[&[u8]]) -> u64 {
    // Hashed at once: the hasher that takes part after part can panic.
    let mut message = [0; MESSAGE_MAX];
    let mut len = 0_usize;
    for part in parts {
        let copied = message.get_mut(len..).map_or(0, |room| copy_prefix(room, part));
        debug_assert_eq!(copied, part.len(), "more than a purpose, a flow and a time");
        len = len.saturating_add(copied);
    }
    SipHasher24::new_with_key(secret).hash(message.get(..len).unwrap_or(&message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    const SECRET: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    fn flow(remote: &str) -> FlowKey {
        FlowKey::new("192.0.2.1:80".parse().unwrap(), remote.parse().unwrap()).unwrap()
    }

    #[test]
    fn the_hash_is_siphash_2_4_over_the_joined_parts() {
        // The vector in appendix A of the SipHash paper: 15 bytes 00..0e under key 00..0f.
        let input: [u8; 15] = core::array::from_fn(|i| i as u8);
        assert_eq!(hash64(&SECRET, &[&input]), 0xa129_ca61_49be_45e5);
        for cut in 0..=input.len() {
            let (a, b) = input.split_at(cut);
            assert_eq!(hash64(&SECRET, &[a, b]), 0xa129_ca61_49be_45e5);
        }
    }

    #[test]
    fn one_tuple_rises_by_one_every_four_microseconds_across_the_wrap() {
        let tuple = flow("198.51.100.7:40000");
        let wrap = Instant::from_micros((1 << 34) - 4);
        for start in [Instant::ZERO, Instant::from_millis(5), wrap] {
            let first = isn(&SECRET, &tuple, start);
            for (micros, ahead) in [(3, 0), (4, 1), (8, 2), (1_000_000, 250_000)] {
                let later = isn(&SECRET, &tuple, start + Duration::from_micros(micros));
                assert_eq!(later.since(first), ahead);
            }
        }
    }

    #[test]
    fn another_tuple_or_secret_starts_elsewhere() {
        let base = isn(&SECRET, &flow("198.51.100.7:40000"), Instant::ZERO);
        for remote in ["198.51.100.7:40001", "198.51.100.8:40000"] {
            assert_ne!(isn(&SECRET, &flow(remote), Instant::ZERO), base);
        }
        assert_ne!(isn(&[7; 16], &flow("198.51.100.7:40000"), Instant::ZERO), base);
    }
}
