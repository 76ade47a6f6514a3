//! Seeds of the target `stack`: for each security case of whole stacks a few steps that lead into
//! it. What must come of them is in `core/tests/security_abuse.rs` and `flags.rs`.

use std::net::{IpAddr, SocketAddr};

use hikyaku::wire::tcp::Flags;

use super::seeds::Seed;
use super::stack::{
    CALL, CLOSING, ERROR, FLOODED, NEW, OFFSETS, OPEN, OPTIONS, ORPHANS, OVERCOMMIT, PASS, PORT,
    RAW, SEGMENT, SERVER, SMALL, STAMP, STAMPS, TINY, UDP_PORT, URGENT, V6, WAKE, call,
};
use crate::forge::{self, Tcp};
use crate::pair::{Family, LEFT, RIGHT, address};

const A: Flags = Flags::ACK;
const S: Flags = Flags::SYN;
const R: Flags = Flags::RST;
const F: Flags = Flags::FIN;
const U: Flags = Flags::URG;

/// An input in the making.
struct Script(Vec<u8>);

impl Script {
    fn new(choices: u8) -> Self {
        Self(vec![choices])
    }

    fn raw(mut self, packet: &[u8]) -> Self {
        self.0.push(RAW);
        self.0.extend_from_slice(&(packet.len() as u16).to_be_bytes());
        self.0.extend_from_slice(packet);
        self
    }

    /// SEG.SEQ and SEG.ACK by how far they are off; `quads` times four octets of text.
    fn segment(mut self, peer: u8, flags: Flags, off: [u32; 2], window: u16, quads: u8) -> Self {
        let index = |offset| OFFSETS.iter().position(|one| *one == offset).expect("listed");
        let [seq, ack] = off.map(|offset| index(offset) as u8);
        self.0.extend_from_slice(&[SEGMENT, peer, flags.bits() as u8, seq, ack]);
        self.0.extend_from_slice(&window.to_be_bytes());
        self.0.push(quads);
        self
    }

    /// With the right numbers and a wide window.
    fn honest(self, peer: u8, flags: Flags, quads: u8) -> Self {
        self.segment(peer, flags, [0, 0], 65_535, quads)
    }

    fn call(mut self, peer: u8, what: u8, amount: u8) -> Self {
        self.0.extend_from_slice(&[CALL, peer, what, amount]);
        self
    }

    /// Two to the power of this many microseconds.
    fn pass(mut self, exponent: u8) -> Self {
        self.0.extend_from_slice(&[PASS, exponent]);
        self
    }

    /// The peer's stamps lie so far from its clock from now on.
    fn stamp(mut self, peer: u8, off: Option<u32>) -> Self {
        let how = STAMPS.iter().position(|one| *one == off).expect("listed");
        self.0.extend_from_slice(&[STAMP, peer, how as u8]);
        self
    }

    fn urgent(mut self, peer: u8, pointer: u16) -> Self {
        self.0.extend_from_slice(&[URGENT, peer]);
        self.0.extend_from_slice(&pointer.to_be_bytes());
        self
    }

    /// An ICMP error about what was sent to a peer.
    fn error(mut self, peer: u8, kind: u8, off: u32) -> Self {
        let at = OFFSETS.iter().position(|one| *one == off).expect("listed");
        self.0.extend_from_slice(&[ERROR, peer, kind, at as u8]);
        self
    }

    fn wake(mut self, times: usize) -> Self {
        self.0.extend(vec![WAKE; times]);
        self
    }

    fn seed(self, name: &str) -> Seed {
        Seed { target: "stack", name: name.to_string(), bytes: self.0 }
    }
}

/// Every seed of the target.
pub(super) fn all() -> Vec<Seed> {
    let mut seeds = good();
    seeds.extend(addresses());
    seeds.extend(flags());
    seeds.extend(injections());
    seeds.extend(windows());
    seeds.extend(the_rest());
    seeds.extend(errors());
    seeds.extend(floods());
    seeds.extend(options());
    seeds.extend(lies());
    seeds.extend(time());
    seeds
}

