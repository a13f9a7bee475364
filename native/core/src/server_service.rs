//! STUB (founder).
use crate::context::SharedFacts;
use crate::control_stream::ControlStream;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::spec::{ServerRoutine, ServerServiceChange, ServerServiceSpec};
use crate::tcp_link::TcpLink;
use crate::upcall::SessionId;
use std::rc::Rc;
/// What the control plane gives with `attach`.
#[derive(Clone, Debug)]
pub struct ServerSessionStart {
    pub session: SessionId,
    /// What a data hello must show.
    pub key: Vec<u8>,
    pub routine: ServerRoutine,
}
pub(crate) struct ServerService {}
impl ServerService {
    pub(crate) fn open(
        _shard: &Rc<Shard>,
        _facts: SharedFacts,
        _spec: ServerServiceSpec,
    ) -> Rc<Self> {
        todo!()
    }
    pub(crate) fn attach(self: &Rc<Self>, _start: ServerSessionStart) {
        todo!()
    }
    pub(crate) fn arrive(
        self: &Rc<Self>,
        _session: SessionId,
        _stream: Result<Rc<ControlStream>, EndReason>,
    ) {
        todo!()
    }
    pub(crate) fn channel(self: &Rc<Self>, _session: SessionId, _link: TcpLink) {
        todo!()
    }
    pub(crate) fn resume(self: &Rc<Self>, _routine: ServerRoutine) {
        todo!()
    }
    pub(crate) fn update(self: &Rc<Self>, _change: ServerServiceChange) {
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
