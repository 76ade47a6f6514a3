//! SEC-36: all 256 flag bytes in all eleven states, against rules written by hand from RFC 9293
//! §3.10.7. What is expected is computed from the rules and from where a segment lies, never by
//! the stack.
//!
//! Three states are held in two ways, and each way is a column of its own: SYN-RECEIVED as a record
//! or, in a simultaneous open, as a connection; TIME-WAIT as a connection or, once its handle was
//! released, as a record. `Small` has no records (decision 0043): what is a record of its own in
//! `Full` is there a connection of which no user knows.
#![cfg(all(feature = "ipv6", feature = "udp"))]

use hikyaku::State;
use hikyaku::wire::tcp::Flags;
use hikyaku_testkit::forge::Tcp;
use hikyaku_testkit::host::Kind;
use hikyaku_testkit::lone::{Lone, Peer};
use hikyaku_testkit::pair::Family;
use hikyaku_testkit::seen::Seen;

/// A state, and how it is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Closed,
    Listen,
    SynSent,
    SynReceivedRecord,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
    TimeWaitRecord,
}
use Held::*;

const ALL: [Held; 13] = [
    Closed,
    Listen,
    SynSent,
    SynReceivedRecord,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
    TimeWaitRecord,
];
const SYN_RECEIVED: &[Held] = &[SynReceivedRecord, SynReceived];
const SYNCHRONISED: &[Held] =
    &[Established, FinWait1, FinWait2, CloseWait, Closing, LastAck, TimeWait, TimeWaitRecord];
const TIME_WAIT: &[Held] = &[TimeWait, TimeWaitRecord];
/// Where the window decides.
const OTHERWISE: &[Held] = &[
    SynReceivedRecord,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
    TimeWaitRecord,
];

/// Where SEG.SEQ lies. The segments are without text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seq {
    /// At RCV.NXT; in states without one, anywhere.
    Exact,
    /// Behind RCV.NXT and in the window.
    Inside,
    /// Far before RCV.NXT.
    Old,
    /// Far beyond the window.
    Beyond,
}

/// Where SEG.ACK lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ack {
    /// At SND.NXT: everything is acknowledged.
    All,
    /// At SND.NXT + 1.
    TooFar,
    /// Before SND.UNA − MAX.SND.WND.
    LongAgo,
}

/// What goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reply {
    Nothing,
    /// `<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>`, RCV.NXT as it was.
    Ack,
    /// Likewise, RCV.NXT having moved over the SYN and FIN of this segment.
    AckNext,
    /// `<SEQ=SEG.ACK><CTL=RST>`
    ResetAtAck,
    /// `<SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>`
    ResetAtZero,
    /// `<SEQ=ISS><ACK=SEG.SEQ+1><CTL=SYN,ACK>`
    SynAck,
}

/// The first rule whose conditions all hold says what happens.
struct Rule {
    /// Where in RFC 9293 §3.10.7 it comes from, or the decision that deviates.
    source: &'static str,
    states: &'static [Held],
    with: Flags,
    without: Flags,
    seq: &'static [Seq],
    ack: &'static [Ack],
    reply: Reply,
    /// `None`: the state stays.
    next: Option<Held>,
}

const F: Flags = Flags::FIN;
const S: Flags = Flags::SYN;
const R: Flags = Flags::RST;
const A: Flags = Flags::ACK;
const NONE: Flags = Flags::NONE;
const ANYWHERE: &[Seq] = &[Seq::Exact, Seq::Inside, Seq::Old, Seq::Beyond];
const EXACT: &[Seq] = &[Seq::Exact];
const INSIDE: &[Seq] = &[Seq::Inside];
const OUTSIDE: &[Seq] = &[Seq::Old, Seq::Beyond];
const WHATEVER: &[Ack] = &[Ack::All, Ack::TooFar, Ack::LongAgo];
const GOOD: &[Ack] = &[Ack::All];
const LONG_AGO: &[Ack] = &[Ack::LongAgo];
const BAD: &[Ack] = &[Ack::TooFar, Ack::LongAgo];

