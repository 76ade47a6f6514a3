//! RFC 862: send back what comes.

use hikyaku::{Full, ReadError, TcpSocket, WriteError};

use super::client::{Client, Progress};

/// Moves what has arrived into the queue that leaves, as far as that has room.
pub(crate) fn attend(
    socket: &mut TcpSocket<'_, '_, Full>,
    client: &mut Client,
    scratch: &mut [u8],
) -> Progress {
    loop {
        // What found no room last time goes first.
        while !client.rest.is_empty() {
            match socket.write(&client.rest) {
                Ok(given) => drop(client.rest.drain(..given)),
                Err(WriteError::WouldBlock) => return Progress::Waits,
                Err(_) => return Progress::Broken,
            }
        }
        // Little more is read than can be sent: the rest waits in the window, and the peer with it.
        let room = (socket.writable() as usize).clamp(1, scratch.len());
        let taken = match socket.read(&mut scratch[..room]) {
            Ok(0) => return Progress::Done,
            Ok(taken) => taken,
            Err(ReadError::WouldBlock) => return Progress::Waits,
            Err(_) => return Progress::Broken,
        };
        client.taken += taken as u64;
        let given = match socket.write(&scratch[..taken]) {
            Ok(given) => given,
            Err(WriteError::WouldBlock) => 0,
            Err(_) => return Progress::Broken,
        };
        client.rest.extend_from_slice(&scratch[given..taken]);
    }
}
