//! Reads the text of scripts.

use std::fmt;
use std::path::{Path, PathBuf};

use hikyaku::AllocationPolicy;
use hikyaku::time::Duration;
use hikyaku::{Capacity, ConnectionConfig};

use super::call::Call;
use super::check::Check;
use super::segment::{Number, Pattern};
use super::words::{Words, Wrong, sequence, span};
use super::{Act, Line, Scene, Script, When};
use crate::host::Kind;
use crate::pair::Family;

/// What no script can say, and where it is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1 on.
    pub line: usize,
    /// What is wrong.
    pub wrong: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.wrong)
    }
}

impl std::error::Error for ParseError {}

/// Reads the scripts of one file.
///
/// # Errors
///
/// The first line that cannot be understood.
pub fn parse(file: &Path, text: &str) -> Result<Vec<Script>, ParseError> {
    let mut scripts: Vec<Script> = Vec::new();
    // What stands before the first script holds for all of the file.
    let mut common = Scene::new();
    for (line, number) in text.lines().zip(1..) {
        let mut words = Words::new(line);
        let Some(word) = words.peek() else { continue };
        let at = |wrong| ParseError { file: file.into(), line: number, wrong };
        if word == "script" {
            words.next_word();
            let name = words.need("the name").map_err(at)?.to_string();
            if scripts.iter().any(|script| script.name == name) {
                return Err(at(format!("there is a script \"{name}\" already")));
            }
            let (file, scene) = (file.into(), common.clone());
            scripts.push(Script { name, file, scene, lines: Vec::new() });
            words.end().map_err(at)?;
            continue;
        }
        match scripts.last_mut() {
            None => {
                let known = common.header(&mut words).map_err(at)?;
                if !known {
                    return Err(at(format!("{word} stands before the first script")));
                }
            }
            Some(script) => {
                let known =
                    script.lines.is_empty() && script.scene.header(&mut words).map_err(at)?;
                if !known {
                    script.statement(&mut words, number, line.trim()).map_err(at)?;
                }
            }
        }
        words.end().map_err(at)?;
    }
    match scripts.iter().find(|script| !script.expects()) {
        Some(empty) => {
            let wrong = format!("script \"{}\" expects nothing", empty.name);
            Err(ParseError { file: file.into(), line: 0, wrong })
        }
        None => Ok(scripts),
    }
}

impl Script {
    fn expects(&self) -> bool {
        self.lines.iter().any(|line| matches!(line.act, Act::Expect(_) | Act::Check(_)))
    }

    fn statement(&mut self, words: &mut Words<'_>, number: usize, text: &str) -> Result<(), Wrong> {
        let joined = words.take_last("&");
        let at = if words.take("at") { Some(when(words)?) } else { None };
        let word = words.need("what happens then")?;
        let act = match word {
            ">" => Act::Send(Pattern::parse(words, false)?),
            "<" => Act::Expect(Pattern::parse(words, true)?),
            "unreachable" => {
                let hard = words.take("port");
                Act::Unreachable(Number::Relative(sequence(words.need("unreachable")?)?), hard)
            }
            "nothing" => {
                if !words.take("until") || at.is_some() {
                    return Err("nothing until when?".into());
                }
                let at = Some(when(words)?);
                self.push(number, text, at, Act::Nothing);
                return Ok(());
            }
            "expect" => Act::Check(Check::parse(words)?),
            "peer" => {
                let peer = words.number("the peer")?;
                let isn = if words.take("isn") { Some(words.number("isn")?) } else { None };
                Act::Peer(peer, isn)
            }
            "passive" | "active" if at.is_none() => {
                return self.handshake(word == "passive", words, number, text);
            }
            _ => match Call::parse(word, words)? {
                Some(call) => Act::Call(call),
                None => return Err(format!("no line begins with {word}")),
            },
        };
        if joined && !matches!(act, Act::Call(_) | Act::Send(_)) {
            return Err("only calls and what the peer sends can be joined to the next line".into());
        }
        self.push(number, text, at, act);
        self.lines.last_mut().expect("it was pushed").joined = joined;
        Ok(())
    }

    fn push(&mut self, number: usize, text: &str, at: Option<When>, act: Act) {
        self.lines.push(Line { number, text: text.into(), at, act, joined: false });
    }

    /// A handshake with a round trip of 100 ms, as the lines that it stands for.
    fn handshake(
        &mut self,
        passive: bool,
        words: &mut Words<'_>,
        number: usize,
        text: &str,
    ) -> Result<(), Wrong> {
        let (mut window, mut mss, mut rtt) = (10_000_u32, 1000_u16, 100_000);
        while let Some(word) = words.next_word() {
            match word {
                "win" => window = words.number("win")?,
                "mss" => mss = words.number("mss")?,
                "rtt" => rtt = words.span("rtt")?,
                other => return Err(format!("a handshake knows no {other}")),
            }
        }
        let mut lines = vec![];
        let syn = format!("> SYN seq 0 win {window} mss {mss}");
        let after = format!("at +{rtt}us");
        if passive {
            lines.push("listen".into());
            lines.push(syn);
            lines.push("< SYN ACK seq 0 ack 1 win * mss 1000".into());
            lines.push(format!("{after} > ACK seq 1 ack 1"));
            lines.push("accept".into());
        } else {
            lines.push("connect".into());
            lines.push("< SYN seq 0 win * mss 1000 ...".into());
            lines.push(format!("{after} > SYN ACK seq 0 ack 1 win {window} mss {mss}"));
            lines.push("< ACK seq 1 ack 1 win *".into());
        }
        for line in lines {
            self.statement(&mut Words::new(&line), number, text)?;
        }
        Ok(())
    }
}