/// Text behind a hole and then before it, and as much back, until both rings of a connection in
/// `Tiny` have come round.
fn around(script: Script) -> Script {
    (0..4).fold(script, |script, _| {
        script
            .segment(OPEN, A, [100, 0], 9999, 100)
            .honest(OPEN, A, 100)
            .call(OPEN, call::READ, 255)
            .call(OPEN, call::WRITE, 200)
            .honest(OPEN, A, 0)
    })
}

fn good() -> Vec<Seed> {
    let stream = |choices| {
        Script::new(choices)
            .honest(OPEN, A, 30)
            .call(OPEN, call::READ, 255)
            .call(OPEN, call::WRITE, 255)
            .honest(OPEN, A, 0)
            .wake(2)
            .honest(OPEN, A, 0)
            .call(OPEN, call::CLOSE, 0)
            .honest(OPEN, A.with(F), 1)
            .call(OPEN, call::READ, 255)
            .call(OPEN, call::RELEASE, 0)
            .wake(1)
    };
    let us = address(RIGHT, Family::V4);
    let from = SocketAddr::new(address(LEFT, Family::V4), 9);
    let datagram = forge::udp(from, SocketAddr::new(us, UDP_PORT), 12, b"data");
    vec![
        stream(0).seed("stream"),
        stream(SMALL).seed("stream-small"),
        stream(TINY).seed("stream-tiny"),
        stream(V6 | ORPHANS).seed("stream-v6"),
        stream(OVERCOMMIT).seed("stream-overcommit"),
        Script::new(0).raw(&datagram).call(OPEN, call::RECV_FROM, 0).seed("datagram"),
        Script::new(0).raw(&forge::ping(from.ip(), us, b"hello")).seed("ping"),
        Script::new(SMALL)
            .call(SERVER, call::CONNECT, 0)
            .honest(SERVER, S.with(A), 0)
            .call(SERVER, call::WRITE, 9)
            .honest(SERVER, A.with(F), 2)
            .seed("connect"),
        Script::new(0)
            .honest(NEW, S, 0)
            .honest(NEW, A, 0)
            .call(NEW, call::ACCEPT, 0)
            .call(NEW, call::ABORT, 0)
            .seed("accept"),
        Script::new(0).honest(CLOSING, A, 0).honest(CLOSING, A.with(F), 3).wake(1).seed("close"),
        Script::new(TINY | FLOODED)
            .honest(CLOSING, R, 0)
            .call(CLOSING, call::RELEASE, 0)
            .honest(NEW, S, 0)
            .honest(NEW, A, 0)
            .call(NEW, call::ACCEPT, 0)
            .seed("slots-for-handshakes"),
        around(Script::new(TINY)).seed("ring"),
        around(Script::new(TINY | V6 | OVERCOMMIT)).seed("ring-overcommit"),
    ]
}

fn syn(source: IpAddr, destination: IpAddr) -> Vec<u8> {
    let (from, to) = (SocketAddr::new(source, 5000), SocketAddr::new(destination, PORT));
    Tcp::syn(from, to, 1).packet()
}

fn addresses() -> Vec<Seed> {
    let [us, them] = [RIGHT, LEFT].map(|side| address(side, Family::V4));
    let [us6, them6] = [RIGHT, LEFT].map(|side| address(side, Family::V6));
    let at = |text: &str| text.parse::<IpAddr>().expect("an address");
    let script = || Script::new(0);
    let mut bad_sum = forge::ping(them, us, b"damaged");
    bad_sum[22] ^= 1;
    vec![
        script().raw(&syn(us, us)).raw(&syn(us6, us6)).seed("SEC-07-land"),
        script()
            .raw(&syn(at("127.0.0.1"), us))
            .raw(&syn(at("::1"), us6))
            .raw(&syn(at("224.0.0.1"), us))
            .raw(&syn(at("255.255.255.255"), us))
            .seed("SEC-07-bad-sources"),
        script().raw(&syn(at("0.0.0.0"), us)).raw(&syn(at("::"), us6)).seed("SEC-08-unspecified"),
        script()
            .raw(&syn(them, at("10.0.0.255")))
            .raw(&syn(them, at("224.0.0.1")))
            .raw(&syn(them6, at("ff02::1")))
            .seed("SEC-09-syn-to-everybody"),
        script()
            .raw(&bad_sum)
            .raw(&forge::ping(them, at("10.0.0.255"), b"all"))
            .raw(&forge::ping(them, us, &[7; 64]))
            .seed("SEC-22-echo"),
        script().raw(&forge::ping(them6, us6, &[7; 1453])).wake(1).seed("SEC-22-echo-beyond-mtu"),
        cut_and_oversize(script(), them, us),
    ]
}

