//! Our DHCP client against dnsmasq on a TAP, or where there is none against a server of the tests'
//! own on a kernel socket.

use crate::lab::{Lab, Report, is_there, require, stand_in};

/// A device, and a server on it whose log is in `log`.
const SET_UP: &str = r#"
# A lost message is sent again after up to five seconds.
PATIENCE=700
ip tuntap add dev tap7 mode tap
ip addr add 192.168.70.1/24 dev tap7
ip link set tap7 up
serve() { # FIRST LAST [OPTION]: addresses
    if [ "$DNSMASQ" = yes ]; then
        dnsmasq -k -p 0 --user=root --conf-file=/dev/null --interface=tap7 --bind-interfaces \
            --dhcp-range="$1,$2,120" --dhcp-option-force=58,3 --dhcp-authoritative --no-ping \
            ${3:-} --dhcp-leasefile="$PWD/leases" --pid-file= --log-facility=- \
            2>log & server=$!
        wait_for grep -q 'sockets bound' log
    else
        "$HIKYAKU" kernel-dhcp --device tap7 --server 192.168.70.1 --first "$1" --renewal 3 \
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
    let [first, renewed, .., last] = lines[..] else { panic!("{err}") };
    assert!(first.contains("our address is 192.168.70.5"), "{err}");
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
