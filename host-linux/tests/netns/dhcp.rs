//! Our DHCP client against dnsmasq on a TAP, or where there is none against a server of the tests'
//! own on a kernel socket.

use crate::lab::{Lab, Report, counter, is_there, require, stand_in};

/// A device, and a server on it whose log is in `log`.
const SET_UP: &str = r#"
# A lost message is sent again after up to five seconds; an address is probed for that long.
PATIENCE=700
ip tuntap add dev tap7 mode tap
ip addr add 192.168.70.1/24 dev tap7
ip link set tap7 up
device=tap7
serve() { # FIRST LAST [OPTION]: addresses
    if [ "$DNSMASQ" = yes ]; then
        dnsmasq -k -p 0 --user=root --conf-file=/dev/null --interface=$device --bind-interfaces \
            --dhcp-range="$1,$2,120" --dhcp-option-force=58,3 --dhcp-authoritative --no-ping \
            ${3:-} --dhcp-leasefile="$PWD/leases" --pid-file= --log-facility=- \
            2>log & server=$!
        wait_for grep -q 'sockets bound' log
    else
        "$HIKYAKU" kernel-dhcp --device $device --server 192.168.70.1 --first "$1" --renewal 3 \
            2>log & server=$!
        wait_for grep -q 'serving on' log
    fi
}
we() { # ARGUMENTS: our echo server, with the address that it is given
    "$HIKYAKU" -v --tap tap7 --addr6 fd70::2 --dhcp "$@" echo 7 2>err & we=$!
}
address() { sed -n 's/.*our address is \([0-9.]*\).*/\1/p' err | tail -n 1; }
talks() { [ "$(echo feet | $NC -N -w 1 "$(address)" 7)" = feet ]; }
leave() { kill -INT $we; wait $we || true; }
"#;

fn run(lab: &Lab, script: &str) -> Report {
    require("ip", "iproute2");
    let by_dnsmasq = is_there("dnsmasq");
    if !by_dnsmasq {
        stand_in("dnsmasq", "dnsmasq-base", "a small server of the tests' own");
    }
    run_with(lab, by_dnsmasq, script)
}

fn run_with(lab: &Lab, by_dnsmasq: bool, script: &str) -> Report {
    let which = if by_dnsmasq { "yes" } else { "no" };
    let report = lab.network(&format!("DNSMASQ={which}\n{SET_UP}\n{script}"));
    let (err, log) = (lab.read("err"), lab.read("log"));
    assert!(report.status.success(), "{}\n{}\n{err}\n{log}", report.status, report.stderr);
    println!("{:.2} s", report.seconds);
    report
}

/// Acquired, used, renewed at the server's T1, used, given back.
const LIFE: &str = "serve 192.168.70.50 192.168.70.59\n\
                    we --no-probe\n\
                    wait_for grep -q 'our address' err\n\
                    wait_for talks\n\
                    wait_for grep -q 'dhcp: still' err\n\
                    talks\n\
                    leave\n\
                    sleep 0.1\n\
                    kill $server";

fn check_life(lab: &Lab) {
    let (err, log) = (lab.read("err"), lab.read("log"));
    let lines: Vec<&str> = err.lines().filter(|line| line.contains("dhcp:")).collect();
    let [searching, offer, first, renewing, renewed, .., last] = lines[..] else { panic!("{err}") };
    assert!(searching.contains("dhcp: searching for a server"), "{err}");
    assert!(offer.contains("dhcp: offer of 192.168.70.5"), "{err}");
    assert!(offer.ends_with("received from 192.168.70.1; asking for it"), "{err}");
    assert!(first.contains("our address is 192.168.70.5"), "{err}");
    assert!(renewing.contains("dhcp: renewing 192.168.70.5"), "{err}");
    assert!(renewing.ends_with("with 192.168.70.1"), "{err}");
    assert!(first.ends_with("/24 from 192.168.70.1, by way of 192.168.70.1"), "{err}");
    assert!(renewed.contains("dhcp: still 192.168.70.5"), "{err}");
    assert!(last.contains("ours no more: given back"), "{err}");
    for kind in ["DISCOVER", "OFFER", "REQUEST", "ACK", "RELEASE"] {
        assert!(log.contains(&format!("DHCP{kind}(tap7)")), "no {kind}:\n{log}");
    }
    assert!(!log.contains("NAK") && !log.contains("DECLINE"), "{log}");
}

#[test]
fn an_address_is_acquired_renewed_and_given_back() {
    let lab = Lab::new("dhcp");
    run(&lab, LIFE);
    check_life(&lab);
}

/// The stand-in sees the same: it is no weaker a test where dnsmasq is missing.
#[test]
fn the_stand_in_gives_addresses_too() {
    let lab = Lab::new("dhcp");
    run_with(&lab, false, LIFE);
    check_life(&lab);
}

#[test]
fn a_server_that_has_forgotten_us_gives_us_another_address() {
    let lab = Lab::new("nak");
    let script = "serve 192.168.70.50 192.168.70.59\n\
                  we --no-probe\n\
                  wait_for talks\n\
                  kill $server; wait $server || true\n\
                  rm -f leases\n\
                  serve 192.168.70.100 192.168.70.109\n\
                  has_another() { address | grep -q '^192.168.70.10'; }\n\
                  wait_for has_another\n\
                  wait_for talks\n\
                  leave; kill $server";
    run(&lab, script);
    let (err, log) = (lab.read("err"), lab.read("log"));
    assert!(err.contains("is ours no more: the server refuses it"), "{err}");
    assert!(log.contains("DHCPNAK(tap7)"), "{log}");
}

