//! What carries tunnel connections above TCP: made once from what the control plane says, used for
//! every connection.

pub(crate) mod codec;
pub(crate) mod gate;
mod http_head;
pub(crate) mod layered;
pub(crate) mod linger;
pub(crate) mod noise;
pub(crate) mod proxy;
#[cfg(test)]
pub(crate) mod scene;
pub(crate) mod shake;
pub(crate) mod target;
pub(crate) mod tls;
pub(crate) mod websocket;

use std::sync::Arc;

use crate::spec::{CarrierSpec, HostPort, TransportSpec};
use crate::transport::codec::Handshake;
use crate::transport::layered::over;
use crate::transport::noise::Noise;
use crate::transport::tls::{TlsClient, TlsServer};
use crate::transport::websocket::Websocket;

/// How a server takes tunnel connections. Cheap to clone.
#[derive(Clone)]
pub(crate) enum ServerTransport {
    Tcp,
    Tls(Arc<TlsServer>),
    Noise(Arc<Noise>),
    Websocket(Arc<Websocket>, Option<Arc<TlsServer>>),
}

impl ServerTransport {
    /// # Errors
    /// What of the spec cannot be used.
    pub(crate) fn new(spec: &TransportSpec) -> Result<Self, String> {
        Ok(match &spec.carrier {
            CarrierSpec::Tcp => Self::Tcp,
            CarrierSpec::Tls(tls) => Self::Tls(Arc::new(TlsServer::new(tls)?)),
            CarrierSpec::Noise(noise) => Self::Noise(Arc::new(Noise::new(noise)?)),
            CarrierSpec::Websocket(websocket, tls) => {
                let tls = tls.as_ref().map(TlsServer::new).transpose()?;
                Self::Websocket(Arc::new(Websocket::new(websocket)), tls.map(Arc::new))
            }
        })
    }

    /// For one connection; `None`: it is plain bytes from the beginning.
    pub(crate) fn handshake(&self) -> Option<Box<dyn Handshake>> {
        match self {
            Self::Tcp => None,
            Self::Tls(tls) => Some(tls.handshake()),
            Self::Noise(noise) => Some(noise.responder()),
            Self::Websocket(websocket, None) => Some(websocket.server()),
            Self::Websocket(websocket, Some(tls)) => {
                Some(over(tls.handshake(), websocket.server()))
            }
        }
    }
}

/// How a client makes tunnel connections. Cheap to clone; clones share what is remembered of the
/// server (TLS sessions).
#[derive(Clone)]
pub(crate) enum ClientTransport {
    Tcp,
    Tls(Arc<TlsClient>),
    Noise(Arc<Noise>),
    Websocket(Arc<Websocket>, Option<Arc<TlsClient>>),
}

impl ClientTransport {
    /// # Errors
    /// What of the spec cannot be used.
    pub(crate) fn new(spec: &TransportSpec) -> Result<Self, String> {
        Ok(match &spec.carrier {
            CarrierSpec::Tcp => Self::Tcp,
            CarrierSpec::Tls(tls) => Self::Tls(Arc::new(TlsClient::new(tls)?)),
            CarrierSpec::Noise(noise) => Self::Noise(Arc::new(Noise::new(noise)?)),
            CarrierSpec::Websocket(websocket, tls) => {
                let tls = tls.as_ref().map(TlsClient::new).transpose()?;
                Self::Websocket(Arc::new(Websocket::new(websocket)), tls.map(Arc::new))
            }
        })
    }

    /// For one connection to that server.
    pub(crate) fn handshake(&self, remote: &HostPort) -> Option<Box<dyn Handshake>> {
        match self {
            Self::Tcp => None,
            Self::Tls(tls) => Some(tls.handshake()),
            Self::Noise(noise) => Some(noise.initiator()),
            Self::Websocket(websocket, None) => Some(websocket.client(remote, false)),
            Self::Websocket(websocket, Some(tls)) => {
                Some(over(tls.handshake(), websocket.client(remote, true)))
            }
        }
    }
}
