//! What the images share. Each image is one file of `bin`, and builds with the features it names.
//!
//! Nothing here is part of the stack: only what a board and a measurement need. All unsafe code is
//! in `registers`.
#![no_std]
#![deny(unsafe_code)]

#[cfg(feature = "semihosting")]
pub mod bench;
pub mod board;
pub mod clock;
#[allow(unsafe_code)]
pub mod registers;
pub mod sizes;
pub mod stellaris;
