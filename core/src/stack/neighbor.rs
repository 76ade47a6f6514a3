//! Who on the link has which hardware address: a bounded cache in lent memory, for ARP and for
//! neighbour discovery alike. It says what to ask and when, and what to believe of an answer.
//!
//! No message is read or written here, and nothing is parked: the sockets' pools do that.
//!
//! RFC 1122 §2.3.2 and RFC 4861 §7.3: an entry is asked for three times, a second apart, and then
//! has failed for a second. One that is confirmed is good for a minute; the next use after that
//! asks the neighbour itself, three times too, while packets go on. Deviation: decision 0041. Only
//! the answer to a request of ours confirms or changes an entry that our sockets send by. The
//! hardware address of a station that asks for us serves replies, and nothing else.

use managed::ManagedSlice;

use crate::flow::{Ip, Octets, address, octets};
use crate::storage::Empty;
use crate::time::{Due, Instant};
use crate::wire::ethernet::Address;

/// Between two requests, and until a neighbour that has failed is asked for again.
const SECOND: u64 = 1_000_000;
/// Requests before a neighbour counts as gone (RFC 4861 §10: MAX_MULTICAST_SOLICIT).
const TRIES: u8 = 3;
/// How long an answer is good for (RFC 1122 §2.3.2.1: about a minute).
const REACHABLE: u64 = 60 * SECOND;
/// An entry that a socket of ours used within this time is not given to another neighbour.
const IN_USE: u64 = 2 * SECOND;

/// So many microseconds after `now`, which is no time at which clocks end.
pub(super) const fn after(now: Instant, micros: u64) -> Instant {
    Instant::from_micros(now.micros().wrapping_add(micros))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No neighbour.
    Free,
    /// The neighbour has asked for us and was not asked itself: for replies only, until `due`.
    Heard,
    /// Asked for; what is for it waits.
    Incomplete,
    /// Confirmed; worth asking again from `due` on.
    Reachable,
    /// Asked whether it is still there; packets go on.
    Probing,
    /// It did not answer; what is for it is dropped until `due`.
    Failed,
}

/// A neighbour.
#[derive(Debug)]
pub(super) struct Neighbor {
    address: Octets,
    hardware: Address,
    state: State,
    /// Requests since the state began.
    tries: u8,
    /// Whether a socket of ours wants it; else it is only here for replies.
    wanted: bool,
    /// Those who wait for this place have waited long enough: [`Neighbors::next_released`] says so.
    released: bool,
    /// When the state asks for something: the next request, the end.
    due: Instant,
    /// When it was used last, by a socket of ours if one wants it.
    used: Instant,
}

/// On whose behalf an entry is looked up: which places a new one may take, the fewest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seeker {
    /// Nobody: there is no new entry.
    Nobody,
    /// A station that asks for us. It takes a place that no socket of ours has used.
    Claim,
    /// A reply. It also takes a place that no socket of ours has used for two seconds. Replies go
    /// to stations that may be forged, so they do not have the link asked for more neighbours in
    /// three seconds than there are places.
    Reply,
    /// A socket of ours.
    Socket,
}

/// Why a station says that it has an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// It answers a request.
    Answer,
    /// It asks for us.
    Asks,
    /// For another reason.
    Unasked,
}

impl Empty for Neighbor {
    const EMPTY: Self = Self {
        address: [0; size_of::<Octets>()],
        hardware: Address::ZERO,
        state: State::Free,
        tries: 0,
        wanted: false,
        released: false,
        due: Instant::ZERO,
        used: Instant::ZERO,
    };
}

impl Neighbor {
    const fn asks(&self) -> bool {
        matches!(self.state, State::Incomplete | State::Probing)
    }

    fn ask(&mut self, state: State, now: Instant) {
        (self.state, self.tries, self.due) = (state, 0, now);
    }

    fn learn(&mut self, state: State, hardware: Address, now: Instant) {
        self.hardware = hardware;
        (self.state, self.due) = (state, after(now, REACHABLE));
    }

    /// Whether another neighbour may have the place.
    fn may_go(&self, seeker: Seeker, now: Instant) -> bool {
        let is_recent = after(self.used, IN_USE) > now;
        let in_use = self.wanted && (seeker == Seeker::Claim || is_recent);
        !in_use && (seeker == Seeker::Socket || self.state != State::Incomplete)
    }
}

/// Where a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hop {
    /// To this station.
    Send(Address),
    /// The neighbour was asked for: wait.
    Wait,
    /// The neighbour does not answer, or there is no place to remember it.
    Unreachable,
}

/// A request that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    /// Whom to ask for.
    pub(super) address: Ip,
    /// Whom to ask; everybody if `None`.
    pub(super) hardware: Option<Address>,
    index: usize,
}

/// The cache. Entries are found by a walk; who sends remembers what was found.
#[derive(Debug)]
pub(super) struct Neighbors<'a> {
    slots: ManagedSlice<'a, Neighbor>,
    /// Whether any neighbour is asked for; may say so a while longer.
    asking: bool,
    /// Those who wait for a neighbour may have waited long enough, or one is gone.
    released: bool,
}

impl<'a> Neighbors<'a> {
    pub(super) fn new(slots: ManagedSlice<'a, Neighbor>) -> Self {
        Self { slots, asking: false, released: false }
    }

    pub(super) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Where a neighbour said last that it is.
    pub(super) fn hardware_of(&self, address: Ip) -> Option<Address> {
        let key = octets(address);
        let is_it = |slot: &&Neighbor| {
            matches!(slot.state, State::Heard | State::Reachable | State::Probing)
                && slot.address == key
        };
        self.slots.iter().find(is_it).map(|slot| slot.hardware)
    }

