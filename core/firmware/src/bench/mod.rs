//! Counts the instructions that a stack needs for a segment, on virtual time.
//!
//! A peer inside the image feeds the stack frames and looks at what it answers; a figure counts
//! only what the stack does with a frame or a call, nothing of the peer. Two runs under QEMU's
//! `-icount shift=3` print the same bytes. Both stacks that are measured here do the same work:
//! one connection, 2 × 2048 octets of buffers, all checksums, an ACK for every segment.

mod counter;
mod peer;

use cortex_m_semihosting::{debug, hprintln};

pub use counter::Counter;
use peer::{Answer, Peer};
pub use peer::{IP_OURS, IP_PEER, MAC_OURS, MAC_PEER, PORT, PREFIX, Room, Wire};

/// Octets of a segment's text: a full one, the smallest that all hosts take, and small ones.
const SIZES: [usize; 4] = [1460, 536, 64, 1];

/// How often each thing is done. The figures are means.
const TIMES: u32 = 32;

/// Virtual time between two steps, ms.
const STEP: u64 = 1;

/// A stack with one listener at [`PORT`], and at most one connection.
pub trait Subject {
    /// Takes what is on the wire and sends what is due.
    fn poll(&mut self, now_ms: u64, wire: &mut Wire);

    /// The connection is established.
    fn on_established(&mut self);

    /// Reads from the connection.
    fn read(&mut self, buffer: &mut [u8]) -> usize;

    /// Writes to the connection.
    fn write(&mut self, octets: &[u8]) -> usize;
}

/// What begins on the boundary of a word, whatever the compiler does: it matters to copying.
#[repr(align(4))]
struct Aligned<T>(T);

/// What is counted is called through functions that are not inlined here, for all stacks alike.
#[inline(never)]
fn poll<S: Subject>(subject: &mut S, now: u64, wire: &mut Wire) {
    subject.poll(now, wire);
}

#[inline(never)]
fn read<S: Subject>(subject: &mut S, buffer: &mut [u8]) -> usize {
    subject.read(buffer)
}

#[inline(never)]
fn write<S: Subject>(subject: &mut S, octets: &[u8]) -> usize {
    subject.write(octets)
}

struct Bench<S> {
    subject: S,
    counter: Counter,
    wire: Wire,
    peer: Peer,
    now: u64,
    /// What is read. Nothing clears it where that would be counted.
    buffer: Aligned<[u8; 1460]>,
}

/// Measures a stack, prints a line for each figure and ends the emulation.
///
/// `ethernet` says whether the stack resolves neighbours itself.
pub fn run<S: Subject>(subject: S, ethernet: bool) -> ! {
    let Some(counter) = Counter::new() else { fail("the counter is taken") };
    let (wire, peer) = (Wire::EMPTY, Peer::new());
    let mut bench = Bench { subject, counter, wire, peer, now: 1_000, buffer: Aligned([0; 1460]) };
    if ethernet {
        bench.arp();
    }
    bench.handshake();
    bench.data_in();
    bench.data_out();
    bench.idle();
    debug::exit(debug::EXIT_SUCCESS);
    loop {}
}

/// Ends the emulation with a reason.
pub fn fail(reason: &str) -> ! {
    hprintln!("failed: {}", reason);
    debug::exit(debug::EXIT_FAILURE);
    loop {}
}

impl<S: Subject> Bench<S> {
    /// Lets the stack work on what is on the wire; how many instructions it took.
    fn poll(&mut self) -> u32 {
        self.now += STEP;
        let now = self.now;
        let (subject, wire) = (&mut self.subject, &mut self.wire);
        self.counter.count(|| poll(subject, now, wire)).0
    }

    /// Polls until the stack has nothing to say. What is due only after a while is not said.
    fn settle(&mut self) {
        loop {
            let sent = self.wire.sent;
            self.poll();
            if self.wire.sent == sent {
                return;
            }
            self.answer();
        }
    }

