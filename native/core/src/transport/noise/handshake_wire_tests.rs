//! The bytes of wire-v1 4.3 (test/vectors/wire-v1.json).

use std::sync::{Arc, LazyLock};

use serde_json::Value;
use snow::Builder;

use super::NoiseHandshake;
use super::tests::{CLIENT_KEY, noise};
use crate::spec::Key;
use crate::transport::codec::{Codec, Handshake, Place, Step};
use crate::transport::noise::primitives::Primitives;
use crate::transport::noise::x25519::public_key;

static VECTORS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../../../test/vectors/wire-v1.json")).expect("JSON")
});

fn bytes(hex: &Value) -> Vec<u8> {
    let byte = |two| u8::from_str_radix(str::from_utf8(two).expect("ASCII"), 16).expect("digits");
    let digits = hex.as_str().expect("a string").as_bytes();
    digits.chunks_exact(2).map(byte).collect()
}

fn nk(name: &str) -> Vec<u8> {
    bytes(&VECTORS["noise_nk"][name])
}

/// A side of the NK vector, with its ephemeral key.
fn vector_side(is_initiator: bool) -> NoiseHandshake {
    let server_key: Key = nk("s_priv").try_into().expect("a key");
    let pattern = "Noise_NK_25519_ChaChaPoly_BLAKE2s";
    let (noise, ephemeral) = if is_initiator {
        let remote = Some(public_key(&server_key));
        (noise(pattern, CLIENT_KEY, remote), nk("ei_priv"))
    } else {
        (noise(pattern, server_key, None), nk("er_priv"))
    };
    let primitives = Primitives {
        local: Arc::clone(&noise.setup.local),
    };
    let builder = Builder::with_resolver(pattern.parse().expect("a pattern"), Box::new(primitives))
        .fixed_ephemeral_key_for_testing_only(&ephemeral);
    let state = if is_initiator {
        let remote = noise.setup.remote.expect("a key");
        let builder = builder.remote_public_key(&remote).expect("a key");
        builder.build_initiator().expect("begins")
    } else {
        let builder = builder.local_private_key(&server_key).expect("a key");
        builder.build_responder().expect("begins")
    };
    NoiseHandshake {
        state: Some(state),
        ..NoiseHandshake::new(Arc::clone(&noise.setup), is_initiator)
    }
}

fn sealed(codec: &mut dyn Codec, wire: &[u8], text: &[u8]) {
    let mut buffer = vec![0; wire.len()];
    codec.layout().put(&mut buffer, text);
    let place = codec.seal(&mut buffer, text.len(), &mut Vec::new());
    assert_eq!(place, Ok(Place::Buffer(0..wire.len())));
    assert_eq!(buffer, wire);
}

fn opened(codec: &mut dyn Codec, mut wire: Vec<u8>, text: &[u8]) {
    let opened = codec.open(&mut wire, &mut Vec::new(), &mut Vec::new());
    assert_eq!(opened.expect("opened").plain, Place::Buffer(0..text.len()));
    assert_eq!(&wire[..text.len()], text);
}

#[test]
fn the_bytes_are_those_of_the_wire_format() {
    let to_server = [
        (nk("c2s_0_hello_foo"), bytes(&VECTORS["hello_control_foo"])),
        (nk("c2s_1_auth_t"), bytes(&VECTORS["auth_token_t"])),
    ];
    let to_client = [
        (nk("s2c_0_hello"), bytes(&VECTORS["hello_server"])),
        (nk("s2c_1_ack_ok"), bytes(&VECTORS["ack"]["ok"])),
    ];
    let (mut client, mut server) = (vector_side(true), vector_side(false));
    let (mut first, mut second) = (Vec::new(), Vec::new());
    assert!(matches!(
        client.advance(&mut vec![], &mut first),
        Ok(Step::Wait)
    ));
    assert_eq!(first, nk("wire_m1"));
    let Ok(Step::Done(Some(mut server))) = server.advance(&mut first, &mut second) else {
        panic!("the server is not through");
    };
    assert_eq!(second, nk("wire_m2"));
    let Ok(Step::Done(Some(mut client))) = client.advance(&mut second, &mut first) else {
        panic!("the client is not through");
    };
    for (wire, text) in to_server {
        sealed(&mut *client, &wire, &text);
        opened(&mut *server, wire, &text);
    }
    for (wire, text) in to_client {
        sealed(&mut *server, &wire, &text);
        opened(&mut *client, wire, &text);
    }
}
