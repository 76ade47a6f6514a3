//! The queue beside a map from positions, which do not wrap here, to octets, and a set of the
//! numbers of the blocks that it ought to hold.

use std::collections::{BTreeMap, BTreeSet};
use std::vec;
use std::vec::Vec;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;

use super::*;

/// Lengths and offsets are in 1/16 of a block, plus a few octets.
type Span = (u32, u32);

#[derive(Debug, Clone)]
enum Step {
    WriteAt { offset: Span, len: Span },
    Commit { octets: Span },
    Append { len: Span },
    AppendWith { limit: Span, written: Span },
    Read { offset: Span, len: Span },
    Consume { octets: Span },
    DiscardFrom { offset: Span },
    Cover { window: Span },
    Clear,
    OthersTake { blocks: u32 },
    OthersGiveBack { blocks: u32 },
}

fn span(sixteenths: u32) -> impl Strategy<Value = Span> {
    (0..=sixteenths, 0..4_u32)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (span(360), span(60)).prop_map(|(offset, len)| Step::WriteAt { offset, len }),
        4 => (span(60), span(60)).prop_map(|(offset, len)| Step::WriteAt { offset, len }),
        3 => span(120).prop_map(|octets| Step::Commit { octets }),
        4 => span(120).prop_map(|len| Step::Append { len }),
        2 => (span(20), span(20))
            .prop_map(|(limit, written)| Step::AppendWith { limit, written }),
        2 => (span(120), span(60)).prop_map(|(offset, len)| Step::Read { offset, len }),
        4 => span(120).prop_map(|octets| Step::Consume { octets }),
        1 => span(200).prop_map(|offset| Step::DiscardFrom { offset }),
        2 => span(360).prop_map(|window| Step::Cover { window }),
        1 => Just(Step::Clear),
        1 => (0..8_u32).prop_map(|blocks| Step::OthersTake { blocks }),
        2 => (0..8_u32).prop_map(|blocks| Step::OthersGiveBack { blocks }),
    ]
}

/// What the queue ought to be.
#[derive(Debug)]
struct Model {
    size: u64,
    start: u64,
    len: u64,
    extent: u64,
    octets: BTreeMap<u64, u8>,
    blocks: BTreeSet<u64>,
    directory: bool,
}

impl Model {
    fn write(&mut self, offset: u64, data: &[u8], mut obtainable: u64) -> usize {
        for (at, octet) in data.iter().enumerate() {
            let offset = offset + at as u64;
            let block = (self.start + offset) / self.size;
            if !self.blocks.contains(&block) {
                let distance = block - self.start / self.size;
                let grows = distance >= u64::from(INLINE) && !self.directory;
                let cost = 1 + u64::from(grows);
                if distance >= self.size / u64::from(ID_BYTES) || obtainable < cost {
                    return at;
                }
                obtainable -= cost;
                self.directory |= grows;
                self.blocks.insert(block);
            }
            self.octets.insert(self.start + offset, *octet);
            self.extent = self.extent.max(offset + 1);
        }
        data.len()
    }

    fn written_behind_committed(&self) -> u64 {
        let edge = self.start + self.len;
        (edge..).take_while(|at| self.octets.contains_key(at)).count() as u64
    }

    fn committed(&self, offset: u64, len: u64) -> Vec<u8> {
        let end = (self.start + self.len).min(self.start + offset + len);
        (self.start + offset..end).map(|at| self.octets[&at]).collect()
    }

    fn consume(&mut self, octets: u64) {
        let octets = octets.min(self.len);
        self.start += octets;
        self.len -= octets;
        self.extent -= octets;
        self.prune();
    }

    fn discard_from(&mut self, offset: u64) {
        self.extent = self.extent.min(offset.max(self.len));
        self.prune();
    }

    fn prune(&mut self) {
        let (start, end) = (self.start, self.start + self.extent);
        self.octets.retain(|at, _| (start..end).contains(at));
        let size = self.size;
        self.blocks.retain(|block| (block + 1) * size > start && block * size < end);
        if self.extent == 0 {
            self.blocks.clear();
            self.directory = false;
        }
    }

    fn held(&self) -> u64 {
        self.blocks.len() as u64 + u64::from(self.directory)
    }
}

struct Bench<'a> {
    pool: BlockPool<'a>,
    queue: Queue,
    model: Model,
    others: Vec<Id>,
    seed: u8,
}

