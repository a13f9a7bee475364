//! A data channel that carries datagrams: frames in both directions on a link. What the peer does
//! not take in time is dropped and counted, never waited for (wire-v1 W32).

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Instant;

use crate::link::Link;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::task::TaskId;
use crate::udp_buffers::{give_spare, take_spare, with_tunnel};
use crate::udp_frame::{FRAME_MAX, Malformed, PREFIX_MAX, VisitorKey};

/// A write is made as soon as so much has come together, however much of a batch is left.
const WRITE_BYTES: usize = 131_072;
/// Reads before other tasks have their turn.
const READS_PER_TURN: usize = 4;

/// How much of a channel's queue a visitor has used lately.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Share {
    round: u32,
    bytes: usize,
}

/// What is to be written: `bytes` from `start` on.
#[derive(Default)]
struct Out {
    bytes: Vec<u8>,
    start: usize,
    /// Changes when all, or as much as the queue may hold, has been written: shares begin anew.
    round: u32,
    written: usize,
}

impl Out {
    fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    fn advance(&mut self, length: usize, limit: usize) {
        self.start += length;
        self.written += length;
        if self.len() == 0 || self.written >= limit {
            self.round = self.round.wrapping_add(1);
            self.written = 0;
        }
        if self.len() == 0 {
            self.start = 0;
            give_spare(std::mem::take(&mut self.bytes));
        } else if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }
}

pub(crate) struct UdpChannel {
    /// For its owner.
    pub(crate) id: u64,
    shard: Rc<Shard>,
    /// `None`: closed.
    link: RefCell<Option<Link>>,
    out: RefCell<Out>,
    /// The beginning of a frame whose end has not come yet.
    rest: RefCell<Vec<u8>>,
    backlog_bytes: usize,
    pub(crate) opened: Instant,
    task: Cell<TaskId>,
    /// A write has failed: the task finds out why.
    broken: Cell<bool>,
}

impl UdpChannel {
    /// `rest`: what has been read of it already.
    pub(crate) fn new(shard: &Rc<Shard>, id: u64, link: Link, rest: Vec<u8>) -> Self {
        Self {
            id,
            shard: Rc::clone(shard),
            link: RefCell::new(Some(link)),
            out: RefCell::default(),
            rest: RefCell::new(rest),
            backlog_bytes: shard.context.limits.udp_backlog_bytes,
            opened: shard.now(),
            task: Cell::new(TaskId::NONE),
            broken: Cell::new(false),
        }
    }

    /// The task that serves it: the connection's events wake it from now on.
    pub(crate) fn set_task(&self, task: TaskId) {
        self.task.set(task);
        if let Some(link) = self.link.borrow().as_ref() {
            link.watch_by(task);
        }
    }

    /// Closes the connection now. The task notices.
    pub(crate) fn close(&self) {
        let link = self.link.borrow_mut().take();
        drop(link);
        *self.out.borrow_mut() = Out::default();
        self.wake();
    }

    /// Has the task run soon, which writes what waits.
    pub(crate) fn wake(&self) {
        self.shard.tasks.wake(self.task.get());
    }

    /// Raw bytes ahead of the frames: the start command.
    pub(crate) fn put(&self, bytes: &[u8]) {
        self.out.borrow_mut().bytes.extend_from_slice(bytes);
    }

    /// Puts a frame into the queue; `flush` writes it. False: dropped, the channel is backed up or
    /// gone. The second half of the queue is kept for visitors that have used little of it: a flood
    /// of one must not be the loss of all.
    pub(crate) fn send(&self, key: &VisitorKey, payload: &[u8], share: &mut Share) -> bool {
        let length = payload.len() + PREFIX_MAX;
        let limit = self.backlog_bytes;
        if self.out.borrow().len() >= WRITE_BYTES.min(limit / 2) {
            self.flush();
        }
        if self.link.borrow().is_none() || self.broken.get() {
            return false;
        }
        let out = &mut *self.out.borrow_mut();
        if share.round != out.round {
            *share = Share {
                round: out.round,
                bytes: 0,
            };
        }
        let is_greedy = share.bytes > limit / 4 && out.len() > limit / 2;
        if out.len() > limit || is_greedy {
            return false;
        }
        share.bytes += length;
        if out.bytes.capacity() == 0 {
            out.bytes = take_spare();
        }
        key.encode(payload, &mut out.bytes);
        true
    }

