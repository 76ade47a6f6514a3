//! What a build contains: mechanisms chosen by type, so that what is not named is not linked.
//!
//! [`Full`] is for hosts and large controllers, [`Small`] for flash and RAM that are counted in
//! kilobytes, [`Tiny`] for the least flash. A profile of one's own mixes the same parts.

use crate::storage::Empty;
use crate::storage::Id;
use crate::storage::assembler::{Assembler, Reassembly};
use crate::storage::deadlines::{Deadlines, Heap, HeapSlot, Scan, ScanSlot};
use crate::storage::hash_table::{Hash32, HashTable, Index, Keyed};
use crate::storage::linear::{Linear, ROW_MAX, Row};
use crate::storage::list::{Line, Links, List, Place};
#[cfg(feature = "ethernet")]
use crate::storage::parking::{ByPlace, Parking, Together, WaitsFor};
use crate::storage::queue::Queue;
use crate::storage::ring::Ring;
use crate::storage::stream::Stream;
use crate::tcp::congestion::{Additive, Chosen, CongestionControl, Reno};
use crate::tcp::recovery::{GoBack, Recovery, Scoreboard, TimeoutOnly};
use crate::trace::Observer;
use crate::waker::WakerSlot;
use crate::wire::tcp_options::Known;

/// The parts that a stack is made of.
pub trait Profile: 'static {
    /// What is lost and what goes next.
    type Recovery: Recovery;
    /// How much may be in flight.
    type Congestion: CongestionControl;
    /// How many ranges behind a hole are kept.
    type Reassembly: Reassembly;
    /// How the octets of each direction of a connection lie in blocks: a [`Queue`] of as many as
    /// its window needs, or a [`Ring`] in one.
    type Stream: Stream;
    /// How sockets and deadlines are found.
    type Tables: Tables;
    /// Who is told what happens.
    type Observer: Observer;
    /// Where tasks wait for a socket: `()` where none ever does.
    type Waker: WakerSlot;
    /// Whether echo requests are answered.
    const ICMP_ECHO: bool;
    /// Whether the sender of a packet that nobody here takes is told so by ICMP (RFC 1122 §3.2.2.1:
    /// a host should; RFC 4443 §2.4: for IPv6 it must), and connections hear of such errors (RFC
    /// 9293 §3.9.2.2: they must).
    const ICMP_ERRORS: bool = true;
    /// Whether resets for segments that belong to no connection are limited in rate, as the
    /// configuration of the stack says; without it each such segment is answered.
    const RESET_LIMITS: bool = true;
    /// Whether silent peers can be asked whether they are still there.
    const KEEPALIVE: bool;
    /// Whether timestamps are offered, sent and checked (RFC 7323).
    const TIMESTAMPS: bool;
    /// Whether peers are told what arrived behind a hole, and what came twice (RFC 2018, 2883).
    const SACK: bool;
    /// Whether urgent data can be sent and is told of (RFC 9293 §3.8.5).
    const URGENT: bool;
    /// Whether listeners that are flooded with SYNs answer with cookies (RFC 4987 §3.6). Only where
    /// there are [`RECORDS`](Self::RECORDS).
    const COOKIES: bool;
    /// Whether IPv4 addresses can be probed for and are defended (RFC 5227). Claims of others are
    /// counted in any case.
    const ADDRESS_CONFLICTS: bool = false;
    /// Whether handshakes that peers begin, and connections that only wait out TIME-WAIT, are kept
    /// in records of their own, a fifth as large as a connection. Without them both take the slot
    /// of a connection. Where no other is free, one in TIME-WAIT gives way, or one whose peer has
    /// not answered for a second.
    const RECORDS: bool = true;
    /// Whether, where memory is overcommitted, text in order takes the place of what other
    /// connections hold behind holes.
    const PRUNING: bool = true;
}

/// The options of TCP that a build reads and writes.
impl<P: Profile> Known for P {
    // What slides lies in one block, of 64 KiB at most: no window of it needs more digits.
    const WINDOW_SCALE: bool = !P::Stream::SLIDES;
    const TIMESTAMPS: bool = P::TIMESTAMPS;
    const SACK: bool = P::SACK;
}

/// How records are found: by what they are and by when they are due.
pub trait Tables: 'static {
    /// The hash of the look-up tables.
    type Hash: Hash32;
    /// The look-up tables.
    type Index<'a>: Index<'a>;
    /// Who comes next.
    type Line<L: 'static>: Line<L>;
    /// The connections or sockets that wait for a neighbour on the link.
    #[cfg(feature = "ethernet")]
    type Parking<'a, L: 'static>: Parking<'a, L, Ready = Self::Line<L>, Slot = Self::Parked<L>>;
    /// The memory for each neighbour that sockets of a kind need to wait for it.
    #[cfg(feature = "ethernet")]
    type Parked<L: 'static>: Empty + 'static;
    /// What a connection keeps of the list in which it waits for a neighbour.
    #[cfg(feature = "ethernet")]
    type WaitsFor: WaitsFor;
    /// What a connection or a listener keeps for each line that it may stand in.
    type Place: Place;
    /// What is kept for one deadline.
    type DeadlineSlot: Empty + 'static;
    /// The order of deadlines.
    type Deadlines<'a>: Deadlines<'a, Slot = Self::DeadlineSlot>;
    /// The most sockets of a kind.
    const SLOTS_MAX: usize;
    /// Heads of a hash table over so many records.
    fn heads(records: usize) -> usize;
}

