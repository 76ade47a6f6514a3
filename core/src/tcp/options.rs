//! What was offered in the SYNs and what both sides agreed on.

use crate::seq::SeqNum;
use crate::wire::tcp_options::{Known, Options};

use super::window::SHIFT_MAX;

/// RFC 6691: headers that the MSS option does not count. Options are taken off it by the sender.
const IPV4_HEADERS: u16 = 40;
const IPV6_HEADERS: u16 = 60;

/// RFC 9293 §3.7.1, MUST-15: what a peer takes that tells no MSS.
const MSS_DEFAULT_IPV4: u16 = 536;
const MSS_DEFAULT_IPV6: u16 = 1220;

/// No peer makes us send smaller segments than this: each costs as much as a large one. Deviation:
/// decision 0111.
pub const MSS_FLOOR: u16 = 48;

/// The largest segment that fits a link's MTU (RFC 9293 §3.7.1).
#[must_use]
pub const fn mss_of_mtu(mtu: u16, ipv4: bool) -> u16 {
    mtu.saturating_sub(if ipv4 { IPV4_HEADERS } else { IPV6_HEADERS })
}

/// RFC 9293 §3.7.1, MUST-15: the MSS of a peer that announces none.
#[must_use]
pub const fn mss_default(ipv4: bool) -> u16 {
    if ipv4 { MSS_DEFAULT_IPV4 } else { MSS_DEFAULT_IPV6 }
}

/// What we offer a peer in our SYN or SYN-ACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Offer {
    /// The MSS that we announce and never exceed ourselves, octets.
    pub mss: u16,
    /// Our receive window's shift, where we offer scaling.
    pub window_shift: Option<u8>,
    /// Whether we offer timestamps.
    pub timestamps: bool,
    /// Whether we offer to take selective acknowledgements, and to send them.
    pub sack: bool,
}

/// What we bring into a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Terms {
    /// Our initial sequence number.
    pub iss: SeqNum,
    /// What we offer.
    pub offer: Offer,
    /// How far our timestamp clock is off for this flow, ticks.
    pub stamp_offset: u32,
    /// The code point of what we send.
    pub dscp: u8,
}

impl Offer {
    /// What holds until the peer's SYN is here.
    #[must_use]
    pub fn assumed(self) -> Agreed {
        let text = self.mss.saturating_sub(stamp_room(self.timestamps));
        Agreed {
            snd_mss: text,
            rcv_mss: text,
            snd_shift: 0,
            rcv_shift: self.window_shift.unwrap_or(0),
            scaling: self.window_shift.is_some(),
            timestamps: self.timestamps,
            sack: self.sack,
        }
    }

    /// What holds once the peer's SYN options are here, of which we know those that `K` names.
    #[must_use]
    #[inline]
    pub fn agree<K: Known>(self, theirs: &Options, ipv4: bool) -> Agreed {
        let told = theirs.mss.unwrap_or(mss_default(ipv4));
        // RFC 7323 §2.2: scaling holds only where both SYNs carry it; §2.3: above 14 means 14.
        let (snd_shift, rcv_shift, scaling) = match (self.window_shift, theirs.window_scale) {
            (Some(ours), Some(theirs)) if K::WINDOW_SCALE => (theirs.min(SHIFT_MAX), ours, true),
            _ => (0, 0, false),
        };
        // RFC 7323 §3.2: timestamps go with every segment once both SYNs have carried them.
        let timestamps = K::TIMESTAMPS && self.timestamps && theirs.timestamps.is_some();
        // RFC 6691 §2: the MSS counts no options, so that those come off the text.
        let room = stamp_room(timestamps);
        Agreed {
            snd_mss: told.max(MSS_FLOOR).min(self.mss).saturating_sub(room),
            rcv_mss: self.mss.saturating_sub(room),
            snd_shift,
            rcv_shift,
            scaling,
            timestamps,
            sack: K::SACK && self.sack && theirs.sack_permitted,
        }
    }
}

/// Octets that timestamps take in every segment.
#[must_use]
pub const fn stamp_room(timestamps: bool) -> u16 {
    if timestamps { 12 } else { 0 }
}

/// What both SYNs together have settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Agreed {
    /// SMSS as negotiated: the largest payload that the peer takes in one segment, bytes.
    pub snd_mss: u16,
    /// RMSS: the most text that the peer puts into one segment by what we announced, octets.
    pub rcv_mss: u16,
    /// Shift of the windows that the peer announces.
    pub snd_shift: u8,
    /// Shift of the windows that we announce.
    pub rcv_shift: u8,
    /// Whether both SYNs carried the window scale option.
    pub scaling: bool,
    /// Whether both SYNs carried timestamps.
    pub timestamps: bool,
    /// Whether both SYNs permitted selective acknowledgements.
    pub sack: bool,
}

