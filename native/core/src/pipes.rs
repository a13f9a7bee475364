//! The pipes through which a shard's relays splice. A pipe costs two descriptors and up to its size
//! in kernel memory, of which a normal user gets little: few are made, they are kept for the next
//! relay, and where there is none a relay goes on copying.

use std::cell::{Cell, RefCell};
use std::io;
use std::time::{Duration, Instant};

use mio::net::TcpStream;

use crate::pipe_budget::{self, PipeBudget, Seat};
use crate::sys::PipeEnds;

/// Largest first. Below 64 KiB, the size of a read, a pipe gains nothing.
const SIZES: [usize; 5] = [1 << 20, 512 << 10, 256 << 10, 128 << 10, SMALLEST];
const SMALLEST: usize = 64 << 10;
/// Empty pipes that a shard keeps.
const IDLE_MAX: usize = 16;
/// A pipe that nobody needed for so long is closed, at the latest after twice that.
const IDLE_TIME: Duration = Duration::from_secs(10);
/// After the system refused a pipe it is not asked again for so long.
const BACK_OFF: Duration = Duration::from_millis(250);

/// Tries which pipes this system gives us; `None`: no splice here. Each engine asks once.
pub(crate) fn probe() -> Option<PipeBudget> {
    let wanted = pipe_budget::wanted_size();
    let mut ends = PipeEnds::open().ok()?;
    ends.try_out().ok()?;
    let granted = SIZES
        .into_iter()
        .find(|&bytes| bytes <= wanted && ends.resize(bytes).is_ok() && ends.capacity() >= bytes);
    // Nothing is granted while other processes of this user hold all that users may have; that
    // passes.
    PipeBudget::new(granted.unwrap_or(wanted))
}

/// A shard's pool of empty pipes.
pub(crate) struct Pipes {
    budget: Option<PipeBudget>,
    idle: RefCell<Vec<Pipe>>,
    /// Idle pipes that nobody needed since the last trim.
    unneeded: Cell<usize>,
    trim_at: Cell<Option<Instant>>,
    refused_until: Cell<Option<Instant>>,
}

impl Pipes {
    pub(crate) fn new(budget: Option<PipeBudget>) -> Self {
        Self {
            budget,
            idle: RefCell::default(),
            unneeded: Cell::new(0),
            trim_at: Cell::new(None),
            refused_until: Cell::new(None),
        }
    }

    /// An empty pipe; `None`: copy on.
    pub(crate) fn take(&self) -> Option<Pipe> {
        let budget = self.budget.as_ref()?;
        let mut idle = self.idle.borrow_mut();
        if let Some(pipe) = idle.pop() {
            self.unneeded.set(self.unneeded.get().min(idle.len()));
            return Some(pipe);
        }
        drop(idle);
        if let Some(until) = self.refused_until.get() {
            if Instant::now() < until {
                return None;
            }
            self.refused_until.set(None);
        }
        let pipe = Pipe::open(budget.seat()?, budget);
        if pipe.is_none() {
            self.refused_until.set(Instant::now().checked_add(BACK_OFF));
        }
        pipe
    }

    /// Keeps an empty pipe for the next one, or closes it. Bytes that nobody wants any more must not
    /// come out in another connection.
    pub(crate) fn give_back(&self, pipe: Pipe) {
        let crowded = self.budget.as_ref().is_none_or(PipeBudget::is_crowded);
        let mut idle = self.idle.borrow_mut();
        if pipe.len() > 0 || crowded || idle.len() >= IDLE_MAX {
            return;
        }
        idle.push(pipe);
        if self.trim_at.get().is_none() {
            self.trim_at.set(Instant::now().checked_add(IDLE_TIME));
        }
    }

    /// When `trim` has something to do; `None`: nothing is idle.
    pub(crate) fn trim_at(&self) -> Option<Instant> {
        self.trim_at.get()
    }

    /// Closes the pipes that nobody needed for a while.
    pub(crate) fn trim(&self, now: Instant) {
        if self.trim_at.get().is_none_or(|at| now < at) {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        // Those at the front: the last one given back is the next one taken.
        let unneeded = self.unneeded.get().min(idle.len());
        idle.drain(..unneeded);
        self.unneeded.set(idle.len());
        let next = now.checked_add(IDLE_TIME).filter(|_| !idle.is_empty());
        self.trim_at.set(next);
    }
}

/// Bytes on their way between two sockets, held by the system.
pub(crate) struct Pipe {
    ends: PipeEnds,
    length: usize,
    /// Given up when the ends have been closed.
    _seat: Seat,
}

impl Pipe {
    fn open(seat: Seat, budget: &PipeBudget) -> Option<Self> {
        let mut ends = PipeEnds::open().ok()?;
        if budget.descriptors().is_short(ends.descriptor()) {
            return None;
        }
        if ends.capacity() < budget.bytes() {
            ends.resize(budget.bytes()).ok()?;
        }
        // A user's pipes beyond the limit are made, but tiny.
        (ends.capacity() >= SMALLEST).then_some(Self {
            ends,
            length: 0,
            _seat: seat,
        })
    }

    /// Bytes in it.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Moves what the socket has into the pipe, which must be empty; `most` bytes at most. `Ok(0)`: end
    /// of stream.
    ///
    /// # Errors
    /// `WouldBlock` when the socket has nothing; `Unsupported` when this direction must be copied
    /// from now on, with nothing lost.
    pub(crate) fn fill(&mut self, from: &TcpStream, most: usize) -> io::Result<usize> {
        debug_assert_eq!(self.length, 0, "drained before it is filled again");
        self.length = self.ends.fill(from, most)?;
        Ok(self.length)
    }

    /// Moves what is in the pipe to the socket, as much as it takes.
    ///
    /// # Errors
    /// `WouldBlock` when the socket takes nothing. A broken connection is an error as with a write.
    pub(crate) fn drain(&mut self, to: &TcpStream) -> io::Result<usize> {
        if self.length == 0 {
            return Ok(0);
        }
        let moved = self.ends.drain(to, self.length)?;
        if moved == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.length -= moved;
        Ok(moved)
    }
}

#[cfg(all(test, target_os = "linux"))]
#[path = "pipes_tests.rs"]
mod tests;
