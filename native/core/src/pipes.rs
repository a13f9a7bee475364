//! STUB (helper sys). The pipes through which a shard's relays splice.
use mio::net::TcpStream;
use std::io;
/// The pipe size that this system gives us; `None`: no splice here.
pub(crate) fn probe() -> Option<usize> {
    None
}
/// A shard's pool of empty pipes.
pub(crate) struct Pipes {}
impl Pipes {
    pub(crate) fn new(_bytes: Option<usize>) -> Self {
        Self {}
    }
    /// An empty pipe; `None`: copy on.
    pub(crate) fn take(&self) -> Option<Pipe> {
        None
    }
    /// Keeps an empty pipe for the next one, or closes it.
    pub(crate) fn give_back(&self, _pipe: Pipe) {}
}
/// Bytes on their way between two sockets, held by the system.
pub(crate) struct Pipe {}
impl Pipe {
    /// Bytes in it.
    pub(crate) fn len(&self) -> usize {
        0
    }
    /// Moves what the socket has into the pipe, which must be empty. `Ok(0)`: end of stream.
    pub(crate) fn fill(&mut self, _from: &TcpStream) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Moves what is in the pipe to the socket, as much as it takes.
    pub(crate) fn drain(&mut self, _to: &TcpStream) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
