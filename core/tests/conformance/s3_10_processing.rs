//! RFC 9293 §3.10.7.4: acknowledgements of what arrives in series.

use std::collections::VecDeque;

use hikyaku::device::{Capabilities, Device, NoRoom, Packet, RxMeta};
use hikyaku::time::{Duration, Instant};
use hikyaku::wire::tcp::Flags;
use hikyaku::{Capacity, Config, ListenConfig, Profile, Stack, Storage};
use hikyaku_testkit::forge::Tcp;
use hikyaku_testkit::lone::{MSS, PORT};
use hikyaku_testkit::pair::{Family, LEFT, RIGHT, address};
use hikyaku_testkit::seen::Seen;

use super::common::*;

#[test]
fn must_58_holds_two_segments_share_an_ack() {
    each(|lone, peer| {
        // The first window is small, and everything is acknowledged at once.
        tell(lone, peer, b"first");
        lone.pass(Duration::from_secs(1));
        assert!(tell(lone, peer, b"one").is_empty());
        assert!(tell(lone, peer, b"two").is_empty());
        let late: Vec<Seen> = lone.pass(Duration::from_secs(1)).iter().map(|one| one.1).collect();
        assert!(is_ack(&late, peer), "{late:?}: one for both");
    });
}

#[test]
fn must_58_provoked_by_answers_that_can_carry_the_ack() {
    each(|lone, peer| {
        tell(lone, peer, b"first");
        lone.pass(Duration::from_secs(1));
        for _ in 0..20 {
            assert!(tell(lone, peer, b"question").is_empty());
            read(lone, peer);
            let sent = write(lone, peer, 6);
            let [answer] = sent[..] else { panic!("{sent:?}") };
            assert_eq!((answer.ack, answer.text), (peer.seq, 6));
            assert!(ack(lone, peer, 6).is_empty());
            assert!(lone.pass(Duration::from_millis(500)).is_empty(), "nothing is owed");
        }
    });
}

#[test]
fn must_59_holds_a_series_is_taken_before_it_is_acknowledged() {
    each(|lone, peer| {
        tell(lone, peer, b"first");
        lone.pass(Duration::from_secs(1));
        // All of them are there before the host gets to send.
        for _ in 0..8 {
            lone.host.receive(lone.now, &peer.segment(Flags::ACK, &[1; 1000]).packet());
            peer.seq = peer.seq + 1000;
        }
        let answers = lone.sent();
        assert!(is_ack(&answers, peer), "{answers:?}: one for all");
    });
}

/// A device with a series in it, which asks for one ACK for each.
#[derive(Default)]
struct Series {
    waiting: VecDeque<Vec<u8>>,
    sent: Vec<Seen>,
}

impl Device for Series {
    fn capabilities(&self) -> Capabilities {
        Capabilities { ack_per_burst: true, ..Capabilities::ip(1500) }
    }

    fn receive<R>(&mut self, take: impl FnOnce(&[u8], RxMeta) -> R) -> Option<R> {
        self.waiting.pop_front().map(|packet| take(&packet, RxMeta::default()))
    }

    fn transmit(&mut self, packet: &Packet<'_>) -> Result<(), NoRoom> {
        let mut buffer = vec![0; packet.len()];
        packet.copy_into(&mut buffer).ok_or(NoRoom)?;
        self.sent.push(Seen::in_packet(&buffer).expect("a segment"));
        Ok(())
    }
}

fn series_on_a_device<P: Profile>() {
    let capacity = Capacity { connections: 4, blocks: 64, block_size: 2048, ..Capacity::small() };
    let storage = Storage::<'static, P>::allocate(&capacity);
    let secret = hikyaku::Secret::new([3; 16]).expect("not all zero");
    let mut stack: Stack<'static, P> =
        Stack::new(storage, &Config::new(), secret).expect("a good config");
    let (us, them) = (address(RIGHT, Family::V4), address(LEFT, Family::V4));
    stack.add_address(us, 24).expect("room");
    let listener = stack.listen(PORT, &ListenConfig::new()).expect("a free port");
    let mut device = Series::default();
    let mut now = Instant::from_millis(1);
    let mut segment = Tcp::syn((them, 5000).into(), (us, PORT).into(), 1000);
    device.waiting.push_back(segment.packet());
    stack.poll(now, &mut device);
    let iss = device.sent[0].seq;
    (segment.seq, segment.ack, segment.flags) = (segment.seq + 1, iss + 1, Flags::ACK);
    segment.text = vec![1];
    device.waiting.push_back(segment.packet());
    stack.poll(now, &mut device);
    let handle = stack.accept(listener).expect("a connection");
    segment.seq = segment.seq + 1;
    now = now + Duration::from_secs(1);
    stack.poll(now, &mut device);
    device.sent.clear();
    // In order: one ACK, for all of it.
    segment.text = vec![1; usize::from(MSS)];
    for _ in 0..10 {
        device.waiting.push_back(segment.packet());
        segment.seq = segment.seq + u32::from(MSS);
    }
    stack.poll(now, &mut device);
    assert_eq!(device.sent.iter().map(|one| one.ack).collect::<Vec<_>>(), [segment.seq]);
    device.sent.clear();
    let mut buffer = [0; 9000];
    stack.tcp(handle).expect("live").read(&mut buffer).expect("text");
    stack.poll(now, &mut device);
    device.sent.clear();
    // With a hole: each segment behind it is acknowledged on its own, nothing is skipped. All of them
    // together are less than two full segments, so that only the filled hole asks for an ACK.
    segment.flags = Flags::ACK.with(Flags::PSH);
    segment.text.truncate(100);
    let hole = segment.clone();
    for _ in 0..3 {
        segment.seq = segment.seq + 100;
        device.waiting.push_back(segment.packet());
    }
    stack.poll(now, &mut device);
    assert_eq!(device.sent.iter().map(|one| one.ack).collect::<Vec<_>>(), [hole.seq; 3]);
    device.sent.clear();
    device.waiting.push_back(hole.packet());
    stack.poll(now, &mut device);
    let end = segment.seq + 100;
    assert_eq!(device.sent.iter().map(|one| one.ack).collect::<Vec<_>>(), [end]);
}

#[test]
fn must_59_provoked_by_a_burst_in_the_device_and_by_a_hole_in_it() {
    series_on_a_device::<hikyaku::Full>();
    series_on_a_device::<hikyaku::Small>();
}
