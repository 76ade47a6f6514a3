//! What `defmt` logs of our types, decoded to text again: the octets leave through a logger of the
//! test, as they would leave a board, and the strings are taken from the program's own ELF file.

use std::cell::RefCell;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hikyaku::counters::DropReason;
use hikyaku::flow::FlowKey;
use hikyaku::seq::SeqNum;
use hikyaku::trace::Event;
use hikyaku::*;
use hikyaku_testkit::decoder::decode;

/// What was logged by all threads.
static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

thread_local! {
    static FRAME: RefCell<defmt::Encoder> = const { RefCell::new(defmt::Encoder::new()) };
}

fn logged() -> MutexGuard<'static, Vec<u8>> {
    LOGGED.lock().unwrap_or_else(PoisonError::into_inner)
}

#[defmt::global_logger]
struct Logger;

// SAFETY: each thread has an encoder of its own, and whole pieces are appended under a lock. One
// test logs at a time.
unsafe impl defmt::Logger for Logger {
    fn acquire() {
        FRAME.with_borrow_mut(|frame| frame.start_frame(|octets| logged().extend(octets)));
    }

    unsafe fn flush() {}

    unsafe fn release() {
        FRAME.with_borrow_mut(|frame| frame.end_frame(|octets| logged().extend(octets)));
    }

    unsafe fn write(octets: &[u8]) {
        FRAME.with_borrow_mut(|frame| frame.write(octets, |octets| logged().extend(octets)));
    }
}

defmt::timestamp!("{=u8}", 0);

/// The lines that `log` brings.
fn lines(log: impl FnOnce()) -> Vec<String> {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    logged().clear();
    log();
    let octets = std::mem::take(&mut *logged());
    decode(&octets)
}

fn flow() -> FlowKey {
    let ends = ["10.0.0.1:7", "10.0.0.2:50000"].map(|end| end.parse().expect("an address"));
    FlowKey::new(ends[0], ends[1]).expect("one family")
}

#[test]
fn events_are_text_again() {
    let lines = lines(|| {
        defmt::println!("{}", Event::Dropped(DropReason::OutsideWindow));
        let (seq, octets) = (SeqNum::new(7), 1460);
        defmt::println!("{}", Event::Sent { flow: flow(), seq, octets, again: true });
        defmt::println!("{}", Readiness::READABLE | Readiness::CLOSED);
        defmt::println!("{}", Wake::At(Instant::from_millis(3)));
    });
    assert_eq!(lines[0], "Dropped(OutsideWindow)");
    assert!(lines[1].starts_with("Sent { flow: "), "{}", lines[1]);
    assert!(lines[1].ends_with("seq: SeqNum(7), octets: 1460, again: true }"), "{}", lines[1]);
    assert_eq!(lines[2], "Readiness(33)");
    assert_eq!(lines[3], "At(Instant(3000))");
}

#[test]
fn errors_are_text_again() {
    let lines = lines(|| {
        defmt::println!("connect: {}", ConnectError::NoAddress);
        defmt::println!("read: {}", ReadError::Ended(CloseReason::Reset));
        defmt::println!("bind: {}, send: {}", BindError::InUse, SendError::TooLong);
        defmt::println!("{} {} {}", ConfigError::TooFewBlocks, StaleHandle, NoRoom);
        defmt::println!("{}", Secret::new([0x5a; 16]).expect("not all zero"));
    });
    let expected = [
        "connect: NoAddress",
        "read: Ended(Reset)",
        "bind: InUse, send: TooLong",
        "TooFewBlocks StaleHandle NoRoom",
        "Secret(…)",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn what_a_stack_tells_of_itself_is_text_again() {
    let capacity = Capacity {
        connections: 1,
        listeners: 1,
        half_open: 1,
        time_wait: 1,
        udp_sockets: 1,
        neighbors: 0,
        records: 0,
        blocks: 8,
        block_size: 256,
    };
    let secret = Secret::new([7; 16]).expect("not all zero");
    let stack = Stack::new(Storage::allocate(&capacity), &Config::new(), secret);
    let mut stack: Stack<'_, Small> = stack.expect("a possible configuration");
    let listener = stack.listen(7, &ListenConfig::new()).expect("a free port");
    let lines = lines(|| {
        defmt::println!("{}", stack.usage());
        defmt::println!("{} {}", capacity, Handle::Listener(listener));
        defmt::println!("{}", ConnectConfig::new());
        defmt::println!("{}", stack.counters());
    });
    assert!(
        lines[0].starts_with("Usage { connections: 0, half_open: 0, time_wait: 0, listeners: 1")
    );
    assert!(lines[1].contains("block_size: 256") && lines[1].contains("Listener(ListenerHandle("));
    assert!(lines[2].starts_with("ConnectConfig { local_address: "));
    assert!(lines[3].contains("segments_in: 0"), "{}", lines[3]);
}
