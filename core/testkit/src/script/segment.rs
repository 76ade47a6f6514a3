//! Segments in a script: how they are written, made, seen and compared.
//!
//! The octets of options are walked here anew, so that the stack's own parser is not its judge.

use std::fmt;

use hikyaku::seq::SeqNum;
use hikyaku::wire::Protocol;
use hikyaku::wire::tcp::{Flags, Header, verify};

use super::words::{Words, Wrong, flag, flag_names, number, sequence};
use crate::forge::Tcp;
use crate::seen::payload;
use crate::stream;

/// The stream that the host's user writes.
pub(super) const OURS: u64 = 0x6f75_7273;
/// The stream that the peer sends.
pub(super) const THEIRS: u64 = 0x7468_6972;

/// A number in sequence space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// Whatever it is.
    Any,
    /// Counted from the sender's SYN.
    Relative(u32),
    /// As in the header.
    Raw(u32),
}

/// A window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// That of the peer's segment before.
    Same,
    /// Whatever it is.
    Any,
    /// Octets, once the scale has been applied.
    Octets(u32),
    /// The field of the header.
    Raw(u16),
}

/// An option.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Opt {
    /// Kind 0.
    End,
    /// Kind 1.
    Nop,
    /// Kind 2, octets.
    Mss(u16),
    /// Kind 3.
    Scale(u8),
    /// Kind 4.
    SackOk,
    /// Kind 5: ranges of the stream that it is about, relative.
    Sack(Vec<(u32, u32)>),
    /// Kind 8: the host's clock from its first value on, the peer's as it is.
    Timestamps(u32, u32),
    /// Kind 8, whatever its values are.
    AnyTimestamps,
    /// Another kind, or one of wrong length.
    Other(u8, Vec<u8>),
}

/// A segment as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The control bits, all of them.
    pub flags: Flags,
    /// SEG.SEQ.
    pub seq: Number,
    /// Octets of text.
    pub len: u32,
    /// SEG.ACK.
    pub ack: Option<Number>,
    /// SEG.WND.
    pub window: Window,
    /// The urgent pointer.
    pub urgent: u16,
    /// The options in their order.
    pub options: Vec<Opt>,
    /// Whether there may be more options.
    pub more: bool,
    /// Whether the checksum is wrong.
    pub damaged: bool,
    /// Another data offset than the right one.
    pub offset: Option<u8>,
}

/// What is known of the two sides of a flow: where they count from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin {
    /// The peer's initial sequence number.
    pub irs: u32,
    /// The host's, once a SYN of it was seen.
    pub iss: Option<u32>,
    /// The shift of the host's windows.
    pub host_shift: u8,
    /// The shift of the peer's windows.
    pub peer_shift: u8,
    /// The host's first timestamp.
    pub clock: Option<u32>,
}

/// A segment as seen, in the numbers of a script.
#[derive(Debug, Clone)]
pub struct Got {
    /// The segment.
    pub header: Tcp,
    /// Its options, relative.
    pub options: Vec<Opt>,
    seq: u32,
    ack: u32,
    window: u32,
    intact: bool,
}

impl Pattern {
    /// Reads a segment. What the host is to send leaves no field unsaid.
    ///
    /// # Errors
    ///
    /// Something is missing, unknown or contradictory.
    pub fn parse(words: &mut Words<'_>, expected: bool) -> Result<Self, Wrong> {
        let mut pattern = Self::flags(words)?;
        let mut urgent = None;
        while let Some(word) = words.next_word() {
            match word {
                "seq" => pattern.parse_seq(words)?,
                "ack" => pattern.ack = Some(parse_number(words)?),
                "win" if words.take("*") => pattern.window = Window::Any,
                "win" => pattern.window = Window::Octets(words.number("win")?),
                "rawwin" => pattern.window = Window::Raw(words.number("rawwin")?),
                "urg" => urgent = Some(words.number("urg")?),
                "badsum" if !expected => pattern.damaged = true,
                "offset" if !expected => pattern.offset = Some(words.number("offset")?),
                "..." if expected => pattern.more = true,
                _ => pattern.options.push(parse_option(word, words)?),
            }
        }
        pattern.urgent = urgent.unwrap_or(0);
        pattern.check(expected, urgent.is_some())?;
        Ok(pattern)
    }

