//! `Noise_<pattern>_25519_<cipher>_<hash>`, and how long its messages are.

use std::sync::Arc;

use snow::params::{DHChoice, NoiseParams};
use snow::{Builder, Error, HandshakeState};

use crate::spec::Key;
use crate::transport::noise::cipher::CipherKind;
use crate::transport::noise::primitives::Primitives;
use crate::transport::noise::x25519::KeyPair;

/// An ephemeral key, an encrypted static key, the tag of an empty payload; and a tag more, which
/// snow wants to have room for in any case.
pub(super) const LONGEST_MESSAGE: usize = 32 + 48 + 16 + 16;

pub(super) struct Pattern {
    params: NoiseParams,
    /// Of each message, in order. Payloads are empty, so nothing else is right: a peer that speaks
    /// something else is found out by its first two bytes, and not by our deadline.
    pub(super) lengths: Vec<usize>,
}

impl Pattern {
    /// # Errors
    /// Why it cannot be used.
    pub(super) fn new(name: &str) -> Result<Self, String> {
        let params: NoiseParams = name
            .parse()
            .map_err(|error| format!("{name} is no Noise pattern: {error}"))?;
        if params.dh != DHChoice::Curve25519 {
            return Err(format!("{name}: only 25519 is supported"));
        }
        if !params.handshake.modifiers.list.is_empty() {
            return Err(format!("{name}: modifiers such as psk are not supported"));
        }
        if params.handshake.pattern.is_oneway() {
            return Err(format!("{name}: one-way patterns cannot carry a tunnel"));
        }
        let lengths = Vec::new();
        let mut pattern = Self { params, lengths };
        pattern.lengths = pattern
            .rehearse()
            .map_err(|error| format!("{name} cannot be used: {error}"))?;
        Ok(pattern)
    }

    pub(super) fn name(&self) -> &str {
        &self.params.name
    }

    pub(super) fn cipher(&self) -> CipherKind {
        CipherKind::of(self.params.cipher)
    }

    /// Whether that side has to know the other's static key beforehand.
    pub(super) fn needs_remote_key(&self, is_initiator: bool) -> bool {
        let pattern = self.params.handshake.pattern;
        pattern.need_known_remote_pubkey(is_initiator)
    }

    /// A handshake's beginning. `remote` is left out where the pattern transmits the key.
    pub(super) fn begin(
        &self,
        is_initiator: bool,
        local: &Arc<KeyPair>,
        remote: Option<&Key>,
    ) -> Result<HandshakeState, Error> {
        let pattern = self.params.handshake.pattern;
        let local = Arc::clone(local);
        let primitives = Box::new(Primitives {
            local: Arc::clone(&local),
        });
        let mut builder = Builder::with_resolver(self.params.clone(), primitives);
        if pattern.needs_local_static_key(is_initiator) {
            builder = builder.local_private_key(&local.private)?;
        }
        if let Some(remote) = remote.filter(|_| self.needs_remote_key(is_initiator)) {
            builder = builder.remote_public_key(remote)?;
        }
        if is_initiator {
            builder.build_initiator()
        } else {
            builder.build_responder()
        }
    }

    /// Both sides with keys that are nobody's: how long each message is.
    fn rehearse(&self) -> Result<Vec<usize>, Error> {
        let pair = Arc::new(KeyPair::new([1; 32]));
        let mut writer = self.begin(true, &pair, Some(&pair.public))?;
        let mut reader = self.begin(false, &pair, Some(&pair.public))?;
        let mut lengths = Vec::new();
        let mut message = [0; LONGEST_MESSAGE];
        while !writer.is_handshake_finished() {
            let length = writer.write_message(&[], &mut message)?;
            reader.read_message(&message[..length], &mut [])?;
            lengths.push(length);
            std::mem::swap(&mut writer, &mut reader);
        }
        Ok(lengths)
    }
}
