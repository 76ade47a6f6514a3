//! Several queues over one pool, as the connections of a stack use it under both policies: each
//! gets on whatever the others do.

use std::vec;
use std::vec::Vec;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::super::super::policy::AllocationPolicy::{self, Overcommit, Reserved};
use super::super::*;
use super::{position, with_pool};

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Text in order, as much as the window takes.
    Append {
        at: usize,
        len: u32,
    },
    /// All that is said to be within reach.
    Fill {
        at: usize,
    },
    /// Text behind a hole.
    Early {
        at: usize,
        gap: u32,
        len: u32,
    },
    Read {
        at: usize,
        octets: u32,
    },
    /// What is behind a hole is forgotten.
    Prune {
        at: usize,
    },
    /// The connection ends, and another one takes its slot.
    Restart {
        at: usize,
        start: u32,
    },
    /// Datagrams and echo replies, which are promised nothing.
    OthersTake {
        blocks: usize,
    },
    OthersGiveBack {
        blocks: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let at = 0..4_usize;
    let len = 0..700_u32;
    prop_oneof![
        3 => (at.clone(), len.clone()).prop_map(|(at, len)| Step::Append { at, len }),
        1 => at.clone().prop_map(|at| Step::Fill { at }),
        2 => (at.clone(), len.clone(), len.clone())
            .prop_map(|(at, gap, len)| Step::Early { at, gap, len }),
        3 => (at.clone(), len).prop_map(|(at, octets)| Step::Read { at, octets }),
        1 => at.clone().prop_map(|at| Step::Prune { at }),
        1 => (at, position()).prop_map(|(at, start)| Step::Restart { at, start }),
        1 => (0..6_usize).prop_map(|blocks| Step::OthersTake { blocks }),
        1 => (0..6_usize).prop_map(|blocks| Step::OthersGiveBack { blocks }),
    ]
}

/// A receive queue, and the edge of the window that was told, from its start on.
struct Line {
    queue: Queue,
    edge: u32,
}

struct Bench<'p> {
    pool: BlockPool<'p>,
    policy: AllocationPolicy,
    limit: u32,
    kept_back: u32,
    lines: Vec<Line>,
    others: Vec<Id>,
}

/// The octet at a position of a stream: what is read can be told from what was not written.
fn octet(at: usize, position: u32) -> u8 {
    (position.wrapping_mul(0x9e37_79b1).wrapping_add(at as u32 * 77) >> 13) as u8
}

fn text(at: usize, position: u32, len: u32) -> Vec<u8> {
    (0..len).map(|offset| octet(at, position.wrapping_add(offset))).collect()
}

