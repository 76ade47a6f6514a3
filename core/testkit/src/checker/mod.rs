//! A third party at the link who knows packets alone, reads them by itself, and objects to those
//! that RFC 9293, 7323 or 2018 forbid.
//!
//! It belongs to neither side and asks no stack anything. What it cannot know (which window a host
//! has taken for the newest, whether a process has died) it gives the benefit of the doubt.

mod half;
mod packet;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use hikyaku::time::{Duration, Instant};

use half::{Half, Opening, before, later};
use packet::{ACK, FIN, RST, SYN, Segment};

use crate::random::mix;

/// An initial sequence number and the first TSval.
type Opened = (u32, Option<u32>);

/// Checks all connections on a link.
#[derive(Debug)]
pub struct Checker {
    flows: HashMap<[SocketAddr; 2], Flow>,
    /// Whether a host may ask silent peers: the one ACK that lies below SND.NXT.
    asks: bool,
    hash: u64,
    segments: u64,
    sights: Sights,
}

#[derive(Debug)]
struct Flow {
    halves: [Half; 2],
    /// Who sent the first FIN, and whether the other one had seen it before its own.
    first_fin: Option<usize>,
}

/// How long a timestamp means something (RFC 7323 §5.5).
const STALE: Duration = Duration::from_secs(24 * 86_400);

type Sights = BTreeMap<&'static str, u64>;
type Verdict = Result<(), &'static str>;

fn check(holds: bool, rule: &'static str) -> Verdict {
    holds.then_some(()).ok_or(rule)
}

/// The MSS of a peer that told none (RFC 9293 §3.7.1).
fn mss_default(address: SocketAddr) -> u32 {
    if address.is_ipv4() { 536 } else { 1220 }
}

impl Checker {
    /// One that has seen nothing yet; `asks`: whether a host may send keep-alives.
    #[must_use]
    pub fn new(asks: bool) -> Self {
        let (flows, sights) = (HashMap::new(), BTreeMap::new());
        Self { flows, asks, hash: 0, segments: 0, sights }
    }

    /// A hash over all packets that were sent, with the times at which they were.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many segments were sent.
    #[must_use]
    pub fn segments(&self) -> u64 {
        self.segments
    }

    /// What was seen, by name, and how often.
    pub fn sights(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.sights.iter().map(|(name, count)| (*name, *count))
    }

    /// Of the flow with this port: the initial sequence number and first TSval of either side, in
    /// the order of their addresses, as far as they were seen.
    #[must_use]
    pub fn openings(&self, port: u16) -> Option<[Option<Opened>; 2]> {
        let of = |ends: &[SocketAddr; 2]| ends.iter().any(|end| end.port() == port);
        let (_, flow) = self.flows.iter().find(|(ends, _)| of(ends))?;
        let opening = |half: &Half| half.opening.map(|opening| (opening.isn, opening.stamp));
        Some([opening(&flow.halves[0]), opening(&flow.halves[1])])
    }

    fn digest(&mut self, now: Instant, side: usize, packet: &[u8]) {
        let (words, rest) = packet.as_chunks::<8>();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        let mut hash = mix(self.hash ^ now.micros()) ^ (side as u64) << 63 ^ packet.len() as u64;
        for word in words.iter().chain([&last]) {
            let folded = u128::from(hash ^ u64::from_le_bytes(*word)) * 0x9e37_79b9_7f4a_7c15;
            hash = (folded as u64) ^ (folded >> 64) as u64 ^ 0x2545_f491_4f6c_dd1d;
        }
        self.hash = hash;
    }

