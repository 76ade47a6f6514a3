use std::vec::Vec;

use super::*;

const A: Address = Address([2, 0, 0, 0, 0, 1]);
const B: Address = Address([2, 0, 0, 0, 0, 2]);

fn ip(last: u8) -> Ip {
    Ip::from([10, 0, 0, last])
}

fn ms(millis: u64) -> Instant {
    // Beyond 32 bits of milliseconds.
    Instant::from_micros(1 << 42) + Duration::from_millis(millis)
}

use crate::time::{Due, Duration};

fn cache(slots: usize) -> Neighbors<'static> {
    let slots: Vec<_> = (0..slots).map(|_| Neighbor::EMPTY).collect();
    // Leaked on purpose: without feature `alloc` a slice is only borrowed.
    Neighbors::new(ManagedSlice::Borrowed(Vec::leak(slots)))
}

/// Lets time pass to `to` and answers no request; who is asked, and when in milliseconds.
fn pass(cache: &mut Neighbors<'_>, from: u64, to: u64) -> Vec<(u64, Ip, Option<Address>)> {
    let mut asked = Vec::new();
    for at in from..=to {
        while let Some(request) = cache.next_request(ms(at)) {
            cache.on_requested(&request, ms(at));
            asked.push((at, request.address, request.hardware));
        }
    }
    asked
}

#[test]
fn a_neighbour_is_asked_for_three_times_and_then_failed_for_a_second() {
    let mut cache = cache(2);
    assert_eq!(cache.next_due(), Due::NEVER);
    assert_eq!(cache.resolve(ip(1), true, ms(0)), Hop::Wait);
    assert_eq!(cache.next_due(), Due::at(ms(0)));
    let asked = pass(&mut cache, 0, 2_900);
    let times: Vec<_> = asked.iter().map(|asked| asked.0).collect();
    assert!(times.len() == 3 && times[1] >= 999 && times[2] >= 1998, "{times:?}");
    assert!(asked.iter().all(|asked| (asked.1, asked.2) == (ip(1), None)), "everybody is asked");
    assert_eq!(cache.resolve(ip(1), true, ms(2_900)), Hop::Wait);
    assert!(!cache.take_released());
    assert_eq!(pass(&mut cache, 2_900, 3_010), []);
    assert!(cache.take_released() && !cache.take_released(), "told once");
    assert_eq!(cache.resolve(ip(1), true, ms(3_900)), Hop::Unreachable);
    assert_eq!(pass(&mut cache, 3_010, 4_100), [], "and not asked for meanwhile");
    assert_eq!(cache.resolve(ip(1), true, ms(4_100)), Hop::Wait);
    assert_eq!(pass(&mut cache, 4_100, 4_100).len(), 1);
}

#[test]
fn an_entry_is_confirmed_while_it_is_used_and_only_by_its_own_station() {
    let mut cache = cache(2);
    cache.resolve(ip(1), true, ms(0));
    assert!(cache.on_claim(ip(1), A, Claim::Answer, ms(5)));
    assert!(cache.take_released());
    assert_eq!(cache.resolve(ip(1), true, ms(59_000)), Hop::Send(A));
    assert_eq!(cache.next_request(ms(59_000)), None);
    // A minute later it is asked itself, while packets go on.
    assert_eq!(cache.resolve(ip(1), true, ms(60_100)), Hop::Send(A));
    assert_eq!(pass(&mut cache, 60_100, 60_200), [(60_100, ip(1), Some(A))]);
    assert!(!cache.on_claim(ip(1), B, Claim::Asks, ms(60_200)), "somebody else");
    assert!(cache.on_claim(ip(1), A, Claim::Answer, ms(60_300)));
    assert_eq!(pass(&mut cache, 60_300, 70_000), []);
    assert_eq!(cache.resolve(ip(1), true, ms(70_000)), Hop::Send(A));
    // Unused, it is not asked, however old.
    assert_eq!(pass(&mut cache, 130_000, 135_000), []);
    assert_eq!(cache.next_due(), Due::NEVER);
    // Silent, it is forgotten after three requests, and asked for anew.
    assert_eq!(cache.resolve(ip(1), true, ms(135_000)), Hop::Send(A));
    assert_eq!(pass(&mut cache, 135_000, 138_100).len(), 3);
    assert_eq!(cache.resolve(ip(1), true, ms(138_100)), Hop::Wait);
}

