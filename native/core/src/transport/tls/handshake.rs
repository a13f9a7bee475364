//! The handshake: rustls, turned by what came.

use rustls::{AlertDescription, Error};

use crate::transport::codec::{Handshake, Refused, Step};
use crate::transport::tls::codec::TlsCodec;
use crate::transport::tls::record::first_record;
use crate::transport::tls::refusal::refusal;
use crate::transport::tls::side::{Side, Turn, last_words, turn};

pub(super) struct TlsHandshake<S> {
    /// An error when it could not begin, or is over: then it has gone into the codec, or failed.
    side: Result<S, Error>,
    /// How much of what came, at its front, rustls has read and not taken: parts of a message.
    read: usize,
    /// Whether the peer has said anything that TLS would.
    heard: bool,
}

impl<S: Side> TlsHandshake<S> {
    pub(super) fn new(side: Result<S, Error>) -> Self {
        Self {
            side,
            read: 0,
            heard: false,
        }
    }

    /// `None`: the peer has to say more.
    pub(super) fn go(
        &mut self,
        came: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Option<TlsCodec<S>>, Refused> {
        let side = std::mem::replace(&mut self.side, Err(Error::HandshakeNotComplete));
        let mut side = side.map_err(|error| refusal(&error, S::PEER, self.heard))?;
        match self.read(&mut side, came, out) {
            Ok(true) => return Ok(Some(TlsCodec::new(side))),
            Ok(false) => self.side = Ok(side),
            Err(error) => {
                last_words(&mut side, came, out);
                return Err(refusal(&error, S::PEER, self.heard));
            }
        }
        Ok(None)
    }

    /// Whether it is done. Shows rustls one record at a time: it would go on into what is the
    /// codec's.
    fn read(&mut self, side: &mut S, came: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<bool, Error> {
        // rustls gives no plaintext before its handshake is over.
        let mut none = Vec::new();
        loop {
            let (length, is_whole) = first_record(&came[self.read..]);
            let mut shown = self.read + length;
            loop {
                let (taken, turn) = turn(side, &mut came[..shown], &mut none, out);
                came.drain(..taken);
                shown -= taken;
                match turn? {
                    Turn::Went => {}
                    Turn::Stuck => break,
                    Turn::Ended => return Err(Error::AlertReceived(AlertDescription::CloseNotify)),
                }
            }
            if !side.common().is_handshaking() {
                return Ok(true);
            }
            if !is_whole {
                return Ok(false);
            }
            self.heard = true;
            self.read = shown;
        }
    }
}

impl<S: Side> Handshake for TlsHandshake<S> {
    fn advance(&mut self, came: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<Step, Refused> {
        Ok(match self.go(came, out)? {
            Some(codec) => Step::Done(Some(Box::new(codec))),
            None => Step::Wait,
        })
    }

    fn name(&self) -> &'static str {
        "TLS"
    }

    fn when_closed(&self) -> &'static str {
        if self.heard {
            S::WHEN_CLOSED
        } else {
            ": it may not speak TLS"
        }
    }
}
