//! Memory that is counted before the program runs: two stacks in `.bss`, one with a profile of its
//! own.
//!
//! `cargo run -p hikyaku --example static_storage`

use hikyaku::profile::LinearTables;
use hikyaku::storage::assembler::Assembler;
use hikyaku::storage::queue::Queue;
use hikyaku::tcp::congestion::Reno;
use hikyaku::tcp::recovery::GoBack;
use hikyaku::*;

// One connection with a window of 4 KiB each way: one block for each direction, which is its window.
storage!(static TINY: Tiny {
    connections: 1, listeners: 1, half_open: 0, time_wait: 0, udp_sockets: 0,
    records: 0, window: 4096,
});

/// As `Small`, but it keeps records of handshakes and of TIME-WAIT, lets silent peers be asked
/// whether they are there, and answers no pings.
struct Mine;

impl Profile for Mine {
    type Recovery = GoBack;
    type Congestion = Reno;
    type Reassembly = Assembler<4>;
    type Stream = Queue;
    type Tables = LinearTables;
    type Observer = ();
    type Waker = ();
    const ICMP_ECHO: bool = false;
    const KEEPALIVE: bool = true;
    const TIMESTAMPS: bool = false;
    const SACK: bool = false;
    const URGENT: bool = false;
    const COOKIES: bool = false;
    const PRUNING: bool = false;
}

// Eight connections with windows of two segments each way, all at the same time.
storage!(static MINE: Mine {
    connections: 8, listeners: 2, half_open: 4, time_wait: 8, udp_sockets: 2,
    records: 0, window: 2920,
});

fn main() {
    println!("one connection takes {} octets", size_of_val(&TINY));
    println!("eight connections take {} octets", size_of_val(&MINE));
    assert!(size_of_val(&TINY) < 10 * 1024 && size_of_val(&MINE) < 96 * 1024);

    let mut config = Config::new();
    let secret = Secret::new([7; 16]).expect("not all zero");
    let tiny = TINY.take().expect("the first time");
    let mut tiny = Stack::new(tiny, &config, secret).expect("enough blocks");
    assert!(TINY.take().is_none(), "memory is lent once");
    tiny.add_address([192, 168, 69, 2].into(), 24).expect("a host's address");

    assert_eq!(tiny.warnings().next(), None);

    config.connection.keepalive = Some(Duration::from_secs(7200));
    let mine = MINE.take().expect("the first time");
    let mut mine = Stack::new(mine, &config, secret).expect("enough blocks");
    mine.add_address([192, 168, 69, 3].into(), 24).expect("a host's address");

    assert_eq!(mine.warnings().next(), None);

    let now = Instant::ZERO;
    let remote = "192.168.69.3:7".parse().expect("an address");
    tiny.connect(now, remote, &ConnectConfig::new()).expect("the one slot");
    let full = tiny.connect(now, remote, &ConnectConfig::new());
    println!("a second connection: {}", full.expect_err("there is one slot"));
    println!("in use: {:?}", tiny.usage());
}
