//! The apps: a file each, all driven by the one loop. [`Services`] is what the servers share.

pub(crate) mod board;
pub(crate) mod bridge;
pub(crate) mod chargen;
mod client;
pub(crate) mod connect;
pub(crate) mod demo;
pub(crate) mod discard;
pub(crate) mod echo;
mod farewell;
pub(crate) mod kernel_dhcp;
pub(crate) mod kernel_nc;
pub(crate) mod kernel_scan;
pub(crate) mod listen;
pub(crate) mod run;
pub(crate) mod services;
pub(crate) mod soak;

pub(crate) use services::{Service, serve};
