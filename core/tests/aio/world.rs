//! Two stacks joined by a wire in memory, and an executor that polls a task only when it was woken.
//!
//! Time is virtual: it moves to the next deadline when no task is ready. Which of several ready
//! tasks comes next is drawn from a seed. A lost wake-up shows as a world in which nothing is
//! ready, no timer is set, and the tasks that matter are not done.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use hikyaku::aio::{Async, Notify, Shared, TaskWaker, Timer};
use hikyaku::*;

/// The time of a world.
pub(crate) struct Clock {
    now: Rc<Cell<Instant>>,
    alarm: RefCell<Option<(Instant, Waker)>>,
}

impl Timer for Clock {
    fn now(&self) -> Instant {
        self.now.get()
    }

    fn wake_at(&self, at: Instant, waker: &Waker) {
        *self.alarm.borrow_mut() = Some((at, waker.clone()));
    }
}

/// One direction of the wire.
#[derive(Default)]
struct Lane {
    packets: VecDeque<Vec<u8>>,
    receiver: Option<Waker>,
    sender: Option<Waker>,
}

/// The device at one end.
pub(crate) struct End {
    incoming: Rc<RefCell<Lane>>,
    outgoing: Rc<RefCell<Lane>>,
    /// How many packets a lane holds.
    room: usize,
}

impl Device for End {
    fn capabilities(&self) -> Capabilities {
        Capabilities::ip(1500)
    }

    fn receive<R>(&mut self, take: impl FnOnce(&[u8], RxMeta) -> R) -> Option<R> {
        let mut lane = self.incoming.borrow_mut();
        let packet = lane.packets.pop_front()?;
        let sender = lane.sender.take();
        drop(lane);
        if let Some(sender) = sender {
            sender.wake();
        }
        Some(take(&packet, RxMeta::default()))
    }

    fn transmit(&mut self, packet: &Packet<'_>) -> Result<(), NoRoom> {
        let mut lane = self.outgoing.borrow_mut();
        if lane.packets.len() >= self.room {
            return Err(NoRoom);
        }
        let mut octets = vec![0; packet.len()];
        packet.copy_into(&mut octets).ok_or(NoRoom)?;
        lane.packets.push_back(octets);
        let receiver = lane.receiver.take();
        drop(lane);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
        Ok(())
    }
}

impl Notify for End {
    fn notify(&mut self, waker: &Waker) {
        self.incoming.borrow_mut().receiver = Some(waker.clone());
        self.outgoing.borrow_mut().sender = Some(waker.clone());
    }
}

/// Whether a task was woken, and how often.
#[derive(Default)]
pub(crate) struct Bell {
    rung: AtomicBool,
    pub(crate) times: AtomicU32,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.store(true, Ordering::Relaxed);
        self.times.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bell {
    pub(crate) fn take(&self) -> bool {
        self.rung.swap(false, Ordering::Relaxed)
    }
}

/// A stack that tasks share, for as long as the test runs.
pub(crate) type Net<P = Async<Full>> = &'static Shared<'static, P>;

struct Task<'t> {
    future: Pin<Box<dyn Future<Output = ()> + 't>>,
    bell: Arc<Bell>,
    /// The world is over when all of these are done.
    matters: bool,
}

/// Two hosts and the tasks on them.
pub(crate) struct World<'t, P: Profile<Waker = TaskWaker> = Async<Full>> {
    pub(crate) nets: [Net<P>; 2],
    now: Rc<Cell<Instant>>,
    clocks: [&'static Clock; 2],
    tasks: Vec<Task<'t>>,
    random: u64,
    /// How many polls it took.
    pub(crate) polls: u32,
}

pub(crate) const SERVER: &str = "10.0.0.2:7";

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

