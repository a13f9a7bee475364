use rcgen::{CertificateParams, date_time_ymd};
use rustls::CipherSuite;
use rustls::version::{TLS12, TLS13};

use crate::reason::EndReason;
use crate::spec::TlsIdentity;
use crate::transport::codec::{Codec, Fault, Refused};
use crate::transport::tls::TlsServer;
use crate::transport::tls::scene::*;

/// What the client says of that certificate, and then the server of the alert.
#[track_caller]
fn of_certificate(
    identity: TlsIdentity,
    roots: &[&[u8]],
    hostname: &str,
    texts: &[&str],
) -> Refused {
    let pair = shake(&server(vec![identity], &[]), &client(roots, hostname));
    says(pair.client.refused(), EndReason::CertificateRefused, texts);
    pair.server.refused().clone()
}

#[track_caller]
fn says(refused: &Refused, reason: EndReason, texts: &[&str]) {
    assert_eq!(refused.reason, reason, "{}", refused.text);
    for text in texts {
        assert!(refused.text.contains(text), "{}", refused.text);
    }
}

#[test]
fn a_certificate_with_another_name_is_refused_with_both() {
    let authority = Authority::new("root");
    let roots = [authority.der.as_slice()];
    let named = |names: &[&str]| authority.issue(names, KeyKind::P256);
    let alerted = of_certificate(
        named(&["b.test", "*.c.test"]),
        &roots,
        "a.test",
        &["the server is not for a.test, but for b.test, *.c.test"],
    );
    says(
        &alerted,
        EndReason::CertificateRefused,
        &[
            "the client did not accept our certificate",
            "bad_certificate",
        ],
    );
    let texts = ["is not for 127.0.0.1, but for a.test, 127.0.0.2"];
    of_certificate(named(&["a.test", "127.0.0.2"]), &roots, "127.0.0.1", &texts);
    let texts = ["is not for a.test: it has no names"];
    of_certificate(named(&[]), &roots, "a.test", &texts);
}

#[test]
fn addresses_are_names() {
    let authority = Authority::new("root");
    let identity = authority.issue(&["127.0.0.1", "::1"], KeyKind::P256);
    let server = server(vec![identity], &[]);
    for hostname in ["127.0.0.1", "::1"] {
        shake(&server, &client(&[&authority.der], hostname)).settle();
    }
}

#[test]
fn a_certificate_of_an_unknown_issuer_is_refused() {
    let (known, unknown) = (Authority::new("known"), Authority::new("unknown"));
    let identity = unknown.issue(&["a.test"], KeyKind::P256);
    let texts = ["issued by nobody whom we trust"];
    let alerted = of_certificate(identity, &[&known.der], "a.test", &texts);
    says(
        &alerted,
        EndReason::CertificateRefused,
        &["does not trust who issued our certificate", "unknown_ca"],
    );
    // An authority that has the name of a known one.
    let forged = Authority::new("known").issue(&["a.test"], KeyKind::P256);
    of_certificate(
        forged,
        &[&known.der],
        "a.test",
        &["the certificate of the server"],
    );
}

fn expired(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2001, 2, 3);
    params.not_after = date_time_ymd(2011, 12, 31);
}

fn future(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2091, 2, 3);
    params.not_after = date_time_ymd(2092, 2, 3);
}

#[test]
fn a_certificate_out_of_its_dates_is_refused_with_them() {
    let authority = Authority::new("root");
    let roots = [authority.der.as_slice()];
    let names = ["a.test"];
    let identity = authority.issue_with(&names, KeyKind::P256, expired);
    let texts = ["expired on 2011-12-31 00:00:00 UTC; by our clock it is 20"];
    let alerted = of_certificate(identity, &roots, "a.test", &texts);
    says(
        &alerted,
        EndReason::CertificateRefused,
        &["out of its dates"],
    );
    let identity = authority.issue_with(&names, KeyKind::P256, future);
    let texts = ["is not valid before 2091-02-03 00:00:00 UTC; by our clock it is 20"];
    of_certificate(identity, &roots, "a.test", &texts);
}

/// That it is trusted itself passes over nothing else.
#[test]
fn a_trusted_self_signed_certificate_is_checked() {
    let trusted = |change: fn(&mut CertificateParams), hostname: &str, texts: &[&str]| {
        let identity = self_signed(&["a.test"], change);
        let root = identity.chain[0].clone();
        of_certificate(identity, &[&root], hostname, texts);
    };
    trusted(expired, "a.test", &["expired on 2011-12-31"]);
    trusted(future, "a.test", &["not valid before 2091-02-03"]);
    trusted(|_| {}, "b.test", &["is not for b.test, but for a.test"]);
    let (one, other) = (
        self_signed(&["a.test"], |_| {}),
        self_signed(&["a.test"], |_| {}),
    );
    let texts = ["that of an authority, and not itself one of those that we trust"];
    of_certificate(one.clone(), &[&other.chain[0]], "a.test", &texts);
    // Its key is needed, not only the certificate.
    let mut stolen = one.clone();
    stolen.key = other.key;
    assert!(TlsServer::new(&spec(vec![stolen], &[], "")).is_err());
}