#[test]
fn who_claims_a_neighbours_address_only_has_that_one_asked() {
    let mut cache = cache(2);
    cache.resolve(ip(1), true, ms(0));
    cache.on_claim(ip(1), A, Claim::Answer, ms(0));
    for at in 0..990 {
        let claim = if at % 2 == 0 { Claim::Asks } else { Claim::Answer };
        assert!(!cache.on_claim(ip(1), B, claim, ms(at)));
    }
    assert_eq!(cache.next_request(ms(990)), None, "once a second at most");
    assert!(!cache.on_claim(ip(1), B, Claim::Asks, ms(1_100)));
    assert_eq!(cache.resolve(ip(1), true, ms(1_100)), Hop::Send(A), "nothing has changed");
    assert_eq!(pass(&mut cache, 1_100, 1_200), [(1_100, ip(1), Some(A))]);
    assert!(cache.on_claim(ip(1), A, Claim::Answer, ms(1_200)), "and it answers");
    // Where it does not, the claim comes true.
    cache.on_claim(ip(1), B, Claim::Answer, ms(3_000));
    pass(&mut cache, 3_000, 6_100);
    assert_eq!(cache.resolve(ip(1), true, ms(6_100)), Hop::Wait);
    assert!(cache.on_claim(ip(1), B, Claim::Answer, ms(6_200)));
    assert_eq!(cache.resolve(ip(1), true, ms(6_200)), Hop::Send(B));
}

#[test]
fn nothing_is_learned_but_from_who_asks_us() {
    let mut cache = cache(2);
    assert!(!cache.on_claim(ip(1), A, Claim::Answer, ms(0)));
    assert_eq!(cache.hardware_of(ip(1)), None);
    assert!(cache.on_claim(ip(1), A, Claim::Asks, ms(0)));
    assert_eq!(cache.hardware_of(ip(1)), Some(A));
    assert_eq!(cache.resolve(ip(1), false, ms(1)), Hop::Send(A));
    // Another station that asks with this address is not heard within a minute.
    assert!(!cache.on_claim(ip(1), B, Claim::Asks, ms(59_000)));
    assert_eq!(cache.resolve(ip(1), false, ms(59_000)), Hop::Send(A));
    assert!(cache.on_claim(ip(1), B, Claim::Asks, ms(60_100)));
    assert_eq!(cache.resolve(ip(1), false, ms(120_000)), Hop::Send(B));
    // A reply after a minute has everybody asked, and so has a socket at any time.
    assert_eq!(cache.resolve(ip(1), false, ms(120_200)), Hop::Wait);
    assert!(cache.on_claim(ip(2), B, Claim::Asks, ms(120_200)));
    assert_eq!(cache.resolve(ip(2), true, ms(120_201)), Hop::Wait);
    assert_eq!(pass(&mut cache, 120_201, 120_300).len(), 2);
    for claim in [Claim::Asks, Claim::Unasked] {
        cache.on_claim(ip(2), B, claim, ms(120_300));
        assert_eq!(cache.resolve(ip(2), true, ms(120_300)), Hop::Wait, "{claim:?}");
    }
    assert!(cache.on_claim(ip(2), A, Claim::Answer, ms(120_400)));
    assert_eq!(cache.resolve(ip(2), true, ms(120_400)), Hop::Send(A));
}

