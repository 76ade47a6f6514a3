//! The internet checksum (RFC 1071): sums that can be continued anywhere, and updated in place.
//!
//! Nothing here knows where in a header a checksum lies.

use core::net::IpAddr;

use super::Protocol;

/// Independent sums, so that the compiler can add several words at once. A 32-bit microcontroller
/// has no vectors to fill, but registers to save.
const LANES: usize = if usize::BITS >= 64 { 16 } else { 1 };
/// Octets added in one step.
const STEP: usize = if usize::BITS >= 64 { 64 } else { 16 };
/// Octets after which lanes are folded: far fewer than 65,537 words, with which a lane overflows.
const STRETCH: usize = 1 << 15;

/// A ones' complement sum of octets in network order, still open for more of them.
///
/// Parts may have any length: after an odd number of octets the next part goes on in the middle of
/// a 16-bit word, as if all had been one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Sum {
    /// Below 2¹⁷.
    sum: u32,
    odd: bool,
}

impl Sum {
    /// The sum of nothing.
    pub const ZERO: Self = Self { sum: 0, odd: false };

    /// Goes on with `bytes`.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        for stretch in bytes.chunks(STRETCH) {
            // RFC 1071 §2 (B): the sum of swapped words is the swapped sum, so that machines of
            // either byte order add words as they lie in memory and swap once.
            self.add_u16(u16::from_be(sum_native(stretch)));
            self.odd ^= stretch.len() & 1 != 0;
        }
    }

    /// Goes on with the two octets of a number in network order.
    pub fn add_u16(&mut self, number: u16) {
        let number = if self.odd { number.swap_bytes() } else { number };
        let sum = self.sum.wrapping_add(number as u32);
        self.sum = (sum & 0xffff).wrapping_add(sum >> 16);
    }

    /// Goes on with the four octets of a number in network order.
    pub fn add_u32(&mut self, number: u32) {
        self.add_u16((number >> 16) as u16);
        self.add_u16(number as u16);
    }

    /// The sum in 16 bits, not complemented: what a device with checksum offload wants to find in
    /// the checksum field.
    #[must_use]
    pub const fn partial(self) -> u16 {
        fold(self.sum)
    }

    /// The value of the checksum field. Over octets that include a checksum this is zero if, and
    /// only if, the checksum is right.
    #[must_use]
    pub const fn finish(self) -> u16 {
        !self.partial()
    }
}

/// Folds the carries back in (RFC 1071 §1).
const fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff).wrapping_add(sum >> 16);
    (sum & 0xffff).wrapping_add(sum >> 16) as u16
}

/// The folded sum of at most [`STRETCH`] octets, as 16-bit words in the byte order of the machine.
fn sum_native(bytes: &[u8]) -> u16 {
    let (steps, rest) = bytes.as_chunks::<STEP>();
    let mut sum = if steps.is_empty() { 0 } else { sum_steps(steps) };
    // At most 16 lanes of two halves and 16 words of two halves each: far from 2³².
    let (quads, rest) = rest.as_chunks::<4>();
    for quad in quads {
        let quad = u32::from_ne_bytes(*quad);
        sum = sum.wrapping_add(quad & 0xffff).wrapping_add(quad >> 16);
    }
    let tail = match *rest {
        [a, b, c] => u32::from_ne_bytes([a, b, c, 0]),
        [a, b] => u32::from_ne_bytes([a, b, 0, 0]),
        [a] => u32::from_ne_bytes([a, 0, 0, 0]),
        _ => 0,
    };
    fold(sum.wrapping_add(tail & 0xffff).wrapping_add(tail >> 16))
}

/// The sum of many words, up to 2²¹.
fn sum_steps(steps: &[[u8; STEP]]) -> u32 {
    // Each lane adds up whole words, with the carries out of bit 31 lost, and apart from it their
    // upper halves, where nothing is lost. The sum of the lower halves is the difference. That is
    // two additions and a shift, without wider numbers and without compares.
    let mut words = [0_u32; LANES];
    let mut uppers = [0_u32; LANES];
    for step in steps {
        let (lanes, _) = step.as_chunks::<{ 4 * LANES }>();
        for lane in lanes {
            let (lane, _) = lane.as_chunks::<4>();
            for ((octets, word), upper) in lane.iter().zip(&mut words).zip(&mut uppers) {
                let octets = u32::from_ne_bytes(*octets);
                *word = word.wrapping_add(octets);
                *upper = upper.wrapping_add(octets >> 16);
            }
        }
    }
    let mut sum = 0_u32;
    for (word, upper) in words.iter().zip(&uppers) {
        let lower = word.wrapping_sub(upper << 16);
        sum = sum.wrapping_add(fold(lower) as u32).wrapping_add(fold(*upper) as u32);
    }
    sum
}

/// The checksum of an IPv4 header, which is so short that it is worth a road of its own.
pub(super) fn of_header(head: &[u8; 20], options: &[u8]) -> u16 {
    let (quads, _) = head.as_chunks::<4>();
    let mut sum = 0_u32;
    for quad in quads {
        let quad = u32::from_ne_bytes(*quad);
        sum = sum.wrapping_add(quad & 0xffff).wrapping_add(quad >> 16);
    }
    if !options.is_empty() {
        sum = sum.wrapping_add(sum_native(options) as u32);
    }
    !u16::from_be(fold(sum))
}

/// The sum of the pseudo header of TCP, UDP and ICMPv6 (RFC 9293 §3.1, RFC 8200 §8.1).
///
/// `length` counts the octets of the transport header and its payload. Both addresses are of one
/// family.
#[must_use]
pub fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: Protocol, length: u32) -> Sum {
    let mut sum = Sum::ZERO;
    for address in [source, destination] {
        match address {
            IpAddr::V4(address) => sum.add_u32(address.to_bits()),
            IpAddr::V6(address) => sum.add_bytes(&address.octets()),
        }
    }
    sum.add_u16(protocol.0 as u16);
    sum.add_u32(length);
    sum
}

/// The checksum after one 16-bit word under it changed from `old` to `new`.
#[must_use]
pub const fn update(checksum: u16, old: u16, new: u16) -> u16 {
    // RFC 1624 §3, equation 3: the earlier formula of RFC 1141 can end in the other zero.
    !fold((!checksum as u32).wrapping_add(!old as u32).wrapping_add(new as u32))
}

#[cfg(test)]
mod tests;
