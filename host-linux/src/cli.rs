//! The command line: what can be asked for, and nothing about how it is done.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use clap::{Args, Parser, Subcommand, ValueEnum};
use hikyaku::wire::ethernet;

use crate::addresses::{check_ours, check_remote};
use crate::impair::Loss;
use crate::poll_loop::SERVICES_MAX;
use crate::report::Failure;
use crate::tun::Layer;

const ABOUT: &str =
    "A TCP/IP stack of its own on a Linux TUN or TAP interface, to be talked to with nc";

const LINKS: &str = "\
Which network:
  demo, run, shell     a network namespace of their own with a TUN in it; the machine's own
                       network is never touched, and no root is needed where user namespaces
                       and /dev/net/tun are open to you
  echo, discard,       a TUN in the network you are in where you may make one (root, or inside
  chargen, listen,     `hikyaku shell`), gone again on exit; else, except for connect, a
  connect              namespace of their own, with the line that lets a second terminal join
  --link tap           a TAP instead: Ethernet, where we have a hardware address and find others
                       by ARP
  --tun NAME           everywhere: an existing TUN device, made beforehand
  --tap NAME           an existing TAP device, which may be in a bridge; with --dhcp our IPv4
                       address is what a server there gives us

Exit codes: 0 ok, 1 transfer failed, 2 usage, 3 not permitted (the message has the remedy),
4 timeout, 130 interrupted. Data goes to stdout, all else to stderr.
Ctrl-C closes with FIN and ends when the peer has acknowledged it, or aborts with RST where the
peer acknowledges nothing for two seconds; a second Ctrl-C aborts with RST. SIGTERM and SIGHUP do
the same; `run` and `shell` pass them on to their command.";

/// All that was asked for.
#[derive(Debug, Parser)]
#[command(name = "hikyaku", version, about = ABOUT, after_help = LINKS)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) link: LinkArgs,
    /// Print the stack's counters on exit
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The network below the stack.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Link options")]
pub(crate) struct LinkArgs {
    /// What carries the packets; `wire` is memory between two stacks and for `demo` only
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "KIND")]
    pub(crate) link: LinkKind,
    /// Use this TUN device, made beforehand (`ip tuntap add dev NAME mode tun user $USER`)
    #[arg(long, global = true, value_name = "NAME", value_parser = device_name)]
    pub(crate) tun: Option<String>,
    /// Use this TAP device, made beforehand (`ip tuntap add dev NAME mode tap user $USER`)
    #[arg(long, global = true, value_name = "NAME", value_parser = device_name,
          conflicts_with = "tun")]
    pub(crate) tap: Option<String>,
    /// Our hardware address on a TAP; where none is given one is made of the machine's id and our
    /// addresses, and is the same each time
    #[arg(long, global = true, value_name = "MAC", value_parser = hardware_address)]
    pub(crate) mac: Option<ethernet::Address>,
    /// Get our IPv4 address by DHCP, on a TAP, and give it back in the end
    #[arg(long, global = true)]
    pub(crate) dhcp: bool,
    /// Use our addresses at once; without this, the link is asked first whether another host has
    /// them where we join a TAP (one to seven seconds) and where DHCP gives us one (five)
    #[arg(long, global = true)]
    pub(crate) no_probe: bool,
    /// Our IPv4 address; the kernel's side is the first other one of its /24
    #[arg(long, global = true, value_name = "IP", default_value = "192.168.69.2")]
    pub(crate) addr: Ipv4Addr,
    /// Our IPv6 address; the kernel's side is the first other one of its /64
    #[arg(long, global = true, value_name = "IP", default_value = "fd69::2")]
    pub(crate) addr6: Ipv6Addr,
    /// Largest IP packet, in octets
    #[arg(long, global = true, value_name = "OCTETS", default_value = "1500",
          value_parser = clap::value_parser!(u16).range(1280..))]
    pub(crate) mtu: u16,
    /// Lose packets at random: `PCT`, `tx:PCT` (ours) or `rx:PCT` (theirs); may be repeated
    #[arg(long, global = true, value_name = "[tx:|rx:]PCT")]
    pub(crate) loss: Vec<Loss>,
    /// Repeat the losses of an earlier run
    #[arg(long, global = true, value_name = "N", requires = "loss")]
    pub(crate) seed: Option<u64>,
    /// Print a line a packet to stderr, as tcpdump does
    #[arg(long, global = true)]
    pub(crate) trace: bool,
}

/// What may carry the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LinkKind {
    /// The first that can be had: a TUN, for `demo` else an in-memory wire
    Auto,
    /// A TUN and nothing else
    Tun,
    /// A TAP and nothing else
    Tap,
    /// An in-memory wire between two stacks of ours
    Wire,
}

