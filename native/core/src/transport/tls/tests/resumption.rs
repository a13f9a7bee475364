use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};

use crate::transport::tls::scene::*;

/// Of a server's tickets per handshake.
const TICKETS: usize = 4;

#[test]
fn a_second_connection_resumes_in_both_versions() {
    let authority = Authority::new("root");
    let server = server(vec![authority.issue(&["a.test"], KeyKind::P256)], &[]);
    let spec = spec(Vec::new(), &[&authority.der], "a.test");
    for version in [&TLS12, &TLS13] {
        let client = narrow_client(&spec, version, None);
        for kind in [
            HandshakeKind::Full,
            HandshakeKind::Resumed,
            HandshakeKind::Resumed,
        ] {
            assert_eq!(shake(&server, &client).settle().kind(), kind);
        }
        // Another client shares nothing with it.
        let other = narrow_client(&spec, version, None);
        assert_eq!(shake(&server, &other).kind(), HandshakeKind::Full);
    }
}

#[test]
fn bursts_of_channels_resume() {
    let authority = Authority::new("root");
    let server = server(vec![authority.issue(&["a.test"], KeyKind::P256)], &[]);
    let spec = spec(Vec::new(), &[&authority.der], "a.test");
    let client = narrow_client(&spec, &TLS13, None);
    shake(&server, &client).settle();
    // Tickets of TLS 1.3 are used once: so many of the first burst, and all from then on.
    assert_eq!(resumed(&mut burst(&server, &client, 64)), TICKETS);
    assert_eq!(resumed(&mut burst(&server, &client, 128)), 128);
    // In TLS 1.2, one is enough for all.
    let client = narrow_client(&spec, &TLS12, None);
    shake(&server, &client).settle();
    assert_eq!(resumed(&mut burst(&server, &client, 64)), 64);
}

#[test]
fn a_client_keeps_so_many_tickets_and_no_more() {
    let authority = Authority::new("root");
    let server = server(vec![authority.issue(&["a.test"], KeyKind::P256)], &[]);
    let client = client(&[&authority.der], "a.test");
    burst(&server, &client, 80);
    assert_eq!(resumed(&mut burst(&server, &client, 300)), 256);
}

#[test]
fn a_server_with_new_certificates_costs_one_full_handshake() {
    let authority = Authority::new("root");
    let identity = authority.issue(&["a.test"], KeyKind::P256);
    let client = client(&[&authority.der], "a.test");
    let old = server(vec![identity.clone()], &[]);
    burst(&old, &client, 10);
    let new = server(vec![identity], &[]);
    let kinds = [
        HandshakeKind::Full,
        HandshakeKind::Resumed,
        HandshakeKind::Resumed,
    ];
    for kind in kinds {
        assert_eq!(shake(&new, &client).settle().kind(), kind);
    }
}

/// Who is no longer trusted does not come in by an old ticket.
#[test]
fn tickets_end_with_the_roots_that_allowed_them() {
    let (ours, theirs) = (Authority::new("server root"), Authority::new("client root"));
    let identity = ours.issue(&["a.test"], KeyKind::P256);
    let spec = spec(
        vec![theirs.issue(&["somebody"], KeyKind::P256)],
        &[&ours.der],
        "a.test",
    );
    for version in [&TLS12, &TLS13] {
        let client = narrow_client(&spec, version, None);
        shake(&server(vec![identity.clone()], &[&theirs.der]), &client).settle();
        let others = Authority::new("another root");
        let pair = shake(&server(vec![identity.clone()], &[&others.der]), &client);
        pair.server.refused();
    }
}
