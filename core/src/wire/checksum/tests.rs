use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// RFC 1071 as one would write it on a blackboard.
fn naive(bytes: &[u8]) -> u16 {
    let mut sum = 0_u64;
    for (index, octet) in bytes.iter().enumerate() {
        sum += u64::from(*octet) << if index % 2 == 0 { 8 } else { 0 };
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn sum_of(parts: &[&[u8]]) -> u16 {
    let mut sum = Sum::ZERO;
    for part in parts {
        sum.add_bytes(part);
    }
    sum.partial()
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 89 + index / 7 + 0x9f) as u8).collect()
}

#[test]
fn every_small_length_agrees_with_the_blackboard() {
    let noise = pattern(400);
    let ones = [0xff; 400];
    for length in 0..400 {
        assert_eq!(sum_of(&[&noise[..length]]), naive(&noise[..length]), "length {length}");
        assert_eq!(sum_of(&[&ones[..length]]), naive(&ones[..length]), "ones, {length}");
        assert_eq!(sum_of(&[&noise[1..=length.min(399)]]), naive(&noise[1..=length.min(399)]));
    }
}

#[test]
fn every_split_agrees_with_the_whole() {
    let bytes = pattern(150);
    let whole = naive(&bytes);
    for first in 0..=bytes.len() {
        for second in first..=bytes.len() {
            let parts = [&bytes[..first], &bytes[first..second], &bytes[second..]];
            assert_eq!(sum_of(&parts), whole, "split at {first} and {second}");
        }
    }
}

#[test]
fn long_runs_do_not_overflow() {
    for length in [65_534, 65_535, 65_536, 65_537, 65_599, 65_600, 1 << 20, (1 << 20) + 3] {
        let ones = std::vec![0xff; length];
        assert_eq!(sum_of(&[&ones]), naive(&ones), "{length} octets of ones");
        let noise = pattern(length);
        assert_eq!(sum_of(&[&noise]), naive(&noise), "{length} octets");
    }
}

#[test]
fn both_ways_to_add_up_steps_agree_with_the_blackboard() {
    for bytes in [pattern(4096), std::vec![0xff; 4096], std::vec![0; 4096]] {
        for length in (0..=4096).step_by(32) {
            let bytes = &bytes[..length];
            let (steps, rest) = bytes.as_chunks();
            assert!(rest.is_empty(), "whole steps");
            assert_eq!(u16::from_be(fold(chain::sum_steps(steps))), naive(bytes), "{length}");
            assert_eq!(sum_of(&[bytes]), naive(bytes), "{length}");
        }
    }
}

#[test]
fn zero_is_only_the_sum_of_zeros() {
    assert_eq!(sum_of(&[&[0; 80]]), 0);
    assert_eq!(sum_of(&[&[0xff; 80]]), 0xffff);
    assert_eq!(Sum::ZERO.finish(), 0xffff);
}

#[test]
fn a_pseudo_header_is_the_sum_of_its_octets() {
    let (v4, w4) = ([192, 0, 2, 1], [198, 51, 100, 77]);
    let octets = [&v4[..], &w4, &[0, 6, 0x12, 0x34]].concat();
    let sum = pseudo_header(v4.into(), w4.into(), Protocol::TCP, 0x1234);
    assert_eq!(sum.partial(), naive(&octets));
}

#[cfg(feature = "ipv6")]
#[test]
fn a_pseudo_header_of_ipv6_is_the_sum_of_its_octets() {
    let (v6, w6) = ([0x20; 16], *b"\xfe\x80\0\0\0\0\0\0one odd!");
    let octets = [&v6[..], &w6, &[0, 1, 0x12, 0x34, 0, 0, 0, 58]].concat();
    let sum = pseudo_header(v6.into(), w6.into(), Protocol::ICMPV6, 0x1_1234);
    assert_eq!(sum.partial(), naive(&octets));
}

proptest! {
    #[test]
    fn random_parts_agree_with_the_blackboard(
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..8),
        number in any::<u32>(),
    ) {
        let mut sum = Sum::ZERO;
        let mut all = Vec::new();
        for part in &parts {
            sum.add_bytes(part);
            sum.add_u16(number as u16);
            sum.add_u32(number);
            all.extend_from_slice(part);
            all.extend_from_slice(&(number as u16).to_be_bytes());
            all.extend_from_slice(&number.to_be_bytes());
        }
        prop_assert_eq!(sum.partial(), naive(&all));
        prop_assert_eq!(sum.finish(), !naive(&all));
    }

    #[test]
    fn an_update_equals_a_new_sum(
        mut words in prop::collection::vec(any::<u16>(), 1..32),
        place in any::<prop::sample::Index>(),
        new in any::<u16>(),
    ) {
        let octets = |words: &[u16]| -> Vec<u8> {
            // No header is all zeros, for which alone there are two checksums.
            [0x4500].iter().chain(words).flat_map(|word| word.to_be_bytes()).collect()
        };
        let before = !naive(&octets(&words));
        let place = place.index(words.len());
        let old = core::mem::replace(&mut words[place], new);
        prop_assert_eq!(update(before, old, new), !naive(&octets(&words)));
    }
}
