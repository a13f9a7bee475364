//! STUB (founder).
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::spec::{TcpSpec, TunnelListenSpec};
use crate::upcall::ListenerId;
use std::rc::Rc;
pub(crate) struct TunnelListener {}
impl TunnelListener {
    pub(crate) fn open(_shard: &Rc<Shard>, _listener: ListenerId, _spec: TunnelListenSpec) {
        todo!()
    }
    pub(crate) fn update(&self, _tcp: TcpSpec) {
        todo!()
    }
    pub(crate) fn close(self: &Rc<Self>, _reason: EndReason) {
        todo!()
    }
}
