use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const HARDWARE: [u8; 6] = [0x02, 1, 2, 3, 4, 5];

/// A reply of a server, by hand: 10.0.0.9 for our hardware address.
fn reply(options: &[u8]) -> Vec<u8> {
    let mut message = std::vec![0; COOKIE_AT];
    message[..3].copy_from_slice(&[2, 1, 6]);
    message[4..8].copy_from_slice(&[0xde, 0xad, 0xbe, 0xef]);
    message[16..20].copy_from_slice(&[10, 0, 0, 9]);
    message[28..34].copy_from_slice(&HARDWARE);
    message.extend([99, 130, 83, 99]);
    message.extend(options);
    message
}

const ACK: [u8; 3] = [53, 1, 5];

fn ack(options: &[u8]) -> Vec<u8> {
    reply(&[&ACK, options, &[255]].concat())
}

#[test]
fn every_option_is_read() {
    let options: [&[u8]; 10] = [
        &[0, 0, 12, 3, b'a', b'b', b'c'],
        &[54, 4, 10, 0, 0, 1],
        &[51, 4, 0, 0, 0x0e, 0x10],
        &[58, 4, 0, 0, 0, 100],
        &[59, 4, 0, 0, 0, 200],
        &[1, 4, 255, 255, 254, 0],
        &[3, 8, 10, 0, 0, 2, 10, 0, 0, 3],
        &[6, 4, 9, 9, 9, 9],
        &[6, 12, 1, 1, 1, 1, 8, 8, 8, 8, 8, 8, 4, 4],
        &[26, 2, 5, 0xdc],
    ];
    let read = Reply::parse(&ack(&options.concat())).unwrap();
    let ip = |text: &str| text.parse::<Ipv4Addr>().unwrap();
    let mut dns = heapless::Vec::new();
    for server in ["9.9.9.9", "1.1.1.1", "8.8.8.8"] {
        dns.push(ip(server)).unwrap();
    }
    let expected = Reply {
        kind: Kind::Ack,
        xid: 0xdead_beef,
        hardware: HARDWARE,
        address: ip("10.0.0.9"),
        server: Some(ip("10.0.0.1")),
        lease: Some(3600),
        renewal: Some(100),
        rebinding: Some(200),
        prefix: Some(23),
        router: Some(ip("10.0.0.2")),
        dns,
        mtu: Some(1500),
    };
    assert_eq!(read, expected);
}

#[test]
fn what_is_wrong_is_refused() {
    let bad: [&[u8]; 22] = [
        &[54, 3, 10, 0, 0],
        &[54, 5, 10, 0, 0, 1, 1],
        &[54, 0],
        &[51, 2, 1, 1],
        &[51, 8, 0, 0, 0, 1, 0, 0, 0, 1],
        &[58, 0],
        &[59, 1, 1],
        &[1, 4, 255, 0, 255, 0],
        &[1, 4, 0, 0, 0, 0],
        &[1, 4, 0, 255, 255, 255],
        &[3, 0],
        &[3, 6, 10, 0, 0, 1, 10, 0],
        &[6, 0],
        &[6, 7, 1, 1, 1, 1, 1, 1, 1],
        &[26, 1, 9],
        &[26, 3, 9, 9, 9],
        &[26, 2, 0, 67],
        &[52, 1, 0],
        &[52, 1, 4],
        &[52, 2, 1, 1],
        &[53, 1, 1],
        &[53, 2, 5, 5],
    ];
    for options in bad {
        let read = Reply::parse(&ack(options));
        assert_eq!(read, Err(Malformed::BadOption), "{options:?}");
    }
    let cut: [&[u8]; 5] =
        [&[], &[53], &[53, 1], &[53, 1, 5, 54, 4, 10, 0, 0], &[53, 1, 5, 12, 255]];
    for options in cut {
        assert_eq!(Reply::parse(&reply(options)), Err(Malformed::BadOption), "{options:?}");
    }
    // Servers that leave the end option out are understood.
    assert!(Reply::parse(&reply(&ACK)).is_ok());
    let good = ack(&[]);
    for (at, value) in [(0, 1), (0, 3), (1, 6), (2, 16), (236, 98), (239, 0)] {
        let mut message = good.clone();
        message[at] = value;
        assert_eq!(Reply::parse(&message), Err(Malformed::BadVersion), "octet {at}");
    }
    for len in 0..240 {
        assert_eq!(Reply::parse(&good[..len]), Err(Malformed::Truncated));
    }
}

