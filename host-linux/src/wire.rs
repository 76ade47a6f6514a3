//! A wire in memory between two stacks of one process.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use hikyaku::NoRoom;

/// Packets on their way in one direction.
type Lane = Rc<RefCell<VecDeque<Vec<u8>>>>;

/// Packets that fit on one lane.
const ROOM: usize = 256;

/// One end of a wire.
pub(crate) struct WireEnd {
    inward: Lane,
    outward: Lane,
}

/// Both ends of a new wire.
pub(crate) fn pair() -> (WireEnd, WireEnd) {
    let (there, back) = (Lane::default(), Lane::default());
    let near = WireEnd { inward: back.clone(), outward: there.clone() };
    (near, WireEnd { inward: there, outward: back })
}

impl WireEnd {
    /// Whether a packet waits at this end.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.inward.borrow().is_empty()
    }

    /// Takes the next packet.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let packet = self.inward.borrow_mut().pop_front()?;
        buffer.get_mut(..packet.len())?.copy_from_slice(&packet);
        Some(packet.len())
    }

    /// Puts a packet on the wire.
    pub(crate) fn send(&mut self, packet: &[u8]) -> Result<(), NoRoom> {
        let mut lane = self.outward.borrow_mut();
        if lane.len() >= ROOM {
            return Err(NoRoom);
        }
        lane.push_back(packet.to_vec());
        Ok(())
    }
}
