//! One connection of a storm: what the handshake wants to say and hear, over a socket.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};

use super::handshake::Handshake;
use crate::sys;

/// More than any flight of a server here.
const CHUNK: usize = 8192;

pub(super) struct Caller {
    stream: TcpStream,
    handshake: Handshake,
    outgoing: Vec<u8>,
    is_done: bool,
}

impl Caller {
    /// Connects and says what was prepared.
    pub(super) fn open(
        addr: SocketAddrV4,
        source: Ipv4Addr,
        handshake: Handshake,
        outgoing: Vec<u8>,
    ) -> io::Result<Self> {
        let stream = sys::connect_nonblocking_from(source, addr)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            handshake,
            outgoing,
            is_done: false,
        })
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Does what is possible now; true once the handshake is over and all of it is sent.
    ///
    /// # Errors
    /// The connection's error or early end, or what the handshake refuses.
    pub(super) fn advance(&mut self) -> io::Result<bool> {
        let mut chunk = [0; CHUNK];
        loop {
            let is_blocked = !self.flush()?;
            if self.is_done || is_blocked {
                return Ok(self.is_done && !is_blocked);
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    let heard = &chunk[..count];
                    self.is_done = self.handshake.receive(heard, &mut self.outgoing)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    /// False: the rest has to wait.
    fn flush(&mut self) -> io::Result<bool> {
        while !self.outgoing.is_empty() {
            match self.stream.write(&self.outgoing) {
                Ok(count) => drop(self.outgoing.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}
