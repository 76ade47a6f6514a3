//! Many connections with random scripts against the kernel's TCP, in every weather.

use std::time::Duration;

use crate::lab::{Lab, counter, is_there, stand_in};
use crate::{OWN, ROUTER};

/// Thousandths lost each way by what is opened to port 5000, 5001, ….
const PERMILLE: [u32; 4] = [0, 10, 30, 100];

/// A number from the environment.
fn number(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty());
    text.map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}: {text}")))
}

/// All packets that any rule of a listing by nft has counted.
fn dropped(listing: &str) -> u64 {
    let words: Vec<&str> = listing.split_whitespace().collect();
    let counts = words.windows(2).filter(|pair| pair[0] == "packets");
    counts.map(|pair| pair[1].parse::<u64>().expect("a count of packets")).sum()
}

#[test]
fn random_lives_end_well_at_both_ends() {
    let (count, seed) = (number("HIKYAKU_SOAK", 50), number("HIKYAKU_SOAK_SEED", 1));
    println!("soak: HIKYAKU_SOAK={count} HIKYAKU_SOAK_SEED={seed}");
    let limit = 120 + count / 10;
    let has_router = ["nft", "ip"].into_iter().all(is_there);
    let (router, far, kernel, weather) = if has_router {
        let rules: String = (5000..)
            .zip(PERMILLE)
            .flat_map(|(port, permille)| {
                ["sport", "dport"].map(|end| {
                    format!(
                        "nft add rule inet weather forward tcp {end} {port} \
                         numgen random mod 1000 '<' {permille} counter drop\n"
                    )
                })
            })
            .collect();
        // An orphan of the kernel's in FIN-WAIT-2 stays for a minute where nothing else is said.
        let short = "in_far sh -c 'echo 5 >/proc/sys/net/ipv4/tcp_fin_timeout'\n";
        (format!("{ROUTER}{short}{rules}"), "in_far ", ["10.77.0.2", "fd77::2"], "")
    } else {
        stand_in("nft or ip", "nftables iproute2", "drops by `--loss`");
        (String::new(), "", ["192.168.70.1", "fd70::1"], "--loss 3")
    };
    let common = format!("soak-peer --folder . --from {seed} --count {count} --limit {limit}");
    let script = format!(
        "{router}\n\
         {far}\"$HIKYAKU\" {common} --kernel --peer 192.168.70.2 --peer6 fd70::2 \
           >theirs 2>their-err & they=$!\n\
         wait_for {far}sh -c \"$KERNEL_LISTENS\" sh 5003\n\
         \"$HIKYAKU\" -v {OWN} {weather} {common} --peer {} --peer6 {} >ours 2>our-err & we=$!\n\
         code=0\n\
         wait $they || code=1\n\
         kill -TERM $we\n\
         wait $we || code=1\n\
         [ -z \"{far}\" ] || nft list chain inet weather forward\n\
         exit $code",
        kernel[0], kernel[1]
    );
    let lab = Lab::new("soak").within(Duration::from_secs(limit + 190));
    let report = lab.script(&[], &script);
    let [ours, theirs] = ["ours", "theirs"].map(|name| lab.read(name));
    let [our_err, their_err] = ["our-err", "their-err"].map(|name| lab.read(name));
    println!("{ours}{theirs}");
    println!(
        "soak: {count} connections in {:.2} s, {} retransmissions of ours, {} dropped",
        report.seconds,
        counter(&our_err, "retransmissions"),
        dropped(&report.stdout)
    );
    assert!(report.status.success(), "{}\n{our_err}\n{their_err}", report.stderr);
    for pool in ["connections", "half_open", "time_wait", "blocks", "records"] {
        assert_eq!(counter(&our_err, &format!("{pool}_held")), 0, "{pool}:\n{our_err}");
    }
    // Even seeds are opened by us. The kernel's may be broken off before they are open to us.
    let ours = (seed..seed + count).filter(|seed| seed % 2 == 0).count() as u64;
    assert_eq!(counter(&our_err, "active_opens"), ours, "{our_err}");
    assert!(counter(&our_err, "passive_opens") <= count - ours, "{our_err}");
}
