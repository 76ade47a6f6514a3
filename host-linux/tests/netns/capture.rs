//! Captures beside our stack: tcpdump where the user's ids are all there, and the command that the
//! program names where they are not.

use std::process::Command;

use crate::lab::{HIKYAKU, Lab, require};

/// One connection while tcpdump listens; its lines end up in `dump`.
const CAPTURE: &str = "tcpdump -n -l -i hikyaku0 -c 3 tcp port 7 >dump 2>dump.err & dump=$!\n\
                       wait_for grep -q 'listening on' dump.err\n\
                       $NC -N $HIKYAKU_ADDR 7 </dev/null\n\
                       wait $dump";

#[test]
fn tcpdump_works_in_run() {
    require("tcpdump", "tcpdump");
    let lab = Lab::new("tcpdump");
    let report = lab.script(&[], CAPTURE);
    let (dump, err) = (lab.read("dump"), lab.read("dump.err"));
    assert!(report.status.success(), "{err}\n{}", report.stderr);
    let lines: Vec<&str> = dump.lines().collect();
    assert_eq!(lines.len(), 3, "{dump}");
    assert!(lines[0].contains("> 192.168.69.2.7: Flags [S]"), "{dump}");
    assert!(lines[1].contains("192.168.69.2.7 > "), "{dump}");
}

#[test]
fn tcpdump_works_in_shell() {
    require("tcpdump", "tcpdump");
    let lab = Lab::new("tcpdump");
    let script = format!(
        "set -eu\n\
         wait_for() {{ for i in $(seq 250); do \"$@\" && return 0; sleep 0.02; done; exit 99; }}\n\
         {CAPTURE}\n"
    );
    std::fs::write(lab.path("shell"), format!("#!/bin/sh\n{script}")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(lab.path("shell"), mode).unwrap();
    let report = lab.finish(Command::new(HIKYAKU).arg("shell").env("SHELL", lab.path("shell")));
    assert!(report.status.success(), "{}\n{}", lab.read("dump.err"), report.stderr);
    assert_eq!(lab.read("dump").lines().count(), 3);
}

/// Root without the privilege to make a network namespace gets a user namespace, in which only the
/// user id of root exists. There tcpdump cannot become its own user. The program says so, and the
/// command that it names works.
#[test]
fn where_tcpdump_cannot_work_the_command_that_is_named_does() {
    require("setpriv", "util-linux");
    require("tshark", "tshark");
    let lab = Lab::new("userns");
    let script = "set -eu\n\
                  tshark -n -i hikyaku0 -c 3 -f 'tcp port 7' >dump 2>dump.err & dump=$!\n\
                  for i in $(seq 500); do grep -q Capturing dump.err && break; sleep 0.02; done\n\
                  sleep 1\n\
                  $NC -N $HIKYAKU_ADDR 7 </dev/null\n\
                  wait $dump";
    // An ordinary user may not drop what it lacks, and has a user namespace in any case.
    let is_root = rustix::process::geteuid().is_root();
    let drops: &[&str] = if is_root { &["--bounding-set=-sys_admin"] } else { &[] };
    let mut command = Command::new("setpriv");
    command.args(drops).args([HIKYAKU, "run", "--echo", "7", "--", "sh", "-c", script]);
    let report = lab.finish(&mut command);
    let told = &report.stderr;
    assert!(told.contains("in a user and network namespace of our own"), "{told}");
    // An ordinary user's tcpdump keeps its user id, and works.
    assert_eq!(told.contains("to capture: tshark -i hikyaku0"), is_root, "{told}");
    assert!(report.status.success(), "{told}\n{}", lab.read("dump.err"));
    assert_eq!(lab.read("dump").lines().count(), 3, "{}", lab.read("dump"));
}
