//! The memory of a stack, declared for every target: compiled, never linked. `.ci/run targets`
//! builds it, with a `static` and without.
#![no_std]

use hikyaku::stack::Lend;
use hikyaku::{Storage, Tiny, storage};

#[cfg(feature = "static")]
storage!(static NET: Tiny {
    connections: 1, listeners: 1, half_open: 0, time_wait: 0, udp_sockets: 0, neighbors: 2,
    records: 0, window: 4096,
});

/// Lends the memory, once.
#[cfg(feature = "static")]
pub fn take() -> Option<Storage<'static, Tiny>> {
    NET.take()
}

storage!(pub type Memory: Tiny {
    connections: 1, listeners: 1, half_open: 0, time_wait: 0, udp_sockets: 0, neighbors: 2,
    records: 0, window: 4096,
});

/// Lends memory that the runtime of a controller has a place for.
pub fn lend(memory: &'static mut Memory) -> Storage<'static, Tiny> {
    memory.lend()
}
