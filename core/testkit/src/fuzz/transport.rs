//! What an IP packet carries, read the way a stack would.

use core::net::IpAddr;
use hikyaku::wire::{Protocol, icmpv4, tcp, tcp_options, udp};

/// Reads `payload` by its protocol. IP within IP is a protocol like any that nobody serves.
pub(super) fn any(protocol: Protocol, payload: &[u8], source: IpAddr, destination: IpAddr) {
    match protocol {
        Protocol::TCP => {
            let _ = tcp::verify(payload, source, destination);
            if let Ok((header, text)) = tcp::Header::parse(payload) {
                assert!(payload.ends_with(text));
                let _ = tcp_options::Options::parse(header.options);
            }
        }
        Protocol::UDP => {
            for verify in [true, false] {
                let datagram = udp::parse(payload, source, destination, verify);
                let Ok((header, text)) = datagram else { continue };
                assert_eq!(payload.get(udp::HEADER_LEN..udp::HEADER_LEN + text.len()), Some(text));
                let mut again = [0; udp::HEADER_LEN];
                assert_eq!(header.emit(text.len(), &mut again), Ok(udp::HEADER_LEN));
                assert_eq!(again[..udp::CHECKSUM_OFFSET], payload[..udp::CHECKSUM_OFFSET]);
            }
        }
        Protocol::ICMP => drop(icmpv4::Message::parse(payload)),
        #[cfg(feature = "ipv6")]
        Protocol::ICMPV6 => {
            use hikyaku::wire::icmpv6;
            if let (IpAddr::V6(source), IpAddr::V6(destination)) = (source, destination) {
                let _ = icmpv6::Message::parse(payload, source, destination);
            }
        }
        _ => {}
    }
}
