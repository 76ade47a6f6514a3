//! Which network carries the packets: the ladder of ways to one, and the device that the stack
//! sees, with losses and a trace in front of it.

use std::fs::OpenOptions;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;

use hikyaku::wire::ethernet;
use hikyaku::{Capabilities, Device, NoRoom, Packet, RxMeta};

use crate::cli::{LinkArgs, LinkKind};
use crate::entropy;
use crate::hardware;
use crate::impair::{Impair, Way};
use crate::namespace;
use crate::port::SendError;
use crate::report::{Failure, note};
use crate::trace::Trace;
use crate::tun::{self, Layer, Tun};
use crate::wire::WireEnd;

/// The rungs that lead to a TUN or a TAP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rung {
    /// A user namespace of our own with the device in it.
    UserNamespace,
    /// A network namespace of our own by privilege, with the device in it.
    NetworkNamespace,
    /// A device of our own in the network that we are in.
    Here,
    /// A device made beforehand.
    Existing,
}

impl Rung {
    /// The name in reports.
    pub(crate) fn name(self, layer: Layer) -> &'static str {
        match (self, layer) {
            (Self::UserNamespace, Layer::Packets) => "userns-tun",
            (Self::UserNamespace, Layer::Frames) => "userns-tap",
            (Self::NetworkNamespace, Layer::Packets) => "netns-tun",
            (Self::NetworkNamespace, Layer::Frames) => "netns-tap",
            (Self::Here | Self::Existing, layer) => layer.mode(),
        }
    }
}

/// What a command needs of its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// A network of its own, for itself and its children.
    Own,
    /// A network where others are; one of its own that others can join will do.
    Shared,
    /// A network where others already are.
    Inhabited,
}

/// The lower end of a stack.
pub(crate) struct Link {
    medium: Medium,
    mtu: u16,
    impair: Impair,
    trace: Option<Trace>,
    hardware: Option<ethernet::Address>,
    buffer: Box<[u8]>,
}

enum Medium {
    Device(Tun),
    Wire(WireEnd),
}

/// The smallest MTU of IPv6 (RFC 8200 §5).
const MTU_MIN: u16 = 1280;

/// How many packets in a row may be lost before the stack gets its turn again.
const LOST_IN_A_ROW: usize = 64;

/// Opens a TUN or a TAP by the first rung that holds, and says which one and why not those before
/// it.
///
/// # Errors
/// [`Failure::NotPermitted`] with the remedy of every rung that was tried.
pub(crate) fn open_device(args: &LinkArgs, need: Need) -> anyhow::Result<(Link, Rung)> {
    if args.link == LinkKind::Wire {
        let text = "--link wire joins two stacks inside one process; only demo can use it";
        return Err(Failure::Usage(text.to_owned()).into());
    }
    let (tun, rung) = match args.tun.as_ref().or(args.tap.as_ref()) {
        Some(name) => (join(name, args.layer())?, Rung::Existing),
        None => climb(args, need)?,
    };
    let on = tun.name().to_owned();
    match rung {
        Rung::UserNamespace => note!("link: {on}, in a user and network namespace of our own"),
        Rung::NetworkNamespace => note!("link: {on}, in a network namespace of our own"),
        Rung::Here => note!("link: {on}, a {} of our own in this network", args.layer().name()),
        Rung::Existing => note!("link: {on}, made beforehand"),
    }
    if args.layer() == Layer::Frames {
        note!("our hardware address: {}", hardware::address(args));
    }
    let mtu = match rung {
        Rung::Existing => fitting_mtu(&tun, args)?,
        _ => args.mtu,
    };
    Ok((Link::on_device(tun, mtu, args)?, rung))
}

/// The MTU on a device that was made beforehand: what was asked for, or what the device takes.
fn fitting_mtu(tun: &Tun, args: &LinkArgs) -> Result<u16, Failure> {
    let (name, takes) = (tun.name(), tun.mtu());
    if takes < MTU_MIN {
        return Err(Failure::NotPermitted(format!(
            "--{} {name}: it takes packets of {takes} bytes at most, and IPv6 needs {MTU_MIN}; \
             try `ip link set {name} mtu {MTU_MIN}` or more",
            args.layer().mode()
        )));
    }
    if takes < args.mtu {
        note!(
            "{name} takes packets of {takes} bytes at most, so our MTU is {takes} and not {}; \
             `ip link set {name} mtu {}` would change that",
            args.mtu,
            args.mtu
        );
    }
    Ok(takes.min(args.mtu))
}

