//! What we show of ourselves: a certificate chain with its key, and which of several.

use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, Error, SignatureAlgorithm};

use crate::spec::TlsIdentity;

/// # Errors
/// What is wrong with the certificate or its key.
pub(super) fn certified(identity: &TlsIdentity) -> Result<Arc<CertifiedKey>, String> {
    let chain: Vec<_> = identity
        .chain
        .iter()
        .map(|der| CertificateDer::from(der.clone()))
        .collect();
    let key = PrivatePkcs8KeyDer::from(identity.key.0.clone());
    let key = default_provider()
        .key_provider
        .load_private_key(key.into())
        .map_err(|_| {
            "the private key cannot be used: RSA with 2048 to 4096 bits, ECDSA on P-256 or P-384, and \
             Ed25519 can be"
        })?;
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match().map_err(|error| match error {
        Error::InconsistentKeys(_) => {
            "the private key does not belong to the first certificate of its chain".to_owned()
        }
        Error::NoCertificatesPresented => "there is a private key without certificate".to_owned(),
        other => format!("the first certificate of the chain cannot be used: {other}"),
    })?;
    Ok(Arc::new(certified))
}

/// Of a server's identities the one that costs least: an ECDSA signature is ten times cheaper than
/// one of RSA, and its certificate shorter.
#[derive(Debug)]
pub(super) struct Cheapest {
    identities: Vec<Arc<CertifiedKey>>,
}

impl Cheapest {
    pub(super) fn new(mut identities: Vec<Arc<CertifiedKey>>) -> Self {
        identities.sort_by_key(|identity| match identity.key.algorithm() {
            SignatureAlgorithm::ECDSA => 0,
            SignatureAlgorithm::ED25519 => 1,
            _ => 2,
        });
        Self { identities }
    }
}

impl ResolvesServerCert for Cheapest {
    /// When none fits, the last: it is for rustls to say what was missing.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.identities
            .iter()
            .find(|identity| {
                let key = &identity.key;
                key.choose_scheme(hello.signature_schemes()).is_some()
                    && hello
                        .cipher_suites()
                        .iter()
                        .any(|suite| allows(*suite, key.algorithm()))
            })
            .or(self.identities.last())
            .cloned()
    }
}

/// Before TLS 1.3, cipher suites name the kind of key.
fn allows(suite: CipherSuite, algorithm: SignatureAlgorithm) -> bool {
    use CipherSuite as Suite;
    match suite {
        Suite::TLS13_AES_128_GCM_SHA256
        | Suite::TLS13_AES_256_GCM_SHA384
        | Suite::TLS13_CHACHA20_POLY1305_SHA256 => true,
        Suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        | Suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
        | Suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => {
            algorithm == SignatureAlgorithm::RSA
        }
        Suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        | Suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
        | Suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => {
            algorithm != SignatureAlgorithm::RSA
        }
        _ => false,
    }
}
