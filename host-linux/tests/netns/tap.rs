//! Ethernet end to end: a TAP, on which Linux finds us by ARP, and we find it.

use crate::OWN;
use crate::lab::{Lab, counter, is_there, require, stand_in};

/// The addresses of the stack beside the script.
const FAMILIES: [&str; 2] = ["$HIKYAKU_ADDR", "$HIKYAKU_ADDR6"];
const TAP: [&str; 2] = ["--link", "tap"];

#[test]
fn nc_gets_back_what_it_sends_to_a_tap() {
    for address in FAMILIES {
        let lab = Lab::new("tap");
        lab.sample("in", 4 << 20, 11);
        let script = format!("$NC -N {address} 7 <in >out\necho hello | $NC -u -w 1 {address} 7");
        let report = lab.script(&TAP, &script).succeeded();
        assert_eq!(report.stdout, "hello\n");
        lab.assert_equal("in", "out");
        assert!(report.counter("neighbor_replies") > 0, "{}", report.stderr);
        report.assert_nothing_held();
    }
}

#[test]
fn a_tap_in_bad_weather_delivers_all_the_same() {
    for address in FAMILIES {
        let lab = Lab::new("tap");
        lab.sample("in", 1 << 20, 12);
        let script = format!("$NC -N {address} 7 <in >out");
        let args = ["--link", "tap", "--loss", "5", "--seed", "3"];
        let report = lab.script(&args, &script).succeeded();
        lab.assert_equal("in", "out");
        assert!(report.counter("retransmissions") > 0, "{}", report.stderr);
    }
}

#[test]
fn we_find_the_kernel_on_a_tap() {
    let lab = Lab::new("tap");
    lab.sample("in", 1 << 20, 13);
    let script = format!(
        "$NC -l 0.0.0.0 5000 </dev/null >out & they=$!\n\
         wait_for sh -c \"$KERNEL_LISTENS\" sh 5000\n\
         \"$HIKYAKU\" -v {OWN} --link tap connect -N 192.168.70.1 5000 <in 2>err\n\
         wait $they"
    );
    let report = lab.script(&[], &script).succeeded();
    lab.assert_equal("in", "out");
    let err = lab.read("err");
    assert!(counter(&err, "neighbor_requests") > 0, "{err}\n{}", report.stderr);
}

#[test]
fn ping_reaches_us_on_a_tap() {
    require("ping", "iputils-ping");
    for address in FAMILIES {
        let lab = Lab::new("ping");
        let script = format!("ping -n -c 5 -i 0.2 -W 2 {address}");
        let report = lab.script(&TAP, &script).succeeded();
        assert!(report.stdout.contains("5 received, 0% packet loss"), "{}", report.stdout);
        assert_eq!(report.counter("echo_replies"), 5);
    }
}

#[test]
fn a_host_that_comes_back_with_another_hardware_address_is_found() {
    let lab = Lab::new("mac");
    let script = format!(
        "ip tuntap add dev tap7 mode tap\n\
         ip addr add 192.168.70.1/24 dev tap7\n\
         ip addr add fd70::1/64 dev tap7 nodad\n\
         ip link set tap7 up\n\
         for mac in 02:00:00:00:00:0a 02:00:00:00:00:0b 06:00:00:00:00:0a; do\n\
         \"$HIKYAKU\" -v {OWN} --tap tap7 --no-probe --mac $mac echo 7 2>err & we=$!\n\
         wait_for grep -q 'TCP and UDP' err\n\
         # The kernel may know the old one yet: it asks anew when that one is silent.\n\
         talks() {{ [ \"$(echo $mac | $NC -N -w 2 192.168.70.2 7)\" = $mac ]; }}\n\
         wait_for talks\n\
         ip neigh show dev tap7 192.168.70.2\n\
         kill -INT $we; wait $we || true\n\
         done"
    );
    require("ip", "iproute2");
    let report = lab.script(&[], &script).succeeded();
    for mac in ["02:00:00:00:00:0a", "02:00:00:00:00:0b", "06:00:00:00:00:0a"] {
        assert!(report.stdout.contains(&format!("lladdr {mac}")), "{}", report.stdout);
    }
    println!("{:.2} s", report.seconds);
}

const TAP_7: &str = "ip tuntap add dev tap7 mode tap\n\
                     ip addr add 192.168.70.1/24 dev tap7\n\
                     ip addr add fd70::1/64 dev tap7 nodad\n\
                     ip link set tap7 up\n";

