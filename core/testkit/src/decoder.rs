//! From the octets that `defmt` writes back to text, for a program that logs on the host.
//!
//! `defmt` sends the low 16 bits of a string's address, and on a board the linker script sees to
//! it that these are all of it. Here nothing does: the strings lie where the linker puts them, and
//! the program is loaded where the kernel likes. So the addresses in a copy of the program's own
//! ELF file are changed to what it sends, before the decoder reads its table from there.

use std::fs;

use defmt_decoder::{DecodeError, Table};

/// What was logged, a line each.
///
/// # Panics
///
/// The running program is no ELF64 file of this machine with symbols, or what it logged is damaged.
#[must_use]
pub fn decode(logged: &[u8]) -> Vec<String> {
    let program = std::env::current_exe().expect("the program's own name");
    let mut elf = fs::read(program).expect("the program's own file");
    rebase(&mut elf, load_address());
    let table = Table::parse(&elf).expect("a table").expect("strings of defmt");
    let mut stream = table.new_stream_decoder();
    stream.received(logged);
    let mut lines = Vec::new();
    loop {
        match stream.decode() {
            Ok(frame) => lines.push(frame.display_message().to_string()),
            Err(DecodeError::UnexpectedEof) => return lines,
            Err(DecodeError::Malformed) => panic!("after {lines:?}: malformed"),
        }
    }
}

/// Where the kernel has loaded the program; zero where it is not relocatable.
fn load_address() -> u64 {
    let program = std::env::current_exe().expect("the program's own name");
    let program = program.to_string_lossy();
    let maps = fs::read_to_string("/proc/self/maps").expect("the list of mappings");
    let first = maps.lines().find(|line| line.ends_with(program.as_ref()));
    let start = first.and_then(|line| line.split('-').next()).expect("a mapping of the program");
    u64::from_str_radix(start, 16).expect("an address")
}

/// Gives the symbols in sections of `defmt` the addresses that the program sends.
fn rebase(elf: &mut [u8], load: u64) {
    const SECTION_HEADER: usize = 64;
    const SYMBOL: usize = 24;
    const SYMBOL_TABLE: u32 = 2;
    let (at, count) = (u64_at(elf, 0x28) as usize, u16_at(elf, 0x3c));
    let relocatable = u16_at(elf, 0x10) == 3;
    let header = |index: u16| at + usize::from(index) * SECTION_HEADER;
    let names = u64_at(elf, header(u16_at(elf, 0x3e)) + 0x18) as usize;
    // Symbols of no section have an index beyond all of them.
    let is_log = |elf: &[u8], index: u16| {
        index < count && elf[names + u32_at(elf, header(index)) as usize..].starts_with(b".defmt")
    };
    let tables = (0..count).filter(|&index| u32_at(elf, header(index) + 4) == SYMBOL_TABLE);
    let table = tables.map(header).next().expect("a symbol table");
    let first = u64_at(elf, table + 0x18) as usize;
    let size = u64_at(elf, table + 0x20) as usize;
    for symbol in (first..first + size).step_by(SYMBOL) {
        if is_log(elf, u16_at(elf, symbol + 6)) {
            let address = u64_at(elf, symbol + 8) + if relocatable { load } else { 0 };
            elf[symbol + 8..symbol + 16].copy_from_slice(&(address & 0xffff).to_le_bytes());
        }
    }
}

fn u16_at(elf: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([elf[at], elf[at + 1]])
}

fn u32_at(elf: &[u8], at: usize) -> u32 {
    u32::from(u16_at(elf, at)) | u32::from(u16_at(elf, at + 2)) << 16
}

fn u64_at(elf: &[u8], at: usize) -> u64 {
    u64::from(u32_at(elf, at)) | u64::from(u32_at(elf, at + 4)) << 32
}