/// The apps.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start our echo server, send 1 MiB through it with nc over IPv4 and IPv6, compare
    Demo {
        /// End with one line of JSON on stdout
        #[arg(long)]
        json: bool,
    },
    /// Run a command beside our stack, in a namespace of its own
    Run {
        #[command(flatten)]
        services: ServiceArgs,
        /// The command; it sees our addresses as HIKYAKU_ADDR and HIKYAKU_ADDR6
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<std::ffi::OsString>,
    },
    /// Run a shell beside our stack, in a namespace of its own
    Shell {
        #[command(flatten)]
        services: ServiceArgs,
    },
    /// Send back all that comes (RFC 862), TCP and UDP
    Echo {
        /// Port to serve
        #[arg(default_value = "7", value_parser = port())]
        port: u16,
    },
    /// Take all that comes and drop it (RFC 863), TCP and UDP
    Discard {
        /// Port to serve
        #[arg(default_value = "9", value_parser = port())]
        port: u16,
    },
    /// Send characters without end (RFC 864), TCP and UDP
    Chargen {
        /// Port to serve
        #[arg(default_value = "19", value_parser = port())]
        port: u16,
    },
    /// Wait for a TCP connection and join it to stdin and stdout
    Listen {
        #[command(flatten)]
        bridge: BridgeArgs,
        /// Keep listening after a connection has ended
        #[arg(short = 'k')]
        keep: bool,
        /// Port to listen on
        #[arg(value_parser = port())]
        port: u16,
    },
    /// Open a TCP connection and join it to stdin and stdout
    Connect {
        #[command(flatten)]
        bridge: BridgeArgs,
        /// Address to connect to (names do not work yet)
        #[arg(value_parser = address)]
        host: IpAddr,
        /// Port to connect to
        #[arg(value_parser = port())]
        port: u16,
    },
    /// A stand-in for OpenBSD's nc over the kernel's sockets, where nc is not installed
    #[command(hide = true)]
    KernelNc(KernelNcArgs),
    /// A stand-in for dnsmasq over one of the kernel's sockets, where it is not installed
    #[command(hide = true)]
    KernelDhcp(KernelDhcpArgs),
    /// One end of many connections that follow random scripts
    #[command(hide = true)]
    SoakPeer(SoakArgs),
    /// Run a command beside a stack with the memory of a board
    #[command(hide = true)]
    Board(BoardArgs),
}

/// Services beside a command.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServiceArgs {
    /// Serve echo on this port (repeatable); without any service: all three on 7, 9 and 19
    #[arg(long, value_name = "PORT", value_parser = port())]
    pub(crate) echo: Vec<u16>,
    /// Serve discard on this port (repeatable)
    #[arg(long, value_name = "PORT", value_parser = port())]
    pub(crate) discard: Vec<u16>,
    /// Serve chargen on this port (repeatable)
    #[arg(long, value_name = "PORT", value_parser = port())]
    pub(crate) chargen: Vec<u16>,
}

/// What `listen` and `connect` share with nc.
#[derive(Debug, Clone, Args)]
pub(crate) struct BridgeArgs {
    /// Close our direction (FIN) when stdin ends
    #[arg(short = 'N')]
    pub(crate) shut_on_eof: bool,
    /// Give up (exit 4) after this many seconds in which nothing was opened, sent or received
    #[arg(short = 'w', value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) wait: Option<u64>,
}

/// The flags of nc that demo and tests need.
#[derive(Debug, Clone, Args)]
pub(crate) struct KernelNcArgs {
    /// Listen
    #[arg(short = 'l')]
    pub(crate) listen: bool,
    /// Shut down our direction when stdin ends
    #[arg(short = 'N')]
    pub(crate) shut_on_eof: bool,
    /// Send stdin as one datagram and print one that comes back
    #[arg(short = 'u')]
    pub(crate) udp: bool,
    /// Only see whether the ports are open
    #[arg(short = 'z')]
    pub(crate) scan: bool,
    /// Probe the ports with bare segments of these flags (of S, F, P, U), as nmap does
    #[arg(long, value_name = "LETTERS", value_parser = crate::apps::kernel_scan::flags)]
    pub(crate) probe: Option<u8>,
    /// One connection after the other, each with a few octets that must come back
    #[arg(long, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeat: Option<u32>,
    /// Seconds to wait for a connection
    #[arg(short = 'w')]
    pub(crate) wait: Option<u64>,
    /// Address
    pub(crate) host: IpAddr,
    /// Port, or FIRST-LAST with -z
    pub(crate) ports: String,
}

