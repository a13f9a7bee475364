//! One use of a reusable data channel as a link: its bytes are records on the link below
//! (docs/wire.md). When the use is over the link below goes back to where it waits for the next one.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use crate::channel::{Channel, Home, Lease};
use crate::channel_use::{ChannelUse, Role};
use crate::channel_words::{END_WORD, FREE_WORD, WORD_BYTES, data_word};
use crate::link::{Link, LinkParcel};
use crate::reason::EndReason;
use crate::shard::{BUFFER_BYTES, Shard};
use crate::task::TaskId;
use crate::tcp_link::TcpLink;
use crate::upcall::SessionId;

mod ending;
mod incoming;
mod settling;

use incoming::Incoming;

/// Fewer bytes of a record are better copied than spliced.
const SPLICE_FROM_BYTES: usize = 16_384;

pub(crate) struct ReusedLink {
    shard: Rc<Shard>,
    state: RefCell<State>,
}

/// See `LinkParcel`.
pub(crate) struct ReusedParcel {
    below: Option<LinkParcel>,
    of: UseState,
}

struct State {
    /// Absent once it has gone back, or on to another shard.
    below: Option<Link>,
    of: UseState,
}

/// All that moves to another shard with it.
struct UseState {
    home: Home,
    visitor: u64,
    rules: ChannelUse,
    incoming: Incoming,
    /// What goes out ahead of everything else, together with the first bytes where they are at hand.
    head: Vec<u8>,
    /// Announced or said, and not with the system yet.
    unwritten: Vec<u8>,
    /// Payload that is announced and still in a pipe.
    owed: usize,
    /// How it is to be ended.
    aborting: Option<EndReason>,
    /// Given up when the channel is idle or lost.
    lease: Option<Lease>,
}

impl ReusedLink {
    /// From START on; `head` is what the server says ahead of the visitor's bytes.
    pub(crate) fn new(
        shard: &Rc<Shard>,
        role: Role,
        channel: Channel,
        visitor: u64,
        head: Vec<u8>,
    ) -> Self {
        let Channel { link, home, unread } = channel;
        let of = UseState {
            lease: Some(Lease::new(&home.facts)),
            home,
            visitor,
            rules: ChannelUse::new(role),
            incoming: Incoming::new(unread),
            head,
            unwritten: Vec::new(),
            owed: 0,
            aborting: None,
        };
        Self {
            shard: Rc::clone(shard),
            state: RefCell::new(State {
                below: Some(link),
                of,
            }),
        }
    }

    pub(crate) fn shard(&self) -> &Rc<Shard> {
        &self.shard
    }

    /// See `Link::ask`.
    pub(crate) fn ask<T>(&self, otherwise: T, question: impl FnOnce(&TcpLink) -> T) -> T {
        match &self.state.borrow().below {
            Some(Link::Tcp(tcp)) => question(tcp),
            Some(Link::Coded(coded)) => question(coded.tcp()),
            _ => otherwise,
        }
    }

    /// That task is to be told when the peer gives the use up.
    pub(crate) fn watched_by(&self, task: TaskId) {
        let state = self.state.borrow();
        if state.below.is_some() {
            let mut uses = self.shard.uses.borrow_mut();
            let running = uses.entry(state.of.key());
            // Another part of the task may go on with it: what the peer has said stays said.
            running.or_insert_with(|| RunningUse::new(task)).task = task;
        }
    }

    /// Looks for an end of the use while nobody reads: at a client, before the local service is there.
    pub(crate) fn look_ahead(&self) -> Option<EndReason> {
        let State { below, of } = &mut *self.state.borrow_mut();
        if let Some(below) = below {
            of.incoming.keep(&self.shard, below, &mut of.rules);
        }
        of.incoming.fault
    }

    /// How the peer ended the use, or how the channel was lost.
    pub(crate) fn fault(&self) -> Option<EndReason> {
        self.state.borrow().of.incoming.fault
    }

