//! Not tests: what records cost on one core, beside what ring alone does in place.
//! `cargo test --release -p warren-core --lib speed_of_records -- --ignored --nocapture`
#![expect(clippy::print_stdout, reason = "this is what it is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use ring::aead::{self, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};
use rustls::CipherSuite;
use rustls::version::{TLS12, TLS13};

use crate::transport::codec::Codec;
use crate::transport::tls::scene::*;

const BULK: usize = 65_536;
const RECORD: usize = 16_384;
const ROUNDS: usize = 2_000;

/// GB/s of the best of many rounds; each says how long it took.
fn rate(mut round: impl FnMut() -> Duration) -> f64 {
    let best = (0..ROUNDS).map(|_| round()).min().unwrap();
    BULK as f64 / best.as_secs_f64() / 1e9
}

#[test]
#[ignore = "measures"]
fn speed_of_records() {
    let authority = Authority::new("root");
    let server = server(vec![authority.issue(&["a.test"], KeyKind::P256)], &[]);
    let spec = spec(Vec::new(), &[&authority.der], "a.test");
    for (version, suite, algorithm) in [
        (
            &TLS13,
            CipherSuite::TLS13_AES_128_GCM_SHA256,
            &aead::AES_128_GCM,
        ),
        (
            &TLS13,
            CipherSuite::TLS13_AES_256_GCM_SHA384,
            &aead::AES_256_GCM,
        ),
        (
            &TLS13,
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
            &aead::CHACHA20_POLY1305,
        ),
        (
            &TLS12,
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            &aead::AES_256_GCM,
        ),
    ] {
        let mut pair = shake(&server, &narrow_client(&spec, version, Some(suite)));
        let mut buffer = vec![7; BULK];
        let (mut sealed, mut opened) = (Vec::new(), Vec::new());
        let mut open_best = Duration::MAX;
        let seal = rate(|| {
            sealed.clear();
            let begin = Instant::now();
            let place = pair.client.codec().seal(&mut buffer, BULK, &mut sealed);
            let took = begin.elapsed();
            place.unwrap();
            opened.clear();
            let begin = Instant::now();
            let found = pair
                .server
                .codec()
                .open(&mut sealed, &mut opened, &mut Vec::new());
            open_best = open_best.min(begin.elapsed());
            found.unwrap();
            assert_eq!(opened.len(), BULK);
            took
        });
        let open = BULK as f64 / open_best.as_secs_f64() / 1e9;
        let (ring_seal, ring_open) = ring_in_place(algorithm);
        println!(
            "{suite:?}: seal {seal:.2} open {open:.2}; ring in place: seal {ring_seal:.2} open \
             {ring_open:.2} GB/s"
        );
    }
}

/// Both ends, and the tickets taken.
#[test]
#[ignore = "measures"]
fn speed_of_handshakes() {
    let authority = Authority::new("root");
    let spec = spec(Vec::new(), &[&authority.der], "a.test");
    for (kind, version, tickets) in [
        (KeyKind::P256, &TLS12, 1),
        (KeyKind::P256, &TLS13, 1),
        (KeyKind::P256, &TLS13, 2),
        (KeyKind::P256, &TLS13, 4),
        (KeyKind::P256, &TLS13, 8),
        (KeyKind::Rsa, &TLS13, 4),
    ] {
        let server = server(vec![authority.issue(&["a.test"], kind)], &[])
            .changed(|config| config.send_tls13_tickets = tickets);
        let client = narrow_client(&spec, version, None);
        let rate = |next: &dyn Fn() -> TestPair| {
            const COUNT: u32 = 500;
            let mut best = Duration::MAX;
            for _ in 0..5 {
                let begin = Instant::now();
                for _ in 0..COUNT {
                    black_box(next());
                }
                best = best.min(begin.elapsed());
            }
            f64::from(COUNT) / best.as_secs_f64()
        };
        let full = rate(&|| shake(&server, &narrow_client(&spec, version, None)).settle());
        shake(&server, &client).settle();
        let resumed = rate(&|| shake(&server, &client).settle());
        println!("{kind:?} {version:?} {tickets} tickets: {full:.0} full, {resumed:.0} resumed /s");
    }
}

/// Private memory of a pair that has carried bulk both ways and is idle.
#[test]
#[ignore = "measures"]
fn memory_of_idle_connections() {
    const COUNT: usize = 4_000;
    let resident = || {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: usize = pages.split(' ').nth(1).unwrap().parse().unwrap();
        pages * 4_096
    };
    // All are held, so that none has the memory of earlier ones.
    let mut pairs = Vec::with_capacity(2 * COUNT);
    for version in [&TLS12, &TLS13] {
        let (server, client) = ends(version);
        burst(&server, &client, 300);
        let before = resident();
        for _ in 0..COUNT {
            let mut pair = shake(&server, &client).settle();
            let wire = seal(pair.client.codec(), &[7; 20_000]);
            open(pair.server.codec(), &wire).unwrap();
            let wire = seal(pair.server.codec(), &[7; 20_000]);
            open(pair.client.codec(), &wire).unwrap();
            pairs.push(pair);
        }
        let took = resident() - before;
        println!("{version:?}: {} bytes a pair", took / COUNT);
    }
}

fn ring_in_place(algorithm: &'static Algorithm) -> (f64, f64) {
    let key = UnboundKey::new(algorithm, &[7; 32][..algorithm.key_len()]).unwrap();
    let key = LessSafeKey::new(key);
    let nonce = || Nonce::assume_unique_for_key([0; 12]);
    let mut buffer = vec![7; BULK + BULK / RECORD * 16];
    let mut open_best = Duration::MAX;
    let seal = rate(|| {
        let begin = Instant::now();
        for record in buffer.chunks_mut(RECORD + 16) {
            let (text, tag) = record.split_at_mut(RECORD);
            let made = key.seal_in_place_separate_tag(nonce(), Aad::from([0; 5]), text);
            tag.copy_from_slice(made.unwrap().as_ref());
        }
        let took = begin.elapsed();
        let begin = Instant::now();
        for record in buffer.chunks_mut(RECORD + 16) {
            black_box(key.open_in_place(nonce(), Aad::from([0; 5]), record)).unwrap();
        }
        open_best = open_best.min(begin.elapsed());
        took
    });
    (seal, BULK as f64 / open_best.as_secs_f64() / 1e9)
}
