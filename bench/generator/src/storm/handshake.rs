//! The client's side of each transport's handshake, without its socket.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use snow::params::NoiseParams;

use super::noise::NoiseHandshake;
use super::tls::{TlsHandshake, trusting_config};
use crate::args::{Args, invalid};

/// A head longer than this is no answer to an upgrade.
const HEAD_LIMIT: usize = 16 * 1024;
/// The key of RFC 6455 1.2: the answer is not looked at beyond its status.
const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const ACCEPTED: &[u8] = b"HTTP/1.1 101";

/// Which handshake, with what it needs to know of the server.
pub(super) enum Kind {
    Noise { params: NoiseParams, key: Vec<u8> },
    Tls(Arc<ClientConfig>),
    Websocket,
}

impl Kind {
    /// `--handshake`; for noise also `--pattern` and `--key`, the server's public key in hex.
    pub(super) fn read(args: &Args) -> io::Result<Self> {
        match args.choice("handshake", ["noise", "tls", "websocket"])? {
            "noise" => {
                let pattern = args.text("pattern")?;
                let params = pattern
                    .parse()
                    .map_err(|error| invalid(format!("--pattern {pattern}: {error}")))?;
                let key = parse_hex(args.text("key")?)
                    .ok_or_else(|| invalid("--key must be hex digits".to_owned()))?;
                Ok(Self::Noise { params, key })
            }
            "tls" => Ok(Self::Tls(trusting_config()?)),
            _ => Ok(Self::Websocket),
        }
    }

    /// Begins one; `outgoing` gets what is said first.
    pub(super) fn start(&self, outgoing: &mut Vec<u8>) -> io::Result<Handshake> {
        Ok(match self {
            Self::Noise { params, key } => {
                Handshake::Noise(Box::new(NoiseHandshake::start(params, key, outgoing)?))
            }
            Self::Tls(config) => Handshake::Tls(Box::new(TlsHandshake::start(config, outgoing)?)),
            Self::Websocket => {
                outgoing.extend_from_slice(UPGRADE);
                Handshake::Websocket(Vec::new())
            }
        })
    }
}

pub(super) enum Handshake {
    Noise(Box<NoiseHandshake>),
    Tls(Box<TlsHandshake>),
    /// The answer's head so far.
    Websocket(Vec<u8>),
}

impl Handshake {
    /// Takes what the server said and adds what is to be answered; true when it is over.
    ///
    /// # Errors
    /// `InvalidData` for what is not this handshake.
    pub(super) fn receive(&mut self, heard: &[u8], outgoing: &mut Vec<u8>) -> io::Result<bool> {
        match self {
            Self::Noise(noise) => noise.receive(heard, outgoing),
            Self::Tls(tls) => tls.receive(heard, outgoing),
            Self::Websocket(head) => {
                head.extend_from_slice(heard);
                upgraded(head)
            }
        }
    }
}

pub(super) fn refused(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn upgraded(head: &[u8]) -> io::Result<bool> {
    let known = head.len().min(ACCEPTED.len());
    if head[..known] != ACCEPTED[..known] {
        return Err(refused(String::from_utf8_lossy(head).into_owned()));
    }
    if head.len() > HEAD_LIMIT {
        return Err(refused("an answer without an end"));
    }
    Ok(head.windows(4).any(|end| end == b"\r\n\r\n"))
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| Some(digit.to_digit(16)? as u8))
        .collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(
        digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_keys() {
        assert_eq!(parse_hex("00ff1A"), Some(vec![0, 255, 26]));
        assert_eq!(parse_hex("0"), None);
        assert_eq!(parse_hex("é0"), None);
    }

    #[test]
    fn an_upgrade_is_over_at_the_end_of_its_head() -> io::Result<()> {
        let mut outgoing = Vec::new();
        let mut handshake = Kind::Websocket.start(&mut outgoing)?;
        assert!(outgoing.ends_with(b"\r\n\r\n"));
        assert!(!handshake.receive(b"HTTP", &mut outgoing)?);
        assert!(!handshake.receive(b"/1.1 101 Switching Protocols\r\n", &mut outgoing)?);
        assert!(handshake.receive(b"a: b\r\n\r\n", &mut outgoing)?);
        Ok(())
    }

    #[test]
    fn a_refused_upgrade_is_an_error() -> io::Result<()> {
        let mut handshake = Kind::Websocket.start(&mut Vec::new())?;
        let answer = b"HTTP/1.1 404 Not Found\r\n\r\n";
        assert!(handshake.receive(answer, &mut Vec::new()).is_err());
        Ok(())
    }
}
