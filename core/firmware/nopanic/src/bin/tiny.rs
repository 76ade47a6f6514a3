//! Every operation of a stack on the profile `Tiny`.
#![no_std]
#![no_main]

#[path = "../image/mod.rs"]
mod image;

/// What this image is made of.
type Chosen = hikyaku::Tiny;
