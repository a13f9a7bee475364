//! Noise (wire-v1 4.3): `snow` does the handshake with our primitives, records are our own.

mod cipher;
mod handshake;
mod pattern;
mod primitives;
mod records;
#[cfg(test)]
mod speed_tests;
#[cfg(test)]
mod vector_tests;
mod x25519;

use std::sync::Arc;

use crate::spec::{Key, NoiseSpec};
use crate::transport::codec::Handshake;
use crate::transport::noise::handshake::NoiseHandshake;
use crate::transport::noise::pattern::Pattern;
use crate::transport::noise::x25519::KeyPair;

/// What every connection of a server or a client has in common.
pub(crate) struct Noise {
    setup: Arc<Setup>,
}

struct Setup {
    pattern: Pattern,
    local: Arc<KeyPair>,
    remote: Option<Key>,
}

impl Noise {
    /// # Errors
    /// What is wrong with the pattern.
    pub(crate) fn new(spec: &NoiseSpec) -> Result<Self, String> {
        let setup = Setup {
            pattern: Pattern::new(&spec.pattern)?,
            local: Arc::new(KeyPair::new(spec.local_private_key.0)),
            remote: spec.remote_public_key,
        };
        Ok(Self {
            setup: Arc::new(setup),
        })
    }

    /// Of one connection that we dialled.
    pub(crate) fn initiator(&self) -> Box<dyn Handshake> {
        Box::new(NoiseHandshake::new(Arc::clone(&self.setup), true))
    }

    /// Of one connection that we accepted.
    pub(crate) fn responder(&self) -> Box<dyn Handshake> {
        Box::new(NoiseHandshake::new(Arc::clone(&self.setup), false))
    }
}