#[test]
fn what_is_in_use_keeps_its_place() {
    let mut cache = cache(3);
    for last in [1, 2] {
        cache.resolve(ip(last), true, ms(0));
        cache.on_claim(ip(last), neighbor(last), Claim::Answer, ms(0));
    }
    // A hundred strangers ask us, and are answered.
    for last in 100..200 {
        assert!(cache.on_claim(ip(last), neighbor(last), Claim::Asks, ms(1_000)));
        assert_eq!(cache.resolve(ip(last), false, ms(1_000)), Hop::Send(neighbor(last)));
    }
    assert_eq!(cache.resolve(ip(1), true, ms(1_500)), Hop::Send(neighbor(1)));
    assert_eq!(cache.hardware_of(ip(2)), Some(neighbor(2)));
    assert_eq!(cache.hardware_of(ip(199)), Some(neighbor(199)));
    // However long they are silent, no claim takes the places that sockets have used.
    for last in 100..120 {
        assert!(cache.on_claim(ip(last), neighbor(last), Claim::Asks, ms(50_000)));
    }
    for last in [1, 2] {
        assert_eq!(cache.hardware_of(ip(last)), Some(neighbor(last)));
    }
    // For a reply the one gives way that was not used for two seconds.
    assert_eq!(cache.resolve(ip(1), true, ms(50_500)), Hop::Send(neighbor(1)));
    assert_eq!(cache.resolve(ip(119), false, ms(50_500)), Hop::Send(neighbor(119)));
    assert_eq!(cache.resolve(ip(120), false, ms(50_500)), Hop::Wait);
    assert_eq!(cache.hardware_of(ip(2)), None);
    assert_eq!(cache.hardware_of(ip(1)), Some(neighbor(1)));
}

fn neighbor(last: u8) -> Address {
    Address([2, 0, 0, 0, 0, last])
}

#[test]
fn after_weeks_and_months_all_that_is_known_is_confirmed_when_it_is_used() {
    const DAY: u64 = 86_400_000;
    for pause in [1, 2, 3, 4, 7] {
        let mut cache = cache(3);
        let later = pause * 26 * DAY;
        cache.resolve(ip(1), true, ms(0));
        cache.on_claim(ip(1), A, Claim::Answer, ms(0));
        cache.resolve(ip(2), true, ms(0));
        assert_eq!(pass(&mut cache, 0, 3_100).len(), 3, "the other one has failed");
        assert_eq!(cache.resolve(ip(3), true, ms(3_100)), Hop::Wait);
        let due = cache.next_due().instant().expect("a request");
        assert!(due <= ms(later), "it is late, not early");
        assert_eq!(cache.resolve(ip(1), true, ms(later)), Hop::Send(A));
        assert_eq!(cache.resolve(ip(2), true, ms(later)), Hop::Wait);
        let asked: Vec<_> =
            pass(&mut cache, later, later).iter().map(|asked| (asked.1, asked.2)).collect();
        assert_eq!(asked, [(ip(1), Some(A)), (ip(2), None), (ip(3), None)]);
    }
}

#[test]
fn replies_ask_for_no_more_neighbours_than_there_are_places() {
    let mut cache = cache(4);
    let mut asked = 0;
    for at in 0..3_000 {
        // Replies to forged sources, two a millisecond.
        for last in 0..2 {
            cache.resolve(Ip::from([10, 0, (at % 250) as u8, last]), false, ms(at));
        }
        asked += pass(&mut cache, at, at).len();
    }
    assert_eq!(asked, 4 * 3);
    // A socket of ours gets a place all the same.
    assert_eq!(cache.resolve(ip(9), true, ms(3_000)), Hop::Wait);
    assert!(pass(&mut cache, 3_000, 3_000).iter().any(|asked| asked.1 == ip(9)));
}

#[test]
fn where_all_places_are_in_use_nobody_is_driven_out() {
    let mut cache = cache(2);
    for last in [1, 2] {
        assert_eq!(cache.resolve(ip(last), true, ms(0)), Hop::Wait);
    }
    assert_eq!(cache.resolve(ip(3), true, ms(0)), Hop::Unreachable);
    assert!(!cache.on_claim(ip(3), A, Claim::Asks, ms(0)));
    assert!(!cache.take_released());
    // Unused for two seconds, the one that is still asked for goes, and who waits asks again.
    cache.on_claim(ip(1), A, Claim::Answer, ms(100));
    assert!(cache.take_released());
    assert_eq!(cache.resolve(ip(1), true, ms(2_500)), Hop::Send(A));
    assert_eq!(cache.resolve(ip(3), true, ms(2_500)), Hop::Wait);
    assert!(cache.take_released());
    assert_eq!(cache.resolve(ip(2), true, ms(2_500)), Hop::Unreachable);
}
