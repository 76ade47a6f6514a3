//! ICMP messages (RFC 792).
//!
//! Who may be answered, and how often, is not decided here.

use super::checksum::Sum;
pub use super::icmp::{HEADER_LEN, Header};
use super::icmp::{echo_word, seal, split_word};
use super::{Malformed, NoRoom};

/// Type of an echo reply.
pub const ECHO_REPLY: u8 = 0;
/// Type of a destination unreachable message.
pub const DESTINATION_UNREACHABLE: u8 = 3;
/// Type of an echo request.
pub const ECHO_REQUEST: u8 = 8;
/// Type of a time exceeded message.
pub const TIME_EXCEEDED: u8 = 11;
/// Type of a parameter problem message.
pub const PARAMETER_PROBLEM: u8 = 12;

/// An ICMP message.
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
        /// Why: 4 means that it was too big (RFC 1191).
        code: u8,
        /// The four octets behind the checksum: with code 4 the lower half is the MTU in octets.
        parameter: u32,
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
        /// What kind of problem.
        code: u8,
        /// The four octets behind the checksum: the topmost is the offset of the fault in octets.
        parameter: u32,
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
    /// Reads a message and verifies its checksum.
    ///
    /// # Errors
    ///
    /// Fewer than eight octets, or a wrong checksum.
    pub fn parse(message: &'a [u8]) -> Result<Self, Malformed> {
        let (header, rest) = Header::split(message).ok_or(Malformed::Truncated)?;
        let mut sum = Sum::ZERO;
        sum.add_bytes(message);
        if sum.finish() != 0 {
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
            (TIME_EXCEEDED, _) => Self::TimeExceeded { code, quote: rest },
            (PARAMETER_PROBLEM, _) => Self::ParameterProblem { code, parameter: word, quote: rest },
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
            Self::TimeExceeded { code, quote } => (TIME_EXCEEDED, code, 0, quote),
            Self::ParameterProblem { code, parameter, quote } => {
                (PARAMETER_PROBLEM, code, parameter, quote)
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
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, NoRoom> {
        let (header, body) = self.parts();
        let message = header.emit_with(body, buffer)?;
        let mut sum = Sum::ZERO;
        sum.add_bytes(message);
        Ok(seal(message, sum.finish()))
    }
}
