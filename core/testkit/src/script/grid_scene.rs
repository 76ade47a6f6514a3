//! The states of the grid: how each is reached, as a script, and where its numbers then are, worked
//! out by hand. Every segment of a way in is checked like those of any other script.

/// A state reached, in numbers that count from the SYNs.
pub(super) struct Scene {
    /// The way there.
    pub(super) script: &'static str,
    /// RCV.NXT.
    pub(super) rcv_nxt: u32,
    /// RCV.WND, octets.
    pub(super) rcv_wnd: u32,
    /// SND.UNA.
    pub(super) snd_una: u32,
    /// SND.NXT.
    pub(super) snd_nxt: u32,
}

/// A hundred octets of ours are acknowledged.
macro_rules! spoken {
    () => {
        "passive\n\
         write 100\n\
         < ACK PSH seq 1:101 ack 1 win 10000\n\
         at +100ms > ACK seq 1 ack 101\n"
    };
}

/// So they are, and a thousand of the peer's have filled the window.
macro_rules! full {
    () => {
        "config receive-limit 1000\n\
         passive\n\
         > ACK seq 1:1001 ack 1\n\
         < ACK seq 1 ack 1001 win 0\n\
         write 100\n\
         < ACK PSH seq 1:101 ack 1001 win 0\n\
         at +100ms > ACK seq 1001 ack 101\n"
    };
}

const NONE: (u32, u32) = (0, 0);
const OPEN: (u32, u32) = (1, 10_000);
/// Their FIN takes a number of the window.
const BEHIND_FIN: (u32, u32) = (2, 9_999);
const FULL: (u32, u32) = (1001, 0);

/// A state, its window, the way there; RCV.NXT and RCV.WND; SND.UNA and SND.NXT.
type Entry = (&'static str, &'static str, &'static str, (u32, u32), (u32, u32));

const SCENES: &[Entry] = &[
    ("CLOSED", "none", "", NONE, NONE),
    ("LISTEN", "none", "listen\n", NONE, NONE),
    ("SYN-SENT", "none", "connect\n< SYN seq 0 win 10000 mss 1000 ...\n", NONE, (0, 1)),
    (
        "SYN-RECEIVED passive",
        "open",
        "listen\n\
> SYN seq 0 win 10000 mss 1000\n\
< SYN ACK seq 0 ack 1 win 10000 mss 1000\n",
        OPEN,
        (0, 1),
    ),
    (
        "SYN-RECEIVED active",
        "open",
        "connect\n\
< SYN seq 0 win 10000 mss 1000 ...\n\
> SYN seq 0 win 10000 mss 1000\n\
< SYN ACK seq 0 ack 1 win 10000 mss 1000 ...\n",
        OPEN,
        (0, 1),
    ),
    (
        "ESTABLISHED",
        "open",
        concat!(spoken!(), "write 100\n< ACK PSH seq 101:201 ack 1 win 10000\n"),
        OPEN,
        (101, 201),
    ),
    (
        "FIN-WAIT-1",
        "open",
        concat!(spoken!(), "close\n< ACK FIN seq 101 ack 1 win 10000\n"),
        OPEN,
        (101, 102),
    ),
    (
        "FIN-WAIT-2",
        "open",
        concat!(spoken!(), "close\n< ACK FIN seq 101 ack 1 win 10000\n", "> ACK seq 1 ack 102\n"),
        OPEN,
        (102, 102),
    ),
    (
        "CLOSE-WAIT",
        "open",
        concat!(
            spoken!(),
            "write 100\n< ACK PSH seq 101:201 ack 1 win 10000\n",
            "> ACK FIN seq 1 ack 101\n< ACK seq 201 ack 2 win 9999\n"
        ),
        BEHIND_FIN,
        (101, 201),
    ),
    (
        "CLOSING",
        "open",
        concat!(
            spoken!(),
            "close\n< ACK FIN seq 101 ack 1 win 10000\n",
            "> ACK FIN seq 1 ack 101\n< ACK seq 102 ack 2 win 9999\n"
        ),
        BEHIND_FIN,
        (101, 102),
    ),
    (
        "LAST-ACK",
        "open",
        concat!(
            spoken!(),
            "> ACK FIN seq 1 ack 101\n< ACK seq 101 ack 2 win 9999\n",
            "close\n< ACK FIN seq 101 ack 2 win 9999\n"
        ),
        BEHIND_FIN,
        (101, 102),
    ),
    (
        "TIME-WAIT",
        "open",
        concat!(
            spoken!(),
            "close\n< ACK FIN seq 101 ack 1 win 10000\n",
            "> ACK FIN seq 1 ack 102\n< ACK seq 102 ack 2 win 9999\n"
        ),
        BEHIND_FIN,
        (102, 102),
    ),
    (
        "TIME-WAIT released",
        "open",
        concat!(
            spoken!(),
            "close &\nrelease\n< ACK FIN seq 101 ack 1 win 10000\n",
            "> ACK FIN seq 1 ack 102\n< ACK seq 102 ack 2 win 9999\n"
        ),
        BEHIND_FIN,
        (102, 102),
    ),
    (
        "ESTABLISHED",
        "closed",
        concat!(full!(), "write 100\n< ACK PSH seq 101:201 ack 1001 win 0\n"),
        FULL,
        (101, 201),
    ),
    (
        "FIN-WAIT-1",
        "closed",
        concat!(full!(), "close\n< ACK FIN seq 101 ack 1001 win 0\n"),
        FULL,
        (101, 102),
    ),
    (
        "FIN-WAIT-2",
        "closed",
        concat!(full!(), "close\n< ACK FIN seq 101 ack 1001 win 0\n", "> ACK seq 1001 ack 102\n"),
        FULL,
        (102, 102),
    ),
];

/// How a state is reached, with the window open, closed or none.
pub(super) fn scene_of(state: &str, window: &str) -> Option<Scene> {
    let found = SCENES.iter().find(|entry| (entry.0, entry.1) == (state, window));
    let (.., script, (rcv_nxt, rcv_wnd), (snd_una, snd_nxt)) = *found?;
    Some(Scene { script, rcv_nxt, rcv_wnd, snd_una, snd_nxt })
}
