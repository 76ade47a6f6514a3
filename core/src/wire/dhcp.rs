//! DHCPv4 messages as a client meets them (RFC 2131, RFC 2132): requests out, replies in.
//!
//! A reply that is returned is well-formed and nothing more: whether it answers a request, and
//! whether its address can be used, is decided in `service`.

use core::net::Ipv4Addr;

use byteorder::{ByteOrder, NetworkEndian};

use super::{Malformed, NoRoom};

/// The port of clients.
pub const CLIENT_PORT: u16 = 68;
/// The port of servers and relays.
pub const SERVER_PORT: u16 = 67;
/// Octets of the largest message that every client must take (RFC 2131 §2): a packet of 576 less
/// the headers of IPv4 and UDP. Our requests ask servers to send no larger ones.
pub const REPLY_MAX: usize = 576 - 28;
/// Octets of each request: as long as relays of BOOTP demand (RFC 1542 §2.1).
pub const REQUEST_LEN: usize = 300;
/// The most DNS servers that are taken from a reply.
pub const DNS_MAX: usize = 3;

/// RFC 2131 §3: the first four octets of the options.
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Where the fields of BOOTP end and the cookie begins.
const COOKIE_AT: usize = 236;
const SNAME_AT: usize = 44;
const FILE_AT: usize = 108;

/// Codes of options (RFC 2132).
mod code {
    pub(super) const PAD: u8 = 0;
    pub(super) const SUBNET_MASK: u8 = 1;
    pub(super) const ROUTER: u8 = 3;
    pub(super) const DNS: u8 = 6;
    pub(super) const MTU: u8 = 26;
    pub(super) const REQUESTED: u8 = 50;
    pub(super) const LEASE: u8 = 51;
    pub(super) const OVERLOAD: u8 = 52;
    pub(super) const KIND: u8 = 53;
    pub(super) const SERVER: u8 = 54;
    pub(super) const WANTED: u8 = 55;
    pub(super) const SIZE_MAX: u8 = 57;
    pub(super) const RENEWAL: u8 = 58;
    pub(super) const REBINDING: u8 = 59;
    pub(super) const END: u8 = 255;
}

/// What a message is (RFC 2132 §9.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum Kind {
    /// A client looks for servers.
    Discover = 1,
    /// A server offers an address.
    Offer = 2,
    /// A client asks for an address, or to keep it.
    Request = 3,
    /// A client found the address in use.
    Decline = 4,
    /// A server grants what was asked for.
    Ack = 5,
    /// A server refuses what was asked for.
    Nak = 6,
    /// A client needs the address no more.
    Release = 7,
}

/// A message from a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Request {
    /// What it is: `Discover`, `Request`, `Decline` or `Release`.
    pub kind: Kind,
    /// Ties replies to it.
    pub xid: u32,
    /// Seconds since the client began to look for an address.
    pub secs: u16,
    /// Our hardware address.
    pub hardware: [u8; 6],
    /// The address that we have and answer for; unspecified where we have none (`ciaddr`).
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    pub address: Ipv4Addr,
    /// The address that we would like to have.
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    pub requested: Option<Ipv4Addr>,
    /// The server that is meant.
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    pub server: Option<Ipv4Addr>,
}

