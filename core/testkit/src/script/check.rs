//! Expectations that are no segments: what the host can be asked.

use hikyaku::counters::DropReason;
use hikyaku::time::Duration;
use hikyaku::{CloseReason, Handle, Info, Readiness, State, Wake};

use super::call::reason;
use super::run::{Failed, Runner};
use super::words::{Words, Wrong};

/// Something that holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// `state NAME`
    State(State),
    /// `open`, `closed REASON`
    Closed(Option<CloseReason>),
    /// `gone`: the handle names nothing any more.
    Gone,
    /// `events NAME …` or `events none`: all that was told of this connection since the last time.
    Events(Readiness),
    /// `acceptable`: the listener's event.
    Acceptable,
    /// `counter NAME N`
    Counter(String, usize),
    /// `drop "REASON" N`
    Drop(DropReason, usize),
    /// `wake T`: the next deadline, from now on; `None` for `wake never`.
    Wake(Option<u64>),
    /// `NAME N`, see `NUMBERS`.
    Number(&'static str, u64),
    /// `NAME T`, see `SPANS`.
    Span(&'static str, u64),
}

/// What is asked as a number.
pub(super) const NUMBERS: [&str; 17] = [
    "readable",
    "urgent",
    "queue",
    "cwnd",
    "ssthresh",
    "flight",
    "unsent",
    "backoff",
    "snd-wnd",
    "rcv-wnd",
    "snd-mss",
    "rcv-mss",
    "snd-shift",
    "rcv-shift",
    "connections",
    "half-open",
    "time-wait",
];

/// What is asked as a span of time.
pub(super) const SPANS: [&str; 3] = ["rto", "srtt", "rttvar"];

const COUNTERS: [&str; 23] = [
    "packets_in",
    "packets_out",
    "segments_in",
    "segments_out",
    "octets_in",
    "octets_out",
    "retransmissions",
    "timeouts",
    "fast_retransmits",
    "window_probes",
    "unanswered",
    "given_up",
    "out_of_order",
    "pruned",
    "resets_out",
    "resets_in",
    "challenge_acks",
    "cookies_out",
    "active_opens",
    "passive_opens",
    "echo_replies",
    "datagrams_in",
    "datagrams_out",
];

pub(super) const STATES: [(&str, State); 11] = [
    ("CLOSED", State::Closed),
    ("LISTEN", State::Listen),
    ("SYN-SENT", State::SynSent),
    ("SYN-RECEIVED", State::SynReceived),
    ("ESTABLISHED", State::Established),
    ("FIN-WAIT-1", State::FinWait1),
    ("FIN-WAIT-2", State::FinWait2),
    ("CLOSE-WAIT", State::CloseWait),
    ("CLOSING", State::Closing),
    ("LAST-ACK", State::LastAck),
    ("TIME-WAIT", State::TimeWait),
];

const EVENTS: [(&str, Readiness); 9] = [
    ("none", Readiness::NONE),
    ("READABLE", Readiness::READABLE),
    ("WRITABLE", Readiness::WRITABLE),
    ("ACCEPTABLE", Readiness::ACCEPTABLE),
    ("CONNECTED", Readiness::CONNECTED),
    ("PEER_CLOSED", Readiness::PEER_CLOSED),
    ("CLOSED", Readiness::CLOSED),
    ("URGENT", Readiness::URGENT),
    ("TROUBLED", Readiness::TROUBLED),
];

fn named<T: Copy>(table: &[(&str, T)], word: &str) -> Result<T, Wrong> {
    let found = table.iter().find(|(name, _)| *name == word);
    found.map(|(_, value)| *value).ok_or_else(|| format!("there is no {word}"))
}

/// A drop reason by its text.
pub(super) fn drop_reason(text: &str) -> Result<DropReason, Wrong> {
    let found = DropReason::ALL.iter().find(|reason| reason.text() == text);
    found.copied().ok_or_else(|| format!("nothing is dropped for \"{text}\""))
}

impl Check {
    pub(super) fn parse(words: &mut Words<'_>) -> Result<Self, Wrong> {
        let word = words.need("what is expected")?;
        Ok(match word {
            "state" => Self::State(named(&STATES, words.need("the state")?)?),
            "open" => Self::Closed(None),
            "closed" => Self::Closed(Some(reason(words.need("the reason")?)?)),
            "gone" => Self::Gone,
            "acceptable" => Self::Acceptable,
            "events" => {
                let mut events = named(&EVENTS, words.need("the events, or none")?)?;
                while let Some(word) = words.next_word() {
                    events |= named(&EVENTS, word)?;
                }
                Self::Events(events)
            }
            "counter" => {
                let name = words.need("the counter")?;
                if !COUNTERS.contains(&name) {
                    return Err(format!("there is no counter {name}"));
                }
                Self::Counter(name.into(), words.number(name)?)
            }
            "drop" => Self::Drop(drop_reason(words.need("the reason")?)?, words.number("drop")?),
            "wake" if words.take("never") => Self::Wake(None),
            "wake" => Self::Wake(Some(words.span("wake")?)),
            _ => {
                if let Some(name) = NUMBERS.iter().find(|name| **name == word) {
                    Self::Number(name, words.number(name)?)
                } else if let Some(name) = SPANS.iter().find(|name| **name == word) {
                    Self::Span(name, words.span(name)?)
                } else {
                    return Err(format!("{word} cannot be expected"));
                }
            }
        })
    }
}

impl Runner<'_> {
    pub(super) fn check(&mut self, check: &Check) -> Result<(), Failed> {
        match check {
            Check::State(state) => {
                let got = self.with_handle(|host, handle| host.state(handle))?;
                same("the state is", &got, state)
            }
            Check::Closed(reason) => {
                let got = self.with_handle(|host, handle| host.close_reason(handle))?;
                same("the reason is", &got, reason)
            }
            Check::Gone => {
                let handle = self.flow().handle.ok_or("there is no handle yet")?;
                same("the handle is stale:", &self.host.is_stale(handle), &true)
            }
            Check::Events(events) => {
                self.take_events();
                let got = std::mem::replace(&mut self.flow().events, Readiness::NONE);
                same("the events are", &got, events)
            }
            Check::Acceptable => {
                self.take_events();
                same("acceptable is", &std::mem::take(&mut self.acceptable), &true)
            }
            Check::Counter(name, count) => {
                let mut all = self.host.counters().iter();
                let got = all.find(|(known, _)| known == name).map_or(0, |(_, count)| count);
                same(name, &got, count)
            }
            Check::Drop(reason, count) => {
                same(reason.text(), &self.host.counters().drops.of(*reason), count)
            }
            Check::Wake(span) => {
                let wanted = match span {
                    Some(micros) => Wake::At(self.now + Duration::from_micros(*micros)),
                    None => Wake::OnIngress,
                };
                let now = self.now;
                same("the wake-up is", &self.host.next_wake(now), &wanted)
            }
            Check::Number(name, number) => same(name, &self.number(name)?, number),
            Check::Span(name, micros) => {
                let info = self.info()?;
                let span = match *name {
                    "rto" => Some(info.rto),
                    "srtt" => info.srtt,
                    _ => info.rttvar,
                };
                same(name, &span.map(Duration::micros), &Some(*micros))
            }
        }
    }

    fn info(&mut self) -> Result<Info, Failed> {
        self.with_handle(|host, handle| host.info(handle))
    }

    fn number(&mut self, name: &str) -> Result<u64, Failed> {
        let usage = self.host.usage();
        let pool = match name {
            "connections" => Some(usage.connections),
            "half-open" => Some(usage.half_open),
            "time-wait" => Some(usage.time_wait),
            _ => None,
        };
        if let Some(number) = pool {
            return Ok(number as u64);
        }
        let info = self.info()?;
        Ok(match name {
            "readable" => u64::from(self.with_handle(|host, handle| host.readable(handle))?),
            "urgent" => u64::from(self.with_handle(|host, handle| host.urgent(handle))?),
            "queue" => u64::from(self.with_handle(|host, handle| host.send_queue(handle))?),
            "cwnd" => info.cwnd.into(),
            "ssthresh" => info.ssthresh.into(),
            "flight" => info.unacknowledged.into(),
            "unsent" => info.unsent.into(),
            "backoff" => info.backoff.into(),
            "snd-wnd" => info.snd_wnd.into(),
            "rcv-wnd" => info.rcv_wnd.into(),
            "snd-mss" => info.snd_mss.into(),
            "rcv-mss" => info.rcv_mss.into(),
            "snd-shift" => info.snd_shift.into(),
            _ => info.rcv_shift.into(),
        })
    }

    fn take_events(&mut self) {
        while let Some((handle, readiness)) = self.host.next_event() {
            match handle {
                Handle::Listener(_) => self.acceptable = true,
                Handle::Tcp(handle) => {
                    let mut flows = self.flows.values_mut();
                    if let Some(flow) = flows.find(|flow| flow.handle == Some(handle)) {
                        flow.events |= readiness;
                    }
                }
                Handle::Udp(_) => {}
            }
        }
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, wanted: &T) -> Result<(), Failed> {
    if got == wanted {
        return Ok(());
    }
    Err(format!("{what} {got:?}, not {wanted:?}").into())
}
