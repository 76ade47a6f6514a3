//! Any bytes as an IPv4 packet.

use super::{clipped, transport};
use hikyaku::wire::checksum::Sum;
use hikyaku::wire::ipv4::{HEADER_MIN, Header};

/// Reads `data` as it is, then once more with a right checksum, so that a fuzzer gets behind it.
pub fn ipv4(data: &[u8]) {
    let data = clipped(data);
    packet(data);
    let header_len = data.first().map_or(0, |first| usize::from(first & 0xf) * 4);
    if (HEADER_MIN..=data.len()).contains(&header_len) {
        let mut mended = data.to_vec();
        mended[10..12].fill(0);
        let mut sum = Sum::ZERO;
        sum.add_bytes(&mended[..header_len]);
        mended[10..12].copy_from_slice(&sum.finish().to_be_bytes());
        packet(&mended);
    }
}

fn packet(data: &[u8]) {
    let quoted = Header::parse_quoted(data);
    let Ok((header, payload)) = Header::parse(data) else { return };
    assert_eq!(quoted, Ok((header, payload)), "a whole packet reads the same when quoted");
    let header_len = header.header_len();
    assert_eq!(header_len % 4, 0);
    // What lies behind the packet's end is never part of it.
    assert_eq!(data.get(header_len..header_len + payload.len()), Some(payload));

    let mut again = vec![0; header_len];
    assert_eq!(header.emit(payload.len(), &mut again), Ok(header_len));
    again.extend_from_slice(payload);
    assert_eq!(Header::parse(&again), Ok((header, payload)));
    // All but the reserved flag and the checksum, which has two zeros, comes back as it was.
    let mut canonical = data[..header_len].to_vec();
    canonical[6] &= 0x7f;
    canonical[10..12].copy_from_slice(&again[10..12]);
    assert_eq!(again[..header_len], canonical);

    if !header.is_fragment() {
        let (source, destination) = (header.source.into(), header.destination.into());
        transport::any(header.protocol, payload, source, destination);
    }
}
