//! TCP and UDP servers by the dozen: which socket belongs to which service, and how all end.

use std::collections::{HashMap, HashSet};

use anyhow::Context;
use hikyaku::{
    Handle, Instant, ListenConfig, ListenerHandle, Readiness, TcpHandle, UdpConfig, UdpHandle,
};

use super::client::{Client, Progress};
use super::farewell::{Farewell, LOOK, Parting, STALL_LIMIT};
use super::{chargen, discard, echo};
use crate::cli::{LinkArgs, ServiceArgs};
use crate::link::{Need, Rung, first_address, open_device, places};
use crate::namespace;
use crate::poll_loop::{App, Net, QUEUE_LIMIT, Signal, Signals, run};
use crate::report::{SIGNAL, note};

/// What is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// RFC 862.
    Echo,
    /// RFC 863.
    Discard,
    /// RFC 864.
    Chargen,
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Discard => "discard",
            Self::Chargen => "chargen",
        }
    }
}

/// Connections that may wait to be accepted.
const BACKLOG: u16 = 256;

/// All servers of a stack.
#[derive(Debug, Default)]
pub(crate) struct Services {
    listeners: HashMap<ListenerHandle, Service>,
    datagrams: HashMap<UdpHandle, Service>,
    clients: HashMap<TcpHandle, (Service, Client)>,
    /// Connections that were closed and whose peer has not acknowledged all of it yet.
    finishing: HashSet<TcpHandle>,
    /// Octets taken by TCP services, over IPv4 and IPv6.
    pub(crate) taken: [u64; 2],
    scratch: Vec<u8>,
    leaving: Option<Leaving>,
    outcome: Option<u8>,
}

/// The end by a signal: the FINs are on their way.
#[derive(Debug)]
struct Leaving {
    code: u8,
    next_look: Instant,
    farewells: HashMap<TcpHandle, Farewell>,
}

impl Services {
    /// Starts one service on a port, over TCP and UDP.
    pub(crate) fn start(
        &mut self,
        net: &mut Net,
        service: Service,
        port: u16,
    ) -> anyhow::Result<()> {
        self.scratch.resize(64 * 1024, 0);
        let config = ListenConfig { backlog: BACKLOG, ..ListenConfig::new() };
        let name = service.name();
        let listener = net
            .stack
            .listen(port, &config)
            .with_context(|| format!("{name} cannot listen on TCP port {port}"))?;
        self.listeners.insert(listener, service);
        let config = UdpConfig {
            receive_limit: QUEUE_LIMIT,
            send_limit: QUEUE_LIMIT,
            ..UdpConfig::new(port)
        };
        let socket = net
            .stack
            .bind_udp(&config)
            .with_context(|| format!("{name} cannot have UDP port {port}"))?;
        self.datagrams.insert(socket, service);
        Ok(())
    }

    /// Starts what the options ask for; without any of them, all three on their own ports.
    /// Returns the port of each.
    pub(crate) fn start_all(
        &mut self,
        net: &mut Net,
        args: &ServiceArgs,
    ) -> anyhow::Result<Vec<(Service, u16)>> {
        let named = |service, ports: &[u16]| -> Vec<(Service, u16)> {
            ports.iter().map(|port| (service, *port)).collect()
        };
        let mut wanted = named(Service::Echo, &args.echo);
        wanted.extend(named(Service::Discard, &args.discard));
        wanted.extend(named(Service::Chargen, &args.chargen));
        if wanted.is_empty() {
            wanted = vec![(Service::Echo, 7), (Service::Discard, 9), (Service::Chargen, 19)];
        }
        for (service, port) in &wanted {
            self.start(net, *service, *port)?;
        }
        Ok(wanted)
    }

    fn accept(&mut self, net: &mut Net, listener: ListenerHandle) {
        let Some(service) = self.listeners.get(&listener).copied() else { return };
        while let Ok(handle) = net.stack.accept(listener) {
            self.clients.insert(handle, (service, Client::default()));
            // What came with the handshake may have raised its event already.
            self.attend(net, handle);
        }
    }

    fn attend(&mut self, net: &mut Net, handle: TcpHandle) {
        if self.finishing.contains(&handle) {
            return self.finish(net, handle);
        }
        let Some((service, client)) = self.clients.get_mut(&handle) else { return };
        let Ok(mut socket) = net.stack.tcp(handle) else {
            self.clients.remove(&handle);
            return;
        };
        let family = usize::from(socket.remote().is_ipv6());
        let before = client.taken;
        let progress = match service {
            Service::Echo => echo::attend(&mut socket, client, &mut self.scratch),
            Service::Discard => discard::attend(&mut socket, client),
            Service::Chargen => chargen::attend(&mut socket, client, &mut self.scratch),
        };
        self.taken[family] += client.taken - before;
        match progress {
            Progress::Waits => return,
            Progress::Done => {
                socket.close();
                self.clients.remove(&handle);
                self.finishing.insert(handle);
                return self.finish(net, handle);
            }
            Progress::Broken => {}
        }
        socket.release();
        self.clients.remove(&handle);
    }

