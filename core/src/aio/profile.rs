//! Profiles whose sockets can be waited for: any profile, with a place for wakers in its slots.

use core::marker::PhantomData;
use core::task::Waker;

use crate::profile::Profile;
use crate::waker::WakerSlot;

/// The place for the waker of a task.
#[derive(Debug)]
pub struct TaskWaker(Option<Waker>);

impl WakerSlot for TaskWaker {
    const EMPTY: Self = Self(None);

    fn is_waiting(&self) -> bool {
        self.0.is_some()
    }

    fn will_wake(&self, waker: &Waker) -> bool {
        self.0.as_ref().is_some_and(|kept| kept.will_wake(waker))
    }

    fn register(&mut self, waker: &Waker) -> Option<Waker> {
        if self.will_wake(waker) { None } else { self.0.replace(waker.clone()) }
    }

    fn take(&mut self) -> Option<Waker> {
        self.0.take()
    }
}

/// All that `P` is, and sockets that tasks can wait for: three wakers a connection, two a UDP
/// socket, four a listener (a waker is two pointers).
#[derive(Debug)]
pub struct Async<P>(PhantomData<P>);

impl<P: Profile> Profile for Async<P> {
    type Recovery = P::Recovery;
    type Congestion = P::Congestion;
    type Reassembly = P::Reassembly;
    type Stream = P::Stream;
    type Tables = P::Tables;
    type Observer = P::Observer;
    type Waker = TaskWaker;
    const ICMP_ECHO: bool = P::ICMP_ECHO;
    const KEEPALIVE: bool = P::KEEPALIVE;
    const TIMESTAMPS: bool = P::TIMESTAMPS;
    const SACK: bool = P::SACK;
    const URGENT: bool = P::URGENT;
    const COOKIES: bool = P::COOKIES;
    const PRUNING: bool = P::PRUNING;
    const ICMP_ERRORS: bool = P::ICMP_ERRORS;
    const RESET_LIMITS: bool = P::RESET_LIMITS;
    const RECORDS: bool = P::RECORDS;
    const ADDRESS_CONFLICTS: bool = P::ADDRESS_CONFLICTS;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_keeps_the_latest_and_hands_out_whom_it_displaced() {
        let mut slot = TaskWaker::EMPTY;
        assert!(!slot.is_waiting() && slot.take().is_none());
        assert!(slot.register(Waker::noop()).is_none());
        assert!(slot.register(Waker::noop()).is_none(), "the same task");
        assert!(slot.is_waiting());
        assert!(slot.take().is_some_and(|waker| waker.will_wake(Waker::noop())));
        assert!(!slot.is_waiting());
    }

    /// A constant with a default would silently fall back to it.
    #[test]
    fn every_part_of_a_profile_is_handed_on() {
        let declared = include_str!("../profile.rs");
        let declared = declared.split_once("pub trait Profile").unwrap().1;
        let declared = declared.split_once("\n}").unwrap().0;
        let ours = include_str!("profile.rs");
        let mut parts = 0;
        for line in declared.lines().map(str::trim_start) {
            let Some(constant) = line.strip_prefix("const ") else { continue };
            let name = constant.split(':').next().unwrap();
            let handed_on = std::format!("= P::{name};");
            assert!(ours.contains(&handed_on), "{name} is not handed on");
            parts += 1;
        }
        assert!(parts >= 7, "only {parts} constants were found");
    }
}
