//! Packets through a descriptor, one a call, and a count of every one that did not pass as it
//! should. Where the descriptor comes from is said elsewhere.
//!
//! A TUN refuses packets for many reasons, and all of them pass: none ends the program.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd};

/// A descriptor that carries one packet a call and never blocks.
pub(crate) trait PacketFile: Read + Write + AsRawFd {}

impl<F: Read + Write + AsRawFd> PacketFile for F {}

/// A descriptor for packets, and what went wrong on it.
pub(crate) struct Port {
    file: Box<dyn PacketFile>,
    /// Octets before each packet.
    header_len: usize,
    /// A longer packet than this is counted.
    mtu: u16,
    tally: Tally,
}

/// Why a packet could not be written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SendError {
    /// No room now.
    WouldBlock,
    /// The packet is lost, as it might be on any network.
    Lost,
}

macro_rules! troubles {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
        /// What happened to a read or a write.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(usize)]
        pub(crate) enum Trouble { $($(#[$doc])* $name,)* }

        impl Trouble {
            /// Each with the name under which it is counted.
            const ALL: &'static [(Self, &'static str)] = &[$((Self::$name, $text),)*];
        }
    };
}

troubles! {
    /// EAGAIN: no packet waits. Nothing is amiss.
    RxNothing => "link_rx_nothing",
    /// Fewer octets than the packet's own header says, or none: the stack drops it.
    RxShort => "link_rx_short",
    /// Longer than our MTU, as after a change of the device's: the stack may take it.
    RxOversize => "link_rx_oversize",
    /// EIO: the device is down.
    RxDown => "link_rx_device_down",
    /// ENOBUFS or ENOMEM.
    RxNoBuffers => "link_rx_no_buffers",
    /// Any other error of a read.
    RxOther => "link_rx_other_error",
    /// EAGAIN: no room; the stack keeps the packet.
    TxNoRoom => "link_tx_no_room",
    /// Fewer octets were taken than given: the packet is lost.
    TxShort => "link_tx_short",
    /// EIO: the device is down.
    TxDown => "link_tx_device_down",
    /// ENOBUFS or ENOMEM.
    TxNoBuffers => "link_tx_no_buffers",
    /// EINVAL or EMSGSIZE: the packet does not please.
    TxRefused => "link_tx_refused",
    /// Any other error of a write.
    TxOther => "link_tx_other_error",
}

/// How often each thing happened.
#[derive(Debug, Default)]
pub(crate) struct Tally([u64; Trouble::ALL.len()]);

impl Tally {
    fn count(&mut self, trouble: Trouble) {
        self.0[trouble as usize] += 1;
    }

    /// How often this happened.
    pub(crate) fn of(&self, trouble: Trouble) -> u64 {
        self.0[trouble as usize]
    }

    /// All that is not zero, with its name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let named = Trouble::ALL.iter().map(|(trouble, name)| (*name, self.of(*trouble)));
        named.filter(|(_, count)| *count != 0)
    }

    /// Packets that were lost here.
    pub(crate) fn lost(&self) -> u64 {
        use Trouble::*;
        let losses = [RxShort, TxShort, TxDown, TxNoBuffers, TxRefused, TxOther];
        losses.iter().map(|loss| self.of(*loss)).sum()
    }
}

impl Port {
    /// Packets of up to `mtu` octets through `file`, each behind a header of `header_len`.
    pub(crate) fn new(file: Box<dyn PacketFile>, header_len: usize, mtu: u16) -> Self {
        Self { file, header_len, mtu, tally: Tally::default() }
    }

    /// The descriptor, to wait for.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the file owns the descriptor and outlives the borrow.
        unsafe { BorrowedFd::borrow_raw(self.file.as_raw_fd()) }
    }

    /// What happened so far.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The next packet, if one is waiting. Nothing that goes wrong here ends the loop.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> Option<usize> {
        loop {
            let trouble = match self.file.read(buffer) {
                Ok(0) => Trouble::RxShort,
                Ok(len) => {
                    self.inspect(&buffer[..len]);
                    return Some(len);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => Trouble::RxNothing,
                Err(error) => match error.raw_os_error() {
                    Some(libc::EIO) => Trouble::RxDown,
                    Some(libc::ENOBUFS | libc::ENOMEM) => Trouble::RxNoBuffers,
                    _ => Trouble::RxOther,
                },
            };
            self.tally.count(trouble);
            return None;
        }
    }

    fn inspect(&mut self, frame: &[u8]) {
        let packet = frame.get(self.header_len..).unwrap_or(&[]);
        // In a frame there may be something else than IP, which says nothing of its length.
        let kind = self.header_len.checked_sub(2).and_then(|at| frame.get(at..)?.first_chunk());
        let is_ip = self.header_len == 0 || matches!(kind, None | Some([8, 0] | [0x86, 0xdd]));
        if is_ip && packet.len() < declared_len(packet) {
            self.tally.count(Trouble::RxShort);
        }
        if packet.len() > usize::from(self.mtu) {
            self.tally.count(Trouble::RxOversize);
        }
    }

    /// Sends one packet.
    pub(crate) fn send(&mut self, packet: &[u8]) -> Result<(), SendError> {
        loop {
            let trouble = match self.file.write(packet) {
                Ok(len) if len >= packet.len() => return Ok(()),
                Ok(_) => Trouble::TxShort,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.tally.count(Trouble::TxNoRoom);
                    return Err(SendError::WouldBlock);
                }
                // All else are losses; to wait for room would wait for ever.
                Err(error) => match error.raw_os_error() {
                    Some(libc::EIO) => Trouble::TxDown,
                    Some(libc::ENOBUFS | libc::ENOMEM) => Trouble::TxNoBuffers,
                    Some(libc::EINVAL | libc::EMSGSIZE) => Trouble::TxRefused,
                    _ => Trouble::TxOther,
                },
            };
            self.tally.count(trouble);
            return Err(SendError::Lost);
        }
    }
}

/// The length that an IP packet claims for itself; more than any where it is too short to say.
fn declared_len(packet: &[u8]) -> usize {
    let word = |at: usize| -> Option<usize> {
        let octets = packet.get(at..at + 2)?;
        Some(usize::from(u16::from_be_bytes([octets[0], octets[1]])))
    };
    match packet.first().map(|octet| octet >> 4) {
        Some(4) => word(2).unwrap_or(usize::MAX),
        Some(6) => word(4).map_or(usize::MAX, |payload| payload + 40),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