impl Agreed {
    /// Nothing is settled yet.
    pub const EMPTY: Self = Self {
        snd_mss: 0,
        rcv_mss: 0,
        snd_shift: 0,
        rcv_shift: 0,
        scaling: false,
        timestamps: false,
        sack: false,
    };

    /// What was offered to the peer, or what is left of it.
    #[must_use]
    pub fn offer(self) -> Offer {
        Offer {
            mss: self.rcv_mss.saturating_add(stamp_room(self.timestamps)),
            window_shift: self.scaling.then_some(self.rcv_shift),
            timestamps: self.timestamps,
            sack: self.sack,
        }
    }

    /// The payload of the largest segment that fits an IP packet of `mtu` bytes.
    #[must_use]
    pub fn mss_of_mtu(self, mtu: u16, ipv4: bool) -> u16 {
        mss_of_mtu(mtu, ipv4).saturating_sub(stamp_room(self.timestamps))
    }

    /// The window that a peer's field tells, octets (RFC 7323 §2.3; that of a SYN is not scaled).
    #[must_use]
    pub fn window_of<K: Known>(self, field: u16) -> u32 {
        let shift = if K::WINDOW_SCALE { self.snd_shift } else { 0 };
        // No shift is above 14, so that this never wraps.
        u32::from(field).wrapping_shl(u32::from(shift))
    }

    /// The field that would have told the window of a SYN, which is never scaled (RFC 7323 §2.2).
    /// What lies below is rounded off.
    #[must_use]
    pub fn field_of<K: Known>(self, window: u16) -> u16 {
        let shift = if K::WINDOW_SCALE { self.snd_shift } else { 0 };
        window.wrapping_shr(u32::from(shift))
    }

    /// Shift of the windows that we announce, where windows are ever scaled.
    #[must_use]
    pub fn our_shift<K: Known>(self) -> u8 {
        if K::WINDOW_SCALE { self.rcv_shift } else { 0 }
    }

    /// The options of our SYN or SYN-ACK but for the timestamps: the latter repeats only what the
    /// peer's SYN offered too.
    #[must_use]
    pub fn to_options(self) -> Options {
        let offer = self.offer();
        Options {
            mss: Some(offer.mss),
            window_scale: offer.window_shift,
            sack_permitted: offer.sack,
            ..Options::none()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tcp_options::{All, Timestamps};

    fn syn(mss: Option<u16>, window_scale: Option<u8>) -> Options {
        Options { mss, window_scale, ..Options::EMPTY }
    }

    #[test]
    fn the_smaller_mss_holds_and_never_falls_below_the_floor() {
        let mss = mss_of_mtu(1500, true);
        let offer = Offer { mss, window_shift: None, timestamps: false, sack: false };
        // SEC-32: a hostile MSS makes neither a division by zero nor a flood of tiny segments.
        for (told, expected) in
            [(None, 536), (Some(1), 48), (Some(47), 48), (Some(536), 536), (Some(9000), 1460)]
        {
            assert_eq!(offer.agree::<All>(&syn(told, None), true).snd_mss, expected, "{told:?}");
        }
        assert_eq!(offer.agree::<All>(&syn(None, None), false).snd_mss, 1220);
    }

    #[test]
    fn scaling_takes_both_sides_and_stops_at_fourteen() {
        let with = Offer { mss: 1460, window_shift: Some(5), timestamps: false, sack: false };
        let without = Offer { window_shift: None, ..with };
        // (offer, theirs) -> (snd_shift, rcv_shift)
        for (offer, theirs, expected) in [
            (with, Some(7), (7, 5)),
            (with, Some(255), (14, 5)),
            (with, None, (0, 0)),
            (without, Some(7), (0, 0)),
        ] {
            let agreed = offer.agree::<All>(&syn(None, theirs), true);
            assert_eq!((agreed.snd_shift, agreed.rcv_shift), expected);
        }
    }

    #[test]
    fn timestamps_take_both_sides_and_come_off_the_text() {
        let with = Offer { mss: 1460, window_shift: None, timestamps: true, sack: true };
        let stamps = Timestamps { value: 1, echo: 0 };
        let both = Options { timestamps: Some(stamps), sack_permitted: true, ..syn(None, None) };
        let agreed = with.agree::<All>(&Options { mss: Some(1000), ..both.clone() }, true);
        assert_eq!((agreed.snd_mss, agreed.rcv_mss), (988, 1448));
        assert!(agreed.timestamps && agreed.sack);
        assert_eq!(agreed.to_options().mss, Some(1460), "what is announced counts no options");
        let agreed = with.agree::<All>(&syn(Some(1000), None), true);
        assert_eq!((agreed.snd_mss, agreed.rcv_mss), (1000, 1460));
        assert!(!agreed.timestamps && !agreed.sack);
        assert!(!Offer { timestamps: false, ..with }.agree::<All>(&both, true).timestamps);
    }
}
