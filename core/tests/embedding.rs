//! What memory costs, as docs/embedding.md says: the formula gives exactly what `storage!` makes,
//! and what the page recommends does what it is there for. The page's figures are a Cortex-M3's
//! (`core/firmware/check slots`), those here the host's: the formula is the same.

#[path = "../firmware/src/sizes.rs"]
#[allow(dead_code, unreachable_pub, reason = "the firmware uses what this test does not")]
mod sizes;

use hikyaku::storage::stream::Stream;
use hikyaku::*;
use sizes::{CHOICES, Kind, Units};

/// The size of a static against the formula. No capacity divides another, and some are odd.
macro_rules! assert_storage {
    ($profile:ty: $connections:literal, $half_open:literal, $time_wait:literal, $listeners:literal,
     $udp_sockets:literal, $neighbors:literal, $records:literal,
     $blocks:literal x $block_size:literal) => {{
        storage!(static NET: $profile {
            connections: $connections, listeners: $listeners, half_open: $half_open,
            time_wait: $time_wait, udp_sockets: $udp_sockets, neighbors: $neighbors,
            records: $records, blocks: $blocks x $block_size,
        });
        let capacity = Capacity {
            connections: $connections,
            listeners: $listeners,
            half_open: $half_open,
            time_wait: $time_wait,
            udp_sockets: $udp_sockets,
            neighbors: $neighbors,
            records: $records,
            blocks: $blocks,
            block_size: $block_size,
        };
        assert_eq!(size_of_val(&NET), Units::of::<$profile>().storage(&capacity), "{capacity:?}");
    }};
}

#[test]
fn the_formula_is_exact() {
    assert_storage!(Full: 0, 0, 0, 0, 0, 0, 0, 0 x 64);
    assert_storage!(Full: 1, 1, 1, 1, 1, 1, 1, 1 x 64);
    assert_storage!(Full: 7, 3, 5, 2, 1, 9, 11, 13 x 512);
    assert_storage!(Full: 3, 8, 1, 5, 7, 2, 6, 31 x 1024);
    assert_storage!(Full: 32, 8, 8, 2, 4, 4, 64, 324 x 512);
    assert_storage!(Small: 0, 0, 0, 0, 0, 0, 0, 0 x 64);
    assert_storage!(Small: 1, 1, 1, 1, 1, 1, 1, 1 x 64);
    assert_storage!(Small: 1, 0, 0, 1, 0, 2, 0, 17 x 256);
    assert_storage!(Small: 5, 2, 3, 1, 7, 1, 0, 21 x 128);
    assert_storage!(Small: 8, 0, 0, 2, 4, 4, 0, 84 x 512);
    assert_storage!(Tiny: 0, 0, 0, 0, 0, 0, 0, 0 x 64);
    assert_storage!(Tiny: 1, 1, 1, 1, 1, 1, 1, 1 x 64);
    assert_storage!(Tiny: 3, 0, 0, 1, 0, 2, 0, 7 x 1024);
    assert_storage!(Tiny: 5, 2, 3, 1, 7, 1, 0, 11 x 128);
}

/// A profile's blocks for a window, and its largest window.
fn needs<P: Profile>(window: u32, block_size: u32) -> (u32, u32) {
    (P::Stream::blocks_for(window, block_size), P::Stream::window_max(block_size))
}

/// Whether so many blocks suffice for all windows of a capacity at once.
fn assert_sufficient<P: Profile>(capacity: &Capacity, window: u32) {
    let Capacity { connections, blocks, block_size, .. } = *capacity;
    let (each, largest) = needs::<P>(window, block_size as u32);
    assert!(window <= largest, "{window}: {capacity:?}");
    assert!(2 * connections * each as usize <= blocks, "{window}: {capacity:?}");
    assert!(block_size.is_power_of_two() && block_size >= 64, "{window}: {capacity:?}");
}

#[test]
fn every_choice_has_blocks_for_all_windows_at_once() {
    for choice in CHOICES {
        match choice.kind {
            Kind::Full => assert_sufficient::<Full>(&choice.capacity, choice.window),
            Kind::Small => assert_sufficient::<Small>(&choice.capacity, choice.window),
            Kind::Tiny => assert_sufficient::<Tiny>(&choice.capacity, choice.window),
        }
    }
}

