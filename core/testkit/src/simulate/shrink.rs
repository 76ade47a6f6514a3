//! A failing world made smaller: as long as it fails in the same way, connections go first, then
//! what the network does, then what the applications do.

use std::time::Instant;

use super::life::Life;
use super::world::{Call, Climate, World, Wrap};
use crate::applications::{End, Script};
use crate::link::Impairments;
use crate::random::Chance;

/// How long a failing world is looked at, seconds of real time.
const PATIENCE: u64 = 20;

/// How a failure begins: what is common to those of one kind.
fn kind(failure: &str) -> &str {
    let said = failure.split_once("us: ").map_or(failure, |(_, said)| said);
    said.split([':', '{', '(']).next().unwrap_or(said)
}

/// The smallest world found that fails like this one, and how it fails.
pub(super) fn shrink(
    world: World,
    failure: String,
    attempt: impl Fn(&World) -> Result<Life, String>,
) -> (World, String) {
    let (began, sort) = (Instant::now(), kind(&failure).to_owned());
    let (mut world, mut failure) = (world, failure);
    loop {
        let smaller = candidates(&world).into_iter().find_map(|smaller| {
            let failure =
                (began.elapsed().as_secs() < PATIENCE).then(|| attempt(&smaller))?.err()?;
            (kind(&failure) == sort).then_some((smaller, failure))
        });
        match smaller {
            Some(found) => (world, failure) = found,
            None => return (world, failure),
        }
    }
}

/// Worlds that are a little smaller, the greatest steps first.
fn candidates(world: &World) -> Vec<World> {
    let mut found = Vec::new();
    let mut offer = |change: &dyn Fn(&mut World) -> bool| {
        let mut smaller = world.clone();
        if change(&mut smaller) {
            found.push(smaller);
        }
    };
    for at in (0..world.calls.len()).filter(|_| world.calls.len() > 1) {
        offer(&|world| {
            world.calls.remove(at);
            true
        });
    }
    for at in 0..world.cuts.len() {
        offer(&|world| {
            world.cuts.remove(at);
            true
        });
    }
    offer(&|world| std::mem::replace(&mut world.wrap, Wrap::None) != Wrap::None);
    offer(&|world| world.heals_at.take().is_some());
    for side in 0..2 {
        for calm in CALMER {
            offer(&|world| differs(&mut world.links[side], calm));
        }
    }
    for at in 0..world.calls.len() {
        offer(&|world| world.calls[at].crossing.take().is_some());
        for end in 0..2 {
            for plainer in PLAINER {
                offer(&|world| differs(&mut world.calls[at].scripts[end], plainer));
            }
        }
    }
    found
}

fn differs<T: Clone + PartialEq>(value: &mut T, change: impl Fn(&mut T)) -> bool {
    let before = value.clone();
    change(value);
    *value != before
}

const CALMER: [fn(&mut Impairments); 9] = [
    |link| *link = Impairments::NONE,
    |link| link.loss = Chance::NEVER,
    |link| link.burst = Chance::NEVER,
    |link| link.reorder = Chance::NEVER,
    |link| link.duplicate = Chance::NEVER,
    |link| link.corrupt = Chance::NEVER,
    |link| link.jitter = Impairments::NONE.jitter,
    |link| link.rate = None,
    |link| link.queue = link.queue.max(Impairments::NONE.queue),
];

const PLAINER: [fn(&mut Script); 9] = [
    |script| *script = Script::send(script.write),
    |script| script.write /= 2,
    |script| script.write -= script.write.min(1),
    |script| (script.write_pauses, script.read_pauses) = (Chance::NEVER, Chance::NEVER),
    |script| script.deaf_for = Script::send(0).deaf_for,
    |script| (script.stop_at, script.quit_at) = (None, None),
    |script| script.turn = None,
    |script| script.lingers = false,
    |script| script.end = End::Close,
];

/// A world in words: what is as it always is is left out.
pub(super) fn describe(world: &World) -> String {
    let mut lines = vec![format!("{:?}, {:?}, flush {:?}", world.climate, world.wrap, world.flush)];
    for (side, host) in world.hosts.iter().enumerate() {
        lines.push(format!("host {side}: {host:?}"));
        lines.push(format!("link from {side}: {:?}", world.links[side]));
    }
    lines.extend(world.heals_at.map(|at| format!("heals at {} us", at.micros())));
    lines.extend(world.cuts.iter().map(|cut| format!("{cut:?}")));
    lines.extend(world.calls.iter().map(|call: &Call| format!("{call:?}")));
    lines.join("\n")
}

/// Whether a climate asks for much time: such worlds are not shrunk step by step.
pub(super) fn is_slow(world: &World) -> bool {
    world.climate == Climate::Bulk
}

#[cfg(test)]
mod tests {
    use super::super::world::Scale;
    use super::*;

    #[test]
    fn what_has_no_part_in_a_failure_is_left_out() {
        // A fault that needs a connection over IPv6 with ten octets, and duplicates from the left.
        let attempt = |world: &World| {
            let is_v6 = |call: &Call| call.family == crate::pair::Family::V6;
            let mut calls = world.calls.iter().filter(|call| is_v6(call));
            let is_there = calls.any(|call| call.scripts[1].write >= 10);
            let duplicates = world.links[0].duplicate != Chance::NEVER;
            if is_there && duplicates {
                Err("us: it broke: 9".to_owned())
            } else {
                Ok(Life::default())
            }
        };
        let (mut shrunk, mut seed) = (0, 0);
        while shrunk < 5 {
            seed += 1;
            let world = World::new(seed, Scale::Brief);
            let Err(failure) = attempt(&world) else { continue };
            shrunk += 1;
            let (smallest, failure) = shrink(world, failure, attempt);
            assert!(failure.contains("it broke"));
            assert_eq!((smallest.calls.len(), smallest.cuts.len()), (1, 0), "seed {seed}");
            assert_eq!(smallest.calls[0].scripts, [Script::send(0), Script::send(10)]);
            assert_eq!(smallest.links[1], Impairments::NONE);
            assert_eq!(smallest.links[0].loss, Chance::NEVER);
            assert!(describe(&smallest).contains("write: 10"));
        }
    }
}
