//! What happened, as plain counters: one for every reason to drop.
//!
//! Nothing here decides anything. Counters wrap; read them as differences.

/// One count. As wide as the machine's registers, so that counting is one instruction.
pub type Count = usize;

macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
        /// Why a packet or segment was dropped.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum DropReason { $($(#[$doc])* $name,)* }

        impl DropReason {
            /// Every reason, in the order in which counters list them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The reason in a few plain words.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

drop_reasons! {
    /// Shorter than its header says or needs.
    Truncated => "truncated",
    /// A frame that is neither IPv4 nor, where it is spoken, IPv6 or ARP.
    UnknownEtherType => "unknown EtherType",
    /// A frame of another kind than the stack was made for: `Config::hardware_address` is given
    /// where the device carries Ethernet frames, and only there.
    WrongMedium => "frame of another medium",
    /// An ARP packet that is not about IPv4 over Ethernet, or of an unknown operation.
    BadArp => "malformed ARP packet",
    /// A neighbour discovery message that has crossed a router, or cannot be one (RFC 4861 §7.1).
    BadNdp => "malformed neighbour discovery message",
    /// An ARP or neighbour discovery message that says what cannot be, or what nobody asked for.
    NeighborIgnored => "neighbour message without effect",
    /// A packet of ours, to be sent to a neighbour that does not answer, or behind no gateway.
    Unreachable => "next hop unreachable",
    /// A packet of ours that is longer than the link takes, or an IPv6 packet while the link takes
    /// less than the smallest MTU of IPv6. It counts as lost.
    TooLong => "longer than the link takes",
    /// Neither IPv4 nor IPv6.
    BadVersion => "unknown IP version",
    /// A header length that no header has.
    BadHeaderLength => "bad header length",
    /// A length field that contradicts the packet.
    BadLength => "bad length field",
    /// The checksum does not match.
    BadChecksum => "bad checksum",
    /// A malformed option.
    BadOption => "malformed option",
    /// A source route or routing header (RFC 7126, RFC 5095).
    SourceRoute => "source route",
    /// More extension headers than are looked at.
    TooManyHeaders => "too many extension headers",
    /// A fragment, where fragments are not put together.
    Fragment => "fragment",
    /// Not for one of our addresses.
    NotOurs => "not our address",
    /// A source address that no host may send from, or, of a datagram of ours, one that was removed
    /// from the link.
    BadSource => "invalid source address",
    /// A protocol that nothing here serves.
    UnknownProtocol => "unknown protocol",
    /// An ICMP message that is not acted upon.
    IcmpIgnored => "ICMP message without effect",
    /// No socket takes it.
    NoSocket => "no socket",
    /// No slot, record or block left to hold it.
    NoMemory => "pool exhausted",
    /// A full datagram queue.
    QueueFull => "queue full",
    /// A reply found neither room nor budget.
    ReplyLimited => "reply suppressed",
    /// A segment outside the receive window.
    OutsideWindow => "outside the window",
    /// A segment that lacks the ACK bit where it must have it.
    NoAck => "ACK bit missing",
    /// An acknowledgement of data never sent or long gone.
    BadAck => "unacceptable acknowledgement",
    /// A reset that does not name the expected sequence number.
    BadReset => "reset with inexact sequence number",
    /// A SYN in a synchronised state.
    UnexpectedSyn => "unexpected SYN",
    /// Data for a reader that is gone.
    ReaderGone => "data after close",
    /// A segment without the timestamps that were agreed (RFC 7323 §3.2).
    NoTimestamp => "timestamps missing",
    /// A segment of old, by its timestamp (PAWS, RFC 7323 §5).
    OldTimestamp => "old timestamp",
    /// A duplicate of what is already here.
    Duplicate => "duplicate",
    /// An out-of-order range that found no place.
    TooManyHoles => "too many holes",
}

const REASONS: usize = DropReason::ALL.len();

/// Packets dropped, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Drops([Count; REASONS]);

impl Drops {
    /// How often this reason was met.
    #[must_use]
    pub fn of(&self, reason: DropReason) -> Count {
        self.0.get(reason as usize).copied().unwrap_or(0)
    }

    /// All drops together.
    #[must_use]
    pub fn total(&self) -> Count {
        self.0.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }

    fn count(&mut self, reason: DropReason) {
        if let Some(count) = self.0.get_mut(reason as usize) {
            *count = count.wrapping_add(1);
        }
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a stack has counted since it was made.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[$doc])* pub $name: Count,)*
            /// Packets dropped, by reason.
            pub drops: Drops,
        }

        impl Counters {
            /// All zero.
            pub const EMPTY: Self = Self { $($name: 0,)* drops: Drops([0; REASONS]) };

            /// Every counter that is not zero with its name, drops last.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, Count)> + '_ {
                let plain = [$((stringify!($name), self.$name),)*];
                let named = |reason: &DropReason| (reason.text(), self.drops.of(*reason));
                let drops = DropReason::ALL.iter().map(named);
                plain.into_iter().chain(drops).filter(|(_, count)| *count != 0)
            }
        }
    };
}