macro_rules! rules {
    ($($source:literal: $states:expr, $with:expr, $without:expr, $seq:expr, $ack:expr =>
        $reply:ident, $next:expr;)*) => {
        &[$(Rule { source: $source, states: $states, with: $with, without: $without, seq: $seq,
            ack: $ack, reply: Reply::$reply, next: $next },)*]
    };
}

// (source: states, flags set, flags clear, SEG.SEQ, SEG.ACK => reply, next state)
#[rustfmt::skip]
const RULES: &[Rule] = rules! {
    "1": &[Closed], R, NONE, ANYWHERE, WHATEVER => Nothing, None;
    "1": &[Closed], A, NONE, ANYWHERE, WHATEVER => ResetAtAck, None;
    "1": &[Closed], NONE, NONE, ANYWHERE, WHATEVER => ResetAtZero, None;

    "2, first": &[Listen], R, NONE, ANYWHERE, WHATEVER => Nothing, None;
    "2, second": &[Listen], A, NONE, ANYWHERE, WHATEVER => ResetAtAck, None;
    "2, third": &[Listen], S, NONE, ANYWHERE, WHATEVER => SynAck, Some(SynReceivedRecord);
    "2, fourth": &[Listen], NONE, NONE, ANYWHERE, WHATEVER => Nothing, None;

    "3, first": &[SynSent], A.with(R), NONE, ANYWHERE, BAD => Nothing, None;
    "3, first": &[SynSent], A, NONE, ANYWHERE, BAD => ResetAtAck, None;
    "3, second": &[SynSent], R.with(A), NONE, ANYWHERE, GOOD => Nothing, Some(Closed);
    "3, second": &[SynSent], R, NONE, ANYWHERE, WHATEVER => Nothing, None;
    "3, fourth and eighth": &[SynSent], S.with(A).with(F), NONE, ANYWHERE, GOOD => AckNext, Some(CloseWait);
    // A FIN that comes with a SYN alone is left to be sent again, as text is: decision 0006.
    "3, fourth": &[SynSent], S.with(A), NONE, ANYWHERE, GOOD => AckNext, Some(Established);
    "3, fourth": &[SynSent], S, NONE, ANYWHERE, WHATEVER => SynAck, Some(SynReceived);
    "3, fifth": &[SynSent], NONE, NONE, ANYWHERE, WHATEVER => Nothing, None;

    "4, first; RFC 5961 3.2 (1)": OTHERWISE, R, NONE, OUTSIDE, WHATEVER => Nothing, None;
    // RFC 1337 §3: a reset must not cut TIME-WAIT short.
    "RFC 1337": TIME_WAIT, R, NONE, ANYWHERE, WHATEVER => Nothing, None;
    "4, second (2)": &[SynReceivedRecord], R, NONE, EXACT, WHATEVER => Nothing, Some(Listen);
    "4, second (2)": OTHERWISE, R, NONE, EXACT, WHATEVER => Nothing, Some(Closed);
    "4, second (3)": OTHERWISE, R, NONE, INSIDE, WHATEVER => Ack, None;

    // §3.6.1, MAY-2: a newer SYN reopens TIME-WAIT only where somebody listens. Nobody does here.
    "4, first": OTHERWISE, NONE, NONE, OUTSIDE, WHATEVER => Ack, None;
    // RFC 5961 §4.2 for SYN-RECEIVED too: a SYN in the window does not undo a passive open, which
    // anybody could forge; a peer that has restarted answers the ACK with its reset.
    "4, fourth": OTHERWISE, S, NONE, ANYWHERE, WHATEVER => Ack, None;
    // Behind the peer's FIN only its ACKs at RCV.NXT are acceptable; a FIN restarts 2 MSL.
    "4, first, TIME-WAIT": TIME_WAIT, NONE, NONE, INSIDE, WHATEVER => Ack, None;
    "4, eighth, TIME-WAIT": TIME_WAIT, F, NONE, EXACT, WHATEVER => Ack, None;
    "4, fifth": OTHERWISE, NONE, A, ANYWHERE, WHATEVER => Nothing, None;
    "4, fifth, SYN-RECEIVED": SYN_RECEIVED, A, NONE, ANYWHERE, BAD => ResetAtAck, None;
    // RFC 5961 §5.2 allows a fixed MAX.SND.WND: in TIME-WAIT it is the largest.
    "4, fifth; RFC 5961 5.2": TIME_WAIT, A, NONE, ANYWHERE, LONG_AGO => Nothing, None;
    "4, fifth; RFC 5961 5.2": SYNCHRONISED, A, NONE, ANYWHERE, BAD => Ack, None;

    // RFC 5681 §4.2: a FIN ahead of what it ends is kept, and acknowledged at once.
    "4, eighth; RFC 5681 4.2": SYN_RECEIVED, A.with(F), NONE, INSIDE, GOOD => Ack, Some(Established);
    "4, eighth; RFC 5681 4.2": &[Established], A.with(F), NONE, INSIDE, GOOD => Ack, None;
    "4, eighth; RFC 5681 4.2": &[FinWait1], A.with(F), NONE, INSIDE, GOOD => Ack, Some(FinWait2);
    "4, eighth; RFC 5681 4.2": &[FinWait2], A.with(F), NONE, INSIDE, GOOD => Ack, None;
    "4, fifth and eighth": SYN_RECEIVED, A.with(F), NONE, EXACT, GOOD => AckNext, Some(CloseWait);
    "4, eighth": &[Established], A.with(F), NONE, EXACT, GOOD => AckNext, Some(CloseWait);
    "4, fifth and eighth": &[FinWait1], A.with(F), NONE, EXACT, GOOD => AckNext, Some(TimeWait);
    "4, eighth": &[FinWait2], A.with(F), NONE, EXACT, GOOD => AckNext, Some(TimeWait);
    "4, fifth": SYN_RECEIVED, A, NONE, ANYWHERE, GOOD => Nothing, Some(Established);
    "4, fifth": &[FinWait1], A, NONE, ANYWHERE, GOOD => Nothing, Some(FinWait2);
    "4, fifth": &[LastAck], A, NONE, ANYWHERE, GOOD => Nothing, Some(Closed);
    // There is no second FIN: the one at RCV.NXT is acknowledged with the number of the first.
    "4, fifth and eighth": &[Closing], A.with(F), NONE, EXACT, GOOD => Ack, Some(TimeWait);
    "4, eighth": &[CloseWait], A.with(F), NONE, EXACT, GOOD => Ack, None;
    "4, fifth": &[Closing], A, NONE, ANYWHERE, GOOD => Nothing, Some(TimeWait);
    "4, nothing else": OTHERWISE, A, NONE, ANYWHERE, GOOD => Nothing, None;
};

