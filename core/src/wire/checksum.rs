//! The internet checksum (RFC 1071): sums that can be continued anywhere, and updated in place.
//!
//! Nothing here knows where in a header a checksum lies.

use core::net::IpAddr;

use super::Protocol;

/// A ones' complement sum of octets in network order, still open for more of them.
///
/// Parts may have any length: after an odd number of octets the next part goes on in the middle of
/// a 16-bit word, as if all had been one.
// RFC 1071 §2 (B): the sum of swapped words is the swapped sum, so that machines of either byte
// order add words as they lie in memory and swap once. By (C), words may be of 32 bits: what is
// congruent modulo 2³² - 1 is congruent modulo 2¹⁶ - 1.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Sum {
    /// In the byte order of the machine.
    sum: u32,
    odd: bool,
}

impl Sum {
    /// The sum of nothing.
    pub const ZERO: Self = Self { sum: 0, odd: false };

    /// Goes on with `bytes`.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        self.add_native(sum_native(bytes));
        self.odd ^= bytes.len() & 1 != 0;
    }

    /// Goes on with the two octets of a number in network order.
    pub fn add_u16(&mut self, number: u16) {
        self.add_native(number.to_be() as u32);
    }

    /// Goes on with the four octets of a number in network order.
    pub fn add_u32(&mut self, number: u32) {
        self.add_native(number.to_be());
    }

    fn add_native(&mut self, words: u32) {
        // Modulo 2¹⁶ - 1 a step of eight bits is the same either way.
        let words = if self.odd { words.rotate_left(8) } else { words };
        self.sum = add(self.sum, words);
    }

    /// The sum in 16 bits, not complemented: what a device with checksum offload wants to find in
    /// the checksum field.
    #[must_use]
    pub const fn partial(self) -> u16 {
        u16::from_be(fold(self.sum))
    }

    /// The value of the checksum field. Over octets that include a checksum this is zero if, and
    /// only if, the checksum is right.
    #[must_use]
    pub const fn finish(self) -> u16 {
        !self.partial()
    }
}

/// Adds in ones' complement: the carry comes back in at the other end (RFC 1071 §1).
const fn add(sum: u32, words: u32) -> u32 {
    let (sum, carry) = sum.overflowing_add(words);
    sum.wrapping_add(carry as u32)
}

/// The same number modulo 2¹⁶ - 1 in 16 bits; zero only for zero.
const fn fold(sum: u32) -> u16 {
    // The carry out of the lower halves goes where the sum of the upper ones is.
    (sum.wrapping_add(sum.rotate_left(16)) >> 16) as u16
}

/// The sum of 16-bit words in the byte order of the machine.
fn sum_native(bytes: &[u8]) -> u32 {
    let (steps, rest) = bytes.as_chunks();
    let mut sum = sum_steps(steps);
    let (quads, rest) = rest.as_chunks::<4>();
    for quad in quads {
        sum = add(sum, u32::from_ne_bytes(*quad));
    }
    let (pair, last) = rest.as_chunks::<2>();
    if let [pair] = pair {
        sum = add(sum, u32::from(u16::from_ne_bytes(*pair)));
    }
    if let [octet] = last {
        sum = add(sum, u32::from(u16::from_ne_bytes([*octet, 0])));
    }
    sum
}

#[cfg(not(target_pointer_width = "64"))]
use chain::sum_steps;
#[cfg(target_pointer_width = "64")]
use lanes::sum_steps;

/// How processors with vectors add up many words.
#[cfg(target_pointer_width = "64")]
mod lanes {
    use super::{add, fold};

    /// Independent sums, so that the compiler can add several words at once.
    const LANES: usize = 16;
    /// Octets added in one step.
    const STEP: usize = 4 * LANES;
    /// Steps after which lanes are folded: far fewer than 65,537, with which a lane overflows.
    const STRETCH: usize = 1 << 10;

    pub(super) fn sum_steps(steps: &[[u8; STEP]]) -> u32 {
        let mut sum = 0;
        for stretch in steps.chunks(STRETCH) {
            sum = add(sum, sum_stretch(stretch));
        }
        sum
    }

