//! The program as its users meet it: demo, run, links, signals, exit codes, and its rest.

mod lab;

use std::process::Command;
use std::time::{Duration, Instant};

use lab::{HIKYAKU, Lab, require};
use serde_json::Value;

fn demo_json(report: &lab::Report) -> Value {
    let line = report.stdout.lines().last().expect("a last line");
    serde_json::from_str(line).expect("JSON")
}

#[track_caller]
fn assert_all_equal(told: &Value) {
    for family in ["ipv4", "ipv6"] {
        assert_eq!(told[family]["up"], 1 << 20, "{told}");
        assert_eq!(told[family]["down"], 1 << 20, "{told}");
        assert_eq!(told[family]["equal"], true, "{told}");
    }
}

#[test]
fn demo_over_a_tun_of_its_own() {
    let lab = Lab::new("demo");
    let report = lab.hikyaku(&["demo", "--link", "tun", "--json"]).succeeded();
    let told = demo_json(&report);
    assert_all_equal(&told);
    let real_nc = lab::nc() == "nc";
    assert_eq!(told["peer"], if real_nc { "nc" } else { "kernel-socket" });
    assert!(told["ms"].as_u64().unwrap() <= 3_000, "{told}");
    let keys = r#"{"link":"userns-tun","peer":"#;
    assert!(report.stdout.starts_with(keys) || told["link"] == "netns-tun", "{}", report.stdout);
}

#[test]
fn demo_over_a_tap_of_its_own() {
    let lab = Lab::new("demo");
    let report = lab.hikyaku(&["-v", "demo", "--link", "tap", "--json"]).succeeded();
    let told = demo_json(&report);
    assert_all_equal(&told);
    assert!(told["ms"].as_u64().unwrap() <= 3_000, "{told}");
    assert!(told["link"].as_str().unwrap().ends_with("-tap"), "{told}");
    assert!(report.counter("neighbor_replies") > 0, "{}", report.stderr);
}

#[test]
fn demo_without_nc_uses_a_kernel_socket_and_says_so() {
    let lab = Lab::new("demo");
    let report = lab.finish(Command::new(HIKYAKU).args(["demo", "--json"]).env("PATH", "/nowhere"));
    let report = report.succeeded();
    let told = demo_json(&report);
    assert_all_equal(&told);
    assert_eq!(told["peer"], "kernel-socket");
    assert!(report.stderr.contains("netcat-openbsd"), "{}", report.stderr);
}

#[test]
fn demo_over_a_wire_needs_nothing() {
    let lab = Lab::new("demo");
    let report = lab.hikyaku(&["demo", "--link", "wire", "--json"]).succeeded();
    let told = demo_json(&report);
    assert_all_equal(&told);
    assert_eq!(told["link"], "wire");
}

#[test]
fn demo_in_bad_weather() {
    let lab = Lab::new("demo");
    for link in ["wire", "tun"] {
        let args = ["-v", "demo", "--link", link, "--json", "--loss", "2", "--seed", "5"];
        let report = lab.hikyaku(&args).succeeded();
        assert_all_equal(&demo_json(&report));
        assert!(report.counter("retransmissions") > 0, "{}", report.stderr);
        assert!(report.stderr.contains("--seed 5"), "{}", report.stderr);
    }
}

#[test]
fn demo_over_a_device_made_beforehand() {
    require("ip", "iproute2");
    let lab = Lab::new("demo");
    let script = "ip tuntap add dev hk7 mode tun\n\
                  ip addr add 192.168.71.1/24 dev hk7\n\
                  ip addr add fd71::1/64 dev hk7 nodad\n\
                  ip link set hk7 up\n\
                  \"$HIKYAKU\" --tun hk7 --addr 192.168.71.2 --addr6 fd71::2 demo --json";
    let told = demo_json(&lab.script(&[], script).succeeded());
    assert_all_equal(&told);
    assert_eq!(told["link"], "tun");
}