    fn flags(words: &mut Words<'_>) -> Result<Self, Wrong> {
        let mut flags = Flags::NONE;
        let mut any = words.take("none");
        while let Some(one) = words.peek().and_then(flag) {
            any = true;
            flags = flags | one;
            words.next_word();
        }
        if !any {
            return Err("a segment begins with its flags, or with none".into());
        }
        Ok(Self {
            flags,
            seq: Number::Any,
            len: 0,
            ack: None,
            window: Window::Same,
            urgent: 0,
            options: Vec::new(),
            more: false,
            damaged: false,
            offset: None,
        })
    }

    fn parse_seq(&mut self, words: &mut Words<'_>) -> Result<(), Wrong> {
        if words.peek().is_some_and(|word| word == "raw" || word == "*") {
            self.seq = parse_number(words)?;
            return Ok(());
        }
        let (first, end) = range(words.need("seq")?)?;
        self.len = end.wrapping_sub(first);
        if self.len > 0xffff {
            return Err("the text ends before it begins".into());
        }
        self.seq = Number::Relative(first);
        Ok(())
    }

    fn check(&self, expected: bool, urgent: bool) -> Result<(), Wrong> {
        let acks = self.flags.intersects(Flags::ACK);
        let wrong = if self.seq == Number::Any && !expected {
            "seq is missing"
        } else if acks && self.ack.is_none() {
            "ack is missing"
        } else if expected && !acks && self.ack.is_some() {
            "an ack without the flag cannot be expected"
        } else if expected && self.window == Window::Same {
            "win is missing (* where it does not matter)"
        } else if self.flags.intersects(Flags::URG) != urgent && expected {
            "URG and urg go together"
        } else {
            return Ok(());
        };
        Err(wrong.into())
    }

    /// Writes this into a segment of the peer. `window` is its window before, in octets.
    ///
    /// # Errors
    ///
    /// The window cannot be told with the scale.
    pub fn fill(&self, origin: &Origin, window: &mut u32, segment: &mut Tcp) -> Result<(), Wrong> {
        let base = |number, start: u32| match number {
            Number::Any => 0,
            Number::Relative(value) => start.wrapping_add(value),
            Number::Raw(value) => value,
        };
        let iss = origin.iss.unwrap_or(0);
        segment.flags = self.flags;
        segment.seq = SeqNum::new(base(self.seq, origin.irs));
        segment.ack = SeqNum::new(self.ack.map_or(0, |ack| base(ack, iss)));
        segment.urgent = self.urgent;
        segment.data_offset = self.offset;
        let shift = if self.flags.intersects(Flags::SYN) { 0 } else { origin.peer_shift };
        if let Window::Octets(octets) = self.window {
            *window = octets;
        }
        segment.window = match self.window {
            Window::Raw(field) => field,
            _ => {
                let field = u16::try_from(*window >> shift);
                let field = field.map_err(|_| "the window needs a larger scale".to_string())?;
                if u32::from(field) << shift != *window && self.window != Window::Same {
                    return Err(format!("{window} is no multiple of the window scale"));
                }
                field
            }
        };
        segment.options = self.options.iter().flat_map(|one| one.octets(origin)).collect();
        segment.text = vec![0; self.len as usize];
        // The text of a SYN begins behind it.
        let skip = u32::from(self.flags.intersects(Flags::SYN));
        let first = segment.seq.raw().wrapping_sub(origin.irs).wrapping_sub(1).wrapping_add(skip);
        stream::fill(THEIRS, first.into(), &mut segment.text);
        Ok(())
    }

    /// The names of the fields in which a segment differs.
    #[must_use]
    pub fn differs(&self, got: &Got) -> Vec<&'static str> {
        let number = |wanted, relative, raw: SeqNum| match wanted {
            Number::Any => true,
            Number::Relative(value) => value == relative,
            Number::Raw(value) => value == raw.raw(),
        };
        let window = match self.window {
            Window::Any | Window::Same => true,
            Window::Octets(octets) => octets == got.window,
            Window::Raw(field) => field == got.header.window,
        };
        let ack = self.ack.is_none_or(|ack| number(ack, got.ack, got.header.ack));
        let all = [
            ("flags", self.flags == got.header.flags),
            ("seq", number(self.seq, got.seq, got.header.seq)),
            ("length", self.len as usize == got.header.text.len()),
            ("ack", ack),
            ("win", window),
            ("urg", self.urgent == got.header.urgent),
            ("options", self.same_options(&got.options)),
            ("text", got.intact),
        ];
        all.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
    }

    fn same_options(&self, got: &[Opt]) -> bool {
        let mut left: Vec<_> = got.iter().filter(|one| !one.is_padding()).cloned().collect();
        for wanted in &self.options {
            let same = |one: &Opt| match (wanted, one) {
                (Opt::AnyTimestamps, Opt::Timestamps(..)) => true,
                _ => wanted == one,
            };
            let Some(at) = left.iter().position(same) else { return false };
            left.remove(at);
        }
        self.more || left.is_empty()
    }
}