    /// Whether those who wait shall ask again; says so once.
    pub(super) fn take_released(&mut self) -> bool {
        core::mem::take(&mut self.released)
    }

    /// The place of an entry for which nobody need wait any longer; says so once.
    pub(super) fn next_released(&mut self) -> Option<usize> {
        if !self.released {
            return None;
        }
        let Some(place) = self.slots.iter().position(|slot| slot.released) else {
            self.released = false;
            return None;
        };
        self.slots.get_mut(place)?.released = false;
        Some(place)
    }

    /// The place of a neighbour that is asked for.
    pub(super) fn place_of(&self, address: Ip) -> Option<usize> {
        let key = octets(address);
        let is_it = |slot: &Neighbor| slot.state == State::Incomplete && slot.address == key;
        self.slots.iter().position(is_it)
    }

    /// Whether any neighbour may be asked for.
    pub(super) const fn is_asking(&self) -> bool {
        self.asking
    }

    /// When [`Neighbors::next_request`] has something to do.
    pub(super) fn next_due(&self) -> Due {
        if !self.asking {
            return Due::NEVER;
        }
        let dues = self.slots.iter().filter(|slot| slot.asks()).map(|slot| Due::at(slot.due));
        dues.fold(Due::NEVER, Due::earlier)
    }

    /// The entry of a neighbour; else a new one if the seeker may have one, in the place of the
    /// least recently used of those that may go.
    // Called from several places: one copy in an image is enough.
    #[inline(never)]
    fn entry(&mut self, address: Octets, seeker: Seeker, now: Instant) -> Option<&mut Neighbor> {
        let (mut best, mut oldest) = (None, Instant::from_micros(u64::MAX));
        for slot in self.slots.iter_mut() {
            if slot.address == address {
                return Some(slot);
            }
            // A free one was never used.
            if slot.used < oldest && slot.may_go(seeker, now) {
                oldest = slot.used;
                best = Some(slot);
            }
        }
        let slot = best.filter(|_| seeker != Seeker::Nobody)?;
        let released = slot.released || slot.state == State::Incomplete;
        self.released |= released;
        let wanted = seeker == Seeker::Socket;
        *slot = Neighbor { address, wanted, released, due: now, used: now, ..Neighbor::EMPTY };
        Some(slot)
    }

    /// Where a frame for a neighbour goes. `wanted` is true where a socket of ours sends it.
    pub(super) fn resolve(&mut self, address: Ip, wanted: bool, now: Instant) -> Hop {
        let seeker = if wanted { Seeker::Socket } else { Seeker::Reply };
        let slot = self.entry(octets(address), seeker, now);
        let Some(slot) = slot else { return Hop::Unreachable };
        if wanted {
            (slot.wanted, slot.used) = (true, now);
        }
        let is_due = slot.due <= now;
        let ask = match slot.state {
            State::Reachable if is_due => State::Probing,
            State::Reachable | State::Probing => return Hop::Send(slot.hardware),
            State::Heard if !wanted && !is_due => return Hop::Send(slot.hardware),
            State::Incomplete => return Hop::Wait,
            State::Failed if !is_due => return Hop::Unreachable,
            State::Free | State::Heard | State::Failed => State::Incomplete,
        };
        slot.ask(ask, now);
        let hop = if ask == State::Probing { Hop::Send(slot.hardware) } else { Hop::Wait };
        self.asking = true;
        hop
    }

    /// A station says that it has an address. Returns whether that is of any use.
    pub(super) fn on_claim(
        &mut self,
        address: Ip,
        hardware: Address,
        claim: Claim,
        now: Instant,
    ) -> bool {
        let asks = claim == Claim::Asks;
        let seeker = if asks { Seeker::Claim } else { Seeker::Nobody };
        let Some(slot) = self.entry(octets(address), seeker, now) else { return false };
        let same = slot.hardware == hardware;
        let (waits, answers) = (slot.state == State::Incomplete, claim == Claim::Answer);
        match slot.state {
            State::Incomplete if answers => slot.learn(State::Reachable, hardware, now),
            State::Probing if answers && same => slot.learn(State::Reachable, hardware, now),
            // One that was heard a minute ago, or did not answer until a second ago, gives way.
            State::Free | State::Heard | State::Failed if asks && (same || slot.due <= now) => {
                slot.learn(State::Heard, hardware, now);
            }
            // Once a second at most, however often it is claimed.
            State::Reachable if !same && slot.due <= after(now, REACHABLE - SECOND) => {
                slot.ask(State::Probing, now);
                self.asking = true;
                return false;
            }
            _ => return same,
        }
        slot.released |= waits;
        self.released |= waits;
        true
    }

    /// A request that is due. Gives up on neighbours that have not answered.
    pub(super) fn next_request(&mut self, now: Instant) -> Option<Request> {
        if !self.asking {
            return None;
        }
        self.asking = false;
        let mut next = 0usize;
        for slot in &mut *self.slots {
            let index = next;
            next = index.wrapping_add(1);
            if !slot.asks() {
                continue;
            }
            self.asking = true;
            if slot.due > now {
                continue;
            }
            let probes = slot.state == State::Probing;
            if slot.tries < TRIES {
                let hardware = probes.then_some(slot.hardware);
                return Some(Request { address: address(slot.address), hardware, index });
            }
            if probes {
                *slot = Neighbor::EMPTY;
            } else {
                (slot.state, slot.due) = (State::Failed, after(now, SECOND));
            }
            (slot.released, self.released) = (true, true);
        }
        None
    }

    /// The request has left.
    pub(super) fn on_requested(&mut self, request: &Request, now: Instant) {
        if let Some(slot) = self.slots.get_mut(request.index) {
            slot.tries = slot.tries.wrapping_add(1);
            slot.due = after(now, SECOND);
        }
    }
}

#[cfg(test)]
mod tests;
