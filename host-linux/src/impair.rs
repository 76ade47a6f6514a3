//! Bad weather on purpose: packets lost at random, the same ones again for the same seed.

use std::str::FromStr;

/// What to lose, as `--loss` says it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Loss {
    way: Option<Way>,
    percent: f64,
}

/// The way of a packet as our stack sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From our stack.
    Tx,
    /// To our stack.
    Rx,
}

impl FromStr for Loss {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (way, number) = match text.split_once(':') {
            None => (None, text),
            Some(("tx", number)) => (Some(Way::Tx), number),
            Some(("rx", number)) => (Some(Way::Rx), number),
            Some(_) => return Err("a direction is tx or rx".to_owned()),
        };
        let percent = number.strip_suffix('%').unwrap_or(number);
        match percent.parse::<f64>() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self { way, percent }),
            _ => Err("a loss is a percentage from 0 to 100".to_owned()),
        }
    }
}

/// Decides the fate of packets.
#[derive(Debug)]
pub(crate) struct Impair {
    tx: Lane,
    rx: Lane,
    seed: u64,
}

#[derive(Debug)]
struct Lane {
    /// Lost where a draw of 32 bits lies below: 0 never, 2^32 always.
    threshold: u64,
    random: SplitMix,
    seen: u64,
    lost: u64,
}

impl Impair {
    /// Losses drawn from `seed`; without any in `losses` nothing is lost.
    pub(crate) fn new(losses: &[Loss], seed: u64) -> Self {
        // Each way draws from a sequence of its own, so that one does not shift the other.
        let lane = |way, seed| Lane {
            threshold: losses
                .iter()
                .rfind(|loss| loss.way.is_none_or(|its| its == way))
                .map_or(0, |loss| (loss.percent / 100.0 * 4_294_967_296.0) as u64),
            random: SplitMix(seed),
            seen: 0,
            lost: 0,
        };
        Self { tx: lane(Way::Tx, seed), rx: lane(Way::Rx, !seed), seed }
    }

    /// Whether anything can be lost at all.
    pub(crate) fn is_active(&self) -> bool {
        self.tx.threshold != 0 || self.rx.threshold != 0
    }

    /// Whether the next packet this way is lost.
    pub(crate) fn loses(&mut self, way: Way) -> bool {
        let lane = match way {
            Way::Tx => &mut self.tx,
            Way::Rx => &mut self.rx,
        };
        lane.seen += 1;
        let lost = lane.threshold != 0 && (lane.random.next() >> 32) < lane.threshold;
        lane.lost += u64::from(lost);
        lost
    }

    /// What is going to be lost, in words, with the seed that repeats it.
    pub(crate) fn plan(&self) -> String {
        let percent = |lane: &Lane| lane.threshold as f64 / 4_294_967_296.0 * 100.0;
        let (tx, rx, seed) = (percent(&self.tx), percent(&self.rx), self.seed);
        format!("losing {tx:.4}% of our packets and {rx:.4}% of theirs; repeat with --seed {seed}")
    }

    /// What was lost.
    pub(crate) fn tally(&self) -> String {
        format!(
            "lost on purpose: {} of {} of our packets, {} of {} of theirs",
            self.tx.lost, self.tx.seen, self.rx.lost, self.rx.seen
        )
    }
}

/// SplitMix64: small, seeded, and good enough for weather.
#[derive(Debug, Clone)]
pub(crate) struct SplitMix(pub(crate) u64);

impl SplitMix {
    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// `len` octets.
    pub(crate) fn octets(&mut self, len: usize) -> Vec<u8> {
        let mut octets = Vec::with_capacity(len + 8);
        while octets.len() < len {
            octets.extend_from_slice(&self.next().to_le_bytes());
        }
        octets.truncate(len);
        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(losses: &[&str], seed: u64, way: Way) -> Vec<bool> {
        let losses: Vec<Loss> = losses.iter().map(|text| text.parse().unwrap()).collect();
        let mut impair = Impair::new(&losses, seed);
        (0..10_000).map(|_| impair.loses(way)).collect()
    }

    #[test]
    fn the_share_is_about_right_and_only_where_asked() {
        let lost =
            |losses: &[&str], way| fates(losses, 7, way).iter().filter(|lost| **lost).count();
        assert!((400..600).contains(&lost(&["5"], Way::Tx)));
        assert!((400..600).contains(&lost(&["5%"], Way::Rx)));
        assert!((400..600).contains(&lost(&["tx:5"], Way::Tx)));
        assert_eq!(lost(&["tx:5"], Way::Rx), 0);
        assert_eq!(lost(&["rx:100"], Way::Rx), 10_000);
        assert_eq!(lost(&["5", "tx:0"], Way::Tx), 0, "the last word counts");
    }

    #[test]
    fn a_seed_repeats_itself() {
        assert_eq!(fates(&["3"], 1, Way::Tx), fates(&["3"], 1, Way::Tx));
        assert_ne!(fates(&["3"], 1, Way::Tx), fates(&["3"], 2, Way::Tx));
        assert_eq!(fates(&["3"], 1, Way::Tx), fates(&["3", "rx:50"], 1, Way::Tx));
    }

    #[test]
    fn odd_percentages_are_refused() {
        for text in ["", "x", "-1", "100.1", "NaN", "tx:", "up:1", "1:tx"] {
            assert!(text.parse::<Loss>().is_err(), "{text}");
        }
    }
}
