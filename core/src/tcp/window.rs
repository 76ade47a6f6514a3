//! How large a window is told, and when it is worth sending into one: window scaling, avoidance
//! of silly windows on both sides, Nagle's algorithm. Numbers in, numbers out.

/// The largest window shift (RFC 7323 §2.3).
pub const SHIFT_MAX: u8 = 14;

/// The smallest shift with which a window of `limit` octets can be told (RFC 7323 §2.3).
#[must_use]
pub fn shift_for(limit: u32) -> u8 {
    let mut shift = 0;
    while shift < SHIFT_MAX && (limit >> shift) > u32::from(u16::MAX) {
        shift = shift.wrapping_add(1);
    }
    shift
}

/// What a sender knows when it decides whether to send.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Sendable {
    /// D: octets queued and not yet sent.
    pub queued: u32,
    /// U: octets that the peer's window still takes.
    pub usable: u32,
    /// Octets that the congestion window still takes.
    pub allowed: u32,
    /// Whether everything sent so far is acknowledged.
    pub idle: bool,
    /// Eff.snd.MSS.
    pub mss: u32,
    /// The largest window that the peer ever offered.
    pub max_wnd: u32,
    /// Whether small segments wait for acknowledgements (RFC 9293 §3.7.4).
    pub nagle: bool,
    /// Whether nothing follows the queued octets: they and the FIN go out together.
    pub closing: bool,
}

impl Sendable {
    /// How many octets to put into the next segment; `None` where it is better to wait.
    ///
    /// RFC 9293 §3.8.6.2.1, MUST-38: (1) a full segment; (2) all that is queued, where Nagle
    /// allows it; (3) half of the largest window ever seen, so that small peers are served too.
    /// (4), the override, is the persist timer's.
    #[must_use]
    #[inline]
    pub fn next_len(&self) -> Option<u32> {
        let room = self.usable.min(self.allowed);
        let len = self.queued.min(room).min(self.mss);
        if len == 0 {
            return None;
        }
        let small_ok = self.idle || !self.nagle || self.closing;
        let full = len == self.mss;
        let all = len == self.queued && small_ok;
        let half = small_ok && len >= self.max_wnd / 2 && len == self.usable;
        (full || all || half).then_some(len)
    }
}

/// Whether a right edge that can move by `gain` octets should be told (RFC 9293 §3.8.6.2.2,
/// MUST-39): not before it is worth half the buffer or two segments, whichever is less.
#[must_use]
pub fn worth_telling(gain: u32, limit: u32, mss: u32) -> bool {
    gain >= (limit / 2).min(mss.wrapping_mul(2)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: Sendable = Sendable {
        queued: 10_000,
        usable: 10_000,
        allowed: 10_000,
        idle: true,
        mss: 1000,
        max_wnd: 10_000,
        nagle: true,
        closing: false,
    };

    #[test]
    fn what_is_sent_is_never_silly() {
        let busy = Sendable { idle: false, ..READY };
        let table = [
            (READY, Some(1000)),
            (Sendable { queued: 0, ..READY }, None),
            (Sendable { usable: 0, ..READY }, None),
            (Sendable { allowed: 0, ..READY }, None),
            // Small, and all there is: at once when idle, else only without Nagle or when closing.
            (Sendable { queued: 10, ..READY }, Some(10)),
            (Sendable { queued: 10, ..busy }, None),
            (Sendable { queued: 10, nagle: false, ..busy }, Some(10)),
            (Sendable { queued: 10, closing: true, ..busy }, Some(10)),
            // A small window: silly unless it is half of the largest.
            (Sendable { usable: 10, ..READY }, None),
            (Sendable { usable: 600, max_wnd: 1000, ..READY }, Some(600)),
            (Sendable { usable: 400, max_wnd: 1000, ..READY }, None),
            // A congestion window below a segment waits for the next acknowledgement.
            (Sendable { allowed: 500, ..busy }, None),
        ];
        for (sendable, expected) in table {
            assert_eq!(sendable.next_len(), expected, "{sendable:?}");
        }
    }

    #[test]
    fn shifts_are_the_smallest_that_do() {
        for (limit, shift) in
            [(0, 0), (65_535, 0), (65_536, 1), (1 << 20, 5), (1 << 30, 14), (u32::MAX, 14)]
        {
            assert_eq!(shift_for(limit), shift, "{limit}");
        }
    }

    #[test]
    fn small_gains_are_kept_to_ourselves() {
        for (gain, limit, mss, told) in [
            (0, 4096, 1460, false),
            (2047, 4096, 1460, false),
            (2048, 4096, 1460, true),
            (2919, 65_535, 1460, false),
            (2920, 65_535, 1460, true),
            (0, 0, 0, false),
        ] {
            assert_eq!(worth_telling(gain, limit, mss), told, "{gain} of {limit}");
        }
    }
}
