//! Moving bytes of one connection without blocking, within a turn's budget.

use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;

use crate::sys;

/// Reads or writes of one turn.
pub(super) const STEPS_PER_TURN: usize = 4;

/// Counts what is there; true once the visitor's FIN was read.
pub(super) fn drain(stream: &TcpStream, scratch: &mut [u8], total: &mut u64) -> io::Result<bool> {
    for _ in 0..STEPS_PER_TURN {
        match sys::discard(stream, scratch) {
            Ok(0) => return Ok(true),
            Ok(count) => *total += count as u64,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(false)
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
