//! Frames of one session, both ways: what has come of one that is not complete, and what is to be
//! told the peer with the next write.

use std::cell::RefCell;

use crate::control_stream::{BACKLOG_MAX_BYTES, ControlStream, Then};
use crate::frames::{BadFrame, Frame, FrameDecoder, gave_up};
use crate::reason::EndReason;
use crate::spec::FrameTypes;

#[derive(Default)]
pub(crate) struct SessionFrames {
    decoder: RefCell<FrameDecoder>,
    unsent: RefCell<Vec<u8>>,
}

impl SessionFrames {
    /// Gives each frame that is complete to `each`, up to one that ends the session.
    pub(crate) fn came(
        &self,
        types: FrameTypes,
        mut bytes: &[u8],
        mut each: impl FnMut(Frame),
    ) -> Then {
        let decoder = &mut *self.decoder.borrow_mut();
        loop {
            match decoder.next(types, &mut bytes) {
                Ok(None) => return Then::GoOn,
                Ok(Some(Frame::Drain)) => return Then::End(EndReason::Drain),
                Ok(Some(frame)) => each(frame),
                Err(BadFrame) => return Then::End(EndReason::ControlData),
            }
        }
    }

    /// Tells the peer that a use has ended. False: it does not read what is told.
    pub(crate) fn gave_up(
        &self,
        types: FrameTypes,
        stream: &ControlStream,
        visitor: u64,
        reason: u8,
    ) -> bool {
        if stream.backlog() + self.length() >= BACKLOG_MAX_BYTES {
            return false;
        }
        gave_up(types, visitor, reason, &mut self.unsent.borrow_mut());
        stream.nudge();
        true
    }

    /// Bytes that wait for the stream's turn.
    pub(crate) fn length(&self) -> usize {
        self.unsent.borrow().len()
    }

    /// What is to be sent now.
    pub(crate) fn collect(&self, unwritten: &mut Vec<u8>) {
        unwritten.append(&mut self.unsent.borrow_mut());
    }

    /// The last bytes of a session that we end: `goodbye` where the peer is to be told why, behind
    /// what it was not told yet.
    pub(crate) fn farewell(&self, goodbye: &[u8], reason: EndReason) -> Option<Vec<u8>> {
        let said = matches!(reason, EndReason::Drain | EndReason::ServiceClosed);
        if !said || goodbye.is_empty() {
            return None;
        }
        let mut bytes = self.unsent.take();
        bytes.extend_from_slice(goodbye);
        Some(bytes)
    }
}