    /// Writes what waits, as far as the connection takes it.
    pub(crate) fn flush(&self) {
        let link = self.link.borrow();
        let Some(link) = link.as_ref() else { return };
        let out = &mut *self.out.borrow_mut();
        if link.flush().is_err() && !self.broken.replace(true) {
            self.wake();
        }
        while out.len() > 0 && !self.broken.get() {
            match link.try_write(&out.bytes[out.start..]) {
                Ok(length) => out.advance(length, self.backlog_bytes),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.broken.set(true);
                    self.wake();
                }
            }
        }
    }

    /// Reads once and gives what came to `deliver`, which says how much of it were whole frames.
    /// True: there may be more.
    fn read(
        &self,
        deliver: &mut impl FnMut(&[u8]) -> Result<usize, Malformed>,
    ) -> Result<bool, EndReason> {
        if !self.link.borrow().as_ref().is_some_and(Link::is_readable) {
            return Ok(false);
        }
        let result = with_tunnel(&self.shard, |buffer| {
            let rest = &mut *self.rest.borrow_mut();
            buffer[..rest.len()].copy_from_slice(rest);
            let length = match self.link.borrow().as_ref() {
                Some(link) => link.try_read(&mut buffer[rest.len()..])?,
                None => return Err(io::ErrorKind::WouldBlock.into()),
            };
            if length == 0 {
                return Ok(Err(EndReason::ChannelEof));
            }
            let bytes = &buffer[..rest.len() + length];
            Ok(Self::deliver(bytes, rest, deliver))
        });
        match result {
            Ok(result) => result.map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => {
                let (eof, broken) = (EndReason::ChannelEof, EndReason::ChannelReset);
                let link = self.link.borrow();
                let reason = |link: &Link| link.channel_reason(&error, eof, broken);
                Err(link.as_ref().map_or(broken, reason))
            }
        }
    }

    fn deliver(
        bytes: &[u8],
        rest: &mut Vec<u8>,
        deliver: &mut impl FnMut(&[u8]) -> Result<usize, Malformed>,
    ) -> Result<(), EndReason> {
        let used = deliver(bytes).map_err(|Malformed| EndReason::BadFrame)?;
        let left = &bytes[used..];
        debug_assert!(left.len() < FRAME_MAX, "a whole frame was left");
        rest.clear();
        rest.extend_from_slice(left);
        if rest.is_empty() {
            // An idle channel keeps nothing.
            *rest = Vec::new();
        }
        Ok(())
    }
}

/// The task of a channel: reads frames, writes what waits. `turn` is called after each bunch of
/// reads and says until when there is nothing else to do.
///
/// Returns why the channel ended; `None` when it was closed by others.
pub(crate) async fn serve(
    channel: &UdpChannel,
    mut deliver: impl FnMut(&[u8]) -> Result<usize, Malformed>,
    mut turn: impl FnMut() -> Option<Instant>,
) -> Option<EndReason> {
    let shard = &channel.shard;
    let early = std::mem::take(&mut *channel.rest.borrow_mut());
    if !early.is_empty() {
        let mut rest = Vec::new();
        if let Err(reason) = UdpChannel::deliver(&early, &mut rest, &mut deliver) {
            return Some(reason);
        }
        *channel.rest.borrow_mut() = rest;
    }
    loop {
        let mut more = true;
        for _ in 0..READS_PER_TURN {
            match channel.read(&mut deliver) {
                Ok(true) => {}
                Ok(false) => {
                    more = false;
                    break;
                }
                Err(reason) => return Some(reason),
            }
        }
        if channel.link.borrow().is_none() {
            return None;
        }
        channel.flush();
        if channel.broken.get() && !more {
            return Some(EndReason::ChannelReset);
        }
        let until = turn();
        let parked = if more {
            shard.tasks.yield_now().await
        } else {
            shard.park(until).await
        };
        if let Err(cancelled) = parked {
            return Some(cancelled.0);
        }
    }
}
