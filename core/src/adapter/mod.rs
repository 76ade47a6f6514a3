//! Doors to the traits of others, each behind the cargo feature of its name.
//!
//! An adapter translates; what it stands for is built on the floors below.

#[cfg(feature = "edge-nal")]
mod edge_nal;
#[cfg(feature = "embassy-net-driver")]
pub mod embassy;
#[cfg(feature = "embassy-time")]
pub mod embassy_time;
#[cfg(feature = "embedded-io")]
pub mod embedded_io;
#[cfg(feature = "embedded-io-async")]
mod embedded_io_async;
