//! The soak on our own stack: an app that opens, accepts and ends connections.

use std::collections::HashMap;
use std::net::SocketAddr;

use anyhow::Context;
use hikyaku::{
    ConnectConfig, ConnectionConfig, Duration, Full, Handle, Instant, ListenConfig, ListenerHandle,
    ReadError, Readiness, State, TcpHandle, TcpSocket, Usage, WriteError,
};

use super::{Break, End, FIRST_PORT, LINGER, Life, Moved, Parting, Plan, Side, Soak, WEATHERS};
use crate::cli::{LinkArgs, SoakArgs};
use crate::link::{Need, open_device};
use crate::poll_loop::{App, Net, QUEUE_LIMIT, Signal, Signals, run};
use crate::report::{FAILED, OK, note};

/// TIME-WAIT, short enough to be waited for and longer than what a lost last ACK brings back.
const TIME_WAIT: Duration = Duration::from_secs(10);
/// How often the pools are looked at once all is over.
const LOOK: u64 = 50_000;

struct Peer {
    soak: Soak,
    remotes: [SocketAddr; 2],
    listeners: Vec<ListenerHandle>,
    lives: HashMap<TcpHandle, Life>,
    has_told: bool,
    /// When the other side has said that all is over.
    is_over: Option<u64>,
    next_look: u64,
    outcome: Option<u8>,
}

impl End for TcpSocket<'_, '_, Full> {
    fn write(&mut self, octets: &[u8]) -> Moved {
        match TcpSocket::write(self, octets) {
            Ok(count) => Moved::Octets(count),
            Err(WriteError::WouldBlock) => Moved::NotNow,
            Err(_) => Moved::Broken,
        }
    }

    fn read(&mut self, into: &mut [u8]) -> Moved {
        match TcpSocket::read(self, into) {
            Ok(0) => Moved::End,
            Ok(count) => Moved::Octets(count),
            Err(ReadError::WouldBlock) => Moved::NotNow,
            Err(ReadError::Ended(_)) => Moved::Broken,
        }
    }

    fn shut(&mut self) {
        self.close();
    }
}

fn settings(plan: &Plan) -> ConnectionConfig {
    let part = plan.part(Side::Ours);
    ConnectionConfig {
        send_limit: QUEUE_LIMIT,
        receive_limit: part.window.map_or(QUEUE_LIMIT, |window| window as u32),
        nagle: part.nagle,
        ..ConnectionConfig::new()
    }
}

impl Peer {
    /// One listener a weather; each with a window of its own, as an accepted connection has its
    /// listener's.
    fn listen(&mut self, net: &mut Net) -> anyhow::Result<()> {
        for (weather, limit) in (0..WEATHERS).zip([4_096, QUEUE_LIMIT, 16_384, 65_536]) {
            let connection = ConnectionConfig {
                send_limit: QUEUE_LIMIT,
                receive_limit: limit,
                ..ConnectionConfig::new()
            };
            let config = ListenConfig { connection: Some(connection), ..ListenConfig::new() };
            self.listeners.push(net.stack.listen(FIRST_PORT + weather, &config)?);
        }
        Ok(())
    }

    fn open(&mut self, net: &mut Net) -> anyhow::Result<()> {
        while let Some((plan, port)) = self.soak.next() {
            let mut remote = self.remotes[usize::from(plan.six)];
            remote.set_port(plan.port());
            let config = ConnectConfig {
                local_port: Some(port),
                connection: Some(settings(&plan)),
                ..ConnectConfig::new()
            };
            let now = net.now();
            let handle = net.stack.connect(now, remote, &config).context("connect")?;
            self.lives.insert(handle, Life::new(plan, Side::Ours, now.micros()));
        }
        if self.soak.has_opened_all() && !self.has_told {
            self.has_told = true;
            self.soak.tell("done")?;
        }
        Ok(())
    }

    fn accept(&mut self, net: &mut Net, listener: ListenerHandle) {
        while let Ok(handle) = net.stack.accept(listener) {
            let Ok(mut socket) = net.stack.tcp(handle) else { continue };
            let plan = self.soak.accepted(socket.remote().port());
            socket.set_nagle(plan.part(Side::Ours).nagle);
            self.lives.insert(handle, Life::new(plan, Side::Ours, net.now().micros()));
            self.attend(net, handle);
        }
    }

