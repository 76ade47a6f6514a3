//! TCP headers (RFC 9293 §3.1).
//!
//! What a segment means is not decided here, and its options are read by
//! [`tcp_options`](super::tcp_options).

use core::fmt;
use core::net::IpAddr;

use byteorder::{ByteOrder, NetworkEndian};

use super::checksum::pseudo_header;
use super::tcp_options::{Known, Options};
use super::{Malformed, NoRoom, Protocol, emit_options, padded};
use crate::seq::SeqNum;

/// Octets of a header without options.
pub const HEADER_MIN: usize = 20;
/// Octets of a header whose data offset is at its end.
pub const HEADER_MAX: usize = 60;
/// Where in the header the checksum lies.
pub const CHECKSUM_OFFSET: usize = 16;

/// The control bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Flags(u16);

impl Flags {
    /// No bit at all.
    pub const NONE: Self = Self(0);
    /// No more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// Synchronise sequence numbers.
    pub const SYN: Self = Self(0x02);
    /// Reset the connection.
    pub const RST: Self = Self(0x04);
    /// Push.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgment field counts.
    pub const ACK: Self = Self(0x10);
    /// The urgent pointer counts.
    pub const URG: Self = Self(0x20);
    /// Congestion experienced, says the receiver (RFC 3168).
    pub const ECE: Self = Self(0x40);
    /// Congestion window reduced (RFC 3168).
    pub const CWR: Self = Self(0x80);
    /// Accurate ECN (RFC 9768), the former NS.
    pub const AE: Self = Self(0x100);

    const NAMES: [(Self, &'static str); 9] = [
        (Self::FIN, "FIN"),
        (Self::SYN, "SYN"),
        (Self::RST, "RST"),
        (Self::PSH, "PSH"),
        (Self::ACK, "ACK"),
        (Self::URG, "URG"),
        (Self::ECE, "ECE"),
        (Self::CWR, "CWR"),
        (Self::AE, "AE"),
    ];

    /// The flags whose bits are set in `bits`: FIN is bit 0, AE bit 8, all above are left out.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & 0x1ff)
    }

    /// The flags as bits: FIN is bit 0, AE bit 8.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether all of `flags` are set.
    #[must_use]
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Whether any of `flags` is set.
    #[must_use]
    pub const fn intersects(self, flags: Self) -> bool {
        self.0 & flags.0 != 0
    }

    /// These flags and those.
    #[must_use]
    pub const fn with(self, flags: Self) -> Self {
        Self(self.0 | flags.0)
    }

    /// These flags without those.
    #[must_use]
    pub const fn without(self, flags: Self) -> Self {
        Self(self.0 & !flags.0)
    }
}

impl core::ops::BitOr for Flags {
    type Output = Self;

    fn bitor(self, flags: Self) -> Self {
        self.with(flags)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for (flag, name) in Self::NAMES {
            if self.contains(flag) {
                formatter.write_str(between)?;
                formatter.write_str(name)?;
                between = "|";
            }
        }
        if *self == Self::NONE { formatter.write_str("NONE") } else { Ok(()) }
    }
}

/// A TCP header. The data offset is given by the options, the checksum belongs to who gathers the
/// segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Header<'a> {
    /// The sender's port.
    pub source_port: u16,
    /// The receiver's port.
    pub destination_port: u16,
    /// SEG.SEQ.
    pub seq: SeqNum,
    /// SEG.ACK, if the flag says so.
    pub ack: SeqNum,
    /// The control bits.
    pub flags: Flags,
    /// The window as sent, not scaled.
    pub window: u16,
    /// The urgent pointer, if the flag says so.
    pub urgent: u16,
    /// The options as they lie in the segment: at most 40 octets, a multiple of 4.
    pub options: &'a [u8],
}

