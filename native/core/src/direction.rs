//! One direction of a relay: from one link to the other, by copying or by splicing.
//!
//! A quiet direction owns no buffer: what comes is read into the shard's and written at once; only
//! what the other side does not take is kept, and nothing more is read before that has gone. A read
//! that fills the buffer means bulk: the direction borrows a pipe and splices, until the flow is
//! thin or stops.

use std::io;
use std::time::{Duration, Instant};

use crate::channel_words::RECORD_MAX;
use crate::coded_link::CodedLink;
use crate::link::Link;
use crate::pipes::Pipe;
use crate::reused_link::ReusedLink;
use crate::shard::{BUFFER_BYTES, Shard};
use crate::tcp_link::TcpLink;

/// Bytes per turn, so that one bulk stream does not hold up the others of its shard.
const TURN_BYTES: usize = 262_144;
/// Fills below this are better copied; after so many in a row the pipe is given back.
const THIN_FILL_BYTES: usize = 16_384;
const THIN_FILLS_MAX: u8 = 8;
/// So long without a byte, and the pipe is given back.
const DRY: Duration = Duration::from_millis(100);

struct Splice {
    pipe: Pipe,
    thin_fills: u8,
    /// Since when it has had nothing to do.
    dry_since: Option<Instant>,
}

/// What a turn ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Both links have to be waited for, or one of them.
    Blocked,
    /// More is there; others have their turn first.
    More,
    /// FIN has been passed on.
    Ended,
}

/// The link that broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    From,
    To,
}

#[derive(Default)]
pub(crate) struct Direction {
    /// Bytes that have been read.
    pub(crate) bytes: u64,
    /// Read but not taken by the other side.
    rest: Option<Box<Rest>>,
    splice: Option<Box<Splice>>,
    /// FIN has been read.
    pub(crate) source_ended: bool,
    fin_passed: bool,
    copy_only: bool,
    /// Bytes have been read or written since it was asked last.
    moved: bool,
}

#[derive(Default)]
struct Rest {
    bytes: Vec<u8>,
    written: usize,
}

impl Direction {
    /// Begins with bytes that go out ahead of everything that is read.
    /// `already`: bytes that have been read before.
    pub(crate) fn beginning_with(bytes: Vec<u8>, already: u64) -> Self {
        let rest = (!bytes.is_empty()).then(|| Box::new(Rest { bytes, written: 0 }));
        Self {
            rest,
            bytes: already,
            ..Self::default()
        }
    }

    /// The first turn: what it begins with and what is at hand go out in one write.
    pub(crate) fn begin(&mut self, shard: &Shard, from: &Link, to: &Link) -> Result<(), Broken> {
        // A use has bytes here only when it has come from another shard; and it reads into the buffer
        // that this would write from.
        if from.is_reused() {
            return Ok(());
        }
        let first = match self.rest.take() {
            Some(first) => first,
            None if to.has_head() => Box::default(),
            None => return Ok(()),
        };
        let mut buffer = shard.buffer.borrow_mut();
        let first = &first.bytes[first.written..];
        let head = first.len();
        if head < BUFFER_BYTES {
            buffer[..head].copy_from_slice(first);
            let more = match from.try_read(&mut buffer[head..]) {
                Ok(0) => {
                    self.source_ended = true;
                    0
                }
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(_) => return Err(Broken::From),
            };
            self.moved = true;
            self.bytes += more as u64;
            let bytes = &buffer[..head + more];
            self.write(to.try_write(bytes), bytes)
        } else {
            self.write(to.try_write(first), first)
        }
    }

    pub(crate) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Nothing that was read is on its way here.
    pub(crate) fn is_flushed(&self) -> bool {
        self.rest.is_none()
            && self
                .splice
                .as_ref()
                .is_none_or(|splice| splice.pipe.len() == 0)
    }

