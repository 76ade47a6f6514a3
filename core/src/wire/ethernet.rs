//! Ethernet II frames (RFC 894, RFC 2464): addresses and the header of 14 octets.
//!
//! The frame check sequence is the device's business, and so is padding to 60 octets. Who has which
//! address is not known here.

use core::fmt;

use byteorder::{ByteOrder, NetworkEndian};

use super::{Malformed, NoRoom};

/// Octets of a header.
pub const HEADER_LEN: usize = 14;

/// A hardware address of 48 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Address(pub [u8; 6]);

impl Address {
    /// All zero: nobody.
    pub const ZERO: Self = Self([0; 6]);
    /// All ones: everybody on the link.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Whether it names a group of stations; the broadcast address does.
    #[must_use]
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether it can be the address of one station.
    #[must_use]
    pub fn is_unicast(self) -> bool {
        !self.is_multicast() && self != Self::ZERO
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(formatter, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

/// What a frame carries (RFC 9542 §3): an EtherType. Below 0x0600 it is a length, and nothing that
/// is spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4 (RFC 894).
    pub const IPV4: Self = Self(0x0800);
    /// ARP (RFC 826).
    pub const ARP: Self = Self(0x0806);
    /// IPv6 (RFC 2464 §3).
    pub const IPV6: Self = Self(0x86dd);
}

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Header {
    /// Whom it is for.
    pub destination: Address,
    /// Who has sent it.
    pub source: Address,
    /// What it carries.
    pub kind: EtherType,
}

impl Header {
    /// Reads a header, and what is behind it: padding included, the check sequence not.
    ///
    /// # Errors
    ///
    /// Fewer than 14 octets.
    pub fn parse(frame: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let (head, payload) =
            frame.split_first_chunk::<HEADER_LEN>().ok_or(Malformed::Truncated)?;
        let address = |at: &[u8]| at.first_chunk().map_or(Address::ZERO, |octets| Address(*octets));
        let header = Self {
            destination: address(&head[0..6]),
            source: address(&head[6..12]),
            kind: EtherType(NetworkEndian::read_u16(&head[12..14])),
        };
        Ok((header, payload))
    }

    /// Writes the header. Returns its length, always [`HEADER_LEN`].
    ///
    /// # Errors
    ///
    /// The buffer is shorter than the header.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, NoRoom> {
        let head = buffer.first_chunk_mut::<HEADER_LEN>().ok_or(NoRoom)?;
        head[0..6].copy_from_slice(&self.destination.0);
        head[6..12].copy_from_slice(&self.source.0);
        NetworkEndian::write_u16(&mut head[12..14], self.kind.0);
        Ok(HEADER_LEN)
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn addresses_are_told_apart() {
        // (address, is multicast, is unicast)
        let table = [
            (Address::ZERO, false, false),
            (Address::BROADCAST, true, false),
            (Address([1, 0, 0x5e, 0, 0, 1]), true, false),
            (Address([0x33, 0x33, 0, 0, 0, 1]), true, false),
            (Address([2, 0, 0, 0, 0, 1]), false, true),
            (Address([0, 0, 0, 0, 0, 1]), false, true),
        ];
        for (address, multicast, unicast) in table {
            assert_eq!(address.is_multicast(), multicast, "{address}");
            assert_eq!(address.is_unicast(), unicast, "{address}");
        }
        assert_eq!(Address([2, 0, 0, 0, 0xab, 1]).to_string(), "02:00:00:00:ab:01");
    }

    #[test]
    fn a_header_comes_back_as_it_went_in() {
        let header = Header {
            destination: Address([1, 2, 3, 4, 5, 6]),
            source: Address([7, 8, 9, 10, 11, 12]),
            kind: EtherType::ARP,
        };
        let mut buffer = [0; 16];
        assert_eq!(header.emit(&mut buffer), Ok(14));
        assert_eq!(buffer, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 8, 6, 0, 0]);
        assert_eq!(Header::parse(&buffer), Ok((header, &[0, 0][..])));
        assert_eq!(Header::parse(&buffer[..13]), Err(Malformed::Truncated));
        assert_eq!(header.emit(&mut buffer[..13]), Err(NoRoom));
    }
}
