//! A door to `hikyaku_testkit::fuzz::ipv6`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| hikyaku_testkit::fuzz::ipv6(data));
