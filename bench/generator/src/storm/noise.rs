//! A Noise handshake as initiator, each message behind its length in two bytes, little endian.

use std::io;

use snow::params::NoiseParams;
use snow::{Builder, HandshakeState};

use super::handshake::refused;

/// The longest Noise message.
const MESSAGE_LIMIT: usize = 65_535;

pub(super) struct NoiseHandshake {
    state: HandshakeState,
    inbox: Vec<u8>,
}

impl NoiseHandshake {
    pub(super) fn start(
        params: &NoiseParams,
        key: &[u8],
        outgoing: &mut Vec<u8>,
    ) -> io::Result<Self> {
        let state = Builder::new(params.clone())
            .remote_public_key(key)
            .and_then(Builder::build_initiator)
            .map_err(refused)?;
        let mut handshake = Self {
            state,
            inbox: Vec::new(),
        };
        handshake.speak(outgoing)?;
        Ok(handshake)
    }

    pub(super) fn receive(&mut self, heard: &[u8], outgoing: &mut Vec<u8>) -> io::Result<bool> {
        self.inbox.extend_from_slice(heard);
        while let Some((head, rest)) = self.inbox.split_first_chunk() {
            let length = usize::from(u16::from_le_bytes(*head));
            let Some(message) = rest.get(..length) else {
                break;
            };
            let mut payload = [0; 64];
            self.state
                .read_message(message, &mut payload)
                .map_err(refused)?;
            self.inbox.drain(..2 + length);
            self.speak(outgoing)?;
        }
        Ok(self.state.is_handshake_finished())
    }

    fn speak(&mut self, outgoing: &mut Vec<u8>) -> io::Result<()> {
        if !self.state.is_handshake_finished() && self.state.is_my_turn() {
            let mut message = vec![0; MESSAGE_LIMIT];
            let length = self
                .state
                .write_message(&[], &mut message)
                .map_err(refused)?;
            outgoing.extend_from_slice(&(length as u16).to_le_bytes());
            outgoing.extend_from_slice(&message[..length]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn a_responder_of_snow_is_content() -> Outcome {
        let params: NoiseParams = "Noise_NK_25519_ChaChaPoly_BLAKE2s".parse()?;
        let keys = Builder::new(params.clone()).generate_keypair()?;
        let mut responder = Builder::new(params.clone())
            .local_private_key(&keys.private)?
            .build_responder()?;
        let mut outgoing = Vec::new();
        let mut initiator = NoiseHandshake::start(&params, &keys.public, &mut outgoing)?;
        assert_eq!(outgoing.len(), 50);
        responder.read_message(&outgoing[2..], &mut [0; 64])?;
        let mut answer = [0; 64];
        let length = responder.write_message(&[], &mut answer)?;
        let framed = [&[length as u8, 0], &answer[..length]].concat();
        let (first, last) = framed.split_at(20);
        assert!(!initiator.receive(first, &mut outgoing)?);
        assert!(initiator.receive(last, &mut outgoing)?);
        Ok(())
    }

    #[test]
    fn a_forged_answer_is_an_error() -> Outcome {
        let params: NoiseParams = "Noise_NK_25519_AESGCM_SHA256".parse()?;
        let keys = Builder::new(params.clone()).generate_keypair()?;
        let mut initiator = NoiseHandshake::start(&params, &keys.public, &mut Vec::new())?;
        let forged = [&[48, 0], &[9; 48][..]].concat();
        assert!(initiator.receive(&forged, &mut Vec::new()).is_err());
        Ok(())
    }
}
