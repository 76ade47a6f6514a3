//! What ICMP for IPv4 and ICMP for IPv6 share: the shape of a message.

use byteorder::{ByteOrder, NetworkEndian};

use super::{NoRoom, copy_to_front};

/// Octets of the header that all messages share.
pub const HEADER_LEN: usize = 8;

/// The first eight octets of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Header {
    /// The type of message.
    pub kind: u8,
    /// The variant of the type.
    pub code: u8,
    /// The four octets behind the checksum, whose meaning depends on the type.
    pub word: u32,
}

impl Header {
    /// Writes the header with a checksum of zero, for who gathers header and payload from several
    /// places and sums them last. Returns its length, always [`HEADER_LEN`].
    ///
    /// # Errors
    ///
    /// The buffer is shorter than the header.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, NoRoom> {
        let head = buffer.first_chunk_mut::<HEADER_LEN>().ok_or(NoRoom)?;
        head[0] = self.kind;
        head[1] = self.code;
        NetworkEndian::write_u16(&mut head[2..4], 0);
        NetworkEndian::write_u32(&mut head[4..8], self.word);
        Ok(HEADER_LEN)
    }

    /// Takes header and body apart; the checksum is not looked at.
    pub(super) fn split(message: &[u8]) -> Option<(Self, &[u8])> {
        let (head, body) = message.split_first_chunk::<HEADER_LEN>()?;
        let word = NetworkEndian::read_u32(&head[4..8]);
        Some((Self { kind: head[0], code: head[1], word }, body))
    }

    /// Writes header and body, the checksum zero, and returns the message.
    pub(super) fn emit_with<'b>(
        &self,
        body: &[u8],
        buffer: &'b mut [u8],
    ) -> Result<&'b mut [u8], NoRoom> {
        let message = buffer.get_mut(..HEADER_LEN.saturating_add(body.len())).ok_or(NoRoom)?;
        self.emit(message)?;
        copy_to_front(message.get_mut(HEADER_LEN..).ok_or(NoRoom)?, body)?;
        Ok(message)
    }
}

/// Writes `checksum` into a message and returns the message's length.
pub(super) fn seal(message: &mut [u8], checksum: u16) -> usize {
    if let Some(field) = message.get_mut(2..4) {
        NetworkEndian::write_u16(field, checksum);
    }
    message.len()
}

/// The word of an echo message.
pub(super) const fn echo_word(identifier: u16, sequence: u16) -> u32 {
    (identifier as u32) << 16 | sequence as u32
}

/// The first four octets of the body of a message of unknown type, as a word, and those behind
/// them. Octets that lack count as zero.
pub(super) fn split_word(body: &[u8]) -> (u32, &[u8]) {
    match body.split_first_chunk::<4>() {
        Some((word, rest)) => (NetworkEndian::read_u32(word), rest),
        None => {
            let octets = [0, 1, 2, 3].map(|index| body.get::<usize>(index).copied().unwrap_or(0));
            (NetworkEndian::read_u32(&octets), &[])
        }
    }
}
