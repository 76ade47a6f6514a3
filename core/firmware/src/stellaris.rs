//! The driver of the Stellaris Ethernet controller, as QEMU has it on its lm3s6965evb.
//!
//! One frame buffer: for the frame that was received last, and, once that was looked at, for the one
//! that is sent. Both go through the controller's queues word by word.

use hikyaku::device::{Capabilities, Device, NoRoom, Packet, RxMeta};

use crate::registers::ethernet::{DATA, IA0, IA1, IM, NP, RCTL, RIS, TCTL, TR};
use crate::registers::system::RCGC2;

/// The largest frame, without its check sequence.
pub const FRAME_MAX: usize = 1514;
/// The largest IP packet.
pub const MTU: u16 = 1500;

/// In the controller's queues two octets of length come before a frame.
const LENGTH_LEN: usize = 2;
/// Behind a received frame come four octets of check sequence.
const CHECK_LEN: usize = 4;
/// The length of a frame to be sent does not count Ethernet's header.
const HEADER_LEN: usize = 14;

/// Memory for a frame: with the two octets before it, what follows Ethernet's header begins on the
/// boundary of a word.
#[repr(align(4))]
pub struct Buffer([u8; LENGTH_LEN + FRAME_MAX]);

impl Buffer {
    /// Without a frame.
    pub const EMPTY: Self = Self([0; LENGTH_LEN + FRAME_MAX]);

    /// Where the frame lies.
    pub fn frame_mut(&mut self) -> &mut [u8] {
        let (_, frame) = self.0.split_at_mut(LENGTH_LEN);
        frame
    }

    /// Sends the frame of so many octets. The controller must have room.
    pub fn send(&mut self, len: usize) {
        let (length, _) = self.0.split_at_mut(LENGTH_LEN);
        length.copy_from_slice(&(len.wrapping_sub(HEADER_LEN) as u16).to_le_bytes());
        let (words, _) = self.0.as_chunks::<4>();
        for word in words.iter().take((LENGTH_LEN + len).div_ceil(4)) {
            DATA.write(u32::from_le_bytes(*word));
        }
        TR.write(1);
    }
}

/// The controller. Its registers are there once: so should this be.
pub struct Stellaris<'b> {
    buffer: &'b mut Buffer,
}

impl<'b> Stellaris<'b> {
    /// Starts the controller with this hardware address.
    pub fn new(buffer: &'b mut Buffer, address: [u8; 6]) -> Self {
        let [a, b, c, d, e, f] = address;
        // The clocks of the MAC (28) and of the PHY (30).
        RCGC2.write(RCGC2.read() | 1 << 30 | 1 << 28);
        IM.write(0);
        IA0.write(u32::from_le_bytes([a, b, c, d]));
        IA1.write(u32::from_le_bytes([e, f, 0, 0]));
        // Empty the queue; send with padding and check sequence; receive what has a right one, and
        // multicast, too.
        RCTL.write(0x10);
        TCTL.write(0x17);
        RCTL.write(0x0b);
        RIS.write(0x7f);
        Self { buffer }
    }

    /// Lets a received frame end a `wfi`.
    pub fn enable_interrupt(&self) {
        IM.write(1);
    }

    /// Forgets what was told by interrupts.
    pub fn acknowledge(&self) {
        RIS.write(0x7f);
    }

    /// The next frame, without its check sequence. One that is too long is thrown away.
    pub fn next_frame(&mut self) -> Option<&[u8]> {
        while NP.read() & 0x3f != 0 {
            let first = DATA.read();
            let total = (first & 0xffff) as usize;
            let mut words = self.buffer.0.chunks_exact_mut(4);
            let mut word = first;
            let mut left = total.div_ceil(4);
            loop {
                // All of the frame is read, whether there is room for it or not.
                if let Some(octets) = words.next() {
                    octets.copy_from_slice(&word.to_le_bytes());
                }
                left = left.saturating_sub(1);
                if left == 0 {
                    break;
                }
                word = DATA.read();
            }
            let end = total.saturating_sub(CHECK_LEN);
            // Without `if`, the borrow of a frame that is not returned would never end.
            if LENGTH_LEN < end && end <= self.buffer.0.len() {
                return self.buffer.0.get(LENGTH_LEN..end);
            }
        }
        None
    }

    /// Whether a frame can be sent.
    #[must_use]
    pub fn has_room(&self) -> bool {
        TR.read() & 1 == 0
    }
}

impl Device for Stellaris<'_> {
    fn capabilities(&self) -> Capabilities {
        Capabilities::ethernet(MTU)
    }

    fn receive<R>(&mut self, take: impl FnOnce(&[u8], RxMeta) -> R) -> Option<R> {
        self.next_frame().map(|frame| take(frame, RxMeta { checksum_verified: false }))
    }

    fn transmit(&mut self, packet: &Packet<'_>) -> Result<(), NoRoom> {
        if !self.has_room() {
            return Err(NoRoom);
        }
        // One that is too long is lost: it would be so on the wire.
        if let Some(len) = packet.copy_into(self.buffer.frame_mut()) {
            self.buffer.send(len);
        }
        Ok(())
    }
}
