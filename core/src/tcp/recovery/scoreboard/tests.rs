//! What only records can tell, and how they are kept.

use super::super::tests::{BASE, Checked, Sender, with_pool};
use super::*;
use crate::time::Duration;

impl Checked for Scoreboard {
    fn assert_consistent(&self, records: &Records<'_>, una: SeqNum, nxt: SeqNum) {
        let (mut at, mut found, mut count) = (una, false, 0);
        let mut next = self.by_seq.first();
        while let Some(id) = next {
            let record = records.get(id).unwrap();
            assert_eq!(record.start, at, "records adjoin");
            assert!(record.start.before(record.end));
            at = record.end;
            count += 1;
            if !self.resend.is_empty() && self.current.or(self.by_seq.first()) == Some(id) {
                assert!(self.resend.from.at_or_after(record.start));
                assert!(self.resend.from.before(record.end));
                found = true;
            }
            next = self.by_seq.next(records, id);
        }
        assert!(count == 0 || at == nxt, "records cover the flight or there are none");
        assert!(count == 0 || found || self.resend.is_empty(), "what is lost has a record");
        assert!(self.resend.to.at_or_before(nxt));
        let (mut latest, mut timed) = (Instant::ZERO, 0);
        let mut next = self.by_time.first();
        while let Some(id) = next {
            let record = records.get(id).unwrap();
            assert!(record.sent_at >= latest, "in the order of sending");
            latest = record.sent_at;
            timed += 1;
            next = self.by_time.next(records, id);
        }
        assert_eq!(timed, count);
    }
}

fn millis(millis: u64) -> Option<Duration> {
    Some(Duration::from_millis(millis))
}

#[test]
fn every_segment_is_measured_and_the_latest_counts() {
    with_pool(8, |records| {
        let mut sender = Sender::<Scoreboard>::new();
        for _ in 0..4 {
            sender.send(records, 1_000);
            sender.wait(10);
        }
        assert_eq!(sender.ack(records, 1_000).rtt, millis(40));
        assert_eq!(sender.ack(records, 2_000).rtt, millis(20), "not 30");
        sender.wait(1);
        assert_eq!(sender.ack(records, 500).rtt, None, "a part of a segment");
        assert_eq!(sender.ack(records, 500).rtt, millis(11));
    });
}

#[test]
fn shared_records_are_timed_one_segment_at_a_time() {
    with_pool(1, |records| {
        let mut sender = Sender::<Scoreboard>::new();
        for _ in 0..4 {
            sender.send(records, 1_000);
            sender.wait(10);
        }
        assert_eq!(records.len(), 1);
        assert_eq!(sender.ack(records, 1_000).rtt, None);
        assert_eq!(sender.ack(records, 1_000).rtt, millis(30), "the first to find no record");
        assert_eq!(sender.ack(records, 2_000).rtt, None);
    });
}

#[test]
fn segments_without_a_record_join_the_next_one_that_finds_one() {
    with_pool(1, |records| {
        let mut sender = Sender::<Scoreboard>::new();
        let foreign = records.acquire().unwrap();
        sender.send(records, 1_000);
        records.release(foreign);
        sender.wait(10);
        sender.send(records, 1_000);
        sender.wait(10);
        assert_eq!(records.len(), 1);
        assert_eq!(sender.ack(records, 2_000).rtt, millis(20), "the record's time is not certain");
        assert!(records.is_empty());
    });
}

#[test]
fn a_segment_sent_again_in_parts_becomes_several_records() {
    with_pool(8, |records| {
        let mut sender = Sender::<Scoreboard>::new();
        sender.send(records, 3_000);
        sender.send(records, 1_000);
        sender.time_out(records);
        for (lost, held) in [((0, 4_000), 2), ((1_000, 4_000), 3), ((2_000, 4_000), 4)] {
            assert_eq!((sender.lost(records), records.len()), (Some(lost), held));
            assert!(sender.resend(records, 1_000));
        }
        assert_eq!((sender.lost(records), records.len()), (Some((3_000, 4_000)), 4));
    });
}

#[test]
fn a_record_of_several_segments_is_not_lost_whole_by_duplicates() {
    for size in [1, 4] {
        with_pool(size, |records| {
            let mut sender = Sender::<Scoreboard>::new();
            sender.send(records, 5_000);
            (0..3).for_each(|_| _ = sender.duplicate(records));
            assert_eq!(sender.lost(records), Some((0, 1_000)));
            assert!(sender.resend(records, 1_000) && !sender.resend(records, 1_000));
            assert_eq!(records.len(), size.min(2));
        });
    }
}

#[test]
fn an_ack_ends_the_loss_of_a_shared_record_that_goes_on() {
    with_pool(1, |records| {
        let mut sender = Sender::<Scoreboard>::new();
        sender.send(records, 2_000);
        (0..3).for_each(|_| _ = sender.duplicate(records));
        sender.send(records, 1_000);
        assert_eq!(sender.lost(records), Some((0, 1_000)));
        assert_eq!(sender.ack(records, 2_000).event, Event::Recovered);
        assert_eq!((sender.lost(records), sender.flight()), (None, 1_000));
    });
}

#[test]
fn new_data_sent_before_the_lost_is_not_sent_again() {
    with_pool(2, |records| {
        let mut sender = Sender::<Scoreboard>::new();
        sender.send(records, 1_000);
        sender.send(records, 1_000);
        sender.recovery.on_timeout(BASE, BASE + 2_000);
        // No record is left: it shares that of a lost segment, and is not lost.
        sender.send(records, 1_000);
        assert_eq!((sender.lost(records), sender.flight()), (Some((0, 2_000)), 1_000));
        assert!(sender.resend(records, 1_000));
        assert_eq!(sender.lost(records), Some((1_000, 2_000)));
        assert!(sender.resend(records, 1_000));
        assert_eq!((sender.lost(records), sender.flight()), (None, 3_000));
        sender.ack(records, 3_000);
        assert!(records.is_empty());
    });
}

#[test]
fn what_went_out_in_crumbs_goes_again_in_one_piece() {
    with_pool(64, |records| {
        let mut sender = Sender::<Scoreboard>::new();
        (0..30).for_each(|_| sender.send(records, 10));
        sender.time_out(records);
        assert_eq!((sender.lost(records), records.len()), (Some((0, 300)), 30));
        assert!(sender.resend(records, 175));
        assert_eq!((sender.lost(records), records.len()), (Some((175, 300)), 14));
        sender.ack(records, 100);
        assert_eq!(sender.lost(records), Some((175, 300)));
        sender.ack(records, 300);
        assert!(records.is_empty());
    });
}

#[test]
fn one_connection_leaves_half_of_the_records_and_two_a_third() {
    with_pool(12, |records| {
        let mut first = Sender::<Scoreboard>::new();
        (0..20).for_each(|_| first.send(records, 10));
        assert_eq!(records.len(), 6);
        let mut second = Sender::<Scoreboard>::new();
        (0..20).for_each(|_| second.send(records, 10));
        assert_eq!(records.len(), 9);
        first.ack(records, 200);
        second.ack(records, 200);
        assert!(records.is_empty());
    });
}

#[test]
fn the_empty_state_is_small() {
    assert!(size_of::<super::super::Record>() <= 48, "{}", size_of::<super::super::Record>());
    assert!(size_of::<Scoreboard>() <= 112, "{}", size_of::<Scoreboard>());
}
