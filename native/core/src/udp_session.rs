//! One visitor's session with the local service: a connected socket, and the task that has its
//! replies.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use crate::reason::EndReason;
use crate::resolve::resolve;
use crate::sys;
use crate::system_error::connect_error;
use crate::task::{Cancelled, TaskId};
use crate::udp_batch::Mark;
use crate::udp_buffers::with_receiver;
use crate::udp_channel::Share;
use crate::udp_frame::{PAYLOAD_MAX, VisitorKey};
use crate::udp_locals::{LocalScene, UdpLocals};
use crate::udp_queue::DatagramQueue;
use crate::udp_socket::UdpLink;
use crate::udp_table::Found;
use crate::upcall::SystemError;

/// Batches of one session, and their bytes, before other tasks have their turn.
const BATCHES_PER_TURN: usize = 2;
const BYTES_PER_TURN: usize = 1_048_576;

pub(crate) struct LocalSession {
    pub(crate) key: VisitorKey,
    pub(crate) since: Instant,
    /// `None`: it is being made, or closed.
    pub(crate) link: RefCell<Option<UdpLink>>,
    pub(crate) waiting: RefCell<DatagramQueue<()>>,
    pub(crate) task: Cell<TaskId>,
    pub(crate) share: Cell<Share>,
    pub(crate) mark: Cell<Mark>,
    pub(crate) segment_max: Cell<u16>,
    pub(crate) bytes_in: Cell<u64>,
    pub(crate) bytes_out: Cell<u64>,
    pub(crate) ended: Cell<bool>,
}

impl LocalSession {
    pub(crate) fn new(scene: &LocalScene, key: &VisitorKey) -> Self {
        let limits = &scene.shard.context.limits;
        Self {
            key: *key,
            since: scene.shard.now(),
            link: RefCell::default(),
            waiting: RefCell::new(DatagramQueue::new(limits.udp_backlog_bytes)),
            task: Cell::default(),
            share: Cell::default(),
            mark: Cell::default(),
            segment_max: Cell::new(0),
            bytes_in: Cell::new(0),
            bytes_out: Cell::new(0),
            ended: Cell::new(false),
        }
    }
}

impl UdpLocals {
    /// Runs the session's task.
    pub(crate) fn serve(self: &Rc<Self>, session: &Rc<LocalSession>) {
        let served = Served {
            locals: Rc::clone(self),
            session: Rc::clone(session),
        };
        let task = self.scene.shard.spawn("udp session", async move {
            let Served { locals, session } = &served;
            if session.link.borrow().is_none() {
                // Rare and large: not a part of every session's task.
                let made = Box::pin(locals.make(session)).await;
                if made.is_err() {
                    return;
                }
            }
            while !session.ended.get() {
                let more = locals.replies(session);
                let tasks = &locals.scene.shard.tasks;
                let parked = if more {
                    tasks.yield_now()
                } else {
                    tasks.park(None)
                };
                if parked.await.is_err() {
                    return;
                }
            }
        });
        session.task.set(task);
        if let Some(link) = session.link.borrow().as_ref() {
            link.watch_by(task);
        }
    }

    /// The local service is a name, looked up anew for every session.
    async fn make(&self, session: &Rc<LocalSession>) -> Result<(), Cancelled> {
        let (local, prefer_ipv6) = {
            let spec = self.scene.spec.borrow();
            (spec.local.clone(), spec.prefer_ipv6)
        };
        let addresses = resolve(&self.scene.shard, &local, prefer_ipv6).await?;
        if session.ended.get() {
            // Its place in the table may be another one's by now.
            return Ok(());
        }
        let none = || SystemError {
            code: None,
            message: format!("{} has no address", local.host),
        };
        let address = addresses.and_then(|all| all.first().copied().ok_or_else(none));
        if let Err(error) = address.and_then(|address| self.connect(session, address)) {
            self.unreachable(session, error);
        }
        Ok(())
    }

