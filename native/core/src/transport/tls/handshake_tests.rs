use rustls::HandshakeKind;

use super::scene::*;
use crate::transport::codec::Codec;

#[test]
fn both_ends_agree_and_carry_bytes() {
    let authority = Authority::new("root");
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Ed25519, KeyKind::Rsa] {
        let server = server(vec![authority.issue(&["a.test"], kind)], &[]);
        let client = client(&[&authority.der], "a.test");
        let mut pair = shake(&server, &client);
        let wire = seal(pair.client.codec(), b"hello");
        pair.to_server.extend_from_slice(&wire);
        let found = open(pair.server.codec(), &pair.to_server).unwrap();
        assert_eq!(found.plain, b"hello", "{kind:?}");
        assert_eq!(
            pair.client.common().handshake_kind(),
            Some(HandshakeKind::Full)
        );
        let found = open(pair.client.codec(), &pair.to_client).unwrap();
        assert!(found.plain.is_empty() && found.rest.is_empty(), "tickets");
        let mut end = Vec::new();
        assert_eq!(pair.client.codec().finish(&mut end), Ok(true));
        assert!(open(pair.server.codec(), &end).unwrap().ended);
    }
}
