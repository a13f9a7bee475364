//! The public side of a udp service: one socket for all visitors, frames on a few data channels. A
//! visitor stays on one channel while that lives. Only visitors that have sent something lately are
//! sent anything, so that nobody can use this socket as a reflector (wire-v1 W24); no single
//! datagram or channel ends the service (W30).
//!
//! Three kinds of tasks: the keeper starts channels and ends idle visitors, the receiver has the
//! socket's datagrams (`udp_intake.rs`), and each channel has one for its frames (`udp_replies.rs`).

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::channel::Channel;
use crate::front::Line;
use crate::link::Link;
use crate::pool::Pool;
use crate::reason::EndReason;
use crate::shard::Shard;
use crate::spec::HostPort;
use crate::system_error::system_error;
use crate::task::TaskId;
use crate::udp_channel::{UdpChannel, serve};
use crate::udp_frame::VisitorKey;
use crate::udp_queue::DatagramQueue;
use crate::udp_socket::UdpLink;
use crate::udp_visitors::{NO_CHANNEL, UdpVisitors};
use crate::upcall::{SessionId, SystemError};

/// Pauses before a channel that died is replaced: a client that drops channels as they start
/// (another service type) is asked more and more slowly. One that lived shorter than `QUICK` died at
/// its start.
const QUICK: Duration = Duration::from_secs(1);
const REOPEN_FIRST: Duration = Duration::from_millis(50);
const REOPEN_MAX: Duration = Duration::from_secs(5);

/// Ends that are our own doing: the channel is not to be replaced.
const OWN_ENDS: [EndReason; 3] = [
    EndReason::SessionEnd,
    EndReason::Drain,
    EndReason::Destroyed,
];

pub(crate) struct UdpFront {
    pub(crate) line: Rc<Line>,
    pool: Rc<Pool>,
    /// Tasks borrow it for one turn and never keep it: closing it is taking it out.
    pub(crate) socket: RefCell<Option<Rc<UdpLink>>>,
    pub(crate) receiver: Cell<TaskId>,
    pub(crate) channels: RefCell<Vec<Rc<UdpChannel>>>,
    last_channel: Cell<u64>,
    pub(crate) visitors: RefCell<UdpVisitors>,
    /// What came while there was no channel.
    pub(crate) pending: RefCell<DatagramQueue<VisitorKey>>,
    /// What the socket had no room for.
    pub(crate) unsent: RefCell<DatagramQueue<SocketAddr>>,
    keeper: Cell<TaskId>,
    reopen_at: Cell<Option<Instant>>,
    reopen_after: Cell<Duration>,
}

impl UdpFront {
    pub(crate) fn new(line: Rc<Line>) -> Rc<Self> {
        let front = Rc::new_cyclic(|weak: &Weak<Self>| {
            let ready = {
                let weak = weak.clone();
                Rc::new(move || {
                    if let Some(front) = weak.upgrade() {
                        front.wake_keeper();
                    }
                })
            };
            let limits = &line.shard.context.limits;
            Self {
                // Channels are put to use as they come, so none is kept idle.
                pool: Pool::new(&line, 0, ready),
                socket: RefCell::default(),
                receiver: Cell::default(),
                channels: RefCell::default(),
                last_channel: Cell::new(NO_CHANNEL),
                visitors: RefCell::new(UdpVisitors::new(&line)),
                pending: RefCell::new(DatagramQueue::new(limits.udp_pending_bytes)),
                unsent: RefCell::new(DatagramQueue::new(limits.udp_backlog_bytes)),
                keeper: Cell::default(),
                reopen_at: Cell::default(),
                reopen_after: Cell::new(REOPEN_FIRST),
                line,
            }
        });
        front.keep();
        front.publish();
        front
    }

    pub(crate) fn shard(&self) -> &Rc<Shard> {
        &self.line.shard
    }

    pub(crate) fn dropped(&self, count: u64) {
        if count > 0 {
            let counters = &self.line.facts.counters;
            counters.datagrams_dropped.fetch_add(count, Relaxed);
        }
    }

    /// Binds one of the addresses that the name has.
    ///
    /// # Errors
    /// The last error of the system, worded as Node words it.
    pub(crate) fn bind(
        self: &Rc<Self>,
        addresses: &[SocketAddr],
        _to: &HostPort,
    ) -> Result<SocketAddr, SystemError> {
        let mut failure = None;
        for address in addresses {
            let bound = UdpLink::bind(self.shard(), *address);
            match bound.and_then(|link| Ok((link.address()?, link))) {
                Ok((address, link)) => {
                    let link = Rc::new(link);
                    *self.socket.borrow_mut() = Some(Rc::clone(&link));
                    self.receive_from(&link);
                    return Ok(address);
                }
                Err(error) => {
                    let SystemError { code, message } = system_error(&error);
                    let what = code.as_deref().unwrap_or(&message);
                    let (ip, port) = (address.ip(), address.port());
                    let message = format!("bind {what} {ip}:{port}");
                    failure = Some(SystemError { code, message });
                }
            }
        }
        let none = || SystemError {
            code: None,
            message: "no address to bind".to_owned(),
        };
        Err(failure.unwrap_or_else(none))
    }

    /// The address is free when it returns.
    pub(crate) fn unbind(&self) {
        let socket = self.socket.borrow_mut().take();
        drop(socket);
        let lost = self.unsent.borrow_mut().take();
        self.dropped(lost.len() as u64);
        self.shard().tasks.wake(self.receiver.get());
    }

    pub(crate) fn session_started(self: &Rc<Self>) {
        self.refill();
    }

    pub(crate) fn session_ended(&self) {
        self.reopen_at.set(None);
        self.pool.clear();
        self.close_all(EndReason::SessionEnd);
    }

