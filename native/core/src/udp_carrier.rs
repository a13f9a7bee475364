//! STUB (helper udp). Carries started udp channels: each has its own table of local sockets.
use crate::context::SharedFacts;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::spec::ClientServiceSpec;
use crate::tcp_link::TcpLink;
use std::cell::RefCell;
use std::rc::Rc;
pub(crate) struct UdpCarrier {}
impl UdpCarrier {
    /// `spec` is as it is now: a reload may change it. `empty` is called when the last channel ended.
    pub(crate) fn new(
        _shard: &Rc<Shard>,
        _facts: SharedFacts,
        _spec: Rc<RefCell<ClientServiceSpec>>,
        _empty: Rc<dyn Fn()>,
    ) -> Rc<Self> {
        todo!()
    }
    /// Channels being carried.
    pub(crate) fn size(&self) -> usize {
        todo!()
    }
    pub(crate) fn carry(self: &Rc<Self>, _link: TcpLink, _rest: Vec<u8>) {
        todo!()
    }
    /// The service is closing: all channels end now (`drain`).
    pub(crate) fn draining(&self) {
        todo!()
    }
    pub(crate) fn destroy(&self, _reason: EndReason) {
        todo!()
    }
}
