//! The cable: two queues of packets within one thread, the same for every stack measured.
//! Nothing is lost, delayed or looked into, and once warm nothing is allocated.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

/// The MTU of the cable, in octets of IP packet.
pub(crate) const MTU: usize = 1500;

/// Longer packets carry data, shorter ones are handshakes, ACKs and window updates: no header
/// of ours (20 + 60 octets at most) reaches it.
const DATA_LENGTH_MIN: usize = 100;

/// One packet, in storage that goes round.
#[derive(Debug)]
pub(crate) struct Frame {
    octets: Box<[u8; MTU]>,
    length: usize,
}

impl Frame {
    /// The packet.
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.octets[..self.length]
    }

    /// The first `length` octets, to be written; they hold an older packet.
    ///
    /// # Panics
    /// `length` beyond [`MTU`]: the stack under test broke its promise.
    pub(crate) fn resize(&mut self, length: usize) -> &mut [u8] {
        self.length = length;
        &mut self.octets[..length]
    }
}

#[derive(Debug, Default)]
struct Cable {
    towards: [RefCell<VecDeque<Frame>>; 2],
    spare: RefCell<Vec<Frame>>,
    data_frames: Cell<u64>,
}

/// One end of the cable, as a device of either stack holds it.
#[derive(Debug)]
pub(crate) struct Port {
    cable: Rc<Cable>,
    end: usize,
}

/// A cable with nothing on it, by its two ends: the sender of data and its receiver.
pub(crate) fn cable() -> (Port, Port) {
    let cable = Rc::new(Cable::default());
    (Port { cable: Rc::clone(&cable), end: 0 }, Port { cable, end: 1 })
}

impl Port {
    /// The oldest packet towards this end. Give it [back](Self::recycle) when it is read.
    pub(crate) fn take(&self) -> Option<Frame> {
        self.cable.towards[self.end].borrow_mut().pop_front()
    }

    /// Whether nothing waits at this end.
    pub(crate) fn is_empty(&self) -> bool {
        self.cable.towards[self.end].borrow().is_empty()
    }

    /// Lets the storage of a packet that was read be used again.
    pub(crate) fn recycle(&self, frame: Frame) {
        self.cable.spare.borrow_mut().push(frame);
    }

    /// Storage for a packet to send, most recently used first.
    pub(crate) fn blank(&self) -> Frame {
        let spare = self.cable.spare.borrow_mut().pop();
        spare.unwrap_or_else(|| Frame { octets: Box::new([0; MTU]), length: 0 })
    }

    /// Puts a packet on its way to the other end.
    pub(crate) fn send(&self, frame: Frame) {
        if self.end == 0 && frame.length > DATA_LENGTH_MIN {
            self.cable.data_frames.set(self.cable.data_frames.get() + 1);
        }
        self.cable.towards[1 - self.end].borrow_mut().push_back(frame);
    }

    /// Packets with data that the sender has put on the cable so far.
    pub(crate) fn data_frames(&self) -> u64 {
        self.cable.data_frames.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_arrive_in_order_at_the_other_end_and_only_the_senders_data_counts() {
        let (sender, receiver) = cable();
        for length in [40, 1500, 101] {
            for port in [&sender, &receiver] {
                let mut frame = port.blank();
                frame.resize(length).fill(length as u8);
                port.send(frame);
            }
        }
        assert_eq!(receiver.data_frames(), 2);
        for length in [40_usize, 1500, 101] {
            for port in [&sender, &receiver] {
                let frame = port.take().unwrap();
                assert_eq!(frame.as_slice(), vec![length as u8; length]);
                port.recycle(frame);
            }
        }
        assert!(sender.is_empty() && receiver.is_empty());
    }
}