impl Request {
    /// Writes the message. Returns its length, always [`REQUEST_LEN`].
    ///
    /// # Errors
    ///
    /// The buffer is shorter than that.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, NoRoom> {
        let message = buffer.first_chunk_mut::<REQUEST_LEN>().ok_or(NoRoom)?;
        // What is not written stays zero: pad options too, behind the end.
        *message = [0; REQUEST_LEN];
        // BOOTREQUEST, over Ethernet, six octets of hardware address.
        message[..3].copy_from_slice(&[1, 1, 6]);
        message[4..8].copy_from_slice(&self.xid.to_be_bytes());
        message[8..10].copy_from_slice(&self.secs.to_be_bytes());
        let asks = matches!(self.kind, Kind::Discover | Kind::Request);
        // RFC 2131 §4.1: without an address we take no unicast packets, so replies are broadcast.
        if asks && self.address.is_unspecified() {
            message[10] = 0x80;
        }
        message[12..16].copy_from_slice(&self.address.octets());
        message[28..34].copy_from_slice(&self.hardware);
        message[COOKIE_AT..240].copy_from_slice(&COOKIE);
        let mut options = Options { octets: &mut message[240..] };
        options.push(code::KIND, &[self.kind as u8])?;
        if let Some(address) = self.requested {
            options.push(code::REQUESTED, &address.octets())?;
        }
        if let Some(server) = self.server {
            options.push(code::SERVER, &server.octets())?;
        }
        // RFC 2131 §4.4.1, table 5: not in DHCPDECLINE and DHCPRELEASE.
        if asks {
            options.push(code::SIZE_MAX, &576_u16.to_be_bytes())?;
            options.push(
                code::WANTED,
                &[
                    code::SUBNET_MASK,
                    code::ROUTER,
                    code::DNS,
                    code::MTU,
                    code::LEASE,
                    code::RENEWAL,
                    code::REBINDING,
                ],
            )?;
        }
        options.put(&[code::END])?;
        Ok(REQUEST_LEN)
    }
}

/// Room for options.
struct Options<'b> {
    octets: &'b mut [u8],
}

impl Options<'_> {
    fn push(&mut self, code: u8, value: &[u8]) -> Result<(), NoRoom> {
        self.put(&[code, u8::try_from(value.len()).map_err(|_| NoRoom)?])?;
        self.put(value)
    }

    fn put(&mut self, value: &[u8]) -> Result<(), NoRoom> {
        let room = core::mem::take(&mut self.octets);
        let (to, rest) = room.split_at_mut_checked(value.len()).ok_or(NoRoom)?;
        to.copy_from_slice(value);
        self.octets = rest;
        Ok(())
    }
}

/// A message from a server: its fields, and those of its options that we know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Reply {
    /// What it is: `Offer`, `Ack` or `Nak`.
    pub kind: Kind,
    /// Which request it answers.
    pub xid: u32,
    /// Whose request it answers.
    pub hardware: [u8; 6],
    /// The address offered or granted (`yiaddr`).
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    pub address: Ipv4Addr,
    /// Who answers (RFC 2132 §9.7).
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    pub server: Option<Ipv4Addr>,
    /// How long the address may be used, seconds; `u32::MAX` for ever (RFC 2132 §9.2).
    pub lease: Option<u32>,
    /// After how many seconds it is to be renewed: T1 (RFC 2132 §9.11).
    pub renewal: Option<u32>,
    /// After how many seconds any server is to be asked: T2 (RFC 2132 §9.12).
    pub rebinding: Option<u32>,
    /// Bits of the subnet mask (RFC 2132 §3.3).
    pub prefix: Option<u8>,
    /// The first router (RFC 2132 §3.5).
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    pub router: Option<Ipv4Addr>,
    /// The first DNS servers (RFC 2132 §3.8).
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    pub dns: heapless::Vec<Ipv4Addr, DNS_MAX>,
    /// The MTU of the link (RFC 2132 §5.1): 68 at least.
    pub mtu: Option<u16>,
}

