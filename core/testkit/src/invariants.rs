//! What must hold whatever happens, as far as one can see it from the link: a passive checker that
//! belongs to neither side and knows RFC 9293.
//!
//! Nothing here allocates once it is made, until something is wrong.

use std::net::SocketAddr;

use hikyaku::seq::SeqNum;
use hikyaku::wire::tcp::Flags;

use crate::random::mix;
use crate::seen::Seen;

/// What one side has shown of itself.
#[derive(Debug, Clone, Copy)]
struct Half {
    address: SocketAddr,
    /// The initial sequence number of its SYN.
    isn: Option<SeqNum>,
    /// What its SYN announced.
    mss: Option<u16>,
    scale: Option<u8>,
    /// Behind the last sequence number that it sent.
    nxt: SeqNum,
    /// The octet that it may have probed a closed window with: it may count as sent or not.
    probe: Option<SeqNum>,
    /// Behind its FIN.
    fin: Option<SeqNum>,
    /// The last acknowledgement that it sent.
    ack: Option<SeqNum>,
    /// The furthest right edge that it told.
    told: Option<SeqNum>,
    /// The furthest right edge that it can have heard of.
    heard: Option<SeqNum>,
}

impl Half {
    fn new(address: SocketAddr) -> Self {
        let (nxt, none) = (SeqNum::ZERO, None);
        let (isn, probe, fin, ack, told, heard) = (None, None, None, None, None, None);
        Self { address, isn, mss: none, scale: None, nxt, probe, fin, ack, told, heard }
    }
}

#[derive(Debug, Clone, Copy)]
struct Flow {
    halves: [Half; 2],
    last_use: u64,
}

/// What was seen on the link, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sights {
    /// TCP segments sent.
    pub segments: u64,
    /// Octets of text sent for the first time.
    pub new_octets: u64,
    /// Segments that carried something that was sent before.
    pub repeated: u64,
    /// Octets sent to probe a closed window.
    pub probes: u64,
    /// Questions whether a silent peer is still there.
    pub keepalives: u64,
    /// SYNs without ACK.
    pub syns: u64,
    /// FINs.
    pub fins: u64,
    /// Resets.
    pub resets: u64,
    /// A hash of all of it.
    pub hash: u64,
}

/// The checker.
#[derive(Debug)]
pub struct Watch {
    flows: Vec<Flow>,
    /// Whether a host may send keep-alives: the one ACK that lies below SND.NXT.
    keepalives: bool,
    /// What was seen.
    pub sights: Sights,
}

/// How many connections are remembered; the one longest unused makes way.
const FLOWS: usize = 64;

/// The MSS of a peer that told none (RFC 9293 §3.7.1).
fn mss_default(address: SocketAddr) -> u16 {
    if address.is_ipv4() { 536 } else { 1220 }
}

impl Watch {
    /// A checker that has seen nothing yet; `keepalives`: whether a host may send any.
    #[must_use]
    pub fn new(keepalives: bool) -> Self {
        Self { flows: Vec::with_capacity(FLOWS), keepalives, sights: Sights::default() }
    }

    /// The flow of a segment and which half of it the sender is.
    fn flow(&mut self, segment: &Seen) -> (&mut Flow, usize) {
        let of = |flow: &Flow| {
            let ends = flow.halves.map(|half| half.address);
            match (segment.source, segment.destination) {
                (from, to) if ends == [from, to] => Some(0),
                (from, to) if ends == [to, from] => Some(1),
                _ => None,
            }
        };
        let found = self.flows.iter().enumerate().find_map(|(at, flow)| Some((at, of(flow)?)));
        let (at, side) = found.unwrap_or_else(|| (self.place(segment), 0));
        let flow = &mut self.flows[at];
        flow.last_use = self.sights.segments;
        (flow, side)
    }

    /// The initial sequence numbers of the first connection: of who opened it, of who answered.
    #[must_use]
    pub fn first_isns(&self) -> Option<[u32; 2]> {
        let [first, second] = self.flows.first()?.halves;
        Some([first.isn?.raw(), second.isn?.raw()])
    }

    fn place(&mut self, segment: &Seen) -> usize {
        let halves = [Half::new(segment.source), Half::new(segment.destination)];
        let flow = Flow { halves, last_use: 0 };
        if self.flows.len() < FLOWS {
            self.flows.push(flow);
            return self.flows.len() - 1;
        }
        let oldest = (0..FLOWS).min_by_key(|at| self.flows[*at].last_use).unwrap_or(0);
        self.flows[oldest] = flow;
        oldest
    }

    fn count(&mut self, segment: &Seen) {
        let sights = &mut self.sights;
        sights.segments += 1;
        sights.syns += u64::from(segment.has(Flags::SYN) && !segment.has(Flags::ACK));
        sights.fins += u64::from(segment.has(Flags::FIN));
        sights.resets += u64::from(segment.has(Flags::RST));
        for part in [
            u64::from(segment.seq.raw()) << 32 | u64::from(segment.ack.raw()),
            u64::from(segment.flags.bits()) << 48 | u64::from(segment.window) << 32,
            u64::from(segment.text) << 16 | u64::from(segment.source.port()),
        ] {
            sights.hash = mix(sights.hash ^ part);
        }
    }

