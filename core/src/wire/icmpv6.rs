//! ICMPv6 messages (RFC 4443).
//!
//! Who may be answered, and how often, is not decided here; neighbour discovery is read elsewhere,
//! from [`Message::Other`].

use core::net::Ipv6Addr;

use super::checksum::pseudo_header;
pub use super::icmp::{HEADER_LEN, Header};
use super::icmp::{echo_word, seal, split_word};
use super::{Malformed, NoRoom, Protocol};

/// Type of a destination unreachable message.
pub const DESTINATION_UNREACHABLE: u8 = 1;
/// Type of a packet too big message.
pub const PACKET_TOO_BIG: u8 = 2;
/// Type of a time exceeded message.
pub const TIME_EXCEEDED: u8 = 3;
/// Type of a parameter problem message.
pub const PARAMETER_PROBLEM: u8 = 4;
/// Type of an echo request.
pub const ECHO_REQUEST: u8 = 128;
/// Type of an echo reply.
pub const ECHO_REPLY: u8 = 129;

/// An ICMPv6 message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Message<'a> {
    /// Asks for an [`EchoReply`](Self::EchoReply).
    EchoRequest {
        /// Which asker on that host.
        identifier: u16,
        /// Which of its requests.
        sequence: u16,
        /// What is to be sent back.
        data: &'a [u8],
    },
    /// Answers an [`EchoRequest`](Self::EchoRequest).
    EchoReply {
        /// As in the request.
        identifier: u16,
        /// As in the request.
        sequence: u16,
        /// As in the request.
        data: &'a [u8],
    },
    /// A packet could not be delivered.
    DestinationUnreachable {
        /// Why.
        code: u8,
        /// The four octets behind the checksum, unused so far.
        parameter: u32,
        /// The beginning of the packet.
        quote: &'a [u8],
    },
    /// A packet was bigger than the next link takes.
    PacketTooBig {
        /// The MTU of that link in octets.
        mtu: u32,
        /// The beginning of the packet.
        quote: &'a [u8],
    },
    /// A packet was too long on its way, or its fragments were.
    TimeExceeded {
        /// 0 on its way, 1 being put together.
        code: u8,
        /// The beginning of the packet.
        quote: &'a [u8],
    },
    /// A packet could not be understood.
    ParameterProblem {
        /// 0 a wrong field, 1 an unknown next header, 2 an unknown option, 3 an incomplete chain.
        code: u8,
        /// The offset of the fault in the packet, in octets.
        pointer: u32,
        /// The beginning of the packet.
        quote: &'a [u8],
    },
    /// A message of another type, or an echo message with a code.
    Other {
        /// Its type.
        kind: u8,
        /// Its code.
        code: u8,
        /// All behind the checksum: at least four octets.
        body: &'a [u8],
    },
}

impl<'a> Message<'a> {
    /// Reads a message and verifies its checksum, which covers the addresses too.
    ///
    /// # Errors
    ///
    /// Fewer than eight octets, or a wrong checksum.
    pub fn parse(
        message: &'a [u8],
        source: Ipv6Addr,
        destination: Ipv6Addr,
    ) -> Result<Self, Malformed> {
        let (header, rest) = Header::split(message).ok_or(Malformed::Truncated)?;
        if checksum(message, source, destination) != 0 {
            return Err(Malformed::BadChecksum);
        }
        let Header { kind, code, word } = header;
        let (identifier, sequence) = ((word >> 16) as u16, word as u16);
        Ok(match (kind, code) {
            (ECHO_REQUEST, 0) => Self::EchoRequest { identifier, sequence, data: rest },
            (ECHO_REPLY, 0) => Self::EchoReply { identifier, sequence, data: rest },
            (DESTINATION_UNREACHABLE, _) => {
                Self::DestinationUnreachable { code, parameter: word, quote: rest }
            }
            // RFC 4443 §3.2: the receiver ignores the code.
            (PACKET_TOO_BIG, _) => Self::PacketTooBig { mtu: word, quote: rest },
            (TIME_EXCEEDED, _) => Self::TimeExceeded { code, quote: rest },
            (PARAMETER_PROBLEM, _) => Self::ParameterProblem { code, pointer: word, quote: rest },
            _ => Self::Other { kind, code, body: message.get(4..).unwrap_or(&[]) },
        })
    }

    /// The header, and what follows it.
    #[must_use]
    pub fn parts(&self) -> (Header, &'a [u8]) {
        let (kind, code, word, body) = match *self {
            Self::EchoRequest { identifier, sequence, data } => {
                (ECHO_REQUEST, 0, echo_word(identifier, sequence), data)
            }
            Self::EchoReply { identifier, sequence, data } => {
                (ECHO_REPLY, 0, echo_word(identifier, sequence), data)
            }
            Self::DestinationUnreachable { code, parameter, quote } => {
                (DESTINATION_UNREACHABLE, code, parameter, quote)
            }
            Self::PacketTooBig { mtu, quote } => (PACKET_TOO_BIG, 0, mtu, quote),
            Self::TimeExceeded { code, quote } => (TIME_EXCEEDED, code, 0, quote),
            Self::ParameterProblem { code, pointer, quote } => {
                (PARAMETER_PROBLEM, code, pointer, quote)
            }
            Self::Other { kind, code, body } => {
                let (word, rest) = split_word(body);
                (kind, code, word, rest)
            }
        };
        (Header { kind, code, word }, body)
    }

    /// Writes the whole message, checksum included, and returns its length.
    ///
    /// # Errors
    ///
    /// The buffer is shorter than the message.
    pub fn emit(
        &self,
        buffer: &mut [u8],
        source: Ipv6Addr,
        destination: Ipv6Addr,
    ) -> Result<usize, NoRoom> {
        let (header, body) = self.parts();
        let message = header.emit_with(body, buffer)?;
        let checksum = checksum(message, source, destination);
        Ok(seal(message, checksum))
    }
}

fn checksum(message: &[u8], source: Ipv6Addr, destination: Ipv6Addr) -> u16 {
    // RFC 4443 §2.3: unlike in IPv4, the pseudo header is part of the sum.
    let length = message.len() as u32;
    let mut sum = pseudo_header(source.into(), destination.into(), Protocol::ICMPV6, length);
    sum.add_bytes(message);
    sum.finish()
}
