//! Port scans by nmap, whose findings must be what RFC 9293 says of such segments.

use crate::FAMILIES;
use crate::lab::{Lab, is_there, stand_in};

/// The flags of a scan, and what nmap makes of an open port and of a closed one.
struct Scan {
    option: &'static str,
    letters: &'static str,
    open: (&'static str, &'static str),
}

/// RFC 9293 §3.10.7.2: a listener answers a SYN, and drops what has neither RST nor ACK nor SYN.
/// §3.10.7.1: a closed port resets everything but a reset.
const SCANS: [Scan; 4] = [
    Scan { option: "-sS", letters: "S", open: ("open", "syn-ack") },
    Scan { option: "-sN", letters: "", open: ("open|filtered", "no-response") },
    Scan { option: "-sF", letters: "F", open: ("open|filtered", "no-response") },
    Scan { option: "-sX", letters: "FPU", open: ("open|filtered", "no-response") },
];

const CLOSED: (&str, &str) = ("closed", "reset");

#[test]
fn scans_find_what_rfc_9293_says() {
    let by_nmap = is_there("nmap");
    if !by_nmap {
        stand_in("nmap", "nmap", "segments from raw sockets of our own");
    }
    for address in FAMILIES {
        scan_by(by_nmap, address);
    }
}

/// The stand-in sees the same: it is no weaker a test where nmap is missing.
#[test]
fn scans_by_raw_sockets_find_the_same() {
    for address in FAMILIES {
        scan_by(false, address);
    }
}

fn scan_by(nmap: bool, address: &str) {
    let lab = Lab::new("nmap");
    let six = if address.ends_with('6') { "-6" } else { "" };
    let commands: Vec<String> = SCANS
        .iter()
        .map(|Scan { option, letters, .. }| match nmap {
            true => format!(
                "nmap {six} --privileged --send-ip -n -Pn --reason --max-retries 1 \
                 --max-rtt-timeout 300ms {option} -p 6-10 {address} >scan{option}"
            ),
            false => {
                format!("\"$HIKYAKU\" kernel-nc --probe '{letters}' {address} 6-10 >scan{option}")
            }
        })
        .collect();
    // nmap waits long for answers that must not come: all of its scans at once.
    let script = match nmap {
        true => {
            commands.join(" & scans=\"${scans-} $!\"\n")
                + "\nfor scan in $scans; do wait $scan; done"
        }
        false => commands.join("\n"),
    };
    let report = lab.script(&[], &script).succeeded();
    for scan in &SCANS {
        let found = lab.read(&format!("scan{}", scan.option));
        for port in 6..=10 {
            let wanted = if port == 7 || port == 9 { scan.open } else { CLOSED };
            let line = found.lines().find(|line| line.starts_with(&format!("{port}/tcp ")));
            let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
            let told = (words.get(1).copied(), words.get(3).copied());
            assert_eq!(told, (Some(wanted.0), Some(wanted.1)), "{}: {found}", scan.option);
        }
    }
    // A reset for each closed port in each scan, and none for a listener.
    assert_eq!(report.counter("resets_out"), 3 * SCANS.len() as u64, "{}", report.stderr);
    assert_eq!(report.counter("passive_opens"), 0);
    report.assert_nothing_held();
    println!("scans of {address} by {}: {:.2} s", if nmap { "nmap" } else { "us" }, report.seconds);
}