fn rule(state: Held, flags: Flags, seq: Seq, ack: Ack) -> &'static Rule {
    let applies = |rule: &&Rule| {
        rule.states.contains(&state)
            && flags.contains(rule.with)
            && !flags.intersects(rule.without)
            && rule.seq.contains(&seq)
            && rule.ack.contains(&ack)
    };
    RULES.iter().find(applies).expect("a rule for every segment")
}

/// A host in a state, the peer whose numbers fit, and what identifies the connection.
struct Scene {
    lone: Lone,
    peer: Peer,
}

fn scene(kind: Kind, state: Held) -> Scene {
    let mut lone = Lone::with(kind, Family::V4, |setup| {
        setup.capacity.connections = 2;
        (setup.capacity.half_open, setup.capacity.time_wait) = (2, 2);
        (setup.capacity.blocks, setup.capacity.block_size) = (16, 256);
        setup.capacity.records = 8;
    });
    let peer = match state {
        Closed | Listen => {
            // Numbers of no meaning, of a connection that is gone.
            let mut peer = lone.syn_sent(0);
            lone.host.abort(peer.handle);
            lone.host.release(peer.handle);
            if state == Listen {
                (peer.at, peer.host) = (lone.syn(0).source, lone.syn(0).destination);
            }
            peer
        }
        SynSent => lone.syn_sent(0),
        SynReceivedRecord => {
            let syn = lone.syn(0);
            let answer = lone.feed(&syn)[0];
            let mut peer = lone.syn_sent(0);
            lone.host.abort(peer.handle);
            lone.host.release(peer.handle);
            (peer.at, peer.host) = (syn.source, syn.destination);
            (peer.seq, peer.ack) = (syn.seq + 1, answer.seq + 1);
            peer
        }
        SynReceived => {
            let mut peer = lone.syn_sent(0);
            let answers = lone.feed(&peer.segment(S, b""));
            assert_eq!(answers.len(), 1);
            peer.seq = peer.seq + 1;
            peer
        }
        _ => synchronised(&mut lone, state),
    };
    lone.sent();
    Scene { lone, peer }
}