/// Climbs the ladder.
fn climb(args: &LinkArgs, need: Need) -> anyhow::Result<(Tun, Rung)> {
    // In a user namespace that maps one user id, tcpdump cannot become its own user: with enough
    // privilege no user namespace is needed.
    let (first, second) = if namespace::may_unshare_network() {
        (Rung::NetworkNamespace, Rung::UserNamespace)
    } else {
        (Rung::UserNamespace, Rung::NetworkNamespace)
    };
    let rungs: &[Rung] = match need {
        Need::Own => &[first, second],
        Need::Shared => &[Rung::Here, first, second],
        Need::Inhabited => &[Rung::Here],
    };
    // Asked before anything is unshared, which cannot be undone.
    door()?;
    if rungs.contains(&Rung::Here) && namespace::may_make_devices() {
        refuse_taken(args)?;
    }
    let mut reasons = Vec::new();
    for rung in rungs {
        match try_rung(*rung, args) {
            Ok(tun) => {
                reasons.iter().for_each(|reason| note!("{reason}"));
                return Ok((tun, *rung));
            }
            Err(reason) => reasons.push(reason),
        }
    }
    if need == Need::Inhabited {
        reasons.push(
            "in a namespace of our own nobody would answer; run this inside `hikyaku shell`, \
             or as root, or give --tun NAME or --tap NAME"
                .to_owned(),
        );
    }
    Err(Failure::NotPermitted(reasons.join("\nhikyaku: ")).into())
}

/// A network that is there already is not shadowed by ours.
fn refuse_taken(args: &LinkArgs) -> Result<(), Failure> {
    for (ours, option) in [(IpAddr::V4(args.addr), "--addr"), (args.addr6.into(), "--addr6")] {
        if let Some(device) = tun::taken(ours) {
            return Err(Failure::NotPermitted(format!(
                "the network around {ours} is in use by {device}; try another {option}"
            )));
        }
    }
    Ok(())
}

fn try_rung(rung: Rung, args: &LinkArgs) -> Result<Tun, String> {
    match rung {
        Rung::UserNamespace => namespace::enter_user()?,
        Rung::NetworkNamespace => namespace::enter_privileged()?,
        Rung::Existing => {}
        Rung::Here => {
            if !namespace::may_make_devices() {
                let name = args.layer().name();
                return Err(format!("no {name} in this network: that needs root (CAP_NET_ADMIN)"));
            }
        }
    }
    let (addr, addr6) = (tun::kernel_side_4(args.addr), tun::kernel_side_6(args.addr6));
    Tun::create(args.layer(), addr, addr6, args.mtu)
        .map_err(|error| format!("a {} device: {error}", args.layer().name()))
}

/// Whether `/dev/net/tun` opens for us.
fn door() -> Result<(), Failure> {
    use std::io::ErrorKind::{NotFound, PermissionDenied};
    let path = tun::DOOR;
    let error = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    let remedy = match error.kind() {
        PermissionDenied => "try `sudo chmod 0666 /dev/net/tun`, or run as root",
        NotFound => {
            "try `sudo modprobe tun`; in a container: `--device /dev/net/tun`, or as root \
             `mkdir -p /dev/net && mknod -m 0666 /dev/net/tun c 10 200`"
        }
        _ => "the kernel lacks TUN, or this container forbids the device; try outside of it",
    };
    let cause = match error.kind() {
        PermissionDenied => "permission denied".to_owned(),
        NotFound => "not there".to_owned(),
        _ => error.to_string(),
    };
    Err(Failure::NotPermitted(format!("{path}: {cause}; {remedy}")))
}

fn join(name: &str, layer: Layer) -> Result<Tun, Failure> {
    door()?;
    let mode = layer.mode();
    Tun::join(name, layer).map_err(|error| {
        let remedy = match error.raw_os_error() {
            None => format!(
                "make it first: `ip tuntap add dev {name} mode {mode} user $USER && \
                 ip addr add 192.168.69.1/24 dev {name} && \
                 ip addr add fd69::1/64 dev {name} && ip link set {name} up`"
            ),
            Some(libc::EBUSY) => "another program has it; stop that one first".to_owned(),
            Some(libc::EPERM) => {
                format!(
                    "it belongs to another user; make it with `ip tuntap add dev {name} mode \
                     {mode} user $USER`, or run as root"
                )
            }
            Some(libc::EINVAL) => format!(
                "it is no {} without packet information and with one queue; make it with \
                 `ip tuntap add dev {name} mode {mode}`",
                layer.name()
            ),
            Some(_) => format!("is it a {} device of yours?", layer.name()),
        };
        Failure::NotPermitted(format!("--{mode} {name}: {error}; {remedy}"))
    })
}

impl Link {
    fn new(medium: Medium, mtu: u16, args: &LinkArgs) -> anyhow::Result<Self> {
        let seed = match args.seed {
            Some(seed) => seed,
            None => entropy::seed()?,
        };
        let impair = Impair::new(&args.loss, seed);
        if impair.is_active() {
            note!("{}", impair.plan());
        }
        let layer = match &medium {
            Medium::Device(device) => device.layer(),
            Medium::Wire(_) => Layer::Packets,
        };
        let hardware = (layer == Layer::Frames).then(|| hardware::address(args));
        let trace = args.trace.then(|| Trace::new(layer));
        // As long as any IP packet, so that no read is ever cut short.
        let buffer = vec![0; layer.header_len() + usize::from(u16::MAX)].into_boxed_slice();
        Ok(Self { medium, mtu, impair, trace, hardware, buffer })
    }