    /// A packet has entered the link.
    ///
    /// # Errors
    ///
    /// It breaks a rule; which one is told in words.
    pub fn on_sent(&mut self, now: Instant, side: usize, packet: &[u8]) -> Verdict {
        self.digest(now, side, packet);
        let Some(segment) = packet::read(packet)? else { return Ok(()) };
        self.segments += 1;
        let (asks, key, at) = (self.asks, ends(&segment), place(&segment));
        let flow = self.flows.entry(key).or_insert_with(|| Flow::new(key));
        let [one, two] = &mut flow.halves;
        let (half, other) = if at == 0 { (one, two) } else { (two, one) };
        check_flags(&segment)?;
        check_options(half, other, &segment)?;
        if segment.has(RST) {
            check_reset(half, other, &segment)?;
            half.has_reset |= segment.seq == half.nxt && half.heard.is_some();
            // A listener may have answered with a cookie, which lets in whoever shows it again.
            let is_cookie = |opening: Opening| opening.isn.wrapping_add(1) == segment.seq;
            half.may_return = !half.is_opener && half.opening.is_some_and(is_cookie);
            flow.note_reset(at, &mut self.sights);
            return Ok(());
        }
        let is_over = half.has_reset && !half.may_return && !segment.has(SYN);
        check(!is_over, "something after its own reset")?;
        if segment.has(SYN) {
            return on_syn(half, other, &segment, now, &mut self.sights);
        }
        check(half.opening.is_some(), "a connection that never began")?;
        if asks && asks_for_life(half, &segment) {
            *self.sights.entry("event.keepalive").or_default() += 1;
            return check_stamps(half, other, &segment, now);
        }
        check_ack(half, other, &segment)?;
        check_window(half, other, &segment)?;
        check_place(half, other, &segment)?;
        check(half.say(&segment), "other text than the first time")?;
        let stamp = half.stamp;
        check_stamps(half, other, &segment, now)?;
        check_sack(other, &segment)?;
        let is_first_fin = segment.has(FIN) && half.fin.is_none();
        let has_wrapped = half.nxt > segment.end() && before(half.nxt, segment.end());
        for (name, happened) in [
            ("event.sequence_wrap", has_wrapped),
            ("event.timestamp_wrap", stamp > half.stamp && stamp.is_some()),
            ("event.sack", segment.options.sack[0].is_some()),
        ] {
            if happened {
                *self.sights.entry(name).or_default() += 1;
            }
        }
        let is_new_text = segment.len() > 0 && before(half.nxt, segment.end());
        advance(half, &segment);
        flow.note_fin(at, is_first_fin, is_new_text, &mut self.sights);
        Ok(())
    }

    /// A packet has come out of the link, unharmed.
    pub fn on_delivered(&mut self, packet: &[u8]) {
        let Ok(Some(segment)) = packet::read(packet) else { return };
        let at = place(&segment);
        let Some(flow) = self.flows.get_mut(&ends(&segment)) else { return };
        let [one, two] = &mut flow.halves;
        let (sender, hearer) = if at == 0 { (one, two) } else { (two, one) };
        if segment.has(RST) {
            hearer.heard_ends.note(segment.end());
            return;
        }
        let known = hearer.ack.is_some();
        hearer.hear(&segment, shift(sender, hearer, &segment), known);
    }
}

/// The two ends of a segment's connection, in order.
fn ends(segment: &Segment<'_>) -> [SocketAddr; 2] {
    let mut ends = [segment.source, segment.destination];
    ends.sort_unstable();
    ends
}

/// Which of them sent it.
fn place(segment: &Segment<'_>) -> usize {
    usize::from(segment.source > segment.destination)
}

impl Flow {
    fn new(ends: [SocketAddr; 2]) -> Self {
        Self { halves: ends.map(Half::new), first_fin: None }
    }

    fn note_fin(&mut self, at: usize, is_first: bool, is_new_text: bool, sights: &mut Sights) {
        let [half, other] = [&self.halves[at], &self.halves[1 - at]];
        let answers = self.first_fin == Some(1 - at) && half.heard_fin;
        if is_new_text && answers {
            *sights.entry("close.half").or_default() += 1;
        }
        if !is_first {
            return;
        }
        let name = match self.first_fin {
            None => {
                self.first_fin = Some(at);
                return;
            }
            Some(_) if !answers => "close.crossing",
            Some(_) if other.is_opener => "close.opener_first",
            Some(_) => "close.answerer_first",
        };
        *sights.entry(name).or_default() += 1;
    }

    fn note_reset(&self, at: usize, sights: &mut Sights) {
        let half = &self.halves[at];
        if half.has_reset {
            let name = if half.is_opener { "close.opener_resets" } else { "close.answerer_resets" };
            *sights.entry(name).or_default() += 1;
        }
    }
}

/// The shift of the window in a segment (RFC 7323 §2.2).
fn shift(sender: &Half, other: &Half, segment: &Segment<'_>) -> u32 {
    let scale = |half: &Half| half.opening.and_then(|opening| opening.scale);
    match (scale(sender), scale(other)) {
        (Some(scale), Some(_)) if !segment.has(SYN) => u32::from(scale.min(14)),
        _ => 0,
    }
}

fn check_flags(segment: &Segment<'_>) -> Verdict {
    let controls = [SYN, FIN, RST].iter().filter(|flag| segment.has(**flag)).count();
    check(controls <= 1, "two of SYN, FIN and RST")?;
    // RFC 9293 §3.10.7.4: whoever lacks it is dropped.
    check(segment.has(ACK | SYN | RST), "a segment without ACK")?;
    check(!segment.has(RST) || segment.text.is_empty(), "a reset with text")
}

