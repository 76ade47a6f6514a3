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

const fn scene(script: &'static str, rcv: (u32, u32), snd: (u32, u32)) -> Scene {
    Scene { script, rcv_nxt: rcv.0, rcv_wnd: rcv.1, snd_una: snd.0, snd_nxt: snd.1 }
}

/// How a state is reached, with the window open, closed or none.
pub(super) fn scene_of(state: &str, window: &str) -> Option<Scene> {
    let none = (0, 0);
    let open = (1, 10_000);
    // Their FIN takes a number of the window.
    let behind_fin = (2, 9_999);
    let closed = (1001, 0);
    Some(match (state, window) {
        ("CLOSED", "none") => scene("", none, none),
        ("LISTEN", "none") => scene("listen\n", none, none),
        ("SYN-SENT", "none") => {
            scene("connect\n< SYN seq 0 win 10000 mss 1000 ...\n", none, (0, 1))
        }
        ("SYN-RECEIVED passive", "open") => scene(
            "listen\n\
             > SYN seq 0 win 10000 mss 1000\n\
             < SYN ACK seq 0 ack 1 win 10000 mss 1000\n",
            open,
            (0, 1),
        ),
        ("SYN-RECEIVED active", "open") => scene(
            "connect\n\
             < SYN seq 0 win 10000 mss 1000 ...\n\
             > SYN seq 0 win 10000 mss 1000\n\
             < SYN ACK seq 0 ack 1 win 10000 mss 1000 ...\n",
            open,
            (0, 1),
        ),
        ("ESTABLISHED", "open") => scene(
            concat!(spoken!(), "write 100\n", "< ACK PSH seq 101:201 ack 1 win 10000\n"),
            open,
            (101, 201),
        ),
        ("FIN-WAIT-1", "open") => scene(
            concat!(spoken!(), "close\n< ACK FIN seq 101 ack 1 win 10000\n"),
            open,
            (101, 102),
        ),
        ("FIN-WAIT-2", "open") => scene(
            concat!(
                spoken!(),
                "close\n< ACK FIN seq 101 ack 1 win 10000\n",
                "> ACK seq 1 ack 102\n"
            ),
            open,
            (102, 102),
        ),
        ("CLOSE-WAIT", "open") => scene(
            concat!(
                spoken!(),
                "write 100\n< ACK PSH seq 101:201 ack 1 win 10000\n",
                "> ACK FIN seq 1 ack 101\n< ACK seq 201 ack 2 win 9999\n"
            ),
            behind_fin,
            (101, 201),
        ),
        ("CLOSING", "open") => scene(
            concat!(
                spoken!(),
                "close\n< ACK FIN seq 101 ack 1 win 10000\n",
                "> ACK FIN seq 1 ack 101\n< ACK seq 102 ack 2 win 9999\n"
            ),
            behind_fin,
            (101, 102),
        ),
        ("LAST-ACK", "open") => scene(
            concat!(
                spoken!(),
                "> ACK FIN seq 1 ack 101\n< ACK seq 101 ack 2 win 9999\n",
                "close\n< ACK FIN seq 101 ack 2 win 9999\n"
            ),
            behind_fin,
            (101, 102),
        ),
        ("TIME-WAIT", "open") => scene(
            concat!(
                spoken!(),
                "close\n< ACK FIN seq 101 ack 1 win 10000\n",
                "> ACK FIN seq 1 ack 102\n< ACK seq 102 ack 2 win 9999\n"
            ),
            behind_fin,
            (102, 102),
        ),
        ("TIME-WAIT released", "open") => scene(
            concat!(
                spoken!(),
                "close &\nrelease\n< ACK FIN seq 101 ack 1 win 10000\n",
                "> ACK FIN seq 1 ack 102\n< ACK seq 102 ack 2 win 9999\n"
            ),
            behind_fin,
            (102, 102),
        ),
        ("ESTABLISHED", "closed") => scene(
            concat!(full!(), "write 100\n< ACK PSH seq 101:201 ack 1001 win 0\n"),
            closed,
            (101, 201),
        ),
        ("FIN-WAIT-1", "closed") => {
            scene(concat!(full!(), "close\n< ACK FIN seq 101 ack 1001 win 0\n"), closed, (101, 102))
        }
        ("FIN-WAIT-2", "closed") => scene(
            concat!(
                full!(),
                "close\n< ACK FIN seq 101 ack 1001 win 0\n",
                "> ACK seq 1001 ack 102\n"
            ),
            closed,
            (102, 102),
        ),
        _ => return None,
    })
}