counters! {
    /// IP packets received.
    packets_in,
    /// IP packets sent.
    packets_out,
    /// TCP segments that reached a connection, a listener or a record.
    segments_in,
    /// TCP segments sent, of every kind.
    segments_out,
    /// Payload octets taken in order.
    octets_in,
    /// Payload octets sent, retransmissions included.
    octets_out,
    /// Segments sent again.
    retransmissions,
    /// Retransmission timeouts.
    timeouts,
    /// Entries into fast retransmit.
    fast_retransmits,
    /// Probes of a zero window.
    window_probes,
    /// Times that a connection's retransmissions or probes stayed unanswered, three in a row
    /// (RFC 9293 §3.8.3: R1).
    unanswered,
    /// Connections given up because the peer showed no sign of life, or did not take all in time
    /// once the handle was released.
    given_up,
    /// Segments that arrived out of order and were kept.
    out_of_order,
    /// Times that what a connection held behind a hole was dropped to make room for text in order.
    /// Where the profile has no pruning, none is counted.
    pruned,
    /// Resets sent.
    resets_out,
    /// Resets taken.
    resets_in,
    /// Challenge ACKs sent (RFC 5961).
    challenge_acks,
    /// SYNs answered with a cookie (RFC 4987).
    cookies_out,
    /// Connections opened by us.
    active_opens,
    /// Connections opened by a peer.
    passive_opens,
    /// Echo requests answered.
    echo_replies,
    /// Requests for a neighbour's hardware address sent: ARP requests, neighbour solicitations.
    neighbor_requests,
    /// Such requests answered.
    neighbor_replies,
    /// Times that somebody else claimed an address of ours.
    address_conflicts,
    /// UDP datagrams delivered.
    datagrams_in,
    /// UDP datagrams sent.
    datagrams_out,
}

impl Counters {
    /// Notes one dropped packet.
    pub fn drop(&mut self, reason: DropReason) {
        self.drops.count(reason);
    }
}

/// What a stack counts in: without the feature `counters` there is nothing to it.
#[cfg(feature = "counters")]
pub type Tally = Counters;

/// What a stack counts in: without the feature `counters` there is nothing to it.
#[cfg(not(feature = "counters"))]
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Tally;

#[cfg(not(feature = "counters"))]
impl Tally {
    /// Nothing has been counted.
    pub const EMPTY: Self = Self;

    /// Nothing is counted.
    pub fn drop(&mut self, _reason: DropReason) {}
}

/// Adds one, or so many, to a counter of a stack.
macro_rules! count {
    ($tally:expr, $name:ident) => {
        crate::counters::count!($tally, $name, 1)
    };
    ($tally:expr, $name:ident, $more:expr) => {{
        #[cfg(feature = "counters")]
        {
            $tally.$name = $tally.$name.wrapping_add($more);
        }
        #[cfg(not(feature = "counters"))]
        let _ = (&$tally, $more);
    }};
}
pub(crate) use count;

/// Adds one to a counter.
#[cfg(feature = "dhcp")]
pub(crate) fn bump(count: &mut Count) {
    *count = count.wrapping_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_counts_for_itself() {
        let mut counters = Counters::EMPTY;
        for (times, reason) in DropReason::ALL.iter().enumerate() {
            (0..times).for_each(|_| counters.drop(*reason));
        }
        for (times, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(counters.drops.of(*reason), times);
        }
        assert_eq!(counters.drops.total(), REASONS * (REASONS - 1) / 2);
        assert_eq!(counters.iter().count(), REASONS - 1, "zero counters are not listed");
    }
}
