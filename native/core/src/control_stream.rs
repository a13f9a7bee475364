//! STUB (founder). A control channel as ordered bytes.
use crate::client_session::ClientSession;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::spec::DialSpec;
use crate::upcall::{ListenerId, ServiceId, SessionId, StreamId};
use std::net::SocketAddr;
use std::rc::Rc;
pub(crate) struct ControlStream {}
impl ControlStream {
    pub(crate) fn dial(_shard: &Rc<Shard>, _stream: StreamId, _spec: DialSpec) {
        todo!()
    }
    pub(crate) fn abort_dial(self: &Rc<Self>) {
        todo!()
    }
    pub(crate) fn read(self: &Rc<Self>, _length: usize) {
        todo!()
    }
    pub(crate) fn write(self: &Rc<Self>, _bytes: &[u8]) {
        todo!()
    }
    pub(crate) fn finish(self: &Rc<Self>, _reason: EndReason) {
        todo!()
    }
    /// Ends it now; an attached session hears of it by its `ended`.
    pub(crate) fn destroy(self: &Rc<Self>, _reason: EndReason) {
        todo!()
    }
    pub(crate) fn peer(&self) -> SocketAddr {
        todo!()
    }
    /// held -> attached to a client's session. Unread bytes go to it first.
    pub(crate) fn attach_client(self: &Rc<Self>, _session: Rc<ClientSession>) {
        todo!()
    }
    /// suspended -> attached again; `session.started()` follows.
    pub(crate) fn resume(self: &Rc<Self>) {
        todo!()
    }
    /// The session's deadline or routine has changed: look again.
    pub(crate) fn nudge(&self) {
        todo!()
    }
}
/// Ends the control streams that came in at that listener.
pub(crate) fn end_of_listener(_shard: &Rc<Shard>, _listener: ListenerId, _reason: EndReason) {
    todo!()
}
/// Sends a held stream to the shard of its service.
pub(crate) fn hand_over(
    _shard: &Rc<Shard>,
    _stream: StreamId,
    _home: usize,
    _service: ServiceId,
    _session: SessionId,
) {
    todo!()
}
/// It has come there.
pub(crate) fn arrive(
    _shard: &Rc<Shard>,
    _service: ServiceId,
    _session: SessionId,
    _stream: Result<Rc<ControlStream>, EndReason>,
) {
    todo!()
}
