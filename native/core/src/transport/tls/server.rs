//! What all connections of a TLS server share.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::server::{NoServerSessionStorage, UnbufferedServerConnection};
use rustls::{ServerConfig, SupportedProtocolVersion};

use crate::spec::TlsSpec;
use crate::transport::codec::Handshake;
use crate::transport::tls::VERSIONS;
use crate::transport::tls::handshake::TlsHandshake;
use crate::transport::tls::identity::{Cheapest, certified};
use crate::transport::tls::roots::KnownClients;

/// TLS 1.3 tickets that end a handshake. Each is used once, so that a client gets one for the
/// connection that it makes next, and some for bursts.
const TICKETS: usize = 4;

pub(crate) struct TlsServer {
    config: Arc<ServerConfig>,
}

impl TlsServer {
    /// Tickets of another one, an earlier one with other certificates, lead to full handshakes: what
    /// was decided by its certificates and roots ends with it.
    ///
    /// # Errors
    /// What of the certificates cannot be used.
    pub(crate) fn new(spec: &TlsSpec) -> Result<Self, String> {
        Self::with(spec, default_provider(), VERSIONS)
    }

    pub(super) fn with(
        spec: &TlsSpec,
        provider: CryptoProvider,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<Self, String> {
        let identities: Vec<_> = spec
            .identities
            .iter()
            .map(certified)
            .collect::<Result<_, _>>()?;
        if identities.is_empty() {
            return Err("a TLS server needs a certificate and its key".to_owned());
        }
        let builder = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .map_err(|error| error.to_string())?;
        let builder = if spec.roots.is_empty() {
            builder.with_no_client_auth()
        } else {
            builder.with_client_cert_verifier(KnownClients::new(&spec.roots)?)
        };
        let mut config = builder.with_cert_resolver(Arc::new(Cheapest::new(identities)));
        config.send_tls13_tickets = TICKETS;
        // Tickets carry sessions, in both versions: nothing is kept here of any.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Ticketer::new().map_err(|error| error.to_string())?;
        Ok(Self {
            config: Arc::new(config),
        })
    }

    #[cfg(test)]
    pub(super) fn changed(mut self, change: impl FnOnce(&mut ServerConfig)) -> Self {
        change(Arc::make_mut(&mut self.config));
        self
    }

    pub(crate) fn handshake(&self) -> Box<dyn Handshake> {
        Box::new(self.begin())
    }

    pub(super) fn begin(&self) -> TlsHandshake<UnbufferedServerConnection> {
        TlsHandshake::new(UnbufferedServerConnection::new(self.config.clone()))
    }
}