/// What a device may make of packets: cut short, with octets behind them, beyond the MTU.
fn cut_and_oversize(script: Script, them: IpAddr, us: IpAddr) -> Seed {
    let (syn, ping) = (syn(them, us), forge::ping(them, us, &[7; 64]));
    let cut = [0, 1, 19, 20, 39].iter().fold(script, |script, len| script.raw(&syn[..*len]));
    cut.raw(&ping[..ping.len() - 1])
        .raw(&[&ping[..], &[0xa5; 1500]].concat())
        .raw(&forge::ping(them, us, &[7; 1600]))
        .wake(1)
        .seed("SEC-79-cut-and-oversize")
}

fn flags() -> Vec<Seed> {
    let sweep = |peer, choices| {
        (0..32).fold(Script::new(choices), |script, bits| {
            script.honest(peer, Flags::from_bits(bits), 0)
        })
    };
    vec![
        sweep(OPEN, 0).seed("SEC-36-flags-open"),
        sweep(CLOSING, SMALL).seed("SEC-36-flags-closing"),
        sweep(NEW, 0).seed("SEC-36-flags-listen"),
        sweep(SERVER, SMALL).seed("SEC-36-flags-closed"),
    ]
}

fn injections() -> Vec<Seed> {
    let last = u32::MAX;
    let script = || Script::new(0);
    vec![
        [last, 1, 100, 65_535, 0]
            .into_iter()
            .fold(script(), |script, seq| script.segment(OPEN, R, [seq, 0], 0, 0))
            .seed("SEC-40-resets"),
        [0, 1, last, 1 << 30, 0x8000_0000]
            .into_iter()
            .fold(script(), |script, seq| script.segment(OPEN, S, [seq, 0], 9, 1))
            .seed("SEC-41-syns"),
        [1, 0x7fff_ffff, 0x8000_0000, 0x8000_0001]
            .into_iter()
            .fold(script(), |script, ack| script.segment(OPEN, A, [0, ack], 9, 4))
            .seed("SEC-42-acks"),
        script()
            .honest(NEW, R, 0)
            .honest(NEW, A, 0)
            .honest(NEW, S, 0)
            .segment(NEW, R, [1, 0], 0, 0)
            .honest(NEW, R, 0)
            .honest(NEW, S, 0)
            .seed("SEC-49-listen"),
        Script::new(SMALL)
            .call(SERVER, call::CONNECT, 0)
            .segment(SERVER, S.with(A), [0, u32::MAX], 9, 0)
            .segment(SERVER, S.with(A), [0, 1], 9, 0)
            .honest(NEW, S, 0)
            .segment(NEW, A, [0, u32::MAX], 9, 0)
            .seed("SEC-64-off-by-one"),
        script()
            .honest(NEW, S.with(F), 5)
            .honest(NEW, A, 5)
            .call(NEW, call::ACCEPT, 0)
            .call(NEW, call::READ, 9)
            .seed("SEC-65-syn-with-text-and-fin"),
    ]
}

