//! Pipes and `splice`: bytes go from socket to socket without entering this process.
#![allow(unsafe_code, reason = "splice is not in the standard library")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::ptr;

use mio::net::TcpStream;

/// What a probe sends.
const MARK: u8 = 0x57;

/// Both ends of one pipe.
#[derive(Debug)]
pub(crate) struct PipeEnds {
    read: OwnedFd,
    write: OwnedFd,
    capacity: usize,
}

impl PipeEnds {
    /// An empty pipe of the size that the system gives by itself: 64 KiB, and for a user who has
    /// used up what users may have, 8 KiB.
    ///
    /// # Errors
    /// The system's: EMFILE, ENFILE, and ENOSYS and EPERM in a sandbox.
    pub(crate) fn open() -> io::Result<Self> {
        let mut ends = [-1; 2];
        // SAFETY: the array has room for the two descriptors that the call writes.
        check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) })?;
        // SAFETY: the call succeeded: both are open, and nobody else knows them.
        let [read, write] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
        // SAFETY: the descriptor is open as long as `write` lives; the command takes no argument.
        let capacity = check(unsafe { libc::fcntl(write.as_raw_fd(), libc::F_GETPIPE_SZ) })?;
        let capacity = usize::try_from(capacity).unwrap_or(0);
        Ok(Self {
            read,
            write,
            capacity,
        })
    }

    /// Makes it at least so large.
    ///
    /// # Errors
    /// EPERM beyond what this user may have; the pipe is then as it was.
    pub(crate) fn resize(&mut self, bytes: usize) -> io::Result<()> {
        let wanted = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
        let descriptor = self.write.as_raw_fd();
        // SAFETY: the descriptor is open as long as `self.write` lives; the argument is a number.
        check(unsafe { libc::fcntl(descriptor, libc::F_SETPIPE_SZ, wanted) })?;
        // SAFETY: as above; the command takes no argument.
        let capacity = check(unsafe { libc::fcntl(descriptor, libc::F_GETPIPE_SZ) })?;
        self.capacity = usize::try_from(capacity).unwrap_or(0);
        Ok(())
    }

    /// The bytes that it can hold.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// The higher of its two descriptors.
    pub(crate) fn descriptor(&self) -> i64 {
        i64::from(self.read.as_raw_fd().max(self.write.as_raw_fd()))
    }

    /// Moves what the socket has into the pipe, `most` bytes at most; the pipe is empty: only then does
    /// `WouldBlock` speak of the socket. `Ok(0)`: end of stream.
    ///
    /// # Errors
    /// `Unsupported`: this socket has to be read by copying, now and from now on.
    pub(crate) fn fill(&self, from: &TcpStream, most: usize) -> io::Result<usize> {
        let most = most.min(self.capacity);
        if let Some(moved) = self.fill_once(from, most)? {
            return Ok(moved);
        }
        // A splice stops for good in front of urgent data, and tells of it as of an empty socket or,
        // after FIN, of the end. A read goes past it.
        if from.peek(&mut [0])? == 0 {
            return Ok(0);
        }
        // Or it has come a moment ago.
        self.fill_once(from, most)?
            .ok_or(io::ErrorKind::Unsupported.into())
    }

    /// `None`: nothing can be moved, or the stream has ended.
    fn fill_once(&self, from: &TcpStream, most: usize) -> io::Result<Option<usize>> {
        match splice(from.as_fd(), self.write.as_fd(), most) {
            Ok(0) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            result => result.map(Some),
        }
    }

    /// Moves up to so many bytes from the pipe to the socket.
    ///
    /// # Errors
    /// `WouldBlock` when the socket takes none.
    pub(crate) fn drain(&self, to: &TcpStream, bytes: usize) -> io::Result<usize> {
        splice(self.read.as_fd(), to.as_fd(), bytes)
    }

    /// One byte from a socket into the empty pipe and out to a socket again. Sandboxes may have
    /// pipes and refuse this.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn try_out(&self) -> io::Result<()> {
        // Unlike a pair of TCP sockets this needs no address and cannot be kept waiting.
        let (near, far) = UnixStream::pair()?;
        near.set_nonblocking(true)?;
        far.set_nonblocking(true)?;
        io::Write::write_all(&mut &near, &[MARK])?;
        splice(far.as_fd(), self.write.as_fd(), 1)?;
        splice(self.read.as_fd(), far.as_fd(), 1)?;
        let mut back = [0];
        io::Read::read_exact(&mut &near, &mut back)?;
        if back == [MARK] {
            return Ok(());
        }
        Err(io::ErrorKind::InvalidData.into())
    }
}

/// One of the two is a pipe.
fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, bytes: usize) -> io::Result<usize> {
    let flags = libc::SPLICE_F_MOVE | libc::SPLICE_F_NONBLOCK;
    loop {
        // SAFETY: both descriptors are borrowed for the call; no offset is passed, so the kernel
        // touches no memory of ours.
        let moved = unsafe {
            libc::splice(
                from.as_raw_fd(),
                ptr::null_mut(),
                to.as_raw_fd(),
                ptr::null_mut(),
                bytes,
                flags,
            )
        };
        if let Ok(moved) = usize::try_from(moved) {
            return Ok(moved);
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::EINVAL | libc::ENOSYS) => return Err(io::ErrorKind::Unsupported.into()),
            _ => return Err(error),
        }
    }
}

/// Keeps SIGPIPE from the calling thread, which may end the process: a splice to a connection that
/// was closed raises it and has no flag against that. The error EPIPE remains. What other threads
/// and the process do with the signal is not ours to change.
pub(crate) fn ignore_broken_pipes() {
    // SAFETY: an all-zero signal set is a valid one; the calls only write to it and read it. They
    // cannot fail with a valid signal number and a valid `how`.
    unsafe {
        let mut signals: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut signals);
        libc::sigaddset(&raw mut signals, libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const signals, ptr::null_mut());
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

#[cfg(test)]
#[path = "splice_tests.rs"]
mod tests;