    pub(crate) fn channel(self: &Rc<Self>, link: Link, session: SessionId) {
        // More than were asked for: each would be put to use, so they end here (wire-v1 W3, W34).
        let there = self.channels.borrow().len() + self.pool.ready();
        if there >= self.line.shard.context.limits.udp_channels {
            self.pool.failed(EndReason::ChannelLimit);
            drop(link);
            return;
        }
        self.pool.add(link, session);
        self.publish();
    }

    pub(crate) fn end_waiting(&self, reason: EndReason) {
        drop(self.pending.borrow_mut().take());
        self.visitors.borrow_mut().end(reason);
    }

    pub(crate) fn destroy(&self, reason: EndReason) {
        self.unbind();
        self.end_waiting(reason);
        self.close_all(reason);
    }

    pub(crate) fn wake_keeper(&self) {
        self.shard().tasks.wake(self.keeper.get());
    }

    /// Runs the keeper as long as the front is there.
    fn keep(self: &Rc<Self>) {
        let (weak, shard) = (Rc::downgrade(self), Rc::clone(self.shard()));
        let again = Again(weak.clone(), Self::keep);
        let task = self.shard().spawn("udp keeper", async move {
            let _again = again;
            while let Some(front) = weak.upgrade() {
                let until = front.turn();
                drop(front);
                if shard.park(until).await.is_err() {
                    return;
                }
            }
        });
        self.keeper.set(task);
    }

    /// Returns when there is something to do again.
    fn turn(self: &Rc<Self>) -> Option<Instant> {
        let now = self.shard().now();
        let mut refill = false;
        while let Some(Channel { link, .. }) = self.pool.take() {
            self.start(link);
            refill = true;
        }
        if self.reopen_at.get().is_some_and(|at| at <= now) {
            self.reopen_at.set(None);
            refill = true;
        }
        if refill {
            self.refill();
        }
        let sweep = self.visitors.borrow_mut().sweep(now);
        [sweep, self.reopen_at.get()].into_iter().flatten().min()
    }

    fn refill(&self) {
        let wanted = self.shard().context.limits.udp_channels;
        let missing = wanted.saturating_sub(self.channels.borrow().len());
        self.pool.refill(missing);
        self.publish();
    }

    /// Puts a channel to use: its start command and what waited for it go out in one write.
    fn start(self: &Rc<Self>, link: Link) {
        if let Some(nodelay) = self.line.nodelay.get() {
            link.set_nodelay(nodelay);
        }
        let id = self.last_channel.get() + 1;
        self.last_channel.set(id);
        let channel = Rc::new(UdpChannel::new(self.shard(), id, link, Vec::new()));
        self.channels.borrow_mut().push(Rc::clone(&channel));
        self.publish();
        channel.put(&self.line.start());
        self.send_pending();
        let served = Served {
            front: Rc::clone(self),
            channel: Rc::clone(&channel),
        };
        let task = self.shard().spawn("udp channel", async move {
            let Served { front, channel } = &served;
            let ended = serve(channel, |bytes| front.deliver(bytes), || None).await;
            if let Some(reason) = ended {
                front.close(channel, reason);
            }
        });
        channel.set_task(task);
        channel.flush();
    }

    fn close(&self, channel: &Rc<UdpChannel>, reason: EndReason) {
        {
            let mut channels = self.channels.borrow_mut();
            let at = channels.iter().position(|it| Rc::ptr_eq(it, channel));
            let Some(at) = at else { return };
            channels.remove(at);
        }
        channel.close();
        self.publish();
        if OWN_ENDS.contains(&reason) {
            return;
        }
        self.pool.failed(reason);
        let now = self.shard().now();
        let lived = now.saturating_duration_since(channel.opened);
        let after = if lived > QUICK {
            REOPEN_FIRST
        } else {
            (self.reopen_after.get() * 2).min(REOPEN_MAX)
        };
        self.reopen_after.set(after);
        if self.reopen_at.get().is_none() {
            self.reopen_at.set(Some(now + after));
            self.wake_keeper();
        }
    }

    fn close_all(&self, reason: EndReason) {
        let channels = self.channels.borrow().clone();
        for channel in &channels {
            self.close(channel, reason);
        }
    }

    fn publish(&self) {
        let counters = &self.line.facts.counters;
        let wanted = self.shard().context.limits.udp_channels;
        counters.pool_target.store(wanted, Relaxed);
        let ready = self.channels.borrow().len();
        counters.pool_ready.store(ready, Relaxed);
    }
}

impl Drop for UdpFront {
    fn drop(&mut self) {
        let tasks = &self.line.shard.tasks;
        tasks.cancel(self.keeper.get(), EndReason::Destroyed);
    }
}

/// A channel and its task: however that ends, the channel is closed and counted.
struct Served {
    front: Rc<UdpFront>,
    channel: Rc<UdpChannel>,
}

impl Drop for Served {
    fn drop(&mut self) {
        let reason = self.front.shard().unexpected_end();
        self.front.close(&self.channel, reason);
    }
}

/// Runs a task of the front anew when it has panicked.
pub(crate) struct Again<F: Fn(&Rc<UdpFront>)>(pub(crate) Weak<UdpFront>, pub(crate) F);

impl<F: Fn(&Rc<UdpFront>)> Drop for Again<F> {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(front) = self.0.upgrade()
        {
            (self.1)(&front);
        }
    }
}

#[cfg(test)]
#[path = "udp_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "udp_bounds_tests.rs"]
mod bounds_tests;

#[cfg(test)]
#[path = "udp_ends_tests.rs"]
mod ends_tests;
