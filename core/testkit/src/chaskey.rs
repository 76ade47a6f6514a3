//! Chaskey (Mouha et al., SAC 2014; with twelve rounds ISO/IEC 29192-6) as its authors give it: a
//! MAC of messages of any length, to compare the core's own with, which knows whole blocks only.

/// The tag of a message. Twelve rounds are the standard, eight what was published first.
#[must_use]
pub fn tag(key: &[u8; 16], message: &[u8], rounds: u32) -> [u8; 16] {
    let key = u128::from_le_bytes(*key);
    let whole = message.len().saturating_sub(1) / 16 * 16;
    let (front, last) = message.split_at(whole);
    let mut state = key;
    for block in front.as_chunks().0 {
        state = permuted(state ^ u128::from_le_bytes(*block), rounds);
    }
    let (mut block, mut subkey) = ([0; 16], doubled(key));
    block[..last.len()].copy_from_slice(last);
    if last.len() < 16 {
        block[last.len()] = 1;
        subkey = doubled(subkey);
    }
    (permuted(state ^ u128::from_le_bytes(block) ^ subkey, rounds) ^ subkey).to_le_bytes()
}

fn doubled(key: u128) -> u128 {
    key << 1 ^ if key >> 127 == 1 { 0x87 } else { 0 }
}

fn permuted(state: u128, rounds: u32) -> u128 {
    let mut v = [0, 1, 2, 3].map(|word| (state >> (32 * word)) as u32);
    for _ in 0..rounds {
        for (to, with, turn) in [(0, 1, 5), (2, 3, 8)] {
            v[to] = v[to].wrapping_add(v[with]);
            v[with] = v[with].rotate_left(turn) ^ v[to];
        }
        v[0] = v[0].rotate_left(16);
        for (to, with, turn) in [(0, 3, 13), (2, 1, 7)] {
            v[to] = v[to].wrapping_add(v[with]);
            v[with] = v[with].rotate_left(turn) ^ v[to];
        }
        v[2] = v[2].rotate_left(16);
    }
    v.iter().rev().fold(0, |state, word| state << 32 | u128::from(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authors_vectors_are_met() {
        let key = [0x833d_3433_u32, 0x009f_389f, 0x2398_e64f, 0x417a_cf39];
        let key: Vec<u8> = key.iter().flat_map(|word| word.to_le_bytes()).collect();
        let key = key.try_into().unwrap();
        let of = |message: &[u8]| {
            let tag = tag(&key, message, 8);
            tag.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect::<Vec<_>>()
        };
        assert_eq!(of(&[]), [0x792e_8fe5, 0x75ce_87aa, 0x2d14_50b5, 0x1191_970b]);
        assert_eq!(of(&[0]), [0x13a9_307b, 0x50e6_2c89, 0x4577_bd88, 0xc0bb_dc18]);
    }
}
