//! Endless streams of octets that need not be stored: each octet follows from key and position.

use crate::random::mix;

fn word(key: u64, index: u64) -> [u8; 8] {
    mix(key ^ index.wrapping_mul(0x2545_f491_4f6c_dd1d)).to_le_bytes()
}

/// Walks `octets` of the stream in pieces of at most eight: position in the buffer, expected.
fn pieces(key: u64, offset: u64, octets: usize) -> impl Iterator<Item = (usize, [u8; 8], usize)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let skip = (at % 8) as usize;
        let len = (8 - skip).min(octets.checked_sub(done).filter(|left| *left > 0)?);
        let mut expected = word(key, at / 8);
        expected.copy_within(skip..skip + len, 0);
        done += len;
        Some((done - len, expected, len))
    })
}

/// Fills `buffer` with what lies from `offset` on in the stream of `key`.
pub fn fill(key: u64, offset: u64, buffer: &mut [u8]) {
    for (at, expected, len) in pieces(key, offset, buffer.len()) {
        buffer[at..at + len].copy_from_slice(&expected[..len]);
    }
}

/// Where in the stream of `key` the first octet differs from `buffer`, read from `offset` on.
#[must_use]
pub fn first_difference(key: u64, offset: u64, buffer: &[u8]) -> Option<u64> {
    let (at, expected, len) = pieces(key, offset, buffer.len())
        .find(|(at, expected, len)| buffer[*at..*at + *len] != expected[..*len])?;
    let within = (0..len).find(|place| buffer[at + place] != expected[*place])?;
    Some(offset + (at + within) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cut_of_a_stream_is_the_same_stream() {
        let mut whole = [0; 100];
        fill(5, 0, &mut whole);
        for start in 0..20 {
            for len in 0..40 {
                let mut part = vec![0; len];
                fill(5, start as u64, &mut part);
                assert_eq!(part, whole[start..start + len]);
                assert_eq!(first_difference(5, start as u64, &part), None);
                if len > 0 {
                    part[len - 1] ^= 1;
                    let place = (start + len - 1) as u64;
                    assert_eq!(first_difference(5, start as u64, &part), Some(place));
                }
            }
        }
        assert!(first_difference(6, 0, &whole[..8]).is_some());
    }
}