    /// A segment has entered the link.
    ///
    /// # Errors
    ///
    /// It breaks a rule; which one is told in words.
    pub fn on_sent(&mut self, segment: &Seen) -> Result<(), String> {
        self.count(segment);
        let may_ask = self.keepalives;
        let (flow, side) = self.flow(segment);
        let other = flow.halves[1 - side];
        let half = &mut flow.halves[side];
        let is_empty = segment.end() == segment.seq;
        let is_before = segment.seq + 1 == half.nxt || Some(segment.seq + 1) == half.probe;
        if may_ask && is_empty && is_before && !segment.has(Flags::RST) {
            self.sights.keepalives += 1;
            return Ok(());
        }
        if segment.has(Flags::SYN) {
            return on_syn(half, segment).then_some(()).ok_or_else(|| broken("two SYNs", segment));
        }
        if segment.has(Flags::RST) || half.isn.is_none() || other.isn.is_none() {
            return Ok(());
        }
        let before = half.nxt;
        check_ack(half, &other, segment)?;
        check_window(half, &other, segment)?;
        check_text(half, &other, segment)?;
        let is_probe = half.heard.is_some_and(|edge| segment.text == 1 && segment.seq == edge);
        let new = segment.end().later(before).since(before).min(segment.text);
        self.sights.probes += u64::from(is_probe);
        self.sights.new_octets += u64::from(new);
        self.sights.repeated +=
            u64::from(segment.seq.before(before) && segment.end() != segment.seq);
        Ok(())
    }

    /// A segment with a good checksum has come out of the link.
    pub fn on_delivered(&mut self, segment: &Seen) {
        let (flow, side) = self.flow(segment);
        let scale = shift(&flow.halves[side], &flow.halves[1 - side], segment);
        if segment.has(Flags::RST) || !segment.has(Flags::ACK) {
            return;
        }
        let edge = segment.ack + (u32::from(segment.window) << scale);
        let hearer = &mut flow.halves[1 - side];
        hearer.heard = Some(hearer.heard.map_or(edge, |heard| heard.later(edge)));
    }
}

fn broken(rule: &str, segment: &Seen) -> String {
    format!("{rule}: {segment}")
}

/// The shift of the window in a segment (RFC 7323 §2.2).
fn shift(sender: &Half, other: &Half, segment: &Seen) -> u32 {
    match (sender.scale, other.scale) {
        (Some(scale), Some(_)) if !segment.has(Flags::SYN) => u32::from(scale.min(14)),
        _ => 0,
    }
}

/// A SYN begins everything anew, unless it is the same one again.
fn on_syn(half: &mut Half, segment: &Seen) -> bool {
    if half.isn != Some(segment.seq) {
        *half = Half::new(half.address);
        half.isn = Some(segment.seq);
        half.nxt = segment.end();
    }
    // RFC 9293 §3.4: a SYN that is repeated is the same.
    let same = half.mss.is_none_or(|mss| segment.mss == Some(mss));
    half.mss = segment.mss;
    half.scale = segment.scale;
    if segment.has(Flags::ACK) {
        half.ack = Some(segment.ack);
        half.told = Some(segment.ack + u32::from(segment.window));
    }
    same
}

fn check_ack(half: &mut Half, other: &Half, segment: &Seen) -> Result<(), String> {
    if !segment.has(Flags::ACK) {
        return Err(broken("a segment without ACK after the handshake", segment));
    }
    if segment.ack.after(other.nxt) {
        return Err(broken("an acknowledgement of what was never sent", segment));
    }
    if half.ack.is_some_and(|last| segment.ack.before(last)) {
        return Err(broken("an acknowledgement taken back", segment));
    }
    half.ack = Some(segment.ack);
    Ok(())
}

/// RFC 9293 §3.8.6, SHLD-14: a window that was told is never taken back, but for what scaling
/// rounds off.
fn check_window(half: &mut Half, other: &Half, segment: &Seen) -> Result<(), String> {
    let scale = shift(half, other, segment);
    let edge = segment.ack + (u32::from(segment.window) << scale);
    let rounding = (1 << scale) - 1;
    let is_over = other.fin.is_some_and(|fin| segment.ack.at_or_after(fin));
    if !is_over && half.told.is_some_and(|told| (edge + rounding).before(told)) {
        return Err(broken("a window taken back", segment));
    }
    half.told = Some(half.told.map_or(edge, |told| told.later(edge)));
    Ok(())
}

