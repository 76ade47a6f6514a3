//! Neighbour solicitations and advertisements (RFC 4861 §4.3, §4.4), and the addresses that go with
//! them.
//!
//! They are ICMPv6 messages: `icmpv6` verifies their checksum and takes off the first four octets.
//! What is believed of one, and its hop limit, is judged elsewhere.

use core::net::Ipv6Addr;

use byteorder::{ByteOrder, NetworkEndian};

use super::ethernet::Address;
use super::{Malformed, NoRoom};

/// Type of a neighbour solicitation.
pub const NEIGHBOR_SOLICITATION: u8 = 135;
/// Type of a neighbour advertisement.
pub const NEIGHBOR_ADVERTISEMENT: u8 = 136;
/// Types of all messages of neighbour discovery, of routers too (RFC 4861 §4).
pub const TYPES: core::ops::RangeInclusive<u8> = 133..=137;

/// The hop limit of all messages: who is beyond a router cannot send one (RFC 4861 §7.1).
pub const HOP_LIMIT: u8 = 255;

/// Octets of a message with an option.
pub const MESSAGE_MAX: usize = 32;

/// The sender answers a solicitation.
pub const SOLICITED: u32 = 0x4000_0000;
/// What is in the cache of the receiver is to be replaced.
pub const OVERRIDE: u32 = 0x2000_0000;

/// The option for the sender of a solicitation, and for the target of an advertisement.
const SOURCE: u8 = 1;
const TARGET: u8 = 2;

/// A neighbour solicitation or advertisement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Message {
    /// [`NEIGHBOR_SOLICITATION`] or [`NEIGHBOR_ADVERTISEMENT`].
    pub kind: u8,
    /// [`SOLICITED`], [`OVERRIDE`] and others; of no meaning in a solicitation.
    pub flags: u32,
    /// Whom it is about.
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    pub target: Ipv6Addr,
    /// Where the sender of a solicitation, or the target of an advertisement, is.
    pub hardware: Option<Address>,
}

impl Message {
    /// Reads what is behind the checksum of an ICMPv6 message of this type and code.
    ///
    /// # Errors
    ///
    /// Another type, a code, fewer than 20 octets, an option without length or beyond the end, or a
    /// target that is a group (RFC 4861 §7.1.1, §7.1.2).
    pub fn parse(kind: u8, code: u8, body: &[u8]) -> Result<Self, Malformed> {
        let wanted = match (kind, code) {
            (NEIGHBOR_SOLICITATION, 0) => SOURCE,
            (NEIGHBOR_ADVERTISEMENT, 0) => TARGET,
            _ => return Err(Malformed::BadNdp),
        };
        let (flags, rest) = body.split_first_chunk::<4>().ok_or(Malformed::Truncated)?;
        let (target, mut rest) = rest.split_first_chunk::<16>().ok_or(Malformed::Truncated)?;
        let target = Ipv6Addr::from_octets(*target);
        if target.is_multicast() {
            return Err(Malformed::BadNdp);
        }
        let mut hardware = None;
        while let [option, length, ..] = *rest {
            // RFC 4861 §4.6: in units of eight octets.
            let length = usize::from(length).saturating_mul(8);
            let (this, behind) = rest.split_at_checked(length).ok_or(Malformed::BadOption)?;
            if length == 0 {
                return Err(Malformed::BadOption);
            }
            if option == wanted
                && let [_, _, a, b, c, d, e, f] = *this
            {
                hardware = Some(Address([a, b, c, d, e, f]));
            }
            rest = behind;
        }
        if !rest.is_empty() {
            return Err(Malformed::BadOption);
        }
        Ok(Self { kind, flags: u32::from_be_bytes(*flags), target, hardware })
    }

    /// Octets of the message.
    #[must_use]
    pub const fn emitted_len(&self) -> usize {
        if self.hardware.is_some() { MESSAGE_MAX } else { 24 }
    }