fn windows() -> Vec<Seed> {
    let script = || Script::new(0);
    let narrow = |script: Script, window| script.segment(OPEN, A, [0, 0], window, 0);
    vec![
        narrow(narrow(script(), 0).call(OPEN, call::WRITE, 99).wake(9), 0)
            .wake(20)
            .seed("SEC-55-zero-window-for-ever"),
        [1, 2, 3, 100, 0, 1]
            .into_iter()
            .fold(script().call(OPEN, call::WRITE, 255), |script, window| {
                narrow(script, window).pass(18)
            })
            .seed("SEC-56-crumbs"),
        (0..9)
            .fold(script().honest(OPEN, A, 200), |script, _| script.call(OPEN, call::READ, 1))
            .seed("SEC-56-slow-reader"),
        [700, 10, 0, 65_535]
            .into_iter()
            .fold(script().call(OPEN, call::WRITE, 255), |script, window| {
                script.segment(OPEN, A, [0, u32::MAX - 599], window, 0).wake(3)
            })
            .seed("SEC-62-shrinking-window"),
        [600, 100, u32::MAX - 9, 2047, 0]
            .into_iter()
            .fold(Script::new(OVERCOMMIT), |script, seq| {
                script.segment(OPEN, A, [seq, 0], 9, 200).call(OPEN, call::READ, 50)
            })
            .seed("SEC-63-across-the-edges"),
    ]
}

fn the_rest() -> Vec<Seed> {
    let reordered = (0..8).fold(Script::new(SMALL), |script, _| {
        script.segment(OPEN, A, [100, 0], 9999, 25).honest(OPEN, A, 25).call(OPEN, call::READ, 255)
    });
    vec![
        (0..12)
            .fold(Script::new(0), |script, _| {
                script.honest(OPEN, A, 25).call(OPEN, call::READ, 255)
            })
            .seed("SEC-70-wrap"),
        Script::new(ORPHANS)
            .call(OPEN, call::WRITE, 9)
            .wake(9)
            .call(SERVER, call::CONNECT, 0)
            .wake(9)
            .pass(35)
            .seed("SEC-73-deadlines"),
        (0..6)
            .fold(Script::new(OVERCOMMIT), |script, _| {
                script.honest(NEW, S, 0).honest(SERVER, S, 0).honest(NEW, A, 255)
            })
            .seed("SEC-75-exhausted-pools"),
        reordered.seed("SEC-75-queue-wrap"),
        Script::new(0)
            .call(OPEN, call::CLOSE, 0)
            .call(OPEN, call::CLOSE, 0)
            .call(OPEN, call::WRITE, 9)
            .call(OPEN, call::ABORT, 0)
            .call(OPEN, call::ABORT, 0)
            .call(OPEN, call::READ, 9)
            .call(OPEN, call::RELEASE, 0)
            .call(OPEN, call::WRITE, 9)
            .seed("SEC-76-calls-out-of-order"),
    ]
}

/// ICMP errors that quote a segment of ours, whole, cut and with a damaged header.
fn errors() -> Vec<Seed> {
    let [us, them] = [RIGHT, LEFT].map(|side| address(side, Family::V4));
    let mut quote = Tcp::syn(SocketAddr::new(us, PORT), SocketAddr::new(them, 5000), 1).packet();
    let error = |kind: [u8; 2], quote: &[u8]| {
        let message = [&kind[..], &[0; 6], quote].concat();
        forge::icmp(them, us, &message)
    };
    let whole = Script::new(0).raw(&error([3, 3], &quote)).raw(&error([11, 0], &quote[..28]));
    let quench = Script::new(SMALL).raw(&error([4, 0], &quote)).seed("SEC-27-source-quench");
    let cut = Script::new(0).raw(&error([3, 3], &quote[..24])).raw(&error([3, 1], &quote[..7]));
    quote[0] = 0x4f;
    let damaged = cut.raw(&error([12, 0], &quote)).seed("SEC-24-damaged-quotes");
    let nobody = forge::udp(SocketAddr::new(them, 9), SocketAddr::new(us, 9999), 12, b"data");
    let about = (0..3).fold(Script::new(0), |script, _| {
        script.raw(&error([3, 3], &nobody)).raw(&error([11, 0], &error([3, 3], &nobody)))
    });
    let flood = (0..9).fold(about, |script, _| script.raw(&nobody)).seed("SEC-23-errors");
    vec![whole.seed("SEC-25-errors"), quench, damaged, flood]
}

