//! Calls of the user in a script: how they are written and made, and what comes of them.

use hikyaku::{CloseReason, ConnectConfig, Half, ListenConfig, ReadError, WriteError};

use super::run::{Failed, Runner};
use super::segment::{OURS, THEIRS};
use super::words::{Words, Wrong};
use crate::lone::PORT;
use crate::stream;

/// What comes of a write or a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// So many octets.
    Takes(usize),
    /// Not now.
    WouldBlock,
    /// We have closed.
    Closed,
    /// The end of the stream.
    End,
    /// The connection is over.
    Ended(CloseReason),
}

/// A call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the call of the same name")]
pub enum Call {
    Listen { backlog: u16 },
    Unlisten,
    Connect,
    Accept { waits: bool },
    Write(usize, Outcome),
    Read(usize, Outcome),
    Close,
    Shutdown(Half),
    Abort,
    Release,
    Nagle(bool),
    MarkUrgent,
}

/// Why a connection ended, by name.
pub(super) fn reason(word: &str) -> Result<CloseReason, Wrong> {
    Ok(match word {
        "graceful" => CloseReason::Graceful,
        "reset" => CloseReason::Reset,
        "refused" => CloseReason::Refused,
        "timed-out" => CloseReason::TimedOut,
        "unreachable" => CloseReason::Unreachable,
        "aborted" => CloseReason::Aborted,
        "address-removed" => CloseReason::AddressRemoved,
        other => return Err(format!("no connection ends {other}")),
    })
}

fn outcome(words: &mut Words<'_>, all: usize) -> Result<Outcome, Wrong> {
    Ok(match words.next_word() {
        None => Outcome::Takes(all),
        Some("takes") => Outcome::Takes(words.number("takes")?),
        Some("would-block") => Outcome::WouldBlock,
        Some("closed") => Outcome::Closed,
        Some("end") => Outcome::End,
        Some("ended") => Outcome::Ended(reason(words.need("the reason")?)?),
        Some(other) => return Err(format!("no call comes to {other}")),
    })
}

impl Call {
    /// A call, where `word` names one.
    pub(super) fn parse(word: &str, words: &mut Words<'_>) -> Result<Option<Self>, Wrong> {
        Ok(Some(match word {
            "listen" => {
                let backlog = if words.take("backlog") { words.number("backlog")? } else { 16 };
                Self::Listen { backlog }
            }
            "unlisten" => Self::Unlisten,
            "connect" => Self::Connect,
            "accept" => Self::Accept { waits: !words.take("would-block") },
            "write" => {
                let octets = words.number("write")?;
                Self::Write(octets, outcome(words, octets)?)
            }
            "read" => {
                let octets = words.number("read")?;
                Self::Read(octets, outcome(words, octets)?)
            }
            "close" => Self::Close,
            "shutdown" => Self::Shutdown(match words.need("which half")? {
                "read" => Half::Read,
                "write" => Half::Write,
                "both" => Half::Both,
                other => return Err(format!("{other} is no half")),
            }),
            "abort" => Self::Abort,
            "release" => Self::Release,
            "urgent" => Self::MarkUrgent,
            "nagle" => Self::Nagle(words.switch()?),
            _ => return Ok(None),
        }))
    }
}

impl Runner<'_> {
    pub(super) fn call(&mut self, call: Call) -> Result<(), Failed> {
        match call {
            Call::Listen { backlog } => {
                let connection = Some(self.script.scene.config);
                let config = ListenConfig { connection, backlog, ..ListenConfig::new() };
                let listener = self.host.listen(PORT, &config);
                self.listener = Some(listener.map_err(|error| error.to_string())?);
            }
            Call::Unlisten => {
                let listener = self.listener.take().ok_or("nobody listens")?;
                self.host.close_listener(listener);
            }
            Call::Connect => self.connect()?,
            Call::Accept { waits } => {
                let accepted = self.host.accept(self.listener.ok_or("nobody listens")?);
                if accepted.is_ok() != waits {
                    return Err(format!("accept came to {accepted:?}").into());
                }
                if let Ok(handle) = accepted {
                    self.flow().handle = Some(handle);
                }
            }
            Call::Write(octets, wanted) => self.write(octets, wanted)?,
            Call::Read(octets, wanted) => self.read(octets, wanted)?,
            Call::Close => self.with_handle(|host, handle| host.close(handle))?,
            Call::Shutdown(half) => self.with_handle(|host, handle| host.shutdown(handle, half))?,
            Call::Abort => self.with_handle(|host, handle| host.abort(handle))?,
            Call::Release => self.with_handle(|host, handle| host.release(handle))?,
            Call::MarkUrgent => self.with_handle(|host, handle| host.mark_urgent(handle))?,
            Call::Nagle(on) => self.with_handle(|host, handle| host.set_nagle(handle, on))?,
        }
        Ok(())
    }

    fn connect(&mut self) -> Result<(), Failed> {
        let flow = self.flow();
        (flow.peer_port, flow.host_port) = (flow.peer_port + 1000, flow.peer_port + 2000);
        let (port, remote) = (flow.host_port, flow.peer_port);
        let connection = Some(self.script.scene.config);
        let config = ConnectConfig { local_port: Some(port), connection, ..ConnectConfig::new() };
        let handle = self.host.connect(self.now, (self.them, remote).into(), &config);
        self.flow().handle = Some(handle.map_err(|error| error.to_string())?);
        Ok(())
    }

    fn write(&mut self, octets: usize, wanted: Outcome) -> Result<(), Failed> {
        let offset = self.flow().written;
        let mut data = vec![0; octets];
        stream::fill(OURS, offset, &mut data);
        let came = self.with_handle(|host, handle| host.write(handle, &data))?;
        let came = match came {
            Ok(taken) => {
                self.flow().written += taken as u64;
                Outcome::Takes(taken)
            }
            Err(WriteError::WouldBlock) => Outcome::WouldBlock,
            Err(WriteError::Closed) => Outcome::Closed,
            Err(WriteError::Ended(reason)) => Outcome::Ended(reason),
        };
        same("write", wanted, came)
    }

    fn read(&mut self, octets: usize, wanted: Outcome) -> Result<(), Failed> {
        let offset = self.flow().read;
        let mut buffer = vec![0; octets];
        let came = match self.with_handle(|host, handle| host.read(handle, &mut buffer))? {
            Ok(0) => Outcome::End,
            Ok(taken) => {
                let different = stream::first_difference(THEIRS, offset, &buffer[..taken]);
                if let Some(at) = different {
                    return Err(format!("octet {at} of the stream is another").into());
                }
                self.flow().read += taken as u64;
                Outcome::Takes(taken)
            }
            Err(ReadError::WouldBlock) => Outcome::WouldBlock,
            Err(ReadError::Ended(reason)) => Outcome::Ended(reason),
        };
        same("read", wanted, came)
    }
}

fn same(what: &str, wanted: Outcome, came: Outcome) -> Result<(), Failed> {
    if wanted == came {
        return Ok(());
    }
    Err(format!("{what} came to {came:?}, not {wanted:?}").into())
}