    // -- the peer's direction ---------------------------------------------------------------------

    pub(crate) fn is_readable(&self) -> bool {
        let state = self.state.borrow();
        let has_more = state.of.incoming.has_more() || state.of.rules.has_peer_finished();
        has_more || state.below.as_ref().is_some_and(Link::is_readable)
    }

    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut length = 0;
        let mut surplus = Vec::new();
        self.pull(|payload| {
            let now = payload.len().min(buffer.len() - length);
            buffer[length..length + now].copy_from_slice(&payload[..now]);
            length += now;
            surplus.extend_from_slice(&payload[now..]);
        })?;
        self.state.borrow_mut().of.incoming.put_back(surplus);
        Ok(length)
    }

    /// Reads once and gives the payload that it brought to `take`, piece by piece. `Ok(0)`: the peer's
    /// direction has ended. `take` must not use this link, nor the buffers of the shard.
    ///
    /// # Errors
    /// `WouldBlock` when the task has to wait; else `fault` says what it was.
    pub(crate) fn pull(&self, mut take: impl FnMut(&[u8])) -> io::Result<usize> {
        let State { below, of } = &mut *self.state.borrow_mut();
        let UseState {
            rules, incoming, ..
        } = of;
        incoming.pull(&self.shard, below.as_ref(), rules, &mut take)
    }

    /// Payload of the record under way that the system can move by itself; 0: `pull` has something
    /// else to look at.
    ///
    /// # Errors
    /// As `pull`.
    pub(crate) fn record_left(&self) -> io::Result<usize> {
        let State { below, of } = &mut *self.state.borrow_mut();
        match below {
            Some(Link::Tcp(tcp)) => of.incoming.record_left(tcp, &mut of.rules),
            _ => Ok(0),
        }
    }

    /// Whether what comes now is worth a pipe: the last read was full, and its record goes on.
    pub(crate) fn is_bulk(&self) -> bool {
        let state = self.state.borrow();
        matches!(state.below, Some(Link::Tcp(_)))
            && state.of.incoming.was_full
            && state.of.incoming.reader.left() >= SPLICE_FROM_BYTES
    }

    /// Runs a system call that reads payload of the record under way by itself.
    ///
    /// # Errors
    /// As `pull`.
    pub(crate) fn read_record_with(
        &self,
        call: impl FnMut(&mio::net::TcpStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let State { below, of } = &mut *self.state.borrow_mut();
        let Some(Link::Tcp(tcp)) = below else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        of.incoming.read_record_with(tcp, &mut of.rules, call)
    }

    // -- our direction ----------------------------------------------------------------------------

    /// What is written now is taken.
    pub(crate) fn is_writable(&self) -> bool {
        let state = self.state.borrow();
        state.of.unwritten.is_empty()
            && state.of.owed == 0
            && state.below.as_ref().is_none_or(Link::is_writable)
    }

    /// Something goes out ahead of the first bytes, and waits for them.
    pub(crate) fn has_head(&self) -> bool {
        !self.state.borrow().of.head.is_empty()
    }

    /// Takes all of it, as one record.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let State { below, of } = &mut *self.state.borrow_mut();
        let Some(below) = below else {
            return Ok(bytes.len());
        };
        if !of.unwritten.is_empty() || of.owed > 0 || !below.is_writable() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        of.rules.send(bytes.len());
        let mut head = std::mem::take(&mut of.head);
        head.extend_from_slice(&data_word(bytes.len()));
        let written = match below {
            Link::Tcp(tcp) => tcp.try_write_parts(&head, bytes),
            _ => below.try_write(&[&head, bytes].concat()),
        };
        let written = or_none(written)?;
        let gone = written.min(head.len());
        of.unwritten.extend_from_slice(&head[gone..]);
        of.unwritten.extend_from_slice(&bytes[written - gone..]);
        Ok(bytes.len())
    }

    /// Reads from another connection to where `write_read` writes it from, which must follow. `Ok(0)`:
    /// its end.
    ///
    /// # Errors
    /// Those of the other connection.
    pub(crate) fn read_from(&self, source: &TcpLink) -> io::Result<usize> {
        match &self.state.borrow().below {
            Some(Link::Coded(coded)) => coded.read_from(source, WORD_BYTES),
            _ => source.try_read(&mut self.shard.buffer.borrow_mut()[WORD_BYTES..]),
        }
    }

    /// Writes the `length` bytes that `read_from` has read, as one record.
    ///
    /// # Errors
    /// Those of this connection.
    pub(crate) fn write_read(&self, length: usize) -> io::Result<()> {
        let State { below, of } = &mut *self.state.borrow_mut();
        let Some(below) = below else { return Ok(()) };
        of.rules.send(length);
        let word = data_word(length);
        match below {
            Link::Coded(coded) => coded.write_read(&word, length),
            below => {
                let buffer = &mut self.shard.buffer.borrow_mut()[..WORD_BYTES + length];
                buffer[..WORD_BYTES].copy_from_slice(&word);
                let written = or_none(below.try_write(buffer))?;
                of.unwritten.extend_from_slice(&buffer[written..]);
                Ok(())
            }
        }
    }

    /// Where the system can move payload to it by itself: plain TCP.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.state.borrow().below, Some(Link::Tcp(_)))
    }

    /// So many bytes are in a pipe; they follow by `write_record_with`, all of them.
    pub(crate) fn announce(&self, length: usize) {
        let of = &mut self.state.borrow_mut().of;
        of.rules.send(length);
        of.unwritten.extend_from_slice(&data_word(length));
        of.owed += length;
    }

    /// Runs a system call that writes announced payload by itself.
    ///
    /// # Errors
    /// `WouldBlock` when the task has to wait, also for words that go first.
    pub(crate) fn write_record_with(
        &self,
        call: impl FnMut(&mio::net::TcpStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let State { below, of } = &mut *self.state.borrow_mut();
        let Some(Link::Tcp(tcp)) = below else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        if !of.unwritten.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = tcp.write_with(call)?;
        of.owed -= length;
        Ok(length)
    }

    /// As `Link::flush`. Also takes what the local service does not, where the channel is to be free
    /// without it, and gives the channel back when the use is over.
    pub(crate) fn flush(&self) -> io::Result<bool> {
        let State { below, of } = &mut *self.state.borrow_mut();
        let Some(link) = below else { return Ok(true) };
        if of.rules.keeps() {
            of.incoming.keep(&self.shard, link, &mut of.rules);
        } else if of.rules.expects_nothing() && link.is_readable() {
            of.incoming.expect_nothing(&self.shard, link);
        }
        if of.incoming.lost && !of.rules.is_over() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let flushed = of.flush(link)?;
        if flushed && of.is_over() {
            self.give_back(below, of);
        }
        Ok(flushed)
    }

    pub(crate) fn is_flushed(&self) -> bool {
        let state = self.state.borrow();
        let queued = !state.of.head.is_empty() || !state.of.unwritten.is_empty();
        !queued && state.of.owed == 0 && state.below.as_ref().is_none_or(Link::is_flushed)
    }

    /// END, behind everything written.
    pub(crate) fn finish(&self) -> io::Result<()> {
        {
            let of = &mut self.state.borrow_mut().of;
            if of.rules.has_finished() {
                return Ok(());
            }
            let head = std::mem::take(&mut of.head);
            of.unwritten.extend_from_slice(&head);
            of.unwritten.extend_from_slice(&END_WORD);
            of.rules.finish();
        }
        self.flush().map(|_| ())
    }

    /// It has ended with that reason and not by END: to be told, and the channel saved where it can be.
    pub(crate) fn give_up(&self, reason: EndReason) {
        self.state.borrow_mut().of.aborting.get_or_insert(reason);
    }
}