fn floods() -> Vec<Seed> {
    let [us, them] = [RIGHT, LEFT].map(|side| address(side, Family::V4));
    let from = |port| Tcp::syn(SocketAddr::new(them, port), SocketAddr::new(us, PORT), 7);
    let flood = (6000..6004).fold(Script::new(0), |script, port| script.raw(&from(port).packet()));
    let mut forged = from(6003);
    (forged.flags, forged.seq) = (A, forged.seq + 1);
    let strays = (0..12).fold(Script::new(0), |script, _| {
        script.segment(OPEN, A, [1 << 30, 0], 9, 0).segment(OPEN, A, [0x8000_0001, 0], 9, 0)
    });
    vec![
        Script(flood.0.clone()).honest(OPEN, A, 3).wake(2).seed("SEC-50-flood"),
        flood.raw(&forged.packet()).call(NEW, call::ACCEPT, 0).seed("SEC-51-forged-cookie"),
        strays.honest(OPEN, A, 3).seed("SEC-44-strays"),
    ]
}

fn options() -> Vec<Seed> {
    let agreed = || Script::new(OPTIONS);
    let holes = |script: Script| {
        [100, 600, 10, 0]
            .into_iter()
            .fold(script, |script, seq| script.segment(OPEN, A, [seq, 0], 9999, 10))
    };
    let stamped = [u32::MAX, u32::MAX - 4999, 5000, 0x7fff_ffff, 0x8000_0000, 0];
    let stamps = stamped.into_iter().fold(agreed(), |script, off| {
        script.stamp(OPEN, Some(off)).segment(OPEN, A, [0, 100], 9, 4).honest(OPEN, A, 4)
    });
    let pointers = [0, 1, 40, 41, 65_535].into_iter().fold(Script::new(0), |script, pointer| {
        let script = script.urgent(OPEN, pointer).honest(OPEN, A.with(U), 10);
        script.segment(OPEN, A.with(U), [u32::MAX, 0], 9, 0).call(OPEN, call::URGENT, 0)
    });
    vec![
        holes(agreed()).segment(OPEN, A, [u32::MAX - 99, 0], 9, 20).seed("blocks"),
        holes(Script::new(OPTIONS | OVERCOMMIT | V6))
            .segment(OPEN, A.with(F), [2047, 0], 9, 9)
            .segment(OPEN, A.with(F), [600, 0], 9, 9)
            .honest(OPEN, A, 255)
            .seed("blocks-and-fin"),
        (0..3)
            .fold(agreed().segment(CLOSING, A.with(F), [1, 0], 9, 0), |script, _| {
                script.segment(CLOSING, A.with(F), [u32::MAX - 99, u32::MAX - 99], 9, 25)
            })
            .seed("blocks-and-two-fins"),
        agreed()
            .call(OPEN, call::WRITE, 20)
            .call(OPEN, call::MARK_URGENT, 0)
            .honest(OPEN, A, 0)
            .call(OPEN, call::WRITE, 20)
            .wake(3)
            .seed("urgent"),
        Script::new(OPTIONS | FLOODED)
            .honest(NEW, S, 0)
            .honest(NEW, A, 3)
            .call(NEW, call::ACCEPT, 0)
            .call(NEW, call::WRITE, 9)
            .honest(NEW, A.with(F), 0)
            .seed("cookie"),
        Script::new(FLOODED).honest(SERVER, S, 0).honest(SERVER, A, 3).seed("cookie-plain"),
        pointers.call(OPEN, call::READ, 255).seed("SEC-35-pointers"),
        stamps
            .stamp(OPEN, None)
            .honest(OPEN, A, 4)
            .pass(41)
            .stamp(OPEN, Some(u32::MAX - 4999))
            .honest(OPEN, A, 4)
            .honest(OPEN, R, 0)
            .seed("SEC-47-stamps"),
    ]
}