impl Reply {
    /// Reads a message. Options that we do not know are passed over; of one that comes more than
    /// once the first counts, but lists of DNS servers are joined (RFC 3396 §5).
    ///
    /// # Errors
    ///
    /// It is short (`Truncated`); it is no reply, not for Ethernet, or of BOOTP before DHCP
    /// (`BadVersion`); an option runs over the end, has an impossible length or value, or does not
    /// say what message of a server this is (`BadOption`).
    pub fn parse(message: &[u8]) -> Result<Self, Malformed> {
        let (head, options) = message.split_first_chunk::<240>().ok_or(Malformed::Truncated)?;
        // BOOTREPLY, over Ethernet, six octets of hardware address.
        if !matches!(head, [2, 1, 6, ..]) || head[COOKIE_AT..] != COOKIE {
            return Err(Malformed::BadVersion);
        }
        let mut hardware = [0; 6];
        hardware.copy_from_slice(&head[28..34]);
        let mut reply = Self {
            kind: Kind::Discover,
            xid: NetworkEndian::read_u32(&head[4..8]),
            hardware,
            address: Ipv4Addr::from_bits(NetworkEndian::read_u32(&head[16..20])),
            server: None,
            lease: None,
            renewal: None,
            rebinding: None,
            prefix: None,
            router: None,
            dns: heapless::Vec::new(),
            mtu: None,
        };
        let overload = reply.take_options(options, true)?;
        // RFC 2131 §4.1: `file` first, then `sname`; neither can overload once more.
        if overload & 1 != 0 {
            reply.take_options(&head[FILE_AT..COOKIE_AT], false)?;
        }
        if overload & 2 != 0 {
            reply.take_options(&head[SNAME_AT..FILE_AT], false)?;
        }
        if matches!(reply.kind, Kind::Offer | Kind::Ack | Kind::Nak) {
            Ok(reply)
        } else {
            Err(Malformed::BadOption)
        }
    }

    /// Takes a row of options. Returns which other fields hold more of them.
    fn take_options(&mut self, mut octets: &[u8], may_overload: bool) -> Result<u8, Malformed> {
        let mut overload = 0;
        while let Some((code, rest)) = octets.split_first() {
            octets = match *code {
                code::PAD => rest,
                code::END => break,
                code => {
                    let (len, rest) = rest.split_first().ok_or(Malformed::BadOption)?;
                    let (value, rest) =
                        rest.split_at_checked(usize::from(*len)).ok_or(Malformed::BadOption)?;
                    match value {
                        [fields @ 1..=3] if code == code::OVERLOAD && may_overload => {
                            overload = *fields;
                        }
                        _ => self.take_option(code, value).ok_or(Malformed::BadOption)?,
                    }
                    rest
                }
            };
        }
        Ok(overload)
    }

    fn take_option(&mut self, code: u8, value: &[u8]) -> Option<()> {
        match code {
            code::KIND => {
                let kind = match value {
                    [2] => Kind::Offer,
                    [5] => Kind::Ack,
                    [6] => Kind::Nak,
                    _ => return None,
                };
                if self.kind == Kind::Discover {
                    self.kind = kind;
                }
            }
            code::SERVER => first(&mut self.server, address(value)?),
            code::LEASE => first(&mut self.lease, number(value)?),
            code::RENEWAL => first(&mut self.renewal, number(value)?),
            code::REBINDING => first(&mut self.rebinding, number(value)?),
            code::SUBNET_MASK => {
                let mask = number(value)?;
                // RFC 950 allowed holes in a mask; RFC 4632 §5.1 has none.
                let prefix = mask.leading_ones();
                if mask.checked_shl(prefix).unwrap_or(0) != 0 || prefix == 0 {
                    return None;
                }
                first(&mut self.prefix, prefix as u8);
            }
            code::ROUTER => {
                let (router, more) = value.split_at_checked(4)?;
                if !more.len().is_multiple_of(4) {
                    return None;
                }
                first(&mut self.router, address(router)?);
            }
            code::DNS => {
                let (servers, []) = value.as_chunks::<4>() else { return None };
                if servers.is_empty() {
                    return None;
                }
                for server in servers {
                    // What finds no room any more is not wanted.
                    let _ = self.dns.push(Ipv4Addr::from(*server));
                }
            }
            code::MTU => {
                let mtu = u16::from_be_bytes(*value.first_chunk()?);
                if value.len() != 2 || mtu < 68 {
                    return None;
                }
                first(&mut self.mtu, mtu);
            }
            code::OVERLOAD if !matches!(value, [1..=3]) => return None,
            _ => {}
        }
        Some(())
    }
}

/// Of an option that comes twice the first counts.
fn first<T>(place: &mut Option<T>, value: T) {
    place.get_or_insert(value);
}

fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.try_into().ok()?))
}

fn address(value: &[u8]) -> Option<Ipv4Addr> {
    number(value).map(Ipv4Addr::from_bits)
}

#[cfg(test)]
mod tests;
