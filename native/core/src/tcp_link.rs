//! One TCP connection on its shard: non-blocking reads and writes that remember when to wait.

use std::cell::Cell;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::ops::Range;
use std::rc::Rc;

use mio::Interest;
use mio::net::TcpStream;
use socket2::SockRef;

use crate::reactor::{self, ERROR, READ, READ_CLOSED, READING, URGENT, WRITE};
use crate::shard::Shard;
use crate::sys;
use crate::task::TaskId;
use crate::tcp_socket::{self, reset_on_close};

/// A short read means that nothing is left: true for edge-triggered epoll and kqueue, while Windows
/// tells of more only after a call that would block.
const SHORT_MEANS_DRY: bool = cfg!(unix);

/// Places that one read fills.
const PLACES_MAX: usize = 17;

pub(crate) struct TcpLink {
    /// Absent only once it has been handed on.
    stream: Option<TcpStream>,
    /// Whether its events tell when it can be written to. Most connections never have to wait for
    /// that, and a fresh one's event would be a wake-up for nothing.
    tells_writable: Cell<bool>,
    slot: u32,
    shard: Rc<Shard>,
}

impl TcpLink {
    /// Takes a connected socket; its events wake the running task.
    pub(crate) fn adopt(shard: &Rc<Shard>, stream: TcpStream) -> io::Result<Self> {
        Self::register(shard, stream, WRITE)
    }

    /// Takes a connection that has just been accepted. A read is worth trying: who has connected
    /// often has said something by now.
    pub(crate) fn accepted(shard: &Rc<Shard>, stream: TcpStream) -> io::Result<Self> {
        Self::register(shard, stream, READ | WRITE)
    }

    /// Takes a socket whose connect is under way: it is writable when that is done.
    pub(crate) fn connecting(shard: &Rc<Shard>, stream: TcpStream) -> io::Result<Self> {
        Self::register(shard, stream, 0)
    }

    fn register(shard: &Rc<Shard>, mut stream: TcpStream, ready: u8) -> io::Result<Self> {
        let tells_writable = !reactor::LATE_WRITABLE || ready & WRITE == 0;
        let interest = if tells_writable {
            READING | Interest::WRITABLE
        } else {
            READING
        };
        let task = shard.tasks.current();
        let registered = shard.reactor.register(&mut stream, interest, task, ready);
        let slot = registered.inspect_err(|_| reset_on_close(&stream))?;
        Ok(Self {
            stream: Some(stream),
            tells_writable: Cell::new(tells_writable),
            slot: u32::try_from(slot).unwrap_or(u32::MAX),
            shard: Rc::clone(shard),
        })
    }

    fn slot(&self) -> usize {
        self.slot as usize
    }

    /// The other side is full: wait for it.
    fn not_writable(&self) {
        self.shard.reactor.clear(self.slot(), WRITE);
        if !self.tells_writable.replace(true) {
            self.shard.reactor.tell_writable(self.slot(), self.stream());
        }
    }

    fn stream(&self) -> &TcpStream {
        self.stream
            .as_ref()
            .expect("taken out only by the functions that consume the link")
    }

    /// Its events wake the running task from now on.
    pub(crate) fn watch(&self) {
        self.watch_by(self.shard.tasks.current());
    }

    pub(crate) fn watch_by(&self, task: TaskId) {
        self.shard.reactor.set_task(self.slot(), task);
    }

    /// Has the task that its events wake look again.
    pub(crate) fn wake(&self) {
        self.shard.tasks.wake(self.shard.reactor.task(self.slot()));
    }

    fn ready(&self) -> u8 {
        self.shard.reactor.ready(self.slot())
    }

    /// Whether a read is worth trying.
    pub(crate) fn is_readable(&self) -> bool {
        self.ready() & READ != 0
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.ready() & WRITE != 0
    }

    /// The connection is broken, as far as the system has told; `take_error` says how.
    pub(crate) fn is_broken(&self) -> bool {
        self.ready() & ERROR != 0
    }

