//! What a board brings along, for a program that runs anywhere: a wire in memory with a device at
//! each end.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use hikyaku::{Capabilities, Device, NoRoom, Packet, RxMeta};

/// One direction of the wire.
type Lane = Rc<RefCell<VecDeque<Vec<u8>>>>;

/// One end of the wire.
pub(crate) struct End {
    incoming: Lane,
    outgoing: Lane,
}

/// Both ends of a new wire.
pub(crate) fn wire() -> (End, End) {
    let (here, there) = (Lane::default(), Lane::default());
    let near = End { incoming: Rc::clone(&here), outgoing: Rc::clone(&there) };
    (near, End { incoming: there, outgoing: here })
}

impl Device for End {
    fn capabilities(&self) -> Capabilities {
        Capabilities::ip(1500)
    }

    fn receive<R>(&mut self, take: impl FnOnce(&[u8], RxMeta) -> R) -> Option<R> {
        let packet = self.incoming.borrow_mut().pop_front()?;
        Some(take(&packet, RxMeta::default()))
    }

    fn transmit(&mut self, packet: &Packet<'_>) -> Result<(), NoRoom> {
        let mut octets = vec![0; packet.len()];
        packet.copy_into(&mut octets).ok_or(NoRoom)?;
        self.outgoing.borrow_mut().push_back(octets);
        Ok(())
    }
}