    /// A TUN or TAP that is open already.
    pub(crate) fn on_device(tun: Tun, mtu: u16, args: &LinkArgs) -> anyhow::Result<Self> {
        Self::new(Medium::Device(tun), mtu, args)
    }

    /// One end of an in-memory wire.
    pub(crate) fn on_wire(end: WireEnd, args: &LinkArgs) -> anyhow::Result<Self> {
        Self::new(Medium::Wire(end), args.mtu, args)
    }

    /// What the link carries.
    pub(crate) fn layer(&self) -> Layer {
        match &self.medium {
            Medium::Device(device) => device.layer(),
            Medium::Wire(_) => Layer::Packets,
        }
    }

    /// The name of the device.
    pub(crate) fn name(&self) -> &str {
        match &self.medium {
            Medium::Device(device) => device.name(),
            Medium::Wire(_) => "the in-memory wire",
        }
    }

    /// Our address, where the link carries frames.
    pub(crate) fn hardware(&self) -> Option<ethernet::Address> {
        self.hardware
    }

    /// The largest IP packet.
    pub(crate) fn mtu(&self) -> u16 {
        self.mtu
    }

    /// What to wait for, where there is something.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.medium {
            Medium::Device(tun) => Some(tun.fd()),
            Medium::Wire(_) => None,
        }
    }

    /// Whether a packet from the other end waits in memory, where no descriptor tells.
    pub(crate) fn has_waiting(&self) -> bool {
        match &self.medium {
            Medium::Device(_) => false,
            Medium::Wire(end) => end.has_waiting(),
        }
    }

    /// Prints what the link did, where there is something to tell; all of it where `verbose`.
    pub(crate) fn report(&self, verbose: bool) {
        if self.impair.is_active() {
            note!("{}", self.impair.tally());
        }
        let Medium::Device(tun) = &self.medium else { return };
        if verbose {
            tun.tally().iter().for_each(|(name, count)| note!("{name}: {count}"));
        } else if tun.tally().lost() != 0 {
            note!("{}: {} packets lost on the device; -v says why", tun.name(), tun.tally().lost());
        }
    }
}

#[cfg(test)]
impl Link {
    /// What went wrong on the device, if it is one.
    pub(crate) fn tally(&self) -> Option<&crate::port::Tally> {
        match &self.medium {
            Medium::Device(tun) => Some(tun.tally()),
            Medium::Wire(_) => None,
        }
    }
}

impl Device for Link {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = match self.hardware {
            Some(_) => Capabilities::ethernet(self.mtu),
            None => Capabilities::ip(self.mtu),
        };
        capabilities.ack_per_burst = true;
        capabilities
    }

    fn receive<R>(&mut self, take: impl FnOnce(&[u8], RxMeta) -> R) -> Option<R> {
        for _ in 0..LOST_IN_A_ROW {
            let len = match &mut self.medium {
                Medium::Device(tun) => tun.port().receive(&mut self.buffer)?,
                Medium::Wire(end) => end.receive(&mut self.buffer)?,
            };
            let packet = self.buffer.get(..len)?;
            let lost = self.impair.loses(Way::Rx);
            if let Some(trace) = &mut self.trace {
                trace.packet(packet, lost);
            }
            if !lost {
                return Some(take(packet, RxMeta::default()));
            }
        }
        None
    }

    fn transmit(&mut self, packet: &Packet<'_>) -> Result<(), NoRoom> {
        let Some(len) = packet.copy_into(&mut self.buffer) else {
            return Ok(());
        };
        let Some(bytes) = self.buffer.get(..len) else {
            return Ok(());
        };
        let lost = self.impair.loses(Way::Tx);
        if !lost {
            match &mut self.medium {
                Medium::Device(tun) => {
                    if tun.port().send(bytes) == Err(SendError::WouldBlock) {
                        return Err(NoRoom);
                    }
                }
                Medium::Wire(end) => end.send(bytes)?,
            }
        }
        if let Some(trace) = &mut self.trace {
            trace.packet(bytes, lost);
        }
        Ok(())
    }
}

/// Where a port of ours is to be found, as people write it.
pub(crate) fn places(args: &LinkArgs, port: u16) -> String {
    let six = spell(args.addr6, port);
    if args.dhcp {
        return format!("{six}, and port {port} of the address that DHCP gives us");
    }
    format!("{} and {six}", spell(args.addr, port))
}

/// The address to try first.
pub(crate) fn first_address(args: &LinkArgs) -> IpAddr {
    if args.dhcp { args.addr6.into() } else { args.addr.into() }
}

/// `address` and `port` as people write them.
pub(crate) fn spell(address: impl Into<IpAddr>, port: u16) -> String {
    SocketAddr::new(address.into(), port).to_string()
}