impl<'a> Header<'a> {
    /// Reads a segment: its header and its text. The checksum is for [`verify`].
    ///
    /// # Errors
    ///
    /// Fewer than 20 octets, or a data offset under 5 or above what is there.
    #[inline]
    pub fn parse(segment: &'a [u8]) -> Result<(Self, &'a [u8]), Malformed> {
        let (head, rest) = segment.split_first_chunk::<HEADER_MIN>().ok_or(Malformed::Truncated)?;
        let options_len = usize::from(head[12] >> 4)
            .checked_sub(5)
            .ok_or(Malformed::BadHeaderLength)?
            .wrapping_mul(4);
        let (options, text) =
            rest.split_at_checked(options_len).ok_or(Malformed::BadHeaderLength)?;
        let header = Self {
            source_port: NetworkEndian::read_u16(&head[0..2]),
            destination_port: NetworkEndian::read_u16(&head[2..4]),
            seq: SeqNum::new(NetworkEndian::read_u32(&head[4..8])),
            ack: SeqNum::new(NetworkEndian::read_u32(&head[8..12])),
            // RFC 9293 §3.1: the reserved bits are ignored, and sent as zero.
            flags: Flags::from_bits(NetworkEndian::read_u16(&head[12..14])),
            window: NetworkEndian::read_u16(&head[14..16]),
            urgent: NetworkEndian::read_u16(&head[18..20]),
            options,
        };
        Ok((header, text))
    }

    /// Octets of the header on the wire.
    #[must_use]
    pub const fn header_len(&self) -> usize {
        padded(self.options.len()).saturating_add(HEADER_MIN)
    }

    /// Writes the header with a checksum of zero. Options are filled up with zeros to a multiple of
    /// four octets. Returns the header's length.
    ///
    /// # Errors
    ///
    /// The buffer is shorter than the header, or the options exceed 40 octets.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, NoRoom> {
        let header_len = self.header_len();
        if header_len > HEADER_MAX {
            return Err(NoRoom);
        }
        let (head, rest) = buffer.split_first_chunk_mut::<HEADER_MIN>().ok_or(NoRoom)?;
        emit_options(rest, self.options)?;
        self.emit_fixed(head, header_len);
        Ok(header_len)
    }

    /// Likewise, with those of these options that `K` names in place of its own.
    ///
    /// # Errors
    ///
    /// The buffer is shorter than the header.
    pub(crate) fn emit_with<K: Known>(
        &self,
        options: &Options,
        buffer: &mut [u8],
    ) -> Result<usize, NoRoom> {
        let (head, rest) = buffer.split_first_chunk_mut::<HEADER_MIN>().ok_or(NoRoom)?;
        let header_len = options.emit_known::<K>(rest)?.wrapping_add(HEADER_MIN);
        self.emit_fixed(head, header_len);
        Ok(header_len)
    }

    fn emit_fixed(&self, head: &mut [u8; HEADER_MIN], header_len: usize) {
        let offset_and_flags = (header_len as u16) << 10 | self.flags.bits();
        NetworkEndian::write_u16(&mut head[0..2], self.source_port);
        NetworkEndian::write_u16(&mut head[2..4], self.destination_port);
        NetworkEndian::write_u32(&mut head[4..8], self.seq.raw());
        NetworkEndian::write_u32(&mut head[8..12], self.ack.raw());
        NetworkEndian::write_u16(&mut head[12..14], offset_and_flags);
        NetworkEndian::write_u16(&mut head[14..16], self.window);
        NetworkEndian::write_u16(&mut head[16..18], 0);
        NetworkEndian::write_u16(&mut head[18..20], self.urgent);
    }
}

/// Whether the checksum of a whole segment is right.
#[must_use]
pub fn verify(segment: &[u8], source: IpAddr, destination: IpAddr) -> bool {
    // RFC 9293 §3.1, MUST-3: every receiver checks it.
    let mut sum = pseudo_header(source, destination, Protocol::TCP, segment.len() as u32);
    sum.add_bytes(segment);
    sum.finish() == 0
}