    fn answer(&mut self) -> Answer {
        match self.peer.on_frame(self.wire.output()) {
            Some(answer) => answer,
            None => fail("a frame of the stack is wrong"),
        }
    }

    /// The one frame that the last poll sent.
    fn one_answer(&mut self, before: u32) -> Answer {
        if self.wire.sent != before + 1 {
            fail("not one frame was sent");
        }
        self.answer()
    }

    fn arp(&mut self) {
        let mut total = 0;
        for _ in 0..TIMES {
            let before = self.wire.sent;
            self.peer.arp_request(&mut self.wire);
            total += self.poll();
            if self.one_answer(before) != Answer::Arp {
                fail("no ARP reply");
            }
        }
        row("ARP request to reply", None, total);
    }

    fn handshake(&mut self) {
        let before = self.wire.sent;
        self.peer.syn(&mut self.wire);
        let count = self.poll();
        if !matches!(self.one_answer(before), Answer::SynAck) {
            fail("no SYN-ACK");
        }
        row("SYN to SYN-ACK", None, count * TIMES);
        self.peer.ack(&mut self.wire);
        self.poll();
        self.subject.on_established();
        self.settle();
    }

    fn data_in(&mut self) {
        // The first window may be smaller than the one that follows.
        self.one_segment_in(64);
        for size in SIZES {
            let (mut taken, mut reads) = (0, 0);
            for _ in 0..TIMES {
                let counts = self.one_segment_in(size);
                taken += counts.0;
                reads += counts.1;
            }
            row("data in and ACK out", Some(size), taken);
            row("read", Some(size), reads);
        }
    }

    /// What a segment of text costs until its ACK is out, and until it is read.
    fn one_segment_in(&mut self, size: usize) -> (u32, u32) {
        if self.peer.window < size {
            fail("the window does not take a segment");
        }
        let before = self.wire.sent;
        let expected = self.peer.data(size, &mut self.wire);
        let taken = self.poll();
        let mut answer = self.one_answer(before);
        if answer == Answer::Asks {
            // Before its first segment to a neighbour that it has not asked yet.
            let before = self.wire.sent;
            self.peer.arp_reply(&mut self.wire);
            self.poll();
            answer = self.one_answer(before);
        }
        if answer != Answer::Ack(expected) {
            fail("the ACK is not that of the segment");
        }
        let (subject, buffer) = (&mut self.subject, &mut self.buffer.0[..size]);
        let (read, len) = self.counter.count(|| read(subject, buffer));
        if len != size || !self.peer.is_data(&self.buffer.0[..size]) {
            fail("not what was sent is read");
        }
        // What tells of the larger window, if anything.
        self.settle();
        (taken, read)
    }

    fn data_out(&mut self) {
        let Aligned(data) = Aligned([0x5a; 1460]);
        let mut acks = 0;
        for size in SIZES {
            let (mut writes, mut sent) = (0, 0);
            for _ in 0..TIMES {
                let before = self.wire.sent;
                let subject = &mut self.subject;
                let (count, len) = self.counter.count(|| write(subject, &data[..size]));
                if len != size {
                    fail("not all is written");
                }
                writes += count;
                sent += self.poll();
                if self.one_answer(before) != Answer::Data(size) {
                    fail("the segment does not hold what was written");
                }
                self.peer.ack(&mut self.wire);
                acks += self.poll();
                self.settle();
            }
            row("write", Some(size), writes);
            row("data out", Some(size), sent);
        }
        row("pure ACK in", None, acks / SIZES.len() as u32);
    }

    fn idle(&mut self) {
        let mut total = 0;
        for _ in 0..TIMES {
            total += self.poll();
        }
        row("idle poll", None, total);
    }
}

fn row(name: &str, size: Option<usize>, total: u32) {
    let mean = (total + TIMES / 2) / TIMES;
    match size {
        Some(size) => hprintln!("{},{},{}", name, size, mean),
        None => hprintln!("{},,{}", name, mean),
    }
}
