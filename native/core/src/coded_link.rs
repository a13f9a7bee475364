//! A TCP connection behind a transport: what is written is sealed, what is read is opened. Both
//! happen in the shard's scratch buffer, many records at a time; a quiet connection owns no buffer.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use mio::net::TcpStream;

use crate::reason::EndReason;
use crate::scratch::Scratch;
use crate::shard::Shard;
use crate::tcp_link::TcpLink;
use crate::transport::codec::{Codec, Fault, Place, Refused};

mod state;

use state::{Finish, State};

/// While less than this is on its way, more may be written behind it: the last words of a handshake
/// leave with the first of what follows.
const ROOM_BYTES: usize = 16_384;

pub(crate) struct CodedLink {
    tcp: TcpLink,
    state: RefCell<State>,
}

/// See `LinkParcel`.
pub(crate) struct CodedParcel {
    stream: TcpStream,
    state: State,
}

impl CodedParcel {
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn unpack(self, shard: &Rc<Shard>) -> io::Result<CodedLink> {
        Ok(CodedLink {
            tcp: TcpLink::adopt(shard, self.stream)?,
            state: RefCell::new(self.state),
        })
    }
}

impl CodedLink {
    /// `came`: what was received behind the handshake, `Scratch::WIRE_BYTES` at most; `outgoing`: what
    /// of the handshake is still to be sent.
    pub(crate) fn new(tcp: TcpLink, codec: Box<dyn Codec>, came: &[u8], outgoing: Vec<u8>) -> Self {
        let mut state = State::new(codec, outgoing);
        {
            let scratch = &mut *Scratch::borrow(&tcp.shard().scratch);
            let end = state.append(scratch, came);
            let mut taken = Vec::new();
            // Also with nothing: the codec may have kept some. A fault is told by the next read.
            state.open(scratch, end, |plain| taken.extend_from_slice(plain));
            state.plain = taken;
        }
        Self {
            tcp,
            state: RefCell::new(state),
        }
    }

    pub(crate) fn tcp(&self) -> &TcpLink {
        &self.tcp
    }

    pub(crate) fn detach(&mut self) -> io::Result<CodedParcel> {
        let state = self.state.get_mut();
        let stream = self.tcp.detach()?;
        let state = State {
            codec: state.codec.take(),
            rest: std::mem::take(&mut state.rest),
            plain: std::mem::take(&mut state.plain),
            outgoing: std::mem::take(&mut state.outgoing),
            ..*state
        };
        Ok(CodedParcel { stream, state })
    }

    pub(crate) fn fault(&self) -> Option<EndReason> {
        let fault = self.state.borrow().fault?;
        Some(match (fault, self.refusal()) {
            (Fault::BadRecord, Some(refused)) => refused.reason,
            (Fault::BadRecord, None) => EndReason::BadRecord,
            (Fault::Truncated | Fault::NoGoodbye, _) => EndReason::Truncated,
        })
    }

    /// See [`Codec::refusal`].
    pub(crate) fn refusal(&self) -> Option<Refused> {
        let state = self.state.borrow();
        state.codec.as_ref()?.refusal().cloned()
    }

    pub(crate) fn is_readable(&self) -> bool {
        let state = self.state.borrow();
        !state.plain.is_empty()
            || state.ended
            || state.unsure
            || state.fault.is_some()
            || self.tcp.is_readable()
    }

