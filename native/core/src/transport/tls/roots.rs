//! Who is believed: a peer whose certificate was issued by one of the roots, or is one of them.
//!
//! A self-signed certificate as `openssl req -x509` makes it says that it is an authority, so that
//! webpki takes it for nothing else. Who names such a certificate as trusted means just that one,
//! and OpenSSL, and so rathole, takes it: where a peer shows byte for byte what was configured,
//! only that objection is passed over.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};

/// Both halves of a verifier's construction can fail only for want of roots.
const NO_ROOTS: &str = "none of the trusted certificates can be used";

/// The ones that can be used: those of a system are not all well-formed.
fn root_store(roots: &[Vec<u8>]) -> Arc<RootCertStore> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.iter().map(|der| CertificateDer::from(der.as_slice())));
    Arc::new(store)
}

/// Whether webpki had just this to say: its checks of dates come before.
fn is_root_itself(error: &Error, certificate: &CertificateDer<'_>, roots: &[Vec<u8>]) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(other)) = error else {
        return false;
    };
    matches!(
        other.0.downcast_ref(),
        Some(webpki::Error::CaUsedAsEndEntity)
    ) && roots.iter().any(|root| **root == **certificate)
}

#[derive(Debug)]
pub(super) struct KnownServers {
    roots: Vec<Vec<u8>>,
    issued: Arc<WebPkiServerVerifier>,
}

impl KnownServers {
    /// # Errors
    /// When no root can be used.
    pub(super) fn new(roots: &[Vec<u8>]) -> Result<Arc<Self>, String> {
        let provider = Arc::new(default_provider());
        let issued = WebPkiServerVerifier::builder_with_provider(root_store(roots), provider)
            .build()
            .map_err(|_| NO_ROOTS)?;
        let roots = roots.to_vec();
        Ok(Arc::new(Self { roots, issued }))
    }
}

impl ServerCertVerifier for KnownServers {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self
            .issued
            .verify_server_cert(certificate, intermediates, name, ocsp, now);
        match verified {
            Err(error) if is_root_itself(&error, certificate, &self.roots) => {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.issued
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.issued
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.issued.supported_verify_schemes()
    }
}

#[derive(Debug)]
pub(super) struct KnownClients {
    roots: Vec<Vec<u8>>,
    issued: Arc<dyn ClientCertVerifier>,
}

impl KnownClients {
    /// # Errors
    /// When no root can be used.
    pub(super) fn new(roots: &[Vec<u8>]) -> Result<Arc<Self>, String> {
        let provider = Arc::new(default_provider());
        let issued = WebPkiClientVerifier::builder_with_provider(root_store(roots), provider)
            .build()
            .map_err(|_| NO_ROOTS)?;
        let roots = roots.to_vec();
        Ok(Arc::new(Self { roots, issued }))
    }
}

impl ClientCertVerifier for KnownClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.issued.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self
            .issued
            .verify_client_cert(certificate, intermediates, now);
        match verified {
            Err(error) if is_root_itself(&error, certificate, &self.roots) => {
                Ok(ClientCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.issued
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.issued
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.issued.supported_verify_schemes()
    }
}
