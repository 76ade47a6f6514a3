//! The end by signals: FIN and its acknowledgement, two seconds without progress, a second signal.

use crate::OWN;
use crate::lab::{Lab, counter};

/// `listen` with a peer; `hold` gives a stdin that stays open.
const SET_UP: &str = r#"
mkfifo hold; sleep 50 >hold & holder=$!
trap 'kill $holder' EXIT
# What the kernel keeps for a connection to our port 5000, by its state in /proc/net/tcp.
peer_is() { grep -q ":1388 $1 " /proc/net/tcp; }
at_once() { # SIGNAL SIGNAL: both wait when we look
    kill -STOP $we; kill -$1 $we; kill -$2 $we; kill -CONT $we
}
ended() {
    code=0; wait $we || code=$?
    echo we $code
}
milliseconds() { echo $(($(date +%s%N) / 1000000)); }
"#;

fn listen(args: &str, stdin: &str) -> String {
    format!(
        "{SET_UP}\n\
         \"$HIKYAKU\" -v {OWN} listen {args} 5000 <{stdin} >out 2>err & we=$!\n\
         wait_for we_listen err\n"
    )
}

#[test]
fn a_second_signal_sends_a_reset_in_every_state_of_an_open_connection() {
    // (our state, our options and stdin, the peer's, the peer's state)
    for (state, options, ours, theirs, peer) in [
        ("ESTABLISHED", "", "hold", "$NC 192.168.70.2 5000 <hold", "01"),
        ("FIN-WAIT-2", "-N", "/dev/null", "$NC 192.168.70.2 5000 <hold", "08"),
        ("CLOSE-WAIT", "", "hold", "$NC -N 192.168.70.2 5000 </dev/null", "05"),
    ] {
        let lab = Lab::new("reset");
        let script = format!(
            "{}{theirs} >got & they=$!\n\
             wait_for grep -q 'connected to' err\n\
             wait_for peer_is {peer}\n\
             at_once INT TERM\n\
             ended\n\
             kill $they 2>/dev/null || true",
            listen(options, ours)
        );
        let report = lab.script(&[], &script).succeeded();
        let err = lab.read("err");
        assert_eq!(report.stdout, "we 130\n", "{state}: {err}");
        assert_eq!(counter(&err, "resets_out"), 1, "{state}: {err}");
        assert!(report.seconds < 5.0, "{state}: {} s", report.seconds);
    }
}

#[test]
fn a_signal_ends_listen_once_the_peer_has_acknowledged_the_fin() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let lab = Lab::new("fin");
        // The peer never closes: its stdin stays open, and it says nothing.
        let script = format!(
            "{}$NC 192.168.70.2 5000 <hold >got & they=$!\n\
             wait_for grep -q 'connected to' err\n\
             start=$(milliseconds)\n\
             kill -{signal} $we\n\
             ended\n\
             echo took $(($(milliseconds) - start))\n\
             kill $they",
            listen("", "hold")
        );
        let report = lab.script(&[], &script).succeeded();
        let err = lab.read("err");
        let [ended, took] = report.stdout.lines().collect::<Vec<_>>()[..] else {
            panic!("{}", report.stdout)
        };
        assert_eq!(ended, format!("we {code}"), "{err}");
        assert_eq!(counter(&err, "resets_out"), 0, "{err}");
        let took: u64 = took.trim_start_matches("took ").parse().expect("a number");
        // Far from the two seconds after which a silent peer is reset.
        assert!(took < 1_500, "{took} ms");
    }
}

/// A peer that stopped reading: its window is closed, so that our FIN cannot leave.
const STOPPED: &str = "echo 4096 16384 16384 >/proc/sys/net/ipv4/tcp_rmem\n\
                       for i in 1 2; do\n\
                       $NC 192.168.70.2 $port </dev/null >got$i & they=\"${they-} $!\"\n\
                       wait_for test -s got$i\n\
                       [ $port = 19 ] || break\n\
                       done\n\
                       kill -STOP $they; sleep 0.3\n";

#[test]
fn a_peer_that_acknowledges_nothing_for_two_seconds_is_reset_and_told_of() {
    for (command, port, connections) in [("listen 5000", 5000, 1), ("chargen 19", 19, 2)] {
        let lab = Lab::new("stall");
        let script = format!(
            "{SET_UP}\n\
             port={port}\n\
             \"$HIKYAKU\" -v {OWN} {command} </dev/zero >/dev/null 2>err & we=$!\n\
             wait_for grep -q 'try: nc' err\n\
             {STOPPED}\
             start=$(milliseconds)\n\
             kill -INT $we\n\
             ended\n\
             echo took $(($(milliseconds) - start))\n\
             kill -KILL $they"
        );
        let report = lab.script(&[], &script).succeeded();
        let err = lab.read("err");
        let [ended, took] = report.stdout.lines().collect::<Vec<_>>()[..] else {
            panic!("{}", report.stdout)
        };
        assert_eq!(ended, "we 130", "{err}");
        assert!(err.contains("acknowledged nothing for 2 s"), "{err}");
        assert!(err.contains("aborted with RST"), "{err}");
        assert_eq!(counter(&err, "resets_out"), connections, "{err}");
        let took: u64 = took.trim_start_matches("took ").parse().expect("a number");
        assert!((1_900..4_000).contains(&took), "{took} ms");
    }
}

#[test]
fn a_slow_peer_gets_all_that_was_queued_before_the_signal() {
    let lab = Lab::new("slow");
    let script = format!(
        "{}echo 4096 16384 16384 >/proc/sys/net/ipv4/tcp_rmem\n\
         : >got\n\
         $NC 192.168.70.2 5000 </dev/null | \\\n\
         (before=-1; while size=$(wc -c <got); [ $size -gt $before ]; do\n\
         before=$size; head -c 16384 >>got; sleep 0.2; done) & they=$!\n\
         wait_for test -s got\n\
         sleep 0.5\n\
         start=$(milliseconds)\n\
         kill -INT $we\n\
         ended\n\
         echo took $(($(milliseconds) - start))\n\
         wait $they",
        listen("", "numbers").replace("mkfifo hold", "seq 1 100000 >numbers; mkfifo hold")
    );
    let report = lab.script(&[], &script).succeeded();
    let err = lab.read("err");
    assert!(report.stdout.starts_with("we 130\n"), "{}\n{err}", report.stdout);
    assert!(!err.contains("acknowledged nothing"), "{err}");
    assert_eq!(counter(&err, "resets_out"), 0, "{err}");
    let took = report.stdout.lines().last().and_then(|line| line.strip_prefix("took "));
    let took: u64 = took.expect("a time").parse().expect("a number");
    assert!(took > 2_000, "no slower than the limit: {took} ms");
    assert!(lab.read("numbers").starts_with(&lab.read("got")), "not what was sent");
    assert!(lab.read("got").len() > 200_000);
}
