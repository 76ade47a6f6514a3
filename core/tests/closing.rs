//! Every order in which a connection can begin and end, and what each side is told.
#![cfg(all(feature = "ipv6", feature = "udp"))]

use std::net::SocketAddr;

use hikyaku::time::Duration;
use hikyaku::wire::tcp::Flags;
use hikyaku::{
    CloseReason, ConnectConfig, Half, ListenConfig, ReadError, State, TcpHandle, WriteError,
};
use hikyaku_testkit::applications::{End, Script};
use hikyaku_testkit::host::Kind;
use hikyaku_testkit::link::Impairments;
use hikyaku_testkit::lone::Lone;
use hikyaku_testkit::pair::{Family, LEFT, Pair, RIGHT, Setup, address};
use hikyaku_testkit::random::Chance;

const TICK: Duration = Duration::from_millis(100);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const KINDS: [[Kind; 2]; 4] = [
    [Kind::Full, Kind::Full],
    [Kind::Small, Kind::Small],
    [Kind::Full, Kind::Small],
    [Kind::Tiny, Kind::Tiny],
];

/// An established connection for each mixture of profiles.
fn each(seed: u64, mut act: impl FnMut(Pair, TcpHandle, TcpHandle)) {
    for kinds in KINDS {
        for family in Family::BOTH {
            let mut pair = Setup::new(seed).profiles(kinds).build();
            let (left, right) = pair.handshake(family, 7);
            act(pair, left, right);
        }
    }
}

fn states(pair: &mut Pair, left: TcpHandle, right: TcpHandle) -> (State, State) {
    (pair.hosts[LEFT].state(left), pair.hosts[RIGHT].state(right))
}

/// Releases both ends, and all is as it was.
fn release(pair: &mut Pair, left: TcpHandle, right: TcpHandle) {
    pair.hosts[LEFT].release(left);
    pair.hosts[RIGHT].release(right);
    assert!(pair.hosts[LEFT].is_stale(left));
    assert!(pair.hosts[RIGHT].is_stale(right));
    pair.drain();
}

#[test]
fn active_and_passive_close() {
    each(1, |mut pair, left, right| {
        pair.hosts[LEFT].close(left);
        assert_eq!(pair.hosts[LEFT].write(left, b"x"), Err(WriteError::Closed));
        pair.run_for(TICK);
        assert_eq!(states(&mut pair, left, right), (State::FinWait2, State::CloseWait));
        assert_eq!(pair.hosts[RIGHT].read(right, &mut [0; 9]), Ok(0), "the end of the stream");
        pair.hosts[RIGHT].close(right);
        pair.run_for(TICK);
        assert_eq!(states(&mut pair, left, right), (State::TimeWait, State::Closed));
        assert_eq!(pair.hosts[RIGHT].close_reason(right), Some(CloseReason::Graceful));
        assert_eq!(pair.hosts[LEFT].read(left, &mut [0; 9]), Ok(0));
        pair.run_for(MINUTE);
        assert_eq!(states(&mut pair, left, right), (State::Closed, State::Closed));
        assert_eq!(pair.hosts[LEFT].close_reason(left), Some(CloseReason::Graceful));
        release(&mut pair, left, right);
    });
}

#[test]
fn simultaneous_close() {
    each(2, |mut pair, left, right| {
        pair.hosts[LEFT].close(left);
        pair.hosts[RIGHT].close(right);
        pair.run_for(Duration::from_millis(7));
        assert_eq!(states(&mut pair, left, right), (State::Closing, State::Closing));
        pair.run_for(TICK);
        assert_eq!(states(&mut pair, left, right), (State::TimeWait, State::TimeWait));
        pair.run_for(MINUTE);
        assert_eq!(states(&mut pair, left, right), (State::Closed, State::Closed));
        release(&mut pair, left, right);
    });
}

