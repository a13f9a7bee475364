//! What snow computes a handshake with.

use std::sync::Arc;

use blake2::{Blake2b512, Blake2s256, Digest};
use ring::aead::{Aad, LessSafeKey, Tag};
use ring::digest::{self, SHA256, SHA512};
use ring::rand::{SecureRandom, SystemRandom};
use snow::Error;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::CryptoResolver;
use snow::types::{Cipher, Dh, Hash, Random};

use crate::transport::noise::cipher::{CipherKind, KEY_LENGTH, TAG_LENGTH};
use crate::transport::noise::x25519::{KeyPair, X25519};

pub(super) struct Primitives {
    pub(super) local: Arc<KeyPair>,
}

impl CryptoResolver for Primitives {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(SystemRandomness))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        match choice {
            DHChoice::Curve25519 => Some(Box::new(X25519::new(Arc::clone(&self.local)))),
            DHChoice::Curve448 => None,
        }
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        Some(match choice {
            HashChoice::SHA256 => Box::new(Sha::new("SHA256", &SHA256)),
            HashChoice::SHA512 => Box::new(Sha::new("SHA512", &SHA512)),
            HashChoice::Blake2s => Box::new(Blake::<Blake2s256>::new("BLAKE2s", 64)),
            HashChoice::Blake2b => Box::new(Blake::<Blake2b512>::new("BLAKE2b", 128)),
        })
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        let kind = CipherKind::of(*choice);
        Some(Box::new(HandshakeCipher { kind, key: None }))
    }
}

struct SystemRandomness;

impl Random for SystemRandomness {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        SystemRandom::new().fill(dest).map_err(|_| Error::Rng)
    }
}

struct Sha {
    name: &'static str,
    algorithm: &'static digest::Algorithm,
    context: digest::Context,
}

impl Sha {
    fn new(name: &'static str, algorithm: &'static digest::Algorithm) -> Self {
        let context = digest::Context::new(algorithm);
        Self {
            name,
            algorithm,
            context,
        }
    }
}

impl Hash for Sha {
    fn name(&self) -> &'static str {
        self.name
    }

    fn block_len(&self) -> usize {
        self.algorithm.block_len()
    }

    fn hash_len(&self) -> usize {
        self.algorithm.output_len()
    }

    fn reset(&mut self) {
        self.context = digest::Context::new(self.algorithm);
    }

    fn input(&mut self, data: &[u8]) {
        self.context.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        let hash = self.context.clone().finish();
        out[..hash.as_ref().len()].copy_from_slice(hash.as_ref());
    }
}

struct Blake<D> {
    name: &'static str,
    block_length: usize,
    hasher: D,
}

impl<D: Digest> Blake<D> {
    fn new(name: &'static str, block_length: usize) -> Self {
        Self {
            name,
            block_length,
            hasher: D::new(),
        }
    }
}

impl<D: Digest + Clone + Send + Sync> Hash for Blake<D> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn block_len(&self) -> usize {
        self.block_length
    }

    fn hash_len(&self) -> usize {
        <D as Digest>::output_size()
    }

    fn reset(&mut self) {
        self.hasher = D::new();
    }

    fn input(&mut self, data: &[u8]) {
        self.hasher.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        let hash = self.hasher.clone().finalize();
        out[..hash.len()].copy_from_slice(&hash);
    }
}

struct HandshakeCipher {
    kind: CipherKind,
    /// Absent until there is one.
    key: Option<LessSafeKey>,
}

impl Cipher for HandshakeCipher {
    fn name(&self) -> &'static str {
        self.kind.name()
    }

    fn set(&mut self, key: &[u8; KEY_LENGTH]) {
        self.key = Some(self.kind.key(key));
    }

    fn encrypt(&self, nonce: u64, authtext: &[u8], plaintext: &[u8], out: &mut [u8]) -> usize {
        let (sealed, tail) = out.split_at_mut(plaintext.len());
        sealed.copy_from_slice(plaintext);
        let key = self
            .key
            .as_ref()
            .expect("snow sets a key before it uses it");
        let tag = key
            .seal_in_place_separate_tag(self.kind.nonce(nonce), Aad::from(authtext), sealed)
            .expect("a Noise message is shorter than what either cipher can take");
        tail[..TAG_LENGTH].copy_from_slice(tag.as_ref());
        plaintext.len() + TAG_LENGTH
    }

    fn decrypt(
        &self,
        nonce: u64,
        authtext: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        let (sealed, tag) = ciphertext
            .split_last_chunk::<TAG_LENGTH>()
            .ok_or(Error::Decrypt)?;
        let opened = out.get_mut(..sealed.len()).ok_or(Error::Decrypt)?;
        opened.copy_from_slice(sealed);
        let key = self.key.as_ref().ok_or(Error::Decrypt)?;
        let (nonce, aad) = (self.kind.nonce(nonce), Aad::from(authtext));
        key.open_in_place_separate_tag(nonce, aad, Tag::from(*tag), opened, 0..)
            .map_err(|_| Error::Decrypt)?;
        Ok(sealed.len())
    }
}
