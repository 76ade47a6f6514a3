//! Bytes and headers: every wire format has one file, and each header is read by one `parse` and
//! written by one `emit`.
//!
//! `parse` checks all that can be checked within the bytes at hand, so that whatever it returns
//! cannot be malformed any more. Nothing here keeps state, decides what a packet means, or knows of
//! devices, sockets or connections.

pub mod address;
#[cfg(feature = "ethernet")]
pub mod arp;
pub mod checksum;
#[cfg(feature = "dhcp")]
pub mod dhcp;
#[cfg(feature = "ethernet")]
pub mod ethernet;
mod icmp;
pub mod icmpv4;
#[cfg(feature = "ipv6")]
pub mod icmpv6;
pub mod ipv4;
#[cfg(feature = "ipv6")]
pub mod ipv6;
#[cfg(all(feature = "ethernet", feature = "ipv6"))]
pub mod ndp;
pub mod tcp;
pub mod tcp_options;
pub mod udp;

use core::error::Error;
use core::fmt;

use crate::counters::DropReason;

/// Why bytes are not the header they should be. The sender is at fault, and gets no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum Malformed {
    /// Shorter than the header, or than a length in it promises.
    Truncated,
    /// Another IP version than the one asked for.
    BadVersion,
    /// A header length below the smallest, or above what is there.
    BadHeaderLength,
    /// A length field that contradicts the packet.
    BadLength,
    /// The checksum does not match, or is missing where it must not be.
    BadChecksum,
    /// An option whose length is impossible, or one that forbids to go on.
    BadOption,
    /// A source route or routing header (RFC 7126 §4.3, RFC 5095 §3).
    SourceRoute,
    /// More extension headers than are looked at, or one fragment header in another.
    TooManyHeaders,
    /// An ARP packet that is not about IPv4 over Ethernet, or of another operation.
    BadArp,
    /// A neighbour discovery message that cannot be one.
    BadNdp,
}

impl Malformed {
    /// The counter that such a packet moves.
    #[must_use]
    pub const fn reason(self) -> DropReason {
        match self {
            Self::Truncated => DropReason::Truncated,
            Self::BadVersion => DropReason::BadVersion,
            Self::BadHeaderLength => DropReason::BadHeaderLength,
            Self::BadLength => DropReason::BadLength,
            Self::BadChecksum => DropReason::BadChecksum,
            Self::BadOption => DropReason::BadOption,
            Self::SourceRoute => DropReason::SourceRoute,
            Self::TooManyHeaders => DropReason::TooManyHeaders,
            Self::BadArp => DropReason::BadArp,
            Self::BadNdp => DropReason::BadNdp,
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.reason().text())
    }
}

impl Error for Malformed {}

/// The buffer, or a length field of the header, is too small for what was to be emitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NoRoom;

impl fmt::Display for NoRoom {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("no room for the packet")
    }
}

impl Error for NoRoom {}

/// What follows an IP header: an IANA protocol number, for IPv6 also an extension header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Protocol(pub u8);

impl Protocol {
    /// IPv6 hop-by-hop options (RFC 8200 §4.3).
    pub const HOP_BY_HOP: Self = Self(0);
    /// ICMP (RFC 792).
    pub const ICMP: Self = Self(1);
    /// IPv4 within IP (RFC 2003).
    pub const IPV4: Self = Self(4);
    /// TCP (RFC 9293).
    pub const TCP: Self = Self(6);
    /// UDP (RFC 768).
    pub const UDP: Self = Self(17);
    /// IPv6 within IP (RFC 2473).
    pub const IPV6: Self = Self(41);
    /// IPv6 routing header (RFC 8200 §4.4).
    pub const ROUTING: Self = Self(43);
    /// IPv6 fragment header (RFC 8200 §4.5).
    pub const FRAGMENT: Self = Self(44);
    /// ICMPv6 (RFC 4443).
    pub const ICMPV6: Self = Self(58);
    /// IPv6: nothing follows (RFC 8200 §4.7).
    pub const NO_NEXT_HEADER: Self = Self(59);
    /// IPv6 destination options (RFC 8200 §4.6).
    pub const DESTINATION_OPTIONS: Self = Self(60);
}

/// Copies `from` to the front of `to`.
fn copy_to_front(to: &mut [u8], from: &[u8]) -> Result<(), NoRoom> {
    to.get_mut(..from.len()).ok_or(NoRoom)?.copy_from_slice(from);
    Ok(())
}

/// Copies `options` to the front of `to` and fills up with zeros (end of option list, for IPv4 and
/// for TCP alike) to a multiple of four octets. Returns the padded length.
fn emit_options(to: &mut [u8], options: &[u8]) -> Result<usize, NoRoom> {
    if options.is_empty() {
        return Ok(0);
    }
    let length = padded(options.len());
    let to = to.get_mut(..length).ok_or(NoRoom)?;
    let (front, padding) = to.split_at_mut_checked(options.len()).ok_or(NoRoom)?;
    front.copy_from_slice(options);
    padding.fill(0);
    Ok(length)
}

/// `length` rounded up to a multiple of four.
const fn padded(length: usize) -> usize {
    length.saturating_add(3) & !3
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn each_fault_moves_a_counter_of_its_own_and_says_what_it_is() {
        let all = [
            Malformed::Truncated,
            Malformed::BadVersion,
            Malformed::BadHeaderLength,
            Malformed::BadLength,
            Malformed::BadChecksum,
            Malformed::BadOption,
            Malformed::SourceRoute,
            Malformed::TooManyHeaders,
            Malformed::BadArp,
            Malformed::BadNdp,
        ];
        for (index, fault) in all.iter().enumerate() {
            assert!(all[..index].iter().all(|other| other.reason() != fault.reason()));
            assert_eq!(fault.to_string(), fault.reason().text());
        }
    }
}
