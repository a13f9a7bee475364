//! One connection that asks the sink over HTTP and waits for the whole answer.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answer::Answer;
use crate::fleet::RoundTrips;
use crate::sys::{self, Interest};

/// More than an answer of the sink.
const CHUNK: usize = 1024;

pub(super) struct Call {
    stream: TcpStream,
    request: Arc<[u8]>,
    sent: usize,
    answer: Answer,
    since: Instant,
}

impl Call {
    /// Starts the connection; its first request counts from `since`, which may be long ago.
    pub(super) fn open(addr: SocketAddrV4, request: Arc<[u8]>, since: Instant) -> io::Result<Self> {
        let stream = sys::connect_nonblocking(addr)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            request,
            sent: 0,
            answer: Answer::default(),
            since,
        })
    }
}

impl RoundTrips for Call {
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
        self.since = since;
        self.sent = 0;
        self.answer.clear();
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
        let mut bytes = [0; CHUNK];
        let count = match self.stream.read(&mut bytes) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        let is_whole = self.answer.take(&bytes[..count])?;
        Ok(is_whole.then(|| self.since.elapsed()))
    }
}
