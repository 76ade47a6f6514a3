//! RFC 9293, requirement by requirement: `must_10_holds_…` shows it kept in ordinary use,
//! `must_10_provoked_…` does what tempts a stack to break it. docs/conformance.md lists them.
#![cfg(all(feature = "ipv6", feature = "udp"))]

#[path = "conformance/common.rs"]
mod common;
#[path = "conformance/companions.rs"]
mod companions;
#[path = "conformance/s3_10_processing.rs"]
mod s3_10_processing;
#[path = "conformance/s3_1_header.rs"]
mod s3_1_header;
#[path = "conformance/s3_4_numbers.rs"]
mod s3_4_numbers;
#[path = "conformance/s3_5_opening.rs"]
mod s3_5_opening;
#[path = "conformance/s3_6_closing.rs"]
mod s3_6_closing;
#[path = "conformance/s3_7_segmentation.rs"]
mod s3_7_segmentation;
#[path = "conformance/s3_8_keepalive.rs"]
mod s3_8_keepalive;
#[path = "conformance/s3_8_patience.rs"]
mod s3_8_patience;
#[path = "conformance/s3_8_urgent.rs"]
mod s3_8_urgent;
#[path = "conformance/s3_8_windows.rs"]
mod s3_8_windows;
#[path = "conformance/s3_9_calls.rs"]
mod s3_9_calls;
#[path = "conformance/s3_9_icmp.rs"]
mod s3_9_icmp;
#[path = "conformance/s3_9_network.rs"]
mod s3_9_network;
