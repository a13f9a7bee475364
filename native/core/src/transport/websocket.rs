//! WebSocket (RFC 6455, wire-v1 4.4).

use crate::spec::{HostPort, WebsocketSpec};
use crate::transport::codec::Handshake;

pub(crate) struct Websocket {}

impl Websocket {
    pub(crate) fn new(_spec: &WebsocketSpec) -> Self {
        Self {}
    }

    /// Of one connection that we dialled.
    pub(crate) fn client(&self, _remote: &HostPort, _over_tls: bool) -> Box<dyn Handshake> {
        unimplemented!()
    }

    /// Of one connection that we accepted.
    pub(crate) fn server(&self) -> Box<dyn Handshake> {
        unimplemented!()
    }
}
