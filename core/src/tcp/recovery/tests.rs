//! What all recoveries promise: drawn in tables, and held against a model of single octets.

use std::vec;
use std::vec::Vec;

use managed::ManagedSlice;
use proptest::prelude::*;

use super::*;
use crate::storage::Id;
use crate::storage::slab::Slot;

const MSS: u32 = 1_000;
/// Close to the wrap, so that every longer run crosses it.
pub(super) const BASE: SeqNum = SeqNum::new(u32::MAX - 4_000);

/// Looks into a recovery after each step.
pub(super) trait Checked: Recovery {
    fn assert_consistent(&self, _: &Records<'_>, _una: SeqNum, _nxt: SeqNum) {}
}

impl Checked for GoBack {}

impl Checked for TimeoutOnly {}

/// An octet as the model knows it.
#[derive(Clone, Copy)]
struct Octet {
    sent_at: Instant,
    sendings: u32,
    /// Sent again in the present episode.
    again: bool,
}

/// A sender in numbers relative to [`BASE`].
pub(super) struct Sender<R: Recovery> {
    pub(super) recovery: R,
    now: Instant,
    una: u32,
    octets: Vec<Octet>,
    /// After a timeout: what was sent before it.
    timeout: Option<u32>,
}

impl<R: Checked> Sender<R> {
    pub(super) fn new() -> Self {
        let mut recovery = R::EMPTY;
        recovery.start(BASE);
        let now = Instant::from_millis(1);
        Self { recovery, now, una: 0, octets: Vec::new(), timeout: None }
    }

    fn una(&self) -> SeqNum {
        BASE + self.una
    }

    fn nxt(&self) -> SeqNum {
        BASE + self.octets.len() as u32
    }

    fn sent(&self, start: u32, end: u32) -> Sent {
        Sent { start: BASE + start, end: BASE + end, at: self.now }
    }

    pub(super) fn wait(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
    }

    pub(super) fn send(&mut self, records: &mut Records<'_>, octets: u32) {
        let start = self.octets.len() as u32;
        let octet = Octet { sent_at: self.now, sendings: 1, again: false };
        self.octets.resize((start + octets) as usize, octet);
        self.recovery.on_sent(records, &self.sent(start, start + octets));
        self.check(records);
    }

    /// What is offered, relative to [`BASE`].
    pub(super) fn lost(&self, records: &Records<'_>) -> Option<(u32, u32)> {
        let range = self.recovery.next_lost(records)?;
        assert!(range.start.at_or_after(self.una()) && range.end.at_or_before(self.nxt()));
        Some((range.start.since(BASE), range.end.since(BASE)))
    }

    /// Sends again what is offered, at most so many octets of it.
    pub(super) fn resend(&mut self, records: &mut Records<'_>, most: u32) -> bool {
        let Some((start, end)) = self.lost(records) else { return false };
        let end = end.min(start + most);
        for octet in &mut self.octets[start as usize..end as usize] {
            assert!(!octet.again, "offered twice in one episode");
            *octet = Octet { sent_at: self.now, sendings: octet.sendings + 1, again: true };
        }
        self.recovery.on_resent(records, &self.sent(start, end));
        self.check(records);
        true
    }

    /// Sends the first octet again, asked for or not.
    fn probe(&mut self, records: &mut Records<'_>) {
        if self.lost(records).is_some() {
            self.resend(records, 1);
        } else if self.una < self.octets.len() as u32 {
            let una = self.una;
            self.octets[una as usize].sendings += 1;
            self.recovery.on_resent(records, &self.sent(una, una + 1));
            self.check(records);
        }
    }

    pub(super) fn ack(&mut self, records: &mut Records<'_>, octets: u32) -> Outcome {
        let newly = octets.min(self.octets.len() as u32 - self.una);
        self.una += newly;
        let outcome = self.acknowledge(records, newly, false);
        if let Some(rtt) = outcome.rtt {
            let acked = &self.octets[(self.una - newly) as usize..self.una as usize];
            let known = acked.iter().any(|o| o.sendings == 1 && self.now.since(o.sent_at) == rtt);
            assert!(known, "Karn's rule: {rtt:?}");
        }
        self.check(records);
        outcome
    }

    pub(super) fn duplicate(&mut self, records: &mut Records<'_>) -> Outcome {
        let outstanding = self.una < self.octets.len() as u32;
        let outcome = self.acknowledge(records, 0, outstanding);
        assert_eq!(outcome.rtt, None);
        self.check(records);
        outcome
    }