    /// When a pipe that has nothing to do is to be given back.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        Some(self.splice.as_ref()?.dry_since? + DRY)
    }

    /// FIN has been read, and all before it is with the system.
    pub(crate) fn has_ended(&self) -> bool {
        self.source_ended && self.is_flushed()
    }

    /// Moves what can be moved now. `is_last`: the other direction has ended, so that closing both
    /// links, which follows, is the FIN.
    pub(crate) fn turn(
        &mut self,
        shard: &Shard,
        from: &Link,
        to: &Link,
        is_last: bool,
    ) -> Result<Turn, Broken> {
        let until = self.bytes + TURN_BYTES as u64;
        loop {
            if !self.flush(to)? {
                return Ok(Turn::Blocked);
            }
            if self.source_ended {
                // Closing is FIN, but no transport's goodbye.
                if !is_last || to.as_tcp().is_none() {
                    self.pass_fin(shard, to);
                }
                return match to.flush() {
                    Ok(true) => Ok(Turn::Ended),
                    Ok(false) => Ok(Turn::Blocked),
                    Err(_) => Err(Broken::To),
                };
            }
            if self.bytes >= until {
                return Ok(Turn::More);
            }
            let moved = match (from, to) {
                (Link::Tcp(from), Link::Tcp(_)) if self.splice.is_some() => self
                    .fill(shard, |pipe| {
                        from.read_with(|socket| pipe.fill(socket, usize::MAX))
                    })?,
                (Link::Tcp(from), Link::Coded(to)) => self.seal(from, to)?,
                (Link::Coded(from), Link::Tcp(to)) => self.open(from, to)?,
                (Link::Tcp(from), Link::Reused(to)) => self.send_record(shard, from, to)?,
                (Link::Reused(from), Link::Tcp(to)) => self.take_records(shard, from, to)?,
                _ => self.copy(shard, from, to)?,
            };
            if !moved {
                return Ok(Turn::Blocked);
            }
        }
    }

    /// Writes what is on its way. False: the other side does not take it now.
    fn flush(&mut self, to: &Link) -> Result<bool, Broken> {
        if !to.flush().map_err(|_| Broken::To)? {
            return Ok(false);
        }
        if let Some(splice) = &mut self.splice {
            while splice.pipe.len() > 0 {
                match to.write_spliced(|socket| splice.pipe.drain(socket)) {
                    Ok(_) => self.moved = true,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                    Err(_) => return Err(Broken::To),
                }
            }
        }
        while let Some(rest) = &mut self.rest {
            match to.try_write(&rest.bytes[rest.written..]) {
                Ok(length) => {
                    self.moved = true;
                    rest.written += length;
                    if rest.written == rest.bytes.len() {
                        self.rest = None;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(_) => return Err(Broken::To),
            }
        }
        Ok(true)
    }

    /// One read into the pipe. False: the source is dry.
    fn fill(
        &mut self,
        shard: &Shard,
        read: impl FnOnce(&mut Pipe) -> io::Result<usize>,
    ) -> Result<bool, Broken> {
        let Some(splice) = &mut self.splice else {
            return Ok(true);
        };
        match read(&mut splice.pipe) {
            Ok(0) => {
                self.source_ended = true;
                self.give_back(shard);
            }
            Ok(length) => {
                self.moved = true;
                self.bytes += length as u64;
                splice.dry_since = None;
                if length >= THIN_FILL_BYTES {
                    splice.thin_fills = 0;
                } else {
                    splice.thin_fills = splice.thin_fills.saturating_add(1);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let since = *splice.dry_since.get_or_insert(shard.now());
                if splice.thin_fills >= THIN_FILLS_MAX || shard.now() - since >= DRY {
                    self.give_back(shard);
                }
                return Ok(false);
            }
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                self.copy_only = true;
                self.give_back(shard);
            }
            Err(_) => return Err(Broken::From),
        }
        Ok(true)
    }

    /// One read, sealed where it lies and written. False: the source is dry, or the other side is full.
    fn seal(&mut self, from: &TcpLink, to: &CodedLink) -> Result<bool, Broken> {
        // Never read what cannot be written.
        if !to.is_writable() {
            return Ok(false);
        }
        match to.read_from(from, 0) {
            Ok(0) => self.source_ended = true,
            Ok(length) => {
                self.moved = true;
                self.bytes += length as u64;
                to.write_read(&[], length).map_err(|_| Broken::To)?;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(_) => return Err(Broken::From),
        }
        Ok(true)
    }

    /// One read, opened where it lies and written. False: the source is dry, or the other side is full.
    fn open(&mut self, from: &CodedLink, to: &TcpLink) -> Result<bool, Broken> {
        if !to.is_writable() {
            return Ok(false);
        }
        let mut written = Ok(());
        let pulled = from.pull(|plain| {
            self.moved = true;
            self.bytes += plain.len() as u64;
            written = self.write(to.try_write(plain), plain);
        });
        match pulled {
            Ok(0) => self.source_ended = true,
            Ok(_) => written?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(_) => return Err(Broken::From),
        }
        Ok(true)
    }

    /// One read into a pipe or a buffer, announced and written as one record. False: the source is dry,
    /// or the other side is full.
    fn send_record(
        &mut self,
        shard: &Shard,
        from: &TcpLink,
        to: &ReusedLink,
    ) -> Result<bool, Broken> {
        if !to.is_writable() {
            return Ok(false);
        }
        if self.splice.is_some() {
            let is_filled = self.fill(shard, |pipe| {
                from.read_with(|socket| pipe.fill(socket, RECORD_MAX))
            })?;
            if let Some(splice) = &self.splice
                && splice.pipe.len() > 0
            {
                to.announce(splice.pipe.len());
            }
            return Ok(is_filled);
        }
        match to.read_from(from) {
            Ok(0) => self.source_ended = true,
            Ok(length) => {
                self.moved = true;
                self.bytes += length as u64;
                to.write_read(length).map_err(|_| Broken::To)?;
                if length == BUFFER_BYTES && to.is_plain() {
                    self.borrow_pipe(shard);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(_) => return Err(Broken::From),
        }
        Ok(true)
    }

    /// One read of records, their payload passed on. False: the source is dry, or the other side is
    /// full.
    fn take_records(
        &mut self,
        shard: &Shard,
        from: &ReusedLink,
        to: &TcpLink,
    ) -> Result<bool, Broken> {
        if !to.is_writable() {
            return Ok(false);
        }
        if self.splice.is_some() {
            match from.record_left() {
                // Something else than payload has come: below.
                Ok(0) => {}
                Ok(left) => {
                    return self.fill(shard, |pipe| {
                        from.read_record_with(|socket| pipe.fill(socket, left))
                    });
                }
                Err(error) => return self.fill(shard, |_| Err(error)),
            }
        }
        let mut written = Ok(());
        let pulled = from.pull(|payload| {
            self.moved = true;
            self.bytes += payload.len() as u64;
            if written.is_ok() {
                written = self.write_behind(to, payload);
            }
        });
        match pulled {
            Ok(0) => self.source_ended = true,
            Ok(_) => {
                written?;
                if self.rest.is_none() && from.is_bulk() {
                    self.borrow_pipe(shard);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(_) => return Err(Broken::From),
        }
        Ok(true)
    }

    /// Writes, or keeps behind what is kept already.
    fn write_behind(&mut self, to: &TcpLink, bytes: &[u8]) -> Result<(), Broken> {
        match &mut self.rest {
            Some(rest) => {
                rest.bytes.extend_from_slice(bytes);
                Ok(())
            }
            None => self.write(to.try_write(bytes), bytes),
        }
    }

    /// Bulk has come: the next read goes through a pipe, where one is to be had.
    fn borrow_pipe(&mut self, shard: &Shard) {
        if self.copy_only || self.rest.is_some() || self.splice.is_some() {
            return;
        }
        self.splice = shard.pipes.take().map(|pipe| {
            Box::new(Splice {
                pipe,
                thin_fills: 0,
                dry_since: None,
            })
        });
    }

    /// One read and write through the shard's buffer. False: the source is dry, or the other side is
    /// full.
    fn copy(&mut self, shard: &Shard, from: &Link, to: &Link) -> Result<bool, Broken> {
        // Never read what cannot be written.
        if !to.is_writable() {
            return Ok(false);
        }
        let mut buffer = shard.buffer.borrow_mut();
        match from.try_read(&mut buffer[..BUFFER_BYTES]) {
            Ok(0) => self.source_ended = true,
            Ok(length) => {
                self.moved = true;
                self.bytes += length as u64;
                let bytes = &buffer[..length];
                self.write(to.try_write(bytes), bytes)?;
                if length == BUFFER_BYTES && from.as_tcp().is_some() && to.as_tcp().is_some() {
                    self.borrow_pipe(shard);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(_) => return Err(Broken::From),
        }
        Ok(true)
    }

    /// Keeps what the other side does not take.
    fn write(&mut self, written: io::Result<usize>, bytes: &[u8]) -> Result<(), Broken> {
        let written = match written {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return Err(Broken::To),
        };
        if written < bytes.len() {
            let bytes = bytes[written..].to_vec();
            self.rest = Some(Box::new(Rest { bytes, written: 0 }));
        }
        Ok(())
    }

    fn pass_fin(&mut self, shard: &Shard, to: &Link) {
        if !self.fin_passed {
            self.fin_passed = true;
            self.give_back(shard);
            // One that is broken already will say so when it is read.
            let _ = to.finish();
        }
    }

    pub(crate) fn give_back(&mut self, shard: &Shard) {
        if let Some(splice) = self.splice.take() {
            shard.pipes.give_back(splice.pipe);
        }
    }
}
