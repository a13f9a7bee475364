use rustls::ProtocolVersion;
use rustls::pki_types::CertificateDer;
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, HandshakeKind};

use crate::spec::TlsIdentity;
use crate::transport::codec::{Handshake, Step};
use crate::transport::tls::scene::*;
use crate::transport::tls::{TlsClient, TlsServer};

const KINDS: [KeyKind; 4] = [KeyKind::P256, KeyKind::P384, KeyKind::Ed25519, KeyKind::Rsa];

#[test]
fn both_ends_agree_in_every_version_and_with_every_key() {
    let authority = Authority::new("root");
    let roots = [authority.der.as_slice()];
    for kind in KINDS {
        let identity = authority.issue(&["a.test"], kind);
        let (new, old) = (
            server(vec![identity.clone()], &[]),
            narrow_server(&spec(vec![identity], &[], ""), &TLS12),
        );
        let spec = spec(Vec::new(), &roots, "a.test");
        for (server, client, version) in [
            (&new, client(&roots, "a.test"), ProtocolVersion::TLSv1_3),
            (
                &new,
                narrow_client(&spec, &TLS12, None),
                ProtocolVersion::TLSv1_2,
            ),
            (&old, client(&roots, "a.test"), ProtocolVersion::TLSv1_2),
        ] {
            let mut pair = shake(server, &client).settle();
            assert_eq!(pair.client.common().protocol_version(), Some(version));
            assert_eq!(pair.kind(), HandshakeKind::Full, "{kind:?}");
            let wire = seal(pair.client.codec(), b"hello");
            assert_eq!(open(pair.server.codec(), &wire).unwrap().plain, b"hello");
            let wire = seal(pair.server.codec(), b"well");
            assert_eq!(open(pair.client.codec(), &wire).unwrap().plain, b"well");
        }
    }
}

/// What a peer says right behind its last words is the codec's, however the wire cuts it.
#[test]
fn nothing_behind_a_handshake_is_lost() {
    let authority = Authority::new("root");
    let server = server(vec![authority.issue(&["a.test"], KeyKind::P256)], &[]);
    let spec = spec(Vec::new(), &[&authority.der], "a.test");
    for version in [&TLS12, &TLS13] {
        for piece in [1, 2, 7, 100, usize::MAX] {
            let client = narrow_client(&spec, version, None);
            // The first is full, the second resumed: their last words are of different ends.
            for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
                let wire = Wire {
                    piece,
                    greeting: b"first",
                };
                let mut pair = shake_over(wire, server.begin(), client.begin());
                let found = open(pair.server.codec(), &pair.to_server).unwrap();
                assert_eq!(found.plain, b"first");
                assert!(found.rest.is_empty());
                let found = open(pair.client.codec(), &pair.to_client).unwrap();
                assert_eq!(found.plain, b"first");
                assert!(found.rest.is_empty());
                assert_eq!(pair.kind(), kind, "{version:?} by {piece}");
            }
        }
    }
}

/// Whatever the order in which they are configured.
#[test]
fn an_ecdsa_certificate_is_shown_to_who_can_take_it() {
    let authority = Authority::new("root");
    let rsa = authority.issue(&["a.test"], KeyKind::Rsa);
    let ecdsa = authority.issue(&["a.test"], KeyKind::P256);
    let ed25519 = authority.issue(&["a.test"], KeyKind::Ed25519);
    let spec = spec(Vec::new(), &[&authority.der], "a.test");
    let shown = |server: &TlsServer, suite: Option<CipherSuite>| {
        let version = if suite.is_some() { &TLS12 } else { &TLS13 };
        let mut pair = shake(server, &narrow_client(&spec, version, suite));
        pair.client.common().peer_certificates().unwrap()[0].to_vec()
    };
    let only_rsa = Some(CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256);
    let only_ecdsa = Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256);
    let several = server(vec![rsa.clone(), ed25519.clone(), ecdsa.clone()], &[]);
    assert_eq!(shown(&several, None), ecdsa.chain[0]);
    assert_eq!(shown(&several, only_ecdsa), ecdsa.chain[0]);
    assert_eq!(shown(&several, only_rsa), rsa.chain[0]);
    let several = server(vec![rsa, ed25519.clone()], &[]);
    assert_eq!(shown(&several, None), ed25519.chain[0]);
}