/// The settings of dnsmasq that tests need.
#[derive(Debug, Clone, Args)]
pub(crate) struct KernelDhcpArgs {
    /// Serve on this device
    #[arg(long, value_parser = device_name)]
    pub(crate) device: String,
    /// Its address
    #[arg(long)]
    pub(crate) server: Ipv4Addr,
    /// The first of ten addresses to give away
    #[arg(long)]
    pub(crate) first: Ipv4Addr,
    /// Seconds after which a lease is to be renewed
    #[arg(long)]
    pub(crate) renewal: u32,
}

/// What both ends of a soak must agree on, and where the other one is.
#[derive(Debug, Clone, Args)]
pub(crate) struct SoakArgs {
    /// Be the kernel's end
    #[arg(long)]
    pub(crate) kernel: bool,
    /// The seed of the first connection; the next has the next
    #[arg(long = "from")]
    pub(crate) seed: u64,
    /// Connections
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    pub(crate) count: u64,
    /// Seconds after which the kernel's end gives up
    #[arg(long, default_value = "200")]
    pub(crate) limit: u64,
    /// Where the ends leave each other notes
    #[arg(long)]
    pub(crate) folder: std::path::PathBuf,
    /// The other end over IPv4
    #[arg(long)]
    pub(crate) peer: Ipv4Addr,
    /// The other end over IPv6
    #[arg(long)]
    pub(crate) peer6: Ipv6Addr,
}

/// The memory of a board, and a command beside it.
#[derive(Debug, Clone, Args)]
pub(crate) struct BoardArgs {
    /// The profile of its stack
    #[arg(long, value_enum)]
    pub(crate) profile: BoardProfile,
    #[arg(long)]
    pub(crate) connections: usize,
    #[arg(long, default_value = "0")]
    pub(crate) half_open: usize,
    #[arg(long, default_value = "0")]
    pub(crate) time_wait: usize,
    #[arg(long, default_value = "0")]
    pub(crate) udp_sockets: usize,
    #[arg(long, default_value = "0")]
    pub(crate) records: usize,
    /// Blocks, without --window
    #[arg(long, default_value = "0")]
    pub(crate) blocks: usize,
    /// Bytes of a block, without --window
    #[arg(long, default_value = "64")]
    pub(crate) block_size: usize,
    /// Blocks for windows of so many bytes
    #[arg(long)]
    pub(crate) window: Option<u32>,
    /// The limits of a connection in bytes, where they are not the default
    #[arg(long)]
    pub(crate) limit: Option<u32>,
    /// The largest segment
    #[arg(long)]
    pub(crate) mss: Option<u16>,
    /// The command; it sees our addresses as HIKYAKU_ADDR and HIKYAKU_ADDR6
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<std::ffi::OsString>,
}

/// The profiles of the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BoardProfile {
    /// `hikyaku::Full`
    Full,
    /// `hikyaku::Small`
    Small,
    /// `hikyaku::Tiny`
    Tiny,
}

fn port() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..)
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| {
        "not an IPv4 or IPv6 address; names are not looked up yet, so give the address".to_owned()
    })
}

fn device_name(text: &str) -> Result<String, String> {
    // IFNAMSIZ counts the closing NUL.
    let legal = |c: char| c.is_ascii_graphic() && c != '/' && c != '%' && c != ':';
    if text.is_empty() || text.len() > 15 || !text.chars().all(legal) {
        return Err("a device name has 1 to 15 characters, none of them '/', '%' or ':'".into());
    }
    Ok(text.to_owned())
}

fn hardware_address(text: &str) -> Result<ethernet::Address, String> {
    let octets: Option<Vec<u8>> = text
        .split([':', '-'])
        .map(|octet| u8::from_str_radix(octet, 16).ok().filter(|_| octet.len() == 2))
        .collect();
    let octets = octets.and_then(|octets| <[u8; 6]>::try_from(octets).ok());
    let address = octets.map(ethernet::Address).filter(|address| address.is_unicast());
    address.ok_or_else(|| {
        "not the hardware address of one station; six octets such as 02:00:00:00:00:07, of which \
         the first is even and not all are zero"
            .to_owned()
    })
}

impl LinkArgs {
    /// Whether the link is to carry Ethernet frames.
    pub(crate) fn layer(&self) -> Layer {
        if self.tap.is_some() || self.link == LinkKind::Tap {
            Layer::Frames
        } else {
            Layer::Packets
        }
    }