#[test]
fn a_link_that_cannot_be_had_exits_3_with_the_remedy() {
    let lab = Lab::new("refused");
    for args in [&["demo", "--tun", "nosuch0"][..], &["echo", "--link", "tun", "--tun", "nosuch0"]]
    {
        let report = lab.hikyaku(args);
        assert_eq!(report.status.code(), Some(3), "{}", report.stderr);
        assert!(report.stderr.contains("ip tuntap add dev nosuch0 mode tun"), "{}", report.stderr);
    }
    let report = lab.hikyaku(&["echo", "--tap", "nosuch0"]);
    assert_eq!(report.status.code(), Some(3), "{}", report.stderr);
    assert!(report.stderr.contains("ip tuntap add dev nosuch0 mode tap"), "{}", report.stderr);
}

#[test]
fn a_device_of_the_other_kind_is_refused_with_the_remedy() {
    require("ip", "iproute2");
    let lab = Lab::new("refused");
    for (made, asked) in [("tun", "tap"), ("tap", "tun")] {
        let script = format!(
            "ip tuntap add dev hk7 mode {made}\n\
             code=0; \"$HIKYAKU\" --{asked} hk7 echo 2>err || code=$?\n\
             echo $code"
        );
        assert_eq!(lab.script(&[], &script).succeeded().stdout, "3\n");
        let err = lab.read("err");
        assert!(err.contains(&format!("ip tuntap add dev hk7 mode {asked}`")), "{err}");
    }
}

#[test]
fn usage_errors_exit_2() {
    let lab = Lab::new("usage");
    for args in [
        &["frobnicate"][..],
        &["echo", "--link", "wire"],
        &["connect", "example.org", "80"],
        &["demo", "--loss", "200"],
        &["echo", "--dhcp"],
        &["demo", "--mac", "02:00:00:00:00:01"],
        &["demo", "--link", "tap", "--dhcp"],
        &["run", "--"],
    ] {
        let report = lab.hikyaku(args);
        assert_eq!(report.status.code(), Some(2), "{args:?}: {}", report.stderr);
        assert_eq!(report.stdout, "");
        assert!(!report.stderr.is_empty());
    }
}

#[test]
fn an_address_that_no_host_can_have_is_a_usage_error_before_any_device() {
    let lab = Lab::new("address");
    for (args, reason) in [
        (&["--addr", "127.0.0.1"][..], "--addr 127.0.0.1: it is a loopback address"),
        (&["--addr", "224.0.0.1"], "--addr 224.0.0.1: it is a multicast address"),
        (&["--addr", "10.1.2.0"], "the address of the network itself, a /24"),
        (&["--addr", "10.1.2.255"], "the broadcast address of the network, a /24"),
        (&["--addr", "169.254.1.1"], "a link-local address"),
        (&["--addr6", "::1"], "--addr6 ::1: it is a loopback address"),
        (&["--addr6", "ff02::1"], "a multicast address"),
        (&["--addr6", "fe80::1"], "a link-local address"),
    ] {
        for command in [&["echo"][..], &["run", "--", "true"], &["demo", "--link", "wire"]] {
            let report = lab.hikyaku(&[args, command].concat());
            assert_eq!(report.status.code(), Some(2), "{args:?}: {}", report.stderr);
            assert!(report.stderr.contains(reason), "{}", report.stderr);
            assert!(!report.stderr.contains("link:"), "a device was made: {}", report.stderr);
        }
    }
    for remote in ["127.0.0.1", "224.0.0.1", "255.255.255.255", "0.0.0.0", "::1", "ff02::1"] {
        let report = lab.hikyaku(&["connect", remote, "7"]);
        assert_eq!(report.status.code(), Some(2), "{remote}: {}", report.stderr);
        assert!(report.stderr.contains(&format!("connect {remote}: it is ")), "{}", report.stderr);
    }
}