#[test]
fn a_connection_waits_for_its_address() {
    let lab = Lab::new("dhcp");
    lab.sample("in", 100_000, 5);
    let script = "serve 192.168.70.50 192.168.70.59\n\
                  $NC -l 192.168.70.1 5000 </dev/null >out & they=$!\n\
                  wait_for sh -c \"$KERNEL_LISTENS\" sh 5000\n\
                  \"$HIKYAKU\" --tap tap7 --addr6 fd70::2 --dhcp --no-probe \\
                  connect -N 192.168.70.1 5000 <in 2>err\n\
                  wait $they\n\
                  kill $server";
    run(&lab, script);
    lab.assert_equal("in", "out");
}

/// A port of a bridge that comes up when the search has just begun: the first message is lost.
#[test]
fn a_port_of_a_bridge_that_has_just_come_up_costs_less_than_two_seconds() {
    let lab = Lab::new("bridge");
    let script = "ip link add br0 type bridge\n\
                  ip link set br0 up\n\
                  ip addr flush dev tap7\n\
                  ip link set tap7 down\n\
                  ip link set tap7 master br0\n\
                  ip addr add 192.168.70.1/24 dev br0\n\
                  serve 192.168.70.50 192.168.70.59\n\
                  we --no-probe\n\
                  wait_for grep -q 'TCP and UDP' err\n\
                  sleep 0.2\n\
                  start=$(date +%s%N)\n\
                  ip link set tap7 up\n\
                  wait_for grep -q 'our address' err\n\
                  echo took $((($(date +%s%N) - start) / 1000000))\n\
                  wait_for talks\n\
                  leave; kill $server";
    let report = run(&lab, &format!("device=br0\n{script}"));
    let took = report.stdout.lines().find_map(|line| line.strip_prefix("took "));
    let took: u64 = took.expect("a time").parse().expect("a number");
    println!("an address after {took} ms");
    let err = lab.read("err");
    assert!(took < 2_000, "{took} ms:\n{err}");
    assert!(counter(&err, "link_tx_device_down") > 0, "the first message was not lost:\n{err}");
}

#[test]
fn silence_and_a_renewal_are_told() {
    let lab = Lab::new("silence");
    let script = "we --no-probe\n\
                  wait_for grep -q 'dhcp: no answer; searching again' err\n\
                  serve 192.168.70.50 192.168.70.59\n\
                  wait_for talks\n\
                  kill $server; wait $server || true\n\
                  wait_for grep -q 'dhcp: renewing' err\n\
                  leave";
    run(&lab, script);
    let lab = Lab::new("silence");
    let code = "code=0; \"$HIKYAKU\" --tap tap7 --addr6 fd70::2 --dhcp connect 192.168.70.1 5000 \
                </dev/null 2>err || code=$?\n\
                echo $code";
    let report = run(&lab, code);
    assert_eq!(report.stdout, "4\n");
    let err = lab.read("err");
    assert!(err.contains("no DHCP server has answered in 30 s"), "{err}");
}

#[test]
fn a_connection_waits_until_its_address_was_probed_for() {
    let lab = Lab::new("probed");
    lab.sample("in", 10_000, 5);
    let script = "serve 192.168.70.50 192.168.70.59\n\
                  $NC -l 192.168.70.1 5000 </dev/null >out & they=$!\n\
                  wait_for sh -c \"$KERNEL_LISTENS\" sh 5000\n\
                  \"$HIKYAKU\" --tap tap7 --addr6 fd70::2 --dhcp \
                  connect -N 192.168.70.1 5000 <in 2>err\n\
                  wait $they\n\
                  kill $server";
    run(&lab, script);
    lab.assert_equal("in", "out");
    let err = lab.read("err");
    let step = |text: &str| err.find(text).unwrap_or_else(|| panic!("no {text:?} in:\n{err}"));
    let steps = [
        step("dhcp: searching"),
        step("dhcp: offer of 192.168.70.5"),
        step("probing whether another host uses it"),
        step("our address is 192.168.70.5"),
        step("connected to 192.168.70.1:5000"),
    ];
    assert!(steps.is_sorted(), "{err}");
}

#[test]
fn an_address_that_somebody_has_is_declined() {
    let lab = Lab::new("decline");
    // Linux answers for all that it has, on whatever device it asked for.
    let script = "ip addr add 192.168.70.50/32 dev lo\n\
                  mac=02:00:00:00:00:77\n\
                  serve 192.168.70.50 192.168.70.59 --dhcp-host=$mac,192.168.70.50\n\
                  we --mac $mac\n\
                  wait_for grep -q 'somebody else uses it' err\n\
                  # The search goes on after ten seconds, and after five more it is ours.\n\
                  sleep 15\n\
                  wait_for talks\n\
                  leave; kill $server";
    let report = run(&lab, script);
    let (err, log) = (lab.read("err"), lab.read("log"));
    assert!(log.contains("DHCPDECLINE(tap7) 192.168.70.50"), "{log}\n{err}");
    let ours = err.lines().find(|line| line.contains("our address is")).expect("an address");
    assert!(!ours.contains("192.168.70.50/"), "{err}");
    assert!(report.seconds > 15.0);
}