    fn acknowledge(&mut self, records: &mut Records<'_>, newly: u32, duplicate: bool) -> Outcome {
        let (una, nxt) = (self.una(), self.nxt());
        let ack = Acknowledged { now: self.now, una, nxt, newly, duplicate, mss: MSS };
        let outcome = self.recovery.on_ack(records, &ack);
        match outcome.event {
            Event::Loss => self.forget_episode(),
            Event::Recovered => self.timeout = None,
            Event::None | Event::Partial => {}
        }
        outcome
    }

    pub(super) fn time_out(&mut self, records: &mut Records<'_>) {
        self.recovery.on_timeout(self.una(), self.nxt());
        if self.una < self.octets.len() as u32 {
            self.forget_episode();
            self.timeout = Some(self.octets.len() as u32);
        }
        self.check(records);
    }

    fn forget_episode(&mut self) {
        self.octets.iter_mut().for_each(|octet| octet.again = false);
    }

    pub(super) fn flight(&self) -> u32 {
        self.recovery.flight(self.una(), self.nxt(), MSS)
    }

    fn check(&self, records: &Records<'_>) {
        let in_flight = self.octets.len() as u32 - self.una;
        assert!(self.flight() <= in_flight);
        let lost = self.lost(records);
        if let Some((start, end)) = lost {
            assert!(start >= self.una && start < end && end <= self.octets.len() as u32);
        }
        if let Some(recover) = self.timeout {
            // All that was in flight is lost until it is acknowledged or sent again.
            let waiting = |i: &u32| !self.octets[*i as usize].again;
            let first = (self.una..recover).find(waiting);
            assert_eq!(lost.map(|(start, _)| start), first);
            let waiting = (self.una..recover).filter(waiting).count() as u32;
            assert_eq!(self.flight(), in_flight - waiting);
        }
        self.recovery.assert_consistent(records, self.una(), self.nxt());
    }
}

pub(super) fn pool(records: usize) -> Vec<Slot<Record>> {
    (0..records).map(|_| Slot::EMPTY).collect()
}

pub(super) fn with_pool(records: usize, test: impl FnOnce(&mut Records<'_>)) {
    let mut slots = pool(records);
    test(&mut Slab::new(ManagedSlice::Borrowed(&mut slots)));
}

/// Runs a drawing against both recoveries that heed duplicate ACKs, the second with few and many
/// records.
macro_rules! drawing {
    ($name:ident, |$sender:ident, $records:ident| $body:block) => {
        #[test]
        fn $name() {
            fn draw<R: Checked>($sender: &mut Sender<R>, $records: &mut Records<'_>) $body
            with_pool(0, |records| draw(&mut Sender::<GoBack>::new(), records));
            for size in [0, 1, 2, 5, 64] {
                with_pool(size, |records| {
                    let mut sender = Sender::<Scoreboard>::new();
                    draw(&mut sender, records);
                    sender.recovery.clear(records);
                    assert!(records.is_empty());
                });
            }
        }
    };
}

drawing!(three_duplicates_send_the_first_segment_again_and_no_more, |sender, records| {
    (0..10).for_each(|_| sender.send(records, MSS));
    for flight in [9, 8] {
        assert_eq!(sender.duplicate(records).event, Event::None);
        assert_eq!((sender.flight(), sender.lost(records)), (flight * MSS, None));
    }
    assert_eq!(sender.duplicate(records).event, Event::Loss);
    assert!(sender.recovery.is_recovering());
    assert_eq!(sender.lost(records), Some((0, MSS)));
    assert_eq!(sender.flight(), 6 * MSS, "three have arrived, one is lost");
    assert!(sender.resend(records, 400) && sender.resend(records, MSS));
    assert_eq!((sender.flight(), sender.lost(records)), (7 * MSS, None));
    (0..6).for_each(|_| assert_eq!(sender.duplicate(records).event, Event::None));
    assert_eq!(sender.flight(), MSS);
    (0..6).for_each(|_| assert_eq!(sender.duplicate(records).event, Event::None));
    assert_eq!(sender.flight(), 0, "never below");
    assert_eq!(sender.ack(records, 10 * MSS), Outcome { rtt: None, event: Event::Recovered });
    assert!(!sender.recovery.is_recovering());
});

drawing!(a_partial_ack_sends_the_next_hole_again, |sender, records| {
    (0..10).for_each(|_| sender.send(records, MSS));
    (0..5).for_each(|_| _ = sender.duplicate(records));
    assert!(sender.resend(records, MSS));
    assert_eq!(sender.flight(), 5 * MSS);
    // The second hole is at 4000: three of the five reported are now acknowledged.
    assert_eq!(sender.ack(records, 4 * MSS), Outcome::default());
    assert_eq!(sender.lost(records), Some((4 * MSS, 5 * MSS)));
    assert_eq!(sender.flight(), 3 * MSS);
    assert!(sender.resend(records, MSS) && !sender.resend(records, MSS));
    assert_eq!(sender.ack(records, 300).event, Event::Partial, "not the first of them");
    assert_eq!(sender.lost(records), None, "this has been sent again already");
    assert_eq!(sender.ack(records, 5_700).event, Event::Recovered);
    assert_eq!((sender.flight(), sender.lost(records)), (0, None));
});

drawing!(no_second_fast_retransmit_for_one_window, |sender, records| {
    (0..4).for_each(|_| sender.send(records, MSS));
    sender.time_out(records);
    assert!(sender.resend(records, MSS));
    assert_eq!(sender.ack(records, 4 * MSS).event, Event::Recovered);
    sender.send(records, MSS);
    // RFC 6582 §3.2: the ACK number is not beyond `recover`; these may be echoes.
    (0..5).for_each(|_| assert_eq!(sender.duplicate(records).event, Event::None));
    sender.ack(records, MSS);
    (0..4).for_each(|_| sender.send(records, MSS));
    (0..2).for_each(|_| assert_eq!(sender.duplicate(records).event, Event::None));
    assert_eq!(sender.duplicate(records).event, Event::Loss);
});

drawing!(a_timeout_sends_everything_again_in_order, |sender, records| {
    (0..4).for_each(|_| sender.send(records, MSS));
    sender.time_out(records);
    assert!(!sender.recovery.is_recovering());
    assert_eq!(sender.flight(), 0);
    assert!(sender.resend(records, 600));
    assert_eq!((sender.flight(), sender.lost(records).unwrap().0), (600, 600));
    // The receiver had the second and third segment all along.
    assert_eq!(sender.ack(records, 600).event, Event::None);
    assert!(sender.resend(records, 400));
    assert_eq!(sender.ack(records, 2_900).event, Event::None);
    assert_eq!(sender.lost(records), Some((3_500, 4_000)));
    (0..5).for_each(|_| assert_eq!(sender.duplicate(records).event, Event::None));
    assert!(sender.resend(records, MSS) && !sender.resend(records, MSS));
    // Lost again.
    sender.time_out(records);
    assert_eq!((sender.flight(), sender.lost(records)), (0, Some((3_500, 4_000))));
    assert!(sender.resend(records, MSS));
    assert_eq!(sender.ack(records, 500).event, Event::Recovered);
});

drawing!(a_timeout_with_nothing_in_flight_begins_nothing, |sender, records| {
    sender.time_out(records);
    sender.send(records, MSS);
    assert_eq!(sender.lost(records), None);
    assert_eq!(sender.ack(records, MSS).event, Event::None);
});

drawing!(what_was_sent_once_is_measured_and_nothing_else, |sender, records| {
    sender.send(records, MSS);
    sender.wait(30);
    assert_eq!(sender.ack(records, MSS).rtt, Some(Duration::from_millis(30)));
    sender.send(records, MSS);
    sender.time_out(records);
    sender.wait(40);
    assert!(sender.resend(records, MSS));
    sender.wait(5);
    assert_eq!(sender.ack(records, MSS), Outcome { rtt: None, event: Event::Recovered });
    sender.send(records, MSS);
    sender.wait(20);
    assert_eq!(sender.ack(records, MSS).rtt, Some(Duration::from_millis(20)));
});

drawing!(an_ack_that_fills_a_hole_measures_nothing, |sender, records| {
    (0..4).for_each(|_| sender.send(records, MSS));
    (0..3).for_each(|_| _ = sender.duplicate(records));
    assert!(sender.resend(records, MSS));
    sender.send(records, MSS);
    sender.wait(50);
    assert_eq!(sender.ack(records, 5 * MSS), Outcome { rtt: None, event: Event::Recovered });
});

drawing!(sending_again_what_was_not_asked_for_answers_no_wish, |sender, records| {
    (0..4).for_each(|_| sender.send(records, MSS));
    sender.time_out(records);
    let unasked = sender.sent(2 * MSS, 3 * MSS);
    sender.recovery.on_resent(records, &unasked);
    sender.check(records);
    assert_eq!(sender.lost(records).unwrap().0, 0);
});

drawing!(long_runs_without_loss_do_not_wrap_into_the_past, |sender, records| {
    // 3 GiB in steps of 512 MiB, as far as recovery is concerned.
    let mut una = BASE;
    for _ in 0..6 {
        let nxt = una + (1 << 29);
        sender.recovery.on_sent(records, &Sent { start: una, end: nxt, at: sender.now });
        una = nxt;
        let ack =
            Acknowledged { now: sender.now, una, nxt, newly: 1 << 29, duplicate: false, mss: MSS };
        sender.recovery.on_ack(records, &ack);
        assert_eq!(sender.recovery.next_lost(records), None);
    }
    let nxt = una + MSS;
    sender.recovery.on_sent(records, &Sent { start: una, end: nxt, at: sender.now });
    let ack = Acknowledged { now: sender.now, una, nxt, newly: 0, duplicate: true, mss: MSS };
    let events = [(); 3].map(|()| sender.recovery.on_ack(records, &ack).event);
    assert_eq!(events, [Event::None, Event::None, Event::Loss]);
});

#[test]
fn timeouts_alone_say_what_is_lost_where_duplicates_are_not_heeded() {
    with_pool(0, |records| {
        let mut sender = Sender::<TimeoutOnly>::new();
        (0..4).for_each(|_| sender.send(records, MSS));
        (0..6).for_each(|_| assert_eq!(sender.duplicate(records).event, Event::None));
        assert_eq!((sender.flight(), sender.lost(records)), (4 * MSS, None));
        sender.time_out(records);
        assert_eq!((sender.flight(), sender.lost(records)), (0, Some((0, 4 * MSS))));
        assert!(sender.resend(records, MSS));
        sender.wait(5);
        // The receiver had the second and third segment all along. What was sent twice tells
        // nothing of the round trip.
        assert_eq!(sender.ack(records, 3 * MSS), Outcome::default());
        assert_eq!(sender.lost(records), Some((3 * MSS, 4 * MSS)));
        assert!(sender.resend(records, MSS) && !sender.resend(records, MSS));
        assert_eq!(sender.ack(records, MSS), Outcome::default());
        sender.send(records, MSS);
        sender.wait(20);
        assert_eq!(sender.ack(records, MSS).rtt, Some(Duration::from_millis(20)));
    });
}

#[derive(Debug, Clone)]
enum Op {
    Send(u32),
    Resend(u32),
    Ack(u32),
    Duplicate,
    Timeout,
    Probe,
    Wait(u64),
    /// Other connections take a record out of the pool, or give one back.
    Take,
    GiveBack,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        6 => prop_oneof![Just(MSS), 1..3 * MSS].prop_map(Op::Send),
        6 => prop_oneof![Just(MSS), 1..2 * MSS].prop_map(Op::Resend),
        4 => prop_oneof![Just(MSS), 1..4 * MSS].prop_map(Op::Ack),
        5 => Just(Op::Duplicate),
        1 => Just(Op::Timeout),
        1 => Just(Op::Probe),
        2 => (1u64..50).prop_map(Op::Wait),
        1 => Just(Op::Take),
        1 => Just(Op::GiveBack),
    ];
    prop::collection::vec(op, 1..80)
}

fn run<R: Checked>(ops: &[Op], records: &mut Records<'_>, clear: bool) {
    let mut sender = Sender::<R>::new();
    let mut taken: Vec<Id> = vec![];
    for op in ops {
        match *op {
            // What is lost goes first, as a connection does it.
            Op::Send(octets) if sender.lost(records).is_none() => sender.send(records, octets),
            Op::Send(octets) | Op::Resend(octets) => _ = sender.resend(records, octets),
            Op::Ack(octets) => _ = sender.ack(records, octets),
            Op::Duplicate => _ = sender.duplicate(records),
            Op::Timeout => sender.time_out(records),
            Op::Probe => sender.probe(records),
            Op::Wait(millis) => sender.wait(millis),
            Op::Take => taken.extend(records.acquire()),
            Op::GiveBack => {
                taken.pop().map(|id| records.release(id));
            }
        }
    }
    if clear {
        sender.recovery.clear(records);
    } else {
        sender.ack(records, u32::MAX);
        assert_eq!((sender.flight(), sender.lost(records)), (0, None));
    }
    assert_eq!(records.len(), taken.len(), "all records are given back");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn all_keep_their_promises(
        ops in ops(),
        size in prop_oneof![0usize..5, Just(64)],
        clear: bool,
    ) {
        with_pool(0, |records| run::<TimeoutOnly>(&ops, records, clear));
        with_pool(0, |records| run::<GoBack>(&ops, records, clear));
        with_pool(size, |records| run::<Scoreboard>(&ops, records, clear));
    }
}