#[test]
fn a_link_that_cannot_take_the_mtu_says_what_it_takes() {
    let lab = Lab::new("mtu");
    let report = lab.hikyaku(&["--link", "tap", "--mtu", "65522", "run", "--", "true"]);
    assert_eq!(report.status.code(), Some(2), "{}", report.stderr);
    assert!(report.stderr.contains("a TAP takes packets of 65521 bytes at most"));
    for (link, mtu) in [("tap", "65521"), ("tun", "65535")] {
        let report = lab.hikyaku(&["--link", link, "--mtu", mtu, "demo", "--json"]).succeeded();
        assert_all_equal(&demo_json(&report));
    }
    require("ip", "iproute2");
    let script = "ip tuntap add dev hk7 mode tun\n\
                  ip addr add 192.168.71.1/24 dev hk7\n\
                  ip addr add fd71::1/64 dev hk7 nodad\n\
                  ip link set hk7 mtu 1400 up\n\
                  we() { \"$HIKYAKU\" --tun hk7 --addr 192.168.71.2 --addr6 fd71::2 demo --json; }\n\
                  we 2>err\n\
                  ip link set hk7 mtu 1000\n\
                  code=0; we 2>low || code=$?\n\
                  echo $code";
    let report = lab.script(&[], script).succeeded();
    assert!(report.stdout.ends_with("\n3\n"), "{}", report.stdout);
    let (err, low) = (lab.read("err"), lab.read("low"));
    assert!(err.contains("hk7 takes packets of 1400 bytes at most, so our MTU is 1400"), "{err}");
    assert!(low.contains("it takes packets of 1000 bytes at most, and IPv6 needs 1280"), "{low}");
    assert!(low.contains("ip link set hk7 mtu 1280"), "{low}");
}