/// An established connection goes on to `state`.
fn synchronised(lone: &mut Lone, state: Held) -> Peer {
    // Nobody listens to the port of a connection that the host has opened.
    let mut peer = lone.active(0);
    let their_fin = |lone: &mut Lone, peer: &mut Peer| {
        lone.feed(&peer.segment(A.with(F), b""));
        peer.seq = peer.seq + 1;
    };
    if matches!(state, CloseWait | LastAck) {
        their_fin(lone, &mut peer);
    }
    if !matches!(state, Established | CloseWait) {
        lone.host.close(peer.handle);
        assert_eq!(lone.sent().len(), 1, "a FIN");
    }
    if state == Closing {
        their_fin(lone, &mut peer);
    }
    if !matches!(state, Established | CloseWait) {
        peer.ack = peer.ack + 1;
    }
    if matches!(state, FinWait2 | TimeWait | TimeWaitRecord) {
        lone.feed(&peer.segment(A, b""));
    }
    if matches!(state, TimeWait | TimeWaitRecord) {
        their_fin(lone, &mut peer);
    }
    if state == TimeWaitRecord {
        lone.host.release(peer.handle);
    }
    peer
}

/// How the host holds the connection now.
fn held(lone: &mut Lone, peer: &Peer, before: Held) -> Held {
    let usage = lone.host.usage();
    if usage.half_open > 0 {
        return SynReceivedRecord;
    }
    if usage.time_wait > 0 {
        return TimeWaitRecord;
    }
    if before == SynReceivedRecord && usage.connections > 0 {
        let handle = lone.accept().expect("the handshake is complete");
        return of_state(lone.host.state(handle));
    }
    if !lone.host.is_stale(peer.handle) {
        return of_state(lone.host.state(peer.handle));
    }
    if matches!(before, Listen | SynReceivedRecord) { Listen } else { Closed }
}

fn of_state(state: State) -> Held {
    match state {
        State::Closed => Closed,
        State::Listen => Listen,
        State::SynSent => SynSent,
        State::SynReceived => SynReceived,
        State::Established => Established,
        State::FinWait1 => FinWait1,
        State::FinWait2 => FinWait2,
        State::CloseWait => CloseWait,
        State::Closing => Closing,
        State::LastAck => LastAck,
        State::TimeWait => TimeWait,
    }
}

/// A segment without text and the reply to it in numbers: flags, SEG.SEQ and SEG.ACK where it has
/// one.
fn expected(reply: Reply, segment: &Tcp, peer: &Peer) -> Option<(Flags, u32, u32)> {
    let controls = u32::from(segment.flags.intersects(S)) + u32::from(segment.flags.intersects(F));
    let iss = peer.ack - 1;
    let (flags, seq, ack) = match reply {
        Reply::Nothing => return None,
        Reply::Ack => (A, peer.ack.raw(), peer.seq.raw()),
        Reply::AckNext => (A, peer.ack.raw(), (segment.seq + controls).raw()),
        Reply::ResetAtAck => (R, segment.ack.raw(), 0),
        Reply::ResetAtZero => (R.with(A), 0, (segment.seq + controls).raw()),
        Reply::SynAck => (S.with(A), iss.raw(), (segment.seq + 1).raw()),
    };
    Some((flags, seq, ack))
}

