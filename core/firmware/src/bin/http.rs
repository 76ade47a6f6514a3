//! A web page with what the stack has counted, at http://192.168.69.2/ and over IPv6.
#![no_std]
#![no_main]

use core::fmt::Write;
use core::panic::PanicInfo;

use cortex_m_rt::entry;
use hikyaku::{Instant, ListenConfig, Small, Stack, TcpHandle, Wake, storage};
use hikyaku_firmware::board::{Board, IPV4, IPV4_PREFIX, IPV6, IPV6_LINK, IPV6_PREFIX, config};
use hikyaku_firmware::stellaris::Buffer;

const CONNECTIONS: usize = 4;

storage!(static NET: Small {
    connections: CONNECTIONS,
    listeners: 1,
    half_open: 4,
    time_wait: 4,
    udp_sockets: 0,
    neighbors: 4,
    records: 0,
    window: 2920
});

/// A connection, and how much of the answer was made: none before the request was read.
#[derive(Clone, Copy)]
struct Visitor {
    handle: TcpHandle,
    /// The last octets of what was read: a request ends with an empty line.
    tail: [u8; 4],
    /// Lines of the page that were made, once the request is here.
    lines: Option<usize>,
    /// The last of them.
    line: Line,
}

#[entry]
fn main() -> ! {
    static mut FRAME: Buffer = Buffer::EMPTY;
    let (mut board, secret) = Board::start(FRAME);
    let config = config();
    if let Some(secret) = secret
        && let Some(storage) = NET.take()
        && let Ok(mut stack) = Stack::<Small>::new(storage, &config, secret)
        && stack.add_address(IPV4.into(), IPV4_PREFIX).is_ok()
        && stack.add_address(IPV6.into(), IPV6_PREFIX).is_ok()
        && stack.add_address(IPV6_LINK.into(), IPV6_PREFIX).is_ok()
    {
        serve(&mut stack, &mut board);
    }
    loop {}
}

fn serve(stack: &mut Stack<'_, Small>, board: &mut Board<'_>) {
    let Ok(listener) = stack.listen(80, &ListenConfig::new()) else { return };
    let mut visitors: [Option<Visitor>; CONNECTIONS] = [None; CONNECTIONS];
    loop {
        let now = Instant::from_micros(board.clock.micros());
        let wake = stack.poll(now, &mut board.device);
        for visitor in &mut visitors {
            if visitor.is_none()
                && let Ok(handle) = stack.accept(listener)
            {
                *visitor = Some(Visitor { handle, tail: [0; 4], lines: None, line: Line::EMPTY });
            }
            if let Some(open) = visitor
                && !(read_request(stack, open) && write_page(stack, open, now))
            {
                if let Ok(socket) = stack.tcp(open.handle) {
                    socket.release();
                }
                *visitor = None;
            }
        }
        // What was just written is work, too: only who has nothing at all to do may sleep.
        if wake != Wake::Now && stack.next_wake(now) != Wake::Now {
            board.sleep();
        }
    }
}

/// Reads what is there of the request. Whether the visitor stays.
fn read_request(stack: &mut Stack<'_, Small>, visitor: &mut Visitor) -> bool {
    let Ok(mut socket) = stack.tcp(visitor.handle) else { return false };
    let mut ended = false;
    loop {
        let read = socket.read_with(|octets| {
            for octet in octets {
                let [_, b, c, d] = visitor.tail;
                visitor.tail = [b, c, d, *octet];
                ended |= visitor.tail == *b"\r\n\r\n";
            }
            octets.len()
        });
        match read {
            Ok(0) => return visitor.lines.is_some() || ended,
            Ok(_) => {}
            Err(_) => break,
        }
    }
    if ended && visitor.lines.is_none() {
        visitor.lines = Some(0);
    }
    socket.close_reason().is_none()
}

/// Writes what there is room for. Whether there may be more.
fn write_page(stack: &mut Stack<'_, Small>, visitor: &mut Visitor, now: Instant) -> bool {
    let Some(lines) = &mut visitor.lines else { return true };
    loop {
        if visitor.line.rest().is_empty() {
            visitor.line = Line::EMPTY;
            if visitor.line.make(stack, *lines, now).is_none() {
                return false;
            }
            *lines += 1;
        }
        let Ok(mut socket) = stack.tcp(visitor.handle) else { return false };
        match socket.write(visitor.line.rest()) {
            Ok(written) => visitor.line.written += written,
            Err(_) => return socket.close_reason().is_none(),
        }
    }
}

/// One line of the page.
#[derive(Clone, Copy)]
struct Line {
    octets: [u8; 128],
    len: usize,
    written: usize,
}

impl Line {
    const EMPTY: Self = Self { octets: [0; 128], len: 0, written: 0 };

    fn rest(&self) -> &[u8] {
        self.octets.get(self.written..self.len).unwrap_or(&[])
    }

    /// Makes line `number`; `None` behind the last one.
    fn make(&mut self, stack: &Stack<'_, Small>, number: usize, now: Instant) -> Option<()> {
        let seconds = now.micros() / 1_000_000;
        match number {
            0 => self.write_str("HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n"),
            1 => self.write_str("Connection: close\r\nCache-Control: no-store\r\n\r\n"),
            2 => self.write_str("<!doctype html><title>hikyaku</title><h1>hikyaku</h1>\n"),
            3 => writeln!(self, "<p>up for {seconds} s<table>"),
            _ => {
                let (name, count) = stack.counters().iter().nth(number - 4)?;
                writeln!(self, "<tr><td>{name}<td>{count}")
            }
        }
        .ok()
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let end = self.len + text.len();
        let room = self.octets.get_mut(self.len..end).ok_or(core::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
