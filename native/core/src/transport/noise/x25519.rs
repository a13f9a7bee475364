//! X25519 (RFC 7748): graviola's where the processor has what it needs (twice as fast as dalek's and
//! most of what a handshake costs), dalek's elsewhere, as on a Raspberry Pi 4.

use std::sync::Arc;

use curve25519_dalek::MontgomeryPoint;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use graviola::{
    key_agreement::x25519::{PublicKey, StaticPrivateKey},
    util::is_cpu_supported,
};
use snow::Error;
use snow::types::{Dh, Random};
use subtle::ConstantTimeEq;

use crate::spec::Key;

const LENGTH: usize = 32;

pub(super) fn public_key(private: &Key) -> Key {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    if is_cpu_supported() {
        return StaticPrivateKey::from_array(private)
            .public_key()
            .as_bytes();
    }
    portable_public_key(private)
}

/// None where the peer's key is one of the few that make the secret zero, whatever ours is.
pub(super) fn shared_secret(private: &Key, public: &Key) -> Option<Key> {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    if is_cpu_supported() {
        return StaticPrivateKey::from_array(private)
            .diffie_hellman(&PublicKey::from_array(public))
            .ok()
            .map(|secret| secret.as_bytes());
    }
    portable_shared_secret(private, public)
}

fn portable_public_key(private: &Key) -> Key {
    MontgomeryPoint::mul_base_clamped(*private).to_bytes()
}

fn portable_shared_secret(private: &Key, public: &Key) -> Option<Key> {
    let secret = MontgomeryPoint(*public).mul_clamped(*private).to_bytes();
    let is_zero = bool::from(secret.ct_eq(&[0; LENGTH]));
    (!is_zero).then_some(secret)
}

pub(super) struct KeyPair {
    pub(super) private: Key,
    pub(super) public: Key,
}

impl KeyPair {
    pub(super) fn new(private: Key) -> Self {
        let public = public_key(&private);
        Self { private, public }
    }
}

/// One key pair of a handshake, as snow wants it.
pub(super) struct X25519 {
    pair: KeyPair,
    /// Our static pair: its public key is not computed again for each connection.
    local: Arc<KeyPair>,
}

impl X25519 {
    pub(super) fn new(local: Arc<KeyPair>) -> Self {
        let pair = KeyPair {
            private: [0; LENGTH],
            public: [0; LENGTH],
        };
        Self { pair, local }
    }
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        LENGTH
    }

    fn priv_len(&self) -> usize {
        LENGTH
    }

    fn set(&mut self, privkey: &[u8]) {
        self.pair.private.copy_from_slice(privkey);
        let is_local = bool::from(self.pair.private.ct_eq(&self.local.private));
        self.pair.public = if is_local {
            self.local.public
        } else {
            public_key(&self.pair.private)
        };
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), Error> {
        rng.try_fill_bytes(&mut self.pair.private)?;
        self.pair.public = public_key(&self.pair.private);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.pair.public
    }

    fn privkey(&self) -> &[u8] {
        &self.pair.private
    }

    fn dh(&self, pubkey: &[u8], out: &mut [u8]) -> Result<(), Error> {
        // snow's own buffers are longer than a key of this curve.
        let public = pubkey.first_chunk::<LENGTH>().ok_or(Error::Dh)?;
        let secret = shared_secret(&self.pair.private, public).ok_or(Error::Dh)?;
        out[..LENGTH].copy_from_slice(&secret);
        Ok(())
    }
}

#[cfg(test)]
#[path = "x25519_tests.rs"]
mod tests;
