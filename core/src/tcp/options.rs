//! What was offered in the SYNs and what both sides agreed on.

use crate::wire::tcp_options::Options;

use super::window;

/// RFC 6691: headers that the MSS option does not count. Options are taken off it by the sender.
const IPV4_HEADERS: u16 = 40;
const IPV6_HEADERS: u16 = 60;

/// RFC 9293 §3.7.1, MUST-15: what a peer takes that tells no MSS.
const MSS_DEFAULT_IPV4: u16 = 536;
const MSS_DEFAULT_IPV6: u16 = 1220;

/// No peer makes us send smaller segments than this: each costs as much as a large one.
pub const MSS_FLOOR: u16 = 48;

/// The largest segment that fits a link's MTU (RFC 9293 §3.7.1).
#[must_use]
pub const fn mss_of_mtu(mtu: u16, ipv4: bool) -> u16 {
    mtu.saturating_sub(if ipv4 { IPV4_HEADERS } else { IPV6_HEADERS })
}

/// What we offer a peer in our SYN or SYN-ACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// The MSS that we announce and never exceed ourselves, octets.
    pub mss: u16,
    /// Our receive window's shift, where we offer scaling.
    pub window_shift: Option<u8>,
}

impl Offer {
    /// An offer for a receive buffer of `receive_limit` octets.
    #[must_use]
    pub fn new(mss: u16, receive_limit: u32, scale: bool) -> Self {
        Self { mss, window_shift: scale.then(|| window::shift_for(receive_limit)) }
    }

    /// What holds until the peer's SYN is here.
    #[must_use]
    pub fn assumed(self) -> Agreed {
        Agreed {
            snd_mss: self.mss,
            rcv_mss: self.mss,
            snd_shift: 0,
            rcv_shift: self.window_shift.unwrap_or(0),
            scaling: self.window_shift.is_some(),
        }
    }

    /// What holds once the peer's SYN options are known.
    #[must_use]
    pub fn agree(self, theirs: &Options, ipv4: bool) -> Agreed {
        let default = if ipv4 { MSS_DEFAULT_IPV4 } else { MSS_DEFAULT_IPV6 };
        let told = theirs.mss.unwrap_or(default);
        // RFC 7323 §2.2: scaling holds only where both SYNs carry it; §2.3: above 14 means 14.
        let (snd_shift, rcv_shift) = match (self.window_shift, theirs.window_scale) {
            (Some(ours), Some(theirs)) => (theirs.min(window::SHIFT_MAX), ours),
            _ => (0, 0),
        };
        Agreed {
            snd_mss: told.max(MSS_FLOOR).min(self.mss),
            rcv_mss: self.mss,
            snd_shift,
            rcv_shift,
            scaling: self.window_shift.is_some() && theirs.window_scale.is_some(),
        }
    }
}

/// What both SYNs together have settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    /// SMSS: the most text we put into one segment, octets.
    pub snd_mss: u16,
    /// RMSS: the most text we announced to take in one segment, octets.
    pub rcv_mss: u16,
    /// Shift of the windows that the peer announces.
    pub snd_shift: u8,
    /// Shift of the windows that we announce.
    pub rcv_shift: u8,
    /// Whether both SYNs carried the window scale option.
    pub scaling: bool,
}

impl Agreed {
    /// Nothing is settled yet.
    pub const EMPTY: Self =
        Self { snd_mss: 0, rcv_mss: 0, snd_shift: 0, rcv_shift: 0, scaling: false };

    /// What was offered to the peer, or what is left of it.
    #[must_use]
    pub fn offer(self) -> Offer {
        Offer { mss: self.rcv_mss, window_shift: self.scaling.then_some(self.rcv_shift) }
    }

    /// The window that a peer's field tells, octets (RFC 7323 §2.3; that of a SYN is not scaled).
    #[must_use]
    pub fn window_of(self, field: u16) -> u32 {
        // No shift is above 14, so that this never wraps.
        u32::from(field).wrapping_shl(u32::from(self.snd_shift))
    }

    /// The options of our SYN or SYN-ACK: the latter repeats only what the peer's SYN offered too.
    #[must_use]
    pub fn to_options(self) -> Options {
        let offer = self.offer();
        Options { mss: Some(offer.mss), window_scale: offer.window_shift, ..Options::EMPTY }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn syn(mss: Option<u16>, window_scale: Option<u8>) -> Options {
        Options { mss, window_scale, ..Options::EMPTY }
    }

    #[test]
    fn the_smaller_mss_holds_and_never_falls_below_the_floor() {
        let offer = Offer::new(mss_of_mtu(1500, true), 65_535, false);
        // SEC-32: a hostile MSS makes neither a division by zero nor a flood of tiny segments.
        for (told, expected) in
            [(None, 536), (Some(1), 48), (Some(47), 48), (Some(536), 536), (Some(9000), 1460)]
        {
            assert_eq!(offer.agree(&syn(told, None), true).snd_mss, expected, "{told:?}");
        }
        assert_eq!(offer.agree(&syn(None, None), false).snd_mss, 1220);
    }

    #[test]
    fn scaling_takes_both_sides_and_stops_at_fourteen() {
        let with = Offer::new(1460, 1 << 20, true);
        let without = Offer::new(1460, 1 << 20, false);
        // (offer, theirs) -> (snd_shift, rcv_shift)
        for (offer, theirs, expected) in [
            (with, Some(7), (7, 5)),
            (with, Some(255), (14, 5)),
            (with, None, (0, 0)),
            (without, Some(7), (0, 0)),
        ] {
            let agreed = offer.agree(&syn(None, theirs), true);
            assert_eq!((agreed.snd_shift, agreed.rcv_shift), expected);
        }
    }
}
