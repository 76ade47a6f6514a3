//! One direction of a bad link in virtual time: slow, late, lossy, out of order, twice, damaged.
//!
//! Memory is set aside at the start: a packet on its way allocates nothing, so that the counting
//! allocator sees the stacks alone.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hikyaku::time::{Duration, Instant};

use crate::random::{Chance, Random};

/// What a link does to packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Impairments {
    /// Octets a second; `None` for a link that is never busy.
    pub rate: Option<u64>,
    /// From the end of sending to arrival.
    pub delay: Duration,
    /// Up to so much more delay, the order kept.
    pub jitter: Duration,
    /// Packets that vanish.
    pub loss: Chance,
    /// Packets that are held back by up to `reorder_by` while others pass.
    pub reorder: Chance,
    /// How long at most.
    pub reorder_by: Duration,
    /// Packets that arrive twice.
    pub duplicate: Chance,
    /// Packets in which one bit flips.
    pub corrupt: Chance,
    /// Of those, how many lose up to three more: more than a checksum is sure to find.
    pub shatter: Chance,
    /// Packets with which a burst begins in which half of all are lost (Gilbert's model).
    pub burst: Chance,
    /// Packets of a burst with which it ends.
    pub burst_end: Chance,
    /// Packets that are on their way at most; more are dropped.
    pub queue: usize,
    /// Bytes that may wait in front of the link: a packet that does not fit is dropped. Needs a
    /// `rate`; bytes that have left the queue and propagate do not count. `None` for no limit.
    pub queue_bytes: Option<u64>,
}

impl Impairments {
    /// A good link of 5 ms.
    pub const NONE: Self = Self {
        rate: None,
        delay: Duration::from_millis(5),
        jitter: Duration::ZERO,
        loss: Chance::NEVER,
        reorder: Chance::NEVER,
        reorder_by: Duration::from_millis(8),
        duplicate: Chance::NEVER,
        corrupt: Chance::NEVER,
        shatter: Chance::NEVER,
        burst: Chance::NEVER,
        burst_end: Chance::percent(20),
        queue: 256,
        queue_bytes: None,
    };

    /// A good link that loses packets.
    #[must_use]
    pub const fn lossy(loss: Chance) -> Self {
        Self { loss, ..Self::NONE }
    }
}

/// What became of packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Handed to the link.
    pub sent: u64,
    /// Octets of those.
    pub octets: u64,
    /// Come out of it.
    pub delivered: u64,
    /// Lost at random or because the link was cut.
    pub lost: u64,
    /// Of those, in a burst.
    pub lost_in_bursts: u64,
    /// Of those, because the link was cut.
    pub cut: u64,
    /// Delayed by jitter.
    pub jittered: u64,
    /// Damaged in a way that no checksum sees, and taken away.
    pub unseen: u64,
    /// Lost because the queue was full.
    pub overflowed: u64,
    /// Delivered twice.
    pub duplicated: u64,
    /// Damaged.
    pub corrupted: u64,
    /// Held back.
    pub reordered: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    at: Instant,
    order: u64,
    slot: usize,
    len: usize,
    is_shattered: bool,
}

/// One direction of a link.
#[derive(Debug)]
pub struct Link {
    /// What it does; may be changed at any time.
    pub impairments: Impairments,
    /// Whether nothing gets through at all.
    pub is_cut: bool,
    /// What it did.
    pub tally: Tally,
    random: Random,
    memory: Box<[u8]>,
    slot_len: usize,
    free: Vec<usize>,
    flights: BinaryHeap<Reverse<Flight>>,
    order: u64,
    busy_until: Instant,
    last_arrival: Instant,
    in_burst: bool,
}

impl Link {
    /// A link for packets of up to `mtu` octets.
    #[must_use]
    pub fn new(impairments: Impairments, mtu: usize, seed: u64) -> Self {
        let slots = impairments.queue;
        Self {
            impairments,
            is_cut: false,
            tally: Tally::default(),
            random: Random::new(seed),
            memory: vec![0; slots * mtu].into_boxed_slice(),
            slot_len: mtu,
            free: (0..slots).collect(),
            flights: BinaryHeap::with_capacity(slots),
            order: 0,
            busy_until: Instant::ZERO,
            last_arrival: Instant::ZERO,
            in_burst: false,
        }
    }