impl UseState {
    fn key(&self) -> UseKey {
        (self.home.session, self.visitor)
    }

    fn take(&mut self) -> Self {
        Self {
            home: self.home.clone(),
            lease: self.lease.take(),
            incoming: self.incoming.take(),
            head: std::mem::take(&mut self.head),
            unwritten: std::mem::take(&mut self.unwritten),
            ..*self
        }
    }

    /// What is queued goes out. False: not all of it.
    fn flush(&mut self, below: &Link) -> io::Result<bool> {
        if !below.flush()? {
            return Ok(false);
        }
        if self.rules.take_free_due() {
            self.unwritten.extend_from_slice(&FREE_WORD);
        }
        if !self.head.is_empty() {
            let behind = std::mem::take(&mut self.unwritten);
            self.unwritten = std::mem::take(&mut self.head);
            self.unwritten.extend_from_slice(&behind);
        }
        let mut written = 0;
        while written < self.unwritten.len() {
            let bytes = &self.unwritten[written..];
            let result = match below {
                Link::Tcp(tcp) if self.owed > 0 => tcp.try_write_ahead(bytes),
                _ => below.try_write(bytes),
            };
            match or_none(result)? {
                0 => break,
                length => written += length,
            }
        }
        if written < self.unwritten.len() {
            self.unwritten.drain(..written);
            return Ok(false);
        }
        // What was there once is rarely there again: an idle connection keeps nothing.
        self.unwritten = Vec::new();
        below.flush()
    }

