//! WebSocket (RFC 6455, wire-v1 4.4): the upgrade, then a stream of bytes in binary frames.

mod client_upgrade;
mod frame_head;
mod frames;
mod mask;
mod receive;
#[cfg(test)]
mod scene;
mod server_upgrade;
mod upgrade;

use std::sync::Arc;

use crate::spec::{HostPort, WebsocketSpec};
use crate::transport::codec::Handshake;
use crate::transport::websocket::client_upgrade::ClientUpgrade;
use crate::transport::websocket::server_upgrade::ServerUpgrade;

pub(crate) struct Websocket {
    spec: Arc<WebsocketSpec>,
}

impl Websocket {
    pub(crate) fn new(spec: &WebsocketSpec) -> Self {
        let spec = Arc::new(spec.clone());
        Self { spec }
    }

    /// Of one connection that we dialled.
    pub(crate) fn client(&self, remote: &HostPort, over_tls: bool) -> Box<dyn Handshake> {
        Box::new(ClientUpgrade::new(self.spec.clone(), remote, over_tls))
    }

    /// Of one connection that we accepted.
    pub(crate) fn server(&self) -> Box<dyn Handshake> {
        Box::new(ServerUpgrade::new(self.spec.clone()))
    }
}

/// Which end of the connection is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Masks what it sends.
    Client,
    Server,
}

/// A server's codec towards a client that is not ours.
#[cfg(test)]
pub(crate) fn stock_server() -> Box<dyn crate::transport::codec::Codec> {
    Box::new(frames::Frames::new(Role::Server, false))
}
