//! TLS 1.2 and 1.3 (wire-v1 4.2).

use crate::spec::TlsSpec;
use crate::transport::codec::Handshake;

pub(crate) struct TlsServer {}

impl TlsServer {
    /// # Errors
    /// What of the certificates cannot be used.
    pub(crate) fn new(_spec: &TlsSpec) -> Result<Self, String> {
        Err("tls: not yet".to_owned())
    }

    pub(crate) fn handshake(&self) -> Box<dyn Handshake> {
        unimplemented!()
    }
}

pub(crate) struct TlsClient {}

impl TlsClient {
    /// # Errors
    /// What of the certificates cannot be used.
    pub(crate) fn new(_spec: &TlsSpec) -> Result<Self, String> {
        Err("tls: not yet".to_owned())
    }

    pub(crate) fn handshake(&self) -> Box<dyn Handshake> {
        unimplemented!()
    }
}