impl Bench<'_> {
    fn octets(&self, (sixteenths, more): Span) -> u32 {
        sixteenths * self.pool.block_size() / 16 + more
    }

    fn data(&mut self, len: Span) -> Vec<u8> {
        self.seed = self.seed.wrapping_add(41);
        (0..self.octets(len)).map(|at| (at as u8).wrapping_mul(7) ^ self.seed).collect()
    }

    fn obtainable(&mut self) -> u64 {
        u64::from(self.pool.available() + self.queue.credit_mut().blocks())
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::WriteAt { offset, len } => {
                let (offset, data) = (self.octets(offset), self.data(len));
                let obtainable = self.obtainable();
                let stored = self.queue.write_at(&mut self.pool, offset, &data);
                prop_assert_eq!(stored, self.model.write(offset.into(), &data, obtainable));
            }
            Step::Commit { octets } => {
                let octets = self.octets(octets).min(self.model.written_behind_committed() as u32);
                self.queue.commit(octets);
                self.model.len += u64::from(octets);
            }
            Step::Append { len } => {
                let (data, obtainable) = (self.data(len), self.obtainable());
                let stored = self.queue.append(&mut self.pool, &data);
                prop_assert_eq!(stored, self.model.write(self.model.len, &data, obtainable));
                self.model.len += stored as u64;
            }
            Step::AppendWith { limit, written } => self.append_with(limit, written)?,
            Step::Read { offset, len } => self.read(self.octets(offset), self.octets(len))?,
            Step::Consume { octets } => {
                let octets = self.octets(octets);
                self.queue.consume(&mut self.pool, octets);
                self.model.consume(octets.into());
            }
            Step::DiscardFrom { offset } => {
                let offset = self.octets(offset);
                self.queue.discard_from(&mut self.pool, offset);
                self.model.discard_from(offset.into());
            }
            Step::Cover { window } => {
                let window = self.octets(window);
                let covered = self.queue.cover(&mut self.pool, window);
                prop_assert!(covered <= window);
            }
            Step::Clear => self.clear()?,
            Step::OthersTake { blocks } => {
                let mut none = Credit::EMPTY;
                for _ in 0..blocks {
                    self.others.extend(self.pool.take(&mut none));
                }
            }
            Step::OthersGiveBack { blocks } => {
                for _ in 0..blocks {
                    self.others.pop().into_iter().for_each(|id| self.pool.give_back(id));
                }
            }
        }
        self.compare()
    }

    fn append_with(&mut self, limit: Span, written: Span) -> Result<(), TestCaseError> {
        let (limit, data) = (self.octets(limit) as usize, self.data(written));
        let obtainable = self.obtainable();
        let mut seen = 0;
        let appended = self.queue.append_with(&mut self.pool, limit, &mut |room| {
            seen = room.len();
            copy_prefix(room, &data)
        });
        prop_assert!(seen <= limit);
        prop_assert_eq!(appended, seen.min(data.len()));
        let left = self.model.size - (self.model.start + self.model.len) % self.model.size;
        let expected = limit.min(data.len()).min(left as usize);
        let stored = self.model.write(self.model.len, &data[..expected], obtainable);
        prop_assert_eq!(appended, stored);
        self.model.len += stored as u64;
        prop_assert_eq!(self.obtainable() + self.model.held(), {
            let held = self.pool.capacity() - self.others.len() as u32;
            u64::from(held)
        });
        Ok(())
    }

    fn read(&self, offset: u32, len: u32) -> Result<(), TestCaseError> {
        let expected = self.model.committed(offset.into(), len.into());
        let mut buffer = vec![0; len as usize];
        let read = self.queue.read_at(&self.pool, offset, &mut buffer);
        prop_assert_eq!(&buffer[..read], &expected[..]);
        let slices = self.queue.slices(&self.pool, offset, len);
        prop_assert_eq!(slices.octets() as usize, expected.len());
        prop_assert_eq!(slices.flatten().copied().collect::<Vec<_>>(), expected);
        Ok(())
    }

    fn clear(&mut self) -> Result<(), TestCaseError> {
        self.queue.clear(&mut self.pool);
        self.model.len = 0;
        self.model.extent = 0;
        self.model.prune();
        prop_assert_eq!(self.pool.used() as usize, self.others.len());
        prop_assert_eq!(self.pool.promised(), 0);
        Ok(())
    }

    fn compare(&mut self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.queue.start(), self.model.start as u32);
        prop_assert_eq!(u64::from(self.queue.len()), self.model.len);
        prop_assert_eq!(self.queue.is_empty(), self.model.len == 0);
        prop_assert_eq!(u64::from(self.queue.blocks_held()), self.model.held());
        let used = self.queue.blocks_held() as usize + self.others.len();
        prop_assert_eq!(self.pool.used() as usize, used);
        prop_assert_eq!(self.pool.promised(), self.queue.credit_mut().blocks());
        let first = self.queue.first_slice(&self.pool);
        prop_assert_eq!(first.is_empty(), self.queue.is_empty());
        prop_assert_eq!(first, &self.model.committed(0, first.len() as u64)[..]);
        Ok(())
    }
}