fn check_text(half: &mut Half, other: &Half, segment: &Seen) -> Result<(), String> {
    let mss = other.mss.unwrap_or_else(|| mss_default(half.address));
    if segment.text > u32::from(mss) {
        return Err(broken(&format!("more text than the MSS of {mss}"), segment));
    }
    if segment.seq.after(half.nxt) {
        return Err(broken("a gap in what is sent", segment));
    }
    let at_nxt = segment.seq == half.nxt || Some(segment.seq) == half.probe;
    if segment.end() == segment.seq && !at_nxt {
        // What makes two stacks hang each other: an ACK with a number gone back.
        return Err(broken(&format!("an ACK that is not at SND.NXT {}", half.nxt.raw()), segment));
    }
    let text_end = segment.seq + segment.text;
    if let Some(edge) = half.heard
        && segment.text > 0
        && text_end.after(edge)
        && !(segment.text == 1 && segment.seq == edge)
    {
        return Err(broken(&format!("text beyond the window's edge {}", edge.raw()), segment));
    }
    if half.fin.is_some_and(|fin| segment.end().after(fin)) {
        return Err(broken("something after the FIN", segment));
    }
    if segment.has(Flags::FIN) {
        half.fin = Some(segment.end());
    }
    if segment.end().after(half.nxt) {
        // Which window its sender knows cannot be told from here: a retransmission may have
        // brought one that WL1 refuses. So any octet that goes alone may be a probe.
        let is_probe = segment.text == 1;
        half.probe = is_probe.then_some(segment.seq);
        half.nxt = segment.end();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(from: u16, to: u16, seq: u32, ack: u32, flags: Flags, text: u32) -> Seen {
        let end = |port| SocketAddr::from(([10, 0, 0, 1], port));
        let (mss, scale) =
            if flags.contains(Flags::SYN) { (Some(100), Some(1)) } else { (None, None) };
        let (source, destination) = (end(from), end(to));
        let (seq, ack) = (SeqNum::new(seq), SeqNum::new(ack));
        let (stamps, sack_permitted, sack, urgent) = (None, false, [None; 4], 0);
        Seen {
            source,
            destination,
            seq,
            ack,
            flags,
            window: 100,
            text,
            mss,
            scale,
            stamps,
            sack_permitted,
            sack,
            urgent,
        }
    }

    /// A watch that has seen a handshake: 1 begins at 1000, 2 at 5000, windows of 200.
    fn open() -> Watch {
        let mut watch = Watch::new(false);
        for segment in [
            seen(1, 2, 999, 0, Flags::SYN, 0),
            seen(2, 1, 4999, 1000, Flags::SYN.with(Flags::ACK), 0),
            seen(1, 2, 1000, 5000, Flags::ACK, 0),
            seen(2, 1, 5000, 1000, Flags::ACK, 0),
        ] {
            assert_eq!(watch.on_sent(&segment), Ok(()));
            watch.on_delivered(&segment);
        }
        watch
    }

    #[test]
    fn each_broken_rule_is_seen() {
        let ack = Flags::ACK;
        // (what went before, what is judged, the rule that it breaks)
        let table = [
            (None, seen(1, 2, 1000, 5000, ack, 100), None),
            (None, seen(1, 2, 1000, 5000, ack, 101), Some("MSS")),
            (None, seen(1, 2, 1001, 5000, ack, 10), Some("gap")),
            (None, seen(1, 2, 999, 5000, ack, 0), Some("SND.NXT")),
            (None, seen(1, 2, 1000, 5001, ack, 0), Some("never sent")),
            (None, seen(1, 2, 1000, 4999, ack, 0), Some("taken back")),
            (None, seen(1, 2, 1000, 5000, Flags::NONE, 10), Some("without ACK")),
            (
                Some(seen(1, 2, 1000, 5000, ack.with(Flags::FIN), 9)),
                seen(1, 2, 1000, 5000, ack, 100),
                Some("after the FIN"),
            ),
        ];
        for (first, second, expected) in table {
            let mut watch = open();
            assert_eq!(first.map_or(Ok(()), |first| watch.on_sent(&first)), Ok(()));
            let verdict = watch.on_sent(&second);
            match expected {
                None => assert_eq!(verdict, Ok(())),
                Some(rule) => {
                    assert!(verdict.as_ref().is_err_and(|e| e.contains(rule)), "{verdict:?}")
                }
            }
        }
    }

    #[test]
    fn windows_are_neither_overrun_nor_withdrawn() {
        let mut watch = open();
        assert_eq!(watch.on_sent(&seen(1, 2, 1000, 5000, Flags::ACK, 100)), Ok(()));
        assert_eq!(watch.on_sent(&seen(1, 2, 1100, 5000, Flags::ACK, 100)), Ok(()));
        assert_eq!(watch.on_sent(&seen(1, 2, 1200, 5000, Flags::ACK, 1)), Ok(()), "a probe");
        assert!(watch.on_sent(&seen(1, 2, 1201, 5000, Flags::ACK, 1)).is_err());
        let mut watch = open();
        let rounded = Seen { window: 99, ..seen(2, 1, 5000, 1000, Flags::ACK, 0) };
        assert!(watch.on_sent(&rounded).is_err());
        let rounded = Seen { ack: SeqNum::new(1001), ..rounded };
        assert_eq!(watch.on_sent(&seen(1, 2, 1000, 5000, Flags::ACK, 1)), Ok(()));
        assert_eq!(watch.on_sent(&rounded), Ok(()), "an odd octet is rounded off");
    }
}
