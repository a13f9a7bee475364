//! Memory that all udp services of a shard share while datagrams move: nothing of it is kept by an
//! idle session, and all of it is given back when no datagram came for a while.

use std::cell::{Cell, RefCell, RefMut};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::shard::Shard;
use crate::sys::{Area, Receiver};
use crate::udp_batch::Batch;

/// One read of a data channel.
pub(crate) const TUNNEL_BYTES: usize = 262_144;
/// How long it is kept for the next datagram.
const QUIET: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 2_000 });
/// Buffers of channels that have nothing to write just now.
const SPARE_MAX: usize = 4;
const SPARE_BYTES: usize = 1_048_576;

#[derive(Default)]
struct Buffers {
    receiver: RefCell<Option<Receiver>>,
    tunnel: RefCell<Option<Area>>,
    batch: RefCell<Option<Box<Batch>>>,
    spare: RefCell<Vec<Vec<u8>>>,
    used: Cell<Option<Instant>>,
}

thread_local! {
    // A shard is a thread.
    static BUFFERS: Buffers = Buffers::default();
}

fn get<T>(
    place: &RefCell<Option<T>>,
    make: impl FnOnce() -> io::Result<T>,
) -> io::Result<RefMut<'_, T>> {
    let mut guard = place.borrow_mut();
    if guard.is_none() {
        *guard = Some(make()?);
    }
    RefMut::filter_map(guard, Option::as_mut).map_err(|_| io::ErrorKind::OutOfMemory.into())
}

/// What datagrams are received with; borrowed for one batch.
///
/// # Errors
/// The system's, when memory is short.
pub(crate) fn with_receiver<T>(
    shard: &Rc<Shard>,
    work: impl FnOnce(&mut Receiver) -> io::Result<T>,
) -> io::Result<T> {
    note_use(shard);
    BUFFERS.with(|buffers| work(&mut *get(&buffers.receiver, Receiver::new)?))
}

/// What a data channel is read into; borrowed for one read and what it brought.
///
/// # Errors
/// The system's, when memory is short.
pub(crate) fn with_tunnel<T>(
    shard: &Rc<Shard>,
    work: impl FnOnce(&mut [u8]) -> io::Result<T>,
) -> io::Result<T> {
    note_use(shard);
    BUFFERS.with(|buffers| work(&mut get(&buffers.tunnel, || Area::new(TUNNEL_BYTES))?))
}

/// What datagrams of one read are sorted and sent with.
pub(crate) fn with_batch<T>(work: impl FnOnce(&mut Batch) -> T) -> T {
    BUFFERS.with(|buffers| {
        let mut batch = buffers.batch.borrow_mut();
        work(batch.get_or_insert_default())
    })
}

/// An empty buffer for what a channel is to write.
pub(crate) fn take_spare() -> Vec<u8> {
    BUFFERS.with(|buffers| buffers.spare.borrow_mut().pop().unwrap_or_default())
}

pub(crate) fn give_spare(mut buffer: Vec<u8>) {
    BUFFERS.with(|buffers| {
        let mut spare = buffers.spare.borrow_mut();
        if spare.len() < SPARE_MAX && buffer.capacity() <= SPARE_BYTES {
            buffer.clear();
            spare.push(buffer);
        }
    });
}

/// The first use after a quiet time starts the task that notices the next one.
fn note_use(shard: &Rc<Shard>) {
    let was_quiet = BUFFERS.with(|buffers| buffers.used.replace(Some(shard.now())).is_none());
    if was_quiet {
        let keeper = Rc::clone(shard);
        shard.spawn("udp buffers", async move {
            let _guard = GiveBack;
            loop {
                let used = BUFFERS.with(|buffers| buffers.used.get());
                let until = used.and_then(|used| used.checked_add(QUIET));
                if until.is_none_or(|at| at <= keeper.now()) || keeper.park(until).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// However the task ends, the next use begins anew.
struct GiveBack;

impl Drop for GiveBack {
    fn drop(&mut self) {
        // The thread may be ending: then all is being freed anyway.
        let _ = BUFFERS.try_with(|buffers| {
            buffers.used.set(None);
            drop(buffers.receiver.take());
            drop(buffers.tunnel.take());
            drop(buffers.batch.take());
            drop(buffers.spare.take());
        });
    }
}

/// Whether nothing is kept.
#[cfg(test)]
pub(crate) fn is_empty() -> bool {
    BUFFERS.with(|buffers| {
        buffers.receiver.borrow().is_none()
            && buffers.tunnel.borrow().is_none()
            && buffers.batch.borrow().is_none()
            && buffers.spare.borrow().is_empty()
    })
}