    /// Finds options that contradict each other, and values that no link takes.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let is_tap = self.layer() == Layer::Frames;
        let problem = match (self.link, is_tap) {
            (LinkKind::Tun | LinkKind::Wire, true) => "--tap NAME is a link of its own kind",
            (LinkKind::Tap, _) if self.tun.is_some() => "--link tap cannot be a TUN",
            (_, false) if self.dhcp => {
                "--dhcp needs Ethernet, which a TUN does not have; add --link tap or --tap NAME"
            }
            (_, false) if self.mac.is_some() => {
                "--mac is for a TAP, a TUN has no hardware address; add --link tap or --tap NAME"
            }
            _ if self.no_probe && !self.dhcp && self.tap.is_none() => {
                "--no-probe is for --tap NAME and --dhcp: on a device of our own nothing is probed"
            }
            _ => return self.check_values(),
        };
        Err(Failure::Usage(problem.to_owned()))
    }

    fn check_values(&self) -> Result<(), Failure> {
        // With DHCP our IPv4 address is the server's choice.
        if !self.dhcp {
            check_ours(self.addr.into(), "--addr")?;
        }
        check_ours(self.addr6.into(), "--addr6")?;
        let (layer, mtu) = (self.layer(), self.mtu);
        if mtu > layer.mtu_max() {
            let (name, max) = (layer.name(), layer.mtu_max());
            return Err(Failure::Usage(format!(
                "--mtu {mtu}: a {name} takes packets of {max} bytes at most; try --mtu {max}"
            )));
        }
        Ok(())
    }
}

impl ServiceArgs {
    /// Finds a port that is given twice, and more services than a stack has listeners for.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let named = [("--echo", &self.echo), ("--discard", &self.discard)];
        let named = named.into_iter().chain([("--chargen", &self.chargen)]);
        let all = named.flat_map(|(option, ports)| ports.iter().map(move |port| (option, *port)));
        let mut seen: Vec<(&str, u16)> = Vec::new();
        for (option, port) in all {
            if let Some((other, _)) = seen.iter().find(|(_, known)| *known == port) {
                return Err(Failure::Usage(format!(
                    "port {port} is named twice, by {other} and by {option}; \
                     give each service a port of its own"
                )));
            }
            seen.push((option, port));
        }
        if seen.len() > SERVICES_MAX {
            return Err(Failure::Usage(format!(
                "{} services are named, and {SERVICES_MAX} are possible; name fewer",
                seen.len()
            )));
        }
        Ok(())
    }
}

impl Command {
    /// Finds values that make no sense whatever the link is.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self {
            Self::Run { services, .. } | Self::Shell { services } => services.check(),
            Self::Connect { host, port, .. } => check_remote(SocketAddr::new(*host, *port)),
            _ => Ok(()),
        }
    }

    /// Whether the command prints data to stdout.
    pub(crate) fn needs_stdout(&self) -> bool {
        matches!(self, Self::Demo { json: true } | Self::Listen { .. } | Self::Connect { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_definition_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn link_options_are_global() {
        for line in ["hikyaku --link tun demo --json", "hikyaku demo --link tun --json"] {
            let cli = parse(line).unwrap();
            assert_eq!(cli.link.link, LinkKind::Tun);
            assert!(matches!(cli.command, Command::Demo { json: true }));
        }
    }

    #[test]
    fn a_command_keeps_its_own_options() {
        let cli = parse("hikyaku run --echo 7 -- nc -v --link x").unwrap();
        let Command::Run { services, command } = cli.command else { panic!("run") };
        assert_eq!(services.echo, [7]);
        assert_eq!(command, ["nc", "-v", "--link", "x"]);
        assert!(!cli.verbose);
    }

    #[test]
    fn nonsense_is_refused_with_exit_code_2() {
        for line in [
            "hikyaku",
            "hikyaku frobnicate",
            "hikyaku run",
            "hikyaku echo 0",
            "hikyaku echo 65536",
            "hikyaku connect example.org 80",
            "hikyaku demo --mtu 1279",
            "hikyaku demo --loss 101",
            "hikyaku demo --loss up:1",
            "hikyaku demo --seed 1",
            "hikyaku demo --tun a/b",
            "hikyaku demo --tun much-too-long-a-name",
            "hikyaku demo --tun a --tap b",
            "hikyaku demo --link tap --mac 02:00:00:00:00",
            "hikyaku demo --link tap --mac 02:00:00:00:00:0",
            "hikyaku demo --link tap --mac 01:00:00:00:00:00",
            "hikyaku demo --link tap --mac 00:00:00:00:00:00",
            "hikyaku demo --link tap --mac 02:00:00:00:00:00:00",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn options_that_contradict_each_other_are_found() {
        for (line, is_fine) in [
            ("hikyaku demo", true),
            ("hikyaku demo --link tap --mac 02-00-00-00-00-ab", true),
            ("hikyaku echo --tap tap0 --dhcp", true),
            ("hikyaku echo --dhcp", false),
            ("hikyaku echo --tun tun0 --mac 02:00:00:00:00:01", false),
            ("hikyaku echo --link tun --tap tap0", false),
            ("hikyaku echo --link tap --tun tun0", false),
        ] {
            assert_eq!(parse(line).unwrap().link.check().is_ok(), is_fine, "{line}");
        }
    }
}