#[test]
fn a_client_without_a_good_certificate_is_refused() {
    let (ours, theirs) = (Authority::new("server root"), Authority::new("client root"));
    let server = server(vec![ours.issue(&["a.test"], KeyKind::P256)], &[&theirs.der]);
    let unknown = Authority::new("unknown").issue(&["somebody"], KeyKind::P256);
    let late = theirs.issue_with(&["somebody"], KeyKind::P256, expired);
    for (shown, text) in [
        (None, "the client showed no certificate, and must"),
        (
            Some(unknown),
            "the client was issued by nobody whom we trust",
        ),
        (Some(late), "the client expired on 2011-12-31"),
    ] {
        let is_none = shown.is_none();
        let spec = spec(shown.into_iter().collect(), &[&ours.der], "a.test");
        let pair = shake(&server, &narrow_client(&spec, &TLS12, None));
        says(
            pair.server.refused(),
            EndReason::CertificateRefused,
            &[text],
        );
        if is_none {
            let text = "wants a certificate of ours, and we showed none";
            says(
                pair.client.refused(),
                EndReason::CertificateRefused,
                &[text],
            );
        } else {
            says(
                pair.client.refused(),
                EndReason::CertificateRefused,
                &["our certificate"],
            );
        }
        // A client of TLS 1.3 is done before the server has looked at its certificate.
        let mut pair = shake(&server, &narrow_client(&spec, &TLS13, None));
        says(
            pair.server.refused(),
            EndReason::CertificateRefused,
            &[text],
        );
        let opened = open(pair.client.codec(), &pair.to_client);
        assert_eq!(opened.unwrap_err(), Fault::BadRecord);
        assert_eq!(pair.client.codec().fin(0), Err(Fault::BadRecord));
        let text = if is_none {
            "wants a certificate of ours, and we showed none"
        } else {
            "our certificate"
        };
        let refused = pair.client.codec().refusal().unwrap();
        says(refused, EndReason::CertificateRefused, &[text]);
    }
}

#[test]
fn what_is_not_tls_is_called_that() {
    let authority = Authority::new("root");
    let server = server(vec![authority.issue(&["a.test"], KeyKind::P256)], &[]);
    let client = client(&[&authority.der], "a.test");
    let hello = [&[0, 1, 0, 0, 0][..], &[7; 32]].concat();
    for other in [
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\n".to_vec(),
        hello,
    ] {
        let refused = server.begin().go(&mut other.clone(), &mut Vec::new());
        let text = "the client does not speak TLS";
        says(&refused.err().unwrap(), EndReason::TlsFailed, &[text]);
        let mut begun = client.begin();
        begun.go(&mut Vec::new(), &mut Vec::new()).unwrap();
        let refused = begun.go(&mut other.clone(), &mut Vec::new());
        let text = "the server does not speak TLS";
        says(&refused.err().unwrap(), EndReason::TlsFailed, &[text]);
    }
}

#[test]
fn nothing_in_common_is_told_to_both() {
    let authority = Authority::new("root");
    let identity = authority.issue(&["a.test"], KeyKind::P256);
    let names = spec(Vec::new(), &[&authority.der], "a.test");
    let new = narrow_server(&spec(vec![identity.clone()], &[], ""), &TLS13);
    let pair = shake(&new, &narrow_client(&names, &TLS12, None));
    let text = "no version (ours are TLS 1.2 and 1.3) in common";
    says(pair.server.refused(), EndReason::TlsFailed, &[text]);
    let text = "speaks neither TLS 1.2 nor TLS 1.3 (TLS alert protocol_version)";
    says(pair.client.refused(), EndReason::TlsFailed, &[text]);
    // An ECDSA certificate, and a client for RSA.
    let suite = CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
    let pair = shake(
        &server(vec![identity], &[]),
        &narrow_client(&names, &TLS12, Some(suite)),
    );
    says(pair.server.refused(), EndReason::TlsFailed, &["in common"]);
    says(
        pair.client.refused(),
        EndReason::TlsFailed,
        &["handshake_failure"],
    );
}

/// The first that a server says may be an alert about the handshake; later it is about a record.
#[test]
fn an_alert_behind_the_handshake_is_called_what_it_is() {
    for version in [&TLS12, &TLS13] {
        let (server, client) = ends(version);
        for has_spoken in [false, true] {
            let mut pair = shake(&server, &client).settle();
            let mut forged = seal(pair.client.codec(), b"changed on the way");
            *forged.last_mut().unwrap() ^= 1;
            let mut side = Vec::new();
            let mut wire = Vec::new();
            if has_spoken {
                wire = seal(pair.server.codec(), b"some words");
            }
            let failed = pair.server.codec().open(&mut forged, &mut side, &mut wire);
            assert!(failed.is_err());
            assert!(
                pair.server.codec().refusal().is_none(),
                "it was ours to say"
            );
            let opened = open(pair.client.codec(), &wire);
            assert_eq!(opened.is_ok(), has_spoken);
            assert!(open(pair.client.codec(), b"").is_err());
            let refused = pair.client.codec().refusal();
            assert_eq!(refused.is_none(), has_spoken, "{refused:?}");
            if let Some(refused) = refused {
                says(refused, EndReason::TlsFailed, &["bad_record_mac"]);
            }
        }
    }
}
