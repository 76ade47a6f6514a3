//! An echo server of tasks: embassy's executor, sockets of `aio`, the same driver as every image.
//!
//! The executor sleeps where no task is ready; a frame or the tick of ten milliseconds ends that,
//! and wakes the task that drives the stack.
#![no_std]
#![no_main]

use core::cell::RefCell;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Waker;

use cortex_m_rt::entry;
use embassy_executor::{Spawner, raw};
use hikyaku::aio::{Async, Listener, Notify, Shared, Timer};
use hikyaku::io::IoError;
use hikyaku::{
    Capabilities, Device, Instant, ListenConfig, NoRoom, Packet, RxMeta, Small, Stack, storage,
};
use hikyaku_firmware::board::{Board, GATEWAY, IPV4, IPV4_PREFIX, config};
use hikyaku_firmware::stellaris::Buffer;
use static_cell::StaticCell;

type Profile = Async<Small>;
type Net = Shared<'static, Profile>;
type Port = Listener<'static, 'static, Profile>;

/// Connections that are served at once.
const TASKS: usize = 4;

storage!(static NET: Profile {
    connections: TASKS, listeners: 1, half_open: 4, time_wait: 4, udp_sockets: 0, neighbors: 4,
    records: 0, window: 2920
});

/// The board as the tasks share it.
struct Surroundings {
    board: RefCell<Board<'static>>,
    runner: RefCell<Option<Waker>>,
}

impl Surroundings {
    /// Sleeps, and wakes the task that drives the stack.
    fn sleep(&self) {
        self.board.borrow().sleep();
        if let Some(runner) = self.runner.borrow_mut().take() {
            runner.wake();
        }
    }
}

impl Timer for Surroundings {
    fn now(&self) -> Instant {
        Instant::from_micros(self.board.borrow_mut().clock.micros())
    }

    /// No sleep is longer than ten milliseconds.
    fn wake_at(&self, _at: Instant, _waker: &Waker) {}
}

/// The controller, as the task that drives the stack holds it.
struct Controller(&'static Surroundings);

impl Device for Controller {
    fn capabilities(&self) -> Capabilities {
        self.0.board.borrow().device.capabilities()
    }

    fn receive<R>(&mut self, take: impl FnOnce(&[u8], RxMeta) -> R) -> Option<R> {
        self.0.board.borrow_mut().device.receive(take)
    }

    fn transmit(&mut self, packet: &Packet<'_>) -> Result<(), NoRoom> {
        self.0.board.borrow_mut().device.transmit(packet)
    }
}

impl Notify for Controller {
    fn notify(&mut self, waker: &Waker) {
        *self.0.runner.borrow_mut() = Some(waker.clone());
    }
}

#[embassy_executor::task]
async fn drive(net: &'static Net, mut controller: Controller) {
    net.run(&mut controller).await
}

#[embassy_executor::task(pool_size = TASKS)]
async fn serve(port: &'static Port) {
    loop {
        // What ends one connection does not end the service.
        let _ = echo(port).await;
    }
}

async fn echo(port: &Port) -> Result<(), IoError> {
    let mut connection = port.accept().await?;
    let mut buffer = [0; 128];
    loop {
        let count = connection.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        connection.write_all(buffer.get(..count).unwrap_or(&[])).await?;
    }
}

fn start(spawner: Spawner, surroundings: &'static Surroundings, stack: Stack<'static, Profile>) {
    static SHARED: StaticCell<Net> = StaticCell::new();
    static PORT: StaticCell<Port> = StaticCell::new();
    let net: &'static Net = SHARED.init(Shared::new(stack, surroundings));
    if let Ok(task) = drive(net, Controller(surroundings)) {
        spawner.spawn(task);
    }
    let Ok(port) = net.listen(7, &ListenConfig::new()) else { return };
    let port: &'static Port = PORT.init(port);
    for _ in 0..TASKS {
        if let Ok(task) = serve(port) {
            spawner.spawn(task);
        }
    }
}

/// Whether a task is ready.
static READY: AtomicBool = AtomicBool::new(false);

/// What the executor calls when a task becomes ready.
#[unsafe(export_name = "__pender")]
fn pender(_context: *mut ()) {
    READY.store(true, Ordering::Relaxed);
}

#[entry]
fn main() -> ! {
    static mut FRAME: Buffer = Buffer::EMPTY;
    static EXECUTOR: StaticCell<raw::Executor> = StaticCell::new();
    static SURROUNDINGS: StaticCell<Surroundings> = StaticCell::new();
    let (board, secret) = Board::start(FRAME);
    let board = Surroundings { board: RefCell::new(board), runner: RefCell::new(None) };
    let surroundings: &'static Surroundings = SURROUNDINGS.init(board);
    let executor: &'static raw::Executor = EXECUTOR.init(raw::Executor::new(core::ptr::null_mut()));
    if let Some(secret) = secret
        && let Some(storage) = NET.take()
        && let Ok(mut stack) = Stack::<Profile>::new(storage, &config(), secret)
        && stack.add_address(IPV4.into(), IPV4_PREFIX).is_ok()
        && stack.set_gateway(GATEWAY.into()).is_ok()
    {
        start(executor.spawner(), surroundings, stack);
    }
    loop {
        // SAFETY: it is polled here and nowhere else, and never from inside of itself.
        unsafe { executor.poll() };
        if !READY.swap(false, Ordering::Relaxed) {
            surroundings.sleep();
        }
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
