//! Handshakes and TIME-WAIT in the slots of connections, where a profile has no records (decision
//! 0043): what the user hears of them. What goes out is in `scripts/setup/slots.hkt`.
#![cfg(all(feature = "ipv6", feature = "udp"))]

use hikyaku::time::Duration;
use hikyaku::wire::tcp::Flags;
use hikyaku::{Handle, ListenConfig, Readiness, State, TcpHandle};
use hikyaku_testkit::forge::Tcp;
use hikyaku_testkit::host::Kind;
use hikyaku_testkit::lone::Lone;
use hikyaku_testkit::pair::Family;
use hikyaku_testkit::seen::Seen;

const ACK: Flags = Flags::ACK;

/// A host with so many slots, for each family.
fn each(slots: usize, act: impl Fn(&mut Lone)) {
    for family in Family::BOTH {
        act(&mut Lone::with(Kind::Small, family, |setup| {
            setup.capacity.connections = slots;
            (setup.capacity.half_open, setup.capacity.time_wait) = (0, 0);
        }));
    }
}

fn ack_of(syn: &Tcp, answer: &Seen) -> Tcp {
    let (seq, ack) = (syn.seq + 1, answer.seq + 1);
    Tcp { seq, ack, flags: ACK, options: Vec::new(), ..syn.clone() }
}

/// Connections, handshakes, TIME-WAIT.
fn slots(lone: &Lone) -> (usize, usize, usize) {
    let usage = lone.host.usage();
    (usage.connections, usage.half_open, usage.time_wait)
}

fn let_go(lone: &mut Lone, handle: TcpHandle) {
    lone.host.abort(handle);
    lone.host.release(handle);
    lone.sent();
}

#[test]
fn nobody_hears_of_a_handshake_before_it_is_complete() {
    each(2, |lone| {
        let syn = lone.syn(0);
        let answer = lone.feed(&syn)[0];
        // Neither of what comes in between nor of four repetitions in vain (R1).
        for seq in [syn.seq + 2, syn.seq - 99] {
            lone.feed(&Tcp { seq, flags: Flags::RST, ..ack_of(&syn, &answer) });
        }
        lone.feed(&Tcp { ack: answer.seq, ..ack_of(&syn, &answer) });
        assert_eq!(lone.pass(Duration::from_secs(20)).len(), 4, "SYN-ACKs");
        assert_eq!(lone.host.next_event(), None);
        assert_eq!(lone.host.counters().unanswered, 0);
        assert!(lone.accept().is_none());
        assert_eq!(slots(lone), (0, 1, 0));
        lone.feed(&ack_of(&syn, &answer));
        assert_eq!(slots(lone), (1, 0, 0));
        let Some((Handle::Listener(_), Readiness::ACCEPTABLE)) = lone.host.next_event() else {
            panic!("the listener has news");
        };
        assert_eq!(lone.host.next_event(), None, "nobody's news until it is accepted");
        let handle = lone.accept().expect("a connection");
        let news = (Handle::Tcp(handle), Readiness::CONNECTED | Readiness::WRITABLE);
        assert_eq!(lone.host.next_event(), Some(news));
        assert_eq!(lone.host.next_event(), None);
        let_go(lone, handle);
    });
}

#[test]
fn nobody_hears_of_a_handshake_that_ends() {
    each(2, |lone| {
        let [reset, silent] = [lone.syn(0), lone.syn(1)];
        let answers = [&reset, &silent].map(|syn| lone.feed(syn)[0]);
        assert_eq!(slots(lone), (0, 2, 0));
        let peers = ack_of(&reset, &answers[0]);
        assert!(lone.feed(&Tcp { flags: Flags::RST, ..peers }).is_empty());
        assert_eq!(slots(lone), (0, 1, 0));
        lone.pass(Duration::from_secs(63));
        assert_eq!(slots(lone), (0, 0, 0));
        assert_eq!(lone.host.next_event(), None);
        assert!(lone.accept().is_none());
        assert_eq!(lone.host.counters().passive_opens, 0);
        // Both slots can be used again.
        for number in 2..4 {
            let peer = lone.passive(number);
            assert_eq!(lone.host.state(peer.handle), State::Established);
            if number == 3 {
                let_go(lone, peer.handle);
            }
        }
    });
}

#[test]
fn as_many_wait_as_the_backlog_says_however_many_have_begun() {
    each(6, |lone| {
        let config = ListenConfig { backlog: 2, ..ListenConfig::new() };
        let listener = lone.host.listen(9, &config).expect("a port");
        let acks: Vec<_> = (0..5)
            .map(|number| {
                let mut syn = lone.syn(number);
                syn.destination.set_port(9);
                let answer = lone.feed(&syn)[0];
                ack_of(&syn, &answer)
            })
            .collect();
        assert_eq!(slots(lone), (0, 5, 0));
        for ack in &acks {
            assert!(lone.feed(ack).is_empty(), "no reset");
        }
        assert_eq!(slots(lone), (2, 3, 0));
        // A reset is heard though the queue is full.
        lone.feed(&Tcp { flags: Flags::RST | ACK, ..acks[4].clone() });
        assert_eq!(slots(lone), (2, 2, 0));
        let first = lone.host.accept(listener).expect("one waits");
        // The SYN-ACKs come again, and so do the answers to them: one more finds a place.
        assert_eq!(lone.pass(Duration::from_secs(1)).len(), 2);
        for ack in &acks[2..4] {
            lone.feed(ack);
        }
        assert_eq!(slots(lone), (3, 1, 0));
        // The listener goes: who waits is reset, who has only begun when he answers.
        lone.host.close_listener(listener);
        assert_eq!(lone.sent().len(), 2);
        assert_eq!(slots(lone), (1, 1, 0));
        assert!(lone.feed(&acks[3])[0].has(Flags::RST));
        assert_eq!(slots(lone), (1, 0, 0));
        let_go(lone, first);
    });
}
