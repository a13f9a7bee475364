//! One visitor's connection doing 64-byte round trips without blocking. The payload carries the
//! visitor's id, so an answer that belongs to another visitor is found out.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use crate::fleet::RoundTrips;
use crate::sys::{self, Interest};
use crate::wire::Mode;

pub(crate) const PAYLOAD: usize = 64;
/// The mode byte before the first payload only.
const PREFIX: usize = 1;

pub(crate) struct Exchange {
    stream: TcpStream,
    request: [u8; PREFIX + PAYLOAD],
    sent: usize,
    reply: [u8; PAYLOAD],
    received: usize,
    started: Instant,
}

impl Exchange {
    /// Starts the connection; its first round trip counts from `since`, which may be long ago.
    pub(crate) fn open(addr: SocketAddrV4, id: u64, since: Instant) -> io::Result<Self> {
        let stream = sys::connect_nonblocking(addr)?;
        stream.set_nodelay(true)?;
        let mut request = [0x5a; PREFIX + PAYLOAD];
        request[..PREFIX].copy_from_slice(&Mode::Echo.encode());
        request[PREFIX..PREFIX + 8].copy_from_slice(&id.to_le_bytes());
        Ok(Self {
            stream,
            request,
            sent: 0,
            reply: [0; PAYLOAD],
            received: 0,
            started: since,
        })
    }
}

impl RoundTrips for Exchange {
    fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn interest(&self) -> Interest {
        if self.sent < self.request.len() {
            Interest::Write
        } else {
            Interest::Read
        }
    }

    fn again(&mut self, since: Instant) {
        self.started = since;
        self.sent = PREFIX;
        self.received = 0;
    }

    fn advance(&mut self) -> io::Result<Option<Duration>> {
        if self.sent < self.request.len() {
            match self.stream.write(&self.request[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            // The answer cannot be here yet; reading now would only cost a system call.
            return Ok(None);
        }
        let idle = self.received == PAYLOAD;
        let count = match self
            .stream
            .read(&mut self.reply[if idle { 0 } else { self.received }..])
        {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        if idle {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "bytes nobody asked for",
            ));
        }
        self.received += count;
        if self.received < PAYLOAD {
            return Ok(None);
        }
        if self.reply[..] != self.request[PREFIX..] {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "another visitor's answer",
            ));
        }
        Ok(Some(self.started.elapsed()))
    }
}
