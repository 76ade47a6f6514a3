//! The end by signals: FIN and its acknowledgement, two seconds without progress, a second signal.

use crate::OWN;
use crate::lab::{Lab, counter, nc, require};

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
fn a_second_signal_in_close_wait_sends_a_reset_while_data_keeps_our_fin_back() {
    let lab = Lab::new("kept");
    let script = format!(
        "{}echo 4096 16384 16384 >/proc/sys/net/ipv4/tcp_rmem\n\
         $NC -N 192.168.70.2 5000 </dev/null >got & they=$!\n\
         wait_for test -s got\n\
         wait_for peer_is 05\n\
         kill -STOP $they; sleep 0.3\n\
         kill -INT $we; sleep 0.3; kill -INT $we\n\
         ended\n\
         kill -KILL $they",
        listen("", "/dev/zero")
    );
    let report = lab.script(&[], &script).succeeded();
    let err = lab.read("err");
    assert_eq!(report.stdout, "we 130\n", "{err}");
    assert_eq!(counter(&err, "resets_out"), 1, "{err}");
    assert!(!err.contains("acknowledged nothing"), "not at once: {err}");
}

/// In SYN-RECEIVED, which a connection that we open reaches when both ends open at once, there is
/// nothing to close, and the first signal aborts already.
#[test]
fn a_signal_in_syn_received_sends_a_reset() {
    require("nft", "nftables");
    assert_eq!(nc(), "nc", "the test needs `nc -p`; try: apt install netcat-openbsd");
    let lab = Lab::new("both");
    // Our SYN and our SYN-ACK are dropped, so that only the peer's SYN arrives.
    let script = format!(
        "{SET_UP}\n\
         nft add table inet both\n\
         nft add chain inet both input '{{ type filter hook input priority 0; }}'\n\
         nft add rule inet both input tcp dport 5000 'tcp flags & syn == syn' drop\n\
         \"$HIKYAKU\" -v --trace {OWN} connect 192.168.70.1 5000 <hold >out 2>err & we=$!\n\
         wait_for grep -q '192.168.70.1.5000: Flags \\[S\\]' err\n\
         port=$(sed -n 's/.*70.2.\\([0-9]*\\) > 192.168.70.1.5000: Flags .*/\\1/p' err | head -n 1)\n\
         nc -p 5000 192.168.70.2 $port <hold >got & they=$!\n\
         wait_for grep -q '192.168.70.1.5000: Flags \\[S\\.\\]' err\n\
         kill -INT $we\n\
         ended\n\
         kill $they 2>/dev/null || true"
    );
    let report = lab.script(&[], &script).succeeded();
    let err = lab.read("err");
    assert_eq!(report.stdout, "we 130\n", "{err}");
    assert_eq!(counter(&err, "resets_out"), 1, "{err}");
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

#[test]
fn an_echo_that_the_peer_has_not_taken_yet_is_delivered_before_the_end() {
    let lab = Lab::new("echo");
    lab.sample("in", 200_000, 9);
    // The peer has sent its FIN, and reads slowly: our service has closed, and its queue is full.
    let script = format!(
        "{SET_UP}\n\
         echo 4096 16384 16384 >/proc/sys/net/ipv4/tcp_rmem\n\
         \"$HIKYAKU\" -v {OWN} echo 7 2>err & we=$!\n\
         wait_for grep -q 'TCP and UDP' err\n\
         : >got\n\
         $NC -N 192.168.70.2 7 <in | \\\n\
         (before=-1; while size=$(wc -c <got); [ $size -gt $before ]; do\n\
         before=$size; head -c 16384 >>got; sleep 0.2; done) & they=$!\n\
         wait_for grep -q ':0007 05 ' /proc/net/tcp\n\
         kill -INT $we\n\
         ended\n\
         wait $they\n\
         cmp in got"
    );
    let report = lab.script(&[], &script);
    let err = lab.read("err");
    assert!(report.status.success(), "{}\n{err}", report.stderr);
    assert_eq!(report.stdout, "we 130\n", "{err}");
    assert_eq!(counter(&err, "resets_out"), 0, "{err}");
}
