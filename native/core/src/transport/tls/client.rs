//! What all connections of a TLS client share: whom it trusts, and what it may resume.

use std::sync::Arc;

use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, SupportedProtocolVersion};

use crate::spec::TlsSpec;
use crate::transport::codec::Handshake;
use crate::transport::tls::VERSIONS;
use crate::transport::tls::handshake::TlsHandshake;
use crate::transport::tls::identity::certified;
use crate::transport::tls::roots::KnownServers;
use crate::transport::tls::tickets::Tickets;

pub(crate) struct TlsClient {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl TlsClient {
    /// # Errors
    /// What of the certificates or the name cannot be used.
    pub(crate) fn new(spec: &TlsSpec) -> Result<Self, String> {
        Self::with(spec, default_provider(), VERSIONS)
    }

    pub(super) fn with(
        spec: &TlsSpec,
        provider: CryptoProvider,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<Self, String> {
        let name = ServerName::try_from(spec.hostname.clone()).map_err(|_| {
            format!(
                "{:?} is neither a host name nor an IP address, so no certificate can have it",
                spec.hostname
            )
        })?;
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(KnownServers::new(&spec.roots)?);
        let mut config = match spec.identities.first() {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let shown = SingleCertAndKey::from(certified(identity)?);
                builder.with_client_cert_resolver(Arc::new(shown))
            }
        };
        config.resumption = Resumption::store(Arc::new(Tickets::default()));
        Ok(Self {
            config: Arc::new(config),
            name,
        })
    }

    pub(crate) fn handshake(&self) -> Box<dyn Handshake> {
        Box::new(self.begin())
    }

    pub(super) fn begin(&self) -> TlsHandshake<UnbufferedClientConnection> {
        let config = self.config.clone();
        TlsHandshake::new(UnbufferedClientConnection::new(config, self.name.clone()))
    }
}
