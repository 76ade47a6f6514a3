//! Which messages that a packet was too big are believed, and when (RFC 1191, RFC 8201, RFC 5927
//! §7.2).
//!
//! Numbers in, numbers out. Nothing here finds out whether the path takes more again: path MTU
//! discovery is not here yet.

/// RFC 791 §3.2: every link takes so much; a message that claims less is absurd.
const IPV4_LEAST: u32 = 68;
/// RFC 1191 §5: the size for a router that names none.
const IPV4_UNNAMED: u16 = 576;
/// The smallest size that is used: the messages of an attacker who guesses must not make for
/// packets that are headers more than anything else.
const IPV4_FLOOR: u16 = 296;
/// RFC 8200 §5: every link takes so much.
const IPV6_LEAST: u32 = 1280;

/// The MTU to use after a message that claims `claimed` bytes; `None` where no link is like that.
#[must_use]
pub fn believable(claimed: u32, ipv4: bool) -> Option<u16> {
    let mtu = u16::try_from(claimed).unwrap_or(u16::MAX);
    match ipv4 {
        true if claimed == 0 => Some(IPV4_UNNAMED),
        true => (claimed >= IPV4_LEAST).then_some(mtu.max(IPV4_FLOOR)),
        false => (claimed >= IPV6_LEAST).then_some(mtu),
    }
}

/// What a connection knows of the sizes that its path takes. All sizes are bytes of payload in one
/// segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PathMtu {
    /// The largest segment that is sent; 0 where no message was believed.
    limit: u16,
    /// The largest segment that may have arrived.
    delivered: u16,
    /// The size that waits for a timeout; 0 for none.
    claimed: u16,
}

impl PathMtu {
    /// Nothing is known.
    pub const EMPTY: Self = Self { limit: 0, delivered: 0, claimed: 0 };

    /// The effective MSS of a connection with this negotiated one.
    #[must_use]
    pub fn mss(&self, negotiated: u16) -> u16 {
        if self.limit == 0 { negotiated } else { negotiated.min(self.limit) }
    }

    /// A message about a segment in flight claims that the path takes no more than `mss` bytes in
    /// one segment. Returns whether it holds at once.
    #[must_use]
    pub fn on_claim(&mut self, mss: u16) -> bool {
        // RFC 5927 §7.2: larger segments have arrived, so the message may be forged. It counts
        // only if nothing arrives before the retransmission timeout. True ones come again: the
        // last ACK lets a segment out that is too big, too.
        if mss < self.delivered {
            self.claimed = mss;
            return false;
        }
        self.lower(mss);
        true
    }

    /// `newly` bytes were acknowledged, sent in segments of up to `mss`. An ACK of several small
    /// segments counts as one large segment, which makes later messages wait for a timeout.
    pub fn on_acked(&mut self, newly: u32, mss: u32) {
        self.delivered = self.delivered.max(newly.min(mss) as u16);
        self.claimed = 0;
    }

    /// The retransmission timer went off without progress: a message that waits is believed.
    pub fn on_timeout(&mut self) {
        if self.claimed > 0 {
            self.lower(self.claimed);
        }
    }

    fn lower(&mut self, mss: u16) {
        self.limit = mss;
        self.delivered = self.delivered.min(mss);
        self.claimed = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absurd_sizes_are_not_believed() {
        for (claimed, ipv4, expected) in [
            (0, true, Some(576)),
            (67, true, None),
            (68, true, Some(296)),
            (1400, true, Some(1400)),
            (u32::MAX, true, Some(65_535)),
            (0, false, None),
            (1279, false, None),
            (1280, false, Some(1280)),
            (70_000, false, Some(65_535)),
        ] {
            assert_eq!(believable(claimed, ipv4), expected, "{claimed}");
        }
    }

    #[test]
    fn a_size_that_got_through_is_given_up_only_after_a_timeout() {
        let mut path = PathMtu::EMPTY;
        path.on_acked(3000, 1460);
        assert!(!path.on_claim(1360));
        path.on_acked(1460, 1460);
        path.on_timeout();
        assert_eq!(path.mss(1460), 1460, "something has arrived");
        assert!(!path.on_claim(1360));
        path.on_timeout();
        assert_eq!((path.mss(1460), path.mss(536)), (1360, 536));
    }

    #[test]
    fn a_size_that_never_got_through_is_given_up_at_once() {
        let mut path = PathMtu::EMPTY;
        path.on_acked(500, 1460);
        assert!(path.on_claim(1360));
        assert_eq!(path.mss(1460), 1360);
    }
}