/// The look-up tables of a profile.
pub type IndexOf<'a, P> = <<P as Profile>::Tables as Tables>::Index<'a>;
/// The lines of a profile.
pub type LineOf<P, L> = <<P as Profile>::Tables as Tables>::Line<L>;
/// The connections or sockets of a profile that wait for a neighbour.
#[cfg(feature = "ethernet")]
pub type ParkingOf<'a, P, L> = <<P as Profile>::Tables as Tables>::Parking<'a, L>;
/// What a connection of a profile keeps of the list in which it waits for a neighbour.
#[cfg(feature = "ethernet")]
pub type WaitsForOf<P> = <<P as Profile>::Tables as Tables>::WaitsFor;
/// What a slot of a profile keeps for each line.
pub type PlaceOf<P> = <<P as Profile>::Tables as Tables>::Place;
/// The deadlines of a profile.
pub type DeadlinesOf<'a, P> = <<P as Profile>::Tables as Tables>::Deadlines<'a>;

/// Keyed hash tables and a deadline heap: the cost of a packet does not depend on how many
/// sockets there are.
#[derive(Debug)]
pub struct KeyedTables;

impl Tables for KeyedTables {
    type Hash = Keyed;
    type Index<'a> = HashTable<'a>;
    type Line<L: 'static> = List<L>;
    #[cfg(feature = "ethernet")]
    type Parking<'a, L: 'static> = ByPlace<'a, L>;
    #[cfg(feature = "ethernet")]
    type Parked<L: 'static> = List<L>;
    #[cfg(feature = "ethernet")]
    type WaitsFor = Option<Id>;
    type Place = Links;
    type DeadlineSlot = HeapSlot;
    type Deadlines<'a> = Heap<'a>;
    const SLOTS_MAX: usize = Id::COUNT_MAX;

    fn heads(records: usize) -> usize {
        records.next_power_of_two()
    }
}

/// Plain rows that are walked, for a handful of sockets: up to 32 of a kind. Who waits for the user
/// or to send comes up in turn by the number of his slot, not by how long he has waited.
#[derive(Debug)]
pub struct LinearTables;

impl Tables for LinearTables {
    type Hash = Linear;
    type Index<'a> = Linear;
    type Line<L: 'static> = Row<L>;
    #[cfg(feature = "ethernet")]
    type Parking<'a, L: 'static> = Together<'a, L>;
    #[cfg(feature = "ethernet")]
    type Parked<L: 'static> = ();
    #[cfg(feature = "ethernet")]
    type WaitsFor = ();
    type Place = ();
    type DeadlineSlot = ScanSlot;
    type Deadlines<'a> = Scan<'a>;
    const SLOTS_MAX: usize = ROW_MAX;

    fn heads(_records: usize) -> usize {
        1
    }
}

/// Everything: the profile of hosts, and the default.
#[derive(Debug)]
pub struct Full;

impl Profile for Full {
    type Recovery = Scoreboard;
    type Congestion = Chosen;
    type Reassembly = Assembler<8>;
    type Stream = Queue;
    type Tables = KeyedTables;
    type Observer = ();
    type Waker = ();
    const ICMP_ECHO: bool = true;
    const KEEPALIVE: bool = true;
    const TIMESTAMPS: bool = true;
    const SACK: bool = true;
    const URGENT: bool = true;
    const COOKIES: bool = true;
    const ADDRESS_CONFLICTS: bool = true;
}

/// What fits a small controller: no records of segments in flight, one congestion controller,
/// four holes, up to 32 connections.
#[derive(Debug)]
pub struct Small;

impl Profile for Small {
    type Recovery = GoBack;
    type Congestion = Reno;
    type Reassembly = Assembler<4>;
    type Stream = Queue;
    type Tables = LinearTables;
    type Observer = ();
    type Waker = ();
    const ICMP_ECHO: bool = true;
    const KEEPALIVE: bool = false;
    const TIMESTAMPS: bool = false;
    const SACK: bool = false;
    // Deviation: decision 0020. The mark, not the data: that stays in the stream.
    const URGENT: bool = false;
    const COOKIES: bool = false;
    // Deviation: decision 0043.
    const RECORDS: bool = false;
    const PRUNING: bool = false;
}

/// The least that is still a good host: as [`Small`], but each direction of a connection is a ring
/// in one block (two blocks of the size of the window a connection, then), and ICMP is neither
/// answered nor heard.
#[derive(Debug)]
pub struct Tiny;

impl Profile for Tiny {
    type Recovery = TimeoutOnly;
    type Congestion = Additive;
    type Reassembly = Assembler<4>;
    type Stream = Ring;
    type Tables = LinearTables;
    type Observer = ();
    type Waker = ();
    // Deviation: decision 0045.
    const ICMP_ECHO: bool = false;
    const ICMP_ERRORS: bool = false;
    // A reset is no larger than what it answers.
    const RESET_LIMITS: bool = false;
    const KEEPALIVE: bool = false;
    const TIMESTAMPS: bool = false;
    const SACK: bool = false;
    // Deviation: decision 0020. The mark, not the data: that stays in the stream.
    const URGENT: bool = false;
    const COOKIES: bool = false;
    // Deviation: decision 0043.
    const RECORDS: bool = false;
    const PRUNING: bool = false;
}
