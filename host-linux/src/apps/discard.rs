//! RFC 863: take what comes and forget it.

use hikyaku::{Full, ReadError, TcpSocket};

use super::client::{Client, Progress};

/// Takes all that has arrived, without copying it.
pub(crate) fn attend(socket: &mut TcpSocket<'_, '_, Full>, client: &mut Client) -> Progress {
    loop {
        match socket.read_with(<[u8]>::len) {
            Ok(0) => return Progress::Done,
            Ok(taken) => client.taken += taken as u64,
            Err(ReadError::WouldBlock) => return Progress::Waits,
            Err(_) => return Progress::Broken,
        }
    }
}
