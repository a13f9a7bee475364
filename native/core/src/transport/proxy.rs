//! The conversation with a proxy that is to connect us to the server (wire-v1 4.1).

use crate::spec::{HostPort, ProxySpec};
use crate::transport::codec::Handshake;

/// Ends in `Done(None)`: from there on it is the server that we talk to.
pub(crate) fn handshake(_proxy: &ProxySpec, _server: &HostPort) -> Box<dyn Handshake> {
    unimplemented!()
}
