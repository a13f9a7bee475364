//! A server and a client of TLS with memory between them, and certificates for both.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256,
};
use rustls::client::UnbufferedClientConnection;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::UnbufferedServerConnection;
use rustls::{CipherSuite, CommonState, HandshakeKind, SupportedProtocolVersion};

use crate::spec::{Secret, TlsIdentity, TlsSpec};
use crate::transport::codec::{Codec, Fault, Opened, Place, Refused};
use crate::transport::tls::codec::TlsCodec;
use crate::transport::tls::handshake::TlsHandshake;
use crate::transport::tls::side::Side;
use crate::transport::tls::{TlsClient, TlsServer};

/// ring makes no RSA keys. This one is for tests only.
const RSA_KEY: &[u8] = include_bytes!("testdata/rsa-2048.pk8");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    P256,
    P384,
    Ed25519,
    Rsa,
}

pub(super) fn key(kind: KeyKind) -> KeyPair {
    match kind {
        KeyKind::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        KeyKind::P384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
        KeyKind::Ed25519 => KeyPair::generate_for(&PKCS_ED25519),
        KeyKind::Rsa => {
            let der = PrivatePkcs8KeyDer::from(RSA_KEY);
            KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_RSA_SHA256)
        }
    }
    .unwrap()
}

pub(super) struct Authority {
    pub(super) der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = key(KeyKind::P256);
        let der = params.self_signed(&key).unwrap().der().to_vec();
        let issuer = Issuer::new(params, key);
        Self { der, issuer }
    }

    pub(super) fn issue(&self, names: &[&str], kind: KeyKind) -> TlsIdentity {
        self.issue_with(names, kind, |_| {})
    }

    pub(super) fn issue_with(
        &self,
        names: &[&str],
        kind: KeyKind,
        change: impl FnOnce(&mut CertificateParams),
    ) -> TlsIdentity {
        let mut params = params(names);
        change(&mut params);
        let key = key(kind);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        identity(&certificate, &key)
    }
}

/// A server's and a client's spec that fit.
pub(crate) fn specs() -> (TlsSpec, TlsSpec) {
    let authority = Authority::new("tests");
    let server = TlsSpec {
        identities: vec![authority.issue(&["localhost"], KeyKind::P256)],
        roots: Vec::new(),
        hostname: "localhost".to_owned(),
    };
    let client = TlsSpec {
        identities: Vec::new(),
        roots: vec![authority.der],
        hostname: "localhost".to_owned(),
    };
    (server, client)
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params
}

/// As `openssl req -x509` makes it: an authority of its own.
pub(super) fn self_signed(
    names: &[&str],
    change: impl FnOnce(&mut CertificateParams),
) -> TlsIdentity {
    let mut params = params(names);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.extended_key_usages.clear();
    change(&mut params);
    let key = key(KeyKind::P256);
    identity(&params.self_signed(&key).unwrap(), &key)
}

fn identity(certificate: &Certificate, key: &KeyPair) -> TlsIdentity {
    TlsIdentity {
        chain: vec![certificate.der().to_vec()],
        key: Secret(key.serialize_der()),
    }
}

pub(super) fn server(identities: Vec<TlsIdentity>, roots: &[&[u8]]) -> TlsServer {
    TlsServer::new(&spec(identities, roots, "")).unwrap()
}

pub(super) fn client(roots: &[&[u8]], hostname: &str) -> TlsClient {
    TlsClient::new(&spec(Vec::new(), roots, hostname)).unwrap()
}

/// A client that offers this version only, and if one is given this cipher suite only.
pub(super) fn narrow_client(
    spec: &TlsSpec,
    version: &'static SupportedProtocolVersion,
    suite: Option<CipherSuite>,
) -> TlsClient {
    let mut provider = default_provider();
    if let Some(only) = suite {
        provider.cipher_suites.retain(|it| it.suite() == only);
    }
    TlsClient::with(spec, provider, &[version]).unwrap()
}

pub(super) fn narrow_server(
    spec: &TlsSpec,
    version: &'static SupportedProtocolVersion,
) -> TlsServer {
    TlsServer::with(spec, default_provider(), &[version]).unwrap()
}

pub(super) fn spec(identities: Vec<TlsIdentity>, roots: &[&[u8]], hostname: &str) -> TlsSpec {
    TlsSpec {
        identities,
        roots: roots.iter().map(|root| root.to_vec()).collect(),
        hostname: hostname.to_owned(),
    }
}

/// One end of a connection.
pub(super) enum End<S> {
    Shaking(TlsHandshake<S>),
    Up(Box<TlsCodec<S>>),
    Refused(Refused),
}

impl<S: Side> End<S> {
    fn advance(&mut self, greeting: &[u8], came: &mut Vec<u8>, out: &mut Vec<u8>) {
        if let Self::Shaking(handshake) = self {
            match handshake.go(came, out) {
                Ok(Some(mut codec)) => {
                    if !greeting.is_empty() {
                        out.extend(seal(&mut codec, greeting));
                    }
                    *self = Self::Up(Box::new(codec));
                }
                Ok(None) => {}
                Err(refused) => *self = Self::Refused(refused),
            }
        }
    }

    #[track_caller]
    pub(super) fn codec(&mut self) -> &mut TlsCodec<S> {
        match self {
            Self::Up(codec) => codec,
            Self::Shaking(_) => panic!("still shaking"),
            Self::Refused(refused) => panic!("{refused:?}"),
        }
    }