    /// The error that broke it, once. Without one, both directions are shut down.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        self.stream().take_error().unwrap_or_else(Some)
    }

    /// # Errors
    /// `WouldBlock` when the task has to wait for the socket.
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.is_readable() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let result = retry(|| self.stream().read(buffer));
        self.after_read(&result, buffer.len());
        result
    }

    fn after_read(&self, result: &io::Result<usize>, wanted: usize) {
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.shard.reactor.clear(self.slot(), READ | READ_CLOSED);
            }
            // After FIN the next read has to see it.
            Ok(length)
                if SHORT_MEANS_DRY
                    && *length > 0
                    && *length < wanted
                    && self.ready() & (READ_CLOSED | ERROR | URGENT) == 0 =>
            {
                self.shard.reactor.clear(self.slot(), READ);
            }
            _ => {}
        }
    }

    /// # Errors
    /// `WouldBlock` when the task has to wait for the socket.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_writable() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let result = retry(|| self.stream().write(bytes));
        self.after_write(&result, bytes.len());
        result
    }

    /// Writes both, as one.
    ///
    /// # Errors
    /// As `try_write`.
    pub(crate) fn try_write_parts(&self, head: &[u8], bytes: &[u8]) -> io::Result<usize> {
        if !self.is_writable() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let parts = [IoSlice::new(head), IoSlice::new(bytes)];
        let result = retry(|| self.stream().write_vectored(&parts));
        self.after_write(&result, head.len() + bytes.len());
        result
    }

    /// Writes what something else follows at once: both may leave in one segment.
    ///
    /// # Errors
    /// As `try_write`.
    pub(crate) fn try_write_ahead(&self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_writable() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let socket = SockRef::from(self.stream());
        let result = retry(|| socket.send_with_flags(bytes, sys::MORE_FOLLOWS));
        self.after_write(&result, bytes.len());
        result
    }

    fn after_write(&self, result: &io::Result<usize>, wanted: usize) {
        let short = matches!(result, Ok(length) if SHORT_MEANS_DRY && *length < wanted);
        if short || would_block(result) {
            self.not_writable();
        }
    }

    /// Reads into several places of the buffer, in order; they must not overlap.
    ///
    /// # Errors
    /// As `try_read`.
    pub(crate) fn try_read_into(
        &self,
        buffer: &mut [u8],
        places: impl Iterator<Item = Range<usize>>,
    ) -> io::Result<usize> {
        if !self.is_readable() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut slices: [IoSliceMut<'_>; PLACES_MAX] =
            std::array::from_fn(|_| IoSliceMut::new(&mut []));
        let (mut rest, mut at, mut wanted, mut count) = (buffer, 0, 0, 0);
        for (slice, place) in slices.iter_mut().zip(places) {
            let (_, behind) = rest.split_at_mut(place.start - at);
            let (here, behind) = behind.split_at_mut(place.len());
            (rest, at) = (behind, place.end);
            wanted += here.len();
            count += 1;
            *slice = IoSliceMut::new(here);
        }
        let result = retry(|| self.stream().read_vectored(&mut slices[..count]));
        self.after_read(&result, wanted);
        result
    }

    /// Runs a system call that reads from the socket by itself. `Ok(0)` is its end.
    pub(crate) fn read_with(
        &self,
        call: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if !self.is_readable() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let result = self.run(call);
        if would_block(&result) {
            self.shard.reactor.clear(self.slot(), READ | READ_CLOSED);
        }
        result
    }

    /// Runs a system call that writes to the socket by itself.
    pub(crate) fn write_with(
        &self,
        call: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if !self.is_writable() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let result = self.run(call);
        if would_block(&result) {
            self.not_writable();
        }
        result
    }

    fn run(&self, mut call: impl FnMut(&TcpStream) -> io::Result<usize>) -> io::Result<usize> {
        retry(|| call(self.stream()))
    }

    /// Whether the peer's system has all bytes that were written, ahead of a FIN that was sent, too;
    /// `None`: unknown here.
    pub(crate) fn is_delivered(&self) -> Option<bool> {
        // FIN counts as one, and is acknowledged with a delay.
        sys::unsent(self.stream()).map(|bytes| bytes <= 1)
    }

    /// FIN, behind everything written.
    pub(crate) fn finish(&self) -> io::Result<()> {
        self.stream().shutdown(Shutdown::Write)
    }

    /// RST, now. What the peer has not got of what was written is lost.
    pub(crate) fn abort(self) {
        self.reset_on_close();
    }

    /// Dropping it will send RST.
    pub(crate) fn reset_on_close(&self) {
        if let Some(stream) = &self.stream {
            reset_on_close(stream);
        }
    }

    pub(crate) fn set_nodelay(&self, on: bool) {
        // Fails only on a connection that is gone; the next read or write says so.
        let _ = self.stream().set_nodelay(on);
    }

    /// It carries a visitor from now on: see [`tcp_socket::allow_stalls`].
    pub(crate) fn allow_stalls(&self) {
        tcp_socket::allow_stalls(self.stream());
    }

    /// Our own address.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.stream().local_addr()
    }

    #[cfg(test)]
    pub(crate) fn peer(&self) -> io::Result<SocketAddr> {
        self.stream().peer_addr()
    }

    /// See [`tcp_socket::is_connected`].
    pub(crate) fn is_connected(&self) -> io::Result<bool> {
        tcp_socket::is_connected(self.stream())
    }

    /// Hands the connection on, to another shard.
    pub(crate) fn into_stream(mut self) -> io::Result<TcpStream> {
        self.detach()
    }

    /// Takes the connection out; the link is of no use any more.
    pub(crate) fn detach(&mut self) -> io::Result<TcpStream> {
        let mut stream = self.stream.take().ok_or(io::ErrorKind::NotConnected)?;
        self.shard.reactor.deregister(&mut stream)?;
        Ok(stream)
    }

    pub(crate) fn shard(&self) -> &Rc<Shard> {
        &self.shard
    }
}

impl Drop for TcpLink {
    fn drop(&mut self) {
        self.shard.reactor.release(self.slot());
    }
}

fn would_block(result: &io::Result<usize>) -> bool {
    matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Repeats a call that a signal interrupted.
pub(crate) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
