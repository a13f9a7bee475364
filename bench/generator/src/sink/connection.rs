//! One visitor at the sink: reads the mode, then does what it asks. Never blocks; a turn is one
//! read or one write, so that a visitor with a few bytes does not wait long beside bulk streams.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::ledger::{Entry, Ledger};
use super::origin::{Origin, Said};
use super::transfer::{drain, write_some};
use crate::sys;
use crate::wire::{self, Mode};

/// What a source offers in a turn.
const SOURCE_CHUNK: usize = 256 * 1024;

/// What the connection waits for next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Read,
    Write,
    Close,
}

enum State {
    Header(Vec<u8>),
    Echo {
        unsent: Vec<u8>,
    },
    Drain {
        id: u64,
        count: u64,
    },
    Source {
        left: u64,
        broken: bool,
    },
    BrokenDrain {
        left: u64,
    },
    Timed {
        id: u64,
        count: u64,
        until: Instant,
    },
    Query {
        partial: Vec<u8>,
    },
    Http(Origin),
    /// All is sent and FIN too; the visitor's FIN is awaited.
    Finished,
}

pub(crate) struct Connection {
    stream: TcpStream,
    state: State,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            state: State::Header(Vec::new()),
        }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Handles one event.
    pub(crate) fn ready(&mut self, scratch: &mut [u8], ledger: &mut Ledger) -> io::Result<Next> {
        match &mut self.state {
            State::Drain { id, count } => {
                let (id, end) = (*id, drain(&self.stream, scratch, count)?);
                let count = *count;
                Ok(if end {
                    self.answer_drain(id, count, ledger)
                } else {
                    Next::Read
                })
            }
            State::Source { .. } | State::Timed { .. } => self.send(scratch, ledger),
            State::BrokenDrain { left } => {
                let mut count = 0;
                let end = drain(&self.stream, scratch, &mut count)?;
                *left = left.saturating_sub(count);
                if end || *left == 0 {
                    return self.reset();
                }
                Ok(Next::Read)
            }
            State::Echo { unsent } if !unsent.is_empty() => {
                let waiting = std::mem::take(unsent);
                self.echo(&waiting)
            }
            State::Http(origin) if origin.is_full() => self.speak_http(),
            _ => {
                let count = match self.stream.read(scratch) {
                    Ok(0) => return Ok(Next::Close),
                    Ok(count) => count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Next::Read),
                    Err(error) => return Err(error),
                };
                self.take(&scratch[..count], ledger)
            }
        }
    }

    /// Handles bytes read, in any state that reads them.
    fn take(&mut self, bytes: &[u8], ledger: &mut Ledger) -> io::Result<Next> {
        match &mut self.state {
            State::Header(header) => {
                let letter = header
                    .first()
                    .or(bytes.first())
                    .copied()
                    .unwrap_or_default();
                if letter == wire::HTTP {
                    self.state = State::Http(Origin::default());
                    return self.take(bytes, ledger);
                }
                let Some(length) = Mode::header_length(letter) else {
                    return Ok(Next::Close);
                };
                let missing = bytes.len().min(length - header.len());
                header.extend_from_slice(&bytes[..missing]);
                if header.len() < length {
                    return Ok(Next::Read);
                }
                let Some(mode) = Mode::decode(header) else {
                    return Ok(Next::Close);
                };
                self.start(mode, &bytes[missing..], ledger)
            }
            State::Echo { .. } => self.echo(bytes),
            State::Query { partial } => {
                partial.extend_from_slice(bytes);
                let mut answers = Vec::new();
                while let Some(id) = wire::read_u64(partial, 0) {
                    partial.drain(..8);
                    let entry = ledger.read(id);
                    answers.extend_from_slice(&u64::from(entry.finished).to_le_bytes());
                    answers.extend_from_slice(&entry.count.to_le_bytes());
                }
                // A few bytes per question asked one at a time: they fit the socket buffer.
                self.stream.write_all(&answers)?;
                Ok(Next::Read)
            }
            State::Drain { count, .. } => {
                *count += bytes.len() as u64;
                Ok(Next::Read)
            }
            State::BrokenDrain { left } => {
                *left = left.saturating_sub(bytes.len() as u64);
                Ok(Next::Read)
            }
            State::Http(origin) => {
                origin.hear(bytes);
                self.speak_http()
            }
            State::Source { .. } | State::Timed { .. } => Ok(Next::Write),
            State::Finished => Ok(Next::Read),
        }
    }

    fn start(&mut self, mode: Mode, rest: &[u8], ledger: &mut Ledger) -> io::Result<Next> {
        self.state = match mode {
            Mode::Echo => State::Echo { unsent: Vec::new() },
            Mode::Drain { id } => State::Drain { id, count: 0 },
            Mode::Source { bytes } => State::Source {
                left: bytes,
                broken: false,
            },
            Mode::BrokenSource { bytes } => State::Source {
                left: bytes,
                broken: true,
            },
            Mode::BrokenDrain { bytes: 0 } => return self.reset(),
            Mode::BrokenDrain { bytes } => State::BrokenDrain { left: bytes },
            Mode::Timed { id, millis } => State::Timed {
                id,
                count: 0,
                until: Instant::now() + Duration::from_millis(millis),
            },
            Mode::Query => State::Query {
                partial: Vec::new(),
            },
        };
        match self.state {
            State::Source { .. } | State::Timed { .. } => Ok(Next::Write),
            _ if rest.is_empty() => Ok(Next::Read),
            _ => self.take(rest, ledger),
        }
    }

    fn echo(&mut self, bytes: &[u8]) -> io::Result<Next> {
        let sent = write_some(&mut self.stream, bytes)?;
        if sent == bytes.len() {
            return Ok(Next::Read);
        }
        self.state = State::Echo {
            unsent: bytes[sent..].to_vec(),
        };
        Ok(Next::Write)
    }

    fn speak_http(&mut self) -> io::Result<Next> {
        let State::Http(origin) = &mut self.state else {
            return Ok(Next::Read);
        };
        Ok(match origin.speak(&mut self.stream)? {
            Said::All => Next::Read,
            Said::Part => Next::Write,
            Said::Last => {
                // Closing now, with bytes of the visitor unread, would send RST after the answer.
                self.state = State::Finished;
                self.stream.shutdown(Shutdown::Write)?;
                Next::Read
            }
        })
    }

    fn answer_drain(&mut self, id: u64, count: u64, ledger: &mut Ledger) -> Next {
        ledger.note(
            id,
            Entry {
                finished: true,
                count,
            },
        );
        // A tunnel without half-close is gone by now; the loader then asks the ledger.
        drop(self.stream.write_all(&count.to_le_bytes()));
        Next::Close
    }

    fn send(&mut self, scratch: &[u8], ledger: &mut Ledger) -> io::Result<Next> {
        let wanted = match &self.state {
            State::Source { left, .. } => {
                SOURCE_CHUNK.min(usize::try_from(*left).unwrap_or(SOURCE_CHUNK))
            }
            State::Timed { until, .. } if Instant::now() < *until => SOURCE_CHUNK,
            _ => 0,
        };
        if wanted == 0 {
            return self.finish(ledger);
        }
        let sent = write_some(&mut self.stream, &scratch[..wanted])?;
        match &mut self.state {
            State::Source { left, .. } => *left -= sent as u64,
            State::Timed { count, .. } => *count += sent as u64,
            _ => {}
        }
        Ok(Next::Write)
    }

    fn finish(&mut self, ledger: &mut Ledger) -> io::Result<Next> {
        match self.state {
            State::Timed { id, count, .. } => ledger.note(
                id,
                Entry {
                    finished: true,
                    count,
                },
            ),
            State::Source { broken: true, .. } => return self.reset(),
            _ => {}
        }
        self.state = State::Finished;
        self.stream.shutdown(Shutdown::Write)?;
        Ok(Next::Read)
    }

    /// Ends as a local service does that crashes.
    fn reset(&self) -> io::Result<Next> {
        sys::reset_on_close(&self.stream)?;
        Ok(Next::Close)
    }
}
