//! TCP options (RFC 9293 §3.2, RFC 7323, RFC 2018), as they are sent.
//!
//! What was offered and what is agreed, and in which state an option counts, is not known here.

use byteorder::{ByteOrder, NetworkEndian};
use heapless::Vec;

use super::NoRoom;
use crate::seq::SeqNum;

/// Octets that the options of one segment may take.
pub const LEN_MAX: usize = 40;
/// Blocks that a SACK option may hold.
pub const SACK_BLOCKS_MAX: usize = 4;

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;

/// A range of octets that arrived beyond a hole (RFC 2018 §3), as sent and thus not yet believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SackBlock {
    /// The first octet of the range.
    pub left: SeqNum,
    /// The first octet behind it.
    pub right: SeqNum,
}

/// The timestamps option (RFC 7323 §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Timestamps {
    /// TSval, the sender's clock.
    pub value: u32,
    /// TSecr, the clock of the other side as it was last heard.
    pub echo: u32,
}

/// Which options are known beside the MSS. One that is not is skipped like any other when it comes,
/// and is never written.
pub trait Known {
    /// The window scale (RFC 7323).
    const WINDOW_SCALE: bool;
    /// Timestamps (RFC 7323).
    const TIMESTAMPS: bool;
    /// SACK permitted and SACK (RFC 2018).
    const SACK: bool;
}

/// All of them are known.
#[derive(Debug)]
pub enum All {}

impl Known for All {
    const WINDOW_SCALE: bool = true;
    const TIMESTAMPS: bool = true;
    const SACK: bool = true;
}

/// The options of one segment, whatever its flags.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Options {
    /// The largest segment the sender takes, in octets. Never zero when parsed.
    pub mss: Option<u16>,
    /// The shift count as sent, 0 to 255: who reads it limits it to 14 (RFC 7323 §2.3).
    pub window_scale: Option<u8>,
    /// The sender takes SACK options.
    pub sack_permitted: bool,
    /// The blocks of a SACK option, in the order in which they were sent.
    pub sack: Vec<SackBlock, SACK_BLOCKS_MAX>,
    /// The sender's timestamps.
    pub timestamps: Option<Timestamps>,
}

impl Options {
    /// No options.
    pub const EMPTY: Self = Self::none();

    /// No options, without clearing the room for the blocks.
    #[inline(always)]
    #[must_use]
    pub const fn none() -> Self {
        Self {
            mss: None,
            window_scale: None,
            sack_permitted: false,
            sack: Vec::new(),
            timestamps: None,
        }
    }

    /// Reads the options of a segment, of which 40 octets are looked at.
    ///
    /// Nothing here is an error, since a segment that carries nonsense may still belong to a good
    /// connection. What is unknown is skipped; what has the wrong length for its kind is skipped,
    /// too; a length that cannot be ends the reading. Of an option that comes twice the last
    /// counts.
    #[must_use]
    pub fn parse(options: &[u8]) -> Self {
        let mut parsed = Self::none();
        parsed.read::<All>(options);
        parsed
    }

    /// Likewise, but only what `K` names is understood, and added to what is here.
    pub(crate) fn read<K: Known>(&mut self, options: &[u8]) {
        let mut rest = options.get(..LEN_MAX).unwrap_or(options);
        // Each step takes at least one octet: 40 steps at most.
        while let [kind, behind @ ..] = rest {
            rest = match *kind {
                END => return,
                NO_OPERATION => behind,
                kind => {
                    // RFC 9293 §3.1, MUST-7: a length that is impossible must not hurt us. It
                    // counts the kind and itself.
                    let length = behind.first().map_or(0, |length| usize::from(*length));
                    let Some((option, next)) = rest.split_at_checked(length) else { return };
                    let Some(data) = option.get(2..) else { return };
                    self.take::<K>(kind, data);
                    next
                }
            };
        }
    }

    /// Notes one option, unless its length is not that of its kind.
    fn take<K: Known>(&mut self, kind: u8, data: &[u8]) {
        match (kind, data) {
            (MSS, &[high, low]) => {
                let mss = u16::from_be_bytes([high, low]);
                // An MSS of zero would mean that no data can ever be sent.
                if mss != 0 {
                    self.mss = Some(mss);
                }
            }
            (WINDOW_SCALE, &[shift]) if K::WINDOW_SCALE => self.window_scale = Some(shift),
            (SACK_PERMITTED, []) if K::SACK => self.sack_permitted = true,
            (SACK, blocks) if K::SACK => self.take_sack(blocks),
            (TIMESTAMPS, data) if K::TIMESTAMPS => {
                if let Ok(data) = <&[u8; 8]>::try_from(data) {
                    let value = NetworkEndian::read_u32(&data[0..4]);
                    let echo = NetworkEndian::read_u32(&data[4..8]);
                    self.timestamps = Some(Timestamps { value, echo });
                }
            }
            _ => {}
        }
    }

    fn take_sack(&mut self, data: &[u8]) {
        let (blocks, []) = data.as_chunks::<8>() else { return };
        if blocks.is_empty() {
            return;
        }
        self.sack.clear();
        for block in blocks {
            let left = SeqNum::new(NetworkEndian::read_u32(&block[0..4]));
            let right = SeqNum::new(NetworkEndian::read_u32(&block[4..8]));
            // There are at most four in 40 octets.
            let _ = self.sack.push(SackBlock { left, right });
        }
    }

    /// The timestamps, where they are known.
    fn stamps<K: Known>(&self) -> Option<Timestamps> {
        if K::TIMESTAMPS { self.timestamps } else { None }
    }

    /// The window scale, where it is known.
    fn scale<K: Known>(&self) -> Option<u8> {
        if K::WINDOW_SCALE { self.window_scale } else { None }
    }

