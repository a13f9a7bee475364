use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, SupportedProtocolVersion};

use crate::transport::codec::{Codec, Fault, Layout};
use crate::transport::tls::codec::TlsCodec;
use crate::transport::tls::scene::*;

fn pair(version: &'static SupportedProtocolVersion) -> TestPair {
    let (server, client) = ends(version);
    shake(&server, &client).settle()
}

#[test]
fn bulk_goes_both_ways_in_full_records() {
    for version in [&TLS12, &TLS13] {
        let mut pair = pair(version);
        assert_eq!(pair.client.codec().layout(), Layout::WHOLE);
        for length in [1, 16_383, 16_384, 16_385, 100_000, 262_144] {
            let plain: Vec<u8> = (0..length).map(|at: usize| (at % 251) as u8).collect();
            let wire = seal(pair.client.codec(), &plain);
            assert!(wire.len() <= length + (length / 16_384 + 1) * 40);
            let found = open(pair.server.codec(), &wire).unwrap();
            assert_eq!(found.plain, plain);
            let wire = seal(pair.server.codec(), &plain);
            assert_eq!(open(pair.client.codec(), &wire).unwrap().plain, plain);
        }
    }
}

#[test]
fn each_direction_ends_alone_by_close_notify() {
    for version in [&TLS12, &TLS13] {
        let mut pair = pair(version);
        let mut wire = seal(pair.client.codec(), b"last words");
        assert_eq!(pair.client.codec().finish(&mut wire), Ok(true));
        assert!(pair.client.codec().sends_fin());
        wire.extend_from_slice(b"means nothing");
        let found = open(pair.server.codec(), &wire).unwrap();
        assert_eq!(found.plain, b"last words");
        assert!(found.ended && found.rest.is_empty() && found.reply.is_empty());
        assert_eq!(pair.server.codec().fin(0), Ok(()));
        // The other direction goes on.
        let wire = seal(pair.server.codec(), b"an answer");
        assert_eq!(
            open(pair.client.codec(), &wire).unwrap().plain,
            b"an answer"
        );
        let mut wire = Vec::new();
        assert_eq!(pair.server.codec().finish(&mut wire), Ok(true));
        let found = open(pair.client.codec(), &wire).unwrap();
        assert!(found.ended && found.reply.is_empty());
        assert_eq!(pair.client.codec().fin(0), Ok(()));
    }
}

#[test]
fn an_end_without_close_notify_is_truncation_at_every_point() {
    for version in [&TLS12, &TLS13] {
        let (server, client) = ends(version);
        let (records, close) = ([&b"one"[..], b"two", b"three"], 3);
        for cut_at in 0..200 {
            let mut pair = shake(&server, &client).settle();
            let mut wire = Vec::new();
            let mut ends = Vec::new();
            for record in records {
                wire.extend(seal(pair.client.codec(), record));
                ends.push(wire.len());
            }
            pair.client.codec().finish(&mut wire).unwrap();
            ends.push(wire.len());
            let cut = cut_at.min(wire.len());
            let found = open(pair.server.codec(), &wire[..cut]).unwrap();
            let whole = ends.iter().filter(|end| **end <= cut).count();
            assert_eq!(found.plain, records[..whole.min(close)].concat());
            let begun = if whole == 0 { 0 } else { ends[whole - 1] };
            assert_eq!(found.ended, whole > close);
            let fin = pair.server.codec().fin(found.rest.len());
            if whole > close {
                assert_eq!(fin, Ok(()));
                break;
            }
            assert_eq!(found.rest, wire[begun..cut]);
            let between = found.rest.is_empty();
            let fault = if between {
                Fault::NoGoodbye
            } else {
                Fault::Truncated
            };
            assert_eq!(fin, Err(fault));
        }
    }
}

/// Keys change in the middle, and the peer is asked to change its own.
#[test]
fn keys_are_updated_on_demand() {
    let mut pair = pair(&TLS13);
    for round in 0..40 {
        pair.client.codec().refresh_keys();
        let wire = seal(pair.client.codec(), b"with new keys");
        let found = open(pair.server.codec(), &wire).unwrap();
        assert_eq!(found.plain, b"with new keys", "{round}");
        assert!(found.rest.is_empty());
        let wire = [found.reply, seal(pair.server.codec(), b"and new ones back")].concat();
        let found = open(pair.client.codec(), &wire).unwrap();
        assert_eq!(found.plain, b"and new ones back");
    }
}

/// Tickets in records of 32 bytes: each opens into a part of a message.
#[test]
fn a_message_in_many_records_comes_in_between() {
    let authority = Authority::new("root");
    let identity = authority.issue(&["a.test"], KeyKind::P256);
    let server = server(vec![identity], &[]).changed(|config| config.max_fragment_size = Some(32));
    let client = client(&[&authority.der], "a.test");
    let mut pair = shake(&server, &client);
    let mut rest = Vec::new();
    let mut parts = 0;
    for byte in std::mem::take(&mut pair.to_client) {
        rest.push(byte);
        let found = open(pair.client.codec(), &rest).unwrap();
        assert!(found.plain.is_empty());
        rest = found.rest;
        parts += usize::from(rest.len() > 40);
        // What we say meanwhile goes out as always.
        let wire = seal(pair.client.codec(), b"meanwhile");
        assert_eq!(
            open(pair.server.codec(), &wire).unwrap().plain,
            b"meanwhile"
        );
    }
    assert!(rest.is_empty());
    assert!(parts > 0, "no message was in several records");
    assert_eq!(shake(&server, &client).kind(), HandshakeKind::Resumed);
}

/// Keys are behind pointers; beside them it has this.
#[test]
fn a_codec_is_small() {
    assert!(size_of::<TlsCodec<UnbufferedServerConnection>>() <= 1_152);
    assert!(size_of::<TlsCodec<UnbufferedClientConnection>>() <= 1_152);
}