#[test]
fn a_window_has_blocks_for_all_connections_at_once() {
    // A ring is one block of 64 KiB at most.
    for window in (1..70_000).step_by(61).chain([63, 64, 65, 255, 256, 257, 2920, 65_536]) {
        let capacity = Capacity { connections: 5, ..Capacity::small() };
        assert_sufficient::<Full>(&capacity.with_window::<Full>(window), window);
        assert_sufficient::<Small>(&capacity.with_window::<Small>(window), window);
        if window <= 65_536 {
            assert_sufficient::<Tiny>(&capacity.with_window::<Tiny>(window), window);
        }
    }
}

#[test]
fn a_layout_knows_the_window_of_so_many_blocks() {
    use hikyaku::storage::{queue::Queue, ring::Ring};
    for layout in [Queue::LAYOUT, Ring::LAYOUT] {
        for (blocks, size) in (0..20).flat_map(|blocks| [64, 512].map(|size| (blocks, size))) {
            let window = layout.window_of(blocks, size);
            assert!(layout.blocks_for(window, size) <= blocks, "{layout:?} {blocks} {size}");
            let is_ring = layout == Ring::LAYOUT;
            // Two more blocks list themselves where the first more than fit the queue are listed.
            let more = layout.blocks_for(window + 1, size);
            assert!(is_ring || more > blocks, "{layout:?} {blocks} {size}: {more}");
        }
    }
}

/// The page itself.
const PAGE: &str = include_str!("../../docs/embedding.md");

#[test]
fn the_page_names_every_choice() {
    for choice in CHOICES {
        let (memory, profile, window) = (choice.memory_kib, choice.kind.name(), choice.window);
        let mss = choice.mss.unwrap_or(1460);
        let connections = choice.capacity.connections;
        let row = format!("| {memory} | `{profile}` | {connections} | {window} | {mss} | ");
        assert!(PAGE.contains(&row), "core/firmware/check slots --write: {row}");
    }
}

#[test]
fn the_page_shows_the_server_that_is_run() {
    let source = include_str!("../src/lib.rs");
    let (_, example) = source.split_once("//! # An echo server\n").expect("the example");
    let (_, example) = example.split_once("//! ```\n").expect("its code");
    let (example, _) = example.split_once("//! #\n").expect("what is hidden of it");
    let server: String = example
        .lines()
        .map(|line| format!("{}\n", line.trim_start_matches("//!").replacen(' ', "", 1)))
        .collect();
    assert!(PAGE.contains(&server), "docs/embedding.md differs from:\n{server}");
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
    assert!(server.lines().filter(is_code).count() <= 25, "more than 25 lines");
}

/// What goes to and fro in a second.
fn carry<P: Profile>(here: &mut Stack<'_, Full>, there: &mut Stack<'_, P>, now: &mut Instant) {
    let mut packet = [0; 1500];
    for _ in 0..100 {
        *now = *now + Duration::from_millis(10);
        while let Some(len) = here.transmit(*now, &mut packet) {
            there.receive(*now, &packet[..len]);
        }
        while let Some(len) = there.transmit(*now, &mut packet) {
            here.receive(*now, &packet[..len]);
        }
    }
}