/// Options where they are not allowed.
fn check_options(half: &Half, other: &Half, segment: &Segment<'_>) -> Verdict {
    let options = &segment.options;
    let is_syn = segment.has(SYN);
    // RFC 9293 §3.2, RFC 7323 §2.2, RFC 2018 §2.
    check(is_syn || options.mss.is_none(), "an MSS without SYN")?;
    check(is_syn || options.scale.is_none(), "a window scale without SYN")?;
    check(is_syn || !options.may_sack, "SACK permitted without SYN")?;
    let Some(offer) = other.opening.filter(|_| is_syn && segment.has(ACK) && !half.is_opener)
    else {
        return Ok(());
    };
    // RFC 7323 §1.3: an answer agrees to no more than was offered.
    check(options.scale.is_none() || offer.scale.is_some(), "a window scale not offered")?;
    check(options.stamps.is_none() || offer.stamp.is_some(), "timestamps not offered")?;
    check(!options.may_sack || offer.may_sack, "SACK not offered")
}

fn check_reset(half: &Half, other: &Half, segment: &Segment<'_>) -> Verdict {
    if segment.has(ACK) && segment.seq == 0 && half.heard_ends.has(segment.ack) {
        // RFC 9293 §3.5.2: the answer to a segment without ACK.
        return Ok(());
    }
    check(!segment.has(ACK) || !before(other.nxt, segment.ack), "a reset acknowledges too much")?;
    // Else it lies at SND.NXT, or where the segment that it answers wanted it.
    let fits = segment.seq == half.nxt
        || Some(segment.seq) == half.probe
        || half.heard_acks.has(segment.seq);
    check(fits, "a reset with a sequence number that nobody expects")
}

/// A SYN begins everything anew, unless it is the same one again.
fn on_syn(
    half: &mut Half,
    other: &mut Half,
    segment: &Segment<'_>,
    now: Instant,
    sights: &mut Sights,
) -> Verdict {
    let options = &segment.options;
    let opening = Opening {
        isn: segment.seq,
        mss: options.mss,
        scale: options.scale,
        may_sack: options.may_sack,
        stamp: options.stamps.map(|(value, _)| value),
    };
    let is_open = !segment.has(ACK);
    check(segment.text.is_empty(), "text with a SYN")?;
    let is_crossing = half.is_opener && other.is_opener && segment.has(ACK);
    if is_crossing {
        *sights.entry("open.simultaneous").or_default() += 1;
    }
    if let Some(former) = half.opening.filter(|former| former.isn == segment.seq) {
        // RFC 9293 §3.4: a SYN that is repeated is the same.
        let same = Opening { stamp: opening.stamp, ..former };
        check(same == opening || !is_open, "another SYN of the same number")?;
        check(half.nxt == segment.end(), "a SYN after what follows it")?;
    } else {
        if let Some(former) = half.opening {
            half.former.note(former.isn);
        }
        half.start_at(segment.seq);
        half.has_reset = false;
        half.is_opener = is_open;
        half.opening = Some(opening);
        other.forget_peer();
    }
    (half.stamp, half.stamped_at) = (opening.stamp, now);
    if segment.has(ACK) {
        check(!before(other.nxt, segment.ack), "a SYN acknowledges what was never sent")?;
        half.ack = Some(segment.ack);
        half.told = Some(segment.ack.wrapping_add(u32::from(segment.window)));
    }
    Ok(())
}

fn check_ack(half: &mut Half, other: &mut Half, segment: &Segment<'_>) -> Verdict {
    // The peer had several SYN-ACKs under way, and this answers an earlier one.
    let start = segment.ack.wrapping_sub(1);
    if let Some(opening) = other.opening.as_mut()
        && other.former.has(start)
        && opening.isn != start
        && half.ack.is_none()
    {
        other.former.note(opening.isn);
        opening.isn = start;
        other.start_at(start);
    }
    check(!before(other.nxt, segment.ack), "an acknowledgement of what was never sent")?;
    check(!before(half.arrived, segment.ack), "an acknowledgement of what never came")?;
    let taken_back = half.ack.is_some_and(|last| before(segment.ack, last));
    check(!taken_back, "an acknowledgement taken back")?;
    half.ack = Some(segment.ack);
    Ok(())
}

/// RFC 9293 §3.8.6, SHLD-14: a window that was told is never taken back, but for what scaling
/// rounds off.
fn check_window(half: &mut Half, other: &Half, segment: &Segment<'_>) -> Verdict {
    let scale = shift(half, other, segment);
    let edge = segment.ack.wrapping_add(u32::from(segment.window) << scale);
    let rounding = (1 << scale) - 1;
    let is_over = other.fin.is_some_and(|fin| !before(segment.ack, fin));
    let taken_back = half.told.is_some_and(|told| before(edge.wrapping_add(rounding), told));
    check(is_over || !taken_back, "a window taken back")?;
    half.told = Some(half.told.map_or(edge, |told| later(told, edge)));
    Ok(())
}

