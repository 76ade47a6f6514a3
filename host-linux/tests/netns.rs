//! End to end against Linux TCP: nc and plain kernel sockets in network namespaces, over IPv4 and
//! IPv6, in fine weather and in bad.

#[path = "netns/capture.rs"]
mod capture;
#[path = "netns/device.rs"]
mod device;
#[path = "netns/dhcp.rs"]
mod dhcp;
mod lab;
#[path = "netns/many.rs"]
mod many;
#[path = "netns/peers.rs"]
mod peers;
#[path = "netns/scans.rs"]
mod scans;
#[path = "netns/signals.rs"]
mod signals;
#[path = "netns/sizes.rs"]
mod sizes;
#[path = "netns/soak.rs"]
mod soak;
#[path = "netns/tap.rs"]
mod tap;

use lab::{Lab, counter, is_there, stand_in};

/// Which end opens the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    WeListen,
    WeConnect,
}

/// Which way the octets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// From nc to us.
    Up,
    /// From us to nc.
    Down,
}

/// What happens to packets on their way, in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    Fine,
    /// Percent lost by our own `--loss`.
    Loss(u32),
    /// Percent dropped by nftables in a namespace between the two ends.
    Nft(u32),
}

#[derive(Debug, Clone, Copy)]
struct Transfer {
    role: Role,
    six: bool,
    way: Way,
    mib: usize,
    weather: Weather,
}

/// Our `listen` or `connect` has a TUN of its own in the namespace of the script.
const OWN: &str = "--addr 192.168.70.2 --addr6 fd70::2";

/// The addresses of the stack beside the script.
const FAMILIES: [&str; 2] = ["$HIKYAKU_ADDR", "$HIKYAKU_ADDR6"];

/// A namespace behind a veth, and this one as the router between it and our TUN: only in the
/// forward hook of a third party does a drop look like loss to the kernel's TCP.
const ROUTER: &str = r#"
if [ "$(id -u)" = 0 ]; then unshared=""; entered=""; else
    unshared="-U -r"; entered="-U --preserve-credentials"
fi
unshare $unshared -n sleep 300 & far=$!
trap 'kill $far' EXIT
in_far() { nsenter -t $far $entered -n "$@"; }
is_apart() {
    [ "$(readlink /proc/$far/ns/net)" != "$(readlink /proc/self/ns/net)" ] &&
        [ "$(in_far id -u)" = 0 ]
}
wait_for is_apart
ip link add r0 type veth peer name c0
ip link set c0 netns $far
ip addr add 10.77.0.1/24 dev r0
ip addr add fd77::1/64 dev r0 nodad
ip link set r0 up
in_far ip addr add 10.77.0.2/24 dev c0
in_far ip addr add fd77::2/64 dev c0 nodad
# One segment a packet, so that one drop is one segment.
in_far ip link set c0 gso_max_segs 1
in_far ip link set c0 up
in_far ip route add default via 10.77.0.1
in_far ip route add default via fd77::1
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
nft add table inet weather
nft add chain inet weather forward '{ type filter hook forward priority 0; }'
"#;

/// The same weather for all of TCP.
const DROPS: &str = "nft add rule inet weather forward meta l4proto tcp numgen random mod 1000 '<'";

impl Transfer {
    /// The shell script of both ends; ours prints to `err`.
    fn script(&self) -> String {
        let loss = match self.weather {
            Weather::Loss(percent) => format!("--loss {percent} --seed 7"),
            Weather::Fine | Weather::Nft(_) => String::new(),
        };
        let us = format!("\"$HIKYAKU\" -v {OWN} {loss}");
        let (ours, anyone) = if self.six { ("fd70::2", "::") } else { ("192.168.70.2", "0.0.0.0") };
        // Where nc is, and how it is started there.
        let (set_up, they, kernel, report) = match (self.weather, self.six) {
            (Weather::Nft(percent), six) => (
                format!("{ROUTER}{DROPS} {} counter drop", percent * 10),
                "in_far ",
                if six { "fd77::2" } else { "10.77.0.2" },
                "nft list chain inet weather forward",
            ),
            (_, true) => (String::new(), "", "fd70::1", ":"),
            (_, false) => (String::new(), "", "192.168.70.1", ":"),
        };
        let (our_flag, our_files, nc_flag, nc_files) = match self.way {
            Way::Up => ("", "</dev/null >out", "-N", "<in >/dev/null"),
            Way::Down => ("-N", "<in >/dev/null", "", "</dev/null >out"),
        };
        let talk = match self.role {
            Role::WeListen => format!(
                "{us} listen {our_flag} 5000 {our_files} 2>err & we=$!\n\
                 wait_for we_listen err\n\
                 {they}$NC {nc_flag} {ours} 5000 {nc_files}\n\
                 wait $we"
            ),
            Role::WeConnect => format!(
                "{they}$NC {nc_flag} -l {anyone} 5000 {nc_files} & they=$!\n\
                 wait_for {they}sh -c \"$KERNEL_LISTENS\" sh 5000\n\
                 {us} connect {our_flag} {kernel} 5000 {our_files} 2>err\n\
                 wait $they"
            ),
        };
        format!("{set_up}\n{talk}\n{report}")
    }

