//! The peer of a stack that is measured: frames to it, and a look at each frame that comes back.
//!
//! It speaks Ethernet, ARP, IPv4 and TCP just well enough for one connection without loss, and
//! checks every checksum.

/// The stack under test.
pub const MAC_OURS: [u8; 6] = [0x02, 0, 0, 0, 0, 2];
/// The peer.
pub const MAC_PEER: [u8; 6] = [0x02, 0, 0, 0, 0, 1];
/// The stack under test.
pub const IP_OURS: [u8; 4] = [192, 168, 69, 2];
/// The peer.
pub const IP_PEER: [u8; 4] = [192, 168, 69, 1];
/// The network of both.
pub const PREFIX: u8 = 24;
/// Where the stack listens.
pub const PORT: u16 = 7;

const PORT_PEER: u16 = 40_000;
const WINDOW: u16 = 65_535;
const ISS: u32 = 1_000;

const FRAME_MAX: usize = 1514;
/// Ethernet, IPv4 and TCP without options.
const HEADERS: usize = 14 + 20 + 20;

const FIN: u8 = 1;
const SYN: u8 = 2;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// One frame each way.
///
/// Where they lie matters to copying. A frame in begins on the boundary of a word, as most
/// controllers leave it; one out two octets behind, so that what follows Ethernet's header does.
/// With that smoltcp needs what is on record for it.
#[repr(C, align(4))]
pub struct Wire {
    to: [u8; FRAME_MAX],
    // 1514 octets behind a word: two behind one.
    from: [u8; FRAME_MAX],
    to_len: usize,
    from_len: usize,
    /// Frames that the stack has sent.
    pub sent: u32,
}

impl Wire {
    /// Nothing on it.
    pub const EMPTY: Self =
        Self { to: [0; FRAME_MAX], from: [0; FRAME_MAX], to_len: 0, from_len: 0, sent: 0 };

    /// The frame for the stack, once.
    pub fn take(&mut self) -> Option<&[u8]> {
        let len = core::mem::take(&mut self.to_len);
        self.to.get(..len).filter(|frame| !frame.is_empty())
    }

    /// The frame for the stack, once, and room for the one that it may answer with.
    pub fn take_with_room(&mut self) -> Option<(&[u8], Room<'_>)> {
        let len = core::mem::take(&mut self.to_len);
        let frame = self.to.get(..len).filter(|frame| !frame.is_empty())?;
        Some((frame, Room { from: &mut self.from, len: &mut self.from_len, sent: &mut self.sent }))
    }

    /// Room for a frame of the stack.
    pub fn room(&mut self) -> Room<'_> {
        Room { from: &mut self.from, len: &mut self.from_len, sent: &mut self.sent }
    }

    pub(super) fn output(&self) -> &[u8] {
        &self.from[..self.from_len]
    }

    const fn put(&mut self, len: usize) {
        self.to_len = len;
    }
}

/// Where a stack puts a frame.
pub struct Room<'w> {
    from: &'w mut [u8; FRAME_MAX],
    len: &'w mut usize,
    sent: &'w mut u32,
}

impl Room<'_> {
    /// Sends a frame that `fill` writes in place; it returns the length, or sends nothing.
    pub fn send<R>(self, fill: impl FnOnce(&mut [u8]) -> (Option<usize>, R)) -> R {
        let (len, result) = fill(self.from);
        if let Some(len) = len {
            *self.len = len;
            *self.sent += 1;
        }
        result
    }
}

/// What the stack has sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Arp,
    /// A request for the peer's hardware address.
    Asks,
    SynAck,
    /// With its number.
    Ack(u32),
    /// So many octets of text.
    Data(usize),
}

/// The other end of the connection.
pub(super) struct Peer {
    snd_nxt: u32,
    rcv_nxt: u32,
    /// What the stack told last that it takes.
    pub(super) window: usize,
}

impl Peer {
    pub(super) const fn new() -> Self {
        Self { snd_nxt: ISS, rcv_nxt: 0, window: 0 }
    }

    pub(super) fn arp_request(&self, wire: &mut Wire) {
        self.arp(1, ([0xff; 6], [0; 6]), wire);
    }

    pub(super) fn arp_reply(&self, wire: &mut Wire) {
        self.arp(2, (MAC_OURS, MAC_OURS), wire);
    }

    fn arp(&self, operation: u8, (to, target): ([u8; 6], [u8; 6]), wire: &mut Wire) {
        let frame = &mut wire.to;
        frame[..6].copy_from_slice(&to);
        frame[6..12].copy_from_slice(&MAC_PEER);
        frame[12..22].copy_from_slice(&[0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, operation]);
        frame[22..28].copy_from_slice(&MAC_PEER);
        frame[28..32].copy_from_slice(&IP_PEER);
        frame[32..38].copy_from_slice(&target);
        frame[38..42].copy_from_slice(&IP_OURS);
        // As short frames are padded.
        frame[42..60].fill(0);
        wire.put(60);
    }

    pub(super) fn syn(&mut self, wire: &mut Wire) {
        let options = [2, 4, (1460_u16 >> 8) as u8, 1460_u16 as u8];
        wire.to[HEADERS..HEADERS + 4].copy_from_slice(&options);
        self.segment(SYN, 4, 0, wire);
        self.snd_nxt = self.snd_nxt.wrapping_add(1);
    }

    pub(super) fn ack(&mut self, wire: &mut Wire) {
        self.segment(ACK, 0, 0, wire);
    }