impl Opt {
    fn is_padding(&self) -> bool {
        matches!(self, Self::End | Self::Nop)
    }

    fn octets(&self, origin: &Origin) -> Vec<u8> {
        let with = |kind: u8, data: &[u8]| [&[kind, data.len() as u8 + 2], data].concat();
        match self {
            Self::End => vec![0],
            Self::Nop => vec![1],
            Self::Mss(mss) => with(2, &mss.to_be_bytes()),
            Self::Scale(shift) => with(3, &[*shift]),
            Self::SackOk => with(4, &[]),
            Self::Sack(blocks) => {
                let iss = origin.iss.unwrap_or(0);
                let edges = blocks.iter().flat_map(|(left, right)| [*left, *right]);
                let octets = edges.flat_map(|edge| edge.wrapping_add(iss).to_be_bytes());
                with(5, &octets.collect::<Vec<_>>())
            }
            Self::Timestamps(value, echo) => {
                let echo = echo.wrapping_add(origin.clock.unwrap_or(0));
                with(8, &[value.to_be_bytes(), echo.to_be_bytes()].concat())
            }
            Self::AnyTimestamps => with(8, &[0; 8]),
            Self::Other(kind, data) => with(*kind, data),
        }
    }
}

impl Origin {
    /// Takes a TCP segment of the host apart, and learns from its SYN.
    ///
    /// # Errors
    ///
    /// It is no good segment.
    pub fn see(&mut self, packet: &[u8]) -> Result<Got, Wrong> {
        let (source, destination, protocol, segment) =
            payload(packet).ok_or("a packet that is none")?;
        if protocol != Protocol::TCP || !verify(segment, source, destination) {
            return Err("a packet that is no TCP segment, or damaged".into());
        }
        let (header, text) = Header::parse(segment).map_err(|_| "a malformed segment")?;
        let is_syn = header.flags.intersects(Flags::SYN);
        if is_syn && self.iss.is_none() {
            self.iss = Some(header.seq.raw());
        }
        let source = (source, header.source_port).into();
        let destination = (destination, header.destination_port).into();
        let iss = self.iss.unwrap_or(0);
        let relative = header.seq.raw().wrapping_sub(iss);
        let shift = if is_syn { 0 } else { self.host_shift };
        let start = u64::from(relative.wrapping_sub(1));
        let acks = header.flags.intersects(Flags::ACK);
        Ok(Got {
            options: self.options(header.options)?,
            seq: relative,
            ack: if acks { header.ack.raw().wrapping_sub(self.irs) } else { 0 },
            window: u32::from(header.window) << shift,
            intact: stream::first_difference(OURS, start, text).is_none(),
            header: Tcp {
                source,
                destination,
                seq: header.seq,
                ack: header.ack,
                flags: header.flags,
                window: header.window,
                urgent: u16::from_be_bytes([segment[18], segment[19]]),
                options: header.options.to_vec(),
                data_offset: None,
                text: text.to_vec(),
            },
        })
    }

    fn options(&mut self, mut octets: &[u8]) -> Result<Vec<Opt>, Wrong> {
        let mut options = Vec::new();
        while let [kind, behind @ ..] = octets {
            if *kind < 2 {
                options.push(if *kind == 0 { Opt::End } else { Opt::Nop });
                octets = behind;
                continue;
            }
            let length = usize::from(*behind.first().ok_or("an option without a length")?);
            let (option, next) =
                octets.split_at_checked(length).ok_or("an option beyond the header")?;
            options.push(self.option(*kind, option.get(2..).ok_or("an option of length 0")?));
            octets = next;
        }
        Ok(options)
    }

    fn option(&mut self, kind: u8, data: &[u8]) -> Opt {
        let words: Vec<u32> =
            data.as_chunks::<4>().0.iter().map(|four| u32::from_be_bytes(*four)).collect();
        match (kind, data) {
            (2, [high, low]) => Opt::Mss(u16::from_be_bytes([*high, *low])),
            (3, [shift]) => Opt::Scale(*shift),
            (4, []) => Opt::SackOk,
            (5, _) if data.len().is_multiple_of(8) => {
                let from = |edge: u32| edge.wrapping_sub(self.irs);
                Opt::Sack(words.chunks(2).map(|two| (from(two[0]), from(two[1]))).collect())
            }
            (8, _) if data.len() == 8 => {
                let start = *self.clock.get_or_insert(words[0]);
                Opt::Timestamps(words[0].wrapping_sub(start), words[1])
            }
            _ => Opt::Other(kind, data.to_vec()),
        }
    }
}