    /// A packet enters the link.
    pub fn send(&mut self, now: Instant, packet: &[u8]) {
        let Impairments { loss, duplicate, corrupt, reorder, .. } = self.impairments;
        self.tally.sent += 1;
        self.tally.octets += packet.len() as u64;
        if self.queue_is_full(now, packet.len()) {
            self.tally.overflowed += 1;
            return;
        }
        let leaves = self.occupy(now, packet.len());
        let is_lost = self.random.happens(loss);
        let in_burst = self.is_lost_in_burst();
        if is_lost || in_burst || self.is_cut {
            self.tally.lost += 1;
            self.tally.lost_in_bursts += u64::from(in_burst);
            self.tally.cut += u64::from(self.is_cut);
            return;
        }
        let is_held = self.random.happens(reorder);
        let is_damaged = self.random.happens(corrupt);
        let copies = 1 + u64::from(self.random.happens(duplicate));
        self.tally.duplicated += copies - 1;
        self.tally.reordered += u64::from(is_held);
        self.tally.corrupted += u64::from(is_damaged);
        for _ in 0..copies {
            let at = self.arrival(leaves, is_held);
            self.put(at, packet, !is_damaged);
        }
    }

    /// Two states, good and bad, and a coin in the bad one. A link without bursts draws nothing.
    fn is_lost_in_burst(&mut self) -> bool {
        let Impairments { burst, burst_end, .. } = self.impairments;
        if burst == Chance::NEVER {
            return false;
        }
        self.in_burst = match self.in_burst {
            true => !self.random.happens(burst_end),
            false => self.random.happens(burst),
        };
        self.in_burst && self.random.happens(Chance::percent(50))
    }

    /// Whether a packet of this length finds no place behind those that wait.
    fn queue_is_full(&self, now: Instant, len: usize) -> bool {
        let Impairments { rate: Some(rate), queue_bytes: Some(limit), .. } = self.impairments
        else {
            return false;
        };
        let busy_for = self.busy_until.max(now).since(now);
        busy_for.micros() * rate / 1_000_000 + len as u64 > limit
    }

    /// When a packet of this length has left, the line being busy with those before it.
    fn occupy(&mut self, now: Instant, len: usize) -> Instant {
        let Some(rate) = self.impairments.rate else { return now };
        let micros = (len as u64 * 1_000_000).div_ceil(rate);
        self.busy_until = self.busy_until.max(now) + Duration::from_micros(micros);
        self.busy_until
    }

    fn arrival(&mut self, leaves: Instant, is_held: bool) -> Instant {
        let jitter = self.random.below(self.impairments.jitter.micros() + 1);
        self.tally.jittered += u64::from(jitter > 0);
        let at = leaves + self.impairments.delay + Duration::from_micros(jitter);
        if is_held {
            let more = self.random.between(1, self.impairments.reorder_by.micros().max(1));
            return at + Duration::from_micros(more);
        }
        self.last_arrival = self.last_arrival.max(at);
        self.last_arrival
    }

    fn put(&mut self, at: Instant, packet: &[u8], intact: bool) {
        let Some(slot) = self.free.pop() else {
            self.tally.overflowed += 1;
            return;
        };
        assert!(packet.len() <= self.slot_len, "a packet of {} octets", packet.len());
        let start = slot * self.slot_len;
        let memory = &mut self.memory[start..start + packet.len()];
        memory.copy_from_slice(packet);
        let mut is_shattered = false;
        if !intact {
            let shatter = self.impairments.shatter;
            is_shattered = shatter != Chance::NEVER && self.random.happens(shatter);
            let more = if is_shattered { self.random.between(1, 3) } else { 0 };
            for _ in 0..=more {
                let bit = self.random.below(8 * packet.len() as u64);
                memory[(bit / 8) as usize] ^= 1 << (bit % 8);
            }
        }
        let (order, len) = (self.order, packet.len());
        self.order += 1;
        self.flights.push(Reverse(Flight { at, order, slot, len, is_shattered }));
    }

    /// When the next packet arrives.
    #[must_use]
    pub fn next_arrival(&self) -> Option<Instant> {
        self.flights.peek().map(|Reverse(flight)| flight.at)
    }

