//! The ring beside a plain row of octets and a mark for each that has been written.

use std::vec;
use std::vec::Vec;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;

use super::*;

const SIZE: u32 = 64;

#[derive(Debug, Clone)]
enum Step {
    WriteAt { offset: u32, len: usize },
    Commit { octets: u32 },
    Append { len: usize },
    AppendWith { limit: usize, written: usize },
    Read { offset: u32, len: usize },
    Consume { octets: u32, keep: bool },
    DiscardFrom { offset: u32 },
    Cover { window: u32 },
    Clear,
    OthersTake,
    OthersGiveBack,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..80_u32, 0..40_usize).prop_map(|(offset, len)| Step::WriteAt { offset, len }),
        3 => (0..70_u32).prop_map(|octets| Step::Commit { octets }),
        4 => (0..80_usize).prop_map(|len| Step::Append { len }),
        2 => (0..70_usize, 0..80_usize)
            .prop_map(|(limit, written)| Step::AppendWith { limit, written }),
        3 => (0..70_u32, 0..70_usize).prop_map(|(offset, len)| Step::Read { offset, len }),
        4 => (0..70_u32, any::<bool>()).prop_map(|(octets, keep)| Step::Consume { octets, keep }),
        1 => (0..70_u32).prop_map(|offset| Step::DiscardFrom { offset }),
        2 => (0..100_u32).prop_map(|window| Step::Cover { window }),
        1 => Just(Step::Clear),
        1 => Just(Step::OthersTake),
        2 => Just(Step::OthersGiveBack),
    ]
}

/// What the ring ought to be: octets from the start on, `None` where there is a hole.
#[derive(Debug, Default)]
struct Model {
    octets: Vec<Option<u8>>,
    len: usize,
}

impl Model {
    fn write(&mut self, offset: usize, data: &[u8]) -> usize {
        let fitting = (SIZE as usize).saturating_sub(offset).min(data.len());
        if fitting > 0 && self.octets.len() < offset + fitting {
            self.octets.resize(offset + fitting, None);
        }
        for (at, octet) in data[..fitting].iter().enumerate() {
            self.octets[offset + at] = Some(*octet);
        }
        fitting
    }

    /// How many octets behind the committed ones have been written without a hole.
    fn ready(&self) -> usize {
        self.octets[self.len..].iter().take_while(|octet| octet.is_some()).count()
    }
}

/// A step, on both. `next` makes the octets that are written.
fn act(
    ring: &mut Ring,
    model: &mut Model,
    pool: &mut BlockPool<'_>,
    others: &mut Vec<Id>,
    step: &Step,
    next: &mut impl FnMut(usize) -> Vec<u8>,
) {
    let has_room = ring.block.is_some() || ring.credit.blocks() > 0 || pool.spare() > 0;
    match *step {
        Step::WriteAt { offset, len } => {
            let data = next(len);
            let stored = ring.write_at(pool, offset, &data);
            let expected = if has_room { model.write(offset as usize, &data) } else { 0 };
            assert_eq!(stored, expected);
        }
        Step::Commit { octets } => {
            let octets = octets.min(model.ready() as u32);
            ring.commit(octets);
            model.len += octets as usize;
        }
        Step::Append { len } => {
            let data = next(len);
            let stored = ring.append(pool, &data);
            let expected = if has_room { model.write(model.len, &data) } else { 0 };
            assert_eq!(stored, expected);
            model.len += stored;
        }
        Step::AppendWith { limit, written } => {
            let data = next(written);
            let mut room = 0;
            let committed = ring.append_with(pool, limit, &mut |span| {
                room = span.len();
                copy_prefix(span, &data)
            });
            assert!(room <= limit && committed == room.min(written));
            let free = SIZE as usize - model.len;
            assert_eq!(room > 0, has_room && limit > 0 && free > 0);
            assert_eq!(model.write(model.len, &data[..committed]), committed);
            model.len += committed;
        }
        Step::Read { offset, len } => {
            let mut buffer = vec![0; len];
            let read = ring.read_at(pool, offset, &mut buffer);
            let there = model.octets[..model.len].get(offset as usize..).unwrap_or(&[]);
            let expected: Vec<u8> = there.iter().take(len).map(|octet| octet.unwrap()).collect();
            assert_eq!(&buffer[..read], &expected[..]);
            let pieces: Vec<u8> =
                ring.slices(pool, offset, len as u32).flatten().copied().collect();
            assert_eq!(pieces, expected);
        }
        Step::Consume { octets, keep } => {
            if keep {
                ring.consume_and_keep(pool, octets);
            } else {
                ring.consume(pool, octets);
            }
            let octets = (octets as usize).min(model.len);
            model.octets.drain(..octets);
            model.len -= octets;
        }
        Step::DiscardFrom { offset } => {
            ring.discard_from(pool, offset);
            model.octets.truncate((offset as usize).max(model.len));
        }
        Step::Cover { window } => {
            let reach = ring.within_reach(pool, window);
            assert_eq!(reach, if has_room { window.min(SIZE) } else { 0 });
            assert_eq!(ring.cover(pool, window), reach);
            assert!(reach == 0 || ring.block.is_some() || ring.credit.blocks() == 1);
        }
        Step::Clear => {
            ring.clear(pool);
            *model = Model::default();
        }
        Step::OthersTake => {
            let mut nothing = Credit::EMPTY;
            others.extend(pool.take(&mut nothing));
        }
        Step::OthersGiveBack => {
            if let Some(id) = others.pop() {
                pool.give_back(id);
            }
        }
    }
}

proptest! {
    #[test]
    fn a_ring_is_a_row_of_octets(start in any::<u32>(), steps in vec_of(step(), 1..120)) {
        let mut bytes = [0; 2 * SIZE as usize];
        let mut links = [None; 2];
        let lent = ((&mut bytes[..]).into(), (&mut links[..]).into());
        let mut pool = BlockPool::new(lent.0, lent.1, SIZE).unwrap();
        let (mut ring, mut model) = (Ring::starting_at(start), Model::default());
        let (mut others, mut octet) = (Vec::new(), 0_u8);
        let mut consumed = 0_u32;
        for step in steps {
            let before = model.len;
            act(&mut ring, &mut model, &mut pool, &mut others, &step, &mut |len| {
                (0..len).map(|_| { octet = octet.wrapping_add(1); octet }).collect()
            });
            if let Step::Consume { octets, .. } = step {
                consumed = consumed.wrapping_add(octets.min(before as u32));
            }
            prop_assert_eq!(ring.start(), start.wrapping_add(consumed));
            prop_assert_eq!(ring.len() as usize, model.len);
            prop_assert_eq!(ring.extent as usize, model.octets.len());
            let first = ring.first_slice(&pool);
            let there = model.octets[..model.len].iter().map(|octet| octet.unwrap());
            prop_assert!(first.iter().copied().eq(there.take(first.len())));
            prop_assert!(first.is_empty() == (model.len == 0));
            let held = ring.blocks_held() + others.len() as u32;
            prop_assert_eq!((pool.used(), pool.promised()), (held, ring.credit.blocks()));
        }
        ring.clear(&mut pool);
        prop_assert_eq!((pool.used(), pool.promised()), (others.len() as u32, 0));
    }
}