impl Bench<'_> {
    fn open(&mut self, start: u32) -> Result<Line, TestCaseError> {
        let mut line = Line { queue: Queue::starting_at(start), edge: 0 };
        prop_assert!(line.queue.keep_promise(&mut self.pool), "the first block is always there");
        Ok(line)
    }

    /// Moves the window on. It never moves back.
    fn tell(&mut self, at: usize) -> Result<(), TestCaseError> {
        let line = &mut self.lines[at];
        let edge = match self.policy {
            Reserved => line.queue.cover(&mut self.pool, self.limit.max(line.edge)),
            Overcommit => line.queue.within_reach(&self.pool, self.limit).max(line.edge),
        };
        prop_assert!(edge >= line.edge, "a window is withdrawn: {} after {}", edge, line.edge);
        line.edge = edge;
        Ok(())
    }

    /// Text for this place arrives, as far as it lies in the window. Returns how much is stored.
    fn write(&mut self, at: usize, offset: u32, len: u32) -> Result<u32, TestCaseError> {
        let line = &mut self.lines[at];
        let len = len.min(line.edge.saturating_sub(offset));
        let data = text(at, line.queue.start().wrapping_add(offset), len);
        let stored = line.queue.write_at(&mut self.pool, offset, &data) as u32;
        if self.policy == Reserved {
            prop_assert_eq!(stored, len, "what was told finds room");
        }
        Ok(stored)
    }

    fn append(&mut self, at: usize, len: u32) -> Result<(), TestCaseError> {
        let offset = self.lines[at].queue.len();
        let stored = self.write(at, offset, len)?;
        self.lines[at].queue.commit(stored);
        Ok(())
    }

    fn read(&mut self, at: usize, octets: u32) -> Result<(), TestCaseError> {
        let line = &mut self.lines[at];
        let octets = octets.min(line.queue.len());
        let mut buffer = vec![0; octets as usize];
        prop_assert_eq!(line.queue.read_at(&self.pool, 0, &mut buffer), octets as usize);
        prop_assert_eq!(buffer, text(at, line.queue.start(), octets), "read as written");
        match self.policy {
            Reserved => line.queue.consume_and_keep(&mut self.pool, octets),
            Overcommit => {
                line.queue.consume(&mut self.pool, octets);
                line.queue.keep_promise(&mut self.pool);
            }
        }
        line.edge -= octets;
        Ok(())
    }

    fn prune(&mut self, at: usize) {
        let queue = &mut self.lines[at].queue;
        queue.discard_from(&mut self.pool, queue.len());
        queue.keep_promise(&mut self.pool);
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        let count = self.lines.len();
        match step {
            Step::Append { at, len } => self.append(at % count, len)?,
            Step::Fill { at } => {
                let queue = &self.lines[at % count].queue;
                let reach = queue.within_reach(&self.pool, self.limit);
                let before = queue.len();
                if self.policy == Overcommit && reach > before {
                    self.lines[at % count].edge = reach.max(self.lines[at % count].edge);
                    self.append(at % count, reach - before)?;
                    prop_assert_eq!(self.lines[at % count].queue.len(), reach, "within reach");
                }
            }
            Step::Early { at, gap, len } => {
                let offset = self.lines[at % count].queue.len() + gap + 1;
                self.write(at % count, offset, len)?;
            }
            Step::Read { at, octets } => {
                self.read(at % count, octets)?;
                self.tell(at % count)?;
            }
            // What Reserved has promised is not given back for this.
            Step::Prune { at } if self.policy == Overcommit => self.prune(at % count),
            Step::Prune { .. } => {}
            Step::Restart { at, start } => {
                self.lines[at % count].queue.clear(&mut self.pool);
                self.lines[at % count] = self.open(start)?;
                self.tell(at % count)?;
            }
            Step::OthersTake { blocks } => {
                let mut none = Credit::EMPTY;
                self.others.extend((0..blocks).map_while(|_| self.pool.take(&mut none)));
            }
            Step::OthersGiveBack { blocks } => {
                let left = self.others.len().saturating_sub(blocks);
                self.others.drain(left..).for_each(|id| self.pool.give_back(id));
            }
        }
        self.check()
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let pool = &self.pool;
        let held: u32 = self.lines.iter().map(|line| line.queue.blocks_held()).sum();
        let promised: u32 = self.lines.iter().map(|line| line.queue.credit.blocks()).sum();
        prop_assert_eq!(pool.used(), held + self.others.len() as u32);
        prop_assert_eq!(pool.promised(), promised);
        prop_assert!(pool.used() + pool.promised() <= pool.capacity(), "more than there is");
        let free = pool.capacity() - pool.used() - pool.promised();
        prop_assert_eq!(pool.available(), free);
        prop_assert!(free >= self.kept_back, "what is kept back is there");
        for line in &self.lines {
            let queue = &line.queue;
            prop_assert!(queue.blocks_held() > 0 || queue.credit.blocks() > 0, "a block each");
        }
        Ok(())
    }

    /// Whatever has happened, each can still take what comes next once its user has read.
    fn everybody_gets_on(&mut self) -> Result<(), TestCaseError> {
        for at in 0..self.lines.len() {
            self.read(at, u32::MAX)?;
            self.tell(at)?;
            let line = &mut self.lines[at];
            let next = text(at, line.queue.start(), 1);
            let mut stored = line.queue.append(&mut self.pool, &next);
            if stored == 0 {
                prop_assert_eq!(self.policy, Overcommit);
                self.prune(at);
                stored = self.lines[at].queue.append(&mut self.pool, &next);
            }
            prop_assert_eq!(stored, 1, "line {}", at);
        }
        Ok(())
    }

    fn end(mut self) -> Result<(), TestCaseError> {
        let mut late = Credit::EMPTY;
        prop_assert_eq!(self.pool.promise(&mut late, self.kept_back), self.kept_back);
        self.pool.withdraw(&mut late, u32::MAX);
        self.lines.iter_mut().for_each(|line| line.queue.clear(&mut self.pool));
        self.others.drain(..).for_each(|id| self.pool.give_back(id));
        prop_assert_eq!((self.pool.used(), self.pool.promised()), (0, 0));
        prop_assert_eq!(self.pool.available(), self.pool.capacity());
        Ok(())
    }
}

proptest! {
    #[test]
    fn each_of_several_gets_on_and_nothing_is_lost(
        reserved in any::<bool>(),
        shift in 6..8_u32,
        starts in vec_of(position(), 1..4),
        kept_back in 0..5_usize,
        more in 0..24_usize,
        limit in 1..1500_u32,
        steps in vec_of(step(), 0..80),
    ) {
        with_pool(starts.len() + kept_back + more, shift, |mut pool| {
            let policy = if reserved { Reserved } else { Overcommit };
            pool.keep_back(kept_back as u32);
            let limit = limit.min(Queue::window_max(pool.block_size()));
            let (lines, others) = (Vec::new(), Vec::new());
            let kept_back = kept_back as u32;
            let mut bench = Bench { pool, policy, limit, kept_back, lines, others };
            for (at, start) in starts.iter().enumerate() {
                let line = bench.open(*start)?;
                bench.lines.push(line);
                // Kept back is what the others will want for theirs.
                let wanted = (starts.len() - at - 1) as u32;
                bench.pool.keep_back(kept_back + wanted);
                bench.tell(at)?;
            }
            for step in steps {
                bench.step(step)?;
            }
            bench.everybody_gets_on()?;
            bench.end()
        })?;
    }
}
