//! Initial sequence numbers that nobody off the path can guess (RFC 6528).

use crate::flow::FlowKey;
use crate::secret::Secret;
use crate::seq::SeqNum;
use crate::time::Instant;

/// The initial sequence number of a connection opened at `now` (RFC 6528 §3): a clock of 4 µs plus
/// a keyed hash of the four-tuple. One tuple thus sees numbers that rise with time, so that an old
/// incarnation's segments fall outside of the new one's window; other tuples tell nothing of it.
#[must_use]
pub fn isn(secret: &Secret, flow: &FlowKey, now: Instant) -> SeqNum {
    // RFC 9293 §3.4.1, MUST-8: the clock. Only its low 32 bits count.
    let clock = (now.micros() >> 2) as u32;
    // RFC 9293 §3.4.1, SHLD-1: the hash.
    let offset = secret.hash(b"isn ", [0; 3], flow)[0];
    SeqNum::new(clock) + offset
}

/// How far a connection's timestamp clock is off, ticks: RFC 7323 §7.1, a keyed hash of the
/// four-tuple, so that a clock tells neither how long we have been up nor what others are told.
#[must_use]
pub fn stamp_offset(secret: &Secret, flow: &FlowKey) -> u32 {
    secret.hash(b"time", [0; 3], flow)[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    fn secret(octet: u8) -> Secret {
        Secret::new([octet; 16]).unwrap()
    }

    fn flow(remote: &str) -> FlowKey {
        FlowKey::new("192.0.2.1:80".parse().unwrap(), remote.parse().unwrap()).unwrap()
    }

    #[test]
    fn one_tuple_rises_by_one_every_four_microseconds_across_the_wrap() {
        let tuple = flow("198.51.100.7:40000");
        let wrap = Instant::from_micros((1 << 34) - 4);
        for start in [Instant::ZERO, Instant::from_millis(5), wrap] {
            let first = isn(&secret(1), &tuple, start);
            for (micros, ahead) in [(3, 0), (4, 1), (8, 2), (1_000_000, 250_000)] {
                let later = isn(&secret(1), &tuple, start + Duration::from_micros(micros));
                assert_eq!(later.since(first), ahead);
            }
        }
    }

    #[test]
    fn another_tuple_or_secret_starts_elsewhere() {
        let base = isn(&secret(1), &flow("198.51.100.7:40000"), Instant::ZERO);
        for remote in ["198.51.100.7:40001", "198.51.100.8:40000"] {
            assert_ne!(isn(&secret(1), &flow(remote), Instant::ZERO), base);
        }
        assert_ne!(isn(&secret(7), &flow("198.51.100.7:40000"), Instant::ZERO), base);
    }
}