#[test]
fn a_service_named_twice_is_a_usage_error() {
    let lab = Lab::new("twice");
    for args in [["--echo", "7", "--echo", "7"], ["--echo", "9", "--discard", "9"]] {
        let report = lab.hikyaku(&[&["run"][..], &args, &["--", "true"]].concat());
        assert_eq!(report.status.code(), Some(2), "{}", report.stderr);
        let told = format!("port {} is named twice, by {} and by {}", args[1], args[0], args[2]);
        assert!(report.stderr.contains(&told), "{}", report.stderr);
        assert!(!report.stderr.contains("link:"), "{}", report.stderr);
    }
    let many: Vec<String> = (1..=17).map(|port| format!("--echo={port}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let report = lab.hikyaku(&[&["run"][..], &many, &["--", "true"]].concat());
    assert_eq!(report.status.code(), Some(2), "{}", report.stderr);
    assert!(report.stderr.contains("17 services are named, and 16 are possible"));
    lab.hikyaku(&[&["run"][..], &many[1..], &["--", "true"]].concat()).succeeded();
}

#[test]
fn output_that_goes_nowhere_is_a_failure() {
    let lab = Lab::new("output");
    let shell = |line: &str| lab.finish(Command::new("sh").args(["-c", line]));
    for line in ["listen 5000 >&-", "connect 192.168.69.1 7 >&-", "demo --json >&-", "--help >&-"] {
        let report = shell(&format!("exec \"$HIKYAKU\" {line}"));
        assert_eq!(report.status.code(), Some(1), "{line}: {}", report.stderr);
        assert!(report.stderr.contains("stdout is closed"), "{line}: {}", report.stderr);
        assert!(!report.stderr.contains("link:"), "{line}: {}", report.stderr);
    }
    for line in ["--help", "--version", "run --help", "demo --link wire --json"] {
        let report = shell(&format!("exec \"$HIKYAKU\" {line} >/dev/full"));
        assert_eq!(report.status.code(), Some(1), "{line}: {}", report.stderr);
        assert!(report.stderr.contains("No space left on device"), "{line}: {}", report.stderr);
    }
    for line in ["--help", "--version"] {
        let report = shell(&format!("exec \"$HIKYAKU\" {line}")).succeeded();
        assert!(report.stdout.contains("hikyaku"));
    }
}

#[test]
fn run_passes_the_exit_code_on() {
    let lab = Lab::new("run");
    for (script, code) in [("exit 0", 0), ("exit 42", 42), ("kill -9 $$", 137)] {
        assert_eq!(lab.script(&[], script).status.code(), Some(code), "{script}");
    }
    let report = lab.hikyaku(&["run", "--", "/no/such/program"]);
    assert_eq!(report.status.code(), Some(127));
}

#[test]
fn run_makes_its_command_a_direct_child_with_our_addresses() {
    let lab = Lab::new("run");
    let script = "echo $HIKYAKU_ADDR $HIKYAKU_ADDR6; cat /proc/$PPID/comm";
    let report = lab.script(&["--addr", "10.9.8.1", "--addr6", "fd98::7"], script).succeeded();
    let lines: Vec<&str> = report.stdout.lines().collect();
    assert_eq!(lines, ["10.9.8.1 fd98::7", "hikyaku"]);
}

#[test]
fn shell_runs_the_shell_and_gives_hints() {
    let lab = Lab::new("shell");
    let report = lab.finish(Command::new(HIKYAKU).args(["shell"]).env("SHELL", "/bin/true"));
    assert!(report.status.success());
    assert!(report.stderr.contains("try: nc 192.168.69.2 7"), "{}", report.stderr);
    assert!(report.stderr.contains("nsenter -t "), "{}", report.stderr);
}

const OWN: &str = "--addr 192.168.70.2 --addr6 fd70::2";

#[test]
fn a_closed_port_refuses_us() {
    let lab = Lab::new("refused");
    let script = format!("\"$HIKYAKU\" {OWN} connect 192.168.70.1 5000 </dev/null");
    let report = lab.script(&[], &script);
    assert_eq!(report.status.code(), Some(1), "{}", report.stderr);
    assert!(report.stderr.contains("connection refused"), "{}", report.stderr);
}

#[test]
fn a_network_in_use_is_not_shadowed() {
    let lab = Lab::new("taken");
    let report = lab.script(&[], "code=0; \"$HIKYAKU\" echo 2>err || code=$?; echo $code");
    assert_eq!(report.succeeded().stdout, "3\n");
    let err = lab.read("err");
    assert!(err.contains("in use by hikyaku0; try another --addr"), "{err}");
}

#[test]
fn silence_exits_4_where_w_is_given() {
    let lab = Lab::new("silence");
    let script = format!(
        "sleep 3 | $NC -l 0.0.0.0 5000 &\n\
         wait_for sh -c \"$KERNEL_LISTENS\" sh 5000\n\
         \"$HIKYAKU\" {OWN} connect -w 1 192.168.70.1 5000 </dev/null"
    );
    let report = lab.script(&[], &script);
    assert_eq!(report.status.code(), Some(4), "{}", report.stderr);
    assert!(report.seconds < 5.0);
}

#[test]
fn an_interrupt_closes_with_fin_and_exits_130() {
    let lab = Lab::new("interrupt");
    // The listener has its stdin held open by a pipe, so that only the signal ends it.
    let script = format!(
        "mkfifo hold; sleep 30 >hold & holder=$!\n\
         trap 'kill $holder' EXIT\n\
         \"$HIKYAKU\" {OWN} listen 5000 <hold >out 2>err & we=$!\n\
         wait_for we_listen err\n\
         $NC 192.168.70.2 5000 </dev/null & they=$!\n\
         wait_for grep -q 'connected to' err\n\
         kill -INT $we\n\
         code=0; wait $we || code=$?\n\
         wait $they\n\
         echo we $code"
    );
    let report = lab.script(&[], &script).succeeded();
    assert_eq!(report.stdout, "we 130\n", "{}", lab.read("err"));
    assert!(report.seconds < 10.0);
}

/// An echo server with three clients that have nothing to say, on a stdin of theirs that `exec
/// 3>&-` ends; nc then closes with FIN.
fn three_idle_clients(script: &str) -> String {
    format!(
        "\"$HIKYAKU\" -v {OWN} echo 7 2>err & we=$!\n\
         wait_for grep -q 'TCP and UDP' err\n\
         mkfifo hold; exec 3<>hold\n\
         for i in 1 2 3; do\n\
         (exec 3>&- <hold; echo $i; exec cat) |\n\
         $NC -N 192.168.70.2 7 >out$i 3>&- & they=\"${{they-}} $!\"\n\
         wait_for test -s out$i\n\
         done\n\
         {script}\n\
         code=0; wait $we || code=$?\n\
         echo we $code"
    )
}

#[test]
fn a_signal_closes_every_connection_in_order() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let lab = Lab::new("once");
        let script = three_idle_clients(&format!(
            "kill -{signal} $we\n\
             wait_for grep -q 'closing 3 connections' err\n\
             exec 3>&-; for client in $they; do wait $client; done"
        ));
        let report = lab.script(&[], &script).succeeded();
        let err = lab.read("err");
        assert_eq!(report.stdout, format!("we {code}\n"), "{err}");
        // The clients close later: what counts is that they have acknowledged our FINs.
        assert_eq!(lab::counter(&err, "passive_opens"), 3, "{err}");
        assert_eq!(lab::counter(&err, "resets_out"), 0, "{err}");
        assert!(!err.contains("acknowledged nothing"), "{err}");
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    for (first, second, code) in [("INT", "INT", 130), ("TERM", "TERM", 143), ("INT", "TERM", 130)]
    {
        let lab = Lab::new("twice");
        // The windows of stopped clients are closed, and our FINs wait behind the data.
        let script = format!(
            "echo 4096 16384 16384 >/proc/sys/net/ipv4/tcp_rmem\n\
             \"$HIKYAKU\" -v {OWN} chargen 19 2>err & we=$!\n\
             wait_for grep -q 'TCP and UDP' err\n\
             for i in 1 2 3; do\n\
             $NC 192.168.70.2 19 </dev/null >out$i & they=\"${{they-}} $!\"\n\
             wait_for test -s out$i\n\
             done\n\
             kill -STOP $they; sleep 0.3\n\
             kill -{first} $we\n\
             wait_for grep -q 'once more to abort' err\n\
             kill -{second} $we\n\
             code=0; wait $we || code=$?\n\
             kill -KILL $they\n\
             echo we $code"
        );
        let report = lab.script(&[], &script).succeeded();
        let err = lab.read("err");
        assert_eq!(report.stdout, format!("we {code}\n"), "{err}");
        assert_eq!(lab::counter(&err, "resets_out"), 3, "{err}");
    }
}

#[test]
fn the_counters_are_told_with_v_and_only_then() {
    let lab = Lab::new("counters");
    for (flag, is_told) in [("-v", true), ("", false)] {
        let script = format!(
            "\"$HIKYAKU\" {flag} {OWN} discard 9 2>err & we=$!\n\
             wait_for grep -q 'TCP and UDP' err\n\
             echo twelve octs | $NC -N 192.168.70.2 9\n\
             kill -TERM $we; wait $we || test $? = 143"
        );
        lab.script(&[], &script).succeeded();
        let err = lab.read("err");
        let told = ["octets_in", "passive_opens", "link_rx_nothing"].map(|name| {
            let count = lab::counter(&err, name);
            assert_eq!(err.contains(name), count > 0, "{err}");
            count
        });
        assert_eq!(told[..2], if is_told { [12, 1] } else { [0, 0] }, "{err}");
        assert_eq!(told[2] > 0, is_told, "{err}");
    }
}

#[test]
fn a_second_interrupt_breaks_a_connection_off() {
    let lab = Lab::new("twice");
    let script = format!(
        "echo 4096 16384 16384 >/proc/sys/net/ipv4/tcp_rmem\n\
         \"$HIKYAKU\" -v {OWN} listen 5000 </dev/zero >/dev/null 2>err & we=$!\n\
         wait_for we_listen err\n\
         $NC 192.168.70.2 5000 </dev/null >got & they=$!\n\
         wait_for test -s got\n\
         # One that reads no more keeps our FIN waiting behind the data.\n\
         kill -STOP $they; sleep 0.3\n\
         kill -INT $we; sleep 0.3\n\
         kill -INT $we\n\
         code=0; wait $we || code=$?\n\
         kill -KILL $they\n\
         echo we $code"
    );
    let report = lab.script(&[], &script).succeeded();
    let err = lab.read("err");
    assert_eq!(report.stdout, "we 130\n", "{err}");
    assert_eq!(lab::counter(&err, "resets_out"), 1, "{err}");
    // Two seconds after the first it would have ended by itself.
    assert!(report.seconds < 2.6, "not at once: {} s", report.seconds);
}

#[test]
fn a_listener_with_k_serves_one_after_the_other() {
    let lab = Lab::new("keep");
    let script = format!(
        "\"$HIKYAKU\" {OWN} listen -k 5000 </dev/null >out 2>err & we=$!\n\
         wait_for we_listen err\n\
         for word in first second third; do echo $word | $NC -N 192.168.70.2 5000; done\n\
         wait_for grep -q third out\n\
         kill -INT $we; wait $we || test $? = 130"
    );
    lab.script(&[], &script).succeeded();
    assert_eq!(lab.read("out"), "first\nsecond\nthird\n");
}

#[test]
fn a_device_that_goes_down_and_up_again_loses_packets_only() {
    require("ip", "iproute2");
    let lab = Lab::new("down");
    lab.sample("in", 100_000, 4);
    let script = "$NC -N $HIKYAKU_ADDR 7 <in >out; cmp in out\n\
                  ip link set hikyaku0 down; sleep 0.2; ip link set hikyaku0 up\n\
                  $NC -N $HIKYAKU_ADDR 7 <in >out; cmp in out";
    lab.script(&[], script).succeeded();
}

#[test]
fn a_device_that_is_deleted_ends_the_program() {
    require("ip", "iproute2");
    let lab = Lab::new("deleted");
    let script = format!(
        "\"$HIKYAKU\" {OWN} listen 5000 </dev/null >out 2>err & we=$!\n\
         wait_for we_listen err\n\
         ip link del hikyaku1\n\
         code=0; wait $we || code=$?\n\
         echo we $code"
    );
    let report = lab.script(&[], &script).succeeded();
    assert_eq!(report.stdout, "we 1\n");
    assert!(lab.read("err").contains("is gone"));
}

#[test]
fn a_host_without_traffic_sleeps() {
    let mut command = Command::new(HIKYAKU);
    // Without listeners in between: the idle program with all its services.
    command.args(["run", "--", "sleep", "8"]);
    let mut child = command.spawn().unwrap();
    // The kernel's own first packets (router solicitations) belong to the start.
    std::thread::sleep(Duration::from_secs(1));
    let (start, before) = (Instant::now(), ticks(child.id()));
    std::thread::sleep(Duration::from_secs(5));
    let (after, seconds) = (ticks(child.id()), start.elapsed().as_secs_f64());
    assert!(child.wait().unwrap().success(), "not permitted? run it by hand");
    println!("{} clock ticks in {seconds:.1} s", after - before);
    assert!(after - before <= 1, "{} clock ticks in {seconds:.1} s", after - before);
}

/// User and system time of a process, in clock ticks.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name in parentheses may hold anything; fields 14 and 15 are counted from behind it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
