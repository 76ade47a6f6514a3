//! The link: what a driver implements, and the packet that it is given.
//!
//! Nothing here knows what is in a packet, but where its checksum goes.

use crate::storage::copy_prefix;
use crate::storage::stream::Slices;
use crate::wire::checksum::Sum;

/// What the frames of a link are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Medium {
    /// Bare IP packets, IPv4 and IPv6 mixed: TUN, PPP, SLIP.
    Ip,
    /// Ethernet II frames from the destination address on, without the frame check sequence. The
    /// driver pads short ones to 60 octets if its hardware does not. It may filter what comes in by
    /// address, and need not: the stack does.
    Ethernet,
}

/// What a device can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Capabilities {
    /// What a frame is.
    pub medium: Medium,
    /// The largest IP packet, bytes; an Ethernet frame has 14 more. No longer packet is offered,
    /// and none that exceeds the stack's own `Config::mtu`.
    pub mtu: u16,
    /// Acknowledge in-order data once a drained burst instead of every second segment: for devices
    /// on which sending costs more than receiving. Deviation: decision 0004.
    pub ack_per_burst: bool,
}

impl Capabilities {
    /// A plain device that carries IP packets of up to `mtu` octets.
    #[must_use]
    pub const fn ip(mtu: u16) -> Self {
        Self { medium: Medium::Ip, mtu, ack_per_burst: false }
    }

    /// A plain device that carries Ethernet frames with IP packets of up to `mtu` octets in them:
    /// frames are 14 octets longer.
    #[must_use]
    pub const fn ethernet(mtu: u16) -> Self {
        Self { medium: Medium::Ethernet, mtu, ack_per_burst: false }
    }
}

/// What a device knows about a packet that it received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RxMeta {
    /// The device has verified the transport checksum; it is not looked at again.
    pub checksum_verified: bool,
}

/// The device has no room for a packet now. Nothing has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NoRoom;

impl core::fmt::Display for NoRoom {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the device has no room for a packet")
    }
}

impl core::error::Error for NoRoom {}

/// A network interface.
///
/// Neither call may block. A driver that fails drops the packet and counts it: the stack treats
/// that as loss on the way.
pub trait Device {
    /// Returns the abilities of the device. The stack asks at each poll and follows a change of the
    /// MTU.
    fn capabilities(&self) -> Capabilities;

    /// Hands the next received packet to `take`, or returns `None` if there is none.
    fn receive<R>(&mut self, take: impl FnOnce(&[u8], RxMeta) -> R) -> Option<R>;

    /// Sends one packet.
    ///
    /// # Errors
    ///
    /// There is no room for it now; it is offered again after the next event. No packet is longer
    /// than the MTU of [`Device::capabilities`]: one that the device cannot send is dropped.
    fn transmit(&mut self, packet: &Packet<'_>) -> Result<(), NoRoom>;
}

/// Where a transport checksum goes and what it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ChecksumJob {
    /// Where in the frame the covered octets begin; they end with it.
    pub start: u16,
    /// Where the field lies, counted from `start`.
    pub offset: u16,
    /// The sum of the pseudo-header, folded, not complemented.
    pub partial: u16,
    /// A sum of zero is written as 0xffff (UDP, RFC 768).
    pub zero_is_none: bool,
}

/// One IP packet, or the Ethernet frame around it, to be sent: a header and a payload that may lie
/// in pieces.
#[derive(Debug)]
pub struct Packet<'p> {
    header: &'p [u8],
    payload: Option<Slices<'p>>,
    job: Option<&'p ChecksumJob>,
}

impl<'p> Packet<'p> {
    /// A packet whose header lacks the checksum that `job` describes.
    pub(crate) const fn new(
        header: &'p [u8],
        payload: Option<Slices<'p>>,
        job: Option<&'p ChecksumJob>,
    ) -> Self {
        Self { header, payload, job }
    }

    /// Its length in octets.
    #[must_use]
    pub fn len(&self) -> usize {
        let payload = self.payload.as_ref().map_or(0, Slices::octets);
        // Both lie in memory beside each other.
        self.header.len().wrapping_add(payload as usize)
    }

    /// Whether it has no octets; it never is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The checksum that is missing from [`Packet::parts`], if any.
    #[must_use]
    pub fn checksum(&self) -> Option<ChecksumJob> {
        self.job.copied()
    }

    /// The packet in pieces, for gathering writes. The checksum field holds zero: it is the
    /// device's to fill in, as [`Packet::checksum`] says.
    #[must_use]
    pub fn parts(&self) -> Parts<'p> {
        Parts { header: Some(self.header), payload: self.payload.clone() }
    }

    /// Copies the packet into `buffer`, summing as it goes, and patches the checksum last.
    /// Returns its length; `None`, with nothing worth sending written, where the buffer is shorter.
    pub fn copy_into(&self, buffer: &mut [u8]) -> Option<usize> {
        let len = self.len();
        let buffer = buffer.get_mut(..len)?;
        let copied = copy_prefix(buffer, self.header);
        let mut rest = buffer.get_mut(copied..)?;
        if let Some(payload) = &self.payload {
            for part in payload.clone() {
                let copied = copy_prefix(rest, part);
                rest = rest.get_mut(copied..)?;
            }
        }
        if let Some(job) = self.job {
            let mut sum = Sum::ZERO;
            sum.add_u16(job.partial);
            let covered = buffer.get_mut(usize::from(job.start)..)?;
            sum.add_bytes(covered);
            let sum = match sum.finish() {
                0 if job.zero_is_none => 0xffff,
                sum => sum,
            };
            let field = covered.get_mut(usize::from(job.offset)..)?.first_chunk_mut::<2>()?;
            *field = sum.to_be_bytes();
        }
        Some(len)
    }
}

/// The pieces of a [`Packet`], its headers first.
#[derive(Debug, Clone)]
pub struct Parts<'p> {
    header: Option<&'p [u8]>,
    payload: Option<Slices<'p>>,
}

impl<'p> Iterator for Parts<'p> {
    type Item = &'p [u8];

    fn next(&mut self) -> Option<&'p [u8]> {
        match self.header.take() {
            None => self.payload.as_mut()?.next(),
            header => header,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::block_pool::BlockPool;
    use crate::storage::queue::Queue;
    use crate::storage::stream::Stream;
    use std::vec;

    #[test]
    fn a_packet_is_gathered_and_summed() {
        let job = ChecksumJob { start: 2, offset: 0, partial: 0x0001, zero_is_none: false };
        // Three octets in one block, one in the next.
        let mut pool = BlockPool::new(vec![0; 128].into(), vec![None; 2].into(), 64).unwrap();
        let mut queue = Queue::starting_at(61);
        queue.append(&mut pool, &[1, 2, 3, 4]);
        let payload = queue.slices(&pool, 0, 4);
        let packet = Packet::new(&[0xaa, 0xbb, 0, 0], Some(payload), Some(&job));
        let mut buffer = [0; 16];
        assert_eq!(packet.copy_into(&mut buffer), Some(8));
        // 0x0001 + 0x0102 + 0x0304 = 0x0407, complemented.
        assert_eq!(buffer[..8], [0xaa, 0xbb, 0xfb, 0xf8, 1, 2, 3, 4]);
        assert_eq!(packet.copy_into(&mut buffer[..7]), None);
        assert_eq!(packet.len(), 8);
    }
}