fn check(kind: Kind, state: Held, bits: u16, seq: Seq, ack: Ack) {
    let Scene { mut lone, peer } = scene(kind, state);
    assert_eq!(held(&mut lone, &peer, state), state, "the scene is as announced");
    let mut segment = peer.segment(Flags::from_bits(bits), b"");
    segment.seq = match seq {
        Seq::Exact => peer.seq,
        Seq::Inside => peer.seq + 100,
        Seq::Old => peer.seq - 1_000_000,
        Seq::Beyond => peer.seq + 1_000_000,
    };
    segment.ack = match ack {
        Ack::All => peer.ack,
        Ack::TooFar => peer.ack + 1,
        Ack::LongAgo => peer.ack - 1_000_000,
    };
    let rule = rule(state, segment.flags, seq, ack);
    let context = format!(
        "{kind:?} {state:?} {:?} {seq:?} {ack:?}, RFC 9293 §3.10.7.{}",
        segment.flags, rule.source
    );
    let answers = lone.feed(&segment);
    let got = answers.first().map(numbers);
    let mut wanted = expected(rule.reply, &segment, &peer);
    if let (Listen, Some((.., seq, _)), Some((_, iss, _))) = (state, &mut wanted, got)
        && rule.reply == Reply::SynAck
    {
        // Nobody can tell a listener's ISS beforehand.
        *seq = iss;
    }
    assert_eq!(got, wanted, "{context}");
    assert!(answers.len() <= 1, "{context}: {answers:?}");
    assert!(answers.iter().all(|answer| answer.text == 0), "{context}: {answers:?}");
    assert_eq!(held(&mut lone, &peer, state), rule.next.unwrap_or(state), "{context}");
}

fn numbers(answer: &Seen) -> (Flags, u32, u32) {
    (answer.flags, answer.seq.raw(), answer.ack.raw())
}

#[test]
fn sec_36_every_flag_byte_in_every_state() {
    for kind in [Kind::Full, Kind::Small] {
        for state in ALL {
            for bits in 0..256 {
                check(kind, state, bits, Seq::Exact, Ack::All);
            }
        }
    }
}

#[test]
fn sec_36_every_flag_byte_wherever_its_numbers_lie() {
    // What PSH, URG, ECE and CWR add is nothing, as the other test shows.
    let bits = (0..32).filter(|bits| bits & Flags::PSH.bits() == 0);
    for bits in bits {
        for state in ALL {
            for seq in [Seq::Exact, Seq::Inside, Seq::Old, Seq::Beyond] {
                for ack in [Ack::All, Ack::TooFar, Ack::LongAgo] {
                    for kind in [Kind::Full, Kind::Small] {
                        check(kind, state, bits, seq, ack);
                    }
                }
            }
        }
    }
}

#[test]
fn every_rule_is_needed() {
    let mut used = vec![false; RULES.len()];
    for state in ALL {
        for bits in 0..256 {
            for seq in [Seq::Exact, Seq::Inside, Seq::Old, Seq::Beyond] {
                for ack in [Ack::All, Ack::TooFar, Ack::LongAgo] {
                    let found = rule(state, Flags::from_bits(bits), seq, ack);
                    let at = RULES.iter().position(|rule| std::ptr::eq(rule, found));
                    used[at.expect("one of them")] = true;
                }
            }
        }
    }
    let idle: Vec<_> = (0..).zip(used).filter(|(_, used)| !used).map(|(at, _)| at).collect();
    assert_eq!(idle, [] as [usize; 0], "rules that nothing comes to");
}
