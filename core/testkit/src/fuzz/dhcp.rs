//! Any bytes as a DHCP message: read alone, and taken by a client that waits for an answer.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use hikyaku::service::dhcp::{Client, Config, State};
use hikyaku::wire::dhcp::{DNS_MAX, Kind, Reply};
use hikyaku::{Capacity, Duration, Full, Instant, Secret, Stack, Storage};

use super::clipped;
use crate::forge;

const HARDWARE: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// Reads `data` as a reply, and gives it to clients that look for an address, ask for one and
/// renew one: as the answer that they wait for.
pub fn dhcp(data: &[u8]) {
    let data = clipped(data);
    if let Ok(reply) = Reply::parse(data) {
        assert!(matches!(reply.kind, Kind::Offer | Kind::Ack | Kind::Nak));
        assert!(reply.prefix.is_none_or(|prefix| (1..=32).contains(&prefix)));
        assert!(reply.dns.len() <= DNS_MAX);
        // What lies behind the end of the options is not looked at.
        if data.last() == Some(&255) && reply.kind != Kind::Nak {
            assert_eq!(Reply::parse(&[data, &[255, 1]].concat()), Ok(reply));
        }
    }
    let capacity = Capacity {
        connections: 1,
        listeners: 1,
        half_open: 1,
        time_wait: 1,
        udp_sockets: 1,
        neighbors: 0,
        blocks: 12,
        block_size: 256,
        records: 1,
    };
    let secret = Secret::new([1; 16]).expect("not all zero");
    let mut stack: Stack<'_, Full> =
        Stack::new(Storage::allocate(&capacity), &hikyaku::Config::new(), secret).expect("a stack");
    let mut client = Client::new(Config::new(HARDWARE));
    let mut now = Instant::ZERO;
    // An offer and a grant of what it offers, then as many renewals, or the end.
    for _ in 0..6 {
        let xids = turn(&mut stack, &mut client, now);
        let looks = client.state() == State::Selecting;
        for xid in xids {
            answer(&mut stack, data, (xid, looks), now);
        }
        now = client.next_wake().unwrap_or(now + Duration::from_secs(1)).max(now);
    }
    if let Some(lease) = client.lease() {
        assert!(!lease.address.is_multicast() && !lease.address.is_broadcast());
        assert!((1..=32).contains(&lease.prefix));
        assert!(lease.expires_at.is_none_or(|at| at > Instant::ZERO + Duration::from_secs(9)));
    }
    let counters = client.counters();
    assert!(counters.taken + counters.malformed + counters.ignored <= counters.sent);
}

/// What is due is done. Returns the xids of what was asked.
fn turn(stack: &mut Stack<'_, Full>, client: &mut Client, now: Instant) -> Vec<[u8; 4]> {
    let mut events = 0;
    let mut xids = Vec::new();
    let mut packet = [0; 1500];
    loop {
        while client.poll(stack, now).is_some() {
            events += 1;
            assert!(events < 9, "events without end");
        }
        let Some(len) = stack.transmit(now, &mut packet) else { return xids };
        let message = packet.get(28..len).expect("a datagram");
        xids.extend(message.get(4..).and_then(<[u8]>::first_chunk).copied());
        assert!(xids.len() < 9, "requests without end");
    }
}

/// Gives `data` to the client, with the fields right that would keep it out.
fn answer(stack: &mut Stack<'_, Full>, data: &[u8], (xid, looks): ([u8; 4], bool), now: Instant) {
    let mut message = data.to_vec();
    // One input is an offer first, and then the grant of what it has offered.
    if let Some([53, 1, kind @ 2]) = message.get_mut(240..243)
        && !looks
    {
        *kind = 5;
    }
    if let Some(field) = message.get_mut(4..8) {
        field.copy_from_slice(&xid);
    }
    if let Some(field) = message.get_mut(28..34) {
        field.copy_from_slice(&HARDWARE);
    }
    let server = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 67);
    let all = SocketAddr::new(IpAddr::V4(Ipv4Addr::BROADCAST), 68);
    let len = u16::try_from(message.len().saturating_add(8)).unwrap_or(u16::MAX);
    stack.receive(now, &forge::udp(server, all, len, &message));
}
