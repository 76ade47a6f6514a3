//! Any bytes as a TCP segment, and as TCP options.

use super::clipped;
use core::net::{IpAddr, Ipv4Addr};
use hikyaku::wire::Protocol;
use hikyaku::wire::checksum::pseudo_header;
use hikyaku::wire::tcp::{CHECKSUM_OFFSET, HEADER_MAX, Header, verify};
use hikyaku::wire::tcp_options::{LEN_MAX, Options};

const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 69, 1));
const DESTINATION: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 69, 2));

/// Reads `data` as a segment, options included.
pub fn tcp_header(data: &[u8]) {
    let data = clipped(data);
    let Ok((header, text)) = Header::parse(data) else { return };
    let header_len = header.header_len();
    assert_eq!(header_len + text.len(), data.len());

    let mut again = [0; HEADER_MAX];
    assert_eq!(header.emit(&mut again), Ok(header_len));
    let mut canonical = data.to_vec();
    canonical[12] &= 0xf1;
    canonical[CHECKSUM_OFFSET..CHECKSUM_OFFSET + 2].fill(0);
    assert_eq!(again[..header_len], canonical[..header_len], "all but reserved bits comes back");

    let length = data.len() as u32;
    let mut sum = pseudo_header(SOURCE, DESTINATION, Protocol::TCP, length);
    sum.add_bytes(&canonical);
    let checksum = sum.finish().to_be_bytes();
    canonical[CHECKSUM_OFFSET..CHECKSUM_OFFSET + 2].copy_from_slice(&checksum);
    assert!(verify(&canonical, SOURCE, DESTINATION));
    canonical[0] ^= 1;
    assert!(!verify(&canonical, SOURCE, DESTINATION), "one wrong bit is seen");

    tcp_options(header.options);
}

/// Reads `data` as the options of a segment.
pub fn tcp_options(data: &[u8]) {
    let parsed = Options::parse(data);
    assert_ne!(parsed.mss, Some(0), "a maximum segment size of zero is none");
    let mut buffer = [0; LEN_MAX];
    let length = parsed.emit(&mut buffer).expect("40 octets are room for all options");
    assert_eq!(length, parsed.emitted_len());
    assert_eq!(length % 4, 0);

    let emitted = &buffer[..length];
    let again = Options::parse(emitted);
    // Only SACK blocks for which there is no room may be lost, the last first.
    assert!(parsed.sack.starts_with(&again.sack));
    let mut expected = parsed;
    expected.sack.truncate(again.sack.len());
    assert_eq!(again, expected);
    let mut buffer = [0; LEN_MAX];
    assert_eq!(again.emit(&mut buffer), Ok(length));
    assert_eq!(&buffer[..length], emitted, "what was emitted once is emitted so again");
}