    /// Runs it, prints seconds and retransmissions, and checks that nothing was changed or lost.
    #[track_caller]
    fn run(&self) {
        let lab = Lab::new("transfer");
        lab.sample("in", self.mib << 20, 1);
        // The router keeps the script's own stack out of the way.
        let report = lab.script(&[], &self.script());
        let err = lab.read("err");
        assert!(report.status.success(), "{self:?}: {}\n{}\n{err}", report.status, report.stderr);
        lab.assert_equal("in", "out");
        let retransmissions = counter(&err, "retransmissions");
        let dropped = dropped(&report.stdout);
        println!(
            "{self:?}: {:.2} s, {retransmissions} retransmissions of ours, {dropped} dropped",
            report.seconds
        );
        let bad_weather = self.weather != Weather::Fine;
        if let Weather::Nft(_) = self.weather {
            assert!(dropped > 0, "{self:?}: nft dropped nothing:\n{}", report.stdout);
        }
        if bad_weather && self.way == Way::Down {
            assert!(retransmissions > 0, "{self:?}: nothing was retransmitted:\n{err}");
        }
    }
}

/// The packets in the first counter of a listing by nft.
fn dropped(listing: &str) -> u64 {
    let mut words = listing.split_whitespace().skip_while(|word| *word != "packets");
    words.nth(1).map_or(0, |count| count.parse().expect("a count of packets"))
}

/// All four of roles and ways, over one family.
fn all_ways(six: bool, mib: usize, weather: Weather) {
    for role in [Role::WeListen, Role::WeConnect] {
        for way in [Way::Up, Way::Down] {
            Transfer { role, six, way, mib, weather }.run();
        }
    }
}

/// Both ways, with nc as the one that connects.
fn both_ways(six: bool, mib: usize, weather: Weather) {
    for way in [Way::Up, Way::Down] {
        Transfer { role: Role::WeListen, six, way, mib, weather }.run();
    }
}

/// Packets dropped between the two ends, by nftables where it is.
#[track_caller]
fn dropping(percent: u32) -> Weather {
    for (tool, package) in [("nft", "nftables"), ("ip", "iproute2")] {
        if !is_there(tool) {
            stand_in(tool, package, "drops by `--loss`");
            return Weather::Loss(percent);
        }
    }
    Weather::Nft(percent)
}

#[test]
fn ten_mib_in_both_roles_over_ipv4() {
    all_ways(false, 10, Weather::Fine);
}

#[test]
fn ten_mib_in_both_roles_over_ipv6() {
    all_ways(true, 10, Weather::Fine);
}

#[test]
fn one_percent_of_loss_over_ipv4() {
    both_ways(false, 10, Weather::Loss(1));
}

#[test]
fn one_percent_of_loss_over_ipv6() {
    both_ways(true, 10, Weather::Loss(1));
}

#[test]
fn five_percent_of_loss_in_both_roles() {
    all_ways(false, 1, Weather::Loss(5));
    both_ways(true, 1, Weather::Loss(5));
}

#[test]
fn one_percent_dropped_by_nftables() {
    let weather = dropping(1);
    both_ways(false, 10, weather);
    both_ways(true, 10, weather);
}

#[test]
fn five_percent_dropped_by_nftables_in_both_roles() {
    let weather = dropping(5);
    all_ways(false, 1, weather);
    both_ways(true, 1, weather);
}

#[test]
fn echo_gives_back_ten_mib() {
    for address in FAMILIES {
        let lab = Lab::new("echo");
        lab.sample("in", 10 << 20, 2);
        let report = lab.script(&[], &format!("$NC -N {address} 7 <in >out")).succeeded();
        lab.assert_equal("in", "out");
        println!(
            "echo {address}: {:.2} s, {} retransmissions",
            report.seconds,
            report.counter("retransmissions")
        );
    }
}

