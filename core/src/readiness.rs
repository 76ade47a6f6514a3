//! What may have become possible on a socket, as a small set of bits.

use core::ops::{BitOr, BitOrAssign};

/// A set of hints. Each says that a call is worth trying, not that it will succeed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Readiness(u8);

impl Readiness {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Data, a datagram or the end of the stream can be read.
    pub const READABLE: Self = Self(0x01);
    /// There is room to write again after a write was refused or cut short.
    pub const WRITABLE: Self = Self(0x02);
    /// A connection waits to be accepted.
    pub const ACCEPTABLE: Self = Self(0x04);
    /// The connection is established.
    pub const CONNECTED: Self = Self(0x08);
    /// The peer has closed its half: behind what is queued lies the end of the stream.
    pub const PEER_CLOSED: Self = Self(0x10);
    /// The connection is over; `close_reason` tells why.
    pub const CLOSED: Self = Self(0x20);
    /// The path or the peer gives no good sign: an ICMP error (RFC 9293 §3.9.1.8), or three
    /// retransmissions or probes in vain, told once until the peer answers (§3.8.3, SHLD-9: R1).
    /// Nothing is lost yet; `info` tells more.
    pub const TROUBLED: Self = Self(0x80);
    /// The peer has told of urgent data, or of more of it; `urgent` tells how far it reaches.
    pub const URGENT: Self = Self(0x40);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether no bit is set.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Readiness {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Readiness {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

#[cfg(test)]
mod tests {
    use super::Readiness;

    #[test]
    fn bits_add_up() {
        let mut set = Readiness::READABLE;
        assert!(!set.is_none() && !set.contains(Readiness::WRITABLE));
        set |= Readiness::WRITABLE;
        assert!(set.contains(Readiness::READABLE | Readiness::WRITABLE));
        assert!(!set.contains(Readiness::WRITABLE | Readiness::CLOSED));
    }
}