    #[track_caller]
    pub(super) fn refused(&self) -> &Refused {
        match self {
            Self::Refused(refused) => refused,
            Self::Shaking(_) => panic!("still shaking"),
            Self::Up(_) => panic!("established"),
        }
    }

    pub(super) fn common(&mut self) -> &CommonState {
        self.codec().common()
    }
}

/// Both ends, and what is on its way between them.
pub(super) struct Pair<A, B> {
    pub(super) server: End<A>,
    pub(super) client: End<B>,
    pub(super) to_server: Vec<u8>,
    pub(super) to_client: Vec<u8>,
}

impl<A: Side, B: Side> Pair<A, B> {
    /// Opens what came behind the handshake: tickets.
    pub(super) fn settle(mut self) -> Self {
        let came = std::mem::take(&mut self.to_client);
        let found = open(self.client.codec(), &came).unwrap();
        assert!(found.plain.is_empty() && found.rest.is_empty());
        assert!(open(self.server.codec(), &[]).unwrap().rest.is_empty());
        self
    }

    pub(super) fn kind(&mut self) -> HandshakeKind {
        let kind = self.client.common().handshake_kind().unwrap();
        assert_eq!(self.server.common().handshake_kind(), Some(kind));
        kind
    }
}

/// How a wire behaves.
#[derive(Clone, Copy)]
pub(super) struct Wire {
    /// So many bytes arrive at a time.
    pub(super) piece: usize,
    /// Each end says this as soon as it may.
    pub(super) greeting: &'static [u8],
}

/// Shakes hands until neither end can go on.
pub(super) fn shake_over<A: Side, B: Side>(
    wire: Wire,
    server: TlsHandshake<A>,
    client: TlsHandshake<B>,
) -> Pair<A, B> {
    let (mut server, mut client) = (End::Shaking(server), End::Shaking(client));
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    let (mut server_came, mut client_came) = (Vec::new(), Vec::new());
    server.advance(wire.greeting, &mut server_came, &mut to_client);
    client.advance(wire.greeting, &mut client_came, &mut to_server);
    loop {
        let is_server = matches!(server, End::Shaking(_)) && !to_server.is_empty();
        let is_client = matches!(client, End::Shaking(_)) && !to_client.is_empty();
        if is_server {
            server_came.extend(to_server.drain(..wire.piece.min(to_server.len())));
            server.advance(wire.greeting, &mut server_came, &mut to_client);
        }
        if is_client {
            client_came.extend(to_client.drain(..wire.piece.min(to_client.len())));
            client.advance(wire.greeting, &mut client_came, &mut to_server);
        }
        if !is_server && !is_client {
            break;
        }
    }
    server_came.append(&mut to_server);
    client_came.append(&mut to_client);
    Pair {
        server,
        client,
        to_server: server_came,
        to_client: client_came,
    }
}

const SILENT: Wire = Wire {
    piece: usize::MAX,
    greeting: b"",
};

pub(super) type TestPair = Pair<UnbufferedServerConnection, UnbufferedClientConnection>;

pub(super) fn shake(server: &TlsServer, client: &TlsClient) -> TestPair {
    shake_over(SILENT, server.begin(), client.begin())
}

/// A server of both versions, and a client of its own of this one.
pub(super) fn ends(version: &'static SupportedProtocolVersion) -> (TlsServer, TlsClient) {
    let authority = Authority::new("root");
    let server = server(vec![authority.issue(&["a.test"], KeyKind::P256)], &[]);
    let spec = spec(Vec::new(), &[&authority.der], "a.test");
    (server, narrow_client(&spec, version, None))
}

/// Connections that have all begun before the first of them goes on.
pub(super) fn burst(server: &TlsServer, client: &TlsClient, count: usize) -> Vec<TestPair> {
    let begun: Vec<_> = (0..count).map(|_| client.begin()).collect();
    begun
        .into_iter()
        .map(|client| shake_over(SILENT, server.begin(), client).settle())
        .collect()
}

pub(super) fn resumed(pairs: &mut [TestPair]) -> usize {
    pairs
        .iter_mut()
        .map(|pair| usize::from(pair.kind() == HandshakeKind::Resumed))
        .sum()
}

pub(super) fn seal(codec: &mut dyn Codec, plain: &[u8]) -> Vec<u8> {
    let mut buffer = plain.to_vec();
    let mut side = Vec::new();
    let place = codec.seal(&mut buffer, plain.len(), &mut side).unwrap();
    assert_eq!(place, Place::Side(0..side.len()));
    side
}

/// What `open` made of a wire, with the bytes themselves.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) plain: Vec<u8>,
    pub(super) rest: Vec<u8>,
    pub(super) reply: Vec<u8>,
    pub(super) ended: bool,
}

pub(super) fn open(codec: &mut dyn Codec, wire: &[u8]) -> Result<Found, Fault> {
    let mut buffer = wire.to_vec();
    let (mut side, mut reply) = (Vec::new(), Vec::new());
    let Opened { plain, rest, ended } = codec.open(&mut buffer, &mut side, &mut reply)?;
    let plain = match plain {
        Place::Buffer(range) => buffer[range].to_vec(),
        Place::Side(range) => side[range].to_vec(),
    };
    Ok(Found {
        plain,
        rest: buffer[rest].to_vec(),
        reply,
        ended,
    })
}
