//! Rates, for a person: `cargo test --release -p warren-core noise::speed -- --ignored --nocapture`.

use std::hint::black_box;
use std::time::Instant;

use super::cipher::CipherKind;
use super::records::Records;
use super::x25519::{public_key, shared_secret};
use super::*;
use crate::spec::Secret;
use crate::transport::codec::{Codec, Step};

const BUFFER: usize = 256 * 1024;

/// The best of some rounds, in runs a second.
fn rate(rounds: u32, runs: u32, mut run: impl FnMut()) -> f64 {
    let round = |run: &mut dyn FnMut()| {
        let begin = Instant::now();
        (0..runs).for_each(|_| run());
        f64::from(runs) / begin.elapsed().as_secs_f64()
    };
    (0..rounds).map(|_| round(&mut run)).fold(0.0, f64::max)
}

fn noise(pattern: &str, local: Key, remote: Key) -> Noise {
    Noise::new(&NoiseSpec {
        pattern: pattern.to_owned(),
        local_private_key: Secret(local),
        remote_public_key: Some(public_key(&remote)),
    })
    .expect("a pattern")
}

#[test]
#[ignore = "a measurement"]
fn handshakes_a_second() {
    for pattern in [
        "Noise_NK_25519_ChaChaPoly_BLAKE2s",
        "Noise_NK_25519_AESGCM_SHA256",
        "Noise_XX_25519_ChaChaPoly_BLAKE2s",
        "Noise_IK_25519_AESGCM_SHA256",
    ] {
        let (ours, theirs) = (
            noise(pattern, [1; 32], [2; 32]),
            noise(pattern, [2; 32], [1; 32]),
        );
        let pairs = rate(7, 500, || {
            let (mut client, mut server) = (ours.initiator(), theirs.responder());
            let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
            let mut is_done = [false; 2];
            while is_done != [true; 2] {
                if !is_done[0] {
                    let step = client.advance(&mut to_client, &mut to_server);
                    is_done[0] = matches!(step, Ok(Step::Done(_)));
                }
                if !is_done[1] {
                    let step = server.advance(&mut to_server, &mut to_client);
                    is_done[1] = matches!(step, Ok(Step::Done(_)));
                }
            }
        });
        eprintln!("{pattern}: {pairs:.0} pairs/s");
    }
    let peer = public_key(&[3; 32]);
    let agreements = rate(7, 2_000, || {
        black_box(shared_secret(&[4; 32], &peer));
    });
    let keys = rate(7, 2_000, || {
        black_box(public_key(&[4; 32]));
    });
    eprintln!("X25519: {agreements:.0} secrets/s, {keys:.0} public keys/s");
}

/// What longer records are worth; all sizes within one round, so that they can be compared.
#[test]
#[ignore = "a measurement"]
fn gigabytes_a_second() {
    let sizes = [1_024, 8_192, 16_384, 32_768, 65_519];
    for kind in [CipherKind::ChaChaPoly, CipherKind::AesGcm] {
        let mut best = [0.0_f64; 5];
        for _ in 0..15 {
            for (size, best) in sizes.iter().zip(&mut best) {
                *best = best.max(gigabytes(kind, *size));
            }
        }
        for (size, best) in sizes.iter().zip(&best) {
            eprintln!("{kind:?}, {size} bytes: {best:.2} GB/s sealed and opened");
        }
    }
    eprintln!("codec: {} bytes", size_of::<Records>());
}

/// Buffers are sealed record by record and opened at once.
fn gigabytes(kind: CipherKind, size: usize) -> f64 {
    let (one, other) = ([5; 32], [6; 32]);
    let mut ours = Records::new(kind, &one, &other);
    let mut theirs = Records::new(kind, &other, &one);
    let mut buffer = vec![0; BUFFER / (size + 18) * (size + 18)];
    let plain = (buffer.len() / (size + 18) * size) as f64;
    let both = rate(1, 40, || {
        for record in buffer.chunks_mut(size + 18) {
            assert!(ours.seal(record, size, &mut Vec::new()).is_ok());
        }
        let opened = theirs.open(&mut buffer, &mut Vec::new(), &mut Vec::new());
        assert!(opened.is_ok_and(|it| it.rest.is_empty()));
    });
    both * plain / 1e9
}
