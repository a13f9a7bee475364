//! STUB (helper udp). The public side of a udp service.
use crate::front::Line;
use crate::reason::EndReason;
use crate::spec::HostPort;
use crate::tcp_link::TcpLink;
use crate::upcall::SystemError;
use std::net::SocketAddr;
use std::rc::Rc;
pub(crate) struct UdpFront {}
impl UdpFront {
    pub(crate) fn new(_line: Rc<Line>) -> Rc<Self> {
        todo!()
    }
    /// Binds one of the addresses that the name has.
    pub(crate) fn bind(
        self: &Rc<Self>,
        _addresses: &[SocketAddr],
        _to: &HostPort,
    ) -> Result<SocketAddr, SystemError> {
        todo!()
    }
    /// The address is free when it returns.
    pub(crate) fn unbind(&self) {
        todo!()
    }
    pub(crate) fn session_started(self: &Rc<Self>) {
        todo!()
    }
    pub(crate) fn session_ended(&self) {
        todo!()
    }
    pub(crate) fn channel(self: &Rc<Self>, _link: TcpLink) {
        todo!()
    }
    pub(crate) fn end_waiting(&self, _reason: EndReason) {
        todo!()
    }
    pub(crate) fn destroy(&self, _reason: EndReason) {
        todo!()
    }
}
