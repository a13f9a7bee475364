//! STUB (helper client). A service on a client.
use crate::context::SharedFacts;
use crate::control_stream::ControlStream;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::spec::{ClientRoutine, ClientServiceChange, ClientServiceSpec, DialSpec};
use crate::upcall::SessionId;
use std::rc::Rc;
/// What the control plane gives with `attach`.
#[derive(Clone, Debug)]
pub struct ClientSessionStart {
    pub session: SessionId,
    /// Where data channels are dialled: first the address that the control channel reached.
    pub dial: DialSpec,
    pub routine: ClientRoutine,
}
pub(crate) struct ClientService {}
impl ClientService {
    pub(crate) fn open(
        _shard: &Rc<Shard>,
        _facts: SharedFacts,
        _spec: ClientServiceSpec,
    ) -> Rc<Self> {
        todo!()
    }
    /// The stream follows by `arrive`.
    pub(crate) fn attach(self: &Rc<Self>, _start: ClientSessionStart) {
        todo!()
    }
    /// The session's stream has come to this shard, or had ended before it could.
    pub(crate) fn arrive(
        self: &Rc<Self>,
        _session: SessionId,
        _stream: Result<Rc<ControlStream>, EndReason>,
    ) {
        todo!()
    }
    pub(crate) fn resume(self: &Rc<Self>, _routine: ClientRoutine) {
        todo!()
    }
    pub(crate) fn update(self: &Rc<Self>, _change: ClientServiceChange) {
        todo!()
    }
    pub(crate) fn detach(self: &Rc<Self>, _reason: EndReason) {
        todo!()
    }
    pub(crate) fn close(self: &Rc<Self>, _reason: EndReason, _deadline_ms: Option<u64>) {
        todo!()
    }
    pub(crate) fn destroy(self: &Rc<Self>) {
        todo!()
    }
}
