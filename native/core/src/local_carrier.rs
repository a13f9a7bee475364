//! The local side of a client's service, of either protocol, as the service drives it.

use std::rc::Rc;

use crate::link::Link;
use crate::origin::Origin;
use crate::reason::EndReason;
use crate::tcp_locals::TcpLocals;
use crate::udp_carrier::UdpCarrier;

pub(crate) enum LocalCarrier {
    Tcp(Rc<TcpLocals>),
    Udp(Rc<UdpCarrier>),
}

impl LocalCarrier {
    /// Visitors (tcp) or channels (udp) being carried.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Tcp(locals) => locals.size(),
            Self::Udp(carrier) => carrier.size(),
        }
    }

    /// Takes a started channel over; `rest` came behind the start command. `origin`: of its visitor,
    /// where that is known.
    pub(crate) fn carry(&self, link: Link, rest: Vec<u8>, origin: Option<Box<Origin>>) {
        match self {
            Self::Tcp(locals) => locals.carry(link, rest, origin),
            Self::Udp(carrier) => carrier.carry(link, rest),
        }
    }

    /// The service is closing: what has no end of its own ends now.
    pub(crate) fn draining(&self) {
        match self {
            // Connections end by themselves.
            Self::Tcp(_) => {}
            Self::Udp(carrier) => carrier.draining(),
        }
    }

    pub(crate) fn destroy(&self, reason: EndReason) {
        match self {
            Self::Tcp(locals) => locals.destroy(reason),
            Self::Udp(carrier) => carrier.destroy(reason),
        }
    }
}
