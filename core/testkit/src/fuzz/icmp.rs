//! Any bytes as an ICMP message, for IPv4 and for IPv6.

use super::clipped;
use hikyaku::wire::checksum::Sum;
use hikyaku::wire::icmpv4::{HEADER_LEN, Message};
use hikyaku::wire::ipv4;

/// Reads `data` as a message, and once more with a right checksum.
pub fn icmp(data: &[u8]) {
    let data = clipped(data);
    message_v4(data);
    if data.len() >= HEADER_LEN {
        let mut mended = data.to_vec();
        mended[2..4].fill(0);
        let mut sum = Sum::ZERO;
        sum.add_bytes(&mended);
        mended[2..4].copy_from_slice(&sum.finish().to_be_bytes());
        assert!(message_v4(&mended), "a message with a right checksum is one");
        #[cfg(feature = "ipv6")]
        v6::messages(&mut mended);
    }
}

fn message_v4(data: &[u8]) -> bool {
    let Ok(message) = Message::parse(data) else { return false };
    let mut again = vec![0; data.len()];
    assert_eq!(message.emit(&mut again), Ok(data.len()));
    assert_eq!(Message::parse(&again), Ok(message));
    match message {
        Message::DestinationUnreachable { quote, .. }
        | Message::ParameterProblem { quote, .. }
        | Message::TimeExceeded { quote, .. } => {
            if let Ok((header, payload)) = ipv4::Header::parse_quoted(quote) {
                assert!(header.header_len() + payload.len() <= quote.len());
            }
        }
        _ => {}
    }
    // The four octets behind the checksum have no meaning in a time exceeded message.
    if !matches!(message, Message::TimeExceeded { .. }) {
        same_but_checksum(data, &again);
    }
    true
}

/// All octets come back as they were; a checksum of all ones may come back as zero.
fn same_but_checksum(data: &[u8], again: &[u8]) {
    assert_eq!(data[..2], again[..2]);
    assert_eq!(data[4..], again[4..]);
}

#[cfg(feature = "ipv6")]
mod v6 {
    use super::same_but_checksum;
    use core::net::Ipv6Addr;
    use hikyaku::wire::Protocol;
    use hikyaku::wire::checksum::pseudo_header;
    use hikyaku::wire::icmpv6::Message;
    use hikyaku::wire::ipv6;

    const SOURCE: Ipv6Addr = Ipv6Addr::new(0xfd69, 0, 0, 0, 0, 0, 0, 1);
    const DESTINATION: Ipv6Addr = Ipv6Addr::new(0xfd69, 0, 0, 0, 0, 0, 0, 2);

    /// Reads `data` with the checksum it has, which IPv6 finds wrong, and with the right one.
    pub(super) fn messages(data: &mut [u8]) {
        message(data);
        data[2..4].fill(0);
        let length = data.len() as u32;
        let mut sum = pseudo_header(SOURCE.into(), DESTINATION.into(), Protocol::ICMPV6, length);
        sum.add_bytes(data);
        data[2..4].copy_from_slice(&sum.finish().to_be_bytes());
        assert!(message(data), "a message with a right checksum is one");
    }

    fn message(data: &[u8]) -> bool {
        let Ok(message) = Message::parse(data, SOURCE, DESTINATION) else { return false };
        let mut again = vec![0; data.len()];
        assert_eq!(message.emit(&mut again, SOURCE, DESTINATION), Ok(data.len()));
        assert_eq!(Message::parse(&again, SOURCE, DESTINATION), Ok(message));
        match message {
            Message::DestinationUnreachable { quote, .. }
            | Message::ParameterProblem { quote, .. }
            | Message::PacketTooBig { quote, .. }
            | Message::TimeExceeded { quote, .. } => {
                if let Ok((_, payload)) = ipv6::Header::parse_quoted(quote) {
                    assert!(ipv6::HEADER_LEN + payload.len() <= quote.len());
                }
            }
            _ => {}
        }
        // A time exceeded message has an unused word, a packet too big message an unused code.
        if !matches!(message, Message::TimeExceeded { .. } | Message::PacketTooBig { .. }) {
            same_but_checksum(data, &again);
        }
        true
    }
}