    /// What is written now is taken.
    pub(crate) fn is_writable(&self) -> bool {
        self.state.borrow().outgoing.len() < ROOM_BYTES && self.tcp.is_writable()
    }

    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut length = 0;
        let mut surplus = Vec::new();
        let came = self.pull(|plain| {
            length = plain.len().min(buffer.len());
            buffer[..length].copy_from_slice(&plain[..length]);
            surplus = plain[length..].to_vec();
        })?;
        if came > 0 {
            self.state.borrow_mut().plain = surplus;
        }
        Ok(length)
    }

    /// Reads once and gives what it brought to `take`: at least one byte, unless `Ok(0)` says that the
    /// peer's direction has ended. `take` must not use this link, nor seal on this shard.
    ///
    /// # Errors
    /// As `Link::try_read`.
    pub(crate) fn pull(&self, take: impl FnOnce(&[u8])) -> io::Result<usize> {
        let state = &mut *self.state.borrow_mut();
        if !state.plain.is_empty() {
            let plain = std::mem::take(&mut state.plain);
            take(&plain);
            return Ok(plain.len());
        }
        let mut take = Some(take);
        let shard = self.tcp.shard();
        let mut read = 0;
        loop {
            if let Some(fault) = state.fault {
                return Err(error_of(fault));
            }
            if state.ended {
                return Ok(0);
            }
            if !self.tcp.is_readable() && !state.unsure {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let scratch = &mut *Scratch::borrow(&shard.scratch);
            let start = state.append(scratch, &[]);
            let length = match self.tcp.try_read(&mut scratch.wire[start..]) {
                Ok(0) => {
                    state.end(start);
                    continue;
                }
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && state.unsure => 0,
                Err(error) => return Err(error),
            };
            let came = state.open(scratch, start + length, |plain| {
                if let Some(take) = take.take() {
                    take(plain);
                }
            });
            if !state.outgoing.is_empty() {
                // Who cannot be answered will be found broken by the next read.
                let _ = self.flush_state(state);
            }
            if came > 0 {
                return Ok(came);
            }
            read += length;
            if read >= Scratch::WIRE_BYTES {
                // Records with nothing in them, and no end of them: others have their turn.
                self.tcp.wake();
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
    }

    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let state = &mut *self.state.borrow_mut();
        self.make_room(state)?;
        let scratch = &mut *Scratch::borrow(&self.tcp.shard().scratch);
        let length = state.codec().layout().put(&mut scratch.wire, bytes);
        self.seal(state, scratch, length)?;
        Ok(length)
    }

    /// Reads from another connection to where `write_read` seals it, which must follow; leaves room for
    /// `head` bytes in front. `Ok(0)`: its end.
    ///
    /// # Errors
    /// Those of the other connection.
    pub(crate) fn read_from(&self, source: &TcpLink, head: usize) -> io::Result<usize> {
        let layout = self.state.borrow_mut().codec().layout();
        let scratch = &mut *Scratch::borrow(&self.tcp.shard().scratch);
        let room = layout.room(scratch.wire.len());
        let mut places = layout.payloads(room);
        let first = places.next().map(|place| place.start + head..place.end);
        source.try_read_into(&mut scratch.wire, first.into_iter().chain(places))
    }

    /// Seals and writes `head` and the `length` bytes that `read_from` has read, with room for it.
    ///
    /// # Errors
    /// Those of this connection.
    pub(crate) fn write_read(&self, head: &[u8], length: usize) -> io::Result<()> {
        let state = &mut *self.state.borrow_mut();
        let scratch = &mut *Scratch::borrow(&self.tcp.shard().scratch);
        let start = state.codec().layout().head;
        scratch.wire[start..start + head.len()].copy_from_slice(head);
        self.seal(state, scratch, head.len() + length)
    }

    /// As `Link::flush`.
    pub(crate) fn flush(&self) -> io::Result<bool> {
        self.flush_state(&mut self.state.borrow_mut())
    }

    pub(crate) fn is_flushed(&self) -> bool {
        let state = self.state.borrow();
        state.outgoing.is_empty() && state.finish != Finish::Said
    }

    pub(crate) fn finish(&self) -> io::Result<()> {
        let state = &mut *self.state.borrow_mut();
        if matches!(state.finish, Finish::No | Finish::Held) {
            state.finish = Finish::Held;
            state.say_goodbye();
        }
        self.flush_state(state).map(|_| ())
    }

    /// Our direction has ended, and the peer is not to know yet.
    pub(crate) fn holds_goodbye(&self) -> bool {
        self.state.borrow().finish == Finish::Held
    }

    /// # Errors
    /// `WouldBlock` while too much is on its way already.
    fn make_room(&self, state: &mut State) -> io::Result<()> {
        if state.outgoing.len() >= ROOM_BYTES {
            self.flush_state(state)?;
        }
        if self.tcp.is_writable() {
            Ok(())
        } else {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    /// Seals what lies in the scratch buffer; what the system does not take is kept.
    fn seal(&self, state: &mut State, scratch: &mut Scratch, length: usize) -> io::Result<()> {
        let sealed = state
            .codec()
            .seal(&mut scratch.wire, length, &mut scratch.side);
        let wire = match &sealed {
            Ok(Place::Buffer(range)) => &scratch.wire[range.clone()],
            Ok(Place::Side(range)) => &scratch.side[range.clone()],
            Err(fault) => {
                state.fault = Some(*fault);
                return Err(error_of(*fault));
            }
        };
        if !state.outgoing.is_empty() {
            state.outgoing.extend_from_slice(wire);
            return self.flush_state(state).map(|_| ());
        }
        let written = match self.tcp.try_write(wire) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        if written < wire.len() {
            state.outgoing = wire[written..].to_vec();
        }
        Ok(())
    }

    fn flush_state(&self, state: &mut State) -> io::Result<bool> {
        let mut written = 0;
        while written < state.outgoing.len() {
            match self.tcp.try_write(&state.outgoing[written..]) {
                Ok(length) => written += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if written < state.outgoing.len() {
            state.outgoing.drain(..written);
            return Ok(false);
        }
        state.outgoing = Vec::new();
        if state.finish == Finish::Said {
            state.finish = Finish::Sent;
            if state.codec().sends_fin() {
                self.tcp.finish()?;
            }
        }
        Ok(true)
    }
}

/// FIN in the middle of a record is worse than RST: stock peers spin on it for ever (wire-v1 W5).
impl Drop for CodedLink {
    fn drop(&mut self) {
        if !self.state.get_mut().outgoing.is_empty() {
            self.tcp.reset_on_close();
        }
    }
}

fn error_of(fault: Fault) -> io::Error {
    match fault {
        Fault::BadRecord | Fault::Truncated => io::ErrorKind::InvalidData.into(),
        Fault::NoGoodbye => io::ErrorKind::UnexpectedEof.into(),
    }
}

#[cfg(test)]
#[path = "coded_link_tests.rs"]
mod tests;