impl<'t, P: Profile<Waker = TaskWaker>> World<'t, P> {
    /// Hosts 10.0.0.1 and 10.0.0.2, on a wire that holds so many packets each way.
    pub(crate) fn new(seed: u64, room: usize) -> Self {
        let now = Rc::new(Cell::new(Instant::from_millis(1)));
        let lanes: [Rc<RefCell<Lane>>; 2] = Default::default();
        let clocks =
            [(); 2].map(|()| leak(Clock { now: Rc::clone(&now), alarm: RefCell::new(None) }));
        let nets = [0_u8, 1].map(|side| {
            let capacity = Capacity {
                connections: 6,
                listeners: 2,
                half_open: 4,
                time_wait: 4,
                udp_sockets: 3,
                neighbors: 0,
                records: 64,
                blocks: 224,
                block_size: 256,
            };
            let mut config = Config::new();
            (config.connection.receive_limit, config.connection.send_limit) = (1024, 1024);
            config.time_wait = Duration::from_secs(1);
            let secret = Secret::new([side + 1; 16]).expect("not all zero");
            let stack = Stack::new(Storage::allocate(&capacity), &config, secret);
            let mut stack: Stack<'static, P> = stack.expect("a possible configuration");
            stack.add_address([10, 0, 0, side + 1].into(), 24).expect("a host's address");
            leak(Shared::new(stack, clocks[usize::from(side)]))
        });
        let mut world = Self { nets, now, clocks, tasks: Vec::new(), random: seed | 1, polls: 0 };
        for side in 0..2 {
            let net = world.nets[side];
            let (incoming, outgoing) = (Rc::clone(&lanes[1 - side]), Rc::clone(&lanes[side]));
            let mut end = End { incoming, outgoing, room };
            world.add(false, async move { net.run(&mut end).await });
        }
        world
    }

    /// Adds a task; returns what tells how often it is woken.
    fn add(&mut self, matters: bool, future: impl Future<Output = ()> + 't) -> Arc<Bell> {
        let bell = Arc::new(Bell::default());
        bell.wake_by_ref();
        self.tasks.push(Task { future: Box::pin(future), bell: Arc::clone(&bell), matters });
        bell
    }

    /// A task that has to come to its end.
    pub(crate) fn spawn(&mut self, future: impl Future<Output = ()> + 't) -> Arc<Bell> {
        self.add(true, future)
    }

    /// A task that serves the others and may go on for ever.
    pub(crate) fn serve(&mut self, future: impl Future<Output = ()> + 't) -> Arc<Bell> {
        self.add(false, future)
    }

    pub(crate) fn time(&self) -> Instant {
        self.now.get()
    }

    /// Polls one task that was woken; `false` where there is none.
    fn step(&mut self) -> bool {
        let ready: Vec<usize> = (0..self.tasks.len())
            .filter(|&at| self.tasks[at].bell.rung.load(Ordering::Relaxed))
            .collect();
        if ready.is_empty() {
            return false;
        }
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let at = ready[(self.random % ready.len() as u64) as usize];
        let task = &mut self.tasks[at];
        task.bell.take();
        let waker = Waker::from(Arc::clone(&task.bell));
        self.polls += 1;
        assert!(self.polls < 2_000_000, "tasks wake each other for ever");
        if task.future.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Ready(()) {
            drop(self.tasks.remove(at));
        }
        true
    }

    /// Runs until nothing is ready, without letting time pass.
    pub(crate) fn settle(&mut self) {
        while self.step() {}
    }

    /// Runs until all that matters is done.
    pub(crate) fn run(&mut self) {
        while self.tasks.iter().any(|task| task.matters) {
            if !self.step() && !self.sleep() {
                panic!("nothing is ready and no timer is set: a wake-up was lost");
            }
        }
    }

    /// Lets time pass up to the next alarm.
    pub(crate) fn sleep(&mut self) -> bool {
        let alarms = self.clocks.iter().filter_map(|clock| clock.alarm.borrow().clone());
        let Some((at, _)) = alarms.min_by_key(|(at, _)| *at) else { return false };
        self.now.set(self.now.get().max(at));
        for clock in self.clocks {
            let due = clock.alarm.borrow().as_ref().is_some_and(|(due, _)| *due <= at);
            if due && let Some((_, waker)) = clock.alarm.take() {
                waker.wake();
            }
        }
        true
    }

    /// Runs until nothing is left to do, ever.
    pub(crate) fn finish(&mut self) {
        self.run();
        loop {
            self.settle();
            if !self.sleep() {
                return;
            }
        }
    }

    /// What the hosts hold.
    pub(crate) fn usage(&self) -> [Usage; 2] {
        self.nets.map(|net| net.with(|stack| stack.usage()).expect("not inside a call"))
    }
}
