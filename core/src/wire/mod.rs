//! Bytes to headers and back. Knows no socket, no device and no clock.