    /// Writes the message with a checksum of zero, for who sums last. Returns its length.
    ///
    /// # Errors
    ///
    /// The buffer is shorter than the message.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, NoRoom> {
        let len = self.emitted_len();
        let message = buffer.get_mut(..len).ok_or(NoRoom)?;
        let (head, option) = message.split_first_chunk_mut::<24>().ok_or(NoRoom)?;
        head[..4].copy_from_slice(&[self.kind, 0, 0, 0]);
        NetworkEndian::write_u32(&mut head[4..8], self.flags);
        head[8..].copy_from_slice(&self.target.octets());
        if let (Some(Address([a, b, c, d, e, f])), Some(option)) =
            (self.hardware, option.first_chunk_mut::<8>())
        {
            let kind = if self.kind == NEIGHBOR_SOLICITATION { SOURCE } else { TARGET };
            *option = [kind, 1, a, b, c, d, e, f];
        }
        Ok(len)
    }
}

/// The group in which whoever has this address hears solicitations (RFC 4291 §2.7.1).
#[must_use]
pub const fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    Ipv6Addr::from_octets([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c])
}

/// The link-local address of a station (RFC 4291 §2.5.6, Appendix A: modified EUI-64).
#[must_use]
pub const fn link_local(hardware: Address) -> Ipv6Addr {
    let [a, b, c, d, e, f] = hardware.0;
    Ipv6Addr::from_octets([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET_ADDRESS: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);

    #[test]
    fn a_message_comes_back_as_it_went_in() {
        let hardware = Some(Address([2, 0, 0, 0, 0, 1]));
        for (kind, hardware, len) in [
            (NEIGHBOR_SOLICITATION, None, 24),
            (NEIGHBOR_SOLICITATION, hardware, 32),
            (NEIGHBOR_ADVERTISEMENT, None, 24),
            (NEIGHBOR_ADVERTISEMENT, hardware, 32),
        ] {
            let message = Message { kind, flags: SOLICITED, target: TARGET_ADDRESS, hardware };
            let mut buffer = [0xee; 40];
            assert_eq!(message.emit(&mut buffer), Ok(len));
            assert_eq!(buffer[..4], [kind, 0, 0, 0]);
            assert_eq!(Message::parse(kind, 0, &buffer[4..len]), Ok(message));
            assert_eq!(message.emit(&mut buffer[..len - 1]), Err(NoRoom));
        }
    }

    #[test]
    fn what_no_message_can_be_is_refused() {
        let (hardware, kind) = (Some(Address([2, 0, 0, 0, 0, 1])), NEIGHBOR_SOLICITATION);
        let message = Message { kind, flags: 0, target: TARGET_ADDRESS, hardware };
        let mut good = [0; 32];
        message.emit(&mut good).unwrap();
        let body = &good[4..];
        for len in 0..20 {
            assert_eq!(Message::parse(kind, 0, &body[..len]), Err(Malformed::Truncated));
        }
        for len in 21..28 {
            assert_eq!(Message::parse(kind, 0, &body[..len]), Err(Malformed::BadOption), "{len}");
        }
        for (kind, code) in [(133, 0), (134, 0), (137, 0), (kind, 1), (136, 255)] {
            assert_eq!(Message::parse(kind, code, body), Err(Malformed::BadNdp));
        }
        // (octet of the body, value, what is wrong)
        for (at, value, error) in [
            (21, 0, Malformed::BadOption),
            (21, 2, Malformed::BadOption),
            (4, 0xff, Malformed::BadNdp),
        ] {
            let mut bad = good;
            bad[4 + at] = value;
            assert_eq!(Message::parse(kind, 0, &bad[4..]), Err(error), "octet {at} is {value}");
        }
        // Other options are passed over.
        let mut other = good;
        other[24] = 14;
        assert_eq!(Message::parse(kind, 0, &other[4..]).unwrap().hardware, None);
    }

    #[test]
    fn addresses_follow_from_others() {
        let group: Ipv6Addr = "ff02::1:ff28:9c5a".parse().unwrap();
        assert_eq!(solicited_node("2001:db8::2aa:ff:fe28:9c5a".parse().unwrap()), group);
        let local: Ipv6Addr = "fe80::2aa:ff:fe28:9c5a".parse().unwrap();
        assert_eq!(link_local(Address([0x00, 0xaa, 0x00, 0x28, 0x9c, 0x5a])), local);
    }
}
