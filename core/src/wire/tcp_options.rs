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

/// Which of the options a build may have beside those that every build has: what it leaves out is
/// neither read nor written, and costs nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kinds {
    pub(crate) timestamps: bool,
    /// Blocks, and the permission to send them.
    pub(crate) sack: bool,
}

impl Kinds {
    const ALL: Self = Self { timestamps: true, sack: true };
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
    #[inline]
    pub fn parse(options: &[u8]) -> Self {
        let mut parsed = Self::none();
        parsed.read(Kinds::ALL, options);
        parsed
    }

    /// Likewise, of a build with these kinds, in place of none.
    #[inline(always)]
    pub(crate) fn read(&mut self, kinds: Kinds, options: &[u8]) {
        // Most segments have none.
        if !options.is_empty() {
            self.read_some(kinds, options);
        }
    }

    #[inline(never)]
    fn read_some(&mut self, kinds: Kinds, options: &[u8]) {
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
                    self.take(kinds, kind, data);
                    next
                }
            };
        }
    }

    /// Notes one option, unless its length is not that of its kind.
    fn take(&mut self, kinds: Kinds, kind: u8, data: &[u8]) {
        match (kind, data) {
            (MSS, &[high, low]) => {
                let mss = u16::from_be_bytes([high, low]);
                // An MSS of zero would mean that no data can ever be sent.
                if mss != 0 {
                    self.mss = Some(mss);
                }
            }
            (WINDOW_SCALE, &[shift]) => self.window_scale = Some(shift),
            (SACK_PERMITTED, []) if kinds.sack => self.sack_permitted = true,
            (SACK, blocks) if kinds.sack => self.take_sack(blocks),
            (TIMESTAMPS, data) if kinds.timestamps => {
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

    /// Octets of all options but SACK blocks, each aligned to four.
    #[inline(always)]
    fn len_without_sack(&self, kinds: Kinds) -> usize {
        let mut length = 0_usize;
        if self.mss.is_some() {
            length = length.wrapping_add(4);
        }
        if kinds.timestamps && self.timestamps.is_some() {
            // SACK permitted rides in its padding.
            length = length.wrapping_add(12);
        } else if kinds.sack && self.sack_permitted {
            length = length.wrapping_add(4);
        }
        if self.window_scale.is_some() {
            length = length.wrapping_add(4);
        }
        length
    }

    /// The blocks that fit beside the other options.
    fn fitting_blocks(&self, len_without_sack: usize) -> &[SackBlock] {
        // RFC 2018 §3: four blocks fill all the room, three go beside timestamps. The other
        // options take 20 octets at most.
        let room = LEN_MAX.wrapping_sub(4).saturating_sub(len_without_sack) >> 3;
        self.sack.get(..room).unwrap_or(&self.sack)
    }

    /// Octets that [`emit`](Self::emit) writes: a multiple of 4, at most 40. SACK blocks for which
    /// there is no room are left out, the last first.
    #[must_use]
    pub fn emitted_len(&self) -> usize {
        self.emitted_len_of(Kinds::ALL)
    }

    /// Likewise, of a build with these kinds.
    #[inline(always)]
    pub(crate) fn emitted_len_of(&self, kinds: Kinds) -> usize {
        let len = self.len_without_sack(kinds);
        if !kinds.sack || self.sack.is_empty() {
            return len;
        }
        let blocks = self.fitting_blocks(len).len();
        len.wrapping_add(blocks.wrapping_mul(8)).wrapping_add(4)
    }

    /// Writes the options, filled up with no-operations in front of each, and returns their length.
    ///
    /// # Errors
    ///
    /// The buffer is shorter than [`emitted_len`](Self::emitted_len).
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, NoRoom> {
        self.emit_of(Kinds::ALL, buffer)
    }

    /// Likewise, of a build with these kinds.
    #[inline(always)]
    pub(crate) fn emit_of(&self, kinds: Kinds, buffer: &mut [u8]) -> Result<usize, NoRoom> {
        const PAD: u8 = NO_OPERATION;
        let mut words = Words { buffer, len: 0 };
        if let Some(mss) = self.mss {
            let [high, low] = mss.to_be_bytes();
            words.put([MSS, 4, high, low])?;
        }
        if let Some(timestamps) = self.timestamps.filter(|_| kinds.timestamps) {
            let front = if self.sack_permitted { [SACK_PERMITTED, 2] } else { [PAD, PAD] };
            words.put([front[0], front[1], TIMESTAMPS, 10])?;
            words.put(timestamps.value.to_be_bytes())?;
            words.put(timestamps.echo.to_be_bytes())?;
        } else if kinds.sack && self.sack_permitted {
            words.put([PAD, PAD, SACK_PERMITTED, 2])?;
        }
        if let Some(shift) = self.window_scale {
            words.put([PAD, WINDOW_SCALE, 3, shift])?;
        }
        if kinds.sack && !self.sack.is_empty() {
            let blocks = self.fitting_blocks(words.len);
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