#[test]
fn a_duplicate_address_on_a_tap_is_told() {
    require("ip", "iproute2");
    let lab = Lab::new("duplicate");
    let script = format!(
        "{TAP_7}\
         ip addr add 192.168.70.2/32 dev tap7\n\
         ip addr add fd70::2/64 dev tap7 nodad\n\
         \"$HIKYAKU\" {OWN} --tap tap7 echo 7 2>err & we=$!\n\
         wait_for grep -q '192.168.70.2 is a duplicate' err\n\
         wait_for grep -q 'fd70::2 is a duplicate' err\n\
         kill -INT $we; wait $we || true\n\
         for to in 192.168.70.1 fd70::1; do\n\
         code=0; \"$HIKYAKU\" {OWN} --tap tap7 connect $to 5000 </dev/null 2>>err || code=$?\n\
         echo $code\n\
         done"
    );
    let report = lab.script(&[], &script).succeeded();
    assert_eq!(report.stdout, "1\n1\n", "{}", lab.read("err"));
    let err = lab.read("err");
    assert!(err.contains("probing whether another host on tap7 uses 192.168.70.2"), "{err}");
    assert!(err.contains("another host on tap7 uses it, so we do not; try another --addr6"));
}

#[test]
fn a_host_that_claims_our_address_later_is_told_of() {
    require("ping", "iputils-ping");
    let lab = Lab::new("claim");
    let script = format!(
        "PATIENCE=600\n\
         {TAP_7}\
         \"$HIKYAKU\" {OWN} --tap tap7 echo 7 2>err & we=$!\n\
         wait_for grep -q '192.168.70.2 is ours: no other host on tap7 uses it' err\n\
         wait_for grep -q 'fd70::2 is ours' err\n\
         ip addr add 192.168.70.2/32 dev tap7\n\
         ping -n -c 1 -W 1 -I 192.168.70.2 192.168.70.77 >/dev/null || true\n\
         wait_for grep -q 'another host on tap7 claims an address that we use' err\n\
         kill -INT $we; wait $we || true"
    );
    lab.script(&[], &script).succeeded();
}

#[test]
fn connect_on_a_tap_waits_until_its_address_is_known_to_be_free() {
    require("ip", "iproute2");
    let lab = Lab::new("probed");
    lab.sample("in", 10_000, 8);
    for address in ["192.168.70.1", "fd70::1"] {
        let script = format!(
            "ip link del tap7 2>/dev/null || true\n\
             {TAP_7}\
             $NC -l {address} 5000 </dev/null >out & they=$!\n\
             wait_for sh -c \"$KERNEL_LISTENS\" sh 5000\n\
             \"$HIKYAKU\" {OWN} --tap tap7 connect -N {address} 5000 <in 2>err\n\
             wait $they"
        );
        let report = lab.script(&[], &script);
        assert!(report.status.success(), "{}\n{}", report.stderr, lab.read("err"));
        lab.assert_equal("in", "out");
    }
}

/// What tshark makes of a capture, one line a packet.
const ANALYSE: &str = "tshark -n -r cap.pcapng -o tcp.check_checksum:TRUE \
                       -o ip.check_checksum:TRUE -o udp.check_checksum:TRUE";

#[test]
fn tshark_sees_who_asks_for_whom_and_nothing_malformed() {
    let lab = Lab::new("arp");
    lab.sample("in", 100_000, 3);
    let by_tshark = is_there("tshark");
    if !by_tshark {
        stand_in("tshark", "tshark", "our own trace lines");
    }
    let capture = "tshark -n -i hikyaku0 -a duration:30 -w cap.pcapng 2>captured & shark=$!\n\
                   sees_packets() { [ \"$(wc -c <cap.pcapng 2>/dev/null || echo 0)\" -gt 400 ]; }\n\
                   poke() { $NC -z -w 1 $HIKYAKU_ADDR 9 2>/dev/null; sees_packets; }\n\
                   wait_for poke\n\
                   ip neigh flush dev hikyaku0";
    let analyse = format!(
        "sleep 0.3\n\
         kill -INT $shark; wait $shark || true\n\
         {ANALYSE} -Y arp >arp 2>shark.err\n\
         {ANALYSE} -Y '_ws.malformed || tcp.checksum.status == 0 || ip.checksum.status == 0 \
           || udp.checksum.status == 0 || icmp.checksum.status == 0 \
           || arp.duplicate-address-detected || eth.len < 0' >bad"
    );
    let talk = "$NC -N $HIKYAKU_ADDR 7 <in >out; cmp in out";
    let mac = "02:00:00:00:00:7a";
    let args = ["--link", "tap", "--trace", "--mac", mac];
    if by_tshark {
        lab.script(&args, &format!("{capture}\n{talk}\n{analyse}")).succeeded();
        let arp = lab.read("arp");
        assert!(arp.contains("Who has 192.168.69.2? Tell 192.168.69.1"), "{arp}");
        assert!(arp.contains(&format!("192.168.69.2 is at {mac}")), "{arp}");
        assert_eq!(lab.read("bad"), "");
    }
    let report = lab.script(&args, talk).succeeded();
    let told = report.stderr;
    assert!(told.contains("ARP, Request who-has 192.168.69.2 tell 192.168.69.1"), "{told}");
    assert!(told.contains(&format!("ARP, Reply 192.168.69.2 is-at {mac}, length 28")), "{told}");
    assert!(!told.contains("malformed"), "{told}");
}