#[test]
fn half_close_and_data_the_other_way() {
    for kinds in KINDS {
        for shutdown in [false, true] {
            let mut pair =
                Setup::new(3).profiles(kinds).link(Impairments::lossy(Chance::percent(2))).build();
            let (left, right) = pair.handshake(Family::V6, 7);
            if shutdown {
                pair.hosts[LEFT].shutdown(left, Half::Write);
            } else {
                pair.hosts[LEFT].close(left);
            }
            pair.run_for(Duration::from_secs(5));
            assert_eq!(states(&mut pair, left, right), (State::FinWait2, State::CloseWait));
            pair.adopt(RIGHT, right, Script::send(100_000));
            pair.adopt(LEFT, left, Script::send(0));
            pair.finish(HOUR);
            assert_eq!(pair.applications[1].outcome.read, 100_000);
        }
    }
}

#[test]
fn a_half_that_is_not_read_is_thrown_away_and_acknowledged() {
    each(4, |mut pair, left, right| {
        pair.hosts[RIGHT].shutdown(right, Half::Read);
        for _ in 0..30 {
            assert_eq!(pair.hosts[LEFT].write(left, &[0; 10_000]), Ok(10_000));
            pair.run_for(TICK);
            assert_eq!(pair.hosts[LEFT].send_queue(left), 0);
        }
        assert_eq!(pair.hosts[RIGHT].readable(right), 0);
        assert_eq!(pair.hosts[RIGHT].read(right, &mut [0; 9]), Ok(0));
        assert_eq!(pair.hosts[RIGHT].write(right, b"still here"), Ok(10));
        pair.run_for(TICK);
        let mut buffer = [0; 20];
        assert_eq!(pair.hosts[LEFT].peek(left, &mut buffer), Ok(10));
        assert_eq!(pair.hosts[LEFT].read(left, &mut buffer), Ok(10));
        assert_eq!(&buffer[..10], b"still here");
        assert_eq!(pair.hosts[LEFT].read(left, &mut buffer), Err(ReadError::WouldBlock));
        release(&mut pair, left, right);
    });
}

/// RFC 9293 §3.10.4, §3.10.5: a connection enters CLOSING and LAST-ACK when its FIN leaves. Before
/// that the peer waits for data, and an abort is told.
#[test]
fn an_abort_before_our_fin_has_left_sends_a_reset() {
    for kind in [Kind::Full, Kind::Small, Kind::Tiny] {
        for closes_first in [true, false] {
            let mut lone = Lone::new(kind, Family::V4);
            let mut peer = lone.passive(0);
            peer.window = 0;
            lone.feed(&peer.segment(Flags::ACK, b""));
            let written = lone.host.write(peer.handle, b"data that the window keeps back");
            assert!(written.is_ok_and(|written| written > 0), "{kind:?}");
            if closes_first {
                lone.host.close(peer.handle);
            }
            lone.feed(&peer.segment(Flags::FIN | Flags::ACK, b""));
            lone.host.close(peer.handle);
            let before = lone.sent();
            assert!(before.iter().all(|one| !one.has(Flags::FIN)), "{kind:?}: {before:?}");
            lone.host.abort(peer.handle);
            let sent = lone.sent();
            assert!(sent.iter().any(|one| one.has(Flags::RST)), "{kind:?}, {closes_first}");
            lone.host.release(peer.handle);
            lone.drain(&[]);
        }
    }
}