    fn attend(&mut self, net: &mut Net, handle: TcpHandle) {
        let now = net.now().micros();
        let Some(life) = self.lives.get_mut(&handle) else { return };
        let parting = match net.stack.tcp(handle) {
            Ok(mut socket) if socket.state() != State::SynSent => life.step(&mut socket, now),
            Ok(_) => life.silence(now),
            Err(_) => Some(life.lost("a stale handle")),
        };
        let Some(parting) = parting else { return };
        if let Ok(mut socket) = net.stack.tcp(handle) {
            let reason = socket.close_reason();
            if let (Parting::Failed(_), Some(reason)) = (&parting, reason) {
                note!("the next one ended thus: {reason}");
            }
            if !matches!(parting, Parting::Closed | Parting::Breaks(Break::Leave)) {
                socket.abort();
            }
            socket.release();
        }
        if let Some(life) = self.lives.remove(&handle) {
            self.soak.ended(&life, parting);
        }
    }

    /// Ends it once nothing is left, or too late.
    fn look(&mut self, net: &Net) {
        let Some(since) = self.is_over else { return };
        let now = net.now().micros();
        self.next_look = now + LOOK;
        if self.lives.is_empty() && holds_nothing(&net.stack.usage()) {
            self.outcome = Some(OK);
        } else if now >= since + LINGER {
            let count = self.lives.len();
            self.soak.fail(&format!("{count} lives and {:?} are left", net.stack.usage()));
            self.outcome = Some(FAILED);
        }
    }
}

fn holds_nothing(usage: &Usage) -> bool {
    let Usage { connections, half_open, time_wait, records, .. } = usage;
    connections + half_open + time_wait + records == 0 && usage.blocks_used == 0
}

impl App for Peer {
    fn on_event(&mut self, net: &mut Net, handle: Handle, _: Readiness) -> anyhow::Result<()> {
        match handle {
            Handle::Listener(listener) => self.accept(net, listener),
            Handle::Tcp(handle) => self.attend(net, handle),
            Handle::Udp(_) => {}
        }
        self.open(net)
    }

    fn on_signal(&mut self, net: &mut Net, signal: Signal) -> anyhow::Result<()> {
        if let Signal::End(_) = signal {
            self.is_over.get_or_insert(net.now().micros());
            self.look(net);
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        let look = self.is_over.map(|_| self.next_look);
        self.lives.values().map(Life::due).chain(look).min().map(Instant::from_micros)
    }

    fn on_deadline(&mut self, net: &mut Net) -> anyhow::Result<()> {
        let now = net.now().micros();
        let is_due = |(handle, life): (&TcpHandle, &Life)| (life.due() <= now).then_some(*handle);
        let due: Vec<TcpHandle> = self.lives.iter().filter_map(is_due).collect();
        for handle in due {
            self.attend(net, handle);
        }
        self.look(net);
        self.open(net)
    }

    fn outcome(&self) -> Option<u8> {
        self.outcome
    }
}

/// Runs our side until a signal says that the other one is done.
pub(crate) fn peer(link: &LinkArgs, args: &SoakArgs, verbose: bool) -> anyhow::Result<u8> {
    let (link_end, _) = open_device(link, Need::Inhabited)?;
    let mut net = Net::tuned(link_end, link, |config| config.time_wait = TIME_WAIT)?;
    let mut signals = Signals::take()?;
    let mut app = Peer {
        soak: Soak::new(args, Side::Ours),
        remotes: [SocketAddr::new(args.peer.into(), 0), SocketAddr::new(args.peer6.into(), 0)],
        listeners: Vec::new(),
        lives: HashMap::new(),
        has_told: false,
        is_over: None,
        next_look: 0,
        outcome: None,
    };
    app.listen(&mut net)?;
    app.soak.tell("open")?;
    app.open(&mut net)?;
    let code = run(&mut net, &mut app, &mut signals);
    net.close(verbose);
    let is_good = app.soak.close();
    Ok(if is_good { code? } else { FAILED })
}
