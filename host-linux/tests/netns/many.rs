//! Many clients at once, many one after the other, and many octets.

use crate::{FAMILIES, OWN};
use std::time::Duration;

use crate::lab::{LIMIT, Lab};

#[test]
fn fifty_clients_at_once() {
    for address in FAMILIES {
        let lab = Lab::new("fifty");
        for client in 0..50 {
            lab.sample(&format!("in{client}"), 256 << 10, client);
        }
        let script = format!(
            "for i in $(seq 0 49); do\n\
             $NC -N {address} 7 <in$i >out$i & clients=\"${{clients-}} $!\"\n\
             done\n\
             for client in $clients; do wait $client; done\n\
             sleep 0.2"
        );
        let report = lab.script(&[], &script).succeeded();
        for client in 0..50 {
            lab.assert_equal(&format!("in{client}"), &format!("out{client}"));
        }
        assert_eq!(report.counter("passive_opens"), 50);
        report.assert_nothing_held();
        println!("fifty clients on {address}: {:.2} s", report.seconds);
    }
}

#[test]
fn ten_thousand_short_connections_lose_no_slot() {
    for address in FAMILIES {
        let lab = Lab::new("short");
        let script = format!("\"$HIKYAKU\" kernel-nc --repeat 10000 {address} 7\nsleep 0.2");
        let report = lab.script(&[], &script).succeeded();
        assert_eq!(report.counter("passive_opens"), 10_000);
        assert_eq!(report.counter("pool exhausted"), 0, "{}", report.stderr);
        report.assert_nothing_held();
        println!("10,000 connections to {address}: {:.2} s", report.seconds);
    }
}

/// Octets of the long transfers: 64 MiB, or what `HIKYAKU_BYTES` says.
fn volume() -> u64 {
    let bytes = std::env::var("HIKYAKU_BYTES").ok().filter(|text| !text.is_empty());
    bytes.map_or(64 << 20, |text| text.parse().expect("HIKYAKU_BYTES is a number"))
}

#[test]
fn a_long_transfer_has_the_same_hash_at_both_ends() {
    let bytes = volume();
    // No two numbers are alike, so that any block lost, doubled or moved changes the hash.
    let numbers = format!("seq 1 1000000000 2>/dev/null | head -c {bytes}");
    for (six, ours) in [(false, "192.168.70.2"), (true, "fd70::2")] {
        for up in [true, false] {
            // 10 MB/s is slow, but no failure.
            let lab = Lab::new("long").within(LIMIT + Duration::from_secs(bytes / 10_000_000));
            let us = format!("\"$HIKYAKU\" -v {OWN} listen");
            let listens = "wait_for we_listen err";
            let talk = if up {
                format!(
                    "{us} 5000 </dev/null 2>err | sha256sum >ours & we=$!\n{listens}\n\
                     {numbers} | tee fifo | $NC -N {ours} 5000"
                )
            } else {
                format!(
                    "{numbers} | tee fifo | {us} -N 5000 2>err >/dev/null & we=$!\n{listens}\n\
                     $NC {ours} 5000 </dev/null | sha256sum >ours"
                )
            };
            let script = format!(
                "mkfifo fifo; sha256sum <fifo >theirs & hash=$!\n{talk}\nwait $we\nwait $hash"
            );
            let report = lab.script(&[], &script).succeeded();
            let (sent, received) = (lab.read("theirs"), lab.read("ours"));
            assert_eq!(sent.len(), 68, "{sent}");
            assert_eq!(sent, received);
            let way = if up { "nc to us" } else { "us to nc" };
            let rate = bytes as f64 / report.seconds / 1e6;
            let family = if six { "IPv6" } else { "IPv4" };
            println!(
                "{family}, {way}: {bytes} octets in {:.2} s, {rate:.0} MB/s, sha256 {}",
                report.seconds,
                &sent[..16]
            );
        }
    }
}