    /// A segment with text; returns the number that acknowledges it.
    pub(super) fn data(&mut self, size: usize, wire: &mut Wire) -> u32 {
        for (at, octet) in wire.to[HEADERS..HEADERS + size].iter_mut().enumerate() {
            *octet = at as u8;
        }
        self.segment(ACK | PSH, 0, size, wire);
        self.snd_nxt = self.snd_nxt.wrapping_add(size as u32);
        self.snd_nxt
    }

    /// Whether these octets are the text of [`Peer::data`].
    pub(super) fn is_data(&self, octets: &[u8]) -> bool {
        octets.iter().enumerate().all(|(at, octet)| *octet == at as u8)
    }

    /// Options and text are in place.
    fn segment(&self, flags: u8, options: usize, text: usize, wire: &mut Wire) {
        let len = HEADERS + options + text;
        let frame = &mut wire.to[..len];
        frame[..6].copy_from_slice(&MAC_OURS);
        frame[6..12].copy_from_slice(&MAC_PEER);
        frame[12..14].copy_from_slice(&[0x08, 0]);
        let ip = &mut frame[14..];
        ip[..20].fill(0);
        ip[0] = 0x45;
        ip[2..4].copy_from_slice(&((len - 14) as u16).to_be_bytes());
        ip[6] = 0x40;
        ip[8] = 64;
        ip[9] = 6;
        ip[12..16].copy_from_slice(&IP_PEER);
        ip[16..20].copy_from_slice(&IP_OURS);
        let checksum = checksum(0, &ip[..20]);
        ip[10..12].copy_from_slice(&checksum.to_be_bytes());
        let tcp = &mut ip[20..];
        tcp[..2].copy_from_slice(&PORT_PEER.to_be_bytes());
        tcp[2..4].copy_from_slice(&PORT.to_be_bytes());
        tcp[4..8].copy_from_slice(&self.snd_nxt.to_be_bytes());
        let ack = if flags & ACK != 0 { self.rcv_nxt } else { 0 };
        tcp[8..12].copy_from_slice(&ack.to_be_bytes());
        tcp[12] = (((20 + options) / 4) as u8) << 4;
        tcp[13] = flags;
        tcp[14..16].copy_from_slice(&WINDOW.to_be_bytes());
        tcp[16..20].fill(0);
        let checksum = self::checksum(pseudo_header(tcp.len()), tcp);
        tcp[16..18].copy_from_slice(&checksum.to_be_bytes());
        wire.put(len);
    }

    /// What a frame of the stack says; `None` where anything in it is wrong.
    pub(super) fn on_frame(&mut self, frame: &[u8]) -> Option<Answer> {
        let asks = frame[..6] == [0xff; 6]
            && frame[12..14] == [0x08, 0x06]
            && frame[20..22] == [0, 1]
            && frame[38..42] == IP_PEER;
        if frame[6..12] != MAC_OURS || !(asks || frame[..6] == MAC_PEER) {
            return None;
        }
        if asks {
            return Some(Answer::Asks);
        }
        match frame[12..14] {
            [0x08, 0x06] => {
                let right = frame[20..22] == [0, 2]
                    && frame[22..28] == MAC_OURS
                    && frame[28..32] == IP_OURS
                    && frame[32..38] == MAC_PEER
                    && frame[38..42] == IP_PEER;
                right.then_some(Answer::Arp)
            }
            [0x08, 0x00] => {
                let total = usize::from(u16::from_be_bytes([frame[16], frame[17]]));
                self.on_packet(frame.get(14..14 + total)?)
            }
            _ => None,
        }
    }

    fn on_packet(&mut self, packet: &[u8]) -> Option<Answer> {
        let (ip, tcp) = packet.split_at(20);
        let ends = ip[12..16] == IP_OURS && ip[16..20] == IP_PEER;
        if ip[0] != 0x45 || ip[9] != 6 || !ends || checksum(0, ip) != 0 {
            return None;
        }
        if checksum(pseudo_header(tcp.len()), tcp) != 0 {
            return None;
        }
        let number =
            |at: usize| u32::from_be_bytes([tcp[at], tcp[at + 1], tcp[at + 2], tcp[at + 3]]);
        let (seq, ack, flags) = (number(4), number(8), tcp[13]);
        self.window = usize::from(u16::from_be_bytes([tcp[14], tcp[15]]));
        let text = tcp.len() - usize::from(tcp[12] >> 4) * 4;
        if flags & SYN != 0 {
            self.rcv_nxt = seq.wrapping_add(1);
            return (ack == self.snd_nxt).then_some(Answer::SynAck);
        }
        if flags & ACK == 0 || flags & FIN != 0 || seq != self.rcv_nxt || ack != self.snd_nxt {
            return None;
        }
        self.rcv_nxt = self.rcv_nxt.wrapping_add(text as u32);
        Some(if text == 0 { Answer::Ack(ack) } else { Answer::Data(text) })
    }
}

/// The sum of what TCP's checksum covers beside the segment.
fn pseudo_header(len: usize) -> u32 {
    sum(sum(6 + len as u32, &IP_OURS), &IP_PEER)
}

fn sum(start: u32, octets: &[u8]) -> u32 {
    octets.chunks(2).fold(start, |sum, pair| {
        sum + (u32::from(pair[0]) << 8) + pair.get(1).copied().map_or(0, u32::from)
    })
}

fn checksum(start: u32, octets: &[u8]) -> u16 {
    let mut sum = sum(start, octets);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
