//! Moving bytes of one connection without blocking.

use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;

use crate::sys;

/// Counts what one read takes; true once the visitor's FIN was read.
pub(super) fn drain(stream: &TcpStream, scratch: &mut [u8], total: &mut u64) -> io::Result<bool> {
    match sys::discard(stream, scratch) {
        Ok(0) => Ok(true),
        Ok(count) => {
            *total += count as u64;
            Ok(false)
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes until all is written or the socket is full.
pub(super) fn write_some(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match stream.write(&bytes[sent..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}
