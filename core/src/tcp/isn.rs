//! Initial sequence numbers that nobody off the path can guess (RFC 6528), and the keyed hash
//! behind them.
//!
//! The secret comes from the caller; nothing random is made here.

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
/// Room for them and for what SipHash pads them with.
const PADDED_MAX: usize = (MESSAGE_MAX | 7) + 1;

/// SipHash-2-4 under `secret` of all `parts`, one after the other; together they are a purpose of
/// up to eight octets, a flow and a time at most. Where the secret serves several purposes, the
/// first part names this one; parts of variable length need a length of their own.
#[must_use]
pub fn hash64(secret: &[u8; 16], parts: &[&[u8]]) -> u64 {
    let mut message = [0; PADDED_MAX];
    let mut len = 0_usize;
    for part in parts {
        let copied = message.get_mut(len..MESSAGE_MAX).map_or(0, |room| copy_prefix(room, part));
        debug_assert_eq!(copied, part.len(), "more than a purpose, a flow and a time");
        len = len.saturating_add(copied);
    }
    sip_hash(secret, &mut message, len)
}

/// SipHash-2-4 of the first `len` octets, behind which there are zeros and room for padding. It is
/// written out because the crate that the tables hash with is three times as long on a 32-bit
/// processor: docs/decisions/0040-siphash-of-our-own.md.
fn sip_hash(key: &[u8; 16], message: &mut [u8; PADDED_MAX], len: usize) -> u64 {
    // The length fills up the last word.
    if let Some(last) = message.get_mut(len | 7) {
        *last = len as u8;
    }
    let mut v = INITIAL;
    let (halves, _) = key.as_chunks();
    for pair in v.as_chunks_mut::<2>().0 {
        for (v, half) in pair.iter_mut().zip(halves) {
            *v ^= u64::from_le_bytes(*half);
        }
    }
    let (words, _) = message.as_chunks();
    for word in words.iter().take((len >> 3).wrapping_add(1)) {
        let word = u64::from_le_bytes(*word);
        v[3] ^= word;
        rounds(&mut v, 2);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    rounds(&mut v, 4);
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

/// The state of SipHash before its key.
const INITIAL: [u64; 4] =
    [0x736f_6d65_7073_6575, 0x646f_7261_6e64_6f6d, 0x6c79_6765_6e65_7261, 0x7465_6462_7974_6573];

/// So many rounds of SipHash: twice in an image for a host, where that makes it twice as fast, and
/// once in one for a small processor.
fn rounds(state: &mut [u64; 4], count: u32) {
    if usize::BITS < 64 {
        rounds_apart(state, count);
    } else {
        rounds_in_place(state, count);
    }
}

#[inline(never)]
fn rounds_apart(state: &mut [u64; 4], count: u32) {
    rounds_in_place(state, count);
}

#[inline]
fn rounds_in_place(state: &mut [u64; 4], count: u32) {
    let [mut v0, mut v1, mut v2, mut v3] = *state;
    for _ in 0..count {
        v0 = v0.wrapping_add(v1);
        v2 = v2.wrapping_add(v3);
        v1 = v1.rotate_left(13) ^ v0;
        v3 = v3.rotate_left(16) ^ v2;
        v0 = v0.rotate_left(32).wrapping_add(v3);
        v2 = v2.wrapping_add(v1);
        v3 = v3.rotate_left(21) ^ v0;
        v1 = v1.rotate_left(17) ^ v2;
        v2 = v2.rotate_left(32);
    }
    *state = [v0, v1, v2, v3];
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use siphasher::sip::SipHasher24;

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

    proptest! {
        #[test]
        fn the_hash_is_that_of_the_crate(
            secret in any::<[u8; 16]>(),
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..=7), 1..=4),
        ) {
            let whole = parts.concat();
            let parts: std::vec::Vec<&[u8]> = parts.iter().map(|part| &part[..]).collect();
            let expected = SipHasher24::new_with_key(&secret).hash(&whole);
            prop_assert_eq!(hash64(&secret, &parts), expected);
        }
    }

    #[test]
    fn every_length_is_hashed_as_the_crate_does() {
        let message: [u8; MESSAGE_MAX] = core::array::from_fn(|i| (i * 37 + 200) as u8);
        for length in 0..=MESSAGE_MAX {
            let whole = &message[..length];
            let expected = SipHasher24::new_with_key(&SECRET).hash(whole);
            assert_eq!(hash64(&SECRET, &[whole]), expected, "{length}");
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
