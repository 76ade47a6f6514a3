//! RFC 862: send back what comes.

use hikyaku::socket::{ReadError, TcpSocket};

use super::services::{Client, Progress};

/// Moves what has arrived into the queue that leaves, as far as that has room.
pub(crate) fn attend(
    socket: &mut TcpSocket<'_, '_>,
    client: &mut Client,
    scratch: &mut [u8],
) -> Progress {
    loop {
        // Never read more than can be sent: the rest waits in the window, and the peer with it.
        let room = scratch.len().min(socket.writable() as usize);
        if room == 0 && socket.readable() != 0 {
            // A write that finds no room asks to be told of it.
            let _ = socket.write(&[0]);
            return Progress::Waits;
        }
        match socket.read(&mut scratch[..room.max(1)]) {
            Ok(0) => return Progress::Done,
            Ok(taken) => {
                client.taken += taken as u64;
                match socket.write(&scratch[..taken]) {
                    Ok(given) => client.given += given as u64,
                    Err(_) => return Progress::Broken,
                }
            }
            Err(ReadError::WouldBlock) => return Progress::Waits,
            Err(_) => return Progress::Broken,
        }
    }
}