fn with_pool<R>(blocks: usize, shift: u32, test: impl FnOnce(BlockPool<'_>) -> R) -> R {
    let mut bytes = vec![0xa5; blocks << shift];
    let mut links = vec![None; blocks];
    let pool = BlockPool::new((&mut bytes[..]).into(), (&mut links[..]).into(), 1 << shift);
    test(pool.unwrap())
}

/// Positions near the wrap, near zero and anywhere.
fn position() -> impl Strategy<Value = u32> {
    prop_oneof![(0..9000_u32).prop_map(|back| 0_u32.wrapping_sub(back)), Just(0), any::<u32>()]
}

proptest! {
    #[test]
    fn a_queue_holds_what_was_written_and_no_block_more(
        shift in 6..13_u32,
        blocks in 1..30_usize,
        start in position(),
        steps in vec_of(step(), 0..60),
    ) {
        with_pool(blocks, shift, |pool| {
            let model = Model {
                size: 1 << shift,
                start: start.into(),
                len: 0,
                extent: 0,
                octets: BTreeMap::new(),
                blocks: BTreeSet::new(),
                directory: false,
            };
            let queue = Queue::starting_at(start);
            let mut bench = Bench { pool, queue, model, others: Vec::new(), seed: 0 };
            for step in steps {
                bench.step(step)?;
            }
            bench.read(0, u32::MAX >> 12)?;
            bench.clear()
        })?;
    }

    /// The policy that promises memory for the whole edge, with others who take all they can get.
    #[test]
    fn what_was_covered_once_always_finds_room(
        shift in 6..10_u32,
        blocks in 1..30_usize,
        start in position(),
        kept_back in 0..40_u32,
        steps in vec_of((0..400_u32, 0..200_u32, 0..200_u32, 0..400_u32, 0..5_usize), 1..40),
    ) {
        with_pool(blocks, shift, |mut pool| {
            let mut queue = Queue::starting_at(start);
            let (mut edge, mut others, mut none) = (0, Vec::new(), Credit::EMPTY);
            pool.keep_back(kept_back);
            for (at, len, consumed, wish, given) in steps {
                let unit = |value: u32| value * pool.block_size() / 16 + value % 3;
                let wish = unit(wish).max(edge);
                let (at, len, consumed) = (unit(at), unit(len), unit(consumed));
                let covered = queue.cover(&mut pool, wish);
                prop_assert!((edge..=wish).contains(&covered), "{} < {}", covered, edge);
                edge = covered;
                while let Some(id) = pool.take(&mut none) {
                    others.push(id);
                }
                let from = at.min(edge);
                let data = vec![7; len.min(edge - from) as usize];
                prop_assert_eq!(queue.write_at(&mut pool, from, &data), data.len());
                let gap = vec![9; consumed.min(edge - queue.len()) as usize];
                prop_assert_eq!(queue.append(&mut pool, &gap), gap.len());
                let before = queue.len();
                queue.consume_and_keep(&mut pool, consumed / 2);
                edge -= before - queue.len();
                while let Some(id) = pool.take(&mut none) {
                    others.push(id);
                }
                prop_assert_eq!(queue.cover(&mut pool, edge), edge);
                others.drain(..given.min(others.len())).for_each(|id| pool.give_back(id));
            }
            Ok(())
        })?;
    }

    #[test]
    fn the_worst_case_is_enough_for_any_start(
        shift in 6..10_u32,
        start in position(),
        window in 1..3000_u32,
    ) {
        let size = 1 << shift;
        let window = window.min(Queue::window_max(size));
        let blocks = Queue::blocks_for(window, size);
        with_pool(blocks as usize, shift, |mut pool| {
            let mut queue = Queue::starting_at(start);
            // From behind, so that the directory is needed from the first octet on.
            let data = vec![1; window as usize];
            prop_assert_eq!(queue.write_at(&mut pool, window - 1, &data[..1]), 1);
            prop_assert_eq!(queue.append(&mut pool, &data), data.len());
            prop_assert_eq!(queue.cover(&mut pool, window), window);
            Ok(())
        })?;
    }
}

#[test]
fn the_worst_case_is_no_block_too_many() {
    let inline = INLINE * 64;
    let cases = [(0, 0), (1, 1), (2, 2), (64, 2), (65, 2), (66, 3), (128, 3)];
    for (window, blocks) in cases {
        assert_eq!(Queue::blocks_for(window, 64), blocks, "{window}");
    }
    assert_eq!(Queue::blocks_for(inline - 63, 64), INLINE);
    assert_eq!(Queue::blocks_for(inline - 62, 64), INLINE + 2, "with a directory");
    assert_eq!(Queue::blocks_for(1 << 31, 65_536), 32_769 + 1);
}

#[test]
fn a_directory_is_not_taken_with_the_last_block() {
    with_pool(2, 6, |mut pool| {
        let mut queue = Queue::EMPTY;
        assert_eq!(queue.append(&mut pool, &[1; 10]), 10);
        assert_eq!(queue.write_at(&mut pool, INLINE * 64, &[2]), 0);
        assert_eq!((queue.blocks_held(), pool.available()), (1, 1));
    });
    // One that is kept back for others is as good as none.
    with_pool(3, 6, |mut pool| {
        pool.keep_back(1);
        let mut queue = Queue::EMPTY;
        assert_eq!(queue.append(&mut pool, &[1; 10]), 10);
        assert_eq!(queue.write_at(&mut pool, INLINE * 64, &[2]), 0);
        assert_eq!((queue.blocks_held(), pool.available()), (1, 2));
    });
}

#[test]
fn what_an_emptied_queue_frees_is_kept_for_its_window() {
    with_pool(40, 6, |mut pool| {
        let (mut queue, mut none) = (Queue::EMPTY, Credit::EMPTY);
        assert_eq!(queue.cover(&mut pool, 3 * INLINE * 64), 3 * INLINE * 64);
        while pool.take(&mut none).is_some() {}
        let half = vec![1; INLINE as usize * 96];
        assert_eq!(queue.append(&mut pool, &half), half.len());
        // The directory goes, too, and is needed again.
        queue.consume_and_keep(&mut pool, half.len() as u32);
        assert_eq!((queue.blocks_held(), pool.take(&mut none)), (0, None), "all is promised");
        assert_eq!(queue.cover(&mut pool, INLINE * 96), INLINE * 96);
    });
}

#[test]
fn offsets_beyond_all_reach_store_nothing() {
    with_pool(4, 6, |mut pool| {
        let mut queue = Queue::starting_at(63);
        for offset in [Queue::window_max(64) + 1, u32::MAX - 62, u32::MAX] {
            assert_eq!(queue.write_at(&mut pool, offset, &[1, 2]), 0, "{offset}");
        }
        assert_eq!(pool.used(), 0);
        queue.commit(5);
        assert_eq!(queue.len(), 0, "nothing is committed that was not written");
    });
}

#[test]
fn a_writer_that_writes_nothing_leaves_everything_as_it_was() {
    with_pool(16, 6, |mut pool| {
        let mut queue = Queue::EMPTY;
        // The next octet would need a block and, for that, a directory.
        assert_eq!(queue.append(&mut pool, &[3; INLINE as usize * 64]), INLINE as usize * 64);
        assert_eq!(pool.promise(queue.credit_mut(), 2), 2);
        let mut room = 0;
        assert_eq!(
            queue.append_with(&mut pool, 99, &mut |span| {
                room = span.len();
                0
            }),
            0
        );
        assert_eq!((room, queue.blocks_held(), queue.credit_mut().blocks()), (64, INLINE, 2));
        assert_eq!((pool.used(), pool.promised()), (INLINE, 2));
        assert_eq!(queue.append_with(&mut pool, 5, &mut |span| span.len()), 5);
        assert_eq!((queue.blocks_held(), queue.credit_mut().blocks()), (INLINE + 2, 0));
        let mut front = [0; 1000];
        assert_eq!(queue.read_at(&pool, 0, &mut front), INLINE as usize * 64 + 5);
        assert!(front[..INLINE as usize * 64].iter().all(|octet| *octet == 3));
    });
}

mod sharing;