/// Where text and FIN may lie.
fn check_place(half: &Half, other: &Half, segment: &Segment<'_>) -> Verdict {
    let mss = other.opening.and_then(|opening| opening.mss).map(u32::from);
    let mss = mss.unwrap_or_else(|| mss_default(half.address));
    // RFC 9293 §3.7.1: options take their room from the text.
    let fits = segment.text.is_empty() || segment.len() + segment.options.len <= mss;
    check(fits, "more text than the MSS")?;
    check(!before(half.nxt, segment.seq), "a gap in what is sent")?;
    let isn = half.opening.map_or(segment.seq, |opening| opening.isn);
    check(before(isn, segment.seq), "text before the first sequence number")?;
    let is_empty = segment.end() == segment.seq;
    let at_nxt = segment.seq == half.nxt || Some(segment.seq) == half.probe;
    check(!is_empty || at_nxt, "an ACK that is not at SND.NXT")?;
    if let Some(edge) = half.heard {
        // RFC 9293 §3.8.6.1: what lies beyond the window is a probe, of one octet.
        let text_end = segment.seq.wrapping_add(segment.len());
        let is_probe = segment.len() == 1 && segment.seq == edge;
        let inside = segment.text.is_empty() || !before(edge, text_end);
        check(inside || is_probe, "text beyond the window")?;
        let fin_fits = !segment.has(FIN) || !before(edge.wrapping_add(1), segment.end());
        check(fin_fits, "a FIN beyond the window")?;
    } else {
        check(is_empty, "text before any window was heard of")?;
    }
    let over = half.fin.is_some_and(|fin| before(fin, segment.end()));
    check(!over, "something after the FIN")?;
    let moved = segment.has(FIN) && half.fin.is_some_and(|fin| fin != segment.end());
    check(!moved, "a FIN in another place")
}

/// RFC 9293 §3.8.4: an octet that is acknowledged already, left out.
fn asks_for_life(half: &Half, segment: &Segment<'_>) -> bool {
    let next = segment.seq.wrapping_add(1);
    segment.end() == segment.seq && (next == half.nxt || Some(next) == half.probe)
}

/// RFC 7323 §3.2: agreed upon, timestamps are on every segment, and they never go backwards.
fn check_stamps(half: &mut Half, other: &Half, segment: &Segment<'_>, now: Instant) -> Verdict {
    let offered = |half: &Half| half.opening.is_some_and(|opening| opening.stamp.is_some());
    let agreed = offered(half) && offered(other);
    let Some((value, echo)) = segment.options.stamps else {
        return check(!agreed, "timestamps are missing");
    };
    check(agreed, "timestamps that were not agreed upon")?;
    // After 24 days of silence the numbers have gone half around, and say nothing.
    let is_fresh = |half: &Half| now.since(half.stamped_at) < STALE;
    let last = half.stamp.filter(|_| is_fresh(half)).unwrap_or(value);
    check(!before(value, last), "a timestamp goes backwards")?;
    half.was_silent |= !is_fresh(half);
    let is_known = !half.was_silent && !other.was_silent && is_fresh(other);
    let ahead = other.stamp.is_some_and(|stamp| is_known && before(stamp, echo));
    check(!ahead, "the echo of a timestamp that was never sent")?;
    (half.stamp, half.stamped_at) = (Some(value), now);
    Ok(())
}

/// RFC 2018 §3 and RFC 2883 §4: blocks tell of what was sent and lies behind a hole; the first one
/// may tell of what came twice.
fn check_sack(other: &Half, segment: &Segment<'_>) -> Verdict {
    let first_seq = other.opening.map_or(0, |opening| opening.isn.wrapping_add(1));
    let permitted = other.opening.is_some_and(|opening| opening.may_sack);
    for (at, (left, right)) in segment.options.sack.iter().flatten().enumerate() {
        check(permitted, "SACK that was not permitted")?;
        check(before(*left, *right), "an empty SACK block")?;
        let was_sent = !before(*left, first_seq) && !before(other.nxt, *right);
        check(was_sent, "a SACK block of what was never sent")?;
        let behind_a_hole = before(segment.ack, *left);
        check(at == 0 || behind_a_hole, "a SACK block of what is acknowledged")?;
    }
    Ok(())
}

fn advance(half: &mut Half, segment: &Segment<'_>) {
    if segment.has(FIN) {
        half.fin = Some(segment.end());
    }
    if before(half.nxt, segment.end()) {
        // Which window its sender knows cannot be told from here: a retransmission may have
        // brought one that WL1 refuses. So any octet that goes alone may be a probe.
        half.probe = (segment.len() == 1).then_some(segment.seq);
        half.nxt = segment.end();
    }
}
