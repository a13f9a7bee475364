//! STUB (helper client). What a client's engine does by itself on a control channel (ClientRoutine).
use crate::reason::EndReason;
use crate::spec::ClientRoutine;
use crate::upcall::SessionId;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

/// What the stream's task asks of the session when bytes came: how many it used.
pub(crate) struct Consumed {
    pub(crate) used: usize,
    /// What is left is not the routine's: suspend.
    pub(crate) surplus: bool,
}

pub(crate) struct ClientSession {
    pub(crate) id: SessionId,
    pub(crate) routine: RefCell<Rc<ClientRoutine>>,
}
impl ClientSession {
    /// Commands that came on the control channel, from the start of one.
    pub(crate) fn bytes(self: &Rc<Self>, _unread: &[u8]) -> Consumed {
        todo!()
    }
    /// When supervision ends the session unless bytes come.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        todo!()
    }
    /// The routine has been started or resumed: supervision starts anew.
    pub(crate) fn started(&self) {
        todo!()
    }
    /// The control stream is suspended: told by `Surplus`, no supervision.
    pub(crate) fn suspended(&self) {
        todo!()
    }
    /// The control stream has ended.
    pub(crate) fn ended(self: &Rc<Self>, _reason: EndReason) {
        todo!()
    }
}