#[test]
fn abort_resets_the_other_side() {
    each(5, |mut pair, left, right| {
        assert_eq!(pair.hosts[LEFT].write(left, b"never read"), Ok(10));
        assert_eq!(pair.hosts[RIGHT].write(right, b"never read either"), Ok(17));
        pair.run_for(TICK);
        pair.hosts[LEFT].abort(left);
        assert_eq!(pair.hosts[LEFT].close_reason(left), Some(CloseReason::Aborted));
        let gone = Err(WriteError::Ended(CloseReason::Aborted));
        assert_eq!(pair.hosts[LEFT].write(left, b"x"), gone);
        pair.run_for(TICK);
        assert_eq!(states(&mut pair, left, right), (State::Closed, State::Closed));
        let reset = CloseReason::Reset;
        assert_eq!(pair.hosts[RIGHT].close_reason(right), Some(reset));
        assert_eq!(pair.hosts[RIGHT].write(right, b"x"), Err(WriteError::Ended(reset)));
        assert_eq!(pair.hosts[RIGHT].read(right, &mut [0; 9]), Err(ReadError::Ended(reset)));
        assert_eq!(pair.hosts[LEFT].counters().resets_out, 1);
        assert_eq!(pair.hosts[RIGHT].counters().resets_in, 1);
        release(&mut pair, left, right);
    });
}

#[test]
fn release_with_unread_data_resets() {
    each(6, |mut pair, left, right| {
        assert_eq!(pair.hosts[LEFT].write(left, b"never read"), Ok(10));
        pair.run_for(TICK);
        pair.hosts[RIGHT].release(right);
        pair.run_for(TICK);
        assert_eq!(pair.hosts[LEFT].close_reason(left), Some(CloseReason::Reset));
        pair.hosts[LEFT].release(left);
        pair.drain();
    });
}

#[test]
fn release_delivers_what_was_written() {
    for kinds in KINDS {
        let mut pair =
            Setup::new(7).profiles(kinds).link(Impairments::lossy(Chance::percent(5))).build();
        let (left, right) = pair.handshake(Family::V4, 7);
        pair.adopt(LEFT, left, Script::send(30_000).then(End::Release));
        pair.adopt(RIGHT, right, Script::answer(0));
        pair.finish(HOUR);
        assert_eq!(pair.applications[1].outcome.read, 30_000);
        assert!(pair.applications[1].outcome.at_end);
    }
}

#[test]
fn data_for_an_orphan_is_answered_by_a_reset() {
    each(8, |mut pair, left, right| {
        pair.hosts[LEFT].release(left);
        pair.run_for(TICK);
        assert_eq!(pair.hosts[RIGHT].state(right), State::CloseWait);
        assert_eq!(pair.hosts[RIGHT].write(right, b"too late"), Ok(8));
        pair.run_for(TICK);
        assert_eq!(pair.hosts[RIGHT].close_reason(right), Some(CloseReason::Reset));
        pair.hosts[RIGHT].release(right);
        pair.drain();
    });
}

#[test]
fn an_orphan_does_not_wait_for_ever() {
    each(9, |mut pair, left, right| {
        pair.hosts[LEFT].release(left);
        pair.run_for(TICK);
        assert_eq!(pair.hosts[LEFT].usage().connections, 1);
        pair.run_for(MINUTE + MINUTE);
        assert_eq!(pair.hosts[LEFT].usage().connections, 0, "FIN-WAIT-2 of an orphan ends");
        pair.hosts[RIGHT].close(right);
        pair.run_for(TICK);
        assert_eq!(pair.hosts[RIGHT].close_reason(right), Some(CloseReason::Graceful));
        pair.hosts[RIGHT].release(right);
        pair.drain();
    });
}

#[test]
fn a_closed_port_refuses() {
    for kinds in KINDS {
        for family in Family::BOTH {
            let mut pair = Setup::new(10).profiles(kinds).build();
            let handle = pair.connect(LEFT, family, 9, &ConnectConfig::new()).expect("a slot");
            assert_eq!(pair.hosts[LEFT].write(handle, b"x"), Ok(1), "queued (RFC 9293 §3.10.2)");
            pair.run_for(TICK);
            let refused = CloseReason::Refused;
            assert_eq!(pair.hosts[LEFT].close_reason(handle), Some(refused));
            assert_eq!(pair.hosts[LEFT].read(handle, &mut [0]), Err(ReadError::Ended(refused)));
            pair.hosts[LEFT].release(handle);
            pair.drain();
        }
    }
}