    /// The sum of at most [`STRETCH`] steps.
    fn sum_stretch(steps: &[[u8; STEP]]) -> u32 {
        // Each lane adds up whole words, with the carries out of bit 31 lost, and apart from it
        // their upper halves, where nothing is lost. The sum of the lower halves is the
        // difference. That is two additions and a shift, without wider numbers and without
        // compares.
        let mut words = [0_u32; LANES];
        let mut uppers = [0_u32; LANES];
        for step in steps {
            let (lane, _) = step.as_chunks::<4>();
            for ((octets, word), upper) in lane.iter().zip(&mut words).zip(&mut uppers) {
                let octets = u32::from_ne_bytes(*octets);
                *word = word.wrapping_add(octets);
                *upper = upper.wrapping_add(octets >> 16);
            }
        }
        let mut sum = 0_u32;
        for (word, upper) in words.iter().zip(&uppers) {
            let lower = word.wrapping_sub(upper << 16);
            sum = sum.wrapping_add(u32::from(fold(lower))).wrapping_add(u32::from(fold(*upper)));
        }
        sum
    }
}

/// How processors with a carry flag and no vectors add up many words: two instructions for each.
#[cfg(any(test, not(target_pointer_width = "64")))]
mod chain {
    use super::Chain;

    /// Octets added in one step: as many words as there are registers to load ahead.
    const STEP: usize = 32;

    pub(super) fn sum_steps(steps: &[[u8; STEP]]) -> u32 {
        let mut sum = 0;
        for step in steps {
            let ([a, b, c, d, e, f, g, h], _) = step.as_chunks() else { continue };
            let chain = Chain { sum, carry: false };
            sum = chain.add(a).add(b).add(c).add(d).add(e).add(f).add(g).add(h).end();
        }
        sum
    }
}

/// A sum whose last carry has not come back in yet.
struct Chain {
    sum: u32,
    carry: bool,
}

impl Chain {
    #[inline(always)]
    fn add(self, word: &[u8; 4]) -> Self {
        let (sum, carry) = self.sum.carrying_add(u32::from_ne_bytes(*word), self.carry);
        Self { sum, carry }
    }

    #[inline(always)]
    const fn end(self) -> u32 {
        // What overflowed is less than 2³² - 1, and a carry more does not change that.
        self.sum.wrapping_add(self.carry as u32)
    }
}

/// The checksum of an IPv4 header, which is so short that it is worth a road of its own.
pub(super) fn of_header(head: &[u8; 20], options: &[u8]) -> u16 {
    let ([a, b, c, d, e], _) = head.as_chunks() else { return 0 };
    let chain = Chain { sum: 0, carry: false };
    let mut sum = chain.add(a).add(b).add(c).add(d).add(e).end();
    if !options.is_empty() {
        sum = add(sum, sum_native(options));
    }
    !u16::from_be(fold(sum))
}

/// The sum of the pseudo header of TCP, UDP and ICMPv6 (RFC 9293 §3.1, RFC 8200 §8.1).
///
/// `length` counts the octets of the transport header and its payload, far less than 2³². Both
/// addresses are of one family; without feature `ipv6` those of IPv6 add nothing.
#[must_use]
#[inline]
pub fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: Protocol, length: u32) -> Sum {
    // Inlined where the family is known, so that the other costs nothing.
    let addresses = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            add(u32::from_ne_bytes(source.octets()), u32::from_ne_bytes(destination.octets()))
        }
        #[cfg(feature = "ipv6")]
        (IpAddr::V6(source), IpAddr::V6(destination)) => sum_v6(&source, &destination),
        _ => 0,
    };
    // The protocol lies in the last octet of another word: the sum is the same.
    let last = length.wrapping_add(u32::from(protocol.0));
    Sum { sum: add(addresses, last.to_be()), odd: false }
}

#[cfg(feature = "ipv6")]
#[inline(never)]
fn sum_v6(source: &core::net::Ipv6Addr, destination: &core::net::Ipv6Addr) -> u32 {
    add(sum_native(&source.octets()), sum_native(&destination.octets()))
}

/// The checksum after one 16-bit word under it changed from `old` to `new`.
#[must_use]
pub const fn update(checksum: u16, old: u16, new: u16) -> u16 {
    // RFC 1624 §3, equation 3: the earlier formula of RFC 1141 can end in the other zero.
    !fold((!checksum as u32).wrapping_add(!old as u32).wrapping_add(new as u32))
}

#[cfg(test)]
mod tests;
