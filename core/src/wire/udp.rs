//! UDP headers (RFC 768).
//!
//! Ports are numbers here; who listens on them is not known.

use core::net::IpAddr;

use byteorder::{ByteOrder, NetworkEndian};

use super::checksum::pseudo_header;
use super::{Malformed, NoRoom, Protocol};

/// Octets of a header.
pub const HEADER_LEN: usize = 8;
/// Where in the header the checksum lies.
pub const CHECKSUM_OFFSET: usize = 6;

/// A UDP header. Its length is that of the payload behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Header {
    /// The sender's port.
    pub source_port: u16,
    /// The receiver's port.
    pub destination_port: u16,
}

/// Reads a datagram: its header and its payload, less whatever lies behind the datagram's end.
///
/// `verify` is false where the device has verified the checksum.
///
/// # Errors
///
/// Fewer than eight octets, a length field under eight or above what is there, a wrong checksum, or
/// none in IPv6.
pub fn parse(
    datagram: &[u8],
    source: IpAddr,
    destination: IpAddr,
    verify: bool,
) -> Result<(Header, &[u8]), Malformed> {
    let head = datagram.first_chunk::<HEADER_LEN>().ok_or(Malformed::Truncated)?;
    let header = Header {
        source_port: NetworkEndian::read_u16(&head[0..2]),
        destination_port: NetworkEndian::read_u16(&head[2..4]),
    };
    let length = NetworkEndian::read_u16(&head[4..6]);
    let checksum = NetworkEndian::read_u16(&head[6..8]);
    let datagram = datagram.get(..usize::from(length)).ok_or(Malformed::BadLength)?;
    let payload = datagram.get(HEADER_LEN..).ok_or(Malformed::BadLength)?;
    if checksum == 0 {
        // RFC 768: zero says that the sender made none. RFC 8200 §8.1: in IPv6 every sender must.
        return match source {
            IpAddr::V4(_) => Ok((header, payload)),
            IpAddr::V6(_) => Err(Malformed::BadChecksum),
        };
    }
    if verify {
        let mut sum = pseudo_header(source, destination, Protocol::UDP, u32::from(length));
        sum.add_bytes(datagram);
        if sum.finish() != 0 {
            return Err(Malformed::BadChecksum);
        }
    }
    Ok((header, payload))
}

impl Header {
    /// Writes the header in front of a payload of `payload_len` octets, with a checksum of zero.
    /// Returns its length, always [`HEADER_LEN`].
    ///
    /// # Errors
    ///
    /// The buffer is shorter than the header, or the datagram exceeds 65,535 octets.
    pub fn emit(&self, payload_len: usize, buffer: &mut [u8]) -> Result<usize, NoRoom> {
        let length = payload_len.saturating_add(HEADER_LEN);
        let length = u16::try_from(length).map_err(|_| NoRoom)?;
        let head = buffer.first_chunk_mut::<HEADER_LEN>().ok_or(NoRoom)?;
        NetworkEndian::write_u16(&mut head[0..2], self.source_port);
        NetworkEndian::write_u16(&mut head[2..4], self.destination_port);
        NetworkEndian::write_u16(&mut head[4..6], length);
        NetworkEndian::write_u16(&mut head[6..8], 0);
        Ok(HEADER_LEN)
    }
}

/// The checksum field for a computed checksum: zero would say that there is none, and goes out as
/// its other form, all ones (RFC 768).
#[must_use]
pub const fn on_wire(checksum: u16) -> u16 {
    if checksum == 0 { 0xffff } else { checksum }
}
