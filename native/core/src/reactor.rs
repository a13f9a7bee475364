//! Which sockets of a shard are ready, and which task wants to know. Readiness is edge-triggered:
//! a bit stays set until a system call says that there is nothing more.

use std::cell::RefCell;
use std::io;

use mio::event::{Event, Source};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use slab::Slab;

use crate::task::TaskId;

pub(crate) const READ: u8 = 1;
pub(crate) const WRITE: u8 = 2;
/// The peer will send no more: reading never blocks.
pub(crate) const READ_CLOSED: u8 = 4;
/// The connection is broken; the socket has the error.
pub(crate) const ERROR: u8 = 8;

/// Urgent data has come at some time: a read stops in front of it, and short does not mean dry.
pub(crate) const URGENT: u8 = 16;

/// What a stream tells of beside being writable.
#[cfg(target_os = "linux")]
pub(crate) const READING: Interest = Interest::READABLE.add(Interest::PRIORITY);
#[cfg(not(target_os = "linux"))]
pub(crate) const READING: Interest = Interest::READABLE;

pub(crate) const WAKER: Token = Token(0);

/// Whether a socket can be registered for less at first, and for writing when it has to wait.
pub(crate) const LATE_WRITABLE: bool = cfg!(target_os = "linux");

struct Slot {
    task: TaskId,
    ready: u8,
}

pub(crate) struct Reactor {
    registry: Registry,
    slots: RefCell<Slab<Slot>>,
}

impl Reactor {
    pub(crate) fn new(registry: Registry) -> Self {
        Self {
            registry,
            slots: RefCell::default(),
        }
    }

    /// Watches a socket for the task. `ready`: what is known already.
    pub(crate) fn register(
        &self,
        source: &mut impl Source,
        interest: Interest,
        task: TaskId,
        ready: u8,
    ) -> io::Result<usize> {
        let slot = self.slots.borrow_mut().insert(Slot { task, ready });
        let registered = self.registry.register(source, Token(slot + 1), interest);
        if let Err(error) = registered {
            self.release(slot);
            return Err(error);
        }
        Ok(slot)
    }

    /// From now on its events also tell when it can be written to; if it can be now, at once.
    #[cfg(target_os = "linux")]
    pub(crate) fn tell_writable(&self, slot: usize, source: &TcpStream) {
        let interest = READING | Interest::WRITABLE;
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(source);
        let mut source = mio::unix::SourceFd(&descriptor);
        // A socket that is registered can be registered otherwise.
        let _ = self
            .registry
            .reregister(&mut source, Token(slot + 1), interest);
    }

    /// They do so from the beginning.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn tell_writable(&self, _slot: usize, _source: &TcpStream) {}

    /// For a socket that goes on elsewhere; one that is closed needs `release` only.
    pub(crate) fn deregister(&self, source: &mut impl Source) -> io::Result<()> {
        self.registry.deregister(source)
    }

    pub(crate) fn release(&self, slot: usize) {
        self.slots.borrow_mut().try_remove(slot);
    }

    pub(crate) fn set_task(&self, slot: usize, task: TaskId) {
        if let Some(slot) = self.slots.borrow_mut().get_mut(slot) {
            slot.task = task;
        }
    }

    pub(crate) fn task(&self, slot: usize) -> TaskId {
        let slots = self.slots.borrow();
        slots.get(slot).map_or(TaskId::NONE, |slot| slot.task)
    }

    pub(crate) fn ready(&self, slot: usize) -> u8 {
        self.slots.borrow().get(slot).map_or(0, |slot| slot.ready)
    }

    pub(crate) fn clear(&self, slot: usize, bits: u8) {
        if let Some(slot) = self.slots.borrow_mut().get_mut(slot) {
            slot.ready &= !bits;
        }
    }

    /// Notes an event and returns the task to wake. Those of one poll are all noted before anything
    /// runs that could close a socket, so the slot still is that of the event's socket.
    pub(crate) fn note(&self, event: &Event) -> Option<TaskId> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get_mut(event.token().0.checked_sub(1)?)?;
        let mut bits = 0;
        if event.is_readable() {
            bits |= READ;
        }
        if event.is_writable() {
            bits |= WRITE;
        }
        if event.is_priority() {
            bits |= READ | URGENT;
        }
        if event.is_read_closed() {
            bits |= READ | READ_CLOSED;
        }
        if event.is_error() || event.is_write_closed() {
            bits |= READ | WRITE | ERROR;
        }
        slot.ready |= bits;
        Some(slot.task)
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.slots.borrow().len()
    }
}