/// `0`, `10ms` or `+10ms`, and `~1ms` where it need not be exact.
fn when(words: &mut Words<'_>) -> Result<When, Wrong> {
    let word = words.need("the time")?;
    let (relative, digits) = word.strip_prefix('+').map_or((false, word), |rest| (true, rest));
    let micros = span(digits)?;
    let tolerance = match words.peek().and_then(|word| word.strip_prefix('~')) {
        Some(word) => {
            words.next_word();
            span(word)?
        }
        None => 0,
    };
    Ok(When { micros, relative, tolerance })
}

impl Scene {
    /// Both profiles and families; blocks, windows and segments in round numbers.
    fn new() -> Self {
        Self {
            kinds: vec![Kind::Full, Kind::Small],
            families: Family::BOTH.to_vec(),
            mtu: 1500,
            policy: AllocationPolicy::Overcommit,
            capacity: Capacity {
                connections: 4,
                listeners: 1,
                half_open: 4,
                time_wait: 4,
                udp_sockets: 1,
                neighbors: 0,
                blocks: 128,
                block_size: 1024,
                records: 64,
            },
            config: ConnectionConfig {
                receive_limit: 10_000,
                send_limit: 20_000,
                mss: Some(1000),
                ..ConnectionConfig::new()
            },
            time_wait: Duration::from_secs(60),
            isn: 1_000_000,
        }
    }

    /// Takes a header; `false` where it is none.
    fn header(&mut self, words: &mut Words<'_>) -> Result<bool, Wrong> {
        match words.peek() {
            Some("profile") => {
                words.next_word();
                self.kinds = match words.need("the profile")? {
                    "full" => vec![Kind::Full],
                    "small" => vec![Kind::Small],
                    "both" => vec![Kind::Full, Kind::Small],
                    other => return Err(format!("there is no profile {other}")),
                };
            }
            Some("ip") => {
                words.next_word();
                self.families = match words.need("the version")? {
                    "v4" => vec![Family::V4],
                    "v6" => vec![Family::V6],
                    "both" => Family::BOTH.to_vec(),
                    other => return Err(format!("there is no IP {other}")),
                };
            }
            Some("mtu") => {
                words.next_word();
                self.mtu = words.number("mtu")?;
            }
            Some("policy") => {
                words.next_word();
                self.policy = match words.need("the policy")? {
                    "reserved" => AllocationPolicy::Reserved,
                    "overcommit" => AllocationPolicy::Overcommit,
                    other => return Err(format!("there is no policy {other}")),
                };
            }
            Some("blocks") => {
                words.next_word();
                self.capacity.blocks = words.number("blocks")?;
                if !words.take("x") {
                    return Err("blocks are said as N x SIZE".into());
                }
                self.capacity.block_size = words.number("the size of a block")?;
            }
            Some("pool") => self.pool(words)?,
            Some("config") => self.setting(words)?,
            Some("peer-isn") => {
                words.next_word();
                self.isn = words.number("peer-isn")?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn pool(&mut self, words: &mut Words<'_>) -> Result<(), Wrong> {
        words.next_word();
        let pool = match words.need("the pool")? {
            "connections" => &mut self.capacity.connections,
            "half-open" => &mut self.capacity.half_open,
            "time-wait" => &mut self.capacity.time_wait,
            "records" => &mut self.capacity.records,
            other => return Err(format!("there is no pool of {other}")),
        };
        *pool = words.number("pool")?;
        Ok(())
    }

    fn setting(&mut self, words: &mut Words<'_>) -> Result<(), Wrong> {
        words.next_word();
        let config = &mut self.config;
        let name = words.need("the setting")?;
        match name {
            "mss" if words.take("auto") => config.mss = None,
            "mss" => config.mss = Some(words.number(name)?),
            "send-limit" => config.send_limit = words.number(name)?,
            "receive-limit" => config.receive_limit = words.number(name)?,
            "initial-window" => config.initial_window = words.number(name)?,
            "ack-delay" => config.ack_delay = Duration::from_micros(words.span(name)?),
            "nagle" => config.nagle = words.switch()?,
            "wscale" => config.window_scale = words.switch()?,
            "rto-min" => config.rto_min = Duration::from_micros(words.span(name)?),
            "user-timeout" => config.user_timeout = Duration::from_micros(words.span(name)?),
            "orphan-timeout" => config.orphan_timeout = Duration::from_micros(words.span(name)?),
            "connect-timeout" => config.connect_timeout = Duration::from_micros(words.span(name)?),
            "timestamps" => config.timestamps = words.switch()?,
            "sack" => config.sack = words.switch()?,
            "keepalive" => config.keepalive = Some(Duration::from_micros(words.span(name)?)),
            "time-wait" => self.time_wait = Duration::from_micros(words.span(name)?),
            other => return Err(format!("there is no setting {other}")),
        }
        Ok(())
    }
}