#[test]
fn a_half_closed_peer_still_gets_its_answer() {
    // nc -N sends its FIN at once; a million characters come after that.
    for address in FAMILIES {
        let lab = Lab::new("half");
        let script = format!(
            "$NC -N {address} 19 </dev/null | head -c 1000000 >out\n\
             test $(wc -c <out) = 1000000"
        );
        lab.script(&[], &script).succeeded();
        assert!(lab.read("out").starts_with(" !\"#$%&'()"));
    }
}

#[test]
fn nc_finds_the_open_ports_and_no_others() {
    for address in FAMILIES {
        let lab = Lab::new("scan");
        let script = format!("$NC -zv -w 5 {address} 6-10 2>found || true");
        lab.script(&[], &script).succeeded();
        let found = lab.read("found");
        for port in 6..=10 {
            let open = port == 7 || port == 9;
            let line = found
                .lines()
                .find(|line| {
                    line.contains(&format!(" {port} port "))
                        || line.contains(&format!(" port {port} "))
                })
                .unwrap_or_else(|| panic!("nothing about port {port}:\n{found}"));
            assert_eq!(line.contains("succeeded"), open, "{line}");
            assert_eq!(line.contains("refused"), !open, "{line}");
        }
    }
}

#[test]
fn datagrams_come_back() {
    for address in FAMILIES {
        let lab = Lab::new("udp");
        let report = lab.script(&[], &format!("echo flying feet | $NC -u -w 1 {address} 7"));
        assert_eq!(report.succeeded().stdout, "flying feet\n");
    }
}

/// What tshark makes of a capture, one line a packet.
const ANALYSE: &str = "tshark -n -r cap.pcapng -o tcp.check_checksum:TRUE \
                       -o ip.check_checksum:TRUE -o udp.check_checksum:TRUE";

/// Traffic of every kind: data and FINs, a closed port, a datagram, over both families.
const TRAFFIC: &str = "for a in $HIKYAKU_ADDR $HIKYAKU_ADDR6; do\n\
                       $NC -N $a 7 <in >out\n\
                       cmp in out\n\
                       $NC -z -w 2 $a 8 || true\n\
                       echo hello | $NC -u -w 1 $a 7\n\
                       done";

#[test]
fn tshark_has_nothing_to_complain_of() {
    let lab = Lab::new("tshark");
    lab.sample("in", 200_000, 3);
    if !is_there("tshark") {
        stand_in("tshark", "tshark", "our own trace lines");
        return our_own_trace_has_nothing_to_complain_of(&lab);
    }
    let script = format!(
        "tshark -n -i hikyaku0 -a duration:30 -w cap.pcapng 2>captured & shark=$!\n\
         # A first packet must be seen before the traffic that counts.\n\
         sees_packets() {{ [ \"$(wc -c <cap.pcapng 2>/dev/null || echo 0)\" -gt 400 ]; }}\n\
         poke() {{ $NC -z -w 1 $HIKYAKU_ADDR 9 2>/dev/null; sees_packets; }}\n\
         wait_for poke\n\
         {TRAFFIC}\n\
         sleep 0.3\n\
         kill -INT $shark; wait $shark || true\n\
         {ANALYSE} >all 2>shark.err\n\
         {ANALYSE} -Y '_ws.malformed || tcp.checksum.status == 0 || ip.checksum.status == 0 \
           || udp.checksum.status == 0 || icmp.checksum.status == 0 \
           || icmpv6.checksum.status == 0' >bad\n\
         {ANALYSE} -Y 'tcp.flags.reset == 1 && tcp.srcport == 8' >resets\n\
         {ANALYSE} -Y 'tcp.checksum.status == 1' >good"
    );
    lab.script(&[], &script).succeeded();
    assert!(lab.read("good").lines().count() > 100, "{}", lab.read("all"));
    assert_eq!(lab.read("bad"), "");
    let resets = lab.read("resets");
    assert_eq!(resets.lines().count(), 2, "{resets}");
    for line in resets.lines() {
        assert!(line.contains("[RST, ACK] Seq=1 Ack=1 Win=0"), "{line}");
    }
}

/// The same bytes as tshark would see, judged by our own reading of them.
fn our_own_trace_has_nothing_to_complain_of(lab: &Lab) {
    let report = lab.script(&["--trace"], TRAFFIC).succeeded();
    let trace: Vec<&str> = report.stderr.lines().filter(|line| line.contains(" IP")).collect();
    assert!(trace.len() > 100);
    for line in &trace {
        assert!(!line.contains("bad") && !line.contains("malformed"), "{line}");
    }
    let resets = trace.iter().filter(|line| line.contains(".8 > ") && line.contains("[R.]"));
    assert_eq!(resets.filter(|line| line.contains("seq 0, ack 1, win 0,")).count(), 2);
}
