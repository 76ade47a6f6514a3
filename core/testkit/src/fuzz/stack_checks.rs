//! What the target `stack` says about one packet, without the rig: whether the blocks of an
//! acknowledgement can be true, and what an ICMP error about a segment looks like.

use hikyaku::seq::SeqNum;
use hikyaku::wire::tcp_options::SackBlock;

use crate::forge::{self, Tcp};
use crate::seen::Seen;

/// Types and codes of ICMP messages that quote a packet: for IPv4 and for IPv6.
const ERRORS: [[(u8, u8); 2]; 8] = [
    [(3, 3), (1, 4)],
    [(3, 2), (1, 1)],
    [(3, 1), (1, 0)],
    [(11, 0), (3, 0)],
    [(12, 0), (4, 0)],
    [(3, 4), (2, 0)],
    [(4, 0), (1, 3)],
    [(5, 1), (137, 0)],
];

/// RFC 2018 §4 and RFC 2883 §4: every block lies behind the acknowledgement and within what we
/// ever told a window for, and no octet is in two. Only the first may name what came twice: below
/// the acknowledgement, or within the second block.
pub(super) fn blocks_are_true(ack: &Seen, edge: SeqNum) -> bool {
    let mut blocks: Vec<SackBlock> = ack.sack.iter().flatten().copied().collect();
    let is_within = |inner: &SackBlock, outer: &SackBlock| {
        inner.left.at_or_after(outer.left) && inner.right.at_or_before(outer.right)
    };
    if blocks.iter().any(|block| !block.left.before(block.right)) {
        return false;
    }
    if let Some(first) = blocks.first()
        && (first.right.at_or_before(ack.ack)
            || blocks.get(1).is_some_and(|second| is_within(first, second)))
    {
        blocks.remove(0);
    }
    let disjoint = |one: &SackBlock, other: &SackBlock| {
        one.right.at_or_before(other.left) || other.right.at_or_before(one.left)
    };
    blocks.iter().enumerate().all(|(at, block)| {
        block.left.after(ack.ack)
            && block.right.at_or_before(edge)
            && blocks[at + 1..].iter().all(|other| disjoint(block, other))
    })
}

/// An ICMP error from the receiver of `quoted` to its sender.
pub(super) fn error_about(quoted: &Tcp, kind: u8) -> Vec<u8> {
    let (them, us) = (quoted.destination.ip(), quoted.source.ip());
    let (kind, code) = ERRORS[usize::from(kind) % ERRORS.len()][usize::from(us.is_ipv6())];
    let word: u32 = 1280;
    let mut message = vec![kind, code, 0, 0];
    message.extend_from_slice(&word.to_be_bytes());
    message.extend_from_slice(&quoted.packet());
    forge::icmp(them, us, &message)
}
