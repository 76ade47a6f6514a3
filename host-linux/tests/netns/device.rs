//! A device that is changed under a running transfer: down and up, another MTU, gone.

use crate::lab::{Lab, Report, counter, require};
use crate::{FAMILIES, OWN};

/// Octets without end go through an echo server and are compared once `finish` was called.
///
/// The queue of `tbf` keeps data in flight in both directions at every moment: what arrives is
/// held back, and with it the acknowledgements of what leaves.
const STREAM: &str = r#"
start_stream() { # DEVICE ADDRESS
    tc qdisc add dev "$1" root tbf rate 100mbit burst 32k latency 20ms
    mkfifo numbers
    seq 1 1000000000 2>/dev/null >numbers & feeder=$!
    tee sent <numbers | $NC -N "$2" 7 >out & talk=$!
    go_on
}
size() { wc -c <out; }
is_longer() { [ "$(size)" -gt "$1" ]; }
go_on() { wait_for is_longer $(($(size) + 200000)); }
finish() {
    kill $feeder
    wait $talk
    cmp sent out
}
"#;

fn run(lab: &Lab, script: &str) -> Report {
    require("tc", "iproute2");
    lab.script(&[], &format!("{STREAM}\n{script}"))
}

#[test]
fn sec_79_a_device_that_goes_down_in_mid_transfer_loses_packets_only() {
    for address in FAMILIES {
        let lab = Lab::new("down");
        let script = format!(
            "echo 1 >/proc/sys/net/ipv6/conf/hikyaku0/keep_addr_on_down\n\
             start_stream hikyaku0 {address}\n\
             ip link set hikyaku0 down; sleep 0.7; before=$(size); sleep 0.1\n\
             [ $(size) = $before ]\n\
             ip link set hikyaku0 up\n\
             go_on; finish"
        );
        let report = run(&lab, &script).succeeded();
        let refused = report.counter("link_tx_device_down");
        println!("{address}: {:.2} s, {refused} packets refused", report.seconds);
        assert!(refused > 0, "nothing was sent while the device was down:\n{}", report.stderr);
        assert_eq!(report.counter("resets_in") + report.counter("resets_out"), 0);
    }
}

#[test]
fn sec_79_an_mtu_that_changes_in_mid_transfer_changes_nothing() {
    for address in FAMILIES {
        let lab = Lab::new("mtu");
        let script = format!(
            "start_stream hikyaku0 {address}\n\
             for mtu in 1280 9000 1400 65535 1500 9000; do\n\
             ip link set hikyaku0 mtu $mtu; go_on\n\
             done\n\
             # A datagram that our MTU would not let pass; no answer fits.\n\
             head -c 5000 /dev/zero | $NC -u -w 1 {address} 7 || true\n\
             go_on; finish"
        );
        let report = run(&lab, &script).succeeded();
        println!("{address}: {:.2} s", report.seconds);
        assert_eq!(report.counter("link_rx_oversize"), 1, "{}", report.stderr);
        assert_eq!(report.counter("resets_in") + report.counter("resets_out"), 0);
    }
}

#[test]
fn sec_79_a_device_that_is_deleted_in_mid_transfer_ends_the_program() {
    let lab = Lab::new("deleted");
    let script = format!(
        "\"$HIKYAKU\" -v {OWN} echo 7 2>err & we=$!\n\
         wait_for grep -q 'TCP and UDP' err\n\
         start_stream hikyaku1 192.168.70.2\n\
         ip link del hikyaku1\n\
         code=0; wait $we || code=$?\n\
         kill $feeder $talk\n\
         echo we $code"
    );
    let report = run(&lab, &script).succeeded();
    assert_eq!(report.stdout, "we 1\n");
    let err = lab.read("err");
    assert!(err.contains("the TUN device is gone; was it deleted?"), "{err}");
    assert!(counter(&err, "octets_in") >= 200_000, "no counters in:\n{err}");
}