#[test]
fn options_go_on_where_overload_says_and_nowhere_else() {
    let lease = [51, 4, 0, 0, 1, 0, 255];
    let server = [52, 1, 3, 54, 4, 10, 0, 0, 1, 255];
    for (fields, leased, served) in [(1, true, false), (2, false, true), (3, true, true)] {
        let mut message = ack(&[52, 1, fields]);
        message[FILE_AT..][..lease.len()].copy_from_slice(&lease);
        message[SNAME_AT..][..server.len()].copy_from_slice(&server);
        let read = Reply::parse(&message).unwrap();
        assert_eq!((read.lease.is_some(), read.server.is_some()), (leased, served), "{fields}");
    }
    let mut message = ack(&[52, 1, 2]);
    // The last option of `sname` must not run into `file`.
    message[SNAME_AT..FILE_AT].fill(0);
    message[FILE_AT - 2..FILE_AT].copy_from_slice(&[12, 1]);
    assert_eq!(Reply::parse(&message), Err(Malformed::BadOption));
}

#[test]
fn of_options_that_contradict_each_other_the_first_counts() {
    let twice = [[51, 4, 0, 0, 1, 0], [51, 4, 0, 0, 2, 0]].concat();
    assert_eq!(Reply::parse(&ack(&twice)).unwrap().lease, Some(256));
    assert_eq!(Reply::parse(&ack(&[53, 1, 6])).unwrap().kind, Kind::Ack);
}

#[test]
fn requests_are_laid_out_as_the_rfc_draws_them() {
    let none = Ipv4Addr::UNSPECIFIED;
    let (us, server) = (Ipv4Addr::new(10, 0, 0, 9), Ipv4Addr::new(10, 0, 0, 1));
    let tail: &[u8] = &[57, 2, 2, 64, 55, 7, 1, 3, 6, 26, 51, 58, 59, 255];
    let table = [
        (Kind::Discover, none, None, None, 0x80, [&[53, 1, 1], tail].concat()),
        (
            Kind::Request,
            none,
            Some(us),
            Some(server),
            0x80,
            [&[53, 1, 3, 50, 4, 10, 0, 0, 9, 54, 4, 10, 0, 0, 1], tail].concat(),
        ),
        (Kind::Request, us, None, None, 0, [&[53, 1, 3], tail].concat()),
        (
            Kind::Decline,
            none,
            Some(us),
            Some(server),
            0,
            std::vec![53, 1, 4, 50, 4, 10, 0, 0, 9, 54, 4, 10, 0, 0, 1, 255],
        ),
    ];
    for (kind, address, requested, server, flags, options) in table {
        let hardware = HARDWARE;
        let request =
            Request { kind, xid: 0x0102_0304, secs: 0x0506, hardware, address, requested, server };
        let mut buffer = [0xff; REQUEST_LEN];
        assert_eq!(request.emit(&mut buffer), Ok(REQUEST_LEN));
        assert_eq!(buffer[..12], [1, 1, 6, 0, 1, 2, 3, 4, 5, 6, flags, 0]);
        assert_eq!(buffer[12..16], address.octets());
        assert_eq!(buffer[16..28], [0; 12]);
        assert_eq!(buffer[28..34], HARDWARE);
        assert!(buffer[34..236].iter().all(|octet| *octet == 0));
        assert_eq!(buffer[236..240], [0x63, 0x82, 0x53, 0x63]);
        assert_eq!(buffer[240..][..options.len()], options);
        assert!(buffer[240 + options.len()..].iter().all(|octet| *octet == 0));
        assert_eq!(request.emit(&mut buffer[..REQUEST_LEN - 1]), Err(NoRoom));
    }
}

proptest! {
    #[test]
    fn no_octets_are_read_wrongly(options in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(read) = Reply::parse(&reply(&options)) {
            prop_assert!(read.prefix.is_none_or(|prefix| (1..=32).contains(&prefix)));
            prop_assert!(read.mtu.is_none_or(|mtu| mtu >= 68));
            prop_assert!(matches!(read.kind, Kind::Offer | Kind::Ack | Kind::Nak));
        }
    }

    /// Options in any order, with any others between them.
    #[test]
    fn any_order_of_options_says_the_same(
        seed in any::<u64>(),
        others in prop::collection::vec((60_u8..250, prop::collection::vec(any::<u8>(), 0..9)), 4),
        lease in any::<u32>(),
        server in any::<u32>(),
        prefix in 1_u32..=32,
    ) {
        let mask = u32::MAX << (32 - prefix);
        let mut rows: Vec<Vec<u8>> = std::vec![ACK.to_vec(), std::vec![0]];
        for (code, value) in [(51, lease), (54, server), (1, mask)] {
            rows.push([&[code, 4][..], &value.to_be_bytes()].concat());
        }
        for (code, value) in &others {
            rows.push([&[*code, value.len() as u8][..], value].concat());
        }
        let mut state = seed;
        for at in (1..rows.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            rows.swap(at, (state >> 33) as usize % (at + 1));
        }
        rows.push(std::vec![255, 1, 2, 3]);
        let read = Reply::parse(&reply(&rows.concat())).unwrap();
        prop_assert_eq!(read.lease, Some(lease));
        prop_assert_eq!(read.server, Some(Ipv4Addr::from_bits(server)));
        prop_assert_eq!(read.prefix, Some(prefix as u8));
    }
}
