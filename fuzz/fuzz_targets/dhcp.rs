//! A door to `hikyaku_testkit::fuzz::dhcp`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| hikyaku_testkit::fuzz::dhcp(data));
