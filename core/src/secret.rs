//! What nobody else knows: the key of everything that must not be guessed.

use core::fmt;

use crate::flow::{FlowKey, Message};

/// Sixteen octets that nobody else knows, from a source of real entropy, new at every start.
/// Initial sequence numbers (RFC 6528), ports and hash tables are keyed by it.
#[derive(Clone, Copy)]
pub struct Secret(Block);

impl Secret {
    /// A secret. `None` for all zeros, which is what a forgotten one looks like.
    #[must_use]
    pub fn new(octets: [u8; 16]) -> Option<Self> {
        octets.iter().any(|octet| *octet != 0).then(|| Self(words(&octets)))
    }

    /// Bits that nobody without the secret can foresee: others for each purpose, for all numbers
    /// and for each flow. It is Chaskey-12 of them, one word after the other.
    pub(crate) fn hash(&self, purpose: &[u8; 4], numbers: [u32; 3], flow: &FlowKey) -> [u32; 4] {
        let [a, b, c] = numbers;
        let purpose = u32::from_le_bytes(*purpose);
        chaskey(self.0, flow.message([purpose, a, b, c]))
    }
}

/// As many bits as the function works on at a time.
type Block = [u32; 4];

fn words(octets: &[u8; 16]) -> Block {
    let mut words = [0; 4];
    for (word, octets) in words.iter_mut().zip(octets.as_chunks().0) {
        *word = u32::from_le_bytes(*octets);
    }
    words
}

fn sum([a, b, c, d]: Block, [e, f, g, h]: Block) -> Block {
    [a ^ e, b ^ f, c ^ g, d ^ h]
}

/// Chaskey-12 (ISO/IEC 29192-6) of whole blocks.
fn chaskey(key: Block, mut message: Message) -> Block {
    let last = doubled(key);
    if let Some(block) = message.last_mut() {
        *block = sum(*block, last);
    }
    let state = message.iter().fold(key, |state, block| permuted(sum(state, *block), 12));
    sum(state, last)
}

/// A key for the last block: twice the key in the field of 2¹²⁸ elements.
fn doubled([a, b, c, d]: Block) -> Block {
    let carry = 0x87 & 0_u32.wrapping_sub(d >> 31);
    [a << 1 ^ carry, b << 1 | a >> 31, c << 1 | b >> 31, d << 1 | c >> 31]
}

fn permuted([mut a, mut b, mut c, mut d]: Block, rounds: u32) -> Block {
    for _ in 0..rounds {
        a = a.wrapping_add(b);
        b = b.rotate_left(5) ^ a;
        c = c.wrapping_add(d);
        d = d.rotate_left(8) ^ c;
        a = a.rotate_left(16).wrapping_add(d);
        d = d.rotate_left(13) ^ a;
        c = c.wrapping_add(b);
        b = b.rotate_left(7) ^ c;
        c = c.rotate_left(16);
    }
    [a, b, c, d]
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Secret {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Secret(…)");
    }
}

#[cfg(test)]
mod tests {
    use hikyaku_testkit::chaskey;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_hash_is_chaskey_12_of_purpose_numbers_and_flow(
            octets in any::<[u8; 16]>(),
            purpose in any::<[u8; 4]>(),
            numbers in any::<[u32; 3]>(),
            ports in any::<[u16; 2]>(),
            hosts in any::<[[u8; 4]; 2]>(),
        ) {
            let end = |i: usize| std::net::SocketAddr::from((hosts[i], ports[i]));
            let flow = FlowKey::new(end(0), end(1)).unwrap();
            let mut message = purpose.to_vec();
            message.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
            // Both addresses as they are kept, then the ports; zeros up to the end of the block.
            let bytes = flow.to_bytes();
            message.extend(&bytes[..bytes.len() - 4]);
            message.extend([ports[1].to_le_bytes(), ports[0].to_le_bytes()].as_flattened());
            message.resize(message.len().next_multiple_of(16), 0);
            let expected = chaskey::tag(&octets, &message, 12);
            let secret = Secret::new(octets).unwrap();
            let hash = secret.hash(&purpose, numbers, &flow).map(u32::to_le_bytes);
            prop_assert_eq!(hash.as_flattened(), expected);
        }
    }
}
