//! Wires that are cut anywhere, changed anywhere, or nothing of the kind.

use std::sync::LazyLock;

use proptest::prelude::*;
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

use crate::transport::codec::{Codec, Fault};
use crate::transport::tls::scene::*;
use crate::transport::tls::{TlsClient, TlsServer};

struct Ends {
    server: TlsServer,
    client: TlsClient,
}

fn shared(version: &'static SupportedProtocolVersion) -> Ends {
    let (server, client) = ends(version);
    // So that most connections of a test are resumed, and cheap.
    burst(&server, &client, 20);
    Ends { server, client }
}

static OLD: LazyLock<Ends> = LazyLock::new(|| shared(&TLS12));
static NEW: LazyLock<Ends> = LazyLock::new(|| shared(&TLS13));

fn pair(is_new: bool) -> TestPair {
    let ends = if is_new { &*NEW } else { &*OLD };
    shake(&ends.server, &ends.client).settle()
}

/// What a link makes of a wire that comes in pieces: all plaintext, and how it ended.
fn pull(codec: &mut dyn Codec, wire: &[u8], pieces: &[usize]) -> (Vec<u8>, Result<bool, Fault>) {
    let (mut plain, mut rest, mut said) = (Vec::new(), Vec::new(), 0);
    let mut at = 0;
    let mut pieces = pieces.iter().cycle();
    while at < wire.len() {
        let piece = (*pieces.next().unwrap()).clamp(1, wire.len() - at);
        rest.extend_from_slice(&wire[at..at + piece]);
        at += piece;
        match open(codec, &rest) {
            Ok(found) => {
                plain.extend_from_slice(&found.plain);
                said += found.reply.len();
                assert!(said < 100, "an alert at most");
                if found.ended {
                    return (plain, Ok(true));
                }
                rest = found.rest;
                assert!(rest.len() <= 18_437);
            }
            Err(fault) => return (plain, Err(fault)),
        }
    }
    (plain, codec.fin(rest.len()).map(|()| false))
}

fn texts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40_000), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_split_of_a_wire_gives_the_same(
        is_new in any::<bool>(),
        texts in texts(),
        pieces in prop::collection::vec(prop_oneof![1..50_usize, 1..40_000_usize], 1..30),
    ) {
        let mut pair = pair(is_new);
        let mut wire = Vec::new();
        for text in &texts {
            wire.extend(seal(pair.client.codec(), text));
        }
        pair.client.codec().finish(&mut wire).unwrap();
        let (plain, end) = pull(pair.server.codec(), &wire, &pieces);
        prop_assert_eq!(plain, texts.concat());
        prop_assert_eq!(end, Ok(true));
    }

    #[test]
    fn a_changed_wire_gives_a_true_beginning_and_a_fault(
        is_new in any::<bool>(),
        texts in texts(),
        pieces in prop::collection::vec(1..40_000_usize, 1..5),
        at in any::<prop::sample::Index>(),
        change in 1..=255_u8,
    ) {
        let mut pair = pair(is_new);
        let mut wire = Vec::new();
        for text in &texts {
            wire.extend(seal(pair.server.codec(), text));
        }
        pair.server.codec().finish(&mut wire).unwrap();
        let at = at.index(wire.len());
        wire[at] ^= change;
        let (plain, end) = pull(pair.client.codec(), &wire, &pieces);
        prop_assert!(texts.concat().starts_with(&plain));
        // Truncated: a record that became a longer one.
        prop_assert!(end.is_err() || (is_new && is_version(at, &wire)));
        if end == Err(Fault::BadRecord) {
            prop_assert_eq!(open(pair.client.codec(), &[]).unwrap_err(), Fault::BadRecord);
            prop_assert!(pair.client.codec().seal(&mut [7; 10], 10, &mut Vec::new()).is_err());
        }
    }

    #[test]
    fn noise_ends_a_connection_and_nothing_else(
        is_new in any::<bool>(),
        noise in prop::collection::vec(any::<u8>(), 1..3_000),
        kind in 20..24_u8,
    ) {
        let mut pair = pair(is_new);
        let mut wire = vec![kind, 3, 3];
        wire.extend(u16::try_from(noise.len()).unwrap().to_be_bytes());
        wire.extend(&noise);
        for wire in [&noise, &wire] {
            let (plain, end) = pull(pair.server.codec(), wire, &[1_000]);
            prop_assert!(plain.is_empty());
            prop_assert!(end.is_err());
        }
    }

    /// Also in records of the right form, at any point.
    #[test]
    fn noise_ends_a_handshake_and_nothing_else(
        is_new in any::<bool>(),
        noise in prop::collection::vec(any::<u8>(), 1..3_000),
        kind in 20..24_u8,
        turns in 0..4_usize,
        change in any::<prop::sample::Index>(),
        piece in 1..400_usize,
    ) {
        let ends = if is_new { &*NEW } else { &*OLD };
        let (mut server, mut client) = (ends.server.begin(), ends.client.begin());
        let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
        client.go(&mut Vec::new(), &mut to_server).unwrap();
        for turn in 0..=turns {
            let is_last = turn == turns;
            let (from, to) = if turn % 2 == 0 {
                (&mut to_server, &mut to_client)
            } else {
                (&mut to_client, &mut to_server)
            };
            if is_last {
                let at = change.index(from.len() + 1);
                let head = [kind, 3, 3];
                let length = u16::try_from(noise.len()).unwrap().to_be_bytes();
                from.splice(at.., head.into_iter().chain(length).chain(noise.iter().copied()));
            }
            let mut came = Vec::new();
            for piece in std::mem::take(from).chunks(piece) {
                came.extend_from_slice(piece);
                let is_over = if turn % 2 == 0 {
                    server.go(&mut came, to).map(|codec| codec.is_some())
                } else {
                    client.go(&mut came, to).map(|codec| codec.is_some())
                };
                prop_assert!(to.len() < 20_000 && came.len() < 20_000);
                if !matches!(is_over, Ok(false)) {
                    return Ok(());
                }
            }
        }
    }
}

/// What TLS 1.3 ignores of a record's head (RFC 8446 5.2).
fn is_version(at: usize, wire: &[u8]) -> bool {
    let mut begin = 0;
    while begin + 5 <= wire.len() {
        let length = usize::from(u16::from_be_bytes([wire[begin + 3], wire[begin + 4]]));
        if (begin + 1..begin + 3).contains(&at) {
            return true;
        }
        begin += 5 + length;
    }
    false
}