/// Fills both windows of all connections of a server with this memory, twice.
fn assert_windows<P: Profile>(
    server: Storage<'_, P>,
    client: Storage<'_, Full>,
    choice: &sizes::Choice,
) {
    let mut config = Config::new();
    let secret = Secret::new([1; 16]).unwrap();
    (config.connection.receive_limit, config.connection.send_limit) = (16_384, 16_384);
    let mut client = Stack::new(client, &config, secret).unwrap();
    let mut config = Config::new();
    config.connection.mss = choice.mss;
    let mut server = Stack::new(server, &config, secret).unwrap();
    assert_eq!(server.warnings().next(), None);
    let window = choice.window as usize;
    client.add_address([192, 168, 69, 1].into(), 24).unwrap();
    server.add_address([192, 168, 69, 2].into(), 24).unwrap();
    let listener = server.listen(7, &ListenConfig::new()).unwrap();
    let mut now = Instant::ZERO;
    let remote = "192.168.69.2:7".parse().unwrap();
    let count = choice.capacity.connections;
    let (mut clients, mut servers) = (Vec::new(), Vec::new());
    for _ in 0..count {
        clients.push(client.connect(now, remote, &ConnectConfig::new()).unwrap());
        carry(&mut client, &mut server, &mut now);
        servers.push(server.accept(listener).unwrap());
    }
    let mut octets = [0; 20_000];
    for _ in 0..3 {
        for (here, there) in clients.iter().zip(&servers) {
            assert_eq!(client.tcp(*here).unwrap().write(&[b'i'; 9001]), Ok(9001));
            let written = server.tcp(*there).unwrap().write(&[b'o'; 9001]);
            assert_eq!(written, Ok(window), "one of {count} to send");
        }
        carry(&mut client, &mut server, &mut now);
        for there in &servers {
            // RFC 9293 §3.8.6.2.2, MUST-39: what is less than half of a window is not told anew.
            let waiting = server.tcp(*there).unwrap().peek(&mut octets).unwrap();
            assert!(waiting + window / 2 > window, "{waiting}: one of {count} to receive");
        }
        // All that came is read, so that the next windows begin elsewhere in their blocks.
        for (here, there) in clients.iter().zip(&servers) {
            let mut left = 9001;
            while left > 0 {
                left -= server.tcp(*there).unwrap().read(&mut octets).unwrap_or(0);
                carry(&mut client, &mut server, &mut now);
            }
            assert_eq!(client.tcp(*here).unwrap().read(&mut octets), Ok(window));
            assert_eq!(server.tcp(*there).unwrap().write(b"odd"), Ok(3));
            carry(&mut client, &mut server, &mut now);
            assert_eq!(client.tcp(*here).unwrap().read(&mut octets), Ok(3));
        }
    }
}

/// A choice for a profile.
fn choice_of(kind: Kind, connections: usize, window: u32) -> &'static sizes::Choice {
    let matches = |choice: &&sizes::Choice| {
        (choice.kind, choice.capacity.connections, choice.window) == (kind, connections, window)
    };
    CHOICES.iter().find(matches).unwrap()
}

#[test]
fn all_connections_of_full_have_their_windows_at_once() {
    storage!(static SERVER: Full {
        connections: 4, listeners: 2, half_open: 8, time_wait: 8, udp_sockets: 1, neighbors: 4,
        records: 12, window: 4096,
    });
    storage!(static CLIENT: Full {
        connections: 4, listeners: 0, half_open: 0, time_wait: 0, udp_sockets: 0,
        records: 64, blocks: 300 x 1024,
    });
    let choice = choice_of(Kind::Full, 4, 4096);
    assert_eq!(size_of_val(&SERVER), Units::of::<Full>().storage(&choice.capacity));
    assert_windows(SERVER.take().unwrap(), CLIENT.take().unwrap(), choice);
}

#[test]
fn all_connections_of_small_have_their_windows_at_once() {
    storage!(static SERVER: Small {
        connections: 3, listeners: 1, half_open: 0, time_wait: 0, udp_sockets: 0, neighbors: 4,
        records: 0, window: 1024,
    });
    storage!(static CLIENT: Full {
        connections: 3, listeners: 0, half_open: 0, time_wait: 0, udp_sockets: 0,
        records: 64, blocks: 300 x 1024,
    });
    let choice = choice_of(Kind::Small, 3, 1024);
    assert_eq!(size_of_val(&SERVER), Units::of::<Small>().storage(&choice.capacity));
    assert_windows(SERVER.take().unwrap(), CLIENT.take().unwrap(), choice);
}