    /// Hands over the next packet that has arrived by `now`, unless it lost several bits and
    /// `passes` all the same: what no checksum can tell apart nobody can be blamed for.
    pub fn deliver_judged(
        &mut self,
        now: Instant,
        passes: impl FnOnce(&[u8]) -> bool,
        take: impl FnOnce(&[u8]),
    ) -> Option<()> {
        let is_shattered = self.flights.peek().is_some_and(|Reverse(next)| next.is_shattered);
        let unseen = self.deliver(now, |packet| {
            let unseen = is_shattered && passes(packet);
            if !unseen {
                take(packet);
            }
            unseen
        })?;
        self.tally.unseen += u64::from(unseen);
        Some(())
    }

    /// Hands over the next packet that has arrived by `now`.
    pub fn deliver<R>(&mut self, now: Instant, take: impl FnOnce(&[u8]) -> R) -> Option<R> {
        if self.next_arrival()? > now {
            return None;
        }
        let Reverse(flight) = self.flights.pop()?;
        let start = flight.slot * self.slot_len;
        self.tally.delivered += 1;
        let result = take(&self.memory[start..start + flight.len]);
        self.free.push(flight.slot);
        Some(result)
    }

    /// Whether nothing is on its way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flights.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(impairments: Impairments, packets: u8) -> (Vec<(u64, u8)>, Tally) {
        let mut link = Link::new(impairments, 100, 9);
        (0..packets).for_each(|n| link.send(Instant::ZERO, &[n; 100]));
        let mut seen = Vec::new();
        while let Some(at) = link.next_arrival() {
            assert!(link.deliver(at - Duration::from_micros(1), |_| ()).is_none());
            link.deliver(at, |packet| seen.push((at.micros(), packet[99])));
        }
        assert!(link.is_empty());
        (seen, link.tally)
    }

    #[test]
    fn a_good_link_only_takes_its_time() {
        let (seen, _) = arrivals(Impairments::NONE, 3);
        assert_eq!(seen, [(5000, 0), (5000, 1), (5000, 2)]);
        let slow = Impairments { rate: Some(100_000), ..Impairments::NONE };
        assert_eq!(arrivals(slow, 3).0, [(6000, 0), (7000, 1), (8000, 2)]);
    }

    #[test]
    fn each_impairment_happens_as_often_as_it_should() {
        let bad = Impairments {
            jitter: Duration::from_millis(1),
            loss: Chance::percent(10),
            reorder: Chance::percent(20),
            duplicate: Chance::percent(10),
            corrupt: Chance::percent(10),
            queue: 1000,
            ..Impairments::NONE
        };
        let (seen, tally) = arrivals(bad, 250);
        for (count, low, high) in [
            (tally.lost, 10, 45),
            (tally.reordered, 25, 75),
            (tally.duplicated, 10, 45),
            (tally.corrupted, 10, 45),
        ] {
            assert!((low..=high).contains(&count), "{tally:?}");
        }
        assert_eq!(tally.delivered, 250 - tally.lost + tally.duplicated);
        assert!(seen.windows(2).any(|pair| pair[0].1 > pair[1].1), "something was overtaken");
        let narrow = Impairments { queue: 10, ..Impairments::NONE };
        let (_, tally) = arrivals(narrow, 25);
        assert_eq!((tally.overflowed, tally.delivered), (15, 10));
    }

    #[test]
    fn a_queue_in_bytes_drops_its_tail_and_drains_at_the_rate() {
        let rate = Some(100_000);
        let narrow = Impairments { rate, queue_bytes: Some(300), ..Impairments::NONE };
        let (seen, tally) = arrivals(narrow, 5);
        assert_eq!(seen, [(6000, 0), (7000, 1), (8000, 2)]);
        assert_eq!((tally.overflowed, tally.lost), (2, 0));
        let mut link = Link::new(narrow, 100, 9);
        (0..3).for_each(|n| link.send(Instant::ZERO, &[n; 100]));
        // One packet has left by now: there is room for one more and not for a second one.
        let later = Instant::from_millis(1);
        (3..5).for_each(|n| link.send(later, &[n; 100]));
        assert_eq!(link.tally.overflowed, 1);
    }
}
