//! What the images share. Each image is one file of `bin`, and builds with the features it names.
//!
//! Nothing here is part of the stack: only what a board and a measurement need.
#![no_std]

#[cfg(feature = "semihosting")]
pub mod bench;
pub mod registers;