#[test]
fn nobody_answers() {
    for kinds in KINDS {
        let mut pair = Setup::new(11).profiles(kinds).build();
        pair.links[LEFT].is_cut = true;
        let handle = pair.connect(LEFT, Family::V4, 9, &ConnectConfig::new()).expect("a slot");
        pair.run_for(Duration::from_secs(175));
        assert_eq!(pair.hosts[LEFT].state(handle), State::SynSent);
        // RFC 9293 §3.8.3, MUST-23: at least three minutes.
        pair.run_for(Duration::from_secs(10));
        assert_eq!(pair.hosts[LEFT].close_reason(handle), Some(CloseReason::TimedOut));
        assert!((6..12).contains(&pair.watch.sights.syns), "{:?}", pair.watch.sights);
        pair.hosts[LEFT].release(handle);
        pair.drain();
    }
}

#[test]
fn a_peer_vanishes() {
    each(12, |mut pair, left, right| {
        pair.links[LEFT].is_cut = true;
        pair.links[RIGHT].is_cut = true;
        assert_eq!(pair.hosts[LEFT].write(left, b"hello?"), Ok(6));
        pair.run_for(Duration::from_secs(110));
        assert_eq!(states(&mut pair, left, right), (State::Established, State::Established));
        pair.run_for(Duration::from_secs(15));
        assert_eq!(pair.hosts[LEFT].close_reason(left), Some(CloseReason::TimedOut));
        assert_eq!(pair.hosts[RIGHT].state(right), State::Established, "silence is no reason");
        // When it is heard again, it finds nobody.
        pair.links[LEFT].is_cut = false;
        pair.links[RIGHT].is_cut = false;
        assert_eq!(pair.hosts[RIGHT].write(right, b"hello!"), Ok(6));
        pair.run_for(TICK);
        assert_eq!(pair.hosts[RIGHT].close_reason(right), Some(CloseReason::Reset));
        release(&mut pair, left, right);
    });
}

#[test]
fn simultaneous_open() {
    for kinds in KINDS {
        for family in Family::BOTH {
            let mut pair = Setup::new(13).profiles(kinds).build();
            let mut handles = [LEFT, RIGHT].map(|side| {
                let config = ConnectConfig { local_port: Some(4000), ..ConnectConfig::new() };
                let remote = SocketAddr::new(address(1 - side, family), 4000);
                let now = pair.time_of(side);
                pair.hosts[side].connect(now, remote, &config).expect("a slot")
            });
            pair.run_for(Duration::from_millis(6));
            let [left, right] = handles;
            let both = (State::SynReceived, State::SynReceived);
            assert_eq!(states(&mut pair, left, right), both);
            pair.run_for(Duration::from_secs(2));
            let both = (State::Established, State::Established);
            assert_eq!(states(&mut pair, left, right), both);
            for (side, handle) in handles.iter_mut().enumerate() {
                pair.adopt(side, *handle, Script::send(10_000));
            }
            pair.finish(MINUTE);
        }
    }
}

#[test]
fn opens_that_are_taken_back() {
    for kinds in KINDS {
        let mut pair = Setup::new(14).profiles(kinds).build();
        let listener = pair.hosts[RIGHT].listen(7, &ListenConfig::new()).expect("a free port");
        // Aborted, closed and released before there is an answer.
        for act in 0..3 {
            let handle = pair.connect(LEFT, Family::V4, 7, &ConnectConfig::new()).expect("a slot");
            pair.run_for(Duration::from_millis(2));
            match act {
                0 => pair.hosts[LEFT].abort(handle),
                1 => pair.hosts[LEFT].close(handle),
                _ => {}
            }
            if act < 2 {
                let aborted = Some(CloseReason::Aborted);
                assert_eq!(pair.hosts[LEFT].close_reason(handle), aborted);
            }
            pair.hosts[LEFT].release(handle);
            pair.run_for(Duration::from_secs(1));
        }
        assert_eq!(pair.hosts[LEFT].usage().connections, 0);
        assert_eq!(pair.hosts[RIGHT].usage().half_open, 0, "the resets have come");
        while let Ok(handle) = pair.hosts[RIGHT].accept(listener) {
            pair.hosts[RIGHT].release(handle);
        }
        pair.hosts[RIGHT].close_listener(listener);
        pair.drain();
    }
}

