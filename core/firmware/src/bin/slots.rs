//! Not to be run: a table of text, in a section of its own, of what a connection and everything
//! else takes in the memory of a Cortex-M3. `core/firmware/check slots` reads it.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::panic::PanicInfo;

use cortex_m_rt::entry;
use hikyaku::stack::{Arrays, StaticStorage};
use hikyaku::{Capacity, Full, Profile, Small, Tiny};
use hikyaku_firmware::sizes::{CHOICES, Choice, Kind, Units};

/// Numbers to a line, after its name.
const COLUMNS: usize = 12;
/// Octets to a number.
const WIDTH: usize = 8;
/// Octets to a line.
const LINE: usize = 8 + COLUMNS * WIDTH;

/// A name, numbers, the end of the line.
const fn line(name: &str, numbers: [usize; COLUMNS]) -> [u8; LINE] {
    let mut text = [b' '; LINE];
    let mut at = 0;
    while at < name.len() {
        text[at] = name.as_bytes()[at];
        at += 1;
    }
    let mut column = 0;
    while column < COLUMNS {
        let mut end = 8 + (column + 1) * WIDTH - 1;
        let mut number = numbers[column];
        loop {
            end -= 1;
            text[end] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        column += 1;
    }
    text[LINE - 1] = b'\n';
    text
}

const fn units<P: Profile>(name: &str) -> [u8; LINE] {
    let units = Units::of::<P>();
    line(
        name,
        [
            units.connection_slot,
            units.connection,
            units.half_open,
            units.time_wait,
            units.listener,
            units.udp_socket,
            units.neighbor,
            units.record,
            units.block,
            units.base,
            units.stack,
            0,
        ],
    )
}

const fn chosen(choice: &Choice) -> [u8; LINE] {
    let (name, units) = match choice.kind {
        Kind::Full => ("full", Units::of::<Full>()),
        Kind::Small => ("small", Units::of::<Small>()),
        Kind::Tiny => ("tiny", Units::of::<Tiny>()),
    };
    let Capacity { connections, listeners, half_open, udp_sockets, .. } = choice.capacity;
    let Capacity { records, blocks, block_size, .. } = choice.capacity;
    let mss = match choice.mss {
        Some(mss) => mss as usize,
        None => 1460,
    };
    line(
        name,
        [
            choice.memory_kib,
            connections,
            choice.window as usize,
            listeners,
            half_open,
            udp_sockets,
            mss,
            records,
            blocks,
            block_size,
            units.storage(&choice.capacity),
            units.stack,
        ],
    )
}

const fn table() -> [[u8; LINE]; CHOICES.len() + 3] {
    let mut table = [units::<Full>("Full"); CHOICES.len() + 3];
    table[1] = units::<Small>("Small");
    table[2] = units::<Tiny>("Tiny");
    let mut at = 0;
    while at < CHOICES.len() {
        table[at + 3] = chosen(&CHOICES[at]);
        at += 1;
    }
    table
}

/// The formula is exact for any capacities, here as on the host.
const _: () = {
    let odd = Capacity {
        connections: 7,
        half_open: 3,
        time_wait: 5,
        listeners: 2,
        udp_sockets: 1,
        neighbors: 9,
        records: 11,
        blocks: 13,
        block_size: 512,
    };
    type Odd<P> = StaticStorage<Arrays<P, 7, 3, 5, 2, 1, 9, 11, 13, 512>>;
    assert!(Units::of::<Full>().storage(&odd) == size_of::<Odd<Full>>());
    assert!(Units::of::<Small>().storage(&odd) == size_of::<Odd<Small>>());
    assert!(Units::of::<Tiny>().storage(&odd) == size_of::<Odd<Tiny>>());
};

#[unsafe(link_section = ".slots")]
static TABLE: [[u8; LINE]; CHOICES.len() + 3] = table();

#[entry]
fn main() -> ! {
    // Named, so that the linker keeps it.
    black_box(&TABLE);
    loop {}
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