    /// Lets go of a closed connection once it is over.
    fn finish(&mut self, net: &mut Net, handle: TcpHandle) {
        if let Ok(socket) = net.stack.tcp(handle) {
            if socket.close_reason().is_none() {
                return;
            }
            socket.release();
        }
        self.finishing.remove(&handle);
    }

    fn answer(&mut self, net: &mut Net, handle: UdpHandle) {
        let Some(service) = self.datagrams.get(&handle).copied() else { return };
        let Ok(mut socket) = net.stack.udp(handle) else { return };
        while let Ok(datagram) = socket.recv_from(&mut self.scratch) {
            let reply: Option<&[u8]> = match service {
                Service::Echo => self.scratch.get(..datagram.len),
                Service::Discard => None,
                Service::Chargen => Some(chargen::datagram()),
            };
            if let Some(reply) = reply {
                // A full queue loses the reply, as a network may.
                let _ = socket.send_to(reply, datagram.source);
            }
        }
    }

    /// Ends all: with FIN at first, with RST when asked again.
    fn leave(&mut self, net: &mut Net, code: u8) {
        for listener in std::mem::take(&mut self.listeners).into_keys() {
            let _ = net.stack.close_listener(listener);
        }
        if let Some(leaving) = &self.leaving {
            self.outcome = Some(leaving.code);
            for handle in leaving.farewells.keys() {
                if let Ok(mut socket) = net.stack.tcp(*handle) {
                    socket.abort();
                }
            }
            return;
        }
        let now = net.now();
        let mut farewells = HashMap::new();
        let open = std::mem::take(&mut self.clients).into_keys();
        for handle in open.chain(std::mem::take(&mut self.finishing)) {
            if let Ok(mut socket) = net.stack.tcp(handle) {
                socket.close();
                farewells.insert(handle, Farewell::new(&socket, now));
            }
        }
        match farewells.len() {
            0 => {}
            1 => note!("closing 1 connection; once more to abort it"),
            count => note!("closing {count} connections; once more to abort them"),
        }
        // Nothing is settled before the next look: a second signal may have come with this one.
        self.leaving = Some(Leaving { code, next_look: now, farewells });
    }

    /// Lets go of every connection whose peer has acknowledged our FIN, and aborts those whose
    /// peer acknowledges nothing.
    fn look(&mut self, net: &mut Net) {
        let Some(leaving) = &mut self.leaving else { return };
        let now = net.now();
        leaving.next_look = now + LOOK;
        let mut stalled = 0;
        leaving.farewells.retain(|handle, farewell| {
            let Ok(mut socket) = net.stack.tcp(*handle) else { return false };
            match farewell.look(&socket, now) {
                Parting::Waits => return true,
                Parting::Done => {}
                Parting::Stalled { .. } => {
                    socket.abort();
                    stalled += 1;
                }
            }
            socket.release();
            false
        });
        if stalled > 0 {
            let seconds = STALL_LIMIT.micros() / 1_000_000;
            note!(
                "connections whose peer has acknowledged nothing for {seconds} s: {stalled}; \
                 aborted with RST"
            );
        }
        if leaving.farewells.is_empty() {
            self.outcome = Some(leaving.code);
        }
    }
}

impl App for Services {
    fn on_event(&mut self, net: &mut Net, handle: Handle, _: Readiness) -> anyhow::Result<()> {
        match handle {
            Handle::Listener(listener) => self.accept(net, listener),
            Handle::Tcp(handle) => self.attend(net, handle),
            Handle::Udp(handle) => self.answer(net, handle),
        }
        Ok(())
    }

    fn on_signal(&mut self, net: &mut Net, signal: Signal) -> anyhow::Result<()> {
        if let Signal::End(number) = signal {
            self.leave(net, SIGNAL + number as u8);
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        self.leaving.as_ref().map(|leaving| leaving.next_look)
    }

    fn on_deadline(&mut self, net: &mut Net) -> anyhow::Result<()> {
        self.look(net);
        Ok(())
    }

    fn outcome(&self) -> Option<u8> {
        self.outcome
    }
}

/// Runs one service until a signal ends it.
pub(crate) fn serve(
    args: &LinkArgs,
    service: Service,
    port: u16,
    verbose: bool,
) -> anyhow::Result<u8> {
    let (link, rung) = open_device(args, Need::Shared)?;
    let mut net = Net::new(link, args)?;
    let mut signals = Signals::take()?;
    let mut services = Services::default();
    services.start(&mut net, service, port)?;
    note!("{} on {}, TCP and UDP", service.name(), places(args, port));
    hint(rung, &format!("nc {} {port}", first_address(args)));
    let code = run(&mut net, &mut services, &mut signals);
    net.close(verbose);
    code
}

/// Prints a command that can be pasted into another terminal.
pub(crate) fn hint(rung: Rung, command: &str) {
    match rung {
        Rung::UserNamespace => note!("try: {} {command}", namespace::join_line(true)),
        Rung::NetworkNamespace => note!("try: {} {command}", namespace::join_line(false)),
        Rung::Here | Rung::Existing => note!("try: {command}"),
    }
}