#[test]
fn time_wait_becomes_a_record_and_expires() {
    each(15, |mut pair, left, right| {
        pair.hosts[LEFT].close(left);
        pair.run_for(TICK);
        pair.hosts[RIGHT].close(right);
        pair.run_for(TICK);
        assert_eq!(pair.hosts[LEFT].state(left), State::TimeWait);
        pair.hosts[LEFT].release(left);
        pair.hosts[RIGHT].release(right);
        let usage = pair.hosts[LEFT].usage();
        assert_eq!((usage.connections, usage.time_wait), (0, 1));
        pair.run_for(Duration::from_secs(59));
        assert_eq!(pair.hosts[LEFT].usage().time_wait, 1);
        pair.run_for(Duration::from_secs(1));
        assert_eq!(pair.hosts[LEFT].usage().time_wait, 0);
        pair.drain();
    });
}

#[test]
fn a_lost_last_ack_is_sent_again_out_of_time_wait() {
    each(16, |mut pair, left, right| {
        pair.hosts[LEFT].close(left);
        pair.run_for(TICK);
        pair.hosts[LEFT].release(left);
        pair.links[LEFT].is_cut = true;
        pair.hosts[RIGHT].close(right);
        pair.run_for(TICK);
        assert_eq!(pair.hosts[RIGHT].state(right), State::LastAck);
        assert_eq!(pair.hosts[LEFT].usage().time_wait, 1);
        pair.links[LEFT].is_cut = false;
        pair.run_for(Duration::from_secs(2));
        assert_eq!(pair.hosts[RIGHT].close_reason(right), Some(CloseReason::Graceful));
        pair.hosts[RIGHT].release(right);
        pair.drain();
    });
}

#[test]
fn a_listener_that_goes_takes_those_who_wait_with_it() {
    for kinds in KINDS {
        let mut pair = Setup::new(17).profiles(kinds).build();
        let listener = pair.hosts[RIGHT].listen(7, &ListenConfig::new()).expect("a free port");
        let handle = pair.connect(LEFT, Family::V4, 7, &ConnectConfig::new()).expect("a slot");
        pair.run_for(TICK);
        pair.hosts[RIGHT].close_listener(listener);
        pair.run_for(TICK);
        assert_eq!(pair.hosts[LEFT].close_reason(handle), Some(CloseReason::Reset));
        pair.hosts[LEFT].release(handle);
        pair.drain();
    }
}

#[test]
fn a_full_accept_queue_lets_peers_wait() {
    for kinds in KINDS {
        let mut pair = Setup::new(18).profiles(kinds).build();
        let config = ListenConfig { backlog: 2, ..ListenConfig::new() };
        let listener = pair.hosts[RIGHT].listen(7, &config).expect("a free port");
        let handles = [(); 5]
            .map(|()| pair.connect(LEFT, Family::V4, 7, &ConnectConfig::new()).expect("a slot"));
        pair.run_for(Duration::from_secs(1));
        let mut accepted = Vec::new();
        assert!(pair.run_until(MINUTE, |pair| {
            while let Ok(handle) = pair.hosts[RIGHT].accept(listener) {
                accepted.push(handle);
            }
            accepted.len() == handles.len()
        }));
        for handle in handles {
            assert_eq!(pair.hosts[LEFT].state(handle), State::Established);
            pair.hosts[LEFT].abort(handle);
            pair.hosts[LEFT].release(handle);
        }
        pair.run_for(TICK);
        accepted.into_iter().for_each(|handle| pair.hosts[RIGHT].release(handle));
        pair.hosts[RIGHT].close_listener(listener);
        pair.drain();
    }
}
