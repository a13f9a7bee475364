//! A tunnel connection until it has shown who it is: the transport's handshake, then the hello, all
//! under one deadline.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use mio::net::TcpStream;

use crate::link::Link;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::spec::HelloRule;
use crate::task::Cancelled;
use crate::tcp_link::TcpLink;
use crate::transport::codec::{Handshake, Refused};
use crate::transport::shake::{ShakeError, shake};

/// What one read takes at most: a hello, and little of what a control channel says behind it.
const READ_BYTES: usize = 4_096;

/// What a complete hello says.
pub(crate) struct Hello {
    pub(crate) is_control: bool,
    pub(crate) digest: Vec<u8>,
    /// What came behind it.
    pub(crate) rest: Vec<u8>,
}

/// Why a connection did not show who it is; the text where there is more to say.
pub(crate) struct Unknown {
    pub(crate) reason: EndReason,
    pub(crate) text: Option<String>,
    /// It has been told, and may not have heard it yet.
    pub(crate) answered: Option<TcpStream>,
}

impl From<EndReason> for Unknown {
    fn from(reason: EndReason) -> Self {
        Self {
            reason,
            text: None,
            answered: None,
        }
    }
}

impl From<ShakeError> for Unknown {
    fn from(error: ShakeError) -> Self {
        let (Refused { reason, text }, answered) = match error {
            ShakeError::Cancelled(Cancelled(reason)) => return reason.into(),
            ShakeError::Refused(refused) => (refused, None),
            ShakeError::Answered(refused, stream) => (refused, Some(stream)),
        };
        Self {
            reason,
            text: Some(text),
            answered,
        }
    }
}

/// The connection behind its transport, and who it is.
pub(crate) async fn arrive(
    shard: &Rc<Shard>,
    link: TcpLink,
    handshake: Option<Box<dyn Handshake>>,
    rule: &HelloRule,
    deadline: Option<Instant>,
) -> Result<(Link, Hello), Unknown> {
    let link = match handshake {
        None => Link::Tcp(link),
        Some(handshake) => Box::pin(shake(shard, link, handshake, deadline))
            .await
            .map_err(Unknown::from)?,
    };
    link.watch();
    let hello = read_hello(shard, &link, rule, deadline).await?;
    Ok((link, hello))
}

async fn read_hello(
    shard: &Shard,
    link: &Link,
    rule: &HelloRule,
    deadline: Option<Instant>,
) -> Result<Hello, EndReason> {
    let mut got = Vec::new();
    loop {
        if deadline.is_some_and(|at| at <= shard.now()) {
            return Err(EndReason::HandshakeTimeout);
        }
        // What the handshake has said last.
        link.flush().map_err(|_| EndReason::HandshakeEof)?;
        match read_some(shard, link, &mut got) {
            Ok(0) => return Err(EndReason::HandshakeEof),
            Ok(_) if got.len() >= rule.length => return parse(rule, &got),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let parked = shard.park(deadline).await;
                parked.map_err(|Cancelled(reason)| reason)?;
            }
            Err(error) => {
                let eof = EndReason::HandshakeEof;
                return Err(link.channel_reason(&error, eof, eof));
            }
        }
    }
}

fn read_some(shard: &Shard, link: &Link, got: &mut Vec<u8>) -> io::Result<usize> {
    let mut buffer = shard.buffer.borrow_mut();
    let length = link.try_read(&mut buffer[..READ_BYTES])?;
    got.extend_from_slice(&buffer[..length]);
    Ok(length)
}

fn parse(rule: &HelloRule, got: &[u8]) -> Result<Hello, EndReason> {
    let HelloRule {
        length,
        control,
        data,
    } = rule;
    let is_control = got.starts_with(control);
    if !is_control && !got.starts_with(data) {
        return Err(EndReason::BadHello);
    }
    let prefix = if is_control {
        control.len()
    } else {
        data.len()
    };
    let (digest, rest) = (got[prefix..*length].to_vec(), got[*length..].to_vec());
    Ok(Hello {
        is_control,
        digest,
        rest,
    })
}

/// A connection that has not shown who it is. One that is dropped like that was lost by a fault.
pub(crate) struct Newcomer {
    shard: Rc<Shard>,
    peer: SocketAddr,
    /// It has, or its end has been told.
    known: bool,
}

impl Newcomer {
    pub(crate) fn new(shard: &Rc<Shard>, peer: SocketAddr) -> Self {
        Self {
            shard: Rc::clone(shard),
            peer,
            known: false,
        }
    }

    pub(crate) fn show(mut self) {
        self.known = true;
    }

    pub(crate) fn reject(&mut self, reason: EndReason, text: Option<String>) {
        if !std::mem::replace(&mut self.known, true) {
            self.shard.context.reject_tunnel(reason, self.peer, text);
        }
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        self.reject(self.shard.unexpected_end(), None);
    }
}