fn range(word: &str) -> Result<(u32, u32), Wrong> {
    match word.split_once(':') {
        Some((first, end)) => Ok((sequence(first)?, sequence(end)?)),
        None => sequence(word).map(|first| (first, first)),
    }
}

fn parse_number(words: &mut Words<'_>) -> Result<Number, Wrong> {
    match words.need("a number")? {
        "*" => Ok(Number::Any),
        "raw" => Ok(Number::Raw(words.number("raw")?)),
        word => sequence(word).map(Number::Relative),
    }
}

fn parse_option(word: &str, words: &mut Words<'_>) -> Result<Opt, Wrong> {
    Ok(match word {
        "eol" => Opt::End,
        "nop" => Opt::Nop,
        "mss" => Opt::Mss(words.number("mss")?),
        "wscale" => Opt::Scale(words.number("wscale")?),
        "sackok" => Opt::SackOk,
        "ts" if words.take("*") => Opt::AnyTimestamps,
        "ts" => {
            let value = words.number("ts")?;
            Opt::Timestamps(value, words.number("the echo of ts")?)
        }
        "sack" => {
            let mut blocks = Vec::new();
            while words.peek().is_some_and(|word| word.contains(':')) {
                blocks.push(range(words.need("a block")?)?);
            }
            Opt::Sack(blocks)
        }
        "opt" => {
            let kind = words.number("the kind of opt")?;
            let hex = words.need("the octets of opt (- for none)")?.trim_matches('-');
            let two = |at| u8::from_str_radix(hex.get(at..at + 2).unwrap_or("?"), 16);
            let data: Result<_, _> = (0..hex.len()).step_by(2).map(two).collect();
            Opt::Other(kind, data.map_err(|_| format!("{hex} are no octets"))?)
        }
        other => {
            return Err(match number::<i64>(other) {
                Ok(_) => format!("what is the number {other} for?"),
                Err(_) => format!("a segment knows no {other}"),
            });
        }
    })
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Relative(value) => write!(f, "{}", *value as i32),
            Self::Raw(value) => write!(f, "raw {value}"),
        }
    }
}

fn write_options(f: &mut fmt::Formatter<'_>, options: &[Opt]) -> fmt::Result {
    for one in options {
        match one {
            Opt::End | Opt::Nop => {}
            Opt::Mss(mss) => write!(f, " mss {mss}")?,
            Opt::Scale(shift) => write!(f, " wscale {shift}")?,
            Opt::SackOk => f.write_str(" sackok")?,
            Opt::Timestamps(value, echo) => write!(f, " ts {value} {echo}")?,
            Opt::AnyTimestamps => f.write_str(" ts *")?,
            Opt::Sack(blocks) => {
                f.write_str(" sack")?;
                blocks.iter().try_for_each(|(left, right)| write!(f, " {left}:{right}"))?;
            }
            Opt::Other(kind, data) => write!(f, " opt {kind} {data:02x?}")?,
        }
    }
    Ok(())
}

fn write_len(f: &mut fmt::Formatter<'_>, seq: Number, len: u32) -> fmt::Result {
    write!(f, " seq {seq}")?;
    match seq {
        Number::Relative(first) if len > 0 => write!(f, ":{}", first.wrapping_add(len) as i32),
        _ => Ok(()),
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&flag_names(self.flags))?;
        write_len(f, self.seq, self.len)?;
        if let Some(ack) = self.ack {
            write!(f, " ack {ack}")?;
        }
        match self.window {
            Window::Same => {}
            Window::Any => f.write_str(" win *")?,
            Window::Octets(octets) => write!(f, " win {octets}")?,
            Window::Raw(field) => write!(f, " rawwin {field}")?,
        }
        if self.urgent != 0 {
            write!(f, " urg {}", self.urgent)?;
        }
        write_options(f, &self.options)?;
        if self.more { f.write_str(" ...") } else { Ok(()) }
    }
}

impl fmt::Display for Got {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&flag_names(self.header.flags))?;
        write_len(f, Number::Relative(self.seq), self.header.text.len() as u32)?;
        if self.header.flags.intersects(Flags::ACK) {
            write!(f, " ack {}", self.ack as i32)?;
        }
        write!(f, " win {}", self.window)?;
        if self.header.urgent != 0 {
            write!(f, " urg {}", self.header.urgent)?;
        }
        write_options(f, &self.options)
    }
}
