//! The official vectors (test/vectors/noise): handshakes with our primitives, then our own records.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use snow::params::NoiseParams;
use snow::{Builder, HandshakeState};

use super::cipher::CipherKind;
use super::primitives::Primitives;
use super::records::Records;
use super::x25519::KeyPair;
use crate::transport::codec::{Codec, Place};

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks_exact(2);
    digits
        .map(|two| u8::from_str_radix(str::from_utf8(two).expect("ASCII"), 16).expect("digits"))
        .collect()
}

/// Absent: empty.
fn field(vector: &Value, name: &str) -> Vec<u8> {
    vector[name].as_str().map(bytes).unwrap_or_default()
}

/// What we do not support is in the files as well.
fn is_ours(name: &str) -> bool {
    let params: Result<NoiseParams, _> = name.parse();
    name.contains("_25519_")
        && params.is_ok_and(|it| {
            it.handshake.modifiers.list.is_empty() && !it.handshake.pattern.is_oneway()
        })
}

fn begin(vector: &Value, side: &str) -> HandshakeState {
    let [prologue, ephemeral, local, remote] = ["prologue", "ephemeral", "static", "remote_static"]
        .map(|name| field(vector, &format!("{side}_{name}")));
    let params = vector["protocol_name"]
        .as_str()
        .expect("a string")
        .parse()
        .expect("a pattern");
    let primitives = Primitives {
        local: Arc::new(KeyPair::new([7; 32])),
    };
    let mut builder = Builder::with_resolver(params, Box::new(primitives))
        .prologue(&prologue)
        .expect("a prologue")
        .fixed_ephemeral_key_for_testing_only(&ephemeral);
    if !local.is_empty() {
        builder = builder.local_private_key(&local).expect("a key");
    }
    if !remote.is_empty() {
        builder = builder.remote_public_key(&remote).expect("a key");
    }
    if side == "init" {
        builder.build_initiator().expect("begins")
    } else {
        builder.build_responder().expect("begins")
    }
}

fn both_records(initiator: &mut HandshakeState, kind: CipherKind) -> [Records; 2] {
    let (one, other) = initiator.dangerously_get_raw_split();
    [
        Records::new(kind, &one, &other),
        Records::new(kind, &other, &one),
    ]
}

fn check_record(from: &mut Records, to: &mut Records, payload: &[u8], ciphertext: &[u8]) {
    let wire = [&(ciphertext.len() as u16).to_le_bytes(), ciphertext].concat();
    let mut buffer = vec![0; wire.len()];
    from.layout().put(&mut buffer, payload);
    let sealed = from.seal(&mut buffer, payload.len(), &mut Vec::new());
    assert_eq!(sealed, Ok(Place::Buffer(0..wire.len())));
    assert_eq!(buffer, wire);
    let opened = to
        .open(&mut buffer, &mut Vec::new(), &mut Vec::new())
        .expect("opened");
    assert_eq!(opened.plain, Place::Buffer(0..payload.len()));
    assert_eq!(&buffer[..payload.len()], payload);
}

fn check(vector: &Value) {
    let (mut writer, mut reader) = (begin(vector, "init"), begin(vector, "resp"));
    let name = vector["protocol_name"].as_str().expect("a string");
    let kind = CipherKind::of(name.parse::<NoiseParams>().expect("a pattern").cipher);
    let mut records: Option<[Records; 2]> = None;
    for message in vector["messages"].as_array().expect("a list") {
        let (payload, ciphertext) = (field(message, "payload"), field(message, "ciphertext"));
        if let Some([from, to]) = &mut records {
            check_record(from, to, &payload, &ciphertext);
            std::mem::swap(from, to);
            continue;
        }
        let mut wire = vec![0; ciphertext.len() + 16];
        let length = writer.write_message(&payload, &mut wire).expect("written");
        assert_eq!(wire[..length], ciphertext, "{name}");
        let mut read = vec![0; length];
        let length = reader.read_message(&ciphertext, &mut read).expect("read");
        assert_eq!(read[..length], payload, "{name}");
        std::mem::swap(&mut writer, &mut reader);
        if writer.is_handshake_finished() {
            if vector["handshake_hash"].is_string() {
                assert_eq!(writer.get_handshake_hash(), field(vector, "handshake_hash"));
            }
            let initiator_is_next = writer.is_initiator();
            let initiator = if initiator_is_next {
                &mut writer
            } else {
                &mut reader
            };
            let [one, other] = both_records(initiator, kind);
            records = Some(if initiator_is_next {
                [one, other]
            } else {
                [other, one]
            });
        }
    }
    assert!(records.is_some(), "{name} has no record");
}

#[test]
fn handshakes_and_records_are_those_of_the_official_vectors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/vectors/noise");
    let text = std::fs::read(folder.join("cacophony.txt")).expect("test/vectors");
    let file: Value = serde_json::from_slice(&text).expect("JSON");
    let mut parts = BTreeSet::new();
    for vector in file["vectors"].as_array().expect("a list") {
        let name = vector["protocol_name"].as_str().expect("a string");
        if is_ours(name) {
            check(vector);
            parts.extend(name.split('_').map(str::to_owned));
        }
    }
    // What every name has in common, patterns, ciphers, hashes.
    assert_eq!(parts.len(), 2 + 35 + 2 + 4, "{parts:?}");
}
