//! One connection's handshake: messages behind their length (u16 LE), with empty payloads, until the
//! pattern is through.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use snow::{Error, HandshakeState};
use subtle::ConstantTimeEq;

use crate::reason::EndReason;
use crate::transport::codec::{Handshake, Refused, Step};
use crate::transport::noise::Setup;
use crate::transport::noise::pattern::LONGEST_MESSAGE;
use crate::transport::noise::records::Records;

pub(super) struct NoiseHandshake {
    setup: Arc<Setup>,
    is_initiator: bool,
    /// Absent until the first call and after the last.
    state: Option<HandshakeState>,
    /// How many messages have passed, either way.
    passed: usize,
}

impl NoiseHandshake {
    pub(super) fn new(setup: Arc<Setup>, is_initiator: bool) -> Self {
        Self {
            setup,
            is_initiator,
            state: None,
            passed: 0,
        }
    }

    fn begin(&self) -> Result<HandshakeState, Refused> {
        let Setup {
            pattern,
            local,
            remote,
        } = &*self.setup;
        let name = pattern.name();
        if remote.is_none() && pattern.needs_remote_key(self.is_initiator) {
            return Err(failed(format!(
                "{name} needs remote_public_key on our side"
            )));
        }
        pattern
            .begin(self.is_initiator, local, remote.as_ref())
            .map_err(|error| failed(format!("{name} cannot begin: {error}")))
    }

    fn write(&self, state: &mut HandshakeState, out: &mut Vec<u8>) -> Result<(), Refused> {
        let mut message = [0; LONGEST_MESSAGE];
        let length = state
            .write_message(&[], &mut message)
            .map_err(|error| self.refused(&error))?;
        // At most `LONGEST_MESSAGE`.
        out.extend_from_slice(&(length as u16).to_le_bytes());
        out.extend_from_slice(&message[..length]);
        Ok(())
    }

    /// Whether the whole message was there.
    fn read(&self, state: &mut HandshakeState, came: &mut Vec<u8>) -> Result<bool, Refused> {
        let Some((head, rest)) = came.split_first_chunk() else {
            return Ok(false);
        };
        let length = usize::from(u16::from_le_bytes(*head));
        let wanted = self.setup.pattern.lengths[self.passed];
        if length != wanted {
            return Err(failed(format!(
                "{} is {length} bytes long instead of {wanted}: the peer uses another pattern, \
                 or does not speak Noise",
                self.message()
            )));
        }
        let Some(message) = rest.get(..length) else {
            return Ok(false);
        };
        state
            .read_message(message, &mut [])
            .map_err(|error| self.refused(&error))?;
        came.drain(..head.len() + length);
        self.compare(state)?;
        Ok(true)
    }

    /// As soon as the peer's static key is known, and before we answer: the pattern alone does not
    /// care which one it is (W21).
    fn compare(&self, state: &HandshakeState) -> Result<(), Refused> {
        let (Some(wanted), Some(shown)) = (&self.setup.remote, state.get_remote_static()) else {
            return Ok(());
        };
        if bool::from(wanted.ct_eq(shown)) {
            return Ok(());
        }
        let text = format!(
            "{}: the peer's key is {}, and not the configured remote_public_key {}",
            self.message(),
            BASE64_STANDARD.encode(shown),
            BASE64_STANDARD.encode(wanted)
        );
        Err(Refused::new(EndReason::KeyMismatch, text))
    }

    fn message(&self) -> String {
        let pattern = &self.setup.pattern;
        format!(
            "message {} of {} of {}",
            self.passed + 1,
            pattern.lengths.len(),
            pattern.name()
        )
    }

    fn refused(&self, error: &Error) -> Refused {
        let message = self.message();
        failed(match error {
            Error::Decrypt => format!(
                "{message} cannot be decrypted: the keys do not match (remote_public_key of one \
                 side has to belong to local_private_key of the other), or the peer uses another \
                 pattern"
            ),
            Error::Dh => format!("{message} brings a public key that nobody can have"),
            other => format!("{message}: {other}"),
        })
    }

    fn records(&self, state: &mut HandshakeState) -> Records {
        let (of_initiator, of_responder) = state.dangerously_get_raw_split();
        let (ours, theirs) = if self.is_initiator {
            (of_initiator, of_responder)
        } else {
            (of_responder, of_initiator)
        };
        Records::new(self.setup.pattern.cipher(), &ours, &theirs)
    }
}

fn failed(text: String) -> Refused {
    Refused::new(EndReason::NoiseFailed, text)
}

impl Handshake for NoiseHandshake {
    fn advance(&mut self, came: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<Step, Refused> {
        let mut state = match self.state.take() {
            Some(state) => state,
            None => self.begin()?,
        };
        while !state.is_handshake_finished() {
            if state.is_my_turn() {
                self.write(&mut state, out)?;
            } else if !self.read(&mut state, came)? {
                self.state = Some(state);
                return Ok(Step::Wait);
            }
            self.passed += 1;
        }
        Ok(Step::Done(Some(Box::new(self.records(&mut state)))))
    }

    fn name(&self) -> &'static str {
        "Noise"
    }

    fn when_closed(&self) -> &'static str {
        ": it may have another pattern, or another key than remote_public_key of one of the two says"
    }
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "handshake_wire_tests.rs"]
mod wire_tests;
