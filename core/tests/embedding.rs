//! What memory costs, as docs/embedding.md says: the formula gives exactly what `storage!` makes,
//! and what the page recommends does what it is there for. The page's figures are a Cortex-M3's
//! (`core/firmware/check slots`), those here the host's: the formula is the same.

#[path = "../firmware/src/sizes.rs"]
#[allow(dead_code, unreachable_pub, reason = "the firmware uses what this test does not")]
mod sizes;

use hikyaku::storage::queue::Queue;
use hikyaku::*;
use sizes::{CHOICES, Units};

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
}

#[test]
fn every_choice_has_blocks_for_all_windows_at_once() {
    for choice in CHOICES {
        let Capacity { connections, blocks, block_size, .. } = choice.capacity;
        let a_window = Queue::blocks_for(choice.window, block_size as u32) as usize;
        assert!(2 * connections * a_window <= blocks, "{choice:?}");
        assert!(block_size.is_power_of_two() && block_size >= 64, "{choice:?}");
        assert!(choice.is_full || connections <= 16, "{choice:?}");
    }
}

/// The page itself.
const PAGE: &str = include_str!("../../docs/embedding.md");

#[test]
fn the_page_names_every_choice() {
    for choice in CHOICES {
        let profile = if choice.is_full { "Full" } else { "Small" };
        let (memory, window) = (choice.memory_kib, choice.window);
        let row =
            format!("| {memory} | `{profile}` | {} | {window} | ", choice.capacity.connections);
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

storage!(static SERVER: Small {
    connections: 4, listeners: 1, half_open: 0, time_wait: 0, udp_sockets: 1, neighbors: 4,
    records: 0, blocks: 52 x 128,
});
storage!(static CLIENT: Small {
    connections: 4, listeners: 0, half_open: 0, time_wait: 0, udp_sockets: 0,
    records: 0, blocks: 80 x 512,
});

/// What goes to and fro in a second.
fn carry(ends: &mut [Stack<'static, Small>; 2], now: &mut Instant) {
    let mut packet = [0; 1500];
    let [here, there] = ends;
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

/// The third choice: 16 KiB, four connections. A window's directory is a block of its own here,
/// where the names of blocks are larger: a Cortex-M3 needs 44.
#[test]
fn all_connections_have_their_windows_at_once() {
    let choice = CHOICES[2];
    assert_eq!((choice.capacity.connections, choice.capacity.blocks), (4, 52));
    assert_eq!((choice.capacity.block_size, choice.window), (128, 512));
    let mut config = Config::new();
    (config.connection.receive_limit, config.connection.send_limit) = (512, 512);
    let secret = Secret::new([1; 16]).unwrap();
    let server = Stack::new(SERVER.take().unwrap(), &config, secret).unwrap();
    (config.connection.receive_limit, config.connection.send_limit) = (4096, 4096);
    let client = Stack::new(CLIENT.take().unwrap(), &config, secret).unwrap();
    let mut ends = [client, server];
    for (end, last) in ends.iter_mut().zip([1, 2]) {
        end.add_address([192, 168, 69, last].into(), 24).unwrap();
    }
    let listener = ends[1].listen(7, &ListenConfig::new()).unwrap();
    let mut now = Instant::ZERO;
    let remote = "192.168.69.2:7".parse().unwrap();
    let clients = [(); 4].map(|()| ends[0].connect(now, remote, &ConnectConfig::new()).unwrap());
    carry(&mut ends, &mut now);
    let servers = [(); 4].map(|()| ends[1].accept(listener).unwrap());
    for _ in 0..2 {
        for (client, server) in clients.into_iter().zip(servers) {
            // Nobody has read: all of this waits in the server's blocks, and goes both ways.
            assert_eq!(ends[0].tcp(client).unwrap().write(&[b'i'; 4096]), Ok(4096));
            assert_eq!(ends[1].tcp(server).unwrap().write(&[b'o'; 600]), Ok(512));
        }
        carry(&mut ends, &mut now);
        let mut octets = [0; 4096];
        for server in servers {
            let waiting = ends[1].tcp(server).unwrap().peek(&mut octets);
            assert_eq!(waiting, Ok(512), "the window of one of four");
        }
        // Everything is read, and once again.
        for (client, server) in clients.into_iter().zip(servers) {
            let mut left = 4096;
            while left > 0 {
                left -= ends[1].tcp(server).unwrap().read(&mut octets).unwrap_or(0);
                carry(&mut ends, &mut now);
            }
            assert_eq!(ends[0].tcp(client).unwrap().read(&mut octets), Ok(512));
        }
    }
}
