//! Any bytes as an IPv6 packet with its chain of extension headers.

use super::{clipped, transport};
use hikyaku::wire::ipv6::{Fragment, HEADER_LEN, Header, Refusal, Upper, upper_layer};

/// Reads `data` as a packet, and once more with a payload length that fits.
pub fn ipv6(data: &[u8]) {
    let data = clipped(data);
    packet(data);
    if let Some(length) = data.len().checked_sub(HEADER_LEN) {
        let mut mended = data.to_vec();
        mended[4..6].copy_from_slice(&(length as u16).to_be_bytes());
        packet(&mended);
    }
}

fn packet(data: &[u8]) {
    let quoted = Header::parse_quoted(data);
    let Ok((header, payload)) = Header::parse(data) else { return };
    assert_eq!(quoted, Ok((header, payload)), "a whole packet reads the same when quoted");
    let end = HEADER_LEN + payload.len();
    assert_eq!(data.get(HEADER_LEN..end), Some(payload));

    let mut again = [0; HEADER_LEN];
    assert_eq!(header.emit(payload.len(), &mut again), Ok(HEADER_LEN));
    assert_eq!(again, data[..HEADER_LEN], "every bit of the header has a field");

    match upper_layer(&header, payload, header.destination.is_multicast()) {
        Ok(upper) => carried(&header, &data[..end], upper),
        Err(Refusal::Drop(_)) => {}
        Err(Refusal::ParameterProblem { code, pointer }) => {
            assert!(code <= 2, "code {code}");
            assert!((pointer as usize) < end, "the pointer {pointer} lies in the packet");
            assert!(code == 2 || !header.destination.is_multicast());
        }
    }
}

fn carried(header: &Header, packet: &[u8], upper: Upper<'_>) {
    assert!(packet.ends_with(upper.payload));
    assert_eq!(packet.get(upper.protocol_offset), Some(&upper.protocol.0));
    match upper.fragment {
        Some(fragment) if !fragment.is_atomic() => {
            let start = packet.len() - upper.payload.len() - Fragment::HEADER_LEN;
            let mut canonical = packet[start..start + Fragment::HEADER_LEN].to_vec();
            (canonical[1], canonical[3]) = (0, canonical[3] & 0xf9);
            let mut again = [0; Fragment::HEADER_LEN];
            assert_eq!(fragment.emit(upper.protocol, &mut again), Ok(Fragment::HEADER_LEN));
            assert_eq!(again[..], canonical);
        }
        _ => {
            let (source, destination) = (header.source.into(), header.destination.into());
            transport::any(upper.protocol, upper.payload, source, destination);
        }
    }
}
