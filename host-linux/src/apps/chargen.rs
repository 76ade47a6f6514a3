//! RFC 864: characters without end, in lines of 72 that each begin one further.

use hikyaku::{Full, ReadError, TcpSocket, WriteError};

use super::client::{Client, Progress};

/// The printing characters of ASCII.
const PRINTING: usize = 95;
/// A line with its end.
const LINE: usize = 74;
/// After so many octets the pattern repeats.
const PERIOD: usize = PRINTING * LINE;

/// The pattern, once around.
static PATTERN: [u8; PERIOD] = {
    let mut pattern = [0; PERIOD];
    let mut at = 0;
    while at < PERIOD {
        let (line, column) = (at / LINE, at % LINE);
        pattern[at] = match column {
            72 => b'\r',
            73 => b'\n',
            _ => b' ' + ((line + column) % PRINTING) as u8,
        };
        at += 1;
    }
    pattern
};

/// Drops what has arrived and fills the queue that leaves.
///
/// A peer that has closed its direction still gets characters until it goes.
pub(crate) fn attend(
    socket: &mut TcpSocket<'_, '_, Full>,
    client: &mut Client,
    scratch: &mut [u8],
) -> Progress {
    loop {
        match socket.read(scratch) {
            Ok(0) | Err(ReadError::WouldBlock) => break,
            Ok(taken) => client.taken += taken as u64,
            Err(_) => return Progress::Broken,
        }
    }
    loop {
        let at = (client.given % PERIOD as u64) as usize;
        match socket.write(&PATTERN[at..]) {
            Ok(given) => client.given += given as u64,
            Err(WriteError::WouldBlock) => return Progress::Waits,
            Err(_) => return Progress::Broken,
        }
    }
}

/// What answers a datagram.
pub(crate) fn datagram() -> &'static [u8] {
    &PATTERN[..LINE]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_is_that_of_the_rfc() {
        let lines: Vec<&[u8]> = PATTERN.chunks(LINE).collect();
        assert!(lines[0].starts_with(b" !\"#$%&'()*+") && lines[0].ends_with(b"fg\r\n"));
        assert!(lines[1].starts_with(b"!\"#$%&'()*+,") && lines[1].ends_with(b"gh\r\n"));
        assert!(lines[PRINTING - 1].starts_with(b"~ !\""), "the last line wraps around");
        assert_eq!(datagram().len(), LINE);
    }
}