#[test]
fn all_connections_of_tiny_have_their_windows_at_once() {
    storage!(static SERVER: Tiny {
        connections: 4, listeners: 1, half_open: 0, time_wait: 0, udp_sockets: 0, neighbors: 4,
        records: 0, window: 1024,
    });
    storage!(static CLIENT: Full {
        connections: 4, listeners: 0, half_open: 0, time_wait: 0, udp_sockets: 0,
        records: 64, blocks: 300 x 1024,
    });
    let choice = choice_of(Kind::Tiny, 4, 1024);
    assert_eq!(size_of_val(&SERVER), Units::of::<Tiny>().storage(&choice.capacity));
    assert_windows(SERVER.take().unwrap(), CLIENT.take().unwrap(), choice);
}

/// The warnings of a stack over this memory.
fn warnings<P: Profile>(capacity: &Capacity, config: &Config) -> Vec<ConfigWarning> {
    let secret = Secret::new([1; 16]).unwrap();
    let stack = Stack::<P>::new(Storage::allocate(capacity), config, secret).unwrap();
    stack.warnings().collect()
}

#[test]
fn small_windows_are_reported() {
    let both = |window, limit| {
        [Half::Read, Half::Write].map(|half| ConfigWarning::SmallWindow { half, window, limit })
    };
    let four = Capacity { connections: 4, blocks: 8, block_size: 2048, ..Capacity::small() };
    let config = Config::new();
    // One block each way, of which the stream may begin with the last byte.
    assert_eq!(warnings::<Small>(&four, &config), both(1, 2920));
    assert_eq!(warnings::<Full>(&four, &config), both(1, 2920));
    assert_eq!(warnings::<Tiny>(&four, &config), both(2048, 2920));
    let text = warnings::<Tiny>(&four, &config)[0].to_string();
    assert!(text.contains("2048 bytes") && text.contains("2920 bytes"), "{text}");

    // Smaller segments, more blocks, or one large pool for whatever connection has data.
    let mut smaller = Config::new();
    smaller.connection.mss = Some(1024);
    assert_eq!(warnings::<Tiny>(&four, &smaller), []);
    let enough = Capacity { blocks: 8, block_size: 4096, ..four };
    assert_eq!(warnings::<Tiny>(&enough, &config), []);
    let shared = Config { policy: AllocationPolicy::Overcommit, ..Config::new() };
    assert_eq!(warnings::<Full>(&Capacity { blocks: 64, ..four }, &shared), []);
    assert_eq!(warnings::<Small>(&Capacity::small(), &config), both(1, 2920), "64 KiB each way");

    // One direction alone, and a smaller MTU.
    let plenty = Capacity { connections: 4, ..Capacity::small() }.with_window::<Small>(8192);
    let mut uneven = Config::new();
    (uneven.connection.receive_limit, uneven.connection.send_limit) = (8192, 2919);
    assert_eq!(warnings::<Small>(&plenty, &uneven), both(2919, 2920)[1..]);
    uneven.mtu = 1499;
    assert_eq!(warnings::<Small>(&plenty, &uneven), []);
    let none = Capacity { connections: 0, blocks: 1, ..Capacity::small() };
    assert_eq!(warnings::<Small>(&none, &config), []);
}

#[test]
fn no_connection_has_a_larger_window_than_its_storage_says() {
    let capacity = Capacity { connections: 2, ..Capacity::small() }.with_window::<Small>(4096);
    let storage = Storage::<Small>::allocate(&capacity).with_window_max(4096);
    let secret = Secret::new([1; 16]).unwrap();
    let mut stack = Stack::new(storage, &Config::new(), secret).unwrap();
    assert_eq!(stack.warnings().next(), None);
    stack.add_address([192, 168, 69, 2].into(), 24).unwrap();
    let remote = "192.168.69.1:7".parse().unwrap();
    for round in 0..2 {
        let handle = stack.connect(Instant::ZERO, remote, &ConnectConfig::new()).unwrap();
        assert_eq!(stack.tcp(handle).unwrap().write(&[7; 9000]), Ok(4096), "{round}");
        // A SYN tells the receive window: all of it is promised, for the second one as for the first.
        let mut packet = [0; 1500];
        let len = stack.transmit(Instant::ZERO, &mut packet).unwrap();
        assert_eq!(u16::from_be_bytes([packet[34], packet[35]]), 4096, "{len} bytes");
    }
}
