//! A door to `hikyaku_testkit::fuzz::ethernet`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| hikyaku_testkit::fuzz::ethernet(data));
