//! A full TLS handshake as a client that takes any certificate: it is there to cost the server
//! what a handshake costs, and little here.

use std::io;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};

use super::handshake::refused;

/// Never resumes: each handshake is one of a client that comes for the first time.
pub(super) fn trusting_config() -> io::Result<Arc<ClientConfig>> {
    let provider = Arc::new(default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(refused)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

pub(super) struct TlsHandshake(ClientConnection);

impl TlsHandshake {
    pub(super) fn start(config: &Arc<ClientConfig>, outgoing: &mut Vec<u8>) -> io::Result<Self> {
        let name = ServerName::try_from("localhost").map_err(refused)?;
        let connection = ClientConnection::new(Arc::clone(config), name).map_err(refused)?;
        let mut handshake = Self(connection);
        handshake.speak(outgoing)?;
        Ok(handshake)
    }

    pub(super) fn receive(&mut self, heard: &[u8], outgoing: &mut Vec<u8>) -> io::Result<bool> {
        let mut rest = heard;
        while !rest.is_empty() {
            self.0.read_tls(&mut rest)?;
            self.0.process_new_packets().map_err(refused)?;
        }
        self.speak(outgoing)?;
        Ok(!self.0.is_handshaking())
    }

    fn speak(&mut self, outgoing: &mut Vec<u8>) -> io::Result<()> {
        while self.0.wants_write() {
            self.0.write_tls(outgoing)?;
        }
        Ok(())
    }
}

/// Believes every certificate and every signature.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::{ServerConfig, ServerConnection};

    #[test]
    fn a_server_ends_its_handshake_in_both_versions() -> Result<(), Box<dyn std::error::Error>> {
        let own = rcgen::generate_simple_self_signed(["elsewhere".to_owned()])?;
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let key = PrivateKeyDer::try_from(own.signing_key.serialize_der())?;
            let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
                .with_protocol_versions(&[version])?
                .with_no_client_auth()
                .with_single_cert(vec![own.cert.der().clone()], key)?;
            let mut server = ServerConnection::new(Arc::new(config))?;
            let mut said = Vec::new();
            let mut client = TlsHandshake::start(&trusting_config()?, &mut said)?;
            let mut is_done = false;
            while server.is_handshaking() {
                server.read_tls(&mut &*std::mem::take(&mut said))?;
                server.process_new_packets()?;
                let mut answer = Vec::new();
                while server.wants_write() {
                    server.write_tls(&mut answer)?;
                }
                is_done = client.receive(&answer, &mut said)?;
            }
            assert!(is_done, "{version:?}");
        }
        Ok(())
    }
}
