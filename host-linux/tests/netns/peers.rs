//! Peers that are killed or stop reading, and a host that is killed and started again.

use crate::FAMILIES;
use crate::lab::{Lab, counter, require};

#[test]
fn a_peer_that_is_killed_in_mid_transfer_leaves_nothing_behind() {
    for address in FAMILIES {
        let lab = Lab::new("killed");
        lab.sample("in", 1 << 20, 5);
        let script = format!(
            "is_longer() {{ [ $(wc -c <$1) -gt 1000000 ]; }}\n\
             $NC {address} 19 </dev/null >got & reader=$!\n\
             $NC {address} 7 </dev/zero >back & both=$!\n\
             $NC {address} 9 </dev/zero & writer=$!\n\
             wait_for is_longer got; wait_for is_longer back\n\
             kill -KILL $reader $both $writer\n\
             # The others are served as before.\n\
             $NC -N {address} 7 <in >out\n\
             sleep 0.5"
        );
        let report = lab.script(&[], &script).succeeded();
        lab.assert_equal("in", "out");
        assert_eq!(report.counter("passive_opens"), 4);
        // The kernel resets where octets are unread or still come; it closes the writer with FIN.
        assert!(report.counter("resets_in") >= 2, "{}", report.stderr);
        report.assert_nothing_held();
        println!("killed peers of {address}: {:.2} s", report.seconds);
    }
}

#[test]
fn a_host_that_is_killed_and_started_again_resets_its_old_connections() {
    require("ip", "iproute2");
    for address in ["192.168.71.2", "fd71::2"] {
        let lab = Lab::new("restarted");
        let script = format!(
            "ip tuntap add dev hk7 mode tun\n\
             ip addr add 192.168.71.1/24 dev hk7\n\
             ip addr add fd71::1/64 dev hk7 nodad\n\
             ip link set hk7 up\n\
             start() {{\n\
             \"$HIKYAKU\" -v --tun hk7 --addr 192.168.71.2 --addr6 fd71::2 echo 7 2>$1 & we=$!\n\
             wait_for grep -q 'TCP and UDP' $1\n\
             }}\n\
             is_longer() {{ [ $(wc -c <busy) -gt 1000000 ]; }}\n\
             start first\n\
             mkfifo words; exec 3<>words\n\
             $NC {address} 7 <words >idle & idler=$!\n\
             echo before >&3; wait_for grep -q before idle\n\
             $NC {address} 7 </dev/zero >busy & busy=$!\n\
             wait_for is_longer\n\
             kill -KILL $we; wait $we || true\n\
             start second\n\
             # Its retransmissions reset the one, its next words the other.\n\
             wait $busy || true\n\
             echo after >&3; wait $idler || true\n\
             established=$(cat /proc/net/tcp /proc/net/tcp6 | awk '$4 == \"01\"' | wc -l)\n\
             echo again | $NC -N {address} 7\n\
             kill -INT $we; wait $we || echo we $?\n\
             echo $established established"
        );
        let report = lab.script(&[], &script).succeeded();
        assert_eq!(report.stdout, "again\nwe 130\n0 established\n");
        assert_eq!(lab.read("idle"), "before\n");
        let (first, second) = (lab.read("first"), lab.read("second"));
        assert!(!first.contains("packets_in"), "no last words of the killed:\n{first}");
        assert!(counter(&second, "resets_out") >= 2, "{second}");
        assert_eq!(counter(&second, "passive_opens"), 1, "{second}");
        println!("restarted on {address}: {:.2} s", report.seconds);
    }
}

#[test]
fn a_reader_that_stops_for_five_seconds_gets_every_octet() {
    let lab = Lab::new("stopped");
    lab.sample("in", 8 << 20, 6);
    // Four at once, a host each: over either family, the kernel's reader stops, and then ours.
    let mut script = "late() { sleep 5; cat >$1; }\n".to_owned();
    let mut names = Vec::new();
    for (number, six) in [(1, false), (2, true)] {
        let ours = |side: u8| match six {
            false => format!("192.168.{}.2", 80 + 2 * number + side),
            true => format!("fd8{number}:{side}::2"),
        };
        let addresses = |side: u8| {
            let (four, other) = (80 + 2 * number + side, ours(side));
            let unused = format!("fd9{number}:{side}::2");
            let six = if six { &other } else { &unused };
            format!("--addr 192.168.{four}.2 --addr6 {six}")
        };
        script += &format!(
            "\"$HIKYAKU\" -v {} listen -N 5000 <in >/dev/null 2>err-down{number} & a{number}=$!\n\
             \"$HIKYAKU\" -v {} listen 5000 </dev/null 2>err-up{number} | late up{number} &\n\
             b{number}=$!\n\
             wait_for we_listen err-down{number}; wait_for we_listen err-up{number}\n\
             $NC {} 5000 </dev/null | late down{number} & c{number}=$!\n\
             $NC -N {} 5000 <in & d{number}=$!\n",
            addresses(0),
            addresses(1),
            ours(0),
            ours(1)
        );
        names.push((format!("down{number}"), format!("up{number}")));
    }
    script += "wait $a1; wait $a2; wait $b1; wait $b2; wait $c1; wait $c2; wait $d1; wait $d2\n\
               cat /proc/net/netstat";
    let report = lab.script(&[], &script).succeeded();
    for (down, up) in &names {
        lab.assert_equal("in", down);
        lab.assert_equal("in", up);
        let err = lab.read(&format!("err-{down}"));
        let probes = counter(&err, "window_probes");
        println!("{down}: {probes} probes of ours");
        assert!(probes > 0, "no probe of a zero window:\n{err}");
    }
    let probes = kernel_counter(&report.stdout, "TCPWinProbe");
    println!("{probes} probes of the kernel's; {:.2} s", report.seconds);
    assert!(probes >= 2, "the kernel sent {probes} probes to two closed windows of ours");
}

/// A counter of /proc/net/netstat: a line of names, then one of numbers.
fn kernel_counter(netstat: &str, name: &str) -> u64 {
    let mut lines = netstat.lines();
    while let (Some(names), Some(numbers)) = (lines.next(), lines.next()) {
        let at = names.split_whitespace().position(|word| word == name);
        if let Some(number) = at.and_then(|at| numbers.split_whitespace().nth(at)) {
            return number.parse().expect("a number");
        }
    }
    panic!("the kernel does not count {name}")
}