#[test]
fn a_chain_is_sent_whole() {
    let authority = Authority::new("root");
    let mut identity = authority.issue(&["a.test"], KeyKind::P256);
    identity.chain.push(Authority::new("another").der);
    let client = client(&[&authority.der], "a.test");
    let mut pair = shake(&server(vec![identity.clone()], &[]), &client);
    let shown: Vec<_> = identity
        .chain
        .into_iter()
        .map(CertificateDer::from)
        .collect();
    assert_eq!(pair.client.common().peer_certificates(), Some(&*shown));
}

#[test]
fn a_client_shows_its_certificate_to_a_server_that_asks() {
    let (ours, theirs) = (Authority::new("server root"), Authority::new("client root"));
    let server = server(vec![ours.issue(&["a.test"], KeyKind::P256)], &[&theirs.der]);
    for kind in KINDS {
        let identity = theirs.issue(&["somebody"], kind);
        let spec = spec(vec![identity.clone()], &[&ours.der], "a.test");
        for version in [&TLS12, &TLS13] {
            let client = narrow_client(&spec, version, None);
            for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
                let mut pair = shake(&server, &client).settle();
                assert_eq!(pair.kind(), kind);
                let shown = pair.server.common().peer_certificates().unwrap();
                assert_eq!(*shown[0], *identity.chain[0]);
            }
        }
    }
}

/// As `openssl req -x509` makes it, and as OpenSSL takes it.
#[test]
fn a_self_signed_certificate_may_be_the_trusted_one() {
    let (ours, theirs) = (
        self_signed(&["a.test"], |_| {}),
        self_signed(&["somebody"], |_| {}),
    );
    let server = server(vec![ours.clone()], &[&theirs.chain[0]]);
    let spec = spec(vec![theirs], &[&ours.chain[0]], "a.test");
    for version in [&TLS12, &TLS13] {
        shake(&server, &narrow_client(&spec, version, None)).settle();
    }
}

#[test]
fn roots_that_cannot_be_used_are_skipped_unless_none_is_left() {
    let authority = Authority::new("root");
    let identity = authority.issue(&["a.test"], KeyKind::P256);
    let roots: [&[u8]; 2] = [b"no certificate", &authority.der];
    shake(
        &server(vec![identity.clone()], &[]),
        &client(&roots, "a.test"),
    )
    .settle();
    let client = TlsClient::new(&spec(Vec::new(), &roots[..1], "a.test"));
    let text = "none of the trusted certificates can be used";
    assert_eq!(client.err().as_deref(), Some(text));
    let server = TlsServer::new(&spec(vec![identity], &roots[..1], ""));
    assert_eq!(server.err().as_deref(), Some(text));
}

#[test]
fn what_cannot_be_shown_is_told_at_once() {
    let authority = Authority::new("root");
    let new = |change: &dyn Fn(&mut TlsIdentity)| {
        let mut identity = authority.issue(&["a.test"], KeyKind::P256);
        change(&mut identity);
        TlsServer::new(&spec(vec![identity], &[], ""))
            .err()
            .unwrap()
    };
    let other = authority.issue(&["a.test"], KeyKind::P256);
    let text = new(&|identity| identity.key = other.key.clone());
    assert!(text.contains("does not belong"), "{text}");
    let text = new(&|identity| identity.key.0.truncate(20));
    assert!(text.contains("the private key cannot be used"), "{text}");
    let text = new(&|identity| identity.chain[0].truncate(20));
    assert!(text.contains("first certificate of the chain"), "{text}");
    let text = new(&|identity| identity.chain.clear());
    assert!(text.contains("without certificate"), "{text}");
    assert!(TlsServer::new(&spec(Vec::new(), &[], "")).is_err());
    let client = TlsClient::new(&spec(Vec::new(), &[&authority.der], "a b"));
    assert!(client.err().unwrap().contains("\"a b\""));
}

/// The contract of `Handshake`: nothing comes before the first words of a client.
#[test]
fn a_client_speaks_first() {
    let authority = Authority::new("root");
    let server = server(vec![authority.issue(&["a.test"], KeyKind::P256)], &[]);
    let client = client(&[&authority.der], "a.test");
    let mut out = Vec::new();
    let mut hand: Box<dyn Handshake> = server.handshake();
    assert!(matches!(
        hand.advance(&mut Vec::new(), &mut out),
        Ok(Step::Wait)
    ));
    assert!(out.is_empty());
    assert!(matches!(
        client.handshake().advance(&mut Vec::new(), &mut out),
        Ok(Step::Wait)
    ));
    assert_eq!(out[0], 22, "a handshake record");
}
