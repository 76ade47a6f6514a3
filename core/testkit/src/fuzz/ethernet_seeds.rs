//! The seeds of the target `ethernet`: what neighbours say, and what they had better not.

use core::net::Ipv6Addr;

use hikyaku::wire::ethernet::Address;
use hikyaku::wire::ndp::{self, Message};

use super::ethernet::{ARP, CONNECT, DISCOVERY, ECHO, FRAME, SMALL, TIME, TINY};
use super::seeds::Seed;

const THEM: [u8; 6] = [2, 0, 0, 0, 0, 1];
const EVIL: [u8; 6] = [2, 0, 0, 0, 0, 66];

/// An ARP packet: operation, then sender and target.
fn arp(operation: u8, hardware: [u8; 6], sender: u8, target: u8) -> Vec<u8> {
    let mut step = vec![ARP, operation];
    step.extend(hardware);
    step.extend([10, 0, 0, sender]);
    step.extend([0; 6]);
    step.extend([10, 0, 0, target]);
    step
}

fn discovery(hop_limit: u8, ends: (u8, u8), message: &[u8]) -> Vec<u8> {
    let mut step = vec![DISCOVERY, hop_limit, ends.0, ends.1, message.len() as u8];
    step.extend(message);
    step
}

fn message(kind: u8, flags: u32, last: u16, hardware: [u8; 6]) -> Vec<u8> {
    let target = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last);
    let message = Message { kind, flags, target, hardware: Some(Address(hardware)) };
    let mut octets = vec![0; ndp::MESSAGE_MAX];
    let len = message.emit(&mut octets).expect("room");
    octets.truncate(len);
    octets
}

/// Every seed.
pub(super) fn all() -> Vec<Seed> {
    let ask = message(ndp::NEIGHBOR_SOLICITATION, 0, 2, THEM);
    let tell = message(ndp::NEIGHBOR_ADVERTISEMENT, ndp::SOLICITED, 1, THEM);
    let claim = message(ndp::NEIGHBOR_ADVERTISEMENT, ndp::OVERRIDE, 1, EVIL);
    let mut no_length = ask.clone();
    no_length[25] = 0;
    let router = [134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 3, 4, 129, 0xc0];
    // (name, profile, steps)
    let table: [(&str, u8, Vec<Vec<u8>>); 11] = [
        ("meet", 0, vec![arp(1, THEM, 1, 2), vec![CONNECT, 1, TIME, 255, ECHO, 1]]),
        ("ask-tiny", TINY, vec![vec![CONNECT, 1, TIME, 16], arp(2, THEM, 1, 2), vec![ECHO, 1]]),
        ("ask", SMALL, vec![vec![CONNECT, 1, TIME, 16], arp(2, THEM, 1, 2), vec![TIME, 16]]),
        ("meet-ipv6", 0, vec![discovery(255, (0x01, 0x40), &ask), vec![CONNECT, 0x81]]),
        ("ask-ipv6", 2, vec![vec![TIME, 32, CONNECT, 0x81], discovery(255, (0x01, 0), &tell)]),
        ("duplicate", 2, vec![discovery(255, (0x40, 0x40), &ask[..24]), vec![TIME, 32]]),
        ("SEC-28-hop-limit", 0, vec![discovery(254, (0x01, 0x40), &ask)]),
        ("SEC-28-no-length", 0, vec![discovery(255, (0x01, 0x40), &no_length)]),
        ("SEC-28-router", 0, vec![discovery(255, (0x01, 0x80), &router)]),
        (
            "SEC-28-advertisement",
            0,
            vec![discovery(255, (0x01, 0x40), &ask), discovery(255, (0x01, 0x80), &claim)],
        ),
        (
            "SEC-28-arp",
            SMALL,
            vec![arp(1, THEM, 1, 2), vec![CONNECT, 1, TIME, 20], arp(2, EVIL, 1, 2)],
        ),
    ];
    let seed = |(name, profile, steps): (&str, u8, Vec<Vec<u8>>)| {
        let mut bytes = vec![profile];
        bytes.extend(steps.concat());
        Seed { target: "ethernet", name: name.to_string(), bytes }
    };
    let mut seeds: Vec<_> = table.into_iter().map(seed).collect();
    let frame = vec![0, FRAME, 16, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    seeds.push(Seed { target: "ethernet", name: "frame".to_string(), bytes: frame });
    seeds
}