    pub(crate) fn connect(
        &self,
        session: &LocalSession,
        address: SocketAddr,
    ) -> Result<(), SystemError> {
        let link = UdpLink::connect(&self.scene.shard, address)
            .map_err(|error| connect_error(&error, address))?;
        link.watch_by(session.task.get());
        session.segment_max.set(sys::segment_max(link.socket()));
        let counter = &self.scene.facts.counters.bytes_in;
        for ((), payload) in session.waiting.borrow_mut().take() {
            let bytes = payload.len() as u64;
            counter.fetch_add(bytes, Relaxed);
            if link.send(&payload, None).is_ok() {
                session.bytes_in.set(session.bytes_in.get() + bytes);
            } else {
                counter.fetch_sub(bytes, Relaxed);
                self.scene.dropped(1);
            }
        }
        *session.link.borrow_mut() = Some(link);
        Ok(())
    }

    /// Of one that is in the table.
    pub(crate) fn unreachable(&self, session: &Rc<LocalSession>, error: SystemError) {
        let LocalScene { shard, facts, .. } = &*self.scene;
        let reason = EndReason::LocalUnreachable;
        shard
            .context
            .visitor_refused(facts, reason, Some(error.message));
        self.sessions.borrow_mut().remove(&session.key);
        self.end(session, reason);
    }

    /// What the local service has sent to a visitor. True: there may be more.
    fn replies(&self, session: &Rc<LocalSession>) -> bool {
        let mut bytes = 0;
        for _ in 0..BATCHES_PER_TURN {
            match self.receive(session, &mut bytes) {
                Ok(true) if bytes >= BYTES_PER_TURN => return true,
                Ok(true) => {}
                Ok(false) => return false,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // ECONNREFUSED while the local service restarts; the next datagram tries again.
                Err(_) => self.scene.dropped(1),
            }
        }
        true
    }

    /// One batch, whose length is added.
    fn receive(&self, session: &Rc<LocalSession>, bytes: &mut usize) -> io::Result<bool> {
        let is_readable = session
            .link
            .borrow()
            .as_ref()
            .is_some_and(UdpLink::is_readable);
        if !is_readable {
            return Ok(false);
        }
        with_receiver(&self.scene.shard, |receiver| {
            let more = match session.link.borrow().as_ref() {
                Some(link) => link.receive(receiver)?,
                None => return Ok(false),
            };
            let (mut sent, mut lost) = (0, 0);
            let mut share = session.share.get();
            for message in receiver.messages() {
                for payload in message.datagrams() {
                    *bytes += payload.len();
                    // IPv6 on loopback carries a little more than a server could send on (wire-v1
                    // 7.7).
                    let fits = payload.len() <= PAYLOAD_MAX;
                    if fits && self.channel.send(&session.key, payload, &mut share) {
                        sent += payload.len() as u64;
                    } else {
                        lost += 1;
                    }
                }
            }
            session.share.set(share);
            session.bytes_out.set(session.bytes_out.get() + sent);
            self.scene.facts.counters.bytes_out.fetch_add(sent, Relaxed);
            self.scene.dropped(lost);
            // Its task writes when all sessions that were ready have had their turn.
            self.channel.wake();
            let found = self.sessions.borrow_mut().find(&session.key, self.now());
            if let Found::Idle(session) = found {
                self.end(&session, EndReason::Idle);
            }
            Ok(more)
        })
    }
}

/// A session and its task: however that ends, the session does, and is counted.
struct Served {
    locals: Rc<UdpLocals>,
    session: Rc<LocalSession>,
}

impl Drop for Served {
    fn drop(&mut self) {
        if !self.session.ended.get() {
            let reason = self.locals.scene.shard.unexpected_end();
            let session = self.locals.sessions.borrow_mut().remove(&self.session.key);
            self.locals.end(&self.session, reason);
            drop(session);
        }
    }
}

#[cfg(test)]
#[path = "udp_session_tests.rs"]
mod tests;