    /// The blocks, where they are known.
    fn blocks<K: Known>(&self) -> &[SackBlock] {
        if K::SACK { &self.sack } else { &[] }
    }

    /// Octets of all options but SACK blocks, each aligned to four.
    fn len_without_sack<K: Known>(&self) -> usize {
        let mut length = 0_usize;
        if self.mss.is_some() {
            length = length.wrapping_add(4);
        }
        if self.stamps::<K>().is_some() {
            // SACK permitted rides in its padding.
            length = length.wrapping_add(12);
        } else if K::SACK && self.sack_permitted {
            length = length.wrapping_add(4);
        }
        if self.scale::<K>().is_some() {
            length = length.wrapping_add(4);
        }
        length
    }

    /// The blocks that fit beside the other options.
    fn fitting_blocks<K: Known>(&self, len_without_sack: usize) -> &[SackBlock] {
        // RFC 2018 §3: four blocks fill all the room, three go beside timestamps. The other
        // options take 20 octets at most.
        let room = LEN_MAX.wrapping_sub(4).saturating_sub(len_without_sack) >> 3;
        let blocks = self.blocks::<K>();
        blocks.get(..room).unwrap_or(blocks)
    }

    /// Octets that [`emit`](Self::emit) writes: a multiple of 4, at most 40. SACK blocks for which
    /// there is no room are left out, the last first.
    #[must_use]
    pub fn emitted_len(&self) -> usize {
        self.known_len::<All>()
    }

    /// Likewise, of what `K` names.
    #[must_use]
    pub(crate) fn known_len<K: Known>(&self) -> usize {
        let len = self.len_without_sack::<K>();
        if self.blocks::<K>().is_empty() {
            return len;
        }
        let blocks = self.fitting_blocks::<K>(len).len();
        len.wrapping_add(blocks.wrapping_mul(8)).wrapping_add(4)
    }

    /// Writes the options, filled up with no-operations in front of each, and returns their length.
    ///
    /// # Errors
    ///
    /// The buffer is shorter than [`emitted_len`](Self::emitted_len).
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, NoRoom> {
        self.emit_known::<All>(buffer)
    }

    /// Likewise, but only what `K` names is written.
    ///
    /// # Errors
    ///
    /// The buffer is shorter than [`known_len`](Self::known_len).
    pub(crate) fn emit_known<K: Known>(&self, buffer: &mut [u8]) -> Result<usize, NoRoom> {
        const PAD: u8 = NO_OPERATION;
        let mut words = Words { buffer, len: 0 };
        if let Some(mss) = self.mss {
            let [high, low] = mss.to_be_bytes();
            words.put([MSS, 4, high, low])?;
        }
        let permits = K::SACK && self.sack_permitted;
        if let Some(timestamps) = self.stamps::<K>() {
            let front = if permits { [SACK_PERMITTED, 2] } else { [PAD, PAD] };
            words.put([front[0], front[1], TIMESTAMPS, 10])?;
            words.put(timestamps.value.to_be_bytes())?;
            words.put(timestamps.echo.to_be_bytes())?;
        } else if permits {
            words.put([PAD, PAD, SACK_PERMITTED, 2])?;
        }
        if let Some(shift) = self.scale::<K>() {
            words.put([PAD, WINDOW_SCALE, 3, shift])?;
        }
        if !self.blocks::<K>().is_empty() {
            let blocks = self.fitting_blocks::<K>(words.len);
            let length = blocks.len().wrapping_mul(8).wrapping_add(2) as u8;
            words.put([PAD, PAD, SACK, length])?;
            for block in blocks {
                words.put(block.left.raw().to_be_bytes())?;
                words.put(block.right.raw().to_be_bytes())?;
            }
        }
        Ok(words.len)
    }
}

/// A buffer that is filled word by word.
struct Words<'b> {
    buffer: &'b mut [u8],
    /// Octets that are filled: a multiple of four.
    len: usize,
}

impl Words<'_> {
    fn put(&mut self, word: [u8; 4]) -> Result<(), NoRoom> {
        let room = self.buffer.get_mut(self.len..).and_then(<[u8]>::first_chunk_mut);
        *room.ok_or(NoRoom)? = word;
        self.len = self.len.wrapping_add(4);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Knows the MSS only.
    struct Least;

    impl Known for Least {
        const WINDOW_SCALE: bool = false;
        const TIMESTAMPS: bool = false;
        const SACK: bool = false;
    }

    #[test]
    fn what_is_not_known_is_neither_read_nor_written() {
        let mut all = Options {
            mss: Some(1460),
            window_scale: Some(7),
            sack_permitted: true,
            timestamps: Some(Timestamps { value: 1, echo: 2 }),
            ..Options::EMPTY
        };
        let least = Options { mss: Some(1460), ..Options::EMPTY };
        let mut octets = [0; LEN_MAX];
        let len = all.emit(&mut octets).unwrap();
        assert_eq!((len, all.emitted_len()), (20, 20));
        assert_eq!(Options::parse(&octets[..len]), all);
        let mut read = Options::EMPTY;
        read.read::<Least>(&octets[..len]);
        assert_eq!(read, least);
        let block = SackBlock { left: SeqNum::ZERO, right: SeqNum::new(9) };
        all.sack.push(block).unwrap();
        let (mut ours, mut theirs) = ([0; 4], [0; 4]);
        assert_eq!(all.emit_known::<Least>(&mut ours), Ok(all.known_len::<Least>()));
        assert_eq!(least.emit(&mut theirs), Ok(4));
        assert_eq!(ours, theirs);
        let mut read = Options::EMPTY;
        read.read::<Least>(&[NO_OPERATION, SACK, 10]);
        assert_eq!(read, Options::EMPTY);
    }
}
