//! STUB (helper client). The local side of a client's service, of either protocol.
use crate::reason::EndReason;
use crate::tcp_link::TcpLink;
use crate::tcp_locals::TcpLocals;
use crate::udp_carrier::UdpCarrier;
use std::rc::Rc;
pub(crate) enum LocalCarrier {
    Tcp(Rc<TcpLocals>),
    Udp(Rc<UdpCarrier>),
}
impl LocalCarrier {
    /// Visitors (tcp) or channels (udp) being carried.
    pub(crate) fn size(&self) -> usize {
        todo!()
    }
    /// Takes a started channel over; `rest` came behind the start command.
    pub(crate) fn carry(&self, _link: TcpLink, _rest: Vec<u8>) {
        todo!()
    }
    pub(crate) fn draining(&self) {
        todo!()
    }
    pub(crate) fn destroy(&self, _reason: EndReason) {
        todo!()
    }
}