    /// Nothing more belongs to this use, and all of it is with the system.
    fn is_over(&self) -> bool {
        self.rules.is_over()
            && self.incoming.is_usable()
            && self.unwritten.is_empty()
            && self.head.is_empty()
            && self.owed == 0
    }
}

/// Names a use at either end, on whatever shard.
pub(crate) type UseKey = (SessionId, u64);

/// A use, as a shard finds it when the peer says that it gave it up.
pub(crate) struct RunningUse {
    task: TaskId,
    is_given_up: bool,
}

impl RunningUse {
    pub(crate) fn new(task: TaskId) -> Self {
        Self {
            task,
            is_given_up: false,
        }
    }

    /// The peer waits for the end of the channel. Gives the task that has it.
    pub(crate) fn given_up(&mut self) -> TaskId {
        self.is_given_up = true;
        self.task
    }
}

impl ReusedLink {
    /// Takes the use out; the link is of no use any more.
    pub(crate) fn detach(&mut self) -> io::Result<ReusedParcel> {
        let State { below, of } = self.state.get_mut();
        self.shard.uses.borrow_mut().remove(&of.key());
        let below = below.take().map(Link::into_parcel).transpose()?;
        Ok(ReusedParcel {
            below,
            of: of.take(),
        })
    }
}

impl ReusedParcel {
    /// It goes on here.
    pub(crate) fn unpack(self, shard: &Rc<Shard>) -> io::Result<ReusedLink> {
        let below = self.below.map(|below| below.unpack(shard)).transpose()?;
        Ok(ReusedLink {
            shard: Rc::clone(shard),
            state: RefCell::new(State { below, of: self.of }),
        })
    }

    /// Dropping it will send RST.
    pub(crate) fn reset_on_close(&self) {
        if let Some(below) = &self.below {
            below.reset_on_close();
        }
    }
}

/// How much was written; nothing, when the system takes nothing now.
fn or_none(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}

/// A read is full when so much came.
const FULL_BYTES: usize = BUFFER_BYTES;

#[cfg(test)]
#[path = "reused_link_review_tests.rs"]
mod review_tests;
#[cfg(test)]
#[path = "reused_link_scene.rs"]
mod scene;
#[cfg(test)]
#[path = "reused_link_tests.rs"]
mod tests;