/// Peers, and somebody on the way, that say what is not so.
fn lies() -> Vec<Seed> {
    let script = || Script::new(0);
    let flight = |script: Script| script.call(OPEN, call::WRITE, 255);
    let many = |script: Script, times, act: fn(Script) -> Script| {
        (0..times).fold(script, |script, _| act(script))
    };
    let wait = |script: Script| {
        script.honest(CLOSING, A, 0).honest(CLOSING, A.with(F), 1).call(CLOSING, call::RELEASE, 0)
    };
    vec![
        [u32::MAX, u32::MAX - 599, 0]
            .into_iter()
            .fold(flight(script()), |script, off| script.error(OPEN, 5, off))
            .wake(2)
            .seed("SEC-26-too-big"),
        many(script(), 10, |script| script.segment(OPEN, R, [1, 0], 9, 0))
            .segment(CLOSING, R, [1, 0], 9, 0)
            .segment(CLOSING, S, [1, 0], 9, 0)
            .seed("SEC-43-challenges"),
        many(script(), 5, |script| script.honest(NEW, S, 0).pass(12).honest(NEW, R, 0))
            .seed("SEC-45-sequence-numbers"),
        many(Script::new(OPTIONS), 3, |script| {
            let script = script.call(SERVER, call::CONNECT, 0).honest(SERVER, S.with(A), 0);
            script.call(SERVER, call::ABORT, 0).call(SERVER, call::RELEASE, 0).pass(10)
        })
        .seed("SEC-46-ports"),
        wait(Script::new(OPTIONS))
            .honest(CLOSING, R, 0)
            .segment(CLOSING, A, [u32::MAX - 9, 0], 9, 2)
            .segment(CLOSING, S, [u32::MAX - 9, 0], 9, 0)
            .segment(CLOSING, S, [10, 0], 9, 0)
            .honest(CLOSING, A, 0)
            .seed("SEC-48-time-wait"),
        many(Script::new(FLOODED | OPTIONS), 3, |script| {
            let script = script.honest(NEW, S, 0).honest(SERVER, S, 0);
            script.honest(NEW, A, 3).honest(SERVER, A, 3)
        })
        .call(NEW, call::ACCEPT, 0)
        .seed("SEC-52-accept-queue"),
        [1, 100, 65_535, 1 << 30, 0x7fff_ffff]
            .into_iter()
            .fold(flight(script()), |script, ack| script.segment(OPEN, A, [0, ack], 9, 0))
            .seed("SEC-60-optimistic"),
        many(flight(flight(script())), 20, |script| {
            script.segment(OPEN, A, [0, u32::MAX - 599], 65_535, 0)
        })
        .honest(OPEN, A, 0)
        .seed("SEC-61-duplicates"),
    ]
}

fn time() -> Vec<Seed> {
    let script = || Script::new(0);
    let text = |script: Script| script.honest(OPEN, A, 5).call(OPEN, call::WRITE, 5);
    vec![
        Script::new(ORPHANS)
            .honest(CLOSING, A, 0)
            .call(CLOSING, call::RELEASE, 0)
            .honest(OPEN, A.with(F), 0)
            .call(OPEN, call::CLOSE, 0)
            .wake(12)
            .pass(28)
            .seed("SEC-57-vanished"),
        text(Script::new(SMALL))
            .call(SERVER, call::CONNECT, 0)
            .wake(20)
            .call(OPEN, call::RELEASE, 0)
            .seed("SEC-59-silence"),
        (0..8)
            .fold(Script::new(OPTIONS), |script, _| {
                script.honest(OPEN, A, 120).call(OPEN, call::READ, 255).pass(20)
            })
            .seed("SEC-71-wrap"),
        [32, 34, 36, 41, 41]
            .into_iter()
            .fold(Script::new(OPTIONS), |script, span| {
                text(script.pass(span)).wake(1).honest(OPEN, A, 0)
            })
            .seed("SEC-72-jumps"),
        [0, 1, 22, 26]
            .into_iter()
            .fold(script(), |script, span| {
                script.call(OPEN, call::WRITE, 1).pass(span).honest(OPEN, A, 0)
            })
            .wake(5)
            .seed("SEC-74-round-trips"),
        (0..3)
            .fold(Script::new(OPTIONS), |script, _| {
                script
                    .call(OPEN, call::WRITE, 100)
                    .segment(OPEN, A, [100, 0], 9999, 25)
                    .wake(3)
                    .honest(OPEN, A, 25)
            })
            .call(OPEN, call::CLOSE, 0)
            .honest(OPEN, A.with(F), 0)
            .seed("SEC-77-loss"),
    ]
}
