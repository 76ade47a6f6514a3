//! ARP for IPv4 over Ethernet (RFC 826).
//!
//! What is believed of a packet, and who is answered, is decided elsewhere.

use core::net::Ipv4Addr;

use byteorder::{ByteOrder, NetworkEndian};

use super::ethernet::{Address, EtherType};
use super::{Malformed, NoRoom};

/// Octets of a packet.
pub const PACKET_LEN: usize = 28;

/// Hardware type 1, protocol type IPv4, lengths 6 and 4 (RFC 826, RFC 5494).
const HEAD: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// Operation: who has this address?
pub const REQUEST: u16 = 1;
/// Operation: I have.
pub const REPLY: u16 = 2;

/// An ARP packet. What the RFC calls source and target have its names: sender and target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Packet {
    /// [`REQUEST`] or [`REPLY`].
    pub operation: u16,
    /// Where the sender says that it is.
    pub sender_hardware: Address,
    /// Who the sender says that it is; unspecified in a probe (RFC 5227 §1.1).
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    pub sender: Ipv4Addr,
    /// Of no meaning in a request.
    pub target_hardware: Address,
    /// Whom it is about, or for.
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    pub target: Ipv4Addr,
}

impl Packet {
    /// Reads a packet; what is behind it is padding.
    ///
    /// # Errors
    ///
    /// Fewer than 28 octets, other kinds of addresses, or an operation other than the two.
    pub fn parse(packet: &[u8]) -> Result<Self, Malformed> {
        let packet = packet.first_chunk::<PACKET_LEN>().ok_or(Malformed::Truncated)?;
        let operation = NetworkEndian::read_u16(&packet[6..8]);
        if packet[..6] != HEAD || !matches!(operation, REQUEST | REPLY) {
            return Err(Malformed::BadArp);
        }
        let hardware =
            |at: &[u8]| at.first_chunk().map_or(Address::ZERO, |octets| Address(*octets));
        let protocol = |at: &[u8]| Ipv4Addr::from_bits(NetworkEndian::read_u32(at));
        Ok(Self {
            operation,
            sender_hardware: hardware(&packet[8..14]),
            sender: protocol(&packet[14..18]),
            target_hardware: hardware(&packet[18..24]),
            target: protocol(&packet[24..28]),
        })
    }

    /// Writes the packet. Returns its length, always [`PACKET_LEN`].
    ///
    /// # Errors
    ///
    /// The buffer is shorter than the packet.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, NoRoom> {
        let packet = buffer.first_chunk_mut::<PACKET_LEN>().ok_or(NoRoom)?;
        packet[..6].copy_from_slice(&HEAD);
        NetworkEndian::write_u16(&mut packet[6..8], self.operation);
        packet[8..14].copy_from_slice(&self.sender_hardware.0);
        packet[14..18].copy_from_slice(&self.sender.octets());
        packet[18..24].copy_from_slice(&self.target_hardware.0);
        packet[24..28].copy_from_slice(&self.target.octets());
        Ok(PACKET_LEN)
    }

    /// The EtherType of its frame.
    pub const KIND: EtherType = EtherType::ARP;
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: Packet = Packet {
        operation: REQUEST,
        sender_hardware: Address([2, 0, 0, 0, 0, 1]),
        sender: Ipv4Addr::new(192, 0, 2, 1),
        target_hardware: Address::ZERO,
        target: Ipv4Addr::new(192, 0, 2, 2),
    };

    #[test]
    fn a_packet_comes_back_as_it_went_in() {
        let mut buffer = [0; 30];
        assert_eq!(PACKET.emit(&mut buffer), Ok(28));
        let octets = [
            0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 192, 0, 2, 2,
        ];
        assert_eq!(buffer[..28], octets);
        assert_eq!(Packet::parse(&buffer), Ok(PACKET));
        assert_eq!(PACKET.emit(&mut buffer[..27]), Err(NoRoom));
    }

    #[test]
    fn what_is_not_arp_for_ipv4_over_ethernet_is_refused() {
        let mut good = [0; 28];
        PACKET.emit(&mut good).unwrap();
        for len in 0..28 {
            assert_eq!(Packet::parse(&good[..len]), Err(Malformed::Truncated), "{len} octets");
        }
        // (octet, value)
        for (at, value) in [(1, 6), (2, 0x86), (4, 8), (5, 16), (6, 1), (7, 0), (7, 3), (7, 8)] {
            let mut bad = good;
            bad[at] = value;
            assert_eq!(Packet::parse(&bad), Err(Malformed::BadArp), "octet {at} is {value}");
        }
    }
}
