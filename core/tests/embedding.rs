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

/// The blocks that a window may need, and the largest window.
fn needs<P: Profile>(window: u32, block_size: u32) -> (u32, u32) {
    (P::Stream::blocks_for(window, block_size), P::Stream::window_max(block_size))
}

#[test]
fn every_choice_has_blocks_for_all_windows_at_once() {
    for choice in CHOICES {
        let Capacity { connections, blocks, block_size, .. } = choice.capacity;
        let (window, size) = (choice.window as u32, block_size as u32);
        let (a_window, largest) = match choice.kind {
            Kind::Full => needs::<Full>(window, size),
            Kind::Small => needs::<Small>(window, size),
            Kind::Tiny => needs::<Tiny>(window, size),
        };
        assert!(window <= largest, "{choice:?}");
        assert!(2 * connections * a_window as usize <= blocks, "{choice:?}");
        assert!(block_size.is_power_of_two() && block_size >= 64, "{choice:?}");
    }
}

/// The page itself.
const PAGE: &str = include_str!("../../docs/embedding.md");

#[test]
fn the_page_names_every_choice() {
    for choice in CHOICES {
        let (memory, profile, window) = (choice.memory_kib, choice.kind.name(), choice.window);
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
    let limit = choice.window as u32;
    (config.connection.receive_limit, config.connection.send_limit) = (limit, limit);
    let mut server = Stack::new(server, &config, secret).unwrap();
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
            assert_eq!(written, Ok(choice.window), "one of {count} to send");
        }
        carry(&mut client, &mut server, &mut now);
        for there in &servers {
            // RFC 9293 §3.8.6.2.2, MUST-39: what is less than half of a window is not told anew.
            let waiting = server.tcp(*there).unwrap().peek(&mut octets).unwrap();
            assert!(
                waiting + choice.window / 2 > choice.window,
                "{waiting}: one of {count} to receive"
            );
        }
        // All that came is read, so that the next windows begin elsewhere in their blocks.
        for (here, there) in clients.iter().zip(&servers) {
            let mut left = 9001;
            while left > 0 {
                left -= server.tcp(*there).unwrap().read(&mut octets).unwrap_or(0);
                carry(&mut client, &mut server, &mut now);
            }
            assert_eq!(client.tcp(*here).unwrap().read(&mut octets), Ok(choice.window));
            assert_eq!(server.tcp(*there).unwrap().write(b"odd"), Ok(3));
            carry(&mut client, &mut server, &mut now);
            assert_eq!(client.tcp(*here).unwrap().read(&mut octets), Ok(3));
        }
    }
}

/// The first choice for a profile.
fn first_of(kind: Kind) -> &'static sizes::Choice {
    CHOICES.iter().find(|choice| choice.kind == kind).unwrap()
}

#[test]
fn all_connections_of_full_have_their_windows_at_once() {
    storage!(static SERVER: Full {
        connections: 4, listeners: 2, half_open: 8, time_wait: 8, udp_sockets: 4, neighbors: 4,
        records: 12, blocks: 52 x 1024,
    });
    storage!(static CLIENT: Full {
        connections: 4, listeners: 0, half_open: 0, time_wait: 0, udp_sockets: 0,
        records: 64, blocks: 300 x 1024,
    });
    let choice = first_of(Kind::Full);
    // The names of blocks are larger here: a window takes one more, which lists them.
    assert_eq!((choice.capacity.connections, choice.capacity.blocks), (4, 52));
    assert_eq!((choice.capacity.block_size, choice.window), (1024, 4096));
    assert_windows(SERVER.take().unwrap(), CLIENT.take().unwrap(), choice);
}

#[test]
fn all_connections_of_small_have_their_windows_at_once() {
    storage!(static SERVER: Small {
        connections: 3, listeners: 1, half_open: 0, time_wait: 0, udp_sockets: 1, neighbors: 4,
        records: 0, blocks: 38 x 256,
    });
    storage!(static CLIENT: Full {
        connections: 3, listeners: 0, half_open: 0, time_wait: 0, udp_sockets: 0,
        records: 64, blocks: 300 x 1024,
    });
    let choice = first_of(Kind::Small);
    // The names of blocks are larger here, as above.
    assert_eq!((choice.capacity.connections, choice.capacity.blocks), (3, 38));
    assert_eq!((choice.capacity.block_size, choice.window), (256, 1024));
    assert_windows(SERVER.take().unwrap(), CLIENT.take().unwrap(), choice);
}

#[test]
fn all_connections_of_tiny_have_their_windows_at_once() {
    storage!(static SERVER: Tiny {
        connections: 6, listeners: 1, half_open: 0, time_wait: 0, udp_sockets: 1, neighbors: 4,
        records: 0, blocks: 14 x 512,
    });
    storage!(static CLIENT: Full {
        connections: 6, listeners: 0, half_open: 0, time_wait: 0, udp_sockets: 0,
        records: 64, blocks: 300 x 1024,
    });
    let choice = &CHOICES[2];
    assert_eq!((choice.kind, choice.capacity.connections), (Kind::Tiny, 6));
    assert_eq!((choice.capacity.blocks, choice.capacity.block_size), (14, 512));
    assert_eq!(choice.window, 512);
    assert_windows(SERVER.take().unwrap(), CLIENT.take().unwrap(), choice);
}
