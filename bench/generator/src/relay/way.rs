//! One direction of a relayed connection: copied through a shared buffer until a read fills it,
//! from then on spliced through a pipe.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::sys::Pipe;

/// What a copy takes at a time; a read that fills it is bulk.
pub(super) const BUFFER: usize = 64 * 1024;
const PIPE: i32 = 1 << 20;
/// Steps of one turn, so that streams share the loop.
const STEPS_PER_TURN: usize = 16;

/// What happens next in this direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing to read.
    Source,
    /// No room to write.
    Target,
    /// Its turn is over, but there is more to do.
    Turn,
    /// FIN has been passed on.
    Never,
}

pub(super) struct Way {
    pub(super) next: Next,
    pipe: Option<Pipe>,
    /// Bytes in the pipe.
    piped: usize,
    /// Rest of a copy that was written only in part.
    unsent: Vec<u8>,
    ended: bool,
}

impl Way {
    pub(super) fn new() -> Self {
        Self {
            next: Next::Source,
            pipe: None,
            piped: 0,
            unsent: Vec::new(),
            ended: false,
        }
    }

    /// Moves what can be moved now and says in `next` what stopped it.
    pub(super) fn turn(
        &mut self,
        source: &TcpStream,
        target: &TcpStream,
        buffer: &mut [u8],
    ) -> io::Result<()> {
        for _ in 0..STEPS_PER_TURN {
            if self.piped > 0 || !self.unsent.is_empty() {
                if !self.flush(target)? {
                    self.next = Next::Target;
                    return Ok(());
                }
            } else if self.ended {
                target.shutdown(Shutdown::Write)?;
                self.next = Next::Never;
                return Ok(());
            } else if !self.take(source, target, buffer)? {
                self.next = Next::Source;
                return Ok(());
            }
        }
        self.next = Next::Turn;
        Ok(())
    }

    /// False when the target is full.
    fn flush(&mut self, mut target: &TcpStream) -> io::Result<bool> {
        let moved = match &self.pipe {
            Some(pipe) if self.piped > 0 => now(pipe.empty(target, self.piped))?,
            _ => now(target.write(&self.unsent))?,
        };
        let Some(count) = moved else {
            return Ok(false);
        };
        if self.piped > 0 {
            self.piped -= count;
        } else {
            self.unsent.drain(..count);
        }
        Ok(true)
    }

    /// False when the source is empty.
    fn take(
        &mut self,
        mut source: &TcpStream,
        mut target: &TcpStream,
        buffer: &mut [u8],
    ) -> io::Result<bool> {
        let taken = match &self.pipe {
            Some(pipe) => now(pipe.fill(source))?,
            None => now(source.read(buffer))?,
        };
        let Some(count) = taken else {
            return Ok(false);
        };
        self.ended = count == 0;
        if self.pipe.is_some() {
            self.piped = count;
        } else if !self.ended {
            let sent = now(target.write(&buffer[..count]))?.unwrap_or(0);
            self.unsent.extend_from_slice(&buffer[sent..count]);
            if count == BUFFER {
                self.pipe = Some(Pipe::new(PIPE)?);
            }
        }
        Ok(true)
    }
}

/// `None` for what would block.
fn now(outcome: io::Result<usize>) -> io::Result<Option<usize>> {
    match outcome {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
